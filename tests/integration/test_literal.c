/* Needs MariaDB: every type of column, under every kind of key. A value that was read from a
 * server, written as a literal, is stored bit for bit, and finds its row and no other: by an index
 * and by a full scan, which compare in different ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/sql/literal.h"
#include "tests/integration/mariadb_server.h"

#define VALUES_MAX 24

enum how { INT, UINT, F32, F64, TEXT, CHARS, BYTES };
static const struct type {
	const char *sql;
	enum how how;
	const char *value[VALUES_MAX];
} types[] = {
	{ "TINYINT", INT, { "-128", "-1", "0", "127" } },
	{ "TINYINT UNSIGNED", UINT, { "0", "128", "255" } },
	{ "SMALLINT", INT, { "-32768", "0", "32767" } },
	{ "MEDIUMINT UNSIGNED", UINT, { "0", "1", "16777215" } },
	{ "INT", INT, { "-2147483648", "-1", "0", "2147483647" } },
	{ "INT(8) ZEROFILL", UINT, { "0", "12", "4294967295" } },
	{ "BIGINT",
	  INT,
	  { "-9223372036854775808", "-9007199254740993", "-9007199254740992", "9007199254740992",
	    "9007199254740993", "9223372036854775806", "9223372036854775807" } },
	{ "BIGINT UNSIGNED",
	  UINT,
	  { "0", "9007199254740993", "9007199254740992", "9223372036854775807",
	    "9223372036854775808", "18446744073709551614", "18446744073709551615" } },
	{ "DECIMAL(30,2)",
	  TEXT,
	  { "12345678901234567890.00", "12345678901234567890.01", "12345678901234567890.02",
	    "-12345678901234567890.01", "0" } },
	{ "DECIMAL(65,30)",
	  TEXT,
	  { "99999999999999999999999999999999999.999999999999999999999999999999",
	    "99999999999999999999999999999999999.999999999999999999999999999998",
	    "-0.000000000000000000000000000001", "0.000000000000000000000000000001", "0" } },
	{ "DECIMAL(20,0) UNSIGNED ZEROFILL",
	  TEXT,
	  { "0", "9007199254740993", "9007199254740992", "99999999999999999999" } },
	{ "FLOAT",
	  F32,
	  { "0.1", "1.1", "1.1000001", "-3.40282e38", "1.17549e-38", "0", "16777216", "16777218",
	    "123456.789" } },
	{ "FLOAT(7,2)", F32, { "0.1", "12345.67", "12345.66", "-0.01" } },
	{ "DOUBLE",
	  F64,
	  { "0.1", "0.30000000000000004", "0.3", "1.7976931348623157e308",
	    "-1.7976931348623157e308", "4.9406564584124654e-324", "0", "9007199254740992",
	    "9007199254740994", "1e22", "1e23" } },
	{ "DOUBLE(20,5)", F64, { "0.1", "123456789.12345", "123456789.12344" } },
	{ "BIT(1)", UINT, { "0", "1" } },
	{ "BIT(64)", UINT, { "0", "49", "9223372036854775808", "18446744073709551615" } },
	{ "ENUM('2','1','0','a''b','ä')", UINT, { "'2'", "'1'", "'0'", "'a''b'", "'ä'" } },
	{ "SET('1','2','4','x')", UINT, { "''", "'1'", "'2'", "'1,2'", "'4'", "'1,2,4,x'" } },
	{ "YEAR", UINT, { "'0000'", "1901", "1970", "2000", "2012", "2155" } },
	{ "DATE",
	  TEXT,
	  { "'0000-00-00'", "'2024-00-00'", "'2024-02-31'", "'1000-01-01'", "'2024-02-29'",
	    "'9999-12-31'" } },
	{ "TIME",
	  TEXT,
	  { "'-838:59:59'", "'-00:00:01'", "'00:00:00'", "'00:00:01'", "'12:00:00'",
	    "'838:59:59'" } },
	{ "TIME(6)",
	  TEXT,
	  { "'-838:59:59.999999'", "'-00:00:00.000001'", "'00:00:00'", "'00:00:00.000001'",
	    "'838:59:59.999999'", "'838:59:59.999998'" } },
	{ "DATETIME",
	  TEXT,
	  { "'0000-00-00 00:00:00'", "'2024-00-00 01:02:03'", "'2024-02-31 00:00:00'",
	    "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'" } },
	{ "DATETIME(6)",
	  TEXT,
	  { "'2024-02-29 12:34:56.000001'", "'2024-02-29 12:34:56.000002'",
	    "'9999-12-31 23:59:59.999999'" } },
	{ "TIMESTAMP",
	  TEXT,
	  { "'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2024-02-29 12:34:56'",
	    "'2038-01-19 03:14:07'" } },
	{ "TIMESTAMP(6)",
	  TEXT,
	  { "'1970-01-01 00:00:01.000001'", "'2024-02-29 12:34:56.999999'",
	    "'2024-02-29 12:34:56.999998'" } },
	{ "CHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	  CHARS,
	  { "''", "'a'", "'A'", "'1'", "'1.0'", "'01'", "'it''s\\\\'", "'日本😀'",
	    "'\\0\\n\\r\\Z'" } },
	{ "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
	  CHARS,
	  { "''", "'a'", "'b'", "'1'", "'1.0'", "'ß!'", "'%'", "'_'" } },
	{ "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
	  CHARS,
	  { "''", "' '", "'a'", "'a '", "'a\\t'" } },
	{ "VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci",
	  CHARS,
	  { "''", "'a'", "'b'", "'日本'", "'ö?'" } },
	{ "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci",
	  CHARS,
	  { "''", "'a'", "'é'", "'€'", "'ÿ'" } },
	{ "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin",
	  CHARS,
	  { "'a'", "'A'", "'é'", "'É'" } },
	{ "VARCHAR(20) CHARACTER SET gbk COLLATE gbk_chinese_ci",
	  CHARS,
	  { "'a'", "'中文'", "'测试'", "'a\\\\b'" } },
	{ "VARCHAR(20) CHARACTER SET sjis COLLATE sjis_japanese_ci",
	  CHARS,
	  { "'a'", "'日本語'", "'ソ'", "'表'" } },
	{ "VARCHAR(20) CHARACTER SET utf16 COLLATE utf16_general_ci",
	  CHARS,
	  { "''", "'a'", "'日本'", "'😀'" } },
	{ "CHAR(5) CHARACTER SET ucs2 COLLATE ucs2_bin", CHARS, { "''", "'a'", "'日本'" } },
	{ "VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin",
	  CHARS,
	  { "''", "'a'", "'A'", "'7'" } },
	{ "BINARY(4)",
	  BYTES,
	  { "x'00000000'", "x'31000000'", "x'31323334'", "x'ffffffff'", "x'5c275c27'" } },
	{ "VARBINARY(300)",
	  BYTES,
	  { "''", "x'00'", "x'0000'", "x'31'", "x'3100'", "x'20'", "x'e4'", "x'5c'", "x'27'",
	    "REPEAT(x'ff', 300)" } },
	{ "TINYTEXT CHARACTER SET latin1 COLLATE latin1_general_cs",
	  CHARS,
	  { "''", "'a'", "'A'", "'é'" } },
	{ "TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	  CHARS,
	  { "''", "'a'", "'A'", "REPEAT('😀', 500)" } },
	{ "BLOB", BYTES, { "''", "x'00'", "x'31'", "REPEAT(x'fe', 5000)" } },
	{ "JSON", TEXT, { "'{}'", "'{\"a\": \"\\\\\\\\n\"}'", "'[1, 2]'" } },
};

static const struct kind {
	const char *name, *sql, *index; /* %s: k, with a length where the type needs one */
	bool one;                       /* the key is k alone */
} kinds[] = {
	{ "primary", "PRIMARY KEY (%s)", "PRIMARY", true },
	{ "unique", "UNIQUE u (%s)", "u", true },
	{ "composite", "PRIMARY KEY (a, %s)", "PRIMARY", false },
	{ "prefix", "KEY u (k(2))", "u", true },
	{ "none", "KEY other (v)", NULL, true },
};

static struct test_server *server;
static struct sql *conn;
static char what[300]; /* for a failure */

static void must(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void must(const char *fmt, ...)
{
	struct err e = ERR_INIT;
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	if (sql_exec_text(conn, &e, text, strlen(text)) < 0)
		fail_msg("%s: %s: %.300s", what, e.text, text);
	free(text);
}

static size_t n_values(const struct type *t)
{
	size_t n = 0;

	while (n < VALUES_MAX && t->value[n])
		n++;
	return n;
}

static bool is_long(const struct type *t)
{
	return strstr(t->sql, "TEXT") || !strcmp(t->sql, "BLOB");
}

/* How the value is read, for a log's value and for a cell. */
static const char *expression(const struct type *t, bool log)
{
	switch (t->how) {
	case F32: return "CAST(k AS DOUBLE)";
	case UINT:
		return strchr("BES", t->sql[0]) && strncmp(t->sql, "BIGINT", 6) &&
				       strncmp(t->sql, "SMALLINT", 8)
			       ? "k+0"
			       : "k";
	case CHARS: return log ? "CONVERT(k USING utf8mb4)" : "CAST(k AS BINARY)";
	case BYTES: return "CAST(k AS BINARY)";
	default: return "k";
	}
}

static void add_log_literal(struct strbuf *out, const struct type *t, const struct column *c,
			    const char *data, size_t n)
{
	bool text = t->how == CHARS;
	struct redo_column rc = { .type = (uint8_t)c->type,
				  .flag = c->flags,
				  .charset = { text ? "utf8mb4" : "binary", text ? 7 : 6 } };

	switch (t->how) {
	case INT:
		rc.value = (struct redo_value){ .kind = REDO_INT, .i = strtoll(data, NULL, 10) };
		break;
	case UINT:
		rc.value = (struct redo_value){ .kind = REDO_UINT, .u = strtoull(data, NULL, 10) };
		break;
	case F32:
		rc.value =
			(struct redo_value){ .kind = REDO_F32, .f32 = (float)strtod(data, NULL) };
		break;
	case F64:
		rc.value = (struct redo_value){ .kind = REDO_F64, .f64 = strtod(data, NULL) };
		break;
	case TEXT:
		rc.value = (struct redo_value){ .kind = REDO_STR, .s = { data, (uint32_t)n } };
		break;
	case CHARS:
	case BYTES:
		rc.value = (struct redo_value){ .kind = REDO_BIN, .s = { data, (uint32_t)n } };
		break;
	}
	literal_add_column(out, &rc);
}

/* One literal a row, in the order of v. */
static void literals(const struct type *t, bool log, char *out[VALUES_MAX])
{
	struct table_schema schema;
	struct sql_rows r = { 0 };
	struct err e = ERR_INIT;
	size_t n = 0;

	assert_int_equal(schema_load(conn, "lit", "t", &schema, &e), 0);
	if (!log)
		must("SET SESSION character_set_results = NULL");
	assert_int_equal(
		sql_query(conn, &r, &e, "SELECT %s FROM lit.t ORDER BY v", expression(t, log)), 0);
	while (sql_rows_next(&r, &e) == 1) {
		struct strbuf text = STRBUF_INIT;

		if (log)
			add_log_literal(&text, t, &schema.columns[1], r.cell[0], r.len[0]);
		else
			literal_add_cell(&text, &schema.columns[1], r.cell[0], r.len[0]);
		out[n++] = strbuf_detach(&text);
	}
	sql_rows_release(&r);
	must("SET SESSION character_set_results = utf8mb4");
	assert_int_equal(n, n_values(t));
	schema_release(&schema);
}

static void add_condition(struct strbuf *q, const struct kind *k, const struct type *t, size_t from,
			  size_t step, char *literal[])
{
	const char *sep = "";

	strbuf_addstr(q, k->one ? "k IN (" : "(");
	for (size_t i = from; i < n_values(t); i += step) {
		strbuf_addf(q, k->one ? "%s%s" : "%s(a=1 AND k=%s)", sep, literal[i]);
		sep = k->one ? "," : " OR ";
	}
	strbuf_addstr(q, ")");
}

static void expect_rows(const struct kind *k, const struct type *t, const char *hint, size_t from,
			size_t step, char *literal[])
{
	struct strbuf q = STRBUF_INIT, want = STRBUF_INIT, got = STRBUF_INIT;
	struct err e = ERR_INIT;

	for (size_t i = from; i < n_values(t); i += step)
		strbuf_addf(&want, "%s%zu", want.len ? "," : "", i);
	add_condition(&q, k, t, from, step, literal);
	if (sql_value(conn, &got, &e, "SELECT GROUP_CONCAT(v ORDER BY v) FROM lit.t %s WHERE %s",
		      hint, q.buf) < 0)
		fail_msg("%s: %s", what, e.text);
	if (strcmp(got.buf, want.buf))
		fail_msg("%s: %s WHERE %.300s: finds rows %s, not %s", what, hint, q.buf, got.buf,
			 want.buf);
	strbuf_release(&q);
	strbuf_release(&want);
	strbuf_release(&got);
}

static void stores_it_bit_for_bit(const struct type *t, char *literal[])
{
	const char *differs = t->how == F32 || t->how == F64
				      ? "CAST(t.k AS DOUBLE) <> CAST(c.k AS DOUBLE)"
				      : "HEX(CAST(t.k AS BINARY)) <> HEX(CAST(c.k AS BINARY))";
	struct strbuf n = STRBUF_INIT;
	struct err e = ERR_INIT;

	must("CREATE OR REPLACE TABLE lit.c LIKE lit.t");
	for (size_t i = 0; i < n_values(t); i++)
		must("REPLACE INTO lit.c VALUES (1, %s, %zu)", literal[i], i);
	assert_int_equal(
		sql_value(
			conn, &n, &e,
			"SELECT CONCAT(COUNT(*), ' ', IFNULL(SUM(%s), 0)) FROM lit.t t JOIN lit.c c USING (v)",
			differs),
		0);
	char *want = xstrfmt("%zu 0", n_values(t));
	if (strcmp(n.buf, want))
		fail_msg("%s: stored rows and differences: %s", what, n.buf);
	free(want);
	strbuf_release(&n);
}

static void try_it(const struct type *t, const struct kind *k, bool log)
{
	char *literal[VALUES_MAX] = { NULL }, key[400];
	char ignore[60] = "", force[60] = "";

	snprintf(what, sizeof(what), "%s, %s key, %s", t->sql, k->name,
		 log ? "a log's value" : "a server's cell");
	snprintf(key, sizeof(key), k->sql, is_long(t) ? "k(250)" : "k");
	must("CREATE OR REPLACE TABLE lit.t (a INT NOT NULL, k %s NOT NULL, v INT NOT NULL, %s)",
	     t->sql, key);
	for (size_t i = 0; i < n_values(t); i++)
		must("INSERT INTO lit.t VALUES (1, %s, %zu)", t->value[i], i);
	literals(t, log, literal);
	if (k->index) {
		snprintf(ignore, sizeof(ignore), "IGNORE INDEX (%s)", k->index);
		snprintf(force, sizeof(force), "FORCE INDEX (%s)", k->index);
	}
	for (size_t i = 0; i < n_values(t); i++) { /* each alone, then every other one */
		expect_rows(k, t, ignore, i, VALUES_MAX, literal);
		expect_rows(k, t, force, i, VALUES_MAX, literal);
	}
	expect_rows(k, t, ignore, 0, 2, literal);
	expect_rows(k, t, force, 0, 2, literal);
	stores_it_bit_for_bit(t, literal);
	for (size_t i = 0; i < n_values(t); i++)
		free(literal[i]);
}

static bool has_key(const struct type *t, const struct kind *k)
{
	bool chars = t->how == CHARS || t->how == BYTES;

	if (!strcmp(t->sql, "JSON"))
		return false; /* no text to every server, and in no key of a log */
	return strcmp(k->name, "prefix") || (chars && !strstr(t->sql, "BINARY(4)"));
}

static void a_literal_finds_its_row_and_no_other(void **unused)
{
	size_t tried = 0;

	(void)unused;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
			if (has_key(&types[i], &kinds[k])) {
				try_it(&types[i], &kinds[k], true);
				try_it(&types[i], &kinds[k], false);
				tried++;
			}
	assert_true(tried > 4 * (sizeof(types) / sizeof(types[0]) - 1));
}

/* Many keys in a wide DELETE, as the changefeed's sink and the replay send it: no optimizer's
 * choice deletes another row. */
static void a_wide_delete_by_decimals_deletes_those_alone(void **unused)
{
	struct strbuf q = STRBUF_INIT;
	struct err e = ERR_INIT;
	uint64_t left = 0;

	(void)unused;
	must("CREATE OR REPLACE TABLE lit.d (d DECIMAL(30,2) PRIMARY KEY, v INT)");
	must("INSERT INTO lit.d SELECT 12345678901234567890.00 + seq / 100, seq FROM lit.seq_0_to_59");
	strbuf_addstr(&q, "DELETE FROM lit.d WHERE d IN (");
	for (int i = 0; i < 30; i++) {
		char text[40];
		struct redo_column c = { .type = COL_DECIMAL,
					 .charset = { "binary", 6 },
					 .value = { .kind = REDO_STR, .s = { text, 23 } } };

		snprintf(text, sizeof(text), "12345678901234567890.%02d", i);
		strbuf_addstr(&q, i ? "," : "");
		literal_add_column(&q, &c);
	}
	must("%s)", q.buf);
	assert_int_equal(sql_value_u64(conn, &left, &e,
				       "SELECT SUM(v >= 30) * 100 + SUM(v < 30) FROM lit.d"),
			 0);
	assert_int_equal(left, 3000);
	strbuf_release(&q);
}

static void what_is_no_number_is_zero(void **unused)
{
	struct redo_column c = { .type = COL_DOUBLE,
				 .charset = { "binary", 6 },
				 .value = { .kind = REDO_F64, .f64 = __builtin_nan("") } };
	struct strbuf q = STRBUF_INIT;

	(void)unused;
	literal_add_column(&q, &c);
	c.value.f64 = -__builtin_inf();
	literal_add_column(&q, &c);
	assert_string_equal(q.buf, "0.0000000000000000e+000.0000000000000000e+00");
	strbuf_reset(&q);
	c = (struct redo_column){ .type = COL_DECIMAL,
				  .charset = { "binary", 6 },
				  .value = { .kind = REDO_STR, .s = { "1) OR (1", 8 } } };
	literal_add_column(&q, &c); /* a damaged log's text never becomes SQL */
	assert_string_equal(q.buf, "'1) OR (1'");
	strbuf_release(&q);
}

static const char *sent(const void *unused, unsigned i, bool *text)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "it`s", "x'y", NULL };

	(void)unused;
	*text = i == 3;
	return names[i];
}

/* A lost value is told also among the warnings of generated columns, which are no loss. */
static void a_value_that_is_not_kept_is_told(void **unused)
{
	static const struct {
		const char *values, *says; /* NULL: all are kept */
	} cases[] = {
		{ "(1, 2, '2026-01-02', 'x', 1.5, 1, 1)", NULL },
		{ "(2, 300, '2026-01-02', 'x', 1.5, 1, 1)", "column 'b'" },
		{ "(3, 2, '2026-13-02', 'x', 1.5, 1, 1)", "column 'c'" },
		{ "(4, 2, '2026-01-02', 'long', 1.5, 1, 1)", "column 'd'" },
		{ "(5, 2, '2026-01-02', 'x', 'z', 1, 1)", "`e` at row" },
		{ "(6, 2, '2026-01-02', 'x', 1.5, 300, 1)", "column 'it`s'" },
		{ "(7, 2, '2026-01-02', 'x', 1.5, 1, 300)", "column 'x'y'" },
	};
	struct err e = ERR_INIT;

	(void)unused;
	must("CREATE TABLE lit.g (a INT PRIMARY KEY, b TINYINT, c DATETIME, d VARCHAR(3), e DOUBLE,"
	     " `it``s` TINYINT, `x'y` TINYINT)");
	for (int computes = 0; computes < 2; computes++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			int rc;

			must("REPLACE INTO lit.g (a, b, c, d, e, `it``s`, `x'y`) VALUES %s",
			     cases[i].values);
			assert_int_equal(!mysql_warning_count(sql_handle(conn)),
					 !computes && !cases[i].says);
			rc = literal_kept(conn, false, sent, NULL, &e);
			if (rc != (cases[i].says ? -1 : 0) ||
			    (rc && !strstr(e.text, cases[i].says)))
				fail_msg("%s: %d %s", cases[i].values, rc, e.text);
		}
		must("ALTER TABLE lit.g ADD COLUMN IF NOT EXISTS o VARCHAR(9) AS (d || 'b') STORED,"
		     " ADD COLUMN IF NOT EXISTS s TINYINT AS (a * 1000) STORED, ADD COLUMN IF NOT EXISTS y INT AS (YEAR(d)) STORED,"
		     " ADD COLUMN IF NOT EXISTS cd CHAR(1) AS (CONCAT(d, 'yz')) STORED");
	}
	/* more of them than a session keeps: nobody sees what is behind */
	must("SET SESSION max_error_count = 2");
	must("REPLACE INTO lit.g (a) VALUES (1), (2), (3)");
	assert_int_equal(literal_kept(conn, false, sent, NULL, &e), -1);
	assert_non_null(strstr(e.text, "more warnings than it shows"));
	must("SET SESSION max_error_count = 65535");
}

static int begin(void **unused)
{
	(void)unused;
	server = test_server_start(1);
	conn = test_server_connect(server);
	must("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,IGNORE_SPACE,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'");
	must("CREATE DATABASE lit");
	return 0;
}

static int end(void **unused)
{
	(void)unused;
	sql_close(conn);
	test_server_free(server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_number_is_zero),
		cmocka_unit_test(a_value_that_is_not_kept_is_told),
		cmocka_unit_test(a_wide_delete_by_decimals_deletes_those_alone),
		cmocka_unit_test(a_literal_finds_its_row_and_no_other),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
