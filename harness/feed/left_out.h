/* What the changefeed leaves out by name: a table without a key, a sequence, a table with system
 * versioning or of a type that the redo log has no form for, a view whose functions are not there.
 * Nobody else's changes wait for it. It is told once in the log, and in the status for as long as
 * it is so; a name that was left out once has missed changes and stays out until the table is
 * dropped, truncated or made anew. */
#ifndef HARNESS_FEED_LEFT_OUT_H
#define HARNESS_FEED_LEFT_OUT_H

#include "harness/binlog/binlog.h"
#include "harness/feed/status.h"

struct left_out {
	struct status_board *board; /* is told of each change */
	/* what is kept does not say it yet: it has to before resolvedTs moves over what was left
	 * out */
	bool changed;
	struct left_out_name {
		char *db, *name, *reason;
	} * names;
	size_t n;
};
/* Routines, triggers and events of the primary, as feed_status.not_carried has them; told in the
 * log, where there are any. */
int left_out_objects(struct sql *primary, struct status_board *board, struct err *e);
/* As JSON, for the next life of this changefeed. */
void left_out_to_text(const struct left_out *l, struct strbuf *out);
int left_out_from_text(struct left_out *l, const char *text, size_t n, struct err *e);
void left_out_release(struct left_out *l);

/* known already: nothing */
void left_out_add(struct left_out *l, const char *db, const char *name, const char *reason);
void left_out_forget(struct left_out *l, const char *db, const char *name);
/* NULL: it is not left out */
const char *left_out_reason(const struct left_out *l, const char *db, const char *name);

/* A DDL that is about something that is left out: it may fail on the secondary. */
bool left_out_is_about(const struct left_out *l, const struct binlog_txn *ddl);
/* Dropped, made anew and renamed things are left out no more, or under another name; so is what
 * gets rows of something that is left out. */
void left_out_after(struct left_out *l, const struct binlog_txn *ddl);

#endif
