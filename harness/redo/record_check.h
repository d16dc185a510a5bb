/* What can be told of the rows of a log that has no checksums, as TiCDC's: a value that no column
 * of its type holds, a structure that contradicts itself, and one that other rows of the same
 * table, between the same two DDLs, have differently. A log of drtest's own needs none of it: its
 * sidecars tell every change, and its changefeed may learn of a key between two rows. */
#ifndef HARNESS_REDO_RECORD_CHECK_H
#define HARNESS_REDO_RECORD_CHECK_H

#include <stdbool.h>

#include "harness/base/err.h"
#include "harness/redo/record.h"

struct record_check;
struct record_check *record_check_new(void);
void record_check_free(struct record_check *c); /* NULL is fine */
/* epoch: the number of DDLs before it. Rows may come in any order. -1: ERR_BAD_DATA, what cannot
 * be. */
int record_check_row(struct record_check *c, uint32_t epoch, const struct redo_row *r,
		     struct err *e);
/* After the last row, for each table whose rows in one epoch are described in several ways: altered
 * where these lie among each other, and not where one comes after the other, as it is if the
 * changefeed leaves DDLs out. *e has the text, and is the callee's; -1 ends it. */
typedef int record_check_fn(void *arg, bool altered, struct err *e);
int record_check_end(struct record_check *c, record_check_fn *tell, void *arg, struct err *e);

#endif
