/* Checks of what transactions read and wrote, from the histories that loads note (docs/LOADS.md):
 * order and isolation, as the literature names their anomalies (Adya: G0, G1a, G1b, G1c; lost
 * update), over lists whose elements tell their writers; and sums that no reader may see broken.
 * The lists as a cluster holds them are part of the evidence: elements that were acknowledged have
 * to be there. */
#ifndef HARNESS_VERIFY_ISOLATION_H
#define HARNESS_VERIFY_ISOLATION_H

#include "harness/verify/checks.h"

/* The lists or rows as they are found: calls fn for each. fn returns -1 to stop. */
typedef int history_list_fn(void *to, uint32_t table, int64_t key, const char *list, size_t n);
struct isolation_opts {
	const char *dir;  /* with worker-NNNN.history */
	const char *kind; /* "append", "bank" */
	/* transactions of this cluster are judged; those of earlier ones are taken for what they
	 * left */
	uint16_t cluster;
	/* commit positions at or below it must be in the lists; UINT64_MAX: all acknowledged
	 * ones */
	uint64_t limit;
	/* append: the lists of a table, NULL: they are not looked at */
	int (*lists)(void *arg, uint32_t table, history_list_fn *fn, void *to, struct err *e);
	void *arg;
};
struct isolation_result {
	enum verdict verdict;
	/* of the judged cluster, committed or perhaps committed */
	uint64_t transactions, reads, writes, keys;
	/* anomalies, by name */
	uint64_t g0, g1a, g1b, g1c, lost_updates, internal, order, foreign, sums;
	/* at most 100: kind, table, key, who, what; the caller's to decref */
	json_t *findings;
	char evidence[640];
};
int isolation_check(const struct isolation_opts *o, struct isolation_result *r, struct err *e);
/* The same over a server: tables append1.. of db. point as in struct verify_opts, through its map.
 */
int check_history(const struct verify_opts *o, const char *kind, struct isolation_result *r,
		  struct err *e);

#endif
