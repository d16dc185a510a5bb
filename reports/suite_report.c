#include "reports/suite_report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "reports/embedded.h"
#include "reports/formats.h"
#include "reports/report_read.h"
#include "reports/text.h"

static const int exit_codes[] = { [OUTCOME_PASS] = 0,
				  [OUTCOME_FAIL] = 1,
				  [OUTCOME_UNKNOWN] = 4,
				  [OUTCOME_ERROR] = 3,
				  [OUTCOME_INTERRUPTED] = 130 };

/* The run's model; one that tells the error where there is no folder, or none that can be read. */
static void read_entry(const struct suite_entry *entry, struct run_model *m)
{
	struct err e = ERR_INIT;

	if (entry->run_dir && report_read(entry->run_dir, m, &e) == 0)
		return;
	*m = (struct run_model){ .verdict = OUTCOME_ERROR,
				 .rpo_lost = -1,
				 .rpo_window_ms = -1,
				 .error = xstrdup(entry->run_dir ? e.text : entry->error) };
	for (int i = 0; i < RTO_PARTS; i++)
		m->rto_ms[i] = -1;
}

int suite_report_line(const struct suite_entry *entry, struct strbuf *out)
{
	char n[TEXT_NUMBER];
	struct run_model m;
	int code;

	read_entry(entry, &m);
	code = exit_codes[m.verdict];
	strbuf_addf(out, "%-11s ", outcome_name(m.verdict));
	if (entry->run_dir)
		strbuf_addf(out, "%9s", text_seconds(n, m.seconds));
	if (m.rpo_lost >= 0)
		strbuf_addf(out, "  lost %s", text_count(n, (int64_t)m.rpo_lost));
	if (m.rpo_window_ms >= 0)
		strbuf_addf(out, ", RPO %s", text_seconds(n, m.rpo_window_ms / 1e3));
	if (m.rto_ms[RTO_SERVICE] >= 0)
		strbuf_addf(out, ", RTO %s", text_seconds(n, m.rto_ms[RTO_SERVICE] / 1e3));
	if (m.error && m.error[0]) {
		strbuf_addstr(out, "  ");
		text_line(out, m.error, 100);
	}
	run_model_release(&m);
	return code;
}

struct totals {
	size_t verdicts[OUTCOME_INTERRUPTED + 1];
	int code;
};

static void begin_html(const struct suite_report *s, struct strbuf *out)
{
	strbuf_addstr(
		out,
		"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" "
		"content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		"<meta name=\"color-scheme\" content=\"light dark\"><title>");
	text_html(out, s->name);
	strbuf_addf(out, " · suite · drtest</title><style>%s</style></head>\n<body><main>\n",
		    (const char *)embed_reports_report_css);
}

static void add_row(const struct suite_entry *entry, const struct run_model *m, struct strbuf *out)
{
	const char *base = entry->run_dir ? strrchr(entry->run_dir, '/') : NULL;
	char n[TEXT_NUMBER];

	strbuf_addf(out, "<tr><td class=\"beside\"><span class=\"tag %s\">%s</span></td><td>",
		    outcome_name(m->verdict), outcome_name(m->verdict));
	if (entry->run_dir) {
		strbuf_addstr(out, "<a href=\"../");
		text_html(out, base ? base + 1 : entry->run_dir);
		strbuf_addstr(out, "/report.html\">");
		text_html(out, entry->title);
		strbuf_addstr(out, "</a>");
	} else {
		text_html(out, entry->title);
	}
	for (size_t i = 0, shown = 0; i < m->checks_n && shown < 5; i++)
		if (m->checks[i].verdict != OUTCOME_PASS) {
			strbuf_addf(out, "<br><b>%s</b> ", outcome_name(m->checks[i].verdict));
			text_html(out, m->checks[i].name);
			strbuf_addstr(out, ": ");
			text_html(out, m->checks[i].evidence);
			shown++;
		}
	if (m->error && m->error[0]) {
		strbuf_addstr(out, "<br>");
		text_html(out, m->error);
	}
	strbuf_addf(out, "</td><td class=\"num\" data-l=\"checks\">%zu</td>", m->checks_n);
	strbuf_addf(out, "<td class=\"num\" data-l=\"lost\">%s</td>",
		    m->rpo_lost >= 0 ? text_count(n, (int64_t)m->rpo_lost) : "");
	strbuf_addf(out, "<td class=\"num\" data-l=\"RPO\">%s</td>",
		    m->rpo_window_ms >= 0 ? text_seconds(n, m->rpo_window_ms / 1e3) : "");
	strbuf_addf(out, "<td class=\"num\" data-l=\"RTO\">%s</td>",
		    m->rto_ms[RTO_SERVICE] >= 0 ? text_seconds(n, m->rto_ms[RTO_SERVICE] / 1e3)
						: "");
	strbuf_addf(out, "<td class=\"num\" data-l=\"redundant\">%s</td>",
		    m->rto_ms[RTO_REDUNDANT] >= 0 ? text_seconds(n, m->rto_ms[RTO_REDUNDANT] / 1e3)
						  : "");
	strbuf_addf(out, "<td class=\"num\" data-l=\"took\">%s</td></tr>\n",
		    entry->run_dir ? text_seconds(n, m->seconds) : "");
}

static json_t *told_json(double v)
{
	return v < 0 ? json_null() : json_real(v);
}

static json_t *entry_json(const struct suite_entry *entry, const struct run_model *m)
{
	return json_pack("{s:s,s:s?,s:s,s:s,s:I,s:I,s:o,s:o,s:o,s:o}", "title", entry->title, "run",
			 entry->run_dir, "verdict", outcome_name(m->verdict), "error",
			 m->error ? m->error : "", "checks", (json_int_t)m->checks_n, "failed",
			 (json_int_t)m->failed, "lost", told_json(m->rpo_lost), "rpo_ms",
			 told_json(m->rpo_window_ms), "rto_ms", told_json(m->rto_ms[RTO_SERVICE]),
			 "redundant_ms", told_json(m->rto_ms[RTO_REDUNDANT]));
}

static void add_missing(const struct suite_entry *entry, const struct run_model *m,
			struct strbuf *junit)
{
	strbuf_addstr(junit, "  <testsuite name=\"");
	text_xml(junit, entry->title);
	strbuf_addstr(
		junit,
		"\" tests=\"1\" failures=\"0\" errors=\"1\" time=\"0\">\n    <testcase classname=\"suite\" name=\"the run begins\" time=\"0\">"
		"<error message=\"");
	text_xml(junit, m->error);
	strbuf_addstr(junit, "\"/></testcase>\n  </testsuite>\n");
}

static void add_top(const struct suite_report *s, const struct totals *t, struct strbuf *out)
{
	static const enum outcome order[] = { OUTCOME_PASS, OUTCOME_FAIL, OUTCOME_UNKNOWN,
					      OUTCOME_ERROR, OUTCOME_INTERRUPTED };
	const char *word = t->code == 0     ? "pass"
			   : t->code == 1   ? "fail"
			   : t->code == 4   ? "unknown"
			   : t->code == 130 ? "interrupted"
					    : "error";
	char n[TEXT_NUMBER], when[TEXT_NUMBER] = "";
	time_t at = (time_t)(s->started_ms / 1000);
	struct tm tm;

	if (gmtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	strbuf_addf(
		out,
		"<header><span class=\"badge %s\" style=\"text-transform:uppercase\">%s</span><div><h1>",
		word, word);
	text_html(out, s->name);
	strbuf_addstr(out, "</h1><p class=\"sentence\">");
	text_html(out, s->sentence);
	strbuf_addf(out, "</p><p class=\"meta\">%zu run%s:", s->n, s->n == 1 ? "" : "s");
	for (size_t i = 0, any = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (t->verdicts[order[i]])
			strbuf_addf(out, "%s %zu %s", any++ ? "," : "", t->verdicts[order[i]],
				    outcome_name(order[i]));
	strbuf_addf(out, " · %s · took %s · drtest ", when, text_seconds(n, s->seconds));
	text_html(out, s->drtest);
	strbuf_addstr(out, "</p></div></header>\n");
	if (t->code == 1 && !t->verdicts[OUTCOME_FAIL])
		strbuf_addstr(
			out,
			"<p class=\"alert\"><b>The <a href=\"#gate\">gate</a> is broken.</b> No run failed; a figure is worse than its rule "
			"allows.</p>\n");
	strbuf_addstr(out, "<nav aria-label=\"contents\"><a href=\"#runs\">Runs</a> ");
	if (s->gate[0])
		strbuf_addstr(out, "<a href=\"#gate\">Gate</a> ");
	strbuf_addstr(
		out,
		"<a href=\"junit.xml\">junit.xml</a> <a href=\"suite.json\">suite.json</a> <a href=\"../trend.html\">trend</a></nav>\n");
}

/* Its lines: a kind of runs, and below it, indented, a word and a sentence for each rule. */
static void add_gate(const char *text, struct strbuf *out)
{
	static const struct {
		const char *word, *class;
	} words[] = { { "holds", "pass" }, { "BROKEN", "fail" }, { "unknown", "unknown" } };

	strbuf_addstr(out,
		      "<section id=\"gate\"><h2>Gate <small class=\"dim\">these runs compared with "
		      "earlier ones</small></h2><ul class=\"gate\">");
	while (*text) {
		size_t n = strcspn(text, "\n");
		char *line = xstrfmt("%.*s", (int)n, text), *p = line + strspn(line, " ");
		const char *class = NULL;

		for (size_t i = 0; p > line && i < sizeof(words) / sizeof(words[0]); i++)
			if (!strncmp(p, words[i].word, strlen(words[i].word))) {
				class = words[i].class;
				p += strlen(words[i].word);
				strbuf_addf(out, "<li><span class=\"tag %s\">%s</span> ", class,
					    words[i].word);
				break;
			}
		if (!class)
			strbuf_addstr(out, p > line ? "<li>" : "<li class=\"kind\">");
		text_html(out, p + strspn(p, " "));
		strbuf_addstr(out, "</li>\n");
		free(line);
		text += n + (text[n] == '\n');
	}
	strbuf_addstr(out, "</ul></section>\n");
}

int suite_report_make(const char *dir, const struct suite_report *s, struct err *e)
{
	struct strbuf rows = STRBUF_INIT, html = STRBUF_INIT, junit = STRBUF_INIT;
	json_t *runs = json_array(), *o;
	struct totals t = { .code = s->code };
	char *path, *dump;
	int rc;

	strbuf_addstr(&junit, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
	for (size_t i = 0; i < s->n; i++) {
		struct run_model m;

		read_entry(&s->entries[i], &m);
		t.verdicts[m.verdict]++;
		add_row(&s->entries[i], &m, &rows);
		if (m.options)
			format_junit_suite(&m, s->entries[i].title, &junit);
		else
			add_missing(&s->entries[i], &m, &junit);
		json_array_append_new(runs, entry_json(&s->entries[i], &m));
		run_model_release(&m);
	}
	strbuf_addstr(&junit, "</testsuites>\n");
	begin_html(s, &html);
	add_top(s, &t, &html);
	if (s->gate[0])
		add_gate(s->gate, &html);
	strbuf_addf(
		&html,
		"<section id=\"runs\"><h2>Runs</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"runs\"><table class=\"rows\">"
		"<tr><th>Verdict</th><th>Run</th><th class=\"num\">Checks</th>"
		"<th class=\"num\">Lost</th>"
		"<th class=\"num\">RPO</th><th class=\"num\">RTO</th><th class=\"num\">Redundant</th><th class=\"num\">Took</th></tr>\n"
		"%s</table></div></section>\n</main></body></html>\n",
		rows.buf);
	o = json_pack("{s:i,s:s,s:s,s:I,s:f,s:s,s:o}", "schema", 1, "suite", s->name, "drtest",
		      s->drtest, "started_ms", (json_int_t)s->started_ms, "seconds", s->seconds,
		      "gate", s->gate, "runs", runs);
	dump = json_dumps(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
	path = xstrfmt("%s/suite.html", dir);
	rc = fs_write_atomic(path, html.buf, html.len, 0644, e);
	free(path);
	path = xstrfmt("%s/junit.xml", dir);
	rc = rc < 0 ? rc : fs_write_atomic(path, junit.buf, junit.len, 0644, e);
	free(path);
	path = xstrfmt("%s/suite.json", dir);
	rc = rc < 0 || !dump ? rc : fs_write_atomic(path, dump, strlen(dump), 0644, e);
	free(path);
	free(dump);
	json_decref(o);
	strbuf_release(&rows);
	strbuf_release(&html);
	strbuf_release(&junit);
	return rc;
}
