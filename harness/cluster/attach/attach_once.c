/* A field that stands twice in one table of a clusters file. Lua keeps the last: whoever adds
 * `expendable = false` above an older `true` has changed nothing. Lua's own reader does not tell,
 * so its source is read here, as far as it takes to know a table's fields. */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach_agree.h"

#define DEPTH_MAX 200 /* Lua's own is below that */

struct name {
	const char *at;
	size_t n;
	unsigned depth;
};
struct reading {
	const char *p, *end;
	unsigned line;
	struct name *seen; /* of the tables that are open */
	size_t n_seen;
	unsigned depth;
	/* of each bracket or block that is open: is it a table? */
	bool table[DEPTH_MAX];
	bool begins; /* a field of the table may begin here */
};

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Past "[==[ … ]==]" at p; NULL: there is none. */
static const char *skip_long(struct reading *r, const char *p)
{
	const char *q = p + 1;
	size_t level;

	while (q < r->end && *q == '=')
		q++;
	if (q == r->end || *q != '[')
		return NULL;
	level = (size_t)(q - p - 1);
	for (q++; q < r->end; q++) {
		size_t k = 0;

		r->line += *q == '\n';
		if (*q != ']')
			continue;
		while (q + 1 + k < r->end && q[1 + k] == '=')
			k++;
		if (k == level && q + 1 + k < r->end && q[1 + k] == ']')
			return q + 2 + k;
	}
	return r->end;
}

static void skip_quoted(struct reading *r)
{
	char quote = *r->p++;

	while (r->p < r->end && *r->p != quote && *r->p != '\n')
		r->p += *r->p == '\\' && r->p + 1 < r->end ? 2 : 1;
	if (r->p < r->end && *r->p == quote)
		r->p++;
}

/* Blanks and comments. */
static void skip_blanks(struct reading *r)
{
	while (r->p < r->end) {
		const char *past;

		if (isspace((unsigned char)*r->p)) {
			r->line += *r->p++ == '\n';
		} else if (r->end - r->p >= 2 && !strncmp(r->p, "--", 2)) {
			past = r->end - r->p > 2 && r->p[2] == '[' ? skip_long(r, r->p + 2) : NULL;
			while (!past && r->p < r->end && *r->p != '\n')
				r->p++;
			r->p = past ? past : r->p;
		} else {
			return;
		}
	}
}

/* Is "=" what comes next, and no "=="? */
static bool is_assigned(struct reading *r)
{
	skip_blanks(r);
	return r->p < r->end && *r->p == '=' && (r->p + 1 == r->end || r->p[1] != '=');
}

static const struct name *find_name(const struct reading *r, const char *at, size_t n)
{
	for (size_t i = r->n_seen; i > 0 && r->seen[i - 1].depth == r->depth; i--)
		if (r->seen[i - 1].n == n && !memcmp(r->seen[i - 1].at, at, n))
			return &r->seen[i - 1];
	return NULL;
}

static int take_name(struct reading *r, const char *at, size_t n, unsigned line, const char *path,
		     struct err *e)
{
	if (find_name(r, at, n))
		return err_set(e, ERR_USAGE, 0,
			       "%.300s:%u: the field '%.*s' stands twice in one table: remove one",
			       path, line, n > 60 ? 60 : (int)n, at);
	r->seen = xreallocarray(r->seen, r->n_seen + 1, sizeof(*r->seen));
	r->seen[r->n_seen++] = (struct name){ at, n, r->depth };
	return 0;
}

static bool open_level(struct reading *r, bool table)
{
	if (r->depth + 1 == DEPTH_MAX)
		return false; /* Lua says so */
	r->table[++r->depth] = table;
	return true;
}

static void close_level(struct reading *r)
{
	while (r->n_seen && r->seen[r->n_seen - 1].depth == r->depth)
		r->n_seen--;
	if (r->depth)
		r->depth--;
}

static bool is_one_of(const char *at, size_t n, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == n && !memcmp(at, *words, n))
			return true;
	return false;
}

/* A name, a number or a keyword; false: too deep. */
static int take_word(struct reading *r, bool begins, const char *path, struct err *e)
{
	static const char *const opens[] = { "function", "do", "if", "repeat", NULL },
				 *const ends[] = { "end", "until", NULL };
	const char *at = r->p;
	unsigned line = r->line;
	size_t n = 0;

	while (r->p < r->end && is_word_char(*r->p))
		r->p++;
	n = (size_t)(r->p - at);
	if (is_one_of(at, n, opens))
		return open_level(r, false) ? 0 : 1;
	if (is_one_of(at, n, ends))
		close_level(r);
	else if (begins && is_assigned(r))
		return take_name(r, at, n, line, path, e);
	return 0;
}

/* ["name"] = … */
static int take_bracket(struct reading *r, bool begins, const char *path, struct err *e)
{
	unsigned line = r->line;
	const char *past = skip_long(r, r->p), *at;
	size_t n;

	if (past) {
		r->p = past;
		return 0;
	}
	r->p++;
	if (!open_level(r, false))
		return 1;
	skip_blanks(r);
	if (!begins || r->p == r->end || (*r->p != '"' && *r->p != '\''))
		return 0;
	at = r->p + 1;
	skip_quoted(r);
	n = r->p > at ? (size_t)(r->p - at - 1) : 0;
	skip_blanks(r);
	if (r->p == r->end || *r->p != ']')
		return 0;
	r->p++;
	close_level(r);
	return is_assigned(r) ? take_name(r, at, n, line, path, e) : 0;
}

static int take_token(struct reading *r, const char *path, struct err *e)
{
	bool begins = r->begins;

	r->begins = false;
	if (is_word_char(*r->p))
		return take_word(r, begins, path, e);
	switch (*r->p) {
	case '"':
	case '\'': skip_quoted(r); return 0;
	case '[': return take_bracket(r, begins, path, e);
	case '{':
		r->begins = true;
		r->p++;
		return open_level(r, true) ? 0 : 1;
	case '(': r->p++; return open_level(r, false) ? 0 : 1;
	case '}':
	case ')':
	case ']':
		close_level(r);
		r->p++;
		return 0;
	case ',':
	case ';': r->begins = r->table[r->depth]; break;
	default: break;
	}
	r->p++;
	return 0;
}

int agree_once(const char *source, size_t n, const char *path, struct err *e)
{
	struct reading *r = xcalloc(1, sizeof(*r));
	int rc = 0;

	r->p = source;
	r->end = source + n;
	r->line = 1;
	while (rc == 0) {
		skip_blanks(r);
		if (r->p == r->end)
			break;
		rc = take_token(r, path, e);
	}
	free(r->seen);
	free(r);
	return rc < 0 ? -1 : 0;
}
