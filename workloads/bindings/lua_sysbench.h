/* The guide's own load instead of drtest's (--set load=sysbench): t:load of the same fields,
 * `sysbench oltp_write_only` behind it. It keeps no record of what was acknowledged: no ledger, no
 * model, and so no exact RPO; the checks that need them say that they can't tell. */
#ifndef WORKLOADS_BINDINGS_LUA_SYSBENCH_H
#define WORKLOADS_BINDINGS_LUA_SYSBENCH_H

#include <lua.h>
#include <stdint.h>

int lua_sysbench_open(lua_State *L); /* pushes t.load */

#endif
