/* What can go wrong on the way from a primary to a verdict, each as a change of the recording at a
 * place that the seed draws. A plant is taken only when the final state differs from the right one
 * (or, for a harmless twin, when it does not). */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/verify/defects.h"

#define TRIES 400

static void say_row(const struct defect_run *r, struct defect_case *c,
		    const struct defect_change *x, const char *what)
{
	if (x->table)
		snprintf(c->where, sizeof(c->where), "%s: %s%u id %" PRId64 " at commitTs %" PRIu64,
			 what, r->model.table_prefix, x->table, x->id, x->commit_ts);
	else
		snprintf(c->where, sizeof(c->where), "%s: %s worker %u sequence %" PRIu64, what,
			 r->model.ledger_table, r->rec[x->id].worker, r->rec[x->id].seq);
}

static void say_txn(const struct defect_run *r, struct defect_case *c, size_t i, const char *what)
{
	snprintf(c->where, sizeof(c->where),
		 "%s: worker %u sequence %" PRIu64 ", position %" PRIu64, what, r->rec[i].worker,
		 r->rec[i].seq, r->place[i]);
}

/* The state that a replay of other changes leaves; true when it is another one (or the same, as
 * wanted). */
static bool replay_without(const struct defect_run *r, struct defect_case *c,
			   const struct defect_change *change, size_t n, bool differs)
{
	defect_state_release(&c->state);
	c->state = defect_state_copy(r, &r->base);
	defect_replay(r, &c->state, change, n);
	return defect_state_same(r, &c->state, &r->after) != differs;
}

static struct defect_change *changes_copy(const struct defect_run *r)
{
	/* room for one more */
	struct defect_change *copy = xcalloc(r->n_changes + 1, sizeof(*copy));

	memcpy(copy, r->change, r->n_changes * sizeof(*copy));
	return copy;
}

/* A change drawn from the log, of a load's table. */
static const struct defect_change *draw_change(const struct defect_run *r, struct rng *g)
{
	for (int i = 0; i < TRIES && r->n_changes; i++) {
		const struct defect_change *x = &r->change[rng_below(g, r->n_changes)];

		if (x->table)
			return x;
	}
	return NULL;
}

static bool drop_row(const struct defect_run *r, struct rng *g, struct defect_case *c, bool differs)
{
	struct defect_change *copy = changes_copy(r);
	bool done = false;

	for (int i = 0; i < TRIES && !done; i++) {
		const struct defect_change *x = draw_change(r, g);
		size_t at = x ? (size_t)(x - r->change) : 0;

		if (!x)
			break;
		copy[at] = copy[r->n_changes - 1];
		done = replay_without(r, c, copy, r->n_changes - 1, differs);
		copy[at] = *x;
		copy[r->n_changes - 1] = r->change[r->n_changes - 1];
		if (done)
			say_row(r, c, x, "dropped from the redo log");
	}
	free(copy);
	return done;
}

static bool redo_row_dropped(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	return drop_row(r, g, c, true);
}

static bool dropped_row_overwritten(const struct defect_run *r, struct rng *g,
				    struct defect_case *c)
{
	return drop_row(r, g, c, false);
}

/* Rows of one transaction of the log leave it: all, or one of a load's table while others stay. */
static bool drop_of_txn(const struct defect_run *r, struct rng *g, struct defect_case *c, bool all)
{
	struct defect_change *left = xcalloc(r->n_changes + 1, sizeof(*left));
	bool done = false;

	for (int i = 0; i < TRIES && !done; i++) {
		const struct defect_change *x = draw_change(r, g);
		size_t n = 0, of = 0;

		if (!x)
			break;
		for (size_t k = 0; k < r->n_changes; k++) {
			bool same = r->change[k].commit_ts == x->commit_ts;

			of += same;
			if (all ? !same : &r->change[k] != x)
				left[n++] = r->change[k];
		}
		done = (all || of > 1) && replay_without(r, c, left, n, true);
		if (done)
			say_row(r, c, x,
				all ? "its whole transaction dropped"
				    : "one row of its transaction dropped");
	}
	free(left);
	return done;
}

static bool txn_dropped(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	return drop_of_txn(r, g, c, true);
}

static bool txn_row_dropped(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	return drop_of_txn(r, g, c, false);
}

static bool txns_swapped(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	struct defect_change *copy = changes_copy(r);
	bool done = false;

	for (int i = 0; i < TRIES && !done; i++) {
		const struct defect_change *x = draw_change(r, g), *y = NULL;

		for (size_t k = 0; x && k < r->n_changes; k++)
			if (r->change[k].table == x->table && r->change[k].id == x->id &&
			    r->change[k].commit_ts > x->commit_ts)
				y = &r->change[k];
		if (!y)
			continue;
		for (size_t k = 0; k < r->n_changes; k++)
			copy[k].commit_ts = r->change[k].commit_ts == x->commit_ts ? y->commit_ts
					    : r->change[k].commit_ts == y->commit_ts
						    ? x->commit_ts
						    : r->change[k].commit_ts;
		done = replay_without(r, c, copy, r->n_changes, true);
		if (done)
			say_row(r, c, x,
				"its transaction exchanged places with a later one of the same key");
	}
	free(copy);
	return done;
}

/* Of transaction `with`'s rows, what they hold in `from` goes into the case's state. mask: which of
 * its operations. */
static void carry_rows(const struct defect_run *r, struct defect_case *c, size_t with,
		       const struct defect_state *from, uint64_t mask)
{
	for (size_t k = 0; k < r->n_ops[with]; k++)
		if (mask >> k & 1) {
			const struct audit_op *o = &r->ops[with][k];

			*defect_row_at(r, &c->state, o->table, o->row.id) =
				*defect_row_at(r, from, o->table, o->row.id);
		}
}

/* The first transactions after the point; -1: there are none. */
static long first_after(const struct defect_run *r, uint64_t limit)
{
	for (size_t i = 0; i < r->n_order; i++)
		if (r->place[r->order[i]] > limit)
			return (long)i;
	return -1;
}

static bool beyond_point(const struct defect_run *r, struct rng *g, struct defect_case *c,
			 bool in_part)
{
	long first = first_after(r, r->limit);
	size_t at;

	if (first < 0)
		return false;
	for (int i = 0; i < TRIES; i++) {
		struct defect_state then;
		bool done;

		at = r->order[(size_t)first + rng_below(g, r->n_order - (size_t)first)];
		if (r->rec[at].outcome != TXN_ACKED || !r->n_ops[at])
			continue;
		then = defect_state_at(r, r->place[at]);
		carry_rows(r, c, at, &then,
			   in_part ? UINT64_C(1) << rng_below(g, r->n_ops[at]) : UINT64_MAX);
		defect_state_release(&then);
		c->state.present[at] = !in_part;
		done = !defect_state_same(r, &c->state, &r->after);
		if (done) {
			say_txn(r, c, at,
				in_part ? "one row of a transaction after resolvedTs applied"
					: "a transaction after resolvedTs applied");
			return true;
		}
	}
	return false;
}

static bool beyond_point_applied(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	return beyond_point(r, g, c, false);
}

static bool beyond_point_row(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	return beyond_point(r, g, c, true);
}

/* resolvedTs claims a later position than what is durable. */
static bool resolved_later(const struct defect_run *r, struct rng *g, struct defect_case *c,
			   bool durable)
{
	long first = first_after(r, r->limit);
	size_t at;

	if (first < 0)
		return false;
	at = r->order[(size_t)first + rng_below(g, r->n_order - (size_t)first)];
	c->limit = r->place[at];
	if (durable) {
		defect_state_release(&c->state);
		c->state = defect_state_at(r, c->limit);
	}
	say_txn(r, c, at,
		durable ? "resolvedTs early, but its rows came in time, up to"
			: "resolvedTs advanced before the rows were durable, up to");
	return true;
}

static bool resolved_ahead(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	return resolved_later(r, g, c, false);
}

static bool resolved_early_no_kill(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	return resolved_later(r, g, c, true);
}

/* The replay skips what checkpointTs says is in the secondary already. */
static bool checkpoint_ahead(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	for (int i = 0; i < TRIES && r->n_changes; i++) {
		size_t from = 1 + rng_below(g, r->n_changes);

		while (from < r->n_changes &&
		       r->change[from].commit_ts == r->change[from - 1].commit_ts)
			from++;
		if (!replay_without(r, c, r->change + from, r->n_changes - from, true))
			continue;
		snprintf(c->where, sizeof(c->where),
			 "checkpointTs ahead of the sink, at %" PRIu64
			 ": %zu of %zu changes not replayed",
			 r->change[from - 1].commit_ts, from, r->n_changes);
		return true;
	}
	return false;
}

/* A statement that the dead feed had sent lands when the replay is over. */
static bool late_statement(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	for (int i = 0; i < TRIES; i++) {
		const struct defect_change *x = draw_change(r, g);

		if (!x)
			return false;
		defect_replay(r, &c->state, x, 1);
		if (!defect_state_same(r, &c->state, &r->after)) {
			say_row(r, c, x, "the dead feed's statement landed after the replay");
			return true;
		}
	}
	return false;
}

static bool row_twice(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	struct defect_change *copy = changes_copy(r);
	const struct defect_change *x = draw_change(r, g);
	bool done = false;

	if (x) {
		copy[r->n_changes] = *x;
		done = replay_without(r, c, copy, r->n_changes + 1, false);
		say_row(r, c, x, "applied twice");
	}
	free(copy);
	return done;
}

static struct defect_row *draw_row(const struct defect_run *r, struct rng *g, struct defect_case *c,
				   uint32_t *table, int64_t *id)
{
	for (int i = 0; i < TRIES; i++) {
		struct defect_row *row;

		*table = 1 + (uint32_t)rng_below(g, r->model.tables);
		*id = 1 + (int64_t)rng_below(g, (uint64_t)r->model.rows_per_table);
		row = defect_row_at(r, &c->state, *table, *id);
		if (row->exists && row->c[0])
			return row;
	}
	return NULL;
}

static bool byte_changed(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	uint32_t table;
	int64_t id;
	struct defect_row *row = draw_row(r, g, c, &table, &id);
	char *text;
	size_t at;

	if (!row)
		return false;
	text = rng_below(g, 2) && row->pad[0] ? row->pad : row->c;
	at = rng_below(g, strlen(text));
	text[at] = text[at] == '7' ? '3' : '7';
	snprintf(c->where, sizeof(c->where), "byte %zu of %s of %s%u id %" PRId64 " changed", at,
		 text == row->c ? "c" : "pad", r->model.table_prefix, table, id);
	return true;
}

static bool values_exchanged(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t table, other_table;
		int64_t id, other;
		struct defect_row *a = draw_row(r, g, c, &table, &id),
				  *b = draw_row(r, g, c, &other_table, &other), t;

		if (!a || !b || a == b || table != other_table || !strcmp(a->c, b->c))
			continue;
		t = *a;
		memcpy(a->c, b->c, sizeof(a->c));
		memcpy(b->c, t.c, sizeof(b->c));
		snprintf(c->where, sizeof(c->where),
			 "c of %s%u id %" PRId64 " and id %" PRId64 " exchanged",
			 r->model.table_prefix, table, id, other);
		return true;
	}
	return false;
}

/* Rows that no transaction wrote between BackupTS and the point: what the backup brought is what is
 * there. */
static bool is_untouched(const struct defect_run *r, uint32_t table, int64_t id)
{
	for (size_t i = 0; i < r->n_order; i++) {
		size_t t = r->order[i];

		if (r->place[t] <= r->backup_seq || r->place[t] > r->limit)
			continue;
		for (size_t k = 0; k < r->n_ops[t]; k++)
			if (r->ops[t][k].table == table && r->ops[t][k].row.id == id)
				return false;
	}
	return true;
}

static bool stale_row(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	for (int i = 0; i < TRIES && r->n_order; i++) {
		size_t t = r->order[rng_below(g, r->n_order)];
		const struct audit_op *o;
		struct defect_state stale;
		bool done = false;

		if (r->place[t] > r->backup_seq || !r->n_ops[t])
			continue;
		o = &r->ops[t][rng_below(g, r->n_ops[t])];
		if (!is_untouched(r, o->table, o->row.id))
			continue;
		stale = defect_state_at(r, r->place[t] - 1);
		*defect_row_at(r, &c->state, o->table, o->row.id) =
			*defect_row_at(r, &stale, o->table, o->row.id);
		defect_state_release(&stale);
		done = !defect_state_same(r, &c->state, &r->after);
		if (done) {
			snprintf(c->where, sizeof(c->where),
				 "%s%u id %" PRId64 " restored as it was before position %" PRIu64,
				 r->model.table_prefix, o->table, o->row.id, r->place[t]);
			return true;
		}
	}
	return false;
}

static bool chunk_missing(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	uint32_t table = 1 + (uint32_t)rng_below(g, r->model.tables);
	int64_t rows = r->model.rows_per_table, n = rows / 10 + 1,
		low = 1 + (int64_t)rng_below(g, (uint64_t)(rows - n + 1));

	for (int64_t id = low; id < low + n; id++)
		if (is_untouched(r, table, id))
			defect_row_at(r, &c->state, table, id)->exists = false;
	snprintf(c->where, sizeof(c->where),
		 "ids %" PRId64 " to %" PRId64 " of %s%u not in the backup", low, low + n - 1,
		 r->model.table_prefix, table);
	return !defect_state_same(r, &c->state, &r->after);
}

/* A transaction that failed is in the secondary, its rows too. */
static bool failed_present(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	struct ledger_record *last = &c->rec[c->n_rec - 1], failed = *last;
	struct audit_op op[AUDIT_OPS_MAX];
	size_t n;

	failed.seq += 1 + rng_below(g, 1000);
	failed.outcome = TXN_FAILED;
	failed.position = 0;
	c->rec = xreallocarray(c->rec, c->n_rec + 1, sizeof(*c->rec));
	c->rec[c->n_rec] = failed;
	c->state.present[c->n_rec++] = true;
	n = r->load->transaction(r->load, failed.worker, failed.seq, op);
	for (size_t i = 0; i < n; i++) {
		struct defect_row *row = defect_row_at(r, &c->state, op[i].table, op[i].row.id);

		if (op[i].kind == AUDIT_ADD_K && row)
			row->k += op[i].row.k;
		else if (op[i].kind == AUDIT_SET_C && row)
			memcpy(row->c, op[i].row.c, sizeof(row->c));
	}
	snprintf(c->where, sizeof(c->where), "worker %u sequence %" PRIu64 " failed, and is there",
		 failed.worker, failed.seq);
	return n > 0;
}

/* An acknowledged transaction and its rows are missing, a later one of the same client is there. */
static bool acked_gone(const struct defect_run *r, struct rng *g, struct defect_case *c,
		       bool unplaced)
{
	for (int i = 0; i < TRIES && r->n_order > 1; i++) {
		size_t t = r->order[rng_below(g, r->n_order - 1)];
		struct defect_state before;
		bool later = false;

		if (r->place[t] > r->limit || r->rec[t].outcome != TXN_ACKED)
			continue;
		for (size_t k = 0; k < r->n_rec && !later; k++)
			later = r->after.present[k] && r->rec[k].outcome == TXN_ACKED &&
				r->rec[k].begin_us > r->rec[t].end_us;
		if (!later)
			continue;
		before = defect_state_at(r, r->place[t] - 1);
		for (size_t k = 0; k < r->n_ops[t]; k++) {
			const struct audit_op *o = &r->ops[t][k];
			bool last = true;

			for (size_t m = 0; m < r->n_order && last; m++)
				if (r->place[r->order[m]] > r->place[t] &&
				    r->place[r->order[m]] <= r->limit)
					for (size_t q = 0; q < r->n_ops[r->order[m]]; q++)
						last &= r->ops[r->order[m]][q].table != o->table ||
							r->ops[r->order[m]][q].row.id != o->row.id;
			if (last)
				*defect_row_at(r, &c->state, o->table, o->row.id) =
					*defect_row_at(r, &before, o->table, o->row.id);
		}
		defect_state_release(&before);
		c->state.present[t] = false;
		if (unplaced)
			c->rec[t].position = 0;
		say_txn(r, c, t,
			unplaced ? "acknowledged, its position unknown, and missing"
				 : "acknowledged and missing");
		return true;
	}
	return false;
}

static bool acked_missing(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	return acked_gone(r, g, c, false);
}

static bool acked_missing_unplaced(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	return acked_gone(r, g, c, true);
}

/* The old server's whole work has to be in the new one: no point here, all is wanted. */
static bool last_second_missing(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	int64_t end = 0, cut;

	for (size_t i = 0; i < r->n_order; i++)
		if (r->rec[r->order[i]].outcome == TXN_ACKED && r->rec[r->order[i]].end_us > end)
			end = r->rec[r->order[i]].end_us;
	cut = end - 200000 - (int64_t)rng_below(g, 800000);
	for (size_t i = 0; i < r->n_order; i++)
		if (r->rec[r->order[i]].outcome == TXN_ACKED && r->rec[r->order[i]].end_us > cut) {
			defect_state_release(&c->state);
			c->state = defect_state_at(r, r->place[r->order[i]] - 1);
			c->limit = UINT64_MAX;
			/* what would lack more would be found more easily */
			assert(r->rec[r->order[i]].end_us <= end);
			snprintf(c->where, sizeof(c->where),
				 "the new primary lacks the last %" PRId64
				 " ms: from position %" PRIu64,
				 (end - cut) / 1000, r->place[r->order[i]]);
			return true;
		}
	return false;
}

/* The changefeed back begins one transaction after its backup: the new primary never gets that one.
 */
static bool reverse_late(const struct defect_run *r, struct rng *g, struct defect_case *c)
{
	size_t at = 0;

	while (at < r->n_order && r->place[r->order[at]] <= r->backup_seq)
		at++;
	if (at + 1 >= r->n_order)
		return false;
	at += rng_below(g, r->n_order - at - 1);
	at = r->order[at];
	if (r->rec[at].outcome != TXN_ACKED)
		return false;
	defect_state_release(&c->state);
	c->state = defect_state_at(r, UINT64_MAX);
	c->state.present[at] = false;
	c->limit = UINT64_MAX;
	say_txn(r, c, at, "the changefeed back began one transaction late, without");
	return true;
}

const struct defect_defect defects_all[] = {
	{ "redo_row_dropped", "a row dropped from the redo log", DEFECT_MODEL, true,
	  redo_row_dropped },
	{ "txn_dropped", "a whole transaction dropped", DEFECT_LEDGER, true, txn_dropped },
	{ "txn_row_dropped", "one row of a transaction dropped", DEFECT_MODEL, true,
	  txn_row_dropped },
	{ "txns_swapped", "two transactions of one key swapped", DEFECT_MODEL, true, txns_swapped },
	{ "beyond_resolved", "a transaction after resolvedTs applied", DEFECT_LEDGER | DEFECT_MODEL,
	  true, beyond_point_applied },
	{ "beyond_resolved_row", "one row of a transaction after resolvedTs applied", DEFECT_MODEL,
	  true, beyond_point_row },
	{ "resolved_ahead", "resolvedTs advanced before the rows are durable, killed then",
	  DEFECT_LEDGER, false, resolved_ahead },
	{ "checkpoint_ahead", "checkpointTs ahead of the sink, killed then", DEFECT_MODEL, true,
	  checkpoint_ahead },
	{ "late_statement", "a statement of the dead feed lands after the replay", DEFECT_MODEL,
	  true, late_statement },
	{ "byte_changed", "a byte of a value changed", DEFECT_MODEL, true, byte_changed },
	{ "values_exchanged", "the values of two rows exchanged", DEFECT_MODEL, true,
	  values_exchanged },
	{ "stale_row", "a row restored from a stale backup", DEFECT_MODEL, true, stale_row },
	{ "chunk_missing", "a chunk missing from the backup", DEFECT_MODEL, true, chunk_missing },
	{ "failed_present", "a failed transaction present", DEFECT_LEDGER, false, failed_present },
	{ "acked_missing", "an acknowledged one missing though a later one is there", DEFECT_LEDGER,
	  true, acked_missing },
	{ "acked_missing_unplaced", "the same, its commit position unknown", DEFECT_LEDGER, true,
	  acked_missing_unplaced },
	{ "last_second_missing", "the new primary misses the last second", DEFECT_LEDGER, false,
	  last_second_missing },
	{ "reverse_late", "the changefeed back started one transaction late", DEFECT_LEDGER, false,
	  reverse_late },
	{ "row_twice", "harmless: a row applied twice", 0, true, row_twice },
	{ "dropped_overwritten", "harmless: a dropped change that a later one overwrites", 0, true,
	  dropped_row_overwritten },
	{ "resolved_early", "harmless: an early resolvedTs without a kill", 0, false,
	  resolved_early_no_kill },
};
const size_t defects_n = sizeof(defects_all) / sizeof(defects_all[0]);
