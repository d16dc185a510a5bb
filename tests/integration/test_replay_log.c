/* Needs MariaDB: DDLs of all kinds across kills, broken and repeated records, and logs
 * that live while they are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/net/minio.h"
#include "harness/os/fs.h"
#include "harness/replay/log_check.h"
#include "tests/integration/replay_fixture.h"

/* ---- DDLs ---- */

/* Each DDL stands between rows that fit only before or only after it. */
static void story(struct fx_log *l)
{
	fx_log_ddl(l, "s", "", 1, "CREATE DATABASE s");
	fx_log_ddl(l, "s", "t", 3, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	fx_log_rows(l, "s", "t", 0, 0, 50, NULL, "one");
	fx_log_ddl(l, "s", "t", 5, "ALTER TABLE t ADD COLUMN extra INT");
	fx_log_rows(l, "s", "t", FX_EXTRA, 50, 100, NULL, "one");
	fx_log_ddl(l, "s", "t", 7, "CREATE INDEX by_v ON t (v)");
	fx_log_ddl(l, "s", "t", 12, "ALTER TABLE t MODIFY COLUMN v VARCHAR(120)");
	fx_log_rows(l, "s", "t", FX_EXTRA, 50, 60, "one", "two");
	fx_log_ddl(l, "s", "t", 6, "ALTER TABLE t DROP COLUMN extra");
	fx_log_rows(l, "s", "t", 0, 60, 70, "one", NULL);
	fx_log_ddl(l, "s", "u", 14, "RENAME TABLE `s`.`t` TO `s`.`u`");
	fx_log_rows(l, "s", "u", 0, 70, 80, "one", "three");
	/* the name again, for another table */
	fx_log_ddl(l, "s", "t", 3, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	fx_log_rows(l, "s", "t", 0, 0, 30, NULL, "other");
	fx_log_ddl(l, "s", "t", 11, "TRUNCATE TABLE t");
	fx_log_rows(l, "s", "t", 0, 5, 10, NULL, "after");
	fx_log_ddl(
		l, "s", "p", 3,
		"CREATE TABLE p (id BIGINT PRIMARY KEY, v VARCHAR(100)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10),"
		" PARTITION p1 VALUES LESS THAN (1000))");
	fx_log_ddl(l, "s", "x", 3, "CREATE TABLE x (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	fx_log_rows(l, "s", "p", 0, 0, 20, NULL, "in p");
	fx_log_rows(l, "s", "x", 0, 0, 3, NULL, "in x");
	fx_log_ddl(l, "s", "p", 42,
		   "ALTER TABLE `s`.`p` EXCHANGE PARTITION `p0` WITH TABLE `s`.`x`");
	fx_log_rows(l, "s", "x", 0, 0, 10, "in p", "was in p");
	fx_log_rows(l, "s", "p", 0, 0, 3, "in x", "was in x");
	fx_log_ddl(l, "s", "p", 19,
		   "ALTER TABLE p ADD PARTITION (PARTITION p2 VALUES LESS THAN MAXVALUE)");
	fx_log_rows(l, "s", "p", 0, 5000, 5010, NULL, "in p2");
	fx_log_ddl(l, "s", "p", 23, "ALTER TABLE p TRUNCATE PARTITION p1");
	fx_log_ddl(l, "s", "u", 8, "DROP INDEX by_v ON u");
	fx_log_ddl(l, "gone", "", 1, "CREATE DATABASE gone");
	fx_log_ddl(l, "gone", "t", 3, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	fx_log_rows(l, "gone", "t", 0, 0, 5, NULL, "gone");
	fx_log_ddl(l, "gone", "t", 4, "DROP TABLE `gone`.`t`");
	fx_log_ddl(l, "gone", "", 2, "DROP DATABASE gone");
	fx_log_rows(l, "s", "u", 0, 80, 90, "one", "last");
	fx_log_end(l);
}

static char *story_state(void)
{
	return fx_value(
		"SELECT CONCAT_WS(' | ', (SELECT GROUP_CONCAT(id, v ORDER BY id) FROM s.u), (SELECT GROUP_CONCAT(id, v ORDER BY id) FROM s.t),"
		" (SELECT GROUP_CONCAT(id, v ORDER BY id) FROM s.p), (SELECT GROUP_CONCAT(id, v ORDER BY id) FROM s.x),"
		" (SELECT GROUP_CONCAT(TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLUMN_KEY ORDER BY TABLE_NAME, ORDINAL_POSITION)"
		" FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 's'), (SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE"
		" SCHEMA_NAME = 'gone'))");
}

static void forget_story(void)
{
	fx_must("DROP DATABASE IF EXISTS s");
	fx_must("DROP DATABASE IF EXISTS gone");
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
}

static void ddls_are_done_once_also_across_kills(void **mode)
{
	enum replay_mode how = *(enum replay_mode *)*mode;
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	struct rng rng;
	char *want, *got;

	rng_seed(&rng, 21 + how);
	fx_must("SET SESSION group_concat_max_len = 1000000");
	fx_log_begin(&l, "story");
	story(&l);
	forget_story();
	if (fx_replay(l.dir, how, &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(st.ddls, 19);
	want = story_state();
	assert_non_null(strstr(want, "80last"));
	assert_null(strstr(want, "10in p")); /* its partition was truncated */
	assert_non_null(strstr(want, "5000in p2"));
	assert_non_null(strstr(want, "9was in p"));
	for (int round = 0; round < 3; round++) {
		forget_story();
		for (int kills = 0; kills < 5; kills++) {
			pid_t pid;

			fflush(NULL);
			pid = fork();
			assert_true(pid >= 0);
			if (pid == 0) {
				fx_replay(l.dir, how, &st, &e);
				_exit(0);
			}
			usleep((useconds_t)(10000 + rng_below(&rng, 120000)));
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		if (fx_replay(l.dir, how, &st, &e) < 0)
			fail_msg("round %d: %s", round, e.text);
		got = story_state();
		assert_string_equal(got, want);
		free(got);
	}
	free(want);
	fx_log_free(&l);
}

/* ---- what is missing, and what is there twice ---- */

static void a_missing_record_is_found_before_the_first_write(void **unused)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .tmp_dir = test_server_dir(fx.server) };
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	char *got;

	(void)unused;
	fx_must("DROP DATABASE IF EXISTS ch");
	fx_must("CREATE DATABASE ch");
	fx_must("CREATE TABLE ch.t (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	fx_log_chain(&l, "chain-cut", 24);
	assert_int_equal(replay_run(l.store, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_non_null(strstr(e.text, "ch.t, key (id=4)"));
	got = fx_value("SELECT COUNT(*) FROM ch.t");
	assert_string_equal(got, "0");
	free(got);
	o.allow_gap = true;
	if (replay_run(l.store, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(st.chain_breaks, 1);
	got = fx_value("SELECT COUNT(*) FROM ch.t WHERE v = 'step 4'");
	assert_string_equal(got, "10");
	free(got);
	fx_log_free(&l);
}

static void a_repeated_record_is_no_gap(void **unused)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .tmp_dir = test_server_dir(fx.server) };
	struct strbuf body = STRBUF_INIT, key = STRBUF_INIT;
	struct replay_stats st;
	struct redo_files files;
	struct err e = ERR_INIT;
	struct fx_log l;

	(void)unused;
	fx_log_chain(&l, "chain-twice", -1);
	assert_int_equal(redo_list_files(l.store, &files, &e), 0);
	assert_int_equal(files.n, 1);
	assert_true(files.f[0].sidecar);
	assert_int_equal(store_get(l.store, files.f[0].key, 1 << 20, &body, &e), 0);
	snprintf(files.f[0].name.uuid, sizeof(files.f[0].name.uuid), "another");
	redo_name_format(&key, &files.f[0].name);
	assert_int_equal(store_put(l.store, key.buf, body.buf, body.len, &e), 0);
	if (replay_run(l.store, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(st.rows, 100);
	assert_int_equal(st.keys, 10);
	strbuf_release(&body);
	strbuf_release(&key);
	redo_files_release(&files);
	fx_log_free(&l);
}

/* ---- connections that are cut ---- */

/* a round: fewer than the replay's tries, for on a busy machine one statement may meet all of
 * them */
#define CUTS 12

struct cutter {
	pthread_t thread;
	struct sql *conn;
	_Atomic bool stop;
	_Atomic int cut;
	bool ddls;        /* those that run DDLs, else those that write rows */
	_Atomic int left; /* of a round, CUTS at first */
};

static void *cut_on(void *arg)
{
	struct cutter *c = arg;

	while (!c->stop) {
		uint64_t id = 0;

		usleep(c->ddls ? 25000 : 5000);
		if (c->left <= 0)
			continue;
		if (sql_value_u64(
			    c->conn, &id, NULL,
			    "SELECT id FROM information_schema.PROCESSLIST WHERE %s LIMIT 1",
			    c->ddls ? "id <> CONNECTION_ID() AND (info RLIKE '^(CREATE|ALTER|RENAME|TRUNCATE|DROP).*' AND db IN ('s', 'gone')"
				      " OR info LIKE '%`ddl_progress`%')"
				    : "info LIKE 'REPLACE INTO `bank%' OR info LIKE 'LOAD DATA %bank%' OR info = 'COMMIT'"
				      " OR info LIKE 'INSERT INTO `drtest_feed`%'") == 0 &&
		    id) {
			if (sql_exec(c->conn, NULL, "KILL %llu", (unsigned long long)id) >= 0) {
				c->cut++;
				c->left--;
			}
		}
	}
	mysql_thread_end();
	return NULL;
}

static void ddls_whose_connections_are_cut_are_done_once(void **mode)
{
	enum replay_mode how = *(enum replay_mode *)*mode;
	struct replay_stats st;
	struct cutter cutter = { .ddls = true };
	struct err e = ERR_INIT;
	struct fx_log l;
	char *want, *got;
	int rounds = 0;

	fx_log_begin(&l, "story-cut");
	story(&l);
	forget_story();
	if (fx_replay(l.dir, how, &st, &e) < 0)
		fail_msg("%s", e.text);
	want = story_state();
	cutter.conn = test_server_connect(fx.server);
	pthread_create(&cutter.thread, NULL, cut_on, &cutter);
	for (; rounds < 3 || (cutter.cut == 0 && rounds < 20); rounds++) {
		forget_story();
		cutter.left = CUTS;
		if (fx_replay(l.dir, how, &st, &e) < 0)
			fail_msg("%s", e.text);
		got = story_state();
		assert_string_equal(got, want);
		free(got);
	}
	cutter.stop = true;
	pthread_join(cutter.thread, NULL);
	printf("%d connections were cut in %d rounds\n", cutter.cut, rounds);
	assert_true(cutter.cut > 0);
	free(want);
	sql_close(cutter.conn);
	fx_log_free(&l);
}

static void connections_that_are_cut_lose_nothing(void **mode)
{
	struct replay_stats st;
	struct cutter cutter = { 0 };
	struct err e = ERR_INIT;
	struct fx_log l;
	char *got;

	fx_must("DROP DATABASE IF EXISTS bank");
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	fx_must("CREATE DATABASE bank");
	fx_must("CREATE TABLE bank.t (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	fx_log_begin(&l, "cut");
	fx_log_rows(&l, "bank", "t", 0, 0, 60000, NULL, "first");
	fx_log_rows(&l, "bank", "t", 0, 0, 60000, "first", "second");
	fx_log_end(&l);
	cutter.conn = test_server_connect(fx.server);
	pthread_create(&cutter.thread, NULL, cut_on, &cutter);
	/* a quick replay may be over before anything is cut */
	for (int round = 0; round < 20 && cutter.cut == 0; round++) {
		fx_must("DROP DATABASE IF EXISTS drtest_feed");
		fx_must("DELETE FROM bank.t");
		cutter.left = CUTS;
		if (fx_replay(l.dir, *(enum replay_mode *)*mode, &st, &e) < 0)
			fail_msg("%s", e.text);
	}
	cutter.stop = true;
	pthread_join(cutter.thread, NULL);
	printf("%d connections were cut\n", cutter.cut);
	assert_true(cutter.cut > 0);
	got = fx_value("SELECT CONCAT_WS(' ', COUNT(*), SUM(v = 'second'), SUM(id)) FROM bank.t");
	assert_string_equal(got, "60000 60000 1799970000");
	free(got);
	sql_close(cutter.conn);
	fx_must("DROP DATABASE bank");
	fx_log_free(&l);
}

static void add_odd_row(struct fx_log *l, int64_t id, tso_t start, tso_t commit)
{
	static const int32_t first = 0;
	struct redo_index pk = { &first, 1 };
	struct redo_column c = { .name = { "id", 2 },
				 .type = 8,
				 .flag = 2 | 8,
				 .charset = { "binary", 6 },
				 .value = { .kind = REDO_INT, .i = id } };
	struct redo_event ev = { .kind = REDO_ROW,
				 .row = { .start_ts = start,
					  .commit_ts = commit,
					  .table = { { "odd", 3 }, { "t", 1 }, 100, false },
					  .columns = &c,
					  .n_columns = 1,
					  .indexes = &pk,
					  .n_indexes = 1 } };
	struct err e = ERR_INIT;

	assert_int_equal(redo_writer_add(l->writer, &ev, &e), 0);
}

/* What check calls broken apply refuses, before it writes. */
static void what_check_calls_broken_is_not_applied(void **unused)
{
	static const char *const why[] = { "has two commitTs", "is not before commitTs" };

	(void)unused;
	for (int i = 0; i < 2; i++) {
		struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
					 .tmp_dir = test_server_dir(fx.server) };
		struct redo_check_opts co = { .tmp_dir = test_server_dir(fx.server) };
		struct redo_check_result r;
		struct replay_stats st;
		struct fx_log l;
		struct err e = ERR_INIT;
		char *got;

		fx_must("CREATE OR REPLACE DATABASE odd");
		fx_must("CREATE TABLE odd.t (id BIGINT PRIMARY KEY)");
		fx_log_begin(&l, "odd");
		fx_log_txn(&l);
		add_odd_row(&l, 1, l.ts - 1, l.ts);
		fx_log_txn(&l);
		add_odd_row(&l, 2, i ? l.ts : l.ts - tso_make(1, 0) - 1, l.ts);
		fx_log_end(&l);
		assert_int_equal(redo_check(l.store, &co, &r, &e), 0);
		assert_int_equal(r.broken, 1);
		assert_int_equal(replay_run(l.store, &o, &st, &e), -1);
		if (e.kind != ERR_BAD_DATA || !strstr(e.text, why[i]))
			fail_msg("%s", e.text);
		got = fx_value("SELECT COUNT(*) FROM odd.t");
		assert_string_equal(got, "0");
		free(got);
		o.allow_gap = true;
		assert_int_equal(replay_run(l.store, &o, &st, &e), 0);
		got = fx_value("SELECT COUNT(*) FROM odd.t");
		assert_string_equal(got, "2");
		free(got);
		fx_log_free(&l);
	}
}

/* ---- a log that lives ---- */

struct living {
	struct fx_log l;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic int collected, files;
};

/* Flushes, moves the meta on and collects far more often than TiCDC does. */
static void *live(void *arg)
{
	struct living *w = arg;
	struct err e = ERR_INIT;

	for (int n = 0; !w->stop; n++) {
		tso_t checkpoint = w->l.ts;

		for (int i = 0; i < 10; i++) {
			char *before = n ? xstrfmt("step %d", n - 1) : NULL,
			     *after = xstrfmt("step %d", n);

			fx_log_txn(&w->l);
			fx_log_row(&w->l, "live", "t", 0, i, before, after);
			free(before);
			free(after);
			if (i % 4 == 3)
				fx_log_flush(&w->l);
		}
		fx_log_flush(&w->l);
		w->files += 3;
		if (redo_writer_meta(w->l.writer,
				     &(struct redo_meta){ .checkpoint_ts = checkpoint,
							  .resolved_ts = w->l.ts },
				     &e) < 0)
			break;
		w->collected += redo_writer_collect(w->l.writer, checkpoint, &e);
	}
	return NULL;
}

static void tell(void *arg, enum redo_finding what, const char *line)
{
	(void)arg;
	if (what == REDO_BROKEN)
		printf("false alarm: %s\n", line);
}

static void a_log_that_lives_is_read_without_a_false_gap(void **unused)
{
	struct redo_check_opts co = { .tmp_dir = test_server_dir(fx.server), .finding = tell };
	struct replay_opts o = { .dry_run = true, .tmp_dir = test_server_dir(fx.server) };
	struct living w = { 0 };
	struct deadline d;
	struct err e = ERR_INIT;
	int checks = 0;

	(void)unused;
	fx_log_begin(&w.l, "living");
	fx_log_txn(&w.l);
	fx_log_end(&w.l);
	pthread_create(&w.thread, NULL, live, &w);
	for (d = deadline_in_ms(2000); !deadline_passed(d); checks++) {
		struct redo_check_result r;
		struct redo_outlook look;
		struct replay_stats st;

		if (redo_check(w.l.store, &co, &r, &e) < 0 ||
		    replay_run(w.l.store, &o, &st, &e) < 0 ||
		    redo_outlook(w.l.store, &look, &e) < 0)
			fail_msg("check %d: %s", checks, e.text);
		assert_int_equal(r.broken, 0);
		/* the writer's meta is at the end of ten: fewer would be a missed file */
		assert_int_equal(st.rows % 10, 0);
	}
	w.stop = true;
	pthread_join(w.thread, NULL);
	printf("%d readings while %d files were written and %d collected\n", checks, w.files,
	       w.collected);
	assert_true(checks > 0 && w.collected > 10);
	fx_log_free(&w.l);
}

/* ---- an object store: several downloads at once ---- */

static struct store *to_s3(struct minio *m, const char *bucket, const char *fixture,
			   size_t cut_file)
{
	char *uri = xstrfmt(
		"s3://%s/log?endpoint=http://127.0.0.1:%d&access-key=redo&secret-access-key=redo-secret&force-path-style=true",
		bucket, minio_port(m));
	char *dir = xstrfmt("tests/fixtures/redo/%s/log", fixture);
	struct store *from = fx_open(dir), *to;
	struct store_list l;
	struct err e = ERR_INIT;

	to = store_open(uri, NULL, &e);
	if (!to || store_create_bucket(to, &e) < 0 || store_list(from, "", &l, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < l.n; i++) {
		struct strbuf body = STRBUF_INIT;

		if (store_get(from, l.objects[i].key, 1 << 24, &body, &e) < 0 ||
		    store_put(to, l.objects[i].key, body.buf,
			      i == cut_file ? body.len - 11 : body.len, &e) < 0)
			fail_msg("%s", e.text);
		strbuf_release(&body);
	}
	store_list_release(&l);
	store_free(from);
	free(uri);
	free(dir);
	return to;
}

static void an_object_store_is_read_several_files_at_once(void **unused)
{
	char *data = xstrfmt("%s/minio-data", test_server_dir(fx.server)),
	     *log_path = xstrfmt("%s/minio.log", test_server_dir(fx.server));
	struct minio_opts mo = {
		.data_dir = data, .log_path = log_path, .user = "redo", .password = "redo-secret"
	};
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .tmp_dir = test_server_dir(fx.server) };
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct minio *m;
	struct store *s;

	(void)unused;
	m = minio_start(&mo, deadline_in_ms(30000), &e);
	if (!m) {
		printf("skipped: %s\n", e.text);
		skip();
	}
	s = to_s3(m, "whole", "sysbench", SIZE_MAX);
	for (unsigned downloads = 1; downloads <= 16; downloads *= 4) {
		fx_forget();
		fx_source("tests/fixtures/redo/sysbench/initial.sql");
		o.downloads = downloads;
		if (replay_run(s, &o, &st, &e) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(st.rows, 1800);
		fx_compare("sysbench");
	}
	store_free(s);
	s = to_s3(m, "torn", "sysbench", 5);
	o.downloads = 3;
	assert_int_equal(replay_run(s, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_non_null(strstr(e.text, "offset"));
	o.dry_run = o.allow_gap = true;
	if (replay_run(s, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(st.left_out, 1);
	/* the whole records of the torn file count, and all of the others */
	assert_in_range(st.rows, 1600, 1799);
	store_free(s);
	minio_free(m);
	free(data);
	free(log_path);
}

int main(void)
{
	static enum replay_mode merge = REPLAY_MERGE, txn = REPLAY_TXN;
	const struct CMUnitTest tests[] = {
		{ "ddls_are_done_once_also_across_kills_merge",
		  ddls_are_done_once_also_across_kills, NULL, NULL, &merge },
		{ "ddls_are_done_once_also_across_kills_txn", ddls_are_done_once_also_across_kills,
		  NULL, NULL, &txn },
		cmocka_unit_test(a_missing_record_is_found_before_the_first_write),
		cmocka_unit_test(a_repeated_record_is_no_gap),
		{ "ddls_whose_connections_are_cut_are_done_once_merge",
		  ddls_whose_connections_are_cut_are_done_once, NULL, NULL, &merge },
		{ "ddls_whose_connections_are_cut_are_done_once_txn",
		  ddls_whose_connections_are_cut_are_done_once, NULL, NULL, &txn },
		{ "connections_that_are_cut_lose_nothing_merge",
		  connections_that_are_cut_lose_nothing, NULL, NULL, &merge },
		{ "connections_that_are_cut_lose_nothing_txn",
		  connections_that_are_cut_lose_nothing, NULL, NULL, &txn },
		cmocka_unit_test(what_check_calls_broken_is_not_applied),
		cmocka_unit_test(a_log_that_lives_is_read_without_a_false_gap),
		cmocka_unit_test(an_object_store_is_read_several_files_at_once),
	};
	int rc;

	fx_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fx_end();
	return rc;
}
