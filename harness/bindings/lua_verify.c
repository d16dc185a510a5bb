/* t.verify: the checks, each as a table { verdict, evidence, findings, seconds, … } that t:check
 * takes. A check that breaks could not tell: its verdict is unknown, with the reason. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/bindings.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_tools.h"
#include "harness/bindings/lua_tso.h"
#include "harness/bindings/lua_verify_impl.h"
#include "harness/cluster/forensic.h"
#include "harness/compare/compare.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"
#include "harness/run/recovery.h"
#include "harness/run/thousands.h"
#include "harness/run/lua_json.h"
#include "harness/tidb/tidb.h"
#include "harness/verify/evidence.h"
#include "harness/verify/isolation.h"

#define INDEX_OPEN_MS 10000
#define DDL_MS 480000

static const char *verdict_word(enum verdict v)
{
	return v == VERDICT_PASS ? "pass" : v == VERDICT_FAIL ? "fail" : "unknown";
}

/* The start of a result table; e: the check broke (NULL: it did not). */
void lua_verify_push(lua_State *L, enum verdict v, const char *evidence, json_t *findings,
		     int64_t start_ns, const struct err *e)
{
	char text[1200], *words;

	if (e && e->kind == ERR_CANCELLED)
		lua_raise(L, e);
	lua_newtable(L);
	lua_pushstring(L, verdict_word(e ? VERDICT_UNKNOWN : v));
	lua_setfield(L, -2, "verdict");
	if (e) {
		snprintf(text, sizeof(text), "could not check: %s", e->text);
		evidence = text;
	}
	words = thousands_text(evidence);
	lua_pushstring(L, words);
	free(words);
	lua_setfield(L, -2, "evidence");
	if (findings) {
		lua_json_push(L, json_incref(findings));
		lua_setfield(L, -2, "findings");
	}
	lua_pushnumber(L, (lua_Number)(clock_mono_ns() - start_ns) / 1e9);
	lua_setfield(L, -2, "seconds");
}

/* Into the result on top: what was checked, over how much (< 0: not counted), what it would have
 * caught. */
void lua_verify_about(lua_State *L, enum evidence_class class, double rows, double tables,
		      double transactions)
{
	const struct {
		const char *name;
		double n;
	} numbers[] = { { "rows", rows }, { "tables", tables }, { "transactions", transactions } };

	lua_newtable(L);
	lua_pushstring(L, evidence_class_name(class));
	lua_setfield(L, -2, "class");
	lua_pushstring(L, evidence_checked(class));
	lua_setfield(L, -2, "checked");
	lua_pushstring(L, evidence_catches(class));
	lua_setfield(L, -2, "catches");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].n >= 0) {
			lua_pushnumber(L, numbers[i].n);
			lua_setfield(L, -2, numbers[i].name);
		}
	lua_setfield(L, -2, "about");
}

static void push_compare(lua_State *L, struct compare_result *c, enum evidence_class class,
			 int64_t start_ns, const struct err *e)
{
	lua_verify_push(L, c->verdict, c->evidence, c->findings, start_ns, e);
	lua_verify_about(L, class, (double)c->rows, (double)c->tables, -1);
	lua_pushnumber(L, (lua_Number)c->rows);
	lua_setfield(L, -2, "rows");
	lua_pushnumber(L, (lua_Number)c->tables);
	lua_setfield(L, -2, "tables");
	lua_pushnumber(L, (lua_Number)c->rows_different);
	lua_setfield(L, -2, "rows_different");
	compare_result_release(c);
}

/* A moving target would be judged as it never was. */
static void at_rest(lua_State *L, const struct lua_cluster *c, const char *what)
{
	if (c->writer)
		lua_usage(L, "%s: load %s writes to %s: stop it first, load:stop()", what,
			  c->writer, c->name);
}

/* TiDB: its BACKUP takes no sums along, but both sides can be read in the past: the source at
 * BackupTS, the target as RESTORE left it. */
static int at_snapshots(lua_State *L, struct lua_cluster *c, int64_t start)
{
	struct compare_result res = { 0 };
	struct err e = ERR_INIT;
	struct lua_cluster *of;
	char a[24], b[24];
	tso_t ts, restored;
	int rc;

	lua_getfield(L, 2, "of");
	of = lua_cluster_alive(L, -1, "verify.sums");
	lua_getfield(L, 2, "ts");
	ts = lua_tso_check(L, -1);
	if (runtime_plan(
		    runtime_of(L),
		    "drtest diff: %s at tidb_snapshot = BackupTS and %s at tidb_snapshot = its TSO after RESTORE",
		    of->name, c->name)) {
		push_compare(L, &res, EVIDENCE_SUMS, start, NULL);
		return 1;
	}
	restored = cluster_restored_ts(c->c);
	snprintf(a, sizeof(a), "%llu", (unsigned long long)ts);
	snprintf(b, sizeof(b), "%llu", (unsigned long long)restored);
	struct compare_opts o = { .a = *cluster_endpoint(of->c),
				  .b = *cluster_endpoint(c->c),
				  .a_name = of->name,
				  .b_name = c->name,
				  .a_snapshot = a,
				  .b_snapshot = restored ? b : NULL,
				  .threads = SQL_THREADS };

	rc = runtime_tools(runtime_of(L))->compare ? tools_compare(runtime_of(L), &o, &res, &e)
						   : compare_run(&o, &res, &e);
	push_compare(L, &res, EVIDENCE_SUMS, start, rc < 0 ? &e : NULL);
	return 1;
}

/* sums(cluster, backup): the cluster against the sums that the backup took in its own snapshot */
static int sums(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "verify.sums");
	struct compare_result res = { 0 };
	struct table_sums s = { 0 };
	struct err e = ERR_INIT;
	int64_t start = clock_mono_ns();
	struct store *store;
	const char *uri;
	int rc = -1;

	at_rest(L, c, "verify.sums");
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_getfield(L, 2, "uri");
	uri = luaL_checkstring(L, -1);
	if (runtime_on_tidb(runtime_of(L)))
		return at_snapshots(L, c, start);
	if (runtime_plan(
		    runtime_of(L),
		    "%s: SELECT COUNT(*), SUM(CRC32(…)) of each table, compared with the sums in "
		    "%s",
		    c->name, uri)) {
		push_compare(L, &res, EVIDENCE_SUMS, start, NULL);
		return 1;
	}
	store = store_open(uri, NULL, &e);
	if (store && backup_sums(store, &s, &e) == 0)
		rc = compare_with_sums(cluster_endpoint(c->c), &s, SQL_THREADS, &res, &e);
	store_free(store);
	table_sums_release(&s);
	push_compare(L, &res, EVIDENCE_SUMS, start, rc < 0 ? &e : NULL);
	return 1;
}

#define IGNORE_MAX 256

static const char *ignore_text(lua_State *L, int index, size_t i)
{
	if (lua_istable(L, index))
		lua_rawgeti(L, index, (int)i + 1);
	else
		lua_pushvalue(L, index);
	return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

/* "db.table, db.table.column" or a list of such texts; copies, NULL-terminated. All are judged
 * before the first is copied: a usage error does not come back. */
static void read_ignore(lua_State *L, int index, char *out[IGNORE_MAX + 1])
{
	size_t n = 0, lists = lua_istable(L, index) ? lua_objlen(L, index) : !lua_isnil(L, index);

	for (int copy = 0; copy < 2; copy++) {
		n = 0;
		for (size_t i = 0; i < lists; i++, lua_pop(L, 1)) {
			const char *p = ignore_text(L, index, i);

			if (!p)
				lua_usage(
					L,
					"verify.same: ignore = \"db.table\" or a list of such texts");
			for (size_t len; *(p += strspn(p, ", ")); p += len) {
				len = strcspn(p, ", ");
				if (n == IGNORE_MAX)
					lua_usage(L, "verify.same: ignore: more than %d patterns",
						  IGNORE_MAX);
				if (!memchr(p, '.', len))
					lua_usage(L,
						  "verify.same: ignore: \"%s\" must be db.table or "
						  "db.table.column",
						  p);
				if (copy)
					out[n] = xstrndup(p, len);
				n++;
			}
		}
	}
	out[n] = NULL;
}

struct index_look {
	struct compare_result *res;
	const struct lua_cluster *c;
};

static void index_disagrees(void *arg, const char *table, const char *words)
{
	struct index_look *k = arg;

	if (!k->res->findings)
		k->res->findings = json_array();
	json_array_append_new(k->res->findings,
			      json_pack("{s:s,s:s,s:s,s:s}", "kind", "index", "table", table,
					"only_on", k->c->name, "why", words));
	k->res->verdict = VERDICT_FAIL;
	snprintf(k->res->evidence, sizeof(k->res->evidence),
		 "%s: an index of %s disagrees with its rows: %.600s", k->c->name, table, words);
}

/* What is still being done by itself when all that was replicated is there. */
static void await_ddl(struct runtime *r, const struct lua_cluster *c)
{
	struct sql *s = runtime_on_tidb(r) ? sql_open(cluster_endpoint(c->c),
						      deadline_in_ms(INDEX_OPEN_MS), NULL)
					   : NULL;

	if (s && !tidb_wait_for_ddl(s, deadline_in_ms(DDL_MS)))
		runtime_note(r, "%s: a DDL job is still running after %d minutes", c->name,
			     DDL_MS / 60000);
	sql_close(s);
}

/* Rows alone do not tell that an index is empty, and TiDB answers by indexes. */
static int check_indexes(struct runtime *r, const struct lua_cluster *c, struct compare_result *res,
			 struct err *e)
{
	struct index_look k = { res, c };
	struct sql *s;
	unsigned tables;
	int rc;

	if (!runtime_ground(r)->tidb || !runtime_ground(r)->here)
		return 0;
	s = sql_open(cluster_endpoint(c->c), deadline_in_ms(INDEX_OPEN_MS), e);
	rc = s ? tidb_check_indexes(s, index_disagrees, &k, &tables, e) : -1;
	sql_close(s);
	if (rc == 1) { /* switched over: what was checked is the other side */
		size_t n = strlen(res->evidence);

		snprintf(res->evidence + n, sizeof(res->evidence) - n,
			 "; %s is read-only: its indexes are not checked", c->name);
	}
	return rc < 0 ? -1 : 0;
}

/* A TSO of the options at index 3, as text; "": none. */
static void snapshot_field(lua_State *L, struct runtime *r, const char *name, char out[24])
{
	lua_getfield(L, 3, name);
	if (!lua_isnil(L, -1) && !runtime_on_tidb(r))
		lua_usage(L, "verify.same: only TiDB can read at an earlier TSO");
	if (!lua_isnil(L, -1))
		snprintf(out, 24, "%llu", (unsigned long long)lua_tso_check(L, -1));
	lua_pop(L, 1);
}

/* same(a, b, { at = TSO, b_at = TSO, ignore = {..} }): two clusters, all tables, structure and
 * rows. TiDB: a as it was at that TSO, while it goes on. */
static int same(lua_State *L)
{
	struct lua_cluster *a = lua_cluster_alive(L, 1, "verify.same"),
			   *b = lua_cluster_alive(L, 2, "verify.same");
	struct runtime *r = runtime_of(L);
	struct compare_result res = { 0 };
	struct err e = ERR_INIT;
	int64_t start = clock_mono_ns();
	char *fix, at[24] = "", b_at[24] = "", *ignore[IGNORE_MAX + 1] = { NULL };
	int rc = 0;

	lua_fields(L, 3, "verify.same",
		   (struct field[]){ { "at", FIELD_ANY, NULL },
				     { "b_at", FIELD_ANY, NULL },
				     { "ignore", FIELD_ANY, NULL },
				     { NULL, 0, NULL } });
	if (lua_istable(L, 3)) {
		snapshot_field(L, r, "at", at);
		snapshot_field(L, r, "b_at", b_at);
		lua_getfield(L, 3, "ignore");
		read_ignore(L, lua_gettop(L), ignore);
		lua_pop(L, 1);
		if (*ignore && runtime_tools(r)->compare)
			lua_usage(L, "verify.same: ignore does not work with compare=%s",
				  "sync_diff_inspector");
	}
	if (!*at)
		at_rest(L, a, "verify.same");
	if (!*b_at)
		at_rest(L, b, "verify.same");
	if (!runtime_planning(r) && !*at && !*b_at) {
		await_ddl(r, a);
		await_ddl(r, b);
	}
	if (!runtime_plan(
		    r,
		    "drtest diff: %s%s and %s%s, all tables, in chunks by COUNT and sums, halving down to rows",
		    a->name, *at ? " at that TSO" : "", b->name, *b_at ? " at its own" : "")) {
		struct lua_left_out left;
		const char *leave[IGNORE_MAX + LUA_LEFT_OUT_MAX + 1];
		size_t n = 0;

		lua_left_out(r, a, b, &left);
		for (size_t i = 0; ignore[i]; i++)
			leave[n++] = ignore[i];
		for (size_t i = 0; i < left.n; i++)
			leave[n++] = left.patterns[i];
		leave[n] = NULL;
		struct compare_opts o = { .a = *cluster_endpoint(a->c),
					  .b = *cluster_endpoint(b->c),
					  .a_name = a->name,
					  .b_name = b->name,
					  .a_snapshot = *at ? at : NULL,
					  .b_snapshot = *b_at ? b_at : NULL,
					  .threads = SQL_THREADS,
					  .ignore = n ? leave : NULL };

		fix = xstrfmt("%s/fix-%s.sql", runtime_dir(r), b->name);
		o.fix_sql_path = fix;
		rc = runtime_tools(r)->compare ? tools_compare(r, &o, &res, &e)
					       : compare_run(&o, &res, &e);
		if (rc == 0 && res.verdict == VERDICT_PASS)
			unlink(fix);
		if (rc == 0 && !*at && res.verdict == VERDICT_PASS)
			rc = check_indexes(r, a, &res, &e);
		if (rc == 0 && !*at && !*b_at && res.verdict == VERDICT_PASS)
			rc = check_indexes(r, b, &res, &e);
		free(fix);
		lua_left_out_add(&left, res.evidence, sizeof(res.evidence));
		lua_left_out_release(&left);
	}
	for (size_t i = 0; ignore[i]; i++)
		free(ignore[i]);
	push_compare(L, &res, EVIDENCE_COMPARE, start, rc < 0 ? &e : NULL);
	return 1;
}

/* ---- a state that is held ---- */

#define HELD "drtest.snapshot"

static void held_close(void *object, bool keep)
{
	struct held *h = object;

	(void)keep;
	cluster_hold_free(h->hold);
	ledger_mark_free(h->mark);
	free(h);
}

struct held *lua_verify_held(lua_State *L, int index)
{
	return *(struct held **)lua_object(L, index, HELD);
}

/* The check reads the cluster, and the ledger, as they were when they were held. */
static void as_held(lua_State *L, const struct held *h, const struct lua_cluster *c,
		    const struct run_audit *load, const char *what, struct verify_opts *o)
{
	if (h->of != c || h->load != load)
		lua_usage(
			L,
			"%s: the snapshot is not of %s and this load: t.verify.snapshot(cluster, load)",
			what, c->name);
	if (!runtime_planning(runtime_of(L)) && !h->hold)
		lua_usage(L, "%s: the snapshot of %s is released", what, c->name);
	o->held = h->hold ? cluster_hold_conn(h->hold) : NULL;
	o->held_at = h->hold ? cluster_hold_at(h->hold) : 0;
	o->mark = h->mark;
}

/* ledger or model(load, cluster, { of = the cluster that took the transactions, point = TSO, before
 * = true, snapshot = snapshot(cluster, load) }) */
enum verify_kind { VERIFY_LEDGER, VERIFY_MODEL, VERIFY_ROWS };

/* Into the result on top. */
static void push_counts(lua_State *L, const struct verify_result *res)
{
	const struct {
		const char *name;
		double value;
	} numbers[] = {
		{ "acked", (double)res->acked },
		{ "failed", (double)res->failed },
		{ "unknown", (double)res->unknown },
		{ "recovered", (double)res->recovered },
		{ "lost", (double)res->lost },
		{ "resurrected", (double)res->resurrected },
		{ "missing", (double)res->missing },
		{ "early", (double)res->early },
		{ "torn", (double)res->torn },
		{ "rows", (double)res->rows_checked },
		{ "rows_wrong", (double)res->rows_wrong },
		{ "window_ms", (double)res->loss_window_ms },
		{ "resolved_behind_ms", (double)res->resolved_behind_ms },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		lua_pushnumber(L, numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
}

/* The options at 3 that are no plain values. */
static void verify_options(lua_State *L, struct lua_cluster **of, tso_t *point,
			   const struct held **held)
{
	if (!lua_istable(L, 3))
		return;
	lua_getfield(L, 3, "of");
	if (!lua_isnil(L, -1))
		*of = lua_cluster_check(L, -1);
	lua_getfield(L, 3, "point");
	if (!lua_isnil(L, -1))
		*point = lua_tso_check(L, -1);
	lua_getfield(L, 3, "snapshot");
	if (!lua_isnil(L, -1))
		*held = lua_verify_held(L, -1);
	lua_pop(L, 3);
}

static int records(lua_State *L, enum verify_kind kind)
{
	bool model = kind == VERIFY_MODEL;
	const char *what = model                 ? "verify.model"
			   : kind == VERIFY_ROWS ? "verify.rows"
						 : "verify.ledger";
	const struct run_audit *audit = audit_of(L, 1);
	struct lua_cluster *c = lua_cluster_alive(L, 2, what), *of = c;
	struct runtime *r = runtime_of(L);
	struct verify_opts o = { .point = UINT64_MAX,
				 .ledger_dir = audit->ledger_dir,
				 .model = audit->model,
				 .db = audit->db,
				 .ledger_table = audit->ledger_table,
				 .writer_of = audit->writer_of,
				 .writer_ctx = audit->writer_ctx };
	struct verify_result res = { 0 };
	const struct held *held = NULL;
	struct err e = ERR_INIT;
	int64_t start = clock_mono_ns();
	char *lost;
	int rc = 0;

	lua_fields(L, 3, what,
		   (struct field[]){ { "of", FIELD_ANY, NULL },
				     { "point", FIELD_ANY, NULL },
				     { "before", FIELD_FLAG, &o.before_replay },
				     { "snapshot", FIELD_ANY, NULL },
				     { NULL, 0, NULL } });
	verify_options(L, &of, &o.point, &held);
	if (held)
		as_held(L, held, c, audit, what, &o);
	else
		at_rest(L, c, what);
	at_rest(L, of, what);
	if (!runtime_plan(
		    r,
		    model ? "model check: every row of %s against its expected state, from seed, ledger and commit order%s"
		    : kind == VERIFY_ROWS
			    ? "row audit: who wrote each row of %s%s"
			    : "ledger check: drtest_ledger of %s against the ledger%s",
		    c->name,
		    o.before_replay ? "; before the replay, for the record"
		    : held          ? ", in its snapshot"
				    : "")) {
		o.cluster = (uint16_t)of->number;
		o.tso_map = cluster_tso_map(of->c);
		o.secondary = *cluster_endpoint(c->c);
		if (!of->alive) {
			o.disaster_us =
				(recovery_disaster_ns(r) - journal_start_ns(runtime_journal(r))) /
				1000;
			o.disaster_wall_ms = recovery_disaster_wall_ms(r);
		}
		lost = kind == VERIFY_LEDGER && o.point != UINT64_MAX && !o.before_replay
			       ? xstrfmt("%s/lost-acknowledged.jsonl", runtime_dir(r))
			       : NULL;
		o.lost_path = lost;
		/* one that lives goes on sampling; a kill has read it to its end */
		if (of->alive && o.tso_map)
			rc = tso_map_refresh(o.tso_map, &e);
		if (rc == 0)
			rc = (model                 ? check_model
			      : kind == VERIFY_ROWS ? check_rows
						    : check_ledger)(&o, &res, &e);
		free(lost);
	}
	lua_verify_push(L, res.verdict, res.evidence, res.findings, start, rc < 0 ? &e : NULL);
	lua_verify_about(L,
			 model                 ? EVIDENCE_MODEL
			 : kind == VERIFY_ROWS ? EVIDENCE_ROWS
					       : EVIDENCE_LEDGER,
			 kind != VERIFY_LEDGER ? (double)res.rows_checked : -1, -1,
			 (double)(res.acked + res.failed + res.unknown));
	push_counts(L, &res);
	verify_result_release(&res);
	return 1;
}

/* ---- the dead primary's disk ---- */

#define FORENSIC_MS 60000

/* snapshot(cluster [, load]): its state of now, kept readable while it goes on, for checks of
 * that load; without a load for the forensic check, and then nil where no dead cluster can be
 * examined
 */
static int snapshot(lua_State *L)
{
	static const struct owned_ops ops = { .close = held_close };
	struct lua_cluster *c = lua_cluster_alive(L, 1, "verify.snapshot");
	const struct run_audit *load = lua_isnoneornil(L, 2) ? NULL : audit_of(L, 2);
	struct runtime *r = runtime_of(L);
	unsigned connections = load ? 1 : HOLD_CONNECTIONS;
	struct held *h;
	struct err e = ERR_INIT;

	if (!load && !ground_can(runtime_ground(r), ABLE_EXAMINE)) {
		if (!runtime_plan(r,
				  "no forensic check: the %s ground cannot open a dead cluster's "
				  "disk",
				  runtime_ground(r)->name))
			runtime_note(
				r,
				"no forensic check: the %s ground cannot open a dead cluster's "
				"disk",
				runtime_ground(r)->name);
		return 0;
	}
	at_rest(L, c, "verify.snapshot");
	h = xcalloc(1, sizeof(*h));
	h->of = c;
	h->load = load;
	owned_add(r, &ops, h);
	*(struct held **)lua_newuserdata(L, sizeof(h)) = h;
	luaL_getmetatable(L, HELD);
	lua_setmetatable(L, -2);
	if (runtime_on_tidb(r)) {
		if (runtime_plan(r, "%s: its TSO of now, for %s", c->name,
				 load ? "the checks" : "the forensic check"))
			return 1;
	} else if (
		runtime_plan(
			r,
			"%s: START TRANSACTION WITH CONSISTENT SNAPSHOT, held on %u connection%s for %s",
			c->name, connections, connections == 1 ? "" : "s",
			load ? "the checks" : "the forensic check"))
		return 1;
	h->hold = cluster_hold(cluster_endpoint(c->c), c->name, connections, &e);
	if (!h->hold)
		return lua_raise(L, &e);
	/* sysbench keeps no ledger */
	if (load && load->ledger_dir && !(h->mark = ledger_mark_take(load->ledger_dir, &e)))
		return lua_raise(L, &e);
	return 1;
}

/* held:release(): its snapshot keeps old row versions, and the tables it read from being changed by
 * DDLs */
static int release(lua_State *L)
{
	struct held *h = lua_verify_held(L, 1);

	cluster_hold_free(h->hold);
	h->hold = NULL;
	return 0;
}

/* isolation(load, cluster, { of, point }): what transactions read and wrote, by the check that the
 * load is written for */
static int isolation(lua_State *L)
{
	const struct run_audit *audit = audit_of(L, 1);
	struct lua_cluster *c = lua_cluster_alive(L, 2, "verify.isolation"), *of = c;
	struct runtime *r = runtime_of(L);
	struct verify_opts o = { .point = UINT64_MAX,
				 .ledger_dir = audit->ledger_dir,
				 .model = audit->model,
				 .db = audit->db };
	struct isolation_result res = {
		.verdict = VERDICT_UNKNOWN,
		.evidence = "the load records no history, so the order of its transactions "
			    "cannot be checked"
	};
	struct err e = ERR_INIT;
	int64_t start = clock_mono_ns();
	int rc = 0;

	lua_fields(L, 3, "verify.isolation",
		   (struct field[]){ { "of", FIELD_ANY, NULL },
				     { "point", FIELD_ANY, NULL },
				     { NULL, 0, NULL } });
	if (lua_istable(L, 3)) {
		lua_getfield(L, 3, "of");
		if (!lua_isnil(L, -1))
			of = lua_cluster_check(L, -1);
		lua_getfield(L, 3, "point");
		if (!lua_isnil(L, -1))
			o.point = lua_tso_check(L, -1);
		lua_pop(L, 2);
	}
	at_rest(L, c, "verify.isolation");
	at_rest(L, of, "verify.isolation");
	if (!runtime_plan(
		    r,
		    "isolation check: what the load's transactions read and wrote, and the lists of %s",
		    c->name) &&
	    audit->history && audit->history[0]) {
		o.cluster = (uint16_t)of->number;
		o.tso_map = cluster_tso_map(of->c);
		o.secondary = *cluster_endpoint(c->c);
		rc = check_history(&o, audit->history, &res, &e);
	}
	lua_verify_push(L, res.verdict, res.evidence, res.findings, start, rc < 0 ? &e : NULL);
	lua_verify_about(L, EVIDENCE_ISOLATION, -1, -1, (double)res.transactions);
	json_decref(res.findings);
	return 1;
}

static int ledger(lua_State *L)
{
	return records(L, VERIFY_LEDGER);
}
static int model(lua_State *L)
{
	return records(L, VERIFY_MODEL);
}
static int rows(lua_State *L)
{
	return records(L, VERIFY_ROWS);
}

int lua_verify_open(lua_State *L)
{
	static const luaL_Reg methods[] = { { "release", release }, { NULL, NULL } };
	static const luaL_Reg f[] = { { "sums", sums },
				      { "same", same },
				      { "ledger", ledger },
				      { "model", model },
				      { "rows", rows },
				      { "isolation", isolation },
				      { "snapshot", snapshot },
				      { "forensic", lua_verify_forensic },
				      { NULL, NULL } };

	lua_class(L, HELD, "snapshot", NULL, methods);
	lua_pop(L, 1);
	lua_newtable(L);
	luaL_register(L, NULL, f);
	return 1;
}
