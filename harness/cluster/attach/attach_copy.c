#include "harness/cluster/attach/attach_copy.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach.h"
#include "harness/cluster/tidb_cluster.h"
#include "harness/sql/schema.h"

#define LOOK_MS 5000

static bool has_mysql(void)
{
	const struct attach_file *f = attach_used();

	for (size_t i = 0; f && i < f->n; i++)
		if (f->c[i].mysql)
			return true;
	return false;
}

struct statement {
	const struct cluster *c;
	const char *what, *uri;
	uint64_t session;
	struct undo *noted;
};
static int note_statement(void *arg, uint64_t session, struct err *e)
{
	struct statement *s = arg;
	char *name = xstrfmt("%llu\t%s\t%.*s", (unsigned long long)session, s->what,
			     (int)strcspn(s->uri, "?"), s->uri);

	s->session = session;
	s->noted = undo_note(UNDO_STATEMENT, attach_path(), s->c->name, name, e);
	free(name);
	return s->noted ? 0 : -1;
}

/* The server goes on with it when drtest has died: noted, it is ended. */
static int run_noted(struct cluster *c, const char *what, const char *uri,
		     const struct backup_opts *backup, const struct restore_opts *restore,
		     struct backup_result *r, struct err *e)
{
	struct tidb_cluster *t = c->own;
	struct statement s = { .c = c, .what = what, .uri = uri };
	struct err why = ERR_INIT;
	int rc;

	t->brie_begins = (struct tidb_brie_begins){ note_statement, &s };
	rc = backup ? tidb_cluster_backup(c, uri, backup, r, &why)
		    : tidb_cluster_restore(c, uri, restore, r, &why);
	t->brie_begins.fn = NULL;
	if (rc < 0 && e)
		*e = why;
	/* without its answer it may still run */
	(rc < 0 && s.noted && (why.kind == ERR_GONE || why.kind == ERR_CANCELLED) &&
			 tidb_end_brie(&c->ep, s.session, what, uri, deadline_in_ms(LOOK_MS),
				       NULL) < 0
		 ? undo_leave
		 : undo_forget)(s.noted);
	return rc;
}

/* MySQL can't read TiDB's BACKUP: where one takes part, the backup is drtest's own, read at one
 * TSO. */
int attach_backup(struct cluster *c, const char *uri, const struct backup_opts *o,
		  struct backup_result *r, struct err *e)
{
	struct backup_opts own = *o;
	struct store *to;
	char at[24];
	tso_t ts;
	int rc;

	if (attach_allows(c->name, ABLE_BACKUP, e) < 0)
		return -1;
	if (!has_mysql())
		return run_noted(c, "BACKUP", uri, o, NULL, r, e);
	own.from = c->ep;
	if (!own.tidb_snapshot) {
		if (tidb_now(&c->ep, &ts, e) < 0)
			return -1;
		snprintf(at, sizeof(at), "%llu", (unsigned long long)ts);
		own.tidb_snapshot = at;
	}
	to = store_open(uri, NULL, e);
	rc = to ? backup_run(to, &own, r, e) : -1;
	store_free(to);
	return rc;
}

/* RESTORE itself objects to tables of the same name alone. */
static int is_empty(struct cluster *c, struct err *e)
{
	struct sql *s = sql_briefly(sql_open(&c->ep, deadline_in_ms(LOOK_MS), e));
	struct strbuf names = STRBUF_INIT;
	unsigned n;
	int rc = s ? tidb_databases(s, &names, &n, e) : -1;

	if (rc == 0 && n)
		rc = err_set(
			e, ERR_ENV, 0,
			"%s is not empty (it has %s), but a restore needs a new cluster: check "
			"the address",
			c->name, names.buf);
	strbuf_release(&names);
	sql_close(s);
	return rc;
}

int attach_fill(struct cluster *c, struct err *e)
{
	struct undo *fill;

	if (attach_allows(c->name, ABLE_RESTORE, e) < 0 || is_empty(c, e) < 0)
		return -1;
	((struct tidb_cluster *)c->own)->filled_here = true;
	fill = undo_note(UNDO_FILL, attach_path(), c->name, "", e);
	((struct tidb_cluster *)c->own)->fill_noted = fill;
	return fill ? 0 : -1;
}

/* Also where the restore has ended half-way: the cluster was empty. */
void attach_filled(struct cluster *c)
{
	struct sql *s = sql_briefly(sql_open(&c->ep, deadline_in_ms(LOOK_MS), NULL));
	struct tidb_cluster *t = c->own;
	struct sql_rows r = { 0 };
	int got = -1;

	if (s &&
	    sql_query(
		    s, &r, NULL,
		    "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE LOWER(SCHEMA_NAME) NOT IN " SYSTEM_SCHEMAS_SQL
		    " AND SCHEMA_NAME <> 'test'") == 0)
		while ((got = sql_rows_next(&r, NULL)) == 1)
			if (!undo_note(UNDO_LEFT_DATABASE, attach_path(), c->name, r.cell[0], NULL))
				break;
	sql_rows_release(&r);
	sql_close(s);
	/* each is noted by its own name, or the note of the whole stays */
	(got == 0 ? undo_forget : undo_leave)(t->fill_noted);
	t->fill_noted = NULL;
}

int attach_restore(struct cluster *c, const char *uri, const struct restore_opts *o,
		   struct backup_result *r, struct err *e)
{
	struct restore_opts own = *o;
	struct store *from;
	int rc;

	if (!has_mysql())
		return run_noted(c, "RESTORE", uri, NULL, o, r, e);
	own.to = c->ep;
	from = store_open(uri, NULL, e);
	rc = from ? restore_run(from, &own, r, e) : -1;
	store_free(from);
	return rc;
}

int attach_restored(struct cluster *c, struct backup_result *r, struct err *e)
{
	return has_mysql() ? 0 : tidb_cluster_restored(c, r, e);
}
