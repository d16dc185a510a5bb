/* A load's description of its transactions for the checks, from which every row's exact expected
 * state can be computed. */
#ifndef HARNESS_VERIFY_AUDIT_MODEL_H
#define HARNESS_VERIFY_AUDIT_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

/* One row of a model table, for loads of sysbench's shape. */
struct audit_row {
	int64_t id, k;
	char c[121], pad[61];
};
enum audit_op_kind {
	AUDIT_ADD_K,  /* k = k + row.k where id */
	AUDIT_SET_C,  /* c = row.c where id */
	AUDIT_DELETE, /* where id */
	AUDIT_INSERT, /* the whole row */
};
struct audit_op {
	enum audit_op_kind kind;
	uint32_t table;     /* 1.. */
	uint32_t statement; /* within the transaction, from 1: the writer tag's */
	struct audit_row row;
};
#define AUDIT_OPS_MAX 64

/* Thread-safe functions of (seed in ctx, arguments) alone. */
struct audit_model {
	void *ctx;
	char db[65];
	char table_prefix[33]; /* "sbtest": tables sbtest1.. */
	uint32_t tables;
	int64_t rows_per_table; /* prepared ids 1..n */
	/* The prepared row (writer 0). */
	void (*initial)(const struct audit_model *m, uint32_t table, int64_t id,
			struct audit_row *out);
	/* What transaction (worker, seq) does, in order. Returns the number of ops. */
	size_t (*transaction)(const struct audit_model *m, uint32_t worker, uint64_t seq,
			      struct audit_op *ops);
	/* Who wrote these digits? Returns 1 and fills in the tag, 0 if it is no tag (corrupt: check
	 * digits fail). worker 0 = prepared. */
	int (*writer_of)(const struct audit_model *m, const char *digits, uint32_t *worker,
			 uint64_t *seq, uint32_t *statement);
	/* "drtest_ledger" in db, with (worker, seq) rows; "" when the load writes none */
	char ledger_table[65];
};

#endif
