#include "harness/replay/txn_progress.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/sql/schema.h"

#define TABLE BOOKKEEPING_DB_QUOTED ".`replay_done`"

static int compare_points(struct txn_point a, struct txn_point b)
{
	if (a.commit_ts != b.commit_ts)
		return a.commit_ts < b.commit_ts ? -1 : 1;
	return a.start_ts < b.start_ts ? -1 : a.start_ts > b.start_ts;
}

int txn_progress_load(struct sql *s, const char *log_id, struct txn_done *d, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	size_t room = 0;
	int got = -1;

	memset(d, 0, sizeof(*d));
	if (bookkeeping_make(s, e) < 0 ||
	    sql_exec(
		    s, e,
		    "CREATE TABLE IF NOT EXISTS " TABLE
		    " (log_id VARCHAR(190) NOT NULL, lo_commit BIGINT UNSIGNED NOT NULL,"
		    " lo_start BIGINT UNSIGNED NOT NULL, hi_commit BIGINT UNSIGNED NOT NULL, hi_start BIGINT UNSIGNED NOT NULL,"
		    " PRIMARY KEY (log_id, hi_commit, hi_start))") < 0)
		goto out;
	sql_add_text(&q, log_id, strlen(log_id));
	if (sql_query(s, &r, e,
		      "SELECT lo_commit, lo_start, hi_commit, hi_start FROM " TABLE
		      " WHERE log_id = %s ORDER BY hi_commit, hi_start",
		      q.buf) < 0)
		goto out;
	while ((got = sql_rows_next(&r, e)) == 1) {
		XGROW(d->span, d->n, room, 64);
		d->span[d->n++] = (struct txn_span){
			{ strtoull(r.cell[0], NULL, 10), strtoull(r.cell[1], NULL, 10) },
			{ strtoull(r.cell[2], NULL, 10), strtoull(r.cell[3], NULL, 10) }
		};
	}
out:
	sql_rows_release(&r);
	strbuf_release(&q);
	return got < 0 ? err_wrap(e, "replay progress") : 0;
}

void txn_done_release(struct txn_done *d)
{
	free(d->span);
	memset(d, 0, sizeof(*d));
}

bool txn_done_has(const struct txn_done *d, struct txn_point p)
{
	size_t lo = 0, hi = d->n; /* the first span that ends at or behind p */

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare_points(d->span[mid].hi, p) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	assert(lo == d->n || compare_points(d->span[lo].hi, p) >= 0);
	assert(!lo ||
	       compare_points(d->span[lo - 1].hi, p) < 0); /* spans are sorted by their ends */
	return lo < d->n && compare_points(d->span[lo].lo, p) <= 0;
}

void txn_progress_sql(struct strbuf *out, const char *log_id, struct txn_span span)
{
	assert(compare_points(span.lo, span.hi) <= 0);
	strbuf_addstr(out, "INSERT INTO " TABLE " VALUES (");
	sql_add_text(out, log_id, strlen(log_id));
	strbuf_addf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ")", span.lo.commit_ts,
		    span.lo.start_ts, span.hi.commit_ts, span.hi.start_ts);
}

int txn_progress_recorded(struct sql *s, const char *log_id, struct txn_span span, bool *there,
			  struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	uint64_t n = 0;
	int rc;

	sql_add_text(&q, log_id, strlen(log_id));
	rc = sql_value_u64(s, &n, e,
			   "SELECT COUNT(*) FROM " TABLE
			   " WHERE log_id = %s AND hi_commit = %" PRIu64 " AND hi_start = %" PRIu64,
			   q.buf, span.hi.commit_ts, span.hi.start_ts);
	strbuf_release(&q);
	*there = n > 0;
	return rc < 0 ? err_wrap(e, "replay progress") : 0;
}

int txn_progress_forget(struct sql *s, const char *log_id, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	sql_add_text(&q, log_id, strlen(log_id));
	rc = sql_exec(s, e, "DELETE FROM " TABLE " WHERE log_id = %s", q.buf) < 0
		     ? err_wrap(e, "replay progress")
		     : 0;
	strbuf_release(&q);
	return rc;
}

int txn_progress_fold(struct sql *s, const char *log_id, tso_t point, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc = -1;

	txn_progress_sql(&q, log_id, (struct txn_span){ { 0, 0 }, { point, UINT64_MAX } });
	if (sql_exec(s, e, "START TRANSACTION") < 0 || txn_progress_forget(s, log_id, e) < 0 ||
	    sql_exec_text(s, e, q.buf, q.len) < 0 || sql_exec(s, e, "COMMIT") < 0) {
		sql_exec(s, NULL, "ROLLBACK");
		err_wrap(e, "replay progress");
		goto out;
	}
	rc = 0;
out:
	strbuf_release(&q);
	return rc;
}
