/* struct sql_endpoint of sql.h: from a URI, and back. */
#include <string.h>
#include <strings.h>

#include "harness/base/secret.h"
#include "harness/base/uri.h"
#include "harness/sql/sql.h"

static void add_file(struct strbuf *s, const char *name, const char *path, char *joint)
{
	if (!*path)
		return;
	strbuf_addf(s, "%c%s=", *joint, name);
	uri_encode(s, path, strlen(path), "/");
	*joint = '&';
}

char *sql_endpoint_uri(const struct sql_endpoint *ep)
{
	static const char *const modes[] = { "", "DISABLED", "REQUIRED", "VERIFY_CA",
					     "VERIFY_IDENTITY" }; /* by enum sql_tls */
	struct strbuf s = STRBUF_INIT;
	char joint = '?';

	strbuf_addstr(&s, "mysql://");
	uri_encode(&s, ep->user, strlen(ep->user), "");
	strbuf_addch(&s, ':');
	uri_encode(&s, ep->password, strlen(ep->password), "");
	strbuf_addf(&s, strchr(ep->host, ':') ? "@[%s]:%u/" : "@%s:%u/", ep->host, ep->port);
	add_file(&s, "ssl-ca", ep->ssl_ca, &joint);
	add_file(&s, "ssl-cert", ep->ssl_cert, &joint);
	add_file(&s, "ssl-key", ep->ssl_key, &joint);
	add_file(&s, "ssl-server-name", ep->ssl_server_name, &joint);
	add_file(&s, "ssl-mode", modes[ep->tls], &joint);
	return strbuf_detach(&s);
}

void sql_endpoint_text(const struct sql_endpoint *ep, struct strbuf *out)
{
	strbuf_addf(out, strchr(ep->host, ':') ? "[%s]:%u" : "%s:%u", ep->host, ep->port);
}

static int copy_field(char *to, size_t size, const char *from, const char *what, struct err *e)
{
	if (strlen(from) >= size)
		return err_set(e, ERR_USAGE, 0, "sink URI: %s is too long", what);
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

static int word_of(const char *v, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcasecmp(v, words[i]))
			return (int)i;
	return -1;
}

/* 0: not one of these; 1: taken. */
static int tls_param(struct sql_endpoint *ep, const struct uri_param *p, struct err *e)
{
	static const struct {
		const char *name, *words[6];
		enum sql_tls means[6];
	} asks[] = {
		{ "ssl-mode",
		  { "DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY" },
		  { SQL_TLS_OFF, SQL_TLS_UNVERIFIED, SQL_TLS_CHAIN, SQL_TLS_VERIFY } },
		{ "tls",
		  { "false", "skip-verify", "true" },
		  { SQL_TLS_OFF, SQL_TLS_UNVERIFIED, SQL_TLS_VERIFY } },
		{ "ssl",
		  { "false", "0", "off", "true", "1", "on" },
		  { SQL_TLS_OFF, SQL_TLS_OFF, SQL_TLS_OFF, SQL_TLS_VERIFY, SQL_TLS_VERIFY,
		    SQL_TLS_VERIFY } },
	};
	static const char *const wanted[] = { "DISABLED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY",
					      "false, skip-verify or true", "true or false" };
	struct {
		const char *name;
		char *to;
		size_t size;
	} files[] = {
		{ "ssl-ca", ep->ssl_ca, sizeof(ep->ssl_ca) },
		{ "ssl-cert", ep->ssl_cert, sizeof(ep->ssl_cert) },
		{ "ssl-key", ep->ssl_key, sizeof(ep->ssl_key) },
		{ "ssl-server-name", ep->ssl_server_name, sizeof(ep->ssl_server_name) },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!strcmp(p->name, files[i].name))
			return copy_field(files[i].to, files[i].size, p->value, p->name, e) < 0 ? -1
												: 1;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		size_t n = 0;
		int k;

		if (strcmp(p->name, asks[i].name) != 0)
			continue;
		while (n < 6 && asks[i].words[n])
			n++;
		k = word_of(p->value, asks[i].words, n);
		if (k < 0)
			return err_set(
				e, ERR_USAGE, 0, "server URI: %s=%.40s: expected %s%s", p->name,
				p->value, wanted[i],
				strcasecmp(p->value, "preferred")
					? ""
					: "; drtest does not let the server decide whether to "
					  "use TLS");
		ep->tls = asks[i].means[k];
		return 1;
	}
	return 0;
}

static int take_params(struct sql_endpoint *ep, const struct uri *u, bool tls_scheme, struct err *e)
{
	/* Of TiCDC's sink: how it works, not what comes out. (time-zone and worker-count are the
	 * replay's, which reads them itself.) */
	static const char *const others[] = { "time-zone",
					      "worker-count",
					      "max-txn-row",
					      "max-multi-update-row",
					      "max-multi-update-row-size",
					      "tidb-txn-mode",
					      "batch-dml-enable",
					      "multi-stmt-enable",
					      "cache-prep-stmts",
					      "safe-mode",
					      "transaction-atomicity",
					      "enable-old-value",
					      "timeout",
					      "read-timeout",
					      "write-timeout",
					      "has-vector-type",
					      "enable-ddl-ts" };

	for (size_t i = 0; i < u->n_params; i++) {
		const struct uri_param *p = &u->params[i];
		int taken = tls_param(ep, p, e);

		if (taken < 0)
			return -1;
		if (!taken && strcmp(p->name, "charset") == 0 && !strcasecmp(p->value, "utf8mb4"))
			taken = 1;
		if (!taken && word_of(p->name, others, sizeof(others) / sizeof(others[0])) < 0)
			return err_set(
				e, ERR_USAGE, 0,
				"server URI: unknown parameter '%.60s'%s; the parameters are "
				"ssl-ca, ssl-cert, ssl-key, ssl-server-name, ssl-mode, tls, ssl",
				p->name,
				strstr(p->name, "socket") ? " (drtest only uses TCP)" : "");
	}
	if (ep->ssl_key[0] && !ep->ssl_cert[0])
		return err_set(e, ERR_USAGE, 0, "server URI: ssl-key without ssl-cert");
	if (ep->tls == SQL_TLS_OFF &&
	    (tls_scheme || ep->ssl_ca[0] || ep->ssl_cert[0] || ep->ssl_server_name[0]))
		return err_set(e, ERR_USAGE, 0,
			       "server URI: parameters both enable and disable "
			       "TLS");
	if (ep->ssl_server_name[0] && (ep->tls == SQL_TLS_UNVERIFIED || ep->tls == SQL_TLS_CHAIN))
		return err_set(e, ERR_USAGE, 0,
			       "server URI: ssl-server-name is set, but the mode does not verify "
			       "names");
	if (ep->tls == SQL_TLS_AS_GIVEN && tls_scheme)
		ep->tls = SQL_TLS_VERIFY;
	return 0;
}

int sql_endpoint_from_uri(struct sql_endpoint *ep, const char *option, struct err *e)
{
	static const char *const schemes[] = { "mysql", "tidb", "mysql+ssl", "tidb+ssl" };
	struct strbuf text = STRBUF_INIT;
	struct uri u = { 0 };
	int known, rc = -1;

	memset(ep, 0, sizeof(*ep));
	if (uri_option(option, &text, e) < 0)
		goto out;
	if (!strstr(text.buf, "://")) {
		err_set(e, ERR_USAGE, 0,
			"server URI: expected mysql://USER@HOST:PORT, or @FILE or env:NAME with "
			"the URI");
		goto out;
	}
	if (uri_parse(&u, text.buf, e) < 0) {
		err_wrap(e, "server URI");
		goto out;
	}
	known = word_of(u.scheme, schemes, sizeof(schemes) / sizeof(schemes[0]));
	if (known < 0) {
		err_set(e, ERR_USAGE, 0,
			"server URI: scheme '%s' is not one of mysql, tidb, mysql+ssl, tidb+ssl",
			u.scheme);
		goto out;
	}
	if (!u.host[0]) {
		err_set(e, ERR_USAGE, 0, "server URI: no host");
		goto out;
	}
	if (strchr(u.path, '@')) { /* mysql://user:1234/rest@host: 1234 was taken for a port */
		err_set(e, ERR_USAGE, 0,
			"server URI: an '@' after the first '/': write '/' or '?' in a user or "
			"password as %%2F or %%3F");
		goto out;
	}
	if (strcmp(u.path, "/") != 0 && *u.path) {
		err_set(e, ERR_USAGE, 0,
			"server URI: a database behind the host ('%.64s') is not looked at: leave it out (drtest diff: --tables \"NAME.*\")",
			u.path);
		goto out;
	}
	if (copy_field(ep->host, sizeof(ep->host), u.host, "host", e) < 0 ||
	    copy_field(ep->user, sizeof(ep->user), u.user[0] ? u.user : "root", "user", e) < 0 ||
	    copy_field(ep->password, sizeof(ep->password), u.password, "password", e) < 0 ||
	    take_params(ep, &u, known >= 2, e) < 0)
		goto out;
	secret_know(ep->password);
	ep->port = u.port ? (unsigned)u.port : 4000; /* TiDB's, as in TiCDC's sink URIs */
	rc = 0;
out:
	uri_release(&u);
	strbuf_release(&text);
	return rc;
}
