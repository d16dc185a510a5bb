/* A rate over time, as data, and the due times that follow from it: even, or a Poisson process (the
 * gaps are exponential; where the rate changes, by time's rescaling: each transaction is due when
 * the rate's integral since the last one reaches 1, or a draw of Exp(1)).
 *
 * As text: "500" for ever; "100/30s,500/30s,1000": steps; "100-1000/60s,1000": a ramp, then steady.
 * 0 in a list of several is a pause; a plain 0 means as fast as it goes (closed loop). */
#ifndef WORKLOADS_PACE_H
#define WORKLOADS_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/rng.h"

#define PACE_STEPS_MAX 64
#define PACE_NEVER INT64_MAX

struct pace_step {
	double from, to; /* transactions per second at its begin and end */
	int64_t len_ns;  /* PACE_NEVER: it does not end */
};
struct pace {
	struct pace_step step[PACE_STEPS_MAX + 1];
	unsigned n, at; /* `at` holds the next due time */
	int64_t step_start_ns;
	int64_t next_ns; /* the next due time; PACE_NEVER: none will come */
	bool even, closed;
	double first; /* even: how much of a gap before the first; 0: a whole one */
	struct rng rng;
};
int pace_parse(struct pace *p, const char *text, struct err *e); /* the steps; the rest is kept */
/* one step for ever; 0: closed loop */
void pace_set(struct pace *p, double rate);
/* this one's share, from 1, of a schedule that several keep together */
void pace_share(struct pace *p, unsigned shard, unsigned shards);
void pace_begin(struct pace *p, int64_t now_ns); /* the schedule starts now */
/* after a pause: the steps went on, what was due meanwhile is not */
void pace_resume(struct pace *p, int64_t now_ns);
/* next_ns is taken: the one after it */
void pace_advance(struct pace *p);
/* From now on `rate`; what is due until now stays due. */
void pace_change(struct pace *p, int64_t now_ns, double rate);
/* how many are due by now and not taken: as the schedule expects */
double pace_due(const struct pace *p, int64_t now_ns);
double pace_rate(const struct pace *p, int64_t now_ns);

#endif
