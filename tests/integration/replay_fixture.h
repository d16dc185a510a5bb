/* What the tests of replay share: a server, the fixtures of the real TiCDC with their expected
 * rows, and logs made by our writer. */
#ifndef TESTS_INTEGRATION_REPLAY_FIXTURE_H
#define TESTS_INTEGRATION_REPLAY_FIXTURE_H

#include "harness/replay/replay.h"
#include "harness/redo/writer.h"
#include "harness/sql/ddl/ddl_once.h"
#include "tests/integration/mariadb_server.h"

struct fixture {
	struct test_server *server;
	struct sql *conn;
};
/* cmocka's tests, one for each log of the real TiCDC with its expected rows; its name is *state */
#define FX_FOR_REAL_LOGS(test)                                          \
	{ "small", test, NULL, NULL, (void *)"small" },                 \
		{ "small_lz4", test, NULL, NULL, (void *)"small-lz4" }, \
		{ "keyswap", test, NULL, NULL, (void *)"keyswap" },     \
	{                                                               \
		"sysbench", test, NULL, NULL, (void *)"sysbench"        \
	}
extern struct fixture fx;
void fx_start(void);
void fx_end(void);
void fx_must(const char *text);
void fx_source(const char *path); /* an SQL file, through the client */
void fx_forget(void);             /* drops what replays made */
struct store *fx_open(const char *dir);
int fx_replay(const char *dir, enum replay_mode mode, struct replay_stats *st, struct err *e);
/* onto the fixture's server */
struct replay_opts fx_replay_opts(enum replay_mode mode);
/* fails the test with what went wrong */
void fx_must_replay(struct store *log, const struct replay_opts *o, struct replay_stats *st);
void fx_compare(const char *name); /* tests/fixtures/redo/NAME/expected.json */
char *fx_value(const char *query); /* one value as text; the caller frees */

/* A log of ours in a fresh directory: table t (id BIGINT PRIMARY KEY, v VARCHAR(100)) and the like.
 */
struct fx_log {
	char *dir;
	struct store *store;
	struct redo_writer *writer;
	tso_t ts; /* the last commitTs given out */
};
void fx_log_begin(struct fx_log *l, const char *name);
tso_t fx_log_txn(struct fx_log *l); /* the next transaction; its changes follow */
/* no primary key; a third column `extra` INT; the key is a DOUBLE or a FLOAT, id / 7; `extra` is a
 * stored generated column, id * 2 */
enum { FX_NO_KEY = 1, FX_EXTRA = 2, FX_DOUBLE_KEY = 4, FX_FLOAT_KEY = 8, FX_GENERATED = 16 };
/* NULL: not there before, or not after. */
void fx_log_row(struct fx_log *l, const char *db, const char *table, unsigned how, int64_t id,
		const char *before, const char *after);
/* the same change of the keys from `from` to below `to`, a transaction each */
void fx_log_rows(struct fx_log *l, const char *db, const char *table, unsigned how, int from,
		 int to, const char *before, const char *after);
void fx_log_move(struct fx_log *l, const char *db, const char *table, int64_t from, int64_t to,
		 const char *v);
void fx_log_ddl(struct fx_log *l, const char *db, const char *table, unsigned type,
		const char *query);
/* of the last transaction's commitTs, as TiCDC splits a statement over several tables; seq 0: as
 * its logs before v8.5.5 */
void fx_log_ddl_part(struct fx_log *l, const char *db, const char *table, int64_t id, uint64_t seq,
		     const char *query);
void fx_log_flush(struct fx_log *l); /* files are ended here */
/* flushes and writes the meta: from before all to the last transaction */
void fx_log_end(struct fx_log *l);
void fx_log_free(struct fx_log *l);

/* As a changefeed or a replay leaves it that was killed while its statement waited for the metadata
 * lock of `locked`, "db.table". */
void fx_leave_intent(const char *owner, const struct ddl_statement *d, const char *locked);

/* an empty ch.t, and no record of a replay */
void fx_chain_table(void);
/* A whole log: 10 rows of ch.t, each changed from "step 0" to "step 4", a transaction for each
 * change. without: the number of a change that is missing, -1: none. */
void fx_log_chain(struct fx_log *l, const char *name, int without);

#endif
