/* A throwaway MariaDB server for tests: own data directory under /var/tmp, own port on 127.0.0.1,
 * binary log as the local ground has it. */
#ifndef TESTS_INTEGRATION_MARIADB_SERVER_H
#define TESTS_INTEGRATION_MARIADB_SERVER_H

#include "harness/os/proc.h"
#include "harness/sql/sql.h"

struct test_server;
/* Skips the test (exit 77) when MariaDB is not installed; fails it when it does not start.
 * server_id: 1.. */
struct test_server *test_server_start(unsigned server_id);
/* lines for its configuration, each with a line feed */
struct test_server *test_server_start_with(unsigned server_id, const char *more);
const struct sql_endpoint *test_server_endpoint(const struct test_server *s);
/* for what the test keeps beside it; removed with the server */
const char *test_server_dir(const struct test_server *s);
struct proc *test_server_proc(struct test_server *s);
void test_server_kill(struct test_server *s);    /* SIGKILL */
void test_server_restart(struct test_server *s); /* on the same data and port */
void test_server_free(struct test_server *s);    /* NULL is fine */
/* A connection that must succeed. */
struct sql *test_server_connect(const struct test_server *s);

#endif
