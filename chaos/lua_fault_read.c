/* What t:fault was given: targets, arguments, and when it is to happen. */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "chaos/lua_child.h"
#include "chaos/lua_fault_impl.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_store.h"
#include "harness/run/lua_args.h"

/* ---- targets */

static void add_name(struct fault_target *t, const char *name)
{
	size_t n = strlen(t->name);

	snprintf(t->name + n, sizeof(t->name) - n, "%s%s", n ? " and " : "", name);
}

static void add_proc(lua_State *L, struct fault_target *t, struct proc *p)
{
	struct err e = ERR_INIT;

	if (t->n_procs == FAULT_PROCS_MAX)
		lua_usage(L, "a fault has at most %d processes", FAULT_PROCS_MAX);
	if (p && proc_ref(p, &t->procs[t->n_procs], &e) == 0)
		t->n_procs++;
}

static void add_procs(lua_State *L, struct fault_target *t, struct cluster *c,
		      enum cluster_part part, int which)
{
	unsigned n = cluster_procs(c, part, which, t->procs + t->n_procs,
				   FAULT_PROCS_MAX - (unsigned)t->n_procs);

	t->n_procs += n;
	if (!n && part != CLUSTER_ALL)
		lua_usage(L, "%s has no such part, or it is not running", cluster_name(c));
}

/* The value at the top of the stack, one of a fault's targets. */
static void add_target(lua_State *L, const struct fault_ops *kind, struct lua_fault *f,
		       struct fault_target *t, enum cluster_part part, int which)
{
	struct struck s = { .part = part, .which = which };

	if (f->n_struck == STRUCK_MAX)
		lua_usage(L, "a fault has at most %d targets", STRUCK_MAX);
	if (lua_is_a(L, -1, LINK_METATABLE) !=
	    (kind->on == FAULT_ON_LINK || kind->on == FAULT_ON_STORE_LINK))
		lua_usage(L, "%s is a fault of %s", kind->name,
			  kind->on == FAULT_ON_PROCS
				  ? "a cluster, a changefeed or the store, not of a link"
			  : kind->on == FAULT_ON_DISK
				  ? "a cluster with its own disk (disk_mb), not of a link"
				  : "a link: t:link { \"feed\", primary }");
	if (lua_is_a(L, -1, LINK_METATABLE)) {
		struct lua_link *l = lua_link_check(L, -1);

		if (kind->on == FAULT_ON_STORE_LINK && !l->store)
			lua_usage(L, "%s: %s is not a link to the store", kind->name, l->name);
		if (t->n_links == FAULT_LINKS_MAX)
			lua_usage(L, "a fault has at most %d links", FAULT_LINKS_MAX);
		t->links[t->n_links++] = l->p;
		add_name(t, l->name);
		return;
	}
	if (lua_is_a(L, -1, "drtest.cluster")) {
		struct lua_cluster *c = lua_cluster_check(L, -1);

		s.kind = STRUCK_CLUSTER;
		s.object = c;
		if (kind->on == FAULT_ON_DISK)
			snprintf(t->disk, sizeof(t->disk), "%s", c->disk);
		else if (!c->alive)
			lua_usage(L, "%s: %s is down", kind->name, c->name);
		add_name(t, c->name);
		if (c->c && kind->on == FAULT_ON_PROCS)
			add_procs(L, t, c->c, part, which);
		if (c->c && (part == CLUSTER_ALL || part == CLUSTER_FEED) && cluster_feeds(c->c))
			add_name(t, "its changefeed");
	} else if (lua_is_a(L, -1, "drtest.feed")) {
		struct lua_feed *feed = lua_feed_check(L, -1);

		s.kind = STRUCK_FEED;
		s.object = feed;
		if (!feed->running)
			lua_usage(L, "%s: changefeed %s is not running", kind->name, feed->id);
		add_name(t, "changefeed ");
		snprintf(t->name + strlen(t->name), sizeof(t->name) - strlen(t->name), "%s",
			 feed->id);
		if (feed->source->c)
			add_procs(L, t, feed->source->c, CLUSTER_FEED, CLUSTER_EACH);
	} else if (lua_is_a(L, -1, CHILD_METATABLE)) {
		struct lua_child *child = lua_child_check(L, -1);

		add_name(t, child->name);
		if (child->proc)
			add_proc(L, t, child->proc);
		return; /* nobody counts on it */
	} else if (lua_is_a(L, -1, "drtest.store")) {
		struct lua_store *store = lua_store_check(L, -1);

		s.kind = STRUCK_STORE;
		s.object = store;
		if (!store->port)
			lua_usage(L,
				  "%s: the store is a directory (--store file) and has no process",
				  kind->name);
		add_name(t, "the store");
		if (store->minio)
			add_proc(L, t, minio_proc(store->minio));
	} else {
		lua_usage(L,
			  "%s: a target must be a cluster, a changefeed, the store or a link, "
			  "not a %s",
			  kind->name, luaL_typename(L, -1));
	}
	f->struck[f->n_struck++] = s;
}

void lua_fault_read_targets(lua_State *L, int index, const struct fault_ops *kind,
			    struct lua_fault *f, struct fault_target *t, enum cluster_part part,
			    int which)
{
	if (!lua_istable(L, index)) {
		lua_pushvalue(L, index);
		add_target(L, kind, f, t, part, which);
		lua_pop(L, 1);
		return;
	}
	for (int i = 1;; i++) {
		lua_rawgeti(L, index, i);
		if (lua_isnil(L, -1))
			break;
		add_target(L, kind, f, t, part, which);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* ---- arguments */

static void read_match(lua_State *L, char out[96], const char *text)
{
	if (!text)
		return;
	if (strlen(text) >= 96)
		lua_usage(L, "a fault's match can have at most 95 bytes");
	strcpy(out, text);
}

void lua_fault_read_args(lua_State *L, int index, struct fault_args *a)
{
	const char *direction = NULL, *match = NULL;
	int64_t kb = 0, bytes = 0, after_bytes = 0, status = 0, spare = 0;

	lua_fields(L, index, "t:fault",
		   (struct field[]){ { "by", FIELD_DURATION_MS, &a->delay_ms },
				     { "jitter", FIELD_DURATION_MS, &a->jitter_ms },
				     { "kb_per_s", FIELD_WHOLE, &kb },
				     { "bytes", FIELD_WHOLE, &bytes },
				     { "after_bytes", FIELD_WHOLE, &after_bytes },
				     { "gap_us", FIELD_WHOLE, &a->gap_us },
				     { "direction", FIELD_TEXT, &direction },
				     { "status", FIELD_WHOLE, &status },
				     { "share", FIELD_NUMBER, &a->share },
				     { "match", FIELD_TEXT, &match },
				     { "answer", FIELD_FLAG, &a->answer },
				     { "spare_mb", FIELD_WHOLE, &spare },
				     { NULL, 0, NULL } });
	a->bytes_per_s = (uint64_t)kb * 1000;
	a->slice_bytes = (uint64_t)bytes;
	a->after_bytes = (uint64_t)after_bytes;
	a->memory_bytes = (uint64_t)spare << 20;
	a->status = status > 999 ? 999 : (int)status;
	if (a->share < 0 || a->share > 1)
		lua_usage(L, "t:fault: share must be between 0 and 1");
	if (direction && strcmp(direction, "up") != 0 && strcmp(direction, "down") != 0)
		lua_usage(L,
			  "t:fault: direction must be \"up\" (requests) or \"down\" "
			  "(responses), not \"%s\"",
			  direction);
	a->direction = !direction ? FAULT_BOTH : *direction == 'u' ? FAULT_UP : FAULT_DOWN;
	read_match(L, a->match, match);
}

/* { at = seconds from now or nil, lasts = seconds, busy = feed, lag_over = ms, of = feed, split =
 * link, request = link, match, nth, after_bytes, later_us } Returns at, for people. */
double lua_fault_read_when(lua_State *L, int index, struct chaos_when *w)
{
	double at = -1, lasts = 0;
	int64_t nth = 1, after_bytes = 0, later = 0;
	const char *match = NULL;
	struct lua_feed *feed = NULL;

	lua_fields(L, index, "t:fault",
		   (struct field[]){ { "at", FIELD_NUMBER, &at },
				     { "lasts", FIELD_NUMBER, &lasts },
				     { "busy", FIELD_ANY, NULL },
				     { "lag_over", FIELD_WHOLE, &w->lag_ms },
				     { "of", FIELD_ANY, NULL },
				     { "request", FIELD_ANY, NULL },
				     { "split", FIELD_ANY, NULL },
				     { "match", FIELD_TEXT, &match },
				     { "nth", FIELD_WHOLE, &nth },
				     { "after_bytes", FIELD_WHOLE, &after_bytes },
				     { "later_us", FIELD_WHOLE, &later },
				     { NULL, 0, NULL } });
	w->at_ns = at >= 0 ? clock_mono_ns() + (int64_t)(at * 1e9) : 0;
	w->lasts_ns = (int64_t)(lasts * 1e9);
	w->later_ns = later * 1000;
	w->nth = (unsigned)nth;
	w->after_bytes = (uint64_t)after_bytes;
	read_match(L, w->match, match);
	lua_getfield(L, index, "busy");
	if (!lua_isnil(L, -1)) {
		w->trigger = CHAOS_BUSY;
		feed = lua_feed_check(L, -1);
	}
	lua_getfield(L, index, "of");
	if (!lua_isnil(L, -1)) {
		w->trigger = CHAOS_LAG;
		feed = lua_feed_check(L, -1);
	}
	if (feed)
		snprintf(w->status_path, sizeof(w->status_path), "%s", feed->status_path);
	lua_getfield(L, index, "request");
	if (!lua_isnil(L, -1)) {
		struct lua_link *l = lua_link_check(L, -1);

		if (!l->store)
			lua_usage(L,
				  "t:fault: when = { request = … } needs a link to the store, not "
				  "%s",
				  l->name);
		w->trigger = CHAOS_REQUEST;
		w->link = l->p;
	}
	lua_getfield(L, index, "split");
	if (!lua_isnil(L, -1)) {
		w->trigger = CHAOS_SPLIT;
		w->link = lua_link_check(L, -1)->p;
	}
	lua_pop(L, 4);
	return at;
}
