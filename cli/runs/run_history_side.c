#include "cli/runs/run_history_side.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define SIDE_RUNS_MAX 1000

static int read_folders(const char *text, struct run_row **runs, size_t *n, struct err *e)
{
	char *copy = xstrdup(text), *save = NULL;
	int rc = 0;

	for (char *one = strtok_r(copy, ",", &save); one && rc == 0;
	     one = strtok_r(NULL, ",", &save)) {
		if (*n == SIDE_RUNS_MAX) {
			rc = err_set(e, ERR_USAGE, 0, "more than %d runs on one side",
				     SIDE_RUNS_MAX);
			break;
		}
		*runs = xreallocarray(*runs, *n + 1, sizeof(**runs));
		rc = run_row_of_folder(one, &(*runs)[*n], e);
		*n += rc == 0;
	}
	free(copy);
	return rc;
}

int run_history_side(const char *runs_dir, const char *text, struct run_filter f,
		     struct run_row **runs, size_t *n, struct err *e)
{
	int rc;
	char *end;

	*runs = NULL;
	*n = 0;
	if (!strncmp(text, "last:", 5)) {
		f.last = strtoul(text + 5, &end, 10);
		if (!f.last || *end || text[5] < '0' || text[5] > '9' || f.last > SIDE_RUNS_MAX)
			return err_set(e, ERR_USAGE, 0,
				       "'%.80s': last:N takes a number from 1 to %d", text,
				       SIDE_RUNS_MAX);
		rc = run_history_list(runs_dir, &f, runs, n, e);
	} else if (!strncmp(text, "version:", 8)) {
		f.drtest = text + 8;
		f.last = SIDE_RUNS_MAX;
		rc = run_history_list(runs_dir, &f, runs, n, e);
	} else {
		rc = read_folders(text, runs, n, e);
	}
	if (rc == 0 && !*n && text[0] == 'v')
		rc = err_set(e, ERR_USAGE, 0,
			     "'%.80s': no such run in the history %s/" RUN_HISTORY_FILE, text,
			     runs_dir);
	if (rc < 0) {
		run_history_free(*runs, *n);
		*runs = NULL;
		*n = 0;
	}
	return rc;
}
