/* The running changefeed, shared by the files of its process. Only for harness/feed. */
#ifndef HARNESS_FEED_FEED_IMPL_H
#define HARNESS_FEED_FEED_IMPL_H

#include "harness/binlog/binlog.h"
#include "harness/feed/ddl_queue.h"
#include "harness/feed/feed.h"
#include "harness/feed/left_out.h"
#include "harness/feed/sink.h"
#include "harness/feed/status.h"
#include "harness/net/store.h"
#include "harness/redo/writer.h"
#include "harness/sql/tso_map.h"

struct feed_schema;
struct feed_reached { /* how far the secondary is */
	tso_t checkpoint;
	uint64_t ddls;
};
struct feed_run {
	struct feed_opts o;
	struct status_board *board;
	/* to the secondary: for structures that the primary no longer has, and for the checkpoint
	 * if there is no log; NULL: not connected yet */
	struct sql *control;
	struct feed_server_id control_id;
	/* to the primary, for what no event tells; NULL: not connected (see feed_source()) */
	struct sql *source;
	char system_zone[8]; /* "+00:00" if the time zone SYSTEM is UTC there; else "" */
	struct store *store; /* NULL: no redo log */
	struct redo_writer *writer;
	struct tso_map *map;
	struct binlog *binlog;
	struct feed_sink *sink;
	struct feed_ddls *ddls; /* those that the secondary has not executed yet */
	tso_t ddl_open; /* the first of them, once everything before it is committed; else 0 */
	unsigned domain, server_id, replica_id;

	tso_t start; /* where this process began: at start_ts, or at the checkpoint */
	uint64_t start_seq;
	bool begun;   /* an earlier process may have written to the secondary */
	bool resumed; /* and it got beyond start_ts */

	uint64_t read_seq; /* all transactions up to this one are completely read */
	tso_t read_ts;     /* its commitTs; `start` if none was read */
	bool partial;      /* a huge transaction is being read, and its last batch has not come */
	size_t unflushed_bytes;               /* given to the writer since its last flush */
	struct strbuf frame;                  /* scratch */
	tso_t meta_checkpoint, meta_resolved; /* durable */
	/* the log's resolvedTs at the start, which can be ahead of what is read. Rows and DDLs up
	 * to it are not written again. */
	tso_t log_resolved;
	/* the checkpoint that it resumed from, until it is known whether a DDL has that commitTs;
	 * then 0 */
	tso_t ddl_ts;
	int64_t next_flush_ns, next_meta_ns, next_collect_ns, next_publish_ns;
	tso_t collected_to;
	uint64_t ddls_skipped;
	tso_t sample_ts; /* the newest sample of the primary's position */

	struct left_out left;
	struct feed_schema *schemas; /* those given to the binary log's reader */
	/* The primary told a structure when it was at this position. Until the log is read to
	 * there, a DDL in between can prove it wrong, and no watermark advances. */
	uint64_t horizon_seq;
	/* the same for structures that come from the log's table maps; 0: all are confirmed */
	uint64_t wide_until;
	struct charsets *charsets; /* of the primary: collations by number */
	/* tables whose structure the primary had changed by then: until their DDL is read, the
	 * secondary's structure is used */
	struct table_name *unsure;
	size_t n_unsure;
	/* how far the secondary was when it did not answer: it is asked again once it has moved */
	struct feed_reached stood_still;
	bool again; /* a structure was wrong for its position: restart from the checkpoint */
};

/* The connection to the primary, which is made if there is none. */
struct sql *feed_source(struct feed_run *r, struct err *e);
int feed_stopping(void); /* the signal that asked the process to end, or 0 */
void feed_sleep_ms(int64_t ms);

/* resume.c */
int resume_find(struct feed_run *r, struct err *e); /* sets start, start_seq, begun, resumed */
/* deletes the changefeed's log files that are entirely after `keep` */
int feed_log_trim(struct feed_run *r, tso_t keep, struct err *e);
/* makes the checkpoint's table, if there is no log */
int resume_prepare(struct feed_run *r, struct err *e);
int resume_save(struct feed_run *r, tso_t checkpoint, struct err *e);
/* What earlier processes left out; kept beside the log, or with the checkpoint. */
int feed_left_out_load(struct feed_run *r, struct err *e);
int feed_left_out_save(struct feed_run *r, struct err *e);

/* log.c: what must be durable before the next step. While the store is unavailable these wait, for
 * STORE_OUT_MS at most. */
int feed_flush(struct feed_run *r, struct err *e);
/* writes meta up to what is flushed, releases that to the sink, and updates the status */
int feed_meta(struct feed_run *r, struct err *e);
/* does what is due: flush, meta, deletion of old files; -1 also if the sink has failed */
int feed_service(struct feed_run *r, struct err *e);
/* advances resolvedTs to the newest sample if everything up to it is read */
void feed_advance(struct feed_run *r);
/* resolvedTs is ts: everything up to it is read and given to log and sink */
void feed_announce(struct feed_run *r, tso_t ts);
/* waits while too much is queued for the sink, in memory or (with a log) on disk */
int feed_throttle(struct feed_run *r, struct err *e);
/* whole: the rows are a complete transaction, which goes into one file of the log if it fits. */
int feed_add_rows(struct feed_run *r, const struct redo_row *rows, size_t n, bool whole,
		  struct err *e);
int feed_add_ddl(struct feed_run *r, const struct redo_ddl *ddl, struct err *e);
void feed_publish(struct feed_run *r); /* the status */

/* schemas.c: the tables' structures at the position of the log that is being read, and the reader's
 * own connection to the secondary. */
int schemas_connect(struct feed_run *r, struct deadline d, struct err *e);
/* after ERR_GONE: waits up to a minute for the secondary */
int schemas_reconnect(struct feed_run *r, struct err *e);
/* map: of the rows that need the structure; NULL: at a position without rows */
const struct table_schema *feed_schema_of(void *run, const char *db, const char *table,
					  const struct table_map *map, int attempt, struct err *e);
void feed_schemas_forget(struct feed_run *r);
/* a transaction is completely read */
void feed_schemas_read_to(struct feed_run *r, uint64_t seq);
/* Call it before a DDL is used. -1 and r->again: the DDL changes a table for which the primary gave
 * the structure from after this DDL. */
int feed_schemas_sure(struct feed_run *r, const struct binlog_txn *ddl, struct err *e);
void feed_schemas_free(struct feed_run *r);

#endif
