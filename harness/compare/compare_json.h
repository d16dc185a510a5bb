/* JSON by value. Each kind of server writes a JSON value as a text of its own: TiDB and MySQL order
 * the keys of an object differently and write 1000.0 as 1000 and 1000.0; MariaDB keeps the text as
 * it came. */
#ifndef HARNESS_COMPARE_COMPARE_JSON_H
#define HARNESS_COMPARE_COMPARE_JSON_H

#include "harness/compare/compare_rows.h"
#include "harness/sql/checksum.h"

/* Blanks, escapes and the order of keys mean nothing, the last of equal keys counts, a number is a
 * 64-bit integer or a double. What is no JSON counts as it is. */
bool json_same(const char *a, size_t a_len, const char *b, size_t b_len);

/* Of a table with json_by_value: appends ",x,y,j.." to a list of columns: a row's sums without its
 * JSON, and each JSON text; names or NULL as checksum_row_list_as() takes them. */
void json_row_list(struct strbuf *out, const struct table_schema *t, const char *x, const char *y);
size_t json_cells(const struct table_schema *t); /* how many of them a row has; 0: none */
/* From these cells: the same for the same row on both sides. */
uint64_t json_row_sum(const struct table_schema *t, char *const *cell, const unsigned long *len);

#endif
