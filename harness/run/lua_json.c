#include "harness/run/lua_json.h"

#include <lauxlib.h>

#define METATABLE "drtest.json"

static int collect(lua_State *L)
{
	json_decref(*(json_t **)luaL_checkudata(L, 1, METATABLE));
	return 0;
}

static int count(lua_State *L)
{
	lua_pushinteger(L,
			(lua_Integer)json_array_size(*(json_t **)luaL_checkudata(L, 1, METATABLE)));
	return 1;
}

void lua_json_open(lua_State *L)
{
	luaL_newmetatable(L, METATABLE);
	lua_pushcfunction(L, collect);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, count);
	lua_setfield(L, -2, "__len");
	lua_pop(L, 1);
}

void lua_json_push(lua_State *L, json_t *j)
{
	json_t **u = lua_newuserdata(L, sizeof(*u));

	*u = j;
	luaL_getmetatable(L, METATABLE);
	lua_setmetatable(L, -2);
}

json_t *lua_json_check(lua_State *L, int index)
{
	return *(json_t **)luaL_checkudata(L, index, METATABLE);
}
