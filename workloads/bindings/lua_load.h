/* t:load in scenarios: the load engine's binding; the checks find what they read of a load by
 * harness/bindings/audit.h. */
#ifndef WORKLOADS_BINDINGS_LUA_LOAD_H
#define WORKLOADS_BINDINGS_LUA_LOAD_H

#include <lua.h>

int lua_load_open(lua_State *L); /* pushes the function behind t:load */

#endif
