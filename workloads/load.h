/* The load engine: workers that send a load's transactions at a pace, each worker owning its
 * numbers and its ledger file. A load is a Lua file (workloads/loads/NAME.lua): options, prepare,
 * event as plain sequential statements. What a transaction does derives from (run seed, worker,
 * sequence) alone. */
#ifndef WORKLOADS_LOAD_H
#define WORKLOADS_LOAD_H

#include <stdbool.h>

#include "harness/base/clock.h"
#include "harness/base/hist.h"
#include "harness/sql/sql.h"
#include "harness/verify/audit_model.h"

enum load_pace { LOAD_POISSON, LOAD_EVEN }; /* the gaps between due times, where there is a rate */
enum load_protocol {
	LOAD_PREPARED, /* each statement prepared when a connection first uses it */
	LOAD_TEXT,
	/* a transaction's statements travel together, up to the next that reads rows for event() */
	LOAD_ONE_PACKET,
};
#define LOAD_BACKLOG_MAX 1000000
struct load_opts {
	const char *name; /* "oltp_write_only", or a path of a user's own load */
	const char *db;   /* NULL: "sbtest" (made by prepare) */
	uint64_t seed;
	unsigned workers;     /* connections */
	unsigned tables;      /* prepared */
	unsigned load_tables; /* written to: the first n; 0: all */
	int64_t table_size;
	double rate; /* transactions per second over all workers; 0: closed loop */
	/* instead of rate: steps and ramps (workloads/pace.h); NULL: none */
	const char *rate_plan;
	/* due and not begun: above it the load ends with an error that says so; 0:
	 * LOAD_BACKLOG_MAX */
	uint64_t backlog_max;
	/* transactions in all, after which the load ends; 0: no such end */
	uint64_t events;
	enum load_pace pace;
	enum load_protocol protocol;
	/* uniform, gaussian, special, pareto, zipfian; NULL: "special", sysbench 1.0's default */
	const char *rand_type;
	const char *ledger_dir; /* NULL: none */
	/* each transaction also inserts its (worker, seq) into drtest_ledger */
	bool ledger_rows;
	int64_t journal_start_ns; /* zero of the ledger's times (CLOCK_MONOTONIC) */
	/* a lost connection ends the worker (outcome unknown at COMMIT, failed before); else
	 * reconnect with backoff */
	bool stop_on_lost;
	/* One of `shards` processes, from 1, that together are one load (0: alone): workers are
	 * numbered on from the shards before, which have as many; the rate and the events are
	 * shared out. */
	unsigned shard, shards;
	int64_t start_at_ns; /* CLOCK_MONOTONIC: connected workers wait for it; 0: none */
	/* the search's number of the cluster that a shard of it writes to, for load_start() */
	uint16_t cluster;
	/* the load's own options: NULL-terminated "name=value"; NULL: their defaults */
	const char *const *set;
};

struct load;
/* reads the Lua file; a script error names file and line */
struct load *load_new(const struct load_opts *o, struct err *e);
/* Schema, rows (digits of writer 0), index; also drtest_ledger when asked. Uses `threads`
 * connections. */
int load_prepare(struct load *l, const struct sql_endpoint *ep, unsigned threads, struct deadline d,
		 struct err *e);
/* Drops its tables, and drtest_ledger with them; nothing where one of them has other columns. */
int load_cleanup(struct load *l, const struct sql_endpoint *ep, struct err *e);
/* Appends "db\ttable\ttable": what load_prepare() makes; with a '+' before it where it makes the
 * database, too. */
int load_tables(struct load *l, const struct sql_endpoint *ep, struct strbuf *out, struct err *e);
/* Connects all workers, then starts. cluster: the ledger's cluster number. After load_stop() it may
 * be started again, also on another endpoint: sequences go on. */
int load_start(struct load *l, const struct sql_endpoint *ep, uint16_t cluster, struct err *e);
/* each worker ends its transaction; ledger flushed */
int load_stop(struct load *l, struct deadline d, struct err *e);
void load_free(struct load *l);
bool load_running(struct load *l);
/* The first worker error that is not a lost connection or a retryable one; 0 none. */
int load_error(struct load *l, struct err *e);
/* From now on; what is due already stays due. 0: closed loop. */
void load_set_rate(struct load *l, double rate);
double load_rate(struct load *l); /* asked for at this instant; 0: closed loop */

/* The load's own consistency conditions (`checks` in its file): SQL that returns no row when all is
 * well, on whatever cluster. Calls found() for each condition: rows: what it returned, at most a
 * few, one line each; "" when it holds. -1: could not tell. */
int load_check(struct load *l, const struct sql_endpoint *ep,
	       void (*found)(void *arg, const char *condition, const char *rows), void *arg,
	       struct err *e);
/* Who wrote these digits of c or pad? 1: told (worker 0: prepared), 0: nobody of this load's seed.
 * load: a struct load. */
int load_writer_of(void *load, const char *text, size_t n, uint32_t *worker, uint64_t *seq);
const char *load_db(const struct load *l);
const char *load_ledger_table(const struct load *l); /* "" when it writes none */
/* the check of histories it is written for (docs/LOADS.md): "append", "bank"; "" none */
const char *load_history_check(struct load *l);

/* Nothing got through: for LOAD_QUIET_MS or longer no transaction was acknowledged though one was
 * due or under way. */
#define LOAD_QUIET_MS 5000
struct load_quiet {
	unsigned times;
	int64_t total_ms, longest_ms; /* the time under way included */
	/* how long already; 0: somebody gets through, or nothing is due */
	int64_t now_ms;
	uint64_t under_way;     /* transactions that wait for the server's answer */
	char last_failure[200]; /* what a statement was last told; "": nothing yet */
};
/* totals over all starts; from any thread */
void load_get_quiet(struct load *l, struct load_quiet *q);

struct load_stats {
	uint64_t started, acked, failed, unknown, retried, reconnects;
	/* the others: BEGIN, COMMIT, writes that changed no row */
	uint64_t statements, reads, writes;
	uint64_t backlog; /* due and not yet begun */
	/* The caller's buffers, or NULL. Latency counts from the due time: it is queue (due to
	 * begun) and service (begun to acknowledged). */
	struct hist *latency, *queue, *service;
	/* journal clock: first acknowledgement since load_start(); 0 none */
	int64_t first_ack_us;
};
/* How far prepare is, from any thread: false when it does not run. */
bool load_preparing(const struct load *l, unsigned *done, unsigned *total);
/* totals over all starts, except first_ack_us */
void load_get_stats(struct load *l, struct load_stats *st);
/* NULL when the load has none; lives as long as l */
const struct audit_model *load_model(struct load *l);
/* Before a run whose ledger shall be judged: the tables hold rows of this seed, and were prepared
 * with this table size. -1, ERR_USAGE: what was told is not what `prepare` was told. Says nothing
 * of a load without a model, and of tables that can't be read. */
int load_fits_tables(struct load *l, const struct sql_endpoint *ep, struct err *e);
#define LOAD_SEED 42 /* of prepare, run and judge, where none is told */

#endif
