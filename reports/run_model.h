/* A run, read from its journal. The journal is input from outside: everything here is bounded,
 * whatever it holds; events that are not known and fields of the wrong type are left out. All
 * strings are the model's, valid UTF-8, never NULL unless said. */
#ifndef REPORTS_RUN_MODEL_H
#define REPORTS_RUN_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "reports/samples.h"

#define MODEL_SCHEMA 1
#define MODEL_TEXT_MAX 4096 /* bytes of one text */
/* findings kept of one check; the rest is counted */
#define MODEL_FINDINGS_CHECK_MAX 1000
#define MODEL_FINDINGS_MAX 20000 /* findings kept of a run */
#define MODEL_LOG_LINES_MAX 40   /* of one process; the last ones */

enum outcome { OUTCOME_PASS, OUTCOME_FAIL, OUTCOME_UNKNOWN, OUTCOME_ERROR, OUTCOME_INTERRUPTED };
const char *outcome_name(enum outcome o); /* "pass" */
const char *outcome_word(enum outcome o); /* "PASS" */

struct model_step {
	int64_t n;
	char *name, *status, *detail;
	double from, seconds; /* from the run's begin; how long */
	bool ended;
};

struct model_check {
	int64_t step; /* 0: outside of any */
	char *name, *evidence;
	enum outcome verdict;
	double seconds;   /* < 0: not told */
	json_t *findings; /* objects of at most 16 texts and numbers */
	size_t findings_left_out;
	/* what was checked, over how much, what it would have caught: texts and numbers; NULL:
	 * not told */
	json_t *about;
};

struct model_fault {
	char *kind, *target, *detail;
	double at, until; /* until it was healed; < 0: never */
};

/* The last lines of a process's log, as they were when something failed. */
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

/* A way back, beside others from the same state. */
struct model_way {
	char *name, *state;  /* state: "pass", "fail", "unknown" (of what it leads to), "closed" */
	char *evidence;      /* why it is closed, or what is wrong with its state */
	char *steps, *needs; /* steps: a line each */
	/* transactions lost, of so many; how far back; rows that are not as the acknowledged
	 * transactions left them; how long it took: < 0 not told */
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

extern const char *const model_left_fields[]; /* "cluster"; NULL ends them */

struct run_model {
	char *drtest, *scenario, *sentence, *ground, *seed, *command;
	int64_t wall_ms; /* 0: not told */
	double seconds;
	json_t *options, *versions; /* objects of texts */
	json_t *standins, *notes;   /* arrays of texts */
	json_t *left;               /* on clusters: objects of cluster, what, remove */
	json_t *figures;            /* object of texts and numbers */
	struct model_step *steps;
	struct model_check *checks;
	struct model_fault *faults;
	struct model_move *moves;
	struct model_span *spans;
	struct model_log *logs;
	struct model_way *ways;
	char *advised, *advised_why;        /* the way to take, "" none; why */
	struct samples *samples, *progress; /* each second; of work with a known end */
	size_t steps_n, checks_n, faults_n, moves_n, spans_n, logs_n, ways_n;
	size_t failed, unknown; /* checks */
	size_t left_out;        /* events beyond the bounds, or without what makes them one */
	size_t findings_n;
	/* by the journal; else disaster_at is the first kill, or the first fault */
	bool disaster_told;
	double disaster_at; /* where RPO and RTO count from; < 0: there was none */
	bool has_rpo;
	double rpo_lost, rpo_acked, rpo_window_ms, rpo_behind_ms; /* < 0: not told */
	bool has_rto;
	double rto_ms[RTO_PARTS]; /* < 0: not told */
	enum outcome verdict;
	char *error; /* "" when there is none */
	/* array: what is in the run's folder, by its path within; NULL: not looked */
	json_t *files;
	/* an earlier run like it (run_history.h), not the model's; NULL: none */
	const struct run_row *before;
	bool has_run, ended;
	bool running; /* run_model_now(): it goes on */
	size_t events;
};

/* Only a journal that can't be opened or read is an error. */
int run_model_read(struct run_model *m, const char *journal_path, struct err *e);
/* The same event by event, while the run goes on: */
void run_model_init(struct run_model *m);
void run_model_event(struct run_model *m, json_t *event);
/* What is under way is timed up to the last event; the run is `running` until its end was told. */
void run_model_now(struct run_model *m);
void run_model_release(struct run_model *m);
const struct model_step *run_model_step(const struct run_model *m, int64_t n); /* NULL: not there */
/* "2026-10-17T12:03:41Z" for an instant of the run; false when the journal has no wall time. */
bool run_model_time(const struct run_model *m, double at, const char *format, char *out,
		    size_t size);

#endif
