/* Writes merged changes to the secondary over several connections: wide DELETE and REPLACE
 * statements, in key order, each its own transaction, tried again after deadlocks, lock waits and
 * lost connections. Use one from one thread. */
#ifndef HARNESS_REPLAY_APPLIER_H
#define HARNESS_REPLAY_APPLIER_H

#include <pthread.h>

#include "harness/replay/merge.h"
#include "harness/sql/sql.h"

struct computed { /* rows whose generated columns are not what the log has */
	pthread_mutex_t lock;
	uint64_t n;
	struct err first;
};
struct applier_opts {
	struct sql_endpoint to;
	unsigned workers;
	const char *time_zone; /* of TIMESTAMP text */
	const char *owner;     /* for fencing */
	/* NULL: a generated column that the secondary computes otherwise is an error; else it is
	 * told here */
	struct computed *computed;
};
/* Says what it found to o->computed, or ends with it. -1: another error, or that one. */
int applier_verify(const struct applier_opts *o, struct sql *conn, const struct merge_change *c,
		   size_t n, struct err *e);
/* Behind a statement that put these: -1 where the server did not keep their values. */
int applier_kept(struct sql *conn, const struct merge_change *c, size_t n, struct err *e);
struct applier;
struct applier *applier_open(const struct applier_opts *o); /* connects when it writes */
void applier_close(struct applier *s);                      /* NULL is fine */
/* Writes n changes, all puts or all deletes, and returns when they are committed. tick is called
 * every 100 ms with how many are. */
int applier_write(struct applier *s, const struct merge_change *c, size_t n,
		  void (*tick)(void *arg, size_t done), void *arg, struct err *e);
/* A session set up as the workers' are: for DDLs. */
struct sql *applier_session(const struct applier_opts *o, struct err *e);

#endif
