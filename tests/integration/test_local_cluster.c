/* Needs MariaDB: the local ground starts, kills, restarts and cleans up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/ground.h"
#include "harness/os/fs.h"

static char dir[] = "/var/tmp/drtest-it.XXXXXX";

static struct cluster *make(const char *name, int port)
{
	char *d = xstrfmt("%s/%s", dir, name), *logs = xstrfmt("%s/logs", dir);
	struct cluster_opts o = {
		.ground = &ground_local, .name = name, .dir = d, .log_dir = logs, .port = port
	};
	struct err e = ERR_INIT;
	struct cluster *c = cluster_new(&o, &e);

	if (!c || cluster_start_begin(c, &e) < 0)
		fail_msg("%s", e.text);
	free(d);
	free(logs);
	return c;
}

static void up(struct cluster *c)
{
	struct err e = ERR_INIT;

	if (cluster_start_wait(c, deadline_in_ms(60000), &e) < 0)
		fail_msg("%s", e.text);
}

static void exec(struct cluster *c, const char *text)
{
	struct err e = ERR_INIT;
	struct sql *s = sql_open(cluster_endpoint(c), deadline_in_ms(5000), &e);

	if (!s || sql_exec_text(s, &e, text, strlen(text)) < 0)
		fail_msg("%s", e.text);
	sql_close(s);
}

static uint64_t count(struct cluster *c, const char *table)
{
	struct err e = ERR_INIT;
	struct sql *s = sql_open(cluster_endpoint(c), deadline_in_ms(5000), &e);
	uint64_t n;

	if (!s || sql_value_u64(s, &n, &e, "SELECT COUNT(*) FROM %s", table) < 0)
		fail_msg("%s", e.text);
	sql_close(s);
	return n;
}

/* Others of the machine can reach the port: it asks for the run's own password, and files are for
 * the server's user alone. */
static void strangers_stay_outside(void **unused)
{
	struct cluster *c = make("alone", 0);
	struct sql_endpoint ep;
	struct err e = ERR_INIT;
	struct strbuf v = STRBUF_INIT;
	struct stat st;
	struct sql *s;
	char path[300], *slash;

	(void)unused;
	up(c);
	ep = *cluster_endpoint(c);
	assert_int_equal(strlen(ep.password), 32);
	snprintf(path, sizeof(path), "%s/alone", dir);
	slash = path + strlen(path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	for (int i = 0; i < 2; i++) {
		snprintf(slash, sizeof(path) - (size_t)(slash - path),
			 i ? "/init.sql" : "/client.cnf");
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 077, 0);
	}
	s = sql_open(&ep, deadline_in_ms(5000), &e);
	assert_non_null(s);
	assert_int_equal(
		sql_value(
			s, &v, &e,
			"SELECT COUNT(*) FROM mysql.global_priv WHERE JSON_VALUE(Priv, '$.authentication_string') = '' "
			"AND User <> 'mariadb.sys' AND JSON_VALUE(Priv, '$.account_locked') IS NULL "
			"AND JSON_VALUE(Priv, '$.plugin') <> 'unix_socket'"),
		0);
	assert_string_equal(v.buf, "0");
	assert_int_equal(sql_exec(s, &e, "SELECT 1 INTO OUTFILE '/var/tmp/drtest-it-outfile'"), -1);
	assert_int_equal(e.code, 1290); /* secure-file-priv */
	sql_close(s);
	for (int i = 0; i < 3; i++) {
		snprintf(ep.user, sizeof(ep.user), "%s", i == 0 ? "root" : i == 1 ? "" : "mysql");
		ep.password[0] = 0;
		assert_null(sql_open(&ep, deadline_in_ms(5000), &e));
		assert_int_equal(e.kind, ERR_ENV);
	}
	strbuf_release(&v);
	cluster_free(c);
}

static void two_clusters_live_die_and_come_back(void **unused)
{
	struct cluster *a, *b;
	struct err e = ERR_INIT;
	int64_t at = 0, begun;
	unsigned port;

	(void)unused;
	a = make("warm", 0); /* makes the template where there is none */
	up(a);
	cluster_free(a);
	begun = clock_mono_ns();
	a = make("primary", 0);
	b = make("secondary", 0);
	up(a);
	up(b);
	printf("both answer after %lld ms\n", (long long)(clock_mono_ns() - begun) / 1000000);
	assert_true(cluster_can(a, ABLE_KILL));
	assert_true(strstr(cluster_version(a), "MariaDB") != NULL);
	exec(a, "CREATE DATABASE d");
	exec(a, "CREATE TABLE d.t (a INT PRIMARY KEY)");
	exec(a, "INSERT INTO d.t VALUES (1),(2)");
	port = cluster_endpoint(a)->port;
	if (cluster_kill(a, CLUSTER_ALL, &at, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(at > begun);
	assert_true(port_is_free((int)port));
	assert_null(sql_open(cluster_endpoint(a), deadline_in_ms(1000), &e));
	assert_int_equal(e.kind, ERR_GONE);
	exec(b, "SELECT 1"); /* the other one lives */
	if (cluster_start_begin(a, &e) < 0)
		fail_msg("%s", e.text);
	up(a);
	assert_int_equal(count(a, "d.t"), 2);
	assert_int_equal(cluster_endpoint(a)->port, port);
	if (cluster_set_gc(a, false, &e) < 0 || cluster_set_gc(a, true, &e) < 0)
		fail_msg("%s", e.text);
	if (cluster_stop(b, deadline_in_ms(20000), &e) < 0)
		fail_msg("%s", e.text);
	cluster_free(a);
	cluster_free(b);
}

static void an_occupied_port_is_no_obstacle(void **unused)
{
	struct err e = ERR_INIT;
	int port = port_take(0, &e);
	struct cluster *a = make("elsewhere", port);

	(void)unused;
	up(a);
	assert_int_not_equal(cluster_endpoint(a)->port, port);
	cluster_free(a);
	port_release(port);
}

static void a_server_that_will_not_start_says_why(void **unused)
{
	struct cluster *a = make("broken", 0);
	struct err e = ERR_INIT;
	char *data = xstrfmt("%s/broken/data/ibdata1", dir);

	(void)unused;
	up(a);
	cluster_kill(a, CLUSTER_ALL, NULL, &e);
	assert_int_equal(truncate(data, 100), 0);
	if (cluster_start_begin(a, &e) == 0)
		assert_int_equal(cluster_start_wait(a, deadline_in_ms(30000), &e), -1);
	assert_int_equal(e.kind, ERR_ENV);
	assert_non_null(strstr(e.text, "mariadbd ended"));
	cluster_free(a);
	free(data);
}

static void a_directory_that_is_there_is_refused(void **unused)
{
	struct cluster_opts o = {
		.ground = &ground_local, .name = "x", .dir = dir, .log_dir = dir
	};
	struct err e = ERR_INIT;

	(void)unused;
	assert_null(cluster_new(&o, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_stay_outside),
		cmocka_unit_test(two_clusters_live_die_and_come_back),
		cmocka_unit_test(an_occupied_port_is_no_obstacle),
		cmocka_unit_test(a_server_that_will_not_start_says_why),
		cmocka_unit_test(a_directory_that_is_there_is_refused),
	};
	struct err e = ERR_INIT;
	char *found = proc_which("mariadbd");
	int rc;

	if (!found) {
		printf("skipped: mariadbd is not installed\n");
		return 77;
	}
	free(found);
	/* the server runs as another user */
	if (guardian_start(&e) < 0 || !mkdtemp(dir) || chmod(dir, 0755) < 0)
		return 1;
	guardian_path(dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fs_remove_tree(dir, NULL);
	guardian_stop();
	return rc;
}
