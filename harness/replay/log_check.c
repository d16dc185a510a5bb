#include "harness/replay/log_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/replay/ddl_judge.h"
#include "harness/replay/replay_read.h"
#include "harness/redo/scan.h"

#define LINES_MAX 50 /* of one kind */
#define TXN_SLOTS ((size_t)1 << 22)
#define OUTLOOK_START_MS 500
#define META_LOOKS 10
#define META_PAUSE_MS 20

struct check {
	const struct redo_check_opts *o;
	struct redo_check_result *res;
	struct store *s;
	tso_t max_ts; /* of the file that is being read */
	struct {
		tso_t start, commit;
	} * txn; /* each transaction's commitTs: open addressing */
	size_t n_txn, txn_slots;
	uint64_t torn_txns, commit_order_faults, misfits;
	bool rows, truncated;
	bool several; /* changefeeds */
	bool removed; /* the changefeed was */
};

static void find(struct check *c, enum redo_finding what, uint64_t nth, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void find(struct check *c, enum redo_finding what, uint64_t nth, const char *fmt, ...)
{
	struct strbuf line = STRBUF_INIT;
	va_list ap;

	if (what == REDO_BROKEN)
		c->res->broken++;
	else
		c->res->notes++;
	if (nth > LINES_MAX || !c->o->finding)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&line, fmt, ap);
	va_end(ap);
	c->o->finding(c->o->arg, what, line.buf);
	strbuf_release(&line);
}

/* ---- whose files ---- */

static size_t without_meta(const struct redo_feeds *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		n += all->f[i].has_files && !all->f[i].has_meta;
	return n;
}

static int find_owner(struct check *c, struct err *e)
{
	struct redo_feeds all = { 0 };
	int rc;

	/* A live owner replaces its meta every 200 ms, and no list is taken in one instant: look
	 * again before anything is said. */
	for (int i = 0;; i++) {
		redo_feeds_release(&all);
		rc = redo_list_feeds(c->s, &all, e);
		if (rc < 0 || !without_meta(&all) || i + 1 == META_LOOKS ||
		    pause_ms(META_PAUSE_MS, deadline_in_ms(60000)) < 0)
			break;
	}
	for (size_t i = 0; i < all.n && rc == 0; i++)
		if (all.f[i].has_files && !all.f[i].has_meta)
			find(c, REDO_BROKEN, 1,
			     "the files of changefeed %s/%s (capture %s) have no meta",
			     all.f[i].name_space, all.f[i].changefeed, all.f[i].capture);
	if (all.n > 1)
		find(c, REDO_BROKEN, 1,
		     "files of %zu changefeeds, %s/%s and %s/%s%s, under one prefix would be "
		     "replayed together",
		     all.n, all.f[0].name_space, all.f[0].changefeed, all.f[1].name_space,
		     all.f[1].changefeed, all.n > 2 ? ", ..." : "");
	for (size_t i = 0; i < all.n && rc == 0; i++) {
		struct err why = ERR_INIT;

		if (redo_feed_removed(c->s, &all, &all.f[i], &why) < 0) {
			c->removed = true;
			find(c, REDO_BROKEN, 1, "%s", why.text);
		}
	}
	c->several = all.n > 1;
	redo_feeds_release(&all);
	return rc;
}

/* ---- the files, one by one ---- */

static int begin(void *arg, const struct redo_meta *meta, const struct redo_files *files,
		 struct err *e)
{
	struct check *c = arg;

	(void)files;
	(void)e;
	memset(c->res, 0, sizeof(*c->res));
	c->res->meta = *meta;
	c->max_ts = 0;
	c->rows = c->truncated = false;
	c->n_txn = c->torn_txns = c->commit_order_faults = c->misfits = 0;
	free(c->txn);
	c->txn = NULL;
	c->txn_slots = 0;
	return 0;
}

static int ddls_done(void *arg, struct err *e)
{
	(void)e;
	((struct check *)arg)->rows = true;
	return 0;
}

static size_t txn_at(const struct check *c, tso_t start)
{
	size_t at = (size_t)((start * 0x9e3779b97f4a7c15u) >> 20) & (c->txn_slots - 1);

	while (c->txn[at].start && c->txn[at].start != start)
		at = (at + 1) & (c->txn_slots - 1);
	return at;
}

static void count_txn(struct check *c, const struct redo_row *r)
{
	size_t at;

	if ((c->n_txn + 1) * 2 > c->txn_slots) {
		struct check old = *c;

		if (c->txn_slots >= TXN_SLOTS) {
			c->truncated = true;
			return;
		}
		c->txn_slots = c->txn_slots ? c->txn_slots * 2 : 1024;
		c->txn = xcalloc(c->txn_slots, sizeof(*c->txn));
		for (size_t i = 0; i < old.txn_slots; i++)
			if (old.txn[i].start)
				c->txn[txn_at(c, old.txn[i].start)] = old.txn[i];
		free(old.txn);
	}
	at = txn_at(c, r->start_ts);
	if (!c->txn[at].start) {
		c->txn[at].start = r->start_ts;
		c->txn[at].commit = r->commit_ts;
		c->n_txn++;
		c->res->transactions++;
	} else if (c->txn[at].commit != r->commit_ts) {
		find(c, REDO_BROKEN, ++c->torn_txns,
		     "the transaction of startTs %" PRIu64 " has two commitTs: %" PRIu64
		     " and %" PRIu64,
		     r->start_ts, c->txn[at].commit, r->commit_ts);
	}
}

static int check_event(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct check *c = arg;
	tso_t start = ev->kind == REDO_ROW ? ev->row.start_ts : ev->ddl.start_ts,
	      ts = ev->kind == REDO_ROW ? ev->row.commit_ts : ev->ddl.commit_ts;

	if (clock_cancelled())
		return err_set(e, ERR_CANCELLED, 0, "interrupted");
	if (ts > c->max_ts)
		c->max_ts = ts;
	if (!c->res->first_ts || ts < c->res->first_ts)
		c->res->first_ts = ts;
	if (ts > c->res->last_ts)
		c->res->last_ts = ts;
	if (start >= ts)
		find(c, REDO_BROKEN, ++c->commit_order_faults,
		     "offset %" PRIu64 ": startTs %" PRIu64 " is not before commitTs %" PRIu64,
		     offset, start, ts);
	if (c->rows != (ev->kind == REDO_ROW))
		find(c, REDO_BROKEN, ++c->misfits, "offset %" PRIu64 ": %s", offset,
		     c->rows ? "a DDL in a row file" : "a row in a DDL file");
	if (ev->kind == REDO_DDL) {
		c->res->ddls++;
		return 0;
	}
	c->res->rows++;
	c->res->rows_before += ts <= c->res->meta.checkpoint_ts;
	c->res->rows_beyond += ts > c->res->meta.resolved_ts;
	if (start)
		count_txn(c, &ev->row);
	return 0;
}

static int file_done(void *arg, const struct redo_scan_file *f, struct err *e)
{
	struct check *c = arg;
	const struct redo_name *name = &f->file->name;

	(void)e;
	if (f->why && !f->file->size_bytes && !f->res.bytes) { /* it is not there */
		find(c, REDO_BROKEN, 1, "%s", f->why->text);
		return 0;
	}
	c->res->files++;
	c->res->bytes += f->file->size_bytes;
	c->res->with_sidecar += f->file->sidecar;
	c->res->tmp_files += name->tmp;
	if (f->why)
		find(c, REDO_BROKEN, 1, "%s", f->why->text);
	else if (f->res.torn)
		find(c, REDO_NOTE, 1,
		     "%s: ends within a record, at offset %" PRIu64
		     ", as a killed writer leaves it",
		     f->file->key, f->res.torn_at);
	if (!f->why && !f->res.records && !name->tmp)
		find(c, REDO_NOTE, 1, "%s: has no record", f->file->key);
	if (!f->why && !name->tmp && f->res.records && c->max_ts != name->max_commit_ts)
		find(c, REDO_BROKEN, 1,
		     "%s: the largest commitTs in it is %" PRIu64 ", not the one in its name, "
		     "which readers and garbage collection rely on",
		     f->file->key, c->max_ts);
	c->max_ts = 0;
	return 0;
}

/* ---- the chain ---- */

static void image_chain_line(void *arg, const char *line)
{
	struct check *c = arg;

	/* said already */
	if (strncmp(line, "left out: ", 10) != 0 && strncmp(line, "doubtful: ", 10) != 0)
		find(c, REDO_BROKEN, 1, "%s", line);
}

static void image_chain_warning(void *arg, const char *line)
{
	find(arg, REDO_NOTE, 1, "%s", line);
}

static int check_chain(struct check *c, struct err *e)
{
	struct replay_opts o = { .tmp_dir = c->o->tmp_dir,
				 .memory_bytes = c->o->memory_bytes,
				 .allow_gap = true,
				 .dry_run = true,
				 .force = true,
				 .note = image_chain_line,
				 .warn = image_chain_warning,
				 .report_arg = c };
	struct replay_stats st = { 0 };
	struct collected got = { 0 };
	int rc;

	o.tmp_dir = o.tmp_dir ? o.tmp_dir : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	o.memory_bytes = o.memory_bytes ? o.memory_bytes : (size_t)256 << 20;
	rc = replay_read(&got, c->s, NULL, &o, &st, e);
	c->res->keys = st.keys;
	collected_release(&got);
	return rc;
}

int redo_check(struct store *s, const struct redo_check_opts *o, struct redo_check_result *res,
	       struct err *e)
{
	struct check c = { .o = o, .res = res, .s = s };
	struct redo_scan scan = { .begin = begin,
				  .ddls_done = ddls_done,
				  .event = check_event,
				  .file_done = file_done,
				  .arg = &c,
				  .old_files = true,
				  .no_meta = true,
				  .any_feed = true,
				  .allow_gap = true };
	int rc = -1;

	memset(res, 0, sizeof(*res));
	if (redo_scan(s, &scan, e) < 0 || find_owner(&c, e) < 0)
		goto out;
	if (res->meta.resolved_ts == UINT64_MAX)
		find(&c, REDO_BROKEN, 1,
		     "the log has no meta, which would say what range can be replayed");
	else if (!c.several && !c.removed && check_chain(&c, e) < 0)
		goto out;
	if (res->rows_beyond)
		find(&c, REDO_NOTE, 1,
		     "%" PRIu64 " rows are after resolvedTs and not yet complete: a replay leaves "
		     "them out",
		     res->rows_beyond);
	if (!res->files)
		find(&c, REDO_NOTE, 1, "no log files: nothing to replay");
	if (c.truncated)
		find(&c, REDO_NOTE, 1,
		     "more transactions than fit in memory: after the first %zu, the check for "
		     "two commitTs per transaction is skipped",
		     c.n_txn);
	rc = 0;
out:
	free(c.txn);
	return rc;
}

static int find_hole(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct redo_outlook *out = arg;
	struct strbuf line = STRBUF_INIT;

	(void)offset;
	(void)e;
	if (ev->kind != REDO_DDL || ev->ddl.commit_ts < out->meta.checkpoint_ts ||
	    ev->ddl.commit_ts >= out->meta.resolved_ts || !ddl_makes_tables(&ev->ddl))
		return 0;
	ddl_hole_text(&ev->ddl, &line);
	if (!out->holes++)
		snprintf(out->hole, sizeof(out->hole), "%s", line.buf);
	strbuf_release(&line);
	return 0;
}

/* A file that went meanwhile, or is not whole yet, is another look's. */
static int holes_in(struct store *s, const struct redo_file *f, struct redo_outlook *out,
		    struct err *e)
{
	struct redo_parse_result r;
	struct err why = ERR_INIT;

	if (redo_read_file(s, f, find_hole, out, &r, &why) == 0 || why.kind == ERR_NOT_FOUND ||
	    why.kind == ERR_BAD_DATA)
		return 0;
	if (e)
		*e = why;
	return -1;
}

int redo_outlook(struct store *s, struct redo_outlook *out, struct err *e)
{
	struct redo_files files;
	int64_t now = clock_wall_ms();
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (redo_look(s, false, &out->meta, &files, e) < 0)
		return -1;
	rc = redo_files_whole(s, &out->meta, &files, e);
	out->loss_ms =
		now > tso_ms(out->meta.resolved_ts) ? now - tso_ms(out->meta.resolved_ts) : 0;
	for (size_t i = 0; i < files.n && rc == 0; i++) {
		const struct redo_file *f = &files.f[i];

		if (!f->name.tmp && f->name.max_commit_ts < out->meta.checkpoint_ts +
								    (f->name.kind == REDO_FILE_ROW))
			continue;
		out->files++;
		out->bytes += f->size_bytes;
		if (f->name.kind == REDO_FILE_DDL && !f->sidecar && !out->meta.version)
			rc = holes_in(s, f, out, e);
	}
	out->unmoved = !files.n && out->meta.resolved_ts == out->meta.checkpoint_ts;
	out->replay_ms =
		OUTLOOK_START_MS + (int64_t)(out->bytes / (REDO_OUTLOOK_BYTES_PER_S / 1000));
	redo_files_release(&files);
	return rc;
}
