/* Merged changes as SQL: wide DELETE … IN and REPLACE, in the order given; and what is asked of
 * information_schema before and after them. */
#ifndef HARNESS_REPLAY_APPLY_SQL_H
#define HARNESS_REPLAY_APPLY_SQL_H

#include "harness/replay/merge.h"
#include "harness/replay/replay_read.h"
#include "harness/sql/sql.h"

#define SINK_STATEMENT_ROWS 2000
#define SINK_SHARE_ROWS 8000 /* of a file: each is a commit */

/* Takes changes of one shape and kind from c[0..n); returns how many went into the statement (at
 * least 1). */
size_t apply_statement(struct strbuf *q, const struct merge_change *c, size_t n);
/* The same for puts as LOAD DATA LOCAL … REPLACE, which a server takes with a third less work: a
 * statement, and its file. Returns how many changes went into it; 0: too few of them have only
 * numbers, texts and dates, whose text means to a file what a literal means to a statement. */
size_t apply_load_data(struct strbuf *statement, struct strbuf *file, const struct merge_change *c,
		       size_t n);
/* A row of a table without a key: INSERT, or DELETE of one row that has all these values. Its
 * images are whole ones. */
/* Before the first rows of a shape are put: would the secondary's columns keep such values?
 * ERR_BAD_DATA names the one that would not. */
int apply_look(struct sql *conn, const struct row_layout *t, struct err *e);
void apply_keyless_statement(struct strbuf *q, const struct merge_change *c);
/* After a statement of puts: are the stored generated columns what the log has? No: ERR_BAD_DATA
 * names key and values. */
/* After changes of one shape were written: does the secondary keep the digits behind the point? The
 * first value of so many digits in a column is read back. */
int sink_check_fractions(struct sql *conn, const struct merge_change *c, size_t n, struct err *e);
int apply_check_computed(struct sql *conn, const struct merge_change *c, size_t n, struct err *e);
/* Deadlocks, lock waits, lost connections and what TiDB calls so: the same again may succeed. */
bool apply_may_retry(const struct err *e);
/* After a statement of these changes failed for good: names the table, and the key when one row
 * alone fails. Ends conn's transaction. */
int apply_blame(struct sql *conn, const struct merge_change *c, size_t n, struct err *e);

/* A query of one SELECT for each database, or table of it: MariaDB then looks only there. Without a
 * name that equals a constant it opens every table of the server, which takes longer than a small
 * replay. Free q. */
struct lookup {
	struct strbuf q; /* begins as STRBUF_INIT */
	unsigned n;
};
/* column and name, again and again, and NULL: the place. */
void lookup_add(struct lookup *l, const char *select, ...);
/* The query; of many places, or none, a single SELECT for everything. */
const char *lookup_end(struct lookup *l, const char *select, const char *everything);

/* A row that was inserted and deleted within the log never reaches the secondary, but its id was
 * used: the new primary must not use it again. Counters are never lowered. */
int apply_counters(struct sql *conn, const struct collected *c, struct err *e);

#endif
