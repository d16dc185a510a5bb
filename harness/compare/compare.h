/* Compares the tables of two clusters, in chunks by COUNT and two 32-bit sums of CRC32s over differently ordered, length-marked
 * values with NULL flags, 64 bits together, halving down to rows. Both servers work at once. */
#ifndef HARNESS_COMPARE_COMPARE_H
#define HARNESS_COMPARE_COMPARE_H

#include <jansson.h>

#include "harness/base/verdict.h"
#include "harness/sql/checksum.h"
#include "harness/sql/schema.h"
#include "harness/sql/sql.h"

struct compare_opts {
	struct sql_endpoint a, b;
	const char *a_name, *b_name;      /* "primary", "secondary": for findings */
	const char *a_snapshot, *b_snapshot; /* TiDB: tidb_snapshot; NULL: none */
	/* Connections of the caller's instead of a (b), as many as threads: they may stand in a snapshot, or see what others don't. Their
	 * session's character_set_results becomes NULL. NULL: opened here. */
	struct sql *const *a_conns, *const *b_conns;
	unsigned threads;                 /* per side; 0: 4 */
	uint64_t chunk_rows;              /* 0: 10,000 */
	unsigned findings_max;            /* rows named in full; 0: 100 */
	const char *fix_sql_path;         /* SQL that makes b equal to a; NULL: none */
	const char *tables;               /* only tables whose "db.table" matches this shell pattern; NULL: all */
	const char *const *table_list;    /* NULL-terminated patterns besides: any of them, and none of those that begin with '!'; NULL: all */
	const char *const *ignore;        /* NULL-terminated patterns "db.table.column": such columns are not compared; NULL: none */
	bool struct_only;                 /* no rows */
	const char *resume_path;          /* ranges found equal are kept there while it goes on; one of the same compare is gone on with; NULL: none */
};
struct compare_table {
	char *name;                            /* "db.table" */
	bool structure_equal, only_a, only_b, changing;
	uint64_t rows_a, rows_b, put, del;     /* put: rows that b lacks or has otherwise; del: rows that only b has */
};
struct compare_result {
	enum verdict verdict;                  /* unknown: nothing differs, but tables change while they are compared */
	uint64_t changing;                     /* such tables: ranges whose sums were not the same twice */
	uint64_t resumed;                      /* ranges that an earlier compare had found equal */
	struct compare_table *table;           /* compare_run: one each, in order of their names */
	size_t n_tables;
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
