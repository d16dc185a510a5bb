/* Inside net/ only: what a kind of store has to provide. */
#ifndef HARNESS_NET_STORE_IMPL_H
#define HARNESS_NET_STORE_IMPL_H

#include "harness/net/store.h"
#include "harness/base/uri.h"

typedef int store_sink(void *arg, const void *data, size_t n, struct err *e);

/* Keys were checked by store.c: 1 to 1,024 bytes, no empty, "." or ".." part, no control
 * characters. */
struct store_ops {
	const char *kind;
	int (*create_bucket)(struct store *s, struct err *e);
	int (*bucket_exists)(struct store *s, bool *exists, struct err *e);
	int (*put)(struct store *s, const char *key, const void *data, size_t n, struct err *e);
	/* restart (may be NULL: then it can't): forget what fn saw, the object comes again from its
	 * beginning. */
	int (*get)(struct store *s, const char *key, store_sink *fn, void (*restart)(void *arg),
		   void *arg, struct err *e);
	/* in any order */
	int (*list)(struct store *s, const char *prefix, struct store_list *out, struct err *e);
	int (*del)(struct store *s, const char *key, struct err *e);
	void (*free)(struct store *s);
};

struct store { /* the head of each kind's own struct */
	const struct store_ops *ops;
	char *redacted;
	int64_t patience_ms;
};

struct store *store_file_open(const struct uri *u, struct err *e);
struct store *store_s3_open(const struct uri *u, struct err *e);

/* takes key */
void store_list_add(struct store_list *l, size_t *alloc, char *key, uint64_t size_bytes);

#endif
