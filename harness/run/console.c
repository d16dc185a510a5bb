#include "harness/run/console.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void console_init(struct console *c, FILE *out)
{
	struct winsize w;
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	*c = (struct console){ .out = out, .columns = 160 };
	c->tty = isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
	c->color = c->tty && !(no_color && *no_color);
	if (c->tty && ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col >= 40)
		c->columns = w.ws_col;
}

static void wipe(struct console *c)
{
	if (c->open_line)
		fputs("\r\033[K", c->out);
	c->open_line = false;
}

/* Text within the terminal's width: a wrapped line could not be written over. */
static void put(struct console *c, int used, const char *text)
{
	int room = c->columns - used - 1;

	if (room < 8)
		room = 8;
	if (c->tty && (int)strlen(text) > room) {
		int n = room - 3;

		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--; /* not within a character */
		fprintf(c->out, "%.*s...", n, text);
	} else {
		fputs(text, c->out);
	}
}

void console_header(struct console *c, const char *version, const char *scenario, const char *ground, uint64_t seed, const char *extra)
{
	fprintf(c->out, "%sdrtest %s  %s  on %s  seed %llu%s%s%s\n", c->color ? "\033[1m" : "", version, scenario, ground, (unsigned long long)seed,
	        *extra ? "  " : "", extra, c->color ? "\033[0m" : "");
	fflush(c->out);
}

void console_step_begin(struct console *c, int n, const char *name)
{
	if (!c->tty)
		return;
	wipe(c);
	fprintf(c->out, "  %d %-35s ...", n, name);
	c->open_line = true;
	fflush(c->out);
}

void console_live(struct console *c, const char *text)
{
	if (!c->tty)
		return;
	fputs("\r\033[K    ", c->out);
	put(c, 4, text);
	c->open_line = true;
	fflush(c->out);
}

void console_step_end(struct console *c, int n, const char *name, const char *status, double seconds, const char *detail)
{
	const char *color = !strcmp(status, "ok") ? "\033[32m" : "\033[31m";

	wipe(c);
	fprintf(c->out, "  %d %-35s %s%-6s%s %6.1f s   ", n, name, c->color ? color : "", status, c->color ? "\033[0m" : "", seconds);
	put(c, 58, detail);
	fputc('\n', c->out);
	fflush(c->out);
}

void console_remark(struct console *c, const char *kind, const char *text)
{
	wipe(c);
	fprintf(c->out, "      %s: ", kind);
	put(c, 8 + (int)strlen(kind), text);
	fputc('\n', c->out);
	fflush(c->out);
}
