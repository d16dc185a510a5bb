#include "reports/trend.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/xalloc.h"
#include "reports/embedded.h"
#include "reports/stats.h"
#include "reports/text.h"

#define WINDOW 7       /* runs of the moving median */
#define ROWS_MAX 500   /* of the table */
#define FIGURES_MAX 60 /* of a kind of runs */
#define GROUPS_MAX 20

/* The figures that are asked for first; the others follow by name. */
static const char *const first[] = { "rpo_ms",       "rpo_lost", "rto_ms",     "rto_replay_ms",
				     "redundant_ms", "load_tps", "load_p99_ms" };
#define FIRST (sizeof(first) / sizeof(first[0]))

static void add_number(struct strbuf *out, double v, bool comma)
{
	strbuf_addstr(out, comma ? "," : "");
	if (isnan(v))
		strbuf_addstr(out, "null");
	else
		strbuf_addf(out, "%.6g", v);
}

/* The median of a run and those before it, as many as the window holds. */
static double moving_median(const double *v, size_t at)
{
	double window[WINDOW];
	size_t n = 0;

	for (size_t i = at + 1; i-- > 0 && n < WINDOW;)
		if (!isnan(v[i]))
			window[n++] = v[i];
	return n >= 3 && !isnan(v[at]) ? stats_median(window, n) : NAN;
}

static void add_figure(const struct run_row *runs, size_t n, const char *name, bool comma,
		       struct strbuf *data, struct strbuf *out)
{
	double *v = xcalloc(n, sizeof(*v)), *known = xcalloc(n, sizeof(*known));
	char a[TEXT_NUMBER], b[TEXT_NUMBER], c[TEXT_NUMBER];
	const char *unit = run_row_unit(name);
	size_t known_n = 0;

	for (size_t i = 0; i < n; i++) {
		v[i] = run_row_value(&runs[i], name);
		if (!isnan(v[i]))
			known[known_n++] = v[i];
	}
	strbuf_addf(data, "%s{\"unit\":\"%s\",\"t\":[", comma ? "," : "", unit);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(data, "%s%" PRId64, i ? "," : "", runs[i].started_ms / 1000);
	strbuf_addstr(data, "],\"pass\":[");
	for (size_t i = 0; i < n; i++)
		add_number(data, strcmp(runs[i].verdict, "pass") ? NAN : v[i], i > 0);
	strbuf_addstr(data, "],\"other\":[");
	for (size_t i = 0; i < n; i++)
		add_number(data, strcmp(runs[i].verdict, "pass") ? v[i] : NAN, i > 0);
	strbuf_addstr(data, "],\"median\":[");
	for (size_t i = 0; i < n; i++)
		add_number(data, moving_median(v, i), i > 0);
	strbuf_addstr(data, "]}");
	strbuf_addstr(out, "<div class=\"chart\"><div class=\"head\"><h3>");
	text_html(out, name);
	text_figure(b, stats_spread(known, known_n));
	text_figure(c, known[known_n - 1]); /* sorted by now: the greatest */
	text_figure(a, stats_median(known, known_n));
	strbuf_addf(
		out,
		"</h3><span class=\"meta\">median %s, spread %s, greatest %s%s%s; %zu run%s</span></div><div class=\"plot\" data-figure role=\"img\" "
		"aria-label=\"",
		a, b, c, *unit ? " " : "", unit, known_n, known_n == 1 ? "" : "s");
	text_html(out, name);
	strbuf_addstr(out, " over time\"></div></div>\n");
	free(v);
	free(known);
}

static void add_table(const struct run_row *runs, size_t n, struct strbuf *out)
{
	char when[TEXT_NUMBER], text[TEXT_NUMBER];
	size_t from = n > ROWS_MAX ? n - ROWS_MAX : 0;

	strbuf_addstr(
		out,
		"<section id=\"runs\"><h2>Runs</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"runs\">"
		"<table class=\"rows\"><tr><th>Began (UTC)</th><th>Verdict</th><th>Seed</th><th class=\"num\">Lost</th>"
		"<th class=\"num\">RPO</th><th class=\"num\">RTO</th><th>drtest</th><th>Run</th></tr>\n");
	for (size_t i = n; i-- > from;) {
		const struct run_row *r = &runs[i];
		double lost = run_row_value(r, "rpo_lost"), rpo = run_row_value(r, "rpo_ms"),
		       rto = run_row_value(r, "rto_ms");
		time_t t = (time_t)(r->started_ms / 1000);
		struct tm tm;

		when[0] = 0;
		if (gmtime_r(&t, &tm))
			strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		strbuf_addf(
			out,
			"<tr><td class=\"short beside\">%s</td><td class=\"beside\"><span class=\"tag ",
			when);
		text_html(out, r->verdict);
		strbuf_addstr(out, "\">");
		text_html(out, r->verdict);
		strbuf_addstr(out, "</span></td><td class=\"beside\" data-l=\"seed\">");
		text_html(out, r->seed);
		strbuf_addf(out, "</td><td class=\"num\" data-l=\"lost\">%s</td>",
			    isnan(lost) ? "" : text_count(text, (int64_t)lost));
		strbuf_addf(out, "<td class=\"num\" data-l=\"RPO\">%s</td>",
			    isnan(rpo) ? "" : text_seconds(text, rpo / 1e3));
		strbuf_addf(out, "<td class=\"num\" data-l=\"RTO\">%s</td><td>",
			    isnan(rto) ? "" : text_seconds(text, rto / 1e3));
		text_html(out, r->drtest);
		strbuf_addstr(out, "</td><td><a href=\"./");
		text_html(out, r->name);
		strbuf_addstr(out, "/report.html\">");
		text_html(out, r->name);
		strbuf_addstr(out, "</a></td></tr>\n");
	}
	strbuf_addstr(out, "</table></div>");
	if (from)
		strbuf_addf(out, "<p class=\"meta\">and %zu older ones</p>", from);
	strbuf_addstr(out, "</section>\n");
}

/* The charts of one group: runs of one scenario on one ground with the same options. */
static void add_charts(const struct run_row *runs, size_t n, size_t *shown, struct strbuf *data,
		       struct strbuf *out)
{
	size_t names_n, from = *shown;
	const char **names = run_history_names(runs, n, &names_n);

	for (size_t i = 0; i < FIRST; i++)
		for (size_t k = 0; k < names_n; k++)
			if (!strcmp(names[k], first[i]))
				add_figure(runs, n, names[k], (*shown)++ > 0, data, out);
	for (size_t k = 0; k < names_n && *shown - from < FIGURES_MAX; k++) {
		bool asked = false;

		for (size_t i = 0; i < FIRST; i++)
			asked |= !strcmp(names[k], first[i]);
		if (!asked)
			add_figure(runs, n, names[k], (*shown)++ > 0, data, out);
	}
	free(names);
}

static bool same_kind(const struct run_row *a, const struct run_row *b)
{
	return !strcmp(a->scenario, b->scenario) && !strcmp(a->ground, b->ground) &&
	       !strcmp(a->options, b->options);
}

static void options_text(const char *json, struct strbuf *out)
{
	json_t *o = json_loads(json, 0, NULL), *v;
	const char *key;

	json_object_foreach(o, key, v)
	{
		strbuf_addch(out, ' ');
		text_html(out, key);
		strbuf_addch(out, '=');
		text_html(out, json_string_value(v) ? json_string_value(v) : "?");
	}
	json_decref(o);
}

/* Runs with other options are other experiments: each kind has charts of its own, the one that ran
 * last first. */
static void add_groups(const struct run_row *runs, size_t n, struct strbuf *data,
		       struct strbuf *toc, struct strbuf *out)
{
	struct run_row *group = xcalloc(n, sizeof(*group)); /* borrows from runs */
	size_t shown = 0, kinds = 0;

	for (size_t i = n; i-- > 0 && kinds < GROUPS_MAX;) {
		size_t k = 0, pass = 0, judged = 0;
		bool seen = false;

		for (size_t j = i + 1; j < n; j++)
			seen |= same_kind(&runs[i], &runs[j]);
		if (seen)
			continue;
		kinds++;
		for (size_t j = 0; j <= i; j++)
			if (same_kind(&runs[i], &runs[j])) {
				group[k++] = runs[j];
				pass += !strcmp(runs[j].verdict, "pass");
				judged += strcmp(runs[j].verdict, "error") != 0 &&
					  strcmp(runs[j].verdict, "interrupted") != 0;
			}
		strbuf_addf(out, "<section class=\"trends\" id=\"kind-%zu\"><h2>", kinds);
		strbuf_addf(toc, "<li><a href=\"#kind-%zu\">", kinds);
		text_html(toc, runs[i].scenario);
		strbuf_addf(toc, "</a> <span class=\"dim\">%zu of %zu passed%s", pass, k,
			    runs[i].options[0] == '{' && runs[i].options[1] == '}' ? "" : ";");
		options_text(runs[i].options, toc);
		strbuf_addstr(toc, "</span></li>\n");
		text_html(out, runs[i].scenario);
		strbuf_addstr(out, " <small class=\"dim\">on ");
		text_html(out, runs[i].ground);
		strbuf_addf(out, ", %zu of %zu passed</small></h2><p class=\"meta\">", pass, k);
		options_text(runs[i].options, out);
		strbuf_addstr(out, "</p>\n");
		if (judged)
			add_charts(group, k, &shown, data, out);
		else
			strbuf_addstr(out,
				      "<p class=\"meta\">No run of it reached a verdict: there is "
				      "nothing to draw.</p>");
		strbuf_addstr(out, "</section>\n");
	}
	free(group);
}

void trend_html(const struct run_row *runs, size_t n, const char *title, struct strbuf *out)
{
	struct strbuf data = STRBUF_INIT, toc = STRBUF_INIT, kinds = STRBUF_INIT;
	size_t pass = 0;

	for (size_t i = 0; i < n; i++)
		pass += !strcmp(runs[i].verdict, "pass");
	strbuf_addstr(
		out,
		"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>");
	text_html(out, title);
	strbuf_addf(
		out,
		" · trend · drtest</title><style>%s\n%s</style></head>\n<body><main><header><div><h1>",
		(const char *)embed_reports_vendor_uplot_uPlot_min_css,
		(const char *)embed_reports_report_css);
	text_html(out, title);
	strbuf_addf(
		out,
		"</h1><p class=\"sentence\">%zu of %zu runs passed</p><p class=\"meta\">A point is a run: <i class=\"sw c2\"></i>passed, "
		"<i class=\"sw\" style=\"background:var(--fail)\"></i>did not. The line is the median of a run and the %d before it.</p></div>"
		"</header>\n",
		pass, n, WINDOW - 1);
	strbuf_addstr(&data, "{\"figures\":[");
	add_groups(runs, n, &data, &toc, &kinds);
	strbuf_addf(
		out,
		"<nav aria-label=\"contents\"><ul class=\"notes\">%s<li><a href=\"#runs\">all runs</a></li></ul></nav>\n%s",
		toc.buf, kinds.buf);
	strbuf_release(&toc);
	strbuf_release(&kinds);
	strbuf_addf(out, "<script type=\"application/json\" id=\"data\">%s]}</script>\n", data.buf);
	add_table(runs, n, out);
	strbuf_addf(
		out,
		"</main>\n<!-- uPlot, the charts' library, is under the MIT license:\n%s-->\n<script>%s</script>\n<script>%s</script>"
		"</body></html>\n",
		(const char *)embed_reports_vendor_uplot_LICENSE,
		(const char *)embed_reports_vendor_uplot_uPlot_iife_min_js,
		(const char *)embed_reports_trend_js);
	strbuf_release(&data);
}
