/* Clusters and changefeeds as objects in Lua, for the other bindings. The run owns them: Lua only
 * holds pointers, and they are freed at the end of the run (harness/run/owned.h). A wrong call
 * raises a Lua error, so these functions do not return then. */
#ifndef HARNESS_BINDINGS_LUA_CLUSTER_H
#define HARNESS_BINDINGS_LUA_CLUSTER_H

#include <lua.h>

#include "harness/cluster/ground.h"

struct runtime;

struct lua_feed;
struct lua_cluster {
	struct cluster *c; /* NULL in plan mode */
	char name[64];
	/* its number in the ledger: each time it starts to serve it gets a higher one */
	unsigned number;
	bool served;
	bool alive; /* it was not killed or stopped */
	/* a fault acts on it: its death, and lost connections of its clients, are expected */
	_Atomic bool doomed;
	bool struck;           /* the scenario killed, stopped or paused it: see runtime_fault() */
	char disk[512];        /* its volume; "": none */
	pid_t pid;             /* of its server, for the sampler */
	const char *writer;    /* the load that writes to it now, or NULL */
	struct lua_feed *feed; /* the changefeed that reads it, or NULL */
};
/* A new, living cluster, owned by the run; pushes its userdata. */
struct lua_cluster *lua_cluster_new(lua_State *L, const char *name);
struct lua_cluster *lua_cluster_check(lua_State *L, int index);
/* The same; raises if it was killed or stopped. */
struct lua_cluster *lua_cluster_alive(lua_State *L, int index, const char *what);

/* Raises when the clusters file of the attach ground does not allow it. */
void lua_cluster_allowed(lua_State *L, const struct lua_cluster *c, enum ability v);

/* Raises, in plan mode too, if the ground can't do it, so that this is found before the run. what:
 * "pause a cluster". */
void lua_cluster_able(lua_State *L, const struct lua_cluster *c, enum ability v, const char *what);
/* In plan mode: prints what the ground would do, and returns true. */
bool lua_cluster_planned(struct runtime *r, enum ability v, const struct ground_plan *p);
/* "tikv", "tikv-1", "pd-leader", "ticdc-owner"; raises for anything else. which: CLUSTER_EACH,
 * CLUSTER_LEADER, or its number. */
int lua_cluster_part(lua_State *L, const char *text, enum cluster_part *part, int *which);
/* Methods in files of their own. */
int lua_cluster_make(lua_State *L); /* make({…}, {…}): clusters that start at the same time */
int lua_cluster_backup(lua_State *L);
int lua_cluster_restore(lua_State *L);
int lua_cluster_apply_redo(lua_State *L);
int lua_cluster_kill_part(lua_State *L); /* kill(cluster, part) */
void lua_ground_natives(lua_State *L);   /* adds live, on_tidb, can_link, … to the table on top */
/* disaster(cluster, feed or nil, within_ms, offset_us, interrupt): returns whether the sink was
 * writing at that moment */
int lua_cluster_disaster(lua_State *L);

/* Ways back (lua_ways.c): cluster:commit(text), :roll_forward { of, from, until }, :flashback { of,
 * at }, :copy_table { from, table, as, at }; unsupported(thing): why this ground can't do
 * it, or nil. */
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

/* Adds a method to clusters, for a binding that is built on this one; after lua_cluster_open(). */
void lua_cluster_method(lua_State *L, const char *name, lua_CFunction f);

struct lua_feed {
	struct runtime *run;
	bool told;                         /* its trouble was reported, which is done once */
	struct lua_cluster *source, *sink; /* sink: for messages */
	char id[128];
	char status_path[512], process[140]; /* for the sampler, as is pid */
	pid_t pid;
	unsigned number; /* cluster_feed_number() of the source */
	bool running;
	struct feed_left_out *left; /* from its latest status */
	unsigned n_left;
	char not_carried[600]; /* the same */
};
/* Tables that the changefeeds between two clusters, in either direction, do not replicate. */
#define LUA_LEFT_OUT_MAX (2 * FEED_LEFT_OUT_MAX)
struct lua_left_out {
	char *patterns[LUA_LEFT_OUT_MAX + 1]; /* for compare_opts.ignore */
	size_t n;
	/* "2 tables are not replicated: d.t (why), ..; nor are: trigger d.x"; "": all are */
	struct strbuf words;
};
void lua_left_out(struct runtime *r, const struct lua_cluster *a, const struct lua_cluster *b,
		  struct lua_left_out *out);
/* appends the words to the evidence */
void lua_left_out_add(struct lua_left_out *to, char *evidence, size_t size);
void lua_left_out_release(struct lua_left_out *l);
struct lua_feed *lua_feed_push(lua_State *L, struct lua_cluster *source, struct lua_cluster *sink,
			       const char *id);
struct lua_feed *lua_feed_check(lua_State *L, int index);
/* The changefeeds that read this cluster are killed with it: call these before and after the kill.
 */
void lua_feeds_doomed(struct runtime *r, const struct lua_cluster *source);
void lua_feeds_dead(struct runtime *r, const struct lua_cluster *source);
void lua_feed_metatable(lua_State *L);

#endif
