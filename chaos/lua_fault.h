/* Faults in Lua: t:fault, t:link, t:schedule, t:heal. */
#ifndef CHAOS_LUA_FAULT_H
#define CHAOS_LUA_FAULT_H

#include <lua.h>

#include "harness/cluster/ground.h"

int lua_fault_open(lua_State *L);
/* For struct runtime_module: the names of faults, "link" and "clock". */
int lua_fault_needs(const char *thing, const struct ground *ground, struct strbuf *missing);

#endif
