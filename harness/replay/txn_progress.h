/* Which transactions of a log are in the secondary: intervals of (commitTs, startTs), each written
 * in the same database transaction as the changes that it stands for. So each is applied exactly
 * once, however often a replay is killed and run again. */
#ifndef HARNESS_REPLAY_TXN_PROGRESS_H
#define HARNESS_REPLAY_TXN_PROGRESS_H

#include "harness/base/tso.h"
#include "harness/sql/sql.h"

struct txn_point { /* orders transactions */
	tso_t commit_ts, start_ts;
};
struct txn_span { /* both ends belong to it */
	struct txn_point lo, hi;
};
struct txn_done {
	struct txn_span *span; /* sorted, disjoint */
	size_t n;
};
/* makes the table */
int txn_progress_load(struct sql *s, const char *log_id, struct txn_done *d, struct err *e);
void txn_done_release(struct txn_done *d);
bool txn_done_has(const struct txn_done *d, struct txn_point p);
/* The statement that records a span, for the end of its transaction. */
void txn_progress_sql(struct strbuf *out, const char *log_id, struct txn_span span);
/* Is this span recorded? After a connection was lost at COMMIT. */
int txn_progress_recorded(struct sql *s, const char *log_id, struct txn_span span, bool *there,
			  struct err *e);
/* All spans become one: everything up to point is done. */
int txn_progress_fold(struct sql *s, const char *log_id, tso_t point, struct err *e);
int txn_progress_forget(struct sql *s, const char *log_id, struct err *e);

#endif
