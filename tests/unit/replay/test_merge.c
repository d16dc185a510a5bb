/* The merge, the chain and the commit order against a plain model, in little memory and in much, in
 * any order of reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/replay/image_chain.h"
#include "harness/replay/commit_order.h"
#include "harness/sql/schema.h"

#define KEYS 300
#define CHANGES 6000
#define VALUE_BYTES 120

struct change {
	tso_t commit_ts, start_ts;
	int64_t from, to; /* keys; they differ in an update of the key */
	char before[VALUE_BYTES], after[VALUE_BYTES]; /* "" : not there */
};

static struct redo_bytes text(const char *s)
{
	return (struct redo_bytes){ s, (uint32_t)strlen(s) };
}

static void fill(struct redo_column c[2], int64_t id, const char *v)
{
	c[0] = (struct redo_column){ .name = text("id"),
				     .charset = text("binary"),
				     .collation = text("binary"),
				     .type = COL_LONGLONG,
				     .flag = COLF_BINARY | COLF_HANDLE_KEY | COLF_PRIMARY_KEY,
				     .value = { .kind = REDO_INT, .i = id } };
	c[1] = (struct redo_column){ .name = text("v"),
				     .charset = text("utf8mb4"),
				     .collation = text("utf8mb4_bin"),
				     .type = COL_VARCHAR,
				     .flag = COLF_NULLABLE,
				     .value = { .kind = REDO_BIN, .s = text(v) } };
}

/* The row of a change; the columns are the caller's. */
static struct redo_row row_of(const struct change *x, struct redo_column before[2],
			      struct redo_column after[2])
{
	static const int32_t first = 0;
	static const struct redo_index pk = { &first, 1 };
	struct redo_row r = { .start_ts = x->start_ts,
			      .commit_ts = x->commit_ts,
			      .table = { text("d"), text("t"), 1, false },
			      .columns = after,
			      .pre_columns = before,
			      .indexes = &pk,
			      .n_indexes = 1 };

	fill(before, x->from, x->before);
	fill(after, x->to, x->after);
	r.n_pre_columns = x->before[0] ? 2 : 0;
	r.n_columns = x->after[0] ? 2 : 0;
	return r;
}

/* A history, and what each key is at its end. */
static struct change *history(uint64_t seed, char state[KEYS][VALUE_BYTES])
{
	struct change *x = xcalloc(CHANGES, sizeof(*x));
	struct rng rng;

	rng_seed(&rng, seed);
	memset(state, 0, KEYS * VALUE_BYTES);
	for (int i = 0; i < CHANGES; i++) {
		int64_t k = (int64_t)rng_below(&rng, KEYS), to = k;

		x[i].commit_ts = 1000 + (tso_t)i;
		x[i].start_ts = 500 + (tso_t)i;
		memcpy(x[i].before, state[k], VALUE_BYTES);
		if (!state[k][0] || rng_below(&rng, 4)) {
			memset(x[i].after, 'a' + (int)rng_below(&rng, 26), 1 + rng_below(&rng, 90));
			snprintf(x[i].after + strlen(x[i].after), 20, "-%d", i);
		}
		if (x[i].before[0] && x[i].after[0] && rng_below(&rng, 10) == 0)
			for (to = (int64_t)rng_below(&rng, KEYS); state[to][0] && to != k;
			     to = (to + 1) % KEYS)
				;
		x[i].from = k;
		x[i].to = to;
		if (to != k)
			memset(state[k], 0, VALUE_BYTES);
		memcpy(state[to], x[i].after, VALUE_BYTES);
	}
	return x;
}

static void shuffle(int *at, int n, uint64_t seed)
{
	struct rng rng;

	rng_seed(&rng, seed);
	for (int i = 0; i < n; i++)
		at[i] = i;
	for (int i = n - 1; i > 0; i--) {
		int k = (int)rng_below(&rng, (uint64_t)i + 1), swap = at[i];

		at[i] = at[k];
		at[k] = swap;
	}
}

struct seen {
	char (*state)[VALUE_BYTES];
	int n;
	bool puts;
};

static int compare(void *arg, const struct merge_change *c, size_t n, struct err *e)
{
	struct seen *s = arg;

	(void)e;
	for (size_t i = 0; i < n; i++) {
		struct redo_value id, v;
		uint32_t at = 0;

		assert_true(c[i].put == s->puts);
		if (i) /* sorted: neighbours are written together */
			assert_true(memcmp(c[i - 1].key, c[i].key, c[i].key_n) < 0);
		row_layout_image_next(c[i].image, &at, &id);
		if (!c[i].put) {
			assert_int_equal(s->state[id.i][0], 0);
		} else {
			row_layout_image_next(c[i].image, &at, &v);
			assert_int_equal(v.s.n, strlen(s->state[id.i]));
			assert_memory_equal(v.s.p, s->state[id.i], v.s.n);
		}
		s->n++;
	}
	return 0;
}

static int no_suspect(void *arg, const struct merge_change *c, uint64_t hash, uint32_t links,
		      struct err *e)
{
	(void)c;
	(void)hash;
	(void)links;
	(void)e;
	++*(int *)arg;
	return 0;
}

static void the_newest_state_wins_in_any_order_and_any_memory(void **unused)
{
	static const size_t budgets[] = { 1 << 14, 1 << 17, 1 << 26 };
	static char state[KEYS][VALUE_BYTES];
	int at[CHANGES];

	(void)unused;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct change *x = history(seed, state);
		struct merge *m = merge_new(budgets[seed % 3], "/tmp");
		struct err e = ERR_INIT;
		struct seen puts = { state, 0, true }, deletes = { state, 0, false };
		int alive = 0, suspects = 0;

		shuffle(at, CHANGES, seed);
		for (int i = 0; i < CHANGES; i++) {
			struct redo_column before[2], after[2];
			struct redo_row r = row_of(&x[at[i]], before, after);

			if (r.n_columns || r.n_pre_columns)
				assert_int_equal(merge_add(m, 0, &r, &e), 0);
		}
		assert_int_equal(merge_suspects(m, no_suspect, &suspects, &e), 0);
		assert_int_equal(suspects, 0);
		assert_int_equal(merge_each(m, 0, false, compare, &deletes, &e), 0);
		assert_int_equal(merge_each(m, 0, true, compare, &puts, &e), 0);
		for (int k = 0; k < KEYS; k++)
			alive += state[k][0] != 0;
		assert_int_equal(puts.n, alive);
		assert_true(puts.n + deletes.n <= KEYS);
		assert_true((merge_spilled_bytes(m) > 0) == (budgets[seed % 3] < 1 << 20));
		merge_free(m);
		free(x);
	}
}

static void keep_text(void *arg, const char *line)
{
	snprintf(arg, 300, "%s", line);
}

/* Reads the history without one change, or with one twice, one altered, one once more as a delete
 * and an insert. */
static size_t broken_keys(const struct change *x, size_t budget, int drop, int twice, int alter,
			  int split, char line[300])
{
	struct merge *m = merge_new(budget, "/tmp");
	struct image_chain *c = NULL;
	struct err e = ERR_INIT;
	size_t broken = 0;
	int at[CHANGES];

	line[0] = 0;
	shuffle(at, CHANGES, (uint64_t)drop + 77);
	for (int pass = 0; pass < 2; pass++) {
		if (pass) {
			c = image_chain_new(m, &e);
			assert_non_null(c);
			if (!image_chain_round(c))
				break;
		}
		for (int i = 0; i < CHANGES; i++) {
			struct change y = x[at[i]];
			struct redo_column before[2], after[2];
			struct redo_row r;

			if (at[i] == alter)
				y.after[0] ^= 1;
			r = row_of(&y, before, after);
			for (int n = at[i] == drop    ? 0
				     : at[i] == twice ? 2
						      : 1;
			     n > 0 && (r.n_columns || r.n_pre_columns); n--) {
				/* once more, and as the other kind of text */
				if (at[i] == twice && n == 1)
					before[1].value.kind = after[1].value.kind = REDO_STR;
				assert_int_equal(pass ? image_chain_row(c, 0, &r, &e)
						      : merge_add(m, 0, &r, &e),
						 0);
			}
			for (int half = 0; half < 2 && at[i] == split; half++) {
				r = row_of(&y, before, after);
				if (half)
					r.n_pre_columns = 0;
				else
					r.n_columns = 0;
				assert_int_equal(pass ? image_chain_row(c, 0, &r, &e)
						      : merge_add(m, 0, &r, &e),
						 0);
			}
		}
		if (pass) {
			broken = image_chain_judge(c, 0, keep_text, line);
			assert_false(image_chain_round(c));
		}
	}
	image_chain_free(c);
	merge_free(m);
	return broken;
}

static void a_missing_or_altered_change_is_named_a_repeated_one_is_not(void **unused)
{
	static char state[KEYS][VALUE_BYTES];
	struct change *x = history(9, state);
	int seen = 0;

	(void)unused;
	for (int i = 100; i < CHANGES - 1000; i += 397) { /* in the middle of long chains */
		size_t budget = i % 2 ? 1 << 14 : 1 << 26;
		char line[300], key[40];

		if (!x[i].before[0] || !x[i].after[0] || x[i].from != x[i].to)
			continue;
		snprintf(key, sizeof(key), "d.t, key (id=%lld)", (long long)x[i].from);
		assert_int_equal(broken_keys(x, budget, i, -1, -1, -1, line), 1);
		assert_non_null(strstr(line, key));
		assert_int_equal(broken_keys(x, budget, -1, -1, i, -1, line), 1);
		assert_non_null(strstr(line, key));
		assert_int_equal(broken_keys(x, budget, -1, i, -1, -1, line), 0);
		/* as after a restart of TiCDC */
		assert_int_equal(broken_keys(x, budget, -1, -1, -1, i, line), 0);
		seen++;
	}
	assert_true(seen > 3);
	free(x);
}

static void rows_come_in_commit_order_whatever_the_memory(void **unused)
{
	static char state[KEYS][VALUE_BYTES];
	int at[CHANGES];

	(void)unused;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct change *x = history(seed, state);
		struct commit_order *o = commit_order_new(seed % 2 ? 1 << 15 : 1 << 26, "/tmp");
		struct commit_order_row r;
		struct err e = ERR_INIT;
		tso_t last = 0;
		int rows = 0, want = 0, got;

		shuffle(at, CHANGES, seed);
		for (int i = 0; i < CHANGES; i++) {
			struct redo_column before[2], after[2];
			struct redo_row row = row_of(&x[at[i]], before, after);

			if (!row.n_columns && !row.n_pre_columns)
				continue;
			assert_int_equal(commit_order_add(o, &row, &e), 0);
			want += row.n_columns && row.n_pre_columns && x[at[i]].from != x[at[i]].to
					? 2
					: 1;
		}
		assert_true((commit_order_spilled_bytes(o) > 0) == (seed % 2 == 1));
		assert_int_equal(commit_order_sort(o, &e), 0);
		while ((got = commit_order_next(o, &r, &e)) == 1) {
			const struct change *c = &x[r.commit_ts - 1000];
			struct redo_value id;
			uint32_t image_at = 0;

			/* the delete of a moved key comes first */
			assert_true(r.commit_ts > last || (r.commit_ts == last && r.change.put));
			last = r.commit_ts;
			row_layout_image_next(r.change.image, &image_at, &id);
			assert_int_equal(id.i, r.change.put ? c->to : c->from);
			assert_true(r.n_tokens >= 1 && !r.wild);
			rows++;
		}
		assert_int_equal(got, 0);
		assert_int_equal(rows, want);
		commit_order_free(o);
		free(x);
	}
}

/* The log has a transaction's rows by their keys. A row that took a unique value from one that went
 * is written behind it. */
static void a_transaction_deletes_before_it_updates_before_it_inserts(void **unused)
{
	static const struct change x[] = {
		{ .commit_ts = 9, .start_ts = 8, .from = 2, .to = 2, .after = "b" },
		{ .commit_ts = 9, .start_ts = 8, .from = 3, .to = 3, .before = "c", .after = "d" },
		{ .commit_ts = 9, .start_ts = 8, .from = 4, .to = 4, .before = "e" },
	};
	struct commit_order *o = commit_order_new(1 << 20, "/tmp");
	struct commit_order_row r;
	struct err e = ERR_INIT;

	(void)unused;
	for (int i = 0; i < 3; i++) {
		struct redo_column before[2], after[2];
		struct redo_row row = row_of(&x[i], before, after);

		assert_int_equal(commit_order_add(o, &row, &e), 0);
	}
	assert_int_equal(commit_order_sort(o, &e), 0);
	for (int i = 3; i-- > 0;) {
		struct redo_value id;
		uint32_t at = 0;

		assert_int_equal(commit_order_next(o, &r, &e), 1);
		row_layout_image_next(r.change.image, &at, &id);
		assert_int_equal(id.i, x[i].from);
		assert_int_equal(r.change.put, x[i].after[0] != 0);
	}
	assert_int_equal(commit_order_next(o, &r, &e), 0);
	commit_order_free(o);
}

/* What the order of commits says of a row that is alone in the log. */
static struct commit_order_row alone(struct commit_order *o, const struct redo_row *r)
{
	struct commit_order_row out;
	struct err e = ERR_INIT;

	assert_int_equal(commit_order_add(o, r, &e), 0);
	assert_int_equal(commit_order_sort(o, &e), 0);
	assert_int_equal(commit_order_next(o, &out, &e), 1);
	return out;
}

/* A key has all of its columns: rows that differ in one of them do not wait for each other. */
static void rows_conflict_by_their_whole_key(void **unused)
{
	uint64_t token[3];

	(void)unused;
	for (int i = 0; i < 3; i++) {
		struct commit_order *o = commit_order_new(1 << 20, "/tmp");
		struct redo_column c[2];
		struct redo_row r = { .start_ts = 1,
				      .commit_ts = 2,
				      .table = { text("d"), text("t"), 1, false },
				      .columns = c,
				      .n_columns = 2 };
		struct commit_order_row out;

		fill(c, i == 1 ? 8 : 7, i == 2 ? "b" : "a");
		c[1].flag = COLF_HANDLE_KEY | COLF_PRIMARY_KEY;
		out = alone(o, &r);
		assert_int_equal(out.n_tokens, 1);
		token[i] = out.tokens[0];
		commit_order_free(o);
	}
	assert_true(token[0] != token[1]);
	assert_true(token[0] != token[2]);
}

/* The tokens of a row whose key is this text under this collation. */
static bool key_tokens(const char *v, const char *collation, uint64_t token[2])
{
	static const int32_t second = 1;
	struct redo_index unique = { &second, 1 };
	struct commit_order *o = commit_order_new(1 << 20, "/tmp");
	struct redo_column c[2];
	struct redo_row r = { .start_ts = 1,
			      .commit_ts = 2,
			      .table = { text("d"), text("t"), 1, false },
			      .columns = c,
			      .n_columns = 2,
			      .indexes = &unique,
			      .n_indexes = 1 };
	struct commit_order_row out;
	bool wild;

	fill(c, 7, v);
	c[1].collation = text(collation);
	out = alone(o, &r);
	assert_int_equal(out.n_tokens, 2); /* the handle key, the unique one */
	memcpy(token, out.tokens, 2 * sizeof(*token));
	wild = out.wild;
	commit_order_free(o);
	return wild;
}

static void texts_that_a_collation_may_hold_equal_conflict(void **unused)
{
	uint64_t a[2], b[2];

	(void)unused;
	assert_false(key_tokens("Value ", "utf8mb4_general_ci", a));
	assert_false(key_tokens("vALUE", "utf8mb4_general_ci", b));
	assert_true(a[1] == b[1]);
	assert_false(key_tokens("value", "utf8mb4_bin", a));
	assert_false(key_tokens("VALUE", "utf8mb4_bin", b));
	assert_true(a[1] != b[1]);
	assert_true(a[0] == b[0]);
	/* which accents are equal, the collation alone knows */
	assert_true(key_tokens("v\xc3\xa4lue", "utf8mb4_general_ci", a));
	/* and which characters it ignores */
	assert_true(key_tokens("val\x01ue", "utf8mb4_unicode_ci", a));
	assert_false(key_tokens("v\xc3\xa4lue", "utf8mb4_bin", a));
}

static void keys_sort_as_their_values_do(void **unused)
{
	static const struct redo_value ascending[] = {
		{ .kind = REDO_INT, .i = INT64_MIN }, { .kind = REDO_INT, .i = -1 },
		{ .kind = REDO_INT, .i = 0 }, { .kind = REDO_INT, .i = 5 },
		{ .kind = REDO_UINT, .u = 6 }, { .kind = REDO_UINT, .u = UINT64_MAX },
	}, floats[] = {
		{ .kind = REDO_F64, .f64 = -1e300 }, { .kind = REDO_F64, .f64 = -0.5 },
		{ .kind = REDO_F64, .f64 = 0 },
		        { .kind = REDO_F32, .f32 = 1.5f }, { .kind = REDO_F64, .f64 = 1e10 } },
	  strings[] = {
		{ .kind = REDO_BIN, .s = { "", 0 } }, { .kind = REDO_BIN, .s = { "\0", 1 } }, { .kind = REDO_BIN, .s = { "\0\0", 2 } },
		        { .kind = REDO_BIN, .s = { "a", 1 } }, { .kind = REDO_BIN, .s = { "a\0b", 3 } }, { .kind = REDO_BIN, .s = { "ab", 2 } } };
	const struct {
		const struct redo_value *v;
		size_t n;
	} lists[] = { { ascending, 6 }, { floats, 5 }, { strings, 6 } };
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	struct redo_value minus_zero = { .kind = REDO_F64, .f64 = -0.0 },
			  int_6 = { .kind = REDO_INT, .i = 6 };

	(void)unused;
	for (size_t l = 0; l < 3; l++)
		for (size_t i = 0; i + 1 < lists[l].n; i++) {
			strbuf_reset(&a);
			strbuf_reset(&b);
			row_layout_add_key(&a, &lists[l].v[i]);
			row_layout_add_key(&b, &lists[l].v[i + 1]);
			assert_true(memcmp(a.buf, b.buf, a.len < b.len ? a.len : b.len) < 0);
		}
	strbuf_reset(&a);
	strbuf_reset(&b);
	row_layout_add_key(&a, &minus_zero);
	row_layout_add_key(&b, &floats[2]);
	row_layout_add_key(&a, &int_6); /* one value, whichever form it was written in */
	row_layout_add_key(&b, &ascending[4]);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.buf, b.buf, a.len);
	strbuf_release(&a);
	strbuf_release(&b);
}

#define TABLES 5
#define MANY 20000

/* A row of a table whose key is text, most of it the same in all rows. */
static int add_text_row(struct merge *m, int i, const char *key, const char *value, struct err *e)
{
	static const int32_t first = 0;
	static const struct redo_index pk = { &first, 1 };
	struct redo_column c[2];
	char table[24];
	struct redo_row r = { .start_ts = 1 + (tso_t)i,
			      .commit_ts = 100000 + (tso_t)i,
			      .columns = c,
			      .n_columns = 2,
			      .indexes = &pk,
			      .n_indexes = 1 };

	snprintf(table, sizeof(table), "t%d", i % TABLES);
	r.table = (struct redo_table){ text("d"), text(table), 1 + i % TABLES, false };
	fill(c, 0, value);
	c[0].type = COL_VARCHAR;
	c[0].value = (struct redo_value){ .kind = REDO_BIN, .s = text(key) };
	return merge_add(m, 0, &r, e);
}

struct order_seen {
	size_t n;
	size_t longest;
};

static int in_order(void *arg, const struct merge_change *c, size_t n, struct err *e)
{
	struct order_seen *s = arg;

	(void)e;
	for (size_t i = 0; i < n; i++) {
		int tables = i ? strcmp(c[i - 1].shape->table, c[i].shape->table) : -1;
		uint32_t k = i && c[i - 1].key_n < c[i].key_n ? c[i - 1].key_n : c[i].key_n;
		int keys = tables ? -1 : memcmp(c[i - 1].key, c[i].key, k);

		assert_true(tables <= 0);
		assert_true(keys < 0 || (keys == 0 && c[i - 1].key_n < c[i].key_n));
		s->longest = c[i].image_n > s->longest ? c[i].image_n : s->longest;
	}
	s->n += n;
	return 0;
}

static void changes_come_by_table_and_key_the_large_ones_too(void **unused)
{
	struct merge *m = merge_new((size_t)64 << 20, "/tmp");
	size_t large = (size_t)1 << 20;
	char *value = xmalloc(large + 1), key[40];
	struct order_seen seen = { 0, 0 };
	struct err e = ERR_INIT;

	(void)unused;
	memset(value, 'x', large);
	value[large] = 0;
	for (int i = 0; i < MANY; i++) {
		bool big = i == 3 || i == 9000 || i == MANY - 1;

		snprintf(key, sizeof(key), "customer-%d", i * 7919 % MANY);
		assert_int_equal(add_text_row(m, i, key, big ? value : "v", &e), 0);
	}
	assert_int_equal(merge_each(m, 0, false, in_order, &seen, &e), 0);
	assert_int_equal(seen.n, 0);
	assert_int_equal(merge_each(m, 0, true, in_order, &seen, &e), 0);
	assert_int_equal(seen.n, MANY);
	assert_true(seen.longest > large);
	merge_free(m);
	free(value);
}

/* Neither way of replay passes over such a row. */
static void a_key_that_is_generated_is_refused(void **unused)
{
	const struct change x = { .commit_ts = 9, .start_ts = 8, .from = 2, .to = 2, .after = "b" };
	struct commit_order *o = commit_order_new(1 << 20, "/tmp");
	struct merge *m = merge_new(1 << 20, "/tmp");
	struct redo_column before[2], after[2];
	struct redo_row r = row_of(&x, before, after);
	struct merge_link link[2];
	struct err e = ERR_INIT;
	bool partial;

	(void)unused;
	after[0].flag |= COLF_GENERATED;
	assert_int_equal(commit_order_add(o, &r, &e), -1);
	assert_non_null(strstr(e.text, "key column id is generated"));
	assert_int_equal(merge_add(m, 0, &r, &e), -1);
	assert_int_equal(merge_links(m, 0, &r, link, &partial, &e), -1);
	commit_order_free(o);
	merge_free(m);
}

/* What cannot be written beside memory ends the replay, and names the folder. */
static void a_spill_that_fails_is_said(void **unused)
{
	struct merge *m = merge_new(1 << 20, "/nonexistent/folder");
	struct order_seen seen = { 0, 0 };
	struct err e = ERR_INIT;
	char key[40];
	int rc = 0;

	(void)unused;
	for (int i = 0; i < MANY && rc == 0; i++) {
		snprintf(key, sizeof(key), "customer-%d", i);
		rc = add_text_row(m, i, key, "v", &e);
	}
	if (rc == 0)
		rc = merge_each(m, 0, true, in_order, &seen, &e);
	assert_int_equal(rc, -1);
	assert_non_null(strstr(e.text, "/nonexistent/folder"));
	merge_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_state_wins_in_any_order_and_any_memory),
		cmocka_unit_test(a_missing_or_altered_change_is_named_a_repeated_one_is_not),
		cmocka_unit_test(rows_come_in_commit_order_whatever_the_memory),
		cmocka_unit_test(a_transaction_deletes_before_it_updates_before_it_inserts),
		cmocka_unit_test(rows_conflict_by_their_whole_key),
		cmocka_unit_test(texts_that_a_collation_may_hold_equal_conflict),
		cmocka_unit_test(keys_sort_as_their_values_do),
		cmocka_unit_test(changes_come_by_table_and_key_the_large_ones_too),
		cmocka_unit_test(a_key_that_is_generated_is_refused),
		cmocka_unit_test(a_spill_that_fails_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
