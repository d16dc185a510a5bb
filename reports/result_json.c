#include <math.h>
#include <stdlib.h>

#include "reports/formats.h"
#include "reports/text.h"
#include "reports/ways/ways.h"

#define RESULT_SCHEMA 1

/* -1 is "not told"; counts stay whole numbers. */
static json_t *told_json(double v)
{
	if (v < 0)
		return json_null();
	return v == floor(v) && v <= 9e15 ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *round_thousandths(double s)
{
	return json_real(round(s * 1000) / 1000);
}

static json_t *steps_json(const struct run_model *m)
{
	json_t *out = json_array();

	for (size_t i = 0; i < m->steps_n; i++) {
		const struct model_step *s = &m->steps[i];

		json_array_append_new(out, json_pack("{s:I,s:s,s:s,s:o,s:s}", "n", (json_int_t)s->n,
						     "name", s->name, "status", s->status,
						     "seconds", round_thousandths(s->seconds),
						     "detail", s->detail));
	}
	return out;
}

static json_t *checks_json(const struct run_model *m)
{
	json_t *out = json_array();

	for (size_t i = 0; i < m->checks_n; i++) {
		const struct model_check *c = &m->checks[i];
		json_t *one =
			json_pack("{s:s,s:o,s:s,s:s,s:o,s:O}", "name", c->name, "step",
				  c->step ? json_integer(c->step) : json_null(), "verdict",
				  outcome_name(c->verdict), "evidence", c->evidence, "seconds",
				  c->seconds < 0 ? json_null() : round_thousandths(c->seconds),
				  "findings", c->findings);

		if (c->about)
			json_object_set(one, "about", c->about);
		if (c->findings_left_out)
			json_object_set_new(one, "findings_left_out",
					    json_integer((json_int_t)c->findings_left_out));
		json_array_append_new(out, one);
	}
	return out;
}

static json_t *rpo_json(const struct run_model *m)
{
	if (!m->has_rpo)
		return json_null();
	return json_pack("{s:o,s:o,s:o,s:o}", "lost", told_json(m->rpo_lost), "acked",
			 told_json(m->rpo_acked), "window_ms", told_json(m->rpo_window_ms),
			 "resolved_behind_ms", told_json(m->rpo_behind_ms));
}

static json_t *rto_json(const struct run_model *m)
{
	json_t *out = m->has_rto ? json_object() : json_null();
	char key[32];

	for (int i = 0; m->has_rto && i < RTO_PARTS; i++) {
		snprintf(key, sizeof(key), "%s_ms", rto_part_names[i]);
		json_object_set_new(out, key, told_json(m->rto_ms[i]));
	}
	return out;
}

static json_t *faults_json(const struct run_model *m)
{
	json_t *out = json_array();

	for (size_t i = 0; i < m->faults_n; i++)
		json_array_append_new(out,
				      json_pack("{s:s,s:s,s:o,s:o,s:s}", "kind", m->faults[i].kind,
						"target", m->faults[i].target, "at",
						round_thousandths(m->faults[i].at), "until",
						m->faults[i].until < 0
							? json_null()
							: round_thousandths(m->faults[i].until),
						"detail", m->faults[i].detail));
	return out;
}

static json_t *moves_json(const struct run_model *m)
{
	json_t *out = json_array();

	for (size_t i = 0; i < m->moves_n; i++)
		json_array_append_new(out, json_pack("{s:s,s:s,s:o}", "from", m->moves[i].from,
						     "to", m->moves[i].to, "at",
						     round_thousandths(m->moves[i].at)));
	return out;
}

void format_result_json(const struct run_model *m, struct strbuf *out)
{
	char started[TEXT_NUMBER];
	bool timed = run_model_time(m, 0, "%Y-%m-%dT%H:%M:%SZ", started, sizeof(started));
	json_t *o = json_object();
	char *dump;

	json_object_set_new(o, "schema", json_integer(RESULT_SCHEMA));
	json_object_set_new(o, "drtest", json_string(m->drtest));
	json_object_set_new(o, "scenario", json_string(m->scenario));
	json_object_set_new(o, "ground", json_string(m->ground));
	json_object_set_new(o, "seed", json_string(m->seed));
	json_object_set_new(o, "command", json_string(m->command));
	json_object_set_new(o, "started", timed ? json_string(started) : json_null());
	json_object_set_new(o, "seconds", round_thousandths(m->seconds));
	json_object_set_new(o, "verdict", json_string(outcome_name(m->verdict)));
	json_object_set_new(o, "error", json_string(m->error));
	json_object_set_new(o, "rpo", rpo_json(m));
	json_object_set_new(o, "rto", rto_json(m));
	json_object_set_new(o, "steps", steps_json(m));
	json_object_set_new(o, "checks", checks_json(m));
	json_object_set(o, "figures", m->figures);
	json_object_set(o, "notes", m->notes);
	json_object_set(o, "left", m->left);
	json_object_set_new(o, "faults", faults_json(m));
	json_object_set_new(o, "moves", moves_json(m));
	if (m->ways_n)
		json_object_set_new(o, "ways", ways_json(m));
	json_object_set(o, "options", m->options);
	json_object_set(o, "versions", m->versions);
	json_object_set(o, "standins", m->standins);
	dump = json_dumps(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
	strbuf_addstr(out, dump ? dump : "{}");
	strbuf_addch(out, '\n');
	free(dump);
	json_decref(o);
}
