#include "harness/net/http.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

struct call {
	struct http_answer *a;
	bool over;
};

static size_t take(char *data, size_t size, size_t n, void *arg)
{
	struct call *c = arg;

	(void)size; /* always 1 */
	if (n > HTTP_ANSWER_BYTES_MAX - c->a->body.len) {
		c->over = true;
		return 0;
	}
	strbuf_add(&c->a->body, data, n);
	return n;
}

static int stop_if_cancelled(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
			     curl_off_t up)
{
	(void)arg;
	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	return clock_cancelled() != 0;
}

static int no_answer(CURLcode rc, const struct call *c, const struct http_request *r, struct err *e)
{
	const char *url = r->called ? r->called : r->url, *method = r->method;
	enum err_kind kind = rc == CURLE_COULDNT_CONNECT || rc == CURLE_GOT_NOTHING ||
					     rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR
				     ? ERR_GONE
			     : rc == CURLE_OPERATION_TIMEDOUT  ? ERR_TIMEOUT
			     : rc == CURLE_ABORTED_BY_CALLBACK ? ERR_CANCELLED
			     : rc == CURLE_URL_MALFORMAT || rc == CURLE_UNSUPPORTED_PROTOCOL
				     ? ERR_USAGE
				     : ERR_IO;

	const char *why = rc == CURLE_ABORTED_BY_CALLBACK ? "interrupted"
			  : rc == CURLE_UNSUPPORTED_PROTOCOL && !strncmp(r->url, "http", 4)
				  ? "the response is not HTTP"
				  : curl_easy_strerror(rc);

	if (c->over)
		return err_set(e, ERR_BAD_DATA, 0, "%s %.*s: the response is larger than %zu MiB",
			       method, (int)strcspn(url, "?"), url, HTTP_ANSWER_BYTES_MAX >> 20);
	return err_set(e, kind, (int)rc, "%s %.*s: %s", method, (int)strcspn(url, "?"), url, why);
}

void http_answer_release(struct http_answer *a)
{
	strbuf_release(&a->body);
}

/* The server is asked by another name than the one by which it is reached. */
static struct curl_slist *ask_by_name(CURL *curl, const char *url, const char *name)
{
	const char *host = strstr(url, "://") ? strstr(url, "://") + 3 : url;
	size_t n = strcspn(host, "/?#"), h = *host == '[' ? strcspn(host, "]") + 1 : 0;
	const char *port;
	char *there, *asked;
	struct curl_slist *to;

	h = h && h <= n ? h : strcspn(host, ":/?#");
	h = h < n ? h : n;
	port = h < n ? host + h + 1 : strncmp(url, "https", 5) ? "80" : "443";
	there = xstrfmt("%s:%.*s:%.*s:%.*s", name, h < n ? (int)(n - h - 1) : 3, port, (int)h, host,
			h < n ? (int)(n - h - 1) : 3, port);
	asked = xstrfmt("%.*s%s%s", (int)(host - url), url, name, host + h);
	to = curl_slist_append(NULL, there);
	curl_easy_setopt(curl, CURLOPT_URL, asked);
	curl_easy_setopt(curl, CURLOPT_CONNECT_TO, to);
	free(there);
	free(asked);
	return to;
}

int http_send(const struct http_request *r, struct deadline d, struct http_answer *a, struct err *e)
{
	const struct http_tls *tls = r->tls;
	struct curl_slist *headers = NULL, *to;
	CURL *curl = curl_easy_init();
	struct call c = { .a = a };
	int64_t left = deadline_left_ms(d);
	struct curl_header *date = NULL;
	CURLcode rc;

	strbuf_reset(&a->body);
	a->status = 0;
	a->date_s = 0;
	if (!curl)
		return err_set(e, ERR_ENV, 0, "cannot initialize libcurl");
	curl_easy_setopt(curl, CURLOPT_URL, r->url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* the clusters are ours: no proxy of the environment stands between */
	if (!r->outside)
		curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
			 (long)(left < 1        ? 1
				: left > 600000 ? 600000
						: left));
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &c);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stop_if_cancelled);
	if (r->json) {
		headers = curl_slist_append(headers, "Content-Type: application/json");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->json);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(r->json));
	}
	for (const char *const *h = r->headers; h && *h; h++)
		headers = curl_slist_append(headers, *h);
	if (headers)
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (tls && tls->ca && *tls->ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, tls->ca);
	if (tls && tls->cert && *tls->cert)
		curl_easy_setopt(curl, CURLOPT_SSLCERT, tls->cert);
	if (tls && tls->key && *tls->key)
		curl_easy_setopt(curl, CURLOPT_SSLKEY, tls->key);
	to = tls && tls->server_name && *tls->server_name
		     ? ask_by_name(curl, r->url, tls->server_name)
		     : NULL;
	rc = curl_easy_perform(curl);
	curl_slist_free_all(to);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
	if (rc == CURLE_OK &&
	    curl_easy_header(curl, "Date", 0, CURLH_HEADER, -1, &date) == CURLHE_OK)
		a->date_s = (int64_t)curl_getdate(date->value, NULL);
	a->date_s = a->date_s < 0 ? 0 : a->date_s;
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return rc == CURLE_OK ? 0 : no_answer(rc, &c, r, e);
}

int http_call(const char *method, const char *url, const char *json, const struct http_tls *tls,
	      struct deadline d, struct http_answer *a, struct err *e)
{
	const struct http_request r = { .method = method, .url = url, .json = json, .tls = tls };

	return http_send(&r, d, a, e);
}
