/* The changefeed's process: reads the binary log, waits for commit TSOs, and passes rows to the
 * redo log and the sink, DDLs to their queue. One thread; the sink and the DDLs have threads of
 * their own. */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "harness/base/failpoint.h"
#include "harness/binlog/ddl_names.h"
#include "harness/binlog/temporary_rename.h"
#include "harness/feed/config.h"
#include "harness/feed/log_lines.h"
#include "harness/feed/feed_impl.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"
#include "harness/sql/charset.h"
#include "harness/sql/ddl/ddl_once.h"
#include "harness/sql/keyless.h"

#define CONNECT_MS 15000
#define NO_SUCH_TABLE 1146
#define NO_SUCH_DATABASE 1049
#define SOURCE_OUT_MS 60000
/* log a line if a commit has had no TSO for this long */
#define MAP_QUIET_MS 10000
#define STOP_DRAIN_MS 20000
/* of one transaction, in the reader of the binary log */
#define TXN_MEMORY_BYTES ((size_t)12 << 20)
#define SINK_MEMORY_BYTES ((size_t)8 << 20)
/* the primary ends a dump when its namesake's begins */
#define SAME_ID 4052
/* in the place of a TiCDC server's capture id, in the names of log files */
#define CAPTURE "127.0.0.1:8300"

static volatile sig_atomic_t stop_signal;

static void on_stop(int signo)
{
	stop_signal = signo;
}

int feed_stopping(void)
{
	return stop_signal;
}

void feed_sleep_ms(int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int check_source(struct feed_run *r, struct sql *s, struct err *e)
{
	static const char *const want[][2] = { { "log_bin", "1" },
					       { "binlog_format", "ROW" },
					       { "binlog_row_image", "FULL" } };
	struct strbuf value = STRBUF_INIT;
	uint64_t id = 0;
	int rc = -1;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		strbuf_reset(&value);
		if (sql_value(s, &value, e, "SELECT @@GLOBAL.%s", want[i][0]) < 0)
			goto out;
		if (strcmp(value.buf, want[i][1])) {
			err_set(e, ERR_ENV, 0, "the source has %s=%s: the changefeed needs %s",
				want[i][0], value.buf, want[i][1]);
			goto out;
		}
	}
	if (sql_value_u64(s, &id, e, "SELECT @@GLOBAL.gtid_domain_id") < 0)
		goto out;
	r->domain = (unsigned)id;
	if (sql_value_u64(s, &id, e, "SELECT @@GLOBAL.server_id") < 0)
		goto out;
	r->server_id = (unsigned)id;
	strbuf_reset(&value);
	if (sql_value(s, &value, e, "SELECT @@system_time_zone") < 0)
		goto out;
	if (!strcmp(value.buf, "UTC"))
		snprintf(r->system_zone, sizeof(r->system_zone), "+00:00");
	/* one number for each changefeed: the primary ends a dead namesake's dump when ours begins
	 */
	r->replica_id =
		0x40000000u | (unsigned)(XXH3_64bits(r->o.id, strlen(r->o.id)) & 0x3fffffff);
	rc = 0;
out:
	strbuf_release(&value);
	return rc;
}

struct sql *feed_source(struct feed_run *r, struct err *e)
{
	if (!r->source)
		r->source = sql_open(&r->o.source, deadline_in_ms(CONNECT_MS), e);
	return r->source;
}

static void leave_out(void *run, const char *db, const char *table, const char *reason)
{
	struct feed_run *r = run;

	left_out_add(&r->left, db, table, reason);
}

static struct binlog_opts reader_opts(struct feed_run *r, uint64_t after_seq)
{
	return (struct binlog_opts){
		.from = r->o.source,
		.after_seq = after_seq,
		.domain = r->domain,
		.server_id = r->server_id,
		.replica_id = r->replica_id,
		.skip_server_id = r->o.bdr ? FEED_BDR_SERVER_ID : 0,
		.schema = feed_schema_of,
		.schema_arg = r,
		.leave_out = leave_out,
		.keyless = r->o.force_replicate,
		.memory_bytes = TXN_MEMORY_BYTES,
		.tmp_dir = r->o.tmp_dir,
	};
}

static int open_source(struct feed_run *r, uint64_t after_seq, struct err *e)
{
	struct binlog_opts o;

	sql_close(r->source);
	r->source = NULL;
	if (!feed_source(r, e) || check_source(r, r->source, e) < 0)
		return err_wrap(e, "source");
	o = reader_opts(r, after_seq);
	r->binlog = binlog_open(&o, e);
	return r->binlog ? 0 : err_wrap(e, "source");
}

/* Before our first write, end what a killed changefeed of this name still executes on the
 * secondary. */
static int fence_namesake(struct feed_run *r, struct err *e)
{
	struct sql *s = sql_open(&r->o.sink, deadline_in_ms(CONNECT_MS), e);
	uint64_t killed = 0;
	int rc;

	if (!s)
		return err_wrap(e, "sink");
	rc = feed_sink_take_over(s, r->o.id, &killed, e);
	if (killed)
		feed_log("info",
			 "killed %" PRIu64 " connections of an earlier feed on the secondary",
			 killed);
	sql_close(s);
	return rc < 0 ? err_wrap(e, "sink") : 0;
}

/* Every reader would take the files of two changefeeds in one place for one log. */
static int place_is_ours(struct feed_run *r, struct err *e)
{
	struct redo_feed ours = { .name_space = "default" };
	struct redo_feeds all;
	int rc = redo_list_feeds(r->store, &all, e);

	snprintf(ours.changefeed, sizeof(ours.changefeed), "%s", r->o.id);
	if (rc == 0 && redo_feed_removed(r->store, &all, &ours, e) < 0)
		rc = -1;
	for (size_t i = 0; i < all.n && rc == 0; i++)
		if (strcmp(all.f[i].changefeed, r->o.id) || strcmp(all.f[i].name_space, "default"))
			rc = err_set(
				e, ERR_USAGE, 0,
				"%s has the redo log of another changefeed, %s/%s: use another "
				"place for this one",
				store_uri_redacted(r->store), all.f[i].name_space,
				all.f[i].changefeed);
	redo_feeds_release(&all);
	return rc;
}

static int open_log(struct feed_run *r, struct err *e)
{
	bool exists = true;

	if (!r->o.redo_uri[0])
		return 0;
	r->store = store_open(r->o.redo_uri, &(struct store_opts){ .patience_ms = 5000 }, e);
	if (!r->store)
		return -1;
	if (!strcmp(store_kind(r->store), "file")) {
		if (store_create_bucket(r->store, e) < 0)
			return -1;
	} else if (store_bucket_exists(r->store, &exists, e) < 0) {
		return -1;
	}
	if (!exists)
		return err_set(e, ERR_ENV, 0, "the bucket of %s does not exist: create it first",
			       store_uri_redacted(r->store));
	if (place_is_ours(r, e) < 0)
		return -1;
	struct redo_writer_opts o = { .capture = CAPTURE,
				      .changefeed = r->o.id,
				      .max_log_bytes = r->o.max_log_bytes,
				      .lz4 = r->o.lz4 };
	r->writer = redo_writer_new(r->store, &o, e);
	return r->writer ? 0 : -1;
}

static void sink_waits(void *board, unsigned worker, const char *on)
{
	status_board_waits(board, FEED_WAITER_SINK + worker, on);
}

/* An earlier changefeed of this name may have left its record of rows without a key on the
 * secondary. Remove it before our first meta is written: from then on the record is ours. */
static int forget_keyless(struct feed_run *r, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct err why = ERR_INIT;
	char record[190];
	struct sql *s;
	int rc = -1;

	if (!r->o.force_replicate || r->begun)
		return 0;
	s = sql_open(&r->o.sink, deadline_in_ms(CONNECT_MS), &why);
	ddl_owner(record, "default", r->o.id);
	sql_add_text(&q, record, strlen(record));
	if (s && (sql_exec(s, &why, "DELETE FROM " KEYLESS_TABLE " WHERE owner = %s", q.buf) >= 0 ||
		  why.code == NO_SUCH_TABLE || why.code == NO_SUCH_DATABASE))
		rc = 0;
	else if (e)
		*e = why;
	sql_close(s);
	strbuf_release(&q);
	return rc < 0 ? err_wrap(e, "sink: force_replicate") : 0;
}

static int feed_open(struct feed_run *r, struct err *e)
{
	struct feed_globals primary;

	if (fs_mkdir_p(r->o.tmp_dir, 0755, e) < 0)
		return -1;
	r->charsets = charsets_new(&r->o.source);
	r->map = tso_map_open(r->o.tso_map, e);
	if (!r->map || open_log(r, e) < 0)
		return -1;
	/* without a redo log the checkpoint is on the secondary; with one, the secondary may be
	 * unavailable */
	if (!r->store &&
	    (fence_namesake(r, e) < 0 || schemas_connect(r, deadline_in_ms(CONNECT_MS), e) < 0 ||
	     resume_prepare(r, e) < 0))
		return err_wrap(e, "sink");
	if (resume_find(r, e) < 0 || forget_keyless(r, e) < 0 ||
	    (r->resumed && feed_left_out_load(r, e) < 0))
		return -1;
	if (!feed_source(r, e) || feed_globals_read(r->source, &primary, e) < 0 ||
	    (!r->n_unsure && left_out_objects(r->source, r->board, e) < 0))
		return err_wrap(e, "source");
	r->ddls = feed_ddls_start(&(struct feed_ddls_opts){ .to = r->o.sink,
							    .owner = r->o.id,
							    .primary = &primary,
							    .fenced = !r->store,
							    .forget = !r->resumed },
				  e);
	if (!r->ddls)
		return -1;
	if (open_source(r, r->ddl_ts ? r->start_seq - 1 : r->start_seq, e) < 0)
		return -1;
	struct feed_sink_opts so = {
		.to = r->o.sink,
		.owner = r->o.id,
		.workers = r->o.sink_workers,
		.batch_rows = r->o.sink_batch_rows,
		.memory_bytes = SINK_MEMORY_BYTES,
		.tmp_dir = r->o.tmp_dir,
		.start = r->start,
		.keyless = r->o.force_replicate,
		.keyless_bytes = r->o.keyless_bytes,
		.schema = feed_schema_of,
		.schema_arg = r,
		.waits = sink_waits,
		.busy = status_board_busy,
		.busy_arg = r->board,
	};
	r->sink = feed_sink_start(&so, e);
	if (!r->sink)
		return err_wrap(e, "sink");
	/* a log that never advanced has resolvedTs = checkpointTs = start */
	return feed_meta(r, e);
}

/* 1: *ts is set; 0: the process was asked to end; -1: error. */
static int wait_for_tso(struct feed_run *r, uint64_t seq, tso_t *ts, struct err *e)
{
	struct deadline quiet = deadline_in_ms(MAP_QUIET_MS);
	bool told = false;
	int rc;

	while ((rc = tso_map_of_seq(r->map, seq, ts, e)) == 0) {
		feed_advance(r);
		if (tso_map_of_seq(r->map, seq, ts, e) == 1)
			return 1;
		if (feed_service(r, e) < 0)
			return -1;
		if (feed_stopping())
			return 0;
		if (!told && deadline_passed(quiet)) {
			told = true;
			feed_log("warn",
				 "the source's TSO map has no sample for GTID sequence %" PRIu64
				 " for %d s",
				 seq, MAP_QUIET_MS / 1000);
		}
		feed_sleep_ms(5);
	}
	return rc;
}

static void read_to(struct feed_run *r, uint64_t seq, tso_t ts)
{
	r->read_seq = seq;
	r->read_ts = ts;
	feed_schemas_read_to(r, seq);
	feed_announce(r, ts);
}

static struct redo_bytes bytes_of(const char *text)
{
	return (struct redo_bytes){ .p = text, .n = (uint32_t)strlen(text) };
}

/* The engine of a CREATE TABLE that names none: events do not have default_storage_engine, so ask
 * the primary; a table that was dropped meanwhile has no answer. */
static void add_engine(struct feed_run *r, const struct binlog_txn *t, struct ddl_session *session)
{
	struct strbuf q = STRBUF_INIT, engine = STRBUF_INIT;
	struct err ignored = ERR_INIT;

	if (t->ddl_type != DDL_CREATE_TABLE || ddl_has_word(t->ddl_query, "ENGINE") ||
	    !feed_source(r, &ignored))
		return;
	strbuf_addstr(
		&q,
		"SELECT IFNULL(ENGINE, @@GLOBAL.default_storage_engine) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ");
	sql_add_text(&q, t->ddl_table_db, strlen(t->ddl_table_db));
	strbuf_addstr(&q, " AND TABLE_NAME = ");
	sql_add_text(&q, t->ddl_table, strlen(t->ddl_table));
	if (sql_value(r->source, &engine, &ignored, "%s", q.buf) == 0)
		snprintf(session->engine, sizeof(session->engine), "%s", engine.buf);
	if (ignored.kind == ERR_GONE) {
		sql_close(r->source);
		r->source = NULL;
	}
	strbuf_release(&engine);
	strbuf_release(&q);
}

/* The session of a DDL: from its event, and what else is known. */
static struct ddl_session session_of(struct feed_run *r, const struct binlog_txn *t)
{
	struct ddl_session session = *t->ddl_session;

	if (!strcmp(session.time_zone, "SYSTEM") && r->system_zone[0])
		snprintf(session.time_zone, sizeof(session.time_zone), "%s", r->system_zone);
	add_engine(r, t, &session);
	/* a view may use a function, which is not replicated; then the view is left out too */
	session.may_fail = t->ddl_type == DDL_CREATE_VIEW || t->ddl_type == DDL_DROP_VIEW ||
			   left_out_is_about(&r->left, t);
	return session;
}

/* The DDL for the redo log and the secondary. */
struct told {
	struct binlog_txn t;
	struct ddl_words words;
	struct ddl_session session;
	struct strbuf query;
};

static void told_release(struct told *d)
{
	strbuf_release(&d->query);
}

/* A RENAME TABLE without its temporary tables. 0: nothing is left. */
static int without_temporary(struct told *d, struct feed_run *r, struct err *e)
{
	struct binlog_opts o = reader_opts(r, 0);
	int rc = feed_source(r, e) ? temporary_rename(r->source, &o, &d->t, &d->query, e) : -1;

	if (rc <= 0)
		return rc < 0 ? err_wrap(e, "source") : 1;
	if (!d->query.len)
		return 0;
	ddl_words("", d->query.buf, d->query.len, 0, &d->words);
	d->t.ddl_query = d->query.buf;
	d->t.ddl_type = d->words.type;
	d->t.ddl_table_db = d->words.db;
	d->t.ddl_table = d->words.table;
	return 1;
}

/* 1: there is something to replicate; 0: nothing. The caller releases it in both cases. */
static int told_init(struct told *d, struct feed_run *r, const struct binlog_txn *t, struct err *e)
{
	bool elsewhere = strcmp(t->ddl_db, t->ddl_table_db) != 0;
	int rc;

	*d = (struct told){ .t = *t, .query = STRBUF_INIT };
	rc = without_temporary(d, r, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		r->ddls_skipped++;
		feed_log("info", "skipped, on a temporary table: %.80s", t->ddl_query);
		return 0;
	}
	d->session = session_of(r, &d->t);
	if (!d->query.len)
		ddl_names_whole(t->ddl_query, strlen(t->ddl_query), elsewhere ? t->ddl_db : "",
				d->session.sql_mode, &d->query);
	d->t.ddl_query = d->query.buf;
	d->t.ddl_session = &d->session;
	return 1;
}

static int told_add(struct feed_run *r, const struct told *d, tso_t ts, struct err *e)
{
	const struct binlog_txn *t = &d->t;
	struct redo_ddl ddl = {
		.start_ts = ts - 1,
		.commit_ts = ts,
		.query = bytes_of(t->ddl_query),
		.type = t->ddl_type,
		.table = { .db = bytes_of(ddl_names_use(t->ddl_type, t->ddl_db, t->ddl_table_db)),
			   .table = bytes_of(t->ddl_table) },
	};
	struct strbuf session = STRBUF_INIT;
	int rc;

	if (t->ddl_table[0])
		ddl.table.id = binlog_table_id(t->ddl_table_db, t->ddl_table);
	ddl_session_format(&d->session, &session);
	ddl.session = (struct redo_bytes){ session.buf, (uint32_t)session.len };
	rc = feed_add_ddl(r, &ddl, e);
	strbuf_release(&session);
	return rc;
}

/* Adds it to the redo log and to the DDLs for the secondary. The reader continues: the rows after
 * it wait in the sink. */
static int on_ddl(struct feed_run *r, const struct binlog_txn *t, tso_t ts, struct err *e)
{
	struct told d;
	int rc;

	if (feed_schemas_sure(r, t, e) < 0)
		return -1;
	rc = told_init(&d, r, t, e);
	if (rc == 1 && (rc = told_add(r, &d, ts, e)) == 0) {
		left_out_after(&r->left, &d.t);
		if (t->ddl_left_out)
			left_out_add(&r->left, t->ddl_table_db, t->ddl_table, t->ddl_left_out);
		feed_sink_forget_tables(r->sink);
		feed_schemas_forget(r);
		rc = feed_ddls_push(r->ddls, ts, &d.t, e);
	}
	told_release(&d);
	return rc;
}

/* The secondary has everything up to and including the checkpoint, except perhaps a DDL with that
 * commitTs that was not executed yet. */
static int on_start_txn(struct feed_run *r, const struct binlog_txn *t, struct err *e)
{
	if (t->is_ddl && t->ddl_type && r->ddl_ts && t->gtid_seq == r->start_seq) {
		struct told d;
		int rc = told_init(&d, r, t, e);

		if (rc == 1)
			rc = feed_ddls_push(r->ddls, r->ddl_ts, &d.t, e);
		told_release(&d);
		if (rc < 0)
			return -1;
		feed_schemas_forget(r);
	}
	if (t->gtid_seq == r->start_seq && !t->more)
		r->ddl_ts = 0;
	return 0;
}

static int on_txn(struct feed_run *r, const struct binlog_txn *t, struct err *e)
{
	tso_t ts;
	int rc;

	if (t->gtid_seq <= r->read_seq)
		return on_start_txn(r, t, e);
	r->ddl_ts =
		0; /* the reader is past the checkpoint, or the primary does not have it any more */
	rc = wait_for_tso(r, t->gtid_seq, &ts, e);
	if (rc <= 0)
		return rc;
	if (t->ddl_elsewhere) {
		r->ddls_skipped++;
		feed_sink_forget_tables(r->sink);
		feed_schemas_forget(r);
	} else if (t->is_ddl && !t->ddl_type) {
		r->ddls_skipped++;
		feed_log("info", "skipped, does not change a user table: %.80s", t->ddl_query);
	} else if (t->is_ddl) {
		rc = on_ddl(r, t, ts, e);
		if (rc)
			return rc < 0 ? -1 : 0;
	} else {
		for (size_t i = 0; i < t->n_rows; i++) {
			t->rows[i].commit_ts = ts;
			t->rows[i].start_ts = ts - 1;
		}
		/* a huge transaction starts a log file of its own, so that its first part can be
		 * removed again */
		if (t->more && !r->partial && feed_flush(r, e) < 0)
			return -1;
		bool whole = !t->more && !r->partial;
		r->partial = t->more;
		size_t n = failpoint("feed.txn_dropped")
				   ? 0
				   : t->n_rows - (t->n_rows && failpoint("feed.row_dropped"));

		if (feed_add_rows(r, t->rows, n, whole, e) < 0 ||
		    feed_sink_push(r->sink, t->rows, n, e) < 0)
			return -1;
		struct feed_status *st = status_board_lock(r->board);
		st->rows += t->n_rows;
		st->transactions += !t->more;
		status_board_unlock(r->board);
	}
	if (!t->more)
		read_to(r, t->gtid_seq, ts);
	/* the rows after it wait for it */
	if (t->is_ddl && t->ddl_type && (feed_flush(r, e) < 0 || feed_meta(r, e) < 0))
		return -1;
	return feed_throttle(r, e);
}

/* The connection to the primary was lost: read again from after the last complete transaction. An
 * incomplete one is read again from its start: its rows are removed from the redo log, and the sink
 * applies them twice. */
static int reopen_source(struct feed_run *r, struct err *e)
{
	struct deadline d = deadline_in_ms(SOURCE_OUT_MS);
	struct err why = *e;

	feed_log("warn", "source: %s: reconnecting", e->text);
	status_board_waits(r->board, FEED_WAITER_SOURCE, e->text);
	binlog_close(r->binlog);
	r->binlog = NULL;
	if (r->partial && r->writer &&
	    (feed_flush(r, e) < 0 || feed_log_trim(r, r->read_ts, e) < 0))
		return -1;
	if (r->partial)
		feed_sink_read_again(r->sink);
	r->partial = false;
	while (!feed_stopping()) {
		if (feed_service(r, e) < 0)
			return -1;
		if (open_source(r, r->ddl_ts ? r->start_seq - 1 : r->read_seq, &why) == 0) {
			feed_log("info", "the source is back");
			return 0;
		}
		if (deadline_passed(d) || why.kind == ERR_NOT_FOUND) {
			*e = why;
			return err_wrap(e, "source lost");
		}
		feed_sleep_ms(100);
	}
	return 0;
}

/* What was at the checkpoint has run, or the secondary does not answer: then the log alone goes on.
 */
static bool is_at_work(struct feed_run *r)
{
	struct feed_ddls_state d = feed_ddls_state(r->ddls);

	return !r->ddl_ts && (d.why[0] || (d.ready && d.step == FEED_DDL_NONE));
}

static void become_normal(struct feed_run *r)
{
	feed_publish(r);
	status_board_lock(r->board)->state = FEED_NORMAL;
	status_board_unlock(r->board);
	feed_log("info", "normal");
}

static int feed_loop(struct feed_run *r, struct err *e)
{
	bool normal = false;

	while (!feed_stopping()) {
		if (!normal && is_at_work(r)) {
			become_normal(r);
			normal = true;
		}
		struct binlog_txn t;
		int64_t now = clock_mono_ns(), due = r->next_flush_ns < r->next_meta_ns
							     ? r->next_flush_ns
							     : r->next_meta_ns;
		int wait = due <= now             ? 0
			   : due - now > 20000000 ? 20
						  : (int)((due - now) / 1000000);
		int rc = binlog_next(r->binlog, wait, &t, e);

		if (rc < 0 && e->kind == ERR_GONE)
			rc = reopen_source(r, e);
		else if (rc == 1)
			rc = on_txn(r, &t, e);
		else if (rc == 0)
			feed_advance(r);
		if (rc < 0 || feed_service(r, e) < 0)
			return -1;
	}
	return 0;
}

static int all_applied(struct feed_run *r, struct err *e)
{
	int rc = feed_sink_drain(r->sink, 50, e);

	if (rc <= 0 || feed_service(r, e) < 0)
		return rc <= 0 ? rc : -1;
	return feed_ddls_state(r->ddls).step == FEED_DDL_NONE &&
	       feed_sink_progress(r->sink).checkpoint >= r->meta_resolved;
}

/* The orderly end: flush and publish everything that was read completely. */
static int feed_finish(struct feed_run *r, struct err *e)
{
	struct deadline d = deadline_in_ms(STOP_DRAIN_MS);
	int rc;

	feed_advance(r);
	if (feed_flush(r, e) < 0 || feed_meta(r, e) < 0)
		return -1;
	while ((rc = all_applied(r, e)) == 0)
		if (deadline_passed(d)) {
			feed_log("warn",
				 "the sink is not done after %d s: it continues from the "
				 "checkpoint next time",
				 STOP_DRAIN_MS / 1000);
			break;
		}
	if (rc < 0 || feed_meta(r, e) < 0)
		return -1;
	feed_publish(r);
	return 0;
}

/* Releases everything except the options and what the next start has to know. */
static void feed_close(struct feed_run *r)
{
	feed_ddls_free(r->ddls);
	feed_sink_free(r->sink);
	if (r->binlog)
		binlog_close(r->binlog);
	r->binlog = NULL;
	redo_writer_free(r->writer);
	store_free(r->store);
	tso_map_free(r->map);
	feed_schemas_forget(r);
	charsets_free(r->charsets);
	sql_close(r->control);
	sql_close(r->source);
	left_out_release(&r->left);
	strbuf_release(&r->frame);
}

static int feed_live(struct feed_run *r, struct err *e)
{
	r->left.board = r->board;
	if (feed_open(r, e) < 0)
		return -1;
	feed_publish(r);
	return feed_loop(r, e) < 0 ? -1 : feed_finish(r, e);
}

int feed_main(const struct feed_opts *o)
{
	struct feed_run r = { .o = *o, .frame = STRBUF_INIT };
	struct sigaction stop = { .sa_handler = on_stop }, ignore = { .sa_handler = SIG_IGN };
	struct err e = ERR_INIT;
	int rc = -1;

	feed_log_start();
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	/* a few threads with many short-lived buffers: one malloc arena for each would only waste
	 * memory */
	mallopt(M_ARENA_MAX, 2);
	if (feed_opts_check(&r.o, &e) < 0) {
		feed_log("error", "%s", e.text);
		return err_exit_code(&e);
	}
	feed_opts_defaults(&r.o);
	feed_sink_bears_bdr(r.o.bdr);
	r.board = status_board_start(r.o.status_path, &e);
	if (!r.board) {
		feed_log("error", "%s", e.text);
		return 3;
	}
	while ((rc = feed_live(&r, &e)) < 0 && r.again) {
		struct feed_run next = { .o = r.o,
					 .board = r.board,
					 .unsure = r.unsure,
					 .n_unsure = r.n_unsure,
					 .frame = STRBUF_INIT };

		feed_log("warn", "%s", e.text);
		feed_close(&r);
		r = next;
		e = (struct err)ERR_INIT;
	}
	if (rc < 0 && e.code == SAME_ID)
		err_set(&e, ERR_ENV, SAME_ID,
			"another feed with the ID %s was started and has taken over: only one "
			"can run",
			r.o.id);
	feed_log("info", "end: %" PRIu64 " statements skipped", r.ddls_skipped);
	if (rc < 0)
		feed_log("error", "%s", e.text);
	struct feed_status *st = status_board_lock(r.board);
	st->state = rc < 0 ? FEED_FAILED : FEED_STOPPED;
	if (rc < 0)
		snprintf(st->error, sizeof(st->error), "%s", e.text);
	status_board_unlock(r.board);
	status_board_stop(r.board);
	feed_close(&r);
	feed_schemas_free(&r);
	return rc < 0 ? 1 : 0;
}
