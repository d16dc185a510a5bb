/* Inside harness/run: the struct behind runtime.h. */
#ifndef HARNESS_RUN_RUNTIME_IMPL_H
#define HARNESS_RUN_RUNTIME_IMPL_H

#include <pthread.h>

#include "harness/base/rng.h"
#include "harness/run/console.h"
#include "harness/run/owned.h"
#include "harness/run/owned.h"
#include "harness/run/runtime.h"

struct owned {
	const struct owned_ops *ops;
	void *object;
	_Atomic bool expected; /* healthy */
};
struct route {
	char party[16];
	int port, via_port;
};
#define ROUTES_MAX 64
struct runtime {
	struct journal *journal;
	struct console *console;
	const struct ground *ground;
	const char *tidb_version;
	const struct run_tools *tools;
	bool stands_in; /* it was said */
	char *dir, *data_dir, *ledger_dir;
	uint64_t seed;
	struct rng rng; /* what the scenario draws */
	enum run_store store;
	bool plan, keep;
	unsigned clusters;
	struct route routes[ROUTES_MAX];
	size_t n_routes;
	pthread_mutex_t lock; /* owned, versions */
	struct owned *owned;
	size_t n_owned, room;
	/* the step under way */
	int step;
	char step_name[128];
	int64_t step_start_ns;
	int step_findings, step_failed; /* checks of it that did not pass; that failed */
	/* verdicts */
	enum verdict worst;
	unsigned checks, failed, unknown;
	_Atomic int faults;       /* in force */
	_Atomic int64_t fault_ns; /* when one last began or ended; 0: none did */
	/* recovery */
	int64_t disaster_ns, disaster_wall_ms, phase_start_ns;
	char phase[32];
	json_t *rto;
	bool has_rpo;
	double lost, acked, window_ms, behind_ms; /* of the last RPO told; < 0: not known */
	/* the sampler */
	pthread_t sampler;
	bool sampling, sampler_stop;
	pthread_cond_t wake;
	int64_t timeout_ms;
	int64_t late_ms; /* how late the sampler was at the most */
	/* why times of this run are the machine's and not the clusters'; "": they are not */
	char slow[160];
	int64_t until_ns; /* of a wait; 0: none */
	/* for what the scenario waits, or what it checks; "": for neither */
	char waiting[96];
	struct {
		char what[64];
		int step; /* in which it is told */
		double share;
		uint64_t rows;
		int64_t since_ns;
	} work;
	int64_t timeout_ns; /* CLOCK_MONOTONIC; the run is cancelled then */
	/* why the sampler cancelled the run: its time was over, its folder's disk full */
	char cut_short[160];
};
int runtime_sampler_start(struct runtime *r, struct err *e);
void runtime_sampler_stop(struct runtime *r);
/* Was this machine too slow for what is promised in seconds? The reason, or "". */
void runtime_slow(struct runtime *r, char *why, size_t size);
/* nothing when no step is open */
void runtime_step_end(struct runtime *r, const char *status, const char *detail);
/* runtime_of() finds r, and errors can be raised; before anything else in a state */
void runtime_bind(lua_State *L, struct runtime *r);
/* pushes the table of steps, checks and figures */
int lua_steps_open(lua_State *L);
/* a line that somebody typed; one of its functions */
int lua_read_line(lua_State *L);

#endif
