#include "tests/integration/backup_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "harness/compare/compare.h"
#include "harness/os/fs.h"
#include "harness/sql/schema.h"

struct test_server *source, *target;
int n_prefix;

struct store *fresh_store(char dir[200])
{
	char uri[256];
	struct err e = ERR_INIT;
	struct store *s;

	snprintf(dir, 200, "%s/backup%d", test_server_dir(source), ++n_prefix);
	snprintf(uri, sizeof(uri), "file://%s", dir);
	s = store_open(uri, NULL, &e);
	if (!s || store_create_bucket(s, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

void run(struct sql *s, const char *text)
{
	struct err e = ERR_INIT;

	if (sql_exec_text(s, &e, text, strlen(text)) < 0)
		fail_msg("%s: %s", text, e.text);
}

void clean(struct test_server *which)
{
	struct sql *s = test_server_connect(which);
	struct table_name *t;
	struct err e = ERR_INIT;
	size_t n;

	assert_int_equal(schema_names(s, &t, &n, &e), 0);
	for (size_t i = 0; i < n; i++)
		(void)sql_exec(s, NULL, "DROP DATABASE IF EXISTS `%s`", t[i].db);
	(void)sql_exec(s, NULL, "DROP DATABASE IF EXISTS onlyview");
	(void)sql_exec(s, NULL, "DROP DATABASE IF EXISTS ddl_more");
	schema_tables_free(t, n);
	sql_close(s);
}

int setup_pair(void **state)
{
	(void)state;
	clean(source);
	clean(target);
	return 0;
}

void backup(struct store *st, struct backup_result *r)
{
	struct backup_opts o = { .from = *test_server_endpoint(source), .threads = 3 };
	struct err e = ERR_INIT;

	if (backup_run(st, &o, r, &e) < 0)
		fail_msg("%s", e.text);
}

int restore(struct store *st, struct err *e)
{
	struct restore_opts o = { .to = *test_server_endpoint(target), .threads = 3 };
	struct backup_result r;

	*e = (struct err)ERR_INIT;
	return restore_run(st, &o, &r, e);
}

void assert_equal(struct store *st)
{
	struct compare_opts o = { .a = *test_server_endpoint(source),
				  .b = *test_server_endpoint(target),
				  .threads = 2 };
	struct compare_result r;
	struct table_sums sums;
	struct err e = ERR_INIT;

	if (compare_run(&o, &r, &e) < 0)
		fail_msg("%s", e.text);
	if (r.verdict != VERDICT_PASS)
		fail_msg("%s\n%s", r.evidence, json_dumps(r.findings, JSON_INDENT(1)));
	compare_result_release(&r);
	assert_int_equal(backup_sums(st, &sums, &e), 0);
	if (compare_with_sums(&o.b, &sums, 2, &r, &e) < 0)
		fail_msg("%s", e.text);
	if (r.verdict != VERDICT_PASS)
		fail_msg("%s\n%s", r.evidence, json_dumps(r.findings, JSON_INDENT(1)));
	compare_result_release(&r);
	table_sums_release(&sums);
}

uint64_t gtid_seq(struct sql *s)
{
	struct strbuf v = STRBUF_INIT;
	struct err e = ERR_INIT;
	uint64_t seq = 0;

	assert_int_equal(sql_value(s, &v, &e, "SELECT @@gtid_binlog_pos"), 0);
	assert_int_equal(gtid_parse_seq(v.buf, &seq, &e), 0);
	strbuf_release(&v);
	return seq;
}

/* A mariadbd that starts removes the temporary tables it finds in its directory for them, other
 * servers' too: each gets its own. */
static struct test_server *start_apart(unsigned id, char dir[64])
{
	strcpy(dir, "/var/tmp/drtest-it-tmp.XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 01777) || setenv("TMPDIR", dir, 1))
		abort();
	return test_server_start(id);
}

static char tmp[2][64];

void backup_pair_start(void)
{
	source = start_apart(1, tmp[0]);
	target = start_apart(2, tmp[1]);
}

void backup_pair_stop(void)
{
	test_server_free(source);
	test_server_free(target);
	for (int i = 0; i < 2; i++)
		fs_remove_tree(tmp[i], NULL);
}
