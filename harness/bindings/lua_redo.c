/* t.redo: a redo log that lives, looked at and copied; nothing is ever written to it. */
#include <lauxlib.h>

#include "harness/bindings/bindings.h"
#include "harness/bindings/lua_tso.h"
#include "harness/redo/copy.h"
#include "harness/run/lua_args.h"

#define COPY_MS 600000

static void push(lua_State *L, const struct redo_copy_result *r)
{
	lua_newtable(L);
	lua_tso_push(L, r->meta.checkpoint_ts);
	lua_setfield(L, -2, "checkpoint_ts");
	lua_tso_push(L, r->meta.resolved_ts);
	lua_setfield(L, -2, "resolved_ts");
	lua_pushnumber(L, (lua_Number)r->files);
	lua_setfield(L, -2, "files");
	lua_pushnumber(L, (lua_Number)r->bytes);
	lua_setfield(L, -2, "bytes");
	lua_pushnumber(L, (lua_Number)clock_wall_ms());
	lua_setfield(L, -2, "wall_ms");
}

/* meta(uri): what a replay of now would start from and reach */
static int meta(lua_State *L)
{
	const char *uri = luaL_checkstring(L, 1);
	struct redo_copy_result r = { 0 };
	struct err e = ERR_INIT;
	struct store *s;
	int rc = 0;

	if (!runtime_planning(runtime_of(L))) {
		s = store_open(uri, NULL, &e);
		rc = s ? redo_read_meta(s, &r.meta, &e) : -1;
		store_free(s);
	}
	if (rc < 0)
		return lua_raise(L, &e);
	push(L, &r);
	return 1;
}

/* copy(from, to): whole in (checkpoint_ts, resolved_ts] */
static int copy(lua_State *L)
{
	const char *from_uri = luaL_checkstring(L, 1), *to_uri = luaL_checkstring(L, 2);
	struct redo_copy_result r = { 0 };
	struct err e = ERR_INIT;
	struct store *from = NULL, *to = NULL;
	int rc = -1;

	if (runtime_plan(runtime_of(L), "copy the redo log %s to %s (only reads from it)", from_uri,
			 to_uri)) {
		push(L, &r);
		return 1;
	}
	from = store_open(from_uri, NULL, &e);
	to = from ? store_open(to_uri, NULL, &e) : NULL;
	if (to)
		rc = redo_copy(from, to, deadline_in_ms(COPY_MS), &r, &e);
	store_free(from);
	store_free(to);
	if (rc < 0)
		return lua_raise(L, &e);
	push(L, &r);
	return 1;
}

int lua_redo_open(lua_State *L)
{
	static const luaL_Reg f[] = { { "meta", meta }, { "copy", copy }, { NULL, NULL } };

	lua_newtable(L);
	luaL_register(L, NULL, f);
	return 1;
}
