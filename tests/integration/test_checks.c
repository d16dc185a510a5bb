/* needs: mariadbd, mariadb-install-db. The ledger check and the model check on a server that a real
 * load wrote to. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/os/fs.h"
#include "harness/sql/tso_map.h"
#include "harness/verify/checks.h"
#include "tests/integration/mariadb_server.h"
#include "workloads/load.h"

static struct test_server *server;
static char dir[64], ledger[128];
static struct load *load;
static struct err e;

static void must(int rc)
{
	if (rc < 0)
		fail_msg("%s", e.text);
}

static int setup(void **state)
{
	(void)state;
	server = test_server_start(1);
	strcpy(dir, "/tmp/drtest-checks-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	test_server_free(server);
	return fs_remove_tree(dir, NULL);
}

static void begin(const char *name, double rate, uint64_t seed)
{
	struct load_opts o = { .name = "oltp_write_only",
			       .seed = seed,
			       .workers = 10,
			       .tables = 3,
			       .table_size = 1000,
			       .rate = rate,
			       .pace = LOAD_POISSON,
			       .ledger_rows = true,
			       .journal_start_ns = clock_mono_ns(),
			       .stop_on_lost = true };

	snprintf(ledger, sizeof(ledger), "%s/%s", dir, name);
	o.ledger_dir = ledger;
	load = load_new(&o, &e);
	must(load ? 0 : -1);
	load_cleanup(load, test_server_endpoint(server), NULL);
	must(load_prepare(load, test_server_endpoint(server), 2, deadline_in_ms(60000), &e));
	must(load_start(load, test_server_endpoint(server), 0, &e));
}

static struct verify_opts everything(void)
{
	struct verify_opts o = { .ledger_dir = ledger,
				 .model = load_model(load),
				 .point = UINT64_MAX,
				 .secondary = *test_server_endpoint(server),
				 .db = "sbtest",
				 .writer_of = load_writer_of,
				 .writer_ctx = load };

	return o;
}

static void expect(const struct verify_opts *o,
		   int (*check)(const struct verify_opts *, struct verify_result *, struct err *),
		   enum verdict v, const char *word)
{
	struct verify_result r;
	char *text;

	must(check(o, &r, &e));
	text = json_dumps(r.findings, 0);
	print_message("%s\n", r.evidence);
	if (r.verdict != v || (word && !strstr(text, word)))
		fail_msg("verdict %d, wanted %d: %s: %.3000s", (int)r.verdict, (int)v, r.evidence,
			 text);
	free(text);
	verify_result_release(&r);
}

static void a_stopped_load_is_exactly_there_and_a_changed_row_is_named(void **state)
{
	struct verify_opts o;
	struct verify_result r;
	struct tso_sampler *sampler;
	struct sql *s;
	char path[160];
	tso_t half, end;
	uint64_t seq;

	(void)state;
	snprintf(path, sizeof(path), "%s/positions", dir);
	sampler = tso_sampler_start(test_server_endpoint(server), path, 50, &e);
	must(sampler ? 0 : -1);
	begin("whole", 200, 42);
	o = everything();
	o.tso_map = tso_map_open(path, &e);
	must(o.tso_map ? 0 : -1);
	pause_ms(2500, deadline_in_ms(20000));
	must(tso_map_refresh(o.tso_map, &e));
	assert_int_equal(tso_map_last(o.tso_map, &seq, &half), 1);
	pause_ms(2500, deadline_in_ms(20000));
	must(load_stop(load, deadline_in_ms(5000), &e));
	must(load_error(load, &e));
	pause_ms(200, deadline_in_ms(1000));
	tso_sampler_stop(sampler);
	must(tso_map_refresh(o.tso_map, &e));
	assert_int_equal(tso_map_last(o.tso_map, &seq, &end), 1);
	o.point = end;
	expect(&o, check_ledger, VERDICT_PASS, NULL);
	expect(&o, check_model, VERDICT_PASS, NULL);
	must(check_rows(&o, &r, &e));
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_true(r.rows_checked >= 3000 && !r.rows_wrong);
	verify_result_release(&r);
	/* as if the point lay in the middle: all that came later is too early */
	o.point = half;
	expect(&o, check_ledger, VERDICT_FAIL, "early transaction");
	expect(&o, check_model, VERDICT_FAIL, "early update");
	expect(&o, check_rows, VERDICT_FAIL, "early row");
	o.point = end;
	s = test_server_connect(server);
	must((int)sql_exec(s, &e, "UPDATE sbtest.sbtest2 SET k = k + 1 WHERE id = 17"));
	must(check_model(&o, &r, &e));
	assert_int_equal(r.verdict, VERDICT_FAIL);
	assert_int_equal(r.rows_wrong, 1);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(r.findings, 0), "table")),
		"sbtest2");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(r.findings, 0), "id")),
			 17);
	verify_result_release(&r);
	must((int)sql_exec(s, &e, "UPDATE sbtest.sbtest2 SET k = k - 1 WHERE id = 17"));
	expect(&o, check_model, VERDICT_PASS, NULL);
	must((int)sql_exec(
		s, &e,
		"UPDATE sbtest.sbtest1 SET c = INSERT(c, 50, 1, (SUBSTR(c, 50, 1) + 1) %% 10) WHERE id = 3"));
	expect(&o, check_model, VERDICT_FAIL, "corrupt value");
	expect(&o, check_rows, VERDICT_FAIL, "corrupt value");
	must((int)sql_exec(
		s, &e,
		"UPDATE sbtest.sbtest1 SET c = INSERT(c, 50, 1, (SUBSTR(c, 50, 1) + 9) %% 10) WHERE id = 3"));
	must((int)sql_exec(s, &e, "DELETE FROM sbtest.sbtest3 WHERE id = 1000"));
	expect(&o, check_model, VERDICT_FAIL, "vanished row");
	o.before_replay = true;
	expect(&o, check_model, VERDICT_PASS, NULL);
	/* no row of the load's shape: nothing is judged by it */
	must((int)sql_exec(s, &e, "ALTER TABLE sbtest.sbtest1 MODIFY c CHAR(120)"));
	must((int)sql_exec(s, &e, "UPDATE sbtest.sbtest1 SET c = NULL WHERE id = 3"));
	assert_int_equal(check_model(&o, &r, &e), -1);
	assert_non_null(strstr(e.text, "sbtest1 has a row"));
	assert_int_equal(r.verdict, VERDICT_UNKNOWN);
	verify_result_release(&r);
	sql_close(s);
	tso_map_free(o.tso_map);
	load_free(load);
}

/* A server that was killed answers while it still rolls back what it found in flight. */
static void wait_for_rollback(void)
{
	struct deadline d = deadline_in_ms(20000);
	struct sql *s = test_server_connect(server);
	uint64_t n = 1;

	do
		must(sql_value_u64(
			s, &n, &e,
			"SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = 0"));
	while (n > 0 && pause_ms(20, d) == 0);
	sql_close(s);
}

static void after_a_kill_the_recovered_server_holds_what_was_acknowledged(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		struct verify_opts o;
		struct load_stats st = { 0 };
		struct deadline d = deadline_in_ms(5000);
		char name[16];

		snprintf(name, sizeof(name), "kill%d", round);
		begin(name, 0, 100 + (uint64_t)round);
		pause_ms(1000 + round * 37, deadline_in_ms(5000));
		test_server_kill(server);
		while (load_running(load) && pause_ms(10, d) == 0)
			;
		must(load_stop(load, deadline_in_ms(1000), &e));
		load_get_stats(load, &st);
		print_message("%" PRIu64 " acknowledged, %" PRIu64 " failed, %" PRIu64 " unknown\n",
			      st.acked, st.failed, st.unknown);
		test_server_restart(server);
		wait_for_rollback();
		o = everything();
		expect(&o, check_ledger, VERDICT_PASS, NULL);
		expect(&o, check_model, VERDICT_PASS, NULL);
		load_free(load);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stopped_load_is_exactly_there_and_a_changed_row_is_named),
		cmocka_unit_test(after_a_kill_the_recovered_server_holds_what_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
