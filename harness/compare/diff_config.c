#include "harness/compare/diff_config.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

#define CONFIG_BYTES_MAX ((size_t)1 << 20)
#define SOURCES_MAX 16
#define TEXT_MAX 1024

/* One value: a text (also of a number or a boolean, as it is written), or a list of texts. */
struct value {
	char *item[DIFF_LIST_MAX];
	size_t n;
	bool is_list, is_quoted;
};
struct source {
	char name[128];
	struct sql_endpoint ep;
	char *snapshot;
	unsigned line;
};
struct table_config {
	char name[128];
	char *target[DIFF_LIST_MAX], *ignore[DIFF_LIST_MAX];
	size_t n_target, n_ignore;
	uint64_t chunk_rows;
	bool wanted;
};
struct reader {
	const char *path, *p;
	unsigned line;
	char section[128], name[128]; /* [section.name] */
	struct source source[SOURCES_MAX];
	size_t n_sources;
	struct table_config config[SOURCES_MAX];
	size_t n_configs;
	char *up, *down;
	char *wanted[DIFF_LIST_MAX];  /* target-configs */
	size_t n_wanted;
	struct diff_config *c;
	struct err *e;
};

static int wrong(const struct reader *r, const char *what)
{
	return err_set(r->e, ERR_USAGE, 0, "%s:%u: %s", r->path, r->line, what);
}

static void skip_space(struct reader *r, bool lines)
{
	for (;; r->p++) {
		if (*r->p == '#')
			r->p += strcspn(r->p, "\n");
		if (*r->p == '\n' && lines)
			r->line++;
		else if (*r->p != ' ' && *r->p != '\t' && *r->p != '\r')
			return;
		if (!*r->p)
			return;
	}
}

static int utf8_escape(struct reader *r, struct strbuf *out, int digits)
{
	uint32_t u = 0;

	for (int i = 0; i < digits; i++) {
		char d = *++r->p;

		if (!isxdigit((unsigned char)d))
			return wrong(r, "a \\u escape takes 4 hex digits, \\U 8");
		u = u * 16 + (uint32_t)(d <= '9' ? d - '0' : (d | 32) - 'a' + 10);
	}
	if (!u || u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
		return wrong(r, "an escape that is no character");
	if (u < 0x80) {
		strbuf_addch(out, (char)u);
	} else {
		int more = u < 0x800 ? 1 : u < 0x10000 ? 2 : 3;

		strbuf_addch(out, (char)((0xf0u << (3 - more) & 0xff) | u >> 6 * more));
		while (more--)
			strbuf_addch(out, (char)(0x80 | (u >> 6 * more & 63)));
	}
	return 0;
}

static int quoted(struct reader *r, struct strbuf *out)
{
	char q = *r->p++;

	if (r->p[0] == q && r->p[1] == q)
		return wrong(r, "texts of several lines are not understood here");
	for (; *r->p != q; r->p++) {
		static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
		const char *at;

		if (!*r->p || *r->p == '\n')
			return wrong(r, "a text has no end");
		if (out->len >= TEXT_MAX)
			return wrong(r, "a text is longer than 1,024 bytes");
		if (*r->p != '\\' || q == '\'') {
			strbuf_addch(out, *r->p);
			continue;
		}
		r->p++;
		at = *r->p ? strchr(from, *r->p) : NULL;
		if (at)
			strbuf_addch(out, to[at - from]);
		else if (*r->p != 'u' && *r->p != 'U')
			return wrong(r, "an escape that TOML does not have");
		else if (utf8_escape(r, out, *r->p == 'u' ? 4 : 8) < 0)
			return -1;
	}
	r->p++;
	return 0;
}

static int single(struct reader *r, struct value *v)
{
	struct strbuf text = STRBUF_INIT;
	int rc = 0;

	if (v->n == DIFF_LIST_MAX)
		return wrong(r, "a list of more than 256");
	v->is_quoted = *r->p == '"' || *r->p == '\'';
	if (v->is_quoted) {
		rc = quoted(r, &text);
	} else {
		size_t n = strspn(r->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._:");

		strbuf_add(&text, r->p, n);
		r->p += n;
		if (!n)
			rc = wrong(r, "a value is wanted: \"text\", a number, true, false, or [a list]");
	}
	if (rc == 0)
		v->item[v->n++] = strbuf_detach(&text);
	else
		strbuf_release(&text);
	return rc;
}

static int value(struct reader *r, struct value *v)
{
	if (*r->p != '[')
		return single(r, v);
	v->is_list = true;
	r->p++;
	for (;;) {
		skip_space(r, true);
		if (*r->p == ']')
			break;
		if (single(r, v) < 0)
			return -1;
		skip_space(r, true);
		if (*r->p == ',')
			r->p++;
		else if (*r->p != ']')
			return wrong(r, "a list wants ',' or ']'");
	}
	r->p++;
	return 0;
}

static void value_release(struct value *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->item[i]);
}

/* ---- what the keys mean ---- */

static int text_of(const struct reader *r, struct value *v, char *out, size_t room)
{
	if (v->is_list || !v->is_quoted)
		return wrong(r, "a \"text\" is wanted");
	if (strlen(v->item[0]) >= room)
		return wrong(r, "too long");
	memcpy(out, v->item[0], strlen(v->item[0]) + 1);
	return 0;
}

static int own(const struct reader *r, struct value *v, char **out)
{
	if (v->is_list || !v->is_quoted)
		return wrong(r, "a \"text\" is wanted");
	free(*out);
	*out = v->item[0];
	v->item[0] = NULL;
	return 0;
}

static int whole(const struct reader *r, const struct value *v, uint64_t max, uint64_t *out)
{
	char *end;

	if (v->is_list || v->n != 1)
		return wrong(r, "a number is wanted");
	*out = strtoull(v->item[0], &end, 10);
	return isdigit((unsigned char)v->item[0][0]) && !*end && *out <= max ? 0 : wrong(r, "a number is wanted, or it is out of range");
}

static int truth(const struct reader *r, const struct value *v, bool *out)
{
	if (v->is_list || (strcmp(v->item[0], "true") && strcmp(v->item[0], "false")))
		return wrong(r, "true or false is wanted");
	*out = v->item[0][0] == 't';
	return 0;
}

static int list(const struct reader *r, struct value *v, char **out, size_t *n)
{
	if (!v->is_list)
		return wrong(r, "a list is wanted: [\"…\"]");
	for (size_t i = 0; i < v->n; i++) {
		if (*n == DIFF_LIST_MAX)
			return wrong(r, "a list of more than 256");
		out[(*n)++] = v->item[i];
		v->item[i] = NULL;
	}
	return 0;
}

static int top_key(struct reader *r, const char *key, struct value *v)
{
	struct diff_config *c = r->c;
	uint64_t n = 0;
	bool yes = false;
	int rc;

	if (!strcmp(key, "check-thread-count")) {
		rc = whole(r, v, 64, &n);
		c->threads = (unsigned)n;
		return rc;
	}
	if (!strcmp(key, "export-fix-sql")) {
		rc = truth(r, v, &yes);
		c->no_fix = !yes;
		return rc;
	}
	if (!strcmp(key, "check-struct-only"))
		return truth(r, v, &c->struct_only);
	if (!strcmp(key, "check-data-only"))
		return truth(r, v, &yes) < 0 ? -1 : yes ? wrong(r, "check-data-only is not supported: structure is compared too") : 0;
	if (!strcmp(key, "skip-non-existing-table"))
		return truth(r, v, &yes) < 0 ? -1 : yes ? wrong(r, "skip-non-existing-table is not supported: a table on one side only is a difference") : 0;
	if (!strcmp(key, "splitter-strategy"))
		return 0; /* how chunks are cut changes no result */
	return err_set(r->e, ERR_USAGE, 0, "%s:%u: sync_diff_inspector has no key '%.60s' here", r->path, r->line, key);
}

static int source_key(struct reader *r, struct source *s, const char *key, struct value *v)
{
	uint64_t n = 0;

	if (!strcmp(key, "host"))
		return text_of(r, v, s->ep.host, sizeof(s->ep.host));
	if (!strcmp(key, "port")) {
		int rc = whole(r, v, 65535, &n);

		s->ep.port = (unsigned)n;
		return rc;
	}
	if (!strcmp(key, "user"))
		return text_of(r, v, s->ep.user, sizeof(s->ep.user));
	if (!strcmp(key, "password"))
		return text_of(r, v, s->ep.password, sizeof(s->ep.password));
	if (!strcmp(key, "snapshot")) {
		if (own(r, v, &s->snapshot) < 0)
			return -1;
		return strcmp(s->snapshot, "auto") ? 0 : wrong(r, "snapshot = \"auto\" is not supported: give a TSO for each side");
	}
	if (!strcmp(key, "security.ca-path"))
		return text_of(r, v, s->ep.ssl_ca, sizeof(s->ep.ssl_ca));
	if (!strcmp(key, "security.cert-path"))
		return text_of(r, v, s->ep.ssl_cert, sizeof(s->ep.ssl_cert));
	if (!strcmp(key, "security.key-path"))
		return text_of(r, v, s->ep.ssl_key, sizeof(s->ep.ssl_key));
	if (!strcmp(key, "sql-mode") || !strcmp(key, "sql-hint-use-index") || !strncmp(key, "session.", 8))
		return 0;
	if (!strcmp(key, "route-rules"))
		return v->n ? wrong(r, "route-rules are not supported: tables are compared under one name") : 0;
	return err_set(r->e, ERR_USAGE, 0, "%s:%u: sync_diff_inspector has no key '%.60s' in a data source", r->path, r->line, key);
}

static int config_key(struct reader *r, struct table_config *t, const char *key, struct value *v)
{
	if (!strcmp(key, "target-tables"))
		return list(r, v, t->target, &t->n_target);
	if (!strcmp(key, "ignore-columns"))
		return list(r, v, t->ignore, &t->n_ignore);
	if (!strcmp(key, "chunk-size"))
		return whole(r, v, 10000000, &t->chunk_rows);
	if (!strcmp(key, "index-fields") || !strcmp(key, "collation"))
		return 0; /* how chunks are cut; texts are compared byte by byte */
	if (!strcmp(key, "range"))
		return wrong(r, "range is not supported: all rows are compared");
	return err_set(r->e, ERR_USAGE, 0, "%s:%u: sync_diff_inspector has no key '%.60s' in a table config", r->path, r->line, key);
}

static int task_key(struct reader *r, const char *key, struct value *v)
{
	if (!strcmp(key, "output-dir"))
		return own(r, v, &r->c->output_dir);
	if (!strcmp(key, "source-instances")) {
		if (!v->is_list || v->n != 1)
			return wrong(r, "source-instances: one source is supported");
		free(r->up);
		r->up = v->item[0];
		v->item[0] = NULL;
		return 0;
	}
	if (!strcmp(key, "target-instance"))
		return own(r, v, &r->down);
	if (!strcmp(key, "target-check-tables"))
		return list(r, v, r->c->tables, &r->c->n_tables);
	if (!strcmp(key, "target-configs"))
		return list(r, v, r->wanted, &r->n_wanted);
	if (!strcmp(key, "source-routes"))
		return v->n ? wrong(r, "routes are not supported: tables are compared under one name") : 0;
	return err_set(r->e, ERR_USAGE, 0, "%s:%u: sync_diff_inspector has no key '%.60s' in [task]", r->path, r->line, key);
}

static int take(struct reader *r, const char *key, struct value *v)
{
	if (!strcmp(r->section, "data-sources") && r->n_sources) {
		char full[160];
		const char *sub = strchr(r->name, '.'); /* [data-sources.up.security] */

		snprintf(full, sizeof(full), "%s%s%s", sub ? sub + 1 : "", sub ? "." : "", key);
		return source_key(r, &r->source[r->n_sources - 1], full, v);
	}
	if (!strcmp(r->section, "table-configs") && r->n_configs)
		return config_key(r, &r->config[r->n_configs - 1], key, v);
	if (!strcmp(r->section, "routes"))
		return 0; /* refused where one is used */
	return !strcmp(r->section, "task") ? task_key(r, key, v) : top_key(r, key, v);
}

static int section(struct reader *r)
{
	char head[256];
	size_t n = strcspn(++r->p, "]\n");
	char *dot;

	if (r->p[n] != ']' || n >= sizeof(head))
		return wrong(r, "a section wants [name]");
	snprintf(head, sizeof(head), "%.*s", (int)n, r->p);
	r->p += n + 1;
	dot = strchr(head, '.');
	if (dot)
		*dot = '\0';
	snprintf(r->section, sizeof(r->section), "%.127s", head);
	snprintf(r->name, sizeof(r->name), "%.127s", dot ? dot + 1 : "");
	if (!strcmp(r->section, "data-sources") && dot) {
		size_t bare = strcspn(r->name, ".");

		if (r->n_sources && !strncmp(r->source[r->n_sources - 1].name, r->name, bare) && !r->source[r->n_sources - 1].name[bare] && r->name[bare])
			return 0; /* a part of the one before */
		if (r->n_sources == SOURCES_MAX)
			return wrong(r, "more than 16 data sources");
		r->source[r->n_sources] = (struct source){ .line = r->line, .ep = { .host = "127.0.0.1", .port = 4000, .user = "root" } };
		snprintf(r->source[r->n_sources++].name, sizeof(r->source[0].name), "%.*s", (int)bare, r->name);
		return 0;
	}
	if (!strcmp(r->section, "table-configs") && dot) {
		if (r->n_configs == SOURCES_MAX)
			return wrong(r, "more than 16 table configs");
		snprintf(r->config[r->n_configs++].name, sizeof(r->config[0].name), "%s", r->name);
		return 0;
	}
	/* a bare [data-sources] only opens what its parts say */
	if (!strcmp(r->section, "routes") || !strcmp(r->section, "task") || (!dot && (!strcmp(head, "data-sources") || !strcmp(head, "table-configs"))))
		return 0;
	return err_set(r->e, ERR_USAGE, 0, "%s:%u: sync_diff_inspector has no section '%.60s'", r->path, r->line, head);
}

static int key_and_value(struct reader *r)
{
	struct value v = { 0 };
	char key[128];
	size_t n = strspn(r->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
	int rc;

	if (!n || n >= sizeof(key))
		return wrong(r, "a key is wanted");
	snprintf(key, sizeof(key), "%.*s", (int)n, r->p);
	r->p += n;
	skip_space(r, false);
	if (*r->p != '=')
		return wrong(r, "key = value is wanted");
	r->p++;
	skip_space(r, false);
	rc = value(r, &v) < 0 ? -1 : take(r, key, &v);
	value_release(&v);
	skip_space(r, false);
	if (rc == 0 && *r->p && *r->p != '\n')
		rc = wrong(r, "a key a line");
	return rc;
}

/* ---- together ---- */

static int pick(struct reader *r, const char *what, const char *name, struct sql_endpoint *ep, char *as, size_t room, char **snapshot)
{
	if (!name)
		return err_set(r->e, ERR_USAGE, 0, "%s: [task] names no %s", r->path, what);
	for (size_t i = 0; i < r->n_sources; i++)
		if (!strcmp(r->source[i].name, name)) {
			*ep = r->source[i].ep;
			snprintf(as, room, "%s", name);
			*snapshot = r->source[i].snapshot && *r->source[i].snapshot ? xstrdup(r->source[i].snapshot) : NULL;
			return 0;
		}
	return err_set(r->e, ERR_USAGE, 0, "%s: %s \"%.60s\": there is no [data-sources.%.60s]", r->path, what, name, name);
}

static int use_configs(struct reader *r)
{
	struct diff_config *c = r->c;

	for (size_t w = 0; w < r->n_wanted; w++) {
		struct table_config *t = NULL;

		for (size_t i = 0; i < r->n_configs; i++)
			if (!strcmp(r->config[i].name, r->wanted[w]))
				t = &r->config[i];
		if (!t)
			return err_set(r->e, ERR_USAGE, 0, "%s: target-configs: there is no [table-configs.%.60s]", r->path, r->wanted[w]);
		if (t->chunk_rows)
			c->chunk_rows = t->chunk_rows;
		for (size_t i = 0; i < t->n_target; i++)
			for (size_t k = 0; k < t->n_ignore; k++) {
				if (c->n_ignore == DIFF_LIST_MAX)
					return err_set(r->e, ERR_USAGE, 0, "%s: more than 256 ignored columns", r->path);
				c->ignore[c->n_ignore++] = xstrfmt("%s.%s", t->target[i], t->ignore[k]);
			}
	}
	return 0;
}

static void free_all(char **item, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(item[i]);
}

int diff_config_parse(struct diff_config *c, const char *path, const char *text, struct err *e)
{
	struct reader *r = xcalloc(1, sizeof(*r));
	int rc = 0;

	*c = (struct diff_config){ 0 };
	*r = (struct reader){ .path = path, .p = text, .line = 1, .c = c, .e = e };
	for (skip_space(r, true); rc == 0 && *r->p; skip_space(r, true))
		rc = *r->p == '[' ? section(r) : key_and_value(r);
	if (rc == 0)
		rc = pick(r, "source-instances", r->up, &c->up, c->up_name, sizeof(c->up_name), &c->up_snapshot);
	if (rc == 0)
		rc = pick(r, "target-instance", r->down, &c->down, c->down_name, sizeof(c->down_name), &c->down_snapshot);
	if (rc == 0)
		rc = use_configs(r);
	if (rc == 0 && !c->n_tables)
		rc = err_set(e, ERR_USAGE, 0, "%s: [task] has no target-check-tables", path);
	for (size_t i = 0; i < r->n_sources; i++)
		free(r->source[i].snapshot);
	for (size_t i = 0; i < r->n_configs; i++) {
		free_all(r->config[i].target, r->config[i].n_target);
		free_all(r->config[i].ignore, r->config[i].n_ignore);
	}
	free_all(r->wanted, r->n_wanted);
	free(r->up);
	free(r->down);
	free(r);
	if (rc < 0)
		diff_config_release(c);
	return rc;
}

int diff_config_read(struct diff_config *c, const char *path, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	int rc;

	*c = (struct diff_config){ 0 };
	rc = fs_read_file(path, CONFIG_BYTES_MAX, &text, e);
	if (rc == 0 && strlen(text.buf) != text.len)
		rc = err_set(e, ERR_USAGE, 0, "%s: has a zero byte: no TOML", path);
	else if (rc == 0)
		rc = diff_config_parse(c, path, text.buf, e);
	strbuf_release(&text);
	return rc;
}

void diff_config_release(struct diff_config *c)
{
	free_all(c->tables, c->n_tables);
	free_all(c->ignore, c->n_ignore);
	free(c->up_snapshot);
	free(c->down_snapshot);
	free(c->output_dir);
	*c = (struct diff_config){ 0 };
}
