/* Due times: even ones exactly, Poisson ones by statistics, with the rate's changes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/pace.h"

#define SECOND 1000000000ll
#define START 5000000000ll

static struct pace parsed(const char *text, bool even)
{
	struct pace p = { .even = even };
	struct err e;

	if (pace_parse(&p, text, &e) < 0)
		fail_msg("%s", e.text);
	rng_seed(&p.rng, 11);
	pace_begin(&p, START);
	return p;
}

/* How many are due within [from, to) of the schedule. */
static unsigned due_within(struct pace *p, double from, double to)
{
	unsigned n = 0;

	while (p->next_ns != PACE_NEVER && p->next_ns < START + (int64_t)(to * 1e9)) {
		n += p->next_ns >= START + (int64_t)(from * 1e9);
		pace_advance(p);
	}
	return n;
}

static void even_arrivals_keep_the_rate_exactly(void **state)
{
	struct pace p = parsed("2000", true);

	(void)state;
	for (int i = 1; i <= 60000; i++) {
		assert_in_range(p.next_ns, START + i * 500000ll - 30, START + i * 500000ll + 30);
		pace_advance(&p);
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void poisson_gaps_are_exponential_and_independent(void **state)
{
	enum { N = 100000 };
	struct pace p = parsed("2000", false);
	double *gap = malloc(sizeof(*gap) * N), worst = 0, mean = 0, product = 0;
	int64_t last = START;

	(void)state;
	for (int i = 0; i < N; i++) {
		gap[i] = (double)(p.next_ns - last) / 1e9 * 2000;
		mean += gap[i] / N;
		product += i ? (gap[i] - 1) * (gap[i - 1] - 1) / N : 0;
		last = p.next_ns;
		pace_advance(&p);
	}
	assert_true(fabs(mean - 1) < 3 / sqrt(N)); /* 3 sigma */
	assert_true(fabs(product) < 4 / sqrt(N));  /* no correlation of neighbours */
	qsort(gap, N, sizeof(*gap), ascending);
	for (int i = 0; i < N; i++) { /* Kolmogorov and Smirnov */
		double f = 1 - exp(-gap[i]),
		       d = fmax(fabs(f - (double)i / N), fabs(f - (i + 1.0) / N));

		worst = d > worst ? d : worst;
	}
	assert_true(worst * sqrt(N) < 1.95); /* alpha 0.001 */
	free(gap);
}

static void steps_ramps_and_pauses_are_kept(void **state)
{
	struct pace p = parsed("100/10s,100-500/10s,0/5s,50", true);
	unsigned n;

	(void)state;
	assert_in_range(due_within(&p, 0, 10), 999, 1000);
	assert_in_range(due_within(&p, 10, 15), 999, 1001);  /* 100 to 300: 1000 */
	assert_in_range(due_within(&p, 15, 20), 1999, 2001); /* 300 to 500: 2000 */
	assert_in_range(due_within(&p, 20, 25), 0, 1);
	assert_in_range(due_within(&p, 25, 35), 499, 500);
	p = parsed("100/10s,100-500/10s,0/5s,50", false);
	n = due_within(&p, 0, 10);
	assert_in_range(n, 900, 1100); /* 1000, sigma 32 */
	n = due_within(&p, 10, 20);
	assert_in_range(n, 2800, 3200); /* 3000, sigma 55 */
	p = parsed("300/2s", true);     /* the last one goes on */
	assert_in_range(due_within(&p, 0, 20), 5999, 6000);
}

static void what_is_due_stays_due_when_the_rate_changes(void **state)
{
	struct pace p = parsed("1000", true);

	(void)state;
	assert_int_equal(due_within(&p, 0, 1.0005), 1000);
	/* nobody takes any for two seconds; then the rate falls */
	assert_true(fabs(pace_due(&p, START + 3 * SECOND) - 2000) < 2);
	pace_change(&p, START + 3 * SECOND, 10);
	assert_true(fabs(pace_due(&p, START + 3 * SECOND) - 2000) < 2);
	assert_in_range(due_within(&p, 0, 3), 1998, 2001);
	assert_in_range(due_within(&p, 3, 13), 99, 101);
	/* without a backlog it counts from the change, not from a due time far away */
	p = parsed("1", true);
	pace_change(&p, START + SECOND / 2, 1000);
	assert_in_range(due_within(&p, 0, 1.5), 999, 1001);
	assert_true(pace_rate(&p, START + SECOND) == 1000);
	pace_change(&p, START + 2 * SECOND, 0);
	assert_true(p.closed);
}

static void shards_keep_one_schedule_together(void **state)
{
	int64_t due[4][1000];
	struct err e;

	(void)state;
	for (unsigned s = 1; s <= 4; s++) {
		struct pace p = { .even = true };

		assert_int_equal(pace_parse(&p, "400", &e), 0);
		pace_share(&p, s, 4);
		pace_begin(&p, START);
		for (int i = 0; i < 1000; i++, pace_advance(&p))
			due[s - 1][i] = p.next_ns;
	}
	for (int i = 0; i < 4000; i++) {
		int64_t want = START + (i + 1) * 2500000ll;

		assert_in_range(due[i % 4][i / 4], want - 30, want + 30);
	}
}

static void a_wrong_rate_is_told(void **state)
{
	static const char *const bad[] = { "",       "x",          "-5",      "100/",
					   "100/0s", "100,200",    "100-200", "100/5s,",
					   "1e9",    "100/5s,nan", "5/10y",   "1/1s;2" };
	struct pace p = { 0 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (pace_parse(&p, bad[i], &e) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_non_null(strstr(e.text, "100/30s"));
	}
	assert_int_equal(pace_parse(&p, "0", &e), 0);
	assert_true(p.closed);
	assert_int_equal(pace_parse(&p, "0.5", &e), 0);
	assert_false(p.closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(even_arrivals_keep_the_rate_exactly),
		cmocka_unit_test(poisson_gaps_are_exponential_and_independent),
		cmocka_unit_test(steps_ramps_and_pauses_are_kept),
		cmocka_unit_test(what_is_due_stays_due_when_the_rate_changes),
		cmocka_unit_test(shards_keep_one_schedule_together),
		cmocka_unit_test(a_wrong_rate_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
