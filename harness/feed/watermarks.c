#include "harness/feed/watermarks.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

void feed_progress_init(struct feed_progress *p, tso_t start, unsigned n_workers)
{
	assert(n_workers > 0 && n_workers <= FEED_WORKERS_MAX);
	memset(p, 0, sizeof(*p));
	p->announced = p->flushing = p->flushed = p->released = p->checkpoint = start;
	p->n_workers = n_workers;
}

int feed_progress_row(struct feed_progress *p, unsigned worker, tso_t commit_ts, struct err *e)
{
	assert(worker < p->n_workers);
	struct feed_progress_worker *w = &p->worker[worker];

	if (commit_ts <= p->announced)
		return err_set(e, ERR_BAD_DATA, 0,
			       "a row of commitTs %" PRIu64 " came after resolvedTs %" PRIu64
			       " had been announced",
			       commit_ts, p->announced);
	if (commit_ts < w->newest)
		return err_set(e, ERR_BAD_DATA, 0,
			       "a row of commitTs %" PRIu64 " came after one of %" PRIu64,
			       commit_ts, w->newest);
	w->newest = commit_ts;
	if (!w->oldest)
		w->oldest = commit_ts;
	return 0;
}

void feed_progress_announce(struct feed_progress *p, tso_t ts)
{
	if (ts > p->announced)
		p->announced = ts;
}

void feed_progress_flush_begin(struct feed_progress *p)
{
	p->flushing = p->announced;
}

void feed_progress_flush_done(struct feed_progress *p)
{
	assert(p->flushing >= p->flushed);
	p->flushed = p->flushing;
}

void feed_progress_release(struct feed_progress *p, tso_t resolved)
{
	assert(resolved <= p->flushed);
	if (resolved > p->released)
		p->released = resolved;
}

void feed_progress_committed(struct feed_progress *p, unsigned worker, tso_t next)
{
	assert(worker < p->n_workers);
	assert(!next || next >= p->worker[worker].oldest);
	p->worker[worker].oldest = next;
}

tso_t feed_progress_checkpoint(struct feed_progress *p)
{
	tso_t low = p->released;

	for (unsigned i = 0; i < p->n_workers; i++)
		if (p->worker[i].oldest && p->worker[i].oldest - 1 < low)
			low = p->worker[i].oldest - 1;
	assert(low >= p->checkpoint);
	p->checkpoint = low;
	return low;
}

bool feed_progress_drained(const struct feed_progress *p)
{
	for (unsigned i = 0; i < p->n_workers; i++)
		if (p->worker[i].oldest && p->worker[i].oldest <= p->released)
			return false;
	return true;
}
