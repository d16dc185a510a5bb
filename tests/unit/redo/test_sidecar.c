#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "harness/redo/sidecar.h"

static void make(struct strbuf *out)
{
	struct redo_bytes a = { "sql_mode=4 db=a", 15 }, b = { "sql_mode=0", 10 },
			  previous = { "c_f_ddl_7_u.log", 15 };

	strbuf_reset(out);
	sidecar_format(out, 2, 0x123456789abcdef0);
	sidecar_add_file(out, 470766685008691200, &previous);
	sidecar_add_ddl(out, 470766685008691201, &a);
	sidecar_add_ddl(out, 470766685008691203, &b);
}

static void sessions_are_found_by_their_commit_ts(void **unused)
{
	struct strbuf side = STRBUF_INIT;
	struct sidecar_file f;
	struct redo_bytes s;
	uint64_t records, sum;
	struct err e = ERR_INIT;

	(void)unused;
	make(&side);
	assert_int_equal(sidecar_parse(side.buf, side.len, &records, &sum, &e), 0);
	assert_int_equal(records, 2);
	assert_true(sum == 0x123456789abcdef0);
	s = sidecar_session(side.buf, side.len, 470766685008691203);
	assert_int_equal(s.n, 10);
	assert_memory_equal(s.p, "sql_mode=0", 10);
	s = sidecar_session(side.buf, side.len, 470766685008691201);
	assert_memory_equal(s.p, "sql_mode=4 db=a", 15);
	assert_int_equal(sidecar_session(side.buf, side.len, 470766685008691202).n, 0);
	assert_int_equal(sidecar_session(NULL, 0, 1).n, 0);
	assert_int_equal(sidecar_session(side.buf, side.len, 470766685008691200).n, 0);
	f = sidecar_file(side.buf, side.len);
	assert_true(f.first_ts == 470766685008691200);
	assert_int_equal(f.previous.n, 15);
	assert_memory_equal(f.previous.p, "c_f_ddl_7_u.log", 15);
	assert_true(sidecar_file(side.buf, 32).first_ts == 0);
	strbuf_release(&side);
}

/* Each byte of it counts, in each line. */
static void a_damaged_sidecar_is_none(void **unused)
{
	struct strbuf side = STRBUF_INIT;
	uint64_t records, sum;
	struct err e = ERR_INIT;

	(void)unused;
	make(&side);
	for (size_t i = 0; i < side.len; i++) {
		char had = side.buf[i];

		for (int c = 1; c < 256; c++) {
			side.buf[i] = (char)(had + c);
			/* the first line's figures are held against the log file itself */
			if (sidecar_parse(side.buf, side.len, &records, &sum, &e) == 0 &&
			    (i >= 32 || (records == 2 && sum == 0x123456789abcdef0)))
				fail_msg("byte %zu as %02x is taken", i,
					 (unsigned char)side.buf[i]);
		}
		side.buf[i] = had;
		if (i && side.buf[i - 1] != '\n')
			assert_int_equal(sidecar_parse(side.buf, i, &records, &sum, &e), -1);
	}
	strbuf_release(&side);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_are_found_by_their_commit_ts),
		cmocka_unit_test(a_damaged_sidecar_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
