/* The check of histories: each anomaly of the literature, planted in a small history, is named;
 * what a healthy server does passes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/strbuf.h"
#include "harness/os/fs.h"
#include "harness/verify/isolation.h"

static char dir[64];

static void begin(void)
{
	strcpy(dir, "/tmp/drtest-history-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static void put(uint32_t worker, const char *text)
{
	struct err e = ERR_INIT;
	char path[128];

	snprintf(path, sizeof(path), "%s/worker-%04u.history", dir, worker);
	if (fs_write_atomic(path, text, strlen(text), 0644, &e) < 0)
		fail_msg("%s", e.text);
}

struct lists {
	int64_t key;
	const char *list;
};

static int give(void *arg, uint32_t table, history_list_fn *fn, void *to, struct err *e)
{
	(void)e;
	for (const struct lists *l = arg; table == 1 && l->list; l++)
		if (fn(to, table, l->key, l->list, strlen(l->list)) < 0)
			return -1;
	return 0;
}

static struct isolation_result judge(const struct lists *lists, uint64_t limit)
{
	struct isolation_opts o = {
		.dir = dir, .kind = "append", .limit = limit, .lists = give, .arg = (void *)lists
	};
	struct isolation_result r;
	struct err e = ERR_INIT;

	if (isolation_check(&o, &r, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(fs_remove_tree(dir, &e), 0);
	return r;
}

static void expect(const struct lists *lists, uint64_t limit, enum verdict v, const char *kind)
{
	struct isolation_result r = judge(lists, limit);
	char *text = json_dumps(r.findings, 0);

	if (r.verdict != v || (kind && !strstr(text, kind)))
		fail_msg("verdict %d, not %d with %s: %s %s", (int)r.verdict, (int)v,
			 kind ? kind : "nothing", r.evidence, text);
	free(text);
	json_decref(r.findings);
}

#define T(w, s, out, pos, ops)                                                                 \
	"{\"worker\":" #w ",\"seq\":" #s ",\"outcome\":\"" out                                 \
	"\",\"cluster\":0,\"begin_us\":1,\"end_us\":2,\"position\":\"" #pos "\",\"ops\":[" ops \
	"]}\n"
#define A(key, element) "[\"append\",1," #key ",\"" element "\"]"
#define R(key, list) "[\"read\",1," #key ",\"" list "\"]"

static void a_healthy_history_passes(void **state)
{
	(void)state;
	begin();
	put(1, T(1, 1, "acked", 1, A(7, "1.1.1") "," A(7, "1.1.2") "," R(7, "1.1.1 1.1.2"))
		       T(1, 2, "acked", 0, R(7, "1.1.1 1.1.2") "," R(9, "")));
	put(2, T(2, 1, "failed", 0, A(7, "2.1.1"))
		       T(2, 2, "acked", 2, R(7, "1.1.1 1.1.2") "," A(7, "2.2.2"))
			       T(2, 3, "unknown", 0, A(7, "2.3.1")));
	expect((struct lists[]){ { 7, "1.1.1 1.1.2 2.2.2" }, { 0, NULL } }, UINT64_MAX,
	       VERDICT_PASS, NULL);
	/* one that is lost beyond the point is no anomaly, and one whose fate was unknown may be
	 * there */
	begin();
	put(1, T(1, 1, "acked", 1, A(7, "1.1.1")) T(1, 2, "acked", 5, A(7, "1.2.1"))
		       T(1, 3, "acked", 0, R(7, "1.1.1 1.2.1")));
	expect((struct lists[]){ { 7, "1.1.1" }, { 0, NULL } }, 3, VERDICT_PASS, NULL);
	begin();
	put(1, T(1, 1, "acked", 1, A(7, "1.1.1")) T(1, 2, "unknown", 0, A(7, "1.2.1")));
	expect((struct lists[]){ { 7, "1.1.1 1.2.1" }, { 0, NULL } }, 3, VERDICT_PASS, NULL);
}

/* One of the cycle also comes before a transaction that was looked at first and is in none. */
static void a_cycle_is_found_behind_what_was_looked_at_before(void **state)
{
	(void)state;
	begin();
	put(1, T(1, 1, "acked", 3, A(3, "1.1.1")));
	put(2, T(2, 1, "acked", 1, A(1, "2.1.1") "," A(2, "2.1.2") "," A(3, "2.1.3")));
	put(3, T(3, 1, "acked", 2, A(1, "3.1.1") "," A(2, "3.1.2")));
	expect((struct lists[]){ { 1, "2.1.1 3.1.1" },
				 { 2, "3.1.2 2.1.2" },
				 { 3, "2.1.3 1.1.1" },
				 { 0, NULL } },
	       UINT64_MAX, VERDICT_FAIL, "G0");
}

/* The way back leads from the second of those that one comes before; and a way on to another, past
 * one that was looked at before, is no way back. */
static void each_edge_of_a_transaction_is_its_own(void **state)
{
	(void)state;
	begin();
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1") "," A(2, "1.1.2") "," A(3, "1.1.3")));
	put(2, T(2, 1, "acked", 2, A(1, "2.1.1")));
	put(3, T(3, 1, "acked", 3, A(2, "3.1.1") "," A(3, "3.1.2")));
	expect((struct lists[]){ { 1, "1.1.1 2.1.1" },
				 { 2, "1.1.2 3.1.1" },
				 { 3, "3.1.2 1.1.3" },
				 { 0, NULL } },
	       UINT64_MAX, VERDICT_FAIL, "G0");
	begin();
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1")));
	put(2, T(2, 1, "acked", 3, A(1, "2.1.1")));
	put(3, T(3, 1, "acked", 2, A(1, "3.1.1")));
	put(4, T(4, 1, "acked", 4, A(1, "4.1.1")));
	expect((struct lists[]){ { 1, "1.1.1 3.1.1 2.1.1 4.1.1" }, { 0, NULL } }, UINT64_MAX,
	       VERDICT_PASS, NULL);
}

static void each_anomaly_is_named(void **state)
{
	(void)state;
	begin(); /* the two lists have the two transactions in opposite orders */
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1") "," A(2, "1.1.2")));
	put(2, T(2, 1, "acked", 2, A(1, "2.1.1") "," A(2, "2.1.2")));
	expect((struct lists[]){ { 1, "1.1.1 2.1.1" }, { 2, "2.1.2 1.1.2" }, { 0, NULL } },
	       UINT64_MAX, VERDICT_FAIL, "G0");
	begin();
	put(1, T(1, 1, "failed", 0, A(1, "1.1.1")));
	put(2, T(2, 1, "acked", 0, R(1, "1.1.1")));
	expect((struct lists[]){ { 0, NULL } }, UINT64_MAX, VERDICT_FAIL, "G1a");
	begin();
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1") "," A(1, "1.1.2")));
	put(2, T(2, 1, "acked", 0, R(1, "1.1.1")));
	expect((struct lists[]){ { 1, "1.1.1 1.1.2" }, { 0, NULL } }, UINT64_MAX, VERDICT_FAIL,
	       "G1b");
	begin(); /* each reads what the other wrote */
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1") "," R(2, "2.1.1")));
	put(2, T(2, 1, "acked", 2, A(2, "2.1.1") "," R(1, "1.1.1")));
	expect((struct lists[]){ { 1, "1.1.1" }, { 2, "2.1.1" }, { 0, NULL } }, UINT64_MAX,
	       VERDICT_FAIL, "G1c");
	begin();
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1")) T(1, 2, "acked", 2, A(1, "1.2.1")));
	expect((struct lists[]){ { 1, "1.2.1" }, { 0, NULL } }, UINT64_MAX, VERDICT_FAIL,
	       "lost update");
	begin(); /* at a point: what is at or before it, and a list that is gone */
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1")));
	expect((struct lists[]){ { 0, NULL } }, 1, VERDICT_FAIL, "lost update");
	begin();
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1") "," R(1, "")));
	expect((struct lists[]){ { 1, "1.1.1" }, { 0, NULL } }, UINT64_MAX, VERDICT_FAIL,
	       "internal");
	begin();
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1")) T(1, 2, "acked", 0, R(1, "1.1.1 2.1.1")));
	put(2, T(2, 1, "acked", 2, A(1, "2.1.1")) T(2, 2, "acked", 0, R(1, "2.1.1")));
	expect((struct lists[]){ { 1, "1.1.1 2.1.1" }, { 0, NULL } }, UINT64_MAX, VERDICT_FAIL,
	       "incompatible order");
	begin();
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1")));
	expect((struct lists[]){ { 1, "1.1.1 1.1.1" }, { 0, NULL } }, UINT64_MAX, VERDICT_FAIL,
	       "duplicate element");
	begin();
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1")));
	expect((struct lists[]){ { 1, "1.1.1 9.9.9" }, { 0, NULL } }, UINT64_MAX, VERDICT_FAIL,
	       "element of nobody");
	begin(); /* half a transaction in the cluster */
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1") "," A(1, "1.1.2")));
	expect((struct lists[]){ { 1, "1.1.1" }, { 0, NULL } }, UINT64_MAX, VERDICT_FAIL, "G1b");
}

static void what_is_not_known_is_unknown(void **state)
{
	(void)state;
	begin();
	put(1, T(1, 1, "acked", 1, A(1, "1.1.1")) "{\"worker\":1,\"se");
	expect((struct lists[]){ { 1, "1.1.1" }, { 0, NULL } }, UINT64_MAX, VERDICT_UNKNOWN, NULL);
	begin();
	expect((struct lists[]){ { 0, NULL } }, UINT64_MAX, VERDICT_UNKNOWN, NULL);
}

static void a_broken_sum_is_named(void **state)
{
	struct isolation_opts o = { .dir = dir, .kind = "bank", .limit = UINT64_MAX };
	struct err e = ERR_INIT;

	(void)state;
	for (int broken = 0; broken < 2; broken++) {
		struct isolation_result r;

		begin();
		put(1, T(1, 1, "acked", 1, "[\"transfer\",1,3,4,10]")
			       T(1, 2, "acked", 0, "[\"total\",1,\"100\",\"100000\",100000]"));
		put(2, broken ? T(2, 1, "acked", 0, "[\"total\",1,\"100\",\"99990\",100000]")
			      : T(2, 1, "acked", 0, "[\"total\",1,100,100000,100000]"));
		if (isolation_check(&o, &r, &e) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(r.verdict, broken ? VERDICT_FAIL : VERDICT_PASS);
		assert_int_equal(r.sums, broken);
		json_decref(r.findings);
		assert_int_equal(fs_remove_tree(dir, &e), 0);
	}
}

/* Histories of a made-up serial server pass; any bytes instead of a line's own do no harm. */
static void any_bytes_do_no_harm(void **state)
{
	static const char good[] = T(1, 1, "acked", 1, A(7, "1.1.1") "," R(7, "1.1.1"))
		T(1, 2, "acked", 2, A(7, "1.2.1") "," R(7, "1.1.1 1.2.1"))
			T(1, 3, "unknown", 0, R(8, ""));
	struct rng g;

	(void)state;
	rng_seed(&g, 9);
	for (int i = 0; i < 1500; i++) {
		struct isolation_opts o = { .kind = "append", .limit = UINT64_MAX };
		struct isolation_result r;
		struct err e = ERR_INIT;
		char text[sizeof(good)];

		memcpy(text, good, sizeof(good));
		for (uint64_t n = 1 + rng_below(&g, 4); n--;)
			text[rng_below(&g, sizeof(good) - 1)] = (char)(1 + rng_below(&g, 255));
		begin();
		put(1, text);
		o.dir = dir;
		isolation_check(&o, &r, &e);
		json_decref(r.findings);
		assert_int_equal(fs_remove_tree(dir, &e), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_history_passes),
		cmocka_unit_test(a_cycle_is_found_behind_what_was_looked_at_before),
		cmocka_unit_test(each_edge_of_a_transaction_is_its_own),
		cmocka_unit_test(each_anomaly_is_named),
		cmocka_unit_test(what_is_not_known_is_unknown),
		cmocka_unit_test(a_broken_sum_is_named),
		cmocka_unit_test(any_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
