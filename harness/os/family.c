#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/os/spawn.h"

#define ENVIRON_BYTES_MAX ((size_t)1 << 20)
#define CMDLINE_BYTES_MAX ((size_t)1 << 20)

int proc_stat(pid_t pid, struct stat_line *out)
{
	char path[64], line[1024], *p;
	unsigned long long start;
	int fd, ppid, pgrp, session;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	line[n] = 0;
	p = strrchr(line, ')'); /* the name before it may hold anything */
	if (!p ||
	    sscanf(p + 1,
		   " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &out->state, &ppid, &pgrp, &session, &start) != 5)
		return -1;
	out->ppid = ppid;
	out->pgrp = pgrp;
	out->session = session;
	out->start = start;
	return 0;
}

pid_t proc_parent(pid_t pid)
{
	struct stat_line line;

	return proc_stat(pid, &line) == 0 ? line.ppid : 0;
}

int proc_cmdline(pid_t pid, struct strbuf *out)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	return fs_read_file(path, CMDLINE_BYTES_MAX, out, NULL);
}

void family_prefix(char out[FAMILY_MAX])
{
	struct stat_line me = { 0 };

	proc_stat(getpid(), &me);
	snprintf(out, FAMILY_MAX, "%d.%llu.", (int)getpid(), (unsigned long long)me.start);
}

void family_name(char out[FAMILY_MAX], unsigned serial)
{
	size_t n;

	family_prefix(out);
	n = strlen(out);
	snprintf(out + n, FAMILY_MAX - n, "%u", serial);
}

static bool carries_mark(pid_t pid, const char *mark, bool prefix)
{
	struct strbuf env = STRBUF_INIT;
	char path[64], want[FAMILY_MAX + 2];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	snprintf(want, sizeof(want), ";%s%s", mark, prefix ? "" : ";");
	if (fs_read_file(path, ENVIRON_BYTES_MAX, &env, NULL) == 0)
		for (size_t at = 0; at < env.len && !found; at += strlen(env.buf + at) + 1)
			found = !strncmp(env.buf + at, "DRTEST_FAMILY=", 14) &&
				strstr(env.buf + at, want);
	strbuf_release(&env);
	return found;
}

bool proc_is_of_a_run(pid_t pid)
{
	return carries_mark(pid, "", true);
}

/* When the drtest that gave out the mark started: none of its descendants is older. */
static uint64_t mark_start(const char *mark)
{
	const char *dot = strchr(mark, '.');

	return dot ? strtoull(dot + 1, NULL, 10) : 0;
}

/* The family's number, or n. */
static size_t family_of(pid_t pid, const struct family *f, size_t n)
{
	struct stat_line st;

	if (proc_stat(pid, &st) < 0 || st.state == 'Z' || st.state == 'X')
		return n;
	for (size_t i = 0; i < n; i++)
		if ((f[i].group && st.pgrp == f[i].group) ||
		    (f[i].mark && st.start >= mark_start(f[i].mark) &&
		     carries_mark(pid, f[i].mark, f[i].prefix)))
			return i;
	return n;
}

void members_find(struct members *out, const struct family *f, size_t n)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	pid_t us = getpid();

	while (dir && (d = readdir(dir))) {
		pid_t pid = (pid_t)atoi(d->d_name);
		int pidfd;

		if (!isdigit((unsigned char)d->d_name[0]) || pid == us || family_of(pid, f, n) == n)
			continue;
		pidfd = pidfd_open(pid, 0);
		if (pidfd < 0)
			continue;
		/* once more: the pid may have changed hands before the pidfd held it */
		size_t of = family_of(pid, f, n);
		if (of == n) {
			close(pidfd);
			continue;
		}
		XGROW(out->m, out->n, out->alloc, 16);
		out->m[out->n++] = (struct member){ pid, pidfd, of };
	}
	if (dir)
		closedir(dir);
}

void members_kill(const struct members *ms)
{
	for (size_t i = 0; i < ms->n; i++)
		pidfd_send_signal(ms->m[i].pidfd, SIGKILL, NULL, 0);
}

void members_release(struct members *ms)
{
	for (size_t i = 0; i < ms->n; i++)
		close(ms->m[i].pidfd);
	free(ms->m);
	*ms = (struct members){ 0 };
}

/* Children that somebody here waits for; everything else that ends as our child is an orphan we
 * were given. */
static pthread_mutex_t spared_lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t *spared;
static size_t n_spared, alloc_spared;

void orphans_spare(pid_t pid)
{
	pthread_mutex_lock(&spared_lock);
	XGROW(spared, n_spared, alloc_spared, 32);
	spared[n_spared++] = pid;
	pthread_mutex_unlock(&spared_lock);
}

void orphans_unspare(pid_t pid)
{
	pthread_mutex_lock(&spared_lock);
	for (size_t i = 0; i < n_spared; i++)
		if (spared[i] == pid) {
			spared[i] = spared[--n_spared];
			break;
		}
	pthread_mutex_unlock(&spared_lock);
}

static bool is_spared(pid_t pid)
{
	for (size_t i = 0; i < n_spared; i++)
		if (spared[i] == pid)
			return true;
	return false;
}

void orphans_reap(void)
{
	DIR *dir = opendir("/proc");
	pid_t us = getpid(), our_group = getpgrp();
	struct stat_line st;
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		pid_t pid = (pid_t)atoi(d->d_name);

		if (!isdigit((unsigned char)d->d_name[0]) || proc_stat(pid, &st) < 0)
			continue;
		/* A child in our own group was forked by someone else in this program, who will
		 * wait for it. */
		if (st.ppid != us || st.state != 'Z' || st.pgrp == our_group)
			continue;
		pthread_mutex_lock(&spared_lock);
		if (!is_spared(pid))
			waitpid(pid, NULL, WNOHANG);
		pthread_mutex_unlock(&spared_lock);
	}
	if (dir)
		closedir(dir);
}
