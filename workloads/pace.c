/* One scheduler of due times for all workers: a worker that is free takes the next one that is due. */
#include "workloads/load_impl.h"

#define BACKLOG_MAX 1000000

static int64_t gap_ns(const struct load *l, struct rng *r)
{
	double mean = 1e9 / l->rate;

	return (int64_t)(l->o.pace == LOAD_EVEN ? mean : rng_exp(r, mean));
}

void pace_start(struct load *l, int64_t now_ns)
{
	pthread_mutex_lock(&l->lock);
	l->next_due_ns = now_ns;
	if (l->rate > 0)
		l->next_due_ns += gap_ns(l, &l->pace_rng);
	pthread_mutex_unlock(&l->lock);
}

int pace_take(struct load *l, int64_t now_ns, int64_t *due_ns)
{
	int due = 1;

	pthread_mutex_lock(&l->lock);
	if (l->rate > 0) {
		*due_ns = l->next_due_ns;
		due = l->next_due_ns <= now_ns;
		if (due)
			l->next_due_ns += gap_ns(l, &l->pace_rng);
	} else {
		*due_ns = now_ns; /* closed loop */
	}
	pthread_mutex_unlock(&l->lock);
	return due;
}

uint64_t pace_backlog(struct load *l, int64_t now_ns)
{
	uint64_t n = 0;

	pthread_mutex_lock(&l->lock);
	if (l->rate > 0 && l->started) {
		struct rng r = l->pace_rng; /* a copy: looking ahead changes nothing */

		for (int64_t due = l->next_due_ns; due <= now_ns && n < BACKLOG_MAX; due += gap_ns(l, &r))
			n++;
	}
	pthread_mutex_unlock(&l->lock);
	return n;
}

void load_set_rate(struct load *l, double rate)
{
	pthread_mutex_lock(&l->lock);
	l->rate = rate > 0 ? rate : 0;
	l->next_due_ns = clock_mono_ns();
	if (l->rate > 0)
		l->next_due_ns += gap_ns(l, &l->pace_rng);
	pthread_mutex_unlock(&l->lock);
}
