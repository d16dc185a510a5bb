/* MessagePack, as far as the redo log uses it: a cursor that never leaves its bytes, and the
 * integer forms that TiCDC writes. */
#ifndef HARNESS_REDO_MSGPACK_H
#define HARNESS_REDO_MSGPACK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "harness/base/strbuf.h"
#include "harness/redo/record.h"

struct mp {
	const unsigned char *start, *p, *end;
	const char *bad; /* the first thing that was wrong, NULL while all is well; p stays at it */
};

static inline bool mp_fail(struct mp *m, const char *what)
{
	if (!m->bad)
		m->bad = what;
	return false;
}
static inline size_t mp_left(const struct mp *m)
{
	return (size_t)(m->end - m->p);
}

bool mp_map(struct mp *m, uint32_t *n);   /* n pairs; each has at least 2 bytes left, or it fails */
bool mp_array(struct mp *m, uint32_t *n); /* n items; each has at least 1 byte left, or it fails */
bool mp_str(struct mp *m, struct redo_bytes *s);
bool mp_u64(struct mp *m, uint64_t *v); /* any integer form, not negative */
bool mp_i64(struct mp *m, int64_t *v);  /* any integer form that fits */
bool mp_bool(struct mp *m, bool *v);
bool mp_value(struct mp *m, struct redo_value *v); /* nil, integers, floats, str, bin */
bool mp_skip(struct mp *m);                        /* one whole value of any kind, however deep */

static inline bool mp_nil(struct mp *m) /* takes a nil if one is there */
{
	if (m->p < m->end && *m->p == 0xc0) {
		m->p++;
		return true;
	}
	return false;
}
static inline bool mp_is(const struct redo_bytes *s, const char *name, size_t n)
{
	return s->n == n && !memcmp(s->p, name, n);
}
#define MP_IS(s, literal) mp_is(&(s), literal, sizeof(literal) - 1)

/* Walks the fields of a map: `for (f = mp_fields(m); mp_next(&f);)`, where f.ok becomes what
 * reading the value of f.key returned. Afterwards f.ok says whether the whole map was read. */
struct mp_fields {
	struct mp *m;
	struct redo_bytes key;
	uint32_t left, known, others;
	bool ok;
};

static inline struct mp_fields mp_fields(struct mp *m)
{
	struct mp_fields f = { .m = m };

	f.ok = mp_map(m, &f.left);
	return f;
}

static inline bool mp_next(struct mp_fields *f)
{
	if (!f->ok || !f->left)
		return false;
	f->left--;
	f->known++;
	f->ok = mp_str(f->m, &f->key);
	return f->ok;
}

/* For a key that nobody reads. */
static inline bool mp_other(struct mp_fields *f)
{
	f->known--;
	f->others++;
	return mp_skip(f->m);
}

/* f.ok, after the last field. Keys may be missing (an older writer) or be others (a newer one); one
 * missing beside another one is a key that was altered, and its value would be lost. */
static inline bool mp_whole(struct mp_fields *f, uint32_t known)
{
	if (f->ok && f->others && f->known < known)
		return mp_fail(f->m, "a field is missing, and one of an unknown name is there");
	return f->ok;
}

void mp_add_map(struct strbuf *out, uint32_t n);
void mp_add_array(struct strbuf *out, uint32_t n);
void mp_add_str(struct strbuf *out, const char *s, uint32_t n);
void mp_add_bin(struct strbuf *out, const char *s, uint32_t n);
void mp_add_uint(struct strbuf *out, uint64_t v); /* fixint, cc, cd, ce, cf */
void mp_add_int(struct strbuf *out, int64_t v);   /* fixint, d0 (negative only), d1, d2, d3 */
void mp_add_bool(struct strbuf *out, bool v);
void mp_add_nil(struct strbuf *out);
void mp_add_f32(struct strbuf *out, float v);
void mp_add_f64(struct strbuf *out, double v);

#endif
