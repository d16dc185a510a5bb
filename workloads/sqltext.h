/* A statement and its values as text, for the text protocol and for several statements in one
 * packet. */
#ifndef WORKLOADS_SQLTEXT_H
#define WORKLOADS_SQLTEXT_H

#include <mysql.h>

#include "workloads/script.h"

/* Appends the SQL for call's table with its values in place of the question marks. m: for the
 * connection's way of escaping. */
void sqltext_add(struct strbuf *out, MYSQL *m, const struct script_statement *st,
		 const struct con_call *call);

#endif
