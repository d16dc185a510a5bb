/* The sampler: each second or oftener, from a thread of its own, everything that can be measured
 * while the script waits; on a terminal also the live line. */
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/cluster/undo.h"
#include "harness/os/fs.h"
#include "harness/run/owned.h"
#include "harness/run/runtime_impl.h"

#define SAMPLE_MS 1000
#define SAMPLE_FINE_MS 500 /* while the run is young: most runs are short */
/* after the disaster: service may be away for less than a second */
#define SAMPLE_FINEST_MS 250
#define YOUNG_NS ((int64_t)600 * 1000000000)
#define NEAR_NS ((int64_t)60 * 1000000000)
#define LATE_MS 1000
#define BUSY 8 /* processes that want a processor, for each */
#define ROOM_BYTES_MIN ((int64_t)8 << 20)

void runtime_progress(struct runtime *r, const char *what, double share, uint64_t rows)
{
	if (!r->journal || !(share >= 0))
		return;
	share = share > 1 ? 1 : share;
	journal_event(r->journal, "progress",
		      json_pack("{s:s,s:f,s:i,s:I}", "what", what, "done", round(share * 1e4) / 1e2,
				"total", 100, "rows", (json_int_t)rows));
	pthread_mutex_lock(&r->lock);
	if (strcmp(r->work.what, what) != 0 || r->work.step != r->step)
		r->work.since_ns = clock_mono_ns();
	snprintf(r->work.what, sizeof(r->work.what), "%s", what);
	r->work.step = r->step;
	r->work.share = share;
	r->work.rows = rows;
	pthread_mutex_unlock(&r->lock);
}

void runtime_until(struct runtime *r, int64_t mono_ns)
{
	pthread_mutex_lock(&r->lock);
	r->until_ns = mono_ns;
	pthread_mutex_unlock(&r->lock);
}

struct line {
	char text[256];
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (l->n >= sizeof(l->text) - 1)
		return;
	if (l->n)
		l->n += (size_t)snprintf(l->text + l->n, sizeof(l->text) - l->n, " · ");
	if (l->n >= sizeof(l->text) - 1)
		return;
	va_start(ap, fmt);
	n = vsnprintf(l->text + l->n, sizeof(l->text) - l->n, fmt, ap);
	va_end(ap);
	l->n += n > 0 ? (size_t)n : 0;
}

static double read_number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void live_line(struct runtime *r, json_t *s)
{
	const json_t *load = json_object_get(s, "load"), *feed = json_object_get(s, "feed");
	int64_t now = clock_mono_ns();
	struct line l = { .n = 0 };

	if (json_object_get(s, "prepare"))
		add(&l, "prepared %.0f of %.0f", read_number(json_object_get(s, "prepare"), "done"),
		    read_number(json_object_get(s, "prepare"), "total"));
	if (load && json_is_true(json_object_get(load, "stopped")))
		add(&l, "load stopped");
	else if (load && read_number(load, "started") > 0) /* else it is being prepared */
		add(&l,
		    read_number(load, "p99_us") > 0 ? "load %.0f/s, p99 %.1f ms" : "load %.0f/s",
		    read_number(load, "tps"), read_number(load, "p99_us") / 1000);
	if (load && read_number(load, "quiet_ms") > 0)
		add(&l, "no transaction for %.0f s", read_number(load, "quiet_ms") / 1000);
	if (load && !json_object_get(load, "stopped") &&
	    read_number(load, "failed") + read_number(load, "unknown") > 0)
		add(&l, "%.0f failed, %.0f unknown", read_number(load, "failed"),
		    read_number(load, "unknown"));
	if (feed)
		add(&l,
		    json_object_get(feed, "resolved_lag_ms")
			    ? "secondary %.1f s behind, redo log %.1f s"
			    : "secondary %.1f s behind",
		    read_number(feed, "lag_ms") / 1000,
		    read_number(feed, "resolved_lag_ms") / 1000);
	if (feed && json_object_get(feed, "error"))
		add(&l, "%s", json_string_value(json_object_get(feed, "error")));
	if (r->work.step == r->step && r->work.share < 1) {
		double gone = (double)(now - r->work.since_ns) / 1e9;

		add(&l, "%s %.0f %%", r->work.what, r->work.share * 100);
		if (r->work.rows)
			add(&l, "%llu rows", (unsigned long long)r->work.rows);
		if (r->work.share > 0.02)
			add(&l, "%.0f s left", gone * (1 - r->work.share) / r->work.share);
	}
	if (r->waiting[0])
		add(&l, "%s", r->waiting);
	if (r->until_ns > now)
		add(&l, "%.0f s left", ceil((double)(r->until_ns - now) / 1e9));
	console_live(r->console, r->step, r->step_name, (double)(now - r->step_start_ns) / 1e9,
		     l.text);
}

/* Cancels the run while there is still room for the journal's end and the reports. */
static void look_at_limits(struct runtime *r)
{
	int64_t room = fs_free_bytes(r->dir);

	undo_alive();
	if (r->cut_short[0])
		return;
	if (r->timeout_ns && clock_mono_ns() > r->timeout_ns)
		snprintf(r->cut_short, sizeof(r->cut_short),
			 "the run did not end within %lld s (--timeout)",
			 (long long)(r->timeout_ms / 1000));
	else if (room >= 0 && room < ROOM_BYTES_MIN)
		snprintf(r->cut_short, sizeof(r->cut_short),
			 "No space left: the disk of the run directory has only %lld KiB (use "
			 "--out DIR on another disk)",
			 (long long)(room >> 10));
	if (r->cut_short[0])
		clock_cancel(SIGALRM);
}

/* What others do on this machine, and how late this thread wakes, tell whether a time that was
 * missed is the clusters' fault. */
static void look_at_machine(struct runtime *r, int64_t due_ns)
{
	int64_t late_ms = (clock_mono_ns() - due_ns) / 1000000;
	double load = 0, cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
	bool first = !r->slow[0];
	FILE *f = fopen("/proc/loadavg", "re");

	if (f && fscanf(f, "%lf", &load) != 1)
		load = 0;
	if (f)
		fclose(f);
	if (late_ms >= LATE_MS && late_ms > r->late_ms)
		snprintf(r->slow, sizeof(r->slow),
			 "this machine was too slow: drtest itself was %.1f s late once",
			 (double)late_ms / 1e3);
	else if (load >= BUSY * cores && first)
		snprintf(r->slow, sizeof(r->slow),
			 "this machine was too slow: %.0f processes competed for its %.0f "
			 "processors",
			 load, cores);
	r->late_ms = late_ms > r->late_ms ? late_ms : r->late_ms;
	if (first && r->slow[0])
		runtime_note(
			r,
			"%s; the times of this run depend on the machine, so a missed time limit "
			"is unknown instead of failed",
			r->slow);
}

void runtime_slow(struct runtime *r, char *why, size_t size)
{
	pthread_mutex_lock(&r->lock);
	snprintf(why, size, "%s", r->slow);
	pthread_mutex_unlock(&r->lock);
}

static int64_t interval_ms(const struct runtime *r)
{
	int64_t now = clock_mono_ns();

	if (r->disaster_ns && now - r->disaster_ns < NEAR_NS)
		return SAMPLE_FINEST_MS;
	return now - journal_start_ns(r->journal) < YOUNG_NS ? SAMPLE_FINE_MS : SAMPLE_MS;
}

static void *sampler_main(void *arg)
{
	struct runtime *r = arg;
	int64_t next = clock_mono_ns();

	pthread_mutex_lock(&r->lock);
	while (!r->sampler_stop) {
		struct timespec ts;
		json_t *s;

		next += interval_ms(r) * 1000000;
		ts.tv_sec = next / 1000000000;
		ts.tv_nsec = next % 1000000000;
		while (!r->sampler_stop && pthread_cond_timedwait(&r->wake, &r->lock, &ts) == 0)
			;
		if (r->sampler_stop)
			break;
		look_at_limits(r);
		look_at_machine(r, next);
		s = json_pack("{s:{},s:{}}", "rss_kib", "cpu_ms");
		owned_sample_process(s, "drtest", getpid());
		for (size_t i = 0; i < r->n_owned; i++)
			if (r->owned[i].ops->sample)
				r->owned[i].ops->sample(r->owned[i].object, s);
		if (r->console->tty && r->step_name[0])
			live_line(r, s);
		journal_event(r->journal, "sample", s);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int runtime_sampler_start(struct runtime *r, struct err *e)
{
	pthread_condattr_t a;
	int rc;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &a);
	pthread_condattr_destroy(&a);
	rc = pthread_create(&r->sampler, NULL, sampler_main, r);
	if (rc)
		return err_set(e, ERR_IO, rc, "start the sampler: %s", strerror(rc));
	r->sampling = true;
	return 0;
}

void runtime_sampler_stop(struct runtime *r)
{
	if (!r->sampling)
		return;
	pthread_mutex_lock(&r->lock);
	r->sampler_stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->sampler, NULL);
	r->sampling = false;
}
