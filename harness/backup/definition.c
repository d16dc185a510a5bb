#include "harness/backup/definition.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The text's tokens one by one. Comments that a server may execute are looked into, and must be
 * whole in themselves: whether the server executes them or not, what comes after them means the
 * same. */
struct tokens {
	const char *at, *end;
	const char *word; /* the current token */
	size_t n;
	/* 'w' word or number, '`' name, '\'' string, else the character itself; 0: the end */
	char kind;
	int depth;               /* of parentheses */
	const char *comment_end; /* within an executable comment: its end */
	int comment_depth;
	bool broken;
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool skip_quoted(struct tokens *t, char quote)
{
	const char *end = t->comment_end ? t->comment_end : t->end;

	for (t->at++; t->at < end; t->at++) {
		if (*t->at == '\\' && quote != '`' && t->at + 1 < end) {
			t->at++;
		} else if (*t->at == quote) {
			if (t->at + 1 < end && t->at[1] == quote) {
				t->at++;
				continue;
			}
			t->at++;
			return true;
		}
	}
	return false;
}

/* At a comment's beginning: into it when a server may execute it, else past it (a type's old
 * format, an option that no engine knows). */
static bool open_comment(struct tokens *t)
{
	const char *p = t->at + 2,
		   *close = memmem(t->at + 2, (size_t)(t->end - t->at - 2), "*/", 2);

	if (!close || t->comment_end)
		return false;
	if (*p == 'T' && p[1] == '!') { /* TiDB: a feature's name in brackets */
		p += 2;
		if (*p == '[')
			p = memchr(p, ']', (size_t)(close - p))
				    ? (const char *)memchr(p, ']', (size_t)(close - p)) + 1
				    : close;
	} else {
		if (*p == 'M')
			p++;
		if (*p != '!') {
			t->at = close + 2;
			return true;
		}
		for (p++; p < close && isdigit((unsigned char)*p); p++)
			;
	}
	t->at = p;
	t->comment_end = close;
	t->comment_depth = t->depth;
	return true;
}

static char next_token(struct tokens *t)
{
	for (;;) {
		while (t->at < (t->comment_end ? t->comment_end : t->end) &&
		       isspace((unsigned char)*t->at))
			t->at++;
		if (t->comment_end && t->at == t->comment_end) {
			if (t->depth != t->comment_depth)
				goto broken;
			t->at += 2;
			t->comment_end = NULL;
		} else if (t->at + 1 < t->end && t->at[0] == '/' && t->at[1] == '*') {
			if (!open_comment(t))
				goto broken;
		} else {
			break;
		}
	}
	if (t->at == t->end)
		return t->kind = 0;
	t->word = t->at;
	t->kind = *t->at;
	if (is_word(*t->at)) {
		while (t->at < t->end && is_word(*t->at))
			t->at++;
		t->kind = 'w';
	} else if (*t->at == '\'' || *t->at == '"' || *t->at == '`') {
		if (!skip_quoted(t, *t->at))
			goto broken;
		t->kind = t->kind == '"' ? '\'' : t->kind;
	} else {
		t->depth += *t->at == '(' ? 1 : *t->at == ')' ? -1 : 0;
		if (*t->at == '#' || *t->at == ';' || t->depth < 0 ||
		    (!strncmp(t->at, "--", 2) && (unsigned char)t->at[2] <= ' '))
			goto broken; /* a comment, a further statement */
		t->at++;
	}
	t->n = (size_t)(t->at - t->word);
	return t->kind;
broken:
	t->broken = true;
	return t->kind = 0;
}

static bool token_is(const struct tokens *t, const char *word)
{
	return t->kind == 'w' && t->n == strlen(word) && !strncasecmp(t->word, word, t->n);
}

static bool take(struct tokens *t, const char *word)
{
	next_token(t);
	return token_is(t, word);
}

static bool is_name(const struct tokens *t, const char *name)
{
	const char *p = t->word + 1;

	if (t->kind != '`')
		return false;
	for (; *name; name++, p++) {
		if (*p != *name)
			return false;
		if (*p == '`' && *++p != '`')
			return false;
	}
	return p == t->word + t->n - 1;
}

static bool to_the_end(struct tokens *t)
{
	while (next_token(t))
		if (t->kind == '@')
			return false;
	return !t->broken && t->depth == 0;
}

/* CREATE TABLE `name` (..) options: no SELECT that fills it, nothing copied from another table. A
 * default may be a variable. */
static bool check_table(struct tokens *t, const char *name)
{
	if (!take(t, "TABLE") || !next_token(t) || !is_name(t, name) || next_token(t) != '(')
		return false;
	while (next_token(t)) {
		if (token_is(t, "SELECT") || (t->kind == '@' && !t->depth))
			return false;
		if (t->depth == 0 &&
		    (token_is(t, "AS") || token_is(t, "LIKE") || token_is(t, "VALUES")))
			return false;
		if (t->depth == 0 && token_is(t, "WITH") && !take(t, "SYSTEM"))
			return false;
	}
	return !t->broken && t->depth == 0;
}

/* CREATE ALGORITHM=.. DEFINER=`user`@`host` SQL SECURITY .. VIEW `db`.`name` (..) AS a query. */
static bool check_view(struct tokens *t, const char *db, const char *name)
{
	int n = 0;

	while (next_token(t) && !token_is(t, "VIEW"))
		if (++n > 16 ||
		    (t->kind == 'w' && !token_is(t, "ALGORITHM") && !token_is(t, "UNDEFINED") &&
		     !token_is(t, "MERGE") && !token_is(t, "TEMPTABLE") &&
		     !token_is(t, "DEFINER") && !token_is(t, "SQL") && !token_is(t, "SECURITY") &&
		     !token_is(t, "INVOKER")) ||
		    (t->kind != 'w' && t->kind != '`' && t->kind != '=' && t->kind != '@'))
			return false;
	if (!t->kind || !next_token(t))
		return false;
	if (is_name(t, db)) { /* a view may be called as its database is */
		struct tokens ahead = *t;

		if (next_token(&ahead) == '.') {
			*t = ahead;
			next_token(t);
		}
	}
	if (!is_name(t, name) || !next_token(t))
		return false;
	if (t->kind == '(')
		while (t->depth && next_token(t))
			;
	return (token_is(t, "AS") || take(t, "AS")) && to_the_end(t);
}

int definition_check(enum definition what, const char *db, const char *name, const char *text,
		     struct err *e)
{
	static const char *const words[] = { "DATABASE", "TABLE", "VIEW", "SEQUENCE" };
	struct tokens t = { .at = text, .end = text + strlen(text) };
	bool sound = take(&t, "CREATE");

	if (sound && what == DEFINITION_TABLE)
		sound = check_table(&t, name);
	else if (sound && what == DEFINITION_VIEW)
		sound = check_view(&t, db, name);
	else if (sound)
		sound = take(&t, words[what]) && next_token(&t) &&
			is_name(&t, what == DEFINITION_DATABASE ? db : name) && to_the_end(&t);
	if (sound)
		return 0;
	return err_set(
		e, ERR_BAD_DATA, 0,
		"the backup's definition of %s%s%s is not a single CREATE %s of it (\"%.60s\"): "
		"none of it was run",
		db, *name ? "." : "", name, words[what], text);
}
