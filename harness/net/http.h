/* One plain HTTP(S) call with a bounded answer: the APIs of PD, TiDB and TiCDC. Thread-safe;
 * nothing is kept between calls. */
#ifndef HARNESS_NET_HTTP_H
#define HARNESS_NET_HTTP_H

#include <stdbool.h>

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/base/strbuf.h"

#define HTTP_ANSWER_BYTES_MAX ((size_t)16 << 20)

struct http_tls { /* all may be NULL or "" */
	const char *ca, *cert, *key;
	const char *server_name; /* the name that the certificate has to be for */
};
struct http_answer {
	long status;
	int64_t date_s; /* the server's clock (Date), seconds since 1970; 0: not told */
	struct strbuf body;
};
/* clang-format off */
#define HTTP_ANSWER_INIT { .body = STRBUF_INIT }
/* clang-format on */
void http_answer_release(struct http_answer *a);

struct http_request {
	const char *method, *url, *json; /* json: the body, NULL for none */
	const char *const *headers;      /* "Name: value", NULL-terminated; NULL: none */
	const struct http_tls *tls;      /* NULL: the system's authorities */
	const char *called;              /* in errors, where the URL is secret; NULL: the URL */
	bool outside;                    /* a proxy of the environment may stand between */
};
int http_send(const struct http_request *r, struct deadline d, struct http_answer *a,
	      struct err *e);
/* The same in short. json: the body, NULL for none. 0: the server answered, with whatever status;
 * -1: no answer (ERR_GONE when nobody listens, ERR_TIMEOUT, ERR_CANCELLED, ERR_BAD_DATA when it is
 * larger than the bound). Errors name host and port, never a query or a body. */
int http_call(const char *method, const char *url, const char *json, const struct http_tls *tls,
	      struct deadline d, struct http_answer *a, struct err *e);

#endif
