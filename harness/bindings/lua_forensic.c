/* The forensic check: a dead cluster's disk against who took over. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/lua_tso.h"
#include "harness/bindings/lua_verify_impl.h"
#include "harness/run/lua_args.h"
#include "harness/run/lua_json.h"
#include "harness/run/recovery.h"

#define FORENSIC_MS 60000

static int count_ledger(const struct sql_endpoint *ep, const struct audit_model *m,
			const char *snapshot, uint64_t *n, struct err *e)
{
	struct sql *s = sql_open(ep, deadline_in_ms(10000), e);
	struct strbuf q = STRBUF_INIT;
	int rc = -1;

	strbuf_addstr(&q, "SELECT COUNT(*) FROM ");
	sql_add_name(&q, m->db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, m->ledger_table);
	if (s && sql_exec(s, e, "SET SESSION tidb_snapshot = '%s'", snapshot) >= 0)
		rc = sql_value_u64(s, n, e, "%s", q.buf);
	strbuf_release(&q);
	sql_close(s);
	return rc;
}

/* TiDB: the dead cluster's data comes up again apart, and both are read in the past: it at the
 * point, the other as it was held. */
static int examine_tidb(const struct run_audit *audit, struct lua_cluster *dead,
			const struct held *h, tso_t point, struct forensic_result *res,
			struct err *e)
{
	struct compare_result c = { 0 };
	struct sql_endpoint ep;
	char a[24], b[24];
	uint64_t then = 0, last = 0;
	int rc = -1;

	snprintf(a, sizeof(a), "%llu", (unsigned long long)point);
	snprintf(b, sizeof(b), "%llu", (unsigned long long)cluster_hold_at(h->hold));
	if (cluster_examine(dead->c, deadline_in_ms(FORENSIC_MS), &ep, e) < 0)
		goto out;
	if (audit->model && *audit->model->ledger_table &&
	    (count_ledger(&ep, audit->model, a, &then, e) < 0 ||
	     count_ledger(&ep, audit->model, "", &last, e) < 0))
		goto out;
	if (compare_run(&(struct compare_opts){ .a = ep,
						.b = *cluster_endpoint(h->of->c),
						.a_name = dead->name,
						.b_name = h->of->name,
						.a_snapshot = a,
						.b_snapshot = b,
						.threads = SQL_THREADS },
			&c, e) < 0)
		goto out;
	res->verdict = c.verdict;
	res->rows = c.rows;
	res->tables = c.tables;
	res->rows_different = c.rows_different;
	res->lost_transactions = last - then;
	res->findings = json_incref(c.findings);
	snprintf(res->evidence, sizeof(res->evidence),
		 "the dead %s's disk at the replay point: %.400s; %llu transactions beyond it",
		 dead->name, c.evidence, (unsigned long long)(last - then));
	rc = 0;
out:
	cluster_examine_end(dead->c);
	compare_result_release(&c);
	return rc;
}

/* True in plan mode, with the line that says what would happen. */
static bool plan_forensic(struct runtime *r, const struct lua_cluster *dead,
			  const struct lua_cluster *winner)
{
	if (runtime_on_tidb(r))
		return runtime_plan(
			r,
			"forensic check: start %s's data in isolation, read it at tidb_snapshot = "
			"the replay point, compare it with the snapshot of %s",
			dead->name, winner->name);
	return runtime_plan(
		r,
		"forensic check: start mariadbd on %s's data and another port, go back "
		"to the replay point with its binary log, compare it with %s; write what "
		"lies beyond the point to lost.jsonl and lost.sql",
		dead->name, winner->name);
}

static void check_forensic(lua_State *L, const struct lua_cluster *dead, const struct held *h)
{
	if (dead->alive)
		lua_usage(L,
			  "verify.forensic: %s is running: the forensic check needs a dead cluster",
			  dead->name);
	if (!h->hold)
		lua_usage(L,
			  "verify.forensic: the snapshot of %s was already used: take another one",
			  h->of->name);
}

/* The snapshot is used up: it keeps old row versions on the server that serves. */
static int examine(struct runtime *r, const struct run_audit *audit, struct lua_cluster *dead,
		   struct held *h, tso_t point, struct forensic_result *res, struct err *e)
{
	char *jsonl = xstrfmt("%s/lost.jsonl", runtime_dir(r)),
	     *sql = xstrfmt("%s/lost.sql", runtime_dir(r));
	struct forensic_opts o = {
		.ledger_dir = audit->ledger_dir,
		.ledger_table = audit->model ? audit->model->ledger_table : NULL,
		.point = point,
		.dead = dead->c,
		.held = h->hold,
		.cluster = (uint16_t)dead->number,
		.disaster_us =
			(recovery_disaster_ns(r) - journal_start_ns(runtime_journal(r))) / 1000,
		.lost_jsonl = jsonl,
		.lost_sql = sql,
		.deadline = deadline_in_ms(FORENSIC_MS),
	};
	struct lua_left_out left;
	int rc;

	lua_left_out(r, dead, h->of, &left);
	o.ignore = (const char *const *)left.patterns;
	rc = cluster_hold_at(h->hold) ? examine_tidb(audit, dead, h, point, res, e)
				      : forensic_run(&o, res, e);
	lua_left_out_add(&left, res->evidence, sizeof(res->evidence));
	lua_left_out_release(&left);
	free(jsonl);
	free(sql);
	cluster_hold_free(h->hold);
	h->hold = NULL;
	return rc;
}

/* forensic(load, dead cluster, held, { point = TSO }) */
int lua_verify_forensic(lua_State *L)
{
	const struct run_audit *audit = audit_of(L, 1);
	struct lua_cluster *dead = lua_cluster_check(L, 2);
	struct held *h = lua_verify_held(L, 3);
	struct runtime *r = runtime_of(L);
	struct forensic_result res = { .verdict = VERDICT_UNKNOWN };
	struct err e = ERR_INIT;
	int64_t start = clock_mono_ns();
	tso_t point;
	int rc = 0;

	luaL_checktype(L, 4, LUA_TTABLE);
	lua_fields(L, 4, "verify.forensic",
		   (struct field[]){ { "point", FIELD_ANY, NULL }, { NULL, 0, NULL } });
	lua_getfield(L, 4, "point");
	point = lua_tso_check(L, -1);
	if (!plan_forensic(r, dead, h->of)) {
		check_forensic(L, dead, h);
		rc = examine(r, audit, dead, h, point, &res, &e);
	}
	lua_verify_push(L, res.verdict, res.evidence, res.findings, start, rc < 0 ? &e : NULL);
	lua_verify_about(L, EVIDENCE_FORENSIC, (double)res.rows, (double)res.tables, -1);
	const struct {
		const char *name;
		double value;
	} numbers[] = {
		{ "rows", (double)res.rows },
		{ "tables", (double)res.tables },
		{ "rows_different", (double)res.rows_different },
		{ "lost", (double)res.lost_transactions },
		{ "lost_rows", (double)res.lost_rows },
		{ "lost_acked", (double)res.lost_acked },
		{ "acked_gone", (double)res.acked_gone },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		lua_pushnumber(L, numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
	json_decref(res.findings);
	return 1;
}
