/* Scenario files: what is read of them before anything runs, options by type, and what their Lua
 * may not do; plan mode runs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "harness/bindings/bindings.h"
#include "harness/run/owned.h"
#include "harness/run/runtime_impl.h"
#include "harness/run/scenario.h"

#define HEAD "-- What it is.\n-- In two lines.\nlocal scenario = require \"drtest.scenario\"\n"

static const struct runtime_module of_harness[] = { BINDINGS_OF_HARNESS, { .name = NULL } };

struct world {
	struct runtime r;
	struct console console;
	struct scenario s;
	char path[64];
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	pthread_mutex_init(&w->r.lock, NULL);
	w->r.ground = &ground_local;
	w->r.plan = true;
	w->r.console = &w->console;
	strcpy(w->path, "/tmp/drtest-scenario.XXXXXX");
	close(mkstemp(w->path));
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	scenario_close(&w->s);
	owned_teardown(&w->r);
	pthread_mutex_destroy(&w->r.lock);
	unlink(w->path);
	free(w);
	return 0;
}

static int open_text(struct world *w, const char *text, struct err *e)
{
	FILE *f = fopen(w->path, "w");

	fputs(text, f);
	fclose(f);
	scenario_close(&w->s);
	memset(&w->s, 0, sizeof(w->s));
	*e = (struct err)ERR_INIT;
	return scenario_open(&w->s, w->path, &w->r, of_harness, e);
}

static void refused(struct world *w, const char *text, const char *why)
{
	struct err e;

	assert_int_equal(open_text(w, text, &e), -1);
	if (!strstr(e.text, why))
		print_error("'%s' is not in: %s\n", why, e.text);
	assert_non_null(strstr(e.text, why));
	assert_int_equal(e.kind, ERR_USAGE);
}

#define TABLE                                                                                                                                   \
	HEAD "return scenario { name = \"s\", options = { n = { 3, \"a number\" }, f = { 0.5, \"a fraction\" }, on = { true, \"a switch\" },\n" \
	     "  time = { \"20s\", \"a time\" }, word = { \"x\", \"a word\", choices = { \"x\", \"y\" } } },\n"                                  \
	     "  run = function(t, opt) t:note(\"ran\") end }\n"

static const char *value(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->s.n_options; i++)
		if (!strcmp(w->s.option[i].name, name))
			return w->s.option[i].value;
	return "(none)";
}

static void options_and_the_sentence_are_known_before_it_runs(void **state)
{
	struct world *w = *state;
	struct err e;

	assert_int_equal(open_text(w, TABLE, &e), 0);
	assert_string_equal(w->s.name, "s");
	assert_string_equal(w->s.sentence, "What it is. In two lines.");
	assert_int_equal(w->s.n_options, 5);
	assert_int_equal(scenario_options(&w->s,
					  (const char *const[]){ "n=7", "f=.25", "on=no",
								 "time=1.5m", "word=y", NULL },
					  &e),
			 0);
	assert_string_equal(value(w, "n"), "7");
	assert_string_equal(value(w, "f"), "0.25");
	assert_string_equal(value(w, "on"), "false");
	assert_string_equal(value(w, "time"), "1.5m");
	assert_string_equal(value(w, "word"), "y");
}

static void options_are_held_to_their_types(void **state)
{
	static const char *const bad[][2] = {
		{ "n=x", "option n: 'x' is not a whole number" },
		{ "n=1.5", "not a whole number" },
		{ "n=-1", "below 0" },
		{ "n=", "not a whole number" },
		{ "f=1.2.3", "is not a number" },
		{ "on=maybe", "is not true or false" },
		{ "time=soon", "is not a duration" },
		{ "word=z", "is not one of x, y" },
		{ "nn=3", "has no option 'nn': did you mean 'n'? (options: f, n, on, time, word)" },
		{ "n", "name=value" },
		{ "=3", "name=value" },
	};
	struct world *w = *state;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(open_text(w, TABLE, &e), 0);
		assert_int_equal(
			scenario_options(&w->s, (const char *const[]){ bad[i][0], NULL }, &e), -1);
		if (!strstr(e.text, bad[i][1]))
			print_error("%s: '%s' is not in: %s\n", bad[i][0], bad[i][1], e.text);
		assert_non_null(strstr(e.text, bad[i][1]));
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

static void a_file_that_is_no_scenario_is_refused(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;

	refused(w, "return 1", "return scenario {");
	refused(w, HEAD "return scenario { name = \"s\" }", "needs run");
	refused(w, HEAD "return scenario { name = \"a b\", run = function() end }",
		"name 'a b' must");
	refused(w, HEAD "return scenario { name = \"s\", runs = 1 }", "unknown field 'runs'");
	refused(w,
		HEAD "return scenario { name = \"s\", options = { a = 1 }, run = function() end }",
		"option a must be");
	refused(w, HEAD "x = 1", "undefined variable 'x'");
	refused(w, HEAD "return dofile \"/etc/passwd\"", "dofile");
	refused(w, HEAD "return require \"ffi\"", "ffi");
	refused(w, "\x1bLJ\x02", "bytecode");
	refused(w, "return require(\"os\").execute(\"true\")", "execute");
	refused(w, "return package.loaded.os.remove(\"x\")", "remove");
	refused(w, "return require \"jit.util\"", "jit.util");
	refused(w, "return scenario {", "expected");
	scenario_close(&w->s);
	memset(&w->s, 0, sizeof(w->s));
	assert_int_equal(scenario_open(&w->s, "/no/such/file.lua", &w->r, of_harness, &e), -1);
	assert_non_null(strstr(e.text, "/no/such/file.lua"));
}

static void an_error_names_the_scripts_lines(void **state)
{
	struct world *w = *state;
	char *traceback = NULL, at[100];
	struct err e;

	assert_int_equal(
		open_text(
			w,
			HEAD
			"local function inner(x)\n  return x.y.z\nend\nreturn scenario { name = \"s\",\n"
			"  run = function() local v = inner {}; return v end }\n",
			&e),
		0);
	assert_int_equal(scenario_options(&w->s, NULL, &e), 0);
	assert_int_equal(scenario_run(&w->s, &e, &traceback), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	snprintf(at, sizeof(at), "%s:5: attempt to index", w->path);
	assert_non_null(strstr(e.text, at));
	assert_non_null(traceback);
	snprintf(at, sizeof(at), "%s:5\n%s:8", w->path, w->path);
	assert_string_equal(traceback, at);
	free(traceback);
}

static void the_plan_runs_it_all_and_does_nothing(void **state)
{
	struct world *w = *state;
	char *traceback = NULL;
	struct err e;

	assert_int_equal(
		open_text(
			w,
			HEAD
			"return scenario { name = \"s\", run = function(t)\n"
			"t:step(\"one\", function() local c = t:cluster { name = \"c\" }; c:set_gc(false); t:sleep \"1h\" end)\n"
			"t:step(\"two\", function() t:eventually(\"it is so\", \"1m\", function() return false end) end) end }\n",
			&e),
		0);
	assert_int_equal(scenario_options(&w->s, NULL, &e), 0);
	assert_int_equal(scenario_run(&w->s, &e, &traceback), 0);
	assert_null(traceback);
	assert_int_equal(w->r.step, 2);
	assert_int_equal(w->r.checks, 0);
}

/* Of ways described in Lua: "name: why", as t:advise() chooses. */
static void chooses(struct world *w, const char *ways, const char *wanted)
{
	lua_State *L = w->s.L;
	char *chunk = NULL;

	assert_true(asprintf(&chunk,
			     "local choose = ... local w, why = choose { %s } "
			     "return (w and w.name or \"none\") .. \": \" .. why",
			     ways) > 0);
	assert_int_equal(luaL_loadstring(L, chunk), 0);
	free(chunk);
	lua_rawgeti(L, LUA_REGISTRYINDEX, w->s.api_ref);
	lua_getfield(L, -1, "choose");
	lua_remove(L, -2);
	if (lua_pcall(L, 1, 1, 0))
		fail_msg("%s", lua_tostring(L, -1));
	if (strncmp(lua_tostring(L, -1), wanted, strlen(wanted)) != 0)
		fail_msg("\"%s\" is not \"%s…\"", lua_tostring(L, -1), wanted);
	lua_pop(L, 1);
}

#define WAY(name, rest) "{ name = \"" name "\", steps = {}, " rest " }"

static void the_way_that_loses_least_is_advised(void **state)
{
	struct world *w = *state;
	struct err e;

	assert_int_equal(open_text(w, TABLE, &e), 0);
	chooses(w,
		WAY("quick", "verdict = \"pass\", lost = 5, seconds = 0.1") "," WAY(
			"whole", "verdict = \"pass\", lost = 0, seconds = 9"),
		"whole: it loses nothing, and is back after 9.00 s; quick loses 5");
	/* rows count as transactions do */
	chooses(w,
		WAY("rows", "verdict = \"partial\", lost = 0, wrong = 6, seconds = 1") "," WAY(
			"txns", "verdict = \"pass\", lost = 5, seconds = 2"),
		"txns: it loses 5, no more than any other");
	/* the soonest of equals; the least work of equals in both */
	chooses(w,
		WAY("slow", "verdict = \"pass\", lost = 5, seconds = 2") "," WAY(
			"soon", "verdict = \"pass\", lost = 5, seconds = 1"),
		"soon: it loses 5, no more than any other, and is back after 1.00 s, the fastest of those; slow loses as much and takes 2.00 s");
	/* what does not hold is never advised, however little it loses */
	chooses(w,
		WAY("torn", "verdict = \"fail\", lost = 0, seconds = 0") "," WAY("dark", "verdict = \"unknown\", lost = 0, seconds = 0") "," WAY(
			"shut",
			"closed = \"no log\"") "," WAY("sound",
						       "verdict = \"pass\", lost = 90, seconds = 50"),
		"sound: it loses 90, no more than any other, and is back after 50.0 s; torn is not consistent, dark is not consistent, shut is closed");
	chooses(w, WAY("torn", "verdict = \"fail\", lost = 0, seconds = 0"),
		"none: none of them leads to a correct state");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(options_and_the_sentence_are_known_before_it_runs,
						setup, teardown),
		cmocka_unit_test_setup_teardown(options_are_held_to_their_types, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_no_scenario_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_error_names_the_scripts_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(the_plan_runs_it_all_and_does_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_way_that_loses_least_is_advised, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
