/* What a ground has and can, asked by scenarios: what runs already, whether it is TiDB, whether
 * drtest can come between its parties. */
#include <lauxlib.h>
#include <string.h>

#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_tools.h"
#include "harness/cluster/attach.h"
#include "harness/run/runtime.h"

/* live(primary or nil, secondary or nil): what runs already. With the clusters, feed is the
 * changefeed between them. */
static int live(lua_State *L)
{
	const struct attach_file *f = attach_used();
	const struct attach_cluster *primary;
	struct runtime *r = runtime_of(L);
	struct err e = ERR_INIT;

	if (!f || strcmp(runtime_ground(r), "attach") != 0)
		return 0;
	if (!f->redo[0])
		runtime_usage(L, "the clusters file names no live redo log: redo = \"s3://…\"");
	attach_needs(ATTACH_REDO);
	lua_settop(L, 2);
	lua_newtable(L);
	lua_pushstring(L, f->redo);
	lua_setfield(L, 3, "redo");
	if (f->backup[0]) {
		lua_pushstring(L, f->backup);
		lua_setfield(L, 3, "backup");
	}
	primary = attach_find("primary");
	lua_pushboolean(L, primary && !primary->mysql &&
				   (primary->expendable || primary->allow & 1u << ABLE_GC));
	lua_setfield(L, 3, "gc");
	if (!lua_isnil(L, 1)) {
		struct lua_cluster *source = lua_cluster_alive(L, 1, "live"),
				   *sink = lua_cluster_alive(L, 2, "live");

		if (!f->changefeed[0])
			runtime_usage(
				L,
				"the clusters file names no running changefeed: changefeed = \"its id\"");
		if (!runtime_plan(r, "%s: GET /api/v2/changefeeds/%s, which goes on as it is",
				  source->name, f->changefeed) &&
		    cluster_changefeed_find(source->c, sink->c, f->changefeed, f->redo, &e) < 0)
			return runtime_raise(L, &e);
		lua_feed_push(L, source, sink, f->changefeed);
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
static int by_the_guide(lua_State *L)
{
	lua_pushboolean(L, !strcmp(runtime_ground(runtime_of(L)), "playground"));
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

void lua_ground_natives(lua_State *L)
{
	static const luaL_Reg natives[] = {
		{ "replay_both", replay_both },   { "on_tidb", on_tidb },   { "live", live },
		{ "by_the_guide", by_the_guide }, { "can_link", can_link }, { NULL, NULL }
	};

	luaL_register(L, NULL, natives);
}
