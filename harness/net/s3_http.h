/* Inside net/ only: one signed request to an S3 server, with its retries. Thread-safe. */
#ifndef HARNESS_NET_S3_HTTP_H
#define HARNESS_NET_S3_HTTP_H

#include "harness/net/s3_xml.h"
#include "harness/net/store_impl.h"

struct s3_client;
struct s3_client_opts {
	/* "http://host:port" or "https://...", with the bucket in the host for virtual-host
	 * style */
	const char *base;
	const char *region, *access_key, *secret_key, *session_token; /* the last may be NULL */
	const char *bucket;                                           /* for messages */
	/* a file of certificates to trust instead of the machine's; NULL: the environment's, or
	 * the machine's */
	const char *ca;
};
struct s3_client *s3_client_new(const struct s3_client_opts *o);
void s3_client_free(struct s3_client *c);

struct s3_request {
	const char *method; /* GET, HEAD, PUT, POST, DELETE */
	const char *path;   /* encoded, from '/' */
	const char *query;  /* encoded, sorted, every name with '='; NULL: none */
	const void *body;
	size_t body_n;
	/* GET of an object: the body goes to sink (else into the response, bounded) */
	store_sink *sink;
	void (*restart)(void *arg);
	void *arg;
	int64_t patience_ms;
	bool deaf; /* to cancellation: for tidying up */
	/* Something between us and the store may answer 200 in its place. What a success has to
	 * bring; else it is tried again. */
	const char *root; /* a whole document with this root; NULL: any body */
	bool tagged;      /* an ETag */
};
struct s3_response {
	long status;
	char etag[256];     /* with its quotes */
	char location[256]; /* of a redirect */
	struct strbuf body;
	struct s3_answer answer; /* of a status of 300 and above, or of what `body` holds */
	unsigned attempts;
};
/* clang-format off */
#define S3_RESPONSE_INIT { .body = STRBUF_INIT }
/* clang-format on */
void s3_response_release(struct s3_response *r);

/* Tries again what may pass by itself (lost connections, 5xx, 429, a success without what it has to
 * bring) until patience_ms went by without a byte of progress. 0: the server gave a final answer,
 * of whatever status. -1: none, or the sink stopped. */
int s3_request(struct s3_client *c, const struct s3_request *q, struct s3_response *r,
	       struct err *e);
/* The error that a status means; what: "put KEY". Returns -1. */
int s3_refused(const struct s3_client *c, const struct s3_response *r, const char *what,
	       struct err *e);

#endif
