/* The report for people: one page, from the answer down to the evidence. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "reports/embedded.h"
#include "reports/formats.h"
#include "reports/html_chart.h"
#include "reports/run_history.h"
#include "reports/text.h"
#include "reports/curve/curve.h"
#include "reports/left/left.h"
#include "reports/ways/ways.h"

#define FINDINGS_SHOWN_MAX 100      /* of one check */
#define FINDINGS_SHOWN_ALL_MAX 2000 /* of the page */
#define COLUMNS_MAX 12
#define SCROLLS "tabindex=\"0\" role=\"region\" " /* reached by the keyboard too */
#define PAPER_FINDINGS 20                         /* as the style sheet has it */
#define FILE_NAME_MIN 6
#define NOT_YET "<p class=\"big\">not yet</p><p class=\"meta\">The run is in progress.</p>"
#define SHORT_TEXT 28 /* bytes that stay on one line in a table */

static void add_tag(struct strbuf *out, const char *word)
{
	static const char *const known[] = { "ok",      "pass",        "failed",  "fail",   "error",
					     "unknown", "interrupted", "skipped", "running" };
	const char *class = "";

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(word, known[i]))
			class = known[i];
	strbuf_addf(out, "<span class=\"tag %s\">", class);
	text_html(out, word);
	strbuf_addstr(out, "</span>");
}

static void add_cell(struct strbuf *out, const json_t *v)
{
	char n[TEXT_NUMBER];

	if (json_is_string(v))
		text_html(out, json_string_value(v));
	else if (json_is_integer(v))
		strbuf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_number(v))
		strbuf_addstr(out, text_figure(n, json_number_value(v)));
}

/* Where a file of the folder stands in a text: its length, and which; 0: it stands not at p. */
static size_t file_at(const struct run_model *m, const char *text, const char *p, const char **file)
{
	size_t i, best = 0;
	json_t *v;

	if (p > text && (p[-1] == '/' || p[-1] == '.' || p[-1] == '-' || p[-1] == '_'))
		return 0;
	json_array_foreach(m->files, i, v)
	{
		size_t n = json_string_length(v);

		if (n > best && n >= FILE_NAME_MIN && strncmp(p, json_string_value(v), n) == 0 &&
		    strchr(json_string_value(v), '.') &&
		    !strchr("/-_abcdefghijklmnopqrstuvwxyz", p[n] ? p[n] : ' ')) {
			best = n;
			*file = json_string_value(v);
		}
	}
	return best;
}

static void link_to(struct strbuf *out, const char *file, const char *text)
{
	strbuf_addstr(out, "<a href=\"");
	text_html(out, file);
	strbuf_addstr(out, "\">");
	text_html(out, text);
	strbuf_addstr(out, "</a>");
}

/* A text in which files of the folder lead to them. */
static void add_linked(const struct run_model *m, struct strbuf *out, const char *text)
{
	struct strbuf plain = STRBUF_INIT;
	const char *file = NULL;

	for (const char *p = text; *p;) {
		size_t n = m->files ? file_at(m, text, p, &file) : 0;

		if (!n) {
			strbuf_addch(&plain, *p++);
			continue;
		}
		text_html(out, plain.buf);
		strbuf_reset(&plain);
		link_to(out, file, file);
		p += n;
	}
	text_html(out, plain.buf);
	strbuf_release(&plain);
}

/* "before_replay" may be parted behind its "_", not within a word. */
static void name_html(struct strbuf *out, const char *name)
{
	struct strbuf part = STRBUF_INIT;

	for (; *name; name++) {
		strbuf_addch(&part, *name);
		if (*name == '_' || !name[1]) {
			text_html(out, part.buf);
			strbuf_addstr(out, name[1] ? "<wbr>" : "");
			strbuf_reset(&part);
		}
	}
	strbuf_release(&part);
}

/* A time of the run in UTC; the page's script puts the reader's zone beside it. */
static bool time_of(const struct run_model *m, double at, const char *format, struct strbuf *out)
{
	char shown[TEXT_NUMBER], iso[TEXT_NUMBER];

	if (!run_model_time(m, at, format, shown, sizeof(shown)) ||
	    !run_model_time(m, at, "%Y-%m-%dT%H:%M:%SZ", iso, sizeof(iso)))
		return false;
	strbuf_addf(out, "<time datetime=\"%s\">%s</time>", iso, shown);
	return true;
}

/* The answer in one sentence. */
static void lead(const struct run_model *m, struct strbuf *out)
{
	struct strbuf when = STRBUF_INIT;
	char a[TEXT_NUMBER];
	double service = m->rto_ms[RTO_SERVICE];

	if (m->rpo_lost < 0)
		return;
	strbuf_addstr(out, "<p class=\"lead\">If the primary had died ");
	if (m->disaster_at >= 0 && time_of(m, m->disaster_at, "<b>%H:%M:%S</b> UTC", &when))
		strbuf_addf(out, "at %s", when.buf);
	else
		strbuf_addstr(out, "then");
	strbuf_addf(out, ", you would have lost <b>%s</b>",
		    m->rpo_lost > 0 ? text_count(a, (int64_t)m->rpo_lost) : "none");
	if (m->rpo_acked >= 0)
		strbuf_addf(out, " of %s", text_count(a, (int64_t)m->rpo_acked));
	else if (m->rpo_lost <= 0)
		strbuf_addstr(out, " of the");
	strbuf_addstr(out, " acknowledged transactions");
	if (service >= 0)
		strbuf_addf(out, " and been back after <b>%s</b>", text_seconds(a, service / 1e3));
	strbuf_addstr(out, ".</p>\n");
	strbuf_release(&when);
}

static void add_contents(const struct run_model *m, struct strbuf *out)
{
	const struct {
		const char *id, *name;
		bool there;
	} parts[] = {
		{ "ways", "Ways back", m->ways_n > 0 },
		{ "curve", "Curve", curve_there(m) },
		{ "checks", "Checks", true },
		{ "notes", "Notes", json_array_size(m->notes) > 0 },
		{ "left", "Left on your clusters", json_array_size(m->left) > 0 },
		{ "logs", "Logs", m->logs_n > 0 },
		{ "charts", "Charts", true },
		{ "steps", "Steps", m->steps_n > 0 },
		{ "faults", "Faults and moves", m->faults_n || m->moves_n },
		{ "figures", "Figures, options, versions",
		  json_object_size(m->figures) || json_object_size(m->options) ||
			  json_object_size(m->versions) },
		{ "files", "Files", json_array_size(m->files) > 0 },
		{ "again", "Run it again", m->command[0] != 0 },
	};

	strbuf_addstr(out, "<nav aria-label=\"contents\">");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].there)
			strbuf_addf(out, "<a href=\"#%s\">%s</a> ", parts[i].id, parts[i].name);
	strbuf_addstr(out, "</nav>\n");
}

static const char *add_badge(const struct run_model *m)
{
	return m->running ? "RUNNING" : outcome_word(m->verdict);
}

static void add_header(const struct run_model *m, struct strbuf *out)
{
	char text[TEXT_NUMBER];

	strbuf_addf(out, "<header><span class=\"badge %s\">%s</span><div><h1>",
		    m->running ? "running" : outcome_name(m->verdict), add_badge(m));
	text_html(out, m->scenario[0] ? m->scenario : "a run without a name");
	strbuf_addstr(out, "</h1>");
	if (m->sentence[0]) {
		strbuf_addstr(out, "<p class=\"sentence\">");
		text_html(out, m->sentence);
		strbuf_addstr(out, "</p>");
	}
	strbuf_addstr(out, "<p class=\"meta\">");
	if (m->ground[0]) {
		strbuf_addstr(out, "on ");
		text_html(out, m->ground);
		strbuf_addstr(out, " · ");
	}
	if (m->seed[0]) {
		strbuf_addstr(out, "seed ");
		text_html(out, m->seed);
		strbuf_addstr(out, " · ");
	}
	if (time_of(m, 0, "%Y-%m-%d %H:%M:%S UTC", out))
		strbuf_addstr(out, " · ");
	strbuf_addf(out, "%s %s · drtest ", m->running ? "for" : "took",
		    text_seconds(text, m->seconds));
	text_html(out, m->drtest[0] ? m->drtest : "?");
	strbuf_addstr(out, "</p></div></header>\n");
}

static void add_alerts(const struct run_model *m, struct strbuf *out)
{
	size_t i;
	json_t *v;

	if (m->verdict == OUTCOME_INTERRUPTED && m->ended) {
		const char *end = strstr(m->error, ": interrupted");
		char *step = xstrndup(m->error, end ? (size_t)(end - m->error) : 0);

		strbuf_addf(out, "<p class=\"alert warn\"><b>The run was interrupted%s",
			    *step ? " in " : "");
		text_html(out, step);
		strbuf_addstr(out, ".</b> What is missing proves nothing.</p>\n");
		free(step);
	} else if (m->error[0]) {
		strbuf_addf(out, "<p class=\"alert%s\"><b>%s.</b> ", m->ended ? "" : " warn",
			    m->ended ? "The run ended with an error" : "This report is incomplete");
		text_html(out, m->error);
		if (!m->ended)
			strbuf_addstr(out,
				      m->events ? ". It shows what the journal contains up to that "
						  "point; what is missing proves nothing."
						: ". The journal contains nothing to show.");
		strbuf_addstr(out, "</p>\n");
	}
	if (!json_array_size(m->standins))
		return;
	strbuf_addstr(
		out,
		"<p class=\"alert warn\"><b>Stand-ins were used</b> instead of the real thing: ");
	json_array_foreach(m->standins, i, v)
	{
		strbuf_addstr(out, i ? ", " : "");
		text_html(out, json_string_value(v));
	}
	strbuf_addstr(out, "</p>\n");
}

/* A scenario without a disaster has no RPO to tell. */
static void rpo_card(const struct run_model *m, struct strbuf *out)
{
	char a[TEXT_NUMBER], b[TEXT_NUMBER];

	strbuf_addstr(out, "<section><h2>RPO <small class=\"dim\">how much is lost</small></h2>");
	if (m->rpo_lost < 0 && m->running) {
		strbuf_addstr(out, NOT_YET "</section>\n");
		return;
	}
	if (m->rpo_lost < 0) {
		strbuf_addstr(out,
			      "<p class=\"big\">not measured</p><p>The run ended before the lost "
			      "transactions were counted.</p></section>\n");
		return;
	}
	text_count(a, (int64_t)m->rpo_lost);
	strbuf_addf(out, "<p class=\"big\">%s <small>", a);
	if (m->rpo_acked >= 0)
		strbuf_addf(out, "of %s acknowledged transactions",
			    text_count(b, (int64_t)m->rpo_acked));
	else
		strbuf_addstr(out, "acknowledged transactions");
	strbuf_addstr(out, " lost</small></p>");
	if (m->rpo_window_ms >= 0 || m->rpo_behind_ms >= 0) {
		strbuf_addstr(out, "<p class=\"meta\">");
		if (m->rpo_window_ms >= 0)
			strbuf_addf(out,
				    "The oldest lost transaction was acknowledged %s before the "
				    "disaster. ",
				    text_seconds(a, m->rpo_window_ms / 1e3));
		if (m->rpo_behind_ms >= 0)
			strbuf_addf(out,
				    "The redo log was complete up to %s before the disaster "
				    "(resolvedTs).",
				    text_seconds(a, m->rpo_behind_ms / 1e3));
		strbuf_addstr(out, "</p>");
	}
	strbuf_addstr(out, "</section>\n");
}

static void rto_card(const struct run_model *m, struct strbuf *out)
{
	double service = m->rto_ms[RTO_SERVICE], redundant = m->rto_ms[RTO_REDUNDANT],
	       check = m->rto_ms[RTO_CHECK];
	char a[TEXT_NUMBER], b[TEXT_NUMBER];

	strbuf_addstr(
		out,
		"<section><h2>RTO <small class=\"dim\">how long until service is back</small></h2>");
	if (service < 0 && m->running)
		strbuf_addstr(out, NOT_YET);
	else if (service < 0)
		strbuf_addstr(
			out,
			"<p class=\"big\">not measured</p><p>No write was acknowledged on the secondary before the run ended.</p>");
	else
		strbuf_addf(
			out,
			"<p class=\"big\">%s <small>to the first write on the secondary</small></p>",
			text_seconds(a, service / 1e3));
	if (service >= 0 && check > 0 && check < service)
		strbuf_addf(out,
			    "<p class=\"meta\">This includes %s for drtest's own checks before and "
			    "after the replay; without them it is %s.</p>",
			    text_seconds(a, check / 1e3), text_seconds(b, (service - check) / 1e3));
	if (redundant >= 0)
		strbuf_addf(out,
			    "<p class=\"meta\">A new primary had caught up, and the service was "
			    "redundant again, %s after the disaster.</p>",
			    text_seconds(a, redundant / 1e3));
	strbuf_addstr(out, "</section>\n");
}

static void add_change(struct strbuf *out, const char *what, double was, double is, bool count,
		       size_t *told)
{
	char a[TEXT_NUMBER], b[TEXT_NUMBER];

	if (isnan(was) || was < 0 || is < 0)
		return;
	strbuf_addf(out, "%s%s %s, now %s", (*told)++ ? "; " : ": ", what,
		    count ? text_count(a, (int64_t)was) : text_seconds(a, was / 1e3),
		    count ? text_count(b, (int64_t)is) : text_seconds(b, is / 1e3));
}

/* What changed since the last run that is like this one. */
static void against_before(const struct run_model *m, struct strbuf *out)
{
	const struct run_row *was = m->before;
	size_t told = 0;
	char *file;

	if (!was)
		return;
	file = xstrfmt("../%s/report.html", was->name);
	strbuf_addstr(out,
		      "<p class=\"meta\" id=\"before\">Compared with the previous run with these "
		      "options, ");
	link_to(out, file, was->name);
	strbuf_addstr(out, " (");
	text_html(out, was->verdict);
	strbuf_addch(out, ')');
	add_change(out, "lost", run_row_value(was, "rpo_lost"), m->rpo_lost, true, &told);
	add_change(out, "data-loss window", run_row_value(was, "rpo_ms"), m->rpo_window_ms, false,
		   &told);
	add_change(out, "RTO", run_row_value(was, "rto_ms"), m->rto_ms[RTO_SERVICE], false, &told);
	add_change(out, "redundant again after", run_row_value(was, "redundant_ms"),
		   m->rto_ms[RTO_REDUNDANT], false, &told);
	strbuf_addstr(out, ".</p>\n");
	free(file);
}

static void add_answers(const struct run_model *m, struct strbuf *out)
{
	struct strbuf parts = STRBUF_INIT;

	if (!m->disaster_told && !m->has_rpo && !m->has_rto && (!m->faults_n || m->ended))
		return;
	lead(m, out);
	strbuf_addstr(out, "<div class=\"cards\">");
	rpo_card(m, out);
	rto_card(m, out);
	strbuf_addstr(out, "</div>\n");
	against_before(m, out);
	html_rto_bar(m, &parts);
	if (parts.len)
		strbuf_addf(out, "<section><h2>RTO by its parts</h2>%s</section>\n", parts.buf);
	strbuf_release(&parts);
}

/* The usual keys first, in their order; then whatever else the findings have. */
static size_t finding_columns(const json_t *findings, size_t shown,
			      const char *columns[COLUMNS_MAX])
{
	static const char *const usual[] = { "kind", "table", "id", "writer", "expected", "found" };
	size_t n = 0;

	for (size_t u = 0; u <= sizeof(usual) / sizeof(usual[0]); u++)
		for (size_t i = 0; i < shown; i++) {
			const char *key;
			json_t *v;

			json_object_foreach(json_array_get(findings, i), key, v)
			{
				size_t k = 0;

				while (k < n && strcmp(columns[k], key) != 0)
					k++;
				if (k == n && n < COLUMNS_MAX &&
				    (u == sizeof(usual) / sizeof(usual[0]) ||
				     !strcmp(key, usual[u])))
					columns[n++] = key;
			}
		}
	return n;
}

static void add_findings(const struct model_check *c, size_t *page_left, struct strbuf *out)
{
	size_t n = json_array_size(c->findings), all = n + c->findings_left_out, shown = n,
	       columns_n;
	const char *columns[COLUMNS_MAX];
	char of[32] = "";

	if (!all)
		return;
	shown = shown > FINDINGS_SHOWN_MAX ? FINDINGS_SHOWN_MAX : shown;
	shown = shown > *page_left ? *page_left : shown;
	*page_left -= shown;
	columns_n = finding_columns(c->findings, shown, columns);
	if (shown < all)
		snprintf(of, sizeof(of), "%zu of ", shown);
	strbuf_addf(
		out,
		"<details%s><summary>%s%zu finding%s</summary><div class=\"box\" tabindex=\"0\" role=\"region\" "
		"aria-label=\"findings\"><table class=\"findings\"><tr>",
		c->verdict == OUTCOME_PASS ? "" : " open", of, all, all == 1 ? "" : "s");
	for (size_t k = 0; k < columns_n; k++) {
		strbuf_addstr(out, "<th>");
		text_html(out, columns[k]);
		strbuf_addstr(out, "</th>");
	}
	strbuf_addstr(out, "</tr>\n");
	for (size_t i = 0; i < shown; i++) {
		strbuf_addstr(out, "<tr>");
		for (size_t k = 0; k < columns_n; k++) {
			const json_t *v =
				json_object_get(json_array_get(c->findings, i), columns[k]);

			strbuf_addstr(out, json_string_length(v) <= SHORT_TEXT
						   ? "<td class=\"short\" data-l=\""
						   : "<td data-l=\"");
			text_html(out, columns[k]);
			strbuf_addstr(out, "\">");
			add_cell(out, v);
			strbuf_addstr(out, "</td>");
		}
		strbuf_addstr(out, "</tr>\n");
	}
	strbuf_addstr(out, "</table></div>");
	if (shown > PAPER_FINDINGS)
		strbuf_addf(out, "<p class=\"meta paper\">On paper: the first %d.</p>",
			    PAPER_FINDINGS);
	if (all > shown)
		strbuf_addf(out, "<p class=\"meta\">and %zu more%s</p>", all - shown,
			    c->findings_left_out ? "; the journal has all of them"
						 : ", in result.json");
	strbuf_addstr(out, "</details>");
}

/* What was looked at, over how much, and what it would have caught. */
static void add_about(const struct model_check *c, struct strbuf *out)
{
	static const char *const units[] = { "rows", "tables", "transactions" };
	char count[TEXT_NUMBER];
	const char *checked = json_string_value(json_object_get(c->about, "checked")),
		   *catches = json_string_value(json_object_get(c->about, "catches"));

	if (!checked || !catches)
		return;
	strbuf_addstr(out, "<details class=\"dim\"><summary>what was checked</summary><p>");
	text_html(out, checked);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		json_t *n = json_object_get(c->about, units[i]);

		if (json_is_number(n))
			strbuf_addf(out, "; %s %.*s",
				    text_count(count, (int64_t)json_number_value(n)),
				    (int)strlen(units[i]) - (json_number_value(n) == 1), units[i]);
	}
	strbuf_addstr(out, ".</p><p>It would have caught: ");
	text_html(out, catches);
	strbuf_addstr(out, ".</p></details>");
}

static void add_checks(const struct run_model *m, struct strbuf *out)
{
	static const enum outcome order[] = { OUTCOME_FAIL, OUTCOME_UNKNOWN, OUTCOME_PASS };
	size_t page_left = FINDINGS_SHOWN_ALL_MAX;
	char text[TEXT_NUMBER];

	strbuf_addf(
		out,
		"<section id=\"checks\"><h2>Checks <small class=\"dim\">%zu in all, %zu failed, %zu unknown</small></h2>",
		m->checks_n, m->failed, m->unknown);
	if (!m->checks_n) {
		strbuf_addstr(out, "<p class=\"meta\">There was no check, so the run proves "
				   "nothing.</p></section>\n");
		return;
	}
	strbuf_addstr(
		out, "<div class=\"scroll\" " SCROLLS
		     "aria-label=\"checks\"><table class=\"rows\"><tr><th>Verdict</th><th>Step</th>"
		     "<th>Check and its evidence</th><th class=\"num\">Time</th></tr>\n");
	for (size_t o = 0; o < sizeof(order) / sizeof(order[0]); o++)
		for (size_t i = 0; i < m->checks_n; i++) {
			const struct model_check *c = &m->checks[i];

			if (c->verdict != order[o])
				continue;
			strbuf_addf(out, "<tr id=\"check-%zu\"><td class=\"beside\">", i + 1);
			add_tag(out, outcome_name(c->verdict));
			strbuf_addstr(out, "</td><td data-l=\"step\" class=\"beside\">");
			if (c->step)
				strbuf_addf(out, "%" PRId64, c->step);
			strbuf_addf(out, "</td><td><a class=\"anchor\" href=\"#check-%zu\">",
				    i + 1);
			text_html(out, c->name);
			strbuf_addstr(out, "</a><br>");
			add_linked(m, out, c->evidence);
			add_about(c, out);
			add_findings(c, &page_left, out);
			strbuf_addf(out, "</td><td class=\"num\" data-l=\"took\">%s</td></tr>\n",
				    c->seconds >= 0 ? text_seconds(text, c->seconds) : "");
		}
	strbuf_addstr(out, "</table></div></section>\n");
}

static void add_steps(const struct run_model *m, struct strbuf *out)
{
	char text[TEXT_NUMBER];

	if (!m->steps_n)
		return;
	strbuf_addstr(out,
		      "<section id=\"steps\"><h2>Steps</h2><div class=\"scroll\" " SCROLLS
		      "aria-label=\"steps\"><table class=\"rows\">"
		      "<tr><th>No.</th><th>Step</th><th>Status</th><th class=\"num\">Began</th>"
		      "<th class=\"num\">Took</th><th>Detail</th></tr>\n");
	for (size_t i = 0; i < m->steps_n; i++) {
		const struct model_step *s = &m->steps[i];

		strbuf_addf(out,
			    "<tr><td class=\"beside\">%" PRId64 "</td><td class=\"name beside\">",
			    s->n);
		text_html(out, s->name);
		strbuf_addstr(out, "</td><td class=\"beside\">");
		add_tag(out, s->status);
		strbuf_addf(out, "</td><td class=\"num\" data-l=\"began at\">%s</td>",
			    text_seconds(text, s->from));
		strbuf_addf(out, "<td class=\"num\" data-l=\"took\">%s</td><td>",
			    text_seconds(text, s->seconds));
		add_linked(m, out, s->detail);
		strbuf_addstr(out, "</td></tr>\n");
	}
	strbuf_addstr(out, "</table></div></section>\n");
}

/* A row's beginning: when it was, in the run and by the clock. */
static void add_moment(const struct run_model *m, double at, struct strbuf *out)
{
	char text[TEXT_NUMBER];

	strbuf_addf(out,
		    "<tr><td class=\"num\" data-l=\"at\">%s</td><td class=\"num\" data-l=\"UTC\">",
		    text_seconds(text, at));
	time_of(m, at, "%H:%M:%S", out);
	strbuf_addstr(out, "</td><td>");
}

static void add_happenings(const struct run_model *m, struct strbuf *out)
{
	char at[TEXT_NUMBER];

	if (!m->faults_n && !m->moves_n)
		return;
	strbuf_addstr(
		out,
		"<section id=\"faults\"><h2>Faults and moves</h2><div class=\"scroll\" " SCROLLS
		"aria-label=\"faults and moves\">"
		"<table class=\"rows\"><tr><th class=\"num\">At</th><th class=\"num\">UTC</th><th>What</th><th>Detail</th></tr>\n");
	for (size_t i = 0; i < m->faults_n; i++) {
		const struct model_fault *f = &m->faults[i];

		add_moment(m, f->at, out);
		text_html(out, f->kind);
		strbuf_addch(out, ' ');
		text_html(out, f->target);
		strbuf_addstr(out, "</td><td>");
		if (f->until > f->at)
			strbuf_addf(out, "healed after %s%s", text_seconds(at, f->until - f->at),
				    f->detail[0] ? "; " : "");
		text_html(out, f->detail);
		strbuf_addstr(out, "</td></tr>\n");
	}
	for (size_t i = 0; i < m->moves_n; i++) {
		const struct model_move *v = &m->moves[i];

		add_moment(m, v->at, out);
		strbuf_addstr(out, "service moves</td><td>from ");
		text_html(out, v->from);
		strbuf_addstr(out, " to ");
		text_html(out, v->to);
		strbuf_addstr(out, "</td></tr>\n");
	}
	strbuf_addstr(out, "</table></div></section>\n");
}

static void add_logs(const struct run_model *m, struct strbuf *out)
{
	size_t k;
	json_t *line;

	if (!m->logs_n)
		return;
	strbuf_addstr(
		out,
		"<section id=\"logs\" class=\"logs\"><h2>Logs <small class=\"dim\">last lines of each process when it failed</small></h2>\n");
	for (size_t i = 0; i < m->logs_n; i++) {
		strbuf_addstr(out, "<details open><summary>");
		text_html(out, m->logs[i].process);
		strbuf_addstr(out, "</summary>");
		char whole[300];

		snprintf(whole, sizeof(whole), "logs/%s.log", m->logs[i].process);
		for (size_t f = 0; f < json_array_size(m->files); f++)
			if (!strcmp(json_string_value(json_array_get(m->files, f)), whole)) {
				link_to(out, whole, "the whole log");
				break;
			}
		strbuf_addstr(out, "<pre tabindex=\"0\">");
		json_array_foreach(m->logs[i].lines, k, line)
		{
			text_html(out, json_string_value(line));
			strbuf_addch(out, '\n');
		}
		strbuf_addstr(out, "</pre></details>\n");
	}
	strbuf_addstr(out, "</section>\n");
}

static void add_notes(const struct run_model *m, struct strbuf *out)
{
	size_t i;
	json_t *v;

	if (!json_array_size(m->notes))
		return;
	strbuf_addstr(out, "<section id=\"notes\"><h2>Notes</h2><ul class=\"notes\">");
	json_array_foreach(m->notes, i, v)
	{
		strbuf_addstr(out, "<li>");
		add_linked(m, out, json_string_value(v));
		strbuf_addstr(out, "</li>");
	}
	strbuf_addstr(out, "</ul></section>\n");
}

/* drawn: a key that has a section of its own; NULL: none. */
static void add_pairs(const char *title, json_t *o, bool counts, const char *drawn,
		      struct strbuf *out)
{
	const char *key;
	char n[TEXT_NUMBER];
	json_t *v;

	if (!json_object_size(o))
		return;
	strbuf_addf(out, "<div><h3>%s</h3><table>", title);
	json_object_foreach(o, key, v)
	{
		if (drawn && !strcmp(key, drawn))
			continue;
		strbuf_addstr(out, "<tr><td>");
		name_html(out, key);
		strbuf_addf(out, "</td><td%s>",
			    json_is_number(v) || (counts && json_string_length(v) <= SHORT_TEXT)
				    ? " class=\"num\""
				    : "");
		if (counts && json_is_integer(v))
			strbuf_addstr(out, text_count(n, json_integer_value(v)));
		else
			add_cell(out, v);
		strbuf_addstr(out, "</td></tr>\n");
	}
	strbuf_addstr(out, "</table></div>\n");
}

static void add_environment(const struct run_model *m, struct strbuf *out)
{
	if (json_object_size(m->figures) || json_object_size(m->options) ||
	    json_object_size(m->versions)) {
		strbuf_addstr(
			out,
			"<section id=\"figures\"><h2>Figures, options and versions</h2><div class=\"pairs\"><div>");
		add_pairs("Figures", m->figures, true, curve_there(m) ? "curve" : NULL, out);
		strbuf_addstr(out, "</div><div>");
		add_pairs("Options", m->options, false, NULL, out);
		add_pairs("Versions", m->versions, false, NULL, out);
		strbuf_addstr(out, "</div></div></section>\n");
	}
	if (json_array_size(m->files)) {
		size_t i;
		json_t *v;

		strbuf_addstr(out,
			      "<section id=\"files\"><h2>Files <small class=\"dim\">in the run "
			      "directory, next to this page</small></h2><ul class=\"files\">");
		json_array_foreach(m->files, i, v)
		{
			strbuf_addstr(out, "<li>");
			link_to(out, json_string_value(v), json_string_value(v));
			strbuf_addstr(out, "</li>");
		}
		strbuf_addstr(out, "</ul></section>\n");
	}
	if (!m->command[0])
		return;
	strbuf_addstr(out, "<section id=\"again\"><h2>Run it again</h2><pre id=\"command\">");
	text_html(out, m->command);
	strbuf_addstr(out, "</pre><button id=\"copy\" hidden>Copy</button></section>\n");
}

void format_html_main(const struct run_model *m, struct strbuf *out)
{
	add_header(m, out);
	add_alerts(m, out);
	add_contents(m, out);
	add_answers(m, out);
	ways_html(m, out);
	curve_html(m, out);
	add_checks(m, out);
	add_notes(m, out);
	left_html(m, out);
	add_logs(m, out);
	html_charts(m, out);
	add_steps(m, out);
	add_happenings(m, out);
	add_environment(m, out);
}

static void add_page(const struct run_model *m, bool live, struct strbuf *out)
{
	/* default-src 'none': nothing is ever loaded, whatever should stand in the page */
	strbuf_addf(
		out,
		"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
		"script-src 'unsafe-inline'%s\">"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" "
		"content=\"light dark\"><title>",
		live ? "; connect-src 'self'" : "");
	strbuf_addf(out, "%s ", add_badge(m));
	text_html(out, m->scenario);
	if (m->seed[0]) {
		strbuf_addstr(out, " seed ");
		text_html(out, m->seed);
	}
	strbuf_addf(out, " · drtest</title><style>%s\n%s</style></head>\n<body>%s<main>\n",
		    (const char *)embed_reports_vendor_uplot_uPlot_min_css,
		    (const char *)embed_reports_report_css,
		    live ? "<p id=\"live\" role=\"status\">This page updates during the run.</p>"
			 : "");
	format_html_main(m, out);
	strbuf_addf(
		out,
		"</main>\n<!-- uPlot, the charts' library, is under the MIT license:\n%s-->\n<script>%s</script>\n<script>%s</script>",
		(const char *)embed_reports_vendor_uplot_LICENSE,
		(const char *)embed_reports_vendor_uplot_uPlot_iife_min_js,
		(const char *)embed_reports_report_js);
	if (live)
		strbuf_addf(out, "\n<script>%s</script>", (const char *)embed_reports_live_live_js);
	strbuf_addstr(out, "</body></html>\n");
}

void format_html(const struct run_model *m, struct strbuf *out)
{
	add_page(m, false, out);
}

void format_html_live(const struct run_model *m, struct strbuf *out)
{
	add_page(m, true, out);
}
