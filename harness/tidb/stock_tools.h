/* The guide's own tools instead of drtest's: `cdc redo`, `br`, sync_diff_inspector. A store's keys
 * go by the environment, passwords by a file where a tool takes one; `cdc redo` takes the
 * secondary's in its command line alone, which is said in the run's notes. */
#ifndef HARNESS_TIDB_STOCK_TOOLS_H
#define HARNESS_TIDB_STOCK_TOOLS_H

#include "harness/net/http.h"
#include "harness/replay/replay.h"
#include "harness/tidb/tidb.h"

#define STOCK_WORDS_MAX 4
/* How a tool is run: `cdc` on PATH, else by tiup, in the version given ("v8.5.7"; NULL: what tiup
 * has). -1: neither is there. */
struct stock_tool {
	char *word[STOCK_WORDS_MAX];
	unsigned n;
};
int stock_find(struct stock_tool *t, const char *name, const char *version, struct err *e);
/* The program at this path, which is copied. */
void stock_at(struct stock_tool *t, const char *path);
/* Where tiup runs it: tiup has it afterwards, downloaded if need be. -1: its mirror has none. */
int stock_install(const struct stock_tool *t, struct err *e);
void stock_release(struct stock_tool *t);
/* Runs it with these arguments (NULL at the end); the keys of an s3:// URI among them go by the
 * environment. What it printed is appended to out. ERR_IO: it
 * ended with an error, whose text is the end of its stderr. */
int stock_run(const struct stock_tool *t, const char *const *args, int64_t ms, struct strbuf *out,
	      struct err *e);
/* The number behind the last `what` in the text. */
int stock_number_after(const char *text, const char *what, tso_t *out);

/* "cdc redo", "sync_diff_inspector", "sysbench": what it can't of the TLS that is asked for, before
 * it is run. ERR_USAGE. */
int stock_can_tls(const char *tool, const struct sql_endpoint *ep, struct err *e);

/* `cdc redo meta` and `apply`: profiling is off (it would take port 6060, the guide's MinIO port,
 * and die of it), tmp_dir is fresh (it is wiped). It takes TIMESTAMPs to be in the time zone of
 * where it runs: zone, by name or "+00:00"; NULL: this machine's. *st: what it tells: points, time.
 */
int stock_redo_apply(const struct stock_tool *cdc, const char *uri, const struct sql_endpoint *sink,
		     const char *zone, const char *tmp_dir, struct replay_stats *st, struct err *e);
/* What they print. */
/* For cdc redo; the caller frees. It holds the password. */
char *stock_sink_uri(const struct sql_endpoint *sink);
int stock_meta_parse(const char *text, tso_t *checkpoint, tso_t *resolved, struct err *e);
int stock_br_parse(const char *text, tso_t *backup_ts, struct err *e);

/* `br backup full` (restore: `br restore full`) --pd HOST:PORT --storage URI. */
int stock_br(const struct stock_tool *br, bool restore, const char *pd, const struct http_tls *tls,
	     const char *uri, unsigned rate_mb, const char *log, tso_t *backup_ts, struct err *e);

struct sync_diff {
	const struct sql_endpoint *a, *b;
	const char *a_snapshot, *b_snapshot; /* TSO; NULL: none */
	/* of its own and fresh: another snapshot in the same output folder is refused */
	const char *dir;
};
struct sync_diff_result {
	bool equal;
	unsigned tables;
	char evidence[400]; /* its own words */
};
/* The guide's configuration, all user tables of b. 0: it could tell. Its exit 1 means different,
 * and any error too: its words decide. */
int stock_sync_diff(const struct stock_tool *tool, const struct sync_diff *o,
		    struct sync_diff_result *r, struct err *e);
void stock_sync_diff_config(const struct sync_diff *o, struct strbuf *out);
int stock_sync_diff_parse(struct sync_diff_result *r, const char *text, struct err *e);

#endif
