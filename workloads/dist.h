/* sysbench's distributions over [a, b], from a generator of ours. Source: sysbench 1.0.20
 * src/sb_rand.c (special, uniform, gaussian, pareto) and its master (zipfian, exponent 0.8, by
 * rejection-inversion: W. Hoermann, G. Derflinger, 1996). */
#ifndef WORKLOADS_DIST_H
#define WORKLOADS_DIST_H

#include <stdint.h>

#include "harness/base/rng.h"

enum dist_type { DIST_SPECIAL, DIST_UNIFORM, DIST_GAUSSIAN, DIST_PARETO, DIST_ZIPFIAN };
struct dist {
	enum dist_type type;
	double pareto_power;                        /* log(h) / log(1 - h), h = 0.2 */
	double zipf_n, zipf_h_x1, zipf_h_n, zipf_s; /* zipfian over 1..zipf_n */
};
/* -1: no such distribution. n: how many values draws will have (zipfian prepares for it). */
int dist_init(struct dist *d, const char *name, int64_t n);
int64_t dist_draw(const struct dist *d, struct rng *r, int64_t a, int64_t b);

#endif
