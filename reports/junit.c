#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "reports/formats.h"
#include "reports/text.h"

#define FINDINGS_SHOWN_MAX 20

/* Dots divide a class name's parts; a step's own must not. */
static void add_classname(const struct run_model *m, int64_t step, struct strbuf *out)
{
	const struct model_step *s = run_model_step(m, step);
	struct strbuf name = STRBUF_INIT;

	strbuf_addf(&name, "%s.", m->scenario[0] ? m->scenario : "run");
	if (step)
		strbuf_addf(&name, "%" PRId64 " ", step);
	for (const char *p = s && s->name[0] ? s->name : "run"; *p; p++)
		strbuf_addch(&name, *p == '.' ? '_' : *p);
	text_xml(out, name.buf);
	strbuf_release(&name);
}

static void add_attribute(struct strbuf *out, const char *name, const char *value)
{
	strbuf_addf(out, " %s=\"", name);
	text_xml(out, value);
	strbuf_addch(out, '"');
}

static void add_findings(const struct model_check *c, struct strbuf *out)
{
	size_t n = json_array_size(c->findings), i;
	json_t *f;

	json_array_foreach(c->findings, i, f)
	{
		char *line = i < FINDINGS_SHOWN_MAX
				     ? json_dumps(f, JSON_COMPACT | JSON_PRESERVE_ORDER |
							     JSON_REAL_PRECISION(12))
				     : NULL;

		if (!line)
			break;
		strbuf_addch(out, '\n');
		text_xml(out, line);
		free(line);
	}
	if (n + c->findings_left_out > i)
		strbuf_addf(out, "\n%zu more findings", n + c->findings_left_out - i);
}

/* "it holds", "it holds (2)": of two cases with one name a reader of JUnit keeps one. */
static void add_case_name(const struct run_model *m, const struct model_check *c,
			  struct strbuf *out)
{
	unsigned nth = 1;
	char *numbered;

	for (const struct model_check *other = m->checks; other < c; other++)
		nth += other->step == c->step && !strcmp(other->name, c->name);
	numbered = nth > 1 ? xstrfmt("%s (%u)", c->name, nth) : NULL;
	add_attribute(out, "name", numbered ? numbered : c->name);
	free(numbered);
}

static void add_testcase(const struct run_model *m, const struct model_check *c, struct strbuf *out)
{
	const char *tag = c->verdict == OUTCOME_FAIL ? "failure" : "error";

	strbuf_addstr(out, "    <testcase classname=\"");
	add_classname(m, c->step, out);
	strbuf_addch(out, '"');
	add_case_name(m, c, out);
	strbuf_addf(out, " time=\"%.3f\"", c->seconds > 0 ? c->seconds : 0);
	if (c->verdict == OUTCOME_PASS) {
		strbuf_addstr(out, ">\n      <system-out>");
		text_xml(out, c->evidence);
		strbuf_addstr(out, "</system-out>\n    </testcase>\n");
		return;
	}
	strbuf_addf(out, ">\n      <%s type=\"%s\"", tag, outcome_name(c->verdict));
	add_attribute(out, "message", c->evidence);
	strbuf_addch(out, '>');
	text_xml(out, c->evidence);
	add_findings(c, out);
	strbuf_addf(out, "</%s>\n    </testcase>\n", tag);
}

void format_junit_suite(const struct run_model *m, const char *name, struct strbuf *out)
{
	/* a run that reached no verdict of its own, or a bad one that no check explains */
	bool run_error = m->verdict == OUTCOME_ERROR || m->verdict == OUTCOME_INTERRUPTED ||
			 !m->ended || (m->verdict == OUTCOME_FAIL && !m->failed) ||
			 (m->verdict == OUTCOME_UNKNOWN && !m->unknown);
	const char *why = m->error[0] ? m->error : "the run ended without a verdict";
	size_t failed = 0, unknown = 0;
	char started[TEXT_NUMBER];

	for (size_t i = 0; i < m->checks_n; i++) {
		failed += m->checks[i].verdict == OUTCOME_FAIL;
		unknown += m->checks[i].verdict == OUTCOME_UNKNOWN;
	}
	strbuf_addstr(out, "  <testsuite");
	add_attribute(out, "name", name);
	strbuf_addf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" time=\"%.3f\"",
		    m->checks_n + run_error, failed, unknown + run_error, m->seconds);
	if (run_model_time(m, 0, "%Y-%m-%dT%H:%M:%S", started, sizeof(started)))
		add_attribute(out, "timestamp", started);
	strbuf_addstr(out, ">\n    <properties>\n");
	const char *const properties[][2] = { { "drtest", m->drtest },
					      { "ground", m->ground },
					      { "seed", m->seed },
					      { "command", m->command },
					      { "verdict", outcome_name(m->verdict) } };
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
		strbuf_addstr(out, "      <property");
		add_attribute(out, "name", properties[i][0]);
		add_attribute(out, "value", properties[i][1]);
		strbuf_addstr(out, "/>\n");
	}
	strbuf_addstr(out, "    </properties>\n");
	for (size_t i = 0; i < m->checks_n; i++)
		add_testcase(m, &m->checks[i], out);
	if (run_error) {
		strbuf_addstr(out, "    <testcase classname=\"");
		add_classname(m, 0, out);
		strbuf_addf(
			out,
			"\" name=\"the run reaches its end\" time=\"%.3f\">\n      <error type=\"%s\"",
			m->seconds, outcome_name(m->verdict));
		add_attribute(out, "message", why);
		strbuf_addch(out, '>');
		text_xml(out, why);
		strbuf_addstr(out, "</error>\n    </testcase>\n");
	}
	strbuf_addstr(out, "  </testsuite>\n");
}

void format_junit(const struct run_model *m, struct strbuf *out)
{
	strbuf_addstr(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
	format_junit_suite(m, m->scenario[0] ? m->scenario : "run", out);
	strbuf_addstr(out, "</testsuites>\n");
}
