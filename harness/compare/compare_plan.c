#include "harness/compare/compare_plan.h"

#include <assert.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/compare/compare_objects.h"
#include "harness/compare/compare_structure.h"

/* a range that differs is read again, row by row: it should not be much */
#define CHUNK_ROWS 10000
/* so many tables of a database are asked for one by one: a list of all of them might be long */
#define ONE_BY_ONE 2

/* Of one side, under the name that it has on b. */
struct entry {
	const char *db, *table;      /* into names, or a route's */
	const struct table_name *is; /* its own name */
	bool routed;
};
struct side_list {
	struct table_name *names;
	struct entry *entry; /* in order */
	size_t n_names, n;
};
struct planner {
	struct plan *p;
	struct sql *s[2];
	const char *name[2];
	struct side_list list[2];
	bool same_flavor, crc32c, no_md5;
	bool texts_differ; /* the servers order texts differently */
	uint64_t *tables;
	/* tables that both sides have, of one database of b's, until their structure is asked for
	 */
	struct waiting {
		const struct entry *a;
		size_t n_a; /* more than one: several of a's are routed to it */
		const struct entry *b;
		char *unopened[2]; /* why a server cannot open it */
	} * waiting;
	size_t n_waiting, alloc_waiting;
	const struct table_name **views; /* that both have */
	size_t n_views;
	const char **dbs; /* of b's names: that are compared */
	size_t n_dbs;
	struct table_filter *only; /* compare_opts.tables */
	bool *ignore_used;         /* beside each of compare_opts.ignore */
};

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->db, y->db);

	if (!order)
		order = strcmp(x->table, y->table);
	if (!order)
		order = strcmp(x->is->db, y->is->db);
	return order ? order : strcmp(x->is->table, y->is->table);
}

/* What drtest itself keeps there. */
static bool is_ours(const char *table)
{
	static const char *const ours[] = {
		"checkpoint",   "ddl_intent", "ddl_progress",     "replay_progress", "replay_done",
		"keyless_done", "left_out",   "sink_connections", "sink_generations"
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!strcmp(table, ours[i]))
			return true;
	return false;
}

static bool is_ignored(const struct planner *l, const char *name)
{
	const char *const *ignore = l->p->c.o->ignore;
	bool yes = false;

	for (size_t i = 0; ignore && ignore[i]; i++)
		if (compare_pattern_is_table(ignore[i]) && !fnmatch(ignore[i], name, 0))
			yes = l->ignore_used[i] = true;
	return yes;
}

static bool is_wanted(struct planner *l, const char *db, const char *table)
{
	const struct compare_opts *o = l->p->c.o;
	char *name = xstrfmt("%s.%s", db, table);
	bool in = !l->only || table_filter_has(l->only, db, table);

	in = (!o->filter || table_filter_has(o->filter, db, table)) && in;
	if (in && !strcmp(db, BOOKKEEPING_DB)) {
		if (!is_ours(table))
			compare_not_compared(&l->p->c, "table", name,
					     "the database belongs to drtest");
		in = false;
	}
	if (in && is_ignored(l, name)) {
		compare_not_compared(&l->p->c, "table", name, "skipped as requested");
		in = false;
	}
	free(name);
	return in;
}

static bool is_routed_to(const struct side_list *list, const char *db, const char *table)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->entry[i].routed && !strcmp(list->entry[i].db, db) &&
		    !strcmp(list->entry[i].table, table))
			return true;
	return false;
}

/* As sync_diff_inspector has it: under a name that a route leads to, the target has the routed
 * tables, and none that happens to have that name in the source. */
static void leave_out_own_names(struct planner *l, struct side_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct entry *x = &list->entry[i];
		char *name;

		if (x->routed || (!routes_lead_to(l->p->c.o->routes, x->db, x->table) &&
				  !is_routed_to(list, x->db, x->table))) {
			list->entry[kept++] = *x;
			continue;
		}
		name = xstrfmt("%s.%s", x->db, x->table);
		compare_not_compared(&l->p->c, "table", name,
				     "the source's own of that name: routes lead others to it, "
				     "and none leads this one");
		free(name);
	}
	list->n = kept;
}

static int list_side(struct planner *l, int side, struct err *e)
{
	struct side_list *list = &l->list[side];

	if (schema_names(l->s[side], &list->names, &list->n_names, e) < 0)
		return -1;
	list->entry = xcalloc(list->n_names + 1, sizeof(*list->entry));
	for (size_t i = 0; i < list->n_names; i++) {
		const struct table_name *t = &list->names[i];
		struct entry x = { t->db, t->table, t, false };
		int routed =
			side ? 0
			     : routes_apply(l->p->c.o->routes, t->db, t->table, &x.db, &x.table, e);

		if (routed < 0)
			return -1;
		x.routed = routed;
		if (is_wanted(l, x.db, x.table))
			list->entry[list->n++] = x;
	}
	if (!side && l->p->c.o->routes && l->p->c.o->routes->n)
		leave_out_own_names(l, list);
	if (list->n)
		qsort(list->entry, list->n, sizeof(*list->entry), by_name);
	return 0;
}

static const char *kind_name(enum table_kind kind)
{
	return kind == TABLE_VIEW ? "view" : kind == TABLE_SEQUENCE ? "sequence" : "table";
}

static bool is_table(enum table_kind kind)
{
	return kind == TABLE_BASE || kind == TABLE_VERSIONED;
}

/* A table that is not listed may be one that this user must not see: then nothing can be told of
 * it. */
static int surely_absent(struct sql *s, const struct entry *t, const char *side, struct err *e)
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
		return 0;
	if (why.kind == ERR_SQL)
		return err_set(
			e, ERR_ENV, why.code,
			"%s does not show %s.%s to this account, so drtest cannot tell whether "
			"it exists: GRANT SELECT, or exclude it",
			side, t->db, t->table);
	if (e)
		*e = why;
	return err_wrap(e, "%s", side);
}

static int one_side(struct planner *l, const struct entry *t, bool a, struct err *e)
{
	struct table_name v = { .db = (char *)t->db, .table = (char *)t->table };
	int broken = t->is->kind == TABLE_VIEW ? compare_view_invalid(l->s[!a], &v, e) : 0;

	if (broken < 0 || surely_absent(l->s[a], t, l->name[a], e) < 0)
		return -1;
	if (broken) {
		char *name = xstrfmt("%s.%s", t->db, t->table);

		compare_not_compared(&l->p->c, "view", name,
				     a ? "only a has it, and it can't be used there"
				       : "only b has it, and it can't be used there");
		free(name);
		return 0;
	}
	*l->tables += is_table(t->is->kind);
	plan_one_side(l->p, kind_name(t->is->kind), t->db, t->table, a, l->name[!a], l->name[a]);
	return 0;
}

/* ---- the structure of tables that both have ---- */

static int config_of(const struct compare_opts *o, const char *db, const char *table,
		     const struct compare_table_config **out, struct err *e)
{
	*out = NULL;
	for (size_t i = 0; i < o->n_configs; i++) {
		if (!table_filter_has(o->configs[i].tables, db, table))
			continue;
		if (*out)
			return err_set(e, ERR_USAGE, 0, "two table configs are for %s.%s", db,
				       table);
		*out = &o->configs[i];
	}
	return 0;
}

/* Several tables as one: what stands behind FROM. Numbers of ENUM, SET and BIT are taken in each,
 * for a UNION has none of these types. */
static char *union_of(const struct table_schema *columns, const struct entry *a, size_t n)
{
	struct strbuf out = STRBUF_INIT;

	for (size_t k = 0; k < n; k++) {
		strbuf_addstr(&out, k ? " UNION ALL SELECT " : "(SELECT ");
		for (size_t i = 0; i < columns->n_columns; i++) {
			const struct column *c = &columns->columns[i];

			if (i)
				strbuf_addch(&out, ',');
			if (c->type == COL_ENUM || c->type == COL_SET || c->type == COL_BIT) {
				checksum_value(&out, c);
				strbuf_addstr(&out, " AS ");
			}
			sql_add_name(&out, c->name);
		}
		strbuf_addstr(&out, " FROM ");
		sql_add_name(&out, a[k].is->db);
		strbuf_addch(&out, '.');
		sql_add_name(&out, a[k].is->table);
	}
	strbuf_addstr(&out, ") AS ");
	sql_add_name(&out, columns->table);
	return strbuf_detach(&out);
}

static int drop_ignored(struct planner *l, struct table_schema *t, const struct pair *pair,
			const struct compare_table_config *config, struct err *e)
{
	const struct compare_ignored ignored = { l->p->c.o->ignore, l->ignore_used,
						 config ? config->ignore : NULL,
						 config ? config->n_ignore : 0 };

	return compare_drop_ignored(t, pair->b.db, pair->b.table, &ignored, e);
}

/* The others that are routed to the same table. */
static enum structure_verdict join_others(struct planner *l, struct pair *pair,
					  const struct waiting *w,
					  const struct compare_table_config *config, struct err *e,
					  int *rc)
{
	enum structure_verdict verdict = STRUCTURE_ORDERED;

	for (size_t k = 1; k < w->n_a && *rc == 0; k++) {
		struct table_schema other;
		enum structure_verdict v;

		*rc = schema_load(l->s[0], w->a[k].is->db, w->a[k].is->table, &other, e);
		if (*rc < 0)
			break;
		*rc = drop_ignored(l, &other, pair, config, e);
		v = *rc < 0 ? STRUCTURE_UNLIKE
			    : compare_structure(&l->p->c, &pair->count, &other, &pair->b,
						l->same_flavor);
		verdict = v > verdict ? v : verdict;
		schema_release(&other);
	}
	return verdict;
}

static bool is_of_key(const struct table_schema *t, size_t column)
{
	const struct index_key *k = t->handle >= 0 ? &t->uniques[t->handle] : NULL;

	for (size_t i = 0; k && i < k->n_columns; i++)
		if ((size_t)k->columns[i] == column)
			return true;
	return false;
}

/* A TiDB that was made without the new collations takes each text by its bytes, whatever collation
 * its column names. */
static int orders_by_bytes(struct sql *s, bool *yes, struct err *e)
{
	uint64_t alike = 1;

	if (sql_flavor(s) == SQL_TIDB &&
	    sql_value_u64(s, &alike, e,
			  "SELECT _utf8mb4'a' COLLATE utf8mb4_general_ci = _utf8mb4'A'") < 0)
		return -1;
	*yes = !alike;
	return 0;
}

static bool has_text_key(const struct table_schema *t)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (is_of_key(t, i) && t->columns[i].charset &&
		    strcmp(t->columns[i].charset, "binary") != 0)
			return true;
	return false;
}

/* Returns whether one of the key is among them: its values are no ranges of the other side. */
static bool take_as_utf8(struct table_schema *t, struct sql *here, struct sql *there)
{
	bool key = false;

	if (sql_flavor(here) == SQL_TIDB || sql_flavor(there) != SQL_TIDB)
		return false;
	for (size_t i = 0; i < t->n_columns; i++) {
		struct column *c = &t->columns[i];

		c->as_utf8 = c->charset && !strcmp(c->charset, "latin1");
		key |= c->as_utf8 && is_of_key(t, i);
	}
	return key;
}

/* Numbers of members that differ mean nothing in a UNION, and it has no members. */
static bool has_other_members(const struct pair *pair)
{
	for (size_t i = 0; i < pair->a.n_columns && i < pair->b.n_columns; i++)
		if (pair->a.columns[i].by_members || pair->b.columns[i].by_members)
			return true;
	return false;
}

static int plan_pair_rows(struct planner *l, struct pair *pair, const struct waiting *w,
			  struct err *e)
{
	const struct compare_opts *o = l->p->c.o;
	const struct compare_table_config *config;
	enum structure_verdict verdict, others;
	size_t n_columns = pair->b.n_columns;
	bool other_bytes; /* of a text in the key */
	int rc = 0;

	if (config_of(o, pair->b.db, pair->b.table, &config, e) < 0 ||
	    drop_ignored(l, &pair->a, pair, config, e) < 0 ||
	    drop_ignored(l, &pair->b, pair, config, e) < 0)
		return -1;
	pair->a.crc32c = pair->b.crc32c = l->crc32c;
	pair->a.no_md5 = pair->b.no_md5 = l->no_md5;
	other_bytes =
		take_as_utf8(&pair->a, l->s[0], l->s[1]) | take_as_utf8(&pair->b, l->s[1], l->s[0]);
	pair->a.portable_doubles = pair->b.portable_doubles = !l->same_flavor;
	pair->count.keyless = pair->a.handle < 0;
	others = join_others(l, pair, w, config, e, &rc);
	if (rc < 0)
		return -1;
	verdict = compare_structure(&l->p->c, &pair->count, &pair->a, &pair->b, l->same_flavor);
	if (verdict == STRUCTURE_ORDERED &&
	    (other_bytes || (l->texts_differ && has_text_key(&pair->a))))
		verdict = STRUCTURE_UNORDERED; /* no range has the same rows on both sides */
	pair->a.json_by_value = pair->b.json_by_value = !l->same_flavor;
	pair->a.texts_move = !l->same_flavor && has_text_key(&pair->a);
	verdict = others > verdict ? others : verdict;
	if (w->n_a > 1 && has_other_members(pair) && verdict != STRUCTURE_UNLIKE) {
		compare_unlike(&l->p->c, &pair->count);
		verdict = STRUCTURE_UNLIKE;
	}
	if (w->a->is->kind == TABLE_VERSIONED || w->b->is->kind == TABLE_VERSIONED)
		compare_not_compared(&l->p->c, "history", pair->count.name,
				     "rows of the past: only current ones are compared");
	if (w->n_a > 1) {
		pair->a.rows_of = union_of(&pair->a, w->a, w->n_a);
		for (size_t i = 0; i < pair->a.n_columns; i++)
			pair->a.columns[i].is_number = pair->a.columns[i].type == COL_SET;
	}
	if (config && config->condition) {
		free(pair->a.condition);
		free(pair->b.condition);
		pair->a.condition = xstrdup(config->condition);
		pair->b.condition = xstrdup(config->condition);
	}
	pair->count.columns_left_out = pair->b.n_columns < n_columns;
	if (o->struct_only)
		return 0;
	pair->count.unlike = verdict == STRUCTURE_UNLIKE;
	pair->keyed =
		verdict == STRUCTURE_ORDERED && key_of_ranges(&pair->a) && key_of_ranges(&pair->b);
	plan_rows(l->p, pair, w->n_a > 1, o->chunk_rows ? o->chunk_rows : CHUNK_ROWS);
	return 0;
}

static int load_side(struct planner *l, int side, struct table_schema *out, struct err *e)
{
	struct table_name *names = xcalloc(l->n_waiting + 1, sizeof(*names));
	bool together = l->n_waiting > ONE_BY_ONE;
	struct err why = ERR_INIT;
	int rc = 0;

	for (size_t i = 0; i < l->n_waiting; i++) {
		names[i] = side ? *l->waiting[i].b->is : *l->waiting[i].a->is;
		/* routes: of several databases, or in another order */
		together &= !i || (!strcmp(names[i].db, names[0].db) &&
				   strcmp(names[i - 1].table, names[i].table) < 0);
	}
	if (together)
		rc = schema_load_tables(l->s[side], names, l->n_waiting, out, &why);
	if (!together || schema_cannot_open(&why)) {
		rc = 0;
		for (size_t i = 0; i < l->n_waiting && rc == 0; i++) {
			why = (struct err)ERR_INIT;
			rc = schema_load(l->s[side], names[i].db, names[i].table, &out[i], &why);
			if (rc == 0 || !schema_cannot_open(&why))
				continue;
			l->waiting[i].unopened[side] = xstrdup(why.text);
			rc = 0;
		}
	}
	free(names);
	if (rc < 0 && e)
		*e = why;
	return rc < 0 ? err_wrap(e, "%s", l->name[side]) : 0;
}

struct load {
	struct planner *l;
	struct table_schema *out;
	struct err e;
	int rc;
};

static void *load_b(void *arg)
{
	struct load *b = arg;

	b->rc = load_side(b->l, 1, b->out, &b->e);
	mysql_thread_end();
	return NULL;
}

/* Both servers at once. */
static int load_both(struct planner *l, struct table_schema *a, struct table_schema *out_b,
		     struct err *e)
{
	struct load b = { .l = l, .out = out_b };
	pthread_t thread;
	int rc;

	if (pthread_create(&thread, NULL, load_b, &b))
		return err_sys(e, "a thread");
	rc = load_side(l, 0, a, e);
	pthread_join(thread, NULL);
	if (rc == 0 && b.rc < 0 && e)
		*e = b.e;
	return rc < 0 || b.rc < 0 ? -1 : 0;
}

/* Pairs of one database, whose structure is asked for together. */
static int plan_waiting(struct planner *l, struct err *e)
{
	struct table_schema *schema[2] = { xcalloc(l->n_waiting + 1, sizeof(struct table_schema)),
					   xcalloc(l->n_waiting + 1, sizeof(struct table_schema)) };
	size_t i = 0;
	int rc = 0;

	if (l->n_waiting)
		rc = load_both(l, schema[0], schema[1], e);
	for (; i < l->n_waiting && rc == 0 && !l->p->c.failed; i++) {
		struct pair *pair = plan_pair(l->p, l->waiting[i].b->db, l->waiting[i].b->table);

		pair->a = schema[0][i];
		pair->b = schema[1][i];
		++*l->tables;
		for (int s = 0; s < 2; s++)
			if (l->waiting[i].unopened[s])
				plan_unopened(l->p, pair, l->waiting[i].unopened[s]);
		rc = pair->count.unopened ? 0 : plan_pair_rows(l, pair, &l->waiting[i], e);
	}
	for (; i < l->n_waiting; i++) {
		schema_release(&schema[0][i]);
		schema_release(&schema[1][i]);
	}
	free(schema[0]);
	free(schema[1]);
	for (i = 0; i < l->n_waiting; i++) {
		free(l->waiting[i].unopened[0]);
		free(l->waiting[i].unopened[1]);
	}
	l->n_waiting = 0;
	return rc;
}

static int both_sides(struct planner *l, const struct entry *a, size_t n_a, const struct entry *b,
		      struct err *e)
{
	enum table_kind x = a->is->kind, y = b->is->kind;

	if (is_table(x) && is_table(y)) {
		if (l->n_waiting && strcmp(l->waiting[0].b->db, b->db) != 0 &&
		    plan_waiting(l, e) < 0)
			return -1;
		XGROW(l->waiting, l->n_waiting, l->alloc_waiting, 64);
		l->waiting[l->n_waiting++] = (struct waiting){ .a = a, .n_a = n_a, .b = b };
		return 0;
	}
	if (x != y) {
		*l->tables += 1;
		plan_one_side(l->p, kind_name(x), b->db, b->table, true, kind_name(x),
			      kind_name(y));
		return 0;
	}
	if (n_a > 1 || strcmp(a->is->db, b->is->db) || strcmp(a->is->table, b->is->table)) {
		char *name = xstrfmt("%s.%s", b->db, b->table);

		compare_not_compared(&l->p->c, kind_name(x), name,
				     "its definition: it has another name on the other side");
		free(name);
		return 0;
	}
	if (x == TABLE_SEQUENCE)
		return compare_sequence(&l->p->c, l->s[0], l->s[1], b->is, e);
	XGROW_POW2(l->views, l->n_views);
	l->views[l->n_views++] = b->is;
	return 0;
}

static void add_db(struct planner *l, const char *db)
{
	if (l->n_dbs && !strcmp(l->dbs[l->n_dbs - 1], db))
		return;
	XGROW_POW2(l->dbs, l->n_dbs);
	l->dbs[l->n_dbs++] = db;
}

static int merge_sides(struct planner *l, struct err *e)
{
	const struct side_list *a = &l->list[0], *b = &l->list[1];
	size_t i = 0, j = 0;

	while ((i < a->n || j < b->n) && !l->p->c.failed) {
		int order = i == a->n ? 1 : j == b->n ? -1 : strcmp(a->entry[i].db, b->entry[j].db);
		size_t n = 1;

		if (order == 0)
			order = strcmp(a->entry[i].table, b->entry[j].table);
		if (order <= 0)
			while (i + n < a->n && !strcmp(a->entry[i].db, a->entry[i + n].db) &&
			       !strcmp(a->entry[i].table, a->entry[i + n].table))
				n++;
		if (order == 0)
			add_db(l, b->entry[j].db);
		if ((order ? one_side(l, order < 0 ? &a->entry[i] : &b->entry[j], order < 0, e)
			   : both_sides(l, &a->entry[i], n, &b->entry[j], e)) < 0)
			return -1;
		i += order <= 0 ? n : 0;
		j += order >= 0;
	}
	return plan_waiting(l, e);
}

/* A pattern that names no table compares nothing, and nothing would ever differ. */
static int filters_used(const struct planner *l, struct err *e)
{
	const struct compare_opts *o = l->p->c.o;
	const char *unused = l->only ? table_filter_unused(l->only) : NULL;

	if (!unused && o->filter)
		unused = table_filter_unused(o->filter);
	if (unused)
		return err_set(e, ERR_USAGE, 0, "'%.200s' matches no table on either side", unused);
	if ((l->only || o->filter || o->ignore) && !l->list[0].n && !l->list[1].n &&
	    (l->list[0].n_names || l->list[1].n_names))
		return err_set(e, ERR_USAGE, 0,
			       "no table to compare: the patterns exclude all of %zu and %zu",
			       l->list[0].n_names, l->list[1].n_names);
	return 0;
}

static int ignores_used(const struct planner *l, struct err *e)
{
	const char *const *ignore = l->p->c.o->ignore;

	for (size_t i = 0; ignore && ignore[i] && !l->p->c.failed; i++)
		if (!l->ignore_used[i])
			return err_set(e, ERR_USAGE, 0,
				       "ignore '%.200s' matches no table and no column", ignore[i]);
	return 0;
}

static int plan_objects(struct planner *l, struct err *e)
{
	const struct compare_opts *o = l->p->c.o;
	bool all = !l->only && !o->filter && !o->routes;
	int rc = 0;

	if (!o->data_only && !l->same_flavor)
		compare_not_compared(&l->p->c, "structure", "*",
				     "but for columns and unique keys: defaults, other indexes, "
				     "CHECKs, foreign keys, partitions and generated columns' "
				     "expressions are spelled differently by different kinds of "
				     "servers");
	l->p->c.kinds_differ = !l->same_flavor;
	if (!o->data_only)
		rc = compare_databases(&l->p->c, l->s[0], l->s[1], l->same_flavor,
				       all ? NULL : l->dbs, l->n_dbs, e);
	if (rc == 0 && !o->data_only)
		rc = compare_views(&l->p->c, l->s[0], l->s[1], l->same_flavor, l->views, l->n_views,
				   e);
	if (rc == 0)
		rc = compare_list_others(&l->p->c, l->s[0], l->s[1], all ? NULL : l->dbs, l->n_dbs,
					 e);
	return rc;
}

int plan_tables(struct plan *p, struct sql *sa, struct sql *sb, const char *an, const char *bn,
		struct compare_result *r, struct err *e)
{
	struct planner l = { .p = p,
			     .s = { sa, sb },
			     .name = { an, bn },
			     .tables = &r->tables,
			     .same_flavor = sql_flavor(sa) == sql_flavor(sb),
			     .crc32c = checksum_has_crc32c(sa) && checksum_has_crc32c(sb),
			     .no_md5 = !checksum_has_md5(sa) || !checksum_has_md5(sb) };
	int rc = -1;

	size_t ignores = 0;

	bool by_bytes[2];

	for (int i = 0; i < 2; i++)
		if (orders_by_bytes(l.s[i], &by_bytes[i], e) < 0)
			return err_wrap(e, "%s", l.name[i]);
	l.texts_differ = by_bytes[0] != by_bytes[1];
	p->c.counters_are_exact = sql_flavor(sa) != SQL_TIDB && sql_flavor(sb) != SQL_TIDB;

	while (p->c.o->ignore && p->c.o->ignore[ignores])
		ignores++;
	l.ignore_used = xcalloc(ignores + 1, sizeof(*l.ignore_used));
	if (p->c.o->tables) {
		l.only = table_filter_new();
		table_filter_add_pattern(l.only, p->c.o->tables);
	}
	if (list_side(&l, 0, e) < 0 || list_side(&l, 1, e) < 0 || filters_used(&l, e) < 0)
		goto out;
	plan_room(p, l.list[0].n + l.list[1].n);
	if (merge_sides(&l, e) < 0 || ignores_used(&l, e) < 0 || plan_objects(&l, e) < 0)
		goto out;
	r->views = l.n_views;
	rc = 0;
out:
	for (int s = 0; s < 2; s++) {
		schema_tables_free(l.list[s].names, l.list[s].n_names);
		free(l.list[s].entry);
	}
	table_filter_free(l.only);
	free(l.waiting);
	free(l.views);
	free(l.dbs);
	free(l.ignore_used);
	return rc;
}
