/* Two definitions of one table: what differs, and how far the rows can still be compared. */
#ifndef HARNESS_COMPARE_COMPARE_STRUCTURE_H
#define HARNESS_COMPARE_COMPARE_STRUCTURE_H

#include "harness/compare/compare_rows.h"

enum structure_verdict {
	STRUCTURE_ORDERED,   /* the same columns, and a key that orders both sides alike */
	STRUCTURE_UNORDERED, /* the same columns; rows compare as a multiset */
	STRUCTURE_UNLIKE,    /* other columns: rows do not compare */
};
/* Findings for each difference: with one kind of server on both sides line by line of SHOW CREATE TABLE, else by columns and unique keys. */
enum structure_verdict compare_structure(struct compare *c, const struct table_schema *a, const struct table_schema *b, bool same_flavor);

/* Takes columns that match a pattern "db.table.column" out of a definition, as if they were not there. A column of the key that orders
 * the rows can't be left out: ERR_USAGE. */
int compare_drop_ignored(struct table_schema *t, const char *const *ignore, struct err *e);

#endif
