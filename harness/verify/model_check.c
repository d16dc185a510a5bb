/* The model check: the transactions up to the point, applied to a model of the tables, and each row
 * held against it. */
#include "harness/verify/model_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

/* wrong rows that are looked at closely; more are only counted */
#define LOOK_MAX 200000u

static struct row_cell *model_touch(struct model_check *j, struct row_key key)
{
	bool is_new;
	struct row_cell *c = row_map_put(&j->map, key, &is_new);

	if (is_new)
		c->state = row_initial(j->m, key);
	return c;
}

static int by_commit(const void *a, const void *b, void *arg)
{
	const struct verify_txn *x = &((const struct verify_txn *)arg)[*(const uint32_t *)a],
				*y = &((const struct verify_txn *)arg)[*(const uint32_t *)b];

	if (x->cluster != y->cluster)
		return x->cluster < y->cluster ? -1 : 1;
	if (x->position != y->position)
		return x->position < y->position ? -1 : 1;
	return x->begin_us < y->begin_us ? -1 : x->begin_us > y->begin_us;
}

static int by_begin(const void *a, const void *b, void *arg)
{
	const struct verify_txn *txn = arg, *x = &txn[((const struct floater *)a)->txn],
				*y = &txn[((const struct floater *)b)->txn];

	if (x->begin_us != y->begin_us)
		return x->begin_us < y->begin_us ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq; /* of one worker, after an open end */
}

/* A transaction of unknown place stands after all that were acknowledged before it began and, if it
 * was acknowledged itself, before all that began afterwards. One whose connection was lost may have
 * been committed by the server long after. */
static void bound_floater(struct model_check *j, struct floater *f)
{
	const struct verify_txn *t = &j->p->txn[f->txn];

	f->low = 0;
	f->high = j->n_order;
	for (size_t i = 0; i < j->n_order; i++) {
		const struct verify_txn *o = &j->p->txn[j->order[i]];

		if (o->cluster < t->cluster ||
		    (o->cluster == t->cluster && o->end_us < t->begin_us))
			f->low = i + 1;
	}
	for (size_t i = j->n_order; t->outcome == TXN_ACKED && i-- > f->low;) {
		const struct verify_txn *o = &j->p->txn[j->order[i]];

		if (o->cluster == t->cluster && o->begin_us > t->end_us)
			f->high = i;
	}
	f->slot = f->high;
}

static void add_floater(struct model_check *j, uint32_t txn, size_t *room)
{
	const struct prefix *p = j->p;
	const struct verify_txn *t = &p->txn[txn];
	struct floater f = { .txn = txn, .optional = !p->has_evidence || p->before };

	/* an acknowledged one that is absent is lost, and no matter of the rows */
	f.in = p->has_evidence ? t->present : t->outcome == TXN_ACKED;
	if (!f.in && !f.optional)
		return;
	XGROW(j->floater, j->n_floaters, *room, 16);
	j->floater[j->n_floaters++] = f;
}

static void sort_txns(struct model_check *j)
{
	const struct prefix *p = j->p;
	size_t room = 0;

	j->order = xreallocarray(NULL, p->n + 1, sizeof(*j->order));
	for (size_t i = 0; i < p->n; i++) {
		const struct verify_txn *t = &p->txn[i];
		bool mine = t->cluster == p->cluster,
		     earlier = t->cluster < p->cluster && t->present;

		if (mine) {
			j->r->acked += t->outcome == TXN_ACKED;
			j->r->failed += t->outcome == TXN_FAILED;
			j->r->unknown += t->outcome == TXN_UNKNOWN;
		}
		if (t->outcome == TXN_FAILED || !(mine || earlier))
			continue;
		if (t->outcome == TXN_UNKNOWN || !t->position)
			add_floater(j, (uint32_t)i, &room);
		else if (earlier || t->position <= p->limit)
			j->order[j->n_order++] = (uint32_t)i;
	}
	if (j->n_order)
		qsort_r(j->order, j->n_order, sizeof(*j->order), by_commit, p->txn);
	if (j->n_floaters)
		qsort_r(j->floater, j->n_floaters, sizeof(*j->floater), by_begin, p->txn);
	for (size_t i = 0; i < j->n_floaters; i++) {
		struct floater *f = &j->floater[i];
		struct audit_op ops[AUDIT_OPS_MAX];

		f->parent = i;
		f->n_ops = j->m->transaction(j->m, p->txn[f->txn].worker, p->txn[f->txn].seq, ops);
		f->op = xmemdup(ops, f->n_ops * sizeof(*ops));
		bound_floater(j, f);
	}
}

static void apply(struct model_check *j, const struct audit_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct row_op o = row_op_of(&ops[i]);

		row_apply(&model_touch(j, (struct row_key){ ops[i].row.id, ops[i].table })->state,
			  &o);
	}
}

static void compute_expected(struct model_check *j)
{
	struct audit_op ops[AUDIT_OPS_MAX];

	for (size_t i = 0; i <= j->n_order; i++) {
		for (size_t f = 0; f < j->n_floaters; f++)
			if (j->floater[f].in && j->floater[f].slot == i)
				apply(j, j->floater[f].op, j->floater[f].n_ops);
		if (i < j->n_order) {
			const struct verify_txn *t = &j->p->txn[j->order[i]];

			apply(j, ops, j->m->transaction(j->m, t->worker, t->seq, ops));
		}
	}
	for (size_t f = 0; f < j->n_floaters; f++)
		for (size_t i = 0; i < j->floater[f].n_ops; i++)
			model_touch(j, (struct row_key){ j->floater[f].op[i].row.id,
							 j->floater[f].op[i].table })
				->watched = true;
}

static struct row_tag tag_of(const struct model_check *j, const char *text, size_t len)
{
	struct row_tag t = { 0 };
	char digits[128];

	if (len >= sizeof(digits) || memchr(text, '\0', len))
		return t;
	memcpy(digits, text, len);
	digits[len] = '\0';
	t.known = j->m->writer_of(j->m, digits, &t.worker, &t.seq, &t.statement) == 1;
	return t;
}

/* A row as it was found (NULL: it is not there) against what is expected. */
static void hold_row(struct model_check *j, struct row_key key, const struct verify_row *row)
{
	struct row_cell *c = row_map_find(&j->map, key);
	struct row_state want = c ? c->state : row_initial(j->m, key),
			 found = row ? row_of_view(row) : (struct row_state){ 0 };
	bool wrong = !row_same(&want, &found);

	j->r->rows_checked += row || want.exists;
	if (c)
		c->seen = true;
	if (!wrong && !(c && c->watched))
		return;
	if (j->n_look >= LOOK_MAX) {
		j->r->rows_wrong += wrong;
		return;
	}
	XGROW(j->look, j->n_look, j->look_room, 256);
	j->look[j->n_look] =
		(struct look_row){ .key = key, .found = found, .expected = want, .wrong = wrong };
	if (row) {
		j->look[j->n_look].c = tag_of(j, row->c, row->c_len);
		j->look[j->n_look].pad = tag_of(j, row->pad, row->pad_len);
	}
	c = model_touch(j, key);
	c->slot = (uint32_t)j->n_look++;
	c->seen = true;
}

struct stream {
	struct model_check *j;
	uint32_t table;
	int64_t next; /* the lowest prepared id that has not been passed */
	int64_t last;
	bool any, unsorted;
};

static void pass_absent(struct stream *s, int64_t before)
{
	for (; s->next < before && s->next <= s->j->m->rows_per_table; s->next++)
		hold_row(s->j, (struct row_key){ s->next, s->table }, NULL);
}

static int on_row(void *to, const struct verify_row *row)
{
	struct stream *s = to;

	if (s->any && row->id <= s->last) {
		s->unsorted = true;
		return -1;
	}
	s->any = true;
	s->last = row->id;
	pass_absent(s, row->id);
	if (row->id == s->next)
		s->next++;
	hold_row(s->j, (struct row_key){ row->id, s->table }, row);
	return 0;
}

static int stream_tables(struct model_check *j, const struct verify_source *src, struct err *e)
{
	for (uint32_t t = 1; t <= j->m->tables; t++) {
		struct stream s = { .j = j, .table = t, .next = 1 };

		if (src->rows(src->arg, t, on_row, &s, e) < 0) {
			if (s.unsorted)
				return err_set(e, ERR_BAD_DATA, 0,
					       "%s%u: the server sent id %" PRId64
					       " out of order or twice",
					       j->m->table_prefix, t, s.last);
			return -1;
		}
		pass_absent(&s, j->m->rows_per_table + 1);
	}
	/* rows that the load made beyond the prepared ones and that no table's stream brought */
	for (size_t i = 0; i < j->map.room; i++)
		if (j->map.cell[i].used && !j->map.cell[i].seen) {
			hold_row(j, j->map.cell[i].key, NULL);
			j->map.cell[i].seen = true;
		}
	return 0;
}

void look_gather(struct model_check *j, const struct step *step, size_t n, bool only_wrong)
{
	struct look_op *all = NULL;
	size_t n_all = 0, room = 0, at = 0;
	struct audit_op ops[AUDIT_OPS_MAX];

	for (size_t i = 0; i < j->n_look; i++)
		j->look[i].n_ops = 0;
	for (size_t s = 0; s < n; s++) {
		const struct verify_txn *t = &j->p->txn[step[s].txn];
		size_t k = j->m->transaction(j->m, t->worker, t->seq, ops);

		for (size_t i = 0; i < k; i++) {
			struct row_cell *c = row_map_find(
				&j->map, (struct row_key){ ops[i].row.id, ops[i].table });

			if (!c || c->slot == UINT32_MAX || (only_wrong && !j->look[c->slot].wrong))
				continue;
			XGROW(all, n_all, room, 1024);
			all[n_all++] = (struct look_op){ .look = c->slot,
							 .step = (uint32_t)s,
							 .op = row_op_of(&ops[i]) };
			j->look[c->slot].n_ops++;
		}
	}
	for (size_t i = 0; i < j->n_look; i++) {
		j->look[i].first_op = at;
		at += j->look[i].n_ops;
		j->look[i].n_ops = 0;
	}
	free(j->op);
	j->op = xreallocarray(NULL, n_all + 1, sizeof(*j->op));
	j->n_ops = n_all;
	for (size_t i = 0; i < n_all; i++) {
		struct look_row *l = &j->look[all[i].look];

		j->op[l->first_op + l->n_ops++] = all[i];
	}
	free(all);
}

/* Who was lost, by position alone: for a load without drtest_ledger the rows' own consistency is
 * the evidence. */
static void count_lost(struct model_check *j)
{
	const struct prefix *p = j->p;
	int64_t oldest = INT64_MAX;

	for (size_t i = 0; i < p->n; i++) {
		const struct verify_txn *t = &p->txn[i];
		bool there = p->has_evidence ? t->present : t->position && t->position <= p->limit;

		if (t->cluster != p->cluster || t->outcome == TXN_FAILED)
			continue;
		j->r->recovered += there;
		if (there)
			continue;
		if (t->outcome == TXN_UNKNOWN) {
			j->r->lost_unknown++;
			continue;
		}
		j->r->lost++;
		if (t->end_us < oldest)
			oldest = t->end_us;
	}
	verify_loss(p, oldest, j->r);
}

static void conclude(struct model_check *j)
{
	struct verify_result *r = j->r;
	uint64_t undecided = 0;

	for (size_t i = 0; i < j->n_look; i++) {
		r->rows_wrong += j->look[i].wrong;
		undecided += j->look[i].wrong && j->look[i].undecided;
	}
	if (j->p->before) {
		snprintf(r->evidence, sizeof(r->evidence),
			 "%" PRIu64 " transactions are there in part; %" PRIu64 " of %" PRIu64
			 " rows are behind the last acknowledged state",
			 r->torn, r->rows_wrong, r->rows_checked);
		return;
	}
	if (r->rows_wrong > undecided || r->torn)
		verify_worse(r, VERDICT_FAIL);
	else if (undecided || j->p->damaged)
		verify_worse(r, VERDICT_UNKNOWN);
	if (j->p->cluster > 0 && !j->p->has_evidence)
		verify_worse(r, VERDICT_UNKNOWN);
	if (r->verdict == VERDICT_PASS)
		snprintf(
			r->evidence, sizeof(r->evidence),
			"%" PRIu64
			" rows of %u tables are exactly as %zu transactions up to the point leave them",
			r->rows_checked, j->m->tables, j->n_order);
	else if (r->verdict == VERDICT_UNKNOWN && !r->rows_wrong)
		snprintf(r->evidence, sizeof(r->evidence), "%s",
			 j->p->damaged
				 ? "the ledger has an incomplete last record, so not all "
				   "transactions are known"
				 : "without drtest_ledger, it is unknown what the earlier cluster "
				   "left");
	else
		snprintf(r->evidence, sizeof(r->evidence),
			 "%" PRIu64 " of %" PRIu64 " rows are not as %zu transactions up to the "
			 "point leave them; %" PRIu64 " transactions are there in part; %" PRIu64
			 " "
			 "rows are undecided",
			 r->rows_wrong, r->rows_checked, j->n_order, r->torn, undecided);
}

int verify_judge_model(struct prefix *p, const struct audit_model *m,
		       const struct verify_source *src, struct verify_result *r, struct err *e)
{
	struct model_check j = { .p = p, .m = m, .r = r };
	int rc = -1;

	sort_txns(&j);
	compute_expected(&j);
	if (stream_tables(&j, src, e) < 0)
		goto out;
	model_place(&j);
	model_diagnose(&j);
	count_lost(&j);
	conclude(&j);
	rc = 0;
out:
	for (size_t i = 0; i < j.n_floaters; i++)
		free(j.floater[i].op);
	free(j.floater);
	free(j.order);
	free(j.look);
	free(j.op);
	free(j.step);
	row_map_release(&j.map);
	return rc;
}
