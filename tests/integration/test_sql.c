/* Needs MariaDB: connections, table structure and the TSO map against a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/sql/schema.h"
#include "harness/sql/tso_map.h"
#include "tests/integration/mariadb_server.h"

static struct test_server *server;
static struct sql *conn;

static void must(const char *text)
{
	struct err e = ERR_INIT;

	if (sql_exec_text(conn, &e, text, strlen(text)) < 0)
		fail_msg("%s", e.text);
}

static void what_is_written_is_read_back(void **unused)
{
	struct strbuf q = STRBUF_INIT, got = STRBUF_INIT;
	struct err e = ERR_INIT;
	char all[256];

	(void)unused;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	strbuf_addstr(&q, "SELECT CAST(_binary");
	sql_add_text(&q, all, 256);
	strbuf_addstr(&q, " AS BINARY)");
	assert_int_equal(sql_value(conn, &got, &e, "%s", "SELECT 1"), 0);
	strbuf_reset(&got);
	{
		struct sql_rows r;

		assert_int_equal(sql_query_stream(conn, &r, &e, q.buf, q.len), 0);
		assert_int_equal(sql_rows_next(&r, &e), 1);
		assert_int_equal(r.len[0], 256);
		assert_memory_equal(r.cell[0], all, 256);
		assert_int_equal(sql_rows_next(&r, &e), 0);
		sql_rows_release(&r);
	}
	assert_int_equal(sql_value(conn, &got, &e, "SELECT NULL"), 1);
	assert_int_equal(sql_value(conn, &got, &e, "SELECT 1 FROM DUAL WHERE 1 = 0"), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	strbuf_release(&q);
	strbuf_release(&got);
}

static void repeat(struct strbuf *out, const char *piece, size_t n, size_t times)
{
	strbuf_reset(out);
	strbuf_grow(out, n * times);
	while (times--)
		strbuf_add(out, piece, n);
}

static uint64_t number_of(const char *query)
{
	struct err e = ERR_INIT;
	uint64_t n = 0;

	if (sql_value_u64(conn, &n, &e, "%s", query) < 0)
		fail_msg("%s", e.text);
	return n;
}

/* 16 MiB is the server's limit: values of nearly that size, whose literals are twice as long, and
 * more than one of them. */
static void a_statement_beyond_the_packets_limit_is_carried(void **unused)
{
	struct strbuf q = STRBUF_INIT, b = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(number_of("SELECT @@max_allowed_packet"), 16 << 20);
	must("CREATE DATABASE IF NOT EXISTS s");
	must("CREATE TABLE s.long_ (id INT PRIMARY KEY, `b'` LONGBLOB, t LONGTEXT, g LONGTEXT CHARACTER SET gbk, j JSON)");
	repeat(&b, "\x00\xff'\\\n\x1a\"", 7, 2300000); /* 16.1 MB: below the limit */
	strbuf_addstr(&q, "REPLACE INTO s.long_ (id,`b'`,t,g,j) VALUES (1,");
	sql_add_binary(&q, b.buf, b.len);
	repeat(&b, "it's \\ \xc3\xa9", 9, 1800000);
	strbuf_addch(&q, ',');
	sql_add_text(&q, b.buf, b.len);
	repeat(&b, "\xe4\xb8\xad\xe6\x96\x87'", 7, 1000000);
	strbuf_addch(&q, ',');
	sql_add_text(&q, b.buf, b.len);
	strbuf_addstr(&q, ",'{\"a\": \"it''s\"}'),(2,x'0001','short',NULL,NULL)");
	assert_int_equal(sql_exec_text(conn, &e, q.buf, q.len), 2);
	assert_int_equal(
		number_of(
			"SELECT MD5(`b'`) = MD5(REPEAT(x'00FF275C0A1A22', 2300000)) FROM s.long_ WHERE id = 1"),
		1);
	assert_int_equal(
		number_of(
			"SELECT MD5(t) = MD5(REPEAT(CONVERT(x'69742773205C20C3A9' USING utf8mb4), 1800000)) FROM s.long_ WHERE id = 1"),
		1);
	assert_int_equal(
		number_of(
			"SELECT MD5(g) = MD5(CONVERT(REPEAT(CONVERT(x'E4B8ADE6968727' USING utf8mb4), 1000000) USING gbk)) "
			"FROM s.long_ WHERE id = 1"),
		1);
	assert_int_equal(
		number_of("SELECT JSON_VALUE(j, '$.a') = 'it''s' FROM s.long_ WHERE id = 1"), 1);
	assert_int_equal(
		number_of(
			"SELECT HEX(`b'`) = '0001' AND t = 'short' AND g IS NULL FROM s.long_ WHERE id = 2"),
		1);
	/* a value that no statement can bring is told with both sizes, and the connection lives on
	 */
	strbuf_reset(&q);
	repeat(&b, "x", 1, (16 << 20) + 1);
	strbuf_addstr(&q, "INSERT INTO s.long_ (id,t) VALUES (3,");
	sql_add_text(&q, b.buf, b.len);
	strbuf_addch(&q, ')');
	assert_int_equal(sql_exec_text(conn, &e, q.buf, q.len), -1);
	assert_int_equal(e.kind, ERR_SQL);
	assert_int_equal(e.code, 1153);
	assert_non_null(strstr(e.text, "16777217 bytes"));
	assert_non_null(strstr(e.text, "max_allowed_packet of 16777216"));
	/* so is an error of the statement itself */
	strbuf_reset(&q);
	strbuf_setlen(&b, (16 << 20) - 10);
	strbuf_addstr(&q, "INSERT INTO s.long_ (id,t) VALUES (1,");
	sql_add_text(&q, b.buf, b.len);
	strbuf_addch(&q, ')');
	assert_int_equal(sql_exec_text(conn, &e, q.buf, q.len), -1);
	assert_int_equal(e.code, 1062);
	assert_int_equal(number_of("SELECT COUNT(*) FROM s.long_"), 2);
	strbuf_release(&q);
	strbuf_release(&b);
}

static void a_servers_no_is_an_error_with_its_number(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(sql_exec(conn, &e, "INSERT INTO nowhere.t VALUES (1)"), -1);
	assert_int_equal(e.kind, ERR_SQL);
	assert_true(e.code == 1146 || e.code == 1049);
	assert_non_null(strstr(e.text, "nowhere"));
}

static void the_structure_of_a_table_is_whole(void **unused)
{
	struct table_schema t;
	struct err e = ERR_INIT;

	(void)unused;
	must("CREATE DATABASE IF NOT EXISTS s");
	must("CREATE TABLE s.t (a INT UNSIGNED NOT NULL, b VARCHAR(20) NOT NULL, c DECIMAL(20,10), d ENUM('x','it''s') NOT NULL, e JSON,"
	     " f BIT(9), g DATETIME(3), h BINARY(5), v INT AS (a + 1) VIRTUAL, w INT AS (a + 2) STORED, n INT,"
	     " UNIQUE KEY n_u (n), UNIQUE KEY ab (a, b), UNIQUE KEY d_u (d), KEY c_k (c))");
	if (schema_load(conn, "s", "t", &t, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(t.n_columns, 11);
	assert_int_equal(t.n_uniques, 3);
	assert_string_equal(t.uniques[t.handle].name, "d_u"); /* the shortest NOT NULL one */
	assert_int_equal(t.columns[0].flags,
			 COLF_BINARY | COLF_UNIQUE_KEY | COLF_MULTIPLE_KEY | COLF_UNSIGNED);
	assert_int_equal(t.columns[1].type, COL_VARCHAR);
	assert_string_equal(t.columns[1].charset, "utf8mb4");
	assert_int_equal(t.columns[2].decimals, 10);
	assert_int_equal(t.columns[2].flags, COLF_BINARY | COLF_MULTIPLE_KEY | COLF_NULLABLE);
	assert_int_equal(t.columns[3].n_members, 2);
	assert_string_equal(t.columns[3].members[1], "it's");
	assert_true(t.columns[3].flags & COLF_HANDLE_KEY);
	assert_int_equal(t.columns[4].type, COL_JSON);
	assert_int_equal(t.columns[5].length, 9);
	assert_int_equal(t.columns[6].decimals, 3);
	assert_int_equal(t.columns[7].length, 5);
	assert_true(t.columns[8].is_virtual);
	assert_true(t.columns[9].flags & COLF_GENERATED);
	schema_release(&t);
	assert_int_equal(schema_load(conn, "s", "absent", &t, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void every_gtid_has_one_tso_that_grows(void **unused)
{
	char path[256];
	struct err e = ERR_INIT;
	struct tso_sampler *s;
	struct tso_map *m;
	uint64_t first, seq, back;
	tso_t ts, prev = 0, last;

	(void)unused;
	must("CREATE TABLE IF NOT EXISTS s.g (a INT)");
	snprintf(path, sizeof(path), "%s/tso.map", test_server_dir(server));
	s = tso_sampler_start(test_server_endpoint(server), path, 20, &e);
	if (!s)
		fail_msg("%s", e.text);
	m = tso_map_open(path, &e);
	assert_non_null(m);
	assert_int_equal(tso_map_last(m, &first, &last), 1);
	for (int i = 0; i < 100; i++)
		must("INSERT INTO s.g VALUES (1)");
	for (struct deadline d = deadline_in_ms(10000);;) {
		assert_int_equal(tso_map_refresh(m, &e), 0);
		assert_int_equal(tso_map_last(m, &seq, &last), 1);
		if (seq >= first + 100)
			break;
		assert_int_equal(pause_ms(10, d), 0);
	}
	for (uint64_t g = first + 1; g <= first + 100; g++) {
		assert_int_equal(tso_map_of_seq(m, g, &ts, &e), 1);
		assert_true(ts > prev);
		assert_int_equal(tso_map_seq_at(m, ts, &back, &e), 0);
		assert_true(back == g);
		prev = ts;
	}
	assert_true(last >= prev);
	assert_int_equal(tso_map_of_seq(m, first + 1000, &ts, &e), 0);
	assert_int_equal(tso_map_of_seq(m, first, &ts, &e), -1);
	assert_int_equal(tso_map_seq_at(m, 1, &back, &e), -1);
	tso_sampler_stop(s);
	/* A sampler that starts again goes on in the same file; the same GTID keeps its TSO. */
	assert_int_equal(tso_map_of_seq(m, first + 50, &prev, &e), 1);
	s = tso_sampler_start(test_server_endpoint(server), path, 20, &e);
	assert_non_null(s);
	assert_int_equal(tso_map_refresh(m, &e), 0);
	assert_int_equal(tso_map_of_seq(m, first + 50, &ts, &e), 1);
	assert_true(ts == prev);
	tso_sampler_stop(s);
	tso_map_free(m);
}

static void a_gtid_of_several_domains_is_refused(void **unused)
{
	struct err e = ERR_INIT;
	uint64_t seq;

	(void)unused;
	assert_int_equal(gtid_parse_seq("0-1-42", &seq, &e), 0);
	assert_int_equal(seq, 42);
	assert_int_equal(gtid_parse_seq("", &seq, &e), 0);
	assert_int_equal(gtid_parse_seq("0-1-42,1-1-3", &seq, &e), -1);
	assert_int_equal(gtid_parse_seq("0-1", &seq, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_statement_beyond_the_packets_limit_is_carried),
		cmocka_unit_test(a_servers_no_is_an_error_with_its_number),
		cmocka_unit_test(the_structure_of_a_table_is_whole),
		cmocka_unit_test(every_gtid_has_one_tso_that_grows),
		cmocka_unit_test(a_gtid_of_several_domains_is_refused),
	};
	int rc;

	server = test_server_start(1);
	conn = test_server_connect(server);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	sql_close(conn);
	test_server_free(server);
	guardian_stop();
	return rc;
}
