/* http_server: where it listens, whom it answers, and that streams end with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "harness/net/http.h"
#include "harness/net/http_server.h"

static void an_address_is_a_number_and_a_port(void **unused)
{
	static const struct {
		const char *text, *host;
		int port;
		bool loopback;
	} good[] = {
		{ "9464", "127.0.0.1", 9464, true },
		{ "0", "127.0.0.1", 0, true },
		{ ":8080", "127.0.0.1", 8080, true },
		{ "localhost", "127.0.0.1", 7, true },
		{ "localhost:80", "127.0.0.1", 80, true },
		{ "0.0.0.0:9464", "0.0.0.0", 9464, false },
		{ "10.0.1.5", "10.0.1.5", 7, false },
		{ "127.8.8.8:1", "127.8.8.8", 1, true },
		{ "[::1]:9464", "::1", 9464, true },
		{ "[::]:65535", "::", 65535, false },
		{ "[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, true },
		{ "[::ffff:10.0.1.5]:1", "::ffff:10.0.1.5", 1, false },
		{ "[2001:db8::1]", "2001:db8::1", 7, false },
	};
	static const char *const bad[] = {
		"",
		":",
		"x",
		"db1.example:80",
		"1.2.3:80",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:+1",
		"127.0.0.1: 1",
		"127.0.0.1:1x",
		"123456",
		"[::1",
		"[::1]x",
		"[::1]:",
		"[127.0.0.1]:1",
		"::1",
		"http://127.0.0.1:80",
		"127.0.0.1:80/x",
		"0000000000000000000000000000000000000000000000000000000000000"
	};
	struct http_place p;

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err e = ERR_INIT;
		int rc = http_place_parse(&p, good[i].text, 7, &e);

		assert_int_equal(rc, 0);
		assert_string_equal(p.host, good[i].host);
		assert_int_equal(p.port, good[i].port);
		assert_int_equal(p.loopback, good[i].loopback);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(http_place_parse(&p, bad[i], 7, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

struct pages {
	pthread_mutex_t lock;
	bool over;
};

static void get(void *arg, const struct http_ask *ask, struct http_page *page)
{
	(void)arg;
	page->events = !strcmp(ask->path, "/events");
	if (!strcmp(ask->path, "/") || page->events) {
		page->status = 200;
		strbuf_addstr(&page->body, "hello");
	}
}

static int next(void *arg, uint64_t *seen, int wait_ms, struct strbuf *out)
{
	struct pages *p = arg;
	bool over;

	(void)wait_ms;
	pthread_mutex_lock(&p->lock);
	over = p->over;
	pthread_mutex_unlock(&p->lock);
	strbuf_addf(out, "data: %d\n\n", (int)++*seen);
	return over || *seen >= 3 ? -1 : 0;
}

static void pages_and_streams_are_answered(void **unused)
{
	struct pages pages = { PTHREAD_MUTEX_INITIALIZER, false };
	const struct http_site site = { get, next, &pages };
	struct err e = ERR_INIT;
	struct http_listener l, taken;
	struct http_server *s;
	struct http_place p;
	char url[128];

	(void)unused;
	assert_int_equal(http_place_parse(&p, "0", 0, &e), 0);
	assert_int_equal(http_listen(&l, &p, &e), 0);
	assert_int_not_equal(l.place.port, 0);
	assert_int_equal(http_listen(&taken, &l.place, &e), -1);
	assert_non_null(strstr(e.text, "port 0 selects a free one"));
	snprintf(url, sizeof(url), "http://%s/", l.where);
	s = http_server_start(&l, &site, &e);
	assert_non_null(s);
	assert_int_equal(l.fd, -1);
	for (int turn = 0; turn < 3; turn++) {
		struct http_answer a = HTTP_ANSWER_INIT;
		static const char *const paths[] = { "", "events", "nothing" };
		static const char *const bodies[] = { "hello", "data: 1\n\ndata: 2\n\ndata: 3\n\n",
						      "no such page\n" };
		char whole[160];

		snprintf(whole, sizeof(whole), "%s%s", url, paths[turn]);
		assert_int_equal(http_call("GET", whole, NULL, NULL, deadline_in_ms(60000), &a, &e),
				 0);
		assert_int_equal(a.status, turn == 2 ? 404 : 200);
		assert_string_equal(a.body.buf, bodies[turn]);
		http_answer_release(&a);
	}
	{
		struct http_answer a = HTTP_ANSWER_INIT;

		assert_int_equal(
			http_call("POST", url, "{\"a\": 1}", NULL, deadline_in_ms(60000), &a, &e),
			0);
		assert_int_equal(a.status, 405);
		http_answer_release(&a);
	}
	http_server_stop(s);
}

static void only_numbers_and_localhost_may_name_this_machine(void **unused)
{
	(void)unused;
	assert_true(http_host_is_number(NULL));
	assert_true(http_host_is_number("127.0.0.1:9464"));
	assert_true(http_host_is_number("localhost:9464"));
	assert_true(http_host_is_number("[::1]:9464"));
	assert_false(http_host_is_number("rebound.example"));
	assert_false(http_host_is_number("localhost.example:9464"));
	assert_false(http_host_is_number(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_a_number_and_a_port),
		cmocka_unit_test(pages_and_streams_are_answered),
		cmocka_unit_test(only_numbers_and_localhost_may_name_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
