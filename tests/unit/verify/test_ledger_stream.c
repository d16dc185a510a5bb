/* The streamed ledger check says what the one in memory says, on ledgers and servers of every kind,
 * and lists exactly the lost. */
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
#include "harness/base/strbuf.h"
#include "harness/os/fs.h"
#include "harness/verify/ledger_check.h"

#define ROUNDS 60
#define WORKERS 5
#define ROWS_MAX 4000

static struct {
	uint32_t worker;
	uint64_t seq;
} row[ROWS_MAX];
static size_t n_rows, at;
static char dir[64];

static int all_rows(void *arg, int (*fn)(void *to, uint32_t worker, uint64_t seq), void *to,
		    struct err *e)
{
	(void)arg;
	(void)e;
	for (size_t i = 0; i < n_rows; i++)
		fn(to, row[i].worker, row[i].seq);
	return 0;
}

static int next_row(void *arg, uint32_t *worker, uint64_t *seq, struct err *e)
{
	(void)arg;
	(void)e;
	if (at == n_rows)
		return 0;
	*worker = row[at].worker;
	*seq = row[at++].seq;
	return 1;
}

/* Up to 300 transactions a worker; most are as they should be, some are not. */
static void history(struct rng *g, uint64_t point, unsigned oddness)
{
	uint64_t position = 0;
	int64_t clock = 1000;

	n_rows = at = 0;
	for (uint32_t w = 1; w <= WORKERS; w++) {
		struct err e = ERR_INIT;
		struct ledger_writer *out = ledger_writer_open(dir, w, &e);
		uint64_t n = rng_below(g, 300);

		for (uint64_t i = 0, seq = 1; i < n; i++, seq += 1 + rng_below(g, 3)) {
			struct ledger_record r = {
				.worker = w,
				.seq = seq,
				.outcome = (uint8_t)(rng_below(g, 10) ? TXN_ACKED
								      : 2 + rng_below(g, 2)),
				.cluster = (uint16_t)(rng_below(g, 12) == 0),
				.begin_us = clock,
				.end_us = clock + (int64_t)rng_below(g, 500)
			};
			bool there;

			clock += (int64_t)rng_below(g, 100);
			r.position = r.outcome == TXN_ACKED && (!oddness || rng_below(g, 20))
					     ? ++position
					     : 0;
			there = r.outcome == TXN_ACKED && r.position <= point;
			if (rng_below(g, 1000) < oddness)
				there = !there;
			ledger_writer_add(out, &r);
			if (there) {
				row[n_rows].worker = w;
				row[n_rows++].seq = seq;
			}
			if (rng_below(g, 2000) < oddness && n_rows < ROWS_MAX) { /* in no ledger */
				row[n_rows].worker = w;
				row[n_rows++].seq = ++seq;
			}
		}
		if (rng_below(g, 3) ==
		    0) { /* its process was killed; odd: surely after the point */
			int64_t since = oddness ? clock : 0;

			ledger_writer_add(out, &(struct ledger_record){ .worker = w,
									.seq = 1000,
									.outcome = TXN_UNKNOWN,
									.flags = TXN_OPEN_END,
									.begin_us = since,
									.end_us = since });
			for (uint64_t i = rng_below(g, 5); i > 0; i--) {
				row[n_rows].worker = w;
				row[n_rows++].seq = 1010 - i;
			}
		}
		assert_int_equal(ledger_writer_close(out, &e), 0);
	}
}

static size_t lines_of(const char *path)
{
	struct strbuf text = STRBUF_INIT;
	size_t n = 0;

	if (fs_exists(path))
		assert_int_equal(fs_read_file(path, 1 << 24, &text, NULL), 0);
	for (size_t i = 0; i < text.len; i++)
		n += text.buf[i] == '\n';
	strbuf_release(&text);
	return n;
}

static void both_ways_agree(void **state)
{
	unsigned verdicts[3] = { 0 };

	(void)state;
	for (uint64_t round = 0; round < ROUNDS; round++) {
		struct prefix a = { .limit = 200 + round * 5,
				    .disaster_us = 100000,
				    .disaster_wall_ms = 5000 },
			      b = a;
		struct verify_result ra, rb;
		struct verify_source src = { .presence = all_rows };
		struct err e = ERR_INIT;
		char lost[128];
		struct rng g;

		strcpy(dir, "/tmp/drtest-stream-XXXXXX");
		assert_non_null(mkdtemp(dir));
		rng_seed(&g, round);
		history(&g, a.limit, round % 3 ? 0 : 20);
		if (round % 7 == 6) { /* a torn end */
			char path[128];

			snprintf(path, sizeof(path), "%s/worker-0003.ledger", dir);
			assert_int_equal(truncate(path, (off_t)(48 * rng_below(&g, 20) + 17)), 0);
		}
		snprintf(lost, sizeof(lost), "%s/lost.jsonl", dir);
		verify_result_start(&ra);
		verify_result_start(&rb);
		assert_int_equal(verify_open(&a, dir, &src, &e), 0);
		verify_judge_ledger(&a, &ra);
		assert_int_equal(verify_stream_ledger(&b, dir,
						      &(struct presence_cursor){ NULL, next_row },
						      lost, &rb, &e),
				 0);
		assert_int_equal(ra.verdict, rb.verdict);
		assert_string_equal(ra.evidence, rb.evidence);
		assert_int_equal(ra.loss_window_ms, rb.loss_window_ms);
		assert_true(json_equal(ra.findings, rb.findings));
		assert_int_equal(lines_of(lost), rb.lost);
		verdicts[rb.verdict]++;
		verify_close(&a);
		verify_result_release(&ra);
		verify_result_release(&rb);
		assert_int_equal(fs_remove_tree(dir, &e), 0);
	}
	/* all three kinds were met */
	assert_true(verdicts[VERDICT_PASS] > 5 && verdicts[VERDICT_FAIL] > 5 &&
		    verdicts[VERDICT_UNKNOWN] > 1);
}

/* Worker 1 is killed after its sequence 2, at 30 us; worker 2 lives on. flags: of worker 1's last
 * record.after_point_us: when worker 2's transaction that is after the point was acknowledged. */
static void killed(int flags, int64_t after_point_us, struct verify_result *r)
{
	struct prefix p = { .limit = 20 }, q = p;
	struct verify_source src = { .presence = all_rows };
	struct verify_result streamed;
	struct err e = ERR_INIT;
	struct ledger_writer *w;

	strcpy(dir, "/tmp/drtest-stream-XXXXXX");
	assert_non_null(mkdtemp(dir));
	w = ledger_writer_open(dir, 1, &e);
	ledger_writer_add(w, &(struct ledger_record){ 1, TXN_ACKED, 0, 0, 1, 1, 1, 10, 5 });
	ledger_writer_add(w, &(struct ledger_record){ 1, TXN_ACKED, 0, 0, 2, 11, 11, 30, 6 });
	ledger_writer_add(
		w, &(struct ledger_record){ 1, TXN_UNKNOWN, (uint8_t)flags, 0, 3, 30, 30, 30, 0 });
	assert_int_equal(ledger_writer_close(w, &e), 0);
	w = ledger_writer_open(dir, 2, &e);
	ledger_writer_add(
		w, &(struct ledger_record){ 2, TXN_ACKED, 0, 0, 1, 1, 1, after_point_us, 21 });
	assert_int_equal(ledger_writer_close(w, &e), 0);
	/* sequence 4 never came to be; 5 and 7 did */
	n_rows = at = 0;
	for (uint64_t seq = 1; seq <= 7; seq++)
		if (seq != 4 && seq != 6) {
			row[n_rows].worker = 1;
			row[n_rows++].seq = seq;
		}
	verify_result_start(r);
	verify_result_start(&streamed);
	assert_int_equal(verify_open(&p, dir, &src, &e), 0);
	verify_judge_ledger(&p, r);
	assert_int_equal(verify_stream_ledger(&q, dir, &(struct presence_cursor){ NULL, next_row },
					      NULL, &streamed, &e),
			 0);
	assert_string_equal(r->evidence, streamed.evidence);
	assert_int_equal(r->verdict, streamed.verdict);
	assert_true(json_equal(r->findings, streamed.findings));
	verify_result_release(&streamed);
	verify_close(&p);
	assert_int_equal(fs_remove_tree(dir, &e), 0);
}

static void what_a_killed_process_sent_last_is_unknown(void **state)
{
	struct verify_result r;

	(void)state;
	killed(TXN_OPEN_END, 100, &r);
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_int_equal(r.unknown, 3); /* 3, 5 and 7 */
	assert_int_equal(r.lost_unknown, 0);
	assert_int_equal(r.recovered, 5);
	assert_int_equal(r.lost, 1);
	verify_result_release(&r);
	/* without that end they are rows that nobody sent */
	killed(0, 100, &r);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(json_array_size(r.findings), 2);
	verify_result_release(&r);
	/* all of them began after the acknowledgement of one that is after the point */
	killed(TXN_OPEN_END, 20, &r);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(r.early, 3);
	verify_result_release(&r);
}

static void rows_out_of_order_are_refused(void **state)
{
	struct prefix p = { .limit = 10 };
	struct verify_result r;
	struct err e = ERR_INIT;
	struct ledger_writer *w;

	(void)state;
	strcpy(dir, "/tmp/drtest-stream-XXXXXX");
	assert_non_null(mkdtemp(dir));
	w = ledger_writer_open(dir, 9, &e);
	ledger_writer_add(w,
			  &(struct ledger_record){ .worker = 9, .seq = 1, .outcome = TXN_ACKED });
	assert_int_equal(ledger_writer_close(w, &e), 0);
	row[0].worker = 2, row[0].seq = 5, row[1].worker = 2, row[1].seq = 5;
	n_rows = 2;
	at = 0;
	verify_result_start(&r);
	assert_int_equal(verify_stream_ledger(&p, dir, &(struct presence_cursor){ NULL, next_row },
					      NULL, &r, &e),
			 -1);
	assert_non_null(strstr(e.text, "out of order"));
	verify_result_release(&r);
	assert_int_equal(fs_remove_tree(dir, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(both_ways_agree),
					    cmocka_unit_test(
						    what_a_killed_process_sent_last_is_unknown),
					    cmocka_unit_test(rows_out_of_order_are_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
