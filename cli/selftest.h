/* The parts of `drtest selftest`: a small real drill is recorded, then judged many times with a defect planted in it; its servers stay
 * up for the checks that need servers. */
#ifndef CLI_SELFTEST_H
#define CLI_SELFTEST_H

#include <jansson.h>

#include "harness/cluster/cluster.h"
#include "harness/verify/defects.h"
#include "workloads/load.h"

struct recording {
	char *dir;                          /* of its own */
	struct cluster *primary, *secondary; /* the primary is dead: it was killed under load */
	struct load *load;
	char *ledger_dir, *redo_uri;
	struct backup_result backup;
	struct replay_stats replay;
	struct planted_run run;
	char evidence[512];
};
/* Records into dir (absolute, short), by seed. The real checks have passed on it, or this fails. */
int recording_make(struct recording *r, const char *dir, uint64_t seed, struct err *e);
void recording_free(struct recording *r);

/* The table of defects and checks: a row each. */
struct score {
	const char *name, *what;
	bool harmless;
	unsigned planted;       /* places judged */
	unsigned caught;        /* by a check that is meant for it (harmless: false alarms) */
	unsigned by[5];         /* FAIL verdicts: ledger, model, compare, forensic, the drill's verdict */
	unsigned judged[5];
	unsigned no_place;      /* seeds that found no place */
	char missed[300];       /* the first one that was not caught, or the first false alarm */
};
enum { BY_LEDGER, BY_MODEL, BY_COMPARE, BY_FORENSIC, BY_DRILL };
struct scores {
	struct score *s;
	size_t n;
};
struct score *score_add(struct scores *t, const char *name, const char *what, bool harmless);

/* Defects of types and structure, on both servers of a recording (the primary restarted). */
int selftest_compare(struct scores *t, const struct sql_endpoint *a, const struct sql_endpoint *b, unsigned seeds, struct err *e);

/* Mini drills as processes. */
struct drill_opts {
	const char *dir, *scenario; /* dir: for their runs and logs */
	unsigned clean, faults;     /* how many clean ones; seeds of each lie (the build with fault points only) */
	uint64_t seed;
	bool quiet;
};
int selftest_drills(struct scores *t, const struct drill_opts *o, struct err *e);

#endif
