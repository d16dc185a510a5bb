/* Needs MariaDB. Names that look like something else: like the table's options, like another
 * view's, like a column that is left out. Keys of which the server has two orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/integration/compare_pair.h"

static int fresh(void **state)
{
	(void)state;
	pair_both("SET sql_mode = '', sql_log_bin = 0");
	pair_both("DROP DATABASE IF EXISTS d");
	pair_both("DROP DATABASE IF EXISTS `d.x`");
	pair_both("CREATE DATABASE d CHARACTER SET utf8mb4");
	pair_both("USE d");
	return 0;
}

static void compare(enum verdict verdict, const char *const *ignore)
{
	struct compare_opts o = pair_options();
	struct compare_result r;

	o.ignore = ignore;
	r = pair_compare(&o);
	if (r.verdict != verdict)
		fail_msg("%s: %s", r.evidence, json_dumps(r.findings, 0));
	compare_result_release(&r);
}

/* A MERGE table's rows are not its own, and count elsewhere. */
static void a_column_is_not_the_tables_engine(void **unused)
{
	(void)unused;
	pair_both("CREATE TABLE t (id INT PRIMARY KEY, `x\n) ENGINE=MRG_MyISAM` INT)");
	pair_both("INSERT INTO t VALUES (1,1),(2,2)");
	compare(VERDICT_PASS, NULL);
	pair_run(1, "DELETE FROM t WHERE id = 2");
	compare(VERDICT_FAIL, NULL);
}

static void views_whose_names_read_alike_are_two(void **unused)
{
	(void)unused;
	pair_both("CREATE DATABASE `d.x`");
	pair_both("CREATE VIEW `d.x`.y AS SELECT 1 AS a");
	pair_both("CREATE VIEW d.`x.y` AS SELECT 2 AS a");
	compare(VERDICT_PASS, NULL);
	pair_run(1, "ALTER VIEW `d.x`.y AS SELECT 2 AS a");
	pair_run(1, "ALTER VIEW d.`x.y` AS SELECT 1 AS a");
	compare(VERDICT_FAIL, NULL);
}

static void what_holds_an_ignored_column_is_ignored_and_nothing_else(void **unused)
{
	static const char *const
		ignore[] = { "d.t.x", NULL },
		*const with[] = { "ADD KEY k (x(10))", "ADD KEY k (x(10), v(5))",
				  "ADD UNIQUE k (v(5), x(3))", "ADD CONSTRAINT k CHECK (x > v)",
				  "ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES p (v)" },
		*const without[] = {
			"ADD KEY `q (``x``)` (v)",
			"ADD CONSTRAINT k FOREIGN KEY (v) REFERENCES p (x)",
			"ADD CONSTRAINT k CHECK (v <> '`x`')",
		};

	(void)unused;
	pair_both(
		"CREATE TABLE p (x VARCHAR(20) PRIMARY KEY, v VARCHAR(20), KEY (v)) ENGINE=InnoDB");
	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		char alter[200] = "ALTER TABLE t ";

		pair_both(
			"CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), x VARCHAR(20))");
		pair_run(0, strcat(alter, with[i]));
		compare(VERDICT_FAIL, NULL);
		pair_run(1, "ALTER TABLE t DROP x");
		compare(VERDICT_PASS, ignore);
	}
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		char alter[200] = "ALTER TABLE t ";

		pair_both("CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), KEY (v), "
			  "x VARCHAR(20))");
		pair_run(0, strcat(alter, without[i]));
		compare(VERDICT_FAIL, ignore);
	}
}

/* Between two ranges of such a key there would be rows of which neither side is read. */
static void a_key_of_two_orders_loses_no_row(void **unused)
{
	static const char *const keys[] = {
		"k CHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_nopad_ci",
		"k CHAR(9) CHARACTER SET latin1 COLLATE latin1_nopad_bin", "k YEAR(2)"
	};
	struct compare_opts o = pair_options();

	(void)unused;
	o.chunk_rows = 1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char create[200] = "CREATE OR REPLACE TABLE t (";

		strcat(strcat(create, keys[i]), " PRIMARY KEY)");
		pair_both(create);
		pair_both(i < 2 ? "INSERT INTO t VALUES (''),('a'),(x'01'),(x'6109'),('b'),('a b')"
				: "INSERT INTO t VALUES (0),(1970),(1999),(2001),(2005),(2069)");
		for (int row = 0; row < 6; row++) {
			struct compare_result r = pair_compare(&o);

			assert_int_equal(r.verdict, VERDICT_PASS);
			assert_int_equal(r.rows, 6 - row);
			compare_result_release(&r);
			pair_run(1, "DELETE FROM t ORDER BY HEX(k) LIMIT 1");
			r = pair_compare(&o);
			assert_int_equal(r.verdict, VERDICT_FAIL);
			compare_result_release(&r);
			pair_run(0, "DELETE FROM t ORDER BY HEX(k) LIMIT 1");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_column_is_not_the_tables_engine, fresh),
		cmocka_unit_test_setup(views_whose_names_read_alike_are_two, fresh),
		cmocka_unit_test_setup(what_holds_an_ignored_column_is_ignored_and_nothing_else,
				       fresh),
		cmocka_unit_test_setup(a_key_of_two_orders_loses_no_row, fresh),
	};
	int rc;

	pair_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pair_stop();
	return rc;
}
