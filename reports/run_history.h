/* The history of runs: RUNS/history.db (SQLite), a row for each run and its figures. It is an index
 * of the run folders and can be made again from them at any time; losing it loses nothing. */
#ifndef REPORTS_RUN_HISTORY_H
#define REPORTS_RUN_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

#define RUN_HISTORY_FILE "history.db"

struct run_row {
	char *name; /* of its folder */
	/* options: JSON, sorted by name */
	char *scenario, *ground, *seed, *options, *drtest, *verdict;
	int64_t started_ms;
	double seconds;
	int64_t checks, failed, unknown;
	struct run_row_value {
		char *name;
		double value;
	} * values; /* sorted by name */
	size_t values_n;
};

/* Adds or replaces a run; the database is made when it is not there. A locked database is waited
 * for (3 s); a damaged one is an error that tells how to make it again. Never leaves half a run. */
int run_history_add(const char *runs_dir, const char *run_dir, struct err *e);
/* Made anew from the run folders in runs_dir; a damaged database is kept beside it as
 * history.db.damaged. *n: runs in it. */
int run_history_rebuild(const char *runs_dir, size_t *n, struct err *e);

struct run_filter { /* NULL or 0: any */
	/* drtest: a prefix of the version */
	const char *scenario, *ground, *seed, *options, *verdict, *drtest;
	size_t last; /* the newest so many */
	size_t skip; /* after this many newest ones */
};
/* -1, ERR_USAGE: it is no directory; says what to do. */
int run_history_folder(const char *runs_dir, struct err *e);
/* Oldest first. No database is an empty history. */
int run_history_list(const char *runs_dir, const struct run_filter *f, struct run_row **runs,
		     size_t *n, struct err *e);
/* The newest earlier run with the same scenario, ground and options as this one, from the history
 * beside its folder, to be released. false: there is none, or no history that can be read. */
struct run_model;
bool run_row_before(const char *run_dir, const struct run_model *m, struct run_row *before);
/* One run from its folder alone. */
int run_row_of_folder(const char *run_dir, struct run_row *run, struct err *e);
void run_history_free(struct run_row *runs, size_t n);
void run_row_release(struct run_row *run);
/* NAN: it has none. */
double run_row_value(const struct run_row *run, const char *name);
/* The names of all figures of these runs, sorted; the caller frees the array (the names are the
 * runs'). */
const char **run_history_names(const struct run_row *runs, size_t n, size_t *names_n);

#define RUN_HISTORY_VERDICTS "pass, fail, unknown, error, interrupted"
bool run_history_is_verdict(const char *word);
/* -1, ERR_USAGE: no run of the history is of that scenario; says which there are. */
int run_history_check_scenario(const char *runs_dir, const char *scenario, struct err *e);

/* "rto_ms" -> "ms", "redo_mib" -> "MiB", "rpo_lost" -> "". */
const char *run_row_unit(const char *name);

#endif
