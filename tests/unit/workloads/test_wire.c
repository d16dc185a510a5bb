#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "workloads/wire.h"

#define BYTES(text) ((const unsigned char *)(text)), sizeof(text) - 1

static void a_command_is_what_the_protocol_says(void **state)
{
	struct strbuf out = STRBUF_INIT;
	char word[] = "it's", large[300];
	struct con_call call = { .n_args = 3,
				 .arg = { { .number = -2 },
					  { .is_text = true, .text = word, .len = 4 },
					  { .is_text = true, .text = large, .len = 300 } } };

	(void)state;
	memset(large, 'x', sizeof(large));
	wire_query(&out, "COMMIT", 6);
	assert_int_equal(out.len, 11);
	assert_memory_equal(out.buf, "\7\0\0\0\3COMMIT", 11);
	wire_execute(&out, 0x01020304, &call);
	static const char execute[] = "\x4e\1\0\0\x17\4\3\2\1\0\1\0\0\0\0\1\x08\0\xfe\0\xfe\0"
				      "\xfe\xff\xff\xff\xff\xff\xff\xff\4it's\xfc\x2c\1xxx";
	assert_int_equal(out.len, 4 + 0x14e);
	assert_memory_equal(out.buf, execute, sizeof(execute) - 1);
	call.n_args = 0;
	wire_execute(&out, 7, &call);
	assert_int_equal(out.len, 14);
	assert_memory_equal(out.buf, "\x0a\0\0\0\x17\7\0\0\0\0\1\0\0\0", 14);
	strbuf_release(&out);
}

/* As MariaDB sends them; the second with a position. */
static void an_answer_is_whole_with_its_last_byte(void **state)
{
	static const char done[] = "\7\0\0\1\0\2\0\2\0\0\0";
	static const char committed[] = "\x1c\0\0\1\0\0\0\2\x40\0\0\0\x13\0\x11\x09last_gtid\6"
					"0-1-42";
	static const char refused[] = "\x1e\0\0\1\xff\xbd\x04#40001Deadlock found, again";
	struct wire_answer a;

	(void)state;
	for (size_t n = 0; n < sizeof(committed) - 1; n++)
		assert_int_equal(wire_answer((const unsigned char *)committed, n, true, &a), 0);
	assert_int_equal(wire_answer(BYTES(committed), true, &a), 1);
	assert_int_equal(a.code, 0);
	assert_int_equal(a.gtid, 42);
	assert_int_equal(wire_answer(BYTES(done), true, &a), 1);
	assert_int_equal(a.affected, 2);
	assert_int_equal(a.gtid, 0);
	for (size_t n = 0; n < sizeof(refused) - 1; n++)
		assert_int_equal(wire_answer((const unsigned char *)refused, n, true, &a), 0);
	assert_int_equal(wire_answer(BYTES(refused), true, &a), 1);
	assert_int_equal(a.code, 1213);
	assert_string_equal(a.text, "Deadlock found, again");
}

/* A server that kills a connection says so without being asked, as packet 0: an error all the same.
 * An OK that is none to this command must not acknowledge it. */
static void only_an_answer_to_the_command_acknowledges_it(void **state)
{
	static const struct {
		const unsigned char *bytes;
		size_t n;
	} none[] = {
		{ BYTES("\7\0\0\0\0\0\0\2\0\0\0") },               /* packet 0 */
		{ BYTES("\7\0\0\2\0\0\0\2\0\0\0") },               /* packet 2 */
		{ BYTES("\7\0\0\1\0\0\0\2\0\0\0\7") },             /* another begins */
		{ BYTES("\7\0\0\1\0\0\0\x0a\0\0\0") },             /* more results come */
		{ BYTES("\1\0\0\1\1") },                           /* a column's rows */
		{ BYTES("\1\0\0\1\xfb") },                         /* LOCAL INFILE */
		{ BYTES("\5\0\0\1\xfe\0\0\2\0") },                 /* EOF */
		{ BYTES("\3\0\0\1\0\0\0") },                       /* ends too early */
		{ BYTES("\3\0\0\1\xff\xff\xff") },                 /* progress */
		{ BYTES("\0\0\0\1") },                             /* empty */
		{ BYTES("\xff\xff\xff\1\0") },                     /* 16 MiB */
		{ BYTES("\x0a\0\0\1\0\0\0\2\x40\0\0\0\x13\0") },   /* changes beyond its end */
		{ BYTES("\x0b\0\0\1\0\0\0\2\x40\0\0\0\2\0\x11") }, /* a change beyond theirs */
	};
	struct wire_answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(wire_answer(none[i].bytes, none[i].n, true, &a), -1);
	assert_int_equal(
		wire_answer(BYTES("\x1e\0\0\0\xff\x87\7#70100Connection was killed"), true, &a), 1);
	assert_int_equal(a.code, 1927);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_what_the_protocol_says),
		cmocka_unit_test(an_answer_is_whole_with_its_last_byte),
		cmocka_unit_test(only_an_answer_to_the_command_acknowledges_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
