/* The inside of the compare: one table on two sides, from a range that differs down to named rows. */
#ifndef HARNESS_COMPARE_COMPARE_ROWS_H
#define HARNESS_COMPARE_COMPARE_ROWS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "harness/sql/keyrange.h"
#include "harness/compare/compare.h"

#define COMPARE_VALUE_CHARS 200 /* of a value in a finding */

/* Shared by all threads of a compare. */
struct compare {
	const struct compare_opts *o;
	struct deadline deadline;
	pthread_mutex_t lock;
	struct err first;          /* under lock, as all below */
	json_t *findings;
	uint64_t rows, rows_different, structure_different, changing;
	FILE *fix_deletes, *fix_puts; /* deletes run first: no put may push out a row that a delete then takes */
	_Atomic bool failed;
	unsigned findings_max;
};
struct compare_side {
	struct sql *conn;
	struct strbuf query;
	/* to connect again when the connection is lost; ep NULL: it is the caller's, and is not */
	const struct sql_endpoint *ep;
	const char *snapshot;
};
struct range_sum {
	uint64_t rows, a, b;
};
struct row_range {
	const struct table_schema *a, *b;
	const struct key_bound *low, *high; /* NULL: open */
	uint64_t rows;                      /* on the larger side */
	const struct range_sum *seen;       /* both sides', as they differed; NULL: not known */
	struct compare_table *t;            /* counts; under compare.lock */
};
/* Both servers at once. side and out: two, a and b. */
int compare_sums(struct compare_side *side, const struct row_range *r, struct range_sum *out, struct err *e);
/* Names the rows of a range whose sums differ. Ranges of many rows are halved first. */
int compare_rows(struct compare *c, struct compare_side *side, const struct row_range *r, struct err *e);
/* Rows of a table without a key that ranges can use: a multiset, by their sums. */
int compare_bags(struct compare *c, struct compare_side *side, const struct row_range *r, struct err *e);

struct sql *compare_connect(const struct sql_endpoint *ep, const char *snapshot, bool values, struct deadline d, struct err *e);
bool compare_ignores(const struct compare_opts *o, const struct table_schema *t);
void compare_finding(struct compare *c, json_t *finding); /* takes it over; counts no row */
/* Appends a finding's columns and values, cut. */
json_t *compare_value(const struct column *col, const char *data, size_t n);

#endif
