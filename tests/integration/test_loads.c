/* needs: mariadbd, mariadb-install-db. Each load that is part of the program, in each protocol,
 * against a real server, and the checks it brings. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/verify/ledger.h"
#include "tests/integration/mariadb_server.h"
#include "workloads/load.h"

#define WORKERS 36 /* more than one thread serves */

static struct test_server *server;
static char dir[64];

static int setup(void **state)
{
	(void)state;
	server = test_server_start(1);
	strcpy(dir, "/tmp/drtest-loads-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	test_server_free(server);
	return fs_remove_tree(dir, NULL);
}

static void must(int rc, const struct err *e)
{
	if (rc < 0)
		fail_msg("%s", e->text);
}

static struct load *prepared(const char *name, enum load_protocol protocol, bool ledger_rows,
			     const char *const *set)
{
	static char path[128];
	struct load_opts o = { .name = name,
			       .seed = 7,
			       .workers = WORKERS,
			       .tables = 2,
			       .table_size = 300,
			       .rand_type = "uniform",
			       .protocol = protocol,
			       .ledger_rows = ledger_rows,
			       .ledger_dir = path,
			       .journal_start_ns = clock_mono_ns(),
			       .set = set };
	struct err e = ERR_INIT;
	struct load *l;

	snprintf(path, sizeof(path), "%s/%s-%d-%d", dir,
		 strrchr(name, '/') ? strrchr(name, '/') + 1 : name, protocol, ledger_rows);
	l = load_new(&o, &e);
	if (!l)
		fail_msg("%s", e.text);
	load_cleanup(l, test_server_endpoint(server), NULL);
	must(load_prepare(l, test_server_endpoint(server), 2, deadline_in_ms(60000), &e), &e);
	return l;
}

static struct load_stats run_until(struct load *l, int ms, uint64_t acked)
{
	struct load_stats st = { 0 };
	struct load_quiet q = { 0 };
	struct err e = ERR_INIT;

	must(load_start(l, test_server_endpoint(server), 0, &e), &e);
	pause_ms(ms, deadline_in_ms(10000));
	do { /* a busy machine is slow: a load that stands still ends the wait, no clock */
		pause_ms(20, deadline_in_ms(10000));
		load_get_stats(l, &st);
		load_get_quiet(l, &q);
	} while (st.acked <= acked && q.now_ms < 120000);
	st = (struct load_stats){ 0 };
	must(load_stop(l, deadline_in_ms(60000), &e), &e);
	must(load_error(l, &e), &e);
	load_get_stats(l, &st);
	assert_int_equal(st.started, st.acked + st.failed + st.unknown);
	assert_int_equal(st.unknown, 0);
	assert_true(st.acked > acked);
	return st;
}

static struct load_stats run(struct load *l, int ms)
{
	return run_until(l, ms, 20);
}

struct tally {
	uint64_t acked, positions;
};
static int count(void *arg, const struct ledger_record *r)
{
	struct tally *t = arg;

	t->acked += r->outcome == TXN_ACKED;
	t->positions += r->outcome == TXN_ACKED && r->position;
	return 0;
}

static void each_load_runs_in_each_protocol_and_its_transactions_are_all_there(void **state)
{
	static const char *const names[] = { "oltp_write_only",
					     "oltp_read_write",
					     "oltp_insert",
					     "oltp_update_index",
					     "oltp_update_non_index",
					     "oltp_delete",
					     "bank",
					     "append",
					     "ledger" };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		for (int protocol = LOAD_PREPARED; protocol <= LOAD_ONE_PACKET; protocol++) {
			/* the first two in all, the others in one each */
			if (i % 3 != (size_t)protocol && i > 1)
				continue;
			struct load *l =
				prepared(names[i], (enum load_protocol)protocol, true, NULL);
			struct load_stats st = run(l, 120);
			struct sql *s = test_server_connect(server);
			struct tally t = { 0 };
			uint64_t rows;
			char path[128];

			must(sql_value_u64(s, &rows, &e,
					   "SELECT COUNT(*) FROM sbtest.drtest_ledger"),
			     &e);
			assert_int_equal(rows, st.acked);
			snprintf(path, sizeof(path), "%s/%s-%d-1", dir, names[i], protocol);
			must(ledger_read(path, count, &t, NULL, &e), &e);
			assert_int_equal(t.acked, st.acked);
			/* all but readers have a commit position: here every transaction writes its
			 * ledger row */
			assert_int_equal(t.positions, st.acked);
			if (strcmp(names[i], "oltp_read_write") == 0)
				assert_true(st.reads >= 14 * st.acked);
			sql_close(s);
			load_free(l);
		}
}

static void set_globals(const char *sql)
{
	struct sql *s = test_server_connect(server);
	struct err e = ERR_INIT;

	must(sql_exec(s, &e, "%s", sql) < 0 ? -1 : 0, &e);
	sql_close(s);
}

/* What is acknowledged is there, also where the server's sessions leave a transaction open. */
static void single_statements_need_no_transaction(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	set_globals("SET GLOBAL autocommit = 0, GLOBAL completion_type = 'CHAIN'");
	for (int protocol = LOAD_PREPARED; protocol <= LOAD_ONE_PACKET; protocol++) {
		struct load *l =
			prepared("oltp_update_index", (enum load_protocol)protocol, false, NULL);
		struct load_stats st = run(l, 100);
		struct sql *s = test_server_connect(server);
		uint64_t sum, before = 0;

		must(sql_value_u64(
			     s, &sum, &e,
			     "SELECT (SELECT SUM(k) FROM sbtest.sbtest1) + (SELECT SUM(k) FROM sbtest.sbtest2)"),
		     &e);
		for (uint32_t table = 1; table <= 2; table++)
			for (int64_t id = 1; id <= 300; id++) {
				struct audit_row row;

				load_model(l)->initial(load_model(l), table, id, &row);
				before += (uint64_t)row.k;
			}
		assert_int_equal(sum - before, st.acked);
		assert_int_equal(st.statements, st.started);
		sql_close(s);
		load_free(l);
	}
	set_globals("SET GLOBAL autocommit = 1, GLOBAL completion_type = 'NO_CHAIN'");
}

struct findings {
	unsigned held, broken;
	char text[256];
};
static void found(void *arg, const char *condition, const char *rows)
{
	struct findings *f = arg;

	(void)condition;
	if (*rows) {
		f->broken++;
		snprintf(f->text, sizeof(f->text), "%s: %s", condition, rows);
	} else {
		f->held++;
	}
}

static struct findings conditions(struct load *l)
{
	struct findings f = { 0 };
	struct err e = ERR_INIT;

	must(load_check(l, test_server_endpoint(server), found, &f, &e), &e);
	return f;
}

static void the_banks_sum_never_changes_and_a_planted_coin_is_found(void **state)
{
	struct load *l = prepared("bank", LOAD_PREPARED, false, NULL);
	struct sql *s = test_server_connect(server);
	struct err e = ERR_INIT;
	struct findings f;

	(void)state;
	run(l, 300);
	f = conditions(l);
	assert_int_equal(f.broken, 0);
	assert_int_equal(f.held, 2);
	assert_string_equal(load_history_check(l), "bank");
	must(sql_exec(s, &e, "UPDATE sbtest.bank2 SET k = k + 1 WHERE id = 5") < 0 ? -1 : 0, &e);
	f = conditions(l);
	assert_int_equal(f.broken, 1);
	assert_non_null(strstr(f.text, "bank2"));
	assert_non_null(strstr(f.text, "300001"));
	sql_close(s);
	load_free(l);
}

static void tpccs_conditions_hold_under_load_and_see_what_breaks_them(void **state)
{
	static const char *const set[] = { "warehouses=2", "items=100", "customers=30", NULL };
	static const char *const plants[] = {
		"UPDATE warehouse SET w_ytd = w_ytd + 1 WHERE w_id = 2",
		"DELETE FROM order_line WHERE ol_w_id = 1 AND ol_d_id = 3 AND ol_o_id = 4 AND ol_number = 2",
		"UPDATE customer SET c_balance = c_balance + 0.01 WHERE c_w_id = 1 AND c_d_id = 1 AND c_id = 7",
	};
	struct sql *s = test_server_connect(server);
	struct err e = ERR_INIT;

	(void)state;
	for (int protocol = LOAD_PREPARED; protocol <= LOAD_ONE_PACKET; protocol++) {
		struct load *l = prepared("tpcc", (enum load_protocol)protocol, false, set);
		struct findings f;

		run(l, 500);
		f = conditions(l);
		if (f.broken)
			fail_msg("%s", f.text);
		assert_int_equal(f.held, 11);
		must(sql_exec(s, &e, "USE sbtest") < 0 ? -1 : 0, &e);
		for (size_t i = 0;
		     protocol == LOAD_PREPARED && i < sizeof(plants) / sizeof(*plants); i++) {
			unsigned before = conditions(l).broken;

			assert_int_equal(sql_exec_text(s, &e, plants[i], strlen(plants[i])), 1);
			assert_true(conditions(l).broken > before);
		}
		load_free(l);
	}
	sql_close(s);
}

/* Every list that was read is how the list stood at some time: a beginning of what it is in the
 * end; every append is there once. */
static void the_history_tells_what_was_appended_and_read(void **state)
{
	struct load *l = prepared("append", LOAD_PREPARED, false, NULL);
	struct sql *s = test_server_connect(server);
	unsigned reads = 0, appends = 0;
	struct err e = ERR_INIT;

	(void)state;
	run_until(l, 300, 400);
	assert_string_equal(load_history_check(l), "append");
	for (int w = 1; w <= WORKERS; w++) {
		char path[160], line[65536];
		uint64_t last = 0;
		FILE *f;

		snprintf(path, sizeof(path), "%s/append-0-0/worker-%04d.history", dir, w);
		f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f)) {
			json_t *txn = json_loads(line, 0, NULL), *op;
			size_t i;

			assert_non_null(txn);
			assert_int_equal(json_integer_value(json_object_get(txn, "worker")), w);
			assert_true((uint64_t)json_integer_value(json_object_get(txn, "seq")) >
				    last);
			last = (uint64_t)json_integer_value(json_object_get(txn, "seq"));
			if (strcmp(json_string_value(json_object_get(txn, "outcome")), "acked") ==
			    0)
				json_array_foreach(json_object_get(txn, "ops"), i, op)
				{
					bool is_read =
						strcmp(json_string_value(json_array_get(op, 0)),
						       "read") == 0;
					const char *text = json_string_value(json_array_get(op, 3));
					struct strbuf list = STRBUF_INIT;

					must(sql_value(
						     s, &list, &e,
						     "SELECT IFNULL((SELECT list FROM sbtest.append%d WHERE id = %d), '')",
						     (int)json_integer_value(json_array_get(op, 1)),
						     (int)json_integer_value(
							     json_array_get(op, 2))),
					     &e);
					if (is_read) {
						reads += *text != '\0';
						assert_int_equal(
							strncmp(list.buf, text, strlen(text)), 0);
					} else {
						char *at = strstr(list.buf, text);
						size_t len = strlen(text);

						/* "1.5.1" within "31.5.1" */
						while (at && ((at > list.buf && at[-1] != ' ') ||
							      (at[len] && at[len] != ' ')))
							at = strstr(at + 1, text);
						appends++;
						assert_non_null(at);
					}
					strbuf_release(&list);
				}
			json_decref(txn);
		}
		fclose(f);
	}
	assert_true(reads > 20);
	assert_true(appends > 50);
	sql_close(s);
	load_free(l);
}

static void write_load(char *path, size_t room, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	snprintf(path, room, "%s/%s", dir, name);
	must(fs_write_atomic(path, text, strlen(text), 0644, &e), &e);
}

static void a_comment_hides_no_commit(void **state)
{
	static const char text[] =
		"return { name = 'talks', statements = { up = { 'UPDATE talks%d SET k = k + 1 WHERE id = ? -- why' } },\n"
		" tables = { 'talks%d' }, prepare = function(con, _, t) con:query(('CREATE TABLE talks%d (id INT PRIMARY KEY, k INT)'):format(t))\n"
		"  con:query(('INSERT INTO talks%d VALUES (1, 0)'):format(t)) end,\n"
		" event = function(con, r) con:begin() con:execute('up', r:table(), 1) con:query('DO 1 # why') con:commit() end }\n";
	char path[128];

	(void)state;
	write_load(path, sizeof(path), "talks.lua", text);
	for (int protocol = LOAD_PREPARED; protocol <= LOAD_ONE_PACKET; protocol++) {
		struct load *l = prepared(path, (enum load_protocol)protocol, true, NULL);
		struct load_stats st = run(l, 50);
		struct sql *s = test_server_connect(server);
		struct err e = ERR_INIT;
		uint64_t rows;

		must(sql_value_u64(s, &rows, &e, "SELECT COUNT(*) FROM sbtest.drtest_ledger"), &e);
		assert_int_equal(rows, st.acked);
		sql_close(s);
		load_free(l);
	}
}

/* The server says why, and closes the connection while the rest is on its way. */
static void a_packet_that_is_too_large_is_said(void **state)
{
	static const char text[] =
		"return { name = 'large', statements = { put = { 'INSERT INTO large%d (v) VALUES (?)' } },\n"
		" tables = { 'large%d' }, prepare = function(con, _, t) con:query(('CREATE TABLE large%d (v LONGTEXT)'):format(t)) end,\n"
		" event = function(con) con:begin() con:execute('put', 1, ('x'):rep(6000000)) con:commit() end }\n";
	char path[128];

	(void)state;
	write_load(path, sizeof(path), "large.lua", text);
	set_globals("SET GLOBAL max_allowed_packet = 1048576");
	for (int protocol = LOAD_PREPARED; protocol <= LOAD_TEXT; protocol++) {
		struct load *l = prepared(path, (enum load_protocol)protocol, true, NULL);
		struct err e = ERR_INIT;

		must(load_start(l, test_server_endpoint(server), 0, &e), &e);
		while (load_error(l, &e) == 0 && load_running(l))
			pause_ms(5, deadline_in_ms(10000));
		load_stop(l, deadline_in_ms(60000), NULL);
		if (!strstr(e.text, "max_allowed_packet"))
			fail_msg("\"%s\" names no limit", e.text);
		load_free(l);
	}
	set_globals("SET GLOBAL max_allowed_packet = 16777216");
}

/* What event() gets of all kinds of values, in each protocol; what it notes proves it. */
static void a_load_reads_what_is_there(void **state)
{
	static const char text[] =
		"return { name = 'reader', statements = { all = { 'SELECT 7, -2.5, 1e3, \"a\\\\\"b\", NULL, CAST(REPEAT(\"x\", 70000) AS CHAR),"
		" d FROM reader%d WHERE id <> ?', rows = true }, none = { 'SELECT 1 FROM reader%d WHERE id = ?', rows = true },\n"
		" echo = { 'SELECT ?, ?, ?, HEX(?) FROM reader%d LIMIT 1', rows = true } },\n"
		" tables = { 'reader%d' }, prepare = function(con, _, t) con:query(('CREATE TABLE reader%d (id INT PRIMARY KEY, d DATE)'):format(t))\n"
		"  con:query((\"INSERT INTO reader%d VALUES (1, '2024-02-29'), (2, NULL)\"):format(t)) end,\n"
		" event = function(con) con:begin()\n"
		"  local n, rows = con:execute('all', 1, 99)\n"
		"  assert(n == 2 and #rows == 2 and rows[1][1] == 7 and rows[1][2] == -2.5 and rows[1][3] == 1000 and rows[1][4] == 'a\"b')\n"
		"  assert(rows[1][5] == nil and #rows[1][6] == 70000 and rows[1][7] == '2024-02-29' and rows[2][7] == nil)\n"
		"  n, rows = con:execute('none', 1, 99)\n"
		"  assert(n == 0 and #rows == 0)\n"
		"  local odd = \"it's \\\\ \\\"odd\\\" % ? ; -- \\n\\0x\"\n"
		"  n, rows = con:execute('echo', 1, odd, '', -9007199254740991, odd)\n"
		"  local hex = odd:gsub('.', function(c) return ('%02X'):format(c:byte()) end)\n"
		"  assert(rows[1][1] == odd and rows[1][2] == '' and rows[1][3] == -9007199254740991 and rows[1][4] == hex, rows[1][1])\n"
		"  con:commit() end }\n";
	char path[128];

	(void)state;
	write_load(path, sizeof(path), "reader.lua", text);
	for (int protocol = LOAD_PREPARED; protocol <= LOAD_ONE_PACKET; protocol++) {
		struct load *l = prepared(path, (enum load_protocol)protocol, false, NULL);

		run(l, 200);
		load_free(l);
	}
}

/* The ```lua example of docs/LOADS.md, as a reader would copy it. */
static void documented_load(char *path, size_t room)
{
	struct strbuf doc = STRBUF_INIT;
	struct err e = ERR_INIT;
	char *from, *to;

	must(fs_read_file("docs/LOADS.md", 1 << 20, &doc, &e), &e);
	from = strstr(doc.buf, "```lua\n-- queue.lua");
	assert_non_null(from);
	from += 7;
	to = strstr(from, "```");
	assert_non_null(to);
	snprintf(path, room, "%s/queue.lua", dir);
	must(fs_write_atomic(path, from, (size_t)(to - from), 0644, &e), &e);
	strbuf_release(&doc);
}

/* Its SELECT ... FOR UPDATE scans: a deadlock's error comes while the rows are read. Nobody may
 * wait for what never comes. */
static void a_scan_that_deadlocks_goes_on_in_each_protocol(void **state)
{
	static const char *const set[] = { "kinds=3", NULL };
	char path[128], ledger[160];
	struct err e = ERR_INIT;

	(void)state;
	documented_load(path, sizeof(path));
	for (int protocol = LOAD_PREPARED; protocol <= LOAD_ONE_PACKET; protocol++) {
		struct load *l = prepared(path, (enum load_protocol)protocol, true, set);
		struct sql *s = test_server_connect(server);
		struct load_stats st = { 0 };
		struct load_quiet q = { 0 };
		struct tally t = { 0 };
		uint64_t rows;

		must(load_start(l, test_server_endpoint(server), 0, &e), &e);
		do {
			pause_ms(20, deadline_in_ms(10000));
			load_get_stats(l, &st);
			load_get_quiet(l, &q);
		} while ((st.acked < 400 || st.retried < 12) && q.now_ms < 60000 &&
			 load_running(l));
		must(load_stop(l, deadline_in_ms(60000), &e), &e);
		must(load_error(l, &e), &e);
		load_get_stats(l, &st);
		if (st.retried < 12 || st.acked < 400)
			fail_msg(
				"protocol %d: no transaction succeeded for %lld ms after %llu acknowledged, %llu conflicts; last: %s",
				protocol, (long long)q.now_ms, (unsigned long long)st.acked,
				(unsigned long long)st.retried, q.last_failure);
		assert_int_equal(st.started, st.acked + st.failed + st.unknown);
		assert_int_equal(st.unknown, 0);
		must(sql_value_u64(s, &rows, &e, "SELECT COUNT(*) FROM sbtest.drtest_ledger"), &e);
		assert_int_equal(rows, st.acked);
		snprintf(ledger, sizeof(ledger), "%s/queue.lua-%d-1", dir, protocol);
		must(ledger_read(ledger, count, &t, NULL, &e), &e);
		assert_int_equal(t.acked, st.acked);
		sql_close(s);
		load_free(l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			each_load_runs_in_each_protocol_and_its_transactions_are_all_there),
		cmocka_unit_test(single_statements_need_no_transaction),
		cmocka_unit_test(the_banks_sum_never_changes_and_a_planted_coin_is_found),
		cmocka_unit_test(tpccs_conditions_hold_under_load_and_see_what_breaks_them),
		cmocka_unit_test(the_history_tells_what_was_appended_and_read),
		cmocka_unit_test(a_comment_hides_no_commit),
		cmocka_unit_test(a_packet_that_is_too_large_is_said),
		cmocka_unit_test(a_load_reads_what_is_there),
		cmocka_unit_test(a_scan_that_deadlocks_goes_on_in_each_protocol),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
