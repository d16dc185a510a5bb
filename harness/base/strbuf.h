/* A growing byte string. buf is never NULL and always ends in a NUL that len does not count.
 * The holder owns it: strbuf_release() at the end, or strbuf_detach() to take the bytes. */
#ifndef HARNESS_BASE_STRBUF_H
#define HARNESS_BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

struct strbuf {
	char *buf;
	size_t len;
	size_t alloc; /* 0: buf is the shared empty string */
};
extern char strbuf_empty[1];
/* clang-format off */
#define STRBUF_INIT { .buf = strbuf_empty }
/* clang-format on */

void strbuf_release(struct strbuf *s); /* may be used again afterwards */
void strbuf_reset(struct strbuf *s);   /* empties, keeps the memory */
void strbuf_grow(struct strbuf *s, size_t extra);
void strbuf_add(struct strbuf *s, const void *data, size_t n);
void strbuf_addstr(struct strbuf *s, const char *text);
void strbuf_addch(struct strbuf *s, char c);
void strbuf_addf(struct strbuf *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *s, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
void strbuf_setlen(struct strbuf *s, size_t n); /* n <= len */
void strbuf_drop_bom(struct strbuf *s);         /* the mark that editors put before UTF-8 */
char *strbuf_detach(struct strbuf *s);          /* now the caller's to free() */

#endif
