/* The run, as the bindings see it: where it writes, its seed and ground, plan mode, active faults,
 * and its journal. What it owns is in owned.h, who goes by which port in routes.h, the clock of RPO
 * and RTO in recovery.h. One run a process; all calls from the main thread unless said. */
#ifndef HARNESS_RUN_RUNTIME_H
#define HARNESS_RUN_RUNTIME_H

#include <jansson.h>
#include <lua.h>
#include <stdbool.h>

#include "harness/base/clock.h"
#include "harness/base/journal.h"
#include "harness/cluster/ground.h"
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
/* --tidb-version or --set tidb_version=; NULL: the newest */
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

/* Work whose end is known, for the report and the live line: share done (0 to 1) and rows, 0 where
 * they are not counted. */
void runtime_progress(struct runtime *r, const char *what, double share, uint64_t rows);
/* a wait with a known end, for the live line; 0: none */
void runtime_until(struct runtime *r, int64_t mono_ns);
/* Clusters number themselves for the ledger: 0 the first primary. */
unsigned runtime_next_cluster(struct runtime *r);

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
#endif
