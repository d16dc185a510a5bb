/* Record bodies and frames, byte for byte as TiCDC writes them (docs/REDO-FORMAT.md). */
#ifndef HARNESS_REDO_CODEC_H
#define HARNESS_REDO_CODEC_H

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/redo/record.h"

/* the largest file TiCDC makes; a longer body is refused */
#define REDO_BODY_BYTES_MAX ((size_t)64 << 20)
#define REDO_COLUMNS_MAX 4096

/* Bytes of the caller's own, with a NUL behind them; free() what p points to. */
struct redo_bytes redo_bytes_copy(struct redo_bytes s);

/* Decoder with reusable memory: the event points into body and into the decoder, until the next
 * decode or release. */
struct redo_decoder;
struct redo_decoder *redo_decoder_new(void);
void redo_decoder_free(struct redo_decoder *d);
/* Formats 1 and 2, classic and new architecture, any key order, unknown keys skipped. ERR_BAD_DATA
 * names the offset in the body. */
int redo_decode(struct redo_decoder *d, const void *body, size_t n, struct redo_event *ev,
		struct err *e);

/* Appends one whole frame (length field, body in format 2, padding). */
void redo_encode_frame(struct strbuf *out, const struct redo_event *ev);

/* Meta file. version: 0 for classic logs. */
struct redo_meta {
	tso_t checkpoint_ts, resolved_ts;
	int version;
};
int redo_meta_decode(struct redo_meta *m, const void *data, size_t n, struct err *e);
/* version 0: classic, two keys */
void redo_meta_encode(struct strbuf *out, const struct redo_meta *m);

/* File names. */
enum redo_file_kind { REDO_FILE_OTHER, REDO_FILE_ROW, REDO_FILE_DDL, REDO_FILE_META };
struct redo_name {
	enum redo_file_kind kind;
	bool tmp;            /* a .log.tmp: its tail may be torn */
	tso_t max_commit_ts; /* rows and DDLs */
	/* name_space "default" when the name has none */
	char capture[256], name_space[256], changefeed[256], uuid[64];
};
/* base: the part behind the last '/'. Unknown endings are REDO_FILE_OTHER; a .log or .tmp that does
 * not parse is ERR_BAD_DATA. */
int redo_name_parse(struct redo_name *out, const char *base, struct err *e);
void redo_name_format(struct strbuf *out, const struct redo_name *n);

#endif
