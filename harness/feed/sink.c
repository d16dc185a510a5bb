#include "harness/feed/sink.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "harness/base/failpoint.h"
#include "harness/base/xalloc.h"
#include "harness/feed/log_lines.h"
#include "harness/feed/queue.h"
#include "harness/feed/sink_sql.h"
#include "harness/sql/fence.h"
#include "harness/sql/schema.h"

/* a lost secondary is waited for this long, as TiCDC does */
#define RECONNECT_MS (30 * 60 * 1000)
#define CONNECT_MS 10000
#define FENCE_MS 30000
#define CONFLICT_TRIES 10
#define LOST_TRIES 10
#define NAME_BYTES_MAX 256 /* 64 characters */
#define CHECK_ROWS 64      /* of generated columns, in one question */
#define CHECK_BYTES ((size_t)64 << 10)
#define BATCH_ROWS_MIN 32
/* of one database transaction, unless a single row is larger */
#define BATCH_BYTES_MAX ((size_t)1 << 20)

struct sink_worker {
	struct feed_sink *sink;
	unsigned number;
	pthread_t thread;
	bool started;
	struct sql *sql; /* NULL: nothing was released yet */
	int socket;      /* its, to cut it off; -1: none */
	struct feed_server_id id;
	struct feed_queue queue;
	uint64_t waiting;           /* rows in the queue */
	struct strbuf batch;        /* what it executes now */
	struct feed_table **tables; /* its own copy of the sink's list, long enough for the batch */
	size_t tables_alloc;
};

struct feed_sink {
	struct feed_sink_opts o;
	pthread_mutex_t lock;
	pthread_cond_t work; /* something was released, or the end has come */
	pthread_cond_t done; /* a worker committed, or failed */
	struct feed_progress progress;
	struct feed_spool spool;
	struct sink_worker *workers;
	struct feed_table **tables;
	size_t n_tables, tables_alloc;
	/* those before it are as they were before the last DDL: rows that wait are of them */
	size_t first_table;
	unsigned next_worker;
	bool torn;
	bool quit;
	bool failed;
	struct err error;   /* the first worker's */
	struct strbuf text; /* scratch of push */
};

int feed_server_id(struct sql *s, struct feed_server_id *out, struct err *e)
{
	struct sql_rows r = { 0 };
	uint64_t now = 0;
	int rc = -1;

	/* TiDB has this in no table; two questions: a second between them is no other server */
	out->connection = sql_connection_id(s);
	if (sql_value_u64(s, &now, e, "SELECT UNIX_TIMESTAMP()") < 0 ||
	    sql_query(s, &r, e, "SHOW GLOBAL STATUS LIKE 'Uptime'") < 0)
		return -1;
	if (sql_rows_next(&r, e) == 1 && r.cell[1]) {
		out->server_start_s = (int64_t)now - strtoll(r.cell[1], NULL, 10);
		rc = 0;
	} else if (!e || !e->text[0]) {
		err_set(e, ERR_SQL, 0, "the server does not tell its Uptime");
	}
	sql_rows_release(&r);
	return rc;
}

int feed_connection_end(struct sql *control, const struct feed_server_id *old, struct deadline d,
			struct err *e)
{
	struct feed_server_id now;
	struct err ignored = ERR_INIT;

	if (!old->connection)
		return 0;
	if (feed_server_id(control, &now, e) < 0)
		return -1;
	if (llabs((long long)(now.server_start_s - old->server_start_s)) > 2)
		return 0; /* another server's life: what ran in the old one ended with it */
	for (;;) {
		uint64_t there = 0;

		/* not there: as we want it */
		sql_exec(control, &ignored, "KILL %" PRIu64, old->connection);
		if (sql_value_u64(
			    control, &there, e,
			    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %" PRIu64,
			    old->connection) < 0)
			return -1;
		if (!there)
			return 0;
		if (pause_ms(20, d) < 0)
			return err_set(e, ERR_TIMEOUT, 0,
				       "connection %" PRIu64 " to the secondary does not end",
				       old->connection);
	}
}

/* of this process as its changefeed; 0: it has not taken over yet */
static _Atomic uint64_t generation;

int feed_sink_take_over(struct sql *control, const char *owner, uint64_t *killed, struct err *e)
{
	uint64_t mine = generation;

	if (mine) { /* tried again, after the connection was lost */
		if (fence_check(control, owner, mine, e) < 0)
			return -1;
	} else if (fence_raise(control, owner, &mine, e) < 0) {
		return -1;
	}
	generation = mine;
	return fence_kill(control, owner, deadline_in_ms(FENCE_MS), killed, e);
}

struct sql *feed_sink_connect(const struct sql_endpoint *to, const char *owner, struct deadline d,
			      struct err *e)
{
	struct sql *s = sql_open(to, d, e);

	if (!s)
		return NULL;
	if (fence_register(s, owner, e) < 0 || /* before the first write */
	    /* behind it: who takes over now ends this connection */
	    (generation && fence_check(s, owner, generation, e) < 0) ||
	    sql_exec(
		    s, e,
		    "SET SESSION foreign_key_checks=0, time_zone='+00:00', sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'") <
		    0 ||
	    sql_exec(s, e, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") < 0)
		goto fail;
	/* rows were checked where they were written */
	if (sql_flavor(s) == SQL_MARIADB &&
	    sql_exec(s, e, "SET SESSION check_constraint_checks=0") < 0)
		goto fail;
	return s;
fail:
	sql_close(s);
	return NULL;
}

static int worker_connect(struct sink_worker *w, struct deadline d, struct err *e)
{
	struct sql *s = feed_sink_connect(&w->sink->o.to, w->sink->o.owner, d, e);

	if (!s)
		return -1;
	if (feed_connection_end(s, &w->id, d, e) < 0 || feed_server_id(s, &w->id, e) < 0) {
		sql_close(s);
		return -1;
	}
	pthread_mutex_lock(&w->sink->lock);
	w->socket = (int)mysql_get_socket(sql_handle(s));
	pthread_mutex_unlock(&w->sink->lock);
	sql_close(w->sql);
	w->sql = s;
	return 0;
}

/* A trigger's rows are in the primary's binary log too: fired here, it would write them twice. */
int feed_sink_refuse_triggers(struct sql *c, struct err *e)
{
	struct strbuf name = STRBUF_INIT;
	int rc = sql_value(
		c, &name, e,
		"SELECT CONCAT(TRIGGER_SCHEMA, '.', TRIGGER_NAME, ' on ', EVENT_OBJECT_SCHEMA, '.', EVENT_OBJECT_TABLE) FROM "
		"information_schema.TRIGGERS WHERE LOWER(TRIGGER_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
		" ORDER BY 1 LIMIT 1");

	if (rc == 0)
		err_set(e, ERR_UNSUPPORTED, 0,
			"the secondary has the trigger %s: it would write a second time what the log carries already: drop it there",
			name.buf);
	else if (e->kind == ERR_NOT_FOUND)
		*e = (struct err)ERR_INIT;
	strbuf_release(&name);
	return e->kind == ERR_NONE ? 0 : -1;
}

static bool sink_quits(struct feed_sink *s)
{
	bool quit;

	pthread_mutex_lock(&s->lock);
	quit = s->quit;
	pthread_mutex_unlock(&s->lock);
	return quit;
}

static void sleep_ms(int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void __attribute__((format(printf, 2, 3))) waits(struct sink_worker *w, const char *fmt, ...)
{
	char on[200];
	va_list ap;

	if (!w->sink->o.waits)
		return;
	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(on, sizeof(on), fmt, ap);
		va_end(ap);
	}
	w->sink->o.waits(w->sink->o.busy_arg, w->number, fmt ? on : NULL);
}

/* Tries again until the secondary is back, for RECONNECT_MS at most; *e holds why the connection
 * was lost, then why it stays so. */
static int worker_reconnect(struct sink_worker *w, struct err *e)
{
	struct deadline d = deadline_in_ms(RECONNECT_MS);

	feed_log("warn", "sink worker %u: %s: connecting again", w->number, e->text);
	while (!sink_quits(w->sink)) {
		waits(w, "it does not answer: %s", e->text);
		if (worker_connect(w, deadline_min(d, deadline_in_ms(CONNECT_MS)), e) == 0) {
			feed_log("info", "sink worker %u: the secondary is back", w->number);
			return 0;
		}
		if (deadline_passed(d))
			return err_wrap(e, "secondary lost for %d s", RECONNECT_MS / 1000);
		if (e->kind == ERR_UNSUPPORTED) /* somebody has taken over */
			return -1;
		sleep_ms(200);
	}
	return err_wrap(e, "secondary lost");
}

/* A secondary that does not answer is waited for: the log goes on meanwhile. */
static int worker_begin(struct sink_worker *w, struct err *e)
{
	while (!w->sql && worker_connect(w, deadline_in_ms(CONNECT_MS), e) < 0) {
		/* it answers, and says no */
		if (e->kind == ERR_ENV || e->kind == ERR_UNSUPPORTED || sink_quits(w->sink))
			return err_wrap(e, "sink");
		waits(w, "it does not answer: %s", e->text);
		sleep_ms(200);
	}
	return 0;
}

static int say(struct sink_worker *w, const struct strbuf *text, struct err *e)
{
	return text->len && sql_exec_text(w->sql, e, text->buf, text->len) < 0 ? -1 : 0;
}

/* Names the row whose generated column the secondary computed otherwise, and both values. */
static int told_apart(struct sink_worker *w, const struct feed_batch *b,
		      const struct feed_change *c, struct err *e)
{
	struct strbuf key = STRBUF_INIT, there = STRBUF_INIT, q = STRBUF_INIT;

	strbuf_addf(&q, "SELECT LEFT(CONCAT_WS(', ', %s), 100) FROM %s WHERE ", b->t->computed,
		    b->t->name);
	feed_add_unlike(&q, b->t, c);
	if (sql_value(w->sql, &there, e, "%s", q.buf) >= 0) {
		feed_change_text(b->t, c, &key);
		err_set(e, ERR_UNSUPPORTED, 0,
			"row %s: the secondary computes %s as %s, the primary has %.*s: the expression depends on the session that wrote the row "
			"(time_zone, div_precision_increment, ..): write one that does not, or make it a plain column",
			key.buf, b->t->computed, there.buf,
			(int)(c->it.check_bytes < 160 ? c->it.check_bytes : 160), c->check);
	}
	strbuf_release(&key);
	strbuf_release(&there);
	strbuf_release(&q);
	return -1;
}

/* What the secondary computes by itself is held against the log, before COMMIT: with the next
 * change of the row only it would be right again. */
static int check_computed(struct sink_worker *w, const struct feed_batch *b, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc = 0;

	for (unsigned i = 0, from = 0; b->t->computed && rc == 0 && i < b->n; i++) {
		const struct feed_change *c = &b->changes[i];
		uint64_t unlike = 0;

		if (c->it.check_bytes) {
			if (!q.len) {
				strbuf_addf(&q, "SELECT COUNT(*) FROM %s WHERE ", b->t->name);
				from = i;
			} else {
				strbuf_addstr(&q, " OR ");
			}
			feed_add_unlike(&q, b->t, c);
		}
		if (!q.len || (i + 1 < b->n && i - from < CHECK_ROWS && q.len < CHECK_BYTES))
			continue;
		rc = sql_value_u64(w->sql, &unlike, e, "%s", q.buf);
		strbuf_reset(&q);
		if (rc || !unlike)
			continue;
		if (from == i) {
			rc = told_apart(w, b, c, e);
		} else { /* once more, row by row */
			struct feed_batch one = *b;

			for (one.n = 1; rc == 0 && from <= i; from++) {
				one.changes = b->changes + from;
				rc = check_computed(w, &one, e);
			}
		}
	}
	strbuf_release(&q);
	return rc;
}

/* COMMIT by itself, as TiCDC sends it: what our death cuts off before it is rolled back, and does
 * not land behind our back. */
static int execute_once(struct sink_worker *w, const struct feed_batch *b, struct err *e)
{
	if (sql_exec(w->sql, e, "BEGIN") < 0 || say(w, &b->raise, e) < 0 ||
	    say(w, &b->del, e) < 0 || say(w, &b->put, e) < 0 || check_computed(w, b, e) < 0)
		return -1;
	return sql_exec(w->sql, e, "COMMIT") < 0 ? -1 : 0;
}

/* Names the row that the secondary refuses, where it is one alone. */
static int refused(struct sink_worker *w, struct feed_batch *b, struct err *e)
{
	struct strbuf key = STRBUF_INIT;
	struct err one = ERR_INIT;

	for (unsigned i = 0; e->kind == ERR_SQL && i < b->n && one.kind == ERR_NONE &&
			     sql_exec(w->sql, NULL, "BEGIN") >= 0;
	     i++) {
		feed_batch_text(b, &b->changes[i], 1);
		if ((say(w, &b->del, &one) < 0 || say(w, &b->put, &one) < 0) &&
		    one.kind == ERR_SQL) {
			feed_change_text(b->t, &b->changes[i], &key);
			*e = one;
			err_wrap(e, "row %s", key.buf);
		}
		sql_exec(w->sql, NULL, "ROLLBACK");
	}
	strbuf_release(&key);
	return err_wrap(e, "apply to %s.%s of the secondary", b->t->db, b->t->table);
}

/* One database transaction: what is newest of one table's keys. It can be repeated, so a lost
 * answer is no harm. */
static int execute_table(void *arg, struct feed_batch *b, struct err *e)
{
	struct sink_worker *w = arg;
	const struct feed_table *t = b->t;

	waits(w, "%u rows of %s.%s", b->n, t->db, t->table);
	for (int conflicts = 0, lost = 0; execute_once(w, b, e) < 0;) {
		if (e->kind == ERR_GONE) {
			/* it is not the secondary that is away: it is this that it does not take */
			if (++lost == LOST_TRIES)
				return err_wrap(
					e,
					"apply to %s.%s of the secondary: the connection was lost %d times without a commit",
					t->db, t->table, lost);
			if (worker_reconnect(w, e) < 0)
				return -1;
			continue;
		}
		sql_exec(w->sql, NULL, "ROLLBACK");
		if (e->code == SQL_DUPLICATE && sql_repeatable(w->sql))
			continue;
		if (e->kind != ERR_CONFLICT || ++conflicts == CONFLICT_TRIES)
			return refused(w, b, e);
		feed_log("warn", "sink worker %u: %s.%s: %s: again", w->number, t->db, t->table,
			 e->text);
		sleep_ms(10 << (conflicts < 6 ? conflicts : 6));
	}
	waits(w, NULL);
	return 0;
}

/* Under the lock: a part of what was released is committed and a part is not. */
static void torn(struct feed_sink *s, bool is)
{
	if (is != s->torn && s->o.busy)
		s->o.busy(s->o.busy_arg, is);
	s->torn = is;
}

/* Under the lock: a batch is a part of what waits, so that checkpointTs moves on in steps; the
 * larger the backlog, the larger the batch. */
static unsigned batch_rows(const struct sink_worker *w)
{
	uint64_t n = w->waiting / 4, max = w->sink->o.batch_rows;

	if (n < BATCH_ROWS_MIN)
		n = BATCH_ROWS_MIN;
	return (unsigned)(n < max ? n : max);
}

/* Under the lock: the tables that the batch's numbers mean, as they are now; the list may grow and
 * move while we execute. */
static void worker_tables(struct sink_worker *w)
{
	struct feed_sink *s = w->sink;

	if (s->n_tables > w->tables_alloc) {
		w->tables_alloc = s->tables_alloc;
		w->tables = xreallocarray(w->tables, w->tables_alloc, sizeof(*w->tables));
	}
	if (s->n_tables)
		memcpy(w->tables, s->tables, s->n_tables * sizeof(*w->tables));
}

static void *worker_main(void *arg)
{
	struct sink_worker *w = arg;
	struct feed_sink *s = w->sink;
	struct err e = ERR_INIT;

	mysql_thread_init();
	pthread_mutex_lock(&s->lock);
	for (;;) {
		tso_t next;

		while (!s->quit && !s->failed &&
		       ((next = feed_queue_next_ts(&w->queue)) == 0 ||
			next > s->progress.released || fault_point("feed.sink_stuck")))
			pthread_cond_wait(&s->work, &s->lock);
		if (s->quit || s->failed)
			break;
		int taken = feed_queue_take(&w->queue, &s->spool, s->progress.released,
					    batch_rows(w), BATCH_BYTES_MAX, &w->batch, &e);
		if (taken < 0)
			goto fail;
		w->waiting -= (uint64_t)taken;
		worker_tables(w);
		pthread_mutex_unlock(&s->lock);
		int rc = worker_begin(w, &e);
		if (rc == 0)
			rc = feed_batch_statements(&w->batch, w->tables, execute_table, w, &e);
		pthread_mutex_lock(&s->lock);
		if (rc < 0)
			goto fail;
		feed_progress_committed(&s->progress, w->number, feed_queue_next_ts(&w->queue));
		torn(s, !feed_progress_drained(&s->progress));
		pthread_cond_broadcast(&s->done);
		if (w->batch.alloc > 2 * BATCH_BYTES_MAX)
			strbuf_release(&w->batch);
		continue;
	fail:
		if (!s->failed)
			s->error = e;
		s->failed = true;
		pthread_cond_broadcast(&s->done);
		pthread_cond_broadcast(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
	mysql_thread_end();
	return NULL;
}

struct feed_sink *feed_sink_start(const struct feed_sink_opts *o, struct err *e)
{
	struct feed_sink *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t mono;

	s->o = *o;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&s->work, &mono);
	pthread_cond_init(&s->done, &mono);
	pthread_condattr_destroy(&mono);
	s->text = (struct strbuf)STRBUF_INIT;
	feed_progress_init(&s->progress, o->start, o->workers);
	feed_spool_init(&s->spool, o->tmp_dir, o->memory_bytes);
	s->workers = xcalloc(o->workers, sizeof(*s->workers));
	for (unsigned i = 0; i < o->workers; i++) {
		struct sink_worker *w = &s->workers[i];
		w->sink = s;
		w->number = i;
		w->batch = (struct strbuf)STRBUF_INIT;
		w->socket = -1;
		int rc = pthread_create(&w->thread, NULL, worker_main, w);
		if (rc) {
			err_set(e, ERR_IO, rc, "start a sink worker: %s", strerror(rc));
			goto fail;
		}
		w->started = true;
	}
	return s;
fail:
	feed_sink_free(s);
	return NULL;
}

void feed_sink_free(struct feed_sink *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	for (unsigned i = 0; i < s->o.workers; i++)
		/* a statement on a server that stands still would not end */
		if (s->workers[i].started && s->workers[i].socket >= 0)
			shutdown(s->workers[i].socket, SHUT_RDWR);
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->o.workers; i++) {
		struct sink_worker *w = &s->workers[i];
		if (w->started)
			pthread_join(w->thread, NULL);
		sql_close(w->sql);
		feed_queue_release(&w->queue, &s->spool);
		if (w->sink)
			strbuf_release(&w->batch);
		free(w->tables);
	}
	free(s->workers);
	feed_spool_release(&s->spool);
	for (size_t i = 0; i < s->n_tables; i++) {
		feed_table_release(s->tables[i]);
		free(s->tables[i]);
	}
	free(s->tables);
	strbuf_release(&s->text);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->done);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The reader alone adds tables, so it may look without the lock. A new table goes to the next
 * worker in turn: few tables over few workers spread better so than by a hash. Another shape of a
 * known table stays with its worker. */
static int table_of(struct feed_sink *s, const struct redo_row *row, uint32_t *number,
		    struct err *e)
{
	const struct table_schema *schema = NULL;
	char db[NAME_BYTES_MAX + 1], table[NAME_BYTES_MAX + 1];
	struct feed_table *t;
	unsigned worker = s->next_worker % s->o.workers;
	bool known = false;

	for (size_t i = s->n_tables; i-- > 0;) {
		t = s->tables[i];
		if (i >= s->first_table && feed_table_fits(t, row)) {
			*number = (uint32_t)i;
			return 0;
		}
		if (strlen(t->table) == row->table.table.n &&
		    !memcmp(t->table, row->table.table.p, row->table.table.n) &&
		    strlen(t->db) == row->table.db.n &&
		    !memcmp(t->db, row->table.db.p, row->table.db.n)) {
			worker = t->worker;
			known = true;
		}
	}
	t = xcalloc(1, sizeof(*t));
	snprintf(db, sizeof(db), "%.*s", (int)row->table.db.n, row->table.db.p);
	snprintf(table, sizeof(table), "%.*s", (int)row->table.table.n, row->table.table.p);
	if (s->o.schema && !(schema = s->o.schema(s->o.schema_arg, db, table, 0, e))) {
		free(t);
		return -1;
	}
	if (feed_table_init(t, row, schema, e) < 0) {
		free(t);
		return -1;
	}
	t->worker = worker;
	if (!known)
		s->next_worker++;
	pthread_mutex_lock(&s->lock);
	if (s->n_tables == s->tables_alloc) {
		s->tables_alloc = s->tables_alloc ? s->tables_alloc * 2 : 64;
		s->tables = xreallocarray(s->tables, s->tables_alloc, sizeof(*s->tables));
	}
	*number = (uint32_t)s->n_tables;
	s->tables[s->n_tables++] = t;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* s->text is the item's. */
static int push_item(struct feed_sink *s, struct feed_item *it, struct err *e)
{
	const struct feed_table *t = s->tables[it->table];
	unsigned worker = t->worker;
	int rc = -1;

	if (s->text.len > UINT32_MAX / 4)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "a row of %s.%s is too large for one statement", t->db, t->table);
	pthread_mutex_lock(&s->lock);
	if (feed_progress_row(&s->progress, worker, it->commit_ts, e) == 0)
		rc = feed_queue_push(&s->workers[worker].queue, &s->spool, it, s->text.buf, e);
	s->workers[worker].waiting += rc == 0;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static bool same_table(const struct redo_row *a, const struct redo_row *b)
{
	return a->table.table.n == b->table.table.n && a->table.db.n == b->table.db.n &&
	       !memcmp(a->table.table.p, b->table.table.p, a->table.table.n) &&
	       !memcmp(a->table.db.p, b->table.db.p, a->table.db.n);
}

/* The key of one side of a row, alone in s->text. */
static void set_key(struct feed_sink *s, uint32_t table, const struct redo_column *c, uint32_t n)
{
	strbuf_reset(&s->text);
	feed_add_key(&s->text, s->tables[table], c, n);
}

/* The rows of one table: all deletes, the old keys of updates that change the key among them, and
 * only then what is put. */
static int push_group(struct feed_sink *s, const struct redo_row *rows, size_t n, struct err *e)
{
	struct strbuf after = STRBUF_INIT;
	uint32_t table;
	int rc = -1;

	for (size_t i = 0; i < n; i++) {
		const struct redo_row *r = &rows[i];

		if (!r->n_pre_columns)
			continue;
		if (table_of(s, r, &table, e) < 0)
			goto out;
		if (r->n_columns) {
			set_key(s, table, r->columns, r->n_columns);
			strbuf_reset(&after);
			strbuf_add(&after, s->text.buf, s->text.len);
		}
		set_key(s, table, r->pre_columns, r->n_pre_columns);
		if (r->n_columns && after.len == s->text.len &&
		    !memcmp(after.buf, s->text.buf, after.len))
			continue;
		struct feed_item it = { .commit_ts = r->commit_ts,
					.table = table,
					.key_bytes = (uint32_t)s->text.len };
		if (push_item(s, &it, e) < 0)
			goto out;
	}
	for (size_t i = 0; i < n; i++) {
		const struct redo_row *r = &rows[i];

		if (!r->n_columns)
			continue;
		if (table_of(s, r, &table, e) < 0)
			goto out;
		struct feed_item it = { .commit_ts = r->commit_ts, .table = table };
		strbuf_reset(&s->text);
		feed_add_item(&s->text, &it, s->tables[table], r->columns, r->n_columns);
		if (push_item(s, &it, e) < 0)
			goto out;
	}
	rc = 0;
out:
	strbuf_release(&after);
	if (s->text.alloc > 2 * BATCH_BYTES_MAX)
		strbuf_release(&s->text);
	return rc;
}

int feed_sink_push(struct feed_sink *s, const struct redo_row *rows, size_t n, struct err *e)
{
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && same_table(&rows[i], &rows[end]); end++)
			;
		if (push_group(s, rows + i, end - i, e) < 0)
			return -1;
	}
	return 0;
}

#define LOCKED(s, what)                         \
	do {                                    \
		pthread_mutex_lock(&s->lock);   \
		what;                           \
		pthread_mutex_unlock(&s->lock); \
	} while (0)

void feed_sink_announce(struct feed_sink *s, tso_t ts)
{
	LOCKED(s, feed_progress_announce(&s->progress, ts));
}

void feed_sink_flush_begin(struct feed_sink *s)
{
	LOCKED(s, feed_progress_flush_begin(&s->progress));
}

void feed_sink_flush_done(struct feed_sink *s)
{
	LOCKED(s, feed_progress_flush_done(&s->progress));
}

void feed_sink_release(struct feed_sink *s, tso_t resolved)
{
	LOCKED(s, feed_progress_release(&s->progress, resolved); pthread_cond_broadcast(&s->work));
}

struct feed_progress feed_sink_progress(struct feed_sink *s)
{
	struct feed_progress p;

	LOCKED(s, feed_progress_checkpoint(&s->progress); p = s->progress);
	return p;
}

size_t feed_sink_memory(struct feed_sink *s)
{
	size_t n;

	LOCKED(s, n = s->spool.memory_bytes);
	return n;
}

uint64_t feed_sink_spooled(struct feed_sink *s)
{
	uint64_t n;

	LOCKED(s, n = s->spool.file_bytes);
	return n;
}

void feed_sink_forget_tables(struct feed_sink *s)
{
	bool waits = false;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->o.workers; i++)
		waits = waits || s->progress.worker[i].oldest;
	for (size_t i = 0; !waits && i < s->n_tables; i++) {
		feed_table_release(s->tables[i]);
		free(s->tables[i]);
	}
	if (!waits)
		s->n_tables = 0;
	s->first_table = s->n_tables;
	pthread_mutex_unlock(&s->lock);
}

int feed_sink_failed(struct feed_sink *s, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->failed) {
		*e = s->error;
		rc = -1;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int feed_sink_drain(struct feed_sink *s, int wait_ms, struct err *e)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)wait_ms % 1000 * 1000000;
	until.tv_sec += wait_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&s->lock);
	while (!s->failed && !feed_progress_drained(&s->progress))
		if (pthread_cond_timedwait(&s->done, &s->lock, &until))
			break;
	if (s->failed) {
		*e = s->error;
		rc = -1;
	} else {
		rc = feed_progress_drained(&s->progress);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}
