/* needs: MariaDB; MinIO for the drill on S3; redo-lint ($DRTEST_REDO_LINT) for the logs' format.
 * The changefeed between two real servers: types, DDLs, kills, outages, huge transactions. What its
 * sink writes: test_feed_sink.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/net/minio.h"
#include "harness/net/store.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"
#include "harness/redo/writer.h"
#include "tests/integration/feed_load.h"
#include "tests/integration/feed_pair.h"

static struct minio *minio;

/* Logs that the tests below leave, for redo_lint_finds_nothing_in_any_log. */
static char *logs[32];
static unsigned n_logs;

static void keep_log(char *log)
{
	assert_true(n_logs < sizeof(logs) / sizeof(logs[0]));
	logs[n_logs++] = log;
}

static void all_types_arrive(void **unused)
{
	struct feed_opts o;
	struct feed *f;
	tso_t ts = fresh();

	(void)unused;
	o = options();
	o.start_ts = ts;
	f = start(&o);
	SQL(p,
	    "CREATE TABLE d.t (id INT PRIMARY KEY, i1 TINYINT, i1u TINYINT UNSIGNED, i2 SMALLINT, i3 MEDIUMINT, i3u MEDIUMINT UNSIGNED, "
	    "i8 BIGINT, i8u BIGINT UNSIGNED, de DECIMAL(30,10), fl FLOAT, db DOUBLE, c CHAR(10), vc VARCHAR(300), tx TEXT, lt LONGTEXT, "
	    "bi BINARY(8), vb VARBINARY(300), bl BLOB, da DATE, ti TIME(6), dt DATETIME(3), ts TIMESTAMP(6) NULL, y YEAR, "
	    "en ENUM('a','b','it''s'), se SET('x','y','z'), bt BIT(17), js JSON, l1 VARCHAR(50) CHARACTER SET latin1, "
	    "gs INT AS (id * 2) STORED, gv INT AS (id * 3) VIRTUAL, UNIQUE KEY (i8u))");
	SQL(p, "SET time_zone='+03:00', sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'");
	SQL(p, "INSERT INTO d.t (id) VALUES (0)");
	SQL(p,
	    "INSERT INTO d.t (id,i1,i1u,i2,i3,i3u,i8,i8u,de,fl,db,c,vc,tx,lt,bi,vb,bl,da,ti,dt,ts,y,en,se,bt,js,l1) VALUES "
	    "(1,-128,255,-32768,-8388608,16777215,-9223372036854775808,18446744073709551615,-12345678901234567890.0123456789,3.4e38,"
	    "-1.7976931348623157e308,'ch','v''\\\\\\n\\0x','t\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80',REPEAT('l',70000),x'0102',x'00ff',x'0027225c',"
	    "'2024-02-30','-838:59:59.999999','9999-12-31 23:59:59.999','2038-01-19 03:14:07.5',2155,'it''s','x,z',b'10000000000000001',"
	    "'{\"a\": [1, \"\xc3\xa4\"]}','\xc3\xa4\xc3\xb6\xc3\xbc')");
	SQL(p,
	    "INSERT INTO d.t (id,i1,i8u,de,fl,db,c,vc,tx,bi,vb,bl,da,ti,dt,ts,y,en,se,bt) VALUES "
	    "(2,0,0,0,1.17549e-38,0.1,'','','','','','','0000-00-00','00:00:00.000001','0000-00-00 00:00:00','1970-01-01 03:00:01',0,'','',0)");
	SQL(p,
	    "INSERT INTO d.t (id,i8u,fl,db) VALUES (3,3,16777217,1e-300),(4,4,-0.0,9007199254740993)");
	SQL(p, "UPDATE d.t SET vc='changed', ti='-00:00:01.5' WHERE id=1");
	SQL(p, "UPDATE d.t SET id=10 WHERE id=4");
	SQL(p, "DELETE FROM d.t WHERE id=3");
	SQL(p, "SET time_zone='+00:00', sql_mode=DEFAULT");
	SQL(p,
	    "CREATE TABLE d.k (a VARCHAR(20) COLLATE utf8mb4_general_ci, b DECIMAL(5,2), v VARBINARY(9), PRIMARY KEY (a, b))");
	SQL(p, "INSERT INTO d.k VALUES ('a',1,'1'),('B',2.5,'2'),('',0,NULL)");
	SQL(p, "UPDATE d.k SET a='A' WHERE a='a'");
	SQL(p, "DELETE FROM d.k WHERE a='b'");
	caught_up(f);
	all_equal();
	stop(f);
	keep_log(redo_dir());
}

static void drill(const char *uri, unsigned kills, bool ddl, uint64_t seed)
{
	struct feed_opts o;
	struct feed *f;
	struct rng r;
	struct err e = ERR_INIT;

	fresh();
	feed_load_tables(p, s);
	tso_t ts = primary_ts();
	o = options();
	o.start_ts = ts;
	if (uri)
		snprintf(o.redo_uri, sizeof(o.redo_uri), "%s", uri);
	rng_seed(&r, seed);
	feed_load_start(primary, ddl, seed);
	tso_t told = 0; /* a checkpoint that was told never goes back */
	for (unsigned i = 0; i < kills; i++) {
		f = start(&o);
		struct feed_status st;
		must(feed_get_status(f, &st, &e), &e);
		if (st.checkpoint_ts < told)
			fail_msg("checkpoint %" PRIu64 " after %" PRIu64, st.checkpoint_ts, told);
		usleep((useconds_t)(100000 + rng_below(&r, 900000)));
		must(feed_get_status(f, &st, &e), &e);
		assert_true(st.checkpoint_ts <= st.resolved_ts);
		told = st.checkpoint_ts;
		kill_feed(f);
		/* a dead feed that nobody stopped */
		assert_int_equal(feed_get_status(f, &st, &e), -1);
		feed_free(f);
		feed_load_is_a_prefix(o.redo_uri, s);
	}
	f = start(&o);
	usleep(500000);
	uint64_t transactions = feed_load_stop();
	struct feed_status st = caught_up(f);
	print_message("%" PRIu64 " transactions in all; the last feed: %" PRIu64
		      " transactions, %" PRIu64 " rows, %" PRIu64 " DDLs\n",
		      transactions, st.transactions, st.rows, st.ddls);
	all_equal();
	stop(f);
	feed_load_is_a_prefix(o.redo_uri, s);
	if (!uri)
		keep_log(redo_dir());
}

static void kills_under_load_lose_nothing(void **unused)
{
	(void)unused;
	drill(NULL, 8, false, 11);
}

static void kills_among_ddls_lose_nothing(void **unused)
{
	(void)unused;
	drill(NULL, 12, true, 12);
}

static void kills_under_load_with_s3_lose_nothing(void **unused)
{
	struct err e = ERR_INIT;
	char *data = xstrfmt("%s/minio", dir), *log = xstrfmt("%s/minio.log", dir),
	     *binary = minio_find(&e);
	char *uri = NULL;

	(void)unused;
	if (!binary) {
		print_message("no MinIO here: %s\n", e.text);
		free(data);
		free(log);
		skip();
	}
	free(binary);
	minio = minio_start(&(struct minio_opts){ .data_dir = data,
						  .log_path = log,
						  .user = "minio",
						  .password = "miniostorage" },
			    deadline_in_ms(STILL_MS), &e);
	if (!minio)
		fail_msg("%s", e.text);
	uri = xstrfmt(
		"s3://redo/drill?access-key=minio&secret-access-key=miniostorage&endpoint=http://127.0.0.1:%d&force-path-style=true",
		minio_port(minio));
	struct store *st = store_open(uri, NULL, &e);
	must(st ? store_create_bucket(st, &e) : -1, &e);
	store_free(st);
	drill(uri, 3, true, 13);
	minio_free(minio);
	minio = NULL;
	free(uri);
	free(data);
	free(log);
}

static void resolved_advances_on_an_idle_primary(void **unused)
{
	struct feed_opts o;
	struct feed_status a, b;
	struct err e = ERR_INIT;

	(void)unused;
	tso_t ts = fresh();
	o = options();
	o.start_ts = ts;
	struct feed *f = start(&o);
	caught_up(f);
	must(feed_get_status(f, &a, &e), &e);
	resolved_reaches(f, a.resolved_ts + ((tso_t)1000 << 18));
	resolved_reaches(f, a.checkpoint_ts + ((tso_t)3000 << 18)); /* and the checkpoint follows */
	must(feed_get_status(f, &b, &e), &e);
	assert_true(b.checkpoint_ts > a.checkpoint_ts);
	assert_true(b.lag_ms >= 0);
	assert_int_equal(b.state, FEED_NORMAL);
	stop(f);
}

static void an_unknown_start_is_said(void **unused)
{
	struct feed_opts o;
	struct err e = ERR_INIT;

	(void)unused;
	fresh();
	o = options();
	o.start_ts = 1;
	assert_null(feed_start(&o, NULL, &e));
	assert_non_null(strstr(e.text, "start_ts 1 is unknown"));
	o.start_ts = tso_make(clock_wall_ms() + 3600000, 0);
	assert_null(feed_start(&o, NULL, &e));
	assert_non_null(strstr(e.text, "is unknown"));
}

/* Two changefeeds in one place would be taken for one log by every reader. */
static void a_place_that_holds_another_changefeeds_log_is_refused(void **unused)
{
	struct feed_opts o;
	struct redo_writer *w;
	struct store *place;
	struct err e = ERR_INIT;

	(void)unused;
	fresh();
	o = options();
	o.start_ts = 1;
	place = store_open(o.redo_uri, NULL, &e);
	assert_non_null(place);
	assert_int_equal(store_create_bucket(place, &e), 0);
	w = redo_writer_new(
		place, &(struct redo_writer_opts){ .capture = "c", .changefeed = "another" }, &e);
	assert_int_equal(
		redo_writer_meta(w, &(struct redo_meta){ .checkpoint_ts = 1, .resolved_ts = 2 },
				 &e),
		0);
	redo_writer_free(w);
	store_free(place);
	assert_null(feed_start(&o, NULL, &e));
	if (!strstr(e.text, "has the redo log of another changefeed, default/another"))
		fail_msg("%s", e.text);
}

/* The directory of the log is a plain file for a while. */
static void a_store_outage_holds_resolved_and_loses_nothing(void **unused)
{
	struct feed_opts o;
	struct feed_status before, during;
	struct err e = ERR_INIT;
	char *redo, *aside;

	(void)unused;
	fresh();
	feed_load_tables(p, s);
	tso_t ts = primary_ts();
	o = options();
	o.start_ts = ts;
	struct feed *f = start(&o);
	feed_load_start(primary, false, 21);
	usleep(700000);
	redo = redo_dir();
	aside = xstrfmt("%s.aside", redo);
	must(fs_write_atomic(aside, "x", 1, 0644, &e), &e);
	/* at once: the feed makes a directory that is absent */
	assert_int_equal(renameat2(AT_FDCWD, redo, AT_FDCWD, aside, RENAME_EXCHANGE), 0);
	log_says("retrying");
	must(feed_get_status(f, &before, &e), &e);
	usleep(1500000);
	must(feed_get_status(f, &during, &e), &e);
	assert_int_equal(before.resolved_ts, during.resolved_ts);
	assert_true(during.checkpoint_ts <= during.resolved_ts);
	assert_int_equal(renameat2(AT_FDCWD, redo, AT_FDCWD, aside, RENAME_EXCHANGE), 0);
	assert_int_equal(unlink(aside), 0);
	usleep(500000);
	feed_load_stop();
	caught_up(f);
	all_equal();
	stop(f);
	keep_log(redo);
	free(aside);
}

static void the_feed_survives_lost_connections(void **unused)
{
	struct feed_opts o;
	struct sql_rows r = { 0 };
	struct err e = ERR_INIT;

	(void)unused;
	fresh();
	feed_load_tables(p, s);
	tso_t ts = primary_ts();
	o = options();
	o.start_ts = ts;
	struct feed *f = start(&o);
	feed_load_start(primary, false, 22);
	usleep(500000);
	must(sql_query(
		     p, &r, &e,
		     "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%%'"),
	     &e);
	while (sql_rows_next(&r, &e) == 1)
		SQL(p, "KILL %s", r.cell[0]);
	sql_rows_release(&r);
	usleep(500000);
	sql_close(s);
	test_server_kill(secondary);
	usleep(300000);
	test_server_restart(secondary);
	s = test_server_connect(secondary);
	usleep(500000);
	must(sql_query(
		     s, &r, &e,
		     "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND COMMAND <> 'Daemon' AND "
		     "USER <> 'system user'"),
	     &e);
	while (sql_rows_next(&r, &e) == 1)
		sql_exec(s, NULL, "KILL %s", r.cell[0]);
	sql_rows_release(&r);
	usleep(300000);
	feed_load_stop();
	caught_up(f);
	all_equal();
	stop(f);
	keep_log(redo_dir());
}

static long peak_resident_kib(struct feed *f)
{
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	char *path = xstrfmt("/proc/%d/status", (int)proc_pid(feed_proc(f)));

	must(fs_read_file(path, 65536, &text, &e), &e);
	assert_non_null(strstr(text.buf, "VmHWM:"));
	long kib = strtol(strstr(text.buf, "VmHWM:") + 6, NULL, 10);
	free(path);
	strbuf_release(&text);
	print_message("feed: peak resident %ld KiB\n", kib);
	return kib;
}

struct placed { /* commitTs of rows, and the file that they are in */
	tso_t ts[4000];
	size_t file[4000], n, now, cut;
};

static int place(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct placed *all = arg;

	(void)offset;
	(void)e;
	if (ev->kind != REDO_ROW)
		return 0;
	for (size_t i = 0; i < all->n; i++)
		if (all->ts[i] == ev->row.commit_ts) {
			all->cut += all->file[i] != all->now;
			return 0;
		}
	assert_true(all->n < 4000);
	all->ts[all->n] = ev->row.commit_ts;
	all->file[all->n++] = all->now;
	return 0;
}

/* Of 8 kB a file, and transactions of up to 7 kB: none is cut, so none is ever promised by half.
 * One that no file can hold has files of its own. */
static void a_transaction_lies_in_one_file(void **unused)
{
	static struct placed all;
	struct redo_parse_result res;
	struct redo_files files;
	struct feed_opts o;
	struct err e = ERR_INIT;
	struct rng r;

	(void)unused;
	tso_t ts = fresh();
	o = options();
	o.start_ts = ts;
	o.max_log_bytes = 8000;
	struct feed *f = start(&o);
	/* so nothing is collected */
	assert_int_equal(kill(proc_pid(test_server_proc(secondary)), SIGSTOP), 0);
	SQL(p, "CREATE TABLE d.cut (id INT PRIMARY KEY, pad VARCHAR(300))");
	rng_seed(&r, 15);
	for (unsigned i = 0; i < 200; i++)
		SQL(p, "INSERT INTO d.cut SELECT seq + %u, REPEAT('x', %u) FROM d.seq_1_to_%u",
		    i * 100, (unsigned)rng_below(&r, 300), 1 + (unsigned)rng_below(&r, 9));
	resolved_reaches(f, primary_ts());
	char *redo = redo_dir(), *uri = xstrfmt("file://%s", redo);
	struct store *log = store_open(uri, NULL, &e);
	must(log ? redo_list_files(log, &files, &e) : -1, &e);
	for (all.now = 0; all.now < files.n; all.now++)
		must(redo_read_file(log, &files.f[all.now], place, &all, &res, &e), &e);
	assert_true(all.n >= 200 && files.n > 30);
	assert_int_equal(all.cut, 0);
	redo_files_release(&files);
	store_free(log);
	free(uri);
	free(redo);
	SQL(p, "UPDATE d.cut SET pad = 'y'"); /* more than a file */
	resolved_reaches(f, primary_ts());
	assert_int_equal(kill(proc_pid(test_server_proc(secondary)), SIGCONT), 0);
	caught_up(f);
	all_equal();
	stop(f);
	keep_log(redo_dir());
}

/* The log is what a secondary that stands still has left to recover from: it takes 40 MB meanwhile,
 * and the feed's memory does not. */
static void a_secondary_that_stands_still_does_not_hold_the_log(void **unused)
{
	struct feed_opts o;
	struct feed_status st;
	struct err e = ERR_INIT;

	(void)unused;
	tso_t ts = fresh();
	o = options();
	o.start_ts = ts;
	struct feed *f = start(&o);
	SQL(p, "CREATE TABLE d.still (id INT PRIMARY KEY, pad VARCHAR(1100))");
	caught_up(f);
	assert_int_equal(kill(proc_pid(test_server_proc(secondary)), SIGSTOP), 0);
	for (unsigned i = 0; i < 40; i++)
		SQL(p,
		    "INSERT INTO d.still SELECT seq + %u, REPEAT(MD5(seq), 32) FROM d.seq_1_to_1000",
		    i * 1000);
	tso_t last = primary_ts();
	bool reached = resolved_goes_to(f, last);
	must(feed_get_status(f, &st, &e), &e);
	assert_int_equal(kill(proc_pid(test_server_proc(secondary)), SIGCONT), 0);
	if (!reached)
		fail_msg("resolvedTs stands at %" PRIu64 " of %" PRIu64, st.resolved_ts, last);
	assert_true(st.checkpoint_ts < last);
	caught_up(f);
	assert_true(peak_resident_kib(f) < 64 << 10);
	all_equal();
	stop(f);
	keep_log(redo_dir());
}

/* It stops before the feed has met a table, the feed dies and comes again, DDLs come: the log has
 * all of it, and the secondary gets it in the end. */
static void the_log_needs_nothing_of_the_secondary(void **unused)
{
	struct feed_opts o;

	(void)unused;
	fresh();
	SQL(p, "CREATE TABLE d.unmet (id INT PRIMARY KEY, v INT UNIQUE)");
	SQL(s, "CREATE TABLE d.unmet (id INT PRIMARY KEY, v INT UNIQUE)");
	SQL(p, "CREATE TABLE d.keyed (a INT NOT NULL UNIQUE, g INT AS (a + 1) STORED)");
	SQL(s, "CREATE TABLE d.keyed (a INT NOT NULL UNIQUE, g INT AS (a + 1) STORED)");
	tso_t ts = primary_ts();
	o = options();
	o.start_ts = ts;
	struct feed *f = start(&o);
	assert_int_equal(kill(proc_pid(test_server_proc(secondary)), SIGSTOP), 0);
	SQL(p, "INSERT INTO d.unmet VALUES (1, 1)");
	resolved_reaches(f, primary_ts());
	kill_feed(f);
	feed_free(f);
	f = start(&o);
	SQL(p, "INSERT INTO d.unmet VALUES (9, 9)");
	resolved_reaches(f, primary_ts());
	SQL(p, "ALTER TABLE d.unmet ADD COLUMN c INT DEFAULT 5");
	SQL(p, "INSERT INTO d.unmet VALUES (2, 2, 2)");
	SQL(p, "INSERT INTO d.keyed (a) VALUES (7)");
	SQL(p, "CREATE TABLE d.young (id INT PRIMARY KEY)");
	SQL(p, "INSERT INTO d.young VALUES (1)");
	resolved_reaches(f, primary_ts());
	SQL(p, "INSERT INTO d.young VALUES (2)");
	resolved_reaches(f, primary_ts());
	SQL(p, "DROP TABLE d.keyed");
	SQL(p, "INSERT INTO d.unmet VALUES (3, 3, 3)");
	resolved_reaches(f, primary_ts());
	assert_int_equal(kill(proc_pid(test_server_proc(secondary)), SIGCONT), 0);
	caught_up(f);
	all_equal();
	stop(f);
	keep_log(redo_dir());
}

static void *let_go(void *reader)
{
	usleep(1500000);
	sql_exec(reader, NULL, "ROLLBACK");
	return NULL;
}

/* A reader of the secondary holds a DDL up; the feed dies in it; the next one runs it before it
 * says that all is normal. */
static void a_feed_that_died_in_a_ddl_runs_it_again(void **unused)
{
	struct feed_opts o;
	struct deadline d = deadline_in_ms(STILL_MS);
	struct sql *reader;
	pthread_t thread;

	(void)unused;
	fresh();
	feed_load_tables(p, s);
	tso_t ts = primary_ts();
	o = options();
	o.start_ts = ts;
	struct feed *f = start(&o);
	SQL(p, "INSERT INTO d.a VALUES (1, 1, 'x')");
	caught_up(f);
	reader = test_server_connect(secondary);
	SQL(reader, "BEGIN");
	assert_int_equal(number(reader, "SELECT COUNT(*) FROM d.a"), 1);
	SQL(p, "ALTER TABLE d.a ADD COLUMN held INT NOT NULL DEFAULT 3");
	while (!number(
		s,
		"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata lock'"))
		assert_int_equal(pause_ms(20, d), 0);
	kill_feed(f);
	feed_free(f);
	assert_int_equal(pthread_create(&thread, NULL, let_go, reader), 0);
	f = start(&o);
	pthread_join(thread, NULL);
	assert_int_equal(number(s, "SELECT held FROM d.a"), 3);
	SQL(p, "UPDATE d.a SET held = 4");
	caught_up(f);
	all_equal();
	stop(f);
	sql_close(reader);
}

/* 60,000 rows of 1 KiB in one transaction, more than the feed may hold. */
static void a_huge_transaction_passes_within_64_mib(void **unused)
{
	struct feed_opts o;

	(void)unused;
	fresh();
	feed_load_tables(p, s);
	tso_t ts = primary_ts();
	o = options();
	o.start_ts = ts;
	struct feed *f = start(&o);
	SQL(p, "CREATE TABLE d.big (id INT PRIMARY KEY, pad VARCHAR(1100))");
	SQL(p, "INSERT INTO d.big SELECT seq, REPEAT(MD5(seq), 32) FROM d.seq_1_to_60000");
	SQL(p, "UPDATE d.big SET id = id + 100000, pad = REPEAT('x', 500) WHERE id %% 3 = 0");
	SQL(p, "DELETE FROM d.big WHERE id %% 2 = 0");
	caught_up(f);
	assert_true(peak_resident_kib(f) < 64 << 10);
	all_equal();
	stop(f);
	keep_log(redo_dir());
}

static void without_a_log_the_checkpoint_is_in_the_secondary(void **unused)
{
	struct feed_opts o;
	struct feed *f;

	(void)unused;
	fresh();
	feed_load_tables(p, s);
	tso_t ts = primary_ts();
	o = options();
	o.start_ts = ts;
	o.redo_uri[0] = '\0';
	feed_load_start(primary, true, 23);
	for (int i = 0; i < 4; i++) {
		f = start(&o);
		usleep(400000);
		kill_feed(f);
		feed_free(f);
	}
	f = start(&o);
	feed_load_stop();
	caught_up(f);
	all_equal();
	stop(f);
	assert_true(number(s, "SELECT MAX(checkpoint_ts) FROM drtest_feed.checkpoint") > ts);
}

static void an_orderly_end_leaves_nothing_undone(void **unused)
{
	struct feed_opts o;
	struct feed_status st;

	(void)unused;
	fresh();
	feed_load_tables(p, s);
	tso_t ts = primary_ts();
	o = options();
	o.start_ts = ts;
	o.flush_ms = 600000; /* nothing would be flushed by itself */
	struct feed *f = start(&o);
	for (int i = 0; i < 50; i++)
		SQL(p, "INSERT INTO d.a VALUES (%d, %d, 'x')", i, i);
	has_read(f, 50);
	st = stop_told(f);
	assert_int_equal(st.state, FEED_STOPPED);
	assert_true(st.checkpoint_seq >= primary_seq());
	all_equal();
}

/* The log's format, held against a reader that was written from its specification alone. */
static void redo_lint_finds_nothing_in_any_log(void **unused)
{
	const char *tool = getenv("DRTEST_REDO_LINT") ? getenv("DRTEST_REDO_LINT")
						      : "../shared/tools/redo-lint";
	unsigned bad = 0;

	(void)unused;
	if (!fs_exists(tool)) {
		print_message(
			"skipped: no redo-lint at %s ($DRTEST_REDO_LINT): the logs' format is not held against it\n",
			tool);
		skip();
	}
	if (!n_logs)
		all_types_arrive(NULL);
	for (unsigned i = 0; i < n_logs; i++) {
		char *argv[] = { (char *)(uintptr_t)tool, logs[i], NULL };
		struct strbuf out = STRBUF_INIT;
		struct err e = ERR_INIT;
		int rc = proc_run(argv, NULL, &out, 1 << 20, deadline_in_ms(STILL_MS), &e);

		print_message("redo-lint %s: %s%s\n", strrchr(logs[i], '/') + 1, out.buf,
			      rc < 0 ? e.text : "");
		bad += rc != 0;
		strbuf_release(&out);
	}
	assert_int_equal(bad, 0);
}

/* Only the secondary has the structure of a table without a primary key for certain. It says that
 * it is there, and is then silent: somebody holds the table's lock. */
static void a_silent_secondary_does_not_stop_the_log(void **unused)
{
	(void)unused;
	struct feed_opts o = options();
	o.start_ts = fresh();
	o.force_replicate = true;
	struct feed *f = start(&o);
	SQL(p, "CREATE TABLE d.t (a INT UNIQUE, b INT)");
	SQL(p, "INSERT INTO d.t VALUES (1, 1)");
	caught_up(f);
	SQL(p, "ALTER TABLE d.t ADD COLUMN c INT"); /* its structure is asked for again */
	caught_up(f);
	/* a RENAME that has its first table's lock and waits for the second one's */
	struct sql *reader = test_server_connect(secondary),
		   *holder = test_server_connect(secondary);
	static const char rename[] = "RENAME TABLE d.t TO d.x, d.z TO d.y";
	SQL(s, "CREATE TABLE d.z (a INT)");
	SQL(reader, "BEGIN");
	number(reader, "SELECT COUNT(*) FROM d.z");
	mysql_send_query(sql_handle(holder), rename, sizeof(rename) - 1);
	while (!number(s, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE "
			  "'RENAME%' AND STATE LIKE '%metadata lock'"))
		usleep(20000);
	SQL(p, "INSERT INTO d.t VALUES (2, 2, 2)");
	bool on = resolved_goes_to(f, primary_ts());
	SQL(s, "KILL %llu", (unsigned long long)sql_connection_id(holder));
	while (number(s, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE "
			 "'RENAME%'"))
		usleep(20000);
	sql_close(holder);
	sql_close(reader);
	SQL(s, "DROP TABLE d.z");
	assert_true(on);
	caught_up(f);
	all_equal();
	stop(f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_types_arrive),
		cmocka_unit_test(resolved_advances_on_an_idle_primary),
		cmocka_unit_test(an_unknown_start_is_said),
		cmocka_unit_test(a_place_that_holds_another_changefeeds_log_is_refused),
		cmocka_unit_test(an_orderly_end_leaves_nothing_undone),
		cmocka_unit_test(kills_under_load_lose_nothing),
		cmocka_unit_test(kills_among_ddls_lose_nothing),
		cmocka_unit_test(without_a_log_the_checkpoint_is_in_the_secondary),
		cmocka_unit_test(a_store_outage_holds_resolved_and_loses_nothing),
		cmocka_unit_test(the_feed_survives_lost_connections),
		cmocka_unit_test(a_feed_that_died_in_a_ddl_runs_it_again),
		cmocka_unit_test(a_secondary_that_stands_still_does_not_hold_the_log),
		cmocka_unit_test(the_log_needs_nothing_of_the_secondary),
		cmocka_unit_test(a_silent_secondary_does_not_stop_the_log),
		cmocka_unit_test(a_transaction_lies_in_one_file),
		cmocka_unit_test(a_huge_transaction_passes_within_64_mib),
		cmocka_unit_test(kills_under_load_with_s3_lose_nothing),
		cmocka_unit_test(redo_lint_finds_nothing_in_any_log),
	};
	int code;

	if (feed_pair_main(argc, argv, &code))
		return code;
	code = cmocka_run_group_tests(tests, feed_pair_setup, feed_pair_teardown);
	while (n_logs)
		free(logs[--n_logs]);
	return code;
}
