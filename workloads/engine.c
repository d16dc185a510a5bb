/* The engine's threads: each serves its workers' sockets with one epoll loop and one Lua state. */
#include <errno.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "workloads/load_impl.h"

/* timeouts, ends and the start signal are looked at this often */
#define TICK_NS 10000000ll
#define START_TICK_NS 1000000ll /* before the start signal */
#define FLUSH_TICKS 5           /* histories, and ledgers, are written every 50 ms */
#define SECOND_TICKS 100
/* looks at whether anybody gets through are at least so far apart */
#define LOOK_NS 900000000ll
#define EVENTS_MAX 64
#define JOIN_STEP_NS 1000000
#define STUCK_CPU_NS INT64_C(2000000000)
#define CONNECT_MS 10000 /* and 10 ms for each worker */
#define OTHER_FDS 128    /* what the program needs beside its workers' sockets */

void engine_error(struct load *l, const struct err *e)
{
	pthread_mutex_lock(&l->lock);
	if (l->error.kind == ERR_NONE)
		l->error = *e;
	pthread_mutex_unlock(&l->lock);
}

static struct worker *idle_pop(struct engine_thread *t)
{
	struct worker *w = t->idle_first;

	t->idle_first = w->next_idle;
	if (!t->idle_first)
		t->idle_last = NULL;
	return w;
}

/* Gives due transactions to free workers. Returns when to look again. */
static int64_t serve_due(struct engine_thread *t, int64_t now)
{
	struct load *l = t->load;
	struct worker *last = t->idle_last;
	bool more = t->idle_first != NULL;

	while (more) {
		int64_t due;

		if (atomic_load(&l->stopping)) {
			more = t->idle_first != last;
			worker_end(idle_pop(t));
			continue;
		}
		if (!atomic_load(&l->go))
			return now + START_TICK_NS;
		int took = load_take(l, now, &due);

		if (took < 0) {
			more = t->idle_first != last;
			worker_end(idle_pop(t));
			continue;
		}
		if (!took)
			return due;
		/* whoever becomes idle meanwhile has its turn after the sockets */
		more = t->idle_first != last;
		struct worker *w = idle_pop(t);

		worker_begin(w, due, now);
		worker_ready(w, 0);
	}
	return now + TICK_NS;
}

static int wait_events(int fd, struct epoll_event *ev, int64_t ns)
{
	static atomic_bool no_pwait2;
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };
	int n;

	if (!atomic_load(&no_pwait2)) {
		n = epoll_pwait2(fd, ev, EVENTS_MAX, &ts, NULL);
		if (n >= 0 || errno != ENOSYS)
			return n;
		/* a kernel before 5.11: whole milliseconds have to do */
		atomic_store(&no_pwait2, true);
	}
	return epoll_wait(fd, ev, EVENTS_MAX, (int)(ns / 1000000));
}

static int wait_bits(uint32_t events, int wanted)
{
	int bits = (events & EPOLLIN ? MYSQL_WAIT_READ : 0) |
		   (events & EPOLLOUT ? MYSQL_WAIT_WRITE : 0) |
		   (events & EPOLLPRI ? MYSQL_WAIT_EXCEPT : 0);

	if (events & (EPOLLERR | EPOLLHUP)) /* the call that waits finds out why */
		bits |= MYSQL_WAIT_READ | MYSQL_WAIT_WRITE;
	return bits & wanted; /* none: what is ready is not waited for, or no longer */
}

static void tick(struct engine_thread *t, int64_t now, bool flush)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < t->n_workers; i++) {
		struct worker *w = t->worker[i];

		worker_tick(w, now);
		if (flush && w->history && history_flush(w->history, &e) < 0)
			engine_error(t->load, &e);
	}
}

static void check_backlog(struct load *l)
{
	struct err e = ERR_INIT;
	double n;

	pthread_mutex_lock(&l->lock);
	n = atomic_load(&l->go) ? pace_due(&l->pace, clock_mono_ns()) : 0;
	pthread_mutex_unlock(&l->lock);
	if (n <= (double)l->o.backlog_max)
		return;
	err_set(&e, ERR_TIMEOUT, 0,
		"%.0f transactions are overdue: the server does not keep up with the rate of %g/s",
		n, load_rate(l));
	engine_error(l, &e);
	atomic_store(&l->stopping, true);
}

/* Is anybody getting through? Whoever comes first a second after the last look looks. */
static void engine_look(struct load *l, int64_t now)
{
	struct load_stats st = { 0 };

	if (!atomic_load(&l->go) || atomic_load(&l->stopping))
		return;
	load_get_stats(l, &st);
	pthread_mutex_lock(&l->lock);
	if (now - l->looked_ns >= LOOK_NS) {
		int64_t gap_ms = (now - l->looked_ns) / 1000000;
		bool due = l->pace.closed || st.backlog ||
			   st.started > st.acked + st.failed + st.unknown || atomic_load(&l->held);
		bool through = st.acked != l->looked_acked || !due;
		struct load_quiet *q = &l->quiet;

		/* drtest itself stood still for so long: nothing is known of the server */
		if (through || gap_ms > LOAD_QUIET_MS) {
			l->quiet_since_ns = now;
			q->now_ms = 0;
		} else {
			int64_t before = q->now_ms;

			q->now_ms = (now - l->quiet_since_ns) / 1000000;
			if (q->now_ms >= LOAD_QUIET_MS) {
				q->times += before < LOAD_QUIET_MS;
				q->total_ms +=
					before < LOAD_QUIET_MS ? q->now_ms : q->now_ms - before;
				if (q->now_ms > q->longest_ms)
					q->longest_ms = q->now_ms;
			}
		}
		l->looked_ns = now;
		l->looked_acked = st.acked;
	}
	pthread_mutex_unlock(&l->lock);
}

static void *thread_main(void *arg)
{
	struct engine_thread *t = arg;
	struct epoll_event ev[EVENTS_MAX];
	int64_t next_tick = 0;
	unsigned ticks = 0;

	for (size_t i = 0; i < t->n_workers; i++) {
		worker_connect(t->worker[i]);
		worker_ready(t->worker[i], 0);
	}
	while (t->n_ended < t->n_workers) {
		int64_t now = clock_mono_ns(), wake = serve_due(t, now);
		int n;

		if (t->n_ended == t->n_workers)
			break;
		if (wake > now + TICK_NS)
			wake = now + TICK_NS;
		now = clock_mono_ns();
		n = wait_events(t->epoll_fd, ev, wake > now ? wake - now : 0);
		for (int i = 0; i < n; i++) {
			struct worker *w = ev[i].data.ptr;
			bool hung_up = ev[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

			w->conn.hung_up |= hung_up;
			worker_ready(w, wait_bits(ev[i].events, w->conn.wait));
			if (hung_up)
				worker_hung_up(w);
		}
		now = clock_mono_ns();
		if (now >= next_tick) {
			tick(t, now, ++ticks % FLUSH_TICKS == 0);
			if (ticks % SECOND_TICKS == 0) {
				check_backlog(t->load);
				engine_look(t->load, now);
			}
			next_tick = now + TICK_NS;
		}
	}
	tick(t, clock_mono_ns(), true);
	atomic_store(&t->ended, true);
	return NULL;
}

/* A disk that is slow for a moment holds up no transaction: only one that is slow for so long that
 * a ledger's records get old does (ledger.h). */
static void *write_ledgers(void *arg)
{
	struct load *l = arg;
	bool ended;

	do {
		struct err e = ERR_INIT;
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += FLUSH_TICKS * TICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_mutex_lock(&l->lock);
		if (!l->ledgers_ended)
			pthread_cond_timedwait(&l->ledger_wake, &l->lock, &until);
		ended = l->ledgers_ended;
		pthread_mutex_unlock(&l->lock);
		for (unsigned i = 0; i < l->o.workers; i++)
			if (ledger_writer_flush(l->worker[i].ledger, &e) < 0)
				engine_error(l, &e);
	} while (!ended);
	return NULL;
}

/* The worker's side of its thread's Lua state. */
static void attach(struct engine_thread *t, struct worker *w)
{
	struct load *l = t->load;
	lua_State *L = t->script.L;

	w->thread = t;
	w->phase = PHASE_CONNECT;
	w->was_ready = w->again = false;
	w->backoff_ms = 0;
	w->co = NULL;
	w->co_ref = LUA_NOREF;
	w->draw.seed = l->o.seed;
	w->draw.dist = l->dist;
	w->draw.tables = l->o.load_tables;
	w->draw.table_size = l->o.table_size;
	w->con.way = CON_SUSPENDS;
	w->draw.ledger = l->o.ledger_rows;
	w->con.draw = &w->draw;
	w->con.notes = l->ledger_dir ? &w->notes : NULL;
	w->con.script = &t->script;
	script_push_con(&t->script, &w->con);
	w->con_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	script_push_draw(&t->script, &w->draw);
	w->draw_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	w->conn.watched_fd = w->conn.fd = -1;
	w->conn.n_stmts = (size_t)t->script.n_statements * (l->o.tables + 1) + 1;
	if (!w->conn.stmt)
		w->conn.stmt = xcalloc(w->conn.n_stmts, sizeof(*w->conn.stmt));
}

static int thread_open(struct engine_thread *t, struct err *e)
{
	struct load *l = t->load;

	if (script_open(&t->script, l->name, (const char *const *)l->set, e) < 0)
		return -1;
	script_compile(&t->script);
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll_fd < 0)
		return err_sys(e, "epoll_create1");
	t->idle_first = t->idle_last = NULL;
	t->n_ended = 0;
	for (size_t i = 0; i < t->n_workers; i++)
		attach(t, t->worker[i]);
	return 0;
}

/* Signals stay with the threads that expect them. */
static int start_thread(pthread_t *id, void *(*run)(void *), void *arg, struct err *e)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(id, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = rc;
	return rc ? err_sys(e, "start a load thread") : 0;
}

static int threads_run(struct load *l, struct err *e)
{
	l->ledgers_ended = false;
	if (l->ledger_dir) {
		if (start_thread(&l->ledger_thread, write_ledgers, l, e) < 0)
			return -1;
		l->ledger_running = true;
	}
	for (unsigned i = 0; i < l->n_threads; i++) {
		struct engine_thread *t = &l->thread[i];

		atomic_store(&t->ended, false);
		if (start_thread(&t->id, thread_main, t, e) < 0)
			return -1;
		t->running = true;
	}
	return 0;
}

static void join_ledger_thread(struct load *l)
{
	if (!l->ledger_running)
		return;
	pthread_mutex_lock(&l->lock);
	l->ledgers_ended = true;
	pthread_cond_signal(&l->ledger_wake);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->ledger_thread, NULL);
	l->ledger_running = false;
}

static int64_t thread_cpu_ns(const struct engine_thread *t)
{
	struct timespec ts = { 0 };
	clockid_t clock;

	if (pthread_getcpuclockid(t->id, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Whoever was told to stop needs next to no processor time for it: so much of it is a loop without
 * an end, on a slow machine too. */
static bool join_thread(struct engine_thread *t)
{
	int64_t from = thread_cpu_ns(t);

	while (!atomic_load(&t->ended)) {
		nanosleep(&(struct timespec){ .tv_nsec = JOIN_STEP_NS }, NULL);
		if (!atomic_load(&t->ended) && thread_cpu_ns(t) - from > STUCK_CPU_NS)
			return false;
	}
	pthread_join(t->id, NULL);
	return true;
}

int engine_join(struct load *l, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < l->n_threads; i++) {
		struct engine_thread *t = &l->thread[i];

		if (t->running && !join_thread(t)) {
			l->stuck = true;
			rc = err_set(
				e, ERR_USAGE, 0,
				"load %s: event() computes without end: it was told to stop, and "
				"used %d s of processor time since without a call to con",
				l->name, (int)(STUCK_CPU_NS / 1000000000));
			continue;
		}
		t->running = false;
		for (size_t k = 0; k < t->n_workers; k++)
			conn_close(&t->worker[k]->conn);
		if (t->epoll_fd >= 0)
			close(t->epoll_fd);
		t->epoll_fd = -1;
		script_close(&t->script);
	}
	join_ledger_thread(l);
	return rc;
}

/* A socket and a ledger for each worker. */
static int enough_files(unsigned workers, struct err *e)
{
	rlim_t need = 2 * (rlim_t)workers + OTHER_FDS;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= need)
		return 0;
	if (r.rlim_max < need)
		return err_set(e, ERR_ENV, 0,
			       "%u workers need %llu open files, but only %llu are allowed "
			       "(raise ulimit -n)",
			       workers, (unsigned long long)need, (unsigned long long)r.rlim_max);
	r.rlim_cur = need;
	return setrlimit(RLIMIT_NOFILE, &r) < 0
		       ? err_sys(e, "raise the number of open files to %llu",
				 (unsigned long long)need)
		       : 0;
}

int engine_start(struct load *l, struct err *e)
{
	struct deadline d = deadline_in_ms(CONNECT_MS + 10 * (int64_t)l->o.workers);
	int rc = -1;

	if (enough_files(l->o.workers, e) < 0)
		return -1;
	mysql_library_init(0, NULL, NULL);
	atomic_store(&l->stopping, false);
	atomic_store(&l->cutting, false);
	atomic_store(&l->go, false);
	atomic_store(&l->ready, 0);
	atomic_store(&l->held, 0);
	atomic_store(&l->alive, l->o.workers);
	atomic_store(&l->first_ack_us, 0);
	l->error = (struct err)ERR_INIT;
	for (unsigned i = 0; i < l->n_threads; i++)
		if (thread_open(&l->thread[i], e) < 0)
			goto out;
	if (threads_run(l, e) < 0)
		goto out;
	while (atomic_load(&l->ready) < l->o.workers) {
		if (load_error(l, e) < 0)
			goto out;
		if (pause_ms(2, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"load: %u of %u workers had connected", atomic_load(&l->ready),
				l->o.workers);
			goto out;
		}
	}
	if (l->o.start_at_ns && !l->paced) {
		int64_t wait_ms = (l->o.start_at_ns - clock_mono_ns()) / 1000000;

		if (wait_ms < 0) {
			err_set(e, ERR_TIMEOUT, 0,
				"the start was %" PRId64 " ms before all workers had connected",
				-wait_ms);
			goto out;
		}
		while (clock_mono_ns() < l->o.start_at_ns)
			if (pause_ms(1, deadline_in_ms(1000)) < 0) {
				err_set(e, ERR_CANCELLED, 0, "cancelled");
				goto out;
			}
	}
	pthread_mutex_lock(&l->lock);
	if (l->paced)
		pace_resume(&l->pace, clock_mono_ns());
	else
		pace_begin(&l->pace, l->o.start_at_ns ? l->o.start_at_ns : clock_mono_ns());
	l->paced = true;
	l->quiet_since_ns = l->looked_ns = clock_mono_ns();
	l->quiet.now_ms = 0;
	l->last_failure = (struct err)ERR_INIT;
	pthread_mutex_unlock(&l->lock);
	atomic_store(&l->go, true);
	rc = 0;
out:
	if (rc < 0) {
		atomic_store(&l->stopping, true);
		atomic_store(&l->cutting, true);
		engine_join(l, NULL);
	}
	return rc;
}
