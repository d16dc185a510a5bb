#include "harness/binlog/ddl_names.h"

#include <string.h>

#include "harness/sql/sql.h"

struct walk {
	struct lex x;
	const char *copied; /* all before it is in *out */
	const char *default_db;
	struct strbuf *out;
};

static bool word_is(const struct walk *w, const char *word)
{
	return lex_is(&w->x, word);
}

static bool is_punct(const struct walk *w, char c)
{
	return w->x.kind == T_PUNCT && w->x.punct == c;
}

static void copy_to(struct walk *w, const char *to)
{
	strbuf_add(w->out, w->copied, (size_t)(to - w->copied));
	w->copied = to;
}

/* Past the token. A name in "..." becomes one in `...`. */
static void next_token(struct walk *w)
{
	if (w->x.ansi_quotes && w->x.kind == T_QUOTED && *w->x.start == '"') {
		copy_to(w, w->x.start);
		sql_add_name(w->out, w->x.text);
		w->copied = w->x.p;
	}
	lex_next(&w->x);
}

static bool take_word(struct walk *w, const char *word)
{
	if (!word_is(w, word))
		return false;
	next_token(w);
	return true;
}

static bool took_punct(struct walk *w, char c)
{
	if (!is_punct(w, c))
		return false;
	next_token(w);
	return true;
}

static void put_db(struct walk *w)
{
	if (!*w->default_db)
		return;
	copy_to(w, w->x.start);
	sql_add_name(w->out, w->default_db);
}

/* A table's name: t, d.t or .t */
static void take_name(struct walk *w)
{
	struct lex ahead = w->x;

	if (is_punct(w, '.')) {
		put_db(w);
		next_token(w);
		next_token(w);
		return;
	}
	if (w->x.kind != T_WORD && w->x.kind != T_QUOTED)
		return;
	lex_next(&ahead);
	if (ahead.kind == T_PUNCT && ahead.punct == '.') {
		next_token(w);
		next_token(w);
	} else if (*w->default_db) {
		put_db(w);
		strbuf_addch(w->out, '.');
	}
	next_token(w);
}

static void skip_exists(struct walk *w)
{
	if (take_word(w, "IF")) {
		take_word(w, "NOT");
		take_word(w, "EXISTS");
	}
}

static void skip_wait(struct walk *w)
{
	if (take_word(w, "WAIT"))
		next_token(w);
	else
		take_word(w, "NOWAIT");
}

static void take_names(struct walk *w)
{
	do
		take_name(w);
	while (took_punct(w, ','));
}

static void take_pairs(struct walk *w)
{
	do {
		skip_exists(w);
		take_name(w);
		skip_wait(w);
		take_word(w, "TO");
		take_name(w);
	} while (took_punct(w, ','));
}

/* NEXTVAL(s), NEXT VALUE FOR s and their like, which a column's default may call. */
static bool take_sequence(struct walk *w)
{
	static const char *const called[] = { "NEXTVAL", "LASTVAL", "SETVAL" };
	struct lex ahead = w->x;

	lex_next(&ahead);
	for (size_t i = 0; i < sizeof(called) / sizeof(called[0]); i++)
		if (word_is(w, called[i]) && ahead.kind == T_PUNCT && ahead.punct == '(') {
			next_token(w);
			next_token(w);
			take_name(w);
			return true;
		}
	if ((!word_is(w, "NEXT") && !word_is(w, "PREVIOUS")) || !lex_is(&ahead, "VALUE"))
		return false;
	next_token(w);
	next_token(w);
	if (take_word(w, "FOR"))
		take_name(w);
	return true;
}

/* UNION = (t, ..) of a MERGE table */
static bool take_union(struct walk *w)
{
	if (!take_word(w, "UNION"))
		return false;
	took_punct(w, '=');
	if (took_punct(w, '(') && !is_punct(w, ')'))
		take_names(w);
	return true;
}

/* Tables in the words behind the one that a statement is about. */
static void take_rest(struct walk *w, bool alter)
{
	while (w->x.kind != T_END) {
		/* WITH TABLE, TO TABLE, CONVERT TABLE */
		bool before =
			alter && (word_is(w, "WITH") || word_is(w, "TO") || word_is(w, "CONVERT"));

		if (take_sequence(w) || take_union(w))
			continue;
		if (alter && take_word(w, "RENAME")) {
			if (word_is(w, "COLUMN") || word_is(w, "INDEX") || word_is(w, "KEY"))
				continue;
			if (!take_word(w, "TO") && !take_word(w, "AS"))
				took_punct(w, '=');
			take_name(w);
			continue;
		}
		next_token(w);
		if (before && take_word(w, "TABLE"))
			take_name(w);
	}
}

static void create_table(struct walk *w)
{
	skip_exists(w);
	take_name(w);
	took_punct(w, '(');
	if (take_word(w, "LIKE"))
		take_name(w);
	take_rest(w, false);
}

static void on_table(struct walk *w)
{
	while (w->x.kind != T_END && !take_word(w, "ON"))
		next_token(w);
	take_name(w);
}

/* To the word that tells what is created, dropped or altered. */
static void to_kind(struct walk *w)
{
	static const char *const kinds[] = {
		"TABLE", "TABLES", "VIEW",     "SEQUENCE", "INDEX",   "DATABASE", "SCHEMA",
		"EVENT", "USER",   "FUNCTION", "TRIGGER",  "PACKAGE", "ROLE",     "PROCEDURE",
	};

	for (; w->x.kind != T_END; next_token(w))
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (word_is(w, kinds[i]))
				return;
}

static void take_statement(struct walk *w)
{
	bool create = word_is(w, "CREATE"), drop = word_is(w, "DROP"), alter = word_is(w, "ALTER");

	if (take_word(w, "RENAME")) {
		if (take_word(w, "TABLE") || take_word(w, "TABLES"))
			take_pairs(w);
		return;
	}
	if (take_word(w, "TRUNCATE")) {
		take_word(w, "TABLE");
		take_name(w);
		return;
	}
	if (!create && !drop && !alter)
		return;
	to_kind(w);
	if (take_word(w, "INDEX")) {
		on_table(w);
	} else if (create && take_word(w, "TABLE")) {
		create_table(w);
	} else if (alter && take_word(w, "TABLE")) {
		skip_exists(w);
		take_name(w);
		take_rest(w, true);
	} else if (drop && (take_word(w, "TABLE") || take_word(w, "TABLES") ||
			    take_word(w, "VIEW") || take_word(w, "SEQUENCE"))) {
		skip_exists(w);
		take_names(w);
	} else if (take_word(w, "SEQUENCE")) {
		skip_exists(w);
		take_name(w);
	}
}

static bool makes_view(struct lex x)
{
	if (!lex_is(&x, "CREATE") && !lex_is(&x, "ALTER"))
		return false;
	for (; x.kind != T_END && !lex_is(&x, "TABLE") && !lex_is(&x, "SEQUENCE"); lex_next(&x))
		if (lex_is(&x, "VIEW"))
			return true;
	return false;
}

void ddl_names_whole(const char *query, size_t n, const char *default_db, uint64_t sql_mode,
		     struct strbuf *out)
{
	struct walk w = { .x = { .p = query,
				 .end = query + n,
				 .ansi_quotes = sql_mode & DDL_MODE_ANSI_QUOTES,
				 .plain_backslash = sql_mode & DDL_MODE_NO_BACKSLASH_ESCAPES },
			  .copied = query,
			  .default_db = default_db,
			  .out = out };

	lex_next(&w.x);
	if (word_is(&w, "SET")) { /* SET STATEMENT variable = value FOR the statement */
		while (w.x.kind != T_END && !word_is(&w, "FOR"))
			lex_next(&w.x);
		lex_next(&w.x);
	}
	if (!makes_view(w.x)) {
		take_statement(&w);
		while (w.x.kind != T_END)
			next_token(&w);
	}
	copy_to(&w, query + n);
}

const char *ddl_names_use(uint32_t type, const char *default_db, const char *table_db)
{
	return type == DDL_CREATE_VIEW && *default_db ? default_db : table_db;
}
