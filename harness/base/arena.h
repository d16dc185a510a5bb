/* Memory in small pieces that are freed at once: of one transaction, of one epoch. {0} is an empty
 * arena. Not for several threads. */
#ifndef HARNESS_BASE_ARENA_H
#define HARNESS_BASE_ARENA_H

#include <stddef.h>

struct arena {
	struct arena_block *blocks; /* newest first */
	size_t used, size;          /* of the newest block */
	size_t bytes;               /* of all blocks */
	size_t block_bytes;         /* of a new block; 0: 64 KiB */
};

/* aligned to 16 bytes, not zeroed, valid until reset or release */
void *arena_alloc(struct arena *a, size_t n);
void arena_reset(struct arena *a); /* keeps one block */
void arena_release(struct arena *a);

#endif
