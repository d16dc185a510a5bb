/* t:cluster and t:clusters: a cluster from its description. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/os/fs.h"
#include "harness/os/volume.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"
#include "harness/run/run.h"
#include "harness/run/runtime.h"

#define CLUSTERS_MAX 8

struct description {
	const char *name;
	int64_t port, disk_mb, skew_ms;
	struct cluster_size size;
};

static bool name_is_fine(const char *name)
{
	size_t n = strlen(name);

	if (n < 1 || n > 40)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
	       n;
}

static void read_description(lua_State *L, int index, struct description *d)
{
	const struct ground *g = runtime_ground(runtime_of(L));
	const char *clock = NULL;
	int64_t db = 1, pd = 1, kv = 1, ticdc = 1;

	lua_fields(L, index, "t:cluster",
		   (struct field[]){ { "name", FIELD_TEXT, &d->name },
				     { "port", FIELD_WHOLE, &d->port },
				     { "db", FIELD_WHOLE, &db },
				     { "pd", FIELD_WHOLE, &pd },
				     { "kv", FIELD_WHOLE, &kv },
				     { "ticdc", FIELD_WHOLE, &ticdc },
				     { "disk_mb", FIELD_WHOLE, &d->disk_mb },
				     { "clock", FIELD_TEXT, &clock },
				     { NULL, 0, NULL } });
	if (clock) {
		int64_t ms = *clock == '+' || *clock == '-' ? duration_parse_ms(clock + 1) : -1;

		if (ms < 1000)
			lua_usage(L,
				  "t:cluster: clock must be an offset such as \"+5m\" or \"-30s\", "
				  "not \"%s\"",
				  clock);
		d->skew_ms = *clock == '-' ? -ms : ms;
	}
	if ((clock && !ground_can(g, ABLE_OWN_CLOCK)) ||
	    (d->disk_mb && !ground_can(g, ABLE_OWN_DISK)))
		lua_usage(L,
			  "t:cluster: disk_mb and clock only work on the local ground, not on "
			  "%s",
			  g->name);
	if (db < 1 || db > 8 || pd < 1 || pd > 8 || kv < 1 || kv > 8 || ticdc > 8)
		lua_usage(L, "t:cluster: db, pd and kv must be 1 to 8, ticdc 0 to 8");
	if (!d->name || !name_is_fine(d->name))
		lua_usage(L, "t:cluster needs a name of letters, digits, - and _ (at most 40)");
	if (d->port > 65535)
		lua_usage(L, "t:cluster: port must be at most 65535");
	d->size = (struct cluster_size){
		.db = (unsigned)db, .pd = (unsigned)pd, .kv = (unsigned)kv, .ticdc = (unsigned)ticdc
	};
}

/* Pushes the new cluster's userdata, as the newest of its name; *again: there was one before. */
static struct lua_cluster *push_new(lua_State *L, const char *name, bool *again)
{
	struct lua_cluster *c, **earlier;

	lua_getfield(L, LUA_REGISTRYINDEX, "drtest.clusters");
	lua_getfield(L, -1, name);
	earlier = lua_touserdata(L, -1);
	*again = earlier != NULL;
	lua_pop(L, 2);
	if (earlier && (*earlier)->alive)
		lua_usage(L, "t:cluster: cluster %s already exists", name);
	c = lua_cluster_new(L, name);
	lua_getfield(L, LUA_REGISTRYINDEX, "drtest.clusters");
	lua_pushvalue(L, -2);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
	return c;
}

/* Says what the start would do; true: that is all, this is a plan. */
static bool plan_start(lua_State *L, const struct description *d)
{
	struct runtime *r = runtime_of(L);
	const struct ground *g = runtime_ground(r);
	struct err e = ERR_INIT;

	if (g->knows && g->knows(d->name, &e) < 0)
		lua_raise(L, &e);
	return lua_cluster_planned(r, ABLE_RESTART,
				   &(struct ground_plan){ .cluster = d->name,
							  .size = &d->size,
							  .version = runtime_tidb_version(r),
							  .port = (int)d->port });
}

/* A file system of its own for the data, of disk_mb. */
static int give_disk(struct lua_cluster *c, const char *dir, int64_t disk_mb, struct err *e)
{
	if (fs_mkdir_p(dir, 0755, e) < 0 || volume_mount(dir, disk_mb << 20, e) < 0)
		return err_wrap(e, "%s", c->name);
	snprintf(c->disk, sizeof(c->disk), "%s", dir);
	return 0;
}

/* Reads one description at index and makes the cluster; its userdata is pushed. */
static struct lua_cluster *make_one(lua_State *L, int index)
{
	struct runtime *r = runtime_of(L);
	struct description d = { 0 };
	struct lua_cluster *c;
	struct err e = ERR_INIT;
	char *dir, *logs;
	bool again;

	read_description(L, index, &d);
	c = push_new(L, d.name, &again);
	if (plan_start(L, &d))
		return c;
	dir = xstrfmt("%s/%s", runtime_data_dir(r), d.name);
	/* the dead one's data stays as it is: it is evidence */
	for (unsigned k = 2; again && fs_exists(dir); k++) {
		free(dir);
		dir = xstrfmt("%s/%s-%u", runtime_data_dir(r), d.name, k);
	}
	logs = xstrfmt("%s/logs", runtime_dir(r));
	c->c = cluster_new(&(struct cluster_opts){ .ground = runtime_ground(r),
						   .name = d.name,
						   .dir = dir,
						   .log_dir = logs,
						   .port = (int)d.port,
						   .keep = runtime_keeps(r),
						   .version = runtime_tidb_version(r),
						   .new_ticdc = runtime_tools(r)->new_ticdc,
						   .clock_skew_s = d.skew_ms / 1000,
						   .size = d.size },
			   &e);
	if (c->c && d.disk_mb && give_disk(c, dir, d.disk_mb, &e) < 0) {
		cluster_free(c->c);
		c->c = NULL;
	}
	free(dir);
	free(logs);
	if (!c->c)
		lua_raise(L, &e);
	return c;
}

/* clusters{…}, {…}: started side by side. */
int lua_cluster_make(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_cluster *made[CLUSTERS_MAX];
	int n = lua_gettop(L);
	struct err e = ERR_INIT;

	if (n < 1 || n > CLUSTERS_MAX)
		lua_usage(L, "t:clusters needs 1 to %d descriptions", CLUSTERS_MAX);
	for (int i = 0; i < n; i++)
		made[i] = make_one(L, i + 1);
	if (runtime_planning(r))
		return n;
	for (int i = 0; i < n; i++)
		if (cluster_start_begin(made[i]->c, &e) < 0)
			return lua_raise(L, &e);
	for (int i = 0; i < n; i++) {
		if (cluster_start_wait(made[i]->c, deadline_in_ms(cluster_start_ms(made[i]->c)),
				       &e) < 0)
			return lua_raise(L, &e);
		made[i]->pid =
			cluster_server(made[i]->c) ? proc_pid(cluster_server(made[i]->c)) : 0;
		owned_expect(r, made[i], true);
		runtime_version(r, made[i]->name, cluster_version(made[i]->c));
		if (*cluster_stands_in(made[i]->c))
			runtime_stands_in(r, cluster_stands_in(made[i]->c));
	}
	return n;
}
