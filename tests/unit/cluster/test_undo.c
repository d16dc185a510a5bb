/* undo: a restore's note is as young as its run's last sign of life. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/cluster/undo.h"
#include "harness/os/fs.h"

#define LONG_AGO_S 7200

static char notes[80], note[200];

static int find_note(void *arg, const char *name, struct err *e)
{
	(void)arg, (void)e;
	snprintf(note, sizeof(note), "%s/%s", notes, name);
	return 0;
}

static int64_t note_age_s(void)
{
	struct stat st;

	assert_int_equal(fs_list(notes, find_note, NULL, NULL), 0);
	assert_int_equal(stat(note, &st), 0);
	return time(NULL) - st.st_mtime;
}

static void grow_old(void)
{
	const struct timespec then = { .tv_sec = time(NULL) - LONG_AGO_S };

	assert_int_equal(utimensat(AT_FDCWD, note, (struct timespec[]){ then, then }, 0), 0);
	assert_true(note_age_s() >= LONG_AGO_S);
}

static void a_long_restore_is_its_runs_until_the_end(void **unused)
{
	char dir[] = "/tmp/drtest-undo.XXXXXX", file[64];
	struct err e = ERR_INIT;
	struct undo *fill, *gc;

	(void)unused;
	assert_non_null(mkdtemp(dir));
	snprintf(notes, sizeof(notes), "%s/undo", dir);
	setenv("DRTEST_UNDO", notes, 1);
	snprintf(file, sizeof(file), "%s/clusters.lua", dir);
	assert_int_equal(fs_write_atomic(file, "", 0, 0600, &e), 0);
	fill = undo_note(UNDO_FILL, file, "secondary", "", &e);
	assert_non_null(fill);
	note_age_s();
	grow_old();
	undo_alive();
	assert_true(note_age_s() < LONG_AGO_S / 2);
	undo_forget(fill);
	/* what was done at once is as old as it is */
	gc = undo_note(UNDO_GC, file, "secondary", "", &e);
	assert_non_null(gc);
	note_age_s();
	grow_old();
	undo_alive();
	assert_true(note_age_s() >= LONG_AGO_S);
	undo_forget(gc);
	assert_int_equal(fs_remove_tree(dir, &e), 0);
}

/* "shop\\nx" must never become a note to drop "shop". */
static void a_name_of_two_lines_is_not_noted(void **unused)
{
	char dir[] = "/tmp/drtest-undo.XXXXXX", file[64];
	struct err e = ERR_INIT;

	(void)unused;
	assert_non_null(mkdtemp(dir));
	snprintf(notes, sizeof(notes), "%s/undo", dir);
	setenv("DRTEST_UNDO", notes, 1);
	snprintf(file, sizeof(file), "%s/clusters.lua", dir);
	assert_int_equal(fs_write_atomic(file, "", 0, 0600, &e), 0);
	assert_null(undo_note(UNDO_LEFT_DATABASE, file, "secondary", "shop\nx", &e));
	assert_non_null(strstr(e.text, "line break"));
	note[0] = '\0';
	assert_int_equal(fs_list(notes, find_note, NULL, NULL), 0);
	assert_string_equal(note, "");
	assert_int_equal(fs_remove_tree(dir, &e), 0);
}

static void take_word(void *arg, const char *what)
{
	snprintf(arg, 400, "%s", what);
}

/* A command in it would be run by whoever works the note off. */
static void a_file_that_is_anothers_by_now_is_not_read(void **unused)
{
	char dir[] = "/tmp/drtest-undo.XXXXXX", file[64], ran[64], said[400] = "", text[300];
	struct err e = ERR_INIT;

	(void)unused;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(notes, sizeof(notes), "%s/undo", dir);
	setenv("DRTEST_UNDO", notes, 1);
	snprintf(file, sizeof(file), "%s/clusters.lua", dir);
	snprintf(ran, sizeof(ran), "%s/ran", dir);
	snprintf(text, sizeof(text),
		 "return { a = { sql = { host = '127.0.0.1', port = 1, password = { command = { "
		 "'touch', '%s' } } } } }",
		 ran);
	assert_int_equal(fs_write_atomic(file, text, strlen(text), 0600, &e), 0);
	undo_leave(undo_note(UNDO_GC, file, "a", "", &e));
	assert_int_equal(chown(file, 65534, 65534), 0);
	assert_int_equal(undo_work_off(take_word, said), 0);
	assert_non_null(strstr(said, "is another user's file now"));
	assert_false(fs_exists(ran));
	assert_int_equal(chown(file, 0, 0), 0);
	assert_int_equal(undo_work_off(take_word, said), 0);
	assert_null(strstr(said, "another user's"));
	assert_true(fs_exists(ran));
	assert_int_equal(fs_remove_tree(dir, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_restore_is_its_runs_until_the_end),
		cmocka_unit_test(a_name_of_two_lines_is_not_noted),
		cmocka_unit_test(a_file_that_is_anothers_by_now_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
