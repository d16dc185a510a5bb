/* Allocation that never fails: out of memory ends the program here, in one place, with one line. */
#ifndef HARNESS_BASE_XALLOC_H
#define HARNESS_BASE_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
/* Ends the program when count * size overflows. */
void *xreallocarray(void *old, size_t count, size_t size);
/* Makes room for one more in list, which has n of the alloc that it has room for; it grows at
 * powers of two, from `first` on. */
#define XGROW(list, n, alloc, first)                                              \
	do {                                                                      \
		if ((n) == (alloc)) {                                             \
			(alloc) = (alloc) ? (alloc)*2 : (first);                  \
			(list) = xreallocarray((list), (alloc), sizeof(*(list))); \
		}                                                                 \
	} while (0)
/* The same for a list without a count of its room: it has room for the next power of two. */
#define XGROW_POW2(list, n)                                                               \
	do {                                                                              \
		if (((n) & ((n)-1)) == 0)                                                 \
			(list) = xreallocarray((list), (n) ? (n)*2 : 1, sizeof(*(list))); \
	} while (0)
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xstrfmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
