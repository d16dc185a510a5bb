#include "harness/verify/isolation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/verify/isolation_impl.h"

#define FINDINGS_MAX 100

/* A list as it is in the cluster. */
struct final {
	uint32_t table;
	int64_t key;
	struct h_list list;
};
struct finals {
	struct h_run *h;
	struct final *f;
	size_t n, room;
	bool known;
	struct err *e;
};

void h_finding(struct h_run *h, const char *kind, const struct h_op *op, const char *what,
	       uint64_t *count)
{
	json_t *f;

	++*count;
	h->r->verdict = VERDICT_FAIL;
	if (json_array_size(h->r->findings) >= FINDINGS_MAX)
		return;
	f = json_pack("{s:s,s:s}", "kind", kind, "what", what);
	if (op) {
		char table[32];

		snprintf(table, sizeof(table), "append%u", op->table);
		json_object_set_new(f, "table", json_string(table));
		json_object_set_new(f, "id", json_integer(op->key));
	}
	json_array_append_new(h->r->findings, f);
}

static bool same_element(const struct h_element *a, const struct h_element *b)
{
	return a->worker == b->worker && a->seq == b->seq && a->n == b->n;
}

/* The appends of one key, so that an element's writer is found. */
struct key {
	struct h_run *h;
	const struct h_op *first;
	size_t n;
	const struct final *final; /* NULL: not known, or no such list */
};

/* The op that appended it to this key; NULL: nobody did. */
static const struct h_op *find_append(const struct key *k, const struct h_element *e)
{
	const struct h_txn *t = h_find(k->h, e->worker, e->seq);
	size_t low = 0, high = k->n;
	uint32_t txn;

	if (!t)
		return NULL;
	txn = (uint32_t)(t - k->h->txn);
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (k->first[mid].txn < txn)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < k->n && k->first[low].txn == txn; low++)
		if (!k->first[low].is_read && same_element(&k->first[low].element, e))
			return &k->first[low];
	return NULL;
}

/* The same transaction's next append to this key; NULL: it was the last. */
static const struct h_op *next_append(const struct key *k, const struct h_op *op)
{
	for (const struct h_op *p = op + 1; p < k->first + k->n && p->txn == op->txn; p++)
		if (!p->is_read)
			return p;
	return NULL;
}

static void name_txn(const struct h_run *h, uint32_t txn, char out[64])
{
	snprintf(out, 64, "worker %u sequence %" PRIu64, h->txn[txn].worker, h->txn[txn].seq);
}

/* What one reader saw: elements of failed transactions, of nobody, parts of transactions. reader:
 * its op, NULL: the cluster itself. */
static void judge_list(const struct key *k, const struct h_list *l, const struct h_op *reader)
{
	struct h_run *h = k->h;
	const struct h_op *at = reader ? reader : k->first;
	char by[64] = "the cluster", text[256];

	if (reader)
		name_txn(h, reader->txn, by);
	for (size_t i = 0; i < l->n; i++) {
		const struct h_element *x = &l->e[i];
		const struct h_op *op = find_append(k, x), *next;

		if (!op) {
			snprintf(text, sizeof(text),
				 "%s has element %u.%" PRIu64 ".%u, which no transaction appended "
				 "to this list",
				 by, x->worker, x->seq, x->n);
			if (!h->damaged)
				h_finding(h, "element of nobody", at, text, &h->r->foreign);
			continue;
		}
		if (h->txn[op->txn].outcome == TXN_FAILED) {
			snprintf(text, sizeof(text),
				 "%s has element %u.%" PRIu64 ".%u of a transaction that failed",
				 by, x->worker, x->seq, x->n);
			h_finding(h, "G1a (aborted read)", at, text, &h->r->g1a);
		}
		next = next_append(k, op);
		if (next && i + 1 == l->n && (!reader || reader->txn != op->txn)) {
			snprintf(text, sizeof(text),
				 "%s has element %u.%" PRIu64
				 ".%u, and not .%u of the same transaction",
				 by, x->worker, x->seq, x->n, next->element.n);
			h_finding(h, "G1b (intermediate read)", at, text, &h->r->g1b);
		}
	}
}

/* A transaction sees what it wrote before, and not what it writes later. */
static void model_own(const struct key *k, const struct h_op *read)
{
	for (const struct h_op *p = k->first; p < k->first + k->n; p++) {
		bool there = false;
		char by[64], text[200];

		if (p->txn != read->txn || p->is_read)
			continue;
		for (size_t i = 0; i < read->list.n && !there; i++)
			there = same_element(&read->list.e[i], &p->element);
		if (there == (p->place < read->place))
			continue;
		name_txn(k->h, read->txn, by);
		snprintf(text, sizeof(text), "%s %s its own element .%u", by,
			 there ? "reads, before it appends it," : "does not read", p->element.n);
		h_finding(k->h, "internal inconsistency", read, text, &k->h->r->internal);
	}
}

static bool is_prefix(const struct h_list *a, const struct h_list *of)
{
	for (size_t i = 0; i < a->n; i++)
		if (i >= of->n || !same_element(&a->e[i], &of->e[i]))
			return false;
	return true;
}

static bool does_count(const struct h_run *h, const struct h_op *op)
{
	return h->txn[op->txn].cluster == h->o->cluster && h->txn[op->txn].outcome == TXN_ACKED;
}

static void add_edges(const struct key *k, const struct h_list *order)
{
	struct h_run *h = k->h;
	const struct h_op *before = NULL;

	for (size_t i = 0; i < order->n; i++) {
		const struct h_op *op = find_append(k, &order->e[i]);

		if (op && before)
			h_edge(h, before->txn, op->txn, false);
		before = op ? op : before;
	}
	for (const struct h_op *r = k->first; r < k->first + k->n; r++) {
		if (!r->is_read || !does_count(h, r))
			continue;
		for (size_t i = r->list.n; i-- > 0;) {
			const struct h_op *op = find_append(k, &r->list.e[i]);

			if (op && op->txn != r->txn) {
				h_edge(h, op->txn, r->txn, true);
				break;
			}
		}
	}
}

static int by_element(const void *a, const void *b)
{
	const struct h_element *x = a, *y = b;

	if (x->worker != y->worker)
		return x->worker < y->worker ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

/* What was acknowledged up to the point is in the list of now. */
static void model_lost(const struct key *k)
{
	struct h_run *h = k->h;
	struct h_element *sorted = NULL;
	size_t n = k->final ? k->final->list.n : 0;

	if (n) {
		sorted = xmemdup(k->final->list.e, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), by_element);
	}
	for (const struct h_op *p = k->first; p < k->first + k->n; p++) {
		const struct h_txn *t = &h->txn[p->txn];
		char text[200];

		if (p->is_read || !does_count(h, p) ||
		    (h->o->limit != UINT64_MAX && (!t->position || t->position > h->o->limit)))
			continue;
		if (n && bsearch(&p->element, sorted, n, sizeof(*sorted), by_element))
			continue;
		snprintf(text, sizeof(text),
			 "element %u.%" PRIu64 ".%u was acknowledged (position %" PRIu64
			 ") and is not in the list",
			 p->element.worker, p->element.seq, p->element.n, t->position);
		h_finding(h, "lost update", p, text, &h->r->lost_updates);
	}
	free(sorted);
}

static void model_key(const struct key *k, bool finals_known)
{
	struct h_run *h = k->h;
	const struct h_list *order = k->final ? &k->final->list : &(struct h_list){ 0 };
	struct h_element *sorted;
	char text[160];

	for (const struct h_op *p = k->first; p < k->first + k->n; p++)
		if (p->is_read && does_count(h, p) && p->list.n > order->n)
			order = &p->list;
	for (const struct h_op *p = k->first; p < k->first + k->n; p++) {
		h->r->writes += !p->is_read && does_count(h, p);
		if (!p->is_read || !does_count(h, p))
			continue;
		h->r->reads++;
		judge_list(k, &p->list, p);
		model_own(k, p);
		if (!is_prefix(&p->list, order)) {
			snprintf(text, sizeof(text),
				 "worker %u sequence %" PRIu64
				 " read an order that another reader contradicts",
				 h->txn[p->txn].worker, h->txn[p->txn].seq);
			h_finding(h, "incompatible order", p, text, &h->r->order);
		}
	}
	if (k->final) {
		judge_list(k, &k->final->list, NULL);
		if (!is_prefix(&k->final->list, order))
			h_finding(h, "incompatible order", k->first,
				  "the cluster holds an order that a reader contradicts",
				  &h->r->order);
	}
	if (finals_known)
		model_lost(k);
	if (order->n > 1) {
		sorted = xmemdup(order->e, order->n * sizeof(*sorted));
		qsort(sorted, order->n, sizeof(*sorted), by_element);
		for (size_t i = 1; i < order->n; i++)
			if (same_element(&sorted[i - 1], &sorted[i])) {
				snprintf(text, sizeof(text),
					 "element %u.%" PRIu64 ".%u is in the list twice",
					 sorted[i].worker, sorted[i].seq, sorted[i].n);
				h_finding(h, "duplicate element", k->first, text, &h->r->order);
			}
		free(sorted);
	}
	add_edges(k, order);
}

/* ---- the lists of now ---- */

static int take_final(void *to, uint32_t table, int64_t key, const char *list, size_t n)
{
	struct finals *f = to;
	struct h_list l;

	if (h_list_parse(&l, list, n) < 0)
		return err_set(f->e, ERR_BAD_DATA, 0,
			       "append%u id %" PRId64
			       ": its list is not of elements worker.sequence.n",
			       table, key);
	/* what a later cluster's transactions appended is not this one's */
	for (size_t i = 0; i < l.n; i++) {
		const struct h_txn *t = h_find(f->h, l.e[i].worker, l.e[i].seq);

		if (t && t->cluster > f->h->o->cluster)
			l.n = i;
	}
	XGROW(f->f, f->n, f->room, 256);
	f->f[f->n++] = (struct final){ table, key, l };
	return 0;
}

static int by_table_key(const void *a, const void *b)
{
	const struct final *x = a, *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static int read_finals(struct h_run *h, struct finals *f, struct err *e)
{
	f->known = h->o->lists != NULL;
	f->e = e;
	for (size_t i = 0; f->known && i < h->n_ops; i++) {
		if (i && h->op[i].table == h->op[i - 1].table)
			continue;
		if (h->o->lists(h->o->arg, h->op[i].table, take_final, f, e) < 0)
			return -1;
	}
	if (f->n)
		qsort(f->f, f->n, sizeof(*f->f), by_table_key);
	return 0;
}

static int judge_append(struct h_run *h, struct err *e)
{
	struct finals f = { .h = h };
	int rc = read_finals(h, &f, e);

	for (size_t i = 0; rc == 0 && i < h->n_ops;) {
		struct key k = { .h = h, .first = &h->op[i] };
		struct final at = { .table = h->op[i].table, .key = h->op[i].key };

		for (; i < h->n_ops && h->op[i].table == at.table && h->op[i].key == at.key; i++)
			k.n++;
		k.final = f.n ? bsearch(&at, f.f, f.n, sizeof(*f.f), by_table_key) : NULL;
		h->r->keys++;
		model_key(&k, f.known);
	}
	if (rc == 0)
		h_cycles(h);
	for (size_t i = 0; i < f.n; i++)
		free(f.f[i].list.e);
	free(f.f);
	return rc;
}

static void judge_bank(struct h_run *h)
{
	for (size_t i = 0; i < h->n_ops; i++) {
		const struct h_op *p = &h->op[i];
		char by[64], text[160];

		if (!p->is_read || !does_count(h, p))
			continue;
		h->r->reads++;
		if (p->sum == p->must)
			continue;
		name_txn(h, p->txn, by);
		snprintf(text, sizeof(text),
			 "%s saw balances of bank%u that add up to %" PRId64 ", not %" PRId64, by,
			 p->table, p->sum, p->must);
		h_finding(h, "broken sum", NULL, text, &h->r->sums);
	}
}

static void conclude(struct h_run *h)
{
	struct isolation_result *r = h->r;
	bool bank = !strcmp(h->o->kind, "bank");

	if (r->verdict == VERDICT_FAIL && bank)
		snprintf(r->evidence, sizeof(r->evidence),
			 "%" PRIu64 " of %" PRIu64 " readers saw a total that never existed",
			 r->sums, r->reads);
	else if (r->verdict == VERDICT_FAIL)
		snprintf(r->evidence, sizeof(r->evidence),
			 "G0 %" PRIu64 ", G1a %" PRIu64 ", G1b %" PRIu64 ", G1c %" PRIu64
			 ", lost updates %" PRIu64 ", incompatible orders %" PRIu64
			 ", internal %" PRIu64 ", elements of nobody %" PRIu64 " in %" PRIu64
			 " transactions",
			 r->g0, r->g1a, r->g1b, r->g1c, r->lost_updates, r->order, r->internal,
			 r->foreign, r->transactions);
	else if (!r->transactions || !(r->reads + r->writes)) {
		r->verdict = VERDICT_UNKNOWN;
		snprintf(r->evidence, sizeof(r->evidence),
			 "the history has no transaction on this cluster, so it proves nothing");
	} else if (h->damaged) {
		r->verdict = VERDICT_UNKNOWN;
		snprintf(r->evidence, sizeof(r->evidence),
			 "%u files of the history have an incomplete last line, so not all writes "
			 "are known",
			 h->damaged);
	} else if (bank)
		snprintf(r->evidence, sizeof(r->evidence),
			 "all %" PRIu64 " readers of %" PRIu64 " transactions saw the right total",
			 r->reads, r->transactions);
	else
		snprintf(r->evidence, sizeof(r->evidence),
			 "%" PRIu64 " transactions, %" PRIu64 " appends to and %" PRIu64
			 " reads of %" PRIu64 " lists: no G0, G1a, G1b, G1c, no lost update",
			 r->transactions, r->writes, r->reads, r->keys);
}

int isolation_check(const struct isolation_opts *o, struct isolation_result *r, struct err *e)
{
	struct h_run h = { .o = o, .r = r };
	int rc = -1;

	*r = (struct isolation_result){ .verdict = VERDICT_PASS, .findings = json_array() };
	if (strcmp(o->kind, "append") && strcmp(o->kind, "bank")) {
		err_set(e, ERR_USAGE, 0, "unknown check of histories '%.40s' (use append or bank)",
			o->kind);
		goto out;
	}
	if (h_load(&h, e) < 0)
		goto out;
	for (size_t i = 0; i < h.n_txns; i++)
		r->transactions += h.txn[i].cluster == o->cluster;
	if (!strcmp(o->kind, "bank"))
		judge_bank(&h);
	else if (judge_append(&h, e) < 0)
		goto out;
	conclude(&h);
	rc = 0;
out:
	h_release(&h);
	if (rc < 0) {
		r->verdict = VERDICT_UNKNOWN;
		err_wrap(e, "history check");
	}
	return rc;
}
