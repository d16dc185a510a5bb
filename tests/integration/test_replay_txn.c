/* Needs MariaDB: whole-transaction replay: what a reader sees meanwhile, kills, tables without a
 * key, keys that are floats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
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
#include "harness/os/fs.h"
#include "harness/replay/commit_order.h"
#include "harness/sql/keyless.h"
#include "tests/integration/replay_fixture.h"

#define ACCOUNTS 60
#define TRANSFERS 3000

static void a_log_of_ticdc_gives_the_rows_of_ticdc(void **name)
{
	char *initial = xstrfmt("tests/fixtures/redo/%s/initial.sql", (char *)*name),
	     *log = xstrfmt("tests/fixtures/redo/%s/log", (char *)*name);
	struct replay_stats st;
	struct err e = ERR_INIT;

	fx_forget();
	fx_source(initial);
	for (int i = 0; i < 2; i++) { /* and once more: nothing is left to do */
		if (fx_replay(log, REPLAY_TXN, &st, &e) < 0)
			fail_msg("%s", e.text);
		fx_compare((char *)*name);
		assert_int_equal(st.written_txns, i ? 0 : st.transactions);
		if (i)
			/* before a DDL that is done, rows are not even looked at */
			assert_true(st.already == st.transactions || st.ddls_skipped);
	}
	free(initial);
	free(log);
}

/* Money moves between accounts in three tables: their sum is the same in every state that a
 * transaction leaves. Deletes and inserts too. */
static void transfers(struct fx_log *l)
{
	static const char *const tables[] = { "a", "b", "c" };
	char *held[3][ACCOUNTS] = { 0 };
	struct rng rng;

	rng_seed(&rng, 5);
	for (int t = 0; t < 3; t++)
		for (int i = 0; i < ACCOUNTS; i++)
			held[t][i] = xstrdup("100");
	for (int n = 0; n < TRANSFERS; n++) {
		unsigned t1 = (unsigned)rng_below(&rng, 3),
			 t2 = (t1 + 1 + (unsigned)rng_below(&rng, 2)) % 3;
		unsigned i = (unsigned)rng_below(&rng, ACCOUNTS),
			 k = (unsigned)rng_below(&rng, ACCOUNTS);
		int v1 = held[t1][i] ? atoi(held[t1][i]) : 0,
		    v2 = held[t2][k] ? atoi(held[t2][k]) : 0;
		/* an account that is emptied goes, and comes back with the next money */
		int amount = rng_below(&rng, 4) == 0 ? v1
			     : v1                    ? (int)rng_below(&rng, (uint64_t)v1)
						     : 0;
		char *n1 = v1 - amount ? xstrfmt("%d", v1 - amount) : NULL,
		     *n2 = v2 + amount ? xstrfmt("%d", v2 + amount) : NULL;

		if (!amount) {
			free(n1);
			free(n2);
			continue;
		}
		fx_log_txn(l);
		fx_log_row(l, "bank", tables[t1], 0, i, held[t1][i], n1);
		if (n % 50 == 0)
			fx_log_flush(l); /* a transaction over two files */
		fx_log_row(l, "bank", tables[t2], 0, k, held[t2][k], n2);
		free(held[t1][i]);
		free(held[t2][k]);
		held[t1][i] = n1;
		held[t2][k] = n2;
	}
	fx_log_end(l);
	for (int t = 0; t < 3; t++)
		for (int i = 0; i < ACCOUNTS; i++)
			free(held[t][i]);
}

static void bank(void)
{
	fx_forget();
	fx_must("DROP DATABASE IF EXISTS bank");
	fx_must("CREATE DATABASE bank");
	for (const char *t = "abc"; *t; t++) {
		char *q = xstrfmt(
			"CREATE TABLE bank.%c (id BIGINT PRIMARY KEY, v VARCHAR(100)) SELECT seq AS id, '100' AS v FROM bank.seq_0_to_%d",
			*t, ACCOUNTS - 1);

		fx_must(q);
		free(q);
	}
}

struct reader {
	pthread_t thread;
	_Atomic bool stop;
	_Atomic int reads, torn;
	struct sql *conn;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;

	while (!r->stop) {
		uint64_t sum = 0;

		if (sql_value_u64(
			    r->conn, &sum, NULL,
			    "SELECT (SELECT IFNULL(SUM(v), 0) FROM bank.a) + (SELECT IFNULL(SUM(v), 0) FROM bank.b)"
			    " + (SELECT IFNULL(SUM(v), 0) FROM bank.c)") < 0)
			continue;
		r->reads++;
		r->torn += sum != 3 * ACCOUNTS * 100;
	}
	mysql_thread_end();
	return NULL;
}

static char *state(void)
{
	return fx_value(
		"SELECT CONCAT_WS(' ', (SELECT GROUP_CONCAT(id, ':', v ORDER BY id) FROM bank.a), (SELECT GROUP_CONCAT(id, ':', v ORDER BY id)"
		" FROM bank.b), (SELECT GROUP_CONCAT(id, ':', v ORDER BY id) FROM bank.c))");
}

static void a_reader_sees_whole_transactions_only_also_across_kills(void **unused)
{
	struct fx_log l;
	struct replay_stats st;
	struct reader reader = { 0 };
	struct err e = ERR_INIT;
	struct rng rng;
	char *want, *got;
	int resumed = 0;

	(void)unused;
	rng_seed(&rng, 3);
	fx_must("SET SESSION group_concat_max_len = 1000000");
	fx_log_begin(&l, "bank-log");
	transfers(&l);
	bank();
	if (fx_replay(l.dir, REPLAY_MERGE, &st, &e) < 0)
		fail_msg("%s", e.text);
	want = state();
	reader.conn = test_server_connect(fx.server);
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	for (int round = 0; round < 6; round++) {
		bank();
		reader.stop = false;
		pthread_create(&reader.thread, NULL, read_on, &reader);
		for (int kills = 0; kills < 4; kills++) {
			pid_t pid;

			fflush(NULL);
			pid = fork();
			assert_true(pid >= 0);
			if (pid == 0) {
				fx_replay(l.dir, REPLAY_TXN, &st, &e);
				_exit(0);
			}
			usleep((useconds_t)(20000 + rng_below(&rng, 180000)));
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		if (fx_replay(l.dir, REPLAY_TXN, &st, &e) < 0)
			fail_msg("round %d: %s", round, e.text);
		resumed += st.already > 0;
		assert_int_equal(st.already + st.written_txns, st.transactions);
		reader.stop = true;
		pthread_join(reader.thread, NULL);
		got = state();
		assert_string_equal(got, want);
		free(got);
	}
	printf("%d reads, %d of 6 rounds went on where a killed one was\n", reader.reads, resumed);
	assert_true(reader.reads > 0);
	assert_int_equal(reader.torn, 0);
	sql_close(reader.conn);
	free(want);
	fx_log_free(&l);
}

static void the_reader_would_see_a_torn_transaction(void **unused)
{
	struct reader reader = { 0 };

	(void)unused;
	bank();
	fx_must("UPDATE bank.a SET v = v + 1 WHERE id = 1"); /* the other half is missing */
	reader.conn = test_server_connect(fx.server);
	pthread_create(&reader.thread, NULL, read_on, &reader);
	usleep(100000);
	reader.stop = true;
	pthread_join(reader.thread, NULL);
	assert_true(reader.torn > 0);
	sql_close(reader.conn);
}

static void a_table_without_a_key_gets_each_change_once(void **unused)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .mode = REPLAY_TXN,
				 .workers = 4,
				 .tmp_dir = test_server_dir(fx.server) };
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	struct rng rng;
	char *got;

	(void)unused;
	rng_seed(&rng, 9);
	fx_must("DROP DATABASE IF EXISTS heap");
	fx_log_begin(&l, "heap-log");
	for (int i = 0; i < 600; i++) { /* three equal rows, one of them changed, one deleted */
		char *v = xstrfmt("row %d", i / 3 * 3), *w = xstrfmt("changed %d", i);

		fx_log_txn(&l);
		fx_log_row(&l, "heap", "t", FX_NO_KEY, i / 3 * 3, NULL, v);
		if (i % 3 == 2) {
			fx_log_txn(&l);
			fx_log_row(&l, "heap", "t", FX_NO_KEY, i - 2, v, w);
			fx_log_txn(&l);
			fx_log_row(&l, "heap", "t", FX_NO_KEY, i - 2, v, NULL);
		}
		free(v);
		free(w);
	}
	fx_log_end(&l);
	fx_must("CREATE DATABASE heap");
	fx_must("CREATE TABLE heap.t (id BIGINT, v VARCHAR(100))");
	assert_int_equal(replay_run(l.store, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "heap.t"));
	o.mode = REPLAY_MERGE;
	assert_int_equal(replay_run(l.store, &o, &st, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	o.mode = REPLAY_TXN;
	o.force = true;
	for (int kills = 0; kills < 8; kills++) {
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			replay_run(l.store, &o, &st, &e);
			_exit(0);
		}
		usleep((useconds_t)(5000 + rng_below(&rng, 60000)));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (replay_run(l.store, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	got = fx_value(
		"SELECT CONCAT_WS(' ', COUNT(*), COUNT(DISTINCT v), SUM(v LIKE 'changed%'), SUM(id)) FROM heap.t");
	assert_string_equal(got, "400 400 200 119400");
	free(got);
	fx_log_free(&l);
}

/* Its changefeed had written some of the rows, and told so. */
static void rows_without_a_key_that_are_there_are_passed_over(void **unused)
{
	static const char *const tables[] = { "t", "brought_by_the_changefeed" };
	struct replay_opts o = fx_replay_opts(REPLAY_TXN);
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	char *got;

	(void)unused;
	fx_must("DROP DATABASE IF EXISTS heap");
	fx_must("CREATE DATABASE heap");
	fx_forget();
	assert_int_equal(ddl_once_prepare(fx.conn, &e), 0);
	fx_must(KEYLESS_MAKE);
	fx_log_begin(&l, "brought-log");
	for (int i = 0; i < 3; i++) {
		tso_t ts = fx_log_txn(&l);

		for (int k = 0; k < 2; k++) {
			fx_log_row(&l, "heap", tables[k], FX_NO_KEY, i, NULL, "v");
			if (i != k)
				continue;
			char *done = xstrfmt(
				"REPLACE INTO " KEYLESS_TABLE
				" VALUES ('default/brought-log', 'heap', '%s', %" PRIu64 ")",
				tables[k], ts);

			fx_must(done);
			free(done);
		}
	}
	fx_log_end(&l);
	fx_must("CREATE TABLE heap.t (id BIGINT, v VARCHAR(100))");
	fx_must("CREATE TABLE heap.brought_by_the_changefeed LIKE heap.t");
	o.force = true;
	fx_must_replay(l.store, &o, &st);
	got = fx_value(
		"SELECT CONCAT_WS(' ', GROUP_CONCAT(id ORDER BY id), (SELECT GROUP_CONCAT(id)"
		" FROM heap.brought_by_the_changefeed)) FROM heap.t");
	assert_string_equal(got, "1,2 2");
	free(got);
	fx_log_free(&l);
}

static void keys_are_found(enum replay_mode mode, int how, const char *type)
{
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	char *got, create[100];

	fx_must("DROP DATABASE IF EXISTS fl");
	snprintf(create, sizeof(create), "%s-log", type);
	fx_log_begin(&l, create);
	for (int i = 0; i < 200; i++) { /* sevenths: no decimal text is one */
		fx_log_txn(&l);
		fx_log_row(&l, "fl", "t", how, i, NULL, "first");
	}
	for (int i = 0; i < 200; i++) {
		fx_log_txn(&l);
		fx_log_row(&l, "fl", "t", how, i, "first", i % 2 ? "second" : NULL);
	}
	fx_log_end(&l);
	fx_must("CREATE DATABASE fl");
	snprintf(create, sizeof(create), "CREATE TABLE fl.t (id %s PRIMARY KEY, v VARCHAR(100))",
		 type);
	fx_must(create);
	fx_must("INSERT INTO fl.t SELECT seq / 7e0, 'first' FROM fl.seq_0_to_199");
	if (fx_replay(l.dir, mode, &st, &e) < 0)
		fail_msg("%s", e.text);
	got = fx_value("SELECT CONCAT_WS(' ', COUNT(*), SUM(v = 'second')) FROM fl.t");
	assert_string_equal(got, "100 100");
	free(got);
	fx_log_free(&l);
}

static void keys_that_are_doubles_are_found(void **mode)
{
	keys_are_found(*(enum replay_mode *)*mode, FX_DOUBLE_KEY, "DOUBLE");
}

static void keys_that_are_floats_are_found(void **mode)
{
	keys_are_found(*(enum replay_mode *)*mode, FX_FLOAT_KEY, "FLOAT");
}

static void a_large_transaction_goes_in_pieces_and_whole(void **unused)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .mode = REPLAY_TXN,
				 .memory_bytes = (size_t)16 << 20,
				 .tmp_dir = test_server_dir(fx.server) };
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	char *got, big[101];

	(void)unused;
	memset(big, 'x', 100);
	big[100] = 0;
	fx_must("DROP DATABASE IF EXISTS large");
	fx_log_begin(&l, "large-log");
	fx_log_txn(&l);
	for (int i = 0; i < 150000; i++)
		fx_log_row(&l, "large", "t", 0, i, NULL, big);
	fx_log_txn(&l);
	for (int i = 0; i < 150000; i += 3)
		fx_log_row(&l, "large", "t", 0, i, big, NULL);
	fx_log_end(&l);
	fx_must("CREATE DATABASE large");
	fx_must("CREATE TABLE large.t (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	if (replay_run(l.store, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(st.spilled_bytes > 0);
	assert_int_equal(st.written_txns, 2);
	got = fx_value("SELECT CONCAT_WS(' ', COUNT(*), SUM(id)) FROM large.t");
	assert_string_equal(got, "100000 7500000000");
	free(got);
	fx_must("DROP DATABASE large");
	fx_log_free(&l);
}

static void a_permanent_error_names_table_and_key(void **mode)
{
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;

	fx_must("DROP DATABASE IF EXISTS bad");
	fx_log_begin(&l, "bad-log");
	fx_log_txn(&l);
	for (int i = 0; i < 10; i++)
		fx_log_row(&l, "bad", "t", 0, i, NULL, "fine");
	fx_log_end(&l);
	fx_must("CREATE DATABASE bad");
	fx_must("CREATE TABLE bad.t (id BIGINT PRIMARY KEY, v VARCHAR(100)) PARTITION BY LIST (id) (PARTITION p VALUES IN (0,1,2,3,4,5,7,8,9))");
	assert_int_equal(fx_replay(l.dir, *(enum replay_mode *)*mode, &st, &e), -1);
	assert_int_equal(e.kind, ERR_SQL);
	if (!strstr(e.text, "table bad.t, key (id=6)"))
		fail_msg("%s", e.text);
	fx_log_free(&l);
}

static void a_generated_column_is_held_against_the_log(void **mode)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .tmp_dir = test_server_dir(fx.server),
				 .mode = *(enum replay_mode *)*mode };
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;

	fx_log_begin(&l, "computed");
	fx_log_txn(&l);
	for (int i = 1; i < 300; i++)
		fx_log_row(&l, "computed", "t", FX_GENERATED, i, NULL, "v");
	fx_log_txn(&l);
	fx_log_row(&l, "computed", "t", FX_GENERATED, 7, "v", "w");
	fx_log_row(&l, "computed", "t", FX_GENERATED, 8, "v", NULL);
	fx_log_end(&l);
	fx_must("CREATE OR REPLACE DATABASE computed");
	fx_must("CREATE TABLE computed.t (id BIGINT PRIMARY KEY, v VARCHAR(100), extra INT AS (id * 2) STORED)");
	if (replay_run(l.store, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	fx_must("DROP DATABASE drtest_feed");
	/* one row of 298 is computed otherwise */
	fx_must("CREATE OR REPLACE TABLE computed.t (id BIGINT PRIMARY KEY, v VARCHAR(100), extra INT AS (IF(id = 250, 1, id * 2)) STORED)");
	assert_int_equal(replay_run(l.store, &o, &st, &e), -1);
	if (!strstr(e.text,
		    "table computed.t, key (id=250): the log has extra=500 and the secondary computes 1"))
		fail_msg("%s", e.text);
	fx_must("DROP DATABASE drtest_feed");
	o.allow_gap = true;
	if (replay_run(l.store, &o, &st, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(st.warnings, 1);
	char *got = fx_value(
		"SELECT CONCAT_WS(' ', COUNT(*), SUM(v = 'w'), SUM(extra <> id * 2)) FROM computed.t");
	assert_string_equal(got, "298 1 1");
	free(got);
	fx_log_free(&l);
}

static void an_id_that_came_and_went_is_not_given_out_again(void **mode)
{
	struct replay_stats st;
	struct err e = ERR_INIT;
	struct fx_log l;
	char *got;

	fx_log_begin(&l, "ids");
	for (int i = 1; i < 10; i++) {
		fx_log_txn(&l);
		fx_log_row(&l, "ids", "t", 0, i, NULL, "v");
	}
	fx_log_txn(&l);
	fx_log_row(&l, "ids", "t", 0, 9, "v", NULL);
	fx_log_txn(&l);
	fx_log_row(&l, "ids", "T", 0, 100, NULL, "v");
	fx_log_txn(&l);
	fx_log_row(&l, "ids", "T", 0, 100, "v", NULL);
	fx_log_end(&l);
	fx_must("CREATE OR REPLACE DATABASE ids");
	fx_must("CREATE TABLE ids.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100))");
	fx_must("CREATE TABLE ids.T LIKE ids.t");
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	for (int again = 0; again < 2; again++) {
		if (fx_replay(l.dir, *(enum replay_mode *)*mode, &st, &e) < 0)
			fail_msg("%s", e.text);
		fx_must("INSERT INTO ids.t (v) VALUES ('new')");
		got = fx_value("SELECT MAX(id) FROM ids.t");
		assert_string_equal(got, again ? "11" : "10"); /* and no counter is set back */
		free(got);
	}
	fx_must("INSERT INTO ids.T (v) VALUES ('new')"); /* a counter of its own */
	got = fx_value("SELECT MAX(id) FROM ids.T");
	assert_string_equal(got, "101");
	free(got);
	fx_log_free(&l);
}

/* ---- which rows may be written beside each other ---- */

/* Every string of one or two printable ASCII characters in lower case is another one to the
 * collation. */
static void collations_that_may_be_folded_tell_ascii_apart(void **unused)
{
	struct strbuf names = STRBUF_INIT;
	struct sql_rows r;
	struct err e = ERR_INIT;
	unsigned asked = 0, left_out = 0;
	char *list;

	(void)unused;
	fx_must("CREATE OR REPLACE DATABASE folded");
	fx_must("CREATE OR REPLACE TABLE folded.two (s VARCHAR(2) CHARACTER SET ascii COLLATE ascii_bin)");
	fx_must("INSERT INTO folded.two SELECT CHAR(seq USING ascii) FROM folded.seq_33_to_126 WHERE seq NOT BETWEEN 65 AND 90");
	fx_must("INSERT INTO folded.two SELECT CONCAT(a.s, b.s) FROM folded.two a JOIN folded.two b");
	assert_int_equal(
		sql_query(
			fx.conn, &r, &e,
			"SELECT FULL_COLLATION_NAME, CHARACTER_SET_NAME FROM"
			" information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE CHARACTER_SET_NAME <> 'binary'"),
		0);
	while (sql_rows_next(&r, &e) == 1) {
		if (commit_order_folds_case_alone(r.cell[0], strlen(r.cell[0])))
			strbuf_addf(&names, "%s %s\n", r.cell[0], r.cell[1]);
		else
			left_out++;
	}
	sql_rows_release(&r);
	list = strbuf_detach(&names);
	for (char *at = list, *end; (end = strchr(at, '\n')); at = end + 1) {
		char *charset = strchr(at, ' '), *same;

		*charset++ = *end = 0;
		char *q = xstrfmt(
			"SELECT COUNT(DISTINCT CONVERT(s USING %s) COLLATE %s) - COUNT(DISTINCT s) FROM folded.two",
			charset, at);
		same = fx_value(q);
		if (strcmp(same, "0"))
			fail_msg("%s takes different ASCII strings for one: %s", at, same);
		free(same);
		free(q);
		asked++;
	}
	free(list);
	assert_true(asked >= 20 && left_out > 50);
}

static bool is_wild(const char *collation, const char *text)
{
	struct commit_order *o = commit_order_new(1 << 20, test_server_dir(fx.server));
	struct redo_column c = { .name = { "k", 1 },
				 .type = 15,
				 .flag = 2 | 8,
				 .charset = { "utf8mb4", 7 },
				 .collation = { collation, (uint32_t)strlen(collation) },
				 .value = { .kind = REDO_BIN,
					    .s = { text, (uint32_t)strlen(text) } } };
	struct redo_row row = { .start_ts = 1,
				.commit_ts = 2,
				.table = { .db = { "d", 1 }, .table = { "t", 1 } },
				.columns = &c,
				.n_columns = 1 };
	struct commit_order_row out;
	struct err e = ERR_INIT;
	bool wild;

	assert_int_equal(commit_order_add(o, &row, &e), 0);
	assert_int_equal(commit_order_sort(o, &e), 0);
	assert_int_equal(commit_order_next(o, &out, &e), 1);
	wild = out.wild;
	commit_order_free(o);
	return wild;
}

static void a_text_that_the_collation_alone_can_compare_conflicts_with_all(void **unused)
{
	static const char *const unsafe[] = { "gbk_chinese_ci",
					      "gb2312_chinese_ci",
					      "big5_chinese_ci",
					      "utf8mb4_lithuanian_ci",
					      "utf8mb4_roman_ci",
					      "swe7_swedish_ci",
					      "macce_general_ci",
					      "geostd8_general_ci",
					      "gbk_chinese_nopad_ci",
					      "utf8mb4_of_tomorrow_ci",
					      "" };

	(void)unused;
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		assert_true(is_wild(unsafe[i], "y001"));
	assert_false(is_wild("utf8mb4_general_ci", "y001"));
	assert_true(is_wild("utf8mb4_general_ci", "\xc3\xa9"));
	assert_false(is_wild("utf8mb4_bin", "\xc3\xa9"));
	assert_false(is_wild("gbk_bin", "y001"));
}

int main(void)
{
	static enum replay_mode merge = REPLAY_MERGE, txn = REPLAY_TXN;
	const struct CMUnitTest tests[] = {
		FX_FOR_REAL_LOGS(a_log_of_ticdc_gives_the_rows_of_ticdc),
		cmocka_unit_test(a_reader_sees_whole_transactions_only_also_across_kills),
		cmocka_unit_test(the_reader_would_see_a_torn_transaction),
		cmocka_unit_test(a_table_without_a_key_gets_each_change_once),
		cmocka_unit_test(rows_without_a_key_that_are_there_are_passed_over),
		{ "keys_that_are_doubles_are_found_merge", keys_that_are_doubles_are_found, NULL,
		  NULL, &merge },
		{ "keys_that_are_doubles_are_found_txn", keys_that_are_doubles_are_found, NULL,
		  NULL, &txn },
		{ "keys_that_are_floats_are_found_merge", keys_that_are_floats_are_found, NULL,
		  NULL, &merge },
		{ "keys_that_are_floats_are_found_txn", keys_that_are_floats_are_found, NULL, NULL,
		  &txn },
		cmocka_unit_test(collations_that_may_be_folded_tell_ascii_apart),
		cmocka_unit_test(a_text_that_the_collation_alone_can_compare_conflicts_with_all),
		{ "a_generated_column_is_held_against_the_log_merge",
		  a_generated_column_is_held_against_the_log, NULL, NULL, &merge },
		{ "a_generated_column_is_held_against_the_log_txn",
		  a_generated_column_is_held_against_the_log, NULL, NULL, &txn },
		{ "an_id_that_came_and_went_is_not_given_out_again_merge",
		  an_id_that_came_and_went_is_not_given_out_again, NULL, NULL, &merge },
		{ "an_id_that_came_and_went_is_not_given_out_again_txn",
		  an_id_that_came_and_went_is_not_given_out_again, NULL, NULL, &txn },
		cmocka_unit_test(a_large_transaction_goes_in_pieces_and_whole),
		{ "a_permanent_error_names_table_and_key_merge",
		  a_permanent_error_names_table_and_key, NULL, NULL, &merge },
		{ "a_permanent_error_names_table_and_key_txn",
		  a_permanent_error_names_table_and_key, NULL, NULL, &txn },
	};
	int rc;

	fx_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fx_end();
	return rc;
}
