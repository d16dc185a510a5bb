/* Backup and restore over plain SQL: N connections on one consistent snapshot, tables cut into key
 * ranges, chunks as zstd objects in a store, checksummed, the manifest written last (no manifest:
 * no backup). Streams; memory does not grow with the table. */
#ifndef HARNESS_BACKUP_BACKUP_H
#define HARNESS_BACKUP_BACKUP_H

#include <stdbool.h>

#include "harness/net/store.h"
#include "harness/sql/checksum.h"
#include "harness/sql/sql.h"
#include "harness/sql/tso_map.h"

#define BACKUP_MANIFEST "backup.json"

/* Told every 200 ms at most, from whichever thread comes by: the share of the work that has been
 * done, and rows' bytes so far. */
typedef void backup_progress_fn(void *arg, double share, uint64_t raw_bytes);

struct backup_opts {
	struct sql_endpoint from;
	unsigned threads;          /* 0: 4 */
	uint64_t rate_bytes_per_s; /* of uncompressed row data; 0: none */
	/* gives BackupTS; NULL: BackupTS 0 (the caller has no positions) */
	struct tso_map *tso_map;
	const char *tidb_snapshot; /* TiDB: read at this TSO; NULL: at the present one */
	/* patterns of db.table: tables, views and sequences that are left out, and named in the
	 * warnings; ends in NULL. NULL: none. A pattern that matches nothing is ERR_USAGE. */
	const char *const *ignore;
	struct deadline deadline;
	backup_progress_fn *progress; /* NULL: none */
	void *progress_arg;
};
/* What `BACKUP` returns. */
struct backup_result {
	uint64_t size_bytes; /* compressed, in the store */
	uint64_t rows, tables;
	tso_t backup_ts;                /* the TSO of the last GTID in the snapshot */
	uint64_t backup_seq;            /* that GTID's sequence number */
	int64_t queue_us, execution_us; /* until the snapshot stood; all in all */
	bool locked;                    /* the snapshot took a short global read lock */
	/* what the backup does not carry, one line; "" when it carries all */
	char warnings[4096];
};
/* All databases that are the user's, as they were at one instant whatever DDLs run meanwhile (those
 * that begin later wait for the backup): tables with their rows and structure, views, sequences
 * with their next value, and of system-versioned tables the current rows. Users and grants are not
 * carried; triggers, routines, events and history are not either, and are named in warnings. Every
 * range's row count is held against the server's own. A table that the server cannot open ends it
 * before anything is written; all such are named. Refused when the prefix already holds a
 * backup ("backup meta file exists"). */
int backup_run(struct store *to, const struct backup_opts *o, struct backup_result *r,
	       struct err *e);

struct restore_opts {
	struct sql_endpoint to;
	unsigned threads;
	uint64_t rate_bytes_per_s;
	struct deadline deadline;     /* at_ns 0: none, also in backup_opts */
	backup_progress_fn *progress; /* NULL: none */
	void *progress_arg;
};
/* The restored rows are not written to the target's binary log where the user may say so (TiDB's
 * RESTORE does not pass TiCDC either). Checks manifest, presence, sizes and checksums of every
 * chunk before a row is written; refuses a target that already has one of the tables. */
int restore_run(struct store *from, const struct restore_opts *o, struct backup_result *r,
		struct err *e);

/* The sums of the snapshot itself (harness/sql/checksum.h), computed by the server while the
 * backup's snapshot is open; in the manifest. */
int backup_sums(struct store *from, struct table_sums *out, struct err *e);

#endif
