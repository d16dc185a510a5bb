#include "harness/cluster/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/attach.h"
#include "harness/cluster/tidb.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define NOTE_BYTES_MAX 8192

struct undo {
	char *path;
	int fd; /* locked */
};

static char *folder(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (xdg && xdg[0] == '/')
		return xstrfmt("%s/drtest/undo", xdg);
	return home && home[0] == '/' ? xstrfmt("%s/.cache/drtest/undo", home) : NULL;
}

struct undo *undo_gc(const char *clusters_file, const char *cluster, struct err *e)
{
	struct undo *u = xcalloc(1, sizeof(*u));
	char *dir = folder(), file[PATH_MAX], *text = NULL;
	int rc = -1;

	u->fd = -1;
	if (!dir) {
		err_set(e, ERR_ENV, 0, "HOME is not set: nothing can be noted for the case that drtest is killed");
		goto out;
	}
	if (!realpath(clusters_file, file)) {
		err_sys(e, "%s", clusters_file);
		goto out;
	}
	if (fs_mkdir_p(dir, 0700, e) < 0)
		goto out;
	u->path = xstrfmt("%s/%d-%lld-%s", dir, (int)getpid(), (long long)clock_mono_ns(), cluster);
	u->fd = open(u->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	text = xstrfmt("gc\n%s\n%s\n", file, cluster);
	if (u->fd < 0 || flock(u->fd, LOCK_EX | LOCK_NB) < 0 || fs_write_all(u->fd, text, strlen(text), NULL) < 0 || fsync(u->fd) < 0) {
		err_sys(e, "note in %s what has to be put back", dir);
		goto out;
	}
	guardian_undo();
	rc = 0;
out:
	free(text);
	free(dir);
	if (rc == 0)
		return u;
	undo_forget(u);
	return NULL;
}

void undo_forget(struct undo *u)
{
	if (!u)
		return;
	if (u->path)
		unlink(u->path);
	if (u->fd >= 0)
		close(u->fd);
	free(u->path);
	free(u);
}

struct working {
	const char *dir;
	void (*fn)(void *arg, const char *what);
	void *arg;
	int n;
};

static int put_back(const char *clusters_file, const char *cluster, struct err *e)
{
	struct attach_file f;
	int rc = -1;

	if (attach_file_read(&f, clusters_file, e) < 0)
		return -1;
	err_set(e, ERR_USAGE, 0, "%s has no cluster %s any more", clusters_file, cluster);
	for (size_t i = 0; i < f.n; i++)
		if (!strcmp(f.c[i].name, cluster))
			rc = tidb_set_gc(&f.c[i].sql, true, e);
	attach_file_release(&f);
	return rc;
}

static int work_off(void *arg, const char *name, struct err *unused)
{
	struct working *w = arg;
	char *path = xstrfmt("%s/%s", w->dir, name), *file, *cluster, *what = NULL;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fs_read_file(path, NOTE_BYTES_MAX, &text, NULL) < 0 || strncmp(text.buf, "gc\n", 3) != 0)
		goto out; /* its run lives, or it is somebody else's */
	file = text.buf + 3;
	cluster = strchr(file, '\n');
	if (!cluster)
		goto out;
	*cluster++ = '\0';
	cluster[strcspn(cluster, "\n")] = '\0';
	if (put_back(file, cluster, &e) == 0) {
		what = xstrfmt("garbage collection of %s (%s) is on again, which a run that died had switched off", cluster, file);
		unlink(path);
		w->n++;
	} else {
		what = xstrfmt("garbage collection of %s (%s) was switched off by a run that died, and could not be switched on: %s (way out: "
		               "SET GLOBAL tidb_gc_enable = ON; rm %s)", cluster, file, e.text, path);
	}
	w->fn(w->arg, what);
out:
	if (fd >= 0)
		close(fd);
	strbuf_release(&text);
	free(path);
	free(what);
	return 0;
}

int undo_work_off(void (*fn)(void *arg, const char *what), void *arg)
{
	char *dir = folder();
	struct working w = { .dir = dir, .fn = fn, .arg = arg };

	if (dir && fs_exists(dir))
		fs_list(dir, work_off, &w, NULL);
	free(dir);
	return w.n;
}
