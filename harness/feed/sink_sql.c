#include "harness/feed/sink_sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/sql/literal.h"

#define KEY_SHOWN_MAX 200

static bool bytes_are(const struct redo_bytes *b, const char *text)
{
	return b->n == strlen(text) && !memcmp(b->p, text, b->n);
}

static void add_name(struct strbuf *out, const struct redo_bytes *name)
{
	char *copy = xstrndup(name->p, name->n);

	sql_add_name(out, copy);
	free(copy);
}

/* The columns that a row speaks for: after the change, or before it when it was deleted. */
static const struct redo_column *columns_of(const struct redo_row *row, uint32_t *n)
{
	*n = row->n_columns ? row->n_columns : row->n_pre_columns;
	return row->n_columns ? row->columns : row->pre_columns;
}

static bool is_put(const struct redo_column *c)
{
	return !c->absent && !(c->flag & COLF_GENERATED);
}

static bool is_computed(const struct redo_column *c)
{
	return !c->absent && c->flag & COLF_GENERATED;
}

static uint64_t shape_of(const struct redo_row *row)
{
	uint32_t n;
	const struct redo_column *c = columns_of(row, &n);
	uint64_t h = n;

	for (uint32_t i = 0; i < n; i++)
		h = XXH3_64bits_withSeed(c[i].name.p, c[i].name.n,
					 h ^ (uint64_t)c[i].flag << 32 ^
						 (uint64_t)c[i].absent << 63);
	return h;
}

static bool has_fraction(const struct redo_column *c)
{
	return is_put(c) &&
	       (c->type == COL_DATETIME || c->type == COL_TIMESTAMP || c->type == COL_TIME ||
		c->type == COL_DECIMAL || c->type == COL_FLOAT || c->type == COL_DOUBLE);
}

static void take_fractions(struct feed_table *t, const struct redo_column *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!has_fraction(&c[i]) || t->n_fractions == FEED_FRACTIONS_MAX)
			continue;
		t->fractions =
			xreallocarray(t->fractions, t->n_fractions + 1, sizeof(*t->fractions));
		t->fractions[t->n_fractions++] = xstrndup(c[i].name.p, c[i].name.n);
	}
	if (t->n_fractions) {
		t->room = xcalloc(t->n_fractions, sizeof(*t->room));
		memset(t->room, -1, t->n_fractions);
	}
}

int feed_table_init(struct feed_table *t, const struct redo_row *row,
		    const struct table_schema *schema, bool keyless, struct err *e)
{
	struct strbuf del = STRBUF_INIT, put = STRBUF_INIT, name = STRBUF_INIT,
		      computed = STRBUF_INIT;
	const struct redo_column *c, *key = NULL;
	unsigned keys = 0, puts = 0;
	uint32_t n;

	memset(t, 0, sizeof(*t));
	c = columns_of(row, &n);
	add_name(&name, &row->table.db);
	strbuf_addch(&name, '.');
	add_name(&name, &row->table.table);
	strbuf_addf(&put, "REPLACE INTO %s (", name.buf);
	for (uint32_t i = 0; i < n; i++) {
		if (c[i].flag & COLF_HANDLE_KEY && !c[i].absent) {
			key = &c[i];
			keys++;
		}
		if (is_computed(&c[i])) {
			strbuf_addstr(&computed, computed.len ? "," : "");
			add_name(&computed, &c[i].name);
		}
		if (!is_put(&c[i]))
			continue;
		if (puts++)
			strbuf_addch(&put, ',');
		add_name(&put, &c[i].name);
	}
	t->keyless = !key;
	if (!key && !keyless) {
		err_set(e, ERR_UNSUPPORTED, 0,
			"table %s has neither a primary key nor a unique key of NOT NULL columns: give it one, or leave it out",
			name.buf);
		strbuf_release(&put);
		strbuf_release(&name);
		strbuf_release(&computed);
		return -1;
	}
	strbuf_addstr(&put, ") VALUES ");
	strbuf_addf(&del, "DELETE FROM %s WHERE ", name.buf);
	if (keys == 1) {
		t->key_name = xstrndup(key->name.p, key->name.n);
		sql_add_name(&del, t->key_name);
		strbuf_addstr(&del, " IN (");
	}
	for (size_t i = 0; schema && i < schema->n_columns; i++)
		if (schema->columns[i].auto_increment)
			t->counter = xstrdup(schema->columns[i].name);
	take_fractions(t, c, n);
	t->looked = xcalloc(1, sizeof(*t->looked));
	t->columns = xcalloc(puts + 1, sizeof(*t->columns));
	for (uint32_t i = 0; i < n; i++)
		if (is_put(&c[i]))
			t->columns[t->n_columns++] =
				(struct feed_column){ xstrndup(c[i].name.p, c[i].name.n),
						      (enum column_type)c[i].type,
						      literal_is_text(&c[i]) };
	t->db = xstrndup(row->table.db.p, row->table.db.n);
	t->table = xstrndup(row->table.table.p, row->table.table.n);
	t->shape = shape_of(row);
	t->delete_head = strbuf_detach(&del);
	t->replace_head =
		t->keyless ? xstrfmt("INSERT%s", put.buf + strlen("REPLACE")) : xstrdup(put.buf);
	strbuf_release(&put);
	t->name = strbuf_detach(&name);
	t->computed = computed.len ? strbuf_detach(&computed) : NULL;
	return 0;
}

bool feed_table_fits(const struct feed_table *t, const struct redo_row *row)
{
	return bytes_are(&row->table.table, t->table) && bytes_are(&row->table.db, t->db) &&
	       shape_of(row) == t->shape;
}

void feed_table_release(struct feed_table *t)
{
	free(t->db);
	free(t->table);
	free(t->name);
	free(t->key_name);
	free(t->counter);
	free(t->computed);
	free(t->delete_head);
	free(t->replace_head);
	for (unsigned i = 0; i < t->n_fractions; i++)
		free(t->fractions[i]);
	free(t->fractions);
	for (unsigned i = 0; i < t->n_columns; i++)
		free(t->columns[i].name);
	free(t->columns);
	free(t->looked);
	free(t->room);
	memset(t, 0, sizeof(*t));
}

void feed_add_key(struct strbuf *out, const struct feed_table *t, const struct redo_column *c,
		  uint32_t n)
{
	const char *sep = "(";

	for (uint32_t i = 0; t->keyless && i < n; i++) {
		if (!is_put(&c[i]))
			continue;
		strbuf_addstr(out, sep);
		literal_add_same(out, &c[i]);
		sep = " AND ";
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!(c[i].flag & COLF_HANDLE_KEY) || c[i].absent)
			continue;
		if (t->key_name) {
			literal_add_column(out, &c[i]);
			return;
		}
		strbuf_addstr(out, sep);
		add_name(out, &c[i].name);
		strbuf_addch(out, '=');
		literal_add_column(out, &c[i]);
		sep = " AND ";
	}
	strbuf_addch(out, ')');
}

void feed_add_put(struct strbuf *out, const struct redo_column *c, uint32_t n)
{
	char sep = '(';

	for (uint32_t i = 0; i < n; i++) {
		if (!is_put(&c[i]))
			continue;
		strbuf_addch(out, sep);
		literal_add_column(out, &c[i]);
		sep = ',';
	}
	strbuf_addch(out, ')');
}

static uint64_t counter_of(const struct redo_value *v)
{
	double d = v->kind == REDO_F32 ? (double)v->f32 : v->kind == REDO_F64 ? v->f64 : 0;

	if (v->kind == REDO_UINT)
		return v->u;
	if (v->kind == REDO_INT)
		return v->i > 0 ? (uint64_t)v->i : 0;
	return d > 0 && d < 9e15 ? (uint64_t)(d + 0.5) : 0;
}

void feed_add_item(struct strbuf *text, struct feed_item *it, const struct feed_table *t,
		   const struct redo_column *c, uint32_t n)
{
	size_t from = text->len;

	feed_add_key(text, t, c, n);
	it->key_bytes = (uint32_t)(text->len - from);
	from = text->len;
	feed_add_put(text, c, n);
	it->put_bytes = (uint32_t)(text->len - from);
	from = text->len;
	it->fractions = 0;
	for (uint32_t i = 0, k = 0; i < n && k < t->n_fractions; i++)
		if (has_fraction(&c[i]))
			it->fractions |=
				(uint64_t)literal_fraction((enum column_type)c[i].type, &c[i].value)
				<< 3 * k++;
	for (uint32_t i = 0; i < n; i++) {
		if (c[i].type == COL_ENUM && c[i].value.kind != REDO_NULL && !c[i].value.u)
			it->enum_zero = true;
		if (t->counter && bytes_are(&c[i].name, t->counter))
			it->counter = counter_of(&c[i].value);
		if (!is_computed(&c[i]) || t->keyless)
			continue;
		strbuf_addstr(text, text->len > from ? " AND " : "");
		literal_add_same(text, &c[i]);
	}
	it->check_bytes = (uint32_t)(text->len - from);
}

static int key_order(const struct feed_change *a, const struct feed_change *b)
{
	if (a->it.table != b->it.table)
		return a->it.table < b->it.table ? -1 : 1;
	if (a->it.keyless) /* in their order */
		return 0;
	if (a->it.key_bytes != b->it.key_bytes) /* the shorter first: numbers in numeric order */
		return a->it.key_bytes < b->it.key_bytes ? -1 : 1;
	return memcmp(a->key, b->key, a->it.key_bytes);
}

static int by_key_then_place(const void *pa, const void *pb)
{
	const struct feed_change *a = pa, *b = pb;
	int d = key_order(a, b);

	return d ? d : a->at < b->at ? -1 : 1;
}

static void add_change(struct feed_batch *b, const struct feed_change *c)
{
	const struct feed_table *t = b->t;

	if (c->it.put_bytes) {
		strbuf_addstr(&b->put, b->put.len ? "," : t->replace_head);
		strbuf_add(&b->put, c->put, c->it.put_bytes);
		return;
	}
	if (b->del.len)
		strbuf_addstr(&b->del, t->key_name ? "," : " OR ");
	else
		strbuf_addstr(&b->del, t->delete_head);
	strbuf_add(&b->del, c->key, c->it.key_bytes);
}

void feed_batch_text(struct feed_batch *b, const struct feed_change *changes, unsigned n)
{
	strbuf_reset(&b->del);
	strbuf_reset(&b->put);
	for (unsigned i = 0; i < n; i++)
		add_change(b, &changes[i]);
	if (b->del.len && b->t->key_name)
		strbuf_addch(&b->del, ')');
}

void feed_add_unlike(struct strbuf *out, const struct feed_table *t, const struct feed_change *c)
{
	strbuf_addch(out, '(');
	if (t->key_name) {
		sql_add_name(out, t->key_name);
		strbuf_addch(out, '=');
	}
	strbuf_add(out, c->key, c->it.key_bytes);
	strbuf_addstr(out, " AND NOT (");
	strbuf_add(out, c->check, c->it.check_bytes);
	strbuf_addstr(out, "))");
}

const struct feed_change *feed_find_cut(const struct feed_batch *b, unsigned *column)
{
	for (unsigned i = 0; i < b->n; i++)
		for (unsigned k = 0; k < b->t->n_fractions; k++) {
			int digits = (int)(b->changes[i].it.fractions >> 3 * k & 7);

			*column = k;
			if (digits > b->t->room[k])
				return &b->changes[i];
		}
	return NULL;
}

void feed_change_text(const struct feed_table *t, const struct feed_change *c, struct strbuf *out)
{
	if (t->key_name)
		strbuf_addf(out, "%s=", t->key_name);
	strbuf_add(out, c->key, c->it.key_bytes < KEY_SHOWN_MAX ? c->it.key_bytes : KEY_SHOWN_MAX);
	strbuf_addstr(out, c->it.key_bytes > KEY_SHOWN_MAX ? ".." : "");
}

/* The items of one table, by key and place: of each key the newest stays. */
static void keep_newest(struct feed_batch *b)
{
	struct feed_change highest = { 0 }; /* of those that do not stay */
	unsigned kept = 0;

	for (unsigned i = 0, end; i < b->n; i = end) {
		for (end = i + 1; end < b->n && !key_order(&b->changes[i], &b->changes[end]); end++)
			;
		for (unsigned k = i; k + 1 < end; k++)
			if (b->changes[k].it.counter > highest.it.counter)
				highest = b->changes[k];
		b->changes[kept++] = b->changes[end - 1];
	}
	b->n = kept;
	for (unsigned i = 0; i < kept; i++)
		if (b->changes[i].it.counter >= highest.it.counter)
			return; /* it is put anyway, or there is none */
	strbuf_addstr(&b->raise, b->t->replace_head);
	strbuf_add(&b->raise, highest.put, highest.it.put_bytes);
}

/* A transaction that was cut off came again: what came of it before is dropped. */
static void drop_cut_off(struct feed_batch *b)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < b->n; i++) {
		while (b->changes[i].it.again && kept &&
		       b->changes[kept - 1].it.commit_ts == b->changes[i].it.commit_ts)
			kept--;
		b->changes[kept++] = b->changes[i];
	}
	b->n = kept;
}

static unsigned read_items(const struct strbuf *items, struct feed_change **out)
{
	struct feed_change *c = NULL;
	unsigned n = 0, alloc = 0;

	for (size_t at = 0; at < items->len; n++) {
		XGROW(c, n, alloc, 256);
		memcpy(&c[n].it, items->buf + at, sizeof(c[n].it));
		c[n].key = items->buf + at + sizeof(c[n].it);
		c[n].put = c[n].key + c[n].it.key_bytes;
		c[n].check = c[n].put + c[n].it.put_bytes;
		c[n].at = n;
		at += feed_item_bytes(&c[n].it);
		assert(at <= items->len);
	}
	*out = c;
	return n;
}

int feed_batch_statements(const struct strbuf *items, struct feed_table *const *tables,
			  int (*fn)(void *arg, struct feed_batch *b, struct err *e), void *arg,
			  struct err *e)
{
	struct feed_batch b = { .raise = STRBUF_INIT, .del = STRBUF_INIT, .put = STRBUF_INIT };
	struct feed_change *c;
	unsigned n = read_items(items, &c);
	int rc = 0;

	if (n)
		qsort(c, n, sizeof(*c), by_key_then_place);
	for (unsigned i = 0, end; i < n && rc == 0; i = end) {
		for (end = i + 1; end < n && c[end].it.table == c[i].it.table; end++)
			;
		b.t = tables[c[i].it.table];
		b.changes = c + i;
		b.n = end - i;
		strbuf_reset(&b.raise);
		if (b.t->keyless) {
			feed_batch_text(&b, b.changes, 0);
			drop_cut_off(&b);
		} else {
			keep_newest(&b);
			feed_batch_text(&b, b.changes, b.n);
		}
		rc = fn(arg, &b, e) < 0 ? -1 : 0;
	}
	free(c);
	strbuf_release(&b.raise);
	strbuf_release(&b.del);
	strbuf_release(&b.put);
	return rc;
}
