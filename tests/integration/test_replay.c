/* Needs MariaDB: logs of the real TiCDC (tests/fixtures/redo) replayed to the rows that the real
 * `cdc redo apply` gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"
#include "harness/replay/replay.h"
#include "harness/sql/fence.h"
#include "tests/integration/replay_fixture.h"

static void a_log_of_ticdc_gives_the_rows_of_ticdc(void **name)
{
	char *initial = xstrfmt("tests/fixtures/redo/%s/initial.sql", (char *)*name),
	     *log = xstrfmt("tests/fixtures/redo/%s/log", (char *)*name);
	struct replay_stats st;
	struct err e = ERR_INIT;

	fx_forget();
	fx_source(initial);
	for (int i = 0; i < 2; i++) { /* and once more: the same */
		if (fx_replay(log, REPLAY_MERGE, &st, &e) < 0)
			fail_msg("%s", e.text);
		fx_compare((char *)*name);
		if (!strcmp(*name, "sysbench")) {
			assert_int_equal(st.transactions, 450);
			assert_int_equal(st.rows, 1800);
		}
		if (!strncmp(*name, "small", 5))
			assert_int_equal(st.ddls, i == 0 ? 1 : 0);
	}
	free(initial);
	free(log);
}

static void little_memory_gives_the_same(void **unused)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .memory_bytes = (size_t)16 << 20,
				 .tmp_dir = test_server_dir(fx.server) };
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct store *log = fx_open("tests/fixtures/redo/sysbench/log");

	(void)unused;
	fx_forget();
	fx_source("tests/fixtures/redo/sysbench/initial.sql");
	if (replay_run(log, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	fx_compare("sysbench");
	o.memory_bytes = 1000;
	assert_int_equal(replay_run(log, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	store_free(log);
}

static void a_server_that_is_not_the_logs_secondary_is_refused(void **unused)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .tmp_dir = test_server_dir(fx.server),
				 .time_zone = "+00:00",
				 .doubt_server = true };

	(void)unused;
	for (int mode = REPLAY_MERGE; mode <= REPLAY_TXN; mode++) {
		struct store *log = fx_open("tests/fixtures/redo/sysbench/log");
		struct replay_stats st;
		struct err e = ERR_INIT;
		char *before, *after;

		o.mode = (enum replay_mode)mode;
		fx_forget();
		fx_source("tests/fixtures/redo/sysbench/initial.sql");
		/* the same tables and ids, other rows */
		fx_must("UPDATE redo_sb.sbtest1 SET c = 'a stranger''s'");
		fx_must("UPDATE redo_sb.sbtest2 SET k = k + 1");
		fx_must("UPDATE redo_sb.sbtest3 SET pad = ''");
		before = fx_value(
			"SELECT CONCAT_WS(' ', COUNT(*), SUM(CRC32(CONCAT(id, k, c, pad)))) FROM redo_sb.sbtest1");
		assert_int_equal(replay_run(log, &o, &st, &e), -1);
		if (!strstr(e.text, "does not look like the log's secondary"))
			fail_msg("%s", e.text);
		after = fx_value(
			"SELECT CONCAT_WS(' ', COUNT(*), SUM(CRC32(CONCAT(id, k, c, pad)))) FROM redo_sb.sbtest1");
		assert_string_equal(after, before);
		free(after);
		free(before);
		after = fx_value(
			"SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'drtest_feed'");
		assert_string_equal(after, "0");
		free(after);
		/* the right one, and again when it is done */
		fx_forget();
		fx_source("tests/fixtures/redo/sysbench/initial.sql");
		for (int i = 0; i < 2; i++)
			if (replay_run(log, &o, &st, &e) < 0)
				fail_msg("%s", e.text);
		fx_compare("sysbench");
		store_free(log);
	}
}

static void a_dead_feeds_connection_is_fenced_and_no_other(void **unused)
{
	struct err e = ERR_INIT;
	struct sql *dead = test_server_connect(fx.server),
		   *stranger = test_server_connect(fx.server);
	struct sql *same = test_server_connect(fx.server), *other = test_server_connect(fx.server);
	struct replay_stats st;

	(void)unused;
	fx_forget();
	fx_source("tests/fixtures/redo/sysbench/initial.sql");
	assert_int_equal(fence_register(dead, "feed", &e), 0);
	/* an earlier replay of this log */
	assert_int_equal(fence_register(same, FENCE_REPLAY "default/redo-sysbench", &e), 0);
	/* and one of another log, beside us */
	assert_int_equal(fence_register(other, FENCE_REPLAY "default/another", &e), 0);
	if (fx_replay("tests/fixtures/redo/sysbench/log", REPLAY_MERGE, &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(st.fenced, 2);
	assert_int_equal(sql_exec(dead, &e, "DO 1"), -1);
	assert_int_equal(e.kind, ERR_GONE);
	assert_int_equal(sql_exec(same, &e, "DO 1"), -1);
	assert_int_equal(e.kind, ERR_GONE);
	assert_int_equal(sql_exec(other, &e, "DO 1"), 0);
	assert_int_equal(sql_exec(stranger, &e, "DO 1"), 0);
	sql_close(dead);
	sql_close(same);
	sql_close(other);
	sql_close(stranger);
}

static void a_stock_changefeeds_user_is_fenced_on_request(void **unused)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .tmp_dir = test_server_dir(fx.server),
				 .fence_user = "ticdc" };
	struct sql_endpoint ep = *test_server_endpoint(fx.server);
	struct store *log = fx_open("tests/fixtures/redo/sysbench/log");
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct sql *dead, *stranger = test_server_connect(fx.server);

	(void)unused;
	fx_forget();
	fx_source("tests/fixtures/redo/sysbench/initial.sql");
	fx_must("CREATE USER IF NOT EXISTS ticdc@'127.0.0.1'");
	snprintf(ep.user, sizeof(ep.user), "ticdc");
	dead = sql_open(&ep, deadline_in_ms(5000), &e);
	assert_non_null(dead);
	if (replay_run(log, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(st.fenced, 1);
	assert_int_equal(sql_exec(dead, &e, "DO 1"), -1);
	assert_int_equal(e.kind, ERR_GONE);
	assert_int_equal(sql_exec(stranger, &e, "DO 1"), 0);
	sql_close(dead);
	sql_close(stranger);
	store_free(log);
}

static void a_replay_killed_anywhere_and_run_again_gives_the_same(void **unused)
{
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct rng rng;

	(void)unused;
	rng_seed(&rng, 11);
	fx_forget();
	fx_source("tests/fixtures/redo/small/initial.sql");
	fx_source("tests/fixtures/redo/keyswap/initial.sql");
	for (int i = 0; i < 50; i++) {
		const char *name = i % 2 ? "keyswap" : "small";
		char *log = xstrfmt("tests/fixtures/redo/%s/log", name);
		pid_t pid;

		if (i % 2 == 0) { /* a DDL is in it: from the start each time */
			fx_must("DROP DATABASE redo_small");
			fx_must("DROP TABLE IF EXISTS drtest_feed.ddl_progress");
			fx_source("tests/fixtures/redo/small/initial.sql");
		}
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			fx_replay(log, REPLAY_MERGE, &st, &e);
			_exit(0);
		}
		usleep((useconds_t)rng_below(&rng, 60000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (fx_replay(log, REPLAY_MERGE, &st, &e) < 0)
			fail_msg("round %d: %s", i, e.text);
		fx_compare(name);
		free(log);
	}
}

/* Rows go as a file where the server takes one, and as statements where it does not: the same rows,
 * whatever they hold. */
static void texts_arrive_whole_as_a_file_and_as_statements(void **unused)
{
	static const char *const awkward[] = { "tab\there",
					       "\\N",
					       "N",
					       "",
					       "line\nbreak",
					       "end\r\n",
					       "back\\slash\\",
					       "quo'te\"s\"",
					       "\\\t\\n\n",
					       "\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x9a\x80",
					       " spaces ",
					       "\x1a" };
	enum { ROWS = 1000, KINDS = sizeof(awkward) / sizeof(awkward[0]) };
	char *before[2], *sum[2];
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;

	(void)unused;
	fx_log_begin(&l, "awkward");
	for (int i = 0; i < ROWS; i++) {
		fx_log_txn(&l);
		fx_log_row(&l, "awkward", "t", FX_EXTRA, i, i % 3 && i % 7 < 6 ? NULL : "old",
			   i % 7 == 6 ? NULL : awkward[i % KINDS]);
	}
	fx_log_end(&l);
	for (int file = 1; file >= 0; file--) {
		fx_forget();
		fx_must("DROP DATABASE IF EXISTS awkward");
		fx_must("CREATE DATABASE awkward");
		fx_must("CREATE TABLE awkward.t (id BIGINT PRIMARY KEY, v VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, extra INT)");
		fx_must("INSERT INTO awkward.t SELECT seq, 'old', 0 FROM awkward.seq_0_to_999 WHERE seq % 3 = 0 OR seq % 7 = 6");
		fx_must(file ? "SET GLOBAL local_infile = 1" : "SET GLOBAL local_infile = 0");
		before[0] = fx_value(
			"SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Com_load'");
		if (fx_replay(l.dir, REPLAY_MERGE, &st, &e) < 0)
			fail_msg("%s", e.text);
		before[1] = fx_value(
			"SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Com_load'");
		if (file)
			assert_true(atoi(before[1]) > atoi(before[0]));
		free(before[0]);
		free(before[1]);
		for (int i = 0; i < KINDS; i++) {
			struct strbuf q = STRBUF_INIT;
			char *wrong, *some;

			strbuf_addf(
				&q,
				"SELECT COUNT(*) FROM awkward.t WHERE id %% 7 <> 6 AND id %% %d = %d AND HEX(v) <> HEX(",
				KINDS, i);
			sql_add_text(&q, awkward[i], strlen(awkward[i]));
			strbuf_addch(&q, ')');
			wrong = fx_value(q.buf);
			strbuf_reset(&q);
			strbuf_addf(
				&q,
				"SELECT COUNT(*) > 50 FROM awkward.t WHERE id %% 7 <> 6 AND id %% %d = %d",
				KINDS, i);
			some = fx_value(q.buf);
			assert_string_equal(wrong, "0");
			assert_string_equal(some, "1");
			free(wrong);
			free(some);
			strbuf_release(&q);
		}
		sum[file] = fx_value(
			"SELECT CONCAT(COUNT(*), ' ', SUM(CRC32(CONCAT_WS('|', id, HEX(v), IFNULL(extra, 'NULL'))))) FROM awkward.t");
	}
	fx_must("SET GLOBAL local_infile = 1");
	assert_string_equal(sum[0], sum[1]);
	free(sum[0]);
	free(sum[1]);
	fx_log_free(&l);
}

static void the_large_log_gives_its_sums(void **unused)
{
	static const struct {
		const char *table, *count, *sum_k, *crc;
	} want[] = {
		{ "sbtest1", "10000", "50071596", "21421925174803" },
		{ "sbtest2", "10000", "50218015", "21468741785775" },
		{ "sbtest3", "10000", "49375030", "21403432724399" },
	};
	char *tar = realpath("../shared/fixtures/redo/perf.tar.zst", NULL),
	     *dir = xstrfmt("%s/perf", test_server_dir(fx.server)), *initial, *log;
	char *untar[] = {
		(char *)"tar", (char *)"-C", dir, (char *)"-I", (char *)"zstd -d --long=28",
		(char *)"-xf", tar,          NULL
	};
	struct strbuf out = STRBUF_INIT;
	struct replay_stats st;
	struct err e = ERR_INIT;

	(void)unused;
	if (!tar) {
		printf("skipped: perf.tar.zst is not here\n");
		skip();
	}
	if (fs_mkdir_p(dir, 0755, &e) < 0 ||
	    proc_run(untar, NULL, &out, 1 << 20, deadline_in_ms(120000), &e) < 0)
		fail_msg("%s", e.text);
	initial = xstrfmt("%s/initial.sql", dir);
	log = xstrfmt("%s/log", dir);
	fx_source(initial);
	if (fx_replay(log, REPLAY_MERGE, &st, &e) < 0)
		fail_msg("%s", e.text);
	printf("%llu transactions in %.2f s: %.0f/s (read %.2f s, %.0f MB/s; write %.2f s)\n",
	       (unsigned long long)st.transactions, (double)st.total_us / 1e6,
	       (double)st.transactions * 1e6 / (double)st.total_us, (double)st.read_us / 1e6,
	       (double)st.bytes / (double)st.read_us, (double)st.write_us / 1e6);
	assert_int_equal(st.transactions, 50000);
	for (size_t i = 0; i < 3; i++) {
		struct sql_rows r;

		if (sql_query(
			    fx.conn, &r, &e,
			    "SELECT COUNT(*), SUM(k), SUM(CRC32(CONCAT_WS('|',id,k,c,pad))) FROM redo_perf.%s",
			    want[i].table) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(sql_rows_next(&r, &e), 1);
		assert_string_equal(r.cell[0], want[i].count);
		assert_string_equal(r.cell[1], want[i].sum_k);
		assert_string_equal(r.cell[2], want[i].crc);
		sql_rows_release(&r);
	}
	strbuf_release(&out);
	free(tar);
	free(dir);
	free(initial);
	free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FX_FOR_REAL_LOGS(a_log_of_ticdc_gives_the_rows_of_ticdc),
		cmocka_unit_test(little_memory_gives_the_same),
		cmocka_unit_test(a_server_that_is_not_the_logs_secondary_is_refused),
		cmocka_unit_test(a_dead_feeds_connection_is_fenced_and_no_other),
		cmocka_unit_test(a_stock_changefeeds_user_is_fenced_on_request),
		cmocka_unit_test(a_replay_killed_anywhere_and_run_again_gives_the_same),
		cmocka_unit_test(texts_arrive_whole_as_a_file_and_as_statements),
		cmocka_unit_test(the_large_log_gives_its_sums),
	};
	int rc;

	fx_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fx_end();
	return rc;
}
