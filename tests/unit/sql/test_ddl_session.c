#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "harness/sql/ddl/ddl_session.h"

static void a_session_comes_back_as_it_went(void **unused)
{
	struct ddl_session d = { .known = true,
				 .db = "my shop%=\xc3\xa4",
				 .sql_mode = 0xffffffff,
				 .timestamp_us = 1795831850123456,
				 .time_zone = "+05:30",
				 .auto_increment_increment = 10,
				 .auto_increment_offset = 3,
				 .collation_connection = 33,
				 .collation_server = 2048,
				 .lc_time_names = 4,
				 .unique_checks = true,
				 .engine = "Aria",
				 .error = 1051,
				 .may_fail = true };
	struct ddl_session back, plain = { .known = true, .foreign_key_checks = true };
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	ddl_session_format(&d, &text);
	assert_null(strchr(text.buf, '\n'));
	assert_int_equal(ddl_session_parse(&back, text.buf, text.len, &e), 0);
	assert_memory_equal(&back, &d, sizeof(d));
	strbuf_reset(&text);
	ddl_session_format(&plain, &text);
	assert_int_equal(ddl_session_parse(&back, text.buf, text.len, &e), 0);
	assert_memory_equal(&back, &plain, sizeof(plain));
	strbuf_reset(&text);
	ddl_session_format(&(struct ddl_session){ 0 }, &text);
	assert_int_equal(text.len, 0);
	assert_int_equal(ddl_session_parse(&back, "", 0, &e), 0);
	assert_false(back.known);
	strbuf_release(&text);
}

static void what_is_no_session_is_refused(void **unused)
{
	static const char *const bad[] = { "x",
					   "=1",
					   "sql_mode=",
					   "sql_mode=-1",
					   "sql_mode=1x",
					   "db=%4",
					   "db=%zz",
					   "db=a%00b",
					   "foreign_key_checks=2",
					   "collation_server=4294967296",
					   "sql_mode=1  timestamp_us=1",
					   "error=99999999999999999999" };
	struct ddl_session d;
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ddl_session_parse(&d, bad[i], strlen(bad[i]), &e) == 0)
			fail_msg("%s is taken", bad[i]);
	assert_int_equal(ddl_session_parse(&d, "a_later_key=7 sql_mode=4", 24, &e), 0);
	assert_int_equal(d.sql_mode, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_comes_back_as_it_went),
		cmocka_unit_test(what_is_no_session_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
