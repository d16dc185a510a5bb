/* sync_diff_inspector's configuration: the guide's is read as it stands; what can't be meant is refused by line and key; bytes of any kind
 * give an error or a configuration, never a crash. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/compare/diff_config.h"

static const char guide[] =
	"# Diff Configuration.\n"
	"######################### Global config #########################\n"
	"check-thread-count = 4\n"
	"export-fix-sql = true\n"
	"check-struct-only = false\n"
	"######################### Datasource config #########################\n"
	"[data-sources]\n"
	"[data-sources.upstream]\n"
	"\thost = \"172.16.6.122\" # Replace the value with the IP address of your upstream cluster\n"
	"\tport = 4000\n"
	"\tuser = \"root\"\n"
	"\tpassword = \"p#\\\"x\\u00e9\"\n"
	"\tsnapshot = \"431434047157698561\"\n"
	"[data-sources.downstream]\n"
	"\thost = '172.16.6.125'\n"
	"\tport = 4001\n"
	"\tuser = \"root\"\n"
	"\tpassword = \"\"\n"
	"\tsnapshot = \"431434047157698562\"\n"
	"[data-sources.downstream.security]\n"
	"\tca-path = \"/ca.pem\"\n"
	"[table-configs.config1]\n"
	"target-tables = [\"test.a*\", 'test.b']\n"
	"ignore-columns = [\"x\",\n \"y\", # two\n]\n"
	"chunk-size = 777\n"
	"######################### Task config #########################\n"
	"[task]\n"
	"\toutput-dir = \"./output\"\n"
	"\tsource-instances = [\"upstream\"]\n"
	"\ttarget-instance = \"downstream\"\n"
	"\ttarget-check-tables = [\"*.*\", \"!tmp.*\"]\n"
	"\ttarget-configs = [\"config1\"]\n";

static void the_guides_file_is_read(void **state)
{
	struct diff_config c;
	struct err e = ERR_INIT;

	(void)state;
	if (diff_config_parse(&c, "config.toml", guide, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(c.up.host, "172.16.6.122");
	assert_int_equal(c.up.port, 4000);
	assert_string_equal(c.up.password, "p#\"x\xc3\xa9");
	assert_string_equal(c.up_snapshot, "431434047157698561");
	assert_string_equal(c.down_snapshot, "431434047157698562");
	assert_string_equal(c.down.ssl_ca, "/ca.pem");
	assert_int_equal(c.threads, 4);
	assert_int_equal(c.chunk_rows, 777);
	assert_false(c.no_fix || c.struct_only);
	assert_int_equal(c.n_tables, 2);
	assert_string_equal(c.tables[1], "!tmp.*");
	assert_int_equal(c.n_ignore, 4);
	assert_string_equal(c.ignore[0], "test.a*.x");
	assert_string_equal(c.ignore[3], "test.b.y");
	assert_null(c.ignore[4]);
	diff_config_release(&c);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
	static const struct { const char *text, *says; } bad[] = {
		{ "check-thread-count = \"4\nx = 1\n", "1: a text has no end" }, { "\n\nfoo = 1\n", ":3: sync_diff_inspector has no key 'foo'" },
		{ "check-struct-only = maybe\n", "true or false" }, { "check-thread-count = 4 5\n", "a key a line" }, { "[task\n", "a section wants" },
		{ "[nonsense]\n", "no section 'nonsense'" }, { "[task]\nsource-instances = [\"a\"]\n", "target-check-tables|names no|no [data-sources.a]" },
		{ "[data-sources.a]\nsnapshot = \"auto\"\n", "\"auto\" is not supported" }, { "[data-sources.a]\nport = 99999\n", "out of range" },
		{ "[data-sources.a]\nroute-rules = [\"r\"]\n", "route-rules are not supported" }, { "[table-configs.a]\nrange = \"id > 5\"\n", "range is not" },
		{ "export-fix-sql = [true\n", "a list wants" }, { "check-thread-count\n", "key = value" }, { "a = \"\\q\"\n", "TOML does not have" },
		{ "a = \"\\ud800\"\n", "no character" }, { "a = \"\"\"x\"\"\"\n", "several lines" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct diff_config c;
		struct err e = ERR_INIT;
		char says[200], *save = NULL;
		bool said = false;

		assert_int_equal(diff_config_parse(&c, "f.toml", bad[i].text, &e), -1);
		strcpy(says, bad[i].says);
		for (char *p = strtok_r(says, "|", &save); p; p = strtok_r(NULL, "|", &save))
			said |= strstr(e.text, p) != NULL;
		if (!said || e.kind != ERR_USAGE)
			fail_msg("%s: \"%s\", not \"%s\"", bad[i].text, e.text, bad[i].says);
	}
}

static void any_bytes_do_no_harm(void **state)
{
	struct rng g;

	(void)state;
	rng_seed(&g, 5);
	for (int round = 0; round < 20000; round++) {
		char text[sizeof(guide)];
		struct diff_config c;
		struct err e = ERR_INIT;

		memcpy(text, guide, sizeof(guide));
		for (uint64_t n = 1 + rng_below(&g, 6); n--;) {
			size_t at = rng_below(&g, sizeof(guide) - 1);

			switch (rng_below(&g, 3)) {
			case 0: text[at] = (char)(1 + rng_below(&g, 255)); break;
			case 1: text[at] = "[]\"'=\\#,\n.u"[rng_below(&g, 11)]; break;
			default: text[at] = '\0'; break;
			}
		}
		if (diff_config_parse(&c, "f", text, &e) == 0)
			diff_config_release(&c);
		else
			assert_true(e.kind == ERR_USAGE && e.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_guides_file_is_read), cmocka_unit_test(what_is_wrong_is_said_with_its_line),
					    cmocka_unit_test(any_bytes_do_no_harm) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
