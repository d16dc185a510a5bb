/* What a run is made of, as the bindings see it: the journal, things that are owned and taken down
 * last first, their health, the samples of each second, errors on their way through Lua, plan mode.
 * One run a process; all calls from the main thread unless said. */
#ifndef HARNESS_RUN_RUNTIME_H
#define HARNESS_RUN_RUNTIME_H

#include <jansson.h>
#include <lua.h>
#include <stdbool.h>

#include "harness/base/clock.h"
#include "harness/base/journal.h"
#include "harness/cluster/ground.h"
#include "harness/verify/audit_model.h"
#include "harness/verify/checks.h"

struct runtime;

/* A list made by cli: the bindings, all of folders that run may not include. open pushes one value,
 * t's field `name`. needs (may be NULL) says what this machine and ground lack for a thing that a
 * scenario names in its `needs`: 1 nothing, 0 it lacks what is appended, -1 it knows no such thing.
 */
struct runtime_module {
	const char *name; /* NULL ends a list */
	lua_CFunction open;
	int (*needs)(const char *thing, const struct ground *ground, struct strbuf *missing);
};
enum run_store { RUN_STORE_S3, RUN_STORE_FILE };

struct run_tools;
const struct run_tools *runtime_tools(const struct runtime *r);
struct runtime *runtime_of(lua_State *L);
struct journal *runtime_journal(struct runtime *r); /* NULL in plan mode */
const struct ground *runtime_ground(const struct runtime *r);
/* the ground has TiDB's own statements and time travel */
bool runtime_on_tidb(const struct runtime *r);
/* --version or --set tidb_version=; NULL: the newest */
const char *runtime_tidb_version(const struct runtime *r);
/* a tool of the run is a stand-in: said once, in every report */
void runtime_stands_in(struct runtime *r, const char *what);
uint64_t runtime_seed(const struct runtime *r);
enum run_store runtime_store(const struct runtime *r);
bool runtime_keeps(const struct runtime *r);      /* --keep */
const char *runtime_dir(const struct runtime *r); /* the run folder, absolute */
/* /var/tmp/drtest-<run>: servers' data; absolute, short, mode 0755 */
const char *runtime_data_dir(const struct runtime *r);
/* RUN/logs/PROCESS.log; the caller's to free */
char *runtime_log_path(const struct runtime *r, const char *process);
double runtime_seconds(const struct runtime *r, int64_t mono_ns); /* on the journal's clock */

/* ---- plan mode: prints one line of what would be done, and returns true; else false at once */
bool runtime_plan(struct runtime *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool runtime_planning(const struct runtime *r);

/* ---- what the run owns */
struct runtime_ops {
	void (*close)(void *object, bool keep);
	/* its own fault, seen while the scenario waits; may be NULL */
	int (*health)(void *object, struct err *e);
	/* from the sampler's thread, never after close began; may be NULL */
	void (*sample)(void *object, json_t *sample);
};
void runtime_own(struct runtime *r, const struct runtime_ops *ops, void *object);
/* The next object of this kind from *at on (0 first; it is moved behind it); NULL: no more. Main
 * thread. */
void *runtime_owned(const struct runtime *r, const struct runtime_ops *ops, size_t *at);
/* No health is expected of it any more (it was killed on purpose, or stopped). From any thread. */
void runtime_expect(struct runtime *r, void *object, bool healthy);
int runtime_health(struct runtime *r, struct err *e);
/* Waits ms, health looked at every 50 ms. 0: waited; -1: *e is set (a fault, cancelled). */
int runtime_wait(struct runtime *r, int64_t ms, struct err *e);
/* For ops->sample: CPU and resident memory of a process, into the sample under its name; nothing
 * when it is gone. */
void runtime_sample_process(json_t *sample, const char *name, pid_t pid);
/* Work whose end is known, for the report and the live line: share done (0 to 1) and rows, 0 where
 * they are not counted. */
void runtime_progress(struct runtime *r, const char *what, double share, uint64_t rows);
/* a wait with a known end, for the live line; 0: none */
void runtime_until(struct runtime *r, int64_t mono_ns);
/* ---- routes: who reaches which server of 127.0.0.1 by another port (a proxy's). party: "load",
 * "feed", "replay", "backup", "restore" */
void runtime_route_add(struct runtime *r, const char *party, int port, int via_port);
/* the port to take: its own when there is no route */
int runtime_route(struct runtime *r, const char *party, int port);
/* the same for a store's URI; the caller's to free */
char *runtime_route_uri(struct runtime *r, const char *party, const char *uri);
/* Clusters number themselves for the ledger: 0 the first primary. */
unsigned runtime_next_cluster(struct runtime *r);

/* ---- errors: raised as userdata that carries the err; never returns */
int runtime_raise(lua_State *L, const struct err *e);
/* a wrong call in the script */
int runtime_usage(lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const struct err *runtime_error_at(lua_State *L, int index); /* NULL: no such userdata */

/* ---- faults in force: what becomes of who works with their targets is no surprise then. From any
 * thread. */
void runtime_fault(struct runtime *r, bool begins); /* else it ends */
/* the same once for each target, whose flag says whether it is struck */
void runtime_strike(struct runtime *r, bool *struck, bool begins);
/* none is in force, and none was in the last so many ms */
bool runtime_calm(const struct runtime *r, int64_t for_ms);

/* ---- journal */
void runtime_figure(struct runtime *r, const char *name, json_t *value); /* taken over */
void runtime_note(struct runtime *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A check of C's own: it counts as one of the scenario's. */
void runtime_check(struct runtime *r, const char *name, enum verdict verdict, const char *evidence);
/* versions of what takes part; before the first step ends */
void runtime_version(struct runtime *r, const char *what, const char *version);
/* The disaster: starts RTO's clock and its first phase, "detect". */
void runtime_disaster(struct runtime *r, const char *kind, const char *target, int64_t at_ns);
int64_t runtime_disaster_ns(const struct runtime *r); /* 0: none yet */
int64_t runtime_disaster_wall_ms(const struct runtime *r);
void runtime_phase(struct runtime *r, const char *name);
/* "service" ends the phases; "redundant" */
void runtime_recovered(struct runtime *r, const char *what, int64_t at_ns);

/* A load's userdata begins with this; its metatable is AUDIT_METATABLE. */
#define AUDIT_METATABLE "drtest.load"
struct run_audit {
	const struct audit_model *model; /* NULL: none */
	const char *ledger_dir;
	/* where its rows are; ledger_table "" when it writes none */
	const char *db, *ledger_table;
	/* of its c and pad; NULL: they do not tell */
	int (*writer_of)(void *ctx, const char *text, size_t n, uint32_t *worker, uint64_t *seq);
	void *writer_ctx;
	/* the check of histories that it is written for: "append", "bank"; "" none */
	const char *history;
};
/* Reads optional fields of the table at index; an unknown field or a wrong type is a usage error of
 * the script. */
enum field_type { FIELD_TEXT, FIELD_NUMBER, FIELD_WHOLE, FIELD_FLAG, FIELD_DURATION_MS, FIELD_ANY };
struct field {
	const char *name; /* NULL ends a list */
	enum field_type type;
	/* const char **, double *, int64_t *, bool *, int64_t *; FIELD_ANY: unused, the caller
	 * fetches it */
	void *out;
};
void runtime_fields(lua_State *L, int index, const char *what, const struct field *fields);

#endif
