/* The playground ground where no tiup is: what is refused before anything starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/strbuf.h"
#include "harness/cluster/attach/attach.h"
#include "harness/cluster/playground_impl.h"
#include "harness/os/fs.h"

static char home[] = "/tmp/drtest-unit.XXXXXX";

static void path(char out[400], const char *tail)
{
	snprintf(out, 400, "%s/%s", home, tail);
}

static struct cluster *cluster(struct err *e)
{
	char dir[400], logs[400];

	path(dir, "drtest-20260101T000000Z-x-1/primary");
	path(logs, "logs");
	return cluster_new(&(struct cluster_opts){ .ground = &ground_playground,
						   .name = "primary",
						   .dir = dir,
						   .log_dir = logs },
			   e);
}

static void data_of_an_earlier_tag_is_not_taken_over(void **unused)
{
	struct err e = ERR_INIT;
	struct cluster *c;
	char data[400];

	(void)unused;
	path(data, "data/drtest-20260101T000000Z-x-1-primary/tidb-0");
	assert_int_equal(fs_mkdir_p(data, 0755, &e), 0);
	c = cluster(&e);
	assert_non_null(c);
	assert_int_equal(cluster_start_begin(c, &e), -1);
	assert_non_null(strstr(
		e.text,
		"/data/drtest-20260101T000000Z-x-1-primary exists already: data of an earlier tag would come back"));
	assert_int_equal(e.kind, ERR_ENV);
	cluster_free(c);
	assert_true(fs_exists(data)); /* not ours: it stays */
}

static void the_newest_cached_version_is_found(void **unused)
{
	struct err e = ERR_INIT;
	char dir[400], *found;

	(void)unused;
	assert_null(playground_cached("tidb"));
	path(dir, "components/tidb/v8.5.7");
	fs_mkdir_p(dir, 0755, &e);
	path(dir, "components/tidb/v8.5.10");
	fs_mkdir_p(dir, 0755, &e);
	path(dir, "components/tidb/nightly");
	fs_mkdir_p(dir, 0755, &e);
	found = playground_cached("tidb");
	assert_string_equal(found, "v8.5.10");
	free(found);
}

static void a_verb_that_it_lacks_is_said_in_one_line(void **unused)
{
	struct err e = ERR_INIT;
	struct cluster *c = cluster(&e);
	struct proc_ref none[1];

	(void)unused;
	assert_true(ground_can(&ground_playground, ABLE_TIME_TRAVEL) &&
		    ground_can(&ground_playground, ABLE_LINK));
	assert_false(ground_can(&ground_local, ABLE_TIME_TRAVEL) ||
		     ground_can(&ground_attach, ABLE_LINK) ||
		     ground_can(&ground_attach, ABLE_PAUSE));
	assert_int_equal(cluster_pause(c, true, &e), -1); /* it has not started */
	assert_string_equal(e.text, "pause primary: it is not running");
	assert_int_equal(cluster_kill_part(c, CLUSTER_STORAGE, 1, NULL, &e), -1);
	assert_string_equal(e.text, "kill primary: it has no such TiKV running");
	assert_int_equal(cluster_procs(c, CLUSTER_ALL, CLUSTER_EACH, none, 1), 0);
	assert_int_equal(cluster_changefeed_find(c, c, "x", "", &e), -1);
	assert_string_equal(e.text,
			    "primary: the playground ground cannot follow an existing changefeed");
	cluster_free(c);
}

static int read_text(struct attach_file *f, const char *text, struct err *e)
{
	char file[400];

	path(file, "clusters.lua");
	assert_int_equal(fs_write_atomic(file, text, strlen(text), 0600, e), 0);
	return attach_file_read(f, file, e);
}

static void a_clusters_file_is_read_whole(void **unused)
{
	struct err e = ERR_INIT;
	struct attach_file f;

	(void)unused;
	setenv("DRTEST_UNIT_PASSWORD", "p'w", 1);
	assert_int_equal(
		read_text(
			&f,
			"return { redo = 's3://redo/p', primary = { sql = { host = 'h', port = 4001, password = env 'DRTEST_UNIT_PASSWORD' },"
			" pd = 'https://h:2379/', tls = { ca = '/ca' }, allow = { 'backup', 'gc' }, commands = { kill = { 'kubectl', 'delete' } } } }",
			&e),
		0);
	assert_int_equal(f.n, 1);
	assert_string_equal(f.redo, "s3://redo/p");
	assert_string_equal(f.c[0].sql.password, "p'w");
	assert_string_equal(f.c[0].sql.user, "root");
	assert_int_equal(f.c[0].sql.port, 4001);
	assert_string_equal(f.c[0].pd, "https://h:2379");
	assert_string_equal(f.c[0].sql.ssl_ca, "/ca");
	assert_false(f.c[0].expendable);
	assert_int_equal(f.c[0].allow, 1u << ABLE_BACKUP | 1u << ABLE_GC);
	assert_string_equal(f.c[0].command[ATTACH_KILL][1], "delete");
	assert_null(f.c[0].command[ATTACH_KILL][2]);
	attach_file_release(&f);
}

static void what_is_not_said_is_not_allowed(void **unused)
{
	struct err e = ERR_INIT;
	struct attach_file f;
	char file[400];

	(void)unused;
	assert_int_equal(
		read_text(
			&f,
			"return { a = { sql = { host = 'h' } }, b = { sql = { host = 'i' }, expendable = true } }",
			&e),
		0);
	attach_file_release(&f);
	path(file, "clusters.lua");
	assert_int_equal(attach_use(file, &e), 0);
	/* expendable, but without a TiCDC */
	assert_int_equal(attach_allows("b", ABLE_CHANGEFEED, &e), -1);
	assert_non_null(strstr(e.text, "a changefeed from it needs ticdc"));
	assert_int_equal(attach_allows("a", ABLE_WRITE, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_int_equal(attach_allows("a", ABLE_KILL, &e), -1);
	assert_non_null(strstr(e.text, "not marked expendable"));
	assert_int_equal(attach_allows("b", ABLE_RESTORE, &e), 0);
	assert_int_equal(attach_allows("b", ABLE_KILL, &e), -1); /* no command for it */
	assert_int_equal(attach_allows("c", ABLE_RESTORE, &e), -1);
	assert_non_null(strstr(e.text, "has no cluster 'c' (it has "));
}

static void count(void *arg, const char *what)
{
	assert_non_null(strstr(what, "playground drtest-20260102T000000Z-gone-1-primary"));
	++*(int *)arg;
}

static void what_a_run_left_is_removed_and_nothing_else(void **unused)
{
	static const char *const tags[] = { "drtest-20260102T000000Z-gone-1-primary",
					    "drtest-20260102T000000Z-here-1-primary", "upstream",
					    /* the last two merely look alike */
					    "drtest-my-own-data", "drtest-2026-backup" };
	struct err e = ERR_INIT;
	char dir[400], runs[400];
	int n = 0;

	(void)unused;
	path(dir, "data");
	assert_int_equal(fs_remove_tree(dir, &e), 0);
	for (size_t i = 0; i < 5; i++) {
		snprintf(dir, sizeof(dir), "%s/data/%s/tidb-0", home, tags[i]);
		assert_int_equal(fs_mkdir_p(dir, 0755, &e), 0);
	}
	/* a pid that is somebody's (ours), and knows nothing of the tag: it is not killed */
	snprintf(dir, sizeof(dir), "%s/data/%s/tiup_process_meta", home, tags[0]);
	char meta[64];

	snprintf(meta, sizeof(meta), "{\"pid\": %d}", (int)getpid());
	assert_int_equal(fs_write_atomic(dir, meta, strlen(meta), 0644, &e), 0);
	path(runs, "runs/drtest-20260102T000000Z-here-1");
	assert_int_equal(fs_mkdir_p(runs, 0755, &e), 0);
	path(runs, "runs");
	assert_int_equal(playground_clean(runs, true, count, &n), 1);
	snprintf(dir, sizeof(dir), "%s/data/%s", home, tags[0]);
	assert_true(fs_exists(dir));
	n = 0;
	assert_int_equal(playground_clean(runs, false, count, &n), 1);
	assert_int_equal(n, 1);
	for (size_t i = 0; i < 5; i++) {
		snprintf(dir, sizeof(dir), "%s/data/%s", home, tags[i]);
		assert_int_equal(fs_exists(dir), i > 0);
	}
	assert_int_equal(playground_clean(runs, false, count, &n), 0);
}

/* TiCDC's mark of a removed changefeed stays for good: the prefix looks empty to who looks for
 * logs. */
static void a_prefix_of_a_removed_changefeed_is_refused(void **unused)
{
	struct err e = ERR_INIT;
	char dir[400], mark[400], uri[420];

	(void)unused;
	path(dir, "redo");
	path(mark, "redo/delete_default_forth");
	snprintf(uri, sizeof(uri), "file://%s", dir);
	assert_int_equal(fs_mkdir_p(dir, 0755, &e), 0);
	assert_int_equal(tidb_cluster_prefix_is_fresh(uri, "the redo log's prefix", &e), 0);
	assert_int_equal(fs_write_atomic(mark, "D", 1, 0600, &e), 0);
	assert_int_equal(tidb_cluster_prefix_is_fresh(uri, "the redo log's prefix", &e), -1);
	assert_non_null(strstr(e.text, "it had the log of a removed changefeed"));
	assert_int_equal(e.kind, ERR_ENV);
}

static void a_cdc_of_the_new_architecture_is_found(void **unused)
{
	struct err e = ERR_INIT;
	char dir[400], *found;

	(void)unused;
	unsetenv("DRTEST_TICDC");
	assert_null(ground_playground.new_ticdc());
	path(dir, "components/cdc/v8.5.3");
	assert_int_equal(fs_mkdir_p(dir, 0755, &e), 0);
	assert_null(ground_playground.new_ticdc());
	path(dir, "components/cdc/v8.5.4");
	assert_int_equal(fs_mkdir_p(dir, 0755, &e), 0);
	found = ground_playground.new_ticdc();
	assert_non_null(found);
	assert_non_null(strstr(found, "/components/cdc/v8.5.4/cdc"));
	free(found);
	setenv("DRTEST_TICDC", "/opt/cdc", 1);
	found = ground_playground.new_ticdc();
	assert_string_equal(found, "/opt/cdc");
	free(found);
	unsetenv("DRTEST_TICDC");
}

static int make_home(void **state)
{
	(void)state;
	if (!mkdtemp(home))
		return -1;
	return setenv("TIUP_HOME", home, 1);
}

static int remove_home(void **state)
{
	(void)state;
	return fs_remove_tree(home, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_of_an_earlier_tag_is_not_taken_over),
		cmocka_unit_test(the_newest_cached_version_is_found),
		cmocka_unit_test(a_verb_that_it_lacks_is_said_in_one_line),
		cmocka_unit_test(a_clusters_file_is_read_whole),
		cmocka_unit_test(what_is_not_said_is_not_allowed),
		cmocka_unit_test(a_prefix_of_a_removed_changefeed_is_refused),
		cmocka_unit_test(a_cdc_of_the_new_architecture_is_found),
		cmocka_unit_test(what_a_run_left_is_removed_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, make_home, remove_home);
}
