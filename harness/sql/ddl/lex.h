/* An SQL statement as tokens. Comments are skipped, executable ones read (not TiDB's, whose words
 * other servers do not know). Start with { .p = text, .end = text + n }. */
#ifndef HARNESS_SQL_DDL_LEX_H
#define HARNESS_SQL_DDL_LEX_H

#include <stdbool.h>
#include <stddef.h>

enum { LEX_NAME_MAX = 64 * 4 }; /* bytes: 64 characters */
enum token { T_END, T_WORD, T_QUOTED, T_STRING, T_PUNCT };
struct lex {
	const char *p, *end; /* p: behind the token */
	const char *start;   /* the token's first byte */
	bool executable;     /* inside an executable comment: its end is blank */
	/* to set by the caller, from sql_mode: NO_BACKSLASH_ESCAPES, ANSI_QUOTES */
	bool plain_backslash, ansi_quotes;
	enum token kind;
	char punct;
	/* T_WORD, T_QUOTED without its quotes, T_STRING; cut where longer. "x" is T_QUOTED: a name
	 * in ANSI mode, and else a string that stands where no name does */
	char text[LEX_NAME_MAX + 1];
};
void lex_next(struct lex *x);
bool lex_is(const struct lex *x, const char *word); /* a word, in any case */

#endif
