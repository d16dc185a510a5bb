#include "harness/backup/catalog.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/sql/rights.h"

#define NAMED_MAX 20u /* of one kind of things left out; the rest is counted */

/* What a DDL of another session makes of our reading: gone, or locked for longer than we wait. */
static bool went_away(int code)
{
	return code == 1146 || code == 1049 || code == 1051 || code == 1305 || code == 1356 ||
	       code == 4091;
}

static int count_ddl(struct sql *s, struct ddl_count *c, struct err *e)
{
	static const struct {
		const char *name;
		size_t at;
	} kinds[] = {
		{ "com_create_table", offsetof(struct ddl_count, create) },
		{ "com_create_db", offsetof(struct ddl_count, create) },
		{ "com_create_sequence", offsetof(struct ddl_count, create) },
		{ "com_create_view", offsetof(struct ddl_count, create_view) },
		{ "com_drop_table", offsetof(struct ddl_count, drop) },
		{ "com_drop_db", offsetof(struct ddl_count, drop) },
		{ "com_drop_sequence", offsetof(struct ddl_count, drop) },
		{ "com_drop_view", offsetof(struct ddl_count, drop) },
		{ "com_rename_table", offsetof(struct ddl_count, rename) },
		{ "com_alter_db", offsetof(struct ddl_count, alter_db) },
	};
	struct sql_rows r = { 0 };
	int rc;

	*c = (struct ddl_count){ 0 };
	if (sql_query(s, &r, e, "SHOW GLOBAL STATUS LIKE 'Com\\_%%'") < 0)
		return -1;
	while ((rc = sql_rows_next(&r, e)) == 1)
		for (size_t i = 0; r.cell[0] && r.cell[1] && i < sizeof(kinds) / sizeof(kinds[0]);
		     i++)
			if (!strcasecmp(r.cell[0], kinds[i].name))
				*(uint64_t *)((char *)c + kinds[i].at) +=
					strtoull(r.cell[1], NULL, 10);
	sql_rows_release(&r);
	return rc;
}

static int show_create(struct sql *s, char **out, struct err *e, const char *what, const char *db,
		       const char *name)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int rc = -1;

	strbuf_addf(&q, "SHOW CREATE %s ", what);
	sql_add_name(&q, db);
	if (*name) {
		strbuf_addch(&q, '.');
		sql_add_name(&q, name);
	}
	if (sql_query(s, &r, e, "%s", q.buf) == 0 && sql_rows_next(&r, e) == 1 &&
	    r.n_columns >= 2 && r.cell[1]) {
		*out = xstrdup(r.cell[1]);
		rc = 0;
	} else {
		if (e && e->kind == ERR_NONE)
			err_set(e, ERR_SQL, 0, "no answer");
		err_wrap(e, "definition of %s %s%s%s", what, db, *name ? "." : "", name);
	}
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

static size_t count_patterns(const char *const *ignore)
{
	size_t n = 0;

	while (ignore && ignore[n])
		n++;
	return n;
}

/* Told by a pattern to be left out: noted. */
static bool is_ignored(struct catalog *c, const char *const *ignore, const char *db,
		       const char *name)
{
	char *full = xstrfmt("%s.%s", db, name);
	bool yes = false;

	for (size_t i = 0; *name && ignore && ignore[i]; i++)
		if (!fnmatch(ignore[i], full, 0))
			yes = c->ignore_used[i] = true;
	if (yes)
		strbuf_addf(&c->ignored, "%s%s", c->ignored.len ? ", " : "", full);
	free(full);
	return yes;
}

static int list_objects(struct sql *s, struct catalog *c, const char *const *ignore,
			struct manifest_object **out, size_t *n, const char *what, const char *sql,
			struct err *e)
{
	struct sql_rows r = { 0 };
	int rc;

	if (sql_query(s, &r, e, "%s", sql) < 0)
		return -1;
	while ((rc = sql_rows_next(&r, e)) == 1) {
		if (!r.cell[0] || !r.cell[1] || schema_is_system(r.cell[0]) ||
		    is_ignored(c, ignore, r.cell[0], r.cell[1]))
			continue;
		*out = xreallocarray(*out, *n + 1, sizeof(**out));
		(*out)[(*n)++] = (struct manifest_object){ .db = xstrdup(r.cell[0]),
							   .name = xstrdup(r.cell[1]),
							   .collation = r.n_columns > 2 && r.cell[2]
										? xstrdup(r.cell[2])
										: NULL };
	}
	sql_rows_release(&r);
	for (size_t i = 0; rc == 0 && i < *n; i++)
		rc = show_create(s, &(*out)[i].create_sql, e, what, (*out)[i].db, (*out)[i].name);
	return rc;
}

/* The next value that no session has been given yet: what a restored sequence goes on with. */
static int sequence_values(struct sql *s, struct catalog *c, struct err *e)
{
	for (size_t i = 0; i < c->n_sequences; i++) {
		struct manifest_object *o = &c->sequences[i];
		struct strbuf name = STRBUF_INIT, v = STRBUF_INIT;
		int rc;

		sql_add_name(&name, o->db);
		strbuf_addch(&name, '.');
		sql_add_name(&name, o->name);
		rc = sql_value(s, &v, e, "SELECT next_not_cached_value FROM %s", name.buf);
		o->next = strbuf_detach(&v);
		strbuf_release(&name);
		if (rc != 0)
			return rc < 0 ? err_wrap(e, "sequence %s.%s", o->db, o->name)
				      : err_set(e, ERR_SQL, 0, "sequence %s.%s has no value", o->db,
						o->name);
	}
	return 0;
}

static int list_tables(struct sql *s, const char *const *ignore, struct catalog *c, struct err *e)
{
	struct table_name *all = NULL;
	size_t n = 0;

	if (schema_names(s, &all, &n, e) < 0)
		return -1;
	c->tables = xcalloc(n + 1, sizeof(*c->tables));
	for (size_t i = 0; i < n; i++)
		if ((all[i].kind == TABLE_BASE || all[i].kind == TABLE_VERSIONED) &&
		    !schema_is_system(all[i].db) &&
		    !is_ignored(c, ignore, all[i].db, all[i].table)) {
			c->tables[c->n_tables++] = all[i];
		} else {
			free(all[i].db);
			free(all[i].table);
		}
	free(all);
	return 0;
}

/* A pattern that leaves nothing out is a typo. */
static int patterns_used(const struct catalog *c, const char *const *ignore, struct err *e)
{
	for (size_t i = 0; ignore && ignore[i]; i++)
		if (!c->ignore_used[i])
			return err_set(e, ERR_USAGE, 0,
				       "ignore '%.200s' matches no table, view or sequence",
				       ignore[i]);
	return 0;
}

int catalog_read(struct sql *s, const char *const *ignore, struct catalog *c, struct err *e)
{
	*c = (struct catalog){ .ignored = STRBUF_INIT,
			       .ignore_used = xcalloc(count_patterns(ignore) + 1, sizeof(bool)) };
	if (count_ddl(s, &c->ddl, e) < 0 ||
	    list_objects(s, c, ignore, &c->dbs, &c->n_dbs, "DATABASE",
			 "SELECT SCHEMA_NAME, '' FROM information_schema.SCHEMATA ORDER BY 1",
			 e) < 0 ||
	    list_objects(
		    s, c, ignore, &c->views, &c->n_views, "VIEW",
		    "SELECT TABLE_SCHEMA, TABLE_NAME, COLLATION_CONNECTION FROM information_schema.VIEWS ORDER BY 1, 2",
		    e) < 0 ||
	    (sql_flavor(s) == SQL_MARIADB &&
	     list_objects(s, c, ignore, &c->sequences, &c->n_sequences, "SEQUENCE",
			  "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE "
			  "TABLE_TYPE = 'SEQUENCE' ORDER BY 1, 2",
			  e) < 0) ||
	    sequence_values(s, c, e) < 0 || list_tables(s, ignore, c, e) < 0 ||
	    patterns_used(c, ignore, e) < 0) {
		if (e && went_away(e->code))
			e->kind = ERR_CONFLICT;
		catalog_release(c);
		return -1;
	}
	return 0;
}

void catalog_release(struct catalog *c)
{
	manifest_objects_free(c->dbs, c->n_dbs);
	manifest_objects_free(c->views, c->n_views);
	manifest_objects_free(c->sequences, c->n_sequences);
	schema_tables_free(c->tables, c->n_tables);
	strbuf_release(&c->ignored);
	free(c->ignore_used);
	*c = (struct catalog){ 0 };
}

static bool same_objects(const struct manifest_object *a, size_t na,
			 const struct manifest_object *b, size_t nb)
{
	if (na != nb)
		return false;
	for (size_t i = 0; i < na; i++)
		if (strcmp(a[i].db, b[i].db) || strcmp(a[i].name, b[i].name) ||
		    strcmp(a[i].create_sql, b[i].create_sql))
			return false;
	return true;
}

const char *catalog_moved(const struct catalog *a, const struct catalog *b)
{
	if (a->n_tables != b->n_tables)
		return "tables were created or dropped";
	for (size_t i = 0; i < a->n_tables; i++)
		if (strcmp(a->tables[i].db, b->tables[i].db) ||
		    strcmp(a->tables[i].table, b->tables[i].table))
			return "tables were created, dropped or renamed";
	if (!same_objects(a->dbs, a->n_dbs, b->dbs, b->n_dbs))
		return "databases changed";
	if (!same_objects(a->views, a->n_views, b->views, b->n_views))
		return "views changed";
	if (!same_objects(a->sequences, a->n_sequences, b->sequences, b->n_sequences))
		return "sequences changed";
	/* The lists are alike; what came and went between them shows in the counters alone. */
	if ((b->ddl.create + b->ddl.create_view > a->ddl.create + a->ddl.create_view &&
	     b->ddl.drop > a->ddl.drop) ||
	    b->ddl.create_view > a->ddl.create_view + 1 || b->ddl.rename > a->ddl.rename + 1 ||
	    b->ddl.alter_db > a->ddl.alter_db + 1)
		return "something was created and dropped, or changed and changed back";
	return NULL;
}

static void add_names(struct strbuf *out, struct sql *s, const char *what, const char *sql)
{
	struct sql_rows r = { 0 };
	unsigned n = 0;

	if (sql_query(s, &r, NULL, "%s", sql) == 0)
		while (sql_rows_next(&r, NULL) == 1)
			if (r.cell[0] && r.cell[1] && !schema_is_system(r.cell[0]) &&
			    ++n <= NAMED_MAX)
				strbuf_addf(out, "%s%s.%s%s%s%s", n > 1 ? ", " : what, r.cell[0],
					    r.cell[1], r.n_columns > 2 && r.cell[2] ? " (" : "",
					    r.n_columns > 2 && r.cell[2] ? r.cell[2] : "",
					    r.n_columns > 2 && r.cell[2] ? ")" : "");
	if (n > NAMED_MAX)
		strbuf_addf(out, " and %u more", n - NAMED_MAX);
	sql_rows_release(&r);
}

/* The server writes a function's call in a view's text as `db`.`name`(. */
static void views_on_functions(struct strbuf *out, struct sql *s, const struct catalog *c)
{
	struct sql_rows r = { 0 };

	if (!c->n_views ||
	    sql_query(
		    s, &r, NULL,
		    "SELECT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION'") <
		    0)
		return;
	while (sql_rows_next(&r, NULL) == 1) {
		struct strbuf call = STRBUF_INIT;

		if (!r.cell[0] || !r.cell[1])
			continue;
		sql_add_name(&call, r.cell[0]);
		strbuf_addch(&call, '.');
		sql_add_name(&call, r.cell[1]);
		strbuf_addch(&call, '(');
		for (size_t i = 0; i < c->n_views; i++)
			if (strcasestr(c->views[i].create_sql, call.buf))
				strbuf_addf(
					out,
					"%sview %s.%s needs function %s.%s: a restore creates it "
					"only if the function exists",
					out->len ? "; " : "", c->views[i].db, c->views[i].name,
					r.cell[0], r.cell[1]);
		strbuf_release(&call);
	}
	sql_rows_release(&r);
}

/* What is left out is not named either where the account does not see it. */
static void add_unseen(struct strbuf *out, struct sql *s)
{
	static const char *const kinds[][2] = { { "TRIGGER", "triggers" }, { "EVENT", "events" } };
	struct rights *r = sql_flavor(s) == SQL_TIDB ? NULL : rights_read(s, NULL);

	for (size_t i = 0; r && i < 2; i++)
		if (!rights_have(r, kinds[i][0], NULL))
			strbuf_addf(out,
				    "%snot included: %s, which this account cannot see (GRANT %s)",
				    out->len ? "; " : "", kinds[i][1], kinds[i][0]);
	rights_free(r);
}

void catalog_left_out(struct sql *s, const struct catalog *c, struct strbuf *out)
{
	static const struct {
		const char *first, *next, *sql;
	} lists[] = {
		{ "not included: trigger ", "; trigger ",
		  "SELECT TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS ORDER BY 1, 2" },
		{ "not included: procedure ", "; procedure ",
		  "SELECT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = "
		  "'PROCEDURE' ORDER BY 1, 2" },
		{ "not included: function ", "; function ",
		  "SELECT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = "
		  "'FUNCTION' ORDER BY 1, 2" },
		{ "not included: package ", "; package ",
		  "SELECT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = "
		  "'PACKAGE' ORDER BY 1, 2" },
		{ "not included: event ", "; event ",
		  "SELECT EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS WHERE " EVENTS_SHOWN_SQL
		  " ORDER BY 1, 2" },
		{ "not included: history (current rows are) of ",
		  "; history (current rows are) of ",
		  "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'SYSTEM VERSIONED' ORDER BY 1, 2" },
		{ "not covered by the snapshot (engine without transactions): ",
		  "; not covered by the snapshot (engine without transactions): ",
		  "SELECT TABLE_SCHEMA, TABLE_NAME, t.ENGINE FROM information_schema.TABLES t JOIN information_schema.ENGINES n ON n.ENGINE = t.ENGINE "
		  "WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND n.TRANSACTIONS = 'NO' ORDER BY 1, 2" },
	};

	if (c->ignored.len)
		strbuf_addf(out, "not included, as requested: %s", c->ignored.buf);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		add_names(out, s, out->len ? lists[i].next : lists[i].first, lists[i].sql);
	add_names(
		out, s, out->len ? "; not included: " : "not included: ",
		sql_flavor(s) == SQL_MARIADB
			? "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_TYPE NOT IN "
			  "('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE', 'VIEW', 'SYSTEM VIEW', 'TEMPORARY', 'TEMPORARY SEQUENCE') ORDER BY 1, 2"
			: "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_TYPE NOT IN ('BASE TABLE', 'VIEW', 'SYSTEM VIEW') "
			  "ORDER BY 1, 2");
	views_on_functions(out, s, c);
	add_unseen(out, s);
}
