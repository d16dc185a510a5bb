#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/base/nearest.h"

static void what_was_meant_is_found_and_nothing_else(void **state)
{
	static const char *const names[] = { "seed",       "set",    "store",  "plan",
					     "table_size", "tables", "history" };
	static const struct {
		const char *word, *meant;
	} t[] = {
		{ "sed", "seed" },      { "rool", NULL },      { "sede", "seed" },
		{ "Seed", "seed" },     { "stroe", "store" },  { "table-sise", "table_size" },
		{ "tabels", "tables" }, { "hist", "history" }, { "x", NULL },
		{ "kangaroo", NULL },   { "", NULL },          { "sot", "set" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		const char *got = nearest(t[i].word, names, sizeof(names) / sizeof(*names));

		if (t[i].meant)
			assert_string_equal(got ? got : "(none)", t[i].meant);
		else
			assert_null(got);
	}
	assert_null(nearest("seed", names, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		what_was_meant_is_found_and_nothing_else) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
