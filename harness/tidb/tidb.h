/* What only TiDB's SQL has: BACKUP and RESTORE and their result rows, the switch of garbage
 * collection, TSOs. BACKUP and RESTORE block until they are done, or until the run is interrupted:
 * then they are ended by KILL. */
#ifndef HARNESS_TIDB_TIDB_H
#define HARNESS_TIDB_TIDB_H

#include "harness/backup/backup.h"
#include "harness/base/tso.h"
#include "harness/sql/sql.h"

/* The row of BACKUP and RESTORE, read by the columns' names: RESTORE before 6.3 has BackupTS alone,
 * and means the target's TSO by it; from 6.3 on BackupTS is the backup's own and "Cluster TS" the
 * target's. Either is of the instant at which RESTORE began. */
struct tidb_brie {
	char destination[512]; /* TiDB leaves the credentials out */
	uint64_t size_bytes;
	tso_t backup_ts; /* of the backup; 0: a RESTORE before 6.3 does not tell */
	/* the target's when RESTORE began: the tables are not there at it; 0: not told */
	tso_t cluster_ts;
	/* "2022-02-25 20:00:00": when it was queued and when it began, in the session's time
	 * zone */
	char queued[32], executed[32];
};
int tidb_brie_parse(struct tidb_brie *b, bool restore, const char *const *names,
		    const char *const *cells, unsigned n, struct err *e);

/* Told which session is about to run it; -1 with *e: then it does not begin. */
struct tidb_brie_begins {
	int (*fn)(void *arg, uint64_t session, struct err *e);
	void *arg;
};
/* uri holds credentials: errors never quote it. rate_mb 0: no limit. The prefix must be fresh for a
 * backup. */
/* snapshot: NULL, or the TSO to read at (garbage collection must not have passed it). begins: NULL
 * is fine. */
int tidb_backup(const struct sql_endpoint *ep, const char *uri, unsigned rate_mb,
		const char *snapshot, const struct tidb_brie_begins *begins, struct tidb_brie *b,
		struct err *e);
int tidb_restore(const struct sql_endpoint *ep, const char *uri,
		 const struct tidb_brie_begins *begins, struct tidb_brie *b, struct err *e);
/* Ends by KILL what a dead drtest runs there: if that session of the endpoint's user still executes
 * the statement (what: BACKUP or RESTORE) with that uri, without its parameters. 0: it no longer
 * does. */
int tidb_end_brie(const struct sql_endpoint *ep, uint64_t session, const char *what,
		  const char *uri, struct deadline d, struct err *e);
/* What TiDB says of a refused BACKUP or RESTORE, with the way out where it is known (toolchain: the
 * errors that users meet). NULL: none. */
const char *tidb_brie_way_out(const char *message);

int tidb_set_gc(const struct sql_endpoint *ep, bool on, struct err *e);
int tidb_get_gc(const struct sql_endpoint *ep, bool *on, struct err *e);
/* Names of what users made, ", " between; n: how many, of which the first TIDB_NAMES_MAX are told.
 */
#define TIDB_NAMES_MAX 8
/* that have tables */
int tidb_databases(struct sql *s, struct strbuf *names, unsigned *n, struct err *e);
/* TiCDC leaves them out, or refuses */
int tidb_tables_without_key(struct sql *s, struct strbuf *names, unsigned *n, struct err *e);
/* Until no DDL job runs there: TiCDC does not wait for an ADD INDEX, which goes on by itself.
 * False: one still did when the time was over. True where nobody can tell. */
bool tidb_wait_for_ddl(struct sql *s, struct deadline d);
/* ADMIN CHECK TABLE of each table that is the user's: fn is told of each whose indexes disagree
 * with its rows, with TiDB's words. 1: TiDB refuses it, being read-only; -1: not all could be
 * checked. */
int tidb_check_indexes(struct sql *s, void (*fn)(void *arg, const char *table, const char *words),
		       void *arg, unsigned *tables, struct err *e);
int tidb_vector_columns(struct sql *s, struct strbuf *names, unsigned *n, struct err *e);
int tidb_now(const struct sql_endpoint *ep, tso_t *ts, struct err *e); /* the current TSO */
/* The commit TSO of the session's last statement that wrote: a transaction's own, or a DDL job's,
 * which is the one that TiCDC knows it by. ERR_NOT_FOUND: it wrote nothing. */
int tidb_commit_ts(struct sql *s, tso_t *ts, struct err *e);
/* FLASHBACK CLUSTER TO TSO: all of it as it was then, in place. Other sessions are cut, writes are
 * refused meanwhile; back when they are not. */
int tidb_flashback(const struct sql_endpoint *ep, tso_t ts, struct deadline d, struct err *e);
/* "v8.5.7" of tidb_version(). ERR_UNSUPPORTED: what listens there is no TiDB. */
int tidb_version(const struct sql_endpoint *ep, char out[64], struct err *e);

#endif
