#include "harness/compare/compare.h"

#include <assert.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/compare/compare_resume.h"
#include "harness/compare/compare_rows.h"
#include "harness/compare/compare_structure.h"

#define THREADS_MAX 64u
#define CHUNK_ROWS 10000 /* a range that differs is read again, row by row: it should not be much */

struct pair { /* a table that both sides have */
	struct table_schema a, b;
	struct key_ranges ranges;
	bool keyed;
	struct range_sum seen;           /* under compare.lock: compare_with_sums */
	const struct table_sum *expected;/* compare_with_sums: the other side */
	struct compare_table count;
};
struct job {
	size_t pair, range;
};
struct plan {
	struct compare c;
	struct pair *pairs;
	size_t n_pairs, alloc_pairs; /* all the room there will be: workers hold pointers */
	/* under c.lock: sums begin while further tables are still being planned */
	struct job *jobs;
	size_t n_jobs, next;
	bool planned;
	pthread_cond_t more;
	struct compare_resume *resume;   /* NULL: none */
	uint64_t resumed;
};
struct worker {
	struct plan *p;
	struct compare_side side[2];
};

static void fail(struct compare *c, const struct err *e)
{
	pthread_mutex_lock(&c->lock);
	if (!c->failed)
		c->first = *e;
	c->failed = true;
	pthread_mutex_unlock(&c->lock);
}

/* The next one, awaited while tables are planned. */
static bool take_job(struct plan *p, struct job *out)
{
	bool got;

	pthread_mutex_lock(&p->c.lock);
	while (p->next == p->n_jobs && !p->planned && !p->c.failed)
		pthread_cond_wait(&p->more, &p->c.lock);
	got = p->next < p->n_jobs && !p->c.failed;
	if (got)
		*out = p->jobs[p->next++];
	pthread_mutex_unlock(&p->c.lock);
	return got;
}

static void all_planned(struct plan *p)
{
	pthread_mutex_lock(&p->c.lock);
	p->planned = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->c.lock);
}

static int run_job(struct plan *p, struct compare_side *side, const struct job *j, struct err *e)
{
	struct pair *t = &p->pairs[j->pair];
	struct row_range r = { .a = &t->a, .b = &t->b, .t = &t->count };
	struct range_sum sum[2];
	uint64_t rows;

	r.low = j->range ? &t->ranges.bounds[j->range - 1] : NULL;
	r.high = j->range < t->ranges.n ? &t->ranges.bounds[j->range] : NULL;
	if (p->resume && compare_resume_has(p->resume, &r, &rows)) {
		pthread_mutex_lock(&p->c.lock);
		p->resumed++;
		p->c.rows += rows;
		t->count.rows_a += rows;
		t->count.rows_b += rows;
		pthread_mutex_unlock(&p->c.lock);
		return 0;
	}
	if (compare_sums(side, &r, sum, e) < 0)
		return -1;
	pthread_mutex_lock(&p->c.lock);
	p->c.rows += sum[0].rows;
	t->count.rows_a += sum[0].rows;
	t->count.rows_b += sum[1].rows;
	pthread_mutex_unlock(&p->c.lock);
	if (!memcmp(&sum[0], &sum[1], sizeof(sum[0])))
		return p->resume ? compare_resume_add(p->resume, &r, sum[0].rows, e) : 0;
	r.seen = sum;
	r.rows = sum[0].rows > sum[1].rows ? sum[0].rows : sum[1].rows;
	return t->keyed ? compare_rows(&p->c, side, &r, e) : compare_bags(&p->c, side, &r, e);
}

/* Structure is read as utf8mb4, values as they are stored. */
static int values_as_stored(struct sql *s, struct err *e)
{
	return sql_exec(s, e, "SET SESSION character_set_results = NULL") < 0 ? -1 : 0;
}

static void *compare_thread(void *arg)
{
	struct worker *w = arg;
	struct plan *p = w->p;
	struct err e = ERR_INIT;
	struct job j;

	if (values_as_stored(w->side[0].conn, &e) < 0 || values_as_stored(w->side[1].conn, &e) < 0)
		fail(&p->c, &e);
	while (take_job(p, &j)) {
		if (clock_cancelled())
			err_set(&e, ERR_CANCELLED, 0, "cancelled");
		else if (run_job(p, w->side, &j, &e) < 0)
			err_wrap(&e, "compare %s.%s", p->pairs[j.pair].a.db, p->pairs[j.pair].a.table);
		if (e.kind != ERR_NONE) {
			fail(&p->c, &e);
			break;
		}
	}
	mysql_thread_end();
	return NULL;
}

/* Threads 1 to n-1 start; the caller is thread 0 and may plan before it works with them. Returns how many there are. */
static unsigned start_others(pthread_t *thread, void *(*fn)(void *), struct worker *w, unsigned n)
{
	unsigned started = 1;

	for (; started < n; started++)
		if (pthread_create(&thread[started], NULL, fn, &w[started]))
			break;
	return started;
}

static int work_and_join(struct plan *p, pthread_t *thread, unsigned started, void *(*fn)(void *), struct worker *w, struct err *e)
{
	all_planned(p);
	fn(&w[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(thread[i], NULL);
	if (p->c.failed && e)
		*e = p->c.first;
	return p->c.failed ? -1 : 0;
}

struct sql *compare_connect(const struct sql_endpoint *ep, const char *snapshot, bool values, struct deadline d, struct err *e)
{
	struct sql *s = sql_open(ep, d, e);
	struct strbuf v = STRBUF_INIT;
	int rc = 0;

	if (!s)
		return NULL;
	if (snapshot) {
		sql_add_text(&v, snapshot, strlen(snapshot));
		rc = sql_exec(s, e, "SET SESSION tidb_snapshot = %s", v.buf) < 0;
	}
	strbuf_release(&v);
	if (rc || (values && values_as_stored(s, e) < 0)) {
		sql_close(s);
		return NULL;
	}
	return s;
}

/* '*' and '?' as in sync_diff_inspector and a shell alike. */
static bool listed(const char *const *list, const char *name)
{
	bool in = false, any = false;

	for (; *list; list++) {
		if (**list == '!' && !fnmatch(*list + 1, name, 0))
			return false;
		any |= **list != '!';
		in |= **list != '!' && !fnmatch(*list, name, 0);
	}
	return in || !any;
}

static bool left_out(const struct compare_opts *o, const char *db, const char *table)
{
	char name[260];

	snprintf(name, sizeof(name), "%s.%s", db, table);
	return (o->tables && fnmatch(o->tables, name, 0)) || (o->table_list && !listed(o->table_list, name));
}

static struct pair *new_pair(struct plan *p)
{
	assert(p->n_pairs < p->alloc_pairs);
	return &p->pairs[p->n_pairs++];
}

static void one_side_only(struct plan *p, const struct table_name *t, bool a, const char *has, const char *lacks)
{
	char name[260];

	struct pair *pair = new_pair(p);

	snprintf(name, sizeof(name), "%s.%s", t->db, t->table);
	pair->count.name = xstrdup(name);
	pair->count.only_a = a;
	pair->count.only_b = !a;
	p->c.structure_different++;
	compare_finding(&p->c, json_pack("{s:s,s:s,s:s,s:s}", "kind", "table", "table", name, "only_on", has, "not_on", lacks));
}

/* A table that is not listed may be one that this user must not see: then nothing can be told of it. */
static int surely_absent(struct sql *s, const struct table_name *t, const char *side, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows rows = { 0 };
	struct err why = ERR_INIT;
	int rc;

	strbuf_addstr(&q, "SELECT 1 FROM ");
	sql_add_name(&q, t->db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, t->table);
	strbuf_addstr(&q, " LIMIT 0");
	rc = sql_query_stream(s, &rows, &why, q.buf, q.len);
	sql_rows_release(&rows);
	strbuf_release(&q);
	if (rc == 0 || (why.kind == ERR_SQL && (why.code == 1146 || why.code == 1049)))
		return 0; /* there is none, or a view has its name */
	if (why.kind == ERR_SQL)
		return err_set(e, ERR_ENV, why.code, "%s does not let us see %s.%s, so whether it is there can't be told: GRANT SELECT, or leave it out", side,
			       t->db, t->table);
	if (e)
		*e = why;
	return err_wrap(e, "%s", side);
}

static void room_for_pairs(struct plan *p, size_t n)
{
	p->alloc_pairs = n;
	p->pairs = xcalloc(n + 1, sizeof(*p->pairs));
}

static int cut(struct plan *p, struct sql *s, size_t i, uint64_t chunk_rows, struct err *e)
{
	struct pair *t = &p->pairs[i];

	if (t->keyed && key_ranges_cut(s, &t->a, chunk_rows, &t->ranges, e) < 0)
		return err_wrap(e, "cut %s.%s", t->a.db, t->a.table);
	pthread_mutex_lock(&p->c.lock);
	p->jobs = xreallocarray(p->jobs, p->n_jobs + t->ranges.n + 1, sizeof(*p->jobs));
	for (size_t j = 0; j <= t->ranges.n; j++)
		p->jobs[p->n_jobs++] = (struct job){ i, j };
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->c.lock);
	return 0;
}

static int plan_tables(struct plan *p, struct sql *sa, struct sql *sb, const char *an, const char *bn, uint64_t *tables, struct err *e)
{
	const struct compare_opts *o = p->c.o;
	struct table_name *a = NULL, *b = NULL;
	size_t na = 0, nb = 0, i = 0, j = 0;
	bool same_flavor = sql_flavor(sa) == sql_flavor(sb), crc32c = checksum_has_crc32c(sa) && checksum_has_crc32c(sb);
	enum structure_verdict verdict;
	uint64_t different;
	int rc = -1;

	if (schema_tables(sa, &a, &na, e) < 0 || schema_tables(sb, &b, &nb, e) < 0)
		goto out;
	room_for_pairs(p, na + nb);
	while ((i < na || j < nb) && !p->c.failed) {
		int order = i == na ? 1 : j == nb ? -1 : strcmp(a[i].db, b[j].db);
		const struct table_name *t;
		struct pair *pair;

		if (order == 0)
			order = strcmp(a[i].table, b[j].table);
		t = order <= 0 ? &a[i] : &b[j];
		i += order <= 0;
		j += order >= 0;
		if (left_out(o, t->db, t->table))
			continue;
		++*tables;
		if (order) {
			if (surely_absent(order < 0 ? sb : sa, t, order < 0 ? bn : an, e) < 0)
				goto out;
			one_side_only(p, t, order < 0, order < 0 ? an : bn, order < 0 ? bn : an);
			continue;
		}
		pair = new_pair(p);
		pair->count.name = xstrfmt("%s.%s", t->db, t->table);
		if (schema_load(sa, t->db, t->table, &pair->a, e) < 0 || schema_load(sb, t->db, t->table, &pair->b, e) < 0 ||
		    compare_drop_ignored(&pair->a, o->ignore, e) < 0 || compare_drop_ignored(&pair->b, o->ignore, e) < 0)
			goto out;
		pair->a.crc32c = pair->b.crc32c = crc32c;
		different = p->c.structure_different;
		verdict = compare_structure(&p->c, &pair->a, &pair->b, same_flavor);
		pair->count.structure_equal = p->c.structure_different == different;
		if (o->struct_only)
			continue;
		switch (verdict) {
		case STRUCTURE_UNLIKE:
			continue; /* no row of it can be equal */
		case STRUCTURE_ORDERED:
			pair->keyed = key_of_ranges(&pair->a) && key_of_ranges(&pair->b);
			break;
		case STRUCTURE_UNORDERED:
			break;
		}
		if (cut(p, sa, p->n_pairs - 1, o->chunk_rows ? o->chunk_rows : CHUNK_ROWS, e) < 0)
			goto out;
	}
	rc = 0;
out:
	schema_tables_free(a, na);
	schema_tables_free(b, nb);
	return rc;
}

static int finish_fix(struct compare *c, const char *path, struct err *e)
{
	char buf[8192];
	size_t n;
	int rc = 0;

	if (!c->fix_deletes)
		return 0;
	if (c->fix_puts) {
		rewind(c->fix_puts);
		while ((n = fread(buf, 1, sizeof(buf), c->fix_puts)) > 0)
			if (fwrite(buf, 1, n, c->fix_deletes) != n)
				rc = -1;
		fclose(c->fix_puts);
	}
	if (ferror(c->fix_deletes) || fclose(c->fix_deletes) || rc < 0)
		return err_sys(e, "write %s", path);
	return 0;
}

static int open_fix(struct compare *c, const char *path, struct err *e)
{
	if (!path)
		return 0;
	c->fix_deletes = fopen(path, "we");
	if (!c->fix_deletes)
		return err_sys(e, "create %s", path);
	c->fix_puts = tmpfile();
	if (!c->fix_puts)
		return err_sys(e, "temporary file");
	fputs("SET NAMES utf8mb4, time_zone = '+00:00', foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';\n", c->fix_deletes);
	return 0;
}

static void plan_release(struct plan *p)
{
	for (size_t i = 0; i < p->n_pairs; i++) {
		schema_release(&p->pairs[i].a);
		schema_release(&p->pairs[i].b);
		key_ranges_release(&p->pairs[i].ranges);
		free(p->pairs[i].count.name);
	}
	free(p->pairs);
	free(p->jobs);
	pthread_mutex_destroy(&p->c.lock);
	pthread_cond_destroy(&p->more);
}

static void conclude(struct plan *p, struct compare_result *r, const char *an, const char *bn, int64_t start_ns)
{
	struct compare *c = &p->c;

	r->rows = c->rows;
	r->rows_different = c->rows_different;
	r->findings = c->findings;
	c->findings = NULL;
	r->changing = c->changing;
	r->resumed = p->resumed;
	r->verdict = c->rows_different || c->structure_different ? VERDICT_FAIL : c->changing ? VERDICT_UNKNOWN : VERDICT_PASS;
	r->elapsed_us = (clock_mono_ns() - start_ns) / 1000;
	if (r->verdict == VERDICT_PASS && p->resumed) {
		snprintf(r->evidence, sizeof(r->evidence), "%s equals %s: %" PRIu64 " rows of %" PRIu64 " tables, structure too; %" PRIu64
			 " ranges as they were found before the interruption", bn, an, r->rows, r->tables, p->resumed);
	} else if (r->verdict == VERDICT_PASS && c->o->struct_only) {
		snprintf(r->evidence, sizeof(r->evidence), "%s has the structure of %s: %" PRIu64 " tables; rows were not compared", bn, an, r->tables);
	} else if (r->verdict == VERDICT_PASS) {
		snprintf(r->evidence, sizeof(r->evidence), "%s equals %s: %" PRIu64 " rows of %" PRIu64 " tables, structure too", bn, an, r->rows, r->tables);
	} else if (r->verdict == VERDICT_UNKNOWN) {
		snprintf(r->evidence, sizeof(r->evidence), "%" PRIu64 " of %" PRIu64 " tables are written to while they are compared: stop the "
			 "writes, or compare at snapshots", c->changing, r->tables);
	} else {
		json_t *f = json_array_get(r->findings, 0);
		const char *kind = json_string_value(json_object_get(f, "kind")), *table = json_string_value(json_object_get(f, "table"));
		char *key = json_dumps(json_object_get(f, "key"), JSON_COMPACT | JSON_ENCODE_ANY);

		snprintf(r->evidence, sizeof(r->evidence),
			 "%s differs from %s: %" PRIu64 " rows, %" PRIu64 " differences of structure, in %" PRIu64 " tables; "
			 "first: %s %s %.200s",
			 bn, an, r->rows_different, c->structure_different, r->tables, kind ? kind : "", table ? table : "", key ? key : "");
		free(key);
	}
}

static void plan_init(struct plan *p, const struct compare_opts *o)
{
	*p = (struct plan){ .c = { .o = o, .findings_max = o->findings_max ? o->findings_max : 100, .findings = json_array() } };
	pthread_mutex_init(&p->c.lock, NULL);
	pthread_cond_init(&p->more, NULL);
}

int compare_run(const struct compare_opts *o, struct compare_result *r, struct err *e)
{
	unsigned threads = o->threads ? o->threads : 4;
	const char *an = o->a_name ? o->a_name : "a", *bn = o->b_name ? o->b_name : "b";
	struct deadline d = deadline_in_ms(30000); /* to connect */
	struct err why = ERR_INIT;
	pthread_t thread[THREADS_MAX];
	unsigned started;
	struct worker *w;
	struct plan p;
	int64_t start = clock_mono_ns();
	int rc = -1;

	*r = (struct compare_result){ .verdict = VERDICT_UNKNOWN };
	if (threads > THREADS_MAX)
		return err_set(e, ERR_USAGE, 0, "%u threads: at most %u", threads, THREADS_MAX);
	plan_init(&p, o);
	w = xcalloc(threads, sizeof(*w));
	for (unsigned i = 0; i < threads; i++) {
		w[i].p = &p;
		w[i].side[0] = (struct compare_side){ .query = STRBUF_INIT, .ep = o->a_conns ? NULL : &o->a, .snapshot = o->a_snapshot };
		w[i].side[1] = (struct compare_side){ .query = STRBUF_INIT, .ep = o->b_conns ? NULL : &o->b, .snapshot = o->b_snapshot };
	}
	for (unsigned i = 0; i < threads; i++) {
		w[i].side[0].conn = o->a_conns ? o->a_conns[i] : compare_connect(&o->a, o->a_snapshot, false, d, e);
		if (w[i].side[0].conn)
			w[i].side[1].conn = o->b_conns ? o->b_conns[i] : compare_connect(&o->b, o->b_snapshot, false, d, e);
		if (!w[i].side[1].conn) {
			err_wrap(e, "%s", w[i].side[0].conn ? bn : an);
			goto out;
		}
	}
	if (open_fix(&p.c, o->fix_sql_path, e) < 0)
		goto out;
	if (o->resume_path && !(p.resume = compare_resume_open(o, e)))
		goto out;
	started = start_others(thread, compare_thread, w, threads);
	if (plan_tables(&p, w[0].side[0].conn, w[0].side[1].conn, an, bn, &r->tables, &why) < 0)
		fail(&p.c, &why);
	if (work_and_join(&p, thread, started, compare_thread, w, e) < 0)
		goto out;
	conclude(&p, r, an, bn, start);
	r->table = xcalloc(p.n_pairs + 1, sizeof(*r->table));
	for (size_t i = 0; i < p.n_pairs; i++, r->n_tables++) {
		r->table[i] = p.pairs[i].count;
		p.pairs[i].count.name = NULL;
	}
	rc = 0;
out:
	compare_resume_close(p.resume, rc == 0);
	if (finish_fix(&p.c, o->fix_sql_path, rc == 0 ? e : NULL) < 0)
		rc = -1;
	for (unsigned i = 0; i < threads; i++)
		for (int s = 0; s < 2; s++) {
			if (!(s ? o->b_conns : o->a_conns))
				sql_close(w[i].side[s].conn);
			strbuf_release(&w[i].side[s].query);
		}
	free(w);
	json_decref(p.c.findings);
	plan_release(&p);
	return rc;
}

/* ---- against the sums of a backup ---- */

static void *sum_thread(void *arg)
{
	struct worker *w = arg;
	struct plan *p = w->p;
	struct err e = ERR_INIT;
	struct job j;

	while (take_job(p, &j)) {
		struct pair *t = &p->pairs[j.pair];
		size_t range = j.range;
		struct strbuf *q = &w->side[1].query;
		struct sql_rows rows = { 0 };

		strbuf_reset(q);
		strbuf_addstr(q, "SELECT ");
		checksum_select_list(q, &t->a);
		strbuf_addstr(q, " FROM ");
		sql_add_name(q, t->a.db);
		strbuf_addch(q, '.');
		sql_add_name(q, t->a.table);
		key_where(q, &t->a, range ? &t->ranges.bounds[range - 1] : NULL, range < t->ranges.n ? &t->ranges.bounds[range] : NULL);
		if (sql_query_stream(w->side[1].conn, &rows, &e, q->buf, q->len) == 0 && sql_rows_next(&rows, &e) == 1 && rows.cell[0] &&
		    rows.cell[1] && rows.cell[2]) {
			pthread_mutex_lock(&p->c.lock);
			t->seen.rows += strtoull(rows.cell[0], NULL, 10);
			t->seen.a += strtoull(rows.cell[1], NULL, 10);
			t->seen.b += strtoull(rows.cell[2], NULL, 10);
			pthread_mutex_unlock(&p->c.lock);
		} else {
			err_wrap(&e, "sum %s.%s", t->a.db, t->a.table);
			fail(&p->c, &e);
		}
		sql_rows_release(&rows);
	}
	mysql_thread_end();
	return NULL;
}

static const struct table_sum *sum_of(const struct table_sums *sums, const struct table_name *t)
{
	for (size_t i = 0; i < sums->n; i++)
		if (!strcmp(sums->t[i].db, t->db) && !strcmp(sums->t[i].table, t->table))
			return &sums->t[i];
	return NULL;
}

static int plan_sums(struct plan *p, struct sql *s, const struct table_sums *sums, uint64_t *tables, struct err *e)
{
	struct table_name *have = NULL;
	size_t n = 0, found = 0;
	int rc = -1;

	if (schema_tables(s, &have, &n, e) < 0)
		return -1;
	room_for_pairs(p, n + sums->n);
	for (size_t i = 0; i < n; i++) {
		const struct table_sum *sum = sum_of(sums, &have[i]);
		struct pair *pair;

		if (left_out(p->c.o, have[i].db, have[i].table))
			continue;
		++*tables;
		if (!sum) {
			one_side_only(p, &have[i], false, "the cluster", "the backup");
			continue;
		}
		found++;
		pair = new_pair(p);
		pair->expected = sum;
		if (schema_load(s, have[i].db, have[i].table, &pair->a, e) < 0)
			goto out;
		pair->keyed = key_of_ranges(&pair->a) != NULL;
		if (cut(p, s, p->n_pairs - 1, 50000, e) < 0)
			goto out;
	}
	for (size_t i = 0; i < sums->n && found < sums->n; i++) {
		struct table_name t = { sums->t[i].db, sums->t[i].table };
		bool there = false;

		for (size_t j = 0; j < n && !there; j++)
			there = !strcmp(have[j].db, t.db) && !strcmp(have[j].table, t.table);
		if (!there) {
			++*tables;
			one_side_only(p, &t, true, "the backup", "the cluster");
		}
	}
	rc = 0;
out:
	schema_tables_free(have, n);
	return rc;
}

int compare_with_sums(const struct sql_endpoint *b, const struct table_sums *sums, unsigned threads, struct compare_result *r, struct err *e)
{
	struct compare_opts o = { .threads = threads ? threads : 4 };
	struct err why = ERR_INIT;
	pthread_t thread[THREADS_MAX];
	unsigned started;
	struct deadline d = deadline_in_ms(30000);
	struct worker *w;
	struct plan p;
	int64_t start = clock_mono_ns();
	int rc = -1;

	*r = (struct compare_result){ .verdict = VERDICT_UNKNOWN };
	if (o.threads > THREADS_MAX)
		return err_set(e, ERR_USAGE, 0, "%u threads: at most %u", o.threads, THREADS_MAX);
	plan_init(&p, &o);
	w = xcalloc(o.threads, sizeof(*w));
	for (unsigned i = 0; i < o.threads; i++)
		w[i] = (struct worker){ .p = &p, .side = { { .query = STRBUF_INIT }, { .query = STRBUF_INIT } } };
	for (unsigned i = 0; i < o.threads; i++)
		if (!(w[i].side[1].conn = compare_connect(b, NULL, false, d, e)))
			goto out;
	started = start_others(thread, sum_thread, w, o.threads);
	if (plan_sums(&p, w[0].side[1].conn, sums, &r->tables, &why) < 0)
		fail(&p.c, &why);
	if (work_and_join(&p, thread, started, sum_thread, w, e) < 0)
		goto out;
	for (size_t i = 0; i < p.n_pairs; i++) {
		const struct pair *t = &p.pairs[i];
		uint64_t sum = (t->seen.a & UINT32_MAX) << 32 | (t->seen.b & UINT32_MAX);
		char name[260];

		if (!t->expected) /* on one side only: told already */
			continue;
		p.c.rows += t->expected->rows;
		if (t->seen.rows == t->expected->rows && sum == t->expected->sum)
			continue;
		snprintf(name, sizeof(name), "%s.%s", t->a.db, t->a.table);
		/* which rows is not known: at least the difference of the counts, at least one */
		p.c.rows_different += t->seen.rows > t->expected->rows ? t->seen.rows - t->expected->rows :
			t->seen.rows < t->expected->rows ? t->expected->rows - t->seen.rows : 1;
		compare_finding(&p.c, json_pack("{s:s,s:s,s:I,s:I}", "kind", "sum", "table", name, "rows_in_backup", (json_int_t)t->expected->rows,
			"rows_in_cluster", (json_int_t)t->seen.rows));
	}
	conclude(&p, r, "the backup", "the cluster", start);
	rc = 0;
out:
	for (unsigned i = 0; i < o.threads; i++) {
		sql_close(w[i].side[1].conn);
		strbuf_release(&w[i].side[1].query);
	}
	free(w);
	json_decref(p.c.findings);
	plan_release(&p);
	return rc;
}

void compare_result_release(struct compare_result *r)
{
	json_decref(r->findings);
	for (size_t k = 0; k < r->n_tables; k++)
		free(r->table[k].name);
	free(r->table);
	r->table = NULL;
	r->n_tables = 0;
	r->findings = NULL;
}
