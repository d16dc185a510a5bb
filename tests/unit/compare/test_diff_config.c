/* sync_diff_inspector's configuration: the guide's is read as it stands; what can't be meant is
 * refused by line and key; bytes of any kind give an error or a configuration, never a crash. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
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
	if (diff_config_parse(&c, "config.toml", guide, strlen(guide), &e) < 0)
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
	assert_true(table_filter_has(c.filter, "test", "a1"));
	assert_false(table_filter_has(c.filter, "tmp", "a1"));
	assert_int_equal(c.n_tables, 1);
	assert_true(table_filter_has(c.tables[0].tables, "test", "a1"));
	assert_false(table_filter_has(c.tables[0].tables, "test", "b1"));
	assert_int_equal(c.tables[0].n_ignore, 2);
	assert_string_equal(c.tables[0].ignore[1], "y");
	assert_null(c.tables[0].condition);
	diff_config_release(&c);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
#define SOURCES "[data-sources.a]\nhost='x'\n[data-sources.b]\n"
#define TASK "[task]\nsource-instances=['a']\ntarget-instance='b'\ntarget-check-tables=['*.*']\n"
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "check-thread-count = \"4\nx = 1\n", ":1: not TOML" },
		{ "\n\nfoo = 1\n", ":3: sync_diff_inspector has no key 'foo'" },
		{ "check-struct-only = 1\n", ":1: check-struct-only: must be true or false" },
		{ "check-thread-count = 4 5\n", ":1: not TOML" },
		{ "[task\n", "not TOML" },
		{ "[nonsense]\n", "no section 'nonsense'" },
		{ "[task]\nsource-instances = [\"a\"]\ntarget-instance='b'\n",
		  "no [data-sources.a]" },
		{ "a = 1\na = 2\n", ":2: not TOML" },
		{ "check-thread-count = \"4\"\n", "must be a number" },
		{ "check-thread-count = 4.5\n", "must be a number" },
		{ SOURCES TASK "[data-sources.a.x]\n", "no key 'x' in a data source" },
		{ "[data-sources.a]\nport = 99999\n" TASK, ":2: port: must be a number" },
		{ "[data-sources.a]\nport = \"4000\"\n" TASK, ":2: port: must be a number" },
		{ "[data-sources.a]\nsnapshot = 5\n" TASK, ":2: snapshot: must be a \"text\"" },
		{ "[data-sources.a]\nsnapshot = \"auto\"\n[data-sources.b]\n" TASK,
		  "\"auto\" must be set on both" },
		{ "[data-sources.a]\nroute-rules = [\"r\"]\n[data-sources.b]\n" TASK,
		  "no [routes.r]" },
		{ SOURCES TASK "target-configs = ['c']\n", "no [table-configs.c]" },
		{ SOURCES "[table-configs.c]\nrange = 5\n" TASK "target-configs = ['c']\n",
		  ":5: range: must be a \"text\"" },
		{ SOURCES "[table-configs.c]\nrange = 'id > 5'\n" TASK "target-configs = ['c']\n",
		  "target-tables is missing" },
		{ SOURCES TASK "what = 1\n", "no key 'what' in [task]" },
		{ SOURCES "[task]\nsource-instances=['a']\ntarget-instance='b'\n",
		  "no target-check-tables" },
		{ SOURCES "[task]\nsource-instances=['a','b']\ntarget-instance='b'\n",
		  "several sources" },
		{ SOURCES "[task]\ntarget-check-tables=['x']\n", "must be db.table" },
		{ SOURCES "[task]\ntarget-check-tables='x'\n", "must be a list" },
		{ "check-struct-only = true\ncheck-data-only = true\n" SOURCES TASK,
		  "compare nothing" },
		{ "dm-addr = '1.2.3.4:5'\n", "DM task" },
		{ "export-fix-sql = [true\n", "not TOML" },
		{ "check-thread-count\n", "not TOML" },
		{ "a = \"\\q\"\n", "not TOML" },
		{ "a = \"\\ud800\"\n", "not TOML" },
		{ "task = 5\n", "must be a [section]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct diff_config c;
		struct err e = ERR_INIT;
		char says[200], *save = NULL;
		bool said = false;

		assert_int_equal(
			diff_config_parse(&c, "f.toml", bad[i].text, strlen(bad[i].text), &e), -1);
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
		if (diff_config_parse(&c, "f", text, sizeof(text) - 1, &e) == 0)
			diff_config_release(&c);
		else
			assert_true(e.kind == ERR_USAGE && e.text[0]);
	}
}

/* Forms that its own reader takes. */
static void all_of_toml_is_read(void **state)
{
	static const char *const forms[] = {
		"\xef\xbb\xbf[data-sources]\nup = { host = \"127.0.0.1\", port = 21_101, user = \"root\" }\ndown = { port = 0x10 }\n",
		"[\"data-sources\".'up']\r\nhost = '''127.0.0.1'''\r\nport = 21101\r\n[data-sources.\"down\"]\r\nPORT = 16\r\n",
		"data-sources.up.host = \"127.0.0.1\"\ndata-sources.up.port = 21101\ndata-sources.down.port = 0b10000\n",
		"[data-sources.down]\nport = 0o20\n[data-sources.up]\nport = +21101\n"
		"host = \"\"\"\n127.\\\n   0.0.1\"\"\"\nsession = { x = [1, 2] } # a comment\n",
	};
	static const char task[] =
		"\n[task]\nsource-instances = [ \"up\", ]\ntarget-instance = \"down\"\ntarget-check-tables = [\n# one\n\"a.*\"\n]\n";

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char text[1000];
		struct diff_config c;
		struct err e = ERR_INIT;

		snprintf(text, sizeof(text), "%s%s", forms[i], task);
		if (diff_config_parse(&c, "f.toml", text, strlen(text), &e) < 0)
			fail_msg("%s: %s", text, e.text);
		assert_string_equal(c.up.host, "127.0.0.1");
		assert_int_equal(c.up.port, 21101);
		assert_int_equal(c.down.port, 16);
		diff_config_release(&c);
	}
}

static void routes_ranges_and_snapshots_are_taken(void **state)
{
	static const char text[] =
		"check-data-only = true\nskip-non-existing-table = true\n[data-sources.a]\nsnapshot='auto'\nroute-rules=['r','q']\n"
		"[data-sources.b]\nsnapshot='AUTO'\n[routes.r]\nschema-pattern='s_*'\ntable-pattern='t?'\ntarget-schema='s'\ntarget-table='t'\n"
		"[routes.q]\nschema-pattern='S_[ab]'\ntarget-schema='z'\n[table-configs.c]\ntarget-tables=['s.t']\nrange='id > 5'\n"
		"[task]\nsource-instances=['a']\ntarget-instance='b'\ntarget-check-tables=['*.*']\ntarget-configs=['c']\nsyncpoint-changefeed='f'\n";
	struct diff_config c;
	struct err e = ERR_INIT;
	const char *db, *table;

	(void)state;
	if (diff_config_parse(&c, "f.toml", text, strlen(text), &e) < 0)
		fail_msg("%s", e.text);
	assert_true(c.snapshot_auto && c.data_only && c.skip_missing && !c.up_snapshot &&
		    !c.down_snapshot);
	assert_string_equal(c.changefeed, "f");
	assert_string_equal(c.tables[0].condition, "id > 5");
	assert_int_equal(routes_apply(&c.routes, "s_a", "T1", &db, &table, &e), 1);
	assert_string_equal(db, "s");
	assert_string_equal(table, "t");
	/* of the whole db */
	assert_int_equal(routes_apply(&c.routes, "s_a", "other", &db, &table, &e), 1);
	assert_string_equal(db, "z");
	assert_string_equal(table, "other");
	assert_int_equal(routes_apply(&c.routes, "else", "t1", &db, &table, &e), 0);
	assert_string_equal(db, "else");
	assert_true(routes_lead_to(&c.routes, "s", "t"));
	assert_false(routes_lead_to(&c.routes, "z", "t"));
	diff_config_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guides_file_is_read),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line),
		cmocka_unit_test(any_bytes_do_no_harm), cmocka_unit_test(all_of_toml_is_read),
		cmocka_unit_test(routes_ranges_and_snapshots_are_taken)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
