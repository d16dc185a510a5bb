#include "harness/run/scenario.h"

#include <errno.h>
#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/embed.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/lua_state.h"
#include "harness/run/lua_args.h"
#include "harness/run/runtime_impl.h"
#include "harness/run/sandbox.h"

EMBEDDED(harness_run_scenario_lua);
EMBEDDED(harness_run_ways_lua);

#define HOOK_INSTRUCTIONS 100000
#define FRAMES_MAX 20
#define SCRIPT_KIB_MAX (512 * 1024) /* garbage included */
/* of one step of it; the rest is for what the harness makes there */
#define MEMORY_BYTES_MAX ((size_t)768 << 20)

/* What a file may compute before it returns its scenario, and a plan, where nothing is waited for:
 * in processor time, which a busy machine does not shorten. */
#define LOAD_CPU_S 10
#define PLAN_CPU_S 30
static int64_t cpu_limit_s; /* 0: none */

static int64_t cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec;
}

/* Interrupts a script that computes without end, or keeps without end what it computes. */
static void end_if_due(lua_State *L, lua_Debug *ar)
{
	struct err e = ERR_INIT;

	(void)ar;
	if (lua_gc(L, LUA_GCCOUNT, 0) > SCRIPT_KIB_MAX)
		lua_usage(L, "the script holds more than %d MiB of memory", SCRIPT_KIB_MAX / 1024);
	if (cpu_limit_s && cpu_s() > cpu_limit_s)
		lua_usage(L, "the script has computed for too long without an end: is this an "
			     "endless loop?");
	if (!clock_cancelled())
		return;
	err_set(&e, ERR_CANCELLED, 0, "interrupted");
	lua_raise(L, &e);
}

static int refuse_global(lua_State *L)
{
	const char *name = lua_isstring(L, 2) ? lua_tostring(L, 2) : "?";

	if (!strcmp(name, "print"))
		return lua_misspelt(L, "undefined variable 'print' (use t:note(text))");
	return lua_misspelt(L, "undefined variable '%s' (scenarios have no globals: use local)",
			    name);
}

/* Pushes the table `native` of scenario.lua. */
static void open_natives(lua_State *L, const struct runtime_module *modules)
{
	lua_newtable(L);
	lua_steps_open(L);
	lua_setfield(L, -2, "steps");
	if (luaL_loadbuffer(L, (const char *)embed_harness_run_ways_lua,
			    embed_harness_run_ways_lua_size, "=" LUA_OWN_CHUNK "ways.lua"))
		lua_error(L);
	lua_setfield(L, -2, "ways");
	for (const struct runtime_module *m = modules; m && m->name; m++) {
		m->open(L);
		lua_setfield(L, -2, m->name);
	}
}

static int open_state(lua_State *L)
{
	struct {
		struct runtime *r;
		const struct runtime_module *modules;
		const char *path;
		struct scenario *s;
	} *in = lua_touserdata(L, 1);
	/* a scenario works through t */
	static const char *const removed[] = { "print", "collectgarbage" };

	sandbox_open(L, in->path, false);
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++) {
		lua_pushnil(L);
		lua_setglobal(L, removed[i]);
	}
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "loaded");
	if (luaL_loadbuffer(L, (const char *)embed_harness_run_scenario_lua,
			    embed_harness_run_scenario_lua_size, "=" LUA_OWN_CHUNK "scenario.lua"))
		return lua_error(L);
	runtime_bind(L, in->r);
	open_natives(L, in->modules);
	lua_call(L, 1, 1);
	lua_pushvalue(L, -1);
	in->s->api_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_getfield(L, -1, "scenario");
	lua_setfield(L, -3, "drtest.scenario");
	lua_getfield(L, -1, "text");
	lua_setfield(L, -3, "drtest.text");
	lua_getfield(L, -1, "drill");
	lua_setfield(L, -3, "drtest.drill");
	lua_pop(L, 3);
	lua_pushvalue(L, LUA_GLOBALSINDEX);
	lua_newtable(L);
	lua_pushcfunction(L, refuse_global);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, refuse_global);
	lua_setfield(L, -2, "__newindex");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
	return 0;
}

/* The error value at the top as an err; pops it. */
static int take_error(lua_State *L, struct err *e)
{
	const struct err *u = lua_error_at(L, -1);

	if (u && e)
		*e = *u;
	else if (!u && lua_isstring(L, -1) && !strcmp(lua_tostring(L, -1), LUA_STATE_NO_MEMORY))
		err_set(e, ERR_USAGE, 0, "the script holds more than %d MiB of memory",
			SCRIPT_KIB_MAX / 1024);
	else if (!u)
		err_set(e, ERR_USAGE, 0, "%s",
			lua_isstring(L, -1) ? lua_tostring(L, -1)
					    : "the script raised an error that is not text");
	lua_pop(L, 1);
	return -1;
}

/* The first comment of the file, its lines joined. */
static char *first_comment(const char *p)
{
	struct strbuf s = STRBUF_INIT;

	while (!strncmp(p, "--", 2) && strncmp(p, "--[", 3) != 0) {
		size_t n;

		p += 2;
		p += strspn(p, " -");
		n = strcspn(p, "\r\n");
		if (s.len && n)
			strbuf_addch(&s, ' ');
		strbuf_add(&s, p, n);
		p += n;
		p += strspn(p, "\r");
		p += *p == '\n';
	}
	return strbuf_detach(&s);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct scenario_option *)a)->name,
		      ((const struct scenario_option *)b)->name);
}

static const char *plain_text(lua_State *L, int index)
{
	return lua_isboolean(L, index) ? (lua_toboolean(L, index) ? "true" : "false")
				       : lua_tostring(L, index);
}

static int read_options(struct scenario *s, struct err *e)
{
	lua_State *L = s->L;

	lua_getfield(L, -1, "options");
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		struct scenario_option *o = &s->option[s->n_options];

		if (s->n_options == SCENARIO_OPTIONS_MAX) {
			lua_pop(L, 3);
			return err_set(e, ERR_USAGE, 0, "%s: more than %d options", s->path,
				       SCENARIO_OPTIONS_MAX);
		}
		s->n_options++;
		lua_rawgeti(L, -1, 1);
		lua_rawgeti(L, -2, 2);
		o->name = xstrdup(lua_tostring(L, -4));
		o->help = xstrdup(lua_tostring(L, -1));
		lua_pushvalue(L, -2);
		o->value = xstrdup(plain_text(L, -1));
		lua_pop(L, 4);
	}
	lua_pop(L, 1);
	qsort(s->option, s->n_options, sizeof(s->option[0]), by_name);
	return 0;
}

static bool is_scenario(lua_State *L)
{
	bool yes = false;

	if (lua_istable(L, -1) && lua_getmetatable(L, -1)) {
		lua_getfield(L, -1, "__name");
		yes = lua_isstring(L, -1) && !strcmp(lua_tostring(L, -1), "drtest.scenario");
		lua_pop(L, 2);
	}
	return yes;
}

int scenario_open(struct scenario *s, const char *path, struct runtime *r,
		  const struct runtime_module *modules, struct err *e)
{
	struct {
		struct runtime *r;
		const struct runtime_module *modules;
		const char *path;
		struct scenario *s;
	} in = { r, modules, path, s };
	struct strbuf text = STRBUF_INIT;
	char *chunk;
	int rc;

	memset(s, 0, sizeof(*s));
	s->path = xstrdup(path);
	if (access(path, R_OK) < 0)
		return err_set(e, ERR_USAGE, errno, "scenario %s: %s (see `drtest list`)", path,
			       strerror(errno));
	if (fs_read_file(path, SCENARIO_BYTES_MAX, &text, e) < 0) {
		strbuf_release(&text);
		if (e)
			e->kind = ERR_USAGE;
		return err_wrap(e, "scenario");
	}
	strbuf_drop_bom(&text);
	s->source_bytes = text.len;
	s->source = strbuf_detach(&text);
	s->sentence = first_comment(s->source);
	s->L = lua_state_new(MEMORY_BYTES_MAX);
	if (!s->L)
		return err_set(e, ERR_IO, 0, "not enough memory for a Lua state");
	/* the hook has to be called: compiled loops would not */
	luaJIT_setmode(s->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	if (lua_cpcall(s->L, open_state, &in))
		return take_error(s->L, e);
	lua_sethook(s->L, end_if_due, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
	chunk = xstrfmt("@%s", path);
	rc = sandbox_load(s->L, s->source, s->source_bytes, chunk);
	free(chunk);
	cpu_limit_s = cpu_s() + LOAD_CPU_S;
	rc = rc || lua_pcall(s->L, 0, 1, 0);
	cpu_limit_s = 0;
	if (rc) {
		take_error(s->L, e);
		/* `return scenario { … }` is a tail call: its errors have lost their place */
		return e && strncmp(e->text, path, strlen(path)) != 0 ? err_wrap(e, "%s", path)
								      : -1;
	}
	if (!is_scenario(s->L))
		return err_set(
			e, ERR_USAGE, 0,
			"%s: a scenario file must end with: return scenario { name = …, options "
			"= …, run = … }",
			path);
	lua_getfield(s->L, -1, "name");
	s->name = xstrdup(lua_tostring(s->L, -1));
	lua_pop(s->L, 1);
	if (read_options(s, e) < 0)
		return -1;
	s->table_ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
	return 0;
}

int scenario_options(struct scenario *s, const char *const *set, struct err *e)
{
	lua_State *L = s->L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->api_ref);
	lua_getfield(L, -1, "coerce");
	lua_remove(L, -2);
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->table_ref);
	lua_newtable(L);
	for (; set && *set; set++) {
		const char *eq = strchr(*set, '=');

		if (!eq || eq == *set) {
			lua_pop(L, 3);
			return err_set(e, ERR_USAGE, 0, "--set %s: must be name=value", *set);
		}
		lua_pushlstring(L, *set, (size_t)(eq - *set));
		lua_pushstring(L, eq + 1);
		lua_settable(L, -3);
	}
	if (lua_pcall(L, 2, 1, 0))
		return take_error(L, e);
	for (size_t i = 0; i < s->n_options; i++) {
		lua_getfield(L, -1, s->option[i].name);
		free(s->option[i].value);
		lua_pushvalue(L, -1); /* the text of a copy: a number stays one */
		s->option[i].value = xstrdup(plain_text(L, -1));
		lua_pop(L, 2);
	}
	return 0;
}

static int check_need(const char *thing, const struct ground *ground,
		      const struct runtime_module *modules, struct strbuf *missing)
{
	for (; modules && modules->name; modules++) {
		int rc = modules->needs ? modules->needs(thing, ground, missing) : -1;

		if (rc >= 0)
			return rc;
	}
	return -1;
}

int scenario_needs(struct scenario *s, const struct ground *ground, bool store_serves,
		   const struct runtime_module *modules,
		   void (*fn)(void *arg, const char *what, const char *way_out), void *arg,
		   struct err *e)
{
	lua_State *L = s->L;
	int top = lua_gettop(L), n = 0;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->table_ref);
	lua_getfield(L, -1, "needs");
	for (int i = 1; lua_istable(L, -1) && n >= 0; i++) {
		struct strbuf missing = STRBUF_INIT;
		const char *thing;
		int rc;

		lua_rawgeti(L, -1, i);
		thing = lua_tostring(L, -1);
		if (!thing)
			break;
		if (!strcmp(thing, "store")) {
			rc = store_serves;
			strbuf_addstr(&missing,
				      "store: a directory (--store file) cannot be killed or "
				      "disconnected");
		} else {
			rc = check_need(thing, ground, modules, &missing);
		}
		if (rc < 0)
			n = err_set(e, ERR_USAGE, 0,
				    "%s: needs: unknown '%s' (use a fault's name, \"link\", "
				    "\"store\", \"clock\", \"pair\", \"roll_forward\", "
				    "\"flashback\", \"time_travel\", \"log_backup\", "
				    "\"restore_point\", \"flashback_cluster\" or \"bdr\")",
				    s->path, thing);
		if (rc == 0) {
			fn(arg, missing.buf,
			   strcmp(thing, "store") != 0
				   ? "use a machine or ground that supports it, or a scenario "
				     "without it"
				   : "remove --store file");
			n++;
		}
		strbuf_release(&missing);
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	return n;
}

/* "[drtest] scenario.lua:305: attempt to index …" is of our own Lua, which its reader does not
 * know: the script's line and the name of what it called take the place of ours. */
static void say_whose_error(lua_State *L)
{
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "",
		   *p = text + strlen(LUA_OWN_CHUNK);
	int argument, told = 0;
	char line[400];
	lua_Debug ar;

	if (strncmp(text, LUA_OWN_CHUNK, strlen(LUA_OWN_CHUNK)) != 0)
		return;
	p += strcspn(p, ":");
	p += strspn(p, ":0123456789");
	p += strspn(p, " ");
	lua_script_line(L, line, sizeof(line));
	if (!lua_called_by_script(L, &ar))
		lua_pushfstring(L, "%s%s", line, p);
	else if (sscanf(p, "bad argument #%d to '%*[^']%n", &argument, &told) == 1 && told)
		lua_pushfstring(L, "%sbad argument #%d to '%s%s", line, argument, ar.name,
				p + told);
	else
		lua_pushfstring(L, "%s%s: %s", line, ar.name, p);
}

/* The message handler: keeps the error value, notes the script's lines. */
static int keep_error(lua_State *L)
{
	struct strbuf *out = lua_touserdata(L, lua_upvalueindex(1));
	char line[600], last[600] = "";
	lua_Debug ar;

	for (int level = 0, n = 0; n < FRAMES_MAX && lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.source[0] != '@' || ar.currentline <= 0)
			continue;
		snprintf(line, sizeof(line), "%s:%d", ar.source + 1, ar.currentline);
		if (!strcmp(line, last)) /* a call to C, and where it is called: one line */
			continue;
		strbuf_addf(out, "%s%s", out->len ? "\n" : "", line);
		memcpy(last, line, sizeof(last));
		n++;
	}
	say_whose_error(L);
	return 1;
}

int scenario_run(struct scenario *s, struct err *e, char **traceback)
{
	struct strbuf lines = STRBUF_INIT;
	lua_State *L = s->L;
	int rc, at;

	*traceback = NULL;
	at = lua_gettop(L); /* the options */
	lua_pushlightuserdata(L, &lines);
	lua_pushcclosure(L, keep_error, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->api_ref);
	lua_getfield(L, -1, "run");
	lua_remove(L, -2);
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->table_ref);
	lua_pushvalue(L, at);
	cpu_limit_s = runtime_planning(runtime_of(L)) ? cpu_s() + PLAN_CPU_S : 0;
	rc = lua_pcall(L, 2, 0, at + 1);
	cpu_limit_s = 0;
	if (rc) {
		take_error(L, e);
		if (lines.len)
			*traceback = strbuf_detach(&lines);
	}
	strbuf_release(&lines);
	return rc ? -1 : 0;
}

void scenario_close(struct scenario *s)
{
	lua_state_close(s->L);
	for (size_t i = 0; i < s->n_options; i++) {
		free(s->option[i].name);
		free(s->option[i].value);
		free(s->option[i].help);
	}
	free(s->path);
	free(s->name);
	free(s->sentence);
	free(s->source);
}
