#include "harness/replay/commit_order.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/arena.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/sql/literal.h"

#define BLOCK ((size_t)1 << 20)
#define RUN_BUFFER ((size_t)64 << 10)
#define TOKENS_MAX 256 /* a row that touches more is wild */

struct item { /* key, image and tokens follow, 8-byte aligned */
	uint64_t commit_ts, start_ts, serial;
	uint32_t shape, key_n, image_n;
	uint16_t n_tokens;
	uint8_t rank, flags;
};
enum { ITEM_PUT = 1, ITEM_WILD = 2 };

struct run {
	FILE *f;
	char *buffer;
	struct item *item; /* the next one; its memory is `size` bytes */
	size_t size;
};

struct commit_order {
	size_t budget, lists_bytes; /* of memory; what `items` takes */
	char *tmp_dir;
	struct row_layouts *shapes;
	const struct row_layout *float_key, *timestamp;
	struct arena mem; /* of the items */
	struct item **items;
	size_t n, alloc, at;
	uint64_t serial, spilled_bytes;
	struct run *runs;
	size_t n_runs, *heap, n_heap;
	struct item last; /* given out; its head alone */
	uint64_t given;
	bool taken; /* the heap's first item was given out */
	struct strbuf key, image;
	uint64_t tokens[TOKENS_MAX];
};

struct commit_order *commit_order_new(size_t memory_bytes, const char *tmp_dir)
{
	struct commit_order *o = xcalloc(1, sizeof(*o));

	o->budget = memory_bytes;
	o->tmp_dir = xstrdup(tmp_dir);
	o->mem.block_bytes = BLOCK;
	o->shapes = row_layouts_new();
	o->key = o->image = (struct strbuf)STRBUF_INIT;
	return o;
}

void commit_order_free(struct commit_order *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n_runs; i++) {
		if (o->runs[i].f)
			fclose(o->runs[i].f);
		free(o->runs[i].buffer);
		free(o->runs[i].item);
	}
	arena_release(&o->mem);
	row_layouts_free(o->shapes);
	free(o->runs);
	free(o->heap);
	free(o->items);
	free(o->tmp_dir);
	strbuf_release(&o->key);
	strbuf_release(&o->image);
	free(o);
}

const struct row_layout *commit_order_timestamp(const struct commit_order *o)
{
	return o->timestamp;
}

const struct row_layout *commit_order_float_key(const struct commit_order *o)
{
	return o->float_key;
}

uint64_t commit_order_spilled_bytes(const struct commit_order *o)
{
	return o->spilled_bytes;
}

/* ---- conflict tokens ---- */

static bool ends_with(const struct redo_bytes *b, const char *end)
{
	size_t n = strlen(end);

	return b->n > n && !memcmp(b->p + b->n - n, end, n);
}

bool commit_order_folds_case_alone(const char *collation, size_t n)
{
	/* Each tells two printable ASCII characters apart but for their case: asked of servers, one
	 * by one. Others have 'y' for 'i' (lithuanian), 'v' for 'u' (roman) or '~' for 'y' (gbk).
	 * With _nopad_ in it a name means the same. */
	static const char *const names[] = {
		"utf8mb4_general_ci",     "utf8mb3_general_ci",     "utf8_general_ci",
		"utf8mb4_unicode_ci",     "utf8mb3_unicode_ci",     "utf8_unicode_ci",
		"utf8mb4_unicode_520_ci", "utf8mb3_unicode_520_ci", "utf8_unicode_520_ci",
		"utf8mb4_0900_ai_ci",     "utf8mb4_0900_as_ci",     "utf8mb4_0900_as_cs",
		"utf8mb4_uca1400_ai_ci",  "utf8mb4_uca1400_as_ci",  "utf8mb3_uca1400_ai_ci",
		"uca1400_ai_ci",          "latin1_swedish_ci",      "latin1_general_ci",
		"latin1_general_cs",      "ascii_general_ci",       "latin2_general_ci",
		"cp1251_general_ci",      "koi8r_general_ci",       "ucs2_general_ci",
		"ucs2_unicode_ci",        "utf16_general_ci",       "utf16_unicode_ci",
		"utf32_general_ci",       "utf32_unicode_ci",
	};
	char name[100];
	char *pad;

	if (n >= sizeof(name))
		return false;
	memcpy(name, collation, n);
	name[n] = 0;
	pad = strstr(name, "_nopad_");
	if (pad)
		memmove(pad, pad + 6, strlen(pad + 6) + 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Two values that a unique key may hold as one give one hash, or the row is wild. */
static uint64_t value_hash(const struct redo_column *c, uint64_t seed, struct strbuf *scratch,
			   bool *wild)
{
	const struct redo_value *v = &c->value;
	bool exact = ends_with(&c->collation, "_bin");
	uint32_t n;

	strbuf_reset(scratch);
	if ((v->kind != REDO_BIN && v->kind != REDO_STR) || !literal_is_text(c)) {
		row_layout_add_key(scratch, v);
		return XXH3_64bits_withSeed(scratch->buf, scratch->len, seed);
	}
	if (!exact && !commit_order_folds_case_alone(c->collation.p, c->collation.n))
		*wild = true;
	for (n = v->s.n; n && v->s.p[n - 1] == ' '; n--)
		; /* most collations pad */
	for (uint32_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)v->s.p[i];

		if (!exact && (b < 0x20 || b > 0x7e))
			*wild = true; /* accents, case beyond ASCII, characters that a collation
					 ignores */
		strbuf_addch(scratch, (char)(exact ? b : tolower(b)));
	}
	return XXH3_64bits_withSeed(scratch->buf, scratch->len, seed);
}

static uint32_t add_token(struct commit_order *o, uint32_t n, uint64_t token, bool *wild)
{
	for (uint32_t i = 0; i < n; i++)
		if (o->tokens[i] == token)
			return n;
	if (n == TOKENS_MAX) {
		*wild = true;
		return n;
	}
	o->tokens[n] = token;
	return n + 1;
}

static uint32_t side_tokens(struct commit_order *o, uint32_t n, const struct redo_row *r,
			    const struct redo_column *c, uint64_t table, bool *wild)
{
	uint32_t n_columns = c == r->columns ? r->n_columns : r->n_pre_columns;
	uint64_t handle = table;

	for (uint32_t i = 0; i < n_columns; i++)
		if ((c[i].flag & COLF_HANDLE_KEY) && !c[i].absent)
			handle = value_hash(&c[i], handle + 1, &o->key, wild);
	n = add_token(o, n, handle, wild);
	for (uint32_t i = 0; i < r->n_indexes; i++) {
		uint64_t h = table + 2 + i;
		bool counts = r->indexes[i].n > 0;

		for (uint32_t k = 0; k < r->indexes[i].n && counts; k++) {
			const struct redo_column *col = &c[r->indexes[i].columns[k]];

			/* NULL equals nothing */
			counts = !col->absent && col->value.kind != REDO_NULL;
			if (counts)
				h = value_hash(col, h, &o->key, wild);
		}
		if (counts)
			n = add_token(o, n, h, wild);
	}
	return n;
}

/* ---- in ---- */

static int compare(const struct item *a, const struct item *b)
{
	if (a->commit_ts != b->commit_ts)
		return a->commit_ts < b->commit_ts ? -1 : 1;
	if (a->start_ts != b->start_ts)
		return a->start_ts < b->start_ts ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->serial < b->serial ? -1 : 1;
}

static int by_time(const void *x, const void *y)
{
	return compare(*(struct item *const *)x, *(struct item *const *)y);
}

static size_t item_bytes(const struct item *i)
{
	return sizeof(*i) + i->n_tokens * sizeof(uint64_t) +
	       (((size_t)i->key_n + i->image_n + 7) & ~(size_t)7);
}

static void sort(struct commit_order *o)
{
	if (o->n)
		qsort(o->items, o->n, sizeof(struct item *), by_time);
}

/* What is in memory becomes a sorted run in a file. */
static int spill(struct commit_order *o, struct err *e)
{
	struct run r = { .f = fs_nameless_file(o->tmp_dir, e) };
	int rc = -1;

	if (!r.f)
		goto out;
	r.buffer = xmalloc(RUN_BUFFER);
	setvbuf(r.f, r.buffer, _IOFBF, RUN_BUFFER);
	sort(o);
	for (size_t i = 0; i < o->n; i++) {
		size_t n = item_bytes(o->items[i]);

		/* a run is in commit order, or the merge of runs is not */
		assert(!i || compare(o->items[i - 1], o->items[i]) < 0);

		if (fwrite(o->items[i], 1, n, r.f) != n) {
			err_sys(e, "write to %s (rows beyond --memory go to --tmp-dir)",
				o->tmp_dir);
			goto out;
		}
		o->spilled_bytes += n;
	}
	if (fflush(r.f)) {
		err_sys(e, "write to %s (rows beyond --memory go to --tmp-dir)", o->tmp_dir);
		goto out;
	}
	rewind(r.f);
	arena_release(&o->mem);
	o->n = 0;
	o->lists_bytes = 0;
	rc = 0;
out:
	o->runs = xreallocarray(o->runs, o->n_runs + 1, sizeof(*o->runs));
	o->runs[o->n_runs++] = r;
	return rc;
}

static int add(struct commit_order *o, const struct redo_row *r, bool put, uint8_t rank,
	       uint32_t n_tokens, bool wild, struct err *e)
{
	const struct redo_column *c = put ? r->columns : r->pre_columns;
	uint32_t n = put ? r->n_columns : r->n_pre_columns, shape;
	const struct row_layout *s;
	struct item head = { .commit_ts = r->commit_ts,
			     .start_ts = r->start_ts,
			     .rank = rank,
			     .serial = o->serial++,
			     .n_tokens = (uint16_t)n_tokens,
			     .flags = (uint8_t)((put ? ITEM_PUT : 0) | (wild ? ITEM_WILD : 0)) },
		    *item;
	unsigned char *at;

	/* a row without a token would wait for nobody */
	assert(n_tokens <= TOKENS_MAX && (n_tokens || wild));
	if (row_layouts_of(o->shapes, r, c, n, &shape, e) < 0)
		return -1;
	s = row_layouts_at(o->shapes, shape);
	if (s->float_key)
		o->float_key = s;
	if (s->timestamp)
		o->timestamp = s;
	row_layout_encode(c, n, !put && !s->keyless, &o->key, &o->image);
	if (o->key.len > UINT32_MAX / 4 || o->image.len > UINT32_MAX / 4)
		return err_set(e, ERR_BAD_DATA, 0, "a row of %zu bytes", o->image.len);
	head.shape = shape;
	head.key_n = (uint32_t)o->key.len;
	head.image_n = (uint32_t)o->image.len;
	item = arena_alloc(&o->mem, item_bytes(&head));
	*item = head;
	at = (unsigned char *)(item + 1);
	memcpy(at, o->tokens, n_tokens * sizeof(uint64_t));
	at += n_tokens * sizeof(uint64_t);
	memcpy(at, o->key.buf, head.key_n);
	memcpy(at + head.key_n, o->image.buf, head.image_n);
	if (o->n == o->alloc) {
		o->alloc = o->alloc ? o->alloc + o->alloc / 2 : 4096;
		o->items = xreallocarray(o->items, o->alloc, sizeof(struct item *));
	}
	assert(at + head.key_n + head.image_n <= (unsigned char *)item + item_bytes(&head));
	o->items[o->n++] = item;
	o->lists_bytes += sizeof(struct item *) * 2;
	return 0;
}

int commit_order_add(struct commit_order *o, const struct redo_row *r, struct err *e)
{
	uint64_t table = XXH3_64bits_withSeed(r->table.table.p, r->table.table.n,
					      XXH3_64bits(r->table.db.p, r->table.db.n));
	bool moved = r->n_columns && r->n_pre_columns && row_layout_key_changes(r), wild = false,
	     keyless = true;
	const struct redo_column *c = r->n_columns ? r->columns : r->pre_columns;
	uint32_t n = 0;

	for (uint32_t i = 0; i < (r->n_columns ? r->n_columns : r->n_pre_columns) && keyless; i++)
		keyless = c[i].absent || !(c[i].flag & COLF_HANDLE_KEY);
	if (keyless) {
		o->tokens[0] = table; /* all of it conflicts */
		n = 1;
		moved = r->n_columns && r->n_pre_columns;
	} else {
		if (r->n_pre_columns)
			n = side_tokens(o, n, r, r->pre_columns, table, &wild);
		if (r->n_columns)
			n = side_tokens(o, n, r, r->columns, table, &wild);
	}
	if (r->n_pre_columns && (!r->n_columns || moved) && add(o, r, false, 0, n, wild, e) < 0)
		return -1;
	if (r->n_columns && add(o, r, true, r->n_pre_columns && !moved ? 1 : 2, n, wild, e) < 0)
		return -1;
	return o->lists_bytes + o->mem.bytes > o->budget ? spill(o, e) : 0;
}

/* ---- out ---- */

/* 1: the run's next item is there, 0: the run is over. */
static int run_next(struct run *r, struct err *e)
{
	struct item head;
	size_t n = fread(&head, 1, sizeof(head), r->f);

	if (n == 0 && feof(r->f))
		return 0;
	if (n == sizeof(head)) {
		n = item_bytes(&head);
		if (n > r->size) {
			r->item = xrealloc(r->item, n);
			r->size = n;
		}
		assert(head.n_tokens <= TOKENS_MAX && head.key_n <= UINT32_MAX / 4);
		*r->item = head;
		n -= sizeof(head);
		if (fread(r->item + 1, 1, n, r->f) == n)
			return 1;
	}
	return err_sys(e, "read rows back from --tmp-dir");
}

static void sift(struct commit_order *o, size_t i)
{
	for (;;) {
		size_t least = i, swap;

		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < o->n_heap; k++)
			if (compare(o->runs[o->heap[k]].item, o->runs[o->heap[least]].item) < 0)
				least = k;
		assert(least < o->n_heap || !o->n_heap);
		if (least == i)
			return;
		swap = o->heap[i];
		o->heap[i] = o->heap[least];
		o->heap[least] = swap;
		i = least;
	}
}

int commit_order_sort(struct commit_order *o, struct err *e)
{
	o->at = 0;
	o->given = 0;
	if (!o->n_runs) {
		sort(o);
		return 0;
	}
	if (o->n && spill(o, e) < 0)
		return -1;
	o->heap = xcalloc(o->n_runs, sizeof(*o->heap));
	for (size_t i = 0; i < o->n_runs; i++) {
		int got = run_next(&o->runs[i], e);

		if (got < 0)
			return -1;
		if (got)
			o->heap[o->n_heap++] = i;
	}
	for (size_t i = o->n_heap; i-- > 0;)
		sift(o, i);
	return 0;
}

static const struct item *next_txn(struct commit_order *o, struct err *e, int *rc)
{
	*rc = 1;
	if (!o->n_runs)
		return o->at < o->n ? o->items[o->at++] : NULL;
	if (o->taken) {
		int got = run_next(&o->runs[o->heap[0]], e);

		if (got < 0) {
			*rc = -1;
			return NULL;
		}
		if (!got)
			o->heap[0] = o->heap[--o->n_heap];
		sift(o, 0);
		o->taken = false;
	}
	o->taken = o->n_heap > 0;
	return o->n_heap ? o->runs[o->heap[0]].item : NULL;
}

int commit_order_next(struct commit_order *o, struct commit_order_row *out, struct err *e)
{
	int rc;
	const struct item *i = next_txn(o, e, &rc);
	const unsigned char *at;

	if (!i) {
		/* the end: every row that came in has gone out */
		assert(rc < 0 || o->given == o->serial);
		return rc < 0 ? -1 : 0;
	}
	/* commit order is all that the caller relies on */
	assert(compare(&o->last, i) < 0 || !o->given);
	o->last = *i;
	o->given++;
	assert(o->given <= o->serial);
	at = (const unsigned char *)(i + 1);
	out->commit_ts = i->commit_ts;
	out->start_ts = i->start_ts;
	out->tokens = (const uint64_t *)at;
	out->n_tokens = i->n_tokens;
	out->wild = i->flags & ITEM_WILD;
	at += i->n_tokens * sizeof(uint64_t);
	out->change = (struct merge_change){ row_layouts_at(o->shapes, i->shape),
					     at,
					     i->key_n,
					     at + i->key_n,
					     i->image_n,
					     i->flags & ITEM_PUT };
	return 1;
}
