#include "harness/run/console.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/base/xalloc.h"

#define NAME_COLUMNS 35   /* on a narrow terminal fewer */
#define STATUS_COLUMNS 16 /* " ok       12.3 s" */
#define DETAIL_COLUMNS 30 /* with less room a step's detail begins on a line of its own */
#define INDENT 6
#define COLUMNS_MIN 32
#define LIVE_COLUMNS 21 /* of a live line, beside the step's name */

void console_init(struct console *c, FILE *out)
{
	struct winsize w;
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	*c = (struct console){ .out = out, .columns = 160, .lock = PTHREAD_MUTEX_INITIALIZER };
	c->tty = isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
	c->color = c->tty && !(no_color && *no_color);
	if (c->tty && ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
		c->columns = w.ws_col > COLUMNS_MIN ? w.ws_col : COLUMNS_MIN;
	c->name_columns = c->columns - LIVE_COLUMNS;
	if (c->name_columns > NAME_COLUMNS)
		c->name_columns = NAME_COLUMNS;
}

static void wipe(struct console *c)
{
	if (c->open_line)
		fputs("\r\033[J", c->out); /* this line and the figures below it */
	c->open_line = false;
}

static int count_columns(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* The bytes of the UTF-8 character at p; 0: it is none. */
static size_t utf8_bytes(const unsigned char *p)
{
	size_t n = *p < 0x80                 ? 1
		   : *p >= 0xc2 && *p < 0xe0 ? 2
		   : *p >= 0xe0 && *p < 0xf0 ? 3
		   : *p >= 0xf0 && *p < 0xf5 ? 4
					     : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

char *console_inert(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p;) {
		size_t n = utf8_bytes(p);

		if (n == 0 || *p < 0x20 || *p == 0x7f)
			*p = '?';
		/* C1: the eight-bit CSI is one of them */
		else if (n == 2 && *p == 0xc2 && p[1] < 0xa0)
			p[0] = p[1] = '?';
		p += n ? n : 1;
	}
	return text;
}

/* Text within the terminal's width: a wrapped line could not be written over. */
static void put(struct console *c, int used, const char *from)
{
	int room = c->columns - used - 1, n = 0;
	char *text = console_inert(xstrdup(from));

	if (room < 8)
		room = 8;
	if (!c->tty || count_columns(text) <= room) {
		fputs(text, c->out);
		free(text);
		return;
	}
	for (int shown = 0; text[n]; n++)
		if (((unsigned char)text[n] & 0xc0) != 0x80 && shown++ == room - 1)
			break; /* at the first byte of a character */
	fprintf(c->out, "%.*s…", n, text);
	free(text);
}

/* What stays is whole, however wide: broken between words, before the terminal does it within one.
 * used: columns of this line that are taken. */
static void put_whole(struct console *c, int used, const char *from)
{
	char *text = console_inert(xstrdup(from)), *save = NULL;
	int at = used;
	bool first = true;

	if (!c->tty || used + count_columns(text) <= c->columns) {
		fputs(text, c->out);
		free(text);
		return;
	}
	if (c->columns - used < DETAIL_COLUMNS) {
		fprintf(c->out, "\n%*s", INDENT, "");
		at = INDENT;
	}
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		int wide = count_columns(word);

		if (!first && at + 1 + wide > c->columns) {
			fprintf(c->out, "\n%*s", INDENT, "");
			at = INDENT;
			first = true;
		}
		fprintf(c->out, "%s%s", first ? "" : " ", word);
		at += wide + !first;
		first = false;
	}
	free(text);
}

/* "  4 disaster in the primary             "; returns the columns. room: for the name; 0: as it is.
 */
static int step_name(struct console *c, int n, const char *name, int room)
{
	char *text = console_inert(xstrdup(name));
	int wide = count_columns(text);

	if (room > 0 && wide > room) {
		size_t at = 0;

		for (int shown = 0; text[at]; at++)
			if (((unsigned char)text[at] & 0xc0) != 0x80 && shown++ == room)
				break;
		text[at] = '\0';
		wide = room;
	}

	fprintf(c->out, " %2d ", n);
	put_whole(c, 4, text);
	free(text);
	if (c->tty && wide > c->name_columns) { /* the status has a line of its own */
		fprintf(c->out, "\n    ");
		wide = 0;
	}
	fprintf(c->out, "%*s", wide < c->name_columns ? c->name_columns - wide : 0, "");
	return 4 + (wide < c->name_columns ? c->name_columns : wide);
}

void console_header(struct console *c, const char *version, const char *scenario,
		    const char *ground, uint64_t seed, const char *extra)
{
	char *line = xstrfmt("drtest %s  %s  on %s  seed %llu", version, scenario, ground,
			     (unsigned long long)seed);
	bool wide = c->tty && count_columns(line) + 2 + count_columns(extra) > c->columns;

	fputs(c->color ? "\033[1m" : "", c->out);
	put_whole(c, 0, line);
	if (*extra) {
		fputs(wide ? "\n      " : "  ", c->out);
		put_whole(c, wide ? INDENT : 0, extra);
	}
	fprintf(c->out, "%s\n", c->color ? "\033[0m" : "");
	free(line);
	fflush(c->out);
}

void console_live(struct console *c, int n, const char *name, double seconds, const char *figures)
{
	if (!c->tty)
		return;
	pthread_mutex_lock(&c->lock);
	wipe(c);
	step_name(c, n, name, c->name_columns);
	fprintf(c->out, " ...    %6.1f s", seconds);
	if (*figures) {
		fprintf(c->out, "\n      %s", c->color ? "\033[2m" : "");
		put(c, 6, figures);
		/* back up: the next line is written over both */
		fprintf(c->out, "%s\033[A", c->color ? "\033[0m" : "");
	}
	c->open_line = true;
	fflush(c->out);
	pthread_mutex_unlock(&c->lock);
}

void console_step_begin(struct console *c, int n, const char *name)
{
	console_live(c, n, name, 0, "");
}

void console_step_end(struct console *c, int n, const char *name, const char *status,
		      double seconds, const char *detail)
{
	const char *color = !strcmp(status, "ok") ? "\033[32m"
			    : !strcmp(status, "interrupted") || !strcmp(status, "unknown")
				    ? "\033[33m"
				    : "\033[31m";
	int used;

	pthread_mutex_lock(&c->lock);
	wipe(c);
	used = step_name(c, n, name, 0);
	fprintf(c->out, " %s%-6s%s %6.1f s", c->color ? color : "", status,
		c->color ? "\033[0m" : "", seconds);
	if (!c->tty || (*detail && c->columns - used - STATUS_COLUMNS >= 3 + DETAIL_COLUMNS))
		fputs("   ", c->out);
	if (*detail)
		put_whole(c, used + STATUS_COLUMNS + 3, detail);
	fputc('\n', c->out);
	fflush(c->out);
	pthread_mutex_unlock(&c->lock);
}

void console_remark(struct console *c, const char *kind, const char *text)
{
	pthread_mutex_lock(&c->lock);
	wipe(c);
	fprintf(c->out, "      %s: ", kind);
	put_whole(c, INDENT + (int)strlen(kind) + 2, text);
	fputc('\n', c->out);
	fflush(c->out);
	pthread_mutex_unlock(&c->lock);
}
