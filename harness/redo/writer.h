/* Writes a redo log to a store as TiCDC's memory writer does: records gather in a buffer, an object
 * appears whole under its final name when the buffer is flushed or reaches max_log_bytes, with a
 * sidecar `<name>.sum` put before it (TiCDC ignores the ending). Meta: a new object with a new
 * uuid, then the previous one is deleted. Use from one thread. */
#ifndef HARNESS_REDO_WRITER_H
#define HARNESS_REDO_WRITER_H

#include "harness/net/store.h"
#include "harness/redo/codec.h"

struct redo_writer_opts {
	const char *capture;    /* "127.0.0.1:8300" */
	const char *name_space; /* "default" */
	const char *changefeed;
	size_t max_log_bytes; /* 0: 64 MiB */
	bool lz4;
	bool no_sidecar;
};
struct redo_writer;
struct redo_writer *redo_writer_new(struct store *s, const struct redo_writer_opts *o,
				    struct err *e);
/* rows and DDLs go to files of their own */
int redo_writer_add(struct redo_writer *w, const struct redo_event *ev, struct err *e);
/* Rows of one commitTs, as redo_encode_frame() made them: they stay in one file. At most
 * max_log_bytes. */
int redo_writer_add_frames(struct redo_writer *w, const struct strbuf *frames, uint64_t records,
			   tso_t commit_ts, struct err *e);
/* What was added is durable in the store on return. */
int redo_writer_flush(struct redo_writer *w, struct err *e);
/* The first call reads the metas that are there, takes the maxima, writes and deletes the old ones.
 * Never moves backward. */
int redo_writer_meta(struct redo_writer *w, const struct redo_meta *m, struct err *e);
/* Deletes log files (with sidecars) whose name ts is < checkpoint_ts. Returns how many, or -1. */
int redo_writer_collect(struct redo_writer *w, tso_t checkpoint_ts, struct err *e);
/* files of this log were deleted by others: the next one names as the one before it what is left */
void redo_writer_trimmed(struct redo_writer *w);
void redo_writer_free(struct redo_writer *w); /* what was not flushed is gone */

#endif
