/* What a clusters file says in one place held against what it says in another. Each returns -1 with
 * ERR_USAGE: where, what, and what to do; nobody is asked. */
#ifndef HARNESS_CLUSTER_ATTACH_ATTACH_AGREE_H
#define HARNESS_CLUSTER_ATTACH_ATTACH_AGREE_H

#include "harness/cluster/attach/attach.h"

/* A field that stands twice in one table of the Lua source: Lua takes the last and says nothing. */
int agree_once(const char *source, size_t n, const char *path, struct err *e);
/* The fields of one cluster. Completes sql with its TLS. where: "FILE: cluster NAME" */
int agree_cluster(struct attach_cluster *c, const char *where, struct err *e);
/* The URIs of the file. */
int agree_places(const struct attach_file *f, const char *where, struct err *e);
/* No two names of one server. */
int agree_servers(const struct attach_file *f, const char *where, struct err *e);

#endif
