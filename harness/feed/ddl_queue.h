/* DDLs on their way to the secondary. The reader puts them here and goes on reading, and the log
 * with it; the rows behind a DDL wait in the sink until it has run. A thread of its own runs them
 * one after another, on a connection of its own, and tries for as long as the secondary is away. It
 * is also what makes the secondary ready: before it is, nothing is written there.
 *
 * The steps of a DDL: everything before it is committed (the caller looks) -> a durable meta has
 * checkpointTs at it (the caller writes it) -> feed_ddls_run() -> done. Any thread; all but start
 * and free return at once. */
#ifndef HARNESS_FEED_DDL_QUEUE_H
#define HARNESS_FEED_DDL_QUEUE_H

#include "harness/binlog/binlog.h"
#include "harness/feed/sink.h"

struct feed_ddls;
struct feed_ddls_opts {
	struct sql_endpoint to;
	const char *owner;                  /* changefeed id */
	const struct feed_globals *primary; /* the secondary has to be like it; copied */
	/* what an earlier changefeed of this name left running was ended already */
	bool fenced;
	/* a changefeed that is not resumed: what one of its name did before is nothing */
	bool forget;
};
/* does not wait for the secondary */
struct feed_ddls *feed_ddls_start(const struct feed_ddls_opts *o, struct err *e);
void feed_ddls_free(struct feed_ddls *d); /* ends what it runs; NULL is fine */

/* copies it */
int feed_ddls_push(struct feed_ddls *d, tso_t ts, const struct binlog_txn *ddl, struct err *e);

enum feed_ddl_step { FEED_DDL_NONE, FEED_DDL_WAITS, FEED_DDL_RUNS };
struct feed_ddls_state {
	/* the secondary was reached, and what an earlier changefeed of this name left there has
	 * ended */
	bool ready;
	enum feed_ddl_step step; /* of the first DDL that is not done; NONE: there is none */
	tso_t ts;                /* its commitTs */
	unsigned waiting;        /* how many are not done */
	uint64_t done;           /* since the start */
	char runs[160];          /* its text, cut, while it runs */
	char why[512];           /* "": all is well; else why the secondary does not answer */
};
struct feed_ddls_state feed_ddls_state(struct feed_ddls *d);
void feed_ddls_run(struct feed_ddls *d, tso_t ts); /* the first one, of this commitTs, may run */
/* What the DDLs that ran have left out, in their order. 1: a view, in *db, *name, *reason (the
 * caller frees them); reason NULL: it is left out no more. 0: that was all. */
int feed_ddls_left_out(struct feed_ddls *d, char **db, char **name, char **reason);
int feed_ddls_failed(struct feed_ddls *d, struct err *e); /* -1 with why a DDL could not run */

#endif
