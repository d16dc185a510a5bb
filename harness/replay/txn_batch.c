#include "harness/replay/txn_batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/order.h"
#include "harness/base/xalloc.h"
#include "harness/replay/apply_sql.h"
#include "harness/sql/literal.h"

#define BLOCK ((size_t)256 << 10)
#define TRIES 50

struct batch *batch_new(struct txn_point first)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	b->span.lo = first;
	b->mem.block_bytes = BLOCK;
	return b;
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	arena_release(&b->mem);
	free(b->c);
	free(b->tokens);
	free(b);
}

void batch_empty(struct batch *b)
{
	arena_release(&b->mem);
	b->n = b->bytes = b->n_tokens = b->n_deletes = b->n_keyless = 0;
}

void batch_token(struct batch *b, uint64_t token)
{
	XGROW(b->tokens, b->n_tokens, b->alloc_tokens, 1024);
	b->tokens[b->n_tokens++] = token;
}

void batch_add(struct batch *b, const struct commit_order_row *r)
{
	size_t n = (size_t)r->change.key_n + r->change.image_n;
	struct merge_change c = r->change;
	unsigned char *at = arena_alloc(&b->mem, n);

	memcpy(at, c.key, c.key_n);
	memcpy(at + c.key_n, c.image, c.image_n);
	c.key = at;
	c.image = at + c.key_n;
	XGROW(b->c, b->n, b->alloc, 256);
	b->c[b->n++] = c;
	b->bytes += n + sizeof(c);
	b->wild = b->wild || r->wild;
	for (uint32_t i = 0; i < r->n_tokens; i++)
		batch_token(b, r->tokens[i]);
}

struct place {
	struct merge_change c;
	size_t serial;
};

static int by_table_key_serial(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	uint32_t n = a->c.key_n < b->c.key_n ? a->c.key_n : b->c.key_n;
	int c = order_u64(a->c.shape->keyless, b->c.shape->keyless);

	if (!c && a->c.shape->keyless)
		return order_u64(a->serial, b->serial);
	c = c ? c : order_u64(a->c.shape->table_no, b->c.shape->table_no);
	c = c ? c : memcmp(a->c.key, b->c.key, n);
	c = c ? c : order_u64(a->c.key_n, b->c.key_n);
	return c ? c : order_u64(a->serial, b->serial);
}

static bool same_key(const struct merge_change *a, const struct merge_change *b)
{
	return !a->shape->keyless && !b->shape->keyless &&
	       a->shape->table_no == b->shape->table_no && a->key_n == b->key_n &&
	       !memcmp(a->key, b->key, a->key_n);
}

void batch_settle(struct batch *b)
{
	struct place *p = xcalloc(b->n + 1, sizeof(*p));
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		p[i] = (struct place){ b->c[i], i };
	qsort(p, b->n, sizeof(*p), by_table_key_serial);
	b->n_deletes = b->n_keyless = 0;
	for (int put = 0; put < 2; put++)
		for (size_t i = 0; i < b->n; i++)
			if (!p[i].c.shape->keyless && p[i].c.put == put &&
			    (i + 1 == b->n || !same_key(&p[i].c, &p[i + 1].c))) {
				b->c[n++] = p[i].c;
				b->n_deletes += !put;
			}
	for (size_t i = 0; i < b->n; i++)
		if (p[i].c.shape->keyless) {
			b->c[n++] = p[i].c;
			b->n_keyless++;
		}
	/* deletes, then puts, then what has no key */
	assert(n <= b->n && b->n_deletes + b->n_keyless <= n);
	for (size_t i = 1; i < n; i++)
		assert(b->c[i].shape->keyless || b->c[i - 1].put <= b->c[i].put);
	b->n = n;
	free(p);
}

int batch_begin(struct sql **conn, const struct applier_opts *o, struct err *e)
{
	if (!*conn)
		*conn = applier_session(o, e);
	return *conn && sql_exec(*conn, e, "START TRANSACTION") >= 0 ? 0 : -1;
}

int batch_rows(struct batch *b, struct sql *conn, const struct applier_opts *o, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	size_t i = 0, took;
	int64_t affected;

	while (i < b->n) {
		took = 1;
		if (b->c[i].shape->keyless)
			apply_keyless_statement(&q, &b->c[i]);
		else
			took = apply_statement(&q, b->c + i, b->n - i);
		assert(took && took <= b->n - i); /* each change is in one statement */
		if (b->c[i].put && apply_look(conn, b->c[i].shape, e) < 0) {
			strbuf_release(&q);
			return -1;
		}
		affected = sql_exec_text(conn, e, q.buf, q.len);
		if (affected >= 0 && (applier_kept(conn, b->c + i, took, e) < 0 ||
				      applier_verify(o, conn, b->c + i, took, e) < 0))
			affected = -1;
		else if (affected < 0 && !apply_may_retry(e))
			apply_blame(conn, b->c + i, took, e);
		if (affected == 0 && b->c[i].shape->keyless && !b->c[i].put)
			affected = err_set(
				e, ERR_BAD_DATA, 0,
				"table %s.%s has no key, and a row that the log deletes does not "
				"exist: the secondary was not at the log's checkpointTs",
				b->c[i].shape->db, b->c[i].shape->table);
		if (affected < 0) {
			strbuf_release(&q);
			return -1;
		}
		i += took;
	}
	b->written += b->n;
	strbuf_release(&q);
	return 0;
}

int batch_commit(struct batch *b, struct sql *conn, const char *log_id, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	assert(b->span.lo.commit_ts <= b->span.hi.commit_ts);
	txn_progress_sql(&q, log_id, b->span);
	rc = sql_exec_text(conn, e, q.buf, q.len) < 0 || sql_exec(conn, e, "COMMIT") < 0 ? -1 : 0;
	strbuf_release(&q);
	return rc;
}

int batch_apply(struct batch *b, struct sql **conn, const struct applier_opts *o,
		const char *log_id, struct err *e)
{
	bool maybe = false; /* the connection was lost while it was told to commit */
	bool otherwise = false;

	for (int i = 1;; i++) {
		bool there = false, again = false;

		b->written = 0;
		if (maybe && !*conn)
			*conn = applier_session(o, e);
		if (maybe && *conn &&
		    txn_progress_recorded(*conn, log_id, b->span, &there, e) == 0 && there) {
			b->written = b->n;
			return 0;
		}
		if ((!maybe || *conn) && batch_begin(conn, o, e) == 0 &&
		    batch_rows(b, *conn, o, e) == 0) {
			maybe = true;
			if (batch_commit(b, *conn, log_id, e) == 0)
				return 0;
			/* the commit whose answer was lost landed after we looked */
			again = e->code == SQL_DUPLICATE;
		} else {
			again = *conn && e->code == SQL_DUPLICATE && sql_repeatable(*conn);
			if (*conn && e->code == SQL_OUT_OF_RANGE && !otherwise)
				again = otherwise = literal_subtract_otherwise(*conn);
		}
		if (i >= TRIES || (!apply_may_retry(e) && !again))
			return -1;
		if (e->kind == ERR_GONE) {
			sql_close(*conn);
			*conn = NULL;
		} else if (*conn) { /* none: it could not be opened again, by a conflict in its
				       first statements */
			sql_exec(*conn, NULL, "ROLLBACK");
			maybe = again;
		}
		if (pause_ms(i < 10 ? 3 * i : 500, deadline_in_ms(60000)) < 0)
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
	}
}
