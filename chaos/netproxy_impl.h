/* Inside chaos/: a proxy, its connections, and the two lanes of each (one for each direction). The
 * proxy's thread owns all of it, except for the fields under the lock, which other threads set and
 * the thread copies. Times are CLOCK_MONOTONIC in nanoseconds; 0: none. */
#ifndef CHAOS_NETPROXY_IMPL_H
#define CHAOS_NETPROXY_IMPL_H

#include <pthread.h>

#include "chaos/http_scan.h"
#include "chaos/netproxy.h"
#include "harness/base/rng.h"

#define PIECE_BYTES 65536
/* the most that waits in a lane; then the sender has to wait, as on a full link */
#define QUEUE_BYTES_MAX ((size_t)4 << 20)

struct piece {
	struct piece *next;
	int64_t due_ns;
	size_t n, off;
	char data[];
};
struct lane {
	int from, to;
	enum netproxy_dir dir;
	int pipe[2]; /* for splice(), created for the first large transfer; -1: not yet */
	size_t in_pipe;
	bool bulk;
	bool readable, writable; /* since the last edge-triggered event */
	bool hup;                /* the peer has closed: read until the end of file */
	bool eof, shut;          /* `from` is at its end; `to` was shut down */
	struct piece *first, *last;
	size_t queued;
	int64_t last_due_ns, next_send_ns, wake_ns;
	double tokens; /* bytes that may be sent now */
	int64_t tokens_ns;
	uint64_t passed, reset_at; /* reset_at: 0 never */
	bool held;                 /* a COMMIT is stalled in it */
};
struct conn {
	struct netproxy *p;
	struct conn *prev, *next;
	struct lane lane[2];
	int fd[2]; /* [0] to the client, [1] to the server */
	bool connecting, again, dead;
	struct http_scan *scan; /* NULL: not HTTP; the fields below are for HTTP */
	/* the proxy responded itself, or cut the request: nothing more of the client is passed on
	 */
	bool answered;
	uint64_t answer_cut_at, request_cut_at; /* byte at which to cut; 0: do not */
	uint64_t answer_bytes;
	bool watched; /* this is the request of the watch */
	bool waits;   /* for its turn: its transaction may not commit beside another one */
	bool commits;
};
struct netproxy {
	struct netproxy_opts o;
	int port, listen_fd, epoll_fd, wake_fd;
	pthread_t thread;
	struct conn *conns;
	size_t n_conns;
	struct rng rng;
	char *scratch; /* PIECE_BYTES */
	/* under the lock: what other threads request, and what is done */
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned asked, taken;
	bool quit, cut, reset_all;
	int cut_errno;
	unsigned reset_n;
	struct link_fault link[2];
	struct http_fault http;
	char watch_match[96];
	unsigned watch_nth, watch_seen;
	uint64_t watch_after;
	void (*watch_fn)(void *arg);
	void *watch_arg;
	struct netproxy_stats stats;
	/* one transaction at a time (turns_*): whose turn it is, and when it last sent something;
	 * it waits for a response; its COMMIT is being executed, and was a packet of its own */
	struct conn *alone;
	int64_t alone_ns;
	bool alone_asks, alone_commits, alone_plain;
	/* the thread's copies of what is under the lock */
	struct link_fault now_link[2];
	struct http_fault now_http;
	bool is_cut;
};
/* Moves what can be moved without waiting. -1: the connection has ended. */
int lane_pump(struct conn *c, struct lane *l);
void lane_init(struct lane *l, enum netproxy_dir dir, int from, int to);
void lane_release(struct lane *l);
void lane_queue(struct lane *l, const void *data, size_t n, int64_t due_ns);
/* Takes bytes from an HTTP client: passes them on, refuses or cuts the request, or notifies the
 * watch. */
void http_up(struct conn *c, const char *data, size_t n, int64_t due_ns);

bool turns_is_commit(const char *data, size_t n); /* the packet is only a COMMIT */
/* Takes note of what was read from c in this direction. */
void turns_take(struct conn *c, enum netproxy_dir dir, const char *data, size_t n, int64_t now);
bool turns_wait(struct conn *c, struct lane *l, int64_t now); /* the lane has to wait now */
void turns_forget(struct conn *c);

#endif
