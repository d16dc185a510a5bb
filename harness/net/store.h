/* Object storage: S3 (and compatibles) through libcurl, or a local directory, behind one interface.
 * A store is opened on a bucket and prefix; keys are relative to it. Thread-safe: each call takes a
 * handle of a small pool. Bodies are bounded. 5xx and connection errors are tried again with
 * backoff until the store's patience (default 10 s) ends. URIs:
 * s3://bucket/prefix?access-key=..&secret-access-key=..&endpoint=http://host:port&force-path-style=true&region=..
 *       file:///dir, local:///dir, nfs:///dir. */
#ifndef HARNESS_NET_STORE_H
#define HARNESS_NET_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/base/strbuf.h"

#define STORE_OBJECT_BYTES_MAX ((size_t)5 << 30)

struct store;
struct store_opts {
	/* how long 5xx and lost connections are tried again; 0: 10,000. 1: a single attempt. Each
	 * attempt may be without a byte for as long, and for three seconds at least */
	int64_t patience_ms;
};
/* uri may be "@FILE" or "env:NAME" (harness/base/uri.h). */
/* o may be NULL; touches nothing yet */
struct store *store_open(const char *uri, const struct store_opts *o, struct err *e);
/* Of s3://…, without its keys, which may be the environment's: what store_open() would refuse. */
int store_s3_check(const char *uri, struct err *e);
void store_free(struct store *s);
const char *store_uri_redacted(const struct store *s); /* for people */
const char *store_kind(const struct store *s);         /* "s3" or "file" */

/* existing and ours is fine; file: makes the directory */
int store_create_bucket(struct store *s, struct err *e);
int store_bucket_exists(struct store *s, bool *exists, struct err *e);

/* The object appears whole or not at all; a file store makes the directories it needs. Larger than
 * 16 MiB goes as multipart on S3. file: temporary name, fsync, rename, fsync. */
int store_put(struct store *s, const char *key, const void *data, size_t n, struct err *e);
/* Appends the object to out; larger than max is ERR_BAD_DATA, absent is ERR_NOT_FOUND. */
int store_get(struct store *s, const char *key, size_t max, struct strbuf *out, struct err *e);
/* Streamed: fn sees the body piece by piece; returning -1 (with *e set) stops.
 * No byte comes twice: a body that was cut goes on where it stopped, or fails if the object was
 * replaced meanwhile. */
int store_get_stream(struct store *s, const char *key,
		     int (*fn)(void *arg, const void *data, size_t n, struct err *e), void *arg,
		     struct err *e);
struct store_object {
	char *key; /* relative to the store's prefix */
	uint64_t size_bytes;
};
struct store_list {
	struct store_object *objects; /* sorted by key bytes */
	size_t n;
};
/* All objects under prefix ("" for all; a prefix of the text), recursively, through every
 * continuation. An absent bucket is ERR_NOT_FOUND; an absent directory of a file store lists
 * nothing, as an S3 prefix without objects does. */
int store_list(struct store *s, const char *prefix, struct store_list *out, struct err *e);
void store_list_release(struct store_list *l);
int store_delete(struct store *s, const char *key, struct err *e); /* absent is fine */

#endif
