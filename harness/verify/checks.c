/* The checks over a real server: rows by streamed SELECTs, the point by the positions' map. */
#include "harness/verify/checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/verify/isolation.h"
#include "harness/verify/ledger_check.h"
#include "harness/sql/rights.h"

#define OPEN_MS 30000

struct server {
	const struct verify_opts *o;
	struct sql *sql;
	const char *db, *ledger_table; /* "" none */
};

static int read_number(const char *text, int64_t *out)
{
	char *end;

	if (!text || !*text)
		return -1;
	*out = strtoll(text, &end, 10);
	return *end ? -1 : 0;
}

static int stream_rows(struct server *s, struct sql_rows *rows, unsigned columns, struct err *e,
		       const char *select, const char *table, const char *order)
{
	struct strbuf text = STRBUF_INIT;
	int rc;

	strbuf_addf(&text, "SELECT %s FROM ", select);
	sql_add_name(&text, s->db);
	strbuf_addch(&text, '.');
	sql_add_name(&text, table);
	strbuf_addf(&text, " ORDER BY %s", order);
	rc = sql_query_stream(s->sql, rows, e, text.buf, text.len);
	strbuf_release(&text);
	if (rc == 0 && rows->n_columns != columns)
		return err_set(e, ERR_BAD_DATA, 0, "%s: the server sent %u columns instead of %u",
			       table, rows->n_columns, columns);
	return rc;
}

static int server_presence(void *arg, int (*fn)(void *to, uint32_t worker, uint64_t seq), void *to,
			   struct err *e)
{
	struct server *s = arg;
	struct sql_rows rows = { 0 };
	int rc = stream_rows(s, &rows, 2, e, "worker, seq", s->ledger_table, "worker, seq");

	while (rc == 0) {
		int64_t worker, seq;
		int more = sql_rows_next(&rows, e);

		if (more <= 0) {
			rc = more;
			break;
		}
		if (read_number(rows.cell[0], &worker) < 0 || read_number(rows.cell[1], &seq) < 0 ||
		    worker < 0 || worker > UINT32_MAX || seq < 0)
			rc = err_set(e, ERR_BAD_DATA, 0,
				     "%s has a row that is not a worker and sequence",
				     s->ledger_table);
		else
			rc = fn(to, (uint32_t)worker, (uint64_t)seq);
	}
	sql_rows_release(&rows);
	return rc;
}

/* The same as a cursor, open until the check ends. */
struct presence {
	struct server *s;
	struct sql_rows rows;
};

static int next_presence(void *arg, uint32_t *worker, uint64_t *seq, struct err *e)
{
	struct presence *p = arg;
	int64_t w, q;
	int more = sql_rows_next(&p->rows, e);

	if (more <= 0)
		return more;
	if (read_number(p->rows.cell[0], &w) < 0 || read_number(p->rows.cell[1], &q) < 0 || w < 0 ||
	    w > UINT32_MAX || q < 0)
		return err_set(e, ERR_BAD_DATA, 0, "%s has a row that is not a worker and sequence",
			       p->s->ledger_table);
	*worker = (uint32_t)w;
	*seq = (uint64_t)q;
	return 1;
}

static int stream_ledger(struct server *s, struct prefix *p, struct verify_result *r, struct err *e)
{
	struct presence at = { .s = s };
	int rc;

	if (!s->ledger_table[0]) {
		verify_no_evidence(r);
		return 0;
	}
	rc = stream_rows(s, &at.rows, 2, e, "worker, seq", s->ledger_table, "worker, seq");
	if (rc == 0)
		rc = verify_stream_ledger(p, s->o->ledger_dir,
					  &(struct presence_cursor){ &at, next_presence },
					  s->o->lost_path, r, e);
	sql_rows_release(&at.rows);
	return rc;
}

static int server_rows(void *arg, uint32_t table, int (*fn)(void *to, const struct verify_row *row),
		       void *to, struct err *e)
{
	struct server *s = arg;
	struct sql_rows rows = { 0 };
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "%s%u", s->o->model->table_prefix, table);
	rc = stream_rows(s, &rows, 4, e, "id, k, c, pad", name, "id");
	while (rc == 0) {
		struct verify_row row = { 0 };
		int more = sql_rows_next(&rows, e);

		if (more <= 0) {
			rc = more;
			break;
		}
		if (read_number(rows.cell[0], &row.id) < 0 ||
		    read_number(rows.cell[1], &row.k) < 0 || !rows.cell[2] || !rows.cell[3]) {
			rc = err_set(e, ERR_BAD_DATA, 0,
				     "%s has a row that does not have the load's columns", name);
		} else {
			row.c = rows.cell[2];
			row.c_len = rows.len[2];
			row.pad = rows.cell[3];
			row.pad_len = rows.len[3];
			rc = fn(to, &row);
		}
	}
	sql_rows_release(&rows);
	return rc;
}

/* A connection that reads the secondary as it is now, or as it is held. */
static struct sql *open_server(const struct verify_opts *o, struct err *e)
{
	struct sql *s =
		o->held ? o->held : sql_open_reading(&o->secondary, deadline_in_ms(OPEN_MS), e);

	if (s && o->held_at &&
	    sql_exec(s, e, "SET SESSION tidb_snapshot = '%" PRIu64 "'", o->held_at) < 0) {
		sql_close(s);
		return NULL;
	}
	return s;
}

static void close_server(const struct verify_opts *o, struct sql *s)
{
	if (s != o->held)
		sql_close(s);
}

/* The point as a commit position: on the local ground through the map, elsewhere positions are
 * commit TSOs themselves. */
static int find_limit(const struct verify_opts *o, uint64_t *limit, struct err *e)
{
	struct err why = ERR_INIT;

	*limit = o->point;
	if (o->before_replay || o->point == UINT64_MAX)
		*limit = UINT64_MAX;
	else if (o->tso_map && tso_map_seq_at(o->tso_map, o->point, limit, &why) < 0) {
		if (why.kind != ERR_NOT_FOUND || !o->point_position_base) {
			if (e)
				*e = why;
			return err_wrap(e, "the replay point %" PRIu64, o->point);
		}
		*limit = 0; /* before the first sample: only what the backup holds */
	}
	if (o->point_position_base > 0 && *limit < (uint64_t)o->point_position_base)
		*limit = o->point_position_base;
	return 0;
}

static int check(const struct verify_opts *o, bool rows, struct verify_result *r, struct err *e)
{
	struct server server = { .o = o };
	struct prefix p = { .cluster = o->cluster,
			    .mark = o->mark,
			    .before = o->before_replay,
			    .disaster_us = o->disaster_us,
			    .disaster_wall_ms = o->disaster_wall_ms,
			    .point = o->before_replay ? 0 : o->point };
	struct verify_source src = { .arg = &server, .rows = server_rows };
	int rc = -1;

	verify_result_start(r);
	if (!o->model && (rows || !o->db)) {
		verify_worse(r, VERDICT_UNKNOWN);
		snprintf(r->evidence, sizeof(r->evidence),
			 "the load has no model, so its rows cannot be checked");
		return 0;
	}
	server.db = o->model ? o->model->db : o->db;
	server.ledger_table = o->model          ? o->model->ledger_table
			      : o->ledger_table ? o->ledger_table
						: "";
	if (server.ledger_table[0])
		src.presence = server_presence;
	if (find_limit(o, &p.limit, e) < 0)
		goto out;
	server.sql = open_server(o, e);
	if (!server.sql || (rows && verify_open(&p, o->ledger_dir, &src, e) < 0))
		goto out;
	rc = rows ? verify_judge_model(&p, o->model, &src, r, e) : stream_ledger(&server, &p, r, e);
out:
	close_server(o, server.sql);
	verify_close(&p);
	if (rc < 0) {
		verify_worse(r, VERDICT_UNKNOWN);
		err_wrap(e, rows ? "model check" : "ledger check");
	}
	return rc;
}

int check_ledger(const struct verify_opts *o, struct verify_result *r, struct err *e)
{
	return check(o, false, r, e);
}

int check_model(const struct verify_opts *o, struct verify_result *r, struct err *e)
{
	return check(o, true, r, e);
}

/* ---- rows by their writers ---- */

static const char *model_writer(const struct prefix *p, const struct verify_opts *o,
				const char *text, size_t n, char *who, size_t room)
{
	const struct verify_txn *t;
	uint32_t worker;
	uint64_t seq;

	if (!text || o->writer_of(o->writer_ctx, text, n, &worker, &seq) != 1)
		return "corrupt value";
	if (!worker)
		return NULL; /* prepared */
	t = verify_find(p, worker, seq);
	if (!t) {
		snprintf(who, room, "worker %u sequence %" PRIu64 " (in no ledger)", worker, seq);
		return p->damaged ? NULL : "dirty row";
	}
	verify_txn_text(t, who, room);
	if (t->outcome == TXN_FAILED)
		return "dirty row";
	if (t->cluster == p->cluster && t->outcome == TXN_ACKED && t->position > p->limit)
		return "early row";
	return p->has_evidence && !t->present ? "torn transaction" : NULL;
}

static int audit_table(struct server *s, struct prefix *p, const char *table,
		       struct verify_result *r, struct err *e)
{
	struct sql_rows rows = { 0 };
	int rc = stream_rows(s, &rows, 3, e, "id, c, pad", table, "id"), more = 0;

	while (rc == 0 && (more = sql_rows_next(&rows, e)) == 1) {
		char who[160] = "";
		const char *kind =
			model_writer(p, s->o, rows.cell[1], rows.len[1], who, sizeof(who));
		int64_t id = 0;

		if (!kind)
			kind = model_writer(p, s->o, rows.cell[2], rows.len[2], who, sizeof(who));
		r->rows_checked++;
		if (!kind)
			continue;
		r->rows_wrong++;
		r->torn += !strcmp(kind, "torn transaction");
		read_number(rows.cell[0], &id);
		verify_finding(r, kind, table, id, who[0] ? who : NULL,
			       "written by a transaction that was recovered", NULL);
		verify_worse(r, VERDICT_FAIL);
	}
	sql_rows_release(&rows);
	return rc < 0 || more < 0 ? -1 : 0;
}

static int audit_all(struct server *s, struct prefix *p, struct verify_result *r, struct err *e)
{
	struct sql_rows tables = { 0 };
	struct strbuf db = STRBUF_INIT;
	uint64_t n = 0;
	int rc, more = 0;

	sql_add_text(&db, s->db, strlen(s->db));
	rc = sql_query(
		s->sql, &tables, e,
		"SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND COLUMN_NAME IN ('id', 'c', 'pad') "
		"GROUP BY TABLE_NAME HAVING COUNT(*) = 3 ORDER BY TABLE_NAME",
		db.buf);
	while (rc == 0 && (more = sql_rows_next(&tables, e)) == 1) {
		rc = audit_table(s, p, tables.cell[0], r, e);
		n++;
	}
	sql_rows_release(&tables);
	strbuf_release(&db);
	if (rc < 0 || more < 0)
		return -1;
	if (p->damaged || !r->rows_checked) /* nothing was read: nothing is proved */
		verify_worse(r, VERDICT_UNKNOWN);
	snprintf(r->evidence, sizeof(r->evidence),
		 "%" PRIu64 " of %" PRIu64 " rows of %" PRIu64
		 " tables were not written by an allowed "
		 "transaction%s",
		 r->rows_wrong, r->rows_checked, n,
		 p->damaged ? "; the ledger has an incomplete last record" : "");
	return 0;
}

int check_rows(const struct verify_opts *o, struct verify_result *r, struct err *e)
{
	struct server server = { .o = o,
				 .db = o->db,
				 .ledger_table = o->ledger_table ? o->ledger_table : "" };
	struct prefix p = { .cluster = o->cluster, .mark = o->mark, .point = o->point };
	struct verify_source src = { .arg = &server,
				     .presence = server.ledger_table[0] ? server_presence : NULL };
	int rc = -1;

	verify_result_start(r);
	if (!o->db || !o->writer_of) {
		verify_worse(r, VERDICT_UNKNOWN);
		snprintf(r->evidence, sizeof(r->evidence),
			 "the load's rows do not identify their writers");
		return 0;
	}
	if (find_limit(o, &p.limit, e) < 0)
		goto out;
	server.sql = open_server(o, e);
	if (server.sql && verify_open(&p, o->ledger_dir, &src, e) == 0)
		rc = audit_all(&server, &p, r, e);
out:
	close_server(o, server.sql);
	verify_close(&p);
	if (rc < 0) {
		verify_worse(r, VERDICT_UNKNOWN);
		err_wrap(e, "row audit");
	}
	return rc;
}

/* ---- histories ---- */

static int server_lists(void *arg, uint32_t table, history_list_fn *fn, void *to, struct err *e)
{
	struct server *s = arg;
	struct sql_rows rows = { 0 };
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "append%u", table);
	rc = stream_rows(s, &rows, 2, e, "id, list", name, "id");
	while (rc == 0) {
		int64_t id;
		int more = sql_rows_next(&rows, e);

		if (more <= 0) {
			rc = more;
			break;
		}
		if (read_number(rows.cell[0], &id) < 0 || !rows.cell[1])
			rc = err_set(e, ERR_BAD_DATA, 0,
				     "%s has a row that does not have the load's columns", name);
		else
			rc = fn(to, table, id, rows.cell[1], rows.len[1]);
	}
	sql_rows_release(&rows);
	return rc;
}

int check_history(const struct verify_opts *o, const char *kind, struct isolation_result *r,
		  struct err *e)
{
	struct server server = { .o = o, .db = o->model ? o->model->db : o->db };
	struct isolation_opts h = {
		.dir = o->ledger_dir, .kind = kind, .cluster = o->cluster, .arg = &server
	};
	int rc = -1;

	*r = (struct isolation_result){ .verdict = VERDICT_UNKNOWN };
	if (find_limit(o, &h.limit, e) < 0)
		return err_wrap(e, "history check");
	if (!strcmp(kind, "append") && server.db) {
		server.sql = open_server(o, e);
		if (!server.sql)
			return err_wrap(e, "history check");
		h.lists = server_lists;
	}
	rc = isolation_check(&h, r, e);
	close_server(o, server.sql);
	return rc;
}
