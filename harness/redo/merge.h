/* The newest state of each key: what a merge replay writes. Between two DDLs (an epoch) only the change with the highest (commitTs,
 * startTs) of a (table, handle key) matters; within one transaction a put wins over a delete of the same key. Changes may come in any
 * order. What does not fit the memory budget is partitioned to files in tmp_dir by hash of the key. Use from one thread. */
#ifndef HARNESS_REDO_MERGE_H
#define HARNESS_REDO_MERGE_H

#include "harness/base/err.h"
#include "harness/redo/record.h"

struct merge_column {
	char *name;
	uint8_t type;
	uint32_t flag;
	bool text; /* bytes are UTF-8 text, not binary */
};
/* A table as the rows of an epoch describe it. */
struct merge_shape {
	char *db, *table;
	struct merge_column *columns; /* absent and generated ones left out */
	uint32_t n_columns;
	uint32_t *key; /* positions in columns */
	uint32_t n_key;
};
struct merge_change {
	const struct merge_shape *shape;
	const unsigned char *key; /* memcmp order is the order of the values: integers and byte strings sort as they should */
	uint32_t key_n;
	const unsigned char *image; /* a put: all columns' values; a delete: the key columns' values only */
	uint32_t image_n;
	bool put;
};

struct merge;
struct merge *merge_new(size_t memory_bytes, const char *tmp_dir);
void merge_free(struct merge *m); /* removes its files */
/* ERR_UNSUPPORTED names a table without a handle key, or one that equality can't find (FLOAT, DOUBLE). */
int merge_add(struct merge *m, uint32_t epoch, const struct redo_row *row, struct err *e);
/* All deletes (or all puts) of an epoch, sorted by (table, key), in one or more calls. The array lives during the call. */
int merge_each(struct merge *m, uint32_t epoch, bool puts, int (*fn)(void *arg, const struct merge_change *c, size_t n, struct err *e), void *arg,
               struct err *e);
uint64_t merge_keys(const struct merge *m);      /* distinct keys in memory, plus those in files (which may repeat) */
uint64_t merge_spilled_bytes(const struct merge *m);

/* Walks the values of an image: call with *at = 0 first. */
void merge_image_next(const unsigned char *image, uint32_t *at, struct redo_value *v);

#endif
