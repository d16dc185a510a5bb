#include "harness/backup/work.h"

#include <string.h>

void work_init(struct work *w, uint64_t rate_bytes_per_s, struct deadline d)
{
	memset(w, 0, sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	w->rate_bytes_per_s = rate_bytes_per_s;
	w->start_ns = clock_mono_ns();
	w->deadline = d.at_ns ? d : deadline_in_ms(30LL * 24 * 3600 * 1000);
}

void work_release(struct work *w)
{
	pthread_mutex_destroy(&w->lock);
}

void work_fail(struct work *w, const struct err *e)
{
	pthread_mutex_lock(&w->lock);
	if (!w->failed)
		w->first = *e;
	w->failed = true;
	pthread_mutex_unlock(&w->lock);
}

#define TELL_NS ((int64_t)200 * 1000000)

static void report_progress(struct work *w, uint64_t total)
{
	int64_t now = clock_mono_ns(), told = w->told_ns;
	double share;

	if (!w->progress || !w->total_bytes || now - told < TELL_NS ||
	    !atomic_compare_exchange_strong(&w->told_ns, &told, now))
		return;
	share = (double)total / (double)w->total_bytes;
	/* an estimate is not the end */
	w->progress(w->progress_arg, share > 0.99 ? 0.99 : share, total);
}

int work_pace(struct work *w, uint64_t bytes, struct err *e)
{
	uint64_t total = atomic_fetch_add(&w->raw_bytes, bytes) + bytes;

	report_progress(w, total);
	for (;;) {
		int64_t ahead_ms = 0;

		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "cancelled");
		if (deadline_passed(w->deadline))
			return err_set(e, ERR_TIMEOUT, 0, "out of time after %llu MB of rows",
				       (unsigned long long)(total / 1000000));
		if (w->failed)
			return err_set(e, ERR_CANCELLED, 0, "another thread failed");
		if (w->rate_bytes_per_s)
			ahead_ms = (int64_t)((double)total / (double)w->rate_bytes_per_s * 1000) -
				   (clock_mono_ns() - w->start_ns) / 1000000;
		if (ahead_ms <= 0)
			return 0;
		pause_ms(ahead_ms < 200 ? ahead_ms : 200, w->deadline);
	}
}

int work_run(struct work *w, void *(*fn)(void *), void *args, size_t arg_size, unsigned n,
	     struct err *e)
{
	pthread_t thread[WORK_THREADS_MAX];
	unsigned started = 1;

	for (; started < n && started < WORK_THREADS_MAX; started++)
		if (pthread_create(&thread[started], NULL, fn, (char *)args + started * arg_size))
			break; /* fewer threads do the same work */
	fn(args);
	for (unsigned i = 1; i < started; i++)
		pthread_join(thread[i], NULL);
	if (!w->failed)
		return 0;
	if (e)
		*e = w->first;
	return -1;
}
