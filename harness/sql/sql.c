#include "harness/sql/sql.h"

#include <errmsg.h>
#include <errno.h>
#include <inttypes.h>
#include <ma_pvio.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/base/secret.h"
#include "harness/base/xalloc.h"
#include "harness/sql/login.h"
#include "harness/sql/long_statement.h"

#define PATIENCE_S 3600
#define SILENT_MS 30000 /* of silence: then another login is tried */
#define MUTE_LOOKS 4    /* so many in a row without an answer: the server is mute */
#define BRIEF_MS 30000
#define BRIEF_BYTES_MAX ((uint64_t)64 << 20)
#define STORED_BYTES_MAX ((uint64_t)512 << 20) /* as they come; in memory they are more */
#define ALWAYS_FITS ((size_t)512 << 10)        /* into a packet of whatever server */
#define CONNECT_S 10
#define LOGIN_WAITS 3 /* a whole login has so many times what one of its waits may take */
#define KILL_MS 10000
#define GUARD_US 20000          /* between two looks */
#define STATEMENT_SHOWN_MAX 160 /* bytes of a statement in an error */

struct sql {
	MYSQL *m;
	struct sql_endpoint ep;
	uint64_t id;
	uint64_t packet_bytes_max; /* the session's max_allowed_packet; 0: not asked yet */
	my_socket fd;
	struct sql *next; /* of all that are open */
	int64_t patience_ms;
	bool repeatable; /* sql_repeatable() was said */
	bool brief;      /* sql_briefly() was said */
};

/* ---- answers that are stored: a server may send without an end, or a byte now and then */

static _Thread_local struct answer {
	MYSQL *m; /* NULL: none is being read */
	uint64_t bytes, bytes_max;
	struct deadline end;
	bool brief, late, large;
} answer;
static _Thread_local int64_t mute_ms; /* so long this thread's server was mute; 0: it was not */

/* Exported, and in none of the library's headers. */
int ma_pvio_register_callback(my_bool on, void (*fn)(enum enum_pvio_operation mode, MYSQL *m,
						     const unsigned char *data, size_t n));

/* Of each read of any connection, by its thread. */
static void watch_answer(enum enum_pvio_operation mode, MYSQL *m, const unsigned char *data,
			 size_t n)
{
	(void)data;
	if (mode != PVIO_READ || !m || m != answer.m || n > SIZE_MAX / 2)
		return;
	answer.bytes += n;
	answer.late = answer.brief && deadline_passed(answer.end);
	if ((answer.large = answer.bytes > answer.bytes_max) || answer.late)
		shutdown((int)mysql_get_socket(m), SHUT_RDWR);
}

static void begin_answer(struct sql *s)
{
	static atomic_flag registered = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&registered))
		ma_pvio_register_callback(true, watch_answer);
	answer = (struct answer){ .m = s->m,
				  .bytes_max = s->brief ? BRIEF_BYTES_MAX : STORED_BYTES_MAX,
				  .end = deadline_in_ms(BRIEF_MS),
				  .brief = s->brief };
	if (s->brief)
		sql_patience(s, BRIEF_MS);
}

static const char *end_answer(void)
{
	const char *why = mute_ms ? " (it has not answered for two minutes, nor does a second "
				    "login get an answer)"
			  : answer.large ? " (the server's answer does not end)"
			  : answer.late || (answer.brief && deadline_passed(answer.end))
				  ? " (the server did not complete its answer within half a minute)"
				  : "";

	answer = (struct answer){ .m = NULL };
	mute_ms = 0;
	return why;
}

/* ---- silence: a statement may work for an hour without a byte, a server that is mute may not */

static struct {
	pthread_mutex_t lock;
	struct sql *first;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void list_session(struct sql *s)
{
	pthread_mutex_lock(&all.lock);
	s->next = all.first;
	all.first = s;
	pthread_mutex_unlock(&all.lock);
}

static void unlist_session(struct sql *s)
{
	pthread_mutex_lock(&all.lock);
	for (struct sql **at = &all.first; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	pthread_mutex_unlock(&all.lock);
}

/* A login that is refused is an answer. */
static bool is_mute(const struct sql_endpoint *ep)
{
	struct err e = ERR_INIT;
	struct sql *s = sql_open(ep, deadline_in_ms(CONNECT_S * 1000), &e);

	sql_close(s);
	return !s && e.kind == ERR_GONE;
}

/* The library's wait for a server; its own limit is of the login where the connection has TLS. */
static int wait_for_server(my_socket fd, my_bool is_read, int ms)
{
	struct pollfd p = { .fd = (int)fd, .events = is_read ? POLLIN : POLLOUT };
	struct sql_endpoint ep = { .port = 0 };
	struct deadline end;

	pthread_mutex_lock(&all.lock);
	for (const struct sql *s = all.first; s && !ep.port; s = s->next)
		if (s->fd == fd) { /* the newest: an older one has lost it */
			ep = s->ep;
			ms = is_read ? (int)s->patience_ms : PATIENCE_S * 1000;
		}
	pthread_mutex_unlock(&all.lock);
	end = deadline_in_ms(ms > 0 ? ms : INT32_MAX);
	for (unsigned mute = 0; mute < MUTE_LOOKS && !deadline_passed(end);) {
		int64_t left = deadline_left_ms(end);
		int rc = poll(&p, 1, (int)(left < SILENT_MS ? left : SILENT_MS));

		if (rc > 0 || (rc < 0 && errno != EINTR))
			return rc;
		if (rc == 0 && left > SILENT_MS && ep.port)
			mute = is_mute(&ep) ? mute + 1 : 0;
		mute_ms = mute == MUTE_LOOKS ? ms - deadline_left_ms(end) : 0;
	}
	errno = ETIMEDOUT;
	return 0;
}

struct sql *sql_briefly(struct sql *s)
{
	return s ? (s->brief = true, s) : NULL;
}

static bool is_lost(unsigned code)
{
	return code == CR_SERVER_GONE_ERROR || code == CR_SERVER_LOST ||
	       code == CR_CONN_HOST_ERROR || code == CR_CONNECTION_ERROR ||
	       code == CR_SSL_CONNECTION_ERROR || code == 1927 /* connection was killed */ ||
	       code == 1053 /* server shutdown in progress */;
}

int sql_error_code(unsigned code, const char *message, struct err *e, const char *what)
{
	enum err_kind kind = is_lost(code)                  ? ERR_GONE
			     : code == 1205 || code == 1213 ? ERR_CONFLICT
							    : ERR_SQL;

	return err_set(e, kind, (int)code, "%s: %s (%u)", what, message, code);
}

int sql_error(MYSQL *m, struct err *e, const char *what)
{
	return sql_error_code(mysql_errno(m), mysql_error(m), e, what);
}

/* Nothing of this machine goes to a server that asks for it; who really sends a file installs a
 * handler of its own. */
static int no_file(void **ptr, const char *name, void *userdata)
{
	(void)name;
	(void)userdata;
	*ptr = NULL;
	return 1;
}

static int no_file_read(void *ptr, char *buf, unsigned n)
{
	(void)ptr;
	(void)buf;
	(void)n;
	return -1;
}

static void no_file_end(void *ptr)
{
	(void)ptr;
}

static int no_file_error(void *ptr, char *text, unsigned n)
{
	(void)ptr;
	snprintf(text, n, "the server asked for a file");
	return 2000;
}

/* A session of ours whatever the server's globals and its init_connect are. */
#define SESSION                                                                                  \
	"SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, time_zone = '+00:00', autocommit = 1,"    \
	" sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"   \
	" unique_checks = 1, completion_type = 0, sql_safe_updates = 0,"                         \
	" sql_select_limit = 18446744073709551615, sql_big_selects = 1, max_error_count = 65535," \
	" sql_quote_show_create = 1"
static const char *const session_of[] = {
	[SQL_MARIADB] = SESSION ", tx_read_only = 0, max_statement_time = 0"
				" /*M!100304 , system_versioning_asof = DEFAULT */"
				" /*M!100307 , alter_algorithm = 'DEFAULT' */"
				" /*M!100502 , sql_if_exists = 0 */",
	[SQL_MYSQL] = SESSION ", transaction_read_only = 0, max_execution_time = 0",
	[SQL_TIDB] = SESSION ", tx_read_only = 0",
};

struct sql *sql_open(const struct sql_endpoint *ep, struct deadline d, struct err *e)
{
	struct sql *s = xcalloc(1, sizeof(*s));
	int64_t left_ms = deadline_left_ms(d);
	unsigned connect_s = left_ms > CONNECT_S * 1000 ? CONNECT_S
							: (unsigned)((left_ms + 999) / 1000),
		 io_s = PATIENCE_S;
	struct strbuf who = STRBUF_INIT;
	int rc = -1;

	s->ep = *ep;
	secret_know(ep->password);
	s->m = mysql_init(NULL);
	sql_endpoint_text(ep, &who);
	if (!s->m) {
		err_set(e, ERR_ENV, 0, "cannot initialize the client library");
		goto out;
	}
	if (!connect_s)
		connect_s = 1;
	mysql_options(s->m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	/* of the handshake; statements get theirs below */
	mysql_options(s->m, MYSQL_OPT_READ_TIMEOUT, &connect_s);
	mysql_options(s->m, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	mysql_options(s->m, MYSQL_OPT_LOCAL_INFILE, &(unsigned){ 1 });
	mysql_set_local_infile_handler(s->m, no_file, no_file_read, no_file_end, no_file_error,
				       NULL);
	login_limit(s->m, (int64_t)LOGIN_WAITS * 1000 * connect_s);
	login_options(s->m, ep);
	if (!mysql_real_connect(s->m, ep->host, ep->user, ep->password, NULL, ep->port, NULL, 0)) {
		login_failed(s->m, ep, e);
		err_wrap(e, "%s", who.buf);
		goto out;
	}
	if (login_check(s->m, ep, e) < 0) {
		err_wrap(e, "%s", who.buf);
		goto out;
	}
	if (mysql_query(s->m, session_of[sql_flavor(s)])) {
		sql_error(s->m, e, "set up the session");
		err_wrap(e, "%s", who.buf);
		goto out;
	}
	sql_patience(s, 0);
	s->id = mysql_thread_id(s->m);
	s->fd = mysql_get_socket(s->m);
	list_session(s);
	rc = 0;
out:
	if (s->m)
		login_limit(s->m, 0);
	if (rc == 0)
		mysql_options(s->m, MARIADB_OPT_IO_WAIT, (const void *)wait_for_server);
	strbuf_release(&who);
	if (rc < 0) {
		sql_close(s);
		return NULL;
	}
	return s;
}

void sql_close(struct sql *s)
{
	if (!s)
		return;
	unlist_session(s);
	if (s->m)
		mysql_close(s->m);
	free(s);
}

struct sql_guard {
	struct sql *s;
	uint64_t id; /* as the server knows it: that of a greeting is cut to 32 bits */
	pthread_t thread;
	atomic_bool over;
	bool ended;
};

static void kill_session(const struct sql_guard *g)
{
	bool tidb = sql_flavor(g->s) == SQL_TIDB;
	struct sql *s = sql_open(&g->s->ep, deadline_in_ms(KILL_MS), NULL);

	if (s)
		sql_exec(s, NULL, "KILL %s%" PRIu64, tidb ? "TIDB " : "", g->id);
	sql_close(s);
}

static void *guard_main(void *arg)
{
	struct sql_guard *g = arg;

	mysql_thread_init();
	while (!atomic_load(&g->over)) {
		if (clock_cancelled() && !g->ended) {
			g->ended = true;
			kill_session(g);
			if (!atomic_load(&g->over)) /* where KILL was not heard */
				shutdown((int)mysql_get_socket(g->s->m), SHUT_RDWR);
		}
		usleep(GUARD_US);
	}
	mysql_thread_end();
	return NULL;
}

struct sql_guard *sql_guard_begin(struct sql *s, struct err *e)
{
	struct sql_guard *g = xcalloc(1, sizeof(*g));
	int rc;

	g->s = s;
	g->id = s->id;
	if (sql_flavor(s) == SQL_TIDB &&
	    sql_value_u64(s, &g->id, e, "SELECT CONNECTION_ID()") < 0) {
		free(g);
		return NULL;
	}
	rc = pthread_create(&g->thread, NULL, guard_main, g);
	if (rc) {
		err_set(e, ERR_IO, rc, "start a thread: %s", strerror(rc));
		free(g);
		return NULL;
	}
	return g;
}

uint64_t sql_guard_session(const struct sql_guard *g)
{
	return g->id;
}

int sql_guard_end(struct sql_guard *g, struct err *e)
{
	bool ended;

	atomic_store(&g->over, true);
	pthread_join(g->thread, NULL);
	ended = g->ended;
	free(g);
	return ended ? err_set(e, ERR_CANCELLED, 0,
			       "interrupted: the statement was ended with KILL")
		     : 0;
}

void sql_patience(struct sql *s, int64_t ms)
{
	s->patience_ms = ms ? ms : PATIENCE_S * 1000;
	if (s->m->net.pvio) /* none: it is lost already */
		s->m->net.pvio->timeout[PVIO_READ_TIMEOUT] = (int)s->patience_ms;
}

MYSQL *sql_handle(struct sql *s)
{
	return s->m;
}

uint64_t sql_connection_id(const struct sql *s)
{
	return s->id;
}

/* "127.0.0.1:4000: UPDATE t SET ...: message (1064)" */
static int statement_failed(struct sql *s, struct err *e, const char *text, size_t n)
{
	struct strbuf what = STRBUF_INIT;
	const char *reason;

	sql_endpoint_text(&s->ep, &what);
	strbuf_addstr(&what, ": ");
	strbuf_add(&what, text, n < STATEMENT_SHOWN_MAX ? n : STATEMENT_SHOWN_MAX);
	if (n > STATEMENT_SHOWN_MAX)
		strbuf_addstr(&what, "...");
	sql_error(s->m, e, what.buf);
	reason = end_answer();
	if (e)
		snprintf(e->text + strlen(e->text), sizeof(e->text) - strlen(e->text), "%s",
			 reason);
	strbuf_release(&what);
	return -1;
}

int64_t sql_exec_text(struct sql *s, struct err *e, const char *text, size_t n)
{
	if (n > ALWAYS_FITS) {
		if (!s->packet_bytes_max &&
		    sql_value_u64(s, &s->packet_bytes_max, e, "SELECT @@max_allowed_packet") < 0)
			return -1;
		if (n >= s->packet_bytes_max) {
			struct err why = ERR_INIT;
			struct strbuf where = STRBUF_INIT;
			int64_t rc = sql_exec_long(s->m, s->packet_bytes_max, text, n, &why);

			if (rc < 0 && e) {
				*e = why;
				sql_endpoint_text(&s->ep, &where);
				err_wrap(e, "%s: %.*s..", where.buf, STATEMENT_SHOWN_MAX, text);
			}
			strbuf_release(&where);
			return rc;
		}
	}
	begin_answer(s);
	if (mysql_real_query(s->m, text, (unsigned long)n))
		return statement_failed(s, e, text, n);
	if (mysql_field_count(s->m)) { /* rows nobody asked for: read and drop them */
		MYSQL_RES *res = mysql_store_result(s->m);

		if (!res)
			return statement_failed(s, e, text, n);
		mysql_free_result(res);
		end_answer();
		return 0;
	}
	end_answer();
	return (int64_t)mysql_affected_rows(s->m);
}

/* ---- a file in memory ---- */

struct memory_file {
	const char *at;
	size_t left;
};

static int memory_open(void **ptr, const char *name, void *file)
{
	(void)name;
	*ptr = file;
	return 0;
}

static int memory_read(void *ptr, char *buf, unsigned n)
{
	struct memory_file *f = ptr;

	if (n > f->left)
		n = (unsigned)f->left;
	memcpy(buf, f->at, n);
	f->at += n;
	f->left -= n;
	return (int)n;
}

int64_t sql_load(struct sql *s, struct err *e, const char *statement, const char *file, size_t n)
{
	struct memory_file f = { file, n };
	long long records = -1;
	const char *info;
	int failed;

	mysql_set_local_infile_handler(s->m, memory_open, memory_read, no_file_end, no_file_error,
				       &f);
	failed = mysql_real_query(s->m, statement, strlen(statement));
	mysql_set_local_infile_handler(s->m, no_file, no_file_read, no_file_end, no_file_error,
				       NULL);
	if (failed)
		return statement_failed(s, e, statement, strlen(statement));
	info = mysql_info(s->m);
	if (!info || sscanf(info, "Records: %lld", &records) != 1)
		return err_set(e, ERR_SQL, 0,
			       "%.*s: the server does not report the number of "
			       "rows",
			       STATEMENT_SHOWN_MAX, statement);
	return records;
}

int64_t sql_exec(struct sql *s, struct err *e, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	int64_t rc;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	rc = sql_exec_text(s, e, text.buf, text.len);
	strbuf_release(&text);
	return rc;
}

static int query_text(struct sql *s, struct sql_rows *r, struct err *e, const char *text, size_t n,
		      bool stream)
{
	memset(r, 0, sizeof(*r));
	if (!stream)
		begin_answer(s);
	if (mysql_real_query(s->m, text, (unsigned long)n))
		return statement_failed(s, e, text, n);
	r->res = stream ? mysql_use_result(s->m) : mysql_store_result(s->m);
	if (r->res)
		end_answer();
	if (!r->res) {
		if (mysql_errno(s->m))
			return statement_failed(s, e, text, n);
		return err_set(e, ERR_SQL, 0, "the statement returns no rows: %.100s", text);
	}
	r->conn = s;
	r->n_columns = mysql_num_fields(r->res);
	return 0;
}

static int query_v(struct sql *s, struct sql_rows *r, struct err *e, const char *fmt, va_list ap)
{
	struct strbuf text = STRBUF_INIT;
	int rc;

	strbuf_vaddf(&text, fmt, ap);
	rc = query_text(s, r, e, text.buf, text.len, false);
	strbuf_release(&text);
	return rc;
}

int sql_query(struct sql *s, struct sql_rows *r, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = query_v(s, r, e, fmt, ap);
	va_end(ap);
	return rc;
}

int sql_query_stream(struct sql *s, struct sql_rows *r, struct err *e, const char *text, size_t n)
{
	return query_text(s, r, e, text, n, true);
}

int sql_rows_next(struct sql_rows *r, struct err *e)
{
	r->cell = mysql_fetch_row(r->res);
	if (!r->cell) {
		r->len = NULL;
		if (mysql_errno(r->conn->m))
			return statement_failed(r->conn, e, "read rows", 9);
		return 0;
	}
	r->len = mysql_fetch_lengths(r->res);
	return 1;
}

void sql_rows_release(struct sql_rows *r)
{
	if (r->res)
		mysql_free_result(r->res);
	memset(r, 0, sizeof(*r));
}

static int value_v(struct sql *s, struct strbuf *out, struct err *e, const char *fmt, va_list ap)
{
	struct sql_rows r;
	int rc = -1, got;

	if (query_v(s, &r, e, fmt, ap) < 0)
		return -1;
	got = sql_rows_next(&r, e);
	if (got == 0)
		err_set(e, ERR_NOT_FOUND, 0, "no row for: %.100s", fmt);
	if (got == 1) {
		rc = r.cell[0] ? 0 : 1;
		if (r.cell[0])
			strbuf_add(out, r.cell[0], r.len[0]);
	}
	sql_rows_release(&r);
	return rc;
}

int sql_value(struct sql *s, struct strbuf *out, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = value_v(s, out, e, fmt, ap);
	va_end(ap);
	return rc;
}

int sql_value_u64(struct sql *s, uint64_t *out, struct err *e, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list ap;
	char *end;
	int rc;

	va_start(ap, fmt);
	rc = value_v(s, &text, e, fmt, ap);
	va_end(ap);
	if (rc == 0) {
		*out = strtoull(text.buf, &end, 10);
		if (end == text.buf || *end || text.buf[0] == '-')
			rc = err_set(e, ERR_BAD_DATA, 0, "not a number: '%.40s'", text.buf);
	} else if (rc == 1) {
		rc = err_set(e, ERR_NOT_FOUND, 0, "NULL where a number was expected");
	}
	strbuf_release(&text);
	return rc;
}

const char *sql_server_version(struct sql *s)
{
	return mysql_get_server_info(s->m);
}

enum sql_flavor sql_flavor(struct sql *s)
{
	const char *v = sql_server_version(s);

	return strstr(v, "TiDB") ? SQL_TIDB : strstr(v, "MariaDB") ? SQL_MARIADB : SQL_MYSQL;
}

int sql_limit_rows(struct sql *s, unsigned n, struct err *e)
{
	return sql_exec(s, e, "SET SESSION sql_select_limit = %u", n) < 0 ? -1 : 0;
}

bool sql_repeatable(struct sql *s)
{
	if (s->repeatable || sql_flavor(s) != SQL_MARIADB)
		return false;
	s->repeatable =
		sql_exec(s, NULL, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ") >= 0;
	return s->repeatable;
}
