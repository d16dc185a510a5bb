/* N connections that read one and the same committed state of a server. */
#ifndef HARNESS_BACKUP_SNAPSHOT_H
#define HARNESS_BACKUP_SNAPSHOT_H

#include "harness/backup/backup.h"
#include "harness/backup/catalog.h"

struct snapshot {
	struct sql **conn;
	unsigned n;
	/* of the snapshot; "" when the server writes no binary log or nothing is in it */
	char gtid[256];
	uint64_t seq;              /* its sequence number */
	bool positioned;           /* gtid and seq mean something */
	bool locked;               /* agreement took a short global read lock */
	struct catalog catalog;    /* what was there at that instant */
	const char *const *ignore; /* as catalog_read() takes it */
	char tidb_ts[24];          /* TiDB: the TSO that is read at; "" elsewhere */
};
/* Every table of the catalog is kept by a metadata lock in each connection's transaction: a name
 * means there what it meant at the instant of the snapshot, and a DDL of others waits until
 * snapshot_release(). A DDL that comes while the snapshot is taken makes it start anew.
 * tidb_snapshot: read at that TSO instead; on TiDB without one, at the present TSO. */
int snapshot_open(struct snapshot *s, const struct sql_endpoint *ep, unsigned n,
		  const char *tidb_snapshot, const char *const *ignore, struct deadline d,
		  struct err *e);
void snapshot_release(struct snapshot *s);
/* The TSO of the snapshot's last GTID; waits until the map covers it. */
int snapshot_tso(const struct snapshot *s, struct tso_map *map, struct deadline d, tso_t *ts,
		 struct err *e);

#endif
