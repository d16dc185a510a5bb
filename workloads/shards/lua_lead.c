#include "workloads/shards/lua_lead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/run/lua_args.h"

int lua_lead_new(struct runtime *r, const struct load_opts *o, int64_t shards,
		 const char *rendezvous, struct lead **out, struct err *e)
{
	*out = NULL;
	if (shards < 1 || shards > LOAD_SHARDS_MAX)
		return err_set(e, ERR_USAGE, 0, "load %s: shards: 1 to %d", o->name,
			       LOAD_SHARDS_MAX);
	if (shards > (int64_t)o->workers)
		return err_set(e, ERR_USAGE, 0,
			       "load %s: %d shards want at least %d workers, not %u", o->name,
			       (int)shards, (int)shards, o->workers);
	if (o->rate_plan || o->events)
		return err_set(e, ERR_USAGE, 0,
			       "load %s: shards take a number as rate, set again by load:rate(), "
			       "and no events: leave out %s, or shards",
			       o->name, o->rate_plan ? "the steps" : "events");
	if (runtime_plan(r, "load %s: %d shards, %s", o->name, (int)shards,
			 rendezvous ? "which wait elsewhere for the search's word"
				    : "processes of this machine"))
		return 0;
	*out = lead_new(&(struct lead_opts){ .rendezvous = rendezvous,
					     .shards = (unsigned)shards,
					     .load = o,
					     .dir = runtime_dir(r) },
			e);
	return *out ? 0 : -1;
}

int lua_lead_start(struct runtime *r, struct lead *lead, const char *name,
		   const struct sql_endpoint *ep, uint16_t cluster, struct err *e)
{
	struct strbuf command = STRBUF_INIT;

	if (lead_elsewhere(lead)) {
		lead_command(lead, &command);
		runtime_note(r, "load %s waits for its shards: %s", name, command.buf);
	}
	strbuf_release(&command);
	return lead_start(lead, ep, cluster, e);
}

int lua_lead_rate(lua_State *L, struct lead *lead, double rate)
{
	struct err e = ERR_INIT;

	if (lead_rate(lead, rate, &e) < 0)
		lua_raise(L, &e);
	return 0;
}

void lua_lead_push(lua_State *L, const struct load_stats *span, const struct hist *h,
		   double seconds, double tps)
{
	static const struct {
		const char *name;
		double q;
	} quantiles[] = { { "p50", 0.5 }, { "p95", 0.95 }, { "p99", 0.99 }, { "p999", 0.999 } };
	static const char *const parts[] = { "", "queue_", "service_" };

	lua_newtable(L);
	lua_set_number(L, "seconds", seconds);
	lua_set_number(L, "started", (double)span->started);
	lua_set_number(L, "acked", (double)span->acked);
	lua_set_number(L, "failed", (double)span->failed);
	lua_set_number(L, "retried", (double)span->retried);
	lua_set_number(L, "unknown", (double)span->unknown);
	lua_set_number(L, "backlog", (double)span->backlog);
	lua_set_number(L, "tps", tps);
	for (int i = 0; i < 3; i++) {
		char name[32];

		for (size_t k = 0; k < sizeof(quantiles) / sizeof(*quantiles); k++) {
			snprintf(name, sizeof(name), "%s%s", parts[i], quantiles[k].name);
			lua_set_number(L, name,
				       (double)hist_quantile_us(&h[i], quantiles[k].q) / 1e3);
		}
		snprintf(name, sizeof(name), "%smax", parts[i]);
		lua_set_number(L, name, (double)h[i].max_us / 1e3);
	}
}

int lua_lead_interval(lua_State *L, struct lead *lead)
{
	struct lead_span *span = xcalloc(1, sizeof(*span));
	struct err e = ERR_INIT;
	int rc = lead_mark(lead, span, &e);

	if (rc == 0) {
		lua_lead_push(L, &span->total.st, span->total.h, span->total.seconds, span->tps);
		if (*span->missing) {
			lua_pushstring(L, span->missing);
			lua_setfield(L, -2, "missing");
		}
		lua_pushboolean(L, span->gone);
		lua_setfield(L, -2, "gone");
	}
	free(span);
	return rc < 0 ? lua_raise(L, &e) : 1;
}

/* Where no mark has named who is missing, the end does. */
static int all_came(const struct load_joined *joined, struct err *e)
{
	if (joined->n_early)
		return err_set(e, ERR_ENV, 0, "shard %u ended early, after %.1f s: %s",
			       joined->early[0].shard, joined->early[0].seconds,
			       joined->early[0].why);
	if (joined->n_silent)
		return err_set(e, ERR_ENV, 0,
			       "shard %u was killed: what it did after %.1f s is unknown",
			       joined->silent[0].shard, joined->silent[0].seconds);
	return 0;
}

/* load:stop(): all that the shards did, as their results and ledgers tell it. */
int lua_lead_stop(lua_State *L, struct lead *lead, const char *ledger_dir, bool *together)
{
	struct load_joined *joined;
	struct err e = ERR_INIT;
	int rc;

	if (!lead_running(lead))
		return 0;
	joined = xcalloc(1, sizeof(*joined));
	rc = lead_stop(lead, ledger_dir, joined, &e);
	*together = rc == 0;
	if (rc == 0 && !lead_marked(lead))
		rc = all_came(joined, &e);
	if (rc == 0) {
		lua_lead_push(L, &joined->total.st, joined->total.h, joined->total.seconds,
			      joined->total.seconds > 0
				      ? (double)joined->total.st.acked / joined->total.seconds
				      : 0);
		lua_set_number(L, "shards", (double)joined->shards);
		lua_set_number(L, "killed", (double)joined->n_silent);
		lua_set_number(L, "ledger_files", (double)joined->files);
		lua_set_number(L, "ledger_acked", (double)joined->ledger_acked);
	}
	load_joined_release(joined);
	free(joined);
	return rc < 0 ? lua_raise(L, &e) : 1;
}

void lua_lead_seen(struct lead *lead, struct load_stats *st)
{
	struct load_total *seen = xcalloc(1, sizeof(*seen));
	struct hist *latency = st->latency;

	lead_seen(lead, seen);
	*st = seen->st;
	st->latency = latency;
	st->queue = st->service = NULL;
	if (latency)
		*latency = seen->h[0];
	free(seen);
}
