#include "harness/cluster/undo_impl.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/sql/rights.h"
#include "harness/sql/schema.h"
#include "harness/tidb/ticdc.h"
#include "harness/tidb/tidb.h"

#define NOTE_BYTES_MAX 8192
#define CALL_MS 10000
#define FILL_S 600

struct undo *undo_left_here;
static struct undo *filling; /* under filling_lock, while a restore runs */
static pthread_mutex_t filling_lock = PTHREAD_MUTEX_INITIALIZER;

char *undo_folder(void)
{
	const char *own = getenv("DRTEST_UNDO"), *xdg = getenv("XDG_CACHE_HOME"),
		   *home = getenv("HOME");

	if (own && own[0] == '/')
		return xstrdup(own);
	if (xdg && xdg[0] == '/')
		return xstrfmt("%s/drtest/undo", xdg);
	return home && home[0] == '/' ? xstrfmt("%s/.cache/drtest/undo", home) : NULL;
}

int undo_check(struct err *e)
{
	char *dir = undo_folder();
	int rc = dir ? fs_own_folder(dir, 0700, "set DRTEST_UNDO", e)
		     : err_set(e, ERR_ENV, 0, "HOME is not set");

	free(dir);
	return rc < 0 ? err_wrap(e, "drtest cannot record what to undo if it is killed") : 0;
}

static const char *const kinds[] = {
	[UNDO_GC] = "gc",
	[UNDO_USER] = "user",
	[UNDO_FEED] = "feed",
	[UNDO_FILL] = "fill",
	[UNDO_STATEMENT] = "statement",
	[UNDO_LEFT_FEED] = "left feed",
	[UNDO_LEFT_DATABASE] = "left database",
	[UNDO_LEFT_TABLES] = "left tables",
	[UNDO_LEFT_STORE] = "left store",
};
static struct undo *find_known(enum undo_kind kind, const char *cluster, const char *name)
{
	struct undo *u = UNDO_IS_LEFT(kind) ? undo_left_here : NULL;

	while (u &&
	       (u->kind != kind || strcmp(u->cluster, cluster) != 0 || strcmp(u->name, name) != 0))
		u = u->next;
	return u;
}

char *undo_real_name(const char *clusters_file, struct err *e)
{
	char folder_path[PATH_MAX], *copy = xstrdup(clusters_file), *named = NULL;
	const char *slash = strrchr(clusters_file, '/');
	const char *base = slash ? slash + 1 : clusters_file;

	if (!fs_exists(clusters_file) || !realpath(dirname(copy), folder_path))
		err_sys(e, "%s", clusters_file);
	else
		named = xstrfmt("%s/%s", strcmp(folder_path, "/") ? folder_path : "", base);
	free(copy);
	return named;
}

bool undo_is_same_file(const char *noted, const char *named)
{
	char a[PATH_MAX], b[PATH_MAX];

	return strcmp(noted, named) == 0 ||
	       (realpath(noted, a) && realpath(named, b) && strcmp(a, b) == 0);
}

/* Of a cluster of this process's file; cluster "": of its store. */
static void add_identity(const char *cluster, struct strbuf *out)
{
	const struct attach_file *f = attach_used();

	if (f && !*cluster)
		strbuf_addf(out, "%.*s", (int)strcspn(f->store, "?"), f->store);
	for (size_t i = 0; f && i < f->n; i++)
		if (!strcmp(f->c[i].name, cluster))
			attach_identity(&f->c[i], out);
}

struct undo *undo_note(enum undo_kind kind, const char *clusters_file, const char *cluster,
		       const char *name, struct err *e)
{
	struct undo *u = find_known(kind, cluster, name);
	char *dir, *file = NULL, *text = NULL;
	struct strbuf identity = STRBUF_INIT;
	struct stat st;
	int rc = -1;

	if (u)
		return u;
	dir = undo_folder();
	u = xcalloc(1, sizeof(*u));
	u->fd = -1;
	if (undo_check(e) < 0 || !(file = undo_real_name(clusters_file, e)))
		goto out;
	if (strchr(name, '\n') || strchr(file, '\n')) { /* its lines would name something else */
		err_set(e, ERR_USAGE, 0, "a name with a line break cannot be recorded: %.200s",
			strchr(file, '\n') ? "the clusters file" : name);
		goto out;
	}
	u->kind = kind;
	u->cluster = xstrdup(cluster);
	u->name = xstrdup(name);
	u->path = xstrfmt("%s/%d-%lld-%s", dir, (int)getpid(), (long long)clock_mono_ns(), cluster);
	u->fd = open(u->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	add_identity(cluster, &identity);
	u->identity = strbuf_detach(&identity);
	text = xstrfmt("%s\n%s\n%s\n%s\n%s\n%u\n", kinds[kind], file, cluster, name, u->identity,
		       stat(file, &st) == 0 ? (unsigned)st.st_uid : 0);
	if (u->fd < 0 || flock(u->fd, LOCK_EX | LOCK_NB) < 0 ||
	    fs_write_all(u->fd, text, strlen(text), NULL) < 0 || fsync(u->fd) < 0) {
		err_sys(e, "record in %s what to undo", dir);
		goto out;
	}
	if (UNDO_IS_LEFT(kind)) {
		u->next = undo_left_here;
		undo_left_here = u;
	} else {
		guardian_undo();
	}
	if (kind == UNDO_FILL) {
		pthread_mutex_lock(&filling_lock);
		u->next = filling;
		filling = u;
		pthread_mutex_unlock(&filling_lock);
	}
	rc = 0;
out:
	free(text);
	free(file);
	free(dir);
	if (rc == 0)
		return u;
	undo_forget(u);
	return NULL;
}

void undo_alive(void)
{
	pthread_mutex_lock(&filling_lock);
	for (const struct undo *u = filling; u; u = u->next)
		futimens(u->fd, NULL);
	pthread_mutex_unlock(&filling_lock);
}

static void unlist(struct undo **list, struct undo *u)
{
	for (struct undo **at = list; *at; at = &(*at)->next)
		if (*at == u) {
			*at = u->next;
			break;
		}
}

static void unlist_everywhere(struct undo *u)
{
	unlist(&undo_left_here, u);
	pthread_mutex_lock(&filling_lock);
	unlist(&filling, u);
	pthread_mutex_unlock(&filling_lock);
}

void undo_leave(struct undo *u)
{
	if (!u)
		return;
	unlist_everywhere(u);
	flock(u->fd, LOCK_UN);
	u->next = undo_left_here;
	undo_left_here = u;
}

void undo_forget(struct undo *u)
{
	if (!u)
		return;
	if (u->path)
		unlink(u->path);
	unlist_everywhere(u);
	if (u->fd >= 0)
		close(u->fd);
	free(u->path);
	free(u->cluster);
	free(u->name);
	free(u->identity);
	free(u);
}

struct holders {
	const char *dir;
	enum undo_kind kind;
	const char *identity;
	ino_t own;
	bool found;
};
static int look_for_holder(void *arg, const char *file, struct err *unused)
{
	struct holders *h = arg;
	char *path = xstrfmt("%s/%s", h->dir, file);
	struct undo_text n;
	struct stat st;
	bool alive;

	(void)unused;
	undo_note_read(&n, path, &alive);
	h->found |= alive && n.line[4] && n.kind == h->kind && *n.line[4] &&
		    !strcmp(n.line[4], h->identity) && fstat(n.fd, &st) == 0 && st.st_ino != h->own;
	undo_note_release(&n);
	free(path);
	return 0;
}

/* by another note than that of own_fd; -1: by any */
static bool is_held(enum undo_kind kind, const char *identity, int own_fd)
{
	char *dir = undo_folder();
	struct holders h = { .dir = dir, .kind = kind, .identity = identity };
	struct stat st;

	if (own_fd >= 0 && fstat(own_fd, &st) == 0)
		h.own = st.st_ino;
	if (dir && fs_exists(dir))
		fs_list(dir, look_for_holder, &h, NULL);
	free(dir);
	return h.found;
}

bool undo_is_held(enum undo_kind kind, const char *cluster)
{
	struct strbuf identity = STRBUF_INIT;
	bool held;

	add_identity(cluster, &identity);
	held = is_held(kind, identity.buf, -1);
	strbuf_release(&identity);
	return held;
}

bool undo_pass_on(struct undo *u)
{
	char *dir = undo_folder();
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	/* one after the other: the last of them puts back */
	bool held = fd >= 0 && flock(fd, LOCK_EX) == 0 && is_held(u->kind, u->identity, u->fd);

	if (held)
		undo_forget(u);
	if (fd >= 0)
		close(fd);
	free(dir);
	return held;
}

struct working {
	const char *dir;
	bool statements; /* they alone, and first: what they bring is looked at after their end */
	void (*fn)(void *arg, const char *what);
	void *arg;
	int n;
};

static int drop_user(const struct sql_endpoint *at, const char *user, struct err *e)
{
	struct sql *s = sql_briefly(sql_open(at, deadline_in_ms(CALL_MS), e));
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

	if (!c->ticdc[0])
		return err_set(e, ERR_USAGE, 0, "the file names no TiCDC of %s any more", c->name);
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

/* By who comes at once, at most FILL_S after the run's last sign of life (undo_alive): later than
 * that somebody else's may be among it. */
static int note_what_came(const struct attach_cluster *c, const char *clusters_file, time_t since,
			  struct err *e)
{
	struct sql *s;
	struct sql_rows r = { 0 };
	int got = -1;

	if (time(NULL) - since > FILL_S)
		return err_set(
			e, ERR_ENV, 0,
			"that was too long ago to tell what came by it from what was made since");
	s = sql_briefly(sql_open_reading(&c->sql, deadline_in_ms(CALL_MS), e));
	if (s &&
	    sql_query(
		    s, &r, e,
		    "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE LOWER(SCHEMA_NAME) NOT IN " SYSTEM_SCHEMAS_SQL
		    " AND SCHEMA_NAME <> 'test'") == 0)
		while ((got = sql_rows_next(&r, e)) == 1)
			if (!undo_note(UNDO_LEFT_DATABASE, clusters_file, c->name, r.cell[0], e)) {
				got = -1;
				break;
			}
	sql_rows_release(&r);
	sql_close(s);
	return got;
}

/* "id\tBACKUP or RESTORE\turi" */
static int end_statement(const struct attach_cluster *c, const char *name, struct err *e)
{
	char what[16], *uri;
	unsigned long long id = strtoull(name, &uri, 10);

	if (!id || sscanf(uri, "\t%15[A-Z]", what) != 1 || !(uri = strchr(uri + 1, '\t')))
		return err_set(e, ERR_BAD_DATA, 0, "the note names no statement");
	return tidb_end_brie(&c->sql, id, what, uri + 1, deadline_in_ms(CALL_MS), e);
}

static int put_back_there(const struct undo_text *n, const struct attach_cluster *c, struct err *e)
{
	const char *name = n->line[3];

	if (attach_is_noted(c, n->line[4], e) < 0)
		return -1;
	switch (n->kind) {
	case UNDO_GC: /* off for a run that lives: its own to switch on */
		return is_held(UNDO_GC, n->line[4], n->fd) ? 0 : tidb_set_gc(&c->sql, true, e);
	case UNDO_USER: return drop_user(&c->sql, name, e);
	case UNDO_STATEMENT: return end_statement(c, name, e);
	case UNDO_FILL: return note_what_came(c, n->line[1], n->since, e);
	default: return pause_feed(c, name, e);
	}
}

static int put_back(const struct undo_text *n, struct err *e)
{
	const char *clusters_file = n->line[1], *cluster = n->line[2];
	struct attach_file f;
	struct stat st;
	int rc = -1;

	/* it may name commands, which give passwords */
	if (*n->line[5] && stat(clusters_file, &st) == 0 && st.st_uid != 0 &&
	    st.st_uid != geteuid() && st.st_uid != strtoul(n->line[5], NULL, 10))
		return err_set(e, ERR_USAGE, 0, "%s is another user's file now", clusters_file);
	if (attach_file_read(&f, clusters_file, e) < 0)
		return -1;
	if (attach_secrets(&f, e) < 0)
		goto out;
	err_set(e, ERR_USAGE, 0, "%s no longer has the cluster %s", clusters_file, cluster);
	for (size_t i = 0; i < f.n; i++)
		if (!strcmp(f.c[i].name, cluster))
			rc = put_back_there(n, &f.c[i], e);
out:
	attach_file_release(&f);
	return rc;
}

void undo_note_release(struct undo_text *n)
{
	if (n->fd >= 0)
		close(n->fd);
	strbuf_release(&n->text);
}

/* A note names a file whose commands give passwords: one that another user has put there is none.
 * -1: it is not this user's. */
static int open_note(const char *path, time_t *since)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    !(st.st_mode & 022)) {
		*since = st.st_mtime;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Cuts its text into lines; false: it is none, or cut off before anything was done. */
static bool note_lines(struct undo_text *n)
{
	unsigned lines = 0, kind = 0;

	for (char *at = n->text.buf; lines < 6 && at && *at; lines++) {
		n->line[lines] = at;
		at = strchr(at, '\n');
		if (at)
			*at++ = '\0';
	}
	while (lines && kind < sizeof(kinds) / sizeof(kinds[0]) &&
	       strcmp(n->line[0], kinds[kind]) != 0)
		kind++;
	if (lines < 3 || kind == sizeof(kinds) / sizeof(kinds[0]))
		return false;
	for (; lines < 6; lines++)
		n->line[lines] = (char *)"";
	n->kind = kind;
	return true;
}

bool undo_note_read(struct undo_text *n, const char *path, bool *alive)
{
	bool locked;

	*n = (struct undo_text){ .text = STRBUF_INIT };
	n->fd = open_note(path, &n->since);
	locked = n->fd >= 0 && flock(n->fd, LOCK_EX | LOCK_NB) < 0;
	if (alive)
		*alive = locked;
	return n->fd >= 0 && (!locked || alive) &&
	       fs_read_file(path, NOTE_BYTES_MAX, &n->text, NULL) == 0 && note_lines(n) && !locked;
}

struct sought {
	const char *dir, *name;
	enum undo_run found;
};

/* A note is read whether it is locked or not: it was written whole before anything was done. */
static int look_for_user(void *arg, const char *file, struct err *unused)
{
	struct sought *s = arg;
	char *path = xstrfmt("%s/%s", s->dir, file), *line;
	struct strbuf text = STRBUF_INIT;
	time_t since;
	int fd = open_note(path, &since);

	(void)unused;
	if (fd >= 0 && fs_read_file(path, NOTE_BYTES_MAX, &text, NULL) == 0) {
		line = text.buf +
		       strcspn(text.buf, "\n"); /* behind the kind: file, cluster, name */
		for (unsigned i = 0; i < 2 && *line; i++)
			line += 1 + strcspn(line + 1, "\n");
		if (!strncmp(text.buf, "user\n", 5) && *line &&
		    strcspn(line + 1, "\n") == strlen(s->name) &&
		    !strncmp(line + 1, s->name, strlen(s->name)))
			s->found =
				flock(fd, LOCK_SH | LOCK_NB) < 0 ? UNDO_RUN_LIVES : UNDO_RUN_ENDED;
	}
	if (fd >= 0)
		close(fd);
	strbuf_release(&text);
	free(path);
	return 0;
}

enum undo_run undo_run_of_user(const char *name)
{
	char *dir = undo_folder();
	struct sought s = { .dir = dir, .name = name, .found = UNDO_RUN_UNKNOWN };

	if (dir && fs_exists(dir))
		fs_list(dir, look_for_user, &s, NULL);
	free(dir);
	return s.found;
}

const struct undo_words undo_words[] = {
	[UNDO_GC] = { "garbage collection", "is on again", "SET GLOBAL tidb_gc_enable = ON" },
	[UNDO_USER] = { "user", "is dropped", "DROP USER there" },
	[UNDO_FEED] = { "changefeed", "is paused", "cdc cli changefeed pause" },
	[UNDO_FILL] = { "what a restore had brought",
			"is noted: `drtest clean --clusters` with that file removes it",
			"SHOW DATABASES there, DROP DATABASE" },
	[UNDO_STATEMENT] = { "statement", "no longer runs", "KILL TIDB and the number there" },
};

static int work_off(void *arg, const char *name, struct err *unused)
{
	const struct undo_words *words = undo_words;
	struct working *w = arg;
	char *path = xstrfmt("%s/%s", w->dir, name), *what = NULL;
	struct err e = ERR_INIT;
	struct undo_text n;
	int lock = -1;
	bool ok;

	(void)unused;
	if (!undo_note_read(&n, path, NULL) || UNDO_IS_LEFT(n.kind) ||
	    (n.kind == UNDO_STATEMENT) != w->statements)
		goto out;
	/* as undo_pass_on() does: of two runs that died, one puts back */
	if (n.kind == UNDO_GC && (lock = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0)
		(void)flock(lock, LOCK_EX);
	ok = put_back(&n, &e) == 0;
	for (char *p = n.line[3]; *p; p++)
		*p = *p == '\t' ? ' ' : *p;
	if (ok) {
		what = xstrfmt("of a run that died: %s%s%s on %s (%s) %s", words[n.kind].thing,
			       *n.line[3] ? " " : "", n.line[3], n.line[2], n.line[1],
			       words[n.kind].done);
		unlink(path);
		w->n++;
	} else {
		what = xstrfmt(
			"of a run that died: %s%s%s on %s could not be undone: %s (fix: %s; then "
			"rm %s)",
			words[n.kind].thing, *n.line[3] ? " " : "", n.line[3], n.line[2], e.text,
			words[n.kind].by_hand, path);
	}
	if (lock >= 0)
		close(lock);
	w->fn(w->arg, what);
out:
	undo_note_release(&n);
	free(path);
	free(what);
	return 0;
}

int undo_work_off(void (*fn)(void *arg, const char *what), void *arg)
{
	char *dir = undo_folder();
	struct working w = { .dir = dir, .fn = fn, .arg = arg };

	if (dir && fs_exists(dir))
		for (int pass = 0; pass < 2; pass++) {
			w.statements = !pass;
			fs_list(dir, work_off, &w, NULL);
		}
	free(dir);
	return w.n;
}
