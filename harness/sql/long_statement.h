/* A statement that is longer than a server takes at once (max_allowed_packet): its long literals go
 * ahead of it, in pieces, as the parameters of a prepared statement. So whatever row one server
 * took fits into the next, as long as no single value is beyond that server's limit. */
#ifndef HARNESS_SQL_LONG_STATEMENT_H
#define HARNESS_SQL_LONG_STATEMENT_H

#include <mysql.h>
#include <stdint.h>

#include "harness/base/err.h"

/* Literals as sql_add_text() and sql_add_binary() write them; those behind a charset's introducer
 * stay in the text. Returns affected rows, or -1 as sql_exec_text() does; 1153 is told with the
 * size that is wanted. */
int64_t sql_exec_long(MYSQL *m, uint64_t packet_bytes_max, const char *text, size_t n,
		      struct err *e);

#endif
