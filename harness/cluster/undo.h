/* Records of what a run changes on the user's clusters, written to disk (~/.cache/drtest/undo, or
 * $DRTEST_UNDO) before it is done: if drtest is killed, its guardian, the next run or `drtest
 * clean` puts it back. A note names a clusters file and a cluster in it, and holds no secret; who
 * works it off needs the file and what its env "…" wants, and does nothing to another cluster that
 * the file or its address has come to mean since. A note is locked as long as its run lives. */
#ifndef HARNESS_CLUSTER_UNDO_H
#define HARNESS_CLUSTER_UNDO_H

#include <stdbool.h>

#include "harness/base/err.h"

/* For a preflight: can anything be recorded? */
int undo_check(struct err *e);
struct undo;
enum undo_kind {
	UNDO_GC,   /* garbage collection of the cluster is about to be switched off: on again */
	UNDO_USER, /* TiCDC's user is about to be made there: dropped. name: the user */
	/* a changefeed that reads it is about to be made: paused, since a removal would take its
	 * redo log. name: its id */
	UNDO_FEED,
	/* the cluster is empty, and something is about to be restored into it: whatever is in it
	 * then is noted as left */
	UNDO_FILL,
	/* a BACKUP or RESTORE is about to begin: ended by KILL if its session still runs it. name:
	 * "session's id\tBACKUP or RESTORE\turi without its parameters" */
	UNDO_STATEMENT,
	/* What stays when the run has ended, until `drtest clean --clusters` removes it: a paused
	 * changefeed that this run made (name: its id); a database (name), whole; tables of a load
	 * ("db\ttable\ttable", the database with them where nothing else is in it, if the name
	 * begins with "+"); objects under a prefix of the file's store (cluster "", name: the
	 * prefix). */
	UNDO_LEFT_FEED,
	UNDO_LEFT_DATABASE,
	UNDO_LEFT_TABLES,
	UNDO_LEFT_STORE,
};
/* NULL with *e: then it must not be done. name: without line breaks; "" for UNDO_GC and UNDO_FILL
 */
struct undo *undo_note(enum undo_kind kind, const char *clusters_file, const char *cluster,
		       const char *name, struct err *e);
/* it could not be put back: undo_left() tells, and the note stays for whoever comes next; NULL is
 * fine */
void undo_leave(struct undo *u);
/* Has another run that lives noted the same of that cluster, by whatever clusters file? */
bool undo_is_held(enum undo_kind kind, const char *cluster);
/* Then this note is forgotten: what it is of is the other's to put back. */
bool undo_pass_on(struct undo *u);
void undo_forget(struct undo *u); /* it is as it was; NULL is fine */
/* Often, while the run lives, from any thread: what UNDO_FILL brings is this run's until its last
 * sign of life, however long the restore takes. */
void undo_alive(void);
/* Of a user that TiCDC writes as: whose run is it that noted it on this machine? */
enum undo_run { UNDO_RUN_UNKNOWN, UNDO_RUN_ENDED, UNDO_RUN_LIVES };
enum undo_run undo_run_of_user(const char *name);
/* What this process has noted as left, or could not put back, and not forgotten: cluster ("store"
 * for the store), what it is, the statements that remove it. */
void undo_left(void (*fn)(void *arg, const char *cluster, const char *what, const char *remove),
	       void *arg);
/* the loads' tables among them, as they were noted */
void undo_left_tables(void (*fn)(void *arg, const char *cluster, const char *tables), void *arg);
/* of this process, on that cluster, which is gone */
void undo_forget_left(const char *cluster);
/* Removes what ended runs have left on the clusters and in the store of that file, or (dry_run)
 * says what it would remove; fn is told of each, also of what could not be. Returns how many were
 * removed; *failed: how many could not be. */
int undo_remove_left(const char *clusters_file, bool dry_run,
		     void (*fn)(void *arg, const char *what), void *arg, int *failed);
/* Works off what dead runs left. fn is told of each, also of what could not be put back, which
 * stays noted. Returns how many were put back. */
int undo_work_off(void (*fn)(void *arg, const char *what), void *arg);

#endif
