#include "harness/replay/merge.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "harness/base/arena.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/sql/schema.h"

#define PARTITIONS 64
#define BLOCK ((size_t)1 << 20)
/* with what a growing array has to spare */
#define ENTRY_BYTES (sizeof(struct entry) * 3 / 2 + sizeof(uint32_t) * 3)

struct entry {
	uint64_t hash, commit_ts, start_ts;
	unsigned char *data; /* key, then image; room for data_cap bytes */
	/* the chain: Σ became − Σ was; what the newest change became */
	uint64_t sum, became;
	uint64_t first_commit, first_start, was; /* the oldest change, and what it found */
	uint32_t key_n, image_n, data_cap, shape, table_no, epoch, links;
	uint8_t rank, first_rank;
	bool put, partial;
};

/* Rows are encoded by who adds them, and put into the map by a thread of its own. */
#define BATCH_BYTES ((size_t)256 << 10)
#define BATCHES 4
#define FEW_ROWS 4096 /* fewer are no work for two */
#define LOOKAHEAD 16

struct batch { /* records: struct entry, key, image */
	unsigned char *bytes;
	size_t used;
};
struct mapper {
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct batch batch[BATCHES];
	unsigned head, n; /* the oldest full one, and how many are */
	bool end;
	struct err err; /* of a spill */
};

struct part {
	FILE *f;
	uint64_t bytes, keys;
};

struct merge {
	size_t budget, map_bytes; /* of memory; what the map takes */
	char *tmp_dir;
	struct row_layouts *shapes;
	const struct row_layout *float_key, *timestamp;
	struct entry *entries;
	size_t n, alloc;
	uint32_t *slots; /* index + 1; 0 free */
	size_t n_slots;
	struct arena mem; /* of the entries' data */
	struct part part[PARTITIONS];
	uint64_t spilled_keys, spilled_bytes;
	struct strbuf key, image, old; /* of the change at hand */
	uint64_t added;
	struct mapper mapper; /* while it runs, the map is its own */
};

static void mapper_end(struct merge *m);

struct merge *merge_new(size_t memory_bytes, const char *tmp_dir)
{
	struct merge *m = xcalloc(1, sizeof(*m));

	m->budget = memory_bytes;
	m->tmp_dir = xstrdup(tmp_dir);
	m->mem.block_bytes = BLOCK;
	m->shapes = row_layouts_new();
	m->key = m->image = m->old = (struct strbuf)STRBUF_INIT;
	m->n_slots = 1 << 12;
	m->slots = xcalloc(m->n_slots, sizeof(*m->slots));
	pthread_mutex_init(&m->mapper.lock, NULL);
	pthread_cond_init(&m->mapper.changed, NULL);
	return m;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	mapper_end(m);
	pthread_mutex_destroy(&m->mapper.lock);
	pthread_cond_destroy(&m->mapper.changed);
	row_layouts_free(m->shapes);
	for (int i = 0; i < PARTITIONS; i++) {
		if (m->part[i].f)
			fclose(m->part[i].f);
	}
	arena_release(&m->mem);
	free(m->entries);
	free(m->slots);
	free(m->tmp_dir);
	strbuf_release(&m->key);
	strbuf_release(&m->image);
	strbuf_release(&m->old);
	free(m);
}

uint64_t merge_keys(struct merge *m)
{
	mapper_end(m);
	return m->n + m->spilled_keys;
}

uint64_t merge_spilled_bytes(struct merge *m)
{
	mapper_end(m);
	return m->spilled_bytes;
}

const struct row_layout *merge_timestamp(const struct merge *m)
{
	return m->timestamp;
}

const struct row_layout *merge_float_key(const struct merge *m)
{
	return m->float_key;
}

static bool is_over(const struct merge *m)
{
	return m->map_bytes + m->mem.bytes > m->budget;
}

/* ---- the map ---- */

static void slots_grow(struct merge *m)
{
	free(m->slots);
	m->n_slots *= 2;
	m->slots = xcalloc(m->n_slots, sizeof(*m->slots));
	for (size_t i = 0; i < m->n; i++) {
		size_t at = m->entries[i].hash & (m->n_slots - 1);

		while (m->slots[at])
			at = (at + 1) & (m->n_slots - 1);
		m->slots[at] = (uint32_t)i + 1;
	}
}

/* Negative when a comes before b. */
static int compare_order(uint64_t commit_a, uint64_t start_a, uint8_t rank_a, uint64_t commit_b,
			 uint64_t start_b, uint8_t rank_b)
{
	if (commit_a != commit_b)
		return commit_a < commit_b ? -1 : 1;
	if (start_a != start_b)
		return start_a < start_b ? -1 : 1;
	return (int)rank_a - rank_b;
}

static void map_put(struct merge *m, const struct entry *in, const void *key, const void *image)
{
	size_t at, need = (size_t)in->key_n + in->image_n;
	struct entry *e;

	assert(in->key_n && in->image_n); /* a row of a table with a key */
	assert(in->links && (in->put ? in->became != 0 : in->became == 0));
	assert(compare_order(in->first_commit, in->first_start, in->first_rank, in->commit_ts,
			     in->start_ts, in->rank) <= 0);
	if ((m->n + 1) * 2 > m->n_slots)
		slots_grow(m);
	for (at = in->hash & (m->n_slots - 1); m->slots[at]; at = (at + 1) & (m->n_slots - 1)) {
		e = &m->entries[m->slots[at] - 1];
		if (e->hash != in->hash || e->epoch != in->epoch || e->key_n != in->key_n ||
		    memcmp(e->data, key, e->key_n) || e->table_no != in->table_no)
			continue;
		e->sum += in->sum;
		e->links += in->links;
		e->partial = e->partial || in->partial;
		if (compare_order(in->first_commit, in->first_start, in->first_rank,
				  e->first_commit, e->first_start, e->first_rank) < 0) {
			e->first_commit = in->first_commit;
			e->first_start = in->first_start;
			e->first_rank = in->first_rank;
			e->was = in->was;
		}
		if (compare_order(in->commit_ts, in->start_ts, in->rank, e->commit_ts, e->start_ts,
				  e->rank) < 0)
			return;
		if (need > e->data_cap) {
			e->data = arena_alloc(&m->mem, need + need / 8);
			e->data_cap = (uint32_t)(need + need / 8);
			memcpy(e->data, key, in->key_n);
		}
		memcpy(e->data + e->key_n, image, in->image_n);
		e->commit_ts = in->commit_ts;
		e->start_ts = in->start_ts;
		e->became = in->became;
		e->image_n = in->image_n;
		e->rank = in->rank;
		e->put = in->put;
		e->shape = in->shape;
		assert(compare_order(e->first_commit, e->first_start, e->first_rank, e->commit_ts,
				     e->start_ts, e->rank) <= 0);
		return;
	}
	if (m->n == m->alloc) {
		m->alloc = m->alloc ? m->alloc + m->alloc / 2 : 1024;
		m->entries = xreallocarray(m->entries, m->alloc, sizeof(*m->entries));
	}
	e = &m->entries[m->n++];
	*e = *in;
	e->data = arena_alloc(&m->mem, need);
	e->data_cap = (uint32_t)need;
	memcpy(e->data, key, in->key_n);
	memcpy(e->data + in->key_n, image, in->image_n);
	m->slots[at] = (uint32_t)m->n;
	m->map_bytes += ENTRY_BYTES;
	assert(m->n * 2 <= m->n_slots); /* a probe finds a free slot */
}

static void map_clear(struct merge *m)
{
	arena_release(&m->mem);
	memset(m->slots, 0, m->n_slots * sizeof(*m->slots));
	m->n = 0;
	m->map_bytes = 0;
}

/* ---- partitions ---- */

static int part_open(struct merge *m, int i, struct err *e)
{
	m->part[i].f = fs_nameless_file(m->tmp_dir, e);
	return m->part[i].f ? 0 : -1;
}

static int part_of(uint64_t hash)
{
	return (int)(hash >> 58) % PARTITIONS;
}

/* Everything in memory goes to its partition's file. */
static int spill(struct merge *m, struct err *e)
{
	for (size_t i = 0; i < m->n; i++) {
		struct entry *x = &m->entries[i];
		struct part *p = &m->part[part_of(x->hash)];
		size_t n = (size_t)x->key_n + x->image_n;

		if (!p->f && part_open(m, part_of(x->hash), e) < 0)
			return -1;
		if (fwrite(x, sizeof(*x), 1, p->f) != 1 || fwrite(x->data, 1, n, p->f) != n)
			return err_sys(e, "write to %s (keys beyond --memory go to --tmp-dir)",
				       m->tmp_dir);
		p->bytes += sizeof(*x) + n;
		p->keys++;
		m->spilled_bytes += sizeof(*x) + n;
	}
	m->spilled_keys += m->n;
	map_clear(m);
	assert(!m->n && !m->mem.bytes); /* no key is both in memory and in a file */
	return 0;
}

/* How many slices a partition is loaded in, so that each fits the budget however large the log is.
 */
static uint32_t part_slices(const struct merge *m, const struct part *p)
{
	return (uint32_t)((p->bytes + p->keys * (ENTRY_BYTES - sizeof(struct entry))) /
				  (m->budget / 4 * 3) +
			  1);
}

/* epoch UINT32_MAX: all. */
static int part_load(struct merge *m, struct part *p, uint32_t epoch, uint32_t slice,
		     uint32_t slices, struct err *e)
{
	struct strbuf data = STRBUF_INIT;
	struct entry x;
	int rc = -1;

	map_clear(m);
	if (fflush(p->f) || fseeko(p->f, 0, SEEK_SET) < 0) {
		err_sys(e, "read back from %s", m->tmp_dir);
		goto out;
	}
	while (fread(&x, sizeof(x), 1, p->f) == 1) {
		size_t n = (size_t)x.key_n + x.image_n;

		if ((epoch != UINT32_MAX && x.epoch != epoch) ||
		    (uint32_t)(x.hash >> 24) % slices != slice) {
			if (fseeko(p->f, (off_t)n, SEEK_CUR) < 0)
				break;
			continue;
		}
		strbuf_reset(&data);
		strbuf_grow(&data, n);
		if (fread(data.buf, 1, n, p->f) != n)
			break;
		assert(part_of(x.hash) == (int)(p - m->part));
		map_put(m, &x, data.buf, data.buf + x.key_n);
	}
	if (ferror(p->f) || !feof(p->f)) {
		err_sys(e, "read back from %s", m->tmp_dir);
		goto out;
	}
	rc = fseeko(p->f, 0, SEEK_END) < 0 ? err_sys(e, "read back from %s", m->tmp_dir) : 0;
out:
	strbuf_release(&data);
	return rc;
}

/* ---- the map's thread ---- */

static size_t record_bytes(const struct entry *x)
{
	return (sizeof(*x) + x->key_n + x->image_n + 7) & ~(size_t)7;
}

/* What the next records need of the map comes into the cache while none waits for it. */
static void map_ahead(const struct merge *m, const unsigned char *at, const unsigned char *end)
{
	uint32_t slot[LOOKAHEAD];
	unsigned n = 0;

	for (const unsigned char *p = at; p < end && n < LOOKAHEAD;
	     p += record_bytes((const void *)p), n++)
		__builtin_prefetch(&m->slots[((const struct entry *)(const void *)p)->hash &
					     (m->n_slots - 1)]);
	n = 0;
	for (const unsigned char *p = at; p < end && n < LOOKAHEAD;
	     p += record_bytes((const void *)p), n++) {
		slot[n] =
			m->slots[((const struct entry *)(const void *)p)->hash & (m->n_slots - 1)];
		if (slot[n])
			__builtin_prefetch(&m->entries[slot[n] - 1]);
	}
	for (unsigned i = 0; i < n; i++)
		if (slot[i])
			__builtin_prefetch(m->entries[slot[i] - 1].data);
}

static int map_batch(struct merge *m, const struct batch *b, struct err *e)
{
	const unsigned char *p = b->bytes, *end = p + b->used;

	for (unsigned i = 0; p < end; i++) {
		const struct entry *x = (const void *)p;

		if (i % LOOKAHEAD == 0)
			map_ahead(m, p, end);
		map_put(m, x, p + sizeof(*x), p + sizeof(*x) + x->key_n);
		p += record_bytes(x);
	}
	assert(p == end); /* whole records */
	return is_over(m) ? spill(m, e) : 0;
}

static void *map_thread(void *arg)
{
	struct merge *m = arg;
	struct mapper *t = &m->mapper;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		struct err e = ERR_INIT;
		struct batch *b = &t->batch[t->head];

		while (!t->n && !t->end)
			pthread_cond_wait(&t->changed, &t->lock);
		if (!t->n)
			break;
		pthread_mutex_unlock(&t->lock);
		if (t->err.kind == ERR_NONE)
			map_batch(m, b, &e);
		pthread_mutex_lock(&t->lock);
		if (e.kind != ERR_NONE)
			t->err = e;
		b->used = 0;
		assert(t->n <= BATCHES); /* the reader never writes into the batch at hand */
		t->head = (t->head + 1) % BATCHES;
		t->n--;
		pthread_cond_signal(&t->changed);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* No thread: no harm, who adds does it. */
static void mapper_start(struct merge *m)
{
	struct mapper *t = &m->mapper;
	sigset_t all, before;

	for (unsigned i = 0; i < BATCHES; i++)
		t->batch[i].bytes = xmalloc(BATCH_BYTES);
	t->end = false;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are for the main thread */
	t->running = pthread_create(&t->thread, NULL, map_thread, m) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* All that was added is in the map, which is the caller's again. */
static void mapper_end(struct merge *m)
{
	struct mapper *t = &m->mapper;

	if (t->running) {
		pthread_mutex_lock(&t->lock);
		if (t->n < BATCHES && t->batch[(t->head + t->n) % BATCHES].used)
			t->n++;
		t->end = true;
		pthread_cond_signal(&t->changed);
		pthread_mutex_unlock(&t->lock);
		pthread_join(t->thread, NULL);
		t->running = false;
	}
	for (unsigned i = 0; i < BATCHES; i++) {
		free(t->batch[i].bytes);
		t->batch[i] = (struct batch){ NULL, 0 };
	}
	m->added = 0;
}

static int settle_epoch(struct merge *m, struct err *e)
{
	mapper_end(m);
	if (m->mapper.err.kind == ERR_NONE)
		return 0;
	if (e)
		*e = m->mapper.err;
	return -1;
}

/* The change at hand goes into the map, sooner or later. */
static int put(struct merge *m, const struct entry *x, struct err *e)
{
	struct mapper *t = &m->mapper;
	size_t n = record_bytes(x);
	struct batch *b;
	bool failed;

	if (!t->running && ++m->added == FEW_ROWS)
		mapper_start(m);
	if (n > BATCH_BYTES && settle_epoch(m, e) < 0)
		return -1;
	if (!t->running) {
		map_put(m, x, m->key.buf, m->image.buf);
		return is_over(m) ? spill(m, e) : 0;
	}
	pthread_mutex_lock(&t->lock);
	b = &t->batch[(t->head + t->n) % BATCHES];
	if (t->n < BATCHES && b->used + n > BATCH_BYTES) {
		t->n++;
		pthread_cond_signal(&t->changed);
	}
	while (t->n == BATCHES)
		pthread_cond_wait(&t->changed, &t->lock);
	b = &t->batch[(t->head + t->n) % BATCHES];
	failed = t->err.kind != ERR_NONE;
	pthread_mutex_unlock(&t->lock);
	if (failed)
		return settle_epoch(m, e);
	assert(b->used + n <= BATCH_BYTES);
	memcpy(b->bytes + b->used, x, sizeof(*x));
	memcpy(b->bytes + b->used + sizeof(*x), m->key.buf, x->key_n);
	memcpy(b->bytes + b->used + sizeof(*x) + x->key_n, m->image.buf, x->image_n);
	b->used += n;
	return 0;
}

/* ---- in ---- */

static uint64_t image_hash(const struct strbuf *image)
{
	uint64_t h = XXH3_64bits(image->buf, image->len);

	return h ? h : 1; /* 0 says: no row */
}

static bool lacks_value(const struct redo_column *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (c[i].absent)
			return true;
	return false;
}

/* One step of a key into m->key, m->image and *x. was: the side that holds what the row was, NULL
 * when it was not there. */
static int side_of(struct merge *m, uint32_t epoch, const struct redo_row *r, bool put,
		   uint8_t rank, bool was, struct entry *x, struct err *e)
{
	const struct redo_column *c = put ? r->columns : r->pre_columns;
	uint32_t n = put ? r->n_columns : r->n_pre_columns;
	const struct row_layout *s;

	*x = (struct entry){ .commit_ts = r->commit_ts,
			     .start_ts = r->start_ts,
			     .first_commit = r->commit_ts,
			     .first_start = r->start_ts,
			     .epoch = epoch,
			     .put = put,
			     .rank = rank,
			     .first_rank = rank,
			     .links = 1 };
	if (row_layouts_of(m->shapes, r, c, n, &x->shape, e) < 0)
		return -1;
	s = row_layouts_at(m->shapes, x->shape);
	x->table_no = s->table_no;
	if (s->keyless)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"table %s.%s has no primary key and no unique NOT NULL key: its rows "
			"cannot be merged (--mode txn --force replays them in order)",
			s->db, s->table);
	if (s->float_key)
		m->float_key = s;
	if (s->timestamp)
		m->timestamp = s;
	if (was) {
		row_layout_encode(r->pre_columns, r->n_pre_columns, false, &m->key, &m->old);
		x->was = image_hash(&m->old);
		x->partial = lacks_value(r->pre_columns, r->n_pre_columns);
	}
	row_layout_encode(c, n, !put, &m->key, &m->image);
	if (put)
		x->became = image_hash(&m->image);
	x->sum = x->became - x->was;
	x->partial = x->partial || lacks_value(c, n);
	if (m->key.len > UINT32_MAX / 4 || m->image.len > UINT32_MAX / 4)
		return err_set(e, ERR_BAD_DATA, 0, "a row of %zu bytes", m->image.len);
	x->key_n = (uint32_t)m->key.len;
	x->image_n = (uint32_t)m->image.len;
	x->hash = XXH3_64bits_withSeed(m->key.buf, m->key.len, epoch);
	x->hash ^= XXH3_64bits_withSeed(r->table.table.p, r->table.table.n, r->table.db.n);
	return 0;
}

int merge_add(struct merge *m, uint32_t epoch, const struct redo_row *r, struct err *e)
{
	bool moved = r->n_columns && r->n_pre_columns && row_layout_key_changes(r);
	struct entry x;

	if (r->n_pre_columns && (!r->n_columns || moved)) {
		if (side_of(m, epoch, r, false, 0, true, &x, e) < 0 || put(m, &x, e) < 0)
			return -1;
	}
	if (r->n_columns) {
		bool update = r->n_pre_columns && !moved;

		if (side_of(m, epoch, r, true, update ? 1 : 2, update, &x, e) < 0 ||
		    put(m, &x, e) < 0)
			return -1;
	}
	return 0;
}

int merge_links(struct merge *m, uint32_t epoch, const struct redo_row *r, struct merge_link out[2],
		bool *partial, struct err *e)
{
	bool moved = r->n_columns && r->n_pre_columns && row_layout_key_changes(r);
	struct entry x;
	int n = 0;

	*partial = false;
	for (int put = 0; put < 2; put++) {
		bool update = put && r->n_pre_columns && !moved;

		if (put ? !r->n_columns : !r->n_pre_columns || (r->n_columns && !moved))
			continue;
		if (side_of(m, epoch, r, put, !put ? 0 : update ? 1 : 2, !put || update, &x, e) < 0)
			return -1;
		out[n++] = (struct merge_link){
			.key_hash = x.hash,
			.commit_ts = x.commit_ts,
			.start_ts = x.start_ts,
			.was = x.was ? image_hash(row_layout_image_plain(&m->old)) : 0,
			.became = x.became ? image_hash(row_layout_image_plain(&m->image)) : 0,
			.rank = x.rank
		};
		*partial = *partial || x.partial;
	}
	return n;
}

/* ---- out ---- */

/* What decides nearly every comparison, apart from the data: the sort reads no row for it. */
struct sort_key {
	uint64_t next; /* the key's second to ninth byte */
	uint32_t head; /* table's place << 8, and the key's first byte */
	uint32_t at;   /* in entries */
};

static uint64_t key_bytes(const unsigned char *key, uint32_t n)
{
	uint64_t u = 0;

	for (uint32_t i = 1; i < 9; i++)
		u = u << 8 | (i < n ? key[i] : 0);
	return u;
}

static int by_table_and_key(const void *x, const void *y, void *arg)
{
	const struct sort_key *a = x, *b = y;
	const struct merge *m = arg;
	const struct entry *p, *q;
	int c;

	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	if (a->next != b->next)
		return a->next < b->next ? -1 : 1;
	p = &m->entries[a->at];
	q = &m->entries[b->at];
	c = memcmp(p->data, q->data, p->key_n < q->key_n ? p->key_n : q->key_n);
	return c ? c : p->key_n < q->key_n ? -1 : p->key_n > q->key_n;
}

static int by_name(const void *x, const void *y, void *arg)
{
	const struct merge *m = arg;
	uint32_t i = *(const uint32_t *)x, k = *(const uint32_t *)y;
	const struct row_layout *a = row_layouts_at(m->shapes, i),
				*b = row_layouts_at(m->shapes, k);
	int c = strcmp(a->db, b->db);

	c = c ? c : strcmp(a->table, b->table);
	return c ? c : i < k ? -1 : i > k;
}

/* The place of each shape in the order of tables. */
static uint32_t *row_layout_places(const struct merge *m)
{
	uint32_t n = row_layouts_count(m->shapes), *order = xcalloc(n, sizeof(*order)),
		 *place = xcalloc(n, sizeof(*place));

	assert(n < (uint32_t)1 << 24);
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), by_name, (void *)m);
	for (uint32_t i = 0; i < n; i++)
		place[order[i]] = i;
	free(order);
	return place;
}

static struct sort_key *sort_part(struct merge *m, uint32_t epoch, bool puts, size_t n)
{
	struct sort_key *s = xcalloc(n, sizeof(*s)), *next = s;
	uint32_t *place = row_layout_places(m);

	for (size_t i = 0; i < m->n; i++) {
		const struct entry *x = &m->entries[i];

		assert(x->key_n && x->shape < row_layouts_count(m->shapes));
		if (x->epoch == epoch && x->put == puts)
			*next++ =
				(struct sort_key){ key_bytes(x->data, x->key_n),
						   place[x->shape] << 8 | x->data[0], (uint32_t)i };
	}
	assert(next == s + n);
	free(place);
	qsort_r(s, n, sizeof(*s), by_table_and_key, m);
	return s;
}

static int emit(struct merge *m, uint32_t epoch, bool puts, merge_fn *fn, void *arg, struct err *e)
{
	struct merge_change *c;
	struct sort_key *s;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->entries[i].epoch == epoch && m->entries[i].put == puts;
	if (!n)
		return 0;
	s = sort_part(m, epoch, puts, n);
	c = xcalloc(n, sizeof(*c));
	for (size_t i = 0; i < n; i++) {
		const struct entry *x = &m->entries[s[i].at];

		c[i] = (struct merge_change){ row_layouts_at(m->shapes, x->shape),
					      x->data,
					      x->key_n,
					      x->data + x->key_n,
					      x->image_n,
					      x->put };
	}
	for (size_t i = 1; i < n; i++) /* one change a key: two would be written in any order */
		assert(by_table_and_key(&s[i - 1], &s[i], m) < 0);
	free(s);
	rc = fn(arg, c, n, e);
	free(c);
	return rc;
}

int merge_each(struct merge *m, uint32_t epoch, bool puts, merge_fn *fn, void *arg, struct err *e)
{
	if (settle_epoch(m, e) < 0)
		return -1;
	if (!m->spilled_bytes)
		return emit(m, epoch, puts, fn, arg, e);
	if (m->n && spill(m, e) < 0)
		return -1;
	for (int i = 0; i < PARTITIONS; i++) {
		struct part *p = &m->part[i];
		uint32_t slices = p->f ? part_slices(m, p) : 0;

		for (uint32_t k = 0; k < slices; k++) {
			if (part_load(m, p, epoch, k, slices, e) < 0 ||
			    emit(m, epoch, puts, fn, arg, e) < 0)
				return -1;
			map_clear(m);
		}
	}
	return 0;
}

static int suspects_in_memory(struct merge *m, merge_suspect_fn *fn, void *arg, struct err *e)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct entry *x = &m->entries[i];
		struct merge_change c = { row_layouts_at(m->shapes, x->shape),
					  x->data,
					  x->key_n,
					  x->data + x->key_n,
					  x->image_n,
					  x->put };

		if (x->sum != x->became - x->was && !x->partial &&
		    fn(arg, &c, x->hash, x->links, e) < 0)
			return -1;
	}
	return 0;
}

int merge_suspects(struct merge *m, merge_suspect_fn *fn, void *arg, struct err *e)
{
	if (settle_epoch(m, e) < 0)
		return -1;
	if (!m->spilled_bytes)
		return suspects_in_memory(m, fn, arg, e);
	if (m->n && spill(m, e) < 0)
		return -1;
	for (int i = 0; i < PARTITIONS; i++) {
		struct part *p = &m->part[i];
		uint32_t slices = p->f ? part_slices(m, p) : 0;

		for (uint32_t k = 0; k < slices; k++) {
			if (part_load(m, p, UINT32_MAX, k, slices, e) < 0 ||
			    suspects_in_memory(m, fn, arg, e) < 0)
				return -1;
			map_clear(m);
		}
	}
	return 0;
}
