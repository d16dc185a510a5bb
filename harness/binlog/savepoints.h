/* The part of a transaction that a ROLLBACK TO SAVEPOINT can undo: from the first savepoint on,
 * changes are kept in order, in memory and then in an unlinked file, until the transaction ends.
 * The server cuts its log itself where it can; where it "cannot safely roll back" (a temporary
 * table was made, a table without transactions was written) the log has all of it. */
#ifndef HARNESS_BINLOG_SAVEPOINTS_H
#define HARNESS_BINLOG_SAVEPOINTS_H

#include "harness/binlog/netting.h"

struct savepoint_change {
	uint32_t table;
	struct net_bytes key, before, after; /* as netting_add() takes them */
	size_t row_cost;
	bool lasting; /* of a table without transactions: no rollback takes it back */
};
struct savepoints;
struct savepoints *savepoints_new(size_t memory_bytes, const char *tmp_dir);
void savepoints_free(struct savepoints *s);  /* NULL is fine */
void savepoints_reset(struct savepoints *s); /* the next transaction */

bool savepoints_any(const struct savepoints *s); /* the changes from now on belong here */
/* A name that is used again is a new savepoint: the old one is gone, what lies behind it stays.
 * Names are compared as the server does: without case. */
void savepoints_set(struct savepoints *s, const char *name);
int savepoints_add(struct savepoints *s, const struct savepoint_change *c, struct err *e);
/* Everything behind the savepoint goes, but for what lasts; so do the savepoints behind it, not
 * itself. */
int savepoints_rollback(struct savepoints *s, const char *name, struct err *e);
/* All changes that are left, in order; -1 of fn stops. They are valid during the call. */
int savepoints_each(struct savepoints *s,
		    int (*fn)(void *arg, const struct savepoint_change *c, struct err *e),
		    void *arg, struct err *e);

#endif
