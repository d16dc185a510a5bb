/* What tiup, playground and PD print, in the recordings of tests/fixtures/toolchain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/strbuf.h"
#include "harness/os/fs.h"
#include "harness/tidb/pd.h"
#include "harness/tidb/playground_text.h"

#define FOLDER "tests/fixtures/toolchain/"

static void recording(struct strbuf *s, const char *name)
{
	struct err e = ERR_INIT;
	char path[256];

	strbuf_reset(s);
	snprintf(path, sizeof(path), FOLDER "%s", name);
	if (fs_read_file(path, 1 << 20, s, &e) < 0)
		fail_msg("%s", e.text);
}

static struct playground_text parsed(const char *name)
{
	struct strbuf s = STRBUF_INIT;
	struct playground_text t;

	recording(&s, name);
	playground_text_parse(&t, s.buf, s.len);
	strbuf_release(&s);
	return t;
}

static void a_start_tells_its_addresses(void **unused)
{
	struct playground_text t = parsed("playground.upstream.stdout");

	(void)unused;
	assert_true(t.started);
	assert_int_equal(t.n_sql, 1);
	assert_string_equal(t.sql[0].host, "127.0.0.1");
	assert_int_equal(t.sql[0].port, 15000);
	assert_string_equal(t.pd.host, "127.0.0.1");
	assert_int_equal(t.pd.port, 13379);
	assert_string_equal(t.failed, "");
	assert_string_equal(t.quit, "");
	assert_false(t.stopping);
	t = parsed("playground.two-tidb.stdout");
	assert_int_equal(t.n_sql, 2);
	assert_int_equal(t.sql[1].port, 15001);
	/* the second one was up first */
	const char swapped[] =
		"Connect TiDB:    mysql --comments --host 127.0.0.1 --port 6001 -u root\n"
		"Connect TiDB:    mysql --comments --host 127.0.0.1 --port 6000 -u root\n";

	t = (struct playground_text){ 0 };
	playground_text_parse(&t, swapped, sizeof(swapped) - 1);
	assert_int_equal(t.n_sql, 2);
	assert_int_equal(t.sql[0].port, 6000);
	/* a busy port becomes a random one, not the next */
	t = parsed("playground.default-ports-busy.stdout");
	assert_int_equal(t.sql[0].port, 32875);
	assert_int_equal(t.pd.port, 45565);
}

static void a_terminals_colours_do_not_matter(void **unused)
{
	struct playground_text t = parsed("playground.on-a-terminal.stdout");

	(void)unused;
	assert_true(t.started);
	assert_int_equal(t.sql[0].port, 15000);
	assert_int_equal(t.pd.port, 13379);
}

static void what_stops_on_a_signal_did_not_die(void **unused)
{
	static const char *const names[] = { "playground.downstream.stdout",
					     "playground.upstream-restart.stdout",
					     "playground.sigint-twice.stdout",
					     "playground.default-ports-busy.stdout" };

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct playground_text t = parsed(names[i]);

		assert_true(t.stopping);
		assert_string_equal(t.quit, "");
	}
}

static void failures_are_told_in_their_own_words(void **unused)
{
	struct playground_text t = parsed("playground.component-unknown.stdout");

	(void)unused;
	assert_false(t.started);
	assert_string_equal(t.failed, "Playground bootstrapping failed: unknown component");
	t = parsed("playground.tidb-dies.stdout");
	assert_true(t.started);
	assert_string_equal(t.quit, "tidb-0: exit status 3");
	assert_string_equal(t.quit_log, "/home/u/.tiup/data/tidb-dies/tidb-0/tidb.log");
	/* no banner, no exit: the Dashboard's line still comes */
	t = parsed("playground.tidb-late-with-db-timeout-4.stdout");
	assert_false(t.started);
	assert_string_equal(t.late, "127.0.0.1:15000");
	assert_int_equal(t.pd.port, 13379);
}

static void a_half_written_line_says_nothing_yet(void **unused)
{
	static const char text[] = "Connect TiDB:    mysql --comments --host 127.0.0.1 --port 15";
	struct playground_text t;

	(void)unused;
	playground_text_parse(&t, text, sizeof(text) - 1);
	assert_false(t.started);
}

/* tiup 1.9.1, as its source prints it: there is no recording. */
static void the_banner_of_2022_is_understood(void **unused)
{
	static const char text[] =
		"Playground Bootstrapping...\nStart pd instance:v5.4.0\n127.0.0.1:4000 ... Done\nCLUSTER START SUCCESSFULLY, Enjoy it ^-^\n"
		"To connect TiDB: mysql --comments --host 127.0.0.1 --port 4000 -u root -p (no password)\n"
		"To view the dashboard: http://127.0.0.1:2379/dashboard\nPD client endpoints: [127.0.0.1:2379]\n";
	struct playground_text t;

	(void)unused;
	playground_text_parse(&t, text, sizeof(text) - 1);
	assert_true(t.started);
	assert_int_equal(t.sql[0].port, 4000);
	assert_int_equal(t.pd.port, 2379);
}

static void garbage_is_bounded(void **unused)
{
	char text[5000];
	struct playground_text t;

	(void)unused;
	memset(text, 'a', sizeof(text));
	memcpy(text, "Error: ", 7);
	text[sizeof(text) - 1] = '\n';
	playground_text_parse(&t, text, sizeof(text));
	assert_int_equal(strlen(t.failed), 500);
	memcpy(text, "\033]0;", 4); /* a title that never ends */
	playground_text_parse(&t, text, sizeof(text));
	assert_string_equal(t.failed, "");
	static const char ports[] =
		"Connect TiDB: mysql --host h --port 70000 -u root\nTiDB Dashboard: http://:1/\nPD Endpoints: \n"
		"Connect TiDB: mysql --port 1\n-0 quit\n quit\n";
	playground_text_parse(&t, ports, sizeof(ports) - 1);
	assert_false(t.started);
	assert_int_equal(t.pd.port, 0);
}

static void the_process_of_playground_is_in_its_meta_file(void **unused)
{
	struct strbuf s = STRBUF_INIT;
	pid_t pid = 0;

	(void)unused;
	recording(&s, "playground.upstream.tiup_process_meta");
	assert_int_equal(playground_meta_pid(s.buf, s.len, &pid), 0);
	assert_int_equal(pid, 5512);
	assert_int_equal(playground_meta_pid(s.buf, s.len / 2, &pid), -1);
	/* a signal to it would go to init */
	assert_int_equal(playground_meta_pid("{\"pid\":1}", 9, &pid), -1);
	strbuf_release(&s);
}

/* A line of the recorded ps, as /proc has it: arguments end in NUL. */
static int component(const char *name, struct playground_component *c)
{
	struct strbuf s = STRBUF_INIT;
	char *line, *end;
	int rc = -1;

	recording(&s, "playground.process-tree.running.txt");
	line = strstr(s.buf, name);
	if (line) {
		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		size_t n = strlen(line) + 1;

		for (char *p = line; *p; p++)
			if (*p == ' ')
				*p = '\0';
		rc = playground_component_parse(c, line, n);
	}
	strbuf_release(&s);
	return rc;
}

static void components_tell_their_ports_on_their_command_lines(void **unused)
{
	struct playground_component c;

	(void)unused;
	assert_int_equal(component("/home/u/bin/pd-server --name", &c), 0);
	assert_int_equal(c.kind, PLAYGROUND_PD);
	assert_int_equal(c.address.port, 13379);
	assert_int_equal(component("/home/u/bin/tikv-server --addr", &c), 0);
	assert_int_equal(c.kind, PLAYGROUND_TIKV);
	assert_int_equal(c.address.port, 31160);
	assert_int_equal(c.status_port, 31180);
	assert_int_equal(component("/home/u/bin/tidb-server -P", &c), 0);
	assert_int_equal(c.kind, PLAYGROUND_TIDB);
	assert_int_equal(c.address.port, 15000);
	assert_int_equal(c.status_port, 21080);
	assert_string_equal(c.log, "/home/u/.tiup/data/upstream/tidb-0/tidb.log");
	assert_int_equal(component("/home/u/bin/cdc server", &c), 0); /* printed nowhere else */
	assert_int_equal(c.kind, PLAYGROUND_TICDC);
	assert_string_equal(c.address.host, "127.0.0.1");
	assert_int_equal(c.address.port, 19300);
	assert_int_equal(component("/home/u/.tiup/components/playground", &c), -1);
}

static void versions_are_compared_by_number(void **unused)
{
	struct strbuf s = STRBUF_INIT;
	unsigned v[3];

	(void)unused;
	recording(&s, "tiup-version.stdout");
	assert_int_equal(tool_version_parse(s.buf, v), 0);
	assert_int_equal(tool_version_cmp(v, 1, 16, 5), 0);
	assert_true(tool_version_cmp(v, 1, 9, 0) > 0);
	assert_int_equal(tool_version_parse("8.0.11-TiDB-v8.5.7", v), 0);
	assert_int_equal(tool_version_cmp(v, 8, 5, 7), 0);
	assert_int_equal(tool_version_parse("v6.2", v), 0);
	assert_true(tool_version_cmp(v, 6, 10, 0) < 0);
	assert_int_equal(tool_version_parse("nightly", v), -1);
	strbuf_release(&s);
}

static void pd_tells_who_it_is_and_how_it_is(void **unused)
{
	struct strbuf s = STRBUF_INIT;
	struct pd_members m;
	struct err e = ERR_INIT;

	(void)unused;
	recording(&s, "pd-members.json");
	assert_int_equal(pd_members_parse(&m, s.buf, s.len, &e), 0);
	assert_true(m.cluster_id == 7710417759212394238u); /* above 2^53 */
	assert_string_equal(m.version, "v8.5.7");
	assert_string_equal(m.client_url, "http://127.0.0.1:13379");
	recording(&s, "pd-health.json");
	assert_int_equal(pd_health_parse(s.buf, s.len, &e), 0);
	char *ill = strstr(s.buf, "true");

	memcpy(ill, "null", 4);
	assert_int_equal(pd_health_parse(s.buf, s.len, &e), -1);
	assert_string_equal(e.text, "PD member pd-0 is not healthy");
	recording(&s, "pd-stores.json"); /* an error is a JSON text, not an object */
	assert_int_equal(pd_members_parse(&m, s.buf, s.len, &e), -1);
	assert_int_equal(pd_health_parse("[]", 2, &e), -1);
	strbuf_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_tells_its_addresses),
		cmocka_unit_test(a_terminals_colours_do_not_matter),
		cmocka_unit_test(what_stops_on_a_signal_did_not_die),
		cmocka_unit_test(failures_are_told_in_their_own_words),
		cmocka_unit_test(a_half_written_line_says_nothing_yet),
		cmocka_unit_test(the_banner_of_2022_is_understood),
		cmocka_unit_test(garbage_is_bounded),
		cmocka_unit_test(the_process_of_playground_is_in_its_meta_file),
		cmocka_unit_test(components_tell_their_ports_on_their_command_lines),
		cmocka_unit_test(versions_are_compared_by_number),
		cmocka_unit_test(pd_tells_who_it_is_and_how_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
