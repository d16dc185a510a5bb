/* What a replay reads before it writes: meta, DDLs in order, and the rows between checkpointTs and
 * the point, merged by key (and in commit order, if asked). The whole log is read and judged: a
 * file that is cut or damaged, a broken chain, a table that cannot be replayed are refused here,
 * before the first write. */
#ifndef HARNESS_REPLAY_REPLAY_READ_H
#define HARNESS_REPLAY_REPLAY_READ_H

#include "harness/replay/ddl_ts.h"
#include "harness/replay/merge.h"
#include "harness/replay/commit_order.h"
#include "harness/redo/reader.h"
#include "harness/replay/replay.h"
#include "harness/replay/row_sample.h"

/* "keyspace/changefeed" of a log, from its files' names; both parts empty where they tell nothing.
 */
int collect_log_id(struct store *log, char out[190], struct err *e);

struct owned_ddl {
	struct redo_ddl d; /* its text is ours */
	unsigned part;     /* of a record with several statements, from 0 */
	bool skip;         /* done by an earlier replay */
	bool rows_written; /* those before it, by an earlier replay */
};
struct counter { /* AUTO_INCREMENT, maybe: the highest value of a column of numbers */
	char *db, *table, *column;
	uint64_t highest;
};
struct collected {
	struct redo_meta meta;
	struct owned_ddl *ddls;
	size_t n_ddls;
	struct merge *merge; /* tables without a key left out */
	/* Where the point is earlier than resolvedTs, else NULL: of each key that the log changes
	 * behind the point what it was there, in epoch 0. A torn secondary may have such changes.
	 */
	struct merge *back;
	/* With back: the keys behind the last DDL up to the point and what is behind it, for their
	 * chain. */
	struct merge *around;
	struct commit_order *order; /* NULL in merge mode */
	struct row_sample *sample;  /* doubt_server; else NULL */
	bool foreign;               /* files without a sidecar: not our writer's */
	char log_id[190];           /* namespace/changefeed */
	struct replay_table *tables;
	struct counter *counters;
	size_t n_counters, next_counter;
	size_t n_tables, last_table;
};
/* Fills c (zeroed by the caller) and st's figures of reading. floors may be NULL. */
int replay_read(struct collected *c, struct store *log, const struct ddl_ts *floors,
		const struct replay_opts *o, struct replay_stats *st, struct err *e);
/* The highest value that the log gives to a column of numbers, to the nearest integer; 0: none.
 * Table names as they were last. */
uint64_t collected_counter(const struct collected *c, const char *db, const char *table,
			   const char *column);
void collected_release(struct collected *c);

#endif
