#include "harness/compare/routes.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <stdbool.h>
#include <string.h>

static bool pattern_fits(const char *pattern, const char *name)
{
	return !fnmatch(pattern, name, FNM_CASEFOLD);
}

int routes_apply(const struct routes *r, const char *db, const char *table, const char **to_db,
		 const char **to_table, struct err *e)
{
	const struct table_route *of_db = NULL, *of_table = NULL;

	*to_db = db;
	*to_table = table;
	for (size_t i = 0; r && i < r->n; i++) {
		const struct table_route *t = &r->route[i];
		const struct table_route **best = *t->table_pattern ? &of_table : &of_db;

		if (!pattern_fits(t->schema_pattern, db) ||
		    (*t->table_pattern && !pattern_fits(t->table_pattern, table)))
			continue;
		if (*best)
			return err_set(e, ERR_USAGE, 0, "two routes match %s.%s: %s.%s and %s.%s",
				       db, table, (*best)->schema_pattern, (*best)->table_pattern,
				       t->schema_pattern, t->table_pattern);
		*best = t;
	}
	if (!of_table && !of_db)
		return 0;
	if (*(of_table ? of_table : of_db)->target_schema)
		*to_db = (of_table ? of_table : of_db)->target_schema;
	if (of_table && *of_table->target_table)
		*to_table = of_table->target_table;
	return 1;
}

bool routes_lead_to(const struct routes *r, const char *db, const char *table)
{
	for (size_t i = 0; r && i < r->n; i++)
		if (!strcmp(r->route[i].target_schema, db) &&
		    !strcmp(r->route[i].target_table, table))
			return true;
	return false;
}

void routes_release(struct routes *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->route[i].schema_pattern);
		free(r->route[i].table_pattern);
		free(r->route[i].target_schema);
		free(r->route[i].target_table);
	}
	free(r->route);
	*r = (struct routes){ 0 };
}
