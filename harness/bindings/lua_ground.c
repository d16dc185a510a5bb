/* What a ground has and can, asked by scenarios: what runs already, whether it is TiDB, whether
 * drtest can come between its parties. */
#include <lauxlib.h>
#include <string.h>

#include "harness/bindings/bindings.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_tools.h"
#include "harness/run/lua_args.h"
#include "harness/run/runtime.h"

/* live(primary or nil, secondary or nil): what runs already. With the clusters, feed is the
 * changefeed between them. */
static int live(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	const struct ground *g = runtime_ground(r);
	struct ground_live l;
	struct err e = ERR_INIT;
	int there = g->live ? g->live(&l, &e) : 0;

	if (there < 0)
		lua_usage(L, "%s", e.text);
	if (!there)
		return 0;
	lua_settop(L, 2);
	lua_newtable(L);
	lua_pushstring(L, l.redo);
	lua_setfield(L, 3, "redo");
	if (*l.backup) {
		lua_pushstring(L, l.backup);
		lua_setfield(L, 3, "backup");
	}
	lua_pushboolean(L, l.gc);
	lua_setfield(L, 3, "gc");
	if (!lua_isnil(L, 1)) {
		struct lua_cluster *source = lua_cluster_alive(L, 1, "live"),
				   *sink = lua_cluster_alive(L, 2, "live");

		if (!*l.changefeed)
			lua_usage(
				L,
				"the clusters file has no changefeed: add changefeed = \"its ID\"");
		if (!runtime_plan(r, "%s: GET /api/v2/changefeeds/%s, which is not changed",
				  source->name, l.changefeed) &&
		    cluster_changefeed_find(source->c, sink->c, l.changefeed, l.redo, &e) < 0)
			return lua_raise(L, &e);
		lua_feed_push(L, source, sink, l.changefeed);
		lua_setfield(L, 3, "feed");
	}
	return 1;
}

static int replay_both(lua_State *L)
{
	lua_pushboolean(L, runtime_tools(runtime_of(L))->replay_both);
	return 1;
}

/* The ground that follows the guide: a primary is rebuilt by br there. */
static int uses_br(lua_State *L)
{
	lua_pushboolean(L, runtime_ground(runtime_of(L))->by_the_guide);
	return 1;
}

static int can_link(lua_State *L)
{
	lua_pushboolean(L, ground_can(runtime_ground(runtime_of(L)), ABLE_LINK));
	return 1;
}

static int on_tidb(lua_State *L)
{
	lua_pushboolean(L, runtime_on_tidb(runtime_of(L)));
	return 1;
}

int lua_ground_needs(const char *thing, const struct ground *ground, struct strbuf *missing)
{
	if (strcmp(thing, "pair") != 0)
		return lua_ways_needs(thing, ground, missing);
	if (ground->live)
		return 1;
	strbuf_addf(
		missing,
		"pair: the %s ground has no existing pair; use attach with a clusters file that "
		"has redo and changefeed, or scenarios/failover.lua for this drill on drtest's "
		"own pair",
		ground->name);
	return 0;
}

void lua_ground_natives(lua_State *L)
{
	static const luaL_Reg natives[] = {
		{ "replay_both", replay_both }, { "on_tidb", on_tidb },   { "live", live },
		{ "uses_br", uses_br },         { "can_link", can_link }, { NULL, NULL }
	};

	luaL_register(L, NULL, natives);
}
