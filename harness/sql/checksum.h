/* The 64-bit sum of a set of rows, computed by the server: COUNT(*) and two 32-bit sums of CRC32 over differently ordered,
 * length-marked values with NULL flags, side by side. A SUM, never an XOR: an XOR of CRCs is linear, and values exchanged between
 * two rows cancel out. Text columns count by their bytes, so 'a' and 'A' differ whatever the collation says.
 * The second CRC is over the same text reversed, not over reordered columns: a change within one value that one CRC32 misses (it is a
 * multiple of the polynomial) is missed at every place of the text, but not backwards. Where both servers have it (MariaDB since 10.8)
 * CRC32C takes its place: another polynomial, and reversing costs 40 % of the whole sum (measured, sysbench's rows). Virtual generated columns are left out. */
#ifndef HARNESS_SQL_CHECKSUM_H
#define HARNESS_SQL_CHECKSUM_H

#include "harness/sql/schema.h"

/* Appends "COUNT(*), <sum a>, <sum b>" for a SELECT over this table. */
void checksum_select_list(struct strbuf *out, const struct table_schema *t);
/* Appends "<crc a>,<crc b>" of one row, or with names "<crc a> AS x,<crc b> AS y". */
void checksum_row_list(struct strbuf *out, const struct table_schema *t);
void checksum_row_list_as(struct strbuf *out, const struct table_schema *t, const char *x, const char *y);
/* Does the server have CRC32C()? */
bool checksum_has_crc32c(struct sql *s);

struct table_sum {
	char *db, *table;
	uint64_t rows, sum; /* (sum a mod 2^32) << 32 | (sum b mod 2^32) */
};
struct table_sums { /* what restored data is held against where a database has no time travel */
	struct table_sum *t;
	size_t n;
};
void table_sums_release(struct table_sums *s);

#endif
