#include "harness/backup/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include "harness/backup/manifest.h"
#include "harness/backup/snapshot.h"
#include "harness/backup/work.h"
#include "harness/base/xalloc.h"
#include "harness/sql/keyrange.h"
#include "harness/sql/rights.h"

#define RANGE_BYTES ((uint64_t)16 << 20) /* of rows, by the server's estimate */
#define BLOCK_BYTES ((size_t)128 << 10)  /* rows are compressed by blocks of this */
/* digits shrink to 45 % at every level: measured */
#define COMPRESSION_LEVEL 1
#define UNOPENED_NAMED 3u /* the rest is counted */

struct source_table {
	struct table_schema schema;
	struct key_ranges ranges;
	struct manifest_table *out;
	uint32_t sum_a, sum_b;
	bool counted; /* and its rows without ranges */
	uint64_t whole;
};
struct job {
	size_t table, range; /* behind the last range: the table's rows are counted */
};
struct backup {
	struct work work;
	struct store *to;
	struct snapshot snapshot;
	struct manifest manifest;
	struct source_table *tables;
	size_t n_tables;
	struct job *jobs;
	size_t n_jobs;
	uint64_t size_bytes; /* under work.lock */
};
struct backup_thread {
	struct backup *b;
	struct sql *conn;
	ZSTD_CCtx *zstd;
	struct strbuf raw, packed;
	struct manifest_chunk chunk; /* the open one */
	unsigned part;
	uint64_t range_rows;
};

static int compress(struct backup_thread *t, ZSTD_EndDirective end, struct err *e)
{
	ZSTD_inBuffer in = { t->raw.buf, t->raw.len, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out;

		strbuf_grow(&t->packed, ZSTD_CStreamOutSize());
		out = (ZSTD_outBuffer){ t->packed.buf + t->packed.len, ZSTD_CStreamOutSize(), 0 };
		left = ZSTD_compressStream2(t->zstd, &out, &in, end);
		if (ZSTD_isError(left))
			return err_set(e, ERR_IO, 0, "zstd: %s", ZSTD_getErrorName(left));
		t->packed.len += out.pos;
	} while (end == ZSTD_e_end ? left != 0 : in.pos < in.size);
	t->chunk.raw_bytes += t->raw.len;
	if (work_pace(&t->b->work, t->raw.len, e) < 0)
		return -1;
	strbuf_reset(&t->raw);
	return 0;
}

static int close_chunk(struct backup_thread *t, const struct job *j, struct err *e)
{
	struct manifest_table *mt = t->b->tables[j->table].out;
	struct manifest_chunk c;

	if (!t->chunk.rows)
		return 0;
	if (compress(t, ZSTD_e_end, e) < 0)
		return -1;
	c = t->chunk;
	c.key = xstrfmt("data/t%06zu/%08zu-%06u.zst", j->table, j->range, t->part++);
	c.size_bytes = t->packed.len;
	c.xxh3 = XXH3_64bits(t->packed.buf, t->packed.len);
	if (store_put(t->b->to, c.key, t->packed.buf, t->packed.len, e) < 0) {
		free(c.key);
		return -1;
	}
	pthread_mutex_lock(&t->b->work.lock);
	mt->chunks = xreallocarray(mt->chunks, mt->n_chunks + 1, sizeof(*mt->chunks));
	mt->chunks[mt->n_chunks++] = c;
	mt->rows += c.rows;
	mt->raw_bytes += c.raw_bytes;
	t->b->size_bytes += c.size_bytes;
	pthread_mutex_unlock(&t->b->work.lock);
	t->range_rows += c.rows;
	t->chunk = (struct manifest_chunk){ 0 };
	if (t->packed.alloc > 2 * WORK_OBJECT_BYTES)
		strbuf_release(&t->packed); /* one huge row was enough */
	strbuf_reset(&t->packed);
	return 0;
}

/* The server's own count and sums of the range, in the same snapshot. */
static int sum_range(struct backup_thread *t, struct source_table *st, const struct key_bound *low,
		     const struct key_bound *high, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	struct rows_sum sum;
	int rc = -1;

	strbuf_addstr(&q, "SELECT ");
	checksum_select_list(&q, &st->schema);
	strbuf_addstr(&q, " FROM ");
	sql_add_name(&q, st->schema.db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, st->schema.table);
	key_where(&q, &st->schema, low, high);
	if (sql_query_stream(t->conn, &r, e, q.buf, q.len) < 0 || sql_rows_next(&r, e) != 1 ||
	    checksum_read(r.cell, &sum, e) < 0)
		goto out;
	if (sum.rows != t->range_rows) {
		err_set(e, ERR_BAD_DATA, 0,
			"the snapshot changed: %" PRIu64 " rows read, then %" PRIu64 " counted",
			t->range_rows, sum.rows);
		goto out;
	}
	if (sum.unread) {
		err_set(e, ERR_ENV, 0,
			"the server computes no checksum for %" PRIu64 " rows, which are larger "
			"than its max_allowed_packet: raise it",
			sum.unread);
		goto out;
	}
	pthread_mutex_lock(&t->b->work.lock);
	st->sum_a += sum.a;
	st->sum_b += sum.b;
	pthread_mutex_unlock(&t->b->work.lock);
	rc = 0;
out:
	if (rc < 0 && e && e->kind == ERR_NONE)
		err_set(e, ERR_BAD_DATA, 0, "the server did not compute the checksums of the rows");
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

static int count_whole(struct backup_thread *t, struct source_table *st, struct err *e)
{
	struct strbuf from = STRBUF_INIT;
	int rc;

	schema_add_from(&from, &st->schema);
	rc = sql_value_u64(t->conn, &st->whole, e, "SELECT COUNT(*) FROM %s", from.buf);
	strbuf_release(&from);
	st->counted = true;
	return rc < 0 ? err_wrap(e, "back up %s.%s", st->schema.db, st->schema.table) : 0;
}

static int run_job(struct backup_thread *t, const struct job *j, struct err *e)
{
	struct source_table *st = &t->b->tables[j->table];
	const struct key_bound *low = j->range ? &st->ranges.bounds[j->range - 1] : NULL;
	const struct key_bound *high =
		j->range < st->ranges.n ? &st->ranges.bounds[j->range] : NULL;
	struct row_writer w;
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int rc = -1;

	if (j->range > st->ranges.n)
		return count_whole(t, st, e);
	t->part = 0;
	t->range_rows = 0;
	t->chunk = (struct manifest_chunk){ 0 };
	ZSTD_CCtx_reset(t->zstd, ZSTD_reset_session_only);
	strbuf_reset(&t->packed);
	strbuf_reset(&t->raw);
	row_writer_init(&w, &st->schema);
	format_select(&q, &st->schema);
	key_where(&q, &st->schema, low, high);
	if (key_of_ranges(&st->schema)) { /* in key order: a restore appends */
		strbuf_addstr(&q, " ORDER BY ");
		key_column_list(&q, &st->schema);
	}
	if (sql_query_stream(t->conn, &r, e, q.buf, q.len) < 0)
		goto out;
	while ((rc = sql_rows_next(&r, e)) == 1) {
		rc = -1;
		row_writer_add(&w, &t->raw, r.cell, r.len, &t->chunk.warnings);
		t->chunk.rows++;
		if (t->raw.len >= BLOCK_BYTES) {
			if (compress(t, ZSTD_e_continue, e) < 0 ||
			    (t->packed.len >= WORK_OBJECT_BYTES && close_chunk(t, j, e) < 0))
				goto out;
			if (t->raw.alloc > 64 * BLOCK_BYTES)
				strbuf_release(&t->raw);
		}
	}
	if (rc == 0)
		rc = close_chunk(t, j, e);
	sql_rows_release(&r);
	if (rc == 0)
		rc = sum_range(t, st, low, high, e);
out:
	if (rc < 0)
		err_wrap(e, "back up %s.%s", st->schema.db, st->schema.table);
	sql_rows_release(&r);
	row_writer_release(&w);
	strbuf_release(&q);
	return rc;
}

static void *backup_thread(void *arg)
{
	struct backup_thread *t = arg;
	struct backup *b = t->b;
	struct err e = ERR_INIT;
	size_t i;

	while (!b->work.failed && (i = b->work.next++) < b->n_jobs)
		if (run_job(t, &b->jobs[i], &e) < 0) {
			work_fail(&b->work, &e);
			break;
		}
	mysql_thread_end();
	return NULL;
}

static uint64_t rows_per_range(struct sql *s, const struct table_schema *t)
{
	struct strbuf db = STRBUF_INIT, name = STRBUF_INIT;
	uint64_t avg = 0, rows;

	sql_add_text(&db, t->db, strlen(t->db));
	sql_add_text(&name, t->table, strlen(t->table));
	if (sql_value_u64(
		    s, &avg, NULL,
		    "SELECT COALESCE(AVG_ROW_LENGTH,0) FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s",
		    db.buf, name.buf) < 0)
		avg = 0;
	rows = RANGE_BYTES / (avg ? avg : 100);
	strbuf_release(&db);
	strbuf_release(&name);
	return rows < 1000 ? 1000 : rows > 1000000 ? 1000000 : rows;
}

static void take_objects(struct manifest_object **to, size_t *n_to, struct manifest_object **from,
			 size_t *n_from)
{
	*to = *from;
	*n_to = *n_from;
	*from = NULL;
	*n_from = 0;
}

/* The definitions are those of the snapshot's instant: its metadata locks keep them. */
static int plan(struct backup *b, struct err *e)
{
	struct catalog *c = &b->snapshot.catalog;
	struct sql *s = b->snapshot.conn[0];

	take_objects(&b->manifest.dbs, &b->manifest.n_dbs, &c->dbs, &c->n_dbs);
	take_objects(&b->manifest.views, &b->manifest.n_views, &c->views, &c->n_views);
	take_objects(&b->manifest.sequences, &b->manifest.n_sequences, &c->sequences,
		     &c->n_sequences);
	b->manifest.tables = xcalloc(c->n_tables + 1, sizeof(*b->manifest.tables));
	b->tables = xcalloc(c->n_tables + 1, sizeof(*b->tables));
	for (size_t first = 0, end; first < c->n_tables; first = end) {
		struct table_schema *schema;
		int rc = 0;

		for (end = first + 1;
		     end < c->n_tables && !strcmp(c->tables[end].db, c->tables[first].db);)
			end++;
		schema = xcalloc(end - first, sizeof(*schema));
		rc = schema_load_tables(s, c->tables + first, end - first, schema, e);
		for (size_t i = first; rc == 0 && i < end; i++) {
			b->tables[i].schema = schema[i - first];
			b->n_tables++;
		}
		free(schema);
		if (rc < 0)
			return -1;
	}
	for (size_t i = 0; i < c->n_tables; i++) {
		struct source_table *st = &b->tables[i];
		struct manifest_table *mt = &b->manifest.tables[i];
		size_t last;

		if (work_pace(&b->work, 0, e) < 0)
			return -1;
		b->manifest.n_tables++;
		st->out = mt;
		mt->db = xstrdup(st->schema.db);
		mt->name = xstrdup(st->schema.table);
		mt->create_sql = xstrdup(st->schema.create_sql);
		mt->n_columns = format_columns(&st->schema, &mt->columns);
		if (key_ranges_cut(s, &st->schema, rows_per_range(s, &st->schema), &st->ranges, e) <
		    0)
			return err_wrap(e, "cut %s.%s", mt->db, mt->name);
		last = st->ranges.n + (st->ranges.n && !key_orders_surely(&st->schema));
		b->jobs = xreallocarray(b->jobs, b->n_jobs + last + 1, sizeof(*b->jobs));
		for (size_t j = 0; j <= last; j++)
			b->jobs[b->n_jobs++] = (struct job){ i, j };
	}
	return manifest_check_texts(&b->manifest, e);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct manifest_chunk *)a)->key,
		      ((const struct manifest_chunk *)b)->key);
}

static int refuse_used(struct store *to, struct err *e)
{
	struct store_list l = { 0 };
	int rc = 0;

	if (store_list(to, "", &l, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n && rc == 0; i++) {
		if (!strcmp(l.objects[i].key, BACKUP_MANIFEST))
			rc = err_set(
				e, ERR_USAGE, 0,
				"backup meta file exists in %s, there may be some backup files in the path already, "
				"please specify a correct backup directory!",
				store_uri_redacted(to));
		else if (!strncmp(l.objects[i].key, "data/", 5))
			rc = err_set(
				e, ERR_USAGE, 0,
				"%s holds files of a backup that was never finished (%s): empty it or use another path",
				store_uri_redacted(to), l.objects[i].key);
	}
	store_list_release(&l);
	return rc;
}

static int read_all(struct backup *b, unsigned threads, struct err *e)
{
	struct backup_thread *t = xcalloc(threads, sizeof(*t));
	int rc;

	for (unsigned i = 0; i < threads; i++) {
		t[i] = (struct backup_thread){ .b = b,
					       .conn = b->snapshot.conn[i],
					       .zstd = ZSTD_createCCtx(),
					       .raw = STRBUF_INIT,
					       .packed = STRBUF_INIT };
		ZSTD_CCtx_setParameter(t[i].zstd, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
	}
	rc = work_run(&b->work, backup_thread, t, sizeof(*t), threads, e);
	for (unsigned i = 0; i < threads; i++) {
		ZSTD_freeCCtx(t[i].zstd);
		strbuf_release(&t[i].raw);
		strbuf_release(&t[i].packed);
	}
	free(t);
	return rc;
}

/* What the account can't see would be missing, and nobody would know. */
static int sees_all(const struct sql_endpoint *from, struct deadline d, struct err *e)
{
	struct sql *s = sql_open_reading(from, d, e);
	struct rights *r = s ? rights_read(s, e) : NULL;
	int rc = r ? rights_want(r, "SELECT, SHOW VIEW", NULL, 0,
				 "a backup must include all databases", e)
		   : -1;

	rights_free(r);
	sql_close(s);
	return rc;
}

/* 0, or -1: refused before anything is opened. Takes o->tidb_snapshot into r->backup_ts. */
static int check_opts(struct store *to, const struct backup_opts *o, unsigned threads,
		      struct backup_result *r, struct err *e)
{
	if (threads > WORK_THREADS_MAX)
		return err_set(e, ERR_USAGE, 0, "%u threads: at most %u", threads,
			       WORK_THREADS_MAX);
	if (o->tidb_snapshot && !tso_parse(o->tidb_snapshot, &r->backup_ts))
		return err_set(e, ERR_USAGE, 0, "tidb_snapshot \"%.40s\" is not a TSO",
			       o->tidb_snapshot);
	return refuse_used(to, e);
}

static int open_snapshot(struct backup *b, const struct backup_opts *o, unsigned threads,
			 struct backup_result *r, struct err *e)
{
	struct snapshot *s = &b->snapshot;

	if (sees_all(&o->from, b->work.deadline, e) < 0 ||
	    snapshot_open(s, &o->from, threads, o->tidb_snapshot, o->ignore, b->work.deadline, e) <
		    0)
		return -1;
	r->locked = s->locked;
	r->backup_seq = s->seq;
	if (*s->tidb_ts && !tso_parse(s->tidb_ts, &r->backup_ts))
		return err_set(e, ERR_BAD_DATA, 0, "TiDB's \"%s\" is not a TSO", s->tidb_ts);
	return 0;
}

static int exec_on_all(struct snapshot *s, const char *statement, struct err *e)
{
	for (unsigned i = 0; i < s->n; i++)
		if (sql_exec(s->conn[i], e, "%s", statement) < 0)
			return -1;
	return 0;
}

static void name_left_out(struct snapshot *s, struct backup_result *r)
{
	struct strbuf left_out = STRBUF_INIT;

	catalog_left_out(s->conn[0], &s->catalog, &left_out);
	snprintf(r->warnings, sizeof(r->warnings),
		 left_out.len < sizeof(r->warnings) ? "%s" : "%.4000s ...", left_out.buf);
	strbuf_release(&left_out);
}

/* total_bytes is the server's estimate; without it there is nothing to compare progress with. */
static void begin_progress(struct backup *b, const struct backup_opts *o)
{
	b->work.progress = o->progress;
	b->work.progress_arg = o->progress_arg;
	if (o->progress &&
	    sql_value_u64(
		    b->snapshot.conn[0], &b->work.total_bytes, NULL,
		    "SELECT IFNULL(SUM(DATA_LENGTH), 0) FROM "
		    "information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND LOWER(TABLE_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL) <
		    0)
		b->work.total_bytes = 0;
}

/* Last: a backup without a manifest is none. */
static int write_manifest(struct backup *b, struct backup_result *r, struct err *e)
{
	b->manifest.backup_ts = r->backup_ts;
	b->manifest.backup_seq = r->backup_seq;
	for (size_t i = 0; i < b->n_tables; i++) {
		struct manifest_table *mt = &b->manifest.tables[i];

		if (b->tables[i].counted && b->tables[i].whole != mt->rows)
			return err_set(e, ERR_BAD_DATA, 0,
				       "back up %s.%s: the ranges of its key hold %" PRIu64
				       " rows, and it has %" PRIu64
				       ": the server's index has another order than its collation "
				       "(CHECK TABLE)",
				       mt->db, mt->name, mt->rows, b->tables[i].whole);
		mt->sum = (uint64_t)b->tables[i].sum_a << 32 | b->tables[i].sum_b;
		if (mt->n_chunks)
			qsort(mt->chunks, mt->n_chunks, sizeof(*mt->chunks), by_key);
		r->rows += mt->rows;
	}
	r->tables = b->n_tables;
	r->size_bytes = b->size_bytes;
	return manifest_write(b->to, &b->manifest, e);
}

/* One error named one table that the server cannot open: all of them, and what can be done. */
static void name_unopened(const struct backup_opts *o, struct deadline d, struct err *e)
{
	struct sql *s = sql_open_reading(&o->from, d, NULL);
	struct strbuf names = STRBUF_INIT, q = STRBUF_INIT;
	struct catalog c = { 0 };
	unsigned n = 0;

	if (!s || catalog_read(s, o->ignore, &c, NULL) < 0)
		goto out;
	for (size_t i = 0; i < c.n_tables; i++) {
		const struct table_name *t = &c.tables[i];
		struct sql_rows rows = { 0 };
		struct err why = ERR_INIT;

		strbuf_reset(&q);
		strbuf_addstr(&q, "SELECT 1 FROM ");
		sql_add_name(&q, t->db);
		strbuf_addch(&q, '.');
		sql_add_name(&q, t->table);
		if (sql_query(s, &rows, &why, "%s LIMIT 1", q.buf) < 0 &&
		    schema_cannot_open(&why) && ++n <= UNOPENED_NAMED)
			strbuf_addf(&names, "%s%.64s.%.64s (%.80s)", n > 1 ? ", " : "", t->db,
				    t->table, mysql_error(sql_handle(s)));
		sql_rows_release(&rows);
	}
	if (n > UNOPENED_NAMED)
		strbuf_addf(&names, " and %u more", n - UNOPENED_NAMED);
	if (n)
		err_set(e, ERR_ENV, e->code,
			"the server cannot open %s: repair or drop %s, or leave %s out of the "
			"backup with --ignore DB.TABLE",
			names.buf, n > 1 ? "them" : "it", n > 1 ? "them" : "it");
out:
	catalog_release(&c);
	sql_close(s);
	strbuf_release(&names);
	strbuf_release(&q);
}

static void release_backup(struct backup *b)
{
	snapshot_release(&b->snapshot);
	for (size_t i = 0; i < b->n_tables; i++) {
		schema_release(&b->tables[i].schema);
		key_ranges_release(&b->tables[i].ranges);
	}
	free(b->tables);
	free(b->jobs);
	manifest_release(&b->manifest);
	work_release(&b->work);
}

int backup_run(struct store *to, const struct backup_opts *o, struct backup_result *r,
	       struct err *e)
{
	unsigned threads = o->threads ? o->threads : 4;
	struct backup b = { .to = to };
	int64_t start = clock_mono_ns();
	int rc = -1;

	*r = (struct backup_result){ 0 };
	if (check_opts(to, o, threads, r, e) < 0)
		return -1;
	work_init(&b.work, o->rate_bytes_per_s, o->deadline);
	if (open_snapshot(&b, o, threads, r, e) < 0)
		goto out;
	r->queue_us = (clock_mono_ns() - start) / 1000;
	/* an option that no engine knows is shown as one, and not in a comment */
	if (sql_flavor(b.snapshot.conn[0]) == SQL_MARIADB &&
	    sql_exec(b.snapshot.conn[0], e,
		     "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,IGNORE_BAD_TABLE_OPTIONS'") < 0)
		goto out;
	name_left_out(&b.snapshot, r);
	/* from here on text comes as it is stored */
	if (plan(&b, e) < 0 ||
	    exec_on_all(&b.snapshot, "SET SESSION character_set_results = NULL", e) < 0)
		goto out;
	b.manifest.source_version = xstrdup(sql_server_version(b.snapshot.conn[0]));
	begin_progress(&b, o);
	if (read_all(&b, threads, e) < 0)
		goto out;
	if (o->tso_map && !*b.snapshot.tidb_ts &&
	    snapshot_tso(&b.snapshot, o->tso_map,
			 deadline_min(b.work.deadline, deadline_in_ms(30000)), &r->backup_ts,
			 e) < 0)
		goto out;
	rc = write_manifest(&b, r, e);
out:
	r->execution_us = (clock_mono_ns() - start) / 1000;
	if (rc < 0 && e && schema_cannot_open(e))
		name_unopened(o, b.work.deadline, e);
	release_backup(&b);
	return rc;
}

int backup_sums(struct store *from, struct table_sums *out, struct err *e)
{
	struct manifest m;

	*out = (struct table_sums){ 0 };
	if (manifest_read(from, &m, e) < 0)
		return -1;
	out->t = xcalloc(m.n_tables + 1, sizeof(*out->t));
	out->form = m.sum_form;
	for (size_t i = 0; i < m.n_tables; i++)
		out->t[out->n++] =
			(struct table_sum){ xstrdup(m.tables[i].db), xstrdup(m.tables[i].name),
					    m.tables[i].rows, m.tables[i].sum };
	manifest_release(&m);
	return 0;
}
