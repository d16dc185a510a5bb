/* The sink: several connections to the secondary, each with a thread and a FIFO of rows. A table
 * belongs to one worker, so the order within a table is kept and a transaction over several tables
 * is torn while it is applied, as TiCDC does it. One thread (the reader) calls these functions. */
#ifndef HARNESS_FEED_SINK_H
#define HARNESS_FEED_SINK_H

#include "harness/feed/watermarks.h"
#include "harness/redo/record.h"
#include "harness/sql/schema.h"
#include "harness/sql/sql.h"

struct feed_sink;
struct table_map;
struct feed_sink_opts {
	struct sql_endpoint to;
	const char *owner; /* changefeed id, for the fence */
	unsigned workers, batch_rows;
	size_t memory_bytes; /* of waiting rows; the rest goes to tmp_dir */
	const char *tmp_dir;
	tso_t start;          /* everything at or before it is in the secondary */
	bool keyless;         /* rows of tables without a key come too */
	size_t keyless_bytes; /* of one transaction, held and applied at once; more is an error */
	/* The structure of a table as its rows in the queue have it; NULL: not asked. Called by the
	 * reader. */
	const struct table_schema *(*schema)(void *arg, const char *db, const char *table,
					     const struct table_map *map, int attempt,
					     struct err *e);
	void *schema_arg;
	/* from worker threads: what was released is committed in part; it is as a whole */
	void (*busy)(void *arg, bool busy);
	/* From worker threads: worker n waits for the secondary, and for what; NULL: it goes on. */
	void (*waits)(void *arg, unsigned worker, const char *on);
	void *busy_arg; /* of both */
};
/* Each worker connects when something was released to it. */
struct feed_sink *feed_sink_start(const struct feed_sink_opts *o, struct err *e);
void feed_sink_free(struct feed_sink *s); /* what waits is dropped */
/* What a server has for everybody, and what of it makes the same statement mean the same. */
enum { FEED_GLOBALS = 11, FEED_GLOBAL_MAX = 127 };
struct feed_globals {
	char value[FEED_GLOBALS][FEED_GLOBAL_MAX + 1]; /* "": it has none of this name */
	bool knows_zones;                              /* time zones by name */
};
int feed_globals_read(struct sql *s, struct feed_globals *out, struct err *e);
/* Before the first write: refuses, by name and with the way out, a secondary on which the
 * primary's changes would become something else, or that would write by itself (triggers, events,
 * another primary). What ends the changefeed only where it happens is told in the log. */
int feed_sink_fits(struct sql *secondary, const struct feed_globals *primary, struct err *e);

/* Once in a process, before its first write: no other instance of this changefeed writes to the
 * secondary from now on, and what one left running there has ended; *killed: so many connections of
 * it. Any thread. */
int feed_sink_take_over(struct sql *control, const char *owner, uint64_t *killed, struct err *e);
/* Before the first connection: whether what this changefeed writes bears FEED_BDR_SERVER_ID. */
void feed_sink_bears_bdr(bool bdr);
/* A connection to the secondary with the session that applying needs, recorded for the fence.
 * ERR_UNSUPPORTED: another instance of this changefeed has taken over since feed_sink_take_over().
 */
struct sql *feed_sink_connect(const struct sql_endpoint *to, const char *owner, struct deadline d,
			      struct err *e);
/* Ends what a lost connection still runs on the server, so that it can't land behind what comes
 * next. */
/* a connection id is only worth something while the server that gave it lives */
struct feed_server_id {
	uint64_t connection;
	int64_t server_start_s;
};
int feed_server_id(struct sql *s, struct feed_server_id *out, struct err *e);
int feed_connection_end(struct sql *control, const struct feed_server_id *old, struct deadline d,
			struct err *e);

/* Queues the rows of a transaction, or a batch of it: net changes in (db, table) groups. */
int feed_sink_push(struct feed_sink *s, const struct redo_row *rows, size_t n, struct err *e);
/* The transaction of which a part was pushed last comes again from its beginning. */
void feed_sink_read_again(struct feed_sink *s);
/* Under the sink's lock: the steps of watermarks that the reader takes. */
void feed_sink_announce(struct feed_sink *s, tso_t ts);
void feed_sink_flush_begin(struct feed_sink *s);
void feed_sink_flush_done(struct feed_sink *s);
void feed_sink_release(struct feed_sink *s, tso_t resolved); /* workers start */
/* a copy, checkpoint brought up to date */
struct watermarks feed_sink_progress(struct feed_sink *s);
size_t feed_sink_memory(struct feed_sink *s);
uint64_t feed_sink_spooled(struct feed_sink *s); /* bytes in the file */
/* rows that come from now on are of tables as a DDL made them */
void feed_sink_forget_tables(struct feed_sink *s);

/* 1: all that is released is committed; 0: not within wait_ms; -1: a worker failed. */
int feed_sink_drain(struct feed_sink *s, int wait_ms, struct err *e);
int feed_sink_failed(struct feed_sink *s, struct err *e); /* -1 with the worker's error */

#endif
