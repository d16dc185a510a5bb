/* What real TiDB, PD, br and TiCDC answered (tests/fixtures/real-tidb), read by drtest's own
 * parsers. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/foreign_json.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/tidb/pd.h"
#include "harness/tidb/playground_text.h"
#include "harness/tidb/ticdc.h"
#include "harness/tidb/tidb.h"

#define FOLDER "tests/fixtures/real-tidb/"

/* The answer of a *.http: what follows the line with the status. */
struct answer {
	struct http_answer a;
	char *file;
};

static struct answer recorded(const char *name)
{
	struct answer r = { .a = HTTP_ANSWER_INIT };
	struct err e = ERR_INIT;
	char *path = xstrfmt(FOLDER "%s", name), *at, *body, *end;
	struct strbuf text = STRBUF_INIT;

	if (fs_read_file(path, (size_t)1 << 20, &text, &e) < 0)
		fail_msg("%s", e.text);
	at = strstr(text.buf, "\n< ");
	assert_non_null(at);
	r.a.status = strtol(at + 3, NULL, 10);
	body = strchr(at + 1, '\n') + 1;
	end = strstr(body, "\n\n#"); /* a remark of who recorded it */
	strbuf_add(&r.a.body, body, end ? (size_t)(end - body) : strlen(body));
	strbuf_release(&text);
	r.file = path;
	return r;
}

static void forget(struct answer *r)
{
	http_answer_release(&r->a);
	free(r->file);
}

static void ids_of_64_bits_are_kept(void **unused)
{
	static const char text[] =
		"{\"a\": 18446744073709551615, \"b\": -9223372036854775808, \"c\": 9223372036854775807,"
		" \"d\": 9223372036854775808, \"s\": \"say 99999999999999999999 \\\" and 18446744073709551615\", \"r\": 1.5e3, \"x\": 1e999,"
		" \"l\": [10865545825190769485],"
		" \"huge\": 123456789012345678901234567890, \"t\": \"431434047157698561\","
		" \"n\": -9223372036854775809, \"nul\": \"\\u0000\"}";
	struct err e = ERR_INIT;
	json_t *j = foreign_json(text, sizeof(text) - 1, &e);
	uint64_t v = 0;

	(void)unused;
	assert_non_null(j);
	assert_true(foreign_json_u64(json_object_get(j, "a"), &v) && v == UINT64_MAX);
	assert_true(json_integer_value(json_object_get(j, "b")) == INT64_MIN);
	assert_true(foreign_json_u64(json_object_get(j, "c"), &v) && v == INT64_MAX);
	assert_true(foreign_json_u64(json_object_get(j, "d"), &v) && v == (uint64_t)INT64_MAX + 1);
	assert_true(foreign_json_u64(json_array_get(json_object_get(j, "l"), 0), &v) &&
		    v == 10865545825190769485u);
	assert_true(foreign_json_u64(json_object_get(j, "t"), &v) && v == 431434047157698561u);
	v = 7;
	assert_false(foreign_json_u64(json_object_get(j, "b"), &v));
	assert_false(foreign_json_u64(json_object_get(j, "huge"), &v));
	assert_false(foreign_json_u64(json_object_get(j, "n"), &v));
	assert_false(foreign_json_u64(json_object_get(j, "r"), &v));
	assert_false(foreign_json_u64(json_object_get(j, "s"), &v));
	assert_false(foreign_json_u64(NULL, &v));
	assert_true(v == 7);
	assert_string_equal(json_string_value(json_object_get(j, "s")),
			    "say 99999999999999999999 \" and 18446744073709551615");
	assert_true(json_real_value(json_object_get(j, "r")) == 1500.0);
	json_decref(j);
	assert_null(foreign_json("{\"a\": 12", 8, &e));
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_null(foreign_json("", 0, &e));
}

static void pd_is_read_whatever_its_ids(void **unused)
{
	static const char *const members[] = { "pd/members.id-above-2p63.http",
					       "pd/members.id-below-2p63.http" };
	struct pd_members m;
	struct pd_stores s;
	struct err e = ERR_INIT;
	struct answer r;

	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		r = recorded(members[i]);
		if (pd_members_parse(&m, r.a.body.buf, r.a.body.len, &e) < 0)
			fail_msg("%s: %s", members[i], e.text);
		assert_true(m.cluster_id > 0 && m.n == 1);
		assert_string_equal(m.version, "v8.5.3");
		assert_memory_equal(m.client_url, "http://127.0.0.1:", 17);
		forget(&r);
	}
	r = recorded("pd/health.ready.http");
	if (pd_health_parse(r.a.body.buf, r.a.body.len, &e) < 0)
		fail_msg("%s", e.text);
	forget(&r);
	r = recorded("pd/stores.ready.http");
	assert_int_equal(pd_stores_parse(&s, r.a.body.buf, r.a.body.len, &e), 0);
	assert_true(s.n == 1 && s.up == 1 && !s.down[0]);
	forget(&r);
	r = recorded("pd/tikv-dead.stores.http");
	assert_int_equal(pd_stores_parse(&s, r.a.body.buf, r.a.body.len, &e), 0);
	assert_true(s.n == 1 && s.up == 0);
	assert_non_null(strstr(s.down, "Disconnected"));
	forget(&r);
	r = recorded("pd/tikv-dead.health.http"); /* PD itself is well */
	assert_int_equal(pd_health_parse(r.a.body.buf, r.a.body.len, &e), 0);
	forget(&r);
}

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), k = strlen(with);

	return n >= k && !strcmp(s + n - k, with);
}

/* Each recorded create, of both architectures: what answered 200 is read with state and checkpoint;
 * what did not gives one line with TiCDC's words, and no line has the password, which the new
 * architecture quotes. */
static void every_create_is_understood(void **unused)
{
	static const char *const folders[] = { "ticdc", "ticdc-newarch" };
	unsigned made = 0, refused = 0;

	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		char *path = xstrfmt(FOLDER "%s", folders[i]);
		DIR *dir = opendir(path);
		struct dirent *d;

		assert_non_null(dir);
		while ((d = readdir(dir))) {
			char *name = xstrfmt("%s/%s", folders[i], d->d_name);
			struct err e = ERR_INIT;
			struct ticdc_feed f;
			struct answer r;

			if (strncmp(d->d_name, "create.", 7) != 0 || !ends(d->d_name, ".http")) {
				free(name);
				continue;
			}
			r = recorded(name);
			if (r.a.status == 200) {
				if (ticdc_feed_parse(&f, r.a.body.buf, r.a.body.len, &e) < 0)
					fail_msg("%s: %s", name, e.text);
				assert_string_equal(f.state, "normal");
				assert_true(f.checkpoint_ts > (uint64_t)400000000000000000 &&
					    f.resolved_is_checkpoint == (i == 1));
				made++;
			} else {
				ticdc_refused(&r.a, "create", &e);
				assert_non_null(strstr(e.text, "create: TiCDC says: "));
				assert_null(strpbrk(e.text, "\n\t\r"));
				if (strstr(e.text, "secret@") || strstr(e.text, "wrong@") ||
				    strstr(e.text, "=minioadmin"))
					fail_msg("%s: a secret is quoted: %s", name, e.text);
				refused++;
			}
			forget(&r);
			free(name);
		}
		closedir(dir);
		free(path);
	}
	assert_true(made >= 8 && refused >= 30);
}

/* The way out goes by the innermost code: the outer one of the new architecture says only whose URI
 * it was. */
static void the_way_out_fits_the_trouble(void **unused)
{
	static const struct {
		const char *file, *way_out;
	} known[] = {
		{ "create.sink_unreachable.http", "TiCDC cannot reach the sink" },
		{ "create.sink_unknown_host.http", "TiCDC cannot reach the sink" },
		{ "create.sink_wrong_password.http", "the sink refuses TiCDC's user" },
		{ "create.sink_none.http", "mysql://user:password@host:port/" },
		{ "create.storage_no_bucket.http", "the bucket does not exist" },
		{ "create.storage_wrong_key.http", "the store refuses TiCDC's keys" },
		{ "create.storage_wrong_secret.http", "the store refuses TiCDC's keys" },
		{ "create.storage_unreachable.http", "TiCDC cannot reach the store" },
		{ "create.start_before_gc.http", "garbage collection has passed start-ts" },
		{ "create.table_without_key.http", "each table needs a primary or unique key" },
		{ "create.existing_id.http", "use another ID" },
	};
	static const char *const folders[] = { "ticdc", "ticdc-newarch" };
	struct err e = ERR_INIT;
	struct answer r;

	(void)unused;
	for (unsigned i = 0; i < 2; i++)
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
			char *name = xstrfmt("%s/%s", folders[i], known[k].file);

			r = recorded(name);
			ticdc_refused(&r.a, "create", &e);
			if (!strstr(e.text, known[k].way_out))
				fail_msg("%s: %s", name, e.text);
			forget(&r);
			free(name);
		}
	r = recorded("ticdc-newarch/create.time_zone_refused.http");
	ticdc_refused(&r.a, "create", &e);
	assert_non_null(strstr(e.text, "fix: the sink's time zone must be TiCDC's own"));
	forget(&r);
	r = recorded("ticdc/changefeed_unknown.http");
	ticdc_refused(&r.a, "query", &e);
	assert_int_equal(e.kind, ERR_NOT_FOUND); /* for half a second after its create */
	forget(&r);
	r = recorded("ticdc/create.filter_rule.http"); /* error_code is "" */
	ticdc_refused(&r.a, "create", &e);
	assert_string_equal(
		e.text,
		"create: TiCDC says: at <cmdline>:1: syntax error: failed to parse character class");
	forget(&r);
}

static void a_changefeed_that_tries_again_tells_no_resolved_ts(void **unused)
{
	struct ticdc_feed f;
	struct err e = ERR_INIT;
	struct answer r = recorded("ticdc/sink-table-missing.get_status.http");

	(void)unused;
	assert_int_equal(ticdc_feed_parse(&f, r.a.body.buf, r.a.body.len, &e), 0);
	assert_string_equal(f.state, "pending");
	assert_true(f.resolved_ts == 0 && f.checkpoint_ts == 470764035849846789u);
	assert_non_null(strstr(f.error, "CDC:ErrMySQLTxnError"));
	forget(&r);
	r = recorded("ticdc-newarch/normal.get.http"); /* with a gid above 2^63 */
	assert_int_equal(ticdc_feed_parse(&f, r.a.body.buf, r.a.body.len, &e), 0);
	assert_true(f.resolved_is_checkpoint);
	assert_string_equal(f.level, "eventual");
	forget(&r);
	r = recorded("ticdc/sink-dead.get.http"); /* nothing moves, and not a word of it */
	assert_int_equal(ticdc_feed_parse(&f, r.a.body.buf, r.a.body.len, &e), 0);
	assert_string_equal(f.state, "normal");
	assert_string_equal(f.error, "");
	forget(&r);
}

static void the_stores_refusals_of_a_backup_have_a_way_out(void **unused)
{
	static const struct {
		const char *file, *way_out;
	} known[] = {
		{ "sql/backup.wrong_key.txt", "the store refuses the keys" },
		{ "sql/backup.wrong_secret.txt", "the store refuses the keys" },
		{ "sql/backup.no_bucket.txt", "the bucket does not exist" },
		{ "sql/backup.existing.txt", "use a new prefix for each backup" },
		{ "sql/restore.wrong_key.txt", "the store refuses the keys" },
		{ "sql/restore.nothing_there.txt", "this prefix has no backup" },
		{ "sql/restore.tables_exist.txt", "restore into a new cluster" },
		{ "sql/backup.no_privilege.txt", "BACKUP_ADMIN" },
		{ "sql/restore.no_privilege.txt", "RESTORE_ADMIN" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char *path = xstrfmt(FOLDER "%s", known[i].file);
		struct strbuf text = STRBUF_INIT;
		struct err e = ERR_INIT;
		const char *error, *got;

		if (fs_read_file(path, (size_t)1 << 20, &text, &e) < 0)
			fail_msg("%s", e.text);
		error = strstr(text.buf, "ERROR ");
		assert_non_null(error);
		got = tidb_brie_way_out(error);
		if (!got || !strstr(got, known[i].way_out))
			fail_msg("%s: %s: %s", path, got ? got : "no way out", error);
		strbuf_release(&text);
		free(path);
	}
}

static struct playground_text playground(const char *name)
{
	char *path = xstrfmt(FOLDER "playground/%s", name);
	struct strbuf text = STRBUF_INIT;
	struct playground_text t;
	struct err e = ERR_INIT;

	if (fs_read_file(path, (size_t)1 << 20, &text, &e) < 0)
		fail_msg("%s", e.text);
	playground_text_parse(&t, text.buf, text.len);
	strbuf_release(&text);
	free(path);
	return t;
}

/* 1.16.4 colours and spins also where stdout is a file, and has no numbers behind its components.
 */
static void an_older_playgrounds_words_are_read(void **unused)
{
	struct playground_text t = playground("start-fresh.stdout");

	(void)unused;
	assert_true(t.started && t.n_sql == 1 && t.sql[0].port == 24000);
	assert_string_equal(t.failed, "");
	assert_string_equal(t.quit, "");
	t = playground("kill-tikv.stdout.txt");
	assert_string_equal(t.quit, "tikv: signal: killed");
	t = playground("kill-pd.stdout.txt");
	assert_memory_equal(t.quit, "pd: ", 4);
	/* TiDB ended, and the spinner goes on for a minute */
	t = playground("start-tidb-port-taken.stdout");
	assert_memory_equal(t.quit, "tidb: exit status 1", 19);
	/* and when that minute is over it goes on in the same line, which is a long one */
	t = playground("start-tidb-late.stdout");
	assert_string_equal(t.late, "127.0.0.1:7000");
	assert_int_equal(t.pd.port, 5379);
	assert_false(t.started);
	t = playground("kill-last.stdout.txt");
	assert_non_null(strstr(t.failed, "signal: killed"));
}

static void count_safe_point(void *arg, const char *service, tso_t at, int64_t left_s)
{
	unsigned *n = arg;

	assert_true(*service && at > 0 && left_s > 0);
	n[0]++;
	n[1] += strstr(service, "-creating-") != NULL;
}

static void what_holds_back_garbage_collection_is_read(void **unused)
{
	struct answer r = recorded("br/pd-gc-safepoint.while-log-runs.http");
	struct err e = ERR_INIT;
	unsigned n[2] = { 0 };

	(void)unused;
	assert_int_equal(pd_safe_points_parse(r.a.body.buf, r.a.body.len, 1795822200,
					      count_safe_point, n, &e),
			 0);
	assert_true(n[0] >= 6 && n[1] >= 10); /* one for each create that was refused */
	assert_int_equal(pd_safe_points_parse("[]", 2, 0, count_safe_point, n, &e), -1);
	forget(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_of_64_bits_are_kept),
		cmocka_unit_test(pd_is_read_whatever_its_ids),
		cmocka_unit_test(every_create_is_understood),
		cmocka_unit_test(the_way_out_fits_the_trouble),
		cmocka_unit_test(a_changefeed_that_tries_again_tells_no_resolved_ts),
		cmocka_unit_test(the_stores_refusals_of_a_backup_have_a_way_out),
		cmocka_unit_test(an_older_playgrounds_words_are_read),
		cmocka_unit_test(what_holds_back_garbage_collection_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
