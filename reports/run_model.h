/* A run as its journal describes it: the only source of every report. The journal is untrusted
 * input, so each list and text has a limit (the macros below), and unknown events and fields of the
 * wrong type are ignored; left_out counts events beyond the limits. Times are seconds since the
 * start of the run, unless the name has a unit. The model owns its strings and JSON values; strings
 * are valid UTF-8 and not NULL unless said otherwise. A missing number is negative. */
#ifndef REPORTS_RUN_MODEL_H
#define REPORTS_RUN_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "reports/samples.h"

#define MODEL_SCHEMA 1
#define MODEL_TEXT_MAX 4096 /* bytes of one text */
/* findings kept for each check; the others are counted */
#define MODEL_FINDINGS_CHECK_MAX 1000
#define MODEL_FINDINGS_MAX 20000 /* findings kept for a run */
#define MODEL_LOG_LINES_MAX 40   /* last lines kept for each process */

enum outcome { OUTCOME_PASS, OUTCOME_FAIL, OUTCOME_UNKNOWN, OUTCOME_ERROR, OUTCOME_INTERRUPTED };
const char *outcome_name(enum outcome o); /* "pass" */
const char *outcome_word(enum outcome o); /* "PASS" */

struct model_step {
	int64_t n;
	char *name, *status, *detail;
	double from, seconds; /* when it started; how long it took */
	bool ended;
};

struct model_check {
	int64_t step; /* 0: outside of all steps */
	char *name, *evidence;
	enum outcome verdict;
	double seconds;
	json_t *findings; /* objects of at most 16 texts and numbers */
	size_t findings_left_out;
	/* what was checked, how much of it, what it would have found: texts and numbers; NULL:
	 * not known */
	json_t *about;
};

struct model_fault {
	char *kind, *target, *detail;
	double at, until; /* injected; healed, < 0: never */
};

/* The last lines of a process's log at the time something failed. */
struct model_log {
	char *process;
	json_t *lines; /* array of texts */
};

struct model_move {
	char *from, *to;
	double at;
};

struct model_span {
	char *name;
	double from, to;
};

/* One of the ways to recover from the same state. */
struct model_way {
	/* state: the verdict on the result, "pass", "fail" or "unknown"; "closed": not possible */
	char *name, *state;
	char *evidence;      /* why it is not possible, or what is wrong with the result */
	char *steps, *needs; /* steps: one on each line */
	/* lost, acked: transactions lost, of how many acknowledged; window_ms: how far back the
	 * result is; wrong: rows that differ from what the acknowledged transactions wrote */
	double lost, acked, window_ms, wrong, seconds;
};

enum rto_part {
	RTO_SERVICE,
	RTO_DETECT,
	RTO_REPLAY,
	RTO_CHECK,
	RTO_PROMOTE,
	RTO_REDUNDANT,
	RTO_PARTS
};
extern const char *const rto_part_names[RTO_PARTS]; /* "service" */

extern const char *const model_left_fields[]; /* "cluster" and so on; NULL-terminated */

struct run_model {
	char *drtest, *scenario, *sentence, *ground, *seed, *command;
	int64_t wall_ms; /* Unix time of the start; 0: not known */
	double seconds;
	json_t *options, *versions; /* objects of texts */
	json_t *standins, *notes;   /* arrays of texts */
	json_t *left;    /* what the run left on clusters: objects with cluster, what, remove */
	json_t *figures; /* object of texts and numbers */
	struct model_step *steps;
	struct model_check *checks;
	struct model_fault *faults;
	struct model_move *moves;
	struct model_span *spans;
	struct model_log *logs;
	struct model_way *ways;
	char *advised, *advised_why; /* the way to take (""; none), and why */
	/* one row a second; the progress of work whose total is known */
	struct samples *samples, *progress;
	size_t steps_n, checks_n, faults_n, moves_n, spans_n, logs_n, ways_n;
	size_t failed, unknown; /* checks */
	size_t left_out;        /* events beyond the limits, or incomplete */
	size_t findings_n;
	/* the journal marks the disaster; otherwise it is the first kill, or the first fault */
	bool disaster_told;
	double disaster_at; /* RPO and RTO count from here; < 0: there was none */
	bool has_rpo;
	double rpo_lost, rpo_acked, rpo_window_ms, rpo_behind_ms;
	bool has_rto;
	double rto_ms[RTO_PARTS];
	enum outcome verdict;
	char *error; /* "": none */
	/* array: paths of the files in the run's directory, relative to it; NULL: not listed */
	json_t *files;
	/* a comparable earlier run (run_history.h), owned by the caller; NULL: none */
	const struct run_row *before;
	bool has_run, ended;
	bool running; /* set by run_model_now(): the run has not ended */
	size_t events;
};

/* An error only if the journal can't be opened or read; a damaged one gives a model with an unknown
 * verdict. run_model_release() frees it. */
int run_model_read(struct run_model *m, const char *journal_path, struct err *e);
/* The same for a run that is still going on, event by event: */
void run_model_init(struct run_model *m);
void run_model_event(struct run_model *m, json_t *event);
/* Call it before a report is made: steps that have not ended get their time up to the last event,
 * and `running` is set until the run's last event. */
void run_model_now(struct run_model *m);
void run_model_release(struct run_model *m);
const struct model_step *run_model_step(const struct run_model *m, int64_t n); /* NULL: none */
/* "2026-10-17T12:03:41Z" for an instant of the run; false when the journal has no wall time. */
bool run_model_time(const struct run_model *m, double at, const char *format, char *out,
		    size_t size);

#endif
