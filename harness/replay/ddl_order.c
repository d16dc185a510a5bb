#include "harness/replay/ddl_order.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/sql/ddl/rename.h"

static int by_text(const struct redo_bytes *a, const struct redo_bytes *b)
{
	int c = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);

	return c ? c : a->n < b->n ? -1 : a->n > b->n;
}

static int by_place(const void *x, const void *y)
{
	const struct owned_ddl *m = x, *n = y;
	const struct redo_ddl *a = &m->d, *b = &n->d;

	if (a->commit_ts != b->commit_ts)
		return a->commit_ts < b->commit_ts ? -1 : 1;
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	if (a->start_ts != b->start_ts)
		return a->start_ts < b->start_ts ? -1 : 1;
	if (m->part != n->part)
		return m->part < n->part ? -1 : 1;
	return by_text(&a->query, &b->query);
}

static bool of_one_place(const struct owned_ddl *a, const struct owned_ddl *b)
{
	return a->d.commit_ts == b->d.commit_ts && a->d.seq == b->d.seq;
}

/* One DDL of several with one commitTs. */
struct part {
	struct rename r; /* empty: no rename */
	bool placed;
};

/* Has x to come before y? */
static bool must_precede(const struct owned_ddl *d, const struct part *p, size_t x, size_t y)
{
	int64_t id = d[x].d.table.id;

	if (p[x].r.n != 1 || p[y].r.n != 1)
		return false;
	if (id && id == d[y].d.table.id) /* one table, renamed twice */
		return rename_same(&p[x].r.pair[0].to, &p[y].r.pair[0].from);
	return rename_same(&p[x].r.pair[0].from, &p[y].r.pair[0].to);
}

/* The first that no other has to precede. Where each waits for another the log contradicts itself:
 * the first then, and the server says what does not fit. */
static size_t next_of(const struct owned_ddl *d, const struct part *p, size_t n)
{
	size_t any = n;

	for (size_t i = 0; i < n; i++) {
		bool free = !p[i].placed;

		if (free && any == n)
			any = i;
		for (size_t k = 0; free && k < n; k++)
			free = k == i || p[k].placed || !must_precede(d, p, k, i);
		if (free)
			return i;
	}
	return any;
}

static void order_one_place(struct owned_ddl *d, size_t n)
{
	struct part *p = xcalloc(n, sizeof(*p));
	struct owned_ddl *out = xcalloc(n, sizeof(*out));

	for (size_t i = 0; i < n; i++) {
		char *db = xstrndup(d[i].d.table.db.p, d[i].d.table.db.n);

		rename_parse(&p[i].r, d[i].d.query.p, d[i].d.query.n, db);
		free(db);
	}
	for (size_t k = 0; k < n; k++) {
		size_t i = next_of(d, p, n);

		p[i].placed = true;
		out[k] = d[i];
		out[k].d.seq = d[i].d.seq + k;
	}
	memcpy(d, out, n * sizeof(*d));
	for (size_t i = 0; i < n; i++)
		rename_release(&p[i].r);
	free(out);
	free(p);
}

/* A record with several statements has them in their order; each needs a number of its own. */
static bool number_parts(struct owned_ddl *d, size_t n)
{
	bool has_parts = false;

	for (size_t i = 0; i < n; i++)
		has_parts |= d[i].part > 0;
	for (size_t i = 1; has_parts && i < n; i++)
		d[i].d.seq = d[0].d.seq + i;
	return has_parts;
}

void ddl_order(struct owned_ddl *d, size_t n)
{
	size_t end;

	if (n)
		qsort(d, n, sizeof(*d), by_place);
	for (size_t i = 0; i < n; i = end) {
		for (end = i + 1; end < n && d[i].d.commit_ts == d[end].d.commit_ts;)
			end++;
		if (number_parts(d + i, end - i))
			continue;
		for (end = i + 1; end < n && of_one_place(&d[i], &d[end]);)
			end++;
		if (end - i > 1)
			order_one_place(d + i, end - i);
	}
}
