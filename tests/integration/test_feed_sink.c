/* needs: MariaDB.
 * What the changefeed's sink writes: held against plain SQL on both servers. */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/sql/fence.h"
#include "tests/integration/feed_pair.h"

/* The same on both servers, before a feed is there. */
static void both(const char *query)
{
	SQL(p, "%s", query);
	SQL(s, "%s", query);
}

/* The value 'a' leaves one row and is taken by another in a later transaction that does not fit
 * into the batch as a whole. */
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

/* Few rows, two unique keys, batches of two rows. Each round ends after a few transactions: what is
 * lost then is not mended by a later put. */
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
			int k = (int)rng_below(&r, 2), a = 1 + (int)rng_below(&r, 8),
			    b = 1 + (int)rng_below(&r, 8);
			const char *column = k ? "x" : "u";

			SQL(p, "BEGIN");
			if (rng_below(&r, 3) == 0)
				SQL(p, "UPDATE d.w SET v=v+1 WHERE id=%d",
				    1 + (int)rng_below(&r, 8));
			/* b gets what a had, and a a value that nobody had */
			if (a == b || rng_below(&r, 3) == 0) {
				SQL(p, "UPDATE d.w SET %s=%d WHERE id=%d", column, fresh_value, a);
				if (a != b)
					SQL(p, "UPDATE d.w SET %s=%d WHERE id=%d", column,
					    value[k][a], b);
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

/* Each character set of the server, with all that it can hold of one and two bytes (and of three,
 * where it has such) and that is text: as a value and as the key by which rows are changed and
 * deleted. Bytes are compared, and by the servers. */
static void every_character_set_arrives_byte_by_byte(void **unused)
{
	static const char *const numbers =
		"SELECT seq n FROM d.seq_0_to_255 UNION ALL SELECT seq FROM d.seq_32768_to_65535 WHERE %s";
	struct sql_rows sets = { 0 };
	struct err e = ERR_INIT;
	unsigned n = 0;

	(void)unused;
	struct feed_opts o = options();
	o.start_ts = fresh();
	struct feed *f = start(&o);
	must(sql_query(
		     p, &sets, &e,
		     "SELECT CHARACTER_SET_NAME, MAXLEN, CHARACTER_SET_NAME LIKE 'u%%' AND CHARACTER_SET_NAME <> 'ujis' FROM "
		     "information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary' ORDER BY 1"),
	     &e);
	for (; sql_rows_next(&sets, &e) == 1; n++) {
		const char *c = sets.cell[0];
		bool wide = *sets.cell[1] > '1', unicode = *sets.cell[2] == '1';
		char *from = xstrfmt(numbers, wide && !unicode ? "MOD(seq, 256) >= 48" : "0");

		SQL(p,
		    "CREATE TABLE d.cs_%s (v VARCHAR(8) CHARACTER SET %s COLLATE %s_bin PRIMARY KEY, w INT) ENGINE=InnoDB",
		    c, c, c);
		/* what is text: one character, which comes back from Unicode as the same bytes; a
		 * Unicode set takes all two-byte numbers from its own side */
		if (unicode)
			SQL(p,
			    "INSERT IGNORE INTO d.cs_%s SELECT CONVERT(CONVERT(UNHEX(LPAD(HEX(seq * 7), 8, '0')) USING utf32) USING %s), 0 FROM "
			    "d.seq_1_to_9000 WHERE seq * 7 NOT BETWEEN 0xd800 AND 0xdfff",
			    c, c);
		else
			SQL(p,
			    "INSERT IGNORE INTO d.cs_%s SELECT x, 0 FROM (SELECT x, CONVERT(CONVERT(x USING %s) USING utf8mb4) u FROM "
			    "(SELECT UNHEX(IF(n < 256, LPAD(HEX(n), 2, '0'), HEX(n))) x FROM (%s) n) x) t "
			    "WHERE CHAR_LENGTH(u) = 1 AND HEX(CONVERT(u USING %s)) = HEX(x)",
			    c, c, from, c);
		if (!strcmp(c, "ujis") || !strcmp(c, "eucjpms"))
			SQL(p,
			    "INSERT IGNORE INTO d.cs_%s SELECT x, 0 FROM (SELECT x, CONVERT(CONVERT(x USING %s) USING utf8mb4) u FROM (SELECT "
			    "UNHEX(CONCAT('8F', HEX(seq))) x FROM d.seq_41377_to_65278) x) t WHERE CHAR_LENGTH(u) = 1 AND HEX(CONVERT(u USING %s)) = HEX(x)",
			    c, c, c);
		SQL(p, "UPDATE d.cs_%s SET w = 1 WHERE ORD(v) %% 3 = 0", c);
		SQL(p, "DELETE FROM d.cs_%s WHERE ORD(v) %% 3 = 1", c);
		free(from);
	}
	sql_rows_release(&sets);
	assert_true(n > 30);
	caught_up(f);
	must(sql_query(p, &sets, &e,
		       "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'd'"),
	     &e);
	while (sql_rows_next(&sets, &e) == 1) {
		char *sum = xstrfmt(
			"SELECT CAST(CONV(LEFT(MD5(GROUP_CONCAT(HEX(v), ':', w ORDER BY HEX(v))), 15), 16, 10) AS UNSIGNED) FROM d.%s",
			sets.cell[0]);
		char *rows = xstrfmt("SELECT COUNT(*) FROM d.%s", sets.cell[0]);

		for (int i = 0; i < 2; i++)
			SQL(i ? s : p, "SET SESSION group_concat_max_len = 100000000");
		if (number(p, sum) != number(s, sum) || number(p, rows) < 60)
			fail_msg("%s: %" PRIu64 " rows on the primary, %" PRIu64
				 " on the secondary, or other ones",
				 sets.cell[0], number(p, rows), number(s, rows));
		free(sum);
		free(rows);
	}
	sql_rows_release(&sets);
	stop(f);
}

/* Bytes that would not come back are refused, with the row and the column. */
/* They have no form in the log: their table is left out, the others go on. */
static void bytes_that_are_no_text_are_named(void **unused)
{
	static const char *const c[][3] = { { "sjis", "435C", "x'5C'" },
					    { "ascii", "4180", "x'80'" },
					    { "tis620", "A0", "x'A0'" },
					    { "gbk", "41FE50", "x'FE50'" },
					    { "latin7", "41", NULL } };

	(void)unused;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct feed_opts o = options();
		o.start_ts = fresh();
		struct feed *f = start(&o);
		SQL(p,
		    "CREATE TABLE d.c (id INT PRIMARY KEY, b VARBINARY(9), v VARCHAR(9) CHARACTER SET %s)",
		    c[i][0]);
		SQL(p, "INSERT INTO d.c VALUES (77, x'%s', NULL)", c[i][1]);
		SQL(p, "CREATE TABLE d.other (id INT PRIMARY KEY)");
		SQL(p, "UPDATE d.c SET v = b");
		SQL(p, "INSERT INTO d.other VALUES (1)");
		caught_up(f);
		struct feed_status st;
		struct err e = ERR_INIT;
		must(feed_get_status(f, &st, &e), &e);
		if (c[i][2]) {
			const char *why = st.left_out[0].reason;

			assert_int_equal(st.n_left_out, 1);
			assert_string_equal(st.left_out[0].name, "d.c");
			if (!strstr(why, c[i][2]) || !strstr(why, "d.c.v") || !strstr(why, "=77") ||
			    !strstr(why, c[i][0]))
				fail_msg("%s", why);
			assert_int_equal(number(s, "SELECT COUNT(*) FROM d.c WHERE v IS NOT NULL"),
					 0);
			assert_int_equal(number(s, "SELECT COUNT(*) FROM d.other"), 1);
		} else {
			all_equal();
		}
		stop(f);
	}
}

/* 16 MiB is what the servers take at once. A literal of 9 MB of bytes is longer, so is a row of two
 * texts, and apostrophes count twice. */
static void long_rows_arrive(void **unused)
{
	(void)unused;
	struct feed_opts o = options();
	o.start_ts = fresh();
	struct feed *f = start(&o);
	assert_int_equal(number(s, "SELECT @@max_allowed_packet"), 16 << 20);
	SQL(p,
	    "CREATE TABLE d.l (id INT PRIMARY KEY, b LONGBLOB, t LONGTEXT, g LONGTEXT CHARACTER SET gbk)");
	SQL(p,
	    "INSERT INTO d.l VALUES (1, REPEAT(x'00FF', 4500000), 'c', NULL), (2, x'', REPEAT('''', 9000000), NULL)");
	SQL(p,
	    "INSERT INTO d.l VALUES (3, REPEAT('b', 16*1024*1024 - 1024), REPEAT('x', 9000000), REPEAT('中', 3000000))");
	SQL(p, "UPDATE d.l SET id = 4, t = CONCAT(t, 'y') WHERE id = 1");
	caught_up(f);
	for (int id = 2; id <= 4; id++) {
		char *q = xstrfmt(
			"SELECT CAST(CONV(LEFT(MD5(CONCAT_WS('|', MD5(b), MD5(t), MD5(g))), 15), 16, 10) AS UNSIGNED) FROM d.l WHERE id = %d",
			id);

		assert_int_equal(number(p, q), number(s, q));
		free(q);
	}
	assert_int_equal(number(s, "SELECT COUNT(*) FROM d.l"), 3);
	stop(f);
}

/* What the secondary is set up to take, and no more: the end names row and setting, and nothing is
 * tried for ever. */
static void a_row_that_the_secondary_cannot_take_is_named(void **unused)
{
	(void)unused;
	struct feed_opts o = options();
	o.start_ts = fresh();
	SQL(s, "SET GLOBAL max_allowed_packet = 1048576");
	struct feed *f = start(&o);
	SQL(p, "CREATE TABLE d.l (id INT PRIMARY KEY, b LONGBLOB)");
	SQL(p, "INSERT INTO d.l VALUES (41, REPEAT('b', 1000000))");
	SQL(p, "INSERT INTO d.l VALUES (42, REPEAT('b', 2000000))");
	struct err e = feed_ends(f);
	SQL(s, "SET GLOBAL max_allowed_packet = 16777216");
	if (!strstr(e.text, "d.l") || !strstr(e.text, "id=42") ||
	    !strstr(e.text, "2000000 bytes") || !strstr(e.text, "max_allowed_packet of 1048576"))
		fail_msg("%s", e.text);
	f = start(&o); /* raised as it says, the feed goes on */
	caught_up(f);
	assert_int_equal(number(s, "SELECT SUM(LENGTH(b)) FROM d.l"), 3000000);
	stop(f);
}

static uint64_t next_id(struct sql *c, const char *table)
{
	char *q = xstrfmt(
		"SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'd' AND TABLE_NAME = '%s'",
		table);
	uint64_t n = number(c, q);

	free(q);
	return n;
}

static void a_counter_does_not_stay_behind(void **unused)
{
	(void)unused;
	struct feed_opts o = options();
	o.start_ts = fresh();
	o.flush_ms = 3000; /* all of it is one batch */
	struct feed *f = start(&o);
	SQL(p, "CREATE TABLE d.m (id INT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE) ENGINE=MyISAM");
	SQL(p,
	    "CREATE TABLE d.i (k VARCHAR(9) PRIMARY KEY, u INT UNIQUE, id BIGINT UNSIGNED AUTO_INCREMENT, KEY (id))");
	SQL(p,
	    "CREATE TABLE d.n (id SMALLINT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE) AUTO_INCREMENT=100");
	caught_up(f);
	for (int i = 1; i <= 3; i++) {
		SQL(p, "INSERT INTO d.m (u) VALUES (%d)", i);
		SQL(p, "INSERT INTO d.i (k, u) VALUES ('%d', %d)", i, i);
		SQL(p, "INSERT INTO d.n (id, u) VALUES (%d, %d)", i, i);
	}
	SQL(p, "DELETE FROM d.m WHERE id = 3");
	SQL(p, "DELETE FROM d.i WHERE id > 1");
	/* the value goes on to a row that stays */
	SQL(p, "INSERT INTO d.n (u) VALUES (1001), (1002)");
	SQL(p, "DELETE FROM d.n WHERE id > 50");
	SQL(p, "UPDATE d.n SET u = 1002 WHERE id = 2");
	caught_up(f);
	all_equal();
	assert_int_equal(next_id(p, "m"), 4);
	assert_int_equal(next_id(p, "n"), 102);
	for (const char *const *t = (const char *const[]){ "m", "i", "n", NULL }; *t; t++)
		assert_int_equal(next_id(s, *t), next_id(p, *t));
	stop(f);
}

/* The session that wrote a row is in no log: what depends on it is told, before the row is
 * committed. */
static void a_generated_column_of_another_session_is_told(void **unused)
{
	static const struct {
		const char *column, *session, *row, *part[2];
	} c[] = {
		{ "a TIMESTAMP, b DATE AS (DATE(a)) STORED",
		  "time_zone='+05:00'",
		  "'2020-01-01 02:00:00'",
		  { "as 2019-12-31", "2020-01-01" } },
		{ "a TIMESTAMP, b DATE AS (DATE(a)) STORED, UNIQUE (b)",
		  "time_zone='+05:00'",
		  "'2020-01-01 02:00:00'",
		  { "as 2019-12-31", "2020-01-01" } },
		{ "a INT, b VARCHAR(30) AS (a/7) STORED",
		  "div_precision_increment=10",
		  "1",
		  { " as 0.1", "0.142857142857" } },
		{ "a INT, b DECIMAL(20,10) AS (a*2) STORED, f FLOAT AS (a/3) STORED, x VARBINARY(9) AS (CONCAT(a, 'x')) STORED, "
		  "l LONGTEXT AS (REPEAT('y ', a * 5000)) STORED, k VARCHAR(9) CHARACTER SET gbk AS (CONCAT(a, '  ')) STORED",
		  "div_precision_increment=4",
		  "1",
		  { NULL, NULL } },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct feed_opts o = options();
		o.start_ts = fresh();
		struct feed *f = start(&o);
		SQL(p, "CREATE TABLE d.u (id INT PRIMARY KEY, %s)", c[i].column);
		SQL(p, "INSERT INTO d.u (id, a) VALUES (1, %s)",
		    *c[i].row == '1' ? "2" : "'2019-12-31 12:00:00'");
		caught_up(f);
		SQL(p, "SET %s", c[i].session);
		/* an open table keeps the digits of the session that opened it */
		SQL(p, "FLUSH LOCAL TABLES d.u");
		SQL(p, "INSERT INTO d.u (id, a) VALUES (7, %s)", c[i].row);
		SQL(p, "SET time_zone='+00:00', div_precision_increment=4");
		if (!c[i].part[0]) {
			caught_up(f);
			all_equal();
			stop(f);
			continue;
		}
		struct err e = feed_ends(f);
		if (!strstr(e.text, "d.u") || !strstr(e.text, "id=7") ||
		    !strstr(e.text, c[i].part[0]) || !strstr(e.text, c[i].part[1]))
			fail_msg("%s", e.text);
		assert_int_equal(number(s, "SELECT COUNT(*) FROM d.u"), 1);
	}
}

/* Waits until the status says that a part stands still, and on what. */
static struct feed_status stands_still(struct feed *f, bool sink, const char *on)
{
	struct deadline d = deadline_in_ms(STILL_MS);
	struct feed_status st;
	struct err e = ERR_INIT;

	for (;;) {
		must(feed_get_status(f, &st, &e), &e);
		const struct feed_still *still = sink ? &st.sink_still : &st.log_still;
		if (st.state == FEED_RETRYING && still->ms >= FEED_STILL_MS &&
		    strstr(still->on, on) && strstr(st.error, on))
			return st;
		if (pause_ms(20, d) < 0)
			fail_msg("it says %s, log %" PRId64 " ms on \"%s\", sink %" PRId64
				 " ms on \"%s\"",
				 st.error, st.log_still.ms, st.log_still.on, st.sink_still.ms,
				 st.sink_still.on);
	}
}

static void moves_again(struct feed *f)
{
	struct deadline d = deadline_in_ms(STILL_MS);
	struct feed_status st;
	struct err e = ERR_INIT;

	caught_up(f);
	do {
		must(feed_get_status(f, &st, &e), &e);
	} while ((st.state != FEED_NORMAL || st.error[0]) && pause_ms(20, d) == 0);
	assert_int_equal(st.state, FEED_NORMAL);
	assert_string_equal(st.error, "");
}

/* A part that stands still is told with what it waits for, though the feed lives and will go on by
 * itself: the other part moves meanwhile. */
static void the_status_says_what_stands_still(void **unused)
{
	struct feed_status st;
	struct err e = ERR_INIT;

	(void)unused;
	struct feed_opts o = options();
	o.start_ts = fresh();
	struct feed *f = start(&o);
	SQL(p, "CREATE TABLE d.t (id INT PRIMARY KEY)");
	SQL(p, "INSERT INTO d.t VALUES (1)");
	caught_up(f);
	assert_int_equal(kill(proc_pid(test_server_proc(secondary)), SIGSTOP), 0);
	SQL(p, "INSERT INTO d.t VALUES (2)");
	st = stands_still(f, true, "d.t");
	bool on = resolved_goes_to(f, st.resolved_ts + 1);
	assert_int_equal(kill(proc_pid(test_server_proc(secondary)), SIGCONT), 0);
	assert_true(on);
	moves_again(f);

	/* somebody's lock */
	struct sql *reader = test_server_connect(secondary);
	SQL(reader, "BEGIN");
	assert_int_equal(number(reader, "SELECT COUNT(*) FROM d.t"), 2);
	SQL(p, "ALTER TABLE d.t ADD COLUMN v INT");
	stands_still(f, true, "ALTER TABLE d.t");
	SQL(reader, "ROLLBACK");
	sql_close(reader);
	moves_again(f);

	/* the store: its directory is a file, in one instant, or the feed would make a new one */
	char *redo = redo_dir(), *aside = xstrfmt("%s.aside", redo);
	must(fs_write_atomic(aside, "x", 1, 0644, &e), &e);
	assert_int_equal(renameat2(AT_FDCWD, redo, AT_FDCWD, aside, RENAME_EXCHANGE), 0);
	SQL(p, "INSERT INTO d.t VALUES (3, 3)");
	st = stands_still(f, false, "the redo ");
	assert_int_equal(renameat2(AT_FDCWD, redo, AT_FDCWD, aside, RENAME_EXCHANGE), 0);
	moves_again(f);
	free(redo);
	free(aside);
	all_equal();
	stop(f);
}

static void a_second_feed_of_one_id_is_told_as_such(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	struct feed_opts o = options();
	o.start_ts = fresh();
	struct feed *first = start(&o);
	struct feed_opts again = o;
	snprintf(again.status_path, sizeof(again.status_path), "%s.2", o.status_path);
	struct feed *second = feed_start(&again, NULL, &e);
	if (!second)
		fail_msg("%s", e.text);
	SQL(p, "CREATE TABLE d.t (id INT PRIMARY KEY)");
	e = feed_ends(first);
	if (!strstr(e.text, "another feed") || !strstr(e.text, o.id))
		fail_msg("%s", e.text);
	SQL(p, "INSERT INTO d.t VALUES (1)");
	caught_up(second);
	all_equal();
	stop(second);
}

/* The first feed has a row under way, is frozen, cut off by the second one's fence, and thawed when
 * the second has written newer values: what it had under way must not come back. */
static void a_feed_that_was_taken_over_writes_no_more(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	struct feed_opts o = options();
	o.start_ts = fresh();
	both("CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(20))");
	both("INSERT INTO d.t VALUES (1, 'first')");
	o.start_ts = primary_ts();
	struct feed *first = start(&o);
	pid_t pid = proc_pid(feed_proc(first));
	SQL(s, "BEGIN");
	SQL(s, "SELECT * FROM d.t FOR UPDATE");
	SQL(p, "UPDATE d.t SET v = 'stale'");
	while (!number(
		s,
		"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%stale%' AND ID <> CONNECTION_ID()"))
		usleep(20000);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	struct feed_opts again = o;
	snprintf(again.status_path, sizeof(again.status_path), "%s.2", o.status_path);
	struct feed *second = feed_start(&again, NULL, &e);
	if (!second)
		fail_msg("%s", e.text);
	SQL(s, "COMMIT");
	SQL(p, "UPDATE d.t SET v = 'newer'");
	caught_up(second);
	all_equal();
	assert_int_equal(kill(pid, SIGCONT), 0);
	e = feed_ends(first);
	if (!strstr(e.text, "another feed"))
		fail_msg("%s", e.text);
	caught_up(second);
	all_equal();
	stop(second);
}

static void who_takes_over_is_the_only_one(void **unused)
{
	struct err e = ERR_INIT;
	uint64_t older, newer, other, killed;

	(void)unused;
	fresh();
	must(fence_raise(s, "gen", &older, &e), &e);
	must(fence_raise(s, "gen-2", &other, &e), &e);
	must(fence_check(s, "gen", older, &e), &e);
	must(fence_raise(s, "gen", &newer, &e), &e);
	assert_true(newer > older);
	must(fence_check(s, "gen", newer, &e), &e);
	must(fence_check(s, "gen-2", other, &e), &e);
	assert_int_equal(fence_check(s, "gen", older, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	/* a replay takes over from all of them */
	must(fence_kill_for_replay(s, FENCE_REPLAY "default/gen", deadline_in_ms(STILL_MS), &killed,
				   &e),
	     &e);
	assert_int_equal(fence_check(s, "gen", newer, &e), -1);
	assert_int_equal(fence_check(s, "gen-2", other, &e), -1);
	must(fence_raise(s, "gen", &newer, &e), &e);
	SQL(s, "DROP TABLE drtest_feed.sink_generations");
	must(fence_check(s, "gen", newer, &e), &e);
	must(fence_raise(s, "gen", &older, &e), &e);
	assert_int_equal(fence_check(s, "gen", newer, &e), -1);
}

/* A column type as a key, its values as SQL has them, and how its bytes are read. */
static const struct key_type {
	const char *type, *read; /* read: HEX(x) unless told */
	bool prefix_too;         /* a part of it can be a key */
	const char *values[9];
} key_types[] = {
	{ "TINYINT", NULL, false, { "-128", "-1", "0", "1", "127" } },
	{ "BIGINT",
	  NULL,
	  false,
	  { "-9223372036854775808", "9223372036854775807", "0", "-1", "9007199254740993",
	    "9007199254740992" } },
	{ "BIGINT UNSIGNED",
	  NULL,
	  false,
	  { "18446744073709551615", "18446744073709551614", "9223372036854775808", "0" } },
	{ "DECIMAL(20,10)",
	  NULL,
	  false,
	  { "0.1", "-0.1", "1.1", "9999999999.9999999999", "9999999999.9999999998", "0", "1" } },
	{ "DECIMAL(65,30)",
	  NULL,
	  false,
	  { "0.1", "123456789012345678901234567890.123456789012345678901234567890",
	    "123456789012345678901234567890.123456789012345678901234567891", "-1" } },
	{ "FLOAT",
	  "FORMAT(x, 38)",
	  false,
	  { "0.1", "1.1", "3.4e38", "-1.17549e-38", "16777216", "0" } },
	{ "DOUBLE",
	  "FORMAT(x, 38)",
	  false,
	  { "0.1", "0.30000000000000004", "0.3", "1.7976931348623157e308",
	    "-2.2250738585072014e-308", "9007199254740993", "0" } },
	{ "BIT(9)", "HEX(x+0)", false, { "b'0'", "b'1'", "b'111111111'", "b'100000000'" } },
	{ "BIT(64)", "HEX(x+0)", false, { "x'FFFFFFFFFFFFFFFF'", "x'8000000000000001'", "x'00'" } },
	{ "YEAR", NULL, false, { "0", "1901", "2155" } },
	{ "DATE",
	  "HEX(CONCAT(x))",
	  false,
	  { "'0000-00-00'", "'2024-02-30'", "'9999-12-31'", "'2024-00-00'" } },
	{ "TIME(6)",
	  "HEX(CONCAT(x))",
	  false,
	  { "'-838:59:59.999999'", "'838:59:59.999999'", "'-00:00:00.000001'", "'00:00:00'",
	    "'00:00:01.5'" } },
	{ "TIME", "HEX(CONCAT(x))", false, { "'-00:00:01'", "'00:00:01'", "'23:59:59'" } },
	{ "DATETIME(3)",
	  "HEX(CONCAT(x))",
	  false,
	  { "'0000-00-00'", "'9999-12-31 23:59:59.999'", "'2024-01-01 00:00:00.001'",
	    "'2024-01-01'" } },
	{ "TIMESTAMP(6)",
	  "HEX(CONCAT(x))",
	  false,
	  { "'2038-01-19 03:14:07.999999'", "'1970-01-01 00:00:01'", "'2024-06-30 12:00:00.5'" } },
	{ "ENUM('a','it''s','ü','1')",
	  "HEX(CONCAT(x, ':', x+0))",
	  false,
	  { "'a'", "'it''s'", "'ü'", "'1'", "0" } },
	{ "SET('p','q','r')",
	  "HEX(CONCAT(x, ':', x+0))",
	  false,
	  { "''", "'p'", "'p,r'", "'p,q,r'" } },
	{ "CHAR(10)", NULL, true, { "''", "'a'", "'A\\\\'", "'it''s'", "'b '", "'\\n'" } },
	{ "VARCHAR(20)",
	  NULL,
	  true,
	  { "''", "'a'", "'it''s'", "'x\\\\y'", "'\\0'", "'ß'", "'😀'" } },
	{ "VARCHAR(20) COLLATE utf8mb4_bin", NULL, true, { "'a'", "'A'", "'ä'", "'à'", "'' " } },
	{ "VARCHAR(20) COLLATE utf8mb4_nopad_bin", NULL, true, { "'a'", "'a '", "'a  '", "'A'" } },
	{ "VARCHAR(20) CHARACTER SET latin1", NULL, true, { "'a'", "'é'", "'€'", "'it''s'" } },
	{ "VARCHAR(20) CHARACTER SET sjis", NULL, true, { "'a'", "'表'", "'ソ'" } },
	{ "VARCHAR(20) CHARACTER SET gbk COLLATE gbk_chinese_ci",
	  NULL,
	  true,
	  { "'y1'", "'中'", "'ch'" } },
	{ "VARCHAR(20) CHARACTER SET utf16", NULL, true, { "'a'", "'😀'", "'中'" } },
	{ "BINARY(5)", NULL, true, { "x'00'", "x'0000000001'", "x'FFFFFFFFFF'", "'a'", "'A'" } },
	{ "VARBINARY(20)",
	  NULL,
	  true,
	  { "''", "x'00'", "x'0000'", "x'27'", "x'5C'", "'a'", "'A'" } },
};

/* p, u, c: the key alone, as PRIMARY KEY and as UNIQUE, and beside another column; n: not the key,
 * but a unique value that moves. */
static void every_type_of_key(const struct key_type *k, unsigned number)
{
	static const char *const tables[][2] = { { "p", "PRIMARY KEY (x)" },
						 { "u", "UNIQUE (x)" },
						 { "c", "PRIMARY KEY (n, x)" },
						 { "d", "UNIQUE (x, n)" },
						 { "n", "PRIMARY KEY (n), UNIQUE (x)" } };

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		const char *name = tables[t][0];
		unsigned n = 0;

		SQL(p, "CREATE TABLE d.%s%u (n INT NOT NULL, x %s NOT NULL, v VARCHAR(20), %s)",
		    name, number, k->type, tables[t][1]);
		for (; n < 9 && k->values[n]; n++)
			SQL(p, "INSERT INTO d.%s%u VALUES (%u, %s, NULL)", name, number, n,
			    k->values[n]);
		SQL(p, "COMMIT");
		SQL(p, "UPDATE d.%s%u SET v = CONCAT('v', n)", name, number);
		SQL(p, "DELETE FROM d.%s%u WHERE n = 1", name, number);
		SQL(p, "UPDATE d.%s%u SET x = %s, v = 'moved' WHERE n = 0", name, number,
		    k->values[1]);
		SQL(p, "INSERT INTO d.%s%u VALUES (%u, %s, 'new')", name, number, n, k->values[0]);
		SQL(p, "COMMIT");
		SQL(p, "DELETE FROM d.%s%u WHERE n = %u", name, number, n - 1);
		SQL(p, "COMMIT");
	}
}

static char *table_sum(struct sql *c, const char *table, const char *read)
{
	struct strbuf sum = STRBUF_INIT;
	struct err e = ERR_INIT;

	must(sql_value(
		     c, &sum, &e,
		     "SELECT CONCAT(COUNT(*), ' ', GROUP_CONCAT(n, '=', %s, '/', IFNULL(v, '-') ORDER BY n, %s)) FROM d.%s",
		     read, read, table),
	     &e);
	return strbuf_detach(&sum);
}

/* With the secondary's optimizer left alone (small tables: it reads them whole) and made to use
 * every index (ranges). */
static void every_type_is_found_by_every_kind_of_key(void **unused)
{
	const unsigned n_types = sizeof(key_types) / sizeof(key_types[0]);
	struct feed_status st;
	struct err e = ERR_INIT;

	(void)unused;
	for (int ranges = 0; ranges < 2; ranges++) {
		struct feed_opts o = options();
		o.start_ts = fresh();
		SQL(s, ranges ? "SET GLOBAL max_seeks_for_key = 1"
			      : "SET GLOBAL max_seeks_for_key = DEFAULT");
		struct feed *f = start(&o);
		SQL(p,
		    "SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', autocommit = 0");
		for (unsigned i = 0; i < n_types; i++)
			every_type_of_key(&key_types[i], i);
		unsigned n_left = 0;
		for (unsigned i = 0; i < n_types && !ranges; i++) {
			if (!key_types[i].prefix_too)
				continue;
			SQL(p, "CREATE TABLE d.l%u (n INT, x %s, PRIMARY KEY (x(2)))", i,
			    key_types[i].type);
			SQL(p, "INSERT INTO d.l%u VALUES (1, %s)", i, key_types[i].values[0]);
			SQL(p, "COMMIT");
			n_left++;
		}
		SQL(p, "SET sql_mode = DEFAULT, autocommit = 1");
		caught_up(f);
		for (unsigned i = 0; i < n_types; i++)
			for (const char *t = "pucdn"; *t; t++) {
				char table[16];
				const char *read = key_types[i].read ? key_types[i].read : "HEX(x)";

				snprintf(table, sizeof(table), "%c%u", *t, i);
				char *a = table_sum(p, table, read), *b = table_sum(s, table, read);
				if (strcmp(a, b))
					fail_msg(
						"%s as the key of d.%s, ranges %d: primary %s, secondary %s",
						key_types[i].type, table, ranges, a, b);
				free(a);
				free(b);
			}
		must(feed_get_status(f, &st, &e), &e);
		assert_int_equal(st.n_left_out, n_left);
		stop(f);
	}
	SQL(s, "SET GLOBAL max_seeks_for_key = DEFAULT");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_unique_value_moves_across_a_batch),
		cmocka_unit_test(values_that_wander_lose_no_row),
		cmocka_unit_test(every_character_set_arrives_byte_by_byte),
		cmocka_unit_test(bytes_that_are_no_text_are_named),
		cmocka_unit_test(long_rows_arrive),
		cmocka_unit_test(a_row_that_the_secondary_cannot_take_is_named),
		cmocka_unit_test(a_counter_does_not_stay_behind),
		cmocka_unit_test(a_generated_column_of_another_session_is_told),
		cmocka_unit_test(the_status_says_what_stands_still),
		cmocka_unit_test(a_second_feed_of_one_id_is_told_as_such),
		cmocka_unit_test(a_feed_that_was_taken_over_writes_no_more),
		cmocka_unit_test(who_takes_over_is_the_only_one),
		cmocka_unit_test(every_type_is_found_by_every_kind_of_key),
	};
	int code;

	return feed_pair_main(argc, argv, &code)
		       ? code
		       : cmocka_run_group_tests(tests, feed_pair_setup, feed_pair_teardown);
}
