/* The totals of a load, of one process or of several added up, and how they travel: as JSON, whole
 * histograms as pairs [slot, count], so that sums are exact. */
#ifndef WORKLOADS_SHARDS_TOTAL_H
#define WORKLOADS_SHARDS_TOTAL_H

#include <jansson.h>

#include "workloads/load.h"

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
/* the caller's */
json_t *load_total_json(const char *name, uint64_t seed, const struct load_total *t,
			bool whole_histograms);
int load_total_from_json(struct load_total *t, json_t *j, struct err *e);

#endif
