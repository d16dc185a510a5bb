/* A cluster's data, whole, into or out of a store: backup, restore, the replay of a redo log. */
#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/bindings.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_tools.h"
#include "harness/bindings/lua_tso.h"
#include "harness/run/lua_args.h"
#include "harness/run/routes.h"
#include "harness/run/runtime.h"

struct copying {
	struct runtime *r;
	const char *what;
};

static void backup_progress(void *arg, double share, uint64_t raw_bytes)
{
	const struct copying *c = arg;

	(void)raw_bytes;
	runtime_progress(c->r, c->what, share, 0);
}

/* cluster:backup(uri, { threads, rate_mb, snapshot, br }): what BACKUP returns */
int lua_cluster_backup(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_cluster *c = lua_cluster_alive(L, 1, "backup");
	const char *uri = luaL_checkstring(L, 2);
	struct backup_result b = { 0 };
	struct err e = ERR_INIT;
	int64_t threads = 0, ms = 3600000;
	struct copying watch = { r, "backup" };
	double rate = 120; /* the guide's RATE_LIMIT, MB per second */
	char at[24] = "";
	bool br = runtime_tools(r)->br; /* not drtest's own, nor SQL */

	lua_fields(L, 3, "backup",
		   (struct field[]){ { "threads", FIELD_WHOLE, &threads },
				     { "rate_mb", FIELD_NUMBER, &rate },
				     { "within", FIELD_DURATION_MS, &ms },
				     { "snapshot", FIELD_ANY, NULL },
				     { "br", FIELD_FLAG, &br },
				     { NULL, 0, NULL } });
	lua_cluster_allowed(L, c, ABLE_BACKUP);
	if (lua_istable(L, 3)) {
		lua_getfield(L, 3, "snapshot");
		if (!lua_isnil(L, -1)) {
			if (!runtime_on_tidb(r))
				lua_usage(L, "backup: only TiDB can read an earlier snapshot");
			snprintf(at, sizeof(at), "%" PRIu64, lua_tso_check(L, -1));
		}
		lua_pop(L, 1);
	}
	if (br) {
		if (!runtime_plan(r, "br backup full --pd <%s> --storage %s --ratelimit=%g",
				  c->name, uri, rate) &&
		    tools_backup(r, c, uri, (unsigned)rate, &b, &e) < 0)
			return lua_raise(L, &e);
	} else if (!lua_cluster_planned(r, ABLE_BACKUP,
					&(struct ground_plan){ .cluster = c->name,
							       .uri = uri,
							       .rate_mb = rate,
							       .snapshot = at })) {
		struct backup_opts o = { .threads = (unsigned)threads,
					 .rate_bytes_per_s = (uint64_t)(rate * 1e6),
					 .tidb_snapshot = *at ? at : NULL,
					 .deadline = deadline_in_ms(ms),
					 .progress = backup_progress,
					 .progress_arg = &watch };

		char *via = route_uri(r, "backup", uri);

		o.from.port = (unsigned)route_port(r, "backup", (int)cluster_endpoint(c->c)->port);
		int rc = cluster_backup(c->c, via, &o, &b, &e);

		free(via);
		if (rc < 0)
			return lua_raise(L, &e);
		runtime_progress(r, "backup", 1, b.rows);
		if (b.warnings[0])
			runtime_note(r, "backup of %s: %s", c->name, b.warnings);
	}
	lua_backup_push(L, &b, uri);
	lua_pushvalue(L, 1);
	lua_setfield(L, -2, "of");
	lua_pushboolean(L, br);
	lua_setfield(L, -2, "br");
	return 1;
}

/* cluster:restore(backup or uri, { threads }) */
int lua_cluster_restore(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "restore");
	struct backup_result b = { 0 };
	struct err e = ERR_INIT;
	int64_t threads = 0, ms = 3600000;
	const char *uri;

	bool br = runtime_tools(runtime_of(L))->br;

	if (lua_istable(L, 2)) { /* whoever wrote a backup reads it */
		lua_getfield(L, 2, "br");
		br = lua_toboolean(L, -1);
		lua_pop(L, 1);
		lua_getfield(L, 2, "uri");
		lua_replace(L, 2);
	}
	uri = luaL_checkstring(L, 2);
	lua_fields(L, 3, "restore",
		   (struct field[]){ { "threads", FIELD_WHOLE, &threads },
				     { "within", FIELD_DURATION_MS, &ms },
				     { NULL, 0, NULL } });
	lua_cluster_allowed(L, c, ABLE_RESTORE);
	if (br) {
		if (!runtime_plan(runtime_of(L), "br restore full --pd <%s> --storage %s", c->name,
				  uri) &&
		    tools_restore(runtime_of(L), c, uri, &b, &e) < 0)
			return lua_raise(L, &e);
	} else if (!lua_cluster_planned(runtime_of(L), ABLE_RESTORE,
					&(struct ground_plan){ .cluster = c->name, .uri = uri })) {
		struct copying watch = { runtime_of(L), "restore" };
		struct restore_opts o = { .threads = (unsigned)threads,
					  .deadline = deadline_in_ms(ms),
					  .progress = backup_progress,
					  .progress_arg = &watch };

		char *via = route_uri(runtime_of(L), "restore", uri);

		o.to.port = (unsigned)route_port(runtime_of(L), "restore",
						 (int)cluster_endpoint(c->c)->port);
		int rc = cluster_restore(c->c, via, &o, &b, &e);

		free(via);
		if (rc < 0)
			return lua_raise(L, &e);
		runtime_progress(runtime_of(L), "restore", 1, b.rows);
	}
	if (b.warnings[0])
		runtime_note(runtime_of(L), "restore on %s: %s", c->name, b.warnings);
	lua_backup_push(L, &b, uri);
	return 1;
}

static void push_replay(lua_State *L, const struct replay_stats *st)
{
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "rows", st->rows },         { "transactions", st->transactions },
		{ "ddls", st->ddls },         { "keys", st->keys },
		{ "puts", st->puts },         { "deletes", st->deletes },
		{ "fenced", st->fenced },     { "files", st->files },
		{ "bytes", st->bytes },       { "spilled_bytes", st->spilled_bytes },
		{ "warnings", st->warnings },
	};

	lua_newtable(L);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		lua_pushnumber(L, (lua_Number)numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
	lua_tso_push(L, st->point);
	lua_setfield(L, -2, "point");
	lua_tso_push(L, st->checkpoint_ts);
	lua_setfield(L, -2, "checkpoint_ts");
	lua_tso_push(L, st->resolved_ts);
	lua_setfield(L, -2, "resolved_ts");
	lua_pushnumber(L, (lua_Number)st->total_us / 1e6);
	lua_setfield(L, -2, "seconds");
}

struct replaying {
	struct runtime *r;
	double share;
};

/* Half of the work is reading, half is writing what came out of it; another part of the log after a
 * DDL must not seem a step back. */
static void replay_progress(void *arg, const struct replay_stats *st)
{
	struct replaying *p = arg;
	double read = st->files_total ? (double)st->files / (double)st->files_total : 0;
	double written = st->keys ? (double)(st->puts + st->deletes) / (double)st->keys : 0,
	       share = (read + written) / 2;

	p->share = share > 1 ? 1 : share > p->share ? share : p->share;
	runtime_progress(p->r, "replay", p->share, st->puts + st->deletes);
}

/* What the log could not vouch for belongs to the run's record: a row that no file has is not the
 * replay's fault. */
static void replay_warning(void *arg, const char *line)
{
	struct replaying *p = arg;

	runtime_note(p->r, "replay: %s", line);
}

/* cluster:apply_redo(uri, { workers, memory_mb, mode = "merge" | "txn", force, time_zone, until }):
 * the stats; .point is the TSO where the cluster stands */
int lua_cluster_apply_redo(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "apply_redo");
	const char *uri = luaL_checkstring(L, 2);
	struct replay_stats st = { 0 };
	struct replaying watch = { .r = runtime_of(L) };
	struct err e = ERR_INIT;
	int64_t workers = 0, memory = 32; /* MiB: keys beyond go to a file */
	const char *mode = "merge", *zone = NULL;
	bool force = false;
	bool stock = runtime_tools(watch.r)->replay_stock;
	tso_t until = 0;
	char *tmp;
	int rc;

	lua_cluster_allowed(L, c, ABLE_WRITE);
	lua_fields(L, 3, "apply_redo",
		   (struct field[]){ { "workers", FIELD_WHOLE, &workers },
				     { "memory_mb", FIELD_WHOLE, &memory },
				     { "mode", FIELD_TEXT, &mode },
				     { "force", FIELD_FLAG, &force },
				     { "time_zone", FIELD_TEXT, &zone },
				     { "stock", FIELD_FLAG, &stock },
				     { "until", FIELD_ANY, NULL },
				     { NULL, 0, NULL } });
	if (lua_istable(L, 3)) {
		lua_getfield(L, 3, "until");
		if (!lua_isnil(L, -1))
			until = lua_tso_check(L, -1);
		lua_pop(L, 1);
	}
	if (until && stock)
		lua_usage(L, "apply_redo: until: `cdc redo apply` cannot stop before resolvedTs");
	if (strcmp(mode, "merge") != 0 && strcmp(mode, "txn") != 0)
		lua_usage(L, "apply_redo: mode must be \"merge\" or \"txn\"");
	if (force && (stock || strcmp(mode, "txn") != 0))
		lua_usage(L,
			  "apply_redo: force replays tables without a key in order, which needs "
			  "%s",
			  stock ? "drtest's own replay" : "mode = \"txn\"");
	if (stock) {
		if (!runtime_plan(
			    watch.r,
			    "cdc redo apply --enable-profiling=false --tmp-dir <fresh> --storage %s --sink-uri mysql://root@%s",
			    uri, c->name) &&
		    tools_apply_redo(watch.r, c, uri, zone, &st, &e) < 0)
			return lua_raise(L, &e);
	} else if (!runtime_plan(runtime_of(L),
				 "drtest redo apply --storage %s --sink-uri mysql://root@%s   "
				 "# fence, merge, all deletes, then all puts",
				 uri, c->name)) {
		tmp = xstrfmt("%s/replay", runtime_data_dir(runtime_of(L)));
		struct replay_opts o = { .workers = (unsigned)workers,
					 .memory_bytes = (size_t)memory << 20,
					 .tmp_dir = tmp,
					 .mode = strcmp(mode, "txn") ? REPLAY_MERGE : REPLAY_TXN,
					 .force = force,
					 .time_zone = zone,
					 .until = until,
					 .progress = replay_progress,
					 .progress_arg = &watch,
					 .warn = replay_warning,
					 .report_arg = &watch };
		char *via = route_uri(watch.r, "replay", uri);

		o.sink.port =
			(unsigned)route_port(watch.r, "replay", (int)cluster_endpoint(c->c)->port);
		runtime_progress(watch.r, "replay", 0, 0);
		rc = cluster_apply_redo(c->c, via, &o, &st, &e);
		free(via);
		if (rc == 0)
			runtime_progress(watch.r, "replay", 1, st.rows);
		free(tmp);
		if (rc < 0)
			return lua_raise(L, &e);
	}
	push_replay(L, &st);
	lua_pushboolean(L, stock);
	lua_setfield(L, -2, "stock");
	return 1;
}
