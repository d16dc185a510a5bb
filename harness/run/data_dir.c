#include "harness/run/data_dir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

#define TOP "/var/tmp"
#define PREFIX "drtest-"
#define PORTS TOP "/drtest-ports"
#define END_MS 10000
#define TRIES 100
#define BEGIN_S 30

int data_dir_make(const char *run, char **path, struct err *e)
{
	char *dir = xstrfmt(TOP "/" PREFIX "%s", run), *lock;
	int fd = -1, rc = mkdir(dir, 0755);

	/* another drtest may run the same scenario with the same seed since the same second, into another folder of runs */
	for (int i = 2; rc < 0 && errno == EEXIST && i <= TRIES; i++) {
		free(dir);
		dir = xstrfmt(TOP "/" PREFIX "%s.%d", run, i);
		rc = mkdir(dir, 0755);
	}
	lock = xstrfmt("%s/lock", dir);
	if (rc < 0)
		err_sys(e, "make %s", dir);
	else if (chmod(dir, 0755) < 0 || (fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644)) < 0)
		err_sys(e, "lock %s", dir);
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		err_sys(e, "lock %s", dir);
		close(fd);
		fd = -1;
	}
	free(lock);
	if (fd < 0)
		free(dir);
	else
		*path = dir;
	return fd;
}

static bool is_locked(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool held;

	if (fd < 0)
		return false;
	held = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

/* Does the process's command line name something in dir? */
static bool works_in(const char *pid, const char *dir)
{
	char path[300], line[8192];
	size_t len = strlen(dir);
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	for (ssize_t i = 0; i + (ssize_t)len < n; i++)
		if (!memcmp(line + i, dir, len) && line[i + (ssize_t)len] == '/' && (i == 0 || line[i - 1] == '\0' || line[i - 1] == '='))
			return true;
	return false;
}

static int signal_all(const char *dir, int signo)
{
	DIR *d = opendir("/proc");
	struct dirent *ent;
	int n = 0;

	while (d && (ent = readdir(d)))
		if (isdigit((unsigned char)ent->d_name[0]) && works_in(ent->d_name, dir)) {
			kill(atoi(ent->d_name), signo);
			n++;
		}
	if (d)
		closedir(d);
	return n;
}

static int clean_run(const char *dir, void (*fn)(void *arg, const char *what), void *arg, struct err *e)
{
	struct deadline d = deadline_in_ms(END_MS);
	char *what;
	int n = signal_all(dir, SIGTERM);

	while (signal_all(dir, 0) > 0 && pause_ms(20, d) == 0)
		;
	signal_all(dir, SIGKILL);
	if (fs_remove_tree(dir, e) < 0)
		return -1;
	what = n ? xstrfmt("%s and %d process%s", dir, n, n > 1 ? "es" : "") : xstrdup(dir);
	fn(arg, what);
	free(what);
	return 1;
}

void data_dir_keep(const char *dir)
{
	char *path = xstrfmt("%s/kept", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
	free(path);
}

/* Its lock is free, and has been there for a while: one that just begins makes its folder first and locks it then. */
static bool is_dead(const char *dir)
{
	char *lock = xstrfmt("%s/lock", dir), *kept = xstrfmt("%s/kept", dir);
	struct stat st;
	bool dead = stat(lock, &st) == 0 && time(NULL) - st.st_mtime > BEGIN_S && !fs_exists(kept) && !is_locked(lock);

	free(lock);
	free(kept);
	return dead;
}

int data_dir_clean_dead(void (*fn)(void *arg, const char *what), void *arg)
{
	DIR *d = opendir(TOP);
	struct dirent *ent;
	int n = 0;

	while (d && (ent = readdir(d))) {
		if (strncmp(ent->d_name, PREFIX, strlen(PREFIX)) != 0 || !isdigit((unsigned char)ent->d_name[strlen(PREFIX)]))
			continue;
		char *dir = xstrfmt(TOP "/%s", ent->d_name);

		/* servers that still run in it are somebody's: `drtest clean` ends them, not we */
		if (is_dead(dir) && !signal_all(dir, 0) && clean_run(dir, fn, arg, NULL) > 0)
			n++;
		free(dir);
	}
	if (d)
		closedir(d);
	return n;
}

int data_dir_clean(void (*fn)(void *arg, const char *what), void *arg, struct err *e)
{
	DIR *d = opendir(TOP);
	struct dirent *ent;
	int n = 0;

	if (!d)
		return err_sys(e, "open " TOP);
	while (n >= 0 && (ent = readdir(d))) {
		/* only what a run made: drtest-<UTC time>-… */
		if (strncmp(ent->d_name, PREFIX, strlen(PREFIX)) != 0 || !isdigit((unsigned char)ent->d_name[strlen(PREFIX)]))
			continue;
		char *dir = xstrfmt(TOP "/%s", ent->d_name), *lock = xstrfmt("%s/lock", dir);
		int rc = is_locked(lock) ? 0 : clean_run(dir, fn, arg, e);

		free(dir);
		free(lock);
		n = rc < 0 ? -1 : n + rc;
	}
	closedir(d);
	d = n < 0 ? NULL : opendir(PORTS);
	while (d && (ent = readdir(d))) {
		char *path = xstrfmt(PORTS "/%s", ent->d_name);

		if (ent->d_name[0] != '.' && !is_locked(path) && unlink(path) == 0) {
			fn(arg, path);
			n++;
		}
		free(path);
	}
	if (d)
		closedir(d);
	return n;
}
