/* workloads/shards: totals travel as JSON and add up exactly; what a search tells of its load is
 * taken whole or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/verify/ledger.h"
#include "workloads/shards/follow.h"
#include "workloads/shards/lead.h"

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
	struct load_opts all = { .workers = 5, .backlog_max = 10 };
	json_t *search = follow_search(&told);
	char *own[8], *text;
	struct err e = ERR_INIT;
	size_t n;

	(void)unused;
	assert_int_equal(follow_share(&all, 2).workers, 3);
	assert_int_equal(follow_share(&all, 3).backlog_max, 4); /* due to all of them */
	all.backlog_max = 0;
	assert_int_equal(follow_share(&all, 4).backlog_max, LOAD_BACKLOG_MAX / 4);
	follow_tell_target(search, &ep, 2, 77000, true);
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
	assert_int_equal(mine.cluster, 2);
	assert_int_equal(mine.journal_start_ns, 77000);
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

/* From another machine: by the wall clock. */
static void a_search_elsewhere_tells_its_zero(void **unused)
{
	struct load_opts told = { .name = "bank", .workers = 1 }, mine = { .name = "bank" };
	int64_t zero_ns = clock_mono_ns() - 3600 * 1000000000ll;
	json_t *search = follow_search(&told);
	char *own[1];
	size_t n;

	(void)unused;
	assert_int_equal(follow_load(search, &mine, own, 1, &n, NULL), -1); /* it tells no zero */
	follow_tell_target(search, &(struct sql_endpoint){ .host = "h" }, 0, zero_ns, false);
	assert_int_equal(follow_load(search, &mine, own, 1, &n, NULL), 0);
	/* but for a step of the wall clock meanwhile, of less than half an hour */
	assert_in_range(mine.journal_start_ns - zero_ns + 1800 * 1000000000ll, 0,
			3600 * 1000000000ll);
	json_decref(search);
}

static void put_text(struct store *s, const char *key, const char *text, size_t n)
{
	assert_int_equal(store_put(s, key, text, n, NULL), 0);
}

/* Of two workers one's ledger was left whole, the other's only as far as its pieces went. */
static void a_shard_that_died_while_it_left_is_joined(void **unused)
{
	char dir[] = "/tmp/drtest-shards.XXXXXX", uri[64], from[64], to[64], one[64], piece[512];
	struct ledger_record r = { .worker = 1, .outcome = TXN_ACKED, .seq = 1 };
	struct strbuf whole[2] = { STRBUF_INIT, STRBUF_INIT };
	struct load_joined sum;
	struct err e = ERR_INIT;
	struct store *s;
	size_t n = 0;

	(void)unused;
	assert_non_null(mkdtemp(dir));
	snprintf(uri, sizeof(uri), "file://%s/meet", dir);
	snprintf(from, sizeof(from), "%s/from", dir);
	snprintf(to, sizeof(to), "%s/to", dir);
	assert_int_equal(fs_mkdir_p(from, 0700, &e), 0);
	for (r.worker = 1; r.worker <= 2; r.worker++) {
		struct ledger_writer *w = ledger_writer_open(from, r.worker, &e);

		for (r.seq = 1; r.seq <= 3; r.seq++)
			ledger_writer_add(w, &r);
		assert_int_equal(ledger_writer_close(w, &e), 0);
		snprintf(one, sizeof(one), "%s/worker-%04u.ledger", from, r.worker);
		assert_int_equal(fs_read_file(one, 1024, &whole[r.worker - 1], &e), 0);
		n += (size_t)snprintf(piece + n, sizeof(piece) - n, "worker-%04u.ledger 0 96\n",
				      r.worker);
		memcpy(piece + n, whole[r.worker - 1].buf, 96);
		n += 96;
	}
	s = store_open(uri, NULL, &e);
	assert_non_null(s);
	assert_int_equal(load_store_put_json(s, "start.json",
					     json_pack("{s:i,s:i,s:i,s:i}", "shards", 1, "workers",
						       2, "seed", 1, "wall_us", 1),
					     &e),
			 0);
	put_text(s, "piece/00001/000001", piece, n);
	put_text(s, "ledger/worker-0001.ledger", whole[0].buf, whole[0].len);
	if (load_joined_read(&sum, s, to, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(sum.n_silent, 1);
	assert_int_equal(sum.files, 2);
	assert_int_equal(sum.ledger_acked, 3 + 2);
	load_joined_release(&sum);
	for (int i = 0; i < 2; i++)
		strbuf_release(&whole[i]);
	store_free(s);
	assert_int_equal(fs_remove_tree(dir, &e), 0);
}

/* Shards that wait for a search hear that it has ended. */
static void a_search_that_ends_early_calls_its_shards_off(void **unused)
{
	char dir[] = "/tmp/drtest-shards.XXXXXX", uri[64];
	struct sql_endpoint nowhere = { .host = "127.0.0.1", .port = 1 };
	struct load_opts load = { .name = "bank", .workers = 2 };
	struct load_joined sum;
	struct err e = ERR_INIT;
	json_t *start = NULL;
	struct store *s;
	struct lead *l;

	(void)unused;
	assert_non_null(mkdtemp(dir));
	snprintf(uri, sizeof(uri), "file://%s/meet", dir);
	l = lead_new(
		&(struct lead_opts){ .rendezvous = uri, .shards = 2, .load = &load, .dir = dir },
		&e);
	assert_non_null(l);
	clock_cancel(SIGINT);
	assert_int_equal(lead_start(l, &nowhere, 0, &e), -1);
	clock_cancel_reset();
	lead_free(l);
	s = store_open(uri, NULL, &e);
	assert_int_equal(load_store_get_json(s, "start.json", 1024, &start, &e), 0);
	assert_true(json_is_true(json_object_get(start, "called_off")));
	json_decref(start);
	assert_int_equal(load_joined_read(&sum, s, NULL, &e), -1);
	assert_non_null(strstr(e.text, "ended before its load began"));
	load_joined_release(&sum);
	/* another search's place is left as it is */
	assert_int_equal(load_store_put_json(s, "start.json", json_pack("{s:i}", "shards", 7), &e),
			 0);
	assert_null(lead_new(
		&(struct lead_opts){ .rendezvous = uri, .shards = 2, .load = &load, .dir = dir },
		&e));
	assert_non_null(strstr(e.text, "has already used this place"));
	assert_int_equal(load_store_get_json(s, "start.json", 1024, &start, &e), 0);
	assert_int_equal(json_integer_value(json_object_get(start, "shards")), 7);
	json_decref(start);
	store_free(s);
	assert_int_equal(fs_remove_tree(dir, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(totals_add_up_bucket_by_bucket),
		cmocka_unit_test(damaged_totals_are_refused),
		cmocka_unit_test(a_search_tells_its_load),
		cmocka_unit_test(a_search_elsewhere_tells_its_zero),
		cmocka_unit_test(a_shard_that_died_while_it_left_is_joined),
		cmocka_unit_test(a_search_that_ends_early_calls_its_shards_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
