/* Needs MariaDB: backs up one real server and restores into another. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include <cmocka.h>

#include "harness/base/xalloc.h"
#include "tests/integration/backup_pair.h"

static bool has_tables(struct test_server *which)
{
	struct sql *s = test_server_connect(which);
	struct table_name *t;
	struct err e = ERR_INIT;
	size_t n;

	assert_int_equal(schema_names(s, &t, &n, &e), 0);
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
	run(s,
	    "CREATE TABLE types.t (id bigint unsigned not null auto_increment, ti tinyint, tu tinyint unsigned, si smallint, mi mediumint unsigned, "
	    "i int, bi bigint, bu bigint unsigned, de decimal(30,10), f float, d double, b1 bit(1), b64 bit(64), c char(10) charset utf8mb4, "
	    "v varchar(50) charset latin1, u varchar(20) charset ucs2, sj varchar(20) charset sjis, tx text charset utf8mb4, bn binary(6), "
	    "vb varbinary(300), bl blob, da date, ti6 time(6), dt datetime(3), ts timestamp(6) null, y year, "
	    "e enum('x','','2') charset utf8mb4, s set('p','q','r'), j json, p point, ui uuid, ip inet6, "
	    "g int generated always as (i + 1) stored, gv int generated always as (i * 2) virtual, "
	    "primary key (id), key by_i (i), unique key by_bu (bu), key by_v (v(5)), check (i <> 77)) "
	    "auto_increment = 500 comment 'with (\\'odd\\') `comment`'");
	run(s, "INSERT INTO types.t (id) VALUES (0), (18446744073709551615)");
	run(s,
	    "INSERT INTO types.t SET id=5, ti=-128, tu=255, si=-32768, mi=16777215, i=-2147483648, bi=-9223372036854775808, bu=18446744073709551615, "
	    "de=-12345678901234567890.0123456789, f=16777217.5, d=1e300/3, b1=1, b64=x'8000000000000001', c='é\\tü', v=x'e9e8', u=_ucs2 x'00410062', "
	    "sj=_sjis x'835c835c', tx='line\\nbreak\\\\N \\\\\\' \" tab\\t end\\\\', bn=x'000102', vb=x'00090a0d5c27ff', bl=x'5c4e', da='0000-00-00', "
	    "ti6='-838:59:58.999999', dt='9999-12-31 23:59:59.999', ts='1970-01-01 00:00:01.000001', y=1901, e='', s='p,r', j='{\"a\": [1, \"\\\\n\"]}', "
	    "p=ST_GeomFromText('POINT(1 2)'), ui='123e4567-e89b-12d3-a456-426655440000', ip='::1'");
	run(s,
	    "INSERT INTO types.t SET id=6, f=0.1, d=0.1, e=0, s='', v='', vb='', bl='', da='2024-02-29', ts='2038-01-19 03:14:07', y=0, "
	    "c='NULL', tx='\\\\N', ip='1.2.3.4'");
	run(s,
	    "INSERT INTO types.t (id, e, f, d) VALUES (7, '2', -3.4e38, -0.0), (9, 'x', 0, 0), (8, 'x', 1e-38, 2.2250738585072014e-308)");
	run(s, "CREATE TABLE types.nokey (a int, b varchar(20))");
	run(s, "INSERT INTO types.nokey VALUES (1,'x'),(1,'x'),(NULL,NULL),(2,'')");
	run(s,
	    "CREATE TABLE types.empty (a int primary key, b int, key (b), key `odd (name` (b, a))");
	run(s,
	    "CREATE TABLE types.textkey (k varchar(30) collate utf8mb4_general_ci, n int, v varchar(10), primary key (k, n), key by_v (v)) charset utf8mb4");
	run(s,
	    "INSERT INTO types.textkey SELECT CONCAT('ключ', seq DIV 10, '\\''), seq, 'v' FROM seq_1_to_5000");
	run(s, "CREATE TABLE types.`odd ``name` (`a``b` int primary key, `select` text)");
	run(s, "INSERT INTO types.`odd ``name` VALUES (1, REPEAT('0123456789', 300000))");
	run(s,
	    "CREATE TABLE types.aikey (id int not null auto_increment, k int, key (id), key (k))");
	run(s, "INSERT INTO types.aikey (k) VALUES (1), (2)");
	run(s, "CREATE TABLE types.parent (id int primary key)");
	run(s,
	    "CREATE TABLE types.child (id int primary key, parent int, key (parent), foreign key (parent) references types.parent (id))");
	run(s, "INSERT INTO types.parent VALUES (1)");
	run(s, "INSERT INTO types.child VALUES (1, 1)");
	run(s, "CREATE TABLE types.sparse (id bigint primary key, k int)");
	run(s,
	    "INSERT INTO types.sparse SELECT CAST(seq AS SIGNED) * 1000000007 - 4000000000000000000, seq FROM seq_1_to_30000");
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
	assert_non_null(strstr(r.warnings, "procedure types.p"));
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
	/* what a secondary has of drtest's own is in no backup */
	run(s, "CREATE DATABASE IF NOT EXISTS drtest_feed");
	run(s, "CREATE TABLE IF NOT EXISTS drtest_feed.progress (id int primary key)");
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

/* All of them are named before anything is written; what is left out by name is told. */
static void tables_that_cannot_be_opened_are_named_or_left_out(void **unused)
{
	static const char *const make[] = {
		"CREATE DATABASE d",
		"CREATE TABLE d.off (id INT PRIMARY KEY)",
		"ALTER TABLE d.off DISCARD TABLESPACE",
		"CREATE TABLE d.part (id INT PRIMARY KEY) ENGINE=MyISAM",
		"CREATE TABLE d.whole (id INT PRIMARY KEY) ENGINE=MERGE UNION=(d.part)",
		"DROP TABLE d.part",
		"CREATE TABLE d.rows_gone (id INT PRIMARY KEY) ENGINE=MyISAM",
		"FLUSH TABLES",
		"CREATE TABLE d.good (id INT PRIMARY KEY)",
		"INSERT INTO d.good VALUES (1)",
		"CREATE VIEW d.v AS SELECT id FROM d.good",
	};
	static const char *const bad[] = { "d.off", "d.whole", "d.rows_gone" },
				 *const ignore[] = { "d.off", "d.[rw]*", "d.v", NULL },
				 *const typo[] = { "d.of", NULL };
	char dir[200], path[400];
	struct store *st = fresh_store(dir);
	struct backup_opts o = { .from = *test_server_endpoint(source), .threads = 2 };
	struct backup_result r;
	struct sql *s = test_server_connect(source);
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++)
		run(s, make[i]);
	snprintf(path, sizeof(path), "%s/data/d/rows_gone.MYD", test_server_dir(source));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(backup_run(st, &o, &r, &e), -1);
	assert_int_equal(e.kind, ERR_ENV);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!strstr(e.text, bad[i]))
			fail_msg("%s is not in: %s", bad[i], e.text);
	assert_non_null(strstr(e.text, "--ignore"));
	o.ignore = typo;
	assert_int_equal(backup_run(st, &o, &r, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	o.ignore = ignore;
	if (backup_run(st, &o, &r, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(r.tables, 1);
	assert_int_equal(r.rows, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!strstr(r.warnings, bad[i]))
			fail_msg("%s is not in: %s", bad[i], r.warnings);
	assert_non_null(strstr(r.warnings, "not included, as requested: d.v"));
	if (restore(st, &e) < 0)
		fail_msg("%s", e.text);
	sql_close(s);
	store_free(st);
}

static void the_rate_limit_is_kept(void **unused)
{
	char dir[200];
	struct store *st = fresh_store(dir);
	struct backup_opts o = { .from = *test_server_endpoint(source),
				 .rate_bytes_per_s = 2000000 };
	struct backup_result r;
	struct err e = ERR_INIT;

	(void)unused;
	make_small(); /* 2.0 MB */
	assert_int_equal(backup_run(st, &o, &r, &e), 0);
	assert_in_range(r.execution_us, 850000, 5000000);
	store_free(st);
}

static _Atomic bool stop_load;

/* Moves money between tables: any consistent snapshot has the same total, and as many moves as the
 * log says. */
static void *move_money(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct sql *s = test_server_connect(source);

	while (!stop_load) {
		unsigned a = (unsigned)rand_r(&seed) % 500 + 1,
			 b = (unsigned)rand_r(&seed) % 500 + 1;

		if (sql_exec(s, NULL, "BEGIN") < 0 ||
		    sql_exec(s, NULL, "UPDATE bank.a SET v = v - 1 WHERE id = %u", a) < 0 ||
		    sql_exec(s, NULL, "UPDATE bank.b SET v = v + 1 WHERE id = %u", b) < 0 ||
		    sql_exec(s, NULL, "INSERT INTO bank.moves () VALUES ()") < 0 ||
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
		struct backup_opts o = { .from = *test_server_endpoint(source),
					 .threads = 4,
					 .tso_map = map };
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
		assert_int_not_equal(
			sql_value_u64(
				t, &total, &e,
				"SELECT (SELECT SUM(v) FROM bank.a) + (SELECT SUM(v) FROM bank.b)"),
			-1);
		assert_int_not_equal(
			sql_value_u64(t, &moved, &e, "SELECT SUM(1000 - v) FROM bank.a"), -1);
		assert_int_not_equal(
			sql_value_u64(t, &moves, &e, "SELECT COUNT(*) FROM bank.moves"), -1);
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

/* ---- what else there is beside plain tables ---- */

static void current_rows_of_versioned_tables_and_sequences_come_back(void **unused)
{
	struct sql *s = test_server_connect(source), *t = test_server_connect(target);
	struct backup_result r;
	struct strbuf v = STRBUF_INIT;
	struct err e = ERR_INIT;
	char dir[200];
	struct store *st = fresh_store(dir);

	(void)unused;
	run(s, "CREATE DATABASE odd");
	run(s,
	    "CREATE TABLE odd.implicit (id int primary key, v int, key (v)) WITH SYSTEM VERSIONING");
	run(s,
	    "CREATE TABLE odd.explicit (id int primary key, v int, a timestamp(6) generated always as row start, b timestamp(6) generated always as "
	    "row end invisible, period for system_time (a, b)) WITH SYSTEM VERSIONING");
	run(s,
	    "CREATE TABLE odd.child (id int primary key, p int, foreign key (p) references odd.implicit (id))");
	run(s, "INSERT INTO odd.implicit VALUES (1, 1), (2, 2), (3, 3)");
	run(s, "UPDATE odd.implicit SET v = 20 WHERE id = 2");
	run(s, "DELETE FROM odd.implicit WHERE id = 3");
	run(s, "INSERT INTO odd.explicit (id, v) VALUES (1, 1)");
	run(s, "UPDATE odd.explicit SET v = 10");
	run(s, "INSERT INTO odd.child VALUES (1, 2)");
	run(s, "CREATE SEQUENCE odd.s START WITH 5 CACHE 1");
	run(s,
	    "CREATE SEQUENCE odd.down START WITH -1 INCREMENT BY -3 MINVALUE -100 MAXVALUE -1 NOCACHE");
	run(s, "CREATE SEQUENCE odd.used_up MINVALUE 1 MAXVALUE 2 CACHE 1");
	run(s, "CREATE TABLE odd.q (id int primary key default nextval(odd.s), v int)");
	run(s, "INSERT INTO odd.q (v) VALUES (1), (2)");
	run(s, "SELECT NEXTVAL(odd.down), NEXTVAL(odd.used_up)");
	run(s, "SELECT NEXTVAL(odd.down), NEXTVAL(odd.used_up)");
	backup(st, &r);
	assert_non_null(
		strstr(r.warnings, "history (current rows are) of odd.explicit, odd.implicit"));
	if (restore(st, &e) < 0)
		fail_msg("%s", e.text);
	assert_equal(st);
	assert_int_equal(
		sql_value(
			t, &v, &e,
			"SELECT CONCAT_WS(' ', (SELECT GROUP_CONCAT(id, ':', v ORDER BY id) FROM odd.implicit), (SELECT "
			"GROUP_CONCAT(id, ':', v) FROM odd.explicit), (SELECT GROUP_CONCAT(id ORDER BY id) FROM odd.q), (SELECT COUNT(*) FROM "
			"odd.child), NEXTVAL(odd.s), NEXTVAL(odd.down))"),
		0);
	assert_string_equal(v.buf, "1:1,2:20 1:10 5,6 1 7 -7");
	assert_int_equal(sql_exec(t, &e, "SELECT NEXTVAL(odd.used_up)"), -1);
	assert_int_equal(e.code, 4084); /* has run out */
	strbuf_release(&v);
	store_free(st);
	sql_close(s);
	sql_close(t);
}

/* A view of which something is gone has to stay behind; the rows of a MERGE table are another's. */
static void what_another_table_was_or_holds_does_not_stop_a_restore(void **unused)
{
	struct sql *s = test_server_connect(source), *t = test_server_connect(target);
	struct restore_opts o = { .to = *test_server_endpoint(target), .threads = 2 };
	struct backup_result r;
	struct strbuf v = STRBUF_INIT;
	struct err e = ERR_INIT;
	char dir[200];
	struct store *st = fresh_store(dir);

	(void)unused;
	clean(target);
	run(s, "CREATE DATABASE odd");
	run(s, "CREATE TABLE odd.gone (id int primary key)");
	run(s, "CREATE VIEW odd.broken AS SELECT id FROM odd.gone");
	run(s, "DROP TABLE odd.gone");
	run(s, "CREATE TABLE odd.m (id int) ENGINE=MyISAM");
	run(s, "INSERT INTO odd.m VALUES (1), (2)");
	run(s, "CREATE TABLE odd.mm (id int) ENGINE=MERGE UNION=(odd.m) INSERT_METHOD=LAST");
	backup(st, &r);
	if (restore_run(st, &o, &r, &e) < 0)
		fail_msg("%s", e.text);
	assert_non_null(strstr(r.warnings, "view odd.broken is left out"));
	assert_int_equal(sql_value(t, &v, &e, "SELECT COUNT(*) FROM odd.m"), 0);
	assert_string_equal(v.buf, "2");
	strbuf_release(&v);
	run(s, "DROP DATABASE odd");
	clean(target);
	store_free(st);
	sql_close(s);
	sql_close(t);
}

/* The server computes it again, in the session of the restore. */
static void a_stored_column_that_its_session_computed_is_told(void **unused)
{
	struct sql *s = test_server_connect(source);
	struct restore_opts o = { .to = *test_server_endpoint(target), .threads = 2 };
	struct backup_result r;
	struct err e = ERR_INIT;
	char dir[200];
	struct store *st = fresh_store(dir);

	(void)unused;
	clean(target);
	run(s, "CREATE DATABASE odd");
	run(s,
	    "CREATE TABLE odd.t (id int primary key, a timestamp null, b date as (date(a)) stored)");
	run(s, "SET time_zone = '+05:00'");
	run(s, "INSERT INTO odd.t (id, a) VALUES (1, '2020-01-01 02:00:00')");
	backup(st, &r);
	assert_int_equal(restore_run(st, &o, &r, &e), -1);
	assert_non_null(strstr(e.text, "restore odd.t: the server changed rows"));
	assert_non_null(strstr(e.text, "a stored generated column"));
	run(s, "DROP DATABASE odd");
	clean(target);
	store_free(st);
	sql_close(s);
}

static void what_is_left_out_is_named_and_breaks_no_restore(void **unused)
{
	struct sql *s = test_server_connect(source), *t = test_server_connect(target);
	struct restore_opts o = { .to = *test_server_endpoint(target), .threads = 2 };
	struct backup_result r;
	struct strbuf v = STRBUF_INIT;
	struct err e = ERR_INIT;
	char dir[200];
	struct store *st = fresh_store(dir);

	(void)unused;
	run(s, "CREATE DATABASE code");
	run(s, "CREATE TABLE code.t (id int primary key)");
	run(s, "INSERT INTO code.t VALUES (1)");
	run(s, "CREATE FUNCTION code.f(x int) RETURNS int DETERMINISTIC RETURN x + 1");
	run(s, "CREATE PROCEDURE code.p() SELECT 1");
	run(s, "CREATE TRIGGER code.tr BEFORE INSERT ON code.t FOR EACH ROW SET NEW.id = NEW.id");
	run(s, "CREATE EVENT code.ev ON SCHEDULE EVERY 1 DAY DO SELECT 1");
	run(s, "CREATE VIEW code.a_over AS SELECT * FROM code.t");
	run(s, "CREATE VIEW code.needy AS SELECT code.f(id) AS n FROM code.t");
	run(s, "CREATE OR REPLACE VIEW code.a_over AS SELECT n FROM code.needy");
	run(s, "CREATE VIEW code.plain AS SELECT id FROM code.t");
	backup(st, &r);
	assert_non_null(strstr(r.warnings, "trigger code.tr"));
	assert_non_null(strstr(r.warnings, "procedure code.p"));
	assert_non_null(strstr(r.warnings, "function code.f"));
	assert_non_null(strstr(r.warnings, "event code.ev"));
	assert_non_null(strstr(r.warnings, "view code.needy needs function code.f"));
	if (restore_run(st, &o, &r, &e) < 0)
		fail_msg("%s", e.text);
	assert_non_null(strstr(r.warnings, "view code.needy is left out"));
	assert_non_null(strstr(r.warnings, "view code.a_over is left out"));
	assert_null(strstr(r.warnings, "code.plain"));
	/* made before the rows, and full of them now */
	assert_int_equal(sql_value(t, &v, &e, "SELECT id FROM code.plain"), 0);
	assert_string_equal(v.buf, "1");
	clean(target);
	run(t, "CREATE DATABASE code");
	run(t, "CREATE FUNCTION code.f(x int) RETURNS int DETERMINISTIC RETURN x + 1");
	if (restore_run(st, &o, &r, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(r.warnings, "");
	strbuf_reset(&v);
	assert_int_equal(sql_value(t, &v, &e, "SELECT n FROM code.a_over"), 0);
	assert_string_equal(v.buf, "2");
	strbuf_release(&v);
	store_free(st);
	sql_close(s);
	sql_close(t);
}

/* Rows as long as the server takes them (16 MiB a packet), and a row event that is longer:
 * BINLOG_GTID_POS() then knows nothing. */
static void rows_near_the_longest_packet_come_back(void **unused)
{
	struct sql *s = test_server_connect(source), *t = test_server_connect(target);
	struct backup_result r;
	struct err e = ERR_INIT;
	char dir[200];
	struct store *st = fresh_store(dir);
	uint64_t seq;

	(void)unused;
	run(s, "CREATE DATABASE large");
	run(s,
	    "CREATE TABLE large.t (id int primary key, b longblob, c longtext charset utf8mb4, j json, f set('p', 'q'))");
	run(s,
	    "INSERT INTO large.t VALUES (1, REPEAT(x'0009', 4500000), 'short', NULL, 'q'), (2, NULL, REPEAT('\\\\\\'é', 3500000), '{}', 'p')");
	run(s,
	    "INSERT INTO large.t VALUES (3, REPEAT(x'00fe', 7500000), NULL, NULL, NULL), (4, '', '', CONCAT('[\"', REPEAT('a', 9000000), '\"]'), '')");
	run(s, "UPDATE large.t SET b = REPEAT(x'00fe', 4500000) WHERE id = 1");
	seq = gtid_seq(s);
	backup(st, &r);
	assert_int_equal(r.backup_seq, seq);
	for (int infile = 1; infile >= 0; infile--) {
		char q[60];
		int rc;

		snprintf(q, sizeof(q), "SET GLOBAL local_infile = %d", infile);
		run(t, q);
		clean(target);
		rc = restore(st, &e);
		run(t, "SET GLOBAL local_infile = 1");
		if (rc < 0)
			fail_msg("local_infile %d: %s", infile, e.text);
		assert_equal(st);
	}
	store_free(st);
	sql_close(s);
	sql_close(t);
}

/* ---- a store that somebody else may write to ---- */

/* Puts the manifest back with one text replaced, and its checksum made right again. */
static void forge(struct store *st, const char *manifest, const char *old, const char *new)
{
	struct strbuf out = STRBUF_INIT;
	const char *body = strstr(manifest, "\"manifest\":") + strlen("\"manifest\":"),
		   *at = strstr(body, old);
	struct err e = ERR_INIT;

	assert_non_null(at);
	strbuf_add(&out, body, (size_t)(at - body));
	strbuf_addstr(&out, new);
	strbuf_addstr(&out, at + strlen(old));
	strbuf_setlen(&out, out.len - 2);
	{
		char *inner = strbuf_detach(&out);

		strbuf_addf(&out, "{\"xxh3\":\"%016llx\",\"manifest\":%s}\n",
			    (unsigned long long)XXH3_64bits(inner, strlen(inner)), inner);
		free(inner);
	}
	assert_int_equal(store_put(st, BACKUP_MANIFEST, out.buf, out.len, &e), 0);
	strbuf_release(&out);
}

static void a_forged_definition_is_not_run(void **unused)
{
	static const struct {
		const char *old, *new;
	} forged[] = {
		{ "CREATE DATABASE `small`", "CREATE USER 'owned'@'%'" },
		{ "CREATE DATABASE `small`", "CREATE DATABASE `other`" },
		{ "CREATE DATABASE `small`", "DROP DATABASE `mysql`" },
		{ "CREATE TABLE `t` (", "CREATE TABLE `mysql`.`t` (" },
		{ "CREATE TABLE `t` (", "GRANT ALL ON *.* TO 'owned'@'%' -- (" },
		{ "CREATE TABLE `t` (", "CREATE OR REPLACE TABLE `t` (" },
		{ ") ENGINE=InnoDB",
		  ") ENGINE=InnoDB AS SELECT 1 AS id, user AS v FROM mysql.user --" },
		{ ") ENGINE=InnoDB", ") ENGINE=InnoDB (SELECT 1 AS id, '' AS v) --" },
		{ "CREATE ALGORITHM=UNDEFINED",
		  "SET GLOBAL general_log = 1; CREATE ALGORITHM=UNDEFINED" },
		{ "VIEW `small`.`v` AS", "VIEW `mysql`.`v` AS" },
	};
	struct sql *s = test_server_connect(source), *t = test_server_connect(target);
	struct strbuf manifest = STRBUF_INIT;
	struct backup_result r;
	struct err e = ERR_INIT;
	char dir[200];
	struct store *st = fresh_store(dir);
	uint64_t n = 1;

	(void)unused;
	make_small();
	run(s, "CREATE VIEW small.v AS SELECT id FROM small.t");
	backup(st, &r);
	assert_int_equal(store_get(st, BACKUP_MANIFEST, 1 << 26, &manifest, &e), 0);
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		forge(st, manifest.buf, forged[i].old, forged[i].new);
		if (restore(st, &e) != -1 || e.kind != ERR_BAD_DATA ||
		    !strstr(e.text, "none of it was run"))
			fail_msg("%s: %s", forged[i].new, e.text);
	}
	assert_int_not_equal(
		sql_value_u64(t, &n, &e, "SELECT COUNT(*) FROM mysql.user WHERE User = 'owned'"),
		-1);
	assert_int_equal(n, 0);
	assert_false(has_tables(target));
	strbuf_release(&manifest);
	store_free(st);
	sql_close(s);
	sql_close(t);
}

/* A chunk of some kB that unpacks to a gigabyte, behind a manifest that promises the hundred bytes
 * of the row. */
static void a_chunk_that_unpacks_to_more_than_its_size_is_stopped_there(void **unused)
{
	static const char *const key = "data/t000000/00000000-000000.zst";
	struct sql *s = test_server_connect(source), *t = test_server_connect(target);
	struct strbuf manifest = STRBUF_INIT, good = STRBUF_INIT;
	ZSTD_CCtx *z = ZSTD_createCCtx();
	size_t room = 1 << 20, left;
	char *bomb = xmalloc(room), *zeros = xcalloc(1 << 20, 1), size_old[60], size_new[60],
	     sum_old[40], sum_new[40];
	ZSTD_outBuffer out = { bomb, room, 0 };
	struct backup_result r;
	struct err e = ERR_INIT;
	char dir[200];
	struct store *st = fresh_store(dir);

	(void)unused;
	run(s, "CREATE DATABASE bomb");
	run(s, "CREATE TABLE bomb.t (id int primary key, v varchar(100))");
	run(s, "INSERT INTO bomb.t VALUES (1, 'x')");
	backup(st, &r);
	assert_int_equal(store_get(st, BACKUP_MANIFEST, 1 << 26, &manifest, &e), 0);
	assert_int_equal(store_get(st, key, 1 << 20, &good, &e), 0);
	for (int i = 0; i < 1024; i++) {
		ZSTD_inBuffer in = { zeros, 1 << 20, 0 };

		do
			left = ZSTD_compressStream2(z, &out, &in,
						    i == 1023 ? ZSTD_e_end : ZSTD_e_continue);
		while (!ZSTD_isError(left) && (i == 1023 ? left != 0 : in.pos < in.size));
		assert_false(ZSTD_isError(left));
	}
	assert_int_equal(store_put(st, key, bomb, out.pos, &e), 0);
	snprintf(size_old, sizeof(size_old), "\"size\":%zu,", good.len);
	snprintf(size_new, sizeof(size_new), "\"size\":%zu,", out.pos);
	snprintf(sum_old, sizeof(sum_old), "%016llx",
		 (unsigned long long)XXH3_64bits(good.buf, good.len));
	snprintf(sum_new, sizeof(sum_new), "%016llx",
		 (unsigned long long)XXH3_64bits(bomb, out.pos));
	forge(st, manifest.buf, size_old, size_new);
	strbuf_reset(&manifest);
	assert_int_equal(store_get(st, BACKUP_MANIFEST, 1 << 26, &manifest, &e), 0);
	forge(st, manifest.buf, sum_old, sum_new);
	for (int infile = 0; infile < 2; infile++) {
		char q[60];

		snprintf(q, sizeof(q), "SET GLOBAL local_infile = %d", infile);
		run(t, q);
		clean(target);
		assert_int_equal(restore(st, &e), -1);
		if (!strstr(e.text, "has more than"))
			fail_msg("local_infile %d: %s", infile, e.text);
	}
	ZSTD_freeCCtx(z);
	free(bomb);
	free(zeros);
	strbuf_release(&manifest);
	strbuf_release(&good);
	store_free(st);
	sql_close(s);
	sql_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_type_comes_back_as_it_was, setup_pair),
		cmocka_unit_test_setup(without_local_infile_rows_come_as_inserts, setup_pair),
		cmocka_unit_test_setup(
			a_damaged_or_incomplete_backup_is_refused_before_a_row_is_written,
			setup_pair),
		cmocka_unit_test_setup(a_used_prefix_and_a_used_target_are_refused, setup_pair),
		cmocka_unit_test_setup(tables_that_cannot_be_opened_are_named_or_left_out,
				       setup_pair),
		cmocka_unit_test_setup(the_rate_limit_is_kept, setup_pair),
		cmocka_unit_test_setup(a_backup_under_load_is_one_point_in_time, setup_pair),
		cmocka_unit_test_setup(current_rows_of_versioned_tables_and_sequences_come_back,
				       setup_pair),
		cmocka_unit_test_setup(what_another_table_was_or_holds_does_not_stop_a_restore,
				       setup_pair),
		cmocka_unit_test_setup(a_stored_column_that_its_session_computed_is_told,
				       setup_pair),
		cmocka_unit_test_setup(what_is_left_out_is_named_and_breaks_no_restore, setup_pair),
		cmocka_unit_test_setup(rows_near_the_longest_packet_come_back, setup_pair),
		cmocka_unit_test_setup(a_forged_definition_is_not_run, setup_pair),
		cmocka_unit_test_setup(a_chunk_that_unpacks_to_more_than_its_size_is_stopped_there,
				       setup_pair),
	};
	int rc;

	backup_pair_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	backup_pair_stop();
	return rc;
}
