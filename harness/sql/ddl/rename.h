/* What a statement renames: RENAME TABLE a TO b, c TO d, or ALTER TABLE a RENAME [TO] b; and how
 * much of it a server has done already, as far as the tables that are there tell. */
#ifndef HARNESS_SQL_DDL_RENAME_H
#define HARNESS_SQL_DDL_RENAME_H

#include "harness/sql/ddl/lex.h"
#include "harness/sql/sql.h"

struct rename_name {
	char db[LEX_NAME_MAX + 1], table[LEX_NAME_MAX + 1];
};
struct rename_pair {
	struct rename_name from, to;
};
struct rename { /* { 0 } is empty; released with rename_release() */
	struct rename_pair *pair;
	size_t n;
};

/* Appends the statement's pairs. False, and nothing appended: it is something else, or renames and
 * does more. */
bool rename_parse(struct rename *out, const char *query, size_t bytes, const char *default_db);
bool rename_same(const struct rename_name *a, const struct rename_name *b);
/* Do they end as they began (a to tmp, b to a, tmp to b)? Then no name tells whether they were
 * done. */
bool rename_is_round(const struct rename *r);
/* *done: how many of the pairs, from the first, have been done: the tables are there as after so
 * many; 0 of a round that stands so. -1: they stand as after no number of them. */
int rename_done(struct sql *s, const struct rename *r, int *done, struct err *e);
void rename_release(struct rename *r);

#endif
