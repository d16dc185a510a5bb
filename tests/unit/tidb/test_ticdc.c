/* What TiCDC and TiDB answer, in the forms that their source and documentation give for each
 * version; recordings are in test_recordings.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "harness/tidb/stock_tools.h"
#include "harness/tidb/ticdc.h"
#include "harness/tidb/tidb.h"

#define TS 431434047157698561u

static struct ticdc_feed feed(const char *json)
{
	struct ticdc_feed f;
	struct err e = ERR_INIT;

	if (ticdc_feed_parse(&f, json, strlen(json), &e) < 0)
		fail_msg("%s", e.text);
	return f;
}

static void every_versions_changefeed_is_read(void **unused)
{
	/* API v2, 6.2 and later: the full info */
	struct ticdc_feed f = feed(
		"{\"upstream_id\":7710417759212394238,\"namespace\":\"default\",\"id\":\"primary-to-secondary\","
		"\"start_ts\":431434047157698561,\"config\":{\"consistent\":{\"level\":\"eventual\",\"flush_interval\":2000}},"
		"\"state\":\"normal\",\"error\":null,"
		"\"resolved_ts\":431434047157698570,\"checkpoint_ts\":431434047157698561,\"checkpoint_time\":\"2022-02-25 19:57:59.990\"}");

	(void)unused;
	assert_string_equal(f.id, "primary-to-secondary");
	assert_string_equal(f.state, "normal");
	assert_true(f.checkpoint_ts == TS && f.resolved_ts == 431434047157698570u);
	assert_string_equal(f.level, "eventual");
	assert_int_equal(f.flush_ms, 2000);
	assert_string_equal(f.error, "");
	/* cdc cli changefeed query, 6.2 and later */
	f = feed(
		"{\n  \"id\": \"x\",\n  \"state\": \"failed\",\n  \"checkpoint_tso\": 431434047157698561,\n  \"error\": {\"time\":\"t\",\"addr\":\"a\","
		"\"code\":\"CDC:ErrGCTTLExceeded\",\"message\":\"the checkpoint-ts is\\nstale\"}\n}");
	assert_string_equal(f.state, "failed");
	assert_true(f.checkpoint_ts == TS);
	assert_string_equal(f.error, "[CDC:ErrGCTTLExceeded] the checkpoint-ts is stale");
	/* .../status */
	f = feed(
		"{\"state\":\"warning\",\"resolved_ts\":431434047157698561,\"checkpoint_ts\":431434047157698561,\"last_warning\":{\"message\":\"slow\"}}");
	assert_string_equal(f.error, "slow");
	/* 5.4, query */
	f = feed(
		"{\"info\":{\"sink-uri\":\"mysql://\",\"state\":\"normal\",\"config\":{\"consistent\":{\"level\":\"none\"}},\"error\":null},"
		"\"status\":{\"resolved-ts\":431434047157698570,\"checkpoint-ts\":431434047157698561,\"admin-job-type\":0},\"count\":0,\"task-status\":[]}");
	assert_true(f.checkpoint_ts == TS && f.resolved_ts == 431434047157698570u);
	assert_string_equal(f.state, "normal");
	assert_string_equal(f.level, "none");
	/* 5.4, query -s, as the guide shows it */
	f = feed(
		"{\"state\":\"normal\",\"tso\":431434047157698561,\"checkpoint\":\"2022-02-25 19:57:59.990\",\"error\":null}");
	assert_true(f.checkpoint_ts == TS);
	/* list */
	f = feed(
		"[{\"id\":\"x\",\"namespace\":\"default\",\"summary\":{\"state\":\"stopped\",\"tso\":431434047157698561,\"checkpoint\":\"c\","
		"\"error\":null}}]");
	assert_string_equal(f.state, "stopped");
	assert_true(f.checkpoint_ts == TS);
}

static void what_is_no_changefeed_is_refused(void **unused)
{
	static const char *const bad[] = { "",
					   "[]",
					   "7",
					   "{}",
					   "{\"state\":7}",
					   "{\"checkpoint_ts\":-1}",
					   "{\"state\":\"normal\"" };
	struct ticdc_feed f;
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ticdc_feed_parse(&f, bad[i], strlen(bad[i]), &e), -1);
}

static void create_prints_its_info_among_log_lines(void **unused)
{
	static const char text[] =
		"[2026/11/21 00:00:00.000 +00:00] [INFO] [x.go:1] [\"something\"]\nCreate changefeed successfully!\n"
		"ID: primary-to-secondary\n"
		"Info: {\"id\":\"primary-to-secondary\",\"state\":\"normal\",\"checkpoint_ts\":431434047157698561,"
		"\"config\":{\"consistent\":{\"level\":\"none\"}}}\nIneligibleTablesCount: 0\n";
	struct ticdc_feed f;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(ticdc_create_parse(&f, text, strlen(text), &e), 0);
	assert_string_equal(f.id, "primary-to-secondary");
	/* the guide's own command: without --config no redo log is written */
	assert_string_equal(f.level, "none");
	assert_int_equal(ticdc_create_parse(&f, "Create changefeed successfully!\nID: x\n", 38, &e),
			 -1);
	assert_int_equal(ticdc_create_parse(&f, "ID: x\n", 6, &e), -1);
}

static void refusals_keep_ticdcs_words(void **unused)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	a.status = 400;
	strbuf_addstr(
		&a.body,
		"{\"error_msg\":\"[CDC:ErrStartTsBeforeGC]fail to create or maintain changefeed because start-ts 1 is earlier than or equal to "
		"GC safepoint at 2\",\"error_code\":\"CDC:ErrStartTsBeforeGC\"}");
	assert_int_equal(ticdc_refused(&a, "create changefeed x", &e), -1);
	assert_int_equal(e.kind, ERR_ENV);
	assert_non_null(strstr(
		e.text, "create changefeed x: TiCDC says: [CDC:ErrStartTsBeforeGC]fail to create"));
	assert_non_null(strstr(e.text, "disable it from before the backup"));
	strbuf_reset(&a.body);
	strbuf_addstr(&a.body, "<html>bad\ngateway</html>");
	a.status = 502;
	assert_int_equal(ticdc_refused(&a, "query", &e), -1);
	assert_string_equal(e.text, "query: TiCDC says: HTTP 502 <html>bad gateway</html>");
	assert_int_equal(
		ticdc_cli_refused(
			"log\nError: [CDC:ErrSinkURIInvalid]sink uri invalid 'kafka'\nUsage:\n",
			"create", &e),
		-1);
	assert_non_null(strstr(
		e.text, "TiCDC says: [CDC:ErrSinkURIInvalid]sink uri invalid 'kafka' (fix: "));
	assert_null(strstr(e.text, "Usage"));
	/* of a server whose owner was killed a moment ago */
	strbuf_reset(&a.body);
	strbuf_addstr(
		&a.body,
		"{\"error_msg\":\"Get \\\"http://127.0.0.1:10300/api/v2/changefeeds/x\\\": read tcp 127.0.0.1:49234->127.0.0.1:10300: "
		"read: connection reset by peer\",\"error_code\":\"\"}");
	a.status = 500;
	assert_int_equal(ticdc_refused(&a, "query", &e), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_int_equal(e.code, TICDC_OWNER_AWAY);
	/* of the new architecture's next owner, which does not know its changefeeds yet */
	strbuf_reset(&a.body);
	strbuf_addstr(
		&a.body,
		"{\"error_msg\":\"coordinator is not fully initialized, wait a moment\",\"error_code\":\"\"}");
	e = (struct err)ERR_INIT;
	assert_int_equal(ticdc_refused(&a, "query", &e), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_int_equal(e.code, TICDC_OWNER_AWAY);
	http_answer_release(&a);
}

static void create_asks_for_a_redo_log(void **unused)
{
	struct ticdc_create o = { .id = "x",
				  .sink_uri = "mysql://root:a%22b@127.0.0.1:4000/",
				  .redo_uri = "s3://redo/p?secret-access-key=\"\\",
				  .start_ts = TS,
				  .meta_ms = 50 };
	char *body = ticdc_create_body(&o);
	json_t *j = json_loads(body, 0, NULL),
	       *c = json_object_get(json_object_get(j, "replica_config"), "consistent");
	struct strbuf s = STRBUF_INIT;

	(void)unused;
	assert_true(json_integer_value(json_object_get(j, "start_ts")) == (json_int_t)TS);
	assert_string_equal(json_string_value(json_object_get(c, "level")), "eventual");
	assert_string_equal(json_string_value(json_object_get(c, "storage")), o.redo_uri);
	ticdc_config_text(&o, (unsigned[]){ 5, 4, 0 }, &s);
	assert_string_equal(
		s.buf,
		"[consistent]\nlevel = \"eventual\"\nstorage = \"s3://redo/p?secret-access-key=\\\"\\\\\"\n");
	strbuf_reset(&s);
	ticdc_config_text(&o, (unsigned[]){ 7, 1, 3 }, &s);
	assert_non_null(strstr(s.buf, "meta-flush-interval = 50\n"));
	assert_null(strstr(body, "sync_point"));
	assert_null(strstr(body, "bdr"));
	assert_null(strstr(body, "force"));
	json_decref(j);
	free(body);
	/* as the recordings of both architectures have it: in nanoseconds */
	o.syncpoint_ms = 30000;
	body = ticdc_create_body(&o);
	assert_non_null(strstr(body,
			       "\"enable_sync_point\":true,\"sync_point_interval\":30000000000,"
			       "\"sync_point_retention\":86400000000000"));
	free(body);
	strbuf_reset(&s);
	ticdc_config_text(&o, (unsigned[]){ 7, 1, 3 }, &s);
	assert_memory_equal(s.buf, "enable-sync-point = true\nsync-point-interval = \"30s\"\n", 52);
	o.bdr = true;
	body = ticdc_create_body(&o);
	assert_non_null(strstr(body, "\"bdr_mode\":true"));
	free(body);
	strbuf_reset(&s);
	ticdc_config_text(&o, (unsigned[]){ 7, 1, 3 }, &s);
	assert_non_null(strstr(s.buf, "bdr-mode = true\n[consistent]\n")); /* above the section */
	o.force_replicate = true;
	body = ticdc_create_body(&o);
	assert_non_null(strstr(body, "\"force_replicate\":true"));
	free(body);
	strbuf_reset(&s);
	ticdc_config_text(&o, (unsigned[]){ 7, 1, 3 }, &s);
	assert_non_null(strstr(s.buf, "force-replicate = true\n[consistent]\n"));
	strbuf_release(&s);
}

static void backup_and_restore_rows_are_read_by_name(void **unused)
{
	static const char *const five[] = { "Destination", "Size", "BackupTS", "Queue Time",
					    "Execution Time" };
	static const char *const six[] = { "Destination", "Size",       "BackupTS",
					   "Cluster TS",  "Queue Time", "Execution Time" };
	static const char *const backup[] = { "s3://backup/p", "10315858", "431434047157698561",
					      "2022-02-25 19:57:59", "2022-02-25 19:57:59" };
	static const char *const old[] = { "s3://backup/p", "10315858", "0", "2022-02-25 20:03:59",
					   "2022-02-25 20:03:59" };
	static const char *const fresh[] = { "s3://backup/p",       "10315858",
					     "431434047157698561",  "431434141450371074",
					     "2022-02-25 20:03:59", "t" };
	static const char *const null_ts[] = { "s3://backup/p", "10315858", NULL, "t", "t" };
	struct tidb_brie b;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(tidb_brie_parse(&b, false, five, backup, 5, &e), 0);
	assert_true(b.backup_ts == TS && b.cluster_ts == 0 && b.size_bytes == 10315858);
	assert_string_equal(b.queued, "2022-02-25 19:57:59");
	/* before 6.3: its BackupTS is not the backup's */
	assert_int_equal(tidb_brie_parse(&b, true, five, old, 5, &e), 0);
	assert_true(b.backup_ts == 0 && b.cluster_ts == 0);
	assert_int_equal(tidb_brie_parse(&b, true, six, fresh, 6, &e), 0);
	assert_true(b.backup_ts == TS && b.cluster_ts == 431434141450371074u);
	assert_int_equal(tidb_brie_parse(&b, false, five, null_ts, 5, &e), -1);
	/* a backup without a BackupTS is none */
	assert_int_equal(tidb_brie_parse(&b, false, five, old, 5, &e), -1);
	assert_int_equal(tidb_brie_parse(&b, false, five, backup, 2, &e), -1);
	assert_string_equal(e.text, "BACKUP's row lacks the column BackupTS");
}

static void known_refusals_have_a_way_out(void **unused)
{
	(void)unused;
	assert_non_null(strstr(
		tidb_brie_way_out(
			"Backup failed: backup meta file exists in s3://backup/, there may be some backup files"),
		"use a new prefix"));
	assert_non_null(strstr(
		tidb_brie_way_out(
			"Restore failed: [BR:Restore:ErrRestoreNotFreshCluster]cluster is not fresh"),
		"new cluster"));
	assert_non_null(strstr(
		tidb_brie_way_out(
			"[BR:Backup:ErrBackupGCSafepointExceeded]backup GC safepoint exceeded"),
		"set_gc"));
	assert_null(tidb_brie_way_out("Backup failed: something new"));
}

static void the_stock_tools_are_understood(void **unused)
{
	struct sql_endpoint a = { .host = "127.0.0.1",
				  .port = 4000,
				  .user = "root",
				  .password = "p\"w" },
			    b = { .host = "h", .port = 4001, .user = "u" };
	struct sync_diff o = { .a = &a, .b = &b, .a_snapshot = "431434047157698561", .dir = "/d" };
	struct sync_diff_result r;
	struct strbuf s = STRBUF_INIT;
	struct err e = ERR_INIT;
	tso_t c = 0, ts = 0;

	(void)unused;
	assert_int_equal(
		stock_meta_parse(
			"resolved-ts:1\ncheckpoint-ts:431434047157698560, resolved-ts:431434047157698561 version:1\n",
			&c, &ts, &e),
		0);
	assert_true(c == TS - 1 && ts == TS); /* the log lines before it do not count */
	assert_int_equal(stock_meta_parse("checkpoint-ts:, resolved-ts:7", &c, &ts, &e), -1);
	assert_int_equal(
		stock_br_parse(
			"[\"Full Backup success summary\"] [total-take=4.7s] [BackupTS=431434047157698561] [Size=71330]",
			&ts, &e),
		0);
	assert_true(ts == TS);
	assert_int_equal(stock_br_parse("[\"Full Backup failed summary\"]", &ts, &e), -1);
	assert_int_equal(
		stock_sync_diff_parse(
			&r,
			"\033[1A\033[J\nA total of 3 table have been compared and all are equal.\nYou can view\n",
			&e),
		0);
	assert_true(r.equal && r.tables == 3);
	assert_int_equal(
		stock_sync_diff_parse(
			&r,
			"The data of `test`.`sbtest1` is not equal\nThe rest of tables are all equal.\n"
			"A total of 3 tables have been compared, 2 tables finished, 1 tables failed, 0 tables skipped.\n",
			&e),
		0);
	assert_false(r.equal);
	assert_string_equal(r.evidence, "The data of `test`.`sbtest1` is not equal");
	assert_int_equal(
		stock_sync_diff_parse(
			&r,
			"`test`.`x` does not exist in downstream database\nThe rest of tables are all equal.\n",
			&e),
		0);
	assert_false(r.equal);
	/* exit 1 as for a difference */
	assert_int_equal(stock_sync_diff_parse(&r, "connection refused\n", &e), -1);
	stock_sync_diff_config(&o, &s);
	assert_non_null(strstr(
		s.buf,
		"password = \"p\\\"w\"\nsnapshot = \"431434047157698561\"\n[data-sources.b]"));
	assert_non_null(strstr(s.buf, "output-dir = \"/d/output\""));
	strbuf_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_versions_changefeed_is_read),
		cmocka_unit_test(what_is_no_changefeed_is_refused),
		cmocka_unit_test(create_prints_its_info_among_log_lines),
		cmocka_unit_test(refusals_keep_ticdcs_words),
		cmocka_unit_test(create_asks_for_a_redo_log),
		cmocka_unit_test(backup_and_restore_rows_are_read_by_name),
		cmocka_unit_test(known_refusals_have_a_way_out),
		cmocka_unit_test(the_stock_tools_are_understood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
