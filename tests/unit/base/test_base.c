/* base: errors, strings, time, TSOs, random numbers, histograms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/base/hist.h"
#include "harness/base/rng.h"
#include "harness/base/strbuf.h"
#include "harness/base/tso.h"

static void an_error_tells_its_story_outermost_first(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	errno = ENOSPC;
	assert_int_equal(err_sys(&e, "write %s", "a\nb"), -1);
	assert_string_equal(e.text, "write a b: No space left on device");
	assert_int_equal(e.code, ENOSPC);
	err_wrap(&e, "step %d", 5);
	assert_string_equal(e.text, "step 5: write a b: No space left on device");
	assert_int_equal(err_set(NULL, ERR_IO, 0, "dropped"), -1);
}

static void a_long_error_is_cut_not_overrun(void **unused)
{
	struct err e = ERR_INIT;
	char big[3000];

	(void)unused;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	err_set(&e, ERR_IO, 0, "%s", big);
	err_wrap(&e, "%s", big);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void a_strbuf_grows_and_detaches(void **unused)
{
	struct strbuf s = STRBUF_INIT;
	char *p;

	(void)unused;
	assert_string_equal(s.buf, "");
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&s, "%d,", i);
	assert_int_equal(s.len, 10 * 2 + 90 * 3 + 900 * 4);
	p = strbuf_detach(&s);
	assert_int_equal(strncmp(p, "0,1,2,", 6), 0);
	assert_string_equal(s.buf, "");
	free(p);
	strbuf_reset(&s);
	p = strbuf_detach(&s);
	assert_string_equal(p, "");
	free(p);
}

static void durations_are_parsed_or_refused(void **unused)
{
	(void)unused;
	assert_int_equal(duration_parse_ms("20s"), 20000);
	assert_int_equal(duration_parse_ms("1.5m"), 90000);
	assert_int_equal(duration_parse_ms("250ms"), 250);
	assert_int_equal(duration_parse_ms("3"), 3000);
	static const char *const bad[] = { "",      ".",     "-1s",  "+1s",  " 1s",  "5x",
					   "5 s",   "10M",   "1d",   "nan",  "infs", "1e3s",
					   "0x10s", "1..5s", "721h", "1m30s" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(duration_parse_ms(bad[i]), -1);
}

static void a_wait_ends_at_its_deadline_and_on_cancel(void **unused)
{
	(void)unused;
	assert_int_equal(pause_ms(10000, deadline_in_ms(20)), -1);
	assert_int_equal(pause_ms(1, deadline_in_ms(10000)), 0);
	clock_cancel(2);
	assert_int_equal(pause_ms(10000, deadline_in_ms(60000)), -1);
	clock_cancel_reset();
}

static void a_tso_keeps_all_its_64_bits(void **unused)
{
	char text[TSO_TEXT_MAX];
	tso_t ts;

	(void)unused;
	assert_true(tso_parse("435844546560000001", &ts));
	assert_true(ts == 435844546560000001u);
	assert_true(tso_parse("18446744073709551615", &ts));
	assert_false(tso_parse("18446744073709551616", &ts));
	assert_false(tso_parse("", &ts));
	assert_false(tso_parse("1 ", &ts));
	assert_false(tso_parse("-1", &ts));
	tso_time_text(tso_make(1763640001500, 7), text);
	assert_string_equal(text, "2025-11-20 12:00:01.500 UTC");
}

static void a_seed_gives_the_same_numbers_and_neighbours_differ(void **unused)
{
	struct rng a, b;
	double sum = 0;
	unsigned bucket[10] = { 0 };

	(void)unused;
	rng_seed3(&a, 42, 1, 7);
	rng_seed3(&b, 42, 1, 7);
	for (int i = 0; i < 100; i++)
		assert_true(rng_u64(&a) == rng_u64(&b));
	rng_seed3(&b, 42, 7, 1);
	assert_true(rng_u64(&a) != rng_u64(&b));
	for (int i = 0; i < 100000; i++) {
		bucket[rng_below(&a, 10)]++;
		sum += rng_exp(&a, 3.0);
	}
	for (int i = 0; i < 10; i++) /* 10,000 expected each; sigma is 95 */
		assert_in_range(bucket[i], 9500, 10500);
	assert_true(fabs(sum / 100000 - 3.0) < 0.06);
}

static void a_histogram_is_within_1_6_percent(void **unused)
{
	static struct hist h, other;
	uint64_t probe[] = { 0, 1, 127, 128, 129, 1000, 4095, 123456, 99999999, UINT64_MAX };

	(void)unused;
	for (size_t i = 0; i < sizeof(probe) / sizeof(probe[0]); i++) {
		static struct hist one;
		uint64_t got;

		memset(&one, 0, sizeof(one));
		assert_in_range(hist_slot(probe[i]), 0, HIST_SLOTS - 1);
		hist_add(&one, probe[i]);
		one.max_us = UINT64_MAX; /* or the quantile is cut to the exact maximum */
		got = hist_quantile_us(&one, 0.5);
		assert_true(got >= probe[i] && got - probe[i] <= probe[i] / 60);
	}
	for (uint64_t us = 1; us <= 1000; us++)
		hist_add(us % 2 ? &h : &other, us);
	hist_merge(&h, &other);
	assert_int_equal(h.count, 1000);
	assert_int_equal(h.sum_us, 500500);
	assert_in_range(hist_quantile_us(&h, 0.99), 990, 1006);
	assert_int_equal(hist_quantile_us(&h, 1), 1000);
	assert_int_equal(h.min_us, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_tells_its_story_outermost_first),
		cmocka_unit_test(a_long_error_is_cut_not_overrun),
		cmocka_unit_test(a_strbuf_grows_and_detaches),
		cmocka_unit_test(durations_are_parsed_or_refused),
		cmocka_unit_test(a_wait_ends_at_its_deadline_and_on_cancel),
		cmocka_unit_test(a_tso_keeps_all_its_64_bits),
		cmocka_unit_test(a_seed_gives_the_same_numbers_and_neighbours_differ),
		cmocka_unit_test(a_histogram_is_within_1_6_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
