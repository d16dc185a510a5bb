/* The sidecar that our writer puts beside each log file: `<name>.sum`, a line "drtest-sum 1
 * <records> <xxh3-64 of the object's bytes as stored, hex>\n", and for each DDL whose session is
 * known "drtest-ddl 1 <commitTs> <xxh3-64 of the session with the commitTs as its seed, hex>
 * <session>\n" (sql/ddl/ddl_session.h): TiCDC's record has no field for it. TiCDC ignores the
 * ending. Put before the log file, so a file of ours never stands without it. "drtest-file 1
 * <lowest commitTs> <xxh3-64, as above> <name of the file of its kind that was written before
 * it>\n" is how a file that is gone is missed: by its own sidecar, and by that of the next one. */
#ifndef HARNESS_REDO_SIDECAR_H
#define HARNESS_REDO_SIDECAR_H

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/redo/record.h"

#include <stdint.h>

#define SIDECAR_ENDING ".sum"
#define SIDECAR_BYTES_MAX (1 << 20)

void sidecar_format(struct strbuf *out, uint64_t records, uint64_t xxh3);
void sidecar_add_ddl(struct strbuf *out, tso_t commit_ts, const struct redo_bytes *session);
void sidecar_add_file(struct strbuf *out, tso_t first_ts, const struct redo_bytes *previous);
/* checks its every line */
int sidecar_parse(const char *text, size_t n, uint64_t *records, uint64_t *xxh3, struct err *e);
/* The session of the DDL at this commitTs, in the text; n 0: it is not told. Of a text that
 * sidecar_parse() takes. */
struct redo_bytes sidecar_session(const char *text, size_t n, tso_t commit_ts);
struct sidecar_file {
	tso_t first_ts;             /* the lowest commitTs in the file; 0: it is not told */
	struct redo_bytes previous; /* without its folder; n 0: none */
};
/* as sidecar_session() */
struct sidecar_file sidecar_file(const char *text, size_t n);

#endif
