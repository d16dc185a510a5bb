/* A connection to a MySQL-protocol server (MariaDB, MySQL, TiDB) by the client library. Use one
 * from one thread. Sessions start with utf8mb4, time_zone '+00:00', autocommit on, and the given
 * sql_mode or a strict one. */
#ifndef HARNESS_SQL_SQL_H
#define HARNESS_SQL_SQL_H

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/base/strbuf.h"

/* What is asked for is made, or there is no connection. */
enum sql_tls {
	/* SQL_TLS_VERIFY where a CA, certificate or server name is given, else SQL_TLS_OFF */
	SQL_TLS_AS_GIVEN,
	SQL_TLS_OFF,
	SQL_TLS_UNVERIFIED, /* encrypted, with whomever */
	SQL_TLS_CHAIN,      /* with whoever has a certificate of the CA */
	SQL_TLS_VERIFY,     /* with the host of that name; the CA is ssl_ca, or the system's */
};
struct sql_endpoint {
	char host[256]; /* "127.0.0.1" */
	unsigned port;
	char user[129], password[256];                 /* the password never reaches a log */
	char ssl_ca[512], ssl_cert[512], ssl_key[512]; /* "" off */
	char ssl_server_name[256]; /* the name that the certificate has to be for; "": host */
	enum sql_tls tls;
};
/* From a URI, or "@FILE" or "env:NAME" (harness/base/uri.h):
 * mysql://user:password@host:port/?name=value. mysql and tidb are plain unless a parameter asks for
 * TLS; mysql+ssl and tidb+ssl are SQL_TLS_VERIFY. Parameters: ssl-ca, ssl-cert, ssl-key,
 * ssl-server-name, ssl-mode (MySQL's words), tls (Go's words), ssl (true, false); those of TiCDC's
 * sink that change no result are taken and left alone. Any other is ERR_USAGE. */
int sql_endpoint_from_uri(struct sql_endpoint *ep, const char *uri, struct err *e);
/* the way back, with the password and what it asks of TLS; the caller frees */
char *sql_endpoint_uri(const struct sql_endpoint *ep);
/* "127.0.0.1:4000", for people */
void sql_endpoint_text(const struct sql_endpoint *ep, struct strbuf *out);

struct sql;
struct sql *sql_open(const struct sql_endpoint *ep, struct deadline d, struct err *e);
void sql_close(struct sql *s);    /* NULL is fine */
MYSQL *sql_handle(struct sql *s); /* for what this module does not wrap; still the module's */
uint64_t sql_connection_id(const struct sql *s);
/* how long a statement may go without a byte of its answer: then ERR_GONE. An hour by default;
 * 0: that */
void sql_patience(struct sql *s, int64_t ms);
/* For a look at a server that may be mute, or never end: from now on each of its answers within
 * half a minute, and none over 64 MiB; else ERR_GONE. NULL is fine; returns s. */
struct sql *sql_briefly(struct sql *s);

/* Statements that return no rows. Returns affected rows, or -1. ERR_GONE: lost connection,
 * ERR_CONFLICT: 1205/1213, else ERR_SQL. What is beyond the server's max_allowed_packet goes as a
 * prepared statement (harness/sql/long_statement.h). */
int64_t sql_exec(struct sql *s, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int64_t sql_exec_text(struct sql *s, struct err *e, const char *text, size_t n);
/* A LOAD DATA LOCAL whose file is in memory; its name in the statement says nothing. Returns the
 * rows that the server read, or -1. ERR_SQL where the server or the account may not do that. */
int64_t sql_load(struct sql *s, struct err *e, const char *statement, const char *file, size_t n);

/* Rows: stored (whole answer in memory, at most 512 MiB; more is ERR_GONE) or streamed (nothing
 * else may be sent until the end). Cells are bytes with lengths, NULL for NULL. */
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
void sql_rows_release(struct sql_rows *r);            /* drains a stream; a zeroed one is fine */

/* One value of the first row as text, appended to out. ERR_NOT_FOUND if there is no row; NULL
 * appends nothing and returns 1. */
int sql_value(struct sql *s, struct strbuf *out, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int sql_value_u64(struct sql *s, uint64_t *out, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Around statements that may take long: when the run is cancelled (Ctrl-C, its time limit), what
 * the session runs is ended by KILL, and its connection with it. One guard a session. */
struct sql_guard;
struct sql_guard *sql_guard_begin(struct sql *s, struct err *e); /* NULL: *e */
/* ERR_CANCELLED in *e, and -1, when it had to end something. */
int sql_guard_end(struct sql_guard *g, struct err *e);

enum sql_flavor { SQL_MARIADB, SQL_MYSQL, SQL_TIDB };
enum sql_flavor sql_flavor(struct sql *s); /* from the server's version string */
const char *sql_server_version(struct sql *s);

/* Under READ COMMITTED MariaDB answers a REPLACE with "Duplicate entry" where the row takes
 * another's value of a unique key that is kept as a hash (of a BLOB, a long text, USING HASH),
 * instead of pushing that row out. The session's transactions are REPEATABLE READ from now on, and
 * the statement may be tried again; false: they were already, or it is another server. */
enum { SQL_DUPLICATE = 1062 };
bool sql_repeatable(struct sql *s);
/* The server ends its answers to SELECT there: who stops reading would have to read the rest. */
int sql_limit_rows(struct sql *s, unsigned n, struct err *e);

/* `name`, backticks doubled */
void sql_add_name(struct strbuf *out, const char *name);
/* 'text', escaped for utf8mb4 without NO_BACKSLASH_ESCAPES */
void sql_add_text(struct strbuf *out, const char *data, size_t n);
void sql_add_binary(struct strbuf *out, const void *data, size_t n); /* x'hex'; '' when empty */
/* Fills *e from the handle's last error: the kinds above. Returns -1. */
int sql_error(MYSQL *m, struct err *e, const char *what);
int sql_error_code(unsigned code, const char *message, struct err *e, const char *what);

#endif
