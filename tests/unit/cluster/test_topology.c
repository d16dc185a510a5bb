/* Clusters as tiup and TiDB Operator tell of them (tests/fixtures/clusters, in the forms of tiup
 * 1.16 and of operators 1.6 and 2), and the first clusters file that is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cluster/attach/attach.h"
#include "harness/os/fs.h"
#include "harness/tidb/clusters_draft.h"

#define FOLDER "tests/fixtures/clusters/"

static void read_text(const char *name, struct strbuf *out)
{
	struct err e = ERR_INIT;

	if (fs_read_file(name, (size_t)1 << 20, out, &e) < 0)
		fail_msg("%s", e.text);
}

static struct topology of_tiup(const char *file)
{
	struct strbuf text = STRBUF_INIT;
	struct topology t;
	struct err e = ERR_INIT;

	read_text(file, &text);
	if (topology_of_tiup(text.buf, text.len, &t, &e) < 0)
		fail_msg("%s", e.text);
	strbuf_release(&text);
	return t;
}

static size_t of_kubernetes(const char *clusters, const char *services, struct topology t[4])
{
	struct strbuf text = STRBUF_INIT, of = STRBUF_INIT;
	struct err e = ERR_INIT;
	size_t n = 0;

	read_text(clusters, &text);
	if (services)
		read_text(services, &of);
	if (topology_of_kubernetes(text.buf, text.len, services ? of.buf : NULL, of.len, t, 4, &n,
				   &e) < 0)
		fail_msg("%s", e.text);
	strbuf_release(&text);
	strbuf_release(&of);
	return n;
}

static void tiup_tells_addresses_and_certificates(void **unused)
{
	struct topology t = of_tiup(FOLDER "tiup-prod.json");

	(void)unused;
	assert_string_equal(t.name, "prod");
	assert_string_equal(t.version, "v8.5.3");
	assert_string_equal(t.sql_host, "10.0.1.10");
	assert_int_equal(t.sql_port, 4000);
	assert_int_equal(t.n_sql, 2);
	assert_string_equal(t.pd, "https://10.0.1.11:2379");
	assert_string_equal(t.status, "https://10.0.1.10:10080");
	/* the other one is down */
	assert_string_equal(t.ticdc, "https://10.0.1.15:8300");
	assert_int_equal(t.n_ticdc, 2);
	assert_true(t.tls);
	assert_string_equal(t.key, "/home/tidb/.tiup/storage/cluster/clusters/prod/tls/client.pem");
}

static void tiup_without_tls_over_ipv6(void **unused)
{
	struct topology t = of_tiup(FOLDER "tiup-standby.json");

	(void)unused;
	assert_string_equal(t.sql_host, "2001:db8::10");
	assert_string_equal(t.status, "http://[2001:db8::10]:10080");
	assert_string_equal(t.ticdc, "");
	assert_false(t.tls);
}

static void operator_1_tells_services_ids_and_zone(void **unused)
{
	struct topology t[4];

	(void)unused;
	assert_int_equal(of_kubernetes(FOLDER "dr-drill/tidbcluster.json",
				       FOLDER "dr-drill/service.json", t),
			 2);
	assert_string_equal(t[0].name, "secondary");
	assert_string_equal(t[0].sql_host, "secondary-tidb.dr-drill");
	assert_int_equal(t[0].sql_port, 4400);
	assert_string_equal(t[0].ticdc, "");
	assert_string_equal(t[0].time_zone, "");
	assert_string_equal(t[1].pd, "https://primary-pd.dr-drill:2379");
	assert_string_equal(t[1].status, "https://primary-tidb.dr-drill:10080");
	assert_string_equal(t[1].ticdc, "https://primary-ticdc-peer.dr-drill:8301");
	assert_string_equal(t[1].time_zone, "Asia/Shanghai");
	assert_true(t[1].sql_tls);
	assert_true(t[1].cluster_id == UINT64_C(17412997407283468988)); /* above 2^63 */
}

static void operator_1_without_its_services_has_the_usual_ones(void **unused)
{
	struct topology t[4];

	(void)unused;
	assert_int_equal(of_kubernetes(FOLDER "dr-drill/tidbcluster.json", NULL, t), 2);
	assert_string_equal(t[0].sql_host, "secondary-tidb.dr-drill");
	assert_int_equal(t[0].sql_port, 4000);
	assert_string_equal(t[1].ticdc, "https://primary-ticdc-peer.dr-drill:8301");
	assert_string_equal(t[0].ticdc, "");
}

static void operator_2_tells_services_by_its_labels(void **unused)
{
	struct topology t[4];

	(void)unused;
	assert_int_equal(of_kubernetes(FOLDER "operator2/clusters.core.pingcap.com.json",
				       FOLDER "operator2/service.json", t),
			 1);
	assert_string_equal(t[0].sql_host, "db-tidb.operator2");
	assert_string_equal(t[0].status, "http://db-tidb.operator2:10080");
	assert_string_equal(t[0].pd, "http://pd-pd.operator2:2379");
	assert_string_equal(t[0].ticdc, "http://cdc-ticdc-peer.operator2:8300");
	assert_true(t[0].cluster_id == UINT64_C(7512997407283468988));
}

static void what_is_neither_is_refused(void **unused)
{
	static const char *const texts[] = {
		"",
		"{",
		"Error: Cluster x not found",
		"{\"cluster_meta\": {}}",
		"{\"cluster_meta\": {}, \"instances\": [{\"role\": \"tidb\", \"host\": 7}]}",
		"{\"items\": [{\"kind\": \"Pod\", \"metadata\": {\"name\": \"x\"}}]}",
		"{\"items\": {}}",
		"[]",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct topology t[4];
		struct err e = ERR_INIT, of = ERR_INIT;
		size_t n;

		assert_int_equal(topology_of_tiup(texts[i], strlen(texts[i]), t, &e), -1);
		assert_true(e.text[0]);
		assert_int_equal(
			topology_of_kubernetes(texts[i], strlen(texts[i]), NULL, 0, t, 4, &n, &of),
			-1);
		assert_true(of.text[0]);
	}
}

/* The text as a clusters file. */
static void read_back(const struct clusters_draft *d, struct attach_file *f)
{
	char path[] = "/tmp/drtest-draft.XXXXXX";
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	int fd = mkstemp(path);

	clusters_draft_text(d, path, &text);
	assert_int_equal(fs_write_all(fd, text.buf, text.len, &e), 0);
	close(fd);
	if (attach_file_read(f, path, &e) < 0)
		fail_msg("%s in:\n%s", e.text, text.buf);
	unlink(path);
	strbuf_release(&text);
}

static void the_file_is_read_again_and_allows_nothing(void **unused)
{
	struct clusters_draft d = { 0 };
	struct sql_endpoint none = { 0 };
	struct topology a = of_tiup(FOLDER "tiup-prod.json"),
			b = of_tiup(FOLDER "tiup-standby.json");
	struct attach_file *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	(void)unused;
	a.cluster_id = UINT64_C(17412997407283468988);
	strcpy(a.time_zone, "+08:00");
	assert_int_equal(clusters_draft_add(&d, NULL, "tiup:prod", &a, &none, &e), 0);
	assert_int_equal(clusters_draft_add(&d, NULL, "tiup:standby", &b, &none, &e), 0);
	assert_int_equal(clusters_draft_add(&d, NULL, "tiup:prod", &a, &none, &e), -1);
	read_back(&d, f);
	assert_int_equal(f->n, 2);
	assert_string_equal(f->redo_time_zone, "+08:00");
	assert_string_equal(f->c[0].name, "primary");
	assert_string_equal(f->c[0].sql.host, "10.0.1.10");
	assert_string_equal(f->c[0].ticdc, "https://10.0.1.15:8300");
	assert_true(f->c[0].cluster_id == a.cluster_id);
	assert_string_equal(f->c[0].tls.key, a.key);
	assert_true(f->c[0].sql_tls.off); /* tiup's TLS is between the parts */
	assert_string_equal(f->c[1].sql.host, "2001:db8::10");
	for (size_t i = 0; i < 2; i++)
		assert_true(!f->c[i].allow && !f->c[i].expendable);
	attach_file_release(f);
	free(f);
}

static void names_that_scenarios_ask_for_are_kept(void **unused)
{
	struct clusters_draft d = { 0 };
	struct sql_endpoint none = { 0 };
	struct topology t[4];
	struct attach_file *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	(void)unused;
	of_kubernetes(FOLDER "dr-drill/tidbcluster.json", FOLDER "dr-drill/service.json", t);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			clusters_draft_add(&d, NULL, "kubernetes:dr-drill", &t[i], &none, &e), 0);
	assert_string_equal(d.c[0].role, "secondary");
	assert_string_equal(d.c[1].role, "primary");
	read_back(&d, f);
	assert_string_equal(f->redo_time_zone, "Asia/Shanghai");
	assert_true(f->c[0].sql_tls.given && f->c[0].tls.given);
	assert_int_equal(f->c[1].sql.port, 4400);
	attach_file_release(f);
	free(f);
}

static void what_a_source_tells_is_text_and_no_lua(void **unused)
{
	struct clusters_draft d = { 0 };
	struct sql_endpoint ep = { .user = "a\"} while true do end --", .password = "topsecret" };
	struct topology t = { .name = "x\nwhile true do end",
			      .version = "]]\r\n\"",
			      .sql_host = "h", /* an address that is none is refused when read */
			      .sql_port = 1,
			      .pd = "https://pd:1",
			      .ca = "\001]]",
			      .tls = true };
	struct attach_file *f = calloc(1, sizeof(*f));
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(
		clusters_draft_add(&d, "new-primary", "mysql://root:topsecret@h\n:1/", &t, &ep, &e),
		0);
	strcpy(d.redo, "s3://a\"b\n");
	strcpy(d.changefeed, "x\", y = \"");
	clusters_draft_text(&d, "a\nb", &text);
	assert_null(strstr(text.buf, "topsecret"));
	read_back(&d, f);
	assert_string_equal(f->c[0].sql.host, "h");
	assert_string_equal(f->c[0].sql.user, ep.user);
	assert_string_equal(f->changefeed, d.changefeed);
	attach_file_release(f);
	free(f);
	strbuf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tiup_tells_addresses_and_certificates),
		cmocka_unit_test(tiup_without_tls_over_ipv6),
		cmocka_unit_test(operator_1_tells_services_ids_and_zone),
		cmocka_unit_test(operator_1_without_its_services_has_the_usual_ones),
		cmocka_unit_test(operator_2_tells_services_by_its_labels),
		cmocka_unit_test(what_is_neither_is_refused),
		cmocka_unit_test(the_file_is_read_again_and_allows_nothing),
		cmocka_unit_test(names_that_scenarios_ask_for_are_kept),
		cmocka_unit_test(what_a_source_tells_is_text_and_no_lua),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
