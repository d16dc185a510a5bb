/* A small HTTP server for live pages and metrics: GET and HEAD of a few pages, and streams of
 * server-sent events. Protocol, limits and threads are libmicrohttpd's. Each request is bounded: 16
 * KiB of header, 32 connections, 30 s without a byte. */
#ifndef HARNESS_NET_HTTP_SERVER_H
#define HARNESS_NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/strbuf.h"

#define HTTP_WHERE_MAX 64

/* Where to listen: "PORT", "HOST", "HOST:PORT", "[IPv6]:PORT". Without a host only this machine is
 * answered; a host is a number or "localhost", so that no name server decides who may read. */
struct http_place {
	char host[48];
	int port; /* 0: a free one */
	bool ipv6, loopback;
};
/* ERR_USAGE: it is no such address */
int http_place_parse(struct http_place *p, const char *text, int default_port, struct err *e);

struct http_listener {
	int fd; /* -1: none */
	struct http_place place;
	char where[HTTP_WHERE_MAX]; /* "127.0.0.1:9464": the port as it is */
};
/* Binds; nobody is answered yet. ERR_IO: the port is taken, or not ours. */
int http_listen(struct http_listener *l, const struct http_place *p, struct err *e);
void http_listener_close(struct http_listener *l);

struct http_ask {
	const char *path, *accept; /* accept: "" when the client did not say */
};
struct http_page {
	int status;         /* 200 */
	const char *type;   /* of the body; static */
	const char *policy; /* Content-Security-Policy; NULL: nothing may be loaded */
	struct strbuf body;
	bool events; /* no body: a stream, from `next` on */
};
struct http_site {
	/* Any thread. A page that is not there: status 404, which the page has at first. */
	void (*get)(void *arg, const struct http_ask *ask, struct http_page *page);
	/* The next events of a stream, waited for up to about wait_ms; nothing appended: there was
	 * none. *seen is the stream's own, 0 at first. -1: the stream ends once what was appended
	 * is sent. NULL: there are no streams. */
	int (*next)(void *arg, uint64_t *seen, int wait_ms, struct strbuf *out);
	void *arg;
};

struct http_server;
/* Takes the listener over (its fd is -1 then). Call it after the guardian was forked. A listener on
 * loopback answers only who calls it by a number or "localhost": a name that somebody else's page
 * points here reads nothing. */
struct http_server *http_server_start(struct http_listener *l, const struct http_site *site,
				      struct err *e);
void http_server_stop(struct http_server *s); /* streams end first; NULL is fine */

/* Is "Host: value" a number, "localhost", or absent? (value NULL) */
bool http_host_is_number(const char *value);

#endif
