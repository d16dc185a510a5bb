/* The map from GTID to commit TSO, from files written here sample by sample; quoting; endpoints
 * from URIs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#include "harness/sql/tso_map.h"

static char path[] = "/tmp/drtest-tso-map.XXXXXX";

static int setup(void **unused)
{
	int fd;

	(void)unused;
	strcpy(path, "/tmp/drtest-tso-map.XXXXXX");
	fd = mkstemp(path);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int teardown(void **unused)
{
	(void)unused;
	unlink(path);
	return 0;
}

static void append(uint64_t ms, uint64_t seq, size_t bytes, bool damaged)
{
	unsigned char r[24];
	uint64_t v[2] = { ms, seq }, sum;
	FILE *f = fopen(path, "ab");

	for (int k = 0; k < 2; k++)
		for (int i = 0; i < 8; i++)
			r[k * 8 + i] = (unsigned char)(v[k] >> (8 * i));
	sum = XXH3_64bits(r, 16) ^ damaged;
	for (int i = 0; i < 8; i++)
		r[16 + i] = (unsigned char)(sum >> (8 * i));
	assert_non_null(f);
	assert_int_equal(fwrite(r, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

static struct tso_map *opened(void)
{
	struct err e = ERR_INIT;
	struct tso_map *m = tso_map_open(path, &e);

	if (!m)
		print_error("%s\n", e.text);
	assert_non_null(m);
	return m;
}

static void every_gtid_has_one_tso_between_its_samples(void **unused)
{
	struct err e = ERR_INIT;
	struct tso_map *m;
	tso_t before = 0, ts;
	uint64_t seq;

	(void)unused;
	append(1000, 10, 24, false);
	append(1050, 10, 24, false);
	append(1100, 13, 24, false);
	append(1150, 13, 24, false);
	append(1200, 20, 24, false);
	m = opened();
	for (uint64_t n = 11; n <= 20; n++) {
		assert_int_equal(tso_map_of_seq(m, n, &ts, &e), 1);
		assert_true(ts > before);
		assert_int_equal(tso_ms(ts), n <= 13 ? 1100 : 1200);
		assert_int_equal(tso_map_seq_at(m, ts, &seq, &e), 0);
		assert_int_equal(seq, n); /* and back */
		before = ts;
	}
	assert_int_equal(tso_map_of_seq(m, 21, &ts, &e), 0); /* not covered yet */
	assert_int_equal(tso_map_of_seq(m, 10, &ts, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	tso_map_free(m);
}

static void it_follows_the_file_and_time_goes_on_while_nothing_commits(void **unused)
{
	struct err e = ERR_INIT;
	struct tso_map *m;
	tso_t ts, idle;
	uint64_t seq;

	(void)unused;
	append(1000, 10, 24, false);
	m = opened();
	append(1100, 12, 24, false);
	assert_int_equal(tso_map_refresh(m, &e), 0);
	assert_int_equal(tso_map_last(m, &seq, &ts), 1);
	assert_int_equal(seq, 12);
	append(1300, 12, 24, false);
	assert_int_equal(tso_map_refresh(m, &e), 0);
	assert_int_equal(tso_map_last(m, &seq, &idle), 1);
	assert_int_equal(seq, 12);
	assert_int_equal(tso_ms(idle), 1300);
	append(1350, 13, 24, false);
	assert_int_equal(tso_map_refresh(m, &e), 0);
	assert_int_equal(tso_map_of_seq(m, 13, &ts, &e), 1);
	assert_true(ts > idle); /* a later commit is later than the idle point */
	tso_map_free(m);
}

static void a_torn_tail_is_waited_for(void **unused)
{
	struct err e = ERR_INIT;
	struct tso_map *m;
	tso_t ts;
	uint64_t seq;

	(void)unused;
	append(1000, 10, 24, false);
	append(1100, 12, 11, false);
	m = opened();
	assert_int_equal(tso_map_last(m, &seq, &ts), 1);
	assert_int_equal(seq, 10);
	assert_int_equal(truncate(path, 24), 0);
	append(1100, 12, 24, false);
	assert_int_equal(tso_map_refresh(m, &e), 0);
	assert_int_equal(tso_map_last(m, &seq, &ts), 1);
	assert_int_equal(seq, 12);
	tso_map_free(m);
}

static void refused(const char *why)
{
	struct err e = ERR_INIT;

	assert_null(tso_map_open(path, &e));
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_non_null(strstr(e.text, why));
	assert_int_equal(truncate(path, 0), 0);
}

static void damage_is_refused(void **unused)
{
	(void)unused;
	append(1000, 10, 24, false);
	append(1100, 12, 24, true);
	append(1200, 14, 24, false);
	refused("sample 1 is damaged");
	append(1000, 10, 24, false);
	append(1000, 12, 24, false);
	refused("goes backward");
	append(1000, 10, 24, false);
	append(1100, 9, 24, false);
	refused("goes backward");
}

static void a_gtid_has_one_sequence_number(void **unused)
{
	struct err e = ERR_INIT;
	uint64_t seq = 0;

	(void)unused;
	assert_int_equal(gtid_parse_seq("0-1-42", &seq, &e), 0);
	assert_int_equal(seq, 42);
	assert_int_equal(gtid_parse_seq("", &seq, &e), 0);
	assert_int_equal(seq, 0);
	for (const char *const *bad =
		     (const char *const[]){ "0-1-1,1-1-2", "0-1", "x", "0-1-18446744073709551616",
					    "0-1-4x", NULL };
	     *bad; bad++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(gtid_parse_seq(*bad, &seq, &e), -1);
		assert_non_null(strstr(e.text, *bad));
	}
}

static void what_goes_into_a_statement_is_quoted(void **unused)
{
	struct strbuf s = STRBUF_INIT;

	(void)unused;
	sql_add_name(&s, "a`b");
	sql_add_text(&s, "it's\0\\", 6);
	sql_add_binary(&s, "\x00\xff", 2);
	sql_add_binary(&s, "", 0);
	assert_string_equal(s.buf, "`a``b`'it\\'s\\0\\\\'x'00ff'''");
	strbuf_release(&s);
}

static void an_endpoint_comes_from_a_sink_uri(void **unused)
{
	struct sql_endpoint ep;
	struct err e = ERR_INIT;
	struct strbuf s = STRBUF_INIT;

	(void)unused;
	assert_int_equal(sql_endpoint_from_uri(
				 &ep, "mysql://ro%40ot:p%3Aw@10.0.0.1:4000/?ssl-ca=/ca.pem", &e),
			 0);
	assert_string_equal(ep.user, "ro@ot");
	assert_string_equal(ep.password, "p:w");
	assert_string_equal(ep.ssl_ca, "/ca.pem");
	assert_int_equal(ep.port, 4000);
	sql_endpoint_text(&ep, &s);
	assert_string_equal(s.buf, "10.0.0.1:4000"); /* for people: no password */
	strbuf_release(&s);
	assert_int_equal(sql_endpoint_from_uri(&ep, "kafka://127.0.0.1:9092/topic", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_gtid_has_one_tso_between_its_samples, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			it_follows_the_file_and_time_goes_on_while_nothing_commits, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_torn_tail_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_refused, setup, teardown),
		cmocka_unit_test(a_gtid_has_one_sequence_number),
		cmocka_unit_test(what_goes_into_a_statement_is_quoted),
		cmocka_unit_test(an_endpoint_comes_from_a_sink_uri),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
