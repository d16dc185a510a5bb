#include "harness/compare/syncpoint.h"
#include "harness/sql/rights.h"

#include <stdio.h>
#include <string.h>

#define TABLE "tidb_cdc.syncpoint_v1"

/* A changefeed is "id", or "keyspace/id" in TiCDC's new architecture. */
static void add_whose(struct strbuf *q, const char *changefeed)
{
	if (!changefeed)
		return;
	strbuf_addstr(q, " WHERE changefeed = ");
	sql_add_text(q, changefeed, strlen(changefeed));
	strbuf_addstr(q, " OR changefeed LIKE CONCAT('%/', ");
	sql_add_text(q, changefeed, strlen(changefeed));
	strbuf_addstr(q, ")");
}

static int read_newest(struct sql *s, const char *changefeed, struct syncpoint *out, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct err why = ERR_INIT;
	struct sql_rows r = { 0 };
	uint64_t feeds = 0;
	int rc = -1;

	strbuf_addstr(&q, "SELECT COUNT(DISTINCT changefeed) FROM " TABLE);
	add_whose(&q, changefeed);
	if (sql_value_u64(s, &feeds, &why, "%s", q.buf) < 0) {
		if (why.kind == ERR_SQL && (why.code == 1146 || why.code == 1049))
			err_set(e, ERR_NOT_FOUND, why.code,
				"the secondary has no " TABLE
				": the changefeed writes no syncpoints (enable-sync-point)");
		else if (e)
			*e = why;
		goto out;
	}
	if (feeds > 1) {
		err_set(e, ERR_USAGE, 0, TABLE " has syncpoints of %llu changefeeds: choose one",
			(unsigned long long)feeds);
		goto out;
	}
	strbuf_reset(&q);
	strbuf_addstr(&q, "SELECT primary_ts, secondary_ts FROM " TABLE);
	add_whose(&q, changefeed);
	strbuf_addstr(&q, " ORDER BY CAST(primary_ts AS UNSIGNED) DESC LIMIT 1");
	if (sql_query(s, &r, e, "%s", q.buf) < 0)
		goto out;
	if (sql_rows_next(&r, e) != 1 || !r.cell[0] || !r.cell[1]) {
		err_set(e, ERR_NOT_FOUND, 0,
			TABLE " has no syncpoint%s%.100s: set enable-sync-point in the changefeed",
			changefeed ? " of " : "", changefeed ? changefeed : "");
		goto out;
	}
	snprintf(out->primary_ts, sizeof(out->primary_ts), "%.31s", r.cell[0]);
	snprintf(out->secondary_ts, sizeof(out->secondary_ts), "%.31s", r.cell[1]);
	rc = 0;
out:
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

int syncpoint_newest(const struct sql_endpoint *secondary, const char *changefeed,
		     struct syncpoint *out, struct err *e)
{
	struct sql *s = sql_open_reading(secondary, deadline_in_ms(30000), e);
	int rc = s ? read_newest(s, changefeed, out, e) : -1;

	sql_close(s);
	return rc;
}
