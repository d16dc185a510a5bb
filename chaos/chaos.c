#include "chaos/chaos.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/feed/status.h"

#define LOOK_NS 500000 /* at a state that is waited for */

struct armed {
	struct armed *next;
	struct chaos *c;
	struct fault f;
	struct chaos_when when;
	void *tag;
	atomic_int state;           /* f.state for other threads */
	atomic_bool injects, heals; /* claimed by one thread */
	int64_t due_ns;             /* 0: its trigger has not come */
	int64_t heal_ns;            /* 0: not by time */
};
struct chaos {
	struct chaos_hooks hooks;
	pthread_t thread;
	pthread_mutex_t lock; /* the list, due_ns, heal_ns, quit */
	pthread_cond_t wake;
	struct armed *first;
	bool quit;
};

static void publish(struct armed *a)
{
	atomic_store(&a->state, a->f.state);
}

/* The chaos's lock is not held: a link's settings wait for its thread, and that thread may be here
 * for another fault. */
static int inject(struct armed *a, struct err *e)
{
	struct chaos *c = a->c;
	int rc;

	if (atomic_exchange(&a->injects, true))
		return 0;
	if (c->hooks.before)
		c->hooks.before(c->hooks.arg, a->tag);
	rc = fault_inject(&a->f, e);
	if (c->hooks.after)
		c->hooks.after(c->hooks.arg, a->tag, &a->f);
	publish(a);
	if (a->when.lasts_ns && a->f.state == FAULT_ACTIVE) {
		__atomic_store_n(&a->heal_ns, a->f.at_ns + a->when.lasts_ns, __ATOMIC_RELEASE);
		pthread_mutex_lock(&c->lock);
		pthread_cond_signal(&c->wake);
		pthread_mutex_unlock(&c->lock);
	}
	return rc;
}

static int heal(struct armed *a, struct err *e)
{
	int rc;

	if (atomic_load(&a->state) != FAULT_ACTIVE && atomic_load(&a->state) != FAULT_STUCK)
		return 0;
	if (atomic_exchange(&a->heals, true))
		return 0;
	rc = fault_heal(&a->f, e);
	if (a->c->hooks.healed)
		a->c->hooks.healed(a->c->hooks.arg, a->tag, &a->f);
	publish(a);
	__atomic_store_n(&a->heal_ns, 0, __ATOMIC_RELEASE);
	if (rc < 0)
		atomic_store(&a->heals, false); /* it may be tried again */
	return rc;
}

/* A part of a flush is there, and the rest of it waits. */
static bool is_split(const struct armed *a)
{
	struct netproxy_stats st;

	netproxy_get_stats(a->when.link, &st);
	return st.alone && st.waiting;
}

static bool has_reached(struct armed *a)
{
	struct feed_status st;

	if (a->when.trigger == CHAOS_SPLIT)
		return is_split(a);
	if (a->when.trigger == CHAOS_REQUEST ||
	    feed_status_read(a->when.status_path, &st, NULL) < 0)
		return false;
	if (a->when.trigger == CHAOS_BUSY)
		return st.sink_busy;
	return clock_wall_ms() - tso_ms(st.checkpoint_ts) > a->when.lag_ms;
}

/* One thing that is due now, its due time forgotten; else NULL and when to look again. */
static struct armed *next_due(struct chaos *c, int64_t now, int64_t *look_ns)
{
	*look_ns = now + 3600000000000;
	for (struct armed *a = c->first; a; a = a->next) {
		int state = atomic_load(&a->state);
		int64_t at;

		if (state == FAULT_ARMED) {
			if (!a->due_ns && a->when.trigger != CHAOS_REQUEST) {
				if (has_reached(a))
					a->due_ns = now + a->when.later_ns;
				else if (now + LOOK_NS < *look_ns)
					*look_ns = now + LOOK_NS;
			}
			at = a->due_ns;
		} else {
			at = state == FAULT_ACTIVE ? __atomic_load_n(&a->heal_ns, __ATOMIC_ACQUIRE)
						   : 0;
		}
		if (at && at <= now)
			return a;
		if (at && at < *look_ns)
			*look_ns = at;
	}
	return NULL;
}

static void *chaos_main(void *arg)
{
	struct chaos *c = arg;

	prctl(PR_SET_NAME, "drtest-chaos");
	prctl(PR_SET_TIMERSLACK, 1000);
	pthread_mutex_lock(&c->lock);
	while (!c->quit) {
		int64_t look;
		struct armed *a = next_due(c, clock_mono_ns(), &look);

		if (a) {
			pthread_mutex_unlock(&c->lock);
			if (atomic_load(&a->state) == FAULT_ARMED)
				inject(a, NULL);
			else
				heal(a, NULL);
			pthread_mutex_lock(&c->lock);
			if (atomic_load(&a->state) == FAULT_STUCK)
				a->heal_ns = 0;
			continue;
		}
		struct timespec ts = { look / 1000000000, look % 1000000000 };

		pthread_cond_timedwait(&c->wake, &c->lock, &ts);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* From the proxy's thread, in the middle of the request. */
static void request_came(void *arg)
{
	struct armed *a = arg;

	if (!a->when.later_ns) {
		if (atomic_load(&a->state) == FAULT_ARMED)
			inject(a, NULL);
		return;
	}
	pthread_mutex_lock(&a->c->lock);
	a->due_ns = clock_mono_ns() + a->when.later_ns;
	pthread_cond_signal(&a->c->wake);
	pthread_mutex_unlock(&a->c->lock);
}

struct chaos *chaos_new(const struct chaos_hooks *h, struct err *e)
{
	struct chaos *c = xcalloc(1, sizeof(*c));
	pthread_condattr_t mono;
	sigset_t all, before;
	int rc;

	c->hooks = *h;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &mono);
	pthread_condattr_destroy(&mono);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&c->thread, NULL, chaos_main, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		err_set(e, ERR_IO, rc, "start the faults' thread: %s", strerror(rc));
		free(c);
		return NULL;
	}
	return c;
}

void chaos_free(struct chaos *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->quit = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	chaos_heal_all(c, NULL);
	while (c->first) {
		struct armed *a = c->first;

		c->first = a->next;
		fault_release(&a->f);
		free(a);
	}
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- overlaps */

static bool same_target(const struct fault *a, const struct fault *b)
{
	for (size_t i = 0; i < a->target.n_procs; i++)
		for (size_t k = 0; k < b->target.n_procs; k++)
			if (a->target.procs[i].pid == b->target.procs[k].pid)
				return true;
	for (size_t i = 0; i < a->target.n_links; i++)
		for (size_t k = 0; k < b->target.n_links; k++)
			if (a->target.links[i] == b->target.links[k])
				return true;
	return a->target.disk[0] && !strcmp(a->target.disk, b->target.disk);
}

/* From when to when, as far as it is known: 0 and INT64_MAX where it is not. */
static void fault_span(const struct armed *a, int64_t *from, int64_t *to)
{
	*from = a->f.at_ns ? a->f.at_ns : a->due_ns;
	*to = *from && a->when.lasts_ns  ? *from + a->when.lasts_ns
	      : !a->f.ops->heal && *from ? *from + 1
					 : INT64_MAX;
}

static int check_overlap(struct chaos *c, const struct armed *mine, struct err *e)
{
	int64_t from, to, from2, to2;

	fault_span(mine, &from, &to);
	for (struct armed *a = c->first; a; a = a->next) {
		int state = atomic_load(&a->state);

		if ((state != FAULT_ARMED && state != FAULT_ACTIVE && state != FAULT_STUCK) ||
		    strcmp(a->f.ops->group, mine->f.ops->group) != 0 ||
		    !same_target(&a->f, &mine->f))
			continue;
		fault_span(a, &from2, &to2);
		if (from < to2 && from2 < to)
			return err_set(
				e, ERR_USAGE, 0,
				"%s of %s overlaps %s of %s: heal that first, or limit it with "
				"lasts",
				mine->f.ops->name, mine->f.target.name, a->f.ops->name,
				a->f.target.name);
	}
	return 0;
}

struct armed *chaos_arm(struct chaos *c, const struct fault *f, const struct chaos_when *w,
			void *tag, struct err *e)
{
	struct armed *a = xcalloc(1, sizeof(*a));
	bool at_once = w->trigger == CHAOS_AT && !w->at_ns;

	a->c = c;
	a->f = *f;
	a->when = *w;
	a->tag = tag;
	a->f.state = FAULT_ARMED;
	a->due_ns =
		w->trigger == CHAOS_AT ? (w->at_ns ? w->at_ns : clock_mono_ns()) + w->later_ns : 0;
	publish(a);
	if (at_once && !w->later_ns)
		atomic_store(&a->state, FAULT_NEW); /* the thread leaves it to us */
	pthread_mutex_lock(&c->lock);
	if (fault_check(&a->f, e) < 0 || check_overlap(c, a, e) < 0) {
		pthread_mutex_unlock(&c->lock);
		fault_release(&a->f);
		free(a);
		return NULL;
	}
	a->next = c->first;
	c->first = a;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	if (w->trigger == CHAOS_REQUEST)
		netproxy_watch(w->link, w->match, w->nth, w->after_bytes, request_came, a);
	if (at_once && !w->later_ns && inject(a, e) < 0)
		return NULL;
	return a;
}

int chaos_heal(struct chaos *c, struct armed *a, struct err *e)
{
	if (a->when.trigger == CHAOS_REQUEST && atomic_load(&a->state) == FAULT_ARMED)
		netproxy_watch(a->when.link, NULL, 0, 0, NULL, NULL);
	pthread_mutex_lock(&c->lock);
	if (atomic_load(&a->state) == FAULT_ARMED && !atomic_exchange(&a->injects, true)) {
		a->f.state = FAULT_OVER;
		publish(a);
	}
	pthread_mutex_unlock(&c->lock);
	/* the thread is just about to: its end is waited for */
	while (atomic_load(&a->state) == FAULT_ARMED)
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	return heal(a, e);
}

int chaos_heal_all(struct chaos *c, struct err *e)
{
	int rc = 0;

	for (struct armed *a = c->first; a; a = a->next)
		if (chaos_heal(c, a, rc < 0 ? NULL : e) < 0)
			rc = -1;
	return rc;
}

size_t chaos_active(struct chaos *c, struct strbuf *names)
{
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	for (struct armed *a = c->first; a; a = a->next) {
		int state = atomic_load(&a->state);

		if (state != FAULT_ACTIVE && state != FAULT_STUCK)
			continue;
		if (names) {
			strbuf_addstr(names, n ? ", " : "");
			fault_describe(&a->f, names);
		}
		n++;
	}
	pthread_mutex_unlock(&c->lock);
	return n;
}

enum fault_state armed_state(const struct armed *a)
{
	return (enum fault_state)atomic_load(&a->state);
}

const struct fault *armed_fault(const struct armed *a)
{
	return &a->f;
}
