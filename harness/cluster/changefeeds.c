/* The changefeeds that read a cluster, each in a slot. Where the ground has TiCDC, it runs them;
 * else each is a process of drtest's own (harness/feed). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/cluster_impl.h"
#include "harness/os/fs.h"

static bool is_taken(const struct cluster_feed *f)
{
	return f->feed || f->feeding;
}

/* The first one's where that number does not run. */
static unsigned slot_of(const struct cluster *c, unsigned number)
{
	for (unsigned i = 0; i < CLUSTER_FEEDS_MAX; i++)
		if (is_taken(&c->feeds[i]) && c->feeds[i].number == number)
			return i;
	return 0;
}

bool cluster_feeds(const struct cluster *c)
{
	for (unsigned i = 0; i < CLUSTER_FEEDS_MAX; i++)
		if (is_taken(&c->feeds[i]))
			return true;
	return false;
}

struct feed *cluster_feed(struct cluster *c)
{
	return c->feeds[0].feed;
}

void cluster_feeds_kill(struct cluster *c)
{
	for (unsigned i = 0; i < CLUSTER_FEEDS_MAX; i++) {
		feed_free(c->feeds[i].feed);
		c->feeds[i].feed = NULL;
	}
}

void cluster_feeds_gone(struct cluster *c)
{
	for (unsigned i = 0; i < CLUSTER_FEEDS_MAX; i++)
		c->feeds[i].feeding = false;
}

static void begin_slot(struct cluster *c, struct cluster_feed *slot)
{
	slot->number = ++c->feeds_made;
	free(slot->status_path);
	slot->status_path = xstrfmt("%s/feed-%u.status", c->dir, slot->number);
}

static int copy_to(char *to, size_t size, const char *from, const char *what, struct err *e)
{
	if (strlen(from) >= size)
		return err_set(e, ERR_USAGE, 0, "%s is longer than %zu bytes", what, size - 1);
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

int cluster_changefeed(struct cluster *c, const struct changefeed_opts *o, struct err *e)
{
	struct feed_opts f = { .source = c->ep,
			       .sink = o->sink->ep,
			       .start_ts = o->start_ts,
			       .flush_ms = o->flush_ms,
			       .meta_ms = o->meta_ms,
			       .bdr = o->bdr,
			       .force_replicate = o->force_replicate };
	unsigned at = 0;
	struct cluster_feed *slot;
	char *tmp, *log;

	if (o->source_port)
		f.source.port = o->source_port;
	if (o->sink_port)
		f.sink.port = o->sink_port;
	if (!cluster_can(c, ABLE_CHANGEFEED))
		return cluster_refuse(c, e, "run a changefeed");
	while (at < CLUSTER_FEEDS_MAX && is_taken(&c->feeds[at]))
		at++;
	if (o->syncpoint_ms && !c->ops->changefeed)
		return cluster_refuse(
			c, e,
			"write syncpoints, which only TiCDC does: stop the load and compare "
			"without writes");
	if (at == CLUSTER_FEEDS_MAX)
		return err_set(e, ERR_USAGE, 0, "%s already has %d changefeeds: stop one first",
			       c->name, CLUSTER_FEEDS_MAX);
	slot = &c->feeds[at];
	begin_slot(c, slot);
	if (c->ops->changefeed) {
		if (c->ops->changefeed(c, at, o, e) < 0)
			return -1;
		slot->feeding = true;
		return 0;
	}
	tmp = xstrfmt("%s/feed-%u.tmp", c->dir, slot->number);
	log = xstrfmt("%s/%s-feed%s%.0u.log", c->log_dir, c->name, slot->number > 1 ? "-" : "",
		      slot->number > 1 ? slot->number : 0);
	if (copy_to(f.id, sizeof(f.id), o->id, "changefeed id", e) == 0 &&
	    copy_to(f.tso_map, sizeof(f.tso_map), c->map_path, "path", e) == 0 &&
	    copy_to(f.redo_uri, sizeof(f.redo_uri), o->redo_uri ? o->redo_uri : "", "redo URI",
		    e) == 0 &&
	    copy_to(f.status_path, sizeof(f.status_path), slot->status_path, "path", e) == 0 &&
	    copy_to(f.tmp_dir, sizeof(f.tmp_dir), tmp, "path", e) == 0 &&
	    fs_mkdir_p(tmp, 0700, e) == 0)
		slot->feed = feed_start(&f, log, e);
	free(tmp);
	free(log);
	/* it did not get as far as naming itself */
	if (!slot->feed && strncmp(e->text, "changefeed ", 11) != 0)
		err_wrap(e, "changefeed %s", o->id);
	return slot->feed ? 0 : -1;
}

int cluster_changefeed_find(struct cluster *c, struct cluster *sink, const char *id,
			    const char *redo_uri, struct err *e)
{
	if (!c->ops->find_changefeed)
		return cluster_refuse(c, e, "follow an existing changefeed");
	if (cluster_feeds(c))
		return err_set(e, ERR_USAGE, 0, "%s already has a changefeed", c->name);
	begin_slot(c, &c->feeds[0]);
	if (c->ops->find_changefeed(c, sink, id, redo_uri, e) < 0)
		return err_wrap(e, "%s", c->name);
	c->feeds[0].feeding = true;
	return 0;
}

unsigned cluster_feed_number(const struct cluster *c)
{
	return c->feeds_made;
}

bool cluster_feed_runs(const struct cluster *c, unsigned number)
{
	const struct cluster_feed *f = &c->feeds[slot_of(c, number)];

	return is_taken(f) && f->number == number;
}

int cluster_feed_status_of(struct cluster *c, unsigned number, struct feed_status *st,
			   struct err *e)
{
	unsigned i = slot_of(c, number);

	if (c->feeds[i].feed)
		return feed_get_status(c->feeds[i].feed, st, e);
	return c->feeds[i].feeding ? c->ops->feed_status(c, i, st, e)
				   : err_set(e, ERR_USAGE, 0, "%s has no changefeed", c->name);
}

pid_t cluster_feed_pid(struct cluster *c, unsigned number)
{
	struct feed *f = c->feeds[slot_of(c, number)].feed;

	return f ? proc_pid(feed_proc(f)) : 0;
}

void cluster_feed_status_file(struct cluster *c, unsigned number, char *out, size_t size)
{
	const struct cluster_feed *f = &c->feeds[slot_of(c, number)];

	snprintf(out, size, "%s", f->status_path ? f->status_path : "");
}

static int stop_slot(struct cluster *c, unsigned i, struct deadline d, struct err *e)
{
	struct cluster_feed *f = &c->feeds[i];
	int rc = 0;

	if (f->feeding) {
		f->feeding = false;
		rc = c->ops->changefeed_stop(c, i, d, e);
	} else if (f->feed) {
		rc = feed_stop(f->feed, d, e);
	}
	feed_free(f->feed);
	f->feed = NULL;
	return rc < 0 ? err_wrap(e, "stop %s's changefeed", c->name) : 0;
}

int cluster_feed_stop(struct cluster *c, unsigned number, struct deadline d, struct err *e)
{
	return stop_slot(c, slot_of(c, number), d, e);
}

int cluster_feeds_stop(struct cluster *c, struct deadline d, struct err *e)
{
	for (unsigned i = 0; i < CLUSTER_FEEDS_MAX; i++)
		if (is_taken(&c->feeds[i]) && stop_slot(c, i, d, e) < 0)
			return -1;
	return 0;
}
