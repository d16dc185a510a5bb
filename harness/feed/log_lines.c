#include "harness/feed/log_lines.h"

#include <stdarg.h>
#include <stdio.h>

#include "harness/base/clock.h"
#include "harness/base/secret.h"

static int64_t start_ns;

void feed_log_start(void)
{
	start_ns = clock_mono_ns();
}

void feed_log(const char *level, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT, line = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	strbuf_addf(&line, "%.3f %s ", (double)(clock_mono_ns() - start_ns) / 1e9, level);
	secret_redact(&line, text.buf);
	strbuf_addch(&line, '\n');
	fwrite(line.buf, 1, line.len, stderr);
	fflush(stderr);
	strbuf_release(&text);
	strbuf_release(&line);
}
