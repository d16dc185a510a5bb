/* needs: MariaDB.
 * What the changefeed's sink writes: held against plain SQL on both servers. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "tests/integration/feed_pair.h"

/* The same on both servers, before a feed is there. */
static void both(const char *query)
{
	SQL(p, "%s", query);
	SQL(s, "%s", query);
}

/* The value 'a' leaves one row and is taken by another in a later transaction that does not fit into the batch as a whole. */
static void a_unique_value_moves_across_a_batch(void **unused)
{
	(void)unused;
	fresh();
	both("CREATE TABLE d.t (id INT PRIMARY KEY, u VARCHAR(10) UNIQUE, v INT)");
	both("INSERT INTO d.t SELECT seq, CONCAT('u', seq), 0 FROM d.seq_1_to_200");
	struct feed_opts o = options();
	o.start_ts = primary_ts();
	o.flush_ms = 3000; /* all of it waits in the queue until then */
	struct feed *f = start(&o);
	SQL(p, "UPDATE d.t SET v=1 WHERE id=200");
	caught_up(f);
	SQL(p, "UPDATE d.t SET u='a' WHERE id=105");
	for (int i = 1; i <= 30; i++)
		SQL(p, "UPDATE d.t SET v=1 WHERE id=%d", i);
	SQL(p, "BEGIN");
	SQL(p, "UPDATE d.t SET v=7 WHERE id=102");
	SQL(p, "UPDATE d.t SET u='b' WHERE id=105");
	SQL(p, "UPDATE d.t SET u='a' WHERE id=102");
	SQL(p, "COMMIT");
	for (int i = 31; i <= 100; i++)
		SQL(p, "UPDATE d.t SET v=1 WHERE id=%d", i);
	caught_up(f);
	assert_int_equal(number(s, "SELECT COUNT(*) FROM d.t"), 200);
	all_equal();
	stop(f);
}

/* Few rows, two unique keys, batches of two rows. Each round ends after a few transactions: what is lost then is not mended by a later put. */
static void values_that_wander_lose_no_row(void **unused)
{
	int value[2][9];
	struct rng r;

	(void)unused;
	fresh();
	both("CREATE TABLE d.w (id INT PRIMARY KEY, u INT UNIQUE, x INT UNIQUE, v INT)");
	both("INSERT INTO d.w SELECT seq, seq, seq, 0 FROM d.seq_1_to_8");
	for (int i = 1; i <= 8; i++)
		value[0][i] = value[1][i] = i;
	struct feed_opts o = options();
	o.start_ts = primary_ts();
	o.sink_batch_rows = 2;
	struct feed *f = start(&o);
	rng_seed(&r, 4);
	for (int round = 0, fresh_value = 100; round < 40; round++) {
		for (uint64_t n = 2 + rng_below(&r, 4); n--;) {
			int k = (int)rng_below(&r, 2), a = 1 + (int)rng_below(&r, 8), b = 1 + (int)rng_below(&r, 8);
			const char *column = k ? "x" : "u";

			SQL(p, "BEGIN");
			if (rng_below(&r, 3) == 0)
				SQL(p, "UPDATE d.w SET v=v+1 WHERE id=%d", 1 + (int)rng_below(&r, 8));
			if (a == b || rng_below(&r, 3) == 0) { /* b gets what a had, and a a value that nobody had */
				SQL(p, "UPDATE d.w SET %s=%d WHERE id=%d", column, fresh_value, a);
				if (a != b)
					SQL(p, "UPDATE d.w SET %s=%d WHERE id=%d", column, value[k][a], b);
				value[k][b] = value[k][a];
				value[k][a] = fresh_value++;
			} else {
				SQL(p, "UPDATE d.w SET %s=NULL WHERE id=%d", column, a);
				SQL(p, "UPDATE d.w SET %s=%d WHERE id=%d", column, value[k][a], b);
				SQL(p, "UPDATE d.w SET %s=%d WHERE id=%d", column, value[k][b], a);
				int was = value[k][a];
				value[k][a] = value[k][b];
				value[k][b] = was;
			}
			SQL(p, "COMMIT");
		}
		caught_up(f);
		assert_int_equal(number(s, "SELECT COUNT(*) FROM d.w"), 8);
		all_equal();
	}
	stop(f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_unique_value_moves_across_a_batch),
		cmocka_unit_test(values_that_wander_lose_no_row),
	};
	int code;

	return feed_pair_main(argc, argv, &code) ? code : cmocka_run_group_tests(tests, feed_pair_setup, feed_pair_teardown);
}
