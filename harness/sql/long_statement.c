#include "harness/sql/long_statement.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/sql/sql.h"

#define LONG_LITERAL 1024 /* what is shorter stays in the text */
#define PIECE_BYTES ((size_t)256 << 10)
#define PARAMETERS_MAX 65535
#define TOO_LARGE 1153 /* ER_NET_PACKET_TOO_LARGE */

struct literal { /* of the text, without its quotes */
	const char *p;
	size_t n;
	bool hex;
};

static unsigned is_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static char unescape_char(char c)
{
	switch (c) {
	case '0': return 0;
	case 'n': return '\n';
	case 'r': return '\r';
	case 'Z': return 26;
	default: return c;
	}
}

/* Takes up to `room` bytes of the value from *l on; out NULL: counts them. */
static size_t take(struct literal *l, char *out, size_t room)
{
	size_t n = 0;

	for (; l->n && n < room; n++) {
		size_t used = l->hex ? 2 : l->p[0] == '\\' ? 2 : 1;

		if (out)
			out[n] = l->hex      ? (char)(is_digit(l->p[0]) << 4 | is_digit(l->p[1]))
				 : used == 2 ? unescape_char(l->p[1])
					     : l->p[0];
		l->p += used;
		l->n -= used;
	}
	return n;
}

/* A `name`, to its last backtick; else one byte. */
static const char *name_end(const char *p, const char *end)
{
	const char *q = *p == '`' ? memchr(p + 1, '`', (size_t)(end - p - 1)) : NULL;

	return q ? q + 1 : p + 1;
}

/* p: behind the opening quote; NULL: there is none */
static const char *string_end(const char *p, const char *end)
{
	while (p < end && *p != '\'')
		p += *p == '\\' ? 2 : 1;
	return p < end ? p : NULL;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* "_gbk x'..'", "_gbk'..'" */
static bool skip_introducer(const char *text, const char *p)
{
	while (p > text && p[-1] == ' ')
		p--;
	const char *word = p;
	while (word > text && is_word(word[-1]))
		word--;
	return word < p && *word == '_';
}

/* The statement with ? for each long literal. */
static void split(const char *text, size_t n, struct strbuf *shorter, struct literal **out,
		  unsigned *n_out)
{
	const char *end = text + n, *copied = text, *p = text;
	unsigned alloc = 0;

	while (p < end) {
		bool hex = (*p == 'x' || *p == 'X') && p + 1 < end && p[1] == '\'' &&
			   (p == text || !is_word(p[-1]));
		const char *from = p + hex + 1, *to;

		if (*p != '\'' && !hex) {
			p = name_end(p, end);
			continue;
		}
		to = string_end(from, end);
		if (!to)
			break;
		if ((size_t)(to - from) >= LONG_LITERAL && *n_out < PARAMETERS_MAX &&
		    !skip_introducer(text, p)) {
			if (*n_out == alloc) {
				alloc = alloc ? 2 * alloc : 16;
				*out = xreallocarray(*out, alloc, sizeof(**out));
			}
			(*out)[(*n_out)++] =
				(struct literal){ .p = from, .n = (size_t)(to - from), .hex = hex };
			strbuf_add(shorter, copied, (size_t)(p - copied));
			strbuf_addch(shorter, '?');
			copied = to + 1;
		}
		p = to + 1;
	}
	strbuf_add(shorter, copied, (size_t)(end - copied));
}

static int send(MYSQL_STMT *st, unsigned number, struct literal l, char *piece)
{
	size_t n;

	while ((n = take(&l, piece, PIECE_BYTES)) != 0)
		if (mysql_stmt_send_long_data(st, number, piece, (unsigned long)n))
			return -1;
	return 0;
}

int64_t sql_exec_long(MYSQL *m, uint64_t packet_bytes_max, const char *text, size_t n,
		      struct err *e)
{
	struct strbuf shorter = STRBUF_INIT;
	struct literal *l = NULL;
	MYSQL_BIND *bind = NULL;
	MYSQL_STMT *st = NULL;
	char *piece = xmalloc(PIECE_BYTES);
	unsigned n_literals = 0;
	int64_t rc = -1;
	bool sent = false;

	split(text, n, &shorter, &l, &n_literals);
	for (unsigned i = 0; i < n_literals; i++) {
		struct literal all = l[i];
		size_t bytes = take(&all, NULL, SIZE_MAX);

		if (bytes <= packet_bytes_max)
			continue;
		err_set(e, ERR_SQL, TOO_LARGE,
			"a value of %zu bytes exceeds the server's max_allowed_packet of %" PRIu64
			": "
			"raise it",
			bytes, packet_bytes_max);
		goto out;
	}
	if (shorter.len >= packet_bytes_max) {
		err_set(e, ERR_SQL, TOO_LARGE,
			"a statement of %zu bytes exceeds the server's max_allowed_packet of %" PRIu64
			": "
			"raise it",
			n, packet_bytes_max);
		goto out;
	}
	st = mysql_stmt_init(m);
	if (!st || mysql_stmt_prepare(st, shorter.buf, (unsigned long)shorter.len))
		goto out;
	bind = xcalloc(n_literals ? n_literals : 1, sizeof(*bind));
	for (unsigned i = 0; i < n_literals; i++)
		bind[i].buffer_type = l[i].hex ? MYSQL_TYPE_LONG_BLOB : MYSQL_TYPE_STRING;
	if (mysql_stmt_bind_param(st, bind))
		goto out;
	for (unsigned i = 0; i < n_literals; i++)
		if (send(st, i, l[i], piece) < 0)
			goto out;
	sent = !mysql_stmt_execute(st);
	rc = sent ? (int64_t)mysql_stmt_affected_rows(st) : -1;
out:
	if (rc < 0 && st)
		sql_error_code(mysql_stmt_errno(st), mysql_stmt_error(st), e, "a long statement");
	else if (rc < 0 && !st && e && e->code != TOO_LARGE)
		sql_error(m, e, "a long statement");
	if (st)
		mysql_stmt_close(st);
	free(bind);
	free(piece);
	free(l);
	strbuf_release(&shorter);
	return rc;
}
