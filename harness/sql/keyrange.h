/* A table cut into ranges of its handle key, as SQL conditions: for the backup's chunks and the
 * compare's. Range i of n+1 is (bound i-1, bound i]; the first has no lower and the last no upper
 * bound, so together they hold every row. */
#ifndef HARNESS_SQL_KEYRANGE_H
#define HARNESS_SQL_KEYRANGE_H

#include "harness/sql/schema.h"

struct key_bound {
	char **literal; /* one SQL literal per key column; NULL: unbounded */
};
struct key_ranges {
	struct key_bound *bounds;
	size_t n;
	size_t n_columns;
};
/* The key whose order the server keeps and whose values can be written as literals exactly; NULL:
 * none, the table is one range. */
const struct index_key *key_of_ranges(const struct table_schema *t);
/* Its columns are integers, of which every server has one order. Of others a collation, or an index
 * that is damaged, may have a second one, by which ranges hold fewer rows than the table: whoever
 * relies on them counts it as a whole too. */
bool key_orders_surely(const struct table_schema *t);
/* Bounds about every `rows` rows: by arithmetic for a dense integer key, else by walking the key. n
 * is 0 when there is no such key. */
int key_ranges_cut(struct sql *s, const struct table_schema *t, uint64_t rows,
		   struct key_ranges *out, struct err *e);
void key_ranges_release(struct key_ranges *r);

/* Appends " WHERE ..." for keys above low (NULL: none) and at or below high (NULL: none); nothing
 * when both are none. */
void key_where(struct strbuf *out, const struct table_schema *t, const struct key_bound *low,
	       const struct key_bound *high);
/* The key `offset` rows above low, not above high. 1: found, 0: fewer rows. The caller releases
 * *out. */
int key_seek(struct sql *s, const struct table_schema *t, const struct key_bound *low,
	     const struct key_bound *high, uint64_t offset, struct key_bound *out, struct err *e);
void key_bound_release(struct key_bound *b, size_t n_columns);
void key_column_list(struct strbuf *out, const struct table_schema *t); /* "`a`,`b`" */
/* The same for SELECT, with one text on every server: "(`a`+0),`b`" where a is ZEROFILL. */
void key_value_list(struct strbuf *out, const struct table_schema *t);

#endif
