#include "cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/load/load_impl.h"
#include "cli/load/load_note.h"
#include "harness/base/xalloc.h"
#include "workloads/shards/follow.h"
#include "workloads/shards/words.h"

#define PREPARE_MS (24 * 3600 * 1000ll)
#define STOP_MS 10000
#define INSIST_NS INT64_C(10000000000)
#define QUIET_LOOK_NS 200000000
/* how often it is looked whether the search gives another rate, and whether the load has ended */
#define FOLLOW_MS 2
#define LOOK_MS 20

/* An endless loop in Lua, in prepare() or while the load is read, does not notice the cancellation:
 * a second signal some time after the first one ends the process. */
static void on_signal(int signo)
{
	static volatile int64_t first_ns;
	int64_t now = clock_mono_ns();

	if (!first_ns)
		first_ns = now;
	else if (now - first_ns > INSIST_NS)
		_exit(130);
	clock_cancel(signo);
}

/* The totals of a moment, and the seconds since the start. */
static void take(struct load_total *t, struct load *l, int64_t start)
{
	load_total_take(t, l);
	t->seconds = (double)(clock_mono_ns() - start) / 1e9;
}

static void print_interval(const struct load_run *r, struct load *l, int64_t start,
			   struct load_total *now, struct load_total *before,
			   struct load_total *span)
{
	take(now, l, start);
	*span = *now;
	load_total_subtract(span, before);
	span->workers = r->o.workers;
	load_print_interval(r, span, now->seconds,
			    now->st.started - now->st.acked - now->st.failed - now->st.unknown);
	*before = *now;
}

/* Reports on stderr when no transaction has succeeded for a while (the server is stalled, or the
 * load waits for its own locks), and when they succeed again. */
static void tell_quiet(const struct load_run *r, struct load *l, bool *quiet)
{
	struct load_quiet q;

	load_get_quiet(l, &q);
	if (q.now_ms && !*quiet)
		fprintf(stderr,
			"drtest load: no transaction has succeeded for %.0f s: %" PRIu64 " of %u "
			"workers are waiting for the server%s%s (see SHOW FULL PROCESSLIST)\n",
			(double)q.now_ms / 1e3, q.under_way, r->o.workers,
			*q.last_failure ? "; last error: " : "", q.last_failure);
	else if (!q.now_ms && *quiet)
		fprintf(stderr, "drtest load: transactions succeed again\n");
	*quiet = q.now_ms > 0;
}

/* Leaves the shard's result at the rendezvous. failed: *why says why. -1: it could not be written;
 * *why says so unless it has a reason already. */
static int leave(const struct load_run *r, struct load_words *words, const struct load_total *t,
		 bool failed, bool interrupted, struct err *why)
{
	bool cut = interrupted && (r->time_s > 0 || r->follow);
	struct err e = ERR_INIT;
	int rc = load_shard_leave(r->rendezvous, &r->o, t,
				  failed ? why->text
				  : cut  ? "interrupted"
					 : NULL,
				  &e);

	load_words_stop(words, rc == 0);
	if (rc < 0 && !failed)
		*why = e;
	return rc;
}

/* The totals of a run. */
struct measured {
	struct load_total now, before; /* before: `now` of the previous interval */
	struct load_total span;        /* the last interval: the difference of the two */
	struct load_total warm;        /* at the end of the warm-up: to be subtracted */
	bool all_lost;                 /* no worker has a connection any more */
};

/* The times of a run, CLOCK_MONOTONIC; INT64_MAX: never. */
struct timetable {
	int64_t start_ns, warm_ns, end_ns;
	int64_t next_ns, step_ns; /* the next line of figures; the interval */
};

static struct timetable plan_times(const struct load_run *r)
{
	int64_t step = (int64_t)(r->interval_s * 1e9);
	struct timetable t = {
		.step_ns = step, .warm_ns = INT64_MAX, .end_ns = INT64_MAX, .next_ns = INT64_MAX
	};

	t.start_ns = r->o.start_at_ns ? r->o.start_at_ns : clock_mono_ns();
	if (r->warmup_s > 0)
		t.warm_ns = t.start_ns + (int64_t)(r->warmup_s * 1e9);
	if (r->time_s > 0)
		t.end_ns = t.start_ns + (int64_t)((r->time_s + r->warmup_s) * 1e9);
	if (step)
		t.next_ns = t.start_ns + step;
	return t;
}

/* To the next moment of the timetable, but not longer than LOOK_MS: a load's threads should have
 * the processors, and each look takes some of their time. */
static int64_t until_next_ms(const struct timetable *t, int64_t now_ns)
{
	int64_t next = t->warm_ns < t->next_ns ? t->warm_ns : t->next_ns;
	int64_t left;

	if (t->end_ns < next)
		next = t->end_ns;
	left = (next - now_ns) / 1000000 + 1;
	return left < LOOK_MS ? left : LOOK_MS;
}

/* Returns when the time is over, all workers have ended, a signal arrives, or the search ends the
 * run, and sets t->end_ns to that moment. -1 with *why: the search can't be followed any more. */
static int watch_load(const struct load_run *r, struct load *l, struct timetable *t,
		      struct measured *m, struct load_words *words, struct err *why)
{
	struct follower *search =
		r->follow ? follower_new(r->rendezvous, &r->o, l, t->start_ns, why) : NULL;
	int led = r->follow && !search ? -1 : 0;
	bool quiet = false;
	int64_t quiet_ns = 0;

	while (!led && clock_mono_ns() < t->end_ns && load_running(l) && !clock_cancelled()) {
		int64_t at = clock_mono_ns();

		if (at >= t->warm_ns) {
			take(&m->warm, l, t->start_ns);
			/* what is under way will count */
			m->warm.st.started =
				m->warm.st.acked + m->warm.st.failed + m->warm.st.unknown;
			load_words_warm(words, &m->warm);
			t->warm_ns = INT64_MAX;
		}
		if (at >= t->next_ns) {
			print_interval(r, l, t->start_ns, &m->now, &m->before, &m->span);
			t->next_ns += t->step_ns;
		}
		if (at >= quiet_ns) {
			tell_quiet(r, l, &quiet);
			quiet_ns = at + QUIET_LOOK_NS;
		}
		if (search)
			led = follower_look(search, why);
		pause_ms(search ? FOLLOW_MS : until_next_ms(t, at), deadline_in_ms(1000));
	}
	m->all_lost = !load_running(l) && !r->o.events;
	t->end_ns = clock_mono_ns();
	follower_free(search);
	return led < 0 ? -1 : 0;
}

/* Ends the load and takes its totals, those of a failure too. watched: what watch_load() returned,
 * with its reason in *why. */
static int end_load(const struct load_run *r, struct load *l, const struct timetable *t,
		    int watched, struct measured *m, struct err *why)
{
	int rc;

	/* if the search fell silent, report that rather than an error of the end */
	rc = load_stop(l, deadline_in_ms(STOP_MS), watched < 0 ? NULL : why);
	if (watched < 0)
		rc = -1;
	load_get_quiet(l, &m->now.quiet);
	take(&m->now, l, t->start_ns);
	m->now.seconds = (double)(t->end_ns - t->start_ns) / 1e9;
	load_total_subtract(&m->now, &m->warm);
	m->now.workers = r->o.workers;
	m->now.shards = r->shards ? 1 : 0;
	if (rc == 0 && load_error(l, why) < 0)
		rc = -1;
	if (rc == 0 && m->all_lost)
		rc = err_set(why, ERR_GONE, 0, "all %u workers lost their connections to %s:%u",
			     r->o.workers, r->ep.host, r->ep.port);
	return rc;
}

/* error: why the run failed (the figures up to then are printed), or NULL. */
static void print_total(const struct load_run *r, struct load_total *total, const char *error)
{
	if (r->json) {
		json_t *j = load_total_json(r->name, r->o.seed, total, r->histogram);

		if (error)
			json_object_set_new(j, "error", json_string(error));
		json_dumpf(j, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(j);
	} else {
		load_print_final(r, total);
	}
	fflush(stdout);
}

static int run_load(struct load_run *r, struct load *l, struct err *e)
{
	struct measured *m = xcalloc(1, sizeof(*m));
	struct load_words *words = NULL;
	struct err why = ERR_INIT;
	struct timetable times;
	bool interrupted;
	int rc = -1;

	if (load_start(l, &r->ep, r->o.cluster, e) < 0)
		goto out;
	r->ran = true;
	times = plan_times(r);
	if (r->shards)
		words = load_words_start(r->rendezvous, &r->o, l, times.start_ns);
	rc = watch_load(r, l, &times, m, words, &why);
	interrupted = clock_cancelled();
	clock_cancel_reset(); /* transactions under way may still end */
	rc = end_load(r, l, &times, rc, m, &why);
	if (rc == 0 || r->json || m->now.st.acked)
		print_total(r, &m->now, rc < 0 ? why.text : NULL);
	if (r->shards && leave(r, words, &m->now, rc < 0, interrupted, &why) < 0)
		rc = -1;
	if (rc < 0)
		*e = why;
	else if (interrupted && (r->time_s > 0 || r->follow))
		rc = err_set(e, ERR_CANCELLED, 0, "interrupted");
out:
	free(m);
	return rc;
}

/* Tells the search at once why this shard did not start. */
static void leave_failure(const struct load_run *r, const struct err *why)
{
	struct load_total *none = xcalloc(1, sizeof(*none));
	struct err e = ERR_INIT;

	none->workers = r->o.workers;
	none->shards = 1;
	if (!r->ran && load_shard_leave(r->rendezvous, &r->o, none, why->text, &e) < 0)
		fprintf(stderr, "drtest load: %s\n", e.text);
	free(none);
}

static void print_condition(void *arg, const char *condition, const char *rows)
{
	unsigned *broken = arg;

	*broken += *rows != '\0';
	printf("%s  %s%s%s\n", *rows ? "FAIL" : "ok  ", condition, *rows ? ": found " : "", rows);
}

/* Checks the load first, so that no ledger is written for a run that could not be judged. */
static int begin_ledger(const struct load_run *r, int *held, struct err *e)
{
	struct load_opts bare = r->o;
	struct load *l;
	int rc;

	bare.ledger_dir = NULL;
	l = load_new(&bare, e);
	rc = l ? load_fits_tables(l, &r->ep, e) : -1;
	load_free(l);
	if (rc == 0 && !r->shards)
		rc = load_note_write(r->o.ledger_dir, &r->o, e);
	if (rc == 0 && !r->shards)
		rc = load_note_hold(r->o.ledger_dir, r->o.workers, held, e);
	return rc;
}

int cmd_load(int argc, char **argv)
{
	struct load_run r = {
		.o = { .workers = 1,
		       .tables = 1,
		       .table_size = 10000,
		       .pace = LOAD_POISSON,
		       .backlog_max = 131072,
		       .seed = LOAD_SEED },
		.ep = { .host = "127.0.0.1", .port = 3306, .user = "root" },
		.percentile = 95,
		.time_s = 10,
	};
	struct err e = ERR_INIT;
	struct load *l = NULL;
	unsigned broken = 0;
	bool told = false; /* the seed that was drawn */
	int rc, held = -1;

	if (argc > 1 && !strcmp(argv[1], "report"))
		return cmd_load_report(argc - 1, argv + 1);
	rc = load_options(&r, argc, argv);
	if (rc)
		goto out;
	clock_on_end_signals(on_signal);
	if (!r.o.seed) {
		r.o.seed = (uint64_t)clock_wall_us();
		told = !r.shards && (!strcmp(r.verb, "prepare") || !strcmp(r.verb, "run"));
	}
	r.o.journal_start_ns = clock_mono_ns();
	if (r.shards && !strcmp(r.verb, "run")) {
		r.o.shard = r.shard;
		r.o.shards = r.shards;
		rc = load_shard_meet(r.rendezvous, &r.o, r.follow ? &r.search : NULL, &e);
		if (rc == 0 && r.follow)
			rc = load_options_follow(&r, &e);
	}
	if (rc == 0 && r.o.ledger_dir && !strcmp(r.verb, "run"))
		rc = begin_ledger(&r, &held, &e);
	if (rc == 0)
		l = load_new(&r.o, &e);
	if (l && rc == 0 && told)
		fprintf(r.json ? stderr : stdout, "rand-seed: %" PRIu64 "\n", r.o.seed);
	if (!l || rc < 0)
		rc = -1;
	else if (!strcmp(r.verb, "prepare"))
		rc = load_prepare(l, &r.ep, r.o.workers, deadline_in_ms(PREPARE_MS), &e);
	else if (!strcmp(r.verb, "check"))
		rc = load_check(l, &r.ep, print_condition, &broken, &e);
	else if (!strcmp(r.verb, "cleanup"))
		rc = load_cleanup(l, &r.ep, &e);
	else
		rc = run_load(&r, l, &e);
	if (rc < 0 && r.search)
		leave_failure(&r, &e);
	if (rc < 0) {
		fprintf(stderr, "drtest load: %s\n", e.text);
		rc = err_exit_code(&e);
	} else if (!strcmp(r.verb, "prepare")) {
		printf("load %s is prepared in %s\n", r.name, r.o.db ? r.o.db : "sbtest");
	} else if (broken) {
		rc = 1;
	}
out:
	load_free(l);
	load_note_let_go(r.o.ledger_dir, held, e.kind != ERR_IO);
	load_options_release(&r);
	return rc == 1 && !broken ? 0 : rc; /* help was asked for */
}
