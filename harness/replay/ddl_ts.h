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
struct floors {
	struct floor *f; /* sorted by table_id */
	size_t n;
};
/* changefeed: "keyspace/name". No such table: none. */
int floors_load(struct sql *s, const char *changefeed, struct floors *out, struct err *e);
void floors_release(struct floors *f);
tso_t floors_of(const struct floors *f, int64_t table_id); /* 0: none */

#endif
