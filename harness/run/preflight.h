/* Checks all requirements before a run at once; each finding has a fix. */
#ifndef HARNESS_RUN_PREFLIGHT_H
#define HARNESS_RUN_PREFLIGHT_H

#include "harness/cluster/ground.h"
#include "harness/run/runtime.h"

/* What every ground needs: the store (unless it brings one; NULL: no ground in particular), the
 * folder that runs go to. */
int preflight_store(const struct ground *g, enum run_store store, const char *out, finding_fn *fn,
		    void *arg);
/* Calls fn for each finding; returns their number. out: the folder that runs go to. */
int preflight(const struct ground *g, enum run_store store, const char *out, finding_fn *fn,
	      void *arg);

struct run_tools;
/* The same for the tools that --set asks for: is each here, and can the ground do it? version:
 * TiDB's, NULL: the newest. */
int preflight_tools(const struct run_tools *t, const struct ground *g, const char *version,
		    finding_fn *fn, void *arg);

#endif
