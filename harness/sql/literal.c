#include "harness/sql/literal.h"

#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"

#define WHOLE_BYTES_MAX 4096  /* a longer value is compared by its digest */
#define DECIMAL_CHARS_MAX 100 /* 65 digits, a sign, a point; more is no DECIMAL */

static bool is_plain_number(const char *p, size_t n)
{
	bool digit = false, point = false;

	for (size_t i = 0; i < n; i++) {
		if (p[i] >= '0' && p[i] <= '9')
			digit = true;
		else if (p[i] == '.' && !point)
			point = true;
		else if (p[i] != '-' || i)
			return false;
	}
	return digit && n < DECIMAL_CHARS_MAX;
}

bool literal_is_text(const struct redo_column *c)
{
	return c->charset.n ? c->charset.n != 6 || memcmp(c->charset.p, "binary", 6)
			    : !(c->flag & COLF_BINARY);
}

/* What is no number is 0, as in a log: no column holds it. */
static void add_double(struct strbuf *out, double d)
{
	strbuf_addf(out, "%.16e", isfinite(d) ? d : 0.0);
}

void literal_add(struct strbuf *out, enum column_type type, bool text, const struct redo_value *v)
{
	switch (v->kind) {
	case REDO_NULL: strbuf_addstr(out, "NULL"); return;
	case REDO_INT: strbuf_addf(out, "%" PRId64, v->i); return;
	case REDO_UINT: strbuf_addf(out, "%" PRIu64, v->u); return;
	/* as the double that it is: a FLOAT column equals that exactly, which 1.1 would not */
	case REDO_F32: add_double(out, (double)v->f32); return;
	case REDO_F64: add_double(out, v->f64); return;
	case REDO_STR:
	case REDO_BIN: break;
	}
	if (type == COL_DECIMAL && is_plain_number(v->s.p, v->s.n))
		strbuf_add(out, v->s.p, v->s.n);
	else if (v->kind == REDO_STR || text)
		sql_add_text(out, v->s.p, v->s.n);
	else
		sql_add_binary(out, v->s.p, v->s.n);
}

void literal_add_column(struct strbuf *out, const struct redo_column *c)
{
	literal_add(out, (enum column_type)c->type, literal_is_text(c), &c->value);
}

static void add_digest(struct strbuf *out, const char *p, size_t n)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	EVP_Digest(p, n, sum, &len, EVP_sha256(), NULL);
	strbuf_addch(out, '\'');
	for (unsigned i = 0; i < len; i++)
		strbuf_addf(out, "%02x", sum[i]);
	strbuf_addch(out, '\'');
}

void literal_add_same(struct strbuf *out, const struct redo_column *c)
{
	const struct redo_value *v = &c->value;
	bool bytes = v->kind == REDO_BIN || (v->kind == REDO_STR && c->type != COL_DECIMAL),
	     text = literal_is_text(c);
	bool digest = bytes && v->s.n > WHOLE_BYTES_MAX;
	char *name = xstrndup(c->name.p, c->name.n);

	strbuf_addstr(out, digest ? "SHA2(" : "");
	strbuf_addstr(out, bytes && text ? "BINARY CONVERT(" : "");
	sql_add_name(out, name);
	strbuf_addstr(out, bytes && text ? " USING utf8mb4)" : "");
	strbuf_addstr(out, digest ? ",256) <=> " : " <=> ");
	strbuf_addstr(out, bytes && text && !digest ? "BINARY " : "");
	if (digest)
		add_digest(out, v->s.p, v->s.n);
	else
		literal_add_column(out, c);
	free(name);
}

void literal_add_cell(struct strbuf *out, const struct column *c, const char *data, size_t n)
{
	bool text = c->charset && *c->charset && strcmp(c->charset, "binary");

	if (!data) {
		strbuf_addstr(out, "NULL");
		return;
	}
	switch (c->type) {
	case COL_TINY:
	case COL_SHORT:
	case COL_INT24:
	case COL_LONG:
	case COL_LONGLONG:
	case COL_YEAR:
	case COL_DECIMAL:
	case COL_FLOAT:
	case COL_DOUBLE:
	case COL_BIT:
	case COL_ENUM:
	case COL_SET:
		strbuf_add(out, data, n);
		if ((c->type == COL_FLOAT || c->type == COL_DOUBLE) && !memchr(data, 'e', n) &&
		    !memchr(data, 'E', n))
			strbuf_addstr(out, "e0");
		return;
	case COL_VARCHAR:
	case COL_VARSTRING:
	case COL_STRING:
	case COL_TINYBLOB:
	case COL_BLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB:
	case COL_UNKNOWN:
		if (!text) {
			sql_add_binary(out, data, n);
			return;
		}
		break;
	case COL_TIMESTAMP:
	case COL_DATE:
	case COL_TIME:
	case COL_DATETIME:
	case COL_JSON:
	default: text = false; break;
	}
	if (!text || !strncmp(c->charset, "utf8", 4)) {
		sql_add_text(out, data, n);
		return;
	}
	/* TiDB knows no _gbk */
	strbuf_addf(out, column_is_gbk(c) ? "CONVERT(" : "_%s ", c->charset);
	sql_add_binary(out, data, n);
	strbuf_addstr(out, column_is_gbk(c) ? " USING gbk)" : "");
	if (c->collation && *c->collation)
		strbuf_addf(out, " COLLATE %s", c->collation);
}

unsigned literal_fraction(enum column_type type, const struct redo_value *v)
{
	bool exact = type == COL_DECIMAL || type == COL_DATETIME || type == COL_TIMESTAMP ||
		     type == COL_TIME;
	const char *point;
	size_t n;

	if (v->kind == REDO_F32 || v->kind == REDO_F64) {
		double d = v->kind == REDO_F32 ? (double)v->f32 : v->f64;

		return d != trunc(d);
	}
	if (!exact || (v->kind != REDO_STR && v->kind != REDO_BIN) || !v->s.n)
		return 0;
	point = memchr(v->s.p, '.', v->s.n);
	n = point ? v->s.n - (size_t)(point + 1 - v->s.p) : 0;
	while (n && point[n] == '0')
		n--;
	return n < LITERAL_FRACTION_MAX ? (unsigned)n : LITERAL_FRACTION_MAX;
}

/* Kinds of values that are each other's alike, and their names in a log. */
enum kind {
	INTEGER,
	BIGINT,
	DECIMAL,
	REAL4,
	REAL8,
	YEAR,
	BITS,
	DATE,
	DATETIME,
	TIMESTAMP,
	TIME,
	ENUM,
	SET,
	JSON,
	FIXED_TEXT,
	TEXT,
	FIXED_BYTES,
	BYTES,
	OTHER
};
static const char *const kind_names[] = { "INT",  "BIGINT", "DECIMAL", "FLOAT",       "DOUBLE",
					  "YEAR", "BIT",    "DATE",    "DATETIME",    "TIMESTAMP",
					  "TIME", "ENUM",   "SET",     "JSON",        "CHAR",
					  "text", "BINARY", "bytes",   "another type" };

static enum kind kind_of(enum column_type type, bool text)
{
	switch (type) {
	case COL_TINY:
	case COL_SHORT:
	case COL_INT24:
	case COL_LONG: return INTEGER;
	case COL_LONGLONG: return BIGINT;
	case COL_DECIMAL: return DECIMAL;
	case COL_FLOAT: return REAL4;
	case COL_DOUBLE: return REAL8;
	case COL_YEAR: return YEAR;
	case COL_BIT: return BITS;
	case COL_DATE: return DATE;
	case COL_DATETIME: return DATETIME;
	case COL_TIMESTAMP: return TIMESTAMP;
	case COL_TIME: return TIME;
	case COL_ENUM: return ENUM;
	case COL_SET: return SET;
	case COL_JSON: return JSON;
	case COL_STRING: return text ? FIXED_TEXT : FIXED_BYTES;
	case COL_VARCHAR:
	case COL_VARSTRING:
	case COL_TINYBLOB:
	case COL_BLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB: return text ? TEXT : BYTES;
	case COL_UNKNOWN:
	default: return OTHER;
	}
}

static enum kind kind_of_column(const char *data_type)
{
	static const struct {
		const char *name;
		enum kind kind;
	} types[] = {
		{ "tinyint", INTEGER },     { "smallint", INTEGER },
		{ "mediumint", INTEGER },   { "int", INTEGER },
		{ "bigint", BIGINT },       { "decimal", DECIMAL },
		{ "float", REAL4 },         { "double", REAL8 },
		{ "year", YEAR },           { "bit", BITS },
		{ "date", DATE },           { "datetime", DATETIME },
		{ "timestamp", TIMESTAMP }, { "time", TIME },
		{ "enum", ENUM },           { "set", SET },
		{ "json", JSON },           { "char", FIXED_TEXT },
		{ "varchar", TEXT },        { "tinytext", TEXT },
		{ "text", TEXT },           { "mediumtext", TEXT },
		{ "longtext", TEXT },       { "binary", FIXED_BYTES },
		{ "varbinary", BYTES },     { "tinyblob", BYTES },
		{ "blob", BYTES },          { "mediumblob", BYTES },
		{ "longblob", BYTES },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcasecmp(types[i].name, data_type))
			return types[i].kind;
	return OTHER;
}

bool literal_fits(enum column_type type, bool text, const char *data_type)
{
	enum kind from = kind_of(type, text), to = kind_of_column(data_type);

	if (from == to || from == OTHER || to == OTHER)
		return true;
	switch (from) { /* the server says what it cuts of these, or it is seen by
			   literal_fraction() */
	case INTEGER: return to == BIGINT || to == DECIMAL || to == REAL8;
	case BIGINT: return to == INTEGER || to == DECIMAL;
	case DECIMAL: return to == INTEGER || to == BIGINT;
	case REAL4: return to == REAL8;
	case YEAR: return to == INTEGER || to == BIGINT;
	case JSON:
	case FIXED_TEXT: return to == TEXT;
	case TEXT: return to == JSON;
	case FIXED_BYTES: return to == BYTES;
	case REAL8:
	case BITS:
	case DATE:
	case DATETIME:
	case TIMESTAMP:
	case TIME:
	case ENUM:
	case SET:
	case BYTES:
	case OTHER: break;
	}
	return false;
}

int literal_unfit(const char *column, enum column_type type, bool text, const char *data_type,
		  struct err *e)
{
	return err_set(e, ERR_BAD_DATA, 0,
		       "the secondary stores a different value than the log has: column '%s' is %s "
		       "there, but the values are %s: its column differs from the primary's",
		       column, data_type, kind_names[kind_of(type, text)]);
}

void literal_columns_query(struct strbuf *out, const char *db, const char *table)
{
	strbuf_addf(
		out,
		"SELECT COLUMN_NAME, DATA_TYPE, CASE WHEN DATA_TYPE IN ('datetime','timestamp','time') THEN DATETIME_PRECISION WHEN DATA_TYPE"
		" IN ('tinyint','smallint','mediumint','int','bigint','bit','year') THEN 0 ELSE %d END"
		" FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ",
		LITERAL_FRACTION_MAX);
	sql_add_text(out, db, strlen(db));
	strbuf_addstr(out, " AND TABLE_NAME = ");
	sql_add_text(out, table, strlen(table));
}

/* NULL where none may be, fields too few or too many, out of range, cut, no such number or text. */
static bool is_loss(long code, bool enum_zero)
{
	static const long losses[] = { 1048, 1261, 1262, 1263, 1264, 1292, 1366, 1406 };

	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		if (code == losses[i])
			return true;
	return code == 1265 && !enum_zero;
}

#define WARNINGS_MAX 65535 /* which a session of ours keeps, and which an answer counts */

/* "Out of range value for column `d`.`t`.`c` at row 2": c, or something longer that ends so. */
static bool is_about(const char *text, const char *column)
{
	const char *end = NULL;
	size_t n = strlen(column);

	for (const char *at = text; (at = strstr(at, " at row ")); at++)
		end = at;
	if (!end || end == text || (end[-1] != '`' && end[-1] != '\''))
		return false;
	end--;
	return (size_t)(end - text) > n && !strncasecmp(end - n, column, n) &&
	       (strpbrk(column, "`'") || *(end - n - 1) == *end);
}

/* An expression gave the warning, and no value that was sent: a generated column's, of which the
 * server names the column or none. */
static bool is_computed(struct sql *s, long code, const char *text, literal_written *written,
			const void *arg)
{
	static const char cut[] = "Truncated incorrect ";
	const char *name;
	bool is_text;

	if (strstr(text, " for column ") && strstr(text, " at row ")) {
		for (unsigned i = 0; (name = written(arg, i, &is_text)); i++)
			if (is_about(text, name)) /* YEAR() of a text names the text */
				return code == 1292 && is_text;
		return true;
	}
	/* elsewhere a time that was sent gets a warning without its column, too */
	return code == 1292 &&
	       (sql_flavor(s) == SQL_MARIADB || (!strncmp(text, cut, sizeof(cut) - 1) &&
						 strncasecmp(text + sizeof(cut) - 1, "time", 4) &&
						 strncasecmp(text + sizeof(cut) - 1, "date", 4)));
}

int literal_kept(struct sql *s, bool enum_zero, literal_written *written, const void *arg,
		 struct err *e)
{
	unsigned all = mysql_warning_count(sql_handle(s)), shown = 0;
	struct sql_rows r = { 0 };
	int got = -1, rc = 0;

	if (!all)
		return 0;
	if (sql_query(s, &r, e, "SHOW WARNINGS") == 0)
		while ((got = sql_rows_next(&r, e)) == 1) {
			long code = r.cell[1] ? strtol(r.cell[1], NULL, 10) : 0;
			const char *text = r.cell[2] ? r.cell[2] : "";

			shown++;
			if (!rc && is_loss(code, enum_zero) &&
			    !is_computed(s, code, text, written, arg))
				rc = err_set(e, ERR_BAD_DATA, (int)code,
					     "the secondary stores a different value than the log "
					     "has: %s (%ld): its column differs from the primary's",
					     text, code);
		}
	sql_rows_release(&r);
	if (got == 0 && !rc && (shown < all || all == WARNINGS_MAX))
		rc = err_set(e, ERR_BAD_DATA, 0,
			     "the secondary has more warnings than it shows (%u of %u), so that a "
			     "value that it did not keep would not be seen",
			     shown, all);
	return got < 0 && !rc ? -1 : rc;
}

void sql_add_name(struct strbuf *out, const char *name)
{
	strbuf_addch(out, '`');
	for (; *name; name++) {
		if (*name == '`')
			strbuf_addch(out, '`');
		strbuf_addch(out, *name);
	}
	strbuf_addch(out, '`');
}

void sql_add_text(struct strbuf *out, const char *data, size_t n)
{
	size_t from = 0;

	strbuf_grow(out, n + 2);
	strbuf_addch(out, '\'');
	for (size_t i = 0; i < n; i++) {
		char c = data[i], esc = c == '\''   ? '\''
					: c == '\\' ? '\\'
					: c == 0    ? '0'
					: c == '\n' ? 'n'
					: c == '\r' ? 'r'
					: c == 26   ? 'Z'
						    : 0;

		if (!esc)
			continue;
		strbuf_add(out, data + from, i - from);
		strbuf_addch(out, '\\');
		strbuf_addch(out, esc);
		from = i + 1;
	}
	strbuf_add(out, data + from, n - from);
	strbuf_addch(out, '\'');
}

void sql_add_binary(struct strbuf *out, const void *data, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = data;
	char *at;

	if (!n) {
		strbuf_addstr(out, "''");
		return;
	}
	strbuf_grow(out, 2 * n + 3);
	strbuf_addstr(out, "x'");
	at = out->buf + out->len;
	for (size_t i = 0; i < n; i++) {
		*at++ = hex[p[i] >> 4];
		*at++ = hex[p[i] & 15];
	}
	out->len += 2 * n;
	out->buf[out->len] = 0;
	strbuf_addch(out, '\'');
}

bool literal_subtract_otherwise(struct sql *s)
{
	static const char mode[] = ",NO_UNSIGNED_SUBTRACTION";

	return sql_exec(s, NULL,
			"SET SESSION sql_mode = IF(CONCAT(',', @@sql_mode) LIKE '%%%s%%',"
			" REPLACE(CONCAT(',', @@sql_mode), '%s', ''), CONCAT(@@sql_mode, '%s'))",
			mode, mode, mode) >= 0 &&
	       sql_exec(s, NULL, "FLUSH LOCAL TABLES") >= 0;
}
