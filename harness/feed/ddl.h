/* A DDL on the secondary, exactly once as far as can be seen: before it an intent is committed there, the DDL's commitTs and a
 * fingerprint of what it may change. After a crash an unchanged fingerprint means: run it; a changed one: it is done. */
#ifndef HARNESS_FEED_DDL_H
#define HARNESS_FEED_DDL_H

#include "harness/base/tso.h"
#include "harness/binlog/binlog.h"
#include "harness/sql/sql.h"

int feed_ddl_prepare(struct sql *sink, struct err *e); /* the intent's table */
/* 1: it ran; 0: it had been done before; -1: error (ERR_GONE: connect again, end the old connection, call again). */
int feed_ddl_apply(struct sql *sink, const char *owner, tso_t ts, const struct binlog_txn *t, struct err *e);
/* Errors that mean "done already" (redo-log spec, section 7, step 5). */
bool feed_ddl_error_is_done(int sql_error);

#endif
