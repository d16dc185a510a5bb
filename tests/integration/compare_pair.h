/* Two MariaDB servers beside each other, and what tests of the compare do with them. Errors fail
 * the test. */
#ifndef TESTS_INTEGRATION_COMPARE_PAIR_H
#define TESTS_INTEGRATION_COMPARE_PAIR_H

#include "harness/compare/compare.h"
#include "tests/integration/mariadb_server.h"

extern struct test_server *pair_server[2];
extern struct sql *pair_conn[2];
void pair_start(void);
void pair_stop(void);
void pair_run(int side, const char *text);
void pair_both(const char *text);
/* The fix file, statement by statement, as a client would send it, to server 1. */
void pair_apply(const char *path);
/* 0 is a, 1 is b; two threads, 1,000 rows a chunk. */
struct compare_opts pair_options(void);
struct compare_result pair_compare(const struct compare_opts *o);
const struct compare_table *pair_table(const struct compare_result *r, const char *name);
/* The finding of that kind and table; NULL: there is none. */
json_t *pair_finding(const struct compare_result *r, const char *kind, const char *table);
/* Is it told as not compared? */
bool pair_told(const struct compare_result *r, const char *kind, const char *name);

#endif
