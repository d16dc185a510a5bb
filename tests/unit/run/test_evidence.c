/* run: counts in evidence are written for people; names keep their digits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "harness/run/thousands.h"

static void becomes(const char *text, const char *want)
{
	char *got = thousands_text(text);

	assert_string_equal(got, want);
	free(got);
}

static void counts_get_separators(void **unused)
{
	(void)unused;
	becomes("2343 of 2355 acknowledged transactions are there, 12 lost",
		"2,343 of 2,355 acknowledged transactions are there, 12 lost");
	becomes("the cluster equals the backup: 100000 rows of 11 tables",
		"the cluster equals the backup: 100,000 rows of 11 tables");
	becomes("1234567", "1,234,567");
	becomes("(1234 rows) 12345; 123456, 1234.", "(1,234 rows) 12,345; 123,456, 1,234.");
	becomes("999", "999");
	becomes("", "");
}

static void names_keep_their_digits(void **unused)
{
	static const char *const same[] = { "Table 'a.b' doesn't exist (1146)",
					    "TSO 470614550143827970",
					    "127.0.0.1:43251",
					    "0-1-123456",
					    "3.14159 s",
					    "row id 4711",
					    "port 6060",
					    "1,234 rows",
					    "worker 1234, sequence 5678",
					    "sbtest1234",
					    "x=1234",
					    "00012",
					    "2026-11-21",
					    "20261121T081806Z",
					    "server 1234 said 5ms" };

	(void)unused;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		becomes(same[i], same[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(counts_get_separators),
					    cmocka_unit_test(names_keep_their_digits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
