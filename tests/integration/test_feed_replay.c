/* needs: MariaDB.
 * A changefeed that dies at a DDL, and the replay of its log onto its own secondary: whether it had
 * run the DDL, was waiting in it or had not come to it, the secondary ends as the primary. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/xalloc.h"
#include "harness/net/store.h"
#include "harness/replay/replay.h"
#include "tests/integration/feed_pair.h"

/* None of them is the same when it is done twice. */
static const struct {
	const char *setup[4], *ddl;
} stories[] = {
	{ { "CREATE TABLE d.x (a INT PRIMARY KEY)", "CREATE TABLE d.y (a INT PRIMARY KEY)",
	    "INSERT INTO d.x VALUES (1), (2)" },
	  "RENAME TABLE d.x TO d.t, d.y TO d.x, d.t TO d.y" },
	{ { "CREATE TABLE d.x (a INT PRIMARY KEY)", "INSERT INTO d.x VALUES (1)" },
	  "RENAME TABLE d.x TO d.y" },
	{ { "CREATE TABLE d.x (a INT PRIMARY KEY, p INT, q INT)",
	    "INSERT INTO d.x VALUES (1, 10, 20)" },
	  "ALTER TABLE d.x RENAME COLUMN p TO q, RENAME COLUMN q TO p" },
	{ { "CREATE TABLE d.x (a INT PRIMARY KEY, p INT, q INT)",
	    "INSERT INTO d.x VALUES (1, 10, 20)" },
	  "ALTER TABLE d.x CHANGE p q INT, CHANGE q p INT" },
	{ { "CREATE TABLE d.x (a INT PRIMARY KEY, v INT)", "INSERT INTO d.x VALUES (1, 10)" },
	  "ALTER TABLE d.x ADD UNIQUE (v), ADD CHECK (v > 0)" },
	{ { "CREATE TABLE d.x (a INT PRIMARY KEY) PARTITION BY HASH (a) PARTITIONS 2",
	    "INSERT INTO d.x VALUES (1), (2), (3)" },
	  "ALTER TABLE d.x ADD PARTITION PARTITIONS 1" },
	{ { "CREATE TABLE d.pt (a INT PRIMARY KEY) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (100))",
	    "CREATE TABLE d.x (a INT PRIMARY KEY)", "INSERT INTO d.x VALUES (1), (2)",
	    "INSERT INTO d.pt VALUES (50)" },
	  "ALTER TABLE d.pt EXCHANGE PARTITION p0 WITH TABLE d.x" },
};
#define STORIES (sizeof(stories) / sizeof(stories[0]))

struct replaying {
	enum replay_mode mode;
	struct err e;
	int rc;
};

static void *replay(void *arg)
{
	struct replaying *r = arg;
	char *redo = redo_dir(), *uri = xstrfmt("file://%s", redo);
	struct replay_opts o = { .sink = *test_server_endpoint(secondary),
				 .mode = r->mode,
				 .tmp_dir = dir };
	struct store *log = store_open(uri, NULL, &r->e);
	struct replay_stats st;

	r->rc = log ? replay_run(log, &o, &st, &r->e) : -1;
	store_free(log);
	free(uri);
	free(redo);
	return NULL;
}

static struct feed *up_to_the_ddl(size_t i)
{
	struct feed_opts o;
	struct feed *f;
	tso_t begin = fresh();

	o = options();
	o.start_ts = begin;
	f = start(&o);
	for (int k = 0; k < 4 && stories[i].setup[k]; k++)
		SQL(p, "%s", stories[i].setup[k]);
	caught_up(f);
	return f;
}

static void same_structure(void)
{
	static const char q[] =
		"SELECT CRC32(GROUP_CONCAT(TABLE_NAME, INDEX_NAME, COLUMN_NAME ORDER BY 1)) FROM information_schema.STATISTICS"
		" WHERE TABLE_SCHEMA = 'd'";
	static const char constraints[] =
		"SELECT COUNT(*) FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'd'";
	static const char partitions[] =
		"SELECT COUNT(*) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'd'";

	assert_int_equal(number(s, q), number(p, q));
	assert_int_equal(number(s, constraints), number(p, constraints));
	assert_int_equal(number(s, partitions), number(p, partitions));
}

static void a_ddl_that_ran_before_the_death_is_not_run_again(void **mode)
{
	for (size_t i = 0; i < STORIES; i++) {
		struct feed *f = up_to_the_ddl(i);
		struct replaying r = { .mode = *(enum replay_mode *)*mode, .e = ERR_INIT };
		char *text = xstrfmt(": %s", stories[i].ddl);

		SQL(p, "%s", stories[i].ddl);
		/* "DDL applied at ..: ..": checkpointTs stays there until the next flush */
		log_says(text);
		kill_feed(f);
		replay(&r);
		must(r.rc, &r.e);
		all_equal();
		same_structure();
		free(text);
	}
}

static void waiting(const char *like, bool want)
{
	struct deadline d = deadline_in_ms(STILL_MS);
	char *q = xstrfmt(
		"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%s%%' AND STATE LIKE 'Waiting for table metadata%%'",
		like);

	while ((number(s, q) > 0) != want)
		if (pause_ms(5, d) < 0)
			fail_msg("%s: never seen %s", like, want ? "waiting" : "gone");
	free(q);
}

/* A reader on the secondary holds the changefeed's statement; the changefeed dies, and its
 * statement is ended before the replay's. */
static void a_ddl_that_waited_at_the_death_is_run(void **mode)
{
	for (size_t i = 0; i < STORIES; i++) {
		struct feed *f = up_to_the_ddl(i);
		struct sql *reader = test_server_connect(secondary);
		struct replaying r = { .mode = *(enum replay_mode *)*mode, .e = ERR_INIT };
		uint64_t first, second;
		struct deadline d = deadline_in_ms(STILL_MS);
		char *who = xstrfmt(
			"SELECT IFNULL(MAX(ID), 0) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%.12s%%'",
			stories[i].ddl);
		pthread_t thread;

		SQL(reader, "START TRANSACTION");
		number(reader, "SELECT COUNT(*) FROM d.x");
		SQL(p, "%s", stories[i].ddl);
		waiting(stories[i].ddl, true);
		first = number(s, who);
		kill_feed(f);
		assert_int_equal(pthread_create(&thread, NULL, replay, &r), 0);
		/* the dead one's is gone, the replay's waits */
		while ((second = number(s, who)) == first || !second)
			if (pause_ms(5, d) < 0)
				fail_msg("the replay does not come to %s", stories[i].ddl);
		SQL(reader, "COMMIT");
		pthread_join(thread, NULL);
		must(r.rc, &r.e);
		all_equal();
		same_structure();
		sql_close(reader);
		free(who);
	}
}

int main(int argc, char **argv)
{
	static enum replay_mode merge = REPLAY_MERGE, txn = REPLAY_TXN;
	const struct CMUnitTest tests[] = {
		{ "a_ddl_that_ran_before_the_death_is_not_run_again_merge",
		  a_ddl_that_ran_before_the_death_is_not_run_again, NULL, NULL, &merge },
		{ "a_ddl_that_ran_before_the_death_is_not_run_again_txn",
		  a_ddl_that_ran_before_the_death_is_not_run_again, NULL, NULL, &txn },
		{ "a_ddl_that_waited_at_the_death_is_run_merge",
		  a_ddl_that_waited_at_the_death_is_run, NULL, NULL, &merge },
		{ "a_ddl_that_waited_at_the_death_is_run_txn",
		  a_ddl_that_waited_at_the_death_is_run, NULL, NULL, &txn },
	};
	int code;

	if (feed_pair_main(argc, argv, &code))
		return code;
	return cmocka_run_group_tests(tests, feed_pair_setup, feed_pair_teardown);
}
