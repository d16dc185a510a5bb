#include "harness/net/webhook.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/secret.h"
#include "harness/base/uri.h"
#include "harness/base/xalloc.h"
#include "harness/net/http.h"

#define TRY_MS 10000
#define WAIT_MS_MAX 60000
#define PREFIX "whsec_"
#define KEY_BYTES_MAX ((size_t)4096)

static int key_of(struct webhook *w, const char *text, struct err *e)
{
	size_t n = strlen(text), full;
	unsigned char *bytes;
	int got;

	if (strncmp(text, PREFIX, strlen(PREFIX)) != 0) {
		strbuf_add(&w->key, text, n);
	} else if (n <= KEY_BYTES_MAX) {
		text += strlen(PREFIX);
		n -= strlen(PREFIX);
		full = n - (n && text[n - 1] == '=') - (n > 1 && text[n - 2] == '=');
		bytes = xmalloc(n + 4);
		got = n && n % 4 == 0 ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n)
				      : -1;
		if (got > 0) /* it counts the padding's zeros too */
			strbuf_add(&w->key, (const char *)bytes, (size_t)got - (n - full));
		free(bytes);
		if (got <= 0)
			return err_set(e, ERR_USAGE, 0,
				       "the secret: the part after " PREFIX " is not base64");
	}
	if (w->key.len < WEBHOOK_KEY_BYTES_MIN || w->key.len > KEY_BYTES_MAX)
		return err_set(e, ERR_USAGE, 0, "the secret has %zu bytes; it needs at least %d",
			       w->key.len, WEBHOOK_KEY_BYTES_MIN);
	return 0;
}

static bool is_http_url(const char *text)
{
	CURLU *u = curl_url();
	bool good = u && curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK;

	curl_url_cleanup(u);
	return good;
}

int webhook_open(struct webhook *w, const char *url, const char *secret, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct uri u = { 0 };
	int rc = -1;

	*w = (struct webhook){ STRBUF_INIT, STRBUF_INIT, "" };
	if (uri_option(url, &w->url, e) < 0)
		goto out;
	if (strstr(w->url.buf, "://") && uri_parse(&u, w->url.buf, e) < 0)
		goto out;
	if (!u.scheme || (strcmp(u.scheme, "http") && strcmp(u.scheme, "https")) || !*u.host ||
	    *u.user) {
		err_set(e, ERR_USAGE, 0, "must be an address such as https://host/path");
		uri_release(&u);
		goto out;
	}
	if (!is_http_url(w->url.buf)) {
		err_set(e, ERR_USAGE, 0,
			"the address has a character that must be escaped, such as a blank (%%20)");
		uri_release(&u);
		goto out;
	}
	snprintf(w->called, sizeof(w->called), u.port ? "%s://%.100s:%d" : "%s://%.100s", u.scheme,
		 u.host, u.port);
	uri_release(&u);
	if (strcmp(w->url.buf, url) != 0)
		secret_know(w->url.buf);
	if (secret && *secret != '@' && strncmp(secret, "env:", 4) != 0) {
		err_set(e, ERR_USAGE, 0,
			"the secret: use @FILE or env:NAME, because everybody can read a command "
			"line");
		goto out;
	}
	if (secret) {
		if (uri_option(secret, &text, e) < 0 || key_of(w, text.buf, e) < 0)
			goto out;
		secret_know(text.buf);
	}
	rc = 0;
out:
	strbuf_release(&text);
	if (rc < 0)
		webhook_release(w);
	return rc;
}

void webhook_release(struct webhook *w)
{
	strbuf_release(&w->url);
	strbuf_release(&w->key);
}

/* "v1,<base64>" over "id.timestamp.body" (HMAC-SHA256). */
static void webhook_sign(const struct webhook *w, const char *id, int64_t timestamp,
			 const char *body, struct strbuf *out)
{
	char *text = xstrfmt("%s.%lld.%s", id, (long long)timestamp, body);
	unsigned char digest[EVP_MAX_MD_SIZE], coded[2 * EVP_MAX_MD_SIZE];
	unsigned n = 0;

	HMAC(EVP_sha256(), w->key.buf, (int)w->key.len, (const unsigned char *)text, strlen(text),
	     digest, &n);
	EVP_EncodeBlock(coded, digest, (int)n);
	strbuf_addf(out, "v1,%s", (const char *)coded);
	free(text);
}

static bool status_may_pass(long status)
{
	return status == 408 || status == 429 || status >= 500;
}

/* A certificate that is not trusted now won't be in a minute. */
static bool failure_may_pass(const struct err *e)
{
	return e->kind != ERR_CANCELLED && e->kind != ERR_USAGE &&
	       e->code != CURLE_PEER_FAILED_VERIFICATION && e->code != CURLE_SSL_CERTPROBLEM &&
	       e->code != CURLE_SSL_CACERT_BADFILE;
}

/* 0 it was taken; 1 try again; -1 never. */
static int send_once(const struct webhook *w, const char *id, const char *json, struct err *e)
{
	int64_t now = clock_wall_ms() / 1000;
	char *id_line = xstrfmt("webhook-id: %s", id),
	     *time_line = xstrfmt("webhook-timestamp: %lld", (long long)now);
	struct strbuf signature = STRBUF_INIT;
	const char *headers[4] = { id_line, time_line, NULL, NULL };
	struct http_answer a = HTTP_ANSWER_INIT;
	const struct http_request r = { .method = "POST",
					.url = w->url.buf,
					.json = json,
					.headers = headers,
					.called = w->called,
					.outside = true };
	int rc;

	if (w->key.len) {
		strbuf_addstr(&signature, "webhook-signature: ");
		webhook_sign(w, id, now, json, &signature);
		headers[2] = signature.buf;
	}
	rc = http_send(&r, deadline_in_ms(TRY_MS), &a, e);
	if (a.status / 100 == 2) { /* taken, whatever became of the rest of its response */
		rc = 0;
	} else if (rc < 0 && a.status < 200) {
		rc = failure_may_pass(e) ? 1 : -1;
	} else {
		err_set(e, ERR_IO, (int)a.status, "%s returned %ld", w->called, a.status);
		rc = status_may_pass(a.status) ? 1 : -1;
	}
	http_answer_release(&a);
	strbuf_release(&signature);
	free(id_line);
	free(time_line);
	return rc;
}

int webhook_send(const struct webhook *w, const char *id, const char *json, unsigned tries,
		 int64_t first_wait_ms, struct err *e)
{
	int64_t wait_ms = first_wait_ms;
	struct deadline never = deadline_in_ms(INT64_MAX / 2000000);

	for (unsigned i = 1;; i++) {
		struct err now = ERR_INIT;
		int rc = send_once(w, id, json, &now);

		if (rc == 0)
			return 0;
		if (rc < 0 || i >= tries || pause_ms(wait_ms, never) < 0) {
			if (e)
				*e = now;
			return i > 1 ? err_wrap(e, "after %u tries", i) : -1;
		}
		wait_ms = wait_ms * 2 > WAIT_MS_MAX ? WAIT_MS_MAX : wait_ms * 2;
	}
}
