/* TiDB's backup of its log of changes, by `br`: `br log start` streams what TiKV writes into a
 * store, and `br restore point` rolls a full backup forward by it. It lags: TiKV flushes each few
 * minutes (log-backup.max-flush-interval, 3 minutes), and nothing behind the checkpoint can be
 * restored. */
#ifndef HARNESS_TIDB_LOG_BACKUP_H
#define HARNESS_TIDB_LOG_BACKUP_H

#include "harness/tidb/stock_tools.h"

#define LOG_BACKUP_FLUSH_MS_MIN 11000 /* TiKV takes more than 10 s */

struct log_backup {
	const struct stock_tool *br;
	const char *pd;   /* of the cluster that is backed up, or restored into */
	const char *task; /* one a cluster */
	const char *uri;  /* of the log; holds credentials */
	const char *log;  /* where br writes its own */
};
struct log_backup_status {
	char state[24];                /* "NORMAL", "PAUSE", "ERROR" */
	tso_t start_ts, checkpoint_ts; /* a restore can reach the checkpoint */
	char error[200];               /* TiKV's last; "": none */
};
int log_backup_start(const struct log_backup *l, struct err *e);
/* ERR_NOT_FOUND: no task of that name runs. */
int log_backup_status(const struct log_backup *l, struct log_backup_status *st, struct err *e);
/* what `br log status --json` prints */
int log_backup_status_parse(struct log_backup_status *st, const char *text, const char *task,
			    struct err *e);
/* The full backup at full_uri, which has to be younger than the log's beginning, and the log from
 * there up to until; 0: to its checkpoint. *point: where the cluster stands then. */
int log_backup_restore(const struct log_backup *l, const char *full_uri, tso_t until, tso_t *point,
		       struct err *e);
/* How often TiKV flushes it, at least LOG_BACKUP_FLUSH_MS_MIN. */
int log_backup_flush(const struct sql_endpoint *ep, unsigned ms, struct err *e);

#endif
