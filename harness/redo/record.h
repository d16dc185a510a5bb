/* What a redo log says: row changes and DDLs, in memory. Spec: TiCDC's format 2 (and 1), one
 * RedoLog map a record. All pointers of an event belong to whoever made it (the decoder's buffer,
 * the feed's arena): valid until that is reused. */
#ifndef HARNESS_REDO_RECORD_H
#define HARNESS_REDO_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/tso.h"
#include "harness/sql/value.h"

struct redo_table {
	struct redo_bytes db, table;
	int64_t id; /* physical id */
	bool is_partition;
};
struct redo_index { /* positions in columns */
	const int32_t *columns;
	uint32_t n;
};
struct redo_row {
	tso_t start_ts, commit_ts;
	struct redo_table table;
	const struct redo_column *columns; /* after the change; n_columns 0 for a delete */
	uint32_t n_columns;
	const struct redo_column *pre_columns; /* before; n_pre_columns 0 for an insert */
	uint32_t n_pre_columns;
	const struct redo_index *indexes;
	uint32_t n_indexes;
};
struct redo_ddl {
	tso_t start_ts, commit_ts;
	struct redo_bytes query;
	uint64_t seq;
	uint64_t type; /* TiDB's DDL action type */
	struct redo_table table;
	/* beside the record, in the sidecar: sql/ddl/ddl_session.h; n 0: not told */
	struct redo_bytes session;
};
enum redo_event_kind { REDO_ROW = 1, REDO_DDL = 2 };
struct redo_event {
	enum redo_event_kind kind;
	union {
		struct redo_row row;
		struct redo_ddl ddl;
	};
};

#endif
