#include "harness/bindings/audit.h"

#include <lauxlib.h>

#include "harness/run/lua_args.h"

#define AUDITS "drtest.audits" /* in the registry: userdata -> struct run_audit, weak keys */

static void push_audits(lua_State *L)
{
	if (!luaL_newmetatable(L, AUDITS))
		return;
	lua_newtable(L);
	lua_pushliteral(L, "k");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
}

void audit_register(lua_State *L, const struct run_audit *a)
{
	push_audits(L);
	lua_pushvalue(L, -2);
	lua_pushlightuserdata(L, (void *)(uintptr_t)a);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

const struct run_audit *audit_of(lua_State *L, int index)
{
	const struct run_audit *a = NULL;

	luaL_checkany(L, index);
	if (lua_isuserdata(L, index)) {
		lua_pushvalue(L, index);
		push_audits(L);
		lua_insert(L, -2);
		lua_rawget(L, -2);
		a = lua_touserdata(L, -1);
		lua_pop(L, 2);
	}
	if (!a)
		luaL_typerror(L, index, "load");
	if (a && a->joined && !*a->joined)
		lua_usage(L, "a load of shards has no ledger before load:stop(), which brings the "
			     "shards' together: stop it before it is checked");
	return a;
}
