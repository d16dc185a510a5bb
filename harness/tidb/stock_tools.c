#include "harness/tidb/stock_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/uri.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/redo/reader.h"
#include "harness/sql/schema.h"
#include "harness/tidb/pd.h"
#include "harness/tidb/playground_text.h"
#include "harness/tidb/ticdc.h"
#include "harness/tidb/tool_config.h"

#define TOOL_MS 3600000
#define VERSION_MS 60000
#define INSTALL_MS 600000
#define PD_MS 5000
#define OUTPUT_BYTES_MAX ((size_t)64 << 20)

int stock_find(struct stock_tool *t, const char *name, const char *version, struct err *e)
{
	char *on_path = proc_which(name), *tiup = on_path ? NULL : proc_which("tiup");

	memset(t, 0, sizeof(*t));
	if (on_path) {
		t->word[t->n++] = on_path;
	} else if (tiup) {
		/* the one whose component is not named as its program is */
		const char *component =
			strcmp(name, "sync_diff_inspector") ? name : "sync-diff-inspector";

		t->word[t->n++] = tiup;
		t->word[t->n++] =
			version ? xstrfmt("%s:%s", component, version) : xstrdup(component);
	}
	return t->n ? 0 : err_set(e, ERR_ENV, 0, "neither %s nor tiup is on PATH", name);
}

void stock_at(struct stock_tool *t, const char *path)
{
	memset(t, 0, sizeof(*t));
	t->word[t->n++] = xstrdup(path);
}

int stock_install(const struct stock_tool *t, struct err *e)
{
	struct strbuf said = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc;

	if (t->n < 2) /* a program on PATH */
		return 0;
	char *ask[] = { t->word[0], (char *)"--binary", t->word[1], NULL };
	char *get[] = { t->word[0], (char *)"install", t->word[1], NULL };

	rc = proc_run(ask, NULL, &said, OUTPUT_BYTES_MAX, deadline_in_ms(VERSION_MS), NULL);
	if (rc < 0) {
		strbuf_reset(&said);
		rc = proc_run(get, NULL, &said, OUTPUT_BYTES_MAX, deadline_in_ms(INSTALL_MS), &why);
	}
	if (rc == 0) { /* `tiup install` of what its mirror has not ends well */
		struct strbuf path = STRBUF_INIT;

		rc = proc_run(ask, NULL, &path, OUTPUT_BYTES_MAX, deadline_in_ms(VERSION_MS), NULL);
		strbuf_release(&path);
	}
	if (rc < 0) {
		err_set(e, ERR_ENV, 0, "tiup has no %s: %.*s", t->word[1],
			(int)strcspn(said.len ? said.buf : why.text, "\n"),
			said.len ? said.buf : why.text);
	}
	strbuf_release(&said);
	return rc;
}

void stock_release(struct stock_tool *t)
{
	while (t->n)
		free(t->word[--t->n]);
}

#define ARGS_MAX 39

/* A store's keys, out of the URIs and into the environment, where others can't read them. */
struct keyless {
	char *arg[ARGS_MAX + 1]; /* as given, but for the keys; ours */
	char *env[4];
	unsigned n, n_env;
};

static const struct {
	const char *param, *variable;
} store_keys[] = { { "access-key", "AWS_ACCESS_KEY_ID" },
		   { "secret-access-key", "AWS_SECRET_ACCESS_KEY" },
		   { "session-token", "AWS_SESSION_TOKEN" } };
#define N_STORE_KEYS (sizeof(store_keys) / sizeof(store_keys[0]))

static bool is_store_key(const char *param)
{
	size_t n = strcspn(param, "=&");

	for (size_t i = 0; i < N_STORE_KEYS; i++)
		if (strlen(store_keys[i].param) == n && !strncmp(param, store_keys[i].param, n))
			return true;
	return false;
}

/* Two stores with keys of their own would be too many: the environment has room for one. */
static bool keys_fit(const struct keyless *k, const struct uri *u, char *env[N_STORE_KEYS],
		     unsigned *n)
{
	bool same = true;

	*n = 0;
	for (size_t i = 0; i < N_STORE_KEYS; i++)
		if (uri_param(u, store_keys[i].param))
			env[(*n)++] = xstrfmt("%s=%s", store_keys[i].variable,
					      uri_param(u, store_keys[i].param));
	for (unsigned i = 0; k->n_env && i < *n; i++)
		same = same && i < k->n_env && !strcmp(env[i], k->env[i]);
	return same && *n && (!k->n_env || *n == k->n_env);
}

static char *without_keys(struct keyless *k, const char *arg)
{
	const char *uri = strstr(arg, "s3://"), *query = uri ? strchr(uri, '?') : NULL;
	struct strbuf out = STRBUF_INIT;
	char *env[N_STORE_KEYS];
	unsigned n;
	struct uri u;

	if (!query || uri_parse(&u, uri, NULL) < 0)
		return xstrdup(arg);
	if (!keys_fit(k, &u, env, &n)) {
		uri_release(&u);
		while (n)
			free(env[--n]);
		return xstrdup(arg);
	}
	uri_release(&u);
	for (unsigned i = 0; i < n; i++)
		if (k->n_env < n)
			k->env[k->n_env++] = env[i];
		else
			free(env[i]);
	strbuf_add(&out, arg, (size_t)(query - arg));
	for (const char *p = query + 1, *sep = "?"; *p;) {
		size_t len = strcspn(p, "&");

		if (!is_store_key(p)) {
			strbuf_addstr(&out, sep);
			strbuf_add(&out, p, len);
			sep = "&";
		}
		p += len + (p[len] == '&');
	}
	return strbuf_detach(&out);
}

int stock_run(const struct stock_tool *t, const char *const *args, int64_t ms, struct strbuf *out,
	      struct err *e)
{
	struct keyless k = { 0 };
	int rc;

	for (unsigned i = 0; i < t->n; i++)
		k.arg[k.n++] = xstrdup(t->word[i]);
	for (; *args && k.n < ARGS_MAX; args++)
		k.arg[k.n++] = without_keys(&k, *args);
	rc = proc_run_env(k.arg, k.env, out, OUTPUT_BYTES_MAX, deadline_in_ms(ms), e);
	while (k.n)
		free(k.arg[--k.n]);
	while (k.n_env)
		free(k.env[--k.n_env]);
	return rc;
}

int stock_can_tls(const char *tool, const struct sql_endpoint *ep, struct err *e)
{
	bool tls =
		ep->tls > SQL_TLS_OFF || ep->ssl_ca[0] || ep->ssl_cert[0] || ep->ssl_server_name[0];
	const char *why = !tls                        ? NULL
			  : !strcmp(tool, "sysbench") ? "has no verified TLS"
			  : ep->ssl_server_name[0]    ? "does not support a server name"
			  : !ep->ssl_ca[0] ? "only supports CAs from a file: tls = { ca = … }"
			  : ep->tls == SQL_TLS_UNVERIFIED || ep->tls == SQL_TLS_CHAIN
				  ? "also verifies the server's name"
				  : NULL;

	return why ? err_set(e, ERR_USAGE, 0, "%s %s, but TLS is required", tool, why) : 0;
}

int stock_number_after(const char *text, const char *what, tso_t *out)
{
	const char *p = NULL, *q = text;
	char digits[24];
	size_t n;

	while ((q = strstr(q, what))) { /* the last one: logs come before */
		p = q + strlen(what);
		q = p;
	}
	n = p ? strspn(p, "0123456789") : 0;
	if (!n || n >= sizeof(digits))
		return -1;
	memcpy(digits, p, n);
	digits[n] = '\0';
	return tso_parse(digits, out) ? 0 : -1;
}

int stock_meta_parse(const char *text, tso_t *checkpoint, tso_t *resolved, struct err *e)
{
	if (stock_number_after(text, "checkpoint-ts:", checkpoint) < 0 ||
	    stock_number_after(text, "resolved-ts:", resolved) < 0)
		return err_set(e, ERR_BAD_DATA, 0,
			       "`cdc redo meta` printed no checkpoint-ts and resolved-ts");
	return 0;
}

int stock_br_parse(const char *text, tso_t *backup_ts, struct err *e)
{
	return stock_number_after(text, "[BackupTS=", backup_ts) < 0
		       ? err_set(e, ERR_BAD_DATA, 0, "br's summary has no BackupTS")
		       : 0;
}

/* Since 6.5.10, 7.1.6, 7.5.2 and 8.1; older ones refuse the flag. */
static bool has_profiling(const struct stock_tool *cdc)
{
	struct strbuf out = STRBUF_INIT;
	unsigned v[3] = { 0 };
	bool known = stock_run(cdc, (const char *const[]){ "version", NULL }, VERSION_MS, &out,
			       NULL) == 0 &&
		     strstr(out.buf, "Release Version") &&
		     tool_version_parse(strstr(out.buf, "Release Version"), v) == 0;

	strbuf_release(&out);
	if (!known)
		return true; /* a nightly build */
	return v[0] > 8 || (v[0] == 8 && v[1] >= 1) ||
	       (v[0] == 7 && ((v[1] == 1 && v[2] >= 6) || (v[1] == 5 && v[2] >= 2))) ||
	       (v[0] == 6 && v[1] == 5 && v[2] >= 10);
}

static int fresh_dir(const char *dir, struct err *e)
{
	return fs_remove_tree(dir, e) < 0 || fs_mkdir_p(dir, 0700, e) < 0 ? -1 : 0;
}

/* The stock tools try a store or a PD that does not answer for minutes, and say nothing meanwhile.
 */
static int log_is_there(const char *uri, struct err *e)
{
	struct store *s = store_open(uri, NULL, e);
	struct redo_meta m;
	int rc = s ? redo_read_meta(s, &m, e) : -1;

	store_free(s);
	return rc;
}

int stock_redo_apply(const struct stock_tool *plain, const char *uri,
		     const struct sql_endpoint *sink, const char *zone, const char *tmp_dir,
		     struct replay_stats *st, struct err *e)
{
	char tz[80], env[] = "env";
	struct stock_tool in_zone = { .word = { env, tz, plain->word[0], plain->word[1] },
				      .n = plain->n + 2 };
	const struct stock_tool *cdc = zone ? &in_zone : plain;
	char *storage = xstrfmt("--storage=%s", uri), *tmp = xstrfmt("--tmp-dir=%s", tmp_dir),
	     *at = stock_sink_uri(sink), *to = xstrfmt("--sink-uri=%s", at);
	struct strbuf out = STRBUF_INIT;
	struct err why = ERR_INIT;
	int64_t start = clock_mono_ns();
	int rc = -1;

	memset(st, 0, sizeof(*st));
	snprintf(tz, sizeof(tz), "TZ=%.70s",
		 zone && !strcmp(zone, "+00:00") ? "UTC"
		 : zone                          ? zone
						 : "");
	if (tz[3] == '+' || tz[3] == '-') {
		err_set(e, ERR_USAGE, 0,
			"cdc redo apply needs the name of a time zone, such as Asia/Shanghai, "
			"not %s",
			zone);
		goto out;
	}
	if (stock_can_tls("cdc redo", sink, e) < 0 || log_is_there(uri, e) < 0 ||
	    fresh_dir(tmp_dir, e) < 0)
		goto out;
	if (stock_run(cdc, (const char *const[]){ "redo", "meta", storage, tmp, NULL }, TOOL_MS,
		      &out, &why) < 0) {
		if (why.kind == ERR_IO)
			ticdc_cli_refused(why.text, "cdc redo meta", e);
		else if (e)
			*e = why;
		goto out;
	}
	if (stock_meta_parse(out.buf, &st->checkpoint_ts, &st->resolved_ts, e) < 0 ||
	    fresh_dir(tmp_dir, e) < 0)
		goto out;
	strbuf_reset(&out);
	if (stock_run(cdc,
		      (const char *const[]){ "redo", "apply", storage, tmp, to,
					     has_profiling(cdc) ? "--enable-profiling=false" : NULL,
					     NULL },
		      TOOL_MS, &out, &why) < 0) {
		/* that goes to stdout */
		const char *fatal = strstr(why.text, "Error: ") ? NULL : strstr(out.buf, "[FATAL]");

		if (why.kind == ERR_IO)
			ticdc_cli_refused(fatal ? fatal : why.text, "cdc redo apply", e);
		else if (e)
			*e = why;
		goto out;
	}
	if (!strstr(out.buf, "Apply redo log successfully")) {
		err_set(e, ERR_BAD_DATA, 0, "cdc redo apply ended without reporting success");
		goto out;
	}
	if (stock_number_after(out.buf, "[appliedLogCount=", &st->rows) < 0)
		st->rows = 0; /* before 7.0 it does not tell */
	st->point = st->resolved_ts;
	st->total_us = (clock_mono_ns() - start) / 1000;
	rc = 0;
out:
	fs_remove_tree(tmp_dir, NULL);
	strbuf_release(&out);
	free(storage);
	free(tmp);
	free(at);
	free(to);
	return rc;
}

char *stock_sink_uri(const struct sql_endpoint *sink)
{
	const char *names[] = { "ssl-ca", "ssl-cert", "ssl-key" },
		   *files[] = { sink->ssl_ca, sink->ssl_cert, sink->ssl_key };
	bool six = strchr(sink->host, ':') != NULL;
	struct strbuf out = STRBUF_INIT;
	const char *sep = "?";

	strbuf_addstr(&out, "mysql://");
	uri_encode(&out, sink->user, strlen(sink->user), "");
	strbuf_addch(&out, ':');
	uri_encode(&out, sink->password, strlen(sink->password), "");
	strbuf_addf(&out, "@%s%s%s:%u/", six ? "[" : "", sink->host, six ? "]" : "", sink->port);
	for (unsigned i = 0; i < 3; i++)
		if (files[i][0]) {
			strbuf_addf(&out, "%s%s=", sep, names[i]);
			uri_encode(&out, files[i], strlen(files[i]), "/");
			sep = "&";
		}
	return strbuf_detach(&out);
}

/* --ca, --cert, --key of PD and TiKV */
static unsigned br_tls(const struct http_tls *tls, const char **args, unsigned n)
{
	const char *names[] = { "--ca", "--cert", "--key" },
		   *files[] = { tls->ca, tls->cert, tls->key };

	for (unsigned i = 0; i < 3; i++)
		if (files[i] && *files[i]) {
			args[n++] = names[i];
			args[n++] = files[i];
		}
	return n;
}

int stock_br(const struct stock_tool *br, bool restore, const char *pd, const struct http_tls *tls,
	     const char *uri, unsigned rate_mb, const char *log, tso_t *backup_ts, struct err *e)
{
	const char *bare = strstr(pd, "://") ? strstr(pd, "://") + 3 : pd; /* br takes no scheme */
	char rate[32], *log_file = xstrfmt("--log-file=%s", log);
	const char *args[16] = {
		restore ? "restore" : "backup", "full", "--pd", bare, "--storage", uri, log_file
	};
	struct strbuf out = STRBUF_INIT;
	struct err why = ERR_INIT;
	unsigned n = br_tls(tls, args, 7);
	int rc;

	if (!strncmp(pd, "https://", 8) && !(tls->ca && *tls->ca)) {
		rc = err_set(e, ERR_USAGE, 0,
			     "br only supports PD's CAs from a file: tls = { ca = … }");
		goto out;
	}
	if (rate_mb) {
		snprintf(rate, sizeof(rate), "--ratelimit=%u", rate_mb);
		args[n++] = rate;
	}
	args[n] = NULL;
	if (strstr(pd, "://") &&
	    pd_members(pd, tls, deadline_in_ms(PD_MS), &(struct pd_members){ 0 }, e) < 0) {
		rc = err_wrap(e, "br %s full", args[0]);
		goto out;
	}
	rc = stock_run(br, args, TOOL_MS, &out, &why);
	if (rc < 0) {
		const char *p = strstr(why.text, "Error: "), *help = tidb_brie_way_out(why.text);

		err_set(e, why.kind == ERR_IO ? ERR_ENV : why.kind, why.code,
			"br %s full: %.600s%s%s%s", args[0], p ? p + 7 : why.text,
			help ? " (fix: " : "", help ? help : "", help ? ")" : "");
	} else {
		rc = stock_br_parse(out.buf, backup_ts, e);
	}
out:
	strbuf_release(&out);
	free(log_file);
	return rc;
}

/* ---- sync_diff_inspector */

static void add_source(struct strbuf *out, const char *name, const struct sql_endpoint *ep,
		       const char *snapshot)
{
	strbuf_addf(out, "[data-sources.%s]\n", name);
	tool_config_add(out, "host", ep->host);
	strbuf_addf(out, "port = %u\n", ep->port);
	tool_config_add(out, "user", ep->user);
	tool_config_add(out, "password", ep->password);
	if (snapshot)
		tool_config_add(out, "snapshot", snapshot);
	if (ep->ssl_ca[0])
		tool_config_add(out, "security.ca-path", ep->ssl_ca);
	if (ep->ssl_cert[0]) {
		tool_config_add(out, "security.cert-path", ep->ssl_cert);
		tool_config_add(out, "security.key-path", ep->ssl_key);
	}
}

void stock_sync_diff_config(const struct sync_diff *o, struct strbuf *out)
{
	strbuf_addstr(out,
		      "check-thread-count = 4\nexport-fix-sql = true\ncheck-struct-only = false\n");
	add_source(out, "a", o->a, o->a_snapshot);
	add_source(out, "b", o->b, o->b_snapshot);
	strbuf_addstr(out, "[task]\noutput-dir = ");
	strbuf_addf(out, "\"%s/output\"\n", o->dir);
	/* what drtest itself keeps on a secondary is no data */
	strbuf_addstr(
		out,
		"source-instances = [\"a\"]\ntarget-instance = \"b\"\ntarget-check-tables = [\"*.*\", \"!" BOOKKEEPING_DB
		".*\"]\n");
}

int stock_sync_diff_parse(struct sync_diff_result *r, const char *text, struct err *e)
{
	const char *p = strstr(text, "A total of "), *different = strstr(text, " is not equal"),
		   *missing = strstr(text, " does not exist in ");
	const char *at = different ? different : missing;

	memset(r, 0, sizeof(*r));
	if (p)
		r->tables = (unsigned)strtoul(p + 11, NULL, 10);
	if (at) {
		while (at > text && at[-1] != '\n')
			at--;
		snprintf(r->evidence, sizeof(r->evidence), "%.*s",
			 (int)(strcspn(at, "\n") < 380 ? strcspn(at, "\n") : 380), at);
		return 0;
	}
	if (p && strstr(p, "all are equal")) {
		r->equal = true;
		snprintf(r->evidence, sizeof(r->evidence), "%.*s",
			 (int)(strcspn(p, "\n") < 380 ? strcspn(p, "\n") : 380), p);
		return 0;
	}
	return err_set(e, ERR_BAD_DATA, 0,
		       "sync_diff_inspector reports neither equal nor "
		       "different");
}

int stock_sync_diff(const struct stock_tool *tool, const struct sync_diff *o,
		    struct sync_diff_result *r, struct err *e)
{
	char *config = xstrfmt("%s/config.toml", o->dir), *said = xstrfmt("%s/said.log", o->dir),
	     *argv[STOCK_WORDS_MAX + 3];
	struct strbuf text = STRBUF_INIT;
	struct proc *p = NULL;
	unsigned n = 0;
	int rc = -1;

	if (stock_can_tls("sync_diff_inspector", o->a, e) < 0 ||
	    stock_can_tls("sync_diff_inspector", o->b, e) < 0 || fresh_dir(o->dir, e) < 0)
		goto out;
	stock_sync_diff_config(o, &text);
	if (fs_write_atomic(config, text.buf, text.len, 0600, e) < 0) /* passwords are in it */
		goto out;
	for (; n < tool->n; n++)
		argv[n] = tool->word[n];
	argv[n++] = (char *)"-C";
	argv[n++] = config;
	argv[n] = NULL;
	p = proc_start(&(struct proc_opts){ .name = "sync_diff_inspector",
					    .argv = argv,
					    .log_path = said },
		       e);
	if (!p)
		goto out;
	if (!proc_wait(p, deadline_in_ms(TOOL_MS))) {
		err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
			"sync_diff_inspector did not end in time");
		goto out;
	}
	strbuf_reset(&text);
	if (fs_read_file(said, OUTPUT_BYTES_MAX, &text, e) < 0)
		goto out;
	rc = stock_sync_diff_parse(r, text.buf, e);
	if (rc == 0 && r->equal != (proc_exit_status(p) == 0))
		rc = err_set(e, ERR_BAD_DATA, 0,
			     "sync_diff_inspector prints '%s' and ends with "
			     "%s",
			     r->evidence, proc_how(p));
	if (rc < 0) {
		struct strbuf tail = STRBUF_INIT;

		proc_log_tail(said, 2, &tail);
		err_set(e, ERR_ENV, 0, "sync_diff_inspector (%s): %.500s", proc_how(p), tail.buf);
		strbuf_release(&tail);
	}
out:
	proc_free(p);
	unlink(config);
	strbuf_release(&text);
	free(config);
	free(said);
	return rc;
}
