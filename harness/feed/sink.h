/* The sink: several workers, each with a connection to the secondary, a thread and a queue of rows.
 * A table belongs to one worker, so changes of a table keep their order, but a transaction over
 * several tables is visible in parts while it is applied, as with TiCDC. Unless said otherwise, one
 * thread (the reader of the binary log) calls these functions. */
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
	size_t memory_bytes; /* for queued rows; the others go to a file in tmp_dir */
	const char *tmp_dir;
	tso_t start;          /* the secondary has everything up to it */
	bool keyless;         /* also apply rows of tables without a key */
	size_t keyless_bytes; /* limit for such rows of one transaction, which are applied at once
			       */
	/* Gives the structure of a table at the position of the rows that are being queued. Called
	 * by the reader; NULL: there is none. */
	const struct table_schema *(*schema)(void *arg, const char *db, const char *table,
					     const struct table_map *map, int attempt,
					     struct err *e);
	void *schema_arg;
	/* from worker threads: true: released rows are committed in part; false: all of them are */
	void (*busy)(void *arg, bool busy);
	/* from worker threads: what worker n waits for on the secondary; NULL: it continues */
	void (*waits)(void *arg, unsigned worker, const char *on);
	void *busy_arg; /* for busy and waits */
};
/* A worker connects as soon as rows are released to it. */
struct feed_sink *feed_sink_start(const struct feed_sink_opts *o, struct err *e);
void feed_sink_free(struct feed_sink *s); /* drops what is queued; NULL is fine */
/* The global variables that decide what a statement does. */
enum { FEED_GLOBALS = 11, FEED_GLOBAL_MAX = 127 };
struct feed_globals {
	char value[FEED_GLOBALS][FEED_GLOBAL_MAX + 1]; /* "": the server has no such variable */
	bool knows_zones;                              /* its time zone tables are filled */
};
int feed_globals_read(struct sql *s, struct feed_globals *out, struct err *e);
/* Call it before the first write: fails for a secondary on which the primary's changes would have
 * another effect, or that would change rows by itself (triggers, events, another primary). The
 * error names the reason and the fix. What would only stop the changefeed later is logged as a
 * warning. */
int feed_sink_fits(struct sql *secondary, const struct feed_globals *primary, struct err *e);

/* Call it once in a process, before its first write: from now on no other instance of this
 * changefeed can write to the secondary, and its connections there are killed; *killed: their
 * number. From any thread. */
int feed_sink_take_over(struct sql *control, const char *owner, uint64_t *killed, struct err *e);
/* Call it before the first connection: write with FEED_BDR_SERVER_ID, so that the opposite
 * changefeed recognizes these changes? */
void feed_sink_bears_bdr(bool bdr);
/* A connection to the secondary, with the session variables for applying changes, and recorded for
 * the fence. It waits for an answer no longer than d has left, until sql_patience(s, 0).
 * ERR_UNSUPPORTED: another instance of this changefeed has taken over. */
struct sql *feed_sink_connect(const struct sql_endpoint *to, const char *owner, struct deadline d,
			      struct err *e);
/* A connection of a server. The id is valid only until that server restarts. */
struct feed_server_id {
	uint64_t connection;
	int64_t server_start_s;
};
int feed_server_id(struct sql *s, struct feed_server_id *out, struct err *e);
/* Kills what a lost connection still executes on the server, so that it can't be applied after
 * later changes. */
int feed_connection_end(struct sql *control, const struct feed_server_id *old, struct deadline d,
			struct err *e);

/* Queues the rows of a transaction or of a part of it, in their order: net changes as netting.h
 * gives them, so of each table the deletes first, and a changed key is a delete and an insert. */
int feed_sink_push(struct feed_sink *s, const struct redo_row *rows, size_t n, struct err *e);
/* The transaction of the last pushed part will be pushed again from its start. */
void feed_sink_read_again(struct feed_sink *s);
/* The steps of watermarks (watermarks.h) that the reader takes, under the sink's lock. */
void feed_sink_announce(struct feed_sink *s, tso_t ts);
void feed_sink_flush_begin(struct feed_sink *s);
void feed_sink_flush_done(struct feed_sink *s);
void feed_sink_release(struct feed_sink *s, tso_t resolved); /* workers start */
/* a copy, with an up-to-date checkpoint */
struct watermarks feed_sink_progress(struct feed_sink *s);
size_t feed_sink_memory(struct feed_sink *s);
uint64_t feed_sink_spooled(struct feed_sink *s); /* bytes in the file */
/* A DDL was executed: structures of tables are read again for the next rows. */
void feed_sink_forget_tables(struct feed_sink *s);

/* 1: all that is released is committed; 0: not within wait_ms; -1: a worker failed. */
int feed_sink_drain(struct feed_sink *s, int wait_ms, struct err *e);
int feed_sink_failed(struct feed_sink *s, struct err *e); /* -1 with the worker's error */

#endif
