/* The sets that need no server. Those that do: tests/integration/test_feed_sink.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/sql/charset.h"

static void text_becomes_utf8(void **unused)
{
	static const struct {
		const char *set, *in;
		size_t n, text; /* bytes, and how many of them are text */
		const char *out;
	} c[] = {
		{ "utf8mb4", "a\xf0\x9f\x98\x80", 5, 5, "a\xf0\x9f\x98\x80" },
		{ "utf8mb3", "a\xf0\x9f\x98\x80", 5, 1, "a" },
		{ "utf8mb4", "a\xc0\x80", 3, 1, "a" },         /* longer than it need be */
		{ "utf8mb4", "a\xed\xa0\x80", 4, 1, "a" },     /* a surrogate */
		{ "utf8mb4", "a\xf4\x90\x80\x80", 5, 1, "a" }, /* beyond Unicode */
		{ "utf8mb4", "\xe2\x82", 2, 0, "" },           /* cut off */
		{ "ascii", "a\x7f\x80", 3, 2, "a\x7f" },
		{ "binary", "\xff\x80", 2, 2, "\xff\x80" },
		{ "latin1", "\x80\x81\xe9", 3, 3, "\xe2\x82\xac\xc2\x81\xc3\xa9" },
		{ "ucs2", "\x20\xac\xd8\x3d\xde\x00", 6, 2, "\xe2\x82\xac" },
		{ "utf16", "\xd8\x3d\xde\x00\x00\x41", 6, 6,
		  "\xf0\x9f\x98\x80"
		  "A" },
		{ "utf16", "\xde\x00\xd8\x3d", 4, 0, "" },
		{ "utf16", "\x00\x41\xd8\x3d", 4, 2, "A" },
		{ "utf16le", "\x3d\xd8\x00\xde\x41", 5, 4, "\xf0\x9f\x98\x80" },
		{ "utf32", "\x00\x01\xf6\x00\x00\x11\x00\x00", 8, 4, "\xf0\x9f\x98\x80" },
	};
	struct charsets *sets = charsets_new(NULL);
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		strbuf_reset(&out);
		assert_int_equal(
			charset_to_utf8(charsets_get(sets, c[i].set, &e), c[i].in, c[i].n, &out),
			c[i].text);
		assert_string_equal(out.buf, c[i].out);
		assert_int_equal(
			charset_to_utf8(charsets_get(sets, c[i].set, &e), c[i].in, c[i].n, NULL),
			c[i].text);
	}
	strbuf_release(&out);
	charsets_free(sets);
}

static void an_unknown_set_is_named(void **unused)
{
	struct charsets *sets = charsets_new(NULL);
	struct err e = ERR_INIT;

	(void)unused;
	assert_null(charsets_get(sets, "gbk", &e));
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "gbk"));
	assert_null(charsets_get(sets, "x' OR '1'='1", &e));
	charsets_free(sets);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(text_becomes_utf8),
					    cmocka_unit_test(an_unknown_set_is_named) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
