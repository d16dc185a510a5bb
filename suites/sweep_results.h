/* The results of a sweep: a line for each seed in SWEEP/results.jsonl, and the table made of them.
 */
#ifndef SUITES_SWEEP_RESULTS_H
#define SUITES_SWEEP_RESULTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "harness/base/err.h"

#define SWEEP_SEEDS_MAX 100000
#define SWEEP_STEPS_MAX 64

struct sweep_result {
	uint64_t seed;
	bool done;
	char verdict[16]; /* pass, fail, unknown, error, interrupted */
	char note[160];   /* the first failed check, or the error */
	char phase[32];   /* the figure of that name; "" none */
	double seconds;
	double lost, acked, window_ms, behind_ms, service_ms, redundant_ms; /* < 0: not told */
	char run_dir[512]; /* kept when it did not pass */
	json_t *steps;     /* name → seconds */
};
/* From a run's result.json. */
int sweep_read_result(struct sweep_result *r, const char *path, struct err *e);
json_t *sweep_to_json(const struct sweep_result *r);
int sweep_from_json(struct sweep_result *r, json_t *j, struct err *e);
void sweep_result_release(struct sweep_result *r);
/* command(seed) is printed for each that did not pass. */
void sweep_print_line(FILE *out, const struct sweep_result *r);
void sweep_print_table(FILE *out, const struct sweep_result *r, size_t n, const char *command);

#endif
