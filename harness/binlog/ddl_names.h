/* The text of a DDL for a reader that has the database of its table alone: TiCDC's record of a DDL
 * has no field for the default database of the session, and `cdc redo apply` runs the statement in
 * the database of the table. */
#ifndef HARNESS_BINLOG_DDL_NAMES_H
#define HARNESS_BINLOG_DDL_NAMES_H

#include "harness/base/strbuf.h"
#include "harness/binlog/ddl_words.h"

/* Appends the statement with each table that it names without a database put into default_db ("":
 * none, nothing is added), and with the names that ANSI_QUOTES lets stand in "..." in `...`. What
 * REFERENCES names stays: the server looks for it beside the table. A view's statement is appended
 * as it is (ddl_names_use()): columns that it gives no name are called after its text. */
void ddl_names_whole(const char *query, size_t n, const char *default_db, uint64_t sql_mode,
		     struct strbuf *out);
/* The database that a reader has to USE for the statement that ddl_names_whole() gave: default_db
 * for one about a view, else table_db. */
const char *ddl_names_use(uint32_t type, const char *default_db, const char *table_db);

#endif
