/* reports: text from the journal is inert in every format, and numbers read well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "reports/text.h"

static struct strbuf out = STRBUF_INIT;

static const char *with(void (*escape)(struct strbuf *, const char *), const char *s)
{
	strbuf_reset(&out);
	escape(&out, s);
	return out.buf;
}

static const char *line(const char *s, size_t columns, size_t expected)
{
	strbuf_reset(&out);
	assert_int_equal(text_line(&out, s, columns), expected);
	return out.buf;
}

static void markup_and_controls_are_shown_not_obeyed(void **unused)
{
	(void)unused;
	assert_string_equal(with(text_html, "<b a=\"x\" c='y'>&\n\t"),
			    "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;\n ");
	assert_string_equal(with(text_xml, "a\nb"), "a&#10;b");
	assert_string_equal(with(text_xml, "\x01\x1b[31m\x7f"), "\\x01\\x1b[31m\\x7f");
	/* C1: an escape on some terminals */
	assert_string_equal(with(text_html, "\xC2\x9B"), "\\x9b");
	/* turns the direction of writing */
	assert_string_equal(with(text_html, "a\xE2\x80\xAE"
					    "b"),
			    "a\\u202eb");
	/* no XML character */
	assert_string_equal(with(text_xml, "\xEF\xBF\xBF"), "\\uffff");
	assert_string_equal(with(text_html, "größer → 日本"), "größer → 日本");
	assert_string_equal(with(text_html, NULL), "");
}

static void bytes_that_are_no_utf8_become_replacements(void **unused)
{
	(void)unused;
	assert_string_equal(with(text_html, "a\xFF"
					    "b"),
			    "a\xEF\xBF\xBD"
			    "b");
	/* overlong */
	assert_string_equal(with(text_html, "\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");
	/* a surrogate */
	assert_string_equal(with(text_html, "\xED\xA0\x80"),
			    "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
	/* cut off */
	assert_string_equal(with(text_html, "\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");
	assert_string_equal(with(text_html, "\xF4\x90\x80\x80"),
			    "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void a_line_is_as_wide_as_it_says(void **unused)
{
	(void)unused;
	assert_string_equal(line("hello", 5, 5), "hello");
	assert_string_equal(line("hello!", 5, 5), "hell…");
	assert_string_equal(line("a\nb\tc", 10, 5), "a b c");
	assert_string_equal(line("日本語", 6, 6), "日本語");
	assert_string_equal(line("日本語", 5, 5), "日本…");
	assert_string_equal(line("日本語", 4, 3), "日…"); /* half a character is not shown */
	assert_string_equal(line("ab\x1b"
				 "c",
				 4, 3),
			    "ab…");
	assert_string_equal(line("abc", 0, 0), "");
	assert_string_equal(line("", 0, 0), "");
	assert_string_equal(line(NULL, 9, 0), "");
}

static void a_cut_keeps_whole_characters(void **unused)
{
	char *cut = text_cut("größer als nichts", 6);

	(void)unused;
	assert_string_equal(cut, "gr…"); /* ö would not fit whole beside the ellipsis */
	free(cut);
	assert_null(text_cut(NULL, 5));
	cut = text_cut("abc", 3);
	assert_string_equal(cut, "abc");
	free(cut);
}

static void numbers_read_well(void **unused)
{
	char b[TEXT_NUMBER];

	(void)unused;
	assert_string_equal(text_count(b, 0), "0");
	assert_string_equal(text_count(b, 999), "999");
	assert_string_equal(text_count(b, 2013), "2,013");
	assert_string_equal(text_count(b, -1234567), "-1,234,567");
	assert_string_equal(text_count(b, INT64_MIN), "-9,223,372,036,854,775,808");
	assert_string_equal(text_seconds(b, 1.88), "1.88 s");
	assert_string_equal(text_seconds(b, 9.999), "10.0 s");
	assert_string_equal(text_seconds(b, 125), "2 min 05 s");
	assert_string_equal(text_seconds(b, 7320), "2 h 02 min");
	assert_string_equal(text_figure(b, 0), "0");
	assert_string_equal(text_figure(b, 0.5), "0.5");
	assert_string_equal(text_figure(b, 12.34), "12.3");
	assert_string_equal(text_figure(b, 1234.5), "1,235");
	assert_string_equal(text_figure(b, 100), "100");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markup_and_controls_are_shown_not_obeyed),
		cmocka_unit_test(bytes_that_are_no_utf8_become_replacements),
		cmocka_unit_test(a_line_is_as_wide_as_it_says),
		cmocka_unit_test(a_cut_keeps_whole_characters),
		cmocka_unit_test(numbers_read_well),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	strbuf_release(&out);
	return rc;
}
