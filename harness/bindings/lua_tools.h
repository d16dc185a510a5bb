/* The guide's own tools (--set replay=stock and so on), as the bindings use them. Each notes once
 * in the run what is then not known. */
#ifndef HARNESS_BINDINGS_LUA_TOOLS_H
#define HARNESS_BINDINGS_LUA_TOOLS_H

#include "harness/bindings/lua_cluster.h"
#include "harness/compare/compare.h"
#include "harness/run/run.h"
#include "harness/run/runtime.h"

int tools_apply_redo(struct runtime *r, struct lua_cluster *c, const char *uri,
		     const char *time_zone, struct replay_stats *st, struct err *e);
int tools_backup(struct runtime *r, struct lua_cluster *c, const char *uri, unsigned rate_mb,
		 struct backup_result *b, struct err *e);
int tools_restore(struct runtime *r, struct lua_cluster *c, const char *uri,
		  struct backup_result *b, struct err *e);
/* TiDB's log backup (harness/tidb/log_backup.h); flush_ms: how often TiKV flushes it. */
int tools_log_backup(struct runtime *r, struct lua_cluster *c, const char *uri, unsigned flush_ms,
		     struct err *e);
int tools_log_checkpoint(struct runtime *r, struct lua_cluster *c, tso_t *ts, struct err *e);
int tools_restore_point(struct runtime *r, struct lua_cluster *c, const char *full_uri,
			const char *log_uri, tso_t until, tso_t *point, struct backup_result *b,
			struct err *e);
/* What cluster:backup() and :restore() return. */
void lua_backup_push(lua_State *L, const struct backup_result *b, const char *uri);
/* o: endpoints and snapshots alone count. */
int tools_compare(struct runtime *r, const struct compare_opts *o, struct compare_result *res,
		  struct err *e);

#endif
