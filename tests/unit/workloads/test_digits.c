#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/digits.h"
#include "workloads/dist.h"

static void each_tag_comes_back(void **state)
{
	struct rng r;
	char text[128];

	(void)state;
	rng_seed(&r, 1);
	for (int i = 0; i < 20000; i++) {
		struct digits_tag tag = { (uint32_t)rng_below(&r, DIGITS_WORKER_MAX + 1),
					  (uint32_t)rng_below(&r, 100),
					  rng_below(&r, DIGITS_SEQ_MAX + 1) };
		struct digits_tag back = { 0 };
		enum digits_column column = i % 2 ? DIGITS_C : DIGITS_PAD;
		size_t len = column == DIGITS_C ? DIGITS_C_LEN : DIGITS_PAD_LEN;

		digits_write(7, column, &tag, text);
		assert_int_equal(strlen(text), len);
		for (size_t at = 0; at < len; at++)
			assert_true(at % 12 == 11 ? text[at] == '-'
						  : text[at] >= '0' && text[at] <= '9');
		assert_true(digits_read(7, text, len, &back));
		assert_int_equal(back.worker, tag.worker);
		assert_int_equal(back.seq, tag.seq);
		assert_int_equal(back.statement, tag.statement);
		assert_false(digits_read(8, text, len, &back));
		assert_false(digits_read(7, text, len - 1, &back));
	}
}

static void any_changed_byte_is_found(void **state)
{
	struct digits_tag tag = { 3, 2, 17 }, back;
	char text[128];

	(void)state;
	for (int column = 0; column < 2; column++) {
		digits_write(42, (enum digits_column)column, &tag, text);
		for (size_t at = 0, len = strlen(text); at < len; at++)
			for (int d = 0; d < 256; d++) {
				char was = text[at];

				if ((char)d == was)
					continue;
				text[at] = (char)d;
				assert_false(digits_read(42, text, len, &back));
				text[at] = was;
			}
	}
}

/* Chi-square with n - 1 degrees of freedom against a flat expectation, as a standard score. */
static double score(const unsigned *count, int n, double total)
{
	double chi = 0;

	for (int i = 0; i < n; i++)
		chi += (count[i] - total / n) * (count[i] - total / n) / (total / n);
	return (chi - (n - 1)) / sqrt(2.0 * (n - 1));
}

static void digits_are_uniform_at_every_place_and_in_pairs(void **state)
{
	static unsigned place[119][10], pair[118][100], all[10];
	char text[128];
	const int n = 100000;

	(void)state;
	for (int i = 0; i < n; i++) {
		struct digits_tag tag = { (uint32_t)(1 + i % 10), (uint32_t)(2 + i % 2 * 2),
					  (uint64_t)i / 10 + 1 };

		digits_write(42, DIGITS_C, &tag, text);
		for (int at = 0; at < 119; at++) {
			if (text[at] == '-')
				continue;
			place[at][text[at] - '0']++;
			all[text[at] - '0']++;
			if (at + 1 < 119 && text[at + 1] != '-')
				pair[at][(text[at] - '0') * 10 + text[at + 1] - '0']++;
		}
	}
	assert_true(fabs(score(all, 10, n * 110.0)) < 4);
	for (int at = 0; at < 119; at++) {
		if (at % 12 != 11)
			/* 110 places: P(any > 5) is below 1 % for a fair source, and the seed is
			 * fixed */
			assert_true(score(place[at], 10, n) < 5);
		if (at < 118 && at % 12 < 10)
			assert_true(score(pair[at], 100, n) < 5);
	}
}

static void share(const char *name, int64_t n, double *out, int buckets)
{
	struct dist d;
	struct rng r;
	const int draws = 400000;

	assert_int_equal(dist_init(&d, name, n), 0);
	rng_seed(&r, 11);
	memset(out, 0, sizeof(*out) * (size_t)buckets);
	for (int i = 0; i < draws; i++) {
		int64_t v = dist_draw(&d, &r, 1, n);

		assert_true(v >= 1);
		assert_true(v <= n);
		out[(v - 1) * buckets / n] += 1.0 / draws;
	}
}

static void distributions_follow_their_formulas(void **state)
{
	double p[1000], sum = 0;
	struct dist d;

	(void)state;
	share("uniform", 1000, p, 10);
	for (int i = 0; i < 10; i++)
		assert_true(fabs(p[i] - 0.1) < 0.003);
	share("gaussian", 1000, p, 10);
	assert_true(fabs(p[4] - p[5]) < 0.005);
	assert_true(p[4] > 0.37 && p[4] < 0.40); /* sigma = 1/12: P(0 < z < 1.2) = 0.385 */
	assert_true(p[0] < 0.001);
	share("special", 10000, p, 1000);
	for (int i = 497; i <= 505; i++) /* ids 4971..5060 hold the hot spot 4975..5051 */
		sum += p[i];
	assert_true(sum > 0.75 && sum < 0.79);
	share("pareto", 1000, p, 1000);
	sum = 0;
	for (int i = 0; i < 200; i++)
		sum += p[i];
	/* h = 0.2: a fifth of the values gets four fifths of the draws */
	assert_true(fabs(sum - 0.8) < 0.005);
	share("zipfian", 1000, p, 1000);
	sum = 0;
	for (int i = 1; i <= 1000; i++)
		sum += pow(i, -0.8);
	for (int i = 0; i < 20; i++)
		assert_true(fabs(p[i] - pow(i + 1, -0.8) / sum) < 0.0015);
	assert_int_equal(dist_init(&d, "normal", 10), -1);
	for (int64_t n = 1; n < 5; n++) {
		share("special", n, p, 1);
		share("zipfian", n, p, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_tag_comes_back),
		cmocka_unit_test(any_changed_byte_is_found),
		cmocka_unit_test(digits_are_uniform_at_every_place_and_in_pairs),
		cmocka_unit_test(distributions_follow_their_formulas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
