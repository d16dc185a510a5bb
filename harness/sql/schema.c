#include "harness/sql/schema.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define MEMBERS_MAX 65535

static const struct {
	const char *name;
	enum column_type type;
	bool text; /* a character type: takes the column's charset */
} type_names[] = {
	{ "tinyint", COL_TINY, false },       { "smallint", COL_SHORT, false },     { "mediumint", COL_INT24, false },
	{ "int", COL_LONG, false },           { "bigint", COL_LONGLONG, false },    { "float", COL_FLOAT, false },
	{ "double", COL_DOUBLE, false },      { "decimal", COL_DECIMAL, false },    { "date", COL_DATE, false },
	{ "time", COL_TIME, false },          { "datetime", COL_DATETIME, false },  { "timestamp", COL_TIMESTAMP, false },
	{ "year", COL_YEAR, false },          { "char", COL_STRING, true },         { "binary", COL_STRING, false },
	{ "varchar", COL_VARCHAR, true },     { "varbinary", COL_VARCHAR, false },  { "tinytext", COL_TINYBLOB, true },
	{ "tinyblob", COL_TINYBLOB, false },  { "text", COL_BLOB, true },           { "blob", COL_BLOB, false },
	{ "mediumtext", COL_MEDIUMBLOB, true }, { "mediumblob", COL_MEDIUMBLOB, false }, { "longtext", COL_LONGBLOB, true },
	{ "longblob", COL_LONGBLOB, false },  { "bit", COL_BIT, false },            { "enum", COL_ENUM, true },
	{ "set", COL_SET, true },             { "json", COL_JSON, false },
};

/* 'a','it''s' : doubled quotes; the server shows no other escape here. */
static void read_members(struct column *c, const char *list)
{
	const char *p = strchr(list, '(');

	while (p && c->n_members < MEMBERS_MAX && (p = strchr(p, '\''))) {
		struct strbuf m = STRBUF_INIT;

		for (p++; *p && (*p != '\'' || p[1] == '\''); p++) {
			if (*p == '\'')
				p++;
			strbuf_addch(&m, *p);
		}
		c->members = xreallocarray(c->members, c->n_members + 1, sizeof(*c->members));
		c->members[c->n_members++] = strbuf_detach(&m);
		if (*p)
			p++;
	}
}

static const char *cell(const struct sql_rows *r, unsigned i)
{
	return r->cell[i] ? r->cell[i] : "";
}

/* name, data_type, column_type, is_nullable, charset, collation, char length, octet length, precision, scale, datetime precision, extra, generated, json */
static void read_column(struct table_schema *t, const struct sql_rows *r)
{
	struct column *c;
	const char *type = cell(r, 1), *extra = cell(r, 11);
	bool text = false, generated = cell(r, 12)[0] || strstr(extra, "GENERATED");

	t->columns = xreallocarray(t->columns, t->n_columns + 1, sizeof(*t->columns));
	c = &t->columns[t->n_columns++];
	*c = (struct column){ .name = xstrdup(cell(r, 0)), .sql_type = xstrdup(cell(r, 2)) };
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (!strcasecmp(type, type_names[i].name)) {
			c->type = type_names[i].type;
			text = type_names[i].text;
		}
	if (c->type == COL_LONGBLOB && atoi(cell(r, 13))) { /* MariaDB's JSON: LONGTEXT with a json_valid() check */
		c->type = COL_JSON;
		text = false;
	}
	c->charset = xstrdup(text && r->cell[4] ? r->cell[4] : "binary");
	c->collation = xstrdup(text && r->cell[5] ? r->cell[5] : "binary");
	if (!strcmp(c->charset, "binary"))
		c->flags |= COLF_BINARY;
	if (!strcasecmp(cell(r, 3), "YES"))
		c->flags |= COLF_NULLABLE;
	if (strstr(c->sql_type, "unsigned") && c->type != COL_ENUM && c->type != COL_SET)
		c->flags |= COLF_UNSIGNED;
	if (generated && strstr(extra, "VIRTUAL"))
		c->is_virtual = true;
	else if (generated && (strstr(extra, "STORED") || strstr(extra, "PERSISTENT")))
		c->flags |= COLF_GENERATED;
	if (c->type == COL_BIT)
		c->length = (unsigned)strtoul(cell(r, 8), NULL, 10);
	else if (c->type == COL_STRING || c->type == COL_VARCHAR)
		c->length = (unsigned)strtoul(cell(r, text ? 6 : 7), NULL, 10);
	if (c->type == COL_DECIMAL)
		c->decimals = (unsigned)strtoul(cell(r, 9), NULL, 10);
	else if (c->type == COL_TIME || c->type == COL_DATETIME || c->type == COL_TIMESTAMP)
		c->decimals = (unsigned)strtoul(cell(r, 10), NULL, 10);
	if (c->type == COL_ENUM || c->type == COL_SET)
		read_members(c, c->sql_type);
}

static int column_position(const struct table_schema *t, const char *name)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (!strcasecmp(t->columns[i].name, name))
			return (int)i;
	return -1;
}

static void quoted(struct strbuf *out, const char *text)
{
	strbuf_reset(out);
	sql_add_text(out, text, strlen(text));
}

static int load_columns(struct sql *s, const char *db, const char *table, struct table_schema *t, struct err *e)
{
	struct sql_rows r = { 0 };
	/* Only MariaDB has check constraints on a column level under a table's name here; elsewhere JSON is a type of its own. */
	const char *json = sql_flavor(s) == SQL_MARIADB
	                       ? "(SELECT COUNT(*) FROM information_schema.CHECK_CONSTRAINTS k WHERE k.CONSTRAINT_SCHEMA = c.TABLE_SCHEMA"
	                         " AND k.TABLE_NAME = c.TABLE_NAME AND k.CHECK_CLAUSE = CONCAT('json_valid(`', c.COLUMN_NAME, '`)'))"
	                       : "0";
	int rc = -1, got;

	if (sql_query(s, &r, e,
	              "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLLATION_NAME,"
	              " CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, EXTRA,"
	              " GENERATION_EXPRESSION, %s FROM information_schema.COLUMNS c WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
	              " ORDER BY ORDINAL_POSITION",
	              json, db, table) < 0)
		goto out;
	while ((got = sql_rows_next(&r, e)) == 1)
		read_column(t, &r);
	if (got == 0)
		rc = 0;
out:
	sql_rows_release(&r);
	return rc;
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
			k->not_null = k->not_null && !(t->columns[k->columns[i]].flags & COLF_NULLABLE);
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

/* information_schema lists a table's indexes in the order the server keeps them, which is the order of creation for unique ones. */
static int load_indexes(struct sql *s, const char *db, const char *table, struct table_schema *t, struct err *e)
{
	struct sql_rows r = { 0 };
	struct index_key k = { 0 };
	bool unique = false;
	int rc = -1, got;

	if (sql_query(s, &r, e,
	              "SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS"
	              " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
	              db, table) < 0)
		goto out;
	while ((got = sql_rows_next(&r, e)) == 1) {
		int at = column_position(t, cell(&r, 2));

		if (k.name && strcmp(k.name, cell(&r, 0)))
			index_end(t, &k, unique);
		if (!k.name) {
			k.name = xstrdup(cell(&r, 0));
			k.primary = !strcmp(k.name, "PRIMARY");
			unique = atoi(cell(&r, 1)) == 0;
		}
		if (at < 0) { /* an expression: finds no row by equality of columns */
			k.prefix = true;
			continue;
		}
		k.columns = xreallocarray(k.columns, k.n_columns + 1, sizeof(*k.columns));
		k.columns[k.n_columns++] = at;
		k.prefix = k.prefix || r.cell[3];
	}
	if (got == 0) {
		index_end(t, &k, unique);
		rc = 0;
	}
out:
	if (k.name)
		index_release(&k);
	sql_rows_release(&r);
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

int schema_load(struct sql *s, const char *db, const char *table, struct table_schema *out, struct err *e)
{
	struct strbuf qdb = STRBUF_INIT, qtable = STRBUF_INIT, name = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int rc = -1;

	memset(out, 0, sizeof(*out));
	out->handle = -1;
	out->db = xstrdup(db);
	out->table = xstrdup(table);
	quoted(&qdb, db);
	quoted(&qtable, table);
	if (load_columns(s, qdb.buf, qtable.buf, out, e) < 0)
		goto out;
	if (!out->n_columns) {
		err_set(e, ERR_NOT_FOUND, 1146, "table %s.%s does not exist", db, table);
		goto out;
	}
	if (load_indexes(s, qdb.buf, qtable.buf, out, e) < 0)
		goto out;
	choose_handle(out);
	sql_add_name(&name, db);
	strbuf_addch(&name, '.');
	sql_add_name(&name, table);
	if (sql_query(s, &r, e, "SHOW CREATE TABLE %s", name.buf) < 0)
		goto out;
	if (sql_rows_next(&r, e) != 1 || r.n_columns < 2 || !r.cell[1]) {
		err_set(e, ERR_SQL, 0, "SHOW CREATE TABLE %s gives nothing", name.buf);
		goto out;
	}
	out->create_sql = xstrdup(r.cell[1]);
	rc = 0;
out:
	sql_rows_release(&r);
	strbuf_release(&qdb);
	strbuf_release(&qtable);
	strbuf_release(&name);
	if (rc < 0) {
		schema_release(out);
		return err_wrap(e, "structure of %s.%s", db, table);
	}
	return 0;
}

void schema_release(struct table_schema *t)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		struct column *c = &t->columns[i];

		free(c->name);
		free(c->sql_type);
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

int bookkeeping_make(struct sql *s, struct err *e)
{
	return sql_exec(s, e, "CREATE DATABASE IF NOT EXISTS " BOOKKEEPING_DB_QUOTED) < 0 ? -1 : 0;
}

int schema_tables(struct sql *s, struct table_name **out, size_t *n, struct err *e)
{
	struct sql_rows r = { 0 };
	int got;

	*out = NULL;
	*n = 0;
	if (sql_query(s, &r, e, "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'"
	                        " AND LOWER(TABLE_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
	                        " ORDER BY BINARY TABLE_SCHEMA, BINARY TABLE_NAME") < 0)
		return -1;
	while ((got = sql_rows_next(&r, e)) == 1) {
		*out = xreallocarray(*out, *n + 1, sizeof(**out));
		(*out)[(*n)++] = (struct table_name){ xstrdup(cell(&r, 0)), xstrdup(cell(&r, 1)) };
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
