#include "reports/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/order.h"
#include "harness/base/xalloc.h"

#define EXACT_MAX 40

double stats_quantile(double *v, size_t n, double q)
{
	double at = q * (double)(n - 1), low = floor(at);
	size_t i = (size_t)low;

	qsort(v, n, sizeof(*v), by_double);
	return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (at - low) : v[n - 1];
}

double stats_median(double *v, size_t n)
{
	return stats_quantile(v, n, 0.5);
}

double stats_spread(double *v, size_t n)
{
	double middle = stats_median(v, n), *away = xcalloc(n, sizeof(*away)), spread;

	for (size_t i = 0; i < n; i++)
		away[i] = fabs(v[i] - middle);
	spread = 1.4826 * stats_median(away, n);
	free(away);
	return spread;
}

/* Twice the mean rank of each value in the pool (whole numbers, also where values are equal). */
static void rank_values(const double *pool, size_t n, unsigned *rank2)
{
	for (size_t i = 0; i < n; i++) {
		unsigned below = 0, equal = 0;

		for (size_t j = 0; j < n; j++) {
			below += pool[j] < pool[i];
			equal += pool[j] == pool[i];
		}
		rank2[i] = 2 * below + equal + 1;
	}
}

/* Of all ways to choose a_n of the ranks, the share whose sum lies at least as far from the
 * expected one. */
static double exact_share(const unsigned *rank2, size_t a_n, size_t n, unsigned sum2)
{
	size_t sums = (size_t)n * (n + 1) + 1;
	double *ways = xcalloc((a_n + 1) * sums, sizeof(*ways)), far = 0, all = 0;
	double middle = (double)a_n * (double)(n + 1), distance = fabs(sum2 - middle);

	ways[0] = 1;
	for (size_t i = 0; i < n; i++)
		for (size_t k = a_n; k-- > 0;)
			for (size_t s = sums - rank2[i]; s-- > 0;)
				ways[(k + 1) * sums + s + rank2[i]] += ways[k * sums + s];
	for (size_t s = 0; s < sums; s++) {
		double w = ways[a_n * sums + s];

		all += w;
		if (fabs((double)s - middle) >= distance - 1e-9)
			far += w;
	}
	free(ways);
	return far / all;
}

static double approximate_share(const double *pool, size_t a_n, size_t n, unsigned sum2)
{
	double ties = 0, a = (double)a_n, b = (double)(n - a_n), all = (double)n, variance, away;

	for (size_t i = 0; i < n; i++) {
		double equal = 0;

		for (size_t j = 0; j < n; j++)
			equal += pool[j] == pool[i];
		/* in all: the sum of t^3 - t over the groups of equal values */
		ties += equal * equal - 1;
	}
	variance = a * b / 12 * (all + 1 - ties / (all * (all - 1)));
	away = fabs(sum2 / 2.0 - a * (all + 1) / 2) - 0.5;
	if (variance <= 0 || away <= 0)
		return 1;
	return erfc(away / sqrt(variance) / sqrt(2));
}

double stats_rank_test(const double *a, size_t a_n, const double *b, size_t b_n)
{
	size_t n = a_n + b_n;
	double *pool, p;
	unsigned *rank2, sum2 = 0;

	if (!a_n || !b_n)
		return 1;
	pool = xcalloc(n, sizeof(*pool));
	rank2 = xcalloc(n, sizeof(*rank2));
	memcpy(pool, a, a_n * sizeof(*a));
	memcpy(pool + a_n, b, b_n * sizeof(*b));
	rank_values(pool, n, rank2);
	for (size_t i = 0; i < a_n; i++)
		sum2 += rank2[i];
	p = n <= EXACT_MAX ? exact_share(rank2, a_n, n, sum2)
			   : approximate_share(pool, a_n, n, sum2);
	free(pool);
	free(rank2);
	return p > 1 ? 1 : p;
}
