/* A replay as a separate process that a fault can kill: `drtest redo apply`. */
#ifndef CHAOS_LUA_CHILD_H
#define CHAOS_LUA_CHILD_H

#include <lua.h>

#include "harness/os/proc.h"

#define CHILD_METATABLE "drtest.child"

struct lua_child {
	struct proc *proc; /* NULL in plan mode */
	char name[96], log_path[512];
};
struct lua_child *lua_child_check(lua_State *L, int index);
/* cluster:start_replay(uri, { workers, memory_mb }): its userdata. */
int lua_child_replay(lua_State *L);
void lua_child_open(lua_State *L); /* pushes the table of its methods */

#endif
