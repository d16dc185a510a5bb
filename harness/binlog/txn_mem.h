/* Memory for one transaction, allocated in small pieces and freed at once. */
#ifndef HARNESS_BINLOG_TXN_MEM_H
#define HARNESS_BINLOG_TXN_MEM_H

#include <stddef.h>

struct txn_mem {
	struct txn_mem_block *blocks; /* newest first */
	size_t used, size;            /* of the newest block */
};

/* aligned to 16 bytes, not zeroed, valid until reset or release */
void *txn_mem_alloc(struct txn_mem *m, size_t n);
void txn_mem_reset(struct txn_mem *m); /* keeps one block for the next transaction */
void txn_mem_release(struct txn_mem *m);

#endif
