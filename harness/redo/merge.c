#include "harness/redo/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/sql/schema.h"

#define PARTITIONS 64
#define BLOCK ((size_t)1 << 20)
#define ENTRY_OVERHEAD (sizeof(struct entry) + sizeof(uint32_t) * 2)

struct entry {
	uint64_t hash, commit_ts, start_ts;
	unsigned char *data; /* key, then image; room for data_cap bytes */
	uint32_t key_n, image_n, data_cap, shape, epoch;
	uint8_t rank; /* within one transaction: 0 delete, 1 update, 2 insert */
	bool put;
};

struct block {
	struct block *next;
	size_t used, size;
	unsigned char bytes[];
};

struct merge {
	size_t budget, used;
	char *tmp_dir;
	struct merge_shape **shapes;
	uint64_t *shape_hash;
	size_t n_shapes, last_shape;
	struct entry *entries;
	size_t n, alloc;
	uint32_t *slots; /* index + 1; 0 free */
	size_t n_slots;
	struct block *blocks;
	FILE *part[PARTITIONS];
	char *part_path[PARTITIONS];
	uint64_t spilled_keys, spilled_bytes;
	struct strbuf key, image; /* of the change at hand */
};

struct merge *merge_new(size_t memory_bytes, const char *tmp_dir)
{
	struct merge *m = xcalloc(1, sizeof(*m));

	m->budget = memory_bytes;
	m->tmp_dir = xstrdup(tmp_dir);
	m->key = m->image = (struct strbuf)STRBUF_INIT;
	m->n_slots = 1 << 12;
	m->slots = xcalloc(m->n_slots, sizeof(*m->slots));
	return m;
}

static void blocks_free(struct merge *m)
{
	while (m->blocks) {
		struct block *b = m->blocks;

		m->blocks = b->next;
		free(b);
	}
}

static void shape_free(struct merge_shape *s)
{
	for (uint32_t i = 0; i < s->n_columns; i++)
		free(s->columns[i].name);
	free(s->columns);
	free(s->key);
	free(s->db);
	free(s->table);
	free(s);
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_shapes; i++)
		shape_free(m->shapes[i]);
	for (int i = 0; i < PARTITIONS; i++) {
		if (m->part[i])
			fclose(m->part[i]);
		if (m->part_path[i])
			unlink(m->part_path[i]);
		free(m->part_path[i]);
	}
	blocks_free(m);
	free(m->shapes);
	free(m->shape_hash);
	free(m->entries);
	free(m->slots);
	free(m->tmp_dir);
	strbuf_release(&m->key);
	strbuf_release(&m->image);
	free(m);
}

uint64_t merge_keys(const struct merge *m)
{
	return m->n + m->spilled_keys;
}

uint64_t merge_spilled_bytes(const struct merge *m)
{
	return m->spilled_bytes;
}

static unsigned char *bytes_take(struct merge *m, size_t n)
{
	struct block *b = m->blocks;

	n = (n + 7) & ~(size_t)7;
	if (!b || b->size - b->used < n) {
		size_t size = n > BLOCK ? n : BLOCK;

		b = xmalloc(sizeof(*b) + size);
		b->next = m->blocks;
		b->used = 0;
		b->size = size;
		m->blocks = b;
		m->used += size;
	}
	b->used += n;
	return b->bytes + b->used - n;
}

/* ---- shapes ---- */

static bool written(const struct redo_column *c)
{
	return !c->absent && !(c->flag & COLF_GENERATED);
}

static uint64_t shape_hash(const struct redo_row *r, const struct redo_column *c, uint32_t n)
{
	uint64_t h = XXH3_64bits_withSeed(r->table.db.p, r->table.db.n, n);

	h = XXH3_64bits_withSeed(r->table.table.p, r->table.table.n, h);
	for (uint32_t i = 0; i < n; i++) {
		/* without the flags that say nothing of how a value is written: an index may come and go */
		h = XXH3_64bits_withSeed(c[i].name.p, c[i].name.n, h ^ ((uint64_t)c[i].type << 8) ^ (c[i].absent ? 4 : 0));
		h ^= (uint64_t)(c[i].flag & (COLF_HANDLE_KEY | COLF_GENERATED | COLF_UNSIGNED | COLF_BINARY)) << 32;
	}
	return h;
}

static int shape_make(struct merge *m, const struct redo_row *r, const struct redo_column *c, uint32_t n, uint64_t hash, struct err *e)
{
	struct merge_shape *s = xcalloc(1, sizeof(*s));

	s->db = xstrndup(r->table.db.p, r->table.db.n);
	s->table = xstrndup(r->table.table.p, r->table.table.n);
	s->columns = xcalloc(n, sizeof(*s->columns));
	s->key = xcalloc(n, sizeof(*s->key));
	for (uint32_t i = 0; i < n; i++) {
		if ((c[i].flag & COLF_HANDLE_KEY) && !c[i].absent) {
			if (c[i].type == COL_FLOAT || c[i].type == COL_DOUBLE) {
				err_set(e, ERR_UNSUPPORTED, 0, "table %s.%s: key column %.*s is a floating-point number: equality can't find its rows", s->db,
				        s->table, (int)c[i].name.n, c[i].name.p);
				goto fail;
			}
			if (!written(&c[i])) {
				err_set(e, ERR_UNSUPPORTED, 0, "table %s.%s: key column %.*s is generated", s->db, s->table, (int)c[i].name.n, c[i].name.p);
				goto fail;
			}
			s->key[s->n_key++] = s->n_columns;
		}
		if (!written(&c[i]))
			continue;
		s->columns[s->n_columns++] = (struct merge_column){
			.name = xstrndup(c[i].name.p, c[i].name.n),
			.type = c[i].type,
			.flag = c[i].flag,
			/* missing charset: bit 0 tells (redo-log spec, 4.2) */
			.text = c[i].charset.n ? !(c[i].charset.n == 6 && !memcmp(c[i].charset.p, "binary", 6)) : !(c[i].flag & COLF_BINARY),
		};
	}
	if (!s->n_key) {
		err_set(e, ERR_UNSUPPORTED, 0, "table %s.%s has no primary key and no unique NOT NULL key: its rows can't be merged", s->db, s->table);
		goto fail;
	}
	m->shapes = xreallocarray(m->shapes, m->n_shapes + 1, sizeof(*m->shapes));
	m->shape_hash = xreallocarray(m->shape_hash, m->n_shapes + 1, sizeof(*m->shape_hash));
	m->shapes[m->n_shapes] = s;
	m->shape_hash[m->n_shapes] = hash;
	m->last_shape = m->n_shapes++;
	return 0;
fail:
	shape_free(s);
	return -1;
}

static int shape_of(struct merge *m, const struct redo_row *r, const struct redo_column *c, uint32_t n, uint32_t *out, struct err *e)
{
	uint64_t hash = shape_hash(r, c, n);

	if (!m->n_shapes || m->shape_hash[m->last_shape] != hash) {
		size_t i = 0;

		while (i < m->n_shapes && m->shape_hash[i] != hash)
			i++;
		if (i < m->n_shapes)
			m->last_shape = i;
		else if (shape_make(m, r, c, n, hash, e) < 0)
			return -1;
	}
	*out = (uint32_t)m->last_shape;
	return 0;
}

/* ---- values ---- */

static void add_value(struct strbuf *out, const struct redo_value *v)
{
	strbuf_addch(out, (char)v->kind);
	switch (v->kind) {
	case REDO_NULL:
		break;
	case REDO_INT:
	case REDO_UINT:
	case REDO_F64:
		strbuf_add(out, &v->u, 8);
		break;
	case REDO_F32:
		strbuf_add(out, &v->f32, 4);
		break;
	case REDO_STR:
	case REDO_BIN:
		strbuf_add(out, &v->s.n, 4);
		strbuf_add(out, v->s.p, v->s.n);
		break;
	}
}

void merge_image_next(const unsigned char *image, uint32_t *at, struct redo_value *v)
{
	const unsigned char *p = image + *at;

	v->kind = (enum redo_value_kind)*p++;
	switch (v->kind) {
	case REDO_NULL:
		break;
	case REDO_INT:
	case REDO_UINT:
	case REDO_F64:
		memcpy(&v->u, p, 8);
		p += 8;
		break;
	case REDO_F32:
		memcpy(&v->f32, p, 4);
		p += 4;
		break;
	case REDO_STR:
	case REDO_BIN:
		memcpy(&v->s.n, p, 4);
		v->s.p = (const char *)p + 4;
		p += 4 + v->s.n;
		break;
	}
	*at = (uint32_t)(p - image);
}

/* Sortable and injective: integers big-endian with the sign turned, strings with NUL escaped and ended. */
static void add_key(struct strbuf *out, const struct redo_value *v)
{
	unsigned char b[9];

	if (v->kind == REDO_INT || v->kind == REDO_UINT) {
		uint64_t u = v->u ^ (v->kind == REDO_INT ? (uint64_t)1 << 63 : 0);

		/* a value that both forms can hold is one key: the sign bit tells them apart */
		b[0] = v->kind == REDO_INT && v->i < 0 ? 1 : 2;
		if (v->kind == REDO_INT && v->i >= 0)
			u = v->u;
		for (int i = 0; i < 8; i++)
			b[1 + i] = (unsigned char)(u >> (8 * (7 - i)));
		strbuf_add(out, b, 9);
		return;
	}
	strbuf_addch(out, 3);
	if (v->kind == REDO_STR || v->kind == REDO_BIN)
		for (uint32_t i = 0; i < v->s.n; i++) {
			strbuf_addch(out, v->s.p[i]);
			if (!v->s.p[i])
				strbuf_addch(out, (char)0xff);
		}
	strbuf_add(out, "\0\0", 2);
}

static void encode(const struct redo_column *c, uint32_t n, bool key_only, struct strbuf *key, struct strbuf *image)
{
	strbuf_reset(key);
	strbuf_reset(image);
	for (uint32_t i = 0; i < n; i++) {
		if (!written(&c[i]))
			continue;
		if (c[i].flag & COLF_HANDLE_KEY)
			add_key(key, &c[i].value);
		if (!key_only || (c[i].flag & COLF_HANDLE_KEY))
			add_value(image, &c[i].value);
	}
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

static bool same_table(const struct merge *m, uint32_t a, uint32_t b)
{
	return a == b || (!strcmp(m->shapes[a]->table, m->shapes[b]->table) && !strcmp(m->shapes[a]->db, m->shapes[b]->db));
}

static void map_put(struct merge *m, const struct entry *in, const void *key, const void *image)
{
	size_t at, need = (size_t)in->key_n + in->image_n;
	struct entry *e;

	if ((m->n + 1) * 2 > m->n_slots)
		slots_grow(m);
	for (at = in->hash & (m->n_slots - 1); m->slots[at]; at = (at + 1) & (m->n_slots - 1)) {
		e = &m->entries[m->slots[at] - 1];
		if (e->hash != in->hash || e->epoch != in->epoch || e->key_n != in->key_n || memcmp(e->data, key, e->key_n) ||
		    !same_table(m, e->shape, in->shape))
			continue;
		if (in->commit_ts < e->commit_ts || (in->commit_ts == e->commit_ts && in->start_ts < e->start_ts) ||
		    (in->commit_ts == e->commit_ts && in->start_ts == e->start_ts && in->rank < e->rank))
			return;
		if (need > e->data_cap) {
			e->data = bytes_take(m, need + need / 8);
			e->data_cap = (uint32_t)(need + need / 8);
			memcpy(e->data, key, in->key_n);
		}
		memcpy(e->data + e->key_n, image, in->image_n);
		e->commit_ts = in->commit_ts;
		e->start_ts = in->start_ts;
		e->image_n = in->image_n;
		e->rank = in->rank;
		e->put = in->put;
		e->shape = in->shape;
		return;
	}
	if (m->n == m->alloc) {
		m->alloc = m->alloc ? m->alloc * 2 : 1024;
		m->entries = xreallocarray(m->entries, m->alloc, sizeof(*m->entries));
	}
	e = &m->entries[m->n++];
	*e = *in;
	e->data = bytes_take(m, need);
	e->data_cap = (uint32_t)need;
	memcpy(e->data, key, in->key_n);
	memcpy(e->data + in->key_n, image, in->image_n);
	m->slots[at] = (uint32_t)m->n;
	m->used += ENTRY_OVERHEAD;
}

static void map_clear(struct merge *m)
{
	blocks_free(m);
	memset(m->slots, 0, m->n_slots * sizeof(*m->slots));
	m->n = 0;
	m->used = 0;
}

/* ---- partitions ---- */

static int part_open(struct merge *m, int i, struct err *e)
{
	int fd;

	m->part_path[i] = xstrfmt("%s/drtest-merge-%d-%02d", m->tmp_dir, (int)getpid(), i);
	fd = open(m->part_path[i], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST && unlink(m->part_path[i]) == 0) /* of a killed process that had our pid */
		fd = open(m->part_path[i], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "create %s", m->part_path[i]);
	m->part[i] = fdopen(fd, "w+");
	return m->part[i] ? 0 : err_sys(e, "open %s", m->part_path[i]);
}

/* Everything in memory goes to its partition's file. */
static int spill(struct merge *m, struct err *e)
{
	for (size_t i = 0; i < m->n; i++) {
		struct entry *x = &m->entries[i];
		int p = (int)(x->hash >> 58) % PARTITIONS;

		if (!m->part[p] && part_open(m, p, e) < 0)
			return -1;
		if (fwrite(x, sizeof(*x), 1, m->part[p]) != 1 || fwrite(x->data, 1, x->key_n + x->image_n, m->part[p]) != x->key_n + x->image_n)
			return err_sys(e, "write %s (keys beyond --memory go to --tmp-dir)", m->part_path[p]);
		m->spilled_bytes += sizeof(*x) + x->key_n + x->image_n;
	}
	m->spilled_keys += m->n;
	map_clear(m);
	return 0;
}

static int part_load(struct merge *m, int p, uint32_t epoch, struct err *e)
{
	struct strbuf data = STRBUF_INIT;
	struct entry x;
	int rc = -1;

	map_clear(m);
	if (fflush(m->part[p]) || fseeko(m->part[p], 0, SEEK_SET) < 0) {
		err_sys(e, "read %s", m->part_path[p]);
		goto out;
	}
	while (fread(&x, sizeof(x), 1, m->part[p]) == 1) {
		size_t n = (size_t)x.key_n + x.image_n;

		if (x.epoch != epoch) {
			if (fseeko(m->part[p], (off_t)n, SEEK_CUR) < 0)
				break;
			continue;
		}
		strbuf_reset(&data);
		strbuf_grow(&data, n);
		if (fread(data.buf, 1, n, m->part[p]) != n)
			break;
		map_put(m, &x, data.buf, data.buf + x.key_n);
	}
	if (ferror(m->part[p]) || !feof(m->part[p])) {
		err_sys(e, "read %s", m->part_path[p]);
		goto out;
	}
	rc = 0;
out:
	strbuf_release(&data);
	return rc;
}

/* ---- in and out ---- */

static int change(struct merge *m, uint32_t epoch, const struct redo_row *r, const struct redo_column *c, uint32_t n, bool put, uint8_t rank,
                  struct err *e)
{
	struct entry x = { .commit_ts = r->commit_ts, .start_ts = r->start_ts, .epoch = epoch, .put = put, .rank = rank };

	if (shape_of(m, r, c, n, &x.shape, e) < 0)
		return -1;
	encode(c, n, !put, &m->key, &m->image);
	if (m->key.len > UINT32_MAX / 4 || m->image.len > UINT32_MAX / 4)
		return err_set(e, ERR_BAD_DATA, 0, "a row of %zu bytes", m->image.len);
	x.key_n = (uint32_t)m->key.len;
	x.image_n = (uint32_t)m->image.len;
	x.hash = XXH3_64bits_withSeed(m->key.buf, m->key.len, epoch);
	x.hash ^= XXH3_64bits_withSeed(r->table.table.p, r->table.table.n, r->table.db.n);
	map_put(m, &x, m->key.buf, m->image.buf);
	return 0;
}

/* Does an update's new image have another key than its old one? */
static bool key_changes(const struct redo_row *r)
{
	if (r->n_columns != r->n_pre_columns)
		return true;
	for (uint32_t i = 0; i < r->n_columns; i++) {
		const struct redo_column *a = &r->columns[i], *b = &r->pre_columns[i];

		if (!(a->flag & COLF_HANDLE_KEY))
			continue;
		if (a->value.kind != b->value.kind)
			return true;
		if (a->value.kind == REDO_STR || a->value.kind == REDO_BIN) {
			if (a->value.s.n != b->value.s.n || memcmp(a->value.s.p, b->value.s.p, a->value.s.n))
				return true;
		} else if (a->value.kind != REDO_NULL && a->value.u != b->value.u) {
			return true;
		}
	}
	return false;
}

int merge_add(struct merge *m, uint32_t epoch, const struct redo_row *r, struct err *e)
{
	bool update = r->n_columns && r->n_pre_columns;

	if (r->n_pre_columns && (!update || key_changes(r)) && change(m, epoch, r, r->pre_columns, r->n_pre_columns, false, 0, e) < 0)
		return -1;
	if (r->n_columns && change(m, epoch, r, r->columns, r->n_columns, true, update ? 1 : 2, e) < 0)
		return -1;
	return m->used > m->budget ? spill(m, e) : 0;
}

static int by_table_and_key(const void *x, const void *y)
{
	const struct merge_change *a = x, *b = y;
	int c = a->shape == b->shape ? 0 : strcmp(a->shape->db, b->shape->db);
	uint32_t n = a->key_n < b->key_n ? a->key_n : b->key_n;

	if (!c && a->shape != b->shape)
		c = strcmp(a->shape->table, b->shape->table);
	if (!c && a->shape != b->shape)
		c = a->shape < b->shape ? -1 : 1;
	if (!c)
		c = memcmp(a->key, b->key, n);
	return c ? c : a->key_n < b->key_n ? -1 : a->key_n > b->key_n;
}

static int emit(struct merge *m, uint32_t epoch, bool puts, int (*fn)(void *arg, const struct merge_change *c, size_t n, struct err *e), void *arg,
                struct err *e)
{
	struct merge_change *c = xcalloc(m->n ? m->n : 1, sizeof(*c));
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct entry *x = &m->entries[i];

		if (x->epoch == epoch && x->put == puts)
			c[n++] = (struct merge_change){ m->shapes[x->shape], x->data, x->key_n, x->data + x->key_n, x->image_n, x->put };
	}
	if (n) {
		qsort(c, n, sizeof(*c), by_table_and_key);
		rc = fn(arg, c, n, e);
	}
	free(c);
	return rc;
}

int merge_each(struct merge *m, uint32_t epoch, bool puts, int (*fn)(void *arg, const struct merge_change *c, size_t n, struct err *e), void *arg,
               struct err *e)
{
	if (!m->spilled_bytes)
		return emit(m, epoch, puts, fn, arg, e);
	if (m->n && m->spilled_keys && spill(m, e) < 0)
		return -1;
	for (int p = 0; p < PARTITIONS; p++) {
		if (!m->part[p])
			continue;
		if (part_load(m, p, epoch, e) < 0 || emit(m, epoch, puts, fn, arg, e) < 0)
			return -1;
		map_clear(m);
		if (fseeko(m->part[p], 0, SEEK_END) < 0)
			return err_sys(e, "read %s", m->part_path[p]);
	}
	return 0;
}
