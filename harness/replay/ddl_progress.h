/* Which DDLs of a log were applied, remembered in the secondary, so that each is applied once, also when a replay is killed at any
 * instant: before a DDL an intent is committed (its commitTs and seq, and a fingerprint of all tables' definitions); after a kill an
 * unchanged fingerprint means run it, a changed one means it is done. */
#ifndef HARNESS_REPLAY_DDL_PROGRESS_H
#define HARNESS_REPLAY_DDL_PROGRESS_H

#include <stdbool.h>

#include "harness/redo/record.h"
#include "harness/sql/sql.h"

struct ddl_point { /* orders DDLs */
	tso_t commit_ts;
	uint64_t seq;
};
/* The last DDL that is done, after an unfinished intent has been settled; commit_ts 0: none. */
int ddl_progress_read(struct sql *s, const char *log_id, struct ddl_point *done, struct err *e);
int ddl_progress_intent(struct sql *s, const char *log_id, struct ddl_point p, struct err *e);
int ddl_progress_forget(struct sql *s, const char *log_id, struct err *e);
int ddl_progress_done(struct sql *s, const char *log_id, struct ddl_point p, struct err *e);
/* Runs it: USE its database, then the statement. *skipped: the server said that it was done already (as the stock applier ignores). */
int ddl_run(struct sql *s, const struct redo_ddl *d, bool *skipped, struct err *e);

#endif
