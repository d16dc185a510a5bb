#include "harness/sql/ddl/lex.h"

#include <string.h>
#include <strings.h>

static bool in_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || (c & 0x80);
}

static bool is_at(const struct lex *x, const char *s)
{
	size_t n = strlen(s);

	return (size_t)(x->end - x->p) >= n && !memcmp(x->p, s, n);
}

static void skip_blank(struct lex *x)
{
	while (x->p < x->end) {
		char c = *x->p;

		if (c == ' ' || (c >= '\t' && c <= '\r') || !c) {
			x->p++;
		} else if (x->executable && is_at(x, "*/")) {
			x->executable = false;
			x->p += 2;
		} else if (is_at(x, "/*!") || is_at(x, "/*M!")) {
			x->executable = true;
			x->p += x->p[2] == '!' ? 3 : 4;
			while (x->p < x->end && *x->p >= '0' && *x->p <= '9')
				x->p++;
		} else if (is_at(x, "/*")) {
			const char *q = memmem(x->p + 2, (size_t)(x->end - x->p) - 2, "*/", 2);

			x->p = q ? q + 2 : x->end;
		} else if (c == '#' || (is_at(x, "--") &&
					(x->end - x->p == 2 || (unsigned char)x->p[2] <= ' '))) {
			const char *q = memchr(x->p, '\n', (size_t)(x->end - x->p));

			x->p = q ? q + 1 : x->end;
		} else {
			return;
		}
	}
}

void lex_next(struct lex *x)
{
	size_t n = 0;

	skip_blank(x);
	x->start = x->p;
	x->text[0] = 0;
	x->punct = 0;
	if (x->p >= x->end) {
		x->kind = T_END;
		return;
	}
	if (in_word(*x->p)) {
		x->kind = T_WORD;
		for (; x->p < x->end && in_word(*x->p); x->p++)
			if (n < LEX_NAME_MAX)
				x->text[n++] = *x->p;
	} else if (*x->p == '`' || *x->p == '"' || *x->p == '\'') {
		char quote = *x->p++;
		bool no_escape =
			quote == '`' || x->plain_backslash || (quote == '"' && x->ansi_quotes);

		x->kind = quote == '\'' ? T_STRING : T_QUOTED;
		while (x->p < x->end) {
			if (*x->p == quote && (x->p + 1 >= x->end || x->p[1] != quote))
				break;
			if (*x->p == quote || (*x->p == '\\' && !no_escape))
				x->p++;
			if (x->p < x->end) {
				if (n < LEX_NAME_MAX)
					x->text[n++] = *x->p;
				x->p++;
			}
		}
		x->p += x->p < x->end;
	} else {
		x->kind = T_PUNCT;
		x->punct = *x->p++;
	}
	x->text[n] = 0;
}

bool lex_is(const struct lex *x, const char *word)
{
	return x->kind == T_WORD && !strcasecmp(x->text, word);
}
