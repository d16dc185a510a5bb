#include "harness/run/routes.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/run/runtime_impl.h"

void route_add(struct runtime *r, const char *party, int port, int via_port)
{
	struct route *free_one = r->n_routes < ROUTES_MAX ? &r->routes[r->n_routes] : NULL;

	for (size_t i = 0; i < r->n_routes; i++)
		if (r->routes[i].port == port && !strcmp(r->routes[i].party, party)) {
			r->routes[i].via_port = via_port;
			return;
		}
	if (!free_one)
		return;
	snprintf(free_one->party, sizeof(free_one->party), "%s", party);
	free_one->port = port;
	free_one->via_port = via_port;
	r->n_routes++;
}

int route_port(struct runtime *r, const char *party, int port)
{
	for (size_t i = 0; i < r->n_routes; i++)
		if (r->routes[i].port == port && !strcmp(r->routes[i].party, party))
			return r->routes[i].via_port;
	return port;
}

char *route_uri(struct runtime *r, const char *party, const char *uri)
{
	for (size_t i = 0; i < r->n_routes; i++) {
		char own[32];
		const char *at;
		size_t n = (size_t)snprintf(own, sizeof(own), "127.0.0.1:%d", r->routes[i].port);

		at = strcmp(r->routes[i].party, party) ? NULL : strstr(uri, own);
		if (at && (at[n] < '0' || at[n] > '9'))
			return xstrfmt("%.*s127.0.0.1:%d%s", (int)(at - uri), uri,
				       r->routes[i].via_port, at + n);
	}
	return xstrdup(uri);
}
