/* The history of runs: RUNS/history.db (SQLite), a row for each run and its figures. It is an index
 * of the run folders and can be made again from them at any time; losing it loses nothing. */
#ifndef REPORTS_RUN_HISTORY_H
#define REPORTS_RUN_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

#define PAST_FILE "history.db"

struct past_run {
	char *name; /* of its folder */
	/* options: JSON, sorted by name */
	char *scenario, *ground, *seed, *options, *drtest, *verdict;
	int64_t started_ms;
	double seconds;
	int64_t checks, failed, unknown;
	struct past_value {
		char *name;
		double value;
	} * values; /* sorted by name */
	size_t values_n;
};

/* Adds or replaces a run; the database is made when it is not there. A locked database is waited
 * for (3 s); a damaged one is an error that tells how to make it again. Never leaves half a run. */
int past_add(const char *runs_dir, const char *run_dir, struct err *e);
/* Made anew from the run folders in runs_dir; a damaged database is kept beside it as
 * history.db.damaged. *n: runs in it. */
int past_rebuild(const char *runs_dir, size_t *n, struct err *e);

struct past_filter { /* NULL or 0: any */
	/* drtest: a prefix of the version */
	const char *scenario, *ground, *seed, *options, *verdict, *drtest;
	size_t last; /* the newest so many */
	size_t skip; /* after this many newest ones */
};
/* Oldest first. No database is an empty history. */
int past_list(const char *runs_dir, const struct past_filter *f, struct past_run **runs, size_t *n,
	      struct err *e);
/* The newest earlier run with the same scenario, ground and options as this one, from the history
 * beside its folder, to be released. false: there is none, or no history that can be read. */
struct run_model;
bool past_before(const char *run_dir, const struct run_model *m, struct past_run *before);
/* One run from its folder alone. */
int past_of_folder(const char *run_dir, struct past_run *run, struct err *e);
void past_free(struct past_run *runs, size_t n);
void past_run_release(struct past_run *run);
/* NAN: it has none. */
double past_value(const struct past_run *run, const char *name);
/* The names of all figures of these runs, sorted; the caller frees the array (the names are the
 * runs'). */
const char **past_names(const struct past_run *runs, size_t n, size_t *names_n);

#define PAST_VERDICTS "pass, fail, unknown, error, interrupted"
bool past_is_verdict(const char *word);
/* -1, ERR_USAGE: no run of the history is of that scenario; says which there are. */
int past_check_scenario(const char *runs_dir, const char *scenario, struct err *e);

/* "rto_ms" -> "ms", "redo_mib" -> "MiB", "rpo_lost" -> "". */
const char *past_unit(const char *name);

#endif
