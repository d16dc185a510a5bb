#include "workloads/shards/lead.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "workloads/shards/follow.h"

#define BEAT_MS 1000
#define POLL_MS 100
#define MEET_MS 600000
#define BEGIN_MS 60000 /* to connect, and 10 ms for each worker */
/* so long a shard may take for an answer: beyond, it is late */
#define ANSWER_MS 20000
/* to end transactions and to leave the ledgers, while there are signs of life */
#define STOP_MS 120000
#define WHY_BYTES 300

struct member {
	struct proc *proc; /* NULL: elsewhere, or not started */
	struct load_total mark, before;
	double word_at_s;       /* the thread's: of its last word; < 0 none */
	int64_t word_ns;        /* when that came here */
	struct load_total word; /* under lock */
	bool gone;              /* it ended or was killed */
	char why[WHY_BYTES];    /* gone */
};

struct lead {
	struct store *s;
	char *uri;
	unsigned workers; /* of one shard */
	uint64_t seed;
	int64_t zero_ns; /* the ledgers' */
	json_t *search;  /* what the shards are told of the load */
	char *dir, *name;
	bool here, met, running, marked;
	/* nobody has met there before; the start was called; the shards were told the end */
	bool ours, called, ended;
	unsigned n;
	struct member *member;
	unsigned order; /* the last one */
	char missing[400], missing_before[400];
	struct load_total sum; /* scratch */
	pthread_t thread[2];
	unsigned n_threads;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

/* ---- signs of life, both ways */

static void read_word(struct lead *l, unsigned i, struct load_total *scratch)
{
	struct member *m = &l->member[i];
	struct err none = ERR_INIT;
	json_t *j = NULL;
	char key[32];
	double at;

	snprintf(key, sizeof(key), "word/%05u.json", i + 1);
	if (load_store_get_json(l->s, key, LOAD_RESULT_BYTES_MAX, &j, &none) < 0)
		return;
	at = json_number_value(json_object_get(j, "at_s"));
	if (load_total_from_json(scratch, j, &none) == 0) {
		pthread_mutex_lock(&l->lock);
		if (at != m->word_at_s)
			m->word_ns = clock_mono_ns();
		m->word_at_s = at;
		m->word = *scratch;
		pthread_mutex_unlock(&l->lock);
	}
	json_decref(j);
}

/* To the end of a round; with the lock. */
static void wait_for_round(struct lead *l, int64_t at)
{
	const struct timespec until = { at / 1000000000, at % 1000000000 };

	while (!l->stop && pthread_cond_timedwait(&l->wake, &l->lock, &until) == 0)
		;
}

/* The followers tell of a lead that is silent; here the orders do. */
static void *run_beat(void *arg)
{
	struct lead *l = arg;

	pthread_mutex_lock(&l->lock);
	for (json_int_t beat = 1; !l->stop; beat++) {
		struct err none = ERR_INIT;
		int64_t at = clock_mono_ns() + BEAT_MS * 1000000ll;

		pthread_mutex_unlock(&l->lock);
		load_store_put_json(l->s, "lead.json", json_pack("{s:I}", "beat", beat), &none);
		pthread_mutex_lock(&l->lock);
		wait_for_round(l, at);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* A thread of its own: words that are slow to read hold no beat up. */
static void *run_words(void *arg)
{
	struct lead *l = arg;
	struct load_total *scratch = xcalloc(1, sizeof(*scratch));

	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		int64_t at = clock_mono_ns() + BEAT_MS * 1000000ll;

		for (unsigned i = 0; i < l->n && !l->stop; i++) {
			pthread_mutex_unlock(&l->lock);
			read_word(l, i, scratch);
			pthread_mutex_lock(&l->lock);
		}
		wait_for_round(l, at);
	}
	pthread_mutex_unlock(&l->lock);
	free(scratch);
	return NULL;
}

static int start_beat(struct lead *l, struct err *e)
{
	void *(*const run[])(void *) = { run_beat, run_words };

	for (; l->n_threads < 2; l->n_threads++)
		if (pthread_create(&l->thread[l->n_threads], NULL, run[l->n_threads], l) != 0)
			return err_set(e, ERR_ENV, 0, "no thread for the shards");
	return 0;
}

static void stop_beat(struct lead *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->wake);
	pthread_mutex_unlock(&l->lock);
	while (l->n_threads)
		pthread_join(l->thread[--l->n_threads], NULL);
}

/* ---- life */

struct lead *lead_new(const struct lead_opts *o, struct err *e)
{
	struct lead *l = xcalloc(1, sizeof(*l));
	pthread_condattr_t mono;
	struct load_opts one = follow_share(o->load, o->shards);

	*l = (struct lead){ .n = o->shards,
			    .here = !o->rendezvous,
			    .workers = one.workers,
			    .seed = one.seed,
			    .zero_ns = one.journal_start_ns,
			    .search = follow_search(&one) };
	l->name = xstrdup(one.name);
	l->dir = xstrdup(o->dir);
	l->uri = o->rendezvous ? xstrdup(o->rendezvous) : xstrfmt("file://%s/shards", o->dir);
	l->member = xcalloc(o->shards, sizeof(*l->member));
	for (unsigned i = 0; i < l->n; i++)
		l->member[i].word_at_s = -1;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&l->wake, &mono);
	pthread_condattr_destroy(&mono);
	l->s = store_open(l->uri, NULL, e);
	if (!l->s)
		goto failed;
	if (load_shards_unused(l->s, e) < 0) {
		err_wrap(e, "rendezvous %s", store_uri_redacted(l->s));
		goto failed;
	}
	l->ours = true;
	if (load_store_put_json(l->s, "lead.json", json_pack("{s:i}", "beat", 0), e) < 0) {
		err_wrap(e, "the place where the shards meet can't be written");
		goto failed;
	}
	return l;
failed:
	lead_free(l);
	return NULL;
}

/* Cut short: nobody waits for the answers of shards elsewhere, and none of them waits for us. */
static void send_home(struct lead *l)
{
	char key[64];

	snprintf(key, sizeof(key), "order/%06u.json", ++l->order);
	if (l->called)
		load_store_put_json(l->s, key, json_pack("{s:b}", "end", 1), NULL);
	else
		load_shards_call_off(l->s, l->n, NULL);
}

void lead_free(struct lead *l)
{
	if (!l)
		return;
	if (l->ours && !l->here && !l->ended)
		send_home(l);
	stop_beat(l);
	for (unsigned i = 0; i < l->n; i++)
		proc_free(l->member[i].proc);
	store_free(l->s);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	json_decref(l->search);
	free(l->member);
	free(l->uri);
	free(l->dir);
	free(l->name);
	free(l);
}

void lead_command(const struct lead *l, struct strbuf *out)
{
	strbuf_addf(out, "drtest load %s run --shard=I/%u --rendezvous=%s --follow --mysql-host=…",
		    l->name, l->n, store_uri_redacted(l->s));
}

bool lead_elsewhere(const struct lead *l)
{
	return !l->here;
}

bool lead_marked(const struct lead *l)
{
	return l->marked;
}

bool lead_running(const struct lead *l)
{
	return l->running;
}

void lead_seen(struct lead *l, struct load_total *out)
{
	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < l->n; i++) {
		const struct member *m = &l->member[i];

		load_total_add(out, &m->word);
		/* nobody serves what is due to a shard that is silent */
		if (clock_mono_ns() - m->word_ns > LOAD_SILENT_MS * 1000000ll)
			out->st.backlog -= m->word.st.backlog;
	}
	pthread_mutex_unlock(&l->lock);
}

/* ---- who is there */

static void log_path(const struct lead *l, unsigned i, struct strbuf *out)
{
	strbuf_addf(out, "%s/logs/shard-%u.log", l->dir, i + 1);
}

/* The shard left a result before the end was told, or its process is no more. */
static bool look_gone(struct lead *l, unsigned i)
{
	struct member *m = &l->member[i];
	struct err none = ERR_INIT;
	json_t *j = NULL;
	char key[32];
	const char *why;

	if (m->gone)
		return true;
	snprintf(key, sizeof(key), "result/%05u.json", i + 1);
	if (load_store_get_json(l->s, key, LOAD_RESULT_BYTES_MAX, &j, &none) == 0) {
		why = json_string_value(json_object_get(j, "ended_early"));
		snprintf(m->why, sizeof(m->why), "shard %u ended early: %s", i + 1,
			 why ? why : "it left its result");
		m->gone = true;
	} else if (m->proc && !proc_running(m->proc)) {
		struct strbuf path = STRBUF_INIT, tail = STRBUF_INIT;

		log_path(l, i, &path);
		if (!proc_killed_by_others(m->proc))
			proc_log_tail(path.buf, 2, &tail);
		snprintf(m->why, sizeof(m->why), "shard %u %s: %s%s%s", i + 1,
			 proc_killed_by_others(m->proc) ? "was killed" : "ended", proc_how(m->proc),
			 tail.len ? ": " : "", tail.buf);
		m->gone = true;
		strbuf_release(&path);
		strbuf_release(&tail);
	}
	json_decref(j);
	return m->gone;
}

static void name_missing(struct lead *l, const char *why)
{
	size_t n = strlen(l->missing);

	if (!strstr(l->missing, why))
		snprintf(l->missing + n, sizeof(l->missing) - n, "%s%s", n ? "; " : "", why);
}

static void name_late(struct lead *l, unsigned i)
{
	struct member *m = &l->member[i];
	char why[WHY_BYTES];

	pthread_mutex_lock(&l->lock);
	if (m->word_at_s >= 0)
		snprintf(why, sizeof(why),
			 "shard %u gave no answer for %d s (its last word came %.0f s ago)", i + 1,
			 ANSWER_MS / 1000, (double)(clock_mono_ns() - m->word_ns) / 1e9);
	else
		snprintf(why, sizeof(why), "shard %u gave no answer for %d s, nor a word before",
			 i + 1, ANSWER_MS / 1000);
	pthread_mutex_unlock(&l->lock);
	name_missing(l, why);
}

/* ---- orders */

static int take_marks(struct lead *l, const bool *absent, struct err *e)
{
	for (unsigned i = 0; i < l->n; i++) {
		struct member *m = &l->member[i];
		json_t *j = NULL;
		char key[64];
		int rc;

		m->before = m->mark;
		if (absent[i])
			continue;
		snprintf(key, sizeof(key), "mark/%06u/%05u.json", l->order, i + 1);
		rc = load_store_get_json(l->s, key, LOAD_RESULT_BYTES_MAX, &j, e);
		if (rc == 0)
			rc = load_total_from_json(&m->mark, j, e);
		json_decref(j);
		if (rc < 0)
			return err_wrap(e, "%s", key);
	}
	return 0;
}

/* Puts the order, and waits for each shard's answer. Who is gone or late is named in l->missing. */
static int give_order(struct lead *l, json_t *order, int64_t wait_ms, bool *absent, struct err *e)
{
	struct deadline d = deadline_in_ms(wait_ms);
	struct strbuf who = STRBUF_INIT;
	char key[64];
	int rc;

	snprintf(key, sizeof(key), "order/%06u.json", ++l->order);
	rc = load_store_put_json(l->s, key, order, e);
	snprintf(key, sizeof(key), "mark/%06u/", l->order);
	while (rc == 0) {
		bool waits = false;

		if (load_store_missing(l->s, key, l->n, absent, &who, e) < 0) {
			rc = -1;
			break;
		}
		for (unsigned i = 0; i < l->n; i++)
			waits |= absent[i] && !look_gone(l, i);
		if (!waits)
			break;
		if (pause_ms(POLL_MS, d) < 0) {
			if (clock_cancelled())
				rc = err_set(e, ERR_CANCELLED, 0, "interrupted");
			break;
		}
	}
	for (unsigned i = 0; rc == 0 && i < l->n; i++)
		if (absent[i] && l->member[i].gone)
			name_missing(l, l->member[i].why);
		else if (absent[i])
			name_late(l, i);
	strbuf_release(&who);
	return rc;
}

int lead_rate(struct lead *l, double rate, struct err *e)
{
	bool *absent = xcalloc(l->n, sizeof(*absent));
	int rc;

	*l->missing =
		'\0'; /* the newest rate is what counts: orders are done one after the other */
	rc = give_order(l, json_pack("{s:f}", "rate", rate), ANSWER_MS, absent, e);
	free(absent);
	return rc < 0 ? err_wrap(e, "tell the shards their rate") : 0;
}

static void add_span(struct lead *l, unsigned i, struct lead_span *out)
{
	struct member *m = &l->member[i];

	l->sum = m->mark;
	l->sum.st.latency = &l->sum.h[0];
	load_total_subtract(&l->sum, &m->before);
	load_total_add(&out->total, &l->sum);
	if (l->sum.seconds > 0)
		out->tps += (double)l->sum.st.acked / l->sum.seconds;
}

int lead_mark(struct lead *l, struct lead_span *out, struct err *e)
{
	bool *absent = xcalloc(l->n, sizeof(*absent));
	int rc;

	memset(out, 0, sizeof(*out));
	l->marked = true;
	rc = give_order(l, json_pack("{s:b}", "mark", 1), ANSWER_MS, absent, e);
	if (rc == 0)
		rc = take_marks(l, absent, e);
	if (rc < 0)
		err_wrap(e, "ask the shards how far they are");
	for (unsigned i = 0; rc == 0 && i < l->n; i++) {
		if (!absent[i])
			add_span(l, i, out);
		out->gone |= l->member[i].gone;
	}
	/* who was missing at the mark before is missing in this span as well: what it did since is
	 * not in between */
	if (rc == 0) {
		struct strbuf both = STRBUF_INIT;

		strbuf_addstr(&both, l->missing);
		if (*l->missing_before && !strstr(both.buf, l->missing_before))
			strbuf_addf(&both, "%s%s", both.len ? "; " : "", l->missing_before);
		snprintf(out->missing, sizeof(out->missing), "%s", both.buf);
		snprintf(l->missing_before, sizeof(l->missing_before), "%s", l->missing);
		*l->missing = '\0';
		strbuf_release(&both);
	}
	free(absent);
	return rc;
}

/* ---- begin and end */

static int start_here(struct lead *l, unsigned i, const struct sql_endpoint *ep, struct err *e)
{
	static const char *const tls[] = { [SQL_TLS_AS_GIVEN] = NULL,
					   [SQL_TLS_OFF] = "off",
					   [SQL_TLS_UNVERIFIED] = "REQUIRED",
					   [SQL_TLS_CHAIN] = "VERIFY_CA",
					   [SQL_TLS_VERIFY] = "VERIFY_IDENTITY" };
	struct strbuf log = STRBUF_INIT;
	char self[PATH_MAX], name[32], *argv[20], *env[2] = { NULL };
	size_t n = 0;

	snprintf(name, sizeof(name), "shard-%u", i + 1);
	log_path(l, i, &log);
	argv[n++] = xstrdup(proc_self(self));
	argv[n++] = xstrdup("load");
	argv[n++] = xstrdup(l->name);
	argv[n++] = xstrdup("run");
	argv[n++] = xstrfmt("--shard=%u/%u", i + 1, l->n);
	argv[n++] = xstrfmt("--rendezvous=%s", l->uri);
	argv[n++] = xstrdup("--follow");
	argv[n++] = xstrfmt("--ledger-dir=%s/shards/ledger-of-%u", l->dir, i + 1);
	argv[n++] = xstrfmt("--mysql-host=%s", ep->host);
	argv[n++] = xstrfmt("--mysql-port=%u", ep->port);
	argv[n++] = xstrfmt("--mysql-user=%s", ep->user);
	if (tls[ep->tls])
		argv[n++] = xstrfmt("--mysql-ssl=%s", tls[ep->tls]);
	if (ep->ssl_ca[0])
		argv[n++] = xstrfmt("--mysql-ssl-ca=%s", ep->ssl_ca);
	if (ep->ssl_cert[0])
		argv[n++] = xstrfmt("--mysql-ssl-cert=%s", ep->ssl_cert);
	if (ep->ssl_key[0])
		argv[n++] = xstrfmt("--mysql-ssl-key=%s", ep->ssl_key);
	if (ep->ssl_server_name[0])
		argv[n++] = xstrfmt("--mysql-ssl-server-name=%s", ep->ssl_server_name);
	argv[n] = NULL;
	env[0] = xstrfmt("MYSQL_PWD=%s", ep->password);
	l->member[i].proc = proc_start(
		&(struct proc_opts){ .name = name, .argv = argv, .env = env, .log_path = log.buf },
		e);
	while (n)
		free(argv[--n]);
	memset(env[0], 0, strlen(env[0]));
	free(env[0]);
	strbuf_release(&log);
	return l->member[i].proc ? 0 : -1;
}

/* Until all are ready. */
static int await_all(struct lead *l, struct err *e)
{
	struct deadline d = deadline_in_ms(MEET_MS);
	struct strbuf who = STRBUF_INIT;
	unsigned absent;
	int rc;

	while ((rc = load_shards_ready(l->s, l->n, &absent, &who, e)) == 0 && absent) {
		for (unsigned i = 0; rc == 0 && i < l->n; i++)
			if (l->here && look_gone(l, i))
				rc = err_set(e, ERR_ENV, 0, "%s", l->member[i].why);
		if (rc == 0 && pause_ms(POLL_MS, d) < 0)
			rc = err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				     "%u of %u shards came within %d minutes; missing: %s",
				     l->n - absent, l->n, MEET_MS / 60000, who.buf);
		if (rc < 0)
			break;
	}
	strbuf_release(&who);
	return rc;
}

int lead_start(struct lead *l, const struct sql_endpoint *ep, uint16_t cluster, struct err *e)
{
	bool *absent = xcalloc(l->n, sizeof(*absent));
	int rc = 0;

	if (l->met) {
		rc = err_set(e, ERR_USAGE, 0, "a load of shards is started once");
		goto out;
	}
	for (unsigned i = 0; l->here && rc == 0 && i < l->n; i++)
		rc = start_here(l, i, ep, e);
	if (rc == 0)
		rc = await_all(l, e);
	if (rc == 0)
		rc = start_beat(l, e);
	if (rc == 0) {
		l->met = true;
		follow_tell_target(l->search, ep, cluster, l->zero_ns, l->here);
		rc = load_shards_call(l->s, l->n, l->workers, l->seed, json_incref(l->search), e);
		l->called = rc == 0;
	}
	if (rc == 0)
		rc = give_order(l, json_pack("{s:b}", "mark", 1),
				BEGIN_MS + (int64_t)l->workers * 10, absent, e);
	if (rc == 0)
		rc = take_marks(l, absent, e);
	if (rc == 0 && *l->missing)
		rc = err_set(e, ERR_ENV, 0, "not all shards began: %s", l->missing);
	l->running = rc == 0;
out:
	free(absent);
	return rc < 0 ? err_wrap(e, "the load's shards") : 0;
}

/* Whoever shows signs of life is waited for. */
static int await_results(struct lead *l, struct err *e)
{
	struct deadline d = deadline_in_ms(STOP_MS);
	bool *absent = xcalloc(l->n, sizeof(*absent));
	struct strbuf who = STRBUF_INIT;
	int rc;

	for (;;) {
		bool waits = false;

		rc = load_store_missing(l->s, "result/", l->n, absent, &who, e);
		for (unsigned i = 0; rc >= 0 && i < l->n; i++) {
			struct member *m = &l->member[i];
			int64_t silent_ns;

			pthread_mutex_lock(&l->lock);
			silent_ns = clock_mono_ns() - m->word_ns;
			pthread_mutex_unlock(&l->lock);
			waits |= absent[i] && !look_gone(l, i) &&
				 (m->proc || silent_ns < LOAD_SILENT_MS * 1000000ll);
		}
		if (rc < 0 || !waits)
			break;
		if (pause_ms(POLL_MS, d) < 0) {
			if (clock_cancelled())
				rc = err_set(e, ERR_CANCELLED, 0, "interrupted");
			break;
		}
	}
	free(absent);
	strbuf_release(&who);
	return rc < 0 ? -1 : 0;
}

/* What was said on the way is in the results now. */
static void remove_talk(struct lead *l)
{
	static const char *const talk[] = { "order/", "mark/", "lead.json" };

	for (size_t k = 0; k < sizeof(talk) / sizeof(talk[0]); k++) {
		struct store_list list = { 0 };

		if (store_list(l->s, talk[k], &list, NULL) == 0)
			for (size_t i = 0; i < list.n; i++)
				store_delete(l->s, list.objects[i].key, NULL);
		store_list_release(&list);
	}
}

int lead_stop(struct lead *l, const char *ledger_dir, struct load_joined *out, struct err *e)
{
	bool *absent = xcalloc(l->n, sizeof(*absent));
	struct deadline d;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = give_order(l, json_pack("{s:b}", "end", 1), ANSWER_MS, absent, e);
	l->ended = rc == 0;
	if (rc == 0)
		rc = await_results(l, e);
	l->running = false;
	stop_beat(l);
	for (unsigned i = 0; i < l->n; i++) {
		proc_free(l->member[i].proc); /* its result is there, or it will leave none */
		l->member[i].proc = NULL;
	}
	d = deadline_in_ms(2 * LOAD_SILENT_MS);
	/* a shard that was killed just now is given up when its word is old enough */
	while (rc == 0 && (rc = load_joined_read(out, l->s, NULL, e)) < 0 &&
	       e->kind == ERR_TIMEOUT && pause_ms(500, d) == 0) {
		load_joined_release(out);
		memset(out, 0, sizeof(*out));
		rc = 0;
	}
	if (rc == 0) {
		load_joined_release(out);
		rc = load_joined_read(out, l->s, ledger_dir, e);
	}
	if (rc == 0)
		remove_talk(l);
	free(absent);
	return rc < 0 ? err_wrap(e, "end the load's shards") : 0;
}
