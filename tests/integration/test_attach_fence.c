/* Needs MariaDB: whose sessions a replay on a cluster of somebody's may end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cluster/attach/attach.h"
#include "harness/cluster/undo.h"
#include "harness/os/fs.h"
#include "harness/tidb/tidb.h"
#include "tests/integration/mariadb_server.h"

static struct test_server *server;
static struct sql *root;
static char file[256];

static int set_up(void **unused)
{
	struct err e = ERR_INIT;
	char undo[256];

	(void)unused;
	server = test_server_start(1);
	root = test_server_connect(server);
	snprintf(undo, sizeof(undo), "%s/undo", test_server_dir(server));
	setenv("DRTEST_UNDO", undo, 1);
	snprintf(file, sizeof(file), "%s/clusters.lua", test_server_dir(server));
	return fs_write_atomic(file, "return {}", 9, 0600, &e);
}

static int take_down(void **unused)
{
	(void)unused;
	sql_close(root);
	test_server_free(server);
	return 0;
}

/* A session of TiCDC's, as the account of that name. */
static struct sql *session(const char *user)
{
	struct sql_endpoint ep = *test_server_endpoint(server);
	struct err e = ERR_INIT;
	struct sql *s;

	if (sql_exec(root, &e, "CREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED BY 'pw'", user) < 0)
		fail_msg("%s", e.text);
	snprintf(ep.user, sizeof(ep.user), "%s", user);
	strcpy(ep.password, "pw");
	s = sql_open(&ep, deadline_in_ms(10000), &e);
	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static bool lives(struct sql *s)
{
	struct strbuf v = STRBUF_INIT;
	bool yes = sql_value(s, &v, NULL, "SELECT 1") == 0;

	strbuf_release(&v);
	return yes;
}

static void *wait_for_stage(void *s)
{
	mysql_thread_init();
	sql_exec(s, NULL, "BACKUP STAGE START /* 's3://b/full?access-key=xxxxxx' */");
	mysql_thread_end();
	return NULL;
}

/* MariaDB's own statement of that name stands for TiDB's: it waits for the one that root holds. */
static void a_dead_runs_backup_is_ended_and_no_other(void **unused)
{
	const struct sql_endpoint *ep = test_server_endpoint(server);
	struct sql_endpoint others = *ep;
	struct err e = ERR_INIT;
	struct sql *s = sql_open(ep, deadline_in_ms(10000), &e);
	struct deadline d = deadline_in_ms(60000);
	uint64_t waits = 0, id = sql_connection_id(s);
	pthread_t thread;

	(void)unused;
	strcpy(others.user, "app");
	strcpy(others.password, "pw");
	sql_close(session("app"));
	assert_int_equal(sql_exec(root, &e, "GRANT PROCESS, SUPER, CONNECTION ADMIN ON *.* TO app"),
			 0);
	assert_int_equal(sql_exec(root, &e, "BACKUP STAGE START"), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_stage, s), 0);
	do
		assert_int_equal(sql_value_u64(root, &waits, &e,
					       "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
					       " WHERE ID = %llu AND INFO LIKE 'BACKUP STAGE%%'",
					       (unsigned long long)id),
				 0);
	while (!waits && pause_ms(20, d) == 0);
	assert_int_equal(waits, 1);
	/* another statement, another backup, another account's, another session: as it was */
	assert_int_equal(tidb_end_brie(ep, id, "RESTORE", "s3://b/full", d, &e), 0);
	assert_int_equal(tidb_end_brie(ep, id, "BACKUP", "s3://b/other", d, &e), 0);
	assert_int_equal(tidb_end_brie(&others, id, "BACKUP", "s3://b/full", d, &e), 0);
	assert_int_equal(tidb_end_brie(ep, id + 1000, "BACKUP", "s3://b/full", d, &e), 0);
	assert_int_equal(sql_value_u64(root, &waits, &e,
				       "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
				       " WHERE ID = %llu AND INFO LIKE 'BACKUP STAGE%%'",
				       (unsigned long long)id),
			 0);
	assert_int_equal(waits, 1);
	assert_int_equal(tidb_end_brie(ep, id, "BACKUP", "s3://b/full", d, &e), 0);
	pthread_join(thread, NULL);
	assert_false(lives(s));
	sql_close(s);
	assert_int_equal(sql_exec(root, &e, "BACKUP STAGE END"), 0);
}

static void a_run_that_lives_keeps_its_sessions(void **unused)
{
	struct err e = ERR_INIT, of = ERR_INIT;
	struct sql *dead = session("drtest_cdc_0000dead"), *living = session("drtest_cdc_00000123"),
		   *other = session("app");
	struct undo *mine, *ended;

	(void)unused;
	ended = undo_note(UNDO_USER, file, "secondary", "drtest_cdc_0000dead", &e);
	assert_non_null(ended);
	undo_leave(ended); /* as its run's end leaves it */
	mine = undo_note(UNDO_USER, file, "secondary", "drtest_cdc_00000123", &e);
	assert_non_null(mine);
	assert_int_equal(undo_run_of_user("drtest_cdc_0000dead"), UNDO_RUN_ENDED);
	assert_int_equal(undo_run_of_user("drtest_cdc_00000123"), UNDO_RUN_LIVES);
	assert_int_equal(undo_run_of_user("drtest_cdc_00000"), UNDO_RUN_UNKNOWN);

	assert_int_equal(attach_end_sinks(root, "secondary", &e), -1);
	assert_non_null(strstr(
		e.text,
		"another run writes to it as drtest_cdc_00000123, and that run is still going"));
	assert_true(lives(dead) && lives(living)); /* nothing was ended */

	undo_leave(mine);
	if (attach_end_sinks(root, "secondary", &of) < 0)
		fail_msg("%s", of.text);
	assert_false(lives(dead) || lives(living));
	assert_true(lives(other));
	sql_close(dead);
	sql_close(living);
	sql_close(other);
}

static void who_is_known_to_nobody_here_is_left_unless_he_was_dropped(void **unused)
{
	struct err e = ERR_INIT, of = ERR_INIT;
	struct sql *s = session("drtest_cdc_00000456");

	(void)unused;
	assert_int_equal(attach_end_sinks(root, "secondary", &e), -1);
	assert_non_null(strstr(e.text, "no run on this machine recorded it"));
	assert_non_null(strstr(e.text, "sink = { user = \"drtest_cdc_00000456\" }"));
	assert_true(lives(s));
	assert_true(sql_exec(root, &of, "DROP USER 'drtest_cdc_00000456'@'%%'") >= 0);
	if (attach_end_sinks(root, "secondary", &of) < 0)
		fail_msg("%s", of.text);
	assert_false(lives(s));
	sql_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dead_runs_backup_is_ended_and_no_other),
		cmocka_unit_test(a_run_that_lives_keeps_its_sessions),
		cmocka_unit_test(who_is_known_to_nobody_here_is_left_unless_he_was_dropped),
	};

	return cmocka_run_group_tests(tests, set_up, take_down);
}
