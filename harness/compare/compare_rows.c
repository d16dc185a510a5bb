#include "harness/compare/compare_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/compare/compare_json.h"
#include "harness/compare/compare_values.h"
#include "harness/sql/literal.h"

#define LEAF_ROWS 65536u /* at most this many keys are held at once */
#define LEAF_BYTES ((size_t)8 << 20)
#define PUT_BATCH 256u /* rows fetched at once when only the fix wants them */
#define RECONNECT_MS 20000

/* One statement on both servers, sent before either answers. */
int compare_ask(struct compare_side *side, MYSQL_RES *res[2], struct err *e)
{
	res[0] = res[1] = NULL;
	for (int i = 0; i < 2; i++)
		if (mysql_send_query(sql_handle(side[i].conn), side[i].query.buf,
				     side[i].query.len))
			return sql_error(sql_handle(side[i].conn), e, "compare");
	for (int i = 0; i < 2; i++) {
		if (mysql_read_query_result(sql_handle(side[i].conn)))
			return sql_error(sql_handle(side[i].conn), e, "compare");
		res[i] = mysql_use_result(sql_handle(side[i].conn));
		if (!res[i])
			return sql_error(sql_handle(side[i].conn), e, "compare");
	}
	return 0;
}

void compare_free(MYSQL_RES *res[2])
{
	for (int i = 0; i < 2; i++)
		if (res[i])
			mysql_free_result(res[i]);
}

int compare_next(struct compare_side *s, MYSQL_RES *res, MYSQL_ROW *row, unsigned long **len,
		 struct err *e)
{
	*row = mysql_fetch_row(res);
	if (*row) {
		*len = mysql_fetch_lengths(res);
		return 1;
	}
	return mysql_errno(sql_handle(s->conn)) ? sql_error(sql_handle(s->conn), e, "compare") : 0;
}

static int sums_once(struct compare_side *side, const struct row_range *r, struct rows_sum *out,
		     struct err *e)
{
	MYSQL_RES *res[2];
	int rc = -1;

	for (int i = 0; i < 2; i++) {
		const struct table_schema *t = i ? r->b : r->a;

		strbuf_reset(&side[i].query);
		strbuf_addstr(&side[i].query, "SELECT ");
		checksum_select_list(&side[i].query, t);
		strbuf_addstr(&side[i].query, " FROM ");
		schema_add_from(&side[i].query, t);
		key_where(&side[i].query, t, r->low, r->high);
	}
	if (compare_ask(side, res, e) < 0)
		goto out;
	for (int i = 0; i < 2; i++) {
		MYSQL_ROW row, end;
		unsigned long *len;

		if ((rc = compare_next(&side[i], res[i], &row, &len, e)) != 1 ||
		    (rc = checksum_read(row, &out[i], e)) < 0) {
			rc = rc < 0 ? -1
				    : err_set(e, ERR_BAD_DATA, 0,
					      "the server did not compute the checksums of the "
					      "rows");
			goto out;
		}
		if ((rc = compare_next(&side[i], res[i], &end, &len, e)) < 0)
			goto out;
	}
	rc = 0;
out:
	compare_free(res);
	return rc;
}

/* A lost connection: both again. 0: try once more. */
int compare_connect_again(struct compare_side *side, struct err *e)
{
	struct err why = *e;

	if (why.kind != ERR_GONE || !side[0].ep || !side[1].ep)
		return -1;
	for (int i = 0; i < 2; i++) {
		sql_close(side[i].conn);
		side[i].conn = compare_connect(side[i].ep, side[i].snapshot, true,
					       deadline_in_ms(RECONNECT_MS), e);
		if (!side[i].conn)
			return -1;
	}
	*e = (struct err)ERR_INIT;
	return 0;
}

int compare_sums(struct compare_side *side, const struct row_range *r, struct rows_sum *out,
		 struct err *e)
{
	struct err why = ERR_INIT;

	for (int tries = 0; sums_once(side, r, out, &why) < 0; tries++)
		if (tries == COMPARE_RECONNECTS || compare_connect_again(side, &why) < 0) {
			if (e)
				*e = why;
			return -1;
		}
	return 0;
}

bool compare_sums_equal(const struct rows_sum *sum)
{
	return sum[0].rows == sum[1].rows && sum[0].a == sum[1].a && sum[0].b == sum[1].b &&
	       !sum[0].unread && !sum[1].unread;
}

void compare_changing(struct compare *c, const struct row_range *r)
{
	bool known;

	pthread_mutex_lock(&c->lock);
	known = r->t->changing;
	r->t->changing = true;
	c->changing += !known;
	pthread_mutex_unlock(&c->lock);
	if (!known)
		compare_finding(c, r->t,
				json_pack("{s:s,s:s,s:s}", "kind", "changing", "table", r->t->name,
					  "what", "it was written to during the compare"));
}

/* ---- rows without a sum ---- */

static json_t *first_unread(struct compare_side *s, const struct table_schema *t,
			    const struct row_range *r, struct err *e)
{
	const struct index_key *k = key_of_ranges(t);
	struct sql_rows rows = { 0 };
	json_t *key = NULL;

	if (!k)
		return json_null();
	strbuf_reset(&s->query);
	strbuf_addstr(&s->query, "SELECT ");
	key_value_list(&s->query, t);
	strbuf_addstr(&s->query, " FROM ");
	schema_add_from(&s->query, t);
	key_where(&s->query, t, r->low, r->high);
	strbuf_addstr(&s->query,
		      t->condition || (r->low && r->low->literal) || (r->high && r->high->literal)
			      ? " AND "
			      : " WHERE ");
	checksum_find_unread(&s->query, t);
	strbuf_addstr(&s->query, " LIMIT 1");
	if (sql_query_stream(s->conn, &rows, e, s->query.buf, s->query.len) < 0)
		return NULL;
	if (sql_rows_next(&rows, e) == 1) {
		key = json_object();
		for (size_t i = 0; i < k->n_columns; i++)
			json_object_set_new(key, t->columns[k->columns[i]].name,
					    compare_value(&t->columns[k->columns[i]], rows.cell[i],
							  rows.len[i]));
	}
	sql_rows_release(&rows);
	return key ? key : json_null();
}

int compare_unread(struct compare *c, struct compare_side *side, const struct row_range *r,
		   const struct rows_sum *sum, struct err *e)
{
	int which = sum[1].unread > sum[0].unread;
	bool known;
	json_t *key;

	pthread_mutex_lock(&c->lock);
	known = r->t->unread;
	r->t->unread = true;
	c->unread += !known;
	pthread_mutex_unlock(&c->lock);
	if (known)
		return 0;
	key = first_unread(&side[which], which ? r->b : r->a, r, e);
	if (!key)
		return -1;
	compare_finding(
		c, r->t,
		json_pack(
			"{s:s,s:s,s:o,s:s?,s:s}", "kind", "unread", "table", r->t->name, "key", key,
			"on", which ? c->o->b_name : c->o->a_name, "what",
			"rows are larger than the server's max_allowed_packet, so it computes no "
			"checksum for them, and they were not compared: raise max_allowed_packet"));
	return 0;
}

/* ---- a leaf: keys and sums of both sides ---- */

static const char *const state_name[] = { "missing", "same", "different", "extra" };

struct leaf_row {
	size_t key_at, key_len; /* in leaf.keys */
	uint64_t sum;
	enum row_state state;
};
struct leaf {
	struct rows_sum sum[2]; /* of all that was read */
	struct strbuf keys;     /* length-marked values */
	struct leaf_row *rows;
	size_t n, alloc;
	uint32_t *slots; /* row + 1; 0: free */
	size_t n_slots;  /* a power of two, at least twice the rows of side a */
};

static struct leaf_row *leaf_find(struct leaf *l, const char *key, size_t n, size_t *slot)
{
	size_t i = XXH3_64bits(key, n) & (l->n_slots - 1);

	for (; l->slots[i]; i = (i + 1) & (l->n_slots - 1)) {
		struct leaf_row *r = &l->rows[l->slots[i] - 1];

		if (r->key_len == n && !memcmp(l->keys.buf + r->key_at, key, n))
			return r;
	}
	*slot = i;
	return NULL;
}

static struct leaf_row *leaf_add(struct leaf *l, const char *key, size_t n, uint64_t sum,
				 enum row_state state)
{
	XGROW(l->rows, l->n, l->alloc, 1024);
	l->rows[l->n] = (struct leaf_row){ l->keys.len, n, sum, state };
	strbuf_add(&l->keys, key, n);
	return &l->rows[l->n++];
}

static void leaf_release(struct leaf *l)
{
	strbuf_release(&l->keys);
	free(l->rows);
	free(l->slots);
}

static void leaf_grow_slots(struct leaf *l)
{
	if (l->n_slots >= 4 * (l->n + 1))
		return;
	l->n_slots = l->n_slots ? l->n_slots * 4 : 4096;
	free(l->slots);
	l->slots = xcalloc(l->n_slots, sizeof(*l->slots));
	for (size_t i = 0; i < l->n; i++) {
		size_t slot = 0;

		if (!leaf_find(l, l->keys.buf + l->rows[i].key_at, l->rows[i].key_len, &slot))
			l->slots[slot] = (uint32_t)i + 1;
	}
}

/* A row "key.., crc, crc" as length-marked key bytes. */
static uint64_t row_key(struct strbuf *key, MYSQL_ROW row, const unsigned long *len, size_t n_key)
{
	strbuf_reset(key);
	for (size_t i = 0; i < n_key; i++) {
		uint32_t n = row[i] ? (uint32_t)len[i] : UINT32_MAX;

		strbuf_add(key, &n, sizeof(n));
		if (row[i])
			strbuf_add(key, row[i], len[i]);
	}
	return strtoull(row[n_key] ? row[n_key] : "0", NULL, 10) << 32 |
	       strtoull(row[n_key + 1] ? row[n_key + 1] : "0", NULL, 10);
}

static void leaf_sum(struct leaf *l, int side, uint64_t sum, bool read)
{
	struct rows_sum *s = &l->sum[side];

	s->rows++;
	s->a += (uint32_t)(sum >> 32);
	s->b += (uint32_t)sum;
	s->unread += !read;
}

static int leaf_once(struct compare_side *side, const struct row_range *r,
		     const struct index_key *k, struct leaf *l, struct err *e)
{
	MYSQL_RES *res[2];
	MYSQL_ROW row;
	unsigned long *len;
	struct strbuf key = STRBUF_INIT;
	bool json = json_cells(r->a) > 0;
	int rc = -1;

	for (int i = 0; i < 2; i++) {
		const struct table_schema *t = i ? r->b : r->a;

		strbuf_reset(&side[i].query);
		strbuf_addstr(&side[i].query, "SELECT ");
		key_value_list(&side[i].query, t);
		strbuf_addch(&side[i].query, ',');
		checksum_row_list(&side[i].query, t);
		json_row_list(&side[i].query, t, NULL, NULL);
		strbuf_addstr(&side[i].query, " FROM ");
		schema_add_from(&side[i].query, t);
		key_where(&side[i].query, t, r->low, r->high);
	}
	if (compare_ask(side, res, e) < 0)
		goto out;
	leaf_grow_slots(l);
	while ((rc = compare_next(&side[0], res[0], &row, &len, e)) == 1) {
		uint64_t sum = row_key(&key, row, len, k->n_columns);
		size_t slot = 0;

		leaf_sum(l, 0, sum, row[k->n_columns] && row[k->n_columns + 1]);
		if (json)
			sum = json_row_sum(r->a, row + k->n_columns + 2, len + k->n_columns + 2);
		leaf_grow_slots(l);
		/* of two tables that are routed to one */
		bool twice = leaf_find(l, key.buf, key.len, &slot) != NULL;

		leaf_add(l, key.buf, key.len, sum, ROW_MISSING);
		if (!twice)
			l->slots[slot] = (uint32_t)l->n;
	}
	if (rc < 0)
		goto out;
	while ((rc = compare_next(&side[1], res[1], &row, &len, e)) == 1) {
		uint64_t sum = row_key(&key, row, len, k->n_columns);
		size_t slot;
		struct leaf_row *a;

		leaf_sum(l, 1, sum, row[k->n_columns] && row[k->n_columns + 1]);
		if (json)
			sum = json_row_sum(r->b, row + k->n_columns + 2, len + k->n_columns + 2);
		a = leaf_find(l, key.buf, key.len, &slot);

		if (a && a->state == ROW_MISSING)
			a->state = a->sum == sum ? ROW_SAME : ROW_DIFFERENT;
		else
			/* in no slot: nothing looks for it */
			leaf_add(l, key.buf, key.len, sum, ROW_EXTRA);
	}
out:
	compare_free(res);
	strbuf_release(&key);
	return rc;
}

static int leaf_read(struct compare_side *side, const struct row_range *r,
		     const struct index_key *k, struct leaf *l, struct err *e)
{
	struct err why = ERR_INIT;

	for (int tries = 0; leaf_once(side, r, k, l, &why) < 0; tries++) {
		leaf_release(l);
		*l = (struct leaf){ .keys = STRBUF_INIT };
		if (tries == COMPARE_RECONNECTS || compare_connect_again(side, &why) < 0) {
			if (e)
				*e = why;
			return -1;
		}
	}
	return 0;
}

/* "(`a`=1 AND `b`='x')" */
static void add_key_condition(struct strbuf *q, const struct table_schema *t,
			      const struct index_key *k, const char *key)
{
	strbuf_addch(q, '(');
	for (size_t i = 0; i < k->n_columns; i++) {
		const struct column *c = &t->columns[k->columns[i]];
		uint32_t n;

		memcpy(&n, key, sizeof(n));
		key += sizeof(n);
		if (i)
			strbuf_addstr(q, " AND ");
		sql_add_name(q, c->name);
		strbuf_addch(q, '=');
		literal_add_cell(q, c, n == UINT32_MAX ? NULL : key, n == UINT32_MAX ? 0 : n);
		key += n == UINT32_MAX ? 0 : n;
	}
	strbuf_addch(q, ')');
}

static json_t *key_json(const struct table_schema *t, const struct index_key *k, const char *key)
{
	json_t *o = json_object();

	for (size_t i = 0; i < k->n_columns; i++) {
		const struct column *c = &t->columns[k->columns[i]];
		uint32_t n;

		memcpy(&n, key, sizeof(n));
		key += sizeof(n);
		json_object_set_new(o, c->name,
				    n == UINT32_MAX ? json_null() : compare_value(c, key, n));
		key += n == UINT32_MAX ? 0 : n;
	}
	return o;
}

/* Two servers of different kinds write one DOUBLE or JSON in two ways. */
static bool is_same(const struct table_schema *t, const struct column *c, const char *a,
		    size_t a_len, const char *b, size_t b_len)
{
	if (!a || !b)
		return a == b;
	if (c->type == COL_FLOAT || c->type == COL_DOUBLE) {
		double x = strtod(a, NULL), y = strtod(b, NULL);

		return memcmp(&x, &y, sizeof(x)) == 0;
	}
	if (t->json_by_value && c->type == COL_JSON)
		return json_same(a, a_len, b, b_len);
	return a_len == b_len && !memcmp(a, b, a_len);
}

void compare_name_row(struct compare *c, const struct row_range *r, json_t *key,
		      enum row_state state, MYSQL_ROW row[2], unsigned long *len[2])
{
	json_t *f, *columns = json_array(), *values[2] = { json_object(), json_object() };

	for (size_t i = 0; i < r->a->n_columns; i++) {
		if (row[0] && row[1] &&
		    is_same(r->a, &r->a->columns[i], row[0][i], len[0][i], row[1][i], len[1][i]))
			continue;
		if (row[0] && row[1])
			json_array_append_new(columns, json_string(r->a->columns[i].name));
		for (int s = 0; s < 2; s++)
			if (row[s])
				json_object_set_new(
					values[s], r->a->columns[i].name,
					compare_value(&r->a->columns[i], row[s][i], len[s][i]));
	}
	f = json_pack("{s:s,s:s,s:o}", "kind", state_name[state], "table", r->t->name, "key", key);
	if (state == ROW_DIFFERENT)
		json_object_set(f, "columns", columns);
	if (row[0])
		json_object_set(f, c->o->a_name ? c->o->a_name : "a", values[0]);
	if (row[1])
		json_object_set(f, c->o->b_name ? c->o->b_name : "b", values[1]);
	json_decref(columns);
	json_decref(values[0]);
	json_decref(values[1]);
	compare_finding(c, r->t, f);
}

static int fetch_row(struct compare_side *s, const struct table_schema *t, const char *where,
		     MYSQL_RES **res, MYSQL_ROW *row, unsigned long **len, struct err *e)
{
	strbuf_reset(&s->query);
	strbuf_addstr(&s->query, "SELECT ");
	compare_value_list(&s->query, t);
	strbuf_addstr(&s->query, " FROM ");
	schema_add_from(&s->query, t);
	strbuf_addstr(&s->query, where);
	strbuf_addstr(&s->query, " LIMIT 1");
	if (mysql_real_query(sql_handle(s->conn), s->query.buf, s->query.len) ||
	    !(*res = mysql_store_result(sql_handle(s->conn))))
		return sql_error(sql_handle(s->conn), e, "fetch a row");
	*row = mysql_fetch_row(*res);
	*len = *row ? mysql_fetch_lengths(*res) : NULL;
	return 0;
}

/* Rows of side a for the fix alone: many at once. `where` is emptied. */
static int put_batch(struct compare *c, struct compare_side *s, const struct row_range *r,
		     struct strbuf *where, struct err *e)
{
	const struct table_schema *t = r->a;
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (!where->len)
		return 0;
	strbuf_reset(&s->query);
	strbuf_addstr(&s->query, "SELECT ");
	compare_value_list(&s->query, t);
	strbuf_addstr(&s->query, " FROM ");
	schema_add_from(&s->query, t);
	strbuf_add(&s->query, where->buf, where->len);
	strbuf_reset(where);
	if (mysql_real_query(sql_handle(s->conn), s->query.buf, s->query.len) ||
	    !(res = mysql_use_result(sql_handle(s->conn))))
		return sql_error(sql_handle(s->conn), e, "fetch rows");
	while ((row = mysql_fetch_row(res)))
		compare_write_put(c, r, "REPLACE", row, mysql_fetch_lengths(res));
	mysql_free_result(res);
	return mysql_errno(sql_handle(s->conn)) ? sql_error(sql_handle(s->conn), e, "fetch rows")
						: 0;
}

static bool is_plain(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] > '~' || p[i] == '\\')
			return false;
	return true;
}

static bool bound_is_plain(const struct key_bound *b, size_t n)
{
	for (size_t i = 0; b && b->literal && i < n; i++)
		if (strchr("_C", b->literal[i][0]) || /* bytes of another character set */
		    !is_plain(b->literal[i], strlen(b->literal[i])))
			return false;
	return true;
}

static bool key_is_plain(const char *key, size_t n_columns)
{
	for (size_t i = 0; i < n_columns; i++) {
		uint32_t n;

		memcpy(&n, key, sizeof(n));
		key += sizeof(n);
		n = n == UINT32_MAX ? 0 : n;
		if (!is_plain(key, n))
			return false;
		key += n;
	}
	return true;
}

/* Another kind of server may order texts differently (MariaDB has 'a\t' below 'a', TiDB above it):
 * a row that is not in this range there may be in another. It is asked for by its key. */
static int look_elsewhere(struct compare_side *side, const struct row_range *r,
			  const struct index_key *k, struct leaf_row *lr, const char *key,
			  struct err *e)
{
	bool extra = lr->state == ROW_EXTRA;
	const struct table_schema *t = extra ? r->a : r->b;
	struct compare_side *s = &side[!extra];
	struct strbuf there = STRBUF_INIT;
	struct sql_rows rows = { 0 };
	size_t n = k->n_columns;
	int rc;

	strbuf_reset(&s->query);
	strbuf_addstr(&s->query, "SELECT ");
	key_value_list(&s->query, t);
	strbuf_addch(&s->query, ',');
	checksum_row_list(&s->query, t);
	json_row_list(&s->query, t, NULL, NULL);
	strbuf_addstr(&s->query, " FROM ");
	schema_add_from(&s->query, t);
	key_where(&s->query, t, NULL, NULL);
	strbuf_addstr(&s->query, t->condition ? " AND " : " WHERE ");
	add_key_condition(&s->query, t, k, key);
	if (sql_query_stream(s->conn, &rows, e, s->query.buf, s->query.len) < 0)
		return -1;
	while ((rc = sql_rows_next(&rows, e)) == 1) {
		uint64_t sum = row_key(&there, rows.cell, rows.len, n);

		if (there.len != lr->key_len || memcmp(there.buf, key, there.len) != 0)
			continue; /* a collation's equal */
		if (json_cells(t))
			sum = json_row_sum(t, rows.cell + n + 2, rows.len + n + 2);
		/* what only b seems to have is told where a has it */
		lr->state = extra || sum == lr->sum ? ROW_SAME : ROW_DIFFERENT;
	}
	sql_rows_release(&rows);
	strbuf_release(&there);
	return rc;
}

static int name_leaf(struct compare *c, struct compare_side *side, const struct row_range *r,
		     const struct index_key *k, struct leaf *l, struct err *e)
{
	struct strbuf where = STRBUF_INIT, puts = STRBUF_INIT;
	bool bounds_are_plain =
		bound_is_plain(r->low, k->n_columns) && bound_is_plain(r->high, k->n_columns);
	unsigned in_batch = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		struct leaf_row *lr = &l->rows[i];
		MYSQL_RES *res[2] = { NULL, NULL };
		MYSQL_ROW row[2] = { NULL, NULL };
		unsigned long *len[2] = { NULL, NULL };
		const char *key = l->keys.buf + lr->key_at;

		if (r->a->texts_move && (lr->state == ROW_MISSING || lr->state == ROW_EXTRA) &&
		    !(bounds_are_plain && key_is_plain(key, k->n_columns)) &&
		    (rc = look_elsewhere(side, r, k, lr, key, e)) < 0)
			break;
		if (lr->state == ROW_SAME)
			continue;
		pthread_mutex_lock(&c->lock);
		c->rows_different++;
		r->t->del += lr->state == ROW_EXTRA;
		r->t->put += lr->state != ROW_EXTRA;
		if (lr->state == ROW_EXTRA && c->fix_deletes) {
			strbuf_reset(&where);
			strbuf_addstr(&where, "DELETE FROM ");
			schema_add_from(&where, r->b);
			strbuf_addstr(&where, " WHERE ");
			add_key_condition(&where, r->b, k, key);
			fprintf(c->fix_deletes, "%s;\n", where.buf);
		}
		pthread_mutex_unlock(&c->lock);
		if (!compare_wants_names(c, r->t)) {
			if (c->fix_puts && lr->state != ROW_EXTRA) {
				strbuf_addstr(&puts, puts.len ? " OR " : " WHERE ");
				add_key_condition(&puts, r->a, k, key);
				if (++in_batch % PUT_BATCH == 0)
					rc = put_batch(c, &side[0], r, &puts, e);
			}
			continue;
		}
		strbuf_reset(&where);
		strbuf_addstr(&where, " WHERE ");
		add_key_condition(&where, r->a, k, key);
		if (lr->state != ROW_EXTRA)
			rc = fetch_row(&side[0], r->a, where.buf, &res[0], &row[0], &len[0], e);
		if (rc == 0 && lr->state != ROW_MISSING)
			rc = fetch_row(&side[1], r->b, where.buf, &res[1], &row[1], &len[1], e);
		if (rc == 0) {
			if (c->fix_puts && row[0])
				compare_write_put(c, r, "REPLACE", row[0], len[0]);
			compare_name_row(c, r, key_json(r->a, k, key), lr->state, row, len);
		}
		compare_free(res);
	}
	if (rc == 0)
		rc = put_batch(c, &side[0], r, &puts, e);
	strbuf_release(&where);
	strbuf_release(&puts);
	return rc;
}

static uint64_t leaf_rows(const struct table_schema *t, const struct index_key *k)
{
	uint64_t bytes = 24;

	for (size_t i = 0; i < k->n_columns; i++)
		bytes += 4 + (t->columns[k->columns[i]].length > 3072
				      ? 3072
				      : t->columns[k->columns[i]].length);
	return LEAF_BYTES / bytes < LEAF_ROWS ? LEAF_BYTES / bytes : LEAF_ROWS;
}

int compare_rows(struct compare *c, struct compare_side *side, const struct row_range *r,
		 struct err *e)
{
	const struct index_key *k = key_of_ranges(r->a);
	struct key_bound middle = { 0 };
	struct rows_sum sum[2];
	struct leaf l = { .keys = STRBUF_INIT };
	int rc = 0;

	if (clock_cancelled())
		return err_set(e, ERR_CANCELLED, 0, "cancelled");
	if (r->rows > leaf_rows(r->a, k)) {
		for (int s = 0; s < 2 && rc == 0; s++) /* the first side may have nothing there */
			rc = key_seek(side[s].conn, s ? r->b : r->a, r->low, r->high,
				      r->rows / 2 - 1, &middle, e);
		if (rc < 0)
			return -1;
	}
	if (middle.literal) {
		bool differ = false;

		for (int half = 0; half < 2 && rc >= 0; half++) {
			struct row_range part = {
				r->a, r->b, half ? &middle : r->low, half ? r->high : &middle, 0,
				sum,  r->t
			};

			rc = compare_sums(side, &part, sum, e);
			if (rc < 0 || compare_sums_equal(sum))
				continue;
			differ = true;
			part.rows = sum[0].rows > sum[1].rows ? sum[0].rows : sum[1].rows;
			if (sum[0].unread || sum[1].unread)
				rc = compare_unread(c, side, &part, sum, e);
			else if (part.rows < r->rows)
				rc = compare_rows(c, side, &part, e);
			else
				compare_changing(c, r);
		}
		if (rc >= 0 && !differ) /* it did, a moment ago */
			compare_changing(c, r);
		key_bound_release(&middle, k->n_columns);
		return rc < 0 ? -1 : 0;
	}
	rc = leaf_read(side, r, k, &l, e);
	if (rc == 0 && (l.sum[0].unread || l.sum[1].unread))
		rc = compare_unread(c, side, r, l.sum, e);
	else if (rc == 0 && r->seen && memcmp(l.sum, r->seen, sizeof(l.sum)))
		compare_changing(c, r);
	else if (rc == 0)
		rc = name_leaf(c, side, r, k, &l, e);
	leaf_release(&l);
	return rc;
}
