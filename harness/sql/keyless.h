/* The secondary's record of rows without a key: of each table the last commitTs that is applied
 * whole, written in the same database transaction as its rows. Names are bytes, owner is
 * ddl_owner()'s. The changefeed writes it, and a replay of its log skips what it tells. */
#ifndef HARNESS_SQL_KEYLESS_H
#define HARNESS_SQL_KEYLESS_H

#include "harness/sql/schema.h"

#define KEYLESS_TABLE BOOKKEEPING_DB_QUOTED ".`keyless_done`"
#define KEYLESS_MAKE                                                                              \
	"CREATE TABLE IF NOT EXISTS " KEYLESS_TABLE                                               \
	" (owner VARCHAR(190) NOT NULL, db VARBINARY(256) NOT NULL, tbl VARBINARY(256) NOT NULL," \
	" commit_ts BIGINT UNSIGNED NOT NULL, PRIMARY KEY (owner, db, tbl))"

#endif
