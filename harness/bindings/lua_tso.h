/* TSOs in Lua: userdata, compared and printed exactly. */
#ifndef HARNESS_BINDINGS_LUA_TSO_H
#define HARNESS_BINDINGS_LUA_TSO_H

#include <lua.h>

#include "harness/base/tso.h"

void lua_tso_push(lua_State *L, tso_t ts);
tso_t lua_tso_check(lua_State *L, int index); /* raises for anything else */

#endif
