/* Rows that wait for the sink, as SQL fragments in FIFO queues (one per worker) with a common
 * memory limit. Beyond the limit they go to an unlinked file, so that a transaction of any size
 * passes through. The caller locks. */
#ifndef HARNESS_FEED_QUEUE_H
#define HARNESS_FEED_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/base/tso.h"

/* followed by key, put and check. The struct has no hole: it is written to a file as it stands */
struct feed_item {
	tso_t commit_ts;
	/* what the row's AUTO_INCREMENT column has; 0: it has none, or nothing is put */
	uint64_t counter;
	/* literal_fraction() of its values, three bits for each of the table's `fractions` */
	uint64_t fractions;
	uint32_t table;     /* the sink's number for it */
	uint32_t key_bytes; /* literal or predicate of the handle key: names the row */
	uint32_t put_bytes; /* "(1,'x')"; 0: the row is deleted */
	/* a condition that the row fulfils once it is put, where the secondary computes a part
	 * of it; 0: none */
	uint32_t check_bytes;
	bool enum_zero; /* it puts an ENUM's empty value, of number 0 */
	/* of a table without a key: the key is a condition that its rows fulfil */
	bool keyless;
	/* what came of this table and commitTs before it was cut off, and comes again */
	bool again;
};
static inline size_t feed_item_bytes(const struct feed_item *it)
{
	return sizeof(*it) + it->key_bytes + it->put_bytes + it->check_bytes;
}

struct feed_spool {
	const char *dir;
	int fd;              /* -1: no file yet */
	uint64_t end_bytes;  /* of the file; starts again at 0 when nothing lies there */
	uint64_t chunks;     /* that lie in the file */
	uint64_t file_bytes; /* theirs, in whole blocks */
	size_t memory_bytes, memory_bytes_max;
};
struct feed_chunk;
struct feed_queue {
	struct feed_chunk *head, *tail;
	struct strbuf held; /* items that a batch had to leave behind, before those of head */
	size_t held_off;
};

void feed_spool_init(struct feed_spool *s, const char *dir, size_t memory_bytes_max);
void feed_spool_release(struct feed_spool *s);
/* text: what follows the item, feed_item_bytes() tells how much. */
int feed_queue_push(struct feed_queue *q, struct feed_spool *s, const struct feed_item *it,
		    const char *text, struct err *e);
tso_t feed_queue_next_ts(const struct feed_queue *q); /* commitTs of the first item; 0: empty */
/* Moves items of commitTs <= limit into out (emptied first; each a feed_item with its bytes), at
 * most items_max, and no further one once out holds bytes_max. What is taken ends between two
 * commitTs, so that the newest state of each of its keys agrees with all the others': no unique
 * value stands twice in it. Only a commitTs that does not fit by itself is cut, and its pieces hold
 * nothing else. Returns how many, or -1. */
int feed_queue_take(struct feed_queue *q, struct feed_spool *s, tso_t limit, unsigned items_max,
		    size_t bytes_max, struct strbuf *out, struct err *e);
void feed_queue_release(struct feed_queue *q, struct feed_spool *s);

#endif
