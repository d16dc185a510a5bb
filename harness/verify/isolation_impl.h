/* Inside verify/: a history in memory. */
#ifndef HARNESS_VERIFY_ISOLATION_IMPL_H
#define HARNESS_VERIFY_ISOLATION_IMPL_H

#include "harness/verify/isolation.h"

struct h_element { /* "worker.sequence.n" */
	uint32_t worker, n;
	uint64_t seq;
};
struct h_list {
	struct h_element *e;
	size_t n;
};
struct h_op {
	uint32_t txn; /* index */
	uint32_t table;
	int64_t key;
	bool is_read;
	size_t place;             /* within its transaction */
	struct h_element element; /* an append's */
	struct h_list list;       /* a read's */
	int64_t sum, must;        /* a total's */
};
struct h_txn {
	uint32_t worker;
	uint64_t seq, position;
	uint16_t cluster;
	uint8_t outcome;
};
struct h_edge {
	uint32_t from, to;
	bool read; /* to read what from wrote; else to wrote behind from */
};
struct h_run {
	const struct isolation_opts *o;
	struct isolation_result *r;
	struct h_txn *txn; /* by (worker, seq) */
	size_t n_txns, txns_room;
	struct h_op *op; /* by (table, key), then transaction, then place */
	size_t n_ops, ops_room;
	struct h_edge *edge;
	size_t n_edges, edges_room;
	unsigned damaged; /* files with a line that is no record at their end */
};
int h_load(struct h_run *h, struct err *e);
void h_release(struct h_run *h);
int h_list_parse(struct h_list *l, const char *text, size_t n); /* -1: no list of elements */
struct h_txn *h_find(const struct h_run *h, uint32_t worker, uint64_t seq);
void h_finding(struct h_run *h, const char *kind, const struct h_op *op, const char *what,
	       uint64_t *count);
void h_edge(struct h_run *h, uint32_t from, uint32_t to, bool read);
void h_cycles(struct h_run *h); /* G0 and G1c, from the edges */

#endif
