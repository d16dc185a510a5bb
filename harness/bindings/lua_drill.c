/* What scenarios share is Lua and part of the program: a scenario finds it wherever it lies. */
#include <lauxlib.h>

#include "harness/base/embed.h"
#include "harness/bindings/bindings.h"
#include "harness/run/lua_args.h"

EMBEDDED(scenarios_lib_drill_lua);

int lua_drill_open(lua_State *L)
{
	if (luaL_loadbuffer(L, (const char *)embed_scenarios_lib_drill_lua,
			    embed_scenarios_lib_drill_lua_size, "=" LUA_OWN_CHUNK "drill.lua"))
		return lua_error(L);
	return 1;
}
