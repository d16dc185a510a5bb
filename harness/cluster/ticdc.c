/* What TiCDC says, taken apart. */
#include "harness/cluster/ticdc.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 5.x writes checkpoint-ts, 6.2 and later checkpoint_ts and checkpoint_tso. The first that is there. */
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
	json_t *v = first_of(j, names);
	tso_t ts = 0;

	if (json_is_integer(v) && json_integer_value(v) > 0)
		return (tso_t)json_integer_value(v);
	if (json_is_string(v) && tso_parse(json_string_value(v), &ts))
		return ts;
	return 0;
}

static void text_of(json_t *j, const char *name, char *out, size_t room)
{
	const char *s = json_string_value(json_object_get(j, name));

	if (s && !*out)
		snprintf(out, room, "%s", s);
}

/* An error object of any version: {time, addr, code, message}; last_error and last_warning of the status. */
static void error_of(json_t *j, char *out, size_t room)
{
	static const char *const names[] = { "error", "last_error", "last_warning", NULL };
	json_t *v = first_of(j, names);
	const char *code = json_string_value(json_object_get(v, "code")), *message = json_string_value(json_object_get(v, "message"));

	if (*out || !v)
		return;
	if (json_is_string(v))
		snprintf(out, room, "%s", json_string_value(v));
	else if (message && code && !strstr(message, code))
		snprintf(out, room, "[%s] %s", code, message);
	else if (message || code)
		snprintf(out, room, "%s", message ? message : code);
	for (char *p = out; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
}

static void take(struct ticdc_feed *f, json_t *j)
{
	static const char *const checkpoint[] = { "checkpoint_ts", "checkpoint_tso", "checkpoint-ts", "tso", NULL };
	static const char *const resolved[] = { "resolved_ts", "resolved-ts", NULL };
	json_t *consistent = json_object_get(json_object_get(j, "config"), "consistent");

	text_of(j, "id", f->id, sizeof(f->id));
	text_of(j, "state", f->state, sizeof(f->state));
	if (!f->checkpoint_ts)
		f->checkpoint_ts = tso_of(j, checkpoint);
	if (!f->resolved_ts)
		f->resolved_ts = tso_of(j, resolved);
	text_of(consistent, "level", f->level, sizeof(f->level));
	error_of(j, f->error, sizeof(f->error));
}

int ticdc_feed_parse(struct ticdc_feed *f, const char *json, size_t n, struct err *e)
{
	static const char *const inner[] = { "info", "status", "summary" };
	json_error_t at;
	json_t *j = json_loadb(json, n, 0, &at), *one = j;

	memset(f, 0, sizeof(*f));
	if (json_is_array(j))
		one = json_array_get(j, 0);
	if (!json_is_object(one)) {
		json_decref(j);
		return err_set(e, ERR_BAD_DATA, 0, "TiCDC's changefeed is no JSON object: %s", *at.text ? at.text : "an empty list");
	}
	take(f, one);
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		if (json_is_object(json_object_get(one, inner[i])))
			take(f, json_object_get(one, inner[i]));
	json_decref(j);
	if (!f->state[0] && !f->checkpoint_ts)
		return err_set(e, ERR_BAD_DATA, 0, "TiCDC's changefeed tells neither state nor checkpoint");
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
		return err_set(e, ERR_BAD_DATA, 0, "`cdc cli changefeed create` printed %s", created ? "no Info line" : "no success");
	if (*id)
		memcpy(f->id, id, sizeof(id));
	return 0;
}

static const char *way_out(const char *text)
{
	static const struct { const char *says, *way_out; } known[] = {
		{ "ErrStartTsBeforeGC", "garbage collection has passed start-ts: keep it off from before the backup until the changefeed is created" },
		{ "ErrChangeFeedAlreadyExist", "take another id, or remove the old one (that deletes its redo log)" },
		{ "ErrSinkURIInvalid", "mysql://user:password@host:port/, special characters percent-encoded" },
		{ "ErrMySQLConnectionError", "TiCDC can't reach the sink: address, user and password as TiCDC's host sees them" },
		{ "ErrConsistentStorage", "s3://bucket/prefix?…, reachable from TiCDC's host; the bucket has to be there" },
		{ "ErrFailToCreateExternalStorage", "s3://bucket/prefix?…, reachable from TiCDC's host; the bucket has to be there" },
		{ "ErrSameUpstreamDownstream", "the sink is the source itself" },
		{ "ErrTableIneligible", "each table needs a primary or unique key" },
		{ "ErrServerIsNotReady", "TiCDC is still starting: try again" },
		{ "ErrUpstreamHasRunningImport", "wait until the import on the primary has ended" },
		{ "unknown configuration options", "this version of TiCDC does not know a key of [consistent]" },
		{ "ErrVersionIncompatible", "cdc and the cluster have to be of one version" },
		{ "ErrRedoMetaFileNotFound", "no redo log is there: the changefeed ran without [consistent], or another prefix is meant" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(text, known[i].says))
			return known[i].way_out;
	return NULL;
}

static int refused(const char *what, const char *text, int code, struct err *e)
{
	const char *help = way_out(text);

	return err_set(e, ERR_ENV, code, "%s: TiCDC says: %.700s%s%s%s", what, text, help ? " (way out: " : "", help ? help : "", help ? ")" : "");
}

static void one_line(char *text)
{
	size_t n = strlen(text);

	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\r' || *p == '\t')
			*p = ' ';
}

int ticdc_refused(const struct http_answer *a, const char *what, struct err *e)
{
	json_t *j = json_loadb(a->body.buf, a->body.len, 0, NULL);
	const char *message = json_string_value(json_object_get(j, "error_msg")), *code = json_string_value(json_object_get(j, "error_code"));
	char text[800];

	if (message && code && !strstr(message, code))
		snprintf(text, sizeof(text), "[%s] %.700s", code, message);
	else if (message)
		snprintf(text, sizeof(text), "%.780s", message);
	else
		snprintf(text, sizeof(text), "HTTP %ld %.200s", a->status, a->body.buf);
	one_line(text);
	json_decref(j);
	return refused(what, text, (int)a->status, e);
}

int ticdc_cli_refused(const char *said, const char *what, struct err *e)
{
	const char *p = strstr(said, "Error: ");
	char text[800];

	p = p ? p + 7 : said;
	snprintf(text, sizeof(text), "%.*s", (int)(strcspn(p, "\n") > 700 ? 700 : strcspn(p, "\n")), p);
	one_line(text);
	return refused(what, *text ? text : "nothing", 0, e);
}

int ticdc_metric(const char *text, const char *name, const char *id, double *value)
{
	size_t n = strlen(name);
	char want[160];

	snprintf(want, sizeof(want), "changefeed=\"%s\"", id);
	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		size_t len = strcspn(line, "\n");
		const char *labels_end, *p = line + n;
		char *end;

		if (strncmp(line, name, n) != 0 || (*p != '{' && *p != ' '))
			continue;
		if (*p == '{') {
			labels_end = memchr(p, '}', len - n);
			if (!labels_end)
				continue;
			const char *label = strstr(p, want);

			if (!label || label > labels_end)
				continue;
			p = labels_end + 1;
		}
		*value = strtod(p, &end);
		if (end != p && isfinite(*value))
			return 0;
	}
	return -1;
}

tso_t ticdc_redo_resolved(const char *metrics, const char *id)
{
	double v;

	if (ticdc_metric(metrics, "ticdc_redo_resolved_ts", id, &v) < 0 || v < 1e12)
		return 0;
	/* Prometheus has doubles: of a TSO the lowest bits are lost (up to 64 of its logical part), so it is rounded down to its millisecond;
	 * below 1e15 it is the milliseconds themselves. */
	return v < 1e15 ? tso_make((int64_t)v, 0) : tso_make(tso_ms((tso_t)v), 0);
}

char *ticdc_create_body(const struct ticdc_create *o)
{
	json_t *j = json_object(), *consistent = json_object();
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
	json_object_set_new(j, "replica_config", json_pack("{s:o}", "consistent", consistent));
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	return text;
}

/* A basic TOML string. */
static void toml_text(struct strbuf *out, const char *text)
{
	strbuf_addch(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			strbuf_addch(out, '\\');
		strbuf_addch(out, *text);
	}
	strbuf_addch(out, '"');
}

void ticdc_config_text(const struct ticdc_create *o, const unsigned v[3], struct strbuf *out)
{
	bool meta = v[0] > 7 || (v[0] == 7 && (v[1] >= 5 || (v[1] == 1 && v[2] >= 3))) || (v[0] == 6 && v[1] == 5 && v[2] >= 6);

	strbuf_addstr(out, "[consistent]\nlevel = ");
	toml_text(out, *o->redo_uri ? "eventual" : "none");
	strbuf_addch(out, '\n');
	if (*o->redo_uri) {
		strbuf_addstr(out, "storage = ");
		toml_text(out, o->redo_uri);
		strbuf_addch(out, '\n');
	}
	if (o->flush_ms)
		strbuf_addf(out, "flush-interval = %u\n", o->flush_ms);
	if (o->meta_ms && meta) /* an older one refuses keys that it does not know */
		strbuf_addf(out, "meta-flush-interval = %u\n", o->meta_ms);
}
