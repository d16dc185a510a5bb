#include "harness/compare/compare_objects.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/compare/compare_structure.h"
#include "harness/sql/rights.h"

void compare_not_compared(struct compare *c, const char *kind, const char *name, const char *why)
{
	json_t *known;
	size_t i;

	pthread_mutex_lock(&c->lock);
	json_array_foreach(
		c->not_compared, i,
		known) if (!strcmp(json_string_value(json_object_get(known, "name")), name) &&
			   !strcmp(json_string_value(json_object_get(known, "kind")),
				   kind)) goto out; /* of the other side */
	c->not_compared_total++;
	if (json_array_size(c->not_compared) < COMPARE_NOTES_MAX)
		json_array_append_new(c->not_compared, json_pack("{s:s,s:s,s:s}", "kind", kind,
								 "name", name, "why", why));
out:
	pthread_mutex_unlock(&c->lock);
}

void compare_behind(struct compare *c, const char *kind, const char *name, const char *on_a,
		    const char *on_b)
{
	const char *an = c->o->a_name ? c->o->a_name : "a", *bn = c->o->b_name ? c->o->b_name : "b";

	pthread_mutex_lock(&c->lock);
	c->counters_behind++;
	if (json_array_size(c->notes) < COMPARE_NOTES_MAX)
		json_array_append_new(c->notes,
				      json_pack("{s:s,s:s,s:s,s:s,s:s}", "kind", kind, "table",
						name, an, on_a, bn, on_b, "what",
						"the next value is behind: it would be assigned "
						"twice"));
	pthread_mutex_unlock(&c->lock);
}

static const char *name_of(const struct compare *c, int side)
{
	const char *name = side ? c->o->b_name : c->o->a_name;

	return name ? name : side ? "b" : "a";
}

/* Both sides' texts, or one's alone (NULL). */
static void report(struct compare *c, const char *kind, const char *name, const char *a,
		   const char *b)
{
	json_t *f = json_pack("{s:s,s:s}", "kind", kind, "table", name);

	json_object_set_new(f, name_of(c, 0), a ? json_string(a) : json_null());
	json_object_set_new(f, name_of(c, 1), b ? json_string(b) : json_null());
	pthread_mutex_lock(&c->lock);
	c->structure_different++;
	pthread_mutex_unlock(&c->lock);
	compare_finding(c, NULL, f);
}

/* ---- rows of a query, in order of the first cell ---- */

struct line {
	char *key, *text, *more;
};
struct lines {
	struct line *line;
	size_t n;
};

static void lines_release(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->line[i].key);
		free(l->line[i].text);
		free(l->line[i].more);
	}
	free(l->line);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->key, ((const struct line *)b)->key);
}

static bool is_listed(const char *const *only, size_t n, const char *name)
{
	bool in = !only;

	for (size_t i = 0; i < n && !in; i++)
		in = !strcmp(only[i], name);
	return in;
}

/* Cells: the database, the key, a text, more. */
static int read_lines(struct sql *s, const char *query, const char *const *only, size_t n,
		      struct lines *out, struct err *e)
{
	struct sql_rows r = { 0 };
	int got;

	if (sql_query(s, &r, e, "%s", query) < 0)
		return -1;
	while ((got = sql_rows_next(&r, e)) == 1) {
		if (!r.cell[0] || !r.cell[1] || !is_listed(only, n, r.cell[0]))
			continue;
		XGROW_POW2(out->line, out->n);
		out->line[out->n++] =
			(struct line){ xstrdup(r.cell[1]), xstrdup(r.cell[2] ? r.cell[2] : ""),
				       xstrdup(r.cell[3] ? r.cell[3] : "") };
	}
	sql_rows_release(&r);
	if (out->n)
		qsort(out->line, out->n, sizeof(*out->line), by_key);
	return got;
}

/* ---- databases ---- */

static int tables_in(struct sql *s, const char *db, uint64_t *n, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	sql_add_text(&q, db, strlen(db));
	rc = sql_value_u64(s, n, e,
			   "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s",
			   q.buf);
	strbuf_release(&q);
	return rc;
}

/* A database that is not listed may be one that this user must not see. */
static int surely_absent(struct sql *s, const char *db, const char *side, struct err *e)
{
	struct strbuf name = STRBUF_INIT;
	struct sql_rows r = { 0 };
	struct err why = ERR_INIT;
	int rc;

	sql_add_name(&name, db);
	rc = sql_query(s, &r, &why, "SHOW CREATE DATABASE %s", name.buf);
	sql_rows_release(&r);
	strbuf_release(&name);
	if (rc == 0 || (why.kind == ERR_SQL && why.code == 1049))
		return 0;
	if (why.kind == ERR_SQL)
		return err_set(
			e, ERR_ENV, why.code,
			"%s does not show database %s to this account, so drtest cannot tell "
			"whether it exists: GRANT SHOW DATABASES, or list the tables to compare",
			side, db);
	if (e)
		*e = why;
	return err_wrap(e, "%s", side);
}

static int one_side_database(struct compare *c, struct sql *s, struct sql *other, const char *db,
			     bool a, bool same_flavor, struct err *e)
{
	uint64_t n = 1;

	if (surely_absent(other, db, name_of(c, a), e) < 0)
		return -1;

	if (c->o->skip_missing) {
		compare_not_compared(c, "database", db,
				     a ? "the other side has none: skipped as requested"
				       : "only the target has it: skipped as requested");
		return 0;
	}
	/* TiDB makes an empty "test" of its own */
	if (!same_flavor && !strcmp(db, "test") && tables_in(s, db, &n, e) < 0)
		return -1;
	if (n == 0)
		return 0;
	pthread_mutex_lock(&c->lock);
	c->structure_different++;
	pthread_mutex_unlock(&c->lock);
	compare_finding(c, NULL,
			json_pack("{s:s,s:s,s:s,s:s}", "kind", "database", "table", db, "only_on",
				  name_of(c, !a), "not_on", name_of(c, a)));
	return 0;
}

int compare_databases(struct compare *c, struct sql *sa, struct sql *sb, bool same_flavor,
		      const char *const *only, size_t n, struct err *e)
{
	static const char query[] =
		"SELECT SCHEMA_NAME, SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
		" WHERE LOWER(SCHEMA_NAME) NOT IN " SYSTEM_SCHEMAS_SQL;
	struct lines l[2] = { { 0 }, { 0 } };
	size_t i = 0, j = 0;
	int rc = -1;

	if (read_lines(sa, query, only, n, &l[0], e) < 0 ||
	    read_lines(sb, query, only, n, &l[1], e) < 0)
		goto out;
	while (i < l[0].n || j < l[1].n) {
		int order = i == l[0].n   ? 1
			    : j == l[1].n ? -1
					  : strcmp(l[0].line[i].key, l[1].line[j].key);
		const struct line *x = order <= 0 ? &l[0].line[i] : &l[1].line[j],
				  *y = order ? NULL : &l[1].line[j];

		i += order <= 0;
		j += order >= 0;
		if (!y) {
			if (one_side_database(c, order < 0 ? sa : sb, order < 0 ? sb : sa, x->key,
					      order < 0, same_flavor, e) < 0)
				goto out;
		} else if (!compare_same_charset(x->text, y->text) ||
			   (same_flavor && !compare_same_charset(x->more, y->more))) {
			char *a = xstrfmt("DEFAULT CHARACTER SET %s COLLATE %s", x->text, x->more);
			char *b = xstrfmt("DEFAULT CHARACTER SET %s COLLATE %s", y->text, y->more);

			report(c, "database", x->key, a, b);
			free(a);
			free(b);
		}
	}
	rc = 0;
out:
	lines_release(&l[0]);
	lines_release(&l[1]);
	return rc;
}

/* ---- views ---- */

#define VIEW_INVALID 1356

/* 0: it can be used; 1: not, *code says why; -1: error. */
static int view_answers(struct sql *s, const struct table_name *v, long *code, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows rows = { 0 };
	struct err why = ERR_INIT;
	int rc;

	strbuf_addstr(&q, "SELECT 1 FROM ");
	sql_add_name(&q, v->db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, v->table);
	strbuf_addstr(&q, " LIMIT 0");
	rc = sql_query_stream(s, &rows, &why, q.buf, q.len);
	sql_rows_release(&rows);
	strbuf_release(&q);
	if (rc == 0)
		return 0;
	if (code)
		*code = why.code;
	if (why.kind == ERR_SQL)
		return 1;
	if (e)
		*e = why;
	return -1;
}

/* A view that can't be used: 1. Its definition stands there all the same. */
static int is_broken(struct sql *s, const struct table_name *v, struct err *e)
{
	return view_answers(s, v, NULL, e);
}

int compare_view_invalid(struct sql *s, const struct table_name *v, struct err *e)
{
	long code = 0;
	int rc = view_answers(s, v, &code, e);

	return rc == 1 ? code == VIEW_INVALID : rc;
}

static int read_views(struct sql *s, struct lines *out, struct err *e)
{
	char *query = xstrfmt(
		"SELECT TABLE_SCHEMA, CONCAT(LENGTH(TABLE_SCHEMA),'.',TABLE_SCHEMA,'.',TABLE_NAME), VIEW_DEFINITION, CONCAT('CHECK OPTION ', CHECK_OPTION, "
		"', SQL SECURITY ', SECURITY_TYPE%s, %s)"
		" FROM information_schema.VIEWS WHERE LOWER(TABLE_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL,
		sql_flavor(s) == SQL_MARIADB ? ", ', ALGORITHM ', ALGORITHM" : "",
		/* of texts in it. TiCDC makes views with a collation of its own */
		sql_flavor(s) == SQL_TIDB
			? "''"
			: "IF(LOCATE('\\'', VIEW_DEFINITION) > 0, CONCAT(', ', COLLATION_CONNECTION), '')");
	int rc = read_lines(s, query, NULL, 0, out, e);

	free(query);
	return rc;
}

static const struct line *line_of(const struct lines *l, const char *key)
{
	struct line k = { .key = (char *)key };

	return l->n ? bsearch(&k, l->line, l->n, sizeof(*l->line), by_key) : NULL;
}

static int one_view(struct compare *c, struct sql *s[2], bool same_flavor,
		    const struct table_name *v, const struct lines l[2], struct err *e)
{
	char *name = xstrfmt("%s.%s", v->db, v->table);
	char *key = xstrfmt("%zu.%s", strlen(v->db), name); /* names may have dots */
	const struct line *x = line_of(&l[0], key), *y = line_of(&l[1], key);
	int broken[2] = { is_broken(s[0], v, e), 0 };

	if (broken[0] >= 0)
		broken[1] = is_broken(s[1], v, e);
	if (broken[0] >= 0 && broken[1] >= 0) {
		if (broken[0] != broken[1])
			report(c, "view", name, broken[0] ? "can't be used" : "can be used",
			       broken[1] ? "can't be used" : "can be used");
		else if (broken[0])
			compare_not_compared(c, "view", name, "neither side can use it");
		if (!same_flavor)
			compare_not_compared(
				c, "view", name,
				"its definition: different kinds of servers spell it differently");
		else if (!x || !y || (!*x->text && !*y->text))
			compare_not_compared(c, "view", name,
					     "its definition is not visible: GRANT SHOW VIEW");
		else if (strcmp(x->text, y->text) != 0)
			report(c, "view", name, x->text, y->text);
		else if (strcmp(x->more, y->more) != 0)
			report(c, "view", name, x->more, y->more);
	}
	free(key);
	free(name);
	return broken[0] < 0 || broken[1] < 0 ? -1 : 0;
}

int compare_views(struct compare *c, struct sql *sa, struct sql *sb, bool same_flavor,
		  const struct table_name *const *v, size_t n, struct err *e)
{
	struct lines l[2] = { { 0 }, { 0 } };
	struct sql *s[2] = { sa, sb };
	int rc = 0;

	if (!n)
		return 0;
	if (same_flavor && (read_views(sa, &l[0], e) < 0 || read_views(sb, &l[1], e) < 0))
		rc = -1;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = one_view(c, s, same_flavor, v[i], l, e);
	lines_release(&l[0]);
	lines_release(&l[1]);
	return rc;
}

/* ---- sequences ---- */

static int sequence_text(struct sql *s, const struct table_name *t, struct strbuf *out,
			 struct err *e)
{
	struct strbuf name = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int rc;

	sql_add_name(&name, t->db);
	strbuf_addch(&name, '.');
	sql_add_name(&name, t->table);
	rc = sql_query(s, &r, e, "SHOW CREATE SEQUENCE %s", name.buf);
	if (rc == 0 && (rc = sql_rows_next(&r, e)) == 1) {
		strbuf_addstr(out, r.n_columns > 1 && r.cell[1] ? r.cell[1] : "");
		rc = 0;
	}
	sql_rows_release(&r);
	strbuf_release(&name);
	return rc;
}

/* The next values are no difference, but one that is behind gives numbers again. MariaDB's alone
 * can be read without taking one. */
static int sequence_values(struct compare *c, struct sql *sa, struct sql *sb,
			   const struct table_name *t, const char *name, struct err *e)
{
	struct strbuf from = STRBUF_INIT, v[2] = { STRBUF_INIT, STRBUF_INIT };
	struct sql *s[2] = { sa, sb };
	bool backwards = false;
	int rc = 0;

	if (sql_flavor(sa) != SQL_MARIADB || sql_flavor(sb) != SQL_MARIADB) {
		compare_not_compared(c, "sequence", name, "its next value");
		return 0;
	}
	sql_add_name(&from, t->db);
	strbuf_addch(&from, '.');
	sql_add_name(&from, t->table);
	for (int i = 0; i < 2 && rc >= 0; i++)
		rc = sql_value(
			s[i], &v[i], e,
			"SELECT CONCAT(next_not_cached_value, IF(increment < 0, ' down', '')) FROM %s",
			from.buf);
	if (rc >= 0) {
		long long on_a = strtoll(v[0].buf, NULL, 10), on_b = strtoll(v[1].buf, NULL, 10);

		backwards = strchr(v[0].buf, ' ') != NULL;
		if (backwards ? on_b > on_a : on_b < on_a)
			compare_behind(c, "sequence", name, v[0].buf, v[1].buf);
		rc = 0;
	}
	strbuf_release(&from);
	strbuf_release(&v[0]);
	strbuf_release(&v[1]);
	return rc;
}

int compare_sequence(struct compare *c, struct sql *sa, struct sql *sb, const struct table_name *s,
		     struct err *e)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	char *name = xstrfmt("%s.%s", s->db, s->table);
	int rc = sequence_text(sa, s, &a, e) < 0 || sequence_text(sb, s, &b, e) < 0 ? -1 : 0;

	if (rc == 0 && sql_flavor(sa) == sql_flavor(sb) && strcmp(a.buf, b.buf) != 0)
		report(c, "sequence", name, a.buf, b.buf);
	if (rc == 0)
		rc = sequence_values(c, sa, sb, s, name, e);
	strbuf_release(&a);
	strbuf_release(&b);
	free(name);
	return rc;
}

/* ---- what is listed alone ---- */

/* Databases with a name that another kind of server has for its own. */
static int list_foreign(struct compare *c, struct sql *sa, struct sql *sb, struct err *e)
{
	static const char query[] =
		"SELECT SCHEMA_NAME, SCHEMA_NAME, '', '' FROM information_schema.SCHEMATA WHERE LOWER(SCHEMA_NAME) IN " SYSTEM_SCHEMAS_SQL
		" AND BINARY SCHEMA_NAME NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys', '" BOOKKEEPING_DB
		"')";
	struct sql *s[2] = { sa, sb };
	int rc = 0;

	for (int i = 0; i < 2 && rc == 0; i++) {
		struct lines l = { 0 };

		if (sql_flavor(s[i]) != SQL_TIDB)
			rc = read_lines(s[i], query, NULL, 0, &l, e);
		for (size_t k = 0; k < l.n; k++)
			compare_not_compared(c, "database", l.line[k].key,
					     "its name is reserved by a server or tool");
		lines_release(&l);
	}
	return rc;
}

/* What an account may not see is on neither side, as it seems, and nothing would be said of it. */
static int list_unseen(struct compare *c, struct sql *s, bool b, const char *const *only, size_t n,
		       struct err *e)
{
	static const char *const kinds[][2] = { { "TRIGGER", "trigger" }, { "EVENT", "event" } };
	struct rights *r = rights_read(s, e);

	if (!r)
		return -1;
	if (!only && !rights_have(r, "SELECT", NULL)) {
		char *why = xstrfmt(
			"%s shows its account %s only objects that it has privileges for: GRANT "
			"SELECT ON *.*",
			name_of(c, b), rights_account(r));

		compare_not_compared(c, "database", "*", why);
		free(why);
	}
	for (size_t k = 0; k < 2 && sql_flavor(s) != SQL_TIDB; k++) {
		bool seen = rights_have(r, kinds[k][0], NULL);

		for (size_t i = 0; only && !seen && i < n && rights_have(r, kinds[k][0], only[i]);
		     i++)
			seen = i + 1 == n;
		if (!seen) {
			char *why = xstrfmt("%s does not show them to its account: GRANT %s",
					    name_of(c, b), kinds[k][0]);

			compare_not_compared(c, kinds[k][1], "*", why);
			free(why);
		}
	}
	rights_free(r);
	return 0;
}

int compare_list_others(struct compare *c, struct sql *sa, struct sql *sb, const char *const *only,
			size_t n, struct err *e)
{
	static const struct {
		const char *kind, *query;
	} lists[] = {
		{ "trigger",
		  "SELECT TRIGGER_SCHEMA, CONCAT(TRIGGER_SCHEMA,'.',TRIGGER_NAME), 'trigger', NULL FROM information_schema.TRIGGERS"
		  " WHERE LOWER(TRIGGER_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL },
		{ "routine",
		  "SELECT ROUTINE_SCHEMA, CONCAT(ROUTINE_SCHEMA,'.',ROUTINE_NAME), LOWER(ROUTINE_TYPE), NULL FROM information_schema.ROUTINES"
		  " WHERE LOWER(ROUTINE_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL },
		{ "event",
		  "SELECT EVENT_SCHEMA, CONCAT(EVENT_SCHEMA,'.',EVENT_NAME), 'event', NULL FROM information_schema.EVENTS"
		  " WHERE " EVENTS_SHOWN_SQL
		  " AND LOWER(EVENT_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL },
	};
	int rc = list_unseen(c, sa, false, only, n, e) < 0 ||
				 list_unseen(c, sb, true, only, n, e) < 0
			 ? -1
		 : only ? 0
			: list_foreign(c, sa, sb, e);

	for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]) && rc == 0; k++) {
		struct lines l[2] = { { 0 }, { 0 } };
		size_t i = 0, j = 0;

		rc = read_lines(sa, lists[k].query, only, n, &l[0], e) < 0 ||
				     read_lines(sb, lists[k].query, only, n, &l[1], e) < 0
			     ? -1
			     : 0;
		while (rc == 0 && (i < l[0].n || j < l[1].n)) {
			int order = i == l[0].n   ? 1
				    : j == l[1].n ? -1
						  : strcmp(l[0].line[i].key, l[1].line[j].key);
			const struct line *x = order <= 0 ? &l[0].line[i] : &l[1].line[j];
			char *why = order ? xstrfmt("only %s has it", name_of(c, order > 0))
					  : xstrdup("both sides have it");

			compare_not_compared(c, x->text, x->key, why);
			i += order <= 0;
			j += order >= 0;
			free(why);
		}
		lines_release(&l[0]);
		lines_release(&l[1]);
	}
	return rc;
}
