/* A latency histogram in microseconds: 64 steps per power of two, so any value is kept to
 * within 1.6 %. One writer each; merging is addition. */
#ifndef HARNESS_BASE_HIST_H
#define HARNESS_BASE_HIST_H

#include <stdint.h>

#define HIST_SLOTS 3776 /* up to 2^64 - 1 us */

struct hist {
	uint64_t count, sum_us, min_us, max_us; /* min and max are exact */
	uint64_t slot[HIST_SLOTS];
};

static inline unsigned hist_slot(uint64_t us)
{
	unsigned shift = us < 128 ? 0 : 57 - (unsigned)__builtin_clzll(us);
	return shift * 64 + (unsigned)(us >> shift);
}
/* One thread adds; others may read the numbers meanwhile. */
void hist_add(struct hist *h, uint64_t us);
void hist_merge(struct hist *into, const struct hist *from);
/* What came since `before`, an earlier state of h: min and max then to within a slot. */
void hist_subtract(struct hist *h, const struct hist *before);
uint64_t hist_slot_top(unsigned slot); /* the highest value that a slot holds */
/* The highest value that the slot of the q-th value can hold, never above the maximum; 0 when
 * empty. 0 < q <= 1. */
uint64_t hist_quantile_us(const struct hist *h, double q);

#endif
