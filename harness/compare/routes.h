/* Under which name the target has a source's table: sync_diff_inspector's [routes]. */
#ifndef HARNESS_COMPARE_ROUTES_H
#define HARNESS_COMPARE_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"

/* patterns: '*', '?', [a-z], letters of either case; "" for no table_pattern: a whole db; "" for
 * a target: its own name */
struct table_route {
	char *schema_pattern, *table_pattern, *target_schema, *target_table;
};
struct routes {
	struct table_route *route;
	size_t n;
};
/* *to_db and *to_table: the given ones, or a route's. A rule for tables goes before one for the
 * whole db; two that fit are ERR_USAGE. 1: a route fits; 0: none. */
int routes_apply(const struct routes *r, const char *db, const char *table, const char **to_db,
		 const char **to_table, struct err *e);
/* Is it what a route for tables names as its target? */
bool routes_lead_to(const struct routes *r, const char *db, const char *table);
void routes_release(struct routes *r);

#endif
