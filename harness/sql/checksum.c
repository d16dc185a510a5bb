#include "harness/sql/checksum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values whose text has no ',' and one form only need no length: the separator ends them. */
static bool is_plain(const struct column *c)
{
	switch (c->type) {
	case COL_TINY: case COL_SHORT: case COL_LONG: case COL_INT24: case COL_LONGLONG: case COL_YEAR: case COL_DECIMAL: case COL_DOUBLE:
	case COL_DATE: case COL_TIME: case COL_DATETIME: case COL_TIMESTAMP:
		return true;
	default:
		return false;
	}
}

/* Charsets that reach CONCAT_WS as they are stored; others are taken as bytes, so that no conversion can make two values one. */
static bool is_utf8_or_binary(const struct column *c)
{
	return !c->charset || !strcmp(c->charset, "utf8mb4") || !strcmp(c->charset, "utf8mb3") || !strcmp(c->charset, "utf8") ||
	       !strcmp(c->charset, "ascii") || !strcmp(c->charset, "binary") || !*c->charset;
}

static void add_value(struct strbuf *out, const struct column *c)
{
	const char *before = "", *after = "";

	if (is_plain(c)) {
		sql_add_name(out, c->name);
		return;
	}
	switch (c->type) {
	case COL_FLOAT: /* as text it has six digits; the double of it has all */
		before = "CAST(", after = " AS DOUBLE)";
		break;
	case COL_BIT: case COL_SET: case COL_ENUM: /* ENUM '' and its error value look alike as text */
		before = "CAST(", after = "+0 AS UNSIGNED)";
		break;
	case COL_JSON:
		before = "CAST(", after = " AS CHAR)";
		break;
	default:
		if (!is_utf8_or_binary(c))
			before = "CAST(", after = " AS BINARY)";
		strbuf_addstr(out, "LENGTH(");
		sql_add_name(out, c->name);
		strbuf_addstr(out, "),");
	}
	strbuf_addstr(out, before);
	sql_add_name(out, c->name);
	strbuf_addstr(out, after);
}

/* CONCAT_WS leaves NULL out; the flags in front say which. */
static void add_text(struct strbuf *out, const struct table_schema *t)
{
	bool first = true;

	strbuf_addstr(out, "CONCAT_WS(',',");
	for (size_t i = 0; i < t->n_columns; i++)
		if (!t->columns[i].is_virtual && (t->columns[i].flags & COLF_NULLABLE)) {
			strbuf_addstr(out, first ? "ISNULL(" : ",ISNULL(");
			sql_add_name(out, t->columns[i].name);
			strbuf_addch(out, ')');
			first = false;
		}
	for (size_t i = 0; i < t->n_columns; i++)
		if (!t->columns[i].is_virtual) {
			if (!first)
				strbuf_addch(out, ',');
			add_value(out, &t->columns[i]);
			first = false;
		}
	strbuf_addstr(out, first ? "'')" : ")");
}

static void add_first(struct strbuf *out, const struct table_schema *t)
{
	strbuf_addstr(out, "CRC32(");
	add_text(out, t);
	strbuf_addch(out, ')');
}

static void add_second(struct strbuf *out, const struct table_schema *t)
{
	strbuf_addstr(out, t->crc32c ? "CRC32C(" : "CRC32(REVERSE(");
	add_text(out, t);
	strbuf_addstr(out, t->crc32c ? ")" : "))");
}

void checksum_row_list(struct strbuf *out, const struct table_schema *t)
{
	add_first(out, t);
	strbuf_addch(out, ',');
	add_second(out, t);
}

void checksum_row_list_as(struct strbuf *out, const struct table_schema *t, const char *x, const char *y)
{
	add_first(out, t);
	strbuf_addf(out, " AS %s,", x);
	add_second(out, t);
	strbuf_addf(out, " AS %s", y);
}

void checksum_select_list(struct strbuf *out, const struct table_schema *t)
{
	strbuf_addstr(out, "COUNT(*),MOD(COALESCE(SUM(");
	add_first(out, t);
	strbuf_addstr(out, "),0),4294967296),MOD(COALESCE(SUM(");
	add_second(out, t);
	strbuf_addstr(out, "),0),4294967296)");
}

bool checksum_has_crc32c(struct sql *s)
{
	const char *v = sql_server_version(s);
	unsigned major = 0, minor = 0;

	if (sql_flavor(s) != SQL_MARIADB)
		return false;
	if (!strncmp(v, "5.5.5-", 6)) /* what old clients are told before MariaDB's own version */
		v += 6;
	return sscanf(v, "%u.%u", &major, &minor) == 2 && (major > 10 || (major == 10 && minor >= 8));
}

void table_sums_release(struct table_sums *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->t[i].db);
		free(s->t[i].table);
	}
	free(s->t);
	*s = (struct table_sums){ 0 };
}
