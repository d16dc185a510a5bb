/* Faults of links. Each kind owns its own fields of the proxy's settings, so kinds of different
 * groups go together on one link. */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/fault.h"
#include "harness/base/xalloc.h"

/* What all active faults of a link come to: kept here, since a kind changes its part alone. */
struct mix {
	struct netproxy *p;
	struct link_fault dir[2];
	struct mix *next;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mix *mixes;

static struct mix *mix_of(struct netproxy *p)
{
	struct mix *m;

	for (m = mixes; m; m = m->next)
		if (m->p == p)
			return m;
	m = xcalloc(1, sizeof(*m));
	m->p = p;
	m->next = mixes;
	return mixes = m;
}

void fault_link_forget(struct netproxy *p)
{
	pthread_mutex_lock(&lock);
	for (struct mix **at = &mixes; *at; at = &(*at)->next)
		if ((*at)->p == p) {
			struct mix *m = *at;

			*at = m->next;
			free(m);
			break;
		}
	pthread_mutex_unlock(&lock);
}

static bool acts_on(const struct fault *f, enum netproxy_dir d)
{
	return f->args.direction == FAULT_BOTH ||
	       (f->args.direction == FAULT_UP) == (d == NETPROXY_UP);
}

/* Lets the kind put its part into (on) or out of each link's settings. */
static int apply_part(struct fault *f, bool on)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < f->target.n_links; i++) {
		struct mix *m = mix_of(f->target.links[i]);

		for (int d = 0; d < 2; d++)
			if (acts_on(f, d)) {
				f->ops->part(f, &m->dir[d], d, on);
				netproxy_set(m->p, d, &m->dir[d]);
			}
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

static int inject_part(struct fault *f, struct err *e)
{
	(void)e;
	return apply_part(f, true);
}

static int heal_part(struct fault *f, struct err *e)
{
	(void)e;
	return apply_part(f, false);
}

static void add_direction(const struct fault *f, struct strbuf *out)
{
	if (f->args.direction != FAULT_BOTH)
		strbuf_addf(out, "%s%s only", out->len && out->buf[out->len - 1] != ' ' ? ", " : "",
			    f->args.direction == FAULT_UP ? "there" : "back");
}

/* ---- cut */

static int cut_inject(struct fault *f, struct err *e)
{
	for (size_t i = 0; i < f->target.n_links; i++)
		if (netproxy_cut(f->target.links[i], true, e) < 0)
			return -1;
	return 0;
}

static int cut_heal(struct fault *f, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < f->target.n_links; i++)
		if (netproxy_cut(f->target.links[i], false, rc < 0 ? NULL : e) < 0)
			rc = -1;
	return rc;
}

const struct fault_ops fault_cut = {
	.name = "cut",
	.on = FAULT_ON_LINK,
	.group = "cut",
	.args = " ",
	.what = "connections are reset and new ones refused",
	.inject = cut_inject,
	.heal = cut_heal,
};

/* ---- black_hole */

static void black_hole_part(const struct fault *f, struct link_fault *l, enum netproxy_dir d,
			    bool on)
{
	(void)f, (void)d;
	l->hole = on;
}

const struct fault_ops fault_black_hole = {
	.name = "black_hole",
	.was = "hole",
	.on = FAULT_ON_LINK,
	.group = "black_hole",
	.args = " direction ",
	.what = "nothing arrives, connections stay open (direction = \"up\" or \"down\": in one "
		"direction)",
	.part = black_hole_part,
	.inject = inject_part,
	.heal = heal_part,
	.describe = add_direction,
};

/* ---- delay */

static void delay_part(const struct fault *f, struct link_fault *l, enum netproxy_dir d, bool on)
{
	(void)d;
	l->delay_us = on ? f->args.delay_ms * 1000 : 0;
	l->jitter_us = on ? f->args.jitter_ms * 1000 : 0;
}

static int delay_check(const struct fault *f, struct err *e)
{
	if (f->args.delay_ms <= 0 || f->args.jitter_ms > f->args.delay_ms)
		return err_set(e, ERR_USAGE, 0,
			       "delay needs by = \"20ms\"; jitter must not be larger");
	return 0;
}

static void delay_describe(const struct fault *f, struct strbuf *out)
{
	strbuf_addf(out, "%" PRId64 " ms", f->args.delay_ms);
	if (f->args.jitter_ms)
		strbuf_addf(out, " ± %" PRId64 " ms", f->args.jitter_ms);
	add_direction(f, out);
}

const struct fault_ops fault_delay = {
	.name = "delay",
	.on = FAULT_ON_LINK,
	.group = "delay",
	.args = " by jitter direction ",
	.what = "delays every byte by `by`, plus or minus jitter",
	.check = delay_check,
	.part = delay_part,
	.inject = inject_part,
	.heal = heal_part,
	.describe = delay_describe,
};

/* ---- slow */

static void slow_part(const struct fault *f, struct link_fault *l, enum netproxy_dir d, bool on)
{
	(void)d;
	l->bytes_per_s = on ? f->args.bytes_per_s : 0;
}

static int slow_check(const struct fault *f, struct err *e)
{
	return f->args.bytes_per_s ? 0
				   : err_set(e, ERR_USAGE, 0, "slow needs kb_per_s, at least 1");
}

static void slow_describe(const struct fault *f, struct strbuf *out)
{
	strbuf_addf(out, "%" PRIu64 " KB/s", f->args.bytes_per_s / 1000);
	add_direction(f, out);
}

const struct fault_ops fault_slow = {
	.name = "slow",
	.on = FAULT_ON_LINK,
	.group = "slow",
	.args = " kb_per_s direction ",
	.what = "at most kb_per_s pass",
	.check = slow_check,
	.part = slow_part,
	.inject = inject_part,
	.heal = heal_part,
	.describe = slow_describe,
};

/* ---- slice */

static void slice_part(const struct fault *f, struct link_fault *l, enum netproxy_dir d, bool on)
{
	(void)d;
	l->slice_bytes = on ? f->args.slice_bytes : 0;
	l->slice_gap_us = on ? f->args.gap_us : 0;
}

static int slice_check(const struct fault *f, struct err *e)
{
	return f->args.slice_bytes
		       ? 0
		       : err_set(e, ERR_USAGE, 0,
				 "slice needs bytes, at least 1 (and gap_us between the slices)");
}

static void slice_describe(const struct fault *f, struct strbuf *out)
{
	strbuf_addf(out, "%" PRIu64 " bytes at a time, %" PRId64 " us apart", f->args.slice_bytes,
		    f->args.gap_us);
	add_direction(f, out);
}

const struct fault_ops fault_slice = {
	.name = "slice",
	.on = FAULT_ON_LINK,
	.group = "slice",
	.args = " bytes gap_us direction ",
	.what = "bytes come in slices, with gaps between them",
	.check = slice_check,
	.part = slice_part,
	.inject = inject_part,
	.heal = heal_part,
	.describe = slice_describe,
};

/* ---- reset: now, or each connection after n bytes */

static void reset_part(const struct fault *f, struct link_fault *l, enum netproxy_dir d, bool on)
{
	(void)d;
	l->reset_after_bytes = on ? f->args.after_bytes : 0;
}

static int reset_inject(struct fault *f, struct err *e)
{
	(void)e;
	if (f->args.after_bytes)
		return apply_part(f, true);
	for (size_t i = 0; i < f->target.n_links; i++)
		netproxy_reset(f->target.links[i]);
	return 0;
}

static int reset_heal(struct fault *f, struct err *e)
{
	(void)e;
	return f->args.after_bytes ? apply_part(f, false) : 0;
}

static void reset_describe(const struct fault *f, struct strbuf *out)
{
	if (f->args.after_bytes)
		strbuf_addf(out, "each connection after %" PRIu64 " bytes", f->args.after_bytes);
	else
		strbuf_addstr(out, "all connections once");
	add_direction(f, out);
}

const struct fault_ops fault_reset = {
	.name = "reset",
	.on = FAULT_ON_LINK,
	.group = "reset",
	.args = " after_bytes direction ",
	.what = "resets all connections once, or each one after after_bytes",
	.part = reset_part,
	.inject = reset_inject,
	.heal = reset_heal,
	.describe = reset_describe,
};

/* ---- COMMIT */

static void commit_part(const struct fault *f, struct link_fault *l, enum netproxy_dir d, bool on)
{
	if (d == NETPROXY_UP)
		l->commit = !on              ? COMMIT_PASSES
			    : f->args.answer ? COMMIT_STALLS_ANSWER
					     : COMMIT_STALLS_REQUEST;
}

static void commit_describe(const struct fault *f, struct strbuf *out)
{
	strbuf_addstr(out, f->args.answer ? "committed, without a response"
					  : "the COMMIT does not arrive");
}

const struct fault_ops fault_stall_commit = {
	.name = "stall_commit",
	.on = FAULT_ON_LINK,
	.group = "commit",
	.args = " answer ",
	.what = "a connection hangs from its COMMIT on: before the COMMIT arrives, or (answer = "
		"true) after it was executed",
	.part = commit_part,
	.inject = inject_part,
	.heal = heal_part,
	.describe = commit_describe,
};

/* ---- one at a time */

static void single_part(const struct fault *f, struct link_fault *l, enum netproxy_dir d, bool on)
{
	(void)f, (void)d;
	l->single = on;
}

const struct fault_ops fault_single = {
	.name = "single",
	.on = FAULT_ON_LINK,
	.group = "single",
	.args = " ",
	.what = "one connection may write while the others wait",
	.part = single_part,
	.inject = inject_part,
	.heal = heal_part,
};

/* ---- the store's requests */

static int set_http(struct fault *f, const struct http_fault *h)
{
	for (size_t i = 0; i < f->target.n_links; i++)
		netproxy_set_http(f->target.links[i], h);
	return 0;
}

static int http_heal(struct fault *f, struct err *e)
{
	(void)e;
	return set_http(f, NULL);
}

static int refuse_inject(struct fault *f, struct err *e)
{
	struct http_fault h = { .status = f->args.status ? f->args.status : 503,
				.share = f->args.share };

	(void)e;
	memcpy(h.match, f->args.match, sizeof(h.match));
	return set_http(f, &h);
}

static int refuse_check(const struct fault *f, struct err *e)
{
	if (f->args.status && (f->args.status < 400 || f->args.status > 599))
		return err_set(e, ERR_USAGE, 0,
			       "refuse: status must be 400 to 599, for example "
			       "503");
	return 0;
}

static void add_requests(const struct fault *f, struct strbuf *out)
{
	if (f->args.share > 0 && f->args.share < 1)
		strbuf_addf(out, ", %g %% of the requests", f->args.share * 100);
	if (f->args.match[0])
		strbuf_addf(out, ", those with \"%s\"", f->args.match);
}

static void refuse_describe(const struct fault *f, struct strbuf *out)
{
	strbuf_addf(out, "status %d", f->args.status ? f->args.status : 503);
	add_requests(f, out);
}

const struct fault_ops fault_refuse = {
	.name = "refuse",
	.on = FAULT_ON_STORE_LINK,
	.group = "http",
	.args = " status share match ",
	.what = "requests get 503 (or status) instead of the store's response; all, a share of "
		"them, or those that match",
	.check = refuse_check,
	.inject = refuse_inject,
	.heal = http_heal,
	.describe = refuse_describe,
};

static int cut_body_inject(struct fault *f, struct err *e)
{
	struct http_fault h = { .share = f->args.share };
	uint64_t after = f->args.after_bytes ? f->args.after_bytes : 1;

	(void)e;
	memcpy(h.match, f->args.match, sizeof(h.match));
	if (f->args.answer)
		h.cut_answer_after = after;
	else
		h.cut_request_after = after;
	return set_http(f, &h);
}

static void cut_body_describe(const struct fault *f, struct strbuf *out)
{
	strbuf_addf(out, "%s after %" PRIu64 " bytes", f->args.answer ? "answers" : "bodies",
		    f->args.after_bytes ? f->args.after_bytes : 1);
	add_requests(f, out);
}

const struct fault_ops fault_cut_body = {
	.name = "cut_body",
	.on = FAULT_ON_STORE_LINK,
	.group = "http",
	.args = " after_bytes share match answer ",
	.what = "connections are cut in the middle of a request body, or (answer = true) of a "
		"response body, when the store may have executed the request",
	.inject = cut_body_inject,
	.heal = http_heal,
	.describe = cut_body_describe,
};
