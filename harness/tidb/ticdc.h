/* TiCDC: its open API v2 (6.2 and later) and, for what is older, what `cdc cli` prints. JSON
 * numbers here are TSOs: 64 bits, never doubles. */
#ifndef HARNESS_TIDB_TICDC_H
#define HARNESS_TIDB_TICDC_H

#include <stdbool.h>

#include "harness/base/strbuf.h"
#include "harness/base/tso.h"
#include "harness/net/http.h"

struct ticdc {           /* one cluster's TiCDC */
	const char *api; /* "http://127.0.0.1:8300" */
	struct http_tls tls;
};

struct ticdc_feed {
	char id[128];
	char state[16]; /* normal, pending, warning, failed, stopped, finished, removed */
	/* resolved_ts 0: not told: pending, stopped, a processor that is starting */
	tso_t checkpoint_ts, resolved_ts;
	/* the new architecture: the redo log alone tells how far it is */
	bool resolved_is_checkpoint;
	/* consistent.storage without its query, which holds the keys; "": not told */
	char storage[300];
	/* consistent.level; "": not told. Without --config TiCDC takes "none" and says nothing */
	char level[16];
	unsigned flush_ms, meta_ms; /* of [consistent]; 0: not told */
	char error[600];            /* "[CDC:ErrX] message", TiCDC's own; "": none */
};
/* Takes every form that versions print: the API's full info, its list items, its status, `cdc cli
 * changefeed query` with and without -s of 5.x and later, and the Info line of `create`. */
int ticdc_feed_parse(struct ticdc_feed *f, const char *json, size_t n, struct err *e);
/* The stdout of `cdc cli changefeed create`: log lines may be mixed in. */
int ticdc_create_parse(struct ticdc_feed *f, const char *text, size_t n, struct err *e);
/* {"error_msg":"…","error_code":"CDC:Err…"} as one line with the way out and without the secrets
 * that it quotes; what: "create changefeed x". Returns -1; ERR_NOT_FOUND: there is no such
 * changefeed; ERR_TIMEOUT with the code TICDC_OWNER_AWAY: the server that owns the changefeeds has
 * died, and for some ten seconds no other has taken over. */
#define TICDC_OWNER_AWAY 1
int ticdc_refused(const struct http_answer *a, const char *what, struct err *e);
/* stderr of the CLI, "Error: [CDC:ErrX]…", the same way. */
int ticdc_cli_refused(const char *text, const char *what, struct err *e);

struct ticdc_create {
	const char *id, *sink_uri, *redo_uri; /* redo_uri "": no redo */
	tso_t start_ts;
	unsigned flush_ms, meta_ms; /* 0: TiCDC's */
	unsigned syncpoint_ms;      /* between two syncpoints, at least 30 s; 0: none are made */
	bool bdr;                   /* bdr-mode */
	bool force_replicate;       /* force-replicate: tables without a key too */
};
/* The body of POST /api/v2/changefeeds; the caller frees. It holds secrets. */
char *ticdc_create_body(const struct ticdc_create *o);
/* The [consistent] file for `--config`; appended. keys: only what the version knows
 * (meta-flush-interval from 6.5.6, 7.1.3, 7.5). */
void ticdc_config_text(const struct ticdc_create *o, const unsigned version[3], struct strbuf *out);

/* 1: it has API v2; 0: it answers, but is older; -1: no answer. */
int ticdc_has_v2(const struct ticdc *c, struct deadline d, struct err *e);
/* How many there are; hosts, where it is not NULL: "10.0.1.1:8300 10.0.1.2:8300 ", as they are
 * registered. */
int ticdc_captures(const struct ticdc *c, struct deadline d, unsigned *n, struct strbuf *hosts,
		   struct err *e);
/* "127.0.0.1:8300"; ERR_NOT_FOUND: none */
int ticdc_owner(const struct ticdc *c, struct deadline d, char address[300], struct err *e);
/* *made: it is there, also when -1 says that the answer could not be read. */
int ticdc_create(const struct ticdc *c, const struct ticdc_create *o, struct deadline d,
		 struct ticdc_feed *f, bool *made, struct err *e);
/* State, checkpoint, resolved ts. A failed changefeed is no error here: f->error says why. For
 * about half a second after its create TiCDC knows a changefeed not yet (ERR_NOT_FOUND), after a
 * pause it says "normal", after a resume "stopped". */
int ticdc_query(const struct ticdc *c, const char *id, struct deadline d, struct ticdc_feed *f,
		struct err *e);
/* The ids of all changefeeds, at most max; *n how many there are. */
int ticdc_list(const struct ticdc *c, struct deadline d, char (*ids)[128], unsigned max,
	       unsigned *n, struct err *e);
/* As ticdc_query(), of a changefeed that another may have just made: as long as it is in TiCDC's
 * list it is waited for, until young. One that is in no list is told with those that are. */
int ticdc_find(const struct ticdc *c, const char *id, struct deadline young, struct ticdc_feed *f,
	       struct err *e);
/* GET /status answers even where nothing else does. 0: is_owner says that it still has its PD; 1:
 * it has lost its owner; -1: no answer. */
int ticdc_lost_owner(const struct ticdc *c, struct deadline d, struct err *e);
/* deletes its redo log too; an unknown id is fine */
int ticdc_remove(const struct ticdc *c, const char *id, struct deadline d, struct err *e);
int ticdc_pause(const struct ticdc *c, const char *id, struct deadline d, struct err *e);

#endif
