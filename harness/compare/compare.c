#include "harness/compare/compare.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/base/xalloc.h"
#include "harness/compare/compare_objects.h"
#include "harness/compare/compare_plan.h"
#include "harness/os/fs.h"
#include "harness/sql/rights.h"

#define FINDINGS_MAX 100
#define FINDINGS_PER_TABLE 20
#define LOCK_WAIT_S 60 /* then another session that has the table is told */
#define LOCK_WAIT 1205
#define FIRST_FINDINGS_MAX 10000 /* the first of each table, beyond all others */

/* ---- threads ---- */

void plan_fail(struct plan *p, const struct err *e)
{
	struct compare *c = &p->c;

	pthread_mutex_lock(&c->lock);
	if (!c->failed)
		c->first = *e;
	c->failed = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&c->lock);
}

/* The next one, awaited while tables are planned. */
bool plan_take(struct plan *p, struct job *out)
{
	bool got;

	pthread_mutex_lock(&p->c.lock);
	while (p->next == p->n_jobs && (!p->planned || p->cutting) && !p->c.failed)
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

static void plan_done(struct plan *p, struct pair *pair)
{
	pthread_mutex_lock(&p->c.lock);
	pair->done++;
	pthread_mutex_unlock(&p->c.lock);
}

void plan_unopened(struct plan *p, struct pair *pair, const char *why)
{
	bool known;

	pthread_mutex_lock(&p->c.lock);
	known = pair->count.unopened;
	pair->count.unopened = true;
	p->c.unopened += !known;
	pthread_mutex_unlock(&p->c.lock);
	if (!known)
		compare_finding(&p->c, &pair->count,
				json_pack("{s:s,s:s,s:s}", "kind", "unopened", "table",
					  pair->count.name, "why", why));
}

void plan_job_unopened(struct plan *p, const struct job *j, const char *why)
{
	plan_unopened(p, &p->pairs[j->pair], why);
	if (j->range != JOB_CUT)
		return;
	pthread_mutex_lock(&p->c.lock);
	p->cutting--; /* its ranges will never come */
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->c.lock);
}

static void count_rows(struct plan *p, struct pair *t, uint64_t a, uint64_t b)
{
	pthread_mutex_lock(&p->c.lock);
	p->c.rows += a;
	t->count.rows_a += a;
	t->count.rows_b += b;
	pthread_mutex_unlock(&p->c.lock);
}

static int count_whole(struct compare_side *side, const struct pair *t, uint64_t n[2],
		       struct err *e)
{
	for (int s = 0; s < 2; s++) {
		struct strbuf q = STRBUF_INIT;
		int rc;

		schema_add_from(&q, s ? &t->b : &t->a);
		key_where(&q, s ? &t->b : &t->a, NULL, NULL);
		rc = sql_value_u64(side[s].conn, &n[s], e, "SELECT COUNT(*) FROM %s", q.buf);
		strbuf_release(&q);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* Tables whose columns differ: their rows do not compare, but are told. */
static int count_unlike(struct plan *p, struct compare_side *side, struct pair *t, struct err *e)
{
	uint64_t n[2];

	if (count_whole(side, t, n, e) < 0)
		return -1;
	count_rows(p, t, n[0], n[1]);
	return 0;
}

static int count_again(struct plan *p, struct compare_side *side, struct pair *t, struct err *e)
{
	uint64_t n[2];

	if (count_whole(side, t, n, e) < 0)
		return -1;
	pthread_mutex_lock(&p->c.lock);
	t->whole_counted = true;
	memcpy(t->whole, n, sizeof(n));
	pthread_mutex_unlock(&p->c.lock);
	return 0;
}

static int cut_job(struct plan *p, struct compare_side *side, struct pair *t, struct err *e)
{
	struct err why = ERR_INIT;

	for (int tries = 0; plan_cut(p, t, side[t->cut_side].conn, &why) < 0; tries++)
		if (tries == COMPARE_RECONNECTS || compare_connect_again(side, &why) < 0) {
			if (e)
				*e = why;
			return -1;
		}
	return 0;
}

static int run_job(struct plan *p, struct compare_side *side, const struct job *j, struct err *e)
{
	struct pair *t = &p->pairs[j->pair];
	struct row_range r = { .a = &t->a, .b = &t->b, .t = &t->count };
	struct rows_sum sum[2];
	uint64_t rows;

	if (j->range == JOB_CUT)
		return cut_job(p, side, t, e);
	if (j->range == JOB_WHOLE)
		return count_again(p, side, t, e);
	if (t->count.unlike)
		return count_unlike(p, side, t, e);
	r.low = j->range ? &t->ranges.bounds[j->range - 1] : NULL;
	r.high = j->range < t->ranges.n ? &t->ranges.bounds[j->range] : NULL;
	if (p->resume && compare_resume_has(p->resume, &r, &rows)) {
		pthread_mutex_lock(&p->c.lock);
		p->resumed++;
		pthread_mutex_unlock(&p->c.lock);
		count_rows(p, t, rows, rows);
		return 0;
	}
	if (compare_sums(side, &r, sum, e) < 0)
		return -1;
	count_rows(p, t, sum[0].rows, sum[1].rows);
	if (compare_sums_equal(sum))
		return p->resume ? compare_resume_add(p->resume, &r, sum[0].rows, e) : 0;
	if (sum[0].unread || sum[1].unread)
		return compare_unread(&p->c, side, &r, sum, e);
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
		plan_fail(p, &e);
	while (plan_take(p, &j)) {
		if (clock_cancelled())
			err_set(&e, ERR_CANCELLED, 0, "cancelled");
		else if (run_job(p, w->side, &j, &e) < 0)
			err_wrap(&e,
				 e.code == LOCK_WAIT
					 ? "another session's LOCK TABLES or DDL holds %s.%s"
					 : "compare %s.%s",
				 p->pairs[j.pair].a.db, p->pairs[j.pair].a.table);
		else if (j.range != JOB_CUT)
			plan_done(p, &p->pairs[j.pair]);
		if (schema_cannot_open(&e)) {
			plan_job_unopened(p, &j, e.text);
			e = (struct err)ERR_INIT;
		}
		if (e.kind != ERR_NONE) {
			plan_fail(p, &e);
			break;
		}
	}
	mysql_thread_end();
	return NULL;
}

/* Threads 1 to n-1 start; the caller is thread 0 and may plan before it works with them. Returns
 * how many there are. */
unsigned plan_start(pthread_t *thread, void *(*fn)(void *), struct worker *w, unsigned n)
{
	unsigned started = 1;

	for (; started < n; started++)
		if (pthread_create(&thread[started], NULL, fn, &w[started]))
			break;
	return started;
}

int plan_join(struct plan *p, pthread_t *thread, unsigned started, void *(*fn)(void *),
	      struct worker *w, struct err *e)
{
	all_planned(p);
	fn(&w[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(thread[i], NULL);
	if (p->c.failed && e)
		*e = p->c.first;
	return p->c.failed ? -1 : 0;
}

struct sql *compare_connect(const struct sql_endpoint *ep, const char *snapshot, bool values,
			    struct deadline d, struct err *e)
{
	struct sql *s = sql_open_reading(ep, d, e);
	struct strbuf v = STRBUF_INIT;
	int rc = 0;

	if (!s)
		return NULL;
	(void)sql_exec(s, NULL, "SET SESSION lock_wait_timeout = %d", LOCK_WAIT_S);
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

/* ---- findings ---- */

/* Each table may have its share; the first of a table has its place even where others have filled
 * the rest. */
static bool has_room(const struct compare *c, const struct compare_table *t)
{
	size_t n = json_array_size(c->findings);

	if (t && t->named >= c->findings_per_table)
		return false;
	return n < c->findings_max || ((!t || !t->named) && n < FIRST_FINDINGS_MAX);
}

void compare_finding(struct compare *c, struct compare_table *t, json_t *finding)
{
	pthread_mutex_lock(&c->lock);
	if (has_room(c, t)) {
		json_array_append_new(c->findings, finding);
		if (t)
			t->named++;
	} else {
		json_decref(finding);
	}
	pthread_mutex_unlock(&c->lock);
}

bool compare_wants_names(struct compare *c, const struct compare_table *t)
{
	bool yes;

	pthread_mutex_lock(&c->lock);
	yes = has_room(c, t);
	pthread_mutex_unlock(&c->lock);
	return yes;
}

/* ---- the plan ---- */

void plan_room(struct plan *p, size_t pairs)
{
	p->alloc_pairs = pairs;
	p->pairs = xcalloc(pairs + 1, sizeof(*p->pairs));
}

struct pair *plan_pair(struct plan *p, const char *db, const char *table)
{
	struct pair *pair;

	assert(p->n_pairs < p->alloc_pairs);
	pair = &p->pairs[p->n_pairs++];
	pair->a.handle = pair->b.handle = -1;
	pair->count.name = xstrfmt("%s.%s", db, table);
	pair->count.structure_equal = true;
	return pair;
}

void plan_one_side(struct plan *p, const char *kind, const char *db, const char *table, bool a,
		   const char *has, const char *lacks)
{
	struct pair *pair = plan_pair(p, db, table);
	struct compare *c = &p->c;

	pair->count.only_a = a;
	pair->count.only_b = !a;
	if (c->o->skip_missing) {
		compare_not_compared(c, kind, pair->count.name,
				     a ? "the other side has none: skipped as requested"
				       : "only the target has it: skipped as requested");
		return;
	}
	c->structure_different++;
	compare_finding(c, &pair->count,
			json_pack("{s:s,s:s,s:s,s:s}", "kind", kind, "table", pair->count.name,
				  "only_on", has, "not_on", lacks));
}

static void add_jobs(struct plan *p, struct pair *pair, size_t first, size_t n)
{
	if (p->n_jobs + n > p->alloc_jobs) {
		p->alloc_jobs = 2 * (p->n_jobs + n);
		p->jobs = xreallocarray(p->jobs, p->alloc_jobs, sizeof(*p->jobs));
	}
	for (size_t j = 0; j < n; j++)
		p->jobs[p->n_jobs++] = (struct job){ (size_t)(pair - p->pairs), first + j };
	pthread_cond_broadcast(&p->more);
}

void plan_rows(struct plan *p, struct pair *pair, int side, uint64_t chunk_rows)
{
	pair->cut_side = side;
	pair->chunk_rows = chunk_rows;
	pthread_mutex_lock(&p->c.lock);
	p->cutting += pair->keyed;
	pair->jobs = 1;
	add_jobs(p, pair, pair->keyed ? JOB_CUT : 0, 1);
	pthread_mutex_unlock(&p->c.lock);
}

int plan_cut(struct plan *p, struct pair *pair, struct sql *s, struct err *e)
{
	const struct table_schema *t = pair->cut_side ? &pair->b : &pair->a;

	if (key_ranges_cut(s, t, pair->chunk_rows, &pair->ranges, e) < 0)
		return err_wrap(e, "cut %s.%s", t->db, t->table);
	pthread_mutex_lock(&p->c.lock);
	pair->jobs = pair->ranges.n + 1;
	p->cutting--;
	add_jobs(p, pair, 0, pair->jobs);
	if (pair->ranges.n && !pair->expected && !key_orders_surely(t)) {
		pair->jobs++;
		add_jobs(p, pair, JOB_WHOLE, 1);
	}
	pthread_mutex_unlock(&p->c.lock);
	return 0;
}

/* ---- the fix ---- */

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
	char *folder;
	int fd;

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* there are rows in it */
	c->fix_deletes = fd < 0 ? NULL : fdopen(fd, "w");
	if (!c->fix_deletes)
		return err_sys(e, "create %s", path);
	folder = xstrdup(path);
	c->fix_puts = fs_nameless_file(dirname(folder), e); /* as large as that file */
	free(folder);
	if (!c->fix_puts)
		return -1;
	fputs("SET NAMES utf8mb4, time_zone = '+00:00', foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';\n",
	      c->fix_deletes);
	return 0;
}

void plan_release(struct plan *p)
{
	json_decref(p->c.findings);
	json_decref(p->c.notes);
	json_decref(p->c.not_compared);
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

/* ---- the result ---- */

/* A table whose rows were not all read on both sides must never count as equal. */
static uint64_t is_unfinished(const struct plan *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->n_pairs; i++) {
		const struct pair *t = &p->pairs[i];

		n += !p->c.o->struct_only && !t->count.only_a && !t->count.only_b &&
		     (!t->jobs || t->done != t->jobs || t->count.unlike);
	}
	return n;
}

static void find_uncovered(struct plan *p)
{
	for (size_t i = 0; i < p->n_pairs; i++) {
		struct pair *t = &p->pairs[i];
		char *what;

		if (!t->whole_counted || t->count.changing ||
		    (t->count.rows_a == t->whole[0] && t->count.rows_b == t->whole[1]))
			continue;
		/* two bounds in another order there: the rows between them are in two ranges */
		if (t->a.texts_move && t->count.rows_a >= t->whole[0] &&
		    t->count.rows_b >= t->whole[1]) {
			p->c.rows -= t->count.rows_a - t->whole[0];
			t->count.rows_a = t->whole[0];
			t->count.rows_b = t->whole[1];
			continue;
		}
		t->count.changing = true;
		p->c.changing++;
		what = xstrfmt("the ranges of its key hold %" PRIu64 " and %" PRIu64
			       " rows, and it has %" PRIu64 " and %" PRIu64
			       ": it was written to, or a server's index has another order than "
			       "its collation (CHECK TABLE)",
			       t->count.rows_a, t->count.rows_b, t->whole[0], t->whole[1]);
		compare_finding(&p->c, &t->count,
				json_pack("{s:s,s:s,s:s}", "kind", "changing", "table",
					  t->count.name, "what", what));
		free(what);
	}
}

static void add(struct compare_result *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void add(struct compare_result *r, const char *fmt, ...)
{
	size_t n = strlen(r->evidence);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->evidence + n, sizeof(r->evidence) - n, fmt, ap);
	va_end(ap);
}

/* The first few by name. */
static void add_not_compared(struct compare_result *r, uint64_t total)
{
	json_t *j;
	size_t i;

	if (!total)
		return;
	add(r, "; not compared: ");
	json_array_foreach(r->not_compared, i, j)
	{
		if (i == 5)
			break;
		add(r, "%s%s %.120s", i ? ", " : "", json_string_value(json_object_get(j, "kind")),
		    json_string_value(json_object_get(j, "name")));
	}
	if (total > i)
		add(r, " and %" PRIu64 " more", total - i);
}

static void add_first(struct compare_result *r)
{
	json_t *f = json_array_get(r->findings, 0);
	const char *kind = json_string_value(json_object_get(f, "kind")),
		   *table = json_string_value(json_object_get(f, "table"));
	char *key = json_dumps(json_object_get(f, "key"), JSON_COMPACT | JSON_ENCODE_ANY);

	if (f)
		add(r, "; first: %s %.200s%s%.200s", kind ? kind : "", table ? table : "",
		    key && *key ? " " : "", key ? key : "");
	free(key);
}

static void add_unknown(struct compare_result *r, const struct plan *p, uint64_t left)
{
	const char *sep = "";

	if (r->changing) {
		add(r,
		    "%" PRIu64 " of %" PRIu64
		    " tables were written to during the compare: stop the "
		    "writes, or compare at snapshots",
		    r->changing, r->tables);
		sep = "; ";
	}
	if (r->unread) {
		add(r,
		    "%srows of %" PRIu64 " of %" PRIu64
		    " tables were not compared because they are "
		    "larger than a server's max_allowed_packet: raise it",
		    sep, r->unread, r->tables);
		sep = "; ";
	}
	if (r->unopened) {
		add(r, "%s%" PRIu64 " of %" PRIu64 " tables cannot be opened by a server", sep,
		    r->unopened, r->tables);
		add_first(r);
		sep = "; ";
	}
	if (!p->n_pairs && !r->views)
		add(r, "nothing was compared: neither side has a table");
	else if (!*r->evidence)
		add(r, "rows of %" PRIu64 " tables were not all read", left);
}

void plan_conclude(struct plan *p, struct compare_result *r, const char *an, const char *bn,
		   int64_t start_ns)
{
	struct compare *c = &p->c;
	uint64_t left = is_unfinished(p);
	bool nothing = !p->n_pairs && !r->views;

	find_uncovered(p);
	r->rows = c->rows;
	r->rows_different = c->rows_different;
	r->findings = json_incref(c->findings);
	r->notes = json_incref(c->notes);
	r->not_compared = json_incref(c->not_compared);
	r->changing = c->changing;
	r->unread = c->unread;
	r->unopened = c->unopened;
	r->resumed = p->resumed;
	r->verdict = c->rows_different || c->structure_different                  ? VERDICT_FAIL
		     : c->changing || c->unread || c->unopened || left || nothing ? VERDICT_UNKNOWN
										  : VERDICT_PASS;
	r->elapsed_us = (clock_mono_ns() - start_ns) / 1000;
	if (r->verdict == VERDICT_PASS && c->o->struct_only) {
		add(r, "%s has the structure of %s: %" PRIu64 " tables; rows were not compared", bn,
		    an, r->tables);
	} else if (r->verdict == VERDICT_PASS) {
		add(r, "%s equals %s: %" PRIu64 " rows of %" PRIu64 " tables%s", bn, an, r->rows,
		    r->tables,
		    c->o->data_only   ? "; structure was not compared"
		    : c->kinds_differ ? ", columns and unique keys too"
				      : ", structure too");
		if (p->resumed)
			add(r, "; %" PRIu64 " ranges as found before the interruption", p->resumed);
	} else if (r->verdict == VERDICT_UNKNOWN) {
		add_unknown(r, p, left);
	} else {
		uint64_t unlike = 0;

		for (size_t i = 0; i < p->n_pairs; i++)
			unlike += p->pairs[i].count.unlike;
		add(r,
		    "%s differs from %s: %" PRIu64 " rows, %" PRIu64
		    " differences of structure, in %" PRIu64 " tables",
		    bn, an, r->rows_different, c->structure_different, r->tables);
		if (unlike)
			add(r,
			    "; the rows of %" PRIu64 " were not compared because their columns "
			    "differ",
			    unlike);
		if (c->unread)
			add(r,
			    "; rows of %" PRIu64
			    " larger than max_allowed_packet were not compared",
			    c->unread);
		if (c->unopened)
			add(r, "; %" PRIu64 " tables cannot be opened by a server", c->unopened);
		add_first(r);
	}
	if (c->counters_behind)
		add(r,
		    "; %" PRIu64 " AUTO_INCREMENT or sequence behind on %s: IDs would be assigned "
		    "twice",
		    c->counters_behind, bn);
	add_not_compared(r, c->not_compared_total);
}

void plan_init(struct plan *p, const struct compare_opts *o)
{
	*p = (struct plan){ .c = { .o = o,
				   .findings_max = o->findings_max ? o->findings_max : FINDINGS_MAX,
				   .findings_per_table = o->findings_per_table
								 ? o->findings_per_table
								 : FINDINGS_PER_TABLE,
				   .findings = json_array(),
				   .notes = json_array(),
				   .not_compared = json_array() } };
	pthread_mutex_init(&p->c.lock, NULL);
	pthread_cond_init(&p->more, NULL);
}

/* Two names of one server, by which it would always equal itself. A lock of a's that b sees tells;
 * on TiDB that would write, and there the addresses alone are looked at. */
static bool are_one_server(const struct compare_opts *o, struct sql *a, struct sql *b)
{
	unsigned char random[8] = { 0 };
	uint64_t got = 0;
	char name[40] = "drtest-";

	if ((o->routes && o->routes->n) ||
	    (o->a_snapshot && o->b_snapshot && strcmp(o->a_snapshot, o->b_snapshot)) ||
	    !o->a_snapshot != !o->b_snapshot)
		return false;
	if (!o->a_conns && !o->b_conns && o->a.port == o->b.port && !strcmp(o->a.host, o->b.host))
		return true;
	if (sql_flavor(a) == SQL_TIDB || sql_flavor(b) == SQL_TIDB ||
	    getrandom(random, sizeof(random), 0) != sizeof(random))
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "%02x", random[i]);
	if (sql_value_u64(a, &got, NULL, "SELECT GET_LOCK('%s', 0)", name) < 0 || got != 1)
		return false;
	got = 0;
	sql_value_u64(b, &got, NULL, "SELECT IS_USED_LOCK('%s') IS NOT NULL", name);
	sql_exec(a, NULL, "DO RELEASE_LOCK('%s')", name);
	return got == 1;
}

int compare_run(const struct compare_opts *o, struct compare_result *r, struct err *e)
{
	unsigned threads = o->threads ? o->threads : 4;
	const char *an = o->a_name ? o->a_name : "a", *bn = o->b_name ? o->b_name : "b";
	struct deadline d = deadline_in_ms(30000); /* to connect */
	struct err why = ERR_INIT;
	pthread_t thread[COMPARE_THREADS_MAX];
	unsigned started;
	struct worker *w;
	struct plan p;
	int64_t start = clock_mono_ns();
	int rc = -1;

	*r = (struct compare_result){ .verdict = VERDICT_UNKNOWN };
	if (threads > COMPARE_THREADS_MAX)
		return err_set(e, ERR_USAGE, 0, "%u threads: the limit is %u", threads,
			       COMPARE_THREADS_MAX);
	plan_init(&p, o);
	w = xcalloc(threads, sizeof(*w));
	for (unsigned i = 0; i < threads; i++) {
		w[i].p = &p;
		w[i].side[0] = (struct compare_side){ .query = STRBUF_INIT,
						      .ep = o->a_conns ? NULL : &o->a,
						      .snapshot = o->a_snapshot };
		w[i].side[1] = (struct compare_side){ .query = STRBUF_INIT,
						      .ep = o->b_conns ? NULL : &o->b,
						      .snapshot = o->b_snapshot };
	}
	for (unsigned i = 0; i < threads; i++) {
		w[i].side[0].conn = o->a_conns ? o->a_conns[i]
					       : compare_connect(&o->a, o->a_snapshot, false, d, e);
		if (w[i].side[0].conn)
			w[i].side[1].conn =
				o->b_conns ? o->b_conns[i]
					   : compare_connect(&o->b, o->b_snapshot, false, d, e);
		if (!w[i].side[1].conn) {
			err_wrap(e, "%s", w[i].side[0].conn ? bn : an);
			goto out;
		}
	}
	if (are_one_server(o, w[0].side[0].conn, w[0].side[1].conn)) {
		err_set(e, ERR_USAGE, 0,
			"%s and %s are one server: it would be compared with itself, and equal", an,
			bn);
		goto out;
	}
	if (open_fix(&p.c, o->fix_sql_path, e) < 0)
		goto out;
	if (o->resume_path && !(p.resume = compare_resume_open(o, e)))
		goto out;
	started = plan_start(thread, compare_thread, w, threads);
	if (plan_tables(&p, w[0].side[0].conn, w[0].side[1].conn, an, bn, r, &why) < 0)
		plan_fail(&p, &why);
	if (plan_join(&p, thread, started, compare_thread, w, e) < 0)
		goto out;
	plan_conclude(&p, r, an, bn, start);
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
	plan_release(&p);
	return rc;
}

void compare_result_release(struct compare_result *r)
{
	json_decref(r->findings);
	json_decref(r->notes);
	json_decref(r->not_compared);
	for (size_t k = 0; k < r->n_tables; k++)
		free(r->table[k].name);
	free(r->table);
	r->table = NULL;
	r->n_tables = 0;
	r->findings = r->notes = r->not_compared = NULL;
}
