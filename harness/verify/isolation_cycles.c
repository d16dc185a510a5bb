/* Cycles among transactions: strongly connected components (Tarjan, without recursion: histories
 * are long). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/verify/isolation_impl.h"

struct graph {
	const struct h_edge *edge; /* by from */
	size_t *first;             /* of each transaction; one more at the end */
	uint32_t *index, *low, *stack, *call;
	size_t *next;
	bool *on_stack, writes_only;
};

void h_edge(struct h_run *h, uint32_t from, uint32_t to, bool read)
{
	if (from == to)
		return;
	XGROW(h->edge, h->n_edges, h->edges_room, 1024);
	h->edge[h->n_edges++] = (struct h_edge){ from, to, read };
}

static int by_from(const void *a, const void *b)
{
	const struct h_edge *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static void name_cycle(struct h_run *h, const uint32_t *member, size_t n, const char *kind,
		       uint64_t *count)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < n && i < 6; i++)
		strbuf_addf(&text, "%sworker %u sequence %" PRIu64, i ? ", " : "",
			    h->txn[member[i]].worker, h->txn[member[i]].seq);
	if (n > 6)
		strbuf_addf(&text, " and %zu more", n - 6);
	strbuf_addstr(&text, ": each has to come before the next, and the last before the first");
	h_finding(h, kind, NULL, text.buf, count);
	strbuf_release(&text);
}

/* Components of more than one transaction. seen: those already told; NULL: tells none. */
static void find_components(struct h_run *h, struct graph *g, const char *kind, uint64_t *count,
			    bool *told)
{
	size_t n = h->n_txns, depth = 0, height = 0;
	uint32_t counter = 0;

	memset(g->index, 0, n * sizeof(*g->index));
	memset(g->on_stack, 0, n);
	for (uint32_t root = 0; root < n; root++) {
		if (g->index[root])
			continue;
		g->call[depth++] = root;
		g->index[root] = g->low[root] = ++counter;
		g->next[root] = g->first[root];
		g->stack[height++] = root;
		g->on_stack[root] = true;
		while (depth) {
			uint32_t v = g->call[depth - 1];

			if (g->next[v] < g->first[v + 1]) {
				const struct h_edge *x = &g->edge[g->next[v]++];

				if (g->writes_only && x->read)
					continue;
				if (!g->index[x->to]) {
					g->index[x->to] = g->low[x->to] = ++counter;
					g->next[x->to] = g->first[x->to];
					g->stack[height++] = x->to;
					g->on_stack[x->to] = true;
					g->call[depth++] = x->to;
				} else if (g->on_stack[x->to] && g->index[x->to] < g->low[v]) {
					g->low[v] = g->index[x->to];
				}
				continue;
			}
			depth--;
			if (depth && g->low[v] < g->low[g->call[depth - 1]])
				g->low[g->call[depth - 1]] = g->low[v];
			if (g->low[v] != g->index[v])
				continue;
			size_t top = height;

			do
				g->on_stack[g->stack[--height]] = false;
			while (g->stack[height] != v);
			if (top - height > 1 && !told[v]) {
				name_cycle(h, g->stack + height, top - height, kind, count);
				for (size_t i = height; i < top; i++)
					told[g->stack[i]] = true;
			}
		}
	}
}

void h_cycles(struct h_run *h)
{
	size_t n = h->n_txns;
	struct graph g = { .edge = h->edge };
	bool *told = xcalloc(n + 1, sizeof(*told));

	if (h->n_edges)
		qsort(h->edge, h->n_edges, sizeof(*h->edge), by_from);
	g.first = xcalloc(n + 2, sizeof(*g.first));
	g.next = xcalloc(n + 1, sizeof(*g.next));
	g.index = xcalloc(n + 1, sizeof(*g.index));
	g.low = xcalloc(n + 1, sizeof(*g.low));
	g.stack = xcalloc(n + 1, sizeof(*g.stack));
	g.call = xcalloc(n + 1, sizeof(*g.call));
	g.on_stack = xcalloc(n + 1, sizeof(*g.on_stack));
	for (size_t i = 0; i < h->n_edges; i++)
		g.first[h->edge[i].from + 1]++;
	for (size_t i = 0; i < n; i++)
		g.first[i + 1] += g.first[i];
	g.writes_only = true;
	find_components(h, &g, "G0 (write cycle)", &h->r->g0, told);
	g.writes_only = false;
	find_components(h, &g, "G1c (circular information flow)", &h->r->g1c, told);
	free(g.first);
	free(g.next);
	free(g.index);
	free(g.low);
	free(g.stack);
	free(g.call);
	free(g.on_stack);
	free(told);
}
