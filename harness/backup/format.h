/* How a row is written in a chunk: one line of LOAD DATA text (tab, newline, backslash, \N), bytes
 * as the server stores them. So a restore passes chunks to the server unchanged. ENUM, SET and BIT,
 * which text cannot represent exactly, are written as numbers. */
#ifndef HARNESS_BACKUP_FORMAT_H
#define HARNESS_BACKUP_FORMAT_H

#include "harness/sql/schema.h"

enum carried_as {
	CARRY_TEXT = 't',   /* the bytes that the server stores, or the number's or date's text */
	CARRY_NUMBER = 'n', /* ENUM index, SET and BIT as an unsigned number */
	/* text that the column only takes with a charset: JSON elsewhere than MariaDB, UUID,
	 * INET6 */
	CARRY_UTF8 = 'u',
	/* as text; the AUTO_INCREMENT column, which a LOAD DATA with SET wants assigned (see
	 * format_load) */
	CARRY_COUNTER = 'a',
};
struct carried_column {
	char *name;
	enum carried_as as;
};

/* Columns that are carried: all but generated ones. Returns their number; the caller frees names
 * and array. */
size_t format_columns(const struct table_schema *t, struct carried_column **out);
void format_columns_free(struct carried_column *c, size_t n);
/* "SELECT ... FROM t" of the carried columns. */
void format_select(struct strbuf *out, const struct table_schema *t);
/* Appends rows as lines. ENUM's error value (index 0) is counted in *warnings: a server
 * warns when it is loaded. */
struct row_writer {
	unsigned char *kind; /* per carried column */
	size_t n;
};
void row_writer_init(struct row_writer *w, const struct table_schema *t);
void row_writer_release(struct row_writer *w);
void row_writer_add(const struct row_writer *w, struct strbuf *out, MYSQL_ROW cell,
		    const unsigned long *len, uint64_t *warnings);

void format_load(struct strbuf *out, const char *db, const char *table,
		 const struct carried_column *c, size_t n);
/* For a server that refuses LOCAL INFILE: "INSERT INTO t (..) VALUES " and, line by line, "(..)".
 * -1: the line has not n fields. */
void format_insert_head(struct strbuf *out, const char *db, const char *table,
			const struct carried_column *c, size_t n);
int format_insert_row(struct strbuf *out, const struct carried_column *c, size_t n,
		      const char *line, size_t len);

#endif
