/* The privileges of an account (SHOW GRANTS), checked before anything is written, and where the
 * server does not report a missing privilege: an account that cannot see other sessions, triggers
 * or databases is simply shown none. */
#ifndef HARNESS_SQL_RIGHTS_H
#define HARNESS_SQL_RIGHTS_H

#include "harness/sql/sql.h"

struct rights;
struct rights *rights_read(struct sql *s, struct err *e); /* NULL with *e */
/* the same of lines that a server wrote */
struct rights *rights_of(const char *const *line, size_t n);
void rights_free(struct rights *r); /* NULL is fine */
/* "SHOW VIEW", "BACKUP_ADMIN"; of every database where db is NULL, else of that one. Also true
 * where it holds for some table of db alone, and where a role may bring it that the server does not
 * spell out. */
bool rights_have(const struct rights *r, const char *privilege, const char *db);
/* wanted: "SELECT, SHOW VIEW", each either on all databases or on each of dbs (n 0: on all). What
 * is lacking is one error: the account, what, and the GRANT. Returns 0 or -1. */
int rights_want(const struct rights *r, const char *wanted, const char *const *dbs, size_t n,
		const char *what, struct err *e);
/* the account as the server wrote it: 'drtest'@'%' */
const char *rights_account(const struct rights *r);

/* sql_open() for who only reads, and the server itself refuses all else: MariaDB and MySQL by
 * read-only transactions. TiDB has no such session; where one reads the past (tidb_snapshot), it
 * refuses too. */
struct sql *sql_open_reading(const struct sql_endpoint *ep, struct deadline d, struct err *e);

#endif
