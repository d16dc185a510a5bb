/* The sink's workers: each applies the released rows of its tables, batch by batch. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "harness/base/failpoint.h"
#include "harness/base/xalloc.h"
#include "harness/feed/log_lines.h"
#include "harness/feed/sink_impl.h"
#include "harness/sql/ddl/ddl_once.h"
#include "harness/sql/keyless.h"
#include "harness/sql/literal.h"

/* how long to wait for a lost secondary, as TiCDC does */
#define RECONNECT_MS (30 * 60 * 1000)
#define CONNECT_MS 10000
#define CONFLICT_TRIES 10
#define LOST_TRIES 10
#define CHECK_ROWS 64 /* generated columns checked with one query */
#define CHECK_BYTES ((size_t)64 << 10)
#define BATCH_ROWS_MIN 32
#define NO_SUCH_TABLE 1146
#define INSERT_BYTES ((size_t)256 << 10) /* rows without a key in one statement */

static int worker_connect(struct sink_worker *w, struct deadline d, struct err *e)
{
	struct sql *s = feed_sink_connect(&w->sink->o.to, w->sink->o.owner, d, e);

	if (!s)
		return -1;
	if (feed_connection_end(s, &w->id, d, e) < 0 || feed_server_id(s, &w->id, e) < 0) {
		sql_close(s);
		return -1;
	}
	sql_patience(s, 0);
	pthread_mutex_lock(&w->sink->lock);
	w->socket = (int)mysql_get_socket(sql_handle(s));
	pthread_mutex_unlock(&w->sink->lock);
	sql_close(w->sql);
	w->sql = s;
	return 0;
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

/* Retries until the secondary is back, for at most RECONNECT_MS; *e is why the connection was lost,
 * then why it could not be opened again. */
static int worker_reconnect(struct sink_worker *w, struct err *e)
{
	struct deadline d = deadline_in_ms(RECONNECT_MS);

	feed_log("warn", "sink worker %u: %s: reconnecting", w->number, e->text);
	while (!sink_quits(w->sink)) {
		waits(w, "it does not respond: %s", e->text);
		if (worker_connect(w, deadline_min(d, deadline_in_ms(CONNECT_MS)), e) == 0) {
			feed_log("info", "sink worker %u: the secondary is back", w->number);
			return 0;
		}
		if (deadline_passed(d))
			return err_wrap(e, "secondary lost for %d s", RECONNECT_MS / 1000);
		if (e->kind == ERR_UNSUPPORTED) /* another instance has taken over */
			return -1;
		sleep_ms(200);
	}
	return err_wrap(e, "secondary lost");
}

/* Waits for a secondary that does not respond; the redo log continues meanwhile. */
static int worker_begin(struct sink_worker *w, struct err *e)
{
	while (!w->sql && worker_connect(w, deadline_in_ms(CONNECT_MS), e) < 0) {
		/* it responds with an error */
		if (e->kind == ERR_ENV || e->kind == ERR_UNSUPPORTED || sink_quits(w->sink))
			return err_wrap(e, "sink");
		waits(w, "it does not respond: %s", e->text);
		sleep_ms(200);
	}
	return 0;
}

static int execute_text(struct sink_worker *w, const struct strbuf *text, struct err *e)
{
	return text->len && sql_exec_text(w->sql, e, text->buf, text->len) < 0 ? -1 : 0;
}

/* Finds the row whose generated column has another value on the secondary, for the message. */
static int name_unlike_row(struct sink_worker *w, const struct feed_batch *b,
			   const struct feed_change *c, struct err *e)
{
	struct strbuf key = STRBUF_INIT, there = STRBUF_INIT, q = STRBUF_INIT;

	strbuf_addf(&q, "SELECT LEFT(CONCAT_WS(', ', %s), 100) FROM %s WHERE ", b->t->computed,
		    b->t->name);
	feed_add_unlike(&q, b->t, c);
	if (sql_value(w->sql, &there, e, "%s", q.buf) >= 0) {
		feed_change_text(b->t, c, &key);
		err_set(e, ERR_UNSUPPORTED, 0,
			"row %s: the secondary computes %s as %s, the primary has %.*s: the "
			"expression depends on the session that wrote the row (time_zone, "
			"div_precision_increment, ..): use one that does not, or make it a "
			"regular column",
			key.buf, b->t->computed, there.buf,
			(int)(c->it.check_bytes < 160 ? c->it.check_bytes : 160), c->check);
	}
	strbuf_release(&key);
	strbuf_release(&there);
	strbuf_release(&q);
	return -1;
}

/* Compares generated columns on the secondary with the log, before COMMIT: otherwise a wrong value
 * would stay until the next change of the row. */
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
			rc = name_unlike_row(w, b, c, e);
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

static int look_at_column(const struct feed_table *t, const char *name, const char *type,
			  signed char room, struct err *e)
{
	for (unsigned k = 0; k < t->n_fractions; k++)
		if (!strcasecmp(name, t->fractions[k]))
			t->room[k] = room;
	for (unsigned k = 0; k < t->n_columns; k++)
		if (!strcasecmp(name, t->columns[k].name) &&
		    !literal_fits(t->columns[k].type, t->columns[k].text, type))
			return literal_unfit(name, t->columns[k].type, t->columns[k].text, type, e);
	return 0;
}

/* Can the secondary's columns hold the log's values, and how many fractional digits do they keep?
 */
static int look_at_columns(struct sink_worker *w, const struct feed_table *t, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int got = -1, rc = 0;

	if (*t->looked)
		return 0;
	literal_columns_query(&q, t->db, t->table);
	if (t->n_fractions) /* a missing column is reported by the statement itself */
		memset(t->room, LITERAL_FRACTION_MAX, t->n_fractions);
	if (sql_query(w->sql, &r, e, "%s", q.buf) == 0)
		while (rc == 0 && (got = sql_rows_next(&r, e)) == 1)
			if (r.cell[0] && r.cell[1] && r.cell[2])
				rc = look_at_column(t, r.cell[0], r.cell[1],
						    (signed char)strtol(r.cell[2], NULL, 10), e);
	*t->looked = got == 0 && rc == 0;
	sql_rows_release(&r);
	strbuf_release(&q);
	return *t->looked ? 0 : -1;
}

/* The server truncates fractional digits without a warning. */
static int values_fit(struct sink_worker *w, const struct feed_batch *b, struct err *e)
{
	const struct feed_change *c;
	struct strbuf key = STRBUF_INIT;
	unsigned column;

	if (look_at_columns(w, b->t, e) < 0)
		return -1;
	c = feed_find_cut(b, &column);
	if (!c)
		return 0;
	feed_change_text(b->t, c, &key);
	err_set(e, ERR_BAD_DATA, 0,
		"row %s: the secondary stores a different value than the log has: column '%s' "
		"keeps only %d fractional digits: its column differs from the primary's",
		key.buf, b->t->fractions[column], b->t->room[column]);
	strbuf_release(&key);
	return -1;
}

static const char *written(const void *table, unsigned i, bool *text)
{
	const struct feed_table *t = table;

	if (i >= t->n_columns)
		return NULL;
	*text = t->columns[i].text;
	return t->columns[i].name;
}

static int note_kept(struct sink_worker *w, const struct feed_batch *b, struct err *e)
{
	bool enum_zero = false;

	for (unsigned i = 0; i < b->n; i++)
		enum_zero = enum_zero || b->changes[i].it.enum_zero;
	return b->put.len ? literal_kept(w->sql, enum_zero, written, b->t, e) : 0;
}

/* COMMIT is a statement of its own, as with TiCDC: if we die before it, the server rolls back, and
 * nothing is applied later. */
static int execute_once(struct sink_worker *w, const struct feed_batch *b, struct err *e)
{
	if (values_fit(w, b, e) < 0 || sql_exec(w->sql, e, "BEGIN") < 0 ||
	    execute_text(w, &b->raise, e) < 0 || execute_text(w, &b->del, e) < 0 ||
	    execute_text(w, &b->put, e) < 0 || note_kept(w, b, e) < 0 ||
	    check_computed(w, b, e) < 0)
		return -1;
	return sql_exec(w->sql, e, "COMMIT") < 0 ? -1 : 0;
}

/* ---- tables without a key (force_replicate) ---- */

static struct feed_item item_at(const struct strbuf *items, size_t at)
{
	struct feed_item it;

	memcpy(&it, items->buf + at, sizeof(it));
	return it;
}

/* Holds back the first rows of a commitTs whose other rows are next in the queue, until it has all
 * of them. */
static int keyless_hold(struct sink_worker *w, tso_t next, struct err *e)
{
	struct strbuf rest = STRBUF_INIT;
	const struct feed_table *table = NULL;
	tso_t last = 0;

	for (size_t at = 0; at < w->batch.len;) {
		struct feed_item it = item_at(&w->batch, at);

		last = it.commit_ts;
		at += feed_item_bytes(&it);
	}
	if (next != last) { /* it ends with an incomplete commitTs */
		strbuf_add(&w->held, w->batch.buf, w->batch.len);
		strbuf_release(&w->batch);
		w->batch = w->held;
		w->held = (struct strbuf)STRBUF_INIT;
		return 0;
	}
	for (size_t at = 0; at < w->batch.len;) {
		struct feed_item it = item_at(&w->batch, at);
		bool hold = it.keyless && it.commit_ts == last;

		strbuf_add(hold ? &w->held : &rest, w->batch.buf + at, feed_item_bytes(&it));
		at += feed_item_bytes(&it);
		table = hold ? w->tables[it.table] : table;
	}
	strbuf_release(&w->batch);
	w->batch = rest;
	if (w->held.len <= w->sink->o.keyless_bytes)
		return 0;
	return err_set(
		e, ERR_UNSUPPORTED, 0,
		"%s.%s has no key, and the transaction at commitTs %" PRIu64
		" has more than %zu MiB of rows of such tables, which a changefeed applies at once: `drtest redo apply --mode txn --force`"
		" brings the secondary to the end of the log; then begin with a new backup, or give the table a key",
		table->db, table->table, last, w->sink->o.keyless_bytes >> 20);
}

static void add_owner(const struct sink_worker *w, struct strbuf *q)
{
	char record[190];

	ddl_owner(record, "default", w->sink->o.owner);
	sql_add_text(q, record, strlen(record));
}

/* A replay of this changefeed's redo log has applied rows after our start that keyless_done does
 * not list: we would write them a second time. */
static int refuse_replayed(struct sink_worker *w, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct err why = ERR_INIT;
	uint64_t n = 0;
	int rc;

	strbuf_addstr(&q, "SELECT COUNT(*) FROM " BOOKKEEPING_DB_QUOTED
			  ".`replay_done` WHERE log_id = ");
	add_owner(w, &q);
	strbuf_addf(&q, " AND hi_commit > %" PRIu64, w->sink->o.start);
	rc = sql_value_u64(w->sql, &n, &why, "%s", q.buf);
	strbuf_release(&q);
	if (rc < 0 && why.code != NO_SUCH_TABLE) {
		if (e)
			*e = why;
		return -1;
	}
	return n ? err_set(e, ERR_UNSUPPORTED, 0,
			   "this changefeed's redo log was replayed into the secondary, so rows of "
			   "tables without a key would be written twice: start a new changefeed from "
			   "a new backup")
		 : 0;
}

/* Once in the life of a changefeed. */
static int keyless_make(struct sink_worker *w, struct err *e)
{
	struct feed_sink *s = w->sink;
	int rc = 0;

	pthread_mutex_lock(&s->keyless_lock);
	if (!s->keyless_ready &&
	    (bookkeeping_make(w->sql, e) < 0 || sql_exec(w->sql, e, "%s", KEYLESS_MAKE) < 0 ||
	     refuse_replayed(w, e) < 0))
		rc = -1;
	s->keyless_ready = rc == 0;
	pthread_mutex_unlock(&s->keyless_lock);
	return rc;
}

static void keyless_add_place(const struct sink_worker *w, const struct feed_table *t,
			      struct strbuf *q)
{
	add_owner(w, q);
	strbuf_addch(q, ',');
	sql_add_text(q, t->db, strlen(t->db));
	strbuf_addch(q, ',');
	sql_add_text(q, t->table, strlen(t->table));
}

static int keyless_done_to(struct sink_worker *w, const struct feed_table *t, uint64_t *ts,
			   struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "SELECT IFNULL(MAX(commit_ts), 0) FROM " KEYLESS_TABLE
			  " WHERE (owner, db, tbl) = (");
	keyless_add_place(w, t, &q);
	strbuf_addch(&q, ')');
	rc = sql_value_u64(w->sql, ts, e, "%s", q.buf);
	strbuf_release(&q);
	return rc < 0 ? -1 : 0;
}

static int keyless_record(struct sink_worker *w, const struct feed_table *t, tso_t ts,
			  struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "REPLACE INTO " KEYLESS_TABLE " VALUES (");
	keyless_add_place(w, t, &q);
	strbuf_addf(&q, ",%" PRIu64 ")", ts);
	rc = sql_exec_text(w->sql, e, q.buf, q.len) < 0 ? -1 : 0;
	strbuf_release(&q);
	return rc;
}

static int delete_one(struct sink_worker *w, const struct feed_table *t,
		      const struct feed_change *c, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int64_t gone;

	strbuf_addstr(&q, t->delete_head);
	strbuf_add(&q, c->key, c->it.key_bytes);
	strbuf_addstr(&q, " LIMIT 1");
	gone = sql_exec_text(w->sql, e, q.buf, q.len);
	strbuf_release(&q);
	if (gone == 0)
		return err_set(
			e, ERR_BAD_DATA, 0,
			"a row that the primary deleted is not there, and no key finds it: the secondary did not stand where the changefeed"
			" began: start again from a new backup");
	return gone < 0 ? -1 : 0;
}

/* Writes as many puts from changes[i] on as fit into one statement; returns their number, -1:
 * error. */
static int insert_some(struct sink_worker *w, const struct feed_batch *b, unsigned i, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	bool enum_zero = false;
	unsigned n = 0;
	int rc;

	for (; i + n < b->n && b->changes[i + n].it.put_bytes && q.len < INSERT_BYTES; n++) {
		const struct feed_change *c = &b->changes[i + n];

		strbuf_addstr(&q, n ? "," : b->t->replace_head);
		strbuf_add(&q, c->put, c->it.put_bytes);
		enum_zero = enum_zero || c->it.enum_zero;
	}
	rc = sql_exec_text(w->sql, e, q.buf, q.len) < 0 ||
			     literal_kept(w->sql, enum_zero, written, b->t, e) < 0
		     ? -1
		     : (int)n;
	strbuf_release(&q);
	return rc;
}

static int execute_rest(struct sink_worker *w, const struct feed_batch *b, tso_t done,
			struct err *e)
{
	unsigned i = 0;

	while (i < b->n && b->changes[i].it.commit_ts <= done)
		i++;
	while (i < b->n) {
		int took = 1;

		if (b->changes[i].it.put_bytes)
			took = insert_some(w, b, i, e);
		else if (delete_one(w, b->t, &b->changes[i], e) < 0)
			took = -1;
		if (took < 0)
			return -1;
		i += (unsigned)took;
	}
	return 0;
}

/* One database transaction: each change exactly once, in order. A record on the secondary, written
 * in the same transaction, has the last commitTs of the table that was applied completely. */
static int keyless_execute(struct sink_worker *w, const struct feed_batch *b, struct err *e)
{
	tso_t last = b->changes[b->n - 1].it.commit_ts, done = 0;

	if (values_fit(w, b, e) < 0 || keyless_make(w, e) < 0 || sql_exec(w->sql, e, "BEGIN") < 0 ||
	    keyless_done_to(w, b->t, &done, e) < 0)
		return -1;
	if (last > done &&
	    (execute_rest(w, b, done, e) < 0 || keyless_record(w, b->t, last, e) < 0))
		return -1;
	return sql_exec(w->sql, e, "COMMIT") < 0 ? -1 : 0;
}

/* Finds the row that the secondary refuses, if it is a single one. */
static int name_refused_row(struct sink_worker *w, struct feed_batch *b, struct err *e)
{
	struct strbuf key = STRBUF_INIT;
	struct err one = ERR_INIT;

	for (unsigned i = 0; e->kind == ERR_SQL && !b->t->keyless && i < b->n &&
			     one.kind == ERR_NONE && sql_exec(w->sql, NULL, "BEGIN") >= 0;
	     i++) {
		feed_batch_text(b, &b->changes[i], 1);
		if ((execute_text(w, &b->del, &one) < 0 || execute_text(w, &b->put, &one) < 0) &&
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

/* One database transaction: the newest state of keys of one table. It can be repeated, so a lost
 * response does not matter. */
static int execute_table(void *arg, struct feed_batch *b, struct err *e)
{
	struct sink_worker *w = arg;
	const struct feed_table *t = b->t;
	bool otherwise = false;

	waits(w, "%u rows of %s.%s", b->n, t->db, t->table);
	for (int conflicts = 0, lost = 0;
	     (t->keyless ? keyless_execute(w, b, e) : execute_once(w, b, e)) < 0;) {
		if (e->kind == ERR_GONE) {
			/* the secondary is available, but does not accept this statement */
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
		if (e->code == SQL_OUT_OF_RANGE && !otherwise) {
			otherwise = literal_subtract_otherwise(w->sql);
			if (otherwise)
				continue;
		}
		if (e->kind != ERR_CONFLICT || ++conflicts == CONFLICT_TRIES)
			return name_refused_row(w, b, e);
		feed_log("warn", "sink worker %u: %s.%s: %s: retrying", w->number, t->db, t->table,
			 e->text);
		sleep_ms(10 << (conflicts < 6 ? conflicts : 6));
	}
	waits(w, NULL);
	return 0;
}

/* Under the lock: are the released rows committed in part? */
static void set_torn(struct feed_sink *s, bool is)
{
	if (is != s->torn && s->o.busy)
		s->o.busy(s->o.busy_arg, is);
	s->torn = is;
}

/* Under the lock: takes a part of the queue as a batch, so that checkpointTs advances in steps; the
 * longer the queue, the larger the batch. */
static unsigned batch_rows(const struct sink_worker *w)
{
	uint64_t n = w->waiting / 4, max = w->sink->o.batch_rows;

	if (n < BATCH_ROWS_MIN)
		n = BATCH_ROWS_MIN;
	return (unsigned)(n < max ? n : max);
}

/* Under the lock: copies the tables that the batch refers to, since the list may grow and move
 * while we execute. */
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

void *feed_sink_worker_main(void *arg)
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
			next > s->progress.released || failpoint("feed.sink_stuck")))
			pthread_cond_wait(&s->work, &s->lock);
		if (s->quit || s->failed)
			break;
		int taken = feed_queue_take(&w->queue, &s->spool, s->progress.released,
					    batch_rows(w), BATCH_BYTES_MAX, &w->batch, &e);
		if (taken < 0)
			goto fail;
		w->waiting -= (uint64_t)taken;
		worker_tables(w);
		next = feed_queue_next_ts(&w->queue);
		pthread_mutex_unlock(&s->lock);
		int rc = s->o.keyless ? keyless_hold(w, next, &e) : 0;
		if (rc == 0)
			rc = worker_begin(w, &e);
		if (rc == 0)
			rc = feed_batch_statements(&w->batch, w->tables, execute_table, w, &e);
		pthread_mutex_lock(&s->lock);
		if (rc < 0)
			goto fail;
		watermarks_committed(&s->progress, w->number, feed_queue_next_ts(&w->queue));
		set_torn(s, !watermarks_drained(&s->progress));
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
