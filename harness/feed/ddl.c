#include "harness/feed/ddl.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/rng.h"
#include "harness/feed/log_lines.h"

#define INTENT_TABLE "`drtest_feed`.`ddl_intent`"
/* TiDB's action types that name a database: nothing to USE */
#define DDL_CREATE_SCHEMA 1
#define DDL_DROP_SCHEMA 2

int feed_ddl_prepare(struct sql *sink, struct err *e)
{
	if (sql_exec(sink, e, "CREATE DATABASE IF NOT EXISTS `drtest_feed`") < 0 ||
	    sql_exec(sink, e, "CREATE TABLE IF NOT EXISTS " INTENT_TABLE " (owner VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, "
	                      "commit_ts BIGINT UNSIGNED NOT NULL, fingerprint BIGINT UNSIGNED NOT NULL, done TINYINT NOT NULL) ENGINE=InnoDB") < 0)
		return -1;
	return 0;
}

bool feed_ddl_error_is_done(int sql_error)
{
	static const int done[] = { 1007, 1008, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1176, 1507, 1517, 1831 };

	for (size_t i = 0; i < sizeof(done) / sizeof(done[0]); i++)
		if (done[i] == sql_error)
			return true;
	return false;
}

static int hash_rows(struct sql *s, uint64_t *hash, struct err *e, const struct strbuf *query)
{
	struct sql_rows r = { 0 };
	int rc;

	if (sql_query(s, &r, e, "%s", query->buf) < 0)
		return -1;
	while ((rc = sql_rows_next(&r, e)) == 1) {
		for (unsigned i = 0; i < r.n_columns; i++) {
			/* the length in the seed tells NULL from '' and one cell's end from the next one's start */
			*hash = r.cell[i] ? XXH3_64bits_withSeed(r.cell[i], r.len[i], *hash + r.len[i] + 1) : rng_mix(*hash);
		}
	}
	sql_rows_release(&r);
	return rc;
}

/* The table ids of the engine are what shows a TRUNCATE, an EXCHANGE PARTITION and a RENAME back and forth. */
static int hash_database(struct sql *s, uint64_t *hash, const char *db, struct err *e)
{
	static const struct {
		const char *select, *order;
		bool mariadb;
	} q[] = {
		{ "SELECT * FROM information_schema.SCHEMATA WHERE SCHEMA_NAME", "1", false },
		{ "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, ROW_FORMAT, TABLE_COLLATION, CREATE_OPTIONS, TABLE_COMMENT FROM "
		  "information_schema.TABLES WHERE TABLE_SCHEMA", "1", false },
		{ "SELECT TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE, COLUMN_TYPE, COLLATION_NAME, EXTRA, "
		  "COLUMN_COMMENT, GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA", "1, 3", false },
		{ "SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, NON_UNIQUE, COLUMN_NAME, SUB_PART, INDEX_TYPE, INDEX_COMMENT FROM "
		  "information_schema.STATISTICS WHERE TABLE_SCHEMA", "1, 2, 3", false },
		{ "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME FROM "
		  "information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA", "1, 2, 3", false },
		{ "SELECT TABLE_NAME, PARTITION_NAME, SUBPARTITION_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, PARTITION_DESCRIPTION FROM "
		  "information_schema.PARTITIONS WHERE TABLE_SCHEMA", "1, 2, 3", false },
		{ "SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA", "1", false },
		{ "SELECT NAME, TABLE_ID FROM information_schema.INNODB_SYS_TABLES WHERE SUBSTRING_INDEX(NAME, '/', 1)", "1", true },
	};
	struct strbuf query = STRBUF_INIT;
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(q) / sizeof(q[0]); i++) {
		if (q[i].mariadb && sql_flavor(s) != SQL_MARIADB)
			continue;
		strbuf_reset(&query);
		strbuf_addf(&query, "%s = ", q[i].select);
		sql_add_text(&query, db, strlen(db));
		strbuf_addf(&query, " ORDER BY %s", q[i].order);
		rc = hash_rows(s, hash, e, &query);
	}
	strbuf_release(&query);
	return rc;
}

static int fingerprint_of(struct sql *s, const struct binlog_txn *t, uint64_t *out, struct err *e)
{
	*out = 0;
	if (t->ddl_db[0] && hash_database(s, out, t->ddl_db, e) < 0)
		return -1;
	if (t->ddl_table_db[0] && strcmp(t->ddl_db, t->ddl_table_db) && hash_database(s, out, t->ddl_table_db, e) < 0)
		return -1;
	return 0;
}

/* 1: there is one for this DDL. */
static int intent_read(struct sql *s, const char *owner, tso_t ts, uint64_t *fingerprint, bool *done, struct err *e)
{
	struct sql_rows r = { 0 };
	int rc;

	if (sql_query(s, &r, e, "SELECT fingerprint, done FROM " INTENT_TABLE " WHERE owner = '%s' AND commit_ts = %" PRIu64, owner, ts) < 0)
		return -1;
	rc = sql_rows_next(&r, e);
	if (rc == 1 && !tso_parse(r.cell[0], fingerprint))
		rc = err_set(e, ERR_BAD_DATA, 0, INTENT_TABLE ": bad fingerprint");
	else if (rc == 1)
		*done = r.cell[1][0] == '1';
	sql_rows_release(&r);
	return rc;
}

static int ddl_execute(struct sql *s, const struct binlog_txn *t, bool again, struct err *e)
{
	struct strbuf use = STRBUF_INIT;
	int rc = 0;

	if (t->ddl_db[0] && t->ddl_type != DDL_CREATE_SCHEMA && t->ddl_type != DDL_DROP_SCHEMA) {
		strbuf_addstr(&use, "USE ");
		sql_add_name(&use, t->ddl_db);
		rc = sql_exec_text(s, e, use.buf, use.len) < 0 ? -1 : 0;
	}
	if (!rc && sql_exec_text(s, e, t->ddl_query, strlen(t->ddl_query)) < 0)
		rc = -1;
	if (rc < 0 && again && e->kind == ERR_SQL && feed_ddl_error_is_done(e->code)) {
		feed_log("warn", "DDL taken as done already: %s", e->text);
		rc = 0;
	}
	strbuf_release(&use);
	return rc;
}

int feed_ddl_apply(struct sql *sink, const char *owner, tso_t ts, const struct binlog_txn *t, struct err *e)
{
	uint64_t before = 0, now = 0;
	bool done = false;
	int again = intent_read(sink, owner, ts, &before, &done, e);

	if (again < 0)
		return -1;
	if (again && done)
		return 0;
	if (fingerprint_of(sink, t, &now, e) < 0)
		return err_wrap(e, "read the secondary's schema before a DDL");
	if (!again &&
	    sql_exec(sink, e, "REPLACE INTO " INTENT_TABLE " VALUES ('%s', %" PRIu64 ", %" PRIu64 ", 0)", owner, ts, now) < 0)
		return -1;
	bool run = !again || now == before;
	if (run && ddl_execute(sink, t, again == 1, e) < 0)
		return -1;
	if (sql_exec(sink, e, "UPDATE " INTENT_TABLE " SET done = 1 WHERE owner = '%s'", owner) < 0)
		return -1;
	return run;
}
