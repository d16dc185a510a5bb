#include "harness/compare/diff_config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/compare/toml.h"
#include "harness/os/fs.h"

#define CONFIG_BYTES_MAX ((size_t)1 << 20)

/* What the file says, while it is read. */
struct reader {
	const char *path;
	const struct toml_value *sources, *routes, *configs, *task; /* sections; NULL: absent */
	struct diff_config *c;
	struct err *e;
};

static int refuse_value(const struct reader *r, const struct toml_value *v, const char *what)
{
	return err_set(r->e, ERR_USAGE, 0, "%s:%u: %s%s%s", r->path, v->line, v->key ? v->key : "",
		       v->key ? ": " : "", what);
}

static int no_key(const struct reader *r, const struct toml_value *v, const char *where)
{
	return err_set(r->e, ERR_USAGE, 0, "%s:%u: sync_diff_inspector has no key '%.60s' %s",
		       r->path, v->line, v->key, where);
}

/* Its parser takes keys in letters of either case. */
static bool is_key(const struct toml_value *v, const char *key)
{
	return !strcasecmp(v->key, key);
}

static int text_of(const struct reader *r, const struct toml_value *v, char *out, size_t room)
{
	if (v->kind != TOML_TEXT || strlen(v->text) != v->text_len)
		return refuse_value(r, v, "must be a \"text\"");
	if (v->text_len >= room)
		return refuse_value(r, v, "too long");
	memcpy(out, v->text, v->text_len + 1);
	return 0;
}

static int copy_text(const struct reader *r, const struct toml_value *v, char **out)
{
	if (v->kind != TOML_TEXT || strlen(v->text) != v->text_len)
		return refuse_value(r, v, "must be a \"text\"");
	free(*out);
	*out = xstrdup(v->text);
	return 0;
}

static int read_whole(const struct reader *r, const struct toml_value *v, int64_t max, int64_t *out)
{
	if (v->kind != TOML_INTEGER || v->integer < 0 || v->integer > max)
		return err_set(r->e, ERR_USAGE, 0, "%s:%u: %s: must be a number from 0 to %" PRId64,
			       r->path, v->line, v->key, max);
	*out = v->integer;
	return 0;
}

static int read_bool(const struct reader *r, const struct toml_value *v, bool *out)
{
	if (v->kind != TOML_TRUTH)
		return refuse_value(r, v, "must be true or false");
	*out = v->truth;
	return 0;
}

static int is_text_list(const struct reader *r, const struct toml_value *v)
{
	if (v->kind != TOML_LIST)
		return refuse_value(r, v, "must be a list: [\"…\"]");
	for (size_t i = 0; i < v->n; i++)
		if (v->child[i].kind != TOML_TEXT ||
		    strlen(v->child[i].text) != v->child[i].text_len)
			return refuse_value(r, v, "must be a list of texts");
	return 0;
}

static int is_table(const struct reader *r, const struct toml_value *v)
{
	return v->kind == TOML_TABLE ? 0 : refuse_value(r, v, "must be a [section]");
}

/* [section.name] */
static const struct toml_value *find_section(const struct toml_value *section, const char *name)
{
	for (size_t i = 0; section && i < section->n; i++)
		if (!strcmp(section->child[i].key, name))
			return &section->child[i];
	return NULL;
}

static int filter_of(const struct reader *r, const struct toml_value *v, struct table_filter **out)
{
	if (is_text_list(r, v) < 0)
		return -1;
	table_filter_free(*out);
	*out = table_filter_new();
	for (size_t i = 0; i < v->n; i++)
		if (table_filter_add_rule(*out, v->child[i].text, r->e) < 0)
			return err_wrap(r->e, "%s:%u: %s", r->path, v->child[i].line, v->key);
	return 0;
}

/* ---- sections ---- */

static int read_security(const struct reader *r, const struct toml_value *t,
			 struct sql_endpoint *ep)
{
	if (is_table(r, t) < 0)
		return -1;
	for (size_t i = 0; i < t->n; i++) {
		const struct toml_value *v = &t->child[i];
		char *to = is_key(v, "ca-path")     ? ep->ssl_ca
			   : is_key(v, "cert-path") ? ep->ssl_cert
			   : is_key(v, "key-path")  ? ep->ssl_key
						    : NULL;

		if (!to)
			return no_key(r, v, "in a data source's security");
		if (text_of(r, v, to, sizeof(ep->ssl_ca)) < 0)
			return -1;
	}
	return 0;
}

static int add_route(const struct reader *r, const struct toml_value *name)
{
	const struct toml_value *t = find_section(r->routes, name->text);
	struct routes *to = &r->c->routes;
	struct table_route *route;

	if (!t)
		return err_set(r->e, ERR_USAGE, 0, "%s:%u: there is no [routes.%.60s]", r->path,
			       name->line, name->text);
	if (is_table(r, t) < 0)
		return -1;
	to->route = xreallocarray(to->route, to->n + 1, sizeof(*to->route));
	route = &to->route[to->n++];
	*route = (struct table_route){ xstrdup(""), xstrdup(""), xstrdup(""), xstrdup("") };
	for (size_t i = 0; i < t->n; i++) {
		const struct toml_value *v = &t->child[i];
		char **field = is_key(v, "schema-pattern")  ? &route->schema_pattern
			       : is_key(v, "table-pattern") ? &route->table_pattern
			       : is_key(v, "target-schema") ? &route->target_schema
			       : is_key(v, "target-table")  ? &route->target_table
							    : NULL;

		if (!field)
			return no_key(r, v, "in a route");
		if (copy_text(r, v, field) < 0)
			return -1;
	}
	return *route->schema_pattern ? 0 : refuse_value(r, t, "schema-pattern is missing");
}

static int add_routes(const struct reader *r, const struct toml_value *v)
{
	if (is_text_list(r, v) < 0)
		return -1;
	for (size_t i = 0; i < v->n; i++)
		if (add_route(r, &v->child[i]) < 0)
			return -1;
	return 0;
}

static int source_key(const struct reader *r, const struct toml_value *v, bool upstream,
		      struct sql_endpoint *ep, char **snapshot)
{
	int64_t n = 0;

	if (is_key(v, "host"))
		return text_of(r, v, ep->host, sizeof(ep->host));
	if (is_key(v, "port")) {
		if (read_whole(r, v, 65535, &n) < 0)
			return -1;
		ep->port = (unsigned)n;
		return 0;
	}
	if (is_key(v, "user"))
		return text_of(r, v, ep->user, sizeof(ep->user));
	if (is_key(v, "password"))
		return text_of(r, v, ep->password, sizeof(ep->password));
	if (is_key(v, "snapshot"))
		return copy_text(r, v, snapshot);
	if (is_key(v, "security"))
		return read_security(r, v, ep);
	if (is_key(v, "route-rules")) {
		if (!upstream && v->kind == TOML_LIST && v->n)
			return refuse_value(
				r, v,
				"routes are only for a source: the target's tables already have "
				"the names to compare");
		return add_routes(r, v);
	}
	if (is_key(v, "sql-mode") || is_key(v, "sql-hint-use-index") || is_key(v, "session"))
		return 0; /* how rows are asked for */
	return no_key(r, v, "in a data source");
}

static int read_source(const struct reader *r, const struct toml_value *by, const char *what,
		       bool upstream, struct sql_endpoint *ep, char *as, size_t room,
		       char **snapshot)
{
	const struct toml_value *t;

	if (!by)
		return err_set(r->e, ERR_USAGE, 0, "%s: [task] names no %s", r->path, what);
	t = find_section(r->sources, by->text);
	if (!t)
		return err_set(r->e, ERR_USAGE, 0,
			       "%s:%u: %s \"%.60s\": there is no [data-sources.%.60s]", r->path,
			       by->line, what, by->text, by->text);
	if (is_table(r, t) < 0)
		return -1;
	*ep = (struct sql_endpoint){ .host = "127.0.0.1", .port = 4000, .user = "root" };
	snprintf(as, room, "%s", by->text);
	for (size_t i = 0; i < t->n; i++)
		if (source_key(r, &t->child[i], upstream, ep, snapshot) < 0)
			return -1;
	if (*snapshot && !**snapshot) {
		free(*snapshot);
		*snapshot = NULL;
	}
	return 0;
}

static int read_table_config(const struct reader *r, const struct toml_value *name)
{
	const struct toml_value *t = find_section(r->configs, name->text);
	struct diff_config *c = r->c;
	struct compare_table_config *to;
	int64_t n = 0;
	int rc = 0;

	if (!t)
		return err_set(r->e, ERR_USAGE, 0,
			       "%s:%u: target-configs: there is no [table-configs.%.60s]", r->path,
			       name->line, name->text);
	if (is_table(r, t) < 0)
		return -1;
	c->tables = xreallocarray(c->tables, c->n_tables + 1, sizeof(*c->tables));
	to = &c->tables[c->n_tables++];
	*to = (struct compare_table_config){ 0 };
	for (size_t i = 0; i < t->n && rc == 0; i++) {
		const struct toml_value *v = &t->child[i];

		if (is_key(v, "target-tables")) {
			rc = filter_of(r, v, &to->tables);
		} else if (is_key(v, "range")) {
			rc = copy_text(r, v, &to->condition);
		} else if (is_key(v, "ignore-columns")) {
			rc = is_text_list(r, v);
			to->ignore = xcalloc(v->n + 1, sizeof(*to->ignore));
			for (size_t k = 0; k < v->n && rc == 0; k++)
				to->ignore[to->n_ignore++] = xstrdup(v->child[k].text);
		} else if (is_key(v, "chunk-size")) {
			rc = read_whole(r, v, 10000000, &n);
			c->chunk_rows = n ? (uint64_t)n : c->chunk_rows;
		} else if (!is_key(v, "index-fields") &&
			   !is_key(v, "collation")) { /* how chunks are cut; texts are compared byte
						     by byte */
			rc = no_key(r, v, "in a table config");
		}
	}
	if (rc == 0 && (!to->tables || table_filter_is_empty(to->tables)))
		rc = refuse_value(r, t, "target-tables is missing");
	if (to->condition && !*to->condition) {
		free(to->condition);
		to->condition = NULL;
	}
	return rc;
}

static int read_task(const struct reader *r, const struct toml_value **up,
		     const struct toml_value **down)
{
	struct diff_config *c = r->c;
	int rc = 0;

	for (size_t i = 0; r->task && i < r->task->n && rc == 0; i++) {
		const struct toml_value *v = &r->task->child[i];

		if (is_key(v, "output-dir")) {
			rc = copy_text(r, v, &c->output_dir);
		} else if (is_key(v, "source-instances")) {
			rc = is_text_list(r, v);
			if (rc == 0 && v->n > 1)
				rc = refuse_value(
					r, v,
					"several sources are not supported: one target table "
					"cannot be compared with several sources; if each source "
					"has its own tables, compare one source after another, "
					"with its tables in target-check-tables");
			*up = rc == 0 && v->n ? &v->child[0] : NULL;
		} else if (is_key(v, "target-instance")) {
			rc = v->kind == TOML_TEXT ? 0 : refuse_value(r, v, "must be a \"text\"");
			*down = v;
		} else if (is_key(v, "target-check-tables")) {
			rc = filter_of(r, v, &c->filter);
		} else if (is_key(v, "target-configs")) {
			rc = is_text_list(r, v);
			for (size_t k = 0; k < v->n && rc == 0; k++)
				rc = read_table_config(r, &v->child[k]);
		} else if (is_key(v, "source-routes")) {
			rc = add_routes(r, v);
		} else if (is_key(v, "syncpoint-changefeed")) {
			rc = copy_text(r, v, &c->changefeed);
		} else {
			rc = no_key(r, v, "in [task]");
		}
	}
	return rc;
}

/* Keys in front of the sections. */
static int read_top(struct reader *r, const struct toml_value *v)
{
	struct diff_config *c = r->c;
	const struct toml_value **section = is_key(v, "data-sources")    ? &r->sources
					    : is_key(v, "routes")        ? &r->routes
					    : is_key(v, "table-configs") ? &r->configs
					    : is_key(v, "task")          ? &r->task
									 : NULL;
	bool yes = false;
	int64_t n = 0;

	if (section) {
		*section = v;
		return is_table(r, v);
	}
	if (is_key(v, "check-thread-count")) {
		if (read_whole(r, v, 64, &n) < 0)
			return -1;
		c->threads = (unsigned)n;
		return 0;
	}
	if (is_key(v, "export-fix-sql")) {
		if (read_bool(r, v, &yes) < 0)
			return -1;
		c->no_fix = !yes;
		return 0;
	}
	if (is_key(v, "check-struct-only"))
		return read_bool(r, v, &c->struct_only);
	if (is_key(v, "check-data-only"))
		return read_bool(r, v, &c->data_only);
	if (is_key(v, "skip-non-existing-table"))
		return read_bool(r, v, &c->skip_missing);
	if (is_key(v, "splitter-strategy"))
		return 0; /* how chunks are cut changes no result */
	if (is_key(v, "dm-addr") || is_key(v, "dm-task"))
		return v->kind == TOML_TEXT && !v->text_len
			       ? 0
			       : refuse_value(r, v,
					      "a DM task is not supported: write its sources and "
					      "routes here");
	return v->kind == TOML_TABLE ? err_set(r->e, ERR_USAGE, 0,
					       "%s:%u: sync_diff_inspector has no section '%.60s'",
					       r->path, v->line, v->key)
				     : no_key(r, v, "here");
}

static int is_auto(const char *snapshot)
{
	return snapshot && !strcasecmp(snapshot, "auto");
}

static int read_all(struct reader *r, const struct toml_value *root)
{
	const struct toml_value *up = NULL, *down = NULL;
	struct diff_config *c = r->c;

	for (size_t i = 0; i < root->n; i++)
		if (read_top(r, &root->child[i]) < 0)
			return -1;
	if (read_task(r, &up, &down) < 0 ||
	    read_source(r, up, "source-instances", true, &c->up, c->up_name, sizeof(c->up_name),
			&c->up_snapshot) < 0 ||
	    read_source(r, down, "target-instance", false, &c->down, c->down_name,
			sizeof(c->down_name), &c->down_snapshot) < 0)
		return -1;
	if (!c->filter || table_filter_is_empty(c->filter))
		return err_set(r->e, ERR_USAGE, 0, "%s: [task] has no target-check-tables",
			       r->path);
	if (c->struct_only && c->data_only)
		return err_set(r->e, ERR_USAGE, 0,
			       "%s: check-struct-only and check-data-only together compare nothing",
			       r->path);
	if (is_auto(c->up_snapshot) != is_auto(c->down_snapshot))
		return err_set(r->e, ERR_USAGE, 0,
			       "%s: snapshot = \"auto\" must be set on both "
			       "sides",
			       r->path);
	c->snapshot_auto = is_auto(c->up_snapshot);
	if (c->snapshot_auto) {
		free(c->up_snapshot);
		free(c->down_snapshot);
		c->up_snapshot = c->down_snapshot = NULL;
	}
	return 0;
}

int diff_config_parse(struct diff_config *c, const char *path, const char *text, size_t n,
		      struct err *e)
{
	struct reader r = { .path = path, .c = c, .e = e };
	unsigned line = 0;
	char why[300];
	struct toml_value *root = toml_read(text, n, why, sizeof(why), &line);
	int rc;

	*c = (struct diff_config){ 0 };
	if (!root)
		return err_set(e, ERR_USAGE, 0, "%s:%u: not TOML: %s", path, line, why);
	rc = read_all(&r, root);
	toml_free(root);
	if (rc < 0)
		diff_config_release(c);
	return rc;
}

int diff_config_read(struct diff_config *c, const char *path, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	int rc;

	*c = (struct diff_config){ 0 };
	if (fs_read_file(path, CONFIG_BYTES_MAX, &text, e) < 0) {
		if (e)
			e->kind = ERR_USAGE;
		return -1;
	}
	rc = diff_config_parse(c, path, text.buf ? text.buf : "", text.len, e);
	strbuf_release(&text);
	return rc;
}

void diff_config_release(struct diff_config *c)
{
	for (size_t i = 0; i < c->n_tables; i++) {
		table_filter_free(c->tables[i].tables);
		free(c->tables[i].condition);
		for (size_t k = 0; k < c->tables[i].n_ignore; k++)
			free(c->tables[i].ignore[k]);
		free(c->tables[i].ignore);
	}
	free(c->tables);
	table_filter_free(c->filter);
	routes_release(&c->routes);
	free(c->up_snapshot);
	free(c->down_snapshot);
	free(c->changefeed);
	free(c->output_dir);
	*c = (struct diff_config){ 0 };
}
