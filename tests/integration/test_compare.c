/* Needs MariaDB: two real servers with planted differences, one at a time; each must be found and
 * named, and the fix SQL must heal it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/os/fs.h"
#include "tests/integration/compare_pair.h"

static void make(int side)
{
	pair_run(side, "SET sql_mode = ''");
	pair_run(side, "DROP DATABASE IF EXISTS d");
	pair_run(side, "DROP DATABASE IF EXISTS drtest_feed");
	pair_run(side, "CREATE DATABASE d");
	pair_run(side, "USE d");
	pair_run(
		side,
		"CREATE TABLE big (id int primary key, k int not null, c varchar(60) not null, d varchar(60), unique key (k)) charset utf8mb4");
	pair_run(
		side,
		"INSERT INTO big SELECT seq, seq * 7, MD5(seq), IF(seq % 3, MD5(-CAST(seq AS SIGNED)), NULL) FROM seq_1_to_70000");
	pair_run(
		side,
		"CREATE TABLE types (id bigint unsigned primary key, f float, db double, de decimal(20,4), t varchar(20) collate utf8mb4_general_ci, "
		"b varbinary(20), dt datetime(6), e enum('x','','y'), s set('p','q'), bi bit(9), j json, l varchar(10) charset latin1, "
		"u varchar(5) charset ucs2, "
		"g int generated always as (id DIV 2) virtual) charset utf8mb4");
	pair_run(
		side,
		"INSERT INTO types (id,f,db,de,t,b,dt,e,s,bi,j,l,u) VALUES "
		"(1, 0.1, 0.1, 1.5, 'a', x'00ff', '2024-01-02 03:04:05.678901', 'x', 'p', 5, '{\"a\":1}', 'é', 'é'), "
		"(2, 16777216, 1e300/3, -0.0001, 'b', '', '0000-00-00', '', 'q', 0, '[]', '', ''), "
		"(18446744073709551615, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)");
	pair_run(
		side,
		"CREATE TABLE textkey (a varchar(40) collate utf8mb4_general_ci, b int, v int, primary key (a, b)) charset utf8mb4");
	pair_run(
		side,
		"INSERT INTO textkey SELECT CONCAT('Ключ', seq DIV 5, '\\''), seq, seq FROM seq_1_to_20000");
	pair_run(side, "CREATE TABLE bag (a int, b varchar(20))");
	pair_run(side, "INSERT INTO bag VALUES (1,'x'),(1,'x'),(2,NULL),(3,''),(NULL,NULL)");
	pair_run(side, "CREATE TABLE enumkey (e enum('q','p','r') primary key, v int)");
	pair_run(side, "INSERT INTO enumkey VALUES ('p', 1), ('q', 2)");
	pair_run(side, "CREATE TABLE empty (id int primary key)");
	pair_run(side, "CREATE DATABASE drtest_feed");
}

static int setup(void **state)
{
	(void)state;
	make(0);
	make(1);
	return 0;
}

static struct compare_result compare(const char *fix, uint64_t chunk_rows)
{
	struct compare_opts o = { .a = *test_server_endpoint(pair_server[0]),
				  .b = *test_server_endpoint(pair_server[1]),
				  .a_name = "primary",
				  .b_name = "secondary",
				  .threads = 2,
				  .fix_sql_path = fix,
				  .chunk_rows = chunk_rows };
	struct compare_result r;
	struct err e = ERR_INIT;

	if (compare_run(&o, &r, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

static void assert_pass(void)
{
	struct compare_result r = compare(NULL, 0);

	if (r.verdict != VERDICT_PASS)
		fail_msg("%s: %s", r.evidence, json_dumps(r.findings, 0));
	compare_result_release(&r);
}

static void equal_clusters_pass(void **unused)
{
	struct compare_result r = compare(NULL, 0);

	(void)unused;
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_int_equal(r.tables, 6);
	assert_int_equal(r.rows, 70000 + 3 + 20000 + 5 + 2);
	assert_int_equal(json_array_size(r.findings), 0);
	compare_result_release(&r);
}

struct plant {
	/* on the secondary; column that must be named, or NULL */
	const char *sql, *kind, *table, *column;
	uint64_t rows;
};
static const struct plant plants[] = {
	{ "DELETE FROM big WHERE id = 55555", "missing", "d.big", NULL, 1 },
	{ "INSERT INTO big VALUES (200000, -1, 'new', '')", "extra", "d.big", NULL, 1 },
	{ "INSERT INTO big VALUES (-5, -1, 'new', '')", "extra", "d.big", NULL, 1 },
	{ "UPDATE big SET c = CONCAT(SUBSTR(c, 1, 10), '!', SUBSTR(c, 12)) WHERE id = 70000",
	  "different", "d.big", "c", 1 },
	/* exchanged between two rows */
	{ "UPDATE big SET c = MD5(IF(id = 10, 20, 10)) WHERE id IN (10, 20)", "different", "d.big",
	  "c", 2 },
	/* between two columns */
	{ "UPDATE big SET c = d, d = MD5(id) WHERE id = 100", "different", "d.big", "d", 1 },
	/* NULL turned into '' */
	{ "UPDATE big SET d = '' WHERE id = 3", "different", "d.big", "d", 1 },
	{ "DELETE FROM big WHERE id BETWEEN 1000 AND 40999", "missing", "d.big", NULL, 40000 },
	{ "TRUNCATE big", "missing", "d.big", NULL, 70000 },
	/* the same float: nothing differs */
	{ "UPDATE types SET f = 0.100000001 WHERE id = 1", "different", "d.types", "f", 0 },
	{ "UPDATE types SET f = 0.10000002 WHERE id = 1", "different", "d.types", "f", 1 },
	{ "UPDATE types SET f = 16777218 WHERE id = 2", "different", "d.types", "f", 1 },
	{ "UPDATE types SET db = 0.10000000000000002 WHERE id = 1", "different", "d.types", "db",
	  1 },
	{ "UPDATE types SET de = 1.5001 WHERE id = 1", "different", "d.types", "de", 1 },
	{ "UPDATE types SET t = 'A' WHERE id = 1", "different", "d.types", "t", 1 },
	{ "UPDATE types SET b = x'00fe' WHERE id = 1", "different", "d.types", "b", 1 },
	{ "UPDATE types SET b = x'00' WHERE id = 2", "different", "d.types", "b", 1 },
	{ "UPDATE types SET dt = '2024-01-02 03:04:05.678900' WHERE id = 1", "different", "d.types",
	  "dt", 1 },
	/* the member '' against the error value */
	{ "UPDATE types SET e = 0 WHERE id = 2", "different", "d.types", "e", 1 },
	{ "UPDATE types SET s = 'p,q' WHERE id = 1", "different", "d.types", "s", 1 },
	{ "UPDATE types SET bi = 6 WHERE id = 1", "different", "d.types", "bi", 1 },
	{ "UPDATE types SET j = '{\"a\": 1}' WHERE id = 1", "different", "d.types", "j", 1 },
	{ "UPDATE types SET l = 'è' WHERE id = 1", "different", "d.types", "l", 1 },
	{ "UPDATE types SET u = 'è' WHERE id = 1", "different", "d.types", "u", 1 },
	{ "UPDATE types SET id = 18446744073709551614 WHERE id > 5", "missing", "d.types", NULL,
	  2 },
	{ "UPDATE types SET f = 0 WHERE id > 5", "different", "d.types", "f", 1 },
	{ "UPDATE textkey SET v = v + 1 WHERE b = 777", "different", "d.textkey", "v", 1 },
	{ "DELETE FROM textkey WHERE b IN (1, 20000)", "missing", "d.textkey", NULL, 2 },
	{ "UPDATE textkey SET a = REPLACE(a, 'К', 'к') WHERE b = 9", "missing", "d.textkey", NULL,
	  2 },
	{ "INSERT INTO bag VALUES (1,'x')", "extra", "d.bag", NULL, 1 },
	{ "DELETE FROM bag WHERE a = 1 LIMIT 1", "missing", "d.bag", NULL, 1 },
	{ "UPDATE bag SET b = '' WHERE a = 2", "missing", "d.bag", NULL, 2 },
	{ "UPDATE enumkey SET v = 5 WHERE e = 'q'", "missing", "d.enumkey", NULL, 2 },
	{ "INSERT INTO empty VALUES (1)", "extra", "d.empty", NULL, 1 },
	{ "UPDATE big SET k = -k WHERE id IN (5, 6)", "different", "d.big", "k", 2 },
};

static bool named(json_t *findings, const struct plant *p)
{
	json_t *f, *c;
	size_t i, j;

	json_array_foreach(findings, i, f)
	{
		if (strcmp(json_string_value(json_object_get(f, "kind")), p->kind) ||
		    strcmp(json_string_value(json_object_get(f, "table")), p->table))
			continue;
		if (!p->column)
			return true;
		json_array_foreach(json_object_get(f, "columns"), j,
				   c) if (!strcmp(json_string_value(c), p->column)) return true;
	}
	return false;
}

static void each_planted_difference_is_named_and_its_fix_heals_it(void **unused)
{
	char path[300];

	(void)unused;
	snprintf(path, sizeof(path), "%s/fix.sql", test_server_dir(pair_server[0]));
	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		const struct plant *p = &plants[i];
		struct compare_result r;

		pair_run(1, p->sql);
		r = compare(path, i % 2 ? 0 : 1000000); /* one range of all rows must be halved */
		if (r.rows_different != p->rows ||
		    r.verdict != (p->rows ? VERDICT_FAIL : VERDICT_PASS) ||
		    (p->rows && !named(r.findings, p)) || json_array_size(r.findings) > 100)
			fail_msg("%s: %s: %s", p->sql, r.evidence, json_dumps(r.findings, 0));
		compare_result_release(&r);
		pair_apply(path);
		assert_pass();
	}
}

static void a_chain_of_unique_keys_is_healed(void **unused)
{
	struct compare_result r;
	char path[300];

	(void)unused;
	snprintf(path, sizeof(path), "%s/fix.sql", test_server_dir(pair_server[0]));
	pair_run(1, "UPDATE big SET k = -1 WHERE id = 1");
	pair_run(1, "UPDATE big SET k = 7 WHERE id = 2");
	pair_run(1, "UPDATE big SET k = 14 WHERE id = 1");
	pair_run(1, "DELETE FROM big WHERE id = 3");
	pair_run(1, "INSERT INTO big VALUES (300000, 21, '', NULL)");
	r = compare(path, 0);
	assert_int_equal(r.rows_different, 4);
	compare_result_release(&r);
	pair_apply(path);
	assert_pass();
}

/* No server takes its rows in one statement: each of the fix is shorter than what any takes. */
static void long_rows_are_healed_by_statements_that_fit(void **unused)
{
	struct compare_result r;
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	char path[300], *save = NULL;

	(void)unused;
	snprintf(path, sizeof(path), "%s/fix.sql", test_server_dir(pair_server[0]));
	for (int side = 0; side < 2; side++)
		pair_run(
			side,
			"CREATE TABLE longs (id INT PRIMARY KEY, b LONGBLOB, t LONGTEXT CHARACTER SET utf8mb4, l LONGTEXT CHARACTER SET latin1,"
			" u LONGTEXT CHARACTER SET ucs2, j JSON)");
	pair_run(0, "INSERT INTO longs (id, b) VALUES (1, REPEAT(x'00ff27', 5000000))");
	pair_run(0, "INSERT INTO longs (id, t) VALUES (2, REPEAT('ä''\\\\€', 1000000))");
	pair_run(
		0,
		"INSERT INTO longs VALUES (3, 'b', REPEAT('t', 600000), REPEAT('äß', 300000), REPEAT('ä''€', 300000),"
		" JSON_ARRAY(REPEAT('ö\\\\', 100000)))");
	pair_run(1, "INSERT INTO longs (id, b) VALUES (1, REPEAT('x', 9000000))");
	r = compare(path, 0);
	assert_int_equal(r.rows_different, 3);
	compare_result_release(&r);
	assert_int_equal(fs_read_file(path, 1 << 26, &text, &e), 0);
	for (char *line = strtok_r(text.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		assert_in_range(strlen(line), 1, 600000);
	strbuf_release(&text);
	pair_apply(path);
	assert_pass();
	for (int side = 0; side < 2; side++)
		pair_run(side, "DROP TABLE longs");
}

static void structure_and_missing_tables_are_named(void **unused)
{
	static const struct {
		const char *sql, *kind, *heal;
	} changes[] = {
		{ "ALTER TABLE empty ADD COLUMN x int", "structure",
		  "ALTER TABLE empty DROP COLUMN x" },
		{ "ALTER TABLE empty MODIFY id bigint", "structure",
		  "ALTER TABLE empty MODIFY id int" },
		{ "ALTER TABLE big DROP KEY k", "structure", "ALTER TABLE big ADD UNIQUE KEY (k)" },
		{ "ALTER TABLE big ADD KEY extra (c)", "structure",
		  "ALTER TABLE big DROP KEY extra" },
		{ "ALTER TABLE textkey MODIFY a varchar(40) collate utf8mb4_unicode_ci NOT NULL",
		  "structure",
		  "ALTER TABLE textkey MODIFY a varchar(40) collate utf8mb4_general_ci NOT NULL" },
		{ "CREATE TABLE more (a int)", "table", "DROP TABLE more" },
		{ "RENAME TABLE empty TO elsewhere", "table", "RENAME TABLE elsewhere TO empty" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct compare_result r;

		pair_run(1, changes[i].sql);
		r = compare(NULL, 0);
		if (r.verdict != VERDICT_FAIL || json_array_size(r.findings) < 1 ||
		    r.rows_different ||
		    strcmp(json_string_value(
				   json_object_get(json_array_get(r.findings, 0), "kind")),
			   changes[i].kind))
			fail_msg("%s: %s: %s", changes[i].sql, r.evidence,
				 json_dumps(r.findings, 0));
		compare_result_release(&r);
		pair_run(1, changes[i].heal);
	}
	pair_run(1, "ALTER TABLE textkey AUTO_INCREMENT = 1000"); /* no structure */
	pair_run(1, "CREATE TABLE drtest_feed.state (a int)");    /* ours */
	assert_pass();
}

static void values_in_findings_are_short(void **unused)
{
	struct compare_result r;
	const char *v;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		pair_run(i, "CREATE TABLE wide (id int primary key, t mediumtext, b mediumblob)");
		pair_run(
			i,
			i ? "INSERT INTO wide VALUES (1, REPEAT('é', 100000), REPEAT(x'ff', 100000))"
			  : "INSERT INTO wide VALUES (1, REPEAT('e', 100000), '')");
	}
	r = compare(NULL, 0);
	assert_int_equal(r.rows_different, 1);
	v = json_string_value(
		json_object_get(json_object_get(json_array_get(r.findings, 0), "secondary"), "t"));
	assert_non_null(v);
	assert_in_range(strlen(v), 100, 260);
	v = json_string_value(
		json_object_get(json_object_get(json_array_get(r.findings, 0), "secondary"), "b"));
	assert_non_null(v);
	assert_in_range(strlen(v), 100, 260);
	compare_result_release(&r);
}

static void ignored_columns_and_lists_leave_out_what_they_name(void **unused)
{
	static const char *const ignore[] = { "d.big.d", "d.types.j", "d.empty.extra", NULL },
				 *const bad[] = { "d.big.id", NULL };
	struct table_filter *list = table_filter_new();
	char path[] = "/tmp/drtest-fix-XXXXXX";
	struct compare_opts o = pair_options();
	struct compare_result r;
	struct err e = ERR_INIT;

	(void)unused;
	pair_run(1, "UPDATE big SET d = 'other' WHERE id % 1000 = 0");
	pair_run(1, "ALTER TABLE types DROP COLUMN j");
	pair_run(1, "ALTER TABLE empty ADD COLUMN extra INT, ADD KEY (extra)");
	pair_run(1, "UPDATE textkey SET v = -1 WHERE b = 5");
	table_filter_add_pattern(list, "d.*");
	table_filter_add_pattern(list, "!d.textkey");
	o.ignore = ignore;
	o.filter = list;
	r = pair_compare(&o);
	if (r.verdict != VERDICT_PASS)
		fail_msg("%s: %s", r.evidence, json_dumps(r.findings, 0));
	assert_int_equal(r.n_tables, 5);
	compare_result_release(&r);
	/* the fix of other columns leaves an ignored one as it is */
	pair_run(1, "UPDATE big SET c = 'x' WHERE id = 2000");
	assert_true(mkstemp(path) >= 0);
	o.fix_sql_path = path;
	r = pair_compare(&o);
	assert_int_equal(r.rows_different, 1);
	assert_int_equal(pair_table(&r, "d.big")->put, 1);
	compare_result_release(&r);
	pair_apply(path);
	remove(path);
	o.fix_sql_path = NULL;
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_PASS);
	compare_result_release(&r);
	uint64_t kept = 0;

	assert_int_equal(sql_value_u64(pair_conn[1], &kept, &e,
				       "SELECT COUNT(*) FROM d.big WHERE d = 'other'"),
			 0);
	assert_int_equal(kept, 70);
	o.ignore = bad;
	assert_int_equal(compare_run(&o, &r, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	table_filter_free(list);
}

static void structure_alone_reads_no_row(void **unused)
{
	struct compare_opts o = pair_options();
	struct compare_result r;

	(void)unused;
	o.struct_only = true;
	pair_run(1, "UPDATE big SET c = 'x' WHERE id = 2000");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_int_equal(r.rows, 0);
	compare_result_release(&r);
	pair_run(1, "ALTER TABLE big DROP KEY k");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_false(pair_table(&r, "d.big")->structure_equal);
	assert_true(pair_table(&r, "d.bag")->structure_equal);
	compare_result_release(&r);
	pair_run(1, "UPDATE big SET c = MD5(id), k = id * 7 WHERE id = 2000");
	pair_run(1, "ALTER TABLE big ADD UNIQUE KEY (k)");
}

/* Ctrl-C once a few ranges are kept. */
static void *interrupt(void *path)
{
	struct stat st;

	for (int i = 0; i < 3000 && (stat(path, &st) < 0 || st.st_size < 150); i++)
		usleep(1000);
	clock_cancel(2);
	return NULL;
}

static void an_interrupted_compare_goes_on_and_misses_nothing(void **unused)
{
	char path[] = "/tmp/drtest-resume-XXXXXX";
	struct compare_opts o = pair_options();
	struct compare_result r;
	struct err e = ERR_INIT;
	pthread_t t;

	(void)unused;
	assert_true(mkstemp(path) >= 0);
	o.resume_path = path;
	o.threads = 1;
	pair_run(1, "UPDATE big SET c = 'x' WHERE id = 69000");
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	compare_result_release(&r);
	assert_false(fs_exists(path)); /* it came to its end */
	/* stopped half way: the file has what was equal so far */
	assert_int_equal(pthread_create(&t, NULL, interrupt, path), 0);
	if (compare_run(&o, &r, &e) == 0) {
		compare_result_release(&r); /* it was faster */
	} else {
		assert_int_equal(e.kind, ERR_CANCELLED);
		assert_true(fs_exists(path));
		clock_cancel_reset();
		e = (struct err)ERR_INIT;
		r = pair_compare(&o);
		assert_int_equal(r.verdict, VERDICT_FAIL);
		assert_int_equal(r.rows_different, 1);
		assert_int_equal(r.rows, 70000 + 3 + 20000 + 5 + 2);
		assert_true(r.resumed > 0);
		compare_result_release(&r);
	}
	pthread_join(t, NULL);
	clock_cancel_reset();
	assert_false(fs_exists(path));
	FILE *f = fopen(path, "w");

	fputs("drtest diff 00000000deadbeef\n", f);
	fclose(f);
	o.chunk_rows = 500;
	assert_int_equal(compare_run(&o, &r, &e), -1); /* of another compare */
	assert_int_equal(e.kind, ERR_USAGE);
	remove(path);
	pair_run(1, "UPDATE big SET c = MD5(69000) WHERE id = 69000");
}

/* The server ends a connection of a side in the middle of a statement, and again: the compare
 * connects again. */
static volatile bool kill_more;
static volatile int kills;

static void *kill_connections(void *arg)
{
	struct sql *s = sql_open(arg, deadline_in_ms(5000), NULL);

	while (s && kill_more) {
		uint64_t id;

		if (sql_value_u64(s, &id, NULL,
				  "SELECT IFNULL(MAX(id), 0) FROM information_schema.processlist "
				  "WHERE info LIKE 'SELECT COUNT(*),SUM(%%'") == 0 &&
		    id && sql_exec(s, NULL, "KILL %llu", (unsigned long long)id) == 0 &&
		    ++kills % 3 == 0)
			pause_ms(100, deadline_in_ms(1000)); /* fewer than it tries again */
	}
	sql_close(s);
	mysql_thread_end();
	return NULL;
}

static void a_lost_connection_is_made_again(void **unused)
{
	struct compare_opts o = pair_options();

	(void)unused;
	for (int side = 0; side < 2; side++) {
		struct deadline d = deadline_in_ms(60000);
		enum verdict verdict = VERDICT_PASS;
		pthread_t t;

		kills = 0;
		kill_more = true;
		assert_int_equal(pthread_create(&t, NULL, kill_connections,
						(void *)test_server_endpoint(pair_server[side])),
				 0);
		while (verdict == VERDICT_PASS && kills < 3 && !deadline_passed(d)) {
			struct compare_result r;
			struct err e = ERR_INIT;

			verdict = compare_run(&o, &r, &e) < 0 ? VERDICT_FAIL : r.verdict;
			compare_result_release(&r);
		}
		kill_more = false;
		pthread_join(t, NULL);
		assert_int_equal(verdict, VERDICT_PASS);
		assert_true(kills >= 3);
	}
}

static volatile bool writing;

static void *write_on(void *arg)
{
	struct sql *s = sql_open(arg, deadline_in_ms(5000), NULL);

	for (int i = 0; writing && s; i++)
		sql_exec(s, NULL, "UPDATE d.big SET c = MD5(%d) WHERE id MOD 500 = %d", i, i % 500);
	sql_close(s);
	mysql_thread_end();
	return NULL;
}

/* Not "equal", and not a heap of differences either where it can be told. */
static void a_table_that_is_written_to_is_never_called_equal(void **unused)
{
	struct compare_opts o = pair_options();
	pthread_t t;
	unsigned changing = 0;

	(void)unused;
	writing = true;
	o.tables = "d.big";
	assert_int_equal(
		pthread_create(&t, NULL, write_on, (void *)test_server_endpoint(pair_server[1])),
		0);
	pause_ms(100, deadline_in_ms(1000));
	for (int i = 0; i < 4; i++) {
		struct compare_result r = pair_compare(&o);

		assert_int_not_equal(r.verdict, VERDICT_PASS);
		changing += r.changing > 0;
		compare_result_release(&r);
	}
	writing = false;
	pthread_join(t, NULL);
	assert_true(changing > 0);
}

static void a_table_that_may_not_be_read_is_an_error_and_no_difference(void **unused)
{
	struct compare_opts o = pair_options();
	struct compare_result r;
	struct err e = ERR_INIT;

	(void)unused;
	pair_run(1, "CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'r'");
	pair_run(1, "GRANT SELECT ON d.big TO reader@'%'");
	snprintf(o.b.user, sizeof(o.b.user), "reader");
	snprintf(o.b.password, sizeof(o.b.password), "r");
	assert_int_equal(compare_run(&o, &r, &e), -1);
	if (!strstr(e.text, "b does not show d.bag to this account") || e.kind != ERR_ENV)
		fail_msg("%s", e.text);
	o.tables = "d.big";
	r = pair_compare(&o);
	assert_int_equal(r.verdict, VERDICT_PASS);
	compare_result_release(&r);
	pair_run(1, "DROP USER reader@'%'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(equal_clusters_pass, setup),
		cmocka_unit_test(a_table_that_may_not_be_read_is_an_error_and_no_difference),
		cmocka_unit_test(a_lost_connection_is_made_again),
		cmocka_unit_test(an_interrupted_compare_goes_on_and_misses_nothing),
		cmocka_unit_test(structure_alone_reads_no_row),
		cmocka_unit_test(a_table_that_is_written_to_is_never_called_equal),
		cmocka_unit_test_setup(each_planted_difference_is_named_and_its_fix_heals_it,
				       setup),
		cmocka_unit_test_setup(a_chain_of_unique_keys_is_healed, setup),
		cmocka_unit_test_setup(long_rows_are_healed_by_statements_that_fit, setup),
		cmocka_unit_test_setup(structure_and_missing_tables_are_named, setup),
		cmocka_unit_test_setup(values_in_findings_are_short, setup),
		cmocka_unit_test_setup(ignored_columns_and_lists_leave_out_what_they_name, setup),
	};
	int rc;

	pair_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	pair_stop();
	return rc;
}
