/* Replays a redo log on a secondary, so that it stands exactly at resolvedTs (design, section 8). Idempotent: killed at any
 * instant and run again, the result is the same. */
#ifndef HARNESS_REDO_REPLAY_H
#define HARNESS_REDO_REPLAY_H

#include "harness/base/clock.h"
#include "harness/base/tso.h"
#include "harness/net/store.h"
#include "harness/sql/sql.h"

struct replay_stats {
	tso_t checkpoint_ts, resolved_ts, point; /* point: where the secondary stands after success */
	uint64_t files, files_total, bytes, rows, ddls, transactions; /* read, with commitTs in (checkpointTs, point] */
	uint64_t keys, puts, deletes;            /* distinct keys; statements' rows written to the secondary */
	uint64_t fenced;                         /* statements of a dead changefeed that were killed first */
	int64_t fence_us, read_us, write_us, total_us;
};
struct replay_opts {
	struct sql_endpoint sink;
	const char *tmp_dir;       /* for keys beyond the memory budget; NULL: $TMPDIR or /tmp */
	size_t memory_bytes;       /* 0: 256 MiB */
	unsigned workers;          /* sink connections; 0: 8 */
	tso_t until;               /* stop earlier than resolvedTs; 0: resolvedTs */
	const char *time_zone;     /* zone of TIMESTAMP text in the log; NULL: "+00:00" (our feed's) */
	bool dry_run;
	void (*progress)(void *arg, const struct replay_stats *st); /* may be NULL; called every 200 ms at most, from this thread */
	void *progress_arg;
};
int replay_run(struct store *log, const struct replay_opts *o, struct replay_stats *st, struct err *e);

/* Fencing (design, section 6): sink connections record their connection ids in the secondary; the replay kills what is recorded
 * and waits until it is gone. fence_register runs on each new sink connection; owner is the changefeed id. */
#define FENCE_TABLE "`drtest_feed`.`sink_connections`"
int fence_register(struct sql *sink, const char *owner, struct err *e);
int fence_kill(struct sql *control, const char *owner, struct deadline d, uint64_t *killed, struct err *e); /* owner NULL: all */

#endif
