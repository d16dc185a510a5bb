/* Inside chaos/: the proxy's connections and the two lanes of each. All of it belongs to the
 * proxy's thread. */
#ifndef CHAOS_NETPROXY_IMPL_H
#define CHAOS_NETPROXY_IMPL_H

#include <pthread.h>

#include "chaos/http_scan.h"
#include "chaos/netproxy.h"
#include "harness/base/rng.h"

#define PIECE_BYTES 65536
/* of a lane: then the sender waits, as on a full link */
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
	int pipe[2]; /* made when the first large transfer comes; -1 */
	size_t in_pipe;
	bool bulk;
	bool readable, writable; /* since the last edge */
	bool hup;                /* the end is announced: read until it is there */
	bool eof, shut;          /* from has ended; to was told so */
	struct piece *first, *last;
	size_t queued;
	int64_t last_due_ns, next_send_ns, wake_ns; /* wake: 0 none */
	double tokens;                              /* bytes that may go now */
	int64_t tokens_ns;
	uint64_t passed, reset_at; /* reset_at: 0 never */
	bool held;                 /* by a stalled COMMIT */
};
struct conn {
	struct netproxy *p;
	struct conn *prev, *next;
	struct lane lane[2];
	int fd[2]; /* [0] the client's, [1] the server's */
	bool connecting, again, dead;
	struct http_scan *scan; /* http: */
	/* by us, or cut: nothing more of what the client sends is passed on */
	bool answered;
	uint64_t answer_cut_at, request_cut_at; /* in bytes of this request; 0: not */
	uint64_t answer_bytes;
	bool watched; /* the watch's request */
	bool waits;   /* for its turn, with what ends with its COMMIT */
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
	/* under the lock: what is asked, and what is done */
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
	/* whose turn it is, and when it was last heard of; its last word is a question; its COMMIT
	 * is under way, and was a packet of its own */
	struct conn *alone;
	int64_t alone_ns;
	bool alone_asks, alone_commits, alone_plain;
	/* the thread's copies */
	struct link_fault now_link[2];
	struct http_fault now_http;
	bool is_cut;
};
/* Moves what can be moved now. -1: the connection is over. */
int lane_pump(struct conn *c, struct lane *l);
void lane_init(struct lane *l, enum netproxy_dir dir, int from, int to);
void lane_release(struct lane *l);
void lane_queue(struct lane *l, const void *data, size_t n, int64_t due_ns);
/* The client's bytes, followed: passes, refuses, cuts, watches. */
void http_up(struct conn *c, const char *data, size_t n, int64_t due_ns);

bool turns_is_commit(const char *data, size_t n); /* a packet that is COMMIT alone */
/* What was read of c in this direction. */
void turns_take(struct conn *c, enum netproxy_dir dir, const char *data, size_t n, int64_t now);
bool turns_wait(struct conn *c, struct lane *l, int64_t now); /* nothing of it goes on now */
void turns_forget(struct conn *c);

#endif
