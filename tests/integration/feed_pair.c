#include "tests/integration/feed_pair.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/base/xalloc.h"
#include "harness/feed/config.h"
#include "harness/os/fs.h"
#include "harness/sql/schema.h"
#include "harness/sql/tso_map.h"
#include "tests/integration/feed_load.h"

struct test_server *primary, *secondary;
struct sql *p, *s;
static struct tso_sampler *sampler;
char *dir, *map_path;
static unsigned serial; /* of feeds: each has its own id and log */

void must(int rc, const struct err *e)
{
	if (rc < 0)
		fail_msg("%s", e->text);
}

uint64_t number(struct sql *c, const char *query)
{
	struct err e = ERR_INIT;
	uint64_t n = 0;

	must(sql_value_u64(c, &n, &e, "%s", query), &e);
	return n;
}

uint64_t primary_seq(void)
{
	struct strbuf gtid = STRBUF_INIT;
	struct err e = ERR_INIT;
	uint64_t seq;

	must(sql_value(p, &gtid, &e, "SELECT @@GLOBAL.gtid_binlog_pos"), &e);
	must(gtid_parse_seq(gtid.buf, &seq, &e), &e);
	strbuf_release(&gtid);
	return seq;
}

/* The TSO of everything that is committed now. */
tso_t primary_ts(void)
{
	struct deadline d = deadline_in_ms(10000);
	struct err e = ERR_INIT;
	uint64_t seq = primary_seq();
	tso_t ts = 0;
	int rc;

	for (;;) {
		struct tso_map *m = tso_map_open(map_path, &e);
		assert_non_null(m);
		must(tso_map_refresh(m, &e), &e);
		rc = tso_map_of_seq(m, seq, &ts, &e);
		tso_map_free(m);
		if (rc)
			break;
		assert_int_equal(pause_ms(20, d), 0);
	}
	must(rc, &e);
	return ts;
}

char *redo_dir(void)
{
	return xstrfmt("%s/redo%u", dir, serial);
}

char *log_path(void)
{
	return xstrfmt("%s/feed%u.log", dir, serial);
}

struct feed_opts options(void)
{
	struct feed_opts o = { .source = *test_server_endpoint(primary),
			       .sink = *test_server_endpoint(secondary),
			       .flush_ms = 300,
			       .meta_ms = 100 };
	struct err e = ERR_INIT;
	char *redo;

	serial++;
	redo = redo_dir();
	must(fs_mkdir_p(redo, 0755, &e), &e);
	snprintf(o.id, sizeof(o.id), "test-%u", serial);
	snprintf(o.tso_map, sizeof(o.tso_map), "%s", map_path);
	snprintf(o.redo_uri, sizeof(o.redo_uri), "file://%s", redo);
	snprintf(o.status_path, sizeof(o.status_path), "%s/feed%u.json", dir, serial);
	snprintf(o.tmp_dir, sizeof(o.tmp_dir), "%s", dir);
	free(redo);
	return o;
}

static struct feed *running; /* the last one started, while it lives */

void kill_feed(struct feed *f)
{
	struct proc *victim = feed_proc(f);
	struct err e = ERR_INIT;
	int64_t at_ns;

	running = NULL;
	must(proc_kill_all(&victim, 1, &at_ns, &e), &e);
}

/* Both servers without the user's tables, and the position of that. What a failed test left at work
 * ends first. */
tso_t fresh(void)
{
	if (running) {
		struct feed *f = running;

		kill_feed(f);
		feed_free(f);
	}
	if (feed_load_running())
		feed_load_stop();
	SQL(p, "DROP DATABASE IF EXISTS d");
	SQL(s, "DROP DATABASE IF EXISTS d");
	SQL(p, "CREATE DATABASE d");
	SQL(s, "CREATE DATABASE d");
	return primary_ts();
}

struct feed *start(const struct feed_opts *o)
{
	struct err e = ERR_INIT;
	char *log = log_path();
	struct feed *f = feed_start(o, log, &e);

	free(log);
	if (!f)
		fail_msg("%s", e.text);
	running = f;
	return f;
}

/* False: nothing that the status tells has moved for STILL_MS. resolvedTs of an idle primary is no
 * sign of life of the rest. */
struct watch {
	struct deadline d;
	struct feed_status before;
};

static bool moves(struct watch *w, const struct feed_status *st)
{
	if (!w->d.at_ns || st->checkpoint_seq != w->before.checkpoint_seq ||
	    st->resolved_seq != w->before.resolved_seq || st->redo_bytes != w->before.redo_bytes ||
	    st->rows != w->before.rows)
		w->d = deadline_in_ms(STILL_MS);
	w->before = *st;
	return pause_ms(20, w->d) == 0;
}

struct feed_status caught_up(struct feed *f)
{
	struct watch w = { 0 };
	struct feed_status st;
	struct err e = ERR_INIT;
	uint64_t seq = primary_seq();

	for (;;) {
		must(feed_get_status(f, &st, &e), &e);
		if (st.checkpoint_seq >= seq)
			return st;
		if (!moves(&w, &st))
			fail_msg("the feed stands at %" PRIu64 " of %" PRIu64, st.checkpoint_seq,
				 seq);
	}
}

void has_read(struct feed *f, uint64_t transactions)
{
	struct watch w = { 0 };
	struct feed_status st;
	struct err e = ERR_INIT;

	for (;;) {
		must(feed_get_status(f, &st, &e), &e);
		if (st.transactions >= transactions)
			return;
		if (!moves(&w, &st))
			fail_msg("the feed has read %" PRIu64 " of %" PRIu64 " transactions",
				 st.transactions, transactions);
	}
}

bool resolved_goes_to(struct feed *f, tso_t ts)
{
	struct watch w = { 0 };
	struct feed_status st;
	struct err e = ERR_INIT;

	for (;;) {
		must(feed_get_status(f, &st, &e), &e);
		if (st.resolved_ts >= ts)
			return true;
		if (!moves(&w, &st))
			return false;
	}
}

void resolved_reaches(struct feed *f, tso_t ts)
{
	if (!resolved_goes_to(f, ts))
		fail_msg("resolvedTs does not reach %" PRIu64, ts);
}

void log_says(const char *text)
{
	struct deadline d = deadline_in_ms(STILL_MS);
	struct strbuf log = STRBUF_INIT;
	struct err e = ERR_INIT;
	char *path = log_path();

	do {
		strbuf_reset(&log);
		must(fs_read_file(path, 16 << 20, &log, &e), &e);
	} while (!strstr(log.buf, text) && pause_ms(20, d) == 0);
	if (!strstr(log.buf, text))
		fail_msg("%s does not say \"%s\"", path, text);
	strbuf_release(&log);
	free(path);
}

struct err feed_ends(struct feed *f)
{
	struct deadline d = deadline_in_ms(STILL_MS);
	struct feed_status st;
	struct err e = ERR_INIT;

	while (feed_get_status(f, &st, &e) == 0)
		if (pause_ms(20, d) < 0)
			fail_msg("the feed goes on, at %" PRIu64, st.checkpoint_seq);
	running = NULL;
	feed_free(f);
	return e;
}

struct feed_status stop_told(struct feed *f)
{
	struct feed_status st;
	struct err e = ERR_INIT;

	must(feed_stop(f, deadline_in_ms(STILL_MS), &e), &e);
	must(feed_get_status(f, &st, &e), &e);
	running = NULL;
	feed_free(f);
	return st;
}

void stop(struct feed *f)
{
	stop_told(f);
}

void table_equal(const char *db, const char *table)
{
	struct sql_rows a = { 0 }, b = { 0 };
	struct err e = ERR_INIT;
	uint64_t n = 0;
	int ra, rb;

	/* all columns order the rows: also where the key's order is the server's own matter */
	struct table_schema t;
	struct strbuf q = STRBUF_INIT;
	must(schema_load(p, db, table, &t, &e), &e);
	strbuf_addf(&q, "SELECT * FROM `%s`.`%s` ORDER BY 1", db, table);
	for (size_t i = 1; i < t.n_columns; i++)
		strbuf_addf(&q, ",%zu", i + 1);
	schema_release(&t);
	must(sql_query(p, &a, &e, "%s", q.buf), &e);
	must(sql_query(s, &b, &e, "%s", q.buf), &e);
	assert_int_equal(a.n_columns, b.n_columns);
	for (;; n++) {
		ra = sql_rows_next(&a, &e);
		rb = sql_rows_next(&b, &e);
		must(ra, &e);
		must(rb, &e);
		if (ra != rb)
			fail_msg("%s.%s: %s has more than %" PRIu64 " rows", db, table,
				 ra ? "the primary" : "the secondary", n);
		if (!ra)
			break;
		for (unsigned i = 0; i < a.n_columns; i++)
			if (!a.cell[i] != !b.cell[i] ||
			    (a.cell[i] &&
			     (a.len[i] != b.len[i] || memcmp(a.cell[i], b.cell[i], a.len[i]))))
				fail_msg(
					"%s.%s: row %" PRIu64
					", column %u: \"%s\" on the primary, \"%s\" on the secondary",
					db, table, n, i, a.cell[i] ? a.cell[i] : "NULL",
					b.cell[i] ? b.cell[i] : "NULL");
	}
	sql_rows_release(&a);
	sql_rows_release(&b);
	strbuf_release(&q);
}

void all_equal(void)
{
	struct table_name *a, *b;
	struct err e = ERR_INIT;
	size_t na, nb;

	must(schema_names(p, &a, &na, &e), &e);
	must(schema_names(s, &b, &nb, &e), &e);
	for (size_t i = 0; i < na; i++) {
		if (strcmp(a[i].db, "d") || a[i].kind != TABLE_BASE)
			continue;
		bool there = false;
		for (size_t k = 0; k < nb; k++)
			there = there ||
				(!strcmp(a[i].db, b[k].db) && !strcmp(a[i].table, b[k].table));
		if (!there)
			fail_msg("table %s.%s is missing on the secondary", a[i].db, a[i].table);
		table_equal(a[i].db, a[i].table);
	}
	for (size_t k = 0; k < nb; k++) {
		bool there = strcmp(b[k].db, "d") || b[k].kind != TABLE_BASE;
		for (size_t i = 0; i < na; i++)
			there = there ||
				(!strcmp(a[i].db, b[k].db) && !strcmp(a[i].table, b[k].table));
		if (!there)
			fail_msg("table %s.%s of the secondary is not on the primary", b[k].db,
				 b[k].table);
	}
	schema_tables_free(a, na);
	schema_tables_free(b, nb);
}

int feed_pair_setup(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	signal(SIGPIPE, SIG_IGN);
	dir = xstrfmt("/var/tmp/drtest-feed-%d", (int)getpid());
	map_path = xstrfmt("%s/tso.map", dir);
	must(fs_mkdir_p(dir, 0755, &e), &e);
	primary = test_server_start(1);
	secondary = test_server_start(2);
	p = test_server_connect(primary);
	s = test_server_connect(secondary);
	SQL(p, "SET GLOBAL innodb_flush_log_at_trx_commit=2, GLOBAL sync_binlog=0");
	sampler = tso_sampler_start(test_server_endpoint(primary), map_path, 50, &e);
	if (!sampler)
		fail_msg("%s", e.text);
	return 0;
}

int feed_pair_teardown(void **unused)
{
	(void)unused;
	tso_sampler_stop(sampler);
	sql_close(p);
	sql_close(s);
	test_server_free(primary);
	test_server_free(secondary);
	if (!getenv("DRTEST_KEEP"))
		fs_remove_tree(dir, NULL);
	free(dir);
	free(map_path);
	return 0;
}

static int be_the_feed(void)
{
	struct feed_opts o;
	struct err e = ERR_INIT;
	char text[FEED_CONFIG_BYTES_MAX];
	size_t n = fread(text, 1, sizeof(text), stdin);

	if (feed_opts_from_text(&o, text, n, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 2;
	}
	return feed_main(&o);
}

bool feed_pair_main(int argc, char **argv, int *code)
{
	if (argc > 1 && !strcmp(argv[1], "feed")) {
		*code = be_the_feed();
		return true;
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return false;
}
