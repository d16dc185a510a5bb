/* Replays a redo log on a secondary, so that it is exactly at one point of the primary's history:
 * resolvedTs, or an earlier one. Idempotent: killed at any instant and run again, the result is the
 * same. */
#ifndef HARNESS_REPLAY_REPLAY_H
#define HARNESS_REPLAY_REPLAY_H

#include "harness/base/clock.h"
#include "harness/base/tso.h"
#include "harness/net/store.h"
#include "harness/sql/sql.h"

struct replay_stats {
	/* point: where the secondary stands after success */
	tso_t checkpoint_ts, resolved_ts, point;
	tso_t first_ts, last_ts; /* commitTs of the first and last change read */
	/* read, with commitTs in (checkpointTs, point] */
	uint64_t files, files_total, rows, ddls, transactions;
	/* read: uncompressed, as stored; all, as stored */
	uint64_t bytes, bytes_stored, bytes_total;
	/* distinct keys; statements' rows written to the secondary (txn mode: all are puts) */
	uint64_t keys, puts, deletes;
	/* as TiCDC skips them, or done before: reported one by one */
	uint64_t ddls_skipped;
	/* txn mode: transactions that an earlier replay had applied */
	uint64_t already;
	uint64_t written_txns; /* txn mode: applied now */
	/* txn mode: database transactions; those that had to wait for another */
	uint64_t batches;
	uint64_t spilled_bytes; /* beyond the memory budget, to tmp_dir */
	uint64_t warnings;
	/* allow_gap: files not read to their end; keys whose chain is broken */
	uint64_t left_out, chain_breaks;
	/* statements of a dead changefeed that were killed first */
	uint64_t fenced;
	int64_t fence_us, read_us, write_us, total_us;
	enum { REPLAY_READING, REPLAY_WRITING } phase;
};
struct replay_table { /* what the log holds of one table */
	const char *db, *table;
	uint64_t inserts, updates, deletes;
};
enum replay_mode {
	REPLAY_MERGE, /* the newest state of each key: fastest; nobody reads the secondary yet */
	/* whole transactions over all their tables: a reader sees only such states, from a
	 * consistent start */
	REPLAY_TXN,
};
struct replay_opts {
	struct sql_endpoint sink;
	enum replay_mode mode;
	/* for what is beyond the memory budget, made where it is absent; NULL: $TMPDIR or /tmp */
	const char *tmp_dir;
	size_t memory_bytes; /* 0: 256 MiB */
	unsigned workers;    /* sink connections; 0: 8 */
	unsigned downloads;  /* at once; 0: 4 */
	tso_t until;         /* stop earlier than resolvedTs; 0: resolvedTs */
	/* zone of TIMESTAMP text in the log; NULL: "+00:00" for a log of ours, an error for
	 * another */
	const char *time_zone;
	/* also kill every connection of this user first: that of a stock TiCDC; NULL: none */
	const char *fence_user;
	bool dry_run;
	/* txn mode: tables without a key too, in order, each change once */
	bool force;
	/* refuse a server that does not look like this log's secondary: a sample of rows is
	 * asked for. Not with until */
	bool doubt_server;
	/* forget what an earlier replay of this log recorded in the secondary */
	bool fresh;
	/* go on where the log is torn or its chain broken; each is reported */
	bool allow_gap;
	/* may be NULL; called every 200 ms at most, from this thread */
	void (*progress)(void *arg, const struct replay_stats *st);
	void *progress_arg;
	/* One line each: what the result cannot vouch for. It belongs to the result, not to the way
	 * there. May be NULL. */
	void (*warn)(void *arg, const char *line);
	/* One line each: a DDL that ran or was skipped, what was left out. May be NULL. */
	void (*note)(void *arg, const char *line);
	/* after reading, each table; may be NULL */
	void (*table)(void *arg, const struct replay_table *t);
	void *report_arg;
};
int replay_run(struct store *log, const struct replay_opts *o, struct replay_stats *st,
	       struct err *e);

#endif
