/* A worker's history file: whole lines in order, whatever a killed process left at its end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/os/fs.h"
#include "workloads/history.h"

static char dir[32];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/drtest-hist-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return fs_remove_tree(dir, NULL);
}

static void write_one(uint64_t seq, const char *ops)
{
	struct ledger_record r = { .worker = 3,
				   .outcome = TXN_UNKNOWN,
				   .cluster = 1,
				   .seq = seq,
				   .begin_us = 5,
				   .end_us = 9,
				   .position = UINT64_MAX };
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct history *h = history_open(dir, 3, &e);

	assert_non_null(h);
	strbuf_addstr(&text, ops);
	history_add(h, &r, &text);
	assert_int_equal(history_close(h, &e), 0);
	strbuf_release(&text);
}

static unsigned lines(void)
{
	struct strbuf text = STRBUF_INIT;
	char path[64];
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/worker-0003.history", dir);
	assert_int_equal(fs_read_file(path, 1 << 20, &text, NULL), 0);
	for (char *line = strtok(text.buf, "\n"); line; line = strtok(NULL, "\n"), n++) {
		json_t *j = json_loads(line, 0, NULL);

		assert_non_null(j);
		assert_int_equal(json_integer_value(json_object_get(j, "seq")), n + 1);
		assert_string_equal(json_string_value(json_object_get(j, "outcome")), "unknown");
		assert_string_equal(json_string_value(json_object_get(j, "position")),
				    "18446744073709551615");
		assert_int_equal(json_array_size(json_object_get(j, "ops")), 2);
		json_decref(j);
	}
	strbuf_release(&text);
	return n;
}

static void a_torn_last_line_is_cut(void **state)
{
	static const char *const torn[] = { "{\"worker\":3,\"se", "{", "x" };
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/worker-0003.history", dir);
	write_one(1, "[\"read\",1,2,\"\"],[\"append\",1,2,\"3.1.2\"]");
	for (size_t i = 0; i < sizeof(torn) / sizeof(*torn); i++) {
		int fd = open(path, O_WRONLY | O_APPEND);

		assert_int_equal(write(fd, torn[i], strlen(torn[i])), (ssize_t)strlen(torn[i]));
		close(fd);
		write_one(i + 2, "[\"read\",1,2,\"\"],[\"append\",1,2,\"3.1.2\"]");
		assert_int_equal(lines(), i + 2);
	}
}

static void a_folder_that_is_not_there_is_told(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_null(history_open("/nosuch/folder", 1, &e));
	assert_non_null(strstr(e.text, "/nosuch/folder/worker-0001.history"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_torn_last_line_is_cut),
		cmocka_unit_test(a_folder_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
