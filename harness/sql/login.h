/* How a connection of the client library is made: TLS, and which ways to log in are taken. A
 * password goes only to a server whose certificate was checked before, or in a form that tells
 * nothing to whoever has the port (mysql_native_password, ed25519).
 *
 * The library checks a certificate before the login only against the host's name. For a chain
 * without a name (ssl-mode=VERIFY_CA) and for another name (ssl-server-name) this module looks at
 * the certificate on a connection of its own first and lets the library insist on that very one by
 * its fingerprint. It is remembered for each server until a login fails. */
#ifndef HARNESS_SQL_LOGIN_H
#define HARNESS_SQL_LOGIN_H

#include "harness/sql/sql.h"

/* What this thread's login waits for the server, all its waits together, from now on; 0: no limit
 * any more. The library limits each of its waits alone, and a server that sends a byte now and then
 * would hold a login for ever. Before login_options(), and 0 after the login. */
void login_limit(MYSQL *m, int64_t ms);
/* Before mysql_real_connect(). */
void login_options(MYSQL *m, const struct sql_endpoint *ep);
/* After it: is TLS there as asked for? Also makes a peer that vanishes without a word be noticed
 * within a minute. */
int login_check(MYSQL *m, const struct sql_endpoint *ep, struct err *e);
/* When it failed: sql_error(), and what may help. -1. */
int login_failed(MYSQL *m, const struct sql_endpoint *ep, struct err *e);

#endif
