/* The guide's own tools get their TLS, and no secret by argv where they take it otherwise: a script
 * in their place tells what it was given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/tidb/stock_tools.h"

static char dir[] = "/tmp/drtest-stock.XXXXXX";
static char script[64], told[64];

static int set_up(void **unused)
{
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc;

	(void)unused;
	assert_non_null(mkdtemp(dir));
	snprintf(script, sizeof(script), "%s/tool", dir);
	snprintf(told, sizeof(told), "%s/told", dir);
	strbuf_addf(&text,
		    "#!/bin/sh\n{ printf '<%%s>' \"$@\"; echo; echo \"key=$AWS_ACCESS_KEY_ID "
		    "secret=$AWS_SECRET_ACCESS_KEY token=$AWS_SESSION_TOKEN\"; } >>%s\n"
		    "echo '[BackupTS=431434047157698561]'\n",
		    told);
	rc = fs_write_atomic(script, text.buf, text.len, 0700, &e);
	strbuf_release(&text);
	return rc;
}

static int take_down(void **unused)
{
	(void)unused;
	return fs_remove_tree(dir, NULL);
}

static void br_has_its_keys_in_the_environment_and_its_tls(void **unused)
{
	struct stock_tool br = { .word = { script }, .n = 1 };
	struct http_tls tls = { "/ca.pem", "/cert.pem", "/key.pem", "" };
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	tso_t ts = 0;

	(void)unused;
	if (stock_br(
		    &br, false, "127.0.0.1:2379", &tls,
		    "s3://b/p?access-key=AK%2B1&endpoint=http://127.0.0.1:9000&secret-access-key=SE/CRET&"
		    "session-token=TOK&force-path-style=true",
		    7, "/log", &ts, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(ts == UINT64_C(431434047157698561));
	assert_int_equal(fs_read_file(told, 4096, &text, &e), 0);
	assert_string_equal(
		text.buf,
		"<backup><full><--pd><127.0.0.1:2379><--storage><s3://b/p?endpoint=http://127.0.0.1:9000&force-path-style=true>"
		"<--log-file=/log><--ca></ca.pem><--cert></cert.pem><--key></key.pem><--ratelimit=7>\n"
		"key=AK+1 secret=SE/CRET token=TOK\n");
	strbuf_release(&text);
	/* what it can't is refused, and it is not run */
	assert_int_equal(stock_br(&br, false, "https://127.0.0.1:2379", &(struct http_tls){ 0 },
				  "s3://b/p", 0, "/log", &ts, &e),
			 -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.text, "tls = { ca ="));
}

static void the_sink_has_its_tls(void **unused)
{
	struct sql_endpoint ep = { .host = "::1",
				   .port = 4000,
				   .user = "a@b",
				   .password = "p/w",
				   .ssl_ca = "/etc/ca+1.pem",
				   .ssl_cert = "/c",
				   .ssl_key = "/k",
				   .tls = SQL_TLS_VERIFY };
	char *uri = stock_sink_uri(&ep);

	(void)unused;
	assert_string_equal(
		uri,
		"mysql://a%40b:p%2Fw@[::1]:4000/?ssl-ca=/etc/ca%2B1.pem&ssl-cert=/c&ssl-key=/k");
	free(uri);
}

static void what_a_tool_can_not_of_tls_is_said(void **unused)
{
	static const struct {
		struct sql_endpoint ep;
		const char *tool, *words; /* NULL: it can */
	} cases[] = {
		{ { .tls = SQL_TLS_OFF }, "sysbench", NULL },
		{ { .tls = SQL_TLS_VERIFY, .ssl_ca = "/ca" }, "cdc redo", NULL },
		{ { .ssl_ca = "/ca" }, "sync_diff_inspector", NULL },
		{ { .ssl_ca = "/ca" }, "sysbench", "sysbench has no verified TLS" },
		{ { .tls = SQL_TLS_VERIFY }, "cdc redo", "cdc redo only supports CAs from a file" },
		{ { .ssl_ca = "/ca", .ssl_server_name = "db" },
		  "sync_diff_inspector",
		  "sync_diff_inspector does not support a server name" },
		{ { .tls = SQL_TLS_CHAIN, .ssl_ca = "/ca" },
		  "cdc redo",
		  "cdc redo also verifies the server's name" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;
		int rc = stock_can_tls(cases[i].tool, &cases[i].ep, &e);

		assert_int_equal(rc, cases[i].words ? -1 : 0);
		if (cases[i].words)
			assert_non_null(strstr(e.text, cases[i].words));
	}
}

static void sync_diff_inspector_has_its_tls(void **unused)
{
	struct sql_endpoint a = { .host = "a", .ssl_ca = "/ca", .ssl_cert = "/c", .ssl_key = "/k" },
			    b = { .host = "b" };
	struct sync_diff o = { .a = &a, .b = &b, .dir = "/d" };
	struct strbuf s = STRBUF_INIT;

	(void)unused;
	stock_sync_diff_config(&o, &s);
	assert_non_null(strstr(
		s.buf,
		"security.ca-path = \"/ca\"\nsecurity.cert-path = \"/c\"\nsecurity.key-path = \"/k\"\n[data-sources.b]"));
	assert_null(strstr(strstr(s.buf, "[data-sources.b]"), "security"));
	strbuf_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(br_has_its_keys_in_the_environment_and_its_tls),
		cmocka_unit_test(the_sink_has_its_tls),
		cmocka_unit_test(what_a_tool_can_not_of_tls_is_said),
		cmocka_unit_test(sync_diff_inspector_has_its_tls),
	};

	return cmocka_run_group_tests(tests, set_up, take_down);
}
