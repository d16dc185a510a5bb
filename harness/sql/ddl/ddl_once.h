/* A DDL on a secondary, exactly once as far as can be seen: before it an intent is committed there
 * (which DDL, and a fingerprint of all that it names: definitions, databases, physical table ids).
 * After a crash an unchanged fingerprint means that it has to run, a changed one that it is done.
 * The changefeed and the replay of its log share one record, so each knows what the other did.
 * AUTO_INCREMENT and AUTO_RANDOM counters move by themselves: a fingerprint leaves them out. */
#ifndef HARNESS_SQL_DDL_DDL_ONCE_H
#define HARNESS_SQL_DDL_DDL_ONCE_H

#include "harness/base/tso.h"
#include "harness/sql/ddl/ddl_session.h"

struct ddl_point { /* orders DDLs */
	tso_t commit_ts;
	uint64_t seq;
};
struct ddl_statement {
	struct ddl_point at;
	const char *query;
	size_t query_bytes;
	const char *use_db; /* the default database that it runs in; "": none */
	/* what it is about after it ran, beside what its text names; "": nothing */
	const char *db, *table;
	const struct ddl_session *session; /* that it runs in; NULL: the connection's own */
};
enum ddl_outcome {
	DDL_RAN,
	/* it had run before, as the record or the fingerprint tells: not run again */
	DDL_BEFORE,
	/* the server answered that there is nothing left to do (the table exists, the column is
	 * gone) */
	DDL_SAID_DONE,
	/* the server refused it, and the session says that it may: *e has the answer. It counts
	 * as done */
	DDL_FAILED,
};

/* owner: whose sequence of DDLs it is, "namespace/changefeed". */
void ddl_owner(char out[190], const char *name_space, const char *changefeed);
/* makes the record's table; the functions below need it */
int ddl_once_prepare(struct sql *s, struct err *e);
struct ddl_progress {
	/* the last DDL that is done; commit_ts 0: none */
	struct ddl_point done;
	/* the DDL whose intent is open still: all that comes before it is on the secondary, and has
	 * to stay as it is, since a part of it may have run; commit_ts 0: none */
	struct ddl_point begun;
	bool begun_changed; /* what it names is no longer as it was */
};
/* Settles an intent that was left open. */
int ddl_once_settle(struct sql *s, const char *owner, struct ddl_progress *out, struct err *e);
/* Runs it, unless it is done. may_be_done: take the server's "done already" for an answer at the
 * first try too. ERR_GONE: connect again, end the old connection, call again. */
int ddl_once_run(struct sql *s, const char *owner, const struct ddl_statement *d, bool may_be_done,
		 enum ddl_outcome *out, struct err *e);
/* An open intent is none any more: what comes before its DDL is about to be taken back. */
int ddl_once_withdraw(struct sql *s, const char *owner, struct err *e);
int ddl_once_forget(struct sql *s, const char *owner, struct err *e);

#endif
