#include "harness/backup/format.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/sql/checksum.h"

enum cell_kind { CELL_TEXT, CELL_PLAIN, CELL_ENUM };

static bool is_carried(const struct column *c)
{
	return !(c->flags & COLF_GENERATED) && !c->is_virtual;
}

static enum carried_as carried_as(const struct column *c)
{
	if (c->type == COL_ENUM || c->type == COL_SET || c->type == COL_BIT)
		return CARRY_NUMBER;
	if (c->type == COL_JSON)
		return CARRY_UTF8;
	if (c->type == COL_UNKNOWN && (!strncmp(c->sql_type, "uuid", 4) ||
				       !strncmp(c->sql_type, "inet", 4) || column_is_vector(c)))
		return CARRY_UTF8;
	return CARRY_TEXT;
}

static bool is_counter(const struct table_schema *t, const struct column *c)
{
	struct strbuf line = STRBUF_INIT;
	const char *p, *end, *ai;

	strbuf_addstr(&line, "\n  ");
	sql_add_name(&line, c->name);
	strbuf_addch(&line, ' ');
	p = t->create_sql ? strstr(t->create_sql, line.buf) : NULL;
	end = p ? strchr(p + 1, '\n') : NULL;
	ai = p ? strstr(p, " AUTO_INCREMENT") : NULL;
	strbuf_release(&line);
	return ai && (!end || ai < end);
}

size_t format_columns(const struct table_schema *t, struct carried_column **out)
{
	size_t n = 0;

	*out = xcalloc(t->n_columns + 1, sizeof(**out));
	for (size_t i = 0; i < t->n_columns; i++)
		if (is_carried(&t->columns[i]))
			(*out)[n++] =
				(struct carried_column){ xstrdup(t->columns[i].name),
							 is_counter(t, &t->columns[i])
								 ? CARRY_COUNTER
								 : carried_as(&t->columns[i]) };
	return n;
}

void format_columns_free(struct carried_column *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(c[i].name);
	free(c);
}

void format_select(struct strbuf *out, const struct table_schema *t)
{
	bool first = true;

	strbuf_addstr(out, "SELECT ");
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->columns[i];
		const char *before = "", *after = "";

		if (!is_carried(c))
			continue;
		if (carried_as(c) == CARRY_UTF8)
			before = "CAST(", after = " AS CHAR)";
		/* as text it has six digits; the double of it has all */
		else if (c->type == COL_FLOAT)
			before = "CAST(", after = " AS DOUBLE)";
		strbuf_addstr(out, first ? before : ",");
		if (!first)
			strbuf_addstr(out, before);
		if (carried_as(c) == CARRY_NUMBER)
			checksum_value(out, c);
		else
			sql_add_name(out, c->name);
		strbuf_addstr(out, after);
		first = false;
	}
	if (first)
		strbuf_addstr(out, "''");
	strbuf_addstr(out, " FROM ");
	sql_add_name(out, t->db);
	strbuf_addch(out, '.');
	sql_add_name(out, t->table);
}

void row_writer_init(struct row_writer *w, const struct table_schema *t)
{
	w->kind = xcalloc(t->n_columns + 1, 1);
	w->n = 0;
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->columns[i];

		if (!is_carried(c))
			continue;
		switch (c->type) {
		case COL_TINY:
		case COL_SHORT:
		case COL_LONG:
		case COL_INT24:
		case COL_LONGLONG:
		case COL_DECIMAL:
		case COL_YEAR:
		case COL_FLOAT:
		case COL_DOUBLE:
		case COL_DATE:
		case COL_TIME:
		case COL_DATETIME:
		case COL_TIMESTAMP:
		case COL_BIT:
		case COL_SET: w->kind[w->n++] = CELL_PLAIN; break;
		case COL_ENUM: w->kind[w->n++] = CELL_ENUM; break;
		case COL_VARCHAR:
		case COL_JSON:
		case COL_TINYBLOB:
		case COL_MEDIUMBLOB:
		case COL_LONGBLOB:
		case COL_BLOB:
		case COL_VARSTRING:
		case COL_STRING:
		case COL_UNKNOWN:
		default: w->kind[w->n++] = CELL_TEXT;
		}
	}
	if (!w->n)
		w->kind[w->n++] = CELL_TEXT;
}

void row_writer_release(struct row_writer *w)
{
	free(w->kind);
	w->kind = NULL;
}

static const char escaped[256] = { [0] = '0', ['\t'] = 't', ['\n'] = 'n', ['\\'] = '\\' };

void row_writer_add(const struct row_writer *w, struct strbuf *out, MYSQL_ROW cell,
		    const unsigned long *len, uint64_t *warnings)
{
	size_t room = w->n * 3 + 1;
	char *p;

	for (size_t i = 0; i < w->n; i++)
		room += (size_t)len[i] * (w->kind[i] == CELL_TEXT ? 2 : 1);
	strbuf_grow(out, room);
	p = out->buf + out->len;
	for (size_t i = 0; i < w->n; i++) {
		if (!cell[i]) {
			*p++ = '\\';
			*p++ = 'N';
		} else if (w->kind[i] == CELL_TEXT) {
			const unsigned char *s = (const unsigned char *)cell[i], *end = s + len[i];

			while (s < end) {
				unsigned char c = *s++;

				if (__builtin_expect(escaped[c], 0)) {
					*p++ = '\\';
					*p++ = escaped[c];
				} else {
					*p++ = (char)c;
				}
			}
		} else {
			memcpy(p, cell[i], len[i]);
			p += len[i];
			if (w->kind[i] == CELL_ENUM && len[i] == 1 && cell[i][0] == '0')
				++*warnings;
		}
		*p++ = i + 1 < w->n ? '\t' : '\n';
	}
	out->len = (size_t)(p - out->buf);
	*p = 0;
}

static void add_target(struct strbuf *out, const char *db, const char *table)
{
	sql_add_name(out, db);
	strbuf_addch(out, '.');
	sql_add_name(out, table);
}

void format_load(struct strbuf *out, const char *db, const char *table,
		 const struct carried_column *c, size_t n)
{
	bool set = false, assigned = false;

	/* A SET clause makes MariaDB (10.11) forget that a counter's 0 was given, whatever
	 * NO_AUTO_VALUE_ON_ZERO says, and draw a new value. */
	for (size_t i = 0; i < n; i++)
		assigned |= c[i].as == CARRY_NUMBER || c[i].as == CARRY_UTF8;
	strbuf_addstr(out, "LOAD DATA LOCAL INFILE 'drtest' INTO TABLE ");
	add_target(out, db, table);
	strbuf_addstr(
		out,
		" CHARACTER SET binary FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (");
	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_addch(out, ',');
		if (c[i].as == CARRY_TEXT || (c[i].as == CARRY_COUNTER && !assigned))
			sql_add_name(out, c[i].name);
		else
			strbuf_addf(out, "@v%zu", i);
	}
	strbuf_addstr(out, n ? ")" : "@v0)");
	for (size_t i = 0; i < n; i++) {
		if (c[i].as == CARRY_TEXT || (c[i].as == CARRY_COUNTER && !assigned))
			continue;
		strbuf_addstr(out, set ? ", " : " SET ");
		sql_add_name(out, c[i].name);
		strbuf_addf(out,
			    c[i].as == CARRY_NUMBER    ? "=CAST(@v%zu AS UNSIGNED)"
			    : c[i].as == CARRY_COUNTER ? "=@v%zu"
						       : "=CONVERT(@v%zu USING utf8mb4)",
			    i);
		set = true;
	}
}

void format_insert_head(struct strbuf *out, const char *db, const char *table,
			const struct carried_column *c, size_t n)
{
	strbuf_addstr(out, "INSERT INTO ");
	add_target(out, db, table);
	strbuf_addstr(out, " (");
	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_addch(out, ',');
		sql_add_name(out, c[i].name);
	}
	strbuf_addstr(out, ") VALUES ");
}

static bool is_number(const char *p, const char *end)
{
	if (p == end || end - p > 20)
		return false;
	for (; p < end; p++)
		if (*p < '0' || *p > '9')
			return false;
	return true;
}

int format_insert_row(struct strbuf *out, const struct carried_column *c, size_t n,
		      const char *line, size_t len)
{
	const char *p = line, *end = line + len;

	strbuf_addch(out, '(');
	for (size_t i = 0; i < (n ? n : 1); i++) {
		/* a tab inside a value is escaped */
		const char *stop = memchr(p, '\t', (size_t)(end - p));

		if (!stop)
			stop = end;
		if ((i + 1 < n) != (stop < end))
			return -1;
		if (n && i)
			strbuf_addch(out, ',');
		if (!n) {
			;
		} else if (stop - p == 2 && p[0] == '\\' && p[1] == 'N') {
			strbuf_addstr(out, "NULL");
		} else if (c[i].as == CARRY_NUMBER) {
			if (!is_number(p, stop))
				return -1;
			strbuf_add(out, p, (size_t)(stop - p));
		} else {
			strbuf_addstr(out, c[i].as == CARRY_UTF8 ? "CONVERT(_binary'" : "_binary'");
			/* \\ \t \n \0 mean the same inside a quoted string */
			for (; p < stop; p++) {
				if (*p == '\'')
					strbuf_addch(out, '\\');
				strbuf_addch(out, *p);
				if (*p == '\\') {
					if (++p == stop)
						return -1;
					strbuf_addch(out, *p);
				}
			}
			strbuf_addstr(out, c[i].as == CARRY_UTF8 ? "' USING utf8mb4)" : "'");
		}
		p = stop + 1;
	}
	strbuf_addch(out, ')');
	return 0;
}
