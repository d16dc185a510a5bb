/* TiDB's own words in a DDL, for servers that do not know them: what a TiDB log holds as it was
 * typed, and TiCDC's own sink puts into comments. AUTO_RANDOM, CLUSTERED, SHARD_ROW_ID_BITS,
 * PRE_SPLIT_REGIONS, AUTO_ID_CACHE, PLACEMENT POLICY, TTL, GLOBAL of an index and the like become
 * TiDB's comments, which another server skips: they place and number rows and do not change what a
 * row holds. */
#ifndef HARNESS_SQL_DDL_TIDB_DDL_H
#define HARNESS_SQL_DDL_TIDB_DDL_H

#include <stdbool.h>

#include "harness/base/strbuf.h"

/* Appends the statement as another server takes it. True: nothing is left for it to do (CREATE
 * PLACEMENT POLICY, ALTER TABLE t CACHE). */
bool tidb_ddl_plain(struct strbuf *out, const char *query, size_t n);

#endif
