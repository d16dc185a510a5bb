/* A cluster against the sums that a backup took in its own snapshot. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/compare/compare_plan.h"

#define CHUNK_ROWS 50000 /* nothing is read again, row by row */

static int sum_range(struct plan *p, struct compare_side *side, struct pair *t, size_t range,
		     struct err *e)
{
	struct strbuf *q = &side->query;
	struct sql_rows rows = { 0 };
	struct rows_sum sum = { 0 };
	int rc = -1;

	strbuf_reset(q);
	strbuf_addstr(q, "SELECT ");
	checksum_select_list(q, &t->a);
	strbuf_addstr(q, " FROM ");
	sql_add_name(q, t->a.db);
	strbuf_addch(q, '.');
	sql_add_name(q, t->a.table);
	key_where(q, &t->a, range ? &t->ranges.bounds[range - 1] : NULL,
		  range < t->ranges.n ? &t->ranges.bounds[range] : NULL);
	if (sql_query_stream(side->conn, &rows, e, q->buf, q->len) == 0 &&
	    sql_rows_next(&rows, e) == 1 && checksum_read(rows.cell, &sum, e) == 0)
		rc = sum.unread ? err_set(e, ERR_ENV, 0,
					  "the server computes no checksum for rows larger than "
					  "its max_allowed_packet: raise it")
				: 0;
	sql_rows_release(&rows);
	if (rc < 0)
		return -1;
	pthread_mutex_lock(&p->c.lock);
	t->seen.rows += sum.rows;
	t->seen.a += sum.a;
	t->seen.b += sum.b;
	t->done++;
	pthread_mutex_unlock(&p->c.lock);
	return 0;
}

static void *sum_thread(void *arg)
{
	struct worker *w = arg;
	struct plan *p = w->p;
	struct job j;

	while (plan_take(p, &j)) {
		struct pair *t = &p->pairs[j.pair];
		struct err e = ERR_INIT;

		if ((j.range == JOB_CUT ? plan_cut(p, t, w->side[1].conn, &e)
					: sum_range(p, &w->side[1], t, j.range, &e)) == 0)
			continue;
		if (schema_cannot_open(&e)) {
			plan_job_unopened(p, &j, e.text);
			continue;
		}
		err_wrap(&e, "sum %s.%s", t->a.db, t->a.table);
		plan_fail(p, &e);
		break;
	}
	mysql_thread_end();
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct table_sum *const *x = a, *const *y = b;
	int order = strcmp((*x)->db, (*y)->db);

	return order ? order : strcmp((*x)->table, (*y)->table);
}

static void plan_table(struct plan *p, struct table_schema *schema, const struct table_sum *sum)
{
	struct pair *pair = plan_pair(p, schema->db, schema->table);

	pair->expected = sum;
	pair->a = *schema;
	pair->keyed = key_of_ranges(&pair->a) != NULL;
	plan_rows(p, pair, 0, CHUNK_ROWS);
}

/* One of them cannot be opened: each for itself. */
static int plan_one_by_one(struct plan *p, struct sql *s, const struct table_name *names,
			   const struct table_sum *const *sums, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct table_schema schema;
		struct err why = ERR_INIT;

		if (schema_load(s, names[i].db, names[i].table, &schema, &why) == 0) {
			plan_table(p, &schema, sums[i]);
		} else if (schema_cannot_open(&why)) {
			struct pair *pair = plan_pair(p, names[i].db, names[i].table);

			pair->expected = sums[i];
			plan_unopened(p, pair, why.text);
		} else {
			if (e)
				*e = why;
			return -1;
		}
	}
	return 0;
}

/* Tables of one database that both have: n names, their sums beside them. */
static int plan_database(struct plan *p, struct sql *s, const struct table_name *names,
			 const struct table_sum *const *sums, size_t n, struct err *e)
{
	struct table_schema *schema = xcalloc(n + 1, sizeof(*schema));
	struct err why = ERR_INIT;
	int rc = schema_load_tables(s, names, n, schema, &why);

	for (size_t i = 0; i < n && rc == 0; i++)
		plan_table(p, &schema[i], sums[i]);
	free(schema);
	if (rc < 0 && schema_cannot_open(&why))
		return plan_one_by_one(p, s, names, sums, n, e);
	if (rc < 0 && e)
		*e = why;
	return rc;
}

static int plan_sums(struct plan *p, struct sql *s, const struct table_sums *sums, uint64_t *tables,
		     struct err *e)
{
	const struct table_sum **expected = xcalloc(sums->n + 1, sizeof(*expected)), **both = NULL;
	struct table_name *have = NULL, *there = NULL;
	size_t n = 0, n_there = 0, j = 0;
	int rc = -1;

	for (size_t i = 0; i < sums->n; i++)
		expected[i] = &sums->t[i];
	qsort(expected, sums->n, sizeof(*expected), by_name);
	if (schema_names(s, &have, &n, e) < 0)
		goto out;
	plan_room(p, n + sums->n);
	there = xcalloc(n + 1, sizeof(*there));
	both = xcalloc(n + 1, sizeof(*both));
	for (size_t i = 0; i <= n; i++) {
		struct table_sum is = { .db = i < n ? have[i].db : NULL,
					.table = i < n ? have[i].table : NULL };
		const struct table_sum *key = &is;

		if (i < n && (!strcmp(have[i].db, BOOKKEEPING_DB) ||
			      (have[i].kind != TABLE_BASE && have[i].kind != TABLE_VERSIONED)))
			continue;
		for (; j < sums->n && (i == n || by_name(&expected[j], &key) < 0); j++) {
			++*tables;
			plan_one_side(p, "table", expected[j]->db, expected[j]->table, true,
				      "the backup", "the cluster");
		}
		if (n_there && (i == n || strcmp(there[0].db, have[i].db) != 0)) {
			if (plan_database(p, s, there, both, n_there, e) < 0)
				goto out;
			n_there = 0;
		}
		if (i == n)
			break;
		++*tables;
		if (j == sums->n || by_name(&expected[j], &key) != 0) {
			plan_one_side(p, "table", have[i].db, have[i].table, false, "the cluster",
				      "the backup");
			continue;
		}
		both[n_there] = expected[j++];
		there[n_there++] = have[i];
	}
	rc = 0;
out:
	schema_tables_free(have, n);
	free(there);
	free(both);
	free(expected);
	return rc;
}

int compare_with_sums(const struct sql_endpoint *b, const struct table_sums *sums, unsigned threads,
		      struct compare_result *r, struct err *e)
{
	struct compare_opts o = { .threads = threads ? threads : 4 };
	struct err why = ERR_INIT;
	pthread_t thread[COMPARE_THREADS_MAX];
	unsigned started;
	struct deadline d = deadline_in_ms(30000);
	struct worker *w;
	struct plan p;
	int64_t start = clock_mono_ns();
	int rc = -1;

	*r = (struct compare_result){ .verdict = VERDICT_UNKNOWN };
	if (o.threads > COMPARE_THREADS_MAX)
		return err_set(e, ERR_USAGE, 0, "%u threads: the limit is %u", o.threads,
			       COMPARE_THREADS_MAX);
	if (sums->form != CHECKSUM_FORM)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"another version of drtest computed the backup's checksums differently: "
			"back up again");
	plan_init(&p, &o);
	w = xcalloc(o.threads, sizeof(*w));
	for (unsigned i = 0; i < o.threads; i++)
		w[i] = (struct worker){
			.p = &p, .side = { { .query = STRBUF_INIT }, { .query = STRBUF_INIT } }
		};
	for (unsigned i = 0; i < o.threads; i++)
		if (!(w[i].side[1].conn = compare_connect(b, NULL, false, d, e)))
			goto out;
	started = plan_start(thread, sum_thread, w, o.threads);
	if (plan_sums(&p, w[0].side[1].conn, sums, &r->tables, &why) < 0)
		plan_fail(&p, &why);
	if (plan_join(&p, thread, started, sum_thread, w, e) < 0)
		goto out;
	for (size_t i = 0; i < p.n_pairs; i++) {
		struct pair *t = &p.pairs[i];
		uint64_t sum = (uint64_t)t->seen.a << 32 | t->seen.b;

		/* on one side only, or not to be opened: told already */
		if (!t->expected || t->count.unopened)
			continue;
		p.c.rows += t->expected->rows;
		if (t->seen.rows == t->expected->rows && sum == t->expected->sum)
			continue;
		/* which rows is not known: at least the difference of the counts, at least one */
		p.c.rows_different +=
			t->seen.rows > t->expected->rows   ? t->seen.rows - t->expected->rows
			: t->seen.rows < t->expected->rows ? t->expected->rows - t->seen.rows
							   : 1;
		compare_finding(&p.c, &t->count,
				json_pack("{s:s,s:s,s:I,s:I}", "kind", "sum", "table",
					  t->count.name, "rows_in_backup",
					  (json_int_t)t->expected->rows, "rows_in_cluster",
					  (json_int_t)t->seen.rows));
	}
	plan_conclude(&p, r, "the backup", "the cluster", start);
	rc = 0;
out:
	for (unsigned i = 0; i < o.threads; i++) {
		sql_close(w[i].side[1].conn);
		strbuf_release(&w[i].side[1].query);
	}
	free(w);
	plan_release(&p);
	return rc;
}
