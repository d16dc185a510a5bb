#include "harness/sql/ddl/rename.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"

bool rename_same(const struct rename_name *a, const struct rename_name *b)
{
	return !strcasecmp(a->db, b->db) && !strcasecmp(a->table, b->table);
}

static bool take_name(struct lex *x, const char *default_db, struct rename_name *out)
{
	if (x->kind != T_WORD && x->kind != T_QUOTED)
		return false;
	snprintf(out->db, sizeof(out->db), "%s", default_db);
	memcpy(out->table, x->text, sizeof(out->table));
	lex_next(x);
	if (x->kind == T_PUNCT && x->punct == '.') {
		memcpy(out->db, out->table, sizeof(out->db));
		lex_next(x);
		memcpy(out->table, x->text, sizeof(out->table));
		lex_next(x);
	}
	return true;
}

/* RENAME TABLE [IF EXISTS] a TO b [, c TO d]; TiDB's log has IF EXISTS in neither */
static bool take_pair(struct lex *x, bool alter, const char *default_db, struct rename_pair *out)
{
	if (lex_is(x, "IF")) {
		lex_next(x);
		lex_next(x);
	}
	if (!take_name(x, default_db, &out->from))
		return false;
	if (alter && !lex_is(x, "RENAME"))
		return false;
	if (alter)
		lex_next(x);
	if (lex_is(x, "TO") || (alter && lex_is(x, "AS")))
		lex_next(x);
	else if (!alter || lex_is(x, "COLUMN") || lex_is(x, "INDEX") || lex_is(x, "KEY"))
		return false;
	return take_name(x, default_db, &out->to);
}

bool rename_parse(struct rename *out, const char *query, size_t bytes, const char *default_db)
{
	struct lex x = { .p = query, .end = query + bytes };
	size_t had = out->n;
	bool alter, ok;

	lex_next(&x);
	alter = lex_is(&x, "ALTER");
	if (!alter && !lex_is(&x, "RENAME"))
		return false;
	lex_next(&x);
	if (!lex_is(&x, "TABLE") && !lex_is(&x, "TABLES"))
		return false;
	do {
		struct rename_pair pair;

		lex_next(&x);
		ok = take_pair(&x, alter, default_db, &pair);
		if (!ok)
			break;
		out->pair = xreallocarray(out->pair, out->n + 1, sizeof(*out->pair));
		out->pair[out->n++] = pair;
	} while (!alter && x.kind == T_PUNCT && x.punct == ',');
	if (ok && x.kind == T_PUNCT && x.punct == ';')
		lex_next(&x);
	if (!ok || x.kind != T_END) {
		out->n = had;
		return false;
	}
	return true;
}

/* ---- how much of it is done */

struct place { /* a name that a table may have */
	const struct rename_name *name;
	bool before, now, there; /* before all, after the pairs so far, on the server */
};

static struct place *place_of(struct place *p, size_t *n, const struct rename_name *name,
			      bool before)
{
	for (size_t i = 0; i < *n; i++)
		if (rename_same(p[i].name, name))
			return &p[i];
	p[*n] = (struct place){ .name = name, .before = before, .now = before };
	return &p[(*n)++];
}

static int look_up_place(struct sql *s, struct place *p, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	uint64_t n = 0;
	int rc;

	strbuf_addstr(&q, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ");
	sql_add_text(&q, p->name->db, strlen(p->name->db));
	strbuf_addstr(&q, " AND TABLE_NAME = ");
	sql_add_text(&q, p->name->table, strlen(p->name->table));
	rc = sql_value_u64(s, &n, e, "%s", q.buf);
	p->there = n > 0;
	strbuf_release(&q);
	return rc < 0 ? -1 : 0;
}

static bool stands_so(const struct place *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].now != p[i].there)
			return false;
	return true;
}

/* The first time a name is met tells what was there before: a source is, a target is not. */
static struct place *places_of(const struct rename *r, size_t *n)
{
	struct place *p = xcalloc(2 * r->n + 1, sizeof(*p));

	*n = 0;
	for (size_t i = 0; i < r->n; i++) {
		place_of(p, n, &r->pair[i].from, true);
		place_of(p, n, &r->pair[i].to, false);
	}
	return p;
}

static void do_one(const struct rename_pair *pair, struct place *p, size_t *n)
{
	place_of(p, n, &pair->from, true)->now = false;
	place_of(p, n, &pair->to, false)->now = true;
}

bool rename_is_round(const struct rename *r)
{
	size_t n;
	struct place *p = places_of(r, &n);
	bool round = true;

	for (size_t i = 0; i < r->n; i++)
		do_one(&r->pair[i], p, &n);
	for (size_t i = 0; i < n; i++)
		round = round && p[i].now == p[i].before;
	free(p);
	return round;
}

int rename_done(struct sql *s, const struct rename *r, int *done, struct err *e)
{
	size_t n;
	struct place *p = places_of(r, &n);
	int rc = 0;

	*done = -1;
	for (size_t i = 0; !rc && i < n; i++)
		rc = look_up_place(s, &p[i], e);
	if (!rc && stands_so(p, n))
		*done = 0;
	for (size_t i = 0; !rc && *done < 0 && i < r->n; i++) {
		do_one(&r->pair[i], p, &n);
		if (stands_so(p, n))
			*done = (int)i + 1;
	}
	free(p);
	return rc;
}

void rename_release(struct rename *r)
{
	free(r->pair);
	*r = (struct rename){ 0 };
}
