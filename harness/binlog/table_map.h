/* A TABLE_MAP event: the description of a table's columns that precedes its rows in the binary log
 * (MariaDB sql/log_event.h). Names, signedness, collations and the primary key are there only if
 * the primary has binlog_row_metadata = FULL. All input is untrusted: damage is ERR_BAD_DATA. */
#ifndef HARNESS_BINLOG_TABLE_MAP_H
#define HARNESS_BINLOG_TABLE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

enum { TABLE_MAP_COLUMNS_MAX = 4096 };

/* Type codes of the binary log that information_schema does not have (MariaDB sql/field.h,
 * include/mysql_com.h). */
enum binlog_type {
	BT_DECIMAL_OLD = 0,
	BT_TINY = 1,
	BT_SHORT = 2,
	BT_LONG = 3,
	BT_FLOAT = 4,
	BT_DOUBLE = 5,
	BT_NULL = 6,
	BT_TIMESTAMP = 7,
	BT_LONGLONG = 8,
	BT_INT24 = 9,
	BT_DATE = 10,
	BT_TIME = 11,
	BT_DATETIME = 12,
	BT_YEAR = 13,
	BT_NEWDATE = 14,
	BT_VARCHAR = 15,
	BT_BIT = 16,
	BT_TIMESTAMP2 = 17,
	BT_DATETIME2 = 18,
	BT_TIME2 = 19,
	BT_BLOB_COMPRESSED = 140,
	BT_VARCHAR_COMPRESSED = 141,
	BT_JSON = 245,
	BT_NEWDECIMAL = 246,
	BT_ENUM = 247,
	BT_SET = 248,
	BT_TINY_BLOB = 249,
	BT_MEDIUM_BLOB = 250,
	BT_LONG_BLOB = 251,
	BT_BLOB = 252,
	BT_VAR_STRING = 253,
	BT_STRING = 254,
	BT_GEOMETRY = 255,
};

struct table_map_column {
	uint8_t type;     /* enum binlog_type; BT_ENUM, BT_SET although the log says BT_STRING */
	uint32_t length;  /* STRING, VARCHAR: maximum bytes; BLOB: bytes of its length prefix; ENUM,
			     SET: bytes; BIT: bits; DECIMAL: precision */
	uint8_t decimals; /* DECIMAL's scale, fraction digits of TIME2, DATETIME2, TIMESTAMP2 */
	bool nullable;
	/* only with binlog_row_metadata = FULL: */
	char *name; /* else NULL */
	bool is_unsigned;
	unsigned collation; /* of text, ENUM and SET, by number; 63: binary; 0: not known */
};
struct table_map {
	char *db, *table;
	struct table_map_column *columns;
	uint32_t n_columns;
	/* the primary key's columns, in its order; none: there is none, or it is not known */
	uint32_t *primary;
	uint32_t n_primary;
	bool primary_prefix; /* it uses the prefix of a column */
};

/* body: the event without header and checksum. */
int table_map_parse(struct table_map *m, const uint8_t *body, size_t n, struct err *e);
void table_map_release(struct table_map *m);           /* a zeroed one is fine */
bool table_map_is_sequence(const struct table_map *m); /* as far as the log names columns */
/* The same columns by type and length? */
int table_map_equal(const struct table_map *a, const struct table_map *b);

/* The size in bytes of the field at p, including its length prefix; -1 if it does not fit in n.
 * *prefix: bytes of the length prefix. */
int64_t table_map_field_bytes(const struct table_map_column *c, const uint8_t *p, size_t n,
			      unsigned *prefix);

/* Reads a length-encoded integer; returns its size in bytes, 0 if it does not fit. */
size_t binlog_packed_int(const uint8_t *p, size_t n, uint64_t *out);

static inline uint64_t binlog_le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static inline uint64_t binlog_be(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

#endif
