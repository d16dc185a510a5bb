/* Whose sessions may be ended: an ended run's changefeed may have left statements that run on, and
 * a living run's are not ours. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach.h"
#include "harness/cluster/tidb_cluster.h"
#include "harness/cluster/undo.h"
#include "harness/sql/fence.h"

#define USERS_MAX 64
#define END_MS 10000
#define DDL_MS 60000 /* a DDL job that TiCDC has begun and passed is in no log */

static int sink_users(struct sql *s, char *users[USERS_MAX], size_t *n, struct err *e)
{
	struct sql_rows r = { 0 };
	int got;

	*n = 0;
	if (sql_query(
		    s, &r, e,
		    "SELECT DISTINCT USER FROM information_schema.%s WHERE USER LIKE 'drtest\\_cdc\\_%%'",
		    sql_flavor(s) == SQL_TIDB ? "CLUSTER_PROCESSLIST" : "PROCESSLIST") < 0)
		return -1;
	while ((got = sql_rows_next(&r, e)) == 1 && *n < USERS_MAX)
		if (r.cell[0])
			users[(*n)++] = xstrdup(r.cell[0]);
	sql_rows_release(&r);
	return got < 0 ? -1 : 0;
}

/* Dropped by whoever put things back; its sessions stay. */
static bool is_dropped(struct sql *s, const char *user)
{
	struct strbuf name = STRBUF_INIT;
	uint64_t n = 1;
	int rc;

	sql_add_text(&name, user, strlen(user));
	rc = sql_value_u64(s, &n, NULL, "SELECT COUNT(*) FROM mysql.user WHERE User = %s",
			   name.buf);
	strbuf_release(&name);
	return rc == 0 && !n;
}

int attach_end_sinks(struct sql *s, const char *cluster, struct err *e)
{
	char *users[USERS_MAX];
	uint64_t killed = 0;
	size_t n;
	int rc = sink_users(s, users, &n, e);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		enum undo_run of = undo_run_of_user(users[i]);

		if (of == UNDO_RUN_LIVES || (of == UNDO_RUN_UNKNOWN && !is_dropped(s, users[i])))
			rc = err_set(
				e, ERR_ENV, 0,
				"%s: a changefeed of another run writes to it as %s%s (fix: let "
				"that run end, or, if it is dead, set sink = { user = \"%s\" } "
				"for this cluster in the clusters file)",
				cluster, users[i],
				of == UNDO_RUN_LIVES ? ", and that run is still going"
						     : ", and no run on this machine recorded it",
				users[i]);
	}
	if (rc == 0 && n)
		tidb_wait_for_ddl(s, deadline_in_ms(DDL_MS));
	for (size_t i = 0; i < n; i++) {
		if (rc == 0)
			rc = fence_user(s, users[i], deadline_in_ms(END_MS), &killed, e);
		free(users[i]);
	}
	return rc;
}
