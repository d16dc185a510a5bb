/* Inside the load engine: the state that engine.c, worker.c, prepare.c, model.c and load.c share.
 * A load has up to LOAD_THREADS_MAX threads, each with a Lua state and a set of workers; a worker
 * is one connection with its counters. What a field needs (its thread, a lock, an atomic) is said
 * beside it. All memory belongs to struct load and is freed by load_free(). */
#ifndef WORKLOADS_LOAD_IMPL_H
#define WORKLOADS_LOAD_IMPL_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "harness/verify/ledger.h"
#include "workloads/history.h"
#include "workloads/conn.h"
#include "workloads/load.h"
#include "workloads/pace.h"
#include "workloads/script.h"

#define LOAD_THREADS_MAX 4
#define LEDGER_TABLE "drtest_ledger"

enum phase {
	PHASE_CONNECT,
	PHASE_SESSION_MULTI,
	PHASE_SESSION, /* until here: connecting and setting up the session */
	PHASE_IDLE,
	PHASE_EVENT, /* event() runs, or waits for one of its statements */
	PHASE_LEDGER_ROW,
	PHASE_COMMIT,
	PHASE_POSITION, /* the parts of con:commit() */
	PHASE_ROLLBACK, /* after a failure, before the next transaction */
	PHASE_BACKOFF,  /* the connection is lost; reconnects at wake_ns */
	/* the server refused a statement; the next transaction starts at wake_ns, on the same
	 * connection */
	PHASE_PAUSE,
	PHASE_ENDED,
};

/* One connection and its counters. Only its thread uses it, but any thread may read the counters.
 */
struct worker {
	alignas(64) _Atomic uint64_t started, acked, failed, unknown, retried, reconnects,
		statements, reads, writes;
	uint32_t number; /* from 1 */
	uint64_t seq;    /* sequence number of the latest transaction */
	struct ledger_writer *ledger;
	struct history *history; /* opened by the first con:note() */
	struct strbuf notes;
	struct engine_thread *thread;
	struct conn conn;
	enum phase phase;
	bool was_ready; /* has connected at least once since load_start() */
	int backoff_ms;
	int64_t wake_ns;
	struct worker *next_idle;
	/* the current transaction */
	struct draw draw;
	struct con_face con;
	struct con_call ledger_call;
	/* text protocol: the current statement, or those to be sent together in one packet */
	struct strbuf packet;
	unsigned packet_n, packet_sent; /* statements in it; in the packet that was sent */
	lua_State *co;
	int co_ref, con_ref, draw_ref;
	bool in_txn, wrote, committed, rolled_back, autocommitted, again;
	/* wait before the next transaction, which the server would refuse too */
	bool pause;
	uint64_t position; /* of the commit; 0: unknown */
	bool answered;     /* the call got its result without a statement being sent */
	int64_t due_ns, begin_ns, end_ns;
};

struct engine_thread {
	struct load *load;
	pthread_t id;
	bool running;
	atomic_bool ended; /* set last, when the thread touches nothing any more */
	int epoll_fd;
	struct script script; /* its own Lua state */
	struct worker **worker;
	size_t n_workers, n_ended;
	struct worker *idle_first, *idle_last;
	/* latency: from the due time to the acknowledgement; queue and service are its two parts.
	 * Written by this thread alone, with relaxed stores */
	struct hist latency, queue, service;
};

struct load {
	struct load_opts o;
	char *name, *db, *ledger_dir;
	char **set;
	struct dist dist;
	struct script script; /* for prepare() and the model; guarded by model_lock */
	pthread_mutex_t model_lock;
	struct audit_model model;
	struct draw model_draw;
	struct con_face model_con;
	int model_con_ref, model_draw_ref;
	bool has_model;
	/* tables (or warehouses) that prepare has created, and their total */
	_Atomic unsigned prepared, prepare_units;
	struct worker *worker;
	struct engine_thread thread[LOAD_THREADS_MAX];
	unsigned n_threads;
	/* writes the ledgers; waits for ledgers_ended, under lock */
	pthread_t ledger_thread;
	pthread_cond_t ledger_wake;
	bool ledger_running, ledgers_ended;
	struct sql_endpoint endpoint;
	uint16_t cluster;
	bool started; /* between load_start() and load_stop(); used by the caller's thread */
	bool stuck;   /* one of its threads never ends, so the memory is never freed */
	atomic_bool stopping, cutting;
	_Atomic int64_t first_ack_us;
	_Atomic unsigned alive, ready; /* workers that have not ended; that have connected */
	_Atomic unsigned held;         /* workers that wait before they retry */
	atomic_bool go;                /* all workers have connected */
	/* under lock */
	pthread_mutex_t lock;
	struct err error;        /* the first */
	struct err last_failure; /* of a statement: perhaps why no transaction succeeds */
	/* since when nothing was acknowledged although transactions were due; when that was last
	 * checked */
	int64_t quiet_since_ns, looked_ns;
	uint64_t looked_acked;
	struct load_quiet quiet;
	struct pace pace;
	bool paced;           /* the schedule of transactions has started */
	uint64_t events_left; /* transactions that may still start */
};

/* engine.c */
int engine_start(struct load *l, struct err *e);
/* -1: a thread runs an endless loop in the load's Lua code, which nothing can stop; sets l->stuck.
 */
int engine_join(struct load *l, struct err *e);
void engine_error(struct load *l, const struct err *e); /* only the first error is kept */
/* Takes the next transaction from the schedule. 1: it is due at *due_ns; 0: none is due before
 * *due_ns; -1: there are no more. */
int load_take(struct load *l, int64_t now_ns, int64_t *due_ns);
/* worker.c: these change a worker's state and start operations without waiting; worker_ready(w, 0)
 * then continues until it has to wait */
void worker_begin(struct worker *w, int64_t due_ns, int64_t now_ns);
void worker_connect(struct worker *w);
void worker_ready(struct worker *w, int ready); /* its socket is ready: MYSQL_WAIT_* bits */
/* The server has closed its connection: one that is idle sees it now, not at its next transaction.
 */
void worker_hung_up(struct worker *w);
void worker_tick(struct worker *w, int64_t now_ns);
void worker_end(struct worker *w);
/* model.c */
int model_init(struct load *l, struct err *e);

#endif
