/* A connection to MariaDB, MySQL or TiDB through the client library. Each connection belongs to one
 * thread. A session starts with utf8mb4, time_zone '+00:00', autocommit on and a strict sql_mode.
 * Errors: ERR_GONE for a lost connection, ERR_CONFLICT for a deadlock or a lock wait timeout (1213,
 * 1205), otherwise ERR_SQL; code has the server's number. */
#ifndef HARNESS_SQL_SQL_H
#define HARNESS_SQL_SQL_H

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/base/strbuf.h"

/* If the requested protection is not possible, there is no connection. */
enum sql_tls {
	/* SQL_TLS_VERIFY where a CA, certificate or server name is given, else SQL_TLS_OFF */
	SQL_TLS_AS_GIVEN,
	SQL_TLS_OFF,
	SQL_TLS_UNVERIFIED, /* encrypted, but the server is not verified */
	SQL_TLS_CHAIN,      /* the server has a certificate of the CA, for any name */
	SQL_TLS_VERIFY,     /* and for its host name; the CA is ssl_ca, or the system's */
};
struct sql_endpoint {
	char host[256]; /* "127.0.0.1" */
	unsigned port;
	char user[129], password[256];                 /* the password is never logged */
	char ssl_ca[512], ssl_cert[512], ssl_key[512]; /* files; "": none */
	char ssl_server_name[256];                     /* the name in the certificate; "": host */
	enum sql_tls tls;
};
/* From a URI, or "@FILE" or "env:NAME" (harness/base/uri.h):
 * mysql://user:password@host:port/?name=value. mysql and tidb are plain unless a parameter asks for
 * TLS; mysql+ssl and tidb+ssl are SQL_TLS_VERIFY. Parameters: ssl-ca, ssl-cert, ssl-key,
 * ssl-server-name, ssl-mode (MySQL's values), tls (Go's values), ssl (true, false). Parameters of
 * TiCDC's sink that do not affect the result are ignored; any other is ERR_USAGE. */
int sql_endpoint_from_uri(struct sql_endpoint *ep, const char *uri, struct err *e);
/* the reverse, with the password and the TLS that it asks for; the caller frees */
char *sql_endpoint_uri(const struct sql_endpoint *ep);
/* appends "127.0.0.1:4000", for messages */
void sql_endpoint_text(const struct sql_endpoint *ep, struct strbuf *out);

struct sql;
struct sql *sql_open(const struct sql_endpoint *ep, struct deadline d, struct err *e);
void sql_close(struct sql *s);    /* NULL is fine */
MYSQL *sql_handle(struct sql *s); /* for what this module does not wrap; s still owns it */
uint64_t sql_connection_id(const struct sql *s);
/* How long a statement may wait without receiving a byte before it fails with ERR_GONE; 0: an
 * hour, the default, but only as long as the server still answers a second login. */
void sql_patience(struct sql *s, int64_t ms);
/* For a look at a server that may be mute, or never end: from now on each of its answers within
 * half a minute, and none over 64 MiB; else ERR_GONE. NULL is fine; returns s. */
struct sql *sql_briefly(struct sql *s);

/* Executes a statement that returns no rows. Returns the affected rows, or -1. A statement beyond
 * the server's max_allowed_packet is sent as a prepared one (harness/sql/long_statement.h). */
int64_t sql_exec(struct sql *s, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int64_t sql_exec_text(struct sql *s, struct err *e, const char *text, size_t n);
/* LOAD DATA LOCAL with a file in memory; the file name in the statement does not matter. Returns
 * the rows that the server read, or -1 (ERR_SQL also if the server or the account does not allow
 * it). */
int64_t sql_load(struct sql *s, struct err *e, const char *statement, const char *file, size_t n);

/* The rows of a query: stored (all of them in memory, at most 512 MiB; more is ERR_GONE), or
 * streamed (the connection can't be used for anything else until the end). A cell is `len` bytes,
 * or NULL for SQL's NULL. */
struct sql_rows {
	MYSQL_RES *res;
	MYSQL_ROW cell;     /* the current row */
	unsigned long *len; /* its cells' lengths */
	unsigned n_columns;
	struct sql *conn;
};
int sql_query(struct sql *s, struct sql_rows *r, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int sql_query_stream(struct sql *s, struct sql_rows *r, struct err *e, const char *text, size_t n);
int sql_rows_next(struct sql_rows *r, struct err *e); /* 1: a row, 0: the end, -1: error */
void sql_rows_release(struct sql_rows *r); /* reads a stream to its end; a zeroed one is fine */

/* The first value of the first row as text, appended to out. Returns 1 and appends nothing if it is
 * NULL; ERR_NOT_FOUND if there is no row. */
int sql_value(struct sql *s, struct strbuf *out, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int sql_value_u64(struct sql *s, uint64_t *out, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A guard for statements that may take long: if the run is cancelled (Ctrl-C, its time limit), the
 * session is killed on the server, with what it executes. One guard for each session. */
struct sql_guard;
struct sql_guard *sql_guard_begin(struct sql *s, struct err *e); /* NULL: *e */
uint64_t sql_guard_session(const struct sql_guard *g);           /* its id on the server */
/* -1 and ERR_CANCELLED if it had to kill the session. */
int sql_guard_end(struct sql_guard *g, struct err *e);

enum sql_flavor { SQL_MARIADB, SQL_MYSQL, SQL_TIDB };
enum sql_flavor sql_flavor(struct sql *s); /* from the server's version string */
const char *sql_server_version(struct sql *s);

/* MariaDB keeps some unique keys as a hash (of a BLOB, a long text, USING HASH). Under READ
 * COMMITTED a REPLACE with another row's value of such a key fails with "Duplicate entry" instead
 * of deleting that row. Call this then: true: the session uses REPEATABLE READ from now on, so the
 * statement can be retried; false: it already did, or the server is not MariaDB. */
enum { SQL_DUPLICATE = 1062 };
bool sql_repeatable(struct sql *s);
/* Limits the rows that the server returns for a SELECT: a reader that stops early would have to
 * receive all the others. */
int sql_limit_rows(struct sql *s, unsigned n, struct err *e);

/* `name`, backticks doubled */
void sql_add_name(struct strbuf *out, const char *name);
/* 'text', escaped for utf8mb4 without NO_BACKSLASH_ESCAPES */
void sql_add_text(struct strbuf *out, const char *data, size_t n);
void sql_add_binary(struct strbuf *out, const void *data, size_t n); /* x'hex'; '' when empty */
/* Set *e from the handle's last error, or from an error number, with the kinds above; return -1. */
int sql_error(MYSQL *m, struct err *e, const char *what);
int sql_error_code(unsigned code, const char *message, struct err *e, const char *what);

#endif
