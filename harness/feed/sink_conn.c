/* Connections to the secondary: their session, the fence, and the end of those that were lost. */
#include <inttypes.h>
#include <stdlib.h>

#include "harness/feed/sink.h"
#include "harness/sql/fence.h"
#include "harness/sql/schema.h"

#define FENCE_MS 30000

int feed_server_id(struct sql *s, struct feed_server_id *out, struct err *e)
{
	struct sql_rows r = { 0 };
	uint64_t now = 0;
	int rc = -1;

	/* TiDB has this in no table; two questions: a second between them is no other server */
	out->connection = sql_connection_id(s);
	if (sql_value_u64(s, &now, e, "SELECT UNIX_TIMESTAMP()") < 0 ||
	    sql_query(s, &r, e, "SHOW GLOBAL STATUS LIKE 'Uptime'") < 0)
		return -1;
	if (sql_rows_next(&r, e) == 1 && r.cell[1]) {
		out->server_start_s = (int64_t)now - strtoll(r.cell[1], NULL, 10);
		rc = 0;
	} else if (!e || !e->text[0]) {
		err_set(e, ERR_SQL, 0, "the server does not tell its Uptime");
	}
	sql_rows_release(&r);
	return rc;
}

int feed_connection_end(struct sql *control, const struct feed_server_id *old, struct deadline d,
			struct err *e)
{
	struct feed_server_id now;
	struct err ignored = ERR_INIT;

	if (!old->connection)
		return 0;
	if (feed_server_id(control, &now, e) < 0)
		return -1;
	if (llabs((long long)(now.server_start_s - old->server_start_s)) > 2)
		return 0; /* another server's life: what ran in the old one ended with it */
	for (;;) {
		uint64_t there = 0;

		/* not there: as we want it */
		sql_exec(control, &ignored, "KILL %" PRIu64, old->connection);
		if (sql_value_u64(
			    control, &there, e,
			    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %" PRIu64,
			    old->connection) < 0)
			return -1;
		if (!there)
			return 0;
		if (pause_ms(20, d) < 0)
			return err_set(e, ERR_TIMEOUT, 0,
				       "connection %" PRIu64 " to the secondary does not end",
				       old->connection);
	}
}

/* of this process as its changefeed; 0: it has not taken over yet */
static _Atomic uint64_t generation;

int feed_sink_take_over(struct sql *control, const char *owner, uint64_t *killed, struct err *e)
{
	uint64_t mine = generation;

	if (mine) { /* tried again, after the connection was lost */
		if (fence_check(control, owner, mine, e) < 0)
			return -1;
	} else if (fence_raise(control, owner, &mine, e) < 0) {
		return -1;
	}
	generation = mine;
	return fence_kill(control, owner, deadline_in_ms(FENCE_MS), killed, e);
}

struct sql *feed_sink_connect(const struct sql_endpoint *to, const char *owner, struct deadline d,
			      struct err *e)
{
	struct sql *s = sql_open(to, d, e);

	if (!s)
		return NULL;
	if (fence_register(s, owner, e) < 0 || /* before the first write */
	    /* behind it: who takes over now ends this connection */
	    (generation && fence_check(s, owner, generation, e) < 0) ||
	    sql_exec(
		    s, e,
		    "SET SESSION foreign_key_checks=0, time_zone='+00:00', sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'") <
		    0 ||
	    sql_exec(s, e, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") < 0)
		goto fail;
	/* rows were checked where they were written */
	if (sql_flavor(s) == SQL_MARIADB &&
	    sql_exec(s, e, "SET SESSION check_constraint_checks=0") < 0)
		goto fail;
	return s;
fail:
	sql_close(s);
	return NULL;
}

/* A trigger's rows are in the primary's binary log too: fired here, it would write them twice. */
int feed_sink_refuse_triggers(struct sql *c, struct err *e)
{
	struct strbuf name = STRBUF_INIT;
	int rc = sql_value(
		c, &name, e,
		"SELECT CONCAT(TRIGGER_SCHEMA, '.', TRIGGER_NAME, ' on ', EVENT_OBJECT_SCHEMA, '.', EVENT_OBJECT_TABLE) FROM "
		"information_schema.TRIGGERS WHERE LOWER(TRIGGER_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
		" ORDER BY 1 LIMIT 1");

	if (rc == 0)
		err_set(e, ERR_UNSUPPORTED, 0,
			"the secondary has the trigger %s: it would write a second time what the log carries already: drop it there",
			name.buf);
	else if (e->kind == ERR_NOT_FOUND)
		*e = (struct err)ERR_INIT;
	strbuf_release(&name);
	return e->kind == ERR_NONE ? 0 : -1;
}
