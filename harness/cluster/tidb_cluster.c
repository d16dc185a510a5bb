#include "harness/cluster/tidb_cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/tidb/pd.h"
#include "harness/tidb/playground_text.h"

#include "harness/sql/schema.h"

#define SQL_MS 10000
#define NO_SUCH_TABLE 1146
#define NO_SUCH_SYSTEM_TABLE 1109

struct http_tls tidb_cluster_tls(const struct tidb_cluster *t)
{
	return (struct http_tls){ t->ca, t->cert, t->key, t->server_name };
}

static int look_sql(struct tidb_cluster *t, const struct sql_endpoint *ep, struct err *e)
{
	if (tidb_version(ep, t->version_text, e) < 0)
		return -1;
	if (tool_version_parse(t->version_text, t->version) < 0) {
		t->version[0] = 99; /* a nightly build: newer than all that are told apart here */
		t->version[1] = t->version[2] = 0;
	}
	return 0;
}

static int look_status(const struct tidb_cluster *t, struct deadline d, struct err *e)
{
	struct http_tls tls = tidb_cluster_tls(t);
	struct http_answer a = HTTP_ANSWER_INIT;
	char *url = xstrfmt("%s/status", t->status);
	int rc = http_call("GET", url, NULL, &tls, d, &a, e);

	if (rc == 0 && (a.status != 200 || !strstr(a.body.buf, "TiDB")))
		rc = err_set(e, ERR_ENV, (int)a.status,
			     "%s is not TiDB's status port: HTTP %ld %.80s", url, a.status,
			     a.body.buf);
	free(url);
	http_answer_release(&a);
	return rc;
}

int tidb_cluster_look_at_ticdc(struct tidb_cluster *t, struct deadline d, struct err *e)
{
	struct ticdc api = tidb_cluster_api(t);
	int v2 = ticdc_has_v2(&api, d, e);

	if (v2 < 0)
		return -1;
	t->v2 = v2;
	if (v2 && ticdc_captures(&api, d, &t->captures, NULL, e) < 0)
		return -1;
	return v2 && !t->captures
		       ? err_set(e, ERR_ENV, 0, "TiCDC at %s has no capture yet", t->ticdc)
		       : 0;
}

static int look_at_parts(struct cluster *c, struct tidb_cluster *t, struct err *e)
{
	struct deadline d = deadline_in_ms(3000);
	struct http_tls tls = tidb_cluster_tls(t);
	struct pd_members members;

	if (look_sql(t, &c->ep, e) < 0 || (t->status[0] && look_status(t, d, e) < 0) ||
	    (t->pd[0] && pd_ready(t->pd, &tls, d, &members, e) < 0))
		return -1;
	return t->ticdc[0] ? tidb_cluster_look_at_ticdc(t, d, e) : 0;
}

struct ticdc tidb_cluster_api(const struct tidb_cluster *t)
{
	return (struct ticdc){ .api = t->ticdc, .tls = tidb_cluster_tls(t) };
}

int tidb_cluster_ready(struct cluster *c, struct tidb_cluster *t,
		       int (*alive)(struct cluster *, struct err *), struct deadline d,
		       struct err *e)
{
	struct err why = ERR_INIT;

	while (look_at_parts(c, t, &why) < 0) {
		if (alive && alive(c, e) < 0)
			return -1;
		if (why.kind == ERR_UNSUPPORTED) { /* waiting does not make a TiDB of it */
			if (e)
				*e = why;
			return err_set(e, ERR_ENV, 0, "%.900s", why.text);
		}
		if (pause_ms(100, d) < 0) {
			if (clock_cancelled())
				return err_set(e, ERR_CANCELLED, 0, "interrupted");
			return err_set(e, ERR_ENV, 0, "it is not ready: %.800s", why.text);
		}
	}
	snprintf(c->version, sizeof(c->version), "TiDB %s", t->version_text);
	return 0;
}

/* A statement without its TiKV hangs for 41 s and more, and ends with 9005 or, where it was given
 * up before, as a lost connection; without PD with 9001. Nothing else of the cluster says that a
 * store is dead, and PD itself not before twelve seconds. */
void tidb_cluster_explain(struct cluster *c, struct err *e)
{
	const struct tidb_cluster *t = c->own;
	struct http_tls tls = tidb_cluster_tls(t);
	struct pd_stores stores;
	char why[400] = "";

	if (!t->pd[0] ||
	    (e->kind != ERR_GONE && e->kind != ERR_TIMEOUT &&
	     !(e->code >= 9001 && e->code <= 9006) && e->code != 8124 && e->code != 8125))
		return;
	if (pd_look_at_stores(t->pd, &tls, deadline_in_ms(3000), &stores, NULL) < 0)
		snprintf(why, sizeof(why), "its PD at %.250s does not respond", t->pd);
	else if (stores.down[0])
		snprintf(why, sizeof(why), "its TiKV %.250s; %u of %u are up", stores.down,
			 stores.up, stores.n);
	else
		return;
	snprintf(e->text + strlen(e->text), sizeof(e->text) - strlen(e->text), " (%s)", why);
}

int tidb_cluster_set_gc(struct cluster *c, bool on, struct err *e)
{
	return tidb_set_gc(&c->ep, on, e);
}

const char *tidb_cluster_pd(const struct cluster *c)
{
	return ((const struct tidb_cluster *)c->own)->pd;
}

int tidb_cluster_now(struct cluster *c, tso_t *ts, struct err *e)
{
	return tidb_now(&c->ep, ts, e);
}

/* Whoever replays a redo prefix takes the newest meta under it whatever its changefeed, and BACKUP
 * refuses a used one. */
int tidb_cluster_prefix_is_fresh(const char *uri, const char *what, struct err *e)
{
	struct store *s = store_open(uri, NULL, e);
	struct store_list list = { 0 };
	int rc = -1;

	if (s && store_list(s, "", &list, e) == 0) {
		const char *removed = "";

		/* TiCDC's mark of a changefeed that was removed stays for good */
		for (size_t i = 0; i < list.n; i++)
			if (!strncmp(list.objects[i].key, "delete_", 7))
				removed = "; it had the log of a removed changefeed";
		rc = list.n ? err_set(e, ERR_ENV, 0,
				      "%s: %s was used before (%zu objects, as %.100s%s): use a "
				      "new prefix for each run",
				      what, store_uri_redacted(s), list.n, list.objects[0].key,
				      removed)
			    : 0;
	}
	store_list_release(&list);
	store_free(s);
	return rc;
}

/* BACKUP succeeds with nothing in it: of a snapshot from before the first table, or of what garbage
 * collection has passed. */
static int check_empty_backup(struct cluster *c, const struct tidb_brie *b, struct err *e)
{
	struct sql *s = b->size_bytes ? NULL : sql_open(&c->ep, deadline_in_ms(SQL_MS), e);
	uint64_t tables = 0;
	int rc = b->size_bytes ? 0 : -1;

	if (s &&
	    sql_value_u64(
		    s, &tables, e,
		    "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_ROWS > 0 AND "
		    "LOWER(TABLE_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL) == 0)
		rc = tables ? err_set(e, ERR_ENV, 0,
				      "BACKUP put nothing into the store (Size 0) although the cluster has %" PRIu64
				      " tables with rows: its "
				      "snapshot %" PRIu64 " is older than they are",
				      tables, b->backup_ts)
			    : 0;
	sql_close(s);
	return rc;
}

/* BACKUP of a snapshot that garbage collection has passed succeeds, with what is left of it; a
 * session that wants to read there is refused. */
static int can_be_read_at(struct cluster *c, const char *snapshot, struct err *e)
{
	struct sql *s = snapshot ? sql_open(&c->ep, deadline_in_ms(SQL_MS), e) : NULL;
	int rc = !snapshot || (s &&
			       sql_exec(s, e, "SET SESSION tidb_snapshot = '%s'", snapshot) >= 0)
			 ? 0
			 : -1;

	sql_close(s);
	if (rc < 0 && e && e->kind == ERR_SQL) {
		struct err why = *e;

		err_set(e, ERR_ENV, why.code,
			"BACKUP at snapshot %s: %.700s (fix: keep garbage collection off, or "
			"tidb_gc_life_time longer, from before that snapshot on)",
			snapshot, why.text);
	}
	return rc;
}

int tidb_cluster_backup(struct cluster *c, const char *uri, const struct backup_opts *o,
			struct backup_result *r, struct err *e)
{
	const struct tidb_cluster *t = c->own;
	int64_t start = clock_mono_ns();
	struct tidb_brie b;

	if (tidb_cluster_prefix_is_fresh(uri, "BACKUP", e) < 0 ||
	    can_be_read_at(c, o->tidb_snapshot, e) < 0 ||
	    tidb_backup(&c->ep, uri, (unsigned)(o->rate_bytes_per_s / 1000000), o->tidb_snapshot,
			t->brie_begins.fn ? &t->brie_begins : NULL, &b, e) < 0 ||
	    check_empty_backup(c, &b, e) < 0)
		return -1;
	*r = (struct backup_result){ .size_bytes = b.size_bytes,
				     .backup_ts = b.backup_ts,
				     .execution_us = (clock_mono_ns() - start) / 1000 };
	return 0;
}

int tidb_cluster_restore(struct cluster *c, const char *uri, const struct restore_opts *o,
			 struct backup_result *r, struct err *e)
{
	const struct tidb_cluster *t = c->own;
	int64_t start = clock_mono_ns();
	struct tidb_brie b;

	(void)o;
	if (tidb_restore(&c->ep, uri, t->brie_begins.fn ? &t->brie_begins : NULL, &b, e) < 0)
		return -1;
	*r = (struct backup_result){ .size_bytes = b.size_bytes,
				     .backup_ts = b.backup_ts,
				     .execution_us = (clock_mono_ns() - start) / 1000 };
	return 0;
}

/* RESTORE brings TiDB's own notes of background work along (seen in v8.5.3), and its first ADD
 * INDEX here is lost by them. Task 1 of the cluster that was backed up is finished there, so task 1
 * of this one ends at once: the index is there, and empty. Or it is given to a TiDB server of the
 * other cluster, which never does it, and the DDL waits forever. */
static void forget_foreign_tasks(struct sql *s, struct backup_result *r)
{
	static const struct {
		const char *table, *which;
	} foreign[] = {
		{ "tidb_background_subtask", "TRUE" },
		{ "tidb_background_subtask_history", "TRUE" },
		{ "tidb_global_task", "TRUE" },
		{ "tidb_global_task_history", "TRUE" },
		{ "dist_framework_meta",
		  "host NOT IN (SELECT INSTANCE FROM information_schema.CLUSTER_INFO WHERE TYPE = 'tidb')" },
	};
	static const char by_hand[] =
		"DELETE FROM mysql.tidb_background_subtask, from mysql.tidb_global_task, and the other cluster's hosts from "
		"mysql.dist_framework_meta, before the first DDL";
	struct err why = ERR_INIT;
	uint64_t rows, all = 0;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		struct err no = ERR_INIT;

		rows = 0;
		if (sql_value_u64(s, &rows, &no, "SELECT COUNT(*) FROM mysql.%s WHERE %s",
				  foreign[i].table, foreign[i].which) == 0 &&
		    rows)
			sql_exec(s, &no, "DELETE FROM mysql.%s WHERE %s", foreign[i].table,
				 foreign[i].which);
		all += rows;
		if (no.text[0] && no.code != NO_SUCH_TABLE && no.code != NO_SUCH_SYSTEM_TABLE)
			why = no;
	}
	if (why.text[0])
		snprintf(r->warnings, sizeof(r->warnings),
			 "RESTORE may have restored the other cluster's background tasks, with "
			 "which TiDB's first ADD INDEX here would leave an empty index or wait "
			 "forever; they cannot be deleted (%.300s; by hand: %s)",
			 why.text, by_hand);
	else if (all)
		snprintf(r->warnings, sizeof(r->warnings),
			 "RESTORE restored %" PRIu64 " records of the other cluster's background "
			 "tasks, with which TiDB's first ADD INDEX here would leave an empty "
			 "index or wait forever; drtest deleted them (by hand, after each "
			 "RESTORE: %s)",
			 all, by_hand);
}

int tidb_cluster_restored(struct cluster *c, struct backup_result *r, struct err *e)
{
	struct sql *s = sql_open(&c->ep, deadline_in_ms(SQL_MS), e);

	if (!s)
		return -1;
	forget_foreign_tasks(s, r);
	sql_close(s);
	/* "Cluster TS" is the instant at which RESTORE began: the tables are not there yet. It is
	 * not written to meanwhile */
	return tidb_now(&c->ep, &c->restored_ts, e);
}

void tidb_cluster_plan(enum ability v, const struct ground_plan *p, struct strbuf *out)
{
	switch (v) {
	case ABLE_GC:
		strbuf_addf(out, "%s: SET GLOBAL tidb_gc_enable = %s", p->cluster,
			    p->on ? "TRUE" : "FALSE");
		return;
	case ABLE_BACKUP:
		strbuf_addf(out, "%s: BACKUP DATABASE * TO '%s' RATE_LIMIT = %u MB/SECOND%s%s",
			    p->cluster, p->uri, (unsigned)p->rate_mb,
			    *p->snapshot ? " SNAPSHOT = " : "", p->snapshot);
		return;
	case ABLE_RESTORE:
		strbuf_addf(out, "%s: RESTORE DATABASE * FROM '%s'", p->cluster, p->uri);
		return;
	case ABLE_CHANGEFEED:
		strbuf_addf(
			out,
			"%s: POST /api/v2/changefeeds (before 6.2: tiup cdc cli changefeed create --pd … --config …)%s",
			p->cluster,
			*p->uri ? ", consistent.level = eventual; then wait for its .meta object"
				: "");
		return;
	default: ground_plan_kill(p, out);
	}
}
