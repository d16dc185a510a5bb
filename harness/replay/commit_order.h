/* The rows of a log in commit order, whatever order they were read in: (commitTs, startTs), and
 * within a transaction deletes, then updates, then inserts, an update that changes its key being a
 * delete and an insert. Beyond the memory budget sorted runs go to files in tmp_dir, which vanish
 * with the process. Each row brings its conflict tokens: hashes of what it touches in each unique
 * key, before and after. Use from one thread. */
#ifndef HARNESS_REPLAY_COMMIT_ORDER_H
#define HARNESS_REPLAY_COMMIT_ORDER_H

#include "harness/replay/merge.h"

struct order_row {
	tso_t commit_ts, start_ts;
	/* of a table without a key, a delete's image is a whole one too */
	struct merge_change change;
	const uint64_t *tokens;
	uint32_t n_tokens;
	/* a unique text of which the collation alone knows what it equals: it conflicts with
	 * everything */
	bool wild;
};
struct order;
struct order *order_new(size_t memory_bytes, const char *tmp_dir);
void order_free(struct order *o);
int order_add(struct order *o, const struct redo_row *r, struct err *e);
/* Once, after the last row. */
int order_sort(struct order *o, struct err *e);
/* 1: a row, valid until the next call; 0: the end; -1 */
int order_next(struct order *o, struct order_row *out, struct err *e);
const struct shape *order_keyless(const struct order *o);   /* a table without a key, or NULL */
const struct shape *order_float_key(const struct order *o); /* as merge_float_key */
/* a table with a TIMESTAMP column, or NULL */
const struct shape *order_timestamp(const struct order *o);
/* Does a collation take no two printable ASCII characters for one but a letter and its other case?
 * false: not, or not known. */
bool order_folds_case_alone(const char *collation, size_t n);
uint64_t order_spilled_bytes(const struct order *o);

#endif
