#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/replay/apply_sql.h"
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

/* Names are constants and in quotes; of too many, and of none, everything is asked for. */
static void a_lookup_names_its_places_or_asks_for_everything(void **unused)
{
	static const char select[] = "SELECT T FROM v", everything[] = "SELECT T FROM v WHERE 1";

	(void)unused;
	for (unsigned n = 0; n <= 200; n += n == 2 ? 198 : 1) {
		struct lookup l = { .q = STRBUF_INIT };

		for (unsigned i = 0; i < n; i++)
			lookup_add(&l, select, "S", "it's", "T", i ? "b" : "a", NULL);
		assert_string_equal(
			lookup_end(&l, select, "1"),
			n == 1   ? "SELECT T FROM v WHERE S = 'it\\'s' AND T = 'a'"
			: n == 2 ? "SELECT T FROM v WHERE S = 'it\\'s' AND T = 'a' UNION ALL "
				   "SELECT T FROM v WHERE S = 'it\\'s' AND T = 'b'"
				 : everything);
		strbuf_release(&l.q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_character_is_cut_in_two),
		cmocka_unit_test(a_lookup_names_its_places_or_asks_for_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
