#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/replay/ddl_judge.h"

/* A long statement is cut in front of a character, wherever it falls. */
static void no_character_is_cut_in_two(void **unused)
{
	static const char *const units[] = { "a", "ä", "€", "😀" };

	(void)unused;
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++)
		for (size_t shift = 0; shift < 4; shift++) {
			struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
			struct redo_ddl d = { .commit_ts = 7 };

			for (size_t i = 0; i < shift; i++)
				strbuf_addch(&text, 'x');
			while (text.len < 300)
				strbuf_addstr(&text, units[u]);
			d.query = (struct redo_bytes){ text.buf, (uint32_t)text.len };
			ddl_text(&d, "is", &out);
			assert_non_null(strstr(out.buf, "..."));
			assert_int_equal(out.buf[out.len - 1], '.');
			/* what is in front of the dots is whole units */
			size_t shown = out.len - 3 - strlen("DDL at commitTs 7 is: ");
			assert_int_equal((shown - shift) % strlen(units[u]), 0);
			assert_in_range(shown, 116, 120);
			strbuf_release(&text);
			strbuf_release(&out);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_character_is_cut_in_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
