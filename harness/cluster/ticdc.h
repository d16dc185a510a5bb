/* TiCDC: its open API v2 (6.2 and later) and, for what is older, what `cdc cli` prints. JSON numbers here are TSOs: 64 bits, never doubles. */
#ifndef HARNESS_CLUSTER_TICDC_H
#define HARNESS_CLUSTER_TICDC_H

#include <stdbool.h>

#include "harness/base/tso.h"
#include "harness/net/http.h"

struct ticdc { /* one cluster's TiCDC */
	const char *api;       /* "http://127.0.0.1:8300" */
	struct http_tls tls;
};

struct ticdc_feed {
	char id[128];
	char state[16];        /* normal, pending, warning, failed, stopped, finished, removed */
	tso_t checkpoint_ts, resolved_ts; /* resolved_ts 0: not told */
	char level[16];        /* consistent.level; "": not told. Without --config TiCDC takes "none" and says nothing */
	char error[600];       /* "[CDC:ErrX] message", TiCDC's own; "": none */
};
/* Takes every form that versions print: the API's full info, its list items, its status, `cdc cli changefeed query` with and without -s
 * of 5.x and later, and the Info line of `create`. */
int ticdc_feed_parse(struct ticdc_feed *f, const char *json, size_t n, struct err *e);
/* The stdout of `cdc cli changefeed create`: log lines may be mixed in. */
int ticdc_create_parse(struct ticdc_feed *f, const char *text, size_t n, struct err *e);
/* {"error_msg":"…","error_code":"CDC:Err…"} as one line with the way out; what: "create changefeed x". Returns -1. */
int ticdc_refused(const struct http_answer *a, const char *what, struct err *e);
/* stderr of the CLI, "Error: [CDC:ErrX]…", the same way. */
int ticdc_cli_refused(const char *text, const char *what, struct err *e);

/* A metric's sample whose labels hold changefeed="id" (or none of them); -1: there is none. */
int ticdc_metric(const char *text, const char *name, const char *id, double *value);
/* The TSO that a replay would reach, by ticdc_redo_resolved_ts (new architecture); 0: this TiCDC does not tell. Its value is a TSO, or the
 * milliseconds of one. */
tso_t ticdc_redo_resolved(const char *metrics, const char *id);

struct ticdc_create {
	const char *id, *sink_uri, *redo_uri; /* redo_uri "": no redo */
	tso_t start_ts;
	unsigned flush_ms, meta_ms;           /* 0: TiCDC's */
};
/* The body of POST /api/v2/changefeeds; the caller frees. It holds secrets. */
char *ticdc_create_body(const struct ticdc_create *o);
/* The [consistent] file for `--config`; appended. keys: only what the version knows (meta-flush-interval from 6.5.6, 7.1.3, 7.5). */
void ticdc_config_text(const struct ticdc_create *o, const unsigned version[3], struct strbuf *out);

/* 1: it has API v2; 0: it answers, but is older; -1: no answer. */
int ticdc_has_v2(const struct ticdc *c, struct deadline d, struct err *e);
int ticdc_captures(const struct ticdc *c, struct deadline d, unsigned *n, struct err *e);
int ticdc_create(const struct ticdc *c, const struct ticdc_create *o, struct deadline d, struct ticdc_feed *f, struct err *e);
/* State, checkpoint, resolved ts. A failed changefeed is no error here: f->error says why. */
int ticdc_query(const struct ticdc *c, const char *id, struct deadline d, struct ticdc_feed *f, struct err *e);
/* The redo log's own resolved ts by TiCDC's metrics, which are megabytes: not to be asked often. 0: not told. */
tso_t ticdc_query_redo(const struct ticdc *c, const char *id, struct deadline d);
/* Never `remove`: that deletes the redo log. */
int ticdc_pause(const struct ticdc *c, const char *id, struct deadline d, struct err *e);

#endif
