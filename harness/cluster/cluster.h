/* One database cluster of a ground. The handle owns the cluster's processes and its directory; use
 * it from one thread. A ground implements the verbs in a const table, struct cluster_ops, in which
 * NULL means "cannot": ask cluster_can() before a run, so that no step fails halfway. Functions
 * return 0, or -1 with the error in *e, unless their comment says otherwise. */
#ifndef HARNESS_CLUSTER_CLUSTER_H
#define HARNESS_CLUSTER_CLUSTER_H

#include <stdbool.h>

#include "harness/backup/backup.h"
#include "harness/net/http.h"
#include "harness/feed/feed.h"
#include "harness/replay/replay.h"

/* CLUSTER_FEED: the changefeed's process, or TiCDC. CLUSTER_SERVER: mariadbd or tidb-server.
 * CLUSTER_STORAGE: TiKV. */
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
	ABLE_WRITE,          /* load, replay, plain SQL */
	ABLE_OVERWRITE,      /* replace all its data in place */
	ABLE_PAUSE,          /* SIGSTOP */
	ABLE_KILL_PART,      /* only its changefeed or its SQL server */
	ABLE_KILL_COMPONENT, /* only PD or TiKV */
	ABLE_LINK,           /* drtest can put a proxy between it and its clients: it is local */
	ABLE_STRIKE,         /* faults can hit its processes */
	ABLE_OWN_DISK,       /* its data is on a disk of its own */
	ABLE_OWN_CLOCK,      /* its clock can be shifted */
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
	/* The cluster's own directory: absolute, and short because sockets are in it.
	 * cluster_new() makes it; cluster_free() removes it unless keep. */
	const char *dir;
	const char *log_dir;    /* RUN/logs */
	const char *drtest_exe; /* to start `drtest feed`; NULL: /proc/self/exe */
	int port;               /* for SQL; 0: any free one */
	bool keep;
	struct cluster_size size; /* all 0: one of each */
	/* of TiDB: "v8.5.7"; NULL: the newest one that tiup has, else the newest of all */
	const char *version;
	bool new_ticdc; /* playground: TiCDC's new architecture */
	/* local: how far the server's clock is ahead (libfaketime) */
	int64_t clock_skew_s;
};
char *local_faketime(void); /* libfaketime's path, for the caller to free; NULL: not installed */
struct changefeed_opts {
	const char *id;
	struct cluster *sink;
	tso_t start_ts;
	const char *redo_uri;       /* "" none */
	unsigned flush_ms, meta_ms; /* 0: TiCDC's defaults */
	unsigned syncpoint_ms;      /* TiCDC: interval of syncpoints; 0: none */
	bool bdr;             /* both sides are written to: replicated changes are not sent back */
	bool force_replicate; /* also tables without a key */
	unsigned source_port, sink_port; /* of proxies in between; 0: connect directly */
};

struct cluster;
struct cluster *cluster_new(const struct cluster_opts *o, struct err *e);
/* Two phases, so that several clusters can start at the same time: begin spawns the processes, wait
 * returns when a query succeeds, or fails with the last lines of the log. */
int cluster_start_begin(struct cluster *c, struct err *e);
int cluster_start_wait(struct cluster *c, struct deadline d, struct err *e);
void cluster_free(struct cluster *c); /* stops what still runs; NULL is fine */

bool cluster_can(const struct cluster *c, enum ability v);
const char *cluster_name(const struct cluster *c);
const struct sql_endpoint *cluster_endpoint(const struct cluster *c);
const char *cluster_version(struct cluster *c); /* of the server */
/* local: maps positions to TSOs. The cluster owns it; it stays readable after a kill. */
struct tso_map *cluster_tso_map(struct cluster *c);
struct proc *cluster_server(struct cluster *c); /* local: mariadbd */

/* local: off keeps all binary logs. On restores what was found: garbage collection that the
 * operator had switched off stays off. cluster_free() restores it too. */
int cluster_set_gc(struct cluster *c, bool on, struct err *e);
/* Of o, which may be NULL, it reads threads, rate and deadline. */
int cluster_backup(struct cluster *c, const char *uri, const struct backup_opts *o,
		   struct backup_result *r, struct err *e);
/* Call these around a restore that a tool does. The first one checks that the cluster may be filled
 * and is empty, and records that this run fills it; the second one records what was restored, also
 * after a failure. cluster_restore() calls them itself. */
int cluster_fill(struct cluster *c, struct err *e);
void cluster_filled(struct cluster *c);
/* Post-processing of a restore, which adds to r->warnings. cluster_restore() calls it itself; after
 * a tool's restore the caller does. */
int cluster_restored(struct cluster *c, struct backup_result *r, struct err *e);
int cluster_restore(struct cluster *c, const char *uri, const struct restore_opts *o,
		    struct backup_result *r, struct err *e);
/* Returns when the changefeed runs and writes its redo log. It is killed with its source. */
int cluster_changefeed(struct cluster *c, const struct changefeed_opts *o, struct err *e);
/* Follows a changefeed that others have made, without ever pausing or removing it. redo_uri: of its
 * log, "" if there is none. */
int cluster_changefeed_find(struct cluster *c, struct cluster *sink, const char *id,
			    const char *redo_uri, struct err *e);
bool cluster_feeds(const struct cluster *c); /* a changefeed reads it */
/* Several changefeeds may read one cluster, each for a secondary of its own. They are numbered from
 * 1 in the order in which they are made; a number that does not run means the first one. */
#define CLUSTER_FEEDS_MAX 8
unsigned cluster_feed_number(const struct cluster *c); /* of the newest one */
bool cluster_feed_runs(const struct cluster *c, unsigned number);
/* TiCDC: the sequence numbers are TSOs, and sink_busy means that the redo log is ahead of the
 * checkpoint. A failed or stopped changefeed is an error with TiCDC's message. */
int cluster_feed_status_of(struct cluster *c, unsigned number, struct feed_status *st,
			   struct err *e);
/* 0: TiCDC's, or none */
pid_t cluster_feed_pid(struct cluster *c, unsigned number);
/* The path of its status file (feed/status.h), which other threads may read; "": none. */
void cluster_feed_status_file(struct cluster *c, unsigned number, char *out, size_t size);
/* an orderly stop */
int cluster_feed_stop(struct cluster *c, unsigned number, struct deadline d, struct err *e);
/* local: the first one's process, which the cluster owns; else NULL */
struct feed *cluster_feed(struct cluster *c);
/* o->sink is replaced by the secondary's address, but a port in it (a proxy's) is kept.
 * o->time_zone is set where the ground knows it. */
int cluster_apply_redo(struct cluster *secondary, const char *uri, const struct replay_opts *o,
		       struct replay_stats *st, struct err *e);

/* SIGKILL to all processes of the part at once. Returns when no process is left and the ports
 * refuse connections. *at_ns: CLOCK_MONOTONIC of the first kill; at_ns may be NULL. */
int cluster_kill(struct cluster *c, enum cluster_part part, int64_t *at_ns, struct err *e);
int cluster_kill_part(struct cluster *c, enum cluster_part part, int which, int64_t *at_ns,
		      struct err *e);
/* A fault has killed it: its end is expected, and the part's other processes take over. */
void cluster_part_died(struct cluster *c, enum cluster_part part);
int cluster_pause(struct cluster *c, bool paused, struct err *e); /* SIGSTOP, SIGCONT */
/* The processes that a fault hits, each the leader of its group, as references that are safe in
 * other threads. Returns their number; the caller releases them. */
unsigned cluster_procs(struct cluster *c, enum cluster_part part, int which, struct proc_ref *out,
		       unsigned room);
/* orderly; can be started again */
int cluster_stop(struct cluster *c, struct deadline d, struct err *e);

/* Starts a server over a killed cluster's disk, isolated: on a new port (*ep), without changefeed
 * or TSO samples. Returns when its crash recovery is complete, in-flight transactions rolled back
 * or committed. */
int cluster_examine(struct cluster *c, struct deadline d, struct sql_endpoint *ep, struct err *e);
/* stops that server, if it runs */
void cluster_examine_end(struct cluster *c);
/* Ctrl+C, as at a terminal; complete on return */
int cluster_interrupt(struct cluster *c, struct deadline d, int64_t *at_ns, struct err *e);
/* Appends to a statement's error what other parts of the cluster know: a TiKV that is down, a PD
 * that does not answer. Returns -1. */
int cluster_explain(struct cluster *c, struct err *e);
/* -1: a process of it ended by itself */
int cluster_health(struct cluster *c, struct err *e);
/* The newest commit as a ledger's position: a GTID sequence number; TiDB: the current TSO. */
int cluster_position(struct cluster *c, uint64_t *position, struct err *e);
/* The TSO of all that is committed now; local: waits for the next sample. */
int cluster_now(struct cluster *c, struct deadline d, tso_t *ts, struct err *e);
/* Executes a statement; *ts: the TSO of its commit. ERR_NOT_FOUND: it committed nothing. */
int cluster_commit(struct cluster *c, const char *text, size_t n, struct deadline d, int64_t *rows,
		   tso_t *ts, struct err *e);
/* local: from now on streams the binary logs to another directory, which survives the cluster's
 * death. Returns when it has everything that was there at the call. */
int cluster_log_backup(struct cluster *c, struct deadline d, struct err *e);
/* local: see binlog/point_in_time.h. They read the source's data directory, dead or alive.
 * *until 0: to the end of the source's log backup, which it is then set to. */
int cluster_roll_forward(struct cluster *c, const struct cluster *source, tso_t from, tso_t *until,
			 struct deadline d, uint64_t *transactions, struct err *e);
int cluster_flashback(struct cluster *c, const struct cluster *source, tso_t at, struct deadline d,
		      struct err *e);
/* TiDB: sets the whole cluster back to that TSO, in place (tidb_flashback). */
int cluster_flashback_cluster(struct cluster *c, tso_t ts, struct deadline d, struct err *e);
/* its own TSO after the last RESTORE; 0: none, or no time travel */
tso_t cluster_restored_ts(const struct cluster *c);
int64_t cluster_start_ms(const struct cluster *c);       /* time limit of a start */
const char *cluster_pd(const struct cluster *c);         /* PD's URL; "": none, or not known */
struct http_tls cluster_pd_tls(const struct cluster *c); /* points into c */
/* the parts that call themselves stand-ins, "tiup, TiDB"; "": none */
const char *cluster_stands_in(const struct cluster *c);
/* the time zone of TIMESTAMP texts in its redo logs; NULL: not known */
const char *cluster_redo_time_zone(const struct cluster *c);
/* Receives each problem that a check before the run finds, in one line, with the way out. */
typedef void finding_fn(void *arg, const char *what, const char *way_out);

/* What a ground does with one of its clusters. NULL: it cannot, unless the comment says otherwise.
 */
struct cluster_ops {
	int (*start_begin)(struct cluster *c, struct err *e);
	int (*start_wait)(struct cluster *c, struct deadline d, struct err *e);
	int (*kill)(struct cluster *c, enum cluster_part part, int64_t *at_ns, struct err *e);
	/* NULL: kill, of each */
	int (*kill_part)(struct cluster *c, enum cluster_part part, int which, int64_t *at_ns,
			 struct err *e);
	void (*part_died)(struct cluster *c, enum cluster_part part); /* NULL: nothing to do */
	int (*pause)(struct cluster *c, bool paused, struct err *e);
	/* NULL: its server, its changefeed */
	unsigned (*procs)(struct cluster *c, enum cluster_part part, int which,
			  struct proc_ref *out, unsigned room);
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
	/* NULL: nothing to check, the cluster exists for this run only */
	int (*fill)(struct cluster *c, struct err *e);
	void (*filled)(struct cluster *c);
	/* NULL: no post-processing of a restore */
	int (*restored)(struct cluster *c, struct backup_result *r, struct err *e);
	/* slot: number of the changefeed, below CLUSTER_FEEDS_MAX */
	int (*changefeed)(struct cluster *c, unsigned slot, const struct changefeed_opts *o,
			  struct err *e);
	int (*feed_status)(struct cluster *c, unsigned slot, struct feed_status *st, struct err *e);
	int (*changefeed_stop)(struct cluster *c, unsigned slot, struct deadline d, struct err *e);
	int (*fence)(struct cluster *c, struct err *e);
	int (*now)(struct cluster *c, tso_t *ts, struct err *e);
	int (*health)(struct cluster *c, struct err *e);
	void (*explain)(struct cluster *c, struct err *e); /* NULL: nothing to add */
	int (*interrupt)(struct cluster *c, struct deadline d, int64_t *at_ns, struct err *e);
	const char *(*pd)(const struct cluster *c);
	struct http_tls (*pd_tls)(const struct cluster *c); /* NULL: plain */
	/* of TIMESTAMP texts in its changefeeds' redo logs; "": not known */
	const char *redo_time_zone;
};
#endif
