#include "harness/backup/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/sql/rights.h"

#define AGREE_TRIES 40 /* each takes about half a millisecond */
/* for one metadata lock; meanwhile those that we hold keep others' DDLs waiting */
#define LOCK_WAIT_S 1
#define LOCK_WAIT_LATER_S 60
/* for a server whose DDLs or table locks keep a snapshot from being taken */
#define PATIENCE_MS 120000
#define TOUCHED_AT_ONCE 40 /* tables in one statement */

struct position {
	char file[512], offset[32];
};

static int position_of(struct sql *s, struct position *p, struct err *e)
{
	struct sql_rows r = { 0 };
	int rc;

	*p = (struct position){ 0 };
	if (sql_query(s, &r, e, "SHOW STATUS LIKE 'binlog_snapshot_%%'") < 0)
		return -1;
	while ((rc = sql_rows_next(&r, e)) == 1) {
		if (!r.cell[0] || !r.cell[1])
			continue;
		if (!strcasecmp(r.cell[0], "binlog_snapshot_file"))
			snprintf(p->file, sizeof(p->file), "%s", r.cell[1]);
		else if (!strcasecmp(r.cell[0], "binlog_snapshot_position"))
			snprintf(p->offset, sizeof(p->offset), "%s", r.cell[1]);
	}
	sql_rows_release(&r);
	return rc;
}

/* Sent to all before any answer is read: the nearer in time, the likelier they agree. */
static int start_all(struct snapshot *s, struct err *e)
{
	static const char start[] = "START TRANSACTION WITH CONSISTENT SNAPSHOT";

	for (unsigned i = 0; i < s->n; i++)
		if (mysql_send_query(sql_handle(s->conn[i]), start, sizeof(start) - 1))
			return sql_error(sql_handle(s->conn[i]), e, "consistent snapshot");
	for (unsigned i = 0; i < s->n; i++)
		if (mysql_read_query_result(sql_handle(s->conn[i])))
			return sql_error(sql_handle(s->conn[i]), e, "consistent snapshot");
	return 0;
}

/* 1: all connections stand at *at; 0: a commit came between; -1: error. */
static int take_same_position(struct snapshot *s, struct position *at, struct err *e)
{
	struct position p;

	if (start_all(s, e) < 0 || position_of(s->conn[0], at, e) < 0)
		return -1;
	for (unsigned i = 1; i < s->n; i++) {
		if (position_of(s->conn[i], &p, e) < 0)
			return -1;
		if (strcmp(p.file, at->file) || strcmp(p.offset, at->offset))
			return 0;
	}
	return s->n == 1 || *at->file; /* without a binary log nothing tells: take the lock */
}

static int is_positioned(struct snapshot *s, const char *gtid, struct err *e)
{
	snprintf(s->gtid, sizeof(s->gtid), "%s", gtid);
	if (gtid_parse_seq(s->gtid, &s->seq, e) < 0)
		return -1;
	s->positioned = true;
	return 0;
}

/* 1: the server gives none. It does not when an event of the file is longer than its
 * max_allowed_packet. */
static int gtid_of(struct snapshot *s, const struct position *at, struct err *e)
{
	struct strbuf v = STRBUF_INIT, name = STRBUF_INIT;
	int rc = -1;

	if (!*at->file)
		return 0;
	sql_add_text(&name, at->file, strlen(at->file));
	rc = sql_value(s->conn[0], &v, e, "SELECT BINLOG_GTID_POS(%s,%llu)", name.buf,
		       strtoull(at->offset, NULL, 10));
	if (rc == 0)
		rc = is_positioned(s, v.buf, e);
	strbuf_release(&v);
	strbuf_release(&name);
	return rc;
}

static int tidb_at(struct snapshot *s, const char *ts, struct err *e)
{
	struct strbuf v = STRBUF_INIT;
	int rc = 0;

	sql_add_text(&v, ts, strlen(ts));
	for (unsigned i = 0; i < s->n && rc >= 0; i++)
		rc = sql_exec(s->conn[i], e, "SET SESSION tidb_snapshot = %s", v.buf) < 0 ? -1 : 0;
	strbuf_release(&v);
	return rc;
}

/* While nothing commits, what the server calls its last GTID is the snapshot's. staged: this
 * connection has BACKUP STAGE; NULL: a global read lock by a connection of its own. */
static int with_lock(struct snapshot *s, struct sql *staged, const struct sql_endpoint *ep,
		     struct deadline d, struct err *e)
{
	struct sql *lock = staged ? staged : sql_open(ep, d, e);
	struct position at;
	struct strbuf v = STRBUF_INIT;
	int rc = -1;

	if (!lock)
		return -1;
	if ((staged ? sql_exec(lock, e, "BACKUP STAGE BLOCK_COMMIT")
	     : sql_exec(lock, e, "SET SESSION lock_wait_timeout = %d", LOCK_WAIT_S) < 0
		     ? -1
		     : sql_exec(lock, e, "FLUSH TABLES WITH READ LOCK")) >= 0 &&
	    start_all(s, e) >= 0 && position_of(s->conn[0], &at, e) >= 0)
		rc = *at.file ? sql_value(lock, &v, e, "SELECT @@GLOBAL.gtid_binlog_pos") : 0;
	if (rc == 0 && *at.file)
		rc = is_positioned(s, v.buf, e);
	if (!staged)
		sql_close(lock); /* gives the lock back */
	strbuf_release(&v);
	s->locked = true;
	return rc < 0 ? err_wrap(e, "one snapshot for %u connections", s->n) : 0;
}

static int one_instant(struct snapshot *s, struct sql *staged, const struct sql_endpoint *ep,
		       struct deadline d, struct err *e)
{
	struct position at;
	int rc = 0;

	for (int tries = 0; rc == 0 && tries < AGREE_TRIES; tries++) {
		if (tries && pause_ms(1, d) < 0)
			return err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				       "no common snapshot for %u connections in time", s->n);
		rc = take_same_position(s, &at, e);
	}
	if (rc < 0)
		return -1;
	rc = rc == 0 ? 1 : gtid_of(s, &at, e);
	return rc == 1 ? with_lock(s, staged, ep, d, e) : rc;
}

/* A table that a transaction has looked at keeps its definition and its name until the transaction
 * ends. */
static void add_touch(struct strbuf *q, const struct manifest_object *sequence,
		      const struct table_name *t)
{
	strbuf_addstr(q, q->len ? " UNION ALL (SELECT 1 FROM " : "(SELECT 1 FROM ");
	sql_add_name(q, sequence ? sequence->db : t->db);
	strbuf_addch(q, '.');
	sql_add_name(q, sequence ? sequence->name : t->table);
	strbuf_addstr(q, " LIMIT 0)");
}

static int explain_refusal(struct sql *s, struct err *e, const char *what)
{
	unsigned code = mysql_errno(sql_handle(s));

	sql_error(sql_handle(s), e, what);
	/* a DDL came between the list and us */
	if (e && (code == 1146 || code == 1049 || code == 1412))
		e->kind = ERR_CONFLICT;
	return -1;
}

static int touch(struct sql *s, const struct catalog *c, size_t i, struct err *e)
{
	const struct manifest_object *o = i >= c->n_tables ? &c->sequences[i - c->n_tables] : NULL;
	struct strbuf q = STRBUF_INIT;
	int rc = 0;

	add_touch(&q, o, o ? NULL : &c->tables[i]);
	if (sql_exec_text(s, e, q.buf, q.len) < 0) {
		explain_refusal(s, e, "look at it");
		rc = err_wrap(e, "%s.%s", o ? o->db : c->tables[i].db,
			      o ? o->name : c->tables[i].table);
	}
	strbuf_release(&q);
	return rc;
}

/* All connections at once: their answers are read when all have been asked. */
static int touch_all(struct snapshot *s, const struct catalog *c, struct err *e)
{
	size_t n = c->n_tables + c->n_sequences;
	struct strbuf q = STRBUF_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n;) {
		unsigned asked = 0;

		strbuf_reset(&q);
		for (size_t end = i + TOUCHED_AT_ONCE; i < end && i < n; i++)
			add_touch(&q, i < c->n_tables ? NULL : &c->sequences[i - c->n_tables],
				  i < c->n_tables ? &c->tables[i] : NULL);
		for (; rc == 0 && asked < s->n; asked++)
			if (mysql_send_query(sql_handle(s->conn[asked]), q.buf, q.len))
				rc = explain_refusal(s->conn[asked], e, "lock the tables");
		for (unsigned k = 0; k < asked; k++) {
			MYSQL_RES *res;

			if (mysql_read_query_result(sql_handle(s->conn[k]))) {
				rc = rc ? rc : explain_refusal(s->conn[k], e, "lock the tables");
				continue;
			}
			res = mysql_store_result(sql_handle(s->conn[k]));
			if (res)
				mysql_free_result(res);
			else if (rc == 0)
				rc = explain_refusal(s->conn[k], e, "lock the tables");
		}
	}
	strbuf_release(&q);
	return rc;
}

/* No DDL begins or ends while MariaDB stands in this stage; rows go on changing. 1: not here, not
 * for this user, or not now. */
static int block_ddl(struct sql *s)
{
	struct err why = ERR_INIT;

	if (sql_exec(s, &why, "BACKUP STAGE START") >= 0 &&
	    sql_exec(s, &why, "BACKUP STAGE BLOCK_DDL") >= 0)
		return 0;
	(void)sql_exec(s, NULL, "BACKUP STAGE END");
	return why.kind == ERR_GONE ? -1 : 1;
}

static int try_blocked(struct snapshot *s, struct sql *guard, const struct sql_endpoint *ep,
		       struct deadline d, struct err *e)
{
	int rc = catalog_read(s->conn[0], s->ignore, &s->catalog, e) < 0 ||
				 one_instant(s, guard, ep, d, e) < 0 ||
				 touch_all(s, &s->catalog, e) < 0
			 ? -1
			 : 0;

	return sql_exec(guard, rc < 0 ? NULL : e, "BACKUP STAGE END") < 0 ? -1 : rc;
}

/* Without that right: list, lock the names, take the snapshot, list again. When both lists are
 * alike, every name meant at the snapshot's instant what it means to the connections afterwards.
 * The guard's locks bridge the gap, because starting a snapshot ends a connection's transaction and
 * its locks. */
static int try_guarded(struct snapshot *s, struct sql *guard, const struct sql_endpoint *ep,
		       struct deadline d, struct err *e)
{
	struct catalog before;
	const char *moved = NULL;
	int rc = -1;

	if (sql_exec(guard, e, "START TRANSACTION") < 0 ||
	    catalog_read(guard, s->ignore, &before, e) < 0)
		return -1;
	for (size_t i = 0; i < before.n_tables + before.n_sequences; i++)
		if (touch(guard, &before, i, e) < 0)
			goto out;
	if (one_instant(s, NULL, ep, d, e) < 0 ||
	    catalog_read(guard, s->ignore, &s->catalog, e) < 0)
		goto out;
	moved = catalog_moved(&before, &s->catalog);
	if (moved) {
		err_set(e, ERR_CONFLICT, 0, "%s", moved);
		goto out;
	}
	rc = touch_all(s, &s->catalog, e);
out:
	catalog_release(&before);
	return rc;
}

/* 0: what is locked is locked; who waited would keep others waiting. (MySQL takes that for 1 s.) */
static int lock_patience(struct snapshot *s, int seconds, struct err *e)
{
	for (unsigned i = 0; i < s->n; i++)
		if (sql_exec(s->conn[i], e, "SET SESSION lock_wait_timeout = %d", seconds) < 0)
			return -1;
	return 0;
}

static int take(struct snapshot *s, const struct sql_endpoint *ep, struct deadline d, struct err *e)
{
	struct deadline patience = deadline_min(d, deadline_in_ms(PATIENCE_MS));
	struct sql *guard = sql_open(ep, d, e);
	struct err why = ERR_INIT;
	int64_t wait = 10;
	int rc = -1;

	if (!guard)
		return -1;
	if (sql_exec(guard, e, "SET SESSION lock_wait_timeout = %d", LOCK_WAIT_S) < 0 ||
	    lock_patience(s, 0, e) < 0)
		goto out;
	/* one way may work where the other is held up */
	for (bool block = sql_flavor(guard) == SQL_MARIADB;; block = !block) {
		why = (struct err)ERR_INIT;
		catalog_release(&s->catalog);
		rc = block ? block_ddl(guard) : 1;
		rc = rc == 0 ? try_blocked(s, guard, ep, d, &why)
			     : try_guarded(s, guard, ep, d, &why);
		if (rc == 0) { /* the connections hold locks of their own now */
			rc = lock_patience(s, LOCK_WAIT_LATER_S, e);
			goto out;
		}
		/* let others through: they wait for our locks */
		for (unsigned i = 0; i < s->n; i++)
			(void)sql_exec(s->conn[i], NULL, "ROLLBACK");
		(void)sql_exec(guard, NULL, "ROLLBACK");
		if (why.kind != ERR_CONFLICT)
			break;
		if (pause_ms(wait, patience) < 0) {
			err_wrap(&why,
				 "no snapshot: DDLs or LOCK TABLES of other sessions blocked it "
				 "until the end; wait until they end, then try again");
			break;
		}
		wait = wait < 300 ? wait * 2 : wait;
	}
	if (clock_cancelled())
		err_set(&why, ERR_CANCELLED, 0, "cancelled");
	if (e)
		*e = why;
out:
	sql_close(guard);
	return rc;
}

static struct sql *open_reader(const struct sql_endpoint *ep, struct deadline d, struct err *e)
{
	/* A slow store or a rate limit makes us slow, not gone. A server without such a variable
	 * needs none of it. */
	static const char *const patient[] = {
		"wait_timeout = 2000000",       "net_write_timeout = 31536000",
		"idle_transaction_timeout = 0", "idle_readonly_transaction_timeout = 0",
		"max_statement_time = 0",       "max_execution_time = 0"
	};
	struct sql *s = sql_open_reading(ep, d, e);
	char set[80];

	if (!s)
		return NULL;
	if (sql_exec(s, e, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ") < 0) {
		sql_close(s);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(patient) / sizeof(patient[0]); i++) {
		snprintf(set, sizeof(set), "SET SESSION %s", patient[i]);
		(void)sql_exec(s, NULL, "%s", set);
	}
	return s;
}

/* TiDB reads the past, lists and definitions too: any instant will do, and the present one is the
 * natural choice. */
static int tidb_take(struct snapshot *s, const char *ts, struct err *e)
{
	struct strbuf now = STRBUF_INIT;
	int rc = -1;

	if (!ts && (sql_exec(s->conn[0], e, "START TRANSACTION") < 0 ||
		    sql_value(s->conn[0], &now, e, "SELECT @@tidb_current_ts") != 0 ||
		    sql_exec(s->conn[0], e, "ROLLBACK") < 0))
		goto out;
	snprintf(s->tidb_ts, sizeof(s->tidb_ts), "%s", ts ? ts : now.buf);
	rc = tidb_at(s, s->tidb_ts, e) < 0 ? -1
					   : catalog_read(s->conn[0], s->ignore, &s->catalog, e);
out:
	strbuf_release(&now);
	return rc < 0 ? err_wrap(e, "read TiDB at one TSO") : 0;
}

int snapshot_open(struct snapshot *s, const struct sql_endpoint *ep, unsigned n,
		  const char *tidb_snapshot, const char *const *ignore, struct deadline d,
		  struct err *e)
{
	*s = (struct snapshot){ .ignore = ignore, .conn = xcalloc(n, sizeof(*s->conn)) };
	for (; s->n < n; s->n++) {
		s->conn[s->n] = open_reader(ep, d, e);
		if (!s->conn[s->n])
			goto failed;
	}
	if (tidb_snapshot || sql_flavor(s->conn[0]) == SQL_TIDB) {
		if (tidb_take(s, tidb_snapshot, e) < 0)
			goto failed;
		return 0;
	}
	if (take(s, ep, d, e) < 0)
		goto failed;
	return 0;
failed:
	snapshot_release(s);
	return -1;
}

void snapshot_release(struct snapshot *s)
{
	for (unsigned i = 0; i < s->n; i++)
		sql_close(s->conn[i]);
	free(s->conn);
	catalog_release(&s->catalog);
	s->conn = NULL;
	s->n = 0;
}

int snapshot_tso(const struct snapshot *s, struct tso_map *map, struct deadline d, tso_t *ts,
		 struct err *e)
{
	struct err why = ERR_INIT;
	uint64_t seq;

	if (!s->positioned)
		return err_set(e, ERR_ENV, 0,
			       "the server writes no binary log: a backup of it has no timestamp");
	for (;;) {
		int rc = tso_map_of_seq(map, s->seq, ts, &why);

		if (rc == 1)
			return 0;
		/* A server that was quiet since its first sample: that sample's instant separates
		 * its past from its future. */
		if (rc < 0 && why.kind == ERR_NOT_FOUND && tso_map_last(map, &seq, ts) &&
		    seq == s->seq)
			return 0;
		if (rc < 0 && why.kind != ERR_NOT_FOUND) {
			if (e)
				*e = why;
			return -1;
		}
		if (rc < 0 && tso_map_last(map, &seq, ts)) {
			if (e)
				*e = why;
			return err_wrap(e, "BackupTS of GTID %s", s->gtid);
		}
		if (tso_map_refresh(map, e) < 0)
			return -1;
		if (pause_ms(10, d) < 0)
			return err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				       "the commit clock has no sample for GTID %s yet", s->gtid);
	}
}
