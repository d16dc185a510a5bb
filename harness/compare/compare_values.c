#include "harness/compare/compare_values.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/sql/literal.h"

void compare_value_list(struct strbuf *q, const struct table_schema *t)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		if (i)
			strbuf_addch(q, ',');
		checksum_value(q, &t->columns[i]);
	}
}

static bool is_named(const struct column *c, const char *type)
{
	return c->sql_type && !strncasecmp(c->sql_type, type, strlen(type));
}

/* Types that the client gets as bytes, not as text. */
static bool is_bytes(const struct column *c)
{
	bool binary = !c->charset || !*c->charset || !strcmp(c->charset, "binary");

	switch (c->type) {
	case COL_STRING:
	case COL_VARCHAR:
	case COL_VARSTRING:
	case COL_BLOB:
	case COL_TINYBLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB: return binary;
	case COL_UNKNOWN:
		return !is_named(c, "uuid") && !is_named(c, "inet") && !column_is_vector(c);
	case COL_TINY:
	case COL_SHORT:
	case COL_LONG:
	case COL_FLOAT:
	case COL_DOUBLE:
	case COL_TIMESTAMP:
	case COL_LONGLONG:
	case COL_INT24:
	case COL_DATE:
	case COL_TIME:
	case COL_DATETIME:
	case COL_YEAR:
	case COL_BIT:
	case COL_JSON:
	case COL_DECIMAL:
	case COL_ENUM:
	case COL_SET:
	default: return false;
	}
}

json_t *compare_value(const struct column *c, const char *data, size_t n)
{
	struct strbuf out = STRBUF_INIT;
	size_t cut = n > COMPARE_VALUE_CHARS ? COMPARE_VALUE_CHARS : n;
	json_t *j = NULL;

	if (!data)
		return json_null();
	if (c->by_members && n) { /* behind what tells number 0 from a member '' */
		cut = n - 1 > COMPARE_VALUE_CHARS ? COMPARE_VALUE_CHARS : n - 1;
		while (cut < n - 1 && cut && ((unsigned char)data[1 + cut] & 0xC0) == 0x80)
			cut--;
		strbuf_add(&out, data + 1, cut);
		if (*data == '0')
			strbuf_addstr(&out, "(empty, number 0)");
	} else if (c->type == COL_ENUM || c->type == COL_SET) {
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
			for (size_t i = 0; i < cut / 2 || (i < cut && n <= COMPARE_VALUE_CHARS / 2);
			     i++)
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

static void add_literal(struct strbuf *out, const struct column *c, const char *data, size_t n)
{
	if (data && n && c->by_members && *data == '0')
		strbuf_addch(out, '0');
	else if (data && n && c->by_members)
		sql_add_text(out, data + 1, n - 1);
	else if (data && c->type == COL_FLOAT && n == 2 && !memcmp(data, "-0", 2))
		strbuf_addstr(out, "-1e-60"); /* a literal -0 is 0 */
	else if (data && c->type == COL_UNKNOWN && !is_bytes(c))
		sql_add_text(out, data, n);
	else
		literal_add_cell(out, c, data, n);
}

/* Of a row beyond ROW_BYTES each value of more than VALUE_BYTES goes ahead of it, in pieces, so
 * that no statement of the fix is longer than a server takes. */
#define ROW_BYTES ((size_t)512 << 10)
#define VALUE_BYTES ((size_t)8 << 10)
#define PIECE_BYTES ((size_t)256 << 10)

/* The bytes into a variable, and that as the value. CONCAT() gives NULL beyond max_allowed_packet:
 * then the value is an error. */
static void add_by_pieces(struct strbuf *ahead, struct strbuf *v, size_t number,
			  const struct column *c, const char *data, size_t n)
{
	for (size_t at = 0; at < n; at += PIECE_BYTES) {
		strbuf_addf(ahead, "SET @drtest_%zu = ", number);
		if (at)
			strbuf_addf(ahead, "CONCAT(@drtest_%zu, ", number);
		sql_add_binary(ahead, data + at, n - at < PIECE_BYTES ? n - at : PIECE_BYTES);
		strbuf_addstr(ahead, at ? ");\n" : ";\n");
	}
	strbuf_addf(
		ahead,
		"-- \"more than 1 row\" below: the server's max_allowed_packet is under %zu bytes\n",
		n);
	if (!is_bytes(c))
		strbuf_addstr(v, "CONVERT(");
	strbuf_addf(v, "IF(LENGTH(@drtest_%zu) <=> %zu, @drtest_%zu, (SELECT 1 UNION SELECT 2))",
		    number, n, number);
	if (!is_bytes(c))
		strbuf_addf(v, " USING %s)", c->charset && *c->charset ? c->charset : "utf8mb4");
}

static bool is_written(const struct column *c)
{
	return !(c->flags & COLF_GENERATED) && !c->is_virtual;
}

void compare_write_put(struct compare *c, const struct row_range *r, const char *verb,
		       MYSQL_ROW row, const unsigned long *len)
{
	const struct table_schema *t = r->a;
	struct strbuf q = STRBUF_INIT, v = STRBUF_INIT, ahead = STRBUF_INIT;
	size_t bytes = 0;
	/* columns that are not compared stay as they are */
	bool keep = !strcmp(verb, "REPLACE") && r->t->columns_left_out;

	for (size_t i = 0; i < t->n_columns; i++)
		bytes += len[i];
	strbuf_addf(&q, "%s INTO ", keep ? "INSERT" : verb);
	schema_add_from(&q, r->b);
	strbuf_addstr(&q, " (");
	for (size_t i = 0, n = 0; i < t->n_columns; i++) {
		if (!is_written(&t->columns[i]))
			continue;
		if (n++) {
			strbuf_addch(&q, ',');
			strbuf_addch(&v, ',');
		}
		sql_add_name(&q, t->columns[i].name);
		if (bytes > ROW_BYTES && row[i] && len[i] > VALUE_BYTES)
			add_by_pieces(&ahead, &v, i, &t->columns[i], row[i], len[i]);
		else
			add_literal(&v, &t->columns[i], row[i], len[i]);
	}
	strbuf_addch(&v, ')');
	if (keep) {
		const char *sep = " ON DUPLICATE KEY UPDATE ";

		for (size_t i = 0; i < t->n_columns; i++) {
			if (!is_written(&t->columns[i]))
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
	fwrite(ahead.buf, 1, ahead.len, c->fix_puts);
	fprintf(c->fix_puts, "%s) VALUES (", q.buf);
	fwrite(v.buf, 1, v.len, c->fix_puts);
	fputs(";\n", c->fix_puts);
	pthread_mutex_unlock(&c->lock);
	strbuf_release(&ahead);
	strbuf_release(&q);
	strbuf_release(&v);
}
