#include "harness/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "harness/base/xalloc.h"

enum { BLOCK_BYTES = 64 * 1024 };

struct arena_block {
	struct arena_block *older;
	size_t size;
	alignas(16) unsigned char data[];
};

static size_t block_bytes(const struct arena *a)
{
	return a->block_bytes ? a->block_bytes : BLOCK_BYTES;
}

void *arena_alloc(struct arena *a, size_t n)
{
	void *p;

	n = (n + 15) & ~(size_t)15;
	if (!a->blocks || a->size - a->used < n) {
		size_t size = n > block_bytes(a) ? n : block_bytes(a);
		struct arena_block *b = xmalloc(sizeof(*b) + size);

		b->older = a->blocks;
		b->size = size;
		a->blocks = b;
		a->size = size;
		a->bytes += size;
		a->used = 0;
	}
	p = a->blocks->data + a->used;
	a->used += n;
	return p;
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = NULL, *older;

	for (struct arena_block *b = a->blocks; b; b = older) {
		older = b->older;
		if (!keep && b->size == block_bytes(a)) {
			keep = b;
			keep->older = NULL;
		} else {
			free(b);
		}
	}
	a->blocks = keep;
	a->bytes = a->size = keep ? keep->size : 0;
	a->used = 0;
}

void arena_release(struct arena *a)
{
	arena_reset(a);
	free(a->blocks);
	*a = (struct arena){ .block_bytes = a->block_bytes };
}
