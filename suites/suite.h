/* Runs a suite: each run as a separate process, one report for all, and the gate, which compares
 * them with earlier runs. */
#ifndef SUITES_SUITE_H
#define SUITES_SUITE_H

#include <stdbool.h>
#include <stddef.h>

#include "suites/suite_file.h"

#define SUITE_JOBS_MAX 64

struct suite_opts {
	const char *out;    /* the folder of runs; made if it is not there */
	char *const *extra; /* more options for each `drtest run` */
	size_t extra_n;
	size_t jobs;        /* runs side by side, 1 to SUITE_JOBS_MAX */
	bool gate;          /* judge the suite's gate */
	bool tty;           /* show on stdout how far it is */
	const char *drtest; /* the version in the report */
};
/* Is the suite's own "name=value" overridden by a --set among the options for each run? */
bool suite_overrides(const struct suite_opts *o, const char *set);
/* Before: ERR_USAGE names the first run whose file or options `drtest run` would not take. */
int suite_ask(const struct suite *s, const struct suite_opts *o, struct err *e);
/*
 * Runs each of s in a process of this program and prints a line for each on stdout. Writes OUT/<UTC
 * time>-suite-<name>/ (suite.html, junit.xml, suite.json, the output of each run) and
 * OUT/trend.html. What clock_on_end_signals() takes interrupts the runs; what has ended is
 * reported. *code is the exit code: 0 all passed, 1 a check or the gate failed, 3 a run could not
 * be set up, 4 unknown, 130 interrupted. -1: the folder or the report could not be written
 * (ERR_IO).
 */
int suite_run(const struct suite *s, const struct suite_opts *o, int *code, struct err *e);

#endif
