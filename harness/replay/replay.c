#include "harness/replay/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/replay/replay_read.h"
#include "harness/replay/sink.h"
#include "harness/replay/txn.h"
#include "harness/sql/ddl_once.h"
#include "harness/sql/fence.h"

#define MEMORY_DEFAULT ((size_t)256 << 20)
#define MEMORY_MIN ((size_t)16 << 20)
#define WORKERS_DEFAULT 8
#define WORKERS_MAX 256
#define FENCE_MS 60000
#define PROGRESS_NS 200000000
#define OWNER "replay"
/* TiDB's action types */
#define DDL_CREATE_SCHEMA 1
#define DDL_DROP_SCHEMA 2
#define DDL_EXCHANGE_PARTITION 42
#define QUERY_SHOWN_MAX 120
#define CONTROL_TRIES 20

struct replay {
	const struct replay_opts *o;
	struct replay_stats *st;
	struct collected c;
	struct floors floors;
	struct sink_opts so;
	struct sql *control;
	int64_t told_ns;
	struct sink *sink;
	uint64_t *count, count_before;
	struct txn *txn;
};

static void tell(struct replay *r, bool now)
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
	char *line;

	if (!r->o->note)
		return;
	line = xstrfmt("DDL at commitTs %" PRIu64 " %s: %.*s%s", d->commit_ts, what, (int)(d->query.n < QUERY_SHOWN_MAX ? d->query.n : QUERY_SHOWN_MAX),
	               d->query.p, d->query.n > QUERY_SHOWN_MAX ? "..." : "");
	r->o->note(r->o->report_arg, line);
	free(line);
}

/* A new control connection for one that was lost, when what that one ran is over. */
static int control_again(struct replay *r, struct err *e)
{
	uint64_t id = r->control ? sql_connection_id(r->control) : 0;

	sql_close(r->control);
	r->control = sink_session(&r->so, e);
	return r->control && (!id || fence_end(r->control, id, deadline_in_ms(FENCE_MS), e) == 0) ? 0 : -1;
}

static bool may_try_again(struct replay *r, int tries, struct err *e)
{
	return tries < CONTROL_TRIES && (e->kind == ERR_GONE || e->kind == ERR_CONFLICT) && pause_ms(20 * tries, deadline_in_ms(FENCE_MS)) == 0 &&
	       (e->kind != ERR_GONE || control_again(r, e) == 0);
}

static int settle_once(struct replay *r, struct ddl_point *done, struct err *e)
{
	if (ddl_once_prepare(r->control, e) < 0 || (r->o->fresh && ddl_once_forget(r->control, r->c.log_id, e) < 0))
		return -1;
	return ddl_once_settle(r->control, r->c.log_id, done, e);
}

/* What was done before: by an earlier replay, or by the changefeed itself, whose record is the same. The rows before such a DDL are in the
 * secondary too: the changefeed ends them before it runs a DDL. */
static int settle_progress(struct replay *r, struct err *e)
{
	struct ddl_point done;

	if (!r->c.n_ddls && !r->o->fresh)
		return 0;
	for (int i = 1; settle_once(r, &done, e) < 0; i++)
		if (!may_try_again(r, i, e))
			return -1;
	for (size_t i = 0; i < r->c.n_ddls; i++) {
		const struct redo_ddl *d = &r->c.ddls[i].d;

		r->c.ddls[i].skip = d->commit_ts < done.commit_ts || (d->commit_ts == done.commit_ts && d->seq <= done.seq);
		if (r->c.ddls[i].skip) {
			r->st->ddls_skipped++;
			note_ddl(r, d, "was done before: the secondary has the record of it");
		}
	}
	return 0;
}

static int run_ddl(struct replay *r, const struct redo_ddl *d, enum ddl_outcome *outcome, struct err *e)
{
	bool of_database = d->type == DDL_CREATE_SCHEMA || d->type == DDL_DROP_SCHEMA;
	char *db = xstrndup(d->table.db.p, d->table.db.n), *table = xstrndup(d->table.table.p, d->table.table.n);
	struct ddl_session session;
	struct ddl_statement s = { .at = { d->commit_ts, d->seq }, .query = d->query.p, .query_bytes = d->query.n, .use_db = of_database ? "" : db,
		                   .db = db, .table = table, .session = &session };
	int rc = ddl_session_parse(&session, d->session.p, d->session.n, e);

	if (session.known && !of_database)
		s.use_db = session.db;
	if (rc < 0)
		goto out;
	for (int i = 1; ddl_once_run(r->control, r->c.log_id, &s, true, outcome, e) < 0; i++)
		if (!may_try_again(r, i, e)) {
			rc = -1;
			break;
		}
out:
	free(db);
	free(table);
	return rc;
}

static int apply_ddl(struct replay *r, const struct redo_ddl *d, struct err *e)
{
	static const char *const what[] = { [DDL_RAN] = "done", [DDL_BEFORE] = "done", [DDL_SAID_DONE] = "skipped: the secondary says that it is done",
		                            [DDL_FAILED] = "failed, as it may: what it is about is not replicated" };
	enum ddl_outcome outcome;

	/* TiCDC may have executed it before it died, and twice would undo it: so the stock applier decides too. */
	if (d->type == DDL_EXCHANGE_PARTITION && d->commit_ts == r->c.meta.checkpoint_ts && r->c.foreign) {
		r->st->ddls_skipped++;
		note_ddl(r, d, "skipped: it is at checkpointTs, and not the same when done twice");
		return 0;
	}
	if (run_ddl(r, d, &outcome, e) < 0)
		return -1;
	r->st->ddls++;
	r->st->ddls_skipped += outcome == DDL_SAID_DONE;
	note_ddl(r, d, what[outcome]);
	return 0;
}

/* ---- merge ---- */

static void written(void *arg, size_t done)
{
	struct replay *r = arg;

	*r->count = r->count_before + done;
	tell(r, false);
}

static int write_batch(void *arg, const struct merge_change *c, size_t n, struct err *e)
{
	struct replay *r = arg;

	r->count_before = *r->count;
	if (sink_write(r->sink, c, n, written, r, e) < 0)
		return -1;
	*r->count = r->count_before + n;
	return 0;
}

/* All deletes of an epoch, and only then all puts (design: a collation may hold 'a' and 'A' for one key, a unique value may move). */
static int write_epoch(struct replay *r, uint32_t epoch, struct err *e)
{
	r->count = &r->st->deletes;
	if (merge_each(r->c.merge, epoch, false, write_batch, r, e) < 0)
		return -1;
	r->count = &r->st->puts;
	return merge_each(r->c.merge, epoch, true, write_batch, r, e);
}

static int write_merged(struct replay *r, struct err *e)
{
	r->sink = sink_open(&r->so, e);
	if (!r->sink)
		return -1;
	for (size_t i = 0; i <= r->c.n_ddls; i++) {
		const struct owned_ddl *d = i < r->c.n_ddls ? &r->c.ddls[i] : NULL;

		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
		if (d && d->skip)
			continue; /* it, and the rows before it, were written by an earlier replay */
		if (write_epoch(r, (uint32_t)i, e) < 0 || (d && apply_ddl(r, &d->d, e) < 0))
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
	tell(r, true);
}

static int look(struct replay *r, struct err *e)
{
	for (int i = 1; txn_look(r->txn, r->control, e) < 0; i++)
		if (!may_try_again(r, i, e))
			return -1;
	return 0;
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
	if (order_sort(r->c.order, e) < 0)
		goto out;
	r->txn = txn_open(&r->so, r->c.log_id, r->c.order, &done, e);
	if (!r->txn || look(r, e) < 0)
		goto out;
	for (size_t i = 0; i < r->c.n_ddls; i++) {
		const struct owned_ddl *d = &r->c.ddls[i];

		if (txn_apply(r->txn, d->d.commit_ts, d->skip, tick, r, e) < 0)
			goto out;
		if (!d->skip && (apply_ddl(r, &d->d, e) < 0 || look(r, e) < 0))
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
	r->st->waited = n.waited;
	rc = 0;
out:
	txn_done_release(&done);
	return rc;
}

/* ---- all ---- */

/* A log of the new architecture: its meta has a version. */
static int load_floors(struct replay *r, struct store *log, struct err *e)
{
	struct redo_meta meta;
	char id[190];

	if (redo_read_meta(log, &meta, e) < 0)
		return -1;
	if (!meta.version || r->o->dry_run)
		return 0;
	r->control = sink_session(&r->so, e);
	return !r->control || collect_log_id(log, id, e) < 0 || floors_load(r->control, id, &r->floors, e) < 0 ? -1 : 0;
}

/* What reading cannot know: the zone of a foreign log, and what this secondary can do. */
static int may_write(const struct replay *r, struct err *e)
{
	const struct shape *s = r->c.order ? order_timestamp(r->c.order) : merge_timestamp(r->c.merge);
	const struct shape *f = r->c.order ? order_float_key(r->c.order) : merge_float_key(r->c.merge);

	if (s && r->c.foreign && !r->o->time_zone)
		return err_set(e, ERR_USAGE, 0, "table %s.%s, column %s: a TIMESTAMP is in TiCDC's log as text in the time zone of the server that wrote"
		               " it, and the log does not say which: give it with --time-zone (+00:00 if TiCDC ran in UTC)", s->db, s->table,
		               s->timestamp);
	if (f && r->control && sql_flavor(r->control) == SQL_TIDB)
		return err_set(e, ERR_UNSUPPORTED, 0, "table %s.%s has a FLOAT or DOUBLE in its key: on TiDB its rows are not surely found by equality",
		               f->db, f->table);
	return 0;
}

static int write_all(struct replay *r, struct err *e)
{
	int64_t at = clock_mono_ns();

	if (!r->control)
		r->control = sink_session(&r->so, e);
	if (!r->control || may_write(r, e) < 0 || fence_kill(r->control, NULL, deadline_in_ms(FENCE_MS), &r->st->fenced, e) < 0 ||
	    (r->o->fence_user && fence_user(r->control, r->o->fence_user, deadline_in_ms(FENCE_MS), &r->st->fenced, e) < 0) ||
	    settle_progress(r, e) < 0)
		return -1;
	r->st->fence_us = (clock_mono_ns() - at) / 1000;
	at = clock_mono_ns();
	r->st->phase = REPLAY_WRITING;
	if ((r->o->mode == REPLAY_TXN ? write_txns(r, e) : write_merged(r, e)) < 0)
		return -1;
	r->st->write_us = (clock_mono_ns() - at) / 1000;
	return 0;
}

int replay_run(struct store *log, const struct replay_opts *opts, struct replay_stats *st, struct err *e)
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
	r.so = (struct sink_opts){ .to = o.sink, .workers = o.workers ? o.workers : WORKERS_DEFAULT,
		                   .time_zone = o.time_zone ? o.time_zone : "+00:00", .owner = OWNER };
	if (r.so.workers > WORKERS_MAX)
		return err_set(e, ERR_USAGE, 0, "%u workers: at most %d", r.so.workers, WORKERS_MAX);
	if (o.memory_bytes < MEMORY_MIN)
		return err_set(e, ERR_USAGE, 0, "a memory budget of %zu bytes: at least 16 MiB", o.memory_bytes);
	/* The whole log is read and judged before the first write. */
	if (load_floors(&r, log, e) < 0 || collect(&r.c, log, &r.floors, &o, st, e) < 0)
		goto out;
	st->read_us = (clock_mono_ns() - begun) / 1000;
	for (size_t i = 0; i < r.c.n_tables && o.table; i++)
		o.table(o.report_arg, &r.c.tables[i]);
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
	rc = write_all(&r, e);
out:
	st->total_us = (clock_mono_ns() - begun) / 1000;
	tell(&r, true);
	txn_close(r.txn);
	sink_close(r.sink);
	sql_close(r.control);
	collected_release(&r.c);
	floors_release(&r.floors);
	return rc;
}
