/* What the grounds with real TiDB (playground, attach) share: one cluster's SQL, PD and TiCDC, used
 * as the guide does. The verbs are those of struct cluster_ops. */
#ifndef HARNESS_CLUSTER_TIDB_CLUSTER_H
#define HARNESS_CLUSTER_TIDB_CLUSTER_H

#include "harness/cluster/cluster_impl.h"
#include "harness/cluster/undo.h"
#include "harness/tidb/ticdc.h"
#include "harness/tidb/tidb.h"

/* TiCDC's user, where drtest makes it: with digits of its own for each run */
#define TIDB_CLUSTER_SINK_USER "drtest_cdc_"

/* one changefeed of a cluster's TiCDC */
struct tidb_feed {
	/* the changefeed and TiCDC's user are made, for the case that drtest is killed */
	struct undo *feed_noted, *user_noted;
	/* redo_uri: as TiCDC reaches it, with the keys; "": no redo log */
	char feed_id[128], redo_uri[2048];
	/* as TiCDC's user; as the clusters' owner, and the same as TiCDC reaches it (a proxy) */
	struct sql_endpoint sink, sink_admin, sink_seen;
	bool feed_made; /* by this run, under feed_id */
	/* it ran before us, and goes on after us: never paused, never removed */
	bool feed_found;
	bool sink_made; /* sink_user was made there */
	struct feed_status last;
	int64_t created_ns, asked_ns, asked_meta_ns;
	int64_t away_ns;     /* when TiCDC had no owner last */
	int64_t answered_ns; /* when TiCDC last said how its changefeed is; 0: never */
	tso_t log_resolved;  /* by the redo log's meta; 0: not told */
	/* what moved when; all CLOCK_MONOTONIC */
	tso_t seen_checkpoint, seen_resolved;
	int64_t checkpoint_moved_ns, resolved_moved_ns, looked_ns, retrying_ns;
	bool failed; /* it reported an error, and its checkpoint has not moved since */
	/* "checkpoint and redo log have not moved for 12 s though …"; "": they move */
	char still[900];
};
struct tidb_cluster {
	char pd[300], ticdc[300], status[300];               /* "http://127.0.0.1:2379"; "": none */
	char ca[512], cert[512], key[512], server_name[256]; /* of PD, TiCDC and the status port */
	unsigned version[3];
	char version_text[64]; /* "v8.5.7" */
	/* how `cdc` is run for what has no API v2: "tiup", "cdc:v5.4.0", NULL */
	const char *cdc[4];
	bool v2;           /* TiCDC has the open API v2 */
	unsigned captures; /* servers of TiCDC, at the last look */
	/* garbage collection is off, for the time being; NULL: it is not */
	struct undo *gc_noted;
	struct undo *fill_noted; /* attach: while something is restored into it */
	/* attach: this run started it, restored into it: it may destroy it */
	bool started_here, filled_here;
	/* drtest made it, and takes it down: nobody else's users or data are there */
	bool disposable;
	char sink_user[129]; /* TiCDC's on each of its sinks; "": not drawn yet */
	/* the changefeeds that read this cluster, by struct cluster's slots */
	struct tidb_feed feed[CLUSTER_FEEDS_MAX];
};

/* SQL answers and is TiDB's, its status port agrees, PD is healthy, TiCDC (where there is one) has
 * a capture. Tried until the deadline; alive: NULL, or asked between the tries: -1 with *e ends the
 * wait. */
int tidb_cluster_ready(struct cluster *c, struct tidb_cluster *t,
		       int (*alive)(struct cluster *c, struct err *e), struct deadline d,
		       struct err *e);

struct http_tls tidb_cluster_tls(const struct tidb_cluster *t); /* points into t */
struct ticdc tidb_cluster_api(const struct tidb_cluster *t);
/* it answers, and has a capture */
int tidb_cluster_look_at_ticdc(struct tidb_cluster *t, struct deadline d, struct err *e);
/* Whoever replays a redo prefix takes the newest meta under it whatever its changefeed, and BACKUP
 * refuses a used one: ERR_ENV when objects are there. */
int tidb_cluster_prefix_is_fresh(const char *uri, const char *what, struct err *e);
void tidb_cluster_explain(struct cluster *c, struct err *e);
int tidb_cluster_set_gc(struct cluster *c, bool on, struct err *e);
int tidb_cluster_backup(struct cluster *c, const char *uri, const struct backup_opts *o,
			struct backup_result *r, struct err *e);
int tidb_cluster_restore(struct cluster *c, const char *uri, const struct restore_opts *o,
			 struct backup_result *r, struct err *e);
/* After a RESTORE, by SQL or by br: what it brought along and has no business there is removed, and
 * told in r->warnings; from when on its tables are there is noted. */
int tidb_cluster_restored(struct cluster *c, struct backup_result *r, struct err *e);
/* Made; or, where this run made one of that id before and TiCDC still has it, taken up again: it
 * goes on from its checkpoint. */
int tidb_cluster_changefeed(struct cluster *c, unsigned slot, const struct changefeed_opts *o,
			    struct err *e);
int tidb_cluster_find_changefeed(struct cluster *c, struct cluster *sink, const char *id,
				 const char *redo_uri, struct err *e);
/* st->error: what TiCDC says while it tries again, or that nothing moves, and why. An error: it is
 * over (failed, stopped), or has been tried again for three minutes. */
int tidb_cluster_feed_status(struct cluster *c, unsigned slot, struct feed_status *st,
			     struct err *e);
int tidb_cluster_changefeed_stop(struct cluster *c, unsigned slot, struct deadline d,
				 struct err *e);
/* The name of TiCDC's user of this run; NULL: the sink has an account for it. */
const char *tidb_cluster_sink_user(struct tidb_cluster *t, const struct cluster *sink);
/* on clusters that are not ours: what the changefeed needed there */
void tidb_cluster_drop_sink_user(struct tidb_cluster *t, struct tidb_feed *w);
/* What a dead TiCDC left running on this cluster, its sink: gone on return. */
int tidb_cluster_fence(struct cluster *c, struct err *e);
const char *tidb_cluster_pd(const struct cluster *c);
int tidb_cluster_now(struct cluster *c, tso_t *ts, struct err *e);

/* struct ground's plan, but for the start and the end of a cluster */
void tidb_cluster_plan(enum ability v, const struct ground_plan *p, struct strbuf *out);

#endif
