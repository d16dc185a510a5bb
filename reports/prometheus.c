/* The final figures of a run in Prometheus' text format, for a node exporter's textfile collector.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/formats.h"
#include "reports/text.h"

/* A label's value: backslash, quote and newline escaped as the format has it; other control
 * characters by their visible names. */
static void label(struct strbuf *out, const char *name, const char *value)
{
	struct strbuf line = STRBUF_INIT;

	text_line(&line, value, 200);
	strbuf_addf(out, "%s=\"", name);
	for (const char *p = line.buf; *p; p++) {
		if (*p == '\\' || *p == '"')
			strbuf_addch(out, '\\');
		strbuf_addch(out, *p);
	}
	strbuf_addch(out, '"');
	strbuf_release(&line);
}

struct page {
	struct strbuf *out;
	struct strbuf common; /* labels of every sample */
};

static void family(struct page *p, const char *name, const char *what)
{
	strbuf_addf(p->out, "# HELP drtest_%s %s\n# TYPE drtest_%s gauge\n", name, what, name);
}

static void sample(struct page *p, const char *name, const char *key, const char *value, double v)
{
	strbuf_addf(p->out, "drtest_%s{%s", name, p->common.buf);
	if (key) {
		strbuf_addch(p->out, ',');
		label(p->out, key, value);
	}
	strbuf_addf(p->out, v == floor(v) && fabs(v) < 9e15 ? "} %.0f\n" : "} %.15g\n", v);
}

static void one(struct page *p, const char *name, const char *what, double v, double scale)
{
	if (v < 0)
		return; /* not measured: no sample, rather than a wrong one */
	family(p, name, what);
	sample(p, name, NULL, NULL, v * scale);
}

static void figures(struct page *p, const struct run_model *m)
{
	const char *key;
	bool first = true;
	json_t *v;

	json_object_foreach(m->figures, key, v)
	{
		if (!json_is_number(v))
			continue;
		if (first)
			family(p, "figure", "A figure that the scenario tells.");
		first = false;
		sample(p, "figure", "name", key, json_number_value(v));
	}
}

void format_prometheus(const struct run_model *m, struct strbuf *out)
{
	size_t count[3] = { 0 };
	struct page p = { out, STRBUF_INIT };

	label(&p.common, "scenario", m->scenario);
	strbuf_addch(&p.common, ',');
	label(&p.common, "ground", m->ground);
	family(&p, "run_info", "The run that these figures are of.");
	strbuf_addf(out, "drtest_run_info{%s,", p.common.buf);
	label(out, "drtest", m->drtest);
	strbuf_addch(out, ',');
	label(out, "seed", m->seed);
	strbuf_addch(out, ',');
	label(out, "verdict", outcome_name(m->verdict));
	strbuf_addstr(out, "} 1\n");
	family(&p, "passed", "1: the run passed; 0: it failed, could not tell, or did not end.");
	sample(&p, "passed", NULL, NULL, m->verdict == OUTCOME_PASS);
	if (m->wall_ms)
		one(&p, "run_start_timestamp_seconds", "When the run began, in seconds since 1970.",
		    (double)m->wall_ms, 1e-3);
	one(&p, "run_duration_seconds", "How long the run took.", m->seconds, 1);
	for (size_t i = 0; i < m->checks_n; i++)
		if (m->checks[i].verdict <= OUTCOME_UNKNOWN)
			count[m->checks[i].verdict]++;
	family(&p, "checks", "Checks by their verdict.");
	for (int i = OUTCOME_PASS; i <= OUTCOME_UNKNOWN; i++)
		sample(&p, "checks", "verdict", outcome_name((enum outcome)i), (double)count[i]);
	one(&p, "rpo_lost_transactions", "Acknowledged transactions that are gone.", m->rpo_lost,
	    1);
	one(&p, "rpo_acknowledged_transactions",
	    "Transactions that were acknowledged before the disaster.", m->rpo_acked, 1);
	one(&p, "rpo_window_seconds", "From the oldest lost acknowledgement to the disaster.",
	    m->rpo_window_ms, 1e-3);
	one(&p, "rpo_resolved_behind_seconds", "From resolvedTs to the disaster.", m->rpo_behind_ms,
	    1e-3);
	if (m->has_rto)
		family(&p, "rto_seconds",
		       "From the disaster to the first write on the secondary (service), its parts, and to redundancy.");
	for (int i = 0; m->has_rto && i < RTO_PARTS; i++)
		if (m->rto_ms[i] >= 0)
			sample(&p, "rto_seconds", "part", rto_part_names[i], m->rto_ms[i] / 1e3);
	figures(&p, m);
	strbuf_release(&p.common);
}
