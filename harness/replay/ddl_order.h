/* The order of a log's DDLs. TiCDC splits a statement over several tables (RENAME TABLE a TO b, c
 * TO a) into a DDL each, all with one commitTs; which comes first, its log tells since v8.5.5
 * (seq). Older logs are set in order here. The new architecture keeps such a statement in one
 * record as several, in their order. */
#ifndef HARNESS_REPLAY_DDL_ORDER_H
#define HARNESS_REPLAY_DDL_ORDER_H

#include "harness/replay/replay_read.h"

/* Sorts by commitTs and seq. DDLs that share both get the order that their statement can have had:
 * a name is given up before it is taken, and a table's own renames follow each other; and numbers
 * in `seq`, so that each has a record of its own. The same log gives the same order and numbers. */
void ddl_order(struct owned_ddl *d, size_t n);

#endif
