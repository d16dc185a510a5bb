/* run: the data directory, and what a drtest that dies while it makes one leaves: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/data_dir.h"

#define DEATHS 60

static char *run_name(const char *what)
{
	return xstrfmt("unit-data-dir-%d-%s", (int)getpid(), what);
}

static size_t count_dirs(const char *run)
{
	char *pattern = xstrfmt("/var/tmp/drtest-%s*", run);
	glob_t found = { 0 };
	size_t n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;

	globfree(&found);
	free(pattern);
	return n;
}

static void remove_dir(char *dir, int lock)
{
	fs_remove_tree(dir, NULL);
	close(lock);
	free(dir);
}

static void runs_of_one_name_get_directories_of_their_own(void **unused)
{
	char *run = run_name("same"), *first, *second, *path;
	struct err e = ERR_INIT;
	int a = data_dir_make(run, false, &first, &e), b = data_dir_make(run, false, &second, &e);
	struct stat st;

	(void)unused;
	assert_true(a >= 0 && b >= 0);
	assert_string_not_equal(first, second);
	assert_int_equal(stat(first, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	path = xstrfmt("%s/lock", second);
	assert_true(fs_exists(path));
	assert_int_equal(count_dirs(run), 2);
	remove_dir(first, a);
	remove_dir(second, b);
	free(path);
	free(run);
}

/* One directory after the other until it is killed, beside one that is another's. */
static _Noreturn void make_until_killed(const char *run, int ready)
{
	struct err e = ERR_INIT;

	if (guardian_start(&e) < 0 || write(ready, "x", 1) != 1)
		_exit(1);
	for (;;) {
		char *dir;
		int lock = data_dir_make(run, true, &dir, &e);

		if (lock < 0)
			_exit(1);
		fs_remove_tree(dir, NULL);
		guardian_path_forget(dir);
		close(lock);
		free(dir);
	}
}

static void a_drtest_that_dies_while_it_makes_one_leaves_nothing(void **unused)
{
	char *run = run_name("killed"), *others;
	struct err e = ERR_INIT;
	int lock = data_dir_make(run, false, &others, &e);
	uint32_t draw = 1;

	(void)unused;
	assert_true(lock >= 0);
	for (int i = 0; i < DEATHS; i++) {
		struct timespec pause = { 0 };
		int ready[2], status;
		char x;
		pid_t pid;

		assert_int_equal(pipe(ready), 0);
		pid = fork();
		if (pid == 0)
			make_until_killed(run, ready[1]);
		assert_int_equal(read(ready[0], &x, 1), 1);
		draw = draw * 1664525u + 1013904223u;
		pause.tv_nsec = draw >> 12; /* up to 1 ms */
		nanosleep(&pause, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status)); /* it made them until then */
		close(ready[0]);
		close(ready[1]);
		for (struct deadline d = deadline_in_ms(60000); count_dirs(run) > 1;)
			assert_int_equal(pause_ms(1, d), 0);
		assert_true(fs_exists(others)); /* the other run's is not its to remove */
	}
	remove_dir(others, lock);
	free(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_of_one_name_get_directories_of_their_own),
		cmocka_unit_test(a_drtest_that_dies_while_it_makes_one_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
