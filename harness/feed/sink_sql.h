/* Rows of the redo log as SQL in TiCDC's safe mode: DELETE by key, and REPLACE. Fragments first
 * (they wait in the queue), then, for a batch of one table, the newest state of each key as one
 * DELETE and one REPLACE. */
#ifndef HARNESS_FEED_SINK_SQL_H
#define HARNESS_FEED_SINK_SQL_H

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/feed/queue.h"
#include "harness/redo/record.h"
#include "harness/sql/schema.h"

struct feed_table {
	char *db, *table;
	char *name; /* `db`.`table` */
	/* of the key's only column; NULL: it has several, keys are predicates joined by OR, not
	 * a list of literals */
	char *key_name;
	char *counter; /* the AUTO_INCREMENT column, or NULL */
	/* its STORED generated columns, "`a`,`b`": the secondary computes them itself; or NULL */
	char *computed;
	/* of names and flags of its columns: another shape is another table here */
	uint64_t shape;
	char *delete_head, *replace_head; /* keyless: of an INSERT */
	bool keyless; /* no key finds a row: each change is executed, in order */
	bool again;   /* the reader's: the next item says so */
	/* its columns whose values have digits behind a point, the first FEED_FRACTIONS_MAX; and
	 * how many the secondary's columns keep, -1: not asked. Its worker asks. */
	char **fractions;
	signed char *room;
	unsigned n_fractions;
	/* what is put into which columns; its worker asks once whether the secondary's are such */
	struct feed_column {
		char *name;
		enum column_type type;
		bool text;
	} * columns;
	unsigned n_columns;
	bool *looked;
	unsigned worker;
};
#define FEED_FRACTIONS_MAX 21
/* A table without a key that names a row is an error, but with keyless: its rows can't be applied
 * twice with one result. schema: NULL where the structure tells nothing besides (then counter is
 * NULL). */
int feed_table_init(struct feed_table *t, const struct redo_row *row,
		    const struct table_schema *schema, bool keyless, struct err *e);
bool feed_table_fits(const struct feed_table *t, const struct redo_row *row);
void feed_table_release(struct feed_table *t);

void feed_add_key(struct strbuf *out, const struct feed_table *t, const struct redo_column *c,
		  uint32_t n);
void feed_add_put(struct strbuf *out, const struct redo_column *c, uint32_t n);
/* Appends what follows an item that is put, and sets the lengths and the counter in *it. */
void feed_add_item(struct strbuf *text, struct feed_item *it, const struct feed_table *t,
		   const struct redo_column *c, uint32_t n);

struct feed_change { /* one item of a batch */
	struct feed_item it;
	const char *key, *put, *check;
	unsigned at; /* its place in the batch: the last of a key wins */
};
struct feed_batch { /* of one table: the newest state of each key */
	const struct feed_table *t;
	struct feed_change *changes;
	unsigned n;
	/* In this order; "" where there is none, and of a table without a key. raise: of the rows
	 * that were put and then deleted or put otherwise, the one with the highest counter, where
	 * no row that stays has it or more: so the secondary's AUTO_INCREMENT goes on behind it.
	 * Its put can push out only rows whose own state is in the batch. */
	struct strbuf raise, del, put;
};
/* items: as taken from the queue. Calls fn for each table once. -1 of fn stops. */
int feed_batch_statements(const struct strbuf *items, struct feed_table *const *tables,
			  int (*fn)(void *arg, struct feed_batch *b, struct err *e), void *arg,
			  struct err *e);
/* del and put of these changes alone (a part of the batch's). */
void feed_batch_text(struct feed_batch *b, const struct feed_change *changes, unsigned n);
/* a condition: the row is not as its check says */
void feed_add_unlike(struct strbuf *out, const struct feed_table *t, const struct feed_change *c);
/* The first change with more digits than the secondary's column keeps, and in *column which that
 * is; NULL: none. For a table whose room is known. */
const struct feed_change *feed_find_cut(const struct feed_batch *b, unsigned *column);
/* the row's key for people; cut where long */
void feed_change_text(const struct feed_table *t, const struct feed_change *c, struct strbuf *out);

#endif
