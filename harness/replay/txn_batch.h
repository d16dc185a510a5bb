/* Neighbouring transactions that share one database transaction: their changes, of each key the
 * last one, and their conflict tokens. */
#ifndef HARNESS_REPLAY_TXN_BATCH_H
#define HARNESS_REPLAY_TXN_BATCH_H

#include "harness/base/arena.h"
#include "harness/replay/commit_order.h"
#include "harness/replay/applier.h"
#include "harness/replay/txn_progress.h"

#define BATCH_ROWS_MIN 250 /* where batches seldom conflict: more of them run at once */
/* where they nearly always do: fewer commits, and changes of one key become one */
#define BATCH_ROWS_MAX 4000
#define BATCH_BYTES ((size_t)4 << 20)
/* of one transaction: beyond, it is applied in pieces */
#define BATCH_BYTES_LARGE ((size_t)16 << 20)

struct batch {
	uint64_t seq;
	struct txn_span span;
	uint64_t txns, written;
	/* in commit order; after batch_settle sorted, deletes first, one a key, and those
	 * without a key last */
	struct merge_change *c;
	size_t n, alloc, bytes, n_deletes, n_keyless;
	uint64_t *tokens;
	size_t n_tokens, alloc_tokens;
	bool wild;
	struct arena mem; /* of the rows */
};
struct batch *batch_new(struct txn_point first);
void batch_free(struct batch *b);                                  /* NULL is fine */
void batch_add(struct batch *b, const struct commit_order_row *r); /* copies */
void batch_token(struct batch *b, uint64_t token);
void batch_settle(struct batch *b);
void batch_empty(struct batch *b); /* its changes; what it stands for and has written stays */

/* All of it: begin, rows, progress, commit; tried again after deadlocks and lost connections. */
int batch_apply(struct batch *b, struct sql **conn, const struct applier_opts *o,
		const char *log_id, struct err *e);
/* The same step by step, for a transaction in pieces. */
int batch_begin(struct sql **conn, const struct applier_opts *o, struct err *e);
int batch_rows(struct batch *b, struct sql *conn, const struct applier_opts *o, struct err *e);
int batch_commit(struct batch *b, struct sql *conn, const char *log_id, struct err *e);

#endif
