#include "harness/feed/sink_sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/sql/literal.h"

static bool is(const struct redo_bytes *b, const char *text)
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

static uint64_t shape_of(const struct redo_row *row)
{
	uint32_t n;
	const struct redo_column *c = columns_of(row, &n);
	uint64_t h = n;

	for (uint32_t i = 0; i < n; i++)
		h = XXH3_64bits_withSeed(c[i].name.p, c[i].name.n, h ^ (uint64_t)c[i].flag << 32 ^ (uint64_t)c[i].absent << 63);
	return h;
}

int feed_table_init(struct feed_table *t, const struct redo_row *row, struct err *e)
{
	struct strbuf del = STRBUF_INIT, put = STRBUF_INIT, name = STRBUF_INIT;
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
		if (!is_put(&c[i]))
			continue;
		if (puts++)
			strbuf_addch(&put, ',');
		add_name(&put, &c[i].name);
	}
	if (!key) {
		err_set(e, ERR_UNSUPPORTED, 0, "table %s has neither a primary key nor a unique key of NOT NULL columns: give it one, or leave it out",
		        name.buf);
		strbuf_release(&put);
		strbuf_release(&name);
		return -1;
	}
	strbuf_addstr(&put, ") VALUES ");
	strbuf_addf(&del, "DELETE FROM %s WHERE ", name.buf);
	t->key_is_single = keys == 1;
	if (t->key_is_single) {
		add_name(&del, &key->name);
		strbuf_addstr(&del, " IN (");
	}
	t->db = xstrndup(row->table.db.p, row->table.db.n);
	t->table = xstrndup(row->table.table.p, row->table.table.n);
	t->shape = shape_of(row);
	t->delete_head = strbuf_detach(&del);
	t->replace_head = strbuf_detach(&put);
	strbuf_release(&name);
	return 0;
}

bool feed_table_fits(const struct feed_table *t, const struct redo_row *row)
{
	return is(&row->table.table, t->table) && is(&row->table.db, t->db) && shape_of(row) == t->shape;
}

void feed_table_release(struct feed_table *t)
{
	free(t->db);
	free(t->table);
	free(t->delete_head);
	free(t->replace_head);
	memset(t, 0, sizeof(*t));
}

void feed_add_key(struct strbuf *out, const struct feed_table *t, const struct redo_column *c, uint32_t n)
{
	const char *sep = "(";

	for (uint32_t i = 0; i < n; i++) {
		if (!(c[i].flag & COLF_HANDLE_KEY) || c[i].absent)
			continue;
		if (t->key_is_single) {
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

struct change { /* one item of a batch */
	struct feed_item it;
	const char *key, *put;
	unsigned at; /* its place in the batch: the last of a key wins */
};

static int key_order(const struct change *a, const struct change *b)
{
	if (a->it.table != b->it.table)
		return a->it.table < b->it.table ? -1 : 1;
	if (a->it.key_bytes != b->it.key_bytes) /* the shorter first: numbers in numeric order */
		return a->it.key_bytes < b->it.key_bytes ? -1 : 1;
	return memcmp(a->key, b->key, a->it.key_bytes);
}

static int by_key_then_place(const void *pa, const void *pb)
{
	const struct change *a = pa, *b = pb;
	int d = key_order(a, b);

	return d ? d : a->at < b->at ? -1 : 1;
}

static void add_change(const struct feed_table *t, const struct change *c, struct strbuf *del, struct strbuf *put)
{
	if (c->it.put_bytes) {
		strbuf_addstr(put, put->len ? "," : t->replace_head);
		strbuf_add(put, c->put, c->it.put_bytes);
		return;
	}
	if (del->len)
		strbuf_addstr(del, t->key_is_single ? "," : " OR ");
	else
		strbuf_addstr(del, t->delete_head);
	strbuf_add(del, c->key, c->it.key_bytes);
}

int feed_batch_statements(const struct strbuf *items, struct feed_table *const *tables,
                          int (*fn)(void *arg, const struct feed_table *t, struct strbuf *del, struct strbuf *put, struct err *e), void *arg,
                          struct err *e)
{
	struct strbuf del = STRBUF_INIT, put = STRBUF_INIT;
	struct change *c = NULL;
	unsigned n = 0, alloc = 0;
	int rc = -1;

	for (size_t at = 0; at < items->len;) {
		if (n == alloc) {
			alloc = alloc ? alloc * 2 : 256;
			c = xreallocarray(c, alloc, sizeof(*c));
		}
		memcpy(&c[n].it, items->buf + at, sizeof(c[n].it));
		c[n].key = items->buf + at + sizeof(c[n].it);
		c[n].put = c[n].key + c[n].it.key_bytes;
		c[n].at = n;
		at += sizeof(c[n].it) + c[n].it.key_bytes + c[n].it.put_bytes;
		assert(at <= items->len);
		n++;
	}
	if (n)
		qsort(c, n, sizeof(*c), by_key_then_place);
	for (unsigned i = 0; i < n; i++) {
		const struct feed_table *t = tables[c[i].it.table];

		if (i + 1 == n || key_order(&c[i], &c[i + 1])) /* the newest of its key */
			add_change(t, &c[i], &del, &put);
		if (i + 1 < n && c[i + 1].it.table == c[i].it.table)
			continue;
		if (del.len && t->key_is_single)
			strbuf_addch(&del, ')');
		if (fn(arg, t, &del, &put, e) < 0)
			goto out;
		strbuf_reset(&del);
		strbuf_reset(&put);
	}
	rc = 0;
out:
	free(c);
	strbuf_release(&del);
	strbuf_release(&put);
	return rc;
}
