/* Replays whole transactions over all their tables, for a secondary that is read meanwhile: in
 * commit order where they conflict, in parallel where they do not. Neighbours in commit order share
 * a database transaction (a batch), so a reader sees every one of them whole. What a batch stands
 * for is recorded in it (txn_progress.h): run again after a kill, a replay goes on where it was. */
#ifndef HARNESS_REPLAY_TXN_H
#define HARNESS_REPLAY_TXN_H

#include "harness/replay/commit_order.h"
#include "harness/replay/applier.h"
#include "harness/replay/txn_progress.h"

struct txn_counts {
	/* applied now; rows as written, after changes of one key within a batch became one */
	uint64_t transactions, rows;
	uint64_t already; /* transactions that an earlier replay had applied */
	uint64_t batches;
};
struct txn;
/* order is sorted; all must outlive the replay. */
struct txn *txn_open(const struct applier_opts *o, const char *log_id, struct commit_order *order,
		     const struct txn_done *done, struct err *e);
/* Applies all transactions up to commitTs `upto` and returns when they are committed. discard:
 * leaves them out, an earlier replay applied them. tick is called now and then from this thread. */
int txn_apply(struct txn *t, tso_t upto, bool discard, void (*tick)(void *arg), void *arg,
	      struct err *e);
/* Tables whose unique keys hold what no log shows (a prefix, a generated column): read again after
 * each DDL that may change them, of the one table that it is about; db NULL: of all. */
int txn_look(struct txn *t, struct sql *control, const char *db, const char *table, struct err *e);
struct txn_counts txn_counts(const struct txn *t);
/* What the changefeed of the log recorded of tables without a key (keyless.h): rows up to there are
 * not applied again. fresh: the record is dropped instead. Before txn_apply(). */
int txn_keyless(struct txn *t, struct sql *control, bool fresh, struct err *e);
void txn_close(struct txn *t); /* NULL is fine */

#endif
