/* A load of shards in Lua: what workloads/bindings/lua_load.c does where there is a lead. */
#ifndef WORKLOADS_SHARDS_LUA_LEAD_H
#define WORKLOADS_SHARDS_LUA_LEAD_H

#include <lua.h>

#include "harness/run/runtime.h"
#include "workloads/shards/lead.h"

/* *out: NULL in a plan, which is told. o: of all shards together. */
int lua_lead_new(struct runtime *r, const struct load_opts *o, int64_t shards,
		 const char *rendezvous, struct lead **out, struct err *e);
int lua_lead_start(struct runtime *r, struct lead *lead, const char *name,
		   const struct sql_endpoint *ep, uint16_t cluster, struct err *e);
int lua_lead_rate(lua_State *L, struct lead *lead, double rate);
int lua_lead_interval(lua_State *L, struct lead *lead); /* pushes it */
/* *together: the shards' ledgers are in ledger_dir now, also where the stop raises an error */
int lua_lead_stop(lua_State *L, struct lead *lead, const char *ledger_dir, bool *together);
/* st->latency: filled too */
void lua_lead_seen(struct lead *lead, struct load_stats *st);
/* Pushes what a span of a load was, of shards or of one process; h: latency, queue, service. */
void lua_lead_push(lua_State *L, const struct load_stats *span, const struct hist *h,
		   double seconds, double tps);

#endif
