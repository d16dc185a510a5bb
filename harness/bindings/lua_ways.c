/* What ways back are made of, as methods of a cluster: when a statement was committed, the binary
 * log up to a point, one transaction reversed, a table as it was. */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "harness/bindings/bindings.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_tools.h"
#include "harness/bindings/lua_tso.h"
#include "harness/binlog/point_in_time.h"
#include "harness/compare/syncpoint.h"
#include "harness/run/lua_args.h"
#include "harness/cluster/table_copy.h"
#include "harness/tidb/log_backup.h"

#define COMMIT_MS 60000
#define LONG_MS 3600000
#define FLASHBACK_MS 900000

/* cluster:commit(text): rows changed, and the TSO of the commit */
int lua_cluster_commit(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "commit");
	struct err e = ERR_INIT;
	int64_t rows = 0;
	tso_t ts = 0;
	size_t n;
	const char *text = luaL_checklstring(L, 2, &n);

	lua_cluster_allowed(L, c, ABLE_WRITE);
	if (!runtime_plan(runtime_of(L), "%s: %s   # and the TSO of its commit", c->name, text) &&
	    cluster_commit(c->c, text, n, deadline_in_ms(COMMIT_MS), &rows, &ts, &e) < 0)
		return lua_raise(L, &e);
	lua_pushnumber(L, (lua_Number)rows);
	lua_tso_push(L, ts);
	return 2;
}

int lua_ways_needs(const char *thing, const struct ground *ground, struct strbuf *missing)
{
	bool binlog = ground->here && !ground->tidb;

	if (!strcmp(thing, "roll_forward") || !strcmp(thing, "flashback") ||
	    !strcmp(thing, "take_back") /* its name of before */) {
		if (binlog)
			return pit_needs(missing) < 0 ? 0 : 1;
		strbuf_addf(missing,
			    "%s: only the local ground has binary logs; on %s, use stale reads and "
			    "FLASHBACK",
			    thing, ground->name);
		return 0;
	}
	if (!strcmp(thing, "bdr")) {
		if (!ground->clusters_stay)
			return 1;
		strbuf_addf(missing,
			    "bdr: the roles and the changefeed of your own clusters (%s) belong to "
			    "their operator; use local or playground, where drtest creates a pair",
			    ground->name);
		return 0;
	}
	if (!strcmp(thing, "log_backup")) {
		if (binlog)
			return pit_needs(missing) < 0 ? 0 : 1;
		/* TiDB has one task a cluster: on clusters that stay it is their operator's */
		if (!ground->clusters_stay)
			return 1;
		strbuf_addf(missing,
			    "log_backup: on your own clusters, `br log start` belongs to their "
			    "operator, because a cluster can have only one task (%s)",
			    ground->name);
		return 0;
	}
	if (!strcmp(thing, "flashback_cluster") || !strcmp(thing, "restore_point")) {
		if (ground->tidb)
			return 1;
		strbuf_addf(
			missing, "%s: %s", thing,
			!strcmp(thing, "flashback_cluster")
				? "MariaDB cannot go back in place; use a backup and the binary "
				  "log"
				: "this is `br restore point`; on MariaDB, use restore and "
				  "roll_forward");
		return 0;
	}
	if (strcmp(thing, "time_travel") != 0)
		return -1;
	if (ground_can(ground, ABLE_TIME_TRAVEL))
		return 1;
	strbuf_addf(missing,
		    "time_travel: the %s ground cannot read old versions of data; use a backup and "
		    "the binary log",
		    ground->name);
	return 0;
}

/* unsupported(thing): why this ground can't, or nil */
int lua_cluster_unsupported(lua_State *L)
{
	const char *thing = luaL_checkstring(L, 1);
	struct strbuf missing = STRBUF_INIT;
	int rc = lua_ways_needs(thing, runtime_ground(runtime_of(L)), &missing);

	lua_pushstring(L, missing.buf);
	strbuf_release(&missing);
	if (rc < 0)
		lua_usage(L, "t:unsupported: unknown '%s'", thing);
	return rc == 0 ? 1 : 0;
}

static void check_able(lua_State *L, const char *thing)
{
	struct strbuf missing = STRBUF_INIT;
	struct err e = ERR_INIT;

	if (lua_ways_needs(thing, runtime_ground(runtime_of(L)), &missing) == 0)
		err_set(&e, ERR_UNSUPPORTED, 0, "%s", missing.buf);
	strbuf_release(&missing);
	if (e.kind != ERR_NONE)
		lua_raise(L, &e);
}

static tso_t tso_field(lua_State *L, const char *what, const char *name)
{
	tso_t ts;

	lua_getfield(L, 2, name);
	if (lua_isnil(L, -1))
		lua_usage(L, "%s needs %s = a TSO", what, name);
	ts = lua_tso_check(L, -1);
	lua_pop(L, 1);
	return ts;
}

/* a killed one's disk is there all the same */
static struct lua_cluster *cluster_field(lua_State *L, const char *what, const char *name)
{
	struct lua_cluster *c;

	lua_getfield(L, 2, name);
	if (lua_isnil(L, -1))
		lua_usage(L, "%s needs %s = a cluster", what, name);
	c = lua_cluster_check(L, -1);
	lua_pop(L, 1);
	return c;
}

/* cluster:roll_forward { of = primary, from = backup.ts, until = TSO or archived = true }: how many
 * transactions, and where it stands */
int lua_cluster_roll_forward(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "roll_forward"), *of;
	struct runtime *r = runtime_of(L);
	struct err e = ERR_INIT;
	tso_t from, until;
	bool archived = false;
	uint64_t n = 0;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_fields(L, 2, "roll_forward",
		   (struct field[]){ { "of", FIELD_ANY, NULL },
				     { "from", FIELD_ANY, NULL },
				     { "until", FIELD_ANY, NULL },
				     { "archived", FIELD_FLAG, &archived },
				     { NULL, 0, NULL } });
	of = cluster_field(L, "roll_forward", "of");
	from = tso_field(L, "roll_forward", "from");
	until = archived ? 0 : tso_field(L, "roll_forward", "until");
	lua_cluster_allowed(L, c, ABLE_WRITE);
	check_able(L, "roll_forward");
	if (!runtime_plan(
		    r,
		    "mariadb-binlog --start-position=<BackupTS> --stop-position=<the point> the binary logs of %s | mariadb, on %s",
		    of->name, c->name) &&
	    cluster_roll_forward(c->c, of->c, from, &until, deadline_in_ms(LONG_MS), &n, &e) < 0)
		return lua_raise(L, &e);
	lua_pushnumber(L, (lua_Number)n);
	lua_tso_push(L, until);
	return 2;
}

/* cluster:log_backup(uri or nil, { flush }): what it commits is streamed elsewhere from now on;
 * local: its binary logs, to a directory; TiDB: by br, to uri */
int lua_cluster_log_backup(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "log_backup");
	struct runtime *r = runtime_of(L);
	struct err e = ERR_INIT;
	const char *uri = luaL_optstring(L, 2, "");
	int64_t flush = 0;
	int rc;

	lua_fields(L, 3, "log_backup",
		   (struct field[]){ { "flush", FIELD_DURATION_MS, &flush }, { NULL, 0, NULL } });
	lua_cluster_allowed(L, c, ABLE_BACKUP);
	check_able(L, "log_backup");
	if (flush && flush < LOG_BACKUP_FLUSH_MS_MIN)
		lua_usage(L, "log_backup: TiKV requires a flush of at least \"11s\"");
	if (runtime_on_tidb(r) && !*uri)
		lua_usage(L, "log_backup needs the URI of a prefix in a store");
	if (runtime_on_tidb(r)
		    ? runtime_plan(r, "br log start --task-name=drtest --pd <%s> --storage %s",
				   c->name, uri)
		    : runtime_plan(
			      r,
			      "mariadb-binlog --read-from-remote-server --raw --stop-never of %s, elsewhere",
			      c->name))
		return 0;
	rc = runtime_on_tidb(r) ? tools_log_backup(r, c, uri, (unsigned)flush, &e)
				: cluster_log_backup(c->c, deadline_in_ms(COMMIT_MS), &e);
	return rc < 0 ? lua_raise(L, &e) : 0;
}

/* cluster:log_checkpoint(): up to which TSO its log backup could be restored now */
int lua_cluster_log_checkpoint(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "log_checkpoint");
	struct err e = ERR_INIT;
	tso_t ts = 0;

	check_able(L, "restore_point");
	if (!runtime_plan(runtime_of(L), "br log status --json --pd <%s>", c->name) &&
	    tools_log_checkpoint(runtime_of(L), c, &ts, &e) < 0)
		return lua_raise(L, &e);
	lua_tso_push(L, ts);
	return 1;
}

/* cluster:restore_point { full = backup or URI, log = URI, until = TSO }: where it stands, seconds
 */
int lua_cluster_restore_point(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "restore_point");
	struct runtime *r = runtime_of(L);
	struct backup_result b = { 0 };
	struct err e = ERR_INIT;
	const char *full, *log = NULL;
	tso_t until = 0, point = 0;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_fields(L, 2, "restore_point",
		   (struct field[]){ { "full", FIELD_ANY, NULL },
				     { "log", FIELD_TEXT, &log },
				     { "until", FIELD_ANY, NULL },
				     { NULL, 0, NULL } });
	lua_getfield(L, 2, "full");
	if (lua_istable(L, -1))
		lua_getfield(L, -1, "uri");
	full = lua_tostring(L, -1); /* stays on the stack */
	if (!full || !log)
		lua_usage(L, "restore_point { full = a backup, log = a log backup's URI }");
	lua_getfield(L, 2, "until");
	if (!lua_isnil(L, -1))
		until = lua_tso_check(L, -1);
	lua_pop(L, 1);
	lua_cluster_allowed(L, c, ABLE_RESTORE);
	check_able(L, "restore_point");
	if (!runtime_plan(r, "br restore point --pd <%s> --full-backup-storage %s --storage %s%s",
			  c->name, full, log, until ? " --restored-ts <the point>" : "") &&
	    tools_restore_point(r, c, full, log, until, &point, &b, &e) < 0)
		return lua_raise(L, &e);
	if (b.warnings[0])
		runtime_note(r, "restore on %s: %s", c->name, b.warnings);
	lua_tso_push(L, point);
	lua_pushnumber(L, (lua_Number)b.execution_us / 1e6);
	return 2;
}

/* cluster:flashback_cluster(TSO): all of it as it was then */
int lua_cluster_flashback_cluster(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "flashback_cluster");
	struct err e = ERR_INIT;
	tso_t ts = lua_tso_check(L, 2);

	lua_cluster_allowed(L, c, ABLE_OVERWRITE);
	check_able(L, "flashback_cluster");
	if (!runtime_plan(runtime_of(L), "%s: FLASHBACK CLUSTER TO TSO <the point>", c->name) &&
	    cluster_flashback_cluster(c->c, ts, deadline_in_ms(FLASHBACK_MS), &e) < 0)
		return lua_raise(L, &e);
	return 0;
}

/* cluster:flashback { of = primary, at = TSO } */
int lua_cluster_flashback(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "flashback"), *of;
	struct err e = ERR_INIT;
	tso_t at;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_fields(L, 2, "flashback",
		   (struct field[]){ { "of", FIELD_ANY, NULL },
				     { "at", FIELD_ANY, NULL },
				     { NULL, 0, NULL } });
	of = cluster_field(L, "flashback", "of");
	at = tso_field(L, "flashback", "at");
	lua_cluster_allowed(L, c, ABLE_WRITE);
	check_able(L, "flashback");
	if (!runtime_plan(
		    runtime_of(L),
		    "mariadb-binlog --flashback of that one transaction of %s | mariadb, on %s",
		    of->name, c->name) &&
	    cluster_flashback(c->c, of->c, at, deadline_in_ms(LONG_MS), &e) < 0)
		return lua_raise(L, &e);
	return 0;
}

/* cluster:syncpoint(feed or its id): the newest pair that this secondary holds of it, { primary,
 * secondary } */
int lua_cluster_syncpoint(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "syncpoint");
	struct syncpoint p = { "0", "0" };
	struct err e = ERR_INIT;
	const char *id =
		lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : lua_feed_check(L, 2)->id;
	tso_t primary = 0, secondary = 0;

	if (!runtime_plan(runtime_of(L), "%s: the newest pair of %s in tidb_cdc.syncpoint_v1",
			  c->name, id)) {
		if (syncpoint_newest(cluster_endpoint(c->c), id, &p, &e) < 0 ||
		    ((!tso_parse(p.primary_ts, &primary) ||
		      !tso_parse(p.secondary_ts, &secondary)) &&
		     err_set(&e, ERR_BAD_DATA, 0,
			     "tidb_cdc.syncpoint_v1 has invalid TSOs: '%.24s', '%.24s'",
			     p.primary_ts, p.secondary_ts) < 0)) {
			err_wrap(&e, "%s", c->name);
			return lua_raise(L, &e);
		}
	}
	lua_newtable(L);
	lua_tso_push(L, primary);
	lua_setfield(L, -2, "primary");
	lua_tso_push(L, secondary);
	lua_setfield(L, -2, "secondary");
	return 1;
}

/* "db.table" into its two parts */
static void split(lua_State *L, const char *what, const char *text, char db[65], char table[65])
{
	const char *dot = text ? strchr(text, '.') : NULL;

	if (!dot || dot == text || !dot[1] || dot - text > 64 || strlen(dot + 1) > 64)
		lua_usage(L, "copy_table: %s = \"db.table\"", what);
	snprintf(db, 65, "%.*s", (int)(dot - text), text);
	snprintf(table, 65, "%s", dot + 1);
}

/* cluster:copy_table { from = cluster, table = "db.t", as = "db.t2", at = TSO (TiDB) }: rows */
int lua_cluster_copy_table(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "copy_table"), *from;
	struct runtime *r = runtime_of(L);
	const char *table = NULL, *as = NULL;
	char db[65], name[65], to_db[65], to_name[65], at[24] = "";
	struct table_copy o = { db, name, to_db, to_name, NULL };
	struct sql *a = NULL, *b = NULL;
	struct err e = ERR_INIT;
	uint64_t rows = 0;
	int rc = -1;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_fields(L, 2, "copy_table",
		   (struct field[]){ { "from", FIELD_ANY, NULL },
				     { "table", FIELD_TEXT, &table },
				     { "as", FIELD_TEXT, &as },
				     { "at", FIELD_ANY, NULL },
				     { NULL, 0, NULL } });
	from = cluster_field(L, "copy_table", "from");
	split(L, "table", table, db, name);
	split(L, "as", as, to_db, to_name);
	lua_getfield(L, 2, "at");
	if (!lua_isnil(L, -1)) {
		check_able(L, "time_travel");
		snprintf(at, sizeof(at), "%llu", (unsigned long long)lua_tso_check(L, -1));
		o.snapshot = at;
	}
	lua_cluster_allowed(L, c, ABLE_WRITE);
	if (runtime_plan(r, "%s: %s as it %s on %s, into %s", c->name, table,
			 o.snapshot ? "was at that TSO (tidb_snapshot)" : "is", from->name, as)) {
		lua_pushnumber(L, 0);
		return 1;
	}
	a = sql_open(cluster_endpoint(from->c), deadline_in_ms(COMMIT_MS), &e);
	b = a ? sql_open(cluster_endpoint(c->c), deadline_in_ms(COMMIT_MS), &e) : NULL;
	if (b)
		rc = table_copy(a, b, &o, &rows, &e);
	sql_close(a);
	sql_close(b);
	if (rc < 0) {
		err_wrap(&e, "copy_table from %s to %s", from->name, c->name);
		return lua_raise(L, &e);
	}
	lua_pushnumber(L, (lua_Number)rows);
	return 1;
}
