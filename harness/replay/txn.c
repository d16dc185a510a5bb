#include "harness/replay/txn.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "harness/base/order.h"
#include "harness/base/xalloc.h"
#include "harness/sql/keyless.h"
#include "harness/replay/txn_batch.h"

#define WINDOW 64 /* batches in flight: one bit each */
#define TICK_MS 100
#define NO_SUCH_TABLE 1146
#define LATELY 12 /* batches after which their size is thought over */

struct seen { /* the last batch that touched a token */
	uint64_t token, seq;
	uint32_t slot;
	bool used;
};

struct txn {
	struct applier_opts o;
	struct commit_order *order;
	const struct txn_done *done;
	const char *log_id;
	struct commit_order_row row; /* the next one, if `have` */
	bool have, over;
	struct keyless_done {
		char *db, *table;
		tso_t ts;
	} * keyless;
	size_t n_keyless;
	char **opaque; /* "db.table" of tables that conflict as a whole, sorted */
	size_t n_opaque;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct worker *workers;
	unsigned n_workers, window;
	struct batch *slot[WINDOW];
	uint64_t deps[WINDOW];
	bool running[WINDOW];
	uint64_t seq;
	int barrier; /* the slot of a batch that conflicts with everything, or -1 */
	bool stop, failed;
	struct err err;
	struct txn_counts counts;

	struct seen *seen;
	size_t n_seen, seen_slots;
	size_t batch_rows; /* as many a batch, at present */
	unsigned lately, lately_waited;
};

struct worker {
	struct txn *t;
	struct sql *conn;
	pthread_t thread;
	bool started;
};

/* ---- workers ---- */

/* The oldest batch that nothing holds back; -1: none. */
static int oldest_ready(const struct txn *t)
{
	int best = -1;

	for (unsigned i = 0; i < t->window; i++)
		if (t->slot[i] && !t->running[i] && !t->deps[i] &&
		    (best < 0 || t->slot[i]->seq < t->slot[best]->seq))
			best = (int)i;
	return best;
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;
	struct txn *t = w->t;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		struct err e = ERR_INIT;
		struct batch *b;
		int i, rc;

		while ((i = oldest_ready(t)) < 0 && !t->stop)
			pthread_cond_wait(&t->changed, &t->lock);
		if (i < 0 || t->failed)
			break;
		b = t->slot[i];
		assert(b && !t->running[i] && !t->deps[i]);
		t->running[i] = true;
		pthread_mutex_unlock(&t->lock);
		rc = batch_apply(b, &w->conn, &t->o, t->log_id, &e);
		pthread_mutex_lock(&t->lock);
		if (rc < 0) {
			if (!t->failed)
				t->err = e;
			t->failed = t->stop = true;
		} else {
			assert(t->slot[i] == b && t->running[i]);
			assert(b->written >= b->n); /* more: a large one, in pieces */
			t->counts.transactions += b->txns;
			t->counts.rows += b->written;
			t->counts.batches++;
			t->slot[i] = NULL;
			t->running[i] = false;
			for (unsigned k = 0; k < t->window; k++)
				t->deps[k] &= ~((uint64_t)1 << i);
			if (t->barrier == i)
				t->barrier = -1;
			batch_free(b);
		}
		pthread_cond_broadcast(&t->changed);
	}
	pthread_mutex_unlock(&t->lock);
	mysql_thread_end();
	return NULL;
}

/* ---- who waits for whom ---- */

static struct seen *seen_at(struct txn *t, uint64_t token)
{
	size_t at = (size_t)(token >> 7) & (t->seen_slots - 1);

	while (t->seen[at].used && t->seen[at].token != token)
		at = (at + 1) & (t->seen_slots - 1);
	return &t->seen[at];
}

static bool in_flight(const struct txn *t, const struct seen *s)
{
	return s->used && t->slot[s->slot] && t->slot[s->slot]->seq == s->seq;
}

/* Room for n more tokens: what is over is dropped first. Called locked. */
static void seen_reserve(struct txn *t, size_t n)
{
	size_t old_slots = t->seen_slots, live = 0;
	struct seen *old = t->seen;

	if ((t->n_seen + n) * 2 <= t->seen_slots)
		return;
	for (size_t i = 0; i < old_slots; i++)
		live += in_flight(t, &old[i]);
	for (t->seen_slots = 1024; (live + n) * 4 > t->seen_slots;)
		t->seen_slots *= 2;
	t->seen = xcalloc(t->seen_slots, sizeof(*t->seen));
	t->n_seen = live;
	assert((live + n) * 2 <= t->seen_slots); /* a probe ends */
	for (size_t i = 0; i < old_slots; i++)
		if (in_flight(t, &old[i]))
			*seen_at(t, old[i].token) = old[i];
	free(old);
}

/* Batches grow while nearly all have to wait for another, and shrink while many do not. */
static void txn_wait_mode(struct txn *t, bool waits)
{
	t->lately_waited += waits;
	if (++t->lately < LATELY)
		return;
	if (t->lately_waited > LATELY * 9 / 10 && t->batch_rows < BATCH_ROWS_MAX)
		t->batch_rows *= 2;
	else if (t->lately_waited < LATELY * 2 / 3 && t->batch_rows > BATCH_ROWS_MIN)
		t->batch_rows /= 2;
	t->lately = t->lately_waited = 0;
}

/* Gives a batch to the workers; waits while the window is full. */
static int dispatch(struct txn *t, struct batch *b, struct err *e)
{
	uint64_t deps = 0;
	unsigned i = 0;
	int rc = -1;

	batch_settle(b);
	pthread_mutex_lock(&t->lock);
	for (;;) {
		for (i = 0; i < t->window && t->slot[i]; i++)
			;
		if (i < t->window || t->failed)
			break;
		pthread_cond_wait(&t->changed, &t->lock);
	}
	if (t->failed) {
		batch_free(b);
		goto out;
	}
	b->seq = ++t->seq;
	seen_reserve(t, b->n_tokens);
	for (size_t k = 0; k < b->n_tokens; k++) {
		struct seen *s = seen_at(t, b->tokens[k]);

		if (in_flight(t, s) && s->seq != b->seq)
			deps |= (uint64_t)1 << s->slot;
		t->n_seen += !s->used;
		*s = (struct seen){ b->tokens[k], b->seq, i, true };
	}
	for (unsigned k = 0; k < t->window; k++) {
		if (t->slot[k] && b->wild)
			deps |= (uint64_t)1 << k;
	}
	if (t->barrier >= 0)
		deps |= (uint64_t)1 << t->barrier;
	if (b->wild)
		t->barrier = (int)i;
	assert(i < t->window && !t->slot[i] && !(deps >> i & 1)); /* none waits for itself */
	for (unsigned k = 0; k < t->window; k++)
		/* only for what came before: no circle */
		assert(!(deps >> k & 1) || (t->slot[k] && t->slot[k]->seq < b->seq));
	t->slot[i] = b;
	t->deps[i] = deps;
	t->running[i] = false;
	txn_wait_mode(t, deps != 0);
	pthread_cond_broadcast(&t->changed);
	rc = 0;
out:
	pthread_mutex_unlock(&t->lock);
	if (rc < 0 && e)
		*e = t->err;
	return rc;
}

static int drain(struct txn *t, void (*tick)(void *arg), void *arg, struct err *e)
{
	bool busy = true, failed;

	while (busy) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_MS * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_mutex_lock(&t->lock);
		busy = false;
		for (unsigned i = 0; i < t->window; i++)
			busy = busy || t->slot[i];
		if (busy && !t->failed)
			pthread_cond_timedwait(&t->changed, &t->lock, &until);
		failed = t->failed;
		pthread_mutex_unlock(&t->lock);
		tick(arg);
		if (failed) {
			if (e)
				*e = t->err;
			return -1;
		}
	}
	return 0;
}

/* ---- rows to batches ---- */

/* A secondary may spell a name otherwise than the log: one table too many waits, and none too few.
 */
static int by_text_alike(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static void opaque_free(struct txn *t)
{
	for (size_t i = 0; i < t->n_opaque; i++)
		free(t->opaque[i]);
	free(t->opaque);
	t->opaque = NULL;
	t->n_opaque = 0;
}

static void opaque_drop(struct txn *t, const char *db, const char *table)
{
	char *name = xstrfmt("%s.%s", db, table);
	size_t kept = 0;

	for (size_t i = 0; i < t->n_opaque; i++)
		if (strcmp(t->opaque[i], name)) /* T is not t: that one stays */
			t->opaque[kept++] = t->opaque[i];
		else
			free(t->opaque[i]);
	t->n_opaque = kept;
	free(name);
}

/* " AND s.TABLE_SCHEMA = 'd' ..": the server opens that one table alone. */
static void add_table(struct strbuf *q, const char *alias, const char *db, const char *table)
{
	if (!db)
		return;
	strbuf_addf(q, " AND %s.TABLE_SCHEMA = ", alias);
	sql_add_text(q, db, strlen(db));
	strbuf_addf(q, " AND %s.TABLE_NAME = ", alias);
	sql_add_text(q, table, strlen(table));
}

int txn_look(struct txn *t, struct sql *control, const char *db, const char *table, struct err *e)
{
	struct sql_rows r = { 0 };
	struct strbuf q = STRBUF_INIT;
	int got = -1;

	if (db)
		opaque_drop(t, db, table);
	else
		opaque_free(t);
	strbuf_addstr(
		&q,
		"SELECT DISTINCT CONCAT(s.TABLE_SCHEMA, '.', s.TABLE_NAME) FROM information_schema.STATISTICS s"
		" LEFT JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = s.TABLE_SCHEMA AND c.TABLE_NAME = s.TABLE_NAME"
		" AND c.COLUMN_NAME = s.COLUMN_NAME");
	add_table(&q, "c", db, table);
	strbuf_addstr(
		&q,
		" WHERE s.NON_UNIQUE = 0 AND LOWER(s.TABLE_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
		" AND (s.SUB_PART IS NOT NULL OR s.COLUMN_NAME IS NULL OR c.EXTRA LIKE '%GENERATED%')");
	add_table(&q, "s", db, table);
	if (sql_query(control, &r, e, "%s", q.buf) == 0)
		while ((got = sql_rows_next(&r, e)) == 1) {
			t->opaque = xreallocarray(t->opaque, t->n_opaque + 1, sizeof(*t->opaque));
			t->opaque[t->n_opaque++] = xstrdup(r.cell[0]);
		}
	sql_rows_release(&r);
	strbuf_release(&q);
	if (t->n_opaque)
		qsort(t->opaque, t->n_opaque, sizeof(*t->opaque), by_text_alike);
	return got < 0 ? err_wrap(e, "read the secondary's unique keys") : 0;
}

static bool keyless_is_there(const struct txn *t, const struct commit_order_row *r)
{
	const struct row_layout *s = r->change.shape;

	for (size_t i = 0; s->keyless && i < t->n_keyless; i++)
		if (!strcmp(t->keyless[i].table, s->table) && !strcmp(t->keyless[i].db, s->db))
			return r->commit_ts <= t->keyless[i].ts;
	return false;
}

int txn_keyless(struct txn *t, struct sql *control, bool fresh, struct err *e)
{
	struct strbuf owner = STRBUF_INIT;
	struct sql_rows r = { 0 };
	struct err why = ERR_INIT;
	int got = -1;

	sql_add_text(&owner, t->log_id, strlen(t->log_id));
	if (fresh) {
		got = sql_exec(control, &why, "DELETE FROM " KEYLESS_TABLE " WHERE owner = %s",
			       owner.buf) < 0
			      ? -1
			      : 0;
	} else if (sql_query(control, &r, &why,
			     "SELECT db, tbl, commit_ts FROM " KEYLESS_TABLE " WHERE owner = %s",
			     owner.buf) == 0) {
		while ((got = sql_rows_next(&r, &why)) == 1) {
			t->keyless =
				xreallocarray(t->keyless, t->n_keyless + 1, sizeof(*t->keyless));
			t->keyless[t->n_keyless++] =
				(struct keyless_done){ xstrdup(r.cell[0]), xstrdup(r.cell[1]),
						       strtoull(r.cell[2], NULL, 10) };
		}
	}
	sql_rows_release(&r);
	strbuf_release(&owner);
	if (got < 0 && why.code == NO_SUCH_TABLE) /* no changefeed carried any */
		return 0;
	if (got < 0 && e)
		*e = why;
	return got < 0 ? err_wrap(e, "rows without a key that are there") : 0;
}

static void add_row(struct txn *t, struct batch *b, const struct commit_order_row *r)
{
	if (keyless_is_there(t, r))
		return;
	batch_add(b, r);
	if (t->n_opaque) {
		const struct row_layout *s = r->change.shape;
		char *name = xstrfmt("%s.%s", s->db, s->table);

		if (bsearch(&name, t->opaque, t->n_opaque, sizeof(*t->opaque), by_text_alike))
			batch_token(b, XXH3_64bits(name, strlen(name)));
		free(name);
	}
}

static int pull(struct txn *t, struct err *e)
{
	int got = t->over ? 0 : commit_order_next(t->order, &t->row, e);

	if (got < 0)
		return -1;
	t->have = got == 1;
	t->over = !t->have;
	return 0;
}

/* The rest of a transaction that is larger than memory should hold: alone, in pieces, in one
 * database transaction. */
static int apply_large(struct txn *t, struct batch *b, struct txn_point p, void (*tick)(void *arg),
		       void *arg, struct err *e)
{
	struct sql **conn = &t->workers[0].conn;
	int rc = -1;

	if (drain(t, tick, arg, e) < 0)
		goto out;
	batch_settle(b);
	if (batch_begin(conn, &t->o, e) < 0 || batch_rows(b, *conn, &t->o, e) < 0)
		goto out;
	while (t->have && t->row.commit_ts == p.commit_ts && t->row.start_ts == p.start_ts) {
		batch_empty(b);
		while (t->have && t->row.commit_ts == p.commit_ts &&
		       t->row.start_ts == p.start_ts && b->bytes < BATCH_BYTES_LARGE) {
			add_row(t, b, &t->row);
			if (pull(t, e) < 0)
				goto out;
		}
		batch_settle(b);
		if (batch_rows(b, *conn, &t->o, e) < 0)
			goto out;
		tick(arg);
	}
	assert(b->txns >= 1 &&
	       (!t->have || t->row.commit_ts != p.commit_ts || t->row.start_ts != p.start_ts));
	if (batch_commit(b, *conn, t->log_id, e) < 0)
		goto out;
	t->counts.transactions += b->txns;
	t->counts.rows += b->written;
	t->counts.batches++;
	rc = 0;
out:
	batch_free(b);
	return rc < 0 ? err_wrap(e, "a transaction at commitTs %llu",
				 (unsigned long long)p.commit_ts)
		      : 0;
}

int txn_apply(struct txn *t, tso_t upto, bool discard, void (*tick)(void *arg), void *arg,
	      struct err *e)
{
	struct batch *b = NULL;

	if (!t->have && !t->over && pull(t, e) < 0)
		return -1;
	while (t->have && t->row.commit_ts <= upto) {
		struct txn_point p = { t->row.commit_ts, t->row.start_ts };
		bool skip = discard || txn_done_has(t->done, p), large = false;

		if (skip && b) { /* a batch stands for a span without holes */
			if (dispatch(t, b, e) < 0)
				return -1;
			b = NULL;
		}
		if (!skip && !b)
			b = batch_new(p);
		while (t->have && t->row.commit_ts == p.commit_ts &&
		       t->row.start_ts == p.start_ts && !large) {
			if (!skip)
				add_row(t, b, &t->row);
			if (pull(t, e) < 0) {
				batch_free(b);
				return -1;
			}
			large = !skip && b->bytes > BATCH_BYTES_LARGE;
		}
		/* only whole transactions go on */
		assert(!t->have || t->row.commit_ts != p.commit_ts ||
		       t->row.start_ts != p.start_ts || large);
		if (skip) {
			t->counts.already += !discard;
			continue;
		}
		b->span.hi = p;
		b->txns++;
		tick(arg);
		if (clock_cancelled()) {
			batch_free(b);
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
		}
		if (large || b->n >= t->batch_rows || b->bytes >= BATCH_BYTES) {
			int rc = large ? apply_large(t, b, p, tick, arg, e) : dispatch(t, b, e);

			b = NULL;
			if (rc < 0)
				return -1;
		}
	}
	if (b && dispatch(t, b, e) < 0)
		return -1;
	return drain(t, tick, arg, e);
}

struct txn_counts txn_counts(const struct txn *t)
{
	struct txn *unconst = (struct txn *)t;
	struct txn_counts c;

	pthread_mutex_lock(&unconst->lock);
	c = t->counts;
	pthread_mutex_unlock(&unconst->lock);
	return c;
}

struct txn *txn_open(const struct applier_opts *o, const char *log_id, struct commit_order *order,
		     const struct txn_done *done, struct err *e)
{
	struct txn *t = xcalloc(1, sizeof(*t));
	sigset_t all, before;
	bool ok = true;

	t->o = *o;
	t->log_id = log_id;
	t->order = order;
	t->done = done;
	t->barrier = -1;
	t->batch_rows = BATCH_ROWS_MIN * 2;
	t->n_workers = o->workers;
	t->window = o->workers * 2 + 2 > WINDOW ? WINDOW : o->workers * 2 + 2;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	t->workers = xcalloc(t->n_workers, sizeof(*t->workers));
	for (unsigned i = 0; i < t->n_workers && ok; i++) {
		t->workers[i].t = t;
		t->workers[i].conn = applier_session(o, e);
		ok = t->workers[i].conn != NULL;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are for the main thread */
	for (unsigned i = 0; i < t->n_workers && ok; i++) {
		t->workers[i].started = pthread_create(&t->workers[i].thread, NULL, run_worker,
						       &t->workers[i]) == 0;
		ok = t->workers[i].started || err_set(e, ERR_IO, 0, "cannot start a thread") == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!ok) {
		txn_close(t);
		return NULL;
	}
	return t;
}

void txn_close(struct txn *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = t->failed = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < t->n_workers; i++) {
		if (t->workers[i].started)
			pthread_join(t->workers[i].thread, NULL);
		sql_close(t->workers[i].conn);
	}
	for (unsigned i = 0; i < WINDOW; i++)
		batch_free(t->slot[i]);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
	opaque_free(t);
	for (size_t i = 0; i < t->n_keyless; i++) {
		free(t->keyless[i].db);
		free(t->keyless[i].table);
	}
	free(t->keyless);
	free(t->workers);
	free(t->seen);
	free(t);
}
