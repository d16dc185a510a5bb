/* What can be told of the rows of a log that has no checksums, as TiCDC's: a value that no column
 * of its type holds, a structure that contradicts itself, and one that another row of the same
 * table, between the same two DDLs, has differently. A log of drtest's own needs none of it: its
 * sidecars tell every change, and its changefeed may learn of a key between two rows. */
#ifndef HARNESS_REDO_RECORD_CHECK_H
#define HARNESS_REDO_RECORD_CHECK_H

#include "harness/base/err.h"
#include "harness/redo/record.h"

struct record_check;
struct record_check *record_check_new(void);
void record_check_free(struct record_check *c); /* NULL is fine */
/* epoch: the number of DDLs before it. Rows may come in any order. -1: ERR_BAD_DATA, what cannot
 * be; of two structures of a table told once. */
int record_check_row(struct record_check *c, uint32_t epoch, const struct redo_row *r,
		     struct err *e);

#endif
