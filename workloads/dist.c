#include "workloads/dist.h"

#include <math.h>
#include <string.h>

#define ITER 12          /* rand-spec-iter */
#define SPECIAL_PCT 0.01 /* rand-spec-pct */
#define SPECIAL_MULT 4.0 /* 100 / (100 - rand-spec-res), res = 75 */
#define PARETO_H 0.2
#define ZIPF_EXP 0.8

/* expm1(x)/x and log1p(x)/x, exact near 0 */
static double expm1_x(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2 * (1 + x / 3);
}

static double log1p_x(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x / 3);
}

/* The integral of h(x) = x^-exp, and its inverse. */
static double zipf_integral(double x)
{
	return expm1_x((1 - ZIPF_EXP) * log(x)) * log(x);
}

static double zipf_inverse(double x)
{
	double t = x * (1 - ZIPF_EXP);

	return exp(log1p_x(t < -1 ? -1 : t) * x);
}

static double zipf_h(double x)
{
	return exp(-ZIPF_EXP * log(x));
}

static void zipf_init(struct dist *d, int64_t n)
{
	d->zipf_n = (double)n;
	d->zipf_h_x1 = zipf_integral(1.5) - 1;
	d->zipf_h_n = zipf_integral((double)n + 0.5);
	d->zipf_s = 2 - zipf_inverse(zipf_integral(2.5) - zipf_h(2));
}

int dist_init(struct dist *d, const char *name, int64_t n)
{
	static const char *const names[] = { "special", "uniform", "gaussian", "pareto",
					     "zipfian" };

	*d = (struct dist){ .pareto_power = log(PARETO_H) / log(1 - PARETO_H) };
	zipf_init(d, n > 1 ? n : 1);
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0) {
			d->type = (enum dist_type)i;
			return 0;
		}
	return -1;
}

static double mean_of_units(struct rng *r)
{
	double sum = 0;

	for (int i = 0; i < ITER; i++)
		sum += rng_unit(r);
	return sum / ITER;
}

static double draw_special(struct rng *r, double t)
{
	double u = rng_unit(r), range = t * SPECIAL_PCT;

	if (u * t * SPECIAL_MULT < t)
		return t * mean_of_units(r);
	return u * (range + 1) + t / 2 - range / 2;
}

static double draw_zipfian(const struct dist *d, struct rng *r)
{
	for (;;) {
		double u = d->zipf_h_n + rng_unit(r) * (d->zipf_h_x1 - d->zipf_h_n),
		       x = zipf_inverse(u), k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		else if (k > d->zipf_n)
			k = d->zipf_n;
		if (k - x <= d->zipf_s || u >= zipf_integral(k + 0.5) - zipf_h(k))
			return k - 1;
	}
}

int64_t dist_draw(const struct dist *d, struct rng *r, int64_t a, int64_t b)
{
	double t = (double)(b - a), at = 0;
	int64_t v;

	switch (d->type) {
	case DIST_SPECIAL: at = draw_special(r, t); break;
	case DIST_UNIFORM: at = rng_unit(r) * (t + 1); break;
	case DIST_GAUSSIAN: at = (t + 1) * mean_of_units(r); break;
	case DIST_PARETO: at = (t + 1) * pow(rng_unit(r), d->pareto_power); break;
	case DIST_ZIPFIAN: at = draw_zipfian(d, r); break;
	}
	v = a + (int64_t)at;
	/* rounding at the very end of the range, and tables smaller than special's hot spot */
	return v > b ? b : v;
}
