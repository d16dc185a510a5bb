/* The load engine. Workers send a load's transactions at a given rate; each worker has a
 * connection, counters and a ledger file of its own. A load is a Lua file
 * (workloads/loads/NAME.lua) with its options, `prepare`, and `event`: a transaction as plain
 * sequential statements. What a transaction does depends on the seed, the worker and the sequence
 * number alone. Functions are for one thread unless they say otherwise. */
#ifndef WORKLOADS_LOAD_H
#define WORKLOADS_LOAD_H

#include <stdbool.h>

#include "harness/base/clock.h"
#include "harness/base/hist.h"
#include "harness/sql/sql.h"
#include "harness/verify/audit_model.h"

enum load_pace { LOAD_POISSON, LOAD_EVEN }; /* intervals between due times, if there is a rate */
enum load_protocol {
	LOAD_PREPARED, /* a connection prepares each statement when it first uses it */
	LOAD_TEXT,
	/* statements are sent together, up to the next one whose rows event() reads */
	LOAD_ONE_PACKET,
};
#define LOAD_BACKLOG_MAX 1000000
struct load_opts {
	const char *name; /* "oltp_write_only", or the path of a user's own load */
	const char *db;   /* NULL: "sbtest" (made by prepare) */
	uint64_t seed;
	unsigned workers;     /* connections */
	unsigned tables;      /* prepared */
	unsigned load_tables; /* it writes to the first n; 0: to all */
	int64_t table_size;
	double rate;           /* transactions per second over all workers; 0: closed loop */
	const char *rate_plan; /* instead of rate: steps and ramps (workloads/pace.h); or NULL */
	/* The load ends with an error when more transactions than this are due and not yet begun.
	 * 0: LOAD_BACKLOG_MAX */
	uint64_t backlog_max;
	uint64_t events; /* the load ends after so many transactions; 0: no limit */
	enum load_pace pace;
	enum load_protocol protocol;
	/* uniform, gaussian, special, pareto, zipfian; NULL: "special", sysbench 1.0's default */
	const char *rand_type;
	const char *ledger_dir; /* NULL: none */
	/* each transaction also inserts its (worker, seq) into drtest_ledger */
	bool ledger_rows;
	int64_t journal_start_ns; /* zero of the ledger's times (CLOCK_MONOTONIC) */
	/* a lost connection ends its worker; else the worker connects again, with backoff. Lost
	 * during COMMIT the transaction's outcome is unknown, before it failed. */
	bool stop_on_lost;
	/* This process is shard number `shard` of 1..`shards`, which together are one load; 0:
	 * there are none. Each shard has `workers` workers, numbered after those of the shards
	 * before it, and its part of the rate and the events. */
	unsigned shard, shards;
	int64_t start_at_ns; /* CLOCK_MONOTONIC: connected workers wait until then; 0: they do not
			      */
	uint16_t cluster;    /* shards: the ledger's cluster number, for load_start() */
	/* the load's own options, "name=value", NULL at the end; NULL: the defaults */
	const char *const *set;
};

struct load;
/* Reads the Lua file. An error of the script names file and line. */
struct load *load_new(const struct load_opts *o, struct err *e);
/* Makes the tables, their rows (digits of writer 0), the index, and drtest_ledger if ledger_rows,
 * with `threads` connections. */
int load_prepare(struct load *l, const struct sql_endpoint *ep, unsigned threads, struct deadline d,
		 struct err *e);
/* Drops its tables and drtest_ledger; none of them if one has other columns than expected. */
int load_cleanup(struct load *l, const struct sql_endpoint *ep, struct err *e);
/* Appends what load_prepare() makes: "db\ttable\ttable", with a leading '+' if the database too. */
int load_tables(struct load *l, const struct sql_endpoint *ep, struct strbuf *out, struct err *e);
/* Connects all workers, then starts them. cluster: the cluster's number in the ledger. A stopped
 * load can be started again, also on another endpoint; sequence numbers continue. */
int load_start(struct load *l, const struct sql_endpoint *ep, uint16_t cluster, struct err *e);
/* Lets each worker finish its transaction, then flushes the ledger. */
int load_stop(struct load *l, struct deadline d, struct err *e);
void load_free(struct load *l);
bool load_running(struct load *l);
/* -1: *e is the first error of a worker that is neither a lost connection nor retryable. */
int load_error(struct load *l, struct err *e);
/* From any thread. Transactions that are due already stay due. 0: closed loop. */
void load_set_rate(struct load *l, double rate);
double load_rate(struct load *l); /* the rate that is set now */

/* Checks the load's own consistency conditions (`checks` in its file): queries that must return no
 * row. Calls found() for each condition with the first rows it returned, one a line; "" if the
 * condition holds. -1: a query failed. */
int load_check(struct load *l, const struct sql_endpoint *ep,
	       void (*found)(void *arg, const char *condition, const char *rows), void *arg,
	       struct err *e);
/* Who wrote these digits of c or pad? 1: *worker (0: load_prepare()) and *seq are set; 0: no
 * transaction of this load's seed. load: a struct load. */
int load_writer_of(void *load, const char *text, size_t n, uint32_t *worker, uint64_t *seq);
const char *load_db(const struct load *l);
const char *load_ledger_table(const struct load *l); /* "" if it has none */
/* the isolation check that the load is made for (docs/LOADS.md): "append", "bank"; "" none */
const char *load_history_check(struct load *l);

/* The times when nothing got through: for LOAD_QUIET_MS or longer no transaction was acknowledged
 * although one was due or under way. */
#define LOAD_QUIET_MS 5000
struct load_quiet {
	unsigned times;
	int64_t total_ms, longest_ms; /* with the one that lasts still */
	int64_t now_ms;               /* how long that one has lasted; 0: there is none */
	uint64_t under_way;           /* transactions that wait for the server's answer */
	char last_failure[200];       /* the last error of a statement; "": none yet */
};
/* Totals over all starts, from any thread. */
void load_get_quiet(struct load *l, struct load_quiet *q);

struct load_stats {
	uint64_t started, acked, failed, unknown, retried, reconnects;
	/* of statements; the rest are BEGIN, COMMIT and writes that changed no row */
	uint64_t statements, reads, writes;
	uint64_t backlog; /* due and not yet begun */
	/* The caller's buffers, or NULL. Latency counts from the due time: queue, from due to
	 * begun, plus service, from begun to acknowledged. */
	struct hist *latency, *queue, *service;
	int64_t first_ack_us; /* journal clock, since load_start(); 0: none yet */
};
/* Progress of load_prepare(), from any thread. false: it does not run. */
bool load_preparing(const struct load *l, unsigned *done, unsigned *total);
/* totals over all starts, except first_ack_us */
void load_get_stats(struct load *l, struct load_stats *st);
/* NULL if the load has none; valid until load_free() */
const struct audit_model *load_model(struct load *l);
/* Before a run whose ledger shall be judged: the tables hold rows of this seed, and were prepared
 * with this table size. -1, ERR_USAGE: what was told is not what `prepare` was told. Says nothing
 * of a load without a model, and of tables that can't be read. */
int load_fits_tables(struct load *l, const struct sql_endpoint *ep, struct err *e);
#define LOAD_SEED 42 /* of prepare, run and judge, where none is told */

#endif
