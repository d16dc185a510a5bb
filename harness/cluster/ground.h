/* A ground provides clusters. It is one const table: local.c, playground.c and attach.c define one
 * each, ground.c lists them, and no code compares their names. To add a ground, write a file with a
 * `struct ground` and the `struct cluster_ops` of its clusters, list it in ground.c and declare it
 * here. What it can do follows from the functions that it defines. A function may be NULL where its
 * comment says what that means. */
#ifndef HARNESS_CLUSTER_GROUND_H
#define HARNESS_CLUSTER_GROUND_H

#include "harness/cluster/cluster.h"

/* What --plan knows of a verb; each verb uses its part. */
struct ground_plan {
	const char *cluster;
	const struct cluster_size *size; /* start */
	const char *version;             /* start: TiDB's; NULL: the newest */
	int port;                        /* start; 0: any free one */
	bool on;                         /* gc */
	const char *uri;                 /* backup, restore; changefeed: its redo log, "" none */
	double rate_mb;                  /* backup */
	const char *snapshot;            /* backup: a TSO; "" now */
	const char *sink;                /* changefeed */
	bool interrupt;                  /* kill: Ctrl+C */
};

/* What others run already. The ground owns the texts. */
struct ground_live {
	const char *redo, *backup; /* URIs; "" none */
	const char *changefeed;    /* its id; "" not known */
	bool gc;                   /* switching the primary's garbage collection is allowed */
};

/* Receives a line of `drtest doctor`. level: "ok", "note" or "absent". */
typedef void ground_say_fn(void *arg, const char *level, const char *what, const char *text);

struct ground {
	const char *name;                  /* "local": --on, and in reports */
	const char *about;                 /* "MariaDB servers that drtest starts itself" */
	const struct cluster_ops *cluster; /* the verbs of one of its clusters */
	bool tidb;         /* its clusters have TiDB's statements, and can read the past */
	bool here;         /* their processes and ports are on this machine and belong to the run */
	bool by_the_guide; /* a primary is rebuilt with br, as TiDB's guide does it */
	bool clusters_stay; /* they exist before the run and after it */

	/* May it be chosen without --on? NULL: no. */
	bool (*is_default)(void);
	/* --clusters FILE; NULL: it takes none. */
	int (*use_file)(const char *path, struct err *e);
	int (*preflight)(finding_fn *fn, void *arg); /* number of findings */
	const char *(*remark)(void);                 /* see ground_remark(); NULL: none */
	/* Checks everything that the plan will need, before the run changes anything. Returns the
	 * number of findings. NULL: the preflight is enough. */
	int (*check)(finding_fn *fn, void *arg);
	/* Returns the path of a cdc that has TiCDC's new architecture, for the caller to free, or
	 * NULL if there is none. NULL: this ground starts no TiCDC. */
	char *(*new_ticdc)(void);
	/* For `drtest doctor`, in addition to the preflight. Returns the number of findings. */
	int (*doctor)(ground_say_fn *say, finding_fn *fn, void *arg);
	/* Removes what dead runs left outside their data directories; with dry_run it only lists
	 * it. Returns the number of things. NULL: they leave nothing. */
	int (*clean)(const char *runs, bool dry_run, void (*fn)(void *arg, const char *what),
		     void *arg);

	/* The i-th cluster that exists before the run, and its name; it returns NULL after the
	 * last one. NULL: the run makes its clusters. */
	const struct sql_endpoint *(*endpoint)(unsigned i, const char **name);
	/* Is there a cluster of this name? NULL: one of any name can be made. */
	int (*knows)(const char *cluster, struct err *e);
	/* ERR_USAGE: the operator does not allow it; the message says how to allow it. --plan asks
	 * too. NULL: everything is allowed. */
	int (*allows)(const char *cluster, enum ability v, struct err *e);
	/* Appends what the verb would do. ABLE_RESTART stands for the start of a cluster. */
	void (*plan)(enum ability v, const struct ground_plan *p, struct strbuf *out);
	/* 1: *out is set; 0: nothing runs; -1: error. NULL: nothing ever runs before the run. */
	int (*live)(struct ground_live *out, struct err *e);
	/* *uri: of the store that the clusters share. NULL: the run has its own store. */
	int (*store)(const char **uri, struct err *e);

	/* Record, before it is made, what a run leaves on clusters that stay. NULL: the clusters do
	 * not stay. tables: "db\ttable\ttable", with a leading '+' if the database is made too.
	 * prefix: of the run's objects in the store. */
	int (*leaves_tables)(const char *cluster, const char *tables, struct err *e);
	int (*leaves_objects)(const char *prefix, struct err *e);
	/* Lists at the run's end what is left, with the statements that remove it. NULL: never
	 * anything. */
	void (*left)(void (*fn)(void *arg, const char *cluster, const char *what,
				const char *remove),
		     void *arg);
};

/* ERR_USAGE: there is no ground of that name. */
const struct ground *ground_find(const char *name, struct err *e);
/* In the order of lists and help texts; NULL at the end. */
const struct ground *const *grounds(void);
const char *ground_names(void);            /* "local, playground, attach" */
const struct ground *ground_default(void); /* without --on */

bool ground_can(const struct ground *g, enum ability v);
/* 0: allowed. e may be NULL. */
int ground_allows(const struct ground *g, const char *cluster, enum ability v, struct err *e);
/* For grounds: reports a tool at `path`, which it frees (NULL: not found), with the version that
 * the tool prints; and the plan of ABLE_KILL for processes of this machine. */
void ground_say_tool(ground_say_fn *say, void *arg, const char *what, char *path);
void ground_plan_kill(const struct ground_plan *p, struct strbuf *out);
/* what the preflight noticed that does not prevent a run; "": nothing */
const char *ground_remark(const struct ground *g);

extern const struct ground ground_local, ground_playground, ground_attach;

#endif
