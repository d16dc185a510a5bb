/* RENAME TABLE of temporary tables: MariaDB logs it as that of any table, and nothing in the event
 * tells. What was renamed is on the primary under its new name, unless a later DDL has taken it
 * away; a temporary table is not, and a later DDL can make a table of that name. */
#ifndef HARNESS_BINLOG_TEMPORARY_RENAME_H
#define HARNESS_BINLOG_TEMPORARY_RENAME_H

#include "harness/binlog/binlog.h"

/* 1: *query is what is left of the statement without its temporary tables, "" when it is nothing;
 * 0: it is none, or is about none. log: of the reader that delivered it. -1: also ERR_GONE. */
int temporary_rename(struct sql *primary, const struct binlog_opts *log,
		     const struct binlog_txn *ddl, struct strbuf *query, struct err *e);

#endif
