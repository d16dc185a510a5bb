/* chaos: the proxy between two parties, each fault of a link, HTTP faults, and that healing heals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chaos/http_scan.h"
#include "chaos/netproxy.h"
#include "harness/base/clock.h"
#include "harness/base/rng.h"
#include "harness/base/xalloc.h"

#define QUIET_MS 60 /* how long nothing has to come before we call it nothing */
#define SOON_MS 10000

/* ---- a server that sends back what it gets; or one that answers each HTTP request with the bytes
 * of its body so far */

struct server {
	int fd, port;
	pthread_t thread;
	bool http;
	_Atomic uint64_t bytes;
	_Atomic unsigned heads;
};
struct one {
	struct server *s;
	int fd;
};

static void *serve_one(void *arg)
{
	struct one *o = arg;
	char buf[65536];
	ssize_t n;

	while ((n = recv(o->fd, buf, sizeof(buf), 0)) > 0) {
		o->s->bytes += (uint64_t)n;
		if (!o->s->http) {
			for (ssize_t at = 0, m; at < n; at += m)
				if ((m = send(o->fd, buf + at, (size_t)(n - at), MSG_NOSIGNAL)) <=
				    0)
					goto out;
			continue;
		}
		for (ssize_t i = 0; i + 3 < n; i++)
			if (!memcmp(buf + i, "\r\n\r\n", 4)) {
				static const char answer[] =
					"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";

				o->s->heads++;
				send(o->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
			}
	}
out:
	close(o->fd);
	free(o);
	return NULL;
}

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct one *o = malloc(sizeof(*o));
		pthread_t t;

		*o = (struct one){ s, fd };
		pthread_create(&t, NULL, serve_one, o);
		pthread_detach(t);
	}
	return NULL;
}

static void server_start(struct server *s, bool http)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	memset(s, 0, sizeof(*s));
	s->http = http;
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->fd, 64), 0);
	getsockname(s->fd, (struct sockaddr *)&a, &n);
	s->port = ntohs(a.sin_port);
	pthread_create(&s->thread, NULL, serve, s);
}

static void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static int dial(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool comes(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

/* Reads n bytes, or what comes until the end. -1: reset. */
static ssize_t read_n(int fd, char *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t m;

		if (!comes(fd, SOON_MS))
			return (ssize_t)got;
		m = recv(fd, buf + got, n - got, 0);
		if (m < 0)
			return got ? (ssize_t)got : -1;
		if (m == 0)
			break;
		got += (size_t)m;
	}
	return (ssize_t)got;
}

static void echoes(int fd, const char *text)
{
	char buf[256];
	size_t n = strlen(text);

	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
	assert_int_equal(read_n(fd, buf, n), n);
	assert_memory_equal(buf, text, n);
}

static struct netproxy *proxy(const struct server *s)
{
	struct err e = ERR_INIT;
	struct netproxy *p = netproxy_start(
		&(struct netproxy_opts){ .to_port = s->port, .seed = 1, .http = s->http }, &e);

	if (!p)
		fail_msg("%s", e.text);
	return p;
}

/* ---- links */

struct pour {
	int fd;
	const char *data;
	size_t n;
};

static void *pour_main(void *arg)
{
	struct pour *w = arg;

	for (size_t at = 0; at < w->n;) {
		ssize_t m = send(w->fd, w->data + at, w->n - at, MSG_NOSIGNAL);

		if (m <= 0)
			break;
		at += (size_t)m;
	}
	shutdown(w->fd, SHUT_WR);
	return NULL;
}

/* Everything that is sent comes back, in order, and so does the end of it. */
static void whole(struct netproxy *p, size_t n)
{
	char *out = xmalloc(n), *in = xmalloc(n + 1);
	struct pour w = { dial(netproxy_port(p)), out, n };
	struct rng r;
	pthread_t t;

	rng_seed(&r, n);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)rng_u64(&r);
	assert_true(w.fd >= 0);
	pthread_create(&t, NULL, pour_main, &w);
	assert_int_equal(read_n(w.fd, in, n + 1), n);
	pthread_join(t, NULL);
	assert_memory_equal(in, out, n);
	close(w.fd);
	free(out);
	free(in);
}

static void bytes_pass_whole_and_in_order_whatever_is_done_to_them(void **unused)
{
	static const struct link_fault faults[] = {
		{ 0 },
		{ .delay_us = 3000, .jitter_us = 3000 },
		{ .slice_bytes = 777 },
		{ .bytes_per_s = 20 << 20 },
		{ .slice_bytes = 4000, .slice_gap_us = 50, .delay_us = 500 },
	};
	struct server s;
	struct netproxy *p;

	(void)unused;
	server_start(&s, false);
	p = proxy(&s);
	whole(p, 9 << 20);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		netproxy_set(p, NETPROXY_UP, &faults[i]);
		netproxy_set(p, NETPROXY_DOWN, &faults[i]);
		whole(p, (i == 0 ? 9 : 2) << 20);
		whole(p, 1);
	}
	netproxy_free(p);
	server_stop(&s);
}

struct flip {
	struct netproxy *p;
	_Atomic bool stop;
};

static void *flip_main(void *arg)
{
	struct flip *f = arg;
	struct rng r;

	rng_seed(&r, 7);
	while (!f->stop) {
		struct link_fault l = { 0 };

		switch (rng_below(&r, 4)) {
		case 0: l.delay_us = 200; break;
		case 1: l.slice_bytes = 3000; break;
		case 2: l.hole = true; break;
		case 3: break;
		}
		netproxy_set(f->p, rng_below(&r, 2) ? NETPROXY_UP : NETPROXY_DOWN, &l);
	}
	netproxy_set(f->p, NETPROXY_UP, NULL);
	netproxy_set(f->p, NETPROXY_DOWN, NULL);
	return NULL;
}

static void faults_that_change_under_traffic_lose_no_byte(void **unused)
{
	struct server s;
	struct flip f = { 0 };
	pthread_t t;

	(void)unused;
	server_start(&s, false);
	f.p = proxy(&s);
	pthread_create(&t, NULL, flip_main, &f);
	for (int i = 0; i < 4; i++)
		whole(f.p, 4 << 20);
	f.stop = true;
	pthread_join(t, NULL);
	whole(f.p, 4 << 20);
	netproxy_free(f.p);
	server_stop(&s);
}

static void a_delay_is_at_least_what_was_asked_in_each_direction(void **unused)
{
	struct server s;
	struct netproxy *p;
	struct link_fault f = { .delay_us = 20000 };
	int64_t from;
	int fd;

	(void)unused;
	server_start(&s, false);
	p = proxy(&s);
	fd = dial(netproxy_port(p));
	netproxy_set(p, NETPROXY_UP, &f);
	netproxy_set(p, NETPROXY_DOWN, &f);
	from = clock_mono_ns();
	echoes(fd, "there and back");
	assert_true(clock_mono_ns() - from >= 40000000);
	close(fd);
	netproxy_free(p);
	server_stop(&s);
}

static void a_cut_resets_and_refuses_until_it_is_healed(void **unused)
{
	struct server s;
	struct netproxy *p;
	struct err e = ERR_INIT;
	char c;
	int fd;

	(void)unused;
	server_start(&s, false);
	p = proxy(&s);
	fd = dial(netproxy_port(p));
	echoes(fd, "before");
	assert_int_equal(netproxy_cut(p, true, &e), 0);
	assert_int_equal(read_n(fd, &c, 1), -1);
	close(fd);
	assert_int_equal(dial(netproxy_port(p)), -1);
	assert_int_equal(netproxy_cut(p, true, &e), 0); /* twice is fine */
	assert_int_equal(netproxy_cut(p, false, &e), 0);
	assert_int_equal(netproxy_cut(p, false, &e), 0);
	fd = dial(netproxy_port(p));
	echoes(fd, "after");
	close(fd);
	netproxy_free(p);
	server_stop(&s);
}

static void a_cut_that_cannot_be_healed_says_why(void **unused)
{
	struct server s;
	struct netproxy *p;
	struct err e = ERR_INIT;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int thief;

	(void)unused;
	server_start(&s, false);
	p = proxy(&s);
	assert_int_equal(netproxy_cut(p, true, &e), 0);
	thief = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_port = htons((uint16_t)netproxy_port(p));
	assert_int_equal(bind(thief, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(thief, 1), 0);
	assert_int_equal(netproxy_cut(p, false, &e), -1);
	assert_non_null(strstr(e.text, "listen again"));
	close(thief);
	assert_int_equal(netproxy_cut(p, false, &e), 0);
	netproxy_free(p);
	server_stop(&s);
}

static void nothing_leaves_a_hole_until_it_is_healed(void **unused)
{
	struct server s;
	struct netproxy *p;
	struct link_fault hole = { .hole = true };
	char buf[8];
	int fd;

	(void)unused;
	server_start(&s, false);
	p = proxy(&s);
	fd = dial(netproxy_port(p));
	echoes(fd, "x");
	netproxy_set(p, NETPROXY_UP, &hole);
	send(fd, "lost?", 5, MSG_NOSIGNAL);
	assert_false(comes(fd, QUIET_MS));
	assert_int_equal(s.bytes, 1);
	/* one way: what goes up arrives, its answer does not */
	netproxy_set(p, NETPROXY_DOWN, &hole);
	netproxy_set(p, NETPROXY_UP, NULL);
	assert_false(comes(fd, QUIET_MS));
	assert_int_equal(s.bytes, 6);
	netproxy_set(p, NETPROXY_DOWN, NULL);
	assert_int_equal(read_n(fd, buf, 5), 5);
	assert_memory_equal(buf, "lost?", 5);
	close(fd);
	netproxy_free(p);
	server_stop(&s);
}

static void a_link_is_reset_after_exactly_n_bytes(void **unused)
{
	struct server s;
	struct netproxy *p;
	char buf[4096] = "";
	int fd;

	(void)unused;
	server_start(&s, false);
	p = proxy(&s);
	netproxy_set(p, NETPROXY_DOWN, &(struct link_fault){ .reset_after_bytes = 1000 });
	for (int i = 0; i < 2; i++) { /* each connection anew */
		struct netproxy_stats st;
		uint64_t before;

		netproxy_get_stats(p, &st);
		before = st.bytes[NETPROXY_DOWN];
		fd = dial(netproxy_port(p));
		send(fd, buf, 3000, MSG_NOSIGNAL);
		assert_true(read_n(fd, buf, 3000) <= 1000);
		netproxy_get_stats(p, &st);
		assert_int_equal(st.bytes[NETPROXY_DOWN] - before, 1000);
		assert_int_equal(st.cut, i + 1);
		close(fd);
	}
	netproxy_free(p);
	server_stop(&s);
}

static void a_commit_is_done_there_and_not_told_here(void **unused)
{
	static const char commit[] = "\7\0\0\0\3COMMIT", other[] = "\7\0\0\0\3SELECT";
	struct server s;
	struct netproxy *p;
	char buf[16];
	int fd, fd2;

	(void)unused;
	server_start(&s, false);
	p = proxy(&s);
	fd = dial(netproxy_port(p));
	fd2 = dial(netproxy_port(p));
	netproxy_set(p, NETPROXY_UP, &(struct link_fault){ .commit = COMMIT_STALLS_ANSWER });
	assert_int_equal(send(fd, other, 11, MSG_NOSIGNAL), 11);
	assert_int_equal(read_n(fd, buf, 11), 11);
	assert_int_equal(send(fd, commit, 11, MSG_NOSIGNAL), 11);
	assert_false(comes(fd, QUIET_MS));
	assert_int_equal(s.bytes, 22); /* it is there */
	netproxy_set(p, NETPROXY_UP, &(struct link_fault){ .commit = COMMIT_STALLS_REQUEST });
	assert_int_equal(send(fd2, commit, 11, MSG_NOSIGNAL), 11);
	assert_false(comes(fd2, QUIET_MS));
	assert_int_equal(s.bytes, 22); /* this one is not */
	netproxy_set(p, NETPROXY_UP, NULL);
	assert_int_equal(read_n(fd, buf, 11), 11);
	assert_int_equal(read_n(fd2, buf, 11), 11);
	close(fd);
	close(fd2);
	netproxy_free(p);
	server_stop(&s);
}

static void sends(int fd, const char *statement)
{
	unsigned char packet[128] = { (unsigned char)(strlen(statement) + 1), 0, 0, 0, 3 };
	size_t n = strlen(statement);

	memcpy(packet + 5, statement, n);
	assert_int_equal(send(fd, packet, n + 5, MSG_NOSIGNAL), n + 5);
}

static void is_told(int fd, const char *statement)
{
	char buf[128];
	size_t n = strlen(statement) + 5;

	assert_int_equal(read_n(fd, buf, n), n);
	assert_memory_equal(buf + 5, statement, n - 5);
}

static uint64_t alone(struct netproxy *p)
{
	struct netproxy_stats st;

	netproxy_get_stats(p, &st);
	return st.alone;
}

/* The instant at which a part of a flush is there for sure, and the rest is not. */
static void one_connection_of_a_flush_goes_ahead(void **unused)
{
	static const char ok_and_more[] = "\7\0\0\1\0\1\0\x0a\0\0\0",
			  ok[] = "\7\0\0\2\0\1\0\2\0\0\0";
	struct link_fault single = { .single = true };
	struct netproxy_stats st;
	struct server s;
	struct netproxy *p;
	char buf[64];
	int a, b, c;

	(void)unused;
	server_start(&s, false);
	p = proxy(&s);
	a = dial(netproxy_port(p));
	b = dial(netproxy_port(p));
	c = dial(netproxy_port(p));
	netproxy_set(p, NETPROXY_UP, &single);
	netproxy_set(p, NETPROXY_DOWN, &single);
	sends(a, "COMMIT"); /* of what was there before: nobody waits */
	is_told(a, "COMMIT");
	assert_int_equal(alone(p), 0);
	for (int i = 0; i < 3; i++) { /* what changes nothing goes on everywhere */
		int fd = i == 0 ? a : i == 1 ? b : c;

		sends(fd, "BEGIN");
		is_told(fd, "BEGIN");
	}
	sends(b, "REPLACE INTO t VALUES (1)");
	is_told(b, "REPLACE INTO t VALUES (1)");
	sends(a, "BEGIN;UPDATE t SET a=1;COMMIT;");
	assert_false(comes(a, QUIET_MS));
	netproxy_get_stats(p, &st);
	assert_int_equal(st.waiting, 1);
	assert_int_equal(st.alone, 0);
	sends(b, "COMMIT");
	is_told(b, "COMMIT");
	assert_int_equal(alone(p), 1);
	/* its turn is another's then, who may send all in one */
	sends(c, "BEGIN;UPDATE t SET a=1;COMMIT;");
	assert_false(comes(c, QUIET_MS));
	close(b);
	is_told(a, "BEGIN;UPDATE t SET a=1;COMMIT;");
	is_told(c, "BEGIN;UPDATE t SET a=1;COMMIT;");
	assert_int_equal(alone(p), 2);
	sends(a,
	      "INSERT INTO t VALUES (1)"); /* whoever comes later waits, until the other is idle */
	is_told(a, "INSERT INTO t VALUES (1)");
	sends(c, "DELETE FROM t");
	assert_false(comes(c, QUIET_MS));
	sends(a, "BEGIN;UPDATE t SET a=2;COMMIT;");
	is_told(a, "BEGIN;UPDATE t SET a=2;COMMIT;");
	send(a, ok_and_more, 11, MSG_NOSIGNAL); /* and back it comes */
	assert_int_equal(read_n(a, buf, 11), 11);
	assert_int_equal(alone(p), 2);
	send(a, ok, 11, MSG_NOSIGNAL);
	assert_int_equal(read_n(a, buf, 11), 11);
	assert_int_equal(alone(p), 3);
	netproxy_set(p, NETPROXY_UP, NULL);
	netproxy_set(p, NETPROXY_DOWN, NULL);
	is_told(c, "DELETE FROM t"); /* nothing that waited is lost */
	netproxy_get_stats(p, &st);
	assert_int_equal(st.waiting, 0);
	close(a);
	close(c);
	netproxy_free(p);
	server_stop(&s);
}

/* ---- HTTP */

static ssize_t ask(int port, const char *request, char *answer, size_t room)
{
	int fd = dial(port);
	ssize_t n;

	assert_true(fd >= 0);
	send(fd, request, strlen(request), MSG_NOSIGNAL);
	n = comes(fd, SOON_MS) ? recv(fd, answer, room - 1, 0) : 0;
	answer[n > 0 ? n : 0] = '\0';
	close(fd);
	return n;
}

static void requests_are_refused_in_the_stores_place(void **unused)
{
	static const char put[] =
		"PUT /redo/row_1.log HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
			  get[] = "GET /backup/x HTTP/1.1\r\nHost: x\r\n\r\n";
	struct server s;
	struct netproxy *p;
	struct netproxy_stats st;
	char text[1024];

	(void)unused;
	server_start(&s, true);
	p = proxy(&s);
	assert_true(ask(netproxy_port(p), put, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "200 OK"));
	netproxy_set_http(p, &(struct http_fault){ .status = 503, .match = "PUT /redo/" });
	assert_true(ask(netproxy_port(p), put, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "HTTP/1.1 503 "));
	assert_non_null(strstr(text, "<Code>SlowDown</Code>"));
	assert_true(ask(netproxy_port(p), get, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "200 OK"));
	assert_int_equal(s.heads, 2); /* the refused one never came there */
	netproxy_set_http(p, NULL);
	assert_true(ask(netproxy_port(p), put, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "200 OK"));
	netproxy_get_stats(p, &st);
	assert_int_equal(st.requests, 4);
	assert_int_equal(st.refused, 1);
	netproxy_free(p);
	server_stop(&s);
}

static void bodies_and_answers_are_cut(void **unused)
{
	struct server s;
	struct netproxy *p;
	char text[1024];

	(void)unused;
	server_start(&s, true);
	p = proxy(&s);
	netproxy_set_http(p, &(struct http_fault){ .cut_request_after = 3 });
	assert_true(ask(netproxy_port(p), "PUT /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n123456789",
			text, sizeof(text)) <= 0 ||
		    !*text || strstr(text, "200"));
	while (s.bytes < 41) /* the head and three bytes of the body, and not more */
		usleep(1000);
	assert_int_equal(s.bytes, 41);
	netproxy_set_http(p, &(struct http_fault){ .cut_answer_after = 20 });
	assert_true(ask(netproxy_port(p), "GET /a HTTP/1.1\r\n\r\n", text, sizeof(text)) <= 20);
	assert_int_equal(s.heads, 2);
	netproxy_free(p);
	server_stop(&s);
}

static void fired(void *arg)
{
	++*(_Atomic int *)arg;
}

static void a_watch_fires_once_in_the_middle_of_the_nth_request(void **unused)
{
	struct server s;
	struct netproxy *p;
	_Atomic int n = 0;
	char text[1024];
	int fd;

	(void)unused;
	server_start(&s, true);
	p = proxy(&s);
	netproxy_watch(p, "_row_", 2, 4, fired, (void *)&n);
	for (int i = 0; i < 2; i++) {
		assert_true(ask(netproxy_port(p),
				"PUT /x/a_meta_b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", text,
				sizeof(text)) > 0);
		assert_int_equal(n, 0);
	}
	assert_true(ask(netproxy_port(p),
			"PUT /x/a_row_b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", text,
			sizeof(text)) > 0);
	assert_int_equal(n, 0);
	fd = dial(netproxy_port(p));
	send(fd, "PUT /x/a_row_c HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel", 49, MSG_NOSIGNAL);
	assert_true(comes(fd, SOON_MS)); /* its head is answered by now */
	assert_int_equal(n, 0);
	send(fd, "l", 1, MSG_NOSIGNAL);
	while (!n)
		usleep(1000);
	send(fd, "o", 1, MSG_NOSIGNAL);
	close(fd);
	assert_true(ask(netproxy_port(p),
			"PUT /x/a_row_d HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", text,
			sizeof(text)) > 0);
	assert_int_equal(n, 1);
	netproxy_free(p);
	server_stop(&s);
}

/* Three requests, one of them in chunks, cut at every place: the same heads, bodies and ends. */
static void requests_are_followed_however_they_are_cut(void **unused)
{
	static const char text[] =
		"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
		"PUT /b?x=1 HTTP/1.1\r\ncontent-length:  4 \r\n\r\nbody"
		"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;q\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n"
		"HEAD /d HTTP/1.1\r\n\r\n";
	const size_t len = sizeof(text) - 1;

	(void)unused;
	for (size_t cut = 1; cut < len; cut++) {
		struct http_scan *s = malloc(sizeof(*s));
		size_t at = 0, heads = 0, ends = 0, body = 0;

		http_scan_init(s);
		while (at < len) {
			/* its exact size: reading beyond it is found */
			char *copy = xmemdup(text + at, (at < cut ? cut : len) - at);
			size_t n = (at < cut ? cut : len) - at, taken;
			bool end;

			switch (http_scan_take(s, copy, n, &taken, &end)) {
			case HTTP_PIECE_HEAD: heads++; break;
			case HTTP_PIECE_BODY: body += taken; break;
			case HTTP_PIECE_OPAQUE: fail_msg("cut at %zu: lost", cut); break;
			case HTTP_PIECE_HEAD_PART: break;
			}
			assert_true(taken > 0 && taken <= n);
			ends += end;
			at += taken;
			free(copy);
		}
		assert_int_equal(heads, 4);
		assert_int_equal(ends, 4);
		assert_int_equal(body, 4 + 38);
		assert_string_equal(s->target, "HEAD /d");
		free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_whole_and_in_order_whatever_is_done_to_them),
		cmocka_unit_test(faults_that_change_under_traffic_lose_no_byte),
		cmocka_unit_test(a_delay_is_at_least_what_was_asked_in_each_direction),
		cmocka_unit_test(a_cut_resets_and_refuses_until_it_is_healed),
		cmocka_unit_test(a_cut_that_cannot_be_healed_says_why),
		cmocka_unit_test(nothing_leaves_a_hole_until_it_is_healed),
		cmocka_unit_test(a_link_is_reset_after_exactly_n_bytes),
		cmocka_unit_test(one_connection_of_a_flush_goes_ahead),
		cmocka_unit_test(a_commit_is_done_there_and_not_told_here),
		cmocka_unit_test(requests_are_refused_in_the_stores_place),
		cmocka_unit_test(bodies_and_answers_are_cut),
		cmocka_unit_test(a_watch_fires_once_in_the_middle_of_the_nth_request),
		cmocka_unit_test(requests_are_followed_however_they_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
