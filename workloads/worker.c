/* A worker's life: connect, take a due transaction, run event() as a coroutine from one call to the
 * next, and record how it ended. */
#include <assert.h>
#include <errmsg.h>
#include <lauxlib.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "workloads/load_impl.h"
#include "workloads/outcome.h"
#include "workloads/sqltext.h"

#define BACKOFF_MS_MIN 10
#define TIDB_MULTI_STATEMENT_OFF 8130
#define BACKOFF_MS_MAX 500
#define LEDGER_SQL "INSERT INTO " LEDGER_TABLE " (worker, seq) VALUES (?, ?)"
/* MariaDB tells a commit's GTID in its OK packet when asked to; elsewhere the position stays
 * unknown. */
#define SESSION_SQL "SET SESSION session_track_system_variables='last_gtid'"
/* Asked after each COMMIT of a TiDB: its commit TSO is the position. */
#define POSITION_SQL "SELECT @@tidb_last_txn_info"
/* TiDB takes several statements in one query only when told to. */
#define SESSION_MULTI_SQL "SET SESSION tidb_multi_statement_mode='ON'"

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static int64_t journal_us(const struct load *l, int64_t ns)
{
	return (ns - l->o.journal_start_ns) / 1000;
}

static void thread_idle_add(struct engine_thread *t, struct worker *w)
{
	w->phase = PHASE_IDLE;
	w->next_idle = NULL;
	if (t->idle_last)
		t->idle_last->next_idle = w;
	else
		t->idle_first = w;
	t->idle_last = w;
}

void worker_end(struct worker *w)
{
	if (w->phase == PHASE_ENDED)
		return;
	w->phase = PHASE_ENDED;
	conn_close(&w->conn);
	w->thread->n_ended++;
	atomic_fetch_sub(&w->thread->load->alive, 1);
}

/* The way out, where it is known. */
static const char *error_advice(const struct load *l, int code)
{
	switch (code) {
	case ER_NO_SUCH_TABLE:
		if (l->o.ledger_rows)
			return ": prepare the load first, with --ledger-rows too";
		return ": prepare the load first";
	case ER_BAD_DB_ERROR: return ": prepare the load first";
	case ER_BAD_FIELD_ERROR:
		return ": the tables belong to another load, or to another version of it";
	case ER_CON_COUNT_ERROR:
	case ER_TOO_MANY_USER_CONNECTIONS:
		return ": raise the server's max_connections, or use fewer workers";
	case TIDB_MULTI_STATEMENT_OFF:
		return ": SET GLOBAL tidb_multi_statement_mode = 'ON', or leave out --roundtrips one";
	default: return "";
	}
}

static void hard_error(struct worker *w, const char *what, int code, const char *text)
{
	struct err e = ERR_INIT;

	if (w->phase == PHASE_CONNECT) /* its text has the code */
		err_set(&e, ERR_SQL, code, "worker %u: %s: %s%s", w->number, what, text,
			error_advice(w->thread->load, code));
	else if (w->phase <= PHASE_SESSION)
		err_set(&e, ERR_SQL, code, "worker %u: %s: %s (%d)%s", w->number, what, text, code,
			error_advice(w->thread->load, code));
	else
		err_set(&e, code ? ERR_SQL : ERR_USAGE, code, "worker %u, sequence %llu: %s: %s%s",
			w->number, (unsigned long long)w->seq, what, text,
			error_advice(w->thread->load, code));
	engine_error(w->thread->load, &e);
}

/* Edge-triggered, and told to the kernel once a connection: the library reads and writes until the
 * socket would block before it asks to wait, so each wait ends with an edge. */
static void watch(struct worker *w)
{
	struct conn *k = &w->conn;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
				  .data.ptr = w };
	int fd;

	if (k->fd >= 0 && k->fd == k->watched_fd)
		return;
	fd = mysql_get_socket(k->m);
	if (fd < 0)
		return; /* the timeout wakes it */
	/* while it connects, the library may have closed one socket and opened another, even with
	 * the same number */
	if (epoll_ctl(w->thread->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		epoll_ctl(w->thread->epoll_fd, EPOLL_CTL_MOD, fd, &ev);
	k->watched_fd = fd;
}

void worker_connect(struct worker *w)
{
	struct load *l = w->thread->load;

	conn_close(&w->conn);
	w->phase = PHASE_CONNECT;
	conn_connect(&w->conn, &l->endpoint, l->db, l->o.protocol == LOAD_ONE_PACKET);
}

/* Twice as long each time, until a transaction is acknowledged. */
static void wait_a_while(struct worker *w, enum phase phase)
{
	assert(phase == PHASE_BACKOFF || phase == PHASE_PAUSE); /* those that worker_tick() ends */
	w->phase = phase;
	atomic_fetch_add(&w->thread->load->held, 1);
	w->backoff_ms = w->backoff_ms ? w->backoff_ms * 2 : BACKOFF_MS_MIN;
	if (w->backoff_ms > BACKOFF_MS_MAX)
		w->backoff_ms = BACKOFF_MS_MAX;
	w->wake_ns = clock_mono_ns() + w->backoff_ms * 1000000ll;
}

static void worker_lost(struct worker *w)
{
	struct load *l = w->thread->load;

	assert(w->phase != PHASE_ENDED && w->phase != PHASE_IDLE);
	conn_close(&w->conn);
	if (l->o.stop_on_lost || atomic_load(&l->stopping))
		worker_end(w);
	else
		wait_a_while(w, PHASE_BACKOFF);
}

static void thread_idle_remove(struct engine_thread *t, const struct worker *w)
{
	struct worker *before = NULL, *at = t->idle_first;

	for (; at != w; at = at->next_idle)
		before = at;
	if (before)
		before->next_idle = w->next_idle;
	else
		t->idle_first = w->next_idle;
	if (t->idle_last == w)
		t->idle_last = before;
}

void worker_hung_up(struct worker *w)
{
	if (w->phase != PHASE_IDLE)
		return; /* the operation under way finds out */
	thread_idle_remove(w->thread, w);
	w->phase = PHASE_CONNECT;
	worker_lost(w);
}

/* Kept for who asks why nobody gets through. */
static void note_failure(struct worker *w)
{
	struct load *l = w->thread->load;

	pthread_mutex_lock(&l->lock);
	err_set(&l->last_failure, ERR_SQL, w->conn.code, "%s (%d)", w->conn.text, w->conn.code);
	pthread_mutex_unlock(&l->lock);
}

static void add_history(struct worker *w, const struct ledger_record *r)
{
	struct load *l = w->thread->load;
	struct err e = ERR_INIT;

	if (!w->history)
		w->history = history_open(l->ledger_dir, w->number, &e);
	if (w->history)
		history_add(w->history, r, &w->notes);
	else
		engine_error(l, &e);
	strbuf_reset(&w->notes);
}

/* The transaction is over: counted, and written to the ledger. */
static void record_txn(struct worker *w, enum txn_outcome outcome, bool retried)
{
	struct load *l = w->thread->load;
	uint64_t told = atomic_load(&w->acked) + atomic_load(&w->failed) + atomic_load(&w->unknown);
	struct ledger_record r = {
		.worker = w->number,
		.outcome = (uint8_t)outcome,
		.flags = retried ? TXN_RETRIED : 0,
		.cluster = l->cluster,
		.seq = w->seq,
		.due_us = journal_us(l, w->due_ns),
		.begin_us = journal_us(l, w->begin_ns),
		.end_us = journal_us(l, w->end_ns),
		.position = outcome == TXN_ACKED ? w->position : 0,
	};

	/* each transaction that was started has one outcome, and one record */
	assert(told + 1 == atomic_load(&w->started));
	assert(!retried || outcome == TXN_FAILED); /* an unknown is never sent again */
	assert(r.begin_us <= r.end_us);
	if (w->ledger)
		ledger_writer_add(w->ledger, &r);
	if (w->notes.len)
		add_history(w, &r);
	if (outcome == TXN_ACKED) {
		int64_t none = 0;

		/* of the ledger's own microseconds: histograms can be drawn again from ledgers */
		hist_add(&w->thread->latency, (uint64_t)(r.end_us - r.due_us));
		hist_add(&w->thread->queue, (uint64_t)(r.begin_us - r.due_us));
		hist_add(&w->thread->service, (uint64_t)(r.end_us - r.begin_us));
		atomic_compare_exchange_strong(&l->first_ack_us, &none, r.end_us);
		add(&w->acked, 1);
	} else if (outcome == TXN_FAILED) {
		add(&w->failed, 1);
	} else {
		add(&w->unknown, 1);
	}
	if (retried)
		add(&w->retried, 1);
}

static void next_transaction(struct worker *w)
{
	struct load *l = w->thread->load;
	bool again = w->again;

	w->again = false;
	if (atomic_load(&l->stopping))
		worker_end(w);
	else if (again)
		worker_begin(w, w->due_ns, clock_mono_ns());
	else
		thread_idle_add(w->thread, w);
}

/* A fresh coroutine: one that was left in the middle of event() is never resumed. */
static void drop_coroutine(struct worker *w)
{
	luaL_unref(w->thread->script.L, LUA_REGISTRYINDEX, w->co_ref);
	w->co_ref = LUA_NOREF;
	w->co = NULL;
}

static void event_failed(struct worker *w, bool at_commit)
{
	struct conn *k = &w->conn;
	enum failure f = failure_of(k->code, k->text);
	struct txn_state s = { .in_txn = w->in_txn,
			       .at_commit = at_commit,
			       .committed = w->committed,
			       .wrote = w->wrote,
			       .autocommitted = w->autocommitted };
	enum txn_outcome outcome = outcome_of_failure(&s, f);

	assert(w->co); /* a transaction was under way */
	note_failure(w);
	if (!w->committed)
		w->end_ns = clock_mono_ns();
	drop_coroutine(w);
	w->again = outcome == TXN_FAILED &&
		   (f == FAILURE_CONFLICT || f == FAILURE_REFUSED || f == FAILURE_AWAY);
	w->pause = f == FAILURE_REFUSED || f == FAILURE_AWAY;
	record_txn(w, outcome, w->again);
	if (f == FAILURE_LOST) {
		worker_lost(w);
	} else if (f != FAILURE_OTHER) {
		/* 1205 rolls back the statement alone; a COMMIT of unknown end is over either way
		 */
		w->phase = PHASE_ROLLBACK;
		conn_command(k, "ROLLBACK", 8);
	} else {
		hard_error(w, at_commit ? "COMMIT" : "transaction", k->code, k->text);
		worker_end(w);
	}
}

static void script_failed(struct worker *w, const char *text)
{
	w->end_ns = clock_mono_ns();
	hard_error(w, w->thread->script.name, 0, text);
	record_txn(w,
		   w->committed                                   ? TXN_ACKED
		   : w->autocommitted || (!w->in_txn && w->wrote) ? TXN_UNKNOWN
								  : TXN_FAILED,
		   false);
	drop_coroutine(w);
	worker_end(w);
}

static void event_returned(struct worker *w)
{
	if (w->in_txn) {
		script_failed(w, "event() ended without con:commit() or con:rollback()");
		return;
	}
	if (!w->committed) { /* autocommitted statements: what the last of them was told */
		w->end_ns = clock_mono_ns();
		w->position = w->conn.last_gtid;
	}
	record_txn(w, w->rolled_back && !w->committed && !w->autocommitted ? TXN_FAILED : TXN_ACKED,
		   false);
	w->backoff_ms = 0;
	next_transaction(w);
}

static size_t slot_of(const struct worker *w, unsigned statement, uint32_t table)
{
	return statement * (size_t)(w->thread->load->o.tables + 1) + table;
}

static void start_commit(struct worker *w)
{
	assert(w->in_txn && !w->committed);
	w->phase = PHASE_COMMIT;
	conn_command(&w->conn, "COMMIT", 6);
}

/* On a line of its own: the statement before may end with a comment. */
static void packet_next(struct worker *w)
{
	if (w->packet_n++)
		strbuf_addstr(&w->packet, "\n;");
}

static void packet_add(struct worker *w, const char *text, size_t n)
{
	packet_next(w);
	strbuf_add(&w->packet, text, n);
}

/* Statements wait for the next one whose answer event() needs, or for COMMIT. True: the call is on
 * its way, or noted and answered. */
static bool start_in_packet(struct worker *w)
{
	struct load *l = w->thread->load;
	struct con_call *c = &w->con.call;
	const struct script_statement *st = &w->thread->script.statement[c->statement];

	if (c->verb == CON_ROLLBACK) {
		/* what was not sent needs no rollback, but a reader may have sent a part: so
		 * ROLLBACK goes */
		strbuf_reset(&w->packet);
		w->packet_n = 0;
		return false;
	}
	if (c->verb == CON_EXECUTE) {
		w->wrote |= !st->reads;
		packet_next(w);
		sqltext_add(&w->packet, w->conn.m, st, c);
	} else if (c->verb != CON_COMMIT || !l->o.ledger_rows) {
		w->in_txn |= c->verb == CON_BEGIN;
		w->wrote |= c->verb == CON_QUERY;
		packet_add(w, c->text.buf, c->text.len);
	} else {
		char text[160];

		add(&w->statements, 1);
		add(&w->writes, 1);
		snprintf(text, sizeof(text),
			 "INSERT INTO " LEDGER_TABLE " (worker, seq) VALUES (%u,%llu)", w->number,
			 (unsigned long long)w->seq);
		packet_add(w, text, strlen(text));
		packet_add(w, c->text.buf, c->text.len);
	}
	if (c->verb == CON_COMMIT)
		w->phase = PHASE_COMMIT;
	else if (w->in_txn && !(c->verb == CON_EXECUTE && st->rows)) {
		w->answered = true;
		return true;
	}
	w->packet_sent = w->packet_n;
	w->packet_n = 0;
	conn_query(&w->conn, w->packet.buf, w->packet.len);
	return true;
}

/* The call that event() made before it yielded. */
static void start_call(struct worker *w)
{
	struct load *l = w->thread->load;
	struct con_call *c = &w->con.call;
	struct conn *k = &w->conn;

	add(&w->statements, 1);
	w->phase = PHASE_EVENT;
	k->want_rows = c->verb == CON_EXECUTE && c->rows;
	if (l->o.protocol == LOAD_ONE_PACKET && start_in_packet(w))
		return;
	switch (c->verb) {
	case CON_BEGIN:
	case CON_ROLLBACK:
		w->in_txn |= c->verb == CON_BEGIN;
		conn_command(k, c->text.buf, c->text.len);
		return;
	case CON_QUERY:
		w->wrote = true;
		conn_query(k, c->text.buf, c->text.len);
		return;
	case CON_EXECUTE: {
		const struct script_statement *st = &w->thread->script.statement[c->statement];
		struct strbuf sql = STRBUF_INIT;
		size_t slot = slot_of(w, c->statement, c->table);

		w->wrote |= !st->reads;
		if (l->o.protocol == LOAD_TEXT) {
			strbuf_reset(&w->packet);
			sqltext_add(&w->packet, k->m, st, c);
			(st->plain ? conn_command : conn_query)(k, w->packet.buf, w->packet.len);
			return;
		}
		if (!k->stmt[slot])
			script_sql(st, c->table, &sql);
		conn_execute(k, slot, sql.buf, c);
		strbuf_release(&sql);
		return;
	}
	case CON_COMMIT:
		if (!l->o.ledger_rows) {
			start_commit(w);
			return;
		}
		add(&w->statements, 1);
		w->phase = PHASE_LEDGER_ROW;
		w->ledger_call.n_args = 2;
		w->ledger_call.plain = true;
		w->ledger_call.arg[0] = (struct con_arg){ .number = w->number };
		w->ledger_call.arg[1] = (struct con_arg){ .number = (int64_t)w->seq };
		conn_execute(k, k->n_stmts - 1, LEDGER_SQL, &w->ledger_call);
		return;
	}
}

static void note_resumed(struct worker *w, int rc)
{
	assert(w->co && w->phase != PHASE_ENDED);
	if (rc == 0) {
		lua_settop(w->co, 0);
		event_returned(w);
	} else if (rc != LUA_YIELD) {
		char text[512];

		snprintf(text, sizeof(text), "%s",
			 lua_tostring(w->co, -1) ? lua_tostring(w->co, -1)
						 : "an error that is not text");
		script_failed(w, text);
	} else if (w->con.call.verb == CON_COMMIT && !w->in_txn) {
		script_failed(w, "con:commit() without con:begin()");
	} else if (w->con.call.verb == CON_BEGIN && (w->in_txn || w->committed)) {
		script_failed(w, "an event is one transaction: con:begin() came twice");
	} else if (w->con.call.verb == CON_EXECUTE && w->committed &&
		   w->thread->script.statement[w->con.call.statement].audited) {
		script_failed(
			w,
			"an event is one transaction: a statement with an effect came after con:commit()");
	} else {
		start_call(w);
	}
}

static void resume(struct worker *w, int n_args)
{
	w->answered = false;
	note_resumed(w, lua_resume(w->co, n_args));
	/* a call that waits to travel with later ones has its answer now: nothing is known of it */
	while (w->answered) {
		w->answered = false;
		if (w->con.call.verb == CON_EXECUTE)
			add(w->thread->script.statement[w->con.call.statement].reads ? &w->reads
										     : &w->writes,
			    1);
		note_resumed(w, lua_resume(w->co, 0));
	}
}

void worker_begin(struct worker *w, int64_t due_ns, int64_t now_ns)
{
	lua_State *L = w->thread->script.L;

	if (!w->co) {
		w->co = lua_newthread(L);
		w->co_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	w->phase = PHASE_EVENT;
	w->due_ns = due_ns;
	w->begin_ns = now_ns;
	w->in_txn = w->wrote = w->committed = w->rolled_back = w->autocommitted = false;
	w->position = 0;
	strbuf_reset(&w->packet);
	strbuf_reset(&w->notes);
	w->packet_n = w->packet_sent = 0;
	w->conn.last_gtid = 0;
	assert(w->seq < UINT64_MAX && w->number); /* no sequence twice */
	draw_begin(&w->draw, w->number, ++w->seq);
	add(&w->started, 1);
	lua_rawgeti(w->co, LUA_REGISTRYINDEX, w->thread->script.event_ref);
	lua_rawgeti(w->co, LUA_REGISTRYINDEX, w->con_ref);
	lua_rawgeti(w->co, LUA_REGISTRYINDEX, w->draw_ref);
	lua_rawgeti(w->co, LUA_REGISTRYINDEX, w->thread->script.opt_ref);
	resume(w, 3);
}

static void sent_packet_ended(struct worker *w)
{
	strbuf_reset(&w->packet);
	w->packet_sent = 0;
}

/* What con:execute() returns: rows changed or read, and the rows where the statement is declared
 * with `rows = true`. */
static int push_answer(struct worker *w)
{
	const struct con_call *c = &w->con.call;
	const struct conn *k = &w->conn;
	const struct conn_rows *r = &k->rows;
	lua_State *L = w->co;

	if (c->verb == CON_EXECUTE) {
		if (w->thread->script.statement[c->statement].reads)
			add(&w->reads, 1);
		else if (k->affected)
			add(&w->writes, 1);
	}
	lua_pushnumber(L, (double)k->affected);
	if (!k->want_rows)
		return 1;
	assert(!r->n || (r->columns && r->n % r->columns == 0)); /* whole rows */
	if (!lua_checkstack(L, 8))
		return 1;
	lua_createtable(L, r->columns ? (int)(r->n / r->columns) : 0, 0);
	for (size_t i = 0; i < r->n; i += r->columns) {
		lua_createtable(L, (int)r->columns, 0);
		for (unsigned col = 0; col < r->columns; col++) {
			const struct conn_cell *cell = &r->cell[i + col];

			if (cell->null)
				continue;
			if (cell->number)
				lua_pushnumber(L, strtod(r->bytes.buf + cell->at, NULL));
			else
				lua_pushlstring(L, r->bytes.buf + cell->at, cell->len);
			lua_rawseti(L, -2, (int)col + 1);
		}
		lua_rawseti(L, -2, (int)(i / r->columns) + 1);
	}
	return 2;
}

static void become_ready(struct worker *w)
{
	struct load *l = w->thread->load;

	if (w->was_ready)
		add(&w->reconnects, 1);
	if (!w->was_ready) {
		w->was_ready = true;
		atomic_fetch_add(&l->ready, 1);
	}
	next_transaction(w);
}

static void connect_failed(struct worker *w)
{
	note_failure(w);
	if (w->was_ready && failure_of(w->conn.code, w->conn.text) == FAILURE_LOST) {
		worker_lost(w);
		return;
	}
	hard_error(w, "connect", w->conn.code, w->conn.text);
	worker_end(w);
}

/* {"txn_scope":"global","start_ts":…,"commit_ts":431434047157698561,…}: the TSO; 0: there is none,
 * or it is that of the session's last transaction (this one wrote nothing). */
static uint64_t position_of(struct worker *w, const char *info)
{
	const char *p = strstr(info, "\"commit_ts\":");
	uint64_t tso = p ? strtoull(p + 12, NULL, 10) : 0;

	if (tso == w->conn.last_tso)
		return 0;
	return w->conn.last_tso = tso;
}

static void note_connected(struct worker *w)
{
	struct conn *k = &w->conn;

	if (k->failed) {
		connect_failed(w);
		return;
	}
	k->tidb = strstr(mysql_get_server_info(k->m), "TiDB") != NULL;
	w->phase = w->thread->load->o.protocol == LOAD_ONE_PACKET ? PHASE_SESSION_MULTI
								  : PHASE_SESSION;
	k->want_rows = false;
	if (w->phase == PHASE_SESSION)
		conn_query(k, SESSION_SQL, strlen(SESSION_SQL));
	else
		conn_query(k, SESSION_MULTI_SQL, strlen(SESSION_MULTI_SQL));
}

/* A comment that a statement leaves open hides those behind it from the server, COMMIT too. */
static void check_packet_answered(struct worker *w)
{
	struct conn *k = &w->conn;

	if (k->failed || k->results >= w->packet_sent)
		return;
	k->failed = true;
	k->code = CR_NO_DATA;
	snprintf(k->text, sizeof(k->text),
		 "the server answered %u of %u statements that were sent as one packet: does one "
		 "of them leave a comment open?",
		 k->results, w->packet_sent);
}

static void commit_answered(struct worker *w)
{
	struct conn *k = &w->conn;

	check_packet_answered(w);
	if (k->failed) {
		/* of a transaction in one packet: a statement before COMMIT said no, and
		 * the server read no further */
		event_failed(w, failure_of(k->code, k->text) == FAILURE_LOST ||
					k->results + 1 >= w->packet_sent);
		return;
	}
	sent_packet_ended(w);
	assert(!k->failed && !w->committed); /* an acknowledgement, once */
	w->end_ns = clock_mono_ns();
	w->in_txn = false;
	w->committed = true;
	w->position = k->last_gtid;
	/* of one that only read, it tells an earlier one's */
	if (k->tidb && (w->wrote || w->thread->load->o.ledger_rows)) {
		w->phase = PHASE_POSITION;
		k->want_rows = true;
		conn_query(k, POSITION_SQL, strlen(POSITION_SQL));
		return;
	}
	resume(w, 0);
}

/* The operation that was under way is done. */
static void operation_done(struct worker *w)
{
	struct conn *k = &w->conn;

	switch (w->phase) {
	case PHASE_CONNECT: note_connected(w); return;
	case PHASE_SESSION_MULTI:
		if (k->failed && failure_of(k->code, k->text) == FAILURE_LOST) {
			connect_failed(w);
			return;
		}
		w->phase = PHASE_SESSION; /* a server without that variable needs no telling */
		conn_query(k, SESSION_SQL, strlen(SESSION_SQL));
		return;
	case PHASE_SESSION:
		if (k->failed && failure_of(k->code, k->text) == FAILURE_LOST)
			connect_failed(w);
		else
			become_ready(w); /* a server without that variable gives no positions */
		return;
	case PHASE_EVENT:
		check_packet_answered(w);
		if (k->failed) {
			event_failed(w, false);
			return;
		}
		if (w->con.call.verb == CON_ROLLBACK) {
			w->in_txn = false;
			w->rolled_back = true;
		} else if (!w->in_txn && !w->committed && !k->gave_rows && k->affected) {
			w->autocommitted = true;
		}
		sent_packet_ended(w);
		resume(w, push_answer(w));
		return;
	case PHASE_LEDGER_ROW:
		if (k->failed) {
			event_failed(w, false);
			return;
		}
		add(&w->writes, 1);
		start_commit(w);
		return;
	case PHASE_COMMIT: commit_answered(w); return;
	case PHASE_POSITION:
		/* lost by now: the commit is acknowledged all the same, its position is not known
		 */
		if (!k->failed && k->rows.n == 1 && !k->rows.cell[0].null)
			w->position = position_of(w, k->rows.bytes.buf + k->rows.cell[0].at);
		w->phase = PHASE_EVENT;
		resume(w, 0);
		return;
	case PHASE_ROLLBACK:
		if (k->failed) {
			note_failure(w);
			worker_lost(w);
		} else if (w->pause && !atomic_load(&w->thread->load->stopping)) {
			wait_a_while(w, PHASE_PAUSE);
		} else {
			next_transaction(w);
		}
		return;
	case PHASE_IDLE:
	case PHASE_BACKOFF:
	case PHASE_PAUSE:
	case PHASE_ENDED: return;
	}
}

static bool has_operation(const struct worker *w)
{
	return w->phase != PHASE_IDLE && w->phase != PHASE_BACKOFF && w->phase != PHASE_PAUSE &&
	       w->phase != PHASE_ENDED;
}

void worker_ready(struct worker *w, int ready)
{
	if (ready && has_operation(w) && w->conn.wait)
		conn_continue(&w->conn, ready);
	/* an operation that needed no waiting is done already: then the next one, until there is
	 * something to wait for */
	while (has_operation(w) && !w->conn.wait)
		operation_done(w);
	if (has_operation(w))
		watch(w);
}

void worker_tick(struct worker *w, int64_t now_ns)
{
	struct load *l = w->thread->load;

	if (w->phase == PHASE_BACKOFF && now_ns >= w->wake_ns) {
		atomic_fetch_sub(&l->held, 1);
		if (atomic_load(&l->stopping))
			worker_end(w);
		else
			worker_connect(w);
		worker_ready(w, 0);
	} else if (w->phase == PHASE_PAUSE && (now_ns >= w->wake_ns || atomic_load(&l->stopping))) {
		atomic_fetch_sub(&l->held, 1);
		next_transaction(w);
		worker_ready(w, 0);
	} else if (atomic_load(&l->cutting) && w->phase <= PHASE_SESSION) {
		worker_end(w);
	} else if (has_operation(w) && w->conn.wait) {
		if (atomic_load(&l->cutting))
			conn_cut(&w->conn);
		if (w->conn.wait & MYSQL_WAIT_TIMEOUT && now_ns >= w->conn.timeout_ns)
			worker_ready(w, MYSQL_WAIT_TIMEOUT);
	}
}
