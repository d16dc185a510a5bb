/* The HTTP side of the proxy: which requests are refused, cut or watched. */
#include <stdio.h>
#include <string.h>

#include "chaos/netproxy_impl.h"
#include "harness/base/clock.h"

static bool draw_fault(struct conn *c, const struct http_fault *f)
{
	if (f->match[0] && !strstr(c->scan->target, f->match))
		return false;
	return f->share <= 0 || f->share >= 1 || rng_unit(&c->p->rng) < f->share;
}

static const char *status_reason(int status, const char **code)
{
	switch (status) {
	case 403: *code = "AccessDenied"; return "Forbidden";
	case 404: *code = "NoSuchKey"; return "Not Found";
	case 429: *code = "TooManyRequests"; return "Too Many Requests";
	case 500: *code = "InternalError"; return "Internal Server Error";
	case 503: *code = "SlowDown"; return "Service Unavailable";
	}
	*code = "InjectedFault";
	return "Injected Fault";
}

/* Answers in the store's place, and then takes in what is still sent until the client goes. */
static void refuse(struct conn *c, int status)
{
	const char *code, *words = status_reason(status, &code);
	char body[256], text[512];
	int n = snprintf(body, sizeof(body),
			 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			 "<Error><Code>%s</Code><Message>drtest's fault: %d %s</Message></Error>",
			 code, status, words);

	/* HEAD has no body */
	bool head = !strncmp(c->scan->target, "HEAD ", 5);
	n = snprintf(
		text, sizeof(text),
		"HTTP/1.1 %d %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, words, head ? 0 : n, head ? "" : body);
	c->answered = true;
	lane_queue(&c->lane[NETPROXY_DOWN], text, (size_t)n, clock_mono_ns());
	c->lane[NETPROXY_DOWN].eof = true; /* the client is told that no more comes */
	__atomic_fetch_add(&c->p->stats.refused, 1, __ATOMIC_RELAXED);
}

static void request_begins(struct conn *c)
{
	const struct http_fault *f = &c->p->now_http;
	struct netproxy *p = c->p;

	__atomic_fetch_add(&p->stats.requests, 1, __ATOMIC_RELAXED);
	c->answer_cut_at = c->request_cut_at = c->answer_bytes = 0;
	c->watched = false;
	pthread_mutex_lock(&p->lock);
	if (p->watch_fn && strstr(c->scan->target, p->watch_match) &&
	    ++p->watch_seen == p->watch_nth)
		c->watched = true;
	pthread_mutex_unlock(&p->lock);
	if (!f->status && !f->cut_request_after && !f->cut_answer_after)
		return;
	if (!draw_fault(c, f))
		return;
	if (f->status) {
		refuse(c, f->status);
		return;
	}
	c->request_cut_at = f->cut_request_after;
	c->answer_cut_at = f->cut_answer_after;
}

static void watch_fires(struct conn *c)
{
	struct netproxy *p = c->p;
	void (*fn)(void *arg);
	void *arg;

	c->watched = false;
	pthread_mutex_lock(&p->lock);
	fn = p->watch_fn;
	arg = p->watch_arg;
	p->watch_fn = NULL;
	pthread_mutex_unlock(&p->lock);
	if (fn)
		fn(arg);
}

void http_up(struct conn *c, const char *data, size_t n, int64_t due_ns)
{
	struct lane *l = &c->lane[NETPROXY_UP];
	struct http_scan *s = c->scan;

	while (n && !c->answered) {
		size_t taken;
		bool ends;
		enum http_piece piece = http_scan_take(s, data, n, &taken, &ends);

		switch (piece) {
		case HTTP_PIECE_HEAD_PART: break;
		case HTTP_PIECE_HEAD:
			request_begins(c);
			if (!c->answered)
				lane_queue(l, s->head, s->head_n, due_ns);
			break;
		case HTTP_PIECE_OPAQUE:
			if (s->head_n)
				lane_queue(l, s->head, s->head_n, due_ns);
			else
				lane_queue(l, data, taken, due_ns);
			s->head_n = 0;
			break;
		case HTTP_PIECE_BODY:
			/* what is before the cut still goes, then the reset */
			if (c->request_cut_at && s->body_seen >= c->request_cut_at) {
				lane_queue(l, data,
					   (size_t)(taken - (s->body_seen - c->request_cut_at)),
					   due_ns);
				l->reset_at = l->passed + l->queued;
				c->answered = true;
				break;
			}
			lane_queue(l, data, taken, due_ns);
			break;
		}
		if (c->watched && (ends || s->body_seen >= c->p->watch_after) &&
		    piece != HTTP_PIECE_HEAD_PART)
			watch_fires(c);
		data += taken;
		n -= taken;
	}
}
