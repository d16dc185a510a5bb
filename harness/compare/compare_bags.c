/* Tables without a key: their rows are multisets, compared by their sums. */
#include "harness/base/order.h"
#include "harness/compare/compare_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/compare/compare_json.h"
#include "harness/compare/compare_values.h"

#define BAG_ROWS ((uint64_t)1 << 20) /* sums held at once */
/* rows asked for by their sums; more are picked from a reading of the whole part */
#define ASK_ROWS 1000u

struct bag_row { /* that one side has more often than the other */
	uint64_t sum, times;
	bool extra, told;
};
struct bag {
	uint64_t part, parts; /* rows are split by their first sum */
	struct bag_row *rows; /* in order of their sums */
	size_t n, n_extra;
};

static int by_sum(const void *key, const void *row)
{
	uint64_t x = *(const uint64_t *)key, y = ((const struct bag_row *)row)->sum;

	return x < y ? -1 : x > y;
}

static uint64_t sum_of(char *const *cell)
{
	return strtoull(cell[0] ? cell[0] : "0", NULL, 10) << 32 |
	       strtoull(cell[1] ? cell[1] : "0", NULL, 10);
}

/* Behind the sums stand json_row_list()'s cells. */
static uint64_t value_of(const struct table_schema *t, char *const *cell, const unsigned long *len)
{
	return json_cells(t) ? json_row_sum(t, cell + 2, len + 2) : sum_of(cell);
}

/* "SELECT * FROM (SELECT <sums AS x, y>[, json_row_list()][, columns] FROM table) AS sums WHERE
 * MOD(x, parts) = part"; with JSON by the sum without it */
static void ask_part(struct strbuf *q, const struct table_schema *t, const struct bag *b,
		     bool values)
{
	const char *by = json_cells(t) ? "p" : "x";

	strbuf_reset(q);
	strbuf_addstr(q, "SELECT * FROM (SELECT ");
	checksum_row_list_as(q, t, "x", "y");
	json_row_list(q, t, "p", "q");
	for (size_t i = 0; values && i < t->n_columns; i++) {
		strbuf_addch(q, ',');
		checksum_value(q, &t->columns[i]);
		strbuf_addf(q, " AS v%zu", i);
	}
	strbuf_addstr(q, " FROM ");
	schema_add_from(q, t);
	key_where(q, t, NULL, NULL);
	strbuf_addf(q, ") AS sums WHERE (%s IS NULL OR MOD(%s,%" PRIu64 ")=%" PRIu64 ")", by, by,
		    b->parts, b->part);
}

/* A row of side a is put, one that only b has is deleted. */
static void write_fix(struct compare *c, const struct row_range *r, const struct bag_row *row,
		      uint64_t sum, MYSQL_ROW cell, const unsigned long *len)
{
	struct strbuf q = STRBUF_INIT;

	if (row->extra) {
		strbuf_addstr(&q, "DELETE FROM ");
		schema_add_from(&q, r->b);
		strbuf_addf(&q, " WHERE (%" PRIu64 ",%" PRIu64 ")=(", sum >> 32, sum & UINT32_MAX);
		checksum_row_list(&q, r->b);
		strbuf_addf(&q, ") LIMIT %" PRIu64 ";\n", row->times);
		pthread_mutex_lock(&c->lock);
		fwrite(q.buf, 1, q.len, c->fix_deletes);
		pthread_mutex_unlock(&c->lock);
	} else {
		for (uint64_t i = 0; i < row->times; i++)
			compare_write_put(c, r, "INSERT", cell, len);
	}
	strbuf_release(&q);
}

static void add_finding(struct compare *c, const struct row_range *r, struct bag_row *row,
			uint64_t sum, MYSQL_ROW cell, unsigned long *len)
{
	MYSQL_ROW both[2] = { NULL, NULL };
	unsigned long *lens[2] = { NULL, NULL };

	row->told = true;
	both[row->extra] = cell;
	lens[row->extra] = len;
	if (compare_wants_names(c, r->t))
		compare_name_row(c, r, json_pack("{s:I}", "(no key) times", (json_int_t)row->times),
				 row->extra ? ROW_EXTRA : ROW_MISSING, both, lens);
	if (c->fix_puts)
		write_fix(c, r, row, sum, cell, len);
}

/* The values of the rows of one side, in one reading of the table. */
static int tell_side(struct compare *c, struct compare_side *side, const struct row_range *r,
		     struct bag *b, bool extra, struct err *e)
{
	const struct table_schema *t = extra ? r->b : r->a;
	struct compare_side *s = &side[extra];
	size_t left = extra ? b->n_extra : b->n - b->n_extra;
	struct sql_rows rows = { 0 };
	size_t json = json_cells(t);
	int rc;

	if (!left || (!c->fix_puts && !compare_wants_names(c, r->t)))
		return 0;
	ask_part(&s->query, t, b, true);
	if (left <= ASK_ROWS && !json) {
		const char *sep = " AND (x,y) IN (";

		for (size_t i = 0; i < b->n; i++)
			if (b->rows[i].extra == extra) {
				strbuf_addf(&s->query, "%s(%" PRIu64 ",%" PRIu64 ")", sep,
					    b->rows[i].sum >> 32, b->rows[i].sum & UINT32_MAX);
				sep = ",";
			}
		strbuf_addch(&s->query, ')');
	}
	if (sql_query_stream(s->conn, &rows, e, s->query.buf, s->query.len) < 0)
		return -1;
	while ((rc = sql_rows_next(&rows, e)) == 1 && left) {
		uint64_t value = rows.cell[0] ? value_of(t, rows.cell, rows.len) : 0;
		struct bag_row *row =
			rows.cell[0] ? bsearch(&value, b->rows, b->n, sizeof(*b->rows), by_sum)
				     : NULL;

		if (!row || row->told || row->extra != extra)
			continue;
		add_finding(c, r, row, sum_of(rows.cell), rows.cell + 2 + json,
			    rows.len + 2 + json);
		left--;
		if (!c->fix_puts && !compare_wants_names(c, r->t))
			break;
	}
	sql_rows_release(&rows);
	return rc < 0 ? -1 : 0;
}

static int read_bag(struct compare_side *side, const struct row_range *r, const struct bag *b,
		    uint64_t *sums[2], size_t n[2], struct rows_sum total[2], struct err *e)
{
	MYSQL_RES *res[2];
	int rc = -1;

	for (int i = 0; i < 2; i++)
		ask_part(&side[i].query, i ? r->b : r->a, b, false);
	if (compare_ask(side, res, e) < 0)
		goto out;
	for (int i = 0; i < 2; i++) {
		size_t alloc = 0;
		MYSQL_ROW row;
		unsigned long *len;
		uint64_t sum;

		while ((rc = compare_next(&side[i], res[i], &row, &len, e)) == 1) {
			XGROW(sums[i], n[i], alloc, 4096);
			sum = sum_of(row);
			sums[i][n[i]] = value_of(i ? r->b : r->a, row, len);
			total[i].rows++;
			total[i].a += (uint32_t)(sum >> 32);
			total[i].b += (uint32_t)sum;
			total[i].unread += !row[0] || !row[1];
			n[i]++;
		}
		if (rc < 0)
			goto out;
		if (n[i])
			qsort(sums[i], n[i], sizeof(uint64_t), by_u64);
	}
out:
	compare_free(res);
	return rc;
}

static void add_row(struct bag *b, size_t *alloc, uint64_t sum, uint64_t on_a, uint64_t on_b)
{
	XGROW(b->rows, b->n, *alloc, 256);
	b->n_extra += on_b > on_a;
	b->rows[b->n++] = (struct bag_row){ sum, on_a > on_b ? on_a - on_b : on_b - on_a,
					    on_b > on_a, false };
}

/* What stands in one list and not in the other. */
static void differ(struct bag *b, uint64_t *const sums[2], const size_t n[2])
{
	size_t i = 0, j = 0, alloc = 0;

	while (i < n[0] || j < n[1]) {
		uint64_t v = j == n[1] || (i < n[0] && sums[0][i] < sums[1][j]) ? sums[0][i]
										: sums[1][j],
			 on_a = 0, on_b = 0;

		for (; i < n[0] && sums[0][i] == v; i++)
			on_a++;
		for (; j < n[1] && sums[1][j] == v; j++)
			on_b++;
		if (on_a != on_b)
			add_row(b, &alloc, v, on_a, on_b);
	}
}

static void count(struct compare *c, const struct row_range *r, const struct bag *b)
{
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < b->n; i++) {
		c->rows_different += b->rows[i].times;
		*(b->rows[i].extra ? &r->t->del : &r->t->put) += b->rows[i].times;
	}
	pthread_mutex_unlock(&c->lock);
}

int compare_bags(struct compare *c, struct compare_side *side, const struct row_range *r,
		 struct err *e)
{
	struct bag b = { .parts = r->rows / BAG_ROWS + 1 };
	struct rows_sum total[2] = { { 0 }, { 0 } };
	int rc = 0;

	for (; rc == 0 && b.part < b.parts; b.part++) {
		uint64_t *sums[2] = { NULL, NULL };
		size_t n[2] = { 0, 0 };

		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "cancelled");
		rc = read_bag(side, r, &b, sums, n, total, e);
		if (rc == 0 &&
		    (b.parts > 1 || !r->seen || !memcmp(total, r->seen, sizeof(total)))) {
			differ(&b, sums, n);
			if (b.n && r->t->keyless && compare_wants_names(c, r->t) && !r->t->named)
				compare_finding(
					c, r->t,
					json_pack("{s:s,s:s,s:s}", "kind", "keyless", "table",
						  r->t->name, "what",
						  "it has no key: a changefeed does not replicate "
						  "such a table (TiCDC: unless force-replicate is "
						  "on)"));
			count(c, r, &b);
			rc = tell_side(c, side, r, &b, true, e) < 0 ||
					     tell_side(c, side, r, &b, false, e) < 0
				     ? -1
				     : 0;
		}
		free(sums[0]);
		free(sums[1]);
		free(b.rows);
		b.rows = NULL;
		b.n = b.n_extra = 0;
	}
	if (rc == 0 && (total[0].unread || total[1].unread))
		rc = compare_unread(c, side, r, total, e);
	else if (rc == 0 && r->seen && memcmp(total, r->seen, sizeof(total)))
		compare_changing(c, r);
	return rc;
}
