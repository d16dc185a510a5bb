/* The sidecar that our writer puts beside each log file: `<name>.sum`, a line "drtest-sum 1 <records> <xxh3-64 of the object's
 * bytes as stored, hex>\n". TiCDC ignores the ending. Put before the log file, so a file of ours never stands without it. */
#ifndef HARNESS_REDO_SIDECAR_H
#define HARNESS_REDO_SIDECAR_H

#include "harness/base/err.h"
#include "harness/base/strbuf.h"

#include <stdint.h>

#define SIDECAR_ENDING ".sum"
#define SIDECAR_BYTES_MAX 128

void sidecar_format(struct strbuf *out, uint64_t records, uint64_t xxh3);
int sidecar_parse(const char *text, size_t n, uint64_t *records, uint64_t *xxh3, struct err *e);

#endif
