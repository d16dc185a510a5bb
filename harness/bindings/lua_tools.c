#include "harness/bindings/lua_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/lua_tso.h"
#include "harness/run/runtime.h"
#include "harness/sql/fence.h"
#include "harness/tidb/log_backup.h"

#define FENCE_MS 10000

/* A stand-in for a tool says so in its version. */
static void look_for_stand_in(struct runtime *r, const struct stock_tool *t, const char *flag,
			      const char *name)
{
	struct strbuf out = STRBUF_INIT;
	char *argv[STOCK_WORDS_MAX + 2];
	unsigned n = 0;

	for (; n < t->n; n++)
		argv[n] = t->word[n];
	argv[n++] = (char *)flag;
	argv[n] = NULL;
	if (proc_run(argv, NULL, &out, 4096, deadline_in_ms(60000), NULL) == 0 &&
	    strstr(out.buf, "standin"))
		runtime_stands_in(r, name);
	strbuf_release(&out);
}

/* Once a run: there is no other way to tell it the secondary's password. */
static void tell_of_password(struct runtime *r, const struct sql_endpoint *ep)
{
	static bool told;

	if (told || !ep->password[0])
		return;
	told = true;
	runtime_note(
		r,
		"cdc redo has the secondary's password on its command line, where others on this "
		"machine can read it during the run");
}

static const char *version_of(struct lua_cluster *c, char out[64])
{
	const char *v = cluster_version(c->c), *p = strstr(v, "TiDB v");

	if (!p)
		return NULL;
	snprintf(out, 64, "%.*s", (int)strcspn(p + 5, "- "), p + 5);
	return out;
}

/* The `cdc` that reads what this run's TiCDC writes: the classic architecture's can't read a DDL of
 * the new one's. */
static int find_cdc(struct runtime *r, struct lua_cluster *c, struct stock_tool *cdc, struct err *e)
{
	const struct ground *g = runtime_ground(r);
	char *path = runtime_tools(r)->new_ticdc && g->new_ticdc ? g->new_ticdc() : NULL;
	char version[64];
	int rc = 0;

	if (path)
		stock_at(cdc, path);
	else
		rc = stock_find(cdc, "cdc", version_of(c, version), e);
	free(path);
	return rc;
}

int tools_apply_redo(struct runtime *r, struct lua_cluster *c, const char *uri,
		     const char *time_zone, struct replay_stats *st, struct err *e)
{
	char *tmp = xstrfmt("%s/stock-replay", runtime_data_dir(r));
	struct stock_tool cdc = { 0 };
	struct sql *control = NULL;
	uint64_t fenced = 0;
	int rc = find_cdc(r, c, &cdc, e);

	if (rc == 0) {
		look_for_stand_in(r, &cdc, "version", "cdc redo");
		tell_of_password(r, cluster_endpoint(c->c));
		/* what the dead changefeed left running must not land after the replay: the stock
		 * tool does not look */
		control = sql_open(cluster_endpoint(c->c), deadline_in_ms(FENCE_MS), e);
		rc = control ? fence_kill(control, NULL, deadline_in_ms(FENCE_MS), &fenced, e) : -1;
		sql_close(control);
	}
	if (rc == 0)
		rc = stock_redo_apply(&cdc, uri, cluster_endpoint(c->c),
				      time_zone ? time_zone : cluster_redo_time_zone(c->c), tmp, st,
				      e);
	st->fenced = fenced;
	if (rc == 0)
		runtime_note(
			r,
			"replay on %s by `cdc redo apply` (%.2f s): %llu log records by its own "
			"count; it does not count transactions",
			c->name, (double)st->total_us / 1e6, (unsigned long long)st->rows);
	stock_release(&cdc);
	free(tmp);
	return rc < 0 ? err_wrap(e, "apply redo on %s", c->name) : 0;
}

static int br(struct runtime *r, struct lua_cluster *c, bool restore, const char *uri,
	      unsigned rate_mb, struct backup_result *b, struct err *e)
{
	char version[64], *log = xstrfmt("%s/logs/br-%s-%s.log", runtime_dir(r),
					 restore ? "restore" : "backup", c->name);
	struct http_tls tls = cluster_pd_tls(c->c);
	const char *pd = cluster_pd(c->c);
	struct stock_tool tool = { 0 };
	int64_t start = clock_mono_ns();
	tso_t ts = 0;
	int rc = *pd ? stock_find(&tool, "br", version_of(c, version), e)
		     : err_set(e, ERR_UNSUPPORTED, 0, "br needs PD, which %s does not have",
			       c->name);

	if (rc == 0) {
		look_for_stand_in(r, &tool, "--version", "br");
		rc = stock_br(&tool, restore, pd, &tls, uri, rate_mb, log, &ts, e);
	}
	*b = (struct backup_result){ .backup_ts = ts,
				     .execution_us = (clock_mono_ns() - start) / 1000 };
	stock_release(&tool);
	free(log);
	return rc < 0 ? err_wrap(e, "%s of %s", restore ? "restore" : "backup", c->name) : 0;
}

int tools_backup(struct runtime *r, struct lua_cluster *c, const char *uri, unsigned rate_mb,
		 struct backup_result *b, struct err *e)
{
	return br(r, c, false, uri, rate_mb, b, e);
}

int tools_restore(struct runtime *r, struct lua_cluster *c, const char *uri,
		  struct backup_result *b, struct err *e)
{
	int rc;

	if (cluster_fill(c->c, e) < 0)
		return -1;
	rc = br(r, c, true, uri, 0, b, e);
	cluster_filled(c->c);
	return rc < 0 ? -1 : cluster_restored(c->c, b, e);
}

#define LOG_TASK "drtest"

/* 0: *l can be used, with *tool and *log released by the caller. */
static int log_open(struct runtime *r, struct lua_cluster *c, const char *uri,
		    struct stock_tool *tool, char **log, struct log_backup *l, struct err *e)
{
	char version[64];
	const char *pd = cluster_pd(c->c);

	*log = xstrfmt("%s/logs/br-log-%s.log", runtime_dir(r), c->name);
	if (!*pd)
		return err_set(e, ERR_UNSUPPORTED, 0, "br needs PD, which %s does not have",
			       c->name);
	if (!strncmp(pd, "https://", 8))
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "%s: with TLS for PD, start and stop the log backup by hand (br "
			       "log start, br log stop)",
			       c->name);
	if (stock_find(tool, "br", version_of(c, version), e) < 0)
		return -1;
	look_for_stand_in(r, tool, "--version", "br");
	*l = (struct log_backup){ tool, pd, LOG_TASK, uri, *log };
	return 0;
}

int tools_log_backup(struct runtime *r, struct lua_cluster *c, const char *uri, unsigned flush_ms,
		     struct err *e)
{
	struct stock_tool tool = { 0 };
	struct log_backup l;
	char *log;
	int rc = log_open(r, c, uri, &tool, &log, &l, e) == 0 &&
				 (!flush_ms ||
				  log_backup_flush(cluster_endpoint(c->c), flush_ms, e) == 0) &&
				 log_backup_start(&l, e) == 0
			 ? 0
			 : -1;

	stock_release(&tool);
	free(log);
	return rc < 0 ? err_wrap(e, "log backup of %s", c->name) : 0;
}

int tools_log_checkpoint(struct runtime *r, struct lua_cluster *c, tso_t *ts, struct err *e)
{
	struct stock_tool tool = { 0 };
	struct log_backup_status st = { 0 };
	struct log_backup l;
	char *log;
	int rc = log_open(r, c, "", &tool, &log, &l, e) == 0 && log_backup_status(&l, &st, e) == 0
			 ? 0
			 : -1;

	*ts = st.checkpoint_ts;
	if (rc == 0 && (st.error[0] || !strcmp(st.state, "ERROR")))
		rc = err_set(e, ERR_ENV, 0, "the task is %s: %s", st.state,
			     st.error[0] ? st.error : "no reason given");
	stock_release(&tool);
	free(log);
	return rc < 0 ? err_wrap(e, "log backup of %s", c->name) : 0;
}

int tools_restore_point(struct runtime *r, struct lua_cluster *c, const char *full_uri,
			const char *log_uri, tso_t until, tso_t *point, struct backup_result *b,
			struct err *e)
{
	struct stock_tool tool = { 0 };
	int64_t start = clock_mono_ns();
	struct log_backup l;
	char *log;
	int rc = log_open(r, c, log_uri, &tool, &log, &l, e) == 0 ? cluster_fill(c->c, e) : -1;

	if (rc == 0) {
		rc = log_backup_restore(&l, full_uri, until, point, e);
		cluster_filled(c->c);
	}
	if (rc == 0)
		rc = cluster_restored(c->c, b, e);
	b->execution_us = (clock_mono_ns() - start) / 1000;
	stock_release(&tool);
	free(log);
	return rc < 0 ? err_wrap(e, "restore of %s to a point", c->name) : 0;
}

int tools_compare(struct runtime *r, const struct compare_opts *o, struct compare_result *res,
		  struct err *e)
{
	static unsigned serial; /* a folder for each: the tool refuses a used one */
	char *dir = xstrfmt("%s/sync-diff-%u", runtime_dir(r), ++serial);
	struct stock_tool tool = { 0 };
	struct sync_diff d = { .a = &o->a,
			       .b = &o->b,
			       .a_snapshot = o->a_snapshot,
			       .b_snapshot = o->b_snapshot,
			       .dir = dir };
	struct sync_diff_result got = { 0 };
	int rc = stock_find(&tool, "sync_diff_inspector", NULL, e);

	*res = (struct compare_result){ .verdict = VERDICT_UNKNOWN, .findings = json_array() };
	if (rc == 0) {
		look_for_stand_in(r, &tool, "-V", "sync_diff_inspector");
		rc = stock_sync_diff(&tool, &d, &got, e);
	}
	if (rc == 0) {
		res->verdict = got.equal ? VERDICT_PASS : VERDICT_FAIL;
		res->tables = got.tables;
		snprintf(res->evidence, sizeof(res->evidence), "sync_diff_inspector: %s",
			 got.evidence);
	}
	stock_release(&tool);
	free(dir);
	return rc;
}

void lua_backup_push(lua_State *L, const struct backup_result *b, const char *uri)
{
	lua_newtable(L);
	lua_pushstring(L, uri);
	lua_setfield(L, -2, "uri");
	lua_tso_push(L, b->backup_ts);
	lua_setfield(L, -2, "ts");
	lua_pushnumber(L, (lua_Number)b->rows);
	lua_setfield(L, -2, "rows");
	lua_pushnumber(L, (lua_Number)b->tables);
	lua_setfield(L, -2, "tables");
	lua_pushnumber(L, (lua_Number)b->size_bytes);
	lua_setfield(L, -2, "size_bytes");
	lua_pushnumber(L, (lua_Number)b->queue_us / 1e6);
	lua_setfield(L, -2, "queue_seconds");
	lua_pushnumber(L, (lua_Number)b->execution_us / 1e6);
	lua_setfield(L, -2, "seconds");
	lua_pushstring(L, b->warnings);
	lua_setfield(L, -2, "warnings");
}
