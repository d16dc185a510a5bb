#include "harness/sql/fence.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/sql/rights.h"
#include "harness/sql/schema.h"

#define TABLE_NAME "sink_connections"
#define NO_SUCH_DATABASE 1049
#define NO_SUCH_TABLE 1146
#define FENCE_TABLE BOOKKEEPING_DB_QUOTED ".`" TABLE_NAME "`"

/* Connection ids begin anew when a server starts, so id alone might be a stranger's by now: the
 * address that the server sees (host:port) is recorded with it, and both have to match. */
int fence_register(struct sql *sink, const char *owner, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc;

	strbuf_addstr(&q, "REPLACE INTO " FENCE_TABLE " (id, host, owner) SELECT ID, HOST, ");
	sql_add_text(&q, owner, strlen(owner));
	strbuf_addstr(&q, " FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()");
	rc = sql_exec_text(sink, &why, q.buf, q.len) < 0 ? -1 : 0;
	/* Made only where it is missing: CREATE DATABASE IF NOT EXISTS is written to the binary
	 * log, durably, each time. */
	if (rc < 0 && (why.code == NO_SUCH_TABLE || why.code == NO_SUCH_DATABASE))
		rc = bookkeeping_make(sink, &why) < 0 ||
				     sql_exec(sink, &why,
					      "CREATE TABLE IF NOT EXISTS " FENCE_TABLE
					      " (id BIGINT UNSIGNED NOT NULL, host VARCHAR(128) "
					      "NOT NULL, owner VARCHAR(190) NOT NULL,"
					      " at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,"
					      " PRIMARY KEY (id, host))") < 0 ||
				     sql_exec_text(sink, &why, q.buf, q.len) < 0
			     ? -1
			     : 0;
	strbuf_release(&q);
	if (rc < 0 && e)
		*e = why;
	return rc < 0 ? err_wrap(e, "record the connection for fencing") : 0;
}

#define GENERATIONS BOOKKEEPING_DB_QUOTED ".`sink_generations`"

/* By the clock, so that it rises too where the table was dropped meanwhile. */
#define RAISED "GREATEST(generation + 1, CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED))"

int fence_raise(struct sql *control, const char *owner, uint64_t *generation, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc = -1;

	if (bookkeeping_make(control, e) < 0 ||
	    sql_exec(control, e,
		     "CREATE TABLE IF NOT EXISTS " GENERATIONS
		     " (owner VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
		     " PRIMARY KEY, generation BIGINT UNSIGNED NOT NULL)") < 0)
		goto out;
	strbuf_addstr(&q, "INSERT IGNORE INTO " GENERATIONS " VALUES (");
	sql_add_text(&q, owner, strlen(owner));
	strbuf_addstr(&q, ", 0)");
	if (sql_exec_text(control, e, q.buf, q.len) < 0)
		goto out;
	strbuf_reset(&q);
	strbuf_addstr(&q, "UPDATE " GENERATIONS " SET generation = LAST_INSERT_ID(" RAISED
			  ") WHERE owner = ");
	sql_add_text(&q, owner, strlen(owner));
	if (sql_exec_text(control, e, q.buf, q.len) >= 0)
		rc = sql_value_u64(control, generation, e, "SELECT LAST_INSERT_ID()");
out:
	strbuf_release(&q);
	return rc < 0 ? err_wrap(e, "take over the changefeed") : 0;
}

int fence_check(struct sql *sink, const char *owner, uint64_t generation, struct err *e)
{
	struct strbuf who = STRBUF_INIT;
	struct err why = ERR_INIT;
	uint64_t newer = 0;
	int rc;

	sql_add_text(&who, owner, strlen(owner));
	rc = sql_value_u64(sink, &newer, &why,
			   "SELECT COUNT(*) FROM " GENERATIONS
			   " WHERE owner = %s AND generation > %" PRIu64,
			   who.buf, generation);
	strbuf_release(&who);
	/* it was dropped meanwhile: nobody has taken over */
	if (rc < 0 && why.kind == ERR_SQL && why.code == NO_SUCH_TABLE)
		return 0;
	if (rc == 0 && newer)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"another feed with the ID %s, or a replay, has taken over this "
			"secondary, so this feed no longer writes to it (fix: run one feed per "
			"ID; start it again when nothing else writes to the secondary)",
			owner);
	if (rc < 0 && e)
		*e = why;
	return rc;
}

/* A replay takes over from every changefeed. */
static int raise_all(struct sql *control, struct err *e)
{
	struct err why = ERR_INIT;

	if (sql_exec(control, &why, "UPDATE " GENERATIONS " SET generation = " RAISED) >= 0 ||
	    why.code == NO_SUCH_TABLE || why.code == NO_SUCH_DATABASE) /* there was none */
		return 0;
	if (e)
		*e = why;
	return -1;
}

struct whose {             /* connections */
	const char *owner; /* NULL: everybody's */
	bool replay;       /* of this owner, and of everybody who is no replay */
};

static void owner_clause(struct strbuf *q, struct whose w)
{
	if (!w.owner)
		return;
	strbuf_addstr(q, w.replay ? " AND (owner NOT LIKE '" FENCE_REPLAY "%' OR owner = "
				  : " AND (owner = ");
	sql_add_text(q, w.owner, strlen(w.owner));
	strbuf_addch(q, ')');
}

/* The recorded connections that still live; their ids in *ids (the caller frees). */
static int find_living(struct sql *control, struct whose w, uint64_t **ids, size_t *n,
		       struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int got = -1;

	*ids = NULL;
	*n = 0;
	strbuf_addstr(&q,
		      "SELECT c.id FROM " FENCE_TABLE
		      " c JOIN information_schema.PROCESSLIST p ON p.ID = c.id AND p.HOST = c.host"
		      " WHERE c.id <> CONNECTION_ID()");
	owner_clause(&q, w);
	if (sql_query(control, &r, e, "%s", q.buf) == 0)
		while ((got = sql_rows_next(&r, e)) == 1) {
			uint64_t *grown = realloc(*ids, (*n + 1) * sizeof(**ids));

			if (!grown)
				abort();
			*ids = grown;
			(*ids)[(*n)++] = strtoull(r.cell[0], NULL, 10);
		}
	sql_rows_release(&r);
	strbuf_release(&q);
	return got;
}

/* A KILL that meets a session of TiDB while it rolls back ends the whole server (v8.5.3: a panic in
 * memory.Tracker.Consume under session.Close). The connections of a dead client mostly go by
 * themselves, and a KILL that was said needs no other for a while. */
#define GRACE_MS 200
#define END_PAUSE_MS 5u
#define USER_PAUSE_MS 20u
#define AGAIN_MS 2000

static bool is_time_to_kill(struct sql *control, unsigned round, unsigned pause)
{
	unsigned ms = round * pause;

	return sql_flavor(control) != SQL_TIDB ||
	       (ms >= GRACE_MS && (ms - GRACE_MS) % AGAIN_MS < pause);
}

static int end_all(struct sql *control, struct whose w, struct deadline d, uint64_t *killed,
		   struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	uint64_t there = 0, *ids = NULL;
	size_t n;
	int rc = -1;

	*killed = 0;
	if ((!w.owner || w.replay) && raise_all(control, e) < 0)
		goto out;
	if (sql_value_u64(
		    control, &there, e,
		    "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '" BOOKKEEPING_DB
		    "'"
		    " AND TABLE_NAME = '" TABLE_NAME "'") < 0)
		goto out;
	if (!there) {
		rc = 0;
		goto out;
	}
	for (unsigned round = 0;; round++) {
		bool kill = is_time_to_kill(control, round, END_PAUSE_MS);

		free(ids);
		if (find_living(control, w, &ids, &n, e) < 0)
			goto out;
		if (!n)
			break;
		for (size_t i = 0; kill && i < n; i++) {
			struct err gone = ERR_INIT;

			/* no such thread: it went by itself */
			if (sql_exec(control, &gone, "KILL %" PRIu64, ids[i]) < 0 &&
			    gone.code != 1094) {
				if (e)
					*e = gone;
				goto out;
			}
		}
		if (kill && n > *killed)
			*killed = n;
		if (pause_ms(END_PAUSE_MS, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"%zu statements of a dead changefeed are still running on the "
				"secondary after KILL",
				n);
			goto out;
		}
	}
	strbuf_addstr(&q, "DELETE FROM " FENCE_TABLE " WHERE id <> CONNECTION_ID()");
	owner_clause(&q, w);
	rc = sql_exec_text(control, e, q.buf, q.len) < 0 ? -1 : 0;
out:
	free(ids);
	strbuf_release(&q);
	return rc < 0 ? err_wrap(e, "fence the dead changefeed's statements") : 0;
}

int fence_kill(struct sql *control, const char *owner, struct deadline d, uint64_t *killed,
	       struct err *e)
{
	return end_all(control, (struct whose){ owner, false }, d, killed, e);
}

int fence_kill_for_replay(struct sql *control, const char *owner, struct deadline d,
			  uint64_t *killed, struct err *e)
{
	return end_all(control, (struct whose){ owner, true }, d, killed, e);
}

int fence_end(struct sql *control, uint64_t id, struct deadline d, struct err *e)
{
	uint64_t there = 1;

	for (unsigned round = 0;; round++) {
		struct err gone = ERR_INIT;

		if (sql_value_u64(
			    control, &there, e,
			    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %" PRIu64,
			    id) < 0)
			return err_wrap(e, "wait for a lost connection's statement");
		if (!there)
			return 0;
		/* no such thread: it went by itself */
		if (is_time_to_kill(control, round, END_PAUSE_MS) &&
		    sql_exec(control, &gone, "KILL %" PRIu64, id) < 0 && gone.code != 1094) {
			if (e)
				*e = gone;
			return -1;
		}
		if (pause_ms(END_PAUSE_MS, d) < 0)
			return err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				       "the statement of a lost connection is still running on the "
				       "secondary");
	}
}

int fence_user(struct sql *control, const char *user, struct deadline d, uint64_t *killed,
	       struct err *e)
{
	bool tidb = sql_flavor(control) == SQL_TIDB;
	const char *processes = tidb ? "CLUSTER_PROCESSLIST" : "PROCESSLIST";
	struct rights *may = rights_read(control, e);
	struct strbuf like = STRBUF_INIT, who = STRBUF_INIT;
	uint64_t most = 0;
	int rc = -1;

	if (!may ||
	    rights_want(may, "PROCESS", NULL, 0, "kill a dead changefeed's statements", e) < 0)
		goto out;
	for (const char *p = user; *p; p++) {
		if (strchr("_%\\", *p))
			strbuf_addch(&like, '\\');
		strbuf_addch(&like, *p == '*' && !p[1] ? '%' : *p);
	}
	sql_add_text(&who, like.buf, like.len);
	for (unsigned round = 0;; round++) {
		bool kill = is_time_to_kill(control, round, USER_PAUSE_MS);
		struct sql_rows r = { 0 };
		uint64_t ids[256];
		size_t n = 0;
		int got;

		if (sql_query(
			    control, &r, e,
			    "SELECT ID FROM information_schema.%s WHERE USER LIKE %s AND ID <> CONNECTION_ID() LIMIT 256",
			    processes, who.buf) < 0)
			goto out;
		while ((got = sql_rows_next(&r, e)) == 1)
			ids[n++] = strtoull(r.cell[0], NULL, 10);
		sql_rows_release(&r);
		if (got < 0)
			goto out;
		if (!n)
			break;
		for (size_t i = 0; kill && i < n; i++) {
			struct err gone = ERR_INIT;

			/* no such thread: it went by itself */
			if (sql_exec(control, &gone, "KILL %s%" PRIu64, tidb ? "TIDB " : "",
				     ids[i]) < 0 &&
			    gone.code != 1094) {
				if (e)
					*e = gone;
				goto out;
			}
		}
		most = kill && n > most ? n : most;
		if (pause_ms(USER_PAUSE_MS, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"%zu connections of user %s still exist after KILL", n, user);
			goto out;
		}
	}
	*killed += most;
	rc = 0;
out:
	rights_free(may);
	strbuf_release(&like);
	strbuf_release(&who);
	return rc < 0 ? err_wrap(e, "fence the dead changefeed's user") : 0;
}
