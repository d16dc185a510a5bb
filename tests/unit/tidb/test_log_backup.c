/* What br says of its log backup, as it was recorded; a tool that prints the recording stands in
 * its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/tidb/log_backup.h"

#define RECORDED "tests/fixtures/real-tidb/br"

static char dir[] = "/tmp/test_log_backup.XXXXXX";

/* A script that answers as the recording of that name: its stdout, its stderr, its exit status. */
static struct stock_tool plays(const char *name)
{
	char *path = xstrfmt("%s/br", dir), *from = xstrfmt("%s/%s", RECORDED, name),
	     *text = xstrfmt("#!/bin/sh\n"
			     "sed -n '/^-- stdout/,/^-- stderr/{/^-- /d;p}' %s\n"
			     "sed -n '/^-- stderr/,/^-- exit/{/^-- /d;p}' %s >&2\n"
			     "exit $(sed -n 's/^-- exit \\([0-9]*\\),.*/\\1/p' %s)\n",
			     from, from, from);
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0700, &e), 0);
	free(text);
	free(from);
	return (struct stock_tool){ .word = { path }, .n = 1 };
}

static struct log_backup task(const struct stock_tool *br)
{
	return (struct log_backup){ br, "127.0.0.1:2379", "pitr1",
				    "s3://log/x?access-key=minioadmin&secret-access-key=geheim",
				    "/dev/null" };
}

static void the_status_is_read(void **unused)
{
	struct stock_tool br = plays("log-status.json.txt");
	struct log_backup l = task(&br);
	struct log_backup_status st;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(log_backup_status(&l, &st, &e), 0);
	assert_string_equal(st.state, "NORMAL");
	assert_true(st.start_ts == 470764238526480391u && st.checkpoint_ts == st.start_ts);
	assert_string_equal(st.error, "");
	l.task = "another";
	assert_int_equal(log_backup_status(&l, &st, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "run `br log start` beforehand"));
	stock_release(&br);
}

static void what_is_no_status_is_refused(void **unused)
{
	static const char *const bad[] = { "",
					   "[",
					   "{}",
					   "[{\"name\":\"t\"}]",
					   "[{\"name\":\"t\",\"start_ts\":1,\"checkpoint\":-1}]",
					   "[]" };
	struct log_backup_status st;
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(log_backup_status_parse(&st, bad[i], "t", &e), -1);
	/* lines of tiup's and colours may stand before it; a last error is told */
	assert_int_equal(
		log_backup_status_parse(
			&st,
			"\x1b[0mStarting component br\n[{\"name\":\"t\",\"start_ts\":1,\"checkpoint\":470764238526480391,"
			"\"status\":\"ERROR\",\"last_errors\":[{\"error_code\":\"KV\"}]}]\n",
			"t", &e),
		0);
	assert_true(st.checkpoint_ts == 470764238526480391u && strstr(st.error, "KV"));
}

static void a_restore_tells_where_it_stands(void **unused)
{
	struct stock_tool br = plays("restore-point.txt");
	struct log_backup l = task(&br);
	struct err e = ERR_INIT;
	tso_t point = 0;

	(void)unused;
	assert_int_equal(log_backup_restore(&l, "s3://full", 0, &point, &e), 0);
	assert_true(point == 470764346568867848u);
	assert_int_equal(log_backup_restore(&l, "s3://full", 470764346568867000u, &point, &e), 0);
	assert_true(point == 470764346568867000u);
	stock_release(&br);
}

static void each_refusal_has_its_way_out(void **unused)
{
	static const struct {
		const char *recording, *says;
	} refusals[] = {
		{ "restore-point.gap.txt", "one that was made after `br log start`" },
		{ "restore-point.young_log.txt", "checkpoint has not reached the full backup" },
		{ "restore-point.no_log.txt", "this prefix has no full backup or no log backup" },
		{ "restore-full.not_fresh.txt", "use a new cluster" },
	};
	struct err e = ERR_INIT;
	struct stock_tool br;
	struct log_backup l;
	tso_t point = 0;

	(void)unused;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		br = plays(refusals[i].recording);
		l = task(&br);
		assert_int_equal(log_backup_restore(&l, "s3://full", 0, &point, &e), -1);
		if (!strstr(e.text, refusals[i].says))
			fail_msg("%s: %s", refusals[i].recording, e.text);
		assert_null(strpbrk(e.text, "\n\t"));
		assert_null(strstr(e.text, "geheim"));
		stock_release(&br);
	}
	br = plays("log-start.twice.txt");
	l = task(&br);
	assert_int_equal(log_backup_start(&l, &e), -1);
	assert_non_null(strstr(e.text, "a cluster can have one task"));
	stock_release(&br);
	br = plays("log-status.unknown.txt");
	assert_int_equal(log_backup_status(&l, &(struct log_backup_status){ 0 }, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	stock_release(&br);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_is_read),
		cmocka_unit_test(what_is_no_status_is_refused),
		cmocka_unit_test(a_restore_tells_where_it_stands),
		cmocka_unit_test(each_refusal_has_its_way_out),
	};
	int rc;

	if (!mkdtemp(dir))
		return 3;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fs_remove_tree(dir, NULL);
	return rc;
}
