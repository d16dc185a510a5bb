/* The part of PD's HTTP API that drills use. */
#ifndef HARNESS_TIDB_PD_H
#define HARNESS_TIDB_PD_H

#include <stdbool.h>

#include "harness/base/tso.h"
#include "harness/net/http.h"

struct pd_members {
	uint64_t cluster_id;
	unsigned n;
	char version[64];     /* of the first: "v8.5.7" */
	char client_url[300]; /* of the leader: "http://127.0.0.1:2379" */
	char hosts[1024];     /* by which its clients reach its members: "pd-0:2379 pd-1:2379 " */
};
/* as one of hosts: "http://pd-0:2379", or without the scheme */
bool pd_has_member(const struct pd_members *m, const char *url);
int pd_members_parse(struct pd_members *m, const char *json, size_t n, struct err *e);
/* 0: every member is healthy; -1: *e names the first that is not. */
int pd_health_parse(const char *json, size_t n, struct err *e);

struct pd_stores {
	/* a store that died is "Disconnected" after twelve seconds, and "Up" until then */
	unsigned n, up;
	/* "127.0.0.1:20160 Disconnected", the first that is not up; "": none */
	char down[300];
};
int pd_stores_parse(struct pd_stores *s, const char *json, size_t n, struct err *e);

/* The service safe points that hold back garbage collection: fn is told of each that has not
 * expired. */
int pd_safe_points_parse(const char *json, size_t n, int64_t now_s,
			 void (*fn)(void *arg, const char *service, tso_t safe_point,
				    int64_t left_s),
			 void *arg, struct err *e);

/* url: "http://127.0.0.1:2379". */
int pd_members(const char *url, const struct http_tls *tls, struct deadline d, struct pd_members *m,
	       struct err *e);
/* 0: the cluster has its id, and all members are healthy. */
int pd_ready(const char *url, const struct http_tls *tls, struct deadline d, struct pd_members *m,
	     struct err *e);
int pd_look_at_stores(const char *url, const struct http_tls *tls, struct deadline d,
		      struct pd_stores *s, struct err *e);
int pd_safe_points(const char *url, const struct http_tls *tls, struct deadline d,
		   void (*fn)(void *arg, const char *service, tso_t safe_point, int64_t left_s),
		   void *arg, struct err *e);

#endif
