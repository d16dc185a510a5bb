/* What the files of the sink share: sink.c queues what the reader brings, sink_worker.c applies it,
 * sink_conn.c opens connections to the secondary. */
#ifndef HARNESS_FEED_SINK_IMPL_H
#define HARNESS_FEED_SINK_IMPL_H

#include <pthread.h>

#include "harness/feed/queue.h"
#include "harness/feed/sink.h"
#include "harness/feed/sink_sql.h"

/* of one database transaction, unless a single row is larger */
#define BATCH_BYTES_MAX ((size_t)1 << 20)

struct sink_worker {
	struct feed_sink *sink;
	unsigned number;
	pthread_t thread;
	bool started;
	struct sql *sql; /* NULL: nothing was released yet */
	int socket;      /* its, to cut it off; -1: none */
	struct feed_server_id id;
	struct feed_queue queue;
	uint64_t waiting;           /* rows in the queue */
	struct strbuf batch;        /* what it executes now */
	struct strbuf held;         /* of tables without a key: the beginning of a commitTs */
	struct feed_table **tables; /* its own copy of the sink's list, long enough for the batch */
	size_t tables_alloc;
};

struct feed_sink {
	struct feed_sink_opts o;
	pthread_mutex_t lock;
	pthread_cond_t work; /* something was released, or the end has come */
	pthread_cond_t done; /* a worker committed, or failed */
	struct watermarks progress;
	struct feed_spool spool;
	struct sink_worker *workers;
	struct feed_table **tables;
	size_t n_tables, tables_alloc;
	/* those before it are as they were before the last DDL: rows that wait are of them */
	size_t first_table;
	unsigned next_worker;
	bool torn;
	bool quit;
	bool failed;
	struct err error; /* the first worker's */
	/* keyless_done is there, and tells of this changefeed alone */
	pthread_mutex_t keyless_lock;
	bool keyless_ready;
	struct strbuf text; /* scratch of push */
};

/* A worker's thread, until s->quit or s->failed. */
void *feed_sink_worker_main(void *worker);

#endif
