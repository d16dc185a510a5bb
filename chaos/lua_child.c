#include "chaos/lua_child.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/uri.h"
#include "harness/base/xalloc.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/os/fs.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"
#include "harness/run/routes.h"
#include "harness/run/runtime.h"

static unsigned serial; /* the main thread's */

static void child_close(void *object, bool keep)
{
	struct lua_child *c = object;

	(void)keep;
	proc_free(c->proc);
	free(c);
}

static const struct owned_ops ops = { .close = child_close };

struct lua_child *lua_child_check(lua_State *L, int index)
{
	return *(struct lua_child **)lua_object(L, index, CHILD_METATABLE);
}

/* "@PATH" of a file with the sink's URI: its password must not be in argv, and standard input has
 * the store's. */
static char *sink_of(struct runtime *r, struct lua_cluster *to, struct err *e)
{
	struct sql_endpoint ep = *cluster_endpoint(to->c);
	const char *zone = cluster_redo_time_zone(to->c);
	unsigned via = (unsigned)route_port(r, "replay", (int)ep.port);
	struct strbuf s = STRBUF_INIT;
	char *uri, *at = xstrfmt("@%s/sink-%u", runtime_data_dir(r), serial);
	int rc;

	if (via != ep.port) { /* a proxy on this machine */
		strcpy(ep.host, "127.0.0.1");
		ep.port = via;
	}
	uri = sql_endpoint_uri(&ep);
	strbuf_addstr(&s, uri);
	if (zone) {
		strbuf_addf(&s, "%ctime-zone=", strchr(uri, '?') ? '&' : '?');
		uri_encode(&s, zone, strlen(zone), "");
	}
	rc = fs_write_atomic(at + 1, s.buf, s.len, 0600, e);
	memset(s.buf, 0, s.len);
	memset(uri, 0, strlen(uri));
	strbuf_release(&s);
	free(uri);
	if (rc == 0)
		return at;
	free(at);
	return NULL;
}

int lua_child_replay(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_cluster *to = lua_cluster_alive(L, 1, "start_replay");
	const char *uri = luaL_checkstring(L, 2);
	char self[PATH_MAX], worker_text[24], memory_text[24];
	int64_t workers = 2, memory = 32;
	struct lua_child *c;
	struct err e = ERR_INIT;
	char *via, *tmp, *process, *sink;

	lua_cluster_allowed(L, to, ABLE_WRITE);
	lua_fields(L, 3, "start_replay",
		   (struct field[]){ { "workers", FIELD_WHOLE, &workers },
				     { "memory_mb", FIELD_WHOLE, &memory },
				     { NULL, 0, NULL } });
	c = xcalloc(1, sizeof(*c));
	owned_add(r, &ops, c);
	*(struct lua_child **)lua_newuserdata(L, sizeof(c)) = c;
	luaL_getmetatable(L, CHILD_METATABLE);
	lua_setmetatable(L, -2);
	snprintf(c->name, sizeof(c->name), "replay %u", ++serial);
	if (runtime_plan(r, "drtest redo apply --storage %s --sink-uri <%s>, as a separate process",
			 uri, to->name))
		return 1;
	proc_self(self);
	via = route_uri(r, "replay", uri);
	sink = sink_of(r, to, &e);
	if (!sink) {
		free(via);
		return lua_raise(L, &e);
	}
	snprintf(worker_text, sizeof(worker_text), "%" PRId64, workers);
	snprintf(memory_text, sizeof(memory_text), "%" PRId64 "MiB", memory);
	process = xstrfmt("replay-%u", serial);
	char *log = runtime_log_path(r, process);

	snprintf(c->log_path, sizeof(c->log_path), "%s", log);
	tmp = xstrfmt("%s/%s", runtime_data_dir(r), process);
	/* the store's key is in the URI: it goes by standard input */
	char *argv[] = { self,
			 (char *)"redo",
			 (char *)"apply",
			 (char *)"--storage",
			 (char *)"@/dev/stdin",
			 (char *)"--sink-uri",
			 sink,
			 (char *)"--tmp-dir",
			 tmp,
			 (char *)"--workers",
			 worker_text,
			 (char *)"--memory",
			 memory_text,
			 NULL };

	c->proc = proc_start(
		&(struct proc_opts){
			.name = c->name, .argv = argv, .log_path = log, .stdin_text = via },
		&e);
	free(via);
	free(sink);
	free(tmp);
	free(log);
	free(process);
	if (!c->proc)
		return lua_raise(L, &e);
	return 1;
}

/* child:running(), child:result(): nil while it runs; true, or false and how it ended with its
 * log's last line */
static int running(lua_State *L)
{
	struct lua_child *c = lua_child_check(L, 1);

	lua_pushboolean(L, c->proc && proc_running(c->proc));
	return 1;
}

static int result(lua_State *L)
{
	struct lua_child *c = lua_child_check(L, 1);
	struct strbuf tail = STRBUF_INIT;

	if (c->proc && proc_running(c->proc))
		return 0;
	lua_pushboolean(L, !c->proc || proc_exit_status(c->proc) == 0);
	proc_log_tail(c->log_path, 1, &tail);
	lua_pushfstring(L, "%s: %s%s%s", c->name, c->proc ? proc_how(c->proc) : "planned",
			tail.len ? ": " : "", tail.buf);
	strbuf_release(&tail);
	return 2;
}

static int text(lua_State *L)
{
	lua_pushstring(L, lua_child_check(L, 1)->name);
	return 1;
}

void lua_child_open(lua_State *L)
{
	static const luaL_Reg methods[] = { { "running", running },
					    { "result", result },
					    { NULL, NULL } };

	lua_class(L, CHILD_METATABLE, "process", text, methods);
}
