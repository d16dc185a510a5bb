/* A table's structure derived only from its table map in the binary log, for a table that the
 * primary has changed since. With binlog_row_metadata = FULL, a table map has names, types,
 * collations and the primary key, but not other unique keys or generated columns. */
#ifndef HARNESS_BINLOG_MAP_SCHEMA_H
#define HARNESS_BINLOG_MAP_SCHEMA_H

#include "harness/binlog/table_map.h"
#include "harness/sql/charset.h"
#include "harness/sql/schema.h"

/* Does it tell enough: the columns' names, and a primary key that finds a row? */
bool map_schema_tells(const struct table_map *m);
/* now: the structure that the primary has by now, or NULL; a column that it has alike is taken from
 * there, with what the map does not tell. Each column but the primary key's is taken for a unique
 * key of its own: whatever the keys were, rows that one of them orders are then taken to be in
 * order. sets: of the primary. */
int map_schema(const struct table_map *m, const struct table_schema *now, struct charsets *sets,
	       struct table_schema *out, struct err *e);

#endif
