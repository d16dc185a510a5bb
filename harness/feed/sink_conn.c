/* Connections to the secondary: their session, the fence, the end of those that were lost, and what
 * kind of server takes them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/feed/feed.h"
#include "harness/feed/log_lines.h"
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
		err_set(e, ERR_SQL, 0, "the server does not report its Uptime");
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

/* of this process's changefeed */
static bool bears_bdr;

void feed_sink_bears_bdr(bool bdr)
{
	bears_bdr = bdr;
}

struct sql *feed_sink_connect(const struct sql_endpoint *to, const char *owner, struct deadline d,
			      struct err *e)
{
	struct sql *s = sql_open(to, d, e);

	if (!s)
		return NULL;
	sql_patience(s, deadline_left_ms(d) + 1); /* it may freeze behind the login, too */
	if (fence_register(s, owner, e) < 0 ||    /* before the first write */
	    /* behind it: who takes over now ends this connection */
	    (generation && fence_check(s, owner, generation, e) < 0) ||
	    sql_exec(
		    s, e,
		    "SET SESSION foreign_key_checks=0, time_zone='+00:00', sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_UNSIGNED_SUBTRACTION'") <
		    0 ||
	    sql_exec(s, e, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") < 0)
		goto fail;
	if (bears_bdr && sql_exec(s, e, "SET SESSION server_id=%u", FEED_BDR_SERVER_ID) < 0)
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

enum global { PACKET, ZONE, SYSTEM_ZONE, FIRST_SAME };
static const struct {
	const char *name,
		*why; /* why it has to be the same on both servers; NULL: looked at below */
} globals[FEED_GLOBALS] = {
	[PACKET] = { "max_allowed_packet", NULL },
	[ZONE] = { "time_zone", NULL },
	[SYSTEM_ZONE] = { "system_time_zone", NULL },
	[FIRST_SAME] = { "lower_case_table_names",
			 "names that differ only in case would be one table on one of them" },
	{ "old_mode", "a DDL would mean something else there (utf8 can be one of two character "
		      "sets)" },
	{ "character_set_collations", "a DDL without a collation would get another one" },
	{ "div_precision_increment", "generated columns would be computed differently" },
	{ "default_week_format", "generated columns would be computed differently" },
	{ "enforce_storage_engine", "tables would get another engine" },
	{ "innodb_default_row_format",
	  "tables would get another row format, which may not take their indexes" },
	{ "innodb_compression_default", "tables would be compressed on one of them alone" },
};

int feed_globals_read(struct sql *s, struct feed_globals *out, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	uint64_t knows = 0;
	int got = -1;

	*out = (struct feed_globals){ 0 };
	strbuf_addstr(&q, "SHOW GLOBAL VARIABLES WHERE Variable_name IN (");
	for (size_t i = 0; i < FEED_GLOBALS; i++)
		strbuf_addf(&q, "%s'%s'", i ? "," : "", globals[i].name);
	strbuf_addch(&q, ')');
	if (sql_query(s, &r, e, "%s", q.buf) == 0)
		while ((got = sql_rows_next(&r, e)) == 1)
			for (size_t i = 0; r.cell[0] && r.cell[1] && i < FEED_GLOBALS; i++)
				if (!strcmp(r.cell[0], globals[i].name))
					snprintf(out->value[i], sizeof(out->value[i]), "%s",
						 r.cell[1]);
	sql_rows_release(&r);
	strbuf_release(&q);
	if (got < 0 ||
	    sql_value_u64(s, &knows, e,
			  "SELECT CONVERT_TZ('2020-01-01', 'Europe/Berlin', 'UTC') IS NOT NULL") <
		    0)
		return -1;
	out->knows_zones = knows;
	return 0;
}

static int refuse_other_globals(const struct feed_globals *p, const struct feed_globals *s,
				struct err *e)
{
	const char *zone = p->value[ZONE], *p_zone = p->value[SYSTEM_ZONE];

	for (size_t i = FIRST_SAME; i < FEED_GLOBALS; i++)
		if (strcmp(p->value[i], s->value[i]) != 0)
			return err_set(
				e, ERR_UNSUPPORTED, 0,
				"%s is \"%s\" on the primary and \"%s\" on the secondary: %s: "
				"set the primary's value there",
				globals[i].name, p->value[i], s->value[i], globals[i].why);
	/* UTC is told as an offset */
	if (!strcmp(zone, "SYSTEM") && strcmp(p_zone, "UTC") &&
	    strcmp(p_zone, s->value[SYSTEM_ZONE]))
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"time_zone is SYSTEM on the primary, which is %s, and %s on the "
			"secondary: times in DDLs would differ: start the secondary with the "
			"primary's TZ, or SET GLOBAL time_zone on the primary",
			p_zone, s->value[SYSTEM_ZONE]);
	if (strcmp(zone, "SYSTEM") && zone[0] != '+' && zone[0] != '-' && p->knows_zones &&
	    !s->knows_zones)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"time_zone is %s on the primary, but the secondary does not know time "
			"zones by name: load the time zone tables there (mariadb-tzinfo-to-sql)",
			zone);
	return 0;
}

static void tell_limits(const struct feed_globals *p, const struct feed_globals *s)
{
	if (strtoull(s->value[PACKET], NULL, 10) < strtoull(p->value[PACKET], NULL, 10))
		feed_log("warn",
			 "the secondary's max_allowed_packet is %s, the primary's is %s: a longer "
			 "value will end the changefeed",
			 s->value[PACKET], p->value[PACKET]);
	if (p->knows_zones && !s->knows_zones)
		feed_log("warn",
			 "the primary knows time zones by name, but the secondary does not: a DDL "
			 "from a session in such a zone will end the changefeed; load the time "
			 "zone tables there (mariadb-tzinfo-to-sql)");
}

/* Not there: nothing to refuse. */
static int refuse(struct sql *s, const char *what, const char *query, struct err *e)
{
	struct strbuf name = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc = sql_value(s, &name, &why, "%s", query);

	if (rc == 0)
		err_set(e, ERR_UNSUPPORTED, 0, what, name.buf);
	else if (why.kind != ERR_NOT_FOUND)
		*e = why;
	strbuf_release(&name);
	return rc == 0 || why.kind != ERR_NOT_FOUND ? -1 : 0;
}

int feed_sink_fits(struct sql *s, const struct feed_globals *primary, struct err *e)
{
	struct feed_globals own;

	/* a trigger's rows are in the primary's binary log too */
	if (refuse(s,
		   "the secondary has the trigger %s, which would repeat what the log already "
		   "contains: drop it there",
		   "SELECT CONCAT(TRIGGER_SCHEMA, '.', TRIGGER_NAME, ' on ', EVENT_OBJECT_SCHEMA, '.', EVENT_OBJECT_TABLE) FROM "
		   "information_schema.TRIGGERS WHERE LOWER(TRIGGER_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
		   " ORDER BY 1 LIMIT 1",
		   e) < 0)
		return -1;
	if (sql_flavor(s) != SQL_MARIADB)
		return 0;
	if (refuse(s,
		   "the secondary runs the event %s, which would write what the primary does "
		   "not: SET GLOBAL event_scheduler = OFF there",
		   "SELECT CONCAT(EVENT_SCHEMA, '.', EVENT_NAME) FROM information_schema.EVENTS WHERE @@event_scheduler = 'ON' AND"
		   " STATUS = 'ENABLED' AND LOWER(EVENT_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
		   " ORDER BY 1 LIMIT 1",
		   e) < 0 ||
	    refuse(s,
		   "the secondary is also a replica (Slaves_running is %s): STOP ALL SLAVES there",
		   "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Slaves_running' AND"
		   " VARIABLE_VALUE > 0",
		   e) < 0 ||
	    feed_globals_read(s, &own, e) < 0 || refuse_other_globals(primary, &own, e) < 0)
		return -1;
	tell_limits(primary, &own);
	return 0;
}
