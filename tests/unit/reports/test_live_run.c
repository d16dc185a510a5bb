/* live_run: a run that goes on is told as far as it is, from several threads, and its end to who
 * looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "reports/live/live_run.h"

static void tell(struct live_run *l, const char *event)
{
	json_t *ev = json_loads(event, 0, NULL);

	assert_non_null(ev);
	live_run_event(l, ev);
	json_decref(ev);
}

static void figures_have(struct live_run *l, bool open_metrics, const char *what)
{
	struct strbuf text = STRBUF_INIT;

	live_run_figures(l, open_metrics, &text);
	if (!strstr(text.buf, what))
		fail_msg("no \"%s\" in:\n%s", what, text.buf);
	strbuf_release(&text);
}

static void begin(struct live_run *l)
{
	tell(l,
	     "{\"t\":0,\"ev\":\"run\",\"schema\":1,\"scenario\":\"fail\\\"over\",\"ground\":\"local\",\"seed\":\"7\","
	     "\"drtest\":\"1\",\"wall_ms\":1792325000000}");
	tell(l, "{\"t\":1,\"ev\":\"step\",\"n\":1,\"name\":\"set up\"}");
}

static void figures_grow_with_the_run(void **unused)
{
	struct live_run *l = live_run_new();

	(void)unused;
	figures_have(l, true, "# EOF\n"); /* before its first event */
	begin(l);
	tell(l,
	     "{\"t\":2,\"ev\":\"sample\",\"load\":{\"acked\":5,\"failed\":0,\"unknown\":-1,\"p99_us\":2500},"
	     "\"cpu_ms\":{\"drtest\":30},\"rss_kib\":{},\"feeds\":[{\"name\":\"a\",\"lag_ms\":1500,\"resolved_lag_ms\":-3}]}");
	figures_have(
		l, false,
		"drtest_run_step{scenario=\"fail\\\"over\",ground=\"local\",step=\"set up\"} 1\n");
	figures_have(l, false, "drtest_run_ended{scenario=\"fail\\\"over\",ground=\"local\"} 0\n");
	figures_have(l, false, "outcome=\"acknowledged\"} 5\n");
	figures_have(l, true, "# TYPE drtest_load_transactions counter\n");
	figures_have(l, false, "# TYPE drtest_load_transactions_total counter\n");
	figures_have(l, true, "percentile=\"99\"} 0.0025\n");
	figures_have(l, true, "# UNIT drtest_feed_lag_seconds seconds\ndrtest_feed_lag_seconds{");
	figures_have(l, true, "process=\"drtest\"} 0.03\n");
	{
		struct strbuf text = STRBUF_INIT; /* what was not measured has no sample */

		live_run_figures(l, true, &text);
		assert_null(strstr(text.buf, "redo_loss"));
		assert_null(strstr(text.buf, "outcome=\"unknown\""));
		assert_null(strstr(text.buf, "drtest_passed"));
		strbuf_release(&text);
	}
	tell(l, "{\"t\":3,\"ev\":\"end\",\"verdict\":\"pass\",\"error\":\"\"}");
	figures_have(l, true, "drtest_run_ended{scenario=\"fail\\\"over\",ground=\"local\"} 1\n");
	figures_have(l, true, "drtest_passed{scenario=\"fail\\\"over\",ground=\"local\"} 1\n");
	live_run_free(l);
}

static void *write_events(void *arg)
{
	struct live_run *l = arg;

	begin(l);
	for (int i = 0; i < 5000; i++)
		tell(l,
		     "{\"t\":2,\"ev\":\"sample\",\"load\":{\"acked\":5},\"cpu_ms\":{},\"rss_kib\":{}}");
	tell(l, "{\"t\":3,\"ev\":\"end\",\"verdict\":\"fail\",\"error\":\"it broke\"}");
	return NULL;
}

static void *scrape(void *arg)
{
	struct strbuf text = STRBUF_INIT;

	do {
		strbuf_reset(&text);
		live_run_page(arg, &text);
		strbuf_reset(&text);
		live_run_figures(arg, true, &text);
	} while (!strstr(text.buf,
			 "drtest_run_ended{scenario=\"fail\\\"over\",ground=\"local\"} 1\n"));
	strbuf_release(&text);
	return NULL;
}

static void who_looks_is_told_the_end(void **unused)
{
	struct live_run *l = live_run_new();
	struct strbuf all = STRBUF_INIT;
	pthread_t writer, scraper;
	uint64_t seen = 0, late = 0;

	(void)unused;
	assert_int_equal(pthread_create(&writer, NULL, write_events, l), 0);
	assert_int_equal(pthread_create(&scraper, NULL, scrape, l), 0);
	while (live_run_next(l, &seen, 100, &all) == 0)
		;
	assert_non_null(strstr(all.buf, "event: end\n"));
	assert_non_null(strstr(all.buf, "badge fail"));
	assert_non_null(strstr(all.buf, "it broke"));
	assert_int_equal(strchr(strstr(all.buf, "event: end\n"), '\0') - all.buf, all.len);
	/* who comes late hears the same */
	strbuf_reset(&all);
	assert_int_equal(live_run_next(l, &late, 0, &all), -1);
	assert_non_null(strstr(all.buf, "event: end\n"));
	pthread_join(writer, NULL);
	pthread_join(scraper, NULL);
	strbuf_release(&all);
	live_run_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_grow_with_the_run),
		cmocka_unit_test(who_looks_is_told_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
