/* The attach ground: endpoints and commands of clusters that are not ours. */
#include "harness/cluster/attach/attach.h"

#include <errmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach_copy.h"
#include "harness/cluster/tidb_cluster.h"
#include "harness/os/fs.h"
#include "harness/sql/schema.h"
#include "harness/tidb/pd.h"
#include "harness/tidb/stock_tools.h"

#define READY_MS 60000
#define LOOK_MS 5000
#define COMMAND_MS 600000
#define COMMAND_BYTES_MAX ((size_t)1 << 20)
#define GONE_MS 60000

static struct attach_file used;
static bool in_use;
static char used_path[1024];
static unsigned needed[ATTACH_CLUSTERS_MAX]; /* bits 1 << ability, of what the plan does */
static bool thing_needed[ATTACH_THINGS];
static bool unreachable[ATTACH_CLUSTERS_MAX]; /* as the preflight has told */
/* by this run, at its end: nothing of it is left to be put back */
static bool destroyed[ATTACH_CLUSTERS_MAX];
static struct feed_pair {
	char source[64], sink[64];
} feeds[ATTACH_CLUSTERS_MAX]; /* of this run */
static size_t n_feeds;

int attach_use(const char *path, struct err *e)
{
	if (in_use)
		attach_file_release(&used);
	in_use = false;
	if (attach_file_read(&used, path, e) < 0)
		return -1;
	in_use = true;
	snprintf(used_path, sizeof(used_path), "%s", path);
	memset(needed, 0, sizeof(needed));
	memset(destroyed, 0, sizeof(destroyed));
	memset(thing_needed, 0, sizeof(thing_needed));
	return 0;
}

const char *attach_path(void)
{
	return used_path;
}

/* NULL: the file does not name it. */
static const struct attach_cluster *attach_find(const char *name)
{
	for (size_t i = 0; in_use && i < used.n; i++)
		if (!strcmp(used.c[i].name, name))
			return &used.c[i];
	return NULL;
}

unsigned attach_needed_of(const struct attach_cluster *c)
{
	return needed[c - used.c];
}

bool attach_unreachable(const struct attach_cluster *c)
{
	return unreachable[c - used.c];
}

bool attach_thing_needed(enum attach_thing what)
{
	return thing_needed[what];
}

int attach_use_secrets(struct err *e)
{
	return attach_secrets(&used, e);
}

const struct attach_file *attach_used(void)
{
	return in_use ? &used : NULL;
}

static const struct attach_cluster *cluster_named(const char *name, struct err *e)
{
	struct strbuf has = STRBUF_INIT;
	const struct attach_cluster *c = attach_find(name);

	if (c)
		return c;
	for (size_t i = 0; in_use && i < used.n; i++)
		strbuf_addf(&has, "%s%s", i ? ", " : "", used.c[i].name);
	err_set(e, ERR_USAGE, 0, "the clusters file has no cluster '%s' (it has %s)", name,
		has.len ? has.buf : "none: --clusters FILE");
	strbuf_release(&has);
	return NULL;
}

static int attach_knows(const char *name, struct err *e)
{
	return cluster_named(name, e) ? 0 : -1;
}

int attach_allows(const char *name, enum ability v, struct err *e)
{
	const struct attach_cluster *c = cluster_named(name, e);

	if (!c)
		return -1;
	if (v == ABLE_KILL && !c->expendable)
		return err_set(
			e, ERR_USAGE, 0,
			"%s is not marked expendable = true in the clusters file, so drtest does "
			"not kill it",
			name);
	if (v == ABLE_OVERWRITE && !c->expendable)
		return err_set(
			e, ERR_USAGE, 0,
			"%s is not marked expendable = true in the clusters file: it is not overwritten",
			name);
	if (v == ABLE_KILL && !c->command[ATTACH_KILL][0])
		return err_set(
			e, ERR_USAGE, 0,
			"%s: the clusters file has no command to kill it: commands = { kill = { … } }",
			name);
	if (v == ABLE_CHANGEFEED && (c->mysql || !c->ticdc[0]))
		return err_set(e, ERR_USAGE, 0,
			       "%s: a changefeed from it needs ticdc = \"http://…:8300\" in the "
			       "clusters file%s",
			       name, c->mysql ? ", which kind = \"mysql\" does not have" : "");
	if (v == ABLE_BACKUP && c->mysql)
		return err_set(e, ERR_USAGE, 0,
			       "%s has kind = \"mysql\": a backup of it cannot be the start of a "
			       "changefeed",
			       name);
	if (c->expendable || (c->allow & (1u << v))) {
		needed[c - used.c] |= 1u << v;
		return 0;
	}
	return err_set(
		e, ERR_USAGE, 0,
		"the clusters file does not allow %s on %s: allow = { \"%s\" }, or expendable = true",
		attach_verb_text(v), name, attach_verb_text(v));
}

static void add_command(struct strbuf *out, char *const *argv)
{
	for (; *argv; argv++)
		strbuf_addf(out,
			    (*argv)[strcspn(*argv, " \t'\"$&|;<>()*?")] || !**argv ? " '%s'"
										   : " %s",
			    *argv);
}

static void attach_plan(enum ability v, const struct ground_plan *p, struct strbuf *out)
{
	const struct attach_cluster *c = cluster_named(p->cluster, NULL);

	if (v == ABLE_KILL) {
		strbuf_addf(out, "the clusters file's command to kill %s:", p->cluster);
		if (c)
			add_command(out, c->command[ATTACH_KILL]);
		return;
	}
	if (v != ABLE_RESTART) {
		tidb_cluster_plan(v, p, out);
		return;
	}
	if (!c)
		return;
	strbuf_addf(out, "attach %s: ", p->cluster);
	sql_endpoint_text(&c->sql, out);
	if (c->command[ATTACH_START][0]) {
		strbuf_addstr(out, "; started now, if it does not answer, by:");
		add_command(out, c->command[ATTACH_START]);
	}
	if (c->expendable && c->command[ATTACH_DESTROY][0]) {
		strbuf_addstr(out, "; destroyed at the end, unless --keep, by:");
		add_command(out, c->command[ATTACH_DESTROY]);
	}
}

static int run_command(const struct attach_cluster *a, enum attach_command which, struct err *e)
{
	static const char *const words[] = { "kill", "start", "destroy" };
	struct strbuf out = STRBUF_INIT;
	int rc = proc_run((char *const *)a->command[which], NULL, &out, COMMAND_BYTES_MAX,
			  deadline_in_ms(COMMAND_MS), e);

	strbuf_release(&out);
	return rc < 0 ? err_wrap(e, "the clusters file's command to %s %s", words[which], a->name)
		      : 0;
}

/* What it says, where it refuses the login. */
static bool sql_answers(const struct cluster *c, int64_t ms, struct err *why)
{
	struct sql *s = sql_briefly(sql_open(&c->ep, deadline_in_ms(ms), why));

	sql_close(s);
	return s || (why->kind != ERR_GONE && why->code != CR_UNKNOWN_HOST);
}

static int attach_start_begin(struct cluster *c, struct err *e)
{
	const struct attach_cluster *a = cluster_named(c->name, e);
	struct tidb_cluster *t;

	if (!a || attach_secrets(&used, e) < 0 || fs_mkdir_p(c->dir, 0755, e) < 0 ||
	    fs_mkdir_p(c->log_dir, 0755, e) < 0)
		return -1;
	if (!c->keep)
		guardian_path(c->dir);
	t = c->own ? c->own : xcalloc(1, sizeof(*t));
	c->own = t;
	c->ep = a->sql;
	c->as_sink = a->sql;
	strcpy(c->as_sink.user, a->sink_user);
	strcpy(c->as_sink.password, a->sink_password);
	strcpy(c->as_sink.ssl_ca, a->sink_tls.ca);
	strcpy(c->as_sink.ssl_cert, a->sink_tls.cert);
	strcpy(c->as_sink.ssl_key, a->sink_tls.key);
	c->as_sink.ssl_server_name[0] = '\0';
	c->as_sink.tls = a->sink_tls.given ? SQL_TLS_VERIFY : SQL_TLS_OFF;
	strcpy(t->pd, a->pd);
	strcpy(t->ticdc, a->ticdc);
	strcpy(t->status, a->status);
	strcpy(t->ca, a->tls.ca);
	strcpy(t->cert, a->tls.cert);
	strcpy(t->key, a->tls.key);
	strcpy(t->server_name, a->tls.server_name);
	if (a->command[ATTACH_START][0]) {
		struct err why = ERR_INIT;
		bool up = sql_answers(c, LOOK_MS, &why);

		if (up && why.kind != ERR_NONE) {
			if (e)
				*e = why;
			return -1;
		}
		/* also where it only half starts: what there is of it is ours */
		t->started_here = !up;
		if (!up)
			return run_command(a, ATTACH_START, e);
	}
	return 0;
}

static int attach_start_wait(struct cluster *c, struct deadline d, struct err *e)
{
	const struct attach_cluster *a = cluster_named(c->name, e);
	struct deadline by = deadline_min(
		d, deadline_in_ms(a && a->command[ATTACH_START][0] ? COMMAND_MS : READY_MS));
	struct sql *s;

	if (!a)
		return -1;
	if (!a->mysql)
		return tidb_cluster_ready(c, c->own, NULL, by, e) < 0 ? -1
								      : attach_is_the_one(a, e);
	s = sql_open(&c->ep, by, e);
	sql_close(s);
	return s ? 0 : -1;
}

/* Complete when nothing of it answers any more, as far as the file names its parts. */
static int wait_until_gone(struct cluster *c, struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct deadline d = deadline_in_ms(GONE_MS);
	const char *urls[] = { t->status, t->pd, t->ticdc };

	for (;;) {
		struct err why = ERR_INIT;
		const char *answers = sql_answers(c, 1000, &why) ? "SQL" : NULL;

		for (unsigned i = 0; i < 3 && !answers; i++) {
			struct http_answer a = HTTP_ANSWER_INIT;
			struct http_tls tls = tidb_cluster_tls(t);

			if (urls[i][0] && http_call("GET", urls[i], NULL, &tls,
						    deadline_in_ms(1000), &a, NULL) == 0)
				answers = urls[i];
			http_answer_release(&a);
		}
		if (!answers)
			return 0;
		if (pause_ms(100, d) < 0)
			return err_set(e, ERR_TIMEOUT, 0,
				       "the command has ended, but its %s still answers after %d s",
				       answers, GONE_MS / 1000);
	}
}

static int attach_kill(struct cluster *c, enum cluster_part part, int64_t *at_ns, struct err *e)
{
	const struct attach_cluster *a = cluster_named(c->name, e);

	if (!a || attach_allows(c->name, ABLE_KILL, e) < 0)
		return -1;
	if (part != CLUSTER_ALL)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "the clusters file only has a command to kill it as a whole");
	*at_ns = clock_mono_ns();
	if (run_command(a, ATTACH_KILL, e) < 0)
		return -1;
	cluster_feeds_gone(c);
	return wait_until_gone(c, e);
}

static bool sink_is_destroyed(const struct tidb_feed *t)
{
	for (size_t i = 0; i < used.n; i++)
		if (destroyed[i] && used.c[i].sql.port == t->sink_admin.port &&
		    !strcmp(used.c[i].sql.host, t->sink_admin.host))
			return true;
	return false;
}

static void attach_release(struct cluster *c)
{
	const struct attach_cluster *a = cluster_named(c->name, NULL);
	struct tidb_cluster *t = c->own;

	/* ours, on clusters that go on: paused, never removed (that deletes the redo log) */
	for (unsigned i = 0; t && i < CLUSTER_FEEDS_MAX; i++) {
		bool runs = c->feeds[i].feeding && !t->feed[i].feed_found && !c->keep &&
			    tidb_cluster_changefeed_stop(c, i, deadline_in_ms(20000), NULL) < 0;

		(runs ? undo_leave : undo_forget)(t->feed[i].feed_noted);
	}
	cluster_feeds_gone(c);
	for (unsigned i = 0; t && !c->keep && i < CLUSTER_FEEDS_MAX; i++)
		tidb_cluster_drop_sink_user(t, &t->feed[i]);
	/* only what this run has filled or started: a wrong port, and it would be somebody else's
	 */
	if (a && t && a->expendable && (t->started_here || t->filled_here) &&
	    a->command[ATTACH_DESTROY][0] && !c->keep)
		destroyed[a - used.c] = run_command(a, ATTACH_DESTROY, NULL) == 0;
	if (t) {
		undo_leave(t->gc_noted); /* still there: it could not be put back */
		for (unsigned i = 0; i < CLUSTER_FEEDS_MAX; i++)
			(c->keep || sink_is_destroyed(&t->feed[i]) ? undo_forget : undo_leave)(
				t->feed[i].user_noted);
		memset(t, 0, sizeof(*t)); /* passwords */
	}
	if (a && destroyed[a - used.c])
		undo_forget_left(c->name);
	free(t);
	c->own = NULL;
	guardian_path_forget(c->dir);
}

static int attach_set_gc(struct cluster *c, bool on, struct err *e)
{
	const struct attach_cluster *a = cluster_named(c->name, e);
	struct tidb_cluster *t = c->own;
	struct err why = ERR_INIT;
	int rc;

	if (!a || attach_allows(c->name, ABLE_GC, e) < 0)
		return -1;
	if (a->mysql)
		return 0;
	if (!on && !t->gc_noted && !(t->gc_noted = undo_note(UNDO_GC, used_path, c->name, "", e)))
		return -1;
	if (on && t->gc_noted && undo_pass_on(t->gc_noted)) { /* another run wants it off */
		t->gc_noted = NULL;
		return 0;
	}
	rc = tidb_cluster_set_gc(c, on, &why);
	if (rc < 0 && e)
		*e = why;
	if (rc == 0 ? on : !on && why.kind == ERR_SQL) { /* the server has refused it */
		undo_forget(t->gc_noted);
		t->gc_noted = NULL;
	}
	return rc;
}

static int attach_get_gc(struct cluster *c, bool *on, struct err *e)
{
	const struct attach_cluster *a = cluster_named(c->name, e);

	*on = true;
	if (!a || (!a->mysql && tidb_get_gc(&c->ep, on, e) < 0))
		return -1;
	*on = *on || undo_is_held(UNDO_GC, c->name); /* off by another run of drtest's */
	return 0;
}

/* Tables of a load on `name` are on the clusters that a changefeed of this run writes to, too. */
static int attach_note_tables(const char *name, const char *tables, struct err *e)
{
	if (!undo_note(UNDO_LEFT_TABLES, used_path, name, tables, e))
		return -1;
	for (size_t i = 0; i < n_feeds; i++)
		if (!strcmp(feeds[i].source, name) &&
		    !undo_note(UNDO_LEFT_TABLES, used_path, feeds[i].sink, tables, e))
			return -1;
	return 0;
}

static void leave_on_sink(void *arg, const char *cluster, const char *tables)
{
	const struct feed_pair *p = arg;

	if (!strcmp(cluster, p->source))
		undo_note(UNDO_LEFT_TABLES, used_path, p->sink, tables, NULL);
}

static void feeds_into(const struct cluster *c, const struct cluster *sink)
{
	struct feed_pair *p = &feeds[n_feeds];

	if (n_feeds == sizeof(feeds) / sizeof(feeds[0]))
		return;
	snprintf(p->source, sizeof(p->source), "%s", c->name);
	snprintf(p->sink, sizeof(p->sink), "%s", sink->name);
	for (size_t i = 0; i < n_feeds; i++)
		if (!strcmp(feeds[i].source, p->source) && !strcmp(feeds[i].sink, p->sink))
			return;
	undo_left_tables(leave_on_sink, p);
	/* a way back does not bring the tables to where they came from */
	n_feeds++;
}

static int attach_find_changefeed(struct cluster *c, struct cluster *sink, const char *id,
				  const char *redo_uri, struct err *e)
{
	feeds_into(c, sink);
	return tidb_cluster_find_changefeed(c, sink, id, redo_uri, e);
}

static int attach_changefeed(struct cluster *c, unsigned slot, const struct changefeed_opts *o,
			     struct err *e)
{
	if (attach_allows(c->name, ABLE_CHANGEFEED, e) < 0 ||
	    attach_allows(o->sink->name, ABLE_WRITE, e) < 0)
		return -1;
	struct tidb_cluster *t = c->own;
	struct tidb_feed *w = &t->feed[slot];
	struct undo *left;
	const char *user;
	int rc;

	if (stock_can_tls("TiCDC", o->sink->as_sink.user[0] ? &o->sink->as_sink : &o->sink->ep, e) <
	    0)
		return -1;
	/* what is noted under its id would be paused, and removed with its log */
	if ((rc = tidb_cluster_has_changefeed(c, o->id, e)) != 0)
		return rc < 0 ? -1
			      : err_set(e, ERR_ENV, 0,
					"%s has a changefeed %s already, which this run did not "
					"create (fix: choose another id; `drtest clean --clusters` "
					"removes those of ended runs)",
					c->name, o->id);
	/* before either is made; the user stays noted until it is dropped */
	undo_forget(w->feed_noted); /* that of an earlier changefeed of this run */
	if (!(w->feed_noted = undo_note(UNDO_FEED, used_path, c->name, o->id, e)))
		return -1;
	user = tidb_cluster_sink_user(t, o->sink);
	if (user && !w->user_noted &&
	    !(w->user_noted = undo_note(UNDO_USER, used_path, o->sink->name, user, e)))
		return -1;
	feeds_into(c, o->sink);
	if (!(left = undo_note(UNDO_LEFT_FEED, used_path, c->name, o->id, e)))
		return -1;
	rc = tidb_cluster_changefeed(c, slot, o, e);
	if (rc < 0 && !w->feed_stays) {
		undo_forget(left);
		undo_forget(w->feed_noted);
		w->feed_noted = NULL;
	}
	return rc;
}

static int attach_fence(struct cluster *c, struct err *e)
{
	struct sql *s;
	uint64_t there = 1;
	int rc;

	if (attach_allows(c->name, ABLE_WRITE, e) < 0)
		return -1;
	/* the replay keeps its books there */
	s = sql_open(&c->ep, deadline_in_ms(LOOK_MS), NULL);
	if (s &&
	    sql_value_u64(
		    s, &there, NULL,
		    "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '" BOOKKEEPING_DB
		    "'") == 0 &&
	    !there)
		undo_note(UNDO_LEFT_DATABASE, used_path, c->name, BOOKKEEPING_DB, NULL);
	if (c->written_by[0] || c->as_sink.user[0]) {
		sql_close(s);
		return tidb_cluster_fence(c, e);
	}
	/* no changefeed of this run: what one of an ended run has left there */
	rc = s ? attach_end_sinks(s, c->name, e) : 0;
	sql_close(s);
	return rc;
}

/* The replay sets it in each of its sessions. */
static int try_time_zone(const struct attach_cluster *a, struct sql *s, finding_fn *fn, void *arg)
{
	struct err e = ERR_INIT;
	char text[1200];

	if (!used.redo_time_zone[0] ||
	    sql_exec(s, &e, "SET time_zone = '%s'", used.redo_time_zone) >= 0)
		return 0;
	snprintf(text, sizeof(text), "%s does not know the time zone of redo_time_zone: %s",
		 a->name, e.text);
	fn(arg, text,
	   "use an offset such as \"+08:00\", or a name if the server has the time zone tables");
	return 1;
}

/* A replay would be refused in the middle of a disaster: TiCDC's log does not say in which zone its
 * TIMESTAMPs are. */
static int look_for_timestamps(const struct attach_cluster *a, struct sql *s, finding_fn *fn,
			       void *arg)
{
	struct strbuf column = STRBUF_INIT;
	char text[1200];
	int n = 0;

	if (!used.redo_time_zone[0] && (a->ticdc[0] || used.redo[0]) && !a->mysql &&
	    sql_value(
		    s, &column, NULL,
		    "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME) FROM information_schema.COLUMNS"
		    " WHERE DATA_TYPE = 'timestamp' AND LOWER(TABLE_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
		    " LIMIT 1") == 0 &&
	    column.len) {
		snprintf(text, sizeof(text),
			 "%s: %.300s is a TIMESTAMP: TiCDC's redo log has it as text in the time "
			 "zone of the TiCDC server, and does not say which",
			 a->name, column.buf);
		fn(arg, text,
		   "set redo_time_zone in the clusters file, for example \"+00:00\": TiCDC's "
		   "--tz, or its machine's time zone");
		n = 1;
	}
	strbuf_release(&column);
	return n;
}

static int attach_preflight(finding_fn *fn, void *arg)
{
	struct err why = ERR_INIT;
	int n = 0;

	if (!in_use) {
		fn(arg, "the attach ground needs a clusters file",
		   "use --clusters FILE (see examples/)");
		return 1;
	}
	if (attach_secrets(&used, &why) < 0) {
		fn(arg, why.text, "check its file or command in the clusters file");
		return 1;
	}
	if (undo_check(&why) < 0) {
		fn(arg, why.text, "set HOME, or DRTEST_UNDO, to a directory of yours");
		n++;
	}
	for (size_t i = 0; i < used.n; i++) {
		const struct attach_cluster *a = &used.c[i];
		struct http_tls tls = attach_http_tls(a);
		struct err e = ERR_INIT;
		struct sql *s = NULL;
		struct pd_members members;
		char text[1200];

		if (a->command[ATTACH_START][0]) /* it comes up when it is wanted */
			continue;
		s = sql_briefly(sql_open(&a->sql, deadline_in_ms(LOOK_MS), &e));
		unreachable[i] = !s;
		if (!s || (a->pd[0] &&
			   pd_ready(a->pd, &tls, deadline_in_ms(LOOK_MS), &members, &e) < 0)) {
			snprintf(text, sizeof(text), "%s: %s", a->name, e.text);
			fn(arg, text,
			   "check its endpoints, user and password in the clusters file, from "
			   "this host");
			n++;
		} else if (!a->mysql && sql_flavor(s) != SQL_TIDB) {
			snprintf(text, sizeof(text), "%s is not TiDB but %.60s", a->name,
				 sql_server_version(s));
			fn(arg, text,
			   "set kind = \"mysql\" in the clusters file, or use another "
			   "port");
			n++;
		} else {
			n += look_for_timestamps(a, s, fn, arg) + try_time_zone(a, s, fn, arg);
		}
		sql_close(s);
	}
	return n;
}

static int doctor_of_file(ground_say_fn *say, finding_fn *fn, void *arg)
{
	return attach_preflight(fn, arg) + attach_doctor(say, fn, arg);
}

static int list_live_feed(struct ground_live *out, struct err *e)
{
	const struct attach_cluster *primary = attach_find("primary");

	if (!in_use)
		return 0;
	if (!used.redo[0])
		return err_set(e, ERR_USAGE, 0,
			       "the clusters file has no redo log: add redo = \"s3://…\"");
	thing_needed[ATTACH_REDO] = true;
	*out = (struct ground_live){
		.redo = used.redo,
		.backup = used.backup,
		.changefeed = used.changefeed,
		.gc = primary && !primary->mysql &&
		      (primary->expendable || primary->allow & 1u << ABLE_GC),
	};
	return 1;
}

static int attach_store(const char **uri, struct err *e)
{
	if (!in_use || !used.store[0])
		return err_set(
			e, ERR_USAGE, 0,
			"the clusters file has no store: add store = \"s3://bucket/prefix?…\", "
			"reachable from all clusters");
	thing_needed[ATTACH_STORE] = true;
	*uri = used.store;
	return 0;
}

static int attach_note_objects(const char *prefix, struct err *e)
{
	return undo_note(UNDO_LEFT_STORE, used_path, "", prefix, e) ? 0 : -1;
}

static struct http_tls attach_pd_tls(const struct cluster *c)
{
	return tidb_cluster_tls(c->own);
}

static const struct sql_endpoint *attach_endpoint(unsigned i, const char **name)
{
	if (!in_use || i >= used.n)
		return NULL;
	*name = used.c[i].name;
	return &used.c[i].sql;
}

static const char *attach_remark(void)
{
	return in_use ? used.loose : "";
}

static const struct cluster_ops ops = {
	.start_begin = attach_start_begin,
	.start_wait = attach_start_wait,
	.kill = attach_kill,
	.release = attach_release,
	.set_gc = attach_set_gc,
	.get_gc = attach_get_gc,
	.redo_time_zone = used.redo_time_zone,
	.start_ms = COMMAND_MS,
	.backup = attach_backup,
	.restore = attach_restore,
	.fill = attach_fill,
	.filled = attach_filled,
	.restored = attach_restored,
	.changefeed = attach_changefeed,
	.find_changefeed = attach_find_changefeed,
	.feed_status = tidb_cluster_feed_status,
	.changefeed_stop = tidb_cluster_changefeed_stop,
	.fence = attach_fence,
	.now = tidb_cluster_now,
	.pd = tidb_cluster_pd,
	.pd_tls = attach_pd_tls,
	.explain = tidb_cluster_explain,
};
const struct ground ground_attach = {
	.name = "attach",
	.about = "existing clusters, described in a clusters file",
	.cluster = &ops,
	.tidb = true,
	.clusters_stay = true,
	.use_file = attach_use,
	.preflight = attach_preflight,
	.remark = attach_remark,
	.check = attach_check,
	.doctor = doctor_of_file,
	.knows = attach_knows,
	.endpoint = attach_endpoint,
	.allows = attach_allows,
	.plan = attach_plan,
	.live = list_live_feed,
	.store = attach_store,
	.leaves_tables = attach_note_tables,
	.leaves_objects = attach_note_objects,
	.left = undo_left,
};
