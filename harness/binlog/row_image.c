#include "harness/binlog/row_image.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/row_text.h"
#include "harness/binlog/binlog.h"

struct plan_column {
	struct table_map_column map; /* name: the table map's */
	/* position in the decoded row; -1: virtual, only stepped over */
	int out;
	enum column_type type;
	unsigned length;
	bool is_unsigned, is_key;
	const struct charset *text; /* NULL: bytes */
};
struct row_plan {
	struct table_map map;
	struct plan_column *columns; /* as the map's */
	struct redo_column *row;     /* as decoded, values empty */
	uint32_t n_row;
	int32_t *key; /* positions in columns, in the key's order */
	uint32_t n_key;
	struct redo_index *indexes;
	uint32_t n_indexes;
	struct redo_table table;
	bool lasting, given_up, keyless;
	struct strbuf converted;
	/* of the image at hand, as the map's; p NULL: NULL */
	struct row_field {
		const uint8_t *p;
		uint32_t n;
	} * fields;
};

int64_t binlog_table_id(const char *db, const char *table)
{
	char *name = xstrfmt("%s.%s", db, table);
	int64_t id = (int64_t)(XXH3_64bits(name, strlen(name)) & (((uint64_t)1 << 47) - 1));

	free(name);
	return id ? id : 1;
}

/* Which binary log types carry a column of the schema's type. */
bool row_type_fits(const struct column *c, const struct table_map_column *m)
{
	switch (c->type) {
	case COL_TINY:
	case COL_SHORT:
	case COL_LONG:
	case COL_LONGLONG:
	case COL_INT24:
	case COL_FLOAT:
	case COL_DOUBLE:
	case COL_YEAR:
	case COL_BIT:
	case COL_DECIMAL:
	case COL_ENUM:
	case COL_SET: return m->type == c->type; /* the codes are the same */
	case COL_DATE: return m->type == BT_DATE || m->type == BT_NEWDATE;
	case COL_TIME: return m->type == BT_TIME2 || m->type == BT_TIME;
	case COL_DATETIME: return m->type == BT_DATETIME2 || m->type == BT_DATETIME;
	case COL_TIMESTAMP: return m->type == BT_TIMESTAMP2 || m->type == BT_TIMESTAMP;
	case COL_VARCHAR:
	case COL_VARSTRING: return m->type == BT_VARCHAR || m->type == BT_VAR_STRING;
	case COL_STRING: return m->type == BT_STRING;
	case COL_TINYBLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB:
	case COL_BLOB:
	case COL_JSON:
		return m->type == BT_BLOB || m->type == BT_TINY_BLOB || m->type == BT_MEDIUM_BLOB ||
		       m->type == BT_LONG_BLOB;
	case COL_UNKNOWN: break;
	}
	return false;
}

static int plan_column(const struct row_plan *p, struct plan_column *pc, const struct column *c,
		       struct charsets *charsets, struct err *e)
{
	const char *db = p->map.db, *table = p->map.table;

	if (pc->map.name && strcmp(pc->map.name, c->name))
		return err_set(e, ERR_BAD_DATA, 0,
			       "%s.%s: the binary log has a column %s where the schema has %s: the "
			       "schema does not belong to this position",
			       db, table, pc->map.name, c->name);
	if (c->is_virtual) {
		pc->out = -1;
		return 0;
	}
	if (pc->map.type == BT_BLOB_COMPRESSED || pc->map.type == BT_VARCHAR_COMPRESSED)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "%s.%s.%s: a COMPRESSED column (%s) cannot be replicated", db, table,
			       c->name, c->sql_type);
	if (c->type == COL_UNKNOWN || pc->map.type == BT_GEOMETRY || pc->map.type == BT_JSON ||
	    pc->map.type == BT_DECIMAL_OLD)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s.%s.%s: type %s cannot be replicated", db,
			       table, c->name, c->sql_type);
	if (!row_type_fits(c, &pc->map))
		return err_set(
			e, ERR_BAD_DATA, 0,
			"%s.%s.%s: type %u in the binary log, %s in the schema: the schema does "
			"not belong to this position",
			db, table, c->name, pc->map.type, c->sql_type);
	if ((pc->map.type == BT_TIME || pc->map.type == BT_DATETIME ||
	     pc->map.type == BT_TIMESTAMP) &&
	    c->decimals)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"%s.%s.%s: fractional %s in the format of mysql56_temporal_format=OFF "
			"cannot be replicated: set it to ON and rebuild the table",
			db, table, c->name, c->sql_type);
	pc->type = c->type;
	pc->length = c->length;
	pc->is_unsigned = c->flags & COLF_UNSIGNED;
	switch (c->type) {
	case COL_VARCHAR:
	case COL_VARSTRING:
	case COL_STRING:
	case COL_TINYBLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB:
	case COL_BLOB:
	case COL_JSON:
		pc->text = charsets_get(charsets, c->charset, e);
		return pc->text ? 0 : err_wrap(e, "%s.%s.%s", db, table, c->name);
	case COL_TINY:
	case COL_SHORT:
	case COL_LONG:
	case COL_FLOAT:
	case COL_DOUBLE:
	case COL_TIMESTAMP:
	case COL_LONGLONG:
	case COL_INT24:
	case COL_DATE:
	case COL_TIME:
	case COL_DATETIME:
	case COL_YEAR:
	case COL_BIT:
	case COL_DECIMAL:
	case COL_ENUM:
	case COL_SET:
	case COL_UNKNOWN:
	default: return 0;
	}
}

static struct redo_bytes copy_bytes(const char *s)
{
	return (struct redo_bytes){ .p = xstrdup(s), .n = (uint32_t)strlen(s) };
}

/* Unique indexes by positions in the decoded row, virtual columns left out. Without a primary key
 * the reader allows one index alone that consists of handle key columns: the handle itself. */
static void plan_indexes(struct row_plan *p, const struct table_schema *s)
{
	bool primary = s->n_uniques && s->uniques[0].primary;

	p->indexes = xcalloc(s->n_uniques ? s->n_uniques : 1, sizeof(*p->indexes));
	for (size_t i = 0; i < s->n_uniques; i++) {
		const struct index_key *k = &s->uniques[i];
		int32_t *at = xcalloc(k->n_columns ? k->n_columns : 1, sizeof(*at));
		uint32_t n = 0;
		bool only_handle = true;

		for (size_t j = 0; j < k->n_columns; j++) {
			const struct plan_column *pc = &p->columns[k->columns[j]];

			if (pc->out < 0)
				continue;
			at[n++] = pc->out;
			only_handle = only_handle && pc->is_key;
		}
		if (!n || (!primary && only_handle && (int)i != s->handle)) {
			free(at);
			continue;
		}
		p->indexes[p->n_indexes++] = (struct redo_index){ .columns = at, .n = n };
	}
}

/* The engine as SHOW CREATE TABLE ends: ") ENGINE=Aria ..". What it does not tell is taken for one
 * with transactions, as a table is by default. */
bool schema_lasting(const struct table_schema *s)
{
	static const char *const transactional[] = { "InnoDB", "ROCKSDB", "TokuDB" };
	const char *at = s->create_sql ? schema_options(s->create_sql) : NULL;

	if (!at || strncmp(at, ") ENGINE=", 9))
		return false;
	at += strlen(") ENGINE=");
	for (size_t i = 0; i < sizeof(transactional) / sizeof(transactional[0]); i++)
		if (!strncasecmp(at, transactional[i], strlen(transactional[i])))
			return false;
	return true;
}

/* Behind the table's own columns the server keeps a hash of each unique key that it can't hold in
 * an index: of a BLOB, of a long text, of USING HASH. No statement shows it. */
static bool is_hidden_hash(const struct table_map_column *c)
{
	return c->type == BT_LONGLONG && (!c->name || !strncmp(c->name, "DB_ROW_HASH_", 12));
}

static int plan_fill(struct row_plan *p, const struct table_schema *s, struct charsets *charsets,
		     struct err *e)
{
	const struct index_key *handle;
	uint32_t n = 0, shown = p->map.n_columns;

	while (shown > s->n_columns && p->map.n_columns - shown < s->n_uniques &&
	       is_hidden_hash(&p->map.columns[shown - 1]))
		shown--;
	if (shown != s->n_columns)
		return err_set(
			e, ERR_BAD_DATA, 0,
			"%s.%s: %u columns in the binary log, %zu in the schema: the schema does "
			"not belong to this position",
			p->map.db, p->map.table, p->map.n_columns, s->n_columns);
	if (s->handle < 0 && !p->keyless && s->n_uniques && s->uniques[0].primary &&
	    s->uniques[0].prefix)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"%s.%s has a primary key on a column prefix, which does not identify a "
			"row",
			p->map.db, p->map.table);
	p->keyless = p->keyless && s->handle < 0;
	for (size_t i = 0; p->keyless && i < s->n_columns; i++)
		if ((s->columns[i].flags & COLF_GENERATED) && !s->columns[i].is_virtual)
			return err_set(
				e, ERR_UNSUPPORTED, 0,
				"%s.%s has no key, and the generated column %s: what the secondary "
				"computes could not be checked",
				p->map.db, p->map.table, s->columns[i].name);
	if (s->handle < 0 && !p->keyless)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"%s.%s has neither a primary key nor a unique key without NULLs: its "
			"changes cannot be replicated",
			p->map.db, p->map.table);
	p->columns = xcalloc(p->map.n_columns, sizeof(*p->columns));
	p->fields = xcalloc(p->map.n_columns, sizeof(*p->fields));
	p->row = xcalloc(p->map.n_columns, sizeof(*p->row));
	for (uint32_t i = 0; i < p->map.n_columns; i++) {
		p->columns[i].map = p->map.columns[i];
		p->columns[i].out = -1;
	}
	for (uint32_t i = 0; i < shown; i++) {
		const struct column *c = &s->columns[i];

		p->columns[i].out = (int)n;
		if (plan_column(p, &p->columns[i], c, charsets, e) < 0)
			return -1;
		if (p->columns[i].out < 0)
			continue;
		p->row[n] = (struct redo_column){ .name = copy_bytes(c->name),
						  .charset = copy_bytes(c->charset),
						  .collation = copy_bytes(c->collation),
						  .type = (uint8_t)c->type,
						  .flag = c->flags };
		p->n_row = ++n;
	}
	if (p->keyless)
		return 0;
	handle = &s->uniques[s->handle];
	p->key = xcalloc(handle->n_columns ? handle->n_columns : 1, sizeof(*p->key));
	for (size_t j = 0; j < handle->n_columns; j++) {
		struct plan_column *pc = &p->columns[handle->columns[j]];

		if (pc->out < 0)
			return err_set(
				e, ERR_UNSUPPORTED, 0,
				"%s.%s.%s: a virtual column in the key that identifies a row "
				"cannot be replicated",
				p->map.db, p->map.table, s->columns[handle->columns[j]].name);
		pc->is_key = true;
		p->key[p->n_key++] = handle->columns[j];
	}
	plan_indexes(p, s);
	return 0;
}

struct row_plan *row_plan_new(struct table_map *m, const struct table_schema *s,
			      struct charsets *charsets, bool keyless, struct err *e)
{
	struct row_plan *p = xcalloc(1, sizeof(*p));

	p->map = *m;
	*m = (struct table_map){ 0 };
	p->converted = (struct strbuf)STRBUF_INIT;
	p->lasting = schema_lasting(s);
	p->keyless = keyless;
	p->table = (struct redo_table){ .db = { p->map.db, (uint32_t)strlen(p->map.db) },
					.table = { p->map.table, (uint32_t)strlen(p->map.table) },
					.id = binlog_table_id(p->map.db, p->map.table) };
	if (plan_fill(p, s, charsets, e) < 0) {
		row_plan_free(p);
		return NULL;
	}
	return p;
}

void row_plan_free(struct row_plan *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->n_row; i++) {
		free((char *)(uintptr_t)p->row[i].name.p);
		free((char *)(uintptr_t)p->row[i].charset.p);
		free((char *)(uintptr_t)p->row[i].collation.p);
	}
	for (uint32_t i = 0; i < p->n_indexes; i++)
		free((int32_t *)(uintptr_t)p->indexes[i].columns);
	free(p->indexes);
	free(p->columns);
	free(p->fields);
	free(p->row);
	free(p->key);
	strbuf_release(&p->converted);
	table_map_release(&p->map);
	free(p);
}

const struct table_map *row_plan_map(const struct row_plan *p)
{
	return &p->map;
}

uint32_t row_plan_columns(const struct row_plan *p)
{
	return p->n_row;
}

const struct redo_table *row_plan_table(const struct row_plan *p)
{
	return &p->table;
}

const struct redo_index *row_plan_indexes(const struct row_plan *p, uint32_t *n)
{
	*n = p->n_indexes;
	return p->indexes;
}

bool row_plan_lasting(const struct row_plan *p)
{
	return p->lasting;
}

bool row_plan_keyless(const struct row_plan *p)
{
	return p->keyless;
}

void row_plan_give_up(struct row_plan *p)
{
	p->given_up = true;
}

bool row_plan_given_up(const struct row_plan *p)
{
	return p->given_up;
}

static int refuse_damaged(const struct row_plan *p, const char *what, struct err *e)
{
	return err_set(e, ERR_BAD_DATA, 0, "row image of %s.%s: %s", p->map.db, p->map.table, what);
}

static int damaged_at(const struct row_plan *p, const struct plan_column *pc, const char *what,
		      struct err *e)
{
	const struct redo_bytes *name = &p->row[pc->out].name;

	return err_set(e, ERR_BAD_DATA, 0, "row image of %s.%s.%.*s: %s", p->map.db, p->map.table,
		       (int)name->n, name->p, what);
}

static bool bit_at(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/* The form of an image: a bitmap of NULLs over the decoded columns, then each other column's bytes
 * as the event has them (they tell their own length). Two images are the same row if and only if
 * their bytes are. */
int row_plan_take(struct row_plan *p, const uint8_t **at, const uint8_t *end,
		  const uint8_t *present, struct strbuf *image, struct strbuf *key, struct err *e)
{
	const uint8_t *q = *at, *nulls;
	uint32_t n_present = 0, seen = 0;
	size_t null_bytes = (p->n_row + 7) / 8;

	for (uint32_t i = 0; i < p->map.n_columns; i++)
		n_present += bit_at(present, i);
	if ((size_t)(end - q) < (n_present + 7) / 8)
		return refuse_damaged(p, "truncated in its NULL bits", e);
	nulls = q;
	q += (n_present + 7) / 8;
	strbuf_reset(image);
	strbuf_grow(image, null_bytes);
	for (size_t i = 0; i < null_bytes; i++)
		strbuf_addch(image, 0);
	strbuf_reset(key);
	for (uint32_t i = 0; i < p->map.n_columns; i++) {
		const struct plan_column *pc = &p->columns[i];
		unsigned prefix;
		int64_t size;

		p->fields[i].p = NULL;
		if (!bit_at(present, i)) {
			if (pc->out >= 0)
				return err_set(
					e, ERR_UNSUPPORTED, 0,
					"row image of %s.%s lacks the column %.*s: the primary needs binlog_row_image=FULL",
					p->map.db, p->map.table, (int)p->row[pc->out].name.n,
					p->row[pc->out].name.p);
			continue;
		}
		if (bit_at(nulls, seen++)) {
			if (pc->out >= 0)
				image->buf[pc->out / 8] |= (char)(1 << pc->out % 8);
			continue;
		}
		size = table_map_field_bytes(&pc->map, q, (size_t)(end - q), &prefix);
		if (size < 0)
			return refuse_damaged(p, "cut off", e);
		p->fields[i].p = q;
		p->fields[i].n = (uint32_t)size;
		if (pc->out >= 0)
			strbuf_add(image, q, (size_t)size);
		q += size;
	}
	for (uint32_t k = 0; k < p->n_key; k++) {
		const struct row_field *f = &p->fields[p->key[k]];

		if (!f->p)
			return refuse_damaged(p, "NULL in its key", e);
		strbuf_add(key, f->p, f->n);
	}
	if (p->keyless)
		strbuf_add(key, image->buf, image->len);
	*at = q;
	return 0;
}

static struct redo_bytes keep_bytes(struct arena *mem, const void *p, size_t n)
{
	char *copy = arena_alloc(mem, n ? n : 1);

	memcpy(copy, p, n);
	return (struct redo_bytes){ .p = copy, .n = (uint32_t)n };
}

static void add_hex(struct strbuf *out, const char *s, size_t n)
{
	strbuf_addstr(out, "x'");
	for (size_t i = 0; i < n && i < 16; i++)
		strbuf_addf(out, "%02X", (unsigned char)s[i]);
	strbuf_addstr(out, n > 16 ? ".." : "'");
}

static int no_text(const struct row_plan *p, const struct plan_column *pc, const char *s, size_t n,
		   struct err *e)
{
	size_t at = charset_to_utf8(pc->text, s, n, NULL);
	const struct redo_column *c = &p->row[pc->out];
	struct strbuf bytes = STRBUF_INIT;

	add_hex(&bytes, s + at, n - at);
	err_set(e, ERR_UNSUPPORTED, 0,
		"%s.%s.%.*s: the bytes %s, at %zu, do not survive a conversion from %.*s and "
		"back, so the value cannot be replicated; use a VARBINARY or BLOB column for "
		"such bytes",
		p->map.db, p->map.table, (int)c->name.n, c->name.p, bytes.buf, at,
		(int)c->charset.n, c->charset.p);
	strbuf_release(&bytes);
	return -1;
}

static int string_value(struct row_plan *p, const struct plan_column *pc, const char *s, size_t n,
			struct arena *mem, struct redo_value *v, struct err *e)
{
	v->kind = pc->type == COL_JSON ? REDO_STR : REDO_BIN;
	if (pc->text) {
		bool as_it_is = charset_is_utf8(pc->text);

		strbuf_reset(&p->converted);
		if (charset_to_utf8(pc->text, s, n, as_it_is ? NULL : &p->converted) < n)
			return no_text(p, pc, s, n, e);
		if (!as_it_is) {
			v->s = keep_bytes(mem, p->converted.buf, p->converted.len);
			return 0;
		}
	}
	v->s = keep_bytes(mem, s, n);
	if (pc->type == COL_STRING &&
	    (p->row[pc->out].charset.n == 6 && !memcmp(p->row[pc->out].charset.p, "binary", 6))) {
		char *full; /* BINARY(n): the event leaves its trailing zero bytes out */

		if (n > pc->length || pc->length > 255)
			return damaged_at(p, pc, "longer than its declaration", e);
		full = arena_alloc(mem, pc->length ? pc->length : 1);
		memcpy(full, s, n);
		memset(full + n, 0, pc->length - n);
		v->s = (struct redo_bytes){ .p = full, .n = pc->length };
	}
	return 0;
}

static int field_value(struct row_plan *p, const struct plan_column *pc, const uint8_t *f, size_t n,
		       unsigned prefix, struct arena *mem, struct redo_value *v, struct err *e)
{
	char text[ROW_TEXT_MAX];
	int len;
	uint32_t u32;
	uint64_t u;

	switch (pc->type) {
	case COL_TINY:
	case COL_SHORT:
	case COL_INT24:
	case COL_LONG:
	case COL_LONGLONG:
		u = binlog_le(f, (unsigned)n);
		if (pc->is_unsigned) {
			v->kind = REDO_UINT;
			v->u = u;
		} else {
			unsigned shift = 64 - 8 * (unsigned)n;

			v->kind = REDO_INT;
			v->i = (int64_t)(u << shift) >> shift;
		}
		return 0;
	case COL_YEAR:
		v->kind = REDO_INT;
		v->i = f[0] ? 1900 + f[0] : 0;
		return 0;
	case COL_FLOAT:
		u32 = (uint32_t)binlog_le(f, 4);
		v->kind = REDO_F32;
		memcpy(&v->f32, &u32, 4);
		if (!isfinite(v->f32))
			v->f32 = 0; /* as TiCDC writes it */
		return 0;
	case COL_DOUBLE:
		u = binlog_le(f, 8);
		v->kind = REDO_F64;
		memcpy(&v->f64, &u, 8);
		if (!isfinite(v->f64))
			v->f64 = 0;
		return 0;
	case COL_BIT:
		v->kind = REDO_UINT;
		v->u = binlog_be(f, (unsigned)n);
		return 0;
	case COL_ENUM:
	case COL_SET:
		v->kind = REDO_UINT;
		v->u = binlog_le(f, (unsigned)n);
		return 0;
	case COL_DECIMAL:
	case COL_DATE:
	case COL_TIME:
	case COL_DATETIME:
	case COL_TIMESTAMP:
		len = pc->type == COL_DECIMAL ? row_text_decimal(&pc->map, f, n, text)
					      : row_text_temporal(&pc->map, f, text);
		if (len < 0)
			return damaged_at(p, pc, "not a value of its type", e);
		v->kind = REDO_STR;
		v->s = keep_bytes(mem, text, (size_t)len);
		return 0;
	case COL_VARCHAR:
	case COL_JSON:
	case COL_TINYBLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB:
	case COL_BLOB:
	case COL_VARSTRING:
	case COL_STRING:
	case COL_UNKNOWN:
	default: return string_value(p, pc, (const char *)f + prefix, n - prefix, mem, v, e);
	}
}

/* Names the row by its key, where that can be read. */
static int of_row(struct row_plan *p, const void *image, size_t n, struct err *e)
{
	const uint8_t *nulls = image, *q = nulls + (p->n_row + 7) / 8, *end = nulls + n;
	struct strbuf key = STRBUF_INIT;
	struct arena mem = { 0 };

	for (uint32_t i = 0; i < p->map.n_columns; i++) {
		const struct plan_column *pc = &p->columns[i];
		struct redo_value v = { .kind = REDO_NULL };
		unsigned prefix;
		int64_t size;

		if (pc->out < 0 || bit_at(nulls, (uint32_t)pc->out))
			continue;
		size = table_map_field_bytes(&pc->map, q, (size_t)(end - q), &prefix);
		if (size < 0)
			break;
		if (pc->is_key) {
			strbuf_addf(&key, "%s%.*s=", key.len ? ", " : "",
				    (int)p->row[pc->out].name.n, p->row[pc->out].name.p);
			if (field_value(p, pc, q, (size_t)size, prefix, &mem, &v,
					&(struct err)ERR_INIT) < 0 ||
			    v.kind == REDO_BIN)
				add_hex(&key, (const char *)q + prefix, (size_t)size - prefix);
			else if (v.kind == REDO_STR)
				strbuf_addf(&key, "%.*s", (int)v.s.n, v.s.p);
			else if (v.kind == REDO_INT)
				strbuf_addf(&key, "%" PRId64, v.i);
			else
				strbuf_addf(&key, "%" PRIu64, v.u);
		}
		q += size;
	}
	err_wrap(e, "the row with the key %s", key.buf);
	strbuf_release(&key);
	arena_release(&mem);
	return -1;
}

int row_plan_decode(struct row_plan *p, const void *image, size_t n, struct arena *mem,
		    struct redo_column *out, struct err *e)
{
	const uint8_t *nulls = image, *q = nulls + (p->n_row + 7) / 8, *end = nulls + n;

	if (n < (p->n_row + 7) / 8)
		return refuse_damaged(p, "cut off", e);
	for (uint32_t i = 0; i < p->map.n_columns; i++) {
		const struct plan_column *pc = &p->columns[i];
		struct redo_column *c = &out[pc->out < 0 ? 0 : pc->out];
		unsigned prefix;
		int64_t size;

		if (pc->out < 0)
			continue;
		*c = p->row[pc->out];
		if (bit_at(nulls, (uint32_t)pc->out)) {
			c->value = (struct redo_value){ .kind = REDO_NULL };
			continue;
		}
		size = table_map_field_bytes(&pc->map, q, (size_t)(end - q), &prefix);
		if (size < 0)
			return refuse_damaged(p, "cut off", e);
		if (field_value(p, pc, q, (size_t)size, prefix, mem, &c->value, e) < 0)
			return e->kind == ERR_UNSUPPORTED ? of_row(p, image, n, e) : -1;
		q += size;
	}
	return q == end ? 0 : refuse_damaged(p, "extra bytes after its last column", e);
}
