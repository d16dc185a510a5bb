/* Needs MariaDB. A compare is complete, or says what it is not: structure in every respect, objects
 * that are no tables, rows that a server gives no sum for, filters that match nothing, tables under
 * other names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "tests/integration/compare_pair.h"

static int fresh(void **state)
{
	(void)state;
	pair_both("SET sql_mode = '', sql_log_bin = 0");
	pair_both("DROP DATABASE IF EXISTS d");
	pair_both("DROP DATABASE IF EXISTS e");
	pair_both("DROP DATABASE IF EXISTS drtest_feed");
	pair_both("CREATE DATABASE d CHARACTER SET utf8mb4");
	pair_both("USE d");
	pair_both("CREATE TABLE base (id INT PRIMARY KEY, v INT)");
	pair_both("INSERT INTO base VALUES (1,1)");
	return 0;
}

static struct compare_result all(enum verdict verdict)
{
	struct compare_opts o = pair_options();
	struct compare_result r = pair_compare(&o);

	if (r.verdict != verdict)
		fail_msg("%s: %s", r.evidence, json_dumps(r.findings, 0));
	return r;
}

static void check(enum verdict verdict)
{
	struct compare_result r = all(verdict);

	compare_result_release(&r);
}

/* How many statements a server has been sent. */
static uint64_t questions(int side)
{
	struct err e = ERR_INIT;
	uint64_t n = 0;

	if (sql_value_u64(
		    pair_conn[side], &n, &e,
		    "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Questions'") <
	    0)
		fail_msg("%s", e.text);
	return n;
}

static void columns_in_another_order_are_told_and_compared_by_name(void **unused)
{
	struct compare_result r;

	(void)unused;
	pair_run(0, "CREATE TABLE t (id INT PRIMARY KEY, p INT, q INT)");
	pair_run(1, "CREATE TABLE t (id INT PRIMARY KEY, q INT, p INT)");
	pair_both("INSERT INTO t (id,p,q) VALUES (1,10,20),(2,30,40)");
	r = all(VERDICT_FAIL);
	assert_int_equal(r.rows_different, 0);
	assert_int_equal(pair_table(&r, "d.t")->rows_b, 2);
	assert_non_null(pair_finding(&r, "structure", "d.t"));
	compare_result_release(&r);
	/* what the position alone would call equal */
	pair_run(1, "UPDATE t SET p = 20, q = 10 WHERE id = 1");
	r = all(VERDICT_FAIL);
	assert_int_equal(r.rows_different, 1);
	compare_result_release(&r);
	/* without a key; and with a key whose columns stand in another order */
	pair_both("DROP TABLE t");
	pair_run(0, "CREATE TABLE t (p INT, q INT)");
	pair_run(1, "CREATE TABLE t (q INT, p INT)");
	pair_both("INSERT INTO t (p,q) VALUES (1,2),(2,1)");
	r = all(VERDICT_FAIL);
	assert_int_equal(r.rows_different, 0);
	compare_result_release(&r);
	pair_both("DROP TABLE t");
	pair_run(0, "CREATE TABLE t (p INT, q INT, PRIMARY KEY (p,q))");
	pair_run(1, "CREATE TABLE t (p INT, q INT, PRIMARY KEY (q,p))");
	pair_both("INSERT INTO t (p,q) VALUES (1,2),(2,1)");
	pair_run(1, "UPDATE t SET q = 5 WHERE p = 1");
	r = all(VERDICT_FAIL);
	assert_int_equal(r.rows_different, 2);
	compare_result_release(&r);
}

static void rows_of_other_columns_are_counted_and_never_equal(void **unused)
{
	struct compare_result r;

	(void)unused;
	pair_run(0, "CREATE TABLE t (id INT PRIMARY KEY, v INT)");
	pair_run(1, "CREATE TABLE t (id INT PRIMARY KEY, v BIGINT)");
	pair_both("INSERT INTO t VALUES (1,1),(2,2)");
	r = all(VERDICT_FAIL);
	assert_true(pair_table(&r, "d.t")->unlike);
	assert_int_equal(pair_table(&r, "d.t")->rows_a, 2);
	assert_int_equal(pair_table(&r, "d.t")->rows_b, 2);
	assert_non_null(strstr(r.evidence, "the rows of 1 were not compared"));
	compare_result_release(&r);
	/* asked for rows alone, that is a difference still */
	struct compare_opts o = pair_options();

	o.data_only = true;
	for (int i = 0; i < 3; i++) {
		pair_run(1, i == 0   ? "ALTER TABLE t MODIFY v BIGINT"
			    : i == 1 ? "ALTER TABLE t MODIFY v INT UNSIGNED"
				     : "ALTER TABLE t MODIFY v INT NOT NULL");
		r = pair_compare(&o);
		assert_int_equal(r.verdict, VERDICT_FAIL);
		compare_result_release(&r);
	}
	pair_run(1, "ALTER TABLE t MODIFY v INT, ADD KEY (v)");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_non_null(strstr(r.evidence, "structure was not compared"));
	compare_result_release(&r);
}

static void versioned_tables_are_tables(void **unused)
{
	struct compare_result r;

	(void)unused;
	pair_both("CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING");
	pair_both(
		"CREATE TABLE u (id INT PRIMARY KEY, v INT, s TIMESTAMP(6) AS ROW START, e TIMESTAMP(6) AS ROW END, PERIOD FOR SYSTEM_TIME (s,e)) "
		"WITH SYSTEM VERSIONING");
	pair_both("INSERT INTO t VALUES (1,1)");
	pair_both("INSERT INTO u (id,v) VALUES (1,1)");
	pair_run(0, "UPDATE t SET v = 2"); /* its history is no row of now */
	pair_run(0, "UPDATE t SET v = 1");
	r = all(VERDICT_PASS);
	assert_int_equal(r.tables, 3);
	assert_int_equal(r.rows, 3);
	assert_true(pair_told(&r, "history", "d.t") && pair_told(&r, "history", "d.u"));
	compare_result_release(&r);
	pair_run(1, "UPDATE t SET v = 3");
	pair_run(1, "DELETE FROM u");
	for (int past = 0; past < 2; past++) { /* a server may show the past by itself */
		pair_both(past ? "SET GLOBAL system_versioning_asof = '2020-01-01'"
			       : "SET GLOBAL system_versioning_asof = DEFAULT");
		r = all(VERDICT_FAIL);
		assert_int_equal(r.rows_different, 2);
		compare_result_release(&r);
	}
	pair_both("SET GLOBAL system_versioning_asof = DEFAULT");
	pair_run(1, "DROP TABLE t");
	r = all(VERDICT_FAIL);
	assert_non_null(pair_finding(&r, "table", "d.t"));
	compare_result_release(&r);
	pair_run(1, "CREATE TABLE t (id INT PRIMARY KEY, v INT)");
	pair_run(1, "INSERT INTO t VALUES (1,1)");
	r = all(VERDICT_FAIL);
	assert_non_null(pair_finding(&r, "structure", "d.t"));
	compare_result_release(&r);
}

static void objects_that_are_no_tables_are_compared_or_told(void **unused)
{
	static const struct {
		const char *sql, *kind, *name, *heal;
	} differ[] = {
		{ "DROP VIEW v", "view", "d.v", "CREATE VIEW v AS SELECT id, 'x' AS x FROM base" },
		{ "ALTER VIEW v AS SELECT id, 'y' AS x FROM base", "view", "d.v",
		  "ALTER VIEW v AS SELECT id, 'x' AS x FROM base" },
		{ "ALTER SQL SECURITY INVOKER VIEW v AS SELECT id, 'x' AS x FROM base", "view",
		  "d.v", "ALTER SQL SECURITY DEFINER VIEW v AS SELECT id, 'x' AS x FROM base" },
		{ "CREATE VIEW w AS SELECT 1", "view", "d.w", "DROP VIEW w" },
		{ "CREATE TABLE w (a INT)", "table", "d.w", "DROP TABLE w" },
		{ "DROP SEQUENCE s", "sequence", "d.s", "CREATE SEQUENCE s" },
		{ "ALTER SEQUENCE s INCREMENT 2", "sequence", "d.s",
		  "ALTER SEQUENCE s INCREMENT 1" },
		{ "CREATE DATABASE e", "database", "e", "DROP DATABASE e" },
		{ "ALTER DATABASE d CHARACTER SET latin2", "database", "d",
		  "ALTER DATABASE d CHARACTER SET utf8mb4" },
		{ "SET collation_connection = utf8mb4_bin", NULL, NULL, NULL },
		{ "ALTER VIEW v AS SELECT id, 'x' AS x FROM base", "view", "d.v",
		  "SET collation_connection = utf8mb4_general_ci" },
		{ "ALTER VIEW v AS SELECT id, 'x' AS x FROM base", NULL, NULL, NULL },
		{ "ALTER DATABASE d COLLATE utf8mb4_bin", "database", "d",
		  "ALTER DATABASE d CHARACTER SET utf8mb4" },
	};
	struct compare_result r;

	(void)unused;
	pair_both("CREATE VIEW v AS SELECT id, 'x' AS x FROM base");
	pair_both("CREATE SEQUENCE s");
	check(VERDICT_PASS);
	for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++) {
		pair_run(1, differ[i].sql);
		if (!differ[i].kind)
			continue;
		r = all(VERDICT_FAIL);
		if (!pair_finding(&r, differ[i].kind, differ[i].name))
			fail_msg("%s: %s", differ[i].sql, json_dumps(r.findings, 0));
		compare_result_release(&r);
		pair_run(1, differ[i].heal);
	}
	check(VERDICT_PASS);
	/* no differences to a compare, but told */
	pair_run(0, "CREATE FUNCTION f() RETURNS INT NO SQL RETURN 1");
	pair_run(0, "CREATE PROCEDURE p() SELECT 1");
	pair_run(0, "CREATE TRIGGER g AFTER INSERT ON base FOR EACH ROW SET @x = 1");
	pair_run(1, "CREATE EVENT n ON SCHEDULE EVERY 1 DAY DO SELECT 1");
	pair_both("CREATE DATABASE drtest_feed");
	pair_run(1, "CREATE TABLE drtest_feed.users (a INT)");
	pair_run(1, "CREATE TABLE drtest_feed.checkpoint (a INT)");
	pair_run(1, "CREATE TABLE drtest_feed.left_out (a INT)");
	pair_run(1, "CREATE TABLE drtest_feed.keyless_done (a INT)");
	pair_both("CREATE TABLE gone (a INT)");
	pair_both("CREATE VIEW broken AS SELECT a FROM gone");
	pair_both("DROP TABLE gone");
	r = all(VERDICT_PASS);
	assert_true(pair_told(&r, "function", "d.f") && pair_told(&r, "procedure", "d.p") &&
		    pair_told(&r, "trigger", "d.g"));
	assert_true(pair_told(&r, "event", "d.n") && pair_told(&r, "view", "d.broken"));
	assert_true(pair_told(&r, "table", "drtest_feed.users") &&
		    !pair_told(&r, "table", "drtest_feed.checkpoint") &&
		    !pair_told(&r, "table", "drtest_feed.left_out") &&
		    !pair_told(&r, "table", "drtest_feed.keyless_done"));
	assert_int_equal(r.views, 2);
	assert_non_null(strstr(r.evidence, "; not compared: "));
	compare_result_release(&r);
	pair_run(0, "CREATE TABLE gone (a INT)"); /* broken on one side */
	pair_run(1, "CREATE TABLE gone (b INT)");
	r = all(VERDICT_FAIL);
	assert_non_null(pair_finding(&r, "view", "d.broken"));
	compare_result_release(&r);
}

static void rows_larger_than_a_packet_are_compared_or_told(void **unused)
{
	struct compare_result r;
	json_t *f;

	(void)unused;
	pair_both("CREATE TABLE t (id INT PRIMARY KEY, a LONGTEXT, b LONGTEXT)");
	pair_both("INSERT INTO t VALUES (1,REPEAT('a',9000000),REPEAT('b',9000000)),(2,'','')");
	check(VERDICT_PASS);
	pair_run(1, "UPDATE t SET b = REPEAT('c',9000000) WHERE id = 1");
	r = all(VERDICT_FAIL);
	assert_int_equal(r.rows_different, 1);
	compare_result_release(&r);
	pair_both("DROP TABLE t");
	pair_both("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(900), b VARCHAR(900))");
	pair_both("CREATE TABLE u (a VARCHAR(900), b VARCHAR(900))");
	pair_both(
		"INSERT INTO t VALUES (1,'x','y'),(2,REPEAT('a',900),REPEAT('b',900)),(3,'x','y')");
	pair_both("INSERT INTO u SELECT a, b FROM t");
	pair_run(1, "SET GLOBAL max_allowed_packet = 1024"); /* of sessions from now on */
	r = all(VERDICT_UNKNOWN);
	assert_int_equal(r.unread, 2);
	f = pair_finding(&r, "unread", "d.t");
	assert_non_null(f);
	assert_string_equal(json_string_value(json_object_get(json_object_get(f, "key"), "id")),
			    "2");
	assert_non_null(pair_finding(&r, "unread", "d.u"));
	assert_non_null(strstr(r.evidence, "max_allowed_packet"));
	compare_result_release(&r);
	pair_run(1, "UPDATE t SET a = 'z' WHERE id = 3"); /* another range still tells */
	struct compare_opts o = pair_options();

	o.chunk_rows = 1;
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(r.rows_different, 1);
	compare_result_release(&r);
	pair_run(1, "SET GLOBAL max_allowed_packet = 16777216");
}

/* The others are compared all the same, whether the server says so at the structure or at the rows,
 * of one table or of one among many. */
static void tables_that_cannot_be_opened_are_told(void **unused)
{
	struct compare_opts o = pair_options();
	struct compare_result r;

	(void)unused;
	pair_both("CREATE TABLE t1 (id INT, KEY (id)) ENGINE=MyISAM");
	pair_both("CREATE TABLE t2 LIKE t1");
	pair_both("CREATE TABLE u (id INT, KEY (id)) ENGINE=MERGE UNION=(t1,t2)");
	check(VERDICT_PASS);
	pair_run(1, "ALTER TABLE u UNION=(t1)");
	r = all(VERDICT_FAIL); /* what it is a union of is structure */
	assert_non_null(pair_finding(&r, "structure", "d.u"));
	compare_result_release(&r);
	pair_run(1, "ALTER TABLE u UNION=(t1,t2)");
	pair_both("DROP TABLE t2");
	pair_both("CREATE TABLE off (id INT PRIMARY KEY)");
	pair_run(1, "ALTER TABLE off DISCARD TABLESPACE");
	r = all(VERDICT_UNKNOWN);
	assert_int_equal(r.unopened, 2);
	assert_non_null(pair_finding(&r, "unopened", "d.u"));
	assert_non_null(pair_finding(&r, "unopened", "d.off"));
	assert_non_null(strstr(r.evidence, "2 of 4 tables cannot be opened by a server"));
	assert_int_equal(pair_table(&r, "d.base")->rows_b, 1);
	compare_result_release(&r);
	o.tables = "d.u";
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_UNKNOWN);
	compare_result_release(&r);
	pair_run(1, "UPDATE base SET v = 2");
	r = all(VERDICT_FAIL);
	assert_int_equal(r.rows_different, 1);
	compare_result_release(&r);
}

/* The same against a backup's sums. */
static void a_table_that_cannot_be_opened_hides_no_other_from_the_sums(void **unused)
{
	struct table_sum sum[] = { { (char *)"d", (char *)"base", 1, 12345 },
				   { (char *)"d", (char *)"off", 0, 0 },
				   { (char *)"d", (char *)"u", 0, 0 },
				   { (char *)"d", (char *)"whole", 0, 0 } };
	struct table_sums sums = { sum, 4, CHECKSUM_FORM };
	struct compare_result r;
	struct err e = ERR_INIT;

	(void)unused;
	pair_run(1, "CREATE TABLE t1 (id INT, KEY (id)) ENGINE=MyISAM");
	pair_run(1, "CREATE TABLE u (id INT, KEY (id)) ENGINE=MERGE UNION=(t1)");
	pair_run(1, "DROP TABLE t1");
	pair_run(1, "CREATE TABLE off (id INT PRIMARY KEY)");
	pair_run(1, "ALTER TABLE off DISCARD TABLESPACE");
	pair_run(1, "CREATE TABLE whole (id INT PRIMARY KEY)");
	for (int i = 0; i < 2; i++) {
		if (compare_with_sums(test_server_endpoint(pair_server[1]), &sums, 2, &r, &e) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(r.verdict, i ? VERDICT_UNKNOWN : VERDICT_FAIL);
		assert_int_equal(r.unopened, 2);
		assert_non_null(pair_finding(&r, "unopened", "d.u"));
		assert_non_null(pair_finding(&r, "unopened", "d.off"));
		assert_int_equal(r.rows_different, !i);
		assert_int_equal(!!pair_finding(&r, "sum", "d.base"), !i);
		compare_result_release(&r);
		pair_run(1, "DROP TABLE IF EXISTS base");
		sums = (struct table_sums){ sum + 1, 3, CHECKSUM_FORM };
	}
}

/* Statements of a server for the sums of d.base, whatever they are. */
static uint64_t statements_of_sums(void)
{
	struct table_sum sum = { (char *)"d", (char *)"base", 0, 0 };
	struct table_sums sums = { &sum, 1, CHECKSUM_FORM };
	uint64_t before = questions(1);
	struct compare_result r;
	struct err e = ERR_INIT;

	if (compare_with_sums(test_server_endpoint(pair_server[1]), &sums, 1, &r, &e) < 0)
		fail_msg("%s", e.text);
	compare_result_release(&r);
	return questions(1) - before;
}

/* A sum over a large table in one statement would hold its snapshot for as long, and a server that
 * limits the time of statements would end it. */
static void the_sums_of_a_large_table_are_made_in_ranges(void **unused)
{
	uint64_t small = statements_of_sums();

	(void)unused;
	pair_run(1, "REPLACE INTO base SELECT seq, 0 FROM seq_1_to_120000");
	assert_in_range(statements_of_sums() - small, 1, 10);
}

static void where_files_lie_is_no_structure(void **unused)
{
	static const char *const tables[] = {
		"CREATE TABLE m (id INT PRIMARY KEY, v INT COMMENT ' DATA DIRECTORY=''x''')"
		" ENGINE=MyISAM%s COMMENT='c'",
		"CREATE TABLE p (id INT PRIMARY KEY) ENGINE=MyISAM PARTITION BY RANGE (id)"
		" (PARTITION a VALUES LESS THAN (1)%s, PARTITION b VALUES LESS THAN (2)%s)",
	};
	char *where = xstrfmt(" DATA DIRECTORY='%s' INDEX DIRECTORY='%s'",
			      test_server_dir(pair_server[0]), test_server_dir(pair_server[0]));

	(void)unused;
	for (size_t i = 0; i < 2; i++)
		for (int side = 0; side < 2; side++) {
			char *q = xstrfmt(tables[i], side ? "" : where, side ? "" : where);

			pair_run(side, q);
			free(q);
		}
	free(where);
	check(VERDICT_PASS);
	pair_run(1, "ALTER TABLE m MODIFY v INT COMMENT ' DATA DIRECTORY=''y'''");
	check(VERDICT_FAIL);
}

static void refused(struct compare_opts *o, const char *says)
{
	struct compare_result r;
	struct err e = ERR_INIT;

	if (compare_run(o, &r, &e) == 0 || e.kind != ERR_USAGE || !strstr(e.text, says))
		fail_msg("'%s', not '%s'", e.text, says);
}

static void a_filter_that_matches_nothing_is_wrong_usage(void **unused)
{
	static const char *const all_of_it[] = { "d.*", NULL }, *const one[] = { "d.t*", NULL },
				 *const nothing[] = { "d.t*.nosuch", NULL };
	struct compare_opts o = pair_options();
	struct compare_result r;

	(void)unused;
	pair_both("CREATE TABLE t1 (a INT)");
	o.tables = "nosuch.*";
	refused(&o, "'nosuch.*' matches no table");
	o.tables = NULL;
	o.filter = table_filter_new();
	table_filter_add_pattern(o.filter, "d.*");
	table_filter_add_pattern(o.filter, "d.typo");
	refused(&o, "'d.typo' matches no table");
	table_filter_free(o.filter);
	o.filter = table_filter_new();
	table_filter_add_pattern(o.filter, "d.*");
	table_filter_add_pattern(o.filter, "!*.*");
	refused(&o, "no table to compare");
	table_filter_free(o.filter);
	/* one side has it: a difference */
	pair_run(0, "CREATE TABLE t2 (a INT)");
	o.filter = table_filter_new();
	table_filter_add_pattern(o.filter, "d.t2");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_non_null(pair_finding(&r, "table", "d.t2"));
	compare_result_release(&r);
	table_filter_free(o.filter);
	pair_run(0, "DROP TABLE t2");
	o.filter = NULL;
	o.ignore = all_of_it;
	refused(&o, "no table to compare");
	o.ignore = nothing;
	refused(&o, "ignore 'd.t*.nosuch' matches no table and no column");
	o.ignore = one; /* a table on both sides is told once */
	pair_run(1, "INSERT INTO t1 VALUES (1)");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_true(pair_told(&r, "table", "d.t1"));
	assert_int_equal(json_array_size(r.not_compared), 1);
	compare_result_release(&r);
	pair_both("DROP TABLE base, t1");
	r = all(VERDICT_UNKNOWN);
	assert_non_null(strstr(r.evidence, "nothing was compared"));
	compare_result_release(&r);
}

static void counters_that_are_behind_are_noted(void **unused)
{
	struct compare_result r;

	(void)unused;
	pair_both("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY)");
	pair_both("INSERT INTO t VALUES (1),(2)");
	pair_run(0, "ALTER TABLE t AUTO_INCREMENT = 100");
	r = all(VERDICT_PASS);
	assert_int_equal(json_array_size(r.notes), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(r.notes, 0), "a")),
			    "100");
	assert_string_equal(json_string_value(json_object_get(json_array_get(r.notes, 0), "b")),
			    "3");
	compare_result_release(&r);
	pair_run(1, "ALTER TABLE t AUTO_INCREMENT = 200");
	pair_both("CREATE SEQUENCE s INCREMENT 5");
	pair_both("CREATE SEQUENCE down START 10 INCREMENT -1 MAXVALUE 10 MINVALUE -100 NOCACHE");
	pair_run(1, "DO SETVAL(s, 9)"); /* ahead */
	pair_run(1, "DO NEXTVAL(down)");
	r = all(VERDICT_PASS);
	assert_int_equal(json_array_size(r.notes), 0);
	compare_result_release(&r);
	pair_run(0, "DO SETVAL(s, 99999)");
	pair_run(0, "DO SETVAL(down, 0)");
	r = all(VERDICT_PASS);
	assert_int_equal(json_array_size(r.notes), 2);
	compare_result_release(&r);
}

static void one_table_hides_no_other_and_a_keyless_one_is_healed(void **unused)
{
	struct compare_opts o = pair_options();
	struct compare_result r;
	char path[300];

	(void)unused;
	snprintf(path, sizeof(path), "%s/fix.sql", test_server_dir(pair_server[0]));
	/* names that the statements use */
	pair_both("CREATE TABLE a_bag (x INT, y VARCHAR(20), v0 DOUBLE)");
	pair_both("CREATE TABLE zz (id INT PRIMARY KEY)");
	pair_run(
		0,
		"INSERT INTO a_bag SELECT seq, IF(seq MOD 3, seq, NULL), seq / 7 FROM seq_1_to_3000");
	pair_run(0, "INSERT INTO a_bag SELECT * FROM a_bag WHERE x < 50");
	pair_run(1, "INSERT INTO a_bag SELECT -seq, 'extra', 0 FROM seq_1_to_1500");
	pair_run(1, "INSERT INTO a_bag VALUES (7, 7, 7 / 7)");
	pair_run(0, "INSERT INTO zz SELECT seq FROM seq_1_to_300");
	o.fix_sql_path = path;
	o.findings_max = 30;
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(pair_table(&r, "d.a_bag")->del, 1500);
	assert_int_equal(pair_table(&r, "d.a_bag")->put, 3048);
	assert_int_equal(pair_table(&r, "d.zz")->put, 300);
	assert_non_null(pair_finding(&r, "keyless", "d.a_bag"));
	assert_in_range(pair_table(&r, "d.a_bag")->named, 1, 20);
	assert_non_null(pair_finding(&r, "missing", "d.zz"));
	compare_result_release(&r);
	pair_apply(path);
	check(VERDICT_PASS);
}

/* Statements that a server was sent by one compare. */
static uint64_t statements(void)
{
	uint64_t before = questions(0);

	check(VERDICT_PASS);
	return questions(0) - before;
}

static void statements_grow_with_the_number_of_tables(void **unused)
{
	uint64_t few = 0, many;

	(void)unused;
	for (int i = 0; i < 60; i++) {
		char *text = xstrfmt(
			"CREATE TABLE t%d (id INT PRIMARY KEY, j JSON, b LONGTEXT, KEY (b(9)))", i);

		pair_both(text);
		free(text);
		if (i == 19)
			few = statements();
	}
	many = statements();
	/* the structure, the range, the sums, and one in reserve */
	assert_in_range(many - few, 40, 40 * 4);
}

static void json_is_known_by_its_check(void **unused)
{
	struct table_schema t;
	struct err e = ERR_INIT;

	(void)unused;
	pair_run(
		0,
		"CREATE TABLE j (a JSON, b LONGTEXT COMMENT 'CHECK (json_valid(`b`))', `c``d` JSON, e LONGTEXT, f TEXT CHECK (JSON_VALID(f)))");
	assert_int_equal(schema_load(pair_conn[0], "d", "j", &t, &e), 0);
	assert_int_equal(t.columns[0].type, COL_JSON);
	assert_int_equal(t.columns[1].type, COL_LONGBLOB);
	assert_int_equal(t.columns[2].type, COL_JSON);
	assert_int_equal(t.columns[3].type, COL_LONGBLOB);
	assert_int_equal(t.columns[4].type, COL_BLOB);
	schema_release(&t);
}

static void routes_and_conditions_choose_what_is_compared(void **unused)
{
	struct table_route route[] = { { (char *)"e*", (char *)"t?", (char *)"d", (char *)"t" },
				       { (char *)"e", (char *)"", (char *)"d", (char *)"" } };
	struct routes routes = { route, 2 };
	struct compare_table_config config = { .tables = table_filter_new(),
					       .condition = (char *)"id < 100" };
	struct compare_opts o = pair_options();
	struct compare_result r;
	struct err e = ERR_INIT;

	(void)unused;
	pair_run(0, "CREATE DATABASE e CHARACTER SET utf8mb4");
	pair_run(
		0,
		"CREATE TABLE e.t1 (id INT PRIMARY KEY, k ENUM('a','b'), f FLOAT, x BIT(9), s TEXT)");
	pair_run(0, "CREATE TABLE e.t2 LIKE e.t1");
	pair_run(0, "CREATE TABLE e.other (id INT PRIMARY KEY)");
	pair_run(0,
		 "INSERT INTO e.t1 SELECT seq, 1 + seq MOD 2, seq / 3, seq, seq FROM seq_1_to_50");
	pair_run(
		0,
		"INSERT INTO e.t2 SELECT seq, 1 + seq MOD 2, seq / 3, seq, seq FROM seq_51_to_120");
	pair_run(1,
		 "CREATE TABLE t (id INT PRIMARY KEY, k ENUM('a','b'), f FLOAT, x BIT(9), s TEXT)");
	pair_run(1, "INSERT INTO t SELECT seq, 1 + seq MOD 2, seq / 3, seq, seq FROM seq_1_to_120");
	pair_run(1, "CREATE TABLE other (id INT PRIMARY KEY)");
	o.routes = &routes;
	for (uint64_t chunk = 7; chunk <= 1000; chunk += 993) { /* two tables as one */
		o.chunk_rows = chunk;
		r = pair_compare(&o);
		if (r.verdict != VERDICT_PASS)
			fail_msg("%s: %s", r.evidence, json_dumps(r.findings, 0));
		assert_int_equal(pair_table(&r, "d.t")->rows_a, 120);
		assert_int_equal(r.tables, 3);
		compare_result_release(&r);
		pair_run(1, "UPDATE t SET k = 'a' WHERE id = 61");
		pair_run(1, "DELETE FROM t WHERE id = 110");
		r = pair_compare(&o);
		assert_int_equal(r.rows_different, 2);
		compare_result_release(&r);
		/* what the condition leaves out is no difference */
		table_filter_add_pattern(config.tables, "d.t");
		o.configs = &config;
		o.n_configs = 1;
		r = pair_compare(&o);
		assert_int_equal(r.rows_different, 1);
		assert_int_equal(pair_table(&r, "d.t")->rows_a, 99);
		compare_result_release(&r);
		o.n_configs = 0;
		pair_run(1, "UPDATE t SET k = 'b' WHERE id = 61");
		pair_run(
			1,
			"INSERT INTO t SELECT seq, 1 + seq MOD 2, seq / 3, seq, seq FROM seq_110_to_110");
	}
	/* a row in both of them is there twice */
	pair_run(0, "INSERT INTO e.t2 SELECT * FROM e.t1 WHERE id = 5");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(r.rows_different, 1);
	compare_result_release(&r);
	pair_run(0, "DELETE FROM e.t2 WHERE id = 5");
	/* numbers of other members mean nothing in a UNION */
	pair_run(1, "ALTER TABLE t MODIFY k ENUM('b','a')");
	o.data_only = true;
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_non_null(pair_finding(&r, "structure", "d.t"));
	compare_result_release(&r);
	pair_run(1, "ALTER TABLE t MODIFY k ENUM('a','b')");
	o.data_only = false;
	/* a table under another name, in keys and bags alike; a missing one */
	pair_run(1, "DROP TABLE other");
	r = pair_compare(&o);
	assert_non_null(pair_finding(&r, "table", "d.other"));
	compare_result_release(&r);
	o.skip_missing = true;
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_true(pair_told(&r, "table", "d.other"));
	compare_result_release(&r);
	routes.n = 1;
	route[0].target_table = (char *)"";
	route[0].table_pattern = (char *)"";
	routes.n = 2;
	assert_int_equal(compare_run(&o, &r, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE); /* two routes for one */
	table_filter_free(config.tables);
}

/* As sync_diff_inspector has it: the source's own table of a name that routes lead to is none of
 * the target's. A sequence under another name is told, and compared with none. */
static void names_that_routes_lead_to_are_the_routed_ones(void **unused)
{
	struct table_route route[] = {
		{ (char *)"e", (char *)"t1", (char *)"d", (char *)"t" },
		{ (char *)"e", (char *)"", (char *)"d", (char *)"" },
	};
	struct routes routes = { route, 2 };
	struct compare_opts o = pair_options();
	struct compare_result r;

	(void)unused;
	pair_run(0, "CREATE DATABASE e CHARACTER SET utf8mb4");
	pair_run(0, "CREATE TABLE e.t1 (id INT PRIMARY KEY)");
	pair_run(0, "CREATE TABLE e.u (id INT PRIMARY KEY)");
	pair_run(0, "CREATE SEQUENCE e.s");
	pair_both("CREATE TABLE t (id INT PRIMARY KEY)");
	pair_both("CREATE TABLE u (id INT PRIMARY KEY)");
	pair_run(0, "INSERT INTO d.t VALUES (1)");
	pair_run(0, "INSERT INTO d.u VALUES (1)");
	pair_run(1, "CREATE SEQUENCE s INCREMENT 5");
	o.routes = &routes;
	r = pair_compare(&o);
	if (r.verdict != VERDICT_PASS)
		fail_msg("%s: %s", r.evidence, json_dumps(r.findings, 0));
	assert_true(pair_told(&r, "table", "d.t") && pair_told(&r, "table", "d.u") &&
		    pair_told(&r, "sequence", "d.s"));
	compare_result_release(&r);
	pair_run(0, "DROP TABLE e.t1"); /* nothing is led there, and it is its own still */
	r = pair_compare(&o);
	assert_non_null(pair_finding(&r, "table", "d.t"));
	compare_result_release(&r);
}

/* What a definition would tell and is not read must be told by the values. */
static void without_structure_values_tell_members_and_expressions_apart(void **unused)
{
	static const char odd[] = "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'";
	struct compare_opts o = pair_options();
	struct compare_result r;

	(void)unused;
	o.data_only = true;
	pair_both(odd);
	pair_run(0, "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a','b',''), s SET('x','y'))");
	pair_run(1,
		 "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('b','','a'), s SET('y','x','z',''))");
	pair_both("INSERT INTO t VALUES (1,'a','x'),(2,'b','x,y'),(3,'',''),(4,NULL,NULL),(5,0,0)");
	r = pair_compare(&o);
	if (r.verdict != VERDICT_PASS)
		fail_msg("%s: %s", r.evidence, json_dumps(r.findings, 0));
	compare_result_release(&r);
	pair_run(1, "UPDATE t SET e = 1, s = 1 WHERE id = 1"); /* numbers that a has, too */
	pair_run(1, "UPDATE t SET e = '' WHERE id = 5");       /* a member, and none */
	pair_run(1, "UPDATE t SET s = 8 WHERE id = 4");        /* the empty member, and NULL */
	o.fix_sql_path = "/var/tmp/drtest-it-members.sql";
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(r.rows_different, 3);
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(pair_finding(&r, "different", "d.t"), "b"), "e")),
		"b");
	compare_result_release(&r);
	pair_run(1, "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'");
	pair_apply(o.fix_sql_path);
	remove(o.fix_sql_path);
	o.fix_sql_path = NULL;
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_PASS);
	compare_result_release(&r);

	/* a member as it is, not as the server shows it */
	struct table_schema t;
	struct err e = ERR_INIT;

	pair_both("CREATE TABLE m (id INT PRIMARY KEY, e ENUM('a\\\\b','c\\nd','it''s'))");
	assert_int_equal(schema_load(pair_conn[0], "d", "m", &t, &e), 0);
	assert_string_equal(t.columns[1].members[0], "a\\b");
	assert_string_equal(t.columns[1].members[1], "c\nd");
	assert_string_equal(t.columns[1].members[2], "it's");
	schema_release(&t);

	pair_run(0, "CREATE TABLE g (id INT PRIMARY KEY, v INT, g INT AS (v + 1) VIRTUAL)");
	pair_run(1, "CREATE TABLE g (id INT PRIMARY KEY, v INT, g INT AS (1 + v) VIRTUAL)");
	pair_both("INSERT INTO g (id, v) VALUES (1,1),(2,NULL)");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_PASS);
	compare_result_release(&r);
	pair_run(1, "ALTER TABLE g MODIFY g INT AS (v + 2) VIRTUAL");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(r.rows_different, 1);
	compare_result_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(columns_in_another_order_are_told_and_compared_by_name,
				       fresh),
		cmocka_unit_test_setup(rows_of_other_columns_are_counted_and_never_equal, fresh),
		cmocka_unit_test_setup(versioned_tables_are_tables, fresh),
		cmocka_unit_test_setup(objects_that_are_no_tables_are_compared_or_told, fresh),
		cmocka_unit_test_setup(rows_larger_than_a_packet_are_compared_or_told, fresh),
		cmocka_unit_test_setup(tables_that_cannot_be_opened_are_told, fresh),
		cmocka_unit_test_setup(a_table_that_cannot_be_opened_hides_no_other_from_the_sums,
				       fresh),
		cmocka_unit_test_setup(the_sums_of_a_large_table_are_made_in_ranges, fresh),
		cmocka_unit_test_setup(where_files_lie_is_no_structure, fresh),
		cmocka_unit_test_setup(a_filter_that_matches_nothing_is_wrong_usage, fresh),
		cmocka_unit_test_setup(counters_that_are_behind_are_noted, fresh),
		cmocka_unit_test_setup(one_table_hides_no_other_and_a_keyless_one_is_healed, fresh),
		cmocka_unit_test_setup(statements_grow_with_the_number_of_tables, fresh),
		cmocka_unit_test_setup(json_is_known_by_its_check, fresh),
		cmocka_unit_test_setup(routes_and_conditions_choose_what_is_compared, fresh),
		cmocka_unit_test_setup(names_that_routes_lead_to_are_the_routed_ones, fresh),
		cmocka_unit_test_setup(without_structure_values_tell_members_and_expressions_apart,
				       fresh),
	};
	int rc;

	pair_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pair_stop();
	return rc;
}
