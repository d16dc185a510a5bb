/* Inside the load engine: what its parts share. */
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
	PHASE_SESSION, /* becoming ready */
	PHASE_IDLE,
	PHASE_EVENT, /* in event(), or in a call of it */
	PHASE_LEDGER_ROW,
	PHASE_COMMIT,
	PHASE_POSITION, /* the parts of con:commit() */
	PHASE_ROLLBACK, /* after a failure, before the next transaction */
	PHASE_BACKOFF,  /* lost; connects again at wake_ns */
	/* refused; the next transaction begins at wake_ns, on the same connection */
	PHASE_PAUSE,
	PHASE_ENDED,
};

/* One connection and its numbers, used by its thread alone; the counters are read by anyone. */
struct worker {
	alignas(64) _Atomic uint64_t started, acked, failed, unknown, retried, reconnects,
		statements, reads, writes;
	uint32_t number; /* from 1 */
	uint64_t seq;    /* the last one used */
	struct ledger_writer *ledger;
	struct history *history; /* opened by the first note */
	struct strbuf notes;
	struct engine_thread *thread;
	struct conn conn;
	enum phase phase;
	bool was_ready; /* it has connected since load_start() */
	int backoff_ms;
	int64_t wake_ns;
	struct worker *next_idle;
	/* the transaction under way */
	struct draw draw;
	struct con_face con;
	struct con_call ledger_call;
	/* statements as text: the one under way, or those that wait to travel together */
	struct strbuf packet;
	unsigned packet_n, packet_sent; /* statements in it; in the one that was sent */
	lua_State *co;
	int co_ref, con_ref, draw_ref;
	bool in_txn, wrote, committed, rolled_back, autocommitted, again;
	/* before the next transaction: the server would refuse that too */
	bool pause;
	uint64_t position; /* the commit's; 0 unknown */
	bool answered;     /* the call has its answer without having been sent yet */
	int64_t due_ns, begin_ns, end_ns;
};

struct engine_thread {
	struct load *load;
	pthread_t id;
	bool running;
	atomic_bool ended; /* its last act */
	int epoll_fd;
	struct script script; /* its own Lua state */
	struct worker **worker;
	size_t n_workers, n_ended;
	struct worker *idle_first, *idle_last;
	/* written by this thread with relaxed stores: from due to acknowledged, and its two parts
	 */
	struct hist latency, queue, service;
};

struct load {
	struct load_opts o;
	char *name, *db, *ledger_dir;
	char **set;
	struct dist dist;
	struct script script; /* prepare and the model's; guarded by model_lock */
	pthread_mutex_t model_lock;
	struct audit_model model;
	struct draw model_draw;
	struct con_face model_con;
	int model_con_ref, model_draw_ref;
	bool has_model;
	/* tables (or warehouses) that prepare has made, and is to make */
	_Atomic unsigned prepared, prepare_units;
	struct worker *worker;
	struct engine_thread thread[LOAD_THREADS_MAX];
	unsigned n_threads;
	struct sql_endpoint endpoint;
	uint16_t cluster;
	bool started; /* between load_start() and load_stop(); the caller's thread */
	bool stuck;   /* a thread of it never ends: what it uses is never freed */
	atomic_bool stopping, cutting;
	_Atomic int64_t first_ack_us;
	_Atomic unsigned alive, ready; /* workers that have not ended; that have connected */
	_Atomic unsigned held;         /* workers that wait before they try again */
	atomic_bool go;                /* all have */
	/* under lock */
	pthread_mutex_t lock;
	struct err error;        /* the first */
	struct err last_failure; /* of a statement: why nobody gets through, perhaps */
	/* nothing was acknowledged since, though something was due; when that was last looked at */
	int64_t quiet_since_ns, looked_ns;
	uint64_t looked_acked;
	struct load_quiet quiet;
	struct pace pace;
	bool paced;           /* its schedule has begun */
	uint64_t events_left; /* transactions that may still begin */
};

/* engine.c */
int engine_start(struct load *l, struct err *e);
/* -1: a thread computes without end in the load's Lua, which nothing can stop; l is stuck then. */
int engine_join(struct load *l, struct err *e);
void engine_error(struct load *l, const struct err *e); /* keeps the first */
/* 1: *due_ns is the caller's transaction; 0: none is due before *due_ns; -1: none will come any
 * more. */
int load_take(struct load *l, int64_t now_ns, int64_t *due_ns);
/* worker.c: these change a worker's state and start operations; worker_ready(w, 0) then goes on as
 * far as it can without waiting */
void worker_begin(struct worker *w, int64_t due_ns, int64_t now_ns);
void worker_connect(struct worker *w);
void worker_ready(struct worker *w, int ready); /* its socket is */
void worker_tick(struct worker *w, int64_t now_ns);
void worker_end(struct worker *w);
/* model.c */
int model_init(struct load *l, struct err *e);

#endif
