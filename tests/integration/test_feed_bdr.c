/* needs: MariaDB.
 * Both sides are written to: what another changefeed brought to the primary is not carried on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/feed/sink.h"
#include "tests/integration/feed_pair.h"

static void both(const char *query)
{
	SQL(p, "%s", query);
	SQL(s, "%s", query);
}

/* as the changefeed from the secondary would */
static void brought(const char *query)
{
	SQL(p, "SET SESSION server_id=%u", FEED_BDR_SERVER_ID);
	SQL(p, "%s", query);
	SQL(p, "SET SESSION server_id=@@GLOBAL.server_id");
}

static struct feed_opts bdr_options(void)
{
	struct feed_opts o = options();

	o.start_ts = primary_ts();
	o.bdr = true;
	return o;
}

static void what_was_brought_is_not_carried_back(void **unused)
{
	(void)unused;
	fresh();
	both("CREATE TABLE d.t (id INT PRIMARY KEY, v INT)");
	struct feed_opts o = bdr_options();
	struct feed *f = start(&o);
	SQL(p, "INSERT INTO d.t VALUES (1, 1)");
	brought("INSERT INTO d.t VALUES (2, 2)");
	brought("UPDATE d.t SET v = 9 WHERE id = 1");
	SQL(p, "INSERT INTO d.t VALUES (3, 3)");
	caught_up(f);
	assert_int_equal(number(s, "SELECT COUNT(*) FROM d.t"), 2);
	assert_int_equal(number(s, "SELECT SUM(v) FROM d.t"), 4);
	/* where the DDL came from it has run */
	SQL(s, "ALTER TABLE d.t ADD COLUMN w INT");
	brought("ALTER TABLE d.t ADD COLUMN w INT");
	SQL(p, "UPDATE d.t SET w = 7 WHERE id = 3");
	caught_up(f);
	assert_int_equal(number(s, "SELECT w FROM d.t WHERE id = 3"), 7);
	/* one of its own is */
	SQL(p, "ALTER TABLE d.t ADD COLUMN x INT DEFAULT 5");
	caught_up(f);
	assert_int_equal(number(s, "SELECT SUM(x) FROM d.t"), 10);
	stop(f);
}

/* A DDL that was brought makes structures be asked anew, and no barrier: the rows before it and
 * those behind it wait in one batch, and keep their order. */
static void rows_keep_their_order_around_such_a_ddl(void **unused)
{
	char ddl[64];

	(void)unused;
	fresh();
	both("CREATE TABLE d.hot (id INT PRIMARY KEY, v INT, KEY v (v))");
	both("CREATE TABLE d.other (id INT PRIMARY KEY)");
	both("INSERT INTO d.hot VALUES (1, 0), (2, 0)");
	struct feed_opts o = bdr_options();
	o.flush_ms = 3000;
	struct feed *f = start(&o);
	for (int i = 1; i <= 8; i++) {
		for (int k = 0; k < 4; k++) {
			SQL(p, "UPDATE d.hot SET v = v + 1 WHERE id = 1");
			SQL(p, "UPDATE d.hot SET v = v + 2 WHERE id = 2");
		}
		snprintf(ddl, sizeof(ddl), "ALTER TABLE d.other ADD COLUMN c%d INT", i);
		SQL(s, "%s", ddl);
		brought(ddl);
	}
	caught_up(f);
	all_equal();
	stop(f);
}

static struct redo_column column(const char *name, uint32_t flag, int64_t v)
{
	return (struct redo_column){ .name = { name, (uint32_t)strlen(name) },
				     .charset = { "binary", 6 },
				     .flag = flag,
				     .type = COL_LONG,
				     .value = { .kind = REDO_INT, .i = v } };
}

/* A table's structure is asked anew, and what was known of a column is known otherwise, then as
 * before: in one batch the newest row of a key stays all the same. */
static void a_shape_that_comes_again_keeps_the_order(void **unused)
{
	struct err e = ERR_INIT;
	struct feed_opts o = bdr_options();
	const uint32_t flags[] = { 0, COLF_MULTIPLE_KEY, 0, COLF_MULTIPLE_KEY, 0 };

	(void)unused;
	fresh();
	both("CREATE TABLE d.t (id INT PRIMARY KEY, v INT)");
	struct feed_sink *sink = feed_sink_start(&(struct feed_sink_opts){ .to = o.sink,
									   .owner = "shapes",
									   .workers = 2,
									   .batch_rows = 64,
									   .memory_bytes = 1 << 20,
									   .tmp_dir = dir,
									   .start = 100 },
						 &e);
	assert_non_null(sink);
	for (unsigned i = 0; i < 5; i++) {
		struct redo_column c[] = { column("id", COLF_HANDLE_KEY | COLF_PRIMARY_KEY, 1),
					   column("v", flags[i], (int64_t)i) };
		struct redo_row row = { .table = { .db = { "d", 1 }, .table = { "t", 1 } },
					.columns = c,
					.n_columns = 2,
					.commit_ts = 101 + i };

		must(feed_sink_push(sink, &row, 1, &e), &e);
		feed_sink_announce(sink, 101 + i);
	}
	feed_sink_flush_begin(sink);
	feed_sink_flush_done(sink);
	feed_sink_release(sink, 105);
	while (feed_sink_drain(sink, 100, &e) == 0)
		;
	must(feed_sink_failed(sink, &e), &e);
	assert_int_equal(number(s, "SELECT v FROM d.t"), 4);
	feed_sink_free(sink);
}

/* Its log is read from the beginning again, and what is there already is passed over. */
static void a_killed_one_goes_on_where_it_was(void **unused)
{
	(void)unused;
	fresh();
	both("CREATE TABLE d.t (id INT PRIMARY KEY, v INT)");
	struct feed_opts o = bdr_options();
	struct feed *f = start(&o);
	for (int i = 1; i <= 20; i++)
		SQL(p, "INSERT INTO d.t VALUES (%d, 0)", i);
	brought("UPDATE d.t SET v = 1");
	caught_up(f);
	kill_feed(f);
	SQL(p, "UPDATE d.t SET v = 5 WHERE id <= 10");
	f = start(&o);
	SQL(p, "INSERT INTO d.t VALUES (21, 0)");
	caught_up(f);
	assert_int_equal(number(s, "SELECT COUNT(*) FROM d.t"), 21);
	assert_int_equal(number(s, "SELECT SUM(v) FROM d.t"), 50);
	stop(f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_brought_is_not_carried_back),
		cmocka_unit_test(a_shape_that_comes_again_keeps_the_order),
		cmocka_unit_test(rows_keep_their_order_around_such_a_ddl),
		cmocka_unit_test(a_killed_one_goes_on_where_it_was),
	};
	int code = 0;

	if (feed_pair_main(argc, argv, &code))
		return code;
	return cmocka_run_group_tests(tests, feed_pair_setup, feed_pair_teardown);
}
