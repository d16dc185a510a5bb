#include "harness/run/recovery.h"

#include <stdio.h>
#include <string.h>

#include "harness/run/runtime_impl.h"

static void phase_end(struct runtime *r, int64_t now_ns)
{
	char key[48];
	double ms;

	if (!r->phase[0])
		return;
	if (now_ns < r->phase_start_ns)
		now_ns = r->phase_start_ns;
	snprintf(key, sizeof(key), "%s_ms", r->phase);
	ms = (double)(now_ns - r->phase_start_ns) / 1e6;
	/* a phase may come twice */
	json_object_set_new(r->rto, key,
			    json_real(json_number_value(json_object_get(r->rto, key)) + ms));
	journal_event(r->journal, "span",
		      json_pack("{s:s,s:f,s:f}", "name", r->phase, "from",
				runtime_seconds(r, r->phase_start_ns), "to",
				runtime_seconds(r, now_ns)));
	r->phase[0] = '\0';
	r->phase_start_ns = now_ns;
}

void recovery_disaster(struct runtime *r, const char *kind, const char *target, int64_t at_ns)
{
	if (!r->journal)
		return;
	journal_event(r->journal, "fault",
		      json_pack("{s:s,s:s,s:f,s:b}", "kind", kind, "target", target, "at",
				runtime_seconds(r, at_ns), "disaster", 1));
	r->disaster_ns = at_ns;
	r->disaster_wall_ms = clock_wall_ms() - (clock_mono_ns() - at_ns) / 1000000;
	json_decref(r->rto);
	r->rto = json_object();
	snprintf(r->phase, sizeof(r->phase), "detect");
	r->phase_start_ns = at_ns;
}

void recovery_phase(struct runtime *r, const char *name)
{
	if (!r->journal || !r->rto || json_object_get(r->rto, "service_ms"))
		return;
	phase_end(r, clock_mono_ns());
	snprintf(r->phase, sizeof(r->phase), "%s", name);
}

void recovery_reached(struct runtime *r, const char *what, int64_t at_ns)
{
	char key[48];

	if (!r->journal || !r->rto)
		return;
	if (!strcmp(what, "service"))
		phase_end(r, at_ns);
	snprintf(key, sizeof(key), "%s_ms", what);
	json_object_set_new(r->rto, key, json_real((double)(at_ns - r->disaster_ns) / 1e6));
	journal_event(r->journal, "rto", json_deep_copy(r->rto));
}

int64_t recovery_disaster_ns(const struct runtime *r)
{
	return r->disaster_ns;
}

int64_t recovery_disaster_wall_ms(const struct runtime *r)
{
	return r->disaster_wall_ms;
}
