/* Figures of several runs, so that one odd night is not taken for a change: medians, spread by
 * deviations from the median, and a rank test that assumes nothing of how the values are
 * distributed. */
#ifndef REPORTS_STATS_H
#define REPORTS_STATS_H

#include <stddef.h>

/* All of them sort `v`. n >= 1. */
double stats_quantile(double *v, size_t n, double q); /* between two values: in proportion */
double stats_median(double *v, size_t n);
/* The median distance from the median times 1.4826: the standard deviation, were they normal;
 * outliers hardly move it. */
double stats_spread(double *v, size_t n);
/* How probable a rank sum of `a` at least this far from the expected one is, if a and b were drawn
 * from one distribution (Mann and Whitney; both sides). Exact up to 40 values in all, ties too;
 * else by the normal approximation. 1 where either has no value. */
double stats_rank_test(const double *a, size_t a_n, const double *b, size_t b_n);

#endif
