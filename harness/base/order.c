#include "harness/base/order.h"

#include <stddef.h>
#include <string.h>

int by_u32(const void *a, const void *b)
{
	return order_u64(*(const uint32_t *)a, *(const uint32_t *)b);
}

int by_u64(const void *a, const void *b)
{
	return order_u64(*(const uint64_t *)a, *(const uint64_t *)b);
}

int by_size(const void *a, const void *b)
{
	return order_u64(*(const size_t *)a, *(const size_t *)b);
}

int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}
