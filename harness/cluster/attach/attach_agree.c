#include "harness/cluster/attach/attach_agree.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "harness/base/uri.h"
#include "harness/net/store.h"

int agree_cluster(struct attach_cluster *c, const char *where, struct err *e)
{
	const char *urls[] = { c->pd, c->ticdc, c->status }, *names[] = { "pd", "ticdc", "status" };
	const struct attach_tls *of_sql =
		c->sql_tls.given || c->sql_tls.off ? &c->sql_tls : &c->tls;

	if (!c->sql.host[0])
		return err_set(
			e, ERR_USAGE, 0,
			"%s: sql = { host = …, port = …, user = …, password = env \"NAME\" } is missing",
			where);
	if (c->sql.host[strcspn(c->sql.host, "/@?#,;\"'`<> \t\r\n")])
		return err_set(e, ERR_USAGE, 0,
			       "%s: sql.host must be a name or an address, not a URI", where);
	if (strchr(c->sql.host, ':') && strchr(c->sql.host, ':') == strrchr(c->sql.host, ':'))
		return err_set(e, ERR_USAGE, 0, "%s: sql.host contains a port: use sql.port",
			       where);
	if (c->sql.host[0] == '[')
		return err_set(e, ERR_USAGE, 0,
			       "%s: sql.host: write an IPv6 address without "
			       "brackets",
			       where);
	if (!c->sql.user[0])
		strcpy(c->sql.user, "root"); /* left out: an empty one is refused before */
	if (c->cluster_id && !c->pd[0])
		return err_set(e, ERR_USAGE, 0,
			       "%s: cluster_id needs pd = \"http://…:2379\" to check it", where);
	if (c->mysql && (c->pd[0] || c->ticdc[0] || c->status[0]))
		return err_set(e, ERR_USAGE, 0, "%s: kind = \"mysql\" has no pd, ticdc or status",
			       where);
	for (unsigned i = 0; i < 3; i++)
		if (c->tls.given && !strncmp(urls[i], "http://", 7))
			return err_set(
				e, ERR_USAGE, 0,
				"%s: %s is http:// but tls is set: use https://, or sql = { tls "
				"= … } for TLS only for SQL",
				where, names[i]);
	if (c->tls.off)
		for (unsigned i = 0; i < 3; i++)
			if (!strncmp(urls[i], "https://", 8))
				return err_set(e, ERR_USAGE, 0,
					       "%s: %s is https:// but tls is false", where,
					       names[i]);
	if (c->sink_tls.server_name[0])
		return err_set(e, ERR_USAGE, 0,
			       "%s: sink.tls has a server_name, which TiCDC does not support",
			       where);
	if (c->has_sink && !c->sink_user[0])
		return err_set(e, ERR_USAGE, 0, "%s: sink needs a user", where);
	if (c->sink_tls.given && !c->sink_tls.ca[0])
		return err_set(
			e, ERR_USAGE, 0,
			"%s: sink.tls needs ca = \"…\", a file on TiCDC's machines: without it "
			"TiCDC connects without TLS",
			where);
	if (of_sql->given) {
		strcpy(c->sql.ssl_ca, of_sql->ca);
		strcpy(c->sql.ssl_cert, of_sql->cert);
		strcpy(c->sql.ssl_key, of_sql->key);
		strcpy(c->sql.ssl_server_name, of_sql->server_name);
		c->sql.tls = SQL_TLS_VERIFY;
	}
	return 0;
}

/* Its keys may come from the environment of who uses it; nothing is asked there. */
static int check_place(const char *name, const char *uri, const char *where, struct err *e)
{
	static const char *const schemes[] = { "s3", "file", "local", "nfs" };
	struct uri u;
	bool known = false, dir;
	int rc = -1;

	if (!*uri)
		return 0;
	if (uri_parse(&u, uri, e) < 0)
		return err_wrap(e, "%s: %s", where, name);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		known = known || !strcmp(u.scheme, schemes[i]);
	dir = strcmp(u.scheme, "s3") != 0;
	if (!known)
		err_set(e, ERR_USAGE, 0,
			"%s: %s is %s://, and drtest reads and writes s3:// and file://", where,
			name, u.scheme);
	else if (dir ? *u.host || u.path[0] != '/' : !*u.host)
		err_set(e, ERR_USAGE, 0, "%s: %s is s3://bucket/prefix?… or file:///directory",
			where, name);
	else if (!dir && store_s3_check(uri, e) < 0)
		err_wrap(e, "%s: %s", where, name);
	else
		rc = 0;
	uri_release(&u);
	return rc;
}

/* "s3://bucket/prefix" without what does not name the place; the caller's to release. */
static void add_place(struct strbuf *out, const char *uri)
{
	struct uri u;

	if (!*uri || uri_parse(&u, uri, NULL) < 0)
		return;
	strbuf_addf(out, "%s://%s", strcmp(u.scheme, "s3") ? "file" : "s3", u.host);
	for (const char *p = u.path; *p; p++)
		if (*p != '/' || (p[1] && p[1] != '/'))
			strbuf_addch(out, *p);
	strbuf_addch(out, '/');
	uri_release(&u);
}

int agree_places(const struct attach_file *f, const char *where, struct err *e)
{
	struct strbuf store = STRBUF_INIT, redo = STRBUF_INIT;
	int rc = check_place("store", f->store, where, e) < 0 ||
				 check_place("redo", f->redo, where, e) < 0 ||
				 check_place("backup", f->backup, where, e) < 0
			 ? -1
			 : 0;

	add_place(&store, rc < 0 ? "" : f->store);
	add_place(&redo, rc < 0 ? "" : f->redo);
	/* a run's objects among those of a log would be taken for it, or the reverse */
	if (rc == 0 && store.len && redo.len && !strncmp(store.buf, redo.buf, redo.len))
		rc = err_set(e, ERR_USAGE, 0,
			     "%s: store is in the redo log's own place: give it another prefix",
			     where);
	strbuf_release(&store);
	strbuf_release(&redo);
	return rc;
}

/* Of one host each spelling that can be told without asking anybody. */
static void host_text(const char *host, char out[256])
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM },
			*a = NULL;

	snprintf(out, 256, "%s", host);
	if (getaddrinfo(host, NULL, &hints, &a) == 0) {
		getnameinfo(a->ai_addr, a->ai_addrlen, out, 256, NULL, 0, NI_NUMERICHOST);
		freeaddrinfo(a);
	} else if (*out && out[strlen(out) - 1] == '.') {
		out[strlen(out) - 1] = '\0';
	}
	if (!strcasecmp(out, "::ffff:127.0.0.1") || !strcmp(out, "127.0.0.1") ||
	    !strcasecmp(out, "localhost") || !strcasecmp(out, "localhost.localdomain") ||
	    !strcasecmp(out, "ip6-localhost") || !strcmp(out, "::1") || !strcmp(out, "0.0.0.0") ||
	    !strcmp(out, "::"))
		strcpy(out, "localhost");
}

static bool is_one_server(const struct sql_endpoint *a, const struct sql_endpoint *b)
{
	char at[2][256];

	host_text(a->host, at[0]);
	host_text(b->host, at[1]);
	return a->port == b->port && !strcasecmp(at[0], at[1]);
}

int agree_servers(const struct attach_file *f, const char *where, struct err *e)
{
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < i; k++) {
			const struct attach_cluster *a = &f->c[k], *b = &f->c[i];
			const char *urls[][3] = { { "pd", a->pd, b->pd },
						  { "ticdc", a->ticdc, b->ticdc },
						  { "status", a->status, b->status } };

			if (is_one_server(&a->sql, &b->sql))
				return err_set(e, ERR_USAGE, 0,
					       "%s: %s and %s are one server, %s:%u", where,
					       a->name, b->name, b->sql.host, b->sql.port);
			for (size_t u = 0; u < 3; u++)
				if (*urls[u][1] && !strcasecmp(urls[u][1], urls[u][2]))
					return err_set(e, ERR_USAGE, 0,
						       "%s: %s and %s have one %s, %s", where,
						       a->name, b->name, urls[u][0], urls[u][1]);
		}
	return 0;
}
