#include "harness/feed/watermarks.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

void watermarks_init(struct watermarks *p, tso_t start, unsigned n_workers)
{
	assert(n_workers > 0 && n_workers <= FEED_WORKERS_MAX);
	memset(p, 0, sizeof(*p));
	p->announced = p->flushing = p->flushed = p->released = p->checkpoint = start;
	p->n_workers = n_workers;
}

int watermarks_row(struct watermarks *p, unsigned worker, tso_t commit_ts, struct err *e)
{
	assert(worker < p->n_workers);
	struct watermarks_worker *w = &p->worker[worker];

	if (commit_ts <= p->announced)
		return err_set(e, ERR_BAD_DATA, 0,
			       "a row of commitTs %" PRIu64 " came after resolvedTs %" PRIu64
			       " was "
			       "published",
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

void watermarks_announce(struct watermarks *p, tso_t ts)
{
	if (ts > p->announced)
		p->announced = ts;
}

void watermarks_flush_begin(struct watermarks *p)
{
	p->flushing = p->announced;
}

void watermarks_flush_done(struct watermarks *p)
{
	assert(p->flushing >= p->flushed);
	p->flushed = p->flushing;
}

void watermarks_release(struct watermarks *p, tso_t resolved)
{
	assert(resolved <= p->flushed);
	if (resolved > p->released)
		p->released = resolved;
}

void watermarks_committed(struct watermarks *p, unsigned worker, tso_t next)
{
	assert(worker < p->n_workers);
	assert(!next || next >= p->worker[worker].oldest);
	p->worker[worker].oldest = next;
}

tso_t watermarks_checkpoint(struct watermarks *p)
{
	tso_t low = p->released;

	for (unsigned i = 0; i < p->n_workers; i++)
		if (p->worker[i].oldest && p->worker[i].oldest - 1 < low)
			low = p->worker[i].oldest - 1;
	assert(low >= p->checkpoint);
	p->checkpoint = low;
	return low;
}

bool watermarks_drained(const struct watermarks *p)
{
	for (unsigned i = 0; i < p->n_workers; i++)
		if (p->worker[i].oldest && p->worker[i].oldest <= p->released)
			return false;
	return true;
}
