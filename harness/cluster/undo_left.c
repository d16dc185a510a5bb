#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach.h"
#include "harness/cluster/undo_impl.h"
#include "harness/net/store.h"
#include "harness/os/fs.h"
#include "harness/tidb/ticdc.h"

#define CALL_MS 10000
#define SINCE_S (24 * 3600)

/* Names of a load's tables, after the database's; *made: it made that, too. */
static char *next_name(char **at)
{
	char *name = *at;

	if (!name)
		return NULL;
	*at = strchr(name, '\t');
	if (*at)
		*(*at)++ = '\0';
	return name;
}

static void drop_tables_text(const char *names, struct strbuf *out)
{
	char *copy = xstrdup(names), *at = copy, *db = next_name(&at), *table;
	bool made = *db == '+';
	const char *sep = "DROP TABLE IF EXISTS ";

	db += made;
	while ((table = next_name(&at))) {
		strbuf_addstr(out, sep);
		sql_add_name(out, db);
		strbuf_addch(out, '.');
		sql_add_name(out, table);
		sep = ", ";
	}
	if (made) {
		strbuf_addstr(out, *sep == ',' ? "; DROP DATABASE " : "DROP DATABASE ");
		sql_add_name(out, db);
	}
	free(copy);
}

static void left_texts(const struct undo_text *n, struct strbuf *what, struct strbuf *remove)
{
	const char *name = n->line[3], *db = name + (*name == '+');

	switch (n->kind) {
	case UNDO_LEFT_FEED:
		strbuf_addf(what,
			    "changefeed %s, paused; it holds back garbage collection for gc-ttl",
			    name);
		strbuf_addf(remove, "cdc cli changefeed remove --changefeed-id=%s", name);
		break;
	case UNDO_LEFT_DATABASE:
		strbuf_addf(what, "database %s", name);
		strbuf_addstr(remove, "DROP DATABASE ");
		sql_add_name(remove, name);
		break;
	case UNDO_LEFT_TABLES:
		strbuf_addf(what, "the load's tables in database %.*s", (int)strcspn(db, "\t"), db);
		drop_tables_text(name, remove);
		break;
	case UNDO_LEFT_STORE:
		strbuf_addf(what, "objects under %s in the store", name);
		strbuf_addstr(remove, "drtest clean --clusters ");
		strbuf_addstr(remove, n->line[1]);
		break;
	default:
		strbuf_addf(what, "%s%s%s, which could not be put back", undo_words[n->kind].thing,
			    *name ? " " : "", name);
		strbuf_addf(remove, "drtest clean --undo; by hand: %s",
			    undo_words[n->kind].by_hand);
		break;
	}
}

void undo_left(void (*fn)(void *arg, const char *cluster, const char *what, const char *remove),
	       void *arg)
{
	for (const struct undo *u = undo_left_here; u; u = u->next) {
		struct strbuf what = STRBUF_INIT, remove = STRBUF_INIT;
		const struct undo_text n = { .kind = u->kind,
					     .line = { NULL, (char *)attach_path(), u->cluster,
						       u->name } };

		left_texts(&n, &what, &remove);
		fn(arg, *u->cluster ? u->cluster : "store", what.buf, remove.buf);
		strbuf_release(&what);
		strbuf_release(&remove);
	}
}

void undo_left_tables(void (*fn)(void *arg, const char *cluster, const char *tables), void *arg)
{
	for (const struct undo *u = undo_left_here; u; u = u->next)
		if (u->kind == UNDO_LEFT_TABLES)
			fn(arg, u->cluster, u->name);
}

void undo_forget_left(const char *cluster)
{
	for (struct undo *u = undo_left_here, *next; u; u = next) {
		next = u->next;
		if (!strcmp(u->cluster, cluster))
			undo_forget(u);
	}
}

static int drop_database(struct sql *s, const char *name, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "DROP DATABASE IF EXISTS ");
	sql_add_name(&q, name);
	rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? -1 : 0;
	strbuf_release(&q);
	return rc;
}

/* The database goes with them where this run has made it and nobody has put anything else there. */
static int drop_tables(struct sql *s, const char *names, struct err *e)
{
	char *copy = xstrdup(names), *at = copy, *db = next_name(&at), *table;
	bool made = *db == '+';
	struct strbuf q = STRBUF_INIT, name = STRBUF_INIT;
	uint64_t others = 0;
	int rc = 0;

	db += made;
	while (rc == 0 && (table = next_name(&at))) {
		strbuf_reset(&q);
		strbuf_addstr(&q, "DROP TABLE IF EXISTS ");
		sql_add_name(&q, db);
		strbuf_addch(&q, '.');
		sql_add_name(&q, table);
		rc = sql_exec_text(s, e, q.buf, q.len) < 0 && e->code != 1049 ? -1 : 0;
	}
	sql_add_text(&name, db, strlen(db));
	if (rc == 0 && made)
		rc = sql_value_u64(
			     s, &others, e,
			     "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s",
			     name.buf) < 0
			     ? -1
		     : others ? 0
			      : drop_database(s, db, e);
	strbuf_release(&q);
	strbuf_release(&name);
	free(copy);
	return rc;
}

static int empty_prefix(const struct attach_file *f, const char *prefix, struct err *e)
{
	size_t n = strcspn(f->store, "?"), bare = n;
	struct store_list list = { 0 };
	struct store *s;
	char *uri;
	int rc = -1;

	while (bare && f->store[bare - 1] == '/')
		bare--;
	uri = xstrfmt("%.*s/%s%s", (int)bare, f->store, prefix, f->store + n);
	s = store_open(uri, NULL, e);
	if (s && store_list(s, "", &list, e) == 0) {
		rc = 0;
		for (size_t i = 0; rc == 0 && i < list.n; i++)
			rc = store_delete(s, list.objects[i].key, e);
	}
	store_list_release(&list);
	store_free(s);
	free(uri);
	return rc;
}

/* Of all notes of the same thing: what a later run made under the name is its own, and nobody else
 * removes what a living run has made. */
struct namesakes {
	const char *dir;
	const struct undo_text *of;
	time_t newest;
	bool alive;
};
static int look_for_namesake(void *arg, const char *file, struct err *unused)
{
	struct namesakes *s = arg;
	char *path = xstrfmt("%s/%s", s->dir, file);
	struct stat own, other;
	struct undo_text n;
	bool alive, ended = undo_note_read(&n, path, &alive);

	(void)unused;
	if ((ended || alive) && n.line[3] && n.kind == s->of->kind &&
	    !strcmp(n.line[2], s->of->line[2]) &&
	    !strcmp(n.line[3] + (*n.line[3] == '+'), s->of->line[3] + (*s->of->line[3] == '+')) &&
	    undo_is_same_file(n.line[1], s->of->line[1]) && fstat(n.fd, &other) == 0 &&
	    fstat(s->of->fd, &own) == 0 && own.st_ino != other.st_ino) {
		s->newest = n.since > s->newest ? n.since : s->newest;
		s->alive |= alive;
	}
	undo_note_release(&n);
	free(path);
	return 0;
}

/* The names are noted, not the things: what was made under them long after that run is somebody
 * else's. */
static int refuse_others(struct sql *s, const struct undo_text *n, time_t since, struct err *e)
{
	char *copy = xstrdup(n->line[3]), *at = copy, *db = next_name(&at), *table;
	struct strbuf q = STRBUF_INIT;
	const char *sep = " AND TABLE_NAME IN (";
	uint64_t made = 0;
	int rc;

	db += n->kind == UNDO_LEFT_TABLES && *db == '+';
	strbuf_addstr(&q, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ");
	sql_add_text(&q, db, strlen(db));
	strbuf_addf(&q, " AND CREATE_TIME > FROM_UNIXTIME(%lld)", (long long)since + SINCE_S);
	while ((table = next_name(&at))) {
		strbuf_addstr(&q, sep);
		sql_add_text(&q, table, strlen(table));
		sep = ", ";
	}
	if (*sep == ',')
		strbuf_addch(&q, ')');
	rc = sql_value_u64(s, &made, e, "%s", q.buf);
	if (rc == 0 && made)
		rc = err_set(
			e, ERR_ENV, 0,
			"%llu table%s there made a day or more after that run, by somebody else",
			(unsigned long long)made, made > 1 ? "s were" : " was");
	strbuf_release(&q);
	free(copy);
	return rc;
}

static int remove_one(const struct attach_file *f, const char *dir, const struct undo_text *n,
		      struct err *e)
{
	struct namesakes same = { .dir = dir, .of = n, .newest = n->since };
	const struct attach_cluster *c = NULL;
	struct sql *s;
	int rc;

	fs_list(dir, look_for_namesake, &same, NULL);
	if (same.alive)
		return err_set(e, ERR_ENV, 0, "a run that has not ended uses it as well");
	if (n->kind == UNDO_LEFT_STORE) {
		if (*n->line[4] && (strncmp(f->store, n->line[4], strlen(n->line[4])) != 0 ||
				    strcspn(f->store, "?") != strlen(n->line[4])))
			return err_set(e, ERR_USAGE, 0,
				       "they are in %s, and the file's store is another one now",
				       n->line[4]);
		return empty_prefix(f, n->line[3], e);
	}
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->c[i].name, n->line[2]))
			c = &f->c[i];
	if (!c)
		return err_set(e, ERR_USAGE, 0, "the file no longer has the cluster %s",
			       n->line[2]);
	if (attach_is_noted(c, n->line[4], e) < 0)
		return -1;
	if (n->kind == UNDO_LEFT_FEED) {
		struct ticdc api = { .api = c->ticdc, .tls = attach_http_tls(c) };

		if (!c->ticdc[0])
			return err_set(e, ERR_USAGE, 0, "the file names no TiCDC of %s any more",
				       c->name);
		return ticdc_remove(&api, n->line[3], deadline_in_ms(CALL_MS), e);
	}
	if (!c->expendable && !(c->allow & (1u << ABLE_WRITE | 1u << ABLE_RESTORE)))
		return err_set(e, ERR_USAGE, 0, "the file no longer allows write on %s", c->name);
	s = sql_open(&c->sql, deadline_in_ms(CALL_MS), e);
	rc = !s || refuse_others(s, n, same.newest, e) < 0 ? -1
	     : n->kind == UNDO_LEFT_DATABASE               ? drop_database(s, n->line[3], e)
							   : drop_tables(s, n->line[3], e);
	sql_close(s);
	return rc;
}

struct removing {
	const struct attach_file *f;
	const char *dir, *file;
	bool dry_run, store; /* store: its objects, last: what is removed before writes there */
	void (*fn)(void *arg, const char *what);
	void *arg;
	int n, failed;
};

static int remove_left(void *arg, const char *name, struct err *unused)
{
	struct removing *r = arg;
	char *path = xstrfmt("%s/%s", r->dir, name), *said = NULL;
	struct strbuf what = STRBUF_INIT, by_hand = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct undo_text n;

	(void)unused;
	if (!undo_note_read(&n, path, NULL) || !UNDO_IS_LEFT(n.kind) ||
	    !undo_is_same_file(n.line[1], r->file) || (n.kind == UNDO_LEFT_STORE) != r->store)
		goto out;
	left_texts(&n, &what, &by_hand);
	if (r->dry_run) {
		said = xstrfmt("would remove from %s: %s (%s)",
			       *n.line[2] ? n.line[2] : "the store", what.buf, by_hand.buf);
		r->n++;
	} else if (remove_one(r->f, r->dir, &n, &e) < 0) {
		said = xstrfmt("%s: %s could not be removed: %s (fix: %s; then rm %s)",
			       *n.line[2] ? n.line[2] : "store", what.buf, e.text, by_hand.buf,
			       path);
		r->failed++;
	} else {
		said = xstrfmt("removed from %s: %s", *n.line[2] ? n.line[2] : "the store",
			       what.buf);
		unlink(path);
		r->n++;
	}
	r->fn(r->arg, said);
out:
	undo_note_release(&n);
	strbuf_release(&what);
	strbuf_release(&by_hand);
	free(path);
	free(said);
	return 0;
}

int undo_remove_left(const char *clusters_file, bool dry_run,
		     void (*fn)(void *arg, const char *what), void *arg, int *failed)
{
	char *dir = undo_folder(), *file = undo_real_name(clusters_file, NULL);
	struct removing r = { .f = attach_used(),
			      .dir = dir,
			      .file = file,
			      .dry_run = dry_run,
			      .fn = fn,
			      .arg = arg };

	if (dir && fs_exists(dir) && r.f && file)
		for (int pass = 0; pass < 2; pass++) {
			r.store = pass;
			fs_list(dir, remove_left, &r, NULL);
		}
	free(file);
	free(dir);
	*failed = r.failed;
	return r.n;
}
