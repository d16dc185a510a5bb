#include "chaos/netproxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "chaos/netproxy_impl.h"
#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

#define EVENTS 64
#define BACKLOG 512
#define CONNS_MAX 8192

static struct sockaddr_in parse_address(const char *host, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, host, &a.sin_addr);
	return a;
}

static int listen_at(int port, struct err *e)
{
	struct sockaddr_in a = parse_address("127.0.0.1", port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, "make a socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, BACKLOG) < 0) {
		err_sys(e, "listen on 127.0.0.1:%d", port);
		close(fd);
		return -1;
	}
	return fd;
}

static void watch_fd(struct netproxy *p, int fd, uint32_t events, void *arg)
{
	struct epoll_event ev = { .events = events, .data.ptr = arg };

	epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/* ---- connections */

static void hard_close(int fd)
{
	struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* a reset, not an end in order */
	close(fd);
}

/* reset: both sides see their connection broken; else each was told of its end already. */
static void conn_end(struct conn *c, bool reset)
{
	struct netproxy *p = c->p;

	turns_forget(c);
	for (int i = 0; i < 2; i++) {
		if (reset)
			hard_close(c->fd[i]);
		else
			close(c->fd[i]);
		lane_release(&c->lane[i]);
	}
	if (c->prev)
		c->prev->next = c->next;
	else
		p->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	p->n_conns--;
	__atomic_store_n(&p->stats.open, p->n_conns, __ATOMIC_RELAXED);
	c->dead = true; /* its memory stays until the events at hand are done */
	c->prev = NULL;
}

static void reset_points(struct conn *c)
{
	for (int d = 0; d < 2; d++) {
		uint64_t n = c->p->now_link[d].reset_after_bytes;

		c->lane[d].reset_at = n ? c->lane[d].passed + n : 0;
	}
}

static void take_one(struct netproxy *p, int client)
{
	struct sockaddr_in to =
		parse_address(p->o.to_host ? p->o.to_host : "127.0.0.1", p->o.to_port);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	struct conn *c;

	if (server < 0 || p->n_conns >= CONNS_MAX) {
		if (server >= 0)
			close(server);
		hard_close(client);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(server, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
		close(server);
		hard_close(client);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->p = p;
	c->fd[0] = client;
	c->fd[1] = server;
	c->connecting = true;
	lane_init(&c->lane[NETPROXY_UP], NETPROXY_UP, client, server);
	lane_init(&c->lane[NETPROXY_DOWN], NETPROXY_DOWN, server, client);
	if (p->o.http) {
		c->scan = xmalloc(sizeof(*c->scan));
		http_scan_init(c->scan);
	}
	reset_points(c);
	c->next = p->conns;
	if (c->next)
		c->next->prev = c;
	p->conns = c;
	p->n_conns++;
	__atomic_store_n(&p->stats.open, p->n_conns, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->stats.connections, 1, __ATOMIC_RELAXED);
	/* which side an event is of is told by the low bit of the pointer */
	watch_fd(p, client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c);
	watch_fd(p, server, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, (void *)((uintptr_t)c | 1));
}

static void take_new(struct netproxy *p)
{
	for (int i = 0; i < BACKLOG; i++) {
		int fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		take_one(p, fd);
	}
}

static void conn_pump(struct conn *c)
{
	c->again = false;
	if (c->connecting)
		return;
	if (lane_pump(c, &c->lane[NETPROXY_UP]) < 0 || lane_pump(c, &c->lane[NETPROXY_DOWN]) < 0)
		conn_end(c, true);
	else if (c->lane[0].shut && c->lane[1].shut)
		conn_end(c, false);
	else if (c->answered && c->lane[NETPROXY_DOWN].shut && c->lane[NETPROXY_UP].eof)
		conn_end(c, false);
}

static void on_event(struct conn *c, int side, uint32_t ev)
{
	struct lane *reads = &c->lane[side == 0 ? NETPROXY_UP : NETPROXY_DOWN],
		    *writes = &c->lane[side == 0 ? NETPROXY_DOWN : NETPROXY_UP];
	const struct link_fault *f = &c->p->now_link[reads->dir];

	if (c->dead)
		return;
	if (side == 1 && c->connecting && ev & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		int why = 0;
		socklen_t n = sizeof(why);

		if (getsockopt(c->fd[1], SOL_SOCKET, SO_ERROR, &why, &n) < 0 || why) {
			conn_end(c, true);
			return;
		}
		c->connecting = false;
	}
	/* reset by that side; a hole does not tell the other one */
	if (ev & EPOLLERR && !f->hole) {
		conn_end(c, true);
		return;
	}
	if (ev & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		reads->readable = true;
	if (ev & (EPOLLRDHUP | EPOLLHUP))
		reads->hup = true;
	if (ev & EPOLLOUT)
		writes->writable = true;
	conn_pump(c);
}

/* ---- what is asked of it */

static void reset_all(struct netproxy *p, unsigned *n)
{
	while (p->conns) {
		struct conn *c = p->conns;

		conn_end(c, true);
		free(c->scan);
		free(c);
		++*n;
	}
}

static void take_cut(struct netproxy *p, unsigned *n)
{
	struct err e = ERR_INIT;

	if (p->cut && !p->is_cut) {
		close(p->listen_fd); /* also out of the epoll set */
		p->listen_fd = -1;
		p->is_cut = true;
		reset_all(p, n);
	} else if (!p->cut && p->is_cut) {
		p->listen_fd = listen_at(p->port, &e);
		p->cut_errno = p->listen_fd < 0 ? e.code : 0;
		if (p->listen_fd >= 0) {
			watch_fd(p, p->listen_fd, EPOLLIN, p);
			p->is_cut = false;
		}
	}
}

static void take_settings(struct netproxy *p)
{
	bool resets = false;
	uint64_t ignored;

	(void)!read(p->wake_fd, &ignored, sizeof(ignored));
	pthread_mutex_lock(&p->lock);
	for (int d = 0; d < 2; d++)
		resets |= p->now_link[d].reset_after_bytes != p->link[d].reset_after_bytes;
	if (!p->now_link[NETPROXY_UP].single && p->link[NETPROXY_UP].single)
		__atomic_store_n(&p->stats.alone, 0, __ATOMIC_RELAXED);
	memcpy(p->now_link, p->link, sizeof(p->link));
	p->now_http = p->http;
	p->reset_n = 0;
	take_cut(p, &p->reset_n);
	if (p->reset_all)
		reset_all(p, &p->reset_n);
	p->reset_all = false;
	p->taken = p->asked;
	pthread_cond_broadcast(&p->done);
	pthread_mutex_unlock(&p->lock);
	for (struct conn *c = p->conns; c; c = c->next) {
		if (resets)
			reset_points(c);
		if (!p->now_link[NETPROXY_UP].single)
			turns_forget(c);
		if (p->now_link[NETPROXY_UP].commit == COMMIT_PASSES)
			c->lane[0].held = c->lane[1].held = false;
		if (!p->now_http.cut_answer_after)
			c->answer_cut_at = 0;
		if (!p->now_http.cut_request_after)
			c->request_cut_at = 0;
		for (int d = 0; d < 2; d++) {
			c->lane[d].next_send_ns = 0;
			/* an edge may have come while nobody looked */
			c->lane[d].readable = c->lane[d].writable = true;
			/* what is late already comes now */
			if (!p->now_link[d].delay_us && !p->now_link[d].jitter_us)
				for (struct piece *x = c->lane[d].first; x; x = x->next)
					x->due_ns = 0;
			if (!p->now_link[d].delay_us)
				c->lane[d].last_due_ns = 0;
		}
		c->again = true;
	}
}

/* ---- the thread */

static void free_dead(struct conn **dead, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(dead[i]->scan);
		free(dead[i]);
	}
}

/* Connections that have more to do now; returns how long the thread may sleep (-1: until an event).
 */
static int64_t pump_waiting(struct netproxy *p)
{
	int64_t next = -1, now = clock_mono_ns();

	for (struct conn *c = p->conns, *after; c; c = after) {
		bool due = c->again;

		after = c->next;
		for (int d = 0; d < 2; d++)
			due |= c->lane[d].wake_ns && c->lane[d].wake_ns <= now;
		if (due)
			conn_pump(c);
		if (c->dead) {
			free(c->scan);
			free(c);
			continue;
		}
		if (c->again)
			next = 0;
		for (int d = 0; d < 2; d++)
			if (c->lane[d].wake_ns && (next < 0 || c->lane[d].wake_ns - now < next))
				next = c->lane[d].wake_ns > now ? c->lane[d].wake_ns - now : 0;
	}
	return next;
}

static bool any_waits(const struct netproxy *p)
{
	for (const struct conn *c = p->conns; c; c = c->next)
		if (c->again || c->lane[0].wake_ns || c->lane[1].wake_ns)
			return true;
	return false;
}

static void *proxy_main(void *arg)
{
	struct netproxy *p = arg;
	struct epoll_event ev[EVENTS];
	struct conn *dead[EVENTS];
	int64_t sleep_ns = -1;

	prctl(PR_SET_NAME, "drtest-proxy");
	prctl(PR_SET_TIMERSLACK, 1000); /* a delay is kept to the microsecond */
	while (!__atomic_load_n(&p->quit, __ATOMIC_ACQUIRE)) {
		struct timespec t = { sleep_ns / 1000000000, sleep_ns % 1000000000 };
		int n = epoll_pwait2(p->epoll_fd, ev, EVENTS, sleep_ns < 0 ? NULL : &t, NULL);
		size_t n_dead = 0;
		bool settings = false;

		for (int i = 0; i < n; i++) {
			struct conn *c = (struct conn *)((uintptr_t)ev[i].data.ptr & ~(uintptr_t)1);

			if (ev[i].data.ptr == p) {
				take_new(p);
			} else if (ev[i].data.ptr == &p->wake_fd) {
				/* after the events at hand, which name connections */
				settings = true;
			} else if (!c->dead) {
				on_event(c, (uintptr_t)ev[i].data.ptr & 1, ev[i].events);
				if (c->dead)
					dead[n_dead++] = c;
			}
		}
		free_dead(dead, n_dead);
		if (settings)
			take_settings(p);
		sleep_ns = any_waits(p) ? pump_waiting(p) : -1;
	}
	return NULL;
}

/* Says what was changed under the lock, and waits until it is so. */
static void ask(struct netproxy *p)
{
	unsigned mine = ++p->asked;

	(void)!write(p->wake_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	while (p->taken < mine && !pthread_equal(pthread_self(), p->thread))
		pthread_cond_wait(&p->done, &p->lock);
}

struct netproxy *netproxy_start(const struct netproxy_opts *o, struct err *e)
{
	struct netproxy *p = xcalloc(1, sizeof(*p));
	sigset_t all, before;
	int rc;

	p->o = *o;
	p->listen_fd = p->epoll_fd = p->wake_fd = p->port = -1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->done, NULL);
	rng_seed3(&p->rng, o->seed, 0x9f0c5, (uint64_t)o->to_port);
	p->scratch = xmalloc(PIECE_BYTES);
	p->port = port_take(o->listen_port, e);
	if (p->port < 0)
		goto fail;
	p->listen_fd = listen_at(p->port, e);
	if (p->listen_fd < 0)
		goto fail;
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->epoll_fd < 0 || p->wake_fd < 0) {
		err_sys(e, "start a proxy");
		goto fail;
	}
	watch_fd(p, p->listen_fd, EPOLLIN, p);
	watch_fd(p, p->wake_fd, EPOLLIN, &p->wake_fd);
	sigfillset(&all); /* signals are the main thread's */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&p->thread, NULL, proxy_main, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		err_set(e, ERR_IO, rc, "start a proxy: %s", strerror(rc));
		goto fail;
	}
	return p;
fail:
	if (p->listen_fd >= 0)
		close(p->listen_fd);
	if (p->epoll_fd >= 0)
		close(p->epoll_fd);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	if (p->port >= 0)
		port_release(p->port);
	free(p->scratch);
	free(p);
	return NULL;
}

void netproxy_free(struct netproxy *p)
{
	unsigned n = 0;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	__atomic_store_n(&p->quit, true, __ATOMIC_RELEASE);
	(void)!write(p->wake_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	reset_all(p, &n);
	if (p->listen_fd >= 0)
		close(p->listen_fd);
	close(p->epoll_fd);
	close(p->wake_fd);
	port_release(p->port);
	pthread_cond_destroy(&p->done);
	pthread_mutex_destroy(&p->lock);
	free(p->scratch);
	free(p);
}

int netproxy_port(const struct netproxy *p)
{
	return p->port;
}

int netproxy_to_port(const struct netproxy *p)
{
	return p->o.to_port;
}

void netproxy_set(struct netproxy *p, enum netproxy_dir dir, const struct link_fault *f)
{
	pthread_mutex_lock(&p->lock);
	p->link[dir] = f ? *f : (struct link_fault){ 0 };
	ask(p);
	pthread_mutex_unlock(&p->lock);
}

void netproxy_set_http(struct netproxy *p, const struct http_fault *f)
{
	pthread_mutex_lock(&p->lock);
	p->http = f ? *f : (struct http_fault){ 0 };
	ask(p);
	pthread_mutex_unlock(&p->lock);
}

int netproxy_cut(struct netproxy *p, bool cut, struct err *e)
{
	int why;

	pthread_mutex_lock(&p->lock);
	p->cut = cut;
	ask(p);
	why = cut ? 0 : p->cut_errno;
	pthread_mutex_unlock(&p->lock);
	if (!why)
		return 0;
	return err_set(e, ERR_IO, why, "listen again on 127.0.0.1:%d: %s", p->port, strerror(why));
}

unsigned netproxy_reset(struct netproxy *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	p->reset_all = true;
	ask(p);
	n = p->reset_n;
	pthread_mutex_unlock(&p->lock);
	return n;
}

void netproxy_watch(struct netproxy *p, const char *match, unsigned nth, uint64_t after_bytes,
		    void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&p->lock);
	p->watch_fn = match ? fn : NULL;
	p->watch_arg = arg;
	p->watch_nth = nth ? nth : 1;
	p->watch_seen = 0;
	p->watch_after = after_bytes;
	p->watch_match[0] = '\0';
	if (match)
		strncat(p->watch_match, match, sizeof(p->watch_match) - 1);
	ask(p);
	pthread_mutex_unlock(&p->lock);
}

void netproxy_get_stats(struct netproxy *p, struct netproxy_stats *st)
{
	struct timespec t = { 0 };
	clockid_t clock;

	memset(st, 0, sizeof(*st));
	st->connections = __atomic_load_n(&p->stats.connections, __ATOMIC_RELAXED);
	st->open = __atomic_load_n(&p->stats.open, __ATOMIC_RELAXED);
	for (int d = 0; d < 2; d++)
		st->bytes[d] = __atomic_load_n(&p->stats.bytes[d], __ATOMIC_RELAXED);
	st->requests = __atomic_load_n(&p->stats.requests, __ATOMIC_RELAXED);
	st->refused = __atomic_load_n(&p->stats.refused, __ATOMIC_RELAXED);
	st->cut = __atomic_load_n(&p->stats.cut, __ATOMIC_RELAXED);
	st->stalled = __atomic_load_n(&p->stats.stalled, __ATOMIC_RELAXED);
	st->waiting = __atomic_load_n(&p->stats.waiting, __ATOMIC_RELAXED);
	st->alone = __atomic_load_n(&p->stats.alone, __ATOMIC_RELAXED);
	if (pthread_getcpuclockid(p->thread, &clock) == 0 && clock_gettime(clock, &t) == 0)
		st->cpu_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
