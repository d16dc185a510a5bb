#include "harness/run/runtime.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/secret.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/cluster.h"
#include "harness/os/fs.h"
#include "harness/run/lua_args.h"
#include "harness/run/run.h"
#include "harness/run/runtime_impl.h"

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

void runtime_bind(lua_State *L, struct runtime *r)
{
	lua_pushlightuserdata(L, &registry_key);
	lua_pushlightuserdata(L, r);
	lua_rawset(L, LUA_REGISTRYINDEX);
	lua_args_open(L);
}
