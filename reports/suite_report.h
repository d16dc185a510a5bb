/* One report over all runs of a suite, made from their folders: suite.html, junit.xml, suite.json
 * in the suite's folder. */
#ifndef REPORTS_SUITE_REPORT_H
#define REPORTS_SUITE_REPORT_H

#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/strbuf.h"

struct suite_entry {
	const char *title;   /* "failover seed 2 rate=500" */
	const char *run_dir; /* NULL: no folder was made, or it was not run */
	const char *error;   /* then: why */
};
struct suite_report {
	const char *name, *sentence, *drtest;
	const struct suite_entry *entries;
	size_t n;
	const char *gate; /* its lines; "" none */
	int code;         /* the suite's exit code: of the worst run, or of the gate */
	int64_t started_ms;
	double seconds;
};
/* Links lead from dir to the run folders by relative names where they lie in dir's parent. */
int suite_report_make(const char *dir, const struct suite_report *s, struct err *e);
/* One line of a run: "pass    18.2 s  lost 11, RPO 0.09 s  RTO 0.45 s". Returns the exit code that
 * the run's verdict has. */
int suite_report_line(const struct suite_entry *entry, struct strbuf *out);

#endif
