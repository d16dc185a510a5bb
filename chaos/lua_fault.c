/* The natives behind chaos/fault.lua: links, faults in time, and what the run has to know of them:
 * the journal, health, the disaster's clock. Hooks may run in other threads; what belongs to the
 * main thread (a dead cluster's bookkeeping) waits for settle(). */
#include "chaos/lua_fault.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/lua_child.h"
#include "chaos/lua_fault_impl.h"
#include "harness/base/embed.h"
#include "harness/base/xalloc.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_store.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"
#include "harness/run/recovery.h"
#include "harness/run/runtime.h"

EMBEDDED(chaos_fault_lua);

#define FAULT_METATABLE "drtest.fault"
#define SETTLE_MS 20000
static char registry_key;

/* ---- the run's side */

static void before(void *arg, void *tag)
{
	struct lua_fault *f = tag;

	(void)arg;
	for (size_t i = 0; f->deadly && i < f->n_struck; i++) {
		struct struck *s = &f->struck[i];
		struct lua_cluster *c = s->object;

		owned_expect(f->r, s->object, false);
		if (s->kind != STRUCK_CLUSTER)
			continue;
		if (s->part != CLUSTER_FEED)
			c->doomed = true;
		if (s->part != CLUSTER_SERVER)
			lua_feeds_doomed(f->r, c);
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

static const struct owned_ops ops = { .close = faults_close };

struct faults *lua_faults_of(lua_State *L)
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
	owned_add(r, &ops, x);
	if (!runtime_planning(r)) {
		x->chaos = chaos_new(&(struct chaos_hooks){ before, after, healed, x }, &e);
		if (!x->chaos)
			lua_raise(L, &e);
	}
	lua_pushlightuserdata(L, &registry_key);
	lua_pushlightuserdata(L, x);
	lua_rawset(L, LUA_REGISTRYINDEX);
	return x;
}

bool lua_is_a(lua_State *L, int index, const char *metatable)
{
	bool is;

	if (!lua_isuserdata(L, index) || !lua_getmetatable(L, index))
		return false;
	luaL_getmetatable(L, metatable);
	is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is;
}

/* ---- faults */

static struct lua_fault *check_fault(lua_State *L, int index)
{
	return *(struct lua_fault **)lua_object(L, index, FAULT_METATABLE);
}

/* k: NULL of a link. */
static bool ground_lacks(const struct fault_ops *k, const char *thing, const struct ground *ground,
			 struct strbuf *missing)
{
	if ((!k || k->on == FAULT_ON_LINK || k->on == FAULT_ON_STORE_LINK) &&
	    !ground_can(ground, ABLE_LINK)) {
		strbuf_addf(missing,
			    "%s: drtest cannot put a proxy between the parties of the "
			    "%s ground",
			    thing, ground->name);
		return true;
	}
	if (k && k->on == FAULT_ON_DISK && !ground_can(ground, ABLE_OWN_DISK)) {
		strbuf_addf(
			missing,
			"%s: only servers of the local ground have their own disk, not those of "
			"%s",
			thing, ground->name);
		return true;
	}
	if (k && k->on == FAULT_ON_PROCS && !ground_can(ground, ABLE_STRIKE)) {
		strbuf_addf(missing, "%s: drtest has no access to the processes of the %s ground",
			    thing, ground->name);
		return true;
	}
	return false;
}

/* arm(kind, target or targets, args, when, { part, disaster, may_die }) */
static int arm(lua_State *L)
{
	struct faults *x = lua_faults_of(L);
	const struct fault_ops *kind = fault_find(luaL_checkstring(L, 1));
	struct fault fault = { .ops = kind };
	struct chaos_when when = { 0 };
	struct lua_fault *f = xcalloc(1, sizeof(*f));
	const char *part = NULL;
	enum cluster_part which_part = CLUSTER_ALL;
	int which = CLUSTER_EACH;
	struct strbuf missing = STRBUF_INIT;
	struct err e = ERR_INIT;
	bool may_die = false;
	double at_s;

	f->r = x->r;
	f->next = x->all;
	x->all = f;
	if (!kind)
		lua_usage(L, "unknown fault '%s'", lua_tostring(L, 1));
	if (ground_lacks(kind, kind->name, runtime_ground(x->r), &missing))
		err_set(&e, ERR_UNSUPPORTED, 0, "%s", missing.buf);
	strbuf_release(&missing);
	if (e.kind != ERR_NONE)
		lua_raise(L, &e);
	lua_fields(L, 5, "t:fault",
		   (struct field[]){ { "part", FIELD_TEXT, &part },
				     { "disaster", FIELD_FLAG, &f->disaster },
				     { "may_die", FIELD_FLAG, &may_die },
				     { NULL, 0, NULL } });
	if (part) {
		lua_cluster_part(L, part, &which_part, &which);
		if ((which_part == CLUSTER_PD || which_part == CLUSTER_STORAGE ||
		     which != CLUSTER_EACH) &&
		    !ground_can(runtime_ground(x->r), ABLE_KILL_COMPONENT))
			lua_usage(
				L,
				"t:fault: a cluster of the %s ground has no %s: its parts are \"server\" and \"changefeed\"",
				runtime_ground(x->r)->name, part);
	}
	f->deadly = may_die || kind == &fault_kill || kind == &fault_interrupt;
	lua_fault_read_args(L, 3, &fault.args);
	at_s = lua_fault_read_when(L, 4, &when);
	*(struct lua_fault **)lua_newuserdata(L, sizeof(f)) = f;
	luaL_getmetatable(L, FAULT_METATABLE);
	lua_setmetatable(L, -2);
	lua_fault_read_targets(L, 2, kind, f, &fault.target, which_part, which);
	if (kind->check && kind->check(&fault, &e) < 0) {
		fault_release(&fault);
		lua_raise(L, &e);
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
		return lua_raise(L, &e);
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
				       "%s: %u processes are still running after SIGKILL", c->name,
				       n);
	}
	cluster_part_died(c->c, part);
	if (c->feed && !cluster_feeds(c->c))
		c->feed->running = false;
	return 0;
}

static struct proc *find_leader(const struct struck *s)
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
		return lua_raise(L, &fault->error);
	if (f->disaster)
		recovery_disaster(f->r, fault->ops->name, fault->target.name, fault->at_ns);
	for (size_t i = 0; f->deadly && i < f->n_struck; i++) {
		struct struck *s = &f->struck[i];
		struct proc *p = find_leader(s);
		struct lua_feed *feed = s->object;

		if (p && (fault->ops == &fault_kill || fault->ops == &fault_interrupt))
			proc_wait(p, deadline_in_ms(SETTLE_MS));
		bool killed = fault->ops == &fault_kill || fault->ops == &fault_interrupt;
		bool by_components = ground_can(runtime_ground(f->r), ABLE_KILL_COMPONENT);
		bool component = s->kind == STRUCK_CLUSTER && s->part != CLUSTER_ALL && killed &&
				 by_components;

		if (component && settle_component(s->object, s, s->part, &e) < 0)
			return lua_raise(L, &e);
		if (s->kind == STRUCK_FEED && !p && killed &&
		    settle_component(feed->source, s, CLUSTER_FEED, &e) < 0)
			return lua_raise(L, &e);
		if (s->kind == STRUCK_CLUSTER && !component &&
		    settle_cluster(s, by_components, &e) < 0)
			return lua_raise(L, &e);
		if (s->kind == STRUCK_STORE && p && !proc_running(p))
			lua_store_down(s->object);
		if (s->kind == STRUCK_FEED && p && !proc_running(p)) {
			feed->running = false;
			if (cluster_kill(feed->source->c, CLUSTER_FEED, NULL, &e) < 0)
				return lua_raise(L, &e);
		}
	}
	return 0;
}

/* heal(fault): nil, or why it could not be healed */
static int heal(lua_State *L)
{
	struct faults *x = lua_faults_of(L);
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
	struct faults *x = lua_faults_of(L);
	struct err e = ERR_INIT;

	if (!x->chaos || chaos_heal_all(x->chaos, &e) == 0)
		return 0;
	lua_pushstring(L, e.text);
	return 1;
}

/* active(): how many are, and their names */
static int active(lua_State *L)
{
	struct faults *x = lua_faults_of(L);
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

int lua_fault_needs(const char *thing, const struct ground *ground, struct strbuf *missing)
{
	const struct fault_ops *k = fault_find(thing);

	if (!strcmp(thing, "clock")) {
		char *lib = local_faketime();

		free(lib);
		if (!lib)
			strbuf_addstr(
				missing,
				"a server with a wrong clock needs libfaketime: apt-get install "
				"faketime");
		return lib ? 1 : 0;
	}
	if (!k && strcmp(thing, "link") != 0)
		return -1;
	if (ground_lacks(k, thing, ground, missing))
		return 0;
	return k && k->needs && k->needs(missing) < 0 ? 0 : 1;
}

int lua_fault_open(lua_State *L)
{
	static const luaL_Reg natives[] = {
		{ "link", lua_link_make },
		{ "arm", arm },
		{ "settle", settle },
		{ "heal", heal },
		{ "heal_all", heal_all },
		{ "active", active },
		{ "state", state },
		{ "kinds", kinds },
		{ "at", at },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, FAULT_METATABLE);
	lua_pushcfunction(L, fault_text);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
	lua_link_metatable(L);
	lua_newtable(L);
	luaL_register(L, NULL, natives);
	lua_child_open(L);
	lua_setfield(L, -2, "process");
	lua_cluster_method(L, "start_replay", lua_child_replay);
	if (luaL_loadbuffer(L, (const char *)embed_chaos_fault_lua, embed_chaos_fault_lua_size,
			    "=" LUA_OWN_CHUNK "fault.lua"))
		return lua_error(L);
	lua_setfield(L, -2, "chunk");
	return 1;
}
