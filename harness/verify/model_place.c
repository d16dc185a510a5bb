/* Where do transactions of unknown commit position stand? Only those matter that share rows with
 * others and whose default place (the latest possible) does not explain what was found. Then they
 * are moved one by one, as long as that explains more rows; where some stay wrong each consistent
 * placement is tried, jointly for those that share rows. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/order.h"
#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/verify/model_check.h"

/* placements of one group; beyond that its rows are undecided, never wrong */
#define TRIES_MAX 200000u
/* of members to other places, before the search: so many times each to each place, and in all */
#define MOVES_EACH 40u
#define MOVES_MAX 2000000u

struct group {
	struct model_check *j;
	size_t *member, n_members;
	uint32_t *look; /* rows that any member touches */
	size_t n_look;
	size_t *slot, n_slots;        /* places that make a difference, ascending */
	size_t *sequence, n_sequence; /* members placed so far, in order */
	size_t *best, n_best, best_wrong;
	bool *used;
	size_t *at, *best_at; /* slot of each in the sequence */
	unsigned tries;
	size_t moves, moves_max;
};

static size_t root_of(struct model_check *j, size_t i)
{
	while (j->floater[i].parent != i)
		i = j->floater[i].parent = j->floater[j->floater[i].parent].parent;
	return i;
}

static uint32_t look_of(const struct model_check *j, const struct audit_op *op)
{
	struct row_cell *c = row_map_find(&j->map, (struct row_key){ op->row.id, op->table });

	return c ? c->slot : UINT32_MAX;
}

static struct row_state evaluate_row(const struct group *g, uint32_t look)
{
	struct model_check *j = g->j;
	const struct look_row *l = &j->look[look];
	struct row_state s = row_initial(j->m, l->key);
	size_t next = 0;

	for (size_t i = 0; i <= l->n_ops; i++) {
		size_t limit = i < l->n_ops ? j->op[l->first_op + i].step : SIZE_MAX;

		for (; next < g->n_sequence && g->at[next] <= limit; next++) {
			const struct floater *f = &j->floater[g->sequence[next]];

			for (size_t k = 0; k < f->n_ops; k++)
				if (f->op[k].row.id == l->key.id &&
				    f->op[k].table == l->key.table) {
					struct row_op o = row_op_of(&f->op[k]);

					row_apply(&s, &o);
				}
		}
		if (i < l->n_ops)
			row_apply(&s, &j->op[l->first_op + i].op);
	}
	return s;
}

static void evaluate(struct group *g)
{
	size_t wrong = 0;

	g->tries++;
	for (size_t i = 0; i < g->n_look && wrong < g->best_wrong; i++) {
		struct row_state s = evaluate_row(g, g->look[i]);

		wrong += !row_same(&s, &g->j->look[g->look[i]].found);
	}
	if (wrong >= g->best_wrong)
		return;
	g->best_wrong = wrong;
	g->n_best = g->n_sequence;
	memcpy(g->best, g->sequence, g->n_sequence * sizeof(*g->best));
	memcpy(g->best_at, g->at, g->n_sequence * sizeof(*g->at));
}

static void search(struct group *g, size_t slot_from)
{
	bool complete = true;

	if (g->best_wrong == 0 || g->tries >= TRIES_MAX)
		return;
	for (size_t i = 0; i < g->n_members; i++)
		complete &= g->used[i] || g->j->floater[g->member[i]].optional;
	if (complete)
		evaluate(g);
	for (size_t i = 0; i < g->n_members; i++) {
		const struct floater *f = &g->j->floater[g->member[i]];

		if (g->used[i])
			continue;
		g->used[i] = true;
		g->sequence[g->n_sequence] = g->member[i];
		for (size_t s = slot_from; s < g->n_slots; s++) {
			if (g->slot[s] < f->low || g->slot[s] > f->high)
				continue;
			g->at[g->n_sequence++] = g->slot[s];
			search(g, s);
			g->n_sequence--;
		}
		g->used[i] = false;
	}
}

/* Rows of one member that the sequence does not explain. */
static size_t wrong_of(const struct group *g, size_t member)
{
	struct model_check *j = g->j;
	const struct floater *f = &j->floater[member];
	size_t wrong = 0;

	for (size_t k = 0; k < f->n_ops; k++) {
		uint32_t look = look_of(j, &f->op[k]);
		struct row_state s;

		if (look == UINT32_MAX)
			continue;
		s = evaluate_row(g, look);
		wrong += !row_same(&s, &j->look[look].found);
	}
	return wrong;
}

static size_t take_out(struct group *g, size_t index)
{
	size_t member = g->sequence[index], behind = g->n_sequence - index - 1;

	memmove(g->sequence + index, g->sequence + index + 1, behind * sizeof(*g->sequence));
	memmove(g->at + index, g->at + index + 1, behind * sizeof(*g->at));
	g->n_sequence--;
	return member;
}

static void put_in(struct group *g, size_t index, size_t member, size_t slot)
{
	size_t behind = g->n_sequence - index;

	memmove(g->sequence + index + 1, g->sequence + index, behind * sizeof(*g->sequence));
	memmove(g->at + index + 1, g->at + index, behind * sizeof(*g->at));
	g->sequence[index] = member;
	g->at[index] = slot;
	g->n_sequence++;
}

/* One member to the first place that explains more of its rows, the latest ones first. */
static bool move_one(struct group *g, size_t from)
{
	const struct floater *f = &g->j->floater[g->sequence[from]];
	size_t member = g->sequence[from], slot = g->at[from];
	size_t before = wrong_of(g, member);

	if (!before)
		return false;
	take_out(g, from);
	for (size_t s = g->n_slots; s-- > 0 && g->moves < g->moves_max;) {
		size_t last = g->n_sequence, first;

		if (g->slot[s] < f->low || g->slot[s] > f->high)
			continue;
		while (last > 0 && g->at[last - 1] > g->slot[s])
			last--;
		for (first = last; first > 0 && g->at[first - 1] == g->slot[s];)
			first--;
		for (size_t i = last + 1; i-- > first && g->moves < g->moves_max;) {
			g->moves++;
			put_in(g, i, member, g->slot[s]);
			if (wrong_of(g, member) < before)
				return true;
			take_out(g, i);
		}
	}
	put_in(g, from, member, slot);
	return false;
}

static void climb(struct group *g)
{
	bool moved = true;

	while (moved && g->moves < g->moves_max) {
		moved = false;
		for (size_t i = 0; i < g->n_sequence; i++)
			moved |= move_one(g, i);
	}
}

/* One of those whose rows are wrong, anywhere: out of a place from which nothing gets better. */
static void kick(struct group *g, struct rng *r)
{
	size_t from = rng_below(r, g->n_sequence), tried = 0, member, slot, to;

	while (!wrong_of(g, g->sequence[from]) && ++tried < g->n_sequence)
		from = (from + 1) % g->n_sequence;
	member = take_out(g, from);
	do
		slot = g->slot[rng_below(r, g->n_slots)];
	while (slot < g->j->floater[member].low || slot > g->j->floater[member].high);
	for (to = g->n_sequence; to > 0 && g->at[to - 1] > slot;)
		to--;
	put_in(g, to, member, slot);
}

/* What it finds explains every row; what it does not find is left to the search. */
static void improve(struct group *g)
{
	struct rng r;

	for (size_t i = 0; i < g->n_members; i++)
		if (g->j->floater[g->member[i]].optional)
			return;
	/* the latest places, those of one worker in their own order */
	for (size_t i = 0; i < g->n_members; i++) {
		size_t high = g->j->floater[g->member[i]].high, to = g->n_sequence;

		while (to > 0 && g->at[to - 1] > high)
			to--;
		put_in(g, to, g->member[i], high);
	}
	g->moves_max = MOVES_EACH * g->n_members * g->n_slots;
	if (g->moves_max > MOVES_MAX)
		g->moves_max = MOVES_MAX;
	rng_seed(&r, g->n_members);
	climb(g);
	evaluate(g);
	while (g->best_wrong && g->moves < g->moves_max) {
		memcpy(g->sequence, g->best, g->n_best * sizeof(*g->best));
		memcpy(g->at, g->best_at, g->n_best * sizeof(*g->at));
		for (uint64_t n = 1 + rng_below(&r, 3); n > 0; n--)
			kick(g, &r);
		g->moves++;
		climb(g);
		evaluate(g);
	}
	g->n_sequence = 0;
	g->tries = 0;
}

static void collect(struct group *g)
{
	struct model_check *j = g->j;
	size_t rows = 0, slots = 2 * g->n_members, kept = 0;

	for (size_t i = 0; i < g->n_members; i++)
		rows += j->floater[g->member[i]].n_ops;
	g->look = xcalloc(rows + 1, sizeof(*g->look));
	for (size_t i = 0; i < g->n_members; i++)
		for (size_t k = 0; k < j->floater[g->member[i]].n_ops; k++) {
			uint32_t look = look_of(j, &j->floater[g->member[i]].op[k]);
			bool known = look == UINT32_MAX;

			for (size_t n = 0; n < g->n_look && !known; n++)
				known = g->look[n] == look;
			if (!known)
				g->look[g->n_look++] = look;
		}
	for (size_t i = 0; i < g->n_look; i++)
		slots += j->look[g->look[i]].n_ops;
	g->slot = xcalloc(slots + 1, sizeof(*g->slot));
	for (size_t i = 0; i < g->n_members; i++) {
		g->slot[g->n_slots++] = j->floater[g->member[i]].low;
		g->slot[g->n_slots++] = j->floater[g->member[i]].high;
	}
	for (size_t i = 0; i < g->n_look; i++)
		for (size_t k = 0; k < j->look[g->look[i]].n_ops; k++)
			g->slot[g->n_slots++] = j->op[j->look[g->look[i]].first_op + k].step + 1u;
	qsort(g->slot, g->n_slots, sizeof(*g->slot), by_size);
	for (size_t i = 0; i < g->n_slots; i++)
		if (i == 0 || g->slot[i] != g->slot[kept - 1])
			g->slot[kept++] = g->slot[i];
	g->n_slots = kept;
}

static void settle(struct group *g)
{
	struct model_check *j = g->j;

	if (g->n_best || g->best_wrong != SIZE_MAX) {
		memcpy(g->sequence, g->best, g->n_best * sizeof(*g->best));
		memcpy(g->at, g->best_at, g->n_best * sizeof(*g->at));
		g->n_sequence = g->n_best;
		for (size_t i = 0; i < g->n_members; i++)
			j->floater[g->member[i]].in = false;
		for (size_t i = 0; i < g->n_sequence; i++) {
			j->floater[g->sequence[i]].in = true;
			j->floater[g->sequence[i]].slot = g->at[i];
			j->floater[g->sequence[i]].rank = i;
		}
	}
	for (size_t i = 0; i < g->n_look; i++) {
		struct look_row *l = &j->look[g->look[i]];

		l->expected = evaluate_row(g, g->look[i]);
		l->wrong = !row_same(&l->expected, &l->found);
		l->undecided = g->tries >= TRIES_MAX;
	}
}

static void place_group(struct model_check *j, size_t root)
{
	struct group g = { .j = j, .best_wrong = SIZE_MAX };
	bool any_wrong = false;
	size_t n = j->n_floaters + 1;

	g.member = xcalloc(n, sizeof(*g.member));
	for (size_t i = 0; i < j->n_floaters; i++)
		if (root_of(j, i) == root)
			g.member[g.n_members++] = i;
	collect(&g);
	for (size_t i = 0; i < g.n_look; i++)
		any_wrong |= j->look[g.look[i]].wrong;
	if (any_wrong) {
		g.sequence = xcalloc(n, sizeof(size_t));
		g.best = xcalloc(n, sizeof(size_t));
		g.at = xcalloc(n, sizeof(size_t));
		g.best_at = xcalloc(n, sizeof(size_t));
		g.used = xcalloc(n, sizeof(bool));
		improve(&g);
		search(&g, 0);
		settle(&g);
	}
	free(g.member);
	free(g.look);
	free(g.slot);
	free(g.sequence);
	free(g.best);
	free(g.at);
	free(g.best_at);
	free(g.used);
}

void model_place(struct model_check *j)
{
	struct step *known;
	bool needed = false;

	for (size_t i = 0; i < j->n_floaters && !needed; i++)
		for (size_t k = 0; k < j->floater[i].n_ops; k++) {
			uint32_t look = look_of(j, &j->floater[i].op[k]);

			needed |= look != UINT32_MAX && j->look[look].wrong;
		}
	if (!needed)
		return;
	/* those that touch a common row are placed together */
	for (size_t a = 0; a < j->n_floaters; a++)
		for (size_t b = 0; b < a; b++)
			for (size_t x = 0; x < j->floater[a].n_ops; x++)
				for (size_t y = 0; y < j->floater[b].n_ops; y++)
					if (j->floater[a].op[x].table ==
						    j->floater[b].op[y].table &&
					    j->floater[a].op[x].row.id ==
						    j->floater[b].op[y].row.id)
						j->floater[root_of(j, a)].parent = root_of(j, b);
	known = xreallocarray(NULL, j->n_order + 1, sizeof(*known));
	for (size_t i = 0; i < j->n_order; i++)
		known[i] = (struct step){ j->order[i], true };
	look_gather(j, known, j->n_order, false);
	free(known);
	for (size_t i = 0; i < j->n_floaters; i++)
		if (root_of(j, i) == i)
			place_group(j, i);
}
