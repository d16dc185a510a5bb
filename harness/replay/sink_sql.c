#include "harness/replay/sink_sql.h"

#include <string.h>

#include "harness/sql/literal.h"

#define STATEMENT_BYTES ((size_t)512 << 10) /* half of the smallest max_allowed_packet in use */
#define COMPOSITE_KEYS 200 /* OR-ed keys: the optimizer gives up on ranges far above */

static void add_value(struct strbuf *q, const struct shape_column *c, const struct redo_value *v)
{
	literal_add(q, (enum column_type)c->type, c->text, v);
}

static void add_table(struct strbuf *q, const struct shape *t)
{
	sql_add_name(q, t->db);
	strbuf_addch(q, '.');
	sql_add_name(q, t->table);
}

static void replace_head(struct strbuf *q, const struct shape *t, const char *verb)
{
	strbuf_addstr(q, verb);
	add_table(q, t);
	for (uint32_t i = 0; i < t->n_columns; i++) {
		strbuf_addstr(q, i ? "," : " (");
		sql_add_name(q, t->columns[i].name);
	}
	strbuf_addstr(q, ") VALUES ");
}

static void replace_row(struct strbuf *q, const struct merge_change *c)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < c->shape->n_columns; i++) {
		struct redo_value v;

		shape_image_next(c->image, &at, &v);
		strbuf_addch(q, i ? ',' : '(');
		add_value(q, &c->shape->columns[i], &v);
	}
	strbuf_addch(q, ')');
}

static void delete_row(struct strbuf *q, const struct merge_change *c, bool first)
{
	const struct shape *t = c->shape;
	uint32_t at = 0;

	if (t->n_key > 1)
		strbuf_addstr(q, first ? "(" : " OR (");
	else if (!first)
		strbuf_addch(q, ',');
	for (uint32_t i = 0; i < t->n_key; i++) {
		const struct shape_column *col = &t->columns[t->key[i]];
		struct redo_value v;

		shape_image_next(c->image, &at, &v);
		if (t->n_key > 1) {
			strbuf_addstr(q, i ? " AND " : "");
			sql_add_name(q, col->name);
			strbuf_addch(q, '=');
		}
		add_value(q, col, &v);
	}
	if (t->n_key > 1)
		strbuf_addch(q, ')');
}

/* Takes changes of one shape from c[0..n); returns how many went into the statement. */
size_t sink_statement(struct strbuf *q, const struct merge_change *c, size_t n)
{
	const struct shape *t = c->shape;
	size_t k, max = c->put ? SINK_STATEMENT_ROWS : t->n_key > 1 ? COMPOSITE_KEYS : SINK_STATEMENT_ROWS;

	strbuf_reset(q);
	if (c->put) {
		replace_head(q, t, "REPLACE INTO ");
	} else {
		strbuf_addstr(q, "DELETE FROM ");
		add_table(q, t);
		strbuf_addstr(q, " WHERE ");
		if (t->n_key == 1) {
			sql_add_name(q, t->columns[t->key[0]].name);
			strbuf_addstr(q, " IN (");
		}
	}
	for (k = 0; k < n && k < max && c[k].shape == t && c[k].put == c->put && q->len < STATEMENT_BYTES; k++) {
		if (c->put) {
			if (k)
				strbuf_addch(q, ',');
			replace_row(q, &c[k]);
		} else {
			delete_row(q, &c[k], k == 0);
		}
	}
	if (!c->put && t->n_key == 1)
		strbuf_addch(q, ')');
	return k;
}

void sink_keyless_statement(struct strbuf *q, const struct merge_change *c)
{
	const struct shape *t = c->shape;
	uint32_t at = 0;

	strbuf_reset(q);
	if (c->put) {
		replace_head(q, t, "INSERT INTO ");
		replace_row(q, c);
		return;
	}
	strbuf_addstr(q, "DELETE FROM ");
	add_table(q, t);
	for (uint32_t i = 0; i < t->n_columns; i++) {
		bool text = t->columns[i].text, json = t->columns[i].type == COL_JSON;
		struct redo_value v;

		shape_image_next(c->image, &at, &v);
		strbuf_addstr(q, i ? " AND " : " WHERE ");
		/* a collation would find another row; JSON is no text to every server */
		strbuf_addstr(q, json ? "CAST(" : text ? "CONVERT(" : "");
		sql_add_name(q, t->columns[i].name);
		strbuf_addstr(q, json ? " AS CHAR) <=> " : text ? " USING utf8mb4) COLLATE utf8mb4_bin <=> " : " <=> ");
		add_value(q, &t->columns[i], &v);
	}
	strbuf_addstr(q, " LIMIT 1");
}

bool sink_may_retry(const struct err *e)
{
	return e->kind == ERR_CONFLICT || e->kind == ERR_GONE || e->code == 1020 /* record has changed */ || e->code == 9007 || e->code == 8002 ||
	       e->code == 8022 || e->code == 8028;
}

int sink_blame(struct sql *conn, const struct merge_change *c, size_t n, struct err *e)
{
	struct strbuf q = STRBUF_INIT, key = STRBUF_INIT;
	struct err one = ERR_INIT;

	sql_exec(conn, NULL, "ROLLBACK");
	if (e->kind == ERR_SQL && !c->shape->keyless && sql_exec(conn, NULL, "START TRANSACTION") >= 0) {
		for (size_t i = 0; i < n && one.kind == ERR_NONE; i++) {
			sink_statement(&q, &c[i], 1);
			if (sql_exec_text(conn, &one, q.buf, q.len) < 0 && one.kind == ERR_SQL) {
				shape_key_text(c[i].shape, c[i].image, !c[i].put, &key);
				*e = one;
				err_wrap(e, "table %s.%s, key %s", c[i].shape->db, c[i].shape->table, key.buf);
			}
		}
		sql_exec(conn, NULL, "ROLLBACK");
	}
	if (!key.len)
		err_wrap(e, "table %s.%s", c->shape->db, c->shape->table);
	strbuf_release(&q);
	strbuf_release(&key);
	return -1;
}
