#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/ddl_words.h"
#include "harness/feed/log_lines.h"
#include "harness/feed/feed_impl.h"
#include "harness/sql/ddl_once.h"

#define RECONNECT_MS 60000
#define AHEAD_MS 1000         /* a secondary that does not answer by then stands still: what was to be prevented has come */
#define AHEAD_TABLES_MAX 1000 /* some KiB of memory each */

struct feed_schema {
	struct feed_schema *next;
	struct table_schema t;
};

int feed_control_connect(struct feed_run *r, struct deadline d, struct err *e)
{
	struct sql *s = feed_sink_connect(&r->o.sink, r->o.id, d, e);

	if (!s)
		return -1;
	if (feed_connection_end(s, &r->control_id, d, e) < 0 || feed_server_id(s, &r->control_id, e) < 0) {
		sql_close(s);
		return -1;
	}
	sql_close(r->control);
	r->control = s;
	return 0;
}

int feed_control_reconnect(struct feed_run *r, struct err *e)
{
	struct deadline d = deadline_in_ms(RECONNECT_MS);

	feed_log("warn", "secondary: %s: connecting again", e->text);
	while (!feed_stopping()) {
		if (feed_control_connect(r, deadline_min(d, deadline_in_ms(10000)), e) == 0) {
			feed_log("info", "the secondary is back");
			return 0;
		}
		if (deadline_passed(d))
			break;
		feed_sleep_ms(200);
	}
	return err_wrap(e, "secondary lost");
}

static const struct table_schema *schema_cached(const struct feed_run *r, const char *db, const char *table)
{
	for (struct feed_schema *f = r->schemas; f; f = f->next)
		if (!strcmp(f->t.table, table) && !strcmp(f->t.db, db))
			return &f->t;
	return NULL;
}

static const struct table_schema *schema_ask(struct feed_run *r, const char *db, const char *table, struct err *e)
{
	struct feed_schema *f = xcalloc(1, sizeof(*f));

	if (schema_load(r->control, db, table, &f->t, e) < 0) {
		free(f);
		return NULL;
	}
	f->next = r->schemas;
	r->schemas = f;
	return &f->t;
}

const struct table_schema *feed_schema_of(void *run, const char *db, const char *table, struct err *e)
{
	struct feed_run *r = run;
	const struct table_schema *t = schema_cached(r, db, table);
	const char *out = left_out_reason(&r->left, db, table);

	if (out) {
		err_set(e, ERR_UNSUPPORTED, 0, "%s", out);
		return NULL;
	}
	while (!t && !(t = schema_ask(r, db, table, e)))
		if (e->kind != ERR_GONE || feed_control_reconnect(r, e) < 0) {
			err_wrap(e, "structure of %s.%s on the secondary", db, table);
			return NULL;
		}
	if (strstr(t->create_sql, "WITH SYSTEM VERSIONING"))
		err_set(e, ERR_UNSUPPORTED, 0, "it has system versioning, whose history each server writes itself");
	else if (strstr(t->create_sql, " WITHOUT OVERLAPS"))
		err_set(e, ERR_UNSUPPORTED, 0, "its key is one WITHOUT OVERLAPS, into which the server takes no REPLACE");
	else
		return t;
	return NULL;
}

static void schemas_free(struct feed_run *r)
{
	while (r->schemas) {
		struct feed_schema *f = r->schemas;
		r->schemas = f->next;
		schema_release(&f->t);
		free(f);
	}
}

void feed_schemas_forget(struct feed_run *r)
{
	if (r->binlog)
		binlog_forget_schemas(r->binlog);
	schemas_free(r);
	schema_tables_free(r->ahead, r->n_ahead);
	r->ahead = NULL;
	r->n_ahead = r->ahead_next = 0;
	r->ahead_over = false;
}

void feed_schemas_ahead(struct feed_run *r)
{
	struct err e = ERR_INIT;

	if (!r->writer || r->ahead_over)
		return;
	sql_patience(r->control, AHEAD_MS);
	if (!r->ahead) {
		schema_tables(r->control, &r->ahead, &r->n_ahead, &e);
	} else {
		const struct table_name *t = &r->ahead[r->ahead_next++];
		if (!schema_cached(r, t->db, t->table))
			schema_ask(r, t->db, t->table, &e); /* whoever needs one that fails asks again, and is told why */
	}
	r->ahead_over = r->ahead_next == r->n_ahead || r->n_ahead > AHEAD_TABLES_MAX || e.kind == ERR_GONE;
	sql_patience(r->control, 0);
}

void feed_control_close(struct feed_run *r)
{
	feed_schemas_forget(r);
	sql_close(r->control);
}

int feed_ddls_forget(struct feed_run *r, struct err *e)
{
	char owner[190];

	ddl_owner(owner, "default", r->o.id);
	return ddl_once_forget(r->control, owner, e);
}

int feed_execute_ddl(struct feed_run *r, tso_t ts, const struct binlog_txn *t, struct err *e)
{
	/* a statement about a database needs no default one */
	bool of_database = t->ddl_type == DDL_CREATE_SCHEMA || t->ddl_type == DDL_DROP_SCHEMA;
	struct ddl_statement d = { .at = { .commit_ts = ts }, .query = t->ddl_query, .query_bytes = strlen(t->ddl_query),
		                   .use_db = of_database ? "" : t->ddl_db, .db = t->ddl_table_db, .table = t->ddl_table,
		                   .session = t->ddl_session };
	enum ddl_outcome outcome;
	char owner[190], on[200];

	ddl_owner(owner, "default", r->o.id);
	snprintf(on, sizeof(on), "a DDL: %s", t->ddl_query);
	feed_board_waits(r->board, FEED_WAITER_DDL, on);
	while (ddl_once_run(r->control, owner, &d, false, &outcome, e) < 0) {
		if (e->kind == ERR_CONFLICT) {
			feed_log("warn", "DDL: %s: again", e->text);
			feed_sleep_ms(100);
			if (feed_stopping())
				return -1;
			continue;
		}
		if (e->kind != ERR_GONE || feed_control_reconnect(r, e) < 0)
			return err_wrap(e, "DDL \"%.200s\" on the secondary", t->ddl_query);
	}
	feed_board_waits(r->board, FEED_WAITER_DDL, NULL);
	if (outcome == DDL_FAILED && t->ddl_type == DDL_CREATE_VIEW) /* of what is left out already nothing is new */
		left_out_add(&r->left, t->ddl_table_db, t->ddl_table, e->text);
	*e = (struct err)ERR_INIT;
	feed_log("info", "DDL %s at %" PRIu64 ": %.300s", outcome == DDL_FAILED ? "left out" : outcome == DDL_BEFORE ? "done before" : "applied", ts,
	         t->ddl_query);
	if (outcome == DDL_SAID_DONE)
		feed_log("warn", "DDL at %" PRIu64 ": the secondary says that it is done already", ts);
	return 0;
}
