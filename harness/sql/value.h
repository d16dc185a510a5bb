/* One column's value as a redo log holds it, and as it is written to a secondary. Pointers belong
 * to whoever made the value. */
#ifndef HARNESS_SQL_VALUE_H
#define HARNESS_SQL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum redo_value_kind { REDO_NULL, REDO_INT, REDO_UINT, REDO_F32, REDO_F64, REDO_STR, REDO_BIN };
struct redo_bytes { /* not NUL-terminated */
	const char *p;
	uint32_t n;
};
struct redo_value {
	enum redo_value_kind kind;
	union {
		int64_t i;
		uint64_t u;
		float f32;
		double f64;
		/* REDO_STR and REDO_BIN; an empty byte string is REDO_BIN with n = 0 */
		struct redo_bytes s;
	};
};
struct redo_column {
	struct redo_bytes name, charset, collation;
	uint8_t type;  /* enum column_type */
	bool absent;   /* a nil entry: the column is in the positions but carries nothing */
	uint32_t flag; /* enum column_flag */
	struct redo_value value;
};

#endif
