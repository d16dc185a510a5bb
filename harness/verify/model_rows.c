#include "harness/verify/model_rows.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"

static size_t home_slot(const struct row_map *m, struct row_key key)
{
	return rng_mix((uint64_t)key.id * 0x9e3779b97f4a7c15u + key.table) & (m->room - 1);
}

struct row_cell *row_map_find(const struct row_map *m, struct row_key key)
{
	if (!m->room)
		return NULL;
	for (size_t i = home_slot(m, key);; i = (i + 1) & (m->room - 1)) {
		struct row_cell *c = &m->cell[i];

		if (!c->used)
			return NULL;
		if (c->key.id == key.id && c->key.table == key.table)
			return c;
	}
}

static void grow(struct row_map *m)
{
	struct row_map bigger = { .room = m->room ? m->room * 2 : 1024, .n = m->n };

	bigger.cell = xcalloc(bigger.room, sizeof(*bigger.cell));
	for (size_t i = 0; i < m->room; i++)
		if (m->cell[i].used) {
			size_t at = home_slot(&bigger, m->cell[i].key);

			while (bigger.cell[at].used)
				at = (at + 1) & (bigger.room - 1);
			bigger.cell[at] = m->cell[i];
		}
	free(m->cell);
	*m = bigger;
}

struct row_cell *row_map_put(struct row_map *m, struct row_key key, bool *is_new)
{
	struct row_cell *c = row_map_find(m, key);

	*is_new = !c;
	if (c)
		return c;
	if (m->n + m->n / 2 >= m->room)
		grow(m);
	size_t at = home_slot(m, key);

	while (m->cell[at].used)
		at = (at + 1) & (m->room - 1);
	m->n++;
	m->cell[at] = (struct row_cell){ .used = true, .key = key, .slot = UINT32_MAX };
	return &m->cell[at];
}

void row_map_release(struct row_map *m)
{
	free(m->cell);
	*m = (struct row_map){ 0 };
}

struct row_op row_op_of(const struct audit_op *op)
{
	struct row_op o = { .kind = op->kind, .k = op->row.k };

	if (op->kind == AUDIT_SET_C || op->kind == AUDIT_INSERT)
		o.c = XXH3_64bits(op->row.c, strlen(op->row.c));
	if (op->kind == AUDIT_INSERT)
		o.pad = XXH3_64bits(op->row.pad, strlen(op->row.pad));
	return o;
}

void row_apply(struct row_state *s, const struct row_op *op)
{
	switch (op->kind) {
	case AUDIT_ADD_K: s->k += s->exists ? op->k : 0; return;
	case AUDIT_SET_C:
		if (s->exists)
			s->c = op->c;
		return;
	case AUDIT_DELETE: *s = (struct row_state){ 0 }; return;
	case AUDIT_INSERT:
		*s = (struct row_state){ .exists = true, .k = op->k, .c = op->c, .pad = op->pad };
		return;
	}
}

struct row_state row_initial(const struct audit_model *m, struct row_key key)
{
	struct audit_row row;

	if (key.id < 1 || key.id > m->rows_per_table || key.table < 1 || key.table > m->tables)
		return (struct row_state){ 0 };
	m->initial(m, key.table, key.id, &row);
	return (struct row_state){ .exists = true,
				   .k = row.k,
				   .c = XXH3_64bits(row.c, strlen(row.c)),
				   .pad = XXH3_64bits(row.pad, strlen(row.pad)) };
}

struct row_state row_of_view(const struct verify_row *row)
{
	return (struct row_state){ .exists = true,
				   .k = row->k,
				   .c = XXH3_64bits(row->c, row->c_len),
				   .pad = XXH3_64bits(row->pad, row->pad_len) };
}
