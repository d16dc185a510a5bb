#include "harness/sql/keyrange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/sql/literal.h"

static bool is_integer(const struct column *c)
{
	return c->type == COL_TINY || c->type == COL_SHORT || c->type == COL_LONG ||
	       c->type == COL_INT24 || c->type == COL_LONGLONG;
}

static bool is_text(const struct column *c)
{
	return c->type == COL_VARCHAR || c->type == COL_VARSTRING || c->type == COL_STRING ||
	       c->type == COL_TINYBLOB || c->type == COL_MEDIUMBLOB || c->type == COL_LONGBLOB ||
	       c->type == COL_BLOB;
}

/* Keys that MariaDB finds by its index and by comparing in two orders, so that a row may be neither
 * above nor at or below a value: CHAR in a collation that does not pad, YEAR(2). */
static bool has_two_orders(const struct column *c)
{
	return (c->type == COL_STRING && c->collation && strstr(c->collation, "_nopad_")) ||
	       (c->type == COL_YEAR && c->sql_type && !strncasecmp(c->sql_type, "year(2)", 7));
}

bool key_orders_surely(const struct table_schema *t)
{
	const struct index_key *k = key_of_ranges(t);
	bool sure = k != NULL;

	for (size_t i = 0; sure && i < k->n_columns; i++)
		sure = is_integer(&t->columns[k->columns[i]]);
	return sure;
}

const struct index_key *key_of_ranges(const struct table_schema *t)
{
	const struct index_key *k;

	if (t->handle < 0)
		return NULL;
	k = &t->uniques[t->handle];
	if (k->prefix || !k->n_columns)
		return NULL;
	for (size_t i = 0; i < k->n_columns; i++) {
		const struct column *c = &t->columns[k->columns[i]];

		if (!is_integer(c) && !is_text(c) && c->type != COL_DECIMAL &&
		    c->type != COL_DATE && c->type != COL_DATETIME && c->type != COL_TIMESTAMP &&
		    c->type != COL_TIME && c->type != COL_YEAR)
			/* ENUM, SET and BIT order by number, floats have no exact text */
			return NULL;
		if (has_two_orders(c))
			return NULL;
	}
	return k;
}

void key_column_list(struct strbuf *out, const struct table_schema *t)
{
	const struct index_key *k = key_of_ranges(t);

	for (size_t i = 0; k && i < k->n_columns; i++) {
		if (i)
			strbuf_addch(out, ',');
		sql_add_name(out, t->columns[k->columns[i]].name);
	}
}

void key_value_list(struct strbuf *out, const struct table_schema *t)
{
	const struct index_key *k = key_of_ranges(t);

	for (size_t i = 0; k && i < k->n_columns; i++) {
		const struct column *c = &t->columns[k->columns[i]];

		strbuf_addstr(out, i ? "," : "");
		strbuf_addstr(out, column_is_zerofill(c) ? "("
				   : column_is_gbk(c)    ? "CONVERT("
							 : "");
		sql_add_name(out, c->name);
		strbuf_addstr(out, column_is_zerofill(c) ? "+0)"
				   : column_is_gbk(c)    ? " USING binary)"
							 : "");
	}
}

/* (a,b) > (x,y): a >= x AND (a > x OR (a = x AND b > y)). The first part lets every optimizer see
 * the range. */
static void add_side(struct strbuf *out, const struct table_schema *t, const struct index_key *k,
		     const struct key_bound *b, bool above)
{
	const char *strict = above ? " > " : " < ", *last = above ? " > " : " <= ";

	sql_add_name(out, t->columns[k->columns[0]].name);
	if (k->n_columns == 1) {
		strbuf_addf(out, "%s%s", last, b->literal[0]);
		return;
	}
	strbuf_addf(out, "%s%s AND (", above ? " >= " : " <= ", b->literal[0]);
	for (size_t i = 0; i < k->n_columns; i++) {
		strbuf_addstr(out, i ? " OR (" : "(");
		for (size_t j = 0; j <= i; j++) {
			if (j)
				strbuf_addstr(out, " AND ");
			sql_add_name(out, t->columns[k->columns[j]].name);
			strbuf_addf(out, "%s%s",
				    j < i                  ? " = "
				    : i + 1 < k->n_columns ? strict
							   : last,
				    b->literal[j]);
		}
		strbuf_addch(out, ')');
	}
	strbuf_addch(out, ')');
}

void key_where(struct strbuf *out, const struct table_schema *t, const struct key_bound *low,
	       const struct key_bound *high)
{
	const struct index_key *k = key_of_ranges(t);
	bool has_low = low && low->literal, has_high = high && high->literal;

	if (t->condition)
		strbuf_addf(out, " WHERE (%s)", t->condition);
	if (!k || (!has_low && !has_high))
		return;
	strbuf_addstr(out, t->condition ? " AND " : " WHERE ");
	if (has_low)
		add_side(out, t, k, low, true);
	if (has_low && has_high)
		strbuf_addstr(out, " AND ");
	if (has_high)
		add_side(out, t, k, high, false);
}

void key_bound_release(struct key_bound *b, size_t n_columns)
{
	for (size_t i = 0; b->literal && i < n_columns; i++)
		free(b->literal[i]);
	free(b->literal);
	b->literal = NULL;
}

void key_ranges_release(struct key_ranges *r)
{
	for (size_t i = 0; i < r->n; i++)
		key_bound_release(&r->bounds[i], r->n_columns);
	free(r->bounds);
	*r = (struct key_ranges){ 0 };
}

int key_seek(struct sql *s, const struct table_schema *t, const struct key_bound *low,
	     const struct key_bound *high, uint64_t offset, struct key_bound *out, struct err *e)
{
	const struct index_key *k = key_of_ranges(t);
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int rc = -1;

	strbuf_addstr(&q, "SELECT ");
	for (size_t i = 0; i < k->n_columns; i++) {
		const struct column *c = &t->columns[k->columns[i]];

		if (i)
			strbuf_addch(&q, ',');
		if (is_text(c)) { /* the stored bytes, whatever the connection's charset */
			strbuf_addstr(&q, "CAST(");
			sql_add_name(&q, c->name);
			strbuf_addstr(&q, " AS BINARY)");
		} else {
			sql_add_name(&q, c->name);
		}
	}
	strbuf_addstr(&q, " FROM ");
	schema_add_from(&q, t);
	key_where(&q, t, low, high);
	strbuf_addstr(&q, " ORDER BY ");
	key_column_list(&q, t);
	strbuf_addf(&q, " LIMIT 1 OFFSET %" PRIu64, offset);
	if (sql_query_stream(s, &r, e, q.buf, q.len) < 0)
		goto out;
	rc = sql_rows_next(&r, e);
	if (rc == 1) {
		out->literal = xcalloc(k->n_columns, sizeof(*out->literal));
		for (size_t i = 0; i < k->n_columns; i++) {
			struct strbuf v = STRBUF_INIT;

			literal_add_cell(&v, &t->columns[k->columns[i]], r.cell[i], r.len[i]);
			out->literal[i] = strbuf_detach(&v);
		}
	}
out:
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

static void add_bound(struct key_ranges *out, struct key_bound b)
{
	out->bounds = xreallocarray(out->bounds, out->n + 1, sizeof(*out->bounds));
	out->bounds[out->n++] = b;
}

#define BOUNDS_MAX 1000000u

/* Dense: at least a quarter of the numbers between the ends are rows, by the server's estimate.
 * Then arithmetic costs nothing. */
static int cut_dense(struct sql *s, const struct table_schema *t, const struct index_key *k,
		     uint64_t rows, struct key_ranges *out, struct err *e)
{
	const struct column *c = &t->columns[k->columns[0]];
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	uint64_t min, max, estimate, n;
	bool is_signed = !(c->flags & COLF_UNSIGNED);
	int rc = -1;

	strbuf_addstr(&q, "SELECT MIN(");
	sql_add_name(&q, c->name);
	strbuf_addstr(&q, "),MAX(");
	sql_add_name(&q, c->name);
	strbuf_addstr(&q,
		      "),(SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA=");
	sql_add_text(&q, t->db, strlen(t->db));
	strbuf_addstr(&q, " AND TABLE_NAME=");
	sql_add_text(&q, t->table, strlen(t->table));
	strbuf_addstr(&q, ") FROM ");
	schema_add_from(&q, t);
	key_where(&q, t, NULL, NULL);
	if (sql_query_stream(s, &r, e, q.buf, q.len) < 0 || (rc = sql_rows_next(&r, e)) < 0)
		goto out;
	if (rc == 0 || !r.cell[0] || !r.cell[1]) {
		rc = 1; /* empty: one range */
		goto out;
	}
	min = is_signed ? (uint64_t)strtoll(r.cell[0], NULL, 10) : strtoull(r.cell[0], NULL, 10);
	max = is_signed ? (uint64_t)strtoll(r.cell[1], NULL, 10) : strtoull(r.cell[1], NULL, 10);
	estimate = r.cell[2] ? strtoull(r.cell[2], NULL, 10) : 0;
	if (max - min > rows && (max - min) / 4 > estimate) {
		rc = 0;
		goto out;
	}
	n = (max - min) / rows + 1;
	for (uint64_t i = 1; i < n && i < BOUNDS_MAX; i++) {
		struct key_bound b = { .literal = xcalloc(1, sizeof(char *)) };
		uint64_t at = min + (uint64_t)((unsigned __int128)(max - min) * i / n);

		b.literal[0] =
			is_signed ? xstrfmt("%" PRId64, (int64_t)at) : xstrfmt("%" PRIu64, at);
		add_bound(out, b);
	}
	rc = 1;
out:
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

int key_ranges_cut(struct sql *s, const struct table_schema *t, uint64_t rows,
		   struct key_ranges *out, struct err *e)
{
	const struct index_key *k = key_of_ranges(t);
	int rc;

	*out = (struct key_ranges){ 0 };
	if (!k)
		return 0;
	out->n_columns = k->n_columns;
	if (k->n_columns == 1 && is_integer(&t->columns[k->columns[0]])) {
		rc = cut_dense(s, t, k, rows, out, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	while (out->n < BOUNDS_MAX) {
		struct key_bound b = { 0 };

		rc = key_seek(s, t, out->n ? &out->bounds[out->n - 1] : NULL, NULL, rows - 1, &b,
			      e);
		if (rc < 0) {
			key_ranges_release(out);
			return -1;
		}
		if (rc == 0)
			break;
		add_bound(out, b);
	}
	return 0;
}
