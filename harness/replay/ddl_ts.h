/* How far each table is in the secondary, where TiCDC's new architecture wrote it down: it may have
 * executed DDLs beyond checkpointTs, and recorded each in `tidb_cdc.ddl_ts_v1`. A log whose meta
 * has a version asks for this; rows and DDLs of a table at or below its floor are in the secondary
 * already. */
#ifndef HARNESS_REPLAY_DDL_TS_H
#define HARNESS_REPLAY_DDL_TS_H

#include "harness/base/tso.h"
#include "harness/sql/sql.h"

struct floor {
	int64_t table_id; /* physical */
	tso_t ts;
};
struct ddl_ts {
	struct floor *f; /* sorted by table_id */
	size_t n;
};
/* changefeed: "keyspace/name". No such table: none. */
int ddl_ts_load(struct sql *s, const char *changefeed, struct ddl_ts *out, struct err *e);
void ddl_ts_release(struct ddl_ts *f);
tso_t ddl_ts_of(const struct ddl_ts *f, int64_t table_id); /* 0: none */

#endif
