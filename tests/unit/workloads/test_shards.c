/* workloads/shards: totals travel as JSON and add up exactly; what a search tells of its load is
 * taken whole or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "workloads/shards/follow.h"

static struct load_total *total_of(uint64_t seed, unsigned n)
{
	struct load_total *t = xcalloc(1, sizeof(*t));
	struct rng g;

	rng_seed(&g, seed);
	for (unsigned i = 0; i < n; i++)
		for (int k = 0; k < 3; k++)
			hist_add(&t->h[k], rng_below(&g, 1u << (4 + 9 * k)));
	t->st.acked = n;
	t->st.started = n + 3;
	t->st.unknown = 3;
	t->st.statements = 6ull * n;
	t->st.backlog = seed;
	t->seconds = 1.5 * (double)seed;
	t->workers = 2;
	t->shards = 1;
	return t;
}

static void totals_add_up_bucket_by_bucket(void **unused)
{
	struct load_total *one[3], *sum = xcalloc(1, sizeof(*sum)),
				   *back = xcalloc(1, sizeof(*back));
	struct hist want[3] = { 0 };

	(void)unused;
	for (unsigned i = 0; i < 3; i++) {
		struct err e = ERR_INIT;
		json_t *j;
		char *text;

		one[i] = total_of(i + 1, 1000 * (i + 1));
		for (int k = 0; k < 3; k++)
			hist_merge(&want[k], &one[i]->h[k]);
		j = load_total_json("l", 42, one[i], true);
		text = json_dumps(j, JSON_COMPACT);
		json_decref(j);
		j = json_loads(text, 0, NULL);
		assert_int_equal(load_total_from_json(back, j, &e), 0);
		for (int k = 0; k < 3; k++)
			assert_memory_equal(&back->h[k], &one[i]->h[k], sizeof(back->h[k]));
		load_total_add(sum, back);
		json_decref(j);
		free(text);
	}
	for (int k = 0; k < 3; k++)
		assert_memory_equal(&sum->h[k], &want[k], sizeof(want[k]));
	assert_int_equal(sum->st.acked, 6000);
	assert_int_equal(sum->st.unknown, 9);
	assert_int_equal(sum->st.backlog, 6);
	assert_int_equal(sum->workers, 6);
	assert_int_equal(sum->shards, 3);
	assert_true(sum->seconds == 4.5);
	/* what came between two marks */
	load_total_subtract(sum, one[0]);
	assert_int_equal(sum->st.acked, 5000);
	assert_int_equal(sum->h[1].count, 5000);
	for (int i = 0; i < 3; i++)
		free(one[i]);
	free(sum);
	free(back);
}

static void damaged_totals_are_refused(void **unused)
{
	struct load_total *t = total_of(1, 100), *back = xcalloc(1, sizeof(*back));
	json_t *good = load_total_json("l", 42, t, true);
	static const char *const path[] = { "schema", "acked", "latency" };

	(void)unused;
	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		json_t *bad = json_deep_copy(good);
		struct err e = ERR_INIT;

		json_object_del(bad, path[i]);
		assert_int_equal(load_total_from_json(back, bad, &e), -1);
		assert_int_equal(e.kind, ERR_BAD_DATA);
		json_decref(bad);
	}
	/* a slot that is none; a count that is not the slots' sum */
	json_array_append_new(json_object_get(json_object_get(good, "latency"), "slots"),
			      json_pack("[ii]", HIST_SLOTS, 1));
	assert_int_equal(load_total_from_json(back, good, NULL), -1);
	json_decref(good);
	good = load_total_json("l", 42, t, true);
	json_object_set_new(json_object_get(good, "served"), "count", json_integer(101));
	assert_int_equal(load_total_from_json(back, good, NULL), -1);
	json_decref(good);
	free(t);
	free(back);
}

static void a_search_tells_its_load(void **unused)
{
	const char *const set[] = { "warehouses=3", "items=5", NULL };
	struct load_opts told = { .name = "/somewhere/queue.lua",
				  .tables = 7,
				  .load_tables = 3,
				  .table_size = 1234,
				  .workers = 25,
				  .rate = 12.5,
				  .pace = LOAD_EVEN,
				  .protocol = LOAD_ONE_PACKET,
				  .rand_type = "zipfian",
				  .ledger_rows = true,
				  .backlog_max = 99,
				  .set = set };
	struct load_opts mine = { .name = "./queue.lua" };
	struct sql_endpoint ep = {
		.host = "10.0.0.9", .port = 4000, .user = "u", .password = "secret"
	};
	struct sql_endpoint to = { .host = "127.0.0.1", .port = 3306, .user = "root" };
	json_t *search = follow_search(&told);
	char *own[8], *text;
	struct err e = ERR_INIT;
	size_t n;

	(void)unused;
	follow_tell_endpoint(search, &ep);
	text = json_dumps(search, 0);
	assert_null(strstr(text, "secret"));
	free(text);
	assert_int_equal(follow_load(search, &mine, own, 8, &n, &e), 0);
	assert_string_equal(mine.name, "./queue.lua");
	assert_int_equal(mine.tables, 7);
	assert_int_equal(mine.load_tables, 3);
	assert_int_equal(mine.table_size, 1234);
	assert_int_equal(mine.workers, 25);
	assert_true(mine.rate == 12.5 && mine.pace == LOAD_EVEN && mine.ledger_rows);
	assert_int_equal(mine.protocol, LOAD_ONE_PACKET);
	assert_int_equal(mine.backlog_max, 99);
	assert_string_equal(mine.rand_type, "zipfian");
	assert_int_equal(n, 2);
	assert_string_equal(own[1], "items=5");
	while (n)
		free(own[--n]);
	follow_endpoint(search, &to);
	assert_string_equal(to.host, "10.0.0.9");
	assert_int_equal(to.port, 4000);
	assert_string_equal(to.password, "");
	mine.name = "bank";
	assert_int_equal(follow_load(search, &mine, own, 8, &n, &e), -1);
	assert_non_null(strstr(e.text, "this is load bank, the search has load queue"));
	mine.name = "queue.lua";
	assert_int_equal(follow_load(search, &mine, own, 1, &n, &e), -1);
	json_object_set_new(search, "workers", json_integer(-1));
	assert_int_equal(follow_load(search, &mine, own, 8, &n, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	json_decref(search);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(totals_add_up_bucket_by_bucket),
		cmocka_unit_test(damaged_totals_are_refused),
		cmocka_unit_test(a_search_tells_its_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
