#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "harness/base/uri.h"
#include "harness/feed/config.h"
#include "harness/os/fs.h"

static const char help[] =
	"usage: drtest feed < OPTIONS.json\n"
	"       drtest feed --source-uri URI --sink-uri URI --start-ts TSO --tso-map FILE [options]\n"
	"Replicates the source to the sink and writes TiCDC's redo log, until SIGTERM (then it ends at a checkpoint) or an error.\n"
	"  --source-uri URI   mysql://user:password@host:port, or @FILE or env:NAME that holds it (argv is public)\n"
	"  --sink-uri URI     the same, for the secondary\n"
	"  --storage URI      where the redo log goes: s3://bucket/prefix?endpoint=... or file:///directory, or @FILE or env:NAME; none: no redo log\n"
	"  --start-ts TSO     BackupTS; a feed that has a later checkpoint goes on from there\n"
	"  --tso-map FILE     the source's commit clock\n"
	"  --id NAME          changefeed id (drtest)\n"
	"  --status FILE      status as JSON, replaced every 100 ms (feed-<id>.json in $TMPDIR or /var/tmp)\n"
	"  --flush-ms N       redo log flush (2000)\n"
	"  --meta-ms N        redo meta (200)\n"
	"  --workers N        connections to the sink (4)\n"
	"  --lz4              compress the redo log\n"
	"Without options, the same as JSON on standard input: id, source {host, port, user, password}, sink {..}, tso_map, start_ts, redo_uri,\n"
	"flush_ms, meta_ms, sink_workers, sink_batch_rows, max_log_bytes, lz4, status_path, tmp_dir.\n"
	"exit codes: 0 ended by SIGTERM, 1 failed, 2 wrong usage, 3 could not begin\n";

static int storage(struct feed_opts *o, const char *arg, struct err *e)
{
	struct strbuf uri = STRBUF_INIT;
	int rc = uri_option(arg, &uri, e);

	if (rc == 0 && uri.len >= sizeof(o->redo_uri))
		rc = err_set(e, ERR_USAGE, 0, "--storage: want at most %zu bytes",
			     sizeof(o->redo_uri) - 1);
	if (rc == 0)
		memcpy(o->redo_uri, uri.buf, uri.len + 1);
	strbuf_release(&uri);
	return rc;
}

static int text(char *to, size_t size, const char *name, const char *arg, struct err *e)
{
	if ((size_t)snprintf(to, size, "%s", arg) >= size)
		return err_set(e, ERR_USAGE, 0, "--%s: want at most %zu bytes", name, size - 1);
	return 0;
}

static int number(unsigned *to, const char *name, const char *arg, struct err *e)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-' || n > 1000000000)
		return err_set(e, ERR_USAGE, 0, "--%s: want a number, not \"%.40s\"", name, arg);
	*to = (unsigned)n;
	return 0;
}

static const struct option longs[] = {
	{ "source-uri", required_argument, NULL, 's' },
	{ "sink-uri", required_argument, NULL, 'k' },
	{ "storage", required_argument, NULL, 'r' },
	{ "start-ts", required_argument, NULL, 't' },
	{ "tso-map", required_argument, NULL, 'm' },
	{ "id", required_argument, NULL, 'i' },
	{ "status", required_argument, NULL, 'f' },
	{ "flush-ms", required_argument, NULL, 'F' },
	{ "meta-ms", required_argument, NULL, 'M' },
	{ "workers", required_argument, NULL, 'w' },
	{ "lz4", no_argument, NULL, 'z' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* 1: help was asked for; 2: getopt has said what is wrong. */
static int from_argv(struct feed_opts *o, int argc, char **argv, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	int c, rc = 0;

	memset(o, 0, sizeof(*o));
	snprintf(o->id, sizeof(o->id), "drtest");
	optind = 1;
	while (rc == 0 && (c = options_next(argc, argv, "h", longs, NULL)) != -1)
		switch (c) {
		case 's': rc = sql_endpoint_from_uri(&o->source, optarg, e); break;
		case 'k': rc = sql_endpoint_from_uri(&o->sink, optarg, e); break;
		case 'r': rc = storage(o, optarg, e); break;
		case 't':
			if (!tso_parse(optarg, &o->start_ts))
				rc = err_set(e, ERR_USAGE, 0,
					     "--start-ts: want a TSO, not \"%.40s\"", optarg);
			break;
		case 'm': rc = text(o->tso_map, sizeof(o->tso_map), "tso-map", optarg, e); break;
		case 'i': rc = text(o->id, sizeof(o->id), "id", optarg, e); break;
		case 'f':
			rc = text(o->status_path, sizeof(o->status_path), "status", optarg, e);
			break;
		case 'F': rc = number(&o->flush_ms, "flush-ms", optarg, e); break;
		case 'M': rc = number(&o->meta_ms, "meta-ms", optarg, e); break;
		case 'w': rc = number(&o->sink_workers, "workers", optarg, e); break;
		case 'z': o->lz4 = true; break;
		case 'h': return 1;
		default: return 2;
		}
	if (rc == 0 && optind < argc)
		rc = err_set(e, ERR_USAGE, 0, "too many arguments: \"%.80s\"", argv[optind]);
	if (rc == 0 && !o->status_path[0])
		snprintf(o->status_path, sizeof(o->status_path), "%s/feed-%s.json",
			 tmp && *tmp ? tmp : "/var/tmp", o->id);
	return rc < 0 ? -1 : feed_opts_check(o, e);
}

static int from_stdin(struct feed_opts *o, struct err *e)
{
	struct strbuf in = STRBUF_INIT;
	char piece[4096];
	ssize_t n;
	int rc = -1;

	while ((n = read(0, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, "read the options from standard input");
			goto out;
		}
		strbuf_add(&in, piece, (size_t)n);
		if (in.len > FEED_CONFIG_BYTES_MAX) {
			err_set(e, ERR_USAGE, 0,
				"the options on standard input are longer than %zu bytes",
				FEED_CONFIG_BYTES_MAX);
			goto out;
		}
	}
	rc = feed_opts_from_text(o, in.buf, in.len, e);
out:
	memset(in.buf, 0, in.len); /* passwords were in it */
	strbuf_release(&in);
	return rc;
}

int cmd_feed(int argc, char **argv)
{
	struct feed_opts o;
	struct err e = ERR_INIT;
	int rc;

	if (argc < 2 && isatty(0)) {
		fputs(help, stderr);
		return 2;
	}
	rc = argc > 1 ? from_argv(&o, argc, argv, &e) : from_stdin(&o, &e);
	if (rc == 1) {
		fputs(help, stdout);
		return 0;
	}
	if (rc == 2) {
		fputs(help, stderr);
		return 2;
	}
	if (rc < 0) {
		fprintf(stderr, "drtest feed: %s\n", e.text);
		return err_exit_code(&e);
	}
	return feed_main(&o);
}
