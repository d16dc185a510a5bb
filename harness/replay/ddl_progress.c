#include "harness/replay/ddl_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/replay/replay.h"
#include "harness/sql/schema.h"

#define TABLE "`drtest_feed`.`replay_progress`"

static int table_make(struct sql *s, struct err *e)
{
	if (sql_exec(s, e, "CREATE DATABASE IF NOT EXISTS `drtest_feed`") < 0 ||
	    sql_exec(s, e, "CREATE TABLE IF NOT EXISTS " TABLE " (log_id VARCHAR(190) NOT NULL PRIMARY KEY, done_ts BIGINT UNSIGNED NOT NULL,"
	                   " done_seq BIGINT UNSIGNED NOT NULL, intent_ts BIGINT UNSIGNED NOT NULL, intent_seq BIGINT UNSIGNED NOT NULL,"
	                   " fingerprint CHAR(16) NOT NULL)") < 0)
		return err_wrap(e, "replay progress");
	return 0;
}

#define NOT_OURS " NOT LIKE 'drtest\\_feed/%' AND NAME NOT LIKE 'mysql/%' AND NAME NOT LIKE '%/#%' AND NAME NOT LIKE '%/FTS\\_%' ORDER BY NAME"
static const char *const physical_ids[] = {
	[SQL_MARIADB] = "SELECT NAME, TABLE_ID FROM information_schema.INNODB_SYS_TABLES WHERE NAME" NOT_OURS,
	[SQL_MYSQL] = "SELECT NAME, TABLE_ID FROM information_schema.INNODB_TABLES WHERE NAME" NOT_OURS,
	[SQL_TIDB] = "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', PARTITION_NAME), TIDB_PARTITION_ID FROM information_schema.PARTITIONS"
	             " WHERE TIDB_PARTITION_ID IS NOT NULL AND TABLE_SCHEMA NOT IN ('mysql', 'drtest_feed') UNION ALL"
	             " SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), TIDB_TABLE_ID FROM information_schema.TABLES"
	             " WHERE TABLE_SCHEMA NOT IN ('mysql', 'drtest_feed', 'INFORMATION_SCHEMA', 'PERFORMANCE_SCHEMA', 'METRICS_SCHEMA') ORDER BY 1",
};

/* Over the definition of every table of the user's, and its databases. AUTO_INCREMENT counters move by themselves: left out. */
static int fingerprint(struct sql *s, char out[17], struct err *e)
{
	struct table_name *t;
	struct sql_rows r = { 0 };
	XXH3_state_t *h;
	size_t n;
	int rc = -1, got;

	if (schema_tables(s, &t, &n, e) < 0)
		return -1;
	h = XXH3_createState();
	XXH3_64bits_reset(h);
	for (size_t i = 0; i < n; i++) {
		struct strbuf q = STRBUF_INIT;
		const char *counter;

		if (!strcmp(t[i].db, "drtest_feed"))
			continue;
		strbuf_addstr(&q, "SHOW CREATE TABLE ");
		sql_add_name(&q, t[i].db);
		strbuf_addch(&q, '.');
		sql_add_name(&q, t[i].table);
		got = sql_query(s, &r, e, "%s", q.buf) < 0 || sql_rows_next(&r, e) != 1 ? -1 : 0;
		strbuf_release(&q);
		if (got < 0)
			goto out;
		XXH3_64bits_update(h, t[i].db, strlen(t[i].db) + 1);
		counter = strstr(r.cell[1], " AUTO_INCREMENT=");
		XXH3_64bits_update(h, r.cell[1], counter ? (size_t)(counter - r.cell[1]) : r.len[1]);
		if (counter)
			XXH3_64bits_update(h, counter + 16 + strspn(counter + 16, "0123456789"), strlen(counter + 16 + strspn(counter + 16, "0123456789")));
		sql_rows_release(&r);
	}
	if (sql_query(s, &r, e, "SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME <> 'drtest_feed'"
	                        " ORDER BY BINARY SCHEMA_NAME") < 0)
		goto out;
	while ((got = sql_rows_next(&r, e)) == 1)
		for (int k = 0; k < 2; k++)
			XXH3_64bits_update(h, r.cell[k] ? r.cell[k] : "", (r.cell[k] ? strlen(r.cell[k]) : 0) + 1);
	if (got < 0)
		goto out;
	sql_rows_release(&r);
	/* What an EXCHANGE PARTITION or a TRUNCATE changes, and no definition shows. A server that keeps it elsewhere, or from us, is
	 * judged by the definitions alone. */
	if (sql_query(s, &r, NULL, "%s", physical_ids[sql_flavor(s)]) == 0) {
		while ((got = sql_rows_next(&r, e)) == 1)
			for (int k = 0; k < 2; k++)
				XXH3_64bits_update(h, r.cell[k] ? r.cell[k] : "", (r.cell[k] ? strlen(r.cell[k]) : 0) + 1);
		if (got < 0)
			goto out;
	}
	snprintf(out, 17, "%016" PRIx64, XXH3_64bits_digest(h));
	rc = 0;
out:
	sql_rows_release(&r);
	XXH3_freeState(h);
	schema_tables_free(t, n);
	return rc;
}

static int write_progress(struct sql *s, const char *log_id, struct ddl_point done, struct ddl_point intent, const char *print, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "REPLACE INTO " TABLE " VALUES (");
	sql_add_text(&q, log_id, strlen(log_id));
	strbuf_addf(&q, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",'%s')", done.commit_ts, done.seq, intent.commit_ts, intent.seq, print);
	rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? err_wrap(e, "replay progress") : 0;
	strbuf_release(&q);
	return rc;
}

/* 1: there is a row. */
static int read_row(struct sql *s, const char *log_id, struct ddl_point *done, struct ddl_point *intent, char print[17], struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int got = -1;

	*done = *intent = (struct ddl_point){ 0 };
	sql_add_text(&q, log_id, strlen(log_id));
	if (sql_query(s, &r, e, "SELECT done_ts, done_seq, intent_ts, intent_seq, fingerprint FROM " TABLE " WHERE log_id = %s", q.buf) == 0 &&
	    (got = sql_rows_next(&r, e)) == 1) {
		*done = (struct ddl_point){ strtoull(r.cell[0], NULL, 10), strtoull(r.cell[1], NULL, 10) };
		*intent = (struct ddl_point){ strtoull(r.cell[2], NULL, 10), strtoull(r.cell[3], NULL, 10) };
		snprintf(print, 17, "%s", r.cell[4]);
	}
	sql_rows_release(&r);
	strbuf_release(&q);
	return got < 0 ? err_wrap(e, "replay progress") : got;
}

int ddl_progress_read(struct sql *s, const char *log_id, struct ddl_point *done, struct err *e)
{
	struct ddl_point intent;
	char print[17], now[17];
	int got;

	if (table_make(s, e) < 0 || (got = read_row(s, log_id, done, &intent, print, e)) < 0)
		return -1;
	if (!got || !intent.commit_ts)
		return 0;
	if (fingerprint(s, now, e) < 0)
		return -1;
	if (!strcmp(now, print))
		return 0; /* it was not run */
	*done = intent;
	return write_progress(s, log_id, intent, (struct ddl_point){ 0 }, "", e);
}

int ddl_progress_intent(struct sql *s, const char *log_id, struct ddl_point p, struct err *e)
{
	struct ddl_point done, intent;
	char print[17];

	if (read_row(s, log_id, &done, &intent, print, e) < 0 || fingerprint(s, print, e) < 0)
		return -1;
	return write_progress(s, log_id, done, p, print, e);
}

int ddl_progress_done(struct sql *s, const char *log_id, struct ddl_point p, struct err *e)
{
	return write_progress(s, log_id, p, (struct ddl_point){ 0 }, "", e);
}

int ddl_progress_forget(struct sql *s, const char *log_id, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	sql_add_text(&q, log_id, strlen(log_id));
	rc = table_make(s, e) < 0 || sql_exec(s, e, "DELETE FROM " TABLE " WHERE log_id = %s", q.buf) < 0 ? err_wrap(e, "replay progress") : 0;
	strbuf_release(&q);
	return rc;
}

int ddl_run(struct sql *s, const struct redo_ddl *d, bool *skipped, struct err *e)
{
	/* "done already" (redo-log spec, section 7) */
	static const int done_already[] = { 1007, 1008, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1176, 1507, 1517, 1831 };
	struct strbuf db = STRBUF_INIT, use = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc = 0;

	*skipped = false;
	strbuf_add(&db, d->table.db.p, d->table.db.n);
	if (db.len && d->type != 1 && d->type != 2) {
		strbuf_addstr(&use, "USE ");
		sql_add_name(&use, db.buf);
		rc = sql_exec_text(s, e, use.buf, use.len) < 0 ? -1 : 0;
	}
	if (rc == 0 && sql_exec_text(s, &why, d->query.p, d->query.n) < 0) {
		rc = -1;
		for (size_t i = 0; i < sizeof(done_already) / sizeof(done_already[0]); i++)
			if (why.kind == ERR_SQL && why.code == done_already[i]) {
				*skipped = true;
				rc = 0;
			}
		if (rc < 0 && e)
			*e = why;
	}
	strbuf_release(&db);
	strbuf_release(&use);
	return rc < 0 ? err_wrap(e, "DDL at commitTs %" PRIu64, d->commit_ts) : 0;
}
