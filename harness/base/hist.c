#include "harness/base/hist.h"

#include <math.h>
#include <stdbool.h>

void hist_add(struct hist *h, uint64_t us)
{
	uint64_t *slot = &h->slot[hist_slot(us)];

	__atomic_store_n(slot, *slot + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&h->sum_us, h->sum_us + us, __ATOMIC_RELAXED);
	if (!h->count || us < h->min_us)
		__atomic_store_n(&h->min_us, us, __ATOMIC_RELAXED);
	if (us > h->max_us)
		__atomic_store_n(&h->max_us, us, __ATOMIC_RELAXED);
	__atomic_store_n(&h->count, h->count + 1, __ATOMIC_RELAXED);
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

uint64_t hist_slot_top(unsigned slot)
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
			return hist_slot_top(i) < h->max_us ? hist_slot_top(i) : h->max_us;
	return h->max_us;
}

void hist_subtract(struct hist *h, const struct hist *before)
{
	uint64_t max = h->max_us;
	bool any = false;

	h->count -= before->count < h->count ? before->count : h->count;
	h->sum_us -= before->sum_us < h->sum_us ? before->sum_us : h->sum_us;
	for (unsigned i = 0; i < HIST_SLOTS; i++) {
		h->slot[i] -= before->slot[i] < h->slot[i] ? before->slot[i] : h->slot[i];
		if (!h->slot[i])
			continue;
		if (!any && before->count)
			h->min_us = i ? hist_slot_top(i - 1) + 1 : 0;
		any = true;
		h->max_us = hist_slot_top(i) < max ? hist_slot_top(i) : max;
	}
	if (!any)
		h->min_us = h->max_us = 0;
}
