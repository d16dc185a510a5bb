#include "tests/integration/compare_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/os/fs.h"

struct test_server *pair_server[2];
struct sql *pair_conn[2];
static char tmp[2][64];

/* A mariadbd that starts removes the temporary tables it finds in its directory for them, other
 * servers' too: each gets its own. */
void pair_start(void)
{
	for (int i = 0; i < 2; i++) {
		strcpy(tmp[i], "/var/tmp/drtest-it-tmp.XXXXXX");
		if (!mkdtemp(tmp[i]) || chmod(tmp[i], 01777) || setenv("TMPDIR", tmp[i], 1))
			abort();
		pair_server[i] = test_server_start((unsigned)i + 1);
		pair_conn[i] = test_server_connect(pair_server[i]);
	}
}

void pair_stop(void)
{
	for (int i = 0; i < 2; i++) {
		sql_close(pair_conn[i]);
		test_server_free(pair_server[i]);
		fs_remove_tree(tmp[i], NULL);
	}
}

void pair_run(int side, const char *text)
{
	struct err e = ERR_INIT;

	if (sql_exec_text(pair_conn[side], &e, text, strlen(text)) < 0)
		fail_msg("%s: %s", text, e.text);
}

void pair_both(const char *text)
{
	pair_run(0, text);
	pair_run(1, text);
}

void pair_apply(const char *path)
{
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	char *save = NULL;

	assert_int_equal(fs_read_file(path, 1 << 26, &text, &e), 0);
	pair_run(1, "BEGIN"); /* one flush */
	for (char *line = strtok_r(text.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "-- ", 3) != 0)
			pair_run(1, line);
	pair_run(1, "COMMIT");
	strbuf_release(&text);
}

struct compare_opts pair_options(void)
{
	return (struct compare_opts){ .a = *test_server_endpoint(pair_server[0]),
				      .b = *test_server_endpoint(pair_server[1]),
				      .threads = 2,
				      .chunk_rows = 1000 };
}

struct compare_result pair_compare(const struct compare_opts *o)
{
	struct compare_result r;
	struct err e = ERR_INIT;

	if (compare_run(o, &r, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

const struct compare_table *pair_table(const struct compare_result *r, const char *name)
{
	for (size_t i = 0; i < r->n_tables; i++)
		if (!strcmp(r->table[i].name, name))
			return &r->table[i];
	fail_msg("no %s in the result", name);
	return NULL;
}

json_t *pair_finding(const struct compare_result *r, const char *kind, const char *table)
{
	json_t *f;
	size_t i;

	json_array_foreach(
		r->findings, i,
		f) if (!strcmp(json_string_value(json_object_get(f, "kind")), kind) &&
		       !strcmp(json_string_value(json_object_get(f, "table")), table)) return f;
	return NULL;
}

bool pair_told(const struct compare_result *r, const char *kind, const char *name)
{
	json_t *f;
	size_t i;

	json_array_foreach(
		r->not_compared, i,
		f) if (!strcmp(json_string_value(json_object_get(f, "kind")), kind) &&
		       !strcmp(json_string_value(json_object_get(f, "name")), name)) return true;
	return false;
}
