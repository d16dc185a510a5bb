/* os: children, their logs, the guardian. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

static char dir[64];

#define SH(script) ((char *[]){ "sh", "-c", script, NULL })

static struct proc *start(const char *script, const char *log, size_t cap)
{
	struct proc_opts o = { .name = "child",
			       .argv = SH((char *)script),
			       .log_path = log,
			       .dir = dir,
			       .log_bytes_max = cap };
	struct err e = ERR_INIT;
	struct proc *p = proc_start(&o, &e);

	if (!p)
		fail_msg("%s", e.text);
	return p;
}

static int in_dir(char *path, const char *name)
{
	return snprintf(path, 128, "%s/%s", dir, name);
}

static pid_t pid_in_file(const char *name)
{
	struct deadline d = deadline_in_ms(5000);
	char path[128];

	in_dir(path, name);
	do {
		struct strbuf s = STRBUF_INIT;
		pid_t pid = 0;

		if (fs_read_file(path, 100, &s, NULL) == 0 && s.len && s.buf[s.len - 1] == '\n')
			pid = (pid_t)atoi(s.buf);
		strbuf_release(&s);
		if (pid)
			return pid;
	} while (pause_ms(5, d) == 0);
	fail_msg("no pid in %s", path);
	return 0;
}

static bool alive(pid_t pid)
{
	char path[64], line[512], *p;
	FILE *f;
	bool yes;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	yes = fgets(line, sizeof(line), f) && (p = strrchr(line, ')')) && p[2] != 'Z' &&
	      p[2] != 'X';
	fclose(f);
	return yes;
}

static bool gone_in(pid_t pid, int64_t ms)
{
	struct deadline d = deadline_in_ms(ms);

	while (alive(pid))
		if (pause_ms(5, d) < 0)
			return false;
	return true;
}

static void how_a_child_ended_is_told(void **unused)
{
	struct proc *p = start("exit 3", NULL, 0);
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(proc_wait(p, deadline_in_ms(5000)), 1);
	assert_string_equal(proc_how(p), "exit 3");
	assert_int_equal(proc_exit_status(p), 3);
	assert_int_equal(proc_signal(p, SIGTERM, &e), -1);
	assert_int_equal(e.kind, ERR_GONE);
	proc_free(p);

	p = start("kill -9 $$", NULL, 0);
	assert_int_equal(proc_wait(p, deadline_in_ms(5000)), 1);
	assert_string_equal(proc_how(p), "SIGKILL (not sent by drtest; perhaps out of memory)");
	assert_int_equal(proc_exit_status(p), 137);
	proc_free(p);

	p = start("exec sleep 100", NULL, 0);
	assert_true(proc_running(p));
	assert_string_equal(proc_how(p), "");
	assert_int_equal(proc_wait(p, deadline_in_ms(30)), 0);
	assert_int_equal(proc_stop(p, deadline_in_ms(5000), &e), 0);
	assert_string_equal(proc_how(p), "SIGTERM (ours)");
	proc_free(p);
}

static void a_command_that_cannot_run_fails_at_the_start(void **unused)
{
	struct proc_opts o = { .name = "ghost",
			       .argv = (char *[]){ "no-such-command-here", NULL } };
	struct err e = ERR_INIT;
	char path[128];

	(void)unused;
	assert_null(proc_start(&o, &e));
	assert_int_equal(e.kind, ERR_ENV);
	assert_non_null(strstr(e.text, "start ghost: no-such-command-here is not installed"));

	in_dir(path, "notprogram");
	assert_int_equal(fs_write_atomic(path, "\1\2\3", 3, 0755, &e), 0);
	o.argv = (char *[]){ path, NULL };
	assert_null(proc_start(&o, &e)); /* the exec itself fails */
	assert_non_null(strstr(e.text, "Exec format error"));

	o.argv = (char *[]){ "true", NULL };
	o.dir = "/no/such/dir";
	assert_null(proc_start(&o, &e));
	assert_non_null(strstr(e.text, "enter /no/such/dir"));
	o.dir = NULL;
	o.run_as = "no-such-user-here";
	assert_null(proc_start(&o, &e));
	assert_non_null(strstr(e.text, "user 'no-such-user-here' does not exist"));
}

static void stdin_env_and_log_reach_the_child(void **unused)
{
	char log[128], *env[] = { "DRILL=yes", "PATH=/usr/bin:/bin", NULL };
	struct proc_opts o = { .name = "child",
			       .argv = SH("cat; echo $DRILL $PATH; echo oops >&2"),
			       .env = env,
			       .log_path = log,
			       .stdin_text = "from stdin\n" };
	struct strbuf s = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct proc *p;

	(void)unused;
	in_dir(log, "log1");
	p = proc_start(&o, &e);
	assert_non_null(p);
	assert_int_equal(proc_wait(p, deadline_in_ms(5000)), 1);
	/* complete as soon as the end is known */
	assert_int_equal(fs_read_file(log, 1000, &s, &e), 0);
	assert_string_equal(s.buf, "from stdin\nyes /usr/bin:/bin\noops\n");
	proc_free(p);
	strbuf_reset(&s);
	proc_log_tail(log, 2, &s);
	assert_string_equal(s.buf, "yes /usr/bin:/bin | oops");
	strbuf_release(&s);
}

static void a_flood_is_capped_and_the_last_lines_stay(void **unused)
{
	char log[128];
	struct strbuf s = STRBUF_INIT;
	struct proc *p;

	(void)unused;
	in_dir(log, "flood");
	p = start(
		"echo first; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo the end",
		log, 65536);
	assert_int_equal(proc_wait(p, deadline_in_ms(20000)), 1);
	assert_int_equal(fs_read_file(log, 65536, &s, NULL), 0);
	assert_int_equal(strncmp(s.buf, "first\nline 0\n", 13), 0);
	assert_non_null(strstr(s.buf, "line 19998\nline 19999\nthe end\n"));
	assert_non_null(strstr(s.buf, "bytes of output dropped here"));
	proc_free(p);
	strbuf_release(&s);
}

static void a_stop_ends_the_stubborn_and_the_paused(void **unused)
{
	struct err e = ERR_INIT;
	struct proc *p =
		start("trap '' TERM; echo $$ > ready; while :; do sleep 0.05; done", NULL, 0);

	(void)unused;
	pid_in_file("ready");
	assert_int_equal(proc_stop(p, deadline_in_ms(150), &e), 0);
	assert_string_equal(proc_how(p), "SIGKILL (ours)");
	proc_free(p);

	p = start("trap 'exit 5' TERM; echo $$ > ready2; while :; do sleep 0.05; done", NULL, 0);
	pid_in_file("ready2");
	assert_int_equal(proc_signal(p, SIGSTOP, &e), 0);
	assert_int_equal(proc_stop(p, deadline_in_ms(5000), &e), 0);
	assert_string_equal(proc_how(p), "exit 5");
	proc_free(p);
}

static void a_kill_reaches_whole_families_even_those_who_left_the_group(void **unused)
{
	struct proc *both[2];
	struct err e = ERR_INIT;
	int64_t at = 0, before;
	pid_t a, b, c;

	(void)unused;
	both[0] = start(
		"sleep 100 & echo $! > fam.a; setsid sh -c 'echo $$ > fam.b; sleep 100; :' & wait",
		NULL, 0);
	both[1] = start("exec 3>fam.c; echo $$ >&3; exec sleep 100", NULL, 0);
	a = pid_in_file("fam.a");
	b = pid_in_file("fam.b");
	c = pid_in_file("fam.c");
	before = clock_mono_ns();
	assert_int_equal(proc_kill_all(both, 2, &at, &e), 0);
	assert_true(at >= before && at <= clock_mono_ns());
	assert_false(alive(a));
	assert_false(alive(b));
	assert_false(alive(c));
	assert_string_equal(proc_how(both[0]), "SIGKILL (ours)");
	assert_string_equal(proc_how(both[1]), "SIGKILL (ours)");
	proc_free(both[0]);
	proc_free(both[1]);
}

static void what_a_dead_leader_leaves_ends_with_it(void **unused)
{
	struct proc *p = start("sleep 100 & echo $! > orphan; exit 0", NULL, 0);
	pid_t orphan = pid_in_file("orphan");

	(void)unused;
	assert_int_equal(proc_wait(p, deadline_in_ms(5000)), 1);
	assert_string_equal(proc_how(p), "exit 0");
	assert_false(alive(orphan));
	proc_free(p);
}

static void a_detached_child_outlives_an_orderly_end(void **unused)
{
	pid_t child, pid = fork();
	char log[128];
	int status;

	(void)unused;
	in_dir(log, "detached");
	if (pid == 0) {
		struct proc_opts o = { .name = "kept",
				       .argv = SH("echo $$ > kept; echo up; sleep 100; :"),
				       .log_path = log,
				       .dir = dir,
				       .outlives_us = true };
		struct err e = ERR_INIT;

		if (guardian_start(&e) < 0)
			_exit(1);
		proc_detach(proc_start(&o, &e));
		pid_in_file("kept");
		guardian_stop();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	child = pid_in_file("kept");
	poll(NULL, 0, 100);
	assert_true(alive(child));
	kill(-child, SIGKILL);
	assert_true(gone_in(child, 5000));
}

static void root_runs_a_child_as_another_user(void **unused)
{
	struct proc_opts o = {
		.name = "child",
		.argv = SH("id -un; id -G | wc -w; kill -0 $PPID 2>/dev/null || echo dropped"),
		.run_as = "nobody"
	};
	struct strbuf s = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct proc *p;
	char log[128];

	(void)unused;
	if (geteuid() != 0)
		skip();
	in_dir(log, "nobody");
	o.log_path = log;
	p = proc_start(&o, &e);
	assert_non_null(p);
	assert_int_equal(proc_wait(p, deadline_in_ms(5000)), 1);
	assert_int_equal(fs_read_file(log, 1000, &s, &e), 0);
	assert_string_equal(s.buf, "nobody\n1\ndropped\n");
	proc_free(p);
	strbuf_release(&s);
}

static void a_command_gives_its_output_or_says_why_not(void **unused)
{
	struct strbuf s = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(proc_run(SH("cat; echo two"), "one\n", &s, 100, deadline_in_ms(5000), &e),
			 0);
	assert_string_equal(s.buf, "one\ntwo\n");
	assert_int_equal(
		proc_run(SH("echo no room >&2; exit 7"), NULL, &s, 100, deadline_in_ms(5000), &e),
		-1);
	assert_string_equal(e.text, "sh: exit 7: no room");
	assert_int_equal(e.code, 7);
	assert_int_equal(proc_run(SH("sleep 100"), NULL, &s, 100, deadline_in_ms(100), &e), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_int_equal(proc_run(SH("yes"), NULL, &s, 1000, deadline_in_ms(5000), &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_string_equal(s.buf, "one\ntwo\n"); /* nothing of the failed ones */
	assert_int_equal(
		proc_run(
			SH("i=0; while [ $i -lt 20000 ]; do echo err $i >&2; i=$((i+1)); done; echo last >&2; exit 1"),
			NULL, NULL, 0, deadline_in_ms(20000), &e),
		-1);
	assert_non_null(strstr(e.text, "err 19999 last"));
	strbuf_release(&s);
}

static void a_cancelled_run_ends_a_wait(void **unused)
{
	struct err e = ERR_INIT;
	struct proc *p = start("exec sleep 100", NULL, 0);
	int64_t t = clock_mono_ns();

	(void)unused;
	clock_cancel(SIGINT);
	assert_int_equal(proc_wait(p, deadline_in_ms(20000)), 0);
	assert_int_equal(proc_run(SH("sleep 100"), NULL, NULL, 0, deadline_in_ms(20000), &e), -1);
	assert_int_equal(e.kind, ERR_CANCELLED);
	clock_cancel_reset();
	assert_true(clock_mono_ns() - t < 5000000000);
	proc_free(p);
}

/* In a process of its own: it is the one that gets killed. */
static void die_guarded(bool orderly)
{
	struct err e = ERR_INIT;
	char tree[128], inner[160];

	in_dir(tree, "doomed");
	if (guardian_start(&e) < 0 || fs_mkdir_p(tree, 0755, &e) < 0)
		_exit(1);
	snprintf(inner, sizeof(inner), "%s/file", tree);
	fs_write_atomic(inner, "x", 1, 0644, NULL);
	guardian_path(tree);
	/* One in its group, one that left it, and one whose leader is gone. */
	start("echo $$ > g.a; (trap '' TERM; exec sleep 100) & echo $! > g.b; exec sleep 100", NULL,
	      0);
	start("setsid sh -c 'echo $$ > g.c; sleep 100; :' & exec sleep 100", NULL, 0);
	pid_in_file("g.a");
	pid_in_file("g.b");
	pid_in_file("g.c");
	if (orderly) {
		guardian_path_forget(tree);
		guardian_stop();
		_exit(0);
	}
	kill(getpid(), SIGKILL);
}

static void nothing_survives_a_killed_harness(void **unused)
{
	char tree[128];
	pid_t pid = fork();

	(void)unused;
	if (pid == 0)
		die_guarded(false);
	waitpid(pid, NULL, 0);
	assert_true(gone_in(pid_in_file("g.a"), 5000));
	assert_true(gone_in(pid_in_file("g.b"), 5000));
	assert_true(gone_in(pid_in_file("g.c"), 5000));
	in_dir(tree, "doomed");
	for (struct deadline d = deadline_in_ms(5000); fs_exists(tree);)
		assert_int_equal(pause_ms(10, d), 0);
}

static void the_guardian_forgets_what_it_is_told_to(void **unused)
{
	char tree[128];
	pid_t pid = fork();
	int status;

	(void)unused;
	if (pid == 0)
		die_guarded(true);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	poll(NULL, 0, 200);
	in_dir(tree, "doomed");
	assert_true(fs_exists(tree));
	/* the leaders died with their parent, by the kernel's hand */
	kill(pid_in_file("g.b"), SIGKILL);
	kill(-pid_in_file("g.c"), SIGKILL); /* a group of its own */
}

/* Dies with an undo to be done; true: its guardian has started this program again for that. */
static bool is_started_again(bool is_drtest)
{
	char undone[128];
	struct err e = ERR_INIT;
	pid_t pid;

	in_dir(undone, "undone");
	unlink(undone);
	setenv("TEST_PROC_UNDONE", undone, 1);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (pid == 0) {
		if (is_drtest)
			guardian_is_drtest();
		if (guardian_start(&e) < 0)
			_exit(1);
		guardian_undo();
		kill(getpid(), SIGKILL);
	}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	return fs_exists(undone);
}

static void only_drtest_is_started_again_to_undo(void **unused)
{
	(void)unused;
	assert_true(is_started_again(true));
	assert_false(is_started_again(false));
}

static int clean_children(void **unused)
{
	static const char *const names[] = { "g.a", "g.b", "g.c" };
	char path[128];

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		in_dir(path, names[i]);
		unlink(path);
	}
	return 0;
}

static int make_dir(void **unused)
{
	(void)unused;
	strcpy(dir, "/tmp/drtest-test-proc-XXXXXX");
	return mkdtemp(dir) && chmod(dir, 0777) == 0 ? 0 : -1;
}

static int remove_dir(void **unused)
{
	(void)unused;
	return fs_remove_tree(dir, NULL);
}

/* The program as a copy, which removes its own file and says how it would be started again. */
static int say_self_without_a_file(const char *path)
{
	char self[PATH_MAX];

	puts(proc_self(self));
	if (unlink(path) < 0)
		return 1;
	puts(proc_self(self));
	return 0;
}

static void a_program_that_was_replaced_starts_itself_again(void **unused)
{
	char own[] = "/tmp/drtest-unit.XXXXXX", copy[100], self[PATH_MAX], want[200];
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	assert_non_null(mkdtemp(own));
	snprintf(copy, sizeof(copy), "%s/copy", own);
	assert_int_equal(fs_copy_tree(proc_self(self), copy, &e), 0);
	assert_int_equal(chmod(copy, 0755), 0);
	if (proc_run((char *[]){ copy, (char *)"--self", NULL }, NULL, &out, 1000,
		     deadline_in_ms(60000), &e) < 0)
		fail_msg("%s", e.text);
	snprintf(want, sizeof(want), "%s\n/proc/self/exe\n", copy);
	assert_string_equal(out.buf, want);
	strbuf_release(&out);
	fs_remove_tree(own, NULL);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "clean") && !strcmp(argv[2], "--undo"))
		return fs_write_atomic(getenv("TEST_PROC_UNDONE"), "", 0, 0644, NULL) < 0;
	if (argc == 2 && !strcmp(argv[1], "--self"))
		return say_self_without_a_file(argv[0]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_a_child_ended_is_told),
		cmocka_unit_test(a_program_that_was_replaced_starts_itself_again),
		cmocka_unit_test(a_command_that_cannot_run_fails_at_the_start),
		cmocka_unit_test(stdin_env_and_log_reach_the_child),
		cmocka_unit_test(a_flood_is_capped_and_the_last_lines_stay),
		cmocka_unit_test(a_stop_ends_the_stubborn_and_the_paused),
		cmocka_unit_test(a_kill_reaches_whole_families_even_those_who_left_the_group),
		cmocka_unit_test(what_a_dead_leader_leaves_ends_with_it),
		cmocka_unit_test(a_detached_child_outlives_an_orderly_end),
		cmocka_unit_test(root_runs_a_child_as_another_user),
		cmocka_unit_test(a_command_gives_its_output_or_says_why_not),
		cmocka_unit_test(a_cancelled_run_ends_a_wait),
		cmocka_unit_test_setup(nothing_survives_a_killed_harness, clean_children),
		cmocka_unit_test_setup(the_guardian_forgets_what_it_is_told_to, clean_children),
		cmocka_unit_test(only_drtest_is_started_again_to_undo),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
