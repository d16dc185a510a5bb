#include <inttypes.h>
#include <stdlib.h>

#include "harness/base/xalloc.h"
#include "harness/feed/feed_log.h"
#include "harness/feed/feed_run.h"
#include "harness/redo/reader.h"

#define CHECKPOINT_TABLE "`drtest_feed`.`checkpoint`"
#define MAP_WAIT_MS 5000 /* for the sample that covers a BackupTS of this very moment */

int feed_position_prepare(struct feed_run *r, struct err *e)
{
	if (r->store)
		return 0;
	return sql_exec(r->control, e,
	                "CREATE TABLE IF NOT EXISTS " CHECKPOINT_TABLE " (feed VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, "
	                "checkpoint_ts BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB") < 0 ? -1 : 0;
}

int feed_position_save(struct feed_run *r, tso_t checkpoint, struct err *e)
{
	return sql_exec(r->control, e, "REPLACE INTO " CHECKPOINT_TABLE " VALUES ('%s', %" PRIu64 ")", r->o.id, checkpoint) < 0 ? -1 : 0;
}

static int remember_ddl(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct feed_run *r = arg;

	(void)offset;
	(void)e;
	if (ev->kind != REDO_DDL)
		return 0;
	r->known_ddls = xreallocarray(r->known_ddls, r->n_known_ddls + 1, sizeof(*r->known_ddls));
	r->known_ddls[r->n_known_ddls++] = ev->ddl.commit_ts;
	return 0;
}

/* Rows that come again are harmless in the log, a DDL would be run twice by a replay that knows no better. */
static int known_ddls_read(struct feed_run *r, struct err *e)
{
	struct redo_files files = { 0 };
	int rc = -1;

	if (redo_list_files(r->store, &files, e) < 0)
		goto out;
	for (size_t i = 0; i < files.n; i++) {
		struct redo_parse_result res;
		if (files.f[i].name.kind != REDO_FILE_DDL || files.f[i].name.max_commit_ts < r->start)
			continue;
		if (redo_read_file(r->store, &files.f[i], remember_ddl, r, &res, e) < 0)
			goto out;
	}
	rc = 0;
out:
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
		rc = sql_value_u64(r->control, &ts, e, "SELECT checkpoint_ts FROM " CHECKPOINT_TABLE " WHERE feed = '%s'", r->o.id);
		*checkpoint = ts;
	}
	if (rc < 0 && e->kind == ERR_NOT_FOUND) {
		*checkpoint = r->log_resolved = 0;
		return 0;
	}
	return rc < 0 ? -1 : 0;
}

int feed_position_find(struct feed_run *r, struct err *e)
{
	struct deadline d = deadline_in_ms(MAP_WAIT_MS);
	tso_t checkpoint, last_ts = 0, ts = 0;
	uint64_t last_seq;

	if (checkpoint_read(r, &checkpoint, e) < 0)
		return err_wrap(e, "earlier checkpoint");
	r->start = r->o.start_ts;
	if (checkpoint > r->start) {
		r->start = checkpoint;
		r->resumed = true;
		if (r->store && known_ddls_read(r, e) < 0)
			return err_wrap(e, "DDLs of the redo log");
	}
	for (;;) {
		if (tso_map_refresh(r->map, e) < 0)
			return -1;
		if (tso_map_last(r->map, &last_seq, &last_ts) && last_ts >= r->start)
			break;
		if (feed_stopping() || deadline_passed(d))
			return err_set(e, ERR_USAGE, 0,
			               "start_ts %" PRIu64 " is unknown: the source's last sample is %" PRIu64 " (is this its BackupTS, and its map?)",
			               r->start, last_ts);
		feed_sleep_ms(20);
	}
	if (tso_map_seq_at(r->map, r->start, &r->start_seq, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		return err_set(e, ERR_USAGE, 0, "start_ts %" PRIu64 " is unknown: it lies before the source's first sample", r->start);
	}
	r->read_seq = r->start_seq;
	r->read_ts = r->start;
	/* A DDL exactly at the checkpoint may not have run on the secondary: meta goes before it (redo-log spec, section 6). */
	if (r->resumed && r->start_seq > 0 && tso_map_of_seq(r->map, r->start_seq, &ts, &(struct err)ERR_INIT) == 1 && ts == r->start)
		r->ddl_ts = r->start;
	feed_log("info", "start at TSO %" PRIu64 " (GTID sequence %" PRIu64 ")%s", r->start, r->start_seq, r->resumed ? ", resumed" : "");
	return 0;
}
