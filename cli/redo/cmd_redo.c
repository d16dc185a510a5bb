#include "cli/redo/redo_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/base/clock.h"
#include "harness/base/secret.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"

#define WANTED_TS "a TSO, or a time in UTC as '2025-11-20 12:00:05.5'"

int redo_usage(const char *what)
{
	fprintf(stderr, "drtest redo: %s (drtest redo --help)\n", what);
	return 2;
}

int redo_failed(const struct err *e)
{
	struct strbuf text = STRBUF_INIT;

	secret_redact(&text, e->text);
	fprintf(stderr, "drtest redo: %s\n", text.buf);
	strbuf_release(&text);
	return err_exit_code(e);
}

/* A TSO, or a time in UTC; latest: the last TSO of that millisecond. */
static bool parse_ts(const char *text, bool latest, tso_t *out)
{
	struct tm tm = { 0 };
	int64_t ms = 0;
	const char *p;

	if (tso_parse(text, out))
		return true;
	p = strptime(text, strchr(text, 'T') ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
	if (!p)
		return false;
	if (*p == '.')
		for (int scale = 100; *++p >= '0' && *p <= '9'; scale /= 10)
			ms += (*p - '0') * scale;
	if ((*p && strcmp(p, "Z") != 0 && strcmp(p, " UTC") != 0) || timegm(&tm) < 0)
		return false;
	*out = tso_make((int64_t)timegm(&tm) * 1000 + ms,
			latest ? ((uint64_t)1 << TSO_LOGICAL_BITS) - 1 : 0);
	return true;
}

static int take_until(void *into, const char *text, struct err *e)
{
	tso_t *to = &((struct redo_options *)into)->until;

	return parse_ts(text, true, to) && *to ? 0 : option_wants(e, text, WANTED_TS);
}

static int take_from(void *into, const char *text, struct err *e)
{
	return parse_ts(text, false, &((struct redo_options *)into)->from)
		       ? 0
		       : option_wants(e, text, WANTED_TS);
}

static int take_to(void *into, const char *text, struct err *e)
{
	return parse_ts(text, true, &((struct redo_options *)into)->to)
		       ? 0
		       : option_wants(e, text, WANTED_TS);
}

static int take_metrics(void *into, const char *text, struct err *e)
{
	return serve_metrics_option(&((struct redo_options *)into)->serve, text, e);
}

#define AT(member) .at = offsetof(struct redo_options, member)
static const struct option_def options[] = {
	{ "storage", OPTION_TEXT, "URI",
	  "s3://bucket/prefix?endpoint=http://host:port&access-key=...&secret-access-key=... or "
	  "file:///directory (or @FILE or env:NAME that holds it: argv is public, a file, /dev/stdin "
	  "or a variable is not)",
	  AT(storage) },
	{ "sink-uri", OPTION_TEXT, "URI",
	  "mysql://user:password@host:port/?ssl-ca=...&ssl-cert=...&ssl-key=...&time-zone=...&worker-count=... "
	  "(or @FILE or env:NAME)",
	  AT(sink) },
	{ "sink-password-file", OPTION_TEXT, "FILE", "the password; or in $DRTEST_SINK_PASSWORD",
	  AT(password_file) },
	{ "mode", OPTION_CHOICE, "merge|txn",
	  "merge: the newest state of each key, fastest, while nobody reads the secondary (default); "
	  "txn: whole transactions over all their tables, for a secondary that is read meanwhile; "
	  "from a consistent start",
	  AT(mode) },
	{ "force", OPTION_FLAG, NULL, "txn: tables without a key too, in order", AT(force) },
	{ "until", OPTION_TAKE, "TS", "stop at an earlier point", .take = take_until },
	{ "dry-run", OPTION_FLAG, NULL,
	  "read and judge the log, say what would be done, write nothing", AT(dry_run) },
	{ "allow-gap", OPTION_FLAG, NULL,
	  "go on where a file is torn or the chain is broken, and say where", AT(allow_gap) },
	{ "yes", OPTION_FLAG, NULL,
	  "replay even onto a server that does not look like the log's secondary", AT(yes) },
	{ "fresh", OPTION_FLAG, NULL,
	  "forget what an earlier replay of this log recorded in the secondary", AT(fresh) },
	{ "time-zone", OPTION_TEXT, "ZONE",
	  "of the TIMESTAMP texts in the log: that of the server that wrote it (drtest's own logs: UTC)",
	  AT(time_zone) },
	{ "fence-user", OPTION_TEXT, "USER",
	  "kill every connection of this user first: the one that a dead TiCDC had (drtest's feed is "
	  "known without it)",
	  AT(fence_user) },
	{ "tmp-dir", OPTION_TEXT, "DIR",
	  "where what exceeds the memory budget goes ($TMPDIR, /tmp)", AT(tmp_dir) },
	{ "memory", OPTION_SIZE, "SIZE", "the budget (256MiB)", AT(memory) },
	{ "workers", OPTION_UNSIGNED, "N", "connections to the secondary (8)", AT(workers),
	  .min = 1, .max = 256 },
	{ "downloads", OPTION_UNSIGNED, "N", "files read at the same time (4)", AT(downloads),
	  .min = 1, .max = 16 },
	{ "table", OPTION_TEXT, "DB.TABLE", "cat: of this table alone", AT(table) },
	{ "key", OPTION_TEXT, "[COLUMN=]VALUE", "cat: of this key alone", AT(key) },
	{ "start-ts", OPTION_TAKE, "TS", "cat: not before it", .take = take_from },
	{ "end-ts", OPTION_TAKE, "TS", "cat: not after it", .take = take_to },
	{ "once", OPTION_FLAG, NULL, "watch: one line, then the exit code", AT(once) },
	{ "warn-rpo", OPTION_TIME_MS, "TIME", "watch: warn above it", AT(warn_rpo_ms) },
	{ "flush-interval", OPTION_TIME_MS, "TIME", "watch: the changefeed's (2s)", AT(flush_ms) },
	{ "prometheus", OPTION_FLAG, NULL, "watch: in Prometheus' text format", AT(prometheus) },
	{ "metrics", OPTION_TAKE, "ADDRESS",
	  "watch: figures for Prometheus at http://ADDRESS/metrics, PORT or HOST:PORT, of this machine "
	  "alone unless HOST says otherwise; beside the log's they show when each scenario was last "
	  "rehearsed, by the history in --runs",
	  .take = take_metrics },
	{ "runs", OPTION_TEXT, "DIR", "watch: the folder of runs (runs)", AT(runs) },
	{ "json", OPTION_FLAG, NULL, "the result, or each line, for machines", AT(json) },
	{ "log-level", OPTION_IGNORED, "LEVEL", NULL, .at = 0 },
	{ "enable-profiling", OPTION_IGNORED, NULL, NULL, .at = 0 },
	{ "memory-limit", OPTION_IGNORED, "SIZE", NULL, .at = 0 },
	{ "from", OPTION_RENAMED, .at = 0, .now = "start-ts" },
	{ "to", OPTION_RENAMED, .at = 0, .now = "end-ts" },
	{ 0 },
};

static const struct command_def command = {
	.name = "redo",
	.usage =
		"drtest redo meta  --storage URI [--json]\n"
		"drtest redo apply --storage URI --sink-uri URI [--mode merge|txn] [--until TS] "
		"[--dry-run] [--json] [...]\n"
		"drtest redo check --storage URI [--json]\n"
		"drtest redo cat   --storage URI [--table DB.TABLE] [--key [COLUMN=]VALUE] [--start-ts "
		"TS] [--end-ts TS]\n"
		"drtest redo watch --storage URI [--once] [--json|--prometheus] [--warn-rpo 10s] "
		"[--flush-interval 2s]",
	.about = "The redo log of a changefeed, TiCDC's or drtest's. apply brings the secondary "
		 "exactly to the log's resolvedTs; check judges the log without a database; cat "
		 "prints rows and DDLs as JSON lines; watch prints each second what a disaster now "
		 "would lose, and warns where that is more than the changefeed's flush interval "
		 "explains (a young or stuck changefeed, which TiCDC calls normal).",
	.options = options,
	.more = "TS is a TSO, or a time in UTC as '2025-11-20 12:00:05.5'. --log-level, "
		"--enable-profiling and --memory-limit of cdc redo apply are accepted and change "
		"nothing.\n"
		"Exit code: 0 done, 1 check: the log is broken, watch: more than --warn-rpo would be "
		"lost, 2 wrong usage, 3 the log, the store or the secondary refused, 130 interrupted",
};

static int parse(int argc, char **argv, struct redo_options *o)
{
	int rc = options_parse(&command, argc, argv, o);

	if (rc)
		return rc == 1 ? 0 : 2;
	return o->storage ? -1 : redo_usage("--storage is missing");
}

static int print_meta(struct store *s, const struct redo_options *o)
{
	struct redo_meta m;
	struct err e = ERR_INIT;

	if (redo_read_meta(s, &m, &e) < 0)
		return redo_failed(&e);
	if (o->json) {
		json_t *j =
			json_pack("{s:o,s:o,s:i}", "checkpoint_ts", redo_ts_json(m.checkpoint_ts),
				  "resolved_ts", redo_ts_json(m.resolved_ts), "version", m.version);

		json_dumpf(j, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(j);
		return 0;
	}
	printf("checkpoint-ts:%" PRIu64 ", resolved-ts:%" PRIu64, m.checkpoint_ts, m.resolved_ts);
	if (m.version)
		printf(" version:%d", m.version);
	putchar('\n');
	return 0;
}

json_t *redo_ts_json(tso_t ts)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, ts);
	return json_string(text);
}

static const struct {
	const char *name;
	int (*run)(struct store *s, const struct redo_options *o);
} verbs[] = { { "meta", print_meta },
	      { "apply", redo_apply },
	      { "check", redo_check_log },
	      { "cat", redo_cat },
	      { "watch", redo_watch } };

int cmd_redo(int argc, char **argv)
{
	struct redo_options o = { 0 };
	struct err e = ERR_INIT;
	const char *verb = argc > 1 ? argv[1] : "";
	struct store *s;
	size_t i;
	int rc;

	if (!strcmp(verb, "--help") || !strcmp(verb, "-h")) {
		options_help(&command, stdout);
		return 0;
	}
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verb, verbs[i].name) != 0; i++)
		;
	if (i == sizeof(verbs) / sizeof(verbs[0]))
		return options_no_verb(
			&command, verb,
			(const char *const[]){ "meta", "apply", "check", "cat", "watch" }, 5);
	rc = parse(argc - 1, argv + 1, &o);
	if (rc >= 0)
		return rc;
	s = store_open(o.storage, NULL, &e);
	if (!s)
		return redo_failed(&e);
	signal(SIGINT, clock_cancel);
	signal(SIGTERM, clock_cancel);
	rc = verbs[i].run(s, &o);
	errno = 0;
	/* a closed pipe is a reader that has seen enough */
	if (fflush(stdout) && errno != EPIPE && rc == 0) {
		err_sys(&e, "write to standard output");
		rc = redo_failed(&e);
	}
	store_free(s);
	return rc;
}
