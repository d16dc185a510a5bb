#include "harness/feed/config.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/feed/watermarks.h"

enum field_kind { TEXT, UNSIGNED, SIZE, BOOLEAN, TSO, ENDPOINT };
struct field {
	const char *name;
	enum field_kind kind;
	size_t offset, bytes; /* bytes: of a text, its NUL included */
};
#define F(type, member, kind)                                                                    \
	{                                                                                        \
#member, kind, offsetof(struct type, member), sizeof(((struct type *)0)->member) \
	}
static const struct field endpoint_fields[] = {
	F(sql_endpoint, host, TEXT),    F(sql_endpoint, port, UNSIGNED),
	F(sql_endpoint, user, TEXT),    F(sql_endpoint, password, TEXT),
	F(sql_endpoint, ssl_ca, TEXT),  F(sql_endpoint, ssl_cert, TEXT),
	F(sql_endpoint, ssl_key, TEXT), F(sql_endpoint, ssl_server_name, TEXT),
	F(sql_endpoint, tls, UNSIGNED), { NULL, TEXT, 0, 0 },
};
static const struct field feed_fields[] = {
	F(feed_opts, id, TEXT),
	F(feed_opts, source, ENDPOINT),
	F(feed_opts, sink, ENDPOINT),
	F(feed_opts, tso_map, TEXT),
	F(feed_opts, start_ts, TSO),
	F(feed_opts, redo_uri, TEXT),
	F(feed_opts, flush_ms, UNSIGNED),
	F(feed_opts, meta_ms, UNSIGNED),
	F(feed_opts, sink_workers, UNSIGNED),
	F(feed_opts, max_log_bytes, SIZE),
	F(feed_opts, lz4, BOOLEAN),
	F(feed_opts, status_path, TEXT),
	F(feed_opts, tmp_dir, TEXT),
	F(feed_opts, sink_batch_rows, UNSIGNED),
	F(feed_opts, bdr, BOOLEAN),
	F(feed_opts, force_replicate, BOOLEAN),
	F(feed_opts, keyless_bytes, SIZE),
	{ NULL, TEXT, 0, 0 },
};

static json_t *fields_to_json(const struct field *f, const void *from)
{
	json_t *j = json_object();

	for (; f->name; f++) {
		const char *p = (const char *)from + f->offset;
		char number[24];

		switch (f->kind) {
		case TEXT: json_object_set_new(j, f->name, json_string(p)); break;
		case UNSIGNED:
			json_object_set_new(j, f->name,
					    json_integer(*(const unsigned *)(const void *)p));
			break;
		case SIZE:
			json_object_set_new(
				j, f->name,
				json_integer((json_int_t) * (const size_t *)(const void *)p));
			break;
		case BOOLEAN:
			json_object_set_new(j, f->name, json_boolean(*(const bool *)p));
			break;
		case TSO:
			snprintf(number, sizeof(number), "%llu",
				 (unsigned long long)*(const tso_t *)(const void *)p);
			json_object_set_new(j, f->name, json_string(number));
			break;
		case ENDPOINT:
			json_object_set_new(j, f->name, fields_to_json(endpoint_fields, p));
			break;
		}
	}
	return j;
}

static int fields_from_json(const struct field *fields, void *to, json_t *j, const char *where,
			    struct err *e);

static int field_from_json(const struct field *f, void *to, json_t *v, struct err *e)
{
	char *p = (char *)to + f->offset;

	switch (f->kind) {
	case TEXT:
		if (!json_is_string(v) || json_string_length(v) >= f->bytes ||
		    strlen(json_string_value(v)) != json_string_length(v))
			return err_set(e, ERR_USAGE, 0, "%s: must be a text of at most %zu bytes",
				       f->name, f->bytes - 1);
		memcpy(p, json_string_value(v), json_string_length(v) + 1);
		return 0;
	case UNSIGNED:
		if (!json_is_integer(v) || json_integer_value(v) < 0 ||
		    json_integer_value(v) > 1000000000)
			return err_set(e, ERR_USAGE, 0, "%s: must be a number from 0 to 1000000000",
				       f->name);
		*(unsigned *)(void *)p = (unsigned)json_integer_value(v);
		return 0;
	case SIZE:
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return err_set(e, ERR_USAGE, 0, "%s: must be a number of bytes", f->name);
		*(size_t *)(void *)p = (size_t)json_integer_value(v);
		return 0;
	case BOOLEAN:
		if (!json_is_boolean(v))
			return err_set(e, ERR_USAGE, 0, "%s: must be true or false", f->name);
		*(bool *)p = json_is_true(v);
		return 0;
	case TSO:
		if (!json_is_string(v) || !tso_parse(json_string_value(v), (tso_t *)(void *)p))
			return err_set(e, ERR_USAGE, 0, "%s: must be a TSO as text", f->name);
		return 0;
	case ENDPOINT: return fields_from_json(endpoint_fields, p, v, f->name, e);
	}
	return -1;
}

static int fields_from_json(const struct field *fields, void *to, json_t *j, const char *where,
			    struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(j))
		return err_set(e, ERR_USAGE, 0, "%s: must be a JSON object", where);
	json_object_foreach(j, key, v)
	{
		const struct field *f = fields;
		while (f->name && strcmp(f->name, key))
			f++;
		if (!f->name)
			return err_set(e, ERR_USAGE, 0, "%s: unknown field \"%.64s\"", where, key);
		if (field_from_json(f, to, v, e) < 0)
			return err_wrap(e, "%s", where);
	}
	return 0;
}

json_t *feed_opts_to_json(const struct feed_opts *o)
{
	return fields_to_json(feed_fields, o);
}

static int feed_opts_from_json(struct feed_opts *o, json_t *j, struct err *e)
{
	memset(o, 0, sizeof(*o));
	return fields_from_json(feed_fields, o, j, "feed options", e);
}

/* [a-zA-Z0-9]+(-[a-zA-Z0-9]+)*: the names of log files are taken apart at '_'. */
static bool id_is_valid(const char *id)
{
	for (const char *p = id; *p; p++) {
		bool dash = *p == '-';
		if (!dash && !isalnum((unsigned char)*p))
			return false;
		if (dash && (p == id || p[-1] == '-' || !p[1]))
			return false;
	}
	return *id != '\0';
}

int feed_opts_check(const struct feed_opts *o, struct err *e)
{
	if (!id_is_valid(o->id))
		return err_set(
			e, ERR_USAGE, 0,
			"feed id \"%s\": must be letters and digits with single dashes between "
			"them",
			o->id);
	if (!o->source.host[0] || !o->source.port || o->source.port > 65535)
		return err_set(e, ERR_USAGE, 0, "feed source: needs host and port");
	if (!o->sink.host[0] || !o->sink.port || o->sink.port > 65535)
		return err_set(e, ERR_USAGE, 0, "feed sink: needs host and port");
	if (!strcmp(o->source.host, o->sink.host) && o->source.port == o->sink.port)
		return err_set(e, ERR_USAGE, 0, "feed: source and sink are the same server, %s:%u",
			       o->source.host, o->source.port);
	if (!o->tso_map[0])
		return err_set(
			e, ERR_USAGE, 0,
			"feed tso_map (--tso-map): the path of the source's commit TSO samples is missing");
	if (!o->start_ts)
		return err_set(e, ERR_USAGE, 0, "feed start_ts: must be a TSO (a BackupTS)");
	if (!o->status_path[0])
		return err_set(e, ERR_USAGE, 0, "feed status_path: must be a path");
	if ((o->flush_ms && o->flush_ms < 50) || o->flush_ms > 600000 ||
	    (o->meta_ms && o->meta_ms < 50) || o->meta_ms > 600000)
		return err_set(e, ERR_USAGE, 0, "feed flush_ms and meta_ms: must be 50 to 600000");
	if (o->sink_workers > FEED_WORKERS_MAX)
		return err_set(e, ERR_USAGE, 0, "feed sink_workers: must be 1 to %d",
			       FEED_WORKERS_MAX);
	if (o->sink_batch_rows > 65536)
		return err_set(e, ERR_USAGE, 0, "feed sink_batch_rows: must be 1 to 65536");
	return 0;
}

int feed_opts_from_text(struct feed_opts *o, const char *text, size_t n, struct err *e)
{
	json_error_t why;
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	int rc;

	if (!j)
		return err_set(e, ERR_USAGE, 0, "feed options: line %d: %s", why.line, why.text);
	rc = feed_opts_from_json(o, j, e);
	json_decref(j);
	return rc < 0 ? -1 : feed_opts_check(o, e);
}

void feed_opts_defaults(struct feed_opts *o)
{
	const char *tmp = getenv("TMPDIR");

	o->flush_ms = o->flush_ms ? o->flush_ms : 2000;
	o->meta_ms = o->meta_ms ? o->meta_ms : 200;
	o->sink_workers = o->sink_workers ? o->sink_workers : 4;
	o->sink_batch_rows = o->sink_batch_rows ? o->sink_batch_rows : 256;
	o->max_log_bytes = o->max_log_bytes ? o->max_log_bytes : (size_t)64 << 20;
	o->keyless_bytes = o->keyless_bytes ? o->keyless_bytes : (size_t)256 << 20;
	if (!o->tmp_dir[0])
		snprintf(o->tmp_dir, sizeof(o->tmp_dir), "%s", tmp && *tmp ? tmp : "/var/tmp");
}
