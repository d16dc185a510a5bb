/* Needs MariaDB: up to which point a log is replayed (--until), what the secondary has behind it
 * already, what an earlier replay or TiCDC had begun, and the time zone of a foreign log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/replay/log_check.h"
#include "tests/integration/replay_fixture.h"

/* ---- points and zones ---- */

static void until_stops_earlier_and_never_later(void **mode)
{
	struct replay_opts o = fx_replay_opts(*(enum replay_mode *)*mode);
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	char *got;

	fx_chain_table();
	fx_log_chain(&l, "until", -1);
	for (int i = 0; i < 3; i++) { /* the second time the secondary is beyond it */
		o.until = l.ts - tso_make(15, 0);
		fx_must_replay(l.store, &o, &st);
		got = fx_value(
			"SELECT CONCAT_WS(' ', SUM(v = 'step 2'), SUM(v = 'step 3'), COUNT(*)) FROM ch.t");
		assert_string_equal(got, "5 5 10");
		assert_int_equal(st.point, o.until);
		free(got);
		if (i == 1)
			continue;
		o.until = 0;
		fx_must_replay(l.store, &o, &st);
		got = fx_value("SELECT COUNT(*) FROM ch.t WHERE v = 'step 4'");
		assert_string_equal(got, "10");
		free(got);
	}
	o.until = l.ts + 1;
	assert_int_equal(replay_run(l.store, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	fx_log_free(&l);
}

/* What a replay by transactions recorded is not there any more once a merge took it back. */
static void until_by_merge_is_forgotten_by_transactions(void **unused)
{
	struct replay_opts o = fx_replay_opts(REPLAY_TXN);
	struct replay_stats st;
	struct fx_log l;
	char *got;

	(void)unused;
	fx_chain_table();
	fx_log_chain(&l, "taken-back", -1);
	for (int i = 0; i < 3; i++) {
		o.mode = i == 1 ? REPLAY_MERGE : REPLAY_TXN;
		o.until = i == 1 ? l.ts - tso_make(15, 0) : 0;
		fx_must_replay(l.store, &o, &st);
		got = fx_value("SELECT COUNT(*) FROM ch.t WHERE v = 'step 4'");
		assert_string_equal(got, i == 1 ? "0" : "10");
		free(got);
	}
	fx_log_free(&l);
}

/* A change is missing: the last before the point, the first behind it, one among those behind. What
 * is taken back would be what the missing one left. */
static void a_hole_around_until_is_refused_before_the_first_write(void **mode)
{
	static const struct {
		int missing, behind; /* of the changes 0 to 49 */
	} tries[] = { { 34, 15 }, { 35, 15 }, { 35, 25 } };
	struct replay_opts o = fx_replay_opts(*(enum replay_mode *)*mode);
	struct replay_stats st;
	struct fx_log l;
	char *got, name[40];

	fx_chain_table();
	fx_must("INSERT INTO ch.t VALUES (1, 'kept')");
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct err e = ERR_INIT;

		snprintf(name, sizeof(name), "hole-%zu", i);
		fx_log_chain(&l, name, tries[i].missing);
		o.until = l.ts - tso_make(tries[i].behind, 0);
		assert_int_equal(replay_run(l.store, &o, &st, &e), -1);
		assert_int_equal(e.kind, ERR_BAD_DATA);
		assert_non_null(strstr(e.text, "the log's chain is broken (--allow-gap"));
		assert_non_null(strstr(e.text, "table ch.t, key (id="));
		assert_int_equal(st.chain_breaks, 1);
		got = fx_value("SELECT GROUP_CONCAT(id, v) FROM ch.t");
		assert_string_equal(got, "1kept");
		free(got);
		fx_log_free(&l);
	}
}

/* Rows that came, went and changed their key behind the point, and a unique value that moved. */
static void what_is_behind_until_is_taken_back(void **mode)
{
	struct replay_opts o = fx_replay_opts(*(enum replay_mode *)*mode);
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	tso_t point;
	char *got;

	fx_must("DROP DATABASE IF EXISTS bk");
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	fx_must("CREATE DATABASE bk");
	fx_must("CREATE TABLE bk.t (id BIGINT PRIMARY KEY, v VARCHAR(100) UNIQUE)");
	fx_must("INSERT INTO bk.t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')");
	fx_log_begin(&l, "back");
	fx_log_txn(&l);
	fx_log_row(&l, "bk", "t", 0, 3, "c", "c2");
	point = l.ts;
	fx_log_txn(&l);
	fx_log_row(&l, "bk", "t", 0, 1, "a", NULL);
	fx_log_row(&l, "bk", "t", 0, 3, "c2", "a");
	fx_log_txn(&l);
	fx_log_row(&l, "bk", "t", 0, 2, "b", "c2");
	fx_log_row(&l, "bk", "t", 0, 5, NULL, "b");
	fx_log_txn(&l);
	fx_log_row(&l, "bk", "t", 0, 5, "b", "e");
	fx_log_row(&l, "bk", "t", 0, 4, "d", NULL);
	fx_log_txn(&l);
	fx_log_row(&l, "bk", "t", 0, 4, NULL, "d4");
	fx_log_end(&l);
	for (int i = 0; i < 2; i++) {
		o.until = i ? point : 0;
		fx_must_replay(l.store, &o, &st);
		got = fx_value("SELECT GROUP_CONCAT(id, v ORDER BY id) FROM bk.t");
		assert_string_equal(got, i ? "1a,2b,3c2,4d" : "2c2,3a,4d4,5e");
		free(got);
	}
	/* a DDL that was done behind it stays */
	fx_log_free(&l);
	fx_log_begin(&l, "back-ddl");
	fx_log_txn(&l);
	fx_log_row(&l, "bk", "t", 0, 1, "a", "a2");
	point = l.ts;
	fx_log_ddl(&l, "bk", "t", 5, "ALTER TABLE t ADD COLUMN w INT");
	fx_log_end(&l);
	o.until = 0;
	fx_must_replay(l.store, &o, &st);
	o.until = point;
	assert_int_equal(replay_run(l.store, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.text, "which can't be taken back"));
	fx_log_free(&l);
}

static void a_foreign_log_with_timestamps_asks_for_its_zone(void **unused)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .tmp_dir = test_server_dir(fx.server) };
	struct store *log = fx_open("tests/fixtures/redo/small/log");
	struct replay_stats st;
	struct err e = ERR_INIT;
	char *got;

	(void)unused;
	fx_forget();
	fx_source("tests/fixtures/redo/small/initial.sql");
	assert_int_equal(replay_run(log, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.text, "time zone"));
	got = fx_value("SELECT COUNT(*) FROM redo_small.t_types");
	assert_string_equal(got, "0");
	free(got);
	/* in another zone than the log's the first second of 1970 is before TIMESTAMP's beginning:
	 * no row is cut in silence */
	o.time_zone = "+08:00";
	assert_int_equal(replay_run(log, &o, &st, &e), -1);
	assert_non_null(strstr(e.text, "stores a different value"));
	o.time_zone = "+00:00";
	if (replay_run(log, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	store_free(log);
}

static void what_the_new_architecture_recorded_as_done_is_not_done_again(void **mode)
{
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	struct redo_meta m;
	char *got, *floor;

	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	fx_must("DROP DATABASE IF EXISTS na");
	fx_must("CREATE DATABASE na");
	/* as after the rename and what followed it */
	fx_must("CREATE TABLE na.t (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	fx_must("CREATE DATABASE IF NOT EXISTS tidb_cdc");
	fx_must("CREATE OR REPLACE TABLE tidb_cdc.ddl_ts_v1 (ticdc_cluster_id VARCHAR(255), changefeed VARCHAR(255), ddl_ts VARCHAR(18), table_id BIGINT,"
		" finished BOOL, is_syncpoint BOOL, PRIMARY KEY (ticdc_cluster_id, changefeed, table_id))");
	fx_log_begin(&l, "new-arch");
	/* there is no such table any more */
	fx_log_rows(&l, "na", "old", 0, 0, 5, NULL, "before the rename");
	fx_log_ddl(&l, "na", "t", 14, "RENAME TABLE `na`.`old` TO `na`.`t`");
	floor = xstrfmt(
		"REPLACE INTO tidb_cdc.ddl_ts_v1 VALUES ('default', 'default/new-arch', '%llu', 100, 1, 0), ('default', 'default/other', '%llu', 100,"
		" 1, 0)",
		(unsigned long long)l.ts, (unsigned long long)l.ts + tso_make(1000, 0));
	fx_log_rows(&l, "na", "t", 0, 10, 15, NULL, "after");
	fx_log_flush(&l);
	m = (struct redo_meta){ .checkpoint_ts = tso_make(1763640000000, 0),
				.resolved_ts = l.ts,
				.version = 1 };
	assert_int_equal(redo_writer_meta(l.writer, &m, &e), 0);
	/* without the record it cannot go on */
	assert_int_equal(fx_replay(l.dir, *(enum replay_mode *)*mode, &st, &e), -1);
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	fx_must(floor);
	if (fx_replay(l.dir, *(enum replay_mode *)*mode, &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(st.ddls_skipped, 1);
	got = fx_value("SELECT CONCAT_WS(' ', COUNT(*), MIN(id), SUM(v = 'after')) FROM na.t");
	assert_string_equal(got, "5 10 5");
	fx_must("DROP DATABASE tidb_cdc");
	free(got);
	free(floor);
	fx_log_free(&l);
}

/* ---- a DDL that was begun ---- */

#define OWNER "default/begun"

/* Rows, and then a DDL. */
static struct ddl_statement begun(struct fx_log *l, const char *query, unsigned type)
{
	struct ddl_statement d = {
		.query = query, .query_bytes = strlen(query), .use_db = "b", .db = "b", .table = "t"
	};

	fx_must("DROP DATABASE IF EXISTS b");
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	fx_must("CREATE DATABASE b");
	fx_must("CREATE TABLE b.t (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	fx_log_begin(l, "begun");
	fx_log_txn(l);
	fx_log_row(l, "b", "t", 0, 1, NULL, "first");
	fx_log_txn(l);
	fx_log_row(l, "b", "t", 0, 2, NULL, "second");
	fx_log_ddl(l, "b", "t", type, query);
	d.at.commit_ts = l->ts;
	fx_log_end(l);
	return d;
}

/* A replay died between its DROP and the record of its end: the rows before the DROP have no table
 * any more, and need none. */
static void a_drop_whose_end_was_not_recorded_needs_no_rows_again(void **mode)
{
	struct replay_opts o = fx_replay_opts(*(enum replay_mode *)*mode);
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	struct ddl_statement d = begun(&l, "DROP TABLE `b`.`t`", 4);

	fx_leave_intent(OWNER, &d, "b.t");
	fx_must(d.query);
	o.until = d.at.commit_ts - 1;
	assert_int_equal(replay_run(l.store, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.text, "which can't be taken back"));
	o.until = 0;
	fx_must_replay(l.store, &o, &st);
	assert_int_equal(st.ddls, 1);
	fx_log_free(&l);
}

/* One died before its ALTER began; then somebody goes back behind rows that it had written. */
static void what_is_taken_back_before_a_ddl_that_was_begun_is_written_again(void **mode)
{
	struct replay_opts o = fx_replay_opts(*(enum replay_mode *)*mode);
	struct replay_stats st;
	struct fx_log l;
	struct ddl_statement d = begun(&l, "ALTER TABLE `b`.`t` ADD COLUMN w INT", 5);
	char *got;

	fx_must("INSERT INTO b.t VALUES (1, 'first'), (2, 'second')");
	fx_leave_intent(OWNER, &d, "b.t");
	for (int i = 0; i < 2; i++) {
		o.until = i ? 0 : d.at.commit_ts - tso_make(1, 1);
		fx_must_replay(l.store, &o, &st);
		got = fx_value("SELECT GROUP_CONCAT(id, v ORDER BY id) FROM b.t");
		assert_string_equal(got, i ? "1first,2second" : "1first");
		free(got);
	}
	assert_int_equal(st.ddls, 1);
	fx_log_free(&l);
}

int main(void)
{
	static enum replay_mode merge = REPLAY_MERGE, txn = REPLAY_TXN;
	const struct CMUnitTest tests[] = {
		{ "until_stops_earlier_and_never_later_merge", until_stops_earlier_and_never_later,
		  NULL, NULL, &merge },
		cmocka_unit_test(until_by_merge_is_forgotten_by_transactions),
		{ "a_hole_around_until_is_refused_before_the_first_write_merge",
		  a_hole_around_until_is_refused_before_the_first_write, NULL, NULL, &merge },
		{ "a_hole_around_until_is_refused_before_the_first_write_txn",
		  a_hole_around_until_is_refused_before_the_first_write, NULL, NULL, &txn },
		{ "what_is_behind_until_is_taken_back_merge", what_is_behind_until_is_taken_back,
		  NULL, NULL, &merge },
		{ "what_is_behind_until_is_taken_back_txn", what_is_behind_until_is_taken_back,
		  NULL, NULL, &txn },
		{ "until_stops_earlier_and_never_later_txn", until_stops_earlier_and_never_later,
		  NULL, NULL, &txn },
		cmocka_unit_test(a_foreign_log_with_timestamps_asks_for_its_zone),
		{ "what_the_new_architecture_recorded_as_done_is_not_done_again_merge",
		  what_the_new_architecture_recorded_as_done_is_not_done_again, NULL, NULL,
		  &merge },
		{ "what_the_new_architecture_recorded_as_done_is_not_done_again_txn",
		  what_the_new_architecture_recorded_as_done_is_not_done_again, NULL, NULL, &txn },
		{ "a_drop_whose_end_was_not_recorded_needs_no_rows_again_merge",
		  a_drop_whose_end_was_not_recorded_needs_no_rows_again, NULL, NULL, &merge },
		{ "a_drop_whose_end_was_not_recorded_needs_no_rows_again_txn",
		  a_drop_whose_end_was_not_recorded_needs_no_rows_again, NULL, NULL, &txn },
		{ "what_is_taken_back_before_a_ddl_that_was_begun_is_written_again_merge",
		  what_is_taken_back_before_a_ddl_that_was_begun_is_written_again, NULL, NULL,
		  &merge },
		{ "what_is_taken_back_before_a_ddl_that_was_begun_is_written_again_txn",
		  what_is_taken_back_before_a_ddl_that_was_begun_is_written_again, NULL, NULL,
		  &txn },
	};
	int rc;

	fx_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fx_end();
	return rc;
}
