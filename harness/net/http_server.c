#include "harness/net/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"

#define CONNECTIONS_MAX 32
#define HEADER_BYTES_MAX ((size_t)16 << 10)
#define QUIET_S 30
#define BACKLOG 16
#define EVENT_WAIT_MS 500
#define EVENT_BYTES_MAX ((size_t)64 << 10)
#define ALIVE_TURNS                                                                   \
	20 /* of EVENT_WAIT_MS without an event: a comment, so that the line is known \
	    */

struct http_server {
	struct MHD_Daemon *daemon;
	struct http_site site;
	bool loopback;
	_Atomic bool stops;
};

struct stream {
	struct http_server *server;
	uint64_t seen;
	struct strbuf out; /* not sent yet, from `sent` on */
	size_t sent;
	bool last;
};

/* ---- where */

static int port_of(const char *text, int *port)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || strlen(text) > 5 || v > 65535)
		return -1;
	*port = (int)v;
	return 0;
}

static int not_an_address(const char *text, struct err *e)
{
	return err_set(
		e, ERR_USAGE, 0,
		"'%.60s' is not an address: use PORT (on 127.0.0.1), HOST:PORT or [IPv6]:PORT; "
		"HOST must be a numeric address or localhost",
		text);
}

int http_place_parse(struct http_place *p, const char *text, int default_port, struct err *e)
{
	const char *host = text, *port = NULL, *end;
	unsigned char number[sizeof(struct in6_addr)];
	size_t n;

	*p = (struct http_place){ .port = default_port };
	if (text[0] == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return not_an_address(text, e);
		port = end[1] ? end + 2 : NULL;
		p->ipv6 = true;
	} else if (text[0] && text[strspn(text, "0123456789")] == '\0') {
		end = host;
		port = text;
	} else {
		end = strchr(text, ':');
		port = end ? end + 1 : NULL;
		end = end ? end : text + strlen(text);
	}
	n = (size_t)(end - host);
	if ((port && port_of(port, &p->port) < 0) || n >= sizeof(p->host) || (!n && !port))
		return not_an_address(text, e);
	if (n)
		memcpy(p->host, host, n);
	if (!n || !strcmp(p->host, "localhost"))
		snprintf(p->host, sizeof(p->host), p->ipv6 ? "::1" : "127.0.0.1");
	if (inet_pton(p->ipv6 ? AF_INET6 : AF_INET, p->host, number) != 1)
		return not_an_address(text, e);
	p->loopback = !p->ipv6 ? number[0] == 127
			       : IN6_IS_ADDR_LOOPBACK((struct in6_addr *)number) ||
					 (IN6_IS_ADDR_V4MAPPED((struct in6_addr *)number) &&
					  number[12] == 127);
	return 0;
}

int http_listen(struct http_listener *l, const struct http_place *p, struct err *e)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_port = htons((in_port_t)p->port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((in_port_t)p->port) };
	struct sockaddr *at = p->ipv6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
	socklen_t n = p->ipv6 ? sizeof(six) : sizeof(four);
	int on = 1;

	*l = (struct http_listener){ .fd = -1, .place = *p };
	inet_pton(at->sa_family, p->host,
		  p->ipv6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr);
	l->fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return err_sys(e, "listen on %s", p->host);
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l->fd, at, n) < 0 || listen(l->fd, BACKLOG) < 0 ||
	    getsockname(l->fd, at, &n) < 0) {
		err_sys(e, "listen on %s port %d%s", p->host, p->port,
			errno == EADDRINUSE ? " (port 0 selects a free one)" : "");
		http_listener_close(l);
		return -1;
	}
	l->place.port = ntohs(p->ipv6 ? six.sin6_port : four.sin_port);
	snprintf(l->where, sizeof(l->where), p->ipv6 ? "[%s]:%d" : "%s:%d", p->host, l->place.port);
	return 0;
}

void http_listener_close(struct http_listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

bool http_host_is_number(const char *value)
{
	struct http_place p;

	return !value || http_place_parse(&p, value, 0, NULL) == 0;
}

/* ---- answers */

static void say(struct MHD_Response *r, const char *name, const char *value)
{
	MHD_add_response_header(r, name, value);
}

static void same_for_all(struct MHD_Response *r, const char *type, const char *policy)
{
	say(r, "Content-Type", type);
	say(r, "Cache-Control", "no-store");
	say(r, "X-Content-Type-Options", "nosniff");
	say(r, "Referrer-Policy", "no-referrer");
	say(r, "Cross-Origin-Resource-Policy", "same-origin");
	say(r, "Content-Security-Policy", policy ? policy : "default-src 'none'");
}

static enum MHD_Result answer_plain(struct MHD_Connection *c, unsigned status, const char *text)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rc;

	if (!r)
		return MHD_NO;
	same_for_all(r, "text/plain; charset=utf-8", NULL);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		say(r, "Allow", "GET, HEAD");
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

/* One thread a connection: it may wait here. */
static ssize_t stream_read(void *arg, uint64_t at, char *buf, size_t max)
{
	struct stream *s = arg;
	size_t n;

	(void)at;
	for (int turn = 0; s->sent == s->out.len; turn++) {
		if (s->last)
			return MHD_CONTENT_READER_END_OF_STREAM;
		s->last = s->server->stops; /* the last look: what there is now */
		strbuf_reset(&s->out);
		s->sent = 0;
		if (s->server->site.next(s->server->site.arg, &s->seen, s->last ? 0 : EVENT_WAIT_MS,
					 &s->out) < 0)
			s->last = true;
		if (!s->out.len && turn >= ALIVE_TURNS)
			strbuf_addstr(&s->out, ": still here\n\n");
	}
	n = s->out.len - s->sent < max ? s->out.len - s->sent : max;
	memcpy(buf, s->out.buf + s->sent, n);
	s->sent += n;
	return (ssize_t)n;
}

static void stream_free(void *arg)
{
	struct stream *s = arg;

	strbuf_release(&s->out);
	free(s);
}

static enum MHD_Result answer_stream(struct http_server *s, struct MHD_Connection *c)
{
	struct stream *st = xcalloc(1, sizeof(*st));
	struct MHD_Response *r;
	enum MHD_Result rc;

	st->server = s;
	st->out = (struct strbuf)STRBUF_INIT;
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, EVENT_BYTES_MAX, stream_read, st,
					      stream_free);
	if (!r) {
		stream_free(st);
		return MHD_NO;
	}
	same_for_all(r, "text/event-stream", NULL);
	rc = MHD_queue_response(c, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *path,
			      const char *method, const char *version, const char *data, size_t *n,
			      void **state)
{
	struct http_server *s = arg;
	const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host"),
		   *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept");
	struct http_ask ask = { path, accept ? accept : "" };
	struct http_page page = { MHD_HTTP_NOT_FOUND, "text/plain; charset=utf-8", NULL,
				  STRBUF_INIT, false };
	struct MHD_Response *r;
	enum MHD_Result rc;

	(void)version;
	(void)data;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		*n = 0; /* what it sends is not looked at */
		return answer_plain(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	}
	if (s->loopback && !http_host_is_number(host))
		return answer_plain(c, MHD_HTTP_FORBIDDEN,
				    "use the numeric address or localhost\n");
	s->site.get(s->site.arg, &ask, &page);
	if (page.events && s->site.next && !strcmp(method, MHD_HTTP_METHOD_GET)) {
		strbuf_release(&page.body);
		return answer_stream(s, c);
	}
	if (page.status == MHD_HTTP_NOT_FOUND && !page.body.len)
		strbuf_addstr(&page.body, "no such page\n");
	r = MHD_create_response_from_buffer(page.body.len, page.body.buf, MHD_RESPMEM_MUST_COPY);
	strbuf_release(&page.body);
	if (!r)
		return MHD_NO;
	same_for_all(r, page.type, page.policy);
	rc = MHD_queue_response(c, (unsigned)page.status, r);
	MHD_destroy_response(r);
	return rc;
}

struct http_server *http_server_start(struct http_listener *l, const struct http_site *site,
				      struct err *e)
{
	struct http_server *s = xcalloc(1, sizeof(*s));
	sigset_t all, before;
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			 MHD_USE_POLL | MHD_USE_ITC | (l->place.ipv6 ? MHD_USE_IPv6 : 0);

	s->site = *site;
	s->loopback = l->place.loopback;
	sigfillset(&all); /* Ctrl-C is the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	s->daemon =
		MHD_start_daemon(flags, 0, NULL, NULL, answer, s, MHD_OPTION_LISTEN_SOCKET, l->fd,
				 MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
				 MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_BYTES_MAX,
				 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)QUIET_S, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!s->daemon) {
		err_set(e, ERR_IO, 0, "serve %s: cannot start libmicrohttpd", l->where);
		free(s);
		return NULL;
	}
	l->fd = -1;
	return s;
}

void http_server_stop(struct http_server *s)
{
	if (!s)
		return;
	s->stops = true;
	MHD_stop_daemon(s->daemon);
	free(s);
}
