#include "harness/sql/login.h"

#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <ma_pvio.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/xalloc.h"

#define CAN_TLS 0x800      /* CLIENT_SSL of the protocol */
#define TLS_REQUEST 0x8a00 /* with CLIENT_SECURE_CONNECTION and CLIENT_PROTOCOL_41 below */
#define PROTOCOL_41 0x200
#define WHY_MAX 512
#define ANSWER_S 10   /* for a server's part of the handshake */
#define LOOK_MS 30000 /* for a look at a certificate where no login_limit() is */
#define PINS_MAX 32   /* servers whose certificate is remembered */
/* versions of the library take the longer fingerprint: it has the number of the server that it
 * came with, or its own */
#define SHA256_SINCE_SERVER 110400
#define SHA256_SINCE 30400

static enum sql_tls tls_of(const struct sql_endpoint *ep)
{
	if (ep->tls != SQL_TLS_AS_GIVEN)
		return ep->tls < SQL_TLS_VERIFY ? ep->tls : SQL_TLS_VERIFY;
	return ep->ssl_ca[0] || ep->ssl_cert[0] || ep->ssl_server_name[0] ? SQL_TLS_VERIFY
									  : SQL_TLS_OFF;
}

/* The name is not the host's: the library cannot check it. */
static bool is_checked_here(const struct sql_endpoint *ep)
{
	enum sql_tls tls = tls_of(ep);

	return tls == SQL_TLS_CHAIN || (tls == SQL_TLS_VERIFY && ep->ssl_server_name[0]);
}

/* ---- how long a login may wait ---- */

static _Thread_local struct limit {
	bool on;
	int64_t ms;
	struct deadline end;
	/* The library's TLS handshake asks nobody how long to wait: then a thread ends the
	 * connection. */
	bool tls, guarded;
	pthread_t guard;
	int over[2]; /* a pipe: its end tells the guard */
	int fd;      /* the guard's own of the socket */
} limit;

static void *guard_main(void *arg)
{
	const struct limit *l = arg;
	struct pollfd p = { .fd = l->over[0], .events = POLLIN };
	int rc;

	do
		rc = poll(&p, 1, (int)deadline_left_ms(l->end));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		shutdown(l->fd, SHUT_RDWR);
	return NULL;
}

static void start_guard(int fd)
{
	if (pipe2(limit.over, O_CLOEXEC) < 0)
		return;
	limit.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	limit.guarded = limit.fd >= 0 && !pthread_create(&limit.guard, NULL, guard_main, &limit);
	if (limit.guarded)
		return;
	close(limit.over[0]);
	close(limit.over[1]);
	if (limit.fd >= 0)
		close(limit.fd);
}

static void end_guard(void)
{
	if (!limit.guarded)
		return;
	close(limit.over[1]);
	pthread_join(limit.guard, NULL);
	close(limit.over[0]);
	close(limit.fd);
	limit.guarded = false;
}

/* As poll() of one descriptor; 0 ms: no limit of this wait's own. */
static int wait_within(my_socket fd, my_bool is_read, int ms)
{
	struct pollfd p = { .fd = (int)fd, .events = is_read ? POLLIN : POLLOUT };
	struct deadline d = deadline_in_ms(ms > 0 ? ms : INT32_MAX);
	int rc;

	if (limit.on)
		d = deadline_min(d, limit.end);
	do {
		int64_t left = deadline_left_ms(d);

		rc = limit.on && deadline_passed(limit.end) ? 0 : poll(&p, 1, (int)left);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0)
		errno = ETIMEDOUT;
	return rc;
}

/* The library's first wait for the server: by then the socket is known. */
static int wait_of_library(my_socket fd, my_bool is_read, int ms)
{
	if (limit.on && limit.tls && !limit.guarded)
		start_guard((int)fd);
	return wait_within(fd, is_read, ms);
}

void login_limit(MYSQL *m, int64_t ms)
{
	end_guard();
	limit = (struct limit){ .on = ms > 0, .ms = ms, .end = deadline_in_ms(ms) };
	mysql_options(m, MARIADB_OPT_IO_WAIT, ms > 0 ? (const void *)wait_of_library : NULL);
}

/* ---- the server's certificate, before a login ---- */

static int connect_socket(const struct sql_endpoint *ep)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	struct timeval patience = { .tv_sec = ANSWER_S }, none = { 0 };
	char port[12];
	int fd = -1;

	snprintf(port, sizeof(port), "%u", ep->port);
	if (getaddrinfo(ep->host, port, &hints, &all))
		return -1;
	for (struct addrinfo *a = all; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		/* the time for sending is that for connecting, too */
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(all);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool read_all(int fd, unsigned char *to, size_t n)
{
	while (n) {
		ssize_t got = wait_within(fd, true, ANSWER_S * 1000) > 0 ? recv(fd, to, n, 0) : -1;

		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return true;
}

static bool make_tls(SSL *ssl, int fd)
{
	for (;;) {
		int rc = SSL_connect(ssl), want = SSL_get_error(ssl, rc);

		if (rc == 1)
			return true;
		if ((want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE) ||
		    wait_within(fd, want == SSL_ERROR_WANT_READ, ANSWER_S * 1000) <= 0)
			return false;
	}
}

/* Its greeting, and our request to go on in TLS. */
static bool ask_for_tls(int fd)
{
	unsigned char head[4], greeting[1024], request[36] = { 32, 0, 0, 1 };
	const unsigned char *version_end;
	size_t n, at;

	if (!read_all(fd, head, sizeof(head)))
		return false;
	n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
	if (n < 2 || n > sizeof(greeting) || !read_all(fd, greeting, n) || greeting[0] != 10)
		return false;
	version_end = memchr(greeting, 0, n);
	at = version_end ? (size_t)(version_end - greeting) + 1 + 4 + 8 + 1 : n;
	if (at + 2 > n || !((greeting[at] | greeting[at + 1] << 8) & CAN_TLS))
		return false;
	request[4] = (TLS_REQUEST | PROTOCOL_41) & 0xff;
	request[5] = (TLS_REQUEST | PROTOCOL_41) >> 8;
	request[11] = 1;  /* packets of 16 MiB */
	request[12] = 45; /* utf8mb4 */
	return send(fd, request, sizeof(request), MSG_NOSIGNAL) == (ssize_t)sizeof(request);
}

/* why: else. */
static bool is_trusted(X509 *certificate, STACK_OF(X509) * chain, const struct sql_endpoint *ep,
		       char why[WHY_MAX])
{
	const char *name = tls_of(ep) == SQL_TLS_VERIFY ? ep->ssl_server_name : "";
	X509_STORE *trust = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool yes = false;

	if (!certificate || !trust || !ctx ||
	    !(ep->ssl_ca[0] ? X509_STORE_load_file(trust, ep->ssl_ca)
			    : X509_STORE_set_default_paths(trust)) ||
	    !X509_STORE_CTX_init(ctx, trust, certificate, chain))
		snprintf(why, WHY_MAX, "cannot be checked%s%.400s",
			 ep->ssl_ca[0] ? " with ssl-ca " : "", ep->ssl_ca);
	else if (X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER),
		 X509_verify_cert(ctx) != 1)
		snprintf(why, WHY_MAX, "is not trusted: %.200s",
			 X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	else if (*name && X509_check_host(certificate, name, 0, 0, NULL) != 1 &&
		 X509_check_ip_asc(certificate, name, 0) != 1)
		snprintf(why, WHY_MAX, "is not for %.255s (ssl-server-name)", name);
	else
		yes = true;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(trust);
	return yes;
}

static void fingerprint(X509 *certificate, char out[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t version = 0;
	unsigned n = 0;
	bool longer;

	mariadb_get_infov(NULL, MARIADB_CLIENT_VERSION_ID, &version);
	longer = version >= (version < 100000 ? SHA256_SINCE : SHA256_SINCE_SERVER);
	X509_digest(certificate, longer ? EVP_sha256() : EVP_sha1(), digest, &n);
	for (unsigned i = 0; i < n && i < 32; i++)
		snprintf(out + (size_t)2 * i, 3, "%02x", digest[i]);
}

/* False where there is no certificate that is trusted; then why: "is not ..." */
static bool find_fingerprint(const struct sql_endpoint *ep, char out[65], char why[WHY_MAX])
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	bool limit_here = !limit.on;
	int fd;

	if (limit_here)
		limit = (struct limit){ .on = true, .ms = LOOK_MS, .end = deadline_in_ms(LOOK_MS) };
	fd = connect_socket(ep);
	out[0] = '\0';
	snprintf(why, WHY_MAX, "is not shown");
	if (fd >= 0 && ssl && ask_for_tls(fd) && SSL_set_fd(ssl, fd) == 1 && make_tls(ssl, fd)) {
		X509 *certificate = SSL_get1_peer_certificate(ssl);

		if (is_trusted(certificate, SSL_get_peer_cert_chain(ssl), ep, why))
			fingerprint(certificate, out);
		X509_free(certificate);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	if (fd >= 0)
		close(fd);
	if (limit_here)
		limit.on = false;
	return out[0] != '\0';
}

/* ---- what is remembered of it ---- */

struct pin {
	struct sql_endpoint of;
	char fingerprint[65];
};
static struct {
	pthread_mutex_t lock;
	struct pin *pin[PINS_MAX];
	size_t next; /* to be replaced */
} pins = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool is_same_server(const struct sql_endpoint *a, const struct sql_endpoint *b)
{
	return !strcmp(a->host, b->host) && a->port == b->port && !strcmp(a->ssl_ca, b->ssl_ca) &&
	       !strcmp(a->ssl_server_name, b->ssl_server_name) && tls_of(a) == tls_of(b);
}

static void forget_pin(const struct sql_endpoint *ep)
{
	pthread_mutex_lock(&pins.lock);
	for (size_t i = 0; i < PINS_MAX; i++)
		if (pins.pin[i] && is_same_server(&pins.pin[i]->of, ep)) {
			free(pins.pin[i]);
			pins.pin[i] = NULL;
		}
	pthread_mutex_unlock(&pins.lock);
}

static bool find_pin(const struct sql_endpoint *ep, char out[65])
{
	char why[WHY_MAX];
	struct pin *new;

	out[0] = '\0';
	pthread_mutex_lock(&pins.lock);
	for (size_t i = 0; i < PINS_MAX && !*out; i++)
		if (pins.pin[i] && is_same_server(&pins.pin[i]->of, ep))
			memcpy(out, pins.pin[i]->fingerprint, sizeof(pins.pin[i]->fingerprint));
	pthread_mutex_unlock(&pins.lock);
	if (*out)
		return true;
	if (!find_fingerprint(ep, out, why))
		return false;
	new = xcalloc(1, sizeof(*new));
	new->of = *ep;
	memset(new->of.password, 0, sizeof(new->of.password));
	memcpy(new->fingerprint, out, sizeof(new->fingerprint));
	pthread_mutex_lock(&pins.lock);
	free(pins.pin[pins.next]);
	pins.pin[pins.next] = new;
	pins.next = (pins.next + 1) % PINS_MAX;
	pthread_mutex_unlock(&pins.lock);
	return true;
}

/* ---- the login ---- */

/* The library looks at the server's version when an error comes, also before it has been told one:
 * a first packet with an error of the number 65535 would end us. It gets an empty one to look at,
 * which the greeting replaces without a word; its place is kept in a field that nobody uses. */
static void give_version(MYSQL *m)
{
	m->server_version = strdup("");
	m->unused_3 = m->server_version;
}

/* greeted: it was replaced, else the library has freed it. */
static void take_version(MYSQL *m, bool greeted)
{
	if (greeted)
		free(m->unused_3);
	m->unused_3 = NULL;
}

/* Which ways to log in are taken. Without a certificate that was checked, only such that give
 * nothing away; an empty password has nothing to give. */
static const char *ways_to_log_in(const struct sql_endpoint *ep, bool checked)
{
	if (checked)
		return "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,"
		       "mysql_clear_password,dialog,auth_gssapi_client,parsec";
	return ep->password[0] ? "mysql_native_password,client_ed25519"
			       : "mysql_native_password,client_ed25519,caching_sha2_password";
}

void login_options(MYSQL *m, const struct sql_endpoint *ep)
{
	enum sql_tls tls = tls_of(ep);
	bool by_name = tls == SQL_TLS_VERIFY && !ep->ssl_server_name[0], pinned = false;
	char pin[65];

	give_version(m);
	/* "localhost" would mean a socket to the library: a host is always a TCP address here. */
	mysql_options(m, MYSQL_OPT_PROTOCOL, &(int){ MYSQL_PROTOCOL_TCP });
	mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	limit.tls = tls != SQL_TLS_OFF;
	if (tls != SQL_TLS_OFF) {
		mysql_ssl_set(m, ep->ssl_key[0] ? ep->ssl_key : NULL,
			      ep->ssl_cert[0] ? ep->ssl_cert : NULL,
			      ep->ssl_ca[0] ? ep->ssl_ca : NULL, NULL, NULL);
		mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &(my_bool){ 1 });
		mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &(my_bool){ by_name });
		pinned = is_checked_here(ep) && find_pin(ep, pin);
		if (pinned)
			mysql_options(m, MARIADB_OPT_SSL_FP, pin);
	}
	mysql_options(m, MARIADB_OPT_RESTRICTED_AUTH, ways_to_log_in(ep, by_name || pinned));
	if (!by_name && !pinned) /* the server asks for another when the account has another */
		mysql_options(m, MYSQL_DEFAULT_AUTH, "mysql_native_password");
}

/* MARIADB_TLS of the library's ma_tls.h, which ma_pvio.h hides from programs. */
struct library_tls {
	void *data, *pvio, *ssl;
};

static int check_certificate(MYSQL *m, const struct sql_endpoint *ep, struct err *e)
{
	struct library_tls *tls = m->net.pvio ? m->net.pvio->ctls : NULL;
	SSL *ssl = tls ? tls->ssl : NULL;
	X509 *certificate = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
	char why[WHY_MAX];
	bool yes = is_trusted(certificate, ssl ? SSL_get_peer_cert_chain(ssl) : NULL, ep, why);

	X509_free(certificate);
	return yes ? 0 : err_set(e, ERR_ENV, 0, "the server's certificate %s", why);
}

int login_check(MYSQL *m, const struct sql_endpoint *ep, struct err *e)
{
	static const struct {
		int level, name, value;
	} watch[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },          { IPPROTO_TCP, TCP_KEEPIDLE, 20 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 10 },       { IPPROTO_TCP, TCP_KEEPCNT, 4 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 60000 },
	};

	take_version(m, m->server_version != m->unused_3);
	for (size_t i = 0; i < sizeof(watch) / sizeof(watch[0]); i++)
		(void)setsockopt((int)mysql_get_socket(m), watch[i].level, watch[i].name,
				 &watch[i].value, sizeof(int));
	if (tls_of(ep) == SQL_TLS_OFF)
		return 0;
	if (!mysql_get_ssl_cipher(m))
		return err_set(e, ERR_ENV, 0,
			       "TLS is required, but the connection is not "
			       "encrypted");
	return is_checked_here(ep) ? check_certificate(m, ep, e) : 0;
}

/* The library tells of a file that it can't read in words that name none, or not at all. */
static void add_unreadable(const struct sql_endpoint *ep, struct err *e)
{
	const char *const files[][2] = { { "ssl-ca", ep->ssl_ca },
					 { "ssl-cert", ep->ssl_cert },
					 { "ssl-key", ep->ssl_key } };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (*files[i][1] && access(files[i][1], R_OK) < 0) {
			snprintf(e->text + strlen(e->text), sizeof(e->text) - strlen(e->text),
				 " (%s %s: %s)", files[i][0], files[i][1], strerror(errno));
			e->kind = ERR_ENV;
		}
}

/* What the library says of a way to log in that is not taken names it by half. */
static int refused_login(const struct sql_endpoint *ep, struct err *e)
{
	char pin[65], why[WHY_MAX];

	if (is_checked_here(ep) && !find_fingerprint(ep, pin, why))
		return err_set(e, ERR_ENV, e->code, "connect: the server's certificate %s", why);
	return err_set(
		e, ERR_ENV, e->code,
		"connect: the account's authentication plugin would reveal the password to whoever "
		"runs this server (MySQL 8's default, caching_sha2_password, does so without TLS); "
		"use TLS with a verified certificate: ssl-ca=FILE, and with the certificate that "
		"MySQL made for itself also ssl-mode=VERIFY_CA; or give the account "
		"mysql_native_password or ed25519 (%d)",
		e->code);
}

/* The library's errno is that of a connect() that had not ended (EINPROGRESS): it tells nobody that
 * the port is closed. */
static void say_refused(struct err *e)
{
	char *at = strstr(e->text, " (115) (2002)");

	if (at)
		snprintf(at, sizeof(e->text) - (size_t)(at - e->text),
			 ": nothing accepts connections at this port (2002)");
}

int login_failed(MYSQL *m, const struct sql_endpoint *ep, struct err *e)
{
	unsigned code = mysql_errno(m);

	/* each is 0 until the greeting, and a hostile one may leave them so */
	take_version(m, m->thread_id || m->server_capabilities || m->client_flag);
	forget_pin(ep);
	sql_error(m, e, "connect");
	if (!e)
		return -1;
	say_refused(e);
	if (limit.on && deadline_passed(limit.end))
		snprintf(e->text + strlen(e->text), sizeof(e->text) - strlen(e->text),
			 " (the login was not complete after %" PRId64 " s)", limit.ms / 1000);
	add_unreadable(ep, e);
	if (strstr(e->text, "Validation of SSL server certificate failed"))
		snprintf(e->text + strlen(e->text), sizeof(e->text) - strlen(e->text),
			 " (the certificate is not for %.255s; for another name: "
			 "ssl-server-name, server_name in a clusters file)",
			 ep->host);
	if (code == 1045 || code == 1698 || code == CR_PLUGIN_NOT_ALLOWED ||
	    code == CR_SSL_CONNECTION_ERROR || code == 1251 || code == CR_SECURE_AUTH)
		e->kind = ERR_ENV;
	if (code == CR_PLUGIN_NOT_ALLOWED || code == CR_SECURE_AUTH)
		return refused_login(ep, e);
	if (tls_of(ep) == SQL_TLS_OFF && (code == 1045 || code == 3159))
		snprintf(e->text + strlen(e->text), sizeof(e->text) - strlen(e->text),
			 " (the connection was not encrypted; if the server or the account "
			 "requires TLS, use mysql+ssl:// or ssl-ca=FILE)");
	return -1;
}
