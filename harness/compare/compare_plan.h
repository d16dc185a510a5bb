/* Inside compare/: the tables on both sides, and the row ranges that threads process. */
#ifndef HARNESS_COMPARE_COMPARE_PLAN_H
#define HARNESS_COMPARE_COMPARE_PLAN_H

#include "harness/compare/compare_resume.h"
#include "harness/compare/compare_rows.h"

#define COMPARE_THREADS_MAX 64u

struct pair { /* a table that both sides have */
	struct table_schema a, b;
	struct key_ranges ranges;
	bool keyed;
	uint64_t chunk_rows; /* how it is to be cut, and on which side */
	int cut_side;
	/* done: under compare.lock. Rows were all read when they are the same */
	size_t jobs, done;
	bool whole_counted; /* under compare.lock: and the rows of each side without ranges */
	uint64_t whole[2];
	struct rows_sum seen;             /* under compare.lock: compare_with_sums */
	const struct table_sum *expected; /* compare_with_sums: the other side */
	struct compare_table count;
};
#define JOB_CUT SIZE_MAX
#define JOB_WHOLE (SIZE_MAX - 1)
struct job {
	/* JOB_CUT: its rows' ranges are to become jobs; JOB_WHOLE: its rows are to be counted */
	size_t pair, range;
};
struct plan {
	struct compare c;
	struct pair *pairs;
	size_t n_pairs, alloc_pairs; /* all the room there will be: workers hold pointers */
	/* under c.lock: sums begin while further tables are still being planned */
	struct job *jobs;
	size_t n_jobs, alloc_jobs, next;
	size_t cutting; /* JOB_CUTs that are not done */
	bool planned;
	pthread_cond_t more;
	struct compare_resume *resume; /* NULL: none */
	uint64_t resumed;
};
struct worker {
	struct plan *p;
	struct compare_side side[2];
};
void plan_init(struct plan *p, const struct compare_opts *o);
void plan_release(struct plan *p);
void plan_room(struct plan *p, size_t pairs);
struct pair *plan_pair(struct plan *p, const char *db, const char *table);
/* A table that is on one side alone: a finding, unless that is asked to be none. kind: "table",
 * "view", "sequence". */
void plan_one_side(struct plan *p, const char *kind, const char *db, const char *table, bool a,
		   const char *has, const char *lacks);
/* Its rows are to be read, in ranges of so many that a thread cuts on that side: plan_cut(). */
void plan_rows(struct plan *p, struct pair *pair, int side, uint64_t chunk_rows);
int plan_cut(struct plan *p, struct pair *pair, struct sql *s, struct err *e);
int plan_tables(struct plan *p, struct sql *sa, struct sql *sb, const char *an, const char *bn,
		struct compare_result *r, struct err *e);

/* The threads. plan_take waits while tables are planned; false: there is no more, or it failed. */
bool plan_take(struct plan *p, struct job *out);
/* A server cannot open the table, and said why: nothing of it counts as compared, and the others
 * go on. */
void plan_unopened(struct plan *p, struct pair *pair, const char *why);
void plan_job_unopened(struct plan *p, const struct job *j, const char *why);
void plan_fail(struct plan *p, const struct err *e);
/* all but the caller's own, worker 0 */
unsigned plan_start(pthread_t *thread, void *(*fn)(void *), struct worker *w, unsigned n);
int plan_join(struct plan *p, pthread_t *thread, unsigned started, void *(*fn)(void *),
	      struct worker *w, struct err *e);
void plan_conclude(struct plan *p, struct compare_result *r, const char *an, const char *bn,
		   int64_t start_ns);

#endif
