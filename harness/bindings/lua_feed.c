/* A changefeed in Lua. The feed itself is its source cluster's; this is the scenario's view of it.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_tso.h"
#include "harness/feed/status.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"
#include "harness/run/runtime.h"

#define METATABLE "drtest.feed"
#define STOP_MS 30000

static void feed_close(void *object, bool keep)
{
	struct lua_feed *f = object;

	(void)keep;
	free(f->left);
	free(f);
}

/* What the status says that is left out; each name is told once. A feed that is gone has said its
 * last. */
static void learn_left_out(struct lua_feed *f)
{
	struct feed_status st;
	unsigned n;

	if (!f->status_path[0] || feed_status_read(f->status_path, &st, NULL) < 0)
		return;
	if (st.not_carried[0] && strcmp(f->not_carried, st.not_carried) != 0)
		runtime_note(f->run, "changefeed %s does not replicate %s", f->id, st.not_carried);
	snprintf(f->not_carried, sizeof(f->not_carried), "%s", st.not_carried);
	n = st.n_left_out < FEED_LEFT_OUT_MAX ? st.n_left_out : FEED_LEFT_OUT_MAX;
	for (unsigned i = 0; i < n; i++) {
		bool known = false;

		for (unsigned k = 0; k < f->n_left; k++)
			known = known || !strcmp(f->left[k].name, st.left_out[i].name);
		if (!known)
			runtime_note(f->run, "changefeed %s does not replicate %s: %s", f->id,
				     st.left_out[i].name, st.left_out[i].reason);
	}
	if (n > f->n_left)
		f->left = xreallocarray(f->left, n, sizeof(*f->left));
	if (n)
		memcpy(f->left, st.left_out, n * sizeof(*f->left));
	f->n_left = n;
}

static int feed_health(void *object, struct err *e)
{
	struct lua_feed *f = object;
	struct feed_status st;

	if (f->running)
		learn_left_out(f);
	if (!f->running || !cluster_feed_runs(f->source->c, f->number))
		return 0;
	if (cluster_feed_status_of(f->source->c, f->number, &st, e) < 0)
		return -1;
	/* once for each trouble: its words change as the time passes */
	if (st.error[0] && !f->told)
		runtime_note(f->run, "changefeed %s: %s", f->id, st.error);
	f->told = st.error[0];
	return 0;
}

static void feed_sample(void *object, json_t *sample)
{
	struct lua_feed *f = object;
	struct feed_status st;
	json_t *s, *all;

	if (f->running && f->pid)
		owned_sample_process(sample, f->process, f->pid);
	if (!f->running || feed_status_read(f->status_path, &st, NULL) < 0)
		return;
	s = json_pack("{s:s,s:s,s:I,s:I}", "name", f->id, "state", feed_state_text(st.state),
		      "lag_ms", (json_int_t)(clock_wall_ms() - tso_ms(st.checkpoint_ts)),
		      "redo_bytes", (json_int_t)st.redo_bytes);
	json_object_set_new(s, "checkpoint_ts",
			    json_sprintf("%llu", (unsigned long long)st.checkpoint_ts));
	json_object_set_new(s, "resolved_ts",
			    json_sprintf("%llu", (unsigned long long)st.resolved_ts));
	if (st.log_still.ms >= FEED_STILL_MS)
		json_object_set_new(s, "log_still_ms", json_integer(st.log_still.ms));
	if (st.sink_still.ms >= FEED_STILL_MS)
		json_object_set_new(s, "sink_still_ms", json_integer(st.sink_still.ms));
	if (st.error[0])
		json_object_set_new(s, "error", json_string(st.error));
	if (st.resolved_ts) /* 0: not told */
		json_object_set_new(s, "resolved_lag_ms",
				    json_integer(clock_wall_ms() - tso_ms(st.resolved_ts)));
	all = json_object_get(sample, "feeds");
	if (!all) {
		all = json_array();
		json_object_set_new(sample, "feeds", all);
	}
	json_array_append(all, s);
	json_object_set_new(sample, "feed", s); /* the latest */
}

static const struct owned_ops ops = { feed_close, feed_health, feed_sample };

/* "d.t[1]" means itself. */
static char *pattern_of(const char *name)
{
	struct strbuf p = STRBUF_INIT;

	for (; *name; name++) {
		if (strchr("*?[\\", *name))
			strbuf_addch(&p, '\\');
		strbuf_addch(&p, *name);
	}
	return strbuf_detach(&p);
}

static void add_left_out(struct lua_left_out *out, const struct feed_left_out *l)
{
	char *pattern = pattern_of(l->name);

	for (size_t i = 0; i < out->n; i++)
		if (!strcmp(out->patterns[i], pattern)) {
			free(pattern);
			return;
		}
	if (out->n == LUA_LEFT_OUT_MAX) {
		free(pattern);
		return;
	}
	out->patterns[out->n++] = pattern;
	strbuf_addf(&out->words, "%s%s (%s)", out->n > 1 ? ", " : "", l->name, l->reason);
}

void lua_left_out(struct runtime *r, const struct lua_cluster *a, const struct lua_cluster *b,
		  struct lua_left_out *out)
{
	struct strbuf words = STRBUF_INIT, others = STRBUF_INIT;
	struct lua_feed *f;
	size_t at = 0;

	*out = (struct lua_left_out){ .words = STRBUF_INIT };
	while ((f = owned_next(r, &ops, &at))) {
		if (!((f->source == a && f->sink == b) || (f->source == b && f->sink == a)))
			continue;
		learn_left_out(f);
		for (unsigned k = 0; k < f->n_left; k++)
			add_left_out(out, &f->left[k]);
		if (f->not_carried[0] && !strstr(others.buf, f->not_carried))
			strbuf_addf(&others, "%s%s", others.len ? ", " : "", f->not_carried);
	}
	if (out->n)
		strbuf_addf(&words, "%zu table%s not replicated: %s", out->n,
			    out->n == 1 ? " is" : "s are", out->words.buf);
	if (others.len)
		strbuf_addf(&words, "%snot replicated: %s", words.len ? "; " : "", others.buf);
	strbuf_release(&others);
	strbuf_release(&out->words);
	out->words = words;
}

void lua_left_out_add(struct lua_left_out *to, char *evidence, size_t size)
{
	size_t n = strlen(evidence);

	if (to->words.len && n < size)
		snprintf(evidence + n, size - n, "%s%s", n ? "; " : "", to->words.buf);
}

void lua_left_out_release(struct lua_left_out *l)
{
	while (l->n)
		free(l->patterns[--l->n]);
	strbuf_release(&l->words);
}

struct lua_feed *lua_feed_push(lua_State *L, struct lua_cluster *source, struct lua_cluster *sink,
			       const char *id)
{
	struct runtime *r = runtime_of(L);
	struct lua_feed *f = xcalloc(1, sizeof(*f));

	f->run = r;
	f->source = source;
	source->feed = f;
	f->sink = sink;
	snprintf(f->id, sizeof(f->id), "%s", id);
	snprintf(f->process, sizeof(f->process), "feed %s", f->id);
	if (source->c) {
		f->number = cluster_feed_number(source->c);
		f->pid = cluster_feed_pid(source->c, f->number);
		cluster_feed_status_file(source->c, f->number, f->status_path,
					 sizeof(f->status_path));
	}
	f->running = true;
	owned_add(r, &ops, f);
	*(struct lua_feed **)lua_newuserdata(L, sizeof(f)) = f;
	luaL_getmetatable(L, METATABLE);
	lua_setmetatable(L, -2);
	return f;
}

static void feeds_of(struct runtime *r, const struct lua_cluster *source, bool dead)
{
	struct lua_feed *f;
	size_t at = 0;

	while ((f = owned_next(r, &ops, &at)))
		if (f->source == source && f->running) {
			owned_expect(r, f, false);
			f->running = !dead;
		}
}

void lua_feeds_doomed(struct runtime *r, const struct lua_cluster *source)
{
	feeds_of(r, source, false);
}

void lua_feeds_dead(struct runtime *r, const struct lua_cluster *source)
{
	feeds_of(r, source, true);
}

struct lua_feed *lua_feed_check(lua_State *L, int index)
{
	return *(struct lua_feed **)lua_object(L, index, METATABLE);
}

/* 0 with *st; in plan mode zeros. */
static struct lua_feed *status_of(lua_State *L, struct feed_status *st)
{
	struct lua_feed *f = lua_feed_check(L, 1);
	struct err e = ERR_INIT;

	memset(st, 0, sizeof(*st));
	if (!f->source->c)
		return f;
	if (!f->running || !cluster_feed_runs(f->source->c, f->number))
		lua_usage(L, "changefeed %s is no longer running", f->id);
	if (cluster_feed_status_of(f->source->c, f->number, st, &e) < 0)
		lua_raise(L, &e);
	return f;
}

static int lag_ms(lua_State *L)
{
	struct feed_status st;

	status_of(L, &st);
	lua_pushnumber(L, (lua_Number)st.lag_ms);
	return 1;
}

/* feed:lags_under "5s": does it, and how much it lags in words, for t:eventually's evidence. */
static int lags_under(lua_State *L)
{
	int64_t ms = duration_parse_ms(luaL_checkstring(L, 2));
	struct feed_status st;
	char text[1200];

	if (ms < 0)
		lua_usage(L, "feed:lags_under needs a time such as \"5s\"");
	status_of(L, &st);
	snprintf(text, sizeof(text), "it lags %.2f s%s%s", (double)st.lag_ms / 1000,
		 st.error[0] ? ": " : "", st.error);
	lua_pushboolean(L, st.lag_ms < ms);
	lua_pushstring(L, text);
	return 2;
}

/* feed:status(): as docs/SCENARIOS.md lists it */
static int status(lua_State *L)
{
	struct feed_status st;

	status_of(L, &st);
	lua_newtable(L);
	lua_pushstring(L, feed_state_text(st.state));
	lua_setfield(L, -2, "state");
	lua_pushnumber(L, (lua_Number)st.lag_ms);
	lua_setfield(L, -2, "lag_ms");
	lua_tso_push(L, st.checkpoint_ts);
	lua_setfield(L, -2, "checkpoint_ts");
	lua_tso_push(L, st.resolved_ts);
	lua_setfield(L, -2, "resolved_ts");
	lua_pushnumber(L, (lua_Number)st.transactions);
	lua_setfield(L, -2, "transactions");
	lua_pushnumber(L, (lua_Number)st.rows);
	lua_setfield(L, -2, "rows");
	lua_pushnumber(L, (lua_Number)st.redo_bytes);
	lua_setfield(L, -2, "redo_bytes");
	if (st.resolved_ts) { /* else nobody has told */
		lua_pushnumber(L, (lua_Number)(clock_wall_ms() - tso_ms(st.resolved_ts)));
		lua_setfield(L, -2, "resolved_lag_ms");
	}
	lua_pushboolean(L, st.sink_busy);
	lua_setfield(L, -2, "sink_busy");
	lua_pushstring(L, st.error);
	lua_setfield(L, -2, "error");
	lua_pushnumber(L, (lua_Number)st.log_still.ms);
	lua_setfield(L, -2, "log_still_ms");
	lua_pushnumber(L, (lua_Number)st.sink_still.ms);
	lua_setfield(L, -2, "sink_still_ms");
	return 1;
}

/* feed:reached(position): is everything up to it on the sink? */
static int reached(lua_State *L)
{
	struct feed_status st;
	struct lua_feed *f = status_of(L, &st);

	lua_pushboolean(L, !f->source->c ||
				   st.checkpoint_seq >= strtoull(luaL_checkstring(L, 2), NULL, 10));
	if (!st.error[0])
		return 1;
	lua_pushstring(L, st.error);
	return 2;
}

static int stop(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_feed *f = lua_feed_check(L, 1);
	struct err e = ERR_INIT;

	if (runtime_on_tidb(r) &&
	    runtime_plan(
		    r,
		    "pause changefeed %s with TiCDC's API (removing it would delete its redo log)",
		    f->id))
		return 0;
	if (runtime_plan(r, "stop changefeed %s cleanly: SIGTERM, drained, checkpoint moved",
			 f->id) ||
	    !f->running)
		return 0;
	owned_expect(r, f, false);
	f->running = false;
	if (cluster_feed_stop(f->source->c, f->number, deadline_in_ms(STOP_MS), &e) < 0)
		return lua_raise(L, &e);
	return 0;
}

static int feed_text(lua_State *L)
{
	lua_pushstring(L, lua_feed_check(L, 1)->id);
	return 1;
}

void lua_feed_metatable(lua_State *L)
{
	static const luaL_Reg methods[] = { { "lag_ms", lag_ms }, { "lags_under", lags_under },
					    { "status", status }, { "reached", reached },
					    { "stop", stop },     { NULL, NULL } };

	lua_class(L, METATABLE, "feed", feed_text, methods);
	lua_pop(L, 1);
}
