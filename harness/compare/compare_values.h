/* Values of a row in the compare: how they are asked for, shown in a finding, and written into the
 * SQL that mends the other side. */
#ifndef HARNESS_COMPARE_COMPARE_VALUES_H
#define HARNESS_COMPARE_COMPARE_VALUES_H

#include "harness/compare/compare_rows.h"

#define COMPARE_VALUE_CHARS 200 /* of a value in a finding */

/* all columns, as SELECT takes them */
void compare_value_list(struct strbuf *q, const struct table_schema *t);
/* cut to COMPARE_VALUE_CHARS; data NULL: null */
json_t *compare_value(const struct column *col, const char *data, size_t n);
/* Appends "verb INTO b VALUES (..)" to the fix: REPLACE, or INSERT for tables without a key.
 * Columns that are not compared keep what they have. */
void compare_write_put(struct compare *c, const struct row_range *r, const char *verb,
		       MYSQL_ROW row, const unsigned long *len);

#endif
