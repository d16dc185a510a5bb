#include "harness/replay/row_layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/sql/literal.h"

#define TEXT_SHOWN_MAX 24 /* bytes of a value in an error */

struct row_layouts {
	struct row_layout **s;
	uint64_t *hash;
	size_t n, last;
	uint32_t n_tables;
};

struct row_layouts *row_layouts_new(void)
{
	return xcalloc(1, sizeof(struct row_layouts));
}

static void row_layout_free(struct row_layout *s)
{
	for (uint32_t i = 0; i < s->n_columns; i++)
		free(s->columns[i].name);
	free(s->columns);
	free((void *)s->fraction_kept);
	free((void *)s->looked);
	free(s->key);
	free(s->db);
	free(s->table);
	free(s);
}

void row_layouts_free(struct row_layouts *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		row_layout_free(s->s[i]);
	free(s->s);
	free(s->hash);
	free(s);
}

const struct row_layout *row_layouts_at(const struct row_layouts *s, uint32_t i)
{
	return s->s[i];
}

uint32_t row_layouts_count(const struct row_layouts *s)
{
	return (uint32_t)s->n;
}

/* Does the row hold a value of it? */
static bool row_layout_holds(const struct redo_column *c)
{
	return !c->absent;
}

static uint64_t hash_of(const struct redo_row *r, const struct redo_column *c, uint32_t n)
{
	uint64_t h = XXH3_64bits_withSeed(r->table.db.p, r->table.db.n, n);

	h = XXH3_64bits_withSeed(r->table.table.p, r->table.table.n, h);
	for (uint32_t i = 0; i < n; i++) {
		/* without the flags that say nothing of how a value is written: an index may come
		 * and go */
		h = XXH3_64bits_withSeed(c[i].name.p, c[i].name.n,
					 h ^ ((uint64_t)c[i].type << 8) ^ (c[i].absent ? 4 : 0));
		h ^= (uint64_t)(c[i].flag &
				(COLF_HANDLE_KEY | COLF_GENERATED | COLF_UNSIGNED | COLF_BINARY))
		     << 32;
	}
	return h;
}

static bool has_fraction(uint8_t type)
{
	return type == COL_DATETIME || type == COL_TIMESTAMP || type == COL_TIME ||
	       type == COL_DECIMAL || type == COL_FLOAT || type == COL_DOUBLE;
}

static int make(struct row_layouts *all, const struct redo_row *r, const struct redo_column *c,
		uint32_t n, uint64_t hash, struct err *e)
{
	struct row_layout *s = xcalloc(1, sizeof(*s));
	size_t i = 0;

	s->looked = xcalloc(1, sizeof(*s->looked));
	s->db = xstrndup(r->table.db.p, r->table.db.n);
	s->table = xstrndup(r->table.table.p, r->table.table.n);
	s->columns = xcalloc(n, sizeof(*s->columns));
	s->key = xcalloc(n, sizeof(*s->key));
	for (uint32_t k = 0; k < n; k++) {
		if ((c[k].flag & COLF_HANDLE_KEY) && !c[k].absent) {
			if (c[k].flag & COLF_GENERATED) {
				err_set(e, ERR_UNSUPPORTED, 0,
					"table %s.%s: key column %.*s is generated", s->db,
					s->table, (int)c[k].name.n, c[k].name.p);
				row_layout_free(s);
				return -1;
			}
			s->float_key =
				s->float_key || c[k].type == COL_FLOAT || c[k].type == COL_DOUBLE;
			s->key[s->n_key++] = s->n_columns;
		}
		if (!row_layout_holds(&c[k]))
			continue;
		s->columns[s->n_columns++] = (struct row_layout_column){
			.name = xstrndup(c[k].name.p, c[k].name.n),
			.type = c[k].type,
			.flag = c[k].flag,
			.text = literal_is_text(&c[k]),
			.computed = c[k].flag & COLF_GENERATED,
		};
		s->n_computed += (c[k].flag & COLF_GENERATED) != 0;
	}
	for (uint32_t k = 0; k < s->n_columns; k++) {
		if (s->columns[k].type == COL_TIMESTAMP)
			s->timestamp = s->columns[k].name;
		if (has_fraction(s->columns[k].type) && !s->fraction_kept)
			s->fraction_kept = xcalloc(s->n_columns, sizeof(*s->fraction_kept));
	}
	s->keyless = !s->n_key;
	while (i < all->n && (strcmp(all->s[i]->table, s->table) || strcmp(all->s[i]->db, s->db)))
		i++;
	s->table_no = i < all->n ? all->s[i]->table_no : all->n_tables++;
	all->s = xreallocarray(all->s, all->n + 1, sizeof(*all->s));
	all->hash = xreallocarray(all->hash, all->n + 1, sizeof(*all->hash));
	all->s[all->n] = s;
	all->hash[all->n] = hash;
	all->last = all->n++;
	return 0;
}

int row_layouts_of(struct row_layouts *s, const struct redo_row *r, const struct redo_column *c,
		   uint32_t n, uint32_t *out, struct err *e)
{
	uint64_t hash = hash_of(r, c, n);

	if (!s->n || s->hash[s->last] != hash) {
		size_t i = 0;

		while (i < s->n && s->hash[i] != hash)
			i++;
		if (i < s->n)
			s->last = i;
		else if (make(s, r, c, n, hash, e) < 0)
			return -1;
	}
	*out = (uint32_t)s->last;
	return 0;
}

/* ---- values ---- */

static void add_value(struct strbuf *out, const struct redo_value *v)
{
	strbuf_addch(out, (char)v->kind);
	switch (v->kind) {
	case REDO_NULL: break;
	case REDO_INT:
	case REDO_UINT:
	case REDO_F64: strbuf_add(out, &v->u, 8); break;
	case REDO_F32: strbuf_add(out, &v->f32, 4); break;
	case REDO_STR:
	case REDO_BIN:
		strbuf_add(out, &v->s.n, 4);
		strbuf_add(out, v->s.p, v->s.n);
		break;
	}
}

void row_layout_image_next(const unsigned char *image, uint32_t *at, struct redo_value *v)
{
	const unsigned char *p = image + *at;

	v->kind = (enum redo_value_kind) * p++;
	switch (v->kind) {
	case REDO_NULL: break;
	case REDO_INT:
	case REDO_UINT:
	case REDO_F64:
		memcpy(&v->u, p, 8);
		p += 8;
		break;
	case REDO_F32:
		memcpy(&v->f32, p, 4);
		p += 4;
		break;
	case REDO_STR:
	case REDO_BIN:
		memcpy(&v->s.n, p, 4);
		v->s.p = (const char *)p + 4;
		p += 4 + v->s.n;
		break;
	}
	*at = (uint32_t)(p - image);
}

const struct strbuf *row_layout_image_plain(struct strbuf *image)
{
	for (uint32_t at = 0, next = 0; at < image->len; at = next) {
		struct redo_value v;

		row_layout_image_next((const unsigned char *)image->buf, &next, &v);
		if (v.kind == REDO_STR)
			image->buf[at] = (char)REDO_BIN;
	}
	return image;
}

static void add_big_endian(struct strbuf *out, unsigned char first, uint64_t u)
{
	unsigned char b[9] = { first };

	for (int i = 0; i < 8; i++)
		b[1 + i] = (unsigned char)(u >> (8 * (7 - i)));
	strbuf_add(out, b, 9);
}

/* Injective and sortable: integers big-endian, a value that both of their forms can hold being one
 * key; floats with the sign bit turned (all bits when negative; -0 is 0); strings with NUL escaped
 * and ended. */
void row_layout_add_key(struct strbuf *out, const struct redo_value *v)
{
	if (v->kind == REDO_INT || v->kind == REDO_UINT) {
		bool negative = v->kind == REDO_INT && v->i < 0;

		add_big_endian(out, negative ? 1 : 2, negative ? v->u ^ (uint64_t)1 << 63 : v->u);
		return;
	}
	if (v->kind == REDO_F32 || v->kind == REDO_F64) {
		double d = v->kind == REDO_F32 ? (double)v->f32 : v->f64;
		uint64_t u;

		if (d == 0)
			d = 0; /* not -0 */
		memcpy(&u, &d, 8);
		add_big_endian(out, 4, u >> 63 ? ~u : u | (uint64_t)1 << 63);
		return;
	}
	strbuf_addch(out, v->kind == REDO_NULL ? 0 : 3);
	if (v->kind == REDO_STR || v->kind == REDO_BIN) {
		const char *p = v->s.p, *end = p + v->s.n, *nul;

		while ((nul = memchr(p, 0, (size_t)(end - p)))) {
			strbuf_add(out, p, (size_t)(nul - p) + 1);
			strbuf_addch(out, (char)0xff);
			p = nul + 1;
		}
		strbuf_add(out, p, (size_t)(end - p));
	}
	strbuf_add(out, "\0\0", 2);
}

void row_layout_encode(const struct redo_column *c, uint32_t n, bool key_only, struct strbuf *key,
		       struct strbuf *image)
{
	strbuf_reset(key);
	strbuf_reset(image);
	for (uint32_t i = 0; i < n; i++) {
		if (!row_layout_holds(&c[i]))
			continue;
		if (c[i].flag & COLF_HANDLE_KEY)
			row_layout_add_key(key, &c[i].value);
		if (!key_only || (c[i].flag & COLF_HANDLE_KEY))
			add_value(image, &c[i].value);
	}
}

bool row_layout_key_changes(const struct redo_row *r)
{
	if (r->n_columns != r->n_pre_columns)
		return true;
	for (uint32_t i = 0; i < r->n_columns; i++) {
		const struct redo_column *a = &r->columns[i], *b = &r->pre_columns[i];

		if (!(a->flag & COLF_HANDLE_KEY))
			continue;
		if (a->value.kind != b->value.kind)
			return true;
		if (a->value.kind == REDO_STR || a->value.kind == REDO_BIN) {
			if (a->value.s.n != b->value.s.n ||
			    memcmp(a->value.s.p, b->value.s.p, a->value.s.n))
				return true;
		} else if (a->value.kind == REDO_F32
				   ? a->value.f32 != b->value.f32
				   : a->value.kind != REDO_NULL && a->value.u != b->value.u) {
			return true;
		}
	}
	return false;
}

void row_layout_value_text(const struct redo_value *v, struct strbuf *out)
{
	switch (v->kind) {
	case REDO_NULL: strbuf_addstr(out, "NULL"); break;
	case REDO_INT: strbuf_addf(out, "%" PRId64, v->i); break;
	case REDO_UINT: strbuf_addf(out, "%" PRIu64, v->u); break;
	case REDO_F32: strbuf_addf(out, "%.9g", (double)v->f32); break;
	case REDO_F64: strbuf_addf(out, "%.17g", v->f64); break;
	case REDO_STR:
	case REDO_BIN: strbuf_add(out, v->s.p, v->s.n); break;
	}
}

/* For an error: on one line, quoted, cut. */
static void value_shown(const struct redo_value *v, bool text, struct strbuf *out)
{
	uint32_t shown;

	if (v->kind != REDO_STR && v->kind != REDO_BIN) {
		row_layout_value_text(v, out);
		return;
	}
	shown = v->s.n > TEXT_SHOWN_MAX ? TEXT_SHOWN_MAX : v->s.n;
	text = text || v->kind == REDO_STR;
	strbuf_addstr(out, text ? "'" : "x'");
	for (uint32_t i = 0; i < shown; i++) {
		unsigned char b = (unsigned char)v->s.p[i];

		if (!text)
			strbuf_addf(out, "%02x", b);
		else
			strbuf_addch(out, b < ' ' || b == 0x7f ? '?' : (char)b);
	}
	strbuf_addstr(out, shown < v->s.n ? "'..." : "'");
}

void row_layout_key_text(const struct row_layout *t, const unsigned char *image, bool key_only,
			 struct strbuf *out)
{
	uint32_t at = 0, k = 0;

	strbuf_addch(out, '(');
	for (uint32_t i = 0; i < t->n_columns && k < t->n_key; i++) {
		struct redo_value v;

		if (t->key[k] != i) {
			if (!key_only)
				row_layout_image_next(image, &at, &v);
			continue;
		}
		row_layout_image_next(image, &at, &v);
		strbuf_addf(out, "%s%s=", k++ ? ", " : "", t->columns[i].name);
		value_shown(&v, t->columns[i].text, out);
	}
	strbuf_addch(out, ')');
}
