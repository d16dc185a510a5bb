/* Clusters as far as they go without a server: grounds, verbs, names, preflight's findings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cluster/cluster.h"

static void a_ground_says_what_it_can(void **unused)
{
	(void)unused;
	assert_true(ground_can("local", ABLE_KILL));
	assert_true(ground_can("local", ABLE_BACKUP));
	assert_false(ground_can("local", ABLE_TIME_TRAVEL));
	assert_false(ground_can("nowhere", ABLE_KILL));
}

static void an_unknown_ground_makes_no_cluster(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	assert_null(cluster_new(&(struct cluster_opts){ .ground = "moon",
							.name = "c",
							.dir = "/tmp/drtest-none",
							.log_dir = "/tmp" },
				&e));
	assert_non_null(strstr(e.text, "moon"));
}

static void found(void *arg, const char *what, const char *way_out)
{
	assert_true(*what && *way_out); /* never a finding without its way out */
	strncat(arg, what, 200);
}

static void all_findings_come_at_once_each_with_its_way_out(void **unused)
{
	char seen[2000] = "", *path = strdup(getenv("PATH"));

	(void)unused;
	setenv("PATH", "/nowhere", 1);
	/* mariadbd may stand in /usr/sbin, which is looked into in any case */
	assert_true(ground_preflight("local", found, seen) >= 1);
	setenv("PATH", path, 1);
	free(path);
	assert_non_null(strstr(seen, "mariadb-install-db is not installed"));
	assert_int_equal(ground_preflight("moon", found, seen), 1);
}

static void verbs_on_a_cluster_that_never_started_are_errors(void **unused)
{
	struct err e = ERR_INIT;
	char dir[] = "/tmp/drtest-cluster.XXXXXX";
	struct cluster *c;
	int64_t at;

	(void)unused;
	assert_non_null(mkdtemp(dir));
	assert_null(cluster_new(
		&(struct cluster_opts){
			.ground = "local", .name = "c", .dir = dir, .log_dir = dir },
		&e));
	/* what an earlier run left is not built upon */
	assert_non_null(strstr(e.text, "is there already"));
	rmdir(dir);
	e = (struct err)ERR_INIT;
	c = cluster_new(
		&(struct cluster_opts){
			.ground = "local", .name = "c", .dir = dir, .log_dir = dir },
		&e);
	assert_non_null(c);
	assert_int_equal(cluster_kill(c, CLUSTER_ALL, &at, &e), -1);
	assert_non_null(strstr(e.text, "kill c"));
	e = (struct err)ERR_INIT;
	assert_int_equal(cluster_pause(c, true, &e), -1);
	assert_null(cluster_feed(c));
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ground_says_what_it_can),
		cmocka_unit_test(an_unknown_ground_makes_no_cluster),
		cmocka_unit_test(all_findings_come_at_once_each_with_its_way_out),
		cmocka_unit_test(verbs_on_a_cluster_that_never_started_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
