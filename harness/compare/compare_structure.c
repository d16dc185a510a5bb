#include "harness/compare/compare_structure.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

struct lines {
	char *text, **line;
	size_t n;
};

/* The next AUTO_INCREMENT value is data, not structure. */
static void drop_auto_increment(char *line)
{
	char *at = strncmp(line, ") ENGINE=", 9) ? NULL : strstr(line, " AUTO_INCREMENT=");
	char *end;

	if (!at)
		return;
	for (end = at + strlen(" AUTO_INCREMENT="); *end >= '0' && *end <= '9'; end++)
		;
	memmove(at, end, strlen(end) + 1);
}

static struct lines split(const char *sql)
{
	struct lines l = { .text = xstrdup(sql ? sql : "") };
	char *save = NULL;

	for (char *p = strtok_r(l.text, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		size_t n;

		p += strspn(p, " ");
		n = strlen(p);
		if (n && p[n - 1] == ',')
			p[n - 1] = 0;
		drop_auto_increment(p);
		l.line = xreallocarray(l.line, l.n + 1, sizeof(*l.line));
		l.line[l.n++] = p;
	}
	return l;
}

static void report(struct compare *c, const struct table_schema *t, const char *a, const char *b)
{
	const char *an = c->o->a_name ? c->o->a_name : "a", *bn = c->o->b_name ? c->o->b_name : "b";
	char name[260];
	json_t *f;

	snprintf(name, sizeof(name), "%s.%s", t->db, t->table);
	f = json_pack("{s:s,s:s}", "kind", "structure", "table", name);
	json_object_set_new(f, an, a ? json_string(a) : json_null());
	json_object_set_new(f, bn, b ? json_string(b) : json_null());
	pthread_mutex_lock(&c->lock);
	c->structure_different++;
	pthread_mutex_unlock(&c->lock);
	compare_finding(c, f);
}

/* `name` at the start of a line, or after KEY; NULL: none. */
static bool same_subject(const char *x, const char *y)
{
	const char *p = strchr(x, '`'), *end = p ? strchr(p + 1, '`') : NULL;

	if (!strncmp(x, ") ", 2) || !strncmp(x, "PRIMARY", 7))
		return !strncmp(x, y, x[0] == ')' ? 2 : 7);
	return end && !strncmp(x, y, (size_t)(end - x) + 1);
}

static void by_lines(struct compare *c, const struct table_schema *a, const struct table_schema *b)
{
	struct lines la = split(a->create_sql), lb = split(b->create_sql);

	for (size_t i = 0; i < la.n; i++)
		for (size_t j = 0; la.line[i] && j < lb.n; j++)
			if (lb.line[j] && !strcmp(la.line[i], lb.line[j]))
				la.line[i] = lb.line[j] = NULL;
	for (size_t i = 0; i < la.n; i++) {
		const char *other = NULL;

		if (!la.line[i])
			continue;
		for (size_t j = 0; j < lb.n && !other; j++)
			if (lb.line[j] && same_subject(la.line[i], lb.line[j])) {
				other = lb.line[j];
				lb.line[j] = NULL;
			}
		report(c, a, la.line[i], other);
	}
	for (size_t j = 0; j < lb.n; j++)
		if (lb.line[j])
			report(c, a, NULL, lb.line[j]);
	free(la.line);
	free(la.text);
	free(lb.line);
	free(lb.text);
}

static void describe(struct strbuf *out, const struct column *c)
{
	strbuf_reset(out);
	strbuf_addf(out, "%s type %d length %u,%u %s %s%s%s%s", c->name, (int)c->type, c->length, c->decimals, c->charset ? c->charset : "",
		    c->collation ? c->collation : "", c->flags & COLF_NULLABLE ? " NULL" : " NOT NULL", c->flags & COLF_UNSIGNED ? " unsigned" : "",
		    c->flags & COLF_GENERATED ? " generated" : "");
}

static void describe_key(struct strbuf *out, const struct table_schema *t, const struct index_key *k)
{
	strbuf_reset(out);
	strbuf_addf(out, "%s (", k->primary ? "PRIMARY KEY" : "UNIQUE KEY");
	for (size_t i = 0; i < k->n_columns; i++)
		strbuf_addf(out, "%s%s", i ? "," : "", t->columns[k->columns[i]].name);
	strbuf_addch(out, ')');
}

/* Different servers spell types differently: their parts are compared. Integer display widths mean nothing. */
static void by_fields(struct compare *c, const struct table_schema *a, const struct table_schema *b)
{
	struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;

	for (size_t i = 0; i < a->n_columns || i < b->n_columns; i++) {
		if (i < a->n_columns)
			describe(&x, &a->columns[i]);
		if (i < b->n_columns)
			describe(&y, &b->columns[i]);
		if (i >= a->n_columns || i >= b->n_columns)
			report(c, a, i < a->n_columns ? x.buf : NULL, i < b->n_columns ? y.buf : NULL);
		else if (strcmp(x.buf, y.buf))
			report(c, a, x.buf, y.buf);
	}
	for (int side = 0; side < 2; side++) {
		const struct table_schema *t = side ? b : a, *other = side ? a : b;

		for (size_t i = 0; i < t->n_uniques; i++) {
			bool there = false;

			describe_key(&x, t, &t->uniques[i]);
			for (size_t j = 0; j < other->n_uniques && !there; j++) {
				describe_key(&y, other, &other->uniques[j]);
				there = !strcmp(x.buf, y.buf);
			}
			if (!there)
				report(c, a, side ? NULL : x.buf, side ? x.buf : NULL);
		}
	}
	strbuf_release(&x);
	strbuf_release(&y);
}

static bool same_text(const char *x, const char *y)
{
	return !strcmp(x ? x : "", y ? y : "");
}

enum structure_verdict compare_structure(struct compare *c, const struct table_schema *a, const struct table_schema *b, bool same_flavor)
{
	const struct index_key *ka = key_of_ranges(a), *kb = key_of_ranges(b);

	if (same_flavor)
		by_lines(c, a, b);
	else
		by_fields(c, a, b);
	if (a->n_columns != b->n_columns)
		return STRUCTURE_UNLIKE;
	for (size_t i = 0; i < a->n_columns; i++) {
		const struct column *x = &a->columns[i], *y = &b->columns[i];

		if (strcmp(x->name, y->name) || x->type != y->type || x->is_virtual != y->is_virtual || x->decimals != y->decimals ||
		    !same_text(x->charset, y->charset) || ((x->flags ^ y->flags) & (COLF_NULLABLE | COLF_UNSIGNED)))
			return STRUCTURE_UNLIKE;
	}
	if (!ka || !kb || ka->n_columns != kb->n_columns)
		return STRUCTURE_UNORDERED;
	for (size_t i = 0; i < ka->n_columns; i++)
		if (ka->columns[i] != kb->columns[i] || !same_text(a->columns[ka->columns[i]].collation, b->columns[kb->columns[i]].collation))
			return STRUCTURE_UNORDERED;
	return STRUCTURE_ORDERED;
}

static bool is_ignored(const struct table_schema *t, const char *column, const char *const *ignore)
{
	char name[400];
	bool yes = false;

	snprintf(name, sizeof(name), "%s.%s.%s", t->db, t->table, column);
	for (; ignore && *ignore && !yes; ignore++)
		yes = !fnmatch(*ignore, name, 0);
	return yes;
}

bool compare_ignores(const struct compare_opts *o, const struct table_schema *t)
{
	/* the columns are out of the schema by now: any pattern that is meant for the table will do */
	for (const char *const *p = o->ignore; p && *p; p++) {
		const char *dot = strrchr(*p, '.');
		char table[300], name[300];

		if (!dot || (size_t)(dot - *p) >= sizeof(table))
			continue;
		snprintf(table, sizeof(table), "%.*s", (int)(dot - *p), *p);
		snprintf(name, sizeof(name), "%s.%s", t->db, t->table);
		if (!fnmatch(table, name, 0))
			return true;
	}
	return false;
}

/* Lines of the definition that speak of it: its own, and keys that hold it. */
static void drop_lines(struct table_schema *t, const char *column)
{
	struct strbuf out = STRBUF_INIT, quoted = STRBUF_INIT;
	char *save = NULL;

	sql_add_name(&quoted, column);
	for (char *line = strtok_r(t->create_sql, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *p = line + strspn(line, " ");
		const char *list = strstr(p, "KEY ") && p[0] != '`' ? strrchr(p, '(') : NULL;

		if (!strncmp(p, quoted.buf, quoted.len) || (list && strstr(list, quoted.buf)))
			continue;
		strbuf_addf(&out, "%s\n", line);
	}
	free(t->create_sql);
	t->create_sql = strbuf_detach(&out);
	strbuf_release(&quoted);
}

static void free_key(struct index_key *k)
{
	free(k->name);
	free(k->columns);
}

static int drop_column(struct table_schema *t, size_t at, struct err *e)
{
	size_t kept = 0;
	int handle = -1;

	for (size_t c = 0; t->handle >= 0 && c < t->uniques[t->handle].n_columns; c++)
		if (t->uniques[t->handle].columns[c] == (int)at)
			return err_set(e, ERR_USAGE, 0, "%s.%s: column %s is of the key that orders its rows: it can't be left out", t->db, t->table,
				       t->columns[at].name);
	for (size_t i = 0; i < t->n_uniques; i++) {
		struct index_key *k = &t->uniques[i];
		bool holds = false;

		for (size_t c = 0; c < k->n_columns; c++) {
			holds |= k->columns[c] == (int)at;
			k->columns[c] -= k->columns[c] > (int)at;
		}
		if ((int)i == t->handle)
			handle = (int)kept;
		if (holds)
			free_key(k);
		else
			t->uniques[kept++] = *k;
	}
	t->n_uniques = kept;
	t->handle = handle;
	drop_lines(t, t->columns[at].name);
	struct column *c = &t->columns[at];

	free(c->name);
	free(c->sql_type);
	free(c->charset);
	free(c->collation);
	for (size_t i = 0; i < c->n_members; i++)
		free(c->members[i]);
	free(c->members);
	memmove(c, c + 1, (t->n_columns - at - 1) * sizeof(*c));
	t->n_columns--;
	return 0;
}

int compare_drop_ignored(struct table_schema *t, const char *const *ignore, struct err *e)
{
	for (size_t i = 0; ignore && i < t->n_columns;)
		if (!is_ignored(t, t->columns[i].name, ignore))
			i++;
		else if (drop_column(t, i, e) < 0)
			return -1;
	return 0;
}
