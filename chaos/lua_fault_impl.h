/* What the files of the binding of faults share. A fault is made by arm() in lua_fault.c: its
 * targets and arguments are read by lua_fault_read.c, links are made by lua_link.c. Everything here
 * is the main thread's. */
#ifndef CHAOS_LUA_FAULT_IMPL_H
#define CHAOS_LUA_FAULT_IMPL_H

#include <lua.h>

#include "chaos/chaos.h"
#include "harness/cluster/cluster.h"
#include "harness/run/runtime.h"

#define LINK_METATABLE "drtest.link"
#define STRUCK_MAX 8

enum struck_kind { STRUCK_CLUSTER, STRUCK_FEED, STRUCK_STORE };
struct struck {
	enum struck_kind kind;
	void *object;
	enum cluster_part part;
	int which; /* of several: CLUSTER_EACH, CLUSTER_LEADER, or a number */
};
struct lua_fault {
	struct lua_fault *next;
	struct runtime *r;
	struct armed *armed; /* NULL in plan mode */
	struct struck struck[STRUCK_MAX];
	size_t n_struck;
	bool deadly, disaster, settled;
	char name[192];
};
struct lua_link {
	struct lua_link *next;
	struct netproxy *p; /* NULL in plan mode */
	char name[128];
	bool store;
};
struct faults { /* the run's; taken down as one: faults first, then links */
	struct runtime *r;
	struct chaos *chaos;
	struct lua_fault *all;
	struct lua_link *links;
};

/* The run's; made at the first call. */
struct faults *lua_faults_of(lua_State *L);
/* Is the value at index a userdata of that metatable? */
bool lua_is_a(lua_State *L, int index, const char *metatable);

/* The native link(party, target): its userdata. */
int lua_link_make(lua_State *L);
struct lua_link *lua_link_check(lua_State *L, int index);
void lua_link_metatable(lua_State *L);

/* The value at index, or each of its list, becomes a target of t, and what f has struck. */
void lua_fault_read_targets(lua_State *L, int index, const struct fault_ops *kind,
			    struct lua_fault *f, struct fault_target *t, enum cluster_part part,
			    int which);
void lua_fault_read_args(lua_State *L, int index, struct fault_args *a);
/* { at = seconds from now or nil, lasts = seconds, busy = feed, lag_over = ms, of = feed, split =
 * link, request = link, match, nth, after_bytes, later_us } Returns at, for people. */
double lua_fault_read_when(lua_State *L, int index, struct chaos_when *w);

#endif
