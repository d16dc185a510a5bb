/* The order of read, durable, released, applied, checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/feed/watermarks.h"

static void resolved_follows_only_what_was_announced_before_the_flush(void **unused)
{
	struct watermarks p;

	(void)unused;
	watermarks_init(&p, 100, 2);
	watermarks_announce(&p, 110);
	watermarks_flush_begin(&p);
	watermarks_announce(&p, 120); /* while the flush runs */
	assert_int_equal(p.flushed, 100);
	watermarks_flush_done(&p);
	assert_int_equal(p.flushed, 110);
	watermarks_flush_begin(&p); /* fails: nothing is done */
	watermarks_announce(&p, 130);
	assert_int_equal(p.flushed, 110);
	watermarks_flush_begin(&p); /* again, and more is covered */
	watermarks_flush_done(&p);
	assert_int_equal(p.flushed, 130);
	watermarks_announce(&p, 90); /* an older one changes nothing */
	assert_int_equal(p.announced, 130);
}

static void a_row_at_or_before_the_announced_point_is_refused(void **unused)
{
	struct watermarks p;
	struct err e = ERR_INIT;

	(void)unused;
	watermarks_init(&p, 100, 1);
	assert_int_equal(watermarks_row(&p, 0, 100, &e), -1);
	assert_int_equal(watermarks_row(&p, 0, 105, &e), 0);
	assert_int_equal(watermarks_row(&p, 0, 105, &e), 0); /* the same transaction */
	assert_int_equal(watermarks_row(&p, 0, 104, &e), -1);
	watermarks_announce(&p, 110);
	assert_int_equal(watermarks_row(&p, 0, 110, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_int_equal(watermarks_row(&p, 0, 111, &e), 0);
}

static void checkpoint_stands_before_the_oldest_uncommitted_row(void **unused)
{
	struct watermarks p;

	(void)unused;
	watermarks_init(&p, 100, 3);
	assert_int_equal(watermarks_checkpoint(&p), 100);
	watermarks_row(&p, 0, 110, NULL);
	watermarks_row(&p, 1, 110, NULL);
	watermarks_row(&p, 1, 120, NULL);
	watermarks_announce(&p, 130);
	watermarks_flush_begin(&p);
	watermarks_flush_done(&p);
	assert_int_equal(watermarks_checkpoint(&p), 100); /* durable, not told: not released */
	assert_true(watermarks_drained(&p));
	watermarks_release(&p, 130);
	assert_false(watermarks_drained(&p));
	assert_int_equal(watermarks_checkpoint(&p), 109);
	watermarks_committed(&p, 0, 0);
	/* worker 1 still has its part of 110 */
	assert_int_equal(watermarks_checkpoint(&p), 109);
	watermarks_committed(&p, 1, 120);
	assert_int_equal(watermarks_checkpoint(&p), 119);
	assert_false(watermarks_drained(&p));
	watermarks_committed(&p, 1, 0);
	assert_int_equal(watermarks_checkpoint(&p), 130);
	assert_true(watermarks_drained(&p));
}

static void rows_beyond_the_release_hold_nothing_back(void **unused)
{
	struct watermarks p;

	(void)unused;
	watermarks_init(&p, 100, 1);
	watermarks_announce(&p, 120);
	watermarks_row(&p, 0, 125, NULL);
	watermarks_flush_begin(&p);
	watermarks_flush_done(&p);
	watermarks_release(&p, 120);
	assert_true(watermarks_drained(&p));
	assert_int_equal(watermarks_checkpoint(&p), 120);
	/* a DDL at 126: all before it is drained, then the checkpoint stands at the DDL itself */
	watermarks_announce(&p, 125);
	watermarks_flush_begin(&p);
	watermarks_flush_done(&p);
	watermarks_release(&p, 125);
	assert_int_equal(watermarks_checkpoint(&p), 124);
	watermarks_committed(&p, 0, 0);
	assert_int_equal(watermarks_checkpoint(&p), 125);
	watermarks_announce(&p, 126);
	watermarks_flush_begin(&p);
	watermarks_flush_done(&p);
	watermarks_release(&p, 126);
	assert_int_equal(watermarks_checkpoint(&p), 126);
}

/* Against a model that remembers every row: 200,000 random steps. */
#define WORKERS 5
#define ROWS_MAX 4096
static void random_steps_keep_the_order(void **unused)
{
	static tso_t fifo[WORKERS][ROWS_MAX];
	unsigned head[WORKERS] = { 0 }, tail[WORKERS] = { 0 };
	struct watermarks p;
	struct rng r;
	tso_t ts = 1000, last_checkpoint = 0;

	(void)unused;
	rng_seed(&r, 7);
	watermarks_init(&p, ts, WORKERS);
	for (int step = 0; step < 200000; step++) {
		unsigned w = (unsigned)rng_below(&r, WORKERS);
		switch (rng_below(&r, 7)) {
		case 0:
		case 1:
			if (tail[w] - head[w] < ROWS_MAX) {
				ts += 1 + rng_below(&r, 3);
				assert_int_equal(watermarks_row(&p, w, ts, NULL), 0);
				fifo[w][tail[w]++ % ROWS_MAX] = ts;
			}
			break;
		case 2: watermarks_announce(&p, ts); break;
		case 3: watermarks_flush_begin(&p); break;
		case 4:
			if (rng_below(&r, 4))
				watermarks_flush_done(&p);
			break;
		case 5: watermarks_release(&p, p.flushed); break;
		case 6:
			for (unsigned n = (unsigned)rng_below(&r, 20);
			     n && head[w] < tail[w] && fifo[w][head[w] % ROWS_MAX] <= p.released;
			     n--)
				head[w]++;
			watermarks_committed(&p, w,
					     head[w] < tail[w] ? fifo[w][head[w] % ROWS_MAX] : 0);
			break;
		}
		tso_t checkpoint = watermarks_checkpoint(&p);
		assert_true(checkpoint >= last_checkpoint && checkpoint <= p.released &&
			    p.released <= p.flushed && p.flushed <= p.announced);
		for (unsigned i = 0; i < WORKERS; i++)
			assert_true(head[i] == tail[i] || fifo[i][head[i] % ROWS_MAX] > checkpoint);
		last_checkpoint = checkpoint;
	}
	assert_true(last_checkpoint > 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolved_follows_only_what_was_announced_before_the_flush),
		cmocka_unit_test(a_row_at_or_before_the_announced_point_is_refused),
		cmocka_unit_test(checkpoint_stands_before_the_oldest_uncommitted_row),
		cmocka_unit_test(rows_beyond_the_release_hold_nothing_back),
		cmocka_unit_test(random_steps_keep_the_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
