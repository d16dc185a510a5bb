#include "reports/ci.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "reports/formats.h"
#include "reports/report_read.h"
#include "reports/text.h"

#define ANNOTATIONS_MAX 10 /* GitHub shows ten of each kind a step */
#define ROWS_MAX 50        /* of the table of checks; the report has all */

/* One line of Markdown that means itself, whatever the journal holds. */
static void add_markdown(struct strbuf *out, const char *s)
{
	struct strbuf line = STRBUF_INIT, html = STRBUF_INIT;

	text_line(&line, s, SIZE_MAX);
	text_html(&html, line.buf);
	for (const char *c = html.buf; *c; c++) {
		if (strchr("\\`*_[]|~#", *c))
			strbuf_addch(out, '\\');
		strbuf_addch(out, *c);
	}
	strbuf_release(&line);
	strbuf_release(&html);
}

static void add_figures(const struct run_model *m, struct strbuf *out)
{
	char a[TEXT_NUMBER];

	if (m->rpo_lost >= 0) {
		strbuf_addf(out, "- **RPO** lost %s", text_count(a, (int64_t)m->rpo_lost));
		if (m->rpo_acked >= 0)
			strbuf_addf(out, " of %s", text_count(a, (int64_t)m->rpo_acked));
		strbuf_addstr(out, " acknowledged transactions");
		if (m->rpo_window_ms >= 0)
			strbuf_addf(out, ", data-loss window %s",
				    text_seconds(a, m->rpo_window_ms / 1e3));
		strbuf_addch(out, '\n');
	}
	if (m->rto_ms[RTO_SERVICE] >= 0)
		strbuf_addf(out, "- **RTO** %s to the first write on the secondary\n",
			    text_seconds(a, m->rto_ms[RTO_SERVICE] / 1e3));
}

/* The verdict, RPO, RTO, and a table of the checks that did not pass. */
static void format_markdown(const struct run_model *m, struct strbuf *out)
{
	size_t rows = 0;

	strbuf_addf(out, "### %s ", outcome_word(m->verdict));
	add_markdown(out, m->scenario[0] ? m->scenario : "run");
	strbuf_addf(out, " on ");
	add_markdown(out, m->ground);
	strbuf_addf(out, ", seed ");
	add_markdown(out, m->seed);
	strbuf_addstr(out, "\n\n");
	add_figures(m, out);
	strbuf_addf(out, "- %zu check%s, %zu failed, %zu unknown\n\n", m->checks_n,
		    m->checks_n == 1 ? "" : "s", m->failed, m->unknown);
	if (m->error[0]) {
		add_markdown(out, m->error);
		strbuf_addstr(out, "\n\n");
	}
	for (size_t i = 0; i < m->checks_n; i++) {
		const struct model_check *c = &m->checks[i];

		if (c->verdict == OUTCOME_PASS || rows++ >= ROWS_MAX)
			continue;
		if (rows == 1)
			strbuf_addstr(out, "| | check | evidence |\n| --- | --- | --- |\n");
		strbuf_addf(out, "| %s | ", outcome_word(c->verdict));
		add_markdown(out, c->name);
		strbuf_addstr(out, " | ");
		add_markdown(out, c->evidence);
		strbuf_addstr(out, " |\n");
	}
	if (rows > ROWS_MAX)
		strbuf_addf(out, "\n%zu more in report.html\n", rows - ROWS_MAX);
	if (rows)
		strbuf_addch(out, '\n');
	if (m->command[0]) {
		strbuf_addstr(out, "    "); /* code: it means itself */
		text_line(out, m->command, SIZE_MAX);
		strbuf_addstr(out, "\n\n");
	}
}

/* GitHub's escapes of a workflow command; of a property's value where `property`. */
static void add_escaped(struct strbuf *out, const char *s, bool property)
{
	struct strbuf line = STRBUF_INIT;

	text_line(&line, s, SIZE_MAX);
	for (const char *c = line.buf; *c; c++)
		if (*c == '%' || (property && (*c == ':' || *c == ',')))
			strbuf_addf(out, "%%%02X", (unsigned char)*c);
		else
			strbuf_addch(out, *c);
	strbuf_release(&line);
}

static void add_annotation(struct strbuf *out, const char *kind, const struct run_model *m,
			   const char *name, const char *text)
{
	strbuf_addf(out, "::%s title=drtest ", kind);
	add_escaped(out, m->scenario[0] ? m->scenario : "run", true);
	strbuf_addstr(out, " seed ");
	add_escaped(out, m->seed, true);
	strbuf_addstr(out, "::");
	if (name) {
		add_escaped(out, name, false);
		strbuf_addstr(out, ": ");
	}
	add_escaped(out, text, false);
	strbuf_addch(out, '\n');
}

/* GitHub's workflow commands: "::error title=…::check: evidence", "::warning" for an unknown check.
 * At most ten, as many as it shows. */
static void format_annotations(const struct run_model *m, struct strbuf *out)
{
	size_t n = 0;

	if (m->error[0])
		add_annotation(out, "error", m, NULL, m->error);
	for (size_t i = 0; i < m->checks_n; i++) {
		const struct model_check *c = &m->checks[i];

		if (c->verdict != OUTCOME_PASS && n++ < ANNOTATIONS_MAX)
			add_annotation(out, c->verdict == OUTCOME_FAIL ? "error" : "warning", m,
				       c->name, c->evidence);
	}
}

/* An SVG of 20 pixels height: "drtest | pass · RPO 0.12 s · RTO 0.8 s". */
static void format_badge(const struct run_model *m, struct strbuf *out)
{
	static const char *const colors[] = { [OUTCOME_PASS] = "#1a7f37",
					      [OUTCOME_FAIL] = "#c5221f",
					      [OUTCOME_UNKNOWN] = "#9a6700",
					      [OUTCOME_ERROR] = "#c5221f",
					      [OUTCOME_INTERRUPTED] = "#57606a" };
	struct strbuf text = STRBUF_INIT;
	char a[TEXT_NUMBER];
	size_t left = 50, right;

	strbuf_addstr(&text, outcome_name(m->verdict));
	if (m->rpo_window_ms >= 0 && m->rpo_lost >= 0)
		strbuf_addf(&text, " · RPO %s",
			    text_seconds(a, m->rpo_lost > 0 ? m->rpo_window_ms / 1e3 : 0));
	if (m->rto_ms[RTO_SERVICE] >= 0)
		strbuf_addf(&text, " · RTO %s", text_seconds(a, m->rto_ms[RTO_SERVICE] / 1e3));
	/* 7 px a letter of Verdana 11 is enough for each */
	right = text.len * 7 + 10;
	strbuf_addf(
		out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"20\" role=\"img\" aria-label=\"drtest: %s\">"
		"<title>drtest: %s</title><rect width=\"%zu\" height=\"20\" rx=\"3\" fill=\"%s\"/>"
		"<path d=\"M3 0h%zuv20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z\" fill=\"#444\"/>"
		"<g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">"
		"<text x=\"%zu\" y=\"14\">drtest</text><text x=\"%zu\" y=\"14\">%s</text></g></svg>\n",
		left + right, text.buf, text.buf, left + right, colors[m->verdict], left - 3,
		left / 2, left + right / 2, text.buf);
	strbuf_release(&text);
}

int report_ci(const char *run_dir, FILE *out, struct err *e)
{
	const char *actions = getenv("GITHUB_ACTIONS"), *summary = getenv("GITHUB_STEP_SUMMARY");
	struct strbuf text = STRBUF_INIT;
	struct run_model m;
	int rc = 0;

	if ((!actions || strcmp(actions, "true")) && (!summary || !*summary))
		return 0;
	if (report_read(run_dir, &m, e) < 0)
		return -1;
	if (actions && !strcmp(actions, "true")) {
		format_annotations(&m, &text);
		if (fwrite(text.buf, 1, text.len, out) != text.len)
			rc = err_sys(e, "print the annotations");
	}
	if (rc == 0 && summary && *summary) {
		FILE *f = fopen(summary, "ae");

		strbuf_reset(&text);
		format_markdown(&m, &text);
		if (!f || fwrite(text.buf, 1, text.len, f) != text.len || fflush(f) != 0)
			rc = err_sys(e, "GITHUB_STEP_SUMMARY: %s", summary);
		if (f)
			fclose(f);
	}
	strbuf_release(&text);
	run_model_release(&m);
	return rc;
}

static int write_format(const char *run_dir,
			void (*format)(const struct run_model *, struct strbuf *), const char *path,
			struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct run_model m;
	int rc;

	if (report_read(run_dir, &m, e) < 0)
		return -1;
	format(&m, &text);
	rc = fs_write_atomic(path, text.buf, text.len, 0644, e);
	strbuf_release(&text);
	run_model_release(&m);
	return rc;
}

int report_markdown(const char *run_dir, const char *path, struct err *e)
{
	return write_format(run_dir, format_markdown, path, e);
}

int report_badge(const char *run_dir, const char *path, struct err *e)
{
	return write_format(run_dir, format_badge, path, e);
}
