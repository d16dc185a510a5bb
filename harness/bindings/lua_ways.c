/* What ways back are made of, as methods of a cluster: when a statement was committed, the binary
 * log up to a point, one transaction reversed, a table as it was. */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "harness/bindings/bindings.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_tso.h"
#include "harness/binlog/point_in_time.h"
#include "harness/compare/syncpoint.h"
#include "harness/run/lua_args.h"
#include "harness/sql/table_copy.h"

#define COMMIT_MS 60000
#define LONG_MS 3600000

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
		strbuf_addf(
			missing,
			"%s: binary logs are the local ground's; on %s stale reads and FLASHBACK serve",
			thing, ground->name);
		return 0;
	}
	if (strcmp(thing, "time_travel") != 0)
		return -1;
	if (ground_can(ground, ABLE_TIME_TRAVEL))
		return 1;
	strbuf_addf(
		missing,
		"time_travel: the %s ground's servers can't be read in the past; there a backup and the binary log serve",
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
		lua_usage(L, "t:unsupported: there is no '%s'", thing);
	return rc == 0 ? 1 : 0;
}

static void able(lua_State *L, const char *thing)
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
	able(L, "roll_forward");
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

/* cluster:log_backup(): its binary logs are streamed elsewhere from now on */
int lua_cluster_log_backup(lua_State *L)
{
	struct lua_cluster *c = lua_cluster_alive(L, 1, "log_backup");
	struct err e = ERR_INIT;

	lua_cluster_allowed(L, c, ABLE_BACKUP);
	able(L, "roll_forward");
	if (!runtime_plan(
		    runtime_of(L),
		    "mariadb-binlog --read-from-remote-server --raw --stop-never of %s, elsewhere",
		    c->name) &&
	    cluster_log_backup(c->c, deadline_in_ms(COMMIT_MS), &e) < 0)
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
	able(L, "flashback");
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
			     "tidb_cdc.syncpoint_v1 holds no TSOs: '%.24s', '%.24s'", p.primary_ts,
			     p.secondary_ts) < 0)) {
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
		able(L, "time_travel");
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
