#include "harness/cluster/cluster.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/point_in_time.h"
#include "harness/cluster/cluster_impl.h"
#include "harness/os/fs.h"
#include "harness/tidb/tidb.h"

static atomic_uint serial;
#define SQL_MS 10000
#define START_MS 30000

struct cluster *cluster_new(const struct cluster_opts *o, struct err *e)
{
	struct cluster *c;

	if (fs_exists(o->dir)) {
		err_set(e, ERR_ENV, 0,
			"%s: %s exists already: `drtest clean` removes what an earlier run left",
			o->name, o->dir);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->ground = o->ground;
	c->ops = o->ground->cluster;
	c->name = xstrdup(o->name);
	c->dir = xstrdup(o->dir);
	c->log_dir = xstrdup(o->log_dir);
	c->exe = xstrdup(o->drtest_exe ? o->drtest_exe : "/proc/self/exe");
	c->port_wanted = o->port;
	c->port = -1;
	c->keep = o->keep;
	c->clock_skew_s = o->clock_skew_s;
	c->gc_on = c->gc_was = true;
	c->server_id = atomic_fetch_add(&serial, 1) + 1;
	c->map_path = xstrfmt("%s/tso.map", c->dir);
	c->size = o->size.db ? o->size : (struct cluster_size){ 1, 1, 1, 1 };
	c->version_wanted = xstrdup(o->version);
	c->new_ticdc = o->new_ticdc;
	return c;
}

int cluster_start_begin(struct cluster *c, struct err *e)
{
	c->dead = false;
	return c->ops->start_begin(c, e) < 0 ? err_wrap(e, "start %s", c->name) : 0;
}

int cluster_start_wait(struct cluster *c, struct deadline d, struct err *e)
{
	struct sql *s;

	if (c->ops->start_wait(c, d, e) < 0)
		return err_wrap(e, "start %s", c->name);
	s = sql_open(&c->ep, d, e);
	if (!s)
		return err_wrap(e, "start %s", c->name);
	if (!c->version[0])
		snprintf(c->version, sizeof(c->version), "%s", sql_server_version(s));
	sql_close(s);
	return 0;
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	/* off is for the time of a backup: nothing else would switch it on again */
	if (c->gc_on != c->gc_was && !c->dead && c->ops->set_gc && c->ep.port)
		c->ops->set_gc(c, c->gc_was, NULL);
	cluster_feeds_kill(c);
	proc_free(c->log_backup);
	if (c->log_backup_dir && !c->keep)
		fs_remove_tree(c->log_backup_dir, NULL);
	free(c->log_backup_dir);
	cluster_examine_end(c);
	c->ops->release(c);
	tso_map_free(c->map);
	if (!c->keep)
		fs_remove_tree(c->dir, NULL);
	free(c->name);
	free(c->dir);
	free(c->log_dir);
	free(c->exe);
	free(c->map_path);
	free(c->version_wanted);
	for (unsigned i = 0; i < CLUSTER_FEEDS_MAX; i++)
		free(c->feeds[i].status_path);
	free(c);
}

bool cluster_can(const struct cluster *c, enum ability v)
{
	return ground_can(c->ground, v);
}

const char *cluster_name(const struct cluster *c)
{
	return c->name;
}

const struct sql_endpoint *cluster_endpoint(const struct cluster *c)
{
	return &c->ep;
}

const char *cluster_version(struct cluster *c)
{
	return c->version;
}

struct tso_map *cluster_tso_map(struct cluster *c)
{
	return c->map;
}

struct proc *cluster_server(struct cluster *c)
{
	return c->server;
}

int cluster_refuse(const struct cluster *c, struct err *e, const char *what)
{
	return err_set(e, ERR_UNSUPPORTED, 0, "%s: the %s ground cannot %s", c->name,
		       c->ground->name, what);
}

int cluster_set_gc(struct cluster *c, bool on, struct err *e)
{
	if (!c->ops->set_gc)
		return cluster_refuse(c, e, "switch garbage collection");
	if (!c->gc_asked && c->ops->get_gc) {
		if (c->ops->get_gc(c, &c->gc_was, e) < 0)
			return err_wrap(e, "%s: garbage collection", c->name);
		c->gc_asked = true;
	}
	on = on && c->gc_was;
	if (!on) /* whatever comes of it */
		c->gc_on = false;
	if (!c->gc_was) /* its owner has switched it off */
		return 0;
	if (c->ops->set_gc(c, on, e) < 0) {
		cluster_explain(c, e);
		return err_wrap(e, "%s: garbage collection %s", c->name, on ? "on" : "off");
	}
	c->gc_on = on;
	return 0;
}

int cluster_backup(struct cluster *c, const char *uri, const struct backup_opts *opts,
		   struct backup_result *r, struct err *e)
{
	struct backup_opts o =
		opts ? *opts : (struct backup_opts){ .deadline = deadline_in_ms(3600000) };
	struct store *to;
	int rc;

	if (!cluster_can(c, ABLE_BACKUP))
		return cluster_refuse(c, e, "back up");
	if (c->ops->backup)
		return c->ops->backup(c, uri, &o, r, e) < 0 ? cluster_explain(c, e),
		       err_wrap(e, "backup of %s", c->name) : 0;
	to = store_open(uri, NULL, e);
	if (!to)
		return err_wrap(e, "backup of %s", c->name);
	o.from = c->ep;
	if (opts && opts->from.port) /* a proxy's */
		o.from.port = opts->from.port;
	o.tso_map = c->map;
	rc = backup_run(to, &o, r, e);
	store_free(to);
	return rc < 0 ? err_wrap(e, "backup of %s", c->name) : 0;
}

int cluster_fill(struct cluster *c, struct err *e)
{
	return c->ops->fill && c->ops->fill(c, e) < 0 ? cluster_explain(c, e),
	       err_wrap(e, "restore on %s", c->name)  : 0;
}

void cluster_filled(struct cluster *c)
{
	if (c->ops->filled)
		c->ops->filled(c);
}

int cluster_restored(struct cluster *c, struct backup_result *r, struct err *e)
{
	if (!c->ops->restored || c->ops->restored(c, r, e) == 0)
		return 0;
	cluster_explain(c, e);
	return err_wrap(e, "after the restore on %s", c->name);
}

int cluster_restore(struct cluster *c, const char *uri, const struct restore_opts *opts,
		    struct backup_result *r, struct err *e)
{
	struct restore_opts o =
		opts ? *opts : (struct restore_opts){ .deadline = deadline_in_ms(3600000) };
	struct store *from;
	int rc;

	if (!cluster_can(c, ABLE_RESTORE))
		return cluster_refuse(c, e, "restore");
	if (cluster_fill(c, e) < 0)
		return -1;
	if (c->ops->restore) {
		rc = c->ops->restore(c, uri, &o, r, e);
		cluster_filled(c);
		return rc < 0                                ? cluster_explain(c, e),
		       err_wrap(e, "restore on %s", c->name) : cluster_restored(c, r, e);
	}
	from = store_open(uri, NULL, e);
	if (!from)
		return err_wrap(e, "restore on %s", c->name);
	o.to = c->ep;
	if (opts && opts->to.port)
		o.to.port = opts->to.port;
	rc = restore_run(from, &o, r, e);
	store_free(from);
	return rc < 0 ? err_wrap(e, "restore on %s", c->name) : 0;
}

const char *cluster_redo_time_zone(const struct cluster *c)
{
	return c->ops->redo_time_zone[0] ? c->ops->redo_time_zone : NULL;
}

int cluster_apply_redo(struct cluster *c, const char *uri, const struct replay_opts *opts,
		       struct replay_stats *st, struct err *e)
{
	struct replay_opts o = opts ? *opts : (struct replay_opts){ 0 };
	struct store *log = store_open(uri, NULL, e);
	int rc;

	if (!log)
		return err_wrap(e, "apply redo on %s", c->name);
	o.sink = c->ep;
	if (opts && opts->sink.port)
		o.sink.port = opts->sink.port;
	if (!o.time_zone)
		o.time_zone = cluster_redo_time_zone(c);
	rc = c->ops->fence ? c->ops->fence(c, e) : 0;
	if (rc == 0)
		rc = replay_run(log, &o, st, e);
	store_free(log);
	return rc < 0 ? err_wrap(e, "apply redo on %s", c->name) : 0;
}

int cluster_kill(struct cluster *c, enum cluster_part part, int64_t *at_ns, struct err *e)
{
	int64_t at;

	if (!cluster_can(c, ABLE_KILL))
		return cluster_refuse(c, e, "be killed");
	if (c->ops->kill(c, part, at_ns ? at_ns : &at, e) < 0)
		return err_wrap(e, "kill %s", c->name);
	c->dead = c->dead || part == CLUSTER_ALL;
	return 0;
}

int cluster_kill_part(struct cluster *c, enum cluster_part part, int which, int64_t *at_ns,
		      struct err *e)
{
	int64_t at;

	if (!c->ops->kill_part)
		return cluster_kill(c, part, at_ns, e);
	return c->ops->kill_part(c, part, which, at_ns ? at_ns : &at, e) < 0
		       ? err_wrap(e, "kill %s", c->name)
		       : 0;
}

void cluster_part_died(struct cluster *c, enum cluster_part part)
{
	if (c->ops->part_died)
		c->ops->part_died(c, part);
}

unsigned cluster_procs(struct cluster *c, enum cluster_part part, int which, struct proc_ref *out,
		       unsigned room)
{
	unsigned n = 0;

	if (c->ops->procs)
		return c->ops->procs(c, part, which, out, room);
	if ((part == CLUSTER_ALL || part == CLUSTER_SERVER) && c->server && n < room &&
	    proc_ref(c->server, &out[n], NULL) == 0)
		n++;
	for (size_t i = 0; i < CLUSTER_FEEDS_MAX; i++)
		if ((part == CLUSTER_ALL || part == CLUSTER_FEED) && c->feeds[i].feed && n < room &&
		    proc_ref(feed_proc(c->feeds[i].feed), &out[n], NULL) == 0)
			n++;
	return n;
}

int cluster_interrupt(struct cluster *c, struct deadline d, int64_t *at_ns, struct err *e)
{
	int64_t at;

	if (!c->ops->interrupt)
		return cluster_refuse(c, e, "be interrupted (Ctrl+C)");
	if (c->ops->interrupt(c, d, at_ns ? at_ns : &at, e) < 0)
		return err_wrap(e, "interrupt %s", c->name);
	c->dead = true;
	return 0;
}

int cluster_explain(struct cluster *c, struct err *e)
{
	if (c->ops->explain && e && e->kind != ERR_CANCELLED && e->kind != ERR_USAGE)
		c->ops->explain(c, e);
	return -1;
}

int cluster_health(struct cluster *c, struct err *e)
{
	if (c->ops->health)
		return c->ops->health(c, e);
	if (!c->server || proc_running(c->server))
		return 0;
	return err_set(e, proc_killed_by_others(c->server) ? ERR_KILLED : ERR_ENV, 0,
		       "%s died by itself: %s (its log: logs/%s.log)", c->name, proc_how(c->server),
		       c->name);
}

int cluster_position(struct cluster *c, uint64_t *position, struct err *e)
{
	struct strbuf gtid = STRBUF_INIT;
	struct sql *s;
	int rc;

	if (c->ops->now)
		return c->ops->now(c, position, e) < 0 ? cluster_explain(c, e),
		       err_wrap(e, "%s", c->name)      : 0;
	s = sql_open(&c->ep, deadline_in_ms(SQL_MS), e);
	rc = s ? sql_value(s, &gtid, e, "SELECT @@gtid_binlog_pos") : -1;
	if (rc >= 0)
		rc = gtid_parse_seq(gtid.buf, position, e);
	sql_close(s);
	strbuf_release(&gtid);
	return rc < 0 ? err_wrap(e, "%s", c->name) : 0;
}

int cluster_now(struct cluster *c, struct deadline d, tso_t *ts, struct err *e)
{
	uint64_t want, seq = 0;

	if (c->ops->now)
		return c->ops->now(c, ts, e) < 0  ? cluster_explain(c, e),
		       err_wrap(e, "%s", c->name) : 0;
	if (cluster_position(c, &want, e) < 0)
		return -1;
	for (;;) {
		if (tso_map_refresh(c->map, e) < 0)
			return -1;
		if (tso_map_last(c->map, &seq, ts) && seq >= want)
			return 0;
		if (c->server && !proc_running(c->server))
			return err_set(e, ERR_GONE, 0, "%s: it has ended: %s", c->name,
				       proc_how(c->server));
		if (pause_ms(10, d) < 0)
			return err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				       "%s: no sample of its position came", c->name);
	}
}

/* The TSO that the ground gives a commit, once a sample covers it. */
static int ts_of(struct cluster *c, uint64_t seq, struct deadline d, tso_t *ts, struct err *e)
{
	for (;;) {
		int rc = tso_map_refresh(c->map, e) < 0 ? -1 : tso_map_of_seq(c->map, seq, ts, e);

		if (rc)
			return rc < 0 ? -1 : 0;
		if (pause_ms(10, d) < 0)
			return err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				       "no sample of its position came");
	}
}

int cluster_commit(struct cluster *c, const char *text, size_t n, struct deadline d, int64_t *rows,
		   tso_t *ts, struct err *e)
{
	struct sql *s = sql_open(&c->ep, d, e);
	struct strbuf gtid = STRBUF_INIT;
	uint64_t seq;
	int rc = -1;

	if (!s || (*rows = sql_exec_text(s, e, text, n)) < 0)
		goto out;
	if (!c->map)
		rc = tidb_commit_ts(s, ts, e);
	else if (sql_value(s, &gtid, e, "SELECT @@last_gtid") == 0 &&
		 gtid_parse_seq(gtid.buf, &seq, e) == 0)
		rc = seq ? ts_of(c, seq, d, ts, e)
			 : err_set(e, ERR_NOT_FOUND, 0, "it committed nothing: %.60s", text);
out:
	sql_close(s);
	strbuf_release(&gtid);
	return rc < 0 ? cluster_explain(c, e), err_wrap(e, "%s", c->name) : 0;
}

/* Paths of a cluster whose binary logs are at hand. */
struct pit {
	char *data, *conf, *sql;
	struct pit_source source;
	struct pit_target to;
};

static int pit_open(struct pit *p, const struct cluster *c, const struct cluster *source,
		    struct err *e)
{
	const struct cluster *both[] = { c, source };

	*p = (struct pit){ 0 };
	for (size_t i = 0; i < 2; i++)
		if (!both[i]->ground->here || both[i]->ground->tidb || !both[i]->map)
			return cluster_refuse(both[i], e, "go back by binary logs");
	p->data = xstrfmt("%s/data", source->dir);
	p->conf = xstrfmt("%s/client.cnf", c->dir);
	p->sql = xstrfmt("%s/point-in-time.sql", c->dir);
	p->source = (struct pit_source){ source->name, p->data, source->server_id, source->map };
	p->to = (struct pit_target){ p->conf, p->sql };
	return 0;
}

static void pit_close(struct pit *p)
{
	free(p->data);
	free(p->conf);
	free(p->sql);
}

int cluster_log_backup(struct cluster *c, struct deadline d, struct err *e)
{
	char *conf = xstrfmt("%s/client.cnf", c->dir),
	     *log = xstrfmt("%s/%s-log-backup.log", c->log_dir, c->name);
	int rc = -1;

	if (!c->ground->here || c->ground->tidb || !c->map) {
		cluster_refuse(c, e, "stream its binary logs");
		goto out;
	}
	if (c->log_backup) {
		err_set(e, ERR_USAGE, 0, "%s's binary logs are already being streamed", c->name);
		goto out;
	}
	c->log_backup_dir = xstrfmt("%s-log-backup", c->dir);
	if (!c->keep)
		guardian_path(c->log_backup_dir);
	c->log_backup = fs_mkdir_p(c->log_backup_dir, 0700, e) == 0
				? pit_stream(conf, c->log_backup_dir, log, e)
				: NULL;
	if (c->log_backup)
		rc = pit_stream_wait(c->log_backup, &c->ep, c->log_backup_dir, d, e);
out:
	free(conf);
	free(log);
	return rc < 0 ? err_wrap(e, "%s", c->name) : 0;
}

int cluster_roll_forward(struct cluster *c, const struct cluster *source, tso_t from, tso_t *until,
			 struct deadline d, uint64_t *transactions, struct err *e)
{
	struct pit p;
	int rc = pit_open(&p, c, source, e);

	if (rc == 0 && !*until && !source->log_backup_dir)
		rc = err_set(e, ERR_USAGE, 0,
			     "%s has no log backup, and no point was given: start one beforehand "
			     "(log_backup)",
			     source->name);
	if (rc == 0 && !*until)
		p.source.data_dir = source->log_backup_dir;
	if (rc == 0)
		rc = pit_roll_forward(&p.to, &p.source, from, until, d, transactions, e);
	pit_close(&p);
	return rc < 0 ? err_wrap(e, "roll %s forward", c->name) : 0;
}

int cluster_flashback(struct cluster *c, const struct cluster *source, tso_t at, struct deadline d,
		      struct err *e)
{
	struct pit p;
	int rc = pit_open(&p, c, source, e);

	if (rc == 0)
		rc = pit_flashback(&p.to, &p.source, at, d, e);
	pit_close(&p);
	return rc < 0 ? err_wrap(e, "reverse a transaction on %s", c->name) : 0;
}

int cluster_flashback_cluster(struct cluster *c, tso_t ts, struct deadline d, struct err *e)
{
	if (!c->ground->tidb)
		return cluster_refuse(c, e, "go back in place");
	if (tidb_flashback(&c->ep, ts, d, e) == 0)
		return 0;
	cluster_explain(c, e);
	return err_wrap(e, "%s", c->name);
}

tso_t cluster_restored_ts(const struct cluster *c)
{
	return c->restored_ts;
}

int64_t cluster_start_ms(const struct cluster *c)
{
	return c->ops->start_ms ? c->ops->start_ms : START_MS;
}

const char *cluster_pd(const struct cluster *c)
{
	return c->ops->pd && c->own ? c->ops->pd(c) : "";
}

struct http_tls cluster_pd_tls(const struct cluster *c)
{
	return c->ops->pd_tls && c->own ? c->ops->pd_tls(c) : (struct http_tls){ 0 };
}

const char *cluster_stands_in(const struct cluster *c)
{
	return strstr(c->version, "standin") ? "TiDB, TiKV, PD, TiCDC and tiup" : "";
}

int cluster_pause(struct cluster *c, bool paused, struct err *e)
{
	if (!c->ops->pause)
		return cluster_refuse(c, e, "be paused");
	return c->ops->pause(c, paused, e) < 0
		       ? err_wrap(e, "%s %s", paused ? "pause" : "resume", c->name)
		       : 0;
}

int cluster_stop(struct cluster *c, struct deadline d, struct err *e)
{
	if (!c->ops->stop)
		return cluster_refuse(c, e, "stop a cluster");
	c->dead = true;
	return c->ops->stop(c, d, e) < 0 ? err_wrap(e, "stop %s", c->name) : 0;
}

int cluster_examine(struct cluster *c, struct deadline d, struct sql_endpoint *ep, struct err *e)
{
	if (!cluster_can(c, ABLE_EXAMINE))
		return cluster_refuse(c, e, "be examined after its death");
	return c->ops->examine(c, d, ep, e) < 0 ? err_wrap(e, "examine %s", c->name) : 0;
}

void cluster_examine_end(struct cluster *c)
{
	if (c->ops->examine_end)
		c->ops->examine_end(c);
}
