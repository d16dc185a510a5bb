/* A ground, which provides clusters, as one const table. local.c, playground.c and attach.c have
 * one each; ground.c lists them, and no code compares names. A new ground is a file with a `struct
 * ground` and the `struct cluster_ops` of its clusters, its line in ground.c and its declaration
 * here. Its abilities follow from the functions that it has. NULL is allowed where the comment of a
 * function says so. */
#ifndef HARNESS_CLUSTER_GROUND_H
#define HARNESS_CLUSTER_GROUND_H

#include "harness/cluster/cluster.h"

/* What --plan tells of a verb; each uses what it needs. */
struct ground_plan {
	const char *cluster;
	const struct cluster_size *size; /* start */
	const char *version;             /* start: TiDB's; NULL: the newest */
	int port;                        /* start: wanted; 0 any */
	bool on;                         /* gc */
	const char *uri;                 /* backup, restore; changefeed: its redo log, "" none */
	double rate_mb;                  /* backup */
	const char *snapshot;            /* backup: a TSO; "" now */
	const char *sink;                /* changefeed */
	bool interrupt;                  /* kill: Ctrl+C */
};

/* What runs already, made by others. Texts are the ground's. */
struct ground_live {
	const char *redo, *backup; /* URIs; "" none */
	const char *changefeed;    /* its id; "" not told */
	bool gc;                   /* the primary's garbage collection may be switched */
};

/* What a doctor says: level is "ok", "note" or "absent". */
typedef void ground_say_fn(void *arg, const char *level, const char *what, const char *text);

struct ground {
	const char *name;                  /* "local": --on, and in reports */
	const char *about;                 /* "MariaDB servers that drtest starts itself" */
	const struct cluster_ops *cluster; /* the verbs of one of its clusters */
	bool tidb;          /* its clusters have TiDB's statements, and can read the past */
	bool here;          /* their processes and ports are this machine's, and this run's */
	bool by_the_guide;  /* a primary is rebuilt by br, as TiDB's guide does it */
	bool clusters_stay; /* they were there before the run, and are after it */

	/* NULL: not unless it is asked for. */
	bool (*is_default)(void);
	/* --clusters FILE; NULL: it takes none. */
	int (*use_file)(const char *path, struct err *e);
	int (*preflight)(finding_fn *fn, void *arg); /* number of findings */
	const char *(*remark)(void);                 /* NULL: never one */
	/* What stands in the way of all that the plan has asked for, looked at before anything is
	 * touched; number of findings. NULL: nothing beyond the preflight. */
	int (*check)(finding_fn *fn, void *arg);
	/* The path of a cdc that can play TiCDC's new architecture, the caller's to free; it says
	 * NULL: none is here. NULL: this ground starts no TiCDC. */
	char *(*new_ticdc)(void);
	/* For `drtest doctor`, beside the preflight's findings; returns how many it adds. */
	int (*doctor)(ground_say_fn *say, finding_fn *fn, void *arg);
	/* What dead runs have left beside their data directories in RUNS; NULL: nothing. Returns
	 * how many; dry_run: only told. */
	int (*clean)(const char *runs, bool dry_run, void (*fn)(void *arg, const char *what),
		     void *arg);

	/* The i-th cluster that is known before a run, and its name; NULL: there are no more. NULL
	 * itself: the run makes them. */
	const struct sql_endpoint *(*endpoint)(unsigned i, const char **name);
	/* NULL: a cluster of any name can be made. */
	int (*knows)(const char *cluster, struct err *e);
	/* 0, or ERR_USAGE: what the operator forbids, and how it would be allowed. Asked in --plan
	 * too. NULL: everything that the ground can is allowed. */
	int (*allows)(const char *cluster, enum ability v, struct err *e);
	/* Appends what the verb would do; start is ABLE_RESTART. */
	void (*plan)(enum ability v, const struct ground_plan *p, struct strbuf *out);
	/* NULL: nothing runs before the run. 1: *out is set; 0: none; -1. */
	int (*live)(struct ground_live *out, struct err *e);
	/* The store that clusters share, *uri; NULL: a store of the run's own. */
	int (*store)(const char **uri, struct err *e);

	/* What a run makes and its clusters keep, told before it is made; NULL: it goes with them.
	 * tables: "db\ttable\ttable", with a '+' before it where the database is made, too.
	 * objects: the run's prefix in the store. */
	int (*leaves_tables)(const char *cluster, const char *tables, struct err *e);
	int (*leaves_objects)(const char *prefix, struct err *e);
	/* At the run's end: each thing that is left, and the statements that remove it. NULL:
	 * never anything. */
	void (*left)(void (*fn)(void *arg, const char *cluster, const char *what,
				const char *remove),
		     void *arg);
};

/* NULL and ERR_USAGE: there is none of that name. */
const struct ground *ground_find(const char *name, struct err *e);
/* In the order in which they are told; NULL at the end. */
const struct ground *const *grounds(void);
const char *ground_names(void);            /* "local, playground, attach" */
const struct ground *ground_default(void); /* on this machine, where none is asked for */

bool ground_can(const struct ground *g, enum ability v);
/* 0: allowed. NULL e: only asked. */
int ground_allows(const struct ground *g, const char *cluster, enum ability v, struct err *e);
/* For grounds: a tool that was found at path (NULL: not; freed here), with its own word of its
 * version; and ABLE_KILL's plan where it is this machine's processes that are killed. */
void ground_say_tool(ground_say_fn *say, void *arg, const char *what, char *path);
void ground_plan_kill(const struct ground_plan *p, struct strbuf *out);
/* what the preflight saw that does not stand in the way; "": nothing */
const char *ground_remark(const struct ground *g);

extern const struct ground ground_local, ground_playground, ground_attach;

#endif
