/* needs: mariadbd, mariadb-install-db. The load engine against a real server, up to the server's
 * death. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/os/fs.h"
#include "harness/verify/ledger.h"
#include "tests/integration/mariadb_server.h"
#include "workloads/load.h"

static struct test_server *server;
static char dir[64];

static int setup(void **state)
{
	(void)state;
	server = test_server_start(1);
	strcpy(dir, "/tmp/drtest-load-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	test_server_free(server);
	return fs_remove_tree(dir, NULL);
}

static struct load *make(double rate, unsigned workers, const char *ledger, bool stop_on_lost)
{
	static char path[128];
	struct load_opts o = { .name = "oltp_write_only",
			       .seed = 42,
			       .workers = workers,
			       .tables = 3,
			       .table_size = 1000,
			       .rate = rate,
			       .pace = LOAD_POISSON,
			       .ledger_rows = true,
			       .journal_start_ns = clock_mono_ns(),
			       .stop_on_lost = stop_on_lost };
	struct err e = ERR_INIT;
	struct load *l;

	snprintf(path, sizeof(path), "%s/%s", dir, ledger);
	o.ledger_dir = path;
	l = load_new(&o, &e);
	if (!l)
		fail_msg("%s", e.text);
	return l;
}

static void must(int rc, const struct err *e)
{
	if (rc < 0)
		fail_msg("%s", e->text);
}

static void prepared(struct load *l)
{
	struct err e = ERR_INIT;

	load_cleanup(l, test_server_endpoint(server), NULL); /* nothing there yet is fine */
	must(load_prepare(l, test_server_endpoint(server), 2, deadline_in_ms(60000), &e), &e);
}

struct tally {
	uint64_t n, acked, without_position, last_position[64], out_of_order;
};
static int count(void *arg, const struct ledger_record *r)
{
	struct tally *t = arg;

	t->n++;
	if (r->outcome == TXN_ACKED) {
		t->acked++;
		t->without_position += !r->position;
		t->out_of_order += r->position <= t->last_position[r->worker];
		t->last_position[r->worker] = r->position;
	}
	if (r->due_us > r->begin_us || r->begin_us > r->end_us)
		t->out_of_order++;
	return 0;
}

/* Until acked, failed and unknown have all grown by so many; the load's own sense of a stall ends
 * the wait. */
static struct load_stats grown(struct load *l, uint64_t acked, uint64_t failed, uint64_t unknown)
{
	struct load_stats from = { 0 }, st;
	struct load_quiet q = { 0 };
	struct err e = ERR_INIT;

	load_get_stats(l, &from);
	do {
		pause_ms(10, deadline_in_ms(10000));
		must(load_error(l, &e), &e);
		st = (struct load_stats){ 0 };
		load_get_stats(l, &st);
		load_get_quiet(l, &q);
		if (q.now_ms > 120000)
			fail_msg("nothing got through for two minutes: %s", q.last_failure);
	} while (st.acked - from.acked < acked || st.failed - from.failed < failed ||
		 st.unknown - from.unknown < unknown);
	return st;
}

static void it_keeps_its_rate_and_records_each_transaction(void **state)
{
	struct load *l = make(200, 10, "rate", false);
	struct tally t = { 0 };
	struct load_stats st = { 0 };
	struct hist h;
	struct err e = ERR_INIT;
	struct sql *s;
	uint64_t rows;
	char path[128];
	int64_t begun;
	double due;

	(void)state;
	prepared(l);
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	begun = clock_mono_ns();
	pause_ms(2000, deadline_in_ms(10000));
	assert_true(load_running(l));
	load_get_stats(l, &st);
	/* what was due by now, sent or not: 200 a second, 5 sigma */
	due = (double)(clock_mono_ns() - begun) / 1e9 * 200;
	assert_in_range(st.started + st.backlog, (uintmax_t)(due - 5 * sqrt(due) - 5),
			(uintmax_t)(due + 5 * sqrt(due) + 20));
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	assert_false(load_running(l));
	must(load_error(l, &e), &e);
	st.latency = &h;
	load_get_stats(l, &st);
	assert_int_equal(st.started, st.acked + st.failed + st.unknown);
	assert_int_equal(st.unknown, 0);
	assert_true(st.acked > 20);
	assert_int_equal(h.count, st.acked);
	snprintf(path, sizeof(path), "%s/rate", dir);
	must(ledger_read(path, count, &t, NULL, &e), &e);
	assert_int_equal(t.n, st.started);
	assert_int_equal(t.acked, st.acked);
	assert_int_equal(t.without_position, 0);
	assert_int_equal(t.out_of_order, 0);
	s = test_server_connect(server);
	must(sql_value_u64(s, &rows, &e, "SELECT COUNT(*) FROM sbtest.drtest_ledger"), &e);
	assert_int_equal(rows, st.acked);
	for (int table = 1; table <= 3; table++) {
		must(sql_value_u64(s, &rows, &e, "SELECT COUNT(*) FROM sbtest.sbtest%d", table),
		     &e);
		assert_int_equal(rows, 1000);
	}
	sql_close(s);
	/* a second start goes on with the sequences; so does another process with the same ledger
	 */
	load_set_rate(l, 0);
	must(load_start(l, test_server_endpoint(server), 1, &e), &e);
	pause_ms(300, deadline_in_ms(10000));
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	load_free(l);
	l = make(100, 10, "rate", false);
	must(load_start(l, test_server_endpoint(server), 2, &e), &e);
	pause_ms(300, deadline_in_ms(10000));
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	must(load_error(l, &e), &e);
	load_free(l);
	memset(&t, 0, sizeof(t));
	unsigned damaged;
	must(ledger_read(path, count, &t, &damaged, &e), &e);
	assert_int_equal(damaged, 0);
	assert_true(t.acked > st.acked);
}

static void a_lost_server_is_ridden_through(void **state)
{
	struct load *l = make(0, 20, "ride", false);
	struct load_stats before = { 0 }, after = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	prepared(l);
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	grown(l, 20, 0, 0);
	test_server_kill(server);
	pause_ms(300, deadline_in_ms(10000));
	load_get_stats(l, &before);
	assert_true(load_running(l));
	test_server_restart(server);
	grown(l, 20, 0, 0);
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	load_get_stats(l, &after);
	must(load_error(l, &e), &e);
	assert_true(after.acked > before.acked);
	assert_int_equal(after.started, after.acked + after.failed + after.unknown);
	load_free(l);
}

static void with_stop_on_lost_the_load_ends_with_its_server(void **state)
{
	struct load *l = make(0, 10, "stop", true);
	struct load_stats st = { 0 };
	struct deadline d;
	struct err e = ERR_INIT;

	(void)state;
	prepared(l);
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	grown(l, 20, 0, 0);
	test_server_kill(server);
	d = deadline_in_ms(120000);
	while (load_running(l) && pause_ms(10, d) == 0)
		;
	assert_false(load_running(l));
	must(load_stop(l, deadline_in_ms(1000), &e), &e);
	load_get_stats(l, &st);
	assert_int_equal(st.started, st.acked + st.failed + st.unknown);
	assert_true(st.failed + st.unknown >= 10);
	/* nothing listens: the start says so */
	assert_int_equal(load_start(l, test_server_endpoint(server), 0, &e), -1);
	assert_non_null(strstr(e.text, "127.0.0.1"));
	load_free(l);
	test_server_restart(server);
}

/* None of them has a transaction to find it out with: the next is due in minutes. */
static void idle_workers_see_that_the_server_is_gone(void **state)
{
	struct load *l = make(0.001, 10, "idle", true);
	struct load_stats st = { 0 };
	struct deadline d = deadline_in_ms(120000);
	struct err e = ERR_INIT;

	(void)state;
	prepared(l);
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	test_server_kill(server);
	while (load_running(l) && pause_ms(10, d) == 0)
		;
	assert_false(load_running(l));
	must(load_stop(l, deadline_in_ms(1000), &e), &e);
	load_get_stats(l, &st);
	assert_true(st.started <= 1);
	assert_int_equal(st.started, st.acked + st.failed + st.unknown);
	load_free(l);
	test_server_restart(server);
}

static void a_hanging_server_does_not_hold_up_the_stop(void **state)
{
	struct load *l = make(0, 10, "hang", true);
	struct load_stats st = { 0 };
	struct err e = ERR_INIT;
	int64_t start;

	(void)state;
	prepared(l);
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	pause_ms(300, deadline_in_ms(10000));
	proc_signal(test_server_proc(server), SIGSTOP, &e);
	start = clock_mono_ns();
	must(load_stop(l, deadline_in_ms(300), &e), &e);
	/* not the connections' own patience */
	assert_true(clock_mono_ns() - start < 60000000000ll);
	proc_signal(test_server_proc(server), SIGCONT, &e);
	load_get_stats(l, &st);
	assert_int_equal(st.started, st.acked + st.failed + st.unknown);
	load_free(l);
}

static void an_error_of_the_server_ends_the_load_and_is_told(void **state)
{
	struct load *l = make(0, 4, "error", false);
	struct err e = ERR_INIT;
	struct sql *s = test_server_connect(server);
	struct deadline d = deadline_in_ms(120000);

	(void)state;
	prepared(l);
	must((int)sql_exec(s, &e, "DROP TABLE sbtest.sbtest1, sbtest.sbtest2, sbtest.sbtest3"), &e);
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	while (load_running(l) && pause_ms(10, d) == 0)
		;
	assert_false(load_running(l));
	assert_int_equal(load_error(l, &e), -1);
	assert_non_null(strstr(e.text, "sbtest"));
	must(load_stop(l, deadline_in_ms(1000), NULL), &e);
	/* preparing over what is there is refused */
	assert_int_equal(
		load_prepare(l, test_server_endpoint(server), 1, deadline_in_ms(10000), &e), -1);
	assert_non_null(strstr(e.text, "already exists"));
	sql_close(s);
	load_free(l);
}

/* 100 a second are due whether the server answers or not: what is due x seconds before the stall's
 * end waits x. */
static void a_stall_shows_in_the_latency_as_the_schedule_says(void **state)
{
	struct load_opts o = { .name = "oltp_update_index",
			       .seed = 1,
			       .workers = 60,
			       .tables = 3,
			       .table_size = 1000,
			       .rate = 100,
			       .pace = LOAD_EVEN };
	struct hist latency = { 0 }, queue = { 0 }, service = { 0 };
	struct load_stats st = { .latency = &latency, .queue = &queue, .service = &service };
	struct err e = ERR_INIT;
	struct load *l = load_new(&o, &e);
	double length, expected, got, caught_up, started;
	int64_t begun, from, to;

	(void)state;
	assert_non_null(l);
	load_cleanup(l, test_server_endpoint(server), NULL);
	must(load_prepare(l, test_server_endpoint(server), 2, deadline_in_ms(60000), &e), &e);
	begun = clock_mono_ns();
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	started = (double)(clock_mono_ns() - begun) / 1e9;
	pause_ms(1000, deadline_in_ms(10000));
	proc_signal(test_server_proc(server), SIGSTOP, &e);
	from = clock_mono_ns();
	pause_ms(2000, deadline_in_ms(10000));
	to = clock_mono_ns();
	proc_signal(test_server_proc(server), SIGCONT, &e);
	/* how long the server takes to work it off beside other tests */
	do {
		pause_ms(5, deadline_in_ms(10000));
		load_get_stats(l, &st);
	} while (st.backlog + st.started - st.acked - st.failed - st.unknown > 5 &&
		 clock_mono_ns() - to < (int64_t)120 * 1000000000);
	caught_up = (double)(clock_mono_ns() - to) / 1e9;
	pause_ms(1000, deadline_in_ms(10000));
	load_get_stats(l, &st);
	length = (double)(clock_mono_ns() - begun) / 1e9;
	/* begun before the start: its connecting is in the length, and takes what it takes */
	assert_in_range(st.started + st.backlog, (uintmax_t)((length - started) * 100) - 5,
			(uintmax_t)(length * 100) + 5);
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	load_get_stats(l, &st);
	load_free(l);
	/* of n, a quarter waits longer than the p75 */
	length = (double)(to - from) / 1e9;
	expected = length - 0.25 * (double)latency.count / 100;
	got = (double)hist_quantile_us(&latency, 0.75) / 1e6;
	if (got < expected * 0.98 || got > expected * 1.02 + caught_up)
		fail_msg(
			"p75 is %.3f s, by the schedule %.3f s (stall of %.3f s, %llu transactions)",
			got, expected, length, (unsigned long long)latency.count);
	/* the first 60 hang in the server, the others wait for a worker: that is told apart */
	assert_true(hist_quantile_us(&service, 1) > 1900000);
	assert_true(hist_quantile_us(&queue, 1) > 1000000);
	assert_true((double)hist_quantile_us(&queue, 1) <
		    1700000 + (length - 2) * 1e6 + caught_up * 1e6);
}

/* A load of one file; ledger: its folder's name. */
static struct load *scripted(const char *lua, unsigned workers, const char *ledger)
{
	char path[128], folder[128];
	struct load_opts o = { .name = path,
			       .seed = 1,
			       .workers = workers,
			       .tables = 1,
			       .table_size = 10,
			       .ledger_dir = folder,
			       .journal_start_ns = clock_mono_ns() };
	struct err e = ERR_INIT;
	struct load *l;

	snprintf(path, sizeof(path), "%s/%s.lua", dir, ledger);
	snprintf(folder, sizeof(folder), "%s/%s", dir, ledger);
	must(fs_write_atomic(path, lua, strlen(lua), 0644, &e), &e);
	l = load_new(&o, &e);
	if (!l)
		fail_msg("%s", e.text);
	prepared(l);
	return l;
}

static uint64_t number_of(const char *query)
{
	struct sql *s = test_server_connect(server);
	struct err e = ERR_INIT;
	uint64_t n;

	must(sql_value_u64(s, &n, &e, "%s", query), &e);
	sql_close(s);
	return n;
}

static void run_sql(const char *text)
{
	struct sql *s = test_server_connect(server);
	struct err e = ERR_INIT;

	must(sql_exec_text(s, &e, text, strlen(text)) < 0 ? -1 : 0, &e);
	sql_close(s);
}

#define ROW_LOAD(event)                                                                                              \
	"return { name = 'row', statements = { put = { 'INSERT INTO row1 VALUES (?, ?)' } }, tables = { 'row1' },\n" \
	" prepare = function(con, _, t) con:query 'CREATE TABLE row1 (w INT, s BIGINT, PRIMARY KEY (w, s))' end,\n"  \
	" event = function(con, r) " event " end }\n"

static void a_read_only_server_refuses_and_nothing_else(void **state)
{
	struct load *l = scripted(
		ROW_LOAD("con:begin() con:execute('put', r:worker(), r:seq()) con:commit()"), 4,
		"refused");
	struct sql_endpoint ep = *test_server_endpoint(server);
	struct load_stats st;
	struct err e = ERR_INIT;

	(void)state;
	run_sql("CREATE USER app IDENTIFIED BY 'x'");
	run_sql("GRANT ALL ON sbtest.* TO app");
	strcpy(ep.user, "app");
	strcpy(ep.password, "x");
	must(load_start(l, &ep, 0, &e), &e);
	grown(l, 10, 0, 0);
	run_sql("SET GLOBAL read_only = 1");
	grown(l, 0, 20, 0); /* each attempt is told no, and the load tries on */
	run_sql("SET GLOBAL read_only = 0");
	grown(l, 10, 0, 0);
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	must(load_error(l, &e), &e);
	st = (struct load_stats){ 0 };
	load_get_stats(l, &st);
	assert_int_equal(st.unknown, 0);
	assert_int_equal(number_of("SELECT COUNT(*) FROM sbtest.row1"), st.acked);
	load_free(l);
}

static void what_fails_after_commit_leaves_it_acknowledged(void **state)
{
	static const char *const after[] = {
		"con:query \"SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock'\"",
		"con:query 'KILL CONNECTION_ID()'",
		"con:rollback()",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(after) / sizeof(*after); i++) {
		char lua[1024], name[32];
		struct load_stats st = { 0 };
		struct tally t = { 0 };
		struct err e = ERR_INIT;
		struct load *l;

		snprintf(
			lua, sizeof(lua),
			ROW_LOAD(
				"con:begin() con:execute('put', r:worker(), r:seq()) con:commit() %s"),
			after[i]);
		snprintf(name, sizeof(name), "after%zu", i);
		l = scripted(lua, 3, name);
		must(load_start(l, test_server_endpoint(server), 0, &e), &e);
		grown(l, 10, 0, 0);
		must(load_stop(l, deadline_in_ms(60000), &e), &e);
		must(load_error(l, &e), &e);
		load_get_stats(l, &st);
		assert_int_equal(st.failed + st.unknown, 0);
		assert_int_equal(number_of("SELECT COUNT(*) FROM sbtest.row1"), st.acked);
		snprintf(lua, sizeof(lua), "%s/%s", dir, name);
		must(ledger_read(lua, count, &t, NULL, &e), &e);
		assert_int_equal(t.acked, st.acked);
		assert_int_equal(t.without_position + t.out_of_order, 0);
		load_free(l);
	}
}

/* TiDB without its TiKV, as it says it: before COMMIT nothing is done; an autocommitted part is
 * there whatever comes after it. */
static void what_was_done_alone_is_not_called_undone(void **state)
{
	static const char away[] =
		"con:query \"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 9005, MESSAGE_TEXT = 'Region is unavailable'\"";
	char lua[1024];
	struct load_stats st;
	struct err e = ERR_INIT;
	struct load *l;

	(void)state;
	snprintf(
		lua, sizeof(lua),
		ROW_LOAD(
			"con:begin() con:execute('put', r:worker(), r:seq()) if r:seq() %% 2 == 1 then %s end con:commit()"),
		away);
	l = scripted(lua, 2, "away");
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	st = grown(l, 3, 3, 0);
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	load_get_stats(l, &st);
	assert_int_equal(st.unknown, 0);
	assert_int_equal(number_of("SELECT COUNT(*) FROM sbtest.row1"), st.acked);
	load_free(l);
	snprintf(
		lua, sizeof(lua),
		ROW_LOAD(
			"con:execute('put', r:worker(), r:seq()) if r:seq() %% 2 == 1 then %s end"),
		away);
	l = scripted(lua, 2, "half");
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	st = grown(l, 3, 0, 3);
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	load_get_stats(l, &st);
	assert_int_equal(st.failed, 0);
	assert_int_equal(number_of("SELECT COUNT(*) FROM sbtest.row1"), st.acked + st.unknown);
	load_free(l);
}

static void that_nothing_gets_through_is_told(void **state)
{
	struct load *l = scripted(
		ROW_LOAD("con:begin() con:execute('put', r:worker(), r:seq()) con:commit()"), 3,
		"quiet");
	struct sql *s = test_server_connect(server);
	struct load_quiet q = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	grown(l, 10, 0, 0);
	load_get_quiet(l, &q);
	assert_int_equal(q.times, 0);
	must((int)sql_exec(s, &e, "LOCK TABLES sbtest.row1 WRITE"), &e);
	do {
		pause_ms(50, deadline_in_ms(10000));
		load_get_quiet(l, &q);
	} while (!q.now_ms && load_running(l));
	assert_true(q.now_ms >= LOAD_QUIET_MS);
	assert_int_equal(q.times, 1);
	assert_int_equal(q.under_way, 3);
	must((int)sql_exec(s, &e, "UNLOCK TABLES"), &e);
	sql_close(s);
	grown(l, 10, 0, 0);
	do {
		pause_ms(50, deadline_in_ms(10000));
		load_get_quiet(l, &q);
	} while (q.now_ms);
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	load_get_quiet(l, &q);
	assert_int_equal(q.times, 1);
	assert_true(q.longest_ms >= LOAD_QUIET_MS && q.total_ms >= q.longest_ms);
	load_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_keeps_its_rate_and_records_each_transaction),
		cmocka_unit_test(a_lost_server_is_ridden_through),
		cmocka_unit_test(with_stop_on_lost_the_load_ends_with_its_server),
		cmocka_unit_test(idle_workers_see_that_the_server_is_gone),
		cmocka_unit_test(a_hanging_server_does_not_hold_up_the_stop),
		cmocka_unit_test(a_stall_shows_in_the_latency_as_the_schedule_says),
		cmocka_unit_test(an_error_of_the_server_ends_the_load_and_is_told),
		cmocka_unit_test(a_read_only_server_refuses_and_nothing_else),
		cmocka_unit_test(what_fails_after_commit_leaves_it_acknowledged),
		cmocka_unit_test(what_was_done_alone_is_not_called_undone),
		cmocka_unit_test(that_nothing_gets_through_is_told),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
