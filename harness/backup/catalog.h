/* What a server holds, by name: the user's databases, tables, views and sequences, and the objects
 * that a backup leaves out. The structure of tables is read later, under a metadata lock
 * (snapshot.h). */
#ifndef HARNESS_BACKUP_CATALOG_H
#define HARNESS_BACKUP_CATALOG_H

#include "harness/backup/manifest.h"
#include "harness/sql/schema.h"

/* DDLs that the server has begun since it started, in the kinds that catalog_moved() tells apart.
 */
struct ddl_count {
	uint64_t create, drop, create_view, rename, alter_db;
};
struct catalog {
	struct manifest_object *dbs, *views, *sequences; /* with definitions */
	size_t n_dbs, n_views, n_sequences;
	struct table_name *tables; /* system databases and drtest's own are not in it */
	size_t n_tables;
	struct strbuf ignored; /* tables, views and sequences left out by a pattern, with commas */
	bool *ignore_used;     /* beside each pattern */
	struct ddl_count ddl;  /* taken before the first list was read */
};
/* ignore: patterns of db.table, of tables, views and sequences that are left out, ending in NULL;
 * NULL: none. ERR_CONFLICT: something went away while it was read; read again. */
int catalog_read(struct sql *s, const char *const *ignore, struct catalog *c, struct err *e);
void catalog_release(struct catalog *c);
/* Has a DDL come between two readings so that neither needs to be what was there in between? The
 * reason for people, or NULL: none has. Tables that both list must have been kept by a metadata
 * lock meanwhile. */
const char *catalog_moved(const struct catalog *before, const struct catalog *after);
/* What the backup will not carry, and what its snapshot does not cover, by name, in one line; ""
 * when there is nothing. */
void catalog_left_out(struct sql *s, const struct catalog *c, struct strbuf *out);

#endif
