/* A TCP proxy on 127.0.0.1 between two parties, without root: its faults can be changed while it
 * runs. Without a fault, the kernel splices large transfers. The proxy has its own thread; every
 * function can be called from any thread and has taken effect when it returns. Directions: UP is
 * from the connecting to the listening party. */
#ifndef CHAOS_NETPROXY_H
#define CHAOS_NETPROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

enum netproxy_dir { NETPROXY_UP, NETPROXY_DOWN };
/* answer: committed there, never told here */
enum commit_stall { COMMIT_PASSES, COMMIT_STALLS_REQUEST, COMMIT_STALLS_ANSWER };

struct link_fault { /* all zero: nothing */
	/* each piece comes so much later, up to jitter more or less; the order is kept */
	int64_t delay_us, jitter_us;
	uint64_t bytes_per_s; /* 0: as fast as it goes */
	size_t slice_bytes;   /* pieces of at most so many bytes ... */
	int64_t slice_gap_us; /* ... so far apart */
	/* of each connection, counted from now (a new one from its start): reset on both sides.
	 * 0: never */
	uint64_t reset_after_bytes;
	/* nothing arrives; connections stay open, and what was sent arrives when this ends */
	bool hole;
	/* UP only: from a MySQL client's COMMIT on, its connection hangs */
	enum commit_stall commit;
	/* for both directions of a MySQL link: in each flush one connection goes ahead, and the
	 * others wait with what they would write */
	bool single;
};

struct http_fault { /* for a proxy with http set; all zero: nothing */
	int status; /* answered by us instead: 403, 500, 503, any from 400. 0: no */
	/* reset when so many bytes of a request's body went by. 0: no */
	uint64_t cut_request_after;
	/* reset when so many bytes of the answer (head and body) went by: the store may have
	 * done it. 0: no */
	uint64_t cut_answer_after;
	double share;   /* of the requests, drawn by seed; 0: all */
	char match[96]; /* only requests whose "METHOD /path" holds this; "": all */
};

struct netproxy_opts {
	int listen_port;     /* wanted; 0: any */
	const char *to_host; /* NULL: 127.0.0.1; an IPv4 address */
	int to_port;
	uint64_t seed; /* of jitter and shares */
	bool http;     /* requests are followed, so that http faults and watches work */
};
struct netproxy;
struct netproxy *netproxy_start(const struct netproxy_opts *o, struct err *e);
void netproxy_free(struct netproxy *p); /* its connections are reset; NULL is fine */
int netproxy_port(const struct netproxy *p);
int netproxy_to_port(const struct netproxy *p);

/* NULL: nothing */
void netproxy_set(struct netproxy *p, enum netproxy_dir dir, const struct link_fault *f);
/* NULL: nothing */
void netproxy_set_http(struct netproxy *p, const struct http_fault *f);
/* Cut: every connection is reset and new ones are refused. -1: its port could not be listened on
 * again. */
int netproxy_cut(struct netproxy *p, bool cut, struct err *e);
/* Resets the connections that are open, once. Returns their number. */
unsigned netproxy_reset(struct netproxy *p);

/* Calls fn once, from the proxy's thread, when the nth request (from 1) whose "METHOD /path" holds
 * match has sent after_bytes of its body, or all of it where it is shorter. One watch at a time;
 * match NULL ends it. fn must not call the proxy. */
void netproxy_watch(struct netproxy *p, const char *match, unsigned nth, uint64_t after_bytes,
		    void (*fn)(void *arg), void *arg);

struct netproxy_stats {
	uint64_t connections, open, bytes[2]; /* bytes passed on, by direction */
	/* http: seen, answered by us, cut by us; cut and reset of links count too */
	uint64_t requests, refused, cut;
	uint64_t stalled; /* COMMITs */
	/* single: connections that wait, and COMMITs that were answered while some did, since it
	 * was set */
	uint64_t waiting, alone;
	int64_t cpu_ns; /* of its thread */
};
void netproxy_get_stats(struct netproxy *p, struct netproxy_stats *st);

#endif
