/* A cluster's end: SIGKILL, as a disaster in one instant, or one component of it. */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/bindings/lua_cluster.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"
#include "harness/run/recovery.h"
#include "harness/run/runtime.h"

#define INTERRUPT_MS 90000 /* playground waits 10 s for each component */

/* The feed's burst: the secondary holds a part of what was released to it. offset_us of it pass,
 * and it still does; a burst that was over by then is followed by the next, for half as long. Not
 * within the time: false. */
static bool await_busy(struct lua_feed *f, struct deadline d, int64_t offset_us, struct err *e)
{
	struct feed_status st;
	int64_t busy_ns = 0, now;

	while (!deadline_passed(d) && !clock_cancelled()) {
		if (cluster_feed_status_of(f->source->c, f->number, &st, e) < 0)
			return false;
		now = clock_mono_ns();
		if (!st.sink_busy && busy_ns) {
			busy_ns = 0;
			offset_us /= 2;
		} else if (st.sink_busy && !busy_ns) {
			busy_ns = now;
		}
		if (st.sink_busy && now - busy_ns >= offset_us * 1000)
			return true;
		usleep(300);
	}
	return false;
}

static const struct {
	const char *name;
	enum cluster_part part;
} parts[] = { { "ticdc", CLUSTER_FEED },  { "changefeed", CLUSTER_FEED },
	      { "tidb", CLUSTER_SERVER }, { "server", CLUSTER_SERVER },
	      { "pd", CLUSTER_PD },       { "tikv", CLUSTER_STORAGE } };

/* "tikv", "tikv-1" (the second), "pd-leader", "ticdc-owner". */
int lua_cluster_part(lua_State *L, const char *text, enum cluster_part *part, int *which)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t n = strlen(parts[i].name);

		if (strncmp(text, parts[i].name, n) != 0 || (text[n] && text[n] != '-'))
			continue;
		*part = parts[i].part;
		*which = CLUSTER_EACH;
		if (!text[n])
			return 0;
		if ((*part == CLUSTER_PD && !strcmp(text + n, "-leader")) ||
		    (*part == CLUSTER_FEED && !strcmp(text + n, "-owner")))
			*which = CLUSTER_LEADER;
		else if (text[n + 1] >= '0' && text[n + 1] <= '9' && !text[n + 2])
			*which = text[n + 1] - '0';
		else
			break;
		return 0;
	}
	return lua_usage(L,
			 "a part is tidb, tikv, pd or ticdc, or one instance: tikv-0, pd-leader or "
			 "ticdc-owner; not '%s'",
			 text);
}

/* kill(cluster, part): SIGKILL to one component; the cluster as a whole goes on, and its faults are
 * expected. */
int lua_cluster_kill_part(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_cluster *c = lua_cluster_alive(L, 1, "kill");
	const char *name = luaL_checkstring(L, 2);
	struct err e = ERR_INIT;
	int64_t at = 0;
	enum cluster_part part;
	int which;

	lua_cluster_part(L, name, &part, &which);
	lua_cluster_allowed(L, c, ABLE_KILL);
	lua_cluster_able(L, c,
			 part == CLUSTER_FEED || part == CLUSTER_SERVER ? ABLE_KILL_PART
									: ABLE_KILL_COMPONENT,
			 "kill one component");
	/* where a cluster is its server, c:start() brings it back */
	if (part == CLUSTER_SERVER && !ground_can(runtime_ground(r), ABLE_KILL_COMPONENT))
		c->alive = false;
	if (runtime_plan(r, "SIGKILL to the %s of %s", name, c->name))
		return 0;
	if (part == CLUSTER_FEED && which == CLUSTER_EACH)
		lua_feeds_dead(r, c);
	if (part != CLUSTER_FEED) {
		owned_expect(r, c, false);
		runtime_strike(r, &c->struck, true);
	}
	if (cluster_kill_part(c->c, part, which, &at, &e) < 0)
		return lua_raise(L, &e);
	journal_event_at(
		runtime_journal(r), at, "fault",
		json_pack("{s:s,s:s,s:s}", "kind", "kill", "target", c->name, "part", name));
	return 0;
}

/* disaster(cluster, feed or nil, within_ms, offset_us, interrupt): SIGKILL to the cluster and its
 * changefeed in one instant, or Ctrl+C. Returns whether the sink was busy. */
int lua_cluster_disaster(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_cluster *c = lua_cluster_alive(L, 1, "disaster");
	struct lua_feed *f = lua_isnoneornil(L, 2) ? NULL : lua_feed_check(L, 2);
	struct err e = ERR_INIT;
	bool busy = false;
	int64_t at = 0;
	bool interrupt = lua_toboolean(L, 5);
	char target[128];

	lua_cluster_allowed(L, c, ABLE_KILL);
	if (runtime_planning(r)) {
		struct strbuf how = STRBUF_INIT;

		runtime_ground(r)->plan(
			ABLE_KILL,
			&(struct ground_plan){ .cluster = c->name, .interrupt = interrupt }, &how);
		runtime_plan(r, "%s%s", how.buf, f ? ", while the sink is busy" : "");
		strbuf_release(&how);
		c->alive = false;
		lua_pushboolean(L, true);
		return 1;
	}
	if (f && f->running && cluster_feed_runs(f->source->c, f->number))
		busy = await_busy(f, deadline_in_ms((int64_t)luaL_checknumber(L, 3)),
				  (int64_t)luaL_checknumber(L, 4), &e);
	if (e.kind != ERR_NONE)
		return lua_raise(L, &e);
	if (clock_cancelled()) {
		err_set(&e, ERR_CANCELLED, 0, "interrupted");
		return lua_raise(L, &e);
	}
	owned_expect(r, c, false);
	lua_feeds_doomed(r, c);
	snprintf(target, sizeof(target), "%s%s", c->name,
		 cluster_feeds(c->c) ? " and its changefeed" : "");
	if (interrupt ? cluster_interrupt(c->c, deadline_in_ms(INTERRUPT_MS), &at, &e) < 0
		      : cluster_kill(c->c, CLUSTER_ALL, &at, &e) < 0)
		return lua_raise(L, &e);
	c->alive = false;
	lua_feeds_dead(r, c);
	recovery_disaster(r, interrupt ? "interrupt" : "kill", target, at);
	lua_pushboolean(L, busy);
	return 1;
}
