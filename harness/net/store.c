#include "harness/net/store.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/net/store_impl.h"

#define PATIENCE_MS_DEFAULT 10000
#define KEY_BYTES_MAX 1024

/* Names of a URI's parameters whose values may be shown; whatever else it holds may be a secret. */
static const char *const shown[] = { "endpoint", "region", "force-path-style",
				     "provider", "ca",     "storage-class" };

static char *redact_uri(const struct uri *u)
{
	struct strbuf s = STRBUF_INIT;

	strbuf_addf(&s, "%s://%s%s", u->scheme, u->host, u->path);
	for (size_t i = 0; i < u->n_params; i++) {
		const char *value = "***";

		for (size_t k = 0; k < sizeof(shown) / sizeof(shown[0]); k++)
			if (!strcmp(u->params[i].name, shown[k]) &&
			    !strchr(u->params[i].value, '@'))
				value = u->params[i].value;
		strbuf_addf(&s, "%c%s=%s", i ? '&' : '?', u->params[i].name, value);
	}
	return strbuf_detach(&s);
}

struct store *store_open(const char *option, const struct store_opts *o, struct err *e)
{
	struct strbuf uri = STRBUF_INIT;
	struct store *s = NULL;
	struct uri u = { 0 };

	if (uri_option(option, &uri, e) < 0 || uri_parse(&u, uri.buf, e) < 0)
		goto out;
	if (!strcmp(u.scheme, "s3"))
		s = store_s3_open(&u, e);
	else if (!strcmp(u.scheme, "file") || !strcmp(u.scheme, "local") ||
		 !strcmp(u.scheme, "nfs"))
		s = store_file_open(&u, e);
	else
		err_set(e,
			strstr("gcs gs azblob azure noop", u.scheme) ? ERR_UNSUPPORTED : ERR_USAGE,
			0,
			"store %s://: not supported; drtest reads and writes s3://, file://, local:// and nfs://",
			u.scheme);
	if (s) {
		s->redacted = redact_uri(&u);
		s->patience_ms = o && o->patience_ms > 0 ? o->patience_ms : PATIENCE_MS_DEFAULT;
	}
out:
	uri_release(&u);
	strbuf_release(&uri);
	return s;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	free(s->redacted);
	s->ops->free(s);
}

const char *store_uri_redacted(const struct store *s)
{
	return s->redacted;
}

const char *store_kind(const struct store *s)
{
	return s->ops->kind;
}

int store_create_bucket(struct store *s, struct err *e)
{
	return s->ops->create_bucket(s, e);
}

int store_bucket_exists(struct store *s, bool *exists, struct err *e)
{
	*exists = false;
	return s->ops->bucket_exists(s, exists, e);
}

static int check_key(const char *key, struct err *e)
{
	size_t len = strnlen(key, KEY_BYTES_MAX + 1);

	if (!len || len > KEY_BYTES_MAX)
		return err_set(e, ERR_USAGE, 0, "an object's key must have 1 to %d bytes",
			       KEY_BYTES_MAX);
	for (const char *p = key;; p++) {
		size_t n = strcspn(p, "/");

		if (!n || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return err_set(e, ERR_USAGE, 0, "key '%s': a part is empty, '.' or '..'",
				       key);
		p += n;
		if (!*p)
			break;
	}
	for (const char *p = key; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(e, ERR_USAGE, 0, "key '%s': contains a control character",
				       key);
	return 0;
}

int store_put(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	if (check_key(key, e) < 0)
		return -1;
	if (n > STORE_OBJECT_BYTES_MAX)
		return err_set(e, ERR_USAGE, 0,
			       "put %s: %zu bytes exceed the limit for an object (%zu)", key, n,
			       STORE_OBJECT_BYTES_MAX);
	return s->ops->put(s, key, data, n, e);
}

struct whole {
	struct strbuf *out;
	const char *key;
	size_t start, max;
};

static int take(void *arg, const void *data, size_t n, struct err *e)
{
	struct whole *w = arg;

	if (n > w->max - (w->out->len - w->start))
		return err_set(e, ERR_BAD_DATA, 0, "get %s: the object is larger than %zu bytes",
			       w->key, w->max);
	strbuf_add(w->out, data, n);
	return 0;
}

static void take_again(void *arg)
{
	struct whole *w = arg;

	strbuf_setlen(w->out, w->start);
}

int store_get(struct store *s, const char *key, size_t max, struct strbuf *out, struct err *e)
{
	struct whole w = { out, key, out->len, max };

	if (check_key(key, e) < 0)
		return -1;
	if (s->ops->get(s, key, take, take_again, &w, e) == 0)
		return 0;
	take_again(&w);
	return -1;
}

int store_get_stream(struct store *s, const char *key,
		     int (*fn)(void *arg, const void *data, size_t n, struct err *e), void *arg,
		     struct err *e)
{
	return check_key(key, e) < 0 ? -1 : s->ops->get(s, key, fn, NULL, arg, e);
}

void store_list_add(struct store_list *l, size_t *alloc, char *key, uint64_t size_bytes)
{
	XGROW(l->objects, l->n, *alloc, 64);
	l->objects[l->n++] = (struct store_object){ key, size_bytes };
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct store_object *)a)->key, ((const struct store_object *)b)->key);
}

int store_list(struct store *s, const char *prefix, struct store_list *out, struct err *e)
{
	*out = (struct store_list){ 0 };
	if (s->ops->list(s, prefix ? prefix : "", out, e) < 0) {
		store_list_release(out);
		return -1;
	}
	if (out->n)
		qsort(out->objects, out->n, sizeof(*out->objects), by_key);
	return 0;
}

void store_list_release(struct store_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->objects[i].key);
	free(l->objects);
	*l = (struct store_list){ 0 };
}

int store_delete(struct store *s, const char *key, struct err *e)
{
	return check_key(key, e) < 0 ? -1 : s->ops->del(s, key, e);
}
