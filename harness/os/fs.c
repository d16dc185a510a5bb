#include "harness/os/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "harness/base/xalloc.h"

#define COPY_CHUNK ((size_t)1 << 20)
#define DEPTH_MAX 128

int fs_mkdir_p(const char *path, mode_t mode, struct err *e)
{
	char *copy = xstrdup(path);
	struct stat st;
	int rc = 0;

	for (char *p = copy + (*copy == '/');; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = 0;
		int why = *copy && mkdir(copy, mode) < 0 ? errno : 0;

		if (why && why != EEXIST && (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode))) {
			errno = why; /* stat() has one of its own */
			rc = err_sys(e, "create directory %s", copy);
			break;
		}
		*p = c;
		if (!c)
			break;
	}
	if (rc == 0 && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))) {
		errno = ENOTDIR;
		rc = err_sys(e, "create directory %s", path);
	}
	free(copy);
	return rc;
}

/* Another file system, or another folder, that somebody has mounted there. */
static bool is_mounted(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, 0, &st) == 0 &&
	       st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static int remove_at(int dir, const char *name, int depth)
{
	struct dirent *d;
	DIR *list;
	int fd, why = 0;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EACCES)
		return -1;
	why = errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOTDIR || errno == ELOOP)
			errno = why; /* no directory: the first refusal counts */
		return -1;
	}
	if (depth >= DEPTH_MAX || (depth && is_mounted(fd))) {
		close(fd);
		errno = depth >= DEPTH_MAX ? ELOOP : EBUSY;
		return -1;
	}
	list = fdopendir(fd);
	if (!list) {
		close(fd);
		return -1;
	}
	why = 0;
	while ((d = readdir(list))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (remove_at(fd, d->d_name, depth + 1) == 0)
			continue;
		why = errno;
		if (why == EACCES && fchmod(fd, 0700) == 0 &&
		    remove_at(fd, d->d_name, depth + 1) == 0)
			why = 0;
		if (why)
			break;
	}
	closedir(list);
	if (why) {
		errno = why;
		return -1;
	}
	return unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int fs_remove_tree(const char *path, struct err *e)
{
	if (remove_at(AT_FDCWD, path, 0) < 0)
		return err_sys(e, "remove %s", path);
	return 0;
}

static int copy_bytes(int from, int to)
{
	bool in_kernel = true;
	char *buf = NULL;
	ssize_t n;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	for (;;) {
		if (in_kernel) {
			n = copy_file_range(from, NULL, to, NULL, (size_t)1 << 30, 0);
			if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
				      errno == EOPNOTSUPP)) {
				/* file systems that can't; both offsets stand where it stopped */
				in_kernel = false;
				continue;
			}
		} else {
			if (!buf)
				buf = xmalloc(COPY_CHUNK);
			n = read(from, buf, COPY_CHUNK);
			if (n > 0 && fs_write_all(to, buf, (size_t)n, NULL) < 0)
				n = -1;
		}
		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			break;
	}
	free(buf);
	return n == 0 ? 0 : -1;
}

static int copy_at(int from, int to, const char *name, const char *as, int depth)
{
	int in = -1, out = -1, rc = -1, why;
	struct stat st;
	DIR *list = NULL;
	struct dirent *d;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISLNK(st.st_mode)) {
		char target[4096];
		ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

		if (n < 0)
			return -1;
		target[n] = 0;
		if (symlinkat(target, to, as) < 0)
			return -1;
		return fchownat(to, as, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
				       errno != EPERM
			       ? -1
			       : 0;
	}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return 0; /* sockets and pipes belong to a running process */
	if (depth >= DEPTH_MAX) {
		errno = ELOOP;
		return -1;
	}
	in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0)
		goto out;
	if (S_ISREG(st.st_mode)) {
		out = openat(to, as, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (out < 0 || copy_bytes(in, out) < 0)
			goto out;
	} else {
		if (mkdirat(to, as, 0700) < 0 && errno != EEXIST)
			goto out;
		out = openat(to, as, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (out < 0)
			goto out;
		list = fdopendir(in);
		if (!list)
			goto out;
		while ((d = readdir(list)))
			if (strcmp(d->d_name, ".") && strcmp(d->d_name, "..") &&
			    copy_at(in, out, d->d_name, d->d_name, depth + 1) < 0)
				goto out;
	}
	if (fchown(out, st.st_uid, st.st_gid) < 0 && errno != EPERM)
		goto out;
	if (fchmod(out, st.st_mode & 07777) < 0)
		goto out;
	rc = 0;
out:
	why = errno;
	if (list)
		closedir(list);
	else if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	errno = why;
	return rc;
}

int fs_copy_tree(const char *from, const char *to, struct err *e)
{
	if (copy_at(AT_FDCWD, AT_FDCWD, from, to, 0) < 0)
		return err_sys(e, "copy %s to %s", from, to);
	return 0;
}

static int chown_at(int dir, const char *name, uid_t uid, gid_t gid, int depth)
{
	struct dirent *d;
	struct stat st;
	DIR *list;
	int fd, rc = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (depth >= DEPTH_MAX) {
		errno = ELOOP;
		return -1;
	}
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	list = fdopendir(fd);
	if (!list) {
		close(fd);
		return -1;
	}
	while (rc == 0 && (d = readdir(list)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			rc = chown_at(fd, d->d_name, uid, gid, depth + 1);
	closedir(list);
	return rc;
}

int fs_chown_tree(const char *path, uid_t uid, gid_t gid, struct err *e)
{
	if (chown_at(AT_FDCWD, path, uid, gid, 0) < 0)
		return err_sys(e, "change the owner of %s", path);
	return 0;
}

int fs_read_file(const char *path, size_t max, struct strbuf *out, struct err *e)
{
	size_t start = out->len;
	char buf[16384];
	int fd, rc = -1;
	ssize_t n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_sys(e, "open %s", path);
		if (e && e->code == ENOENT)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	for (;;) {
		n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, "read %s", path);
			goto out;
		}
		if (n == 0)
			break;
		if ((size_t)n > max - (out->len - start)) {
			err_set(e, ERR_BAD_DATA, 0, "%s is larger than %zu bytes", path, max);
			goto out;
		}
		strbuf_add(out, buf, (size_t)n);
	}
	rc = 0;
out:
	if (rc < 0)
		strbuf_setlen(out, start);
	close(fd);
	return rc;
}

int fs_write_all(int fd, const void *data, size_t n, struct err *e)
{
	const char *p = data;

	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return err_sys(e, "write");
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static int sync_dir_of(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *dir =
		!slash ? xstrdup(".") : xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	/* EINVAL: a file system without it (some FUSE) */
	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
		rc = err_sys(e, "sync directory %s", dir);
	if (fd >= 0)
		close(fd);
	free(dir);
	return rc;
}

/* Is it a device, a pipe, or a name for one such as /dev/stdout, which a rename would replace? A
 * link is followed in /dev and /proc alone, where nobody plants one. */
static bool is_special(const char *path, mode_t *kind)
{
	bool systems = !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6), link;
	struct stat st;

	if (lstat(path, &st) < 0)
		return false;
	link = S_ISLNK(st.st_mode);
	if (link && (!systems || stat(path, &st) < 0))
		return false;
	*kind = st.st_mode & S_IFMT;
	return link || (*kind != S_IFREG && *kind != S_IFDIR);
}

static int write_special(const char *path, mode_t kind, const void *data, size_t n, struct err *e)
{
	int fd, rc;

	if (kind != S_IFCHR && kind != S_IFIFO && kind != S_IFREG)
		return err_set(e, ERR_IO, 0, "write %s: it is neither a file nor a pipe", path);
	fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC | (kind == S_IFREG ? O_APPEND : 0));
	if (fd < 0)
		return err_sys(e, "write %s", path);
	rc = fs_write_all(fd, data, n, e) < 0 ? err_wrap(e, "%s", path) : 0;
	if (close(fd) < 0 && rc == 0)
		rc = err_sys(e, "write %s", path);
	return rc;
}

int fs_write_atomic(const char *path, const void *data, size_t n, mode_t mode, struct err *e)
{
	static atomic_uint serial;
	mode_t kind;

	if (is_special(path, &kind))
		return write_special(path, kind, data, n, e);

	char *tmp = xstrfmt("%s.%d.%u.tmp", path, (int)getpid(), atomic_fetch_add(&serial, 1));
	int fd, rc = -1;

	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0) {
		err_sys(e, "create %s", path); /* of the name that was asked for */
		goto out;
	}
	if (fs_write_all(fd, data, n, e) < 0 || (fsync(fd) < 0 && err_sys(e, "sync") < 0)) {
		err_wrap(e, "%s", path);
		goto out;
	}
	if (close(fd) < 0) {
		fd = -1;
		err_sys(e, "write %s", path);
		goto out;
	}
	fd = -1;
	if (rename(tmp, path) < 0) {
		err_sys(e, "write %s", path);
		goto out;
	}
	rc = sync_dir_of(path, e);
out:
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		unlink(tmp);
	free(tmp);
	return rc;
}

bool fs_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

int fs_own_folder(const char *path, mode_t mode, const char *fix, struct err *e)
{
	struct stat st;

	if (fs_mkdir_p(path, mode, e) < 0)
		return -1;
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & 022)
		return err_set(e, ERR_ENV, 0,
			       "%s is another user's, or others may write to it: remove it, or %s",
			       path, fix);
	return 0;
}

int fs_may_write(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *dir =
		!slash ? xstrdup(".") : xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	struct stat st;
	int rc = 0;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		rc = err_sys(e, "%s", path);
	} else if (stat(dir, &st) < 0 || access(dir, W_OK | X_OK) < 0) {
		rc = err_sys(e, "%s: its folder", path);
	}
	if (rc < 0 && e)
		e->kind = ERR_USAGE;
	free(dir);
	return rc;
}

int fs_may_mkdir(const char *path, struct err *e)
{
	char *there = xstrdup(*path ? path : "."), *slash;
	struct stat st;
	int rc = 0;

	while (stat(there, &st) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		slash = strrchr(there, '/');
		if (slash == there && there[1])
			there[1] = '\0';
		else if (slash && slash != there)
			*slash = '\0';
		else
			strcpy(there, "."); /* shorter than any name that is not there */
	}
	errno = 0;
	if (stat(there, &st) == 0 && !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	if (errno || access(there, W_OK | X_OK) < 0)
		rc = strcmp(path, there) ? err_sys(e, "create directory %s: %s", path, there)
					 : err_sys(e, "directory %s", path);
	free(there);
	return rc;
}

int64_t fs_free_bytes(const char *path)
{
	struct statvfs v;

	return statvfs(path, &v) < 0 ? -1 : (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

FILE *fs_nameless_file(const char *dir, struct err *e)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	FILE *f;

	if (fd < 0) { /* not every file system has O_TMPFILE */
		char *path = xstrfmt("%s/drtest-XXXXXX", dir);

		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
		free(path);
	}
	f = fd < 0 ? NULL : fdopen(fd, "w+");
	if (!f) {
		err_sys(e, "temporary file in %s", dir);
		if (fd >= 0)
			close(fd);
	}
	return f;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *d)
{
	return strcmp(d->d_name, ".") && strcmp(d->d_name, "..");
}

int fs_list(const char *path, int (*fn)(void *arg, const char *name, struct err *e), void *arg,
	    struct err *e)
{
	struct dirent **names;
	int n = scandir(path, &names, not_dots, by_name), rc = 0;

	if (n < 0) {
		err_sys(e, "list %s", path);
		if (e && e->code == ENOENT)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = fn(arg, names[i]->d_name, e);
		free(names[i]);
	}
	free(names);
	return rc;
}
