/* Which tables rules let in: the last that matches decides; what a rule can't mean is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "harness/compare/table_filter.h"

/* rules: separated by ';'. names: "db.table" each, in front of those that are out a '-'. */
static void check(bool patterns, const char *rules, const char *names)
{
	struct table_filter *f = table_filter_new();
	char text[500], *save = NULL;
	struct err e = ERR_INIT;

	snprintf(text, sizeof(text), "%s", rules);
	for (char *r = strtok_r(text, ";", &save); r; r = strtok_r(NULL, ";", &save))
		if (patterns)
			table_filter_add_pattern(f, r);
		else if (table_filter_add_rule(f, r, &e) < 0)
			fail_msg("%s", e.text);
	snprintf(text, sizeof(text), "%s", names);
	for (char *n = strtok_r(text, ";", &save); n; n = strtok_r(NULL, ";", &save)) {
		bool out = *n == '-';
		char *dot = strchr(n, '.');

		*dot = '\0';
		if (table_filter_has(f, n + out, dot + 1) == out)
			fail_msg("%s: %s.%s", rules, n, dot + 1);
	}
	table_filter_free(f);
}

static void the_last_rule_that_matches_decides(void **unused)
{
	(void)unused;
	check(false, "d.*;!d.t*;d.t1", "d.a;-d.t;d.t1;-d.t2;-e.a");
	check(false, "d.t1;!d.t*", "-d.t1;-d.a");
	check(false, "!d.t", "-d.t;-d.a"); /* nothing lets it in */
	check(true, "d.*;!d.t*;d.t1", "d.a;-d.t;d.t1;-d.t2;-e.a");
	check(true, "!d.t", "-d.t;d.a;e.x"); /* all but it */
}

static void rules_are_tidbs(void **unused)
{
	(void)unused;
	check(false, "Test.T?", "test.t1;TEST.ta;-test.t;-test.t12");
	check(false, "`a b`.\"c\"\"d\";*.x[0-9]", "a b.c\"d;q.x5;-q.y");
	check(false, "a-b.c", "a-b.c");
	check(false, "\\*.t", "*.t;-x.t");
	check(false, "/^db\\d{2,}$/./^tbl\\w+$/", "db12.tbl_a;-db1.tbl_a;-db12.tbl;DB99.TBL9");
	check(false, "/(?:ab|cd)/.*", "xabx.t;cd.t;-ef.t");
	check(false, "  # a comment;a.b", "a.b");
	check(false, "x.[!ab]", "x.c;-x.a");
	check(false, " d.t \t", "d.t");
	check(false, "d.t?;é*./^ñ.$/", "d.té;-d.t12;É1.ñü;-é.ñ");
	check(true, "d.t?;!d.t[é-ü]", "d.tx;-d.tö");
}

static void what_a_rule_cannot_mean_is_refused(void **unused)
{
	static const char *const bad[] = { "nodot",   "a.",         ".b",    "a.b.c",  "@file",
					   "`a.b",    "a.[x",       "/a/b",  "/a(/.b", "/(?i)a/.b",
					   "/a*?/.b", "/\\p{L}/.b", "a.b c", "a.b\\" };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct table_filter *f = table_filter_new();
		struct err e = ERR_INIT;

		if (table_filter_add_rule(f, bad[i], &e) == 0)
			fail_msg("%s is taken", bad[i]);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_non_null(strstr(e.text, bad[i]));
		table_filter_free(f);
	}
}

static void a_rule_that_matched_nothing_is_told(void **unused)
{
	struct table_filter *f = table_filter_new();

	(void)unused;
	assert_null(table_filter_unused(f));
	table_filter_add_pattern(f, "d.*");
	table_filter_add_pattern(f, "!d.x");
	table_filter_add_pattern(f, "d.typo");
	assert_true(table_filter_has(f, "d", "t"));
	assert_string_equal(table_filter_unused(f), "d.typo");
	table_filter_has(f, "d", "typo");
	assert_null(table_filter_unused(f));
	table_filter_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_last_rule_that_matches_decides),
					    cmocka_unit_test(rules_are_tidbs),
					    cmocka_unit_test(what_a_rule_cannot_mean_is_refused),
					    cmocka_unit_test(a_rule_that_matched_nothing_is_told) };

	setlocale(LC_CTYPE, "C.UTF-8"); /* as cli/main.c does */

	return cmocka_run_group_tests(tests, NULL, NULL);
}
