#include "workloads/bindings/lua_sysbench.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/audit.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"
#include "harness/run/runtime.h"

#define PREPARE_MS 600000
#define LOST_MS 15000
#define STOP_MS 10000
#define LOG_BYTES_MAX ((size_t)64 << 20)

#define LOAD_METATABLE "drtest.load"

struct sysbench {
	struct proc *proc;
	char *log, *config;
	char db[65];
	struct lua_cluster *on;
	int64_t workers, tables, load_tables, table_size;
	double rate;
	unsigned runs;
	bool running;
	uint64_t before; /* counted in the runs that have ended */
};
struct face {
	struct run_audit audit;
	struct sysbench *s;
};

static void sysbench_close(void *object, bool keep)
{
	struct sysbench *s = object;

	(void)keep;
	proc_free(s->proc);
	if (s->config)
		fs_remove_tree(s->config, NULL); /* a password may be in it */
	free(s->config);
	free(s->log);
	free(s);
}

/* A "FATAL:" line; sysbench ends with it on any error that it does not ignore. */
static bool find_fatal(const char *text, char *out, size_t room)
{
	const char *p = strstr(text, "FATAL: ");

	if (p)
		snprintf(out, room, "%.*s",
			 (int)(strcspn(p + 7, "\n") < room - 1 ? strcspn(p + 7, "\n") : room - 1),
			 p + 7);
	return p != NULL;
}

static void read_log(const struct sysbench *s, struct strbuf *out)
{
	if (s->log && fs_exists(s->log))
		fs_read_file(s->log, LOG_BYTES_MAX, out, NULL);
}

static int sysbench_health(void *object, struct err *e)
{
	struct sysbench *s = object;
	struct strbuf text = STRBUF_INIT;
	char why[300] = "";

	if (!s->running || proc_running(s->proc) || s->on->doomed)
		return 0;
	read_log(s, &text);
	find_fatal(text.buf, why, sizeof(why));
	strbuf_release(&text);
	return err_set(e, ERR_ENV, 0, "sysbench ended by itself (%s): %s", proc_how(s->proc),
		       *why ? why : "no output");
}

static const struct owned_ops ops = { .close = sysbench_close, .health = sysbench_health };

/* The transactions of all "[ 3s ] thds: 10 tps: 99.47 …" lines, a second each. */
static uint64_t sysbench_count(const char *text)
{
	double sum = 0;

	for (const char *p = text; (p = strstr(p, " tps: ")); p += 6) {
		double tps = strtod(p + 6, NULL);

		if (tps > 0 && tps < 1e9)
			sum += tps;
	}
	return (uint64_t)(sum + 0.5);
}

static struct sysbench *check(lua_State *L)
{
	return ((struct face *)lua_object(L, 1, LOAD_METATABLE))->s;
}

static struct lua_cluster *target(lua_State *L, const char *what)
{
	struct lua_cluster *c;

	if (!lua_istable(L, 2))
		lua_usage(L, "%s { on = cluster }", what);
	lua_getfield(L, 2, "on");
	if (lua_isnil(L, -1))
		lua_usage(L, "%s { on = cluster }", what);
	c = lua_cluster_alive(L, -1, what);
	lua_cluster_allowed(L, c, ABLE_WRITE);
	lua_pop(L, 1);
	return c;
}

/* The guide's tidb-config; mode 0600: the password is in it, and in no argv. */
static int write_config(struct sysbench *s, const struct sql_endpoint *ep, bool run, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	int rc;

	strbuf_addf(
		&text,
		"mysql-host=%s\nmysql-port=%u\nmysql-user=%s\nmysql-password=%s\ndb-driver=mysql\nmysql-db=%s\n",
		ep->host, ep->port, ep->user, ep->password, s->db);
	/* a conflict is no end: TiDB's beside MySQL's. A lost connection is: ignoring it crashes
	 * sysbench 1.0.20 with this client library. */
	strbuf_addstr(&text, "mysql-ignore-errors=1213,1020,1205,9007,8022,8028\n");
	if (run)
		strbuf_addf(&text, "report-interval=1\nthreads=%lld\ntime=0\nrate=%g\n",
			    (long long)s->workers, s->rate);
	else
		/* with more than one, prepare ends with 0 although it failed */
		strbuf_addstr(&text, "threads=1\n");
	rc = fs_write_atomic(s->config, text.buf, text.len, 0600, e);
	memset(text.buf, 0, text.len);
	strbuf_release(&text);
	return rc;
}

static int prepare(lua_State *L)
{
	struct sysbench *s = check(L);
	struct lua_cluster *on = target(L, "load:prepare");
	char *config = xstrfmt("--config-file=%s", s->config ? s->config : ""), tables[48],
	     size[48], why[300];
	char *argv[] = { (char *)"sysbench", config, (char *)"oltp_write_only", tables, size,
			 (char *)"prepare",  NULL };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct sql *sql = NULL;
	int rc = 0;

	snprintf(tables, sizeof(tables), "--tables=%lld", (long long)s->tables);
	snprintf(size, sizeof(size), "--table-size=%lld", (long long)s->table_size);
	if (!runtime_plan(
		    runtime_of(L),
		    "sysbench --config-file tidb-config oltp_write_only %s %s prepare   # on %s",
		    tables, size, on->name)) {
		sql = sql_open(cluster_endpoint(on->c), deadline_in_ms(STOP_MS), &e);
		rc = sql && sql_exec(sql, &e, "CREATE DATABASE IF NOT EXISTS `%s`", s->db) >= 0
			     ? write_config(s, cluster_endpoint(on->c), false, &e)
			     : -1;
		sql_close(sql);
		if (rc == 0)
			rc = proc_run(argv, NULL, &out, LOG_BYTES_MAX, deadline_in_ms(PREPARE_MS),
				      &e);
		if (find_fatal(out.buf, why, sizeof(why)))
			rc = err_set(&e, ERR_ENV, 0, "sysbench prepare: %s", why);
	}
	free(config);
	strbuf_release(&out);
	return rc < 0 ? lua_raise(L, &e) : 0;
}

static int start(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct sysbench *s = check(L);
	struct lua_cluster *on = target(L, "load:start");
	char *config = xstrfmt("--config-file=%s", s->config ? s->config : ""), tables[48],
	     size[48], name[32];
	char *argv[] = { (char *)"sysbench", config, (char *)"oltp_write_only", tables, size,
			 (char *)"run",      NULL };
	struct err e = ERR_INIT;
	int rc = 0;

	snprintf(tables, sizeof(tables), "--tables=%lld",
		 (long long)(s->load_tables && s->load_tables < s->tables ? s->load_tables
									  : s->tables));
	snprintf(size, sizeof(size), "--table-size=%lld", (long long)s->table_size);
	if (!runtime_plan(r,
			  "sysbench --config-file tidb-config oltp_write_only %s %s run   # on %s",
			  tables, size, on->name)) {
		proc_free(s->proc);
		s->proc = NULL;
		free(s->log);
		snprintf(name, sizeof(name), "sysbench-%u", ++s->runs);
		s->log = runtime_log_path(r, name);
		rc = write_config(s, cluster_endpoint(on->c), true, &e);
		if (rc == 0)
			s->proc = proc_start(&(struct proc_opts){ .name = "sysbench",
								  .argv = argv,
								  .log_path = s->log },
					     &e);
		rc = s->proc ? 0 : -1;
		s->on = on;
		s->running = rc == 0;
		if (rc == 0)
			on->writer = "sysbench";
	}
	free(config);
	return rc < 0 ? lua_raise(L, &e) : 0;
}

static int conclude_run(struct sysbench *s)
{
	struct strbuf text = STRBUF_INIT;

	s->running = false;
	if (s->on)
		s->on->writer = NULL;
	/* it has no signal handler: a killed run prints no report, whatever the signal */
	proc_free(s->proc);
	s->proc = NULL;
	read_log(s, &text);
	s->before += sysbench_count(text.buf);
	strbuf_release(&text);
	return 0;
}

static int stop(lua_State *L)
{
	struct sysbench *s = check(L);

	if (runtime_plan(runtime_of(L), "stop sysbench") || !s->running)
		return 0;
	return conclude_run(s);
}

/* It ends at the first lost connection. */
static int wait_disconnected(lua_State *L)
{
	struct sysbench *s = check(L);

	if (!s->proc)
		return 0;
	s->running = false;
	proc_wait(s->proc, deadline_in_ms(LOST_MS));
	return conclude_run(s);
}

static uint64_t count(const struct sysbench *s)
{
	struct strbuf text = STRBUF_INIT;
	uint64_t n = s->before;

	if (s->running) {
		read_log(s, &text);
		n += sysbench_count(text.buf);
	}
	strbuf_release(&text);
	return n;
}

/* load:stats(): acked is what sysbench's report lines add up to. */
static int stats(lua_State *L)
{
	static const char *const none[] = { "started", "failed", "unknown", "retried", "backlog" };

	lua_newtable(L);
	lua_pushnumber(L, (lua_Number)count(check(L)));
	lua_setfield(L, -2, "acked");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		lua_pushnumber(L, 0);
		lua_setfield(L, -2, none[i]);
	}
	return 1;
}

/* The first report line with transactions: known to the second. */
static int first_ack(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct sysbench *s = check(L);
	struct deadline d = deadline_in_ms(20000);
	struct err e = ERR_INIT;

	while (!runtime_planning(r) && count(s) == s->before) {
		if (sysbench_health(s, &e) < 0)
			return lua_raise(L, &e);
		if (pause_ms(10, d) < 0) {
			err_set(&e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"sysbench reports no transaction within 20 s");
			return lua_raise(L, &e);
		}
	}
	lua_pushnumber(L, runtime_seconds(r, clock_mono_ns()));
	return 1;
}

static int make(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct sysbench *s;
	const char *name, *db = "test";
	struct err e = ERR_INIT;
	struct face *f;
	char *tool;

	if (!lua_istable(L, 1))
		lua_usage(
			L,
			"t:load needs a table: t:load { \"oltp_write_only\", tables = …, rate = … }");
	lua_rawgeti(L, 1, 1);
	name = lua_tostring(L, -1);
	if (!name || strcmp(name, "oltp_write_only") != 0)
		lua_usage(L, "--set load=sysbench only supports oltp_write_only, not %s",
			  name ? name : "that");
	lua_pop(L, 1);
	tool = proc_which("sysbench");
	if (!tool && !runtime_planning(r)) {
		err_set(&e, ERR_ENV, 0, "sysbench is not on PATH: apt-get install sysbench");
		return lua_raise(L, &e);
	}
	free(tool);
	s = xcalloc(1, sizeof(*s));
	s->workers = 10;
	s->tables = 1;
	s->table_size = 10000;
	owned_add(r, &ops, s);
	lua_fields(L, 1, "t:load (sysbench)",
		   (struct field[]){ { "db", FIELD_TEXT, &db },
				     { "workers", FIELD_WHOLE, &s->workers },
				     { "tables", FIELD_WHOLE, &s->tables },
				     { "load_tables", FIELD_WHOLE, &s->load_tables },
				     { "table_size", FIELD_WHOLE, &s->table_size },
				     { "rate", FIELD_NUMBER, &s->rate },
				     { NULL, 0, NULL } });
	if (strlen(db) >= sizeof(s->db) ||
	    strspn(db, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") !=
		    strlen(db))
		lua_usage(L, "t:load: db must consist of letters, digits and _");
	strcpy(s->db, db);
	if (!runtime_planning(r)) {
		s->config = xstrfmt("%s/tidb-config", runtime_data_dir(r));
		runtime_note(
			r, "the load is sysbench, which does not record what was acknowledged: "
			   "lost, torn and resurrected transactions are unknown, and RTO is exact "
			   "only to the second");
	}
	f = lua_newuserdata(L, sizeof(*f));
	*f = (struct face){ .audit = { 0 }, s };
	luaL_getmetatable(L, LOAD_METATABLE);
	lua_setmetatable(L, -2);
	audit_register(L, &f->audit);
	return 1;
}

int lua_sysbench_open(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "prepare", prepare }, { "start", start },
		{ "stop", stop },       { "wait_disconnected", wait_disconnected },
		{ "stats", stats },     { "first_ack", first_ack },
		{ NULL, NULL },
	};

	lua_class(L, LOAD_METATABLE, "load of sysbench", NULL, methods);
	lua_rename_method(L, "load", "lost", "wait_disconnected");
	lua_pop(L, 1);
	lua_pushcfunction(L, make);
	return 1;
}
