#include "suites/suite_file.h"

#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/nearest.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/lua_state.h"
#include "suites/scenario_find.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define INSTRUCTIONS_MAX 10000000
#define MEMORY_BYTES_MAX ((size_t)64 << 20)
#define OPTIONS_MAX 32
#define VALUES_MAX 100

struct choice { /* an option and the values that it takes in turn */
	char *name;
	char *values[VALUES_MAX];
	size_t n;
};

static int refuse_file(struct err *e, const char *path, const char *what)
{
	return err_set(e, ERR_USAGE, 0, "%s: %s", path, what);
}

static char *text_of(lua_State *L, int index)
{
	if (lua_type(L, index) == LUA_TBOOLEAN)
		return xstrdup(lua_toboolean(L, index) ? "true" : "false");
	if (lua_type(L, index) == LUA_TSTRING)
		return xstrdup(lua_tostring(L, index));
	if (lua_type(L, index) == LUA_TNUMBER &&
	    lua_tonumber(L, index) == floor(lua_tonumber(L, index)) &&
	    fabs(lua_tonumber(L, index)) < 9e15)
		return xstrfmt("%.0f", lua_tonumber(L, index));
	return lua_type(L, index) == LUA_TNUMBER ? xstrfmt("%.14g", lua_tonumber(L, index)) : NULL;
}

/* The value on the stack's top, or each of the list there. */
static int take_values(lua_State *L, struct choice *c)
{
	char *one = text_of(L, -1);

	if (one) {
		c->values[c->n++] = one;
		return 0;
	}
	if (!lua_istable(L, -1))
		return -1;
	for (int i = 1; c->n < VALUES_MAX; i++) {
		lua_rawgeti(L, -1, i);
		one = text_of(L, -1);
		lua_pop(L, 1);
		if (!one)
			break;
		c->values[c->n++] = one;
	}
	return c->n ? 0 : -1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct choice *)a)->name, ((const struct choice *)b)->name);
}

static void add_run(struct suite *s, const char *scenario, const char *file, const char *seed,
		    const struct choice *c, const size_t *at, size_t n)
{
	const char *base = strrchr(scenario, '/') ? strrchr(scenario, '/') + 1 : scenario,
		   *dot = strstr(base, ".lua");
	struct strbuf title = STRBUF_INIT;
	struct suite_run *r;

	s->runs = xreallocarray(s->runs, s->runs_n + 1, sizeof(*s->runs));
	r = &s->runs[s->runs_n++];
	*r = (struct suite_run){ .file = xstrdup(file),
				 .seed = xstrdup(seed),
				 .set = xcalloc(n + 1, sizeof(*r->set)) };
	strbuf_addf(&title, "%.*s seed %s", dot ? (int)(dot - base) : (int)strlen(base), base,
		    seed);
	for (size_t i = 0; i < n; i++) {
		r->set[i] = xstrfmt("%s=%s", c[i].name, c[i].values[at[i]]);
		strbuf_addf(&title, " %s", r->set[i]);
	}
	r->title = strbuf_detach(&title);
}

/* A bare name is the file beside the suite's, else one of drtest's own. */
static char *file_of(const char *scenario, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *beside;

	if (strchr(scenario, '/'))
		return xstrdup(scenario);
	beside = xstrfmt("%.*s%s.lua", slash ? (int)(slash - path + 1) : 0, path, scenario);
	if (!fs_exists(beside)) {
		free(beside);
		beside = xstrdup(scenario_find(scenario));
	}
	return beside;
}

/* Every combination of seeds and values. */
static int expand(struct suite *s, const char *path, const char *scenario,
		  const struct choice *seeds, const struct choice *c, size_t n, struct err *e)
{
	char *file = file_of(scenario, path);
	size_t at[OPTIONS_MAX] = { 0 }, i;
	int rc = 0;

	do {
		for (size_t k = 0; k < seeds->n && rc == 0; k++)
			if (s->runs_n == SUITE_RUNS_MAX)
				rc = refuse_file(e, path, "it has more than 1,000 runs");
			else
				add_run(s, scenario, file, seeds->values[k], c, at, n);
		/* the next combination, the first option turning fastest */
		for (i = 0; i < n; i++) {
			if (++at[i] < c[i].n)
				break;
			at[i] = 0;
		}
	} while (rc == 0 && i < n);
	free(file);
	return rc;
}

static void choice_release(struct choice *c)
{
	free(c->name);
	for (size_t i = 0; i < c->n; i++)
		free(c->values[i]);
}

/* One entry of runs, on the stack's top: { "failover", seeds = { 1, 2 }, set = { rate = { 100, 500
 * } } } */
static int take_entry(lua_State *L, struct suite *s, const char *path, struct err *e)
{
	struct choice seeds = { 0 }, options[OPTIONS_MAX] = { 0 };
	char *scenario = NULL;
	size_t n = 0;
	int rc = -1;

	if (!lua_istable(L, -1))
		return refuse_file(
			e, path,
			"an entry of runs must look like { \"failover\", seeds = { 1, 2 }, set = "
			"{ soak = \"10s\" } }");
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) == 1 &&
		    lua_type(L, -1) == LUA_TSTRING)
			scenario = xstrdup(lua_tostring(L, -1));
		else if (!strcmp(key, "seeds") && take_values(L, &seeds) == 0)
			continue;
		else if (strcmp(key, "set") != 0 || !lua_istable(L, -1)) {
			static const char *const known[] = { "seeds", "set" };
			const char *meant = nearest(key, known, 2);

			if (meant && strcmp(meant, key) != 0)
				err_set(e, ERR_USAGE, 0,
					"%s: an entry of runs has no field '%.40s': did you mean "
					"'%s'?",
					path, key, meant);
			else
				err_set(e, ERR_USAGE, 0,
					"%s: an entry of runs has the name of a scenario, seeds "
					"and set; '%.40s' is something else or has the wrong type "
					"(options of drtest run are given to all: drtest suite %s "
					"-- --on local)",
					path, key, path);
			lua_pop(L, 2);
			goto out;
		}
	}
	if (!scenario || !*scenario) {
		refuse_file(e, path, "an entry of runs needs the name of a scenario");
		goto out;
	}
	if (!seeds.n)
		seeds.values[seeds.n++] = xstrdup("42");
	for (size_t i = 0; i < seeds.n; i++)
		if (!*seeds.values[i] || seeds.values[i][strspn(seeds.values[i], "0123456789")] ||
		    strlen(seeds.values[i]) > 19) {
			err_set(e, ERR_USAGE, 0, "%s: seed '%.40s' is not a whole number", path,
				seeds.values[i]);
			goto out;
		}
	lua_getfield(L, -1, "set");
	for (lua_pushnil(L); lua_istable(L, -2) && lua_next(L, -2); lua_pop(L, 1)) {
		if (n == OPTIONS_MAX || lua_type(L, -2) != LUA_TSTRING) {
			lua_pop(L, 3);
			refuse_file(
				e, path,
				"set must look like { rate = 100, soak = { \"5s\", \"20s\" } }, "
				"with at most 32 options");
			goto out;
		}
		options[n].name = xstrdup(lua_tostring(L, -2));
		if (take_values(L, &options[n++]) < 0) {
			lua_pop(L, 3);
			err_set(e, ERR_USAGE, 0, "%s: option %.60s has no value", path,
				options[n - 1].name);
			goto out;
		}
	}
	lua_pop(L, lua_istable(L, -1) ? 1 : 2);
	qsort(options, n, sizeof(options[0]), by_name);
	rc = expand(s, path, scenario, &seeds, options, n, e);
out:
	free(scenario);
	choice_release(&seeds);
	for (size_t i = 0; i < n; i++)
		choice_release(&options[i]);
	return rc;
}

static int take_gate(lua_State *L, struct suite *s, const char *path, struct err *e)
{
	int rc = 0;

	lua_getfield(L, -1, "baseline");
	if (lua_type(L, -1) == LUA_TSTRING)
		s->baseline = xstrdup(lua_tostring(L, -1));
	lua_pop(L, 1);
	if (s->baseline && strncmp(s->baseline, "last:", 5) != 0 &&
	    strncmp(s->baseline, "version:", 8) != 0)
		return refuse_file(e, path,
				   "gate.baseline must look like \"last:20\" or "
				   "\"version:0.1.0\"");
	for (int i = 1; rc == 0; i++) {
		lua_rawgeti(L, -1, i);
		if (lua_isnil(L, -1)) {
			lua_pop(L, 1);
			break;
		}
		if (lua_type(L, -1) != LUA_TSTRING || s->rules_n == SUITE_RULES_MAX)
			rc = refuse_file(
				e, path,
				"gate must look like { baseline = \"last:20\", \"rpo_ms p95 <= "
				"1.2x\", … }, with at most 64 rules");
		else if (gate_parse(lua_tostring(L, -1), &s->rules[s->rules_n++], e) < 0)
			rc = err_wrap(e, "%s", path);
		lua_pop(L, 1);
	}
	return rc;
}

static int take_suite(lua_State *L, struct suite *s, const char *path, struct err *e)
{
	int rc = 0;

	if (!lua_istable(L, -1))
		return refuse_file(
			e, path,
			"this is not a suite: a suite returns a table, { suite = \"nightly\", "
			"runs = { … } }");
	lua_getfield(L, -1, "suite");
	if (lua_type(L, -1) != LUA_TSTRING)
		return refuse_file(e, path,
				   "this is not a suite: suite = \"name\" is missing (letters, "
				   "digits, _ and -)");
	if (!*lua_tostring(L, -1) || strlen(lua_tostring(L, -1)) > 64 ||
	    lua_tostring(
		    L,
		    -1)[strspn(lua_tostring(L, -1),
			       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")])
		return err_set(e, ERR_USAGE, 0,
			       "%s: the name '%.80s' must be at most 64 letters, digits, _ and -",
			       path, lua_tostring(L, -1));
	s->name = xstrdup(lua_tostring(L, -1));
	lua_pop(L, 1);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (strcmp(key, "suite") != 0 && strcmp(key, "runs") != 0 &&
		    strcmp(key, "gate") != 0)
			return err_set(e, ERR_USAGE, 0,
				       "%s: unknown field '%.40s': a suite has suite, runs and "
				       "gate",
				       path, key);
	}
	lua_getfield(L, -1, "gate");
	if (lua_istable(L, -1))
		rc = take_gate(L, s, path, e);
	else if (!lua_isnil(L, -1))
		rc = refuse_file(e, path, "gate must be a table");
	lua_pop(L, 1);
	lua_getfield(L, -1, "runs");
	if (rc == 0 && !lua_istable(L, -1))
		rc = refuse_file(e, path, "runs = { … } is missing");
	for (int i = 1; rc == 0; i++) {
		lua_rawgeti(L, -1, i);
		if (lua_isnil(L, -1))
			break;
		rc = take_entry(L, s, path, e);
		lua_settop(L, 2); /* the suite's table, its runs */
	}
	if (rc == 0 && !s->runs_n)
		rc = refuse_file(e, path, "it has no run");
	return rc;
}

static void too_long(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	luaL_error(L, "it does not finish (too many instructions)");
}

static char *first_comment(const char *text)
{
	if (strncmp(text, "--", 2) != 0)
		return xstrdup("");
	text += 2 + strspn(text + 2, " -");
	return xstrndup(text, strcspn(text, "\r\n"));
}

int suite_read(struct suite *s, const char *path, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	lua_State *L = NULL;
	int rc = -1;

	*s = (struct suite){ .baseline = NULL };
	if (!fs_exists(path)) {
		err_set(e, ERR_USAGE, ENOENT, "suite %s: %s", path, strerror(ENOENT));
		goto out;
	}
	if (fs_read_file(path, FILE_BYTES_MAX, &text, e) < 0) {
		e->kind = ERR_USAGE;
		goto out;
	}
	strbuf_drop_bom(&text);
	if (strstr(text.buf, "drtest.scenario")) {
		err_set(e, ERR_USAGE, 0, "%s is a scenario: drtest run %s", path, path);
		goto out;
	}
	L = lua_state_new(MEMORY_BYTES_MAX); /* no library: a table is all that it can make */
	if (!L) {
		err_set(e, ERR_IO, 0, "no memory for a Lua state");
		goto out;
	}
	lua_sethook(L, too_long, LUA_MASKCOUNT, INSTRUCTIONS_MAX);
	if (luaL_loadbufferx(L, text.buf, text.len, "=suite", "t") || lua_pcall(L, 0, 1, 0)) {
		const char *why = lua_isstring(L, -1) ? lua_tostring(L, -1) : "it fails";

		if (!strcmp(why, LUA_STATE_NO_MEMORY))
			why = "it needs too much memory: a suite is a table alone";

		bool placed = !strncmp(why, "suite:", 6); /* the chunk's name */

		err_set(e, ERR_USAGE, 0, "%s:%s%s%s", path, placed ? "" : " ",
			placed ? why + 6 : why,
			strstr(why, "a nil value")
				? " (a suite is a table alone, without libraries: return { suite = \"name\", runs = { … } })"
				: "");
		goto out;
	}
	s->sentence = first_comment(text.buf);
	rc = take_suite(L, s, path, e);
	if (rc == 0 && !s->baseline)
		s->baseline = xstrdup("last:20");
out:
	lua_state_close(L);
	strbuf_release(&text);
	return rc;
}

static void run_release(struct suite_run *r)
{
	for (char **set = r->set; *set; set++)
		free(*set);
	free(r->set);
	free(r->file);
	free(r->seed);
	free(r->title);
}

size_t suite_keep(struct suite *s, const char *pattern)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->runs_n; i++)
		if (strstr(s->runs[i].title, pattern))
			s->runs[kept++] = s->runs[i];
		else
			run_release(&s->runs[i]);
	return s->runs_n = kept;
}

void suite_release(struct suite *s)
{
	for (size_t i = 0; i < s->runs_n; i++)
		run_release(&s->runs[i]);
	free(s->runs);
	free(s->name);
	free(s->sentence);
	free(s->baseline);
	*s = (struct suite){ .runs = NULL };
}
