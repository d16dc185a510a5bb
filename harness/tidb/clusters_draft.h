/* The first text of a clusters file (docs/CLUSTERS.md) for clusters that were found: it allows
 * nothing, has no secret, and says what is still to be filled in. */
#ifndef HARNESS_TIDB_CLUSTERS_DRAFT_H
#define HARNESS_TIDB_CLUSTERS_DRAFT_H

#include "harness/base/clock.h"
#include "harness/tidb/topology.h"

struct clusters_draft {
	struct {
		char role[41];    /* its name in the file: "primary" */
		char source[400]; /* who told of it: "tiup:prod-a", a SQL URI without its password
				   */
		struct topology t;
		struct sql_endpoint
			ep; /* by SQL: user and TLS are the URI's; host "": not by SQL */
	} c[TOPOLOGY_CLUSTERS_MAX];
	size_t n;
	/* of a changefeed that is there; "": none is known */
	char changefeed[128], redo[300];
};

/* role NULL: the cluster's own name where that is one which scenarios ask for, else the next of
 * primary, secondary, scratch, new-primary, cluster5 …. source is shown in the file. ERR_USAGE: the
 * role is taken. */
int clusters_draft_add(struct clusters_draft *d, const char *role, const char *source,
		       const struct topology *t, const struct sql_endpoint *ep, struct err *e);
/* What PD and TiCDC tell beyond that, where they answer: cluster ids, and the changefeed of the
 * primary that has a redo log. ms_each: how long each is waited for. Nothing is changed. */
void clusters_draft_look(struct clusters_draft *d, int64_t ms_each);
void clusters_draft_text(const struct clusters_draft *d, const char *path, struct strbuf *out);

#endif
