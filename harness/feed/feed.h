/* The changefeed: a process of its own (`drtest feed`), so that a disaster can kill it too. Reads
 * the primary's binary log, writes TiCDC's redo log, advances resolvedTs only after the rows are
 * durable, applies to the secondary only what is at or before the flushed resolvedTs, split by
 * table as TiCDC does, and moves checkpointTs behind it. Restart resumes from the checkpoint. */
#ifndef HARNESS_FEED_FEED_H
#define HARNESS_FEED_FEED_H

#include <jansson.h>

#include "harness/base/tso.h"
#include "harness/os/proc.h"
#include "harness/sql/sql.h"

#define FEED_BDR_SERVER_ID 4294900000u

struct feed_opts {
	char id[128]; /* changefeed id: [a-zA-Z0-9]+(-[a-zA-Z0-9]+)* */
	struct sql_endpoint source, sink;
	char tso_map[512]; /* the source ground's samples */
	/* BackupTS; an unknown one is a clear error. A resumed feed takes its checkpoint when
	 * that is later */
	tso_t start_ts;
	/* "" = no redo log (consistent.level = none): then resolvedTs follows the samples read */
	char redo_uri[2048];
	unsigned flush_ms, meta_ms; /* 0: 2,000 and 200, as TiCDC */
	unsigned sink_workers;      /* 0: 4 */
	size_t max_log_bytes;       /* 0: 64 MiB */
	bool lz4;
	/* written atomically every 100 ms: the JSON of feed_status */
	char status_path[512];
	char tmp_dir[512]; /* "": $TMPDIR or /var/tmp */
	/* of one database transaction on the secondary; 0: 256, as TiCDC */
	unsigned sink_batch_rows;
	/* Both sides are written to, and a changefeed comes from each: what the other one brought
	 * is not carried back. Its writes bear FEED_BDR_SERVER_ID (TiCDC's bdr-mode). */
	bool bdr;
	/* rows of tables without a key that finds one are carried too (TiCDC's force-replicate) */
	bool force_replicate;
	/* of one transaction's rows of such tables, which are held and applied at once; 0: 256 MiB.
	 * Beyond, the changefeed ends. */
	size_t keyless_bytes;
};
/* JSON for the child's standard input (secrets: never argv). */
json_t *feed_opts_to_json(const struct feed_opts *o);

/* The process itself; returns its exit code. SIGTERM: flushes, drains what is resolved, moves the
 * checkpoint, ends with 0. */
int feed_main(const struct feed_opts *o);

/* RETRYING: TiCDC's pending and warning */
enum feed_state { FEED_STARTING, FEED_NORMAL, FEED_RETRYING, FEED_FAILED, FEED_STOPPED };
#define FEED_LEFT_OUT_MAX 64
#define FEED_STILL_MS 3000
struct feed_status {
	enum feed_state state;
	tso_t checkpoint_ts, resolved_ts;              /* flushed */
	uint64_t checkpoint_seq, resolved_seq;         /* the GTID sequence numbers behind them */
	int64_t lag_ms;                                /* wall clock now - checkpoint_ts */
	int64_t written_wall_ms;                       /* when this status was written */
	uint64_t transactions, rows, ddls, redo_bytes; /* since start */
	/* the secondary holds a part of what was released to it: a disaster here tears
	 * transactions */
	bool sink_busy;
	/* How long log and sink have waited for one and the same thing, and for what; 0 and ""
	 * while they move. Beyond FEED_STILL_MS the state is RETRYING and the error says it. */
	struct feed_still {
		int64_t ms;
		char on[200];
	} log_still, sink_still;
	char error[1024];
	/* what is not replicated, and why; the first FEED_LEFT_OUT_MAX by name */
	unsigned n_left_out;
	struct feed_left_out {
		char name[260], reason[200]; /* "db.table" */
	} left_out[FEED_LEFT_OUT_MAX];
	/* "procedure d.p, trigger d.t": what the primary had at the start that no changefeed
	 * carries, the first ones and how many there are; "": nothing */
	char not_carried[600];
};

/* The parent's handle. */
struct feed;
/* returns when it is at work, or with the feed's own error */
struct feed *feed_start(const struct feed_opts *o, const char *log_path, struct err *e);
/* a dead feed that nobody stopped is an error with its message */
int feed_get_status(struct feed *f, struct feed_status *st, struct err *e);
struct proc *feed_proc(struct feed *f);                          /* still the feed's */
int feed_stop(struct feed *f, struct deadline d, struct err *e); /* orderly */
void feed_free(struct feed *f);

#endif
