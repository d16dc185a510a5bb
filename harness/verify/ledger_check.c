#include "harness/verify/ledger_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define FINDINGS_MAX 100

void verify_finding(struct verify_result *r, const char *kind, const char *table, int64_t id,
		    const char *writer, const char *expected, const char *found)
{
	json_t *f;

	if (json_array_size(r->findings) >= FINDINGS_MAX)
		return;
	f = json_pack("{s:s}", "kind", kind);
	if (table) {
		json_object_set_new(f, "table", json_string(table));
		json_object_set_new(f, "id", json_integer(id));
	}
	if (writer)
		json_object_set_new(f, "writer", json_string(writer));
	if (expected)
		json_object_set_new(f, "expected", json_string(expected));
	if (found)
		json_object_set_new(f, "found", json_string(found));
	json_array_append_new(r->findings, f);
}

void verify_txn_text(const struct verify_txn *t, char *out, size_t room)
{
	static const char *const outcome[] = { "", "acknowledged", "failed", "unknown" };
	int n = snprintf(out, room, "worker %u sequence %" PRIu64 " (%s", t->worker, t->seq,
			 outcome[t->outcome]);

	if (t->position && n > 0 && (size_t)n < room)
		snprintf(out + n, room - (size_t)n, ", position %" PRIu64 ")", t->position);
	else if (n > 0 && (size_t)n < room)
		snprintf(out + n, room - (size_t)n, ")");
}

void verify_result_start(struct verify_result *r)
{
	*r = (struct verify_result){ .verdict = VERDICT_PASS, .findings = json_array() };
}

void verify_result_release(struct verify_result *r)
{
	json_decref(r->findings);
	r->findings = NULL;
}

void verify_worse(struct verify_result *r, enum verdict v)
{
	if (v > r->verdict)
		r->verdict = v;
}

static int txn_order(const struct verify_txn *a, uint32_t worker, uint64_t seq)
{
	if (a->worker != worker)
		return a->worker < worker ? -1 : 1;
	return a->seq < seq ? -1 : a->seq > seq;
}

static int by_worker_seq(const void *a, const void *b)
{
	const struct verify_txn *y = b;

	return txn_order(a, y->worker, y->seq);
}

/* The last that is not after it; NULL: all are. */
static struct verify_txn *at_or_before(const struct prefix *p, uint32_t worker, uint64_t seq)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (txn_order(&p->txn[mid], worker, seq) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &p->txn[low - 1] : NULL;
}

struct verify_txn *verify_find(const struct prefix *p, uint32_t worker, uint64_t seq)
{
	struct verify_txn *t = at_or_before(p, worker, seq);

	return t && txn_order(t, worker, seq) == 0 ? t : NULL;
}

struct verify_txn verify_txn_of(const struct ledger_record *r)
{
	return (struct verify_txn){ .seq = r->seq,
				    .position = r->position,
				    .begin_us = r->begin_us,
				    .end_us = r->end_us,
				    .worker = r->worker,
				    .cluster = r->cluster,
				    .outcome = r->outcome,
				    .open_end = r->flags & TXN_OPEN_END };
}

bool verify_late(const struct verify_txn *before, uint32_t worker, uint64_t seq,
		 struct verify_txn *out)
{
	if (!before || !before->open_end || before->worker != worker)
		return false;
	*out = *before;
	out->seq = seq;
	out->present = true;
	return true;
}

static void put(struct prefix *p, size_t at, const struct verify_txn *t)
{
	XGROW(p->txn, at, p->room, 1024);
	p->txn[at] = *t;
}

static int take_record(void *arg, const struct ledger_record *r)
{
	struct prefix *p = arg;
	struct verify_txn t = verify_txn_of(r);

	put(p, p->n++, &t);
	return 0;
}

void verify_stray(struct prefix *p, uint32_t worker, uint64_t seq)
{
	if (p->strays < sizeof(p->stray) / sizeof(*p->stray)) {
		p->stray[p->strays].worker = worker;
		p->stray[p->strays].seq = seq;
	}
	p->strays++;
}

static int take_presence(void *arg, uint32_t worker, uint64_t seq)
{
	struct prefix *p = arg;
	struct verify_txn *t = at_or_before(p, worker, seq), late;

	if (t && txn_order(t, worker, seq) == 0)
		t->present = true;
	else if (verify_late(t, worker, seq, &late))
		put(p, p->n + p->n_late++, &late);
	else
		verify_stray(p, worker, seq);
	return 0;
}

int verify_open(struct prefix *p, const char *ledger_dir, const struct verify_source *src,
		struct err *e)
{
	if (ledger_read_to(ledger_dir, p->mark, take_record, p, &p->damaged, e) < 0)
		return -1;
	if (p->n)
		qsort(p->txn, p->n, sizeof(*p->txn), by_worker_seq);
	if (src->presence && src->presence(src->arg, take_presence, p, e) < 0)
		return -1;
	p->has_evidence = src->presence != NULL;
	if (p->n_late) {
		p->n += p->n_late;
		p->n_late = 0;
		qsort(p->txn, p->n, sizeof(*p->txn), by_worker_seq);
	}
	return 0;
}

void verify_close(struct prefix *p)
{
	free(p->txn);
	p->txn = NULL;
	p->n = p->room = 0;
}

void verify_loss(const struct prefix *p, int64_t oldest_lost_us, struct verify_result *r)
{
	if (r->lost && p->disaster_us && oldest_lost_us < p->disaster_us)
		r->loss_window_ms = (p->disaster_us - oldest_lost_us + 999) / 1000;
	if (p->point && p->point != UINT64_MAX && p->disaster_wall_ms)
		r->resolved_behind_ms = p->disaster_wall_ms - tso_ms(p->point);
}

void verify_closure_init(struct verify_closure *c)
{
	*c = (struct verify_closure){ -1, INT64_MAX };
}

void verify_closure_add(struct verify_closure *c, const struct prefix *p,
			const struct verify_txn *t)
{
	if (t->cluster != p->cluster)
		return;
	if (t->present && t->outcome != TXN_FAILED && t->begin_us > c->last_begin_present_us)
		c->last_begin_present_us = t->begin_us;
	if (t->outcome == TXN_ACKED && t->position > p->limit && t->end_us < c->first_end_after_us)
		c->first_end_after_us = t->end_us;
}

static void note_wrong(const struct prefix *p, const struct verify_txn *t, const char *kind,
		       const char *expected, const char *found, uint64_t *count,
		       struct verify_result *r)
{
	char who[128];

	++*count;
	verify_txn_text(t, who, sizeof(who));
	verify_finding(r, kind, NULL, 0, who, expected, found);
	if (!p->before)
		verify_worse(r, VERDICT_FAIL);
}

bool verify_judge_txn(const struct prefix *p, const struct verify_txn *t,
		      const struct verify_closure *c, struct verify_result *r, int64_t *oldest_lost)
{
	static const char at_or_before[] = "present: its commit is at or before the point";
	static const char after[] = "absent: its commit is after the point";

	switch ((enum txn_outcome)t->outcome) {
	case TXN_FAILED:
		r->failed++;
		if (t->present)
			note_wrong(p, t, "resurrected transaction",
				   "absent: it was never committed", "present", &r->resurrected, r);
		return false;
	case TXN_UNKNOWN:
		r->unknown++;
		r->recovered += t->present;
		r->lost_unknown += !t->present;
		if (t->present && !p->before && t->begin_us > c->first_end_after_us)
			note_wrong(
				p, t, "early transaction",
				"absent: it began after one that is after the point was acknowledged",
				"present", &r->early, r);
		return false;
	case TXN_ACKED: break;
	}
	r->acked++;
	r->recovered += t->present;
	if (t->present) {
		if (!p->before && (t->position > p->limit ||
				   (!t->position && t->begin_us > c->first_end_after_us)))
			note_wrong(p, t, "early transaction", after, "present", &r->early, r);
		return false;
	}
	if (!p->before && t->position && t->position <= p->limit) {
		note_wrong(p, t, "missing transaction", at_or_before, "absent", &r->missing, r);
	} else if (!p->before && !t->position && t->end_us < c->last_begin_present_us) {
		note_wrong(p, t, "missing transaction",
			   "present: one that began after its acknowledgement is there", "absent",
			   &r->missing, r);
	}
	r->lost++;
	if (t->end_us < *oldest_lost)
		*oldest_lost = t->end_us;
	return true;
}

void verify_no_evidence(struct verify_result *r)
{
	verify_worse(r, VERDICT_UNKNOWN);
	snprintf(r->evidence, sizeof(r->evidence),
		 "the load wrote no drtest_ledger, so it is unknown which transactions are "
		 "present");
}

void verify_judge_ledger(struct prefix *p, struct verify_result *r)
{
	struct verify_closure c;
	int64_t oldest_lost = INT64_MAX;

	if (!p->has_evidence) {
		verify_no_evidence(r);
		return;
	}
	verify_closure_init(&c);
	for (size_t i = 0; i < p->n; i++)
		verify_closure_add(&c, p, &p->txn[i]);
	for (size_t i = 0; i < p->n; i++)
		if (p->txn[i].cluster == p->cluster)
			verify_judge_txn(p, &p->txn[i], &c, r, &oldest_lost);
	verify_conclude_ledger(p, oldest_lost, r);
}

void verify_conclude_ledger(const struct prefix *p, int64_t oldest_lost, struct verify_result *r)
{
	for (uint64_t i = 0; i < p->strays && i < sizeof(p->stray) / sizeof(*p->stray); i++) {
		char who[64];

		snprintf(who, sizeof(who), "worker %u sequence %" PRIu64, p->stray[i].worker,
			 p->stray[i].seq);
		verify_finding(r, "stray transaction", NULL, 0, who, "a record in the ledger",
			       "only a row in drtest_ledger");
	}
	if (p->strays && !p->before)
		verify_worse(r, p->damaged ? VERDICT_UNKNOWN : VERDICT_FAIL);
	if (p->damaged) {
		char files[64];

		snprintf(files, sizeof(files), "%u files have an incomplete last record",
			 p->damaged);
		verify_finding(r, "damaged ledger", NULL, 0, NULL, NULL, files);
		if (!p->before)
			verify_worse(r, VERDICT_UNKNOWN);
	}
	verify_loss(p, oldest_lost, r);
	snprintf(r->evidence, sizeof(r->evidence),
		 "%" PRIu64 " of %" PRIu64 " acknowledged transactions are there, %" PRIu64
		 " lost; %" PRIu64 " missing, %" PRIu64 " early, %" PRIu64 " of %" PRIu64
		 " failed ones present, %" PRIu64 " in no ledger; %" PRIu64 " of %" PRIu64
		 " unknown ones absent",
		 r->acked - r->lost, r->acked, r->lost, r->missing, r->early, r->resurrected,
		 r->failed, p->strays, r->lost_unknown, r->unknown);
}
