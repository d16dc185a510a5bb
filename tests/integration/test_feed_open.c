/* needs: MariaDB.
 * What the changefeed holds a secondary against, before its first write and at each, and what it
 * says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/xalloc.h"
#include "harness/replay/replay.h"
#include "tests/integration/feed_pair.h"

/* The same on both servers, before a feed is there. */
static void both(const char *query)
{
	SQL(p, "%s", query);
	SQL(s, "%s", query);
}

static void triggers_of_the_secondary_are_refused(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	fresh();
	both("CREATE TABLE d.t (id INT PRIMARY KEY)");
	both("CREATE TABLE d.audit (id INT AUTO_INCREMENT PRIMARY KEY)");
	both("CREATE TRIGGER d.tell AFTER INSERT ON d.t FOR EACH ROW INSERT INTO d.audit VALUES (NULL)");
	struct feed_opts o = options();
	o.start_ts = primary_ts();
	assert_null(feed_start(&o, NULL, &e));
	if (!strstr(e.text, "d.tell on d.t"))
		fail_msg("%s", e.text);
	SQL(s, "DROP TRIGGER d.tell");
	struct feed *f = start(&o);
	SQL(p, "INSERT INTO d.t VALUES (1), (2)");
	SQL(p,
	    "CREATE TRIGGER d.later AFTER INSERT ON d.t FOR EACH ROW INSERT INTO d.audit VALUES (NULL)");
	SQL(p, "INSERT INTO d.t VALUES (3)");
	caught_up(f);
	assert_int_equal(number(s, "SELECT COUNT(*) FROM d.audit"), 4);
	all_equal();
	stop(f);
}

/* The changefeed does not start, says so, and has written nothing. */
static void refused(const struct feed_opts *o, const char *why)
{
	struct err e = ERR_INIT;

	assert_null(feed_start(o, NULL, &e));
	if (!strstr(e.text, why))
		fail_msg("\"%s\" should say \"%s\"", e.text, why);
	assert_int_equal(
		number(s,
		       "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'drtest_feed'"),
		0);
}

static void a_secondary_that_is_another_kind_of_server_is_refused(void **unused)
{
	static const struct {
		const char *set, *back, *why;
	} wrong[] = {
		{ "SET GLOBAL div_precision_increment = 7",
		  "SET GLOBAL div_precision_increment = 4",
		  "div_precision_increment is \"4\" on the primary and \"7\" on the secondary" },
		{ "SET GLOBAL default_week_format = 3", "SET GLOBAL default_week_format = 0",
		  "default_week_format" },
		{ "SET GLOBAL old_mode = ''", "SET GLOBAL old_mode = DEFAULT", "old_mode" },
		{ "SET GLOBAL enforce_storage_engine = 'MyISAM'",
		  "SET GLOBAL enforce_storage_engine = NULL", "enforce_storage_engine" },
		{ "SET GLOBAL innodb_default_row_format = 'compact'",
		  "SET GLOBAL innodb_default_row_format = DEFAULT", "innodb_default_row_format" },
		{ "SET GLOBAL innodb_compression_default = 1",
		  "SET GLOBAL innodb_compression_default = 0", "innodb_compression_default" },
		{ "CREATE EVENT d.tick ON SCHEDULE EVERY 1 DAY DO SET @x = 1", "DROP EVENT d.tick",
		  "the event d.tick" },
	};

	(void)unused;
	fresh();
	SQL(s, "DROP DATABASE IF EXISTS drtest_feed");
	SQL(s, "SET GLOBAL event_scheduler = ON");
	struct feed_opts o = options();
	o.start_ts = primary_ts();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		SQL(s, "%s", wrong[i].set);
		refused(&o, wrong[i].why);
		SQL(s, "%s", wrong[i].back);
	}
	SQL(s, "SET GLOBAL event_scheduler = OFF");
	SQL(s, "CREATE EVENT d.tick ON SCHEDULE EVERY 1 DAY DO SET @x = 1"); /* nobody runs it */
	SQL(s, "CREATE USER sink@'%%'");
	SQL(s, "GRANT ALL ON *.* TO sink@'%%'");
	SQL(s, "REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM sink@'%%'");
	snprintf(o.sink.user, sizeof(o.sink.user), "sink");
	o.sink.password[0] = '\0';
	SQL(s, "SET GLOBAL read_only = 1");
	refused(&o, "the secondary is read-only (SET GLOBAL read_only = 0");
	SQL(s, "SET GLOBAL read_only = 0");
	stop(start(&o));
	SQL(s, "DROP EVENT d.tick");
	SQL(s, "DROP USER sink@'%%'");
}

/* Whatever sessions get there by themselves, ours are ours. */
static void globals_of_the_secondary_do_not_change_a_row(void **unused)
{
	static const char *const odd[][2] = {
		{ "init_connect",
		  "'SET NAMES latin1, autocommit = 0, foreign_key_checks = 1, sql_log_bin = 0'" },
		{ "sql_mode", "'STRICT_ALL_TABLES,ANSI,NO_ZERO_DATE,PAD_CHAR_TO_FULL_LENGTH'" },
		{ "autocommit", "0" },
		{ "completion_type", "'CHAIN'" },
		{ "sql_safe_updates", "1" },
		{ "sql_select_limit", "1" },
		{ "max_error_count", "0" },
		{ "unique_checks", "0" },
		{ "tx_read_only", "1" },
		{ "sql_if_exists", "1" },
		{ "max_statement_time", "0.001" },
		{ "character_set_server", "'latin1'" },
		{ "collation_server", "'latin1_swedish_ci'" },
		{ "default_storage_engine", "'MyISAM'" },
		{ "time_zone", "'-11:00'" },
		{ "sql_quote_show_create", "0" },
		{ "sql_big_selects", "0" },
		{ "max_join_size", "1" },
		{ "alter_algorithm", "'INSTANT'" },
	};
	enum { N = sizeof(odd) / sizeof(odd[0]) };
	struct strbuf was[N];
	struct err e = ERR_INIT;

	(void)unused;
	fresh();
	SQL(s, "CREATE USER sink@'%%'");
	SQL(s, "GRANT ALL ON *.* TO sink@'%%'");
	SQL(s,
	    "REVOKE SUPER, CONNECTION ADMIN ON *.* FROM sink@'%%'"); /* init_connect is for such */
	struct feed_opts o = options();
	o.start_ts = primary_ts();
	snprintf(o.sink.user, sizeof(o.sink.user), "sink");
	o.sink.password[0] = '\0';
	for (size_t i = 0; i < N; i++) {
		was[i] = (struct strbuf)STRBUF_INIT;
		must(sql_value(s, &was[i], &e, "SELECT QUOTE(@@GLOBAL.%s)", odd[i][0]), &e);
		SQL(s, "SET GLOBAL %s = %s", odd[i][0], odd[i][1]);
	}
	struct feed *f = start(&o);
	SQL(p,
	    "CREATE TABLE d.t (id INT PRIMARY KEY, c CHAR(9), z DATE DEFAULT '0000-00-00', u INT UNIQUE, ts TIMESTAMP NULL)");
	SQL(p,
	    "INSERT INTO d.t VALUES (1,'ä€','0000-00-00',1,'2020-01-01 00:00:00'),(2,'x',NULL,2,NULL),(3,'y',NULL,3,NULL)");
	SQL(p, "UPDATE d.t SET u = u + 10, c = CONCAT(c, '😀')");
	SQL(p, "DELETE FROM d.t WHERE id > 2");
	SQL(p, "ALTER TABLE d.t ADD COLUMN n VARCHAR(20) DEFAULT 'ö', ADD KEY (n)");
	SQL(p, "CREATE DATABASE IF NOT EXISTS d2");
	SQL(p, "DROP DATABASE d2");
	caught_up(f);
	for (size_t i = 0; i < N; i++) {
		bool number_ = was[i].len > 2 && strspn(was[i].buf, "'0123456789.") == was[i].len;

		if (number_) /* QUOTE() makes a text of it */
			SQL(s, "SET GLOBAL %s = %.*s", odd[i][0], (int)was[i].len - 2,
			    was[i].buf + 1);
		else
			SQL(s, "SET GLOBAL %s = %s", odd[i][0], was[i].buf);
		strbuf_release(&was[i]);
	}
	all_equal();
	stop(f);
	SQL(s, "DROP USER sink@'%%'");
}

/* Once, and for as long as the feed lives. */
static void what_no_changefeed_carries_is_named(void **unused)
{
	struct feed_status st;
	struct err e = ERR_INIT;

	(void)unused;
	fresh();
	SQL(p, "CREATE TABLE d.t (id INT PRIMARY KEY)");
	SQL(s, "CREATE TABLE d.t (id INT PRIMARY KEY)");
	SQL(p, "CREATE PROCEDURE d.pr() SELECT 1");
	SQL(p, "CREATE TRIGGER d.tr BEFORE INSERT ON d.t FOR EACH ROW SET @x = 1");
	SQL(p, "CREATE EVENT d.ev ON SCHEDULE EVERY 1 DAY DO SET @x = 1");
	SQL(p, "CREATE FUNCTION d.f() RETURNS INT DETERMINISTIC RETURN 1");
	struct feed_opts o = options();
	o.start_ts = primary_ts();
	struct feed *f = start(&o);
	log_says("event d.ev, function d.f, procedure d.pr, trigger d.tr");
	must(feed_get_status(f, &st, &e), &e);
	assert_string_equal(st.not_carried,
			    "event d.ev, function d.f, procedure d.pr, trigger d.tr");
	for (int i = 0; i < 40; i++)
		SQL(p, "CREATE PROCEDURE d.a_procedure_with_a_long_name_%d() SELECT 1", i);
	kill_feed(f);
	feed_free(f);
	f = start(&o);
	must(feed_get_status(f, &st, &e), &e);
	if (!strstr(st.not_carried, "event d.ev") || !strstr(st.not_carried, "(44 in all)"))
		fail_msg("%s", st.not_carried);
	for (int i = 0; i < 40; i++)
		SQL(p, "DROP PROCEDURE d.a_procedure_with_a_long_name_%d", i);
	SQL(p, "DROP PROCEDURE d.pr");
	SQL(p, "DROP FUNCTION d.f");
	SQL(p, "DROP EVENT d.ev");
	SQL(p, "DROP TRIGGER d.tr");
	caught_up(f);
	stop(f);
}

static bool tells_of_a_cut(const struct err *e)
{
	return strstr(e->text, "stores a different value") || strstr(e->text, "cannot be null");
}

/* Where the secondary's column is another one: the row is not cut in silence, by whoever writes it.
 */
static void a_value_that_would_be_cut_is_told(void **unused)
{
	static const struct {
		const char *wide, *narrow, *value;
	} cut[] = {
		{ "VARCHAR(9)", "VARCHAR(3)", "'abcd'" },
		{ "INT", "TINYINT", "300" },
		{ "INT", "INT UNSIGNED", "-1" },
		{ "ENUM('a','b')", "ENUM('a')", "'b'" },
		{ "INT", "INT NOT NULL", "NULL" },
		{ "VARCHAR(9)", "VARCHAR(9) CHARACTER SET latin1", "_ucs2 x'554A'" },
		{ "DECIMAL(5,2)", "DECIMAL(4,1)", "1.25" },
		{ "TEXT", "DATE", "'it is'" },
		/* the server says nothing of these */
		{ "DATETIME(6)", "DATETIME", "'2020-01-01 00:00:00.5'" },
		{ "DATETIME(6)", "DATETIME(3)", "'2020-01-01 00:00:00.123456'" },
		{ "TIMESTAMP(3) NULL", "TIMESTAMP NULL", "'2020-01-01 00:00:00.5'" },
		{ "TIME(6)", "TIME(5)", "'-10:00:00.000001'" },
		{ "DECIMAL(5,2)", "INT", "1.25" },
		{ "DOUBLE", "INT", "1.5" },
		/* nor of these: other values, by another type */
		{ "INT", "FLOAT", "16777217" },
		{ "BIGINT", "DOUBLE", "9007199254740993" },
		{ "DOUBLE", "FLOAT", "1.25" },
		{ "DECIMAL(30,0)", "DOUBLE", "9007199254740993" },
		{ "VARCHAR(9)", "INT", "'01'" },
		{ "VARCHAR(9)", "CHAR(9)", "'a '" },
		{ "VARBINARY(9)", "BINARY(9)", "'a'" },
		{ "DATETIME", "TIMESTAMP NULL", "'2020-01-01'" },
		{ "INT", "YEAR", "5" },
		{ "ENUM('a','b')", "VARCHAR(9)", "'b'" },
		/* not even a byte of a text */
		{ "VARCHAR(9) CHARACTER SET latin1", "VARBINARY(9)", "x'e4'" },
		/* these are kept */
		{ "DATETIME(6)", "DATETIME(3)", "'2020-01-01 00:00:00.125'" },
		{ "DECIMAL(5,2)", "INT", "7" },
		{ "VARCHAR(3)", "VARCHAR(9)", "'abc'" },
		{ "ENUM('a','b')", "ENUM('a','b')", "0" },
		{ "DATE", "DATE", "'2024-02-31'" },
		{ "INT", "BIGINT", "-5" },
		{ "INT", "DOUBLE", "2147483647" },
		{ "CHAR(9)", "VARCHAR(20)", "'a'" },
		{ "TINYTEXT", "LONGTEXT", "'a '" },
		{ "FLOAT", "DOUBLE", "1.25" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		bool kept = i + 10 >= sizeof(cut) / sizeof(cut[0]);

		fresh();
		SQL(p, "CREATE TABLE d.t (id INT PRIMARY KEY, v %s)", cut[i].wide);
		SQL(s, "CREATE TABLE d.t (id INT PRIMARY KEY, v %s)", cut[i].narrow);
		struct feed_opts o = options();
		o.start_ts = primary_ts();
		struct feed *f = start(&o);
		SQL(p, "SET sql_mode = 'ALLOW_INVALID_DATES'");
		SQL(p, "INSERT INTO d.t VALUES (1, NULL)%s",
		    strstr(cut[i].narrow, "NOT NULL") ? " ON DUPLICATE KEY UPDATE id = 1" : "");
		SQL(p, "INSERT INTO d.t VALUES (2, %s)", cut[i].value);
		SQL(p, "SET sql_mode = DEFAULT");
		if (kept) {
			caught_up(f);
			stop(f);
		} else {
			struct err e = feed_ends(f);

			if (!tells_of_a_cut(&e))
				fail_msg("%s into %s: %s", cut[i].value, cut[i].narrow, e.text);
			assert_int_equal(number(s, "SELECT COUNT(*) FROM d.t WHERE id = 2"), 0);
		}
		for (int txn = 0; txn < 2; txn++) {
			char *uri = xstrfmt("file://%s", redo_dir());
			struct replay_opts ro = { .sink = *test_server_endpoint(secondary),
						  .mode = txn ? REPLAY_TXN : REPLAY_MERGE,
						  .fresh = true,
						  .tmp_dir = dir };
			struct replay_stats st;
			struct err e = ERR_INIT;
			struct store *log = store_open(uri, NULL, &e);
			int rc = log ? replay_run(log, &ro, &st, &e) : -1;

			if (kept != (rc == 0) || (!kept && !tells_of_a_cut(&e)))
				fail_msg("%s into %s, replayed: %s", cut[i].value, cut[i].narrow,
					 e.text);
			store_free(log);
			free(uri);
		}
	}
	fresh();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(triggers_of_the_secondary_are_refused),
		cmocka_unit_test(a_secondary_that_is_another_kind_of_server_is_refused),
		cmocka_unit_test(what_no_changefeed_carries_is_named),
		cmocka_unit_test(a_value_that_would_be_cut_is_told),
		cmocka_unit_test(globals_of_the_secondary_do_not_change_a_row),
	};
	int code;

	return feed_pair_main(argc, argv, &code)
		       ? code
		       : cmocka_run_group_tests(tests, feed_pair_setup, feed_pair_teardown);
}
