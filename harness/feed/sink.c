#include "harness/feed/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "harness/base/xalloc.h"
#include "harness/feed/sink_impl.h"

#define NAME_BYTES_MAX 256 /* 64 characters */

struct feed_sink *feed_sink_start(const struct feed_sink_opts *o, struct err *e)
{
	struct feed_sink *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t mono;

	s->o = *o;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->keyless_lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&s->work, &mono);
	pthread_cond_init(&s->done, &mono);
	pthread_condattr_destroy(&mono);
	s->text = (struct strbuf)STRBUF_INIT;
	watermarks_init(&s->progress, o->start, o->workers);
	feed_spool_init(&s->spool, o->tmp_dir, o->memory_bytes);
	s->workers = xcalloc(o->workers, sizeof(*s->workers));
	for (unsigned i = 0; i < o->workers; i++) {
		struct sink_worker *w = &s->workers[i];
		w->sink = s;
		w->number = i;
		w->batch = (struct strbuf)STRBUF_INIT;
		w->socket = -1;
		int rc = pthread_create(&w->thread, NULL, feed_sink_worker_main, w);
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
			strbuf_release(&w->batch), strbuf_release(&w->held);
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
	pthread_mutex_destroy(&s->keyless_lock);
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

	for (size_t i = s->n_tables; i-- > 0 && !known;) {
		t = s->tables[i];
		if (strlen(t->table) != row->table.table.n ||
		    memcmp(t->table, row->table.table.p, row->table.table.n) ||
		    strlen(t->db) != row->table.db.n ||
		    memcmp(t->db, row->table.db.p, row->table.db.n))
			continue;
		/* An older shape that comes again is a new entry: within a batch a table's shapes
		 * are executed by their numbers, and rows of the one between are waiting. */
		if (i >= s->first_table && feed_table_fits(t, row)) {
			*number = (uint32_t)i;
			return 0;
		}
		worker = t->worker;
		known = true;
	}
	t = xcalloc(1, sizeof(*t));
	snprintf(db, sizeof(db), "%.*s", (int)row->table.db.n, row->table.db.p);
	snprintf(table, sizeof(table), "%.*s", (int)row->table.table.n, row->table.table.p);
	if (s->o.schema && !(schema = s->o.schema(s->o.schema_arg, db, table, NULL, 0, e))) {
		free(t);
		return -1;
	}
	if (feed_table_init(t, row, schema, s->o.keyless, e) < 0) {
		free(t);
		return -1;
	}
	t->worker = worker;
	if (!known)
		s->next_worker++;
	pthread_mutex_lock(&s->lock);
	XGROW(s->tables, s->n_tables, s->tables_alloc, 64);
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
	if (watermarks_row(&s->progress, worker, it->commit_ts, e) == 0)
		rc = feed_queue_push(&s->workers[worker].queue, &s->spool, it, s->text.buf, e);
	s->workers[worker].waiting += rc == 0;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* A delete is its key alone. */
static int push_row(struct feed_sink *s, const struct redo_row *r, struct err *e)
{
	struct feed_item it = { .commit_ts = r->commit_ts };
	struct feed_table *t;

	if (table_of(s, r, &it.table, e) < 0)
		return -1;
	t = s->tables[it.table];
	it.keyless = t->keyless;
	it.again = t->again;
	t->again = false;
	strbuf_reset(&s->text);
	if (r->n_columns) {
		feed_add_item(&s->text, &it, t, r->columns, r->n_columns);
	} else {
		feed_add_key(&s->text, t, r->pre_columns, r->n_pre_columns);
		it.key_bytes = (uint32_t)s->text.len;
	}
	return push_item(s, &it, e);
}

int feed_sink_push(struct feed_sink *s, const struct redo_row *rows, size_t n, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = push_row(s, &rows[i], e);
	if (s->text.alloc > 2 * BATCH_BYTES_MAX)
		strbuf_release(&s->text);
	return rc;
}

void feed_sink_read_again(struct feed_sink *s)
{
	for (size_t i = 0; i < s->n_tables; i++)
		s->tables[i]->again = s->tables[i]->keyless;
}

#define LOCKED(s, what)                         \
	do {                                    \
		pthread_mutex_lock(&s->lock);   \
		what;                           \
		pthread_mutex_unlock(&s->lock); \
	} while (0)

void feed_sink_announce(struct feed_sink *s, tso_t ts)
{
	LOCKED(s, watermarks_announce(&s->progress, ts));
}

void feed_sink_flush_begin(struct feed_sink *s)
{
	LOCKED(s, watermarks_flush_begin(&s->progress));
}

void feed_sink_flush_done(struct feed_sink *s)
{
	LOCKED(s, watermarks_flush_done(&s->progress));
}

void feed_sink_release(struct feed_sink *s, tso_t resolved)
{
	LOCKED(s, watermarks_release(&s->progress, resolved); pthread_cond_broadcast(&s->work));
}

struct watermarks feed_sink_progress(struct feed_sink *s)
{
	struct watermarks p;

	LOCKED(s, watermarks_checkpoint(&s->progress); p = s->progress);
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
	while (!s->failed && !watermarks_drained(&s->progress))
		if (pthread_cond_timedwait(&s->done, &s->lock, &until))
			break;
	if (s->failed) {
		*e = s->error;
		rc = -1;
	} else {
		rc = watermarks_drained(&s->progress);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}
