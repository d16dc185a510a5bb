/* Inside compare/: everything except tables. Databases and their defaults, the definitions of
 * views and sequences; what is not compared, by name. */
#ifndef HARNESS_COMPARE_COMPARE_OBJECTS_H
#define HARNESS_COMPARE_COMPARE_OBJECTS_H

#include "harness/compare/compare_rows.h"

/* Databases: all of them (only NULL), or those in that list of n names in order. same_flavor:
 * collations count too. */
int compare_databases(struct compare *c, struct sql *sa, struct sql *sb, bool same_flavor,
		      const char *const *only, size_t n, struct err *e);
/* 1: a view that its server calls invalid (a table, column or function of it is gone); 0: not. */
int compare_view_invalid(struct sql *s, const struct table_name *v, struct err *e);
/* Views that both sides have under one name: v[i] of n. */
int compare_views(struct compare *c, struct sql *sa, struct sql *sb, bool same_flavor,
		  const struct table_name *const *v, size_t n, struct err *e);
int compare_sequence(struct compare *c, struct sql *sa, struct sql *sb, const struct table_name *s,
		     struct err *e);
/* Triggers, routines and events of either side, in the databases as above. */
int compare_list_others(struct compare *c, struct sql *sa, struct sql *sb, const char *const *only,
			size_t n, struct err *e);
/* A note: what is given next is behind on b, so that it would be given again. */
void compare_behind(struct compare *c, const char *kind, const char *name, const char *on_a,
		    const char *on_b);
void compare_not_compared(struct compare *c, const char *kind, const char *name, const char *why);

#endif
