/* What is typed at the terminal, or comes through a pipe, while a scenario goes on: whole lines,
 * never waited for. */
#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/secret.h"
#include "harness/run/runtime_impl.h"

#define LINE_BYTES_MAX 1000 /* a longer one comes in parts */

struct typed {
	char text[LINE_BYTES_MAX];
	size_t n;
	bool over; /* nobody types any more */
};

static void read_more(struct typed *t)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;

	if (t->over || t->n == sizeof(t->text) || poll(&p, 1, 0) <= 0)
		return;
	n = read(STDIN_FILENO, t->text + t->n, sizeof(t->text) - t->n);
	if (n > 0)
		t->n += (size_t)n;
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		t->over = true;
}

/* typed() -> a line, or nil; and whether nobody types any more. */
int lua_read_line(lua_State *L)
{
	static struct typed typed; /* standard input is the process's */
	struct strbuf raw = STRBUF_INIT, line = STRBUF_INIT;
	char *end;
	size_t n;

	read_more(&typed);
	end = memchr(typed.text, '\n', typed.n);
	if (!end && !(typed.over && typed.n) && typed.n < sizeof(typed.text)) {
		lua_pushnil(L);
		lua_pushboolean(L, typed.over);
		return 2;
	}
	n = end ? (size_t)(end - typed.text) : typed.n;
	for (size_t i = 0; i < n; i++) /* a NUL would end the text */
		strbuf_addch(&raw, typed.text[i] ? typed.text[i] : '?');
	n += end != NULL;
	memmove(typed.text, typed.text + n, typed.n - n);
	typed.n -= n;
	secret_redact(&line, raw.buf);
	console_inert(line.buf);
	lua_pushstring(L, line.buf);
	lua_pushboolean(L, false);
	strbuf_release(&raw);
	strbuf_release(&line);
	return 2;
}
