/* A run from start to end: scenario, preflight, run directory, journal, script, teardown in reverse
 * order, the end in the journal. */
#ifndef HARNESS_RUN_RUN_H
#define HARNESS_RUN_RUN_H

#include "harness/run/runtime.h"

enum {
	EXIT_PASS = 0,
	EXIT_CHECK_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_ENV = 3,
	EXIT_UNKNOWN = 4,
	EXIT_INTERRUPTED = 130
};

/* The guide's own tools in the place of ours. */
struct run_tools {
	bool replay_stock, replay_both, compare, br, sysbench;
	bool new_ticdc; /* TiCDC's new architecture */
};
/* 1: text is "replay=stock" or the like, and taken; 0: it is none of them. */
int run_tool_set(struct run_tools *t, const char *text);

/* Who looks on while the run goes on. */
struct run_watch {
	/* the run's folder is there, its journal is not; -1 ends the run before it began */
	int (*begin)(void *arg, const char *run_dir, struct err *e);
	void (*event)(void *arg, json_t *event); /* as journal_listen() has it */
	void *arg;
};

struct run_opts {
	const struct ground *ground;
	const char *file, *out; /* out: "runs" */
	const char *const *set; /* "name=value", NULL-terminated */
	uint64_t seed;
	enum run_store store;
	bool plan, keep, quiet; /* quiet: nothing on stdout (--json) */
	int64_t timeout_ms;     /* of the whole run */
	/* Targets: a missed one is a failed check, one that was not measured an unknown one.
	 * Negative: none. */
	int64_t max_rpo_ms; /* the data-loss window */
	int64_t max_lost;   /* acknowledged transactions */
	int64_t max_rto_ms; /* until the first write on the promoted secondary */
	const char *version;
	const char *clusters; /* the clusters file of the attach ground; NULL: none */
	struct run_tools tools;
	/* of playground's clusters; NULL: the newest that is cached, else the newest */
	const char *tidb_version;
	const struct runtime_module *modules;
	const struct run_watch *watch; /* NULL: nobody */
};
/* Returns the exit code. *run_dir: the run folder (the caller's to free), NULL when none was made.
 * Errors are printed. Starts the guardian: call it from the main thread, before any other thread
 * exists. */
int run_scenario(const struct run_opts *o, char **run_dir);

#endif
