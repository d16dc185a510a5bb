/* lib: redo */
/* One record body, format 1 or 2: what decodes does not depend on what was decoded before, is
 * encoded to one whole frame, and that decodes to the same event and is encoded to the same bytes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/redo/codec.h"
#include "harness/redo/record_check.h"
#include "harness/sql/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(fact)              \
	do {                     \
		if (!(fact))     \
			abort(); \
	} while (0)
#define HEAD 8

static bool same_bytes(const struct redo_bytes *a, const struct redo_bytes *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->p, b->p, a->n));
}

/* What no SQL literal says is written as 0. */
static bool same_float(double a, double b)
{
	return (isfinite(a) ? a : 0) == (isfinite(b) ? b : 0);
}

static bool same_value(const struct redo_value *a, const struct redo_value *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case REDO_NULL: return true;
	case REDO_F32: return same_float(a->f32, b->f32);
	case REDO_F64: return same_float(a->f64, b->f64);
	case REDO_INT:
	case REDO_UINT: return a->u == b->u;
	default: return same_bytes(&a->s, &b->s);
	}
}

static bool same_columns(const struct redo_column *a, uint32_t n, const struct redo_column *b,
			 uint32_t m)
{
	if (n != m)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!same_bytes(&a[i].name, &b[i].name) ||
		    !same_bytes(&a[i].charset, &b[i].charset) ||
		    !same_bytes(&a[i].collation, &b[i].collation) || a[i].type != b[i].type ||
		    a[i].absent != b[i].absent || a[i].flag != b[i].flag ||
		    !same_value(&a[i].value, &b[i].value))
			return false;
	return true;
}

static bool same_table(const struct redo_table *a, const struct redo_table *b)
{
	return same_bytes(&a->db, &b->db) && same_bytes(&a->table, &b->table) && a->id == b->id &&
	       a->is_partition == b->is_partition;
}

static bool same_row(const struct redo_row *a, const struct redo_row *b)
{
	if (a->start_ts != b->start_ts || a->commit_ts != b->commit_ts ||
	    !same_table(&a->table, &b->table) || a->n_indexes != b->n_indexes ||
	    !same_columns(a->columns, a->n_columns, b->columns, b->n_columns) ||
	    !same_columns(a->pre_columns, a->n_pre_columns, b->pre_columns, b->n_pre_columns))
		return false;
	for (uint32_t i = 0; i < a->n_indexes; i++) {
		if (a->indexes[i].n != b->indexes[i].n)
			return false;
		for (uint32_t k = 0; k < a->indexes[i].n; k++)
			if (a->indexes[i].columns[k] != b->indexes[i].columns[k])
				return false;
	}
	return true;
}

static bool same_event(const struct redo_event *a, const struct redo_event *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == REDO_ROW)
		return same_row(&a->row, &b->row);
	return a->ddl.start_ts == b->ddl.start_ts && a->ddl.commit_ts == b->ddl.commit_ts &&
	       same_bytes(&a->ddl.query, &b->ddl.query) && a->ddl.seq == b->ddl.seq &&
	       a->ddl.type == b->ddl.type && same_table(&a->ddl.table, &b->ddl.table);
}

/* An absent column carries nothing; a number's kind is that of its column. */
static void columns_hold(const struct redo_column *c, uint32_t n)
{
	for (; n--; c++) {
		bool is_unsigned = (c->flag & COLF_UNSIGNED) || c->type == COL_BIT ||
				   c->type == COL_ENUM || c->type == COL_SET;

		HOLDS(!c->absent || (!c->name.n && !c->flag && c->value.kind == REDO_NULL));
		HOLDS(c->value.kind != REDO_INT || c->value.i < 0 || !is_unsigned);
		HOLDS(c->value.kind != REDO_UINT || c->value.u > INT64_MAX || is_unsigned);
	}
}

/* Both images have the same number of columns, and those that the indexes name. */
static void row_holds(const struct redo_event *ev)
{
	const struct redo_row *r = &ev->row;

	if (ev->kind != REDO_ROW)
		return;
	columns_hold(r->columns, r->n_columns);
	columns_hold(r->pre_columns, r->n_pre_columns);
	HOLDS(r->n_columns || r->n_pre_columns);
	HOLDS(!r->n_columns || !r->n_pre_columns || r->n_columns == r->n_pre_columns);
	for (uint32_t i = 0; i < r->n_indexes; i++)
		for (uint32_t k = 0; k < r->indexes[i].n; k++)
			HOLDS(r->indexes[i].columns[k] >= 0 &&
			      (uint32_t)r->indexes[i].columns[k] <
				      (r->n_columns ? r->n_columns : r->n_pre_columns));
}

/* A row is no other than itself. */
static void judge_twice(const struct redo_row *r)
{
	struct record_check *c = record_check_new();
	struct err e = ERR_INIT, f = ERR_INIT;
	int rc = record_check_row(c, 0, r, &e);

	HOLDS(rc == 0 || (e.kind == ERR_BAD_DATA && e.text[0]));
	HOLDS(rc < 0 || record_check_row(c, 0, r, &f) == 0);
	record_check_free(c);
}

/* Leaves columns, values and indexes of another record in a decoder. */
static void soil(struct redo_decoder *d, struct strbuf *memory)
{
	static const int32_t key[] = { 0, 2 };
	static const struct redo_index ix[] = { { key, 2 }, { key, 1 } };
	struct redo_column c[5];
	struct redo_event ev = { .kind = REDO_ROW,
				 .row = { .start_ts = 1,
					  .commit_ts = 2,
					  .table = { { "d", 1 }, { "t", 1 }, 7, true },
					  .columns = c,
					  .n_columns = 5,
					  .pre_columns = c,
					  .n_pre_columns = 5,
					  .indexes = ix,
					  .n_indexes = 2 } };
	struct redo_event out;
	struct err e = ERR_INIT;

	for (int i = 0; i < 5; i++)
		c[i] = (struct redo_column){ .name = { "soil", 4 },
					     .charset = { "utf8mb4", 7 },
					     .collation = { "utf8mb4_bin", 11 },
					     .type = 15,
					     .flag = 131,
					     .value = { .kind = REDO_BIN, .s = { "", 0 } } };
	redo_encode_frame(memory, &ev);
	HOLDS(redo_decode(d, memory->buf + HEAD, memory->len - HEAD - (memory->buf[7] & 7), &out,
			  &e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redo_decoder *used = redo_decoder_new(), *fresh = redo_decoder_new();
	struct strbuf frame = STRBUF_INIT, again = STRBUF_INIT, memory = STRBUF_INIT;
	struct redo_event ev, other;
	struct err e = ERR_INIT, f = ERR_INIT;
	uint64_t field = 0;
	size_t n;
	int rc;

	soil(used, &memory);
	strbuf_release(&memory); /* what a record points to is gone when the next is decoded */
	rc = redo_decode(used, data, size, &ev, &e);
	HOLDS(redo_decode(fresh, data, size, &other, &f) == rc);
	if (rc < 0) {
		HOLDS(e.kind == ERR_BAD_DATA && e.text[0] && !strcmp(e.text, f.text));
		goto out;
	}
	HOLDS(same_event(&ev, &other));
	row_holds(&ev);
	if (ev.kind == REDO_ROW)
		judge_twice(&ev.row);

	redo_encode_frame(&frame, &ev);
	for (int i = 7; i >= 0; i--)
		field = field << 8 | (unsigned char)frame.buf[i];
	n = (size_t)(field & (((uint64_t)1 << 56) - 1));
	HOLDS(frame.len % 8 == 0 && frame.len == HEAD + ((n + 7) & ~(size_t)7));
	HOLDS(field >> 56 == (n % 8 ? 0x80 | (8 - n % 8) : 0));
	for (size_t i = HEAD + n; i < frame.len; i++)
		HOLDS(!frame.buf[i]);

	if (redo_decode(fresh, frame.buf + HEAD, n, &other, &f) < 0)
		abort();
	HOLDS(same_event(&ev, &other));
	redo_encode_frame(&again, &other);
	HOLDS(again.len == frame.len && !memcmp(again.buf, frame.buf, frame.len));
out:
	strbuf_release(&frame);
	strbuf_release(&again);
	redo_decoder_free(used);
	redo_decoder_free(fresh);
	return 0;
}
