/* Inside `drtest load`: options, the run, what it prints, shards. */
#ifndef CLI_LOAD_LOAD_IMPL_H
#define CLI_LOAD_LOAD_IMPL_H

#include <jansson.h>

#include "cli/options.h"
#include "workloads/load.h"
#include "workloads/shards/total.h"

#define LOAD_SETS_MAX 64
#define LOAD_GIVEN_MAX 64

struct load_run {
	struct load_opts o;
	struct sql_endpoint ep;
	const char *name, *verb;
	unsigned percentile; /* of the sysbench lines; 0: none */
	double time_s, interval_s, warmup_s;
	bool histogram, json;
	char *set[LOAD_SETS_MAX + 1];
	size_t n_set;
	char *kept[64]; /* values that a file or we hold: freed at the end */
	size_t n_kept;
	unsigned shard, shards;    /* 1..n of n; 0: one process */
	const char *rendezvous;    /* where the shards meet */
	bool follow, ran;          /* a search leads them; it has begun, and leaves a result */
	json_t *search;            /* what it says of the load; its texts are in o */
	struct options_given here; /* in the file, or on the command line */
	const char *given[LOAD_GIVEN_MAX]; /* options that were told here */
	size_t n_given;
};
/* 0: go on; 1: help was asked for and printed; 2: wrong usage, said on stderr. */
int load_options(struct load_run *r, int argc, char **argv);
/* r->search was told: it takes the place of options. */
int load_options_follow(struct load_run *r, struct err *e);
void load_options_release(struct load_run *r);

void load_print_interval(const struct load_run *r, const struct load_total *span, double at,
			 uint64_t under_way);
void load_print_final(const struct load_run *r, const struct load_total *t);
int cmd_load_report(int argc, char **argv);

#endif
