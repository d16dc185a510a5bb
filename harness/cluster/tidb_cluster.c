#include "harness/cluster/tidb_cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/pd.h"
#include "harness/cluster/playground_text.h"
#include "harness/feed/status.h"
#include "harness/base/uri.h"
#include "harness/os/fs.h"

#define SINK_USER "drtest_cdc"
#define API_MS 10000
#define CREATE_MS 90000
#define META_MS 60000       /* until the first meta object of the redo log */
#define CLI_MS 60000
#define CLI_BYTES_MAX ((size_t)4 << 20)
#define ASK_NS 200000000    /* the changefeed is asked at most this often */
#define ASK_REDO_NS 2000000000
#define ASK_CLI_NS 2000000000

static struct ticdc api_of(const struct tidb_cluster *t)
{
	return (struct ticdc){ .api = t->ticdc, .tls = { .ca = t->ca, .cert = t->cert, .key = t->key } };
}

static int look_sql(struct tidb_cluster *t, const struct sql_endpoint *ep, struct err *e)
{
	if (tidb_version(ep, t->version_text, e) < 0)
		return -1;
	if (tool_version_parse(t->version_text, t->version) < 0) {
		t->version[0] = 99; /* a nightly build: newer than all that are told apart here */
		t->version[1] = t->version[2] = 0;
	}
	return 0;
}

static int look_status(const struct tidb_cluster *t, struct deadline d, struct err *e)
{
	struct http_tls tls = { t->ca, t->cert, t->key };
	struct http_answer a = HTTP_ANSWER_INIT;
	char *url = xstrfmt("%s/status", t->status);
	int rc = http_call("GET", url, NULL, &tls, d, &a, e);

	if (rc == 0 && (a.status != 200 || !strstr(a.body.buf, "TiDB")))
		rc = err_set(e, ERR_ENV, (int)a.status, "%s is not TiDB's status port: HTTP %ld %.80s", url, a.status, a.body.buf);
	free(url);
	http_answer_release(&a);
	return rc;
}

static int look_ticdc(struct tidb_cluster *t, struct deadline d, struct err *e)
{
	struct ticdc api = api_of(t);
	unsigned captures = 0;
	int v2 = ticdc_has_v2(&api, d, e);

	if (v2 < 0)
		return -1;
	t->v2 = v2;
	if (v2 && ticdc_captures(&api, d, &captures, e) < 0)
		return -1;
	return v2 && !captures ? err_set(e, ERR_ENV, 0, "TiCDC at %s has no capture yet", t->ticdc) : 0;
}

static int look(struct cluster *c, struct tidb_cluster *t, struct err *e)
{
	struct deadline d = deadline_in_ms(3000);
	struct http_tls tls = { t->ca, t->cert, t->key };
	struct pd_members members;

	if (look_sql(t, &c->ep, e) < 0 || (t->status[0] && look_status(t, d, e) < 0) || (t->pd[0] && pd_ready(t->pd, &tls, d, &members, e) < 0))
		return -1;
	return t->ticdc[0] ? look_ticdc(t, d, e) : 0;
}

int tidb_cluster_ready(struct cluster *c, struct tidb_cluster *t, int (*alive)(struct cluster *, struct err *), struct deadline d, struct err *e)
{
	struct err why = ERR_INIT;

	while (look(c, t, &why) < 0) {
		if (alive && alive(c, e) < 0)
			return -1;
		if (why.kind == ERR_UNSUPPORTED) { /* waiting does not make a TiDB of it */
			if (e)
				*e = why;
			return err_set(e, ERR_ENV, 0, "%.900s", why.text);
		}
		if (pause_ms(100, d) < 0) {
			if (clock_cancelled())
				return err_set(e, ERR_CANCELLED, 0, "interrupted");
			return err_set(e, ERR_ENV, 0, "it is not ready: %.800s", why.text);
		}
	}
	snprintf(c->version, sizeof(c->version), "TiDB %s", t->version_text);
	return 0;
}

int tidb_cluster_set_gc(struct cluster *c, bool on, struct err *e)
{
	return tidb_set_gc(&c->ep, on, e);
}

const char *tidb_cluster_pd(const struct cluster *c)
{
	return ((const struct tidb_cluster *)c->own)->pd;
}

int tidb_cluster_now(struct cluster *c, tso_t *ts, struct err *e)
{
	return tidb_now(&c->ep, ts, e);
}

/* Whoever replays a redo prefix takes the newest meta under it whatever its changefeed, and BACKUP refuses a used one. */
static int prefix_is_fresh(const char *uri, const char *what, struct err *e)
{
	struct store *s = store_open(uri, NULL, e);
	struct store_list list = { 0 };
	int rc = -1;

	if (s && store_list(s, "", &list, e) == 0)
		rc = list.n ? err_set(e, ERR_ENV, 0, "%s: %s was used before (%zu objects, as %.100s): one fresh prefix for each run", what,
				      store_uri_redacted(s), list.n, list.objects[0].key) : 0;
	store_list_release(&list);
	store_free(s);
	return rc;
}

int tidb_cluster_backup(struct cluster *c, const char *uri, const struct backup_opts *o, struct backup_result *r, struct err *e)
{
	int64_t start = clock_mono_ns();
	struct tidb_brie b;

	if (prefix_is_fresh(uri, "BACKUP", e) < 0 || tidb_backup(&c->ep, uri, (unsigned)(o->rate_bytes_per_s / 1000000), o->tidb_snapshot, &b, e) < 0)
		return -1;
	*r = (struct backup_result){ .size_bytes = b.size_bytes, .backup_ts = b.backup_ts, .execution_us = (clock_mono_ns() - start) / 1000 };
	return 0;
}

int tidb_cluster_restore(struct cluster *c, const char *uri, const struct restore_opts *o, struct backup_result *r, struct err *e)
{
	int64_t start = clock_mono_ns();
	struct tidb_brie b;

	(void)o;
	if (tidb_restore(&c->ep, uri, &b, e) < 0)
		return -1;
	*r = (struct backup_result){ .size_bytes = b.size_bytes, .backup_ts = b.backup_ts, .execution_us = (clock_mono_ns() - start) / 1000 };
	c->restored_ts = b.cluster_ts;
	/* old versions do not tell; it is not written to meanwhile */
	return c->restored_ts ? 0 : tidb_now(&c->ep, &c->restored_ts, e);
}

/* A user of its own for TiCDC on the sink: what it leaves running there can be told from everybody else's. */
static int sink_user(struct tidb_cluster *t, bool with_password, struct err *e)
{
	struct sql *s = sql_open(&t->sink, deadline_in_ms(API_MS), e);
	unsigned char bytes[16];
	char *password = t->sink.password;
	int rc = -1;

	if (!s)
		return -1;
	password[0] = '\0';
	if (with_password) {
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) {
			err_sys(e, "draw a password");
			goto out;
		}
		for (size_t i = 0; i < sizeof(bytes); i++)
			snprintf(password + 2 * i, 3, "%02x", bytes[i]);
	}
	if (sql_exec(s, e, "CREATE USER IF NOT EXISTS '%s'@'%%'", t->sink_user) < 0 ||
	    sql_exec(s, e, "GRANT ALL PRIVILEGES ON *.* TO '%s'@'%%'", t->sink_user) < 0)
		goto out;
	struct strbuf q = STRBUF_INIT;

	strbuf_addf(&q, "ALTER USER '%s'@'%%' IDENTIFIED BY '%s'", t->sink_user, password);
	if (mysql_real_query(sql_handle(s), q.buf, q.len)) /* an error must not quote the statement */
		sql_error(sql_handle(s), e, "set the password of TiCDC's user");
	else
		rc = 0;
	strbuf_release(&q);
	snprintf(t->sink.user, sizeof(t->sink.user), "%s", t->sink_user);
out:
	sql_close(s);
	return rc < 0 ? err_wrap(e, "TiCDC's user on the sink") : 0;
}

static char *sink_uri(const struct sql_endpoint *ep)
{
	struct strbuf s = STRBUF_INIT;

	strbuf_addstr(&s, "mysql://");
	uri_encode(&s, ep->user, strlen(ep->user), "");
	strbuf_addch(&s, ':');
	uri_encode(&s, ep->password, strlen(ep->password), "");
	strbuf_addf(&s, strchr(ep->host, ':') ? "@[%s]:%u/" : "@%s:%u/", ep->host, ep->port);
	/* TIMESTAMP in the redo log is text in this zone */
	strbuf_addstr(&s, "?time-zone=UTC");
	if (ep->ssl_ca[0]) {
		strbuf_addstr(&s, "&ssl-ca=");
		uri_encode(&s, ep->ssl_ca, strlen(ep->ssl_ca), "/");
	}
	return strbuf_detach(&s);
}

/* tiup cdc:v5.4.0 cli changefeed VERB …; what it printed is appended to out. */
static int cli(struct tidb_cluster *t, const char *const *args, const char *what, struct strbuf *out, struct err *e)
{
	char *argv[24];
	struct err why = ERR_INIT;
	unsigned n = 0;

	if (!t->cdc[0])
		return err_set(e, ERR_UNSUPPORTED, 0, "%s: this TiCDC (%s) has no open API v2, and no command to run `cdc cli` is known", what,
			       t->version_text);
	for (unsigned i = 0; t->cdc[i]; i++)
		argv[n++] = (char *)t->cdc[i];
	for (; *args && n < 23; args++)
		argv[n++] = (char *)*args;
	argv[n] = NULL;
	if (proc_run(argv, NULL, out, CLI_BYTES_MAX, deadline_in_ms(CLI_MS), &why) == 0)
		return 0;
	if (why.kind != ERR_IO) {
		if (e)
			*e = why;
		return err_wrap(e, "%s", what);
	}
	return ticdc_cli_refused(why.text, what, e);
}

static int create_by_cli(struct cluster *c, struct tidb_cluster *t, const struct ticdc_create *o, struct ticdc_feed *f, struct err *e)
{
	char *config = xstrfmt("%s/changefeed.toml", c->dir), *pd = xstrfmt("--pd=%s", t->pd), *sink = xstrfmt("--sink-uri=%s", o->sink_uri),
	     *id = xstrfmt("--changefeed-id=%s", o->id), *start = xstrfmt("--start-ts=%" PRIu64, o->start_ts), *with = xstrfmt("--config=%s", config);
	const char *args[] = { "cli", "changefeed", "create", pd, sink, id, start, with, "--no-confirm", NULL };
	struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	char what[180];
	int rc = -1;

	snprintf(what, sizeof(what), "create changefeed %s", o->id);
	ticdc_config_text(o, t->version, &text);
	if (fs_write_atomic(config, text.buf, text.len, 0600, e) == 0 && cli(t, args, what, &out, e) == 0)
		rc = ticdc_create_parse(f, out.buf, out.len, e);
	strbuf_release(&text);
	strbuf_release(&out);
	free(config);
	free(pd);
	free(sink);
	free(id);
	free(start);
	free(with);
	return rc;
}

static int ask(struct cluster *c, struct ticdc_feed *f, struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct ticdc api = api_of(t);
	struct strbuf out = STRBUF_INIT;
	char *pd, *id;
	int rc;

	if (t->v2)
		return ticdc_query(&api, t->feed_id, deadline_in_ms(API_MS), f, e);
	pd = xstrfmt("--pd=%s", t->pd);
	id = xstrfmt("--changefeed-id=%s", t->feed_id);
	rc = cli(t, (const char *const[]){ "cli", "changefeed", "query", pd, id, NULL }, "query the changefeed", &out, e);
	if (rc == 0)
		rc = ticdc_feed_parse(f, out.buf, out.len, e);
	free(pd);
	free(id);
	strbuf_release(&out);
	return rc;
}

static int state_of(const struct tidb_cluster *t, const struct ticdc_feed *f, struct feed_status *st, struct err *e)
{
	if (!strcmp(f->state, "failed") || !strcmp(f->state, "stopped") || !strcmp(f->state, "finished") || !strcmp(f->state, "removed") ||
	    !strcmp(f->state, "error"))
		return err_set(e, ERR_ENV, 0, "changefeed %s is %s: %s", t->feed_id, f->state, f->error[0] ? f->error : "TiCDC gives no reason");
	*st = (struct feed_status){ .state = FEED_NORMAL, .checkpoint_ts = f->checkpoint_ts, .resolved_ts = f->resolved_ts,
		.checkpoint_seq = f->checkpoint_ts, .resolved_seq = f->resolved_ts, .sink_busy = f->resolved_ts > f->checkpoint_ts,
		.written_wall_ms = clock_wall_ms() };
	st->lag_ms = st->written_wall_ms - tso_ms(st->checkpoint_ts);
	snprintf(st->error, sizeof(st->error), "%s", f->error);
	return 0;
}

int tidb_cluster_feed_status(struct cluster *c, struct feed_status *st, struct err *e)
{
	struct tidb_cluster *t = c->own;
	int64_t now = clock_mono_ns();
	struct ticdc_feed f;

	if (!t->asked_ns || now - t->asked_ns >= (t->v2 ? ASK_NS : ASK_CLI_NS)) {
		if (ask(c, &f, e) < 0 || state_of(t, &f, &t->last, e) < 0)
			return -1;
		t->asked_ns = now;
		if (t->v2 && (!t->asked_redo_ns || now - t->asked_redo_ns >= ASK_REDO_NS)) {
			struct ticdc api = api_of(t);

			t->asked_redo_ns = now;
			t->redo_resolved = ticdc_query_redo(&api, t->feed_id, deadline_in_ms(API_MS));
		}
		if (t->redo_resolved > t->last.resolved_ts) /* the new architecture's API reports the checkpoint in its place */
			t->last.resolved_ts = t->last.resolved_seq = t->redo_resolved;
		feed_status_write(c->status_path, &t->last, NULL);
	}
	*st = t->last;
	st->lag_ms = clock_wall_ms() - tso_ms(st->checkpoint_ts);
	return 0;
}

/* The guide's own command lacks --config: then TiCDC takes level "none", and the redo log is missing when it is needed. */
static int redo_is_written(struct cluster *c, const struct ticdc_feed *f, const char *uri, struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct deadline d = deadline_in_ms(META_MS);
	struct store *s;
	struct feed_status st;
	int rc = -1;

	if (strcmp(f->level, "eventual") != 0)
		return err_set(e, ERR_ENV, 0, "changefeed %s was created with consistent.level = \"%s\": it writes no redo log "
			       "(TiCDC did not take [consistent])", t->feed_id, f->level[0] ? f->level : "none");
	s = store_open(uri, NULL, e);
	while (s) {
		struct store_list list = { 0 };
		bool there = false;

		if (store_list(s, "", &list, e) < 0)
			break;
		for (size_t i = 0; i < list.n; i++) {
			size_t n = strlen(list.objects[i].key);

			there = there || (n > 5 && !strcmp(list.objects[i].key + n - 5, ".meta"));
		}
		store_list_release(&list);
		if (there) {
			rc = 0;
			break;
		}
		if (tidb_cluster_feed_status(c, &st, e) < 0)
			break;
		if (pause_ms(100, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_ENV, 0, "changefeed %s has put no .meta object into %s within %d s%s%s", t->feed_id,
				store_uri_redacted(s), META_MS / 1000, st.error[0] ? ": " : "", st.error);
			break;
		}
	}
	store_free(s);
	return rc;
}

int tidb_cluster_changefeed(struct cluster *c, const struct changefeed_opts *o, struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct ticdc api = api_of(t);
	struct ticdc_feed f = { 0 };
	char *uri;
	int rc;

	if (!t->ticdc[0])
		return err_set(e, ERR_USAGE, 0, "%s has no TiCDC: t:cluster { …, ticdc = 1 }", c->name);
	if (strlen(o->id) >= sizeof(t->feed_id))
		return err_set(e, ERR_USAGE, 0, "changefeed id is longer than %zu bytes", sizeof(t->feed_id) - 1);
	if (*o->redo_uri && prefix_is_fresh(o->redo_uri, "the redo log's prefix", e) < 0)
		return -1;
	snprintf(t->feed_id, sizeof(t->feed_id), "%s", o->id);
	snprintf(t->sink_user, sizeof(t->sink_user), SINK_USER);
	t->sink = o->sink->ep;
	t->asked_ns = t->asked_redo_ns = 0;
	t->redo_resolved = 0;
	if (sink_user(t, t->v2, e) < 0) /* through the CLI it would stand in argv */
		return -1;
	uri = sink_uri(&t->sink);
	struct ticdc_create create = { .id = o->id, .sink_uri = uri, .redo_uri = o->redo_uri, .start_ts = o->start_ts, .flush_ms = o->flush_ms,
		.meta_ms = o->meta_ms };

	rc = t->v2 ? ticdc_create(&api, &create, deadline_in_ms(CREATE_MS), &f, e) : create_by_cli(c, t, &create, &f, e);
	if (rc == 0 && *o->redo_uri)
		rc = redo_is_written(c, &f, o->redo_uri, e);
	if (rc == 0) {
		struct feed_status st;

		rc = tidb_cluster_feed_status(c, &st, e); /* the sampler reads the file from now on */
	}
	memset(uri, 0, strlen(uri));
	free(uri);
	return rc;
}

int tidb_cluster_changefeed_stop(struct cluster *c, struct deadline d, struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct ticdc api = api_of(t);
	struct strbuf out = STRBUF_INIT;
	char *pd, *id;
	int rc;

	if (t->v2)
		return ticdc_pause(&api, t->feed_id, d, e);
	pd = xstrfmt("--pd=%s", t->pd);
	id = xstrfmt("--changefeed-id=%s", t->feed_id);
	rc = cli(t, (const char *const[]){ "cli", "changefeed", "pause", pd, id, NULL }, "pause the changefeed", &out, e);
	free(pd);
	free(id);
	strbuf_release(&out);
	return rc;
}

int tidb_cluster_fence(struct cluster *c, struct err *e)
{
	uint64_t killed;

	return tidb_kill_user(&c->ep, SINK_USER, deadline_in_ms(API_MS), &killed, e);
}
