#include "harness/binlog/table_map.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

enum { /* of the optional metadata: type, packed length, data */
       META_SIGNEDNESS = 1,
       META_DEFAULT_CHARSET = 2,
       META_COLUMN_CHARSET = 3,
       META_COLUMN_NAME = 4,
       META_SIMPLE_PRIMARY_KEY = 8,
       META_PRIMARY_KEY_WITH_PREFIX = 9,
       META_ENUM_AND_SET_DEFAULT_CHARSET = 10,
       META_ENUM_AND_SET_COLUMN_CHARSET = 11,
};

size_t binlog_packed_int(const uint8_t *p, size_t n, uint64_t *out)
{
	unsigned more;

	if (!n)
		return 0;
	if (p[0] < 251) {
		*out = p[0];
		return 1;
	}
	more = p[0] == 252 ? 2 : p[0] == 253 ? 3 : p[0] == 254 ? 8 : 0;
	if (!more || n - 1 < more)
		return 0;
	*out = binlog_le(p + 1, more);
	return 1 + more;
}

/* Takes a column's metadata; returns its bytes, -1 if they are cut off or the type is unknown. */
static int column_meta(struct table_map_column *c, const uint8_t *p, size_t n)
{
	switch ((enum binlog_type)c->type) {
	case BT_FLOAT:
	case BT_DOUBLE: return n < 1 ? -1 : 1; /* the size, always 4 and 8 */
	case BT_TINY_BLOB:
	case BT_MEDIUM_BLOB:
	case BT_LONG_BLOB:
	case BT_BLOB:
	case BT_BLOB_COMPRESSED:
	case BT_JSON:
	case BT_GEOMETRY:
		if (n < 1 || p[0] < 1 || p[0] > 4)
			return -1;
		c->length = p[0];
		return 1;
	case BT_VARCHAR:
	case BT_VARCHAR_COMPRESSED:
		if (n < 2)
			return -1;
		c->length = (uint32_t)binlog_le(p, 2);
		return 2;
	case BT_STRING:
	case BT_ENUM:
	case BT_SET:
	case BT_VAR_STRING:
		if (n < 2)
			return -1;
		/* lengths from 256 borrow two bits of the type, inverted */
		if ((p[0] & 0x30) != 0x30) {
			c->length = p[1] | (uint32_t)((p[0] & 0x30) ^ 0x30) << 4;
			c->type = p[0] | 0x30;
		} else {
			c->length = p[1];
			c->type = p[0];
		}
		if (c->type != BT_STRING && c->type != BT_ENUM && c->type != BT_SET &&
		    c->type != BT_VAR_STRING)
			return -1;
		if ((c->type == BT_ENUM && c->length != 1 && c->length != 2) ||
		    (c->type == BT_SET && (c->length < 1 || c->length > 8)))
			return -1;
		return 2;
	case BT_NEWDECIMAL:
		if (n < 2 || p[0] < 1 || p[0] > 65 || p[1] > 38 || p[1] > p[0])
			return -1;
		c->length = p[0];
		c->decimals = p[1];
		return 2;
	case BT_BIT:
		if (n < 2 || p[0] > 7 || p[1] * 8 + p[0] < 1 || p[1] * 8 + p[0] > 64)
			return -1;
		c->length = p[1] * 8u + p[0];
		return 2;
	case BT_TIMESTAMP2:
	case BT_DATETIME2:
	case BT_TIME2:
		if (n < 1 || p[0] > 6)
			return -1;
		c->decimals = p[0];
		return 1;
	case BT_TINY:
	case BT_SHORT:
	case BT_LONG:
	case BT_NULL:
	case BT_TIMESTAMP:
	case BT_LONGLONG:
	case BT_INT24:
	case BT_DATE:
	case BT_TIME:
	case BT_DATETIME:
	case BT_YEAR:
	case BT_NEWDATE: return 0;
	case BT_DECIMAL_OLD:
	default: return -1;
	}
}

static int take_name(const uint8_t **p, const uint8_t *end, char **out)
{
	size_t n;

	if (end - *p < 2)
		return -1;
	n = (*p)[0];
	if ((size_t)(end - *p) < n + 2 || (*p)[1 + n] || memchr(*p + 1, 0, n))
		return -1;
	*out = xstrndup((const char *)*p + 1, n);
	*p += n + 2;
	return 0;
}

static int take_column_names(struct table_map *m, const uint8_t *p, const uint8_t *end)
{
	for (uint32_t i = 0; i < m->n_columns; i++) {
		uint64_t len = 0;
		size_t k = binlog_packed_int(p, (size_t)(end - p), &len);

		if (!k || len > (uint64_t)(end - p) - k || m->columns[i].name)
			return -1;
		m->columns[i].name = xstrndup((const char *)p + k, (size_t)len);
		p += k + len;
	}
	return p == end ? 0 : -1;
}

/* The metadata lists signedness and collations by kind of column. Bytes are text, too: their
 * collation is 63. */
enum kind { OTHER, NUMBER, TEXT, ENUM_OR_SET };
static enum kind kind_of(const struct table_map_column *c)
{
	switch ((enum binlog_type)c->type) {
	case BT_TINY:
	case BT_SHORT:
	case BT_INT24:
	case BT_LONG:
	case BT_LONGLONG:
	case BT_FLOAT:
	case BT_DOUBLE:
	case BT_NEWDECIMAL:
	case BT_YEAR: return NUMBER;
	case BT_STRING:
	case BT_VAR_STRING:
	case BT_VARCHAR:
	case BT_VARCHAR_COMPRESSED:
	case BT_TINY_BLOB:
	case BT_MEDIUM_BLOB:
	case BT_LONG_BLOB:
	case BT_BLOB:
	case BT_BLOB_COMPRESSED:
	case BT_GEOMETRY: return TEXT;
	case BT_ENUM:
	case BT_SET: return ENUM_OR_SET;
	case BT_DECIMAL_OLD:
	case BT_NULL:
	case BT_TIMESTAMP:
	case BT_DATE:
	case BT_TIME:
	case BT_DATETIME:
	case BT_NEWDATE:
	case BT_BIT:
	case BT_TIMESTAMP2:
	case BT_DATETIME2:
	case BT_TIME2:
	case BT_JSON:
	default: return OTHER;
	}
}

/* A bit for each number, the first in the highest bit. */
static int take_signedness(struct table_map *m, const uint8_t *p, const uint8_t *end)
{
	size_t n = 0;

	for (uint32_t i = 0; i < m->n_columns; i++) {
		if (kind_of(&m->columns[i]) != NUMBER)
			continue;
		if (n / 8 >= (size_t)(end - p))
			return -1;
		m->columns[i].is_unsigned = p[n / 8] >> (7 - n % 8) & 1;
		n++;
	}
	return (size_t)(end - p) == (n + 7) / 8 ? 0 : -1;
}

static bool take_number(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
	size_t k = binlog_packed_int(*p, (size_t)(end - *p), out);

	*p += k;
	return k;
}

/* One collation for each column of the kind, or one for all and those that have another: by their
 * place among the columns of the kind. */
static int take_collations(struct table_map *m, enum kind kind, bool with_default, const uint8_t *p,
			   const uint8_t *end)
{
	uint64_t id = 0, at = 0, nth = 0;

	if (with_default && !take_number(&p, end, &id))
		return -1;
	for (uint32_t i = 0; with_default && i < m->n_columns; i++)
		if (kind_of(&m->columns[i]) == kind)
			m->columns[i].collation = (unsigned)id;
	for (uint32_t i = 0; i < m->n_columns && p < end; i++) {
		const uint8_t *pair = p;

		if (kind_of(&m->columns[i]) != kind)
			continue;
		if (with_default && !take_number(&pair, end, &at))
			return -1;
		if (!with_default || at == nth) {
			if (!take_number(&pair, end, &id))
				return -1;
			m->columns[i].collation = (unsigned)id;
			p = pair;
		}
		nth++;
	}
	return p == end ? 0 : -1;
}

static int take_primary(struct table_map *m, bool with_prefix, const uint8_t *p, const uint8_t *end)
{
	uint64_t at = 0, prefix = 0;

	while (p < end) {
		if (!take_number(&p, end, &at) || at >= m->n_columns ||
		    m->n_primary >= m->n_columns || (with_prefix && !take_number(&p, end, &prefix)))
			return -1;
		m->primary = xreallocarray(m->primary, m->n_primary + 1, sizeof(*m->primary));
		m->primary[m->n_primary++] = (uint32_t)at;
		m->primary_prefix = m->primary_prefix || prefix;
	}
	return 0;
}

static int take_metadata(struct table_map *m, uint8_t what, const uint8_t *p, const uint8_t *end)
{
	switch (what) {
	case META_SIGNEDNESS: return take_signedness(m, p, end);
	case META_DEFAULT_CHARSET:
	case META_COLUMN_CHARSET:
		return take_collations(m, TEXT, what == META_DEFAULT_CHARSET, p, end);
	case META_ENUM_AND_SET_DEFAULT_CHARSET:
	case META_ENUM_AND_SET_COLUMN_CHARSET:
		return take_collations(m, ENUM_OR_SET, what == META_ENUM_AND_SET_DEFAULT_CHARSET, p,
				       end);
	case META_SIMPLE_PRIMARY_KEY:
	case META_PRIMARY_KEY_WITH_PREFIX:
		return take_primary(m, what == META_PRIMARY_KEY_WITH_PREFIX, p, end);
	default: return 0;
	}
}

static int parse(struct table_map *m, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *meta, *meta_end;
	uint64_t n = 0;
	bool told = true;
	size_t k;

	if (end - p < 8)
		return -1;
	p += 8; /* the table's number and flags */
	if (take_name(&p, end, &m->db) < 0 || take_name(&p, end, &m->table) < 0)
		return -1;
	k = binlog_packed_int(p, (size_t)(end - p), &n);
	if (!k || !n || n > TABLE_MAP_COLUMNS_MAX || n > (uint64_t)(end - p) - k)
		return -1;
	p += k;
	m->n_columns = (uint32_t)n;
	m->columns = xcalloc(m->n_columns, sizeof(*m->columns));
	for (uint32_t i = 0; i < m->n_columns; i++)
		m->columns[i].type = p[i];
	p += n;
	k = binlog_packed_int(p, (size_t)(end - p), &n);
	if (!k || n > (uint64_t)(end - p) - k)
		return -1;
	meta = p + k;
	meta_end = p = meta + n;
	for (uint32_t i = 0; i < m->n_columns; i++) {
		int used = column_meta(&m->columns[i], meta, (size_t)(meta_end - meta));

		if (used < 0)
			return -1;
		meta += used;
	}
	if (meta != meta_end || (size_t)(end - p) < (m->n_columns + 7) / 8)
		return -1;
	for (uint32_t i = 0; i < m->n_columns; i++)
		m->columns[i].nullable = p[i / 8] >> i % 8 & 1;
	p += (m->n_columns + 7) / 8;
	while (p < end) {
		uint8_t what = *p++;

		k = binlog_packed_int(p, (size_t)(end - p), &n);
		if (!k || n > (uint64_t)(end - p) - k)
			return -1;
		p += k;
		if (what == META_COLUMN_NAME && take_column_names(m, p, p + n) < 0)
			return -1;
		told = take_metadata(m, what, p, p + n) == 0 && told;
		p += n;
	}
	if (!told) /* by a server that we do not know: then nothing stands on it */
		m->n_primary = 0;
	return 0;
}

int table_map_parse(struct table_map *m, const uint8_t *body, size_t n, struct err *e)
{
	*m = (struct table_map){ 0 };
	if (parse(m, body, body + n) == 0)
		return 0;
	if (m->db && m->table)
		err_set(e, ERR_BAD_DATA, 0,
			"table map of %s.%s: damaged, or with an unknown column type", m->db,
			m->table);
	else
		err_set(e, ERR_BAD_DATA, 0, "damaged table map event");
	table_map_release(m);
	return -1;
}

void table_map_release(struct table_map *m)
{
	for (uint32_t i = 0; m->columns && i < m->n_columns; i++)
		free(m->columns[i].name);
	free(m->columns);
	free(m->primary);
	free(m->db);
	free(m->table);
	*m = (struct table_map){ 0 };
}

bool table_map_is_sequence(const struct table_map *m)
{
	static const char *const names[] = {
		"next_not_cached_value", "minimum_value", "maximum_value",
		"start_value",           "increment",     "cache_size",
		"cycle_option",          "cycle_count"
	};
	bool is = m->n_columns == sizeof(names) / sizeof(names[0]);

	for (uint32_t i = 0; is && i < m->n_columns; i++)
		is = m->columns[i].name && !strcmp(m->columns[i].name, names[i]);
	return is;
}

int table_map_equal(const struct table_map *a, const struct table_map *b)
{
	if (a->n_columns != b->n_columns)
		return 0;
	for (uint32_t i = 0; i < a->n_columns; i++) {
		const struct table_map_column *x = &a->columns[i], *y = &b->columns[i];

		if (x->type != y->type || x->length != y->length || x->decimals != y->decimals)
			return 0;
	}
	return 1;
}

static const uint8_t decimal_bytes[10] = { 0, 1, 1, 2, 2, 3, 3, 4, 4, 4 }; /* of 0..9 digits */

int64_t table_map_field_bytes(const struct table_map_column *c, const uint8_t *p, size_t n,
			      unsigned *prefix)
{
	uint64_t size = 0;
	unsigned whole;

	*prefix = 0;
	switch ((enum binlog_type)c->type) {
	case BT_NULL: break;
	case BT_TINY:
	case BT_YEAR: size = 1; break;
	case BT_SHORT: size = 2; break;
	case BT_INT24:
	case BT_DATE:
	case BT_NEWDATE:
	case BT_TIME: size = 3; break;
	case BT_LONG:
	case BT_FLOAT:
	case BT_TIMESTAMP: size = 4; break;
	case BT_LONGLONG:
	case BT_DOUBLE:
	case BT_DATETIME: size = 8; break;
	case BT_TIMESTAMP2: size = 4u + (c->decimals + 1u) / 2; break;
	case BT_DATETIME2: size = 5u + (c->decimals + 1u) / 2; break;
	case BT_TIME2: size = 3u + (c->decimals + 1u) / 2; break;
	case BT_NEWDECIMAL:
		whole = c->length - c->decimals;
		size = whole / 9 * 4 + decimal_bytes[whole % 9] + c->decimals / 9u * 4 +
		       decimal_bytes[c->decimals % 9];
		break;
	case BT_BIT: size = (c->length + 7) / 8; break;
	case BT_ENUM:
	case BT_SET: size = c->length; break;
	case BT_STRING:
	case BT_VAR_STRING:
	case BT_VARCHAR:
	case BT_VARCHAR_COMPRESSED: *prefix = c->length < 256 ? 1 : 2; break;
	case BT_TINY_BLOB:
	case BT_MEDIUM_BLOB:
	case BT_LONG_BLOB:
	case BT_BLOB:
	case BT_BLOB_COMPRESSED:
	case BT_JSON:
	case BT_GEOMETRY: *prefix = c->length; break;
	case BT_DECIMAL_OLD:
	default: return -1;
	}
	if (*prefix) {
		if (n < *prefix)
			return -1;
		size = *prefix + binlog_le(p, *prefix);
	}
	return size > n ? -1 : (int64_t)size;
}
