#include "harness/binlog/txn_mem.h"

#include <stdalign.h>
#include <stdlib.h>

#include "harness/base/xalloc.h"

enum { BLOCK_BYTES = 64 * 1024 };

struct txn_mem_block {
	struct txn_mem_block *older;
	size_t size;
	alignas(16) unsigned char data[];
};

void *txn_mem_alloc(struct txn_mem *m, size_t n)
{
	void *p;

	n = (n + 15) & ~(size_t)15;
	if (!m->blocks || m->size - m->used < n) {
		size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
		struct txn_mem_block *b = xmalloc(sizeof(*b) + size);

		b->older = m->blocks;
		b->size = size;
		m->blocks = b;
		m->size = size;
		m->used = 0;
	}
	p = m->blocks->data + m->used;
	m->used += n;
	return p;
}

void txn_mem_reset(struct txn_mem *m)
{
	struct txn_mem_block *keep = NULL, *older;

	for (struct txn_mem_block *b = m->blocks; b; b = older) {
		older = b->older;
		if (!keep && b->size == BLOCK_BYTES) {
			keep = b;
			keep->older = NULL;
		} else {
			free(b);
		}
	}
	m->blocks = keep;
	m->size = keep ? keep->size : 0;
	m->used = 0;
}

void txn_mem_release(struct txn_mem *m)
{
	txn_mem_reset(m);
	free(m->blocks);
	*m = (struct txn_mem){ 0 };
}
