/* The feed's options and status as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/feed/config.h"
#include "harness/feed/status.h"

static struct feed_opts sample(void)
{
	struct feed_opts o = { .id = "primary-to-secondary",
			       .start_ts = 462327647921766401u,
			       .flush_ms = 500,
			       .meta_ms = 50,
			       .sink_workers = 3 };

	o.source = (struct sql_endpoint){
		.host = "127.0.0.1", .port = 4000, .user = "root", .password = "p\"w\\\xc3\xa9"
	};
	o.sink = (struct sql_endpoint){
		.host = "127.0.0.1", .port = 4001, .user = "root", .ssl_ca = "/ca.pem"
	};
	snprintf(o.tso_map, sizeof(o.tso_map), "/var/tmp/tso.map");
	snprintf(o.redo_uri, sizeof(o.redo_uri),
		 "s3://redo/p?access-key=minio&secret-access-key=s&endpoint=http://127.0.0.1:6060");
	snprintf(o.status_path, sizeof(o.status_path), "/var/tmp/status.json");
	o.max_log_bytes = (size_t)5 << 30;
	o.lz4 = true;
	o.sink_batch_rows = 17;
	return o;
}

static void options_survive_json(void **unused)
{
	struct feed_opts o = sample(), back;
	struct err e = ERR_INIT;
	json_t *j = feed_opts_to_json(&o);
	char *text = json_dumps(j, 0);

	(void)unused;
	assert_int_equal(feed_opts_from_text(&back, text, strlen(text), &e), 0);
	assert_memory_equal(&o, &back, sizeof(o));
	free(text);
	json_decref(j);
}

static void refused(const char *text, const char *why)
{
	struct feed_opts o;
	struct err e = ERR_INIT;

	assert_int_equal(feed_opts_from_text(&o, text, strlen(text), &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	if (!strstr(e.text, why))
		fail_msg("\"%s\" does not say \"%s\"", e.text, why);
}

static void bad_options_name_the_field(void **unused)
{
	(void)unused;
	refused("", "feed options");
	refused("[]", "object");
	refused("{\"id\":1}", "id");
	refused("{\"speed\":1}", "\"speed\"");
	refused("{\"source\":{\"hosts\":\"x\"}}", "\"hosts\"");
	refused("{\"source\":{\"port\":-1}}", "port");
	refused("{\"start_ts\":462327647921766401}", "start_ts");
	refused("{\"start_ts\":\"12x\"}", "start_ts");
	refused("{\"flush_ms\":1.5}", "flush_ms");
	refused("{\"lz4\":1}", "lz4");
	refused("{\"id\":\"a\",\"id\":\"b\"}", "duplicate");
}

static int check_with_id(const char *id)
{
	struct feed_opts o = sample();
	struct err e = ERR_INIT;

	snprintf(o.id, sizeof(o.id), "%s", id);
	return feed_opts_check(&o, &e);
}

static void ids_are_those_of_ticdc(void **unused)
{
	static const char *const good[] = { "a", "A9", "a-b", "redo-swap-1", "0" };
	static const char *const bad[] = { "",    "-",   "a-",       "-a",  "a--b", "a_b",
					   "a.b", "a b", "\xc3\xa9", "a/b", "a'b" };

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(check_with_id(good[i]), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(check_with_id(bad[i]), -1);
}

static void limits_are_held(void **unused)
{
	struct err e = ERR_INIT;
	struct feed_opts o = sample();

	(void)unused;
	assert_int_equal(feed_opts_check(&o, &e), 0);
	o.flush_ms = 49;
	assert_int_equal(feed_opts_check(&o, &e), -1);
	o = sample(), o.sink_workers = 65;
	assert_int_equal(feed_opts_check(&o, &e), -1);
	o = sample(), o.sink.port = 4000;
	assert_int_equal(feed_opts_check(&o, &e), -1);
	o = sample(), o.start_ts = 0;
	assert_int_equal(feed_opts_check(&o, &e), -1);
	memset(&o, 0, sizeof(o));
	feed_opts_defaults(&o);
	assert_int_equal(o.flush_ms, 2000);
	assert_int_equal(o.meta_ms, 200);
	assert_int_equal(o.sink_workers, 4);
	assert_int_equal(o.sink_batch_rows, 256);
}

static void status_survives_its_file(void **unused)
{
	struct feed_status st = { .state = FEED_FAILED,
				  .checkpoint_ts = 462327647921766401u,
				  .resolved_ts = 462327647921766402u,
				  .checkpoint_seq = 7,
				  .resolved_seq = 9,
				  .lag_ms = -3,
				  .written_wall_ms = 1763700000000,
				  .transactions = 1,
				  .rows = 2,
				  .ddls = 3,
				  .redo_bytes = 4,
				  .sink_busy = true,
				  .log_still = { 3100, "the store" },
				  .sink_still = { 0, "" },
				  .error = "line \"one\"" };
	struct feed_status back;
	struct err e = ERR_INIT;
	char path[64];

	(void)unused;
	snprintf(path, sizeof(path), "/tmp/test-feed-status-%d", (int)getpid());
	assert_int_equal(feed_status_read(path, &back, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(feed_status_write(path, &st, &e), 0);
	assert_int_equal(feed_status_read(path, &back, &e), 0);
	assert_memory_equal(&st, &back, sizeof(st));
	/* no UTF-8: told all the same */
	snprintf(st.error, sizeof(st.error), "Duplicate entry '\xff\xfe'");
	assert_int_equal(feed_status_write(path, &st, &e), 0);
	assert_int_equal(feed_status_read(path, &back, &e), 0);
	assert_string_equal(back.error, "Duplicate entry '?"
					"?'");
	{ /* a link of somebody else's in the way: what it points to stays as it is */
		char tmp[80], precious[80];

		snprintf(tmp, sizeof(tmp), "%s.tmp", path);
		snprintf(precious, sizeof(precious), "%s.precious", path);
		assert_int_equal(symlink(precious, tmp), 0);
		assert_int_equal(feed_status_write(path, &st, &e), 0);
		assert_int_equal(access(precious, F_OK), -1);
		assert_int_equal(access(tmp, F_OK), -1);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_survive_json),
		cmocka_unit_test(bad_options_name_the_field),
		cmocka_unit_test(ids_are_those_of_ticdc),
		cmocka_unit_test(limits_are_held),
		cmocka_unit_test(status_survives_its_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
