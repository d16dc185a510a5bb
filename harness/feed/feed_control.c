#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/feed/feed_ddl.h"
#include "harness/feed/feed_log.h"
#include "harness/feed/feed_run.h"

#define RECONNECT_MS 60000
#define SCHEMAS_AHEAD_MAX 500 /* about a millisecond each */

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

const struct table_schema *feed_schema_of(void *run, const char *db, const char *table, struct err *e)
{
	struct feed_run *r = run;
	struct feed_schema *f;

	for (f = r->schemas; f; f = f->next)
		if (!strcmp(f->t.table, table) && !strcmp(f->t.db, db))
			return &f->t;
	f = xcalloc(1, sizeof(*f));
	while (schema_load(r->control, db, table, &f->t, e) < 0) {
		if (e->kind == ERR_GONE && feed_control_reconnect(r, e) == 0)
			continue;
		err_wrap(e, "structure of %s.%s on the secondary", db, table);
		free(f);
		return NULL;
	}
	f->next = r->schemas;
	r->schemas = f;
	return &f->t;
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

void feed_schemas_ask(struct feed_run *r)
{
	struct table_name *names = NULL;
	size_t n = 0;

	if (r->binlog)
		binlog_forget_schemas(r->binlog);
	schemas_free(r);
	if (schema_tables(r->control, &names, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n && i < SCHEMAS_AHEAD_MAX; i++) {
		struct feed_schema *f = xcalloc(1, sizeof(*f));

		if (schema_load(r->control, names[i].db, names[i].table, &f->t, NULL) < 0) {
			free(f); /* whoever needs it asks again, and is told why */
			continue;
		}
		f->next = r->schemas;
		r->schemas = f;
	}
	schema_tables_free(names, n);
}

void feed_control_close(struct feed_run *r)
{
	schemas_free(r);
	sql_close(r->control);
}

int feed_execute_ddl(struct feed_run *r, tso_t ts, const struct binlog_txn *t, struct err *e)
{
	int rc;

	while ((rc = feed_ddl_apply(r->control, r->o.id, ts, t, e)) < 0) {
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
	return rc;
}
