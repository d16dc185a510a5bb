#include "reports/html_chart.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/order.h"
#include "reports/text.h"

#define COLORS 8

static bool bad_step(const struct model_step *s)
{
	return !strcmp(s->status, "failed") || !strcmp(s->status, "error");
}

/* A part of the RTO has the colour that it has in the RTO's bar; another name, the colour of its
 * first use. */
static size_t span_color(const struct run_model *m, size_t i)
{
	size_t first = 0;

	for (int part = RTO_DETECT; part <= RTO_PROMOTE; part++)
		if (!strcmp(m->spans[i].name, rto_part_names[part]))
			return (size_t)(part - RTO_DETECT);
	while (strcmp(m->spans[first].name, m->spans[i].name) != 0)
		first++;
	return 4 + first % (COLORS - 4);
}

/* What the script draws on the time axis, as text of the document: the script's data holds no text
 * of the journal. */
static void add_events(const struct run_model *m, struct strbuf *out)
{
	strbuf_addstr(out, "<ul id=\"events\" hidden>");
	for (size_t i = 0; i < m->steps_n; i++) {
		const struct model_step *s = &m->steps[i];

		strbuf_addf(out,
			    "<li data-kind=\"step\" data-from=\"%.4f\" data-to=\"%.4f\"%s>%" PRId64
			    " ",
			    s->from, s->from + s->seconds, bad_step(s) ? " data-bad" : "", s->n);
		text_html(out, s->name);
		strbuf_addstr(out, "</li>\n");
	}
	for (size_t i = 0; i < m->faults_n; i++) {
		strbuf_addf(out, "<li data-kind=\"fault\" data-from=\"%.4f\"", m->faults[i].at);
		if (m->faults[i].until > m->faults[i].at)
			strbuf_addf(out, " data-to=\"%.4f\"", m->faults[i].until);
		strbuf_addch(out, '>');
		text_html(out, m->faults[i].kind);
		strbuf_addch(out, ' ');
		text_html(out, m->faults[i].target);
		strbuf_addstr(out, "</li>\n");
	}
	for (size_t i = 0; i < m->moves_n; i++) {
		strbuf_addf(out, "<li data-kind=\"move\" data-from=\"%.4f\">service → ",
			    m->moves[i].at);
		text_html(out, m->moves[i].to);
		strbuf_addstr(out, "</li>\n");
	}
	for (size_t i = 0; i < m->spans_n; i++) {
		strbuf_addf(
			out,
			"<li data-kind=\"span\" data-from=\"%.4f\" data-to=\"%.4f\" data-color=\"%zu\">",
			m->spans[i].from, m->spans[i].to, span_color(m, i));
		text_html(out, m->spans[i].name);
		strbuf_addstr(out, "</li>\n");
	}
	strbuf_addstr(out, "</ul>");
}

static const struct chart {
	const char *title, *unit;
	bool log;  /* where the values span more than two powers of ten */
	int top;   /* of the axis; 0: by the values */
	bool fill; /* the first curve */
	bool work; /* from the table of work with a known end */
} charts[SERIES_KINDS] = {
	[SERIES_RATE] = { "Transactions per second, by outcome", "/s", false, 0, true, false },
	[SERIES_LATENCY_MS] = { "Latency of transactions, from the time they were due", " ms", true,
				0, false, false },
	[SERIES_LAG_S] = { "Changefeed: lag of the secondary and the redo log", " s", false, 0,
			   false, false },
	[SERIES_REDO_MIB] = { "Redo log written", " MiB", false, 0, false, false },
	[SERIES_PROGRESS] = { "Backup, restore and replay: progress", " %", false, 100, false,
			      true },
	[SERIES_CPU] = { "CPU of each process (100 %: one core)", " %", false, 0, false, false },
	[SERIES_RSS_MIB] = { "Resident memory of each process", " MiB", false, 0, false, false },
};

static const struct samples *table_of(const struct run_model *m, enum series_kind kind)
{
	return charts[kind].work ? m->progress : m->samples;
}

static double greatest_value(const struct series *s, size_t n)
{
	double max = 0;

	for (size_t i = 0; i < n; i++)
		max = s->v[i] > max ? s->v[i] : max;
	return max;
}

static bool any_value(const struct series *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isnan(s->v[i]))
			return true;
	return false;
}

/* A hole wider than this is shown as one: the process was away, not idle. */
static double gap_of(const struct samples *s)
{
	static double between[SAMPLES_ROWS_MAX]; /* one thread makes a report */
	size_t n = 0;
	double gap;

	for (size_t i = 1; i < s->n; i++)
		between[n++] = s->t[i] - s->t[i - 1];
	if (!n)
		return 1;
	qsort(between, n, sizeof(between[0]), by_double);
	gap = 2.2 * between[n / 2];
	return gap > 2.5 ? gap : 2.5; /* samples may be nearer to each other at times */
}

static bool is_shown(const struct run_model *m, enum series_kind kind, const struct series *s)
{
	return s->kind == kind && any_value(s, table_of(m, kind)->n);
}

static void add_head(const struct run_model *m, enum series_kind kind, size_t number,
		     struct strbuf *out)
{
	const struct samples *table = table_of(m, kind);
	size_t color = 0;
	char figure[TEXT_NUMBER];

	strbuf_addf(out,
		    "<div class=\"chart\"><div class=\"head\"><h3>%s</h3><ul class=\"legend\">",
		    charts[kind].title);
	for (size_t i = 0; i < table->series_n; i++) {
		const struct series *s = table->series[i];

		if (!is_shown(m, kind, s))
			continue;
		strbuf_addf(
			out,
			"<li><button data-series aria-pressed=\"true\" title=\"show or hide\"><i class=\"sw c%zu\"></i>",
			color++ % COLORS);
		text_html(out, s->name);
		strbuf_addf(out, "</button> <span data-v=\"%d-%zu\">max %s%s</span></li>",
			    charts[kind].work, i, text_figure(figure, greatest_value(s, table->n)),
			    charts[kind].unit);
	}
	strbuf_addstr(out, "</ul>");
	if (table->stride > 1)
		strbuf_addf(out,
			    "<span class=\"meta\">a point is the %s of up to %u samples</span>",
			    kind == SERIES_RATE || kind == SERIES_CPU ? "mean" : "greatest",
			    table->stride);
	strbuf_addf(
		out,
		"</div><div class=\"plot\" data-chart=\"%zu\" role=\"img\" aria-label=\"%s\"></div></div>\n",
		number, charts[kind].title);
}

static void add_values(const double *v, const struct samples *table, double gap, bool times,
		       struct strbuf *out)
{
	strbuf_addch(out, '[');
	for (size_t i = 0; i < table->n; i++) {
		/* a row without values breaks the lines there */
		bool hole = i && table->t[i] - table->t[i - 1] > gap;

		if (hole && times)
			strbuf_addf(out, ",%.3f", table->t[i - 1] + gap / 2);
		else if (hole)
			strbuf_addstr(out, ",null");
		if (isnan(v[i]))
			strbuf_addstr(out, i ? ",null" : "null");
		else
			strbuf_addf(out, times ? "%s%.3f" : "%s%.4g", i ? "," : "", v[i]);
	}
	strbuf_addch(out, ']');
}

/* Numbers and names of ours alone. */
static void add_data(const struct run_model *m, double span, struct strbuf *out)
{
	double gaps[2] = { gap_of(m->samples), gap_of(m->progress) };
	bool first = true;

	gaps[1] = gaps[1] > 1 ? gaps[1] : 1; /* work may wait a little between two reports of it */
	strbuf_addf(out,
		    "<script type=\"application/json\" id=\"data\">{\"span\":%.4f,\"wall\":%" PRId64
		    ",\"tables\":[",
		    span, m->wall_ms);
	add_values(m->samples->t, m->samples, gaps[0], true, out);
	strbuf_addch(out, ',');
	add_values(m->progress->t, m->progress, gaps[1], true, out);
	strbuf_addstr(out, "],\"charts\":[");
	for (int kind = 0; kind < SERIES_KINDS; kind++) {
		const struct chart *c = &charts[kind];
		const struct samples *table = table_of(m, (enum series_kind)kind);
		size_t n = 0;

		for (size_t i = 0; i < table->series_n; i++) {
			const struct series *s = table->series[i];

			if (!is_shown(m, (enum series_kind)kind, s))
				continue;
			if (!n++)
				strbuf_addf(
					out,
					"%s{\"table\":%d,\"unit\":\"%s\",\"log\":%s,\"top\":%d,\"fill\":%s,\"gap\":%.3f,\"series\":[",
					first ? "" : ",", c->work, c->unit,
					c->log ? "true" : "false", c->top,
					c->fill ? "true" : "false", gaps[c->work]);
			strbuf_addf(out,
				    "%s{\"id\":\"%d-%zu\",\"dash\":%s,\"v\":", n > 1 ? "," : "",
				    c->work, i, s->dashed ? "true" : "false");
			add_values(s->v, table, gaps[c->work], false, out);
			strbuf_addch(out, '}');
		}
		if (n) {
			strbuf_addstr(out, "]}");
			first = false;
		}
	}
	strbuf_addstr(out, "]}</script>\n");
}

void html_charts(const struct run_model *m, struct strbuf *out)
{
	double span = m->seconds > 0.001 ? m->seconds : 0.001;
	size_t number = 0;

	strbuf_addstr(
		out,
		"<section id=\"charts\" tabindex=\"0\"><h2>The run on one time axis</h2><p "
		"class=\"meta\"><span id=\"now\">time since the run started</span><span "
		"class=\"hint\"> · point at a chart, or focus here: arrow keys and PageUp, "
		"PageDown move, n and p go to the next and previous event; drag or + − to zoom, "
		"Esc to reset; click a name to hide its curve</span></p>\n"
		"<noscript><p class=\"meta\">The charts need JavaScript, which is disabled here; "
		"all verdicts and figures are in the tables.</p></noscript>\n");
	add_events(m, out);
	strbuf_addstr(
		out,
		"<div class=\"chart\"><div class=\"plot\" id=\"timeline\" role=\"img\" aria-label=\"steps, faults, moves and the "
		"parts of the RTO on the time axis\"></div></div>\n");
	for (int kind = 0; kind < SERIES_KINDS; kind++) {
		const struct samples *table = table_of(m, (enum series_kind)kind);

		for (size_t i = 0; i < table->series_n; i++)
			if (is_shown(m, (enum series_kind)kind, table->series[i])) {
				add_head(m, (enum series_kind)kind, number++, out);
				break;
			}
	}
	add_data(m, span, out);
	if (!number)
		strbuf_addstr(out,
			      "<p class=\"meta\">The journal has no samples of load, changefeed or "
			      "processes.</p>");
	strbuf_addstr(out, "</section>\n");
}

struct segment {
	const char *name;
	double ms;
};

static void add_bar(struct strbuf *out, const struct segment *s, size_t n, double total,
		    const char *class, size_t first_color)
{
	char text[TEXT_NUMBER];

	strbuf_addf(out, "<div class=\"bar%s\">", class);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "<i class=\"c%zu\" style=\"width:%.2f%%\" title=\"%s %s\"></i>",
			    (first_color + i) % COLORS, s[i].ms / total * 100, s[i].name,
			    text_seconds(text, s[i].ms / 1e3));
	strbuf_addstr(out, "</div><ul class=\"legend\">");
	for (size_t i = 0; i < n; i++)
		strbuf_addf(
			out,
			"<li><i class=\"sw c%zu\"></i>%s <b>%s</b> <span class=\"dim\">%.0f %%</span></li>",
			(first_color + i) % COLORS, s[i].name, text_seconds(text, s[i].ms / 1e3),
			s[i].ms / total * 100);
	strbuf_addstr(out, "</ul>\n");
}

void html_rto_bar(const struct run_model *m, struct strbuf *out)
{
	struct segment parts[RTO_PARTS];
	double sum = 0, service = m->rto_ms[RTO_SERVICE], redundant = m->rto_ms[RTO_REDUNDANT];
	size_t n = 0;

	for (int i = RTO_DETECT; i <= RTO_PROMOTE; i++)
		if (m->rto_ms[i] >= 0) {
			parts[n++] = (struct segment){ rto_part_names[i], m->rto_ms[i] };
			sum += m->rto_ms[i];
		}
	if (service > sum && (service - sum > service / 200 || !n)) {
		parts[n] =
			(struct segment){ n ? "between" : "until service is back", service - sum };
		n++;
		sum = service;
	}
	if (n && sum > 0)
		add_bar(out, parts, n, sum, "", 0);
	if (redundant > 0 && service >= 0 && redundant > service) {
		const struct segment all[] = { { "until service is back", service },
					       { "until it is redundant again",
						 redundant - service } };

		add_bar(out, all, 2, redundant, " thin", 6);
	}
}
