/* A store in an S3 bucket: the verbs. Requests and retries are s3_http.c's, answers s3_xml.c's. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/secret.h"
#include "harness/base/xalloc.h"
#include "harness/net/s3_http.h"
#include "harness/net/store_impl.h"

#define MULTIPART_OVER ((size_t)16 << 20)
/* S3: 5 MiB to 5 GiB each but the last, at most 10,000 */
#define PART_BYTES ((size_t)8 << 20)
#define LIST_BYTES_MAX ((size_t)1 << 30) /* of names and sizes in memory */
#define ABORT_PATIENCE_MS 2000

struct store_s3 {
	struct store base;
	struct s3_client *client;
	char *bucket, *region;
	char *root;   /* the bucket's path: "/bucket", or "" when the host holds its name */
	char *prefix; /* "" or ending in '/' */
};

static struct store_s3 *s3_store(struct store *s)
{
	return (struct store_s3 *)s;
}

static char *bucket_path(const struct store_s3 *s)
{
	return xstrdup(*s->root ? s->root : "/");
}

static char *object_path(const struct store_s3 *s, const char *key)
{
	struct strbuf path = STRBUF_INIT;

	strbuf_addf(&path, "%s/", s->root);
	uri_encode(&path, s->prefix, strlen(s->prefix), "/");
	uri_encode(&path, key, strlen(key), "/");
	return strbuf_detach(&path);
}

static int s3_bucket_exists(struct store *st, bool *exists, struct err *e)
{
	struct store_s3 *s = s3_store(st);
	struct s3_response r = S3_RESPONSE_INIT;
	char *path = bucket_path(s), *what = xstrfmt("check bucket '%s'", s->bucket);
	struct s3_request q = { .method = "HEAD", .path = path, .patience_ms = st->patience_ms };
	int rc = -1;

	if (s3_request(s->client, &q, &r, e) < 0) {
		err_wrap(e, "%s", what);
		goto out;
	}
	if (r.status / 100 != 2 && r.status != 404) {
		/* A HEAD's answer has no body, and so no reason: ask again with one. */
		q.method = "GET";
		q.query = "list-type=2&max-keys=1";
		if (s3_request(s->client, &q, &r, e) < 0) {
			err_wrap(e, "%s", what);
			goto out;
		}
	}
	if (r.status / 100 != 2 && r.status != 404) {
		s3_refused(s->client, &r, what, e);
		goto out;
	}
	*exists = r.status != 404;
	rc = 0;
out:
	s3_response_release(&r);
	free(what);
	free(path);
	return rc;
}

static int s3_create_bucket(struct store *st, struct err *e)
{
	struct store_s3 *s = s3_store(st);
	struct s3_response r = S3_RESPONSE_INIT;
	char *path = bucket_path(s), *what = xstrfmt("create bucket '%s'", s->bucket), *body = NULL;
	struct s3_request q = { .method = "PUT", .path = path, .patience_ms = st->patience_ms };
	bool exists = false;
	int rc = -1;

	if (strcmp(s->region, "us-east-1") != 0) { /* the one region that must not be named */
		body = xstrfmt(
			"<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>",
			s->region);
		q.body = body;
		q.body_n = strlen(body);
	}
	if (s3_request(s->client, &q, &r, e) < 0)
		err_wrap(e, "%s", what);
	else if (r.status / 100 == 2 || !strcmp(r.answer.code, "BucketAlreadyOwnedByYou"))
		rc = 0;
	else if (r.status == 403 && s3_bucket_exists(st, &exists, NULL) == 0 && exists)
		rc = 0; /* a key that may only read and write, as it should be */
	else
		s3_refused(s->client, &r, what, e);
	s3_response_release(&r);
	free(body);
	free(what);
	free(path);
	return rc;
}

struct multipart {
	struct store_s3 *s;
	const char *path;
	char *id; /* encoded */
	unsigned parts;
	struct strbuf etags; /* the parts of the final document */
	struct strbuf sums;  /* the parts' MD5s, binary, for the ETag of the whole */
};

static void add_sum(struct multipart *m, const char *etag)
{
	unsigned v;

	for (const char *p = etag + (*etag == '"'); p[0] && p[1] && sscanf(p, "%2x", &v) == 1;
	     p += 2)
		strbuf_addch(&m->sums, (char)v);
}

static int upload_part(struct multipart *m, const char *data, size_t n, struct err *e)
{
	char *query = xstrfmt("partNumber=%u&uploadId=%s", m->parts + 1, m->id), *etag;
	struct s3_request q = { .method = "PUT",
				.path = m->path,
				.query = query,
				.body = data,
				.body_n = n,
				.patience_ms = m->s->base.patience_ms,
				.tagged = true };
	struct s3_response r = S3_RESPONSE_INIT;
	int rc = -1;

	if (s3_request(m->s->client, &q, &r, e) < 0)
		goto out;
	if (r.status / 100 != 2) {
		s3_refused(m->s->client, &r, "upload a part", e);
		goto out;
	}
	for (etag = r.etag; *etag; etag++)
		if (strchr("<>&", *etag)) {
			err_set(e, ERR_BAD_DATA, 0, "the store returned an invalid ETag");
			goto out;
		}
	m->parts++;
	strbuf_addf(&m->etags, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", m->parts,
		    r.etag);
	add_sum(m, r.etag);
	rc = 0;
out:
	s3_response_release(&r);
	free(query);
	return rc;
}

/* The upload is unknown when we ask a second time to complete it, because the first answer was
 * lost: is the object ours then? */
static int completed_before(struct multipart *m, bool *yes, struct err *e)
{
	struct s3_request q = { .method = "HEAD",
				.path = m->path,
				.patience_ms = m->s->base.patience_ms };
	struct s3_response r = S3_RESPONSE_INIT;
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char want[64];
	size_t k;
	int rc;

	want[0] = '"';
	EVP_Digest(m->sums.buf, m->sums.len, sum, &len, EVP_md5(), NULL);
	for (k = 0; k < 16; k++)
		snprintf(want + 1 + 2 * k, 3, "%02x", sum[k]);
	snprintf(want + 33, sizeof(want) - 33, "-%u\"", m->parts);
	rc = s3_request(m->s->client, &q, &r, e);
	*yes = rc == 0 && r.status == 200 && !strcmp(r.etag, want);
	s3_response_release(&r);
	return rc;
}

static int complete(struct multipart *m, struct err *e)
{
	char *query = xstrfmt("uploadId=%s", m->id),
	     *body = xstrfmt("<CompleteMultipartUpload>%s</CompleteMultipartUpload>", m->etags.buf);
	struct s3_request q = { .method = "POST",
				.path = m->path,
				.query = query,
				.body = body,
				.body_n = strlen(body),
				.patience_ms = m->s->base.patience_ms,
				.root = "CompleteMultipartUploadResult" };
	struct s3_response r = S3_RESPONSE_INIT;
	bool done = false;
	int rc = -1;

	if (s3_request(m->s->client, &q, &r, e) < 0) {
		/* it was done, and its answer was lost on the way */
		if (r.status / 100 == 2 && completed_before(m, &done, NULL) == 0 && done)
			rc = 0;
		goto out;
	}
	if (!strcmp(r.answer.code, "NoSuchUpload") && r.attempts > 1 &&
	    completed_before(m, &done, e) < 0)
		goto out;
	/* A 200 may still hold an <Error>: the status went out before the work was done. */
	if (!done && (r.status / 100 != 2 || r.answer.code[0])) {
		s3_refused(m->s->client, &r, "complete the upload", e);
		goto out;
	}
	rc = 0;
out:
	s3_response_release(&r);
	free(query);
	free(body);
	return rc;
}

static void abandon(struct multipart *m)
{
	char *query = xstrfmt("uploadId=%s", m->id);
	struct s3_request q = { .method = "DELETE",
				.path = m->path,
				.query = query,
				.patience_ms = ABORT_PATIENCE_MS,
				.deaf = true };
	struct s3_response r = S3_RESPONSE_INIT;

	s3_request(m->s->client, &q, &r, NULL);
	s3_response_release(&r);
	free(query);
}

static int put_multipart(struct store_s3 *s, const char *path, const char *data, size_t n,
			 struct err *e)
{
	struct multipart m = { .s = s, .path = path, .etags = STRBUF_INIT, .sums = STRBUF_INIT };
	struct s3_request q = { .method = "POST",
				.path = path,
				.query = "uploads=",
				.patience_ms = s->base.patience_ms,
				.root = "InitiateMultipartUploadResult" };
	struct s3_response r = S3_RESPONSE_INIT;
	struct strbuf id = STRBUF_INIT;
	int rc = -1;

	if (s3_request(s->client, &q, &r, e) < 0)
		goto out;
	if (r.status / 100 != 2) {
		s3_refused(s->client, &r, "start the upload", e);
		goto out;
	}
	if (!r.answer.upload_id[0]) {
		err_set(e, ERR_BAD_DATA, 0, "the store returned no ID for the upload");
		goto out;
	}
	uri_encode(&id, r.answer.upload_id, strlen(r.answer.upload_id), NULL);
	m.id = strbuf_detach(&id);
	for (size_t at = 0; at < n; at += PART_BYTES)
		if (upload_part(&m, data + at, n - at < PART_BYTES ? n - at : PART_BYTES, e) < 0) {
			abandon(&m);
			goto out;
		}
	if (complete(&m, e) < 0) {
		abandon(&m);
		goto out;
	}
	rc = 0;
out:
	s3_response_release(&r);
	strbuf_release(&m.etags);
	strbuf_release(&m.sums);
	free(m.id);
	return rc;
}

static int s3_put(struct store *st, const char *key, const void *data, size_t n, struct err *e)
{
	struct store_s3 *s = s3_store(st);
	char *path = object_path(s, key);
	struct s3_request q = { .method = "PUT",
				.path = path,
				.body = n ? data : "",
				.body_n = n,
				.patience_ms = st->patience_ms,
				.tagged = true };
	struct s3_response r = S3_RESPONSE_INIT;
	int rc;

	if (n > MULTIPART_OVER)
		rc = put_multipart(s, path, data, n, e);
	else
		rc = s3_request(s->client, &q, &r, e);
	if (rc < 0)
		err_wrap(e, "put %s", key);
	else if (n <= MULTIPART_OVER && r.status / 100 != 2) {
		char *what = xstrfmt("put %s", key);

		rc = s3_refused(s->client, &r, what, e);
		free(what);
	}
	s3_response_release(&r);
	free(path);
	return rc;
}

static int s3_get(struct store *st, const char *key, store_sink *fn, void (*restart)(void *arg),
		  void *arg, struct err *e)
{
	struct store_s3 *s = s3_store(st);
	char *path = object_path(s, key), *what = xstrfmt("get %s", key);
	struct s3_request q = { .method = "GET",
				.path = path,
				.sink = fn,
				.restart = restart,
				.arg = arg,
				.patience_ms = st->patience_ms };
	struct s3_response r = S3_RESPONSE_INIT;
	int rc = s3_request(s->client, &q, &r, e);

	if (rc == 0 && r.status != 200 && r.status != 206)
		rc = s3_refused(s->client, &r, what, e);
	s3_response_release(&r);
	free(what);
	free(path);
	return rc;
}

/* One page into out; *token is the place to go on from, NULL after the last. */
static int list_page(struct store_s3 *s, const char *prefix, char **token, struct store_list *out,
		     size_t *alloc, size_t *bytes, struct err *e)
{
	struct strbuf query = STRBUF_INIT;
	struct s3_response r = S3_RESPONSE_INIT;
	struct s3_page page = { 0 };
	char *path = bucket_path(s), *next;
	struct s3_request q = { .method = "GET",
				.path = path,
				.patience_ms = s->base.patience_ms,
				.root = "ListBucketResult" };
	size_t skip = strlen(s->prefix);
	int rc = -1;

	if (*token) { /* sorted by name, as the signature wants it */
		strbuf_addstr(&query, "continuation-token=");
		uri_encode(&query, *token, strlen(*token), NULL);
		strbuf_addch(&query, '&');
	}
	strbuf_addstr(&query, "encoding-type=url&list-type=2&prefix=");
	uri_encode(&query, s->prefix, skip, NULL);
	uri_encode(&query, prefix, strlen(prefix), NULL);
	q.query = query.buf;
	if (s3_request(s->client, &q, &r, e) < 0)
		goto out;
	if (r.status / 100 != 2) {
		s3_refused(s->client, &r, "list", e);
		goto out;
	}
	if (s3_xml_page(r.body.buf, r.body.len, &page, e) < 0)
		goto out;
	for (size_t i = 0; i < page.n; i++) {
		const char *key = page.objects[i].key;

		if (strncmp(key, s->prefix, skip) != 0 ||
		    strncmp(key + skip, prefix, strlen(prefix)) != 0) {
			err_set(e, ERR_BAD_DATA, 0,
				"the store listed '%s', which is outside of the requested prefix",
				key);
			goto out;
		}
		*bytes += strlen(key) + sizeof(struct store_object);
		/* "dir/": a console's mark for an empty directory */
		if (key[skip] && key[strlen(key) - 1] != '/')
			store_list_add(out, alloc, xstrdup(key + skip), page.objects[i].size_bytes);
	}
	if (*bytes > LIST_BYTES_MAX) {
		err_set(e, ERR_BAD_DATA, 0,
			"a listing of more than %zu MiB: use a prefix with fewer objects",
			LIST_BYTES_MAX >> 20);
		goto out;
	}
	if (page.truncated && ((*token && !strcmp(*token, page.next)) || !page.n)) {
		err_set(e, ERR_BAD_DATA, 0, "the store's listing does not advance");
		goto out;
	}
	next = page.truncated ? xstrdup(page.next) : NULL;
	free(*token);
	*token = next;
	rc = 0;
out:
	s3_page_release(&page);
	s3_response_release(&r);
	strbuf_release(&query);
	free(path);
	return rc;
}

static int s3_list(struct store *st, const char *prefix, struct store_list *out, struct err *e)
{
	struct store_s3 *s = s3_store(st);
	char *token = NULL;
	size_t alloc = 0, bytes = 0;
	int rc;

	do
		rc = list_page(s, prefix, &token, out, &alloc, &bytes, e);
	while (rc == 0 && token);
	free(token);
	if (rc < 0)
		err_wrap(e, "%s", st->redacted);
	return rc;
}

static int s3_delete(struct store *st, const char *key, struct err *e)
{
	struct store_s3 *s = s3_store(st);
	char *path = object_path(s, key), *what = xstrfmt("delete %s", key);
	struct s3_request q = { .method = "DELETE", .path = path, .patience_ms = st->patience_ms };
	struct s3_response r = S3_RESPONSE_INIT;
	int rc = s3_request(s->client, &q, &r, e);

	if (rc < 0)
		err_wrap(e, "%s", what);
	else if (r.status / 100 != 2 && strcmp(r.answer.code, "NoSuchKey") != 0)
		rc = s3_refused(s->client, &r, what, e);
	s3_response_release(&r);
	free(what);
	free(path);
	return rc;
}

static void s3_free(struct store *st)
{
	struct store_s3 *s = s3_store(st);

	s3_client_free(s->client);
	free(s->bucket);
	free(s->region);
	free(s->root);
	free(s->prefix);
	free(s);
}

static const struct store_ops s3_ops = {
	.kind = "s3",
	.create_bucket = s3_create_bucket,
	.bucket_exists = s3_bucket_exists,
	.put = s3_put,
	.get = s3_get,
	.list = s3_list,
	.del = s3_delete,
	.free = s3_free,
};

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a && *a ? a : b && *b ? b : c;
}

static int check_params(const struct uri *u, struct err *e)
{
	static const char *const not_spoken[] = { "role-arn", "external-id",
						  "sse",      "sse-kms-key-id",
						  "acl",      "use-accelerate-endpoint" };
	static const char *const spoken[] = {
		"endpoint", "region", "access-key", "secret-access-key", "session-token",
		"force-path-style", "ca", "provider", "storage-class",
		/* of TiCDC's storage sinks and redo logs, about their writer */
		"protocol", "flush-interval", "file-size", "worker-count", "enable-tidb-extension",
		"date-separator"
	};
	size_t n = strlen(u->host);

	if (*u->user || u->port)
		return err_set(e, ERR_USAGE, 0,
			       "store s3://: put the server into the parameter "
			       "endpoint=http://host:port, not before the bucket");
	if (n < 3 || n > 63 ||
	    strspn(u->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
		    n)
		return err_set(
			e, ERR_USAGE, 0,
			"store s3://: needs a bucket of 3 to 63 letters, digits, '-' and '.': s3://bucket/prefix");
	for (size_t i = 0; i < sizeof(not_spoken) / sizeof(not_spoken[0]); i++)
		if (first_of(uri_param(u, not_spoken[i]), NULL, NULL))
			return err_set(e, ERR_UNSUPPORTED, 0,
				       "store s3://%s: the parameter %s is not supported", u->host,
				       not_spoken[i]);
	if (strcasecmp(first_of(uri_param(u, "storage-class"), NULL, "STANDARD"), "STANDARD") != 0)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "store s3://%s: the only supported storage-class is STANDARD",
			       u->host);
	for (size_t i = 0; i < u->n_params; i++) {
		size_t k = 0;

		while (k < sizeof(spoken) / sizeof(spoken[0]) &&
		       strcmp(u->params[i].name, spoken[k]) != 0)
			k++;
		if (k == sizeof(spoken) / sizeof(spoken[0]) && *u->params[i].value)
			return err_set(
				e, ERR_USAGE, 0,
				"store s3://%s: unknown parameter '%.40s'; the parameters are "
				"endpoint, region, access-key, secret-access-key, session-token, "
				"force-path-style, ca",
				u->host, u->params[i].name);
	}
	return 0;
}

/* "http://host:port" of the endpoint, with the bucket in front of the host for virtual-host style.
 * The caller frees. */
static char *base_of(const struct uri *u, const char *region, bool path_style, struct err *e)
{
	const char *endpoint = first_of(uri_param(u, "endpoint"), NULL, NULL);
	struct strbuf base = STRBUF_INIT;
	struct uri ep;

	if (!endpoint) {
		strbuf_addf(&base, "https://%s%ss3.%s.amazonaws.com", path_style ? "" : u->host,
			    path_style ? "" : ".", region);
		return strbuf_detach(&base);
	}
	if (!strstr(endpoint, "://")) {
		err_set(e, ERR_USAGE, 0,
			"store s3://%s: the endpoint '%.80s' must be http://host:port or "
			"https://host:port",
			u->host, endpoint);
		return NULL;
	}
	if (uri_parse(&ep, endpoint, e) < 0) {
		err_wrap(e, "store s3://%s: endpoint", u->host);
		return NULL;
	}
	if ((strcmp(ep.scheme, "http") && strcmp(ep.scheme, "https")) || !*ep.host || *ep.user ||
	    ep.n_params || (*ep.path && strcmp(ep.path, "/"))) {
		err_set(e, ERR_USAGE, 0,
			"store s3://%s: the endpoint must be http://host:port or "
			"https://host:port, without a path or user",
			u->host);
		uri_release(&ep);
		return NULL;
	}
	strbuf_addf(&base, "%s://%s%s", ep.scheme, path_style ? "" : u->host,
		    path_style ? "" : ".");
	strbuf_addf(&base, strchr(ep.host, ':') ? "[%s]" : "%s", ep.host);
	if (ep.port)
		strbuf_addf(&base, ":%d", ep.port);
	uri_release(&ep);
	return strbuf_detach(&base);
}

int store_s3_check(const char *uri, struct err *e)
{
	char *base = NULL;
	struct uri u;

	if (uri_parse(&u, uri, e) < 0)
		return -1;
	if (check_params(&u, e) == 0)
		base = base_of(&u, "us-east-1", true, e);
	uri_release(&u);
	free(base);
	return base ? 0 : -1;
}

struct store *store_s3_open(const struct uri *u, struct err *e)
{
	const char *region = first_of(uri_param(u, "region"), NULL, "us-east-1"),
		   *style = uri_param(u, "force-path-style");
	const char *access = uri_param(u, "access-key"),
		   *secret = uri_param(u, "secret-access-key"),
		   *token = uri_param(u, "session-token");
	bool path_style = !style || !*style || !strcasecmp(style, "true") || !strcmp(style, "1") ||
			  !strcasecmp(style, "t");
	const char *prefix = u->path;
	struct s3_client_opts o;
	struct store_s3 *s;
	size_t n;
	char *base;

	if (check_params(u, e) < 0)
		return NULL;
	if (!path_style && strcasecmp(style, "false") != 0 && strcmp(style, "0") != 0 &&
	    strcasecmp(style, "f") != 0) {
		err_set(e, ERR_USAGE, 0, "store s3://%s: force-path-style must be true or false",
			u->host);
		return NULL;
	}
	/* none in the URI: the environment's, as Amazon's tools do */
	if (!first_of(access, secret, NULL)) {
		access = getenv("AWS_ACCESS_KEY_ID");
		secret = getenv("AWS_SECRET_ACCESS_KEY");
		token = getenv("AWS_SESSION_TOKEN");
	}
	if (!first_of(access, NULL, NULL) || !first_of(secret, NULL, NULL)) {
		err_set(e, ERR_USAGE, 0,
			"store s3://%s: needs both access-key and secret-access-key "
			"(or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment)",
			u->host);
		return NULL;
	}
	/* These go into headers and a host name. */
	if (strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
		    strlen(region) ||
	    strpbrk(access, "\r\n") || (token && strpbrk(token, "\r\n"))) {
		err_set(e, ERR_USAGE, 0,
			"store s3://%s: region, access-key or session-token contains an invalid "
			"character",
			u->host);
		return NULL;
	}
	secret_know(secret);
	secret_know(token ? token : "");
	base = base_of(u, region, path_style, e);
	if (!base)
		return NULL;
	o = (struct s3_client_opts){ .base = base,
				     .region = region,
				     .access_key = access,
				     .secret_key = secret,
				     .session_token = first_of(token, NULL, NULL),
				     .bucket = u->host,
				     .ca = first_of(uri_param(u, "ca"), NULL, NULL) };
	s = xcalloc(1, sizeof(*s));
	s->base.ops = &s3_ops;
	s->client = s3_client_new(&o);
	s->bucket = xstrdup(u->host);
	s->region = xstrdup(region);
	s->root = path_style ? xstrfmt("/%s", u->host) : xstrdup("");
	while (*prefix == '/')
		prefix++;
	n = strlen(prefix);
	while (n && prefix[n - 1] == '/')
		n--;
	s->prefix = n ? xstrfmt("%.*s/", (int)n, prefix) : xstrdup("");
	free(base);
	return &s->base;
}
