/* The metatables of `con` and `r`, that loads are written with. */
#ifndef WORKLOADS_LUA_CON_H
#define WORKLOADS_LUA_CON_H

#include <lua.h>

void lua_con_open(lua_State *L);

#endif
