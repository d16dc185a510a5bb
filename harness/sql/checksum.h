/* The 64-bit sum of a set of rows, computed by the server: COUNT(*) and two 32-bit sums of CRC32
 * over differently ordered, length-marked values with NULL flags, side by side. A SUM, never an
 * XOR: an XOR of CRCs is linear, and values exchanged between two rows cancel out. Text columns
 * count by their bytes, so 'a' and 'A' differ whatever the collation says. The second CRC is over
 * the same text reversed, not over reordered columns: a change within one value that one CRC32
 * misses (it is a multiple of the polynomial) is missed at every place of the text, but not
 * backwards. Where both servers have it (MariaDB since 10.8) CRC32C takes its place: another
 * polynomial, and reversing costs 40 % of the whole sum (measured, sysbench's rows). TEXT, BLOB,
 * JSON and geometry count by their MD5: beyond max_allowed_packet the server makes NULL of a row's
 * text, and a row without a sum would be passed over. Where that happens all the same, it is
 * counted: checksum_read(). Left out: virtual generated columns (but those that
 * count: virtual_counts), and the row times of a
 * system-versioned table, which each server sets itself. */
#ifndef HARNESS_SQL_CHECKSUM_H
#define HARNESS_SQL_CHECKSUM_H

#include "harness/sql/schema.h"

/* Which sums these are: those of another form can't be held against them. */
#define CHECKSUM_FORM 3u

struct rows_sum {
	uint64_t rows;
	uint32_t a, b;   /* sums mod 2^32 */
	uint64_t unread; /* rows that the server gave no sum for: nothing is known of them */
};
/* Appends the three expressions of a SELECT over this table whose only row checksum_read() takes.
 */
void checksum_select_list(struct strbuf *out, const struct table_schema *t);
int checksum_read(char *const *cell, struct rows_sum *out, struct err *e);
/* Appends a condition that is true of rows that the server gives no sum for. */
void checksum_find_unread(struct strbuf *out, const struct table_schema *t);
/* Appends a column's value as text that differs whenever the value does: ENUM, SET and BIT as
 * numbers (ENUM and SET by_members: "1" and the names, "0" for number 0), FLOAT with all its
 * digits, -0, ZEROFILL without the zeros. */
void checksum_value(struct strbuf *out, const struct column *c);
/* Appends "<crc a>,<crc b>" of one row, or with names "<crc a> AS x,<crc b> AS y". */
void checksum_row_list(struct strbuf *out, const struct table_schema *t);
void checksum_row_list_as(struct strbuf *out, const struct table_schema *t, const char *x,
			  const char *y);
/* Does the server have CRC32C()? */
bool checksum_has_crc32c(struct sql *s);
bool checksum_has_md5(struct sql *s); /* MySQL 9 may have none */

struct table_sum {
	char *db, *table;
	uint64_t rows, sum; /* (sum a mod 2^32) << 32 | (sum b mod 2^32) */
};
struct table_sums { /* what restored data is held against where a database has no time travel */
	struct table_sum *t;
	size_t n;
	unsigned form; /* CHECKSUM_FORM of who took them */
};
void table_sums_release(struct table_sums *s);

#endif
