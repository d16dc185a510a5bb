/* The harness in Lua: stores, clusters and changefeeds, checks, redo logs, TSOs. Each pushes one
 * value, a field of `native` in harness/run/scenario.lua; what a binding offers to others is in its
 * own header. Who makes a scenario's state lists them (struct runtime_module); without "cluster",
 * "verify", "redo" and "tso" scenario.lua does not load. */
#ifndef HARNESS_BINDINGS_BINDINGS_H
#define HARNESS_BINDINGS_BINDINGS_H

#include "harness/run/runtime.h"

/* clang-format off */
#define BINDINGS_OF_HARNESS \
	{ "store", lua_store_open, NULL }, \
	{ "cluster", lua_cluster_open, lua_ground_needs }, \
	{ "verify", lua_verify_open, NULL }, \
	{ "redo", lua_redo_open, NULL }, \
	{ "tso", lua_tso_open, NULL }, \
	{ "drill", lua_drill_open, NULL }
/* clang-format on */

int lua_store_open(lua_State *L);
int lua_cluster_open(lua_State *L);
/* "pair": one that runs already; and what lua_ways_needs() knows */
int lua_ground_needs(const char *thing, const struct ground *ground, struct strbuf *missing);
/* "roll_forward", "flashback", "time_travel", "log_backup", "restore_point", "flashback_cluster",
 * "bdr": as runtime_module's needs */
int lua_ways_needs(const char *thing, const struct ground *ground, struct strbuf *missing);
int lua_verify_open(lua_State *L);
int lua_redo_open(lua_State *L);
int lua_tso_open(lua_State *L);
/* what drills share: the chunk of scenarios/lib/drill.lua, require "drtest.drill" */
int lua_drill_open(lua_State *L);

#endif
