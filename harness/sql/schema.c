#include "harness/sql/schema.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/sql/ddl/lex.h"

#define MEMBERS_MAX 65535
#define NO_SUCH_TABLE 1146

static const struct {
	const char *name;
	enum column_type type;
	bool text; /* a character type: takes the column's charset */
} type_names[] = {
	{ "tinyint", COL_TINY, false },
	{ "smallint", COL_SHORT, false },
	{ "mediumint", COL_INT24, false },
	{ "int", COL_LONG, false },
	{ "bigint", COL_LONGLONG, false },
	{ "float", COL_FLOAT, false },
	{ "double", COL_DOUBLE, false },
	{ "decimal", COL_DECIMAL, false },
	{ "date", COL_DATE, false },
	{ "time", COL_TIME, false },
	{ "datetime", COL_DATETIME, false },
	{ "timestamp", COL_TIMESTAMP, false },
	{ "year", COL_YEAR, false },
	{ "char", COL_STRING, true },
	{ "binary", COL_STRING, false },
	{ "varchar", COL_VARCHAR, true },
	{ "varbinary", COL_VARCHAR, false },
	{ "tinytext", COL_TINYBLOB, true },
	{ "tinyblob", COL_TINYBLOB, false },
	{ "text", COL_BLOB, true },
	{ "blob", COL_BLOB, false },
	{ "mediumtext", COL_MEDIUMBLOB, true },
	{ "mediumblob", COL_MEDIUMBLOB, false },
	{ "longtext", COL_LONGBLOB, true },
	{ "longblob", COL_LONGBLOB, false },
	{ "bit", COL_BIT, false },
	{ "enum", COL_ENUM, true },
	{ "set", COL_SET, true },
	{ "json", COL_JSON, false },
};

/* Behind a backslash: how a server shows characters that would disturb. TiDB shows a backslash as
 * it is, others double it. */
static char escaped(char c, bool tidb)
{
	return c == 'n' ? '\n' : c == 'r' ? '\r' : c == '\\' && !tidb ? '\\' : 0;
}

/* 'a','it''s' */
static void read_members(struct column *c, const char *list, bool tidb)
{
	const char *p = strchr(list, '(');

	while (p && c->n_members < MEMBERS_MAX && (p = strchr(p, '\''))) {
		struct strbuf m = STRBUF_INIT;

		for (p++; *p && (*p != '\'' || p[1] == '\''); p++) {
			char is = *p == '\\' ? escaped(p[1], tidb) : 0;

			p += *p == '\'' || is;
			strbuf_addch(&m, is ? is : *p);
		}
		c->members = xreallocarray(c->members, c->n_members + 1, sizeof(*c->members));
		c->members[c->n_members++] = strbuf_detach(&m);
		if (*p)
			p++;
	}
}

static const char *cell_text(const struct sql_rows *r, unsigned i)
{
	return r->cell[i] ? r->cell[i] : "";
}

/* table, name, data_type, column_type, is_nullable, charset, collation, char length, octet length,
 * precision, scale, datetime precision, extra, generated, ordinal */
static void read_column(struct table_schema *t, const struct sql_rows *r, bool tidb)
{
	struct column *c;
	const char *type = cell_text(r, 2), *extra = cell_text(r, 12),
		   *expression = cell_text(r, 13);
	bool text = false, generated = expression[0] || strstr(extra, "GENERATED");

	t->columns = xreallocarray(t->columns, t->n_columns + 1, sizeof(*t->columns));
	c = &t->columns[t->n_columns++];
	*c = (struct column){ .name = xstrdup(cell_text(r, 1)),
			      .sql_type = xstrdup(cell_text(r, 3)),
			      .ordinal = (unsigned)strtoul(cell_text(r, 14), NULL, 10) };
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (!strcasecmp(type, type_names[i].name)) {
			c->type = type_names[i].type;
			text = type_names[i].text;
		}
	c->charset = xstrdup(text && r->cell[5] ? r->cell[5] : "binary");
	c->collation = xstrdup(text && r->cell[6] ? r->cell[6] : "binary");
	if (!strcmp(c->charset, "binary"))
		c->flags |= COLF_BINARY;
	if (!strcasecmp(cell_text(r, 4), "YES"))
		c->flags |= COLF_NULLABLE;
	if (strstr(c->sql_type, "unsigned") && c->type != COL_ENUM && c->type != COL_SET)
		c->flags |= COLF_UNSIGNED;
	if (generated && strstr(extra, "VIRTUAL"))
		c->is_virtual = true;
	else if (generated && (strstr(extra, "STORED") || strstr(extra, "PERSISTENT")))
		c->flags |= COLF_GENERATED;
	c->is_row_time = !strcmp(expression, "ROW START") || !strcmp(expression, "ROW END");
	if (generated)
		c->expression = xstrdup(expression);
	c->auto_increment = strcasestr(extra, "auto_increment");
	if (c->type == COL_BIT)
		c->length = (unsigned)strtoul(cell_text(r, 9), NULL, 10);
	else if (c->type == COL_STRING || c->type == COL_VARCHAR)
		c->length = (unsigned)strtoul(cell_text(r, text ? 7 : 8), NULL, 10);
	if (c->type == COL_DECIMAL)
		c->decimals = (unsigned)strtoul(cell_text(r, 10), NULL, 10);
	else if (c->type == COL_TIME || c->type == COL_DATETIME || c->type == COL_TIMESTAMP)
		c->decimals = (unsigned)strtoul(cell_text(r, 11), NULL, 10);
	if (c->type == COL_ENUM || c->type == COL_SET)
		read_members(c, c->sql_type, tidb);
}

static int column_position(const struct table_schema *t, const char *name)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (!strcasecmp(t->columns[i].name, name))
			return (int)i;
	return -1;
}

/* Tables of one database that are being read. */
struct reading {
	const struct table_name *name;
	struct table_schema *table; /* in the same order */
	size_t n;
};

/* NULL: not one of them. A single one is asked for by name: the server may spell it otherwise. */
static struct table_schema *table_read(const struct reading *r, const char *db, const char *table)
{
	size_t low = 0, high = r->n;

	if (r->n == 1)
		return &r->table[0];
	if (strcmp(db, r->name[0].db))
		return NULL;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(table, r->name[middle].table);

		if (!order)
			return &r->table[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static void add_where(struct strbuf *q, const struct reading *r)
{
	strbuf_addstr(q, " WHERE TABLE_SCHEMA = ");
	sql_add_text(q, r->name[0].db, strlen(r->name[0].db));
	if (r->n == 1) {
		strbuf_addstr(q, " AND TABLE_NAME = ");
		sql_add_text(q, r->name[0].table, strlen(r->name[0].table));
	}
}

static int by_ordinal(const void *a, const void *b)
{
	const struct column *x = a, *y = b;

	return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static int load_columns(struct sql *s, const struct reading *all, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int rc = -1, got;

	strbuf_addstr(
		&q,
		"SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLLATION_NAME,"
		" CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, EXTRA,"
		" GENERATION_EXPRESSION, ORDINAL_POSITION, TABLE_SCHEMA FROM information_schema.COLUMNS");
	add_where(&q, all);
	if (sql_query(s, &r, e, "%s", q.buf) < 0)
		goto out;
	while ((got = sql_rows_next(&r, e)) == 1) {
		struct table_schema *t = table_read(all, cell_text(&r, 15), cell_text(&r, 0));

		if (t)
			read_column(t, &r, sql_flavor(s) == SQL_TIDB);
	}
	for (size_t i = 0; i < all->n; i++)
		if (all->table[i].n_columns)
			qsort(all->table[i].columns, all->table[i].n_columns, sizeof(struct column),
			      by_ordinal);
	rc = got;
out:
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

/* MariaDB's JSON is LONGTEXT with a json_valid() check, which ends the line of the column or of a
 * constraint. */
static void mark_json(struct table_schema *t)
{
	struct strbuf check = STRBUF_INIT;

	for (size_t i = 0; i < t->n_columns; i++) {
		struct column *c = &t->columns[i];

		if (c->type != COL_LONGBLOB)
			continue;
		strbuf_reset(&check);
		strbuf_addstr(&check, "CHECK (json_valid(");
		sql_add_name(&check, c->name);
		strbuf_addstr(&check, "))");
		for (const char *at = strstr(t->create_sql, check.buf); at;
		     at = strstr(at + 1, check.buf)) {
			const char *end = at + check.len;

			if (*end != '\n' && !(end[0] == ',' && end[1] == '\n'))
				continue;
			c->type = COL_JSON;
			c->flags |= COLF_BINARY;
			free(c->charset);
			free(c->collation);
			c->charset = xstrdup("binary");
			c->collation = xstrdup("binary");
			break;
		}
	}
	strbuf_release(&check);
}

static void index_flags(struct table_schema *t, const struct index_key *k, bool unique)
{
	for (size_t i = 0; i < k->n_columns; i++) {
		struct column *c = &t->columns[k->columns[i]];

		if (k->primary)
			c->flags |= COLF_PRIMARY_KEY;
		else if (unique)
			c->flags |= COLF_UNIQUE_KEY;
		if ((!unique && i == 0) || (!k->primary && k->n_columns > 1))
			c->flags |= COLF_MULTIPLE_KEY;
	}
}

static void index_release(struct index_key *k)
{
	free(k->name);
	free(k->columns);
}

/* Takes over *k. */
static void index_end(struct table_schema *t, struct index_key *k, bool unique)
{
	if (!k->name)
		return;
	index_flags(t, k, unique);
	if (!unique) {
		index_release(k);
	} else {
		k->not_null = true;
		for (size_t i = 0; i < k->n_columns; i++)
			k->not_null =
				k->not_null && !(t->columns[k->columns[i]].flags & COLF_NULLABLE);
		t->uniques = xreallocarray(t->uniques, t->n_uniques + 1, sizeof(*t->uniques));
		if (k->primary) {
			memmove(t->uniques + 1, t->uniques, t->n_uniques * sizeof(*t->uniques));
			t->uniques[0] = *k;
		} else {
			t->uniques[t->n_uniques] = *k;
		}
		t->n_uniques++;
	}
	*k = (struct index_key){ 0 };
}

/* information_schema lists a table's indexes in the order the server keeps them, which is the order
 * of creation for unique ones. */
static int load_indexes(struct sql *s, const struct reading *all, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct table_schema *of = NULL; /* of the index that is being read */
	struct index_key k = { 0 };
	struct sql_rows r = { 0 };
	bool unique = false;
	int rc = -1, got;

	strbuf_addstr(
		&q,
		"SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, TABLE_NAME, TABLE_SCHEMA FROM information_schema.STATISTICS");
	add_where(&q, all);
	if (sql_query(s, &r, e, "%s", q.buf) < 0)
		goto out;
	while ((got = sql_rows_next(&r, e)) == 1) {
		struct table_schema *t = table_read(all, cell_text(&r, 5), cell_text(&r, 4));
		int at;

		if (!t)
			continue;
		at = column_position(t, cell_text(&r, 2));
		if (k.name && (t != of || strcmp(k.name, cell_text(&r, 0))))
			index_end(of, &k, unique);
		if (!k.name) {
			of = t;
			k.name = xstrdup(cell_text(&r, 0));
			k.primary = !strcmp(k.name, "PRIMARY");
			unique = atoi(cell_text(&r, 1)) == 0;
		}
		if (at < 0) { /* an expression: finds no row by equality of columns */
			k.prefix = true;
			continue;
		}
		if (t->columns[at].is_row_time) /* among current rows the others are unique */
			continue;
		k.columns = xreallocarray(k.columns, k.n_columns + 1, sizeof(*k.columns));
		k.columns[k.n_columns++] = at;
		k.prefix = k.prefix || r.cell[3];
	}
	if (got == 0) {
		index_end(of, &k, unique);
		rc = 0;
	}
out:
	if (k.name)
		index_release(&k);
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

static void choose_handle(struct table_schema *t)
{
	t->handle = -1;
	for (size_t i = 0; i < t->n_uniques; i++) {
		const struct index_key *k = &t->uniques[i];

		if (!k->not_null || k->prefix || !k->n_columns)
			continue;
		if (k->primary) {
			t->handle = (int)i;
			break;
		}
		if (t->handle < 0 || k->n_columns < t->uniques[t->handle].n_columns)
			t->handle = (int)i;
	}
	if (t->handle >= 0)
		for (size_t i = 0; i < t->uniques[t->handle].n_columns; i++)
			t->columns[t->uniques[t->handle].columns[i]].flags |= COLF_HANDLE_KEY;
}

const char *schema_options(const char *create_sql)
{
	struct lex x = { .p = create_sql, .end = create_sql + strlen(create_sql) };
	int depth = 0;

	for (lex_next(&x); x.kind != T_END; lex_next(&x)) {
		if (x.kind != T_PUNCT)
			continue;
		depth += x.punct == '(' ? 1 : x.punct == ')' ? -1 : 0;
		if (x.punct == ')' && !depth)
			return x.start;
	}
	return NULL;
}

bool schema_says(const char *create_sql, const char *word, const char *next)
{
	struct lex x = { .p = create_sql, .end = create_sql + strlen(create_sql) };

	for (lex_next(&x); x.kind != T_END;) {
		bool first = lex_is(&x, word);

		lex_next(&x);
		if (first && lex_is(&x, next))
			return true;
	}
	return false;
}

static int load_create(struct sql *s, struct table_schema *t, struct err *e)
{
	struct strbuf name = STRBUF_INIT;
	struct sql_rows r = { 0 };
	const char *options;
	int rc = -1;

	sql_add_name(&name, t->db);
	strbuf_addch(&name, '.');
	sql_add_name(&name, t->table);
	if (sql_query(s, &r, e, "SHOW CREATE TABLE %s", name.buf) < 0)
		goto out;
	if (sql_rows_next(&r, e) != 1 || r.n_columns < 2 || !r.cell[1]) {
		err_set(e, ERR_SQL, 0, "SHOW CREATE TABLE %s gives nothing", name.buf);
		goto out;
	}
	t->create_sql = xstrdup(r.cell[1]);
	/* its rows are other tables', and count there */
	options = schema_options(t->create_sql);
	if (options && !strncmp(options, ") ENGINE=MRG_MyISAM", 19))
		t->condition = xstrdup("FALSE");
	rc = 0;
out:
	sql_rows_release(&r);
	strbuf_release(&name);
	return rc;
}

int schema_load_tables(struct sql *s, const struct table_name *t, size_t n,
		       struct table_schema *out, struct err *e)
{
	struct reading all = { t, out, n };

	for (size_t i = 0; i < n; i++)
		out[i] = (struct table_schema){ .handle = -1,
						.db = xstrdup(t[i].db),
						.table = xstrdup(t[i].table) };
	if (n && (load_columns(s, &all, e) < 0 || load_indexes(s, &all, e) < 0)) {
		err_wrap(e, "structure of %s%s%s", t[0].db, n == 1 ? "." : "",
			 n == 1 ? t[0].table : "");
		goto fail;
	}
	for (size_t i = 0; i < n; i++) {
		struct err why = ERR_INIT;
		bool made = load_create(s, &out[i], &why) == 0;

		if (!out[i].n_columns && !schema_cannot_open(&why))
			err_set(&why, ERR_NOT_FOUND, NO_SUCH_TABLE, "table %s.%s does not exist",
				t[i].db, t[i].table);
		if (!out[i].n_columns || !made) {
			if (e)
				*e = why;
			if (e && e->code == NO_SUCH_TABLE) /* dropped while it was read */
				e->kind = ERR_NOT_FOUND;
			err_wrap(e, "structure of %s.%s", t[i].db, t[i].table);
			goto fail;
		}
		if (sql_flavor(s) == SQL_MARIADB)
			mark_json(&out[i]);
		choose_handle(&out[i]);
	}
	return 0;
fail:
	for (size_t i = 0; i < n; i++)
		schema_release(&out[i]);
	return -1;
}

bool schema_cannot_open(const struct err *e)
{
	static const int codes[] = { 1016, 1017, 1030, 1033, 1034, 1035, 1168, 1194, 1195, 1286,
				     1296, 1429, 1430, 1431, 1812, 1813, 1814, 1877, 1932 };

	if (e->kind != ERR_SQL)
		return false;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (e->code == codes[i])
			return true;
	return (e->code > 0 && e->code < 36) ||   /* of files: gone, unreadable */
	       (e->code >= 120 && e->code < 200); /* an engine's own */
}

bool column_is_vector(const struct column *c)
{
	return c->type == COL_UNKNOWN && c->sql_type && !strncasecmp(c->sql_type, "vector", 6);
}

bool column_is_gbk(const struct column *c)
{
	return c->charset && !strcmp(c->charset, "gbk") && c->type != COL_ENUM &&
	       c->type != COL_SET;
}

bool column_is_zerofill(const struct column *c)
{
	return c->sql_type && strstr(c->sql_type, "zerofill") && c->type != COL_ENUM &&
	       c->type != COL_SET;
}

int schema_load(struct sql *s, const char *db, const char *table, struct table_schema *out,
		struct err *e)
{
	struct table_name name = { (char *)db, (char *)table, TABLE_BASE };

	return schema_load_tables(s, &name, 1, out, e);
}

void schema_release(struct table_schema *t)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		struct column *c = &t->columns[i];

		free(c->name);
		free(c->sql_type);
		free(c->expression);
		free(c->charset);
		free(c->collation);
		for (size_t k = 0; k < c->n_members; k++)
			free(c->members[k]);
		free(c->members);
	}
	for (size_t i = 0; i < t->n_uniques; i++)
		index_release(&t->uniques[i]);
	free(t->columns);
	free(t->uniques);
	free(t->db);
	free(t->table);
	free(t->create_sql);
	free(t->rows_of);
	free(t->condition);
	memset(t, 0, sizeof(*t));
}

bool schema_is_system(const char *db)
{
#define IN_LIST(name) name,
	static const char *const names[] = { SYSTEM_SCHEMAS(IN_LIST) BOOKKEEPING_DB };
#undef IN_LIST

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcasecmp(db, names[i]))
			return true;
	return false;
}

int schema_may_be_loaded(const char *db, struct err *e)
{
	size_t n = strlen(db);

	if (!n || n > 64 || db[n - 1] == ' ')
		return err_set(
			e, ERR_USAGE, 0,
			"the name of a database has 1 to 64 bytes and does not end with a blank");
	if (schema_is_system(db))
		return err_set(
			e, ERR_USAGE, 0,
			"'%s' is a system schema, which is never replicated: use another database",
			db);
	return 0;
}

int bookkeeping_make(struct sql *s, struct err *e)
{
	return sql_exec(s, e, "CREATE DATABASE IF NOT EXISTS " BOOKKEEPING_DB_QUOTED) < 0 ? -1 : 0;
}

void schema_add_from(struct strbuf *out, const struct table_schema *t)
{
	if (t->rows_of) {
		strbuf_addstr(out, t->rows_of);
		return;
	}
	sql_add_name(out, t->db);
	strbuf_addch(out, '.');
	sql_add_name(out, t->table);
}

static enum table_kind kind_of(const char *type)
{
	return !strcmp(type, "BASE TABLE")         ? TABLE_BASE
	       : !strcmp(type, "SYSTEM VERSIONED") ? TABLE_VERSIONED
	       : !strcmp(type, "SEQUENCE")         ? TABLE_SEQUENCE
						   : TABLE_VIEW;
}

int schema_names(struct sql *s, struct table_name **out, size_t *n, struct err *e)
{
	struct sql_rows r = { 0 };
	int got;

	*out = NULL;
	*n = 0;
	if (sql_query(
		    s, &r, e,
		    "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_TYPE IN"
		    " ('BASE TABLE','SYSTEM VERSIONED','SEQUENCE','VIEW') AND LOWER(TABLE_SCHEMA) NOT IN (" SYSTEM_SCHEMAS(
			    SYSTEM_SCHEMA_IN_SQL) "'')"
						  " ORDER BY BINARY TABLE_SCHEMA, BINARY TABLE_NAME") <
	    0)
		return -1;
	while ((got = sql_rows_next(&r, e)) == 1) {
		XGROW_POW2(*out, *n);
		(*out)[(*n)++] =
			(struct table_name){ xstrdup(cell_text(&r, 0)), xstrdup(cell_text(&r, 1)),
					     kind_of(cell_text(&r, 2)) };
	}
	sql_rows_release(&r);
	if (got < 0) {
		schema_tables_free(*out, *n);
		*out = NULL;
		*n = 0;
		return -1;
	}
	return 0;
}

void schema_tables_free(struct table_name *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(t[i].db);
		free(t[i].table);
	}
	free(t);
}
