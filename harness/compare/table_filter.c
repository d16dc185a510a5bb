#include "harness/compare/table_filter.h"

#include <ctype.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"

enum part_kind { PART_WILDCARD, PART_REGEX };
struct part { /* of a sync_diff_inspector rule: the db's, or the table's */
	enum part_kind kind;
	char *pattern; /* fnmatch's */
	regex_t regex;
};
struct rule {
	char *text;
	bool leaves_out, is_pattern, used;
	struct part db, table;
};
struct table_filter {
	struct rule *rules;
	size_t n;
};

struct table_filter *table_filter_new(void)
{
	return xcalloc(1, sizeof(struct table_filter));
}

static void part_release(struct part *p)
{
	free(p->pattern);
	if (p->kind == PART_REGEX)
		regfree(&p->regex);
}

void table_filter_free(struct table_filter *f)
{
	for (size_t i = 0; f && i < f->n; i++) {
		free(f->rules[i].text);
		part_release(&f->rules[i].db);
		part_release(&f->rules[i].table);
	}
	if (f)
		free(f->rules);
	free(f);
}

static struct rule *add(struct table_filter *f, const char *text)
{
	f->rules = xreallocarray(f->rules, f->n + 1, sizeof(*f->rules));
	f->rules[f->n] = (struct rule){ .text = xstrdup(text) };
	return &f->rules[f->n++];
}

void table_filter_add_pattern(struct table_filter *f, const char *pattern)
{
	struct rule *r = add(f, pattern);

	r->is_pattern = true;
	r->leaves_out = *pattern == '!';
}

/* ---- sync_diff_inspector's rules ---- */

static int refuse_rule(struct err *e, const char *rule, const char *what)
{
	return err_set(e, ERR_USAGE, 0, "table rule '%.100s': %s", rule, what);
}

/* One character of a name, as fnmatch takes it literally. */
static void add_literal(struct strbuf *out, char c)
{
	if (strchr("*?[]\\", c))
		strbuf_addch(out, '\\');
	strbuf_addch(out, c);
}

static int take_quoted(const char **p, struct strbuf *out, const char *rule, struct err *e)
{
	char q = *(*p)++;

	for (; **p; (*p)++) {
		if (**p == q && (*p)[1] != q)
			break;
		if (**p == q)
			(*p)++;
		add_literal(out, **p);
	}
	if (!**p)
		return refuse_rule(e, rule, "a quoted name has no closing quote");
	(*p)++;
	return 0;
}

static int take_bracket(const char **p, struct strbuf *out, const char *rule, struct err *e)
{
	const char *end = strchr(*p + 1, ']');

	if (!end)
		return refuse_rule(e, rule, "'[' has no ']'");
	for (; *p <= end; (*p)++)
		strbuf_addch(out, **p);
	return 0;
}

/* Go's regular expressions in POSIX's: classes by a letter, groups without a number. What POSIX
 * can't say is refused. */
static int add_posix(const char **p, struct strbuf *out, const char *rule, struct err *e)
{
	static const struct {
		char letter;
		const char *outside, *inside;
	} classes[] = {
		{ 'd', "[0-9]", "0-9" },
		{ 'w', "[A-Za-z0-9_]", "A-Za-z0-9_" },
		{ 's', "[[:space:]]", "[:space:]" },
		{ 'D', "[^0-9]", NULL },
		{ 'W', "[^A-Za-z0-9_]", NULL },
		{ 'S', "[^[:space:]]", NULL },
	};
	bool in_class = false;

	for ((*p)++; **p && **p != '/'; (*p)++) {
		const char *as = NULL;

		if (**p == '\\') {
			char c = *++*p;

			for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
				if (classes[i].letter == c)
					as = in_class ? classes[i].inside : classes[i].outside;
			if (!as &&
			    (!c || isalnum((unsigned char)c) || (in_class && strchr("]^-\\", c))))
				return refuse_rule(
					e, rule,
					"this escape of a regular expression is not supported");
			if (as) {
				strbuf_addstr(out, as);
			} else {
				if (!in_class && c != '/')
					strbuf_addch(out, '\\');
				strbuf_addch(out, c);
			}
			continue;
		}
		if (!in_class && **p == '(' && (*p)[1] == '?') {
			if ((*p)[2] != ':')
				return refuse_rule(
					e, rule,
					"flags and names of groups are not supported in a regular expression");
			*p += 2;
			strbuf_addch(out, '(');
			continue;
		}
		if (!in_class && **p == '?' && out->len && strchr("*+?}", out->buf[out->len - 1]) &&
		    (out->len < 2 || out->buf[out->len - 2] != '\\'))
			return refuse_rule(
				e, rule,
				"lazy repetition is not supported in a regular expression");
		if (**p == '[' && !in_class) {
			in_class = true;
			strbuf_addch(out, '[');
			if ((*p)[1] == '^') {
				strbuf_addch(out, '^');
				(*p)++;
			}
			continue;
		}
		in_class = in_class && **p != ']';
		strbuf_addch(out, **p);
	}
	if (!**p)
		return refuse_rule(e, rule, "a regular expression has no end");
	(*p)++;
	return 0;
}

static int read_part(const char **p, struct part *part, const char *rule, struct err *e)
{
	struct strbuf out = STRBUF_INIT;
	bool any = false;
	int rc = 0;

	if (**p == '/') {
		rc = add_posix(p, &out, rule, e);
		if (rc == 0 && regcomp(&part->regex, out.buf ? out.buf : "",
				       REG_EXTENDED | REG_ICASE | REG_NOSUB))
			rc = refuse_rule(e, rule, "the regular expression is invalid");
		if (rc == 0)
			part->kind = PART_REGEX;
		strbuf_release(&out);
		return rc;
	}
	for (; rc == 0 && **p && **p != '.'; any = true) {
		if (**p == '`' || **p == '"') {
			rc = take_quoted(p, &out, rule, e);
		} else if (**p == '[') {
			rc = take_bracket(p, &out, rule, e);
		} else if (**p == '\\') {
			if (!(*p)[1])
				rc = refuse_rule(e, rule, "nothing follows '\\'");
			else
				add_literal(&out, (*p)[1]);
			*p += (*p)[1] ? 2 : 1;
		} else if (**p == '*' || **p == '?') {
			strbuf_addch(&out, *(*p)++);
		} else if (isspace((unsigned char)**p) || **p == '#' || **p == '@' || **p == '/') {
			rc = refuse_rule(e, rule, "a name with such characters needs quotes");
		} else {
			add_literal(&out, *(*p)++);
		}
	}
	if (rc == 0 && !any)
		rc = refuse_rule(e, rule, "must be db.table");
	if (rc == 0)
		part->pattern = strbuf_detach(&out);
	strbuf_release(&out);
	return rc;
}

static int add_trimmed(struct table_filter *f, const char *rule, struct err *e)
{
	const char *p = rule;
	struct rule *r;

	if (!*p || *p == '#')
		return 0; /* a comment, as the filter has them */
	if (*p == '@')
		return refuse_rule(e, rule, "rules from a file are not supported: write them here");
	r = add(f, rule);
	if (*p == '!') {
		r->leaves_out = true;
		p++;
	}
	if (read_part(&p, &r->db, rule, e) < 0)
		return -1;
	if (*p != '.')
		return refuse_rule(e, rule, "must be db.table");
	p++;
	if (read_part(&p, &r->table, rule, e) < 0)
		return -1;
	return *p ? refuse_rule(e, rule, "more than db.table") : 0;
}

int table_filter_add_rule(struct table_filter *f, const char *rule, struct err *e)
{
	char *trimmed = xstrdup(rule + strspn(rule, " \t"));
	size_t n = strlen(trimmed);
	int rc;

	while (n && strchr(" \t", trimmed[n - 1]))
		n--;
	trimmed[n] = '\0';
	rc = add_trimmed(f, trimmed, e);
	free(trimmed);
	return rc;
}

/* ---- asking ---- */

static bool part_matches(const struct part *p, const char *name)
{
	if (p->kind == PART_REGEX)
		return !regexec(&p->regex, name, 0, NULL, 0);
	return p->pattern && !fnmatch(p->pattern, name, FNM_CASEFOLD);
}

static bool rule_matches(const struct rule *r, const char *db, const char *table)
{
	char name[520];

	if (!r->is_pattern)
		return part_matches(&r->db, db) && part_matches(&r->table, table);
	snprintf(name, sizeof(name), "%s.%s", db, table);
	return !fnmatch(r->text + r->leaves_out, name, 0);
}

bool table_filter_is_empty(const struct table_filter *f)
{
	return f->n == 0;
}

bool table_filter_has(struct table_filter *f, const char *db, const char *table)
{
	bool in = f->n && f->rules[0].is_pattern && f->rules[0].leaves_out;

	for (size_t i = 0; i < f->n; i++)
		if (rule_matches(&f->rules[i], db, table)) {
			f->rules[i].used = true;
			in = !f->rules[i].leaves_out;
		}
	return in;
}

const char *table_filter_unused(const struct table_filter *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->rules[i].used && !f->rules[i].leaves_out)
			return f->rules[i].text;
	return NULL;
}
