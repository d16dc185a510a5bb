/* Values of a row image as the text that SELECT gives: DECIMAL, and dates and times. The bytes are
 * as the binary log has them; out has ROW_TEXT_MAX bytes and is ended by a NUL. */
#ifndef HARNESS_BINLOG_ROW_TEXT_H
#define HARNESS_BINLOG_ROW_TEXT_H

#include "harness/binlog/table_map.h"

#define ROW_TEXT_MAX 128

/* Each returns the text's length; -1: the bytes are no such value. */
int row_text_decimal(const struct table_map_column *column, const uint8_t *p, size_t n, char *out);
int row_text_temporal(const struct table_map_column *c, const uint8_t *p, char *out);

#endif
