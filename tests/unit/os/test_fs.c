/* os: files, trees, ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

static char dir[64], path[256];

static const char *in(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void a_write_replaces_the_file_whole(void **unused)
{
	struct strbuf s = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct stat st;

	(void)unused;
	assert_int_equal(fs_write_atomic(in("a"), "one", 3, 0600, &e), 0);
	assert_int_equal(fs_write_atomic(in("a"), "two", 3, 0640, &e), 0);
	assert_int_equal(fs_read_file(in("a"), 3, &s, &e), 0);
	assert_string_equal(s.buf, "two");
	assert_int_equal(stat(in("a"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(fs_read_file(in("a"), 2, &s, &e), -1); /* larger than asked for */
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_string_equal(s.buf, "two");
	assert_int_equal(fs_read_file(in("none"), 2, &s, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(fs_write_atomic(in("no/such/dir"), "x", 1, 0600, &e), -1);
	assert_int_equal(fs_write_atomic("/dev/full/x", "x", 1, 0600, &e), -1);
	strbuf_release(&s);
}

static void what_is_no_file_is_written_to_and_not_replaced(void **unused)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct err e = ERR_INIT;
	struct stat st;
	char got[8] = "", *proc;
	int fd, sock;

	(void)unused;
	assert_int_equal(mkfifo(in("pipe"), 0600), 0);
	fd = open(in("pipe"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_atomic(in("pipe"), "one", 3, 0600, &e), 0);
	assert_int_equal(read(fd, got, sizeof(got)), 3);
	assert_string_equal(got, "one");
	assert_int_equal(stat(in("pipe"), &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	/* as /dev/stdout is one */
	proc = xstrfmt("/proc/self/fd/%d", fd);
	assert_int_equal(fs_write_atomic(proc, "two", 3, 0600, &e), 0);
	assert_int_equal(read(fd, got, sizeof(got)), 3);
	assert_string_equal(got, "two");
	free(proc);
	close(fd);
	/* a link elsewhere is replaced, and what it leads to left alone */
	assert_int_equal(symlink("pipe", in("link")), 0);
	assert_int_equal(fs_write_atomic(in("link"), "three", 5, 0600, &e), 0);
	assert_int_equal(lstat(in("link"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	/* a socket takes no bytes */
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", in("sock"));
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(fs_write_atomic(in("sock"), "x", 1, 0600, &e), -1);
	assert_non_null(strstr(e.text, "neither a file nor a pipe"));
	assert_int_equal(stat(in("sock"), &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	close(sock);
}

static int collect(void *arg, const char *name, struct err *e)
{
	(void)e;
	strbuf_addf(arg, "%s ", name);
	return 0;
}

static void a_tree_is_copied_and_removed_without_following_links(void **unused)
{
	char *from = xstrdup(in("from")), *to = xstrdup(in("to")),
	     *outside = xstrdup(in("outside"));
	struct strbuf s = STRBUF_INIT;
	struct err e = ERR_INIT;
	char *big = xmalloc(3 << 20);
	struct stat st;

	(void)unused;
	for (size_t i = 0; i < 3 << 20; i++)
		big[i] = (char)(i * 7 >> 3);
	assert_int_equal(fs_mkdir_p(in("from/deep/er"), 0755, &e), 0);
	assert_int_equal(fs_mkdir_p(in("from/deep/er/"), 0755, &e), 0);
	assert_int_equal(fs_write_atomic(in("from/deep/er/big"), big, 3 << 20, 0640, &e), 0);
	assert_int_equal(fs_write_atomic(outside, "keep", 4, 0644, &e), 0);
	assert_int_equal(symlink(outside, in("from/link")), 0);
	assert_int_equal(mkfifo(in("from/pipe"), 0600), 0);
	assert_int_equal(mkdir(in("from/closed"), 0500), 0);
	if (geteuid() == 0)
		assert_int_equal(fs_chown_tree(from, 65534, 65534, &e), 0);
	assert_int_equal(fs_copy_tree(from, to, &e), 0);
	assert_int_equal(fs_read_file(in("to/deep/er/big"), 4 << 20, &s, &e), 0);
	assert_int_equal(s.len, 3 << 20);
	assert_memory_equal(s.buf, big, 3 << 20);
	assert_int_equal(lstat(in("to/link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(in("to/closed"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0500);
	assert_int_equal(stat(outside, &st), 0);
	assert_int_not_equal(st.st_uid, 65534);
	if (geteuid() == 0) {
		assert_int_equal(stat(in("to/deep/er/big"), &st), 0);
		assert_int_equal(st.st_uid, 65534);
	}
	assert_int_equal(fs_copy_tree(from, to, &e), -1); /* never over a file that is there */
	strbuf_reset(&s);
	assert_int_equal(fs_list(to, collect, &s, &e), 0);
	assert_string_equal(s.buf, "closed deep link ");
	assert_int_equal(fs_remove_tree(to, &e), 0);
	assert_int_equal(fs_remove_tree(to, &e), 0);
	assert_false(fs_exists(to));
	assert_true(fs_exists(outside));
	assert_int_equal(fs_remove_tree(from, &e), 0);
	assert_int_equal(fs_mkdir_p(in("outside/x"), 0755, &e), -1);
	assert_true(fs_free_bytes(dir) > 0);
	free(big);
	free(from);
	free(to);
	free(outside);
	strbuf_release(&s);
}

static void a_port_belongs_to_one_drtest(void **unused)
{
	struct err e = ERR_INIT;
	int a = port_take(0, &e), b = port_take(0, &e), pipes[2], theirs = 0, status;
	pid_t pid;

	(void)unused;
	assert_true(a > 0 && b > 0 && a != b);
	assert_true(port_is_free(a)); /* only locked, not bound */
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) { /* another process asks for the same */
		int got = port_take(a, NULL);

		_exit(write(pipes[1], &got, sizeof(got)) == sizeof(got) && got > 0 && got != a ? 0
											       : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(read(pipes[0], &theirs, sizeof(theirs)), sizeof(theirs));
	close(pipes[0]);
	close(pipes[1]);
	port_release(a);
	assert_int_equal(port_take(a, &e), a);
	port_release(a);
	port_release(b);
	snprintf(path, sizeof(path), "/var/tmp/drtest-ports/%d", a);
	assert_false(fs_exists(path));
	/* it died without releasing */
	snprintf(path, sizeof(path), "/var/tmp/drtest-ports/%d", theirs);
	unlink(path);
	rmdir("/var/tmp/drtest-ports");
}

static void who_listens_on_a_port_is_told(void **unused)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), hold[2], port;
	char c;
	pid_t other;

	(void)unused;
	assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&at, &n), 0);
	port = ntohs(at.sin_port);
	assert_int_equal(port_is_of(port, getpid()), 0); /* bound is not listening */
	assert_int_equal(pipe(hold), 0);
	other = fork();
	assert_true(other >= 0);
	if (!other) {
		setpgid(0, 0);
		close(s);
		close(hold[1]);
		_exit(read(hold[0], &c, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(listen(s, 1), 0);
	while (port_is_of(port, other) == 1) /* until it has closed its copy */
		usleep(1000);
	assert_int_equal(port_is_of(port, other), 0);
	assert_int_equal(port_is_of(port, getpid()), 1);
	assert_int_equal(port_is_of(port == 65535 ? 1 : port + 1, other), 0);
	close(hold[1]);
	assert_int_equal(waitpid(other, NULL, 0), other);
	close(hold[0]);
	close(s);
	assert_int_equal(port_is_of(port, getpid()), 0);
}

static void many_that_ask_at_once_get_different_ports(void **unused)
{
	enum { PROCS = 8, EACH = 20 };
	int pipes[2], hold[2], ports[PROCS * EACH];
	static unsigned char seen[65536];

	(void)unused;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipe(hold), 0);
	for (int i = 0; i < PROCS; i++)
		if (fork() == 0) {
			int mine[EACH];
			char c;

			close(hold[1]);
			for (int k = 0; k < EACH; k++)
				mine[k] = port_take(0, NULL);
			(void)!write(pipes[1], mine, sizeof(mine));
			(void)!read(hold[0], &c, 1); /* until all have theirs */
			for (int k = 0; k < EACH; k++)
				port_release(mine[k]);
			_exit(0);
		}
	for (size_t got = 0; got < sizeof(ports);) {
		ssize_t n = read(pipes[0], (char *)ports + got, sizeof(ports) - got);

		assert_true(n > 0);
		got += (size_t)n;
	}
	close(hold[1]);
	close(hold[0]);
	while (wait(NULL) > 0)
		;
	close(pipes[0]);
	close(pipes[1]);
	for (int i = 0; i < PROCS * EACH; i++) {
		assert_in_range(ports[i], 1, 65535);
		assert_int_equal(seen[ports[i]]++, 0);
	}
}

/* 0: what is mounted in the tree is there, and the tree too; in a mount namespace of its own. */
static int remove_beside_a_mount(void)
{
	char *theirs = xstrdup(in("theirs"));
	struct err e = ERR_INIT;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(theirs, in("tree/sub/at"), NULL, MS_BIND, NULL) < 0)
		return 2;
	return fs_remove_tree(in("tree"), &e) < 0 && strstr(e.text, "busy") &&
			       fs_exists(in("theirs/data"))
		       ? 0
		       : 1;
}

static void what_is_mounted_in_a_tree_is_not_removed(void **unused)
{
	struct err e = ERR_INIT;
	int status;
	pid_t pid;

	(void)unused;
	assert_int_equal(fs_mkdir_p(in("tree/sub/at"), 0755, &e), 0);
	assert_int_equal(fs_mkdir_p(in("theirs/data"), 0755, &e), 0);
	pid = fork();
	if (pid == 0)
		_exit(remove_beside_a_mount());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2) /* not root, or a container that forbids it */
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int make_dir(void **unused)
{
	(void)unused;
	strcpy(dir, "/tmp/drtest-test-fs-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **unused)
{
	(void)unused;
	return fs_remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_replaces_the_file_whole),
		cmocka_unit_test(what_is_no_file_is_written_to_and_not_replaced),
		cmocka_unit_test(a_tree_is_copied_and_removed_without_following_links),
		cmocka_unit_test(what_is_mounted_in_a_tree_is_not_removed),
		cmocka_unit_test(a_port_belongs_to_one_drtest),
		cmocka_unit_test(who_listens_on_a_port_is_told),
		cmocka_unit_test(many_that_ask_at_once_get_different_ports),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
