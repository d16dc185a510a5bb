/* backup.json: what a backup holds. Written last; its own bytes are checksummed: {"xxh3":"<16
 * hex>","manifest":{...}} where the sum is XXH3-64 of the inner object's bytes. */
#ifndef HARNESS_BACKUP_MANIFEST_H
#define HARNESS_BACKUP_MANIFEST_H

#include "harness/backup/format.h"
#include "harness/base/tso.h"
#include "harness/net/store.h"

struct manifest_chunk {
	char *key;
	uint64_t size_bytes, raw_bytes, rows, warnings; /* warnings: how many a load of it makes */
	uint64_t xxh3;                                  /* of the compressed bytes */
};
struct manifest_table {
	char *db, *name, *create_sql;
	struct carried_column *columns;
	size_t n_columns;
	struct manifest_chunk *chunks; /* in key order */
	size_t n_chunks;
	uint64_t rows, raw_bytes, sum;
};
struct manifest_object { /* a database (name ""), a view, or a sequence */
	char *db, *name, *create_sql;
	char *next;      /* a sequence's next value; NULL elsewhere */
	char *collation; /* a view's collation_connection, which its texts have; NULL: not known */
};
struct manifest {
	char *source_version;
	tso_t backup_ts;
	uint64_t backup_seq;
	unsigned sum_form; /* of the tables' sums: CHECKSUM_FORM; manifest_write() sets it */
	struct manifest_object *dbs, *views, *sequences;
	size_t n_dbs, n_views, n_sequences;
	struct manifest_table *tables;
	size_t n_tables;
};
/* Before any row is read: can manifest_write() write it? */
int manifest_check_texts(const struct manifest *m, struct err *e);
int manifest_write(struct store *to, const struct manifest *m, struct err *e);
/* Takes nothing on trust: what it accepts has sound keys, no system database, and rows that add up.
 * ERR_BAD_DATA; *m is then empty. */
int manifest_parse(const char *text, size_t n, struct manifest *m, struct err *e);
/* ERR_NOT_FOUND: no backup here */
int manifest_read(struct store *from, struct manifest *m, struct err *e);
void manifest_release(struct manifest *m);
void manifest_objects_free(struct manifest_object *o, size_t n);

#endif
