/* The natives behind chaos/fault.lua: links, faults in time, and what the run has to know of them:
 * the journal, health, the disaster's clock. Hooks may run in other threads; what belongs to the
 * main thread (a dead cluster's bookkeeping) waits for settle(). */
#include "chaos/lua_fault.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/chaos.h"
#include "chaos/lua_child.h"
#include "harness/base/embed.h"
#include "harness/base/xalloc.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_store.h"
#include "harness/run/runtime.h"

EMBEDDED(chaos_fault_lua);

#define FAULT_METATABLE "drtest.fault"
#define LINK_METATABLE "drtest.link"
#define STRUCK_MAX 8
#define SETTLE_MS 20000
#define BURST_BYTES 4096 /* more than a ping, less than a flush */
static char registry_key;

enum struck_kind { STRUCK_CLUSTER, STRUCK_FEED, STRUCK_STORE };
struct struck {
	enum struck_kind kind;
	void *object;
	enum cluster_part part;
	int which; /* of several: CLUSTER_EACH, CLUSTER_LEADER, or a number */
};
struct lua_fault {
	struct lua_fault *next;
	struct runtime *r;
	struct armed *armed; /* NULL in plan mode */
	struct struck struck[STRUCK_MAX];
	size_t n_struck;
	bool deadly, disaster, settled;
	char name[192];
};
struct lua_link {
	struct lua_link *next;
	struct netproxy *p; /* NULL in plan mode */
	char name[128];
	bool store;
};
struct faults { /* the run's; taken down as one: faults first, then links */
	struct runtime *r;
	struct chaos *chaos;
	struct lua_fault *all;
	struct lua_link *links;
};

/* ---- the run's side */

static void before(void *arg, void *tag)
{
	struct lua_fault *f = tag;

	(void)arg;
	for (size_t i = 0; f->deadly && i < f->n_struck; i++) {
		struct struck *s = &f->struck[i];
		struct lua_cluster *c = s->object;

		runtime_expect(f->r, s->object, false);
		if (s->kind != STRUCK_CLUSTER)
			continue;
		if (s->part != CLUSTER_FEED)
			c->doomed = true;
		if (s->part != CLUSTER_SERVER && c->feed)
			runtime_expect(f->r, c->feed, false);
	}
}

static void after(void *arg, void *tag, const struct fault *f)
{
	struct lua_fault *lf = tag;
	struct strbuf detail = STRBUF_INIT;

	(void)arg;
	fault_arguments(f, &detail);
	if (f->state == FAULT_FAILED)
		journal_event(runtime_journal(lf->r), "note",
			      json_pack("{s:s}", "text", f->error.text));
	else
		runtime_fault(lf->r, true);
	/* that one's line is written with the clock it starts */
	if (f->state != FAULT_FAILED && !lf->disaster)
		journal_event_at(runtime_journal(lf->r), f->at_ns, "fault",
				 json_pack("{s:s,s:s,s:s,s:f}", "kind", f->ops->name, "target",
					   f->target.name, "detail", detail.buf, "at",
					   runtime_seconds(lf->r, f->at_ns)));
	strbuf_release(&detail);
}

static void healed(void *arg, void *tag, const struct fault *f)
{
	struct lua_fault *lf = tag;

	(void)arg;
	if (f->state != FAULT_STUCK)
		runtime_fault(lf->r, false);
	if (f->state == FAULT_STUCK)
		journal_event(runtime_journal(lf->r), "note",
			      json_pack("{s:s}", "text", f->error.text));
	else
		journal_event_at(runtime_journal(lf->r), f->healed_ns, "heal",
				 json_pack("{s:s,s:s,s:f,s:f}", "kind", f->ops->name, "target",
					   f->target.name, "at",
					   runtime_seconds(lf->r, f->healed_ns), "seconds",
					   (double)(f->healed_ns - f->at_ns) / 1e9));
}

static void faults_close(void *object, bool keep)
{
	struct faults *x = object;

	(void)keep;
	chaos_free(x->chaos);
	while (x->all) {
		struct lua_fault *f = x->all;

		x->all = f->next;
		free(f);
	}
	while (x->links) {
		struct lua_link *l = x->links;

		x->links = l->next;
		fault_link_forget(l->p);
		netproxy_free(l->p);
		free(l);
	}
	free(x);
}

static const struct runtime_ops ops = { .close = faults_close };

static struct faults *faults_of(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct faults *x;
	struct err e = ERR_INIT;

	lua_pushlightuserdata(L, &registry_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	x = lua_touserdata(L, -1);
	lua_pop(L, 1);
	if (x)
		return x;
	x = xcalloc(1, sizeof(*x));
	x->r = r;
	runtime_own(r, &ops, x);
	if (!runtime_planning(r)) {
		x->chaos = chaos_new(&(struct chaos_hooks){ before, after, healed, x }, &e);
		if (!x->chaos)
			runtime_raise(L, &e);
	}
	lua_pushlightuserdata(L, &registry_key);
	lua_pushlightuserdata(L, x);
	lua_rawset(L, LUA_REGISTRYINDEX);
	return x;
}

static bool is_a(lua_State *L, int index, const char *metatable)
{
	bool is;

	if (!lua_isuserdata(L, index) || !lua_getmetatable(L, index))
		return false;
	luaL_getmetatable(L, metatable);
	is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is;
}

/* ---- links */

/* link(party, target) */
static int link_make(lua_State *L)
{
	static const char *const parties[] = {
		"load", "feed", "replay", "backup", "restore", NULL
	};
	struct faults *x = faults_of(L);
	const char *party = parties[luaL_checkoption(L, 1, NULL, parties)];
	struct lua_link *l;
	struct err e = ERR_INIT;
	const char *name;
	int port = 0;
	bool store = is_a(L, 2, "drtest.store");

	if (store) {
		port = lua_store_check(L, 2)->port;
		name = "store";
		if (!port)
			runtime_usage(
				L,
				"t:link: the store is a directory (--store file): nothing is between it and anybody");
	} else {
		struct lua_cluster *c = lua_cluster_check(L, 2);

		name = c->name;
		port = c->c ? (int)cluster_endpoint(c->c)->port : 0;
	}
	if (!ground_can(runtime_ground(x->r), CLUSTER_LINK)) {
		err_set(&e, ERR_UNSUPPORTED, 0,
			"t:link: drtest can't come between the parties of the %s ground, whose clusters others reach as well",
			runtime_ground(x->r));
		runtime_raise(L, &e);
	}
	if (runtime_on_tidb(x->r) && !store &&
	    (!strcmp(party, "backup") || !strcmp(party, "restore")))
		runtime_usage(
			L,
			"t:link: TiKV writes and reads TiDB's backups itself: { \"%s\", store } is the link that there is",
			party);
	l = xcalloc(1, sizeof(*l));
	l->store = store;
	snprintf(l->name, sizeof(l->name), "%s → %s", party, name);
	l->next = x->links;
	x->links = l;
	*(struct lua_link **)lua_newuserdata(L, sizeof(l)) = l;
	luaL_getmetatable(L, LINK_METATABLE);
	lua_setmetatable(L, -2);
	if (runtime_plan(x->r, "a proxy between %s and %s", party, name))
		return 1;
	l->p = netproxy_start(&(struct netproxy_opts){ .to_port = port,
						       .seed = runtime_seed(x->r),
						       .http = store },
			      &e);
	if (!l->p)
		return runtime_raise(L, &e);
	runtime_route_add(x->r, party, port, netproxy_port(l->p));
	return 1;
}

static struct lua_link *check_link(lua_State *L, int index)
{
	return *(struct lua_link **)luaL_checkudata(L, index, LINK_METATABLE);
}

static int link_text(lua_State *L)
{
	lua_pushstring(L, check_link(L, 1)->name);
	return 1;
}

/* link:port(): of 127.0.0.1, the proxy's */
static int link_port(lua_State *L)
{
	struct lua_link *l = check_link(L, 1);

	lua_pushnumber(L, l->p ? netproxy_port(l->p) : 0);
	return 1;
}

static int link_stats(lua_State *L)
{
	struct lua_link *l = check_link(L, 1);
	struct netproxy_stats st = { 0 };

	if (l->p)
		netproxy_get_stats(l->p, &st);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "connections", st.connections },
		{ "open", st.open },
		{ "bytes_up", st.bytes[0] },
		{ "bytes_down", st.bytes[1] },
		{ "requests", st.requests },
		{ "refused", st.refused },
		{ "cut", st.cut },
		{ "stalled", st.stalled },
	};

	lua_newtable(L);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		lua_pushnumber(L, (lua_Number)numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
	return 1;
}

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
		runtime_usage(L, "a fault has at most %d processes", FAULT_PROCS_MAX);
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
		runtime_usage(L, "%s has no such part that runs", cluster_name(c));
}

/* The value at the top of the stack, one of a fault's targets. */
static void add_target(lua_State *L, const struct fault_ops *kind, struct lua_fault *f,
		       struct fault_target *t, enum cluster_part part, int which)
{
	struct struck s = { .part = part, .which = which };

	if (f->n_struck == STRUCK_MAX)
		runtime_usage(L, "a fault has at most %d targets", STRUCK_MAX);
	if (is_a(L, -1, LINK_METATABLE) !=
	    (kind->on == FAULT_ON_LINK || kind->on == FAULT_ON_STORE_LINK))
		runtime_usage(L, "%s is a fault of %s", kind->name,
			      kind->on == FAULT_ON_PROCS
				      ? "a cluster, a changefeed or the store, not of a link"
			      : kind->on == FAULT_ON_DISK
				      ? "a cluster with a disk of its own (disk_mb), not of a link"
				      : "a link: t:link { \"feed\", primary }");
	if (is_a(L, -1, LINK_METATABLE)) {
		struct lua_link *l = check_link(L, -1);

		if (kind->on == FAULT_ON_STORE_LINK && !l->store)
			runtime_usage(L, "%s: %s is no link to the store", kind->name, l->name);
		if (t->n_links == FAULT_LINKS_MAX)
			runtime_usage(L, "a fault has at most %d links", FAULT_LINKS_MAX);
		t->links[t->n_links++] = l->p;
		add_name(t, l->name);
		return;
	}
	if (is_a(L, -1, "drtest.cluster")) {
		struct lua_cluster *c = lua_cluster_check(L, -1);

		s.kind = STRUCK_CLUSTER;
		s.object = c;
		if (kind->on == FAULT_ON_DISK)
			snprintf(t->disk, sizeof(t->disk), "%s", c->disk);
		else if (!c->alive)
			runtime_usage(L, "%s: %s is down", kind->name, c->name);
		add_name(t, c->name);
		if (c->c && kind->on == FAULT_ON_PROCS)
			add_procs(L, t, c->c, part, which);
		if (c->c && (part == CLUSTER_ALL || part == CLUSTER_FEED) && cluster_feeds(c->c))
			add_name(t, "its changefeed");
	} else if (is_a(L, -1, "drtest.feed")) {
		struct lua_feed *feed = lua_feed_check(L, -1);

		s.kind = STRUCK_FEED;
		s.object = feed;
		if (!feed->running)
			runtime_usage(L, "%s: changefeed %s does not run", kind->name, feed->id);
		add_name(t, "changefeed ");
		snprintf(t->name + strlen(t->name), sizeof(t->name) - strlen(t->name), "%s",
			 feed->id);
		if (feed->source->c)
			add_procs(L, t, feed->source->c, CLUSTER_FEED, CLUSTER_EACH);
	} else if (is_a(L, -1, CHILD_METATABLE)) {
		struct lua_child *child = lua_child_check(L, -1);

		add_name(t, child->name);
		if (child->proc)
			add_proc(L, t, child->proc);
		return; /* nobody counts on it */
	} else if (is_a(L, -1, "drtest.store")) {
		struct lua_store *store = lua_store_check(L, -1);

		s.kind = STRUCK_STORE;
		s.object = store;
		if (!store->port)
			runtime_usage(
				L,
				"%s: the store is a directory (--store file): there is no process of it",
				kind->name);
		add_name(t, "the store");
		if (store->minio)
			add_proc(L, t, minio_proc(store->minio));
	} else {
		runtime_usage(
			L, "%s: a target is a cluster, a changefeed, the store or a link, not a %s",
			kind->name, luaL_typename(L, -1));
	}
	f->struck[f->n_struck++] = s;
}

static void read_targets(lua_State *L, int index, const struct fault_ops *kind, struct lua_fault *f,
			 struct fault_target *t, enum cluster_part part, int which)
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
		runtime_usage(L, "a fault's match is at most 95 bytes");
	strcpy(out, text);
}

static void read_args(lua_State *L, int index, struct fault_args *a)
{
	const char *direction = NULL, *match = NULL;
	int64_t kb = 0, bytes = 0, after_bytes = 0, status = 0, spare = 0;

	runtime_fields(L, index, "t:fault",
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
		runtime_usage(L, "t:fault: share is 0 to 1");
	if (direction && strcmp(direction, "up") != 0 && strcmp(direction, "down") != 0)
		runtime_usage(L,
			      "t:fault: direction is \"up\" (there) or \"down\" (back), not \"%s\"",
			      direction);
	a->direction = !direction ? FAULT_BOTH : *direction == 'u' ? FAULT_UP : FAULT_DOWN;
	read_match(L, a->match, match);
}

/* { at = seconds from now or nil, lasts = seconds, busy = feed, lag_over = ms, of = feed, burst =
 * link, request = link, match, nth, after_bytes, later_us } Returns at, for people. */
static double read_when(lua_State *L, int index, struct chaos_when *w)
{
	double at = -1, lasts = 0;
	int64_t nth = 1, after_bytes = 0, later = 0;
	const char *match = NULL;
	struct lua_feed *feed = NULL;

	runtime_fields(L, index, "t:fault",
		       (struct field[]){ { "at", FIELD_NUMBER, &at },
					 { "lasts", FIELD_NUMBER, &lasts },
					 { "busy", FIELD_ANY, NULL },
					 { "lag_over", FIELD_WHOLE, &w->lag_ms },
					 { "of", FIELD_ANY, NULL },
					 { "request", FIELD_ANY, NULL },
					 { "burst", FIELD_ANY, NULL },
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
		struct lua_link *l = check_link(L, -1);

		if (!l->store)
			runtime_usage(
				L,
				"t:fault: when = { request = … } wants a link to the store, not %s",
				l->name);
		w->trigger = CHAOS_REQUEST;
		w->link = l->p;
	}
	lua_getfield(L, index, "burst");
	if (!lua_isnil(L, -1)) {
		w->trigger = CHAOS_BURST;
		w->link = check_link(L, -1)->p;
		w->after_bytes = w->after_bytes ? w->after_bytes : BURST_BYTES;
	}
	lua_pop(L, 4);
	return at;
}

/* ---- faults */

static struct lua_fault *check_fault(lua_State *L, int index)
{
	return *(struct lua_fault **)luaL_checkudata(L, index, FAULT_METATABLE);
}

/* arm(kind, target or targets, args, when, { part, disaster, may_die }) */
static int arm(lua_State *L)
{
	struct faults *x = faults_of(L);
	const struct fault_ops *kind = fault_find(luaL_checkstring(L, 1));
	struct fault fault = { .ops = kind };
	struct chaos_when when = { 0 };
	struct lua_fault *f = xcalloc(1, sizeof(*f));
	const char *part = NULL;
	enum cluster_part which_part = CLUSTER_ALL;
	int which = CLUSTER_EACH;
	struct err e = ERR_INIT;
	bool may_die = false;
	double at_s;

	f->r = x->r;
	f->next = x->all;
	x->all = f;
	if (!kind)
		runtime_usage(L, "there is no fault '%s'", lua_tostring(L, 1));
	runtime_fields(L, 5, "t:fault",
		       (struct field[]){ { "part", FIELD_TEXT, &part },
					 { "disaster", FIELD_FLAG, &f->disaster },
					 { "may_die", FIELD_FLAG, &may_die },
					 { NULL, 0, NULL } });
	if (part) {
		lua_cluster_part(L, part, &which_part, &which);
		if ((which_part == CLUSTER_PD || which_part == CLUSTER_STORAGE ||
		     which != CLUSTER_EACH) &&
		    !ground_can(runtime_ground(x->r), CLUSTER_KILL_COMPONENT))
			runtime_usage(
				L,
				"t:fault: a cluster of the %s ground has no %s: its parts are \"server\" and \"changefeed\"",
				runtime_ground(x->r), part);
	}
	f->deadly = may_die || kind == &fault_kill || kind == &fault_interrupt;
	read_args(L, 3, &fault.args);
	at_s = read_when(L, 4, &when);
	*(struct lua_fault **)lua_newuserdata(L, sizeof(f)) = f;
	luaL_getmetatable(L, FAULT_METATABLE);
	lua_setmetatable(L, -2);
	read_targets(L, 2, kind, f, &fault.target, which_part, which);
	if (kind->check && kind->check(&fault, &e) < 0) {
		fault_release(&fault);
		runtime_raise(L, &e);
	}
	struct strbuf text = STRBUF_INIT;

	fault_describe(&fault, &text);
	snprintf(f->name, sizeof(f->name), "%s", text.buf);
	strbuf_release(&text);
	char at[64] = "", lasts[64] = "";

	if (when.trigger != CHAOS_AT)
		snprintf(at, sizeof(at), ", when its state is reached");
	else if (when.at_ns)
		snprintf(at, sizeof(at), ", %.3f s from here", at_s);
	if (when.lasts_ns)
		snprintf(lasts, sizeof(lasts), ", for %.3f s", (double)when.lasts_ns / 1e9);
	if (runtime_plan(x->r, "fault: %s%s%s", f->name, at, lasts)) {
		for (size_t i = 0;
		     f->deadly && when.trigger == CHAOS_AT && !when.at_ns && i < f->n_struck; i++)
			if (f->struck[i].kind == STRUCK_CLUSTER &&
			    f->struck[i].part != CLUSTER_FEED)
				((struct lua_cluster *)f->struck[i].object)->alive = false;
		return 1;
	}
	f->armed = chaos_arm(x->chaos, &fault, &when, f, &e);
	if (!f->armed)
		return runtime_raise(L, &e);
	return 1;
}

static int settle_cluster(const struct struck *s, bool by_components, struct err *e)
{
	struct lua_cluster *c = s->object;
	bool server = s->part != CLUSTER_FEED && cluster_server(c->c) &&
		      !proc_running(cluster_server(c->c));
	bool feed = s->part != CLUSTER_SERVER && cluster_feed(c->c) &&
		    !proc_running(feed_proc(cluster_feed(c->c)));
	int rc = 0;

	if (server || feed)
		rc = cluster_kill(c->c,
				  server && (feed || by_components) ? CLUSTER_ALL
				  : server                          ? CLUSTER_SERVER
								    : CLUSTER_FEED,
				  NULL, e);
	if ((feed || !cluster_feeds(c->c)) && c->feed)
		c->feed->running = false;
	if (server)
		c->alive = false;
	return rc;
}

/* Components that were struck one by one (TiDB's; TiCDC): when they are gone the cluster knows it.
 */
static int settle_component(struct lua_cluster *c, const struct struck *s, enum cluster_part part,
			    struct err *e)
{
	struct deadline d = deadline_in_ms(SETTLE_MS);

	for (;;) {
		struct proc_ref left[FAULT_PROCS_MAX];
		unsigned n = s->which == CLUSTER_EACH ? cluster_procs(c->c, part, CLUSTER_EACH,
								      left, FAULT_PROCS_MAX)
						      : 0;

		for (unsigned i = 0; i < n; i++)
			proc_ref_release(&left[i]);
		if (!n)
			break;
		if (pause_ms(5, d) < 0)
			return err_set(e, ERR_TIMEOUT, 0,
				       "%s: %u processes live on after their kill", c->name, n);
	}
	cluster_part_died(c->c, part);
	if (c->feed && !cluster_feeds(c->c))
		c->feed->running = false;
	return 0;
}

static struct proc *leader(const struct struck *s)
{
	switch (s->kind) {
	case STRUCK_CLUSTER:
		return s->part == CLUSTER_FEED
			       ? NULL
			       : cluster_server(((struct lua_cluster *)s->object)->c);
	case STRUCK_FEED: {
		struct feed *feed = cluster_feed(((struct lua_feed *)s->object)->source->c);
		return feed ? feed_proc(feed) : NULL;
	}
	case STRUCK_STORE:
		return ((struct lua_store *)s->object)->minio
			       ? minio_proc(((struct lua_store *)s->object)->minio)
			       : NULL;
	}
	return NULL;
}

/* settle(fault): after it happened, on the main thread: what died is written off, and the
 * disaster's clock starts. */
static int settle(lua_State *L)
{
	struct lua_fault *f = check_fault(L, 1);
	const struct fault *fault;
	struct err e = ERR_INIT;

	if (!f->armed || f->settled)
		return 0;
	fault = armed_fault(f->armed);
	if (armed_state(f->armed) == FAULT_ARMED || !fault->at_ns)
		return 0;
	f->settled = true;
	if (armed_state(f->armed) == FAULT_FAILED)
		return runtime_raise(L, &fault->error);
	if (f->disaster)
		runtime_disaster(f->r, fault->ops->name, fault->target.name, fault->at_ns);
	for (size_t i = 0; f->deadly && i < f->n_struck; i++) {
		struct struck *s = &f->struck[i];
		struct proc *p = leader(s);
		struct lua_feed *feed = s->object;

		if (p && (fault->ops == &fault_kill || fault->ops == &fault_interrupt))
			proc_wait(p, deadline_in_ms(SETTLE_MS));
		bool killed = fault->ops == &fault_kill || fault->ops == &fault_interrupt;
		bool by_components = ground_can(runtime_ground(f->r), CLUSTER_KILL_COMPONENT);
		bool component = s->kind == STRUCK_CLUSTER && s->part != CLUSTER_ALL && killed &&
				 by_components;

		if (component && settle_component(s->object, s, s->part, &e) < 0)
			return runtime_raise(L, &e);
		if (s->kind == STRUCK_FEED && !p && killed &&
		    settle_component(feed->source, s, CLUSTER_FEED, &e) < 0)
			return runtime_raise(L, &e);
		if (s->kind == STRUCK_CLUSTER && !component &&
		    settle_cluster(s, by_components, &e) < 0)
			return runtime_raise(L, &e);
		if (s->kind == STRUCK_STORE && p && !proc_running(p))
			lua_store_down(s->object);
		if (s->kind == STRUCK_FEED && p && !proc_running(p)) {
			feed->running = false;
			if (cluster_kill(feed->source->c, CLUSTER_FEED, NULL, &e) < 0)
				return runtime_raise(L, &e);
		}
	}
	return 0;
}

/* heal(fault): nil, or why it could not be healed */
static int heal(lua_State *L)
{
	struct faults *x = faults_of(L);
	struct lua_fault *f = check_fault(L, 1);
	struct err e = ERR_INIT;

	if (runtime_plan(x->r, "heal %s", f->name))
		return 0;
	if (!f->armed || chaos_heal(x->chaos, f->armed, &e) == 0)
		return 0;
	lua_pushstring(L, e.text);
	return 1;
}

/* heal_all(): nil, or why something could not be healed */
static int heal_all(lua_State *L)
{
	struct faults *x = faults_of(L);
	struct err e = ERR_INIT;

	if (!x->chaos || chaos_heal_all(x->chaos, &e) == 0)
		return 0;
	lua_pushstring(L, e.text);
	return 1;
}

/* active(): how many are, and their names */
static int active(lua_State *L)
{
	struct faults *x = faults_of(L);
	struct strbuf names = STRBUF_INIT;

	lua_pushnumber(L, x->chaos ? (lua_Number)chaos_active(x->chaos, &names) : 0);
	lua_pushstring(L, names.buf);
	strbuf_release(&names);
	return 2;
}

static int state(lua_State *L)
{
	static const char *const words[] = {
		[FAULT_NEW] = "new",   [FAULT_ARMED] = "armed",   [FAULT_ACTIVE] = "active",
		[FAULT_OVER] = "over", [FAULT_FAILED] = "failed", [FAULT_STUCK] = "stuck"
	};
	struct lua_fault *f = check_fault(L, 1);

	lua_pushstring(L, f->armed ? words[armed_state(f->armed)] : "over");
	return 1;
}

/* at(fault): seconds on the journal's clock, nil before it has happened */
static int at(lua_State *L)
{
	struct lua_fault *f = check_fault(L, 1);

	if (f->armed && armed_state(f->armed) != FAULT_ARMED && armed_fault(f->armed)->at_ns)
		lua_pushnumber(L, runtime_seconds(f->r, armed_fault(f->armed)->at_ns));
	else
		lua_pushnil(L);
	return 1;
}

static int fault_text(lua_State *L)
{
	lua_pushstring(L, check_fault(L, 1)->name);
	return 1;
}

/* kinds(): name → { args, heals } */
static int kinds(lua_State *L)
{
	lua_newtable(L);
	for (const struct fault_ops *const *k = fault_kinds(); *k; k++) {
		lua_newtable(L);
		lua_pushstring(L, (*k)->args);
		lua_setfield(L, -2, "args");
		lua_pushboolean(L, (*k)->heal != NULL);
		lua_setfield(L, -2, "heals");
		lua_setfield(L, -2, (*k)->name);
	}
	return 1;
}

int lua_fault_needs(const char *thing, const char *ground, struct strbuf *missing)
{
	const struct fault_ops *k = fault_find(thing);

	if (!strcmp(thing, "clock")) {
		char *lib = local_faketime();

		free(lib);
		if (!lib)
			strbuf_addstr(
				missing,
				"a server's clock that is off needs libfaketime: apt-get install faketime");
		return lib ? 1 : 0;
	}
	if (!k && strcmp(thing, "link") != 0)
		return -1;
	if ((!k || k->on == FAULT_ON_LINK || k->on == FAULT_ON_STORE_LINK) &&
	    !ground_can(ground, CLUSTER_LINK)) {
		strbuf_addf(missing, "%s: drtest can't come between the parties of the %s ground",
			    thing, ground);
		return 0;
	}
	if (k && k->on == FAULT_ON_DISK && strcmp(ground, "local") != 0) {
		strbuf_addf(
			missing,
			"%s: servers of the local ground alone have a disk of their own, not %s's",
			thing, ground);
		return 0;
	}
	if (k && k->on == FAULT_ON_PROCS &&
	    (!strcmp(ground, "attach") || !ground_can(ground, CLUSTER_KILL))) {
		strbuf_addf(missing, "%s: the %s ground gives no hold of its processes", thing,
			    ground);
		return 0;
	}
	return k && k->needs && k->needs(missing) < 0 ? 0 : 1;
}

int lua_fault_open(lua_State *L)
{
	static const luaL_Reg natives[] = {
		{ "link", link_make },
		{ "arm", arm },
		{ "settle", settle },
		{ "heal", heal },
		{ "heal_all", heal_all },
		{ "active", active },
		{ "state", state },
		{ "kinds", kinds },
		{ "at", at },
		{ "replay_process", lua_child_replay },
		{ NULL, NULL },
	};
	static const luaL_Reg link_methods[] = { { "stats", link_stats },
						 { "port", link_port },
						 { NULL, NULL } };

	luaL_newmetatable(L, FAULT_METATABLE);
	lua_pushcfunction(L, fault_text);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
	lua_child_metatable(L);
	luaL_newmetatable(L, LINK_METATABLE);
	lua_pushcfunction(L, link_text);
	lua_setfield(L, -2, "__tostring");
	lua_newtable(L);
	luaL_register(L, NULL, link_methods);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	lua_newtable(L);
	luaL_register(L, NULL, natives);
	if (luaL_loadbuffer(L, (const char *)embed_chaos_fault_lua, embed_chaos_fault_lua_size,
			    "=chaos/fault.lua"))
		return lua_error(L);
	lua_setfield(L, -2, "chunk");
	return 1;
}
