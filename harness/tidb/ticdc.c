/* What TiCDC says, taken apart. */
#include "harness/tidb/ticdc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/foreign_json.h"
#include "harness/base/secret.h"
#include "harness/base/xalloc.h"
#include "harness/tidb/tool_config.h"

/* 5.x writes checkpoint-ts, 6.2 and later checkpoint_ts and checkpoint_tso. The first that is
 * there. */
static json_t *first_of(json_t *j, const char *const *names)
{
	for (; *names; names++) {
		json_t *v = json_object_get(j, *names);

		if (v && !json_is_null(v))
			return v;
	}
	return NULL;
}

static tso_t tso_of(json_t *j, const char *const *names)
{
	tso_t ts = 0;

	return foreign_json_u64(first_of(j, names), &ts) ? ts : 0;
}

static void text_of(json_t *j, const char *name, char *out, size_t room)
{
	const char *s = json_string_value(json_object_get(j, name));

	if (s && !*out)
		snprintf(out, room, "%s", s);
}

/* TiCDC's words as drtest keeps them: one line, without the passwords and keys that they quote. */
static void keep_words(const char *said, char *out, size_t room)
{
	struct strbuf clean = STRBUF_INIT;
	size_t n = 0;

	secret_redact(&clean, said);
	for (const char *p = clean.buf; *p && n + 1 < room; p++) {
		bool gap = *p == '\n' || *p == '\r' || *p == '\t' || *p == ' ';

		if (!gap)
			out[n++] = *p;
		else if (n && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	strbuf_release(&clean);
}

/* An error object of any version: {time, addr, code, message}; last_error and last_warning of the
 * status. */
static void error_of(json_t *j, char *out, size_t room)
{
	static const char *const names[] = { "error", "last_error", "last_warning", NULL };
	json_t *v = first_of(j, names);
	const char *code = json_string_value(json_object_get(v, "code")),
		   *message = json_string_value(json_object_get(v, "message"));

	struct strbuf said = STRBUF_INIT;

	if (*out || !v)
		return;
	if (json_is_string(v))
		strbuf_addstr(&said, json_string_value(v));
	else if (message && code && !strstr(message, code))
		strbuf_addf(&said, "[%s] %s", code, message);
	else if (message || code)
		strbuf_addstr(&said, message ? message : code);
	keep_words(said.buf, out, room);
	strbuf_release(&said);
}

static void ms_of(json_t *j, const char *name, unsigned *out)
{
	json_int_t v = json_integer_value(json_object_get(j, name));

	if (v > 0 && v <= UINT32_MAX)
		*out = (unsigned)v;
}

static void take(struct ticdc_feed *f, json_t *j)
{
	static const char *const checkpoint[] = { "checkpoint_ts", "checkpoint_tso",
						  "checkpoint-ts", "tso", NULL };
	static const char *const resolved[] = { "resolved_ts", "resolved-ts", NULL };
	json_t *consistent = json_object_get(json_object_get(j, "config"), "consistent");

	text_of(j, "id", f->id, sizeof(f->id));
	text_of(j, "state", f->state, sizeof(f->state));
	if (!f->checkpoint_ts)
		f->checkpoint_ts = tso_of(j, checkpoint);
	if (!f->resolved_ts)
		f->resolved_ts = tso_of(j, resolved);
	text_of(consistent, "level", f->level, sizeof(f->level));
	text_of(consistent, "storage", f->storage, sizeof(f->storage));
	f->storage[strcspn(f->storage, "?")] = '\0';
	ms_of(consistent, "flush_interval", &f->flush_ms);
	ms_of(consistent, "meta_flush_interval", &f->meta_ms);
	error_of(j, f->error, sizeof(f->error));
	/* the new architecture tells the checkpoint in resolved_ts's place */
	f->resolved_is_checkpoint = f->resolved_is_checkpoint || json_object_get(j, "gid") ||
				    json_object_get(j, "keyspace") ||
				    json_object_get(j, "maintainer_addr");
}

int ticdc_feed_parse(struct ticdc_feed *f, const char *json, size_t n, struct err *e)
{
	static const char *const inner[] = { "info", "status", "summary" };
	struct err why = ERR_INIT;
	json_t *j = foreign_json(json, n, &why), *one = j;

	memset(f, 0, sizeof(*f));
	if (json_is_array(j))
		one = json_array_get(j, 0);
	if (!json_is_object(one)) {
		json_decref(j);
		return err_set(e, ERR_BAD_DATA, 0,
			       "TiCDC's response about a changefeed is not a "
			       "JSON object: %s",
			       why.text[0] ? why.text : "an empty list");
	}
	take(f, one);
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		if (json_is_object(json_object_get(one, inner[i])))
			take(f, json_object_get(one, inner[i]));
	json_decref(j);
	if (!f->state[0] && !f->checkpoint_ts)
		return err_set(e, ERR_BAD_DATA, 0,
			       "TiCDC's response about a changefeed has neither state nor "
			       "checkpoint");
	return 0;
}

int ticdc_create_parse(struct ticdc_feed *f, const char *text, size_t n, struct err *e)
{
	static const char done[] = "Create changefeed successfully!";
	char id[sizeof(f->id)] = "";
	bool created = false, told = false;

	memset(f, 0, sizeof(*f));
	for (size_t at = 0; at < n;) {
		const char *line = text + at, *end = memchr(line, '\n', n - at);
		size_t len = end ? (size_t)(end - line) : n - at;

		if (len >= sizeof(done) - 1 && !memcmp(line, done, sizeof(done) - 1))
			created = true;
		else if (created && len > 4 && !memcmp(line, "ID: ", 4))
			snprintf(id, sizeof(id), "%.*s", (int)(len - 4), line + 4);
		else if (created && !told && len > 6 && !memcmp(line, "Info: ", 6)) {
			if (ticdc_feed_parse(f, line + 6, len - 6, e) < 0)
				return err_wrap(e, "what `cdc cli changefeed create` printed");
			told = true;
		}
		at += len + 1;
	}
	if (!created || !told)
		return err_set(e, ERR_BAD_DATA, 0, "`cdc cli changefeed create` printed %s",
			       created ? "no Info line" : "no success");
	if (*id)
		memcpy(f->id, id, sizeof(id));
	return 0;
}

/* The innermost code comes last in TiCDC's text and tells the most: the new architecture wraps
 * every trouble with the sink in ErrSinkURIInvalid, every one with the store in
 * ErrInvalidReplicaConfig. So what is specific stands first here. */
static const char *way_out(const char *text)
{
	static const struct {
		const char *says, *way_out;
	} known[] = {
		{ "timezone of the TiCDC server",
		  "the sink's time zone must be TiCDC's own: remove time-zone from the sink URI, "
		  "or start `cdc server` with --tz" },
		{ "ErrLoadTimezone",
		  "TiCDC only accepts the names of time zones, such as UTC or Asia/Shanghai" },
		{ "Unknown or incorrect time zone",
		  "the sink has no time zone tables: load the output of mysql_tzinfo_to_sql "
		  "/usr/share/zoneinfo into its mysql database" },
		{ "Error 1045",
		  "the sink refuses TiCDC's user: check the name, the password, and the host "
		  "that TiCDC connects from" },
		{ "does not support TLS",
		  "the sink has no TLS: enable it there, or leave tls out of its sink" },
		{ "x509: ",
		  "TiCDC does not trust the sink's certificate: sink.tls needs the CA that signed "
		  "it, and the certificate the address that TiCDC uses, and a date to come" },
		{ "no such file or directory",
		  "the files of sink.tls are read by TiCDC, on its hosts: copy them there" },
		{ "ErrMySQLConnectionError",
		  "TiCDC cannot reach the sink: check address, user and password from TiCDC's "
		  "host" },
		{ "status code: 403",
		  "the store refuses TiCDC's keys: check access-key and secret-access-key on "
		  "TiCDC's host" },
		{ "status code: 404", "the bucket does not exist: create it first" },
		{ "NoSuchBucket", "the bucket does not exist: create it first" },
		{ "context deadline exceeded",
		  "TiCDC cannot reach the store: check its endpoint from TiCDC's host" },
		{ "tikv:9006",
		  "garbage collection has passed start-ts: disable it from before the backup "
		  "until the changefeed is created" },
		{ "ErrStartTsBeforeGC",
		  "garbage collection has passed start-ts: disable it from before the backup "
		  "until the changefeed is created" },
		{ "ErrChangeFeedAlreadyExist",
		  "use another ID, or remove the old changefeed (that deletes its redo log)" },
		{ "ErrConsistentStorage",
		  "use s3://bucket/prefix?…, reachable from TiCDC's host; the bucket must exist" },
		{ "ErrFailToCreateExternalStorage",
		  "use s3://bucket/prefix?…, reachable from TiCDC's host; the bucket must exist" },
		{ "ErrStorageInitialize",
		  "use s3://bucket/prefix?…, reachable from TiCDC's host; the bucket must exist" },
		{ "ErrSameUpstreamDownstream", "the sink is the source itself" },
		{ "ErrTableIneligible", "each table needs a primary or unique key" },
		{ "ErrServerIsNotReady", "TiCDC is still starting: try again" },
		{ "ErrClusterIsUnhealthy",
		  "TiCDC is still starting, or has lost its PD: try again" },
		{ "ErrPDEtcdAPIError", "TiCDC cannot reach its PD: check whether it is running" },
		{ "ErrOwnerNotFound",
		  "TiCDC has no owner: its PD does not respond, or its captures are still "
		  "starting" },
		{ "ErrUpstreamHasRunningImport", "wait until the import on the primary has ended" },
		{ "unknown configuration options",
		  "this version of TiCDC does not know a key of [consistent]" },
		{ "ErrVersionIncompatible", "cdc and the cluster must have the same version" },
		{ "ErrRedoMetaFileNotFound",
		  "no redo log there: the changefeed ran without [consistent], or the prefix is "
		  "wrong" },
		{ "ErrRedoMetaInitialize",
		  "the redo log's .meta object is damaged: restore an older version of it, if "
		  "the store keeps versions" },
		{ "http pprof", "another program uses the port of its profiler (6060): use "
				"--enable-profiling=false, or free that port" },
		{ "ErrSinkURIInvalid",
		  "use mysql://user:password@host:port/, with special characters percent-encoded" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(text, known[i].says))
			return known[i].way_out;
	return NULL;
}

/* The owner has died, or another has not yet taken over. A server that does not own the changefeeds
 * passes a request on, and tells what came of it in Go's words:
 * Get "http://host:port/api/v2/…": dial tcp …: connect: connection refused. */
static bool owner_is_away(const char *said)
{
	static const char *const away[] = { "ErrOwnerNotFound", "ErrNotOwner",
					    /* the new architecture's owner, the coordinator */
					    "not fully initialized", "not initialized, wait",
					    "TiCDC cluster is unavailable" };

	for (size_t i = 0; i < sizeof(away) / sizeof(away[0]); i++)
		if (strstr(said, away[i]))
			return true;
	return strstr(said, "\"http") && strstr(said, "/api/v2/") &&
	       (strstr(said, "dial tcp") || strstr(said, "connection re") || strstr(said, ": EOF"));
}

static int explain_refusal(const char *what, const char *said, int code, struct err *e)
{
	bool away = owner_is_away(said);
	const char *help = way_out(said);
	char text[700];

	keep_words(said, text, sizeof(text));
	return err_set(e,
		       away                                     ? ERR_TIMEOUT
		       : strstr(said, "ErrChangeFeedNotExists") ? ERR_NOT_FOUND
								: ERR_ENV,
		       away ? TICDC_OWNER_AWAY : code, "%s: TiCDC says: %s%s%s%s", what,
		       *text ? text : "nothing", help ? " (fix: " : "", help ? help : "",
		       help ? ")" : "");
}

int ticdc_refused(const struct http_answer *a, const char *what, struct err *e)
{
	json_t *j = foreign_json(a->body.buf, a->body.len, NULL);
	const char *message = json_string_value(json_object_get(j, "error_msg")),
		   *code = json_string_value(json_object_get(j, "error_code"));
	struct strbuf said = STRBUF_INIT;

	if (message && code && *code && !strstr(message, code))
		strbuf_addf(&said, "[%s] %s", code, message);
	else if (message)
		strbuf_addstr(&said, message);
	else
		strbuf_addf(&said, "HTTP %ld %.200s", a->status, a->body.buf);
	json_decref(j);
	explain_refusal(what, said.buf, (int)a->status, e);
	strbuf_release(&said);
	return -1;
}

int ticdc_cli_refused(const char *said, const char *what, struct err *e)
{
	const char *error = strstr(said, "Error: "), *fatal = strstr(said, "[FATAL]"),
		   *p = error   ? error + 7
			: fatal ? fatal
				: said;
	char *line = xstrfmt("%.*s", (int)strcspn(p, "\n"), p);

	explain_refusal(what, line, 0, e);
	free(line);
	return -1;
}

#define SYNCPOINT_KEPT_NS ((json_int_t)24 * 3600 * 1000000000)

char *ticdc_create_body(const struct ticdc_create *o)
{
	json_t *j = json_object(), *consistent = json_object(), *config;
	char *text;

	json_object_set_new(j, "changefeed_id", json_string(o->id));
	json_object_set_new(j, "sink_uri", json_string(o->sink_uri));
	json_object_set_new(j, "start_ts", json_integer((json_int_t)o->start_ts));
	json_object_set_new(consistent, "level", json_string(*o->redo_uri ? "eventual" : "none"));
	if (*o->redo_uri)
		json_object_set_new(consistent, "storage", json_string(o->redo_uri));
	if (o->flush_ms)
		json_object_set_new(consistent, "flush_interval", json_integer(o->flush_ms));
	if (o->meta_ms)
		json_object_set_new(consistent, "meta_flush_interval", json_integer(o->meta_ms));
	config = json_pack("{s:o}", "consistent", consistent);
	if (o->syncpoint_ms) { /* in nanoseconds */
		json_object_set_new(config, "enable_sync_point", json_true());
		json_object_set_new(config, "sync_point_interval",
				    json_integer((json_int_t)o->syncpoint_ms * 1000000));
		json_object_set_new(config, "sync_point_retention",
				    json_integer(SYNCPOINT_KEPT_NS));
	}
	if (o->bdr)
		json_object_set_new(config, "bdr_mode", json_true());
	if (o->force_replicate)
		json_object_set_new(config, "force_replicate", json_true());
	json_object_set_new(j, "replica_config", config);
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	return text;
}

void ticdc_config_text(const struct ticdc_create *o, const unsigned v[3], struct strbuf *out)
{
	bool meta = v[0] > 7 || (v[0] == 7 && (v[1] >= 5 || (v[1] == 1 && v[2] >= 3))) ||
		    (v[0] == 6 && v[1] == 5 && v[2] >= 6);

	if (o->syncpoint_ms)
		strbuf_addf(
			out,
			"enable-sync-point = true\nsync-point-interval = \"%us\"\nsync-point-retention = \"24h\"\n",
			o->syncpoint_ms / 1000);
	if (o->bdr)
		strbuf_addstr(out, "bdr-mode = true\n");
	if (o->force_replicate)
		strbuf_addstr(out, "force-replicate = true\n");
	strbuf_addstr(out, "[consistent]\n");
	tool_config_add(out, "level", *o->redo_uri ? "eventual" : "none");
	if (*o->redo_uri)
		tool_config_add(out, "storage", o->redo_uri);
	if (o->flush_ms)
		strbuf_addf(out, "flush-interval = %u\n", o->flush_ms);
	if (o->meta_ms && meta) /* an older one refuses keys that it does not know */
		strbuf_addf(out, "meta-flush-interval = %u\n", o->meta_ms);
}
