/* suites/suite_file: runs, seeds and options of a suite's file, and what is refused with which
 * words; suites/sweep's list of seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "suites/scores.h"
#include "suites/suite_file.h"
#include "suites/sweep.h"

static char dir[] = "/tmp/drtest-unit-suites-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int read_text(struct suite *s, const char *text, struct err *e)
{
	char *path = xstrfmt("%s/suite.lua", dir);
	FILE *f = fopen(path, "w");
	int rc;

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	rc = suite_read(s, path, e);
	unlink(path);
	free(path);
	return rc;
}

static void refused(const char *text, const char *words)
{
	struct err e = ERR_INIT;
	struct suite s;

	assert_int_equal(read_text(&s, text, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" lacks \"%s\"", e.text, words);
	suite_release(&s);
}

static void every_combination(void **state)
{
	static const char *const titles[] = { "a seed 1 fast=true rate=100",
					      "a seed 2 fast=true rate=100",
					      "a seed 1 fast=true rate=500",
					      "a seed 2 fast=true rate=500", "b seed 42" };
	struct err e = ERR_INIT;
	struct suite s;

	(void)state;
	if (read_text(
		    &s,
		    "-- Two of them.\nreturn { suite = 'x', runs = {"
		    " { './a.lua', seeds = { 1, 2 }, set = { rate = { 100, 500 }, fast = true } }, { './b.lua' } } }",
		    &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(s.name, "x");
	assert_string_equal(s.sentence, "Two of them.");
	assert_string_equal(s.baseline, "last:20");
	assert_int_equal(s.runs_n, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(s.runs[i].title, titles[i]);
	assert_string_equal(s.runs[2].set[1], "rate=500");
	assert_null(s.runs[2].set[2]);
	assert_string_equal(s.runs[4].seed, "42");
	assert_string_equal(s.runs[4].file, "./b.lua");
	assert_int_equal(suite_keep(&s, "rate=500"), 2);
	assert_string_equal(s.runs[0].title, titles[2]);
	assert_int_equal(suite_keep(&s, "nobody"), 0);
	suite_release(&s);
}

static void a_gate(void **state)
{
	struct err e = ERR_INIT;
	struct suite s;

	(void)state;
	if (read_text(
		    &s,
		    "return { suite = 'x', runs = { { './a.lua' } }, gate = { baseline = 'version:0.1.0', 'rpo_ms p95 <= 1.2x' } }",
		    &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(s.baseline, "version:0.1.0");
	assert_int_equal(s.rules_n, 1);
	assert_string_equal(s.rules[0].name, "rpo_ms");
	suite_release(&s);
	refused("return { suite = 'x', runs = { { './a.lua' } }, gate = { baseline = 'yesterday' } }",
		"gate.baseline");
	refused("return { suite = 'x', runs = { { './a.lua' } }, gate = { 'rpo_ms is small' } }",
		"suite.lua");
	refused("return { suite = 'x', runs = { { './a.lua' } }, gate = 7 }",
		"gate must be a table");
}

static void bad_files(void **state)
{
	struct err e = ERR_INIT;
	struct suite s;

	(void)state;
	refused("return 7", "this is not a suite");
	refused("return { runs = {} }", "suite = \"name\" is missing");
	refused("return { suite = '../x', runs = {} }", "the name '../x' must be");
	refused("return { suite = 'x' }", "runs = { … } is missing");
	refused("return { suite = 'x', runs = {} }", "it has no run");
	refused("return { suite = 'x', runs = {}, rnus = {} }", "field 'rnus'");
	refused("return { suite = 'x', runs = { 'a' } }", "an entry of runs");
	refused("return { suite = 'x', runs = { { seeds = { 1 } } } }",
		"needs the name of a scenario");
	refused("return { suite = 'x', runs = { { './a.lua', seeds = { 1.5 } } } }",
		"seed '1.5' is not a whole number");
	refused("return { suite = 'x', runs = { { './a.lua', sed = 1 } } }", "'sed'");
	refused("return { suite = 'x', runs = { { './a.lua', set = { rate = {} } } } }",
		"option rate has no value");
	refused("return { suite = ", "suite");
	refused("os.exit(0)", "os"); /* no library */
	refused("while true do end", "it does not finish");
	refused("local s = drtest.scenario", "is a scenario");
	refused("return { suite = 'x', runs = { { './a.lua', set = {"
		" a = { 1,2,3,4,5,6,7,8,9,10,11 }, b = { 1,2,3,4,5,6,7,8,9,10 }, c = { 1,2,3,4,5,6,7,8,9,10 } } } } }",
		"more than 1,000 runs");
	assert_int_equal(suite_read(&s, "/nonexistent/suite.lua", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	suite_release(&s);
}

static void lists_of_seeds(void **state)
{
	static const char *const bad[] = { "",   "x",    "1..",       "3..1",
					   "1,", "1,,2", "1..100001", "18446744073709551616",
					   "-1", "1.2" };
	struct sweep s = { 0 };

	(void)state;
	assert_true(sweep_add_seeds(&s, "1,7,20..22"));
	assert_int_equal(s.n, 5);
	assert_int_equal(s.results[1].seed, 7);
	assert_int_equal(s.results[4].seed, 22);
	sweep_close(&s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (sweep_add_seeds(&s, bad[i]))
			fail_msg("\"%s\" was taken", bad[i]);
		sweep_close(&s);
	}
}

static void the_worst_run_counts(void **state)
{
	static const struct {
		const char *verdicts[3];
		int code;
	} cases[] = { { { "pass", "pass", "pass" }, 0 },
		      { { "pass", "unknown", "pass" }, 4 },
		      { { "unknown", "error", "pass" }, 3 },
		      { { "error", "unknown", "pass" }, 3 },
		      { { "error", "unknown", "fail" }, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sweep s = { 0 };

		assert_true(sweep_add_seeds(&s, "1..3"));
		for (size_t k = 0; k < 3; k++) {
			snprintf(s.results[k].verdict, sizeof(s.results[k].verdict), "%s",
				 cases[i].verdicts[k]);
			s.results[k].done = true;
		}
		assert_int_equal(sweep_exit_code(&s), cases[i].code);
		sweep_close(&s);
	}
}

/* A defect is good when every place was caught; its twin when none was; neither when it was never
 * planted. */
static void rows_of_the_selftest(void **state)
{
	struct scores t = { 0 };
	struct score *s = score_add(&t, "lost", "a lost transaction", false);

	(void)state;
	assert_false(score_good(s));
	s->planted = s->caught = 2;
	assert_true(score_good(s));
	s->judged[BY_FORENSIC] = 1;
	assert_false(score_good(s));
	s->by[BY_FORENSIC] = 1;
	assert_true(score_good(s));
	s->caught = 1;
	assert_false(score_good(s));
	assert_ptr_equal(score_add(&t, "lost", "a lost transaction", false), s);
	s = score_add(&t, "twin", "harmless", true);
	assert_int_equal(t.n, 2);
	assert_false(score_good(s));
	s->planted = 1;
	assert_true(score_good(s));
	s->caught = 1;
	assert_false(score_good(s));
	free(t.s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination),
		cmocka_unit_test(a_gate),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(lists_of_seeds),
		cmocka_unit_test(the_worst_run_counts),
		cmocka_unit_test(rows_of_the_selftest),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
