/* Downloads files of a store in the order asked, several at once and in pieces: of each of them at
 * most a few pieces are in memory, a file never whole. Its thread is fetch_next's caller; a local
 * store is read on it, without other threads. */
#ifndef HARNESS_REDO_FETCH_H
#define HARNESS_REDO_FETCH_H

#include "harness/net/store.h"

struct fetch;
/* The array of keys must live as long. threads 0: none, each piece is read when it is asked for. */
struct fetch *fetch_new(struct store *s, const char *const *keys, size_t n, unsigned threads);
/* Passes the whole of file i to fn, piece by piece. Files are taken in order, i = 0, 1, 2, ...;
 * each once. */
int fetch_file(struct fetch *f, size_t i,
	       int (*fn)(void *arg, const void *data, size_t n, struct err *e), void *arg,
	       struct err *e);
void fetch_free(struct fetch *f); /* ends downloads that still run; NULL is fine */

#endif
