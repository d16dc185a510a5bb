#include "workloads/load.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/sql/schema.h"
#include "harness/run/lua_args.h"
#include "workloads/load_impl.h"

#define TABLES_MAX 10000u
#define STOP_MS 2000
#define SEQUENCES_MS 10000

static int check_opts(const struct load_opts *o, struct err *e)
{
	if (!o->name)
		return err_set(e, ERR_USAGE, 0, "the load needs a name");
	if (o->workers < 1 || o->workers > LEDGER_WORKERS_MAX)
		return err_set(e, ERR_USAGE, 0, "load %s: workers must be 1 to %u, not %u", o->name,
			       LEDGER_WORKERS_MAX, o->workers);
	if (o->tables < 1 || o->tables > TABLES_MAX)
		return err_set(e, ERR_USAGE, 0, "load %s: tables must be 1 to %u, not %u", o->name,
			       TABLES_MAX, o->tables);
	if (o->load_tables > o->tables)
		return err_set(e, ERR_USAGE, 0,
			       "load %s: load_tables is %u, but only %u tables are prepared",
			       o->name, o->load_tables, o->tables);
	if (o->table_size < 1 || o->table_size > INT32_MAX)
		return err_set(e, ERR_USAGE, 0, "load %s: table_size must be 1 to %d", o->name,
			       INT32_MAX);
	if (o->shards && (o->shard < 1 || o->shard > o->shards ||
			  (uint64_t)o->shards * o->workers > LEDGER_WORKERS_MAX))
		return err_set(
			e, ERR_USAGE, 0,
			"load %s: shard %u of %u with %u workers each: at most %u workers in "
			"total",
			o->name, o->shard, o->shards, o->workers, LEDGER_WORKERS_MAX);
	if (o->db && schema_may_be_loaded(o->db, e) < 0)
		return err_wrap(e, "load %s", o->name);
	if (!(o->rate >= 0 && o->rate <= 1e7))
		return err_set(e, ERR_USAGE, 0,
			       "load %s: rate must be 0 to 10,000,000 transactions per second",
			       o->name);
	return 0;
}

static int last_seq(void *arg, const struct ledger_record *r)
{
	struct load *l = arg;

	if (r->worker >= l->worker[0].number && r->worker - l->worker[0].number < l->o.workers)
		l->worker[r->worker - l->worker[0].number].seq =
			r->seq + (r->flags & TXN_OPEN_END ? LEDGER_BEHIND_MAX : 0);
	return 0;
}

static int open_ledgers(struct load *l, struct err *e)
{
	if (!l->ledger_dir)
		return 0;
	if (fs_mkdir_p(l->ledger_dir, 0700, e) < 0)
		return -1;
	/* an earlier process's sequences are never used again */
	if (ledger_read(l->ledger_dir, last_seq, l, NULL, e) < 0)
		return -1;
	for (unsigned i = 0; i < l->o.workers; i++) {
		l->worker[i].ledger = ledger_writer_open(l->ledger_dir, l->worker[i].number, e);
		if (!l->worker[i].ledger)
			return -1;
	}
	return 0;
}

static char **copy_list(const char *const *list)
{
	size_t n = 0;
	char **copy;

	while (list && list[n])
		n++;
	copy = xcalloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(list[i]);
	return copy;
}

static void share_workers(struct load *l)
{
	/* A thread serves some 20,000 transactions a second, the better the more of its sockets are
	 * ready at once. */
	l->n_threads = l->o.workers <= 32 ? 1 : l->o.workers <= 256 ? 2 : LOAD_THREADS_MAX;
	for (unsigned i = 0; i < l->n_threads; i++) {
		l->thread[i].load = l;
		l->thread[i].epoll_fd = -1;
		l->thread[i].worker = xcalloc(l->o.workers, sizeof(struct worker *));
	}
	for (unsigned i = 0; i < l->o.workers; i++) {
		struct engine_thread *t = &l->thread[i % l->n_threads];

		l->worker[i].number = (l->o.shards ? (l->o.shard - 1) * l->o.workers : 0) + i + 1;
		l->worker[i].con.call.text = (struct strbuf)STRBUF_INIT;
		l->worker[i].conn.sql_text = l->worker[i].conn.rows.bytes = l->worker[i].conn.out =
			l->worker[i].conn.in = (struct strbuf)STRBUF_INIT;
		l->worker[i].notes = l->worker[i].packet = (struct strbuf)STRBUF_INIT;
		t->worker[t->n_workers++] = &l->worker[i];
	}
}

struct load *load_new(const struct load_opts *o, struct err *e)
{
	const char *rand_type = o->rand_type ? o->rand_type : "special";
	pthread_condattr_t monotonic;
	struct load *l;

	if (check_opts(o, e) < 0)
		return NULL;
	l = xcalloc(1, sizeof(*l));
	l->o = *o;
	if (!l->o.load_tables)
		l->o.load_tables = l->o.tables;
	l->name = xstrdup(o->name);
	l->db = xstrdup(o->db ? o->db : "sbtest");
	l->ledger_dir = xstrdup(o->ledger_dir);
	l->set = copy_list(o->set);
	l->o.name = l->name;
	l->o.db = l->db;
	l->o.ledger_dir = l->ledger_dir;
	l->o.set = (const char *const *)l->set;
	l->o.rate_plan = NULL; /* the caller's text */
	if (!l->o.backlog_max)
		l->o.backlog_max = LOAD_BACKLOG_MAX;
	l->pace.even = o->pace == LOAD_EVEN;
	l->model_con.call.text = (struct strbuf)STRBUF_INIT;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->ledger_wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->model_lock, NULL);
	rng_seed3(&l->pace.rng, o->seed, 0, o->shard);
	l->worker = aligned_alloc(64, sizeof(struct worker) * o->workers);
	if (!l->worker)
		abort();
	memset(l->worker, 0, sizeof(struct worker) * o->workers);
	share_workers(l);
	if (dist_init(&l->dist, rand_type, o->table_size) < 0) {
		err_set(e, ERR_USAGE, LUA_MISSPELT,
			"load %s: unknown distribution \"%s\": use special, uniform, gaussian, "
			"pareto or zipfian",
			o->name, rand_type);
		goto failed;
	}
	pace_set(&l->pace, o->rate);
	if (o->rate_plan && pace_parse(&l->pace, o->rate_plan, e) < 0) {
		err_wrap(e, "load %s", l->name);
		goto failed;
	}
	if (o->shards)
		pace_share(&l->pace, o->shard, o->shards);
	if (script_open(&l->script, l->name, l->o.set, e) < 0)
		goto failed;
	l->o.ledger_rows |= l->script.ledger;
	if (model_init(l, e) < 0 || open_ledgers(l, e) < 0)
		goto failed;
	return l;
failed:
	load_free(l);
	return NULL;
}

void load_free(struct load *l)
{
	if (!l)
		return;
	if (l->started)
		load_stop(l, deadline_in_ms(STOP_MS), NULL);
	if (l->stuck)
		return;
	for (unsigned i = 0; i < l->o.workers; i++) {
		struct worker *w = &l->worker[i];

		ledger_writer_close(w->ledger, NULL);
		history_close(w->history, NULL);
		con_face_release(&w->con);
		strbuf_release(&w->notes);
		strbuf_release(&w->packet);
		conn_release(&w->conn);
	}
	for (unsigned i = 0; i < l->n_threads; i++)
		free(l->thread[i].worker);
	script_close(&l->script);
	con_face_release(&l->model_con);
	for (char **s = l->set; *s; s++)
		free(*s);
	free(l->set);
	free(l->worker);
	free(l->name);
	free(l->db);
	free(l->ledger_dir);
	pthread_cond_destroy(&l->ledger_wake);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->model_lock);
	free(l);
}

static void continue_from(struct load *l, struct sql *s, const char *text)
{
	struct sql_rows rows = { 0 };
	uint32_t first = l->worker[0].number;

	if (sql_query_stream(s, &rows, NULL, text, strlen(text)) == 0)
		while (sql_rows_next(&rows, NULL) == 1 && rows.n_columns == 2 && rows.cell[0] &&
		       rows.cell[1]) {
			uint64_t worker = strtoull(rows.cell[0], NULL, 10),
				 seq = strtoull(rows.cell[1], NULL, 10);

			if (worker >= first && worker - first < l->o.workers &&
			    l->worker[worker - first].seq < seq)
				l->worker[worker - first].seq = seq;
		}
	sql_rows_release(&rows);
}

/* What an earlier run left in the tables: its sequences are not used again. Tables that are not
 * there are found out by the workers. */
static void continue_sequences(struct load *l, const struct sql_endpoint *ep)
{
	struct strbuf use = STRBUF_INIT;
	struct sql *s;

	if (!l->o.ledger_rows && !l->script.sequences)
		return;
	s = sql_open(ep, deadline_in_ms(SEQUENCES_MS), NULL);
	strbuf_addstr(&use, "USE ");
	sql_add_name(&use, l->db);
	if (s && sql_exec_text(s, NULL, use.buf, use.len) == 0) {
		if (l->o.ledger_rows)
			continue_from(l, s,
				      "SELECT worker, MAX(seq) FROM " LEDGER_TABLE
				      " GROUP BY worker");
		if (l->script.sequences)
			continue_from(l, s, l->script.sequences);
	}
	sql_close(s);
	strbuf_release(&use);
}

int load_start(struct load *l, const struct sql_endpoint *ep, uint16_t cluster, struct err *e)
{
	if (l->started)
		return err_set(e, ERR_USAGE, 0, "load %s is already running", l->name);
	l->endpoint = *ep;
	if (!l->paced)
		continue_sequences(l, ep);
	l->events_left = l->o.events;
	if (l->o.shards)
		l->events_left =
			l->o.events / l->o.shards + (l->o.shard <= l->o.events % l->o.shards);
	l->cluster = cluster;
	if (engine_start(l, e) < 0)
		return err_wrap(e, "start load %s on %s:%u", l->name, ep->host, ep->port);
	pthread_mutex_lock(&l->lock);
	l->started = true;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

int load_stop(struct load *l, struct deadline d, struct err *e)
{
	int rc;

	if (!l->started)
		return 0;
	atomic_store(&l->stopping, true);
	while (atomic_load(&l->alive) > 0 && pause_ms(2, d) == 0)
		;
	/* whoever still waits for its server has its connection cut: its transaction is unknown or
	 * failed, and in the ledger */
	if (atomic_load(&l->alive) > 0)
		atomic_store(&l->cutting, true);
	rc = engine_join(l, e);
	pthread_mutex_lock(&l->lock);
	l->started = false;
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->o.workers; i++) {
		if (l->worker[i].thread && l->worker[i].thread->running)
			continue; /* it computes without end: its books are its own */
		if (l->worker[i].ledger && ledger_writer_flush(l->worker[i].ledger, e) < 0)
			return -1;
		if (l->worker[i].history && history_flush(l->worker[i].history, e) < 0)
			return -1;
	}
	return rc;
}

bool load_running(struct load *l)
{
	return l->started && atomic_load(&l->alive) > 0;
}

int load_error(struct load *l, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&l->lock);
	if (l->error.kind != ERR_NONE) {
		if (e)
			*e = l->error;
		rc = -1;
	}
	pthread_mutex_unlock(&l->lock);
	return rc;
}

void load_get_quiet(struct load *l, struct load_quiet *q)
{
	struct load_stats st = { 0 };

	load_get_stats(l, &st);
	pthread_mutex_lock(&l->lock);
	*q = l->quiet;
	q->under_way = st.started - st.acked - st.failed - st.unknown;
	if (q->now_ms < LOAD_QUIET_MS || !l->started)
		q->now_ms = 0;
	snprintf(q->last_failure, sizeof(q->last_failure), "%s",
		 l->last_failure.kind ? l->last_failure.text : "");
	pthread_mutex_unlock(&l->lock);
}

static void add_latency(struct hist *into, const struct hist *from)
{
	struct hist copy;

	/* its thread may be writing: each number by itself is whole, the sums may be one
	 * transaction apart */
	for (int i = 0; i < HIST_SLOTS; i++)
		copy.slot[i] = __atomic_load_n(&from->slot[i], __ATOMIC_RELAXED);
	copy.count = __atomic_load_n(&from->count, __ATOMIC_RELAXED);
	copy.sum_us = __atomic_load_n(&from->sum_us, __ATOMIC_RELAXED);
	copy.min_us = __atomic_load_n(&from->min_us, __ATOMIC_RELAXED);
	copy.max_us = __atomic_load_n(&from->max_us, __ATOMIC_RELAXED);
	if (copy.count)
		hist_merge(into, &copy);
}

int load_take(struct load *l, int64_t now_ns, int64_t *due_ns)
{
	struct pace *p = &l->pace;
	int due = 1;

	pthread_mutex_lock(&l->lock);
	if (l->o.events && !l->events_left) {
		due = -1;
	} else if (p->closed) {
		*due_ns = now_ns;
	} else {
		*due_ns = p->next_ns;
		due = p->next_ns <= now_ns;
		if (due)
			pace_advance(p);
	}
	if (due > 0 && l->events_left)
		l->events_left--;
	pthread_mutex_unlock(&l->lock);
	return due;
}

static uint64_t count_backlog(struct load *l)
{
	double n;

	pthread_mutex_lock(&l->lock);
	n = l->started ? pace_due(&l->pace, clock_mono_ns()) : 0;
	pthread_mutex_unlock(&l->lock);
	return (uint64_t)n;
}

void load_set_rate(struct load *l, double rate)
{
	pthread_mutex_lock(&l->lock);
	pace_change(&l->pace, clock_mono_ns(), rate > 0 ? rate : 0);
	pthread_mutex_unlock(&l->lock);
}

double load_rate(struct load *l)
{
	double rate;

	pthread_mutex_lock(&l->lock);
	rate = l->pace.closed ? 0 : pace_rate(&l->pace, clock_mono_ns());
	pthread_mutex_unlock(&l->lock);
	return rate;
}

void load_get_stats(struct load *l, struct load_stats *st)
{
	struct hist *latency = st->latency, *queue = st->queue, *service = st->service;

	*st = (struct load_stats){ .latency = latency,
				   .queue = queue,
				   .service = service,
				   .first_ack_us = atomic_load(&l->first_ack_us) };
	for (unsigned i = 0; i < l->o.workers; i++) {
		struct worker *w = &l->worker[i];

		/* outcomes before starts: a transaction under way is started and nothing else */
		st->acked += atomic_load_explicit(&w->acked, memory_order_relaxed);
		st->failed += atomic_load_explicit(&w->failed, memory_order_relaxed);
		st->unknown += atomic_load_explicit(&w->unknown, memory_order_relaxed);
		st->retried += atomic_load_explicit(&w->retried, memory_order_relaxed);
		st->started += atomic_load_explicit(&w->started, memory_order_relaxed);
		st->reconnects += atomic_load_explicit(&w->reconnects, memory_order_relaxed);
		st->reads += atomic_load_explicit(&w->reads, memory_order_relaxed);
		st->writes += atomic_load_explicit(&w->writes, memory_order_relaxed);
		st->statements += atomic_load_explicit(&w->statements, memory_order_relaxed);
	}
	st->backlog = count_backlog(l);
	for (struct hist **h = (struct hist *[]){ latency, queue, service, NULL }, **end = h + 3;
	     h < end; h++)
		if (*h)
			memset(*h, 0, sizeof(**h));
	for (unsigned i = 0; i < l->n_threads; i++) {
		if (latency)
			add_latency(latency, &l->thread[i].latency);
		if (queue)
			add_latency(queue, &l->thread[i].queue);
		if (service)
			add_latency(service, &l->thread[i].service);
	}
}
