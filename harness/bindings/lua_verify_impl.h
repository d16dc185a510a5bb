/* What the files of t.verify share: lua_verify.c has the checks of living clusters, lua_forensic.c
 * that of a dead one's disk. */
#ifndef HARNESS_BINDINGS_LUA_VERIFY_IMPL_H
#define HARNESS_BINDINGS_LUA_VERIFY_IMPL_H

#include "harness/bindings/audit.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/cluster/forensic.h"
#include "harness/compare/compare.h"
#include "harness/run/runtime.h"
#include "harness/verify/evidence.h"

#define SQL_THREADS 4

struct held {
	struct cluster_hold *hold;
	const struct lua_cluster *of;
	/* whose ledger is marked too: for checks; NULL: for the forensic check */
	const struct run_audit *load;
	struct ledger_mark *mark;
};

/* The start of a result table; e: the check broke (NULL: it did not). */
void lua_verify_push(lua_State *L, enum verdict v, const char *evidence, json_t *findings,
		     int64_t start_ns, const struct err *e);
/* Into the result on top: what was checked, over how much (< 0: not counted), what it would have
 * caught. */
void lua_verify_about(lua_State *L, enum evidence_class class, double rows, double tables,
		      double transactions);
struct held *lua_verify_held(lua_State *L, int index);

/* forensic(load, dead, secondary, …): see lua_forensic.c */
int lua_verify_forensic(lua_State *L);

#endif
