#include "harness/feed/ddl_queue.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "harness/base/failpoint.h"
#include "harness/base/xalloc.h"
#include "harness/binlog/ddl_words.h"
#include "harness/feed/log_lines.h"
#include "harness/sql/ddl/ddl_once.h"

#define CONNECT_MS 5000
#define READ_ONLY 1290
#define NO_SUCH_USER 1449 /* the definer */
#define TELL_MS 5000      /* a secondary that has not answered for this long is told of */

struct pending {
	struct pending *next;
	tso_t ts;
	char *db, *query, *table_db, *table;
	uint32_t type;
	struct ddl_session session;
};
struct named {
	struct named *next;
	char *db, *name, *reason;
};
struct feed_ddls {
	struct sql_endpoint to;
	char *owner, record[190];
	struct feed_globals primary;
	bool fenced, forget;
	int socket; /* of the connection at work, to cut it off; -1: none */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct pending *head, *tail;
	tso_t may_run; /* commitTs of the head when it may */
	struct named *left_out, **left_out_end;
	struct feed_ddls_state state;
	struct err error; /* of a DDL that could not run */
	bool quit;

	/* the thread's own */
	struct sql *sql;
	struct feed_server_id id;
};

static bool is_quitting(struct feed_ddls *d)
{
	bool quit;

	pthread_mutex_lock(&d->lock);
	quit = d->quit;
	pthread_mutex_unlock(&d->lock);
	return quit;
}

static void pause_a_little(void)
{
	struct timespec ts = { .tv_nsec = 100000000 };

	nanosleep(&ts, NULL);
}

static void log_reason(struct feed_ddls *d, const char *why)
{
	pthread_mutex_lock(&d->lock);
	snprintf(d->state.why, sizeof(d->state.why), "%s", why);
	pthread_mutex_unlock(&d->lock);
}

/* The first connection: what a killed changefeed of this name left running ends before our first
 * write. */
static int make_ready(struct feed_ddls *d, struct err *e)
{
	uint64_t killed = 0;
	struct sql *s;
	int rc;

	*e = (struct err)ERR_INIT;
	s = sql_open(&d->to, deadline_in_ms(CONNECT_MS), e);
	if (s)
		sql_patience(s, CONNECT_MS);
	rc = s ? feed_sink_fits(s, &d->primary, e) : -1;
	if (rc == 0 && !d->fenced)
		rc = feed_sink_take_over(s, d->owner, &killed, e);
	if (rc < 0 && e->code == READ_ONLY)
		err_wrap(
			e,
			"the secondary is read-only (SET GLOBAL read_only = 0 there, or grant the sink's user READ ONLY ADMIN)");
	sql_close(s);
	if (killed)
		feed_log("info",
			 "killed %" PRIu64 " connections of an earlier feed on the secondary",
			 killed);
	return rc;
}

static int connect_once(struct feed_ddls *d, struct err *e)
{
	struct deadline t = deadline_in_ms(CONNECT_MS);
	struct sql *s;

	if (!d->state.ready && make_ready(d, e) < 0)
		return -1;
	s = feed_sink_connect(&d->to, d->owner, t, e);
	if (!s)
		return -1;
	if (feed_connection_end(s, &d->id, t, e) < 0 || feed_server_id(s, &d->id, e) < 0 ||
	    (!d->state.ready &&
	     (ddl_once_prepare(s, e) < 0 || (d->forget && ddl_once_forget(s, d->record, e) < 0)))) {
		sql_close(s);
		return -1;
	}
	sql_patience(s, 0);
	d->sql = s;
	return 0;
}

/* Until it is there, or we have to end. An answer that is no (no right, no such server variable) is
 * one. */
static int connect_again(struct feed_ddls *d, struct err *e)
{
	struct deadline quiet = deadline_in_ms(TELL_MS);
	bool told = false;

	pthread_mutex_lock(&d->lock);
	d->socket = -1;
	pthread_mutex_unlock(&d->lock);
	sql_close(d->sql);
	d->sql = NULL;
	while (connect_once(d, e) < 0) {
		if (e->kind == ERR_UNSUPPORTED ||
		    (!d->state.ready && e->kind != ERR_GONE && e->kind != ERR_TIMEOUT &&
		     e->kind != ERR_CONFLICT && e->kind != ERR_IO))
			return err_wrap(e, "sink");
		log_reason(d, e->text);
		if (!told && deadline_passed(quiet)) {
			told = true;
			feed_log("warn", "the secondary does not respond; the log continues: %s",
				 e->text);
		}
		if (is_quitting(d))
			return -1;
		pause_a_little();
	}
	if (told)
		feed_log("info", "the secondary is back");
	pthread_mutex_lock(&d->lock);
	d->socket = (int)mysql_get_socket(sql_handle(d->sql));
	d->state.ready = true;
	d->state.why[0] = '\0';
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int run(struct feed_ddls *d, const struct pending *p, enum ddl_outcome *outcome,
	       struct err *why, struct err *e)
{
	/* a statement about a database needs no default one */
	bool of_database = p->type == DDL_CREATE_SCHEMA || p->type == DDL_DROP_SCHEMA;
	struct ddl_statement s = { .at = { .commit_ts = p->ts },
				   .query = p->query,
				   .query_bytes = strlen(p->query),
				   .use_db = of_database ? "" : p->db,
				   .db = p->table_db,
				   .table = p->table,
				   .session = &p->session };

	for (;;) {
		*why = (struct err)ERR_INIT;
		if (ddl_once_run(d->sql, d->record, &s, false, outcome, why) == 0)
			return 0;
		*e = *why;
		if (e->kind == ERR_CONFLICT) {
			feed_log("warn", "DDL: %s: retrying", e->text);
			pause_a_little();
			if (is_quitting(d))
				return -1;
			continue;
		}
		if (e->kind != ERR_GONE)
			return err_wrap(e, "DDL \"%.200s\" on the secondary", p->query);
		feed_log("warn", "secondary: %s: reconnecting", e->text);
		if (connect_again(d, e) < 0)
			return -1;
	}
}

/* A view that was made, and that nobody can read there: users are not carried. */
static void look_at_view(struct feed_ddls *d, const struct pending *p, enum ddl_outcome *outcome,
			 struct err *why)
{
	struct strbuf q = STRBUF_INIT;
	struct err answer = ERR_INIT;

	if (p->type != DDL_CREATE_VIEW || *outcome == DDL_FAILED)
		return;
	strbuf_addstr(&q, "SELECT 1 FROM ");
	sql_add_name(&q, p->table_db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, p->table);
	strbuf_addstr(&q, " LIMIT 0");
	if (sql_exec_text(d->sql, &answer, q.buf, q.len) < 0 && answer.code == NO_SUCH_USER) {
		*outcome = DDL_FAILED;
		err_set(why, ERR_SQL, NO_SUCH_USER,
			"it is on the secondary but cannot be read there, because users are not "
			"replicated: %s",
			answer.text);
	}
	strbuf_release(&q);
}

static void pending_free(struct pending *p)
{
	free(p->db);
	free(p->query);
	free(p->table_db);
	free(p->table);
	free(p);
}

/* Under the lock. */
static void set_done(struct feed_ddls *d, enum ddl_outcome outcome, const struct err *why)
{
	static const char *const how[] = { [DDL_RAN] = "applied",
					   [DDL_BEFORE] = "done before",
					   [DDL_SAID_DONE] = "done, as the secondary says,",
					   [DDL_FAILED] = "left out" };
	struct pending *p = d->head;

	/* of what is left out already nothing is new */
	if (p->type == DDL_CREATE_VIEW || p->type == DDL_DROP_VIEW) {
		bool out = outcome == DDL_FAILED && p->type == DDL_CREATE_VIEW;
		struct named *n = xcalloc(1, sizeof(*n));

		*n = (struct named){ NULL, xstrdup(p->table_db), xstrdup(p->table),
				     out ? xstrdup(why->text) : NULL };
		*d->left_out_end = n;
		d->left_out_end = &n->next;
	}
	feed_log("info", "DDL %s at %" PRIu64 ": %.300s", how[outcome], p->ts, p->query);
	d->head = p->next;
	if (!d->head)
		d->tail = NULL;
	d->state.waiting--;
	d->state.done++;
	d->state.ts = d->head ? d->head->ts : 0;
	d->state.step = d->head ? FEED_DDL_WAITS : FEED_DDL_NONE;
	pending_free(p);
}

static void *thread_main(void *arg)
{
	struct feed_ddls *d = arg;
	struct err e = ERR_INIT, why;
	enum ddl_outcome outcome = DDL_RAN;
	int rc;

	mysql_thread_init();
	rc = connect_again(d, &e);
	pthread_mutex_lock(&d->lock);
	while (rc == 0 && !d->quit) {
		if (!d->head || d->may_run != d->head->ts) {
			pthread_cond_wait(&d->changed, &d->lock);
			continue;
		}
		d->state.step = FEED_DDL_RUNS;
		snprintf(d->state.runs, sizeof(d->state.runs), "a DDL: %s", d->head->query);
		pthread_mutex_unlock(&d->lock);
		/* the reader adds behind it, and takes nothing */
		rc = failpoint("feed.ddl_skipped") ? 0 : run(d, d->head, &outcome, &why, &e);
		if (rc == 0)
			look_at_view(d, d->head, &outcome, &why);
		pthread_mutex_lock(&d->lock);
		if (rc == 0)
			set_done(d, outcome, &why);
	}
	if (rc < 0 && !d->quit)
		d->error = e;
	pthread_mutex_unlock(&d->lock);
	sql_close(d->sql);
	mysql_thread_end();
	return NULL;
}

struct feed_ddls *feed_ddls_start(const struct feed_ddls_opts *o, struct err *e)
{
	struct feed_ddls *d = xcalloc(1, sizeof(*d));
	int rc;

	d->to = o->to;
	d->primary = *o->primary;
	d->owner = xstrdup(o->owner);
	ddl_owner(d->record, "default", o->owner);
	d->forget = o->forget;
	d->fenced = o->fenced;
	d->socket = -1;
	d->left_out_end = &d->left_out;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	rc = pthread_create(&d->thread, NULL, thread_main, d);
	if (!rc)
		return d;
	err_set(e, ERR_IO, rc, "start the thread of the secondary's DDLs: %s", strerror(rc));
	free(d->owner);
	free(d);
	return NULL;
}

void feed_ddls_free(struct feed_ddls *d)
{
	char *a, *b, *c;

	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->quit = true;
	if (d->socket >= 0) /* a statement on a server that stands still would not end */
		shutdown(d->socket, SHUT_RDWR);
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	while (d->head) {
		struct pending *p = d->head;

		d->head = p->next;
		pending_free(p);
	}
	while (feed_ddls_left_out(d, &a, &b, &c)) {
		free(a);
		free(b);
		free(c);
	}
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d->owner);
	free(d);
}

int feed_ddls_push(struct feed_ddls *d, tso_t ts, const struct binlog_txn *ddl, struct err *e)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	*p = (struct pending){ .ts = ts,
			       .db = xstrdup(ddl->ddl_db),
			       .query = xstrdup(ddl->ddl_query),
			       .table_db = xstrdup(ddl->ddl_table_db),
			       .table = xstrdup(ddl->ddl_table),
			       .type = ddl->ddl_type,
			       .session = *ddl->ddl_session };
	pthread_mutex_lock(&d->lock);
	if (d->tail)
		d->tail->next = p;
	else
		d->head = p;
	d->tail = p;
	d->state.waiting++;
	if (d->state.step == FEED_DDL_NONE) {
		d->state.step = FEED_DDL_WAITS;
		d->state.ts = ts;
	}
	pthread_mutex_unlock(&d->lock);
	return feed_ddls_failed(d, e);
}

struct feed_ddls_state feed_ddls_state(struct feed_ddls *d)
{
	struct feed_ddls_state s;

	pthread_mutex_lock(&d->lock);
	s = d->state;
	pthread_mutex_unlock(&d->lock);
	return s;
}

void feed_ddls_run(struct feed_ddls *d, tso_t ts)
{
	pthread_mutex_lock(&d->lock);
	if (d->head && d->head->ts == ts && d->may_run != ts) {
		d->may_run = ts;
		d->state.step = FEED_DDL_RUNS;
		pthread_cond_signal(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
}

int feed_ddls_left_out(struct feed_ddls *d, char **db, char **name, char **reason)
{
	struct named *n;

	pthread_mutex_lock(&d->lock);
	n = d->left_out;
	if (n) {
		d->left_out = n->next;
		if (!n->next)
			d->left_out_end = &d->left_out;
	}
	pthread_mutex_unlock(&d->lock);
	if (!n)
		return 0;
	*db = n->db;
	*name = n->name;
	*reason = n->reason;
	free(n);
	return 1;
}

int feed_ddls_failed(struct feed_ddls *d, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&d->lock);
	if (d->error.kind) {
		*e = d->error;
		rc = -1;
	}
	pthread_mutex_unlock(&d->lock);
	return rc;
}
