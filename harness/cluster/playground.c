/* The playground ground: real TiDB by `tiup playground`, started, found, killed and stopped. What
 * is done in it: tidb_cluster.c. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/playground_impl.h"
#include "harness/os/fs.h"

#define PANIC_LINES 5000 /* looked at for a panic */
#define START_MS 900000  /* components may have to be downloaded */
#define READY_MS 120000
/* playground's own patience with TiDB: its 60 s are too few for a machine with other work */
#define DB_TIMEOUT_S "600"
#define OFFSET_FIRST 2000
#define OFFSET_STEP 1000
/* up to here all of its ports lie below those that the kernel gives to outgoing connections,
 * which may take one under our hands */
#define OFFSET_LOW 12000
#define OFFSET_LAST 45000 /* 20180 + this is a port still */

/* The first cluster's version holds for those that follow: a rebuilt primary is never newer than
 * its secondary. */
static char pinned[64];

/* ---- what is where */

static void make_url(char *out, size_t room, const struct playground_address *a, unsigned port)
{
	snprintf(out, room, strchr(a->host, ':') ? "http://[%s]:%u" : "http://%s:%u", a->host,
		 port ? port : a->port);
}

static int find_parts(struct cluster *c, const struct playground_text *said, struct err *e)
{
	struct playground *p = c->own;
	struct tidb_cluster *t = &p->tidb;
	struct component found[PLAYGROUND_COMPONENTS_MAX];
	unsigned n = playground_components(p, found);
	bool tidb = false;

	for (unsigned i = 0; i < n; i++) {
		const struct playground_component *k = &found[i].is;

		if (k->kind == PLAYGROUND_PD && !t->pd[0])
			make_url(t->pd, sizeof(t->pd), &k->address, 0);
		else if (k->kind == PLAYGROUND_TICDC && !t->ticdc[0])
			make_url(t->ticdc, sizeof(t->ticdc), &k->address, 0);
		else if (k->kind == PLAYGROUND_TIDB && k->address.port == said->sql[0].port) {
			tidb = true;
			make_url(t->status, sizeof(t->status), &k->address, k->status_port);
		}
	}
	if (!tidb) /* any listener counts as ready to playground */
		return err_set(
			e, ERR_ENV, 0,
			"playground reports TiDB at %s:%u, but no tidb-server of its tag has "
			"that port: another program listens there",
			said->sql[0].host, said->sql[0].port);
	if (!t->pd[0] && said->pd.port)
		make_url(t->pd, sizeof(t->pd), &said->pd, 0);
	if (!t->pd[0] || (c->size.ticdc && !t->ticdc[0]))
		return err_set(e, ERR_ENV, 0,
			       "playground has started, but its %s is not among its processes",
			       t->pd[0] ? "TiCDC" : "PD");
	return 0;
}

/* ---- start */

static unsigned ports_of(const struct cluster_size *s, int offset, int port[PLAYGROUND_PORTS_MAX])
{
	const struct {
		int from;
		unsigned count;
	} all[] = { { 4000, s->db },  { 10080, s->db },   { 2379, 2 * s->pd }, { 20160, s->kv },
		    { 20180, s->kv }, { 8300, s->ticdc }, { 9527, 1 } };
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (unsigned k = 0; k < all[i].count && n < PLAYGROUND_PORTS_MAX; k++)
			port[n++] = all[i].from + (int)k + offset;
	return n;
}

static void ports_release(struct playground *p)
{
	while (p->n_ports)
		port_release(p->port[--p->n_ports]);
}

/* playground takes a random port, silently, for one that is busy: so an offset whose ports are all
 * free, and held against other drtests. */
static int ports_take(struct cluster *c, struct err *e)
{
	struct playground *p = c->own;
	int want[PLAYGROUND_PORTS_MAX];

	/* 2000, 3000, … 12000, then 2500, 3500, …, and what lies higher when nothing else is left
	 */
	for (int offset = OFFSET_FIRST; offset <= OFFSET_LAST;
	     offset = offset == OFFSET_LOW                     ? OFFSET_FIRST + OFFSET_STEP / 2
		      : offset == OFFSET_LOW + OFFSET_STEP / 2 ? OFFSET_LOW + OFFSET_STEP
							       : offset + OFFSET_STEP) {
		unsigned n = ports_of(&c->size, offset, want), i;

		for (i = 0; i < n; i++) {
			int got = port_is_free(want[i]) ? port_take(want[i], e) : -1;

			if (got < 0)
				break;
			p->port[p->n_ports++] = got;
			if (got != want[i])
				break;
		}
		p->offset = offset;
		if (i == n)
			return 0;
		ports_release(p);
	}
	return err_set(e, ERR_ENV, 0, "no --port-offset from %d to %d leaves all ports free",
		       OFFSET_FIRST, OFFSET_LAST);
}

/* /var/tmp/drtest-<run>/primary to drtest-<run>-primary: own tags per run, old data never comes
 * back. */
static char *tag_of(const char *dir)
{
	const char *name = strrchr(dir, '/'), *run = name;
	char *tag;

	while (run > dir && run[-1] != '/')
		run--;
	tag = xstrfmt("%s%.*s-%s", !strncmp(run, "drtest-", 7) ? "" : "drtest-", (int)(name - run),
		      run, name + 1);
	for (char *t = tag; *t; t++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			    *t))
			*t = '-';
	return tag;
}

/* tiup --tag TAG playground VERSION …; its output goes to log. */
static struct proc *spawn_tiup(struct cluster *c, unsigned n_ticdc, const char *log, struct err *e)
{
	struct playground *p = c->own;
	char offset[16], db[16], pd[16], kv[16], ticdc[16], *cached = NULL;
	/* UTC: TiCDC writes TIMESTAMP as text in its own time zone */
	char *env[] = { (char *)"TZ=UTC", (char *)"TIUP_CLUSTER_PROGRESS_REFRESH_RATE=500ms",
			c->new_ticdc ? PLAYGROUND_NEW_TICDC : NULL, NULL };
	const char *version = c->version_wanted ? c->version_wanted
			      : pinned[0]       ? pinned
						: (cached = playground_cached("tidb"));
	const char *words[] = { "tiup",
				"--tag",
				p->tag,
				"playground",
				"--host",
				"127.0.0.1",
				"--db",
				db,
				"--pd",
				pd,
				"--kv",
				kv,
				"--tiflash",
				"0",
				"--ticdc",
				ticdc,
				"--port-offset",
				offset,
				"--db.timeout",
				DB_TIMEOUT_S,
				"--without-monitor" };
	char *argv[32];
	unsigned n = 0;
	struct proc *proc;

	/* another cdc than the version's own: its new architecture, a build to be tried */
	char *cdc = c->new_ticdc ? playground_new_ticdc() : xstrdup(getenv("DRTEST_TICDC"));

	snprintf(offset, sizeof(offset), "%d", p->offset);
	snprintf(db, sizeof(db), "%u", c->size.db);
	snprintf(pd, sizeof(pd), "%u", c->size.pd);
	snprintf(kv, sizeof(kv), "%u", c->size.kv);
	snprintf(ticdc, sizeof(ticdc), "%u", n_ticdc);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		argv[n++] = (char *)words[i];
		if (i == 3 && version) /* the version follows `playground` at once */
			argv[n++] = (char *)version;
	}
	if (cdc && *cdc && n_ticdc) {
		argv[n++] = (char *)"--ticdc.binpath";
		argv[n++] = cdc;
	}
	argv[n] = NULL;
	proc = proc_start(&(struct proc_opts){ .name = c->name,
					       .argv = argv,
					       .env = env,
					       .log_path = log,
					       .outlives_us = c->keep },
			  e);
	free(cached);
	free(cdc);
	return proc;
}

/* After a kill or a stop: the same tag, data and ports, without TiCDC: its changefeed would go on
 * where it was, over whoever serves now. */
static int begin_again(struct cluster *c, struct err *e)
{
	struct playground *p = c->own;

	proc_free(p->ticdc);
	proc_free(c->server);
	p->ticdc = c->server = NULL;
	free(p->log);
	p->log = xstrfmt("%s/%s-%u.log", c->log_dir, strrchr(c->dir, '/') + 1, ++p->starts);
	p->dead[0] = p->tidb.pd[0] = p->tidb.status[0] = p->tidb.ticdc[0] = '\0';
	p->log_seen = 0;
	c->size.ticdc = 0;
	c->server = spawn_tiup(c, 0, p->log, e);
	return c->server ? 0 : -1;
}

static int playground_start_begin(struct cluster *c, struct err *e)
{
	struct playground *p = c->own;
	char *home;
	int rc = -1;

	if (p)
		return begin_again(c, e);
	p = c->own = xcalloc(1, sizeof(*p));
	p->ticdc_argv = (struct strbuf)STRBUF_INIT;
	home = playground_tiup_home();
	p->tidb.disposable = true;
	p->starts = 1;
	p->tag = tag_of(c->dir);
	p->data = xstrfmt("%s/data/%s", home, p->tag);
	p->log = xstrfmt("%s/%s.log", c->log_dir, strrchr(c->dir, '/') + 1);
	if (fs_exists(p->data)) {
		err_set(e, ERR_ENV, 0,
			"%s exists already: data of an earlier tag would come back (fix: remove "
			"it)",
			p->data);
		free(p->data);
		p->data = NULL; /* not ours to remove */
		goto out;
	}
	if (fs_mkdir_p(c->dir, 0755, e) < 0 || fs_mkdir_p(c->log_dir, 0755, e) < 0 ||
	    ports_take(c, e) < 0)
		goto out;
	if (!c->keep) {
		guardian_path(c->dir);
		char *stray = playground_strayed(p->data);

		guardian_path(p->data);
		guardian_path(stray);
		free(stray);
	}
	c->server = spawn_tiup(c, c->size.ticdc, p->log, e);
	rc = c->server ? 0 : -1;
out:
	free(home);
	return rc;
}

static int read_log(const char *log, struct playground_text *said, struct err *e)
{
	struct strbuf text = STRBUF_INIT;

	memset(said, 0, sizeof(*said));
	if (fs_exists(log) && fs_read_file(log, PLAYGROUND_LOG_BYTES_MAX, &text, e) < 0) {
		strbuf_release(&text);
		return -1;
	}
	playground_text_parse(said, text.buf, text.len);
	strbuf_release(&text);
	return 0;
}

/* The panic that ended it: its stderr is its log too, written from the file's start. */
static bool add_panic(const char *log, struct strbuf *out)
{
	static const char *const begin[] = { "panic: ", "fatal error: " };
	FILE *f = fopen(log, "re");
	char line[400];
	bool found = false;

	for (int i = 0; f && !found && i < PANIC_LINES && fgets(line, sizeof(line), f); i++)
		for (size_t k = 0; !found && k < sizeof(begin) / sizeof(begin[0]); k++)
			found = !strncmp(line, begin[k], strlen(begin[k]));
	if (f)
		fclose(f);
	if (found) {
		line[strcspn(line, "\n")] = '\0';
		strbuf_addf(out, " (%s: %.300s)", strrchr(log, '/') + 1, line);
	}
	return found;
}

/* Why it ended, or the last lines of a component's own log, where there is one. */
static void component_words(const struct playground *p, const char *log, struct strbuf *out)
{
	char *pd = xstrfmt("%s/pd-0/pd.log", p->data),
	     *tidb = xstrfmt("%s/tidb-0/tidb.log", p->data);
	const char *from = log && *log ? log : fs_exists(tidb) ? tidb : pd;
	struct strbuf tail = STRBUF_INIT;

	if (!add_panic(from, out))
		proc_log_tail(from, 2, &tail);
	if (tail.len)
		strbuf_addf(out, " (%s ends: %.300s)", strrchr(from, '/') + 1, tail.buf);
	strbuf_release(&tail);
	free(pd);
	free(tidb);
}

/* -1: it can't come up any more, in tiup's own words. */
static int has_failed(struct cluster *c, const struct playground_text *said, struct err *e)
{
	struct playground *p = c->own;
	struct strbuf more = STRBUF_INIT;
	int rc = 0;

	if (said->failed[0]) {
		component_words(p, NULL, &more);
		rc = err_set(e, ERR_ENV, 0, "tiup says: %s%s", said->failed, more.buf);
	} else if (said->late[0]) {
		component_words(p, NULL, &more);
		rc = err_set(e, ERR_ENV, 0,
			     "TiDB at %s did not come up within playground's --db.timeout%s",
			     said->late, more.buf);
	} else if (said->quit[0]) {
		component_words(p, said->quit_log, &more);
		rc = err_set(e, ERR_ENV, 0, "%s ended by itself%s", said->quit, more.buf);
	} else if (!proc_running(c->server)) {
		proc_log_tail(p->log, 3, &more);
		rc = err_set(e, ERR_ENV, 0, "tiup ended (%s): %.600s", proc_how(c->server),
			     more.len ? more.buf : "no output");
	}
	strbuf_release(&more);
	return rc;
}

static int still_starts(struct cluster *c, struct err *e)
{
	struct playground_text said;

	return read_log(((struct playground *)c->own)->log, &said, e) < 0 ? -1
									  : has_failed(c, &said, e);
}

static int playground_start_wait(struct cluster *c, struct deadline d, struct err *e)
{
	struct playground *p = c->own;
	struct playground_text said;
	char *dsn = xstrfmt("%s/dsn", p->data);
	int rc = -1;

	for (;;) { /* the banner comes before dsn is written: both */
		if (read_log(p->log, &said, e) < 0 || has_failed(c, &said, e) < 0)
			goto out;
		if (said.started && fs_exists(dsn))
			break;
		if (pause_ms(50, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_ENV, 0, "%s",
				clock_cancelled() ? "interrupted"
						  : "tiup playground has not started in time");
			goto out;
		}
	}
	c->ep = (struct sql_endpoint){ .user = "root", .port = said.sql[0].port };
	snprintf(c->ep.host, sizeof(c->ep.host), "%s", said.sql[0].host);
	if (find_parts(c, &said, e) < 0) { /* perhaps because it is just ending */
		struct err why = ERR_INIT;

		if (proc_wait(c->server, deadline_in_ms(300)), still_starts(c, &why) < 0 && e)
			*e = why;
		goto out;
	}
	if (tidb_cluster_ready(c, &p->tidb, still_starts, deadline_min(d, deadline_in_ms(READY_MS)),
			       e) < 0)
		goto out;
	if (!pinned[0])
		snprintf(pinned, sizeof(pinned), "%.*s", (int)strcspn(p->tidb.version_text, "-"),
			 p->tidb.version_text);
	p->tidb.cdc[0] = "tiup";
	free((char *)p->tidb.cdc[1]);
	p->tidb.cdc[1] =
		xstrfmt("cdc:%.*s", (int)strcspn(p->tidb.version_text, "-"), p->tidb.version_text);
	rc = 0;
out:
	free(dsn);
	return rc;
}

/* ---- end */

static int wait_until_gone(struct cluster *c, struct deadline d, struct err *e)
{
	struct playground *p = c->own;
	struct component left[PLAYGROUND_COMPONENTS_MAX];
	unsigned n;

	while ((n = playground_components(p, left)))
		if (deadline_passed(d))
			return err_set(e, ERR_TIMEOUT, 0,
				       "%u of its processes are still there, as pid %d", n,
				       (int)left[0].pid);
		else
			usleep(2000);
	for (unsigned i = 0; i < p->n_ports; i++)
		while (!port_is_free(p->port[i]))
			if (deadline_passed(d))
				return err_set(e, ERR_TIMEOUT, 0,
					       "port %d still accepts connections", p->port[i]);
			else
				usleep(2000);
	return 0;
}

static int playground_kill(struct cluster *c, enum cluster_part part, int64_t *at_ns, struct err *e)
{
	struct playground *p = c->own;
	struct proc *all[] = { c->server, p->ticdc };

	if (part != CLUSTER_ALL)
		return playground_kill_part(c, part, CLUSTER_EACH, at_ns, e);
	if (!c->server || proc_kill_all(all, p->ticdc ? 2 : 1, at_ns, e) < 0)
		return c->server ? -1 : err_set(e, ERR_USAGE, 0, "it is not running");
	cluster_feeds_gone(c);
	return wait_until_gone(c, deadline_in_ms(PLAYGROUND_KILL_MS), e);
}

static int playground_interrupt(struct cluster *c, struct deadline d, int64_t *at_ns, struct err *e)
{
	struct playground *p = c->own;

	*at_ns = clock_mono_ns();
	/* to the group, as a terminal does: tiup alone does not pass it on */
	if (!c->server || proc_signal(c->server, SIGINT, e) < 0)
		return c->server ? -1 : err_set(e, ERR_USAGE, 0, "it is not running");
	if (p->ticdc && proc_running(p->ticdc))
		proc_signal(p->ticdc, SIGINT, NULL);
	if (!proc_wait(c->server, d))
		return err_set(e, ERR_TIMEOUT, 0, "it does not stop on Ctrl+C");
	cluster_feeds_gone(c);
	return wait_until_gone(c, deadline_in_ms(PLAYGROUND_KILL_MS), e);
}

static int playground_stop(struct cluster *c, struct deadline d, struct err *e)
{
	int64_t at;

	if (cluster_feeds_stop(c, d, e) < 0)
		return -1;
	if (!c->server || !proc_running(c->server))
		return 0;
	return playground_interrupt(c, d, &at, e);
}

static int save_log(void *arg, const char *name, struct err *e)
{
	struct cluster *c = arg;
	struct playground *p = c->own;
	char *from, *to;
	static const char *const logs[] = { "pd", "tikv", "tidb", "ticdc" };

	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		from = xstrfmt("%s/%s/%s.log", p->data, name, logs[i]);
		to = xstrfmt("%s/%s-%s.log", c->log_dir, c->name, name);
		if (fs_exists(from))
			fs_copy_tree(from, to, NULL);
		free(from);
		free(to);
	}
	(void)e;
	return 0;
}

/* The dead cluster's data folder, started again apart from everything: other ports, no TiCDC. */
static int playground_examine(struct cluster *c, struct deadline d, struct sql_endpoint *ep,
			      struct err *e)
{
	struct playground *p = c->own;
	struct playground_text said = { 0 };
	char *log = xstrfmt("%s/%s-examined.log", c->log_dir, c->name), version[64];
	int rc = -1;

	if (ports_take(c, e) < 0)
		goto out;
	p->examined = spawn_tiup(c, 0, log, e);
	if (!p->examined)
		goto out;
	while (!said.started) {
		if (read_log(log, &said, e) < 0)
			goto out;
		if (said.failed[0] || said.late[0] || said.quit[0] || !proc_running(p->examined)) {
			err_set(e, ERR_ENV, 0, "%s's data cannot be started again: %s%s%s", c->name,
				said.failed, said.late,
				said.quit[0] ? said.quit : proc_how(p->examined));
			goto out;
		}
		if (pause_ms(50, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"%s's data was not started again in time", c->name);
			goto out;
		}
	}
	*ep = (struct sql_endpoint){ .user = "root", .port = said.sql[0].port };
	snprintf(ep->host, sizeof(ep->host), "%s", said.sql[0].host);
	rc = tidb_version(ep, version, e);
out:
	free(log);
	return rc;
}

static void playground_examine_end(struct cluster *c)
{
	struct playground *p = c->own;

	if (p && p->examined) {
		proc_free(p->examined);
		p->examined = NULL;
		wait_until_gone(c, deadline_in_ms(PLAYGROUND_KILL_MS), NULL);
	}
}

static void playground_release(struct cluster *c)
{
	struct playground *p = c->own;

	if (!p)
		return;
	if (c->keep && c->server && proc_running(c->server)) {
		proc_detach(c->server);
	} else {
		proc_free(p->ticdc);
		p->ticdc = NULL;
		proc_free(c->server);
		wait_until_gone(c, deadline_in_ms(PLAYGROUND_KILL_MS), NULL);
	}
	c->server = NULL;
	if (p->data && fs_exists(p->data)) {
		fs_list(p->data, save_log, c, NULL);
		if (!c->keep)
			fs_remove_tree(p->data, NULL);
	}
	if (p->data) {
		char *stray = playground_strayed(p->data);

		guardian_path_forget(p->data);
		guardian_path_forget(stray);
		free(stray);
		if (!c->keep)
			playground_remove_strayed(p->data);
	}
	guardian_path_forget(c->dir);
	ports_release(p);
	proc_free(p->ticdc);
	strbuf_release(&p->ticdc_argv);
	memset(p->tidb.feed, 0, sizeof(p->tidb.feed)); /* passwords and keys */
	free((char *)p->tidb.cdc[1]);
	free(p->tag);
	free(p->data);
	free(p->log);
	free(p);
	c->own = NULL;
}

/* A component that ended by itself does not end playground: its log tells. */
static int playground_health(struct cluster *c, struct err *e)
{
	struct playground *p = c->own;
	struct playground_text said;
	struct stat st;

	if (!p || c->dead)
		return 0;
	if (!p->dead[0] && stat(p->log, &st) == 0 && st.st_size != p->log_seen) {
		p->log_seen = st.st_size;
		if (read_log(p->log, &said, NULL) == 0 && said.quit[0]) {
			struct err why = ERR_INIT;

			has_failed(c, &said, &why);
			snprintf(p->dead, sizeof(p->dead), "%s", why.text);
		}
	}
	if (p->dead[0] && strcmp(p->dead, "killed by us") != 0)
		return err_set(e, ERR_ENV, 0, "%s: %s", c->name, p->dead);
	if (!proc_running(c->server))
		return err_set(e, ERR_ENV, 0,
			       "%s: playground ended by itself: %s (its log: logs/%s.log)", c->name,
			       proc_how(c->server), c->name);
	return 0;
}

static void playground_plan(enum ability v, const struct ground_plan *p, struct strbuf *out)
{
	if (v == ABLE_RESTART)
		strbuf_addf(
			out,
			"start %s: tiup --tag drtest-<run>-%s playground %s --host 127.0.0.1 --db %u --pd %u --kv %u --tiflash 0 --ticdc %u "
			"--port-offset <free> --without-monitor",
			p->cluster, p->cluster, p->version ? p->version : "<newest>", p->size->db,
			p->size->pd, p->size->kv, p->size->ticdc);
	else
		tidb_cluster_plan(v, p, out);
}

static const struct cluster_ops ops = {
	.start_begin = playground_start_begin,
	.start_wait = playground_start_wait,
	.kill = playground_kill,
	.kill_part = playground_kill_part,
	.part_died = playground_part_died,
	.pause = playground_pause,
	.procs = playground_procs,
	.stop = playground_stop,
	.release = playground_release,
	.set_gc = tidb_cluster_set_gc,
	.redo_time_zone = "+00:00", /* TZ=UTC, as it is started above */
	.examine = playground_examine,
	.examine_end = playground_examine_end,
	.start_ms = START_MS,
	.backup = tidb_cluster_backup,
	.restore = tidb_cluster_restore,
	.restored = tidb_cluster_restored,
	.changefeed = playground_changefeed,
	.feed_status = tidb_cluster_feed_status,
	.changefeed_stop = tidb_cluster_changefeed_stop,
	.fence = tidb_cluster_fence,
	.now = tidb_cluster_now,
	.pd = tidb_cluster_pd,
	.explain = tidb_cluster_explain,
	.health = playground_health,
	.interrupt = playground_interrupt,
};
const struct ground ground_playground = {
	.name = "playground",
	.about = "TiDB by tiup",
	.cluster = &ops,
	.tidb = true,
	.here = true,
	.by_the_guide = true,
	.is_default = playground_is_default,
	.preflight = playground_preflight,
	.remark = playground_remark,
	.new_ticdc = playground_new_ticdc,
	.doctor = playground_doctor,
	.clean = playground_clean,
	.plan = playground_plan,
};
