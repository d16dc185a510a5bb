#include "harness/sql/checksum.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

/* Values whose text has no ',' and one form only need no length: the separator ends them. */
static bool is_plain(const struct column *c)
{
	switch (c->type) {
	case COL_TINY:
	case COL_SHORT:
	case COL_LONG:
	case COL_INT24:
	case COL_LONGLONG:
	case COL_YEAR:
	case COL_DECIMAL:
	case COL_DOUBLE:
	case COL_DATE:
	case COL_TIME:
	case COL_DATETIME:
	case COL_TIMESTAMP: return true;
	case COL_FLOAT:
	case COL_VARCHAR:
	case COL_BIT:
	case COL_JSON:
	case COL_ENUM:
	case COL_SET:
	case COL_TINYBLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB:
	case COL_BLOB:
	case COL_VARSTRING:
	case COL_STRING:
	case COL_UNKNOWN:
	default: return false;
	}
}

/* Charsets that reach CONCAT_WS as they are stored. Others are taken as bytes, so that no
 * conversion can make two values one, and no mix of collations is refused (ascii or utf8mb3 beside
 * what a function gives in the connection's utf8mb4). */
static bool is_utf8mb4_or_binary(const struct column *c)
{
	return !c->charset || !*c->charset || !strcmp(c->charset, "utf8mb4") ||
	       !strcmp(c->charset, "binary");
}

static bool is_type(const struct column *c, const char *prefix)
{
	return c->sql_type && !strncasecmp(c->sql_type, prefix, strlen(prefix));
}

/* Values of any length: a row's text must not outgrow max_allowed_packet, beyond which CONCAT_WS
 * gives NULL. */
static bool is_long(const struct column *c)
{
	static const char *const geometries[] = { "geom", "point", "linestring", "polygon",
						  "multi" };
	bool is_geometry = false;

	for (size_t i = 0; c->type == COL_UNKNOWN && i < sizeof(geometries) / sizeof(geometries[0]);
	     i++)
		is_geometry |= is_type(c, geometries[i]);
	return is_geometry || c->type == COL_JSON || c->type == COL_TINYBLOB ||
	       c->type == COL_BLOB || c->type == COL_MEDIUMBLOB || c->type == COL_LONGBLOB;
}

/* TiDB makes a DOUBLE of a SET's number, which has 53 bits. */
static bool is_wide_set(const struct column *c)
{
	return c->type == COL_SET && c->n_members > 53 && !c->is_number;
}

/* Has the SET this member? */
static void add_has_member(struct strbuf *out, const struct column *c, size_t i)
{
	if (!is_wide_set(c)) {
		sql_add_name(out, c->name);
		strbuf_addf(out, "+0&%" PRIu64, UINT64_C(1) << (i & 63));
		return;
	}
	strbuf_addstr(out, "FIND_IN_SET(");
	sql_add_text(out, c->members[i], strlen(c->members[i]));
	strbuf_addch(out, ',');
	sql_add_name(out, c->name);
	strbuf_addstr(out, ")>0");
	if (c->members[i][0])
		return;
	/* an empty text is said to hold nothing */
	strbuf_addstr(out, " OR (");
	sql_add_name(out, c->name);
	strbuf_addstr(out, "='' AND ");
	sql_add_name(out, c->name);
	strbuf_addstr(out, "+0<>0)");
}

/* Its number, bit by bit. */
static void add_wide_set(struct strbuf *out, const struct column *c)
{
	for (size_t i = 0; i < c->n_members; i++) {
		strbuf_addstr(out, i ? "|((" : "((");
		add_has_member(out, c, i);
		strbuf_addf(out, ")<<%zu)", i);
	}
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = *(const char *const *const *)a, *const *y = *(
								       const char *const *const *)b;

	return strcmp(*x, *y);
}

/* NULL; "0" for number 0, which has no member; else "1" and the names, a SET's in their order by
 * name, whatever places they have in the type. */
static void add_members(struct strbuf *out, const struct column *c)
{
	const char *const **by = c->n_members ? xcalloc(c->n_members, sizeof(*by)) : NULL;

	/* NULL from here: CONCAT_WS() never is */
	strbuf_addstr(out, "CONCAT(CASE ");
	sql_add_name(out, c->name);
	strbuf_addstr(out, "+0=0 WHEN TRUE THEN '0' WHEN FALSE THEN '1' END,");
	if (c->type == COL_ENUM) {
		strbuf_addstr(out, "CONVERT(");
		sql_add_name(out, c->name);
		strbuf_addstr(out, " USING utf8mb4))");
		free(by);
		return;
	}
	for (size_t i = 0; i < c->n_members; i++)
		by[i] = (const char *const *)&c->members[i];
	qsort(by, c->n_members, sizeof(*by), by_name);
	strbuf_addstr(out, "CONCAT_WS(','");
	for (size_t i = 0; i < c->n_members; i++) {
		strbuf_addstr(out, ",IF(");
		add_has_member(out, c, (size_t)(by[i] - (const char *const *)c->members));
		strbuf_addch(out, ',');
		sql_add_text(out, *by[i], strlen(*by[i]));
		strbuf_addstr(out, ",NULL)");
	}
	strbuf_addstr(out, "))");
	free(by);
}

void checksum_value(struct strbuf *out, const struct column *c)
{
	const char *before = "", *after = "";

	if (c->by_members) {
		add_members(out, c);
		return;
	}
	if (is_wide_set(c)) {
		add_wide_set(out, c);
		return;
	}
	switch (c->type) {
	case COL_FLOAT:
	case COL_DOUBLE: /* a zero's sign is in no text of it */
		strbuf_addstr(out, "IF(");
		sql_add_name(out, c->name);
		strbuf_addstr(out, "=0 AND ATAN2(");
		sql_add_name(out, c->name);
		strbuf_addstr(out, ",-1)<0,'-0',");
		/* a FLOAT's text has six digits */
		before = c->type == COL_FLOAT ? "CAST(" : "",
		after = c->type == COL_FLOAT    ? " AS DOUBLE))"
			: column_is_zerofill(c) ? "+0e0)"
						: ")";
		break;
	/* ENUM '' and its error value look alike as text */
	case COL_BIT:
	case COL_SET:
	case COL_ENUM: before = "CAST(", after = "+0 AS UNSIGNED)"; break;
	case COL_JSON:
		if (is_type(c, "json")) /* elsewhere it is a text */
			before = "CAST(", after = " AS CHAR)";
		break;
	case COL_TINY:
	case COL_SHORT:
	case COL_LONG:
	case COL_LONGLONG:
	case COL_INT24:
	case COL_DECIMAL:
		if (column_is_zerofill(c)) /* a sum is not filled up */
			before = "(", after = "+0)";
		break;
	case COL_VARCHAR:
	case COL_TINYBLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB:
	case COL_BLOB:
	case COL_VARSTRING:
	case COL_STRING:
		if (c->as_utf8)
			before = "CONVERT(", after = " USING utf8mb4)";
		else if (column_is_gbk(c))
			before = "CONVERT(", after = " USING binary)";
		break;
	case COL_UNKNOWN: /* TiDB's functions take as many characters of it as it has dimensions */
		if (column_is_vector(c))
			before = "CAST(", after = " AS CHAR)";
		break;
	case COL_TIMESTAMP:
	case COL_DATE:
	case COL_TIME:
	case COL_DATETIME:
	case COL_YEAR:
	default: break;
	}
	strbuf_addstr(out, before);
	sql_add_name(out, c->name);
	strbuf_addstr(out, after);
}

/* Appends a FLOAT or DOUBLE in a form that every server writes alike: a power of two takes it to
 * between 0.8 and 2^45, where no server uses an exponent (MySQL does below 1e-5, TiDB from 1e15
 * on), which changes none of its bits, and is written behind it. In two steps, for 2^1080 is no
 * DOUBLE. The 0.3 keeps powers of two, whose LOG2() is whole on one server and may be a little less
 * on another, away from the borders. */
static void add_portable_double(struct strbuf *out, const struct column *c)
{
	struct strbuf d = STRBUF_INIT, n = STRBUF_INIT;

	strbuf_addstr(&d, c->type == COL_FLOAT ? "CAST(" : "");
	sql_add_name(&d, c->name);
	strbuf_addstr(&d, c->type == COL_FLOAT ? " AS DOUBLE)" : "");
	strbuf_addf(&n, "FLOOR((LOG2(ABS(%s))+0.3)/45)", d.buf);
	strbuf_addf(out,
		    "IF(%s=0,IF(ATAN2(%s,-1)<0,'-0','0'),"
		    "CONCAT(%s*POW(2,-22*%s)*POW(2,-23*%s),'p',%s))",
		    d.buf, d.buf, d.buf, n.buf, n.buf, n.buf);
	strbuf_release(&d);
	strbuf_release(&n);
}

static void add_value(struct strbuf *out, const struct table_schema *t, const struct column *c)
{
	bool bytes = !is_utf8mb4_or_binary(c) && c->type != COL_ENUM && c->type != COL_SET;

	if (t->portable_doubles && (c->type == COL_FLOAT || c->type == COL_DOUBLE)) {
		add_portable_double(out, c);
		return;
	}
	if (is_long(c)) {
		strbuf_addstr(out, t->no_md5 ? "SHA2(" : "MD5(");
		checksum_value(out, c);
		strbuf_addstr(out, t->no_md5 ? ",256)" : ")");
		return;
	}
	if (c->by_members || (!is_plain(c) && c->type != COL_FLOAT && c->type != COL_BIT &&
			      c->type != COL_SET && c->type != COL_ENUM)) {
		strbuf_addstr(out, "LENGTH(");
		checksum_value(out, c);
		strbuf_addstr(out, "),");
	}
	if (!bytes) {
		checksum_value(out, c);
		return;
	}
	/* a CAST beyond max_allowed_packet is NULL, which CONCAT_WS passes over */
	strbuf_addstr(out, "CONVERT(");
	checksum_value(out, c);
	strbuf_addstr(out, " USING binary)");
}

/* The server's time of a row, and what is computed from the others: not of the row's own. */
static bool is_left_out(const struct table_schema *t, const struct column *c)
{
	return (t->without_json && c->type == COL_JSON) || (c->is_virtual && !c->virtual_counts) ||
	       c->is_row_time;
}

/* CONCAT_WS leaves NULL out; the flags in front say which. */
static void add_text(struct strbuf *out, const struct table_schema *t)
{
	bool first = true;

	strbuf_addstr(out, "CONCAT_WS(',',");
	for (size_t i = 0; i < t->n_columns; i++)
		if (!is_left_out(t, &t->columns[i]) && (t->columns[i].flags & COLF_NULLABLE)) {
			strbuf_addstr(out, first ? "ISNULL(" : ",ISNULL(");
			sql_add_name(out, t->columns[i].name);
			strbuf_addch(out, ')');
			first = false;
		}
	for (size_t i = 0; i < t->n_columns; i++)
		if (!is_left_out(t, &t->columns[i])) {
			if (!first)
				strbuf_addch(out, ',');
			add_value(out, t, &t->columns[i]);
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

void checksum_row_list_as(struct strbuf *out, const struct table_schema *t, const char *x,
			  const char *y)
{
	add_first(out, t);
	strbuf_addf(out, " AS %s,", x);
	add_second(out, t);
	strbuf_addf(out, " AS %s", y);
}

/* A sum of NULL would be passed over: it counts 2^63, which no sum of CRCs reaches. */
#define UNREAD "9223372036854775808"

void checksum_select_list(struct strbuf *out, const struct table_schema *t)
{
	strbuf_addstr(out, "COUNT(*),SUM(IFNULL(");
	add_first(out, t);
	strbuf_addstr(out, "," UNREAD ")),SUM(IFNULL(");
	add_second(out, t);
	strbuf_addstr(out, "," UNREAD "))");
}

/* A DECIMAL without digits behind the point; NULL: there are no rows. */
static int read_sum(const char *text, unsigned __int128 *out)
{
	*out = 0;
	for (; text && *text >= '0' && *text <= '9'; text++) {
		if (*out > (unsigned __int128)-1 / 16)
			return -1;
		*out = *out * 10 + (unsigned)(*text - '0');
	}
	return text && *text ? -1 : 0;
}

int checksum_read(char *const *cell, struct rows_sum *out, struct err *e)
{
	unsigned __int128 a, b;

	if (!cell[0] || read_sum(cell[1], &a) < 0 || read_sum(cell[2], &b) < 0)
		return err_set(e, ERR_BAD_DATA, 0,
			       "the server did not compute the checksums of "
			       "the rows");
	*out = (struct rows_sum){ .rows = strtoull(cell[0], NULL, 10),
				  .a = (uint32_t)a,
				  .b = (uint32_t)b,
				  .unread = (uint64_t)(a >> 63) };
	if ((uint64_t)(b >> 63) > out->unread)
		out->unread = (uint64_t)(b >> 63);
	if (out->rows && !cell[1])
		out->unread = out->rows;
	return 0;
}

void checksum_find_unread(struct strbuf *out, const struct table_schema *t)
{
	strbuf_addch(out, '(');
	add_first(out, t);
	strbuf_addstr(out, " IS NULL OR ");
	add_second(out, t);
	strbuf_addstr(out, " IS NULL)");
}

bool checksum_has_crc32c(struct sql *s)
{
	const char *v = sql_server_version(s);
	unsigned major = 0, minor = 0;

	if (sql_flavor(s) != SQL_MARIADB)
		return false;
	if (!strncmp(v, "5.5.5-", 6)) /* what old clients are told before MariaDB's own version */
		v += 6;
	return sscanf(v, "%u.%u", &major, &minor) == 2 &&
	       (major > 10 || (major == 10 && minor >= 8));
}

bool checksum_has_md5(struct sql *s)
{
	return sql_flavor(s) != SQL_MYSQL || atoi(sql_server_version(s)) < 9;
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
