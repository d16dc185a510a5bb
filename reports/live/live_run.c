#include "reports/live/live_run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "reports/live/exposition.h"
#include "reports/formats.h"

#define PAGE_EVERY_MS 1000
#define PAGE_BYTES_A_MS 256 /* a page of a megabyte comes every five seconds */

#define QUEUE_MAX 2000 /* events that nobody has looked at; then the writer takes them in */

/* Who writes the journal only hangs its event in: making a page must not hold up a run. */
struct live_run {
	pthread_mutex_t queue_lock;
	pthread_cond_t more;
	json_t **queue;
	size_t queue_n, queue_room;
	uint64_t version; /* events so far */

	pthread_mutex_t lock; /* of what follows; taken before queue_lock */
	struct run_model m;
	json_t *sample; /* the newest; NULL: none yet */
	uint64_t taken; /* events in the model */
	/* the text of the page at that version, for all who look */
	struct strbuf page;
	uint64_t page_version;
	int64_t page_ns;
};

struct live_run *live_run_new(void)
{
	struct live_run *l = xcalloc(1, sizeof(*l));
	pthread_condattr_t a;

	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->queue_lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&l->more, &a);
	pthread_condattr_destroy(&a);
	run_model_init(&l->m);
	l->m.running = true;
	l->page = (struct strbuf)STRBUF_INIT;
	return l;
}

/* The model takes in what was told since; l->lock is held. */
static void take_in(struct live_run *l)
{
	json_t **queue;
	size_t n;

	pthread_mutex_lock(&l->queue_lock);
	queue = l->queue;
	n = l->queue_n;
	l->queue = NULL;
	l->queue_n = l->queue_room = 0;
	l->taken = l->version;
	pthread_mutex_unlock(&l->queue_lock);
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_object_get(queue[i], "ev"));

		run_model_event(&l->m, queue[i]);
		if (name && !strcmp(name, "sample")) {
			json_decref(l->sample);
			l->sample = json_incref(queue[i]);
		}
		json_decref(queue[i]);
	}
	free(queue);
}

void live_run_free(struct live_run *l)
{
	if (!l)
		return;
	take_in(l);
	run_model_release(&l->m);
	json_decref(l->sample);
	strbuf_release(&l->page);
	pthread_cond_destroy(&l->more);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->queue_lock);
	free(l);
}

void live_run_event(struct live_run *l, json_t *event)
{
	bool many;

	pthread_mutex_lock(&l->queue_lock);
	XGROW(l->queue, l->queue_n, l->queue_room, 64);
	l->queue[l->queue_n++] = json_incref(event);
	l->version++;
	many = l->queue_n >= QUEUE_MAX;
	pthread_cond_broadcast(&l->more);
	pthread_mutex_unlock(&l->queue_lock);
	if (many && pthread_mutex_trylock(&l->lock) == 0) {
		take_in(l);
		pthread_mutex_unlock(&l->lock);
	}
}

/* ---- figures */

static double read_number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : -1;
}

static void step_figures(const struct run_model *m, struct exposition *x)
{
	const struct model_step *s = m->steps_n ? &m->steps[m->steps_n - 1] : NULL;

	exposition_family(x, "run_ended", EXPOSITION_GAUGE,
			  "1 if the run has ended; 0 if it is in "
			  "progress.");
	exposition_sample(x, NULL, NULL, m->ended);
	if (s) {
		exposition_family(x, "run_step", EXPOSITION_GAUGE,
				  "The number of the current step, or of the last one.");
		exposition_sample(x, "step", s->name, (double)s->n);
	}
}

static void load_figures(const json_t *load, struct exposition *x)
{
	static const char *const outcomes[][2] = { { "acked", "acknowledged" },
						   { "failed", "failed" },
						   { "unknown", "unknown" } };
	static const char *const percentiles[][2] = { { "p50_us", "50" },
						      { "p95_us", "95" },
						      { "p99_us", "99" } };
	bool latency = false;

	if (!json_is_object(load))
		return;
	exposition_family(x, "load_transactions", EXPOSITION_COUNTER,
			  "Transactions of the load by their outcome.");
	for (size_t i = 0; i < 3; i++)
		if (read_number(load, outcomes[i][0]) >= 0)
			exposition_sample(x, "outcome", outcomes[i][1],
					  read_number(load, outcomes[i][0]));
	exposition_one(x, "load_backlog_transactions", "Overdue transactions.",
		       read_number(load, "backlog"));
	for (size_t i = 0; i < 3; i++) {
		double us = read_number(load, percentiles[i][0]);

		if (us <= 0)
			continue; /* nothing ended in that interval */
		if (!latency)
			exposition_family(
				x, "load_latency_seconds", EXPOSITION_GAUGE,
				"Latency from when a transaction was due, over the last interval.");
		latency = true;
		exposition_sample(x, "percentile", percentiles[i][1], us / 1e6);
	}
	exposition_one(x, "load_quiet_seconds", "How long no transaction has succeeded.",
		       read_number(load, "quiet_ms") < 0 ? -1
							 : read_number(load, "quiet_ms") / 1e3);
}

static void feed_family(const json_t *feeds, struct exposition *x, const char *name,
			enum exposition_type type, const char *help, const char *key, double scale)
{
	bool first = true;
	json_t *f;
	size_t i;

	json_array_foreach(feeds, i, f)
	{
		const char *id = json_string_value(json_object_get(f, "name"));
		double v = read_number(f, key);

		if (!id || v < 0)
			continue;
		if (first)
			exposition_family(x, name, type, help);
		first = false;
		exposition_sample(x, "changefeed", id, v * scale);
	}
}

static void process_figures(const json_t *sample, struct exposition *x)
{
	json_t *cpu = json_object_get(sample, "cpu_ms"), *rss = json_object_get(sample, "rss_kib"),
	       *v;
	const char *name;

	if (json_object_size(cpu))
		exposition_family(x, "process_cpu_seconds", EXPOSITION_COUNTER,
				  "Processor time of the run's processes.");
	json_object_foreach(cpu, name, v)
		exposition_sample(x, "process", name, json_number_value(v) / 1e3);
	if (json_object_size(rss))
		exposition_family(x, "process_resident_bytes", EXPOSITION_GAUGE,
				  "Resident memory of the run's processes.");
	json_object_foreach(rss, name, v)
		exposition_sample(x, "process", name, json_number_value(v) * 1024);
}

void live_run_figures(struct live_run *l, bool open_metrics, struct strbuf *out)
{
	struct exposition x;
	json_t *feeds;

	exposition_begin(&x, out, open_metrics);
	pthread_mutex_lock(&l->lock);
	take_in(l);
	run_model_now(&l->m);
	format_run_figures(&l->m, &x);
	step_figures(&l->m, &x);
	feeds = json_object_get(l->sample, "feeds");
	load_figures(json_object_get(l->sample, "load"), &x);
	feed_family(feeds, &x, "feed_lag_seconds", EXPOSITION_GAUGE,
		    "How far the secondary is behind: this machine's clock minus the checkpoint.",
		    "lag_ms", 1e-3);
	feed_family(feeds, &x, "redo_loss_seconds", EXPOSITION_GAUGE,
		    "What would be lost if the primary died now: this machine's clock minus the "
		    "log's resolvedTs.",
		    "resolved_lag_ms", 1e-3);
	feed_family(feeds, &x, "redo_written_bytes", EXPOSITION_COUNTER,
		    "Redo log that the changefeed has written.", "redo_bytes", 1);
	process_figures(l->sample, &x);
	pthread_mutex_unlock(&l->lock);
	exposition_end(&x);
}

/* ---- the page */

void live_run_page(struct live_run *l, struct strbuf *out)
{
	pthread_mutex_lock(&l->lock);
	take_in(l);
	run_model_now(&l->m);
	format_html_live(&l->m, out);
	pthread_mutex_unlock(&l->lock);
}

/* As one line: a JSON string. */
static void event_of(struct live_run *l)
{
	struct strbuf text = STRBUF_INIT;
	json_t *s;
	char *line;

	run_model_now(&l->m);
	format_html_main(&l->m, &text);
	s = json_stringn(text.buf, text.len);
	line = s ? json_dumps(s, JSON_ENCODE_ANY) : NULL;
	json_decref(s);
	strbuf_reset(&l->page);
	if (line)
		strbuf_addf(&l->page, "event: %s\nid: %llu\ndata: %s\n\n",
			    l->m.ended ? "end" : "report", (unsigned long long)l->taken, line);
	free(line);
	strbuf_release(&text);
	l->page_version = l->taken;
	l->page_ns = clock_mono_ns();
}

int live_run_next(struct live_run *l, uint64_t *seen, int wait_ms, struct strbuf *out)
{
	int64_t until = clock_mono_ns() + (int64_t)wait_ms * 1000000;

	for (;;) {
		int64_t due, now;
		struct timespec ts;
		uint64_t taken;
		int rc = 1;

		pthread_mutex_lock(&l->lock);
		take_in(l);
		due = l->page_ns +
		      (int64_t)(PAGE_EVERY_MS + l->page.len / PAGE_BYTES_A_MS) * 1000000;
		if (l->taken > l->page_version && (l->m.ended || clock_mono_ns() >= due))
			event_of(l);
		if (l->page_version > *seen) {
			strbuf_add(out, l->page.buf, l->page.len);
			*seen = l->page_version;
			rc = l->m.ended ? -1 : 0;
		}
		taken = l->taken;
		due = taken > l->page_version && due < until ? due : until;
		pthread_mutex_unlock(&l->lock);
		now = clock_mono_ns();
		if (rc <= 0 || now >= until)
			return rc > 0 ? 0 : rc;
		ts = (struct timespec){ due / 1000000000, due % 1000000000 };
		pthread_mutex_lock(&l->queue_lock);
		if (now < due && (l->version == taken || due < until))
			pthread_cond_timedwait(&l->more, &l->queue_lock, &ts);
		pthread_mutex_unlock(&l->queue_lock);
	}
}
