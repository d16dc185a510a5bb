#include "harness/tidb/tidb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "harness/sql/schema.h"

/* what ADMIN CHECK TABLE says of an index that disagrees with its rows */
#define TIDB_ADMIN_CHECK_TABLE 8003
#define TIDB_INCONSISTENT_COUNT 8133
#define TIDB_INCONSISTENT_INDEX 8134
#define TIDB_INCONSISTENT 8223
#define TIDB_READ_ONLY 1836
#define TIDB_OLD_SNAPSHOT 8055
#define TIDB_PRIVILEGE 8121
#define TIDB_SYNTAX 1064
#define OPEN_MS 10000
#define NO_SUCH_THREAD 1094

static const char *cell_of(const char *const *names, const char *const *cells, unsigned n,
			   const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (names[i] && !strcasecmp(names[i], name))
			return cells[i] ? cells[i] : "";
	return NULL;
}

int tidb_brie_parse(struct tidb_brie *b, bool restore, const char *const *names,
		    const char *const *cells, unsigned n, struct err *e)
{
	const char *destination = cell_of(names, cells, n, "Destination"),
		   *size = cell_of(names, cells, n, "Size"),
		   *ts = cell_of(names, cells, n, "BackupTS"),
		   *cluster = cell_of(names, cells, n, "Cluster TS"),
		   *queued = cell_of(names, cells, n, "Queue Time"),
		   *executed = cell_of(names, cells, n, "Execution Time");
	const char *what = restore ? "RESTORE" : "BACKUP";
	tso_t told = 0;

	memset(b, 0, sizeof(*b));
	if (!destination || !size || !ts)
		return err_set(e, ERR_BAD_DATA, 0, "%s's row lacks the column %s", what,
			       !destination ? "Destination"
			       : !size      ? "Size"
					    : "BackupTS");
	if (!tso_parse(size, &b->size_bytes) || !tso_parse(ts, &told) ||
	    (cluster && !tso_parse(cluster, &b->cluster_ts)))
		return err_set(
			e, ERR_BAD_DATA, 0,
			"%s's row has no numbers in these columns: Size '%.24s', BackupTS '%.24s'",
			what, size, ts);
	if (restore && !cluster)
		b->cluster_ts = told;
	else
		b->backup_ts = told;
	if (!restore && !told)
		return err_set(e, ERR_BAD_DATA, 0, "BACKUP's row has BackupTS 0");
	snprintf(b->destination, sizeof(b->destination), "%s", destination);
	snprintf(b->queued, sizeof(b->queued), "%s", queued ? queued : "");
	snprintf(b->executed, sizeof(b->executed), "%s", executed ? executed : "");
	return 0;
}

const char *tidb_brie_way_out(const char *m)
{
	static const struct {
		const char *says, *way_out;
	} known[] = {
		{ "backup meta file exists",
		  "this prefix was used before: use a new prefix for each backup" },
		{ "backup lock file", "it contains an interrupted backup: use a new prefix" },
		{ "NoSuchKey",
		  "this prefix has no backup: the prefix is wrong, or the backup did not finish" },
		{ "status code: 403",
		  "the store refuses the keys: check access-key and secret-access-key" },
		{ "status code: 404", "the bucket does not exist: create it first" },
		{ "NoSuchBucket", "the bucket does not exist: create it first" },
		{ "RequestTimeTooSkewed",
		  "the clocks of this host and of the store differ by more than 15 minutes" },
		{ "Region is unavailable",
		  "a TiKV is down, or the snapshot is in the future: PD's /pd/api/v1/stores "
		  "shows which store is not Up" },
		{ "failed to get cluster id", "PD does not respond: check whether it is running" },
		{ "GC safepoint exceeded",
		  "garbage collection has passed the snapshot: disable it before the backup "
		  "(set_gc(false))" },
		{ "not fresh", "the target has data: restore into a new cluster" },
		{ "already exist", "the target has these tables: restore into a new cluster" },
		{ "new_collations_enabled_on_first_bootstrap",
		  "the clusters were made with different collation settings (versions before and after 6.0)" },
		{ "requires tikv store", "this TiDB runs without TiKV" },
		{ "CDC changefeed", "remove the target's changefeeds before the restore" },
		{ "PermissionDenied",
		  "TiKV's user cannot write there, or the directory is not shared by all TiKVs" },
		{ "Access denied", "the user needs BACKUP_ADMIN and RESTORE_ADMIN" },
		{ "BACKUP_ADMIN", "the user needs BACKUP_ADMIN" },
		{ "RESTORE_ADMIN", "the user needs RESTORE_ADMIN" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(m, known[i].says))
			return known[i].way_out;
	return NULL;
}

/* The statement holds credentials: the message is the server's own, never the statement. */
static int explain_refusal(struct sql *s, const char *what, struct err *e)
{
	MYSQL *m = sql_handle(s);
	const char *way_out = tidb_brie_way_out(mysql_error(m));

	sql_error(m, e, what);
	/* the store's words come with line feeds and tabs */
	for (char *p = e ? e->text : NULL; p && *p; p++)
		if (*p == '\n' || *p == '\r' || *p == '\t')
			*p = ' ';
	if (e && way_out)
		snprintf(e->text + strlen(e->text), sizeof(e->text) - strlen(e->text), " (fix: %s)",
			 way_out);
	if (e && e->kind == ERR_SQL)
		e->kind = ERR_ENV;
	return -1;
}

static int run_brie(const struct sql_endpoint *ep, bool restore, const struct strbuf *statement,
		    const struct tidb_brie_begins *begins, struct tidb_brie *b, struct err *e)
{
	const char *what = restore ? "RESTORE DATABASE *" : "BACKUP DATABASE *", *names[16],
		   *cells[16];
	struct sql *s = sql_open(ep, deadline_in_ms(OPEN_MS), e);
	struct sql_guard *guard = s ? sql_guard_begin(s, e) : NULL;
	MYSQL_RES *res = NULL;
	MYSQL_ROW row;
	int rc = -1;

	if (!guard)
		goto out;
	if (begins && begins->fn(begins->arg, sql_guard_session(guard), e) < 0) {
		sql_guard_end(guard, NULL);
		goto out;
	}
	if (mysql_real_query(sql_handle(s), statement->buf, statement->len) == 0)
		res = mysql_store_result(sql_handle(s));
	if (sql_guard_end(guard, e) < 0) {
		err_wrap(e, "%s", what);
		goto out;
	}
	if (!res) {
		if (mysql_errno(sql_handle(s)))
			explain_refusal(s, what, e);
		else
			err_set(e, ERR_BAD_DATA, 0, "%s returned no row", what);
		goto out;
	}
	row = mysql_fetch_row(res);
	if (!row || mysql_num_fields(res) > 16) {
		err_set(e, ERR_BAD_DATA, 0, "%s returned no row", what);
		goto out;
	}
	for (unsigned i = 0; i < mysql_num_fields(res); i++) {
		names[i] = mysql_fetch_field_direct(res, i)->name;
		cells[i] = row[i];
	}
	rc = tidb_brie_parse(b, restore, names, cells, mysql_num_fields(res), e);
out:
	if (res)
		mysql_free_result(res);
	sql_close(s);
	return rc;
}

int tidb_backup(const struct sql_endpoint *ep, const char *uri, unsigned rate_mb,
		const char *snapshot, const struct tidb_brie_begins *begins, struct tidb_brie *b,
		struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "BACKUP DATABASE * TO ");
	sql_add_text(&q, uri, strlen(uri));
	if (rate_mb)
		strbuf_addf(&q, " RATE_LIMIT = %u MB/SECOND", rate_mb);
	if (snapshot)
		strbuf_addf(&q, " SNAPSHOT = %s", snapshot);
	rc = run_brie(ep, false, &q, begins, b, e);
	strbuf_release(&q);
	return rc;
}

int tidb_restore(const struct sql_endpoint *ep, const char *uri,
		 const struct tidb_brie_begins *begins, struct tidb_brie *b, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "RESTORE DATABASE * FROM ");
	sql_add_text(&q, uri, strlen(uri));
	rc = run_brie(ep, true, &q, begins, b, e);
	strbuf_release(&q);
	return rc;
}

int tidb_end_brie(const struct sql_endpoint *ep, uint64_t session, const char *what,
		  const char *uri, struct deadline d, struct err *e)
{
	struct sql *s = sql_briefly(sql_open(ep, d, e));
	struct strbuf q = STRBUF_INIT;
	uint64_t there = 1;
	int rc = -1;

	strbuf_addf(&q,
		    "SELECT COUNT(*) FROM information_schema.%s WHERE ID = %" PRIu64
		    " AND INFO LIKE '%s %%' AND USER = ",
		    s && sql_flavor(s) == SQL_TIDB ? "CLUSTER_PROCESSLIST" : "PROCESSLIST", session,
		    what);
	sql_add_text(&q, ep->user, strlen(ep->user));
	strbuf_addstr(&q, " AND LOCATE(");
	sql_add_text(&q, uri, strlen(uri));
	strbuf_addstr(&q, ", INFO) > 0");
	for (unsigned round = 0; s && sql_value_u64(s, &there, e, "%s", q.buf) == 0; round++) {
		struct err gone = ERR_INIT;

		if (!there) {
			rc = 0;
			break;
		}
		/* once: what it is ended by may take a while */
		if (!round &&
		    sql_exec(s, &gone, "KILL %s%" PRIu64, sql_flavor(s) == SQL_TIDB ? "TIDB " : "",
			     session) < 0 &&
		    gone.code != NO_SUCH_THREAD) {
			if (e)
				*e = gone;
			break;
		}
		if (pause_ms(100, d) < 0) {
			err_set(e, ERR_TIMEOUT, 0, "%s still runs after KILL", what);
			break;
		}
	}
	strbuf_release(&q);
	sql_close(s);
	return rc;
}

int tidb_set_gc(const struct sql_endpoint *ep, bool on, struct err *e)
{
	struct sql *s = sql_briefly(sql_open(ep, deadline_in_ms(OPEN_MS), e));
	int rc = s && sql_exec(s, e, "SET GLOBAL tidb_gc_enable = %s", on ? "TRUE" : "FALSE") >= 0
			 ? 0
			 : -1;

	sql_close(s);
	return rc;
}

int tidb_get_gc(const struct sql_endpoint *ep, bool *on, struct err *e)
{
	struct sql *s = sql_briefly(sql_open(ep, deadline_in_ms(OPEN_MS), e));
	struct strbuf v = STRBUF_INIT;
	int rc = s && sql_value(s, &v, e, "SELECT @@global.tidb_gc_enable") == 0 ? 0 : -1;

	*on = !strcmp(v.buf, "1") || !strcasecmp(v.buf, "ON");
	strbuf_release(&v);
	sql_close(s);
	return rc;
}

static int names_of(struct sql *s, struct strbuf *out, unsigned *n, struct err *e,
		    const char *query)
{
	struct sql_rows r = { 0 };
	int more = -1;

	*n = 0;
	if (sql_query(s, &r, e, "%s", query) == 0)
		while ((more = sql_rows_next(&r, e)) == 1) {
			if (++*n <= TIDB_NAMES_MAX)
				strbuf_addf(out, "%s%s", *n > 1 ? ", " : "",
					    r.cell[0] ? r.cell[0] : "");
			else if (*n == TIDB_NAMES_MAX + 1)
				strbuf_addstr(out, ", …");
		}
	sql_rows_release(&r);
	return more;
}

#define NOT_SYSTEM(column) "LOWER(" column ") NOT IN " SYSTEM_SCHEMAS_SQL

int tidb_databases(struct sql *s, struct strbuf *names, unsigned *n, struct err *e)
{
	return names_of(
		s, names, n, e,
		"SELECT DISTINCT TABLE_SCHEMA FROM information_schema.TABLES WHERE " NOT_SYSTEM(
			"TABLE_SCHEMA") " ORDER BY 1");
}

int tidb_tables_without_key(struct sql *s, struct strbuf *names, unsigned *n, struct err *e)
{
	/* a unique key counts when all of its columns are NOT NULL */
	return names_of(
		s, names, n, e,
		"SELECT CONCAT(t.TABLE_SCHEMA, '.', t.TABLE_NAME) FROM information_schema.TABLES t LEFT JOIN (SELECT k.TABLE_SCHEMA, k.TABLE_NAME"
		" FROM (SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0"
		" GROUP BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME HAVING SUM(NULLABLE = 'YES') = 0) k GROUP BY k.TABLE_SCHEMA, k.TABLE_NAME) u"
		" ON u.TABLE_SCHEMA = t.TABLE_SCHEMA AND u.TABLE_NAME = t.TABLE_NAME"
		" WHERE t.TABLE_TYPE = 'BASE TABLE' AND u.TABLE_NAME IS NULL AND " NOT_SYSTEM(
			"t.TABLE_SCHEMA") " ORDER BY 1");
}

int tidb_vector_columns(struct sql *s, struct strbuf *names, unsigned *n, struct err *e)
{
	return names_of(
		s, names, n, e,
		"SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME) FROM information_schema.COLUMNS"
		" WHERE DATA_TYPE = 'vector' AND " NOT_SYSTEM("TABLE_SCHEMA") " ORDER BY 1");
}

bool tidb_wait_for_ddl(struct sql *s, struct deadline d)
{
	uint64_t jobs = 0;

	while (sql_value_u64(s, &jobs, NULL, "SELECT COUNT(*) FROM mysql.tidb_ddl_job") == 0 &&
	       jobs)
		if (pause_ms(100, d) < 0)
			return false;
	return true;
}

static bool says_inconsistent(int code)
{
	return code == TIDB_ADMIN_CHECK_TABLE || code == TIDB_INCONSISTENT_COUNT ||
	       code == TIDB_INCONSISTENT_INDEX || code == TIDB_INCONSISTENT;
}

int tidb_check_indexes(struct sql *s, void (*fn)(void *arg, const char *table, const char *words),
		       void *arg, unsigned *tables, struct err *e)
{
	struct sql_rows r = { 0 };
	struct strbuf names =
		STRBUF_INIT; /* each with its NUL: the rows are over before the checks */
	int more = -1;

	*tables = 0;
	if (sql_query(
		    s, &r, e,
		    "SELECT CONCAT('`', REPLACE(TABLE_SCHEMA, '`', '``'), '`.`', REPLACE(TABLE_NAME, '`', '``'), '`') FROM "
		    "information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND " NOT_SYSTEM(
			    "TABLE_SCHEMA") " ORDER BY 1") == 0)
		while ((more = sql_rows_next(&r, e)) == 1)
			if (r.cell[0])
				strbuf_add(&names, r.cell[0], strlen(r.cell[0]) + 1);
	sql_rows_release(&r);
	for (size_t at = 0; more == 0 && at < names.len; at += strlen(names.buf + at) + 1) {
		struct err why = ERR_INIT;

		if (sql_exec(s, &why, "ADMIN CHECK TABLE %s", names.buf + at) >= 0) {
			++*tables;
		} else if (says_inconsistent(why.code)) {
			++*tables;
			fn(arg, names.buf + at, why.text);
		} else if (why.code == TIDB_READ_ONLY) {
			more = 1;
		} else {
			if (e)
				*e = why;
			more = err_wrap(e, "check the indexes of %s", names.buf + at);
		}
	}
	strbuf_release(&names);
	return more;
}

int tidb_now(const struct sql_endpoint *ep, tso_t *ts, struct err *e)
{
	struct sql *s = sql_briefly(sql_open(ep, deadline_in_ms(OPEN_MS), e));
	int rc = -1;

	*ts = 0;
	if (s && sql_exec(s, e, "BEGIN") >= 0 &&
	    sql_value_u64(s, ts, e, "SELECT @@tidb_current_ts") == 0 &&
	    sql_exec(s, e, "ROLLBACK") >= 0)
		rc = *ts ? 0
			 : err_set(e, ERR_BAD_DATA, 0,
				   "@@tidb_current_ts is 0 in an open transaction");
	sql_close(s);
	return rc;
}

int tidb_commit_ts(struct sql *s, tso_t *ts, struct err *e)
{
	static const char key[] = "\"commit_ts\":";
	struct strbuf text = STRBUF_INIT;
	const char *at;
	int rc = -1;

	*ts = 0;
	if (sql_value(s, &text, e, "SELECT @@tidb_last_txn_info") < 0)
		goto out;
	at = strstr(text.buf, key);
	if (at) {
		*ts = strtoull(at + strlen(key), NULL, 10);
	} else {
		/* a DDL is no transaction of the session's; in one that has just begun it is its
		 * last job */
		strbuf_reset(&text);
		if (sql_value(
			    s, &text, e,
			    "SELECT JSON_EXTRACT(CAST(h.job_meta AS CHAR), '$.binlog.FinishedTS') FROM mysql.tidb_ddl_history h"
			    " WHERE JSON_UNQUOTE(JSON_EXTRACT(CAST(h.job_meta AS CHAR), '$.query')) ="
			    " JSON_UNQUOTE(JSON_EXTRACT(@@tidb_last_ddl_info, '$.query')) ORDER BY h.job_id DESC LIMIT 1") <
		    0)
			goto out;
		*ts = strtoull(text.buf, NULL, 10);
	}
	rc = *ts ? 0 : err_set(e, ERR_NOT_FOUND, 0, "the statement committed nothing");
out:
	strbuf_release(&text);
	return rc;
}

static const char *flashback_way_out(const struct err *e)
{
	static const struct {
		int code;
		const char *says, *way_out;
	} known[] = {
		{ TIDB_OLD_SNAPSHOT, NULL,
		  "garbage collection has passed that point: choose a later one; next time "
		  "disable garbage collection or increase tidb_gc_life_time" },
		{ 0, "Detected another DDL job",
		  "a DDL ran at that moment: choose a point some seconds earlier or later" },
		{ 0, "Detected unsupported DDL",
		  "FLASHBACK CLUSTER cannot go back to before that DDL: choose a later point, or "
		  "restore a backup" },
		{ TIDB_PRIVILEGE, NULL, "the user needs SUPER" },
		{ TIDB_SYNTAX, NULL,
		  "TiDB supports FLASHBACK CLUSTER TO TSO since v6.5.6 and v7.1.3" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].says ? strstr(e->text, known[i].says) != NULL
				  : known[i].code == e->code)
			return known[i].way_out;
	return NULL;
}

int tidb_flashback(const struct sql_endpoint *ep, tso_t ts, struct deadline d, struct err *e)
{
	struct sql *s = sql_open(ep, d, e);
	struct err why = ERR_INIT;
	uint64_t before = 0, now = 1;
	tso_t current = 0;

	/* TiDB's answer to a point that is still to come does not tell what it is */
	if (s && tidb_now(ep, &current, e) == 0 && ts > current) {
		sql_close(s);
		return err_set(e, ERR_ENV, 0,
			       "FLASHBACK CLUSTER TO TSO %" PRIu64 ": that point is in the future "
			       "(the current TSO is %" PRIu64 ")",
			       ts, current);
	}
	if (!s || !current ||
	    sql_value_u64(s, &before, e, "SELECT @@global.tidb_super_read_only") != 0) {
		sql_close(s);
		return -1;
	}
	if (sql_exec(s, &why, "FLASHBACK CLUSTER TO TSO %" PRIu64, ts) < 0) {
		const char *help = flashback_way_out(&why);

		sql_close(s);
		return err_set(e, why.kind == ERR_SQL ? ERR_ENV : why.kind, why.code,
			       "FLASHBACK CLUSTER TO TSO %" PRIu64 ": %.600s%s%s%s", ts, why.text,
			       help ? " (fix: " : "", help ? help : "", help ? ")" : "");
	}
	/* the switches are set back a second behind its end */
	while (!before &&
	       (sql_value_u64(s, &now, e, "SELECT @@global.tidb_super_read_only") != 0 || now))
		if (pause_ms(100, d) < 0) {
			sql_close(s);
			return err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				       "after FLASHBACK CLUSTER the cluster stays read-only");
		}
	sql_close(s);
	return 0;
}

int tidb_version(const struct sql_endpoint *ep, char out[64], struct err *e)
{
	struct sql *s = sql_briefly(sql_open(ep, deadline_in_ms(2000), e));
	struct strbuf v = STRBUF_INIT;
	struct err why = ERR_INIT;
	const char *p;
	int rc = -1;

	if (!s)
		return -1;
	if (sql_value(s, &v, &why, "SELECT tidb_version()") != 0) {
		err_set(e, ERR_UNSUPPORTED, why.code, "the server at %s:%u is not TiDB but %.60s",
			ep->host, ep->port, sql_server_version(s));
		if (why.kind == ERR_GONE && e)
			*e = why;
		goto out;
	}
	p = strstr(v.buf, "Release Version: ");
	p = p ? p + 17 : v.buf;
	snprintf(out, 64, "%.*s", (int)(strcspn(p, "\r\n ") > 60 ? 60 : strcspn(p, "\r\n ")), p);
	rc = 0;
out:
	strbuf_release(&v);
	sql_close(s);
	return rc;
}
