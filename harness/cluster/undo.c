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
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/tidb/ticdc.h"
#include "harness/tidb/tidb.h"

#define NOTE_BYTES_MAX 8192
#define CALL_MS 10000

struct undo {
	char *path;
	int fd; /* locked */
};

static char *folder(void)
{
	const char *own = getenv("DRTEST_UNDO"), *xdg = getenv("XDG_CACHE_HOME"),
		   *home = getenv("HOME");

	if (own && own[0] == '/')
		return xstrdup(own);
	if (xdg && xdg[0] == '/')
		return xstrfmt("%s/drtest/undo", xdg);
	return home && home[0] == '/' ? xstrfmt("%s/.cache/drtest/undo", home) : NULL;
}

static const char *const kinds[] = { [UNDO_GC] = "gc", [UNDO_USER] = "user", [UNDO_FEED] = "feed" };

struct undo *undo_note(enum undo_kind kind, const char *clusters_file, const char *cluster,
		       const char *name, struct err *e)
{
	struct undo *u = xcalloc(1, sizeof(*u));
	char *dir = folder(), file[PATH_MAX], *text = NULL;
	int rc = -1;

	u->fd = -1;
	if (!dir) {
		err_set(e, ERR_ENV, 0,
			"HOME is not set: nothing can be noted for the case that drtest is killed");
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
	text = xstrfmt("%s\n%s\n%s\n%s\n", kinds[kind], file, cluster, name);
	if (u->fd < 0 || flock(u->fd, LOCK_EX | LOCK_NB) < 0 ||
	    fs_write_all(u->fd, text, strlen(text), NULL) < 0 || fsync(u->fd) < 0) {
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
	if (u && u->path)
		unlink(u->path);
	undo_leave(u);
}

void undo_leave(struct undo *u)
{
	if (!u)
		return;
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

static int drop_user(const struct sql_endpoint *at, const char *user, struct err *e)
{
	struct sql *s = sql_open(at, deadline_in_ms(CALL_MS), e);
	struct strbuf q = STRBUF_INIT;
	int rc = -1;

	strbuf_addstr(&q, "DROP USER IF EXISTS ");
	sql_add_text(&q, user, strlen(user));
	strbuf_addstr(&q, "@'%'");
	if (s)
		rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? -1 : 0;
	strbuf_release(&q);
	sql_close(s);
	return rc;
}

static int pause_feed(const struct attach_cluster *c, const char *id, struct err *e)
{
	struct ticdc api = { .api = c->ticdc, .tls = attach_http_tls(c) };
	struct err why = ERR_INIT;
	struct ticdc_feed f;

	if (ticdc_query(&api, id, deadline_in_ms(CALL_MS), &f, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND) /* it was not made, or is removed */
			return 0;
		*e = why;
		return -1;
	}
	return strcmp(f.state, "stopped") && strcmp(f.state, "removed")
		       ? ticdc_pause(&api, id, deadline_in_ms(CALL_MS), e)
		       : 0;
}

static int put_back(enum undo_kind kind, const char *clusters_file, const char *cluster,
		    const char *name, struct err *e)
{
	struct attach_file f;
	int rc = -1;

	if (attach_file_read(&f, clusters_file, e) < 0)
		return -1;
	if (attach_secrets(&f, e) < 0)
		goto out;
	err_set(e, ERR_USAGE, 0, "%s has no cluster %s any more", clusters_file, cluster);
	for (size_t i = 0; i < f.n; i++)
		if (!strcmp(f.c[i].name, cluster))
			rc = kind == UNDO_GC     ? tidb_set_gc(&f.c[i].sql, true, e)
			     : kind == UNDO_USER ? drop_user(&f.c[i].sql, name, e)
						 : pause_feed(&f.c[i], name, e);
out:
	attach_file_release(&f);
	return rc;
}

static int work_off(void *arg, const char *name, struct err *unused)
{
	struct working *w = arg;
	static const char *const by_hand[] = { "SET GLOBAL tidb_gc_enable = ON", "DROP USER there",
					       "cdc cli changefeed pause" };
	char *path = xstrfmt("%s/%s", w->dir, name), *line[4], *what = NULL;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	unsigned n = 0, kind = 0;

	(void)unused;
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ||
	    fs_read_file(path, NOTE_BYTES_MAX, &text, NULL) < 0)
		goto out; /* its run lives */
	for (char *at = text.buf; n < 4 && at && *at; n++) {
		line[n] = at;
		at = strchr(at, '\n');
		if (at)
			*at++ = '\0';
	}
	while (n && kind < sizeof(kinds) / sizeof(kinds[0]) && strcmp(line[0], kinds[kind]) != 0)
		kind++;
	if (n < 3 || kind == sizeof(kinds) / sizeof(kinds[0]))
		goto out; /* somebody else's, or cut off before anything was done */
	if (n == 3)
		line[3] = (char *)"";
	if (put_back(kind, line[1], line[2], line[3], &e) == 0) {
		what = kind == UNDO_GC
			       ? xstrfmt("garbage collection of %s (%s) is on again, which a run that died had switched off",
					 line[2], line[1])
			       : xstrfmt("%s %s on %s (%s) is %s, which a run that died had made",
					 kind == UNDO_USER ? "user" : "changefeed", line[3],
					 line[2], line[1],
					 kind == UNDO_USER ? "dropped" : "paused");
		unlink(path);
		w->n++;
	} else {
		what = xstrfmt(
			"%s: %s %s of a run that died could not be put back: %s (way out: %s; then rm %s)",
			line[2],
			kind == UNDO_GC     ? "garbage collection"
			: kind == UNDO_USER ? "the user"
					    : "the changefeed",
			line[3], e.text, by_hand[kind], path);
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
