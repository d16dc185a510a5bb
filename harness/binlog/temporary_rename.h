/* RENAME TABLE of temporary tables: MariaDB logs it like any other RENAME, and the event does not
 * say so. A renamed permanent table exists on the primary under its new name unless a later DDL
 * removed it; a temporary one does not, although a later DDL can create a table with that name. */
#ifndef HARNESS_BINLOG_TEMPORARY_RENAME_H
#define HARNESS_BINLOG_TEMPORARY_RENAME_H

#include "harness/binlog/binlog.h"

/* 1: *query is what is left of the statement without its temporary tables, "" when it is nothing;
 * 0: it is none, or is about none. log: of the reader that delivered it. -1: also ERR_GONE. */
int temporary_rename(struct sql *primary, const struct binlog_opts *log,
		     const struct binlog_txn *ddl, struct strbuf *query, struct err *e);

#endif
