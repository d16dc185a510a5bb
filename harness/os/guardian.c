/* The guardian's side and ours of one SOCK_SEQPACKET pair. Each message: one letter, then a pid or
 * a path; each is answered by one byte, so that what is registered is known before we go on. End of
 * file without 'Q' means that we died. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/os/spawn.h"

#define MESSAGE_MAX (PATH_MAX + 50)
#define NESTED_MS 1200

struct ward {
	pid_t pgid;
	int pidfd; /* of the leader */
	struct stat_line stat;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int to_guardian = -1;
static bool is_drtest;
static pid_t guardian_pid, owner;

/* ---- in the guardian ---- */

/* What is removed: whatever stands there, or (ino not 0) only the directory that was registered. */
struct doomed {
	char *path;
	dev_t dev;
	ino_t ino;
};

struct watch {
	struct ward *wards;
	struct doomed *paths;
	size_t n_wards, alloc_wards, n_paths, alloc_paths;
	bool undo;
};

static void watch_group(struct watch *w, pid_t pgid)
{
	struct ward ward = { .pgid = pgid, .pidfd = pidfd_open(pgid, 0) };

	if (ward.pidfd < 0 || proc_stat(pgid, &ward.stat) < 0) {
		if (ward.pidfd >= 0)
			close(ward.pidfd);
		return;
	}
	XGROW(w->wards, w->n_wards, w->alloc_wards, 16);
	w->wards[w->n_wards++] = ward;
}

static void watch_group_forget(struct watch *w, pid_t pgid)
{
	for (size_t i = 0; i < w->n_wards; i++)
		if (w->wards[i].pgid == pgid) {
			close(w->wards[i].pidfd);
			w->wards[i] = w->wards[--w->n_wards];
			return;
		}
}

static void watch_path(struct watch *w, const char *path, dev_t dev, ino_t ino)
{
	if (path[0] != '/' || !path[1])
		return;
	XGROW(w->paths, w->n_paths, w->alloc_paths, 16);
	w->paths[w->n_paths++] = (struct doomed){ xstrdup(path), dev, ino };
}

/* "dev:ino path" */
static void watch_directory(struct watch *w, const char *order)
{
	unsigned long long dev, ino;
	int at = 0;

	if (sscanf(order, "%llu:%llu %n", &dev, &ino, &at) == 2 && at)
		watch_path(w, order + at, (dev_t)dev, (ino_t)ino);
}

static void watch_path_forget(struct watch *w, const char *path)
{
	for (size_t i = 0; i < w->n_paths; i++)
		if (!strcmp(w->paths[i].path, path)) {
			free(w->paths[i].path);
			w->paths[i] = w->paths[--w->n_paths];
			return;
		}
}

/* Is the number still that group's? A living or unreaped leader holds it. After that its remaining
 * members hold it: then no process has the number for its pid. If one has, it is a stranger's. */
static bool still_ours(const struct ward *w)
{
	struct stat_line now;

	return proc_stat(w->pgid, &now) < 0 || now.start == w->stat.start;
}

/* Another drtest's guardian, below us: it has its own to end and to remove, and gets a moment for
 * it. */
static bool is_guardian(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (f && !fgets(name, sizeof(name), f))
		name[0] = '\0';
	if (f)
		fclose(f);
	return !strcmp(name, "drtest-guardian\n") || !strcmp(name, "drtest-guardian");
}

/* A lock's file, unless somebody holds it again. */
static int remove_lock(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlink(path);
	if (fd >= 0)
		close(fd);
	return 0;
}

static int remove_path(const struct doomed *d)
{
	struct stat st;

	if (lstat(d->path, &st) == 0) {
		if (d->ino && (st.st_dev != d->dev || st.st_ino != d->ino))
			return 0;
		if (S_ISREG(st.st_mode))
			return remove_lock(d->path);
	}
	return fs_remove_tree(d->path, NULL);
}

/* What was switched off on clusters that go on is put back by a drtest of its own, which knows how.
 */
static void undo(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/proc/self/exe", "drtest", "clean", "--undo", (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

static void kill_marked(struct watch *w, const char *mark)
{
	struct deadline nested = deadline_in_ms(NESTED_MS);
	struct deadline d = deadline_in_ms(20000);
	struct members ms = { 0 };
	bool again;

	for (size_t i = 0; i < w->n_wards; i++)
		pidfd_send_signal(w->wards[i].pidfd, SIGKILL, NULL, 0);
	/* Members one by one, each through its own pidfd: the leaders are gone by now, their
	 * numbers might be too. */
	do {
		again = false;
		members_release(&ms);
		members_find(&ms, &(struct family){ .mark = mark, .prefix = true }, 1);
		for (size_t i = 0; i < w->n_wards; i++) {
			size_t before = ms.n;

			if (still_ours(&w->wards[i]))
				members_find(&ms, &(struct family){ .group = w->wards[i].pgid }, 1);
			for (size_t k = before; k < ms.n;) {
				struct stat_line st;

				/* Its session, and not older than its leader: a stranger's group is
				 * neither. */
				if (proc_stat(ms.m[k].pid, &st) == 0 &&
				    st.session == w->wards[i].stat.session &&
				    st.start >= w->wards[i].stat.start) {
					k++;
					continue;
				}
				close(ms.m[k].pidfd);
				ms.m[k] = ms.m[--ms.n];
			}
		}
		for (size_t k = 0; k < ms.n && !deadline_passed(nested);) {
			if (!is_guardian(ms.m[k].pid)) {
				k++;
				continue;
			}
			pidfd_exited_for_sure(ms.m[k].pidfd,
					      deadline_min(nested, deadline_in_ms(50)));
			close(ms.m[k].pidfd);
			ms.m[k] = ms.m[--ms.n];
			again = true;
		}
		members_kill(&ms);
		for (size_t i = 0; i < ms.n; i++)
			pidfd_exited_for_sure(ms.m[i].pidfd, deadline_min(d, deadline_in_ms(1000)));
	} while ((ms.n || again) && !deadline_passed(d));
	members_release(&ms);
	for (size_t i = 0; i < w->n_paths; i++)
		for (int tries = 0; remove_path(&w->paths[i]) < 0 && tries < 20; tries++)
			pause_ms(100, d);
}

static _Noreturn void guardian_main(int sock, const char *mark)
{
	static const int deaf_to[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE, SIGTSTP,
				       SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGALRM };
	struct watch w = { 0 };
	char msg[MESSAGE_MAX + 1];
	int null;
	ssize_t n;

	setsid(); /* a terminal's Ctrl-C and a kill of our group don't reach it */
	for (size_t i = 0; i < sizeof(deaf_to) / sizeof(deaf_to[0]); i++)
		signal(deaf_to[i], SIG_IGN);
	prctl(PR_SET_NAME, "drtest-guardian");
	clock_cancel_reset();
	(void)!chdir("/"); /* keeps no directory busy */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd); /* whoever reads our output to its end isn't kept waiting */
	/* No other descriptor of ours may live on in it: a lock, the write end of a pipe. */
	if (sock != 3)
		dup3(sock, 3, O_CLOEXEC);
	sock = 3;
	close_range(4, ~0U, 0);
	for (;;) {
		n = recv(sock, msg, MESSAGE_MAX, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		msg[n] = 0;
		switch (msg[0]) {
		case 'G': watch_group(&w, (pid_t)atoi(msg + 1)); break;
		case 'g': watch_group_forget(&w, (pid_t)atoi(msg + 1)); break;
		case 'P': watch_path(&w, msg + 1, 0, 0); break;
		case 'D': watch_directory(&w, msg + 1); break;
		case 'p': watch_path_forget(&w, msg + 1); break;
		case 'U': w.undo = true; break;
		case 'Q': _exit(0);
		}
		send(sock, "", 1, MSG_NOSIGNAL);
	}
	kill_marked(&w, mark);
	if (w.undo)
		undo();
	_exit(0);
}

/* ---- in drtest ---- */

int guardian_start(struct err *e)
{
	char mark[FAMILY_MAX];
	sigset_t all, before;
	int pair[2];
	pid_t pid;

	if (to_guardian >= 0 && owner == getpid())
		return 0;
	/* Orphans of our children come to us: whoever left its group can still be found and is
	 * reaped. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "start the guardian");
	family_prefix(mark);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0) {
		for (int sig = 1; sig < NSIG; sig++)
			signal(sig, SIG_DFL);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		close(pair[0]);
		guardian_main(pair[1], mark);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return err_sys(e, "start the guardian");
	}
	orphans_spare(pid);
	guardian_pid = pid;
	owner = getpid();
	to_guardian = pair[0];
	return 0;
}

static void send_order(char what, const char *arg)
{
	char msg[MESSAGE_MAX], ack;
	size_t n = strlen(arg);

	if (n + 1 > sizeof(msg))
		return;
	msg[0] = what;
	memcpy(msg + 1, arg, n);
	pthread_mutex_lock(&lock);
	if (to_guardian >= 0 && owner == getpid() &&
	    send(to_guardian, msg, n + 1, MSG_NOSIGNAL) == (ssize_t)(n + 1))
		while (recv(to_guardian, &ack, 1, 0) < 0 && errno == EINTR)
			;
	pthread_mutex_unlock(&lock);
}

static void tell_pid(char what, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	send_order(what, text);
}

void guardian_group(pid_t pgid)
{
	tell_pid('G', pgid);
}

void guardian_group_forget(pid_t pgid)
{
	tell_pid('g', pgid);
}

void guardian_path(const char *path)
{
	send_order('P', path);
}

void guardian_directory(const char *path, const struct stat *st)
{
	char *order = xstrfmt("%llu:%llu %s", (unsigned long long)st->st_dev,
			      (unsigned long long)st->st_ino, path);

	send_order('D', order);
	free(order);
}

void guardian_path_forget(const char *path)
{
	send_order('p', path);
}

void guardian_is_drtest(void)
{
	is_drtest = true;
}

void guardian_undo(void)
{
	if (is_drtest)
		send_order('U', "");
}

void guardian_stop(void)
{
	pthread_mutex_lock(&lock);
	if (to_guardian >= 0 && owner == getpid()) {
		send(to_guardian, "Q", 1, MSG_NOSIGNAL);
		close(to_guardian);
		while (waitpid(guardian_pid, NULL, 0) < 0 && errno == EINTR)
			;
		orphans_unspare(guardian_pid);
		to_guardian = -1;
	}
	pthread_mutex_unlock(&lock);
}
