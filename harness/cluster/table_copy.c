#include "harness/cluster/table_copy.h"

#include <string.h>

#define STATEMENT_BYTES ((size_t)512 << 10)

struct columns {
	struct strbuf names;  /* `a`, `b` */
	struct strbuf select; /* the same, binary ones by HEX() */
	enum written { AS_TEXT, AS_HEX, AS_NUMBER } as[4096];
	unsigned n;
};

static void columns_release(struct columns *c)
{
	strbuf_release(&c->names);
	strbuf_release(&c->select);
}

static bool is_binary(const char *type)
{
	static const char *const types[] = { "binary",       "varbinary",
					     "tinyblob",     "blob",
					     "mediumblob",   "longblob",
					     "geometry",     "point",
					     "linestring",   "polygon",
					     "multipoint",   "multilinestring",
					     "multipolygon", "geometrycollection",
					     "vector" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

/* Generated columns are the server's own to fill. */
static int read_columns(struct sql *s, const struct table_copy *o, struct columns *c, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int got = -1;

	strbuf_addstr(&q, "SELECT COLUMN_NAME, LOWER(DATA_TYPE) FROM information_schema.COLUMNS"
			  " WHERE COALESCE(GENERATION_EXPRESSION, '') = '' AND TABLE_SCHEMA = ");
	sql_add_text(&q, o->db, strlen(o->db));
	strbuf_addstr(&q, " AND TABLE_NAME = ");
	sql_add_text(&q, o->table, strlen(o->table));
	strbuf_addstr(&q, " ORDER BY ORDINAL_POSITION");
	if (sql_query(s, &r, e, "%s", q.buf) == 0)
		while ((got = sql_rows_next(&r, e)) == 1 &&
		       c->n < sizeof(c->as) / sizeof(c->as[0])) {
			bool bits = !strcmp(r.cell[1], "bit");
			bool binary = is_binary(r.cell[1]);

			strbuf_addstr(&c->names, c->n ? ", " : "");
			sql_add_name(&c->names, r.cell[0]);
			strbuf_addstr(&c->select, c->n ? ", " : "");
			strbuf_addstr(&c->select, binary ? "HEX(" : "");
			sql_add_name(&c->select, r.cell[0]);
			strbuf_addstr(&c->select, binary ? ")" : bits ? " + 0" : "");
			c->as[c->n++] = binary ? AS_HEX : bits ? AS_NUMBER : AS_TEXT;
		}
	if (got == 0 && !c->n)
		got = err_set(e, ERR_NOT_FOUND, 0, "table %s.%s does not exist%s%s", o->db,
			      o->table, o->snapshot ? " at TSO " : "",
			      o->snapshot ? o->snapshot : "");
	sql_rows_release(&r);
	strbuf_release(&q);
	return got < 0 ? -1 : 0;
}

/* Behind "CREATE TABLE `name`". */
static const char *skip_name(const char *create)
{
	const char *p = strchr(create, '`');

	for (p = p ? p + 1 : NULL; p && *p; p++)
		if (*p == '`' && *++p != '`')
			return p;
	return NULL;
}

static int make_table(struct sql *from, struct sql *to, const struct table_copy *o, struct err *e)
{
	struct strbuf name = STRBUF_INIT, q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	const char *rest;
	int rc = -1;

	sql_add_name(&name, o->db);
	strbuf_addch(&name, '.');
	sql_add_name(&name, o->table);
	if (sql_query(from, &r, e, "SHOW CREATE TABLE %s", name.buf) < 0)
		goto out;
	if (sql_rows_next(&r, e) != 1 || r.n_columns < 2 || !(rest = skip_name(r.cell[1]))) {
		err_set(e, ERR_BAD_DATA, 0, "%s.%s is not a table", o->db, o->table);
		goto out;
	}
	strbuf_addstr(&q, "CREATE TABLE ");
	sql_add_name(&q, o->to_db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, o->to_table);
	strbuf_addstr(&q, rest);
	rc = sql_exec_text(to, e, q.buf, q.len) < 0 ? -1 : 0;
out:
	sql_rows_release(&r);
	strbuf_release(&name);
	strbuf_release(&q);
	return rc;
}

static int flush(struct sql *to, struct strbuf *q, size_t head, struct err *e)
{
	int rc = q->len > head && sql_exec_text(to, e, q->buf, q->len) < 0 ? -1 : 0;

	strbuf_setlen(q, head);
	return rc;
}

static int copy_rows(struct sql *from, struct sql *to, const struct table_copy *o,
		     const struct columns *c, uint64_t *rows, struct err *e)
{
	struct strbuf select = STRBUF_INIT, q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int got = -1;
	size_t head;

	strbuf_addf(&select, "SELECT %s FROM ", c->select.buf);
	sql_add_name(&select, o->db);
	strbuf_addch(&select, '.');
	sql_add_name(&select, o->table);
	strbuf_addstr(&q, "INSERT INTO ");
	sql_add_name(&q, o->to_db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, o->to_table);
	strbuf_addf(&q, " (%s) VALUES ", c->names.buf);
	head = q.len;
	if (sql_query_stream(from, &r, e, select.buf, select.len) < 0)
		goto out;
	while ((got = sql_rows_next(&r, e)) == 1) {
		strbuf_addstr(&q, q.len > head ? ",(" : "(");
		for (unsigned i = 0; i < r.n_columns; i++) {
			strbuf_addstr(&q, i ? "," : "");
			if (!r.cell[i])
				strbuf_addstr(&q, "NULL");
			else if (c->as[i] == AS_HEX)
				strbuf_addf(&q, "x'%s'", r.cell[i]);
			else if (c->as[i] == AS_NUMBER)
				strbuf_addstr(&q, r.cell[i]);
			else
				sql_add_text(&q, r.cell[i], r.len[i]);
		}
		strbuf_addch(&q, ')');
		++*rows;
		if (q.len > STATEMENT_BYTES && flush(to, &q, head, e) < 0) {
			got = -1;
			break;
		}
	}
	if (got == 0 && flush(to, &q, head, e) < 0)
		got = -1;
out:
	sql_rows_release(&r);
	strbuf_release(&select);
	strbuf_release(&q);
	return got < 0 ? -1 : 0;
}

int table_copy(struct sql *from, struct sql *to, const struct table_copy *o, uint64_t *rows,
	       struct err *e)
{
	struct columns c = { .names = STRBUF_INIT, .select = STRBUF_INIT };
	struct strbuf drop = STRBUF_INIT;
	int rc = -1;

	*rows = 0;
	if (o->snapshot && sql_exec(from, e, "SET SESSION tidb_snapshot = '%s'", o->snapshot) < 0)
		goto out;
	if (read_columns(from, o, &c, e) < 0 || make_table(from, to, o, e) < 0)
		goto out;
	rc = copy_rows(from, to, o, &c, rows, e);
	if (rc < 0) {
		strbuf_addstr(&drop, "DROP TABLE ");
		sql_add_name(&drop, o->to_db);
		strbuf_addch(&drop, '.');
		sql_add_name(&drop, o->to_table);
		sql_exec_text(to, NULL, drop.buf, drop.len);
	}
out:
	columns_release(&c);
	strbuf_release(&drop);
	return rc < 0 ? err_wrap(e, "copy %s.%s to %s.%s", o->db, o->table, o->to_db, o->to_table)
		      : 0;
}
