/* Judges a log without a database: whole files, sidecars, one order, one changefeed, and the chain
 * between checkpointTs and resolvedTs. */
#ifndef HARNESS_REPLAY_LOG_CHECK_H
#define HARNESS_REPLAY_LOG_CHECK_H

#include "harness/net/store.h"
#include "harness/redo/reader.h"

enum redo_finding {
	REDO_NOTE,   /* legal, and worth knowing */
	REDO_BROKEN, /* a replay would refuse the log, or go wrong */
};
struct redo_check_opts {
	const char *tmp_dir; /* made where it is absent; NULL: $TMPDIR or /tmp */
	size_t memory_bytes; /* 0: 256 MiB */
	void (*finding)(void *arg, enum redo_finding what, const char *line);
	void *arg;
};
struct redo_check_result {
	struct redo_meta meta;
	/* of the whole log */
	uint64_t files, with_sidecar, tmp_files, bytes, rows, ddls, transactions;
	uint64_t rows_before, rows_beyond; /* at or before checkpointTs; after resolvedTs */
	uint64_t keys;                     /* between them: the chains that were followed */
	tso_t first_ts, last_ts;
	uint64_t notes, broken;
};
/* 0: judged, broken tells how; -1: it could not be read. */
int redo_check(struct store *s, const struct redo_check_opts *o, struct redo_check_result *res,
	       struct err *e);

/* If the primary died now: the point that a replay would reach, and what it would have to read. */
struct redo_outlook {
	struct redo_meta meta;
	int64_t loss_ms;       /* this machine's clock minus the point; never negative */
	uint64_t files, bytes; /* to read: whose name ts is above checkpointTs */
	/* no log file at all, and resolvedTs is checkpointTs: as a changefeed is that has
	 * flushed nothing yet */
	bool unmoved;
	/* DDLs behind which rows may be missing (ddl_judge.h); the first one, told */
	uint64_t holes;
	char hole[600];
	/* to be expected: the bytes at REDO_OUTLOOK_BYTES_PER_S, and a start */
	int64_t replay_ms;
};
#define REDO_OUTLOOK_BYTES_PER_S 100000000
/* What a changefeed in its stride may be behind: its flush interval, and beside it the meta's (200
 * ms) and the primary's own resolved ts. */
#define REDO_FLUSH_MS 2000 /* TiCDC's own */
#define REDO_BESIDE_MS 3200
int redo_outlook(struct store *s, struct redo_outlook *out, struct err *e);

#endif
