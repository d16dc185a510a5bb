#include "harness/compare/compare_structure.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/compare/compare_objects.h"
#include "harness/sql/ddl/lex.h"

struct lines {
	char *text, **line;
	size_t n;
	uint64_t next_id; /* AUTO_INCREMENT; 0: not told */
};

static void cut_out(char *at, size_t n)
{
	memmove(at, at + n, strlen(at + n) + 1);
}

/* The next value of a counter is data, not structure: taken out of the table's options, which end
 * where the first quoted text begins. */
static uint64_t drop_counters(char *line)
{
	static const char random[] = " /*T![auto_rand_base] AUTO_RANDOM_BASE=";
	char *at, *quote;
	uint64_t next = 0;

	if (strncmp(line, ") ENGINE=", 9) != 0)
		return 0;
	quote = strchr(line, '\'');
	at = strstr(line, " AUTO_INCREMENT=");
	if (at && (!quote || at < quote)) {
		size_t n = strlen(" AUTO_INCREMENT=");

		next = strtoull(at + n, NULL, 10);
		cut_out(at, n + strspn(at + n, "0123456789"));
	}
	quote = strchr(line, '\'');
	at = strstr(line, random);
	if (at && (!quote || at < quote)) {
		size_t n = strlen(random);

		n += strspn(at + n, "0123456789");
		cut_out(at, n + (strncmp(at + n, " */", 3) ? 0 : 3));
	}
	return next;
}

/* Where a server's own files lie, each server says for itself: taken out of the options of a table
 * and of its partitions, wherever no quoted text is. */
static void drop_directories(char *line)
{
	static const char *const clauses[] = { " DATA DIRECTORY", " INDEX DIRECTORY" };
	char quote = 0;

	if (line[0] == '`' || !strstr(line, " DIRECTORY"))
		return;
	for (char *p = line; *p; p++) {
		if (quote || *p == '\'' || *p == '`') {
			quote = !quote ? *p : *p == quote ? 0 : quote;
			continue;
		}
		for (size_t i = 0; i < sizeof(clauses) / sizeof(clauses[0]); i++) {
			size_t n = strlen(clauses[i]);
			char *at = p + n, *end;

			if (strncmp(p, clauses[i], n))
				continue;
			at += strspn(at, " =");
			end = *at == '\'' ? strchr(at + 1, '\'') : NULL;
			if (!end)
				continue;
			cut_out(p, (size_t)(end + 1 - p));
			i = (size_t)-1; /* the next may stand there now */
		}
		if (!*p)
			break;
	}
}

/* Servers have two names for one character set. Outside of quotes, "utf8" and "utf8_…" become
 * utf8mb3's. */
static char *one_charset_name(char *line)
{
	static const char *const before[] = { "CHARACTER SET ", "CHARSET=", "COLLATE ",
					      "COLLATE=" };
	struct strbuf out = STRBUF_INIT;
	char quote = 0;

	if (!strstr(line, "utf8"))
		return line;
	for (const char *p = line; *p; p++) {
		bool named = false;

		if (quote) {
			quote = *p == quote ? 0 : quote;
		} else if (*p == '\'' || *p == '`') {
			quote = *p;
		} else if (!strncmp(p, "utf8", 4) && (!p[4] || strchr("_ ,)", p[4]))) {
			for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
				size_t n = strlen(before[i]);

				named |= (size_t)(p - line) >= n && !memcmp(p - n, before[i], n);
			}
			if (named) {
				strbuf_addstr(&out, "utf8mb3");
				p += 3;
				continue;
			}
		}
		strbuf_addch(&out, *p);
	}
	return strbuf_detach(&out);
}

static struct lines split(const char *sql)
{
	struct lines l = { 0 };
	char *save = NULL;

	l.text = xstrdup(sql ? sql : "");
	for (char *p = strtok_r(l.text, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		uint64_t next;
		size_t n;
		char *named;

		p += strspn(p, " ");
		n = strlen(p);
		if (n && p[n - 1] == ',')
			p[n - 1] = 0;
		next = drop_counters(p);
		drop_directories(p);
		l.next_id = next ? next : l.next_id;
		named = one_charset_name(p);
		l.line = xreallocarray(l.line, l.n + 1, sizeof(*l.line));
		l.line[l.n++] = named == p ? xstrdup(p) : named;
	}
	return l;
}

static void lines_release(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->line[i]);
	free(l->line);
	free(l->text);
}

static void report(struct compare *c, struct compare_table *t, const char *a, const char *b)
{
	json_t *f = json_pack("{s:s,s:s}", "kind", "structure", "table", t->name);

	json_object_set_new(f, c->o->a_name ? c->o->a_name : "a", a ? json_string(a) : json_null());
	json_object_set_new(f, c->o->b_name ? c->o->b_name : "b", b ? json_string(b) : json_null());
	pthread_mutex_lock(&c->lock);
	c->structure_different++;
	t->structure_equal = false;
	pthread_mutex_unlock(&c->lock);
	compare_finding(c, t, f);
}

/* `name` at the start of a line, or after KEY; NULL: none. */
static bool same_subject(const char *x, const char *y)
{
	const char *p = strchr(x, '`'), *end = p ? strchr(p + 1, '`') : NULL;

	if (!strncmp(x, ") ", 2) || !strncmp(x, "PRIMARY", 7))
		return !strncmp(x, y, x[0] == ')' ? 2 : 7);
	return end && !strncmp(x, y, (size_t)(end - x) + 1);
}

/* What is in one definition and not in the other, wherever it stands. */
static void by_lines(struct compare *c, struct compare_table *t, const struct lines *la,
		     const struct lines *lb)
{
	/* struck off */
	bool *in_b = xcalloc(lb->n + 1, sizeof(*in_b)), *in_a = xcalloc(la->n + 1, sizeof(*in_a));

	for (size_t i = 0; i < la->n; i++)
		for (size_t j = 0; !in_a[i] && j < lb->n; j++)
			if (!in_b[j] && !strcmp(la->line[i], lb->line[j]))
				in_a[i] = in_b[j] = true;
	for (size_t i = 0; i < la->n; i++) {
		const char *other = NULL;

		if (in_a[i])
			continue;
		for (size_t j = 0; j < lb->n && !other; j++)
			if (!in_b[j] && same_subject(la->line[i], lb->line[j])) {
				other = lb->line[j];
				in_b[j] = true;
			}
		report(c, t, la->line[i], other);
	}
	for (size_t j = 0; j < lb->n; j++)
		if (!in_b[j])
			report(c, t, NULL, lb->line[j]);
	free(in_a);
	free(in_b);
}

/* Partitions: lines from the options on, in their order. The order of keys and constraints means
 * nothing. */
static void by_tail(struct compare *c, struct compare_table *t, const struct lines *la,
		    const struct lines *lb)
{
	size_t i = 0, j = 0;

	while (i < la->n && strncmp(la->line[i], ") ", 2))
		i++;
	while (j < lb->n && strncmp(lb->line[j], ") ", 2))
		j++;
	for (; i < la->n && j < lb->n; i++, j++)
		if (strcmp(la->line[i], lb->line[j])) {
			report(c, t, la->line[i], lb->line[j]);
			return;
		}
}

static int column_position(const struct table_schema *t, const char *name)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (!strcmp(t->columns[i].name, name))
			return (int)i;
	return -1;
}

/* Appends the names of those columns of t that the other has too. */
static void common_names(struct strbuf *out, const struct table_schema *t,
			 const struct table_schema *other)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (column_position(other, t->columns[i].name) >= 0) {
			strbuf_addstr(out, out->len ? "," : "columns ");
			sql_add_name(out, t->columns[i].name);
		}
}

/* INSERT without a list of columns, SELECT * and the log's rows go by it. */
static void by_column_order(struct compare *c, struct compare_table *t,
			    const struct table_schema *a, const struct table_schema *b)
{
	struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;

	common_names(&x, a, b);
	common_names(&y, b, a);
	if (x.len && strcmp(x.buf, y.buf) != 0)
		report(c, t, x.buf, y.buf);
	strbuf_release(&x);
	strbuf_release(&y);
}

/* "utf8" and "utf8mb3" are one, and so are their collations: what stands behind the name. */
static const char *charset_rest(const char *name)
{
	if (!name || strncmp(name, "utf8", 4) || !strncmp(name, "utf8mb4", 7))
		return NULL;
	return name + (strncmp(name, "utf8mb3", 7) ? 4 : 7);
}

bool compare_same_charset(const char *x, const char *y)
{
	const char *rx = charset_rest(x), *ry = charset_rest(y);

	return rx && ry ? !strcmp(rx, ry) : !strcmp(x ? x : "", y ? y : "");
}

static void add_charset(struct strbuf *out, const char *name)
{
	const char *rest = charset_rest(name);

	strbuf_addf(out, " %s%s", rest ? "utf8mb3" : "", rest ? rest : name ? name : "");
}

static void describe(struct strbuf *out, const struct column *c)
{
	strbuf_reset(out);
	strbuf_addf(out, "%s type %d length %u,%u", c->name, (int)c->type, c->length, c->decimals);
	add_charset(out, c->charset);
	add_charset(out, c->collation);
	for (size_t i = 0; i < c->n_members; i++) {
		strbuf_addch(out, i ? ',' : ' ');
		sql_add_text(out, c->members[i], strlen(c->members[i]));
	}
	strbuf_addf(out, "%s%s%s", c->flags & COLF_NULLABLE ? " NULL" : " NOT NULL",
		    c->flags & COLF_UNSIGNED ? " unsigned" : "",
		    c->flags & COLF_GENERATED ? " generated" : "");
}

static void describe_key(struct strbuf *out, const struct table_schema *t,
			 const struct index_key *k)
{
	strbuf_reset(out);
	strbuf_addf(out, "%s (", k->primary ? "PRIMARY KEY" : "UNIQUE KEY");
	for (size_t i = 0; i < k->n_columns; i++)
		strbuf_addf(out, "%s%s", i ? "," : "", t->columns[k->columns[i]].name);
	strbuf_addch(out, ')');
}

/* Different servers spell types differently: their parts are compared. Integer display widths mean
 * nothing. */
static void by_fields(struct compare *c, struct compare_table *t, const struct table_schema *a,
		      const struct table_schema *b)
{
	struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;

	for (size_t i = 0; i < a->n_columns; i++) {
		int j = column_position(b, a->columns[i].name);

		describe(&x, &a->columns[i]);
		if (j >= 0)
			describe(&y, &b->columns[j]);
		if (j < 0 || strcmp(x.buf, y.buf) != 0)
			report(c, t, x.buf, j < 0 ? NULL : y.buf);
	}
	for (size_t j = 0; j < b->n_columns; j++)
		if (column_position(a, b->columns[j].name) < 0) {
			describe(&y, &b->columns[j]);
			report(c, t, NULL, y.buf);
		}
	for (int side = 0; side < 2; side++) {
		const struct table_schema *of = side ? b : a, *other = side ? a : b;

		for (size_t i = 0; i < of->n_uniques; i++) {
			bool there = false;

			describe_key(&x, of, &of->uniques[i]);
			for (size_t j = 0; j < other->n_uniques && !there; j++) {
				describe_key(&y, other, &other->uniques[j]);
				there = !strcmp(x.buf, y.buf);
			}
			if (!there)
				report(c, t, side ? NULL : x.buf, side ? x.buf : NULL);
		}
	}
	strbuf_release(&x);
	strbuf_release(&y);
}

/* b's columns in a's order, so that values stand beside each other. false: they are not the same
 * columns. */
static bool put_in_order(const struct table_schema *a, struct table_schema *b)
{
	struct column *columns;
	int *to;

	if (a->n_columns != b->n_columns)
		return false;
	for (size_t i = 0; i < a->n_columns; i++)
		if (column_position(b, a->columns[i].name) < 0)
			return false;
	columns = xcalloc(b->n_columns + 1, sizeof(*columns));
	to = xcalloc(b->n_columns + 1, sizeof(*to));
	for (size_t i = 0; i < a->n_columns; i++) {
		int from = column_position(b, a->columns[i].name);

		columns[i] = b->columns[from];
		to[from] = (int)i;
	}
	memcpy(b->columns, columns, b->n_columns * sizeof(*columns));
	for (size_t k = 0; k < b->n_uniques; k++)
		for (size_t i = 0; i < b->uniques[k].n_columns; i++)
			b->uniques[k].columns[i] = to[b->uniques[k].columns[i]];
	free(columns);
	free(to);
	return true;
}

/* The same values have the same text on both sides. */
static bool same_kind(const struct column *x, const struct column *y)
{
	return x->type == y->type && x->is_virtual == y->is_virtual &&
	       x->is_row_time == y->is_row_time && x->decimals == y->decimals &&
	       compare_same_charset(x->charset, y->charset) &&
	       !((x->flags ^ y->flags) & (COLF_NULLABLE | COLF_UNSIGNED));
}

static bool same_members(const struct column *x, const struct column *y)
{
	if (x->n_members != y->n_members)
		return false;
	for (size_t i = 0; i < x->n_members; i++)
		if (strcmp(x->members[i], y->members[i]) != 0)
			return false;
	return true;
}

/* Where no definition was compared that would tell them apart, values have to: of virtual columns
 * that are computed by other expressions, and of ENUM and SET by the names of their members. */
static void compare_values_too(struct column *x, struct column *y, bool defined_alike)
{
	if (!same_members(x, y))
		x->by_members = y->by_members = true;
	if (x->is_virtual && !defined_alike &&
	    strcmp(x->expression ? x->expression : "", y->expression ? y->expression : "") != 0)
		x->virtual_counts = y->virtual_counts = true;
}

static void note_counter(struct compare *c, struct compare_table *t, uint64_t on_a, uint64_t on_b)
{
	char a[24], b[24];

	if (!c->counters_are_exact || !on_a || on_b >= on_a)
		return;
	snprintf(a, sizeof(a), "%" PRIu64, on_a);
	snprintf(b, sizeof(b), "%" PRIu64, on_b ? on_b : 1);
	compare_behind(c, "auto_increment", t->name, a, b);
}

void compare_unlike(struct compare *c, struct compare_table *t)
{
	if (t->structure_equal)
		report(c, t, "columns of different types, whose values cannot be compared", NULL);
}

enum structure_verdict compare_structure(struct compare *c, struct compare_table *t,
					 struct table_schema *a, struct table_schema *b,
					 bool same_flavor)
{
	const struct index_key *ka, *kb;
	bool alike = true;

	if (c->o->data_only) {
		;
	} else if (same_flavor) {
		struct lines la = split(a->create_sql), lb = split(b->create_sql);

		if (la.n && lb.n) { /* the first names the table */
			free(lb.line[0]);
			lb.line[0] = xstrdup(la.line[0]);
		}
		by_lines(c, t, &la, &lb);
		if (t->structure_equal)
			by_tail(c, t, &la, &lb);
		note_counter(c, t, la.next_id, lb.next_id);
		lines_release(&la);
		lines_release(&lb);
	} else {
		by_fields(c, t, a, b);
	}
	if (!c->o->data_only)
		by_column_order(c, t, a, b);
	alike = put_in_order(a, b);
	for (size_t i = 0; alike && i < a->n_columns; i++)
		alike = same_kind(&a->columns[i], &b->columns[i]);
	if (!alike) {
		compare_unlike(c, t);
		return STRUCTURE_UNLIKE;
	}
	for (size_t i = 0; i < a->n_columns; i++)
		compare_values_too(&a->columns[i], &b->columns[i], same_flavor && !c->o->data_only);
	ka = key_of_ranges(a);
	kb = key_of_ranges(b);
	if (!ka || !kb || ka->n_columns != kb->n_columns)
		return STRUCTURE_UNORDERED;
	for (size_t i = 0; i < ka->n_columns; i++)
		if (ka->columns[i] != kb->columns[i] ||
		    !compare_same_charset(a->columns[ka->columns[i]].collation,
					  b->columns[kb->columns[i]].collation))
			return STRUCTURE_UNORDERED;
	return STRUCTURE_ORDERED;
}

bool compare_pattern_is_table(const char *pattern)
{
	const char *dot = strchr(pattern, '.');

	return dot && !strchr(dot + 1, '.');
}

static bool is_ignored(const char *db, const char *table, const char *column,
		       const struct compare_ignored *ignored)
{
	char *name = xstrfmt("%s.%s.%s", db, table, column);
	bool yes = false;

	for (size_t i = 0; ignored->pattern && ignored->pattern[i]; i++)
		if (!compare_pattern_is_table(ignored->pattern[i]) &&
		    !fnmatch(ignored->pattern[i], name, 0))
			yes = ignored->used[i] = true;
	for (size_t i = 0; i < ignored->n && !yes; i++)
		yes = !strcasecmp(ignored->column[i], column);
	free(name);
	return yes;
}

/* Its own, or that of a key, a foreign key or a CHECK that holds it. */
static bool is_line_of(const char *line, const char *column)
{
	static const char *const words[] = { "PRIMARY", "UNIQUE",   "KEY",
					     "SPATIAL", "FULLTEXT", "CONSTRAINT" };
	struct lex x = { .p = line, .end = line + strlen(line) };
	bool lists = false;
	int depth = 0;

	lex_next(&x);
	if (x.kind == T_QUOTED)
		return !strcmp(x.text, column);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		lists |= lex_is(&x, words[i]);
	while (lists && x.kind != T_END) {
		lex_next(&x);
		if (depth && x.kind == T_QUOTED && !strcmp(x.text, column))
			return true;
		if (x.kind != T_PUNCT)
			continue;
		depth += x.punct == '(' ? 1 : x.punct == ')' ? -1 : 0;
		lists = depth || x.punct != ')'; /* the first list: another is another table's */
	}
	return false;
}

/* Lines of the definition that speak of it. */
static void drop_lines(struct table_schema *t, const char *column)
{
	struct strbuf out = STRBUF_INIT;
	char *save = NULL;

	for (char *line = strtok_r(t->create_sql, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (!is_line_of(line, column))
			strbuf_addf(&out, "%s\n", line);
	free(t->create_sql);
	t->create_sql = strbuf_detach(&out);
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
			return err_set(
				e, ERR_USAGE, 0,
				"%s.%s: column %s belongs to the key that orders the rows and "
				"cannot be ignored",
				t->db, t->table, t->columns[at].name);
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
	free(c->expression);
	free(c->charset);
	free(c->collation);
	for (size_t i = 0; i < c->n_members; i++)
		free(c->members[i]);
	free(c->members);
	memmove(c, c + 1, (t->n_columns - at - 1) * sizeof(*c));
	t->n_columns--;
	return 0;
}

int compare_drop_ignored(struct table_schema *t, const char *db, const char *table,
			 const struct compare_ignored *ignored, struct err *e)
{
	for (size_t i = 0; i < t->n_columns;)
		if (!is_ignored(db, table, t->columns[i].name, ignored))
			i++;
		else if (drop_column(t, i, e) < 0)
			return -1;
	return t->n_columns ? 0
			    : err_set(e, ERR_USAGE, 0,
				      "%s.%s: all its columns are ignored: ignore the table "
				      "instead",
				      db, table);
}
