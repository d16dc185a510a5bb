#include "harness/redo/codec.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/xalloc.h"
#include "harness/redo/msgpack.h"
#include "harness/sql/schema.h"

/* columns, or pre-columns: names and values come in different arrays of the record and meet by
 * position */
struct side {
	struct redo_column *c;
	uint32_t alloc, n_infos, n_values;
	bool *empty_bytes;
};

struct redo_decoder {
	struct side side[2]; /* 0 columns, 1 pre-columns */
	struct redo_index *indexes;
	uint32_t n_indexes, alloc_indexes;
	int32_t *positions;
	uint32_t n_positions, alloc_positions;
};

struct redo_decoder *redo_decoder_new(void)
{
	return xcalloc(1, sizeof(struct redo_decoder));
}

void redo_decoder_free(struct redo_decoder *d)
{
	if (!d)
		return;
	for (int i = 0; i < 2; i++) {
		free(d->side[i].c);
		free(d->side[i].empty_bytes);
	}
	free(d->indexes);
	free(d->positions);
	free(d);
}

static bool side_reserve(struct mp *m, struct side *s, uint32_t n)
{
	if (n > REDO_COLUMNS_MAX)
		return mp_fail(m, "more columns than a table can have");
	if (n > s->alloc) {
		uint32_t alloc = n < 32 ? 32 : n;

		s->c = xreallocarray(s->c, alloc, sizeof(*s->c));
		s->empty_bytes = xreallocarray(s->empty_bytes, alloc, sizeof(*s->empty_bytes));
		memset(s->c + s->alloc, 0, (alloc - s->alloc) * sizeof(*s->c));
		memset(s->empty_bytes + s->alloc, 0, (alloc - s->alloc) * sizeof(*s->empty_bytes));
		s->alloc = alloc;
	}
	return true;
}

struct redo_bytes redo_bytes_copy(struct redo_bytes s)
{
	char *p = xmalloc((size_t)s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return (struct redo_bytes){ p, s.n };
}

static bool mp_name(struct mp *m, struct redo_bytes *s)
{
	return mp_str(m, s) &&
	       (!memchr(s->p, 0, s->n) || mp_fail(m, "a name with a zero byte in it"));
}

static bool table_name(struct mp *m, struct redo_table *t)
{
	struct mp_fields f;

	if (mp_nil(m))
		return true;
	for (f = mp_fields(m); mp_next(&f);) {
		if (MP_IS(f.key, "db-name"))
			f.ok = mp_name(m, &t->db);
		else if (MP_IS(f.key, "tbl-name"))
			f.ok = mp_name(m, &t->table);
		else if (MP_IS(f.key, "tbl-id"))
			f.ok = mp_i64(m, &t->id);
		else if (MP_IS(f.key, "is-partition"))
			f.ok = mp_bool(m, &t->is_partition);
		else
			f.ok = mp_other(&f);
	}
	return mp_whole(&f, 4);
}

/* A field of a column's description, as both formats have it. */
static bool info_field(struct mp *m, struct mp_fields *f, struct redo_column *c)
{
	uint64_t v;

	if (MP_IS(f->key, "name"))
		return mp_name(m, &c->name);
	if (MP_IS(f->key, "charset"))
		return mp_str(m, &c->charset);
	if (MP_IS(f->key, "collation"))
		return mp_str(m, &c->collation);
	if (!MP_IS(f->key, "type"))
		return mp_other(f);
	if (!mp_u64(m, &v))
		return false;
	if (v > UINT8_MAX)
		return mp_fail(m, "a column type above 255");
	c->type = (uint8_t)v;
	return true;
}

static bool read_infos(struct mp *m, struct side *s)
{
	struct mp_fields f;
	uint32_t n;

	if (!mp_array(m, &n) || !side_reserve(m, s, n))
		return false;
	s->n_infos = n;
	for (uint32_t i = 0; i < n; i++) {
		struct redo_column *c = &s->c[i];

		c->name = c->charset = c->collation = (struct redo_bytes){ "", 0 };
		c->type = 0;
		c->absent = mp_nil(m);
		if (c->absent)
			continue;
		for (f = mp_fields(m); mp_next(&f);)
			f.ok = info_field(m, &f, c);
		if (!mp_whole(&f, 4))
			return false;
	}
	return true;
}

static bool flag_of(struct mp *m, struct redo_column *c)
{
	uint64_t v;

	if (!mp_u64(m, &v))
		return false;
	c->flag = (uint32_t)v;
	return true;
}

/* Format 2: {column: the value, value-is-empty-bytes, flag} */
static bool read_values(struct mp *m, struct side *s)
{
	struct mp_fields f;
	uint32_t n;

	if (!mp_array(m, &n) || !side_reserve(m, s, n))
		return false;
	s->n_values = n;
	for (uint32_t i = 0; i < n; i++) {
		struct redo_column *c = &s->c[i];

		c->value.kind = REDO_NULL;
		c->flag = 0;
		s->empty_bytes[i] = false;
		if (mp_nil(m))
			continue;
		for (f = mp_fields(m); mp_next(&f);) {
			if (MP_IS(f.key, "column"))
				f.ok = mp_value(m, &c->value);
			else if (MP_IS(f.key, "value-is-empty-bytes"))
				f.ok = mp_bool(m, &s->empty_bytes[i]);
			else if (MP_IS(f.key, "flag"))
				f.ok = flag_of(m, c);
			else
				f.ok = mp_other(&f);
		}
		if (!mp_whole(&f, 3))
			return false;
	}
	return true;
}

/* Format 1's column: {name, type, charset, value, ApproximateBytes}, or nil */
static bool column_v1(struct mp *m, struct redo_column *c)
{
	struct mp_fields f;

	if (mp_nil(m)) {
		c->absent = true;
		return true;
	}
	for (f = mp_fields(m); mp_next(&f);)
		f.ok = MP_IS(f.key, "value") ? mp_value(m, &c->value) : info_field(m, &f, c);
	return f.ok;
}

/* Format 1: {column: above, flag}, or nil */
static bool columns_v1(struct mp *m, struct side *s)
{
	struct mp_fields f;
	uint32_t n;

	if (!mp_array(m, &n) || !side_reserve(m, s, n))
		return false;
	s->n_infos = s->n_values = n;
	for (uint32_t i = 0; i < n; i++) {
		struct redo_column *c = &s->c[i];

		*c = (struct redo_column){ .name = { "", 0 },
					   .charset = { "", 0 },
					   .collation = { "", 0 } };
		s->empty_bytes[i] = false;
		c->absent = mp_nil(m);
		if (c->absent)
			continue;
		for (f = mp_fields(m); mp_next(&f);) {
			if (MP_IS(f.key, "flag"))
				f.ok = flag_of(m, c);
			else if (MP_IS(f.key, "column"))
				f.ok = column_v1(m, c);
			else
				f.ok = mp_skip(m);
		}
		if (!f.ok)
			return false;
	}
	return true;
}

static bool index_columns(struct mp *m, struct redo_decoder *d)
{
	uint32_t n, k, at = 0;

	if (!mp_array(m, &n))
		return false;
	if (n > REDO_COLUMNS_MAX)
		return mp_fail(m, "more indexes than a table can have");
	if (n > d->alloc_indexes) {
		d->indexes = xreallocarray(d->indexes, n, sizeof(*d->indexes));
		d->alloc_indexes = n;
	}
	d->n_indexes = n;
	for (uint32_t i = 0; i < n; i++) {
		if (!mp_array(m, &k))
			return false;
		if (k > REDO_COLUMNS_MAX || at + k > REDO_COLUMNS_MAX * 16)
			return mp_fail(m, "more index columns than a table can have");
		if (at + k > d->alloc_positions) {
			d->alloc_positions = (at + k) * 2;
			d->positions = xreallocarray(d->positions, d->alloc_positions,
						     sizeof(*d->positions));
		}
		d->indexes[i].n = k;
		for (uint32_t j = 0; j < k; j++) {
			int64_t v;

			if (!mp_i64(m, &v))
				return false;
			if (v < 0 || v >= REDO_COLUMNS_MAX)
				return mp_fail(m, "an index column out of range");
			d->positions[at++] = (int32_t)v;
		}
	}
	d->n_positions = at;
	at = 0; /* only now: the array may have moved while it grew */
	for (uint32_t i = 0; i < n; i++) {
		d->indexes[i].columns = d->indexes[i].n ? d->positions + at : NULL;
		at += d->indexes[i].n;
	}
	return true;
}

static bool row_event(struct mp *m, struct redo_decoder *d, int format, struct redo_row *r,
		      bool *there)
{
	struct mp_fields f;

	if (mp_nil(m))
		return true;
	*there = true;
	for (f = mp_fields(m); mp_next(&f);) {
		if (MP_IS(f.key, "start-ts"))
			f.ok = mp_u64(m, &r->start_ts);
		else if (MP_IS(f.key, "commit-ts"))
			f.ok = mp_u64(m, &r->commit_ts);
		else if (MP_IS(f.key, "table"))
			f.ok = table_name(m, &r->table);
		else if (MP_IS(f.key, "columns"))
			f.ok = read_infos(m, &d->side[0]);
		else if (MP_IS(f.key, "pre-columns"))
			f.ok = read_infos(m, &d->side[1]);
		else if (MP_IS(f.key, "index-columns"))
			f.ok = index_columns(m, d);
		else
			f.ok = mp_other(&f);
	}
	return mp_whole(&f, format == 2 ? 6 : 4);
}

static bool row_part(struct mp *m, struct redo_decoder *d, int format, struct redo_row *r,
		     bool *there)
{
	struct mp_fields f;

	if (mp_nil(m))
		return true;
	for (f = mp_fields(m); mp_next(&f);) {
		if (MP_IS(f.key, "row"))
			f.ok = row_event(m, d, format, r, there);
		else if (MP_IS(f.key, "columns"))
			f.ok = format == 2 ? read_values(m, &d->side[0])
					   : columns_v1(m, &d->side[0]);
		else if (MP_IS(f.key, "pre-columns"))
			f.ok = format == 2 ? read_values(m, &d->side[1])
					   : columns_v1(m, &d->side[1]);
		else
			f.ok = mp_other(&f);
	}
	return mp_whole(&f, 3);
}

static bool ddl_event(struct mp *m, struct redo_ddl *ddl, bool *there)
{
	struct mp_fields f;

	if (mp_nil(m))
		return true;
	*there = true;
	for (f = mp_fields(m); mp_next(&f);) {
		if (MP_IS(f.key, "start-ts"))
			f.ok = mp_u64(m, &ddl->start_ts);
		else if (MP_IS(f.key, "commit-ts"))
			f.ok = mp_u64(m, &ddl->commit_ts);
		else if (MP_IS(f.key, "query"))
			f.ok = mp_str(m, &ddl->query);
		else if (MP_IS(f.key, "seq")) /* which only some have */
			f.ok = mp_u64(m, &ddl->seq), f.known--;
		else
			f.ok = mp_other(&f);
	}
	return mp_whole(&f, 3);
}

static bool ddl_part(struct mp *m, struct redo_ddl *ddl, bool *there)
{
	struct mp_fields f;

	if (mp_nil(m))
		return true;
	for (f = mp_fields(m); mp_next(&f);) {
		if (MP_IS(f.key, "ddl"))
			f.ok = ddl_event(m, ddl, there);
		else if (MP_IS(f.key, "type"))
			f.ok = mp_u64(m, &ddl->type);
		else if (MP_IS(f.key, "table-name"))
			f.ok = table_name(m, &ddl->table);
		else
			f.ok = mp_other(&f);
	}
	return mp_whole(&f, 3);
}

static bool is_bytes_type(uint8_t t)
{
	return t == COL_VARCHAR || (t >= COL_TINYBLOB && t <= COL_STRING);
}

/* What the bytes alone do not tell: an empty byte string was written as nil or as an empty str; a
 * number's form does not tell its kind, the column does, so that a key has one kind however it was
 * written; a column that is absent in one place is absent. */
static bool side_finish(struct mp *m, struct side *s, uint32_t *n)
{
	if (s->n_infos != s->n_values)
		return mp_fail(m, "columns and their values differ in number");
	*n = s->n_infos;
	for (uint32_t i = 0; i < s->n_infos; i++) {
		struct redo_column *c = &s->c[i];
		struct redo_value *v = &c->value;
		bool is_unsigned = (c->flag & COLF_UNSIGNED) || c->type == COL_BIT ||
				   c->type == COL_ENUM || c->type == COL_SET;

		if (c->absent) {
			*c = (struct redo_column){ .name = { "", 0 },
						   .charset = { "", 0 },
						   .collation = { "", 0 },
						   .absent = true };
			continue;
		}
		/* an empty one is told apart from NULL by this alone */
		if (s->empty_bytes[i] && v->kind != REDO_NULL && (v->kind != REDO_BIN || v->s.n))
			return mp_fail(m, "a value that is said to be empty and is not");
		if ((v->kind == REDO_NULL && s->empty_bytes[i]) ||
		    (v->kind == REDO_STR && !v->s.n && is_bytes_type(c->type))) {
			v->kind = REDO_BIN;
			v->s = (struct redo_bytes){ "", 0 };
		} else if (v->kind == REDO_INT && v->i >= 0 && is_unsigned) {
			v->kind = REDO_UINT;
		} else if (v->kind == REDO_UINT && v->u <= INT64_MAX && !is_unsigned) {
			v->kind = REDO_INT;
		}
	}
	return true;
}

int redo_decode(struct redo_decoder *d, const void *body, size_t n, struct redo_event *ev,
		struct err *e)
{
	struct mp m = { .start = body, .p = body, .end = (const unsigned char *)body + n };
	struct redo_row row = { .table = { .db = { "", 0 }, .table = { "", 0 } } };
	struct redo_ddl ddl = { .query = { "", 0 },
				.table = { .db = { "", 0 }, .table = { "", 0 } } };
	bool have_row = false, have_ddl = false;
	struct mp_fields f;
	int format = 1;
	int64_t type = 0;

	for (int i = 0; i < 2; i++)
		d->side[i].n_infos = d->side[i].n_values = 0;
	d->n_indexes = 0;
	if (n >= 2 && m.p[0] == 0xff && m.p[1] == 0xff) {
		if (n < 4)
			return err_set(e, ERR_BAD_DATA, 0, "the record ends within its version");
		if (m.p[2] != 0 || m.p[3] != 2)
			return err_set(e, ERR_BAD_DATA, 0,
				       "unknown record format version %u (1 and 2 are supported)",
				       m.p[2] * 256u + m.p[3]);
		format = 2;
		m.p += 4;
	}
	for (f = mp_fields(&m); mp_next(&f);) {
		if (MP_IS(f.key, "row"))
			f.ok = row_part(&m, d, format, &row, &have_row);
		else if (MP_IS(f.key, "ddl"))
			f.ok = ddl_part(&m, &ddl, &have_ddl);
		else if (MP_IS(f.key, "type"))
			f.ok = mp_i64(&m, &type);
		else
			f.ok = mp_other(&f);
	}
	if (!mp_whole(&f, 3))
		goto bad;
	if (m.p != m.end && !mp_fail(&m, "extra bytes after the record"))
		goto bad;
	if (have_row && have_ddl && !mp_fail(&m, "a row and a DDL in one record"))
		goto bad;
	if (type == REDO_ROW && have_row) {
		if ((ddl.type || ddl.table.db.n || ddl.table.table.n || ddl.table.id) &&
		    !mp_fail(&m, "a row record that describes a DDL"))
			goto bad;
		if (!side_finish(&m, &d->side[0], &row.n_columns) ||
		    !side_finish(&m, &d->side[1], &row.n_pre_columns))
			goto bad;
		if (!row.n_columns && !row.n_pre_columns && !mp_fail(&m, "a row without columns"))
			goto bad;
		if (row.n_columns && row.n_pre_columns && row.n_columns != row.n_pre_columns &&
		    !mp_fail(&m, "an update whose images differ in their number of columns"))
			goto bad;
		for (uint32_t i = 0; i < d->n_positions && d->n_indexes; i++)
			if ((uint32_t)d->positions[i] >=
				    (row.n_columns ? row.n_columns : row.n_pre_columns) &&
			    !mp_fail(&m, "an index column out of range"))
				goto bad;
		row.columns = d->side[0].c;
		row.pre_columns = d->side[1].c;
		row.indexes = d->indexes;
		row.n_indexes = d->n_indexes;
		ev->kind = REDO_ROW;
		ev->row = row;
		return 0;
	}
	if (type == REDO_DDL && have_ddl) {
		ev->kind = REDO_DDL;
		ev->ddl = ddl;
		return 0;
	}
	mp_fail(&m, type == REDO_ROW   ? "a row record without a row"
		    : type == REDO_DDL ? "a DDL record without a DDL"
				       : "an unknown record type");
bad:
	return err_set(e, ERR_BAD_DATA, 0, "record: byte %zu: %s", (size_t)(m.p - m.start), m.bad);
}

#define ADD_KEY(out, literal) mp_add_str(out, literal, sizeof(literal) - 1)

static void add_bytes(struct strbuf *out, const struct redo_bytes *s)
{
	mp_add_str(out, s->p, s->n);
}

static void add_table(struct strbuf *out, const struct redo_table *t)
{
	mp_add_map(out, 4);
	ADD_KEY(out, "db-name");
	add_bytes(out, &t->db);
	ADD_KEY(out, "tbl-name");
	add_bytes(out, &t->table);
	ADD_KEY(out, "tbl-id");
	mp_add_int(out, t->id);
	ADD_KEY(out, "is-partition");
	mp_add_bool(out, t->is_partition);
}

static void add_infos(struct strbuf *out, const struct redo_column *c, uint32_t n)
{
	mp_add_array(out, n);
	for (; n--; c++) {
		if (c->absent) {
			mp_add_nil(out);
			continue;
		}
		mp_add_map(out, 4);
		ADD_KEY(out, "name");
		add_bytes(out, &c->name);
		ADD_KEY(out, "type");
		mp_add_uint(out, c->type);
		ADD_KEY(out, "charset");
		add_bytes(out, &c->charset);
		ADD_KEY(out, "collation");
		add_bytes(out, &c->collation);
	}
}

/* NaN and infinities are written as 0, as TiCDC does: no SQL literal says them. */
static void add_value(struct strbuf *out, const struct redo_value *v)
{
	switch (v->kind) {
	case REDO_NULL: mp_add_nil(out); break;
	case REDO_INT: mp_add_int(out, v->i); break;
	case REDO_UINT: mp_add_uint(out, v->u); break;
	case REDO_F32: mp_add_f32(out, isfinite(v->f32) ? v->f32 : 0); break;
	case REDO_F64: mp_add_f64(out, isfinite(v->f64) ? v->f64 : 0); break;
	case REDO_STR: mp_add_str(out, v->s.p, v->s.n); break;
	case REDO_BIN: mp_add_bin(out, v->s.p, v->s.n); break;
	}
}

static void add_values(struct strbuf *out, const struct redo_column *c, uint32_t n)
{
	mp_add_array(out, n);
	for (; n--; c++) {
		mp_add_map(out, 3);
		ADD_KEY(out, "column");
		add_value(out, &c->value);
		ADD_KEY(out, "value-is-empty-bytes");
		mp_add_bool(out, c->value.kind == REDO_BIN && !c->value.s.n);
		ADD_KEY(out, "flag");
		mp_add_uint(out, c->flag);
	}
}

static void add_row(struct strbuf *out, const struct redo_row *r)
{
	mp_add_map(out, 3);
	ADD_KEY(out, "row");
	if (r) {
		mp_add_map(out, 6);
		ADD_KEY(out, "start-ts");
		mp_add_uint(out, r->start_ts);
		ADD_KEY(out, "commit-ts");
		mp_add_uint(out, r->commit_ts);
		ADD_KEY(out, "table");
		add_table(out, &r->table);
		ADD_KEY(out, "columns");
		add_infos(out, r->columns, r->n_columns);
		ADD_KEY(out, "pre-columns");
		add_infos(out, r->pre_columns, r->n_pre_columns);
		ADD_KEY(out, "index-columns");
		mp_add_array(out, r->n_indexes);
		for (uint32_t i = 0; i < r->n_indexes; i++) {
			mp_add_array(out, r->indexes[i].n);
			for (uint32_t k = 0; k < r->indexes[i].n; k++)
				mp_add_int(out, r->indexes[i].columns[k]);
		}
	} else {
		mp_add_nil(out);
	}
	ADD_KEY(out, "columns");
	add_values(out, r ? r->columns : NULL, r ? r->n_columns : 0);
	ADD_KEY(out, "pre-columns");
	add_values(out, r ? r->pre_columns : NULL, r ? r->n_pre_columns : 0);
}

static void add_ddl(struct strbuf *out, const struct redo_ddl *d)
{
	static const struct redo_table none = { .db = { "", 0 }, .table = { "", 0 } };

	mp_add_map(out, 3);
	ADD_KEY(out, "ddl");
	if (d) {
		mp_add_map(out, 4);
		ADD_KEY(out, "start-ts");
		mp_add_uint(out, d->start_ts);
		ADD_KEY(out, "commit-ts");
		mp_add_uint(out, d->commit_ts);
		ADD_KEY(out, "query");
		add_bytes(out, &d->query);
		ADD_KEY(out, "seq");
		mp_add_uint(out, d->seq);
	} else {
		mp_add_nil(out);
	}
	ADD_KEY(out, "type");
	mp_add_uint(out, d ? d->type : 0);
	ADD_KEY(out, "table-name");
	add_table(out, d ? &d->table : &none);
}

void redo_encode_frame(struct strbuf *out, const struct redo_event *ev)
{
	size_t start = out->len, n, pad;
	uint64_t field;

	strbuf_add(out, "\0\0\0\0\0\0\0\0\xff\xff\0\2", 12);
	mp_add_map(out, 3);
	ADD_KEY(out, "row");
	add_row(out, ev->kind == REDO_ROW ? &ev->row : NULL);
	ADD_KEY(out, "ddl");
	add_ddl(out, ev->kind == REDO_DDL ? &ev->ddl : NULL);
	ADD_KEY(out, "type");
	mp_add_int(out, ev->kind);
	n = out->len - start - 8;
	pad = (8 - n % 8) % 8;
	strbuf_add(out, "\0\0\0\0\0\0\0", pad);
	field = (uint64_t)n | (pad ? (uint64_t)(0x80 | pad) << 56 : 0);
	for (int i = 0; i < 8; i++)
		out->buf[start + (size_t)i] = (char)(field >> (8 * i));
}

int redo_meta_decode(struct redo_meta *out, const void *data, size_t n, struct err *e)
{
	struct mp m = { .start = data, .p = data, .end = (const unsigned char *)data + n };
	bool have_checkpoint = false, have_resolved = false;
	struct mp_fields f;
	int64_t version = 0;

	*out = (struct redo_meta){ 0 };
	for (f = mp_fields(&m); mp_next(&f);) {
		/* old releases spell it so */
		if (MP_IS(f.key, "checkpointTs") || MP_IS(f.key, "checkPointTs"))
			f.ok = have_checkpoint = mp_u64(&m, &out->checkpoint_ts);
		else if (MP_IS(f.key, "resolvedTs"))
			f.ok = have_resolved = mp_u64(&m, &out->resolved_ts);
		else if (MP_IS(f.key, "version"))
			f.ok = mp_i64(&m, &version) &&
			       (version == (int)version || mp_fail(&m, "a version out of range"));
		else
			f.ok = mp_other(&f);
	}
	out->version = (int)version;
	if (!mp_whole(&f, 3))
		goto bad;
	/* Without them it would say that there is nothing to replay. */
	if ((have_checkpoint && have_resolved) || mp_fail(&m, "no checkpointTs or no resolvedTs"))
		return 0;
bad:
	return err_set(e, ERR_BAD_DATA, 0, "meta: byte %zu: %s", (size_t)(m.p - m.start), m.bad);
}

void redo_meta_encode(struct strbuf *out, const struct redo_meta *m)
{
	mp_add_map(out, m->version ? 3 : 2);
	ADD_KEY(out, "checkpointTs");
	mp_add_uint(out, m->checkpoint_ts);
	ADD_KEY(out, "resolvedTs");
	mp_add_uint(out, m->resolved_ts);
	if (m->version) {
		ADD_KEY(out, "version");
		mp_add_int(out, m->version);
	}
}
