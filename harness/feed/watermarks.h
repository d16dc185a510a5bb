/* The changefeed's progress: pure arithmetic, no clock, no thread, no server. The one place where
 * the order of read -> handed to the redo log -> durable there -> told in a durable meta -> applied
 * -> checkpoint is kept, so that resolvedTs never runs ahead of the rows, nor checkpointTs ahead of
 * the secondary. The caller locks. */
#ifndef HARNESS_FEED_WATERMARKS_H
#define HARNESS_FEED_WATERMARKS_H

#include <stdbool.h>

#include "harness/base/err.h"
#include "harness/base/tso.h"

#define FEED_WORKERS_MAX 64

struct watermarks {
	/* every row at or before it was handed to the redo log and to the sink's queue */
	tso_t announced;
	tso_t flushing;   /* what was announced when the present flush began */
	tso_t flushed;    /* every row at or before it is durable in the log */
	tso_t released;   /* a durable meta says so: the sink may apply up to here */
	tso_t checkpoint; /* every row at or before it is committed in the secondary */
	unsigned n_workers;
	struct watermarks_worker {
		tso_t oldest; /* commitTs of its first row that is not committed; 0: it has none */
		tso_t newest; /* commitTs of the last row it was given */
	} worker[FEED_WORKERS_MAX];
};

void watermarks_init(struct watermarks *p, tso_t start, unsigned n_workers);
/* A row goes to a worker's queue. Refused: a row at or before what was announced, or before the
 * worker's last one. */
int watermarks_row(struct watermarks *p, unsigned worker, tso_t commit_ts, struct err *e);
void watermarks_announce(struct watermarks *p, tso_t ts); /* an older one changes nothing */
/* A flush covers what was announced before it began, not what is announced while it runs. A failed
 * flush is begun again. */
void watermarks_flush_begin(struct watermarks *p);
void watermarks_flush_done(struct watermarks *p);
/* The meta with this resolvedTs (<= flushed) is durable. */
void watermarks_release(struct watermarks *p, tso_t resolved);
/* A worker committed; next: commitTs of its first row that is still to be committed, 0 if there is
 * none. */
void watermarks_committed(struct watermarks *p, unsigned worker, tso_t next);
/* Moves checkpoint up to where every worker has committed, at most to released, never back. */
tso_t watermarks_checkpoint(struct watermarks *p);
/* nothing that is released waits for a commit */
bool watermarks_drained(const struct watermarks *p);

#endif
