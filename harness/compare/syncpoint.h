/* TiCDC's syncpoints: pairs of TSOs at which primary and secondary hold the same rows, kept in the
 * secondary's tidb_cdc.syncpoint_v1. */
#ifndef HARNESS_COMPARE_SYNCPOINT_H
#define HARNESS_COMPARE_SYNCPOINT_H

#include "harness/sql/sql.h"

struct syncpoint {
	char primary_ts[32], secondary_ts[32];
};
/* The newest one. changefeed: whose (as TiCDC names it, with or without its keyspace); NULL: the
 * only one there. ERR_NOT_FOUND: there is none. */
int syncpoint_newest(const struct sql_endpoint *secondary, const char *changefeed,
		     struct syncpoint *out, struct err *e);

#endif
