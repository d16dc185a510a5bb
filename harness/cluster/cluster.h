/* One database cluster, however it is provided: a const table of verbs (NULL is "can't"). The
 * handle owns its processes and its directory. Use a handle from one thread. cluster_can() is asked
 * before a run, not found out in step 4. */
#ifndef HARNESS_CLUSTER_CLUSTER_H
#define HARNESS_CLUSTER_CLUSTER_H

#include <stdbool.h>

#include "harness/backup/backup.h"
#include "harness/net/http.h"
#include "harness/feed/feed.h"
#include "harness/replay/replay.h"

/* CLUSTER_FEED: the changefeed's process, TiCDC. CLUSTER_SERVER: mariadbd, tidb-server. */
enum cluster_part { CLUSTER_ALL, CLUSTER_FEED, CLUSTER_SERVER, CLUSTER_PD, CLUSTER_STORAGE };
enum ability {
	ABLE_KILL = 1,
	ABLE_BACKUP,
	ABLE_RESTORE,
	ABLE_CHANGEFEED,
	ABLE_GC,
	ABLE_TIME_TRAVEL,
	ABLE_RESTART,
	ABLE_EXAMINE,
	ABLE_WRITE,     /* load, replay, plain SQL */
	ABLE_OVERWRITE, /* all of it becomes something else, in place */
	/* SIGSTOP; its changefeed or SQL server alone; PD or TiKV alone */
	ABLE_PAUSE,
	ABLE_KILL_PART,
	ABLE_KILL_COMPONENT,
	ABLE_LINK, /* its clients can be led through a proxy of ours: it is on this machine */
	/* faults strike its processes; its data has a disk of its own; its clock can be off */
	ABLE_STRIKE,
	ABLE_OWN_DISK,
	ABLE_OWN_CLOCK,
};
#define CLUSTER_EACH (-1)   /* which of a part's processes: all of them */
#define CLUSTER_LEADER (-2) /* PD's leader, TiCDC's owner; else the first */

struct ground;        /* ground.h */
struct cluster_size { /* TiDB's components; 0 in `ticdc`: no changefeed can read it */
	unsigned db, pd, kv, ticdc;
};
struct cluster_opts {
	const struct ground *ground;
	const char *name; /* "primary" */
	/* of its own, absolute, short (socket paths); made here, removed by cluster_free unless
	 * keep */
	const char *dir;
	const char *log_dir;    /* RUN/logs */
	const char *drtest_exe; /* to start `drtest feed`; NULL: /proc/self/exe */
	int port;               /* wanted; 0: any */
	bool keep;
	struct cluster_size size; /* all 0: one of each */
	/* TiDB's, "v8.5.7"; NULL: the newest that is cached, else the newest */
	const char *version;
	bool new_ticdc; /* playground: TiCDC's new architecture */
	/* local: its server's clock is off by so much (libfaketime); 0: right */
	int64_t clock_skew_s;
};
char *local_faketime(void); /* libfaketime, where it is installed; NULL. The caller frees */
struct changefeed_opts {
	const char *id;
	struct cluster *sink;
	tso_t start_ts;
	const char *redo_uri;       /* "" none */
	unsigned flush_ms, meta_ms; /* 0: TiCDC's */
	unsigned syncpoint_ms;      /* TiCDC: between two syncpoints; 0: none */
	bool bdr; /* both sides are written to: what a changefeed brought is not carried back */
	bool force_replicate;            /* tables without a key too */
	unsigned source_port, sink_port; /* of proxies between; 0: the servers' own */
};

struct cluster;
struct cluster *cluster_new(const struct cluster_opts *o, struct err *e);
/* Two phases, so that several clusters start side by side: begin spawns, wait returns when SQL
 * answers (a real query), or fails with the log's last lines. */
int cluster_start_begin(struct cluster *c, struct err *e);
int cluster_start_wait(struct cluster *c, struct deadline d, struct err *e);
void cluster_free(struct cluster *c); /* stops what still runs; NULL is fine */

bool cluster_can(const struct cluster *c, enum ability v);
const char *cluster_name(const struct cluster *c);
const struct sql_endpoint *cluster_endpoint(const struct cluster *c);
const char *cluster_version(struct cluster *c); /* of the server */
/* local: positions to TSOs; stays readable after the kill. Still the cluster's */
struct tso_map *cluster_tso_map(struct cluster *c);
struct proc *cluster_server(struct cluster *c); /* local: mariadbd */

/* local: keeps or purges binary logs. On is as it was found: garbage collection that its operator
 * had switched off stays off. cluster_free puts back what it found. */
int cluster_set_gc(struct cluster *c, bool on, struct err *e);
/* o: threads, rate, deadline; may be NULL */
int cluster_backup(struct cluster *c, const char *uri, const struct backup_opts *o,
		   struct backup_result *r, struct err *e);
/* Around a restore by a tool, whose failure may leave a half: may it be filled, and is it empty?
 * Then it counts as filled by this run; what has come into it is noted. cluster_restore does both
 * itself. */
int cluster_fill(struct cluster *c, struct err *e);
void cluster_filled(struct cluster *c);
/* What is to be done after a restore: cluster_restore does it itself, after a tool's it is asked
 * for. r->warnings tells. */
int cluster_restored(struct cluster *c, struct backup_result *r, struct err *e);
int cluster_restore(struct cluster *c, const char *uri, const struct restore_opts *o,
		    struct backup_result *r, struct err *e);
/* The changefeed is killed with its source cluster. 0: it runs, its redo log is being written. */
int cluster_changefeed(struct cluster *c, const struct changefeed_opts *o, struct err *e);
/* A changefeed that runs already, made by others: followed, never paused or removed. redo_uri: its
 * log, "" none. */
int cluster_changefeed_find(struct cluster *c, struct cluster *sink, const char *id,
			    const char *redo_uri, struct err *e);
bool cluster_feeds(const struct cluster *c); /* a changefeed reads it */
/* Changefeeds are numbered as they are made, and several may read one cluster, each to a secondary
 * of its own; all die with it. cluster_feed() is the first one's. */
#define CLUSTER_FEEDS_MAX 8
unsigned cluster_feed_number(const struct cluster *c); /* the newest one's */
bool cluster_feed_runs(const struct cluster *c, unsigned number);
/* TiCDC's: sequence numbers are the TSOs themselves, sink_busy says that the redo log is ahead of
 * the checkpoint. A failed or stopped one is an error with its own words. */
int cluster_feed_status_of(struct cluster *c, unsigned number, struct feed_status *st,
			   struct err *e);
/* of its process, 0: none of ours; the file that its status is in (feed/status.h), for other
 * threads, "": none */
pid_t cluster_feed_pid(struct cluster *c, unsigned number);
void cluster_feed_status_file(struct cluster *c, unsigned number, char *out, size_t size);
/* orderly; the handle is freed */
int cluster_feed_stop(struct cluster *c, unsigned number, struct deadline d, struct err *e);
/* local: the process, still the cluster's; else NULL */
struct feed *cluster_feed(struct cluster *c);
/* o->sink is filled in, except that a port given in it is taken (a proxy's); o->time_zone too where
 * the ground knows it */
int cluster_apply_redo(struct cluster *secondary, const char *uri, const struct replay_opts *o,
		       struct replay_stats *st, struct err *e);

/* SIGKILL to every process of the part in one instant. *at_ns (at_ns may be NULL): CLOCK_MONOTONIC
 * of the first kill. Complete on return: no process is left and the ports refuse. */
int cluster_kill(struct cluster *c, enum cluster_part part, int64_t *at_ns, struct err *e);
int cluster_kill_part(struct cluster *c, enum cluster_part part, int which, int64_t *at_ns,
		      struct err *e);
/* a fault killed it: its end is no news, and others are asked from now on */
void cluster_part_died(struct cluster *c, enum cluster_part part);
int cluster_pause(struct cluster *c, bool paused, struct err *e); /* SIGSTOP, SIGCONT */
/* The processes that a fault strikes, each the leader of its group, as other threads may hold them.
 * Returns how many; the caller releases them. */
unsigned cluster_procs(struct cluster *c, enum cluster_part part, int which, struct proc_ref *out,
		       unsigned room);
/* orderly; can be started again */
int cluster_stop(struct cluster *c, struct deadline d, struct err *e);

/* A killed cluster's disk, opened apart from everything: its server on another port that nobody
 * knows, without changefeed or samples of its positions. Returns when it has recovered: nothing of
 * what it found in flight is left. *ep: where it answers. */
int cluster_examine(struct cluster *c, struct deadline d, struct sql_endpoint *ep, struct err *e);
/* nothing runs of it any more; also when nothing did */
void cluster_examine_end(struct cluster *c);
/* Ctrl+C, as at a terminal; complete on return */
int cluster_interrupt(struct cluster *c, struct deadline d, int64_t *at_ns, struct err *e);
/* Appends to an error of a statement what only another part of the cluster can tell: that a TiKV is
 * down, or PD does not answer. Returns -1. */
int cluster_explain(struct cluster *c, struct err *e);
/* -1: it, or a part of it, ended by itself */
int cluster_health(struct cluster *c, struct err *e);
/* The newest commit as a position that a ledger holds: GTID sequence number; TiDB: the current TSO.
 */
int cluster_position(struct cluster *c, uint64_t *position, struct err *e);
/* The TSO of all that is committed now; local: waits for the next sample. */
int cluster_now(struct cluster *c, struct deadline d, tso_t *ts, struct err *e);
/* A statement, and the TSO of its commit. ERR_NOT_FOUND: it committed nothing. */
int cluster_commit(struct cluster *c, const char *text, size_t n, struct deadline d, int64_t *rows,
		   tso_t *ts, struct err *e);
/* Local: its binary logs are streamed to a directory elsewhere from now on, as they are written; it
 * outlives the cluster's death. Returns when it has all that is there now. */
int cluster_log_backup(struct cluster *c, struct deadline d, struct err *e);
/* Local: binlog/point_in_time.h, with the source's data directory, dead or alive; until 0: all that
 * its log backup has, *until is then where that ends. */
int cluster_roll_forward(struct cluster *c, const struct cluster *source, tso_t from, tso_t *until,
			 struct deadline d, uint64_t *transactions, struct err *e);
int cluster_flashback(struct cluster *c, const struct cluster *source, tso_t at, struct deadline d,
		      struct err *e);
/* TiDB: all of it as it was at that TSO, in place (tidb_flashback). */
int cluster_flashback_cluster(struct cluster *c, tso_t ts, struct deadline d, struct err *e);
/* its own TSO after the last RESTORE; 0: none, or no time travel */
tso_t cluster_restored_ts(const struct cluster *c);
int64_t cluster_start_ms(const struct cluster *c);       /* how long a start may take */
const char *cluster_pd(const struct cluster *c);         /* PD's URL; "": none, or not known */
struct http_tls cluster_pd_tls(const struct cluster *c); /* points into c */
/* "tiup, TiDB": parts that say of themselves that they are stand-ins; "": none */
const char *cluster_stands_in(const struct cluster *c);
/* of the TIMESTAMP texts in its ground's redo logs; NULL: not known here */
const char *cluster_redo_time_zone(const struct cluster *c);
/* What must be there before a run on this ground: each finding is one line with the way out,
 * appended through fn. */
typedef void finding_fn(void *arg, const char *what, const char *way_out);

/* What a ground does with one of its clusters. NULL: it can't, unless said. */
struct cluster_ops {
	int (*start_begin)(struct cluster *c, struct err *e);
	int (*start_wait)(struct cluster *c, struct deadline d, struct err *e);
	int (*kill)(struct cluster *c, enum cluster_part part, int64_t *at_ns, struct err *e);
	/* NULL: kill, of each */
	int (*kill_part)(struct cluster *c, enum cluster_part part, int which, int64_t *at_ns,
			 struct err *e);
	void (*part_died)(struct cluster *c, enum cluster_part part); /* NULL: nothing to know */
	int (*pause)(struct cluster *c, bool paused, struct err *e);
	/* NULL: its server, its changefeed */
	unsigned (*procs)(struct cluster *c, enum cluster_part part, int which,
			  struct proc_ref *out, unsigned room);
	/* NULL: can't */
	int (*find_changefeed)(struct cluster *c, struct cluster *sink, const char *id,
			       const char *redo_uri, struct err *e);
	int (*stop)(struct cluster *c, struct deadline d, struct err *e);
	void (*release)(struct cluster *c);
	int (*set_gc)(struct cluster *c, bool on, struct err *e);
	int (*get_gc)(struct cluster *c, bool *on, struct err *e); /* NULL: it is on */
	int (*examine)(struct cluster *c, struct deadline d, struct sql_endpoint *ep,
		       struct err *e);
	void (*examine_end)(struct cluster *c);
	int64_t start_ms;
	/* NULL: drtest's own way, over plain SQL and binary logs */
	int (*backup)(struct cluster *c, const char *uri, const struct backup_opts *o,
		      struct backup_result *r, struct err *e);
	int (*restore)(struct cluster *c, const char *uri, const struct restore_opts *o,
		       struct backup_result *r, struct err *e);
	/* NULL: it is this run's own, and goes with it */
	int (*fill)(struct cluster *c, struct err *e);
	void (*filled)(struct cluster *c);
	/* NULL: a restore leaves nothing to be done */
	int (*restored)(struct cluster *c, struct backup_result *r, struct err *e);
	/* slot: below CLUSTER_FEEDS_MAX, of one of the changefeeds that read it */
	int (*changefeed)(struct cluster *c, unsigned slot, const struct changefeed_opts *o,
			  struct err *e);
	int (*feed_status)(struct cluster *c, unsigned slot, struct feed_status *st, struct err *e);
	int (*changefeed_stop)(struct cluster *c, unsigned slot, struct deadline d, struct err *e);
	int (*fence)(struct cluster *c, struct err *e);
	int (*now)(struct cluster *c, tso_t *ts, struct err *e);
	int (*health)(struct cluster *c, struct err *e);
	void (*explain)(struct cluster *c, struct err *e); /* NULL: nobody knows more */
	int (*interrupt)(struct cluster *c, struct deadline d, int64_t *at_ns, struct err *e);
	const char *(*pd)(const struct cluster *c);
	struct http_tls (*pd_tls)(const struct cluster *c); /* NULL: plain */
	/* of the TIMESTAMP texts in its changefeeds' redo logs: "" where nobody told */
	const char *redo_time_zone;
};
#endif
