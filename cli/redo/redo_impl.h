/* drtest redo meta|apply|cat|check|watch: a redo log, TiCDC's or ours. */
#ifndef CLI_REDO_REDO_IMPL_H
#define CLI_REDO_REDO_IMPL_H

#include <jansson.h>

#include "cli/live/serve.h"
#include "harness/replay/replay.h"

struct redo_options {
	const char *storage, *sink, *password_file, *tmp_dir, *time_zone, *table, *key, *fence_user;
	tso_t until, from, to;
	size_t memory;
	unsigned workers, downloads;
	enum replay_mode mode;
	bool yes, dry_run, json, prometheus, once, force, fresh, allow_gap;
	int64_t warn_rpo_ms;   /* 0: none */
	struct serve_at serve; /* watch */
	const char *runs;      /* the folder of runs; NULL: "runs" */
	int64_t flush_ms;      /* the changefeed's flush interval; 0: TiCDC's own */
};

/* The verbs with files of their own; each returns the exit code. */
int redo_apply(struct store *s, const struct redo_options *o);
int redo_cat(struct store *s, const struct redo_options *o);
int redo_check_log(struct store *s, const struct redo_options *o);
int redo_watch(struct store *s, const struct redo_options *o);
int redo_failed(const struct err *e); /* prints the error; the exit code */
int redo_usage(const char *what);
json_t *redo_ts_json(tso_t ts);

#endif
