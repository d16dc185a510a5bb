/* Inside `drtest load`: options, the run, what it prints, shards. */
#ifndef CLI_LOAD_LOAD_IMPL_H
#define CLI_LOAD_LOAD_IMPL_H

#include <jansson.h>

#include "workloads/load.h"

#define LOAD_SETS_MAX 64
#define LOAD_CONFIG_BYTES_MAX 65536

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
	unsigned shard, shards; /* 1..n of n; 0: one process */
	const char *rendezvous; /* where the shards meet */
};
/* 0: go on; 1: help was asked for and printed; 2: wrong usage, said on stderr. */
int load_options(struct load_run *r, int argc, char **argv);
void load_options_release(struct load_run *r);

/* Totals of a run (or of several, added up) and what its lines need. */
struct load_total {
	struct load_stats st; /* its histograms point into h */
	struct hist h[3];     /* latency, queue, service */
	double seconds;
	unsigned workers, shards;
	struct load_quiet quiet; /* of the whole run; of several processes the worst */
};
void load_total_take(struct load_total *t, struct load *l); /* now, since the load's begin */
void load_total_subtract(struct load_total *t, const struct load_total *before);
/* seconds: the longer one */
void load_total_add(struct load_total *t, const struct load_total *other);
void load_print_interval(const struct load_run *r, const struct load_total *span, double at,
			 uint64_t under_way);
void load_print_final(const struct load_run *r, const struct load_total *t);
json_t *load_total_json(const struct load_run *r, const struct load_total *t,
			bool whole_histograms);
int load_total_from_json(struct load_total *t, json_t *j, struct err *e);

int cmd_load_report(int argc, char **argv);

#endif
