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
#include "harness/binlog/netting.h"

static struct net_bytes text(const char *s)
{
	return (struct net_bytes){ s, s ? (uint32_t)strlen(s) : 0 };
}

static void add(struct netting *n, uint32_t table, const char *key, const char *before,
		const char *after)
{
	struct err e = ERR_INIT;

	assert_int_equal(netting_add(n, table, key, (uint32_t)strlen(key), text(before),
				     text(after), 100, &e),
			 0);
}

static void move(struct netting *n, const char *from, const char *to, const char *before,
		 const char *after)
{
	add(n, 0, from, before, NULL);
	add(n, 0, to, NULL, after);
}

/* "table:before>after ..." of all batches */
static const char *all(struct netting *n)
{
	static char out[4096];
	struct net_change *c;
	struct err e = ERR_INIT;
	size_t count, at = 0;
	bool more;

	out[0] = 0;
	do {
		assert_int_equal(netting_batch(n, &c, &count, &more, &e), 0);
		for (size_t i = 0; i < count; i++)
			at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%u:%.*s>%.*s",
					       at ? " " : "", c[i].table, (int)c[i].before.n,
					       c[i].before.p ? (const char *)c[i].before.p : "",
					       (int)c[i].after.n,
					       c[i].after.p ? (const char *)c[i].after.p : "");
	} while (more);
	netting_reset(n);
	return out;
}

static void each_key_has_one_net_change(void **unused)
{
	struct netting *n = netting_new(1 << 20, "/tmp");

	(void)unused;
	add(n, 0, "1", NULL, "a");
	add(n, 0, "1", "a", "bb");
	assert_string_equal(all(n), "0:>bb"); /* insert, update: an insert of the last */
	add(n, 0, "1", NULL, "a");
	add(n, 0, "1", "a", NULL);
	assert_string_equal(all(n), ""); /* came and went */
	add(n, 0, "1", "a", "b");
	add(n, 0, "1", "b", "ccc");
	add(n, 0, "1", "ccc", "d");
	assert_string_equal(all(n), "0:a>d"); /* first old, last new */
	add(n, 0, "1", "a", "b");
	add(n, 0, "1", "b", "a");
	assert_string_equal(all(n), ""); /* back to what it was */
	add(n, 0, "1", "a", NULL);
	add(n, 0, "1", NULL, "b");
	assert_string_equal(all(n), "0:a>b"); /* deleted and inserted again: an update */
	add(n, 0, "1", "a", "b");
	add(n, 0, "1", "b", NULL);
	assert_string_equal(all(n), "0:a>");
	add(n, 0, "1", "a", NULL);
	add(n, 0, "1", NULL, "a");
	assert_string_equal(all(n), "");
	netting_free(n);
}

static void a_key_that_changes_is_a_delete_and_an_insert(void **unused)
{
	struct netting *n = netting_new(1 << 20, "/tmp");

	(void)unused;
	move(n, "1", "2", "1x", "2x");
	assert_string_equal(all(n), "0:1x> 0:>2x");
	move(n, "1", "2", "1x", "2x"); /* 1 -> 2 -> 3 */
	move(n, "2", "3", "2x", "3x");
	assert_string_equal(all(n), "0:1x> 0:>3x");
	move(n, "1", "9", "1x", "9x"); /* a swap through 9 */
	move(n, "2", "1", "2y", "1y");
	move(n, "9", "2", "9x", "2x");
	assert_string_equal(all(n), "0:1x>1y 0:2y>2x");
	move(n, "3", "9", "3z", "9z"); /* 1 -> 2 -> 3 -> 1 */
	move(n, "2", "3", "2y", "3y");
	move(n, "1", "2", "1x", "2x");
	move(n, "9", "1", "9z", "1z");
	assert_string_equal(all(n), "0:3z>3y 0:2y>2x 0:1x>1z");
	move(n, "1", "2", "1x", "2x"); /* and back */
	move(n, "2", "1", "2x", "1x");
	assert_string_equal(all(n), "");
	netting_free(n);
}

static void tables_stay_apart_and_deletes_come_first(void **unused)
{
	struct netting *n = netting_new(1 << 20, "/tmp");

	(void)unused;
	add(n, 1, "k", NULL, "new1");
	add(n, 0, "k", NULL, "new0");
	add(n, 1, "l", "old1", NULL);
	add(n, 0, "m", "a", "b");
	add(n, 0, "n", "old0", NULL);
	assert_string_equal(all(n), "0:old0> 0:>new0 0:a>b 1:old1> 1:>new1");
	netting_free(n);
}

/* A random history over few keys, netted in little memory, must equal the first and the last state
 * of each. */
static void what_is_spilled_nets_the_same(void **unused)
{
	enum { KEYS = 3000, STEPS = 60000 };
	char(*first)[24] = xcalloc(KEYS, sizeof(*first)),
	(*last)[24] = xcalloc(KEYS, sizeof(*last));
	char *touched = xcalloc(KEYS, 1), *given = xcalloc(KEYS, 1);
	size_t changed = 0, got = 0, batches = 0;
	struct netting *n = netting_new(50000, "/tmp");
	struct net_change *c;
	struct err e = ERR_INIT;
	struct rng rng;
	bool more, puts = false;

	(void)unused;
	rng_seed(&rng, 7);
	for (int k = 0; k < KEYS; k += 2)
		snprintf(first[k], sizeof(first[k]), "%d first", k);
	memcpy(last, first, KEYS * sizeof(*first));
	for (int i = 0; i < STEPS; i++) {
		int k = (int)rng_below(&rng, KEYS);
		char key[12], now[24] = "";

		snprintf(key, sizeof(key), "%d", k);
		if (!*last[k] || rng_below(&rng, 2))
			snprintf(now, sizeof(now), "%d at %d", k, i);
		if (*last[k] && rng_below(&rng, 100) == 0)
			snprintf(now, sizeof(now), "%s", first[k]);
		add(n, 0, key, *last[k] ? last[k] : NULL, *now ? now : NULL);
		memcpy(last[k], now, sizeof(now));
		touched[k] = 1;
	}
	for (int k = 0; k < KEYS; k++)
		changed += strcmp(first[k], last[k]) != 0;
	do {
		size_t count;

		assert_int_equal(netting_batch(n, &c, &count, &more, &e), 0);
		batches++;
		for (size_t i = 0; i < count; i++, got++) {
			int k = atoi(c[i].before.p ? c[i].before.p : c[i].after.p);

			assert_true(touched[k] && !given[k]);
			given[k] = 1;
			assert_int_equal(c[i].before.n, strlen(first[k]));
			assert_int_equal(c[i].after.n, strlen(last[k]));
			assert_memory_equal(c[i].before.p ? c[i].before.p : "", first[k],
					    c[i].before.n);
			assert_memory_equal(c[i].after.p ? c[i].after.p : "", last[k],
					    c[i].after.n);
			assert_true(c[i].after.p || !puts);
			puts = puts || c[i].after.p;
		}
	} while (more);
	assert_int_equal(got, changed);
	assert_true(batches > 20); /* of the disk: it was spilled */
	netting_free(n);
	free(first);
	free(last);
	free(touched);
	free(given);
}

/* Its tables are not kept, and the next transaction has none. */
static void after_a_huge_transaction_comes_a_small_one(void **unused)
{
	struct netting *n = netting_new((size_t)1 << 30, "/tmp");
	struct net_change *c;
	struct err e = ERR_INIT;
	size_t count;
	bool more;

	(void)unused;
	for (int i = 0; i < 70000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		add(n, 0, key, NULL, "x");
	}
	assert_int_equal(netting_batch(n, &c, &count, &more, &e), 0);
	assert_int_equal(count, 70000);
	assert_false(more);
	netting_reset(n);
	add(n, 0, "1", NULL, "a");
	assert_string_equal(all(n), "0:>a");
	netting_free(n);
}

static void a_full_or_missing_directory_is_an_error(void **unused)
{
	struct netting *n = netting_new(1000, "/nonexistent/here");
	struct err e = ERR_INIT;
	int rc = 0;

	(void)unused;
	for (int i = 0; i < 100 && rc == 0; i++)
		rc = netting_add(n, 0, &i, sizeof(i), text(NULL), text("x"), 100, &e);
	assert_int_equal(rc, -1);
	assert_non_null(strstr(e.text, "/nonexistent/here"));
	netting_free(n);
}

static void count(struct netting *n, const char *image, int by)
{
	struct err e = ERR_INIT;

	assert_int_equal(netting_count(n, 7, text(image), by, 100, &e), 0);
}

/* Rows without a key are counted by their image, in memory and where most of them lie in files. */
static void rows_without_a_key_are_counted(void **unused)
{
	(void)unused;
	for (int spills = 0; spills < 2; spills++) {
		struct netting *n = netting_new(spills ? 400 : 1 << 20, "/tmp");
		struct net_change *c;
		struct err e = ERR_INIT;
		size_t got, gone = 0, came = 0;
		bool more, deletes_over = false;

		add(n, 0, "1", "a", "b");
		for (int i = 0; i < 50; i++) {
			char image[8];

			snprintf(image, sizeof(image), "i%d", i);
			count(n, image, 1); /* comes and goes */
			count(n, "old", -1);
			count(n, image, -1);
			count(n, "new", i % 2 ? 1 : 2);
		}
		count(n, "new", -1);
		do {
			assert_int_equal(netting_batch(n, &c, &got, &more, &e), 0);
			for (size_t i = 0; i < got; i++) {
				if (c[i].table == 0) {
					assert_int_equal(c[i].times, 1);
					deletes_over = true; /* an update is a put */
				} else if (c[i].before.p) {
					assert_false(deletes_over && spills);
					assert_memory_equal(c[i].before.p, "old", 3);
					assert_null(c[i].after.p);
					gone += c[i].times;
				} else {
					assert_memory_equal(c[i].after.p, "new", 3);
					came += c[i].times;
				}
			}
		} while (more);
		assert_int_equal(gone, 50);
		assert_int_equal(came, 74);
		netting_free(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_has_one_net_change),
		cmocka_unit_test(a_key_that_changes_is_a_delete_and_an_insert),
		cmocka_unit_test(tables_stay_apart_and_deletes_come_first),
		cmocka_unit_test(what_is_spilled_nets_the_same),
		cmocka_unit_test(rows_without_a_key_are_counted),
		cmocka_unit_test(after_a_huge_transaction_comes_a_small_one),
		cmocka_unit_test(a_full_or_missing_directory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
