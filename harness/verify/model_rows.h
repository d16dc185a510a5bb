/* Compact rows of model tables: a value is represented by its hash, a row by its table and id. */
#ifndef HARNESS_VERIFY_MODEL_ROWS_H
#define HARNESS_VERIFY_MODEL_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/verify/ledger_check.h"

struct row_state {
	int64_t k;
	uint64_t c, pad; /* XXH3-64 of the bytes */
	bool exists;
};
struct row_key {
	int64_t id;
	uint32_t table;
};
struct row_cell {
	struct row_key key;
	bool used, seen; /* seen: the table's stream has passed it */
	bool watched;    /* a transaction of unknown place touches it */
	uint32_t slot;   /* in the list of rows that are looked at closely; UINT32_MAX: none */
	struct row_state state;
};
struct row_map { /* open addressing; cells move when it grows */
	struct row_cell *cell;
	size_t room, n;
};
struct row_cell *row_map_find(const struct row_map *m, struct row_key key);
struct row_cell *row_map_put(struct row_map *m, struct row_key key, bool *is_new);
void row_map_release(struct row_map *m);

/* One statement's effect on one row. */
struct row_op {
	enum audit_op_kind kind;
	int64_t k;
	uint64_t c, pad;
};
struct row_op row_op_of(const struct audit_op *op);
void row_apply(struct row_state *s, const struct row_op *op);
struct row_state row_initial(const struct audit_model *m, struct row_key key);
struct row_state row_of_view(const struct verify_row *row);
static inline bool row_same(const struct row_state *a, const struct row_state *b)
{
	return a->exists == b->exists &&
	       (!a->exists || (a->k == b->k && a->c == b->c && a->pad == b->pad));
}

#endif
