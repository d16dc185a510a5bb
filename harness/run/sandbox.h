/* The environment of a user's Lua file: the language, its text, table and number libraries,
 * os.time, date, clock and getenv, and `require` of files beside it. No file but those, no process,
 * no C library, no bytecode (which nobody checks). That keeps mistakes out, not malice: the file is
 * code that its user trusts. */
#ifndef HARNESS_RUN_SANDBOX_H
#define HARNESS_RUN_SANDBOX_H

#include <lua.h>
#include <stddef.h>

/* Into a fresh state. path: the file; require looks beside it. compile: loops are compiled; no
 * count hook is called in them then. May raise. */
void sandbox_open(lua_State *L, const char *path, int compile);
/* Pushes the function; or nil and why, and is -1. */
int sandbox_load(lua_State *L, const char *text, size_t n, const char *name);

#endif
