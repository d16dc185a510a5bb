/* A store in a directory, laid out as TiDB's tools lay it out: a key is a path below the root. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/net/store_impl.h"
#include "harness/os/fs.h"

/* objects that are being written: no listing shows them */
#define TMP_PREFIX ".drtest-tmp."
#define CHUNK ((size_t)256 << 10)
#define DEPTH_MAX 64

struct store_file {
	struct store base;
	char *root; /* without a final '/' */
};

static struct store_file *file_store(struct store *s)
{
	return (struct store_file *)s;
}

static int file_create_bucket(struct store *s, struct err *e)
{
	return fs_mkdir_p(file_store(s)->root, 0755, e);
}

static int file_bucket_exists(struct store *s, bool *exists, struct err *e)
{
	struct stat st;

	if (stat(file_store(s)->root, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_sys(e, "look at %s", file_store(s)->root);
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_ENV, 0, "%s is not a directory", file_store(s)->root);
	*exists = true;
	return 0;
}

static int file_put(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	static atomic_uint serial;
	char *path = xstrfmt("%s/%s", file_store(s)->root, key), *tmp = NULL,
	     *slash = strrchr(path, '/');
	int fd = -1, dir = -1, rc = -1;

	*slash = 0;
	tmp = xstrfmt("%s/" TMP_PREFIX "%d.%u", path, (int)getpid(), atomic_fetch_add(&serial, 1));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) { /* a new one, most likely */
		if (fs_mkdir_p(path, 0755, e) < 0)
			goto out;
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	*slash = '/';
	fd = dir < 0 ? -1 : open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0) {
		err_sys(e, "put %s", path);
		goto out;
	}
	if (fs_write_all(fd, data, n, e) < 0) {
		err_wrap(e, "put %s", path);
		goto out;
	}
	/* EINVAL: some network file systems */
	if (fsync(fd) < 0 || rename(tmp, path) < 0 || (fsync(dir) < 0 && errno != EINVAL)) {
		err_sys(e, "put %s", path);
		goto out;
	}
	rc = 0;
out:
	if (rc < 0 && fd >= 0)
		unlink(tmp);
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	free(tmp);
	free(path);
	return rc;
}

static int file_get(struct store *s, const char *key, store_sink *fn, void (*restart)(void *arg),
		    void *arg, struct err *e)
{
	char *path = xstrfmt("%s/%s", file_store(s)->root, key), *buf = xmalloc(CHUNK);
	struct stat st;
	int fd, rc = -1;
	ssize_t n;

	(void)restart; /* a file that was renamed over is still the one that is open */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(e, "get %s", path);
		if (e && (e->code == ENOENT || e->code == ENOTDIR))
			e->kind = ERR_NOT_FOUND;
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_NOT_FOUND, 0, "get %s: not a file", path);
		goto out;
	}
	while ((n = read(fd, buf, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, "get %s", path);
			goto out;
		}
		if (fn(arg, buf, (size_t)n, e) < 0)
			goto out;
	}
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	free(buf);
	free(path);
	return rc;
}

struct walk {
	struct store_list *out;
	size_t alloc;
	const char *prefix;
};

/* Can a key below this directory ("a/b/", "" for the root) begin with the prefix? */
static bool worth_entering(const char *below, const char *prefix)
{
	size_t a = strlen(below), b = strlen(prefix);

	return strncmp(below, prefix, a < b ? a : b) == 0;
}

/* A file or directory that goes while we look is fine: a live redo log is collected all the time.
 */
static int walk(struct walk *w, int at, const char *name, const char *below, int depth,
		struct err *e)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | (depth ? O_NOFOLLOW : 0) | O_CLOEXEC),
	    rc = 0;
	struct dirent *d;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "list %s", *below ? below : name);
	if (depth == DEPTH_MAX) {
		close(fd);
		return err_set(e, ERR_BAD_DATA, 0, "list %s: nested too deeply", below);
	}
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_sys(e, "list %s", below);
	}
	while (rc == 0 && (d = readdir(dir))) {
		struct stat st;
		char *key;

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
		    !strncmp(d->d_name, TMP_PREFIX, strlen(TMP_PREFIX)) ||
		    fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		key = xstrfmt("%s%s%s", below, d->d_name, S_ISDIR(st.st_mode) ? "/" : "");
		if (S_ISDIR(st.st_mode) && worth_entering(key, w->prefix)) {
			rc = walk(w, fd, d->d_name, key, depth + 1, e);
		} else if (S_ISREG(st.st_mode) && !strncmp(key, w->prefix, strlen(w->prefix))) {
			store_list_add(w->out, &w->alloc, key, (uint64_t)st.st_size);
			key = NULL;
		}
		free(key);
	}
	closedir(dir);
	return rc;
}

static int file_list(struct store *s, const char *prefix, struct store_list *out, struct err *e)
{
	struct walk w = { .out = out, .prefix = prefix };

	return walk(&w, AT_FDCWD, file_store(s)->root, "", 0, e);
}

static int file_delete(struct store *s, const char *key, struct err *e)
{
	char *path = xstrfmt("%s/%s", file_store(s)->root, key);
	int rc = 0;

	/* Its directory stays, empty or not: a put may be on its way into it. */
	if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR && errno != EISDIR)
		rc = err_sys(e, "delete %s", path);
	free(path);
	return rc;
}

static void file_free(struct store *s)
{
	free(file_store(s)->root);
	free(s);
}

static const struct store_ops file_ops = {
	.kind = "file",
	.create_bucket = file_create_bucket,
	.bucket_exists = file_bucket_exists,
	.put = file_put,
	.get = file_get,
	.list = file_list,
	.del = file_delete,
	.free = file_free,
};

struct store *store_file_open(const struct uri *u, struct err *e)
{
	struct store_file *s;
	size_t n = strlen(u->path);

	if (*u->host || *u->user || u->path[0] != '/') {
		err_set(e, ERR_USAGE, 0,
			"store %s://: needs an absolute directory, with three slashes: %s:///directory",
			u->scheme, u->scheme);
		return NULL;
	}
	while (n > 1 && u->path[n - 1] == '/')
		n--;
	s = xcalloc(1, sizeof(*s));
	s->base.ops = &file_ops;
	s->root = xstrndup(u->path, n);
	return &s->base;
}
