#include "harness/replay/row_sample.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/replay/row_layout.h"
#include "harness/sql/literal.h"

#define KEYS_MAX 128
#define STATES_MAX 16 /* a key of more is asked for no more */
#define IMAGE_BYTES_MAX 65536

struct state {
	uint32_t shape;
	unsigned char *image;
	uint32_t n;
};
struct key {
	uint64_t hash;
	bool absent; /* one of its states */
	bool too_many;
	struct state state[STATES_MAX];
	unsigned n;
};
struct row_sample {
	struct row_layouts *shapes;
	/* those with the lowest hashes of all that were seen, in this order */
	struct key key[KEYS_MAX];
	size_t n;
	struct strbuf bytes, image;
};

struct row_sample *row_sample_new(void)
{
	struct row_sample *s = xcalloc(1, sizeof(*s));

	s->shapes = row_layouts_new();
	s->bytes = s->image = (struct strbuf)STRBUF_INIT;
	return s;
}

static void key_release(struct key *k)
{
	for (unsigned i = 0; i < k->n; i++)
		free(k->state[i].image);
}

void row_sample_free(struct row_sample *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		key_release(&s->key[i]);
	row_layouts_free(s->shapes);
	strbuf_release(&s->bytes);
	strbuf_release(&s->image);
	free(s);
}

/* The key's place, made if it belongs to the sample; NULL: it does not. What was once left out
 * stays so: the bound only falls. */
static struct key *key_of(struct row_sample *s, uint64_t hash)
{
	size_t at = 0;

	while (at < s->n && s->key[at].hash < hash)
		at++;
	if (at < s->n && s->key[at].hash == hash)
		return &s->key[at];
	if (at == KEYS_MAX)
		return NULL;
	if (s->n == KEYS_MAX)
		key_release(&s->key[--s->n]);
	memmove(&s->key[at + 1], &s->key[at], (s->n - at) * sizeof(s->key[0]));
	s->key[at] = (struct key){ .hash = hash };
	s->n++;
	assert(s->n <= KEYS_MAX);
	return &s->key[at];
}

static int add_side(struct row_sample *s, const struct redo_row *r, const struct redo_column *c,
		    uint32_t n, bool present, struct err *e)
{
	uint32_t shape;
	struct key *k;
	uint64_t hash;

	if (row_layouts_of(s->shapes, r, c, n, &shape, e) < 0)
		return -1;
	if (row_layouts_at(s->shapes, shape)->keyless)
		return 0;
	row_layout_encode(c, n, false, &s->bytes, &s->image);
	hash = XXH3_64bits_withSeed(
		s->bytes.buf, s->bytes.len,
		XXH3_64bits_withSeed(r->table.table.p, r->table.table.n, r->table.db.n));
	k = key_of(s, hash);
	if (!k)
		return 0;
	if (!present)
		k->absent = true;
	for (unsigned i = 0; i < k->n; i++)
		if (k->state[i].shape == shape && k->state[i].n == s->image.len &&
		    !memcmp(k->state[i].image, s->image.buf, s->image.len))
			return 0;
	if (k->n == STATES_MAX || s->image.len > IMAGE_BYTES_MAX) {
		k->too_many = true;
		return 0;
	}
	/* of an absent row the image is kept too: it has the key */
	k->state[k->n] = (struct state){ .shape = shape,
					 .image = xmalloc(s->image.len + 1),
					 .n = (uint32_t)s->image.len };
	memcpy(k->state[k->n].image, s->image.buf, s->image.len);
	k->n++;
	return 0;
}

int row_sample_add(struct row_sample *s, const struct redo_row *r, struct err *e)
{
	bool moved = r->n_columns && r->n_pre_columns && row_layout_key_changes(r);

	/* what it was, and that it is gone; what it is, and that it was not there */
	if (r->n_pre_columns && add_side(s, r, r->pre_columns, r->n_pre_columns, true, e) < 0)
		return -1;
	if (r->n_pre_columns && (!r->n_columns || moved) &&
	    add_side(s, r, r->pre_columns, r->n_pre_columns, false, e) < 0)
		return -1;
	if (r->n_columns && add_side(s, r, r->columns, r->n_columns, true, e) < 0)
		return -1;
	return r->n_columns && (!r->n_pre_columns || moved)
		       ? add_side(s, r, r->columns, r->n_columns, false, e)
		       : 0;
}

/* ---- asking ---- */

/* Types that every server compares alike; the others prove nothing here. */
static bool is_plain(const struct row_layout_column *c)
{
	switch ((enum column_type)c->type) {
	case COL_TINY:
	case COL_SHORT:
	case COL_INT24:
	case COL_LONG:
	case COL_LONGLONG:
	case COL_DECIMAL:
	case COL_DATE:
	case COL_DATETIME: return !c->computed;
	case COL_VARCHAR:
	case COL_VARSTRING:
	case COL_STRING:
	case COL_BLOB:
	case COL_TINYBLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB: return !c->computed && c->text;
	case COL_FLOAT:
	case COL_DOUBLE:
	case COL_TIMESTAMP:
	case COL_TIME:
	case COL_YEAR:
	case COL_BIT:
	case COL_JSON:
	case COL_ENUM:
	case COL_SET:
	case COL_UNKNOWN:
	default: return false;
	}
}

static void add_column(struct strbuf *q, const struct row_layout_column *col,
		       const struct redo_value *v)
{
	struct redo_column c = { .name = { col->name, (uint32_t)strlen(col->name) },
				 .type = col->type,
				 .flag = col->flag,
				 .value = *v };

	c.charset = col->text ? (struct redo_bytes){ "utf8mb4", 7 }
			      : (struct redo_bytes){ "binary", 6 };
	literal_add_same(q, &c);
}

static void add_state(struct strbuf *q, const struct row_layout *t, const unsigned char *image)
{
	uint32_t at = 0;

	strbuf_addstr(q, "(1");
	for (uint32_t i = 0; i < t->n_columns; i++) {
		struct redo_value v;

		row_layout_image_next(image, &at, &v);
		if (!is_plain(&t->columns[i]))
			continue;
		strbuf_addstr(q, " AND ");
		add_column(q, &t->columns[i], &v);
	}
	strbuf_addch(q, ')');
}

static void add_key(struct strbuf *q, const struct row_layout *t, const unsigned char *image)
{
	uint32_t at = 0, k = 0;

	for (uint32_t i = 0; i < t->n_columns && k < t->n_key; i++) {
		struct redo_value v;

		row_layout_image_next(image, &at, &v);
		if (t->key[k] != i)
			continue;
		strbuf_addstr(q, k++ ? " AND " : "");
		sql_add_name(q, t->columns[i].name);
		strbuf_addch(q, '=');
		literal_add(q, (enum column_type)t->columns[i].type, t->columns[i].text, &v);
	}
}

/* 1: it is in a state of the log's, 0: it is not, 2: it can't be asked for. */
static int ask(const struct row_sample *s, const struct key *k, struct sql *conn, struct err *e)
{
	const struct row_layout *t = row_layouts_at(s->shapes, k->state[0].shape);
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	struct err why = ERR_INIT;
	int rc = -1, got;

	strbuf_addstr(&q, "SELECT ");
	for (unsigned i = 0; i < k->n; i++) {
		strbuf_addstr(&q, i ? " OR " : "");
		add_state(&q, row_layouts_at(s->shapes, k->state[i].shape), k->state[i].image);
	}
	strbuf_addstr(&q, " FROM ");
	sql_add_name(&q, t->db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, t->table);
	strbuf_addstr(&q, " WHERE ");
	add_key(&q, t, k->state[0].image);
	if (sql_query_stream(conn, &r, &why, q.buf, q.len) == 0) {
		got = sql_rows_next(&r, &why);
		if (got == 1)
			rc = r.cell[0] && r.cell[0][0] == '1';
		else if (got == 0)
			rc = k->absent;
	}
	if (rc < 0 && why.kind == ERR_SQL)
		rc = 2;
	else if (rc < 0)
		*e = why;
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

int row_sample_ask(struct row_sample *s, struct sql *conn, uint64_t *asked, uint64_t *unlike,
		   struct strbuf *first, struct err *e)
{
	*asked = *unlike = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct key *k = &s->key[i];
		int rc;

		if (k->too_many || !k->n)
			continue;
		rc = ask(s, k, conn, e);
		if (rc < 0)
			return -1;
		if (rc == 2)
			continue;
		++*asked;
		if (rc == 0 && !(*unlike)++) {
			const struct row_layout *t = row_layouts_at(s->shapes, k->state[0].shape);

			strbuf_addf(first, "%s.%s, key ", t->db, t->table);
			row_layout_key_text(t, k->state[0].image, false, first);
		}
	}
	return 0;
}
