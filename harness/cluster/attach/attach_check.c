#include "harness/cluster/attach/attach_look.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "harness/redo/reader.h"
#include "harness/sql/rights.h"
#include "harness/tidb/pd.h"
#include "harness/tidb/stock_tools.h"
#include "harness/tidb/ticdc.h"
#include "harness/tidb/tidb.h"

void look_find(struct look *k, const char *way_out, const char *fmt, ...)
{
	char text[1200];
	size_t at = (size_t)snprintf(text, sizeof(text), "%s%s", k->a ? k->a->name : "",
				     k->a ? ": " : "");
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + at, sizeof(text) - at, fmt, ap);
	va_end(ap);
	k->fn(k->arg, text, way_out);
	k->n++;
}

void look_failed(struct look *k, const char *what, const struct err *e)
{
	k->gone = k->gone || e->kind == ERR_GONE;
	look_find(k, "check this server, and the privileges of the account",
		  "%s cannot be checked: %.400s", what, e->text);
}

void look_note(struct look *k, const char *what, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	if (!k->note)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k->note(k->arg, k->a ? k->a->name : "", what, text);
}

struct ticdc look_api(const struct attach_cluster *a)
{
	return (struct ticdc){ .api = a->ticdc, .tls = attach_http_tls(a) };
}

static void look_at_right(struct look *k, const char *privilege, const char *verb)
{
	struct err e = ERR_INIT;
	struct rights *r = rights_read(k->s, &e);
	char way_out[300];

	if (!r)
		look_failed(k, "whether its account has the privileges", &e);
	if (r && !rights_have(r, privilege, NULL)) {
		snprintf(way_out, sizeof(way_out), "GRANT %s ON *.* TO %s", privilege,
			 rights_account(r));
		look_find(k, way_out, "the user %s cannot %s: it lacks %s", k->a->sql.user, verb,
			  privilege);
	}
	rights_free(r);
}

static void look_at_contents(struct look *k)
{
	struct strbuf names = STRBUF_INIT;
	struct err e = ERR_INIT;
	unsigned n;

	if (tidb_databases(k->s, &names, &n, &e) < 0)
		look_failed(k, "whether it is empty", &e);
	else if (n)
		look_find(k, "use an empty cluster, and check the address",
			  "it is not empty (it has %s), but a backup would be restored into it",
			  names.buf);
	strbuf_release(&names);
}

void look_at_ticdc(struct look *k)
{
	struct ticdc api = look_api(k->a);
	struct err e = ERR_INIT;
	unsigned captures = 0;
	int v2 = ticdc_has_v2(&api, deadline_in_ms(LOOK_MS), &e);

	if (v2 == 0)
		look_find(
			k, "TiCDC of 6.2 or later",
			"TiCDC at %s has no open API v2, and no command to run `cdc cli` is known here",
			k->a->ticdc);
	else if (v2 < 0 || ticdc_captures(&api, deadline_in_ms(LOOK_MS), &captures, NULL, &e) < 0)
		look_find(k, "check ticdc in the clusters file, from this host",
			  "unexpected response from TiCDC: %s", e.text);
	else if (!captures)
		look_find(k, "start `cdc server`", "TiCDC at %s has no capture", k->a->ticdc);
	else
		look_note(k, "TiCDC", "%s, %u capture%s", k->a->ticdc, captures,
			  captures > 1 ? "s" : "");
}

/* TiCDC's own rule: a table with neither a primary key nor a unique one without NULLs is not
 * replicated, and its create is refused. */
void look_at_keys(struct look *k, bool must)
{
	struct strbuf names = STRBUF_INIT;
	struct err e = ERR_INIT;
	unsigned n;

	if (tidb_tables_without_key(k->s, &names, &n, &e) < 0)
		look_failed(k, "which tables have no key", &e);
	else if (n && must)
		look_find(k, "add a primary key to each",
			  "TiCDC refuses to create a changefeed: %u table%s neither a primary nor "
			  "a unique key: %s",
			  n, n > 1 ? "s have" : " has", names.buf);
	else if (n)
		look_note(
			k, "no key",
			"TiCDC does not replicate %u table%s without a key: their rows are lost with the cluster: %s",
			n, n > 1 ? "s" : "", names.buf);
	strbuf_reset(&names);
	if (tidb_vector_columns(k->s, &names, &n, &e) < 0)
		look_failed(k, "which tables have VECTOR columns", &e);
	else if (n && must)
		look_find(k, "exclude these tables from the changefeed",
			  "a replay cannot read VECTOR columns from TiCDC's redo log: %s",
			  names.buf);
	else if (n)
		look_note(k, "VECTOR", "no redo log can restore these: %s", names.buf);
	strbuf_release(&names);
}

void look_at_status(struct look *k)
{
	struct http_tls tls = attach_http_tls(k->a);
	struct http_answer a = HTTP_ANSWER_INIT;
	struct err e = ERR_INIT;
	char url[320];

	snprintf(url, sizeof(url), "%s/status", k->a->status);
	if (http_call("GET", url, NULL, &tls, deadline_in_ms(LOOK_MS), &a, &e) < 0)
		look_find(k, "check status in the clusters file (TiDB's port 10080), or remove it",
			  "its status port: %s", e.text);
	else if (a.status != 200 || !strstr(a.body.buf, "TiDB"))
		look_find(k, "check status in the clusters file (TiDB's port 10080), or remove it",
			  "%s is not TiDB's status port", url);
	http_answer_release(&a);
}

/* TiCDC deletes the log of a changefeed that is removed, not at once, and its mark stays: what is
 * left may be a part. */
static void look_for_mark(struct look *k, struct store *s, const char *field)
{
	struct store_list list = { 0 };

	if (store_list(s, "delete_", &list, NULL) == 0 && list.n)
		look_find(k, "use the log of a running changefeed, under its own prefix",
			  "%s: it has TiCDC's mark %.100s: the changefeed was removed, and TiCDC "
			  "deletes its log",
			  field, list.objects[0].key);
	store_list_release(&list);
}

void look_at_store(struct look *k, const char *uri, const char *field, bool log)
{
	struct err e = ERR_INIT;
	struct store *s = store_open(uri, &(struct store_opts){ .patience_ms = LOOK_MS }, &e);
	struct redo_meta m;
	bool there = true;
	int rc = !s ? -1 : log ? redo_read_meta(s, &m, &e) : store_bucket_exists(s, &there, &e);

	if (rc < 0 || !there)
		look_find(k,
			  log ? "set redo in the clusters file to the changefeed's "
				"consistent.storage"
			      : "set store in the clusters file to an existing bucket, and check "
				"its keys",
			  "%s: %s", field, rc < 0 ? e.text : "the bucket does not exist");
	else if (log)
		look_note(k, field,
			  "%s: checkpoint-ts %" PRIu64 ", resolved-ts %" PRIu64 ", %.1f s behind",
			  store_uri_redacted(s), m.checkpoint_ts, m.resolved_ts,
			  (double)(clock_wall_ms() - tso_ms(m.resolved_ts)) / 1000);
	else
		look_note(k, field, "%s", store_uri_redacted(s));
	if (s && log)
		look_for_mark(k, s, field);
	store_free(s);
}

static void look_at_identity(struct look *k)
{
	struct err e = ERR_INIT;
	size_t named = strlen(k->a->name) + 2; /* look_find() says it too */

	if (attach_is_the_one(k->a, &e) < 0 && strlen(e.text) > named)
		look_find(k, "the addresses, or cluster_id, in the clusters file", "%s",
			  e.text + (strncmp(e.text, k->a->name, named - 2) ? 0 : named));
}

/* Two sessions of one server: who holds a lock in one is seen by the other. TiDB, which would have
 * to write for that, has its cluster's own mark instead; false where the account may not read it.
 */
static bool is_one_server(struct sql *a, struct sql *b)
{
	static const char mark[] = "SELECT VARIABLE_VALUE FROM mysql.tidb WHERE VARIABLE_NAME = "
				   "'tikv_gc_leader_uuid'";
	bool tidb = sql_flavor(a) == SQL_TIDB, one = false;
	struct strbuf here = STRBUF_INIT, there = STRBUF_INIT;
	unsigned long long id = 0;
	uint64_t got = 0;

	if (tidb != (sql_flavor(b) == SQL_TIDB) || getrandom(&id, sizeof(id), 0) != sizeof(id))
		return false;
	if (tidb) {
		one = sql_value(a, &here, NULL, mark) == 0 &&
		      sql_value(b, &there, NULL, mark) == 0 && here.len &&
		      !strcmp(here.buf, there.buf);
	} else if (sql_value_u64(a, &got, NULL, "SELECT GET_LOCK('drtest-%016llx', 0)", id) == 0 &&
		   got == 1) {
		one = sql_value(b, &there, NULL, "SELECT IS_USED_LOCK('drtest-%016llx')", id) == 0;
		sql_value_u64(a, &got, NULL, "SELECT RELEASE_LOCK('drtest-%016llx')", id);
	}
	strbuf_release(&here);
	strbuf_release(&there);
	return one;
}

static void look_for_twins(struct look *k, const struct attach_file *f)
{
	struct sql *s[ATTACH_CLUSTERS_MAX] = { NULL };

	for (size_t i = 0; i < f->n; i++) {
		s[i] = sql_briefly(sql_open_reading(&f->c[i].sql, deadline_in_ms(LOOK_MS), NULL));
		k->a = &f->c[i];
		for (size_t o = 0; s[i] && o < i; o++)
			/* PD's ids have told already */
			if (s[o] && !(f->c[i].pd[0] && f->c[o].pd[0]) && is_one_server(s[o], s[i]))
				look_find(k, "use another address for one of them",
					  "it is the same server as %s: what is written to one is "
					  "written to both",
					  f->c[o].name);
	}
	for (size_t i = 0; i < f->n; i++)
		sql_close(s[i]);
}

/* Two names of one cluster, or another cluster than the one that is meant. */
void look_at_ids(struct look *k, const struct attach_file *f)
{
	uint64_t ids[ATTACH_CLUSTERS_MAX] = { 0 };

	for (size_t i = 0; i < f->n; i++) {
		struct http_tls tls = attach_http_tls(&f->c[i]);
		struct pd_members m;

		k->a = &f->c[i];
		look_at_identity(k);
		if (!f->c[i].pd[0] ||
		    pd_members(f->c[i].pd, &tls, deadline_in_ms(LOOK_MS), &m, NULL) < 0)
			continue;
		ids[i] = m.cluster_id;
		look_note(k, "cluster_id", "\"%" PRIu64 "\"%s", m.cluster_id,
			  f->c[i].cluster_id ? ""
					     : " (add it to the clusters file, so that drtest "
					       "refuses any other cluster at this address)");
		for (size_t o = 0; o < i; o++)
			if (ids[o] == ids[i])
				look_find(k, "use another address for one of them",
					  "it is the same cluster as %s: a changefeed would write "
					  "to its own source",
					  f->c[o].name);
	}
	look_for_twins(k, f);
	k->a = NULL;
}

/* Where the file gives TiCDC no account of its own, it logs in as drtest does: with that TLS. */
static void look_at_sink_tls(struct look *k, const struct attach_file *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct err e = ERR_INIT;
		bool fed = false;

		for (size_t o = 0; o < f->n; o++)
			fed = fed || (o != i && attach_needed_of(&f->c[o]) & 1u << ABLE_CHANGEFEED);
		k->a = &f->c[i];
		if (fed && !k->a->sink_user[0] && attach_needed_of(k->a) & 1u << ABLE_WRITE &&
		    stock_can_tls("TiCDC", &k->a->sql, &e) < 0)
			look_find(k, "sink = { user = …, password = …, tls = { ca = … } }", "%s",
				  e.text);
	}
	k->a = NULL;
}

int attach_check(finding_fn *fn, void *arg)
{
	const struct attach_file *f = attach_used();
	struct look k = { .fn = fn, .arg = arg };
	bool mysql = false;

	if (!f)
		return 0;
	for (size_t i = 0; i < f->n; i++)
		mysql = mysql || f->c[i].mysql;
	look_at_ids(&k, f);
	look_at_sink_tls(&k, f);
	if (attach_thing_needed(ATTACH_STORE))
		look_at_store(&k, f->store, "store", false);
	if (attach_thing_needed(ATTACH_REDO))
		look_at_store(&k, f->redo, "redo", true);
	for (size_t i = 0; i < f->n; i++) {
		unsigned does = attach_needed_of(&f->c[i]);

		if (!does || f->c[i].command[ATTACH_START][0])
			continue;
		k.a = &f->c[i];
		k.gone = false;
		k.s = sql_briefly(sql_open_reading(&f->c[i].sql, deadline_in_ms(LOOK_MS), NULL));
		if (!k.s) /* told already */
			continue;
		if (f->c[i].status[0])
			look_at_status(&k);
		if (does & 1u << ABLE_CHANGEFEED) {
			look_at_ticdc(&k);
			look_at_keys(&k, true);
		}
		if (does & 1u << ABLE_RESTORE)
			look_at_contents(&k);
		if (!mysql && does & 1u << ABLE_BACKUP)
			look_at_right(&k, "BACKUP_ADMIN", "BACKUP");
		if (!mysql && does & 1u << ABLE_RESTORE)
			look_at_right(&k, "RESTORE_ADMIN", "RESTORE");
		sql_close(k.s);
	}
	return k.n;
}
