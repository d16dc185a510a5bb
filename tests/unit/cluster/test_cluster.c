/* Clusters as far as they go without a server: grounds, verbs, names, preflight's findings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cluster/ground.h"

static void a_ground_says_what_it_can(void **unused)
{
	(void)unused;
	assert_true(ground_can(&ground_local, ABLE_KILL));
	assert_true(ground_can(&ground_local, ABLE_BACKUP));
	assert_true(ground_can(&ground_local, ABLE_OWN_DISK));
	assert_false(ground_can(&ground_local, ABLE_KILL_COMPONENT));
	assert_false(ground_can(&ground_local, ABLE_TIME_TRAVEL));
	assert_true(ground_can(&ground_playground, ABLE_KILL_COMPONENT));
	assert_false(ground_can(&ground_playground, ABLE_OWN_CLOCK));
	assert_true(ground_can(&ground_attach, ABLE_KILL)); /* by the operator's command */
	assert_false(ground_can(&ground_attach, ABLE_STRIKE));
	assert_false(ground_can(&ground_attach, ABLE_RESTART));
	assert_false(ground_can(&ground_attach, ABLE_EXAMINE));
}

static void each_ground_can_be_found_and_says_its_plans(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	assert_null(ground_find("moon", &e));
	assert_non_null(strstr(e.text, "moon"));
	for (const struct ground *const *g = grounds(); *g; g++) {
		struct cluster_size size = { 1, 1, 1, 1 };

		assert_ptr_equal(ground_find((*g)->name, NULL), *g);
		assert_non_null(strstr(ground_names(), (*g)->name));
		assert_non_null(strstr(e.text, (*g)->name));
		for (enum ability v = ABLE_KILL; v <= ABLE_RESTART; v++) {
			struct strbuf text = STRBUF_INIT;

			if (v == ABLE_TIME_TRAVEL || ((*g)->knows && v == ABLE_RESTART))
				continue; /* no verb; of a cluster that a file names */
			(*g)->plan(v,
				   &(struct ground_plan){ .cluster = "first",
							  .size = &size,
							  .uri = "s3://b",
							  .snapshot = "",
							  .sink = "second" },
				   &text);
			assert_non_null(strstr(text.buf, "first"));
			strbuf_release(&text);
		}
	}
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
	assert_true(ground_local.preflight(found, seen) >= 1);
	setenv("PATH", path, 1);
	free(path);
	assert_non_null(strstr(seen, "mariadb-install-db is not installed"));
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
			.ground = &ground_local, .name = "c", .dir = dir, .log_dir = dir },
		&e));
	/* what an earlier run left is not built upon */
	assert_non_null(strstr(e.text, "exists already"));
	rmdir(dir);
	e = (struct err)ERR_INIT;
	c = cluster_new(
		&(struct cluster_opts){
			.ground = &ground_local, .name = "c", .dir = dir, .log_dir = dir },
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
		cmocka_unit_test(each_ground_can_be_found_and_says_its_plans),
		cmocka_unit_test(all_findings_come_at_once_each_with_its_way_out),
		cmocka_unit_test(verbs_on_a_cluster_that_never_started_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
