/* Needs MariaDB: DDLs of a log and what is known of them: by the changefeed's own record, by nobody
 * (TiCDC's log), or by the server, which does not read every statement of TiDB. Also logs of a real
 * TiCDC with the rows of its real upstream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/sql/ddl/ddl_once.h"
#include "tests/integration/replay_fixture.h"

#define FIRST_MS 1763640000000 /* the fixture's logs begin here */

static struct strbuf warned = STRBUF_INIT, noted = STRBUF_INIT;

static void take(void *arg, const char *line)
{
	(void)arg;
	strbuf_addf(&warned, "%s\n", line);
}

static void note(void *arg, const char *line)
{
	(void)arg;
	strbuf_addf(&noted, "%s\n", line);
}

static int replay(struct store *log, enum replay_mode mode, struct replay_stats *st, struct err *e)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .mode = mode,
				 .workers = 2,
				 .tmp_dir = test_server_dir(fx.server),
				 .time_zone = "+00:00",
				 .warn = take,
				 .note = note };

	strbuf_reset(&warned);
	strbuf_reset(&noted);
	*e = (struct err)ERR_INIT;
	return replay_run(log, &o, st, e);
}

static void must_replay(struct store *log, enum replay_mode mode, struct replay_stats *st)
{
	struct err e;

	if (replay(log, mode, st, &e) < 0)
		fail_msg("%s", e.text);
}

static void expect(const char *query, const char *want)
{
	char *got = fx_value(query);

	assert_string_equal(got, want);
	free(got);
}

static void forget(void)
{
	fx_must("DROP DATABASE IF EXISTS r");
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	fx_must("CREATE DATABASE r");
	fx_must("USE r");
}

/* A log that stands at the DDL: checkpointTs is its commitTs, resolvedTs a little later. */
static void log_at_ddl(struct fx_log *l, const char *name, const char *table, unsigned type,
		       const char *query)
{
	struct err e = ERR_INIT;
	tso_t ts;

	fx_log_begin(l, name);
	fx_log_ddl(l, "r", table, type, query);
	ts = l->ts;
	fx_log_txn(l);
	fx_log_row(l, "r", "other", 0, 1, NULL, "behind it");
	fx_log_flush(l);
	assert_int_equal(
		redo_writer_meta(l->writer,
				 &(struct redo_meta){ .checkpoint_ts = ts, .resolved_ts = l->ts },
				 &e),
		0);
}

/* As the changefeed runs it: through the record that the replay reads. */
static void feed_runs(const struct fx_log *l, const char *feed, const char *query)
{
	struct ddl_statement d = { .at = { .commit_ts = tso_make(FIRST_MS + 1, 0) },
				   .query = query,
				   .query_bytes = strlen(query),
				   .use_db = "r",
				   .db = "r",
				   .table = "t" };
	enum ddl_outcome outcome;
	struct err e = ERR_INIT;
	char owner[190];

	(void)l;
	ddl_owner(owner, "default", feed);
	if (ddl_once_prepare(fx.conn, &e) < 0 ||
	    ddl_once_run(fx.conn, owner, &d, false, &outcome, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(outcome, DDL_RAN);
}

static const struct {
	const char *name, *query;
	unsigned type;
	const char *setup[3], *state, *once;
} twice[] = {
	{ "swap",
	  "RENAME TABLE x TO t, y TO x, t TO y",
	  47,
	  { "CREATE TABLE x (a INT)", "CREATE TABLE y (a INT)", "INSERT INTO x VALUES (1)" },
	  "SELECT COUNT(*) FROM r.y",
	  "1" },
	{ "rename",
	  "RENAME TABLE x TO y",
	  14,
	  { "CREATE TABLE x (a INT)" },
	  "SELECT COUNT(*) FROM r.y",
	  "0" },
	{ "columns",
	  "ALTER TABLE x RENAME COLUMN p TO q, RENAME COLUMN q TO p",
	  61,
	  { "CREATE TABLE x (p INT, q INT)", "INSERT INTO x VALUES (1, 2)" },
	  "SELECT p FROM r.x",
	  "2" },
	{ "index",
	  "ALTER TABLE x ADD INDEX (v)",
	  7,
	  { "CREATE TABLE x (v INT)" },
	  "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'r' AND TABLE_NAME = 'x'",
	  "1" },
	{ "check",
	  "ALTER TABLE x ADD CHECK (v > 0)",
	  43,
	  { "CREATE TABLE x (v INT)" },
	  "SELECT COUNT(*) FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'r' AND TABLE_NAME = 'x'",
	  "1" },
	{ "partition",
	  "ALTER TABLE x ADD PARTITION PARTITIONS 1",
	  19,
	  { "CREATE TABLE x (v INT) PARTITION BY HASH (v) PARTITIONS 2" },
	  "SELECT COUNT(*) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'r' AND TABLE_NAME = 'x'",
	  "3" },
	{ "exchange",
	  "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE x",
	  42,
	  { "CREATE TABLE p (v INT) PARTITION BY RANGE (v) (PARTITION p0 VALUES LESS THAN (10))",
	    "CREATE TABLE x (v INT)", "INSERT INTO x VALUES (1)" },
	  "SELECT COUNT(*) FROM r.p",
	  "1" },
};

static void set_up(size_t i)
{
	forget();
	fx_must("CREATE TABLE other (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	for (int k = 0; k < 3 && twice[i].setup[k]; k++)
		fx_must(twice[i].setup[k]);
}

static void a_ddl_that_the_changefeed_ran_is_not_run_again(void **mode)
{
	for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
		struct replay_stats st;
		struct fx_log l;

		/* it ran it */
		log_at_ddl(&l, twice[i].name, "t", twice[i].type, twice[i].query);
		set_up(i);
		feed_runs(&l, twice[i].name, twice[i].query);
		must_replay(l.store, *(enum replay_mode *)*mode, &st);
		expect(twice[i].state, twice[i].once);
		expect("SELECT v FROM r.other", "behind it");
		assert_int_equal(st.ddls, 0);
		assert_int_equal(warned.len, 0);
		/* it did not, also an EXCHANGE PARTITION; and the replay run again changes nothing
		 */
		set_up(i);
		for (int k = 0; k < 2; k++) {
			must_replay(l.store, *(enum replay_mode *)*mode, &st);
			expect(twice[i].state, twice[i].once);
			assert_int_equal(st.ddls, k == 0);
		}
		fx_log_free(&l);
	}
}

static void leave_intent(const char *feed, const char *query)
{
	struct ddl_statement d = { .at = { .commit_ts = tso_make(FIRST_MS + 1, 0) },
				   .query = query,
				   .query_bytes = strlen(query),
				   .use_db = "r",
				   .db = "r",
				   .table = "t" };
	char owner[190];

	ddl_owner(owner, "default", feed);
	fx_leave_intent(owner, &d, "r.x");
}

/* The changefeed died between its ALTER and the record of its end: the fingerprint tells. */
static void a_ddl_whose_end_was_not_recorded_is_told_by_what_it_changed(void **mode)
{
	for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++)
		for (int ran = 0; ran < 2; ran++) {
			struct replay_stats st;
			struct fx_log l;

			log_at_ddl(&l, twice[i].name, "t", twice[i].type, twice[i].query);
			set_up(i);
			leave_intent(twice[i].name, twice[i].query);
			if (ran)
				fx_must(twice[i].query);
			must_replay(l.store, *(enum replay_mode *)*mode, &st);
			expect(twice[i].state, twice[i].once);
			fx_log_free(&l);
		}
}

static void a_foreign_ddl_elsewhere_is_not_taken_for_the_intents(void **unused)
{
	static const char add[] = "ALTER TABLE x ADD INDEX (v)";
	struct ddl_statement d = { .at = { .commit_ts = tso_make(FIRST_MS + 1, 0) },
				   .query = add,
				   .query_bytes = sizeof(add) - 1,
				   .use_db = "r",
				   .db = "r",
				   .table = "x" };
	enum ddl_outcome outcome;
	struct ddl_progress p;
	struct err e = ERR_INIT;

	(void)unused;
	forget();
	fx_must("CREATE TABLE x (v INT)");
	fx_must("CREATE TABLE other (v INT)");
	leave_intent("o", add);
	fx_must("ALTER TABLE r.other ADD COLUMN w INT");
	fx_must("CREATE TABLE r.new_one (a INT)");
	fx_must("CREATE DATABASE IF NOT EXISTS stranger");
	fx_must("DROP DATABASE stranger");
	assert_int_equal(ddl_once_settle(fx.conn, "default/o", &p, &e), 0);
	assert_int_equal(p.done.commit_ts, 0);
	assert_int_equal(p.begun.commit_ts, d.at.commit_ts);
	assert_false(p.begun_changed);
	assert_int_equal(ddl_once_run(fx.conn, "default/o", &d, false, &outcome, &e), 0);
	assert_int_equal(outcome, DDL_RAN);
	assert_int_equal(ddl_once_run(fx.conn, "default/o", &d, false, &outcome, &e), 0);
	assert_int_equal(outcome, DDL_BEFORE);
}

/* RENAME TABLE over several tables, as TiCDC's log has it: a DDL each, of one commitTs. */
static const struct {
	const char *name;
	const char *table[4]; /* each holds its own name */
	struct {
		const char *from, *to;
		int64_t id;
	} part[4];            /* in the statement's order */
	const char *after[4]; /* a table there, and the one that it was */
} split[] = {
	{ "exchange",
	  { "orders", "fresh" },
	  { { "orders", "backup", 1 }, { "fresh", "orders", 2 } },
	  { "backup", "orders", "orders", "fresh" } },
	{ "chain",
	  { "a", "b", "c" },
	  { { "a", "d", 1 }, { "b", "a", 2 }, { "c", "b", 3 } },
	  { "d", "a", "b", "c" } },
	{ "swap",
	  { "a", "b" },
	  { { "a", "tmp", 1 }, { "b", "a", 2 }, { "tmp", "b", 1 } },
	  { "a", "b", "b", "a" } },
	{ "apart", { "a", "b" }, { { "a", "x", 1 }, { "b", "y", 2 } }, { "x", "a", "y", "b" } },
};

/* TiCDC's log has none. */
static void forget_sidecars(const struct fx_log *l)
{
	char *rm = xstrfmt("rm -f %s/*.sum", l->dir);

	assert_int_equal(system(rm), 0);
	free(rm);
}

static size_t parts_of(size_t i)
{
	size_t n = 0;

	while (n < 4 && split[i].part[n].from)
		n++;
	return n;
}

static void tables_of(size_t i)
{
	forget();
	fx_must("CREATE TABLE other (id BIGINT PRIMARY KEY, v VARCHAR(100))");
	for (int k = 0; k < 4 && split[i].table[k]; k++) {
		char *q = xstrfmt("CREATE TABLE `%s` AS SELECT '%s' AS was", split[i].table[k],
				  split[i].table[k]);

		fx_must(q);
		free(q);
	}
}

static void rename_one(size_t i, size_t k)
{
	char *q = xstrfmt("RENAME TABLE `r`.`%s` TO `r`.`%s`", split[i].part[k].from,
			  split[i].part[k].to);

	fx_must(q);
	free(q);
}

/* as logs before v8.5.5 have them, from v8.5.5 on, and those of the new architecture */
enum log_kind { UNNUMBERED, NUMBERED, ONE_RECORD };

/* The parts from `first` on around, as they come out of a map. at_checkpoint: TiCDC may have done
 * them. */
static void log_of_parts(struct fx_log *l, size_t i, size_t first, enum log_kind kind,
			 bool at_checkpoint)
{
	struct strbuf joined = STRBUF_INIT;
	struct err e = ERR_INIT;
	size_t n = parts_of(i);
	tso_t ts;

	fx_log_begin(l, split[i].name);
	fx_log_txn(l);
	ts = l->ts;
	for (size_t k = 0; k < n; k++) {
		size_t at = kind == ONE_RECORD ? k : (first + k) % n;
		char *q = xstrfmt("RENAME TABLE `r`.`%s` TO `r`.`%s`", split[i].part[at].from,
				  split[i].part[at].to);

		if (kind != ONE_RECORD)
			fx_log_ddl_part(l, "r", split[i].part[at].to, split[i].part[at].id,
					kind == NUMBERED ? at : 0, q);
		strbuf_addf(&joined, "%s%s", k ? ";" : "", q);
		free(q);
	}
	if (kind == ONE_RECORD)
		fx_log_ddl_part(l, "r", split[i].part[0].to, split[i].part[0].id, 1, joined.buf);
	strbuf_release(&joined);
	fx_log_txn(l);
	fx_log_row(l, "r", "other", 0, 1, NULL, "behind it");
	fx_log_flush(l);
	assert_int_equal(
		redo_writer_meta(l->writer,
				 &(struct redo_meta){ .checkpoint_ts = at_checkpoint ? ts : ts - 1,
						      .resolved_ts = l->ts },
				 &e),
		0);
}

static void each_is_in_its_place(size_t i)
{
	for (int k = 0; k < 4 && split[i].after[k]; k += 2) {
		char *q = xstrfmt("SELECT was FROM r.`%s`", split[i].after[k]);

		expect(q, split[i].after[k + 1]);
		free(q);
	}
	expect("SELECT v FROM r.other", "behind it");
}

static void a_statement_that_ticdc_split_is_done_whole_and_in_its_order(void **mode)
{
	for (size_t i = 0; i < sizeof(split) / sizeof(split[0]); i++)
		for (size_t first = 0; first < parts_of(i); first++)
			for (enum log_kind kind = UNNUMBERED; kind <= ONE_RECORD; kind++) {
				struct replay_stats st;
				struct fx_log l;

				log_of_parts(&l, i, first, kind, false);
				tables_of(i);
				for (int again = 0; again < 2; again++) {
					must_replay(l.store, *(enum replay_mode *)*mode, &st);
					each_is_in_its_place(i);
					assert_int_equal(st.ddls, again ? 0 : parts_of(i));
				}
				fx_log_free(&l);
			}
}

/* TiCDC died behind any of them, or passed one over that its own wrong order had made impossible.
 */
static void what_ticdc_did_of_a_split_statement_is_told_by_the_tables(void **mode)
{
	for (size_t i = 0; i < sizeof(split) / sizeof(split[0]); i++)
		for (size_t k = 0; k < 2 * (parts_of(i) + 1); k++) {
			size_t done = k / 2;
			struct replay_stats st;
			struct fx_log l;

			if (!strcmp(split[i].name, "swap") && done == parts_of(i))
				continue; /* ends as it began */
			log_of_parts(&l, i, 1, k % 2 ? ONE_RECORD : UNNUMBERED, true);
			forget_sidecars(&l);
			tables_of(i);
			for (size_t n = 0; n < done; n++)
				rename_one(i, n);
			must_replay(l.store, *(enum replay_mode *)*mode, &st);
			each_is_in_its_place(i);
			/* what ends as it began can't be told from what was not begun */
			assert_int_equal(!strcmp(split[i].name, "swap") && !done,
					 strstr(warned.buf, "cycle of renames") != NULL);
			assert_int_equal(st.ddls, parts_of(i) - done);
			assert_int_equal(st.ddls_skipped, done);
			fx_log_free(&l);
		}
}

/* "The table exists" is no answer to a rename whose source is there too. */
static void a_rename_onto_another_table_is_not_taken_for_done(void **mode)
{
	struct replay_stats st;
	struct fx_log l;
	struct err e;

	log_at_ddl(&l, "onto", "y", 14, "RENAME TABLE `r`.`x` TO `r`.`y`");
	forget();
	fx_must("CREATE TABLE x (a INT)");
	fx_must("CREATE TABLE y (b INT)");
	assert_int_equal(replay(l.store, *(enum replay_mode *)*mode, &st, &e), -1);
	assert_non_null(strstr(e.text, "already exists"));
	fx_log_free(&l);
}

/* TiCDC's log: no sidecars. What nothing tells stands in the result. */
static void what_nothing_tells_is_said_in_the_result(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
		struct replay_stats st;
		struct fx_log l;

		log_at_ddl(&l, twice[i].name, "t", twice[i].type, twice[i].query);
		forget_sidecars(&l);
		set_up(i);
		must_replay(l.store, REPLAY_MERGE, &st);
		if (twice[i].type == 42) {
			assert_non_null(strstr(warned.buf, "was skipped: it is at checkpointTs"));
		} else if (twice[i].type != 14) {
			expect(twice[i].state, twice[i].once);
			assert_non_null(strstr(warned.buf, "was run: it is at checkpointTs"));
		} else {
			assert_int_equal(warned.len, 0);
			/* a RENAME that had been done: its target is there, its source is gone */
			set_up(i);
			fx_must(twice[i].query);
			must_replay(l.store, REPLAY_MERGE, &st);
			assert_int_equal(st.ddls_skipped, 1);
		}
		fx_log_free(&l);
	}
}

static void words_of_tidb_do_not_stop_a_replay(void **mode)
{
	struct replay_stats st;
	struct fx_log l;

	forget();
	fx_log_begin(&l, "words");
	fx_log_ddl(
		&l, "r", "a", 3,
		"CREATE TABLE a (id BIGINT AUTO_RANDOM, v VARCHAR(100), PRIMARY KEY(id) CLUSTERED) AUTO_ID_CACHE 1");
	fx_log_txn(&l);
	fx_log_row(&l, "r", "a", 0, 1, NULL, "one");
	fx_log_ddl(&l, "r", "a", 86, "ALTER TABLE a SHARD_ROW_ID_BITS = 4");
	fx_log_ddl(
		&l, "r", "b", 3,
		"CREATE TABLE b (id BIGINT PRIMARY KEY NONCLUSTERED, v VARCHAR(100) DEFAULT 'CLUSTERED') PLACEMENT POLICY=p");
	fx_log_txn(&l);
	fx_log_row(&l, "r", "b", 0, 2, NULL, "two");
	fx_log_end(&l);
	must_replay(l.store, *(enum replay_mode *)*mode, &st);
	expect("SELECT CONCAT((SELECT v FROM r.a WHERE id = 1), (SELECT v FROM r.b WHERE id = 2))",
	       "onetwo");
	must_replay(l.store, *(enum replay_mode *)*mode, &st);
	fx_log_free(&l);
}

/* A server's defaults, and its clock, are not TiDB's. */
static void times_are_those_of_the_log(void **mode)
{
	struct replay_stats st;
	struct fx_log l;
	char *began;

	forget();
	fx_must("SET GLOBAL explicit_defaults_for_timestamp = 0");
	fx_must("SET GLOBAL default_storage_engine = 'MyISAM'");
	fx_log_begin(&l, "times");
	fx_log_ddl(&l, "r", "a", 3,
		   "CREATE TABLE a (id BIGINT PRIMARY KEY, v VARCHAR(100), t TIMESTAMP)");
	fx_log_txn(&l);
	fx_log_row(&l, "r", "a", 0, 1, NULL, "one");
	fx_log_ddl(&l, "r", "a", 5,
		   "ALTER TABLE a ADD COLUMN n DATETIME DEFAULT CURRENT_TIMESTAMP");
	fx_log_end(&l);
	must_replay(l.store, *(enum replay_mode *)*mode, &st);
	fx_must("SET GLOBAL explicit_defaults_for_timestamp = 1");
	fx_must("SET GLOBAL default_storage_engine = 'InnoDB'");
	began = xstrfmt("SELECT CONCAT_WS('|', t IS NULL, n = FROM_UNIXTIME(%lld)) FROM r.a",
			(long long)tso_ms(l.ts - 1) / 1000);
	expect(began, "1|1");
	free(began);
	expect("SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'r'", "InnoDB");
	assert_non_null(strstr(warned.buf, "it may differ by a second"));
	fx_log_free(&l);
}

static void what_cannot_run_is_refused_before_the_first_write(void **mode)
{
	static const char *const never[] = {
		"RECOVER TABLE a",
		"FLASHBACK TABLE a TO b",
		"CREATE TABLE v (id INT PRIMARY KEY, e NOSUCHTYPE(3))",
		"CREATE TABLE c (a VARCHAR(20) COLLATE utf8mb4_of_another_release PRIMARY KEY)",
		"ALTER TABLE made ADD COLUMN c VARCHAR(9) CHARACTER SET another",
		"CREATE DATABASE c COLLATE utf8mb4_of_another_release"
	};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		struct replay_stats st;
		struct fx_log l;
		struct err e;

		forget();
		fx_must("CREATE TABLE r.other (id BIGINT PRIMARY KEY, v VARCHAR(100))");
		fx_log_begin(&l, "never");
		fx_log_txn(&l);
		fx_log_row(&l, "r", "other", 0, 1, NULL, "before it");
		fx_log_ddl(&l, "r", "made", 3, "CREATE TABLE made (id INT)");
		fx_log_ddl(&l, "r", "a", 25, never[i]);
		fx_log_end(&l);
		assert_int_equal(replay(l.store, *(enum replay_mode *)*mode, &st, &e), -1);
		if (e.kind != ERR_UNSUPPORTED)
			fail_msg("%s: %s", never[i], e.text);
		assert_non_null(strstr(e.text, never[i]));
		assert_non_null(strstr(e.text, "nothing was written"));
		expect("SELECT COUNT(*) FROM r.other", "0");
		expect("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'r'",
		       "1");
		fx_log_free(&l);
	}
}

static void rows_that_a_log_lacks_are_said(void **mode)
{
	struct replay_stats st;
	struct store *log = fx_open("tests/fixtures/redo/hole/log");

	fx_must("DROP DATABASE IF EXISTS hole");
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	fx_source("tests/fixtures/redo/hole/initial.sql");
	must_replay(log, *(enum replay_mode *)*mode, &st);
	fx_compare("hole");
	assert_int_equal(st.warnings, 2);
	assert_non_null(strstr(
		warned.buf,
		"rows of hole.sale may be missing: for that table, the log is complete only up to 470765836451971091"));
	assert_non_null(strstr(warned.buf, "only up to 470765836570198018"));
	store_free(log);
}

static void the_real_upstreams_rows(void **unused)
{
	static const char *const cases[] = { "ddl", "dml", "keys" };

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int mode = REPLAY_MERGE; mode <= REPLAY_TXN; mode++) {
			char *name = xstrfmt("real-%s", cases[i]),
			     *dir = xstrfmt("tests/fixtures/redo/%s/log", name), *initial,
			     *drop = xstrfmt("DROP DATABASE IF EXISTS real_%s", cases[i]);
			struct store *log = fx_open(dir);
			struct replay_stats st;

			initial = xstrfmt("tests/fixtures/redo/%s/initial.sql", name);
			fx_must("DROP DATABASE IF EXISTS drtest_feed");
			fx_must(drop);
			fx_source(initial);
			must_replay(log, (enum replay_mode)mode, &st);
			fx_compare(name);
			store_free(log);
			free(name);
			free(dir);
			free(drop);
			free(initial);
		}
}

int main(void)
{
	static enum replay_mode merge = REPLAY_MERGE, txn = REPLAY_TXN;
#define BOTH(test)                                    \
	{ #test "_merge", test, NULL, NULL, &merge }, \
	{                                             \
#test "_txn", test, NULL, NULL, &txn  \
	}
	const struct CMUnitTest tests[] = {
		BOTH(a_ddl_that_the_changefeed_ran_is_not_run_again),
		BOTH(a_ddl_whose_end_was_not_recorded_is_told_by_what_it_changed),
		cmocka_unit_test(a_foreign_ddl_elsewhere_is_not_taken_for_the_intents),
		cmocka_unit_test(what_nothing_tells_is_said_in_the_result),
		BOTH(a_statement_that_ticdc_split_is_done_whole_and_in_its_order),
		BOTH(what_ticdc_did_of_a_split_statement_is_told_by_the_tables),
		BOTH(a_rename_onto_another_table_is_not_taken_for_done),
		BOTH(words_of_tidb_do_not_stop_a_replay),
		BOTH(times_are_those_of_the_log),
		BOTH(what_cannot_run_is_refused_before_the_first_write),
		BOTH(rows_that_a_log_lacks_are_said),
		cmocka_unit_test(the_real_upstreams_rows),
	};
	int rc;

	fx_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fx_end();
	strbuf_release(&warned);
	strbuf_release(&noted);
	return rc;
}
