/* TOML as its public suite judges it. The suite (Go module github.com/toml-lang/toml-test) is no
 * part of this: tools/deps installs it where Go is, and this program is its decoder. Without it, a
 * few cases of our own and a loud skip. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/compare/toml.h"

/* The suite's JSON: {"type": .., "value": ..} for each value. */
static json_t *suite_json(const struct toml_value *v)
{
	static const char *const types[] = {
		[TOML_TEXT] = "string",           [TOML_INTEGER] = "integer",
		[TOML_FLOAT] = "float",           [TOML_TRUTH] = "bool",
		[TOML_DATETIME] = "datetime",     [TOML_LOCAL_DATETIME] = "datetime-local",
		[TOML_LOCAL_DATE] = "date-local", [TOML_LOCAL_TIME] = "time-local"
	};
	json_t *out;

	if (v->kind == TOML_TABLE) {
		out = json_object();
		for (size_t i = 0; i < v->n; i++)
			json_object_setn_new(out, v->child[i].key, v->child[i].key_len,
					     suite_json(&v->child[i]));
		return out;
	}
	if (v->kind == TOML_LIST) {
		out = json_array();
		for (size_t i = 0; i < v->n; i++)
			json_array_append_new(out, suite_json(&v->child[i]));
		return out;
	}
	return json_pack("{s:s,s:s%}", "type", types[v->kind], "value", v->text, v->text_len);
}

static int decode(void)
{
	struct strbuf in = STRBUF_INIT;
	struct toml_value *v;
	char buf[65536], why[300];
	unsigned line;
	size_t n;
	json_t *out;

	while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0)
		strbuf_add(&in, buf, n);
	v = toml_read(in.buf ? in.buf : "", in.len, why, sizeof(why), &line);
	if (!v) {
		fprintf(stderr, "%u: %s\n", line, why);
		strbuf_release(&in);
		return 1;
	}
	out = suite_json(v);
	json_dumpf(out, stdout, 0);
	json_decref(out);
	toml_free(v);
	strbuf_release(&in);
	return 0;
}

static char *find_suite(void)
{
	const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME");
	char *places[] = { xstrfmt("%s%s/drtest/bin/toml-test",
				   cache  ? cache
				   : home ? home
					  : "",
				   cache ? "" : "/.cache"),
			   xstrfmt("%s/go/bin/toml-test", home ? home : ""),
			   xstrdup("/usr/local/bin/toml-test"), xstrdup("/usr/bin/toml-test") },
	     *found = NULL;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!found && access(places[i], X_OK) == 0)
			found = places[i];
		else
			free(places[i]);
	return found;
}

static void the_public_suite_agrees(void **unused)
{
	char *suite = find_suite(), self[4096] = "", *command, line[1000], last[1000] = "";
	FILE *said;
	int status, failed = 0;

	(void)unused;
	if (!suite) {
		print_message(
			"skipped: toml-test is not installed (tools/deps installs it where Go is)\n");
		skip();
	}
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	command = xstrfmt("'%s' test -toml=1.0 -color=never -decoder=\"%s --decode\" 2>&1", suite,
			  self);
	said = popen(command, "r");
	assert_non_null(said);
	while (fgets(line, sizeof(line), said)) {
		if (strstr(line, "FAIL") && failed++ < 20)
			print_message("%s", line);
		if (*line != '\n')
			snprintf(last, sizeof(last), "%s", line);
	}
	status = pclose(said);
	if (!WIFEXITED(status) || WEXITSTATUS(status) || failed)
		fail_msg("%s: %s", command, last);
	print_message("%s", last);
	free(command);
	free(suite);
}

static const struct toml_value *at(const struct toml_value *t, const char *key)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->child[i].key, key))
			return &t->child[i];
	fail_msg("no %s", key);
	return NULL;
}

static void values_have_kinds_lines_and_all_their_bytes(void **unused)
{
	static const char text[] =
		"a = \"x\\u0000y\"\nb.c = [1, [2.5, true]]\n\n[d]\ne = 1979-05-27T07:32:00Z\nf = 07:32:00\n";
	char why[100];
	unsigned line = 0;
	struct toml_value *v = toml_read(text, sizeof(text) - 1, why, sizeof(why), &line);
	const struct toml_value *c;

	(void)unused;
	assert_non_null(v);
	assert_int_equal(at(v, "a")->text_len, 3);
	assert_memory_equal(at(v, "a")->text, "x\0y", 3);
	c = at(at(v, "b"), "c");
	assert_int_equal(c->line, 2);
	assert_int_equal(c->n, 2);
	assert_int_equal(c->child[0].integer, 1);
	assert_int_equal(c->child[1].child[0].kind, TOML_FLOAT);
	assert_true(c->child[1].child[1].truth);
	assert_int_equal(at(v, "d")->line, 4);
	assert_int_equal(at(at(v, "d"), "e")->kind, TOML_DATETIME);
	assert_int_equal(at(at(v, "d"), "f")->kind, TOML_LOCAL_TIME);
	toml_free(v);
	assert_null(toml_read("a = 1\nb = \n", 11, why, sizeof(why), &line));
	assert_int_equal(line, 2);
	assert_true(*why);
	toml_free(NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
						    values_have_kinds_lines_and_all_their_bytes),
					    cmocka_unit_test(the_public_suite_agrees) };

	if (argc > 1 && !strcmp(argv[1], "--decode"))
		return decode();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
