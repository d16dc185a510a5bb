#include "harness/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A peer's message may hold anything: keep the text one printable line. */
void err_one_line(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = ' ';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* U+0080 to U+009F */
			p[0] = p[1] = ' ';
}

int err_set(struct err *e, enum err_kind kind, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	e->kind = kind;
	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	err_one_line(e->text);
	return -1;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int why = errno;
	size_t n;
	va_list ap;

	if (!e)
		return -1;
	e->kind = ERR_IO;
	e->code = why;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(why));
	err_one_line(e->text);
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	size_t n;
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = strlen(text);
	if (n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, ": %s", e->text);
	memcpy(e->text, text, sizeof(text));
	err_one_line(e->text);
	return -1;
}

int err_exit_code(const struct err *e)
{
	switch (e->kind) {
	case ERR_USAGE: return 2;
	case ERR_CANCELLED: return 130;
	case ERR_NONE: return 0;
	case ERR_ENV:
	case ERR_IO:
	case ERR_NOT_FOUND:
	case ERR_TIMEOUT:
	case ERR_GONE:
	case ERR_SQL:
	case ERR_CONFLICT:
	case ERR_BAD_DATA:
	case ERR_UNSUPPORTED:
	case ERR_KILLED: return 3;
	}
	return 3;
}
