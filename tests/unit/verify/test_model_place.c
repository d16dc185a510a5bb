/* Transactions of unknown place, written out one by one: each is put where the rows say, and only
 * there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/verify/ledger_check.h"

#define ROWS 14
#define TXNS_MAX 14

/* Transaction i is that of worker i + 1, with sequence 1. It sets c of its rows. */
static struct {
	size_t n;
	int64_t row[4];
} does[TXNS_MAX];
static struct verify_txn txns[TXNS_MAX];
static size_t n_txns;
static uint32_t writer[ROWS + 1]; /* of what is found in c; 0: as prepared */

static void text_of(char *out, uint32_t worker, int64_t row)
{
	sprintf(out, "%u-%" PRId64, worker, worker ? 1 : row);
}

static void initial(const struct audit_model *m, uint32_t table, int64_t id, struct audit_row *out)
{
	(void)m;
	(void)table;
	memset(out, 0, sizeof(*out));
	out->id = id;
	text_of(out->c, 0, id);
	text_of(out->pad, 0, id);
}

static size_t transaction(const struct audit_model *m, uint32_t worker, uint64_t seq,
			  struct audit_op *op)
{
	size_t n = does[worker - 1].n;

	(void)m;
	(void)seq;
	memset(op, 0, n * sizeof(*op));
	for (size_t i = 0; i < n; i++) {
		op[i].kind = AUDIT_SET_C;
		op[i].table = 1;
		op[i].statement = 1;
		op[i].row.id = does[worker - 1].row[i];
		text_of(op[i].row.c, worker, 0);
	}
	return n;
}

static int writer_of(const struct audit_model *m, const char *digits, uint32_t *worker,
		     uint64_t *seq, uint32_t *statement)
{
	(void)m;
	*statement = 1;
	return sscanf(digits, "%u-%" SCNu64, worker, seq) == 2;
}

static const struct audit_model model = { .db = "d",
					  .table_prefix = "t",
					  .tables = 1,
					  .rows_per_table = ROWS,
					  .initial = initial,
					  .transaction = transaction,
					  .writer_of = writer_of };

static int rows(void *arg, uint32_t table, int (*fn)(void *to, const struct verify_row *row),
		void *to, struct err *e)
{
	(void)arg;
	(void)table;
	(void)e;
	for (int64_t id = 1; id <= ROWS; id++) {
		char c[32], pad[32];

		text_of(c, writer[id], id);
		text_of(pad, 0, id);
		if (fn(to, &(struct verify_row){ id, 0, c, pad, strlen(c), strlen(pad) }) < 0)
			return -1;
	}
	return 0;
}

static void begin(void)
{
	memset(does, 0, sizeof(does));
	memset(writer, 0, sizeof(writer));
	n_txns = 0;
}

/* position 0: acknowledged by nobody, its row in drtest_ledger is there. */
static void add(uint64_t position, int64_t begin_us, int64_t one, int64_t other)
{
	txns[n_txns] = (struct verify_txn){ .worker = (uint32_t)n_txns + 1,
					    .seq = 1,
					    .position = position,
					    .begin_us = begin_us,
					    .end_us = begin_us + 1000000,
					    .outcome = position ? TXN_ACKED : TXN_UNKNOWN,
					    .present = true };
	does[n_txns].row[0] = one;
	does[n_txns].row[1] = other;
	does[n_txns++].n = other ? 2 : 1;
}

/* Transaction i has committed: what it wrote is found. */
static void commit(size_t i)
{
	for (size_t k = 0; k < does[i].n; k++)
		writer[does[i].row[k]] = (uint32_t)i + 1;
}

/* How many rows are wrong. */
static uint64_t expect(uint64_t limit, enum verdict v, const char *kind)
{
	struct prefix p = {
		.txn = txns, .n = n_txns, .has_evidence = true, .limit = limit, .point = limit
	};
	struct verify_source src = { .rows = rows };
	struct verify_result r;
	struct err e = ERR_INIT;
	char *text;

	verify_result_start(&r);
	assert_int_equal(verify_judge_model(&p, &model, &src, &r, &e), 0);
	text = json_dumps(r.findings, 0);
	if (r.verdict != v || (kind && !strstr(text, kind)))
		fail_msg("verdict %d, not %d: %s: %.2000s", (int)r.verdict, (int)v, r.evidence,
			 text);
	free(text);
	verify_result_release(&r);
	return r.rows_wrong;
}

static void a_place_may_be_between_two_neighbours(void **state)
{
	(void)state;
	begin();
	add(1, 0, 1, 0);
	add(2, 0, 2, 0);
	add(0, 0, 1, 2);
	commit(0);
	commit(2);
	commit(1);
	expect(UINT64_MAX, VERDICT_PASS, NULL);
	/* a row that no place explains is wrong, and no other */
	does[2].n = 3;
	does[2].row[0] = 3;
	does[2].row[2] = 1;
	writer[3] = 2;
	assert_int_equal(expect(UINT64_MAX, VERDICT_FAIL, "misplaced value"), 1);
	writer[3] = 3;
	/* behind the second and before the first: nowhere */
	writer[1] = 1;
	writer[2] = 3;
	expect(UINT64_MAX, VERDICT_FAIL, NULL);
}

/* Neighbours share a row, so that the rows tell the whole order. at: the order of commit; the
 * transactions began in the order of their numbers, or in that of commit. */
static void chain(size_t n, const size_t *at, bool as_begun)
{
	begin();
	for (size_t i = 0; i < n; i++)
		add(0, (int64_t)i, (int64_t)i + 1, i + 1 < n ? (int64_t)i + 2 : 0);
	for (size_t i = 0; i < n; i++) {
		if (as_begun)
			txns[at[i]].begin_us = (int64_t)i;
		commit(at[i]);
	}
}

static void shuffle(size_t *at, size_t n, uint64_t seed)
{
	struct rng r;

	rng_seed(&r, seed);
	for (size_t i = 0; i < n; i++)
		at[i] = i;
	for (size_t i = n - 1; i > 0; i--) {
		size_t k = rng_below(&r, i + 1), swap = at[i];

		at[i] = at[k];
		at[k] = swap;
	}
}

static void any_order_is_found(size_t n, uint64_t seeds, bool as_begun)
{
	size_t at[14];

	assert_true(n <= sizeof(at) / sizeof(at[0]));
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		shuffle(at, n, seed);
		chain(n, at, as_begun);
		expect(UINT64_MAX, VERDICT_PASS, NULL);
	}
}

/* More than can be tried in each order: those that are wrong are moved. */
static void many_of_unknown_place_are_put_in_order(void **state)
{
	(void)state;
	any_order_is_found(12, 10, false);
}

/* Some of these cannot be found by moving them about: the order in which they began comes first. */
static void the_order_of_their_begins_comes_first(void **state)
{
	(void)state;
	any_order_is_found(14, 20, true);
}

/* After the point, and there in part: an update that is there too early is one of a torn one. */
static void a_part_of_a_later_transaction_is_torn(void **state)
{
	(void)state;
	begin();
	add(1, 0, 1, 0);
	add(2, 0, 2, 3);
	commit(0);
	txns[1].present = false;
	expect(1, VERDICT_PASS, NULL);
	writer[2] = 2;
	expect(1, VERDICT_FAIL, "\"kind\": \"torn transaction\", \"table\": \"t1\", \"id\": 2");
	/* all of it, its row in drtest_ledger too */
	writer[3] = 2;
	txns[1].present = true;
	expect(1, VERDICT_FAIL, "\"kind\": \"early update\", \"table\": \"t1\", \"id\": 2");
}

/* Whose value it is that must not be there. */
static void a_failed_transaction_is_named(void **state)
{
	(void)state;
	begin();
	add(1, 0, 1, 0);
	add(2, 0, 2, 0);
	txns[1].outcome = TXN_FAILED;
	txns[1].present = false;
	commit(0);
	expect(UINT64_MAX, VERDICT_PASS, NULL);
	commit(1);
	expect(UINT64_MAX, VERDICT_FAIL,
	       "\"kind\": \"dirty row\", \"table\": \"t1\", \"id\": 2, \"writer\": "
	       "\"worker 2 sequence 1 (failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_may_be_between_two_neighbours),
		cmocka_unit_test(many_of_unknown_place_are_put_in_order),
		cmocka_unit_test(the_order_of_their_begins_comes_first),
		cmocka_unit_test(a_part_of_a_later_transaction_is_torn),
		cmocka_unit_test(a_failed_transaction_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
