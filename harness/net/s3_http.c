#include "harness/net/s3_http.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"

#define IDLE_MAX 16
#define CONNECT_MS_MAX 5000
#define ANSWER_MS_MIN \
	3000 /* one attempt may be without a byte for so long, however short the patience */
/* fewer bytes in so long are none: a byte now and then would hold a request forever */
#define SLOW_MS 30000
#define SLOW_BYTES 3000
#define RESTARTS_MAX 5 /* of an object that never comes whole */
#define BACKOFF_MS_FIRST 50
#define BACKOFF_MS_MAX 1000
#define ERROR_BYTES_MAX ((size_t)64 << 10)

struct s3_client {
	char *base, *region, *access_key, *secret_key, *session_token, *bucket, *sigv4, *no_proxy,
		*ca;
	pthread_mutex_t lock;
	CURL *idle[IDLE_MAX]; /* each keeps its connection */
	size_t n_idle;
};

/* One attempt. */
struct attempt {
	CURL *curl;
	const struct s3_request *q;
	struct s3_response *r;
	struct err *e;
	uint64_t *delivered;  /* to the sink, over all attempts */
	const char *etag_had; /* of the object whose first bytes were delivered; "" */
	bool sink_stopped, too_long, wrong_range, stalled, cancelled;
	uint64_t asked_from, range_from;
	bool slow;
	int64_t moved_ns, stall_ms, counted_ns;
	curl_off_t moved, counted;
	char code[128];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static const char *first_set(const char *a, const char *b, const char *c)
{
	const char *names[] = { a, b, c };

	for (size_t i = 0; i < 3 && names[i]; i++)
		if (getenv(names[i]) && *getenv(names[i]))
			return getenv(names[i]);
	return NULL;
}

struct s3_client *s3_client_new(const struct s3_client_opts *o)
{
	struct s3_client *c = xcalloc(1, sizeof(*c));
	const char *no_proxy = first_set("no_proxy", "NO_PROXY", NULL),
		   *ca = o->ca ? o->ca
			       : first_set("AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE");

	pthread_once(&once, init_curl);
	c->base = xstrdup(o->base);
	c->region = xstrdup(o->region);
	c->access_key = xstrdup(o->access_key);
	c->secret_key = xstrdup(o->secret_key);
	c->session_token = xstrdup(o->session_token);
	c->bucket = xstrdup(o->bucket);
	c->sigv4 = xstrfmt("aws:amz:%s:s3", o->region);
	c->no_proxy = xstrfmt("127.0.0.1,localhost,::1%s%s", no_proxy && *no_proxy ? "," : "",
			      no_proxy ? no_proxy : "");
	c->ca = ca ? xstrdup(ca) : NULL;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void s3_client_free(struct s3_client *c)
{
	if (!c)
		return;
	while (c->n_idle)
		curl_easy_cleanup(c->idle[--c->n_idle]);
	pthread_mutex_destroy(&c->lock);
	explicit_bzero(c->secret_key, strlen(c->secret_key));
	free(c->base);
	free(c->region);
	free(c->access_key);
	free(c->secret_key);
	free(c->session_token);
	free(c->bucket);
	free(c->sigv4);
	free(c->no_proxy);
	free(c->ca);
	free(c);
}

static CURL *handle_take(struct s3_client *c)
{
	CURL *curl = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->n_idle)
		curl = c->idle[--c->n_idle];
	pthread_mutex_unlock(&c->lock);
	if (!curl)
		curl = curl_easy_init();
	if (!curl)
		abort(); /* no memory */
	return curl;
}

static void handle_give(struct s3_client *c, CURL *curl)
{
	curl_easy_reset(curl); /* options go, connections stay */
	pthread_mutex_lock(&c->lock);
	if (c->n_idle < IDLE_MAX) {
		c->idle[c->n_idle++] = curl;
		curl = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	curl_easy_cleanup(curl);
}

void s3_response_release(struct s3_response *r)
{
	strbuf_release(&r->body);
}

static bool header_is(const char *line, size_t n, const char *name, char *value, size_t max)
{
	size_t k = strlen(name), len;

	if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
		return false;
	line += k + 1;
	n -= k + 1;
	while (n && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	while (n && strchr(" \t\r\n", line[n - 1]))
		n--;
	len = n < max - 1 ? n : max - 1;
	memcpy(value, line, len);
	value[len] = 0;
	return true;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct attempt *a = arg;
	char value[256];

	(void)size;
	if (n > 5 && !strncmp(line, "HTTP/", 5)) { /* of an interim answer or of the final one */
		a->r->etag[0] = a->r->location[0] = a->code[0] = 0;
		a->range_from = 0;
	} else if (header_is(line, n, "ETag", a->r->etag, sizeof(a->r->etag)) ||
		   header_is(line, n, "Location", a->r->location, sizeof(a->r->location)) ||
		   header_is(line, n, "X-Minio-Error-Code", a->code, sizeof(a->code))) {
		return n;
	} else if (header_is(line, n, "Content-Range", value, sizeof(value)) &&
		   !strncasecmp(value, "bytes ", 6)) {
		a->range_from = strtoull(value + 6, NULL, 10);
	}
	return n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct attempt *a = arg;
	long status = 0;

	(void)size;
	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	if (!a->q->sink || status >= 300) {
		size_t max = status >= 300 ? ERROR_BYTES_MAX : S3_XML_BYTES_MAX;

		if (n > max - a->r->body.len) {
			a->too_long = true;
			return 0;
		}
		strbuf_add(&a->r->body, data, n);
		return n;
	}
	/* What was delivered once is not delivered again: a resumed body begins exactly there, and
	 * is of the same object. */
	if (a->asked_from && (status != 206 || a->range_from != a->asked_from ||
			      strcmp(a->r->etag, a->etag_had) != 0)) {
		a->wrong_range = true;
		return 0;
	}
	if (n > STORE_OBJECT_BYTES_MAX - *a->delivered) {
		a->too_long = true;
		return 0;
	}
	if (a->q->sink(a->q->arg, data, n, a->e) < 0) {
		a->sink_stopped = true;
		return 0;
	}
	*a->delivered += n;
	return n;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total,
		       curl_off_t ul)
{
	struct attempt *a = arg;
	int64_t now = clock_mono_ns();

	(void)dl_total, (void)ul_total;
	if (dl + ul != a->moved) {
		a->moved = dl + ul;
		a->moved_ns = now;
	}
	if (now - a->counted_ns > SLOW_MS * 1000000ll) {
		a->slow = dl + ul > a->counted && dl + ul - a->counted < SLOW_BYTES;
		a->counted_ns = now;
		a->counted = dl + ul;
	}
	a->stalled = a->slow || now - a->moved_ns > a->stall_ms * 1000000;
	a->cancelled = !a->q->deaf && clock_cancelled();
	return a->stalled || a->cancelled;
}

static void hash_hex(const void *data, size_t n, char out[65])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	EVP_Digest(n ? data : "", n, sum, &len, EVP_sha256(), NULL);
	for (unsigned i = 0; i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

/* Takes line. */
static void header_add(struct curl_slist **l, char *line)
{
	struct curl_slist *more = curl_slist_append(*l, line);

	if (!more)
		abort(); /* no memory */
	*l = more;
	free(line);
}

static CURLcode attempt_run(struct s3_client *c, struct attempt *a, const char *url,
			    const char *hash)
{
	const struct s3_request *q = a->q;
	struct curl_slist *headers = NULL;
	CURL *h = a->curl = handle_take(c);
	CURLcode rc;

	header_add(&headers, xstrfmt("x-amz-content-sha256: %s", hash));
	/* No 100-continue. Before 8.3 libcurl signs the header that this line removes (curl issue
	 * 11664), and the server refuses the signature: there a body over 1 MiB announces itself,
	 * but nothing waits for the answer. */
	if (curl_version_info(CURLVERSION_NOW)->version_num >= 0x080300)
		header_add(&headers, xstrdup("Expect:"));
	else
		curl_easy_setopt(h, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
	if (c->session_token)
		header_add(&headers, xstrfmt("x-amz-security-token: %s", c->session_token));
	if (q->body)
		header_add(&headers, xstrdup("Content-Type: application/octet-stream"));
	a->asked_from = *a->delivered;
	if (a->asked_from) {
		header_add(&headers,
			   xstrfmt("Range: bytes=%llu-", (unsigned long long)a->asked_from));
		header_add(&headers, xstrfmt("If-Match: %s", a->etag_had));
	}
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_NOPROXY, c->no_proxy);
	if (c->ca)
		curl_easy_setopt(h, CURLOPT_CAINFO, c->ca);
	curl_easy_setopt(h, CURLOPT_AWS_SIGV4, c->sigv4);
	curl_easy_setopt(h, CURLOPT_USERNAME, c->access_key);
	curl_easy_setopt(h, CURLOPT_PASSWORD, c->secret_key);
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(a->stall_ms < CONNECT_MS_MAX ? a->stall_ms : CONNECT_MS_MAX));
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, a);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h, CURLOPT_XFERINFODATA, a);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 256L << 10);
	if (!strcmp(q->method, "HEAD")) {
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	} else if (!strcmp(q->method, "PUT") || !strcmp(q->method, "POST")) {
		curl_easy_setopt(h, CURLOPT_POST, 1L);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, q->body ? q->body : "");
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_n);
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
	} else {
		curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
	}
	a->moved_ns = a->counted_ns = clock_mono_ns();
	rc = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &a->r->status);
	curl_slist_free_all(headers);
	handle_give(c, h);
	return rc;
}

static bool worth_another(CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_ABORTED_BY_CALLBACK: /* ours, for a stall */ return true;
	default: return false;
	}
}

static bool may_pass(const struct s3_response *r)
{
	return (r->status >= 500 && r->status != 501) || r->status == 429 || r->status == 408 ||
	       !strcmp(r->answer.code, "RequestTimeout") ||
	       !strcmp(r->answer.code, "OperationAborted") ||
	       !strcmp(r->answer.code, "InternalError") || !strcmp(r->answer.code, "SlowDown");
}

/* What a body that is no S3 document says, in one line; "" for none. */
static void first_words(const struct s3_response *r, char out[120])
{
	size_t n = 0;
	bool tag = false;

	for (size_t i = 0; strcmp(r->answer.root, "Error") != 0 && i < r->body.len && n < 100;
	     i++) {
		char ch = r->body.buf[i];

		tag = ch == '<' || (tag && (ch != '>'));
		if (!tag && ch != '>' && (unsigned char)ch > ' ' && (unsigned char)ch < 0x7f)
			out[n++] = ch;
		else if (n && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	out[n && out[n - 1] == ' ' ? n - 1 : n] = 0;
}

static bool brings_all(const struct s3_request *q, const struct s3_response *r)
{
	if (r->status / 100 != 2 || r->answer.code[0])
		return true; /* it does not claim success */
	return (!q->root || !strcmp(r->answer.root, q->root)) && (!q->tagged || r->etag[0]);
}

/* An answer came whole. 0: it is the store's; -1: it is worth another attempt, *e says why. */
static int judge_answer(const struct s3_client *c, const struct s3_request *q,
			struct s3_response *r, const char *code, struct err *e)
{
	char words[120];

	if (r->body.len)
		s3_xml_answer(r->body.buf, r->body.len, &r->answer);
	if (!r->answer.code[0] && r->status >= 300)
		snprintf(r->answer.code, sizeof(r->answer.code), "%s", code);
	first_words(r, words);
	if (!brings_all(q, r))
		return err_set(e, ERR_IO, (int)r->status,
			       "%s: HTTP %ld without %s%s%s%s: perhaps this is not the store",
			       c->base, r->status, q->root ? q->root : "an ETag",
			       words[0] ? " (" : "", words, words[0] ? ")" : "");
	if (may_pass(r))
		return err_set(e, ERR_IO, (int)r->status, "%s: HTTP %ld %s%s%s", c->base, r->status,
			       r->answer.code, r->answer.message[0] ? ": " : "",
			       r->answer.message[0] ? r->answer.message : words);
	return 0;
}

/* What the attempts of one request have in common. */
struct tries {
	uint64_t delivered; /* bytes to the sink */
	char etag[256];     /* of the object that they are of; "": not known */
	struct deadline give_up;
	int64_t began_ns, backoff_ms;
	unsigned restarts;
};

static int tries_pause(struct tries *t, const struct s3_request *q, const struct s3_response *r,
		       struct err *e)
{
	if (deadline_passed(t->give_up) || pause_ms(t->backoff_ms, t->give_up) < 0) {
		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "%s: interrupted", q->path);
		return err_wrap(e, "%s: failed after %u attempt%s in %lld ms", q->path, r->attempts,
				r->attempts == 1 ? "" : "s",
				(long long)((clock_mono_ns() - t->began_ns) / 1000000));
	}
	t->backoff_ms = t->backoff_ms * 2 < BACKOFF_MS_MAX ? t->backoff_ms * 2 : BACKOFF_MS_MAX;
	return 0;
}

/* The sink takes the object from its first byte again; false: it can't, or has done so too often.
 */
static bool tries_restart(struct tries *t, const struct s3_request *q)
{
	if (!q->restart || t->restarts++ == RESTARTS_MAX)
		return false;
	q->restart(q->arg);
	t->delivered = 0;
	t->etag[0] = 0;
	return true;
}

enum outcome { REQUEST_DONE, REQUEST_FAILED, REQUEST_AGAIN };

/* What we ended ourselves, or what no further attempt mends. */
static bool attempt_is_last(const struct attempt *a, const struct s3_request *q, struct err *e)
{
	if (a->cancelled)
		err_set(e, ERR_CANCELLED, 0, "%s: interrupted", q->path);
	else if (a->too_long)
		err_set(e, ERR_BAD_DATA, 0, "%s: the store's response is too long", q->path);
	return a->sink_stopped || a->cancelled || a->too_long;
}

/* Another object stands there now than the one whose first bytes were delivered. */
static enum outcome take_replaced(struct tries *t, const struct s3_request *q,
				  const struct s3_response *r, struct err *e)
{
	if (tries_restart(t, q))
		return REQUEST_AGAIN;
	err_set(e, ERR_IO, (int)r->status,
		"%s: the connection was lost after %llu bytes, and the object has been "
		"replaced since",
		q->path, (unsigned long long)t->delivered);
	return REQUEST_FAILED;
}

static enum outcome take_no_answer(struct tries *t, const struct s3_client *c,
				   const struct s3_request *q, const struct attempt *a,
				   CURLcode code, struct err *e)
{
	/* a part of the body was delivered, and nothing names its version */
	bool unresumable = t->delivered && !t->etag[0];

	err_set(e, ERR_IO, 0, "%s: %s", c->base,
		a->slow      ? "it sends less than 100 bytes a second"
		: a->stalled ? "no answer"
			     : curl_easy_strerror(code));
	if (!worth_another(code)) {
		err_wrap(e, "%s", q->path);
		return REQUEST_FAILED;
	}
	if (unresumable && !tries_restart(t, q)) {
		err_wrap(e,
			 "%s: the connection was lost in the body, and without an ETag the "
			 "download cannot be resumed",
			 q->path);
		return REQUEST_FAILED;
	}
	return REQUEST_AGAIN;
}

static enum outcome attempt_outcome(struct tries *t, const struct s3_client *c,
				    const struct s3_request *q, struct s3_response *r,
				    const struct attempt *a, CURLcode code, struct err *e)
{
	if (attempt_is_last(a, q, e))
		return REQUEST_FAILED;
	if (a->wrong_range || (t->delivered && r->status == 412))
		return take_replaced(t, q, r, e);
	if (t->delivered > a->asked_from && !a->slow) { /* it moves: patience begins anew */
		t->give_up = deadline_in_ms(q->patience_ms);
		t->backoff_ms = BACKOFF_MS_FIRST;
		if (!t->etag[0])
			snprintf(t->etag, sizeof(t->etag), "%s", r->etag);
	}
	if (code != CURLE_OK)
		return take_no_answer(t, c, q, a, code, e);
	return judge_answer(c, q, r, a->code, e) == 0 ? REQUEST_DONE : REQUEST_AGAIN;
}

int s3_request(struct s3_client *c, const struct s3_request *q, struct s3_response *r,
	       struct err *e)
{
	struct tries t = { .give_up = deadline_in_ms(q->patience_ms),
			   .began_ns = clock_mono_ns(),
			   .backoff_ms = BACKOFF_MS_FIRST };
	char *url = xstrfmt("%s%s%s%s", c->base, q->path, q->query ? "?" : "",
			    q->query ? q->query : ""),
	     hash[65];
	enum outcome outcome = REQUEST_AGAIN;

	hash_hex(q->body, q->body_n, hash);
	r->attempts = 0;
	while (outcome == REQUEST_AGAIN) {
		struct attempt a = { .q = q,
				     .r = r,
				     .e = e,
				     .delivered = &t.delivered,
				     .etag_had = t.etag,
				     .stall_ms = q->patience_ms > ANSWER_MS_MIN ? q->patience_ms
										: ANSWER_MS_MIN };
		CURLcode code;

		strbuf_reset(&r->body);
		r->status = 0;
		r->answer = (struct s3_answer){ 0 };
		r->attempts++;
		code = attempt_run(c, &a, url, hash);
		outcome = attempt_outcome(&t, c, q, r, &a, code, e);
		if (outcome == REQUEST_AGAIN && tries_pause(&t, q, r, e) < 0)
			outcome = REQUEST_FAILED;
	}
	free(url);
	return outcome == REQUEST_DONE ? 0 : -1;
}

int s3_refused(const struct s3_client *c, const struct s3_response *r, const char *what,
	       struct err *e)
{
	static const struct {
		const char *code, *advice;
		enum err_kind kind;
	} known[] = {
		{ "InvalidAccessKeyId", "the store does not know this access-key", ERR_ENV },
		{ "SignatureDoesNotMatch",
		  "the secret-access-key does not belong to this access-key", ERR_ENV },
		{ "AccessDenied", "this access-key lacks the permission", ERR_ENV },
		{ "RequestTimeTooSkewed",
		  "the clocks of this machine and of the store differ by more than 15 minutes",
		  ERR_ENV },
		{ "ExpiredToken", "the session-token has expired", ERR_ENV },
		{ "InvalidToken", "the session-token is not valid", ERR_ENV },
		{ "InvalidTokenId", "the session-token is not valid", ERR_ENV },
		{ "AuthorizationHeaderMalformed", "the bucket is in another region", ERR_ENV },
		{ "InvalidBucketName", "the store does not allow this name for a bucket",
		  ERR_USAGE },
		{ "BucketAlreadyExists", "a bucket of this name belongs to someone else", ERR_ENV },
		{ "XMinioStorageFull", "the store is full", ERR_IO },
	};

	char words[120];

	if (!strcmp(r->answer.code, "NoSuchBucket"))
		return err_set(e, ERR_NOT_FOUND, (int)r->status,
			       "%s: bucket '%s' does not exist at %s", what, c->bucket, c->base);
	if (r->status == 404)
		return err_set(e, ERR_NOT_FOUND, (int)r->status,
			       "%s: the object does not exist in bucket '%s' at %s", what,
			       c->bucket, c->base);
	if (r->status / 100 == 3) {
		const char *to = r->answer.endpoint[0] ? r->answer.endpoint : r->location;

		return err_set(
			e, ERR_ENV, (int)r->status,
			"%s: bucket '%s' is not at %s but at %.*s (HTTP %ld): use that host in "
			"endpoint=, and its region",
			what, c->bucket, c->base, to[0] ? (int)strcspn(to, "?") : 16,
			to[0] ? to : "another endpoint", r->status);
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(r->answer.code, known[i].code))
			return err_set(
				e, known[i].kind, (int)r->status,
				"%s: %s%s (%s, bucket '%s' at %s)", what, known[i].advice,
				!strcmp(known[i].code, "SignatureDoesNotMatch") &&
						strchr(c->secret_key, ' ')
					? "; it contains a blank: in a URI '+' means a blank; "
					  "write a literal '+' as %2B"
					: "",
				known[i].code, c->bucket, c->base);
	first_words(r, words);
	return err_set(e, r->status == 401 || r->status == 403 ? ERR_ENV : ERR_IO, (int)r->status,
		       "%s: %s answers HTTP %ld %s%s%s", what, c->base, r->status, r->answer.code,
		       r->answer.message[0] || words[0] ? ": " : "",
		       r->answer.message[0] ? r->answer.message : words);
}
