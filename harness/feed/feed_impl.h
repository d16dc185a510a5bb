/* Inside feed/ only: the running feed, shared by the files that make up the process. */
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
struct feed_reached { /* by the secondary */
	tso_t checkpoint;
	uint64_t ddls;
};
struct feed_run {
	struct feed_opts o;
	struct status_board *board;
	/* secondary: structures that the primary has no more, the checkpoint where there is no
	 * log; NULL: not yet */
	struct sql *control;
	struct feed_server_id control_id;
	/* primary: what no event tells. NULL: not connected, feed_source() makes one */
	struct sql *source;
	char system_zone[8]; /* what SYSTEM means there, where that is UTC: "+00:00" */
	struct store *store; /* NULL: no redo log */
	struct redo_writer *writer;
	struct tso_map *map;
	struct binlog *binlog;
	struct feed_sink *sink;
	struct feed_ddls *ddls; /* those that the secondary has not executed */
	/* the first of them, when everything before it is committed */
	tso_t ddl_open;
	unsigned domain, server_id, replica_id;

	tso_t start; /* where this life began: start_ts or the checkpoint */
	uint64_t start_seq;
	bool begun;   /* by an earlier life, which may have written to the secondary */
	bool resumed; /* it got further than start_ts */

	uint64_t read_seq; /* every transaction up to here was read to its end */
	tso_t read_ts;     /* its commitTs; start when nothing was read */
	/* the first batches of a huge transaction were taken, its last was not */
	bool partial;
	size_t unflushed_bytes;               /* handed to the writer since its last flush */
	struct strbuf frame;                  /* scratch */
	tso_t meta_checkpoint, meta_resolved; /* durable */
	/* the log's resolvedTs when we came: it may be ahead of us for a while. What is at or
	 * before it is not written again */
	tso_t log_resolved;
	/* the checkpoint that we resumed at, until it is known whether a DDL lies there; 0: it
	 * is */
	tso_t ddl_ts;
	int64_t next_flush_ns, next_meta_ns, next_collect_ns, next_publish_ns;
	tso_t collected_to;
	uint64_t ddls_skipped;
	tso_t sample_ts; /* the newest sample of the primary's position */

	struct left_out left;
	struct feed_schema *schemas; /* what binlog.schema gave out */
	/* a structure that the primary gave is sure when the log has been read to here: nothing
	 * is announced before */
	uint64_t horizon_seq;
	/* to here the log has to be read until the structures that its maps told are sure; 0: all
	 * are */
	uint64_t wide_until;
	struct charsets *charsets; /* of the primary: collations by number */
	/* tables that the primary had changed by then: the secondary knows them, until their DDL
	 * comes */
	struct table_name *unsure;
	size_t n_unsure;
	/* where it was when it did not answer; it is asked again when it has moved */
	struct feed_reached stood_still;
	/* to begin again at the checkpoint: a structure was not of its position */
	bool again;
};

/* a connection to the primary, or NULL */
struct sql *feed_source(struct feed_run *r, struct err *e);
int feed_stopping(void); /* the signal that asked us to end, or 0 */
void feed_sleep_ms(int64_t ms);

/* resume.c */
int resume_find(struct feed_run *r, struct err *e); /* start, start_seq, resumed */
/* deletes our log files that lie wholly behind keep */
int feed_log_trim(struct feed_run *r, tso_t keep, struct err *e);
/* the checkpoint's table, where there is no log */
int resume_prepare(struct feed_run *r, struct err *e);
int resume_save(struct feed_run *r, tso_t checkpoint, struct err *e);
/* what an earlier life left out: beside the log, or where the checkpoint is */
int feed_left_out_load(struct feed_run *r, struct err *e);
int feed_left_out_save(struct feed_run *r, struct err *e);

/* log.c: what must be durable before the next step. These wait while the store is out, up to
 * STORE_OUT_MS. */
int feed_flush(struct feed_run *r, struct err *e);
/* tells what is flushed, releases it to the sink, keeps the status */
int feed_meta(struct feed_run *r, struct err *e);
/* whatever is due: flush, meta, collection, a failed sink */
int feed_service(struct feed_run *r, struct err *e);
/* announces the last sample when all of it was read */
void feed_advance(struct feed_run *r);
/* everything at or before it was read, log and sink have it */
void feed_announce(struct feed_run *r, tso_t ts);
/* while too much waits for the sink: in memory, or with a log on the disk */
int feed_throttle(struct feed_run *r, struct err *e);
/* whole: all of a transaction, which then is in one file of the log, if one can hold it. */
int feed_add_rows(struct feed_run *r, const struct redo_row *rows, size_t n, bool whole,
		  struct err *e);
int feed_add_ddl(struct feed_run *r, const struct redo_ddl *ddl, struct err *e);
void feed_publish(struct feed_run *r); /* status */

/* schemas.c: structures of tables as they are where the log is read, and the reader's own
 * connection to the secondary. */
int schemas_connect(struct feed_run *r, struct deadline d, struct err *e);
/* after ERR_GONE: waits for the secondary, a minute at most */
int schemas_reconnect(struct feed_run *r, struct err *e);
/* map: of the rows that it is for; NULL: the place of the log where none are */
const struct table_schema *feed_schema_of(void *run, const char *db, const char *table,
					  const struct table_map *map, int attempt, struct err *e);
void feed_schemas_forget(struct feed_run *r);
/* a transaction was read to its end */
void feed_schemas_read_to(struct feed_run *r, uint64_t seq);
/* Before a DDL is taken: -1 (and r->again) when it changes a table whose structure the primary gave
 * as it was behind this DDL. */
int feed_schemas_sure(struct feed_run *r, const struct binlog_txn *ddl, struct err *e);
void feed_schemas_free(struct feed_run *r);

#endif
