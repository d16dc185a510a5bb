/* One side of a comparison of runs, as given on the command line. */
#ifndef CLI_RUNS_RUN_HISTORY_SIDE_H
#define CLI_RUNS_RUN_HISTORY_SIDE_H

#include "reports/run_history.h"

/* "last:20", "version:0.1.0", or run folders with commas between them. `f` narrows and, for last,
 * skips. The caller frees with run_history_free(). A text that is none of these, or names no run,
 * is ERR_USAGE. */
int run_history_side(const char *runs_dir, const char *text, struct run_filter f,
		     struct run_row **runs, size_t *n, struct err *e);

#endif
