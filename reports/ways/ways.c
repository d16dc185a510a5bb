#include "reports/ways/ways.h"

#include <math.h>
#include <string.h>

#include "reports/text.h"

#define NAME_COLUMNS_MAX 34

static size_t n_steps(const struct model_way *w)
{
	size_t n = w->steps[0] != 0;

	for (const char *p = w->steps; *p; p++)
		n += *p == '\n';
	return n;
}

static const char *state_word(const struct model_way *w)
{
	static const struct {
		const char *state, *word;
	} words[] = { { "pass", "PASS" },
		      { "partial", "partial" },
		      { "fail", "FAIL" },
		      { "closed", "closed" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(w->state, words[i].state))
			return words[i].word;
	return "UNKNOWN";
}

/* "120 of 3,000, 1.20 s; 4 rows wrong" */
static void add_loss(const struct model_way *w, struct strbuf *out)
{
	char n[TEXT_NUMBER];

	if (w->lost >= 0) {
		strbuf_addstr(out, text_count(n, (int64_t)w->lost));
		if (w->acked >= 0)
			strbuf_addf(out, " of %s", text_count(n, (int64_t)w->acked));
		if (w->lost > 0 && w->window_ms >= 0)
			strbuf_addf(out, ", %s", text_seconds(n, w->window_ms / 1e3));
	}
	if (w->wrong > 0)
		strbuf_addf(out, "%s%s row%s wrong", w->lost >= 0 ? "; " : "",
			    text_count(n, (int64_t)w->wrong), w->wrong == 1 ? "" : "s");
	if (!out->len)
		strbuf_addch(out, '-');
}

static size_t add_column(struct strbuf *out, const char *text, size_t columns)
{
	size_t used = text_line(out, text, columns);

	for (size_t i = used; i < columns + 2; i++)
		strbuf_addch(out, ' ');
	return used;
}

static void add_line(struct strbuf *out, const char *begin, const char *text, size_t columns)
{
	strbuf_addstr(out, begin);
	text_line(out, text, columns > strlen(begin) ? columns - strlen(begin) : 0);
	while (out->len && out->buf[out->len - 1] == ' ')
		strbuf_setlen(out, out->len - 1);
	strbuf_addch(out, '\n');
}

/* Words of a sentence, broken between two of them where it would be wider than the page. */
static void add_paragraph(struct strbuf *out, const char *text, size_t columns)
{
	size_t used = 0;

	while (*text) {
		size_t n = strcspn(text, " ");
		struct strbuf raw = STRBUF_INIT, word = STRBUF_INIT;
		size_t wide;

		strbuf_add(&raw, text, n);
		wide = text_line(&word, raw.buf, SIZE_MAX);
		if (used && used + 1 + wide > columns) {
			strbuf_addstr(out, "\n  ");
			used = 2;
		} else if (used) {
			strbuf_addch(out, ' ');
			used++;
		}
		strbuf_addstr(out, word.buf);
		used += wide;
		strbuf_release(&raw);
		strbuf_release(&word);
		text += n;
		text += *text == ' ';
	}
	strbuf_addch(out, '\n');
}

static void add_advice(const struct run_model *m, struct strbuf *out)
{
	if (m->advised[0])
		strbuf_addf(out, "Take: %s: %s", m->advised, m->advised_why);
	else
		strbuf_addf(out, "No way to take: %s", m->advised_why);
}

void ways_text(const struct run_model *m, size_t columns, struct strbuf *out)
{
	struct strbuf text = STRBUF_INIT;
	size_t names = 9, losses = 4; /* of the head */
	char n[TEXT_NUMBER];

	if (!m->ways_n)
		return;
	for (size_t i = 0; i < m->ways_n; i++) {
		size_t wide;

		strbuf_reset(&text);
		wide = text_line(&text, m->ways[i].name, NAME_COLUMNS_MAX);
		names = wide > names ? wide : names;
		strbuf_reset(&text);
		add_loss(&m->ways[i], &text);
		losses = text.len > losses ? text.len : losses;
	}
	strbuf_reset(&text);
	add_column(&text, "ways back", names);
	add_column(&text, "state", 7);
	add_column(&text, "lost", losses);
	add_column(&text, "back in", 9);
	add_column(&text, "steps", 5);
	strbuf_addstr(&text, "needs beforehand");
	add_line(out, "  ", text.buf, columns);
	for (size_t i = 0; i < m->ways_n; i++) {
		const struct model_way *w = &m->ways[i];
		struct strbuf lost = STRBUF_INIT;

		strbuf_reset(&text);
		add_loss(w, &lost);
		add_column(&text, w->name, names);
		add_column(&text, state_word(w), 7);
		add_column(&text, lost.buf, losses);
		add_column(&text, w->seconds >= 0 ? text_seconds(n, w->seconds) : "-", 9);
		strbuf_addf(&text, "%5zu  %s", n_steps(w), w->needs);
		add_line(out, m->advised[0] && !strcmp(m->advised, w->name) ? "> " : "  ", text.buf,
			 columns);
		if (w->evidence[0])
			add_line(out, "      ", w->evidence, columns);
		strbuf_release(&lost);
	}
	if (m->advised_why[0]) {
		strbuf_reset(&text);
		add_advice(m, &text);
		add_paragraph(out, text.buf, columns);
	}
	strbuf_release(&text);
}

static json_t *told_json(double v)
{
	if (v < 0)
		return json_null();
	return v == floor(v) && v <= 9e15 ? json_integer((json_int_t)v)
					  : json_real(round(v * 1000) / 1000);
}

static json_t *count(double v)
{
	return told_json(floor(v));
}

json_t *ways_json(const struct run_model *m)
{
	json_t *ways = json_array();

	for (size_t i = 0; i < m->ways_n; i++) {
		const struct model_way *w = &m->ways[i];
		const char *state = strcmp(state_word(w), "UNKNOWN") ? w->state : "unknown";
		json_t *steps = json_array();

		for (const char *p = w->steps; *p;) {
			size_t n = strcspn(p, "\n");

			json_array_append_new(steps, json_stringn(p, n));
			p += n;
			p += *p == '\n';
		}
		json_array_append_new(ways,
				      json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:s}", "name",
						w->name, "state", state, "evidence", w->evidence,
						"lost", count(w->lost), "acked", count(w->acked),
						"window_ms", told_json(w->window_ms), "wrong",
						count(w->wrong), "seconds", told_json(w->seconds),
						"steps", steps, "needs", w->needs));
	}
	return json_pack("{s:s,s:s,s:o}", "advised", m->advised, "why", m->advised_why, "ways",
			 ways);
}

void ways_html(const struct run_model *m, struct strbuf *out)
{
	struct strbuf text = STRBUF_INIT;
	char n[TEXT_NUMBER];

	if (!m->ways_n)
		return;
	strbuf_addstr(
		out,
		"<section id=\"ways\"><h2>Ways back <small class=\"dim\">each from the same state</small></h2>");
	if (m->advised_why[0]) {
		strbuf_addstr(out, "<p class=\"lead\">");
		add_advice(m, &text);
		text_html(out, text.buf);
		strbuf_addstr(out, ".</p>");
	}
	strbuf_addstr(out,
		      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"ways "
		      "back\"><table class=\"rows\"><tr><th>State</th><th>Way</th><th "
		      "class=\"num\">Lost</th><th class=\"num\">Back in</th><th>What the operator "
		      "does</th><th>Needs beforehand</th></tr>\n");
	for (size_t i = 0; i < m->ways_n; i++) {
		const struct model_way *w = &m->ways[i];
		bool taken = m->advised[0] && !strcmp(m->advised, w->name);

		strbuf_addf(out,
			    "<tr><td class=\"beside\"><span class=\"tag %s\">%s</span></td><td>",
			    !strcmp(w->state, "closed")         ? "skipped"
			    : !strcmp(w->state, "partial")      ? "unknown"
			    : !strcmp(state_word(w), "UNKNOWN") ? "unknown"
								: w->state,
			    state_word(w));
		strbuf_addstr(out, taken ? "<b>" : "");
		text_html(out, w->name);
		strbuf_addstr(out, taken ? "</b><br>" : "<br>");
		text_html(out, w->evidence);
		strbuf_reset(&text);
		add_loss(w, &text);
		strbuf_addf(out, "</td><td class=\"num\" data-l=\"lost\">%s</td>", text.buf);
		strbuf_addf(out, "<td class=\"num\" data-l=\"back in\">%s</td><td><ol>",
			    w->seconds >= 0 ? text_seconds(n, w->seconds) : "-");
		for (const char *p = w->steps; *p;) {
			size_t len = strcspn(p, "\n");

			strbuf_reset(&text);
			strbuf_add(&text, p, len);
			strbuf_addstr(out, "<li>");
			text_html(out, text.buf);
			strbuf_addstr(out, "</li>");
			p += len;
			p += *p == '\n';
		}
		strbuf_addstr(out, "</ol></td><td data-l=\"needs\">");
		text_html(out, w->needs);
		strbuf_addstr(out, "</td></tr>\n");
	}
	strbuf_addstr(out, "</table></div></section>\n");
	strbuf_release(&text);
}
