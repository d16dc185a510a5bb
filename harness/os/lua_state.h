/* A Lua state for somebody's file, in bounded memory: one `s = s .. s` in a loop of forty rounds
 * is a thousand times what the machine has, and no hook that counts instructions is called before.
 * Beyond the bound a script gets Lua's error "not enough memory". Close such a state with
 * lua_state_close() alone. */
#ifndef HARNESS_OS_LUA_STATE_H
#define HARNESS_OS_LUA_STATE_H

#include <lua.h>
#include <stddef.h>

#define LUA_STATE_NO_MEMORY "not enough memory" /* the error's text, LUA_ERRMEM */

lua_State *lua_state_new(size_t bytes_max); /* NULL: no memory for it; no library is open */
void lua_state_close(lua_State *L);         /* NULL is fine */

#endif
