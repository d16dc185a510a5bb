/* Inside harness/run: the struct behind runtime.h. The scenario's thread uses it; the sampler's
 * thread reads what is atomic or under the lock. Times ending in _ns are CLOCK_MONOTONIC; 0: not
 * yet. */
#ifndef HARNESS_RUN_RUNTIME_IMPL_H
#define HARNESS_RUN_RUNTIME_IMPL_H

#include <pthread.h>

#include "harness/base/rng.h"
#include "harness/run/console.h"
#include "harness/run/owned.h"
#include "harness/run/runtime.h"

struct owned {
	const struct owned_ops *ops;
	void *object;
	_Atomic bool expected; /* it has to be healthy now */
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
	bool stands_in; /* that a stand-in is used was reported */
	char *dir, *data_dir, *ledger_dir;
	uint64_t seed;
	struct rng rng; /* for t:draw() */
	enum run_store store;
	bool plan, keep;
	unsigned clusters;
	struct route routes[ROUTES_MAX];
	size_t n_routes;
	pthread_mutex_t lock; /* owned, versions */
	struct owned *owned;
	size_t n_owned, room;
	/* the current step */
	int step;
	char step_name[128];
	int64_t step_start_ns;
	int step_findings, step_failed; /* its checks that did not pass; that failed */
	/* verdicts */
	enum verdict worst;
	unsigned checks, failed, unknown;
	_Atomic int faults;       /* active ones */
	_Atomic int64_t fault_ns; /* when a fault last started or ended */
	/* recovery */
	int64_t disaster_ns, disaster_wall_ms, phase_start_ns;
	char phase[32];
	json_t *rto;
	bool has_rpo;
	double lost, acked, window_ms, behind_ms; /* of the latest RPO; < 0: not known */
	/* the sampler */
	pthread_t sampler;
	bool sampling, sampler_stop;
	pthread_cond_t wake;
	int64_t timeout_ms;
	int64_t late_ms; /* the sampler's greatest delay */
	/* why the times of this run say more about the machine than about the clusters; "": they
	 * do not */
	char slow[160];
	int64_t until_ns; /* the deadline of a wait; 0: none */
	/* what the scenario waits for, or checks; "": neither */
	char waiting[96];
	struct {
		char what[64];
		int step; /* in which it was reported */
		double share;
		uint64_t rows;
		int64_t since_ns;
	} work;
	int64_t timeout_ns; /* when the run is cancelled */
	/* why the sampler cancelled the run: it took too long, or its disk is full */
	char cut_short[160];
};
int runtime_sampler_start(struct runtime *r, struct err *e);
void runtime_sampler_stop(struct runtime *r);
/* Writes why this machine was too slow to judge limits in seconds, or "". */
void runtime_slow(struct runtime *r, char *why, size_t size);
/* does nothing if there is no current step */
void runtime_step_end(struct runtime *r, const char *status, const char *detail);
/* Call it first for a new state: runtime_of() finds r then, and errors can be raised. */
void runtime_bind(lua_State *L, struct runtime *r);
/* pushes the table of steps, checks and figures */
int lua_steps_open(lua_State *L);
/* the function that reads a line from the terminal */
int lua_read_line(lua_State *L);

#endif
