/* Two real servers, one backed up, the other restored into, for the tests of backups. Everything
 * fails the test when it fails. */
#ifndef TESTS_INTEGRATION_BACKUP_PAIR_H
#define TESTS_INTEGRATION_BACKUP_PAIR_H

#include "harness/backup/backup.h"
#include "tests/integration/mariadb_server.h"

extern struct test_server *source, *target;
extern int n_prefix; /* of the last fresh store */

void backup_pair_start(void);
void backup_pair_stop(void);
int setup_pair(void **state); /* both are empty again */
void clean(struct test_server *which);
struct store *fresh_store(char dir[200]); /* a directory of its own, whose path is put into dir */
void run(struct sql *s, const char *text);
void backup(struct store *st, struct backup_result *r);
int restore(struct store *st, struct err *e); /* may fail */
void assert_equal(struct store *st); /* the two servers, and the target and the backup's sums */
uint64_t gtid_seq(struct sql *s);    /* of the last transaction */

#endif
