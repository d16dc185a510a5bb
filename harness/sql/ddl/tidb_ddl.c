#include "harness/sql/ddl/tidb_ddl.h"

#include <string.h>
#include <strings.h>

#include "harness/sql/ddl/lex.h"

struct text {
	struct strbuf *out;
	const char *copied; /* of the statement, up to here */
	bool any;           /* something was put into a comment */
};

static bool word_is(const struct lex *x, const char *word)
{
	return x->kind == T_WORD && !strcasecmp(x->text, word);
}

static bool is_punct(const struct lex *x, char c)
{
	return x->kind == T_PUNCT && x->punct == c;
}

static bool is_number(const struct lex *x)
{
	return x->kind == T_WORD && x->text[0] >= '0' && x->text[0] <= '9';
}

static struct lex is_ahead(const struct lex *x)
{
	struct lex next = *x;

	lex_next(&next);
	return next;
}

static void skip_equals(struct lex *x)
{
	if (is_punct(x, '='))
		lex_next(x);
}

/* name [=] number */
static bool take_numbered(struct lex *x)
{
	static const char *const names[] = { "SHARD_ROW_ID_BITS", "PRE_SPLIT_REGIONS",
					     "AUTO_ID_CACHE", "AUTO_RANDOM_BASE" };
	struct lex y = is_ahead(x);
	size_t i = 0;

	while (i < sizeof(names) / sizeof(names[0]) && !word_is(x, names[i]))
		i++;
	if (i == sizeof(names) / sizeof(names[0]))
		return false;
	skip_equals(&y);
	if (!is_number(&y))
		return false; /* a column of that name */
	lex_next(&y);
	*x = y;
	return true;
}

/* AUTO_RANDOM, AUTO_RANDOM(5), AUTO_RANDOM(5, 54): of a column, so behind its type or another of
 * its attributes */
static bool auto_random(struct lex *x, const struct lex *before)
{
	struct lex y = is_ahead(x);

	if (!word_is(x, "AUTO_RANDOM") || (before->kind == T_PUNCT && before->punct != ')'))
		return false;
	if (is_punct(&y, '(')) {
		while (y.kind != T_END && !is_punct(&y, ')'))
			lex_next(&y);
		lex_next(&y);
	}
	*x = y;
	return true;
}

/* CLUSTERED, NONCLUSTERED, GLOBAL of a key: behind KEY or its columns, and no name of an index. */
static bool of_key(struct lex *x, const struct lex *before)
{
	static const char *const words[] = { "CLUSTERED", "NONCLUSTERED", "GLOBAL" };
	struct lex y = is_ahead(x);
	size_t i = 0;

	while (i < sizeof(words) / sizeof(words[0]) && !word_is(x, words[i]))
		i++;
	if (i == sizeof(words) / sizeof(words[0]))
		return false;
	if (!word_is(before, "KEY") && !word_is(before, "UNIQUE") && !is_punct(before, ')') &&
	    !word_is(before, "BTREE") && !word_is(before, "HASH") &&
	    !word_is(before, "CLUSTERED") && !word_is(before, "NONCLUSTERED"))
		return false;
	if (is_punct(&y, '(') || is_punct(&y, '.'))
		return false;
	*x = y;
	return true;
}

/* PLACEMENT POLICY [=] name, ATTRIBUTES [=] 'x', TTL = column + INTERVAL n unit, TTL_ENABLE = 'ON',
 * TTL_JOB_INTERVAL = '1h', REMOVE TTL, FORCE of a counter */
static bool take_option(struct lex *x)
{
	struct lex y = is_ahead(x);

	if (word_is(x, "PLACEMENT") && word_is(&y, "POLICY")) {
		lex_next(&y);
		skip_equals(&y);
		if (word_is(&y, "SET"))
			lex_next(&y);
		lex_next(&y);
	} else if (word_is(x, "REMOVE") && word_is(&y, "TTL")) {
		lex_next(&y);
	} else if (word_is(x, "FORCE") &&
		   (word_is(&y, "AUTO_INCREMENT") || word_is(&y, "AUTO_RANDOM_BASE"))) {
		;
	} else if ((word_is(x, "TTL_ENABLE") || word_is(x, "TTL_JOB_INTERVAL") ||
		    word_is(x, "ATTRIBUTES")) &&
		   (is_punct(&y, '=') || y.kind == T_STRING)) {
		skip_equals(&y);
		lex_next(&y);
	} else if (word_is(x, "ATTRIBUTES") && word_is(&y, "DEFAULT")) {
		lex_next(&y);
	} else if (word_is(x, "TTL") && is_punct(&y, '=')) {
		lex_next(&y); /* column + INTERVAL n unit */
		for (int i = 0; i < 5 && y.kind != T_END; i++)
			lex_next(&y);
	} else {
		return false;
	}
	*x = y;
	return true;
}

/* The part up to `to` goes into a comment; where it cannot (it holds one, or is in one), it is left
 * out. */
static void set_aside(struct text *t, const char *from, const char *to, bool in_comment)
{
	strbuf_add(t->out, t->copied, (size_t)(from - t->copied));
	while (to > from && (to[-1] == ' ' || to[-1] == '\n' || to[-1] == '\t' || to[-1] == '\r'))
		to--;
	if (in_comment || memmem(from, (size_t)(to - from), "*/", 2)) {
		strbuf_addch(t->out, ' ');
	} else {
		strbuf_addstr(t->out, "/*T! ");
		strbuf_add(t->out, from, (size_t)(to - from));
		strbuf_addstr(t->out, " */");
	}
	t->copied = to;
	t->any = true;
}

/* A whole statement that is TiDB's alone. */
static bool is_only_tidbs(const char *query, size_t n)
{
	struct lex x = { .p = query, .end = query + n };
	bool alter;

	lex_next(&x);
	alter = word_is(&x, "ALTER");
	if (!alter && !word_is(&x, "CREATE") && !word_is(&x, "DROP"))
		return false;
	lex_next(&x);
	if ((word_is(&x, "PLACEMENT") || word_is(&x, "RESOURCE"))) {
		bool policy = word_is(&x, "PLACEMENT");

		lex_next(&x);
		return word_is(&x, policy ? "POLICY" : "GROUP");
	}
	if (!alter || !word_is(&x, "TABLE"))
		return false;
	lex_next(&x);
	lex_next(&x);
	if (is_punct(&x, '.')) {
		lex_next(&x);
		lex_next(&x);
	}
	if (word_is(&x, "CACHE") || word_is(&x, "NOCACHE"))
		return true;
	if (!word_is(&x, "SET"))
		return false;
	lex_next(&x);
	return word_is(&x, "TIFLASH") || word_is(&x, "HYPO");
}

/* What is left of ALTER DATABASE d PLACEMENT POLICY = x: a name, and nothing to do. */
static bool nothing_left(const struct strbuf *plain)
{
	struct lex x = { .p = plain->buf, .end = plain->buf + plain->len };
	int n = 0;

	for (lex_next(&x); x.kind != T_END && !is_punct(&x, ';'); lex_next(&x))
		n += is_punct(&x, '.') ? -1 : 1; /* d.t is one name */
	return n <= 3;
}

bool tidb_ddl_plain(struct strbuf *out, const char *query, size_t n)
{
	struct text t = { .out = out, .copied = query };
	struct lex x = { .p = query, .end = query + n }, before = { .kind = T_END };
	struct strbuf plain = STRBUF_INIT;
	int depth = 0;
	bool alter, none;

	if (is_only_tidbs(query, n)) {
		strbuf_add(out, query, n);
		return true;
	}
	t.out = &plain;
	lex_next(&x);
	alter = word_is(&x, "ALTER");
	while (x.kind != T_END) {
		const char *from = x.start;
		bool in_comment = x.executable;
		struct lex at = x;

		if (take_numbered(&x) || auto_random(&x, &before) || of_key(&x, &before) ||
		    take_option(&x)) {
			const char *to = x.kind == T_END ? query + n : x.start;

			/* with the comma that joins it to what stays */
			if (!depth && is_punct(&before, ',')) {
				from = before.start;
			} else if (!depth && alter && is_punct(&x, ',')) {
				lex_next(&x);
				to = x.kind == T_END ? query + n : x.start;
			}
			set_aside(&t, from, to, in_comment);
			if (depth || !is_punct(&before, ','))
				before = at;
			continue;
		}
		depth += is_punct(&x, '(') ? 1 : is_punct(&x, ')') ? -1 : 0;
		before = x;
		lex_next(&x);
	}
	strbuf_add(&plain, t.copied, (size_t)(query + n - t.copied));
	none = t.any && alter && nothing_left(&plain);
	strbuf_add(out, plain.buf, plain.len);
	strbuf_release(&plain);
	return none;
}
