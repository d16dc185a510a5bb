#include "harness/binlog/netting.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/base/arena.h"
#include "harness/os/fs.h"

enum { PARTS = 16, PART_BITS = 4, DEPTH_MAX = 8 };
enum { NO_ROW = 0xffffffff, COUNTED = 0xfffffffe }; /* lengths in a part file */

struct entry {
	uint64_t hash;
	uint32_t table, key_n;
	const void *key;
	struct net_bytes before, after;
	/* of a table without a key: the key is the row's image, and so many have come */
	bool counted;
	int64_t count;
	size_t cost;
};
struct part {
	FILE *f;
	uint64_t cost; /* of its records, as if all were held at once */
	unsigned depth;
};
struct netting {
	size_t memory_bytes;
	char *tmp_dir;
	struct arena mem;
	struct entry *entries;
	size_t n_entries, entries_alloc;
	uint32_t *slots; /* entry number + 1; open addressing */
	size_t n_slots;
	size_t held;              /* bytes, the caller's cost included */
	struct part parts[PARTS]; /* where entries go to when memory is full; f NULL: not yet */
	bool spilled, finished;
	struct part *leaves; /* parts that fit in memory */
	size_t n_leaves, leaves_alloc, next_leaf;
	bool puts; /* deletes of all leaves have been given out */
	struct net_change *changes;
	size_t changes_alloc;
};

struct netting *netting_new(size_t memory_bytes, const char *tmp_dir)
{
	struct netting *n = xcalloc(1, sizeof(*n));

	n->memory_bytes = memory_bytes;
	n->tmp_dir = xstrdup(tmp_dir && *tmp_dir ? tmp_dir : "/tmp");
	return n;
}

static void forget_entries(struct netting *n)
{
	arena_reset(&n->mem);
	n->n_entries = 0;
	n->held = 0;
	if (n->n_slots)
		memset(n->slots, 0, n->n_slots * sizeof(*n->slots));
}

static void close_parts(struct part *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i].f)
			fclose(p[i].f);
		p[i] = (struct part){ 0 };
	}
}

void netting_reset(struct netting *n)
{
	forget_entries(n);
	close_parts(n->parts, PARTS);
	close_parts(n->leaves, n->n_leaves);
	n->n_leaves = n->next_leaf = 0;
	n->spilled = n->finished = n->puts = false;
	/* a huge transaction is the exception: its tables are not kept */
	if (n->entries_alloc > 65536) {
		free(n->entries);
		free(n->slots);
		free(n->changes);
		n->entries = NULL;
		n->slots = NULL;
		n->changes = NULL;
		n->entries_alloc = n->n_slots = n->changes_alloc = 0;
	}
}

void netting_free(struct netting *n)
{
	if (!n)
		return;
	netting_reset(n);
	arena_release(&n->mem);
	free(n->entries);
	free(n->slots);
	free(n->changes);
	free(n->leaves);
	free(n->tmp_dir);
	free(n);
}

static const void *copy_bytes(struct netting *n, const void *p, size_t size)
{
	void *q = arena_alloc(&n->mem, size ? size : 1);

	memcpy(q, p, size);
	n->held += (size + 31) & ~(size_t)15;
	return q;
}

static struct net_bytes image_copied(struct netting *n, struct net_bytes b)
{
	if (b.p)
		b.p = copy_bytes(n, b.p, b.n);
	return b;
}

static bool same_bytes(struct net_bytes a, struct net_bytes b)
{
	if (!a.p || !b.p)
		return !a.p && !b.p;
	return a.n == b.n && !memcmp(a.p, b.p, a.n);
}

static void more_slots(struct netting *n)
{
	n->n_slots = n->n_slots ? n->n_slots * 2 : 256;
	free(n->slots);
	n->slots = xcalloc(n->n_slots, sizeof(*n->slots));
	for (size_t i = 0; i < n->n_entries; i++) {
		size_t at = n->entries[i].hash & (n->n_slots - 1);

		while (n->slots[at])
			at = (at + 1) & (n->n_slots - 1);
		n->slots[at] = (uint32_t)i + 1;
	}
}

static struct entry *find(struct netting *n, uint64_t hash, uint32_t table, const void *key,
			  uint32_t key_n)
{
	struct entry *x;
	size_t at;

	if (n->n_entries * 2 >= n->n_slots)
		more_slots(n);
	for (at = hash & (n->n_slots - 1); n->slots[at]; at = (at + 1) & (n->n_slots - 1)) {
		x = &n->entries[n->slots[at] - 1];
		if (x->hash == hash && x->table == table && x->key_n == key_n &&
		    !memcmp(x->key, key, key_n))
			return x;
	}
	XGROW(n->entries, n->n_entries, n->entries_alloc, 128);
	assert(n->n_entries < n->n_slots / 2 + 1);
	n->slots[at] = (uint32_t)n->n_entries + 1;
	x = &n->entries[n->n_entries++];
	*x = (struct entry){ .hash = hash, .table = table, .key_n = key_n };
	return x;
}

static void net_change(struct netting *n, uint64_t hash, uint32_t table, const void *key,
		       uint32_t key_n, struct net_bytes before, struct net_bytes after, size_t cost)
{
	struct entry *x = find(n, hash, table, key, key_n);

	assert(!x->key || (x->key_n == key_n && x->table == table));
	if (!x->key) {
		x->key = copy_bytes(n, key, key_n);
		x->before = image_copied(n, before);
		x->cost = cost;
		n->held += cost + sizeof(*x) + 3 * sizeof(*n->slots) + sizeof(struct net_change);
	}
	if (x->after.p && after.p && after.n <= x->after.n) {
		/* ours, in mem: as large or larger */
		memcpy((void *)(uintptr_t)x->after.p, after.p, after.n);
		x->after.n = after.n;
	} else {
		x->after = image_copied(n, after);
	}
}

static void count_change(struct netting *n, uint64_t hash, uint32_t table, struct net_bytes image,
			 int64_t by, size_t cost)
{
	struct entry *x = find(n, hash, table, image.p, image.n);

	if (!x->key) {
		x->key = copy_bytes(n, image.p, image.n);
		x->counted = true;
		x->cost = cost;
		n->held += cost + sizeof(*x) + 3 * sizeof(*n->slots) + sizeof(struct net_change);
	}
	x->count += by;
}

static bool put_bytes(FILE *f, const void *p, size_t n)
{
	return !n || fwrite(p, 1, n, f) == n;
}

/* A record: table, cost, the three lengths, the three byte strings; or the key and a count. */
static bool put_entry(FILE *f, const struct entry *x)
{
	uint32_t head[5] = { x->table, (uint32_t)x->cost, x->key_n,
			     x->before.p ? x->before.n : NO_ROW, x->after.p ? x->after.n : NO_ROW };

	if (x->counted) {
		head[4] = COUNTED;
		return put_bytes(f, head, sizeof(head)) && put_bytes(f, x->key, x->key_n) &&
		       put_bytes(f, &x->count, sizeof(x->count));
	}
	return put_bytes(f, head, sizeof(head)) && put_bytes(f, x->key, x->key_n) &&
	       (!x->before.p || put_bytes(f, x->before.p, x->before.n)) &&
	       (!x->after.p || put_bytes(f, x->after.p, x->after.n));
}

static int spill(struct netting *n, unsigned depth, struct err *e)
{
	for (size_t i = 0; i < n->n_entries; i++) {
		struct entry *x = &n->entries[i];
		struct part *p = &n->parts[x->hash >> (64 - PART_BITS * (depth + 1)) & (PARTS - 1)];

		if (same_bytes(x->before, x->after) && !x->before.p && !x->count && !p->f)
			continue; /* a row that came and went, and nothing of its part is on disk */
		if (!p->f) {
			p->f = fs_nameless_file(n->tmp_dir, e);
			if (!p->f)
				return -1;
			p->depth = depth + 1;
		}
		if (!put_entry(p->f, x))
			return err_sys(e, "write a huge transaction to %s", n->tmp_dir);
		p->cost += x->cost + x->key_n + x->before.n + x->after.n + sizeof(*x) + 128;
	}
	n->spilled = true;
	forget_entries(n);
	assert(!n->n_entries); /* no key both in memory and on disk */
	return 0;
}

static uint64_t key_hash(uint32_t table, const void *key, uint32_t key_n)
{
	return XXH3_64bits_withSeed(key, key_n, table * 0x9e3779b97f4a7c15ull);
}

int netting_add(struct netting *n, uint32_t table, const void *key, uint32_t key_n,
		struct net_bytes before, struct net_bytes after, size_t row_cost, struct err *e)
{
	assert(before.p || after.p); /* a change of something */
	net_change(n, key_hash(table, key, key_n), table, key, key_n, before, after, row_cost);
	return n->held > n->memory_bytes || n->n_entries >= UINT32_MAX / 4 ? spill(n, 0, e) : 0;
}

int netting_count(struct netting *n, uint32_t table, struct net_bytes image, int by,
		  size_t row_cost, struct err *e)
{
	count_change(n, key_hash(table, image.p, image.n), table, image, by, row_cost);
	return n->held > n->memory_bytes || n->n_entries >= UINT32_MAX / 4 ? spill(n, 0, e) : 0;
}

/* Reads a part's records into the entries; sub-parts take what does not fit when split is set. */
static int load_part(struct netting *n, struct part *p, bool split, struct err *e)
{
	uint32_t head[5];
	char *buf = NULL;
	size_t alloc = 0;
	int rc = -1;

	if (fflush(p->f) || fseek(p->f, 0, SEEK_SET)) {
		err_sys(e, "read a huge transaction back");
		goto out;
	}
	while (fread(head, 1, sizeof(head), p->f) == sizeof(head)) {
		struct net_bytes before = { 0 }, after = { 0 };
		bool counted = head[4] == COUNTED;
		int64_t count = 0;
		size_t size = head[2] + (head[3] == NO_ROW ? 0 : (size_t)head[3]) +
			      (counted             ? sizeof(count)
			       : head[4] == NO_ROW ? 0
						   : (size_t)head[4]);

		if (size > alloc) {
			alloc = size;
			buf = xrealloc(buf, alloc);
		}
		if (size && fread(buf, 1, size, p->f) != size) {
			err_set(e, ERR_IO, 0,
				"read a huge transaction back: the temporary file in %s is "
				"truncated",
				n->tmp_dir);
			goto out;
		}
		if (counted)
			memcpy(&count, buf + head[2], sizeof(count));
		if (head[3] != NO_ROW)
			before = (struct net_bytes){ buf + head[2], head[3] };
		if (!counted && head[4] != NO_ROW)
			after = (struct net_bytes){
				buf + head[2] + (head[3] == NO_ROW ? 0 : head[3]), head[4]
			};
		if (counted)
			count_change(n, key_hash(head[0], buf, head[2]), head[0],
				     (struct net_bytes){ buf, head[2] }, count, head[1]);
		else
			net_change(n, key_hash(head[0], buf, head[2]), head[0], buf, head[2],
				   before, after, head[1]);
		if (split && n->held > n->memory_bytes && spill(n, p->depth, e) < 0)
			goto out;
	}
	if (ferror(p->f)) {
		err_sys(e, "read a huge transaction back");
		goto out;
	}
	rc = 0;
out:
	free(buf);
	return rc;
}

static void add_leaf(struct netting *n, struct part *p)
{
	XGROW(n->leaves, n->n_leaves, n->leaves_alloc, 32);
	n->leaves[n->n_leaves++] = *p;
	*p = (struct part){ 0 };
}

/* Cuts what is on disk until each part fits. Parts of one key alone stay large on disk and become
 * small when they are netted. */
static int finish(struct netting *n, struct err *e)
{
	if (spill(n, 0, e) < 0)
		return -1;
	for (int i = 0; i < PARTS; i++)
		if (n->parts[i].f)
			add_leaf(n, &n->parts[i]);
	for (size_t i = 0; i < n->n_leaves;) {
		struct part p = n->leaves[i];
		int rc;

		if (p.cost <= n->memory_bytes || p.depth >= DEPTH_MAX) {
			i++;
			continue;
		}
		n->leaves[i] = n->leaves[--n->n_leaves];
		rc = load_part(n, &p, true, e);
		if (rc == 0)
			rc = spill(n, p.depth, e);
		fclose(p.f);
		if (rc < 0)
			return -1;
		for (int k = 0; k < PARTS; k++)
			if (n->parts[k].f)
				add_leaf(n, &n->parts[k]);
	}
	assert(!n->next_leaf && !n->n_entries);
	n->finished = true;
	return 0;
}

static int by_table_and_kind(const void *a, const void *b)
{
	const struct net_change *x = a, *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return !!x->after.p - !!y->after.p;
}

/* Stable, by table and deletes before the rest. */
static void sort_changes(struct net_change *c, size_t n)
{
	struct net_change *half;
	size_t m = n / 2, i = 0, j = m, k = 0;
	bool sorted = true;

	for (size_t x = 1; x < n && sorted; x++)
		sorted = by_table_and_kind(&c[x - 1], &c[x]) <= 0;
	if (sorted)
		return;
	sort_changes(c, m);
	sort_changes(c + m, n - m);
	half = xreallocarray(NULL, m, sizeof(*half));
	memcpy(half, c, m * sizeof(*half));
	while (i < m) {
		if (j < n && by_table_and_kind(&c[j], &half[i]) < 0)
			c[k++] = c[j++];
		else
			c[k++] = half[i++];
	}
	free(half);
}

static size_t collect(struct netting *n, bool deletes, bool puts)
{
	size_t count = 0;

	if (n->changes_alloc < n->n_entries) {
		n->changes_alloc = n->n_entries;
		n->changes = xreallocarray(n->changes, n->changes_alloc, sizeof(*n->changes));
	}
	for (size_t i = 0; i < n->n_entries; i++) {
		const struct entry *x = &n->entries[i];

		struct net_change c = {
			.table = x->table, .before = x->before, .after = x->after, .times = 1
		};

		if (x->count > 0)
			c.after = (struct net_bytes){ x->key, x->key_n };
		if (x->count < 0)
			c.before = (struct net_bytes){ x->key, x->key_n };
		if (x->counted)
			c.times = (uint64_t)(x->count < 0 ? -x->count : x->count);
		if (!same_bytes(c.before, c.after) && (c.after.p ? puts : deletes))
			n->changes[count++] = c;
	}
	assert(count <= n->n_entries); /* one net change a key */
	sort_changes(n->changes, count);
	return count;
}

int netting_batch(struct netting *n, struct net_change **out, size_t *n_out, bool *more,
		  struct err *e)
{
	*n_out = 0;
	*more = false;
	if (!n->spilled) {
		*n_out = collect(n, true, true);
		*out = n->changes;
		return 0;
	}
	if (!n->finished && finish(n, e) < 0)
		return -1;
	for (;;) {
		forget_entries(n);
		if (n->next_leaf == n->n_leaves) {
			if (n->puts)
				break;
			n->puts = true;
			n->next_leaf = 0;
			continue;
		}
		if (load_part(n, &n->leaves[n->next_leaf++], false, e) < 0)
			return -1;
		*n_out = collect(n, !n->puts, n->puts);
		if (*n_out) {
			*more = true;
			break;
		}
	}
	*out = n->changes;
	return 0;
}
