/* A jansson value as an opaque userdata: what a check found goes through Lua untouched. */
#ifndef HARNESS_RUN_LUA_JSON_H
#define HARNESS_RUN_LUA_JSON_H

#include <jansson.h>
#include <lua.h>

void lua_json_open(lua_State *L);                /* once a state; pushes nothing */
void lua_json_push(lua_State *L, json_t *j);     /* taken over */
json_t *lua_json_check(lua_State *L, int index); /* borrowed */

#endif
