/* The checks' core on histories made up here: planted defects must be named, their absence must
 * pass. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/verify/ledger_check.h"

#define TABLES 2
#define ROWS 60
#define WORKERS 4
#define TXNS 400

/* ---- a model: values are "worker-seq-statement-check" ---- */
static uint64_t seed = 7;

static void text_of(char *out, uint32_t worker, uint64_t seq, uint32_t statement, char column)
{
	uint64_t h = rng_mix(seed ^
			     rng_mix(worker * 1000003u + seq * 131 + statement + (uint64_t)column));

	sprintf(out, "%u-%" PRIu64 "-%u-%c%08x", worker, seq, statement, column, (uint32_t)h);
}

static int writer_of(const struct audit_model *m, const char *digits, uint32_t *worker,
		     uint64_t *seq, uint32_t *statement)
{
	char again[128], column;

	(void)m;
	if (sscanf(digits, "%u-%" SCNu64 "-%u-%c", worker, seq, statement, &column) != 4)
		return 0;
	text_of(again, *worker, *seq, *statement, column);
	return strcmp(again, digits) == 0;
}

static void initial(const struct audit_model *m, uint32_t table, int64_t id, struct audit_row *out)
{
	(void)m;
	memset(out, 0, sizeof(*out));
	out->id = id;
	out->k = table * 1000 + id;
	text_of(out->c, 0, table * 1000u + (uint64_t)id, 0, 'c');
	text_of(out->pad, 0, table * 1000u + (uint64_t)id, 0, 'p');
}

static size_t transaction(const struct audit_model *m, uint32_t worker, uint64_t seq,
			  struct audit_op *op)
{
	struct rng r;

	(void)m;
	rng_seed3(&r, seed, worker, seq);
	memset(op, 0, 4 * sizeof(*op));
	for (uint32_t i = 0; i < 4; i++) {
		op[i].statement = i + 1;
		op[i].table = 1 + (uint32_t)rng_below(&r, TABLES);
		op[i].row.id = 1 + (int64_t)rng_below(&r, ROWS);
	}
	op[0].kind = AUDIT_ADD_K;
	op[0].row.k = 1;
	op[1].kind = AUDIT_SET_C;
	text_of(op[1].row.c, worker, seq, 2, 'c');
	op[2].kind = AUDIT_DELETE;
	op[3].kind = AUDIT_INSERT;
	op[3].table = op[2].table;
	op[3].row.id = op[2].row.id;
	op[3].row.k = 5000 + (int64_t)rng_below(&r, 1000);
	text_of(op[3].row.c, worker, seq, 4, 'c');
	text_of(op[3].row.pad, worker, seq, 4, 'p');
	return 4;
}

static const struct audit_model model = { .db = "sbtest",
					  .table_prefix = "sbtest",
					  .tables = TABLES,
					  .rows_per_table = ROWS,
					  .initial = initial,
					  .transaction = transaction,
					  .writer_of = writer_of,
					  .ledger_table = "drtest_ledger" };

/* ---- a history and the rows it left ---- */
struct cell {
	bool exists;
	struct audit_row row;
};
struct world {
	char dir[64];
	struct ledger_record rec[TXNS];
	bool present[TXNS];
	bool cut[TXNS]; /* its ledger ends before it */
	size_t n;
	struct cell cell[TABLES + 1][ROWS + 10];
	bool no_evidence;
	struct {
		uint32_t worker;
		uint64_t seq;
	} extra;
	uint64_t limit;
	bool before;
};

static void apply_op(struct world *w, const struct audit_op *o)
{
	struct cell *c = &w->cell[o->table][o->row.id];

	if (o->kind == AUDIT_ADD_K && c->exists)
		c->row.k += o->row.k;
	else if (o->kind == AUDIT_SET_C && c->exists)
		strcpy(c->row.c, o->row.c);
	else if (o->kind == AUDIT_DELETE)
		c->exists = false;
	else if (o->kind == AUDIT_INSERT) {
		c->exists = true;
		c->row = o->row;
	}
}

static void apply_txn(struct world *w, size_t i, unsigned mask)
{
	struct audit_op op[AUDIT_OPS_MAX];
	size_t n = transaction(&model, w->rec[i].worker, w->rec[i].seq, op);

	for (size_t k = 0; k < n; k++)
		if (mask & 1u << k)
			apply_op(w, &op[k]);
}

static void fresh_rows(struct world *w)
{
	memset(w->cell, 0, sizeof(w->cell));
	for (uint32_t t = 1; t <= TABLES; t++)
		for (int64_t id = 1; id <= ROWS; id++) {
			w->cell[t][id].exists = true;
			initial(&model, t, id, &w->cell[t][id].row);
		}
}

/* Positions are 100 + index; each 17th failed. Everything up to and with index `upto` is there. */
static void make(struct world *w, size_t n, size_t upto)
{
	uint64_t seq[WORKERS + 1] = { 0 };

	memset(w, 0, sizeof(*w));
	strcpy(w->dir, "/tmp/drtest-checks-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->n = n;
	fresh_rows(w);
	for (size_t i = 0; i < n; i++) {
		uint32_t worker = 1 + (uint32_t)(i % WORKERS);
		bool failed = i % 17 == 16;

		w->rec[i] = (struct ledger_record){ .worker = worker,
						    .seq = ++seq[worker],
						    .outcome = failed ? TXN_FAILED : TXN_ACKED,
						    .begin_us = (int64_t)i * 1000,
						    .end_us = (int64_t)i * 1000 + 900,
						    .position = failed ? 0 : 100 + i };
		if (!failed && i <= upto) {
			w->present[i] = true;
			apply_txn(w, i, 15);
		}
	}
	w->limit = 100 + upto;
}

static int presence(void *arg, int (*fn)(void *to, uint32_t worker, uint64_t seq), void *to,
		    struct err *e)
{
	struct world *w = arg;

	(void)e;
	for (size_t i = 0; i < w->n; i++)
		if (w->present[i])
			fn(to, w->rec[i].worker, w->rec[i].seq);
	return w->extra.seq ? fn(to, w->extra.worker, w->extra.seq) : 0;
}

static int rows(void *arg, uint32_t table, int (*fn)(void *to, const struct verify_row *row),
		void *to, struct err *e)
{
	struct world *w = arg;

	(void)e;
	for (int64_t id = 1; id < ROWS + 10; id++) {
		const struct audit_row *r = &w->cell[table][id].row;
		struct verify_row v = { id, r->k, r->c, r->pad, strlen(r->c), strlen(r->pad) };

		if (w->cell[table][id].exists && fn(to, &v) < 0)
			return -1;
	}
	return 0;
}

static void run(struct world *w, bool with_rows, struct verify_result *r)
{
	struct verify_source src = { .arg = w,
				     .presence = w->no_evidence ? NULL : presence,
				     .rows = rows };
	struct prefix p = { .limit = w->before ? UINT64_MAX : w->limit,
			    .before = w->before,
			    .disaster_us = (int64_t)w->n * 1000,
			    .disaster_wall_ms = 1000000,
			    .point = tso_make(999000, 0) };
	struct err e = ERR_INIT;
	char path[128];

	for (uint32_t n = 1; n <= WORKERS; n++) {
		struct ledger_writer *out;

		snprintf(path, sizeof(path), "%s/worker-%04u.ledger", w->dir, n);
		unlink(path);
		out = ledger_writer_open(w->dir, n, &e);
		assert_non_null(out);
		for (size_t i = 0; i < w->n; i++)
			if (w->rec[i].worker == n && !w->cut[i])
				ledger_writer_add(out, &w->rec[i]);
		assert_int_equal(ledger_writer_close(out, &e), 0);
	}
	verify_result_start(r);
	assert_int_equal(verify_open(&p, w->dir, &src, &e), 0);
	if (with_rows)
		assert_int_equal(verify_judge_model(&p, &model, &src, r, &e), 0);
	else
		verify_judge_ledger(&p, r);
	verify_close(&p);
	for (uint32_t n = 1; n <= WORKERS; n++) {
		snprintf(path, sizeof(path), "%s/worker-%04u.ledger", w->dir, n);
		unlink(path);
	}
}

static void done(struct world *w)
{
	rmdir(w->dir);
}

static bool has(const struct verify_result *r, const char *kind, uint32_t table, int64_t id)
{
	char name[32];
	size_t i;
	json_t *f;

	snprintf(name, sizeof(name), "sbtest%u", table);
	json_array_foreach(
		r->findings, i,
		f) if (strcmp(json_string_value(json_object_get(f, "kind")), kind) == 0 &&
		       (!table ||
			(json_object_get(f, "table") &&
			 strcmp(json_string_value(json_object_get(f, "table")), name) == 0 &&
			 json_integer_value(json_object_get(f, "id")) == id))) return true;
	return false;
}

static void expect(struct world *w, bool with_rows, enum verdict v, const char *kind,
		   uint32_t table, int64_t id)
{
	struct verify_result r;

	run(w, with_rows, &r);
	if (r.verdict != v || (kind && !has(&r, kind, table, id))) {
		print_message("verdict %d, wanted %d (%s %u %d): %s\n", (int)r.verdict, (int)v,
			      kind ? kind : "", table, (int)id, r.evidence);
		json_dumpf(r.findings, stdout, JSON_INDENT(1));
		fail();
	}
	verify_result_release(&r);
}

static void a_consistent_prefix_passes(void **state)
{
	static struct world w;
	struct verify_result r;

	(void)state;
	for (size_t upto = 0; upto < TXNS; upto += 37) {
		make(&w, TXNS, upto);
		expect(&w, false, VERDICT_PASS, NULL, 0, 0);
		expect(&w, true, VERDICT_PASS, NULL, 0, 0);
		w.no_evidence = true;
		expect(&w, true, VERDICT_PASS, NULL, 0, 0);
		expect(&w, false, VERDICT_UNKNOWN, NULL, 0, 0);
		done(&w);
	}
	make(&w, 100, 79);
	run(&w, false, &r);
	assert_int_equal(r.acked, 95);
	assert_int_equal(r.lost, 19); /* 80..99 without 84, which failed */
	assert_int_equal(r.failed, 5);
	assert_int_equal(r.loss_window_ms, 100 - 80); /* 100,000 - 80,900 us, rounded up */
	assert_int_equal(r.resolved_behind_ms, 1000);
	verify_result_release(&r);
	run(&w, true, &r);
	assert_int_equal(r.lost, 19);
	assert_int_equal(r.torn, 0);
	assert_int_equal(r.rows_checked, TABLES * ROWS);
	verify_result_release(&r);
	done(&w);
}

/* `worker` was killed at transaction `at`, and its ledger did not get far enough. */
static void kill_worker(struct world *w, uint32_t worker, size_t at)
{
	bool open = false;
	int64_t last_us = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct ledger_record *r = &w->rec[i];

		if (r->worker != worker)
			continue;
		if (i < at) {
			last_us = r->end_us;
		} else if (!open) {
			open = true;
			r->outcome = TXN_UNKNOWN;
			r->flags = TXN_OPEN_END;
			r->position = 0;
			r->due_us = r->begin_us = r->end_us = last_us;
		} else {
			w->cut[i] = true;
		}
	}
}

static void what_killed_workers_sent_last_is_placed_by_the_rows(void **state)
{
	static struct world w;

	(void)state;
	for (size_t round = 0; round < 5; round++) {
		size_t n = 60 + 10 * round, late = 5 + 3 * round;

		make(&w, n, n - 1);
		kill_worker(&w, 1 + (uint32_t)(round % WORKERS), n - late);
		kill_worker(&w, 1 + (uint32_t)((round + 1) % WORKERS), n - late);
		expect(&w, false, VERDICT_PASS, NULL, 0, 0);
		expect(&w, true, VERDICT_PASS, NULL, 0, 0);
		done(&w);
	}
	/* the last of them is there in part */
	make(&w, 100, 98);
	kill_worker(&w, 1 + 99 % WORKERS, 98);
	w.present[99] = true;
	apply_txn(&w, 99, 12);
	expect(&w, true, VERDICT_FAIL, "torn transaction", 0, 0);
	done(&w);
}

static void presence_against_the_ledger(void **state)
{
	static struct world w;

	(void)state;
	make(&w, 100, 79);
	w.present[40] = false;
	expect(&w, false, VERDICT_FAIL, "missing transaction", 0, 0);
	w.present[40] = true;
	w.present[90] = true;
	expect(&w, false, VERDICT_FAIL, "early transaction", 0, 0);
	w.present[90] = false;
	w.present[16] = true;
	expect(&w, false, VERDICT_FAIL, "resurrected transaction", 0, 0);
	w.present[16] = false;
	w.extra.worker = 9;
	w.extra.seq = 1;
	expect(&w, false, VERDICT_FAIL, "stray transaction", 0, 0);
	w.extra.seq = 0;
	expect(&w, false, VERDICT_PASS, NULL, 0, 0);
	/* position unknown: closed in real time */
	w.rec[40].position = 0;
	expect(&w, false, VERDICT_PASS, NULL, 0, 0);
	w.present[40] = false;
	expect(&w, false, VERDICT_FAIL, "missing transaction", 0, 0);
	w.present[40] = true;
	w.rec[95].position = 0;
	expect(&w, false, VERDICT_PASS, NULL, 0, 0);
	w.present[95] = true;
	expect(&w, false, VERDICT_FAIL, "early transaction", 0, 0);
	w.present[95] = false;
	/* unknown outcome: there or not, both are right, but not after the point */
	w.rec[60].outcome = TXN_UNKNOWN;
	w.rec[60].position = 0;
	expect(&w, false, VERDICT_PASS, NULL, 0, 0);
	w.present[60] = false;
	expect(&w, false, VERDICT_PASS, NULL, 0, 0);
	w.rec[97].outcome = TXN_UNKNOWN;
	w.rec[97].position = 0;
	expect(&w, false, VERDICT_PASS, NULL, 0, 0);
	w.present[97] = true;
	expect(&w, false, VERDICT_FAIL, "early transaction", 0, 0);
	w.before = true;
	expect(&w, false, VERDICT_PASS, NULL, 0, 0);
	done(&w);
}

static void other_clusters_are_left_alone(void **state)
{
	static struct world w;

	(void)state;
	make(&w, 100, 79);
	for (size_t i = 80; i < 100; i++)
		w.rec[i].cluster = 1;
	w.present[99] = true;
	expect(&w, false, VERDICT_PASS, NULL, 0, 0);
	done(&w);
}

/* The last index up to `upto` whose operation `k` is the last to touch its row among all that are
 * there. */
static size_t last_writer(struct world *w, size_t upto, size_t k, struct audit_op *found)
{
	for (size_t i = upto + 1; i-- > 0;) {
		struct audit_op op[AUDIT_OPS_MAX], other[AUDIT_OPS_MAX];
		bool last = w->rec[i].outcome == TXN_ACKED;

		transaction(&model, w->rec[i].worker, w->rec[i].seq, op);
		for (size_t n = 0; n < 4; n++)
			last &= n == k || (k >= 2 && n >= 2) || op[n].table != op[k].table ||
				op[n].row.id != op[k].row.id;
		for (size_t x = i + 1; x <= upto && last; x++) {
			transaction(&model, w->rec[x].worker, w->rec[x].seq, other);
			for (size_t n = 0; n < 4 && w->rec[x].outcome == TXN_ACKED; n++)
				last &= other[n].table != op[k].table ||
					other[n].row.id != op[k].row.id;
		}
		if (last) {
			*found = op[k];
			return i;
		}
	}
	fail();
	return 0;
}

static void rebuild(struct world *w, size_t upto, size_t special, unsigned mask)
{
	fresh_rows(w);
	for (size_t i = 0; i <= upto; i++)
		if (w->rec[i].outcome == TXN_ACKED)
			apply_txn(w, i, i == special ? mask : 15);
}

static void one_value_has_one_name(void **state)
{
	static struct world w;
	struct verify_result r;
	static const struct {
		const char *change, *expected, *found;
	} rows[] = {
		{ "k", "k 1001, c prepared, pad prepared", "k 1008, c prepared, pad prepared" },
		{ "c of another row", "k 1001, c prepared, pad prepared",
		  "k 1001, c prepared for another row, pad prepared" },
		{ "pad", "k 1001, c prepared, pad prepared", "k 1001, c prepared, pad corrupt" },
		{ "gone", "k 1001, c prepared, pad prepared", "no row" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cell *c;
		json_t *f;

		make(&w, 0, 0);
		c = &w.cell[1][1];
		if (i == 0)
			c->row.k += 7;
		else if (i == 1)
			strcpy(c->row.c, w.cell[1][2].row.c);
		else if (i == 2)
			strcpy(c->row.pad, "no pad of ours");
		else
			c->exists = false;
		run(&w, true, &r);
		assert_int_equal(r.verdict, VERDICT_FAIL);
		f = json_array_get(r.findings, 0);
		assert_non_null(f);
		assert_string_equal(json_string_value(json_object_get(f, "expected")),
				    rows[i].expected);
		assert_string_equal(json_string_value(json_object_get(f, "found")), rows[i].found);
		verify_result_release(&r);
		done(&w);
	}
}

static void defect_defects_are_named(void **state)
{
	static struct world w;
	struct audit_op op;
	struct audit_row other;
	struct verify_result r;
	size_t i;

	(void)state;
	make(&w, 200, 149);
	/* an update of k that is not there, with the rest of its transaction: torn */
	i = last_writer(&w, 149, 0, &op);
	rebuild(&w, 149, i, 14);
	expect(&w, true, VERDICT_FAIL, "torn transaction", op.table, op.row.id);
	/* the whole transaction left out, its ledger row too: an update lost on a row of its own */
	rebuild(&w, 149, i, 0);
	w.present[i] = false;
	expect(&w, true, VERDICT_FAIL, "lost update", op.table, op.row.id);
	w.present[i] = true;
	i = last_writer(&w, 149, 1, &op);
	rebuild(&w, 149, i, 13);
	expect(&w, true, VERDICT_FAIL, "torn transaction", op.table, op.row.id);
	/* deleted and not inserted again; inserted by nobody; deleted and still there as it was */
	i = last_writer(&w, 149, 3, &op);
	rebuild(&w, 149, i, 7);
	expect(&w, true, VERDICT_FAIL, "vanished row", op.table, op.row.id);
	rebuild(&w, 149, SIZE_MAX, 0);
	expect(&w, true, VERDICT_PASS, NULL, 0, 0);
	w.cell[1][ROWS + 5] = w.cell[1][1];
	w.cell[1][ROWS + 5].exists = true;
	expect(&w, true, VERDICT_FAIL, NULL, 0, 0);
	rebuild(&w, 149, SIZE_MAX, 0);
	w.cell[2][9].exists = false;
	expect(&w, true, VERDICT_FAIL, "vanished row", 2, 9);
	/* one digit; k off by one both ways; values of two rows exchanged; an older value */
	rebuild(&w, 149, SIZE_MAX, 0);
	w.cell[1][7].row.c[0] ^= 1;
	expect(&w, true, VERDICT_FAIL, "corrupt value", 1, 7);
	rebuild(&w, 149, SIZE_MAX, 0);
	w.cell[1][7].row.k++;
	run(&w, true, &r);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(r.rows_wrong, 1);
	verify_result_release(&r);
	w.cell[1][7].row.k -= 2;
	run(&w, true, &r);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(r.rows_wrong, 1);
	verify_result_release(&r);
	rebuild(&w, 149, SIZE_MAX, 0);
	other = w.cell[1][7].row;
	strcpy(w.cell[1][7].row.c, w.cell[1][8].row.c);
	strcpy(w.cell[1][8].row.c, other.c);
	expect(&w, true, VERDICT_FAIL, "misplaced value", 1, 7);
	expect(&w, true, VERDICT_FAIL, "misplaced value", 1, 8);
	/* the values of a failed transaction, and of one after the point */
	rebuild(&w, 149, SIZE_MAX, 0);
	apply_txn(&w, 33, 2);
	{
		struct audit_op ops[AUDIT_OPS_MAX];

		transaction(&model, w.rec[33].worker, w.rec[33].seq, ops);
		expect(&w, true, VERDICT_FAIL, "dirty row", ops[1].table, ops[1].row.id);
		rebuild(&w, 149, SIZE_MAX, 0);
		/* one more k: a later transaction's addition could have done that too */
		apply_txn(&w, 33, 1);
		expect(&w, true, VERDICT_FAIL, NULL, 0, 0);
		w.n = 150; /* with no later one, it can only be the failed one's */
		expect(&w, true, VERDICT_FAIL, "dirty row", ops[0].table, ops[0].row.id);
		w.n = 200;
		rebuild(&w, 149, SIZE_MAX, 0);
		apply_txn(&w, 150, 15);
		expect(&w, true, VERDICT_FAIL, NULL, 0, 0);
	}
	/* its ledger row alone is missing, or alone is there */
	rebuild(&w, 149, SIZE_MAX, 0);
	w.present[100] = false;
	expect(&w, true, VERDICT_FAIL, "torn transaction", 0, 0);
	w.present[100] = true;
	w.present[160] = true;
	expect(&w, true, VERDICT_FAIL, "torn transaction", 0, 0);
	w.present[160] = false;
	expect(&w, true, VERDICT_PASS, NULL, 0, 0);
	done(&w);
}

/* Every single operation left out once: caught exactly when it changes the final rows. */
static void an_omission_is_caught_when_it_changes_the_rows(void **state)
{
	static struct world w, right;
	int caught = 0, harmless = 0;

	(void)state;
	make(&w, 60, 59);
	right = w;
	for (size_t i = 0; i < 60; i++)
		for (int k = 0; k < 4 && w.rec[i].outcome == TXN_ACKED; k++) {
			struct verify_result r;
			bool same = true;

			rebuild(&w, 59, i, 15u & ~(1u << k));
			for (uint32_t t = 1; t <= TABLES; t++)
				for (int64_t id = 1; id <= ROWS; id++) {
					const struct cell *a = &w.cell[t][id],
							  *b = &right.cell[t][id];

					same &= a->exists == b->exists &&
						(!a->exists || (a->row.k == b->row.k &&
								!strcmp(a->row.c, b->row.c) &&
								!strcmp(a->row.pad, b->row.pad)));
				}
			run(&w, true, &r);
			assert_int_equal(r.verdict, same ? VERDICT_PASS : VERDICT_FAIL);
			caught += !same;
			harmless += same;
			verify_result_release(&r);
		}
	assert_true(caught > 20);
	assert_true(harmless > 20);
	done(&w);
}

/* Transactions whose COMMIT got no answer, at any place that their begin allows. */
static void unknown_ones_may_stand_wherever_they_may(void **state)
{
	static struct world w;
	struct rng g;

	(void)state;
	rng_seed(&g, 3);
	for (int round = 0; round < 120; round++) {
		size_t n = 60, u[3], at[3], n_u = 1 + (size_t)round % 3;
		bool evidence = round % 2, there[3];

		make(&w, n, n - 1);
		w.no_evidence = !evidence;
		for (size_t x = 0; x < n_u; x++) {
			do
				u[x] = rng_below(&g, n - 1);
			while (w.rec[u[x]].outcome != TXN_ACKED);
			at[x] = u[x] + rng_below(&g, n - u[x]);
			there[x] = rng_below(&g, 3) != 0;
		}
		for (size_t x = 0; x < n_u; x++) {
			w.rec[u[x]].outcome = TXN_UNKNOWN;
			w.rec[u[x]].position = 0;
			w.present[u[x]] = there[x];
		}
		fresh_rows(&w);
		for (size_t i = 0; i < n; i++) {
			if (w.rec[i].outcome == TXN_ACKED)
				apply_txn(&w, i, 15);
			for (size_t x = 0; x < n_u; x++) {
				bool twice = false;

				for (size_t y = 0; y < x; y++)
					twice |= u[y] == u[x];
				if (at[x] == i && w.present[u[x]] && !twice)
					apply_txn(&w, u[x], 15);
			}
		}
		expect(&w, true, VERDICT_PASS, NULL, 0, 0);
		if (there[0] && evidence) {
			struct audit_op op[AUDIT_OPS_MAX];

			transaction(&model, w.rec[u[0]].worker, w.rec[u[0]].seq, op);
			w.cell[op[0].table][op[0].row.id].row.k += 3;
			expect(&w, true, VERDICT_FAIL, NULL, 0, 0);
		}
		done(&w);
	}
}

static void before_the_replay_torn_ones_are_counted_and_nothing_fails(void **state)
{
	static struct world w;
	struct verify_result r;
	uint64_t torn = 0;

	(void)state;
	/* table 1 and the ledger's rows stand at 80, table 2 at 90 */
	make(&w, 100, 80);
	fresh_rows(&w);
	for (size_t i = 0; i < 100; i++) {
		struct audit_op op[AUDIT_OPS_MAX];
		bool one = false, two = false;

		if (w.rec[i].outcome != TXN_ACKED)
			continue;
		transaction(&model, w.rec[i].worker, w.rec[i].seq, op);
		for (int k = 0; k < 4; k++) {
			one |= op[k].table == 1;
			two |= op[k].table == 2;
			if (i <= (op[k].table == 1 ? 80u : 90u))
				apply_op(&w, &op[k]);
		}
		torn += i > 80 && i <= 90 && two;
		(void)one;
	}
	w.before = true;
	run(&w, true, &r);
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_int_equal(r.torn, torn);
	assert_true(torn > 5);
	verify_result_release(&r);
	done(&w);
}

static void a_damaged_ledger_is_no_pass(void **state)
{
	static struct world w;

	(void)state;
	make(&w, 100, 79);
	w.rec[99].seq = w.rec[95].seq; /* the same sequence twice: the file ends there */
	expect(&w, false, VERDICT_UNKNOWN, "damaged ledger", 0, 0);
	expect(&w, true, VERDICT_UNKNOWN, NULL, 0, 0);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_consistent_prefix_passes),
		cmocka_unit_test(presence_against_the_ledger),
		cmocka_unit_test(what_killed_workers_sent_last_is_placed_by_the_rows),
		cmocka_unit_test(other_clusters_are_left_alone),
		cmocka_unit_test(one_value_has_one_name),
		cmocka_unit_test(defect_defects_are_named),
		cmocka_unit_test(an_omission_is_caught_when_it_changes_the_rows),
		cmocka_unit_test(unknown_ones_may_stand_wherever_they_may),
		cmocka_unit_test(before_the_replay_torn_ones_are_counted_and_nothing_fails),
		cmocka_unit_test(a_damaged_ledger_is_no_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
