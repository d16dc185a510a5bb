/* needs: MariaDB.
 * Statements and transactions that mean what their session makes of them: after each the secondary,
 * a replay of the log by merge and one by whole transactions hold what the primary holds, rows and
 * definitions; what can't be carried ends the feed by name, or is left out and told. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/xalloc.h"
#include "harness/net/store.h"
#include "harness/os/fs.h"
#include "harness/redo/codec.h"
#include "harness/replay/replay.h"
#include "tests/integration/feed_pair.h"

/* Statements in one session of the primary, "USE d" before. '?' before one: it may fail. */
struct story {
	const char *name;
	const char *sql[16];
};

static void tell(struct sql *c, const char *const *sql)
{
	for (; *sql; sql++) {
		bool may_fail = **sql == '?';
		struct err e = ERR_INIT;

		if (sql_exec_text(c, &e, *sql + may_fail, strlen(*sql + may_fail)) < 0 &&
		    (!may_fail || e.kind != ERR_SQL))
			fail_msg("%s", e.text);
	}
}

static void tell_all(const struct story *stories, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sql *c = test_server_connect(primary);

		SQL(c, "USE d");
		tell(c, stories[i].sql);
		sql_close(c);
	}
}

static void add_rows(struct sql *c, struct strbuf *out, const char *query)
{
	struct sql_rows r = { 0 };
	struct err e = ERR_INIT;
	int got;

	if (sql_query(c, &r, &e, "%s", query) < 0) {
		strbuf_addf(out, "error %d\n", e.code);
		return;
	}
	while ((got = sql_rows_next(&r, &e)) == 1) {
		for (unsigned i = 0; i < r.n_columns; i++) {
			const char *p_ = r.cell[i] ? r.cell[i] : "NULL",
				   *counter = strstr(p_, " AUTO_INCREMENT=");

			strbuf_addf(
				out, "%.*s%s|", counter ? (int)(counter - p_) : (int)strlen(p_), p_,
				counter ? counter + 16 + strspn(counter + 16, "0123456789") : "");
		}
		strbuf_addch(out, '\n');
	}
	must(got, &e);
	sql_rows_release(&r);
}

#define USERS " NOT IN ('mysql','sys','information_schema','performance_schema','drtest_feed')"

/* Everything that a user sees: databases, definitions, rows. What is named in left_out ("d.t,d.u")
 * is not looked at. */
static void state_of(struct sql *c, const char *left_out, struct strbuf *out)
{
	struct strbuf list = STRBUF_INIT;
	char *at;

	add_rows(
		c, out,
		"SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME" USERS
		" ORDER BY 1");
	add_rows(
		c, &list,
		"SELECT CONCAT('`', TABLE_SCHEMA, '`.`', TABLE_NAME, '`'), CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), TABLE_TYPE, "
		"(SELECT GROUP_CONCAT(ORDINAL_POSITION ORDER BY 1) FROM information_schema.COLUMNS k WHERE k.TABLE_SCHEMA = t.TABLE_SCHEMA "
		"AND k.TABLE_NAME = t.TABLE_NAME) FROM information_schema.TABLES t WHERE TABLE_SCHEMA" USERS
		" ORDER BY 1");
	at = list.buf;
	while (at && *at) {
		char *name = strsep(&at, "|"), *plain = strsep(&at, "|"), *type = strsep(&at, "|"),
		     *columns = strsep(&at, "|");
		char *q = xstrfmt("SHOW CREATE TABLE %s", name), *skip = xstrfmt(",%s,", plain),
		     *all = xstrfmt(",%s,", left_out);

		at += *at == '\n';
		if (!strstr(all, skip)) {
			strbuf_addf(out, "%s %s\n", plain, type);
			add_rows(c, out, q);
		}
		free(q);
		if (!strstr(all, skip) && strcmp(type, "SEQUENCE")) {
			q = xstrfmt("SELECT * FROM %s ORDER BY %s", name, columns);
			add_rows(c, out, q);
			free(q);
		}
		free(skip);
		free(all);
	}
	strbuf_release(&list);
}

static void like_the_primary(struct sql *c, const char *who, const char *left_out)
{
	struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;

	state_of(p, left_out, &want);
	state_of(c, left_out, &got);
	for (char *a = want.buf, *b = got.buf; a || b;) {
		char *line = strsep(&a, "\n"), *other = strsep(&b, "\n");

		if (!line || !other || strcmp(line, other))
			fail_msg("%s:\nprimary: %s\nthere:   %s", who, line ? line : "(nothing)",
				 other ? other : "(nothing)");
	}
	strbuf_release(&want);
	strbuf_release(&got);
}

/* The feed collects nothing from a log with a file that does not belong there: so all of it can be
 * replayed in the end. */
static void keep_whole_log(void)
{
	char *redo = redo_dir(), *path = xstrfmt("%s/stranger.sort", redo);
	struct err e = ERR_INIT;

	must(fs_write_atomic(path, "x", 1, 0644, &e), &e);
	free(path);
	free(redo);
}

static int set_checkpoint(void *ts, const char *name, struct err *e)
{
	char *redo = redo_dir(), *path = xstrfmt("%s/%s", redo, name);
	struct strbuf text = STRBUF_INIT;
	struct redo_meta m;
	int rc = 0;

	if (strstr(name, ".sort"))
		rc = unlink(path);
	if (strstr(name, ".meta")) {
		rc = fs_read_file(path, 65536, &text, e) < 0 ||
				     redo_meta_decode(&m, text.buf, text.len, e) < 0
			     ? -1
			     : 0;
		m.checkpoint_ts = *(tso_t *)ts;
		strbuf_reset(&text);
		redo_meta_encode(&text, &m);
		if (!rc)
			rc = fs_write_atomic(path, text.buf, text.len, 0644, e);
	}
	strbuf_release(&text);
	free(path);
	free(redo);
	return rc;
}

static void note(void *unused, const char *line)
{
	(void)unused;
	print_message("replay: %s\n", line);
}

/* The whole log, from the feed's start, onto a third server that was never a secondary. */
static void replays_are_like_the_primary(tso_t start, const char *left_out)
{
	struct test_server *third = test_server_start(3);
	struct sql *r = test_server_connect(third);
	char *redo = redo_dir(), *uri = xstrfmt("file://%s", redo);
	struct err e = ERR_INIT;

	must(fs_list(redo, set_checkpoint, &start, &e), &e);
	for (int mode = REPLAY_MERGE; mode <= REPLAY_TXN; mode++) {
		struct replay_opts o = { .sink = *test_server_endpoint(third),
					 .mode = (enum replay_mode)mode,
					 .tmp_dir = dir,
					 .fresh = true,
					 .note = note };
		struct store *log = store_open(uri, NULL, &e);
		struct strbuf drop = STRBUF_INIT;
		struct replay_stats st;

		add_rows(
			r, &drop,
			"SELECT CONCAT('DROP DATABASE `', SCHEMA_NAME, '`') FROM information_schema.SCHEMATA WHERE SCHEMA_NAME" USERS);
		for (char *at = drop.buf; at && *at;) {
			char *q = strsep(&at, "|");

			SQL(r, "%s", q);
			at += *at == '\n';
		}
		SQL(r, "CREATE DATABASE d");
		must(log ? replay_run(log, &o, &st, &e) : -1, &e);
		like_the_primary(
			r, mode == REPLAY_MERGE ? "replay by merge" : "replay by transactions",
			left_out);
		store_free(log);
		strbuf_release(&drop);
	}
	sql_close(r);
	test_server_free(third);
	free(uri);
	free(redo);
}

static void all_are_like_the_primary(const struct story *stories, size_t n, const char *left_out)
{
	fresh();
	tso_t start_ts = primary_ts();
	struct feed_opts o = options();
	o.start_ts = start_ts;
	struct feed *f = start(&o);

	keep_whole_log();
	for (size_t i = 0; i < n; i++) {
		tell_all(&stories[i], 1);
		caught_up(f);
		like_the_primary(s, stories[i].name, left_out);
	}
	stop(f);
	replays_are_like_the_primary(start_ts, left_out);
}

#define ALL_ARE_LIKE_THE_PRIMARY(stories, left_out) \
	all_are_like_the_primary(stories, sizeof(stories) / sizeof((stories)[0]), left_out)

static void what_is_rolled_back_in_the_log_is_gone(void **unused)
{
	static const struct story stories[] = {
		{ "tables",
		  { "CREATE TABLE i (id INT PRIMARY KEY, v INT)",
		    "INSERT INTO i VALUES (1,1),(2,2)",
		    "CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM",
		    "CREATE TABLE tr (id INT PRIMARY KEY)",
		    "CREATE TRIGGER a AFTER INSERT ON tr FOR EACH ROW INSERT INTO m VALUES (NEW.id)" } },
		{ "a temporary table",
		  { "BEGIN", "CREATE TEMPORARY TABLE tt (a INT)", "INSERT INTO i VALUES (3,3)",
		    "SAVEPOINT a", "INSERT INTO i VALUES (5,5)", "UPDATE i SET v=99 WHERE id=1",
		    "DELETE FROM i WHERE id=2", "ROLLBACK TO a", "COMMIT" } },
		{ "nested, names used again",
		  { "BEGIN", "CREATE TEMPORARY TABLE tt (a INT)", "SAVEPOINT a",
		    "INSERT INTO i VALUES (10,1)", "SAVEPOINT b", "INSERT INTO i VALUES (11,1)",
		    "SAVEPOINT A", "INSERT INTO i VALUES (12,1)", "ROLLBACK TO a",
		    "INSERT INTO i VALUES (13,1)", "ROLLBACK TO b", "INSERT INTO i VALUES (14,1)",
		    "COMMIT" } },
		{ "a table without transactions",
		  { "BEGIN", "INSERT INTO i VALUES (20,1)", "SAVEPOINT x",
		    "INSERT INTO m VALUES (20)", "UPDATE i SET v=7 WHERE id=20", "?ROLLBACK TO x",
		    "COMMIT" } },
		{ "by a trigger",
		  { "BEGIN", "INSERT INTO tr VALUES (1)", "SAVEPOINT x",
		    "INSERT INTO tr VALUES (2)", "?ROLLBACK TO x", "INSERT INTO tr VALUES (3)",
		    "COMMIT" } },
		{ "a whole transaction",
		  { "BEGIN", "CREATE TEMPORARY TABLE w (a INT)", "INSERT INTO i VALUES (30,1)",
		    "DROP TEMPORARY TABLE w", "ROLLBACK", "INSERT INTO i VALUES (31,2)" } },
		{ "a savepoint before any row",
		  { "BEGIN", "CREATE TEMPORARY TABLE w (a INT)", "SAVEPOINT x",
		    "INSERT INTO i VALUES (40,1)", "ROLLBACK TO x", "ROLLBACK",
		    "INSERT INTO i VALUES (41,2)" } },
		{ "both kinds of tables",
		  { "BEGIN", "CREATE TEMPORARY TABLE w (a INT)", "INSERT INTO m VALUES (50)",
		    "INSERT INTO tr VALUES (50+1)", "?ROLLBACK" } },
		{ "beyond memory",
		  { "CREATE TABLE big (id INT PRIMARY KEY, pad VARCHAR(1100))", "BEGIN",
		    "CREATE TEMPORARY TABLE w (a INT)",
		    "INSERT INTO big SELECT seq, REPEAT(MD5(seq), 32) FROM seq_1_to_8000",
		    "SAVEPOINT x",
		    "INSERT INTO big SELECT seq, REPEAT(MD5(seq), 32) FROM seq_10001_to_20000",
		    "UPDATE big SET pad='x' WHERE id < 1000", "ROLLBACK TO x",
		    "DELETE FROM big WHERE id%7=0", "COMMIT" } },
	};

	(void)unused;
	ALL_ARE_LIKE_THE_PRIMARY(stories, "");
}

static void a_ddl_runs_once_and_as_far_as_it_ran(void **unused)
{
	static const struct story stories[] = {
		{ "in two phases",
		  { "CREATE TABLE t (id INT PRIMARY KEY, v INT, p INT, q INT)",
		    "INSERT INTO t VALUES (1,-1,1,2)", "SET binlog_alter_two_phase=1",
		    "ALTER TABLE t ADD INDEX (v)",
		    "ALTER TABLE t RENAME COLUMN p TO q, RENAME COLUMN q TO p",
		    "ALTER TABLE t ADD COLUMN c INT", "?ALTER TABLE t ADD CHECK (v > 0)",
		    "INSERT INTO t VALUES (2,-1,3,4,5)", "?ALTER TABLE t ADD UNIQUE (v)",
		    "ALTER TABLE t RENAME t9", "ALTER TABLE t9 RENAME t" } },
		{ "a foreign key that failed",
		  { "CREATE TABLE pa (id INT PRIMARY KEY)", "CREATE TABLE ch (p INT PRIMARY KEY)",
		    "INSERT INTO ch VALUES (1)", "SET binlog_alter_two_phase=1",
		    "?ALTER TABLE ch ADD FOREIGN KEY (p) REFERENCES pa (id)" } },
		{ "DROP TABLE of what is not there",
		  { "CREATE TABLE u (id INT PRIMARY KEY)", "?DROP TABLE u, nosuch" } },
		{ "DROP VIEW of what is not there",
		  { "CREATE VIEW v1 AS SELECT 1", "CREATE VIEW v2 AS SELECT 1",
		    "?DROP VIEW v1, nosuch, v2" } },
		{ "CREATE OR REPLACE that failed",
		  { "CREATE TABLE r (id INT PRIMARY KEY)",
		    "?CREATE OR REPLACE TABLE r (id INT PRIMARY KEY, id INT)",
		    "CREATE TABLE r2 (id INT PRIMARY KEY)",
		    "?CREATE OR REPLACE TABLE r2 (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES nope (nope))",
		    "CREATE TABLE r2 (id INT PRIMARY KEY, again INT)" } },
		{ "ALTER DATABASE without a name",
		  { "CREATE DATABASE d1 CHARACTER SET latin1",
		    "CREATE DATABASE d2 CHARACTER SET latin1", "USE d2",
		    "CREATE TABLE q (id INT PRIMARY KEY)", "USE d1",
		    "ALTER DATABASE CHARACTER SET utf8mb4",
		    "CREATE TABLE q (c VARCHAR(9) PRIMARY KEY)",
		    "CREATE TABLE d2.q2 (c VARCHAR(9) PRIMARY KEY)" } },
		{ "the end of those", { "DROP DATABASE d1", "DROP DATABASE d2" } },
	};

	(void)unused;
	ALL_ARE_LIKE_THE_PRIMARY(stories, "");
}

static void unique_keys_that_no_index_holds(void **unused)
{
	static const struct story stories[] = {
		{ "over a BLOB",
		  { "CREATE TABLE b (id INT PRIMARY KEY, b BLOB, UNIQUE (b), c INT)",
		    "INSERT INTO b VALUES (1,'a',1),(2,'b',2)", "UPDATE b SET c=9 WHERE id=1",
		    "DELETE FROM b WHERE id=2", "INSERT INTO b VALUES (3,'b',3)", "BEGIN",
		    "UPDATE b SET b='x' WHERE id=1", "UPDATE b SET b='a' WHERE id=3", "COMMIT" } },
		{ "over a long text, by ALTER",
		  { "CREATE TABLE l (id INT PRIMARY KEY, v VARCHAR(3000) CHARACTER SET utf8mb4, w TEXT)",
		    "INSERT INTO l VALUES (1,'a','p')",
		    "ALTER TABLE l ADD UNIQUE (v), ADD UNIQUE uw (w)",
		    "INSERT INTO l VALUES (2,'b','q')",
		    "ALTER TABLE l ADD COLUMN z INT AS (id+1) VIRTUAL",
		    "UPDATE l SET v='c'  WHERE id=1", "ALTER TABLE l DROP KEY v",
		    "INSERT INTO l VALUES (3,'b','r',DEFAULT)" } },
		{ "USING HASH, and the key of the table",
		  { "CREATE TABLE h (v INT NOT NULL, w INT, UNIQUE (v) USING HASH)",
		    "INSERT INTO h VALUES (1,1),(2,2)", "UPDATE h SET w=7 WHERE v=2",
		    "CREATE TABLE hb (b BLOB NOT NULL, w INT, UNIQUE (b))",
		    "INSERT INTO hb VALUES ('a',1),('b',2)", "UPDATE hb SET b='c' WHERE w=2" } },
		{ "beside columns that are named as their hashes are",
		  { "CREATE TABLE hi (id INT PRIMARY KEY, DB_ROW_HASH_1 INT, DB_ROW_HASH_2 INT)",
		    "INSERT INTO hi VALUES (1,2,3),(2,3,4)",
		    "UPDATE hi SET DB_ROW_HASH_2=9 WHERE id=1",
		    "CREATE TABLE hl (id INT PRIMARY KEY, b BLOB UNIQUE, DB_ROW_HASH_9 BIGINT)",
		    "INSERT INTO hl VALUES (1,'a',3)", "UPDATE hl SET DB_ROW_HASH_9=4",
		    "ALTER TABLE hl ADD z INT", "INSERT INTO hl VALUES (2,'b',5,6)",
		    "ALTER TABLE hi MODIFY DB_ROW_HASH_2 INT NOT NULL",
		    "INSERT INTO hi VALUES (3,3,3)" } },
		{ "and are gone",
		  { "CREATE TABLE gi (id INT PRIMARY KEY, DB_ROW_HASH_1 INT, DB_ROW_HASH_2 INT)",
		    "INSERT INTO gi VALUES (1,2,3)", "DROP TABLE gi" } },
	};

	(void)unused;
	ALL_ARE_LIKE_THE_PRIMARY(stories, "");
}

static void a_ddl_means_what_its_session_makes_of_it(void **unused)
{
	static const struct story stories[] = {
		{ "rows for all",
		  { "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9), v INT, w DATETIME)",
		    "INSERT INTO t VALUES (1,'x','y',-1,'2020-01-01 12:00:00'),(2,'xx','yy',2,'2020-06-01 00:00:00')" } },
		{ "time zone",
		  { "CREATE TABLE z LIKE t", "INSERT INTO z SELECT * FROM t",
		    "SET time_zone='+05:00'", "ALTER TABLE z MODIFY w TIMESTAMP NULL",
		    "ALTER TABLE z ADD COLUMN ts TIMESTAMP DEFAULT '2024-01-01 12:00:00'",
		    "SET time_zone='SYSTEM'",
		    "ALTER TABLE z ADD COLUMN ts2 TIMESTAMP DEFAULT '2024-01-01 12:00:00'" } },
		{ "the instant",
		  { "CREATE TABLE n LIKE t", "INSERT INTO n SELECT * FROM t",
		    "ALTER TABLE n ADD COLUMN c DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6)",
		    "SET timestamp=1000000000.5",
		    "ALTER TABLE n ADD COLUMN d TIMESTAMP(3) DEFAULT NOW(3), ADD e DATE DEFAULT CURDATE()",
		    "ALTER TABLE n ADD COLUMN f DATETIME DEFAULT CURRENT_TIMESTAMP" } },
		{ "PIPES_AS_CONCAT",
		  { "SET sql_mode='PIPES_AS_CONCAT'",
		    "CREATE TABLE g (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9), c VARCHAR(20) AS (a||b) STORED)",
		    "INSERT INTO g (id,a,b) VALUES (1,'x','y')",
		    "CREATE VIEW gv AS SELECT a||b FROM g" } },
		{ "ANSI_QUOTES",
		  { "SET sql_mode='ANSI_QUOTES'",
		    "CREATE TABLE \"q\" (\"id\" INT PRIMARY KEY, v VARCHAR(9) DEFAULT 'a\"b')",
		    "INSERT INTO \"q\" VALUES (1,'x')",
		    "ALTER TABLE \"q\" ADD COLUMN \"two words\" INT",
		    "CREATE TABLE q2 (id INT PRIMARY KEY)", "DROP TABLE q2", "TRUNCATE TABLE \"q\"",
		    "CREATE VIEW \"qv\" AS SELECT \"id\" FROM \"q\"" } },
		{ "ORACLE",
		  { "SET sql_mode='ORACLE'", "CREATE TABLE o1 (id INT PRIMARY KEY, v VARCHAR2(10))",
		    "INSERT INTO o1 VALUES (1,'a')" } },
		{ "ANSI",
		  { "SET sql_mode='ANSI'", "CREATE TABLE \"an\" (id INT PRIMARY KEY, r REAL)",
		    "ALTER TABLE an ADD COLUMN x INT" } },
		{ "NO_BACKSLASH_ESCAPES",
		  { "SET sql_mode='NO_BACKSLASH_ESCAPES'",
		    "CREATE TABLE nb (id INT PRIMARY KEY, v VARCHAR(9) DEFAULT 'a\\', w VARCHAR(9) DEFAULT 'b')",
		    "INSERT INTO nb (id) VALUES (1)", "ALTER TABLE nb COMMENT 'c:\\'" } },
		{ "REAL_AS_FLOAT, EMPTY_STRING_IS_NULL, IGNORE_BAD_TABLE_OPTIONS",
		  { "SET sql_mode='REAL_AS_FLOAT,EMPTY_STRING_IS_NULL,IGNORE_BAD_TABLE_OPTIONS'",
		    "CREATE TABLE re (id INT PRIMARY KEY, r REAL, g VARCHAR(9) AS (IFNULL('','n')) STORED) nonsense=1",
		    "INSERT INTO re (id,r) VALUES (1,0.1)" } },
		{ "flags",
		  { "SET explicit_defaults_for_timestamp=0",
		    "CREATE TABLE ed (id INT PRIMARY KEY, a TIMESTAMP, b TIMESTAMP)",
		    "SET check_constraint_checks=0", "ALTER TABLE t ADD CONSTRAINT c CHECK (v > 0)",
		    "INSERT INTO t VALUES (3,'','',-5,NULL)", "SET foreign_key_checks=0",
		    "CREATE TABLE fk (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES later (id))",
		    "INSERT INTO fk VALUES (1,7)", "CREATE TABLE later (id INT PRIMARY KEY)",
		    "SET innodb_strict_mode=OFF",
		    "CREATE TABLE k (id INT PRIMARY KEY) KEY_BLOCK_SIZE=7" } },
		{ "steps of counters",
		  { "SET auto_increment_increment=10, auto_increment_offset=3",
		    "INSERT INTO t VALUES (4,'','',5,NULL)",
		    "CREATE TABLE ai2 (u INT NOT NULL UNIQUE)",
		    "INSERT INTO ai2 VALUES (1),(2),(3)",
		    "ALTER TABLE ai2 ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST",
		    "INSERT INTO ai2 (u) VALUES (4)" } },
		{ "character sets",
		  { "SET collation_server=latin1_swedish_ci", "CREATE DATABASE e",
		    "SET collation_connection=utf8mb4_bin", "CREATE VIEW v AS SELECT 'a'='A' AS x",
		    "SET NAMES latin1", "CREATE TABLE e.x (id INT PRIMARY KEY, v VARCHAR(10))",
		    "CREATE VIEW v2 AS SELECT v COLLATE latin1_german1_ci FROM e.x",
		    "DROP VIEW v2" } },
		{ "engine",
		  { "SET default_storage_engine=Aria", "CREATE TABLE ar (id INT PRIMARY KEY)",
		    "INSERT INTO ar VALUES (1)",
		    "CREATE TABLE in_ (id INT PRIMARY KEY) ENGINE=InnoDB",
		    "SET default_storage_engine=MyISAM", "CREATE TABLE my (id INT PRIMARY KEY)",
		    "CREATE TABLE like_ LIKE in_" } },
		{ "a database that is gone",
		  { "CREATE DATABASE gone", "USE gone", "CREATE TABLE d.g1 (id INT PRIMARY KEY)",
		    "DROP DATABASE gone", "CREATE TABLE d.g2 (id INT PRIMARY KEY)" } },
		{ "month names",
		  { "SET lc_time_names='de_DE'",
		    "CREATE VIEW mn AS SELECT MONTHNAME('2024-03-01') AS m", "DROP DATABASE e" } },
	};

	(void)unused;
	ALL_ARE_LIKE_THE_PRIMARY(stories, "");
}

static void names_belong_to_the_database_of_the_session(void **unused)
{
	static const struct story stories[] = {
		{ "two of each",
		  { "CREATE DATABASE a", "CREATE DATABASE b",
		    "CREATE TABLE a.y (id INT PRIMARY KEY, v INT)",
		    "CREATE TABLE b.y (id INT PRIMARY KEY)",
		    "CREATE TABLE a.x (id INT PRIMARY KEY)", "INSERT INTO a.x VALUES (1)",
		    "CREATE TABLE b.x (id INT PRIMARY KEY)", "INSERT INTO b.x VALUES (2)",
		    "CREATE TABLE b.pt (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100), "
		    "PARTITION p1 VALUES LESS THAN MAXVALUE)" } },
		{ "EXCHANGE", { "USE a", "ALTER TABLE b.pt EXCHANGE PARTITION p0 WITH TABLE x" } },
		{ "LIKE, a view",
		  { "USE a", "CREATE TABLE b.l LIKE y", "CREATE VIEW b.v AS SELECT * FROM y" } },
		{ "RENAME",
		  { "USE a", "RENAME TABLE y TO b.z", "ALTER TABLE x RENAME b.x9",
		    "RENAME TABLE b.x TO x, b.z TO z" } },
		{ "DROP",
		  { "USE a", "CREATE TABLE b.t (id INT PRIMARY KEY)",
		    "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE b.u (id INT PRIMARY KEY)",
		    "DROP TABLE b.u, t", "INSERT INTO b.t VALUES (1)" } },
		{ "a foreign key",
		  { "USE a", "CREATE TABLE fp (id INT PRIMARY KEY)",
		    "CREATE TABLE b.fc (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES a.fp (id))",
		    "CREATE INDEX i ON b.fc (p, id)" } },
		{ "the end",
		  { "DROP VIEW b.v", "DROP TABLE b.fc", "DROP DATABASE a", "DROP DATABASE b" } },
	};

	(void)unused;
	ALL_ARE_LIKE_THE_PRIMARY(stories, "");
}

static bool is_left_out(const struct feed_status *st, const char *name, const char *reason)
{
	for (unsigned i = 0; i < st->n_left_out; i++)
		if (!strcmp(st->left_out[i].name, name)) {
			if (!strstr(st->left_out[i].reason, reason))
				fail_msg("%s: %s", name, st->left_out[i].reason);
			return true;
		}
	return false;
}

static const struct {
	const char *name, *reason;
} left_out_of_these[] = {
	{ "d.nokey", "neither a primary key" },
	{ "d.prefix", "column prefix" },
	{ "d.sq", "sequence" },
	{ "d.versioned", "system versioning" },
	{ "d.later", "system versioning" },
	{ "d.selected", "CREATE TABLE .. SELECT" },
	{ "d.my_selected", "CREATE TABLE .. SELECT" },
	{ "d.uu", "uuid" },
	{ "d.pt", "point" },
	{ "d.packed", "COMPRESSED" },
	{ "d.period", "WITHOUT OVERLAPS" },
	{ "d.on_function", "1305" },
	{ "d.on_that", "1146" },
	{ "d.was_view", "1305" },
	{ "d.renamed", "neither a primary key" },
};
static const struct story not_carried[] = {
	{ "tables",
	  { "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE nokey (a INT)",
	    "INSERT INTO nokey VALUES (1),(1)", "INSERT INTO t VALUES (1)",
	    "CREATE TABLE prefix (a VARCHAR(300), PRIMARY KEY (a(10)))",
	    "INSERT INTO prefix VALUES ('x')", "CREATE TABLE dropped (a INT)",
	    "INSERT INTO dropped VALUES (1)", "CREATE TABLE old (a INT)",
	    "INSERT INTO old VALUES (1)", "RENAME TABLE old TO renamed" } },
	{ "a key that comes too late",
	  { "ALTER TABLE renamed ADD id INT AUTO_INCREMENT PRIMARY KEY",
	    "INSERT INTO renamed (a) VALUES (2)", "DROP TABLE dropped",
	    "CREATE TABLE dropped (a INT PRIMARY KEY)", "INSERT INTO dropped VALUES (7)" } },
	{ "sequences",
	  { "CREATE SEQUENCE sq", "CREATE TABLE dn (id INT PRIMARY KEY DEFAULT NEXTVAL(sq), v INT)",
	    "INSERT INTO dn (v) VALUES (1),(2)", "DO NEXTVAL(sq)",
	    "CREATE VIEW sv AS SELECT * FROM dn", "CREATE SEQUENCE s2", "RENAME TABLE s2 TO s3",
	    "ALTER SEQUENCE s3 INCREMENT BY 5", "DROP SEQUENCE s3" } },
	{ "versions",
	  { "CREATE TABLE versioned (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
	    "INSERT INTO versioned VALUES (1,1)", "UPDATE versioned SET v=2",
	    "CREATE TABLE later (id INT PRIMARY KEY, v INT)", "INSERT INTO later VALUES (1,1)",
	    "ALTER TABLE later ADD SYSTEM VERSIONING", "UPDATE later SET v=2" } },
	{ "SELECT",
	  { "CREATE TABLE selected (PRIMARY KEY (id)) SELECT * FROM t",
	    "CREATE TABLE my_selected (PRIMARY KEY (id)) ENGINE=MyISAM SELECT * FROM t",
	    "INSERT INTO selected VALUES (50)", "INSERT INTO t VALUES (2)" } },
	{ "types",
	  { "CREATE TABLE uu (id INT PRIMARY KEY, u UUID)", "INSERT INTO uu VALUES (1,UUID())",
	    "CREATE TABLE pt (id INT PRIMARY KEY, p POINT)", "INSERT INTO pt VALUES (1,POINT(1,2))",
	    "CREATE TABLE packed (id INT PRIMARY KEY, c VARCHAR(100) COMPRESSED)",
	    "INSERT INTO packed VALUES (1,'x')",
	    "CREATE TABLE period (id INT, s DATE, e DATE, PERIOD FOR p (s,e), PRIMARY KEY (id, p WITHOUT OVERLAPS))",
	    "INSERT INTO period VALUES (1,'2020-01-01','2020-12-31')",
	    "INSERT INTO t VALUES (3)" } },
	{ "views",
	  { "CREATE FUNCTION f (x INT) RETURNS INT DETERMINISTIC RETURN x+1",
	    "CREATE VIEW on_function AS SELECT f(id) FROM t",
	    "CREATE VIEW on_that AS SELECT * FROM on_function",
	    "CREATE VIEW was_view AS SELECT * FROM t",
	    "CREATE OR REPLACE VIEW was_view AS SELECT f(id) FROM t",
	    "CREATE VIEW gone AS SELECT f(1)", "DROP VIEW gone", "INSERT INTO t VALUES (4)" } },
};

static void what_cant_be_carried_is_left_out_and_told(void **unused)
{
	struct err e = ERR_INIT;
	struct feed_status st;

	(void)unused;
	fresh();
	SQL(p, "DROP DATABASE IF EXISTS x");
	tso_t start_ts = primary_ts();
	struct feed_opts o = options();
	o.start_ts = start_ts;
	struct feed *f = start(&o);
	keep_whole_log();
	tell_all(not_carried, sizeof(not_carried) / sizeof(not_carried[0]));
	caught_up(f);
	must(feed_get_status(f, &st, &e), &e);
	for (size_t i = 0; i < sizeof(left_out_of_these) / sizeof(left_out_of_these[0]); i++)
		if (!is_left_out(&st, left_out_of_these[i].name, left_out_of_these[i].reason))
			fail_msg("%s is not told to be left out", left_out_of_these[i].name);
	assert_int_equal(st.n_left_out, sizeof(left_out_of_these) / sizeof(left_out_of_these[0]));
	table_equal("d", "t");
	table_equal("d", "dropped");
	table_equal("d", "dn");
	table_equal("d", "sv");
	assert_int_equal(number(s, "SELECT COUNT(*) FROM d.selected"), 0);
	assert_int_equal(number(s, "SELECT COUNT(*) FROM d.renamed"), 0);
	assert_int_equal(
		number(s,
		       "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='d' AND TABLE_NAME IN ('was_view','on_function','gone')"),
		0);
	stop(f);
	replays_are_like_the_primary(
		start_ts,
		"d.nokey,d.prefix,d.versioned,d.later,d.selected,d.my_selected,d.uu,d.pt,d.packed,d.period,d.renamed,"
		"d.on_function,d.on_that,d.was_view");
}

/* It has missed changes: a key that it gets, a name that it gets, another life of the feed make up
 * for none. */
static void what_was_left_out_once_stays_out(void **unused)
{
	struct feed_status st;
	struct err e = ERR_INIT;

	(void)unused;
	fresh();
	struct feed_opts o = options();
	o.start_ts = primary_ts();
	struct feed *f = start(&o);
	SQL(p, "CREATE TABLE d.t (id INT PRIMARY KEY)");
	SQL(p, "CREATE TABLE d.old (a INT)");
	SQL(p, "INSERT INTO d.old VALUES (1)");
	SQL(p, "RENAME TABLE d.old TO d.renamed");
	SQL(p, "ALTER TABLE d.renamed ADD id INT AUTO_INCREMENT PRIMARY KEY");
	for (int life = 0; life < 3; life++) {
		SQL(p, "INSERT INTO d.renamed (a) VALUES (%d)", 10 + life);
		SQL(p, "INSERT INTO d.t VALUES (%d)", 10 + life);
		caught_up(f);
		must(feed_get_status(f, &st, &e), &e);
		assert_int_equal(st.n_left_out, 1);
		assert_true(is_left_out(&st, "d.renamed", "neither a primary key"));
		assert_int_equal(number(s, "SELECT COUNT(*) FROM d.renamed"), 0);
		table_equal("d", "t");
		kill_feed(f);
		feed_free(f);
		f = start(&o);
	}
	SQL(p, "TRUNCATE TABLE d.renamed"); /* now both are the same */
	SQL(p, "INSERT INTO d.renamed (a) VALUES (99)");
	caught_up(f);
	must(feed_get_status(f, &st, &e), &e);
	assert_int_equal(st.n_left_out, 0);
	all_equal();
	stop(f);
}

static void what_would_make_the_secondary_wrong_ends_the_feed(void **unused)
{
	static const struct {
		const char *sql[6], *part;
	} refused[] = {
		{ { "ALTER TABLE t DISCARD TABLESPACE" }, "TABLESPACE" },
		{ { "ALTER TABLE t ADD COLUMN c CHAR(36) DEFAULT UUID()" }, "UUID" },
		{ { "ALTER TABLE t ADD COLUMN a INT DEFAULT 1, ADD COLUMN c DOUBLE DEFAULT (1 + RAND(5))" },
		  "RAND" },
		{ { "ALTER TABLE t ADD COLUMN c VARCHAR(99) DEFAULT CURRENT_USER" },
		  "CURRENT_USER" },
		{ { "CREATE SEQUENCE sq",
		    "ALTER TABLE t ADD COLUMN c INT DEFAULT (NEXT VALUE FOR sq)" },
		  "VALUE" },
		{ { "ALTER TABLE t ADD COLUMN c INT DEFAULT (@@server_id)" }, "@" },
		{ { "XA START 'x'", "INSERT INTO t VALUES (5)", "XA END 'x'", "XA PREPARE 'x'",
		    "XA COMMIT 'x'" },
		  "XA" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;

		fresh();
		SQL(p, "CREATE TABLE d.t (id INT PRIMARY KEY)");
		SQL(s, "CREATE TABLE d.t (id INT PRIMARY KEY)");
		SQL(p, "INSERT INTO d.t VALUES (1)");
		SQL(s, "INSERT INTO d.t VALUES (1)");
		struct feed_opts o = options();
		o.start_ts = primary_ts();
		struct feed *f = start(&o);
		struct sql *c = test_server_connect(primary);
		add_rows(s, &before, "SHOW CREATE TABLE d.t");
		SQL(c, "USE d");
		tell(c, refused[i].sql);
		struct err e = feed_ends(f);
		if (!strstr(e.text, refused[i].part))
			fail_msg("%s: %s", refused[i].sql[0], e.text);
		add_rows(s, &after, "SHOW CREATE TABLE d.t");
		assert_string_equal(before.buf, after.buf);
		assert_int_equal(number(s, "SELECT COUNT(*) FROM d.t"), 1);
		sql_close(c);
		strbuf_release(&before);
		strbuf_release(&after);
	}
	fresh();
}

static void values_that_are_the_same_everywhere_are_carried(void **unused)
{
	static const struct story stories[] = {
		{ "defaults of new tables",
		  { "CREATE TABLE u (id INT PRIMARY KEY, c CHAR(36) DEFAULT UUID(), r DOUBLE DEFAULT RAND(), w VARCHAR(99) DEFAULT CURRENT_USER)",
		    "INSERT INTO u (id) VALUES (1),(2)" } },
		{ "ALTERs",
		  { "ALTER TABLE u ADD COLUMN rand INT DEFAULT 4 COMMENT 'UUID()', ADD COLUMN `uuid` INT",
		    "ALTER TABLE u ADD CONSTRAINT version CHECK (id < 9)",
		    "ALTER TABLE u ADD COLUMN m VARCHAR(9) DEFAULT (CONCAT('a','RAND()'))",
		    "ALTER TABLE u ALTER c DROP DEFAULT",
		    "ALTER TABLE u ADD COLUMN g INT AS (id + 1) STORED" } },
		{ "actions that no engine takes",
		  { "CREATE TABLE mc (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES u (id) ON DELETE CASCADE) ENGINE=MyISAM",
		    "ALTER TABLE mc ADD FOREIGN KEY (id) REFERENCES u (id) ON DELETE SET NULL",
		    "INSERT INTO mc VALUES (1,1)" } },
		{ "NO_BACKSLASH_ESCAPES",
		  { "SET sql_mode='NO_BACKSLASH_ESCAPES'",
		    "ALTER TABLE u ADD COLUMN nb VARCHAR(9) DEFAULT 'a\\', ADD COLUMN nc VARCHAR(9) DEFAULT 'UUID()'" } },
	};

	(void)unused;
	ALL_ARE_LIKE_THE_PRIMARY(stories, "");
}

/* A single NULL where none may be is refused by the server itself. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_rolled_back_in_the_log_is_gone),
		cmocka_unit_test(a_ddl_runs_once_and_as_far_as_it_ran),
		cmocka_unit_test(unique_keys_that_no_index_holds),
		cmocka_unit_test(a_ddl_means_what_its_session_makes_of_it),
		cmocka_unit_test(names_belong_to_the_database_of_the_session),
		cmocka_unit_test(what_cant_be_carried_is_left_out_and_told),
		cmocka_unit_test(what_was_left_out_once_stays_out),
		cmocka_unit_test(what_would_make_the_secondary_wrong_ends_the_feed),
		cmocka_unit_test(values_that_are_the_same_everywhere_are_carried),
	};
	int code;

	if (feed_pair_main(argc, argv, &code))
		return code;
	return cmocka_run_group_tests(tests, feed_pair_setup, feed_pair_teardown);
}
