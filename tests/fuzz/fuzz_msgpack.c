/* lib: redo */
/* Walks any bytes as MessagePack: every reader that takes a value takes exactly what mp_skip()
 * skips, and what is written again from it reads as the same. */
#include <stdlib.h>
#include <string.h>

#include "harness/redo/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(fact)              \
	do {                     \
		if (!(fact))     \
			abort(); \
	} while (0)

static struct mp over(const struct strbuf *s)
{
	const unsigned char *p = (const unsigned char *)s->buf;

	return (struct mp){ .start = p, .p = p, .end = p + s->len };
}

/* Bytes compare: a NaN is what it was. */
static bool same(const struct redo_value *a, const struct redo_value *b)
{
	switch (a->kind) {
	case REDO_NULL: return b->kind == REDO_NULL;
	case REDO_INT:
	case REDO_UINT: /* a number that fits both kinds may change its kind */
		return (b->kind == REDO_INT || b->kind == REDO_UINT) && a->u == b->u &&
		       (a->kind == b->kind || a->i >= 0);
	case REDO_F32: return b->kind == REDO_F32 && !memcmp(&a->f32, &b->f32, 4);
	case REDO_F64: return b->kind == REDO_F64 && !memcmp(&a->f64, &b->f64, 8);
	default:
		return a->kind == b->kind && a->s.n == b->s.n &&
		       (!a->s.n || !memcmp(a->s.p, b->s.p, a->s.n));
	}
}

static void write_value(struct strbuf *out, const struct redo_value *v)
{
	switch (v->kind) {
	case REDO_NULL: mp_add_nil(out); break;
	case REDO_INT: mp_add_int(out, v->i); break;
	case REDO_UINT: mp_add_uint(out, v->u); break;
	case REDO_F32: mp_add_f32(out, v->f32); break;
	case REDO_F64: mp_add_f64(out, v->f64); break;
	case REDO_STR: mp_add_str(out, v->s.p, v->s.n); break;
	case REDO_BIN: mp_add_bin(out, v->s.p, v->s.n); break;
	}
}

/* The scalar at m, if it is one: read by every reader, written, read again. */
static void scalar(const struct mp *at, const unsigned char *behind)
{
	struct strbuf out = STRBUF_INIT;
	struct redo_value v, back;
	struct mp m = *at, r;
	struct redo_bytes s;
	uint64_t u;
	int64_t i;
	bool b;

	if (mp_value(&m, &v)) {
		HOLDS(m.p == behind);
		write_value(&out, &v);
		r = over(&out);
		HOLDS(mp_value(&r, &back) && r.p == r.end && same(&v, &back));
		m = *at;
		if (v.kind == REDO_INT || v.kind == REDO_UINT) {
			HOLDS(mp_u64(&m, &u) == (v.kind == REDO_UINT || v.i >= 0));
			HOLDS(m.bad || (u == v.u && m.p == behind));
			m = *at;
			HOLDS(mp_i64(&m, &i) == (v.kind == REDO_INT || v.i >= 0));
			HOLDS(m.bad || (i == v.i && m.p == behind));
		} else {
			HOLDS(!mp_u64(&m, &u) && m.bad);
		}
		m = *at;
		HOLDS(mp_str(&m, &s) == (v.kind == REDO_STR));
		HOLDS(m.bad || (m.p == behind && s.n == v.s.n && s.p == v.s.p));
	} else {
		HOLDS(m.bad);
	}
	m = *at;
	if (mp_bool(&m, &b)) {
		HOLDS(m.p == behind && m.p == at->p + 1);
		strbuf_reset(&out);
		mp_add_bool(&out, b);
		HOLDS(out.len == 1 && (unsigned char)out.buf[0] == *at->p);
	}
	strbuf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp m = { .start = data, .p = data, .end = data + size };

	while (m.p < m.end) {
		struct strbuf out = STRBUF_INIT;
		struct mp whole = m, map = m, array = m, r;
		uint32_t n, again;

		if (mp_skip(&whole)) {
			HOLDS(!whole.bad && whole.p > m.p && whole.p <= whole.end);
			scalar(&m, whole.p);
		} else {
			HOLDS(whole.bad);
		}
		/* Into maps and arrays: their items are the next values. Otherwise behind the
		 * value. */
		if (mp_map(&map, &n)) {
			HOLDS(n <= mp_left(&map) / 2);
			mp_add_map(&out, n);
			strbuf_add(&out, map.p, mp_left(&map));
			r = over(&out);
			HOLDS(mp_map(&r, &again) && again == n && mp_left(&r) == mp_left(&map));
			m.p = map.p;
		} else if (mp_array(&array, &n)) {
			HOLDS(n <= mp_left(&array));
			mp_add_array(&out, n);
			strbuf_add(&out, array.p, mp_left(&array));
			r = over(&out);
			HOLDS(mp_array(&r, &again) && again == n && mp_left(&r) == mp_left(&array));
			m.p = array.p;
		} else {
			m.p = whole.bad ? m.p + 1 : whole.p;
		}
		strbuf_release(&out);
	}
	return 0;
}
