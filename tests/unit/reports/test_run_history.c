/* reports: the history of runs, rules over it, and the statistics under them. A locked, full or
 * damaged database is an error with a way out, never more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/journal.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "reports/gate.h"
#include "reports/report.h"
#include "reports/run_history.h"
#include "reports/stats.h"
#include "reports/trend.h"

#define HOSTILE "x'); DROP TABLE runs; --<script>"

static char dir[] = "/tmp/drtest-history.XXXXXX";

static void ok(int rc, const struct err *e)
{
	if (rc < 0)
		fail_msg("%s", e->text);
}

static int begin(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	ok(fs_remove_tree(dir, &e), &e);
	return fs_mkdir_p(dir, 0755, &e);
}

/* A run folder; the caller frees its path. */
static char *run_folder(const char *name, int night, const char *verdict, double rto_ms,
			double window_ms)
{
	char *path = xstrfmt("%s/%s", dir, name),
	     *journal_path = xstrfmt("%s/journal.jsonl.zst", path);
	struct err e = ERR_INIT;
	struct journal *j;

	ok(fs_remove_tree(path, &e), &e);
	ok(fs_mkdir_p(path, 0755, &e), &e);
	j = journal_create(journal_path, &e);
	assert_non_null(j);
	journal_event_at(j, journal_start_ns(j), "run",
			 json_pack("{s:i,s:I,s:s,s:s,s:s,s:s,s:{s:s}}", "schema", 1, "wall_ms",
				   (json_int_t)1792238592000 + (json_int_t)night * 86400000,
				   "drtest", "0.1.0", "scenario", "failover", "ground", "local",
				   "seed", "42", "options", "rate", "100"));
	journal_event(j, "rpo",
		      json_pack("{s:i,s:i,s:f}", "lost", 3, "acked", 100, "window_ms", window_ms));
	journal_event(j, "rto", json_pack("{s:f}", "service_ms", rto_ms));
	journal_event(j, "figure", json_pack("{s:s,s:i}", "name", HOSTILE, "value", 7));
	journal_event(j, "check",
		      json_pack("{s:i,s:s,s:s,s:s}", "step", 1, "name", "c", "verdict", verdict,
				"evidence", ""));
	journal_event(j, "end", json_pack("{s:s,s:s}", "verdict", verdict, "error", ""));
	ok(journal_close(j, &e), &e);
	free(journal_path);
	return path;
}

static void add(const char *name, int night, const char *verdict, double rto_ms, double window_ms)
{
	char *path = run_folder(name, night, verdict, rto_ms, window_ms);
	struct err e = ERR_INIT;

	ok(run_history_add(dir, path, &e), &e);
	free(path);
}

static void a_run_is_kept_with_its_figures(void **unused)
{
	struct run_filter f = { 0 };
	struct run_row *runs;
	struct err e = ERR_INIT;
	size_t n;

	(void)unused;
	ok(run_history_list(dir, &f, &runs, &n, &e), &e);
	assert_int_equal(n, 0); /* no database yet */
	add("b", 2, "fail", 2500, 90);
	add("a", 1, "pass", 2000, 80);
	add("a", 1, "pass", 2001, 80); /* again: replaced */
	ok(run_history_list(dir, &f, &runs, &n, &e), &e);
	assert_int_equal(n, 2);
	assert_string_equal(runs[0].name, "a"); /* oldest first */
	assert_string_equal(runs[1].verdict, "fail");
	assert_string_equal(runs[0].options, "{\"rate\":\"100\"}");
	assert_true(run_row_value(&runs[0], "rto_ms") == 2001);
	assert_true(run_row_value(&runs[0], "rpo_ms") == 80);
	assert_true(run_row_value(&runs[0], HOSTILE) == 7);
	assert_true(isnan(run_row_value(&runs[0], "nothing")));
	run_history_free(runs, n);
	f = (struct run_filter){
		.verdict = "pass", .scenario = "failover", .drtest = "0.1", .last = 5
	};
	ok(run_history_list(dir, &f, &runs, &n, &e), &e);
	assert_int_equal(n, 1);
	run_history_free(runs, n);
	f = (struct run_filter){ .scenario = HOSTILE };
	ok(run_history_list(dir, &f, &runs, &n, &e), &e);
	assert_int_equal(n, 0);
	f = (struct run_filter){ .last = 1, .skip = 1 };
	ok(run_history_list(dir, &f, &runs, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_string_equal(runs[0].name, "a");
	run_history_free(runs, n);
}

static void report_of(const char *run, struct strbuf *html)
{
	char *path = xstrfmt("%s/report.html", run);
	struct err e = ERR_INIT;

	strbuf_reset(html);
	ok(report_make(run, &e), &e);
	ok(fs_read_file(path, 1 << 20, html, &e), &e);
	free(path);
}

static void a_report_tells_what_changed_since_the_run_before(void **unused)
{
	char *run = run_folder("c", 3, "pass", 3000, 70),
	     *db = xstrfmt("%s/" RUN_HISTORY_FILE, dir);
	struct strbuf html = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	report_of(run, &html); /* no history */
	assert_null(strstr(html.buf, "id=\"before\""));
	add("a", 1, "pass", 9000, 80);
	add("b<i>", 2, "fail", 2500, 90);
	add("c", 3, "pass", 3000, 70);
	add("d", 4, "pass", 1000, 70); /* later: not the one before */
	report_of(run, &html);
	assert_non_null(strstr(
		html.buf,
		"<a href=\"../b&lt;i&gt;/report.html\">b&lt;i&gt;</a> (fail): lost 3, now 3; data-loss window 0.09 s, now 0.07 s; "
		"RTO 2.50 s, now 3.00 s.</p>"));
	ok(fs_write_atomic(db, "no database", 11, 0644, &e), &e);
	report_of(run, &html); /* the report is made without it */
	assert_null(strstr(html.buf, "id=\"before\""));
	strbuf_release(&html);
	free(run);
	free(db);
}

static void a_damaged_history_says_so_and_is_made_again(void **unused)
{
	char *path = xstrfmt("%s/" RUN_HISTORY_FILE, dir), *aside = xstrfmt("%s.damaged", path),
	     *run;
	struct run_filter f = { 0 };
	struct run_row *runs;
	struct err e = ERR_INIT;
	char noise[4096];
	size_t n;

	(void)unused;
	memset(noise, 'x', sizeof(noise));
	run = run_folder("a", 1, "pass", 2000, 80);
	ok(fs_write_atomic(path, noise, sizeof(noise), 0644, &e), &e);
	assert_int_equal(run_history_add(dir, run, &e), -1);
	assert_non_null(strstr(e.text, "drtest history --rebuild"));
	e = (struct err)ERR_INIT;
	assert_int_equal(run_history_list(dir, &f, &runs, &n, &e), -1);
	assert_non_null(strstr(e.text, "is damaged"));
	e = (struct err)ERR_INIT;
	ok(run_history_rebuild(dir, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_true(fs_exists(aside));
	ok(run_history_list(dir, &f, &runs, &n, &e), &e);
	assert_int_equal(n, 1);
	run_history_free(runs, n);
	free(run);
	free(path);
	free(aside);
}

static void a_locked_history_is_an_error_and_not_a_wait_without_end(void **unused)
{
	char *path = xstrfmt("%s/" RUN_HISTORY_FILE, dir), *run;
	struct err e = ERR_INIT;
	sqlite3 *db;

	(void)unused;
	add("a", 1, "pass", 2000, 80);
	run = run_folder("b", 2, "pass", 2000, 80);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(run_history_add(dir, run, &e), -1);
	assert_non_null(strstr(e.text, "is locked by another process"));
	sqlite3_close(db);
	e = (struct err)ERR_INIT;
	ok(run_history_add(dir, run, &e), &e);
	free(run);
	free(path);
}

static void a_history_that_has_no_room_keeps_what_it_has(void **unused)
{
	struct run_filter f = { 0 };
	struct run_row *runs;
	struct err e = ERR_INIT;
	size_t n;
	char *run;

	(void)unused;
	run = run_folder("b", 2, "pass", 2000, 80);
	assert_int_equal(run_history_add("/proc/self", run, &e),
			 -1); /* nothing can be made there */
	assert_true(e.kind != ERR_NONE);
	add("a", 1, "pass", 2000, 80);
	e = (struct err)ERR_INIT;
	assert_int_equal(run_history_add(dir, "/nonexistent/run", &e), -1);
	e = (struct err)ERR_INIT;
	ok(run_history_list(dir, &f, &runs, &n, &e), &e);
	assert_int_equal(n, 1);
	run_history_free(runs, n);
	free(run);
}

static void statistics_are_right_where_they_can_be_counted(void **unused)
{
	double v[] = { 9, 1, 5, 3, 7 }, one[] = { 4 }, outlier[] = { 10, 11, 10, 9, 500 };
	double low[] = { 1, 2, 3 }, high[] = { 4, 5, 6 }, same[] = { 2, 2, 2 }, many[60],
	       shifted[60];

	(void)unused;
	assert_true(stats_median(v, 5) == 5);
	assert_true(fabs(stats_quantile(v, 5, 0.95) - 8.6) < 1e-9);
	assert_true(stats_quantile(one, 1, 0.95) == 4);
	assert_true(stats_spread(one, 1) == 0);
	assert_true(fabs(stats_spread(outlier, 5) - 1.4826) < 1e-9);
	/* 2 of the 20 ways to choose 3 of 6 */
	assert_true(fabs(stats_rank_test(low, 3, high, 3) - 0.1) < 1e-9);
	assert_true(stats_rank_test(same, 3, same, 3) == 1);
	assert_true(stats_rank_test(low, 0, high, 3) == 1);
	for (int i = 0; i < 60; i++) {
		many[i] = i;
		shifted[i] = i + 30.5;
	}
	assert_true(stats_rank_test(many, 60, shifted, 60) < 1e-6);
	assert_true(stats_rank_test(many, 60, many, 60) > 0.9);
}

static void rules_are_read_or_refused_with_the_reason(void **unused)
{
	static const char *const good[] = { "rpo_ms p95 <= 1.2x",  "rto_ms <= 2s",
					    "rto_ms < +20%",       "load_tps min >= -10%",
					    "rpo_lost max <= 100", "rto_ms max <= 5m",
					    "rto_ms<=2s",          "rpo_ms p95 <=1.2x",
					    "seconds mean <= 2min" };
	static const char *const bad[] = { "",
					   "rpo_ms",
					   "rpo_ms <=",
					   "rpo_ms = 5",
					   "rpo_ms p95 <= x",
					   "rpo_ms p101 <= 1x",
					   "rpo_ms most <= 1x",
					   "rpo_lost <= 5s",
					   "rpo_ms <= 1.2y",
					   "rpo_ms <= -1x",
					   "a b <= 1x c",
					   "rpo_ms <= nan" };
	struct gate_rule r;
	struct err e;

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		e = (struct err)ERR_INIT;
		ok(gate_parse(good[i], &r, &e), &e);
	}
	assert_true(r.limit == 120); /* two minutes of a figure in seconds */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(gate_parse(bad[i], &r, &e), -1);
		assert_int_equal(err_exit_code(&e), 2);
	}
}

static enum gate_result judged(const char *rule, const double *runs, size_t n,
			       const double *baseline, size_t baseline_n, bool strict)
{
	struct run_row r[32] = { 0 }, b[32] = { 0 };
	struct run_row_value v[64];
	struct gate_rule parsed;
	struct strbuf why = STRBUF_INIT;
	struct err e = ERR_INIT;
	enum gate_result result;

	ok(gate_parse(rule, &parsed, &e), &e);
	for (size_t i = 0; i < n + baseline_n; i++) {
		struct run_row *one = i < n ? &r[i] : &b[i - n];

		v[i] = (struct run_row_value){ (char *)"rto_ms",
					       i < n ? runs[i] : baseline[i - n] };
		*one = (struct run_row){ .verdict = (char *)"pass",
					 .values = &v[i],
					 .values_n = 1 };
	}
	result = gate_judge(&parsed, &(struct gate_sides){ r, b, n, baseline_n, 5, strict }, &why);
	assert_true(why.len > 0);
	strbuf_release(&why);
	return result;
}

static void a_gate_fails_on_a_regression_and_not_on_noise(void **unused)
{
	const double calm[] = { 2000, 2010, 1990, 2005, 1995, 2002, 1998, 2001 },
		     wild[] = { 1000, 3000, 1500, 2500, 2000, 800, 3200, 2100 };
	const double bad[] = { 2600 }, worse[] = { 2600, 2700, 2650, 2680, 2620 }, far[] = { 9000 },
		     good[] = { 1500 };

	(void)unused;
	assert_int_equal(judged("rto_ms <= 1.2x", good, 1, calm, 8, false), GATE_HOLDS);
	assert_int_equal(judged("rto_ms <= 1.2x", bad, 1, calm, 8, false), GATE_BROKEN);
	/* such nights come by chance */
	assert_int_equal(judged("rto_ms <= 1.2x", bad, 1, wild, 8, false), GATE_HOLDS);
	assert_int_equal(judged("rto_ms <= 1.2x", bad, 1, wild, 8, true), GATE_BROKEN);
	assert_int_equal(judged("rto_ms <= 1.2x", far, 1, wild, 8, false), GATE_BROKEN);
	assert_int_equal(judged("rto_ms <= 1.2x", worse, 5, calm, 8, false), GATE_BROKEN);
	assert_int_equal(judged("rto_ms p95 <= 1.2x", worse, 5, calm, 8, false), GATE_BROKEN);
	/* too little history */
	assert_int_equal(judged("rto_ms <= 1.2x", bad, 1, calm, 3, false), GATE_UNKNOWN);
	/* a limit needs none */
	assert_int_equal(judged("rto_ms <= 2s", bad, 1, NULL, 0, false), GATE_BROKEN);
	assert_int_equal(judged("rto_ms >= 2s", bad, 1, NULL, 0, false), GATE_HOLDS);
	/* not measured */
	assert_int_equal(judged("rpo_ms <= 2s", bad, 1, calm, 8, false), GATE_UNKNOWN);
}

static void the_trend_page_holds_hostile_text_inert(void **unused)
{
	struct run_filter f = { 0 };
	struct strbuf page = STRBUF_INIT;
	struct run_row *runs;
	struct err e = ERR_INIT;
	size_t n;

	(void)unused;
	add("<script>alert(1)<script>", 1, "pass", 2000, 80);
	add("b", 2, "fail", 2000, 80);
	ok(run_history_list(dir, &f, &runs, &n, &e), &e);
	trend_html(runs, n, "<script>alert(2)</script>", &page);
	assert_null(strstr(page.buf, "<script>alert"));
	assert_non_null(strstr(page.buf, "1 of 2 runs passed"));
	run_history_free(runs, n);
	strbuf_release(&page);
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_run_is_kept_with_its_figures),
		TEST(a_report_tells_what_changed_since_the_run_before),
		TEST(a_damaged_history_says_so_and_is_made_again),
		TEST(a_locked_history_is_an_error_and_not_a_wait_without_end),
		TEST(a_history_that_has_no_room_keeps_what_it_has),
		TEST(statistics_are_right_where_they_can_be_counted),
		TEST(rules_are_read_or_refused_with_the_reason),
		TEST(a_gate_fails_on_a_regression_and_not_on_noise),
		TEST(the_trend_page_holds_hostile_text_inert),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fs_remove_tree(dir, NULL);
	return rc;
}
