/* One table's row images: bytes of a binary log to the values of a redo record. A plan holds a
 * table map against a schema once; then each image is cut out of the event into a form of ours
 * (virtual columns dropped), and decoded when its net change is known.
 */
#ifndef HARNESS_BINLOG_ROW_IMAGE_H
#define HARNESS_BINLOG_ROW_IMAGE_H

#include "harness/base/strbuf.h"
#include "harness/binlog/table_map.h"
#include "harness/base/arena.h"
#include "harness/redo/record.h"
#include "harness/sql/charset.h"
#include "harness/sql/schema.h"

struct row_plan;
/* Copies what it needs of the schema and takes over the map's memory (also when it fails); charsets
 * are the caller's, and outlive the plan. Fails, naming db.table.column, where a type can't be
 * carried or the two disagree, and where the table has no key that finds a row. */
/* keyless: one without such a key will do; its rows' key is then the whole image. */
struct row_plan *row_plan_new(struct table_map *m, const struct table_schema *s,
			      struct charsets *charsets, bool keyless, struct err *e);
void row_plan_free(struct row_plan *p); /* NULL is fine */

const struct table_map *row_plan_map(const struct row_plan *p);
uint32_t row_plan_columns(const struct row_plan *p); /* that a decoded row has */
const struct redo_table *row_plan_table(const struct row_plan *p);
const struct redo_index *row_plan_indexes(const struct row_plan *p, uint32_t *n);
bool schema_lasting(const struct table_schema *s); /* its engine has no transactions */
/* do values of this column stand in the binary log as m says? */
bool row_type_fits(const struct column *c, const struct table_map_column *m);
/* a table without transactions: a ROLLBACK does not take its rows back */
bool row_plan_lasting(const struct row_plan *p);

bool row_plan_keyless(const struct row_plan *p);
/* No further row of it is told. */
void row_plan_give_up(struct row_plan *p);
bool row_plan_given_up(const struct row_plan *p);

/* Cuts the image at *p out of an event: the wanted bytes replace those in image, the handle key's
 * in key, and *p moves behind it. present: the event's bitmap over the map's columns; all but
 * virtual columns must be there. */
int row_plan_take(struct row_plan *p, const uint8_t **at, const uint8_t *end,
		  const uint8_t *present, struct strbuf *image, struct strbuf *key, struct err *e);
/* An image that row_plan_take() made, to row_plan_columns() columns. Bytes are in mem (or are the
 * plan's: names). Text that would not come back as the same bytes is refused (ERR_UNSUPPORTED),
 * with column, key and bytes. */
int row_plan_decode(struct row_plan *p, const void *image, size_t n, struct arena *mem,
		    struct redo_column *out, struct err *e);

#endif
