#include "reports/html_chart.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/text.h"

/* Units of the SVGs' own coordinates; all charts share x. */
#define FULL 1000.0
#define LEFT 58.0
#define WIDTH 930.0
#define PLOT 118.0   /* height of a chart's plot */
#define TOP 6.0
#define CHAR_WIDTH 6.1 /* of the charts' font, roughly */
#define LABEL_COLUMNS 60
#define ROWS_MAX 6
#define COLORS 8

struct canvas {
	const struct run_model *m;
	struct strbuf *out;
	double span; /* seconds on the whole axis */
};

static double x_of(const struct canvas *c, double t)
{
	double x = t / c->span;

	return LEFT + WIDTH * (x < 0 ? 0 : x > 1 ? 1 : x);
}

static double nice_step(double range, double parts)
{
	double raw = range / parts, power = pow(10, floor(log10(raw))), lead = raw / power;

	return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

static double nice_time_step(double span)
{
	static const double steps[] = { 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400 };

	if (span <= 400)
		return nice_step(span, 10);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (span / steps[i] <= 12)
			return steps[i];
	return nice_step(span, 10);
}

static void time_axis(const struct canvas *c, double y)
{
	double step = nice_time_step(c->span);
	char label[TEXT_NUMBER];

	for (double t = 0; t <= c->span * 1.0001; t += step) {
		if (c->span <= 400)
			snprintf(label, sizeof(label), "%g s", round(t * 1000) / 1000);
		else if (c->span <= 7200)
			snprintf(label, sizeof(label), "%.0f min", t / 60);
		else
			snprintf(label, sizeof(label), "%.0f:%02.0f h", floor(t / 3600), fmod(t, 3600) / 60);
		strbuf_addf(c->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x_of(c, t), y,
			t > 0.98 * c->span && t > 0 ? "end" : "middle", label);
	}
}

static bool bad_step(const struct model_step *s)
{
	return !strcmp(s->status, "failed") || !strcmp(s->status, "error");
}

/* Every second step is shaded, a failed one in the colour of failure. */
static void bands(const struct canvas *c, double y, double height)
{
	for (size_t i = 0; i < c->m->steps_n; i++) {
		const struct model_step *s = &c->m->steps[i];
		double from = x_of(c, s->from), to = x_of(c, s->from + s->seconds);

		if (i % 2 == 0 || bad_step(s))
			strbuf_addf(c->out, "<rect class=\"band%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
				bad_step(s) ? " bad" : "", from, y, to > from ? to - from : 0.5, height);
	}
}

static void instants(const struct canvas *c, double from, double to)
{
	for (size_t i = 0; i < c->m->faults_n; i++)
		strbuf_addf(c->out, "<line class=\"fault\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
			x_of(c, c->m->faults[i].at), x_of(c, c->m->faults[i].at), from, to);
	for (size_t i = 0; i < c->m->moves_n; i++)
		strbuf_addf(c->out, "<line class=\"move\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
			x_of(c, c->m->moves[i].at), x_of(c, c->m->moves[i].at), from, to);
}

static void svg_begin(const struct canvas *c, double height, const char *label)
{
	strbuf_addf(c->out, "<div class=\"scroll\"><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">", FULL, height,
		label);
}

static void svg_end(const struct canvas *c, double from, double to)
{
	strbuf_addf(c->out, "<line class=\"cursor\" x1=\"0\" x2=\"0\" y1=\"%.1f\" y2=\"%.1f\"/></svg></div>\n", from, to);
}

/* A text no wider than `width`; nothing when not even three characters fit. */
static void fitted(const struct canvas *c, const char *text, double x, double y, double width, const char *class)
{
	struct strbuf cut = STRBUF_INIT;

	if (width < 3 * CHAR_WIDTH)
		return;
	text_line(&cut, text, (size_t)(width / CHAR_WIDTH));
	strbuf_addf(c->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	text_html(c->out, cut.buf);
	strbuf_addstr(c->out, "</text>");
	strbuf_release(&cut);
}

static void title(const struct canvas *c, const char *text, double from, double to)
{
	strbuf_addstr(c->out, "<title>");
	text_html(c->out, text);
	strbuf_addf(c->out, " (%.3f s", from);
	if (to > from)
		strbuf_addf(c->out, " to %.3f s, %.3f s", to, to - from);
	strbuf_addstr(c->out, ")</title>");
}

/* The first row whose last label ends before x; the last row takes what fits nowhere. */
static size_t row_for(double ends[ROWS_MAX], double x, double end)
{
	size_t row = 0;

	while (row + 1 < ROWS_MAX && ends[row] > x)
		row++;
	if (end > ends[row])
		ends[row] = end;
	return row;
}

static size_t label_width(const char *text)
{
	struct strbuf scratch = STRBUF_INIT;
	size_t n = text_line(&scratch, text, LABEL_COLUMNS);

	strbuf_release(&scratch);
	return n;
}

static double rows_used(const double ends[ROWS_MAX])
{
	size_t n = 0;

	while (n < ROWS_MAX && ends[n] > 0)
		n++;
	return (double)n;
}

/* An instant: its line from its label's row down to `end`. */
static void mark(const struct canvas *c, double ends[ROWS_MAX], double end, double at, const char *text, const char *class)
{
	struct strbuf cut = STRBUF_INIT;
	double width = ((double)label_width(text) + 1) * CHAR_WIDTH, x = x_of(c, at);
	bool left = x + width > FULL && x > width;
	double from = left ? x - width : x;
	size_t row = row_for(ends, from, from + width + 6);

	strbuf_addf(c->out, "<g><line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", class, x, x,
		15 * (double)row + 3, end);
	strbuf_addf(c->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\"%s>", class, left ? x - 4 : x + 4, 12 + 15 * (double)row,
		left ? " text-anchor=\"end\"" : "");
	text_line(&cut, text, LABEL_COLUMNS);
	text_html(c->out, cut.buf);
	strbuf_release(&cut);
	strbuf_addstr(c->out, "</text>");
	title(c, text, at, at);
	strbuf_addstr(c->out, "</g>");
}

static void marks(const struct canvas *c, double ends[ROWS_MAX], double end)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < c->m->faults_n; i++) {
		strbuf_reset(&text);
		strbuf_addf(&text, "%s %s", c->m->faults[i].kind, c->m->faults[i].target);
		mark(c, ends, end, c->m->faults[i].at, text.buf, "fault");
	}
	for (size_t i = 0; i < c->m->moves_n; i++) {
		strbuf_reset(&text);
		strbuf_addf(&text, "service → %s", c->m->moves[i].to);
		mark(c, ends, end, c->m->moves[i].at, text.buf, "move");
	}
	strbuf_release(&text);
}

/* A part of the RTO has the colour that it has in the RTO's bar; another name, the colour of its first use. */
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

static void span_bars(const struct canvas *c, double ends[ROWS_MAX], double y)
{
	for (size_t i = 0; i < c->m->spans_n; i++) {
		const struct model_span *s = &c->m->spans[i];
		double from = x_of(c, s->from), to = x_of(c, s->to), text = ((double)label_width(s->name) + 1) * CHAR_WIDTH;
		bool left = to + text > FULL;
		size_t row = row_for(ends, left ? from - text : from, left ? to + 3 : to + text + 3);
		double top = y + 15 * (double)row;

		strbuf_addf(c->out, "<g><rect class=\"f%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"9\" rx=\"2\"/>",
			span_color(c->m, i), from, top + 3, to - from > 2 ? to - from : 2);
		strbuf_addf(c->out, "<text x=\"%.1f\" y=\"%.1f\"%s>", left ? from - 4 : (to - from > 2 ? to : from + 2) + 4,
			top + 11.5, left ? " text-anchor=\"end\"" : "");
		text_html(c->out, s->name);
		strbuf_addstr(c->out, "</text>");
		title(c, s->name, s->from, s->to);
		strbuf_addstr(c->out, "</g>");
	}
}

static void timeline(const struct canvas *c)
{
	struct strbuf marks_text = STRBUF_INIT, spans_text = STRBUF_INIT;
	struct canvas at = { c->m, &marks_text, c->span };
	double mark_ends[ROWS_MAX] = { 0 }, span_ends[ROWS_MAX] = { 0 }, steps_y, spans_y, end;

	marks(&at, mark_ends, 0); /* once for the rows they need, once more when it is known where their lines end */
	steps_y = 15 * rows_used(mark_ends) + 4;
	spans_y = steps_y + 24;
	at.out = &spans_text;
	span_bars(&at, span_ends, spans_y);
	end = spans_y + 15 * rows_used(span_ends) + 2;
	memset(mark_ends, 0, sizeof(mark_ends));
	strbuf_reset(&marks_text);
	at.out = &marks_text;
	marks(&at, mark_ends, end);
	svg_begin(c, end + 16, "steps, faults and moves on the time axis");
	bands(c, steps_y, end - steps_y);
	strbuf_addf(c->out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, LEFT + WIDTH, end, end);
	strbuf_add(c->out, marks_text.buf, marks_text.len);
	for (size_t i = 0; i < c->m->steps_n; i++) {
		const struct model_step *s = &c->m->steps[i];
		double from = x_of(c, s->from), width = x_of(c, s->from + s->seconds) - from;
		struct strbuf text = STRBUF_INIT;

		strbuf_addf(&text, "%" PRId64 " %s", s->n, s->name);
		strbuf_addf(c->out, "<g><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"20\" fill=\"transparent\"/>", from,
			steps_y, width > 2 ? width : 2);
		if (width >= 9 * CHAR_WIDTH)
			fitted(c, text.buf, from + 4, steps_y + 14, width - 5, "ink");
		else if (width >= 1.5 * CHAR_WIDTH)
			strbuf_addf(c->out, "<text class=\"ink\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%" PRId64 "</text>",
				from + width / 2, steps_y + 14, s->n);
		title(c, text.buf, s->from, s->from + s->seconds);
		strbuf_addstr(c->out, "</g>");
		strbuf_release(&text);
	}
	strbuf_add(c->out, spans_text.buf, spans_text.len);
	time_axis(c, end + 13);
	svg_end(c, steps_y, end);
	strbuf_release(&marks_text);
	strbuf_release(&spans_text);
}

static const struct chart {
	const char *title, *unit;
	bool log; /* where the values span more than two powers of ten */
} charts[SERIES_KINDS] = {
	[SERIES_RATE] = { "Transactions per second", "/s", false },
	[SERIES_LATENCY_MS] = { "Latency of transactions, from when they were due", " ms", true },
	[SERIES_LAG_S] = { "Changefeed: how far the secondary and the redo log are behind", " s", false },
	[SERIES_REDO_MIB] = { "Redo log written", " MiB", false },
	[SERIES_RSS_MIB] = { "Resident memory", " MiB", false },
};

struct scale {
	double low, high;
	bool log;
};

static double y_of(const struct scale *s, double v)
{
	double part = s->log ? log10((v > s->low ? v : s->low) / s->low) / log10(s->high / s->low) : v / s->high;

	return TOP + PLOT * (1 - (part > 1 ? 1 : part));
}

static void y_axis(const struct canvas *c, const struct scale *s)
{
	char label[TEXT_NUMBER];
	double step = s->log ? 10 : nice_step(s->high, 4);

	for (double v = s->log ? s->low : 0; v <= s->high * 1.0001; v = s->log ? v * step : v + step) {
		double y = y_of(s, v);

		strbuf_addf(c->out,
			"<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
			"text-anchor=\"end\">%s</text>",
			LEFT, LEFT + WIDTH, y, y, LEFT - 6, y + 3.5, text_figure(label, v));
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A hole wider than this is shown as one: the process was away, not idle. */
static double gap_of(const struct model_series *s)
{
	double between[MODEL_POINTS_MAX], gap;
	size_t n = 0;

	for (size_t i = 1; i < s->n; i++)
		between[n++] = s->t[i] - s->t[i - 1];
	if (!n)
		return 1;
	qsort(between, n, sizeof(between[0]), by_size);
	gap = 2.2 * between[n / 2];
	return gap > 0.05 ? gap : 0.05;
}

static void path(const struct canvas *c, const struct model_series *s, const struct scale *scale, size_t color, bool filled)
{
	double gap = gap_of(s), base = TOP + PLOT;
	size_t from = 0;

	for (size_t i = 1; i <= s->n; i++) {
		if (i < s->n && s->t[i] - s->t[i - 1] <= gap)
			continue;
		if (i - from == 1) {
			strbuf_addf(c->out, "<circle class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"2\"/>", color, x_of(c, s->t[from]),
				y_of(scale, s->v[from]));
			from = i;
			continue;
		}
		for (int pass = filled ? 0 : 1; pass < 2; pass++) {
			if (pass == 0)
				strbuf_addf(c->out, "<path class=\"a0\" d=\"M%.1f %.1f", x_of(c, s->t[from]), base);
			else
				strbuf_addf(c->out, "<path class=\"l l%zu%s\" d=\"", color, s->dashed ? " dash" : "");
			for (size_t j = from; j < i; j++)
				strbuf_addf(c->out, "%c%.1f %.1f", pass == 1 && j == from ? 'M' : 'L', x_of(c, s->t[j]),
					y_of(scale, s->v[j]));
			if (pass == 0)
				strbuf_addf(c->out, "L%.1f %.1fZ", x_of(c, s->t[i - 1]), base);
			strbuf_addstr(c->out, "\"/>");
		}
		from = i;
	}
}

static double greatest(const struct model_series *s)
{
	double max = 0;

	for (size_t i = 0; i < s->n; i++)
		max = s->v[i] > max ? s->v[i] : max;
	return max;
}

static struct scale scale_of(const struct run_model *m, enum series_kind kind)
{
	struct scale s = { 1e300, 0, false };

	for (size_t i = 0; i < m->series_n; i++) {
		const struct model_series *one = m->series[i];

		for (size_t j = 0; one->kind == kind && j < one->n; j++) {
			s.high = one->v[j] > s.high ? one->v[j] : s.high;
			s.low = one->v[j] > 0 && one->v[j] < s.low ? one->v[j] : s.low;
		}
	}
	if (s.high < 1e-3) /* next to nothing: an axis to one says so */
		s.high = 1;
	if (charts[kind].log && s.low < s.high / 100) {
		s.log = true;
		s.low = pow(10, floor(log10(s.low < s.high / 1e6 ? s.high / 1e6 : s.low)));
		s.high = pow(10, ceil(log10(s.high)));
		return s;
	}
	s.low = 0;
	s.high = nice_step(s.high, 4) * ceil(s.high / nice_step(s.high, 4));
	return s;
}

static void chart(const struct canvas *c, enum series_kind kind)
{
	const struct run_model *m = c->m;
	struct scale scale = scale_of(m, kind);
	char figure[TEXT_NUMBER];
	size_t color = 0, most = 1;
	bool any = false;

	for (size_t i = 0; i < m->series_n; i++)
		if (m->series[i]->kind == kind && m->series[i]->n) {
			any = true;
			most = m->series[i]->stride > most ? m->series[i]->stride : most;
		}
	if (!any)
		return;
	strbuf_addf(c->out, "<div class=\"chart\"><div class=\"head\"><h3>%s</h3><ul class=\"legend\">", charts[kind].title);
	for (size_t i = 0; i < m->series_n; i++) {
		const struct model_series *s = m->series[i];

		if (s->kind != kind || !s->n)
			continue;
		strbuf_addf(c->out, "<li><i class=\"sw c%zu\"></i>", color++ % COLORS);
		text_html(c->out, s->name);
		strbuf_addf(c->out, " <span data-v=\"%zu\">max %s%s</span></li>", i, text_figure(figure, greatest(s)),
			charts[kind].unit);
	}
	strbuf_addstr(c->out, "</ul>");
	if (most > 1)
		strbuf_addf(c->out, "<span class=\"meta\">a point is the %s of up to %zu samples</span>",
			kind == SERIES_RATE ? "mean" : "greatest", most);
	strbuf_addstr(c->out, "</div>");
	svg_begin(c, TOP + PLOT + 19, charts[kind].title);
	bands(c, TOP, PLOT);
	y_axis(c, &scale);
	color = 0;
	for (size_t i = 0; i < m->series_n; i++)
		if (m->series[i]->kind == kind && m->series[i]->n) {
			path(c, m->series[i], &scale, color % COLORS, kind == SERIES_RATE && color == 0);
			color++;
		}
	instants(c, TOP, TOP + PLOT);
	time_axis(c, TOP + PLOT + 15);
	svg_end(c, TOP, TOP + PLOT);
	strbuf_addstr(c->out, "</div>\n");
}

/* Numbers and names of ours alone: nothing of the journal's text goes into the script's data. */
static void data(const struct canvas *c)
{
	const struct run_model *m = c->m;
	bool first = true;

	strbuf_addf(c->out,
		"<script type=\"application/json\" "
		"id=\"data\">{\"left\":%g,\"width\":%g,\"full\":%g,\"span\":%.4f,\"wall\":%" PRId64 ",\"series\":[",
		LEFT, WIDTH, FULL, c->span, m->wall_ms);
	for (size_t i = 0; i < m->series_n; i++) {
		const struct model_series *s = m->series[i];

		if (!s->n)
			continue;
		strbuf_addf(c->out, "%s{\"id\":\"%zu\",\"unit\":\"%s\",\"gap\":%.3f,\"t\":[", first ? "" : ",", i,
			charts[s->kind].unit, gap_of(s));
		for (size_t j = 0; j < s->n; j++)
			strbuf_addf(c->out, "%s%.6g", j ? "," : "", s->t[j]);
		strbuf_addstr(c->out, "],\"v\":[");
		for (size_t j = 0; j < s->n; j++)
			strbuf_addf(c->out, "%s%.4g", j ? "," : "", s->v[j]);
		strbuf_addstr(c->out, "]}");
		first = false;
	}
	strbuf_addstr(c->out, "]}</script>\n");
}

void html_charts(const struct run_model *m, struct strbuf *out)
{
	struct canvas c = { m, out, m->seconds > 0.001 ? m->seconds : 0.001 };

	strbuf_addstr(out, "<section id=\"charts\" tabindex=\"0\"><h2>The run on one time axis</h2>"
			   "<p class=\"meta\"><span id=\"now\">seconds since the run began</span><span class=\"hint\"> · point at "
			   "a chart, or use the arrow keys</span></p>\n");
	timeline(&c);
	for (int kind = 0; kind < SERIES_KINDS; kind++)
		chart(&c, (enum series_kind)kind);
	data(&c);
	if (!m->series_n)
		strbuf_addstr(out, "<p class=\"meta\">The journal holds no samples of load, changefeed or processes.</p>");
	strbuf_addstr(out, "</section>\n");
}

struct segment {
	const char *name;
	double ms;
};

static void bar(struct strbuf *out, const struct segment *s, size_t n, double total, const char *class, size_t first_color)
{
	char text[TEXT_NUMBER];

	strbuf_addf(out, "<div class=\"bar%s\">", class);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "<i class=\"c%zu\" style=\"width:%.2f%%\" title=\"%s %s\"></i>", (first_color + i) % COLORS,
			s[i].ms / total * 100, s[i].name, text_seconds(text, s[i].ms / 1e3));
	strbuf_addstr(out, "</div><ul class=\"legend\">");
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "<li><i class=\"sw c%zu\"></i>%s <b>%s</b> <span class=\"dim\">%.0f %%</span></li>",
			(first_color + i) % COLORS, s[i].name, text_seconds(text, s[i].ms / 1e3), s[i].ms / total * 100);
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
		parts[n] = (struct segment){ n ? "between" : "until service is back", service - sum };
		n++;
		sum = service;
	}
	if (n && sum > 0)
		bar(out, parts, n, sum, "", 0);
	if (redundant > 0 && service >= 0 && redundant > service) {
		const struct segment all[] = { { "until service is back", service },
			{ "until it is redundant again", redundant - service } };

		bar(out, all, 2, redundant, " thin", 6);
	}
}
