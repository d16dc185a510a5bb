/* JSON that other programs write: PD, TiCDC, playground. jansson reads it, but refuses a whole text
 * for one integer from 2^63 on, and PD's ids and the halves of TiCDC's gid are unsigned 64-bit
 * numbers. Here a number that jansson can't hold stays, as text of its digits; all others are
 * jansson's. No number is ever rounded. */
#ifndef HARNESS_BASE_FOREIGN_JSON_H
#define HARNESS_BASE_FOREIGN_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

/* Any JSON value, the caller's to decref; NULL: it is no JSON (ERR_BAD_DATA). */
json_t *foreign_json(const char *text, size_t n, struct err *e);
/* An unsigned 64-bit number, or a text of its digits (as TSOs often come). false: it is neither;
 * *out is untouched. */
bool foreign_json_u64(const json_t *v, uint64_t *out);

#endif
