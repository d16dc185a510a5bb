/* Which party reaches which server on 127.0.0.1 through a proxy's port. party: "load", "feed",
 * "replay", "backup", "restore". Main thread. */
#ifndef HARNESS_RUN_ROUTES_H
#define HARNESS_RUN_ROUTES_H

struct runtime;

void route_add(struct runtime *r, const char *party, int port, int via_port);
/* the port to take: its own when there is no route */
int route_port(struct runtime *r, const char *party, int port);
/* the same for a store's URI; the caller's to free */
char *route_uri(struct runtime *r, const char *party, const char *uri);

#endif
