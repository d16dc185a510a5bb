#include "harness/compare/compare_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/sql/literal.h"

#define LEAF_ROWS 65536u          /* at most this many keys are held at once */
#define LEAF_BYTES ((size_t)8 << 20)
#define PUT_BATCH 256u            /* rows fetched at once when only the fix wants them */
#define RECONNECTS 5
#define RECONNECT_MS 20000
#define BAG_ROWS ((uint64_t)1 << 20) /* sums held at once of a table without a key */

/* One statement on both servers, sent before either answers. */
static int ask_both(struct compare_side *side, MYSQL_RES *res[2], struct err *e)
{
	res[0] = res[1] = NULL;
	for (int i = 0; i < 2; i++)
		if (mysql_send_query(sql_handle(side[i].conn), side[i].query.buf, side[i].query.len))
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

static void free_both(MYSQL_RES *res[2])
{
	for (int i = 0; i < 2; i++)
		if (res[i])
			mysql_free_result(res[i]);
}

static int next_row(struct compare_side *s, MYSQL_RES *res, MYSQL_ROW *row, unsigned long **len, struct err *e)
{
	*row = mysql_fetch_row(res);
	if (*row) {
		*len = mysql_fetch_lengths(res);
		return 1;
	}
	return mysql_errno(sql_handle(s->conn)) ? sql_error(sql_handle(s->conn), e, "compare") : 0;
}

static void add_table(struct strbuf *q, const struct table_schema *t)
{
	sql_add_name(q, t->db);
	strbuf_addch(q, '.');
	sql_add_name(q, t->table);
}

static int sums_once(struct compare_side *side, const struct row_range *r, struct range_sum *out, struct err *e)
{
	MYSQL_RES *res[2];
	int rc = -1;

	for (int i = 0; i < 2; i++) {
		const struct table_schema *t = i ? r->b : r->a;

		strbuf_reset(&side[i].query);
		strbuf_addstr(&side[i].query, "SELECT ");
		checksum_select_list(&side[i].query, t);
		strbuf_addstr(&side[i].query, " FROM ");
		add_table(&side[i].query, t);
		key_where(&side[i].query, t, r->low, r->high);
	}
	if (ask_both(side, res, e) < 0)
		goto out;
	for (int i = 0; i < 2; i++) {
		MYSQL_ROW row, end;
		unsigned long *len;

		if ((rc = next_row(&side[i], res[i], &row, &len, e)) != 1 || !row[0] || !row[1] || !row[2]) {
			rc = rc < 0 ? -1 : err_set(e, ERR_BAD_DATA, 0, "the server did not sum the rows");
			goto out;
		}
		out[i] = (struct range_sum){ strtoull(row[0], NULL, 10), strtoull(row[1], NULL, 10), strtoull(row[2], NULL, 10) };
		if ((rc = next_row(&side[i], res[i], &end, &len, e)) < 0)
			goto out;
	}
	rc = 0;
out:
	free_both(res);
	return rc;
}

/* A lost connection: both again. 0: try once more. */
static int connect_again(struct compare_side *side, struct err *e)
{
	struct err why = *e;

	if (why.kind != ERR_GONE || !side[0].ep || !side[1].ep)
		return -1;
	for (int i = 0; i < 2; i++) {
		sql_close(side[i].conn);
		side[i].conn = compare_connect(side[i].ep, side[i].snapshot, true, deadline_in_ms(RECONNECT_MS), e);
		if (!side[i].conn)
			return -1;
	}
	*e = (struct err)ERR_INIT;
	return 0;
}

int compare_sums(struct compare_side *side, const struct row_range *r, struct range_sum *out, struct err *e)
{
	struct err why = ERR_INIT;

	for (int tries = 0; sums_once(side, r, out, &why) < 0; tries++)
		if (tries == RECONNECTS || connect_again(side, &why) < 0) {
			if (e)
				*e = why;
			return -1;
		}
	return 0;
}

/* Its sums were not the same twice: whatever differs in it may be a write on its way. */
static void changing(struct compare *c, const struct row_range *r)
{
	char name[260];
	bool known;

	snprintf(name, sizeof(name), "%s.%s", r->a->db, r->a->table);
	pthread_mutex_lock(&c->lock);
	known = r->t->changing;
	r->t->changing = true;
	c->changing += !known;
	pthread_mutex_unlock(&c->lock);
	if (!known)
		compare_finding(c, json_pack("{s:s,s:s,s:s}", "kind", "changing", "table", name, "what", "it is written to while it is compared"));
}

void compare_finding(struct compare *c, json_t *finding)
{
	pthread_mutex_lock(&c->lock);
	if (json_array_size(c->findings) < c->findings_max)
		json_array_append_new(c->findings, finding);
	else
		json_decref(finding);
	pthread_mutex_unlock(&c->lock);
}

static bool wants_names(struct compare *c)
{
	bool yes;

	pthread_mutex_lock(&c->lock);
	yes = json_array_size(c->findings) < c->findings_max;
	pthread_mutex_unlock(&c->lock);
	return yes;
}

/* ---- values ---- */

static bool as_number(const struct column *c)
{
	return c->type == COL_BIT || c->type == COL_ENUM || c->type == COL_SET;
}

static void add_value_list(struct strbuf *q, const struct table_schema *t)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->columns[i];
		const char *before = "", *after = "";

		if (as_number(c))
			before = "CAST(", after = "+0 AS UNSIGNED)";
		else if (c->type == COL_FLOAT)
			before = "CAST(", after = " AS DOUBLE)";
		else if (c->type == COL_JSON)
			before = "CAST(", after = " AS CHAR)";
		strbuf_addf(q, "%s%s", i ? "," : "", before);
		sql_add_name(q, c->name);
		strbuf_addstr(q, after);
	}
}

static bool is_bytes(const struct column *c)
{
	return (c->type == COL_STRING || c->type == COL_VARCHAR || c->type == COL_VARSTRING || c->type == COL_BLOB || c->type == COL_TINYBLOB ||
		c->type == COL_MEDIUMBLOB || c->type == COL_LONGBLOB || c->type == COL_UNKNOWN) &&
	       (!c->charset || !*c->charset || !strcmp(c->charset, "binary"));
}

json_t *compare_value(const struct column *c, const char *data, size_t n)
{
	struct strbuf out = STRBUF_INIT;
	size_t cut = n > COMPARE_VALUE_CHARS ? COMPARE_VALUE_CHARS : n;
	json_t *j = NULL;

	if (!data)
		return json_null();
	if (c->type == COL_ENUM || c->type == COL_SET) {
		uint64_t v = strtoull(data, NULL, 10);

		for (size_t i = 0; i < c->n_members && c->members; i++)
			if (c->type == COL_ENUM ? v == i + 1 : i < 64 && (v >> i & 1))
				strbuf_addf(&out, "%s%.100s", out.len ? "," : "", c->members[i]);
		if (!v)
			strbuf_addstr(&out, "(empty, number 0)");
	} else {
		while (cut && cut < n && ((unsigned char)data[cut] & 0xC0) == 0x80)
			cut--; /* not within a character */
		if (!is_bytes(c) && (j = json_stringn(data, cut)) && cut == n)
			goto out;
		if (j) {
			strbuf_add(&out, data, cut);
		} else {
			strbuf_addstr(&out, "0x");
			for (size_t i = 0; i < cut / 2 || (i < cut && n <= COMPARE_VALUE_CHARS / 2); i++)
				strbuf_addf(&out, "%02x", (unsigned char)data[i]);
		}
		if (cut < n)
			strbuf_addf(&out, "… (%zu bytes)", n);
	}
	json_decref(j);
	j = json_stringn(out.buf, out.len);
out:
	strbuf_release(&out);
	return j ? j : json_string("(no text)");
}

static void write_put(struct compare *c, const struct table_schema *t, const char *verb, MYSQL_ROW row, const unsigned long *len)
{
	struct strbuf q = STRBUF_INIT, v = STRBUF_INIT;
	bool keep = !strcmp(verb, "REPLACE") && compare_ignores(c->o, t); /* columns that are not compared stay as they are */

	strbuf_addf(&q, "%s INTO ", keep ? "INSERT" : verb);
	add_table(&q, t);
	strbuf_addstr(&q, " (");
	for (size_t i = 0, n = 0; i < t->n_columns; i++) {
		if (t->columns[i].flags & COLF_GENERATED)
			continue;
		if (n++) {
			strbuf_addch(&q, ',');
			strbuf_addch(&v, ',');
		}
		sql_add_name(&q, t->columns[i].name);
		literal_add_cell(&v, &t->columns[i], row[i], len[i]);
	}
	strbuf_addch(&v, ')');
	if (keep) {
		const char *sep = " ON DUPLICATE KEY UPDATE ";

		for (size_t i = 0; i < t->n_columns; i++) {
			if (t->columns[i].flags & COLF_GENERATED)
				continue;
			strbuf_addstr(&v, sep);
			sql_add_name(&v, t->columns[i].name);
			strbuf_addstr(&v, "=VALUES(");
			sql_add_name(&v, t->columns[i].name);
			strbuf_addch(&v, ')');
			sep = ",";
		}
	}
	pthread_mutex_lock(&c->lock);
	fprintf(c->fix_puts, "%s) VALUES (", q.buf);
	fwrite(v.buf, 1, v.len, c->fix_puts);
	fputs(";\n", c->fix_puts);
	pthread_mutex_unlock(&c->lock);
	strbuf_release(&q);
	strbuf_release(&v);
}

/* ---- a leaf: keys and sums of both sides ---- */

enum row_state { ROW_MISSING, ROW_SAME, ROW_DIFFERENT, ROW_EXTRA };
static const char *const state_name[] = { "missing", "same", "different", "extra" };

struct leaf_row {
	size_t key_at, key_len; /* in leaf.keys */
	uint64_t sum;
	enum row_state state;
};
struct leaf {
	struct range_sum sum[2]; /* of all that was read */
	struct strbuf keys;   /* length-marked values */
	struct leaf_row *rows;
	size_t n, alloc;
	uint32_t *slots;      /* row + 1; 0: free */
	size_t n_slots;       /* a power of two, at least twice the rows of side a */
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

static struct leaf_row *leaf_add(struct leaf *l, const char *key, size_t n, uint64_t sum, enum row_state state)
{
	if (l->n == l->alloc) {
		l->alloc = l->alloc ? l->alloc * 2 : 1024;
		l->rows = xreallocarray(l->rows, l->alloc, sizeof(*l->rows));
	}
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
	return strtoull(row[n_key] ? row[n_key] : "0", NULL, 10) << 32 | strtoull(row[n_key + 1] ? row[n_key + 1] : "0", NULL, 10);
}

static void leaf_sum(struct leaf *l, int side, uint64_t sum)
{
	struct range_sum *s = &l->sum[side];

	s->rows++;
	s->a = (s->a + (sum >> 32)) & UINT32_MAX;
	s->b = (s->b + sum) & UINT32_MAX;
}

static int leaf_once(struct compare_side *side, const struct row_range *r, const struct index_key *k, struct leaf *l, struct err *e)
{
	MYSQL_RES *res[2];
	MYSQL_ROW row;
	unsigned long *len;
	struct strbuf key = STRBUF_INIT;
	int rc = -1;

	for (int i = 0; i < 2; i++) {
		const struct table_schema *t = i ? r->b : r->a;

		strbuf_reset(&side[i].query);
		strbuf_addstr(&side[i].query, "SELECT ");
		key_column_list(&side[i].query, t);
		strbuf_addch(&side[i].query, ',');
		checksum_row_list(&side[i].query, t);
		strbuf_addstr(&side[i].query, " FROM ");
		add_table(&side[i].query, t);
		key_where(&side[i].query, t, r->low, r->high);
	}
	if (ask_both(side, res, e) < 0)
		goto out;
	leaf_grow_slots(l);
	while ((rc = next_row(&side[0], res[0], &row, &len, e)) == 1) {
		uint64_t sum = row_key(&key, row, len, k->n_columns);
		size_t slot = 0;

		leaf_sum(l, 0, sum);
		leaf_grow_slots(l);
		if (!leaf_find(l, key.buf, key.len, &slot)) {
			leaf_add(l, key.buf, key.len, sum, ROW_MISSING);
			l->slots[slot] = (uint32_t)l->n;
		}
	}
	if (rc < 0)
		goto out;
	while ((rc = next_row(&side[1], res[1], &row, &len, e)) == 1) {
		uint64_t sum = row_key(&key, row, len, k->n_columns);
		size_t slot;
		struct leaf_row *a;

		leaf_sum(l, 1, sum);
		a = leaf_find(l, key.buf, key.len, &slot);

		if (a)
			a->state = a->sum == sum ? ROW_SAME : ROW_DIFFERENT;
		else
			leaf_add(l, key.buf, key.len, sum, ROW_EXTRA); /* in no slot: nothing looks for it */
	}
out:
	free_both(res);
	strbuf_release(&key);
	return rc;
}

static int leaf_read(struct compare_side *side, const struct row_range *r, const struct index_key *k, struct leaf *l, struct err *e)
{
	struct err why = ERR_INIT;

	for (int tries = 0; leaf_once(side, r, k, l, &why) < 0; tries++) {
		leaf_release(l);
		*l = (struct leaf){ .keys = STRBUF_INIT };
		if (tries == RECONNECTS || connect_again(side, &why) < 0) {
			if (e)
				*e = why;
			return -1;
		}
	}
	return 0;
}

/* "(`a`=1 AND `b`='x')" */
static void add_key_condition(struct strbuf *q, const struct table_schema *t, const struct index_key *k, const char *key)
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
		json_object_set_new(o, c->name, n == UINT32_MAX ? json_null() : compare_value(c, key, n));
		key += n == UINT32_MAX ? 0 : n;
	}
	return o;
}

/* The row's values on the sides that have it: which columns differ, and how. NULL rows are absent. */
static void name_row(struct compare *c, const struct row_range *r, json_t *key, enum row_state state, MYSQL_ROW row[2], unsigned long *len[2])
{
	json_t *f, *columns = json_array(), *values[2] = { json_object(), json_object() };
	char table[140];

	for (size_t i = 0; i < r->a->n_columns; i++) {
		bool differs = !row[0] || !row[1] || !row[0][i] != !row[1][i] ||
			(row[0][i] && (len[0][i] != len[1][i] || memcmp(row[0][i], row[1][i], len[0][i])));

		if (!differs)
			continue;
		if (row[0] && row[1])
			json_array_append_new(columns, json_string(r->a->columns[i].name));
		for (int s = 0; s < 2; s++)
			if (row[s])
				json_object_set_new(values[s], r->a->columns[i].name, compare_value(&r->a->columns[i], row[s][i], len[s][i]));
	}
	snprintf(table, sizeof(table), "%s.%s", r->a->db, r->a->table);
	f = json_pack("{s:s,s:s,s:o}", "kind", state_name[state], "table", table, "key", key);
	if (state == ROW_DIFFERENT)
		json_object_set(f, "columns", columns);
	if (row[0])
		json_object_set(f, c->o->a_name ? c->o->a_name : "a", values[0]);
	if (row[1])
		json_object_set(f, c->o->b_name ? c->o->b_name : "b", values[1]);
	json_decref(columns);
	json_decref(values[0]);
	json_decref(values[1]);
	compare_finding(c, f);
}

static int fetch_row(struct compare_side *s, const struct table_schema *t, const char *where, MYSQL_RES **res, MYSQL_ROW *row,
                     unsigned long **len, struct err *e)
{
	strbuf_reset(&s->query);
	strbuf_addstr(&s->query, "SELECT ");
	add_value_list(&s->query, t);
	strbuf_addstr(&s->query, " FROM ");
	add_table(&s->query, t);
	strbuf_addstr(&s->query, where);
	strbuf_addstr(&s->query, " LIMIT 1");
	if (mysql_real_query(sql_handle(s->conn), s->query.buf, s->query.len) || !(*res = mysql_store_result(sql_handle(s->conn))))
		return sql_error(sql_handle(s->conn), e, "fetch a row");
	*row = mysql_fetch_row(*res);
	*len = *row ? mysql_fetch_lengths(*res) : NULL;
	return 0;
}

/* Rows of side a for the fix alone: many at once. `where` is emptied. */
static int put_batch(struct compare *c, struct compare_side *s, const struct table_schema *t, struct strbuf *where, struct err *e)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (!where->len)
		return 0;
	strbuf_reset(&s->query);
	strbuf_addstr(&s->query, "SELECT ");
	add_value_list(&s->query, t);
	strbuf_addstr(&s->query, " FROM ");
	add_table(&s->query, t);
	strbuf_add(&s->query, where->buf, where->len);
	strbuf_reset(where);
	if (mysql_real_query(sql_handle(s->conn), s->query.buf, s->query.len) || !(res = mysql_use_result(sql_handle(s->conn))))
		return sql_error(sql_handle(s->conn), e, "fetch rows");
	while ((row = mysql_fetch_row(res)))
		write_put(c, t, "REPLACE", row, mysql_fetch_lengths(res));
	mysql_free_result(res);
	return mysql_errno(sql_handle(s->conn)) ? sql_error(sql_handle(s->conn), e, "fetch rows") : 0;
}

static int name_leaf(struct compare *c, struct compare_side *side, const struct row_range *r, const struct index_key *k, struct leaf *l,
                     struct err *e)
{
	struct strbuf where = STRBUF_INIT, puts = STRBUF_INIT;
	unsigned in_batch = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		struct leaf_row *lr = &l->rows[i];
		MYSQL_RES *res[2] = { NULL, NULL };
		MYSQL_ROW row[2] = { NULL, NULL };
		unsigned long *len[2] = { NULL, NULL };
		const char *key = l->keys.buf + lr->key_at;

		if (lr->state == ROW_SAME)
			continue;
		pthread_mutex_lock(&c->lock);
		c->rows_different++;
		r->t->del += lr->state == ROW_EXTRA;
		r->t->put += lr->state != ROW_EXTRA;
		if (lr->state == ROW_EXTRA && c->fix_deletes) {
			strbuf_reset(&where);
			strbuf_addstr(&where, "DELETE FROM ");
			add_table(&where, r->b);
			strbuf_addstr(&where, " WHERE ");
			add_key_condition(&where, r->b, k, key);
			fprintf(c->fix_deletes, "%s;\n", where.buf);
		}
		pthread_mutex_unlock(&c->lock);
		if (!wants_names(c)) {
			if (c->fix_puts && lr->state != ROW_EXTRA) {
				strbuf_addstr(&puts, puts.len ? " OR " : " WHERE ");
				add_key_condition(&puts, r->a, k, key);
				if (++in_batch % PUT_BATCH == 0)
					rc = put_batch(c, &side[0], r->a, &puts, e);
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
				write_put(c, r->a, "REPLACE", row[0], len[0]);
			name_row(c, r, key_json(r->a, k, key), lr->state, row, len);
		}
		free_both(res);
	}
	if (rc == 0)
		rc = put_batch(c, &side[0], r->a, &puts, e);
	strbuf_release(&where);
	strbuf_release(&puts);
	return rc;
}

static uint64_t leaf_rows(const struct table_schema *t, const struct index_key *k)
{
	uint64_t bytes = 24;

	for (size_t i = 0; i < k->n_columns; i++)
		bytes += 4 + (t->columns[k->columns[i]].length > 3072 ? 3072 : t->columns[k->columns[i]].length);
	return LEAF_BYTES / bytes < LEAF_ROWS ? LEAF_BYTES / bytes : LEAF_ROWS;
}

int compare_rows(struct compare *c, struct compare_side *side, const struct row_range *r, struct err *e)
{
	const struct index_key *k = key_of_ranges(r->a);
	struct key_bound middle = { 0 };
	struct range_sum sum[2];
	struct leaf l = { .keys = STRBUF_INIT };
	int rc = 0;

	if (clock_cancelled())
		return err_set(e, ERR_CANCELLED, 0, "cancelled");
	if (r->rows > leaf_rows(r->a, k)) {
		for (int s = 0; s < 2 && rc == 0; s++) /* the first side may have nothing there */
			rc = key_seek(side[s].conn, s ? r->b : r->a, r->low, r->high, r->rows / 2 - 1, &middle, e);
		if (rc < 0)
			return -1;
	}
	if (middle.literal) {
		for (int half = 0; half < 2 && rc >= 0; half++) {
			struct row_range part = { r->a, r->b, half ? &middle : r->low, half ? r->high : &middle, 0, sum, r->t };

			rc = compare_sums(side, &part, sum, e);
			if (rc < 0 || !memcmp(&sum[0], &sum[1], sizeof(sum[0])))
				continue;
			part.rows = sum[0].rows > sum[1].rows ? sum[0].rows : sum[1].rows;
			if (part.rows < r->rows)
				rc = compare_rows(c, side, &part, e);
			else
				changing(c, r);
		}
		key_bound_release(&middle, k->n_columns);
		return rc < 0 ? -1 : 0;
	}
	rc = leaf_read(side, r, k, &l, e);
	if (rc == 0 && r->seen && memcmp(l.sum, r->seen, sizeof(l.sum)))
		changing(c, r);
	else if (rc == 0)
		rc = name_leaf(c, side, r, k, &l, e);
	leaf_release(&l);
	return rc;
}

/* ---- tables without a key ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void add_row_condition(struct strbuf *q, const struct table_schema *t, uint64_t sum)
{
	strbuf_addf(q, "(%" PRIu64 ",%" PRIu64 ")=(", sum >> 32, sum & UINT32_MAX);
	checksum_row_list(q, t);
	strbuf_addch(q, ')');
}

static int name_bag_row(struct compare *c, struct compare_side *side, const struct row_range *r, uint64_t sum, uint64_t times, bool extra,
                        struct err *e)
{
	MYSQL_RES *res[2] = { NULL, NULL };
	MYSQL_ROW row[2] = { NULL, NULL };
	unsigned long *len[2] = { NULL, NULL };
	struct strbuf where = STRBUF_INIT;
	int rc = 0;

	strbuf_addstr(&where, " WHERE ");
	add_row_condition(&where, extra ? r->b : r->a, sum);
	pthread_mutex_lock(&c->lock);
	c->rows_different += times;
	*(extra ? &r->t->del : &r->t->put) += times;
	if (extra && c->fix_deletes) {
		struct strbuf name = STRBUF_INIT;

		add_table(&name, r->b);
		fprintf(c->fix_deletes, "DELETE FROM %s%s LIMIT %" PRIu64 ";\n", name.buf, where.buf, times);
		strbuf_release(&name);
	}
	pthread_mutex_unlock(&c->lock);
	if (c->fix_puts || wants_names(c)) {
		rc = fetch_row(&side[extra], extra ? r->b : r->a, where.buf, &res[extra], &row[extra], &len[extra], e);
		if (rc == 0 && row[extra]) {
			for (uint64_t i = 0; i < times && !extra && c->fix_puts; i++)
				write_put(c, r->a, "INSERT", row[0], len[0]);
			name_row(c, r, json_pack("{s:I}", "(no key) times", (json_int_t)times), extra ? ROW_EXTRA : ROW_MISSING, row, len);
		}
	}
	free_both(res);
	strbuf_release(&where);
	return rc;
}

static int read_bag(struct compare_side *side, const struct row_range *r, uint64_t part, uint64_t parts, uint64_t *sums[2], size_t n[2],
                    struct err *e)
{
	MYSQL_RES *res[2];
	int rc = -1;

	for (int i = 0; i < 2; i++) {
		strbuf_reset(&side[i].query);
		strbuf_addstr(&side[i].query, "SELECT x, y FROM (SELECT ");
		checksum_row_list_as(&side[i].query, i ? r->b : r->a, "x", "y");
		strbuf_addstr(&side[i].query, " FROM ");
		add_table(&side[i].query, i ? r->b : r->a);
		strbuf_addf(&side[i].query, ") AS sums WHERE MOD(x,%" PRIu64 ")=%" PRIu64, parts, part);
	}
	if (ask_both(side, res, e) < 0)
		goto out;
	for (int i = 0; i < 2; i++) {
		size_t alloc = 0;
		MYSQL_ROW row;
		unsigned long *len;

		while ((rc = next_row(&side[i], res[i], &row, &len, e)) == 1) {
			if (n[i] == alloc) {
				alloc = alloc ? alloc * 2 : 4096;
				sums[i] = xreallocarray(sums[i], alloc, sizeof(uint64_t));
			}
			sums[i][n[i]++] = strtoull(row[0], NULL, 10) << 32 | strtoull(row[1], NULL, 10);
		}
		if (rc < 0)
			goto out;
		if (n[i])
			qsort(sums[i], n[i], sizeof(uint64_t), by_value);
	}
out:
	free_both(res);
	return rc;
}

int compare_bags(struct compare *c, struct compare_side *side, const struct row_range *r, struct err *e)
{
	uint64_t parts = r->rows / BAG_ROWS + 1;
	int rc = 0;

	for (uint64_t part = 0; rc == 0 && part < parts; part++) {
		uint64_t *sums[2] = { NULL, NULL };
		size_t n[2] = { 0, 0 }, i = 0, j = 0;

		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "cancelled");
		rc = read_bag(side, r, part, parts, sums, n, e);
		while (rc == 0 && (i < n[0] || j < n[1])) {
			uint64_t v = j == n[1] || (i < n[0] && sums[0][i] < sums[1][j]) ? sums[0][i] : sums[1][j], ta = 0, tb = 0;

			for (; i < n[0] && sums[0][i] == v; i++)
				ta++;
			for (; j < n[1] && sums[1][j] == v; j++)
				tb++;
			if (ta != tb)
				rc = name_bag_row(c, side, r, v, ta > tb ? ta - tb : tb - ta, tb > ta, e);
		}
		free(sums[0]);
		free(sums[1]);
	}
	return rc;
}
