/* MariaDB's binary log as transactions of net changes. Connecting, dumping and framing are the
 * client library's replication API; row images are decoded here (the library gets CHAR, BINARY,
 * ENUM, SET and negative TIME wrong). Like TiDB and unlike a binary log: one net change per key and
 * transaction. */
#ifndef HARNESS_BINLOG_BINLOG_H
#define HARNESS_BINLOG_BINLOG_H

#include "harness/redo/record.h"
#include "harness/sql/ddl/ddl_session.h"
#include "harness/sql/schema.h"

/* What comes out: one transaction, or one DDL. Valid until the next binlog_next().
 * A transaction that outgrew memory_bytes comes in several batches, one binlog_next() each, all
 * with the same gtid_seq and `more` set on all but the last: each key is in one batch alone, and
 * the batches with deletes come before those with inserts and updates. The transaction is complete
 * (and its position may be kept) with the batch whose `more` is false, which may hold no rows. A
 * transaction whose net change is nothing comes with n_rows 0: the position moves. */
struct binlog_txn {
	uint64_t gtid_seq;
	bool is_ddl;
	/* DDL */
	const char *ddl_db, *ddl_query;        /* default database ("" none) and the text */
	const struct ddl_session *ddl_session; /* what else the statement means depends on */
	/* TiDB's action type, by the statement's words. 0: no change of a user's table, database or
	 * view (CREATE USER, GRANT, FLUSH, ANALYZE, triggers, routines, sequences, temporary
	 * tables, anything in a system database): to be skipped, the position moves. */
	uint32_t ddl_type;
	const char *ddl_table_db, *ddl_table; /* after the DDL; "" for a database */
	/* why what this DDL did to rows can't be had again (CREATE TABLE .. SELECT, ADD ..
	 * AUTO_INCREMENT), or what it makes of the table can't be carried; NULL: it can */
	const char *ddl_left_out;
	/* rows: net changes, one per key, in (db, table) groups, deletes first in each; start_ts
	 * and commit_ts are left 0 for the feed to fill in */
	struct redo_row *rows;
	size_t n_rows;
	bool more; /* another batch of this transaction follows */
	/* a DDL of binlog_opts.skip_server_id: to be skipped, though structures have changed */
	bool ddl_elsewhere;
};
/* Stands in for TiDB's table id: XXH3 of "db.table" within 47 bits, positive. The same after
 * TRUNCATE and on every machine. */
int64_t binlog_table_id(const char *db, const char *table);

struct table_map;
/* Reasons for leaving a table out that are in its structure: a TRUNCATE does not end them. A table
 * that is made LIKE it has the last two. */
#define BINLOG_FK_ACTS                                                                             \
	"its foreign key changes rows by itself (CASCADE, SET NULL), and the binary log does not " \
	"contain these changes"
#define BINLOG_VERSIONED "it has system versioning, and each server writes its own history"
#define BINLOG_OVERLAPS "its key is WITHOUT OVERLAPS, for which the server does not support REPLACE"

struct binlog_opts {
	struct sql_endpoint from;
	/* the first transaction delivered is the one behind this GTID sequence number */
	uint64_t after_seq;
	unsigned domain, server_id; /* of the primary's GTIDs */
	unsigned replica_id;        /* our server id in the replication protocol */
	/* Transactions that this server id wrote (another changefeed's, which brought them here)
	 * come with n_rows 0, and DDLs as ddl_elsewhere. The log is read from its beginning then:
	 * a GTID is found by its server id alone, and whose after_seq is nobody tells. 0: none. */
	unsigned skip_server_id;
	/* What the log itself does not tell of a table: keys, generated columns. Called for a
	 * table's first event, with its map, and again after binlog_forget_schemas(); with attempt
	 * 1 where what attempt 0 gave does not fit the log's own names and types. map NULL: for a
	 * DDL, as the table was before it. The schema stays the callee's until forgotten. */
	const struct table_schema *(*schema)(void *arg, const char *db, const char *table,
					     const struct table_map *map, int attempt,
					     struct err *e);
	void *schema_arg;
	/* A table that can't be carried: told each time that its structure is asked anew; its rows
	 * do not come. NULL: that is an error. A schema() that fails with ERR_UNSUPPORTED means it
	 * too. */
	void (*leave_out)(void *arg, const char *db, const char *table, const char *reason);
	/* Rows of tables without a key that finds one come too: one net change a row that is gone
	 * or new, none an update. */
	bool keyless;
	/* one transaction's rows beyond this go to tmp_dir; 0: 32 MiB */
	size_t memory_bytes;
	const char *tmp_dir;
};
struct binlog;
/* "the primary no longer has GTID ..": ERR_NOT_FOUND */
struct binlog *binlog_open(const struct binlog_opts *o, struct err *e);
/* 1: *t is filled; 0: nothing within wait_ms (kept to about 100 ms); -1: error. A type that can't
 * be carried names db, table and column. ERR_GONE: the connection is lost; open a new one behind
 * the last complete gtid_seq. */
int binlog_next(struct binlog *b, int wait_ms, struct binlog_txn *t, struct err *e);
void binlog_forget_schemas(struct binlog *b); /* after a DDL was applied to the secondary */
void binlog_close(struct binlog *b);

#endif
