/* `drtest doctor --clusters`: everything that a run would need of each cluster of the file, asked
 * of each endpoint. The clusters are only read; the store gets a probe object where runs may write
 * to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach_look.h"
#include "harness/cluster/grants.h"
#include "harness/net/store.h"
#include "harness/sql/rights.h"
#include "harness/sql/schema.h"
#include "harness/tidb/pd.h"
#include "harness/tidb/tidb.h"

#define FEEDS_MAX 16
#define DBS_MAX 256
#define PROBE_BYTES 32
/* from then on the figures of a drill are off by more than they are worth */
#define CLOCK_MS_MAX 2000
#define CLOCK_LOOKS 3

/* ---- changefeeds */

static void look_at_feed(struct look *k, const struct attach_file *f, const struct ticdc_feed *feed,
			 const char *id)
{
	size_t n = strlen(feed->storage);
	char how[80] = "";

	if (feed->flush_ms || feed->meta_ms)
		snprintf(how, sizeof(how), ", flush interval %u ms, meta %u ms", feed->flush_ms,
			 feed->meta_ms);
	look_note(k, "changefeed", "%s is %s, %.1f s behind, consistent.level = \"%s\"%s%s%s%s%s",
		  id, feed->state, (double)(clock_wall_ms() - tso_ms(feed->checkpoint_ts)) / 1000,
		  feed->level[0] ? feed->level : "none", n ? ", redo log in " : "", feed->storage,
		  how, feed->error[0] ? ": " : "", feed->error);
	if (strcmp(feed->level, "eventual") != 0)
		look_find(
			k,
			"level = \"eventual\" and a storage in [consistent]: cdc cli changefeed update --config",
			"changefeed %s writes no redo log (consistent.level = \"%s\"%s): after a disaster nothing can make the "
			"secondary consistent",
			id, feed->level[0] ? feed->level : "none",
			!strcmp(feed->level, "strong") ? ", which TiCDC takes without a word" : "");
	else if (!strcmp(f->changefeed, id) && f->redo[0] && n &&
		 (strncmp(f->redo, feed->storage, n) != 0 || !strchr("?/", f->redo[n])))
		look_find(k, "check redo, or changefeed, in the clusters file",
			  "changefeed %s writes its redo log to %s, but redo in the file is "
			  "different",
			  id, feed->storage);
}

static void look_at_feeds(struct look *k, const struct attach_file *f)
{
	struct ticdc api = look_api(k->a);
	char ids[FEEDS_MAX][128];
	unsigned n = 0;
	bool there = !f->changefeed[0] || strcmp(k->a->name, "primary") != 0;

	struct err why = ERR_INIT;

	if (ticdc_list(&api, deadline_in_ms(LOOK_MS), ids, FEEDS_MAX, &n, &why) < 0) {
		look_failed(k, "the list of its changefeeds", &why);
		return;
	}
	for (unsigned i = 0; i < n && i < FEEDS_MAX; i++) {
		struct ticdc_feed feed;
		struct err e = ERR_INIT;

		there = there || !strcmp(ids[i], f->changefeed);
		if (ticdc_find(&api, ids[i], deadline_in_ms(LOOK_MS), &feed, &e) < 0)
			look_find(k, "cdc cli changefeed query", "changefeed %s: %s", ids[i],
				  e.text);
		else
			look_at_feed(k, f, &feed, ids[i]);
	}
	if (n > FEEDS_MAX)
		look_note(k, "changefeed", "and %u more", n - FEEDS_MAX);
	if (!there && n <= FEEDS_MAX)
		look_find(k, "check changefeed in the clusters file; see cdc cli changefeed list",
			  "TiCDC has no changefeed %s", f->changefeed);
}

/* ---- rights */

struct account {
	struct rights *r;
	char *dbs[DBS_MAX];
	size_t n;
};

/* on all, or on each database that there is */
static bool has_right(const struct account *a, const char *right)
{
	size_t i = 0;

	if (rights_have(a->r, right, NULL))
		return true;
	while (i < a->n && rights_have(a->r, right, a->dbs[i]))
		i++;
	return a->n && i == a->n;
}

/* Of the rights that `drtest doctor --grants` gives: some belong to what the file does not allow,
 * some are a convenience. */
static bool is_needed(const struct attach_cluster *a, const char *right)
{
	static const struct {
		const char *right;
		enum ability of;
	} only[] = { { "BACKUP_ADMIN", ABLE_BACKUP },
		     { "RESTORE_ADMIN", ABLE_RESTORE },
		     { "SYSTEM_VARIABLES_ADMIN", ABLE_GC } };
	static const char *const spare[] = { "SET USER", "SET_USER_ID", "RELOAD", "TRIGGER" };

	for (size_t i = 0; i < sizeof(only) / sizeof(only[0]); i++)
		if (!strcmp(only[i].right, right))
			return a->expendable || a->allow & 1u << only[i].of;
	for (size_t i = 0; i < sizeof(spare) / sizeof(spare[0]); i++)
		if (!strcmp(spare[i], right))
			return false;
	return true;
}

static enum grants_account choose_account(const struct attach_cluster *a)
{
	bool writes = a->expendable || a->allow & (1u << ABLE_WRITE | 1u << ABLE_RESTORE),
	     reads = a->expendable || a->allow & (1u << ABLE_BACKUP | 1u << ABLE_GC);

	return writes && reads ? GRANTS_DRILL
	       : writes        ? GRANTS_SCRATCH
	       : reads         ? GRANTS_PRIMARY
			       : GRANTS_COMPARE;
}

static void list_databases(struct sql *s, struct account *a)
{
	struct sql_rows r = { 0 };

	if (sql_query(
		    s, &r, NULL,
		    "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE LOWER(SCHEMA_NAME) NOT IN " SYSTEM_SCHEMAS_SQL) ==
	    0)
		while (sql_rows_next(&r, NULL) == 1 && a->n < DBS_MAX)
			if (r.cell[0])
				a->dbs[a->n++] = xstrdup(r.cell[0]);
	sql_rows_release(&r);
}

/* what: "rights", "sink" */
static void look_at_rights(struct look *k, struct sql *s, enum grants_account which,
			   const char *what)
{
	struct strbuf list = STRBUF_INIT, lacks = STRBUF_INIT, way_out = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct account a = { .r = rights_read(s, &e) };

	if (!a.r) {
		look_failed(k,
			    strcmp(what, "sink") ? "the privileges of its account"
						 : "the privileges of TiCDC's account",
			    &e);
		return;
	}
	list_databases(s, &a);
	grants_list(which, sql_flavor(s), &list);
	for (char *p = list.buf, *word; (word = strsep(&p, ","));) {
		word += strspn(word, " ");
		if (is_needed(k->a, word) && !has_right(&a, word))
			strbuf_addf(&lacks, "%s%s", lacks.len ? ", " : "", word);
	}
	strbuf_addf(&way_out, "GRANT %s ON *.* TO %s", lacks.buf, rights_account(a.r));
	if (lacks.len)
		look_find(k, way_out.buf, "%s lacks %s, for what the file allows",
			  rights_account(a.r), lacks.buf);
	else
		look_note(k, what, "%s has all privileges for what the file allows",
			  rights_account(a.r));
	for (size_t i = 0; i < a.n; i++)
		free(a.dbs[i]);
	rights_free(a.r);
	strbuf_release(&list);
	strbuf_release(&lacks);
	strbuf_release(&way_out);
}

/* A changefeed of another cluster of the file may be made into this one. */
static bool may_be_fed(const struct attach_file *f, const struct attach_cluster *a)
{
	if (!a->expendable && !(a->allow & 1u << ABLE_WRITE))
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (&f->c[i] != a && f->c[i].ticdc[0] &&
		    (f->c[i].expendable || f->c[i].allow & 1u << ABLE_CHANGEFEED))
			return true;
	return false;
}

/* TiCDC's account: it logs in from TiCDC's machines, here it is tried from this one. */
static void look_at_sink(struct look *k, const struct attach_file *f)
{
	struct sql_endpoint ep = k->a->sql;
	struct err e = ERR_INIT;
	struct rights *r;
	struct sql *s;

	if (!k->a->sink_user[0] && !may_be_fed(f, k->a))
		return;
	if (!k->a->sink_user[0]) {
		r = rights_read(k->s, NULL);
		if (r && !rights_have(r, "CREATE USER", NULL))
			look_find(
				k,
				"sink = { user = …, password = … }: drtest doctor --grants --role drill; or CREATE USER and GRANT OPTION",
				"TiCDC has no account to write to it (sink), and %s cannot "
				"create one",
				rights_account(r));
		rights_free(r);
		return;
	}
	strcpy(ep.user, k->a->sink_user);
	strcpy(ep.password, k->a->sink_password);
	s = sql_briefly(sql_open_reading(&ep, deadline_in_ms(LOOK_MS), &e));
	if (s)
		look_at_rights(k, s, GRANTS_SINK, "sink");
	else
		look_find(k, "check user and password of sink in the clusters file",
			  "TiCDC's account cannot log in from this machine: %s", e.text);
	sql_close(s);
	memset(ep.password, 0, sizeof(ep.password));
}

/* ---- TLS, clocks, versions */

static void look_at_tls(struct look *k)
{
	const char *cipher = mysql_get_ssl_cipher(sql_handle(k->s));
	const char *urls[] = { k->a->pd, k->a->ticdc, k->a->status };
	unsigned with = 0, of = 0;

	for (unsigned i = 0; i < 3; i++) {
		of += urls[i][0] != 0;
		with += !strncmp(urls[i], "https://", 8);
	}
	look_note(k, "TLS", "SQL: %s%s%s", cipher ? "verified, " : "plain text",
		  cipher ? cipher : "",
		  !of          ? ""
		  : with == of ? "; PD, TiCDC, status: verified"
		  : with       ? "; PD, TiCDC, status: some verified, some without TLS"
			       : "; PD, TiCDC, status: no TLS");
}

static void tell_clock(struct look *k, const char *whose, int64_t ahead_ms, int64_t within_ms)
{
	int64_t off = ahead_ms < 0 ? -ahead_ms : ahead_ms;
	char text[160];

	snprintf(text, sizeof(text), "%s is %.3f s %s this machine's (known to %.3f s)", whose,
		 (double)off / 1000, ahead_ms < 0 ? "behind" : "ahead of",
		 (double)within_ms / 1000);
	if (off - within_ms > CLOCK_MS_MAX)
		look_find(k, "use one source of time for all machines (chrony, NTP)",
			  "%s: RPO and lag would be wrong by this much", text);
	else
		look_note(k, "clock", "%s", text);
}

static int64_t read_server_ms(struct sql *s, struct err *e)
{
	struct strbuf v = STRBUF_INIT;
	int64_t ms = 0;

	if (sql_value(s, &v, e, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS UNSIGNED)") == 0)
		ms = strtoll(v.buf, NULL, 10);
	strbuf_release(&v);
	return ms;
}

struct clock_look {
	int64_t ahead_ms, within_ms;
	bool told;
};

/* Of three looks the nearest: what is told was so between asking and hearing, and a machine that is
 * busy may tell late. */
static void take_clock(struct clock_look *best, int64_t there_ms, int64_t from, int64_t whole_ms)
{
	int64_t to = clock_wall_ms(), ahead = there_ms + whole_ms / 2 - (from + to) / 2;

	if (!best->told || llabs(ahead) < llabs(best->ahead_ms))
		*best = (struct clock_look){ ahead, (to - from) / 2 + whole_ms / 2, true };
}

static bool is_near(const struct clock_look *c)
{
	return c->told && llabs(c->ahead_ms) - c->within_ms <= CLOCK_MS_MAX;
}

static void look_at_clocks(struct look *k)
{
	struct clock_look sql = { 0 }, http = { 0 };
	struct http_tls tls = attach_http_tls(k->a);
	struct err e = { .text = "it tells no time" };
	char url[320];

	snprintf(url, sizeof(url), "%s/status", k->a->ticdc);
	for (unsigned i = 0; i < CLOCK_LOOKS && !is_near(&sql) && e.kind == ERR_NONE; i++) {
		int64_t from = clock_wall_ms(), there = 0;
		tso_t now;

		if (k->a->mysql)
			there = read_server_ms(k->s, &e);
		else if (tidb_now(&k->a->sql, &now, &e) == 0)
			there = (int64_t)tso_ms(now);
		if (there)
			take_clock(&sql, there, from, 0);
	}
	for (unsigned i = 0; i < CLOCK_LOOKS && k->a->ticdc[0] && !is_near(&http); i++) {
		struct http_answer a = HTTP_ANSWER_INIT;
		int64_t from = clock_wall_ms();

		if (http_call("GET", url, NULL, &tls, deadline_in_ms(LOOK_MS), &a, NULL) == 0 &&
		    a.date_s) /* whole seconds, cut */
			take_clock(&http, a.date_s * 1000, from, 1000);
		http_answer_release(&a);
	}
	if (sql.told)
		tell_clock(k, k->a->mysql ? "the server's clock" : "PD's TSO", sql.ahead_ms,
			   sql.within_ms);
	else
		look_failed(k, "its clock", &e);
	if (http.told)
		tell_clock(k, "TiCDC's clock", http.ahead_ms, http.within_ms);
}

static void look_at_zones(struct look *k)
{
	struct strbuf v = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = sql_value(k->s, &v, &e,
			   "SELECT CONVERT_TZ('2026-01-01 00:00:00', 'Europe/Paris', '+00:00')");

	if (rc < 0)
		look_failed(k, "which time zones it knows", &e);
	else if (!v.len)
		look_note(k, "time zone",
			  "it does not know time zones by name: if TiCDC uses one, its sink fails "
			  "(load them with mysql_tzinfo_to_sql)");
	strbuf_release(&v);
}

/* ---- PD and garbage collection */

static void tell_safe_point(void *arg, const char *service, tso_t at, int64_t left_s)
{
	struct look *k = arg;

	if (!strcmp(service, "gc_worker"))
		return;
	look_note(k, "safe point",
		  "%s holds back garbage collection to %.1f min ago, for another %.1f min%s",
		  service, (double)(clock_wall_ms() - tso_ms(at)) / 60000, (double)left_s / 60,
		  strstr(service, "-creating-") ? ": left by a refused changefeed" : "");
}

static void look_at_pd(struct look *k)
{
	struct http_tls tls = attach_http_tls(k->a);
	struct pd_members m;
	struct pd_stores s;
	struct err e = ERR_INIT;

	if (pd_members(k->a->pd, &tls, deadline_in_ms(LOOK_MS), &m, NULL) < 0)
		return; /* told already */
	if (pd_look_at_stores(k->a->pd, &tls, deadline_in_ms(LOOK_MS), &s, &e) < 0)
		look_note(k, "PD", "%s, %u members; %s", m.version, m.n, e.text);
	else
		look_note(k, "PD", "%s, %u member%s, %u of %u store%s up", m.version, m.n,
			  m.n == 1 ? "" : "s", s.up, s.n, s.n == 1 ? "" : "s");
	if (!e.text[0] && s.up < s.n)
		look_find(k, "repair it, or remove it from the cluster, before a drill",
			  "a store is not up: %s", s.down);
	pd_safe_points(k->a->pd, &tls, deadline_in_ms(LOOK_MS), tell_safe_point, k, NULL);
}

static void look_at_gc(struct look *k)
{
	struct strbuf life = STRBUF_INIT, on = STRBUF_INIT;
	bool may = k->a->expendable || k->a->allow & 1u << ABLE_GC;
	struct err e = ERR_INIT;

	if (sql_value(k->s, &life, &e, "SELECT @@global.tidb_gc_life_time") != 0 ||
	    sql_value(k->s, &on, &e, "SELECT @@global.tidb_gc_enable") != 0)
		look_failed(k, "its GC life time", &e);
	else
		look_note(k, "GC",
			  "tidb_gc_life_time = %s, tidb_gc_enable = %s: a rehearsal reads the "
			  "primary at its backup's TSO, %s",
			  life.buf, on.buf,
			  may ? "and holds GC during that time"
			      : "within that time: allow = { \"gc\" } lets it hold GC");
	strbuf_release(&life);
	strbuf_release(&on);
}

/* ---- the store */

static bool may_write_store(const struct attach_file *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->c[i].expendable ||
		    f->c[i].allow &
			    (1u << ABLE_BACKUP | 1u << ABLE_CHANGEFEED | 1u << ABLE_RESTORE))
			return true;
	return false;
}

/* 1: it is listed */
static int list_has(struct store *s, const char *key, struct err *e)
{
	struct store_list l = { 0 };
	int found = 0;

	if (store_list(s, key, &l, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++)
		found |= !strcmp(l.objects[i].key, key);
	store_list_release(&l);
	return found;
}

static int read_back(struct store *s, const char *key, const unsigned char *bytes,
		     const char **step, struct err *e)
{
	struct strbuf back = STRBUF_INIT;
	int rc;

	*step = "list";
	rc = list_has(s, key, e);
	if (rc == 0)
		return err_set(e, ERR_ENV, 0, "an object that was just written is missing");
	if (rc < 0)
		return -1;
	*step = "get";
	rc = store_get(s, key, PROBE_BYTES, &back, e);
	if (rc == 0 && (back.len != PROBE_BYTES || memcmp(back.buf, bytes, PROBE_BYTES) != 0))
		rc = err_set(e, ERR_BAD_DATA, 0, "it returned other bytes than were written");
	strbuf_release(&back);
	return rc;
}

/* *step: which failed */
static int probe(struct store *s, const char *key, const char **step, struct err *e)
{
	unsigned char bytes[PROBE_BYTES];
	struct err later = ERR_INIT;
	int rc;

	*step = "put";
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return err_sys(e, "draw a probe");
	if (store_put(s, key, bytes, sizeof(bytes), e) < 0)
		return -1;
	rc = read_back(s, key, bytes, step, e);
	if (rc == 0) {
		*step = "delete";
		rc = store_delete(s, key, e);
		if (rc == 0 && list_has(s, key, NULL) == 1)
			rc = err_set(e, ERR_ENV, 0, "a deleted object is still there");
	} else if (store_delete(s, key, &later) < 0) {
		err_wrap(e, "(and %s remains there: %.200s)", key, later.text);
	}
	return rc;
}

static void probe_store(struct look *k, const struct attach_file *f)
{
	struct err e = ERR_INIT;
	const char *step = "open";
	unsigned long long id = 0;
	char key[64];
	struct store *s;

	if (!may_write_store(f)) {
		look_note(k, "store",
			  "not written to: no cluster allows backup, restore or changefeed, so no "
			  "run writes to it");
		return;
	}
	s = store_open(f->store, &(struct store_opts){ .patience_ms = LOOK_MS }, &e);
	if (!s || getrandom(&id, sizeof(id), 0) != sizeof(id))
		return;
	snprintf(key, sizeof(key), "drtest-doctor-%016llx", id);
	if (probe(s, key, &step, &e) == 0)
		look_note(k, "store", "a probe object was put, listed, read and deleted");
	else if (!strcmp(step, "delete"))
		look_find(k,
			  "grant s3:DeleteObject to its key, without which no run can clean up; "
			  "and remove the probe object",
			  "store: a probe object can be written but not deleted, and %s remains "
			  "there: %s",
			  key, e.text);
	else
		look_find(k,
			  "grant s3:PutObject, s3:GetObject, s3:ListBucket, s3:DeleteObject under "
			  "that prefix to its key",
			  "store: %s of a probe object: %s", step, e.text);
	store_free(s);
}

/* ---- all of it */

static void look_at_cluster(struct look *k, const struct attach_file *f)
{
	const struct attach_cluster *a = k->a;

	look_note(k, "SQL", "%s:%u, %s", a->sql.host, a->sql.port, sql_server_version(k->s));
	look_at_tls(k);
	look_at_rights(k, k->s, choose_account(a), "rights");
	if (k->gone) /* the rest would say the same */
		return;
	look_at_sink(k, f);
	look_at_clocks(k);
	if (a->status[0])
		look_at_status(k);
	if (a->mysql) {
		look_at_zones(k);
		return;
	}
	look_at_keys(k, false);
	look_at_gc(k);
	if (a->pd[0])
		look_at_pd(k);
	if (a->ticdc[0]) {
		look_at_ticdc(k);
		look_at_feeds(k, f);
	}
}

int attach_doctor(ground_say_fn *say, finding_fn *fn, void *arg)
{
	const struct attach_file *f = attach_used();
	struct look k = { .fn = fn, .arg = arg, .note = say };

	if (!f)
		return 0;
	if (f->loose[0])
		look_note(&k, "secrets", "%s", f->loose);
	look_at_ids(&k, f);
	if (f->store[0]) {
		int before = k.n;

		look_at_store(&k, f->store, "store", false);
		if (k.n == before)
			probe_store(&k, f);
	}
	if (f->redo[0])
		look_at_store(&k, f->redo, "redo", true);
	for (size_t i = 0; i < f->n; i++) {
		struct err e = ERR_INIT;

		k.a = &f->c[i];
		k.gone = false;
		k.s = sql_briefly(sql_open_reading(&f->c[i].sql, deadline_in_ms(LOOK_MS), &e));
		if (!k.s && f->c[i].command[ATTACH_START][0])
			look_note(&k, "SQL", "not running; the file has a command to start it");
		else if (!k.s && !attach_unreachable(k.a))
			look_find(&k, "check this server", "a second session: %s", e.text);
		if (!k.s)
			continue;
		look_at_cluster(&k, f);
		sql_close(k.s);
	}
	return k.n;
}
