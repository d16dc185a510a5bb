#include "tests/integration/feed_load.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/redo/reader.h"

#define LEDGER_MAX 1000000

static struct {
	pthread_t thread;
	_Atomic int quit;
	bool running, ddl;
	struct sql *c;
	uint64_t seed, transactions;
	struct err e; /* the thread's own: it may not fail a test from where it is */
} load;

/* What DDLs have made of the tables so far. */
struct shape {
	bool x, column, index;
};

static int one_ddl(struct sql *c, struct rng *r, struct shape *s, uint64_t n)
{
	struct err *e = &load.e;
	int rc = 0;

	switch (rng_below(r, 7)) {
	case 0:
		rc = sql_exec(c, e,
			      s->column ? "ALTER TABLE d.c DROP COLUMN extra"
					: "ALTER TABLE d.c ADD COLUMN extra INT DEFAULT 7 FIRST");
		s->column = !s->column;
		break;
	case 1:
		rc = sql_exec(c, e, s->x ? "DROP TABLE d.x" : "CREATE TABLE d.x LIKE d.a");
		s->x = !s->x;
		break;
	case 2: /* run twice, it would be undone */
		rc = sql_exec(c, e, "RENAME TABLE d.a TO d.tmp, d.b TO d.a, d.tmp TO d.b");
		break;
	case 3: rc = sql_exec(c, e, "TRUNCATE TABLE d.c"); break;
	case 4:
		rc = sql_exec(c, e, s->index ? "DROP INDEX v ON d.a" : "CREATE INDEX v ON d.a (v)");
		s->index = !s->index;
		break;
	case 5:
		rc = sql_exec(c, e, "USE d");
		if (rc == 0)
			rc = sql_exec(c, e, "ALTER TABLE w COMMENT '%" PRIu64 "'", n);
		break;
	default: rc = sql_exec(c, e, "FLUSH TABLES"); break;
	}
	if (rc < 0 || !s->index)
		return rc;
	/* the index follows its table through the swap */
	if (rng_below(r, 2) == 0) {
		sql_exec(c, NULL, "DROP INDEX IF EXISTS v ON d.a");
		sql_exec(c, NULL, "DROP INDEX IF EXISTS v ON d.b");
		s->index = false;
	} else {
		sql_exec(c, NULL, "DROP INDEX IF EXISTS v ON d.b");
		sql_exec(c, NULL, "CREATE INDEX IF NOT EXISTS v ON d.a (v)");
	}
	return 0;
}

/* Statements that hit a key that is there fail, and are no less a part of the history. */
static int one_transaction(struct sql *c, struct rng *r, uint64_t n)
{
	static const char *const table[] = { "a", "b", "c" };

	if (sql_exec(c, &load.e, "BEGIN") < 0 ||
	    sql_exec(c, &load.e, "INSERT INTO d.ledger VALUES (%" PRIu64 ")", n + 1) < 0)
		return -1;
	for (uint64_t k = 1 + rng_below(r, 8); k--;) {
		const char *t = table[rng_below(r, 3)];
		unsigned id = (unsigned)rng_below(r, 200), u = (unsigned)rng_below(r, 400);

		switch (rng_below(r, 5)) {
		case 0:
			sql_exec(c, NULL,
				 "INSERT IGNORE INTO d.%s (id, u, v) VALUES (%u, %u, 'n%" PRIu64
				 "')",
				 t, id, u, n);
			break;
		case 1: sql_exec(c, NULL, "DELETE FROM d.%s WHERE id = %u", t, id); break;
		case 2:
			sql_exec(c, NULL,
				 "UPDATE IGNORE d.%s SET u = %u, v = 'u%" PRIu64 "' WHERE id = %u",
				 t, u, n, id);
			break;
		case 3:
			sql_exec(c, NULL, "UPDATE IGNORE d.%s SET id = %u WHERE id = %u", t,
				 u % 200, id);
			break;
		default:
			sql_exec(c, NULL, "REPLACE INTO d.w VALUES ('k%u', %u, NULL)", id, id % 5);
			break;
		}
	}
	return sql_exec(c, &load.e, rng_below(r, 20) ? "COMMIT" : "ROLLBACK");
}

static void *load_main(void *arg)
{
	struct sql *c = load.c;
	struct shape s = { 0 };
	struct rng r;
	uint64_t n = 0;
	int rc = 0;

	(void)arg;
	mysql_thread_init();
	rng_seed(&r, load.seed);
	while (!load.quit && rc == 0) {
		if (load.ddl && rng_below(&r, 60) == 0)
			rc = one_ddl(c, &r, &s, n);
		if (rc == 0)
			rc = one_transaction(c, &r, n);
		if (rc == 0)
			rc = sql_value_u64(c, &n, &load.e,
					   "SELECT COALESCE(MAX(n), 0) FROM d.ledger");
		if (n % 8 == 0)
			usleep(2000);
	}
	load.transactions = n;
	mysql_thread_end();
	return NULL;
}

void feed_load_tables(struct sql *primary, struct sql *secondary)
{
	struct err e = ERR_INIT;
	int rc = 0;

	for (int i = 0; i < 2 && rc == 0; i++) {
		struct sql *c = i ? secondary : primary;

		for (const char *t = "abc"; *t && rc == 0; t++)
			rc = sql_exec(
				c, &e,
				"CREATE TABLE d.%c (id INT PRIMARY KEY, u INT UNIQUE, v VARCHAR(30))",
				*t);
		if (rc == 0)
			rc = sql_exec(
				c, &e,
				"CREATE TABLE d.w (a VARCHAR(20), b INT, n INT, PRIMARY KEY (a, b))");
		if (rc == 0)
			rc = sql_exec(c, &e, "CREATE TABLE d.ledger (n BIGINT PRIMARY KEY)");
	}
	if (rc < 0)
		fail_msg("%s", e.text);
}

void feed_load_start(const struct test_server *primary, bool ddl, uint64_t seed)
{
	assert_false(load.running);
	load.quit = 0;
	load.c = test_server_connect(primary);
	load.ddl = ddl;
	load.seed = seed;
	load.e = (struct err)ERR_INIT;
	assert_int_equal(pthread_create(&load.thread, NULL, load_main, NULL), 0);
	load.running = true;
}

uint64_t feed_load_stop(void)
{
	load.quit = 1;
	pthread_join(load.thread, NULL);
	sql_close(load.c);
	load.running = false;
	if (load.e.text[0])
		fail_msg("the load: %s", load.e.text);
	return load.transactions;
}

bool feed_load_running(void)
{
	return load.running;
}

struct seen {
	unsigned char *n; /* by ledger number: it is in the log at or before resolvedTs */
	uint64_t max;
	uint64_t beyond; /* the first that the log holds after resolvedTs */
	tso_t resolved;
};

static int see_row(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct seen *seen = arg;
	uint64_t n;

	(void)offset;
	(void)e;
	if (ev->kind != REDO_ROW || ev->row.table.table.n != 6 ||
	    memcmp(ev->row.table.table.p, "ledger", 6))
		return 0;
	assert_true(ev->row.n_columns == 1);
	n = (uint64_t)ev->row.columns[0].value.i;
	assert_true(n < LEDGER_MAX);
	if (ev->row.commit_ts > seen->resolved) {
		if (n < seen->beyond)
			seen->beyond = n;
		return 0;
	}
	seen->n[n] = 1;
	if (n > seen->max)
		seen->max = n;
	return 0;
}

void feed_load_is_a_prefix(const char *uri, struct sql *secondary)
{
	struct err e = ERR_INIT;
	struct store *st = store_open(uri, NULL, &e);
	struct seen seen = { .n = xcalloc(LEDGER_MAX, 1), .beyond = UINT64_MAX };
	struct sql_rows r = { 0 };
	struct redo_meta meta;
	struct redo_files files;
	uint64_t applied;

	if (!st || redo_read_meta(st, &meta, &e) < 0 || redo_list_files(st, &files, &e) < 0)
		fail_msg("%s", e.text);
	seen.resolved = meta.resolved_ts;
	for (size_t i = 0; i < files.n; i++) {
		struct redo_parse_result res;

		if (redo_read_file(st, &files.f[i], see_row, &seen, &res, &e) < 0)
			fail_msg("%s", e.text);
	}
	/* One statement: what the killed feed had sent may land between two. */
	if (sql_query(secondary, &r, &e, "SELECT COALESCE(MAX(n), 0), COUNT(*) FROM d.ledger") <
		    0 ||
	    sql_rows_next(&r, &e) != 1)
		fail_msg("%s", e.text);
	applied = strtoull(r.cell[0], NULL, 10);
	/* one table has one worker: its own prefix */
	assert_int_equal(applied, strtoull(r.cell[1], NULL, 10));
	sql_rows_release(&r);
	if (applied >= seen.beyond)
		fail_msg("transaction %" PRIu64 " is in the secondary, %" PRIu64
			 " is after resolvedTs in the log",
			 applied, seen.beyond);
	for (uint64_t n = applied + 1; n <= seen.max; n++)
		if (!seen.n[n])
			fail_msg("transaction %" PRIu64 " of %" PRIu64
				 " is neither in the log up to resolvedTs nor in the secondary",
				 n, seen.max);
	redo_files_release(&files);
	store_free(st);
	free(seen.n);
}
