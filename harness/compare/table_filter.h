/* Which tables: rules in order, of which the last that matches decides. Shell patterns over
 * "db.table", or sync_diff_inspector's own rules (TiDB's table filter): db and table apart,
 * wildcards, `quoted` and "quoted" names, /regular expressions/, letters of either case. '?' and
 * '.' are a character where LC_CTYPE is of UTF-8. */
#ifndef HARNESS_COMPARE_TABLE_FILTER_H
#define HARNESS_COMPARE_TABLE_FILTER_H

#include <stdbool.h>

#include "harness/base/err.h"

struct table_filter;
struct table_filter *table_filter_new(void);
void table_filter_free(struct table_filter *f); /* NULL is fine */
/* A '!' in front leaves out. Where the first shell pattern leaves out, all others are in. */
void table_filter_add_pattern(struct table_filter *f, const char *pattern);
/* ERR_USAGE: what the rule has that can't be meant */
int table_filter_add_rule(struct table_filter *f, const char *rule, struct err *e);
bool table_filter_is_empty(const struct table_filter *f);
bool table_filter_has(struct table_filter *f, const char *db, const char *table);
/* A rule that was asked and lets nothing in: it matched no table. NULL: none. */
const char *table_filter_unused(const struct table_filter *f);

#endif
