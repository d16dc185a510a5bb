/* Needs MariaDB and openssl: what a connection asks for of TLS and of ways to log in is had, or
 * there is none; and a peer that says nothing. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "tests/integration/mariadb_server.h"

#define SECRET "ZQ7neverShown"

static struct test_server *plain, *tls;
static char certs[64];

static int open_uri(const char *uri, struct err *e)
{
	struct sql_endpoint ep;
	struct sql *s;

	*e = (struct err)ERR_INIT;
	if (sql_endpoint_from_uri(&ep, uri, e) < 0)
		return -1;
	s = sql_open(&ep, deadline_in_ms(30000), e);
	if (!s)
		return -1;
	sql_close(s);
	return 0;
}

static int to(struct test_server *server, const char *scheme, const char *host, const char *params,
	      struct err *e)
{
	char *uri = xstrfmt("%s://root@%s:%u/?%s", scheme, host, test_server_endpoint(server)->port,
			    params),
	     *at = strstr(uri, "CERTS");
	int rc;

	if (at) { /* the parameters' one path */
		char *full = xstrfmt("%.*s%s%s", (int)(at - uri), uri, certs, at + 5);

		free(uri);
		uri = full;
	}
	rc = open_uri(uri, e);
	free(uri);
	return rc;
}

static void tls_that_is_asked_for_is_made_and_checked(void **unused)
{
	static const struct {
		const char *scheme, *host, *params;
		bool plain_server_too; /* what a server without TLS is asked the same: works */
		bool ok;
		const char *says;
	} asked[] = {
		{ "mysql", "127.0.0.1", "", true, true, NULL },
		{ "mysql", "127.0.0.1", "ssl-mode=disabled", true, true, NULL },
		{ "tidb", "127.0.0.1", "tls=false&worker-count=4&time-zone=UTC", true, true, NULL },
		{ "mysql", "127.0.0.1", "ssl-mode=REQUIRED", false, true, NULL },
		{ "mysql", "127.0.0.1", "tls=skip-verify", false, true, NULL },
		{ "mysql", "localhost", "ssl-ca=CERTS/ca.pem", false, true, NULL },
		{ "mysql+ssl", "localhost", "ssl-ca=CERTS/ca.pem", false, true, NULL },
		{ "mysql", "localhost", "ssl-ca=CERTS/ca.pem&ssl-mode=VERIFY_IDENTITY", false, true,
		  NULL },
		{ "mysql", "127.0.0.1", "ssl-ca=CERTS/ca.pem&ssl-server-name=db.example", false,
		  true, NULL },
		{ "mysql", "127.0.0.1", "ssl-ca=CERTS/ca.pem&ssl-server-name=other.example", false,
		  false, "is not for other.example" },
		{ "mysql", "127.0.0.1", "ssl-ca=CERTS/ca.pem&ssl-mode=VERIFY_CA", false, true,
		  NULL },
		{ "mysql", "127.0.0.1", "ssl-ca=CERTS/other-ca.pem&ssl-mode=VERIFY_CA", false,
		  false, "" },
		{ "mysql", "localhost", "ssl-ca=CERTS/other-ca.pem", false, false, "" },
		{ "mysql", "127.0.0.1", "ssl-ca=CERTS/ca.pem", false, false, "" },
		{ "mysql+ssl", "localhost", "", false, false, "" },
		{ "tidb+ssl", "localhost", "", false, false, "" },
		{ "mysql", "localhost", "tls=true", false, false, "" },
		{ "mysql", "localhost", "ssl=true", false, false, "" },
		{ "mysql", "localhost", "ssl-ca=CERTS/absent.pem", false, false, "" },
	};
	struct err e;

	(void)unused;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		int rc = to(tls, asked[i].scheme, asked[i].host, asked[i].params, &e);

		if ((rc == 0) != asked[i].ok || (rc < 0 && !strstr(e.text, asked[i].says)))
			fail_msg("%s://%s?%s to a server with TLS: %s", asked[i].scheme,
				 asked[i].host, asked[i].params, rc ? e.text : "connected");
		rc = to(plain, asked[i].scheme, asked[i].host, asked[i].params, &e);
		if ((rc == 0) != asked[i].plain_server_too)
			fail_msg("%s://%s?%s to a server without TLS: %s", asked[i].scheme,
				 asked[i].host, asked[i].params, rc ? e.text : "connected");
		if (rc < 0 && e.kind == ERR_USAGE)
			fail_msg("%s: %s", asked[i].params, e.text);
	}
	setenv("SSL_CERT_FILE", "", 1);
	unsetenv("SSL_CERT_FILE");
}

static void an_account_that_wants_tls_is_told_so(void **unused)
{
	struct sql *s = test_server_connect(tls);
	struct err e = ERR_INIT;
	char *uri = xstrfmt("mysql://secured:pw@127.0.0.1:%u/", test_server_endpoint(tls)->port);

	(void)unused;
	assert_true(sql_exec(s, &e, "CREATE USER secured@'%%' IDENTIFIED BY 'pw' REQUIRE SSL") >=
		    0);
	assert_int_equal(open_uri(uri, &e), -1);
	assert_non_null(strstr(e.text, "mysql+ssl"));
	free(uri);
	uri = xstrfmt("mysql://secured:pw@localhost:%u/?ssl-ca=%s/ca.pem",
		      test_server_endpoint(tls)->port, certs);
	if (open_uri(uri, &e) < 0)
		fail_msg("%s", e.text);
	free(uri);
	sql_close(s);
}

/* A server that is none: greets, then plays one of the ways to be told a password. */
struct impostor {
	int fd;
	const unsigned char *greeting, *then;
	size_t greeting_n, then_n;
	unsigned char got[4096];
	size_t got_n;
};

static void *pretend(void *arg)
{
	struct impostor *im = arg;
	int c = accept(im->fd, NULL, NULL);
	ssize_t n;

	if (c < 0)
		return NULL;
	if (im->greeting_n) {
		(void)!write(c, im->greeting, im->greeting_n);
		n = read(c, im->got, sizeof(im->got));
		im->got_n = n > 0 ? (size_t)n : 0;
		if (im->then_n)
			(void)!write(c, im->then, im->then_n);
	}
	/* until the client has had enough */
	while ((n = read(c, im->got + im->got_n, sizeof(im->got) - im->got_n)) > 0)
		im->got_n += (size_t)n;
	close(c);
	return NULL;
}

#define SALT "12345678"
static void no_server_is_told_the_password(void **unused)
{
	/* protocol 10, capabilities as a server of today has them, plug-in's name at the end */
#define GREETING(len, plugin)      \
	len "\0\0\0"               \
	    "\x0a"                 \
	    "8.0.36\0"             \
	    "\x01\0\0\0" SALT "\0" \
	    "\xff\xf7"             \
	    "\x21"                 \
	    "\x02\0"               \
	    "\xff\x81"             \
	    "\x15"                 \
	    "\0\0\0\0\0\0\0\0\0\0" \
	    "123456789012\0" plugin
	static const char native[] = GREETING("\x4a", "mysql_native_password"),
			  sha2[] = GREETING("\x4a", "caching_sha2_password"),
			  clear[] = "\x16\0\0\x02"
				    "\xfe"
				    "mysql_clear_password",
			  old[] = "\x01\0\0\x02"
				  "\xfe",
			  to_sha2[] = "\x2c\0\0\x02"
				      "\xfe"
				      "caching_sha2_password\0"
				      "12345678901234567890",
			  dialog[] = "\x0b\0\0\x02"
				     "\xfe"
				     "dialog\0"
				     "\x02?\0";
	static const struct {
		const char *greeting, *then;
		size_t greeting_n, then_n;
	} plays[] = {
		{ native, clear, sizeof(native), sizeof(clear) },
		{ native, old, sizeof(native), sizeof(old) - 1 },
		{ native, to_sha2, sizeof(native), sizeof(to_sha2) },
		{ native, dialog, sizeof(native), sizeof(dialog) - 1 },
		{ sha2, to_sha2, sizeof(sha2), sizeof(to_sha2) },
		{ NULL, NULL, 0, 0 }, /* accepts and says nothing: that ends, too */
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
		struct impostor im = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
				       .greeting = (const unsigned char *)plays[i].greeting,
				       .then = (const unsigned char *)plays[i].then,
				       .greeting_n = plays[i].greeting_n,
				       .then_n = plays[i].then_n };
		struct sockaddr_in at = { .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t n = sizeof(at);
		pthread_t thread;
		char *uri;
		struct err e;

		assert_int_equal(bind(im.fd, (struct sockaddr *)&at, sizeof(at)), 0);
		assert_int_equal(listen(im.fd, 4), 0);
		assert_int_equal(getsockname(im.fd, (struct sockaddr *)&at, &n), 0);
		pthread_create(&thread, NULL, pretend, &im);
		uri = xstrfmt("mysql://root:" SECRET "@127.0.0.1:%u/", ntohs(at.sin_port));
		assert_int_equal(open_uri(uri, &e), -1);
		pthread_join(thread, NULL);
		if (memmem(im.got, im.got_n, SECRET, 4))
			fail_msg("play %zu was told the password", i);
		if (plays[i].greeting && (!im.got_n || !memmem(im.got, im.got_n, "root", 4)))
			fail_msg("play %zu was not taken for a server: %s", i, e.text);
		if (plays[i].then == clear && !strstr(e.text, "verified certificate"))
			fail_msg("%s", e.text);
		assert_null(strstr(e.text, SECRET));
		free(uri);
		close(im.fd);
	}
}

/* A global of the server must not cut what we read: with sql_select_limit = 1 it lists one table.
 * MariaDB is asked for itself, in test_feed_open. */
static void each_kind_of_server_gives_a_session_of_ours(void **unused)
{
	static const char mysql[] = GREETING("\x4a", "mysql_native_password"),
			  taken[] = "\x07\0\0\x02"
				    "\0\0\0\x02\0\0";
	char tidb[sizeof(mysql)];

	(void)unused;
	memcpy(tidb, mysql, sizeof(tidb));
	memcpy(tidb + 5, "8-TiDB", 6); /* in the place of 8.0.36 */
	for (int i = 0; i < 2; i++) {
		struct impostor im = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
				       .greeting = (const unsigned char *)(i ? tidb : mysql),
				       .then = (const unsigned char *)taken,
				       .greeting_n = sizeof(mysql),
				       .then_n = sizeof(taken) };
		struct sockaddr_in at = { .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		struct sql_endpoint ep = { .host = "127.0.0.1", .user = "root" };
		static const char *const want[] = { "sql_select_limit = 18446744073709551615",
						    "completion_type = 0", "sql_safe_updates = 0",
						    "read_only = 0" };
		socklen_t n = sizeof(at);
		struct err e = ERR_INIT;
		pthread_t thread;

		assert_int_equal(bind(im.fd, (struct sockaddr *)&at, sizeof(at)), 0);
		assert_int_equal(listen(im.fd, 4), 0);
		assert_int_equal(getsockname(im.fd, (struct sockaddr *)&at, &n), 0);
		pthread_create(&thread, NULL, pretend, &im);
		ep.port = ntohs(at.sin_port);
		assert_null(sql_open(&ep, deadline_in_ms(1000), &e)); /* it answers no more */
		pthread_join(thread, NULL);
		for (size_t k = 0; k < sizeof(want) / sizeof(want[0]); k++)
			if (!memmem(im.got, im.got_n, want[k], strlen(want[k])))
				fail_msg("%s is not set: %s", want[k], e.text);
		close(im.fd);
	}
}

/* Greets as told, then sends bytes of a long message one by one, until the client has gone or for a
 * minute. */
struct dripper {
	int fd;
	bool greets;
	bool outlasted; /* it ended before the client did */
};

static void *drip(void *arg)
{
	struct dripper *d = arg;

	for (;;) {
		/* a packet of 64 KiB, or a TLS record of 16 KiB that is a handshake */
		static const unsigned char head[2][6] = { { 0xff, 0xff, 0, 0, 10 },
							  { 22, 3, 3, 0x3f, 0xff, 2 } };
		static const char greeting[] = GREETING("\x4a", "mysql_native_password");
		unsigned char request[4096];
		int c = accept(d->fd, NULL, NULL);

		if (c < 0)
			return NULL;
		if (d->greets) {
			char g[sizeof(greeting)];

			memcpy(g, greeting, sizeof(g));
			g[4 + 1 + 7 + 4 + 8 + 1 + 1] |= 0x08; /* CLIENT_SSL */
			(void)!send(c, g, sizeof(g), MSG_NOSIGNAL);
			(void)!recv(c, request, sizeof(request), 0);
		}
		d->outlasted = true;
		for (int i = 0; i < 600 && d->outlasted; i++) {
			unsigned char byte = i < 6 ? head[d->greets][i] : 'x';

			d->outlasted = send(c, &byte, 1, MSG_NOSIGNAL) == 1;
			usleep(100000);
		}
		close(c);
	}
}

static void a_server_that_sends_a_byte_now_and_then_holds_no_login(void **unused)
{
	static const struct {
		bool greets;
		const char *mode;
	} tries[] = { { false, "DISABLED" }, { true, "REQUIRED" }, { true, "VERIFY_CA" } };

	(void)unused;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct dripper d = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
				     .greets = tries[i].greets };
		struct sockaddr_in at = { .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		struct sql_endpoint ep;
		struct err e = ERR_INIT;
		socklen_t n = sizeof(at);
		bool with_ca = !strcmp(tries[i].mode, "VERIFY_CA");
		char *uri;
		pthread_t thread;

		assert_int_equal(bind(d.fd, (struct sockaddr *)&at, sizeof(at)), 0);
		assert_int_equal(listen(d.fd, 4), 0);
		assert_int_equal(getsockname(d.fd, (struct sockaddr *)&at, &n), 0);
		pthread_create(&thread, NULL, drip, &d);
		uri = xstrfmt("mysql://root:" SECRET "@127.0.0.1:%u/?ssl-mode=%s%s%s%s",
			      ntohs(at.sin_port), tries[i].mode, with_ca ? "&ssl-ca=" : "",
			      with_ca ? certs : "", with_ca ? "/ca.pem" : "");
		assert_int_equal(sql_endpoint_from_uri(&ep, uri, &e), 0);
		assert_null(sql_open(&ep, deadline_in_ms(1000), &e));
		if (!strstr(e.text, "the login was not complete after 3 s"))
			fail_msg("%s: %s", uri, e.text);
		shutdown(d.fd, SHUT_RDWR);
		pthread_join(thread, NULL);
		assert_false(d.outlasted);
		close(d.fd);
		free(uri);
	}
}

/* The library's own limit for an answer over TLS is that of the login. */
static void a_long_statement_is_waited_for_over_tls(void **unused)
{
	struct sql_endpoint ep = *test_server_endpoint(tls);
	struct err e = ERR_INIT;
	struct sql *s = NULL;
	int wait_s = 1;

	(void)unused;
	ep.tls = SQL_TLS_UNVERIFIED;
	for (; !s && wait_s <= 32; wait_s *= 2) /* as short as this machine lets a login be */
		s = sql_open(&ep, deadline_in_ms((int64_t)wait_s * 1000), &e);
	if (!s || sql_exec(s, &e, "DO SLEEP(%d)", wait_s + 1) < 0)
		fail_msg("%s", e.text);
	sql_patience(s, 1000);
	assert_int_equal(sql_exec(s, &e, "DO SLEEP(60)"), -1);
	assert_int_equal(e.kind, ERR_GONE);
	sql_close(s);
}

static void make_certificates(void)
{
	char *script = xstrfmt(
		"cd %s && for ca in ca other-ca; do openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=$ca -keyout $ca.key "
		"-out $ca.pem; done >/dev/null 2>&1 && openssl req -newkey rsa:2048 -nodes -subj /CN=db.example -keyout server.key "
		"-out server.csr >/dev/null 2>&1 && printf 'subjectAltName=DNS:localhost,DNS:db.example\n' >ext && openssl x509 -req "
		"-in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out server.pem >/dev/null 2>&1 && "
		"chmod 755 . && chmod 644 *",
		certs);
	char *argv[] = { (char *)"sh", (char *)"-c", script, NULL };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	if (proc_run(argv, NULL, &out, 1 << 16, deadline_in_ms(120000), &e) < 0) {
		printf("skipped: openssl does not make certificates: %s\n", e.text);
		exit(77);
	}
	strbuf_release(&out);
	free(script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_that_is_asked_for_is_made_and_checked),
		cmocka_unit_test(an_account_that_wants_tls_is_told_so),
		cmocka_unit_test(no_server_is_told_the_password),
		cmocka_unit_test(each_kind_of_server_gives_a_session_of_ours),
		cmocka_unit_test(a_long_statement_is_waited_for_over_tls),
		cmocka_unit_test(a_server_that_sends_a_byte_now_and_then_holds_no_login),
	};
	char *more;
	int rc;

	strcpy(certs, "/var/tmp/drtest-it-certs.XXXXXX");
	if (!mkdtemp(certs))
		abort();
	make_certificates();
	more = xstrfmt("ssl-ca=%s/ca.pem\nssl-cert=%s/server.pem\nssl-key=%s/server.key\n", certs,
		       certs, certs);
	plain = test_server_start_with(1, "skip-ssl\n");
	tls = test_server_start_with(2, more);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	test_server_free(plain);
	test_server_free(tls);
	fs_remove_tree(certs, NULL);
	free(more);
	return rc;
}
