/* What the grounds share of a cluster. Private to harness/cluster. */
#ifndef HARNESS_CLUSTER_CLUSTER_IMPL_H
#define HARNESS_CLUSTER_CLUSTER_IMPL_H

#include "harness/cluster/ground.h"

/* A changefeed that reads the cluster, in a slot of it. */
struct cluster_feed {
	struct feed *feed; /* drtest's own; NULL: TiCDC's, or none */
	bool feeding;      /* TiCDC's */
	unsigned number;
	char *status_path; /* where its status is kept for the sampler; NULL: none yet */
};

struct cluster {
	const struct ground *ground;
	const struct cluster_ops *ops; /* the ground's */
	char *name, *dir, *log_dir, *exe;
	int port_wanted, port;              /* port: held (port_take); -1 none */
	bool keep, gc_on, gc_was, gc_asked; /* gc_was: as it was found */
	int64_t clock_skew_s;
	struct sql_endpoint ep;
	struct proc *server;
	struct tso_sampler *sampler;
	struct tso_map *map;
	char *map_path;
	char version[128];
	struct proc *examiner; /* the server over the dead one's data, on a port of its own */
	int examiner_port;
	unsigned server_id;
	unsigned feeds_made; /* so far: numbers their logs; the newest one's number */
	struct cluster_feed feeds[CLUSTER_FEEDS_MAX]; /* by slot */
	struct proc *log_backup; /* mariadb-binlog, which streams its binary logs elsewhere */
	char *log_backup_dir;
	/* grounds with TiDB */
	void *own; /* the ground's; freed by its release */
	struct cluster_size size;
	char *version_wanted; /* NULL: the newest */
	bool new_ticdc;       /* TiCDC's new architecture is wanted */
	bool dead;            /* killed or stopped: nothing of it answers */
	/* How TiCDC logs in where a changefeed writes into this cluster; user "": drtest makes an
	 * account. And as whom one does, or did: its connections are ended before a replay. */
	struct sql_endpoint as_sink;
	char written_by[129];
	tso_t restored_ts; /* its own TSO after RESTORE; 0: none */
};

/* changefeeds.c */
void cluster_feeds_gone(struct cluster *c); /* TiDB: with its TiCDC: none reads it any more */
void cluster_feeds_kill(struct cluster *c); /* SIGKILL to those of drtest's own */
int cluster_feeds_stop(struct cluster *c, struct deadline d, struct err *e); /* all, in order */
int cluster_refuse(const struct cluster *c, struct err *e,
		   const char *what); /* the ground cannot */
/* The unprivileged user that servers run as when drtest is root; NULL when it is not. ERR_ENV when
 * there is none. */
int local_user(const char **user, struct err *e);
/* A data directory as mariadb-install-db makes it, cached per server version; *path is the caller's
 * to free. */
int local_template(char **path, struct err *e);
int local_cache_check(struct err *e); /* for the preflight: can it be made where it belongs? */

#endif
