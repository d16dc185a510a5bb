#include "harness/run/runtime.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/secret.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/cluster.h"
#include "harness/os/fs.h"
#include "harness/run/run.h"
#include "harness/run/runtime_impl.h"

#define ERROR_METATABLE "drtest.error"
#define HEALTH_MS 50
static char registry_key; /* its address names the runtime in Lua's registry */

struct runtime *runtime_of(lua_State *L)
{
	struct runtime *r;

	lua_pushlightuserdata(L, &registry_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	r = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return r;
}

struct journal *runtime_journal(struct runtime *r)
{
	return r->journal;
}
const struct ground *runtime_ground(const struct runtime *r)
{
	return r->ground;
}
const struct run_tools *runtime_tools(const struct runtime *r)
{
	static const struct run_tools ours;

	return r->tools ? r->tools : &ours;
}

bool runtime_on_tidb(const struct runtime *r)
{
	return r->ground->tidb;
}

const char *runtime_tidb_version(const struct runtime *r)
{
	return r->tidb_version;
}

void runtime_stands_in(struct runtime *r, const char *what)
{
	if (!r->stands_in && r->journal)
		journal_event(r->journal, "standins", json_pack("{s:[s]}", "names", what));
	if (!r->stands_in)
		runtime_note(
			r, "stand-ins, not the real tools: %s; this run proves nothing about TiDB",
			what);
	r->stands_in = true;
}

uint64_t runtime_seed(const struct runtime *r)
{
	return r->seed;
}
enum run_store runtime_store(const struct runtime *r)
{
	return r->store;
}
bool runtime_keeps(const struct runtime *r)
{
	return r->keep;
}
const char *runtime_dir(const struct runtime *r)
{
	return r->dir;
}
const char *runtime_data_dir(const struct runtime *r)
{
	return r->data_dir;
}
bool runtime_planning(const struct runtime *r)
{
	return r->plan;
}
int64_t runtime_disaster_ns(const struct runtime *r)
{
	return r->disaster_ns;
}
int64_t runtime_disaster_wall_ms(const struct runtime *r)
{
	return r->disaster_wall_ms;
}
unsigned runtime_next_cluster(struct runtime *r)
{
	return r->clusters++;
}

char *runtime_log_path(const struct runtime *r, const char *process)
{
	return xstrfmt("%s/logs/%s.log", r->dir, process);
}

double runtime_seconds(const struct runtime *r, int64_t mono_ns)
{
	return r->journal ? (double)(mono_ns - journal_start_ns(r->journal)) / 1e9 : 0;
}

/* A store's URI without its query: how it is reached is the same in every line, and half of it
 * secret. */
static void cut_queries(char *text)
{
	char *p = text;

	while ((p = strstr(p, "s3://"))) {
		char *end = p + strcspn(p, " ,'"), *query = memchr(p, '?', (size_t)(end - p));

		if (query)
			memmove(query, end, strlen(end) + 1);
		p += 5;
	}
}

bool runtime_plan(struct runtime *r, const char *fmt, ...)
{
	struct strbuf raw = STRBUF_INIT, text = STRBUF_INIT;
	va_list ap;

	if (!r->plan)
		return false;
	va_start(ap, fmt);
	strbuf_vaddf(&raw, fmt, ap);
	va_end(ap);
	secret_redact(&text, raw.buf);
	cut_queries(text.buf);
	printf("       %s\n", text.buf);
	strbuf_release(&raw);
	strbuf_release(&text);
	return true;
}

/* ---- what the run owns */

void runtime_own(struct runtime *r, const struct runtime_ops *ops, void *object)
{
	pthread_mutex_lock(&r->lock);
	if (r->n_owned == r->room) {
		r->room = r->room ? r->room * 2 : 16;
		r->owned = xreallocarray(r->owned, r->room, sizeof(*r->owned));
	}
	r->owned[r->n_owned].ops = ops;
	r->owned[r->n_owned].object = object;
	r->owned[r->n_owned++].expected = true;
	pthread_mutex_unlock(&r->lock);
}

void *runtime_owned(const struct runtime *r, const struct runtime_ops *ops, size_t *at)
{
	while (*at < r->n_owned) {
		const struct owned *o = &r->owned[(*at)++];

		if (o->ops == ops)
			return o->object;
	}
	return NULL;
}

void runtime_expect(struct runtime *r, void *object, bool healthy)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->n_owned; i++)
		if (r->owned[i].object == object)
			r->owned[i].expected = healthy;
	pthread_mutex_unlock(&r->lock);
}

/* ---- routes */

void runtime_route_add(struct runtime *r, const char *party, int port, int via_port)
{
	struct route *free_one = r->n_routes < ROUTES_MAX ? &r->routes[r->n_routes] : NULL;

	for (size_t i = 0; i < r->n_routes; i++)
		if (r->routes[i].port == port && !strcmp(r->routes[i].party, party)) {
			r->routes[i].via_port = via_port;
			return;
		}
	if (!free_one)
		return;
	snprintf(free_one->party, sizeof(free_one->party), "%s", party);
	free_one->port = port;
	free_one->via_port = via_port;
	r->n_routes++;
}

int runtime_route(struct runtime *r, const char *party, int port)
{
	for (size_t i = 0; i < r->n_routes; i++)
		if (r->routes[i].port == port && !strcmp(r->routes[i].party, party))
			return r->routes[i].via_port;
	return port;
}

char *runtime_route_uri(struct runtime *r, const char *party, const char *uri)
{
	for (size_t i = 0; i < r->n_routes; i++) {
		char own[32];
		const char *at;
		size_t n = (size_t)snprintf(own, sizeof(own), "127.0.0.1:%d", r->routes[i].port);

		at = strcmp(r->routes[i].party, party) ? NULL : strstr(uri, own);
		if (at && (at[n] < '0' || at[n] > '9'))
			return xstrfmt("%.*s127.0.0.1:%d%s", (int)(at - uri), uri,
				       r->routes[i].via_port, at + n);
	}
	return xstrdup(uri);
}

int runtime_health(struct runtime *r, struct err *e)
{
	for (size_t i = 0; i < r->n_owned; i++) {
		struct owned *o = &r->owned[i];

		struct err why = ERR_INIT;

		/* asked again: a fault's thread may have killed it in the middle of the answer */
		if (o->expected && o->ops->health && o->ops->health(o->object, &why) < 0 &&
		    o->expected) {
			if (e)
				*e = why;
			return -1;
		}
	}
	return journal_error(r->journal, e);
}

int runtime_wait(struct runtime *r, int64_t ms, struct err *e)
{
	struct deadline d = deadline_in_ms(ms);

	for (;;) {
		if (runtime_health(r, e) < 0)
			return -1;
		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
		if (deadline_passed(d))
			return 0;
		pause_ms(HEALTH_MS, d);
	}
}

void runtime_fault(struct runtime *r, bool begins)
{
	r->faults += begins ? 1 : -1;
	r->fault_ns = clock_mono_ns();
}

void runtime_strike(struct runtime *r, bool *struck, bool begins)
{
	if (*struck != begins)
		runtime_fault(r, begins);
	*struck = begins;
}

bool runtime_calm(const struct runtime *r, int64_t for_ms)
{
	int64_t last = r->fault_ns > r->disaster_ns ? r->fault_ns : r->disaster_ns;

	return r->faults <= 0 && (!last || clock_mono_ns() - last >= for_ms * 1000000);
}

void runtime_teardown(struct runtime *r)
{
	while (r->n_owned) {
		struct owned o;

		pthread_mutex_lock(&r->lock);
		o = r->owned[--r->n_owned];
		pthread_mutex_unlock(&r->lock);
		o.ops->close(o.object, r->keep);
	}
	free(r->owned);
	r->owned = NULL;
	r->room = 0;
}

/* ---- errors */

int runtime_raise(lua_State *L, const struct err *e)
{
	struct err *u = lua_newuserdata(L, sizeof(*u));

	*u = *e;
	luaL_getmetatable(L, ERROR_METATABLE);
	lua_setmetatable(L, -2);
	return lua_error(L);
}

int runtime_usage(lua_State *L, const char *fmt, ...)
{
	struct err e = { .kind = ERR_USAGE };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	return runtime_raise(L, &e);
}

const struct err *runtime_error_at(lua_State *L, int index)
{
	const struct err *u = lua_touserdata(L, index);
	bool is;

	if (!u || !lua_getmetatable(L, index))
		return NULL;
	luaL_getmetatable(L, ERROR_METATABLE);
	is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is ? u : NULL;
}

static int error_text(lua_State *L)
{
	const struct err *e = luaL_checkudata(L, 1, ERROR_METATABLE);

	lua_pushstring(L, e->text);
	return 1;
}

/* ---- journal */

void runtime_figure(struct runtime *r, const char *name, json_t *value)
{
	if (!r->journal) {
		json_decref(value);
		return;
	}
	journal_event(r->journal, "figure", json_pack("{s:s,s:o}", "name", name, "value", value));
}

void runtime_note(struct runtime *r, const char *fmt, ...)
{
	struct strbuf raw = STRBUF_INIT, text = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&raw, fmt, ap);
	va_end(ap);
	secret_redact(&text, raw.buf);
	if (r->journal)
		journal_event(r->journal, "note", json_pack("{s:s}", "text", text.buf));
	if (r->console && r->journal)
		console_remark(r->console, "note", text.buf);
	strbuf_release(&raw);
	strbuf_release(&text);
}

void runtime_version(struct runtime *r, const char *what, const char *version)
{
	if (r->journal)
		journal_event(r->journal, "version",
			      json_pack("{s:s,s:s}", "name", what, "value", version));
}

/* ---- a call's table of fields */

static int wrong_field(lua_State *L, const char *what, const char *name, const char *want)
{
	return runtime_usage(L, "%s: %s has to be %s, not %s", what, name, want,
			     luaL_typename(L, -1));
}

static void take_field(lua_State *L, const char *what, const struct field *f)
{
	double n;
	int64_t ms;

	switch (f->type) {
	case FIELD_TEXT:
		if (lua_type(L, -1) != LUA_TSTRING)
			wrong_field(L, what, f->name, "text");
		*(const char **)f->out =
			lua_tostring(L, -1); /* stays alive in the caller's table */
		break;
	case FIELD_NUMBER:
	case FIELD_WHOLE:
		if (lua_type(L, -1) != LUA_TNUMBER)
			wrong_field(L, what, f->name, "a number");
		n = lua_tonumber(L, -1);
		if (f->type == FIELD_NUMBER) {
			*(double *)f->out = n;
			break;
		}
		if (!(n >= 0 && n <= 9007199254740992.0) || n != (double)(int64_t)n)
			runtime_usage(L, "%s: %s has to be a whole number from 0, not %g", what,
				      f->name, n);
		*(int64_t *)f->out = (int64_t)n;
		break;
	case FIELD_FLAG:
		if (lua_type(L, -1) != LUA_TBOOLEAN)
			wrong_field(L, what, f->name, "true or false");
		*(bool *)f->out = lua_toboolean(L, -1);
		break;
	case FIELD_DURATION_MS:
		ms = lua_type(L, -1) == LUA_TSTRING ? duration_parse_ms(lua_tostring(L, -1)) : -1;
		if (ms < 0)
			wrong_field(L, what, f->name, "a duration as \"20s\"");
		*(int64_t *)f->out = ms;
		break;
	case FIELD_ANY: break;
	}
}

void runtime_fields(lua_State *L, int index, const char *what, const struct field *fields)
{
	if (lua_isnoneornil(L, index))
		return;
	if (!lua_istable(L, index))
		runtime_usage(L, "%s takes a table of named values, not %s", what,
			      luaL_typename(L, index));
	lua_pushnil(L);
	while (lua_next(L, index)) {
		const struct field *f = fields;

		if (lua_type(L, -2) != LUA_TSTRING) {
			lua_pop(L, 1); /* positional values are the caller's */
			continue;
		}
		while (f->name && strcmp(f->name, lua_tostring(L, -2)) != 0)
			f++;
		if (!f->name)
			runtime_usage(L, "%s has no field '%s'", what, lua_tostring(L, -2));
		take_field(L, what, f);
		lua_pop(L, 1);
	}
}

void runtime_bind(lua_State *L, struct runtime *r)
{
	lua_pushlightuserdata(L, &registry_key);
	lua_pushlightuserdata(L, r);
	lua_rawset(L, LUA_REGISTRYINDEX);
	luaL_newmetatable(L, ERROR_METATABLE);
	lua_pushcfunction(L, error_text);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
