/* Needs MariaDB. Every column type under every kind of key, in one range and in many: equal tables
 * are equal, one row that differs is found and counted, and the fix SQL heals it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/xalloc.h"
#include "harness/sql/checksum.h"
#include "harness/compare/compare_rows.h"
#include "tests/integration/compare_pair.h"

/* As many as there can be: more than a DOUBLE has bits, with an empty one among them. */
#define WIDE_SET                                                                                           \
	"SET("                                                                                             \
	"'m0','m1','m2','m3','m4','m5','m6','m7','m8','m9','m10','m11','m12','m13','m14','m15',"           \
	"'m16','m17','m18','m19','m20','m21','m22','m23','m24','m25','m26','m27','m28','m29','m30','m31'," \
	"'m32','m33','m34','m35','m36','m37','m38','m39','','it''s','m42','m43','m44','m45','m46','m47',"  \
	"'m48','m49','m50','m51','m52','m53','m54','m55','m56','m57','m58','m59','m60','m61','m62','m63')"

/* Six values, of which the third is changed into the seventh. */
enum may { ANY_KEY, LONG_KEY /* a key of it wants a length */, NO_KEY };
static const struct type {
	const char *name, *sql, *values;
	enum may may;
} types[] = {
	{ "tiny", "TINYINT", "-128|-1|0|1|2|127|3", ANY_KEY },
	{ "small", "SMALLINT UNSIGNED", "0|1|2|3|255|65535|4", ANY_KEY },
	{ "medium", "MEDIUMINT", "-8388608|-1|0|1|2|8388607|3", ANY_KEY },
	{ "int_", "INT ZEROFILL", "0|1|2|3|4|4294967295|5", ANY_KEY },
	{ "big", "BIGINT UNSIGNED",
	  "0|1|9223372036854775807|9223372036854775808|5|18446744073709551615|9223372036854775806",
	  ANY_KEY },
	{ "signed_", "BIGINT", "-9223372036854775808|-1|0|1|2|9223372036854775807|3", ANY_KEY },
	{ "dec_long", "DECIMAL(65,30)",
	  "-1e-30|0|12345678901234567890123456789012345.000000000000000000000000000001|1|2|3|"
	  "12345678901234567890123456789012345.000000000000000000000000000002",
	  ANY_KEY },
	{ "dec_whole", "DECIMAL(20,0)", "-5|0|9007199254740993|1|2|3|9007199254740992", ANY_KEY },
	{ "float_", "FLOAT", "-1.5|-1e-60|0.1|1|16777216|3e38|0.10000001", ANY_KEY },
	{ "double_", "DOUBLE", "-1.7976931348623157e308|0|0.1|1|2|4.9e-324|0.10000000000000002",
	  ANY_KEY },
	{ "double_cut", "DOUBLE(12,2)", "-1.25|0|0.5|1|2|3|0.51", ANY_KEY },
	{ "bit_", "BIT(64)",
	  "0|1|b'1000000000000000000000000000000000000000000000000000000000000001'|2|3|4|"
	  "b'1000000000000000000000000000000000000000000000000000000000000000'",
	  ANY_KEY },
	{ "year_", "YEAR", "0|1901|1999|2000|2001|2155|1998", ANY_KEY },
	{ "date_", "DATE",
	  "'0000-00-00'|'1000-01-01'|'2024-02-29'|'2024-02-30'|'2024-00-00'|'9999-12-31'|'2024-02-28'",
	  ANY_KEY },
	{ "time_", "TIME(6)",
	  "'-838:59:59.999999'|'-00:00:00.000001'|'00:00:00'|'00:00:01'|'12:00:00'|'838:59:59.999999'|'00:00:00.000001'",
	  ANY_KEY },
	{ "datetime_", "DATETIME(3)",
	  "'0000-00-00'|'1000-01-01'|'2024-03-31 02:30:00.123'|'2024-03-31'|'2024-04-01'|'9999-12-31 23:59:59.999'|"
	  "'2024-03-31 02:30:00.124'",
	  ANY_KEY },
	{ "timestamp_", "TIMESTAMP(6) NULL",
	  "'1970-01-01 00:00:01'|'2000-01-01'|'2024-03-31 02:30:00.123456'|'2024-10-27 02:30:00'|'2025-01-01'|"
	  "'2038-01-19 03:14:07'|'2024-03-31 02:30:00.123457'",
	  ANY_KEY },
	{ "char_", "CHAR(20) CHARACTER SET latin1", "''|'a'|'é'|'f'|'z''\\\\'|'ÿ'|'è'", ANY_KEY },
	{ "ci", "VARCHAR(20) COLLATE utf8mb4_general_ci",
	  "''|'a '|'Straße'|'b'|'\\n,\\0'|'😀'|'strasse'", ANY_KEY },
	{ "case_alone", "VARCHAR(20) COLLATE utf8mb4_general_ci", "'1'|'2'|'Q'|'b'|'c'|'d'|'q'",
	  ANY_KEY },
	{ "blank_alone", "VARCHAR(20) COLLATE utf8mb4_general_ci", "'1'|'2'|'q'|'b'|'c'|'d'|'q '",
	  ANY_KEY },
	{ "bin", "VARCHAR(20) COLLATE utf8mb4_bin", "''|'a'|'A'|'B'|'b'|'c'|'à'", ANY_KEY },
	{ "nopad", "VARCHAR(20) COLLATE utf8mb4_unicode_nopad_ci", "''|'a'|'a '|'b'|'c'|'d'|'a  '",
	  ANY_KEY },
	{ "three", "VARCHAR(20) CHARACTER SET utf8mb3", "''|'a'|'ж'|'b'|'c'|'d'|'з'", ANY_KEY },
	{ "ucs", "VARCHAR(20) CHARACTER SET ucs2", "''|'a'|'ж'|'b'|'c'|'d'|'з'", ANY_KEY },
	{ "utf32_", "VARCHAR(20) CHARACTER SET utf32", "''|'a'|'😀'|'b'|'c'|'d'|'😁'", ANY_KEY },
	{ "gbk_", "VARCHAR(20) CHARACTER SET gbk",
	  "''|'a'|_gbk x'a2a1'|_gbk x'fe50'|'c'|'d'|_gbk x'a2a2'", ANY_KEY },
	{ "sjis_", "VARCHAR(20) CHARACTER SET sjis",
	  "''|'a'|_sjis x'815f'|_sjis x'5c'|'c'|'d'|_sjis x'7e'", ANY_KEY },
	{ "ascii_", "VARCHAR(20) CHARACTER SET ascii", "''|'a'|'x'|'b'|'c'|'d'|'y'", ANY_KEY },
	{ "binary_", "BINARY(8)", "''|'a'|x'00ff00'|x'ff'|'c'|'d'|x'00ff01'", ANY_KEY },
	{ "varbinary_", "VARBINARY(20)", "''|'a'|x'00ff00'|x'00ff'|'c'|'d'|x'00ff0000'", ANY_KEY },
	{ "tinyblob_", "TINYBLOB", "''|'a'|x'00ff00'|x'00ff'|'c'|'d'|x'00ff0000'", LONG_KEY },
	{ "blob_", "BLOB", "''|'a'|x'00ff00'|x'00ff'|'c'|REPEAT('x',60000)|x'00ff01'", LONG_KEY },
	{ "text_", "TEXT", "''|'a'|'ж'|'b'|'c'|REPEAT('ж',30000)|'з'", LONG_KEY },
	{ "longtext_", "LONGTEXT CHARACTER SET latin1", "''|'a'|'é'|'b'|'c'|REPEAT('x',300000)|'è'",
	  LONG_KEY },
	{ "json_", "JSON", "'{}'|'1'|'{\"a\":1}'|'[]'|'\"x\"'|'null'|'{\"a\": 1}'", LONG_KEY },
	{ "enum_", "ENUM('z','','y','x','w','v','u')", "1|2|3|4|5|6|7", ANY_KEY },
	{ "set_", "SET('a','b','','d')", "0|1|4|8|9|15|5", ANY_KEY },
	{ "set_wide", WIDE_SET,
	  "0|1|9223372036854775809|1099511627776|9223372036854775808|18446744073709551615|"
	  "9223372036854775811",
	  ANY_KEY },
	{ "uuid_", "UUID",
	  "'00000000-0000-0000-0000-000000000000'|'11111111-2222-3333-4444-555555555555'|'6ccd780c-baba-1026-9564-5b8c656024db'|"
	  "'6ccd780c-baba-1026-9564-5b8c656024dc'|"
	  "'6ccd780c-baba-1026-9564-5b8c656024dd'|'ffffffff-ffff-ffff-ffff-ffffffffffff'|'6ccd780c-baba-1026-9564-5b8c656024de'",
	  ANY_KEY },
	{ "inet", "INET6",
	  "'::'|'::1'|'2001:db8::ff00:42:8329'|'::ffff:192.0.2.128'|'fe80::1'|'ffff::'|'2001:db8::ff00:42:8328'",
	  ANY_KEY },
	{ "point_", "POINT",
	  "POINT(0,0)|POINT(1,1)|POINT(1.5,2)|POINT(2,1)|POINT(3,3)|POINT(-1,-1)|POINT(2,1.5)",
	  NO_KEY },
	{ "geometry_", "GEOMETRY",
	  "POINT(0,0)|POINT(1,1)|LINESTRING(POINT(0,0),POINT(1,1))|POINT(2,1)|POINT(3,3)|POINT(-1,-1)|"
	  "LINESTRING(POINT(0,0),POINT(1,2))",
	  NO_KEY },
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

static const struct {
	const char *name, *columns; /* %s: the type */
	enum may may;               /* the most that it is for */
} keys[] = {
	{ "id", "(id INT PRIMARY KEY, k %s, v INT)", NO_KEY },
	{ "primary", "(id INT, k %s NOT NULL, v INT, PRIMARY KEY (k))", ANY_KEY },
	{ "unique", "(id INT, k %s NOT NULL, v INT, UNIQUE (k))", ANY_KEY },
	{ "nullable", "(id INT, k %s, v INT, UNIQUE (k))", ANY_KEY },
	{ "first", "(id INT, k %s NOT NULL, v INT, PRIMARY KEY (k,id))", ANY_KEY },
	{ "second", "(id INT, k %s NOT NULL, v INT, PRIMARY KEY (id,k))", ANY_KEY },
	{ "hash", "(id INT, k %s NOT NULL, v INT, UNIQUE (k))", LONG_KEY },
	{ "prefix", "(id INT NOT NULL, k %s NOT NULL, v INT, PRIMARY KEY (k(9),id))", LONG_KEY },
	{ "none", "(id INT, k %s, v INT)", NO_KEY },
	{ "stored",
	  "(id INT PRIMARY KEY, k %s, v INT, g INT AS (v + 1) STORED, w INT AS (v + 2) VIRTUAL, i INT INVISIBLE DEFAULT 5, UNIQUE (g))",
	  NO_KEY },
	{ "versioned",
	  "(id INT PRIMARY KEY, k %s, v INT, s TIMESTAMP(6) AS ROW START, e TIMESTAMP(6) AS ROW END, PERIOD FOR SYSTEM_TIME (s,e)) "
	  "WITH SYSTEM VERSIONING",
	  NO_KEY },
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static bool goes(size_t k, size_t t)
{
	switch (types[t].may) {
	case ANY_KEY: return keys[k].may != LONG_KEY;
	case LONG_KEY: return keys[k].may != ANY_KEY;
	default: return keys[k].may == NO_KEY;
	}
}

/* The nth value, in 0 to 6. The caller's to free. */
static char *value(size_t t, int n)
{
	const char *p = types[t].values;

	while (n--)
		p = strchr(p, '|') + 1;
	return xstrfmt("%.*s", (int)strcspn(p, "|"), p);
}

static void each(int side, const char *what, int row)
{
	for (size_t t = 0; t < N_TYPES; t++)
		for (size_t k = 0; k < N_KEYS; k++) {
			char *text, *columns, *v = value(t, row);

			if (!goes(k, t)) {
				free(v);
				continue;
			}
			if (!strcmp(what, "create")) {
				columns = xstrfmt(keys[k].columns, types[t].sql);
				text = xstrfmt("CREATE TABLE %s_%s %s CHARSET utf8mb4",
					       types[t].name, keys[k].name, columns);
				free(columns);
			} else if (!strcmp(what, "insert")) {
				text = xstrfmt("INSERT INTO %s_%s (id,k,v) VALUES (%d,%s,%d)",
					       types[t].name, keys[k].name, row, v, row * 10);
			} else {
				text = xstrfmt("%s %s_%s %s%s WHERE id = 2",
					       !strcmp(what, "delete") ? "DELETE FROM" : "UPDATE",
					       types[t].name, keys[k].name,
					       !strcmp(what, "other")   ? "SET v = 77"
					       : !strcmp(what, "value") ? "SET k = "
									: "",
					       !strcmp(what, "value") ? v : "");
			}
			pair_run(side, text);
			free(text);
			free(v);
		}
}

static int setup(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		pair_run(
			side,
			"SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', sql_log_bin = 0");
		pair_run(side, "CREATE DATABASE d");
		pair_run(side, "USE d");
		each(side, "create", 0);
		pair_run(side, "BEGIN");
	}
	for (int row = 0; row < 6; row++) {
		for (int side = 0; side < 2; side++)
			each(side, "insert", row);
	}
	pair_both("COMMIT");
	return 0;
}

static void equal(uint64_t chunk_rows)
{
	struct compare_opts o = pair_options();
	struct compare_result r;
	uint64_t tables = 0;

	for (size_t t = 0; t < N_TYPES; t++)
		for (size_t k = 0; k < N_KEYS; k++)
			tables += goes(k, t);
	o.tables = "d.*";
	o.chunk_rows = chunk_rows;
	r = pair_compare(&o);
	if (r.verdict != VERDICT_PASS)
		fail_msg("%s: %s", r.evidence, json_dumps(r.findings, 0));
	assert_int_equal(r.tables, tables);
	assert_int_equal(r.rows, 6 * tables);
	compare_result_release(&r);
}

/* One row of each table differs: it is counted as such in each, and the fix makes all equal again.
 */
static void planted(const char *what, uint64_t chunk_rows, uint64_t del_max)
{
	struct compare_opts o = pair_options();
	struct compare_result r;
	char path[300];

	snprintf(path, sizeof(path), "%s/fix.sql", test_server_dir(pair_server[0]));
	o.tables = "d.*";
	o.chunk_rows = chunk_rows;
	o.fix_sql_path = path;
	pair_run(1, "BEGIN");
	each(1, what, 6);
	pair_run(1, "COMMIT");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	for (size_t i = 0; i < r.n_tables; i++) {
		const struct compare_table *t = &r.table[i];

		if (t->put != 1 || t->del > del_max || !t->named || t->rows_a != 6)
			fail_msg("%s: %s: %u named, %d put, %d deleted of %d: %s", what, t->name,
				 t->named, (int)t->put, (int)t->del, (int)t->rows_a,
				 json_dumps(pair_finding(&r, "different", t->name), 0));
	}
	compare_result_release(&r);
	pair_apply(path);
	equal(chunk_rows);
}

static void equal_tables_are_equal(void **unused)
{
	(void)unused;
	equal(1000);
	equal(2);
}

static void another_column_is_found(void **unused)
{
	(void)unused;
	planted("other", 1000, 1);
	planted("other", 2, 1);
}

static void the_value_itself_is_found(void **unused)
{
	(void)unused;
	planted("value", 1000, 1);
	planted("value", 2, 1);
}

static void a_missing_row_is_found(void **unused)
{
	(void)unused;
	planted("delete", 1000, 0);
	planted("delete", 2, 0);
}

/* TiDB shows numbers without ZEROFILL's zeros; another width is a difference of structure alone. */
static void zeros_of_zerofill_are_no_value(void **unused)
{
	struct compare_opts o = pair_options();
	struct compare_result r;

	(void)unused;
	pair_both("CREATE DATABASE z");
	pair_run(0, "CREATE TABLE z.t (id INT(4) ZEROFILL PRIMARY KEY, d DECIMAL(9,2) ZEROFILL, "
		    "b BIGINT ZEROFILL, x DOUBLE ZEROFILL, f FLOAT ZEROFILL)");
	pair_run(1, "CREATE TABLE z.t (id INT(9) ZEROFILL PRIMARY KEY, d DECIMAL(9,2) UNSIGNED, "
		    "b BIGINT(5) ZEROFILL, x DOUBLE UNSIGNED, f FLOAT UNSIGNED)");
	pair_both("INSERT INTO z.t VALUES (1,1.5,18446744073709551615,2.5,0.1),(20,0,0,0,0)");
	o.tables = "z.*";
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(pair_table(&r, "z.t")->put + pair_table(&r, "z.t")->del, 0);
	compare_result_release(&r);
	pair_both("DROP DATABASE z");
}

/* Bit by bit, for a server that makes a DOUBLE of it: the very number, and so by its members. */
static void a_wide_set_is_told_by_each_of_its_members(void **unused)
{
	struct table_schema t;
	struct strbuf number = STRBUF_INIT, members = STRBUF_INIT;
	struct err e = ERR_INIT;
	uint64_t rows = 0, alike = 0, apart = 0;

	(void)unused;
	pair_run(0, "CREATE DATABASE z");
	pair_run(0, "CREATE TABLE z.t (id INT PRIMARY KEY, s " WIDE_SET ")");
	pair_run(0, "INSERT INTO z.t SELECT seq, 1 << seq | IF(seq > 9, 1 << (seq - 9), 0) FROM "
		    "seq_0_to_63");
	pair_run(0, "INSERT INTO z.t VALUES (100,0),(101,NULL)");
	assert_int_equal(schema_load(pair_conn[0], "z", "t", &t, &e), 0);
	assert_int_equal(t.columns[1].n_members, 64);
	checksum_value(&number, &t.columns[1]);
	assert_null(strstr(number.buf, "+0 AS"));
	t.columns[1].by_members = true;
	checksum_value(&members, &t.columns[1]);
	if (sql_value_u64(pair_conn[0], &rows, &e, "SELECT COUNT(*) FROM z.t") < 0 ||
	    sql_value_u64(pair_conn[0], &alike, &e,
			  "SELECT COUNT(*) FROM z.t WHERE %s <=> CAST(s+0 AS UNSIGNED)",
			  number.buf) < 0 ||
	    sql_value_u64(pair_conn[0], &apart, &e, "SELECT COUNT(DISTINCT %s) + 1 FROM z.t",
			  members.buf) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(alike, rows);
	assert_int_equal(apart, rows);
	schema_release(&t);
	strbuf_release(&number);
	strbuf_release(&members);
	pair_run(0, "DROP DATABASE z");
}

/* Each DOUBLE has a portable sum of its own: neighbours, powers of two, the smallest and the
 * largest. */
static void portable_sums_tell_doubles_apart(void **unused)
{
	struct table_schema t;
	struct strbuf q = STRBUF_INIT, list = STRBUF_INIT;
	struct err e = ERR_INIT;
	uint64_t sums = 0, values = 0;

	(void)unused;
	pair_run(0, "CREATE DATABASE z");
	pair_run(0, "CREATE TABLE z.t (d DOUBLE, f FLOAT)");
	strbuf_addstr(&q, "INSERT INTO z.t VALUES (0,0),(-1e-400,1e-400)");
	for (int n = -1074; n < 1024; n += 7)
		for (int side = -1; side <= 1; side++) {
			double d = ldexp(1, n);

			d = side ? nextafter(d, side * 1e308) : d;
			strbuf_addf(&q, ",(%.17g,%.9g),(%.17g,1)", d,
				    n > -127 && n < 127 ? (double)(float)d : 1, -d);
		}
	pair_run(0, q.buf);
	assert_int_equal(schema_load(pair_conn[0], "z", "t", &t, &e), 0);
	t.portable_doubles = true;
	checksum_row_list(&list, &t);
	if (sql_value_u64(pair_conn[0], &sums, &e, "SELECT COUNT(DISTINCT %s) FROM z.t", list.buf) <
		    0 ||
	    sql_value_u64(pair_conn[0], &values, &e,
			  "SELECT COUNT(DISTINCT d, ATAN2(d,-1) < 0, CAST(f AS DOUBLE)) FROM z.t") <
		    0)
		fail_msg("%s", e.text);
	assert_true(values > 1500);
	assert_int_equal(sums, values);
	schema_release(&t);
	strbuf_release(&q);
	strbuf_release(&list);
	pair_run(0, "DROP DATABASE z");
}

/* As between servers of two kinds, which write one value as two texts: rows are told apart by the
 * value, in ranges and in bags. */
static void json_by_value_tells_values_apart_and_not_texts(void **unused)
{
	static const char *const tables[] = {
		"CREATE TABLE z.t (id INT PRIMARY KEY, j JSON, v INT)",
		"CREATE TABLE z.t (id INT, j JSON, v INT)",
	};

	(void)unused;
	for (int bag = 0; bag < 2; bag++) {
		struct compare_opts o = pair_options();
		struct compare_table count = { .name = (char *)"z.t" };
		struct compare c = { .o = &o,
				     .findings = json_array(),
				     .findings_max = 100,
				     .findings_per_table = 100 };
		struct compare_side side[2] = { { .conn = pair_conn[0], .query = STRBUF_INIT },
						{ .conn = pair_conn[1], .query = STRBUF_INIT } };
		struct table_schema t[2];
		struct row_range r = { &t[0], &t[1], NULL, NULL, 5, NULL, &count };
		struct rows_sum sum[2];
		struct err e = ERR_INIT;

		pthread_mutex_init(&c.lock, NULL);
		pair_both("CREATE DATABASE z");
		pair_both(tables[bag]);
		pair_run(0, "INSERT INTO z.t VALUES (1,'{\"a\": 1, \"b\": 1000}',1),(2,'[1]',2),"
			    "(3,NULL,3),(4,'[1.5]',4)");
		pair_run(1, "INSERT INTO z.t VALUES (1,'{\"b\":1000.0,\"a\":1}',1),(2,'[1.0]',2),"
			    "(3,NULL,3),(4,'[1.50]',4)");
		for (int turn = 0; turn < 2; turn++) {
			for (int s = 0; s < 2; s++) {
				assert_int_equal(schema_load(pair_conn[s], "z", "t", &t[s], &e), 0);
				t[s].json_by_value = true;
			}
			assert_int_equal(compare_sums(side, &r, sum, &e), 0);
			assert_false(compare_sums_equal(sum));
			r.seen = sum;
			if ((bag ? compare_bags : compare_rows)(&c, side, &r, &e) < 0)
				fail_msg("%s", e.text);
			assert_false(count.changing);
			if (c.rows_different != (turn ? bag ? 7 : 4 : 0))
				fail_msg("%d: %s", (int)c.rows_different,
					 json_dumps(c.findings, 0));
			schema_release(&t[0]);
			schema_release(&t[1]);
			/* the JSON, NULL, what stands beside it, and a row */
			pair_run(1, "UPDATE z.t SET j = '[1.0, 0]' WHERE id = 2");
			pair_run(1, "UPDATE z.t SET j = 'null' WHERE id = 3");
			pair_run(1, "UPDATE z.t SET v = 5 WHERE id = 4");
			pair_run(1, "DELETE FROM z.t WHERE id = 1");
		}
		pair_both("DROP DATABASE z");
		json_decref(c.findings);
		strbuf_release(&side[0].query);
		strbuf_release(&side[1].query);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(equal_tables_are_equal, setup),
		cmocka_unit_test(another_column_is_found),
		cmocka_unit_test(the_value_itself_is_found),
		cmocka_unit_test(a_missing_row_is_found),
		cmocka_unit_test(zeros_of_zerofill_are_no_value),
		cmocka_unit_test(a_wide_set_is_told_by_each_of_its_members),
		cmocka_unit_test(portable_sums_tell_doubles_apart),
		cmocka_unit_test(json_by_value_tells_values_apart_and_not_texts),
	};
	int rc;

	pair_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pair_stop();
	return rc;
}
