#include "harness/backup/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"

#define AGREE_TRIES 40 /* each takes about half a millisecond */

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
static int agree(struct snapshot *s, struct position *at, struct err *e)
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

static int gtid_of(struct snapshot *s, const struct position *at, struct err *e)
{
	struct strbuf v = STRBUF_INIT, name = STRBUF_INIT;
	int rc = -1;

	if (!*at->file)
		return 0;
	sql_add_text(&name, at->file, strlen(at->file));
	if (sql_value(s->conn[0], &v, e, "SELECT BINLOG_GTID_POS(%s,%llu)", name.buf, strtoull(at->offset, NULL, 10)) < 0)
		goto out;
	snprintf(s->gtid, sizeof(s->gtid), "%s", v.buf);
	if (gtid_parse_seq(s->gtid, &s->seq, e) < 0)
		goto out;
	s->positioned = true;
	rc = 0;
out:
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

static int with_lock(struct snapshot *s, const struct sql_endpoint *ep, struct deadline d, struct position *at, struct err *e)
{
	struct sql *lock = sql_open(ep, d, e);
	int rc = -1;

	if (!lock)
		return -1;
	if (sql_exec(lock, e, "SET SESSION lock_wait_timeout = 30") >= 0 && sql_exec(lock, e, "FLUSH TABLES WITH READ LOCK") >= 0 &&
	    start_all(s, e) >= 0 && position_of(s->conn[0], at, e) >= 0)
		rc = 0;
	sql_close(lock); /* gives the lock back */
	s->locked = true;
	return rc < 0 ? err_wrap(e, "one snapshot for %u connections", s->n) : 0;
}

int snapshot_open(struct snapshot *s, const struct sql_endpoint *ep, unsigned n, const char *tidb_snapshot, struct deadline d, struct err *e)
{
	struct position at;
	int rc = 0;

	*s = (struct snapshot){ .conn = xcalloc(n, sizeof(*s->conn)) };
	for (; s->n < n; s->n++) {
		s->conn[s->n] = sql_open(ep, d, e);
		if (!s->conn[s->n] || sql_exec(s->conn[s->n], e, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ") < 0) {
			s->n += s->conn[s->n] != NULL;
			goto failed;
		}
	}
	if (tidb_snapshot) {
		if (tidb_at(s, tidb_snapshot, e) < 0)
			goto failed;
		return 0;
	}
	for (int tries = 0; rc == 0 && tries < AGREE_TRIES; tries++) {
		if (tries && pause_ms(1, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0, "no common snapshot for %u connections in time", n);
			goto failed;
		}
		rc = agree(s, &at, e);
	}
	if (rc == 0)
		rc = with_lock(s, ep, d, &at, e);
	if (rc < 0 || gtid_of(s, &at, e) < 0)
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
	s->conn = NULL;
	s->n = 0;
}

int snapshot_tso(const struct snapshot *s, struct tso_map *map, struct deadline d, tso_t *ts, struct err *e)
{
	struct err why = ERR_INIT;
	uint64_t seq;

	if (!s->positioned)
		return err_set(e, ERR_ENV, 0, "the server writes no binary log: a backup of it has no timestamp");
	for (;;) {
		int rc = tso_map_of_seq(map, s->seq, ts, &why);

		if (rc == 1)
			return 0;
		/* A server that was quiet since its first sample: that sample's instant separates its past from its future. */
		if (rc < 0 && why.kind == ERR_NOT_FOUND && tso_map_last(map, &seq, ts) && seq == s->seq)
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
			return err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0, "no sample of the commit clock covers GTID %s yet", s->gtid);
	}
}
