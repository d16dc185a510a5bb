/* Rows of the redo log as SQL in TiCDC's safe mode: DELETE by key, and REPLACE. Fragments first (they wait in the queue), then, for
 * a batch of one table, the newest state of each key as one DELETE and one REPLACE. */
#ifndef HARNESS_FEED_SINK_SQL_H
#define HARNESS_FEED_SINK_SQL_H

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/feed/queue.h"
#include "harness/redo/record.h"

struct feed_table {
	char *db, *table;
	uint64_t shape;     /* of names and flags of its columns: another shape is another table here */
	bool key_is_single; /* the key is one column: a list of literals; else predicates joined by OR */
	char *delete_head, *replace_head;
	unsigned worker;
};
/* A table without a key that names a row is an error: its rows can't be applied twice with one result. */
int feed_table_init(struct feed_table *t, const struct redo_row *row, struct err *e);
bool feed_table_fits(const struct feed_table *t, const struct redo_row *row);
void feed_table_release(struct feed_table *t);

void feed_add_key(struct strbuf *out, const struct feed_table *t, const struct redo_column *c, uint32_t n);
void feed_add_put(struct strbuf *out, const struct redo_column *c, uint32_t n);

/* items: as taken from the queue. Calls fn for each table once, with its statements ("" when there is none). -1 of fn stops. */
int feed_batch_statements(const struct strbuf *items, struct feed_table *const *tables,
                          int (*fn)(void *arg, const struct feed_table *t, struct strbuf *del, struct strbuf *put, struct err *e), void *arg,
                          struct err *e);

#endif
