/* drtest redo watch: what a disaster now would lose, as lines, or as figures that Prometheus asks
 * for; then also when each scenario was rehearsed last. */
#include "cli/redo/redo_impl.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/strbuf.h"
#include "harness/replay/log_check.h"
#include "reports/live/exposition.h"
#include "reports/run_history.h"

#define WATCH_MS 1000
#define FOREVER_MS ((int64_t)1 << 40)
#define REHEARSALS_MS ((int64_t)30 * 1000)
#define REHEARSALS_MAX 500 /* the newest runs */

/* What one look alone does not show: for how long the point has stood. */
struct watch {
	int64_t promised_ms, moved_ns;
	tso_t point;
};

static bool lag_beyond_flush(const struct watch *s, const struct redo_outlook *w)
{
	return w->loss_ms > s->promised_ms;
}

static void watch_json(const struct watch *s, const struct redo_outlook *w)
{
	json_t *j = json_pack("{s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:s*}", "checkpoint_ts",
			      redo_ts_json(w->meta.checkpoint_ts), "point",
			      redo_ts_json(w->meta.resolved_ts), "loss_ms", (json_int_t)w->loss_ms,
			      "files", (json_int_t)w->files, "bytes", (json_int_t)w->bytes,
			      "replay_ms", (json_int_t)w->replay_ms, "holes", (json_int_t)w->holes,
			      "hole", w->holes ? w->hole : NULL);

	json_object_set_new(j, "promised_ms", json_integer((json_int_t)s->promised_ms));
	json_object_set_new(j, "beyond_promise", json_boolean(lag_beyond_flush(s, w)));
	json_dumpf(j, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(j);
}

static void figures_of(const struct watch *s, const struct redo_outlook *w, struct exposition *x)
{
	exposition_one(x, "redo_loss_seconds",
		       "What would be lost if the primary died now: this machine's clock minus the "
		       "log's resolvedTs.",
		       (double)w->loss_ms / 1e3);
	exposition_one(x, "redo_promised_seconds",
		       "The part that the changefeed's flush interval explains.",
		       (double)s->promised_ms / 1e3);
	/* as TiDB writes a TSO; a figure holds 53 bits of its 64 */
	exposition_one(x, "redo_point_tso", "The TSO that a replay would reach.",
		       (double)w->meta.resolved_ts);
	exposition_one(x, "redo_checkpoint_tso",
		       "The TSO up to which the secondary has "
		       "everything.",
		       (double)w->meta.checkpoint_ts);
	exposition_one(x, "redo_pending_files", "Log files that a replay would read.",
		       (double)w->files);
	exposition_one(x, "redo_pending_bytes", "Bytes that a replay would read, as stored.",
		       (double)w->bytes);
	exposition_one(x, "redo_holes", "DDLs after which rows may be missing from the log.",
		       (double)w->holes);
	exposition_one(x, "redo_replay_seconds", "How long that would take at 100 MB/s.",
		       (double)w->replay_ms / 1e3);
}

static void watch_prometheus(const struct watch *s, const struct redo_outlook *w)
{
	struct strbuf text = STRBUF_INIT;
	struct exposition x;

	exposition_begin(&x, &text, false);
	figures_of(s, w, &x);
	exposition_end(&x);
	fputs(text.buf, stdout);
	strbuf_release(&text);
}

static void watch_text(const struct watch *s, const struct redo_outlook *w)
{
	double still = (double)(clock_mono_ns() - s->moved_ns) / 1e9;
	char when[TSO_TEXT_MAX];

	tso_time_text(w->meta.resolved_ts, when);
	printf("if the primary died now: a replay reaches %" PRIu64 " (%s), loses %.1f s, and "
	       "takes about %.1f s (%" PRIu64 " files, %.1f MB)\n",
	       w->meta.resolved_ts, when, (double)w->loss_ms / 1e3, (double)w->replay_ms / 1e3,
	       w->files, (double)w->bytes / 1e6);
	if (!lag_beyond_flush(s, w))
		return;
	printf("WARNING: the flush interval explains only %.1f s of that: ",
	       (double)s->promised_ms / 1e3);
	if (w->unmoved)
		puts("the log has no row yet, and its resolvedTs is where the changefeed "
		     "started; a new changefeed can stay there for 15 s and longer, an older one "
		     "has lost its store or its primary (TiCDC reports normal in both cases)");
	else if (still * 1e3 > (double)s->promised_ms)
		printf("its resolvedTs has not moved for %.0f s: the changefeed or its store is "
		       "stuck (TiCDC may still report normal)\n",
		       still);
	else
		puts("the changefeed is new, is catching up, or is stuck (check again whether "
		     "resolvedTs moves)");
}

/* ---- for Prometheus: what the last look saw */

struct seen {
	pthread_mutex_t lock;
	struct watch watch;
	struct redo_outlook outlook;
	bool looked, up; /* up: the last look told something */
	const char *runs_dir;
	struct run_row *runs;
	size_t runs_n;
	int64_t runs_ns; /* when they were read; 0: never */
};

static void note_look(struct seen *s, const struct watch *watch, const struct redo_outlook *w)
{
	pthread_mutex_lock(&s->lock);
	s->looked = true;
	s->up = w != NULL;
	s->watch = *watch;
	if (w)
		s->outlook = *w;
	pthread_mutex_unlock(&s->lock);
}

/* A history that can't be read tells nothing: a rehearsal is missed then, which is what to alert
 * on.
 */
static void read_rehearsals(struct seen *s)
{
	const struct run_filter newest = { .last = REHEARSALS_MAX };
	int64_t now = clock_mono_ns();

	if (s->runs_ns && now - s->runs_ns < REHEARSALS_MS * 1000000)
		return;
	s->runs_ns = now;
	run_history_free(s->runs, s->runs_n);
	s->runs = NULL;
	s->runs_n = 0;
	run_history_list(s->runs_dir, &newest, &s->runs, &s->runs_n, NULL);
}

static bool rehearsed_later(const struct seen *s, size_t i)
{
	for (size_t k = i + 1; k < s->runs_n; k++)
		if (!strcmp(s->runs[k].scenario, s->runs[i].scenario) &&
		    !strcmp(s->runs[k].ground, s->runs[i].ground) &&
		    !strcmp(s->runs[k].verdict, s->runs[i].verdict))
			return true;
	return false;
}

static void add_rehearsals(struct seen *s, struct exposition *x)
{
	read_rehearsals(s);
	if (s->runs_n)
		exposition_family(
			x, "rehearsal_timestamp_seconds", EXPOSITION_GAUGE,
			"When a scenario last ended with this verdict: the start of that run.");
	for (size_t i = 0; i < s->runs_n; i++) { /* oldest first */
		const struct run_row *r = &s->runs[i];
		const char *const labels[] = { "scenario", r->scenario, "ground", r->ground,
					       "verdict",  r->verdict,  NULL };

		if (!rehearsed_later(s, i))
			exposition_labelled(x, labels, (double)r->started_ms / 1e3);
	}
}

static void add_figures(void *arg, bool open_metrics, struct strbuf *out)
{
	struct seen *s = arg;
	struct exposition x;

	exposition_begin(&x, out, open_metrics);
	pthread_mutex_lock(&s->lock);
	exposition_family(&x, "redo_up", EXPOSITION_GAUGE,
			  "1 if the last attempt to read the redo log succeeded, otherwise 0.");
	if (s->looked)
		exposition_sample(&x, NULL, NULL, s->up);
	if (s->up)
		figures_of(&s->watch, &s->outlook, &x);
	add_rehearsals(s, &x);
	pthread_mutex_unlock(&s->lock);
	exposition_end(&x);
}

static void print_outlook(const struct redo_options *o, const struct watch *seen,
			  const struct redo_outlook *w)
{
	(o->json ? watch_json : o->prometheus ? watch_prometheus : watch_text)(seen, w);
	if (o->json || o->prometheus)
		return;
	if (w->holes)
		printf("WARNING: %s%s\n", w->hole, w->holes > 1 ? " (and after later DDLs)" : "");
	if (o->warn_rpo_ms && w->loss_ms > o->warn_rpo_ms)
		printf("WARNING: that is more than %.1f s\n", (double)o->warn_rpo_ms / 1e3);
}

/* One error does not end a watch: the store may be back in a second. It is said once, not every
 * second. */
static int look_on(struct store *s, const struct redo_options *o, struct seen *for_others)
{
	struct deadline never = deadline_in_ms(FOREVER_MS);
	struct watch seen = { .promised_ms =
				      (o->flush_ms ? o->flush_ms : REDO_FLUSH_MS) + REDO_BESIDE_MS,
			      .moved_ns = clock_mono_ns() };
	struct err said = ERR_INIT;
	int rc = 0;

	for (;;) {
		struct redo_outlook w;
		struct err e = ERR_INIT;

		if (redo_outlook(s, &w, &e) < 0) {
			note_look(for_others, &seen, NULL);
			if (said.kind != e.kind || said.code != e.code || strcmp(said.text, e.text))
				rc = redo_failed(&e);
			said = e;
		} else {
			said = (struct err)ERR_INIT;
			if (w.meta.resolved_ts != seen.point)
				seen.moved_ns = clock_mono_ns();
			seen.point = w.meta.resolved_ts;
			note_look(for_others, &seen, &w);
			print_outlook(o, &seen, &w);
			rc = o->warn_rpo_ms && w.loss_ms > o->warn_rpo_ms ? 1 : 0;
		}
		fflush(stdout);
		if (o->once || ferror(stdout))
			return rc;
		if (pause_ms(WATCH_MS, never) < 0)
			return 130;
	}
}

int redo_watch(struct store *s, const struct redo_options *o)
{
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER,
			     .runs_dir = o->runs ? o->runs : "runs" };
	struct serve serve = { .figures = add_figures, .figures_arg = &seen };
	struct err e = ERR_INIT;
	int rc;

	if (o->runs && run_history_folder(o->runs, &e) < 0) /* the first run may make it */
		fprintf(stderr, "note: drtest redo: --out: no rehearsal is reported so far: %s\n",
			e.text);
	e = (struct err)ERR_INIT;
	if (serve_listen(&serve, &o->serve, &e) < 0 || serve_start(&serve, &e) < 0)
		rc = redo_failed(&e);
	else
		rc = look_on(s, o, &seen);
	serve_stop(&serve);
	run_history_free(seen.runs, seen.runs_n);
	return rc;
}
