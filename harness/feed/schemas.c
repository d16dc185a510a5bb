/* The structure of a table at the reader's position in the binary log, from the primary and from
 * the table map in the log. The primary may be a DDL ahead of the reader, so its structure is
 * certain only when the reader reaches the position that the primary had then, without a DDL in
 * between (horizon_seq). Until then the map is used as far as it goes (map_schema.h), and every key
 * that might be unique is treated as unique. So a secondary that is slow, stalled or dead delays
 * only the sink. A table without a primary key is different: the map has none of its keys. The
 * secondary has them, as soon as it has executed what was read before: it is asked while it
 * responds, otherwise the primary, and no watermark advances until the reader is past the horizon.
 * If a DDL comes first, the changefeed restarts at the checkpoint, and the reader waits for the
 * secondary at that table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/ddl_words.h"
#include "harness/binlog/map_schema.h"
#include "harness/feed/feed_impl.h"
#include "harness/feed/log_lines.h"
#include "harness/sql/ddl/lex.h"

#define RECONNECT_MS 60000
/* a secondary that has not responded, nor finished a DDL, for this long is stalled */
#define STILL_MS 1000

struct feed_schema {
	struct feed_schema *next;
	uint64_t horizon_seq;  /* the primary's position when it returned the structure; 0: certain,
				  from the secondary */
	struct table_schema t; /* no columns: the table does not exist any more */
	bool by_map;
	struct table_schema
		wide; /* from the map, until the reader is past the horizon; else zeroed */
};

int schemas_connect(struct feed_run *r, struct deadline d, struct err *e)
{
	struct sql *s = feed_sink_connect(&r->o.sink, r->o.id, d, e);

	if (!s)
		return -1;
	if (feed_connection_end(s, &r->control_id, d, e) < 0 ||
	    feed_server_id(s, &r->control_id, e) < 0) {
		sql_close(s);
		return -1;
	}
	sql_patience(s, 0);
	sql_close(r->control);
	r->control = s;
	return 0;
}

int schemas_reconnect(struct feed_run *r, struct err *e)
{
	struct deadline d = deadline_in_ms(RECONNECT_MS);

	feed_log("warn", "secondary: %s: reconnecting", e->text);
	while (!feed_stopping()) {
		if (schemas_connect(r, deadline_min(d, deadline_in_ms(10000)), e) == 0) {
			feed_log("info", "the secondary is back");
			return 0;
		}
		if (deadline_passed(d) || e->kind == ERR_UNSUPPORTED)
			break;
		feed_sleep_ms(200);
	}
	return err_wrap(e, "secondary lost");
}

static struct feed_schema *schema_cached(const struct feed_run *r, const char *db,
					 const char *table)
{
	for (struct feed_schema *f = r->schemas; f; f = f->next)
		if (!strcmp(f->t.table, table) && !strcmp(f->t.db, db))
			return f;
	return NULL;
}

static void schema_free(struct feed_schema *f)
{
	schema_release(&f->t);
	schema_release(&f->wide);
	free(f);
}

static void schema_drop(struct feed_run *r, const char *db, const char *table)
{
	for (struct feed_schema **at = &r->schemas; *at; at = &(*at)->next) {
		struct feed_schema *f = *at;

		if (strcmp(f->t.table, table) || strcmp(f->t.db, db))
			continue;
		*at = f->next;
		schema_free(f);
		return;
	}
}

static const struct table_schema *schema_ask(struct feed_run *r, struct sql *s, const char *db,
					     const char *table, struct err *e)
{
	struct feed_schema *f = xcalloc(1, sizeof(*f));

	if (schema_load(s, db, table, &f->t, e) < 0) {
		free(f);
		return NULL;
	}
	f->next = r->schemas;
	r->schemas = f;
	return &f->t;
}

/* The primary's position: everything it has committed. */
static int read_position(struct feed_run *r, uint64_t *seq, struct err *e)
{
	struct strbuf gtid = STRBUF_INIT;
	int rc = sql_value(r->source, &gtid, e, "SELECT @@GLOBAL.gtid_binlog_pos");

	if (rc == 0)
		rc = gtid_parse_seq(gtid.buf, seq, e);
	strbuf_release(&gtid);
	return rc < 0 ? -1 : 0;
}

/* NULL with ERR_GONE: the reader reconnects. */
static const struct table_schema *from_primary(struct feed_run *r, const char *db,
					       const char *table, struct err *e)
{
	const struct table_schema *t =
		feed_source(r, e) ? schema_ask(r, r->source, db, table, e) : NULL;
	uint64_t seq = 0;

	if (t && read_position(r, &seq, e) < 0) {
		schema_drop(r, db, table);
		t = NULL;
	}
	if (!t && e->kind == ERR_GONE) {
		sql_close(r->source);
		r->source = NULL;
	}
	if (t) {
		r->schemas->horizon_seq = seq;
		if (seq > r->horizon_seq)
			r->horizon_seq = seq;
	}
	return t;
}

/* Whether the secondary has executed every DDL that was read. */
static bool secondary_is_here(struct feed_run *r)
{
	struct feed_ddls_state d = feed_ddls_state(r->ddls);

	return d.ready && d.step == FEED_DDL_NONE && !d.why[0] && !r->ddl_ts;
}

static void lose_control(struct feed_run *r)
{
	sql_close(r->control);
	r->control = NULL;
}

static bool control_answers(struct feed_run *r)
{
	struct err ignored = ERR_INIT;
	int64_t one;

	if (!r->control && schemas_connect(r, deadline_in_ms(STILL_MS), &ignored) < 0)
		return false;
	sql_patience(r->control, STILL_MS);
	one = sql_exec(r->control, &ignored, "DO 1");
	sql_patience(r->control, 0);
	if (one < 0)
		lose_control(r);
	return one >= 0;
}

/* It may be frozen at any moment, also right behind an answer. */
static const struct table_schema *ask_secondary(struct feed_run *r, const char *db,
						const char *table, struct err *e)
{
	const struct table_schema *t;

	sql_patience(r->control, STILL_MS);
	t = schema_ask(r, r->control, db, table, e);
	sql_patience(r->control, 0);
	if (!t && (e->kind == ERR_GONE || e->kind == ERR_TIMEOUT))
		lose_control(r);
	return t;
}

static bool is_unsure(const struct feed_run *r, const char *db, const char *table)
{
	for (size_t i = 0; i < r->n_unsure; i++)
		if (!strcmp(r->unsure[i].db, db) && !strcmp(r->unsure[i].table, table))
			return true;
	return false;
}

static void add_unsure(struct feed_run *r, const char *db, const char *table)
{
	if (is_unsure(r, db, table))
		return;
	r->unsure = xreallocarray(r->unsure, r->n_unsure + 1, sizeof(*r->unsure));
	r->unsure[r->n_unsure++] =
		(struct table_name){ .db = xstrdup(db), .table = xstrdup(table) };
}

static int begin_again(struct feed_run *r, const char *db, const char *table, struct err *e)
{
	add_unsure(r, db, table);
	r->again = true;
	return err_set(
		e, ERR_CONFLICT, 0,
		"the primary had already changed %s.%s when drtest read its structure: reading "
		"again from the checkpoint",
		db, table);
}

/* The secondary reaches the reader's position only when watermarks advance, and they wait for
 * uncertain structures. */
static int may_wait_for_secondary(struct feed_run *r, const char *db, const char *table,
				  struct err *e)
{
	bool sure = true;

	r->horizon_seq = 0;
	for (struct feed_schema *f = r->schemas; f; f = f->next) {
		if (f->by_map)
			continue;
		if (f->horizon_seq > r->horizon_seq)
			r->horizon_seq = f->horizon_seq;
		if (f->horizon_seq > r->read_seq) {
			sure = false;
			add_unsure(r, f->t.db, f->t.table);
		}
	}
	return sure ? 0 : begin_again(r, db, table, e);
}

/* A table without a primary key that the primary has changed since: only the secondary has its
 * structure, once it is at the reader's position. The redo log waits too. */
static const struct table_schema *from_secondary(struct feed_run *r, const char *db,
						 const char *table, struct err *e)
{
	const struct table_schema *t = NULL;
	bool told = false;
	char on[200];

	if (may_wait_for_secondary(r, db, table, e) < 0)
		return NULL;
	snprintf(on, sizeof(on), "the structure of %.60s.%.60s, which the secondary has", db,
		 table);
	feed_announce(r, r->read_ts);
	while (!feed_stopping()) {
		if (secondary_is_here(r) && control_answers(r) &&
		    (t = ask_secondary(r, db, table, e)))
			break;
		if (e->kind && e->kind != ERR_GONE && e->kind != ERR_TIMEOUT) {
			err_wrap(e,
				 "the primary has already changed %s.%s, and the secondary does "
				 "not have it",
				 db, table);
			break;
		}
		if (!told)
			feed_log("warn",
				 "structure of %s.%s: the primary has already changed it; waiting "
				 "for the secondary, which has it",
				 db, table);
		told = true;
		status_board_waits(r->board, FEED_WAITER_STRUCTURE, on);
		*e = (struct err)ERR_INIT;
		if (feed_service(r, e) < 0)
			break;
		feed_sleep_ms(20);
	}
	status_board_waits(r->board, FEED_WAITER_STRUCTURE, NULL);
	if (!t && !e->kind)
		err_set(e, ERR_CANCELLED, 0, "the changefeed ends");
	return t;
}

static struct feed_reached has_reached(struct feed_run *r)
{
	return (struct feed_reached){ feed_sink_progress(r->sink).checkpoint,
				      feed_ddls_state(r->ddls).done };
}

static bool same_reached(struct feed_reached a, struct feed_reached b)
{
	return a.checkpoint == b.checkpoint && a.ddls == b.ddls;
}

/* Waits while the secondary makes progress. 1: it is at the reader's position and responds; 0: it
 * is stalled; -1: error. */
static int wait_for_secondary(struct feed_run *r, struct err *e)
{
	struct feed_reached last = has_reached(r), now;
	struct deadline d = deadline_in_ms(STILL_MS);

	if (same_reached(last, r->stood_still))
		return 0;
	while (!feed_stopping()) {
		if (secondary_is_here(r)) {
			if (control_answers(r))
				return 1;
			break;
		}
		if (feed_service(r, e) < 0)
			return -1;
		now = has_reached(r);
		if (!same_reached(last, now)) {
			last = now;
			d = deadline_in_ms(STILL_MS);
		}
		if (deadline_passed(d))
			break;
		feed_sleep_ms(5);
	}
	r->stood_still = has_reached(r);
	return 0;
}

static const struct table_schema *ask(struct feed_run *r, const char *db, const char *table,
				      int attempt, struct err *e)
{
	const struct table_schema *t = NULL;
	int rc;

	/* rows are being read, so there is no DDL at the checkpoint, or the reader is past it */
	r->ddl_ts = 0;
	if (attempt || is_unsure(r, db, table)) {
		schema_drop(r, db, table);
		return from_secondary(r, db, table, e);
	}
	rc = wait_for_secondary(r, e);
	if (rc < 0)
		return NULL;
	if (rc)
		t = ask_secondary(r, db, table, e);
	if (!t) {
		*e = (struct err)ERR_INIT;
		t = from_primary(r, db, table, e);
	}
	if (!t && e->kind == ERR_NOT_FOUND && !rc) { /* it was dropped or renamed meanwhile */
		*e = (struct err)ERR_INIT;
		t = from_secondary(r, db, table, e);
	}
	return t;
}

/* The primary's structure; without columns if it does not have the table any more. */
static struct feed_schema *primary_now(struct feed_run *r, const char *db, const char *table,
				       struct err *e)
{
	struct feed_schema *f = schema_cached(r, db, table);
	const struct table_schema *t;
	uint64_t before;

	if (f)
		return f;
	before = r->horizon_seq;
	t = from_primary(r, db, table, e);
	r->horizon_seq = before; /* nothing has to wait */
	if (t) {
		f = r->schemas;
	} else if (e->kind == ERR_NOT_FOUND) {
		*e = (struct err)ERR_INIT;
		f = xcalloc(1, sizeof(*f));
		f->t = (struct table_schema){ .db = xstrdup(db), .table = xstrdup(table) };
		f->horizon_seq = UINT64_MAX;
		f->next = r->schemas;
		r->schemas = f;
	}
	if (f)
		f->by_map = true;
	return f;
}

/* attempt 1: the primary's structure does not fit the rows. */
static const struct table_schema *by_map(struct feed_run *r, const struct table_map *m, int attempt,
					 struct err *e)
{
	struct feed_schema *f = primary_now(r, m->db, m->table, e);

	/* rows are being read, so there is no DDL at the checkpoint, or the reader is past it */
	r->ddl_ts = 0;
	if (!f)
		return NULL;
	if (!attempt && f->horizon_seq <= r->read_seq)
		return &f->t;
	schema_release(&f->wide);
	if (map_schema(m, f->t.n_columns ? &f->t : NULL, r->charsets, &f->wide, e) < 0)
		return NULL;
	if (f->horizon_seq != UINT64_MAX && f->horizon_seq > r->wide_until)
		r->wide_until = f->horizon_seq;
	return &f->wide;
}

void feed_schemas_read_to(struct feed_run *r, uint64_t seq)
{
	if (!r->wide_until || seq < r->wide_until)
		return;
	r->wide_until = 0;
	if (r->binlog)
		binlog_forget_schemas(r->binlog);
}

static const struct table_schema *check_carried(const struct table_schema *t, struct err *e)
{
	if (t->create_sql && schema_says(t->create_sql, "WITH", "SYSTEM"))
		err_set(e, ERR_UNSUPPORTED, 0, BINLOG_VERSIONED);
	else if (t->create_sql && schema_says(t->create_sql, "WITHOUT", "OVERLAPS"))
		err_set(e, ERR_UNSUPPORTED, 0, BINLOG_OVERLAPS);
	else
		return t;
	return NULL;
}

const struct table_schema *feed_schema_of(void *run, const char *db, const char *table,
					  const struct table_map *map, int attempt, struct err *e)
{
	struct feed_run *r = run;
	struct feed_schema *f = attempt || map ? NULL : schema_cached(r, db, table);
	const struct table_schema *t = f ? f->wide.n_columns ? &f->wide : &f->t : NULL;
	const char *out = left_out_reason(&r->left, db, table);

	if (out) {
		err_set(e, ERR_UNSUPPORTED, 0, "%s", out);
		return NULL;
	}
	if (map && map_schema_tells(map)) {
		t = by_map(r, map, attempt, e);
	} else if (!t) {
		f = attempt ? NULL : schema_cached(r, db, table);
		t = f && f->t.n_columns ? &f->t : ask(r, db, table, attempt, e);
	}
	if (!t) {
		if (e->kind == ERR_UNSUPPORTED)
			e->kind = ERR_ENV;
		err_wrap(e, "structure of %s.%s", db, table);
		return NULL;
	}
	return check_carried(t, e);
}

void feed_schemas_forget(struct feed_run *r)
{
	r->wide_until = 0;
	if (r->binlog)
		binlog_forget_schemas(r->binlog);
	while (r->schemas) {
		struct feed_schema *f = r->schemas;

		r->schemas = f->next;
		schema_free(f);
	}
}

/* Does the statement name the table, or its database? */
static bool statement_names(const struct binlog_txn *ddl, const char *db, const char *table)
{
	struct lex x = { .p = ddl->ddl_query, .end = ddl->ddl_query + strlen(ddl->ddl_query) };
	bool of_database = ddl->ddl_type == DDL_DROP_SCHEMA || ddl->ddl_type == DDL_SCHEMA_CHARSET;

	if (of_database)
		return !strcasecmp(ddl->ddl_table_db, db);
	for (lex_next(&x); x.kind != T_END; lex_next(&x))
		if ((x.kind == T_WORD || x.kind == T_QUOTED) && !strcasecmp(x.text, table))
			return true;
	return false;
}

int feed_schemas_sure(struct feed_run *r, const struct binlog_txn *ddl, struct err *e)
{
	for (size_t i = r->n_unsure; i-- > 0;)
		/* from here on the primary's structure may be right again */
		if (statement_names(ddl, r->unsure[i].db, r->unsure[i].table)) {
			free(r->unsure[i].db);
			free(r->unsure[i].table);
			r->unsure[i] = r->unsure[--r->n_unsure];
		}
	for (struct feed_schema *f = r->schemas; f; f = f->next) {
		if (f->by_map || f->horizon_seq < ddl->gtid_seq ||
		    !statement_names(ddl, f->t.db, f->t.table))
			continue;
		begin_again(r, f->t.db, f->t.table, e);
	}
	return r->again ? -1 : 0;
}

void feed_schemas_free(struct feed_run *r)
{
	feed_schemas_forget(r);
	schema_tables_free(r->unsure, r->n_unsure);
	r->unsure = NULL;
	r->n_unsure = 0;
}
