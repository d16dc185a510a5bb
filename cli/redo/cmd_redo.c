#include "cli/redo/redo_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/base/clock.h"
#include "harness/base/secret.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"

#define WANTED_TS "a TSO, or a time in UTC such as '2025-11-20 12:00:05.5'"

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
	  "file:///directory; to keep secrets off the command line, @FILE (also @/dev/stdin) or "
	  "env:NAME with the URI",
	  AT(storage) },
	{ "sink-uri", OPTION_TEXT, "URI",
	  "mysql://user:password@host:port/?ssl-ca=...&ssl-cert=...&ssl-key=...&time-zone=...&worker-count=... "
	  "(or @FILE or env:NAME)",
	  AT(sink), .verbs = "apply" },
	{ "sink-password-file", OPTION_TEXT, "FILE",
	  "read the password from FILE; or set "
	  "$DRTEST_SINK_PASSWORD",
	  AT(password_file), .verbs = "apply" },
	{ "mode", OPTION_CHOICE, "merge|txn",
	  "merge: write only the newest state of each key, fastest, for a secondary that nobody "
	  "reads (default); txn: write complete transactions across all tables, for a secondary "
	  "that is being read; needs a consistent start",
	  AT(mode), .verbs = "apply" },
	{ "force", OPTION_FLAG, NULL, "with --mode txn: also replay tables without a key, in order",
	  AT(force), .verbs = "apply" },
	{ "until", OPTION_TAKE, "TS", "stop at an earlier point", .take = take_until,
	  .verbs = "apply" },
	{ "dry-run", OPTION_FLAG, NULL,
	  "read and check the log, print what would be done, write nothing", AT(dry_run),
	  .verbs = "apply" },
	{ "allow-gap", OPTION_FLAG, NULL,
	  "continue if a file is torn or the chain is broken, and report where", AT(allow_gap),
	  .verbs = "apply, cat" },
	{ "yes", OPTION_FLAG, NULL,
	  "replay even onto a server that does not look like the log's secondary", AT(yes),
	  .verbs = "apply" },
	{ "fresh", OPTION_FLAG, NULL,
	  "ignore what an earlier replay of this log recorded in the secondary", AT(fresh),
	  .verbs = "apply" },
	{ "time-zone", OPTION_TEXT, "ZONE",
	  "time zone of TIMESTAMP values in the log: that of the server that wrote it (drtest's "
	  "own logs: UTC)",
	  AT(time_zone), .verbs = "apply" },
	{ "fence-user", OPTION_TEXT, "USER",
	  "first kill every connection of this user, the one that the dead TiCDC used (not "
	  "needed for drtest's feed)",
	  AT(fence_user), .verbs = "apply" },
	{ "tmp-dir", OPTION_TEXT, "DIR", "for data that exceeds the memory limit ($TMPDIR, /tmp)",
	  AT(tmp_dir), .verbs = "apply, check" },
	{ "memory", OPTION_SIZE, "SIZE", "memory limit (256MiB)", AT(memory),
	  .verbs = "apply, check" },
	{ "workers", OPTION_UNSIGNED, "N", "connections to the secondary (8)", AT(workers),
	  .min = 1, .max = 256, .verbs = "apply" },
	{ "downloads", OPTION_UNSIGNED, "N", "files to read at the same time (4)", AT(downloads),
	  .min = 1, .max = 16, .verbs = "apply, cat" },
	{ "table", OPTION_TEXT, "DB.TABLE", "only this table", AT(table), .verbs = "cat" },
	{ "key", OPTION_TEXT, "[COLUMN=]VALUE", "only this key", AT(key), .verbs = "cat" },
	{ "start-ts", OPTION_TAKE, "TS", "from this TSO on", .take = take_from, .verbs = "cat" },
	{ "end-ts", OPTION_TAKE, "TS", "up to this TSO", .take = take_to, .verbs = "cat" },
	{ "once", OPTION_FLAG, NULL, "print one line and exit", AT(once), .verbs = "watch" },
	{ "warn-rpo", OPTION_TIME_MS, "TIME", "warn above this", AT(warn_rpo_ms),
	  .verbs = "watch" },
	{ "flush-interval", OPTION_TIME_MS, "TIME", "the changefeed's flush interval (2s)",
	  AT(flush_ms), .verbs = "watch" },
	{ "prometheus", OPTION_FLAG, NULL, "print in Prometheus' text format", AT(prometheus),
	  .verbs = "watch" },
	{ "metrics", OPTION_TAKE, "ADDRESS",
	  "serve figures for Prometheus at http://ADDRESS/metrics: PORT or HOST:PORT, on "
	  "this machine only unless HOST says otherwise; includes when each scenario last ran, "
	  "from the history in --out",
	  .take = take_metrics, .verbs = "watch" },
	{ "out", OPTION_TEXT, "DIR", "the directory for runs (runs)", AT(runs), .verbs = "watch" },
	{ "runs", OPTION_RENAMED, .at = 0, .now = "out" },
	{ "json", OPTION_FLAG, NULL, "print JSON", AT(json) },
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
	.about = "Works on the redo log of a changefeed, written by TiCDC or drtest. meta prints "
		 "its checkpointTs and resolvedTs; apply replays it, so that the secondary is "
		 "exactly at resolvedTs; check checks it without a database; cat prints rows and "
		 "DDLs as JSON lines; watch prints every second what a disaster right now would "
		 "lose, and warns if that is more than the changefeed's flush interval explains "
		 "(a new or stuck changefeed, for which TiCDC reports normal).",
	.options = options,
	.more = "TS is a TSO, or a time in UTC such as '2025-11-20 12:00:05.5'. The options "
		"--log-level, --enable-profiling and --memory-limit of cdc redo apply are "
		"accepted and ignored.\n"
		"Exit code: 0 done, 1 check: the log is broken, watch: more than --warn-rpo "
		"would be lost, 2 wrong usage, 3 error with the log, the store or the secondary, "
		"130 interrupted",
};

static int parse(int argc, char **argv, struct redo_options *o)
{
	int rc = options_parse(&command, argc, argv, o);

	if (rc)
		return rc == 1 ? 0 : 2;
	if (!o->storage)
		return redo_usage("--storage is missing");
	return o->to && o->from > o->to ? redo_usage("--start-ts is later than --end-ts") : -1;
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
	if (!s) {
		err_wrap(&e, "--storage");
		return redo_failed(&e);
	}
	clock_on_end_signals(clock_cancel);
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
