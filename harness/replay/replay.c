#include "harness/replay/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/replay/apply_sql.h"
#include "harness/replay/ddl_judge.h"
#include "harness/replay/replay_read.h"
#include "harness/replay/applier.h"
#include "harness/replay/txn.h"
#include "harness/sql/ddl/ddl_once.h"
#include "harness/sql/fence.h"
#include "harness/sql/ddl/rename.h"
#include "harness/sql/rights.h"
#include "harness/sql/schema.h"
#include "harness/sql/ddl/tidb_ddl.h"

#define NO_SUCH_TABLE 1146
#define NO_SUCH_DATABASE 1049
#define MEMORY_DEFAULT ((size_t)256 << 20)
#define MEMORY_MIN ((size_t)16 << 20)
#define WORKERS_DEFAULT 8
#define WORKERS_MAX 256
#define FENCE_MS 60000
#define PROGRESS_NS 200000000
#define CONTROL_TRIES 20
#define SAMPLE_MIN 4 /* rows: a smaller sample proves nothing */

struct replay {
	const struct replay_opts *o;
	struct replay_stats *st;
	struct collected c;
	struct ddl_ts floors;
	struct applier_opts so;
	struct sql *control;
	int64_t told_ns;
	struct applier *sink;
	uint64_t *count, count_before;
	struct txn *txn;
	char owner[200];          /* of the connections, for fencing */
	struct computed computed; /* allow_gap: generated columns that differ */
};

static void report_progress(struct replay *r, bool now)
{
	int64_t t = clock_mono_ns();

	if (!r->o->progress || (!now && t - r->told_ns < PROGRESS_NS))
		return;
	r->told_ns = t;
	r->o->progress(r->o->progress_arg, r->st);
}

/* ---- DDLs ---- */

static void note_ddl(const struct replay *r, const struct redo_ddl *d, const char *what)
{
	struct strbuf line = STRBUF_INIT;

	ddl_text(d, what, &line);
	if (r->o->note)
		r->o->note(r->o->report_arg, line.buf);
	strbuf_release(&line);
}

static void warn_ddl(struct replay *r, const struct redo_ddl *d, const char *what)
{
	struct strbuf line = STRBUF_INIT;

	ddl_text(d, what, &line);
	r->st->warnings++;
	if (r->o->warn)
		r->o->warn(r->o->report_arg, line.buf);
	strbuf_release(&line);
}

/* Replaces a lost control connection, once the server has ended what that one executed. */
static int control_again(struct replay *r, struct err *e)
{
	uint64_t id = r->control ? sql_connection_id(r->control) : 0;

	sql_close(r->control);
	r->control = applier_session(&r->so, e);
	return r->control && (!id || fence_end(r->control, id, deadline_in_ms(FENCE_MS), e) == 0)
		       ? 0
		       : -1;
}

static bool may_try_again(struct replay *r, int tries, struct err *e)
{
	return tries < CONTROL_TRIES && (e->kind == ERR_GONE || e->kind == ERR_CONFLICT) &&
	       pause_ms(20 * tries, deadline_in_ms(FENCE_MS)) == 0 &&
	       (e->kind != ERR_GONE || control_again(r, e) == 0);
}

static int settle_once(struct replay *r, struct ddl_progress *p, struct err *e)
{
	if (ddl_once_prepare(r->control, e) < 0 ||
	    (r->o->fresh && ddl_once_forget(r->control, r->c.log_id, e) < 0))
		return -1;
	if (ddl_once_settle(r->control, r->c.log_id, p, e) < 0)
		return -1;
	if (p->begun.commit_ts <= r->st->point || p->begun_changed)
		return 0;
	p->begun =
		(struct ddl_point){ 0 }; /* rows before it are about to be restored to the point */
	return ddl_once_withdraw(r->control, r->c.log_id, e);
}

static bool is_upto(const struct redo_ddl *d, struct ddl_point p)
{
	return d->commit_ts < p.commit_ts || (d->commit_ts == p.commit_ts && d->seq <= p.seq);
}

/* Was it executed by an earlier replay, or by the changefeed, which keeps the same record and
 * applies all rows before a DDL first? */
static int settle_progress(struct replay *r, struct err *e)
{
	struct ddl_progress p;
	tso_t last;

	if (!r->c.n_ddls && !r->o->fresh && !r->c.back)
		return 0;
	for (int i = 1; settle_once(r, &p, e) < 0; i++)
		if (!may_try_again(r, i, e))
			return -1;
	last = p.begun_changed && p.begun.commit_ts ? p.begun.commit_ts : p.done.commit_ts;
	if (last > r->st->point)
		return err_set(
			e, ERR_USAGE, 0,
			"--until %" PRIu64
			": the secondary has executed the DDL at commitTs %" PRIu64
			" of this log, which can't be taken back: replay to that or a later point",
			r->st->point, last);
	for (size_t i = 0; i < r->c.n_ddls; i++) {
		const struct redo_ddl *d = &r->c.ddls[i].d;

		r->c.ddls[i].skip = is_upto(d, p.done);
		r->c.ddls[i].rows_written = r->c.ddls[i].skip || is_upto(d, p.begun);
		if (r->c.ddls[i].skip) {
			r->st->ddls_skipped++;
			note_ddl(r, d, "was already done, as the secondary's record shows");
		}
	}
	return 0;
}

/* TiCDC executes a statement's renames one by one, and may have died between two (or skipped one,
 * in a wrong order): how many of those at checkpointTs has it executed? */
static int settle_split_renames(struct replay *r, struct err *e)
{
	struct rename all = { 0 };
	int done = 0, rc = 0;

	for (size_t i = 0; i < r->c.n_ddls; i++) {
		const struct redo_ddl *d = &r->c.ddls[i].d;
		char *db;
		bool one;

		if (!r->c.foreign || d->commit_ts != r->c.meta.checkpoint_ts)
			break;
		db = xstrndup(d->table.db.p, d->table.db.n);
		one = !r->c.ddls[i].skip && rename_parse(&all, d->query.p, d->query.n, db);
		free(db);
		if (!one || all.n != i + 1)
			goto out;
	}
	if (all.n < 2) /* for a single one the server's response is enough */
		goto out;
	for (int i = 1; (rc = rename_done(r->control, &all, &done, e)) < 0; i++)
		if (!may_try_again(r, i, e))
			goto out;
	if (done == 0 && rename_is_round(&all))
		warn_ddl(r, &r->c.ddls[all.n - 1].d,
			 "ends a cycle of renames at checkpointTs, which is run now, and no name "
			 "shows whether TiCDC had executed it before it died. If it had, the "
			 "renames are now done twice: check what is in these tables");
	for (int i = 0; i < done; i++) {
		r->c.ddls[i].skip = r->c.ddls[i].rows_written = true;
		r->st->ddls_skipped++;
		note_ddl(r, &r->c.ddls[i].d, "was already done: the tables are as it leaves them");
	}
out:
	rename_release(&all);
	return rc;
}

/* The statement in this secondary's syntax, and its names. */
struct statement {
	struct strbuf query;
	char *db, *table;
	bool nothing; /* it has no effect on this server */
	struct ddl_session session;
	struct ddl_statement s;
};

static int statement_init(struct statement *t, const struct replay *r, const struct redo_ddl *d,
			  struct err *e)
{
	bool of_database = d->type == DDL_KIND_CREATE_SCHEMA || d->type == DDL_KIND_DROP_SCHEMA;

	*t = (struct statement){ .query = STRBUF_INIT };
	if (ddl_session_parse(&t->session, d->session.p, d->session.n, e) < 0)
		return -1;
	if (!t->session.known)
		/* TiDB evaluated CURRENT_TIMESTAMP for existing rows shortly before that */
		t->session.timestamp_us = tso_ms(d->start_ts ? d->start_ts : d->commit_ts) * 1000;
	t->db = xstrndup(d->table.db.p, d->table.db.n);
	t->table = xstrndup(d->table.table.p, d->table.table.n);
	if (sql_flavor(r->control) == SQL_TIDB || t->session.known) /* known: MariaDB's */
		strbuf_add(&t->query, d->query.p, d->query.n);
	else
		t->nothing = tidb_ddl_plain(&t->query, d->query.p, d->query.n);
	t->s = (struct ddl_statement){ .at = { d->commit_ts, d->seq },
				       .query = t->query.buf,
				       .query_bytes = t->query.len,
				       .use_db = of_database        ? ""
						 : t->session.known ? t->session.db
								    : t->db,
				       .db = t->db,
				       .table = t->table,
				       .session = &t->session };
	return 0;
}

static void statement_release(struct statement *t)
{
	strbuf_release(&t->query);
	free(t->db);
	free(t->table);
}

/* Can the server parse it? PREPARE finds out without executing it; other errors appear when it is
 * executed. */
static int can_run(struct replay *r, const struct redo_ddl *d, struct err *e)
{
	static const int never[] = { 1064 /* syntax */,
				     1235 /* not supported yet */,
				     4161 /* unknown data type */,
				     1273 /* unknown collation */,
				     1115 /* unknown character set */,
				     1253 /* collation of another character set */ };
	struct strbuf q = STRBUF_INIT;
	struct err why = ERR_INIT;
	struct statement t;
	int rc = statement_init(&t, r, d, e);

	if (!rc && !t.nothing && !t.session.known)
		rc = ddl_timestamps_stay(r->control, d, e);
	if (!rc && !t.nothing && !t.session.may_fail && !t.session.error &&
	    sql_flavor(r->control) != SQL_TIDB) {
		static const char prepare[] = "PREPARE drtest_ddl FROM @drtest_ddl";

		strbuf_addstr(&q, "SET @drtest_ddl = ");
		sql_add_text(&q, t.query.buf, t.query.len);
		/* any database will do: names are not looked up, and its own may not be there yet
		 */
		if (sql_exec(r->control, &why, "USE " BOOKKEEPING_DB_QUOTED) >= 0 &&
		    sql_exec_text(r->control, &why, q.buf, q.len) >= 0 &&
		    ddl_session_run(r->control, &t.session, prepare, sizeof(prepare) - 1, &why) ==
			    0)
			sql_exec(r->control, NULL, "DEALLOCATE PREPARE drtest_ddl");
		for (size_t i = 0;
		     i < sizeof(never) / sizeof(never[0]) && why.kind == ERR_SQL && !rc; i++)
			if (why.code == never[i]) {
				struct strbuf text = STRBUF_INIT;

				ddl_text(d, "cannot run on this secondary, so nothing was written",
					 &text);
				rc = err_set(
					e, ERR_UNSUPPORTED, 0,
					"%s: %.200s: use a TiDB secondary, or stop before it with --until",
					text.buf, why.text);
				strbuf_release(&text);
			}
	}
	if (why.kind == ERR_GONE) {
		*e = why;
		rc = -1;
	}
	strbuf_release(&q);
	statement_release(&t);
	return rc;
}

static int ddls_can_run(struct replay *r, struct err *e)
{
	for (size_t i = 0; i < r->c.n_ddls; i++)
		for (int k = 1; !r->c.ddls[i].skip && can_run(r, &r->c.ddls[i].d, e) < 0; k++)
			if (!may_try_again(r, k, e))
				return -1;
	return 0;
}

static int run_ddl(struct replay *r, const struct redo_ddl *d, enum ddl_outcome *outcome,
		   struct err *e)
{
	struct statement t;
	int rc = statement_init(&t, r, d, e);

	*outcome = DDL_SAID_DONE;
	for (int i = 1;
	     !rc && !t.nothing && ddl_once_run(r->control, r->c.log_id, &t.s, true, outcome, e) < 0;
	     i++)
		if (!may_try_again(r, i, e)) {
			rc = -1;
			break;
		}
	statement_release(&t);
	return rc;
}

static int apply_ddl(struct replay *r, const struct redo_ddl *d, struct err *e)
{
	static const char *const what[] = {
		[DDL_RAN] = "done",
		[DDL_BEFORE] = "done",
		[DDL_SAID_DONE] = "skipped: nothing to do on the secondary",
		[DDL_FAILED] = "failed, which is allowed: its object is not replicated"
	};
	/* TiCDC may have executed it before it died, without a record */
	bool untold = r->c.foreign && d->commit_ts == r->c.meta.checkpoint_ts;
	enum ddl_outcome outcome;

	/* `cdc redo apply` decides in the same way */
	if (d->type == DDL_KIND_EXCHANGE_PARTITION && untold) {
		r->st->ddls_skipped++;
		warn_ddl(r, d,
			 "was skipped: it is at checkpointTs, so TiCDC had most likely executed "
			 "it, and running it twice would undo it. If the partition and the table "
			 "have each other's rows, run it by hand");
		return 0;
	}
	if (run_ddl(r, d, &outcome, e) < 0)
		return -1;
	r->st->ddls++;
	r->st->ddls_skipped += outcome == DDL_SAID_DONE;
	note_ddl(r, d, what[outcome]);
	if (outcome == DDL_RAN && !d->session.n && ddl_fills_with_time(d))
		warn_ddl(r, d,
			 "gives existing rows the current time: that is when the DDL began, as the "
			 "log has it. TiDB took it shortly before, so it may differ by a second: "
			 "compare the column");
	if (untold && outcome == DDL_RAN && ddl_differs_twice(d))
		warn_ddl(r, d,
			 "was run: it is at checkpointTs, and nothing shows whether TiCDC had "
			 "executed it before it died. If it had, it is now done twice: check what "
			 "it changes");
	return 0;
}

/* ---- merge ---- */

static void note_written(void *arg, size_t done)
{
	struct replay *r = arg;

	*r->count = r->count_before + done;
	report_progress(r, false);
}

static int write_batch(void *arg, const struct merge_change *c, size_t n, struct err *e)
{
	struct replay *r = arg;

	r->count_before = *r->count;
	if (applier_write(r->sink, c, n, note_written, r, e) < 0)
		return -1;
	*r->count = r->count_before + n;
	return 0;
}

/* Applies all deletes of an epoch before all puts, since a collation may treat 'a' and 'A' as one
 * key, and a unique value may move to another row. */
static int write_epoch(struct replay *r, struct merge *m, uint32_t epoch, struct err *e)
{
	r->count = &r->st->deletes;
	if (merge_each(m, epoch, false, write_batch, r, e) < 0)
		return -1;
	r->count = &r->st->puts;
	return merge_each(m, epoch, true, write_batch, r, e);
}

/* If the point is earlier than resolvedTs, the secondary may have changes after it: their keys get
 * their state at the point again. Together with the keys written before they are one state. */
static int write_back(struct replay *r, struct err *e)
{
	if (!r->c.back)
		return 0;
	if (!r->sink)
		r->sink = applier_open(&r->so);
	return write_epoch(r, r->c.back, 0, e);
}

/* An earlier replay in txn mode may have recorded transactions that are now reverted. */
static int forget_txns(struct replay *r, struct err *e)
{
	struct err why = ERR_INIT;

	if (!r->c.back || txn_progress_forget(r->control, r->c.log_id, &why) == 0 ||
	    why.code == NO_SUCH_TABLE || why.code == NO_SUCH_DATABASE)
		return 0;
	if (e)
		*e = why;
	return -1;
}

static int write_merged(struct replay *r, struct err *e)
{
	r->sink = applier_open(&r->so);
	if (forget_txns(r, e) < 0)
		return -1;
	for (size_t i = 0; i <= r->c.n_ddls; i++) {
		const struct owned_ddl *d = i < r->c.n_ddls ? &r->c.ddls[i] : NULL;

		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
		if (!(d && d->rows_written) && write_epoch(r, r->c.merge, (uint32_t)i, e) < 0)
			return -1;
		if (d && !d->skip && apply_ddl(r, &d->d, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- txn ---- */

static void tick(void *arg)
{
	struct replay *r = arg;
	struct txn_counts n;

	if (!r->o->progress || clock_mono_ns() - r->told_ns < PROGRESS_NS)
		return;
	n = txn_counts(r->txn);
	r->st->puts = n.rows;
	r->st->written_txns = n.transactions;
	report_progress(r, true);
}

/* d: the DDL that was executed; NULL: none yet. */
static int look_at_keys(struct replay *r, const struct redo_ddl *d, struct err *e)
{
	enum ddl_keys changed = d ? ddl_changes_keys(d) : DDL_KEYS_OF_ANY;
	char *db = NULL, *table = NULL;
	int rc = 0;

	if (changed == DDL_KEYS_SAME)
		return 0;
	if (changed == DDL_KEYS_OF_TABLE) {
		db = xstrndup(d->table.db.p, d->table.db.n);
		table = xstrndup(d->table.table.p, d->table.table.n);
	}
	for (int i = 1; (rc = txn_look(r->txn, r->control, db, table, e)) < 0; i++)
		if (!may_try_again(r, i, e))
			break;
	free(db);
	free(table);
	return rc;
}

static int load_done(struct replay *r, struct txn_done *done, struct err *e)
{
	txn_done_release(done);
	if (txn_progress_load(r->control, r->c.log_id, done, e) < 0)
		return -1;
	if (!r->o->fresh)
		return 0;
	txn_done_release(done);
	return txn_progress_forget(r->control, r->c.log_id, e);
}

static int write_txns(struct replay *r, struct err *e)
{
	struct txn_done done = { 0 };
	struct txn_counts n;
	int rc = -1;

	for (int i = 1; load_done(r, &done, e) < 0; i++)
		if (!may_try_again(r, i, e))
			goto out;
	if (commit_order_sort(r->c.order, e) < 0)
		goto out;
	r->txn = txn_open(&r->so, r->c.log_id, r->c.order, &done, e);
	if (!r->txn || look_at_keys(r, NULL, e) < 0)
		goto out;
	for (int i = 1; r->o->force && txn_keyless(r->txn, r->control, r->o->fresh, e) < 0; i++)
		if (!may_try_again(r, i, e))
			goto out;
	for (size_t i = 0; i < r->c.n_ddls; i++) {
		const struct owned_ddl *d = &r->c.ddls[i];

		if (txn_apply(r->txn, d->d.commit_ts, d->rows_written, tick, r, e) < 0)
			goto out;
		if (!d->skip && (apply_ddl(r, &d->d, e) < 0 || look_at_keys(r, &d->d, e) < 0))
			goto out;
	}
	if (txn_apply(r->txn, r->st->point, false, tick, r, e) < 0)
		goto out;
	for (int i = 1; txn_progress_fold(r->control, r->c.log_id, r->st->point, e) < 0; i++)
		if (!may_try_again(r, i, e))
			goto out;
	n = txn_counts(r->txn);
	r->st->puts = n.rows;
	r->st->written_txns = n.transactions;
	r->st->already = n.already;
	r->st->batches = n.batches;
	rc = 0;
out:
	txn_done_release(&done);
	return rc;
}

/* ---- all ---- */

/* A log of the new architecture: its meta has a version. */
static int load_ddl_ts(struct replay *r, struct store *log, struct err *e)
{
	struct redo_meta meta;
	char id[190];

	if (redo_read_meta(log, &meta, e) < 0)
		return -1;
	if (!meta.version || r->o->dry_run)
		return 0;
	if (collect_log_id(log, id, e) < 0)
		return -1;
	snprintf(r->owner, sizeof(r->owner), FENCE_REPLAY "%s", id);
	r->control = applier_session(&r->so, e);
	return !r->control || ddl_ts_load(r->control, id, &r->floors, e) < 0 ? -1 : 0;
}

/* What the log does not say: the time zone of another changefeed's log, and what this secondary can
 * do. */
static int may_write(const struct replay *r, struct err *e)
{
	const struct row_layout *s =
		r->c.order ? commit_order_timestamp(r->c.order) : merge_timestamp(r->c.merge);
	const struct row_layout *f =
		r->c.order ? commit_order_float_key(r->c.order) : merge_float_key(r->c.merge);

	if (s && r->c.foreign && !r->o->time_zone)
		return err_set(
			e, ERR_USAGE, 0,
			"table %s.%s, column %s: TiCDC's log has TIMESTAMPs as text in the time "
			"zone of the server that wrote it, and does not say which: set it with "
			"--time-zone (+00:00 if TiCDC ran in UTC)",
			s->db, s->table, s->timestamp);
	if (f && r->control && sql_flavor(r->control) == SQL_TIDB)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"table %s.%s has a FLOAT or DOUBLE in its key: on TiDB, equality does "
			"not reliably find its rows",
			f->db, f->table);
	return 0;
}

static bool in_log(const struct replay *r, const char *db, const char *table)
{
	for (size_t i = 0; i < r->c.n_tables; i++)
		if (!strcasecmp(r->c.tables[i].db, db) && !strcasecmp(r->c.tables[i].table, table))
			return true;
	return false;
}

/* The log already has the rows that triggers changed: a trigger on the secondary would change them
 * a second time. */
static int no_triggers(struct replay *r, struct err *e)
{
	static const char triggers[] =
		"SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS";
	struct lookup l = { .q = STRBUF_INIT };
	struct sql_rows q = { 0 };
	int got = -1, rc = 0;

	for (size_t i = 0; i < r->c.n_tables; i++)
		if (!i || strcmp(r->c.tables[i].db, r->c.tables[i - 1].db) != 0)
			lookup_add(&l, triggers, "EVENT_OBJECT_SCHEMA", r->c.tables[i].db, NULL);
	if (sql_query(r->control, &q, e, "%s",
		      lookup_end(&l, triggers,
				 "LOWER(EVENT_OBJECT_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL)) == 0)
		while (!rc && (got = sql_rows_next(&q, e)) == 1)
			if (in_log(r, q.cell[0], q.cell[1]))
				rc = err_set(
					e, ERR_UNSUPPORTED, 0,
					"table %s.%s on the secondary has a trigger, %s: the "
					"replay would fire it, but the log already has its "
					"effects. Drop it, and create it again after the replay",
					q.cell[0], q.cell[1], q.cell[2]);
	sql_rows_release(&q);
	strbuf_release(&l.q);
	return got < 0 ? -1 : rc;
}

static int raise_counters(struct replay *r, struct err *e)
{
	for (int i = 1; apply_counters(r->control, &r->c, e) < 0; i++)
		if (!may_try_again(r, i, e))
			return -1;
	return 0;
}

static int ask_server(struct replay *r, struct err *e)
{
	/* not one of our sessions, which would leave a record */
	struct sql *s = sql_open(&r->o->sink, deadline_in_ms(FENCE_MS), e);
	struct strbuf first = STRBUF_INIT;
	uint64_t asked = 0, unlike = 0;
	int rc = s ? row_sample_ask(r->c.sample, s, &asked, &unlike, &first, e) : -1;

	if (!rc && asked >= SAMPLE_MIN && unlike * 2 > asked)
		rc = err_set(
			e, ERR_USAGE, 0,
			"this server does not look like the log's secondary: of %" PRIu64 " rows "
			"that the log changes, %" PRIu64 " have neither their old nor their new "
			"values here (the first: %s), and a replay would overwrite them; use "
			"--yes to replay anyway",
			asked, unlike, first.buf);
	strbuf_release(&first);
	sql_close(s);
	return rc;
}

/* Without the privilege to see them, the server shows no other sessions and no triggers: a dead
 * changefeed's statements could be applied later, a trigger could write twice. */
static int may_replay(struct replay *r, struct err *e)
{
	struct sql *s = sql_open(&r->o->sink, deadline_in_ms(FENCE_MS), e);
	struct rights *rights = s ? rights_read(s, e) : NULL;
	const char **dbs = xcalloc(r->c.n_tables + 2, sizeof(*dbs)), *seen = "PROCESS, TRIGGER";
	size_t n = 0;
	int rc = -1;

	for (size_t i = 0; i < r->c.n_tables; i++)
		if (!n || strcmp(dbs[n - 1], r->c.tables[i].db) != 0)
			dbs[n++] = r->c.tables[i].db;
	if (s && sql_flavor(s) == SQL_TIDB) /* has no triggers */
		seen = "PROCESS";
	if (rights && rights_want(rights, seen, dbs, n, "replay", e) == 0 &&
	    rights_want(rights, "SELECT, INSERT, UPDATE, DELETE, ALTER", dbs, n, "replay", e) ==
		    0 &&
	    (!r->c.n_ddls || rights_want(rights, "CREATE, DROP, INDEX", dbs, n, "replay", e) == 0))
		rc = rights_want(rights, "SELECT, INSERT, UPDATE, DELETE, CREATE",
				 (const char *const[]){ BOOKKEEPING_DB }, 1, "replay", e);
	rights_free(rights);
	sql_close(s);
	free(dbs);
	return rc;
}

static int write_all(struct replay *r, struct err *e)
{
	int64_t at = clock_mono_ns();

	if (may_replay(r, e) < 0)
		return -1;
	if (r->c.sample && ask_server(r, e) < 0)
		return -1;
	if (!r->control)
		r->control = applier_session(&r->so, e);
	if (!r->control || may_write(r, e) < 0 || no_triggers(r, e) < 0 ||
	    fence_kill_for_replay(r->control, r->owner, deadline_in_ms(FENCE_MS), &r->st->fenced,
				  e) < 0 ||
	    (r->o->fence_user && fence_user(r->control, r->o->fence_user, deadline_in_ms(FENCE_MS),
					    &r->st->fenced, e) < 0) ||
	    settle_progress(r, e) < 0 || settle_split_renames(r, e) < 0 || ddls_can_run(r, e) < 0)
		return -1;
	r->st->fence_us = (clock_mono_ns() - at) / 1000;
	at = clock_mono_ns();
	r->st->phase = REPLAY_WRITING;
	if ((r->o->mode == REPLAY_TXN ? write_txns(r, e) : write_merged(r, e)) < 0 ||
	    write_back(r, e) < 0 || raise_counters(r, e) < 0)
		return -1;
	if (r->computed.n) {
		char *line = xstrfmt(
			"rows in %" PRIu64
			" statements or more have generated columns that are not what the log has; the first: %s",
			r->computed.n, r->computed.first.text);

		r->st->warnings++;
		if (r->o->warn)
			r->o->warn(r->o->report_arg, line);
		free(line);
	}
	r->st->write_us = (clock_mono_ns() - at) / 1000;
	return 0;
}

int replay_run(struct store *log, const struct replay_opts *opts, struct replay_stats *st,
	       struct err *e)
{
	struct replay_opts o = *opts;
	struct replay r = { .o = &o, .st = st };
	struct err dropped = ERR_INIT;
	int64_t begun = clock_mono_ns();
	int rc = -1;

	if (!e)
		e = &dropped;
	memset(st, 0, sizeof(*st));
	o.tmp_dir = o.tmp_dir ? o.tmp_dir : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	o.memory_bytes = o.memory_bytes ? o.memory_bytes : MEMORY_DEFAULT;
	r.so = (struct applier_opts){ .to = o.sink,
				      .workers = o.workers ? o.workers : WORKERS_DEFAULT,
				      .time_zone = o.time_zone ? o.time_zone : "+00:00",
				      .owner = r.owner };
	pthread_mutex_init(&r.computed.lock, NULL);
	r.so.computed = o.allow_gap ? &r.computed : NULL;
	if (r.so.workers > WORKERS_MAX)
		return err_set(e, ERR_USAGE, 0, "%u workers: the limit is %d", r.so.workers,
			       WORKERS_MAX);
	if (o.memory_bytes < MEMORY_MIN)
		return err_set(e, ERR_USAGE, 0,
			       "a memory limit of %zu bytes: the minimum is 16 "
			       "MiB",
			       o.memory_bytes);
	/* Reads and checks the whole log before the first write. */
	if (load_ddl_ts(&r, log, e) < 0 || replay_read(&r.c, log, &r.floors, &o, st, e) < 0)
		goto out;
	st->read_us = (clock_mono_ns() - begun) / 1000;
	for (size_t i = 0; i < r.c.n_tables && o.table; i++) {
		const struct replay_table *t = &r.c.tables[i];

		if (t->inserts + t->updates + t->deletes)
			o.table(o.report_arg, t);
	}
	if (o.dry_run) {
		struct err why = ERR_INIT;

		st->ddls = r.c.n_ddls;
		for (size_t i = 0; i < r.c.n_ddls; i++)
			note_ddl(&r, &r.c.ddls[i].d, "would run");
		if (may_write(&r, &why) < 0 && o.note)
			o.note(o.report_arg, why.text);
		rc = 0;
		goto out;
	}
	snprintf(r.owner, sizeof(r.owner), FENCE_REPLAY "%s", r.c.log_id);
	rc = write_all(&r, e);
	if (rc < 0 && e->kind == ERR_GONE && r.control) /* it could be reached at first */
		err_wrap(e, "a connection to the secondary was cut (perhaps by another replay of "
			    "this log that started since)");
out:
	st->total_us = (clock_mono_ns() - begun) / 1000;
	report_progress(&r, true);
	txn_close(r.txn);
	applier_close(r.sink);
	sql_close(r.control);
	collected_release(&r.c);
	ddl_ts_release(&r.floors);
	return rc;
}
