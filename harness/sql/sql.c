#include "harness/sql/sql.h"

#include <errmsg.h>
#include <ma_pvio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/base/uri.h"
#include "harness/sql/long_statement.h"

#define PATIENCE_S 3600
#define ALWAYS_FITS ((size_t)512 << 10) /* into a packet of whatever server */
#define STATEMENT_SHOWN_MAX 160 /* bytes of a statement in an error */

struct sql {
	MYSQL *m;
	struct sql_endpoint ep;
	uint64_t id;
	uint64_t packet_bytes_max; /* the session's max_allowed_packet; 0: not asked yet */
};

static bool is_lost(unsigned code)
{
	return code == CR_SERVER_GONE_ERROR || code == CR_SERVER_LOST || code == CR_CONN_HOST_ERROR || code == CR_CONNECTION_ERROR ||
	       code == 1927 /* connection was killed */ || code == 1053 /* server shutdown in progress */;
}

int sql_error_code(unsigned code, const char *message, struct err *e, const char *what)
{
	enum err_kind kind = is_lost(code) ? ERR_GONE : code == 1205 || code == 1213 ? ERR_CONFLICT : ERR_SQL;

	return err_set(e, kind, (int)code, "%s: %s (%u)", what, message, code);
}

int sql_error(MYSQL *m, struct err *e, const char *what)
{
	return sql_error_code(mysql_errno(m), mysql_error(m), e, what);
}

/* Nothing of this machine goes to a server that asks for it; who really sends a file installs a handler of its own. */
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

void sql_endpoint_text(const struct sql_endpoint *ep, struct strbuf *out)
{
	strbuf_addf(out, strchr(ep->host, ':') ? "[%s]:%u" : "%s:%u", ep->host, ep->port);
}

struct sql *sql_open(const struct sql_endpoint *ep, struct deadline d, struct err *e)
{
	struct sql *s = xcalloc(1, sizeof(*s));
	int64_t left_ms = deadline_left_ms(d);
	unsigned connect_s = left_ms > 3600000 ? 3600 : (unsigned)((left_ms + 999) / 1000), io_s = PATIENCE_S;
	static const char init[] = "SET time_zone = '+00:00', autocommit = 1, sql_mode = "
				   "'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";
	struct strbuf who = STRBUF_INIT;
	int rc = -1;

	s->ep = *ep;
	s->m = mysql_init(NULL);
	sql_endpoint_text(ep, &who);
	if (!s->m) {
		err_set(e, ERR_ENV, 0, "the client library could not start");
		goto out;
	}
	if (!connect_s)
		connect_s = 1;
	mysql_options(s->m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(s->m, MYSQL_OPT_READ_TIMEOUT, &io_s);
	mysql_options(s->m, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	mysql_options(s->m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(s->m, MYSQL_OPT_LOCAL_INFILE, &(unsigned){ 1 });
	mysql_set_local_infile_handler(s->m, no_file, no_file_read, no_file_end, no_file_error, NULL);
	if (ep->ssl_ca[0] || ep->ssl_cert[0]) {
		mysql_ssl_set(s->m, ep->ssl_key[0] ? ep->ssl_key : NULL, ep->ssl_cert[0] ? ep->ssl_cert : NULL,
		              ep->ssl_ca[0] ? ep->ssl_ca : NULL, NULL, NULL);
		mysql_options(s->m, MYSQL_OPT_SSL_ENFORCE, &(my_bool){ 1 });
		if (ep->ssl_ca[0])
			mysql_options(s->m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &(my_bool){ 1 });
	}
	/* "localhost" would mean a socket to the library: a host is always a TCP address here. */
	mysql_options(s->m, MYSQL_OPT_PROTOCOL, &(int){ MYSQL_PROTOCOL_TCP });
	if (!mysql_real_connect(s->m, ep->host, ep->user, ep->password, NULL, ep->port, NULL, 0)) {
		unsigned code = mysql_errno(s->m);

		sql_error(s->m, e, "connect");
		if (e && (code == 1045 || code == 1698))
			e->kind = ERR_ENV;
		err_wrap(e, "%s", who.buf);
		goto out;
	}
	if (mysql_real_query(s->m, init, sizeof(init) - 1)) {
		sql_error(s->m, e, "set up the session");
		err_wrap(e, "%s", who.buf);
		goto out;
	}
	s->id = mysql_thread_id(s->m);
	rc = 0;
out:
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
	if (s->m)
		mysql_close(s->m);
	free(s);
}

void sql_patience(struct sql *s, int64_t ms)
{
	if (s->m->net.pvio) /* none: it is lost already */
		s->m->net.pvio->timeout[PVIO_READ_TIMEOUT] = (int)(ms ? ms : PATIENCE_S * 1000);
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

	sql_endpoint_text(&s->ep, &what);
	strbuf_addstr(&what, ": ");
	strbuf_add(&what, text, n < STATEMENT_SHOWN_MAX ? n : STATEMENT_SHOWN_MAX);
	if (n > STATEMENT_SHOWN_MAX)
		strbuf_addstr(&what, "...");
	sql_error(s->m, e, what.buf);
	strbuf_release(&what);
	return -1;
}

int64_t sql_exec_text(struct sql *s, struct err *e, const char *text, size_t n)
{
	if (n > ALWAYS_FITS) {
		if (!s->packet_bytes_max && sql_value_u64(s, &s->packet_bytes_max, e, "SELECT @@max_allowed_packet") < 0)
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
	if (mysql_real_query(s->m, text, (unsigned long)n))
		return statement_failed(s, e, text, n);
	if (mysql_field_count(s->m)) { /* rows nobody asked for: read and drop them */
		MYSQL_RES *res = mysql_store_result(s->m);

		if (!res)
			return statement_failed(s, e, text, n);
		mysql_free_result(res);
		return 0;
	}
	return (int64_t)mysql_affected_rows(s->m);
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

static int query_text(struct sql *s, struct sql_rows *r, struct err *e, const char *text, size_t n, bool stream)
{
	memset(r, 0, sizeof(*r));
	if (mysql_real_query(s->m, text, (unsigned long)n))
		return statement_failed(s, e, text, n);
	r->res = stream ? mysql_use_result(s->m) : mysql_store_result(s->m);
	if (!r->res) {
		if (mysql_errno(s->m))
			return statement_failed(s, e, text, n);
		return err_set(e, ERR_SQL, 0, "statement gives no rows: %.100s", text);
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

void sql_add_name(struct strbuf *out, const char *name)
{
	strbuf_addch(out, '`');
	for (; *name; name++) {
		if (*name == '`')
			strbuf_addch(out, '`');
		strbuf_addch(out, *name);
	}
	strbuf_addch(out, '`');
}

void sql_add_text(struct strbuf *out, const char *data, size_t n)
{
	size_t from = 0;

	strbuf_grow(out, n + 2);
	strbuf_addch(out, '\'');
	for (size_t i = 0; i < n; i++) {
		char c = data[i], esc = c == '\'' ? '\'' : c == '\\' ? '\\' : c == 0 ? '0' : c == '\n' ? 'n' : c == '\r' ? 'r' : c == 26 ? 'Z' : 0;

		if (!esc)
			continue;
		strbuf_add(out, data + from, i - from);
		strbuf_addch(out, '\\');
		strbuf_addch(out, esc);
		from = i + 1;
	}
	strbuf_add(out, data + from, n - from);
	strbuf_addch(out, '\'');
}

void sql_add_binary(struct strbuf *out, const void *data, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = data;
	char *at;

	if (!n) {
		strbuf_addstr(out, "''");
		return;
	}
	strbuf_grow(out, 2 * n + 3);
	strbuf_addstr(out, "x'");
	at = out->buf + out->len;
	for (size_t i = 0; i < n; i++) {
		*at++ = hex[p[i] >> 4];
		*at++ = hex[p[i] & 15];
	}
	out->len += 2 * n;
	out->buf[out->len] = 0;
	strbuf_addch(out, '\'');
}

static int copy_field(char *to, size_t size, const char *from, const char *what, struct err *e)
{
	if (strlen(from) >= size)
		return err_set(e, ERR_USAGE, 0, "sink URI: %s is too long", what);
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

int sql_endpoint_from_uri(struct sql_endpoint *ep, const char *text, struct err *e)
{
	static const char *const schemes[] = { "mysql", "tidb", "mysql+ssl", "tidb+ssl" };
	struct uri u;
	const char *v;
	bool known = false;
	int rc = -1;

	memset(ep, 0, sizeof(*ep));
	if (uri_parse(&u, text, e) < 0)
		return err_wrap(e, "server URI");
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		known = known || !strcmp(u.scheme, schemes[i]);
	if (!known) {
		err_set(e, ERR_USAGE, 0, "server URI: scheme '%s' is none of mysql, tidb, mysql+ssl, tidb+ssl", u.scheme);
		goto out;
	}
	if (!u.host[0]) {
		err_set(e, ERR_USAGE, 0, "server URI: no host");
		goto out;
	}
	if (copy_field(ep->host, sizeof(ep->host), u.host, "host", e) < 0 ||
	    copy_field(ep->user, sizeof(ep->user), u.user[0] ? u.user : "root", "user", e) < 0 ||
	    copy_field(ep->password, sizeof(ep->password), u.password, "password", e) < 0)
		goto out;
	if (((v = uri_param(&u, "ssl-ca")) && copy_field(ep->ssl_ca, sizeof(ep->ssl_ca), v, "ssl-ca", e) < 0) ||
	    ((v = uri_param(&u, "ssl-cert")) && copy_field(ep->ssl_cert, sizeof(ep->ssl_cert), v, "ssl-cert", e) < 0) ||
	    ((v = uri_param(&u, "ssl-key")) && copy_field(ep->ssl_key, sizeof(ep->ssl_key), v, "ssl-key", e) < 0))
		goto out;
	ep->port = u.port ? (unsigned)u.port : 4000; /* TiDB's, as in TiCDC's sink URIs */
	rc = 0;
out:
	uri_release(&u);
	return rc;
}
