/* lib: net */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/net/http_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An address that is one says the same when it is written out; only loopback is loopback. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), *again;
	struct http_place p, q;
	struct err e = ERR_INIT;

	if (http_place_parse(&p, text, 1, &e) == 0) {
		again = xstrfmt(p.ipv6 ? "[%s]:%d" : "%s:%d", p.host, p.port);
		if (http_place_parse(&q, again, 2, &e) < 0 || strcmp(p.host, q.host) ||
		    p.port != q.port || p.ipv6 != q.ipv6 || p.loopback != q.loopback)
			abort();
		if (p.loopback && strncmp(p.host, "127.", 4) != 0 && !strchr(p.host, ':'))
			abort();
		free(again);
	} else if (e.kind != ERR_USAGE || strchr(e.text, '\n')) {
		abort();
	}
	free(text);
	return 0;
}
