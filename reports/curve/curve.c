#include "reports/curve/curve.h"

#include <math.h>
#include <string.h>

#include "reports/text.h"

#define POINTS_MAX 200
#define WIDTH 760
#define HEIGHT 320
#define LEFT 64
#define RIGHT 20
#define TOP 14
#define BOTTOM 42

static const struct line {
	const char *field, *name;
} lines[] = { { "p50_ms", "p50" },
	      { "p99_ms", "p99" },
	      { "lag_ms", "lag of the changefeed" },
	      { "rpo_ms", "lost if the primary died" } };
#define LINES (sizeof(lines) / sizeof(lines[0]))

struct point {
	double rate, tps, v[LINES]; /* ms */
	char broke[160], unknown[400];
};

/* Points in the order of their rates; 0: there is no curve. */
static size_t read_points(const struct run_model *m, struct point *p)
{
	const char *text = json_string_value(json_object_get(m->figures, "curve"));
	json_t *all = text ? json_loads(text, 0, NULL) : NULL, *one;
	size_t i, n = 0;

	json_array_foreach(all, i, one)
	{
		const char *broke = json_string_value(json_object_get(one, "broke")),
			   *unknown = json_string_value(json_object_get(one, "unknown"));
		double rate = json_number_value(json_object_get(one, "rate"));

		if (!(rate > 0 && rate < 1e12) || n == POINTS_MAX || (n && rate < p[n - 1].rate))
			continue;
		p[n] = (struct point){ .rate = rate,
				       .tps = json_number_value(json_object_get(one, "tps")) };
		for (size_t k = 0; k < LINES; k++)
			p[n].v[k] = json_number_value(json_object_get(one, lines[k].field));
		snprintf(p[n].broke, sizeof(p[n].broke), "%s", broke ? broke : "");
		snprintf(p[n].unknown, sizeof(p[n].unknown), "%s", unknown ? unknown : "");
		n++;
	}
	json_decref(all);
	return n;
}

bool curve_there(const struct run_model *m)
{
	static struct point p[POINTS_MAX]; /* one thread makes a report */

	return read_points(m, p) > 0;
}

struct axes {
	double x0, x1, y0, y1; /* decades */
};

static double at_x(const struct axes *a, double rate)
{
	return LEFT + (log10(rate) - a->x0) / (a->x1 - a->x0) * (WIDTH - LEFT - RIGHT);
}

/* Below a tenth of a millisecond is drawn there. */
static double at_y(const struct axes *a, double ms)
{
	double y = log10(ms > 0.1 ? ms : 0.1);

	return HEIGHT - BOTTOM - (y - a->y0) / (a->y1 - a->y0) * (HEIGHT - TOP - BOTTOM);
}

static struct axes axes_of(const struct point *p, size_t n)
{
	struct axes a = { log10(p[0].rate) - 0.05, log10(p[n - 1].rate) + 0.05, -1, 0 };

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < LINES; k++)
			if (p[i].v[k] > 0)
				a.y1 = fmax(a.y1, ceil(log10(p[i].v[k]) + 0.02));
	return a;
}

static void add_grid(const struct axes *a, const struct point *p, size_t n, struct strbuf *out)
{
	char text[TEXT_NUMBER];
	double last = -100;

	for (int d = (int)a->y0; d <= (int)a->y1; d++) {
		double ms = pow(10, d), y = at_y(a, ms);

		strbuf_addf(out,
			    "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>"
			    "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
			    LEFT, WIDTH - RIGHT, y, y, LEFT - 8, y + 4);
		if (ms < 1000)
			strbuf_addf(out, "%g ms</text>", ms);
		else
			strbuf_addf(out, "%g s</text>", ms / 1000);
	}
	for (size_t i = 0; i < n; i++) {
		double x = at_x(a, p[i].rate);

		if (x - last < 52) /* their texts would lie on each other */
			continue;
		last = x;
		strbuf_addf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s/s</text>", x,
			    HEIGHT - BOTTOM + 18, text_count(text, (int64_t)p[i].rate));
	}
}

static void add_points(const struct axes *a, const struct point *p, size_t n, size_t k,
		       struct strbuf *out)
{
	bool begun = false;

	strbuf_addf(out, "<polyline class=\"k%zu\" points=\"", k);
	for (size_t i = 0; i < n; i++)
		if (!p[i].unknown[0]) {
			strbuf_addf(out, "%s%.1f,%.1f", begun ? " " : "", at_x(a, p[i].rate),
				    at_y(a, p[i].v[k]));
			begun = true;
		}
	strbuf_addstr(out, "\"/>");
	for (size_t i = 0; i < n; i++) {
		if (p[i].unknown[0])
			continue;
		strbuf_addf(out, "<circle class=\"k%zu%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>", k,
			    p[i].broke[0] ? " broke" : "", at_x(a, p[i].rate), at_y(a, p[i].v[k]));
	}
}

static void add_knee(const struct axes *a, const struct point *p, size_t n, struct strbuf *out)
{
	double knee = 0;
	char text[TEXT_NUMBER];

	for (size_t i = 0; i < n; i++) {
		double x = at_x(a, p[i].rate);

		if (p[i].unknown[0])
			strbuf_addf(
				out,
				"<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"ask\">?</text>",
				x, TOP + 12);
		else if (!p[i].broke[0] && p[i].rate > knee)
			knee = p[i].rate;
	}
	if (knee > 0)
		strbuf_addf(
			out,
			"<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" class=\"knee\"/><text x=\"%.1f\" y=\"%d\" "
			"text-anchor=\"end\">%s/s hold</text>",
			at_x(a, knee), at_x(a, knee), TOP, HEIGHT - BOTTOM, at_x(a, knee) - 6,
			TOP + 12, text_count(text, (int64_t)knee));
}

static void add_table(const struct point *p, size_t n, struct strbuf *out)
{
	char text[TEXT_NUMBER];

	strbuf_addstr(
		out,
		"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"the curve's values\"><table><tr><th class=\"num\">rate</th>"
		"<th class=\"num\">acknowledged</th><th class=\"num\">p50</th><th class=\"num\">p99</th><th class=\"num\">lag</th>"
		"<th class=\"num\">lost if the primary died</th><th>target</th></tr>\n");
	for (size_t i = 0; i < n; i++) {
		strbuf_addf(out, "<tr><td class=\"num\">%s/s</td>",
			    text_count(text, (int64_t)p[i].rate));
		strbuf_addf(out, "<td class=\"num\">%s/s</td>",
			    text_count(text, (int64_t)(p[i].tps + 0.5)));
		for (size_t k = 0; k < LINES; k++)
			if (k < 2)
				strbuf_addf(out, "<td class=\"num\">%s ms</td>",
					    text_figure(text, p[i].v[k]));
			else
				strbuf_addf(out, "<td class=\"num\">%s</td>",
					    text_seconds(text, p[i].v[k] / 1e3));
		strbuf_addf(out, "<td><span class=\"tag %s\">%s</span> ",
			    p[i].unknown[0] ? "unknown"
			    : p[i].broke[0] ? "fail"
					    : "pass",
			    p[i].unknown[0] ? "unknown"
			    : p[i].broke[0] ? "breaks"
					    : "holds");
		text_html(out, p[i].unknown[0] ? p[i].unknown : p[i].broke);
		strbuf_addstr(out, "</td></tr>\n");
	}
	strbuf_addstr(out, "</table></div>");
}

void curve_html(const struct run_model *m, struct strbuf *out)
{
	static struct point p[POINTS_MAX];
	size_t n = read_points(m, p);
	struct axes a;

	if (!n)
		return;
	a = axes_of(p, n);
	strbuf_addstr(out, "<section id=\"curve\"><h2>The curve</h2><p class=\"meta\">Target: ");
	text_html(out, json_string_value(json_object_get(m->figures, "target"))
			       ? json_string_value(json_object_get(m->figures, "target"))
			       : "none");
	strbuf_addstr(
		out,
		". Both axes are logarithmic; hollow points break it.</p><ul class=\"legend\">");
	for (size_t k = 0; k < LINES; k++)
		strbuf_addf(out, "<li><i class=\"sw c%zu\"></i>%s</li>", k, lines[k].name);
	strbuf_addf(
		out,
		"</ul><svg class=\"curve\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"latency, lag and loss by rate\">",
		WIDTH, HEIGHT);
	add_grid(&a, p, n, out);
	for (size_t k = 0; k < LINES; k++)
		add_points(&a, p, n, k, out);
	add_knee(&a, p, n, out);
	strbuf_addstr(out, "</svg>\n");
	add_table(p, n, out);
	strbuf_addstr(out, "</section>\n");
}
