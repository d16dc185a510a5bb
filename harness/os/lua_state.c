#include "harness/os/lua_state.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "harness/base/xalloc.h"

struct bound {
	lua_Alloc alloc; /* LuaJIT's own */
	void *own;
	size_t used, max;
};

static void *alloc_within(void *arg, void *p, size_t was, size_t n)
{
	struct bound *b = arg;
	void *got;

	if (n > was && n - was > b->max - b->used)
		return NULL;
	got = b->alloc(b->own, p, was, n);
	if (got || !n)
		b->used = b->used + n - was;
	return got;
}

lua_State *lua_state_new(size_t bytes_max)
{
	lua_State *L = luaL_newstate();
	struct bound *b;

	if (!L)
		return NULL;
	b = xcalloc(1, sizeof(*b));
	b->alloc = lua_getallocf(L, &b->own);
	b->used = (size_t)lua_gc(L, LUA_GCCOUNT, 0) << 10;
	b->max = bytes_max > b->used ? bytes_max : b->used;
	lua_setallocf(L, alloc_within, b);
	return L;
}

void lua_state_close(lua_State *L)
{
	struct bound *b;
	void *arg;

	if (!L)
		return;
	lua_getallocf(L, &arg);
	b = arg;
	/* LuaJIT gives its memory back as a whole only where its own allocator is set */
	lua_setallocf(L, b->alloc, b->own);
	lua_close(L);
	free(b);
}
