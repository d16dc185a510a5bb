#include "harness/cluster/forensic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/cluster_impl.h"
#include "harness/cluster/lost_writes.h"
#include "harness/feed/sink_sql.h"
#include "harness/tidb/tidb.h"
#include "harness/sql/rights.h"

#define HOLD_TRIES 20
#define HOLD_MS 10000
#define WAIT_MS 500
/* in the replication protocol: nobody else's on that server */
#define REPLICA_ID 0x3f04e51cu
/* keys changed after the point that are told apart: 256 MiB */
#define SEEN_MAX ((size_t)1 << 24)

/* ---- a snapshot that is held ---- */

struct cluster_hold {
	struct sql *conn[HOLD_CONNECTIONS];
	unsigned n;
	tso_t at;
	char *name;
};

struct sql *cluster_hold_conn(struct cluster_hold *h)
{
	return h->conn[0];
}

tso_t cluster_hold_at(const struct cluster_hold *h)
{
	return h->at;
}

void cluster_hold_free(struct cluster_hold *h)
{
	if (!h)
		return;
	for (int i = 0; i < HOLD_CONNECTIONS; i++)
		sql_close(h->conn[i]);
	free(h->name);
	free(h);
}

static int position_text(struct sql *s, struct strbuf *out, struct err *e)
{
	strbuf_reset(out);
	return sql_value(s, out, e, "SELECT @@gtid_binlog_pos");
}

struct cluster_hold *cluster_hold(const struct sql_endpoint *ep, const char *name,
				  unsigned connections, struct err *e)
{
	struct cluster_hold *h = xcalloc(1, sizeof(*h));
	struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;
	struct deadline d = deadline_in_ms(HOLD_MS);
	int rc = 0, tries = 0;

	h->name = xstrdup(name);
	h->n = connections;
	for (unsigned i = 0; i < h->n && rc == 0; i++) {
		h->conn[i] = sql_open_reading(ep, d, e);
		rc = h->conn[i] ? 0 : -1;
		if (rc == 0 && sql_flavor(h->conn[i]) == SQL_TIDB) {
			rc = tidb_now(ep, &h->at, e);
			sql_close(h->conn[i]);
			h->conn[i] = NULL;
			h->n = 0;
		}
	}
	/* the same position before the first and after the last: all of them see one state */
	do {
		if (rc == 0 && h->n > 1)
			rc = position_text(h->conn[0], &before, e);
		for (unsigned i = 0; i < h->n && rc == 0; i++)
			rc = sql_exec(h->conn[i], e, "START TRANSACTION WITH CONSISTENT SNAPSHOT") <
					     0
				     ? -1
				     : 0;
		if (rc == 0 && h->n > 1)
			rc = position_text(h->conn[h->n - 1], &after, e);
	} while (rc == 0 && h->n > 1 && strcmp(before.buf, after.buf) && ++tries < HOLD_TRIES);
	if (rc == 0 && tries == HOLD_TRIES)
		rc = err_set(
			e, ERR_TIMEOUT, 0,
			"it is being written to: its connections do not see one state (tried %d "
			"times)",
			tries);
	strbuf_release(&before);
	strbuf_release(&after);
	if (rc == 0)
		return h;
	err_wrap(e, "take a snapshot of %s", name);
	cluster_hold_free(h);
	return NULL;
}

/* ---- back to the point ---- */

struct schema {
	struct schema *next;
	struct table_schema t;
};
struct forensic {
	struct forensic_opts o;
	struct sql_endpoint ep;
	uint64_t point;   /* as a commit position */
	struct sql *conn; /* the transaction that is never committed */
	struct sql *ask;  /* structure */
	struct schema *schemas;
	struct feed_table *table;
	size_t n_tables;
	/* keys whose state at the point stands already; open addressing, zero: free */
	XXH128_hash_t *seen;
	size_t n_seen, room;
	struct lost lost;
	uint64_t ddls;
	char ddl[160];
	/* NULL-terminated patterns: o.ignore, and what the binary log does not take back */
	char **left_out;
	size_t n_left_out;
	struct strbuf text;
};

static void leave_out_pattern(struct forensic *b, char *pattern)
{
	b->left_out = xreallocarray(b->left_out, b->n_left_out + 2, sizeof(*b->left_out));
	b->left_out[b->n_left_out++] = pattern;
	b->left_out[b->n_left_out] = NULL;
}

static void leave_out(void *arg, const char *db, const char *table, const char *reason)
{
	(void)reason; /* the changefeed has told it */
	leave_out_pattern(arg, xstrfmt("%s.%s", db, table));
}

static const struct table_schema *schema_of(void *arg, const char *db, const char *table,
					    const struct table_map *map, int attempt, struct err *e)
{
	struct forensic *b = arg;
	struct schema *s;

	(void)map;
	(void)attempt; /* there is no other */
	for (s = b->schemas; s; s = s->next)
		if (!strcmp(s->t.db, db) && !strcmp(s->t.table, table))
			return &s->t;
	s = xcalloc(1, sizeof(*s));
	if (schema_load(b->ask, db, table, &s->t, e) < 0) {
		free(s);
		return NULL;
	}
	s->next = b->schemas;
	b->schemas = s;
	return &s->t;
}

static struct feed_table *table_of(struct forensic *b, const struct redo_row *row, struct err *e)
{
	for (size_t i = 0; i < b->n_tables; i++)
		if (feed_table_fits(&b->table[i], row))
			return &b->table[i];
	b->table = xreallocarray(b->table, b->n_tables + 1, sizeof(*b->table));
	if (feed_table_init(&b->table[b->n_tables], row, NULL, false, e) < 0)
		return NULL;
	return &b->table[b->n_tables++];
}

static XXH128_hash_t *find_slot(struct forensic *b, XXH128_hash_t h)
{
	size_t i = (size_t)h.low64 & (b->room - 1);

	while ((b->seen[i].low64 || b->seen[i].high64) && !XXH128_isEqual(b->seen[i], h))
		i = (i + 1) & (b->room - 1);
	return &b->seen[i];
}

/* 1: for the first time. */
static int note_key(struct forensic *b, const struct feed_table *t, const struct strbuf *key,
		    struct err *e)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(key->buf, key->len,
						XXH3_64bits(t->table, strlen(t->table)) ^
							XXH3_64bits(t->db, strlen(t->db) + 1));
	XXH128_hash_t *at;

	h.low64 |= 1;
	if (2 * (b->n_seen + 1) > b->room) {
		struct forensic old = *b;

		if (b->n_seen >= SEEN_MAX)
			return err_set(e, ERR_UNSUPPORTED, 0,
				       "more than %zu rows were changed after the replay point",
				       SEEN_MAX);
		b->room = b->room ? b->room * 2 : 1024;
		b->seen = xcalloc(b->room, sizeof(*b->seen));
		for (size_t i = 0; i < old.room; i++)
			if (old.seen[i].low64 || old.seen[i].high64)
				*find_slot(b, old.seen[i]) = old.seen[i];
		free(old.seen);
	}
	at = find_slot(b, h);
	if (at->low64 || at->high64)
		return 0;
	*at = h;
	b->n_seen++;
	return 1;
}

/* The before-image of a key's first change after the point is its state at the point. In any order:
 * a row that such a REPLACE pushes out through another unique key was changed after the point
 * itself, so its own image stands already or comes. */
static int take_back(struct forensic *b, const struct redo_row *row, struct err *e)
{
	struct feed_table *t = table_of(b, row, e);
	int first;

	if (!t)
		return -1;
	strbuf_reset(&b->text);
	feed_add_key(&b->text, t, row->n_pre_columns ? row->pre_columns : row->columns,
		     row->n_pre_columns ? row->n_pre_columns : row->n_columns);
	first = note_key(b, t, &b->text, e);
	if (first <= 0)
		return first;
	if (row->n_pre_columns) {
		strbuf_reset(&b->text);
		strbuf_addstr(&b->text, t->replace_head);
		feed_add_put(&b->text, row->pre_columns, row->n_pre_columns);
	} else {
		char *key = strbuf_detach(&b->text);

		strbuf_addf(&b->text, "%s%s%s", t->delete_head, key, t->key_name ? ")" : "");
		free(key);
	}
	return sql_exec_text(b->conn, e, b->text.buf, b->text.len) < 0 ? -1 : 0;
}

static int back_to_point(struct forensic *b, struct err *e)
{
	struct binlog_opts o = { .from = b->ep,
				 .after_seq = b->point,
				 .replica_id = REPLICA_ID,
				 .schema = schema_of,
				 .leave_out = leave_out,
				 .schema_arg = b };
	uint64_t last = 0, id = 0, done = b->point;
	struct strbuf pos = STRBUF_INIT;
	struct binlog *log = NULL;
	int rc = -1;

	if (position_text(b->ask, &pos, e) < 0 || gtid_parse_seq(pos.buf, &last, e) < 0)
		goto out;
	if (sql_value_u64(b->ask, &id, e, "SELECT @@GLOBAL.gtid_domain_id") < 0)
		goto out;
	o.domain = (unsigned)id;
	if (sql_value_u64(b->ask, &id, e, "SELECT @@GLOBAL.server_id") < 0)
		goto out;
	o.server_id = (unsigned)id;
	if (last <= b->point) {
		rc = 0;
		goto out;
	}
	log = binlog_open(&o, e);
	if (!log)
		goto out;
	while (done < last) {
		struct binlog_txn t;
		int got = binlog_next(log, WAIT_MS, &t, e);

		if (got < 0)
			goto out;
		if (got == 0) {
			if (deadline_passed(b->o.deadline) || clock_cancelled()) {
				err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
					"its binary log was read to position %" PRIu64
					" of %" PRIu64,
					done, last);
				goto out;
			}
			continue;
		}
		if (t.is_ddl && t.ddl_type) {
			b->ddls++;
			snprintf(b->ddl, sizeof(b->ddl), "%.150s", t.ddl_query);
			binlog_forget_schemas(log);
		}
		if (lost_add(&b->lost, &t, e) < 0)
			goto out;
		for (size_t i = 0; !t.is_ddl && i < t.n_rows; i++)
			if (take_back(b, &t.rows[i], e) < 0)
				goto out;
		if (!t.more)
			done = t.gtid_seq;
	}
	rc = 0;
out:
	binlog_close(log);
	strbuf_release(&pos);
	return rc < 0 ? err_wrap(e, "go back to the replay point") : 0;
}

/* ---- the check ---- */

static int compare_there(struct forensic *b, struct cluster_hold *held, struct compare_result *c,
			 struct err *e)
{
	struct compare_opts co = { .a_name = "the dead primary's disk",
				   .b_name = held->name,
				   .threads = held->n,
				   .b_conns = held->conn,
				   .ignore = (const char *const *)b->left_out };
	struct sql *conn[HOLD_CONNECTIONS] = { NULL };
	int rc = 0;

	for (int i = 0; i < HOLD_CONNECTIONS && rc == 0; i++) {
		conn[i] = sql_open(&b->ep, b->o.deadline, e);
		/* what the transaction that goes back has done is there for those alone who ask for
		 * it */
		rc = conn[i] && sql_exec(
					conn[i], e,
					"SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED") >=
					     0
			     ? 0
			     : -1;
	}
	co.a_conns = conn;
	if (rc == 0)
		rc = compare_run(&co, c, e);
	for (int i = 0; i < HOLD_CONNECTIONS; i++)
		sql_close(conn[i]);
	return rc;
}

static void conclude(const struct forensic *b, const char *held, const char *compared,
		     struct forensic_result *r)
{
	int n;

	if (r->verdict == VERDICT_UNKNOWN) {
		snprintf(r->evidence, sizeof(r->evidence),
			 "a DDL ran after the replay point and cannot be reversed (%s): %.300s",
			 b->ddl, compared);
		return;
	}
	if (r->verdict == VERDICT_FAIL) {
		snprintf(r->evidence, sizeof(r->evidence), "%.500s", compared);
		return;
	}
	n = snprintf(
		r->evidence, sizeof(r->evidence),
		"at the replay point, the dead primary's disk equals %s: %" PRIu64
		" rows of %" PRIu64 " "
		"tables; after it %" PRIu64 " transactions, %" PRIu64 " of them acknowledged%s",
		held, r->rows, r->tables, r->lost_transactions, r->lost_acked,
		r->lost_transactions && b->o.lost_sql ? ", are in lost.jsonl and lost.sql" : "");
	if (r->acked_gone && n > 0 && (size_t)n < sizeof(r->evidence))
		snprintf(r->evidence + n, sizeof(r->evidence) - (size_t)n,
			 "; %" PRIu64 " acknowledged ones are not even on the disk", r->acked_gone);
}

int forensic_compare(struct forensic *b, struct cluster_hold *held, struct forensic_result *r,
		     struct err *e)
{
	struct compare_result c = { 0 };

	*r = (struct forensic_result){ .verdict = VERDICT_UNKNOWN };
	if (compare_there(b, held, &c, e) < 0) {
		compare_result_release(&c);
		return err_wrap(e, "forensic check");
	}
	*r = (struct forensic_result){ .verdict = c.verdict == VERDICT_FAIL && b->ddls
							  ? VERDICT_UNKNOWN
							  : c.verdict,
				       .rows = c.rows,
				       .tables = c.tables,
				       .rows_different = c.rows_different,
				       .lost_transactions = b->lost.transactions,
				       .lost_rows = b->lost.rows,
				       .lost_acked = b->lost.acked,
				       .acked_gone = lost_gone(&b->lost, b->point),
				       .findings = c.findings };
	c.findings = NULL;
	conclude(b, held->name, c.evidence, r);
	compare_result_release(&c);
	return 0;
}

const struct sql_endpoint *forensic_endpoint(const struct forensic *b)
{
	return &b->ep;
}

int forensic_close(struct forensic *b, struct err *e)
{
	int rc;

	if (!b)
		return 0;
	rc = lost_close(&b->lost, e);
	sql_close(b->conn); /* the server rolls it back */
	sql_close(b->ask);
	while (b->schemas) {
		struct schema *s = b->schemas;

		b->schemas = s->next;
		schema_release(&s->t);
		free(s);
	}
	for (size_t i = 0; i < b->n_left_out; i++)
		free(b->left_out[i]);
	free(b->left_out);
	for (size_t i = 0; i < b->n_tables; i++)
		feed_table_release(&b->table[i]);
	free(b->table);
	free(b->seen);
	strbuf_release(&b->text);
	cluster_examine_end(b->o.dead);
	free(b);
	return rc;
}

struct forensic *forensic_open(const struct forensic_opts *o, struct err *e)
{
	struct forensic *b = xcalloc(1, sizeof(*b));

	b->o = *o;
	b->text = (struct strbuf)STRBUF_INIT;
	for (const char *const *i = o->ignore; i && *i; i++)
		leave_out_pattern(b, xstrdup(*i));
	if (lost_open(&b->lost, &b->o, e) < 0)
		goto failed;
	if (tso_map_seq_at(cluster_tso_map(o->dead), o->point, &b->point, e) < 0 &&
	    !(e && e->kind == ERR_NOT_FOUND && o->point_seq_min)) {
		err_wrap(e, "the replay point %" PRIu64, o->point);
		goto failed;
	}
	if (b->point < o->point_seq_min)
		b->point = o->point_seq_min;
	if (cluster_examine(o->dead, o->deadline, &b->ep, e) < 0)
		goto failed;
	b->ask = sql_open(&b->ep, o->deadline, e);
	b->conn = b->ask ? sql_open(&b->ep, o->deadline, e) : NULL;
	if (b->conn &&
	    sql_exec(b->conn, e,
		     "SET SESSION foreign_key_checks = 0, sql_log_bin = 0, "
		     "sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'") >= 0 &&
	    sql_exec(b->conn, e, "START TRANSACTION") >= 0 && back_to_point(b, e) == 0)
		return b;
failed:
	err_wrap(e, "forensic check");
	forensic_close(b, NULL);
	return NULL;
}

int forensic_run(const struct forensic_opts *o, struct forensic_result *r, struct err *e)
{
	struct forensic *b = forensic_open(o, e);
	int rc;

	*r = (struct forensic_result){ .verdict = VERDICT_UNKNOWN };
	if (!b)
		return -1;
	rc = forensic_compare(b, o->held, r, e);
	return forensic_close(b, rc == 0 ? e : NULL) < 0 ? -1 : rc;
}
