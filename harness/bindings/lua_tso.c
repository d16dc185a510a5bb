#include <lauxlib.h>
#include <stdio.h>

#include "harness/base/tso.h"
#include "harness/bindings/bindings.h"
#include "harness/run/lua_args.h"
#include "harness/bindings/lua_tso.h"

#define METATABLE "drtest.tso"

void lua_tso_push(lua_State *L, tso_t ts)
{
	tso_t *u = lua_newuserdata(L, sizeof(*u));

	*u = ts;
	luaL_getmetatable(L, METATABLE);
	lua_setmetatable(L, -2);
}

tso_t lua_tso_check(lua_State *L, int index)
{
	return *(tso_t *)lua_object(L, index, METATABLE);
}

static int text(lua_State *L)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%llu", (unsigned long long)lua_tso_check(L, 1));
	lua_pushstring(L, buf);
	return 1;
}

static int time_text(lua_State *L)
{
	char buf[TSO_TEXT_MAX];

	tso_time_text(lua_tso_check(L, 1), buf);
	lua_pushstring(L, buf);
	return 1;
}

static int ms(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)tso_ms(lua_tso_check(L, 1)));
	return 1;
}

/* The last instant before it. */
static int before(lua_State *L)
{
	tso_t ts = lua_tso_check(L, 1);

	lua_tso_push(L, ts ? ts - 1 : 0);
	return 1;
}

static int eq(lua_State *L)
{
	lua_pushboolean(L, lua_tso_check(L, 1) == lua_tso_check(L, 2));
	return 1;
}

static int lt(lua_State *L)
{
	lua_pushboolean(L, lua_tso_check(L, 1) < lua_tso_check(L, 2));
	return 1;
}

static int le(lua_State *L)
{
	lua_pushboolean(L, lua_tso_check(L, 1) <= lua_tso_check(L, 2));
	return 1;
}

/* tso("462…"): from its decimal text. */
static int make(lua_State *L)
{
	tso_t ts;

	if (lua_type(L, 1) != LUA_TSTRING || !tso_parse(lua_tostring(L, 1), &ts))
		return lua_usage(L, "a TSO must be decimal digits in quotes");
	lua_tso_push(L, ts);
	return 1;
}

int lua_tso_open(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "ms", ms }, { "time", time_text }, { "before", before }, { NULL, NULL }
	};
	static const luaL_Reg order[] = {
		{ "__eq", eq }, { "__lt", lt }, { "__le", le }, { NULL, NULL }
	};

	lua_class(L, METATABLE, "tso", text, methods);
	luaL_getmetatable(L, METATABLE);
	luaL_register(L, NULL, order);
	lua_pop(L, 2);
	lua_pushcfunction(L, make);
	return 1;
}
