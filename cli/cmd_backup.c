#include "cli/commands.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "harness/backup/backup.h"

#define IGNORE_MAX 256

struct options {
	const char *endpoint, *storage, *tso_map, *tidb_snapshot;
	unsigned threads, rate_mb;
	const char *ignore[IGNORE_MAX + 1];
	size_t n_ignore;
	int64_t timeout_ms; /* 0: none */
};
#define AT(member) .at = offsetof(struct options, member)
#define STORAGE                                                                                    \
	{                                                                                          \
		"storage", OPTION_TEXT, "URI",                                                     \
			"s3://bucket/prefix?endpoint=...&access-key=... or file:///directory. To " \
			"keep secrets off the command line, use @FILE or env:NAME for this URI "   \
			"and the server's",                                                        \
			AT(storage)                                                                \
	}
#define WORKERS                                                                            \
	{                                                                                  \
		"workers", OPTION_UNSIGNED, "N", "connections (4)", AT(threads), .min = 1, \
										 .max = 64 \
	}
#define RATE                                                                                    \
	{                                                                                       \
		"rate-limit", OPTION_UNSIGNED, "MB", "at most MB megabytes of rows per second", \
			AT(rate_mb), .min = 1, .max = 1000000                                   \
	}
#define TIMEOUT                                                                                \
	{                                                                                      \
		"timeout", OPTION_TIME_MS, "TIME", "give up after TIME, such as 90s, 10m, 2h", \
			AT(timeout_ms)                                                         \
	}

static int take_ignore(void *into, const char *text, struct err *e)
{
	struct options *o = into;

	if (!strchr(text, '.'))
		return option_wants(e, text, "db.table");
	if (o->n_ignore == IGNORE_MAX)
		return err_set(e, ERR_USAGE, 0, "more than %d patterns", IGNORE_MAX);
	o->ignore[o->n_ignore++] = text;
	return 0;
}

static const struct option_def backup_options[] = {
	{ "source-uri", OPTION_TEXT, "URI", "mysql://user:password@host:port/?ssl-ca=FILE",
	  AT(endpoint) },
	STORAGE,
	WORKERS,
	RATE,
	{ "tso-map", OPTION_TEXT, "FILE",
	  "the commit clock that a run on the local ground writes; it gives BackupTS",
	  AT(tso_map) },
	{ "tidb-snapshot", OPTION_TEXT, "TSO", "TiDB: read at this TSO (the current one)",
	  AT(tidb_snapshot) },
	{ "ignore", OPTION_TAKE, "PATTERN",
	  "leave this table, view or sequence out (\"shop.log*\"), such as one that the server "
	  "cannot open; it is named at the end. Can be repeated. A pattern that matches nothing is "
	  "wrong usage",
	  .take = take_ignore, .times = OPTION_OFTEN },
	TIMEOUT,
	{ "from", OPTION_RENAMED, .at = 0, .now = "source-uri" },
	{ "threads", OPTION_RENAMED, .at = 0, .now = "workers" },
	{ 0 },
};
static const struct option_def restore_options[] = {
	{ "target-uri", OPTION_TEXT, "URI", "mysql://user:password@host:port/?ssl-ca=FILE",
	  AT(endpoint) },
	STORAGE,
	WORKERS,
	RATE,
	TIMEOUT,
	{ "to", OPTION_RENAMED, .at = 0, .now = "target-uri" },
	{ "threads", OPTION_RENAMED, .at = 0, .now = "workers" },
	{ 0 },
};
static const struct command_def backup_command = {
	.name = "backup",
	.usage =
		"drtest backup --source-uri URI --storage URI [--workers N] [--rate-limit MB] [--tso-map "
		"FILE] [--tidb-snapshot TSO] [--ignore PATTERN] [--timeout TIME]",
	.about = "Writes a consistent backup of all databases to the storage: tables, views, "
		 "sequences. Lists what it leaves out (users, routines, triggers, events, the "
		 "history of versioned tables). Rows may change during the backup; a DDL waits "
		 "until it is done.",
	.options = backup_options,
};
static const struct command_def restore_command = {
	.name = "restore",
	.usage =
		"drtest restore --target-uri URI --storage URI [--workers N] [--rate-limit MB] [--timeout TIME]",
	.about = "Restores a backup into a server that has none of its tables. Checks the whole "
		 "backup before it writes a row. From the backup, it only runs a server's own "
		 "CREATE statements for its objects. Leaves out, and lists, views that use a "
		 "missing function.",
	.options = restore_options,
};

static int finish(const char *name, int rc, const struct err *e, const struct store *st,
		  const struct backup_result *r)
{
	char when[TSO_TEXT_MAX] = "none";

	if (rc < 0) {
		fprintf(stderr, "drtest %s: %s\n", name, e->text);
		return err_exit_code(e);
	}
	if (r->backup_ts)
		tso_time_text(r->backup_ts, when);
	printf("Destination  %s\nSize         %" PRIu64 " bytes\nBackupTS     %" PRIu64
	       "  (%s)\nTables       %" PRIu64 "\nRows         %" PRIu64
	       "\nQueue        %.3f s\nExecution    %.3f s\n",
	       store_uri_redacted(st), r->size_bytes, r->backup_ts, when, r->tables, r->rows,
	       (double)r->queue_us / 1e6, (double)r->execution_us / 1e6);
	if (r->locked)
		printf("Note         one snapshot needed a short global read lock\n");
	if (*r->warnings)
		printf("Warning      %s\n", r->warnings);
	return 0;
}

static int run(int argc, char **argv, bool backup)
{
	const struct command_def *c = backup ? &backup_command : &restore_command;
	struct options o = { 0 };
	struct sql_endpoint ep;
	struct backup_result r = { 0 };
	struct store *st = NULL;
	struct tso_map *map = NULL;
	struct deadline deadline = { 0 };
	struct err e = ERR_INIT;
	int rc = options_parse(c, argc, argv, &o);

	if (rc)
		return rc == 1 ? 0 : 2;
	if (!o.endpoint || !o.storage)
		return options_wrong(c, "--%s and --storage are required",
				     backup ? "source-uri" : "target-uri");
	if (o.timeout_ms)
		deadline = deadline_in_ms(o.timeout_ms);
	rc = -1;
	if (sql_endpoint_from_uri(&ep, o.endpoint, &e) < 0) {
		err_wrap(&e, backup ? "--source-uri" : "--target-uri");
		goto out;
	}
	if (!(st = store_open(o.storage, NULL, &e))) {
		err_wrap(&e, "--storage");
		goto out;
	}
	if (o.tso_map && !(map = tso_map_open(o.tso_map, &e)))
		goto out;
	if (backup) {
		struct backup_opts b = { .from = ep,
					 .threads = o.threads,
					 .rate_bytes_per_s = (uint64_t)o.rate_mb * 1000000,
					 .tso_map = map,
					 .tidb_snapshot = o.tidb_snapshot,
					 .ignore = o.n_ignore ? o.ignore : NULL,
					 .deadline = deadline };

		rc = store_create_bucket(st, &e) < 0 ? -1 : backup_run(st, &b, &r, &e);
	} else {
		struct restore_opts b = { .to = ep,
					  .threads = o.threads,
					  .rate_bytes_per_s = (uint64_t)o.rate_mb * 1000000,
					  .deadline = deadline };

		rc = restore_run(st, &b, &r, &e);
	}
out:
	rc = finish(argv[0], rc, &e, st, &r);
	tso_map_free(map);
	store_free(st);
	return rc;
}

int cmd_backup(int argc, char **argv)
{
	return run(argc, argv, true);
}

int cmd_restore(int argc, char **argv)
{
	return run(argc, argv, false);
}
