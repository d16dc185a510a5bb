/* Is a server the secondary of this log? A sample of the log's keys, chosen by hash, with every
 * state that the log gives to each between checkpointTs and resolvedTs: the secondary, torn as it
 * may be, has one of them. Another server has other rows. Bounded; use from one thread. */
#ifndef HARNESS_REPLAY_ROW_SAMPLE_H
#define HARNESS_REPLAY_ROW_SAMPLE_H

#include "harness/base/strbuf.h"
#include "harness/redo/record.h"
#include "harness/sql/sql.h"

struct row_sample;
struct row_sample *row_sample_new(void);
void row_sample_free(struct row_sample *s); /* NULL is fine */
/* A row before the log's first DDL; one without a key is left out. */
int row_sample_add(struct row_sample *s, const struct redo_row *r, struct err *e);
/* *asked: keys that were looked up; *unlike: those in no state of the log's, the first of them in
 * *first. A table that is not there is not asked for. */
int row_sample_ask(struct row_sample *s, struct sql *conn, uint64_t *asked, uint64_t *unlike,
		   struct strbuf *first, struct err *e);

#endif
