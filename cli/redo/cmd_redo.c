#include "cli/redo/redo_impl.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "harness/base/clock.h"
#include "harness/base/secret.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"

static const char help[] =
	"usage: drtest redo meta  --storage URI [--json]\n"
	"       drtest redo apply --storage URI --sink-uri URI [--mode merge|txn] [--until TS] [--dry-run] [--json] [...]\n"
	"       drtest redo check --storage URI [--json]\n"
	"       drtest redo cat   --storage URI [--table DB.TABLE] [--key [COLUMN=]VALUE] [--from TS] [--to TS]\n"
	"       drtest redo watch --storage URI [--once] [--json|--prometheus] [--warn-rpo 10s] [--flush-interval 2s]\n"
	"                         [--metrics ADDRESS [--runs DIR]]\n"
	"The redo log of a changefeed, TiCDC's or drtest's. apply brings the secondary exactly to the log's resolvedTs; check judges the log\n"
	"without a database; cat prints rows and DDLs as JSON lines; watch tells each second what a disaster now would lose, and\n"
	"warns where that is more than the changefeed's flush interval explains (a young or stuck one, which TiCDC calls normal).\n"
	"  --storage URI    s3://bucket/prefix?endpoint=http://host:port&access-key=...&secret-access-key=...  or  file:///directory\n"
	"                   (or @FILE or env:NAME that holds it: argv is public, a file, /dev/stdin or a variable is not)\n"
	"  --sink-uri URI   mysql://user:password@host:port/?ssl-ca=...&ssl-cert=...&ssl-key=...&time-zone=...&worker-count=...\n"
	"                   (or @FILE or env:NAME)\n"
	"  --sink-password-file FILE  the password; or in $DRTEST_SINK_PASSWORD\n"
	"  --mode merge     the newest state of each key, fastest, while nobody reads the secondary (default)\n"
	"  --mode txn       whole transactions over all their tables, for a secondary that is read meanwhile; from a consistent start\n"
	"  --force          txn: tables without a key too, in order\n"
	"  --until TS       stop at an earlier point; TS here and below: a TSO, or a time in UTC as '2025-11-20 12:00:05.5'\n"
	"  --dry-run        read and judge the log, say what would be done, write nothing\n"
	"  --allow-gap      go on where a file is torn or the chain broken; each is said\n"
	"  --yes            replay onto a server that does not look like the log's secondary, too\n"
	"  --fresh          forget what an earlier replay of this log recorded in the secondary\n"
	"  --time-zone Z    zone of the TIMESTAMP texts in the log: that of the server that wrote it (drtest's own logs: UTC)\n"
	"  --fence-user U   kill every connection of this user first: the one that a dead TiCDC had (drtest's feed is known without)\n"
	"  --tmp-dir DIR    where what is beyond the memory budget goes ($TMPDIR, /tmp)\n"
	"  --memory SIZE    the budget (256MiB)\n"
	"  --workers N      connections to the secondary (8)      --downloads N  files read at once (4)\n"
	"  --metrics ADDRESS  watch: figures for Prometheus at http://ADDRESS/metrics, PORT or HOST:PORT, of this machine alone unless HOST\n"
	"                   says otherwise; beside the log's they tell when each scenario was rehearsed last, by the history in\n"
	"  --runs DIR       the folder of runs (runs)\n"
	"  --json           the result, or each line, for machines\n"
	"--log-level, --enable-profiling and --memory-limit of cdc redo apply are taken and change nothing.\n"
	"exit codes: 0 done, 1 check: the log is broken, watch: more than --warn-rpo would be lost, 2 wrong usage,\n"
	"            3 the log, the store or the secondary said no, 130 interrupted\n";

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

/* "256MiB", "1GiB", "100MB", "1000000" */
static bool parse_size(const char *text, size_t *out)
{
	static const struct {
		const char *unit;
		uint64_t bytes;
	} units[] = { { "", 1 },          { "KiB", 1 << 10 }, { "MiB", 1 << 20 },
		      { "GiB", 1 << 30 }, { "MB", 1000000 },  { "GB", 1000000000 } };
	char *end;
	uint64_t v = strtoull(text, &end, 10), n;

	if (*text < '0' || *text > '9')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].unit) && !__builtin_mul_overflow(v, units[i].bytes, &n) &&
		    n <= (uint64_t)1 << 40) {
			*out = (size_t)n;
			return true;
		}
	return false;
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

static const struct option longs[] = {
	{ "storage", required_argument, NULL, 's' },
	{ "sink-uri", required_argument, NULL, 'u' },
	{ "tmp-dir", required_argument, NULL, 'd' },
	{ "until", required_argument, NULL, 'U' },
	{ "memory", required_argument, NULL, 'm' },
	{ "workers", required_argument, NULL, 'w' },
	{ "time-zone", required_argument, NULL, 'z' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "mode", required_argument, NULL, 'M' },
	{ "force", no_argument, NULL, 'F' },
	{ "fresh", no_argument, NULL, 'R' },
	{ "allow-gap", no_argument, NULL, 'g' },
	{ "downloads", required_argument, NULL, 'D' },
	{ "key", required_argument, NULL, 'k' },
	{ "sink-password-file", required_argument, NULL, 'p' },
	{ "once", no_argument, NULL, '1' },
	{ "prometheus", no_argument, NULL, 'P' },
	{ "warn-rpo", required_argument, NULL, 'r' },
	{ "flush-interval", required_argument, NULL, 'I' },
	{ "yes", no_argument, NULL, 'y' },
	{ "fence-user", required_argument, NULL, 'e' },
	/* of `cdc redo apply`: what they say is done anyway, or says nothing here */
	{ "log-level", required_argument, NULL, 'i' },
	{ "enable-profiling", optional_argument, NULL, 'i' },
	{ "memory-limit", required_argument, NULL, 'i' },
	{ "table", required_argument, NULL, 't' },
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 'T' },
	{ "metrics", required_argument, NULL, 'W' },
	{ "runs", required_argument, NULL, 'O' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int parse(int argc, char **argv, struct redo_options *o)
{
	size_t n;
	int c;

	optind = 0; /* the main program parsed before us: glibc starts over */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
		bool ok = true;

		switch (c) {
		case 's': o->storage = optarg; break;
		case 'u': o->sink = optarg; break;
		case 'd': o->tmp_dir = optarg; break;
		case 'z': o->time_zone = optarg; break;
		case 't': o->table = optarg; break;
		case 'n': o->dry_run = true; break;
		case 'j': o->json = true; break;
		case 'i': break;
		case 'y': o->yes = true; break;
		case 'e': o->fence_user = optarg; break;
		case 'F': o->force = true; break;
		case 'R': o->fresh = true; break;
		case 'g': o->allow_gap = true; break;
		case 'k': o->key = optarg; break;
		case 'p': o->password_file = optarg; break;
		case '1': o->once = true; break;
		case 'P': o->prometheus = true; break;
		case 'r': ok = (o->warn_rpo_ms = duration_parse_ms(optarg)) > 0; break;
		case 'I': ok = (o->flush_ms = duration_parse_ms(optarg)) > 0; break;
		case 'M':
			ok = !strcmp(optarg, "merge") || !strcmp(optarg, "txn");
			o->mode = !strcmp(optarg, "txn") ? REPLAY_TXN : REPLAY_MERGE;
			break;
		case 'W':
			if (!serve_metrics_option(&o->serve, "redo", optarg))
				return 2;
			break;
		case 'O': o->runs = optarg; break;
		case 'U': ok = parse_ts(optarg, true, &o->until) && o->until; break;
		case 'f': ok = parse_ts(optarg, false, &o->from); break;
		case 'T': ok = parse_ts(optarg, true, &o->to); break;
		case 'D':
			ok = parse_size(optarg, &n) && n >= 1 && n <= 16;
			o->downloads = (unsigned)n;
			break;
		case 'm': ok = parse_size(optarg, &o->memory) && o->memory; break;
		case 'w':
			ok = parse_size(optarg, &n) && n >= 1 && n <= 256;
			o->workers = (unsigned)n;
			break;
		case 'h': fputs(help, stdout); return 0;
		default: {
			char what[200];

			snprintf(what, sizeof(what),
				 "'%.150s' is not an option, or lacks its value", argv[optind - 1]);
			return redo_usage(what);
		}
		}
		if (!ok) {
			char what[200];

			snprintf(what, sizeof(what), "'%.100s' is no value for that option",
				 optarg);
			return redo_usage(what);
		}
	}
	if (optind < argc)
		return redo_usage("an argument too many");
	if (!o->storage)
		return redo_usage("--storage is missing");
	return -1;
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
		fputs(help, stdout);
		return 0;
	}
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verb, verbs[i].name) != 0; i++)
		;
	if (i == sizeof(verbs) / sizeof(verbs[0])) {
		fputs(help, stderr);
		return 2;
	}
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
