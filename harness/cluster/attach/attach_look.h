/* The attach ground's clusters, looked at before anything is done to them: by attach_check() what a
 * run needs, by attach_doctor() all that there is. Each look tells what it found of the cluster
 * k->a by SQL k->s; nothing is changed. */
#ifndef HARNESS_CLUSTER_ATTACH_ATTACH_LOOK_H
#define HARNESS_CLUSTER_ATTACH_ATTACH_LOOK_H

#include "harness/cluster/attach/attach.h"
#include "harness/tidb/ticdc.h"

#define LOOK_MS 5000

struct look {
	const struct attach_cluster *a; /* NULL: of no certain one */
	struct sql *s;
	finding_fn *fn;
	void *arg;
	ground_say_fn *note; /* NULL: findings alone */
	int n;               /* findings */
	bool gone;           /* its server has ended the session, or was ended for its silence */
};
/* in the way, and the way out */
void look_find(struct look *k, const char *way_out, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* what: "its privileges"; a look that failed has not found that all is well */
void look_failed(struct look *k, const char *what, const struct err *e);
void look_note(struct look *k, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
struct ticdc look_api(const struct attach_cluster *a);

void look_at_ticdc(struct look *k);
/* must: a changefeed of all tables is to be made, else they are only told */
void look_at_keys(struct look *k, bool must);
void look_at_status(struct look *k);
/* field: "store", "redo"; log: it has to be a redo log */
void look_at_store(struct look *k, const char *uri, const char *field, bool log);
/* two names of one cluster, or another cluster than the one that is meant */
void look_at_ids(struct look *k, const struct attach_file *f);

#endif
