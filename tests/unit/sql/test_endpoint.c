#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/uri.h"
#include "harness/sql/sql.h"

static void what_a_uri_asks_of_tls_is_understood(void **unused)
{
	static const struct {
		const char *uri;
		enum sql_tls tls;
	} asked[] = {
		{ "mysql://h", SQL_TLS_AS_GIVEN },
		{ "mysql+ssl://h", SQL_TLS_VERIFY },
		{ "tidb+ssl://h/?ssl-mode=REQUIRED", SQL_TLS_UNVERIFIED },
		{ "mysql://h/?ssl-mode=verify_ca&ssl-ca=/ca", SQL_TLS_CHAIN },
		{ "mysql://h/?ssl-mode=VERIFY_IDENTITY", SQL_TLS_VERIFY },
		{ "mysql://h/?ssl-mode=DISABLED", SQL_TLS_OFF },
		{ "mysql://h/?tls=true", SQL_TLS_VERIFY },
		{ "mysql://h/?tls=skip-verify", SQL_TLS_UNVERIFIED },
		{ "mysql://h/?tls=false&worker-count=16&time-zone=%2B08:00&charset=utf8mb4",
		  SQL_TLS_OFF },
		{ "mysql://h/?ssl=1", SQL_TLS_VERIFY },
		{ "mysql://h/?ssl-ca=/ca&ssl-cert=/c&ssl-key=/k&ssl-server-name=n",
		  SQL_TLS_AS_GIVEN },
	};
	struct sql_endpoint ep, again;
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		if (sql_endpoint_from_uri(&ep, asked[i].uri, &e) < 0)
			fail_msg("%s: %s", asked[i].uri, e.text);
		if (ep.tls != asked[i].tls)
			fail_msg("%s: %d", asked[i].uri, ep.tls);
		/* handed on to a process of drtest's, it asks for the same */
		char *uri = sql_endpoint_uri(&ep);

		if (sql_endpoint_from_uri(&again, uri, &e) < 0 || again.tls != ep.tls ||
		    strcmp(again.ssl_ca, ep.ssl_ca) != 0 ||
		    strcmp(again.ssl_server_name, ep.ssl_server_name) != 0)
			fail_msg("%s became %s: %s", asked[i].uri, uri, e.text);
		free(uri);
	}
}

static void what_would_not_be_done_is_refused(void **unused)
{
	static const struct {
		const char *uri, *says;
	} refused[] = {
		{ "mysql://h/?ssl-mode=PREFERRED", "does not let the server decide" },
		{ "mysql://h/?tls=preferred", "skip-verify" },
		{ "mysql://h/?tls=custom-name", "skip-verify" },
		{ "mysql://h/?ssl=maybe", "true or false" },
		{ "mysql://h/?ssl-key=/k", "ssl-cert" },
		{ "mysql+ssl://h/?ssl-mode=DISABLED", "both enable and disable TLS" },
		{ "mysql://h/?ssl-ca=/ca&tls=false", "both enable and disable TLS" },
		{ "mysql://h/?ssl-server-name=n&tls=skip-verify", "does not verify names" },
		{ "mysql://h/?socket=/run/mysqld.sock", "TCP" },
		{ "mysql://h/?sslmode=require", "unknown parameter 'sslmode'" },
		{ "mysql://h/?charset=latin1", "unknown parameter 'charset'" },
		{ "mysql://u:p/ss@h:4000", "%2F" },
		{ "mysql://u:p?ss@h:4000", "%2F" },
		{ "mysql://u:12/ss@h:4000", "%2F" },
		{ "127.0.0.1:4000", "mysql://USER@HOST:PORT" },
		{ "@/no/such/file", "No such file" },
		{ "env:DRTEST_TEST_ABSENT", "not set or empty" },
	};
	struct sql_endpoint ep;

	(void)unused;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct err e = ERR_INIT;

		if (sql_endpoint_from_uri(&ep, refused[i].uri, &e) == 0 || e.kind != ERR_USAGE ||
		    !strstr(e.text, refused[i].says))
			fail_msg("%s: %s", refused[i].uri, e.text);
	}
}

static void a_uri_may_stand_in_a_file_or_the_environment(void **unused)
{
	char path[] = "/tmp/drtest-uri.XXXXXX", arg[64];
	int fd = mkstemp(path);
	struct sql_endpoint ep;
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "mysql://ann:se%%40cret@db:4001\r\nsecond line\n") > 0);
	snprintf(arg, sizeof(arg), "@%s", path);
	if (sql_endpoint_from_uri(&ep, arg, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(ep.password, "se@cret");
	assert_int_equal(ep.port, 4001);
	setenv("DRTEST_TEST_URI", "tidb://bob:pw@[::1]:4002/", 1);
	assert_int_equal(sql_endpoint_from_uri(&ep, "env:DRTEST_TEST_URI", &e), 0);
	assert_string_equal(ep.host, "::1");
	assert_string_equal(ep.password, "pw");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(uri_option(arg, &text, &e), -1); /* empty */
	setenv("DRTEST_TEST_URI", "", 1);
	assert_int_equal(uri_option("env:DRTEST_TEST_URI", &text, &e), -1);
	close(fd);
	unlink(path);
	strbuf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_uri_asks_of_tls_is_understood),
		cmocka_unit_test(what_would_not_be_done_is_refused),
		cmocka_unit_test(a_uri_may_stand_in_a_file_or_the_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
