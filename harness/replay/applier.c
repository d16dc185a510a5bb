#include "harness/replay/applier.h"

#include <errmsg.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/replay/replay.h"
#include "harness/replay/apply_sql.h"
#include "harness/sql/schema.h"
#include "harness/sql/literal.h"
#include "harness/sql/fence.h"

#define TRIES 30
#define CONNECT_MS 10000
#define SESSION_TRIES 6
#define TICK_NS 100000000
/* a share is a commit, which is worth a disk's flush, and a worker is worth a connection */
#define SHARE_ROWS_MIN 256

struct applier {
	struct applier_opts o;
	struct sql **conn;
	/* the job at hand */
	pthread_mutex_t lock;
	const struct merge_change *c;
	size_t n, next, done, share;
	unsigned active; /* workers at it */
	unsigned joined; /* those that had a connection */
	pthread_cond_t left;
	bool failed;
	struct err err;
	atomic_bool by_file; /* LOAD DATA LOCAL is taken, as far as is known */
};

static struct sql *session_once(const struct applier_opts *o, struct err *e)
{
	struct sql *s = sql_open(&o->to, deadline_in_ms(CONNECT_MS), e);
	struct strbuf q = STRBUF_INIT;
	/* where a release lacks one, its rows do not need it */
	static const char *const tidb[] = { "tidb_txn_mode = 'optimistic'",
					    "allow_auto_random_explicit_insert = 1",
					    "tidb_placement_mode = 'IGNORE'" };
	/* as TiDB's tables are; replay.c looks whether the first was taken */
	static const char *const others[] = { "explicit_defaults_for_timestamp = 1",
					      "default_storage_engine = 'InnoDB'" };

	if (!s)
		return NULL;
	/* The session of `cdc redo apply`. */
	strbuf_addstr(
		&q,
		"SET foreign_key_checks = 0, sql_mode = 'ALLOW_INVALID_DATES,IGNORE_SPACE,NO_AUTO_VALUE_ON_ZERO"
		",NO_UNSIGNED_SUBTRACTION', time_zone = ");
	sql_add_text(&q, o->time_zone, strlen(o->time_zone));
	if (sql_exec_text(s, e, q.buf, q.len) < 0 ||
	    sql_exec(s, e, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") < 0 ||
	    fence_register(s, o->owner, e) < 0 ||
	    /* rows were checked where they were written */
	    (sql_flavor(s) == SQL_MARIADB &&
	     sql_exec(s, e, "SET check_constraint_checks = 0") < 0)) {
		sql_close(s);
		s = NULL;
	}
	for (size_t i = 0; s && sql_flavor(s) == SQL_TIDB && i < sizeof(tidb) / sizeof(tidb[0]);
	     i++)
		sql_exec(s, NULL, "SET SESSION %s", tidb[i]);
	for (size_t i = 0; s && sql_flavor(s) != SQL_TIDB && i < sizeof(others) / sizeof(others[0]);
	     i++)
		sql_exec(s, NULL, "SET SESSION %s", others[i]);
	strbuf_release(&q);
	return s;
}

static bool is_refusal(const struct err *e)
{
	return e->code == CR_CONN_HOST_ERROR || e->code == CR_CONNECTION_ERROR;
}

/* One that was refused stays refused; one that was cut while it was set up is opened again. */
struct sql *applier_session(const struct applier_opts *o, struct err *e)
{
	for (int i = 1;; i++) {
		struct sql *s = session_once(o, e);

		if (s || i == SESSION_TRIES || !apply_may_retry(e) || is_refusal(e) ||
		    pause_ms(10 * i, deadline_in_ms(CONNECT_MS)) < 0)
			return s;
	}
}

struct applier *applier_open(const struct applier_opts *o)
{
	struct applier *s = xcalloc(1, sizeof(*s));

	s->o = *o;
	s->by_file = true;
	s->conn = xcalloc(o->workers, sizeof(*s->conn));
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->left, NULL);
	return s; /* connections are opened by their workers, when there is work for them */
}

void applier_close(struct applier *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->o.workers; i++)
		sql_close(s->conn[i]);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->left);
	free(s->conn);
	free(s);
}

int applier_verify(const struct applier_opts *o, struct sql *conn, const struct merge_change *c,
		   size_t n, struct err *e)
{
	struct err why = ERR_INIT;

	if (!c->shape->n_computed || apply_check_computed(conn, c, n, &why) == 0)
		return 0;
	if (why.kind != ERR_BAD_DATA || !o->computed) {
		*e = why;
		return -1;
	}
	pthread_mutex_lock(&o->computed->lock);
	if (!o->computed->n++)
		o->computed->first = why;
	pthread_mutex_unlock(&o->computed->lock);
	return 0;
}

static bool has_enum_zero(const struct merge_change *c)
{
	struct redo_value v;
	uint32_t at = 0;

	for (uint32_t i = 0; c->put && i < c->shape->n_columns; i++) {
		row_layout_image_next(c->image, &at, &v);
		if (c->shape->columns[i].type == COL_ENUM &&
		    ((v.kind == REDO_INT && !v.i) || (v.kind == REDO_UINT && !v.u)))
			return true;
	}
	return false;
}

/* "": it is computed, and no column has that name. */
static const char *written(const void *shape, unsigned i, bool *text)
{
	const struct row_layout *t = shape;

	if (i >= t->n_columns)
		return NULL;
	*text = t->columns[i].text;
	return t->columns[i].computed ? "" : t->columns[i].name;
}

int applier_kept(struct sql *conn, const struct merge_change *c, size_t n, struct err *e)
{
	bool zero = false;

	if (!n || !c->put)
		return 0;
	for (size_t i = 0; i < n && !zero && mysql_warning_count(sql_handle(conn)); i++)
		zero = has_enum_zero(&c[i]);
	/* in this order: a query ends what the server says of the statement before it */
	return literal_kept(conn, zero, written, c->shape, e) < 0 ||
			       sink_check_fractions(conn, c, n, e) < 0
		       ? err_wrap(e, "table %s.%s", c->shape->db, c->shape->table)
		       : 0;
}

/* ---- workers ---- */

/* Changes as the server is sent them. */
struct batch {
	struct strbuf statement, file; /* file: empty where there is none */
	const struct merge_change *c;
	size_t n;
};

static int send_once(struct sql *conn, const struct batch *b, struct err *e)
{
	int64_t took;

	if (!b->file.len)
		return sql_exec_text(conn, e, b->statement.buf, b->statement.len) < 0
			       ? -1
			       : applier_kept(conn, b->c, b->n, e);
	took = sql_load(conn, e, b->statement.buf, b->file.buf, b->file.len);
	if (took >= 0 && (size_t)took != b->n)
		return err_set(e, ERR_BAD_DATA, 0,
			       "table %s.%s: %zu rows were sent, and the server read %" PRId64,
			       b->c->shape->db, b->c->shape->table, b->n, took);
	return took < 0 ? -1 : applier_kept(conn, b->c, b->n, e);
}

static int run(struct applier *s, struct sql **conn, const struct batch *b, struct err *e)
{
	bool otherwise = false;

	for (int i = 1;; i++) {
		if (*conn && (!b->c->put || apply_look(*conn, b->c->shape, e) == 0) &&
		    send_once(*conn, b, e) == 0 && applier_verify(&s->o, *conn, b->c, b->n, e) == 0)
			return 0;
		if (e->kind == ERR_BAD_DATA)
			return -1;
		if (*conn && e->code == SQL_DUPLICATE && sql_repeatable(*conn))
			continue;
		if (*conn && e->code == SQL_OUT_OF_RANGE && !otherwise) {
			otherwise = literal_subtract_otherwise(*conn);
			if (otherwise)
				continue;
		}
		if (i >= TRIES || !apply_may_retry(e)) {
			if (!*conn)
				return err_wrap(e, "table %s.%s", b->c->shape->db,
						b->c->shape->table);
			return b->file.len ? -1 : apply_blame(*conn, b->c, b->n, e);
		}
		if (pause_ms(i < 10 ? 5 * i : 500, deadline_in_ms(60000)) < 0)
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
		if (e->kind == ERR_GONE || !*conn) {
			sql_close(*conn);
			*conn = applier_session(&s->o, e);
		}
	}
}

/* The first of c[0..n), as many as go into one batch; returns how many are written. A file that the
 * server refuses goes as statements. */
static size_t write_some(struct applier *s, struct sql **conn, struct batch *b,
			 const struct merge_change *c, size_t n, struct err *e)
{
	size_t loaded = 0, done = 0;

	b->c = c;
	b->n = loaded = s->by_file && *conn && sql_flavor(*conn) == SQL_MARIADB
				? apply_load_data(&b->statement, &b->file, c, n)
				: 0;
	if (loaded && run(s, conn, b, e) == 0)
		return loaded;
	if (loaded && e->kind != ERR_SQL)
		return 0;
	if (loaded && *conn)
		sql_exec(*conn, NULL, "ROLLBACK");
	if (loaded)
		s->by_file = false;
	strbuf_reset(&b->file);
	n = loaded ? loaded : n;
	do {
		*e = (struct err)ERR_INIT;
		b->c = c + done;
		b->n = apply_statement(&b->statement, b->c, n - done);
		if (run(s, conn, b, e) < 0)
			return 0;
		done += b->n;
	} while (done < loaded);
	return done;
}

struct worker {
	struct applier *s;
	struct sql **conn;
	pthread_t thread;
};

/* A server that takes no more connections has fewer workers, but one. */
static bool join(struct worker *w)
{
	struct err e = ERR_INIT;

	if (!*w->conn)
		*w->conn = applier_session(&w->s->o, &e);
	pthread_mutex_lock(&w->s->lock);
	if (*w->conn)
		w->s->joined++;
	else if (!w->s->failed)
		w->s->err = e;
	pthread_mutex_unlock(&w->s->lock);
	return *w->conn;
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;
	struct applier *s = w->s;
	struct batch b = { .statement = STRBUF_INIT, .file = STRBUF_INIT };

	if (!join(w))
		goto out;
	for (;;) {
		struct err e = ERR_INIT;
		const struct merge_change *c;
		size_t n, k = 0;

		/* A share is contiguous in key order, so neighbours are rarely locked by two
		 * connections at once. */
		pthread_mutex_lock(&s->lock);
		c = s->c + s->next;
		n = s->n - s->next;
		if (n > s->share)
			n = s->share;
		if (s->failed)
			n = 0;
		s->next += n;
		pthread_mutex_unlock(&s->lock);
		if (!n)
			break;
		while (k < n && e.kind == ERR_NONE) {
			size_t took = write_some(s, w->conn, &b, c + k, n - k, &e);

			if (took)
				e = (struct err)ERR_INIT; /* what a retry overcame */
			k += took;
			if (e.kind == ERR_NONE && clock_cancelled())
				err_set(&e, ERR_CANCELLED, 0, "interrupted");
		}
		pthread_mutex_lock(&s->lock);
		if (e.kind == ERR_NONE)
			s->done += n;
		else if (!s->failed)
			s->err = e;
		s->failed = s->failed || e.kind != ERR_NONE;
		pthread_mutex_unlock(&s->lock);
		if (e.kind != ERR_NONE)
			break;
	}
out:
	strbuf_release(&b.statement);
	strbuf_release(&b.file);
	pthread_mutex_lock(&s->lock);
	s->active--;
	pthread_cond_signal(&s->left);
	pthread_mutex_unlock(&s->lock);
	mysql_thread_end();
	return NULL;
}

/* Until all workers have left, with a tick now and then. */
static void watch(struct applier *s, void (*tick)(void *arg, size_t done), void *arg)
{
	pthread_mutex_lock(&s->lock);
	while (s->active) {
		struct timespec until;
		size_t done = s->done;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_mutex_unlock(&s->lock);
		tick(arg, done);
		pthread_mutex_lock(&s->lock);
		if (s->active)
			pthread_cond_timedwait(&s->left, &s->lock, &until);
	}
	pthread_mutex_unlock(&s->lock);
}

int applier_write(struct applier *s, const struct merge_change *c, size_t n,
		  void (*tick)(void *arg, size_t done), void *arg, struct err *e)
{
	struct worker *w = xcalloc(s->o.workers, sizeof(*w));
	sigset_t all, before;
	unsigned started = 0, wanted;

	s->c = c;
	s->n = n;
	s->next = s->done = s->joined = 0;
	s->share = n / (s->o.workers * 4) + 1;
	if (s->share < SHARE_ROWS_MIN)
		s->share = SHARE_ROWS_MIN;
	if (s->share > SINK_SHARE_ROWS)
		s->share = SINK_SHARE_ROWS;
	wanted = n / s->share < s->o.workers ? (unsigned)(n / s->share) + 1 : s->o.workers;
	s->active = wanted;
	s->failed = false;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are for the main thread */
	for (; started < wanted; started++) {
		w[started].s = s;
		w[started].conn = &s->conn[started];
		if (pthread_create(&w[started].thread, NULL, run_worker, &w[started]))
			break;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_mutex_lock(&s->lock);
	s->active -= wanted - started; /* those that could not be started */
	pthread_mutex_unlock(&s->lock);
	watch(s, tick, arg);
	for (unsigned i = 0; i < started; i++)
		pthread_join(w[i].thread, NULL);
	free(w);
	if (!started)
		return err_set(e, ERR_IO, 0, "cannot start a thread");
	if (s->failed || !s->joined) {
		if (e)
			*e = s->err;
		return -1;
	}
	return 0;
}
