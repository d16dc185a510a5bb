/* What the tests of the changefeed write on the primary while it works: one thread of random
 * transactions, also with DDLs, each of which appends its number to d.ledger, so that what is a
 * prefix of the history can be told. One load at a time. */
#ifndef TESTS_INTEGRATION_FEED_LOAD_H
#define TESTS_INTEGRATION_FEED_LOAD_H

#include "tests/integration/mariadb_server.h"

/* the tables it writes to, the same on both */
void feed_load_tables(struct sql *primary, struct sql *secondary);
void feed_load_start(const struct test_server *primary, bool ddl, uint64_t seed);
/* transactions committed; fails the test where a statement failed that may not */
uint64_t feed_load_stop(void);
bool feed_load_running(void);

/* What a feed promises whenever it is killed: the log at `uri` up to resolvedTs and the secondary
 * together are a prefix of the primary's history, and the secondary is not ahead of resolvedTs. */
void feed_load_is_a_prefix(const char *uri, struct sql *secondary);

#endif
