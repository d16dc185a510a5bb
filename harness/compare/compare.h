/* Compares the tables of two clusters, in chunks by COUNT and two 32-bit sums of CRC32s over
 * differently ordered, length-marked values with NULL flags, 64 bits together, halving down to
 * rows. Both servers work at once. Databases and the definitions of views are compared too; what is
 * not (triggers, routines, events, the values of sequences) is told by name. "pass" means that
 * every table's rows were read on both sides and nothing differs. */
#ifndef HARNESS_COMPARE_COMPARE_H
#define HARNESS_COMPARE_COMPARE_H

#include <jansson.h>

#include "harness/base/verdict.h"
#include "harness/compare/routes.h"
#include "harness/compare/table_filter.h"
#include "harness/sql/checksum.h"
#include "harness/sql/schema.h"
#include "harness/sql/sql.h"

/* what is compared of some tables; each belongs to one at most */
struct compare_table_config {
	struct table_filter *tables;
	char *condition; /* SQL that rows must meet; NULL: none */
	char **ignore;   /* columns that are not compared */
	size_t n_ignore;
};
struct compare_opts {
	struct sql_endpoint a, b;
	const char *a_name, *b_name;         /* "primary", "secondary": for findings */
	const char *a_snapshot, *b_snapshot; /* TiDB: tidb_snapshot; NULL: none */
	/* Connections of the caller's instead of a (b), as many as threads: they may stand in a
	 * snapshot, or see what others don't. Their session's character_set_results becomes NULL.
	 * NULL: opened here. */
	struct sql *const *a_conns, *const *b_conns;
	unsigned threads;    /* per side; 0: 4 */
	uint64_t chunk_rows; /* 0: 10,000 */
	/* rows named in full; 0: 100. Each table that differs has one at least */
	unsigned findings_max;
	unsigned findings_per_table; /* 0: 20 */
	const char *fix_sql_path;    /* SQL that makes b equal to a; NULL: none */
	/* only tables whose "db.table" matches this shell pattern; NULL: all */
	const char *tables;
	/* besides; NULL: all. A rule, or a pattern above, that matches nothing is ERR_USAGE */
	struct table_filter *filter;
	const char *const *ignore; /* NULL-terminated shell patterns: "db.table" leaves a table out,
				    * "db.table.column" a column; NULL: none. As with tables: one
				    * that matches nothing is ERR_USAGE */
	const struct routes *routes; /* names of a's tables as b has them; NULL: the same */
	const struct compare_table_config *configs;
	size_t n_configs;
	bool struct_only; /* no rows */
	/* no structure: tables, views and databases that differ in it are no finding */
	bool data_only;
	bool skip_missing; /* a table on one side only is told, and is no finding */
	/* ranges found equal are kept there; a compare that was interrupted goes on from them;
	 * NULL: none */
	const char *resume_path;
};
struct compare_table {
	char *name; /* "db.table", as b has it */
	bool structure_equal, only_a, only_b, changing;
	bool unread;   /* the server gave no sum for rows of it */
	bool unopened; /* a server cannot open it */
	/* other columns: rows were counted, and not compared */
	bool unlike;
	bool columns_left_out; /* some are not compared, as asked */
	/* neither a primary key nor a unique key without NULLs */
	bool keyless;
	unsigned named; /* findings of it */
	/* put: rows that b lacks or has otherwise; del: rows that only b has */
	uint64_t rows_a, rows_b, put, del;
};
struct compare_result {
	/* unknown: nothing differs, but not all could be compared, or there was nothing */
	enum verdict verdict;
	/* tables: ranges whose sums were not the same twice */
	uint64_t changing;
	uint64_t unread;             /* tables with rows that a server gave no sum for */
	uint64_t unopened;           /* tables that a server has and cannot open */
	uint64_t resumed;            /* ranges that an earlier compare had found equal */
	struct compare_table *table; /* compare_run: one each, in order of their names */
	size_t n_tables;
	uint64_t tables, views, rows, rows_different; /* rows: of a */
	json_t *findings;                             /* the caller's to decref, as the next two */
	/* no differences: AUTO_INCREMENT that is behind on b */
	json_t *notes;
	json_t *not_compared; /* {kind, name, why} */
	char evidence[1024];
	int64_t elapsed_us;
};
/* also structure: columns, keys, collations */
int compare_run(const struct compare_opts *o, struct compare_result *r, struct err *e);
/* A cluster against the sums that a backup took in its own snapshot. */
int compare_with_sums(const struct sql_endpoint *b, const struct table_sums *sums, unsigned threads,
		      struct compare_result *r, struct err *e);
void compare_result_release(struct compare_result *r);

#endif
