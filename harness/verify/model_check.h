/* Inside the model check: expected states (model_check.c), the position of transactions whose
 * position is unknown (model_place.c), the classification of differences and torn transactions
 * (model_diagnose.c). */
#ifndef HARNESS_VERIFY_MODEL_CHECK_H
#define HARNESS_VERIFY_MODEL_CHECK_H

#include "harness/verify/model_rows.h"

struct row_tag {
	bool known;
	uint32_t worker, statement;
	uint64_t seq;
};
/* A row that is looked at closely: it is wrong, or a transaction of unknown place touches it. */
struct look_row {
	struct row_key key;
	struct row_state found, expected;
	struct row_tag c, pad; /* found */
	bool wrong, undecided;
	size_t first_op, n_ops; /* in judge's ops, after look_gather() */
};
struct look_op {
	uint32_t look, step; /* indexes: row; transaction in the sequence that was gathered */
	struct row_op op;
	uint8_t status; /* diagnose.c */
};
struct step { /* a transaction in its place */
	uint32_t txn;
	bool included; /* its effects must be there */
};
/* A transaction whose commit position is not known: it stands before known transaction number
 * `slot` of the order. */
struct floater {
	uint32_t txn;
	bool optional, in; /* optional: nothing tells whether it committed */
	size_t low, high, slot;
	size_t rank; /* among those with the same slot */
	struct audit_op *op;
	size_t n_ops;
	size_t parent; /* union-find, over shared rows */
};
struct model_check {
	const struct prefix *p;
	const struct audit_model *m;
	struct verify_result *r;
	/* transactions that must be there and whose position is known, in commit order */
	uint32_t *order;
	size_t n_order;
	struct floater *floater;
	size_t n_floaters;
	struct row_map map;
	struct look_row *look;
	size_t n_look, look_room;
	struct look_op *op; /* by row, then by step */
	size_t n_ops;
	struct step *step; /* diagnose.c: everything that was committed, in order */
	size_t n_steps;
};
/* Collects the operations on rows that are looked at (only_wrong: on wrong ones) from a sequence of
 * transactions. */
void look_gather(struct model_check *j, const struct step *step, size_t n, bool only_wrong);
void model_place(struct model_check *j);
void model_diagnose(struct model_check *j);

#endif
