#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/feed/log_lines.h"
#include "harness/feed/feed_impl.h"
#include "harness/redo/reader.h"
#include "harness/redo/sidecar.h"

#define CHECKPOINT_TABLE BOOKKEEPING_DB_QUOTED ".`checkpoint`"
#define LEFT_OUT_TABLE "`drtest_feed`.`left_out`"
#define LEFT_OUT_BYTES_MAX ((size_t)16 << 20)
#define MAP_WAIT_MS 5000 /* for the sample that covers a BackupTS of this very moment */

int resume_prepare(struct feed_run *r, struct err *e)
{
	if (r->store)
		return 0;
	if (sql_exec(r->control, e,
		     "CREATE TABLE IF NOT EXISTS " CHECKPOINT_TABLE
		     " (feed VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, "
		     "checkpoint_ts BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB") < 0 ||
	    sql_exec(r->control, e,
		     "CREATE TABLE IF NOT EXISTS " LEFT_OUT_TABLE
		     " (feed VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, "
		     "names LONGTEXT CHARACTER SET utf8mb4 NOT NULL) ENGINE=InnoDB") < 0)
		return -1;
	return 0;
}

/* No reader of a log looks at this ending. */
static void left_out_key(const struct feed_run *r, struct strbuf *key)
{
	strbuf_addf(key, "%s.left-out.json", r->o.id);
}

int feed_left_out_load(struct feed_run *r, struct err *e)
{
	struct strbuf text = STRBUF_INIT, key = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc;

	left_out_key(r, &key);
	rc = r->store
		     ? store_get(r->store, key.buf, LEFT_OUT_BYTES_MAX, &text, &why)
		     : sql_value(r->control, &text, &why,
				 "SELECT names FROM " LEFT_OUT_TABLE " WHERE feed = '%s'", r->o.id);
	if (rc < 0 && why.kind == ERR_NOT_FOUND)
		rc = 0;
	else if (rc < 0)
		*e = why;
	else
		rc = left_out_from_text(&r->left, text.buf, text.len, e);
	strbuf_release(&text);
	strbuf_release(&key);
	return rc < 0 ? -1 : 0;
}

int feed_left_out_save(struct feed_run *r, struct err *e)
{
	struct strbuf text = STRBUF_INIT, key = STRBUF_INIT, q = STRBUF_INIT;
	int rc;

	left_out_to_text(&r->left, &text);
	if (r->store) {
		left_out_key(r, &key);
		rc = store_put(r->store, key.buf, text.buf, text.len, e);
	} else {
		strbuf_addf(&q, "REPLACE INTO " LEFT_OUT_TABLE " VALUES ('%s', ", r->o.id);
		sql_add_text(&q, text.buf, text.len);
		strbuf_addch(&q, ')');
		rc = sql_exec_text(r->control, e, q.buf, q.len) < 0 ? -1 : 0;
	}
	if (rc == 0)
		r->left.changed = false;
	strbuf_release(&text);
	strbuf_release(&key);
	strbuf_release(&q);
	return rc;
}

int resume_save(struct feed_run *r, tso_t checkpoint, struct err *e)
{
	return sql_exec(r->control, e,
			"REPLACE INTO " CHECKPOINT_TABLE " VALUES ('%s', %" PRIu64 ")", r->o.id,
			checkpoint) < 0
		       ? -1
		       : 0;
}

static int lowest_ts(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	tso_t *lowest = arg, ts = ev->kind == REDO_ROW ? ev->row.commit_ts : ev->ddl.commit_ts;

	(void)offset;
	(void)e;
	if (ts < *lowest)
		*lowest = ts;
	return 0;
}

static bool is_own(const struct feed_run *r, const struct redo_name *n)
{
	return !n->tmp && !strcmp(n->changefeed, r->o.id) && !strcmp(n->name_space, "default");
}

/* Sidecars of files that never came: once resolvedTs is behind them they would say that a file was
 * lost. Where one was, that is told and stays told. */
static int trim_orphans(struct feed_run *r, const struct redo_files *files, tso_t keep,
			struct err *e)
{
	struct redo_meta m = { .resolved_ts = keep };

	for (size_t i = 0; i < files->n_orphans; i++) {
		const struct redo_file *f = &files->orphans[i];
		struct err why = ERR_INIT;
		char *side;
		int rc;

		if (!is_own(r, &f->name) || f->name.max_commit_ts <= keep)
			continue;
		if (redo_orphan_fault(r->store, &m, f, &why) < 0) {
			if (why.kind != ERR_BAD_DATA) {
				*e = why;
				return -1;
			}
			feed_log("warn", "%s", why.text);
			continue;
		}
		side = xstrfmt("%s" SIDECAR_ENDING, f->key);
		rc = store_delete(r->store, side, e);
		free(side);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* Nobody was promised what lies behind resolvedTs, and we are about to write it again: left there,
 * each change would be in the log twice. A file that also holds promised rows stays (ours never do:
 * see on_txn). */
int feed_log_trim(struct feed_run *r, tso_t keep, struct err *e)
{
	struct redo_files files = { 0 };
	struct strbuf side = STRBUF_INIT;
	unsigned removed = 0;
	int rc = -1;

	if (redo_list_files(r->store, &files, e) < 0 || trim_orphans(r, &files, keep, e) < 0)
		goto out;
	for (size_t i = 0; i < files.n; i++) {
		const struct redo_file *f = &files.f[i];
		struct redo_parse_result res;
		tso_t lowest = UINT64_MAX;

		if (f->name.max_commit_ts <= keep || !is_own(r, &f->name))
			continue;
		if (redo_read_file(r->store, f, lowest_ts, &lowest, &res, e) < 0)
			goto out;
		if (lowest <= keep)
			continue;
		strbuf_reset(&side);
		strbuf_addf(&side, "%s" SIDECAR_ENDING, f->key);
		if (store_delete(r->store, f->key, e) < 0 ||
		    store_delete(r->store, side.buf, e) < 0)
			goto out;
		removed++;
	}
	if (removed)
		feed_log("info",
			 "removed %u log files after resolvedTs %" PRIu64 "; they will be written "
			 "again",
			 removed, keep);
	redo_writer_trimmed(r->writer);
	rc = 0;
out:
	strbuf_release(&side);
	redo_files_release(&files);
	return rc;
}

/* The checkpoint of an earlier life; 0: none. */
static int checkpoint_read(struct feed_run *r, tso_t *checkpoint, struct err *e)
{
	struct redo_meta m = { 0 };
	uint64_t ts = 0;
	int rc;

	if (r->store) {
		rc = redo_read_meta(r->store, &m, e);
		*checkpoint = m.checkpoint_ts;
		r->log_resolved = m.resolved_ts;
	} else {
		rc = sql_value_u64(r->control, &ts, e,
				   "SELECT checkpoint_ts FROM " CHECKPOINT_TABLE
				   " WHERE feed = '%s'",
				   r->o.id);
		*checkpoint = ts;
	}
	if (rc < 0 && e->kind == ERR_NOT_FOUND) {
		*checkpoint = r->log_resolved = 0;
		return 0;
	}
	return rc < 0 ? -1 : 0;
}

int resume_find(struct feed_run *r, struct err *e)
{
	struct deadline d = deadline_in_ms(MAP_WAIT_MS);
	tso_t checkpoint, last_ts = 0, ts = 0;
	uint64_t last_seq;

	if (checkpoint_read(r, &checkpoint, e) < 0)
		return err_wrap(e, "earlier checkpoint");
	r->start = r->o.start_ts;
	r->begun = checkpoint != 0;
	if (checkpoint > r->start) {
		r->start = checkpoint;
		r->resumed = true;
	}
	if (r->log_resolved && feed_log_trim(r, r->log_resolved, e) < 0)
		return err_wrap(e, "redo log of an earlier run");
	for (;;) {
		if (tso_map_refresh(r->map, e) < 0)
			return -1;
		if (tso_map_last(r->map, &last_seq, &last_ts) && last_ts >= r->start)
			break;
		if (feed_stopping() || deadline_passed(d))
			return err_set(e, ERR_USAGE, 0,
				       "start_ts %" PRIu64 " is unknown: the source's last sample "
				       "is %" PRIu64 " (check that this is its BackupTS and its "
				       "map)",
				       r->start, last_ts);
		feed_sleep_ms(20);
	}
	if (tso_map_seq_at(r->map, r->start, &r->start_seq, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		return err_set(e, ERR_USAGE, 0,
			       "start_ts %" PRIu64 " is unknown: it is before the source's first "
			       "sample",
			       r->start);
	}
	r->read_seq = r->start_seq;
	r->read_ts = r->start;
	/* A DDL exactly at the checkpoint may not have run on the secondary: meta is written
	 * before it runs. */
	if (r->resumed && r->start_seq > 0 &&
	    tso_map_of_seq(r->map, r->start_seq, &ts, &(struct err)ERR_INIT) == 1 && ts == r->start)
		r->ddl_ts = r->start;
	feed_log("info", "start at TSO %" PRIu64 " (GTID sequence %" PRIu64 ")%s", r->start,
		 r->start_seq, r->resumed ? ", resumed" : "");
	return 0;
}
