#include "harness/replay/replay_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/failpoint.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/replay/ddl_judge.h"
#include "harness/replay/ddl_order.h"
#include "harness/replay/image_chain.h"
#include "harness/redo/codec.h"
#include "harness/redo/record_check.h"
#include "harness/redo/scan.h"
#include "harness/sql/ddl/ddl_once.h"
#include "harness/sql/ddl/lex.h"
#include "harness/sql/schema.h"

#define PROGRESS_NS 200000000
#define WARNINGS_TOLD_MAX 50
#define BREAKS_TOLD_MAX 20
#define BEGINNINGS_MAX 20
#define FUTURE_MS 86400000 /* what clocks may differ by */

struct reading {
	struct collected *c;
	const struct replay_opts *o;
	const struct ddl_ts *floors; /* NULL: none */
	struct replay_stats *st;
	struct image_chain *chain; /* the second pass: only the changes of suspects */
	bool beyond;               /* the image chain of changes around the point */
	/* checkpointTs advanced between the passes: files of the first pass may be deleted by now
	 */
	bool moved;
	/* count transactions as runs of equal startTs, which is exact for sorted files */
	tso_t last_start;
	struct seen_txn {
		tso_t start, commit;
	} * txns; /* a hash table by startTs, with open addressing */
	size_t n_txns, txn_slots;
	int64_t told_ns;
	bool rows;                  /* all DDL files have been read */
	struct record_check *check; /* NULL: sidecars tell whether a record was altered */
	uint64_t doubts;
	tso_t file_max;   /* the largest commitTs of the current file */
	tso_t ddl_behind; /* the first DDL after the point; 0: none */
};

static void report_progress(struct reading *r, bool now)
{
	int64_t t = clock_mono_ns();

	if (!r->o->progress || (!now && t - r->told_ns < PROGRESS_NS))
		return;
	r->told_ns = t;
	r->o->progress(r->o->progress_arg, r->st);
}

static void note(const struct reading *r, const char *line)
{
	if (r->o->note)
		r->o->note(r->o->report_arg, line);
}

static void ddls_free(struct collected *c)
{
	for (size_t i = 0; i < c->n_ddls; i++) {
		free((char *)c->ddls[i].d.query.p);
		free((char *)c->ddls[i].d.table.db.p);
		free((char *)c->ddls[i].d.table.table.p);
		free((char *)c->ddls[i].d.session.p);
	}
	free(c->ddls);
	c->ddls = NULL;
	c->n_ddls = 0;
}

static void tables_free(struct collected *c)
{
	for (size_t i = 0; i < c->n_tables; i++) {
		free((char *)c->tables[i].db);
		free((char *)c->tables[i].table);
	}
	free(c->tables);
	c->tables = NULL;
	c->n_tables = c->last_table = 0;
}

static void counters_free(struct collected *c)
{
	for (size_t i = 0; i < c->n_counters; i++) {
		free(c->counters[i].db);
		free(c->counters[i].table);
		free(c->counters[i].column);
	}
	free(c->counters);
	c->counters = NULL;
	c->n_counters = c->next_counter = 0;
}

uint64_t collected_counter(const struct collected *c, const char *db, const char *table,
			   const char *column)
{
	uint64_t alike = 0; /* the secondary may spell it otherwise */

	for (size_t i = 0; i < c->n_counters; i++) {
		const struct counter *at = &c->counters[i];

		if (strcasecmp(at->db, db) || strcasecmp(at->table, table) ||
		    strcasecmp(at->column, column))
			continue;
		if (!strcmp(at->db, db) && !strcmp(at->table, table))
			return at->highest;
		alike = at->highest;
	}
	return alike;
}

static bool is_text(const char *text, struct redo_bytes b)
{
	return !strncmp(text, b.p, b.n) && !text[b.n];
}

static struct counter *counter_of(struct collected *c, const struct redo_table *t,
				  struct redo_bytes column)
{
	/* rows of a table usually come one after another */
	for (size_t n = 0, i = c->next_counter; n < c->n_counters; n++, i = (i + 1) % c->n_counters)
		if (is_text(c->counters[i].column, column) &&
		    is_text(c->counters[i].table, t->table) && is_text(c->counters[i].db, t->db)) {
			c->next_counter = i;
			return &c->counters[i];
		}
	c->counters = xreallocarray(c->counters, c->n_counters + 1, sizeof(*c->counters));
	c->counters[c->n_counters] =
		(struct counter){ xstrndup(t->db.p, t->db.n), xstrndup(t->table.p, t->table.n),
				  xstrndup(column.p, column.n), 0 };
	return &c->counters[c->n_counters++];
}

/* An AUTO_INCREMENT column is an integer; only the secondary knows which column it is. */
static void count_ids(struct collected *c, const struct redo_row *r)
{
	for (uint32_t i = 0; i < r->n_columns; i++) {
		const struct redo_column *col = &r->columns[i];
		double d = col->value.kind == REDO_F32   ? (double)col->value.f32
			   : col->value.kind == REDO_F64 ? col->value.f64
							 : 0;
		struct counter *at;
		uint64_t v;

		if (col->absent || col->value.kind == REDO_NULL || col->value.kind == REDO_STR ||
		    col->value.kind == REDO_BIN || col->type == COL_ENUM || col->type == COL_SET ||
		    col->type == COL_BIT || col->type == COL_YEAR)
			continue;
		v = d > 0 && d < 9e15 ? (uint64_t)(d + 0.5) : 0;
		if (col->value.kind == REDO_UINT ||
		    (col->value.kind == REDO_INT && col->value.i > 0))
			v = col->value.u;
		at = counter_of(c, &r->table, col->name);
		at->highest = v > at->highest ? v : at->highest;
	}
}

void collected_release(struct collected *c)
{
	counters_free(c);
	merge_free(c->merge);
	merge_free(c->back);
	merge_free(c->around);
	commit_order_free(c->order);
	row_sample_free(c->sample);
	c->sample = NULL;
	c->merge = c->back = c->around = NULL;
	c->order = NULL;
	ddls_free(c);
	tables_free(c);
}

static void log_id(const struct redo_files *files, char out[190])
{
	ddl_owner(out, files->n ? files->f[0].name.name_space : "",
		  files->n ? files->f[0].name.changefeed : "");
}

int collect_log_id(struct store *log, char out[190], struct err *e)
{
	struct redo_files files;

	if (redo_list_files(log, &files, e) < 0)
		return -1;
	log_id(&files, out);
	redo_files_release(&files);
	return 0;
}

/* Fails for a log that `redo check` calls broken; with allow_gap only warns. *e has the reason.
 * whole: `redo check` judges the whole log by it, and has said so already. */
static int judge_doubtful(struct reading *r, bool whole, struct err *e)
{
	if (!r->o->allow_gap)
		return err_wrap(e, "the log is damaged (--allow-gap replays what is there)");
	if (r->doubts++ < BREAKS_TOLD_MAX) {
		if (whole)
			err_wrap(e, "doubtful");
		note(r, e->text);
	}
	*e = (struct err)ERR_INIT;
	return 0;
}

static int begin(void *arg, const struct redo_meta *meta, const struct redo_files *files,
		 struct err *e)
{
	struct reading *r = arg;
	struct replay_stats *st = r->st;
	const char *tmp = r->o->tmp_dir;
	size_t memory = r->o->memory_bytes;
	bool sidecars = false;

	collected_release(r->c);
	r->c->meta = *meta;
	r->c->foreign = r->rows = false;
	r->last_start = r->file_max = r->ddl_behind = 0;
	r->n_txns = r->txn_slots = 0;
	free(r->txns);
	r->txns = NULL;
	st->checkpoint_ts = meta->checkpoint_ts;
	st->resolved_ts = st->point = meta->resolved_ts;
	st->files = st->bytes = st->bytes_stored = st->bytes_total = st->rows = st->transactions =
		st->left_out = st->first_ts = st->last_ts = 0;
	st->files_total = 0;
	if (r->o->until) {
		if (r->o->until > meta->resolved_ts || r->o->until < meta->checkpoint_ts)
			return err_set(e, ERR_USAGE, 0,
				       "--until %" PRIu64
				       ": the log can be replayed to points from %" PRIu64
				       " to %" PRIu64,
				       r->o->until, meta->checkpoint_ts, meta->resolved_ts);
		st->point = r->o->until;
		for (size_t i = 0; r->floors && i < r->floors->n; i++)
			if (r->floors->f[i].ts > st->point)
				return err_set(
					e, ERR_UNSUPPORTED, 0,
					"--until %" PRIu64
					": TiCDC has executed a DDL at commitTs %" PRIu64
					" on the secondary, which cannot be taken back: use that or a later point",
					r->o->until, r->floors->f[i].ts);
	}
	for (size_t i = 0; i < files->n; i++) {
		const struct redo_file *f = &files->f[i];

		if (!f->name.tmp &&
		    f->name.max_commit_ts < meta->checkpoint_ts + (f->name.kind == REDO_FILE_ROW))
			continue;
		st->files_total++;
		st->bytes_total += f->size_bytes;
		r->c->foreign = r->c->foreign || !f->sidecar;
	}
	if (tso_ms(meta->resolved_ts) > clock_wall_ms() + FUTURE_MS &&
	    (err_set(e, ERR_BAD_DATA, 0,
		     "resolvedTs %" PRIu64
		     " is more than a day after this machine's clock: the meta is damaged, or the "
		     "clock is wrong",
		     meta->resolved_ts),
	     judge_doubtful(r, false, e) < 0))
		return -1;
	for (size_t i = 0; i < files->n && !sidecars; i++)
		sidecars = files->f[i].sidecar;
	record_check_free(r->check);
	r->check = sidecars ? NULL : record_check_new();
	log_id(files, r->c->log_id);
	/* the rest is for sort arrays, statements, the decoder and downloads */
	if (r->o->mode == REPLAY_TXN)
		r->c->order = commit_order_new(memory / 2, tmp);
	if (r->o->doubt_server && !r->o->until && !r->o->dry_run)
		r->c->sample = row_sample_new();
	memory = r->o->mode == REPLAY_TXN ? memory / 4 : memory - memory / 4;
	if (st->point < meta->resolved_ts) {
		r->c->back = merge_new(memory /= 3, tmp);
		r->c->around = merge_new(memory, tmp);
	}
	r->c->merge = merge_new(memory, tmp);
	return 0;
}

static void add_ddl(struct collected *c, const struct redo_ddl *in, unsigned part)
{
	struct redo_ddl d = *in;

	/* reading a file under two names does no harm */
	for (size_t i = 0; i < c->n_ddls; i++) {
		const struct owned_ddl *have = &c->ddls[i];

		if (have->d.commit_ts == d.commit_ts && have->d.seq == d.seq &&
		    have->part == part && have->d.query.n == d.query.n &&
		    !memcmp(have->d.query.p, d.query.p, d.query.n))
			return;
	}
	d.query = redo_bytes_copy(d.query);
	d.table.db = redo_bytes_copy(d.table.db);
	d.table.table = redo_bytes_copy(d.table.table);
	d.session = redo_bytes_copy(d.session);
	c->ddls = xreallocarray(c->ddls, c->n_ddls + 1, sizeof(*c->ddls));
	c->ddls[c->n_ddls++] = (struct owned_ddl){ .d = d, .part = part };
}

/* The new architecture writes a RENAME TABLE of several tables as "RENAME TABLE a TO b;RENAME TABLE
 * c TO a", in the order of the statement. Whatever has a session is a statement of ours, and one.
 */
static void add_statements(struct collected *c, const struct redo_ddl *in)
{
	struct lex x = { .p = in->query.p, .end = in->query.p + in->query.n };
	const char *begin = NULL;
	unsigned part = 0;

	do {
		lex_next(&x);
		if (x.kind != T_END && !(x.kind == T_PUNCT && x.punct == ';')) {
			begin = begin ? begin : x.start;
		} else if (begin) {
			struct redo_ddl d = *in;
			const char *end = x.kind == T_END ? x.end : x.start;

			d.query = (struct redo_bytes){ begin, (size_t)(end - begin) };
			add_ddl(c, &d, part++);
			begin = NULL;
		}
	} while (x.kind != T_END);
}

static int take_ddl(struct reading *r, const struct redo_ddl *in, struct err *e)
{
	struct redo_ddl d = *in;

	if (d.commit_ts > r->st->point && (!r->ddl_behind || d.commit_ts < r->ddl_behind))
		r->ddl_behind = d.commit_ts;
	if (d.commit_ts < r->c->meta.checkpoint_ts || d.commit_ts > r->st->point)
		return 0;
	if (r->floors && d.commit_ts <= ddl_ts_of(r->floors, d.table.id)) {
		r->st->ddls_skipped++;
		note(r, "a DDL was skipped: TiCDC recorded in tidb_cdc.ddl_ts_v1 that it is done");
		return 0;
	}
	if (r->check && ddl_fits_kind(&d, e) < 0 && judge_doubtful(r, false, e) < 0)
		return -1;
	if (d.session.n)
		add_ddl(r->c, &d, 0);
	else
		add_statements(r->c, &d);
	return 0;
}

static int ddls_done(void *arg, struct err *e)
{
	struct reading *r = arg;

	(void)e;
	r->rows = true;
	ddl_order(r->c->ddls, r->c->n_ddls);
	return 0;
}

/* The number of DDLs before a row; a row with the commitTs of a DDL goes before that DDL. */
static uint32_t epoch_of(const struct collected *c, tso_t ts)
{
	size_t lo = 0, hi = c->n_ddls;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->ddls[mid].d.commit_ts >= ts)
			hi = mid;
		else
			lo = mid + 1;
	}
	return (uint32_t)lo;
}

static size_t txn_at(const struct reading *r, tso_t start)
{
	size_t at = (size_t)((start * 0x9e3779b97f4a7c15u) >> 20) & (r->txn_slots - 1);

	while (r->txns[at].start && r->txns[at].start != start)
		at = (at + 1) & (r->txn_slots - 1);
	return at;
}

/* -1: the transaction has another commitTs in another place. */
static int count_txn(struct reading *r, tso_t start, tso_t commit, struct err *e)
{
	size_t at;

	if ((r->n_txns + 1) * 2 > r->txn_slots) {
		size_t old_n = r->txn_slots;
		struct seen_txn *old = r->txns;

		/* 4 million: from here on count by runs, since memory is needed for keys */
		if (old_n >= (size_t)1 << 22) {
			r->st->transactions += start != r->last_start;
			r->last_start = start;
			return 0;
		}
		r->txn_slots = old_n ? old_n * 2 : 1024;
		r->txns = xcalloc(r->txn_slots, sizeof(*r->txns));
		for (size_t i = 0; i < old_n; i++)
			if (old[i].start)
				r->txns[txn_at(r, old[i].start)] = old[i];
		free(old);
	}
	r->last_start = start;
	at = txn_at(r, start);
	if (!r->txns[at].start) {
		r->txns[at] = (struct seen_txn){ start, commit };
		r->n_txns++;
		r->st->transactions++;
	} else if (r->txns[at].commit != commit) {
		return err_set(e, ERR_BAD_DATA, 0,
			       "the transaction of startTs %" PRIu64 " has two commitTs, %" PRIu64
			       " "
			       "and %" PRIu64 ", which a log of one history cannot have",
			       start, r->txns[at].commit, commit);
	}
	return 0;
}

static bool is_table(const struct replay_table *t, const struct redo_table *name)
{
	return !strncmp(t->table, name->table.p, name->table.n) && !t->table[name->table.n] &&
	       !strncmp(t->db, name->db.p, name->db.n) && !t->db[name->db.n];
}

static struct replay_table *table_of(struct collected *c, const struct redo_table *name)
{
	if (c->n_tables && is_table(&c->tables[c->last_table], name))
		return &c->tables[c->last_table];
	for (size_t i = 0; i < c->n_tables; i++)
		if (is_table(&c->tables[i], name))
			return &c->tables[c->last_table = i];
	c->tables = xreallocarray(c->tables, c->n_tables + 1, sizeof(*c->tables));
	c->tables[c->n_tables] =
		(struct replay_table){ .db = xstrndup(name->db.p, name->db.n),
				       .table = xstrndup(name->table.p, name->table.n) };
	return &c->tables[c->last_table = c->n_tables++];
}

static bool has_key(const struct redo_row *r)
{
	const struct redo_column *c = r->n_columns ? r->columns : r->pre_columns;

	for (uint32_t i = 0; i < (r->n_columns ? r->n_columns : r->n_pre_columns); i++)
		if (!c[i].absent && (c[i].flag & COLF_HANDLE_KEY))
			return true;
	return false;
}

/* After a DDL that is after the point, the secondary has no changes: a changefeed starts a DDL only
 * when everything before it is done, and then checkpointTs is past the point. */
static bool is_behind(const struct reading *r, const struct redo_row *row)
{
	return row->commit_ts > r->st->point && row->commit_ts <= r->c->meta.resolved_ts &&
	       (!r->ddl_behind || row->commit_ts <= r->ddl_behind);
}

/* A change after the point: the old image of a key's first change is its state at the point. */
static int take_back(struct reading *r, const struct redo_row *row, struct err *e)
{
	struct redo_row was = *row;

	if (!is_behind(r, row))
		return 0;
	if (!has_key(row))
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"table %.*s.%.*s has no key, so what the secondary may have of it behind --until can't be taken back:"
			" replay to resolvedTs",
			(int)row->table.db.n, row->table.db.p, (int)row->table.table.n,
			row->table.table.p);
	for (uint32_t i = 0; i < row->n_pre_columns; i++)
		if (row->pre_columns[i].absent)
			return err_set(
				e, ERR_UNSUPPORTED, 0,
				"table %.*s.%.*s: the log has no whole old images, so what the secondary may have behind --until can't be"
				" taken back: replay to resolvedTs",
				(int)row->table.db.n, row->table.db.p, (int)row->table.table.n,
				row->table.table.p);
	was.columns = row->pre_columns;
	was.n_columns = row->n_pre_columns;
	was.pre_columns = row->columns;
	was.n_pre_columns = row->n_columns;
	/* only the first change counts */
	was.commit_ts = UINT64_MAX - row->commit_ts;
	was.start_ts = UINT64_MAX - row->start_ts;
	table_of(r->c, &row->table);
	if (merge_add(r->c->around, (uint32_t)r->c->n_ddls, row, e) < 0)
		return -1;
	return merge_add(r->c->back, 0, &was, e);
}

static int take_row(struct reading *r, const struct redo_row *row, struct err *e)
{
	struct replay_stats *st = r->st;
	struct replay_table *t;
	uint32_t epoch;

	if (!r->chain && r->c->back && row->commit_ts > st->point)
		return take_back(r, row, e);
	if (r->chain && r->beyond &&
	    is_behind(r, row)) /* take_back() has checked that it has a key */
		return image_chain_row(r->chain, (uint32_t)r->c->n_ddls, row, e);
	if (row->commit_ts <= r->c->meta.checkpoint_ts || row->commit_ts > st->point ||
	    (r->floors && r->floors->n && row->commit_ts <= ddl_ts_of(r->floors, row->table.id)))
		return 0;
	epoch = epoch_of(r->c, row->commit_ts);
	if (r->chain)
		return has_key(row) ? image_chain_row(r->chain, epoch, row, e) : 0;
	if (fault_same("redo.txn_dropped", row->start_ts))
		return 0;
	st->rows++;
	if (!st->first_ts || row->commit_ts < st->first_ts)
		st->first_ts = row->commit_ts;
	if (row->commit_ts > st->last_ts)
		st->last_ts = row->commit_ts;
	if (row->start_ts && count_txn(r, row->start_ts, row->commit_ts, e) < 0 &&
	    judge_doubtful(r, true, e) < 0)
		return -1;
	if (r->check && record_check_row(r->check, epoch, row, e) < 0 &&
	    judge_doubtful(r, false, e) < 0)
		return -1;
	t = table_of(r->c, &row->table);
	count_ids(r->c, row);
	if (r->c->sample && !epoch && row_sample_add(r->c->sample, row, e) < 0)
		return -1;
	t->inserts += !row->n_pre_columns;
	t->deletes += !row->n_columns;
	t->updates += row->n_columns && row->n_pre_columns;
	if ((st->rows & 1023) == 0) {
		report_progress(r, false);
		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
	}
	if (!r->c->order && r->o->force && !has_key(row))
		return 0;
	if (r->c->order) {
		if (commit_order_add(r->c->order, row, e) < 0)
			return -1;
		if (!has_key(row))
			return r->o->force ? 0
					   : err_set(e, ERR_UNSUPPORTED, 0,
						     "table %s.%s has no primary key and no unique "
						     "NOT NULL key: --force replays it in order, "
						     "each change once, which is right only if the "
						     "secondary is at checkpointTs",
						     t->db, t->table);
	}
	if (r->c->around && epoch == r->c->n_ddls && merge_add(r->c->around, epoch, row, e) < 0)
		return -1;
	return merge_add(r->c->merge, epoch, row, e);
}

static int take(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct reading *r = arg;
	tso_t ts, start;

	if (!r->chain && r->rows != (ev->kind == REDO_ROW))
		return err_set(e, ERR_BAD_DATA, 0, "offset %" PRIu64 ": %s", offset,
			       r->rows ? "a DDL in a row file" : "a row in a DDL file");
	ts = ev->kind == REDO_ROW ? ev->row.commit_ts : ev->ddl.commit_ts;
	start = ev->kind == REDO_ROW ? ev->row.start_ts : ev->ddl.start_ts;
	if (ts > r->file_max)
		r->file_max = ts;
	if (!r->chain && start >= ts &&
	    (err_set(e, ERR_BAD_DATA, 0,
		     "offset %" PRIu64 ": startTs %" PRIu64 " is not before commitTs %" PRIu64,
		     offset, start, ts),
	     judge_doubtful(r, true, e) < 0))
		return -1;
	if (ev->kind == REDO_ROW)
		return take_row(r, &ev->row, e);
	return r->chain ? 0 : take_ddl(r, &ev->ddl, e);
}

static void note_bytes(void *arg, size_t n)
{
	struct reading *r = arg;

	r->st->bytes_stored += n;
	report_progress(r, false);
}

static void left_out(struct reading *r, const char *why)
{
	char *line = xstrfmt("left out: %s", why);

	r->st->left_out++;
	note(r, line);
	free(line);
}

static int file_done(void *arg, const struct redo_scan_file *f, struct err *e)
{
	struct reading *r = arg;
	const struct redo_name *name = &f->file->name;
	tso_t largest = r->file_max;
	struct err lies = ERR_INIT;

	r->file_max = 0;
	if (r->chain)
		return 0;
	r->st->files++;
	r->st->bytes += f->res.bytes;
	if (f->why) {
		left_out(r, f->why->text);
	} else if (!name->tmp && f->res.records && largest != name->max_commit_ts) {
		/* A file that was cut between two records, renamed or altered: readers and garbage
		 * collection rely on the name. */
		err_set(&lies, ERR_BAD_DATA, 0,
			"%s: the largest commitTs in it is %" PRIu64 ", not the one in its name: "
			"records are missing",
			f->file->key, largest);
		if (!r->o->allow_gap) {
			*e = lies;
			return -1;
		}
		left_out(r, lies.text);
	}
	report_progress(r, false);
	return 0;
}

static int tell_shapes(void *arg, bool altered, struct err *e)
{
	struct reading *r = arg;

	if (altered)
		return judge_doubtful(r, false, e);
	r->st->warnings++;
	if (r->o->warn && r->st->warnings <= WARNINGS_TOLD_MAX)
		r->o->warn(r->o->report_arg, e->text);
	*e = (struct err)ERR_INIT;
	return 0;
}

static int begin_again(void *arg, const struct redo_meta *meta, const struct redo_files *files,
		       struct err *e)
{
	struct reading *r = arg;

	(void)files;
	if (meta->checkpoint_ts == r->c->meta.checkpoint_ts)
		return 0;
	r->moved = true;
	return err_set(e, ERR_TIMEOUT, 0, "checkpointTs advanced while the log was read");
}

/* TiCDC's resolvedTs can pass rows of a table that a DDL creates while the secondary has not
 * executed that DDL, so no file has them. (The new architecture, whose meta has a version, and
 * drtest's changefeed wait for the DDL.) */
static void warn_of_holes(struct reading *r)
{
	struct strbuf line = STRBUF_INIT;

	if (!r->c->foreign || r->c->meta.version)
		return;
	if (r->c->back && r->ddl_behind) {
		strbuf_addf(&line,
			    "a DDL lies behind --until, at commitTs %" PRIu64
			    ": where TiCDC had written rows of other tables behind it, they stay",
			    r->ddl_behind);
		r->st->warnings++;
		if (r->o->warn)
			r->o->warn(r->o->report_arg, line.buf);
	}
	for (size_t i = 0; i < r->c->n_ddls; i++) {
		const struct redo_ddl *d = &r->c->ddls[i].d;

		if (!ddl_makes_tables(d) || d->commit_ts >= r->st->point)
			continue;
		strbuf_reset(&line);
		ddl_hole_text(d, &line);
		r->st->warnings++;
		if (r->o->warn && r->st->warnings <= WARNINGS_TOLD_MAX)
			r->o->warn(r->o->report_arg, line.buf);
	}
	strbuf_release(&line);
}

struct breaks {
	struct reading *r;
	uint64_t n;
	struct err first;
};

static void note_broken(void *arg, const char *text)
{
	struct breaks *b = arg;

	if (!b->n++)
		err_set(&b->first, ERR_BAD_DATA, 0, "%s", text);
	if (b->r->o->allow_gap && b->n <= BREAKS_TOLD_MAX)
		note(b->r, text);
}

/* Breaks in the chain of m, except those up to `after`. */
static int judge_chain_of(struct reading *r, struct merge *m, tso_t after, struct breaks *b,
			  struct store *log, struct err *e)
{
	struct redo_scan again = { .begin = begin_again,
				   .event = take,
				   .file_done = file_done,
				   .arg = r,
				   .allow_gap = r->o->allow_gap,
				   .downloads = r->o->downloads };
	int rc = 0;

	r->chain = image_chain_new(m, e);
	if (!r->chain)
		return -1;
	while (!rc && image_chain_round(r->chain)) {
		rc = redo_scan(log, &again, e);
		if (!rc)
			r->st->chain_breaks += image_chain_judge(r->chain, after, note_broken, b);
	}
	image_chain_free(r->chain);
	r->chain = NULL;
	return rc;
}

/* Changes after the point must continue from those before it; otherwise their old images are not
 * the state at the point. */
static int judge_chain(struct reading *r, struct store *log, struct err *e)
{
	struct breaks b = { r, 0, ERR_INIT };
	int rc;

	r->beyond = false;
	if (judge_chain_of(r, r->c->merge, 0, &b, log, e) < 0)
		return -1;
	r->beyond = true;
	rc = r->c->around ? judge_chain_of(r, r->c->around, r->st->point, &b, log, e) : 0;
	merge_free(r->c->around);
	r->c->around = NULL;
	if (rc < 0 || !r->st->chain_breaks || r->o->allow_gap)
		return rc;
	if (e)
		*e = b.first;
	if (r->st->chain_breaks > 1)
		return err_wrap(e,
				"the log's chain is broken for %" PRIu64
				" keys (--allow-gap replays what is there); the first",
				r->st->chain_breaks);
	return err_wrap(e, "the log's chain is broken (--allow-gap replays what is there)");
}

int replay_read(struct collected *c, struct store *log, const struct ddl_ts *floors,
		const struct replay_opts *o, struct replay_stats *st, struct err *e)
{
	struct reading r = { .c = c, .o = o, .st = st, .floors = floors };
	struct redo_scan scan = { .begin = begin,
				  .ddls_done = ddls_done,
				  .event = take,
				  .file_done = file_done,
				  .bytes = note_bytes,
				  .arg = &r,
				  .allow_gap = o->allow_gap,
				  .downloads = o->downloads };
	int rc = -1;

	if (fs_mkdir_p(o->tmp_dir, 0700, e) < 0)
		return -1;
	for (int i = 0; i < BEGINNINGS_MAX; i++) {
		r.moved = false;
		st->chain_breaks = 0;
		rc = redo_scan(log, &scan, e);
		if (rc == 0 && r.check)
			rc = record_check_end(r.check, tell_shapes, &r, e);
		if (rc == 0)
			rc = judge_chain(&r, log, e);
		if (rc == 0 || !r.moved)
			break;
	}
	if (rc == 0)
		warn_of_holes(&r);
	if (c->merge) {
		st->keys = merge_keys(c->merge);
		st->spilled_bytes = merge_spilled_bytes(c->merge) +
				    (c->order ? commit_order_spilled_bytes(c->order) : 0);
	}
	report_progress(&r, true);
	record_check_free(r.check);
	free(r.txns);
	return rc;
}
