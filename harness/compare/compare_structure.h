/* Two definitions of one table: what differs, and how far the rows can still be compared. */
#ifndef HARNESS_COMPARE_COMPARE_STRUCTURE_H
#define HARNESS_COMPARE_COMPARE_STRUCTURE_H

#include "harness/compare/compare_rows.h"

enum structure_verdict {
	STRUCTURE_ORDERED,   /* the same columns, and a key that orders both sides alike */
	STRUCTURE_UNORDERED, /* the same columns; rows compare as a multiset */
	STRUCTURE_UNLIKE,    /* other columns: rows do not compare */
};
/* Findings for each difference: with one kind of server on both sides line by line of SHOW CREATE
 * TABLE, else by columns and unique keys. Another order of the columns is one; b's columns stand in
 * a's order afterwards, so that rows compare by name. Unlike is always a finding. Columns get what
 * their values need: by_members where members differ, virtual_counts where no definition says how
 * a virtual column is computed. Where b's next AUTO_INCREMENT is behind a's, that is a note. */
enum structure_verdict compare_structure(struct compare *c, struct compare_table *t,
					 struct table_schema *a, struct table_schema *b,
					 bool same_flavor);
/* The finding of a table whose rows cannot be compared, unless its structure has one already. */
void compare_unlike(struct compare *c, struct compare_table *t);
/* Character sets or collations by name: utf8 is utf8mb3. */
bool compare_same_charset(const char *x, const char *y);

/* "db.table", of which a whole table is meant; more dots mean a column. */
bool compare_pattern_is_table(const char *pattern);
struct compare_ignored {
	const char *const *pattern; /* "db.table.column", NULL-terminated; NULL: none */
	bool *used;                 /* beside each pattern: it has matched */
	char *const *column;        /* names besides */
	size_t n;
};
/* Takes such columns out of a definition, as if they were not there; db and table: by which name it
 * goes. A column of the key that orders the rows can't be left out: ERR_USAGE. */
int compare_drop_ignored(struct table_schema *t, const char *db, const char *table,
			 const struct compare_ignored *ignored, struct err *e);

#endif
