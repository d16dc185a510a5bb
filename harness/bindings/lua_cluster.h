/* Clusters and changefeeds in Lua; what other bindings need of them. */
#ifndef HARNESS_BINDINGS_LUA_CLUSTER_H
#define HARNESS_BINDINGS_LUA_CLUSTER_H

#include <lua.h>

#include "harness/cluster/ground.h"

struct runtime;

struct lua_feed;
struct lua_cluster {
	struct cluster *c; /* NULL in plan mode */
	char name[64];
	/* the ledger's: of the last time that it served; later times have higher numbers */
	unsigned number;
	bool served;
	bool alive; /* it was not killed or stopped */
	/* a fault strikes it: its end, and what that does to its clients, is no surprise */
	_Atomic bool doomed;
	bool struck;        /* killed, stopped or paused by the scenario: runtime_fault() knows */
	char disk[512];     /* its volume; "" none */
	pid_t pid;          /* of its server: the sampler's */
	const char *writer; /* the load that writes to it now, or NULL */
	struct lua_feed *feed; /* the changefeed that reads it, or NULL */
};
/* Owned by the run, and alive; its userdata is pushed. */
struct lua_cluster *lua_cluster_new(lua_State *L, const char *name);
struct lua_cluster *lua_cluster_check(lua_State *L, int index);
/* The same for one that has to answer: a killed one is a wrong call. */
struct lua_cluster *lua_cluster_alive(lua_State *L, int index, const char *what);

/* Raises when the clusters file of the attach ground does not allow it. */
void lua_cluster_allowed(lua_State *L, const struct lua_cluster *c, enum ability v);

/* Raises, in plan mode too, when the ground can't: said before the run, never found out in its
 * middle. what: "pause a cluster". */
void lua_cluster_able(lua_State *L, const struct lua_cluster *c, enum ability v, const char *what);
/* In plan mode: the ground's own words of what the verb would do, and true. */
bool lua_cluster_planned(struct runtime *r, enum ability v, const struct ground_plan *p);
/* "tikv", "tikv-1", "pd-leader", "ticdc-owner"; raises for anything else. which: CLUSTER_EACH,
 * CLUSTER_LEADER, or its number. */
int lua_cluster_part(lua_State *L, const char *text, enum cluster_part *part, int *which);
/* Verbs that are files of their own. */
int lua_cluster_make(lua_State *L); /* make({…}, {…}): clusters, started side by side */
int lua_cluster_backup(lua_State *L);
int lua_cluster_restore(lua_State *L);
int lua_cluster_apply_redo(lua_State *L);
int lua_cluster_kill_part(lua_State *L); /* kill(cluster, part) */
void lua_ground_natives(lua_State *L); /* into the table at the top: live, on_tidb, can_link, … */
/* disaster(cluster, feed or nil, within_ms, offset_us, interrupt): was the sink busy? */
int lua_cluster_disaster(lua_State *L);

/* Ways back (lua_ways.c): cluster:commit(text), :roll_forward { of, from, until }, :flashback { of,
 * at }, :copy_table { from, table, as, at }; unsupported(thing): why this ground can't, or nil. */
int lua_cluster_commit(lua_State *L);
int lua_cluster_roll_forward(lua_State *L);
int lua_cluster_log_backup(lua_State *L);
int lua_cluster_log_checkpoint(lua_State *L);
int lua_cluster_restore_point(lua_State *L);     /* :restore_point { full, log, until } */
int lua_cluster_flashback_cluster(lua_State *L); /* :flashback_cluster(ts) */
int lua_cluster_syncpoint(lua_State *L);         /* cluster:syncpoint(feed or its id) */
int lua_cluster_flashback(lua_State *L);
int lua_cluster_copy_table(lua_State *L);
int lua_cluster_unsupported(lua_State *L);

/* One more method of clusters, from a binding above. After lua_cluster_open(). */
void lua_cluster_method(lua_State *L, const char *name, lua_CFunction f);

struct lua_feed {
	struct runtime *run;
	bool told;                         /* of the trouble that it has: once */
	struct lua_cluster *source, *sink; /* sink: for words */
	char id[128];
	char status_path[512], process[140]; /* the sampler's; so is pid */
	pid_t pid;
	unsigned number; /* the source's: cluster_feed_number() */
	bool running;
	struct feed_left_out *left; /* as its status said last */
	unsigned n_left;
	char not_carried[600]; /* the same */
};
/* What the changefeeds between two clusters, in either direction, do not replicate. */
#define LUA_LEFT_OUT_MAX (2 * FEED_LEFT_OUT_MAX)
struct lua_left_out {
	char *patterns[LUA_LEFT_OUT_MAX + 1]; /* for compare_opts.ignore */
	size_t n;
	/* "2 tables are not replicated: d.t (why), ..; nor are: trigger d.x"; "": nothing */
	struct strbuf words;
};
void lua_left_out(struct runtime *r, const struct lua_cluster *a, const struct lua_cluster *b,
		  struct lua_left_out *out);
/* the words, behind the evidence */
void lua_left_out_add(struct lua_left_out *to, char *evidence, size_t size);
void lua_left_out_release(struct lua_left_out *l);
struct lua_feed *lua_feed_push(lua_State *L, struct lua_cluster *source, struct lua_cluster *sink,
			       const char *id);
struct lua_feed *lua_feed_check(lua_State *L, int index);
/* Those that read this cluster are killed with it, on purpose: before the kill, and after it. */
void lua_feeds_doomed(struct runtime *r, const struct lua_cluster *source);
void lua_feeds_dead(struct runtime *r, const struct lua_cluster *source);
void lua_feed_metatable(lua_State *L);

#endif
