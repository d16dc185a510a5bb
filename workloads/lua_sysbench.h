/* The guide's own load instead of drtest's (--set load=sysbench): t:load of the same fields,
 * `sysbench oltp_write_only` behind it. It keeps no record of what was acknowledged: no ledger, no
 * model, and so no exact RPO; the checks that need them say that they can't tell. */
#ifndef WORKLOADS_LUA_SYSBENCH_H
#define WORKLOADS_LUA_SYSBENCH_H

#include <lua.h>
#include <stdint.h>

int lua_sysbench_open(lua_State *L); /* pushes t.load */

/* The transactions of all "[ 3s ] thds: 10 tps: 99.47 …" lines, a second each. */
uint64_t sysbench_count(const char *text);

#endif
