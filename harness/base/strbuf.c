#include "harness/base/strbuf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

char strbuf_empty[1];

void strbuf_release(struct strbuf *s)
{
	if (s->alloc)
		free(s->buf);
	s->buf = strbuf_empty;
	s->len = s->alloc = 0;
}

void strbuf_reset(struct strbuf *s)
{
	s->len = 0;
	if (s->alloc)
		s->buf[0] = 0;
}

void strbuf_grow(struct strbuf *s, size_t extra)
{
	size_t want = s->len + extra + 1;

	assert(want > s->len);
	if (want <= s->alloc)
		return;
	if (want < s->alloc + s->alloc / 2)
		want = s->alloc + s->alloc / 2;
	if (want < 64)
		want = 64;
	s->buf = s->alloc ? xrealloc(s->buf, want) : xmalloc(want);
	s->alloc = want;
	s->buf[s->len] = 0;
}

void strbuf_add(struct strbuf *s, const void *data, size_t n)
{
	if (!n)
		return;
	strbuf_grow(s, n);
	memcpy(s->buf + s->len, data, n);
	s->len += n;
	s->buf[s->len] = 0;
}

void strbuf_addstr(struct strbuf *s, const char *text)
{
	strbuf_add(s, text, strlen(text));
}

void strbuf_addch(struct strbuf *s, char c)
{
	strbuf_add(s, &c, 1);
}

void strbuf_vaddf(struct strbuf *s, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	strbuf_grow(s, 127);
	n = vsnprintf(s->buf + s->len, s->alloc - s->len, fmt, ap);
	assert(n >= 0);
	if ((size_t)n >= s->alloc - s->len) {
		strbuf_grow(s, (size_t)n);
		vsnprintf(s->buf + s->len, s->alloc - s->len, fmt, again);
	}
	va_end(again);
	s->len += (size_t)n;
}

void strbuf_addf(struct strbuf *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(s, fmt, ap);
	va_end(ap);
}

void strbuf_drop_bom(struct strbuf *s)
{
	if (strncmp(s->buf, "\xef\xbb\xbf", 3) != 0)
		return;
	memmove(s->buf, s->buf + 3, s->len - 2); /* with its zero byte */
	s->len -= 3;
}

void strbuf_setlen(struct strbuf *s, size_t n)
{
	assert(n <= s->len);
	s->len = n;
	if (s->alloc)
		s->buf[n] = 0;
}

char *strbuf_detach(struct strbuf *s)
{
	char *p = s->alloc ? s->buf : xstrdup("");

	s->buf = strbuf_empty;
	s->len = s->alloc = 0;
	return p;
}
