#include "harness/replay/image_chain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/order.h"
#include "harness/base/xalloc.h"

#define ROUND_LINKS ((uint64_t)2 << 20) /* 48 bytes each */
#define NAMED_MAX 1000                  /* suspects whose key is kept as text */

struct suspect {
	uint64_t hash;
	uint32_t links;
	char *name; /* "db.t (id=5)" or NULL */
};

struct image_chain {
	struct merge *m;
	struct suspect *s;
	size_t n, alloc, from, upto; /* this round's: [from, upto) */
	struct merge_link *links;
	size_t n_links, alloc_links;
};

static int note_suspect(void *arg, const struct merge_change *c, uint64_t key_hash, uint32_t links,
			struct err *e)
{
	struct image_chain *x = arg;
	struct strbuf name = STRBUF_INIT;

	(void)e;
	XGROW(x->s, x->n, x->alloc, 64);
	if (x->n < NAMED_MAX) {
		strbuf_addf(&name, "%s.%s, key ", c->shape->db, c->shape->table);
		row_layout_key_text(c->shape, c->image, !c->put, &name);
	}
	x->s[x->n++] = (struct suspect){ key_hash, links, name.len ? strbuf_detach(&name) : NULL };
	return 0;
}

static int by_hash(const void *x, const void *y)
{
	const struct suspect *a = x, *b = y;

	return a->hash < b->hash ? -1 : a->hash > b->hash;
}

struct image_chain *image_chain_new(struct merge *m, struct err *e)
{
	struct image_chain *c = xcalloc(1, sizeof(*c));

	c->m = m;
	if (merge_suspects(m, note_suspect, c, e) < 0) {
		image_chain_free(c);
		return NULL;
	}
	if (c->n)
		qsort(c->s, c->n, sizeof(*c->s), by_hash);
	return c;
}

void image_chain_free(struct image_chain *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		free(c->s[i].name);
	free(c->s);
	free(c->links);
	free(c);
}

bool image_chain_round(struct image_chain *c)
{
	uint64_t links = 0;

	c->from = c->upto;
	while (c->upto < c->n && (c->upto == c->from || links + c->s[c->upto].links <= ROUND_LINKS))
		links += c->s[c->upto++].links;
	c->n_links = 0;
	return c->from < c->upto;
}

int image_chain_row(struct image_chain *c, uint32_t epoch, const struct redo_row *r, struct err *e)
{
	struct merge_link link[2];
	bool partial;
	int n = merge_links(c->m, epoch, r, link, &partial, e);

	for (int i = 0; i < n; i++) {
		struct suspect key = { .hash = link[i].key_hash };

		if (!bsearch(&key, c->s + c->from, c->upto - c->from, sizeof(*c->s), by_hash))
			continue;
		XGROW(c->links, c->n_links, c->alloc_links, 1024);
		c->links[c->n_links++] = link[i];
	}
	return n < 0 ? -1 : 0;
}

static int by_key_and_time(const void *x, const void *y)
{
	const struct merge_link *a = x, *b = y;
	int c = order_u64(a->key_hash, b->key_hash);

	c = c ? c : order_u64(a->commit_ts, b->commit_ts);
	c = c ? c : order_u64(a->start_ts, b->start_ts);
	c = c ? c : order_u64(a->rank, b->rank);
	c = c ? c : order_u64(a->was, b->was);
	return c ? c : order_u64(a->became, b->became);
}

static const char *hash_state(uint64_t hash)
{
	return hash ? "there" : "absent";
}

/* What one transaction did to a key. TiCDC may log an update once as one record and, after a
 * restart, again as a delete and an insert: all of its records are one step, if they agree. */
struct step {
	const struct merge_link *first;
	uint64_t was, became;
	bool agree;
};

static size_t take_step(const struct image_chain *c, size_t from, struct step *s)
{
	const struct merge_link *by_rank[3] = { NULL, NULL, NULL }, *l = &c->links[from];
	size_t i = from;

	*s = (struct step){ .first = l, .agree = true };
	for (; i < c->n_links && c->links[i].key_hash == l->key_hash &&
	       c->links[i].commit_ts == l->commit_ts && c->links[i].start_ts == l->start_ts;
	     i++) {
		const struct merge_link *have = by_rank[c->links[i].rank];

		/* once more the same is fine */
		s->agree = s->agree && (!have || by_key_and_time(have, &c->links[i]) == 0);
		by_rank[c->links[i].rank] = &c->links[i];
	}
	s->was = by_rank[0] ? by_rank[0]->was : by_rank[1] ? by_rank[1]->was : 0;
	s->became = by_rank[2] ? by_rank[2]->became : by_rank[1] ? by_rank[1]->became : 0;
	if (by_rank[1])
		s->agree = s->agree && by_rank[1]->was == s->was && by_rank[1]->became == s->became;
	return i;
}

static void warn_break(const struct image_chain *c, const struct step *a, const struct step *b,
		       void (*fn)(void *arg, const char *text), void *arg)
{
	struct suspect key = { .hash = b->first->key_hash };
	const struct suspect *s =
		bsearch(&key, c->s + c->from, c->upto - c->from, sizeof(*c->s), by_hash);
	const char *name = s && s->name ? s->name : "(key not listed: too many)";
	char *text;

	if (!b->agree)
		text = xstrfmt(
			"table %s: the log has two different records of its change at commitTs %" PRIu64,
			name, b->first->commit_ts);
	else if (!!a->became != !!b->was)
		text = xstrfmt("table %s: the change at commitTs %" PRIu64
			       " left the row %s, the next one at %" PRIu64
			       " found it %s: a record between them is missing",
			       name, a->first->commit_ts, hash_state(a->became),
			       b->first->commit_ts, hash_state(b->was));
	else
		text = xstrfmt("table %s: the old values of the change at commitTs %" PRIu64
			       " differ "
			       "from what the change at %" PRIu64 " left: a record between them is "
			       "missing, or one of them was altered",
			       name, b->first->commit_ts, a->first->commit_ts);
	fn(arg, text);
	free(text);
}

size_t image_chain_judge(struct image_chain *c, tso_t after,
			 void (*fn)(void *arg, const char *text), void *arg)
{
	size_t broken = 0, i = 0;
	struct step last = { NULL, 0, 0, true };
	bool told = false; /* this key is broken already */

	if (c->n_links)
		qsort(c->links, c->n_links, sizeof(*c->links), by_key_and_time);
	while (i < c->n_links) {
		struct step now;
		bool same_key;

		i = take_step(c, i, &now);
		same_key = last.first && last.first->key_hash == now.first->key_hash;
		told = told && same_key;
		if (!told && now.first->commit_ts > after &&
		    (!now.agree || (same_key && last.became != now.was))) {
			warn_break(c, &last, &now, fn, arg);
			told = true;
			broken++;
		}
		last = now;
	}
	return broken;
}
