/* Needs MariaDB: backs up one real server and restores into another. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/backup/backup.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/compare/compare.h"
#include "tests/integration/mariadb_server.h"

static struct test_server *source, *target;
static int n_prefix;

static struct store *fresh_store(char dir[200])
{
	char uri[256];
	struct err e = ERR_INIT;
	struct store *s;

	snprintf(dir, 200, "%s/backup%d", test_server_dir(source), ++n_prefix);
	snprintf(uri, sizeof(uri), "file://%s", dir);
	s = store_open(uri, NULL, &e);
	if (!s || store_create_bucket(s, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

static void run(struct sql *s, const char *text)
{
	struct err e = ERR_INIT;

	if (sql_exec_text(s, &e, text, strlen(text)) < 0)
		fail_msg("%s: %s", text, e.text);
}

static void clean(struct test_server *which)
{
	struct sql *s = test_server_connect(which);
	struct table_name *t;
	struct err e = ERR_INIT;
	size_t n;

	assert_int_equal(schema_tables(s, &t, &n, &e), 0);
	for (size_t i = 0; i < n; i++)
		(void)sql_exec(s, NULL, "DROP DATABASE IF EXISTS `%s`", t[i].db);
	(void)sql_exec(s, NULL, "DROP DATABASE IF EXISTS onlyview");
	schema_tables_free(t, n);
	sql_close(s);
}

static int setup(void **state)
{
	(void)state;
	clean(source);
	clean(target);
	return 0;
}

static void backup(struct store *st, struct backup_result *r)
{
	struct backup_opts o = { .from = *test_server_endpoint(source), .threads = 3 };
	struct err e = ERR_INIT;

	if (backup_run(st, &o, r, &e) < 0)
		fail_msg("%s", e.text);
}

static int restore(struct store *st, struct err *e)
{
	struct restore_opts o = { .to = *test_server_endpoint(target), .threads = 3 };
	struct backup_result r;

	*e = (struct err)ERR_INIT;
	return restore_run(st, &o, &r, e);
}

static void assert_equal(struct store *st)
{
	struct compare_opts o = { .a = *test_server_endpoint(source), .b = *test_server_endpoint(target), .threads = 2 };
	struct compare_result r;
	struct table_sums sums;
	struct err e = ERR_INIT;

	if (compare_run(&o, &r, &e) < 0)
		fail_msg("%s", e.text);
	if (r.verdict != VERDICT_PASS)
		fail_msg("%s\n%s", r.evidence, json_dumps(r.findings, JSON_INDENT(1)));
	compare_result_release(&r);
	assert_int_equal(backup_sums(st, &sums, &e), 0);
	if (compare_with_sums(&o.b, &sums, 2, &r, &e) < 0)
		fail_msg("%s", e.text);
	if (r.verdict != VERDICT_PASS)
		fail_msg("%s\n%s", r.evidence, json_dumps(r.findings, JSON_INDENT(1)));
	compare_result_release(&r);
	table_sums_release(&sums);
}

static bool has_tables(struct test_server *which)
{
	struct sql *s = test_server_connect(which);
	struct table_name *t;
	struct err e = ERR_INIT;
	size_t n;

	assert_int_equal(schema_tables(s, &t, &n, &e), 0);
	schema_tables_free(t, n);
	sql_close(s);
	return n > 0;
}

static void make_types(void)
{
	struct sql *s = test_server_connect(source);

	run(s, "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'");
	run(s, "CREATE DATABASE types CHARACTER SET latin1");
	run(s, "USE types"); /* sequence tables want one */
	run(s, "CREATE TABLE types.t (id bigint unsigned not null auto_increment, ti tinyint, tu tinyint unsigned, si smallint, mi mediumint unsigned, "
	       "i int, bi bigint, bu bigint unsigned, de decimal(30,10), f float, d double, b1 bit(1), b64 bit(64), c char(10) charset utf8mb4, "
	       "v varchar(50) charset latin1, u varchar(20) charset ucs2, sj varchar(20) charset sjis, tx text charset utf8mb4, bn binary(6), "
	       "vb varbinary(300), bl blob, da date, ti6 time(6), dt datetime(3), ts timestamp(6) null, y year, "
	       "e enum('x','','2') charset utf8mb4, s set('p','q','r'), j json, p point, ui uuid, ip inet6, "
	       "g int generated always as (i + 1) stored, gv int generated always as (i * 2) virtual, "
	       "primary key (id), key by_i (i), unique key by_bu (bu), key by_v (v(5)), check (i <> 77)) "
	       "auto_increment = 500 comment 'with (\\'odd\\') `comment`'");
	run(s, "INSERT INTO types.t (id) VALUES (0), (18446744073709551615)");
	run(s, "INSERT INTO types.t SET id=5, ti=-128, tu=255, si=-32768, mi=16777215, i=-2147483648, bi=-9223372036854775808, bu=18446744073709551615, "
	       "de=-12345678901234567890.0123456789, f=16777217.5, d=1e300/3, b1=1, b64=x'8000000000000001', c='é\\tü', v=x'e9e8', u=_ucs2 x'00410062', "
	       "sj=_sjis x'835c835c', tx='line\\nbreak\\\\N \\\\\\' \" tab\\t end\\\\', bn=x'000102', vb=x'00090a0d5c27ff', bl=x'5c4e', da='0000-00-00', "
	       "ti6='-838:59:58.999999', dt='9999-12-31 23:59:59.999', ts='1970-01-01 00:00:01.000001', y=1901, e='', s='p,r', j='{\"a\": [1, \"\\\\n\"]}', "
	       "p=ST_GeomFromText('POINT(1 2)'), ui='123e4567-e89b-12d3-a456-426655440000', ip='::1'");
	run(s, "INSERT INTO types.t SET id=6, f=0.1, d=0.1, e=0, s='', v='', vb='', bl='', da='2024-02-29', ts='2038-01-19 03:14:07', y=0, "
	       "c='NULL', tx='\\\\N', ip='1.2.3.4'");
	run(s, "INSERT INTO types.t (id, e, f, d) VALUES (7, '2', -3.4e38, -0.0), (9, 'x', 0, 0), (8, 'x', 1e-38, 2.2250738585072014e-308)");
	run(s, "CREATE TABLE types.nokey (a int, b varchar(20))");
	run(s, "INSERT INTO types.nokey VALUES (1,'x'),(1,'x'),(NULL,NULL),(2,'')");
	run(s, "CREATE TABLE types.empty (a int primary key, b int, key (b), key `odd (name` (b, a))");
	run(s, "CREATE TABLE types.textkey (k varchar(30) collate utf8mb4_general_ci, n int, v varchar(10), primary key (k, n), key by_v (v)) charset utf8mb4");
	run(s, "INSERT INTO types.textkey SELECT CONCAT('ключ', seq DIV 10, '\\''), seq, 'v' FROM seq_1_to_5000");
	run(s, "CREATE TABLE types.`odd ``name` (`a``b` int primary key, `select` text)");
	run(s, "INSERT INTO types.`odd ``name` VALUES (1, REPEAT('0123456789', 300000))");
	run(s, "CREATE TABLE types.aikey (id int not null auto_increment, k int, key (id), key (k))");
	run(s, "INSERT INTO types.aikey (k) VALUES (1), (2)");
	run(s, "CREATE TABLE types.parent (id int primary key)");
	run(s, "CREATE TABLE types.child (id int primary key, parent int, key (parent), foreign key (parent) references types.parent (id))");
	run(s, "INSERT INTO types.parent VALUES (1)");
	run(s, "INSERT INTO types.child VALUES (1, 1)");
	run(s, "CREATE TABLE types.sparse (id bigint primary key, k int)");
	run(s, "INSERT INTO types.sparse SELECT CAST(seq AS SIGNED) * 1000000007 - 4000000000000000000, seq FROM seq_1_to_30000");
	run(s, "CREATE DATABASE onlyview");
	run(s, "CREATE VIEW onlyview.a AS SELECT a FROM types.nokey");
	run(s, "CREATE VIEW onlyview.b AS SELECT a FROM onlyview.a");
	run(s, "RENAME TABLE onlyview.a TO onlyview.z"); /* b comes first and uses a later one */
	run(s, "CREATE OR REPLACE VIEW onlyview.b AS SELECT a FROM onlyview.z");
	run(s, "CREATE PROCEDURE types.p() SELECT 1");
	sql_close(s);
}

static void every_type_comes_back_as_it_was(void **unused)
{
	char dir[200];
	struct store *st = fresh_store(dir);
	struct backup_result r;
	struct strbuf v = STRBUF_INIT;
	struct sql *s;
	struct err e;

	(void)unused;
	make_types();
	backup(st, &r);
	assert_int_equal(r.tables, 9);
	assert_non_null(strstr(r.warnings, "1 routines of types"));
	if (restore(st, &e) < 0)
		fail_msg("%s", e.text);
	assert_equal(st);
	s = test_server_connect(target);
	assert_int_equal(sql_value(s, &v, &e, "SELECT COUNT(*) FROM onlyview.b"), 0);
	assert_string_equal(v.buf, "4");
	strbuf_release(&v);
	sql_close(s);
	store_free(st);
}

static void without_local_infile_rows_come_as_inserts(void **unused)
{
	char dir[200];
	struct store *st = fresh_store(dir);
	struct sql *s = test_server_connect(target);
	struct backup_result r;
	struct err e;
	int rc;

	(void)unused;
	make_types();
	backup(st, &r);
	run(s, "SET GLOBAL local_infile = 0");
	rc = restore(st, &e);
	run(s, "SET GLOBAL local_infile = 1");
	sql_close(s);
	if (rc < 0)
		fail_msg("%s", e.text);
	assert_equal(st);
	store_free(st);
}

static void make_small(void)
{
	struct sql *s = test_server_connect(source);

	run(s, "CREATE DATABASE small");
	run(s, "USE small"); /* sequence tables want one */
	run(s, "CREATE TABLE small.t (id int primary key, v varchar(100))");
	run(s, "INSERT INTO small.t SELECT seq, REPEAT(MD5(seq), 3) FROM seq_1_to_20000");
	sql_close(s);
}

static void a_damaged_or_incomplete_backup_is_refused_before_a_row_is_written(void **unused)
{
	static const char *const key = "data/t000000/00000000-000000.zst";
	char dir[200], path[300];
	struct strbuf good = STRBUF_INIT, bad = STRBUF_INIT, manifest = STRBUF_INIT;
	struct store *st = fresh_store(dir);
	struct backup_result r;
	struct err e = ERR_INIT;

	(void)unused;
	make_small();
	backup(st, &r);
	assert_int_equal(store_get(st, key, 1 << 26, &good, &e), 0);
	assert_int_equal(store_get(st, BACKUP_MANIFEST, 1 << 26, &manifest, &e), 0);

	strbuf_add(&bad, good.buf, good.len);
	bad.buf[bad.len / 2] ^= 1;
	assert_int_equal(store_put(st, key, bad.buf, bad.len, &e), 0);
	assert_int_equal(restore(st, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_non_null(strstr(e.text, "checksum"));
	assert_false(has_tables(target));

	assert_int_equal(store_put(st, key, good.buf, good.len - 1, &e), 0);
	assert_int_equal(restore(st, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);

	assert_int_equal(store_delete(st, key, &e), 0);
	assert_int_equal(restore(st, &e), -1);
	assert_non_null(strstr(e.text, "is missing"));
	assert_int_equal(store_put(st, key, good.buf, good.len, &e), 0);

	snprintf(path, sizeof(path), "%s/%s", dir, BACKUP_MANIFEST);
	manifest.buf[manifest.len / 2] ^= 1;
	assert_int_equal(store_put(st, BACKUP_MANIFEST, manifest.buf, manifest.len, &e), 0);
	assert_int_equal(restore(st, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_int_equal(store_put(st, BACKUP_MANIFEST, manifest.buf, 20, &e), 0);
	assert_int_equal(restore(st, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_int_equal(store_delete(st, BACKUP_MANIFEST, &e), 0);
	assert_int_equal(restore(st, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_false(has_tables(target));

	manifest.buf[manifest.len / 2] ^= 1;
	assert_int_equal(store_put(st, BACKUP_MANIFEST, manifest.buf, manifest.len, &e), 0);
	if (restore(st, &e) < 0)
		fail_msg("%s", e.text);
	assert_equal(st);
	strbuf_release(&good);
	strbuf_release(&bad);
	strbuf_release(&manifest);
	store_free(st);
}

static void a_used_prefix_and_a_used_target_are_refused(void **unused)
{
	char dir[200];
	struct store *st = fresh_store(dir);
	struct backup_opts o = { .from = *test_server_endpoint(source) };
	struct backup_result r;
	struct sql *s;
	struct err e = ERR_INIT;

	(void)unused;
	make_small();
	backup(st, &r);
	assert_int_equal(backup_run(st, &o, &r, &e), -1);
	assert_non_null(strstr(e.text, "backup meta file exists"));
	s = test_server_connect(target);
	run(s, "CREATE DATABASE small");
	run(s, "CREATE TABLE small.t (other int)");
	assert_int_equal(restore(st, &e), -1);
	assert_non_null(strstr(e.text, "already has small.t"));
	assert_int_equal(e.kind, ERR_ENV);
	sql_close(s);
	store_free(st);
}

static void the_rate_limit_is_kept(void **unused)
{
	char dir[200];
	struct store *st = fresh_store(dir);
	struct backup_opts o = { .from = *test_server_endpoint(source), .rate_bytes_per_s = 2000000 };
	struct backup_result r;
	struct err e = ERR_INIT;

	(void)unused;
	make_small(); /* 2.0 MB */
	assert_int_equal(backup_run(st, &o, &r, &e), 0);
	assert_in_range(r.execution_us, 850000, 5000000);
	store_free(st);
}

static _Atomic bool stop_load;

/* Moves money between tables: any consistent snapshot has the same total, and as many moves as the log says. */
static void *move_money(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct sql *s = test_server_connect(source);

	while (!stop_load) {
		unsigned a = (unsigned)rand_r(&seed) % 500 + 1, b = (unsigned)rand_r(&seed) % 500 + 1;

		if (sql_exec(s, NULL, "BEGIN") < 0 || sql_exec(s, NULL, "UPDATE bank.a SET v = v - 1 WHERE id = %u", a) < 0 ||
		    sql_exec(s, NULL, "UPDATE bank.b SET v = v + 1 WHERE id = %u", b) < 0 || sql_exec(s, NULL, "INSERT INTO bank.moves () VALUES ()") < 0 ||
		    sql_exec(s, NULL, "COMMIT") < 0)
			(void)sql_exec(s, NULL, "ROLLBACK");
	}
	sql_close(s);
	mysql_thread_end();
	return NULL;
}

static void a_backup_under_load_is_one_point_in_time(void **unused)
{
	struct sql *s = test_server_connect(source), *t;
	struct tso_sampler *sampler;
	struct tso_map *map;
	pthread_t load[3];
	char dir[200], map_path[200];
	struct err e = ERR_INIT;

	(void)unused;
	run(s, "CREATE DATABASE bank");
	run(s, "USE bank"); /* sequence tables want one */
	run(s, "CREATE TABLE bank.a (id int primary key, v bigint)");
	run(s, "CREATE TABLE bank.b (id int primary key, v bigint)");
	run(s, "CREATE TABLE bank.moves (id bigint auto_increment primary key)");
	run(s, "INSERT INTO bank.a SELECT seq, 1000 FROM seq_1_to_500");
	run(s, "INSERT INTO bank.b SELECT seq, 1000 FROM seq_1_to_500");
	snprintf(map_path, sizeof(map_path), "%s/tso.map", test_server_dir(source));
	sampler = tso_sampler_start(test_server_endpoint(source), map_path, 20, &e);
	assert_non_null(sampler);
	map = tso_map_open(map_path, &e);
	assert_non_null(map);
	stop_load = false;
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&load[i], NULL, move_money, (void *)(i + 1));
	for (int round = 0; round < 5; round++) {
		struct store *st = fresh_store(dir);
		struct backup_opts o = { .from = *test_server_endpoint(source), .threads = 4, .tso_map = map };
		struct backup_result r;
		uint64_t total = 0, moved = 0, moves = 0, seq = 0;

		pause_ms(50, deadline_in_ms(1000));
		if (backup_run(st, &o, &r, &e) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(tso_map_seq_at(map, r.backup_ts, &seq, &e), 0);
		assert_int_equal(seq, r.backup_seq);
		clean(target);
		if (restore(st, &e) < 0)
			fail_msg("%s", e.text);
		t = test_server_connect(target);
		assert_int_not_equal(sql_value_u64(t, &total, &e, "SELECT (SELECT SUM(v) FROM bank.a) + (SELECT SUM(v) FROM bank.b)"), -1);
		assert_int_not_equal(sql_value_u64(t, &moved, &e, "SELECT SUM(1000 - v) FROM bank.a"), -1);
		assert_int_not_equal(sql_value_u64(t, &moves, &e, "SELECT COUNT(*) FROM bank.moves"), -1);
		assert_int_equal(total, 1000000);
		assert_int_equal(moved, moves);
		sql_close(t);
		store_free(st);
	}
	stop_load = true;
	for (int i = 0; i < 3; i++)
		pthread_join(load[i], NULL);
	tso_sampler_stop(sampler);
	tso_map_free(map);
	sql_close(s);
}

/* A mariadbd that starts removes the temporary tables it finds in its directory for them, other servers' too: each gets its own. */
static struct test_server *start_apart(unsigned id, char dir[64])
{
	strcpy(dir, "/var/tmp/drtest-it-tmp.XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 01777) || setenv("TMPDIR", dir, 1))
		abort();
	return test_server_start(id);
}

int main(void)
{
	char tmp[2][64];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_type_comes_back_as_it_was, setup),
		cmocka_unit_test_setup(without_local_infile_rows_come_as_inserts, setup),
		cmocka_unit_test_setup(a_damaged_or_incomplete_backup_is_refused_before_a_row_is_written, setup),
		cmocka_unit_test_setup(a_used_prefix_and_a_used_target_are_refused, setup),
		cmocka_unit_test_setup(the_rate_limit_is_kept, setup),
		cmocka_unit_test_setup(a_backup_under_load_is_one_point_in_time, setup),
	};
	int rc;

	source = start_apart(1, tmp[0]);
	target = start_apart(2, tmp[1]);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	test_server_free(source);
	test_server_free(target);
	for (int i = 0; i < 2; i++)
		fs_remove_tree(tmp[i], NULL);
	return rc;
}
