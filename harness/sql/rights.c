#include "harness/sql/rights.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"

struct grant {
	char *privileges; /* "SELECT, SHOW VIEW" */
	char *db;         /* a LIKE pattern; NULL: on all */
	bool table;       /* on one of its tables, or some of its columns */
};
struct rights {
	struct grant *grant;
	size_t n;
	char *account;
	bool role; /* its privileges are not spelt out */
};

static void skip_blanks(const char **p)
{
	while (**p == ' ')
		++*p;
}

/* `name`, 'name' or a bare word; doubled quotes are one. */
static char *take_name(const char **p)
{
	struct strbuf out = STRBUF_INIT;
	char quote = **p == '`' || **p == '\'' || **p == '"' ? *(*p)++ : 0;

	for (; **p; ++*p) {
		if (quote && **p == quote && *++*p != quote)
			break;
		if (!quote && strchr(" .@", **p))
			break;
		strbuf_addch(&out, **p);
	}
	return strbuf_detach(&out);
}

/* The words ON and TO outside of quotes and parentheses. */
static const char *find_word(const char *p, const char *word)
{
	char quote = 0;
	int depth = 0;

	for (; *p; p++) {
		if (quote)
			quote = *p == quote ? 0 : quote;
		else if (*p == '`' || *p == '\'')
			quote = *p;
		else if (*p == '(' || *p == ')')
			depth += *p == '(' ? 1 : -1;
		else if (!depth && *p == ' ' && !strncasecmp(p + 1, word, strlen(word)) &&
			 p[1 + strlen(word)] == ' ')
			return p;
	}
	return NULL;
}

/* GRANT SELECT, SHOW VIEW ON `shop`.* TO `drtest`@`%` … */
static void add_line(struct rights *r, const char *line)
{
	const char *on, *p, *to;
	struct grant g = { 0 };
	char *table;

	if (strncasecmp(line, "GRANT ", 6) != 0)
		return;
	on = find_word(line + 5, "ON");
	to = find_word(line + 5, "TO");
	if (!on) {
		r->role = true;
		return;
	}
	g.privileges = xstrndup(line + 6, (size_t)(on > line + 6 ? on - line - 6 : 0));
	p = on + 4;
	skip_blanks(&p);
	g.db = take_name(&p);
	if (*p != '.' || !strcasecmp(g.db, "PROCEDURE") || !strcasecmp(g.db, "FUNCTION")) {
		free(g.db);
		free(g.privileges);
		return;
	}
	p++;
	table = take_name(&p);
	g.table = strcmp(table, "*") != 0;
	free(table);
	if (!strcmp(g.db, "*")) {
		free(g.db);
		g.db = NULL;
	}
	if (!r->account && to) {
		const char *end = to + 4;

		free(take_name(&end));
		if (*end == '@') {
			end++;
			free(take_name(&end));
		}
		r->account = xstrndup(to + 4, (size_t)(end - to - 4));
	}
	r->grant = xreallocarray(r->grant, r->n + 1, sizeof(*r->grant));
	r->grant[r->n++] = g;
}

struct rights *rights_of(const char *const *line, size_t n)
{
	struct rights *r = xcalloc(1, sizeof(*r));

	for (size_t i = 0; i < n; i++)
		add_line(r, line[i]);
	r->role = false;
	return r;
}

struct rights *rights_read(struct sql *s, struct err *e)
{
	struct rights *r = rights_of(NULL, 0);
	struct sql_rows rows = { 0 };
	int more = -1;

	if (sql_query(s, &rows, e, "SHOW GRANTS") == 0)
		while ((more = sql_rows_next(&rows, e)) == 1)
			if (rows.cell[0])
				add_line(r, rows.cell[0]);
	sql_rows_release(&rows);
	/* MariaDB and TiDB list what the active roles bring */
	r->role = r->role && sql_flavor(s) == SQL_MYSQL;
	if (more < 0) {
		rights_free(r);
		err_wrap(e, "privileges of its account");
		return NULL;
	}
	return r;
}

void rights_free(struct rights *r)
{
	for (size_t i = 0; r && i < r->n; i++) {
		free(r->grant[i].privileges);
		free(r->grant[i].db);
	}
	if (r) {
		free(r->grant);
		free(r->account);
	}
	free(r);
}

const char *rights_account(const struct rights *r)
{
	return r->account ? r->account : "the account";
}

/* MariaDB's words have a blank where MySQL's and TiDB's have an underscore. */
static bool same_word(const char *at, size_t n, const char *word)
{
	if (strlen(word) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (toupper((unsigned char)at[i]) != toupper((unsigned char)word[i]) &&
		    !(strchr(" _", at[i]) && strchr(" _", word[i])))
			return false;
	return true;
}

static bool is_global(const char *privilege)
{
	static const char *const global[] = { "PROCESS", "RELOAD", "SUPER", "CREATE USER",
					      "SHOW DATABASES" };

	for (size_t i = 0; i < sizeof(global) / sizeof(global[0]); i++)
		if (!strcasecmp(global[i], privilege))
			return true;
	return strstr(privilege, "ADMIN") || strstr(privilege, "REPLICATION") ||
	       same_word(privilege, strlen(privilege), "SET USER") ||
	       same_word(privilege, strlen(privilege), "SET USER ID");
}

static bool grant_holds(const struct grant *g, const char *privilege)
{
	const char *p = g->privileges;

	while (*p) {
		const char *end = p;
		size_t n;
		int depth = 0;

		for (; *end && (depth || *end != ','); end++)
			depth += *end == '(' ? 1 : *end == ')' ? -1 : 0;
		n = strcspn(p, "(");
		n = n < (size_t)(end - p) ? n : (size_t)(end - p);
		while (n && p[n - 1] == ' ')
			n--;
		if (same_word(p, n, privilege) ||
		    (!g->table && (same_word(p, n, "ALL PRIVILEGES") || same_word(p, n, "ALL"))) ||
		    (g->table && same_word(p, n, "ALL PRIVILEGES") && !is_global(privilege)) ||
		    (same_word(p, n, "SUPER") &&
		     (strstr(privilege, "ADMIN") || !strncasecmp(privilege, "SET USER", 8))))
			return true;
		p = *end ? end + 1 : end;
		skip_blanks(&p);
	}
	return false;
}

/* A LIKE pattern, whatever case; what a server writes must not make us count forever. */
static bool matches_like(const char *pattern, const char *name)
{
	const char *star = NULL, *from = NULL;

	while (*name) {
		bool any = *pattern == '_', literal = *pattern == '\\' && pattern[1];

		if (*pattern == '%') {
			star = ++pattern;
			from = name;
		} else if (*pattern && (any || tolower((unsigned char)pattern[literal]) ==
						       tolower((unsigned char)*name))) {
			pattern += 1 + literal;
			name++;
		} else if (star) {
			pattern = star;
			name = ++from;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "%")] == '\0';
}

bool rights_have(const struct rights *r, const char *privilege, const char *db)
{
	bool global = is_global(privilege);

	for (size_t i = 0; i < r->n; i++) {
		const struct grant *g = &r->grant[i];

		if (grant_holds(g, privilege) &&
		    (!g->db || (db && !global && matches_like(g->db, db))))
			return true;
	}
	return r->role;
}

int rights_want(const struct rights *r, const char *wanted, const char *const *dbs, size_t n,
		const char *what, struct err *e)
{
	struct strbuf lacks = STRBUF_INIT;
	const char *where = NULL;
	int rc = 0;

	for (const char *p = wanted; *p;) {
		size_t len = strcspn(p, ",");
		char *privilege = xstrndup(p, len);
		const char *lacking = NULL;

		if (!rights_have(r, privilege, NULL)) {
			lacking = n && !is_global(privilege) ? NULL : "*";
			for (size_t i = 0; i < n && !lacking; i++)
				if (!rights_have(r, privilege, dbs[i]))
					lacking = dbs[i];
		}
		if (lacking) {
			strbuf_addf(&lacks, "%s%s", lacks.len ? ", " : "", privilege);
			where = !where || !strcmp(where, "*") ? lacking : where;
		}
		free(privilege);
		p += len;
		p += strspn(p, ", ");
	}
	if (lacks.len)
		rc = err_set(
			e, ERR_ENV, 0,
			"%s: the account %s lacks %s%s%.64s (fix: GRANT %s ON *.* TO %s, or see "
			"`drtest doctor --grants`)",
			what, rights_account(r), lacks.buf, *where == '*' ? "" : " on ",
			*where == '*' ? "" : where, lacks.buf, rights_account(r));
	strbuf_release(&lacks);
	return rc;
}

struct sql *sql_open_reading(const struct sql_endpoint *ep, struct deadline d, struct err *e)
{
	struct sql *s = sql_open(ep, d, e);

	/* else TiDB finds no row above a key of 2024-02-31, and none below */
	if (s && (sql_exec(s, e, "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'") < 0 ||
		  (sql_flavor(s) != SQL_TIDB &&
		   sql_exec(s, e, "SET SESSION TRANSACTION READ ONLY") < 0))) {
		sql_close(s);
		s = NULL;
	}
	return s;
}
