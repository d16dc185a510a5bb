#include "harness/base/uri.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define URI_BYTES_MAX 8192
#define PARAMS_MAX 64

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* In a query '+' is a space, as Go's url.ParseQuery (which TiDB's tools use) has it. NULL with *e
 * set when an escape is broken. */
static char *decode(const char *p, size_t n, bool query, const char *where, struct err *e)
{
	char *out = xmalloc(n + 1);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		int hi, lo;

		if (p[i] != '%') {
			out[k++] = query && p[i] == '+' ? ' ' : p[i];
			continue;
		}
		hi = n - i > 2 ? hex_digit(p[i + 1]) : -1;
		lo = n - i > 2 ? hex_digit(p[i + 2]) : -1;
		if (hi < 0 || lo < 0 || (hi == 0 && lo == 0)) {
			free(out);
			err_set(e, ERR_USAGE, 0,
				"URI: a '%%' in the %s is not followed by two hex digits (write "
				"a literal '%%' as %%25)",
				where);
			return NULL;
		}
		out[k++] = (char)(hi << 4 | lo);
		i += 2;
	}
	out[k] = 0;
	return out;
}

static int parse_port(struct uri *u, const char *p, size_t n, struct err *e)
{
	int port = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)p[i]) || (port = port * 10 + (p[i] - '0')) > 65535)
			return err_set(e, ERR_USAGE, 0,
				       "URI: the port is not a number from 1 to 65535");
	}
	if (!port)
		return err_set(e, ERR_USAGE, 0, "URI: the port is not a number from 1 to 65535");
	u->port = port;
	return 0;
}

static int parse_authority(struct uri *u, const char *p, size_t n, struct err *e)
{
	const char *at = memrchr(p, '@', n), *host = at ? at + 1 : p, *end = p + n, *colon;
	size_t host_n;

	if (at) {
		colon = memchr(p, ':', (size_t)(at - p));
		u->user = decode(p, (size_t)((colon ? colon : at) - p), false, "user", e);
		if (!u->user)
			return -1;
		if (colon) {
			u->password =
				decode(colon + 1, (size_t)(at - colon - 1), false, "password", e);
			if (!u->password)
				return -1;
		}
	}
	if (host < end && *host == '[') { /* IPv6 */
		const char *close = memchr(host, ']', (size_t)(end - host));

		if (!close || (close + 1 < end && close[1] != ':'))
			return err_set(e, ERR_USAGE, 0,
				       "URI: the address in brackets has no closing "
				       "bracket");
		colon = close + 1 < end ? close + 1 : NULL;
		host++;
		host_n = (size_t)(close - host);
	} else {
		colon = memchr(host, ':', (size_t)(end - host));
		host_n = (size_t)((colon ? colon : end) - host);
	}
	u->host = decode(host, host_n, false, "host", e);
	if (!u->host)
		return -1;
	for (const char *c = u->host; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("/?#@\\\"<>", *c))
			return err_set(e, ERR_USAGE, 0, "URI: the host has an invalid character");
	return colon ? parse_port(u, colon + 1, (size_t)(end - colon - 1), e) : 0;
}

static int parse_query(struct uri *u, const char *p, struct err *e)
{
	while (*p) {
		size_t n = strcspn(p, "&");
		const char *eq = memchr(p, '=', n);
		size_t name_n = eq ? (size_t)(eq - p) : n;
		struct uri_param param;

		if (n) {
			if (u->n_params == PARAMS_MAX)
				return err_set(e, ERR_USAGE, 0, "URI: more than %d parameters",
					       PARAMS_MAX);
			param.name = decode(p, name_n, true, "name of a parameter", e);
			if (!param.name)
				return -1;
			param.value =
				eq ? decode(eq + 1, n - name_n - 1, true, "value of a parameter", e)
				   : xstrdup("");
			if (!param.value) {
				free(param.name);
				return -1;
			}
			u->params = xreallocarray(u->params, u->n_params + 1, sizeof(*u->params));
			u->params[u->n_params++] = param;
		}
		p += n + (p[n] == '&');
	}
	return 0;
}

int uri_option(const char *arg, struct strbuf *out, struct err *e)
{
	char line[URI_BYTES_MAX + 2];
	const char *value;
	size_t n;
	FILE *f;

	if (!strncmp(arg, "env:", 4)) {
		value = getenv(arg + 4);
		if (!value || !*value)
			return err_set(e, ERR_USAGE, 0,
				       "%.80s: the environment variable is not set or empty", arg);
		strbuf_addstr(out, value);
		return 0;
	}
	if (*arg != '@') {
		strbuf_addstr(out, arg);
		return 0;
	}
	f = fopen(arg + 1, "re");
	if (!f)
		return err_set(e, ERR_USAGE, errno, "%.200s: %s", arg, strerror(errno));
	errno = 0;
	if (!fgets(line, sizeof(line), f))
		*line = 0;
	fclose(f);
	n = strcspn(line, "\r\n");
	if (!n || n > URI_BYTES_MAX)
		return err_set(e, ERR_USAGE, errno,
			       "%.200s: its first line must be a URI of at most %d bytes%s%s", arg,
			       URI_BYTES_MAX, errno ? ": " : "", errno ? strerror(errno) : "");
	strbuf_add(out, line, n);
	memset(line, 0, sizeof(line));
	return 0;
}

/* A '/' or '?' in a user's name or password ends the authority too early. */
static bool cut_by_a_password(const char *authority, size_t n)
{
	return !memchr(authority, '@', n) && strchr(authority + n, '@') &&
	       memchr(authority, ':', n);
}

int uri_parse(struct uri *u, const char *text, struct err *e)
{
	size_t len = strnlen(text, URI_BYTES_MAX + 1), n = 0;
	char *query;
	const char *p;
	int rc = -1;

	*u = (struct uri){ 0 };
	if (len > URI_BYTES_MAX) {
		err_set(e, ERR_USAGE, 0, "URI: longer than %d bytes", URI_BYTES_MAX);
		goto out;
	}
	while (isalnum((unsigned char)text[n]) || (n && text[n] && strchr("+-.", text[n])))
		n++;
	if (!n || !isalpha((unsigned char)text[0]) || strncmp(text + n, "://", 3) != 0) {
		err_set(e, ERR_USAGE, 0,
			"URI: must begin with a scheme, such as s3://bucket/prefix or "
			"file:///directory%s%.100s%s",
			*text == '/' ? ": did you mean file://" : "", *text == '/' ? text : "",
			*text == '/' ? "?" : "");
		goto out;
	}
	if (strchr(text, '#')) {
		err_set(e, ERR_USAGE, 0, "URI: write a literal '#' as %%23");
		goto out;
	}
	u->scheme = xstrndup(text, n);
	for (char *c = u->scheme; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	p = text + n + 3;
	n = strcspn(p, "/?");
	if (parse_authority(u, p, n, e) < 0) {
		if (e && cut_by_a_password(p, n))
			err_set(e, ERR_USAGE, 0,
				"URI: the part before '@' has a '/' or '?': write these in a "
				"user or password as %%2F and %%3F");
		goto out;
	}
	p += n;
	n = strcspn(p, "?");
	u->path = decode(p, n, false, "path", e);
	if (!u->path)
		goto out;
	query = strchr(p, '?');
	if (query && parse_query(u, query + 1, e) < 0)
		goto out;
	rc = 0;
out:
	if (rc < 0) {
		uri_release(u);
		return -1;
	}
	if (!u->scheme)
		u->scheme = xstrdup("");
	if (!u->user)
		u->user = xstrdup("");
	if (!u->password)
		u->password = xstrdup("");
	if (!u->host)
		u->host = xstrdup("");
	if (!u->path)
		u->path = xstrdup("");
	return 0;
}

void uri_release(struct uri *u)
{
	for (size_t i = 0; i < u->n_params; i++) {
		free(u->params[i].name);
		free(u->params[i].value);
	}
	free(u->params);
	free(u->scheme);
	free(u->user);
	free(u->password);
	free(u->host);
	free(u->path);
	*u = (struct uri){ 0 };
}

const char *uri_param(const struct uri *u, const char *name)
{
	for (size_t i = u->n_params; i > 0; i--)
		if (!strcmp(u->params[i - 1].name, name))
			return u->params[i - 1].value;
	return NULL;
}

void uri_encode(struct strbuf *out, const char *data, size_t n, const char *keep)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)data[i];

		if ((c < 0x80 && isalnum(c)) || (c && strchr("-._~", c)) ||
		    (c && keep && strchr(keep, c)))
			strbuf_addch(out, (char)c);
		else
			strbuf_addf(out, "%%%02X", c);
	}
}
