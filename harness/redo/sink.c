#include "harness/redo/sink.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/redo/replay.h"
#include "harness/sql/schema.h"

#define STATEMENT_BYTES ((size_t)512 << 10) /* half of the smallest max_allowed_packet in use */
#define STATEMENT_ROWS 2000
#define COMPOSITE_KEYS 200 /* OR-ed keys: the optimizer gives up on ranges far above */
#define TRIES 30
#define CONNECT_MS 10000

struct sink {
	struct sink_opts o;
	struct sql **conn;
	/* the job at hand */
	pthread_mutex_t lock;
	const struct merge_change *c;
	size_t n, next;
	bool failed;
	struct err err;
};

struct sql *sink_session(const struct sink_opts *o, struct err *e)
{
	struct sql *s = sql_open(&o->to, deadline_in_ms(CONNECT_MS), e);
	struct strbuf q = STRBUF_INIT;

	if (!s)
		return NULL;
	/* The stock applier's session (redo-log spec, section 7). */
	strbuf_addstr(&q, "SET foreign_key_checks = 0, sql_mode = 'ALLOW_INVALID_DATES,IGNORE_SPACE,NO_AUTO_VALUE_ON_ZERO', time_zone = ");
	sql_add_text(&q, o->time_zone, strlen(o->time_zone));
	if (sql_exec_text(s, e, q.buf, q.len) < 0 ||
	    sql_exec(s, e, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") < 0 || fence_register(s, o->owner, e) < 0) {
		sql_close(s);
		s = NULL;
	}
	strbuf_release(&q);
	return s;
}

struct sink *sink_open(const struct sink_opts *o, struct err *e)
{
	struct sink *s = xcalloc(1, sizeof(*s));

	s->o = *o;
	s->conn = xcalloc(o->workers, sizeof(*s->conn));
	pthread_mutex_init(&s->lock, NULL);
	for (unsigned i = 0; i < o->workers; i++) {
		s->conn[i] = sink_session(o, e);
		if (!s->conn[i]) {
			sink_close(s);
			return NULL;
		}
	}
	return s;
}

void sink_close(struct sink *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->o.workers; i++)
		sql_close(s->conn[i]);
	pthread_mutex_destroy(&s->lock);
	free(s->conn);
	free(s);
}

/* ---- SQL ---- */

static bool plain_number(const struct redo_bytes *s)
{
	bool digit = false;

	for (uint32_t i = 0; i < s->n; i++) {
		if (s->p[i] >= '0' && s->p[i] <= '9')
			digit = true;
		else if (!(s->p[i] == '-' && i == 0) && s->p[i] != '.')
			return false;
	}
	return digit && s->n < 100;
}

/* DECIMAL as a number literal: text against a decimal column would be compared as doubles. */
static void add_value(struct strbuf *q, const struct merge_column *c, const struct redo_value *v)
{
	switch (v->kind) {
	case REDO_NULL:
		strbuf_addstr(q, "NULL");
		break;
	case REDO_INT:
		strbuf_addf(q, "%" PRId64, v->i);
		break;
	case REDO_UINT:
		strbuf_addf(q, "%" PRIu64, v->u);
		break;
	case REDO_F32:
		strbuf_addf(q, "%.9e", (double)v->f32);
		break;
	case REDO_F64:
		strbuf_addf(q, "%.17e", v->f64);
		break;
	case REDO_STR:
		if (c->type == COL_DECIMAL && plain_number(&v->s))
			strbuf_add(q, v->s.p, v->s.n);
		else
			sql_add_text(q, v->s.p, v->s.n);
		break;
	case REDO_BIN:
		if (c->text)
			sql_add_text(q, v->s.p, v->s.n);
		else
			sql_add_binary(q, v->s.p, v->s.n);
		break;
	}
}

static void add_table(struct strbuf *q, const struct merge_shape *t)
{
	sql_add_name(q, t->db);
	strbuf_addch(q, '.');
	sql_add_name(q, t->table);
}

static void replace_head(struct strbuf *q, const struct merge_shape *t)
{
	strbuf_addstr(q, "REPLACE INTO ");
	add_table(q, t);
	for (uint32_t i = 0; i < t->n_columns; i++) {
		strbuf_addstr(q, i ? "," : " (");
		sql_add_name(q, t->columns[i].name);
	}
	strbuf_addstr(q, ") VALUES ");
}

static void replace_row(struct strbuf *q, const struct merge_change *c)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < c->shape->n_columns; i++) {
		struct redo_value v;

		merge_image_next(c->image, &at, &v);
		strbuf_addch(q, i ? ',' : '(');
		add_value(q, &c->shape->columns[i], &v);
	}
	strbuf_addch(q, ')');
}

static void delete_row(struct strbuf *q, const struct merge_change *c, bool first)
{
	const struct merge_shape *t = c->shape;
	uint32_t at = 0;

	if (t->n_key > 1)
		strbuf_addstr(q, first ? "(" : " OR (");
	else if (!first)
		strbuf_addch(q, ',');
	for (uint32_t i = 0; i < t->n_key; i++) {
		const struct merge_column *col = &t->columns[t->key[i]];
		struct redo_value v;

		merge_image_next(c->image, &at, &v);
		if (t->n_key > 1) {
			strbuf_addstr(q, i ? " AND " : "");
			sql_add_name(q, col->name);
			strbuf_addch(q, '=');
		}
		add_value(q, col, &v);
	}
	if (t->n_key > 1)
		strbuf_addch(q, ')');
}

/* Takes changes of one shape from c[0..n); returns how many went into the statement. */
static size_t statement(struct strbuf *q, const struct merge_change *c, size_t n)
{
	const struct merge_shape *t = c->shape;
	size_t k, max = c->put ? STATEMENT_ROWS : t->n_key > 1 ? COMPOSITE_KEYS : STATEMENT_ROWS;

	strbuf_reset(q);
	if (c->put) {
		replace_head(q, t);
	} else {
		strbuf_addstr(q, "DELETE FROM ");
		add_table(q, t);
		strbuf_addstr(q, " WHERE ");
		if (t->n_key == 1) {
			sql_add_name(q, t->columns[t->key[0]].name);
			strbuf_addstr(q, " IN (");
		}
	}
	for (k = 0; k < n && k < max && c[k].shape == t && q->len < STATEMENT_BYTES; k++) {
		if (c->put) {
			if (k)
				strbuf_addch(q, ',');
			replace_row(q, &c[k]);
		} else {
			delete_row(q, &c[k], k == 0);
		}
	}
	if (!c->put && t->n_key == 1)
		strbuf_addch(q, ')');
	return k;
}

/* ---- workers ---- */

static bool may_retry(const struct err *e)
{
	return e->kind == ERR_CONFLICT || e->kind == ERR_GONE || e->code == 1020 /* record has changed */ || e->code == 9007 || e->code == 8002 ||
	       e->code == 8022 || e->code == 8028;
}

static int run(struct sink *s, struct sql **conn, const struct strbuf *q, const struct merge_shape *t, struct err *e)
{
	for (int i = 1;; i++) {
		if (*conn && sql_exec_text(*conn, e, q->buf, q->len) >= 0)
			return 0;
		if (i >= TRIES || !may_retry(e))
			return err_wrap(e, "table %s.%s", t->db, t->table);
		if (pause_ms(i < 10 ? 5 * i : 500, deadline_in_ms(60000)) < 0)
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
		if (e->kind == ERR_GONE) {
			sql_close(*conn);
			*conn = sink_session(&s->o, e);
		}
	}
}

struct worker {
	struct sink *s;
	struct sql **conn;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct sink *s = w->s;
	struct strbuf q = STRBUF_INIT;

	for (;;) {
		struct err e = ERR_INIT;
		const struct merge_change *c;
		size_t n, k = 0, share;

		/* A share is contiguous in key order, so neighbours are rarely locked by two connections at once. */
		pthread_mutex_lock(&s->lock);
		c = s->c + s->next;
		n = s->n - s->next;
		share = s->n / (s->o.workers * 4) + 1;
		if (share > STATEMENT_ROWS)
			share = STATEMENT_ROWS;
		if (n > share)
			n = share;
		if (s->failed)
			n = 0;
		s->next += n;
		pthread_mutex_unlock(&s->lock);
		if (!n)
			break;
		while (k < n && e.kind == ERR_NONE) {
			const struct merge_shape *t = c[k].shape;

			k += statement(&q, c + k, n - k);
			if (run(s, w->conn, &q, t, &e) == 0)
				e = (struct err)ERR_INIT; /* what a retry overcame */
		}
		if (e.kind != ERR_NONE) {
			pthread_mutex_lock(&s->lock);
			if (!s->failed)
				s->err = e;
			s->failed = true;
			pthread_mutex_unlock(&s->lock);
			break;
		}
	}
	strbuf_release(&q);
	mysql_thread_end();
	return NULL;
}

int sink_write(struct sink *s, const struct merge_change *c, size_t n, struct err *e)
{
	struct worker *w = xcalloc(s->o.workers, sizeof(*w));
	sigset_t all, before;
	unsigned started = 0;

	s->c = c;
	s->n = n;
	s->next = 0;
	s->failed = false;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are for the main thread */
	for (; started < s->o.workers; started++) {
		w[started].s = s;
		w[started].conn = &s->conn[started];
		if (pthread_create(&w[started].thread, NULL, work, &w[started]))
			break;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	for (unsigned i = 0; i < started; i++)
		pthread_join(w[i].thread, NULL);
	free(w);
	if (!started)
		return err_set(e, ERR_IO, 0, "no thread could be started");
	if (s->failed) {
		if (e)
			*e = s->err;
		return -1;
	}
	return 0;
}
