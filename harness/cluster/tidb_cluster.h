/* A TiDB cluster with its PD and TiCDC: what the grounds playground and attach share. The functions
 * implement those of struct cluster_ops, with the statements and requests of TiDB's
 * disaster-recovery guide. Times ending in _ns are CLOCK_MONOTONIC; 0: never. */
#ifndef HARNESS_CLUSTER_TIDB_CLUSTER_H
#define HARNESS_CLUSTER_TIDB_CLUSTER_H

#include "harness/cluster/cluster_impl.h"
#include "harness/cluster/undo.h"
#include "harness/tidb/ticdc.h"
#include "harness/tidb/tidb.h"

/* prefix of the user that drtest creates for TiCDC on the sink; each run appends its own digits */
#define TIDB_CLUSTER_SINK_USER "drtest_cdc_"

/* One changefeed of the cluster's TiCDC. */
struct tidb_feed {
	/* notes that remove the changefeed and TiCDC's user if drtest is killed (undo.h) */
	struct undo *feed_noted, *user_noted;
	/* redo_uri: as TiCDC uses it, with credentials; "": no redo log */
	char feed_id[128], redo_uri[2048];
	/* the sink with TiCDC's user; with the owner's user; with that at the address that TiCDC
	 * uses (a proxy) */
	struct sql_endpoint sink, sink_admin, sink_seen;
	bool feed_made; /* created by this run */
	/* its creation failed, and what there may be of it could not be removed */
	bool feed_stays;
	/* somebody else's: it ran before this run, and is never paused or removed */
	bool feed_found;
	bool sink_made; /* sink_user was created on the sink */
	struct feed_status last;
	int64_t created_ns, asked_ns, asked_meta_ns;
	int64_t away_ns;     /* when TiCDC last had no owner */
	int64_t answered_ns; /* TiCDC's latest response about the changefeed */
	tso_t log_resolved;  /* from the redo log's meta; 0: not known */
	/* the latest values, and when they last changed */
	tso_t seen_checkpoint, seen_resolved;
	int64_t checkpoint_moved_ns, resolved_moved_ns, looked_ns, retrying_ns;
	bool failed; /* it reported an error, and its checkpoint has not advanced since */
	/* "checkpoint and redo log have not moved for 12 s though …"; "": they advance */
	char still[900];
};
struct tidb_cluster {
	char pd[300], ticdc[300], status[300];               /* "http://127.0.0.1:2379"; "": none */
	char ca[512], cert[512], key[512], server_name[256]; /* of PD, TiCDC and the status port */
	unsigned version[3];
	char version_text[64]; /* "v8.5.7" */
	/* the command for `cdc`, if TiCDC has no API v2: "tiup", "cdc:v5.4.0", NULL */
	const char *cdc[4];
	bool v2;           /* TiCDC has the open API v2 */
	unsigned captures; /* TiCDC's servers when last checked */
	/* the note that turns garbage collection on again; NULL: it is on */
	struct undo *gc_noted;
	struct tidb_brie_begins brie_begins; /* of the BACKUP or RESTORE that is to run */
	struct undo *fill_noted;             /* attach: the note of a restore that is in progress */
	/* attach: this run started the cluster, restored into it, so it may destroy that */
	bool started_here, filled_here;
	/* drtest created the cluster and will remove it: it has nobody else's users or data */
	bool disposable;
	char sink_user[129]; /* TiCDC's user on its sinks; "": not chosen yet */
	/* the changefeeds that read this cluster, by struct cluster's slots */
	struct tidb_feed feed[CLUSTER_FEEDS_MAX];
};

/* Waits until SQL works and the server is TiDB, its status port reports the same version, PD is
 * healthy, and TiCDC (if there is one) has a capture. alive: called between attempts; -1 with *e
 * ends the wait; NULL: none. */
int tidb_cluster_ready(struct cluster *c, struct tidb_cluster *t,
		       int (*alive)(struct cluster *c, struct err *e), struct deadline d,
		       struct err *e);

struct http_tls tidb_cluster_tls(const struct tidb_cluster *t); /* points into t */
struct ticdc tidb_cluster_api(const struct tidb_cluster *t);
/* 0: TiCDC responds and has a capture; sets t->v2. */
int tidb_cluster_look_at_ticdc(struct tidb_cluster *t, struct deadline d, struct err *e);
/* ERR_ENV if there are objects under the prefix: a replay takes the newest meta under it, of any
 * changefeed, and BACKUP refuses a prefix that is not empty. */
int tidb_cluster_prefix_is_fresh(const char *uri, const char *what, struct err *e);
void tidb_cluster_explain(struct cluster *c, struct err *e);
int tidb_cluster_set_gc(struct cluster *c, bool on, struct err *e);
int tidb_cluster_backup(struct cluster *c, const char *uri, const struct backup_opts *o,
			struct backup_result *r, struct err *e);
int tidb_cluster_restore(struct cluster *c, const char *uri, const struct restore_opts *o,
			 struct backup_result *r, struct err *e);
/* After a RESTORE (by SQL or br): removes what must not be copied to another cluster, names it in
 * r->warnings, and notes from which TSO on the tables exist. */
int tidb_cluster_restored(struct cluster *c, struct backup_result *r, struct err *e);
/* Creates the changefeed. If this run created one with that id before and TiCDC still has it, it is
 * used again and continues from its checkpoint. */
int tidb_cluster_changefeed(struct cluster *c, unsigned slot, const struct changefeed_opts *o,
			    struct err *e);
/* 1: TiCDC has one with that id that this run did not make; 0: it has none. */
int tidb_cluster_has_changefeed(struct cluster *c, const char *id, struct err *e);
int tidb_cluster_find_changefeed(struct cluster *c, struct cluster *sink, const char *id,
				 const char *redo_uri, struct err *e);
/* st->error: why TiCDC retries, or why nothing advances. Returns an error when the changefeed has
 * failed or stopped, or TiCDC has retried for three minutes. */
int tidb_cluster_feed_status(struct cluster *c, unsigned slot, struct feed_status *st,
			     struct err *e);
int tidb_cluster_changefeed_stop(struct cluster *c, unsigned slot, struct deadline d,
				 struct err *e);
/* The user that this run creates for TiCDC on the sink; NULL: the sink's owner has created one. */
const char *tidb_cluster_sink_user(struct tidb_cluster *t, const struct cluster *sink);
/* Drops that user from a sink that stays. */
void tidb_cluster_drop_sink_user(struct tidb_cluster *t, struct tidb_feed *w);
/* Ends what a dead TiCDC still executes on this cluster, its sink. */
int tidb_cluster_fence(struct cluster *c, struct err *e);
const char *tidb_cluster_pd(const struct cluster *c);
int tidb_cluster_now(struct cluster *c, tso_t *ts, struct err *e);

/* struct ground's plan, except for starting and removing a cluster */
void tidb_cluster_plan(enum ability v, const struct ground_plan *p, struct strbuf *out);

#endif
