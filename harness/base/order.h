/* Orders for qsort() and bsearch(), smallest first: what an element is, is in the name. */
#ifndef HARNESS_BASE_ORDER_H
#define HARNESS_BASE_ORDER_H

#include <stdint.h>

int by_u32(const void *a, const void *b);
int by_u64(const void *a, const void *b);
int by_size(const void *a, const void *b);   /* size_t */
int by_double(const void *a, const void *b); /* no NaN among them */
int by_text(const void *a, const void *b);   /* char *, byte by byte */

/* -1, 0 or 1, for orders made of several fields */
static inline int order_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

#endif
