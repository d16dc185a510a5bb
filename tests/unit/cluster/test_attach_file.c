#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "harness/cluster/attach/attach.h"
#include "harness/net/http.h"
#include "harness/os/fs.h"

static char dir[] = "/tmp/drtest-test.XXXXXX";

static int read_text(struct attach_file *f, const char *text, struct err *e)
{
	char file[400];

	snprintf(file, sizeof(file), "%s/clusters.lua", dir);
	assert_int_equal(fs_write_atomic(file, text, strlen(text), 0600, e), 0);
	return attach_file_read(f, file, e);
}

static void reads(struct attach_file *f, const char *text)
{
	struct err e = ERR_INIT;

	if (read_text(f, text, &e) < 0)
		fail_msg("%s: %s", text, e.text);
}

static void each_connection_has_its_own_tls(void **unused)
{
	struct attach_file f;
	struct http_tls t;

	(void)unused;
	/* one for all */
	reads(&f,
	      "return { p = { sql = { host = 'h' }, pd = 'https://h:1', tls = { ca = '/ca', cert = '/c', key = '/k' } } }");
	assert_int_equal(f.c[0].sql.tls, SQL_TLS_VERIFY);
	assert_string_equal(f.c[0].sql.ssl_key, "/k");
	attach_file_release(&f);
	/* between components alone, as tiup's enable_tls makes it */
	reads(&f,
	      "return { p = { sql = { host = 'h', tls = false }, pd = 'https://h:1', tls = { ca = '/ca', server_name = 'pd.x' } } }");
	assert_int_equal(f.c[0].sql.tls, SQL_TLS_AS_GIVEN);
	assert_string_equal(f.c[0].sql.ssl_ca, "");
	t = attach_http_tls(&f.c[0]);
	assert_string_equal(t.ca, "/ca");
	assert_string_equal(t.server_name, "pd.x");
	attach_file_release(&f);
	/* of SQL alone, by the system's CAs */
	reads(&f, "return { p = { sql = { host = 'h', tls = {} }, pd = 'http://h:1' } }");
	assert_int_equal(f.c[0].sql.tls, SQL_TLS_VERIFY);
	assert_string_equal(attach_http_tls(&f.c[0]).ca, "");
	attach_file_release(&f);
	/* each its own */
	reads(&f,
	      "return { p = { sql = { host = 'h', tls = { ca = '/sql', server_name = 's' } }, tls = { ca = '/pd' },"
	      " sink = { user = 'u', tls = { ca = '/cdc' } } } }");
	assert_string_equal(f.c[0].sql.ssl_ca, "/sql");
	assert_string_equal(f.c[0].sql.ssl_server_name, "s");
	assert_string_equal(f.c[0].tls.ca, "/pd");
	assert_string_equal(f.c[0].sink_tls.ca, "/cdc");
	attach_file_release(&f);
}

static void a_secret_is_read_when_it_is_wanted(void **unused)
{
	struct attach_file f;
	struct err e = ERR_INIT;
	struct strbuf ran = STRBUF_INIT;
	char file[400], text[900];

	(void)unused;
	snprintf(file, sizeof(file), "%s/password", dir);
	assert_int_equal(fs_write_atomic(file, "from the file\nand more\n", 23, 0600, &e), 0);
	snprintf(
		text, sizeof(text),
		"return { p = { sql = { host = 'h', password = { file = '%s' } },"
		" sink = { user = 'u', password = { command = { 'sh', '-c', 'echo x >>%s/ran; echo from a command' } } } } }",
		file, dir);
	reads(&f, text);
	snprintf(file, sizeof(file), "%s/ran", dir);
	assert_false(fs_exists(file));
	assert_string_equal(f.c[0].sql.password, "");
	assert_int_equal(attach_secrets(&f, &e), 0);
	assert_string_equal(f.c[0].sql.password, "from the file");
	assert_string_equal(f.c[0].sink_password, "from a command");
	assert_int_equal(attach_secrets(&f, &e), 0); /* and not again */
	assert_int_equal(fs_read_file(file, 100, &ran, &e), 0);
	assert_string_equal(ran.buf, "x\n");
	strbuf_release(&ran);
	attach_file_release(&f);
}

/* A file of others' eyes, or hands; not where nobody gets to. */
static void a_secret_that_others_reach_is_told(void **unused)
{
	static const struct {
		mode_t folder, file;
		const char *says;
	} how[] = {
		{ 0755, 0600, "" },
		{ 0755, 0640, "" },
		{ 0700, 0644, "" },
		{ 0755, 0604, "can read it: chmod 600 " },
		{ 0755, 0602, "can write it: chmod 600 " },
	};
	char file[400], text[900];

	(void)unused;
	snprintf(file, sizeof(file), "%s/password", dir);
	snprintf(text, sizeof(text),
		 "return { p = { sql = { host = 'h', password = { file = '%s' } } } }", file);
	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		struct err e = ERR_INIT;
		struct attach_file f;

		assert_int_equal(fs_write_atomic(file, "x\n", 2, 0600, &e), 0);
		assert_int_equal(chmod(file, how[i].file), 0);
		assert_int_equal(chmod(dir, how[i].folder), 0);
		reads(&f, text);
		assert_int_equal(attach_secrets(&f, &e), 0);
		assert_int_equal(!f.loose[0], !how[i].says[0]);
		assert_non_null(strstr(f.loose, how[i].says));
		attach_file_release(&f);
	}
	assert_int_equal(chmod(dir, 0700), 0);
}

static void a_secret_that_is_none_is_told(void **unused)
{
	static const char *const bad[][2] = {
		{ "{ file = '/nowhere/x' }", "p: its password comes from a file: open /nowhere/x" },
		{ "{ command = { 'false' } }",
		  "p: its password comes from a command: false: exit 1" },
		{ "{ command = { 'true' } }", "has to give one line" },
		{ "{ file = '/dev/null' }", "has to give one line" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct attach_file f;
		struct err e = ERR_INIT;
		char text[300];

		snprintf(text, sizeof(text),
			 "return { p = { sql = { host = 'h', password = %s } } }", bad[i][0]);
		reads(&f, text);
		assert_int_equal(attach_secrets(&f, &e), -1);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], e.text);
		attach_file_release(&f);
	}
}

static void what_does_not_go_together_is_refused(void **unused)
{
	static const char *const bad[][2] = {
		{ "pd = 'http://h:1', tls = { ca = '/ca' }", "pd is http:// but tls is set" },
		{ "ticdc = 'https://h:1', tls = false", "ticdc is https:// but tls is false" },
		{ "tls = { cert = '/c' }", "tls needs both cert and key" },
		{ "tls = true", "tls = { ca = …" },
		{ "tls = { ca = '/ca', verify = false }", "an unknown field 'verify'" },
		{ "sink = { password = 'x' }", "sink needs a user" },
		{ "sink = {}", "sink needs a user" },
		{ "sink = { tls = false }", "sink needs a user" },
		{ "sink = { user = 'x', tls = {} }", "sink.tls needs ca" },
		{ "sink = { user = 'x', tls = { cert = '/c', key = '/k' } }", "sink.tls needs ca" },
		{ "sink = { user = '' }", "user is empty" },
		{ "tls = { ca = '' }", "ca is empty" },
		{ "pd = ''", "pd is empty" },
		{ "pd = 'http://h:1', cluster_id = ''", "cluster_id is empty" },
		{ "kind = ''", "kind is empty" },
		{ "commands = { kill = {} }", "a list of 1 to 32 words" },
		{ "commands = { kill = { '' } }", "command kill: word 1 is empty" },
		{ "commands = { kill = { 'rm', '/data\\0/x' } }",
		  "command kill: word 2 is not text" },
		{ "allow = { 'write\\0x' }", "allow accepts backup" },
		{ "sink = { user = 'x', tls = { server_name = 'n' } }",
		  "which TiCDC does not support" },
		{ "kind = 'oracle'", "kind is \"tidb\" or \"mysql\"" },
		{ "kind = 'mysql', pd = 'http://h:1'", "has no pd, ticdc or status" },
		{ "cluster_id = '12'", "cluster_id needs pd" },
		{ "cluster_id = 12, pd = 'http://h'", "cluster_id must be text" },
		{ "pd = 'h:2379'", "pd must begin with" },
		{ "pd = '${PD}'", "pd must begin with" },
		{ "pd = 'http://'", "pd has no host" },
		{ "pd = 'http://:2379'", "pd has no host" },
		{ "pd = 'http://h:0'", "pd has an invalid port" },
		{ "pd = 'http://h:99999'", "pd has an invalid port" },
		{ "pd = 'http://h:23x'", "pd has an invalid port" },
		{ "pd = 'http://h:1:2379'", "write an IPv6 address in brackets" },
		{ "pd = 'http://a:1,http://b:1'", "of one server" },
		{ "pd = 'http://u:secret@h:1'", "without a path, a password or blanks" },
		{ "ticdc = 'http://h:8300/api/v2'", "ticdc is http://HOST:PORT of one server" },
		{ "status = 'http://h:1?x=1'", "status is http://HOST:PORT of one server" },
		{ "status = 'http://h\\r\\nX: y:1'", "status is http://HOST:PORT of one server" },
		{ "expendable = 'yes'", "expendable is true or false" },
		{ "allow = { 'everything' }", "allow accepts backup" },
		{ "commands = { kill = { 'a', 1 } }", "command kill: word 2 is not text" },
	};
	static const char *const of_sql[][2] = {
		{ "host = 'h:4000'", "sql.host contains a port" },
		{ "host = 'mysql://root@h'", "sql.host must be a name or an address" },
		{ "host = '[::1]'", "sql.host: write an IPv6 address without brackets" },
		{ "host = 'h', port = 0", "port is a number from 1 to 65535" },
		{ "host = 'h', port = 4000.5", "port is a number from 1 to 65535" },
		{ "host = 'h', port = 'x'", "port is a number from 1 to 65535" },
		{ "port = 1", "sql = { host = …, port" },
		{ "host = 'a\\0b'", "host must be text" },
		{ "host = ''", "host is empty" },
		{ "host = 'h', user = ''", "user is empty" },
		{ "host = 'h', password = { file = '' }", "file is empty" },
		{ "host = 'h', password = { command = {} }", "a list of 1 to 32 words" },
		{ "host = 'h', port = -1", "port is a number from 1 to 65535" },
		{ "host = 'h', port = 65536", "port is a number from 1 to 65535" },
		{ "host = 'h', port = 0/0", "port is a number from 1 to 65535" },
		{ "host = 'h', port = 1/0", "port is a number from 1 to 65535" },
		{ "host = 'h', password = {}", "password is text, or { file" },
		{ "host = 'h', password = { file = '/a', command = { 'b' } }", "password is text" },
		{ "host = 'h', password = { vault = 'x' }", "an unknown field 'vault'" },
	};
	struct attach_file f;
	char text[400];

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]) + sizeof(of_sql) / sizeof(of_sql[0]);
	     i++) {
		struct err e = ERR_INIT;
		size_t n = sizeof(bad) / sizeof(bad[0]);
		const char *says = i < n ? bad[i][1] : of_sql[i - n][1];

		snprintf(text, sizeof(text),
			 i < n ? "return { p = { sql = { host = 'h' }, %s } }"
			       : "return { p = { sql = { %s } } }",
			 i < n ? bad[i][0] : of_sql[i - n][0]);
		if (read_text(&f, text, &e) == 0)
			fail_msg("taken: %s", text);
		if (!strstr(e.text, says) || !strstr(e.text, "cluster p: ") || e.kind != ERR_USAGE)
			fail_msg("%s: %s", text, e.text);
	}
}

/* What concerns more than one field, or more than one cluster. */
static void what_stands_twice_is_refused(void **unused)
{
	static const char *const bad[][2] = {
		{ "return { p = { sql = { host = 'h' }, expendable = false,\n expendable = true } }",
		  "clusters.lua:2: the field 'expendable' stands twice" },
		{ "return { p = { sql = { host = 'h' } }, ['p'] = { sql = { host = 'i' } } }",
		  "the field 'p' stands twice" },
		{ "return { store = 'file:///a'; --[[ store = x ]] store = 'file:///b', p = { sql = { host = 'h' } } }",
		  "the field 'store' stands twice" },
		{ "return { p = { sql = { host = 'h' }, ['expendable\\0x'] = true } }",
		  "an unknown field '(no name)'" },
		{ "return { p = { sql = { host = 'h' } }, q = { sql = { host = 'H' } } }",
		  "p and q are one server" },
		{ "return { p = { sql = { host = 'localhost' } }, q = { sql = { host = '127.0.0.1' } } }",
		  "p and q are one server" },
		{ "return { p = { sql = { host = '::1' } }, q = { sql = { host = 'localhost' } } }",
		  "p and q are one server" },
		{ "return { p = { sql = { host = '2001:db8:0::1' } }, q = { sql = { host = '2001:DB8::1' } } }",
		  "p and q are one server" },
		{ "return { p = { sql = { host = 'h.' } }, q = { sql = { host = 'h' } } }",
		  "p and q are one server" },
		{ "return { p = { sql = { host = 'a' }, pd = 'http://pd:2379' }, q = { sql = { host = 'b' }, pd = 'http://PD:2379/' } }",
		  "p and q have one pd" },
		{ "return { p = { sql = { host = 'a' } }, store = 's3://bkt/redo/', redo = 's3://bkt/redo?access-key=x' }",
		  "store is in the redo log's own place" },
		{ "return { p = { sql = { host = 'a' } }, store = 'file:///x//redo/runs', redo = 'file:///x/redo' }",
		  "store is in the redo log's own place" },
	};
	static const char *const good[] = {
		"return { p = { sql = { host = '127.0.0.1' } }, q = { sql = { host = '127.0.0.2' } } }",
		"return { p = { sql = { host = 'h' } }, q = { sql = { host = 'h', port = 4001 } } }",
		"return { p = { sql = { host = 'a' } }, store = 's3://bkt/redo-runs', redo = 's3://bkt/redo' }",
		"local a = { x = 1 } a.x = 2; a.x = 3\nlocal f = function() local y = { z = 1 }; y.z = 2; y.z = 3; return y end\n"
		"return { p = { sql = { host = 'h', password = 'a, host = \\'b\\'' } }, --[==[ p = ]] ]==]\n"
		" q = { sql = { host = [[i]] }, [1 == 1 and 'allow' or 'x'] = { 'write', 'write' } } }",
	};
	struct attach_file f;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		if (read_text(&f, bad[i][0], &e) == 0)
			fail_msg("taken: %s", bad[i][0]);
		if (!strstr(e.text, bad[i][1]) || e.kind != ERR_USAGE)
			fail_msg("%s: %s", bad[i][0], e.text);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		reads(&f, good[i]);
		attach_file_release(&f);
	}
}

static void addresses_are_taken_as_they_are(void **unused)
{
	struct attach_file f;
	struct err e = ERR_INIT;
	static const char named[] =
		"return { p = { sql = { host = env 'H' }, pd = 'https://' .. env 'PD' .. ':2379', status = env 'S' } }";
	char path[400];

	(void)unused;
	reads(&f,
	      "return { p = { sql = { host = '2001:db8::1' }, pd = 'http://[::1]:2379/', ticdc = 'http://db_1.x-y' } }");
	assert_string_equal(f.c[0].pd, "http://[::1]:2379");
	assert_string_equal(f.c[0].ticdc, "http://db_1.x-y");
	attach_file_release(&f);
	/* for who names the variables */
	snprintf(path, sizeof(path), "%s/named.lua", dir);
	assert_int_equal(fs_write_atomic(path, named, strlen(named), 0600, &e), 0);
	if (attach_file_read_named(&f, path, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(f.c[0].sql.host, "${H}");
	assert_string_equal(f.c[0].status, "${S}");
	attach_file_release(&f);
}

static void the_reference_tells_every_field(void **unused)
{
	struct strbuf out = STRBUF_INIT;

	(void)unused;
	attach_file_reference(&out);
	assert_non_null(strstr(out.buf, "| `sql.password` | text or table |"));
	assert_non_null(strstr(out.buf, "| `commands.destroy` | list |"));
	assert_non_null(strstr(out.buf, "| `server_name` |"));
	assert_non_null(strstr(out.buf, "| `redo_time_zone` | text |"));
	assert_null(strstr(out.buf, "(null)"));
	strbuf_release(&out);
}

static int make_dir(void **unused)
{
	(void)unused;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **unused)
{
	(void)unused;
	return fs_remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_connection_has_its_own_tls),
		cmocka_unit_test(a_secret_is_read_when_it_is_wanted),
		cmocka_unit_test(a_secret_that_others_reach_is_told),
		cmocka_unit_test(a_secret_that_is_none_is_told),
		cmocka_unit_test(what_does_not_go_together_is_refused),
		cmocka_unit_test(what_stands_twice_is_refused),
		cmocka_unit_test(addresses_are_taken_as_they_are),
		cmocka_unit_test(the_reference_tells_every_field),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
