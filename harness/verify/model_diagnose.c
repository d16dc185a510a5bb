/* What is a difference called, whose is it, and which transactions are there in part? A row's found
 * state is compared with each state it went through, and then with those it would have had without
 * one statement: so a missing change is found by name. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/verify/model_check.h"

enum { OP_UNDECIDED, OP_APPLIED, OP_ABSENT };
#define OMIT_MAX 2000u /* the last so many statements of a row are tried */

struct cause {
	const char *kind; /* NULL: the version tells */
	uint32_t step;    /* UINT32_MAX: none */
	char writer[160]; /* where it is no step */
};

static int by_rank(const void *a, const void *b)
{
	const struct floater *x = *(const struct floater *const *)a,
			     *y = *(const struct floater *const *)b;

	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int by_position(const void *a, const void *b, void *arg)
{
	const struct verify_txn *txn = arg, *x = &txn[((const struct step *)a)->txn],
				*y = &txn[((const struct step *)b)->txn];

	return x->position < y->position ? -1 : x->position > y->position;
}

/* All that was or may have been committed: what must be there, then what came after the point. */
static void line_up(struct model_check *j)
{
	const struct prefix *p = j->p;
	const struct floater **in = xreallocarray(NULL, j->n_floaters + 1, sizeof(*in));
	size_t n_in = 0, next = 0, tail;

	j->step = xreallocarray(NULL, p->n + j->n_floaters + 1, sizeof(*j->step));
	for (size_t i = 0; i < j->n_floaters; i++)
		if (j->floater[i].in)
			in[n_in++] = &j->floater[i];
	qsort(in, n_in, sizeof(*in), by_rank);
	for (size_t i = 0; i <= j->n_order; i++) {
		for (; next < n_in && in[next]->slot <= i; next++)
			j->step[j->n_steps++] = (struct step){ in[next]->txn, true };
		if (i < j->n_order)
			j->step[j->n_steps++] = (struct step){ j->order[i], true };
	}
	free(in);
	tail = j->n_steps;
	for (size_t i = 0; i < p->n; i++)
		if (p->txn[i].cluster == p->cluster && p->txn[i].outcome == TXN_ACKED &&
		    p->txn[i].position > p->limit)
			j->step[j->n_steps++] = (struct step){ (uint32_t)i, false };
	if (j->n_steps > tail)
		qsort_r(j->step + tail, j->n_steps - tail, sizeof(*j->step), by_position, p->txn);
	for (size_t i = 0; i < j->n_floaters; i++)
		if (!j->floater[i].in)
			j->step[j->n_steps++] = (struct step){ j->floater[i].txn, false };
}

static void set_status(struct model_check *j, const struct look_row *l, uint32_t applied_to,
		       uint32_t but)
{
	for (size_t i = 0; i < l->n_ops; i++) {
		struct look_op *o = &j->op[l->first_op + i];

		o->status = o->step <= applied_to && o->step != but ? OP_APPLIED : OP_ABSENT;
	}
}

/* Is the found state one that the row had? Then all is decided: applied up to there. *step: the
 * first that is missing or too many. */
static bool match_version(struct model_check *j, const struct look_row *l, uint32_t *step,
			  bool *behind)
{
	struct row_state s = row_initial(j->m, l->key);
	size_t i = 0;

	for (;;) {
		if (row_same(&s, &l->found)) {
			bool more = i < l->n_ops && j->step[j->op[l->first_op + i].step].included;

			*behind = more;
			*step = more ? j->op[l->first_op + i].step
				: i  ? j->op[l->first_op + i - 1].step
				     : UINT32_MAX;
			for (size_t k = 0; k < l->n_ops; k++)
				j->op[l->first_op + k].status = k < i ? OP_APPLIED : OP_ABSENT;
			return true;
		}
		if (i == l->n_ops)
			return false;
		uint32_t now = j->op[l->first_op + i].step;

		while (i < l->n_ops && j->op[l->first_op + i].step == now)
			row_apply(&s, &j->op[l->first_op + i++].op);
	}
}

/* Is it the expected state but for one statement? */
static bool match_omission(struct model_check *j, const struct look_row *l, uint32_t *step)
{
	size_t n = 0, from;

	while (n < l->n_ops && j->step[j->op[l->first_op + n].step].included)
		n++;
	from = n > OMIT_MAX ? n - OMIT_MAX : 0;
	for (size_t out = n; out-- > from;) {
		struct row_state s = row_initial(j->m, l->key);

		for (size_t i = 0; i < n; i++)
			if (i != out)
				row_apply(&s, &j->op[l->first_op + i].op);
		if (!row_same(&s, &l->found))
			continue;
		*step = j->op[l->first_op + out].step;
		set_status(j, l, j->op[l->first_op + n - 1].step, UINT32_MAX);
		j->op[l->first_op + out].status = OP_ABSENT;
		return true;
	}
	return false;
}

/* Is it the expected state with one failed transaction's addition to k? */
static bool match_failed(struct model_check *j, const struct look_row *l, struct cause *c)
{
	struct audit_op ops[AUDIT_OPS_MAX];

	if (!l->found.exists || !l->expected.exists || l->found.c != l->expected.c ||
	    l->found.pad != l->expected.pad)
		return false;
	for (size_t i = 0; i < j->p->n; i++) {
		const struct verify_txn *t = &j->p->txn[i];
		size_t n = t->outcome == TXN_FAILED && t->cluster == j->p->cluster
				   ? j->m->transaction(j->m, t->worker, t->seq, ops)
				   : 0;

		for (size_t k = 0; k < n; k++)
			if (ops[k].kind == AUDIT_ADD_K && ops[k].table == l->key.table &&
			    ops[k].row.id == l->key.id &&
			    l->expected.k + ops[k].row.k == l->found.k) {
				verify_txn_text(t, c->writer, sizeof(c->writer));
				return true;
			}
	}
	return false;
}

/* What a tag says of its value: NULL when its writer did write it here and was committed. */
static const char *model_tag(struct model_check *j, const struct look_row *l,
			     const struct row_tag *tag, bool is_c, struct cause *c)
{
	struct audit_op ops[AUDIT_OPS_MAX];
	struct verify_txn *t;
	size_t n;

	if (!tag->known)
		return "corrupt value";
	if (tag->worker == 0) {
		struct row_state s = row_initial(j->m, l->key);

		return s.exists && (is_c ? s.c == l->found.c : s.pad == l->found.pad)
			       ? NULL
			       : "misplaced value";
	}
	t = verify_find(j->p, tag->worker, tag->seq);
	if (!t) {
		snprintf(c->writer, sizeof(c->writer),
			 "worker %u sequence %" PRIu64 " (in no ledger)", tag->worker, tag->seq);
		return "dirty row";
	}
	verify_txn_text(t, c->writer, sizeof(c->writer));
	if (t->outcome == TXN_FAILED)
		return "dirty row";
	n = j->m->transaction(j->m, t->worker, t->seq, ops);
	for (size_t i = 0; i < n; i++)
		if (ops[i].statement == tag->statement && ops[i].table == l->key.table &&
		    ops[i].row.id == l->key.id &&
		    (ops[i].kind == AUDIT_INSERT || (is_c && ops[i].kind == AUDIT_SET_C)))
			return NULL;
	return "misplaced value";
}

static struct cause find_cause(struct model_check *j, struct look_row *l)
{
	struct cause c = { .step = UINT32_MAX };
	bool behind;

	if (l->found.exists) {
		c.kind = model_tag(j, l, &l->c, true, &c);
		if (!c.kind)
			c.kind = model_tag(j, l, &l->pad, false, &c);
		if (c.kind)
			return c;
	}
	if (match_version(j, l, &c.step, &behind)) {
		if (!l->found.exists)
			c.kind = "vanished row";
		else if (!l->expected.exists)
			c.kind = behind ? "resurrected delete" : "extra row";
		else
			c.kind = behind ? "lost update" : "early update";
		return c;
	}
	if (match_omission(j, l, &c.step)) {
		c.kind = !l->found.exists      ? "vanished row"
			 : !l->expected.exists ? "resurrected delete"
					       : "lost update";
		return c;
	}
	c.step = UINT32_MAX;
	if (!l->found.exists)
		c.kind = "vanished row";
	else if (!l->expected.exists)
		c.kind = "extra row";
	else if (match_failed(j, l, &c))
		c.kind = "dirty row";
	else
		c.kind = l->found.c == l->expected.c && l->found.pad == l->expected.pad
				 ? "wrong k"
				 : "unexplained row";
	return c;
}

/* Is transaction `step` there in part? Rows that are right have it as it should be; wrong ones as
 * their cause told. */
static bool is_torn(struct model_check *j, uint32_t step)
{
	const struct verify_txn *t = &j->p->txn[j->step[step].txn];
	bool included = j->step[step].included, there = false, missing = false;
	struct audit_op ops[AUDIT_OPS_MAX];
	size_t n = j->m->transaction(j->m, t->worker, t->seq, ops);

	for (size_t i = 0; i < n; i++) {
		struct row_cell *cell =
			row_map_find(&j->map, (struct row_key){ ops[i].row.id, ops[i].table });
		const struct look_row *l =
			cell && cell->slot != UINT32_MAX ? &j->look[cell->slot] : NULL;

		if (l && l->wrong && l->undecided)
			continue; /* it may be right: nothing is told by it */
		if (l && l->wrong) {
			for (size_t k = 0; k < l->n_ops; k++) {
				const struct look_op *o = &j->op[l->first_op + k];

				if (o->step == step) {
					there |= o->status == OP_APPLIED;
					missing |= o->status == OP_ABSENT;
				}
			}
		} else if (included) {
			there = true;
		} else {
			missing = true;
		}
	}
	if (j->p->has_evidence) {
		there |= t->present;
		missing |= !t->present;
	}
	return there && missing;
}

/* A value for people. own: it is what its row was prepared with. */
static void value_text(const struct row_tag *tag, bool own, char *out, size_t room)
{
	if (!tag->known)
		snprintf(out, room, "corrupt");
	else if (tag->worker == 0)
		snprintf(out, room, own ? "prepared" : "prepared for another row");
	else
		snprintf(out, room, "by worker %u sequence %" PRIu64, tag->worker, tag->seq);
}

static void row_text(const struct model_check *j, const struct look_row *l,
		     const struct row_state *s, const struct row_tag *c, const struct row_tag *pad,
		     char *out, size_t room)
{
	struct row_state first = row_initial(j->m, l->key);
	char c_text[64], pad_text[64];

	value_text(c, first.exists && first.c == s->c, c_text, sizeof(c_text));
	value_text(pad, first.exists && first.pad == s->pad, pad_text, sizeof(pad_text));
	if (s->exists)
		snprintf(out, room, "k %" PRId64 ", c %s, pad %s", s->k, c_text, pad_text);
	else
		snprintf(out, room, "no row");
}

/* The expected state with the writers of its values: prepared, or written by the last statement
 * that set them. */
static void expected_text(const struct model_check *j, const struct look_row *l, char *out,
			  size_t room)
{
	struct row_tag c = { .known = true }, pad = { .known = true };

	for (size_t i = 0; i < l->n_ops; i++) {
		const struct look_op *o = &j->op[l->first_op + i];
		const struct verify_txn *t = &j->p->txn[j->step[o->step].txn];

		if (!j->step[o->step].included)
			continue;
		if (o->op.kind == AUDIT_SET_C || o->op.kind == AUDIT_INSERT)
			c = (struct row_tag){ .known = true, .worker = t->worker, .seq = t->seq };
		if (o->op.kind == AUDIT_INSERT)
			pad = c;
	}
	row_text(j, l, &l->expected, &c, &pad, out, room);
}

static void name_it(struct model_check *j, const struct look_row *l, const struct cause *c,
		    const bool *torn)
{
	char table[64], who[192] = "", expected[256], found[256];
	const char *kind = c->kind;

	snprintf(table, sizeof(table), "%s%u", j->m->table_prefix, l->key.table);
	if (c->step != UINT32_MAX)
		verify_txn_text(&j->p->txn[j->step[c->step].txn], who, sizeof(who));
	else if (c->writer[0])
		snprintf(who, sizeof(who), "%s", c->writer);
	if (c->step != UINT32_MAX && torn[c->step] &&
	    (strcmp(kind, "lost update") == 0 || strcmp(kind, "early update") == 0))
		kind = "torn transaction";
	if (l->undecided)
		kind = "undecided row";
	expected_text(j, l, expected, sizeof(expected));
	row_text(j, l, &l->found, &l->c, &l->pad, found, sizeof(found));
	verify_finding(j->r, kind, table, l->key.id, who[0] ? who : NULL, expected, found);
}

void model_diagnose(struct model_check *j)
{
	struct cause *cause = xcalloc(j->n_look + 1, sizeof(*cause));
	bool *torn;

	line_up(j);
	look_gather(j, j->step, j->n_steps, true);
	torn = xcalloc(j->n_steps + 1, sizeof(*torn));
	for (size_t i = 0; i < j->n_look; i++)
		if (j->look[i].wrong)
			cause[i] = find_cause(j, &j->look[i]);
	for (size_t i = 0; i < j->n_ops; i++)
		torn[j->op[i].step] = true; /* those to look at */
	for (uint32_t s = 0; s < j->n_steps; s++) {
		const struct verify_txn *t = &j->p->txn[j->step[s].txn];

		torn[s] = (torn[s] || (j->p->has_evidence && t->present != j->step[s].included)) &&
			  is_torn(j, s);
		j->r->torn += torn[s];
	}
	for (size_t i = 0; i < j->n_look; i++)
		if (j->look[i].wrong)
			name_it(j, &j->look[i], &cause[i], torn);
	for (uint32_t s = 0; s < j->n_steps; s++) {
		const struct verify_txn *t = &j->p->txn[j->step[s].txn];
		char who[160];

		if (!torn[s] || !j->p->has_evidence || t->present == j->step[s].included)
			continue;
		verify_txn_text(t, who, sizeof(who));
		verify_finding(j->r, "torn transaction", NULL, 0, who,
			       t->present ? "no row in drtest_ledger" : "a row in drtest_ledger",
			       t->present ? "its row is there" : "its row is missing");
	}
	free(torn);
	free(cause);
}
