/* t:store: a MinIO of our own with its buckets, or directories (--store file), behind one object.
 */
#include "harness/bindings/lua_store.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/base/xalloc.h"
#include "harness/bindings/bindings.h"
#include "harness/net/minio.h"
#include "harness/net/store.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"

#define METATABLE "drtest.store"
#define START_MS 30000
#define PORT 6060 /* the guide's */

static void store_close(void *object, bool keep)
{
	struct lua_store *s = object;

	if (keep && s->minio)
		minio_detach(s->minio);
	else
		minio_free(s->minio);
	free(s->log_path);
	for (size_t i = 0; i < s->n_buckets; i++)
		free(s->bucket[i]);
	free(s);
}

static int store_health(void *object, struct err *e)
{
	struct lua_store *s = object;
	struct strbuf tail = STRBUF_INIT;

	if (!s->minio || proc_running(minio_proc(s->minio)))
		return 0;
	proc_log_tail(s->log_path, 3, &tail);
	err_set(e, proc_killed_by_others(minio_proc(s->minio)) ? ERR_KILLED : ERR_ENV, 0,
		"the store died: MinIO ended with %s%s%s", proc_how(minio_proc(s->minio)),
		tail.len ? ": " : "", tail.buf);
	strbuf_release(&tail);
	return -1;
}

static void store_sample(void *object, json_t *sample)
{
	const struct lua_store *s = object;

	if (s->pid)
		owned_sample_process(sample, "store", s->pid);
}

static const struct owned_ops ops = { .close = store_close,
				      .health = store_health,
				      .sample = store_sample };

static char *bucket_uri(const struct runtime *r, const struct lua_store *s, const char *path)
{
	if (s->remote) { /* a prefix of this run's own under what the file gives */
		size_t n = strcspn(s->remote, "?"), bare = n;

		while (bare && s->remote[bare - 1] == '/')
			bare--;
		return xstrfmt("%.*s/%s/%s%s", (int)bare, s->remote,
			       strrchr(runtime_data_dir(r), '/') + 1, path, s->remote + n);
	}
	if (s->port)
		return xstrfmt(
			"s3://%s?access-key=%s&secret-access-key=%s&endpoint=http://127.0.0.1:%d&force-path-style=true",
			path, s->user, s->password, s->port);
	return xstrfmt("file://%s/store/%s", runtime_data_dir(r), path);
}

struct lua_store *lua_store_check(lua_State *L, int index)
{
	return *(struct lua_store **)lua_object(L, index, METATABLE);
}

static struct lua_store *check_store(lua_State *L)
{
	return lua_store_check(L, 1);
}

void lua_store_down(struct lua_store *s)
{
	s->pid = 0;
	if (s->minio)
		/* it is dead or dying: reaped */
		proc_kill_all((struct proc *[]){ minio_proc(s->minio) }, 1, NULL, NULL);
}

/* store:url "bucket" or "bucket/prefix" */
static int url(lua_State *L)
{
	struct lua_store *s = check_store(L);
	const char *path = luaL_checkstring(L, 2);
	size_t n = strcspn(path, "/");
	char *uri;

	for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
		if (!strncmp(part, "..", 2) && (part[2] == '/' || !part[2]))
			return lua_usage(L,
					 "store:url: a prefix must not contain \"..\": "
					 "\"%.200s\"",
					 path);
	for (size_t i = 0; i < s->n_buckets; i++)
		if (strlen(s->bucket[i]) == n && !strncmp(s->bucket[i], path, n)) {
			uri = bucket_uri(runtime_of(L), s, path);
			lua_pushstring(L, uri);
			free(uri);
			return 1;
		}
	return lua_usage(L,
			 "the store has no bucket '%.*s': list it in t:store { buckets = { … } }",
			 (int)n, path);
}

static int store_text(lua_State *L)
{
	struct lua_store *s = check_store(L);

	if (s->remote)
		lua_pushlstring(L, s->remote, strcspn(s->remote, "?"));
	else if (s->port)
		lua_pushfstring(L, "s3://127.0.0.1:%d", s->port);
	else
		lua_pushfstring(L, "file://%s/store", runtime_data_dir(runtime_of(L)));
	return 1;
}

static void read_buckets(lua_State *L, struct lua_store *s)
{
	lua_getfield(L, 1, "buckets");
	if (!lua_istable(L, -1))
		lua_usage(L, "t:store needs buckets = { \"backup\", \"redo\" }");
	for (int i = 1;; i++) {
		lua_rawgeti(L, -1, i);
		if (lua_isnil(L, -1))
			break;
		if (lua_type(L, -1) != LUA_TSTRING || s->n_buckets == STORE_BUCKETS_MAX)
			lua_usage(L, "t:store: at most %d buckets", STORE_BUCKETS_MAX);
		const char *name = lua_tostring(L, -1);

		if (strlen(name) < 3 || strlen(name) > 63 ||
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(name) ||
		    *name == '.' || strstr(name, ".."))
			lua_usage(
				L,
				"t:store: a bucket has 3 to 63 lower-case letters, digits, dots and dashes, not \"%.70s\"",
				name);
		s->bucket[s->n_buckets++] = xstrdup(name);
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
}

static int make_buckets(struct runtime *r, struct lua_store *s, struct err *e)
{
	for (size_t i = 0; i < s->n_buckets; i++) {
		char *uri = bucket_uri(r, s, s->bucket[i]);
		struct store *st = store_open(uri, NULL, e);
		int rc = st ? store_create_bucket(st, e) : -1;

		store_free(st);
		free(uri);
		if (rc < 0)
			return err_wrap(e, "create bucket %s", s->bucket[i]);
	}
	return 0;
}

static struct minio_opts options(const struct runtime *r, const struct lua_store *s,
				 const char *data_dir)
{
	return (struct minio_opts){ .data_dir = data_dir,
				    .log_path = s->log_path,
				    .user = s->user,
				    .password = s->password,
				    .port = s->port,
				    .outlives_us = runtime_keeps(r) };
}

/* store:start(): again, with its data, after it was killed */
static int start(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_store *s = check_store(L);
	struct err e = ERR_INIT;
	char *data_dir;
	int rc;

	if (runtime_plan(r, "start the store again, on its port, with its data"))
		return 0;
	if (!s->minio || s->pid)
		lua_usage(L, "store:start: %s", s->minio ? "it runs" : "it is a directory");
	data_dir = xstrfmt("%s/store", runtime_data_dir(r));
	struct minio_opts o = options(r, s, data_dir);
	rc = minio_restart(s->minio, &o, deadline_in_ms(START_MS), &e);
	free(data_dir);
	if (rc < 0)
		return lua_raise(L, &e);
	s->pid = proc_pid(minio_proc(s->minio));
	owned_expect(r, s, true);
	return 0;
}

/* Others on this machine can reach the port too, so each run has a password of its own. */
static int choose_password(char out[33], struct err *e)
{
	unsigned char random[16];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_sys(e, "random bytes for a key");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(out + 2 * i, 3, "%02x", random[i]);
	return 0;
}

/* The table at index 1, into s; returns the port that it asks for. */
static int read_options(lua_State *L, struct lua_store *s)
{
	const char *user = "drtest", *password = NULL;
	char own[33] = "";
	int64_t port = PORT;
	struct err e = ERR_INIT;

	lua_fields(L, 1, "t:store",
		   (struct field[]){ { "buckets", FIELD_ANY, NULL },
				     { "user", FIELD_TEXT, &user },
				     { "password", FIELD_TEXT, &password },
				     { "port", FIELD_WHOLE, &port },
				     { NULL, 0, NULL } });
	if (!password) {
		if (choose_password(own, &e) < 0)
			lua_raise(L, &e);
		password = own;
	}
	if (strlen(user) >= sizeof(s->user) || strlen(password) >= sizeof(s->password) ||
	    strlen(password) < 8 || strlen(user) < 3 || port > 65535)
		lua_usage(L, "t:store: user must have 3 to 64 bytes, password 8 to 128; port must "
			     "be at most 65535");
	strcpy(s->user, user);
	strcpy(s->password, password);
	read_buckets(L, s);
	return (int)port;
}

/* The clusters file's store, which stays. */
static int use_remote(lua_State *L, struct runtime *r, struct lua_store *s)
{
	const struct ground *g = runtime_ground(r);
	struct err e = ERR_INIT;

	if (g->store(&s->remote, &e) < 0)
		lua_usage(L, "%s", e.text);
	runtime_plan(r, "the clusters file's store, under a prefix for this run; the objects "
			"stay there");
	if (!runtime_planning(r) && g->leaves_objects &&
	    g->leaves_objects(strrchr(runtime_data_dir(r), '/') + 1, &e) < 0)
		return lua_raise(L, &e);
	return 1;
}

static int start_minio(struct runtime *r, struct lua_store *s, int port, struct err *e)
{
	char *data_dir = xstrfmt("%s/store", runtime_data_dir(r));
	struct minio_opts o;

	s->log_path = runtime_log_path(r, "store");
	o = options(r, s, data_dir);
	s->minio = minio_start(&o, deadline_in_ms(START_MS), e);
	free(data_dir);
	if (!s->minio)
		return -1;
	s->port = minio_port(s->minio);
	s->pid = proc_pid(minio_proc(s->minio));
	if (s->port != port)
		runtime_note(r, "port %d is in use: the store listens on %d", port, s->port);
	owned_expect(r, s, true);
	return 0;
}

static int make(lua_State *L)
{
	struct runtime *r = runtime_of(L);
	struct lua_store *s = xcalloc(1, sizeof(*s));
	struct err e = ERR_INIT;
	int port;

	owned_add(r, &ops, s); /* whatever happens below */
	owned_expect(r, s, false);
	port = read_options(L, s);
	*(struct lua_store **)lua_newuserdata(L, sizeof(s)) = s;
	luaL_getmetatable(L, METATABLE);
	lua_setmetatable(L, -2);
	if (runtime_ground(r)->store)
		return use_remote(L, r, s);
	if (runtime_store(r) == RUN_STORE_S3)
		s->port = port;
	if (runtime_plan(
		    r,
		    s->port ? "minio server --address 127.0.0.1:%d (or a free port)   # user %s"
			    : "mkdir the store's directories",
		    s->port, s->user)) {
		for (size_t i = 0; i < s->n_buckets; i++)
			runtime_plan(r, s->port ? "create bucket s3://%s" : "mkdir store/%s",
				     s->bucket[i]);
		return 1;
	}
	if (s->port && start_minio(r, s, port, &e) < 0)
		return lua_raise(L, &e);
	if (make_buckets(r, s, &e) < 0)
		return lua_raise(L, &e);
	return 1;
}

int lua_store_open(lua_State *L)
{
	static const luaL_Reg methods[] = { { "url", url }, { "start", start }, { NULL, NULL } };

	lua_class(L, METATABLE, "store", store_text, methods);
	lua_pop(L, 1);
	lua_pushcfunction(L, make);
	return 1;
}
