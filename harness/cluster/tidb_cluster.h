/* What the grounds with real TiDB (playground, attach) share: one cluster's SQL, PD and TiCDC, used as the guide does. The verbs are
 * those of struct cluster_ops. */
#ifndef HARNESS_CLUSTER_TIDB_CLUSTER_H
#define HARNESS_CLUSTER_TIDB_CLUSTER_H

#include "harness/cluster/cluster_impl.h"
#include "harness/cluster/ticdc.h"
#include "harness/cluster/tidb.h"

struct tidb_cluster {
	char pd[300], ticdc[300], status[300]; /* "http://127.0.0.1:2379"; "": none */
	char ca[512], cert[512], key[512];
	unsigned version[3];
	char version_text[64];     /* "v8.5.7" */
	const char *cdc[4];        /* how `cdc` is run for what has no API v2: "tiup", "cdc:v5.4.0", NULL */
	bool v2;                   /* TiCDC has the open API v2 */
	/* the changefeed that reads this cluster */
	char feed_id[128], sink_user[64];
	struct sql_endpoint sink;
	struct feed_status last;
	int64_t asked_ns, asked_redo_ns;
	tso_t redo_resolved;       /* by TiCDC's metrics; 0: not told */
};

/* SQL answers and is TiDB's, its status port agrees, PD is healthy, TiCDC (where there is one) has a capture. Tried until the deadline;
 * alive: NULL, or asked between the tries: -1 with *e ends the wait. */
int tidb_cluster_ready(struct cluster *c, struct tidb_cluster *t, int (*alive)(struct cluster *c, struct err *e), struct deadline d, struct err *e);

int tidb_cluster_set_gc(struct cluster *c, bool on, struct err *e);
int tidb_cluster_backup(struct cluster *c, const char *uri, const struct backup_opts *o, struct backup_result *r, struct err *e);
int tidb_cluster_restore(struct cluster *c, const char *uri, const struct restore_opts *o, struct backup_result *r, struct err *e);
int tidb_cluster_changefeed(struct cluster *c, const struct changefeed_opts *o, struct err *e);
int tidb_cluster_feed_status(struct cluster *c, struct feed_status *st, struct err *e);
int tidb_cluster_changefeed_stop(struct cluster *c, struct deadline d, struct err *e);
/* What a dead TiCDC left running on this cluster, its sink: gone on return. */
int tidb_cluster_fence(struct cluster *c, struct err *e);
const char *tidb_cluster_pd(const struct cluster *c);
int tidb_cluster_now(struct cluster *c, tso_t *ts, struct err *e);

#endif
