/* A suite: scenarios x seeds x options as data. The file is Lua that returns a table and can do
 * nothing else. */
#ifndef SUITES_SUITE_FILE_H
#define SUITES_SUITE_FILE_H

#include "harness/base/err.h"
#include "reports/gate.h"

#define SUITE_RUNS_MAX 1000
#define SUITE_RULES_MAX 64

struct suite_run {
	char *file;  /* the scenario's */
	char *title; /* "failover seed 2 rate=500" */
	char *seed;
	char **set; /* "name=value", NULL at the end */
};
struct suite {
	char *name, *sentence;
	struct suite_run *runs;
	size_t runs_n;
	char *baseline;
	struct gate_rule rules[SUITE_RULES_MAX];
	size_t rules_n;
};

/* ERR_USAGE tells what is wrong with the file, or that it is no suite. */
int suite_read(struct suite *s, const char *path, struct err *e);
/* only the runs whose title holds it; how many they are */
size_t suite_keep(struct suite *s, const char *pattern);
void suite_release(struct suite *s);

#endif
