/* Rows as SQL, and the queue that they wait in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/feed/sink_sql.h"
#include "harness/sql/schema.h"

#define B(text)                                  \
	{                                        \
		.p = text, .n = sizeof(text) - 1 \
	}

static struct redo_column int_column(const char *name, uint32_t flag, int64_t v)
{
	return (struct redo_column){ .name = { name, (uint32_t)strlen(name) },
				     .charset = B("binary"),
				     .flag = flag,
				     .type = COL_LONG,
				     .value = { .kind = REDO_INT, .i = v } };
}

static struct redo_column text_column(const char *name, uint32_t flag, const char *charset,
				      const char *v)
{
	return (struct redo_column){ .name = { name, (uint32_t)strlen(name) },
				     .charset = { charset, (uint32_t)strlen(charset) },
				     .flag = flag,
				     .type = COL_VARCHAR,
				     .value = { .kind = REDO_BIN,
						.s = { v, (uint32_t)strlen(v) } } };
}

static int collect(void *arg, struct feed_batch *b, struct err *e)
{
	struct strbuf *all = arg;

	(void)e;
	strbuf_addf(all, "%s%s%s;%s;", b->raise.buf, b->raise.len ? ";" : "", b->del.buf,
		    b->put.buf);
	return 0;
}

static void push_counted(struct feed_queue *q, struct feed_spool *sp, tso_t ts, uint32_t table,
			 const char *key, const char *put, uint64_t counter)
{
	struct feed_item it = { .commit_ts = ts,
				.table = table,
				.counter = counter,
				.key_bytes = (uint32_t)strlen(key),
				.put_bytes = put ? (uint32_t)strlen(put) : 0 };
	struct err e = ERR_INIT;
	char text[256];

	snprintf(text, sizeof(text), "%s%s", key, put ? put : "");
	assert_int_equal(feed_queue_push(q, sp, &it, text, &e), 0);
}

static void push(struct feed_queue *q, struct feed_spool *sp, tso_t ts, uint32_t table,
		 const char *key, const char *put)
{
	push_counted(q, sp, ts, table, key, put, 0);
}

static void a_batch_keeps_the_newest_of_each_key(void **unused)
{
	struct redo_column one[] = { int_column("id", COLF_HANDLE_KEY | COLF_PRIMARY_KEY, 1),
				     int_column("g", COLF_GENERATED, 5),
				     text_column("v", 0, "utf8mb4", "x") };
	struct redo_column two[] = { int_column("a", COLF_HANDLE_KEY, 1),
				     text_column("b`c", COLF_HANDLE_KEY, "utf8mb4", "y") };
	struct redo_row r1 = { .table = { .db = B("d"), .table = B("t") },
			       .columns = one,
			       .n_columns = 3 };
	struct redo_row r2 = { .table = { .db = B("d"), .table = B("u") },
			       .pre_columns = two,
			       .n_pre_columns = 2 };
	struct feed_table t1, t2, *tables[] = { &t1, &t2 };
	struct feed_spool sp;
	struct feed_queue q = { 0 };
	struct strbuf items = STRBUF_INIT, all = STRBUF_INIT, text = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(feed_table_init(&t1, &r1, NULL, false, &e), 0);
	assert_int_equal(feed_table_init(&t2, &r2, NULL, false, &e), 0);
	assert_true(feed_table_fits(&t1, &r1));
	assert_false(feed_table_fits(&t1, &r2));
	feed_add_key(&text, &t1, one, 3);
	feed_add_put(&text, one, 3);
	feed_add_key(&text, &t2, two, 2);
	assert_string_equal(text.buf, "1(1,'x')(`a`=1 AND `b``c`='y')");

	feed_spool_init(&sp, "/tmp", 1 << 20);
	push(&q, &sp, 5, 0, "1", "(1,'x')");
	push(&q, &sp, 5, 1, "(p)", NULL);
	push(&q, &sp, 5, 1, "(q)", NULL);
	push(&q, &sp, 6, 0, "1", NULL); /* put, then deleted */
	push(&q, &sp, 6, 0, "2", NULL);
	push(&q, &sp, 7, 0, "2", "(2,'y')"); /* deleted, then put */
	push(&q, &sp, 7, 0, "11", "(11,'z')");
	push(&q, &sp, 8, 0, "11", "(11,'zz')");
	push(&q, &sp, 9, 0, "12", "(12,'late')");
	assert_int_equal(feed_queue_take(&q, &sp, 8, 256, 1 << 20, &items, &e), 8);
	assert_int_equal(feed_queue_next_ts(&q), 9);
	assert_int_equal(feed_batch_statements(&items, tables, collect, &all, &e), 0);
	assert_string_equal(
		all.buf,
		"DELETE FROM `d`.`t` WHERE `id` IN (1);REPLACE INTO `d`.`t` (`id`,`v`) VALUES (2,'y'),(11,'zz');"
		"DELETE FROM `d`.`u` WHERE (p) OR (q);;");
	feed_queue_release(&q, &sp);
	feed_spool_release(&sp);
	feed_table_release(&t1);
	feed_table_release(&t2);
	strbuf_release(&items);
	strbuf_release(&all);
	strbuf_release(&text);
}

/* Of the rows that come and go within a batch, the one with the highest counter is put first and
 * deleted with the others. */
static void a_counter_is_raised_by_rows_that_are_gone(void **unused)
{
	struct redo_column id[] = { int_column("id", COLF_HANDLE_KEY | COLF_PRIMARY_KEY, 1) };
	struct redo_row r = { .table = { .db = B("d"), .table = B("t") },
			      .columns = id,
			      .n_columns = 1 };
	struct feed_table t, *tables[] = { &t };
	struct feed_spool sp;
	struct feed_queue q = { 0 };
	struct strbuf items = STRBUF_INIT, all = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(feed_table_init(&t, &r, NULL, false, &e), 0);
	feed_spool_init(&sp, "/tmp", 1 << 20);
	push_counted(&q, &sp, 1, 0, "9", "(9)", 9);
	push_counted(&q, &sp, 1, 0, "8", "(8)", 8); /* stays */
	push_counted(&q, &sp, 1, 0, "7", "(7)", 7);
	push(&q, &sp, 2, 0, "7", NULL);
	push(&q, &sp, 2, 0, "9", NULL);
	push(&q, &sp, 2, 0, "6", NULL);
	feed_queue_take(&q, &sp, 8, 256, 1 << 20, &items, &e);
	assert_int_equal(feed_batch_statements(&items, tables, collect, &all, &e), 0);
	assert_string_equal(
		all.buf,
		"REPLACE INTO `d`.`t` (`id`) VALUES (9);"
		"DELETE FROM `d`.`t` WHERE `id` IN (6,7,9);REPLACE INTO `d`.`t` (`id`) VALUES (8);");
	/* by what it was for a while; not where a row that stays raises it anyway */
	strbuf_reset(&all);
	push_counted(&q, &sp, 3, 0, "1", "(70)", 70);
	push_counted(&q, &sp, 4, 0, "1", "(4)", 4);
	feed_queue_take(&q, &sp, 8, 256, 1 << 20, &items, &e);
	assert_int_equal(feed_batch_statements(&items, tables, collect, &all, &e), 0);
	push_counted(&q, &sp, 5, 0, "1", "(71)", 71);
	push_counted(&q, &sp, 6, 0, "1", "(4)", 4);
	push_counted(&q, &sp, 6, 0, "2", "(71)", 71);
	feed_queue_take(&q, &sp, 8, 256, 1 << 20, &items, &e);
	assert_int_equal(feed_batch_statements(&items, tables, collect, &all, &e), 0);
	assert_string_equal(all.buf, "REPLACE INTO `d`.`t` (`id`) VALUES (70);;"
				     "REPLACE INTO `d`.`t` (`id`) VALUES (4);;"
				     "REPLACE INTO `d`.`t` (`id`) VALUES (4),(71);");
	feed_queue_release(&q, &sp);
	feed_spool_release(&sp);
	feed_table_release(&t);
	strbuf_release(&items);
	strbuf_release(&all);
}

static void what_the_secondary_computes_is_asked_for(void **unused)
{
	struct redo_column c[] = { int_column("id", COLF_HANDLE_KEY | COLF_PRIMARY_KEY, 1),
				   int_column("g", COLF_GENERATED, 5),
				   text_column("t`", COLF_GENERATED, "utf8mb4", "it's") };
	struct redo_row r = { .table = { .db = B("d"), .table = B("t") },
			      .columns = c,
			      .n_columns = 3 };
	struct feed_change change = { .at = 0 };
	struct feed_table t;
	struct strbuf text = STRBUF_INIT, q = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(feed_table_init(&t, &r, NULL, false, &e), 0);
	assert_string_equal(t.computed, "`g`,`t```");
	feed_add_item(&text, &change.it, &t, c, 3);
	change.key = text.buf;
	change.put = change.key + change.it.key_bytes;
	change.check = change.put + change.it.put_bytes;
	assert_int_equal(change.it.key_bytes + change.it.put_bytes + change.it.check_bytes,
			 text.len);
	feed_add_unlike(&q, &t, &change);
	assert_string_equal(
		q.buf,
		"(`id`=1 AND NOT (`g` <=> 5 AND BINARY CONVERT(`t``` USING utf8mb4) <=> BINARY 'it\\'s'))");
	feed_table_release(&t);
	strbuf_release(&text);
	strbuf_release(&q);
}

static void a_table_without_a_key_is_named(void **unused)
{
	struct redo_column c[] = { int_column("id", 0, 1) };
	struct redo_row r = { .table = { .db = B("d"), .table = B("keyless") },
			      .columns = c,
			      .n_columns = 1 };
	struct feed_table t;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(feed_table_init(&t, &r, NULL, false, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "`d`.`keyless`"));
}

static int keep_order(void *arg, struct feed_batch *b, struct err *e)
{
	(void)e;
	assert_string_equal(b->put.buf, "");
	for (unsigned i = 0; i < b->n; i++)
		strbuf_addf(arg, "%s%.*s%s ", b->changes[i].it.put_bytes ? "+" : "-",
			    (int)b->changes[i].it.key_bytes, b->changes[i].key,
			    i + 1 < b->n ? "" : ";");
	return 0;
}

static void without_a_key_each_change_stays_in_its_order(void **unused)
{
	struct redo_column c[] = { int_column("id", 0, 1), int_column("g", COLF_GENERATED, 5),
				   text_column("v", 0, "utf8mb4", "x") };
	struct redo_row r = { .table = { .db = B("d"), .table = B("k") },
			      .columns = c,
			      .n_columns = 3 };
	struct feed_table t, *tables[] = { &t };
	struct feed_queue q = { 0 };
	struct feed_spool sp;
	struct strbuf items = STRBUF_INIT, all = STRBUF_INIT;
	struct err e = ERR_INIT;
	static const struct feed_item some[] = {
		{ .commit_ts = 1, .keyless = true, .put_bytes = 1 },
		{ .commit_ts = 2, .keyless = true },
		{ .commit_ts = 2, .keyless = true, .put_bytes = 1 }, /* cut off here */
		{ .commit_ts = 2, .keyless = true, .again = true },
		{ .commit_ts = 2, .keyless = true, .put_bytes = 1 },
		{ .commit_ts = 2, .keyless = true, .put_bytes = 1 },
	};

	(void)unused;
	assert_int_equal(feed_table_init(&t, &r, NULL, true, &e), 0);
	assert_true(t.keyless);
	assert_string_equal(t.replace_head, "INSERT INTO `d`.`k` (`id`,`v`) VALUES ");
	feed_add_key(&all, &t, c, 3);
	assert_string_equal(all.buf,
			    "(`id` <=> 1 AND BINARY CONVERT(`v` USING utf8mb4) <=> BINARY 'x')");
	strbuf_reset(&all);
	feed_spool_init(&sp, "/tmp", 1 << 20);
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		struct feed_item it = some[i];
		char text[3];

		it.key_bytes = 1;
		snprintf(text, sizeof(text), "%c|", "zyxyxw"[i]);
		assert_int_equal(feed_queue_push(&q, &sp, &it, text, &e), 0);
	}
	feed_queue_take(&q, &sp, 8, 256, 1 << 20, &items, &e);
	assert_int_equal(feed_batch_statements(&items, tables, keep_order, &all, &e), 0);
	assert_string_equal(all.buf, "+z -y +x +w; ");
	feed_queue_release(&q, &sp);
	feed_spool_release(&sp);
	feed_table_release(&t);
	strbuf_release(&items);
	strbuf_release(&all);
}

/* Far more than the memory: three queues over one budget of 300 KiB, 30 MB through them, in order,
 * byte for byte. */
static void the_queue_spills_and_keeps_its_order(void **unused)
{
	struct feed_spool sp;
	struct feed_queue q[3] = { { 0 } };
	struct rng in, out[3];
	struct strbuf items = STRBUF_INIT;
	struct err e = ERR_INIT;
	uint64_t taken[3] = { 0 }, pushed[3] = { 0 };
	static char put[70000], text[70000 + 32];

	(void)unused;
	memset(put, 'p', sizeof(put));
	feed_spool_init(&sp, "/tmp", 300 << 10);
	rng_seed(&in, 1);
	for (int i = 0; i < 3; i++)
		rng_seed3(&out[i], 2, (uint64_t)i, 0);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 10000; i++) {
			unsigned w = (unsigned)rng_below(&in, 3);
			/* the n-th item of queue w: its bytes derive from (w, n) */
			struct rng r;
			rng_seed3(&r, 3, w, pushed[w]);
			struct feed_item it = { .commit_ts = 1 + pushed[w] / 3, .table = w };
			it.key_bytes =
				(uint32_t)snprintf(text, 32, "%llu", (unsigned long long)pushed[w]);
			it.put_bytes = (uint32_t)(rng_below(&r, 100) ? rng_below(&r, 2000)
								     : rng_below(&r, sizeof(put)));
			memset(text + it.key_bytes, 'p', it.put_bytes);
			assert_int_equal(feed_queue_push(&q[w], &sp, &it, text, &e), 0);
			pushed[w]++;
		}
		assert_true(sp.chunks > 10);
		assert_true(sp.memory_bytes < (2 << 20));
		for (unsigned w = 0; w < 3; w++) {
			tso_t next;
			while ((next = feed_queue_next_ts(&q[w])) != 0) {
				assert_int_equal(next, 1 + taken[w] / 3);
				strbuf_reset(&items);
				int n = feed_queue_take(&q[w], &sp, next, 256, 1 << 20, &items, &e);
				assert_true(n >= 1 && n <= 3);
				for (size_t at = 0; at < items.len;) {
					struct feed_item it;
					struct rng r;
					char key[32];
					memcpy(&it, items.buf + at, sizeof(it));
					rng_seed3(&r, 3, w, taken[w]);
					uint32_t want = (uint32_t)(rng_below(&r, 100)
									   ? rng_below(&r, 2000)
									   : rng_below(&r, 70000));
					assert_int_equal(it.put_bytes, want);
					snprintf(key, sizeof(key), "%llu",
						 (unsigned long long)taken[w]);
					assert_memory_equal(items.buf + at + sizeof(it), key,
							    it.key_bytes);
					assert_memory_equal(items.buf + at + sizeof(it) +
								    it.key_bytes,
							    put, want);
					at += sizeof(it) + it.key_bytes + it.put_bytes;
					taken[w]++;
				}
			}
			assert_int_equal(taken[w], pushed[w]);
		}
		assert_int_equal(sp.chunks, 0);
		assert_int_equal(sp.memory_bytes, 0);
	}
	feed_spool_release(&sp);
	strbuf_release(&items);
}

/* Whatever the sizes: a batch ends where a commitTs ends, or is a piece of one alone; nothing is
 * lost and nothing changes its place. */
static void a_batch_is_cut_between_commits(void **unused)
{
	struct strbuf items = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct rng r;

	(void)unused;
	rng_seed(&r, 7);
	for (int round = 0; round < 300; round++) {
		struct feed_spool sp;
		struct feed_queue q = { 0 };
		/* of each commit: the number of its last item + 1 */
		unsigned ends[64], commits = 1 + (unsigned)rng_below(&r, 63), n = 0, taken = 0;

		feed_spool_init(&sp, "/tmp", 1 << 10);
		for (unsigned c = 0; c < commits; c++) {
			n += 1 + (unsigned)rng_below(&r, rng_below(&r, 4) ? 4 : 40);
			ends[c] = n;
		}
		for (unsigned i = 0, c = 0; i < n; i++) {
			char key[16];

			c += i == ends[c];
			snprintf(key, sizeof(key), "%u", i);
			push(&q, &sp, c + 1, 0, key, "(1,1)");
		}
		while (feed_queue_next_ts(&q)) {
			unsigned first = taken, max = 1 + (unsigned)rng_below(&r, 12);
			tso_t first_ts = feed_queue_next_ts(&q), last_ts = 0,
			      limit = first_ts + rng_below(&r, 5);
			int got = feed_queue_take(&q, &sp, limit, max,
						  rng_below(&r, 2) ? 1 << 20 : 150, &items, &e);

			assert_true(got >= 1 && (unsigned)got <= max);
			for (size_t at = 0; at < items.len; taken++) {
				struct feed_item it;

				memcpy(&it, items.buf + at, sizeof(it));
				assert_int_equal(strtoul(items.buf + at + sizeof(it), NULL, 10),
						 taken);
				last_ts = it.commit_ts;
				at += sizeof(it) + it.key_bytes + it.put_bytes;
			}
			assert_int_equal(taken, first + (unsigned)got);
			assert_true(last_ts <= limit);
			assert_true(first_ts == last_ts || taken == ends[last_ts - 1]);
		}
		assert_int_equal(taken, n);
		feed_queue_release(&q, &sp);
		feed_spool_release(&sp);
	}
	strbuf_release(&items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_keeps_the_newest_of_each_key),
		cmocka_unit_test(a_counter_is_raised_by_rows_that_are_gone),
		cmocka_unit_test(what_the_secondary_computes_is_asked_for),
		cmocka_unit_test(a_table_without_a_key_is_named),
		cmocka_unit_test(without_a_key_each_change_stays_in_its_order),
		cmocka_unit_test(the_queue_spills_and_keeps_its_order),
		cmocka_unit_test(a_batch_is_cut_between_commits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
