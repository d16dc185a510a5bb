/* reports: a forecast finds the terms that runs were made of, scales them by one's own figures, and
 * says what it cannot know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "reports/forecast/forecast.h"

#define RUNS 20
#define DETECT 100.0
#define BEGIN 80.0
#define ROW 0.05 /* ms */
#define PROMOTE 40.0

/* Runs of 100 transactions a second, 4 rows each; noise: the share by which a term is off. */
static struct run_row *runs_of(double noise, bool alike)
{
	static const char *const names[] = {
		"load_tps",      "replayed_rows", "replayed_transactions", "rpo_resolved_behind_ms",
		"rto_detect_ms", "rto_ms",        "rto_promote_ms",        "rto_replay_ms"
	};
	struct run_row *r = xcalloc(RUNS, sizeof(*r));
	struct rng g;

	rng_seed(&g, 7);
	for (int i = 0; i < RUNS; i++) {
		double txns = alike ? 300 : 100 + 100 * i, rows = 4 * txns;
		double off[3];

		for (int k = 0; k < 3; k++)
			off[k] = 1 + noise * (2 * rng_unit(&g) - 1);
		double detect = DETECT * off[0], replay = BEGIN + ROW * rows * off[1],
		       promote = PROMOTE * off[2];
		const double values[] = { 100,     rows,
					  txns,    500.0 + 100 * (i % 11),
					  detect,  detect + replay + promote,
					  promote, replay };

		r[i].name = xstrfmt("run-%d", i);
		r[i].values_n = sizeof(values) / sizeof(values[0]);
		r[i].values = xcalloc(r[i].values_n, sizeof(*r[i].values));
		for (size_t k = 0; k < r[i].values_n; k++) {
			r[i].values[k].name = xstrdup(names[k]);
			r[i].values[k].value = values[k];
		}
	}
	return r;
}

static struct forecast must_make(const struct run_row *r, size_t n, const struct forecast_own *own)
{
	struct forecast f;
	struct err e = ERR_INIT;

	if (forecast_make(r, n, own, &f, &e) < 0)
		fail_msg("%s", e.text);
	return f;
}

static void near(double got, double want, double share)
{
	if (fabs(got - want) > share * want)
		fail_msg("%g, not within %g of %g", got, share, want);
}

static void it_finds_what_runs_are_made_of(void **unused)
{
	struct run_row *r = runs_of(0.05, false);
	struct forecast f = must_make(r, RUNS, &(struct forecast_own){ 0 });

	(void)unused;
	assert_int_equal(f.runs, RUNS);
	near(f.detect_ms, DETECT, 0.05);
	near(f.promote_ms, PROMOTE, 0.05);
	near(f.row_us, ROW * 1000, 0.1);
	near(f.rows, 4 * (100 + 100 * 9.5), 0.1);
	near(f.rto_ms.median, DETECT + BEGIN + ROW * f.rows + PROMOTE, 0.1);
	assert_true(f.rto_ms.low < f.rto_ms.median && f.rto_ms.median < f.rto_ms.high);
	assert_false(f.row_unknown);
	/* the same again, to the bit */
	struct forecast again = must_make(r, RUNS, &(struct forecast_own){ 0 });

	assert_memory_equal(&f.rto_ms, &again.rto_ms, sizeof(f.rto_ms));
	run_history_free(r, RUNS);
}

static void own_figures_take_the_place_of_theirs(void **unused)
{
	struct run_row *r = runs_of(0, false);
	struct forecast base = must_make(r, RUNS, &(struct forecast_own){ 0 }), f;

	(void)unused;
	/* ten times the rows, of the same backlog in seconds */
	f = must_make(r, RUNS, &(struct forecast_own){ .rows_per_s = 4000 });
	near(f.rows, base.rows * 10, 0.01);
	near(f.rto_ms.median, DETECT + BEGIN + ROW * f.rows + PROMOTE, 0.05);
	f = must_make(r, RUNS, &(struct forecast_own){ .target_rows_per_s = 1000 });
	near(f.row_us, 1000, 0.001);
	near(f.rto_ms.median, DETECT + BEGIN + f.rows + PROMOTE, 0.05);
	f = must_make(r, RUNS, &(struct forecast_own){ .flush_ms = 2 * FORECAST_FLUSH_MS });
	near(f.rpo_ms.median, base.rpo_ms.median * 2, 0.001);
	/* 2 s of 4,000 rows of 500 bytes over 10 MB/s are 0.4 s, and 0.1 s of latency */
	f = must_make(r, RUNS,
		      &(struct forecast_own){ .rows_per_s = 4000,
					      .row_bytes = 500,
					      .store_bytes_per_s = 1e7,
					      .store_latency_ms = 100 });
	near(f.upload_ms, 500, 0.001);
	near(f.rpo_ms.median, base.rpo_ms.median + 500, 0.001);
	assert_false(f.store_too_slow);
	f = must_make(r, RUNS,
		      &(struct forecast_own){ .rows_per_s = 40000,
					      .row_bytes = 500,
					      .store_bytes_per_s = 1e7,
					      .target_rows_per_s = 30000 });
	assert_true(f.store_too_slow);
	assert_true(f.target_too_slow);
	run_history_free(r, RUNS);
}

static void what_it_cannot_know_is_said(void **unused)
{
	struct run_row *r = runs_of(0.05, true);
	struct forecast f = must_make(r, RUNS, &(struct forecast_own){ 0 });
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	assert_true(f.row_unknown);
	forecast_text(&f, &text);
	assert_non_null(strstr(text.buf, "set it with --target-rows-per-s"));
	assert_non_null(strstr(text.buf, "of 20 within their spread"));
	strbuf_release(&text);
	assert_int_equal(
		forecast_make(r, FORECAST_RUNS_MIN - 1, &(struct forecast_own){ 0 }, &f, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	/* a run without a replay is none */
	for (size_t k = 0; k < r[0].values_n; k++)
		if (!strcmp(r[0].values[k].name, "rto_replay_ms"))
			r[0].values[k].name[0] = 'x';
	assert_int_equal(must_make(r, RUNS, &(struct forecast_own){ 0 }).runs, RUNS - 1);
	assert_int_equal(
		forecast_make(r, RUNS, &(struct forecast_own){ .store_bytes_per_s = 1 }, &f, &e),
		-1);
	run_history_free(r, RUNS);
}

static void set(struct run_row *r, const char *name, double value)
{
	for (size_t k = 0; k < r->values_n; k++)
		if (!strcmp(r->values[k].name, name))
			r->values[k].value = value;
}

/* Names stay sorted. */
static void rename_value(struct run_row *r, const char *name, const char *now)
{
	for (size_t k = 0; k < r->values_n; k++)
		if (!strcmp(r->values[k].name, name)) {
			free(r->values[k].name);
			r->values[k].name = xstrdup(now);
		}
}

static void it_is_held_against_the_runs(void **unused)
{
	struct run_row *r = runs_of(0.02, true), *odd = runs_of(0.02, true), *wide;
	struct forecast f = must_make(r, RUNS, &(struct forecast_own){ 0 });

	(void)unused;
	assert_true(f.rto_held.median < 0.05);
	assert_true(f.rto_held.inside >= RUNS * 3 / 4);
	assert_int_equal(f.rto_held.within, RUNS);
	assert_true(fabs(f.rto_held.mean_off) < 0.05);
	/* 500 to 1,500 ms of a flush's cycle can't be told beforehand, only their mean */
	assert_true(f.rpo_held.within < RUNS && fabs(f.rpo_held.mean_off) < 0.1);
	assert_true(f.rpo_held.inside >= RUNS * 3 / 4);
	assert_string_equal(f.held[3].run, "run-3");
	/* rows differ by twenty times: with the rows a second that a run's load wrote, its replay
	 * is told */
	wide = runs_of(0.02, false);
	for (int i = 0; i < RUNS; i++)
		set(&wide[i], "load_tps", 10 * (i + 1));
	f = must_make(wide, RUNS, &(struct forecast_own){ 0 });
	near(f.held[0].rows_per_s, 40, 0.01);
	near(f.held[19].rows_per_s, 800, 0.01);
	assert_true(f.rto_held.within >= RUNS * 3 / 4);
	assert_true(fabs(f.replay_off) < 0.05 && fabs(f.detect_off) < 0.05);
	/* what was written when the disaster came goes before the median of the whole run */
	for (int i = 0; i < RUNS; i++)
		rename_value(&wide[i], "load_tps", "disaster_tps");
	near(must_make(wide, RUNS, &(struct forecast_own){ 0 }).held[0].rows_per_s, 40, 0.01);
	run_history_free(wide, RUNS);
	/* runs that have nothing to do with each other are no ground for a forecast: it tells */
	for (int i = 0; i < RUNS; i++)
		for (size_t k = 0; k < odd[i].values_n; k++)
			if (!strcmp(odd[i].values[k].name, "rto_detect_ms"))
				odd[i].values[k].value = i % 2 ? 10 : 10000;
	f = must_make(odd, RUNS, &(struct forecast_own){ 0 });
	assert_true(f.rto_held.median > 0.3);
	run_history_free(r, RUNS);
	run_history_free(odd, RUNS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_finds_what_runs_are_made_of),
		cmocka_unit_test(own_figures_take_the_place_of_theirs),
		cmocka_unit_test(what_it_cannot_know_is_said),
		cmocka_unit_test(it_is_held_against_the_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
