/* N connections that read one and the same committed state of a server. */
#ifndef HARNESS_BACKUP_SNAPSHOT_H
#define HARNESS_BACKUP_SNAPSHOT_H

#include "harness/backup/backup.h"

struct snapshot {
	struct sql **conn;
	unsigned n;
	char gtid[256];     /* of the snapshot; "" when the server writes no binary log or nothing is in it */
	uint64_t seq;       /* its sequence number */
	bool positioned;    /* gtid and seq mean something */
	bool locked;        /* agreement took a short global read lock */
};
/* tidb_snapshot: read at that TSO instead. */
int snapshot_open(struct snapshot *s, const struct sql_endpoint *ep, unsigned n, const char *tidb_snapshot, struct deadline d, struct err *e);
void snapshot_release(struct snapshot *s);
/* The TSO of the snapshot's last GTID; waits until the map covers it. */
int snapshot_tso(const struct snapshot *s, struct tso_map *map, struct deadline d, tso_t *ts, struct err *e);

#endif
