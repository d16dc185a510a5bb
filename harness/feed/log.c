#include <stdio.h>
#include <stdlib.h>

#include "harness/base/failpoint.h"
#include "harness/feed/log_lines.h"
#include "harness/feed/feed_impl.h"
#include "harness/os/fs.h"

#define STORE_OUT_MS (5 * 60 * 1000)
/* a log file is put early rather than held in memory */
#define FLUSH_BYTES ((size_t)6 << 20)
/* of waiting rows in memory: beyond it a reader without a log waits */
#define SINK_BYTES_MAX ((size_t)6 << 20)
#define SPOOL_BYTES_MAX ((uint64_t)16 << 30)
#define DISK_LEFT_MIN ((int64_t)1 << 30)
#define COLLECT_EVERY_NS ((int64_t)5 * 1000000000)
#define PUBLISH_EVERY_NS ((int64_t)50 * 1000000)

/* A store that is out is tried again: nothing advances meanwhile, and nothing is lost, for the
 * primary keeps its binary log. */
static int store_step(struct feed_run *r, const char *what,
		      int (*step)(struct feed_run *r, struct err *e), struct err *e)
{
	struct deadline d = { 0 };
	struct err sink = ERR_INIT;
	char on[300];

	status_board_waits(r->board, FEED_WAITER_LOG, what);
	while (step(r, e) < 0) {
		/* it is not the source that we wait for */
		status_board_waits(r->board, FEED_WAITER_SOURCE, NULL);
		if (e->kind == ERR_BAD_DATA || e->kind == ERR_USAGE)
			return err_wrap(e, "%s", what);
		if (!d.at_ns) {
			d = deadline_in_ms(STORE_OUT_MS);
			feed_log("warn", "%s: %s: retrying", what, e->text);
		}
		snprintf(on, sizeof(on), "%s: %s", what, e->text);
		status_board_waits(r->board, FEED_WAITER_LOG, on);
		if (deadline_passed(d))
			return err_wrap(e, "%s: failed for %d s", what, STORE_OUT_MS / 1000);
		if (feed_stopping())
			return err_wrap(e, "%s", what);
		if (feed_sink_failed(r->sink, &sink) < 0) {
			*e = sink;
			return -1;
		}
		feed_publish(r);
		feed_sleep_ms(200);
	}
	if (d.at_ns)
		feed_log("info", "%s: works again", what);
	status_board_waits(r->board, FEED_WAITER_LOG, NULL);
	return 0;
}

static int flush_once(struct feed_run *r, struct err *e)
{
	if (r->left.changed && feed_left_out_save(r, e) < 0)
		return -1;
	return redo_writer_flush(r->writer, e);
}

int feed_flush(struct feed_run *r, struct err *e)
{
	feed_sink_flush_begin(r->sink);
	if (r->writer && store_step(r, "flush the redo log", flush_once, e) < 0)
		return -1;
	r->unflushed_bytes = 0;
	feed_sink_flush_done(r->sink);
	r->next_flush_ns =
		clock_mono_ns() +
		(failpoint("feed.flush_once") ? INT32_MAX : (int64_t)r->o.flush_ms) * 1000000;
	return 0;
}

/* To where the sink may apply: what a durable meta has told, nothing before the secondary is ready,
 * nothing behind a DDL that has not run. */
static void release(struct feed_run *r)
{
	struct feed_ddls_state d = feed_ddls_state(r->ddls);
	tso_t limit = feed_sink_progress(r->sink).flushed;

	if (limit > r->meta_resolved)
		limit = r->meta_resolved;
	if (!d.ready || r->ddl_ts)
		limit = r->start;
	else if (d.step != FEED_DDL_NONE && limit >= d.ts)
		limit = r->ddl_open == d.ts ? d.ts : d.ts - 1;
	feed_sink_release(r->sink, limit);
}

/* The next step of the first DDL that is not done. */
static int step_ddl(struct feed_run *r, struct err *e)
{
	struct feed_ddls_state d = feed_ddls_state(r->ddls);
	char *db, *name, *reason;

	while (feed_ddls_left_out(r->ddls, &db, &name, &reason)) {
		if (reason)
			left_out_add(&r->left, db, name, reason);
		else
			left_out_forget(&r->left, db, name);
		free(db);
		free(name);
		free(reason);
	}
	if (feed_ddls_failed(r->ddls, e) < 0)
		return -1;
	release(r);
	if (!d.ready || r->ddl_ts || d.step != FEED_DDL_WAITS || r->meta_resolved < d.ts ||
	    feed_sink_progress(r->sink).checkpoint < d.ts - 1)
		return 0;
	/* everything before it is committed: checkpointTs goes to it, and a meta says so before it
	 * runs, so that no replay writes a row of before */
	r->ddl_open = d.ts;
	release(r);
	if (feed_meta(r, e) < 0)
		return -1;
	if (r->meta_checkpoint >= d.ts)
		feed_ddls_run(r->ddls, d.ts);
	return 0;
}

static int meta_once(struct feed_run *r, struct err *e)
{
	/* asked anew at each try: the sink goes on while the store is out */
	struct watermarks p = feed_sink_progress(r->sink);
	struct redo_meta m = {
		.checkpoint_ts = failpoint("feed.checkpoint_ahead") ? p.flushed : p.checkpoint,
		.resolved_ts = failpoint("feed.resolved_ahead") && r->read_ts > p.flushed
				       ? r->read_ts
				       : p.flushed
	};

	if (m.checkpoint_ts == r->meta_checkpoint && m.resolved_ts == r->meta_resolved)
		return 0;
	if (!r->writer && r->left.changed && feed_left_out_save(r, e) < 0)
		return -1;
	if (r->writer ? redo_writer_meta(r->writer, &m, e) < 0
		      : m.checkpoint_ts != r->meta_checkpoint &&
				resume_save(r, m.checkpoint_ts, e) < 0)
		return -1;
	r->meta_checkpoint = m.checkpoint_ts;
	r->meta_resolved = m.resolved_ts;
	release(r);
	return 0;
}

int feed_meta(struct feed_run *r, struct err *e)
{
	int rc;

	if (r->writer) {
		rc = store_step(r, "write the redo meta", meta_once, e);
	} else {
		/* no log: what was read counts as durable, the primary has it */
		feed_sink_flush_begin(r->sink);
		feed_sink_flush_done(r->sink);
		while ((rc = meta_once(r, e)) < 0 && e->kind == ERR_GONE &&
		       schemas_reconnect(r, e) == 0)
			;
	}
	r->next_meta_ns = clock_mono_ns() + (int64_t)r->o.meta_ms * 1000000;
	return rc;
}

void feed_publish(struct feed_run *r)
{
	/* what is durable, not what the sink has reached: a feed that dies now comes back with it,
	 * and a checkpoint never goes back */
	tso_t checkpoint = r->meta_checkpoint,
	      resolved = r->meta_resolved > r->log_resolved ? r->meta_resolved : r->log_resolved;
	uint64_t checkpoint_seq = r->start_seq, resolved_seq = r->start_seq;
	struct err ignored = ERR_INIT;

	struct feed_ddls_state d = feed_ddls_state(r->ddls);
	tso_t ddl_ts = r->ddl_ts ? r->ddl_ts : d.step != FEED_DDL_NONE ? d.ts : 0;

	if (ddl_ts && checkpoint >= ddl_ts) /* told in meta, not yet true in the secondary */
		checkpoint = ddl_ts - 1;
	tso_map_seq_at(r->map, checkpoint, &checkpoint_seq, &ignored);
	tso_map_seq_at(r->map, resolved, &resolved_seq, &ignored);
	struct feed_status *st = status_board_lock(r->board);
	st->checkpoint_ts = checkpoint;
	st->resolved_ts = resolved;
	st->checkpoint_seq = checkpoint_seq;
	st->resolved_seq = resolved_seq;
	st->ddls = d.done;
	status_board_unlock(r->board);
	status_board_waits(r->board, FEED_WAITER_DDL,
			   d.why[0]                  ? d.why
			   : d.step == FEED_DDL_RUNS ? d.runs
						     : NULL);
	r->next_publish_ns = clock_mono_ns() + PUBLISH_EVERY_NS;
}

void feed_advance(struct feed_run *r)
{
	struct err e = ERR_INIT;
	uint64_t seq;
	tso_t ts;

	/* it may have to run yet: nothing beyond it may be told, or nobody would run it after
	 * the next death */
	if (r->ddl_ts)
		return;
	if (tso_map_refresh(r->map, &e) < 0) {
		feed_log("warn", "%s", e.text);
		return;
	}
	if (!tso_map_last(r->map, &seq, &ts))
		return;
	status_board_waits(r->board, FEED_WAITER_SOURCE,
			   ts == r->sample_ts ? "no new sample of the primary's position" : NULL);
	r->sample_ts = ts;
	if (seq <= r->read_seq)
		feed_announce(r, ts);
}

void feed_announce(struct feed_run *r, tso_t ts)
{
	if (r->read_seq >= r->horizon_seq)
		feed_sink_announce(r->sink, ts);
}

int feed_service(struct feed_run *r, struct err *e)
{
	int64_t now = clock_mono_ns();

	if (feed_sink_failed(r->sink, e) < 0 || step_ddl(r, e) < 0)
		return -1;
	if (now >= r->next_flush_ns && feed_flush(r, e) < 0)
		return -1;
	if (now >= r->next_meta_ns && feed_meta(r, e) < 0)
		return -1;
	if (now >= r->next_publish_ns)
		feed_publish(r);
	if (r->writer && now >= r->next_collect_ns) {
		struct err why = ERR_INIT;
		r->next_collect_ns = now + COLLECT_EVERY_NS;
		if (r->meta_checkpoint != r->collected_to) {
			if (redo_writer_collect(r->writer, r->meta_checkpoint, &why) < 0)
				feed_log("warn", "delete old redo files: %s", why.text);
			else
				r->collected_to = r->meta_checkpoint;
		}
	}
	return 0;
}

/* With a log the reader does not wait for the sink (but at a DDL): what can be recovered must not
 * hang on a secondary that is slow or stands still. What memory does not hold of the rows lies in
 * the spool, as long as there is room. Without a log the primary's binary log keeps them. */
static bool may_read_on(struct feed_run *r)
{
	int64_t left;

	if (feed_sink_memory(r->sink) <= SINK_BYTES_MAX)
		return true;
	if (!r->writer || feed_sink_spooled(r->sink) > SPOOL_BYTES_MAX)
		return false;
	left = fs_free_bytes(r->o.tmp_dir);
	return left < 0 || left > DISK_LEFT_MIN;
}

int feed_throttle(struct feed_run *r, struct err *e)
{
	while (!feed_stopping() && !may_read_on(r)) {
		struct watermarks p = feed_sink_progress(r->sink);

		if (p.announced > p.flushed && feed_flush(r, e) < 0)
			return -1;
		if (feed_meta(r, e) < 0 || feed_service(r, e) < 0)
			return -1;
		int rc = feed_sink_drain(r->sink, 50, e);
		if (rc)
			/* the rest belongs to a transaction that goes on: it is spooled */
			return rc < 0 ? -1 : 0;
	}
	return 0;
}

static void note_added(struct feed_run *r, size_t bytes)
{
	r->unflushed_bytes += bytes;
	status_board_lock(r->board)->redo_bytes += bytes;
	status_board_unlock(r->board);
}

/* What is in r->frame, which holds `records` rows of one commitTs. Flushed here and not inside the
 * writer, so that a store that is out is waited for in one place. */
static int add_frames(struct feed_run *r, size_t records, tso_t ts, struct err *e)
{
	size_t limit = r->o.max_log_bytes < FLUSH_BYTES ? r->o.max_log_bytes : FLUSH_BYTES,
	       bytes = r->frame.len;

	if (r->unflushed_bytes && r->unflushed_bytes + bytes > limit && feed_flush(r, e) < 0)
		return -1;
	if (redo_writer_add_frames(r->writer, &r->frame, records, ts, e) < 0)
		return -1;
	if (bytes > FLUSH_BYTES)
		strbuf_release(&r->frame);
	note_added(r, bytes);
	return 0;
}

/* Row by row: a transaction that goes on, or that no file can hold. It has files of its own, so
 * that its beginning can be taken back. */
static int add_in_pieces(struct feed_run *r, const struct redo_row *rows, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct redo_event ev = { .kind = REDO_ROW, .row = rows[i] };

		strbuf_reset(&r->frame);
		redo_encode_frame(&r->frame, &ev);
		if (r->frame.len > r->o.max_log_bytes)
			return redo_writer_add(r->writer, &ev, e); /* which says so */
		if (add_frames(r, 1, rows[i].commit_ts, e) < 0)
			return -1;
	}
	return 0;
}

int feed_add_rows(struct feed_run *r, const struct redo_row *rows, size_t n, bool whole,
		  struct err *e)
{
	if (!n || !r->writer || rows[0].commit_ts <= r->log_resolved)
		return 0;
	if (!whole)
		return add_in_pieces(r, rows, n, e);
	strbuf_reset(&r->frame);
	for (size_t i = 0; i < n; i++) {
		struct redo_event ev = { .kind = REDO_ROW, .row = rows[i] };

		redo_encode_frame(&r->frame, &ev);
		if (r->frame.len > r->o.max_log_bytes)
			return feed_flush(r, e) < 0 ? -1 : add_in_pieces(r, rows, n, e);
	}
	return add_frames(r, n, rows[0].commit_ts, e);
}

int feed_add_ddl(struct feed_run *r, const struct redo_ddl *ddl, struct err *e)
{
	struct redo_event ev = { .kind = REDO_DDL, .ddl = *ddl };

	if (!r->writer || ddl->commit_ts <= r->log_resolved)
		return 0;
	if (redo_writer_add(r->writer, &ev, e) < 0)
		return -1;
	note_added(r, ddl->query.n);
	return 0;
}
