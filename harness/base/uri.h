/* URIs as TiDB's tools write them: scheme://[user[:password]@]host[:port][/path][?name=value&...],
 * percent-decoded. A parameter may hold an unescaped URL (endpoint=http://10.0.1.10:6060). Bounded:
 * 8 KiB, 64 parameters. */
#ifndef HARNESS_BASE_URI_H
#define HARNESS_BASE_URI_H

#include "harness/base/err.h"
#include "harness/base/strbuf.h"

struct uri_param {
	char *name, *value;
};
struct uri {
	/* never NULL: "" when absent. path keeps its leading '/' */
	char *scheme, *user, *password, *host, *path;
	int port; /* 0: not given */
	struct uri_param *params;
	size_t n_params;
};
/* What a URI option means: "@FILE" is the first line of a file (/dev/stdin too), "env:NAME" a
 * variable of the environment, so that no password has to stand in a command line; anything else is
 * the URI itself. Appends to out. ERR_USAGE. */
int uri_option(const char *arg, struct strbuf *out, struct err *e);
int uri_parse(struct uri *u, const char *text, struct err *e); /* errors never quote a secret */
void uri_release(struct uri *u);
/* NULL if absent; the last one wins */
const char *uri_param(const struct uri *u, const char *name);
/* RFC 3986 unreserved and `keep` stay */
void uri_encode(struct strbuf *out, const char *data, size_t n, const char *keep);

#endif
