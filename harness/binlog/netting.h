/* One net change per key and transaction, as TiDB has it: of each key the image before the
 * transaction and the image after it. Tables are numbers, keys and images are bytes, compared as
 * such. What exceeds the memory limit goes to unlinked files, partitioned by key hash until each
 * part fits. */
#ifndef HARNESS_BINLOG_NETTING_H
#define HARNESS_BINLOG_NETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

struct net_bytes { /* p NULL: no row */
	const void *p;
	uint32_t n;
};
struct net_change {
	uint32_t table;
	/* an insert has no before, a delete no after; never both equal */
	struct net_bytes before, after;
	uint64_t times; /* so many rows, where rows are counted; else 1 */
};
struct netting;
/* memory_bytes bounds what is held at a time; row_cost: what the caller will need besides for each
 * change (its decoded form). */
struct netting *netting_new(size_t memory_bytes, const char *tmp_dir);
void netting_free(struct netting *n);  /* NULL is fine */
void netting_reset(struct netting *n); /* the next transaction */

/* The row of this key is now `after` (p NULL: gone), and was `before` (p NULL: absent). An update
 * that changes its key is two calls. */
int netting_add(struct netting *n, uint32_t table, const void *key, uint32_t key_n,
		struct net_bytes before, struct net_bytes after, size_t row_cost, struct err *e);
/* Of a table without a key: one row more (by 1) or less (by -1) that has this image. What is left
 * of equal rows in the end counts. */
int netting_count(struct netting *n, uint32_t table, struct net_bytes image, int by,
		  size_t row_cost, struct err *e);
/* After the last netting_add(): the changes, by table in order of their numbers, deletes first,
 * else in order of their first appearance. What was spilled comes in batches: all deletes, then the
 * rest, and *more is set on all but the last. Valid until the next call. */
int netting_batch(struct netting *n, struct net_change **out, size_t *n_out, bool *more,
		  struct err *e);

#endif
