/* One table's rows from a server, as they are or as they were, into a new table of another (or the
 * same) server: the copy that an operator makes before repairing a table. */
#ifndef HARNESS_CLUSTER_TABLE_COPY_H
#define HARNESS_CLUSTER_TABLE_COPY_H

#include "harness/sql/sql.h"

struct table_copy {
	const char *db, *table; /* whose rows */
	/* made here, as the source defines it; it must not be there */
	const char *to_db, *to_table;
	const char *snapshot; /* TiDB: the source as it was at that TSO; NULL: as it is */
};
/* *rows: copied. The two connections are used for nothing else meanwhile. A copy that fails leaves
 * no table. */
int table_copy(struct sql *from, struct sql *to, const struct table_copy *o, uint64_t *rows,
	       struct err *e);

#endif
