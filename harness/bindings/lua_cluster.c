/* t:cluster and its verbs. */
#include "harness/bindings/lua_cluster.h"

#include <ctype.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/bindings.h"
#include "harness/bindings/lua_tso.h"
#include "harness/os/volume.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"
#include "harness/run/routes.h"
#include "harness/tidb/tidb.h"
#include "harness/sql/rights.h"

#define METATABLE "drtest.cluster"
/* playground waits 10 s for each component, and they end one after another */
#define STOP_MS 90000
#define SQL_MS 10000
#define STATEMENT_MS \
	300000 /* a DDL of TiDB takes seconds, and more where others want its processors */
#define ROWS_MAX 10000

static void cluster_close(void *object, bool keep)
{
	struct lua_cluster *c = object;

	(void)keep; /* it was told when it was made */
	cluster_free(c->c);
	if (c->disk[0]) {
		volume_unmount(c->disk, NULL);
		rmdir(c->disk);
	}
	free(c);
}

static int health(void *object, struct err *e)
{
	struct lua_cluster *c = object;

	return c->c ? cluster_health(c->c, e) : 0;
}

static void cluster_sample(void *object, json_t *sample)
{
	struct lua_cluster *c = object;

	if (c->alive)
		owned_sample_process(sample, c->name, c->pid);
}

static const struct owned_ops ops = { cluster_close, health, cluster_sample };

struct lua_cluster *lua_cluster_new(lua_State *L, const char *name)
{
	struct runtime *r = runtime_of(L);
	struct lua_cluster *c = xcalloc(1, sizeof(*c));

	snprintf(c->name, sizeof(c->name), "%s", name);
	c->number = runtime_next_cluster(r);
	c->alive = true;
	owned_add(r, &ops, c);
	owned_expect(r, c, false); /* until it has started */
	*(struct lua_cluster **)lua_newuserdata(L, sizeof(c)) = c;
	luaL_getmetatable(L, METATABLE);
	lua_setmetatable(L, -2);
	return c;
}

struct lua_cluster *lua_cluster_check(lua_State *L, int index)
{
	return *(struct lua_cluster **)lua_object(L, index, METATABLE);
}

struct lua_cluster *lua_cluster_alive(lua_State *L, int index, const char *what)
{
	struct lua_cluster *c = lua_cluster_check(L, index);

	if (!c->alive)
		lua_usage(L, "%s: %s is down", what, c->name);
	return c;
}

static int cluster_text(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_check(L, 1);

	if (c->c)
		lua_pushfstring(L, "%s %s:%d", c->name, cluster_endpoint(c->c)->host,
				(int)cluster_endpoint(c->c)->port);
	else
		lua_pushstring(L, c->name);
	return 1;
}

static int name(lua_State *L)
{
	lua_pushstring(L, lua_cluster_check(L, 1)->name);
	return 1;
}

/* What the operator's clusters file forbids is said before anything is done, in plan mode too. */
void lua_cluster_allowed(lua_State *L, const struct lua_cluster *c, enum ability v)
{
	struct err e = ERR_INIT;

	if (ground_allows(runtime_ground(runtime_of(L)), c->name, v, &e) < 0)
		lua_raise(L, &e);
}

static bool lua_cluster_reads_only(lua_State *L, const struct lua_cluster *c)
{
	return ground_allows(runtime_ground(runtime_of(L)), c->name, ABLE_WRITE, NULL) < 0;
}

void lua_cluster_able(lua_State *L, const struct lua_cluster *c, enum ability v, const char *what)
{
	const struct ground *ground = runtime_ground(runtime_of(L));
	struct strbuf able = STRBUF_INIT;
	struct err e = ERR_INIT;

	if (ground_can(ground, v))
		return;
	for (const struct ground *const *g = grounds(); *g; g++)
		if (ground_can(*g, v))
			strbuf_addf(&able, "%s--on %s", able.len ? " or " : "", (*g)->name);
	err_set(&e, ERR_UNSUPPORTED, 0, "%s: the %s ground cannot %s%s%s%s", c->name, ground->name,
		what, able.len ? " (fix: " : "", able.buf, able.len ? ")" : "");
	strbuf_release(&able);
	lua_raise(L, &e);
}

bool lua_cluster_planned(struct runtime *r, enum ability v, const struct ground_plan *p)
{
	struct strbuf text = STRBUF_INIT;

	if (!runtime_planning(r))
		return false;
	runtime_ground(r)->plan(v, p, &text);
	runtime_plan(r, "%s", text.buf);
	strbuf_release(&text);
	return true;
}

static int set_gc(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "set_gc");
	struct err e = ERR_INIT;

	luaL_checktype(L, 2, LUA_TBOOLEAN);
	lua_cluster_allowed(L, c, ABLE_GC);
	if (lua_cluster_planned(
		    runtime_of(L), ABLE_GC,
		    &(struct ground_plan){ .cluster = c->name, .on = lua_toboolean(L, 2) }))
		return 0;
	if (cluster_set_gc(c->c, lua_toboolean(L, 2), &e) < 0)
		return lua_raise(L, &e);
	return 0;
}

/* cluster:changefeed { id, sink, start_ts, redo, flush_interval, meta_flush_interval, syncpoint,
 * bdr, force_replicate }
 */
static int changefeed(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_cluster *c = lua_cluster_alive(L, 1, "changefeed"), *sink;
	struct changefeed_opts o = { .redo_uri = "" };
	int64_t flush = 0, meta = 0, syncpoint = 0;
	struct err e = ERR_INIT;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_rename_field(L, 2, "changefeed", "flush", "flush_interval");
	lua_rename_field(L, 2, "changefeed", "meta", "meta_flush_interval");
	lua_fields(L, 2, "changefeed",
		   (struct field[]){ { "id", FIELD_TEXT, &o.id },
				     { "sink", FIELD_ANY, NULL },
				     { "start_ts", FIELD_ANY, NULL },
				     { "redo", FIELD_TEXT, &o.redo_uri },
				     { "flush_interval", FIELD_DURATION_MS, &flush },
				     { "meta_flush_interval", FIELD_DURATION_MS, &meta },
				     { "syncpoint", FIELD_DURATION_MS, &syncpoint },
				     { "bdr", FIELD_FLAG, &o.bdr },
				     { "force_replicate", FIELD_FLAG, &o.force_replicate },
				     { NULL, 0, NULL } });
	if (syncpoint && syncpoint < 30000)
		lua_usage(L, "changefeed: TiCDC requires a syncpoint of at least \"30s\"");
	o.syncpoint_ms = (unsigned)syncpoint;
	lua_getfield(L, 2, "sink");
	if (lua_isnil(L, -1))
		lua_usage(L, "changefeed needs sink = a cluster");
	sink = lua_cluster_alive(L, -1, "changefeed's sink");
	lua_getfield(L, 2, "start_ts");
	if (lua_isnil(L, -1))
		lua_usage(L, "changefeed needs start_ts = backup.ts");
	o.start_ts = lua_tso_check(L, -1);
	if (!o.id)
		lua_usage(L, "changefeed needs an id");
	lua_cluster_allowed(L, c, ABLE_CHANGEFEED);
	lua_cluster_allowed(L, sink, ABLE_WRITE);
	char *redo = route_uri(r, "feed", o.redo_uri);

	lua_pushstring(L, redo); /* the stack owns it from here on */
	free(redo);
	o.redo_uri = lua_tostring(L, -1);
	o.flush_ms = (unsigned)flush;
	o.meta_ms = (unsigned)meta;
	if (!lua_cluster_planned(r, ABLE_CHANGEFEED,
				 &(struct ground_plan){ .cluster = c->name,
							.uri = o.redo_uri,
							.sink = sink->name })) {
		o.sink = sink->c;
		o.source_port = (unsigned)route_port(r, "feed", (int)cluster_endpoint(c->c)->port);
		o.sink_port = (unsigned)route_port(r, "feed", (int)cluster_endpoint(sink->c)->port);
		if (cluster_changefeed(c->c, &o, &e) < 0)
			return lua_raise(L, &e);
	}
	if (!runtime_planning(r) && runtime_ground(r)->clusters_stay && !runtime_keeps(r))
		runtime_note(
			r,
			"changefeed %s stays on %s, paused, when the run ends, because removing "
			"it would delete its redo log; it holds back garbage collection for "
			"gc-ttl, one day: cdc cli changefeed remove --changefeed-id=%s",
			o.id, c->name, o.id);
	lua_feed_push(L, c, sink, o.id);
	return 1;
}

/* cluster:sql(text, { lock_wait = "1s" }): rows affected. lock_wait: a DDL that waits longer for a
 * table than that fails. */
static int sql(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "sql");
	struct sql_guard *guard;
	struct err e = ERR_INIT;
	struct sql *s;
	size_t n;
	const char *text = luaL_checklstring(L, 2, &n);
	int64_t rows, lock_wait = 0;

	lua_fields(L, 3, "sql",
		   (struct field[]){ { "lock_wait", FIELD_DURATION_MS, &lock_wait },
				     { NULL, 0, NULL } });

	lua_cluster_allowed(L, c, ABLE_WRITE);
	if (runtime_plan(runtime_of(L), "%s: %s", c->name, text)) {
		lua_pushnumber(L, 0);
		return 1;
	}
	s = sql_open(cluster_endpoint(c->c), deadline_in_ms(STATEMENT_MS), &e);
	rows = s ? 0 : -1;
	if (s && lock_wait)
		rows = sql_exec(s, &e, "SET SESSION lock_wait_timeout = %" PRId64,
				lock_wait < 1000 ? 1 : lock_wait / 1000);
	guard = rows >= 0 ? sql_guard_begin(s, &e) : NULL;
	rows = guard ? sql_exec_text(s, &e, text, n) : -1;
	if (guard && sql_guard_end(guard, &e) < 0)
		rows = -1;
	sql_close(s);
	if (rows < 0) {
		cluster_explain(c->c, &e);
		err_wrap(&e, "%s", c->name);
		return lua_raise(L, &e);
	}
	lua_pushnumber(L, (lua_Number)rows);
	return 1;
}

static bool is_one_of(const char *word, size_t n, const char *const *list, size_t n_list)
{
	for (size_t i = 0; i < n_list; i++)
		if (strlen(list[i]) == n && !strncasecmp(word, list[i], n))
			return true;
	return false;
}

/* The next word at *p or behind it; 0: none. */
static size_t next_word(const char **p)
{
	size_t n = 0;

	while (**p && !isalnum((unsigned char)**p) && **p != '_')
		++*p;
	while (isalnum((unsigned char)(*p)[n]) || (*p)[n] == '_')
		n++;
	return n;
}

/* On clusters that a file does not allow to write to: a statement that does more than read is
 * refused, by its words and, but on TiDB, by the server. */
static int only_reads(const char *text, struct err *e)
{
	static const char *const firsts[] = { "SELECT",  "SHOW", "DESC",  "DESCRIBE",
					      "EXPLAIN", "WITH", "TABLE", "VALUES" };
	/* INTO OUTFILE; EXPLAIN ANALYZE and WITH do what follows them; FOR UPDATE locks; functions
	 * that change something, hold others up or read the server's files */
	static const char *const never[] = { "INTO",      "ANALYZE",      "UPDATE",
					     "DELETE",    "NEXTVAL",      "SETVAL",
					     "GET_LOCK",  "RELEASE_LOCK", "RELEASE_ALL_LOCKS",
					     "LOAD_FILE", "SLEEP",        "BENCHMARK" };
	static const char *const pairs[][2] = { { "FOR", "SHARE" },
						{ "SHARE", "MODE" },
						{ "NEXT", "VALUE" } };
	const char *p = text + strspn(text, " \t\r\n("), *before = NULL;
	size_t n = next_word(&p), n_before = 0;
	bool reads = p == text + strspn(text, " \t\r\n(") &&
		     is_one_of(p, n, firsts, sizeof(firsts) / sizeof(firsts[0]));

	for (; reads && n; p += n, n = next_word(&p)) {
		reads = !is_one_of(p, n, never, sizeof(never) / sizeof(never[0]));
		for (size_t i = 0; before && reads && i < sizeof(pairs) / sizeof(pairs[0]); i++)
			reads = !is_one_of(before, n_before, &pairs[i][0], 1) ||
				!is_one_of(p, n, &pairs[i][1], 1);
		before = p;
		n_before = n;
	}
	if (!reads)
		return err_set(
			e, ERR_USAGE, 0,
			"query: this statement does more than read, and the clusters file does not allow "
			"write: %.60s",
			text);
	return 0;
}

/* Rows as tables of texts (nil for NULL), at most ROWS_MAX. */
static int query(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "query");
	struct err e = ERR_INIT;
	struct sql_guard *guard = NULL;
	struct sql_rows rows = { 0 };
	struct sql *s;
	const char *text = luaL_checkstring(L, 2);
	int more = -1, n = 0;

	lua_newtable(L);
	if (lua_cluster_reads_only(L, c) && only_reads(text, &e) < 0)
		return lua_raise(L, &e);
	if (runtime_plan(runtime_of(L), "%s: %s", c->name, text))
		return 1;
	s = (lua_cluster_reads_only(L, c) ? sql_open_reading : sql_open)(
		cluster_endpoint(c->c), deadline_in_ms(SQL_MS), &e);
	/* the server stops there: what is behind would have to be read all the same */
	if (s && sql_limit_rows(s, ROWS_MAX, &e) == 0 && (guard = sql_guard_begin(s, &e)) &&
	    sql_query_stream(s, &rows, &e, text, strlen(text)) == 0)
		while ((more = sql_rows_next(&rows, &e)) == 1 && n < ROWS_MAX) {
			lua_newtable(L);
			for (unsigned i = 0; i < rows.n_columns; i++)
				if (rows.cell[i]) {
					lua_pushlstring(L, rows.cell[i], rows.len[i]);
					lua_rawseti(L, -2, (int)i + 1);
				}
			lua_rawseti(L, -2, ++n);
		}
	sql_rows_release(&rows);
	if (guard && sql_guard_end(guard, &e) < 0)
		more = -1;
	sql_close(s);
	if (more < 0) {
		cluster_explain(c->c, &e);
		err_wrap(&e, "%s", c->name);
		return lua_raise(L, &e);
	}
	return 1;
}

/* cluster:left_out(): the tables that TiCDC does not replicate (no key), as text for people; ""
 * none */
static int ineligible_tables(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "left_out");
	struct strbuf names = STRBUF_INIT;
	struct err e = ERR_INIT;
	unsigned n = 0;
	struct sql *s;
	int rc = 0;

	if (!runtime_planning(runtime_of(L))) {
		s = sql_open(cluster_endpoint(c->c), deadline_in_ms(SQL_MS), &e);
		rc = s ? tidb_tables_without_key(s, &names, &n, &e) : -1;
		sql_close(s);
	}
	lua_pushstring(L, names.buf);
	strbuf_release(&names);
	return rc < 0 ? lua_raise(L, &e) : 1;
}

static int stop(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_cluster *c = lua_cluster_alive(L, 1, "stop");
	struct err e = ERR_INIT;

	lua_cluster_able(L, c, ABLE_RESTART, "stop a cluster");
	if (runtime_plan(r, "stop %s cleanly", c->name)) {
		c->alive = false;
		return 0;
	}
	owned_expect(r, c, false);
	c->alive = false;
	if (cluster_stop(c->c, deadline_in_ms(STOP_MS), &e) < 0)
		return lua_raise(L, &e);
	return 0;
}

/* cluster:start(): again, after a kill or a stop; on the same port, with its data */
static int start(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_cluster *c = lua_cluster_check(L, 1);
	struct err e = ERR_INIT;

	if (c->alive)
		lua_usage(L, "start: %s is already running", c->name);
	lua_cluster_able(L, c, ABLE_RESTART, "start a cluster again");
	if (runtime_plan(r, "start %s again, on its port, with its data", c->name)) {
		c->alive = true;
		return 0;
	}
	if (cluster_start_begin(c->c, &e) < 0 ||
	    cluster_start_wait(c->c, deadline_in_ms(cluster_start_ms(c->c)), &e) < 0)
		return lua_raise(L, &e);
	c->pid = proc_pid(cluster_server(c->c));
	c->alive = true;
	c->doomed = false;
	runtime_strike(r, &c->struck, false);
	owned_expect(r, c, true);
	return 0;
}

static int pause_resume(lua_State *L, bool pause)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, pause ? "pause" : "resume");
	struct err e = ERR_INIT;

	lua_cluster_able(L, c, ABLE_PAUSE, "pause a cluster");

	if (runtime_plan(runtime_of(L), "%s to %s", pause ? "SIGSTOP" : "SIGCONT", c->name))
		return 0;
	if (cluster_pause(c->c, pause, &e) < 0)
		return lua_raise(L, &e);
	runtime_strike(runtime_of(L), &c->struck, pause);
	journal_event(
		runtime_journal(runtime_of(L)), "fault",
		json_pack("{s:s,s:s}", "kind", pause ? "pause" : "resume", "target", c->name));
	return 0;
}

static int pause_it(lua_State *L)
{
	return pause_resume(L, true);
}
static int resume(lua_State *L)
{
	return pause_resume(L, false);
}

/* The last commit position, to wait for, as text: its GTID's sequence number; TiDB: the current
 * TSO. */
static int position(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "position");
	struct err e = ERR_INIT;
	uint64_t at = 0;
	char text[24];

	if (!runtime_planning(runtime_of(L)) && cluster_position(c->c, &at, &e) < 0)
		return lua_raise(L, &e);
	snprintf(text, sizeof(text), "%" PRIu64, at);
	lua_pushstring(L, text);
	return 1;
}

/* The TSO of all that is committed now. */
static int current_tso(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "now");
	struct err e = ERR_INIT;
	tso_t ts = 0;

	if (!runtime_planning(runtime_of(L)) &&
	    cluster_now(c->c, deadline_in_ms(SQL_MS), &ts, &e) < 0)
		return lua_raise(L, &e);
	lua_tso_push(L, ts);
	return 1;
}

void lua_cluster_method(lua_State *L, const char *name, lua_CFunction f)
{
	luaL_getmetatable(L, METATABLE);
	lua_getfield(L, -1, "__index");
	lua_pushcfunction(L, f);
	lua_setfield(L, -2, name);
	lua_pop(L, 2);
}

int lua_cluster_open(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "name", name },
		{ "set_gc", set_gc },
		{ "backup", lua_cluster_backup },
		{ "restore", lua_cluster_restore },
		{ "changefeed", changefeed },
		{ "apply_redo", lua_cluster_apply_redo },
		{ "sql", sql },
		{ "query", query },
		{ "stop", stop },
		{ "pause", pause_it },
		{ "resume", resume },
		{ "start", start },
		{ "ineligible_tables", ineligible_tables },
		{ "position", position },
		{ "current_tso", current_tso },
		{ "commit", lua_cluster_commit },
		{ "roll_forward", lua_cluster_roll_forward },
		{ "log_backup", lua_cluster_log_backup },
		{ "log_checkpoint", lua_cluster_log_checkpoint },
		{ "restore_point", lua_cluster_restore_point },
		{ "flashback_cluster", lua_cluster_flashback_cluster },
		{ "syncpoint", lua_cluster_syncpoint },
		{ "flashback", lua_cluster_flashback },
		{ "copy_table", lua_cluster_copy_table },
		{ NULL, NULL },
	};
	static const luaL_Reg natives[] = { { "make", lua_cluster_make },
					    { "disaster", lua_cluster_disaster },
					    { "kill", lua_cluster_kill_part },
					    { "unsupported", lua_cluster_unsupported },
					    { NULL, NULL } };

	lua_newtable(L);
	lua_setfield(L, LUA_REGISTRYINDEX, "drtest.clusters"); /* the newest of each name */
	lua_class(L, METATABLE, "cluster", cluster_text, methods);
	lua_rename_method(L, "cluster", "now", "current_tso");
	lua_rename_method(L, "cluster", "left_out", "ineligible_tables");
	lua_rename_method(L, "cluster", "take_back", "flashback");
	lua_pop(L, 1);
	lua_feed_metatable(L);
	lua_newtable(L);
	luaL_register(L, NULL, natives);
	lua_ground_natives(L);
	return 1;
}
