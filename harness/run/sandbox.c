#include "harness/run/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "harness/base/nearest.h"
#include "harness/base/strbuf.h"
#include "harness/os/fs.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

static void open_lib(lua_State *L, const char *name, lua_CFunction f)
{
	lua_pushcfunction(L, f);
	lua_pushstring(L, name);
	lua_call(L, 1, 0);
}

/* Bytecode is checked by nobody: source alone is taken. */
int sandbox_load(lua_State *L, const char *text, size_t n, const char *name)
{
	if (n && text[0] == LUA_SIGNATURE[0]) {
		lua_pushnil(L);
		lua_pushfstring(L, "%s: must be Lua source, not bytecode", name);
		return -1;
	}
	if (luaL_loadbuffer(L, text, n, name) == 0)
		return 0;
	lua_pushnil(L);
	lua_insert(L, -2);
	return -1;
}

/* load(text[, name]) and loadstring: a function; or nil and why */
static int load_text(lua_State *L)
{
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);

	return sandbox_load(L, text, n, luaL_optstring(L, 2, text)) == 0 ? 1 : 2;
}

/* The name is none of package.loaded's: pushes what was probably meant. */
static int no_module(lua_State *L, const char *name)
{
	const char *known[16], *meant;
	size_t n = 0;

	lua_getglobal(L, "package");
	lua_getfield(L, -1, "loaded");
	lua_pushnil(L);
	while (n < sizeof(known) / sizeof(known[0]) && lua_next(L, -2)) {
		if (lua_type(L, -2) == LUA_TSTRING && !strncmp(lua_tostring(L, -2), "drtest.", 7))
			known[n++] = lua_tostring(L, -2); /* stays alive in the table */
		lua_pop(L, 1);
	}
	meant = nearest(name, known, n);
	if (meant)
		lua_pushfstring(L, "\n\tdid you mean '%s'?", meant);
	else
		lua_pushliteral(L, "\n\tdrtest has no such module (docs/SCENARIOS.md)");
	return 1;
}

/* The one searcher of require: NAME.lua beside the scenario. Its folder is the upvalue. */
static int search_beside(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	struct strbuf source = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc;

	if (!strncmp(name, "drtest.", 7))
		return no_module(L, name);
	if (!*name ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
		    strlen(name)) {
		lua_pushfstring(L, "\n\ta file next to the scenario cannot have the name '%s'",
				name);
		return 1;
	}
	lua_pushfstring(L, "%s/%s.lua", lua_tostring(L, lua_upvalueindex(1)), name);
	if (!fs_exists(lua_tostring(L, -1)) ||
	    fs_read_file(lua_tostring(L, -1), FILE_BYTES_MAX, &source, &e) < 0) {
		strbuf_release(&source);
		lua_pushfstring(L, "\n\tno file '%s'", lua_tostring(L, -1));
		return 1;
	}
	strbuf_drop_bom(&source);
	lua_pushfstring(L, "@%s", lua_tostring(L, -1));
	rc = sandbox_load(L, source.buf, source.len, lua_tostring(L, -1));
	strbuf_release(&source);
	return rc == 0 ? 1 : luaL_error(L, "%s", lua_tostring(L, -1));
}

static int no_os_function(lua_State *L)
{
	return luaL_error(L, "there is no os.%s: a script has os.time, date, clock and getenv",
			  lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
}

void sandbox_open(lua_State *L, const char *path, int compile)
{
	static const char *const removed[] = { "dofile", "loadfile", "newproxy" };
	static const char *const os_kept[] = { "time", "date", "clock", "getenv" };

	open_lib(L, "", luaopen_base);
	open_lib(L, LUA_LOADLIBNAME, luaopen_package);
	open_lib(L, LUA_TABLIBNAME, luaopen_table);
	open_lib(L, LUA_STRLIBNAME, luaopen_string);
	open_lib(L, LUA_MATHLIBNAME, luaopen_math);
	open_lib(L, LUA_BITLIBNAME, luaopen_bit);
	open_lib(L, LUA_OSLIBNAME, luaopen_os);
	if (compile) {
		/* starts the compiler; the library is for nobody */
		open_lib(L, LUA_JITLIBNAME, luaopen_jit);
		lua_pushnil(L);
		lua_setglobal(L, LUA_JITLIBNAME);
	}
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++) {
		lua_pushnil(L);
		lua_setglobal(L, removed[i]);
	}
	lua_getglobal(L, "os");
	lua_newtable(L);
	for (size_t i = 0; i < sizeof(os_kept) / sizeof(os_kept[0]); i++) {
		lua_getfield(L, -2, os_kept[i]);
		lua_setfield(L, -2, os_kept[i]);
	}
	lua_newtable(L);
	lua_pushcfunction(L, no_os_function);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	lua_setglobal(L, "os");
	lua_pop(L, 1);
	lua_pushcfunction(L, load_text);
	lua_pushvalue(L, -1);
	lua_setglobal(L, "load");
	lua_setglobal(L, "loadstring");
	lua_getglobal(L, "string");
	lua_pushnil(L);
	lua_setfield(L, -2, "dump");
	lua_pop(L, 1);
	/* require "name": a file beside the scenario, and nothing else: no C library, nothing that
	 * LuaJIT keeps ready */
	lua_getglobal(L, "package");
	const char *slash = strrchr(path, '/');
	static const char *const ways_out[] = { "loadlib", "seeall", "path",
						"cpath",   "config", "preload" };

	for (size_t i = 0; i < sizeof(ways_out) / sizeof(ways_out[0]); i++) {
		lua_pushnil(L);
		lua_setfield(L, -2, ways_out[i]);
	}
	lua_getfield(L, -1, "loaders"); /* require keeps this very table */
	for (int i = (int)lua_objlen(L, -1); i > 0; i--) {
		lua_pushnil(L);
		lua_rawseti(L, -2, i);
	}
	if (slash)
		lua_pushlstring(L, path, slash > path ? (size_t)(slash - path) : 1);
	else
		lua_pushliteral(L, ".");
	lua_pushcclosure(L, search_beside, 1);
	lua_rawseti(L, -2, 1);
	lua_pop(L, 1);
	/* package.loaded has a name for each library that was opened, also of what was taken away
	 */
	static const char *const hidden[] = { LUA_JITLIBNAME, "jit.opt", "jit.util",
					      "jit.profile" };

	lua_getfield(L, -1, "loaded");
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		lua_pushnil(L);
		lua_setfield(L, -2, hidden[i]);
	}
	lua_getglobal(L, "os");
	lua_setfield(L, -2, LUA_OSLIBNAME);
	lua_pop(L, 2);
}
