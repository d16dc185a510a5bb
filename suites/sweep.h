/* One scenario with many seeds: each run a process of its own, some side by side, and a folder that
 * an interrupted sweep resumes from. */
#ifndef SUITES_SWEEP_H
#define SUITES_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "suites/sweep_results.h"

#define SWEEP_JOBS_MAX 64
#define SWEEP_PASS_ON_MAX 140

struct sweep_job {
	struct proc *proc; /* NULL: the place is free */
	size_t at;         /* of the results */
	char *dir;         /* SWEEP/seed-N */
};
struct sweep {
	/* the caller's, who keeps the strings until sweep_close() */
	/* the scenario; where the sweep's folder is made; an earlier one (NULL: none) */
	const char *file, *out, *resume;
	const char *pass_on[SWEEP_PASS_ON_MAX + 1]; /* for each run: --set a=b … */
	size_t n_pass_on, jobs;                     /* jobs: 1 to SWEEP_JOBS_MAX */
	bool keep_runs;                             /* also the folders of runs that passed */
	/* the sweep's */
	struct sweep_result *results; /* one a seed, in the order of the seeds */
	size_t n;
	/* its folder, absolute; what each run is, without the seed */
	char *dir, *command;
	FILE *log;
	struct sweep_job job[SWEEP_JOBS_MAX];
};
/* "1..200", "1,7,20..30": at most SWEEP_SEEDS_MAX in all. false: it is no such list. */
bool sweep_add_seeds(struct sweep *s, const char *spec);
/* Makes the folder, or reads the results of the resumed one. ERR_USAGE: that one swept something
 * else. */
int sweep_open(struct sweep *s, struct err *e);
/* Runs the seeds that have no verdict, prints a line for each on stdout and adds it to
 * SWEEP/results.jsonl. 0 all ran; 1 interrupted (clock_on_end_signals()), the runs took
 * themselves down; -1 a run could not be started. The guardian has to run. */
int sweep_run(struct sweep *s, struct err *e);
int sweep_exit_code(const struct sweep *s); /* of the worst run; EXIT_PASS: all passed */
void sweep_close(struct sweep *s);

#endif
