/* reports: the curve of a search is drawn whole, with what broke and what is unknown; hostile text
 * in it is inert; without one there is no section. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "reports/curve/curve.h"
#include "reports/formats.h"

static struct strbuf html = STRBUF_INIT;

static void told(struct run_model *m, const char *name, const char *value)
{
	json_t *ev = json_pack("{s:f,s:s,s:s,s:s}", "t", 1.0, "ev", "figure", "name", name, "value",
			       value);

	run_model_event(m, ev);
	json_decref(ev);
}

static unsigned count(const char *part)
{
	unsigned n = 0;

	for (const char *p = html.buf; (p = strstr(p, part)); p++)
		n++;
	return n;
}

static struct run_model *with_curve(const char *curve)
{
	struct run_model *m = xcalloc(1, sizeof(*m));

	run_model_init(m);
	told(m, "target", "p99<50ms,lag<5s");
	if (curve)
		told(m, "curve", curve);
	strbuf_reset(&html);
	curve_html(m, &html);
	return m;
}

static void end(struct run_model *m)
{
	run_model_release(m);
	free(m);
}

static void each_rate_is_drawn(void **unused)
{
	struct strbuf text = STRBUF_INIT;
	struct run_model *m;

	(void)unused;
	for (int i = 0; i < 16; i++)
		strbuf_addf(
			&text,
			"%s{\"rate\":%d,\"tps\":%d.5,\"p50_ms\":1.25,\"p99_ms\":%d,\"queue_p99_ms\":0.5,\"lag_ms\":2000,\"rpo_ms\":1800,\"broke\":\"%s\"%s}",
			i ? "," : "[", 100 * (i + 1), 100 * (i + 1) - 1, 3 + i,
			i == 14 ? "p99<50ms" : "",
			i == 15 ? ",\"unknown\":\"shard 2 was killed\"" : "");
	strbuf_addch(&text, ']');
	m = with_curve(text.buf);
	assert_true(curve_there(m));
	assert_int_equal(count("<circle"), 15 * 4); /* the unknown one is a question mark */
	assert_int_equal(count("broke\""), 4);
	assert_int_equal(count("class=\"ask\">?<"), 1);
	assert_int_equal(count("<polyline"), 4);
	assert_int_equal(count("1,400/s hold"), 1);
	assert_int_equal(count("<tr><td"), 16);
	assert_int_equal(count("Target: p99&lt;50ms,lag&lt;5s"), 1);
	assert_int_equal(count("unknown\">unknown</span> shard 2 was killed"), 1);
	assert_int_equal(count("nan"), 0);
	/* the page has it once, drawn */
	strbuf_reset(&html);
	format_html_main(m, &html);
	assert_int_equal(count("<section id=\"curve\">"), 1);
	assert_int_equal(count("queue_p99_ms"), 0);
	end(m);
	strbuf_release(&text);
}

static void nothing_of_it_is_believed(void **unused)
{
	static const char *const none[] = {
		NULL, "", "[", "[]", "{}", "[1,2]", "[{\"rate\":0}]", "[{\"rate\":\"<b>\"}]"
	};
	struct run_model *m;

	(void)unused;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		m = with_curve(none[i]);
		assert_false(curve_there(m));
		assert_string_equal(html.buf, "");
		end(m);
	}
	m = with_curve(
		"[{\"rate\":5,\"p99_ms\":-3,\"broke\":\"<script>\"},{\"rate\":4},{\"rate\":1e11,\"unknown\":\"</svg>\"}]");
	assert_int_equal(count("<script>"), 0);
	assert_int_equal(count("</svg>"), 1);
	assert_int_equal(count("<tr><td"), 2);
	end(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rate_is_drawn),
		cmocka_unit_test(nothing_of_it_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
