#include "workloads/conn.h"

#include <errmsg.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "harness/base/xalloc.h"
#include "harness/sql/login.h"
#include "workloads/outcome.h"
#include "workloads/wire.h"

#define CONNECT_TIMEOUT_S 5u
/* An outcome is what the server says, not what a time-out guesses. It may take its time: a lock
 * wait of InnoDB 50 s, TiDB without its TiKV 82 s, without its PD 102 s. A server that was killed
 * is noticed at once by its machine's RST, a machine without power by the next two. */
#define READ_TIMEOUT_S 150u
/* An acknowledgement has to mean what it says, whatever the server's globals and its init_connect
 * are: no transaction may be open behind it. */
#define SESSION "SET SESSION autocommit = 1, completion_type = 0"
/* packets, and keep-alive probes, that no machine acknowledges */
#define UNANSWERED_MS 20000
#define KEEPALIVE_S 5
#define ANSWER_BYTES 256 /* room for one read of an answer */
/* arguments' and a text's bytes: beyond, a packet would have to be cut */
#define PACKET_BYTES_MAX ((size_t)8 << 20)

static void end(struct conn *l, bool ok, int code, const char *text)
{
	l->wait = 0;
	l->op = LINK_NONE;
	l->failed = !ok;
	if (!ok) {
		l->code = code ? code : CR_UNKNOWN_ERROR;
		snprintf(l->text, sizeof(l->text), "%s",
			 text && *text ? text : "the client library gives no reason");
	}
}

/* MariaDB tells it in the OK packet of COMMIT when last_gtid is tracked. */
static void note_gtid(struct conn *l)
{
	const char *data;
	size_t n;
	bool value_next = false;

	if (!(l->m->server_status & SERVER_SESSION_STATE_CHANGED))
		return;
	for (int more =
		     mysql_session_track_get_first(l->m, SESSION_TRACK_SYSTEM_VARIABLES, &data, &n);
	     more == 0;
	     more = mysql_session_track_get_next(l->m, SESSION_TRACK_SYSTEM_VARIABLES, &data, &n)) {
		if (value_next) {
			uint64_t seq = wire_gtid(data, n);

			if (seq)
				l->last_gtid = seq;
			value_next = false;
		} else {
			value_next = n == 9 && memcmp(data, "last_gtid", 9) == 0;
		}
	}
}

static void step_conn(struct conn *l, int wait);

/* A machine that vanishes acknowledges nothing any more, and answers no probe: the socket then ends
 * with an error of its own. */
static void watch_the_peer(struct conn *l)
{
	int fd = mysql_get_socket(l->m), on = 1, idle = KEEPALIVE_S, unanswered = UNANSWERED_MS;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof(unanswered));
}

/* It is, as was asked for (TLS), or is not. */
static void check_connected(struct conn *l)
{
	struct err e = ERR_INIT;

	if (!l->ret_m) {
		int code = (int)mysql_errno(l->m);

		login_failed(l->m, l->endpoint, &e);
		end(l, false, code, strncmp(e.text, "connect: ", 9) ? e.text : e.text + 9);
	} else if (login_check(l->m, l->endpoint, &e) < 0) {
		end(l, false, CR_SSL_CONNECTION_ERROR, e.text);
	} else {
		watch_the_peer(l);
		l->fd = mysql_get_socket(l->m);
		l->hung_up = false;
		l->plain_text = !mysql_get_ssl_cipher(l->m) && !l->m->net.compress;
		end(l, true, 0, NULL);
	}
}

static bool is_number(enum enum_field_types t)
{
	return t <= MYSQL_TYPE_DOUBLE || t == MYSQL_TYPE_LONGLONG || t == MYSQL_TYPE_INT24 ||
	       t == MYSQL_TYPE_NEWDECIMAL || t == MYSQL_TYPE_YEAR;
}

static struct conn_cell *new_cell(struct conn_rows *r)
{
	XGROW(r->cell, r->n, r->room, 16);
	return &r->cell[r->n++];
}

static void rows_reset(struct conn_rows *r, unsigned columns)
{
	r->n = 0;
	r->columns = columns;
	strbuf_reset(&r->bytes);
}

static bool keep_text_rows(struct conn *l)
{
	struct conn_rows *r = &l->rows;
	unsigned columns = mysql_num_fields(l->ret_res);
	MYSQL_FIELD *field = mysql_fetch_fields(l->ret_res);

	rows_reset(r, columns);
	for (MYSQL_ROW row; (row = mysql_fetch_row(l->ret_res));) {
		unsigned long *len = mysql_fetch_lengths(l->ret_res);

		for (unsigned i = 0; i < columns; i++) {
			*new_cell(r) = (struct conn_cell){ .at = r->bytes.len,
							   .len = len[i],
							   .null = !row[i],
							   .number = is_number(field[i].type) };
			strbuf_add(&r->bytes, row[i] ? row[i] : "", row[i] ? len[i] : 0);
			strbuf_add(&r->bytes, "", 1);
		}
		if (r->bytes.len > LINK_ROWS_BYTES_MAX)
			return false;
	}
	return true;
}

/* A statement's rows, all as text: their widths are known, as the result is stored. */
static bool keep_stmt_rows(struct conn *l)
{
	struct conn_rows *r = &l->rows;
	MYSQL_RES *meta = mysql_stmt_result_metadata(l->current);
	unsigned columns = meta ? mysql_num_fields(meta) : 0;
	MYSQL_FIELD *field = meta ? mysql_fetch_fields(meta) : NULL;
	MYSQL_BIND *bind = xcalloc(columns + 1, sizeof(*bind));
	unsigned long *len = xcalloc(columns + 1, sizeof(*len));
	my_bool *null = xcalloc(columns + 1, sizeof(*null));
	bool ok = true;

	rows_reset(r, columns);
	/* no buffers yet: a fetch tells the lengths, then each column is fetched into its place */
	for (unsigned i = 0; i < columns; i++)
		bind[i] = (MYSQL_BIND){ .buffer_type = MYSQL_TYPE_STRING,
					.length = &len[i],
					.is_null = &null[i] };
	if (!columns || mysql_stmt_bind_result(l->current, bind))
		ok = false;
	while (ok) {
		int rc = mysql_stmt_fetch(l->current);

		if (rc == MYSQL_NO_DATA)
			break;
		ok = rc == 0 || rc == MYSQL_DATA_TRUNCATED;
		for (unsigned i = 0; ok && i < columns; i++) {
			bool number = is_number(field[i].type);
			/* numbers tell no text length before they are converted: any of them fits
			 * this */
			unsigned long room = number && len[i] < 80 ? 80 : len[i];
			char *to;

			*new_cell(r) = (struct conn_cell){ .at = r->bytes.len,
							   .null = null[i],
							   .number = number };
			strbuf_grow(&r->bytes, room + 1);
			to = r->bytes.buf + r->bytes.len;
			if (!null[i]) {
				unsigned long got = 0;
				MYSQL_BIND one = { .buffer_type = MYSQL_TYPE_STRING,
						   .buffer = to,
						   .buffer_length = room + 1,
						   .length = &got };

				if (mysql_stmt_fetch_column(l->current, &one, i, 0) || got > room)
					ok = false;
				else
					r->cell[r->n - 1].len = got;
			}
			to[r->cell[r->n - 1].len] = '\0';
			r->bytes.len += r->cell[r->n - 1].len + 1;
		}
		ok = ok && r->bytes.len <= LINK_ROWS_BYTES_MAX;
	}
	mysql_free_result(meta);
	free(bind);
	free(len);
	free(null);
	return ok;
}

/* One answer of a query is read: the next one, where it has several statements. */
static void next_result(struct conn *l)
{
	l->results++;
	if (!mysql_more_results(l->m)) {
		end(l, true, 0, NULL);
		return;
	}
	l->op = LINK_NEXT;
	step_conn(l, mysql_next_result_start(&l->ret, l->m));
}

/* A prepared statement failed: the library may still wait for the rest of its answer, or keep what
 * was never prepared, and nothing of that would come when it is used again. It is closed, and
 * prepared anew when it is next used. */
static void statement_failed(struct conn *l, int code, const char *text)
{
	end(l, false, code, text);
	if (failure_of(l->code, l->text) == FAILURE_LOST)
		return; /* it goes with its connection */
	for (size_t i = 0; i < l->n_stmts; i++)
		if (l->stmt[i] == l->current)
			l->stmt[i] = NULL;
	l->op = LINK_CLOSE_STMT;
	step_conn(l, mysql_stmt_close_start(&l->ret_bool, l->current));
}

/* ---- commands over the socket ---- */

/* Of a command that was begun nobody knows whether the server has it. */
static void command_lost(struct conn *l, const char *why)
{
	char text[200];

	snprintf(text, sizeof(text), "Lost connection to server during query (%s)", why);
	end(l, false, CR_SERVER_LOST, text);
}

static void await(struct conn *l, int what)
{
	l->wait = what | MYSQL_WAIT_TIMEOUT;
	l->timeout_ns = clock_mono_ns() + READ_TIMEOUT_S * INT64_C(1000000000);
}

static void read_command_answer(struct conn *l)
{
	struct wire_answer a;
	int whole = 0;

	do {
		ssize_t n;
		size_t room;

		strbuf_grow(&l->in, ANSWER_BYTES);
		room = l->in.alloc - l->in.len - 1;
		n = recv(l->fd, l->in.buf + l->in.len, room, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			await(l, MYSQL_WAIT_READ);
			return;
		}
		if (n <= 0) {
			command_lost(l, n ? strerror(errno) : "it was closed");
			return;
		}
		l->in.len += (size_t)n;
		whole = wire_answer((const unsigned char *)l->in.buf, l->in.len,
				    l->m->server_capabilities & CLIENT_SESSION_TRACKING, &a);
	} while (!whole);
	if (whole < 0) {
		end(l, false, CR_MALFORMED_PACKET, "the server's answer is none to this command");
	} else if (a.code) {
		end(l, false, a.code, a.text);
	} else {
		l->affected = a.affected;
		if (a.gtid)
			l->last_gtid = a.gtid;
		l->results = 1;
		end(l, true, 0, NULL);
	}
}

static void send_command(struct conn *l)
{
	while (l->sent < l->out.len) {
		ssize_t n = send(l->fd, l->out.buf + l->sent, l->out.len - l->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			await(l, MYSQL_WAIT_WRITE);
			return;
		}
		if (n < 0) { /* a server that takes no more may have said why */
			l->hung_up = true;
			break;
		}
		l->sent += (size_t)n;
	}
	if (l->hung_up)
		read_command_answer(l);
	else
		await(l, MYSQL_WAIT_READ); /* it can't be there yet: nobody asks the kernel */
}

static void continue_command(struct conn *l, int ready)
{
	if (!(ready & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE)))
		command_lost(l, "no answer in time");
	else if (l->sent < l->out.len)
		send_command(l);
	else
		read_command_answer(l);
}

static void start_command(struct conn *l)
{
	l->op = LINK_COMMAND;
	l->sent = l->results = 0;
	l->gave_rows = false;
	strbuf_reset(&l->in);
	send_command(l);
}

void conn_command(struct conn *l, const char *text, size_t n)
{
	if (!l->plain_text || n >= PACKET_BYTES_MAX) {
		conn_query(l, text, n);
		return;
	}
	wire_query(&l->out, text, n);
	start_command(l);
}

/* ---- */

static void start_execute(struct conn *l)
{
	/* the library copies it; what it points to is the call's */
	MYSQL_BIND bind[SCRIPT_ARGS_MAX];

	if (l->plain_text && l->call->plain && l->call->text.len < PACKET_BYTES_MAX &&
	    l->current->param_count == l->call->n_args) {
		wire_execute(&l->out, l->current->stmt_id, l->call);
		start_command(l);
		return;
	}
	memset(bind, 0, sizeof(*bind) * l->call->n_args);
	for (unsigned i = 0; i < l->call->n_args; i++) {
		struct con_arg *a = &l->call->arg[i];

		bind[i].buffer_type = a->is_text ? MYSQL_TYPE_STRING : MYSQL_TYPE_LONGLONG;
		bind[i].buffer = a->is_text ? (void *)a->text : (void *)&a->number;
		bind[i].buffer_length = a->len;
		bind[i].length = a->is_text ? &a->len : NULL;
	}
	if (mysql_stmt_param_count(l->current) != l->call->n_args ||
	    (l->call->n_args && mysql_stmt_bind_param(l->current, bind))) {
		statement_failed(l, CR_PARAMS_NOT_BOUND, "the statement's values cannot be bound");
		return;
	}
	l->op = LINK_EXECUTE;
	step_conn(l, mysql_stmt_execute_start(&l->ret, l->current));
}

/* An operation's call has returned: what comes next, if anything. */
static void step_conn(struct conn *l, int wait)
{
	l->wait = wait;
	if (wait) {
		if (wait & MYSQL_WAIT_TIMEOUT)
			l->timeout_ns = clock_mono_ns() +
					(int64_t)mysql_get_timeout_value_ms(l->m) * 1000000;
		return;
	}
	switch (l->op) {
	case LINK_CONNECT: check_connected(l); return;
	case LINK_QUERY:
	case LINK_NEXT:
		if (l->ret) {
			end(l, false, (int)mysql_errno(l->m), mysql_error(l->m));
		} else if (mysql_field_count(l->m)) {
			l->op = LINK_STORE;
			step_conn(l, mysql_store_result_start(&l->ret_res, l->m));
		} else {
			l->affected = mysql_affected_rows(l->m);
			note_gtid(l);
			next_result(l);
		}
		return;
	case LINK_STORE:
		if (!l->ret_res) {
			end(l, false, (int)mysql_errno(l->m), mysql_error(l->m));
			return;
		}
		l->gave_rows = true;
		l->affected = mysql_num_rows(l->ret_res);
		bool kept = !l->want_rows || keep_text_rows(l);
		mysql_free_result(l->ret_res);
		l->ret_res = NULL;
		if (kept)
			next_result(l);
		else
			end(l, false, CR_OUT_OF_MEMORY, "more rows than a load may read at once");
		return;
	case LINK_PREPARE:
		if (l->ret)
			statement_failed(l, (int)mysql_stmt_errno(l->current),
					 mysql_stmt_error(l->current));
		else
			start_execute(l);
		return;
	case LINK_EXECUTE:
		if (l->ret) {
			statement_failed(l, (int)mysql_stmt_errno(l->current),
					 mysql_stmt_error(l->current));
		} else if (mysql_stmt_field_count(l->current)) {
			l->op = LINK_STORE_STMT;
			step_conn(l, mysql_stmt_store_result_start(&l->ret, l->current));
		} else {
			l->affected = mysql_stmt_affected_rows(l->current);
			note_gtid(l);
			end(l, true, 0, NULL);
		}
		return;
	case LINK_STORE_STMT:
		if (l->ret) {
			statement_failed(l, (int)mysql_stmt_errno(l->current),
					 mysql_stmt_error(l->current));
			return;
		}
		l->gave_rows = true;
		l->affected = mysql_stmt_num_rows(l->current);
		if (!l->want_rows || keep_stmt_rows(l)) {
			end(l, true, 0, NULL);
			/* it is stored: nothing is asked of the server */
			mysql_stmt_free_result(l->current);
		} else {
			statement_failed(l, CR_OUT_OF_MEMORY,
					 "more rows than a load may read at once");
		}
		return;
	case LINK_CLOSE_STMT: /* what failed is told already */
		l->current = NULL;
		l->op = LINK_NONE;
		return;
	default: return; /* commands have their own */
	}
}

void conn_continue(struct conn *l, int ready)
{
	switch (l->op) {
	case LINK_CONNECT: step_conn(l, mysql_real_connect_cont(&l->ret_m, l->m, ready)); return;
	case LINK_QUERY: step_conn(l, mysql_real_query_cont(&l->ret, l->m, ready)); return;
	case LINK_STORE: step_conn(l, mysql_store_result_cont(&l->ret_res, l->m, ready)); return;
	case LINK_NEXT: step_conn(l, mysql_next_result_cont(&l->ret, l->m, ready)); return;
	case LINK_PREPARE:
		step_conn(l, mysql_stmt_prepare_cont(&l->ret, l->current, ready));
		return;
	case LINK_EXECUTE:
		step_conn(l, mysql_stmt_execute_cont(&l->ret, l->current, ready));
		return;
	case LINK_STORE_STMT:
		step_conn(l, mysql_stmt_store_result_cont(&l->ret, l->current, ready));
		return;
	case LINK_CLOSE_STMT:
		step_conn(l, mysql_stmt_close_cont(&l->ret_bool, l->current, ready));
		return;
	case LINK_COMMAND: continue_command(l, ready); return;
	case LINK_NONE: return;
	}
}

void conn_connect(struct conn *l, const struct sql_endpoint *ep, const char *db, bool multi)
{
	unsigned connect_s = CONNECT_TIMEOUT_S, io_s = READ_TIMEOUT_S;

	l->m = mysql_init(NULL);
	if (!l->m) {
		end(l, false, CR_OUT_OF_MEMORY, "out of memory");
		return;
	}
	mysql_options(l->m, MYSQL_OPT_NONBLOCK, 0);
	mysql_options(l->m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(l->m, MYSQL_OPT_READ_TIMEOUT, &io_s);
	mysql_options(l->m, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	mysql_options(l->m, MYSQL_INIT_COMMAND, SESSION);
	login_options(l->m, ep);
	l->endpoint = ep;
	l->op = LINK_CONNECT;
	step_conn(l, mysql_real_connect_start(&l->ret_m, l->m, ep->host, ep->user, ep->password, db,
					      ep->port, NULL, multi ? CLIENT_MULTI_STATEMENTS : 0));
}

void conn_query(struct conn *l, const char *text, size_t n)
{
	l->op = LINK_QUERY;
	l->results = 0;
	l->gave_rows = false;
	step_conn(l, mysql_real_query_start(&l->ret, l->m, text, n));
}

void conn_execute(struct conn *l, size_t slot, const char *sql, struct con_call *call)
{
	l->call = call;
	l->gave_rows = false;
	l->current = l->stmt[slot];
	if (l->current) {
		start_execute(l);
		return;
	}
	l->current = l->stmt[slot] = mysql_stmt_init(l->m);
	if (!l->current) {
		end(l, false, CR_OUT_OF_MEMORY, "out of memory");
		return;
	}
	strbuf_reset(&l->sql_text);
	strbuf_addstr(&l->sql_text, sql);
	l->op = LINK_PREPARE;
	step_conn(l,
		  mysql_stmt_prepare_start(&l->ret, l->current, l->sql_text.buf, l->sql_text.len));
}

void conn_cut(struct conn *l)
{
	if (l->m && mysql_get_socket(l->m) != MARIADB_INVALID_SOCKET)
		shutdown(mysql_get_socket(l->m), SHUT_RDWR);
}

void conn_close(struct conn *l)
{
	/* the connection first: statements of a closed one are freed without a word to the server
	 */
	if (l->m)
		mysql_close(l->m);
	l->m = NULL;
	for (size_t i = 0; i < l->n_stmts; i++) {
		if (l->stmt[i])
			mysql_stmt_close(l->stmt[i]);
		l->stmt[i] = NULL;
	}
	l->current = NULL;
	l->op = LINK_NONE;
	l->wait = 0;
	l->last_tso = 0;
	l->watched_fd = l->fd = -1;
}

void conn_release(struct conn *l)
{
	strbuf_release(&l->sql_text);
	strbuf_release(&l->out);
	strbuf_release(&l->in);
	strbuf_release(&l->rows.bytes);
	free(l->rows.cell);
	free(l->stmt);
	l->rows = (struct conn_rows){ .bytes = STRBUF_INIT };
	l->stmt = NULL;
}
