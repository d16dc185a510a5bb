#include "cli/commands.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "harness/base/uri.h"
#include "harness/feed/config.h"
#include "harness/os/fs.h"

static int take_source(void *into, const char *text, struct err *e)
{
	return sql_endpoint_from_uri(&((struct feed_opts *)into)->source, text, e);
}

static int take_sink(void *into, const char *text, struct err *e)
{
	return sql_endpoint_from_uri(&((struct feed_opts *)into)->sink, text, e);
}

static int take_storage(void *into, const char *text, struct err *e)
{
	struct feed_opts *o = into;
	struct strbuf uri = STRBUF_INIT;
	int rc = uri_option(text, &uri, e);

	if (rc == 0 && uri.len >= sizeof(o->redo_uri))
		rc = err_set(e, ERR_USAGE, 0, "at most %zu bytes", sizeof(o->redo_uri) - 1);
	if (rc == 0)
		memcpy(o->redo_uri, uri.buf, uri.len + 1);
	strbuf_release(&uri);
	return rc;
}

static int take_start_ts(void *into, const char *text, struct err *e)
{
	return tso_parse(text, &((struct feed_opts *)into)->start_ts)
		       ? 0
		       : option_wants(e, text, "a TSO such as 435844546560000001");
}

#define INTERVAL_MS_MAX 1000000000
static int take_interval(unsigned *ms, const char *text, struct err *e)
{
	int64_t n = duration_parse_ms(text);

	if (n <= 0 || n > INTERVAL_MS_MAX)
		return option_wants(e, text, "a time such as 2s, 200ms");
	*ms = (unsigned)n;
	return 0;
}

static int take_flush_interval(void *into, const char *text, struct err *e)
{
	return take_interval(&((struct feed_opts *)into)->flush_ms, text, e);
}

static int take_meta_flush_interval(void *into, const char *text, struct err *e)
{
	return take_interval(&((struct feed_opts *)into)->meta_ms, text, e);
}

#define FIELD(name, arg, help, member)                                             \
	{                                                                          \
		name, OPTION_FIELD, arg, help, offsetof(struct feed_opts, member), \
			.max = sizeof(((struct feed_opts *)0)->member)             \
	}
#define NUMBER(name, arg, help, member)                                               \
	{                                                                             \
		name, OPTION_UNSIGNED, arg, help, offsetof(struct feed_opts, member), \
			.max = 1000000000                                             \
	}
static const struct option_def options[] = {
	{ "source-uri", OPTION_TAKE, "URI",
	  "mysql://user:password@host:port; to keep the password off the command line, @FILE or "
	  "env:NAME with the URI",
	  .take = take_source },
	{ "sink-uri", OPTION_TAKE, "URI", "the same, for the secondary", .take = take_sink },
	{ "storage", OPTION_TAKE, "URI",
	  "write the redo log to s3://bucket/prefix?endpoint=... or file:///directory, or @FILE "
	  "or env:NAME; without it, no redo log",
	  .take = take_storage },
	{ "start-ts", OPTION_TAKE, "TSO",
	  "BackupTS; a feed with a later checkpoint resumes there instead", .take = take_start_ts },
	FIELD("tso-map", "FILE",
	      "the source's commit clock, which a run on the local ground writes", tso_map),
	FIELD("id", "NAME", "changefeed id (drtest)", id),
	FIELD("status", "FILE",
	      "write the status to FILE as JSON every 100 ms (feed-<id>.json in $TMPDIR or "
	      "/var/tmp)",
	      status_path),
	{ "flush-interval", OPTION_TAKE, "TIME", "flush the redo log at this interval (2s)",
	  .take = take_flush_interval },
	{ "meta-flush-interval", OPTION_TAKE, "TIME",
	  "write its meta file at this interval (200ms)", .take = take_meta_flush_interval },
	NUMBER("workers", "N", "connections to the sink (4)", sink_workers),
	{ "lz4", OPTION_FLAG, NULL, "compress the redo log", offsetof(struct feed_opts, lz4),
	  .max = 0 },
	{ "flush-ms", OPTION_UNSIGNED, "N", NULL, offsetof(struct feed_opts, flush_ms),
	  .max = INTERVAL_MS_MAX, .now = "flush-interval" },
	{ "meta-ms", OPTION_UNSIGNED, "N", NULL, offsetof(struct feed_opts, meta_ms),
	  .max = INTERVAL_MS_MAX, .now = "meta-flush-interval" },
	{ 0 },
};
static const struct command_def command = {
	.name = "feed",
	.usage =
		"drtest feed < OPTIONS.json\n"
		"drtest feed --source-uri URI --sink-uri URI --start-ts TSO --tso-map FILE [options]",
	.about = "Replicates the source to the sink and writes TiCDC's redo log, until SIGTERM "
		 "(it then stops at a checkpoint) or an error.",
	.options = options,
	.more = "Without options, reads them from standard input as JSON: id, source {host, "
		"port, user, password}, sink {..}, tso_map, start_ts, redo_uri, flush_ms, "
		"meta_ms, sink_workers, sink_batch_rows, max_log_bytes, lz4, status_path, "
		"tmp_dir.\n"
		"Exit code: 0 stopped by SIGTERM, 1 failed, 2 wrong usage, 3 could not start",
};

static int from_argv(struct feed_opts *o, int argc, char **argv, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	int rc;

	memset(o, 0, sizeof(*o));
	snprintf(o->id, sizeof(o->id), "drtest");
	rc = options_parse(&command, argc, argv, o);
	if (rc)
		return rc;
	if (!o->status_path[0])
		snprintf(o->status_path, sizeof(o->status_path), "%s/feed-%s.json",
			 tmp && *tmp ? tmp : "/var/tmp", o->id);
	return feed_opts_check(o, e);
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
				"the options on standard input have more than %zu bytes",
				FEED_CONFIG_BYTES_MAX);
			goto out;
		}
	}
	if (!in.len)
		err_set(e, ERR_USAGE, 0,
			"--source-uri, --sink-uri and --start-ts are required, or the options as JSON on standard input (drtest feed --help)");
	else
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
		options_help(&command, stderr);
		return 2;
	}
	rc = argc > 1 ? from_argv(&o, argc, argv, &e) : from_stdin(&o, &e);
	if (rc > 0)
		return rc == 1 ? 0 : 2;
	if (rc < 0) {
		fprintf(stderr, "drtest feed: %s\n", e.text);
		return err_exit_code(&e);
	}
	return feed_main(&o);
}
