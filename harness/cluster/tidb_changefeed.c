/* TiCDC's changefeed of a cluster, as a drill uses it: made, watched, paused. What TiCDC leaves
 * unsaid is asked elsewhere: it says "normal" through whole outages of its store and its sink, and
 * in the new architecture it does not tell how far its redo log is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/grants.h"
#include "harness/cluster/tidb_cluster.h"
#include "harness/feed/status.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"
#include "harness/sql/fence.h"
#include "harness/tidb/stock_tools.h"

#define S_NS ((int64_t)1000000000)
#define API_MS 10000
/* TiCDC's API may say nothing for 20 s on a machine that is busy, or have no owner after its
 * owner's death, and goes on as if nothing had been: what it said last stands for so long, and its
 * silence is told */
#define SILENT_NS (60 * S_NS)
#define API_FIRST_MS 3000 /* then its PD is suspected */
#define META_MS 1000      /* of the log's meta: a store that takes longer is not waited for */
#define CREATE_MS 90000
#define DDL_MS 60000   /* a DDL job on the sink, before what is left of TiCDC is killed there */
#define AGAIN_MS 60000 /* a TiCDC that was started again finds its owner */
#define META_FIRST_MS 60000 /* until the first meta object of the redo log */
#define CLI_MS 60000
#define FEEDS_MAX 1024 /* of one TiCDC */
#define CLI_BYTES_MAX ((size_t)4 << 20)
#define ASK_NS (S_NS / 5) /* the changefeed is asked at most this often */
#define ASK_META_NS (2 * S_NS)
#define ASK_CLI_NS (2 * S_NS)
/* for so long after its create, or after a change of owner, TiCDC may not know it yet (seen: half a
 * second) */
#define YOUNG_NS (10 * S_NS)
/* a timestamp that has not moved for so long stands still: on an idle cluster too they move each
 * second */
#define STILL_NS (10 * S_NS)
/* the store and the sink are asked why, at most this often */
#define LOOK_NS (15 * S_NS)
/* after its create, or after it was started again */
#define SETTLES_NS (60 * S_NS)
/* TiCDC waits longer each time it fails: the new architecture for minutes after a short outage */
#define RETRYING_NS (480 * S_NS)

const char *tidb_cluster_sink_user(struct tidb_cluster *t, const struct cluster *sink)
{
	unsigned char bytes[4];

	if (sink->as_sink.user[0])
		return NULL;
	if (!t->sink_user[0] && getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes))
		snprintf(t->sink_user, sizeof(t->sink_user),
			 TIDB_CLUSTER_SINK_USER "%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2],
			 bytes[3]);
	return t->sink_user;
}

/* A user of its own for TiCDC on the sink: what it leaves running there can be told from everybody
 * else's. */
static int sink_user(struct tidb_cluster *t, struct tidb_feed *w, bool with_password, struct err *e)
{
	struct sql *s = sql_open(&w->sink, deadline_in_ms(API_MS), e);
	unsigned char bytes[16];
	char *password = w->sink.password;
	struct strbuf q = STRBUF_INIT;
	int rc = -1;

	if (!s)
		return -1;
	password[0] = '\0';
	if (with_password) {
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) {
			err_sys(e, "create a password");
			goto out;
		}
		for (size_t i = 0; i < sizeof(bytes); i++)
			snprintf(password + 2 * i, 3, "%02x", bytes[i]);
	}
	strbuf_addf(&q, "CREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED BY '%s'", t->sink_user,
		    password);
	/* an error must not quote the statement */
	if (mysql_real_query(sql_handle(s), q.buf, q.len)) {
		sql_error(sql_handle(s), e, "create TiCDC's user");
		goto out;
	}
	w->sink_made = true;
	strbuf_reset(&q);
	/* where it was there already */
	strbuf_addf(&q, "ALTER USER '%s'@'%%' IDENTIFIED BY '%s'", t->sink_user, password);
	if (mysql_real_query(sql_handle(s), q.buf, q.len)) {
		sql_error(sql_handle(s), e, "set the password of TiCDC's user");
		goto out;
	}
	strbuf_reset(&q);
	/* on a cluster of our own it may do all: nobody else is there */
	if (t->disposable)
		strbuf_addstr(&q, "ALL PRIVILEGES");
	else
		grants_list(GRANTS_SINK, sql_flavor(s), &q);
	if (sql_exec(s, e, "GRANT %s ON *.* TO '%s'@'%%'", q.buf, t->sink_user) < 0)
		goto out;
	snprintf(w->sink.user, sizeof(w->sink.user), "%s", t->sink_user);
	rc = 0;
out:
	memset(q.buf, 0, q.len);
	strbuf_release(&q);
	sql_close(s);
	return rc < 0 ? err_wrap(e, "TiCDC's user on the sink") : 0;
}

void tidb_cluster_drop_sink_user(struct tidb_cluster *t, struct tidb_feed *w)
{
	struct sql *s = w->sink_made && !t->disposable
				? sql_open(&w->sink_admin, deadline_in_ms(API_MS), NULL)
				: NULL;

	if ((s && sql_exec(s, NULL, "DROP USER IF EXISTS '%s'@'%%'", t->sink_user) >= 0) ||
	    !w->sink_made) {
		undo_forget(w->user_noted);
		w->user_noted = NULL;
	}
	sql_close(s);
	w->sink_made = false;
}

/* tiup cdc:v5.4.0 cli changefeed VERB …; what it printed is appended to out. */
static int run_cli(struct tidb_cluster *t, const char *const *args, const char *what,
		   struct strbuf *out, struct err *e)
{
	char *argv[24];
	struct err why = ERR_INIT;
	unsigned n = 0;

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

static int create_by_cli(struct cluster *c, struct tidb_cluster *t, const struct ticdc_create *o,
			 struct ticdc_feed *f, struct err *e)
{
	char *config = xstrfmt("%s/changefeed.toml", c->dir), *pd = xstrfmt("--pd=%s", t->pd),
	     *sink = xstrfmt("--sink-uri=%s", o->sink_uri),
	     *id = xstrfmt("--changefeed-id=%s", o->id),
	     *start = xstrfmt("--start-ts=%" PRIu64, o->start_ts),
	     *with = xstrfmt("--config=%s", config);
	const char *args[] = { "cli", "changefeed", "create",       pd,  sink, id,
			       start, with,         "--no-confirm", NULL };
	struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	char what[180];
	int rc = -1;

	snprintf(what, sizeof(what), "create changefeed %s", o->id);
	ticdc_config_text(o, t->version, &text);
	if (fs_write_atomic(config, text.buf, text.len, 0600, e) == 0 &&
	    run_cli(t, args, what, &out, e) == 0)
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

/* With its PD dead TiCDC answers nothing but /status, and there it owns nothing; so does one of
 * several servers that another one owns. */
static int ask_api(const struct tidb_cluster *t, const struct tidb_feed *w, struct ticdc_feed *f,
		   struct err *e)
{
	struct ticdc api = tidb_cluster_api(t);
	struct err why = ERR_INIT;

	if (ticdc_query(&api, w->feed_id, deadline_in_ms(API_FIRST_MS), f, &why) == 0)
		return 0;
	if (why.kind == ERR_TIMEOUT && why.code != TICDC_OWNER_AWAY && t->captures < 2 &&
	    ticdc_lost_owner(&api, deadline_in_ms(API_FIRST_MS), NULL) == 1)
		return err_set(
			e, ERR_ENV, 0,
			"query changefeed %s: TiCDC does not respond and reports that it owns "
			"nothing: it has lost its PD",
			w->feed_id);
	if (why.kind == ERR_TIMEOUT && why.code != TICDC_OWNER_AWAY)
		return ticdc_query(&api, w->feed_id, deadline_in_ms(API_MS - API_FIRST_MS), f, e);
	if (e)
		*e = why;
	return -1;
}

static int ask(struct cluster *c, const struct tidb_feed *w, struct ticdc_feed *f, struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct strbuf out = STRBUF_INIT;
	char *pd, *id;
	int rc;

	if (t->v2)
		return ask_api(t, w, f, e);
	pd = xstrfmt("--pd=%s", t->pd);
	id = xstrfmt("--changefeed-id=%s", w->feed_id);
	rc = run_cli(t, (const char *const[]){ "cli", "changefeed", "query", pd, id, NULL },
		     "query the changefeed", &out, e);
	if (rc == 0)
		rc = ticdc_feed_parse(f, out.buf, out.len, e);
	free(pd);
	free(id);
	strbuf_release(&out);
	return rc;
}

/* ---- watched */

/* Why does nothing move? The two whom TiCDC waits for are asked; what they say is appended. */
static void look_for_the_reason(const struct tidb_feed *w, int64_t still, struct strbuf *out)
{
	struct err why = ERR_INIT;
	struct store *s =
		w->redo_uri[0]
			? store_open(w->redo_uri,
				     &(struct store_opts){ .patience_ms = API_FIRST_MS }, &why)
			: NULL;
	bool there = false, well = true;
	struct sql *sink;

	if (w->redo_uri[0] && (!s || store_bucket_exists(s, &there, &why) < 0 || !there)) {
		strbuf_addf(out, "its store does not respond (%.300s)",
			    why.text[0] ? why.text : "the bucket is gone");
		well = false;
	}
	store_free(s);
	sink = sql_briefly(sql_open(&w->sink_seen, deadline_in_ms(API_FIRST_MS), &why));
	if (!sink) {
		strbuf_addf(out, "%sits sink does not respond (%.300s)", well ? "" : ", and ",
			    why.text);
		well = false;
	}
	sql_close(sink);
	if (well)
		strbuf_addf(out, "its store and its sink respond (%s)",
			    clock_mono_ns() - w->created_ns < SETTLES_NS
				    ? "a new changefeed can stand still for that long"
			    : w->failed && still > SETTLES_NS
				    ? "TiCDC's new architecture can stay like this after an error "
				      "of its store: restart TiCDC (TICDC-FAULTS, 12)"
				    : "after an outage, TiCDC waits up to 40 s between retries");
}

static void watch(struct tidb_feed *w, const struct ticdc_feed *f, tso_t resolved, int64_t now)
{
	bool normal = !strcmp(f->state, "normal");
	int64_t still;
	struct strbuf why = STRBUF_INIT;

	w->failed = !normal || (w->failed && f->checkpoint_ts == w->seen_checkpoint);
	if (f->checkpoint_ts != w->seen_checkpoint || !normal)
		w->checkpoint_moved_ns = now;
	if (resolved != w->seen_resolved || !normal)
		w->resolved_moved_ns = now;
	w->seen_checkpoint = f->checkpoint_ts;
	w->seen_resolved = resolved;
	still = now - w->checkpoint_moved_ns;
	if (!normal || still < STILL_NS) {
		w->still[0] = '\0';
		w->looked_ns = 0;
		return;
	}
	if (w->looked_ns && now - w->looked_ns < LOOK_NS)
		return;
	strbuf_addf(&why, "%s not moved for %" PRId64 " s although TiCDC reports normal: ",
		    now - w->resolved_moved_ns >= STILL_NS ? "checkpoint and redo log have"
							   : "its checkpoint has",
		    still / S_NS);
	look_for_the_reason(w, still, &why);
	snprintf(w->still, sizeof(w->still), "%.*s", (int)sizeof(w->still) - 1, why.buf);
	strbuf_release(&why);
	w->looked_ns = clock_mono_ns();
}

/* How far the redo log is, where TiCDC does not tell: its .meta object does. Not asked while it
 * can't be had. */
static tso_t resolved_by_the_log(struct tidb_feed *w, int64_t now)
{
	struct redo_meta m = { 0 };
	struct store *s;

	if (!w->redo_uri[0] || (w->asked_meta_ns && now - w->asked_meta_ns < ASK_META_NS))
		return w->log_resolved;
	s = store_open(w->redo_uri, &(struct store_opts){ .patience_ms = META_MS }, NULL);
	if (s && redo_read_meta(s, &m, NULL) == 0 && m.resolved_ts > w->log_resolved)
		w->log_resolved = m.resolved_ts;
	store_free(s);
	w->asked_meta_ns = clock_mono_ns();
	return w->log_resolved;
}

static int state_of(struct tidb_feed *w, const struct ticdc_feed *f, struct feed_status *st,
		    int64_t now, struct err *e)
{
	bool retrying = !strcmp(f->state, "pending") || !strcmp(f->state, "warning");
	tso_t resolved = f->resolved_is_checkpoint ? resolved_by_the_log(w, now) : f->resolved_ts;

	if (!strcmp(f->state, "failed") || !strcmp(f->state, "stopped") ||
	    !strcmp(f->state, "finished") || !strcmp(f->state, "removed") ||
	    !strcmp(f->state, "error"))
		return err_set(e, ERR_ENV, 0, "changefeed %s is %s: %s", w->feed_id, f->state,
			       f->error[0] ? f->error : "TiCDC gives no reason");
	if (resolved < w->last.resolved_ts) /* 0: not told, while it is pending or just starting */
		resolved = w->last.resolved_ts;
	watch(w, f, resolved, now);
	w->retrying_ns = !retrying ? 0 : w->retrying_ns ? w->retrying_ns : now;
	if (retrying && now - w->retrying_ns > RETRYING_NS)
		return err_set(e, ERR_ENV, 0, "changefeed %s is %s for %" PRId64 " s: %s",
			       w->feed_id, f->state, (now - w->retrying_ns) / S_NS,
			       f->error[0] ? f->error : "TiCDC gives no reason");
	*st = (struct feed_status){ .state = retrying ? FEED_RETRYING : FEED_NORMAL,
				    .checkpoint_ts = f->checkpoint_ts,
				    .resolved_ts = resolved,
				    .checkpoint_seq = f->checkpoint_ts,
				    .resolved_seq = resolved,
				    .sink_busy = resolved > f->checkpoint_ts,
				    .written_wall_ms = clock_wall_ms() };
	st->lag_ms = st->written_wall_ms - tso_ms(st->checkpoint_ts);
	if (retrying)
		snprintf(st->error, sizeof(st->error), "TiCDC reports %s: %s", f->state,
			 f->error[0] ? f->error : "it gives no reason");
	else
		snprintf(st->error, sizeof(st->error), "%s", f->error[0] ? f->error : w->still);
	return 0;
}

/* Does what TiCDC said last stand although it does not answer? Its silence goes into the status. */
static bool is_passing(struct tidb_feed *w, const struct err *why, int64_t now)
{
	bool away = why->kind == ERR_TIMEOUT && why->code == TICDC_OWNER_AWAY;

	if (away)
		w->away_ns = now;
	if (why->kind == ERR_NOT_FOUND)
		return now - (w->away_ns > w->created_ns ? w->away_ns : w->created_ns) <= YOUNG_NS;
	if (why->kind != ERR_TIMEOUT || !w->answered_ns || now - w->answered_ns >= SILENT_NS)
		return false;
	snprintf(w->last.error, sizeof(w->last.error),
		 away ? "TiCDC has had no owner for %lld s"
		      : "TiCDC's API has not responded for %lld s",
		 (long long)((clock_mono_ns() - w->answered_ns) / S_NS));
	return true;
}

int tidb_cluster_feed_status(struct cluster *c, unsigned slot, struct feed_status *st,
			     struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct tidb_feed *w = &t->feed[slot];
	int64_t now = clock_mono_ns();
	struct err why = ERR_INIT;
	struct ticdc_feed f;

	if (!w->asked_ns || now - w->asked_ns >= (t->v2 ? ASK_NS : ASK_CLI_NS)) {
		if (ask(c, w, &f, &why) < 0) {
			if (!is_passing(w, &why, now)) {
				if (e)
					*e = why;
				return -1;
			}
		} else if (state_of(w, &f, &w->last, now, e) < 0) {
			return -1;
		} else {
			w->answered_ns = now;
		}
		w->asked_ns = now;
		feed_status_write(c->feeds[slot].status_path, &w->last, NULL);
	}
	*st = w->last;
	st->lag_ms = clock_wall_ms() - tso_ms(st->checkpoint_ts);
	return 0;
}

/* The guide's own command lacks --config: then TiCDC takes level "none", and the redo log is
 * missing when it is needed. */
static int redo_is_written(struct cluster *c, unsigned slot, const struct ticdc_feed *f,
			   const char *uri, struct err *e)
{
	const struct tidb_feed *w = &((struct tidb_cluster *)c->own)->feed[slot];
	struct deadline d = deadline_in_ms(META_FIRST_MS);
	struct store *s;
	struct feed_status st;
	int rc = -1;

	if (strcmp(f->level, "eventual") != 0)
		return err_set(
			e, ERR_ENV, 0,
			"changefeed %s was created with consistent.level = \"%s\": it writes no "
			"redo log (TiCDC ignored [consistent])",
			w->feed_id, f->level[0] ? f->level : "none");
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
		if (tidb_cluster_feed_status(c, slot, &st, e) < 0)
			break;
		if (pause_ms(100, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_ENV, 0,
				"changefeed %s has written no .meta object to %s within %d s%s%s",
				w->feed_id, store_uri_redacted(s), META_FIRST_MS / 1000,
				st.error[0] ? ": " : "", st.error);
			break;
		}
	}
	store_free(s);
	return rc;
}

/* A TiCDC that has just been started again may not know its changefeeds yet, or have no owner. 1:
 * it is there; 0: it is not; -1: TiCDC says neither. */
static int ask_if_there(const struct ticdc *api, const char *id, struct ticdc_feed *f,
			struct err *e)
{
	struct deadline unknown = deadline_in_ms(YOUNG_NS / 1000000),
			silent = deadline_in_ms(AGAIN_MS);
	struct err why = ERR_INIT;

	while (ticdc_query(api, id, deadline_in_ms(API_MS), f, &why) < 0)
		if (pause_ms(200, why.kind == ERR_NOT_FOUND ? unknown : silent) < 0) {
			if (why.kind == ERR_NOT_FOUND && !clock_cancelled())
				return 0;
			if (e)
				*e = why;
			return clock_cancelled() ? err_set(e, ERR_CANCELLED, 0, "interrupted") : -1;
		}
	return 1;
}

static void forget(struct tidb_feed *w)
{
	w->asked_ns = w->asked_meta_ns = w->looked_ns = w->retrying_ns = w->away_ns = 0;
	w->checkpoint_moved_ns = w->resolved_moved_ns = w->created_ns = clock_mono_ns();
	w->answered_ns = w->created_ns;
	w->seen_checkpoint = w->seen_resolved = w->log_resolved = 0;
	w->still[0] = '\0';
}

/* A VECTOR goes into the log in a form that no replay can read back: not found out after a
 * disaster. */
static int can_be_logged(struct cluster *c, struct err *e)
{
	struct sql *s = sql_open(&c->ep, deadline_in_ms(API_MS), e);
	struct strbuf names = STRBUF_INIT;
	unsigned n = 0;
	int rc = s ? tidb_vector_columns(s, &names, &n, e) : -1;

	sql_close(s);
	if (rc == 0 && n)
		rc = err_set(
			e, ERR_UNSUPPORTED, 0,
			"a replay cannot read VECTOR columns from TiCDC's redo log: %.300s (fix: "
			"use a changefeed without a redo log, or without these tables)",
			names.buf);
	strbuf_release(&names);
	return rc;
}

int tidb_cluster_has_changefeed(struct cluster *c, const char *id, struct err *e)
{
	const struct tidb_cluster *t = c->own;
	struct ticdc api = tidb_cluster_api(t);
	struct deadline silent = deadline_in_ms(AGAIN_MS);
	struct err why = ERR_INIT;
	char ids[FEEDS_MAX][128];
	unsigned n = 0;

	for (unsigned i = 0; i < CLUSTER_FEEDS_MAX; i++)
		if (t->feed[i].feed_made && !strcmp(t->feed[i].feed_id, id))
			return 0;
	if (!t->ticdc[0] || !t->v2) /* the create itself is refused */
		return 0;
	/* one that is a second old is in the list, and cannot be queried */
	while (ticdc_list(&api, deadline_in_ms(API_MS), ids, FEEDS_MAX, &n, &why) < 0)
		if (pause_ms(200, silent) < 0) {
			if (e)
				*e = why;
			return clock_cancelled() ? err_set(e, ERR_CANCELLED, 0, "interrupted") : -1;
		}
	for (unsigned i = 0; i < n && i < FEEDS_MAX; i++)
		if (!strcmp(ids[i], id))
			return 1;
	return 0;
}

/* Where it was made in another slot, and its TiCDC died since. */
static void take_from_slot(struct tidb_cluster *t, struct tidb_feed *w, const char *id)
{
	for (unsigned i = 0; i < CLUSTER_FEEDS_MAX; i++)
		if (&t->feed[i] != w && t->feed[i].feed_made && !strcmp(t->feed[i].feed_id, id)) {
			struct tidb_feed other = *w;

			*w = t->feed[i];
			t->feed[i] = other;
		}
}

static int check_changefeed(const struct cluster *c, const struct changefeed_opts *o, struct err *e)
{
	const struct tidb_cluster *t = c->own;
	const struct tidb_feed *w = t->feed;

	if (!t->ticdc[0])
		return err_set(e, ERR_USAGE, 0, "%s has no TiCDC: %s", c->name,
			       t->disposable ? "t:cluster { …, ticdc = 1 }"
					     : "ticdc = \"http://…:8300\" in the clusters file");
	if (strlen(o->id) >= sizeof(w->feed_id) || strlen(o->redo_uri) >= sizeof(w->redo_uri))
		return err_set(
			e, ERR_USAGE, 0,
			"the changefeed's id is longer than %zu bytes, or its redo log's URI than %zu",
			sizeof(w->feed_id) - 1, sizeof(w->redo_uri) - 1);
	if (!t->v2 && !t->cdc[0])
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"create changefeed %s: this TiCDC (%s) has no open API v2, and no command to run `cdc cli` is known",
			o->id, t->version_text);
	return 0;
}

/* The account that TiCDC writes with, and the address it reaches the sink at. */
static int choose_sink(struct tidb_cluster *t, struct tidb_feed *w, const struct changefeed_opts *o,
		       struct err *e)
{
	w->sink = w->sink_admin = w->sink_seen = o->sink->ep;
	if (!tidb_cluster_sink_user(t, o->sink)) { /* the sink's owner has made one */
		w->sink = o->sink->as_sink;
		if (!t->v2 && w->sink.password[0])
			return err_set(
				e, ERR_UNSUPPORTED, 0,
				"create changefeed %s: this TiCDC (%s) has no open API v2, and "
				"`cdc cli` would need the password of the sink's account on a "
				"command line",
				o->id, t->version_text);
	} else if (sink_user(t, w, t->v2, e) < 0) { /* through the CLI it would stand in argv */
		return -1;
	}
	snprintf(o->sink->written_by, sizeof(o->sink->written_by), "%s", w->sink.user);
	if (o->sink_port && o->sink_port != o->sink->ep.port) { /* a proxy on this machine */
		w->sink.port = w->sink_seen.port = o->sink_port;
		strcpy(w->sink.host, "127.0.0.1");
		strcpy(w->sink_seen.host, "127.0.0.1");
	}
	return 0;
}

/* *made: TiCDC has it now, whatever is returned. */
static int create_changefeed(struct cluster *c, struct tidb_feed *w,
			     const struct changefeed_opts *o, struct ticdc_feed *f, bool *made,
			     struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct ticdc api = tidb_cluster_api(t);
	/* no time-zone: TiCDC takes its own then. The new architecture refuses any other, and calls
	 * its own by names ("System", "Etc/UTC") that nobody here can know */
	char *uri = stock_sink_uri(&w->sink);
	struct ticdc_create create = { .id = o->id,
				       .sink_uri = uri,
				       .redo_uri = o->redo_uri,
				       .start_ts = o->start_ts,
				       .flush_ms = o->flush_ms,
				       .meta_ms = o->meta_ms,
				       .syncpoint_ms = o->syncpoint_ms,
				       .bdr = o->bdr,
				       .force_replicate = o->force_replicate };
	unsigned captures;
	int rc;

	forget(w);
	if (t->v2 && ticdc_captures(&api, deadline_in_ms(API_FIRST_MS), &captures, NULL, NULL) == 0)
		t->captures = captures; /* another may have come since the cluster was ready */
	w->last = (struct feed_status){ .state = FEED_NORMAL,
					.checkpoint_ts = o->start_ts,
					.checkpoint_seq = o->start_ts };
	rc = t->v2 ? ticdc_create(&api, &create, deadline_in_ms(CREATE_MS), f, made, e)
		   : create_by_cli(c, t, &create, f, e);
	w->created_ns = clock_mono_ns();
	w->answered_ns = w->created_ns;
	memset(uri, 0, strlen(uri));
	free(uri);
	return rc;
}

int tidb_cluster_changefeed(struct cluster *c, unsigned slot, const struct changefeed_opts *o,
			    struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct tidb_feed *w = &t->feed[slot];
	struct ticdc api = tidb_cluster_api(t);
	struct ticdc_feed f = { 0 };
	struct feed_status st;
	struct err why = ERR_INIT;
	bool made = false;
	int rc;

	if (check_changefeed(c, o, e) < 0)
		return -1;
	take_from_slot(t, w, o->id);
	if (w->feed_made && !strcmp(w->feed_id, o->id) && t->v2 &&
	    (rc = ask_if_there(&api, o->id, &f, e)) != 0) {
		forget(w);
		return rc < 0 ? -1 : tidb_cluster_feed_status(c, slot, &st, e);
	}
	if (*o->redo_uri &&
	    (tidb_cluster_prefix_is_fresh(o->redo_uri, "the redo log's prefix", e) < 0 ||
	     can_be_logged(c, e) < 0))
		return -1;
	w->feed_found = w->feed_made = false;
	snprintf(w->feed_id, sizeof(w->feed_id), "%s", o->id);
	snprintf(w->redo_uri, sizeof(w->redo_uri), "%s", o->redo_uri);
	if (choose_sink(t, w, o, e) < 0)
		return -1;
	rc = create_changefeed(c, w, o, &f, &made, &why);
	if (rc < 0 && e)
		*e = why;
	/* without its answer it may have been made */
	made |= rc < 0 && (why.kind == ERR_TIMEOUT || why.kind == ERR_GONE || why.kind == ERR_IO);
	if (rc == 0 && *o->redo_uri)
		rc = redo_is_written(c, slot, &f, o->redo_uri, e);
	if (rc == 0)
		/* the sampler reads the file from now on */
		rc = tidb_cluster_feed_status(c, slot, &st, e);
	/* it would run on with nobody's knowledge, and hold back garbage collection; its log is
	 * nobody's yet */
	w->feed_stays =
		rc < 0 && made && ticdc_remove(&api, o->id, deadline_in_ms(API_MS), NULL) < 0;
	if (rc < 0)
		tidb_cluster_drop_sink_user(t, w);
	w->feed_made = rc == 0;
	return rc;
}

int tidb_cluster_find_changefeed(struct cluster *c, struct cluster *sink, const char *id,
				 const char *redo_uri, struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct tidb_feed *w = &t->feed[0];
	struct ticdc api = tidb_cluster_api(t);
	struct ticdc_feed f;
	struct feed_status st;

	if (!t->ticdc[0] || !t->v2)
		return err_set(e, ERR_USAGE, 0,
			       "the clusters file has no TiCDC with an open API v2 for it (ticdc = "
			       "\"http://…:8300\")");
	if (strlen(redo_uri) >= sizeof(w->redo_uri))
		return err_set(e, ERR_USAGE, 0, "the redo log's URI is longer than %zu bytes",
			       sizeof(w->redo_uri) - 1);
	if (ticdc_find(&api, id, deadline_in_ms(YOUNG_NS / 1000000), &f, e) < 0)
		return -1;
	if (strcmp(f.level, "eventual") != 0)
		return err_set(
			e, ERR_ENV, 0,
			"changefeed %s writes no redo log (consistent.level = \"%s\"): a replay would have nothing to read",
			id, f.level[0] ? f.level : "none");
	snprintf(w->feed_id, sizeof(w->feed_id), "%s", id);
	snprintf(w->redo_uri, sizeof(w->redo_uri), "%s", redo_uri);
	w->sink = w->sink_admin = w->sink_seen = sink->ep;
	snprintf(sink->written_by, sizeof(sink->written_by), "%s", sink->as_sink.user);
	w->feed_found = true;
	forget(w);
	w->last = (struct feed_status){ .state = FEED_NORMAL,
					.checkpoint_ts = f.checkpoint_ts,
					.checkpoint_seq = f.checkpoint_ts };
	return tidb_cluster_feed_status(c, 0, &st, e);
}

int tidb_cluster_changefeed_stop(struct cluster *c, unsigned slot, struct deadline d, struct err *e)
{
	struct tidb_cluster *t = c->own;
	const struct tidb_feed *w = &t->feed[slot];
	struct ticdc api = tidb_cluster_api(t);
	struct strbuf out = STRBUF_INIT;
	char *pd, *id;
	int rc;

	if (w->feed_found)
		return err_set(e, ERR_USAGE, 0,
			       "changefeed %s existed before this run, which does not stop it",
			       w->feed_id);
	if (t->v2)
		return ticdc_pause(&api, w->feed_id, d, e);
	pd = xstrfmt("--pd=%s", t->pd);
	id = xstrfmt("--changefeed-id=%s", w->feed_id);
	rc = run_cli(t, (const char *const[]){ "cli", "changefeed", "pause", pd, id, NULL },
		     "pause the changefeed", &out, e);
	free(pd);
	free(id);
	strbuf_release(&out);
	return rc;
}

int tidb_cluster_fence(struct cluster *c, struct err *e)
{
	struct sql *s = sql_open(&c->ep, deadline_in_ms(API_MS), e);
	uint64_t killed = 0;

	/* an ADD INDEX that TiCDC has begun and passed is in no log behind its checkpoint: with its
	 * session killed it would be lost */
	if (s)
		tidb_wait_for_ddl(s, deadline_in_ms(DDL_MS));
	/* an earlier run's changefeed, where this one has made none */
	int rc = s ? fence_user(s,
				c->written_by[0]     ? c->written_by
				: c->as_sink.user[0] ? c->as_sink.user
						     : TIDB_CLUSTER_SINK_USER "*",
				deadline_in_ms(API_MS), &killed, e)
		   : -1;

	sql_close(s);
	return rc < 0 ? err_wrap(e, "fence the rest of the changefeed") : 0;
}
