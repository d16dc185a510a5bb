/* What has to be there before a run, looked for all at once: each finding with its way out. */
#ifndef HARNESS_RUN_PREFLIGHT_H
#define HARNESS_RUN_PREFLIGHT_H

#include "harness/cluster/cluster.h"
#include "harness/run/runtime.h"

/* Calls fn for each finding; returns their number. out: the folder that runs go to. */
int preflight(const char *ground, enum run_store store, const char *out, finding_fn *fn, void *arg);

#endif
