#include "harness/replay/ddl_ts.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

static int by_id(const void *x, const void *y)
{
	const struct floor *a = x, *b = y;

	return a->table_id < b->table_id ? -1 : a->table_id > b->table_id;
}

int ddl_ts_load(struct sql *s, const char *changefeed, struct ddl_ts *out, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	uint64_t there = 0;
	int got = -1;

	memset(out, 0, sizeof(*out));
	if (sql_value_u64(
		    s, &there, e,
		    "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'tidb_cdc' AND TABLE_NAME = 'ddl_ts_v1'") <
	    0)
		goto out;
	if (!there) {
		got = 0;
		goto out;
	}
	/* One that is not finished may or may not have run: it runs (again), and "done already" is
	 * tolerated. Id 0 is the span of DDLs themselves and -1 that of sync points: no table's. */
	sql_add_text(&q, changefeed, strlen(changefeed));
	if (sql_query(
		    s, &r, e,
		    "SELECT table_id, MAX(CAST(ddl_ts AS UNSIGNED)) FROM tidb_cdc.ddl_ts_v1 WHERE changefeed = %s AND finished = 1"
		    " AND table_id > 0 GROUP BY table_id",
		    q.buf) < 0)
		goto out;
	while ((got = sql_rows_next(&r, e)) == 1) {
		out->f = xreallocarray(out->f, out->n + 1, sizeof(*out->f));
		out->f[out->n++] = (struct floor){ strtoll(r.cell[0], NULL, 10),
						   strtoull(r.cell[1], NULL, 10) };
	}
	if (out->n)
		qsort(out->f, out->n, sizeof(*out->f), by_id);
out:
	sql_rows_release(&r);
	strbuf_release(&q);
	return got < 0 ? err_wrap(e, "TiCDC's own DDL progress") : 0;
}

void ddl_ts_release(struct ddl_ts *f)
{
	free(f->f);
	memset(f, 0, sizeof(*f));
}

tso_t ddl_ts_of(const struct ddl_ts *f, int64_t table_id)
{
	struct floor key = { .table_id = table_id },
		     *found = f->n ? bsearch(&key, f->f, f->n, sizeof(*f->f), by_id) : NULL;

	return found ? found->ts : 0;
}
