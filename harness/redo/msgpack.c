#include "harness/redo/msgpack.h"

static uint64_t big_endian(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

/* The n bytes of a number behind the byte at p. */
static bool read_number(struct mp *m, unsigned n, uint64_t *v)
{
	if (mp_left(m) < 1 + (size_t)n)
		return mp_fail(m, "cut short");
	*v = big_endian(m->p + 1, n);
	m->p += 1 + n;
	return true;
}

bool mp_map(struct mp *m, uint32_t *n)
{
	uint64_t v;

	if (m->p >= m->end)
		return mp_fail(m, "cut short");
	if ((*m->p & 0xf0) == 0x80)
		v = *m->p++ & 15;
	else if (*m->p != 0xde && *m->p != 0xdf)
		return mp_fail(m, "a map is expected");
	else if (!read_number(m, *m->p == 0xde ? 2 : 4, &v))
		return false;
	if (v > mp_left(m) / 2)
		return mp_fail(m, "a map larger than its record");
	*n = (uint32_t)v;
	return true;
}

bool mp_array(struct mp *m, uint32_t *n)
{
	uint64_t v;

	if (m->p >= m->end)
		return mp_fail(m, "cut short");
	if ((*m->p & 0xf0) == 0x90)
		v = *m->p++ & 15;
	else if (*m->p == 0xc0) { /* Go writes a nil slice so */
		m->p++;
		v = 0;
	} else if (*m->p != 0xdc && *m->p != 0xdd)
		return mp_fail(m, "an array is expected");
	else if (!read_number(m, *m->p == 0xdc ? 2 : 4, &v))
		return false;
	if (v > mp_left(m))
		return mp_fail(m, "an array larger than its record");
	*n = (uint32_t)v;
	return true;
}

static bool read_bytes(struct mp *m, uint64_t n, struct redo_bytes *s)
{
	if (n > mp_left(m))
		return mp_fail(m, "a string larger than its record");
	s->p = (const char *)m->p;
	s->n = (uint32_t)n;
	m->p += n;
	return true;
}

bool mp_str(struct mp *m, struct redo_bytes *s)
{
	uint64_t n;

	if (m->p >= m->end)
		return mp_fail(m, "cut short");
	if ((*m->p & 0xe0) == 0xa0) {
		n = *m->p++ & 31;
		return read_bytes(m, n, s);
	}
	if (*m->p < 0xd9 || *m->p > 0xdb)
		return mp_fail(m, "a string is expected");
	return read_number(m, 1u << (*m->p - 0xd9), &n) && read_bytes(m, n, s);
}

/* Any integer: *negative tells whether *v is to be read as int64. */
static bool read_integer(struct mp *m, uint64_t *v, bool *is_signed)
{
	unsigned char c;

	if (m->p >= m->end)
		return mp_fail(m, "cut short");
	c = *m->p;
	*is_signed = true;
	if (c < 0x80) {
		*v = c;
		m->p++;
		return true;
	}
	if (c >= 0xe0) {
		*v = (uint64_t)(int64_t)(int8_t)c;
		m->p++;
		return true;
	}
	if (c >= 0xcc && c <= 0xcf) {
		*is_signed = false;
		return read_number(m, 1u << (c - 0xcc), v);
	}
	if (c < 0xd0 || c > 0xd3)
		return mp_fail(m, "an integer is expected");
	if (!read_number(m, 1u << (c - 0xd0), v))
		return false;
	if (c == 0xd0)
		*v = (uint64_t)(int64_t)(int8_t)*v;
	else if (c == 0xd1)
		*v = (uint64_t)(int64_t)(int16_t)*v;
	else if (c == 0xd2)
		*v = (uint64_t)(int64_t)(int32_t)*v;
	return true;
}

bool mp_u64(struct mp *m, uint64_t *v)
{
	bool is_signed;

	if (!read_integer(m, v, &is_signed))
		return false;
	return !is_signed || (int64_t)*v >= 0
		       ? true
		       : mp_fail(m, "a negative number where none is allowed");
}

bool mp_i64(struct mp *m, int64_t *v)
{
	bool is_signed;
	uint64_t u;

	if (!read_integer(m, &u, &is_signed))
		return false;
	if (!is_signed && u > INT64_MAX)
		return mp_fail(m, "a number out of range");
	*v = (int64_t)u;
	return true;
}

bool mp_bool(struct mp *m, bool *v)
{
	if (m->p >= m->end)
		return mp_fail(m, "cut short");
	if (*m->p != 0xc2 && *m->p != 0xc3)
		return mp_fail(m, "a boolean is expected");
	*v = *m->p++ == 0xc3;
	return true;
}

bool mp_value(struct mp *m, struct redo_value *v)
{
	uint64_t u;
	uint32_t w;
	unsigned char c;
	bool is_signed;

	if (m->p >= m->end)
		return mp_fail(m, "cut short");
	c = *m->p;
	switch (c) {
	case 0xc0:
		m->p++;
		v->kind = REDO_NULL;
		return true;
	case 0xc4:
	case 0xc5:
	case 0xc6:
		v->kind = REDO_BIN;
		return read_number(m, 1u << (c - 0xc4), &u) && read_bytes(m, u, &v->s);
	case 0xca:
		if (!read_number(m, 4, &u))
			return false;
		w = (uint32_t)u;
		v->kind = REDO_F32;
		memcpy(&v->f32, &w, 4);
		return true;
	case 0xcb:
		if (!read_number(m, 8, &u))
			return false;
		v->kind = REDO_F64;
		memcpy(&v->f64, &u, 8);
		return true;
	default: break;
	}
	if ((c & 0xe0) == 0xa0 || (c >= 0xd9 && c <= 0xdb)) {
		v->kind = REDO_STR;
		return mp_str(m, &v->s);
	}
	if (c < 0x80 || c >= 0xe0 || (c >= 0xcc && c <= 0xd3)) {
		if (!read_integer(m, &u, &is_signed))
			return false;
		v->kind = is_signed ? REDO_INT : REDO_UINT;
		v->u = u;
		return true;
	}
	return mp_fail(m, "a column value is expected");
}

bool mp_skip(struct mp *m)
{
	struct redo_bytes s;
	uint64_t pending = 1, v;

	while (pending--) {
		unsigned char c;
		uint32_t n;

		if (m->p >= m->end)
			return mp_fail(m, "cut short");
		c = *m->p;
		if (c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3) {
			m->p++;
		} else if ((c & 0xf0) == 0x80 || c == 0xde || c == 0xdf) {
			if (!mp_map(m, &n))
				return false;
			pending += (uint64_t)n * 2;
		} else if ((c & 0xf0) == 0x90 || c == 0xdc || c == 0xdd) {
			if (!mp_array(m, &n))
				return false;
			pending += n;
		} else if ((c & 0xe0) == 0xa0 || (c >= 0xd9 && c <= 0xdb)) {
			if (!mp_str(m, &s))
				return false;
		} else if (c >= 0xc4 && c <= 0xc6) {
			if (!read_number(m, 1u << (c - 0xc4), &v) || !read_bytes(m, v, &s))
				return false;
		} else if (c >= 0xc7 && c <= 0xc9) { /* ext: length, type, bytes */
			if (!read_number(m, 1u << (c - 0xc7), &v) || !read_bytes(m, v + 1, &s))
				return false;
		} else if (c >= 0xd4 && c <= 0xd8) { /* fixext: type, 1 to 16 bytes */
			m->p++;
			if (!read_bytes(m, 1 + (1u << (c - 0xd4)), &s))
				return false;
		} else if (c == 0xc1) {
			return mp_fail(m, "a byte that MessagePack never uses");
		} else if (!read_number(m,
					c == 0xca   ? 4
					: c == 0xcb ? 8
						    : 1u << ((c - 0xcc) & 3),
					&v)) {
			return false;
		}
	}
	return true;
}

static void add_number(struct strbuf *out, unsigned char form, uint64_t v, unsigned n)
{
	char b[9];

	b[0] = (char)form;
	for (unsigned i = 0; i < n; i++)
		b[1 + i] = (char)(v >> (8 * (n - 1 - i)));
	strbuf_add(out, b, 1 + n);
}

void mp_add_map(struct strbuf *out, uint32_t n)
{
	if (n < 16)
		strbuf_addch(out, (char)(0x80 | n));
	else
		add_number(out, n < 65536 ? 0xde : 0xdf, n, n < 65536 ? 2 : 4);
}

void mp_add_array(struct strbuf *out, uint32_t n)
{
	if (n < 16)
		strbuf_addch(out, (char)(0x90 | n));
	else
		add_number(out, n < 65536 ? 0xdc : 0xdd, n, n < 65536 ? 2 : 4);
}

void mp_add_str(struct strbuf *out, const char *s, uint32_t n)
{
	if (n < 32)
		strbuf_addch(out, (char)(0xa0 | n));
	else
		add_number(out,
			   n < 256     ? 0xd9
			   : n < 65536 ? 0xda
				       : 0xdb,
			   n,
			   n < 256     ? 1
			   : n < 65536 ? 2
				       : 4);
	strbuf_add(out, s, n);
}

void mp_add_bin(struct strbuf *out, const char *s, uint32_t n)
{
	add_number(out,
		   n < 256     ? 0xc4
		   : n < 65536 ? 0xc5
			       : 0xc6,
		   n,
		   n < 256     ? 1
		   : n < 65536 ? 2
			       : 4);
	strbuf_add(out, s, n);
}

void mp_add_uint(struct strbuf *out, uint64_t v)
{
	if (v < 128)
		strbuf_addch(out, (char)v);
	else if (v <= UINT8_MAX)
		add_number(out, 0xcc, v, 1);
	else if (v <= UINT16_MAX)
		add_number(out, 0xcd, v, 2);
	else if (v <= UINT32_MAX)
		add_number(out, 0xce, v, 4);
	else
		add_number(out, 0xcf, v, 8);
}

void mp_add_int(struct strbuf *out, int64_t v)
{
	uint64_t u = (uint64_t)v;

	if (v >= -32 && v < 128)
		strbuf_addch(out, (char)v);
	else if (v < 0 && v >= INT8_MIN)
		add_number(out, 0xd0, u, 1);
	else if (v >= INT16_MIN && v <= INT16_MAX)
		add_number(out, 0xd1, u, 2);
	else if (v >= INT32_MIN && v <= INT32_MAX)
		add_number(out, 0xd2, u, 4);
	else
		add_number(out, 0xd3, u, 8);
}

void mp_add_bool(struct strbuf *out, bool v)
{
	strbuf_addch(out, (char)(v ? 0xc3 : 0xc2));
}

void mp_add_nil(struct strbuf *out)
{
	strbuf_addch(out, (char)0xc0);
}

void mp_add_f32(struct strbuf *out, float v)
{
	uint32_t u;

	memcpy(&u, &v, 4);
	add_number(out, 0xca, u, 4);
}

void mp_add_f64(struct strbuf *out, double v)
{
	uint64_t u;

	memcpy(&u, &v, 8);
	add_number(out, 0xcb, u, 8);
}
