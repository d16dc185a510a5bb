/* One direction of one connection. Plain: bytes go on as they come, large transfers by splice. Else
 * they pass a queue of pieces, each with the instant at which it is due. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chaos/netproxy_impl.h"
#include "harness/base/clock.h"
#include "harness/base/xalloc.h"

#define SPLICE_BYTES ((size_t)1 << 20)
#define ROUNDS_MAX 16 /* then the other connections have their turn */

void lane_init(struct lane *l, enum netproxy_dir dir, int from, int to)
{
	memset(l, 0, sizeof(*l));
	l->dir = dir;
	l->from = from;
	l->to = to;
	l->pipe[0] = l->pipe[1] = -1;
}

void lane_release(struct lane *l)
{
	while (l->first) {
		struct piece *p = l->first;

		l->first = p->next;
		free(p);
	}
	l->last = NULL;
	for (int i = 0; i < 2; i++)
		if (l->pipe[i] >= 0)
			close(l->pipe[i]);
	l->pipe[0] = l->pipe[1] = -1;
}

void lane_queue(struct lane *l, const void *data, size_t n, int64_t due_ns)
{
	struct piece *p = xmalloc(sizeof(*p) + n);

	p->next = NULL;
	p->due_ns = due_ns;
	p->n = n;
	p->off = 0;
	memcpy(p->data, data, n);
	if (l->last)
		l->last->next = p;
	else
		l->first = p;
	l->last = p;
	l->queued += n;
}

static bool lane_is_plain(const struct conn *c, const struct lane *l)
{
	const struct link_fault *f = &c->p->now_link[l->dir];

	return !l->first && !l->held && !f->delay_us && !f->jitter_us && !f->bytes_per_s &&
	       !f->slice_bytes && !f->hole && !l->reset_at && f->commit == COMMIT_PASSES &&
	       !f->single && !c->scan;
}

static void count_passed(struct conn *c, struct lane *l, size_t n)
{
	l->passed += n;
	__atomic_fetch_add(&c->p->stats.bytes[l->dir], n, __ATOMIC_RELAXED);
}

static void make_pipe(struct lane *l)
{
	if (l->pipe[0] < 0 && pipe2(l->pipe, O_NONBLOCK | O_CLOEXEC) == 0)
		/* refused: the smaller one serves too */
		fcntl(l->pipe[0], F_SETPIPE_SZ, (int)SPLICE_BYTES);
	l->bulk = l->pipe[0] >= 0;
}

/* 1: go on, 0: wait for an edge, -1: over. */
static int splice_once(struct conn *c, struct lane *l)
{
	ssize_t n;

	if (l->in_pipe) {
		if (!l->writable)
			return 0;
		n = splice(l->pipe[0], NULL, l->to, NULL, l->in_pipe,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EAGAIN)
			return l->writable = false;
		if (n <= 0)
			return -1;
		l->in_pipe -= (size_t)n;
		count_passed(c, l, (size_t)n);
		return 1;
	}
	n = splice(l->from, NULL, l->pipe[1], NULL, SPLICE_BYTES,
		   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n < 0 && errno == EAGAIN) {
		l->bulk = false;
		return l->readable = false;
	}
	if (n < 0)
		return -1;
	if (n == 0)
		l->eof = true;
	l->in_pipe += (size_t)n;
	return n > 0;
}

/* Bytes received into buf; 0: none now, or the end; -1: the connection failed. */
static ssize_t receive_piece(struct lane *l, char *buf)
{
	ssize_t n = l->readable ? recv(l->from, buf, PIECE_BYTES, 0) : -1;

	if (n == 0)
		l->eof = true;
	if (n < 0 && (!l->readable || errno == EAGAIN))
		n = l->readable = 0;
	return n;
}

static int pump_plain(struct conn *c, struct lane *l)
{
	char *buf = c->p->scratch;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		ssize_t n, m;

		if (l->bulk || l->in_pipe) {
			int rc = splice_once(c, l);

			if (rc < 0)
				return -1;
			if (!rc)
				return 0;
			continue;
		}
		n = l->eof ? 0 : receive_piece(l, buf);
		if (n <= 0)
			return (int)n;
		m = l->writable ? send(l->to, buf, (size_t)n, MSG_NOSIGNAL) : 0;
		if (m < 0 && errno != EAGAIN)
			return -1;
		if (m < n) {
			m = m < 0 ? 0 : m;
			l->writable = false;
			lane_queue(l, buf + m, (size_t)(n - m), 0);
		}
		count_passed(c, l, (size_t)m);
		if (m < n)
			return 0;
		if (n == PIECE_BYTES)
			make_pipe(l);
		/* a short read: there was no more, and more comes with an edge of its own */
		else if (!l->hup) {
			l->readable = false;
			return 0;
		}
	}
	c->again = true;
	return 0;
}

/* ---- with faults */

static int64_t time_due(struct conn *c, struct lane *l, int64_t now)
{
	const struct link_fault *f = &c->p->now_link[l->dir];
	int64_t at = now + f->delay_us * 1000;

	if (f->jitter_us)
		at += (int64_t)rng_below(&c->p->rng, (uint64_t)f->jitter_us * 2 + 1) * 1000 -
		      f->jitter_us * 1000;
	if (at < l->last_due_ns)
		at = l->last_due_ns;
	return l->last_due_ns = at;
}

static void take_in(struct conn *c, struct lane *l, const char *data, size_t n, int64_t now)
{
	const struct link_fault *f = &c->p->now_link[l->dir];
	int64_t at = time_due(c, l, now);

	if (l->dir == NETPROXY_UP && f->commit != COMMIT_PASSES && turns_is_commit(data, n)) {
		c->lane[f->commit == COMMIT_STALLS_REQUEST ? NETPROXY_UP : NETPROXY_DOWN].held =
			true;
		__atomic_fetch_add(&c->p->stats.stalled, 1, __ATOMIC_RELAXED);
	}
	if (f->single)
		turns_take(c, l->dir, data, n, now);
	if (c->scan && l->dir == NETPROXY_UP)
		http_up(c, data, n, at);
	else if (!c->answered)
		lane_queue(l, data, n, at);
}

static int read_all(struct conn *c, struct lane *l, int64_t now)
{
	char *buf = c->p->scratch;

	for (int i = 0; i < ROUNDS_MAX && l->queued < QUEUE_BYTES_MAX && !l->eof; i++) {
		ssize_t n;

		if (l->in_pipe) {
			n = read(l->pipe[0], buf,
				 l->in_pipe < PIECE_BYTES ? l->in_pipe : PIECE_BYTES);
			if (n <= 0)
				return -1;
			l->in_pipe -= (size_t)n;
		} else {
			n = receive_piece(l, buf);
			if (n <= 0)
				return (int)n;
		}
		take_in(c, l, buf, (size_t)n, now);
	}
	return 0;
}

/* How much of n may go now: by the bandwidth's tokens and the slices. 0: l->wake_ns tells when. */
static size_t bytes_allowed(struct lane *l, const struct link_fault *f, size_t n, int64_t now)
{
	if (f->slice_bytes) {
		if (now < l->next_send_ns) {
			l->wake_ns = l->next_send_ns;
			return 0;
		}
		if (n > f->slice_bytes)
			n = f->slice_bytes;
	}
	if (f->bytes_per_s) {
		double burst = (double)f->bytes_per_s / 100; /* 10 ms of it */

		if (burst < 1500)
			burst = 1500;
		l->tokens += (double)(now - l->tokens_ns) * (double)f->bytes_per_s / 1e9;
		l->tokens_ns = now;
		if (l->tokens > burst)
			l->tokens = burst;
		if (l->tokens < 1) {
			l->wake_ns = now + (int64_t)(1e9 * (n < 1500 ? (double)n : 1500) /
						     (double)f->bytes_per_s);
			return 0;
		}
		if ((double)n > l->tokens)
			n = (size_t)l->tokens;
	}
	return n;
}

static int write_due(struct conn *c, struct lane *l, int64_t now)
{
	const struct link_fault *f = &c->p->now_link[l->dir];

	while (l->first && l->writable) {
		struct piece *p = l->first;
		size_t n = p->n - p->off;
		ssize_t m;

		if (p->due_ns > now) {
			l->wake_ns = p->due_ns;
			return 0;
		}
		if (l->reset_at && n > l->reset_at - l->passed)
			n = (size_t)(l->reset_at - l->passed);
		if (l->dir == NETPROXY_DOWN && c->answer_cut_at &&
		    n > c->answer_cut_at - c->answer_bytes)
			n = (size_t)(c->answer_cut_at - c->answer_bytes);
		n = bytes_allowed(l, f, n, now);
		if (!n)
			return 0;
		m = send(l->to, p->data + p->off, n, MSG_NOSIGNAL);
		if (m < 0 && errno == EAGAIN) {
			l->writable = false;
			return 0;
		}
		if (m < 0)
			return -1;
		count_passed(c, l, (size_t)m);
		l->queued -= (size_t)m;
		l->tokens -= f->bytes_per_s ? (double)m : 0;
		if (f->slice_bytes)
			l->next_send_ns = now + f->slice_gap_us * 1000;
		p->off += (size_t)m;
		if (p->off == p->n) {
			l->first = p->next;
			if (!l->first)
				l->last = NULL;
			free(p);
		}
		if (l->reset_at && l->passed >= l->reset_at) {
			__atomic_fetch_add(&c->p->stats.cut, 1, __ATOMIC_RELAXED);
			return -1;
		}
		if (l->dir == NETPROXY_DOWN && c->answer_cut_at) {
			c->answer_bytes += (uint64_t)m;
			if (c->answer_bytes >= c->answer_cut_at) {
				__atomic_fetch_add(&c->p->stats.cut, 1, __ATOMIC_RELAXED);
				return -1;
			}
		}
	}
	return 0;
}

int lane_pump(struct conn *c, struct lane *l)
{
	const struct link_fault *f = &c->p->now_link[l->dir];
	int rc = 0;

	l->wake_ns = 0;
	if (l->shut)
		return 0;
	if (f->hole)
		return 0;
	if (lane_is_plain(c, l)) {
		rc = pump_plain(c, l);
	} else {
		int64_t now = clock_mono_ns();

		rc = read_all(c, l, now);
		if (rc == 0 && !l->held && !turns_wait(c, l, now))
			rc = write_due(c, l, now);
		/* what was not read, because of the rounds or of a queue that is no longer full:
		 * no edge tells it again */
		if ((l->readable || l->in_pipe) && l->queued < QUEUE_BYTES_MAX && !l->eof)
			c->again = true;
	}
	if (rc < 0)
		return -1;
	if (l->eof && !l->first && !l->in_pipe && !l->held) {
		shutdown(l->to, SHUT_WR);
		l->shut = true;
	}
	return 0;
}
