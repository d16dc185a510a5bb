/* The rows of a log in commit order, whatever order they were read in: (commitTs, startTs), and
 * within a transaction deletes, then updates, then inserts, an update that changes its key being a
 * delete and an insert. Beyond the memory budget sorted runs go to files in tmp_dir, which vanish
 * with the process. Each row brings its conflict tokens: hashes of what it touches in each unique
 * key, before and after. Use from one thread. */
#ifndef HARNESS_REPLAY_COMMIT_ORDER_H
#define HARNESS_REPLAY_COMMIT_ORDER_H

#include "harness/replay/merge.h"

struct commit_order_row {
	tso_t commit_ts, start_ts;
	/* of a table without a key, a delete's image is a whole one too */
	struct merge_change change;
	const uint64_t *tokens;
	uint32_t n_tokens;
	/* a unique text of which the collation alone knows what it equals: it conflicts with
	 * everything */
	bool wild;
};
struct commit_order;
struct commit_order *commit_order_new(size_t memory_bytes, const char *tmp_dir);
void commit_order_free(struct commit_order *o);
int commit_order_add(struct commit_order *o, const struct redo_row *r, struct err *e);
/* Once, after the last row. */
int commit_order_sort(struct commit_order *o, struct err *e);
/* 1: a row, valid until the next call; 0: the end; -1 */
int commit_order_next(struct commit_order *o, struct commit_order_row *out, struct err *e);
const struct row_layout *commit_order_float_key(
	const struct commit_order *o); /* as merge_float_key */
/* a table with a TIMESTAMP column, or NULL */
const struct row_layout *commit_order_timestamp(const struct commit_order *o);
/* Does a collation take no two printable ASCII characters for one but a letter and its other case?
 * false: not, or not known. */
bool commit_order_folds_case_alone(const char *collation, size_t n);
uint64_t commit_order_spilled_bytes(const struct commit_order *o);

#endif
