#include "workloads/bindings/lua_load.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/audit.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/os/fs.h"
#include "harness/run/lua_args.h"
#include "harness/run/lua_json.h"
#include "harness/run/owned.h"
#include "harness/run/routes.h"
#include "harness/run/run.h"
#include "harness/run/runtime.h"
#include "workloads/load.h"
#include "workloads/bindings/load_request.h"
#include "workloads/bindings/lua_sysbench.h"
#include "workloads/shards/lua_lead.h"

#define STOP_MS 10000
#define PREPARE_MS 600000
#define LOAD_FILE_BYTES_MAX ((size_t)1 << 20)
#define LOAD_METATABLE "drtest.load"
#define CALM_MS 10000 /* after a fault's end a load may need as long to find back */
/* stalls of a fifth of its time, or one that lasts until its end, make the load's figures
 * unknown */
#define STALL_SHARE 5

struct lua_load {
	struct load *load; /* NULL in plan mode */
	struct lead *lead; /* of several processes: load only prepares and is asked then */
	char *ledger_dir;
	char name[65];
	bool running;
	bool joined; /* lead: the shards' ledgers are in ledger_dir */
	struct lua_cluster *on;
	/* the sampler's */
	struct hist before, now;
	uint64_t acked_before;
	int64_t before_ns;
	/* the sampler's: stalls that no fault explains, from the start on */
	bool quiet, quiet_told;
	_Atomic int64_t stalled_ms;
	int64_t quiet_total_ms;
	struct runtime *runtime;
	int64_t started_ns;
	/* load:interval()'s */
	struct load_stats mark;
	struct hist marked[3], latest[3];
	int64_t mark_ns;
};
/* What the runtime owns outlives Lua's collector: the userdata points to it. */
struct face {
	struct run_audit audit;
	struct lua_load *l;
};

static void load_close(void *object, bool keep)
{
	struct lua_load *l = object;

	(void)keep;
	lead_free(l->lead);
	load_free(l->load);
	free(l->ledger_dir);
	free(l);
}

static int load_health(void *object, struct err *e)
{
	struct lua_load *l = object;

	if (!l->running || l->lead) /* a shard that is gone is named at the next mark */
		return 0;
	if (load_error(l->load, e) < 0)
		return err_wrap(e, "load %s", l->name);
	if (!load_running(l->load) && !l->on->doomed)
		return err_set(e, ERR_ENV, 0, "load %s: all its connections to %s were lost",
			       l->name, l->on->name);
	return 0;
}

/* Nobody gets through: said when it begins and when it ends, and added up where no fault explains
 * it. */
static void sample_quiet(struct lua_load *l, json_t *load)
{
	struct load_quiet q;
	bool calm = runtime_calm(l->runtime, CALM_MS);

	load_get_quiet(l->load, &q);
	if (q.now_ms)
		json_object_set_new(load, "quiet_ms", json_integer((json_int_t)q.now_ms));
	if (calm)
		l->stalled_ms += q.total_ms - l->quiet_total_ms;
	l->quiet_total_ms = q.total_ms;
	if (q.now_ms && !l->quiet && calm) {
		runtime_note(
			l->runtime,
			"load %s: no transaction has succeeded for %lld s: %llu transactions are "
			"waiting for %s%s%s",
			l->name, (long long)(q.now_ms / 1000), (unsigned long long)q.under_way,
			l->on ? l->on->name : "the server", *q.last_failure ? "; last error: " : "",
			q.last_failure);
		l->quiet_told = true;
	} else if (!q.now_ms && l->quiet_told) {
		runtime_note(l->runtime, "load %s: transactions succeed again", l->name);
		l->quiet_told = false;
	}
	l->quiet = q.now_ms > 0;
}

/* At the end of its time on a cluster: what a load that stood still says about loss and latency is
 * not known. */
static void judge_quiet(struct lua_load *l)
{
	struct load_quiet q;
	int64_t ran_ms = (clock_mono_ns() - l->started_ns) / 1000000, stalled_ms = l->stalled_ms;
	struct load_stats st = { 0 };
	char text[512];

	if (!l->started_ns)
		return;
	load_get_quiet(l->load, &q);
	load_get_stats(l->load, &st);
	if (stalled_ms && (l->quiet || stalled_ms * STALL_SHARE >= ran_ms)) {
		snprintf(text, sizeof(text),
			 "no transaction succeeded for %.0f of %.0f s, %.0f s at most, although "
			 "no fault was active: RPO and RTO were measured with a load that stood "
			 "still%s%s",
			 (double)stalled_ms / 1e3, (double)ran_ms / 1e3, (double)q.longest_ms / 1e3,
			 *q.last_failure ? "; last error: " : "", q.last_failure);
		runtime_check(l->runtime, "the load's transactions get through", VERDICT_UNKNOWN,
			      text);
	}
	l->started_ns = 0;
	l->stalled_ms = 0;
}

static void load_sample(void *object, json_t *sample)
{
	struct lua_load *l = object;
	struct load_stats st = { .latency = &l->now };
	struct hist interval;
	int64_t now = clock_mono_ns();
	double seconds = (double)(now - l->before_ns) / 1e9;
	unsigned done, total;

	if (!l->load)
		return;
	if (load_preparing(l->load, &done, &total))
		json_object_set_new(sample, "prepare",
				    json_pack("{s:i,s:i}", "done", (int)done, "total", (int)total));
	if (l->lead)
		lua_lead_seen(l->lead, &st);
	else
		load_get_stats(l->load, &st);
	interval = l->now;
	hist_subtract(&interval, &l->before);
	json_object_set_new(sample, "load",
			    json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:I,s:I,s:I}", "started",
				      (json_int_t)st.started, "acked", (json_int_t)st.acked,
				      "failed", (json_int_t)st.failed, "unknown",
				      (json_int_t)st.unknown, "retried", (json_int_t)st.retried,
				      "backlog", (json_int_t)st.backlog, "tps",
				      l->before_ns && seconds > 0
					      ? (double)(st.acked - l->acked_before) / seconds
					      : 0.0,
				      "p50_us", (json_int_t)hist_quantile_us(&interval, 0.5),
				      "p95_us", (json_int_t)hist_quantile_us(&interval, 0.95),
				      "p99_us", (json_int_t)hist_quantile_us(&interval, 0.99)));
	if (!l->running && st.started)
		json_object_set_new(json_object_get(sample, "load"), "stopped", json_true());
	if (!l->lead)
		sample_quiet(l, json_object_get(sample, "load"));
	l->before = l->now;
	l->acked_before = st.acked;
	l->before_ns = now;
}

static const struct owned_ops ops = { load_close, load_health, load_sample };

static struct lua_load *check_load(lua_State *L)
{
	return ((struct face *)lua_object(L, 1, LOAD_METATABLE))->l;
}

/* For what a load of shards can't. */
static struct lua_load *of_one(lua_State *L, const char *what)
{
	struct lua_load *l = check_load(L);

	if (l->lead)
		lua_usage(L, "%s: a load of shards can't", what);
	return l;
}

/* The cluster in { on = cluster } at index 2. */
static struct lua_cluster *target(lua_State *L, const char *what)
{
	struct lua_cluster *c;

	if (!lua_istable(L, 2))
		lua_usage(L, "%s { on = cluster }", what);
	lua_fields(L, 2, what, (struct field[]){ { "on", FIELD_ANY, NULL }, { NULL, 0, NULL } });
	lua_getfield(L, 2, "on");
	if (lua_isnil(L, -1))
		lua_usage(L, "%s { on = cluster }", what);
	c = lua_cluster_alive(L, -1, what);
	lua_cluster_allowed(L, c, ABLE_WRITE);
	lua_pop(L, 1);
	return c;
}

/* Told before they are made: a run that is killed leaves them too. */
static int will_leave(struct runtime *r, struct lua_load *l, const struct lua_cluster *on,
		      struct err *e)
{
	const struct ground *g = runtime_ground(r);
	struct strbuf tables = STRBUF_INIT;
	int rc = 0;

	if (g->leaves_tables)
		rc = load_tables(l->load, cluster_endpoint(on->c), &tables, e) < 0 ||
				     g->leaves_tables(on->name, tables.buf, e) < 0
			     ? -1
			     : 0;
	strbuf_release(&tables);
	return rc;
}

static int prepare(lua_State *L)
{
	struct lua_load *l = check_load(L);
	struct lua_cluster *on = target(L, "load:prepare");
	struct err e = ERR_INIT;

	if (runtime_plan(runtime_of(L), "load %s: CREATE TABLE, INSERT, CREATE INDEX on %s",
			 l->name, on->name))
		return 0;
	if (will_leave(runtime_of(L), l, on, &e) < 0)
		return lua_raise(L, &e);
	if (load_prepare(l->load, cluster_endpoint(on->c), 4, deadline_in_ms(PREPARE_MS), &e) < 0)
		return lua_raise(L, &e);
	return 0;
}

static void mark_ledger(struct lua_load *l)
{
	l->mark = (struct load_stats){ .latency = &l->latest[0],
				       .queue = &l->latest[1],
				       .service = &l->latest[2] };
	load_get_stats(l->load, &l->mark);
	memcpy(l->marked, l->latest, sizeof(l->marked));
	l->mark_ns = clock_mono_ns();
}

/* A cluster that served before, and another one since: its transactions from now on come after the
 * other's. It gets a number of its own for them, since the checks order clusters by number. */
static void number_cluster(struct runtime *r, struct lua_cluster *c)
{
	static const struct lua_cluster *last; /* one run a process */

	if (c->served && last != c)
		c->number = runtime_next_cluster(r);
	c->served = true;
	last = c;
}

static int start(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_load *l = check_load(L);
	struct lua_cluster *on = target(L, "load:start");
	struct err e = ERR_INIT;

	if (runtime_plan(r, "load %s: start on %s", l->name, on->name))
		return 0;
	struct sql_endpoint ep = *cluster_endpoint(on->c);

	ep.port = (unsigned)route_port(r, "load", (int)ep.port);
	number_cluster(r, on);
	if (l->lead ? lua_lead_start(r, l->lead, l->name, &ep, (uint16_t)on->number, &e) < 0
		    : load_start(l->load, &ep, (uint16_t)on->number, &e) < 0)
		return lua_raise(L, &e);
	l->on = on;
	l->stalled_ms = 0;
	l->started_ns = clock_mono_ns();
	l->running = true;
	on->writer = l->name;
	if (!l->lead)
		mark_ledger(l);
	return 0;
}

static int stop(lua_State *L)
{
	struct lua_load *l = check_load(L);
	struct err e = ERR_INIT;

	if (runtime_plan(runtime_of(L), "load %s: stop; each worker finishes its transaction",
			 l->name))
		return 0;
	if (!l->lead)
		judge_quiet(l);
	l->running = false;
	if (l->on)
		l->on->writer = NULL;
	if (l->lead)
		return lua_lead_stop(L, l->lead, l->ledger_dir, &l->joined);
	if (load_stop(l->load, deadline_in_ms(STOP_MS), &e) < 0)
		return lua_raise(L, &e);
	if (load_error(l->load, &e) < 0) {
		err_wrap(&e, "load %s", l->name);
		return lua_raise(L, &e);
	}
	return 0;
}

/* load:resume { on = other }: from where it runs to another cluster, sequences going on. */
static int resume(lua_State *L)
{
	struct lua_load *l = of_one(L, "load:resume");

	if (l->running || (runtime_planning(runtime_of(L)) && l->on)) {
		lua_pushcfunction(L, stop);
		lua_pushvalue(L, 1);
		lua_call(L, 1, 0);
	}
	return start(L);
}

/* load:interval(): what happened since the last call, or the start. Latencies in ms, from the due
 * time. Of shards also: missing, who did not answer, so that the sums are not all; gone, that one
 * of them never will. */
static int interval(lua_State *L)
{
	struct lua_load *l = check_load(L);
	struct load_stats before = l->mark, span;
	struct hist was[3];
	double seconds;

	if (l->lead)
		return lua_lead_interval(L, l->lead);
	if (!l->load) { /* a plan */
		lua_lead_push(L, &(struct load_stats){ 0 }, l->latest, 0, 0);
		lua_set_number(L, "rate", 0);
		return 1;
	}
	memcpy(was, l->marked, sizeof(was));
	seconds = (double)(clock_mono_ns() - l->mark_ns) / 1e9;
	mark_ledger(l);
	span = l->mark;
	span.started -= before.started;
	span.acked -= before.acked;
	span.failed -= before.failed;
	span.retried -= before.retried;
	span.unknown -= before.unknown;
	for (int i = 0; i < 3; i++)
		hist_subtract(&l->latest[i], &was[i]);
	lua_lead_push(L, &span, l->latest, seconds, seconds > 0 ? (double)span.acked / seconds : 0);
	lua_set_number(L, "rate", load_rate(l->load));
	return 1;
}

struct conditions {
	unsigned held, broken;
	struct strbuf first;
	json_t *findings;
};
static void take_condition(void *arg, const char *name, const char *rows)
{
	struct conditions *c = arg;

	if (!*rows) {
		c->held++;
		return;
	}
	if (!c->broken++)
		strbuf_addf(&c->first, "%s: found %.200s", name, rows);
	json_array_append_new(c->findings, json_pack("{s:s,s:s,s:s}", "kind", "broken condition",
						     "expected", name, "found", rows));
}

/* load:checks { on = cluster }: the load's own conditions, as a result that t:check takes. */
static int checks(lua_State *L)
{
	struct lua_load *l = check_load(L);
	struct lua_cluster *on = target(L, "load:checks");
	struct conditions c = { .first = STRBUF_INIT, .findings = NULL };
	int64_t start_ns = clock_mono_ns();
	struct err e = ERR_INIT;
	char text[1200];
	int rc = 0;

	if (!runtime_plan(runtime_of(L), "load %s: its conditions on %s", l->name, on->name)) {
		c.findings = json_array();
		rc = load_check(l->load, cluster_endpoint(on->c), take_condition, &c, &e);
	}
	lua_newtable(L);
	lua_pushstring(L, rc < 0 ? "unknown" : c.broken ? "fail" : "pass");
	lua_setfield(L, -2, "verdict");
	if (rc < 0)
		snprintf(text, sizeof(text), "could not check: %s", e.text);
	else if (c.broken)
		snprintf(text, sizeof(text), "%u of %u conditions are violated; %s", c.broken,
			 c.held + c.broken, c.first.buf);
	else
		snprintf(text, sizeof(text), "all %u conditions hold", c.held);
	lua_pushstring(L, text);
	lua_setfield(L, -2, "evidence");
	if (c.broken) {
		lua_json_push(L, c.findings); /* takes it over */
		lua_setfield(L, -2, "findings");
	} else {
		json_decref(c.findings);
	}
	lua_set_number(L, "seconds", (double)(clock_mono_ns() - start_ns) / 1e9);
	strbuf_release(&c.first);
	return 1;
}

/* Waits until the service's loss is seen: every worker has lost its connection. */
static int wait_disconnected(lua_State *L)
{
	struct lua_load *l = of_one(L, "load:wait_disconnected");
	struct deadline d = deadline_in_ms(STOP_MS);

	if (!l->load)
		return 0;
	judge_quiet(l);
	l->running = false;
	if (l->on)
		l->on->writer = NULL;
	while (load_running(l->load) && pause_ms(1, d) == 0)
		;
	return stop(L);
}

static int stats(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_load *l = check_load(L);
	struct load_stats st = { 0 };

	if (l->lead)
		lua_lead_seen(l->lead, &st);
	else if (!runtime_planning(r))
		load_get_stats(l->load, &st);
	const struct {
		const char *name;
		double value;
	} numbers[] = {
		{ "started", (double)st.started }, { "acked", (double)st.acked },
		{ "failed", (double)st.failed },   { "unknown", (double)st.unknown },
		{ "retried", (double)st.retried }, { "backlog", (double)st.backlog },
	};

	lua_newtable(L);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		lua_pushnumber(L, numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
	return 1;
}

/* Waits for the first acknowledgement since the start; its time on the journal's clock, in seconds.
 */
static int first_ack(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_load *l = of_one(L, "load:first_ack");
	int64_t ms = 10000;
	struct deadline d;
	struct load_stats st = { 0 };
	struct err e = ERR_INIT;

	lua_fields(L, 2, "load:first_ack",
		   (struct field[]){ { "within", FIELD_DURATION_MS, &ms }, { NULL, 0, NULL } });
	d = deadline_in_ms(ms);
	while (!runtime_planning(r)) {
		load_get_stats(l->load, &st);
		if (st.first_ack_us)
			break;
		if (load_health(l, &e) < 0)
			return lua_raise(L, &e);
		if (pause_ms(1, d) < 0) {
			err_set(&e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"load %s: no transaction was acknowledged on %s within %g s",
				l->name, l->on ? l->on->name : "any cluster", (double)ms / 1000);
			return lua_raise(L, &e);
		}
	}
	lua_pushnumber(L, (lua_Number)st.first_ack_us / 1e6);
	return 1;
}

static int rate(lua_State *L)
{
	struct lua_load *l = check_load(L);
	double n = luaL_checknumber(L, 2);

	if (!(n >= 0 && n <= 1e7))
		lua_usage(L, "load:rate needs 0 (no limit) to 10,000,000 transactions per second");
	if (runtime_plan(runtime_of(L), "load %s: %g transactions per second", l->name, n))
		return 0;
	if (l->lead)
		return lua_lead_rate(L, l->lead, n);
	load_set_rate(l->load, n);
	return 0;
}

static int load_text(lua_State *L)
{
	lua_pushstring(L, check_load(L)->name);
	return 1;
}

/* A load's file is looked for in the working directory, then beside the scenario, as require looks;
 * a copy of it stays with the run. NULL: it is none; else the caller's to free. */
static char *load_file(lua_State *L, struct runtime *r, const char *name)
{
	struct strbuf text = STRBUF_INIT;
	const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	size_t n = strlen(name);
	char *path, *copy;
	lua_Debug ar;

	if (n < 5 || strcmp(name + n - 4, ".lua") != 0)
		return NULL;
	path = xstrdup(name);
	for (int level = 1; !fs_exists(path) && *name != '/' && lua_getstack(L, level, &ar);
	     level++) {
		const char *slash;

		lua_getinfo(L, "S", &ar); /* source: "@" and the file that calls */
		slash = *ar.source == '@' ? strrchr(ar.source, '/') : NULL;
		if (!slash)
			continue;
		free(path);
		path = xstrfmt("%.*s/%s", (int)(slash - ar.source - 1), ar.source + 1, name);
		break;
	}
	copy = xstrfmt("%s/load-%s", runtime_dir(r), base);
	if (!runtime_planning(r) && fs_exists(path) &&
	    fs_read_file(path, LOAD_FILE_BYTES_MAX, &text, NULL) == 0)
		fs_write_atomic(copy, text.buf, text.len, 0600, NULL);
	free(copy);
	strbuf_release(&text);
	return path;
}

/* The load's userdata: what the checks ask of it lies in front. */
static void push_face(lua_State *L, struct lua_load *l)
{
	struct face *f = lua_newuserdata(L, sizeof(*f));

	*f = (struct face){ .audit = { .ledger_dir = l->ledger_dir,
				       .joined = l->lead ? &l->joined : NULL },
			    .l = l };
	if (l->load) {
		f->audit.model = load_model(l->load);
		f->audit.db = load_db(l->load);
		f->audit.ledger_table = load_ledger_table(l->load);
		f->audit.history = load_history_check(l->load);
		f->audit.writer_of = load_writer_of;
		f->audit.writer_ctx = l->load;
	}
	luaL_getmetatable(L, LOAD_METATABLE);
	lua_setmetatable(L, -2);
	audit_register(L, &f->audit);
}

/* Loads of one database keep one ledger, since they have one ledger table; each further database
 * has one of its own. Shards number their workers and transactions without knowing of another load,
 * so theirs is of one load alone. The caller frees. */
static char *ledger_dir(lua_State *L, struct runtime *r, const char *db, bool many)
{
	int number = 0;

	db = db ? db : "";

	lua_getfield(L, LUA_REGISTRYINDEX, "drtest.ledgers");
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_setfield(L, LUA_REGISTRYINDEX, "drtest.ledgers");
	}
	lua_getfield(L, -1, db);
	number = (int)lua_tointeger(L, -1);
	if (number < 0 || (number && many))
		lua_usage(L, "t:load: a load of shards has its database's ledger for itself: give "
			     "this load, or the other one, a db of its own");
	if (!number) {
		lua_pushnil(L);
		for (number = 1; lua_next(L, -3); number++)
			lua_pop(L, 1);
		lua_pushinteger(L, many ? -number : number);
		lua_setfield(L, -3, db);
	}
	lua_pop(L, 2);
	return number == 1 ? xstrfmt("%s/ledger", runtime_dir(r))
			   : xstrfmt("%s/ledger-%d", runtime_dir(r), number);
}

/* In plan mode too: a mistake in its options is told. */
static int make_load(struct runtime *r, struct lua_load *l, struct load_request *q, struct err *e)
{
	struct load_opts *o = &q->o;
	struct lead *lead = NULL;
	struct load *made;

	if (load_request_sharded(q))
		o->ledger_dir = NULL; /* the shards' come there at the end */
	made = load_new(o, e);
	if (!made || (load_request_sharded(q) &&
		      lua_lead_new(r, o, q->shards, q->rendezvous, &lead, e) < 0)) {
		load_free(made);
		return -1;
	}
	if (runtime_planning(r)) {
		load_free(made);
		made = NULL;
	}
	l->lead = lead; /* first: the sampler looks at the other one */
	l->load = made;
	return 0;
}

static int make(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct load_request q;
	struct lua_load *l;
	struct err e = ERR_INIT;
	char *file;
	int rc;

	load_request_read(L, r, &q);
	l = xcalloc(1, sizeof(*l));
	snprintf(l->name, sizeof(l->name), "%s", q.o.name);
	l->runtime = r;
	owned_add(r, &ops, l);
	l->ledger_dir = ledger_dir(L, r, q.o.db, load_request_sharded(&q));
	if (runtime_planning(r)) {
		l->ledger_dir[0] = '\0'; /* nothing is written */
	} else {
		q.o.ledger_dir = l->ledger_dir;
		q.o.journal_start_ns = journal_start_ns(runtime_journal(r));
	}
	file = load_file(L, r, q.o.name);
	if (file)
		q.o.name = file;
	rc = make_load(r, l, &q, &e);
	free(file);
	load_request_release(&q);
	if (rc < 0)
		return lua_raise(L, &e);
	push_face(L, l);
	return 1;
}

int lua_load_open(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "prepare", prepare },   { "start", start },
		{ "stop", stop },         { "wait_disconnected", wait_disconnected },
		{ "stats", stats },       { "first_ack", first_ack },
		{ "rate", rate },         { "resume", resume },
		{ "interval", interval }, { "checks", checks },
		{ NULL, NULL },
	};

	if (runtime_tools(runtime_of(L))->sysbench)
		return lua_sysbench_open(L);
	lua_class(L, LOAD_METATABLE, "load", load_text, methods);
	lua_rename_method(L, "load", "lost", "wait_disconnected");
	lua_rename_method(L, "load", "window", "interval");
	lua_pop(L, 1);
	lua_pushcfunction(L, make);
	return 1;
}
