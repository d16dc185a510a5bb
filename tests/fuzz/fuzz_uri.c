/* lib: net */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/net/store.h"
#include "harness/base/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A URI that parses can be encoded again and parses to the same parts; a store opens on it or says
 * why not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct strbuf again = STRBUF_INIT;
	struct uri u, v;
	struct err e = ERR_INIT;

	if (uri_parse(&u, text, &e) == 0) {
		strbuf_addf(&again, "%s://", u.scheme);
		uri_encode(&again, u.user, strlen(u.user), NULL);
		strbuf_addch(&again, ':');
		uri_encode(&again, u.password, strlen(u.password), NULL);
		strbuf_addstr(&again, "@[");
		uri_encode(&again, u.host, strlen(u.host), ":");
		strbuf_addch(&again, ']');
		if (u.port)
			strbuf_addf(&again, ":%d", u.port);
		uri_encode(&again, u.path, strlen(u.path), "/");
		for (size_t i = 0; i < u.n_params; i++) {
			strbuf_addch(&again, i ? '&' : '?');
			uri_encode(&again, u.params[i].name, strlen(u.params[i].name), NULL);
			strbuf_addch(&again, '=');
			uri_encode(&again, u.params[i].value, strlen(u.params[i].value), NULL);
		}
		if (again.len <= 8192) {
			if (uri_parse(&v, again.buf, &e) < 0)
				abort();
			if (strcmp(u.user, v.user) || strcmp(u.password, v.password) ||
			    strcmp(u.host, v.host) || strcmp(u.path, v.path) || u.port != v.port ||
			    u.n_params != v.n_params)
				abort();
			for (size_t i = 0; i < u.n_params; i++)
				if (strcmp(u.params[i].name, v.params[i].name) ||
				    strcmp(u.params[i].value, v.params[i].value))
					abort();
			uri_release(&v);
		}
		uri_release(&u);
	}
	store_free(store_open(text, NULL, &e));
	strbuf_release(&again);
	free(text);
	return 0;
}
