/* Inside compare/: one table on two sides, from a range that differs down to single rows.
 */
#ifndef HARNESS_COMPARE_COMPARE_ROWS_H
#define HARNESS_COMPARE_COMPARE_ROWS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "harness/compare/compare.h"
#include "harness/sql/keyrange.h"

#define COMPARE_NOTES_MAX 1000 /* notes, and names of what is not compared */

/* Shared by all threads of a compare. */
struct compare {
	const struct compare_opts *o;
	pthread_mutex_t lock;
	struct err first; /* under lock, as all below */
	json_t *findings, *notes, *not_compared;
	uint64_t rows, rows_different, structure_different;
	/* tables: written to meanwhile, with rows that the server gives no sum for */
	uint64_t changing, unread;
	uint64_t unopened; /* tables that a server cannot open */
	uint64_t not_compared_total;
	uint64_t counters_behind; /* tables whose AUTO_INCREMENT is behind on b */
	/* deletes run first: no put may push out a row that a delete then takes */
	FILE *fix_deletes, *fix_puts;
	bool kinds_differ; /* of the servers: structure is compared in part */
	/* AUTO_INCREMENT as SHOW CREATE TABLE has it: TiDB's tells where a cache ends */
	bool counters_are_exact;
	unsigned findings_max, findings_per_table;
	_Atomic bool failed;
};
struct compare_side {
	struct sql *conn;
	struct strbuf query;
	/* where a lost connection is made again; NULL: it is the caller's, and is not */
	const struct sql_endpoint *ep;
	const char *snapshot;
};
struct row_range {
	const struct table_schema *a, *b;
	const struct key_bound *low, *high; /* NULL: open */
	uint64_t rows;                      /* on the larger side */
	const struct rows_sum *seen;        /* both sides', as they differed; NULL: not known */
	struct compare_table *t;            /* counts; under compare.lock */
};
/* Both servers at once. side and out: two, a and b. */
int compare_sums(struct compare_side *side, const struct row_range *r, struct rows_sum *out,
		 struct err *e);
bool compare_sums_equal(const struct rows_sum *sum); /* two: the same rows, and all of them read */
/* Names the rows of a range whose sums differ. Ranges of many rows are halved first. */
int compare_rows(struct compare *c, struct compare_side *side, const struct row_range *r,
		 struct err *e);
/* Rows of a table without a key that ranges can use: a multiset, by their sums. */
int compare_bags(struct compare *c, struct compare_side *side, const struct row_range *r,
		 struct err *e);

struct sql *compare_connect(const struct sql_endpoint *ep, const char *snapshot, bool values,
			    struct deadline d, struct err *e);
/* A finding of the whole compare (t NULL), or of a table, which may have so many. Takes it over;
 * counts no row. */
void compare_finding(struct compare *c, struct compare_table *t, json_t *finding);
/* would a finding of this table be kept? */
bool compare_wants_names(struct compare *c, const struct compare_table *t);
/* Its sums were not the same twice: whatever differs in it may be a write on its way. */
void compare_changing(struct compare *c, const struct row_range *r);
/* The server gives no sum for rows of it. Asks which, for the finding. */
int compare_unread(struct compare *c, struct compare_side *side, const struct row_range *r,
		   const struct rows_sum *sum, struct err *e);

/* Between compare_rows.c and compare_bags.c. One statement on both servers, sent before either
 * answers. */
int compare_ask(struct compare_side *side, MYSQL_RES *res[2], struct err *e);
/* 1: a row, 0: the end */
int compare_next(struct compare_side *s, MYSQL_RES *res, MYSQL_ROW *row, unsigned long **len,
		 struct err *e);
void compare_free(MYSQL_RES *res[2]);
enum row_state { ROW_MISSING, ROW_SAME, ROW_DIFFERENT, ROW_EXTRA };
/* The finding of a row: its values on the sides that have it (NULL: absent). key is taken over. */
void compare_name_row(struct compare *c, const struct row_range *r, json_t *key,
		      enum row_state state, MYSQL_ROW row[2], unsigned long *len[2]);
/* Both connections again, where one was lost. 0: try once more. */
int compare_connect_again(struct compare_side *side, struct err *e);
#define COMPARE_RECONNECTS 5

#endif
