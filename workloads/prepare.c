/* A load's tables, made and dropped: several connections, each taking the next table. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "workloads/load_impl.h"

#define PREPARE_THREADS_MAX 64u
#define UNITS_MAX 100000
#define TABLE_EXISTS 1050

struct preparer {
	struct load *load;
	const struct sql_endpoint *ep;
	struct deadline deadline;
	_Atomic unsigned *next; /* the last table that was taken */
	atomic_bool *stop;
	uint32_t units;
	pthread_t id;
	bool running;
	struct err error;
};

static struct sql *open_in_db(const struct load *l, const struct sql_endpoint *ep,
			      struct deadline d, struct err *e)
{
	struct strbuf use = STRBUF_INIT;
	struct sql *s = sql_open(ep, d, e);

	strbuf_addstr(&use, "USE ");
	sql_add_name(&use, l->db);
	if (s && sql_exec_text(s, e, use.buf, use.len) < 0) {
		sql_close(s);
		s = NULL;
	}
	strbuf_release(&use);
	return s;
}

/* How often prepare() is called, each time with its number. */
static int count_units(struct load *l, uint32_t *n, struct err *e)
{
	int64_t v = l->script.units[0] ? script_option(&l->script, l->script.units, UNITS_MAX)
				       : l->o.tables;

	if (v < 1)
		return err_set(e, ERR_USAGE, 0,
			       "load %s: option %s must be a whole number from "
			       "1 to %d",
			       l->name, l->script.units, UNITS_MAX);
	*n = (uint32_t)v;
	return 0;
}

static int explain_failure(struct script *s, struct con_face *c, struct err *e, const char *what)
{
	if (c->error.kind == ERR_NONE)
		return script_error(s->L, s, e);
	*e = c->error;
	lua_pop(s->L, 1);
	err_wrap(e, "%s", what);
	if (e->code == TABLE_EXISTS) {
		size_t n = strlen(e->text);

		snprintf(e->text + n, sizeof(e->text) - n,
			 ": `drtest load NAME cleanup` drops the load's tables; or use another "
			 "database");
	}
	return -1;
}

/* The one call before all others: tables that are no unit's own. */
static int run_schema(struct load *l, struct sql *sql, struct deadline d, struct err *e)
{
	struct draw draw = { .seed = l->o.seed,
			     .dist = l->dist,
			     .tables = l->o.tables,
			     .table_size = l->o.table_size };
	struct con_face c = { .way = CON_WAITS,
			      .draw = &draw,
			      .deadline = d,
			      .sql = sql,
			      .call = { .text = STRBUF_INIT } };
	struct script s = { 0 };
	int rc = -1;

	if (l->script.schema_ref == LUA_NOREF)
		return 0;
	if (script_open(&s, l->name, l->o.set, e) < 0)
		goto out;
	c.script = &s;
	lua_rawgeti(s.L, LUA_REGISTRYINDEX, s.schema_ref);
	script_push_con(&s, &c);
	lua_rawgeti(s.L, LUA_REGISTRYINDEX, s.opt_ref);
	if (lua_pcall(s.L, 2, 0, 0) == 0)
		rc = 0;
	else
		explain_failure(&s, &c, e, "schema");
out:
	con_face_release(&c);
	script_close(&s);
	return rc;
}

static int prepare_table(struct preparer *p, struct script *s, struct con_face *c, struct draw *d,
			 uint32_t table)
{
	lua_State *L = s->L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->prepare_ref);
	script_push_con(s, c);
	script_push_draw(s, d);
	lua_pushnumber(L, table);
	lua_pushnumber(L, (double)p->load->o.table_size);
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->opt_ref);
	if (lua_pcall(L, 5, 0, 0) == 0)
		return 0;
	char what[64];

	snprintf(what, sizeof(what), "prepare %s %u", s->units[0] ? s->units : "table", table);
	return explain_failure(s, c, &p->error, what);
}

static void *prepare_main(void *arg)
{
	struct preparer *p = arg;
	struct load *l = p->load;
	struct draw d = { .seed = l->o.seed,
			  .dist = l->dist,
			  .tables = l->o.tables,
			  .table_size = l->o.table_size };
	struct con_face c = { .way = CON_WAITS,
			      .draw = &d,
			      .deadline = p->deadline,
			      .call = { .text = STRBUF_INIT } };
	struct script s = { 0 };

	if (script_open(&s, l->name, l->o.set, &p->error) < 0)
		goto out;
	c.script = &s;
	c.sql = open_in_db(l, p->ep, p->deadline, &p->error);
	if (!c.sql)
		goto out;
	for (uint32_t table;
	     !atomic_load(p->stop) && (table = atomic_fetch_add(p->next, 1) + 1) <= p->units;) {
		if (prepare_table(p, &s, &c, &d, table) < 0)
			break;
		atomic_fetch_add(&l->prepared, 1);
	}
out:
	if (p->error.kind != ERR_NONE)
		atomic_store(p->stop, true);
	sql_close(c.sql);
	con_face_release(&c);
	script_close(&s);
	return NULL;
}

static int make_database(struct load *l, const struct sql_endpoint *ep, struct deadline d,
			 struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct sql *s = sql_open(ep, d, e);
	int rc = -1;

	if (!s)
		return -1;
	strbuf_addstr(&text, "CREATE DATABASE IF NOT EXISTS ");
	sql_add_name(&text, l->db);
	if (sql_exec_text(s, e, text.buf, text.len) < 0)
		goto out;
	strbuf_reset(&text);
	strbuf_addstr(&text, "USE ");
	sql_add_name(&text, l->db);
	if (sql_exec_text(s, e, text.buf, text.len) < 0)
		goto out;
	if (l->o.ledger_rows &&
	    sql_exec(
		    s, e,
		    "CREATE TABLE " LEDGER_TABLE
		    " (worker INT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL, PRIMARY KEY (worker, seq))") <
		    0)
		goto out;
	rc = run_schema(l, s, d, e);
out:
	strbuf_release(&text);
	sql_close(s);
	return rc;
}

int load_prepare(struct load *l, const struct sql_endpoint *ep, unsigned threads, struct deadline d,
		 struct err *e)
{
	_Atomic unsigned next = 0;
	atomic_bool stop = false;
	struct preparer *p;
	uint32_t n_units = 0;
	int rc = 0;

	if (l->script.prepare_ref == LUA_NOREF && !l->script.ledger)
		return err_set(e, ERR_UNSUPPORTED, 0, "load %s has no prepare()", l->name);
	if (count_units(l, &n_units, e) < 0)
		return -1;
	if (make_database(l, ep, d, e) < 0)
		return err_wrap(e, "prepare load %s", l->name);
	if (l->script.prepare_ref == LUA_NOREF)
		return 0;
	threads = threads < 1 ? 1 : threads > PREPARE_THREADS_MAX ? PREPARE_THREADS_MAX : threads;
	if (threads > n_units)
		threads = n_units;
	atomic_store(&l->prepared, 0);
	atomic_store(&l->prepare_units, n_units);
	p = xcalloc(threads, sizeof(*p));
	for (unsigned i = 0; i < threads; i++) {
		p[i] = (struct preparer){ .load = l,
					  .ep = ep,
					  .deadline = d,
					  .next = &next,
					  .stop = &stop,
					  .units = n_units };
		p[i].running =
			i + 1 < threads && pthread_create(&p[i].id, NULL, prepare_main, &p[i]) == 0;
	}
	prepare_main(&p[threads - 1]); /* one is us: with no further thread it only takes longer */
	for (unsigned i = 0; i < threads; i++) {
		if (p[i].running)
			pthread_join(p[i].id, NULL);
		if (rc == 0 && p[i].error.kind != ERR_NONE) {
			if (e)
				*e = p[i].error;
			rc = err_wrap(e, "prepare load %s", l->name);
		}
	}
	atomic_store(&l->prepare_units, 0);
	free(p);
	return rc;
}

bool load_preparing(const struct load *l, unsigned *done, unsigned *total)
{
	*total = atomic_load(&l->prepare_units);
	*done = atomic_load(&l->prepared);
	return *total > 0;
}

/* ---- its tables, by name and columns */

typedef int table_fn(void *arg, struct sql *s, const char *db, const char *name,
		     const char *columns, struct err *e);

/* "sbtest%d(id, k, c, pad)" is the name, and the columns by which it is known for this load's;
 * without them it is known by its name. */
static int each_table(struct load *l, struct sql *s, table_fn *fn, void *arg, struct err *e)
{
	lua_State *L = l->script.L;
	int rc = 0;

	if (l->script.tables_ref == LUA_NOREF)
		return 0;
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->script.tables_ref);
	for (int i = 1; rc == 0 && i <= (int)lua_objlen(L, -1); i++) {
		struct strbuf columns = STRBUF_INIT;
		const char *pattern, *at, *open;

		lua_rawgeti(L, -1, i);
		pattern = lua_tostring(L, -1);
		at = strstr(pattern, "%d");
		open = strchr(pattern, '(');
		for (const char *p = open ? open + 1 : ""; *p && *p != ')'; p++)
			if (*p != ' ')
				strbuf_addch(&columns, *p);
		for (unsigned k = 1; rc == 0 && k <= (at ? l->o.tables : 1); k++) {
			struct strbuf name = STRBUF_INIT;
			const char *rest = at ? at + 2 : pattern;

			if (at)
				strbuf_addf(&name, "%.*s%u", (int)(at - pattern), pattern, k);
			strbuf_add(&name, rest,
				   open && open >= rest ? (size_t)(open - rest) : strlen(rest));
			rc = fn(arg, s, l->db, name.buf, columns.buf, e);
			strbuf_release(&name);
		}
		strbuf_release(&columns);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return rc;
}

static int columns_of(struct sql *s, const char *db, const char *name, struct strbuf *out,
		      struct err *e)
{
	struct strbuf in = STRBUF_INIT;
	int rc;

	sql_add_text(&in, db, strlen(db));
	strbuf_addstr(&in, " AND TABLE_NAME = ");
	sql_add_text(&in, name, strlen(name));
	rc = sql_value(
		s, out, e,
		"SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s",
		in.buf);
	strbuf_release(&in);
	return rc < 0 ? -1 : 0;
}

/* A table of that name may be anybody's. */
static int is_ours(void *arg, struct sql *s, const char *db, const char *name, const char *columns,
		   struct err *e)
{
	struct strbuf has = STRBUF_INIT;
	int rc = columns_of(s, db, name, &has, e);

	(void)arg;
	if (rc == 0 && has.len && *columns && strcasecmp(has.buf, columns) != 0)
		rc = err_set(
			e, ERR_USAGE, 0,
			"table %s.%s does not belong to this load: its columns are %.200s, not "
			"%.200s; nothing was dropped",
			db, name, has.buf, columns);
	strbuf_release(&has);
	return rc;
}

static int drop(void *arg, struct sql *s, const char *db, const char *name, const char *columns,
		struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	int rc;

	(void)arg;
	(void)columns;
	strbuf_addstr(&text, "DROP TABLE IF EXISTS ");
	sql_add_name(&text, db);
	strbuf_addch(&text, '.');
	sql_add_name(&text, name);
	rc = sql_exec_text(s, e, text.buf, text.len) < 0 ? -1 : 0;
	strbuf_release(&text);
	return rc;
}

/* The ledger goes with its load's tables: where it was asked for, and where nothing else is left.
 */
static int drop_ledger(struct load *l, struct sql *s, struct err *e)
{
	struct strbuf db = STRBUF_INIT, has = STRBUF_INIT;
	uint64_t others = 0;
	int rc = -1;

	sql_add_text(&db, l->db, strlen(l->db));
	if (columns_of(s, l->db, LEDGER_TABLE, &has, e) < 0 ||
	    sql_value_u64(
		    s, &others, e,
		    "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME <> '" LEDGER_TABLE
		    "'",
		    db.buf) < 0)
		goto out;
	rc = 0;
	if (!strcasecmp(has.buf, "worker,seq") && (l->o.ledger_rows || l->script.ledger || !others))
		rc = drop(NULL, s, l->db, LEDGER_TABLE, "", e);
out:
	strbuf_release(&db);
	strbuf_release(&has);
	return rc;
}

int load_cleanup(struct load *l, const struct sql_endpoint *ep, struct err *e)
{
	struct sql *s;
	int rc;

	if (l->script.tables_ref == LUA_NOREF && !l->script.ledger)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "load %s does not list its tables: add `tables = { \"mine%%d\" }`",
			       l->name);
	s = open_in_db(l, ep, deadline_in_ms(60000), e);
	rc = s && each_table(l, s, is_ours, NULL, e) == 0 && each_table(l, s, drop, NULL, e) == 0 &&
			     drop_ledger(l, s, e) == 0
		     ? 0
		     : -1;
	sql_close(s);
	return rc < 0 ? err_wrap(e, "cleanup of load %s", l->name) : 0;
}

static int add_table(void *arg, struct sql *s, const char *db, const char *name,
		     const char *columns, struct err *e)
{
	(void)s;
	(void)db;
	(void)columns;
	(void)e;
	strbuf_addf(arg, "\t%s", name);
	return 0;
}

int load_tables(struct load *l, const struct sql_endpoint *ep, struct strbuf *out, struct err *e)
{
	struct sql *s = sql_open(ep, deadline_in_ms(60000), e);
	struct strbuf db = STRBUF_INIT;
	uint64_t there = 0;
	int rc;

	sql_add_text(&db, l->db, strlen(l->db));
	rc = s && sql_value_u64(
			  s, &there, e,
			  "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s",
			  db.buf) == 0
		     ? 0
		     : -1;
	strbuf_addf(out, "%s%s", there ? "" : "+", l->db);
	if (rc == 0)
		rc = each_table(l, NULL, add_table, out, e);
	if (l->o.ledger_rows || l->script.ledger)
		strbuf_addstr(out, "\t" LEDGER_TABLE);
	strbuf_release(&db);
	sql_close(s);
	return rc;
}

#define FOUND_ROWS_MAX 3
#define CHECK_MS 600000

static int check_one(struct load *l, struct sql *s, const char *name, const char *text, size_t n,
		     void (*found)(void *arg, const char *condition, const char *rows), void *arg,
		     struct err *e)
{
	struct strbuf out = STRBUF_INIT;
	struct sql_rows rows = { 0 };
	unsigned seen = 0;
	int rc = sql_query_stream(s, &rows, e, text, n);

	while (rc == 0) {
		int more = sql_rows_next(&rows, e);

		if (more <= 0) {
			rc = more < 0 ? -1 : 1;
			break;
		}
		for (unsigned i = 0; seen < FOUND_ROWS_MAX && i < rows.n_columns; i++)
			strbuf_addf(&out, "%s%.*s",
				    i      ? " "
				    : seen ? "\n"
					   : "",
				    rows.cell[i] ? (int)rows.len[i] : 4,
				    rows.cell[i] ? rows.cell[i] : "NULL");
		seen++;
	}
	sql_rows_release(&rows);
	if (rc < 0)
		err_wrap(e, "load %s: condition \"%s\"", l->name, name);
	if (seen > FOUND_ROWS_MAX)
		strbuf_addf(&out, "\n(%u rows)", seen);
	if (rc > 0)
		found(arg, name, out.buf);
	strbuf_release(&out);
	return rc < 0 ? -1 : 0;
}

int load_check(struct load *l, const struct sql_endpoint *ep,
	       void (*found)(void *arg, const char *condition, const char *rows), void *arg,
	       struct err *e)
{
	lua_State *L = l->script.L;
	struct sql *s;
	int rc = 0, top = lua_gettop(L);

	if (l->script.checks_ref == LUA_NOREF)
		return err_set(e, ERR_USAGE, 0,
			       "load %s has no conditions of its own (`checks`): drtest judge %s "
			       "compares its tables with its ledger",
			       l->name, l->name);
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->script.checks_ref);
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->script.opt_ref);
	lua_pushnumber(L, l->o.tables);
	lua_pushnumber(L, (double)l->o.table_size);
	if (lua_pcall(L, 3, 1, 0) != 0)
		return script_error(L, &l->script, e);
	if (!lua_istable(L, -1)) {
		lua_settop(L, top);
		return err_set(e, ERR_USAGE, 0,
			       "load %s: `checks` must return { { \"condition\", \"SQL\" }, .. }",
			       l->name);
	}
	s = open_in_db(l, ep, deadline_in_ms(CHECK_MS), e);
	if (!s)
		rc = err_wrap(e, "checks of load %s", l->name);
	for (int i = 1; rc == 0 && i <= (int)lua_objlen(L, -1); i++) {
		const char *name, *text;
		size_t n = 0;

		lua_rawgeti(L, -1, i);
		if (!lua_istable(L, -1)) {
			rc = err_set(
				e, ERR_USAGE, 0,
				"load %s: `checks` must return { { \"condition\", \"SQL\" }, .. }",
				l->name);
			break;
		}
		lua_rawgeti(L, -1, 1);
		lua_rawgeti(L, -2, 2);
		name = lua_tostring(L, -2);
		text = lua_tolstring(L, -1, &n);
		if (!name || !text)
			rc = err_set(
				e, ERR_USAGE, 0,
				"load %s: `checks` must return { { \"condition\", \"SQL\" }, .. }",
				l->name);
		else
			rc = check_one(l, s, name, text, n, found, arg, e);
		lua_pop(L, 3);
	}
	lua_settop(L, top);
	sql_close(s);
	return rc;
}

const char *load_db(const struct load *l)
{
	return l->db;
}

const char *load_ledger_table(const struct load *l)
{
	return l->o.ledger_rows ? LEDGER_TABLE : "";
}

const char *load_history_check(struct load *l)
{
	return l->script.check;
}
