/* Needs MariaDB: backs up a server while other sessions run DDLs, and what such sessions took. */
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

#include "tests/integration/backup_pair.h"

#define DDL_FILLERS 30 /* tables that make the listing take its time */

static void ddl_setup(struct sql *s)
{
	run(s, "CREATE DATABASE ddl");
	run(s, "CREATE TABLE ddl.x (id int primary key, v varchar(20))");
	run(s, "CREATE TABLE ddl.y (id int primary key, v varchar(20))");
	run(s, "INSERT INTO ddl.x VALUES (1, 'was x')");
	run(s, "INSERT INTO ddl.y VALUES (1, 'was y'), (2, 'was y')");
	run(s, "CREATE TABLE ddl.e (id int primary key, v int)");
	run(s,
	    "CREATE TABLE ddl.pt (id int primary key, v int) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (1000), PARTITION "
	    "p1 VALUES LESS THAN MAXVALUE)");
	run(s, "INSERT INTO ddl.e VALUES (1, 1)");
	run(s, "INSERT INTO ddl.pt VALUES (2, 2), (2000, 2)");
	run(s, "CREATE TABLE ddl.w (id int primary key)");
	run(s, "INSERT INTO ddl.w VALUES (1), (2)");
	run(s, "CREATE TABLE ddl.tr (id int primary key)");
	run(s, "CREATE TABLE ddl.counted (id int primary key, n int)");
	run(s, "INSERT INTO ddl.counted VALUES (1, 0)");
	run(s, "CREATE VIEW ddl.v AS SELECT 0 AS n");
	for (int i = 0; i < DDL_FILLERS; i++) {
		char q[100];

		snprintf(q, sizeof(q),
			 "CREATE TABLE ddl.filler%02d (id int primary key, v int, KEY (v))", i);
		run(s, q);
	}
}

/* The i-th statement of a fixed story: each is one GTID. */
static void ddl_statement(unsigned i, char q[300])
{
	static const char *const story[] = {
		"RENAME TABLE ddl.x TO ddl.t, ddl.y TO ddl.x, ddl.t TO ddl.y",
		"ALTER TABLE ddl.pt EXCHANGE PARTITION p0 WITH TABLE ddl.e",
		"UPDATE ddl.counted SET n = n + 1",
		"ALTER TABLE ddl.w ADD COLUMN c%u int DEFAULT 7",
		"CREATE OR REPLACE VIEW ddl.v AS SELECT %u AS n",
		"INSERT INTO ddl.tr VALUES (%u)",
		"RENAME TABLE ddl.x TO ddl.t, ddl.y TO ddl.x, ddl.t TO ddl.y",
		"CREATE TABLE ddl.brief (id int primary key, v int DEFAULT %u)",
		"INSERT INTO ddl.brief (id) VALUES (1)",
		"RENAME TABLE ddl.x TO ddl.t, ddl.y TO ddl.x, ddl.t TO ddl.y",
		"TRUNCATE TABLE ddl.tr",
		"ALTER TABLE ddl.w DROP COLUMN c%u",
		"DROP TABLE ddl.brief",
		"CREATE DATABASE ddl_more",
		"ALTER TABLE ddl.filler07 ADD INDEX i%u (v, id)",
		"CREATE TABLE ddl_more.a (id int primary key)",
		"ALTER TABLE ddl.w ALTER COLUMN id SET DEFAULT %u",
		"ALTER TABLE ddl.filler07 DROP INDEX i%u",
		"DROP DATABASE ddl_more",
		"ALTER TABLE ddl.y COMMENT '%u'",
	};
	unsigned n = sizeof(story) / sizeof(story[0]), round = i / n;

	snprintf(q, 300, story[i % n], round); /* NOLINT(clang-diagnostic-format-nonliteral) */
}

static _Atomic unsigned ddl_done;
static _Atomic bool stop_load;

static void *tell_the_story(void *arg)
{
	struct sql *s = test_server_connect(source);
	char q[300];

	while (!stop_load) {
		ddl_statement(ddl_done, q);
		run(s, q);
		ddl_done++;
		/* leaves gaps in which a snapshot can be taken without holding the DDLs back */
		if (arg)
			pause_ms(*(const int *)arg, deadline_in_ms(60000));
	}
	sql_close(s);
	mysql_thread_end();
	return NULL;
}

/* Every definition and every row of the databases ddl and ddl_more. */
static char *whole_state(struct sql *s)
{
	struct strbuf out = STRBUF_INIT, names = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct sql_rows list = { 0 };

	assert_int_equal(
		sql_query(
			s, &list, &e,
			"SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA "
			"IN ('ddl', 'ddl_more') ORDER BY 1, 2"),
		0);
	while (sql_rows_next(&list, &e) == 1) {
		struct sql_rows r = { 0 };

		assert_int_equal(sql_query(s, &r, &e, "SHOW CREATE TABLE `%s`.`%s`", list.cell[0],
					   list.cell[1]),
				 0);
		assert_int_equal(sql_rows_next(&r, &e), 1);
		strbuf_addf(&out, "%s.%s\n%s\n", list.cell[0], list.cell[1], r.cell[1]);
		sql_rows_release(&r);
		if (strcmp(list.cell[2], "BASE TABLE"))
			continue;
		assert_int_equal(sql_query(s, &r, &e, "SELECT * FROM `%s`.`%s` ORDER BY id",
					   list.cell[0], list.cell[1]),
				 0);
		while (sql_rows_next(&r, &e) == 1) {
			for (unsigned i = 0; i < r.n_columns; i++)
				strbuf_addf(&out, "%s|", r.cell[i] ? r.cell[i] : "NULL");
			strbuf_addch(&out, '\n');
		}
		sql_rows_release(&r);
	}
	sql_rows_release(&list);
	list = (struct sql_rows){ 0 };
	assert_int_equal(
		sql_query(
			s, &list, &e,
			"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'ddl%%' ORDER BY 1"),
		0);
	while (sql_rows_next(&list, &e) == 1)
		strbuf_addf(&out, "database %s\n", list.cell[0]);
	sql_rows_release(&list);
	strbuf_release(&names);
	return strbuf_detach(&out);
}

static void back_up_among_ddls(const struct sql_endpoint *as, unsigned rounds, const int *gap_ms)
{
	struct sql *s = test_server_connect(source), *t = test_server_connect(target);
	struct err e = ERR_INIT;
	unsigned moments = 0;

	for (unsigned round = 0; round < rounds; round++) {
		struct backup_opts o = { .from = *as, .threads = 1 + round % 3 };
		struct backup_result r;
		struct store *st;
		char dir[200], q[300], *restored, *expected;
		uint64_t before, done;
		pthread_t teller;
		int rc;

		clean(source);
		ddl_setup(s);
		before = gtid_seq(s);
		ddl_done = 0;
		stop_load = false;
		pthread_create(&teller, NULL, tell_the_story, (void *)gap_ms);
		while (ddl_done < round * 2 + 1) /* each round at another moment of the story */
			pause_ms(1, deadline_in_ms(60000));
		st = fresh_store(dir);
		rc = backup_run(st, &o, &r, &e);
		stop_load = true;
		pthread_join(teller, NULL);
		if (rc < 0)
			fail_msg("%s", e.text);
		/* else the test would not know at which statement a backup stands */
		assert_int_equal(gtid_seq(s), before + ddl_done);
		done = r.backup_seq - before;
		moments |= 1u << done % 20;
		clean(target);
		if (restore(st, &e) < 0)
			fail_msg("%s", e.text);
		restored = whole_state(t);
		clean(target);
		ddl_setup(t);
		for (unsigned i = 0; i < done; i++) {
			ddl_statement(i, q);
			run(t, q);
		}
		expected = whole_state(t);
		if (strcmp(restored, expected))
			fail_msg(
				"a backup at statement %u of the story (the next is no. %u of 20) holds:\n%s\nand not:\n%s",
				(unsigned)done, (unsigned)done % 20, restored, expected);
		free(restored);
		free(expected);
		store_free(st);
	}
	assert_true(__builtin_popcount(moments) > 1);
	sql_close(s);
	sql_close(t);
}

static void a_backup_among_ddls_is_one_point_in_time(void **unused)
{
	(void)unused;
	back_up_among_ddls(test_server_endpoint(source), 8, NULL);
}

/* Who may not hold DDLs back takes metadata locks, and tries again when a DDL came between. */
static void so_it_is_for_a_user_who_may_only_read(void **unused)
{
	struct sql *s = test_server_connect(source);
	struct sql_endpoint ep = *test_server_endpoint(source);
	int gap_ms = 150;

	(void)unused;
	run(s, "CREATE USER IF NOT EXISTS reader@'%' IDENTIFIED BY 'only reads'");
	run(s, "GRANT SELECT, SHOW VIEW ON *.* TO reader@'%'");
	sql_close(s);
	strcpy(ep.user, "reader");
	strcpy(ep.password, "only reads");
	back_up_among_ddls(&ep, 5, &gap_ms);
}

static void *hold_a_table(void *arg)
{
	struct sql *s = test_server_connect(source);
	_Atomic int *state = arg;

	run(s, "LOCK TABLES ddl.e WRITE");
	*state = 1;
	while (*state == 1)
		pause_ms(5, deadline_in_ms(60000));
	run(s, "UNLOCK TABLES");
	sql_close(s);
	mysql_thread_end();
	return NULL;
}

static void *back_up(void *arg)
{
	struct backup_opts o = { .from = *test_server_endpoint(source), .threads = 3 };
	struct backup_result r;
	struct err *e = arg;

	if (backup_run(fresh_store((char[200]){ 0 }), &o, &r, e) == 0)
		snprintf(e->text, sizeof(e->text), "seq %llu", (unsigned long long)r.backup_seq);
	mysql_thread_end();
	return NULL;
}

/* A locked table keeps the backup's beginning open; DDLs of others must get through meanwhile, and
 * be in it. */
static void a_ddl_while_the_backup_waits_for_a_lock_is_in_it(void **unused)
{
	struct sql *s = test_server_connect(source), *t = test_server_connect(target);
	_Atomic int state = 0;
	struct err e = ERR_INIT, failed;
	struct store *st;
	char dir[200];
	pthread_t holder, backer;
	uint64_t waits = 0, seq;
	struct strbuf v = STRBUF_INIT;

	(void)unused;
	ddl_setup(s);
	pthread_create(&holder, NULL, hold_a_table, (void *)&state);
	while (state == 0)
		pause_ms(5, deadline_in_ms(60000));
	pthread_create(&backer, NULL, back_up, &e);
	while (!waits) {
		assert_int_not_equal(
			sql_value_u64(
				s, &waits, &failed,
				"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE "
				"'Waiting for table metadata lock'"),
			-1);
		pause_ms(20, deadline_in_ms(60000));
	}
	run(s, "RENAME TABLE ddl.x TO ddl.t, ddl.y TO ddl.x, ddl.t TO ddl.y");
	run(s, "ALTER TABLE ddl.w ADD COLUMN late int DEFAULT 1");
	seq = gtid_seq(s);
	state = 2;
	pthread_join(holder, NULL);
	pthread_join(backer, NULL);
	if (e.kind != ERR_NONE)
		fail_msg("%s", e.text);
	assert_int_equal(strtoull(e.text + 4, NULL, 10), seq);
	n_prefix--;
	st = fresh_store(dir); /* the one that back_up() filled */
	if (restore(st, &failed) < 0)
		fail_msg("%s", failed.text);
	assert_int_equal(sql_value(t, &v, &failed, "SELECT MAX(v) FROM ddl.x"), 0);
	assert_string_equal(v.buf, "was y");
	strbuf_reset(&v);
	assert_int_equal(sql_value(t, &v, &failed, "SELECT SUM(late) FROM ddl.w"), 0);
	assert_string_equal(v.buf, "2");
	strbuf_release(&v);
	store_free(st);
	sql_close(s);
	sql_close(t);
}

/* Its strictness, its directories, its variables; and a database that is there already. */
static void what_a_session_took_is_taken_again(void **unused)
{
	static const char *const made[] = {
		"CREATE DATABASE odd CHARACTER SET latin1",
		"SET innodb_strict_mode = 0, sql_mode = 'IGNORE_BAD_TABLE_OPTIONS'",
		"CREATE TABLE odd.strict (id INT PRIMARY KEY) KEY_BLOCK_SIZE=7",
		"CREATE TABLE odd.bad (id INT PRIMARY KEY nosuch=1) nosuch='it''s ('",
		"CREATE TABLE odd.var (id INT PRIMARY KEY, v INT DEFAULT (@@server_id))",
		"INSERT INTO odd.var (id) VALUES (1)",
		/* more warnings than an answer counts */
		"CREATE TABLE odd.zeros (e ENUM('x'), f ENUM('x'))",
		"INSERT INTO odd.zeros SELECT 0, 0 FROM odd.seq_1_to_70000",
	};
	struct sql *s = test_server_connect(source), *t = test_server_connect(target);
	struct backup_result r;
	struct err e = ERR_INIT;
	char dir[200], sql[200], place[] = "/var/tmp/drtest-it.XXXXXX";
	struct store *st = fresh_store(dir);
	int rc;

	(void)unused;
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		run(s, made[i]);
	assert_non_null(mkdtemp(place));
	assert_int_equal(chmod(place, 0777), 0); /* the server is another user */
	snprintf(sql, sizeof(sql),
		 "CREATE TABLE odd.place (id INT PRIMARY KEY) ENGINE=MyISAM DATA DIRECTORY='%s'",
		 place);
	run(s, sql);
	run(t, "CREATE DATABASE odd CHARACTER SET utf8mb4");
	backup(st, &r);
	run(t, "SET GLOBAL local_infile = 0");
	rc = restore(st, &e);
	run(t, "SET GLOBAL local_infile = 1");
	if (rc < 0)
		fail_msg("%s", e.text);
	assert_equal(st);
	run(s, "DROP DATABASE odd");
	assert_int_equal(rmdir(place), 0);
	store_free(st);
	sql_close(s);
	sql_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_backup_among_ddls_is_one_point_in_time, setup_pair),
		cmocka_unit_test_setup(so_it_is_for_a_user_who_may_only_read, setup_pair),
		cmocka_unit_test_setup(a_ddl_while_the_backup_waits_for_a_lock_is_in_it,
				       setup_pair),
		cmocka_unit_test_setup(what_a_session_took_is_taken_again, setup_pair),
	};
	int rc;

	backup_pair_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	backup_pair_stop();
	return rc;
}
