/* The newest state of each key: what a merge replay writes. Between two DDLs (an epoch) only the
 * change with the highest (commitTs, startTs) of a (table, handle key) matters; within one
 * transaction a put wins over a delete of the same key. Changes may come in any order. What does
 * not fit the memory budget is partitioned by hash of the key to files in tmp_dir, which vanish
 * with the process. Use from one thread (it has one of its own, which fills the map while the
 * caller decodes). Beside it the chain: each change's old image must be the
 * key's previous new image. Σ hash(new) − Σ hash(old) of a key telescopes to hash(last new) −
 * hash(first old) whatever the order of reading; a key where it does not is a suspect: a record is
 * missing, was altered, or stands in the log twice (which TiCDC does after a restart: chain.h tells
 * these apart). */
#ifndef HARNESS_REPLAY_MERGE_H
#define HARNESS_REPLAY_MERGE_H

#include "harness/base/err.h"
#include "harness/replay/row_layout.h"

struct merge_change {
	const struct row_layout *shape;
	const unsigned char *key;
	uint32_t key_n;
	/* a put: all columns' values; a delete: the key columns' values only */
	const unsigned char *image;
	uint32_t image_n;
	bool put;
};
/* One step of a key: what the row was and what it became; 0: not there. */
struct merge_link {
	uint64_t key_hash; /* of epoch, table and key */
	tso_t commit_ts, start_ts;
	uint64_t was, became;
	uint8_t rank; /* within one transaction: 0 delete, 1 update, 2 insert */
};

struct merge;
struct merge *merge_new(size_t memory_bytes, const char *tmp_dir);
void merge_free(struct merge *m); /* removes its files */
/* ERR_UNSUPPORTED names a table without a handle key. */
int merge_add(struct merge *m, uint32_t epoch, const struct redo_row *row, struct err *e);
/* All deletes (or all puts) of an epoch, sorted by (table, key), in one or more calls. The array
 * lives during the call. */
typedef int merge_fn(void *arg, const struct merge_change *c, size_t n, struct err *e);
int merge_each(struct merge *m, uint32_t epoch, bool puts, merge_fn *fn, void *arg, struct err *e);
/* distinct keys in memory, plus those in files (which may repeat) */
uint64_t merge_keys(struct merge *m);
uint64_t merge_spilled_bytes(struct merge *m);
/* A table whose key holds a FLOAT or DOUBLE, or NULL: its rows are found by an exact literal, which
 * not every server does. */
const struct row_layout *merge_float_key(const struct merge *m);
/* a table with a TIMESTAMP column, or NULL */
const struct row_layout *merge_timestamp(const struct merge *m);

/* The keys whose sums do not telescope. links: how many steps the key has. fn returns -1 to stop.
 */
typedef int merge_suspect_fn(void *arg, const struct merge_change *c, uint64_t key_hash,
			     uint32_t links, struct err *e);
int merge_suspects(struct merge *m, merge_suspect_fn *fn, void *arg, struct err *e);
/* The steps of a row (1 or 2) without adding it; -1 on error. *partial: an image lacks columns, so
 * it proves nothing. */
int merge_links(struct merge *m, uint32_t epoch, const struct redo_row *row,
		struct merge_link out[2], bool *partial, struct err *e);

#endif
