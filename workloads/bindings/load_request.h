/* What a scenario's t:load { … } asks for: the load's options, and whether it runs in shards.
 * An unknown or unfit field raises a Lua error that names it. */
#ifndef WORKLOADS_BINDINGS_LOAD_REQUEST_H
#define WORKLOADS_BINDINGS_LOAD_REQUEST_H

#include <lua.h>

#include "harness/run/runtime.h"
#include "workloads/load.h"

#define LOAD_SETS_MAX 64

struct load_request {
	struct load_opts o; /* its texts are the Lua table's: valid while that is on the stack */
	int64_t shards;     /* processes; 1: the run itself */
	const char *rendezvous; /* NULL: the shards are started here */
	char *set[LOAD_SETS_MAX +
		  1]; /* the load file's own options, name=value; o.set points here */
	size_t n_set;
};

/* Reads the table at stack index 1; values that the request points to stay on the stack. Removes
 * the load file's own options from the table. */
void load_request_read(lua_State *L, struct runtime *r, struct load_request *q);
void load_request_release(struct load_request *q);
bool load_request_sharded(const struct load_request *q);

#endif
