#include "harness/redo/replay.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/redo/ddl_progress.h"
#include "harness/redo/merge.h"
#include "harness/redo/reader.h"
#include "harness/redo/sink.h"

#define MEMORY_DEFAULT ((size_t)256 << 20)
#define MEMORY_MIN ((size_t)16 << 20)
#define WORKERS_DEFAULT 8
#define WORKERS_MAX 256
#define FENCE_MS 60000
#define PROGRESS_NS 200000000
#define OWNER "replay"

struct owned_ddl {
	struct redo_ddl d; /* its text is ours */
	bool skip;         /* done by an earlier replay */
};

struct replay {
	struct store *log;
	const struct replay_opts *o;
	struct replay_stats *st;
	struct redo_meta meta;
	struct owned_ddl *ddls;
	size_t n_ddls;
	struct merge *merge;
	tso_t last_start; /* transactions are counted by runs of equal startTs: exact where a file is ordered */
	uint64_t *txns;   /* hash set of start ts */
	size_t n_txns, txn_slots;
	int64_t told_ns;
	char log_id[190];
	struct {
		struct sink *s;
		uint64_t *count;
	} out;
};

static void tell(struct replay *r, bool now)
{
	int64_t t = clock_mono_ns();

	if (!r->o->progress || (!now && t - r->told_ns < PROGRESS_NS))
		return;
	r->told_ns = t;
	r->o->progress(r->o->progress_arg, r->st);
}

static struct redo_bytes own(struct redo_bytes s)
{
	return (struct redo_bytes){ xstrndup(s.p, s.n), s.n };
}

static int take_ddl(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct replay *r = arg;
	struct redo_ddl d;

	if (ev->kind != REDO_DDL)
		return err_set(e, ERR_BAD_DATA, 0, "offset %" PRIu64 ": a row in a DDL file", offset);
	d = ev->ddl;
	if (d.commit_ts < r->meta.checkpoint_ts || d.commit_ts > r->st->point)
		return 0;
	for (size_t i = 0; i < r->n_ddls; i++) /* the same file twice under two names is harmless */
		if (r->ddls[i].d.commit_ts == d.commit_ts && r->ddls[i].d.seq == d.seq && r->ddls[i].d.query.n == d.query.n &&
		    !memcmp(r->ddls[i].d.query.p, d.query.p, d.query.n))
			return 0;
	d.query = own(d.query);
	d.table.db = own(d.table.db);
	d.table.table = own(d.table.table);
	r->ddls = xreallocarray(r->ddls, r->n_ddls + 1, sizeof(*r->ddls));
	r->ddls[r->n_ddls++] = (struct owned_ddl){ .d = d };
	return 0;
}

static int by_ts_and_seq(const void *x, const void *y)
{
	const struct redo_ddl *a = &((const struct owned_ddl *)x)->d, *b = &((const struct owned_ddl *)y)->d;

	if (a->commit_ts != b->commit_ts)
		return a->commit_ts < b->commit_ts ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* The number of DDLs before a row: a row with a DDL's own commitTs goes before it. */
static uint32_t epoch_of(const struct replay *r, tso_t ts)
{
	size_t lo = 0, hi = r->n_ddls;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->ddls[mid].d.commit_ts >= ts)
			hi = mid;
		else
			lo = mid + 1;
	}
	return (uint32_t)lo;
}

static void count_txn(struct replay *r, tso_t start)
{
	size_t at;

	if (start == r->last_start)
		return;
	r->last_start = start;
	if ((r->n_txns + 1) * 2 > r->txn_slots) {
		size_t old_n = r->txn_slots;
		uint64_t *old = r->txns;

		if (old_n >= (size_t)1 << 22) { /* 4 million: counted by runs from here on, the memory is for keys */
			r->st->transactions++;
			return;
		}
		r->txn_slots = old_n ? old_n * 2 : 1024;
		r->txns = xcalloc(r->txn_slots, sizeof(*r->txns));
		for (size_t i = 0; i < old_n; i++)
			if (old[i]) {
				at = (size_t)((old[i] * 0x9e3779b97f4a7c15u) >> 20) & (r->txn_slots - 1);
				while (r->txns[at])
					at = (at + 1) & (r->txn_slots - 1);
				r->txns[at] = old[i];
			}
		free(old);
	}
	at = (size_t)((start * 0x9e3779b97f4a7c15u) >> 20) & (r->txn_slots - 1);
	while (r->txns[at] && r->txns[at] != start)
		at = (at + 1) & (r->txn_slots - 1);
	if (!r->txns[at]) {
		r->txns[at] = start;
		r->n_txns++;
		r->st->transactions++;
	}
}

static int take_row(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct replay *r = arg;

	if (ev->kind != REDO_ROW)
		return err_set(e, ERR_BAD_DATA, 0, "offset %" PRIu64 ": a DDL in a row file", offset);
	if (ev->row.commit_ts <= r->meta.checkpoint_ts || ev->row.commit_ts > r->st->point)
		return 0;
	r->st->rows++;
	count_txn(r, ev->row.start_ts);
	if ((r->st->rows & 1023) == 0) {
		tell(r, false);
		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
	}
	return merge_add(r->merge, epoch_of(r, ev->row.commit_ts), &ev->row, e);
}

/* Reads the files of one kind. A file that is gone is fine when the log has moved on past it, a gap otherwise. */
static int read_files(struct replay *r, enum redo_file_kind kind, const struct redo_files *files, struct err *e)
{
	tso_t after = kind == REDO_FILE_ROW ? r->meta.checkpoint_ts : r->meta.checkpoint_ts - 1;

	for (size_t i = 0; i < files->n; i++) {
		const struct redo_file *f = &files->f[i];
		struct redo_parse_result res;
		struct err why = ERR_INIT;

		if (f->name.kind != kind || (!f->name.tmp && f->name.max_commit_ts <= after))
			continue;
		if (!f->size_bytes) {
			r->st->files++;
			continue;
		}
		if (redo_read_file(r->log, f, kind == REDO_FILE_ROW ? take_row : take_ddl, r, &res, &why) < 0) {
			struct redo_meta now;

			if (why.kind == ERR_NOT_FOUND && redo_read_meta(r->log, &now, e) == 0 && f->name.max_commit_ts <= now.checkpoint_ts)
				continue;
			if (e)
				*e = why;
			return -1;
		}
		r->st->files++;
		r->st->bytes += res.bytes;
		tell(r, false);
	}
	return 0;
}

static int write_batch(void *arg, const struct merge_change *c, size_t n, struct err *e)
{
	struct replay *r = arg;

	if (sink_write(r->out.s, c, n, e) < 0)
		return -1;
	*r->out.count += n;
	tell(r, false);
	return 0;
}

/* All deletes of an epoch, and only then all puts (design: a collation may hold 'a' and 'A' for one key, a unique value may move). */
static int write_epoch(struct replay *r, struct sink *s, uint32_t epoch, struct err *e)
{
	r->out.s = s;
	r->out.count = &r->st->deletes;
	if (merge_each(r->merge, epoch, false, write_batch, r, e) < 0)
		return -1;
	r->out.count = &r->st->puts;
	return merge_each(r->merge, epoch, true, write_batch, r, e);
}

static int write_all(struct replay *r, struct sink *s, struct sql *control, struct err *e)
{
	for (size_t i = 0; i <= r->n_ddls; i++) {
		struct owned_ddl *d = i < r->n_ddls ? &r->ddls[i] : NULL;
		struct ddl_point p;
		bool skipped;

		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
		if (d && d->skip)
			continue; /* it, and the rows before it, were written by an earlier replay */
		if (write_epoch(r, s, (uint32_t)i, e) < 0)
			return -1;
		if (!d)
			continue;
		p = (struct ddl_point){ d->d.commit_ts, d->d.seq };
		if (ddl_progress_intent(control, r->log_id, p, e) < 0 || ddl_run(control, &d->d, &skipped, e) < 0 ||
		    ddl_progress_done(control, r->log_id, p, e) < 0)
			return -1;
		r->st->ddls++;
	}
	return 0;
}

/* Files of merges that were killed: their process is gone. */
static void sweep(const char *tmp_dir)
{
	DIR *d = opendir(tmp_dir);
	struct dirent *ent;
	int pid, part;

	while (d && (ent = readdir(d)))
		if (sscanf(ent->d_name, "drtest-merge-%d-%d", &pid, &part) == 2 && pid != (int)getpid() && kill(pid, 0) < 0) {
			char *path = xstrfmt("%s/%s", tmp_dir, ent->d_name);

			unlink(path);
			free(path);
		}
	if (d)
		closedir(d);
}

static int settle_progress(struct replay *r, struct sql *control, struct err *e)
{
	struct ddl_point done;

	if (!r->n_ddls)
		return 0;
	if (ddl_progress_read(control, r->log_id, &done, e) < 0)
		return -1;
	for (size_t i = 0; i < r->n_ddls; i++) {
		const struct redo_ddl *d = &r->ddls[i].d;

		r->ddls[i].skip = d->commit_ts < done.commit_ts || (d->commit_ts == done.commit_ts && d->seq <= done.seq);
	}
	return 0;
}

int replay_run(struct store *log, const struct replay_opts *o, struct replay_stats *st, struct err *e)
{
	struct replay r = { .log = log, .o = o, .st = st };
	const char *tmp = o->tmp_dir ? o->tmp_dir : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	size_t memory = o->memory_bytes ? o->memory_bytes : MEMORY_DEFAULT;
	struct sink_opts so = { .to = o->sink, .workers = o->workers ? o->workers : WORKERS_DEFAULT,
		                .time_zone = o->time_zone ? o->time_zone : "+00:00", .owner = OWNER };
	struct redo_files files = { 0 };
	struct sql *control = NULL;
	struct sink *sink = NULL;
	int64_t begun = clock_mono_ns(), at;
	int rc = -1;

	memset(st, 0, sizeof(*st));
	if (so.workers > WORKERS_MAX)
		return err_set(e, ERR_USAGE, 0, "%u workers: at most %d", so.workers, WORKERS_MAX);
	if (memory < MEMORY_MIN)
		return err_set(e, ERR_USAGE, 0, "a memory budget of %zu bytes: at least 16 MiB", memory);
	/* Meta first, then the list, then the files: what meta promises is in the list. */
	if (redo_read_meta(log, &r.meta, e) < 0 || redo_list_files(log, &files, e) < 0)
		goto out;
	st->checkpoint_ts = r.meta.checkpoint_ts;
	st->resolved_ts = r.meta.resolved_ts;
	st->point = r.meta.resolved_ts;
	if (o->until) {
		if (o->until > r.meta.resolved_ts || o->until < r.meta.checkpoint_ts) {
			err_set(e, ERR_USAGE, 0, "--until %" PRIu64 ": the log can be replayed to points from %" PRIu64 " to %" PRIu64, o->until,
			        r.meta.checkpoint_ts, r.meta.resolved_ts);
			goto out;
		}
		st->point = o->until;
	}
	st->files_total = files.n;
	snprintf(r.log_id, sizeof(r.log_id), "%.90s/%.90s", files.n ? files.f[0].name.name_space : "", files.n ? files.f[0].name.changefeed : "");
	sweep(tmp);
	r.merge = merge_new(memory - memory / 4, tmp); /* the rest: sort arrays, statements, decoder */
	if (read_files(&r, REDO_FILE_DDL, &files, e) < 0)
		goto out;
	if (r.n_ddls)
		qsort(r.ddls, r.n_ddls, sizeof(*r.ddls), by_ts_and_seq);
	at = clock_mono_ns();
	if (read_files(&r, REDO_FILE_ROW, &files, e) < 0)
		goto out;
	st->keys = merge_keys(r.merge);
	st->read_us = (clock_mono_ns() - at) / 1000;
	if (o->dry_run) {
		st->ddls = r.n_ddls;
		rc = 0;
		goto out;
	}
	/* The whole log is read and judged before the first write: a file that is cut or damaged is refused here. */
	at = clock_mono_ns();
	control = sink_session(&so, e);
	if (!control || fence_kill(control, NULL, deadline_in_ms(FENCE_MS), &st->fenced, e) < 0 || settle_progress(&r, control, e) < 0)
		goto out;
	st->fence_us = (clock_mono_ns() - at) / 1000;
	at = clock_mono_ns();
	sink = sink_open(&so, e);
	if (!sink || write_all(&r, sink, control, e) < 0)
		goto out;
	st->write_us = (clock_mono_ns() - at) / 1000;
	rc = 0;
out:
	st->total_us = (clock_mono_ns() - begun) / 1000;
	tell(&r, true);
	sink_close(sink);
	sql_close(control);
	merge_free(r.merge);
	redo_files_release(&files);
	for (size_t i = 0; i < r.n_ddls; i++) {
		free((char *)r.ddls[i].d.query.p);
		free((char *)r.ddls[i].d.table.db.p);
		free((char *)r.ddls[i].d.table.table.p);
	}
	free(r.ddls);
	free(r.txns);
	return rc;
}
