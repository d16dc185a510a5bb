#include "harness/run/data_dir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define TOP "/var/tmp"
#define PREFIX "drtest-"
#define PORTS TOP "/drtest-ports"
#define END_MS 10000
#define TRIES 100
#define BEGIN_S 30

/* The text in the lock file: drtest has created this directory. Its name proves nothing, since
 * anybody can create a directory in /var/tmp. */
static void mark_text(char out[120], const struct stat *dir)
{
	snprintf(out, 120, "drtest's data directory %llu:%llu, uid %u\n",
		 (unsigned long long)dir->st_dev, (unsigned long long)dir->st_ino,
		 (unsigned)geteuid());
}

/* Renames without replacing. Where the file system has no such rename (EINVAL: NFS), rename()
 * replaces only an empty directory, and a data directory always has its lock file. */
static int rename_new(const char *from, const char *to)
{
	int rc = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);

	if (rc < 0 && errno == EINVAL)
		rc = rename(from, to);
	if (rc < 0 && errno == ENOTEMPTY)
		errno = EEXIST;
	return rc;
}

/* Gives the new directory its name, or the next free one: another drtest may have started the same
 * scenario with the same seed in the same second, with another --out. */
static char *take_name(const char *run, const char *made, const struct stat *st, bool guarded)
{
	for (int i = 1; i <= TRIES; i++) {
		char *dir = i == 1 ? xstrfmt(TOP "/" PREFIX "%s", run)
				   : xstrfmt(TOP "/" PREFIX "%s.%d", run, i);
		int error;

		if (guarded)
			guardian_directory(dir, st);
		if (rename_new(made, dir) == 0)
			return dir;
		error = errno;
		if (guarded)
			guardian_path_forget(dir);
		free(dir);
		errno = error;
		if (error != EEXIST)
			break;
	}
	return NULL;
}

/* Under a name that nobody else has, it becomes a whole directory with its lock; then it gets its
 * own. Who kills us meanwhile leaves nothing: the guardian knows both names before they are there.
 */
int data_dir_make(const char *run, bool guarded, char **path, struct err *e)
{
	char *made =
		xstrfmt(TOP "/" PREFIX "%s.new-%d-%" PRId64, run, (int)getpid(), clock_mono_ns());
	char *lock = xstrfmt("%s/lock", made), *dir = NULL, text[120];
	struct stat st;
	int fd = -1, rc;

	if (guarded)
		guardian_path(made);
	rc = mkdir(made, 0755);
	if (rc < 0)
		err_sys(e, "make %s", made);
	else if (chmod(made, 0755) < 0 || lstat(made, &st) < 0 ||
		 (fd = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0 ||
		 flock(fd, LOCK_EX | LOCK_NB) < 0)
		err_sys(e, "lock %s", made);
	else if (mark_text(text, &st), write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
					       !(dir = take_name(run, made, &st, guarded)))
		err_sys(e, "make " TOP "/" PREFIX "%s", run);
	if (!dir && rc == 0) {
		unlink(lock);
		rmdir(made);
	}
	if (!dir && fd >= 0) {
		close(fd);
		fd = -1;
	}
	if (guarded)
		guardian_path_forget(made);
	free(lock);
	free(made);
	*path = dir;
	return fd;
}

/* Did this user's drtest create the directory? Follows no symbolic link. */
static bool is_ours(const char *dir)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd = -1;
	char want[120], got[121];
	struct stat st;
	bool ours = false;
	ssize_t n;

	if (at >= 0 && fstat(at, &st) == 0 && st.st_uid == geteuid() &&
	    (fd = openat(at, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)) >= 0) {
		struct stat lock;

		mark_text(want, &st);
		n = fstat(fd, &lock) == 0 && S_ISREG(lock.st_mode) && lock.st_uid == geteuid()
			    ? read(fd, got, sizeof(got) - 1)
			    : -1;
		ours = n > 0 && (size_t)n == strlen(want) && !memcmp(got, want, (size_t)n);
	}
	if (fd >= 0)
		close(fd);
	if (at >= 0)
		close(at);
	return ours;
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

/* Is it drtest's process, by what it inherited, and does its command line name something in dir? */
static bool works_in(pid_t pid, const char *dir)
{
	struct strbuf line = STRBUF_INIT;
	size_t len = strlen(dir);
	bool named = false;

	if (proc_cmdline(pid, &line) == 0)
		for (size_t i = 0; !named && i + len < line.len; i++)
			named = !memcmp(line.buf + i, dir, len) && line.buf[i + len] == '/' &&
				(i == 0 || line.buf[i - 1] == '\0' || line.buf[i - 1] == '=');
	strbuf_release(&line);
	return named && proc_is_of_a_run(pid);
}

/* Through a pidfd, since the pid may belong to another process by now. */
static bool signal_one(pid_t pid, const char *dir, int signo)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool in = fd >= 0 && works_in(pid, dir);

	if (in && signo)
		syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
	if (fd >= 0)
		close(fd);
	return in;
}

static int signal_all(const char *dir, int signo)
{
	DIR *d = opendir("/proc");
	struct dirent *ent;
	int n = 0;

	while (d && (ent = readdir(d)))
		if (isdigit((unsigned char)ent->d_name[0]) &&
		    signal_one(atoi(ent->d_name), dir, signo))
			n++;
	if (d)
		closedir(d);
	return n;
}

static int clean_run(const char *dir, bool dry_run, const char *verb,
		     void (*fn)(void *arg, const char *what), void *arg, struct err *e)
{
	struct deadline d = deadline_in_ms(END_MS);
	char *what;
	int n = signal_all(dir, dry_run ? 0 : SIGTERM);

	while (!dry_run && signal_all(dir, 0) > 0 && pause_ms(20, d) == 0)
		;
	if (!dry_run && (signal_all(dir, SIGKILL), fs_remove_tree(dir, e) < 0))
		return -1;
	what = n ? xstrfmt("%s%s and %d process%s", verb, dir, n, n > 1 ? "es" : "")
		 : xstrfmt("%s%s", verb, dir);
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

/* Nobody holds its lock, and the lock file is not new: a run that starts creates it first and locks
 * it then. */
static bool is_dead(const char *dir)
{
	char *lock = xstrfmt("%s/lock", dir), *kept = xstrfmt("%s/kept", dir);
	struct stat st;
	bool dead = stat(lock, &st) == 0 && time(NULL) - st.st_mtime > BEGIN_S &&
		    !fs_exists(kept) && !is_locked(lock);

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
		if (strncmp(ent->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    !isdigit((unsigned char)ent->d_name[strlen(PREFIX)]))
			continue;
		char *dir = xstrfmt(TOP "/%s", ent->d_name);

		/* if servers still run in it, only `drtest clean` may end them */
		if (is_ours(dir) && is_dead(dir) && !signal_all(dir, 0) &&
		    clean_run(dir, false, "", fn, arg, NULL) > 0)
			n++;
		free(dir);
	}
	if (d)
		closedir(d);
	return n;
}

/* Removes lock files of ports that nobody holds. Somebody else may have created that directory, or
 * a link in its place: no link is followed, and only what was checked is removed. */
static int clean_ports(bool dry_run, void (*fn)(void *arg, const char *what), void *arg)
{
	int at = open(PORTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), n = 0;
	DIR *d = at < 0 ? NULL : fdopendir(at);
	struct dirent *ent;

	while (d && (ent = readdir(d))) {
		struct stat st;
		int fd;

		if (ent->d_name[strspn(ent->d_name, "0123456789")])
			continue; /* not a port */
		fd = openat(at, ent->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		    st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		    (dry_run || unlinkat(at, ent->d_name, 0) == 0)) {
			char *what = xstrfmt("%s" PORTS "/%s",
					     dry_run ? "would remove " : "removed ", ent->d_name);

			fn(arg, what);
			free(what);
			n++;
		}
		if (fd >= 0)
			close(fd);
	}
	if (d)
		closedir(d);
	else if (at >= 0)
		close(at);
	if (!dry_run)
		rmdir(PORTS); /* if it is empty */
	return n;
}

int data_dir_clean(bool dry_run, void (*fn)(void *arg, const char *what), void *arg, struct err *e)
{
	DIR *d = opendir(TOP);
	struct dirent *ent;
	struct err failed = ERR_INIT;
	int n = 0;

	if (!d)
		return err_sys(e, "open " TOP);
	while ((ent = readdir(d))) {
		/* only data directories of runs: drtest-<UTC time>-… */
		if (strncmp(ent->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    !isdigit((unsigned char)ent->d_name[strlen(PREFIX)]))
			continue;
		char *dir = xstrfmt(TOP "/%s", ent->d_name), *lock = xstrfmt("%s/lock", dir);

		if (!is_ours(dir)) {
			char *what = xstrfmt(
				"not removed: %s (not created by this user's drtest, or by an "
				"older version: check it, then remove it yourself)",
				dir);

			fn(arg, what);
			free(what);
		} else if (!is_locked(lock)) {
			struct err why = ERR_INIT;

			if (clean_run(dir, dry_run, dry_run ? "would remove " : "removed ", fn, arg,
				      &why) > 0)
				n++;
			else if (failed.kind == ERR_NONE)
				failed = why; /* the others are removed all the same */
		}
		free(dir);
		free(lock);
	}
	closedir(d);
	n += clean_ports(dry_run, fn, arg);
	if (failed.kind == ERR_NONE)
		return n;
	if (e)
		*e = failed;
	return -1;
}
