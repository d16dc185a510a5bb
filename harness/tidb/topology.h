/* Which parts a cluster has and where, as its deployer tells: `tiup cluster display`, TiDB
 * Operator's objects, or the cluster itself by SQL. Somebody else's text: bounded, and what is not
 * understood is an error with the place. */
#ifndef HARNESS_TIDB_TOPOLOGY_H
#define HARNESS_TIDB_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/sql/sql.h"

#define TOPOLOGY_CLUSTERS_MAX 16

struct topology {
	char name[64];    /* the deployer's; "": it has none */
	char version[64]; /* "v8.5.3"; "": not told */
	/* of SQL: a load balancer where the deployer knows one, else the first tidb-server */
	char sql_host[256];
	unsigned sql_port;
	unsigned n_sql, n_pd, n_ticdc;         /* how many there are to choose from */
	char pd[300], ticdc[300], status[300]; /* URLs; "": none is told */
	uint64_t cluster_id;                   /* 0: not told */
	bool tls;                              /* between the parts: PD, TiCDC, status */
	bool sql_tls;                          /* SQL asks for it, or offers it */
	/* files on the deployer's machine; "": not told */
	char ca[512], cert[512], key[512];
	bool mysql;         /* MySQL or MariaDB */
	char time_zone[65]; /* of TiCDC's process; "": not told */
};

/* `tiup cluster display NAME --format json`; what stands before the first brace is passed over. */
int topology_of_tiup(const char *text, size_t n, struct topology *t, struct err *e);
/* `kubectl get … -o json`: a List of TidbCluster (operator 1), or of Cluster (operator 2).
 * services: the List of services of that namespace, or NULL: names and ports are the operator's
 * usual ones then. In the order of the list. */
int topology_of_kubernetes(const char *text, size_t n, const char *services, size_t n_services,
			   struct topology *t, size_t max, size_t *found, struct err *e);
/* Each part of a cluster, as itself tells by SQL to who has PROCESS: "tidb", "pd", "ticdc", .., its
 * address "host:port", its status address, its version; "" what is not told. */
int topology_parts(struct sql *s,
		   void (*fn)(void *arg, const char *type, const char *address, const char *status,
			      const char *version),
		   void *arg, struct err *e);

/* "tiup:NAME", "kubernetes:NAMESPACE" (by tiup and kubectl), either with @FILE for what they
 * printed elsewhere, or a SQL URI, with which *ep is filled. */
int topology_ask(const char *source, struct topology *t, size_t max, size_t *found,
		 struct sql_endpoint *ep, struct err *e);

#endif
