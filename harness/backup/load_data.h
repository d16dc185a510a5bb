/* One table's chunks into a server: as LOAD DATA LOCAL straight from the decompressor, or as
 * multi-row INSERTs where that is refused. */
#ifndef HARNESS_BACKUP_LOAD_DATA_H
#define HARNESS_BACKUP_LOAD_DATA_H

#include "harness/backup/manifest.h"
#include "harness/backup/work.h"

struct table_load {
	struct strbuf add_keys; /* "ADD KEY ..,ADD KEY .." for after the load; "" none */
	unsigned streams, streams_left;
	bool unsure; /* under work.lock: the server's counts were no proof */
};
struct load_job {
	struct work *work;
	struct store *from;
	const struct manifest_table *table;
	size_t first, end; /* chunks */
	/* one statement for all: the table is empty and nobody else writes to it */
	bool bulk;
	bool local_infile;
	/* set by load_run(): the server took all rows, with other warnings than the source's
	 * would have: sum them */
	bool unsure;
};
/* Each row arrives once and whole, or it is an error: skipped, cut and changed values are counted
 * and held against the manifest. */
int load_run(struct sql *s, struct load_job *j, struct err *e);
/* Takes plain secondary keys out of a CREATE TABLE: built after the load they are sorted once
 * instead of searched row by row. */
void load_split_keys(const char *create_sql, struct strbuf *create, struct strbuf *add_keys);
/* TiDB (v8.5) panics over LOAD DATA into an AUTO_RANDOM column. */
bool load_needs_inserts(struct sql *s, const struct manifest_table *t);
int load_sum(struct sql *s, const struct table_schema *t, struct table_sum *sum, struct err *e);
int load_add_keys(struct sql *s, const struct manifest_table *t, const struct table_load *l,
		  struct err *e);

#endif
