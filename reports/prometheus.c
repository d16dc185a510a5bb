/* The figures of a run, whether it ended or goes on. */
#include "reports/live/exposition.h"
#include "reports/formats.h"

static void add_figures(struct exposition *x, const struct run_model *m)
{
	const char *key;
	bool first = true;
	json_t *v;

	json_object_foreach(m->figures, key, v)
	{
		if (!json_is_number(v))
			continue;
		if (first)
			exposition_family(x, "figure", EXPOSITION_GAUGE,
					  "A figure that the scenario sets.");
		first = false;
		exposition_sample(x, "name", key, json_number_value(v));
	}
}

static double scale_value(double v, double scale)
{
	return v < 0 ? v : v * scale;
}

void format_run_figures(const struct run_model *m, struct exposition *x)
{
	const char *const info[] = { "drtest",  m->drtest,
				     "seed",    m->seed,
				     "verdict", m->running ? "" : outcome_name(m->verdict),
				     NULL };
	size_t count[3] = { 0 };

	exposition_common(x, "scenario", m->scenario);
	exposition_common(x, "ground", m->ground);
	exposition_family(x, "run", EXPOSITION_INFO, "The run that these figures belong to.");
	exposition_labelled(x, info, 1);
	if (!m->running) {
		exposition_family(
			x, "passed", EXPOSITION_GAUGE,
			"1 if the run passed; 0 if it failed, could not decide, or did not end.");
		exposition_sample(x, NULL, NULL, m->verdict == OUTCOME_PASS);
	}
	if (m->wall_ms)
		exposition_one(x, "run_start_timestamp_seconds",
			       "When the run started, in seconds since 1970.",
			       (double)m->wall_ms * 1e-3);
	exposition_one(x, "run_duration_seconds", "How long the run took, or has been running.",
		       m->seconds);
	for (size_t i = 0; i < m->checks_n; i++)
		if (m->checks[i].verdict <= OUTCOME_UNKNOWN)
			count[m->checks[i].verdict]++;
	exposition_family(x, "checks", EXPOSITION_GAUGE, "Checks by their verdict.");
	for (int i = OUTCOME_PASS; i <= OUTCOME_UNKNOWN; i++)
		exposition_sample(x, "verdict", outcome_name((enum outcome)i), (double)count[i]);
	exposition_one(x, "rpo_lost_transactions", "Lost acknowledged transactions.", m->rpo_lost);
	exposition_one(x, "rpo_acknowledged_transactions",
		       "Transactions that were acknowledged before the disaster.", m->rpo_acked);
	exposition_one(x, "rpo_window_seconds",
		       "From the oldest lost acknowledgement to the disaster.",
		       scale_value(m->rpo_window_ms, 1e-3));
	exposition_one(x, "rpo_resolved_behind_seconds", "From resolvedTs to the disaster.",
		       scale_value(m->rpo_behind_ms, 1e-3));
	if (m->has_rto)
		exposition_family(
			x, "rto_seconds", EXPOSITION_GAUGE,
			"From the disaster to the first write on the secondary (service), its parts, and to redundancy.");
	for (int i = 0; m->has_rto && i < RTO_PARTS; i++)
		if (m->rto_ms[i] >= 0)
			exposition_sample(x, "part", rto_part_names[i], m->rto_ms[i] / 1e3);
	add_figures(x, m);
}

void format_prometheus(const struct run_model *m, struct strbuf *out)
{
	struct exposition x;

	exposition_begin(&x, out, false);
	format_run_figures(m, &x);
	exposition_end(&x);
}
