/* The parts of `drtest selftest`: a small real drill is recorded, then judged many times with a
 * defect planted in it; its servers stay up for the checks that need servers. */
#ifndef SUITES_SELFTEST_H
#define SUITES_SELFTEST_H

#include "harness/cluster/ground.h"
#include "harness/verify/defects.h"
#include "suites/scores.h"
#include "workloads/load.h"

struct recording {
	char *dir;                           /* of its own */
	struct cluster *primary, *secondary; /* the primary is dead: it was killed under load */
	struct load *load;
	char *ledger_dir, *redo_uri;
	struct backup_result backup;
	struct replay_stats replay;
	struct defect_run run;
	char evidence[512];
};
/* Records into dir (absolute, short), by seed. The real checks have passed on it, or this fails. */
int recording_make(struct recording *r, const char *dir, uint64_t seed, struct err *e);
void recording_free(struct recording *r);

/* Defects of types and structure, on both servers of a recording (the primary restarted). */
int selftest_compare(struct scores *t, const struct sql_endpoint *a, const struct sql_endpoint *b,
		     unsigned seeds, struct err *e);

/* Each defect at o->seeds places of each recording, then the mini drills; the rows go into *t.
 * ERR_BAD_DATA: a recording without a planted defect fails a check already. The guardian has to
 * run. */
struct selftest_opts {
	unsigned seeds, recordings; /* at least 1 */
	unsigned drills, faults;    /* mini drills: clean ones; of each lie */
	const char *scenario;       /* the mini drill's file */
	uint64_t seed;              /* of the first recording */
	bool quiet;                 /* else a line for each recording on stdout */
};
int selftest_run(const struct selftest_opts *o, struct scores *t, struct err *e);

/* Mini drills as processes. */
struct drill_opts {
	const char *dir, *scenario; /* dir: for their runs and logs */
	/* how many clean ones; seeds of each lie (the build with fault points only) */
	unsigned clean, faults;
	uint64_t seed;
	bool quiet;
};
int selftest_drills(struct scores *t, const struct drill_opts *o, struct err *e);

#endif
