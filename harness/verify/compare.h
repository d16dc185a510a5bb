/* Compares the tables of two clusters, in chunks by COUNT and two 32-bit sums of CRC32s over differently ordered, length-marked
 * values with NULL flags, 64 bits together, halving down to rows. Both servers work at once. */
#ifndef HARNESS_VERIFY_COMPARE_H
#define HARNESS_VERIFY_COMPARE_H

#include <jansson.h>

#include "harness/sql/checksum.h"
#include "harness/sql/schema.h"
#include "harness/sql/sql.h"
#include "harness/verify/checks.h"

struct compare_opts {
	struct sql_endpoint a, b;
	const char *a_name, *b_name;      /* "primary", "secondary": for findings */
	const char *a_snapshot, *b_snapshot; /* TiDB: tidb_snapshot; NULL: none */
	/* Connections of the caller's instead of a (b), as many as threads: they may stand in a snapshot, or see what others don't. Their
	 * session's character_set_results becomes NULL. NULL: opened here. */
	struct sql *const *a_conns, *const *b_conns;
	unsigned threads;                 /* per side; 0: 4 */
	uint64_t chunk_rows;              /* 0: 50,000 */
	const char *const *skip_dbs;      /* NULL-terminated list of databases of ours to leave out; NULL: {"drtest_feed"} */
	unsigned findings_max;            /* rows named in full; 0: 100 */
	const char *fix_sql_path;         /* SQL that makes b equal to a; NULL: none */
	const char *tables;               /* only tables whose "db.table" matches this shell pattern; NULL: all */
};
struct compare_result {
	enum verdict verdict;
	uint64_t tables, rows, rows_different; /* rows: of a */
	json_t *findings;                      /* at most findings_max; the caller's to decref */
	char evidence[512];
	int64_t elapsed_us;
};
int compare_run(const struct compare_opts *o, struct compare_result *r, struct err *e); /* also structure: columns, keys, collations */
/* A cluster against the sums that a backup took in its own snapshot. */
int compare_with_sums(const struct sql_endpoint *b, const struct table_sums *sums, unsigned threads, struct compare_result *r, struct err *e);
void compare_result_release(struct compare_result *r);

#endif
