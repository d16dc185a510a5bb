/* reports: what a journal tells comes out in every format, whatever state the journal is in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <expat.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "harness/base/journal.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "reports/report.h"
#include "tests/unit/reports/json_schema.h"

#define HOSTILE "<script>alert(1)</script>\"'&]]>\x1b[31m\x01"
#define FILE_MAX ((size_t)64 << 20)

static char run[] = "/tmp/drtest-reports.XXXXXX";
static struct journal *journal;
static struct strbuf html = STRBUF_INIT, junit = STRBUF_INIT, summary = STRBUF_INIT;
static json_t *result;

static void ok(int rc, const struct err *e)
{
	if (rc < 0)
		fail_msg("%s", e->text);
}

static char *in_run(const char *name)
{
	return xstrfmt("%s/%s", run, name);
}

static int begin(void **unused)
{
	char *path = in_run("journal.jsonl.zst");
	struct err e = ERR_INIT;

	(void)unused;
	ok(fs_remove_tree(run, &e), &e);
	ok(fs_mkdir_p(run, 0755, &e), &e);
	journal = journal_create(path, &e);
	free(path);
	return journal ? 0 : -1;
}

static int end(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	journal_close(journal, NULL);
	journal = NULL;
	json_decref(result);
	result = NULL;
	strbuf_release(&html);
	strbuf_release(&junit);
	strbuf_release(&summary);
	return fs_remove_tree(run, &e);
}

static void at(double t, const char *ev, json_t *fields)
{
	assert_non_null(fields); /* a wrong json_pack() */
	journal_event_at(journal, journal_start_ns(journal) + (int64_t)(t * 1e9), ev, fields);
}

static void read_into(struct strbuf *text, const char *name)
{
	char *path = in_run(name);
	struct err e = ERR_INIT;

	strbuf_reset(text);
	ok(fs_read_file(path, FILE_MAX, text, &e), &e);
	free(path);
}

static void well_formed_xml(const struct strbuf *text)
{
	XML_Parser p = XML_ParserCreate(NULL);

	if (XML_Parse(p, text->buf, (int)text->len, 1) != XML_STATUS_OK)
		fail_msg("junit.xml line %lu: %s", XML_GetCurrentLineNumber(p),
			 XML_ErrorString(XML_GetErrorCode(p)));
	XML_ParserFree(p);
}

static void keeps_to_the_schema(void)
{
	json_t *schema = json_loads(report_schema(), 0, NULL);
	const char *bad;

	assert_non_null(schema);
	bad = schema_hold(schema, result, "result");
	if (bad)
		fail_msg("%s", bad);
	json_decref(schema);
}

/* Makes all reports from the journal as it stands on disk, and holds what is true of each: it is
 * well-formed, and inert. */
static void make(void)
{
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	json_error_t je;
	FILE *out = tmpfile();
	char part[4096];
	size_t n;

	assert_non_null(out);
	ok(report_make(run, &e), &e);
	ok(report_summary(run, out, false, &e), &e);
	rewind(out);
	strbuf_reset(&summary);
	while ((n = fread(part, 1, sizeof(part), out)) > 0)
		strbuf_add(&summary, part, n);
	fclose(out);
	read_into(&html, "report.html");
	read_into(&junit, "junit.xml");
	read_into(&text, "result.json");
	json_decref(result);
	result = json_loadb(text.buf, text.len, 0, &je);
	if (!result)
		fail_msg("result.json: %s", je.text);
	strbuf_release(&text);
	keeps_to_the_schema();
	well_formed_xml(&junit);
	assert_null(strstr(html.buf, "<script>alert"));
	assert_null(strchr(html.buf, '\x1b'));
	assert_null(strstr(html.buf, "src=\"")); /* nothing is loaded */
	assert_null(strstr(html.buf, "href=\"http"));
	assert_null(strstr(html.buf, "url("));
	assert_null(strchr(junit.buf, '\x1b'));
	assert_null(strchr(summary.buf, '\x1b'));
}

static void holds(const struct strbuf *text, const char *part)
{
	if (!strstr(text->buf, part))
		fail_msg("\"%s\" is missing in:\n%.6000s", part, text->buf);
}

static const char *text_at(const char *key)
{
	const char *s = json_string_value(json_object_get(result, key));

	return s ? s : "(none)";
}

static size_t lines(void)
{
	size_t n = 0;

	for (const char *p = summary.buf; *p; p++)
		n += *p == '\n';
	return n;
}

static void write_run(void)
{
	at(0, "run",
	   json_pack("{s:i,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s},s:{s:s},s:[]}", "schema", 1,
		     "wall_ms", (json_int_t)1792238592000, "drtest", "0.1.0", "scenario",
		     "failover", "sentence", "The primary dies.", "ground", "local", "seed",
		     "18446744073709551615", "command",
		     "drtest run scenarios/failover.lua --on local --seed 42", "options", "tables",
		     "10", "versions", "mariadbd", "10.11.14", "standins"));
	at(0.1, "version", json_pack("{s:s,s:s}", "name", "minio", "value", "2025-10-15"));
}

static void write_steps(int n)
{
	char name[64];

	for (int i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "Do the thing number %d", i);
		at(i, "step", json_pack("{s:i,s:s}", "n", i, "name", name));
		at(i + 0.9, "step_end",
		   json_pack("{s:i,s:s,s:s,s:f,s:s}", "n", i, "name", name, "status", "ok",
			     "seconds", 0.9, "detail", "1,312 rows"));
	}
}

static void write_check(int step, const char *name, const char *verdict, const char *evidence,
			json_t *findings)
{
	at(6.95, "check",
	   json_pack("{s:i,s:s,s:s,s:s,s:o,s:f}", "step", step, "name", name, "verdict", verdict,
		     "evidence", evidence, "findings", findings ? findings : json_array(),
		     "seconds", 0.25));
}

static void write_samples(double from, double to, double step)
{
	for (double t = from; t < to; t += step)
		at(t, "sample",
		   json_pack("{s:{s:i,s:i,s:f,s:i,s:i,s:i,s:i},s:{s:s,s:i,s:s,s:i},s:{s:i,s:i}}",
			     "load", "failed", (int)t, "unknown", 0, "tps", 99.5, "p50_us", 1700,
			     "p95_us", 3400, "p99_us", 6000, "max_us", 900000, "feed", "name",
			     "primary-to-secondary", "lag_ms", 2100, "resolved_ts",
			     "469830961496064000", "redo_bytes", (int)t * 4800, "rss_kib", "drtest",
			     20480, "primary", 180000));
}

static void write_disaster(void)
{
	at(5, "fault",
	   json_pack("{s:s,s:s,s:f,s:s}", "kind", "kill", "target", "primary and its changefeed",
		     "at", 5.0, "detail", "SIGKILL"));
	at(5.2, "span", json_pack("{s:s,s:f,s:f}", "name", "detect", "from", 5.0, "to", 5.2));
	at(6.9, "move",
	   json_pack("{s:s,s:s,s:f}", "from", "primary", "to", "secondary", "at", 6.9));
	at(6.9, "rpo",
	   json_pack("{s:i,s:i,s:f,s:f}", "lost", 61, "acked", 2012, "window_ms", 1880.0,
		     "resolved_behind_ms", 1910.4));
	at(6.9, "rto",
	   json_pack("{s:f,s:f,s:f,s:n,s:f}", "service_ms", 1900.0, "detect_ms", 200.0, "replay_ms",
		     400.0, "check_ms", "promote_ms", 200.0));
	at(7.9, "sample",
	   json_pack("{s:{s:s,s:i},s:[{s:s,s:i,s:i},{s:s,s:i}]}", "feed", "name",
		     "primary-to-secondary", "lag_ms", 99000, "feeds", "name",
		     "primary-to-secondary", "lag_ms", 2200, "resolved_lag_ms", 7700, "name",
		     "second", "lag_ms", 8800));
	at(8, "rto", json_pack("{s:f,s:f}", "redundant_ms", 11400.0, "check_ms", 1100.0));
}

static void write_end(const char *verdict, const char *error)
{
	at(9, "end", json_pack("{s:s,s:s}", "verdict", verdict, "error", error));
	journal_close(journal, NULL);
	journal = NULL;
}

static void a_whole_run_is_told_in_every_format(void **unused)
{
	json_t *o;

	(void)unused;
	write_run();
	write_steps(6);
	write_samples(0.5, 5, 1);
	write_disaster();
	write_check(2, "the restore equals the backup", "pass", "10 tables, 100,000 rows", NULL);
	at(7, "figure", json_pack("{s:s,s:i}", "name", "torn_before", "value", 36));
	at(7.1, "figure", json_pack("{s:s,s:i}", "name", "torn_before", "value", 37));
	at(7.2, "figure",
	   json_pack("{s:s,s:s}", "name", "backup_ts", "value", "469830961496064001"));
	at(7.3, "note", json_pack("{s:s}", "text", "the disaster found nothing torn"));
	at(7.4, "left",
	   json_pack("{s:s,s:s,s:s}", "cluster", "secondary", "what", "database drtest_feed",
		     "remove", "DROP DATABASE `drtest_feed`"));
	write_end("pass", "");
	make();

	assert_string_equal(text_at("verdict"), "pass");
	assert_string_equal(text_at("started"), "2026-10-17T12:03:12Z");
	assert_string_equal(text_at("seed"), "18446744073709551615");
	assert_int_equal(json_integer_value(json_object_get(result, "schema")), 1);
	assert_int_equal(json_array_size(json_object_get(result, "steps")), 6);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(result, "rpo"), "lost")), 61);
	o = json_object_get(result, "rto");
	assert_int_equal(json_integer_value(json_object_get(o, "check_ms")), 1100);
	assert_int_equal(json_integer_value(json_object_get(o, "redundant_ms")), 11400);
	o = json_object_get(result, "figures");
	/* the last one counts */
	assert_int_equal(json_integer_value(json_object_get(o, "torn_before")), 37);
	assert_string_equal(json_string_value(json_object_get(o, "backup_ts")),
			    "469830961496064001");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(result, "versions"), "minio")),
		"2025-10-15");

	holds(&html,
	      "If the primary had died at <time datetime=\"2026-10-17T12:03:17Z\"><b>12:03:17</b> UTC</time>, you would have lost "
	      "<b>61</b> of 2,012 acknowledged transactions");
	holds(&html, "1.90 s");
	holds(&html, "the disaster found nothing torn");
	holds(&html, "Left on your clusters");
	holds(&html, "<code>DROP DATABASE `drtest_feed`</code>");
	holds(&html, "drtest run scenarios/failover.lua --on local --seed 42");
	holds(&html, "Latency of transactions");
	holds(&html, "Resident memory");
	holds(&html,
	      "<li data-kind=\"fault\" data-from=\"5.0000\">kill primary and its changefeed</li>");
	/* all of "feeds", and not "feed" again */
	holds(&html, "second</button> <span data-v=\"0-12\">max 8.8 s<");
	holds(&html, "primary-to-secondary</button> <span data-v=\"0-7\">max 2.2 s<");
	holds(&html, "max 7.7 s<");
	holds(&junit, "tests=\"1\" failures=\"0\" errors=\"0\"");
	holds(&junit,
	      "classname=\"failover.2 Do the thing number 2\" name=\"the restore equals the backup\"");
	holds(&summary, "drtest 0.1.0  failover  on local  seed 18446744073709551615\n");
	holds(&summary,
	      "RPO  lost 61 of 2,012 acknowledged transactions · data-loss window 1.88 s · resolvedTs 1.91 s before the "
	      "disaster\n");
	holds(&summary,
	      "RTO  1.90 s to the first write on the secondary (detect 0.2, replay 0.4, check 1.1, promote 0.2) · "
	      "redundant again after 11.4 s\n");
	holds(&summary, "PASS 1 check, 0 failed      report: /tmp/drtest-reports");
	assert_in_range(lines(), 10, 24);
}

static void faults_that_heal_progress_and_logs_are_told(void **unused)
{
	(void)unused;
	write_run();
	at(1, "fault", json_pack("{s:s,s:s}", "kind", "pause", "target", "primary"));
	at(2, "fault", json_pack("{s:s,s:s}", "kind", "delay", "target", "store"));
	at(3, "fault", json_pack("{s:s,s:s}", "kind", "resume", "target", "primary"));
	at(4.5, "heal", json_pack("{s:s}", "target", "store"));
	at(4.6, "heal", json_pack("{s:s}", "target", "nobody"));
	for (int i = 0; i <= 4; i++) {
		at(5 + i * 0.2, "progress",
		   json_pack("{s:s,s:i,s:i}", "what", "replay", "done", i, "total", 4));
		at(5 + i * 0.2, "sample",
		   json_pack("{s:{s:i,s:i}}", "cpu_ms", "primary", i * 100, "new", i == 3 ? 0 : 5));
	}
	at(7, "log_tail",
	   json_pack("{s:s,s:[s,s,i]}", "process", "primary", "lines", "it began", HOSTILE, 7));
	write_end("fail", "");
	make();
	holds(&html,
	      "<li data-kind=\"fault\" data-from=\"1.0000\" data-to=\"3.0000\">pause primary</li>");
	holds(&html,
	      "<li data-kind=\"fault\" data-from=\"2.0000\" data-to=\"4.5000\">delay store</li>");
	holds(&html, "healed after 2.50 s");
	holds(&html, "replay</button> <span data-v=\"1-0\">max 100 %<");
	holds(&html, "[0,25,50,75,100]");
	/* 100 ms of CPU in 200 ms */
	holds(&html, "primary</button> <span data-v=\"0-0\">max 50 %<");
	holds(&html, "<summary>primary</summary><pre tabindex=\"0\">it began\n&lt;script&gt;");
}

/* What `drtest run` prints after its steps: the end of the summary, and nothing that the steps have
 * told already. */
static void the_verdict_alone_is_the_summarys_end(void **unused)
{
	struct err e = ERR_INIT;
	FILE *out = tmpfile();
	char text[4096];
	size_t n;

	(void)unused;
	write_run();
	write_steps(6);
	write_disaster();
	write_check(5, "model", "fail", "1 of 1,839 transactions differ", NULL);
	write_end("fail", "");
	make();
	assert_non_null(out);
	ok(report_verdict(run, out, false, &e), &e);
	rewind(out);
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = '\0';
	assert_true(n > 100 && n < summary.len);
	assert_string_equal(text, summary.buf + summary.len - n);
	assert_ptr_equal(strstr(text, "RPO  lost 61 of 2,012"), text);
	assert_non_null(strstr(text, "\nRTO  1.90 s"));
	assert_non_null(strstr(text, "\nFAIL 1 check, 1 failed      report: "));
	rewind(out);
	ok(report_verdict(run, out, true, &e), &e);
	rewind(out);
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = '\0';
	assert_non_null(strstr(text, "\033[1;31mFAIL\033[0m"));
	assert_int_equal(report_verdict("/nonexistent/run", out, true, &e), -1);
	assert_int_equal(err_exit_code(&e), 2);
	fclose(out);
}

static void prometheus_gets_the_final_figures(void **unused)
{
	static struct strbuf prom = STRBUF_INIT;
	char *path = in_run("drtest.prom");
	struct err e = ERR_INIT;

	(void)unused;
	write_run();
	write_disaster();
	write_check(2, "c", "pass", "", NULL);
	at(7, "figure",
	   json_pack("{s:s,s:f}", "name", "a \"quoted\\ name\n" HOSTILE, "value", 1.5));
	at(7, "figure", json_pack("{s:s,s:s}", "name", "text", "value", "none"));
	write_end("pass", "");
	ok(report_prometheus(run, path, &e), &e);
	read_into(&prom, "drtest.prom");
	holds(&prom,
	      "# TYPE drtest_rpo_window_seconds gauge\ndrtest_rpo_window_seconds{scenario=\"failover\",ground=\"local\"} 1.88\n");
	holds(&prom,
	      "drtest_rto_seconds{scenario=\"failover\",ground=\"local\",part=\"redundant\"} 11.4\n");
	holds(&prom, "drtest_checks{scenario=\"failover\",ground=\"local\",verdict=\"pass\"} 1\n");
	holds(&prom, "name=\"a \\\"quoted\\\\ name <script>");
	assert_null(strchr(prom.buf, '\x1b'));
	assert_null(strstr(prom.buf, "text"));
	strbuf_release(&prom);
	free(path);
}

static void a_failed_check_is_told_with_its_evidence(void **unused)
{
	json_t *findings =
		json_pack("[{s:s,s:s,s:i,s:s,s:s}]", "kind", "lost update", "table",
			  "sbtest.sbtest1", "id", 4711, "expected", "k 12", "extra", "more");

	(void)unused;
	write_run();
	write_steps(6);
	write_check(5, "model", "fail", "1 of 1,839 transactions differ", findings);
	write_check(6, "forensic", "unknown", "the disk is gone", NULL);
	write_end("fail", "");
	make();
	assert_string_equal(text_at("verdict"), "fail");
	holds(&junit, "failures=\"1\" errors=\"1\"");
	holds(&junit, "<failure type=\"fail\" message=\"1 of 1,839 transactions differ\">");
	holds(&junit, "lost update");
	holds(&junit, "<error type=\"unknown\" message=\"the disk is gone\">");
	holds(&html, "<th>extra</th>");
	holds(&html, "<td class=\"short\" data-l=\"table\">sbtest.sbtest1</td>");
	holds(&summary, "FAIL  model: 1 of 1,839 transactions differ\n");
	holds(&summary, "kind lost update  table sbtest.sbtest1  id 4711");
	holds(&summary, "UNKNOWN  forensic: the disk is gone\n");
	holds(&summary, "FAIL 2 checks, 1 failed, 1 unknown");
	assert_true(lines() <= 24);
}

static void an_end_that_contradicts_its_checks_is_not_believed(void **unused)
{
	(void)unused;
	write_run();
	write_check(1, "model", "fail", "differs", NULL);
	write_end("pass", "");
	make();
	assert_string_equal(text_at("verdict"), "fail");
}

static void a_verdict_that_is_not_understood_is_unknown(void **unused)
{
	(void)unused;
	write_run();
	write_check(1, "model", "splendid", "differs", NULL);
	write_end("pass", "");
	make();
	assert_string_equal(text_at("verdict"), "unknown");
	holds(&junit, "errors=\"1\"");
}

static void a_run_error_is_a_case_of_its_own(void **unused)
{
	(void)unused;
	write_run();
	at(1, "step", json_pack("{s:i,s:s}", "n", 1, "name", "Set up"));
	at(2, "step_end",
	   json_pack("{s:i,s:s,s:s,s:f,s:s}", "n", 1, "name", "Set up", "status", "error",
		     "seconds", 1.0, "detail", "minio: port taken"));
	write_end("error", "step 1: minio: port taken");
	make();
	holds(&junit, "tests=\"1\" failures=\"0\" errors=\"1\"");
	holds(&junit, "<error type=\"error\" message=\"step 1: minio: port taken\">");
	holds(&html, "The run ended with an error");
	holds(&summary, "  error  step 1: minio: port taken\n");
	holds(&summary, "ERROR 0 checks");
	assert_null(strstr(summary.buf, "RPO")); /* nothing was killed: there is none to tell */
}

/* The journal's bytes up to a share of them, as a kill -9 leaves them. */
static void cut_journal(double share)
{
	struct strbuf text = STRBUF_INIT;
	char *path = in_run("journal.jsonl.zst");
	struct err e = ERR_INIT;

	read_into(&text, "journal.jsonl.zst");
	ok(fs_write_atomic(path, text.buf, (size_t)((double)text.len * share), 0644, &e), &e);
	strbuf_release(&text);
	free(path);
}

static void a_journal_that_was_cut_gives_a_report_as_far_as_it_goes(void **unused)
{
	(void)unused;
	write_run();
	at(1, "step", json_pack("{s:i,s:s}", "n", 1, "name", "Set up"));
	at(5, "fault", json_pack("{s:s,s:s,s:f}", "kind", "kill", "target", "primary", "at", 5.0));
	make(); /* still being written */
	assert_string_equal(text_at("verdict"), "unknown");
	assert_string_equal(text_at("error"), "the run was interrupted");
	holds(&html, "This report is incomplete");
	holds(&html, "not measured");
	holds(&summary, "RPO  not measured\n");
	holds(&summary, "the journal ends here");
	holds(&summary, "UNKNOWN 0 checks");
	holds(&junit, "errors=\"1\"");

	write_samples(1, 8, 0.05);
	write_end("pass", "");
	for (int i = 0; i < 40; i++) {
		cut_journal(0.97); /* again and again, down to a third */
		make();
		assert_string_equal(text_at("verdict"), "unknown");
	}
}

static void an_interrupted_run_is_no_error(void **unused)
{
	(void)unused;
	write_run();
	write_end("interrupted", "step 2, load: interrupted");
	make();
	holds(&html, "<b>The run was interrupted in step 2, load.</b>");
	assert_null(strstr(html.buf, "ended with an error"));
}

static void an_empty_journal_is_a_run_that_proves_nothing(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	make();
	assert_string_equal(text_at("verdict"), "unknown");
	assert_string_equal(text_at("error"), "the run was interrupted before its first event");
	write_end("pass", ""); /* an end alone */
	make();
	assert_string_equal(text_at("verdict"), "pass");
	/* damaged since: what was made of it stays */
	cut_journal(0);
	assert_int_equal(report_make(run, &e), -1);
	assert_non_null(strstr(e.text, "the reports that are there stay as they are"));
	assert_string_equal(text_at("verdict"), "pass");
}

static void a_damaged_journal_says_where(void **unused)
{
	static const char text[] =
		"{\"t\":0,\"ev\":\"run\",\"schema\":1,\"scenario\":\"failover\"}\n{\"t\":1,\"ev\":\"st\xFFp\"}"
		"\n{\"t\":2,\"ev\":\"end\",\"verdict\":\"pass\"}\n";
	char out[1024], *path = in_run("journal.jsonl.zst");
	size_t n = ZSTD_compress(out, sizeof(out), text, sizeof(text) - 1, 3);
	struct err e = ERR_INIT;

	(void)unused;
	ok(fs_write_atomic(path, out, n, 0644, &e), &e);
	make();
	assert_string_equal(text_at("scenario"), "failover");
	assert_string_equal(text_at("verdict"), "unknown");
	assert_non_null(strstr(text_at("error"), "line 2 is not an event"));
	ok(fs_write_atomic(path, "this is no zstd", 15, 0644, &e), &e);
	assert_int_equal(report_make(run, &e), -1);
	assert_non_null(strstr(e.text, "damaged from its beginning"));
	assert_string_equal(text_at("verdict"), "unknown");
	free(path);
}

static void hostile_text_is_inert_everywhere(void **unused)
{
	json_t *findings = json_pack("[{s:s,s:s}, {s:{s:[i]}}]", HOSTILE, HOSTILE, "kind", HOSTILE,
				     "nested", "list", 1);

	(void)unused;
	at(0, "run",
	   json_pack("{s:i,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s},s:{s:s},s:[s]}", "schema", 2,
		     "wall_ms", (json_int_t)1792238592000, "drtest", HOSTILE, "scenario", HOSTILE,
		     "sentence", HOSTILE, "ground", HOSTILE, "seed", HOSTILE, "command", HOSTILE,
		     "options", HOSTILE, HOSTILE, "versions", HOSTILE, HOSTILE, "standins",
		     HOSTILE));
	at(1, "step", json_pack("{s:i,s:s}", "n", 1, "name", HOSTILE));
	at(2, "step_end",
	   json_pack("{s:i,s:s,s:s,s:f,s:s}", "n", 1, "name", HOSTILE, "status", HOSTILE, "seconds",
		     1.0, "detail", HOSTILE));
	at(2, "fault",
	   json_pack("{s:s,s:s,s:f,s:s}", "kind", HOSTILE, "target", HOSTILE, "at", 1.5, "detail",
		     HOSTILE));
	at(2, "move", json_pack("{s:s,s:s}", "from", HOSTILE, "to", HOSTILE));
	at(2, "span", json_pack("{s:s,s:f,s:f}", "name", HOSTILE, "from", 1.0, "to", 2.0));
	at(2, "note", json_pack("{s:s}", "text", HOSTILE));
	at(2, "left",
	   json_pack("{s:s,s:s,s:s}", "cluster", HOSTILE, "what", HOSTILE, "remove", HOSTILE));
	at(2, "figure", json_pack("{s:s,s:s}", "name", HOSTILE, "value", HOSTILE));
	at(2, "way",
	   json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", HOSTILE, "state", HOSTILE, "evidence",
		     HOSTILE, "steps", HOSTILE "\n" HOSTILE, "needs", HOSTILE));
	at(2, "advice", json_pack("{s:s,s:s}", "way", HOSTILE, "why", HOSTILE));
	for (int i = 0; i < 3; i++)
		at(2 + i, "sample",
		   json_pack("{s:{s:s,s:i,s:i},s:{s:i}}", "feed", "name", HOSTILE, "lag_ms", 5,
			     "redo_bytes", 5, "rss_kib", HOSTILE, 77));
	write_check(1, HOSTILE, "fail", HOSTILE, findings);
	write_end("fail", HOSTILE);
	make();
	holds(&html, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;]]&gt;\\x1b[31m\\x01");
	holds(&summary, "<script>alert(1)</script>\"'&]]>\\x1b[31m\\x01");
	holds(&summary, "schema 2");
	assert_string_equal(text_at("scenario"), HOSTILE); /* JSON keeps it as it was */
}

static void ways_back_stand_side_by_side(void **unused)
{
	json_t *ways, *w;

	(void)unused;
	write_run();
	write_steps(1);
	write_check(1, "c", "pass", "", NULL);
	at(2, "way",
	   json_pack("{s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:f,s:s,s:s}", "name", "redo log", "state",
		     "pass", "evidence", "", "lost", 120, "acked", 3000, "window_ms", 1200, "wrong",
		     0, "seconds", 0.5, "steps", "stop the feed\nreplay", "needs", "a redo log"));
	at(2, "way",
	   json_pack("{s:s,s:s,s:s,s:i,s:i,s:f,s:s,s:s}", "name", "merge", "state", "partial",
		     "evidence", "3 rows are wrong", "lost", 0, "wrong", 3, "seconds", 2.0, "steps",
		     "merge", "needs", "a backup"));
	at(2, "way",
	   json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", "lag", "state", "closed", "evidence",
		     "it had arrived", "steps", "", "needs", "luck"));
	at(3, "advice", json_pack("{s:s,s:s}", "way", "merge", "why", "it loses 3"));
	write_end("pass", "");
	make();
	holds(&summary,
	      "  redo log   PASS     120 of 3,000, 1.20 s  0.50 s         2  a redo log\n");
	holds(&summary, "> merge      partial  0; 3 rows wrong       2.00 s         1  a backup\n"
			"      3 rows are wrong\n");
	holds(&summary, "  lag        closed   -                     -              0  luck\n"
			"      it had arrived\nTake: merge: it loses 3\n");
	holds(&html, "<section id=\"ways\">");
	holds(&html, "Take: merge: it loses 3.");
	holds(&html, "<ol><li>stop the feed</li><li>replay</li></ol>");
	ways = json_object_get(json_object_get(result, "ways"), "ways");
	assert_int_equal(json_array_size(ways), 3);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(result, "ways"), "advised")),
		"merge");
	w = json_array_get(ways, 0);
	assert_int_equal(json_integer_value(json_object_get(w, "lost")), 120);
	assert_int_equal(json_array_size(json_object_get(w, "steps")), 2);
	assert_true(json_is_null(json_object_get(json_array_get(ways, 2), "lost")));
}

static void ill_typed_events_are_left_out_and_told(void **unused)
{
	static const char *const events[] = { "run",     "step",   "step_end",      "check",
					      "fault",   "note",   "sample",        "span",
					      "move",    "figure", "rpo",           "rto",
					      "version", "end",    "something new", "way",
					      "advice" };
	json_t *wrong;

	(void)unused;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		for (int kind = 0; kind < 5; kind++) {
			static const char *const keys[] = {
				"n",        "name",      "status",     "seconds",  "detail",
				"step",     "verdict",   "evidence",   "findings", "at",
				"kind",     "text",      "load",       "feed",     "feeds",
				"rss_kib",  "from",      "to",         "value",    "lost",
				"acked",    "window_ms", "service_ms", "options",  "versions",
				"standins", "wall_ms",   "schema",     "error",    "scenario",
				"seed",     "steps",     "needs",      "wrong",    "state",
				"way",      "why"
			};

			wrong = json_object();
			for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
				json_object_set_new(
					wrong, keys[k],
					kind == 0   ? json_pack("[{s:[]},i,s]", "x", 1, "y")
					: kind == 1 ? json_pack("{s:{},s:i}", "x", "y", 3)
					: kind == 2 ? json_integer(INT64_MIN)
					: kind == 3 ? json_real(1e300)
						    : json_null());
			at(1 + (double)i, events[i], wrong);
		}
	at(30, "sample",
	   json_pack("{s:{s:f,s:f,s:f,s:i},s:[i,{s:f,s:s},s]}", "load", "tps", 1e300, "p50_us",
		     1e-300, "failed", -1e300, "unknown", -5, "feeds", 1, "lag_ms", 1e300,
		     "resolved_ts", "18446744073709551615", "x"));
	journal_event(journal, "end", json_pack("{s:s}", "verdict", "pass"));
	make();
	assert_string_equal(text_at("verdict"), "unknown"); /* its checks were no checks */
	holds(&summary, "are left out");
}

static void huge_findings_and_lists_stay_bounded(void **unused)
{
	json_t *findings, *one;
	char *text = xmalloc(20000);

	(void)unused;
	memset(text, 'x', 19999);
	text[19999] = 0;
	write_run();
	for (int c = 0; c < 30; c++) {
		findings = json_array();
		for (int i = 0; i < 3000; i++)
			json_array_append_new(findings,
					      json_pack("{s:s,s:i,s:s}", "kind", "torn transaction",
							"id", i, "found",
							i % 100 ? "row missing" : text));
		one = json_array_get(findings, 0);
		for (int k = 0; k < 40; k++) {
			char key[16];

			snprintf(key, sizeof(key), "key%d", k);
			json_object_set_new(one, key, json_integer(k));
		}
		write_check(5, "model", "fail", text, findings);
	}
	for (int i = 0; i < 3000; i++) {
		at(7, "note", json_pack("{s:s}", "text", "a note"));
		at(7, "fault", json_pack("{s:s,s:s}", "kind", "kill", "target", "primary"));
	}
	write_steps(6);
	write_end("fail", "");
	make();
	one = json_array_get(json_object_get(result, "checks"), 0);
	assert_int_equal(json_array_size(json_object_get(one, "findings")), 1000);
	assert_int_equal(json_integer_value(json_object_get(one, "findings_left_out")), 2000);
	assert_true(strlen(json_string_value(json_object_get(one, "evidence"))) <= 4096);
	assert_int_equal(json_array_size(json_object_get(result, "faults")), 1000);
	assert_true(html.len < (size_t)1500 << 10);
	assert_true(junit.len < (size_t)1500 << 10);
	assert_true(lines() <= 24);
	holds(&summary, "more checks that did not pass, in the report");
	holds(&html, "3000 findings");
	free(text);
}

static void a_long_run_gives_a_small_page(void **unused)
{
	(void)unused;
	write_run();
	for (int i = 0; i < 4 * 3600; i++) /* four hours of seconds */
		at(i, "sample",
		   json_pack("{s:{s:i,s:f,s:i,s:i,s:i,s:i},s:{s:s,s:i,s:i},s:{s:i,s:i,s:i,s:i}}",
			     "load", "failed", i, "tps", i == 7000 ? 500.0 : 100.0, "p50_us",
			     1700 + i % 100, "p95_us", 3400, "p99_us", 6000, "max_us",
			     i == 7000 ? 9000000 : 9000, "feed", "name", "f", "lag_ms",
			     2000 + i % 500, "redo_bytes", i * 40000, "rss_kib", "drtest", 20480,
			     "primary", 180000, "secondary", 180001, "minio", 99999));
	write_end("pass", "");
	make();
	assert_true(html.len < (size_t)1500 << 10);
	holds(&html, "max 9,000 ms"); /* one bad second in four hours is still seen */
}

static void without_a_run_there_is_one_clear_line(void **unused)
{
	struct err e = ERR_INIT;
	char *path = in_run("journal.jsonl.zst");

	(void)unused;
	assert_int_equal(report_make("/nonexistent/run", &e), -1);
	assert_int_equal(err_exit_code(&e), 2);
	assert_string_equal(e.text, "'/nonexistent/run': no such run directory");
	unlink(path);
	free(path);
	e = (struct err)ERR_INIT;
	assert_int_equal(report_summary(run, stdout, false, &e), -1);
	assert_int_equal(err_exit_code(&e), 2);
	assert_non_null(strstr(e.text, "is not a run directory: it has no journal.jsonl.zst"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_whole_run_is_told_in_every_format),
		TEST(faults_that_heal_progress_and_logs_are_told),
		TEST(the_verdict_alone_is_the_summarys_end),
		TEST(prometheus_gets_the_final_figures),
		TEST(a_failed_check_is_told_with_its_evidence),
		TEST(an_end_that_contradicts_its_checks_is_not_believed),
		TEST(a_verdict_that_is_not_understood_is_unknown),
		TEST(a_run_error_is_a_case_of_its_own),
		TEST(a_journal_that_was_cut_gives_a_report_as_far_as_it_goes),
		TEST(an_interrupted_run_is_no_error),
		TEST(an_empty_journal_is_a_run_that_proves_nothing),
		TEST(a_damaged_journal_says_where),
		TEST(hostile_text_is_inert_everywhere),
		TEST(ill_typed_events_are_left_out_and_told),
		TEST(ways_back_stand_side_by_side),
		TEST(huge_findings_and_lists_stay_bounded),
		TEST(a_long_run_gives_a_small_page),
		TEST(without_a_run_there_is_one_clear_line),
	};

	if (!mkdtemp(run))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
