/* The store in Lua; what other bindings need of it. */
#ifndef HARNESS_BINDINGS_LUA_STORE_H
#define HARNESS_BINDINGS_LUA_STORE_H

#include <lua.h>
#include <stdbool.h>

#include "harness/net/minio.h"

#define STORE_BUCKETS_MAX 16

struct lua_store {
	struct minio *minio; /* NULL: directories, or plan mode */
	char *log_path;
	char user[65], password[129];
	const char *remote; /* attach: the clusters file's store, a URI; NULL: ours */
	int port;           /* 0: directories */
	char *bucket[STORE_BUCKETS_MAX];
	size_t n_buckets;
	_Atomic int pid; /* the sampler's; 0: it does not run */
};
struct lua_store *lua_store_check(lua_State *L, int index);
void lua_store_down(struct lua_store *s); /* it was killed: the sampler forgets it */

#endif
