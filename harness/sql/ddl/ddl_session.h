/* The session that a DDL runs with: what its event in the primary's binary log tells of the one
 * that sent it. Without it the same words may mean something else: a TIMESTAMP's default in another
 * time zone, "x" a name or a text, || a concatenation, CURRENT_TIMESTAMP another instant. It
 * travels with the statement: in the changefeed, and in the sidecar beside the redo log's DDL
 * (redo/sidecar.h). */
#ifndef HARNESS_SQL_DDL_DDL_SESSION_H
#define HARNESS_SQL_DDL_DDL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/sql/sql.h"

enum { DDL_SESSION_NAME_MAX = 64 * 4, DDL_SESSION_ZONE_MAX = 255 };

struct ddl_session {
	/* false: nothing is told (a log of TiCDC's); the connection's own session counts */
	bool known;
	char db[DDL_SESSION_NAME_MAX + 1]; /* the default database; "" none */
	uint64_t sql_mode;                 /* MariaDB's bits */
	int64_t timestamp_us; /* of the statement's beginning, Unix time; 0: not told */
	/* "": not told, the statement does not depend on it */
	char time_zone[DDL_SESSION_ZONE_MAX + 1];
	unsigned auto_increment_increment, auto_increment_offset; /* 0: not told, 1 */
	unsigned collation_connection, collation_server;          /* ids of MariaDB; 0: not told */
	unsigned lc_time_names;                                   /* id */
	bool foreign_key_checks, unique_checks, check_constraint_checks,
		explicit_defaults_for_timestamp;
	char engine[DDL_SESSION_NAME_MAX + 1]; /* default_storage_engine; "": not known */
	/* the error that the primary answered with, having done a part: the same one is success */
	unsigned error;
	/* what it is about is left out of replication: an error is noted, and is none */
	bool may_fail;
};
enum { /* bits of sql_mode that change how a statement is read */
       DDL_MODE_ANSI_QUOTES = 1 << 2,
       DDL_MODE_NO_BACKSLASH_ESCAPES = 1 << 20,
};

/* One line of key=value, without blanks in the values: for the sidecar. Keys that are unknown are
 * skipped when it is read. */
void ddl_session_format(const struct ddl_session *d, struct strbuf *out);
int ddl_session_parse(struct ddl_session *d, const char *text, size_t n, struct err *e);

/* Runs the statement in such a session and gives the connection its own back, also after an error.
 * The default database is left to the caller. Not known, or a server that is not MariaDB: only what
 * both have (time zone, timestamp) is set. */
int ddl_session_run(struct sql *s, const struct ddl_session *d, const char *query, size_t n,
		    struct err *e);

#endif
