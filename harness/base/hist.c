#include "harness/base/hist.h"

#include <math.h>

void hist_add(struct hist *h, uint64_t us)
{
	h->slot[hist_slot(us)]++;
	if (!h->count || us < h->min_us)
		h->min_us = us;
	if (us > h->max_us)
		h->max_us = us;
	h->count++;
	h->sum_us += us;
}

void hist_merge(struct hist *into, const struct hist *from)
{
	if (!from->count)
		return;
	for (unsigned i = 0; i < HIST_SLOTS; i++)
		into->slot[i] += from->slot[i];
	if (!into->count || from->min_us < into->min_us)
		into->min_us = from->min_us;
	if (from->max_us > into->max_us)
		into->max_us = from->max_us;
	into->count += from->count;
	into->sum_us += from->sum_us;
}

static uint64_t slot_top(unsigned slot)
{
	unsigned shift = slot < 128 ? 0 : slot / 64 - 1;
	uint64_t base = slot - shift * 64;

	return (base << shift) + ((uint64_t)1 << shift) - 1;
}

uint64_t hist_quantile_us(const struct hist *h, double q)
{
	uint64_t want = (uint64_t)ceil(q * (double)h->count), seen = 0;

	if (!h->count)
		return 0;
	if (!want)
		want = 1;
	for (unsigned i = 0; i < HIST_SLOTS; i++)
		if ((seen += h->slot[i]) >= want)
			return slot_top(i) < h->max_us ? slot_top(i) : h->max_us;
	return h->max_us;
}
