/* Checks all requirements before a run at once; each finding has a fix. */
#ifndef HARNESS_RUN_PREFLIGHT_H
#define HARNESS_RUN_PREFLIGHT_H

#include "harness/cluster/ground.h"
#include "harness/run/run.h"

/* What every ground needs: the store (unless it brings one; NULL: no ground in particular), the
 * folder that runs go to. */
int preflight_store(const struct ground *g, enum run_store store, const char *out, finding_fn *fn,
		    void *arg);
/* Calls fn for each finding; returns their number. Of a plan (o->plan), only this machine is
 * examined: no cluster is contacted, nothing is created or installed. */
int preflight(const struct run_opts *o, finding_fn *fn, void *arg);

#endif
