/* Needs MariaDB: logs of the real TiCDC (tests/fixtures/redo) replayed to the rows that the real `cdc redo apply` gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
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
#include "harness/redo/replay.h"
#include "tests/integration/mariadb_server.h"

static struct test_server *server;
static struct sql *conn;

static void must(const char *text)
{
	struct err e = ERR_INIT;

	if (sql_exec_text(conn, &e, text, strlen(text)) < 0)
		fail_msg("%s", e.text);
}

static void source(const char *path)
{
	struct strbuf sql = STRBUF_INIT, out = STRBUF_INIT;
	char port[32];
	char *argv[] = { (char *)"mariadb", (char *)"--no-defaults", (char *)"--protocol=tcp", (char *)"-h127.0.0.1", (char *)"-uroot", port,
		         (char *)"--default-character-set=utf8mb4", (char *)"--init-command=SET time_zone='+00:00'", NULL };
	struct err e = ERR_INIT;

	snprintf(port, sizeof(port), "-P%u", test_server_endpoint(server)->port);
	if (fs_read_file(path, 1 << 30, &sql, &e) < 0 || proc_run(argv, sql.buf, &out, 1 << 20, deadline_in_ms(120000), &e) < 0)
		fail_msg("%s: %s", path, e.text);
	strbuf_release(&sql);
	strbuf_release(&out);
}

static void forget(void)
{
	must("DROP DATABASE IF EXISTS redo_small");
	must("DROP DATABASE IF EXISTS redo_swap");
	must("DROP DATABASE IF EXISTS redo_sb");
	must("DROP DATABASE IF EXISTS drtest_feed");
}

static struct store *open_log(const char *dir)
{
	char cwd[400], uri[900];
	struct err e = ERR_INIT;
	struct store *s;

	if (!getcwd(cwd, sizeof(cwd)))
		fail();
	snprintf(uri, sizeof(uri), "file://%s%s%s", dir[0] == '/' ? "" : cwd, dir[0] == '/' ? "" : "/", dir);
	s = store_open(uri, NULL, &e);
	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static int replay(const char *dir, struct replay_stats *st, struct err *e)
{
	struct replay_opts o = { .sink = *test_server_endpoint(server), .workers = 4, .tmp_dir = test_server_dir(server), .time_zone = "+00:00" };
	struct store *log = open_log(dir);
	int rc = replay_run(log, &o, st, e);

	store_free(log);
	return rc;
}

static void compare_table(const char *name, json_t *want)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r;
	struct err e = ERR_INIT;
	json_t *cols = json_object_get(want, "columns"), *pk = json_object_get(want, "primaryKey"), *rows = json_object_get(want, "rows"), *v;
	char *db = xstrdup(name), *table = strchr(db, '.');
	size_t i, k, n = 0;
	int got;

	*table++ = 0;
	strbuf_addstr(&q, "SELECT ");
	json_array_foreach(cols, i, v) {
		const char *col = json_string_value(json_object_get(v, "name")), *enc = json_string_value(json_object_get(v, "encoding"));

		if (i)
			strbuf_addch(&q, ',');
		strbuf_addstr(&q, !strcmp(enc, "hex") ? "LOWER(HEX(" : !strcmp(enc, "uint") ? "CAST(((" : "((");
		sql_add_name(&q, col);
		strbuf_addstr(&q, !strcmp(enc, "hex") ? "))" : !strcmp(enc, "uint") ? ")+0) AS CHAR)" : "))");
	}
	strbuf_addf(&q, " FROM `%s`.`%s`", db, table);
	json_array_foreach(pk, i, v) {
		strbuf_addstr(&q, i ? "," : " ORDER BY ");
		sql_add_name(&q, json_string_value(v));
	}
	if (sql_query(conn, &r, &e, "%s", q.buf) < 0)
		fail_msg("%s", e.text);
	while ((got = sql_rows_next(&r, &e)) == 1) {
		json_t *row = json_array_get(rows, n++);

		if (!row)
			fail_msg("%s: more rows than %zu", name, json_array_size(rows));
		for (k = 0; k < r.n_columns; k++) {
			const char *text = json_string_value(json_array_get(row, k));

			if (!text != !r.cell[k] || (text && (strlen(text) != r.len[k] || memcmp(text, r.cell[k], r.len[k]))))
				fail_msg("%s row %zu column %zu: '%s' is expected, '%s' found", name, n, k, text ? text : "NULL",
				         r.cell[k] ? r.cell[k] : "NULL");
		}
	}
	assert_int_equal(n, json_array_size(rows));
	sql_rows_release(&r);
	strbuf_release(&q);
	free(db);
}

static void compare(const char *name)
{
	char *path = xstrfmt("tests/fixtures/redo/%s/expected.json", name);
	json_error_t je;
	json_t *all = json_load_file(path, 0, &je), *tables = json_object_get(all, "tables"), *t;
	const char *table;

	assert_true(json_object_size(tables) > 0);
	json_object_foreach(tables, table, t)
		compare_table(table, t);
	json_decref(all);
	free(path);
}

static void a_log_of_ticdc_gives_the_rows_of_ticdc(void **name)
{
	char *initial = xstrfmt("tests/fixtures/redo/%s/initial.sql", (char *)*name), *log = xstrfmt("tests/fixtures/redo/%s/log", (char *)*name);
	struct replay_stats st;
	struct err e = ERR_INIT;

	forget();
	source(initial);
	for (int i = 0; i < 2; i++) { /* and once more: the same */
		if (replay(log, &st, &e) < 0)
			fail_msg("%s", e.text);
		compare((char *)*name);
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
	struct replay_opts o = { .sink = *test_server_endpoint(server), .memory_bytes = (size_t)16 << 20, .tmp_dir = test_server_dir(server) };
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct store *log = open_log("tests/fixtures/redo/sysbench/log");

	(void)unused;
	forget();
	source("tests/fixtures/redo/sysbench/initial.sql");
	if (replay_run(log, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	compare("sysbench");
	o.memory_bytes = 1000;
	assert_int_equal(replay_run(log, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	store_free(log);
}

static void a_dead_feeds_connection_is_fenced_and_no_other(void **unused)
{
	struct err e = ERR_INIT;
	struct sql *dead = test_server_connect(server), *stranger = test_server_connect(server);
	struct replay_stats st;

	(void)unused;
	forget();
	source("tests/fixtures/redo/sysbench/initial.sql");
	assert_int_equal(fence_register(dead, "feed", &e), 0);
	if (replay("tests/fixtures/redo/sysbench/log", &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(st.fenced, 1);
	assert_int_equal(sql_exec(dead, &e, "DO 1"), -1);
	assert_int_equal(e.kind, ERR_GONE);
	assert_int_equal(sql_exec(stranger, &e, "DO 1"), 0);
	sql_close(dead);
	sql_close(stranger);
}

static void a_replay_killed_anywhere_and_run_again_gives_the_same(void **unused)
{
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct rng rng;

	(void)unused;
	rng_seed(&rng, 11);
	forget();
	source("tests/fixtures/redo/small/initial.sql");
	source("tests/fixtures/redo/keyswap/initial.sql");
	for (int i = 0; i < 50; i++) {
		const char *name = i % 2 ? "keyswap" : "small";
		char *log = xstrfmt("tests/fixtures/redo/%s/log", name);
		pid_t pid;

		if (i % 2 == 0) { /* a DDL is in it: from the start each time */
			must("DROP DATABASE redo_small");
			must("DROP TABLE IF EXISTS drtest_feed.replay_progress");
			source("tests/fixtures/redo/small/initial.sql");
		}
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			replay(log, &st, &e);
			_exit(0);
		}
		usleep((useconds_t)rng_below(&rng, 60000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (replay(log, &st, &e) < 0)
			fail_msg("round %d: %s", i, e.text);
		compare(name);
		free(log);
	}
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
	char *tar = realpath("../shared/fixtures/redo/perf.tar.zst", NULL), *dir = xstrfmt("%s/perf", test_server_dir(server)), *initial, *log;
	char *untar[] = { (char *)"tar", (char *)"-C", dir, (char *)"-I", (char *)"zstd -d --long=28", (char *)"-xf", tar, NULL };
	struct strbuf out = STRBUF_INIT;
	struct replay_stats st;
	struct err e = ERR_INIT;

	(void)unused;
	if (!tar) {
		printf("skipped: perf.tar.zst is not here\n");
		skip();
	}
	if (fs_mkdir_p(dir, 0755, &e) < 0 || proc_run(untar, NULL, &out, 1 << 20, deadline_in_ms(120000), &e) < 0)
		fail_msg("%s", e.text);
	initial = xstrfmt("%s/initial.sql", dir);
	log = xstrfmt("%s/log", dir);
	source(initial);
	if (replay(log, &st, &e) < 0)
		fail_msg("%s", e.text);
	printf("%llu transactions in %.2f s: %.0f/s (read %.2f s, %.0f MB/s; write %.2f s)\n", (unsigned long long)st.transactions,
	       (double)st.total_us / 1e6, (double)st.transactions * 1e6 / (double)st.total_us, (double)st.read_us / 1e6,
	       (double)st.bytes / (double)st.read_us, (double)st.write_us / 1e6);
	assert_int_equal(st.transactions, 50000);
	for (size_t i = 0; i < 3; i++) {
		struct sql_rows r;

		if (sql_query(conn, &r, &e, "SELECT COUNT(*), SUM(k), SUM(CRC32(CONCAT_WS('|',id,k,c,pad))) FROM redo_perf.%s", want[i].table) < 0)
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
		{ "small", a_log_of_ticdc_gives_the_rows_of_ticdc, NULL, NULL, (void *)"small" },
		{ "small_lz4", a_log_of_ticdc_gives_the_rows_of_ticdc, NULL, NULL, (void *)"small-lz4" },
		{ "keyswap", a_log_of_ticdc_gives_the_rows_of_ticdc, NULL, NULL, (void *)"keyswap" },
		{ "sysbench", a_log_of_ticdc_gives_the_rows_of_ticdc, NULL, NULL, (void *)"sysbench" },
		cmocka_unit_test(little_memory_gives_the_same),
		cmocka_unit_test(a_dead_feeds_connection_is_fenced_and_no_other),
		cmocka_unit_test(a_replay_killed_anywhere_and_run_again_gives_the_same),
		cmocka_unit_test(the_large_log_gives_its_sums),
	};
	int rc;

	server = test_server_start(1);
	conn = test_server_connect(server);
	must("SET NAMES utf8mb4");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	sql_close(conn);
	test_server_free(server);
	guardian_stop();
	return rc;
}
