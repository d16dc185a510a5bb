#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/compare/compare_json.h"
#include "harness/compare/compare_resume.h"
#include "harness/compare/compare_structure.h"
#include "harness/compare/compare_values.h"
#include "harness/sql/literal.h"

static int columns_of_key[] = { 0 }, columns_of_pair[] = { 0, 1 };
static struct column columns[] = {
	{ .name = (char *)"a", .type = COL_LONG, .charset = (char *)"binary" },
	{ .name = (char *)"b",
	  .type = COL_VARCHAR,
	  .charset = (char *)"utf8mb4",
	  .collation = (char *)"utf8mb4_bin" },
	{ .name = (char *)"v",
	  .type = COL_FLOAT,
	  .flags = COLF_NULLABLE,
	  .charset = (char *)"binary" },
};
static struct index_key key = {
	.primary = true, .not_null = true, .columns = columns_of_key, .n_columns = 1
};

static struct table_schema schema(const char *create)
{
	return (struct table_schema){ .db = (char *)"d",
				      .table = (char *)"t",
				      .columns = columns,
				      .n_columns = 3,
				      .uniques = &key,
				      .n_uniques = 1,
				      .create_sql = (char *)create };
}

static void ranges_hold_every_key_once(void **unused)
{
	struct table_schema t = schema("");
	char *low[] = { (char *)"1", (char *)"'x'" }, *high[] = { (char *)"9", (char *)"'z'" };
	struct key_bound lo = { low }, hi = { high };
	struct strbuf q = STRBUF_INIT;

	(void)unused;
	key_where(&q, &t, NULL, NULL);
	assert_string_equal(q.buf, "");
	key_where(&q, &t, &lo, &hi);
	assert_string_equal(q.buf, " WHERE `a` > 1 AND `a` <= 9");
	strbuf_reset(&q);
	key.columns = columns_of_pair;
	key.n_columns = 2;
	key_where(&q, &t, &lo, NULL);
	assert_string_equal(q.buf, " WHERE `a` >= 1 AND ((`a` > 1) OR (`a` = 1 AND `b` > 'x'))");
	strbuf_reset(&q);
	key_where(&q, &t, NULL, &hi);
	assert_string_equal(q.buf, " WHERE `a` <= 9 AND ((`a` < 9) OR (`a` = 9 AND `b` <= 'z'))");
	key.columns = columns_of_key;
	key.n_columns = 1;
	strbuf_reset(&q);
	literal_add_cell(&q, &columns[1], "é", 2);
	assert_string_equal(q.buf, "'é'");
	strbuf_release(&q);
}

static void sums_mark_null_and_length(void **unused)
{
	struct table_schema t = schema("");
	struct strbuf q = STRBUF_INIT;

	(void)unused;
	t.crc32c = true;
	checksum_row_list_as(&q, &t, "x", "y");
	assert_string_equal(
		q.buf,
		"CRC32(CONCAT_WS(',',ISNULL(`v`),`a`,LENGTH(`b`),`b`,IF(`v`=0 AND ATAN2(`v`,-1)<0,'-0',CAST(`v` AS DOUBLE)))) AS x,"
		"CRC32C(CONCAT_WS(',',ISNULL(`v`),`a`,LENGTH(`b`),`b`,IF(`v`=0 AND ATAN2(`v`,-1)<0,'-0',CAST(`v` AS DOUBLE)))) AS y");
	strbuf_reset(&q);
	t.crc32c = false;
	checksum_row_list(&q, &t);
	assert_string_equal(
		q.buf,
		"CRC32(CONCAT_WS(',',ISNULL(`v`),`a`,LENGTH(`b`),`b`,IF(`v`=0 AND ATAN2(`v`,-1)<0,'-0',CAST(`v` AS DOUBLE)))),"
		"CRC32(REVERSE(CONCAT_WS(',',ISNULL(`v`),`a`,LENGTH(`b`),`b`,IF(`v`=0 AND ATAN2(`v`,-1)<0,'-0',CAST(`v` AS DOUBLE)))))");
	strbuf_release(&q);
}

static void values_are_cut_and_always_text(void **unused)
{
	char wide[1000];
	json_t *j;

	(void)unused;
	memset(wide, 'x', sizeof(wide));
	j = compare_value(&columns[1], wide, sizeof(wide));
	assert_in_range(json_string_length(j), 200, 240);
	json_decref(j);
	j = compare_value(&columns[1], "\xff\xfe", 2);
	assert_string_equal(json_string_value(j), "0xfffe");
	json_decref(j);
	j = compare_value(&columns[1], "", 0);
	assert_string_equal(json_string_value(j), "");
	json_decref(j);
	j = compare_value(&columns[1], NULL, 0);
	assert_true(json_is_null(j));
	json_decref(j);
}

static void sums_of_rows_without_one_are_counted(void **unused)
{
	char *none[] = { (char *)"0", NULL, NULL },
	     *all[] = { (char *)"3", (char *)"12884901885", (char *)"4294967296" };
	char *two[] = { (char *)"3", (char *)"18446744073709551621",
			(char *)"18446744073709551625" },
	     *bad[] = { (char *)"3", (char *)"x", (char *)"1" };
	char *nothing[] = { (char *)"3", NULL, NULL };
	struct err e = ERR_INIT;
	struct rows_sum s;

	(void)unused;
	assert_int_equal(checksum_read(none, &s, &e), 0);
	assert_int_equal(s.rows + s.a + s.b + s.unread, 0);
	assert_int_equal(checksum_read(all, &s, &e), 0);
	assert_int_equal(s.rows, 3);
	assert_int_equal(s.a, 4294967293u);
	assert_int_equal(s.b, 0);
	assert_int_equal(s.unread, 0);
	assert_int_equal(checksum_read(two, &s, &e), 0);
	assert_int_equal(s.a, 5);
	assert_int_equal(s.b, 9);
	assert_int_equal(s.unread, 2);
	assert_int_equal(checksum_read(nothing, &s, &e), 0);
	assert_int_equal(s.unread, 3);
	assert_int_equal(checksum_read(bad, &s, &e), -1);
}

#define HEAD \
	"CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  `b` varchar(9),\n  PRIMARY KEY (`a`),\n  KEY `k` (`b`)\n) ENGINE=InnoDB"
static const char base[] = HEAD " AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4";

/* How many findings and notes two definitions give. */
static void differ(const char *x, const char *y, size_t findings, size_t notes)
{
	struct table_schema a = schema(x), b = schema(y);
	struct compare_opts o = { .a_name = "primary", .b_name = "secondary" };
	struct compare cmp = { .o = &o,
			       .findings = json_array(),
			       .notes = json_array(),
			       .counters_are_exact = true,
			       .findings_max = 100,
			       .findings_per_table = 20 };
	struct compare_table t = { .name = (char *)"d.t", .structure_equal = true };

	pthread_mutex_init(&cmp.lock, NULL);
	assert_int_equal(compare_structure(&cmp, &t, &a, &b, true), STRUCTURE_ORDERED);
	if (json_array_size(cmp.findings) != findings || json_array_size(cmp.notes) != notes ||
	    t.structure_equal != !findings)
		fail_msg("%s\n%s\n%s %s", x, y, json_dumps(cmp.findings, 0),
			 json_dumps(cmp.notes, 0));
	json_decref(cmp.findings);
	json_decref(cmp.notes);
	pthread_mutex_destroy(&cmp.lock);
}

static void structure_differs_by_definition_not_by_counter(void **unused)
{
	(void)unused;
	differ(base, base, 0, 0);
	differ(base, HEAD " AUTO_INCREMENT=77 DEFAULT CHARSET=utf8mb4", 0, 0);
	/* behind on the second */
	differ(HEAD " AUTO_INCREMENT=77 DEFAULT CHARSET=utf8mb4", base, 0, 1);
	differ(base, HEAD " DEFAULT CHARSET=utf8mb4", 0, 1);
	differ(base,
	       "CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  `b` varchar(10),\n  PRIMARY KEY (`a`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
	       2, 1);
	differ(HEAD " DEFAULT CHARSET=utf8mb4 /*T![auto_rand_base] AUTO_RANDOM_BASE=30001 */",
	       HEAD " DEFAULT CHARSET=utf8mb4 /*T![auto_rand_base] AUTO_RANDOM_BASE=60001 */", 0,
	       0);
	differ(HEAD " DEFAULT CHARSET=utf8mb4 /*T![auto_rand_base] AUTO_RANDOM_BASE=30001 */",
	       HEAD " DEFAULT CHARSET=utf8mb4", 0, 0);
	/* a comment is no counter */
	differ(HEAD " COMMENT='x AUTO_INCREMENT=1'", HEAD " COMMENT='x AUTO_INCREMENT=2'", 1, 0);
	differ(HEAD " COMMENT='/*T![auto_rand_base] AUTO_RANDOM_BASE=1 */'",
	       HEAD " COMMENT='/*T![auto_rand_base] AUTO_RANDOM_BASE=2 */'", 1, 0);
	differ(HEAD " DEFAULT CHARSET=utf8 COLLATE=utf8_bin",
	       HEAD " DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin", 0, 0);
	differ(HEAD " DEFAULT CHARSET=utf8 COLLATE=utf8_bin",
	       HEAD " DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin", 1, 0);
	differ(HEAD " COMMENT='CHARSET=utf8'", HEAD " COMMENT='CHARSET=utf8mb3'", 1, 0);
	differ(HEAD
	       "\n PARTITION BY RANGE (`a`)\n(PARTITION `p` VALUES LESS THAN (1),\n PARTITION `q` VALUES LESS THAN (2))",
	       HEAD
	       "\n PARTITION BY RANGE (`a`)\n(PARTITION `p` VALUES LESS THAN (1),\n PARTITION `q` VALUES LESS THAN (3))",
	       1, 0);
	differ(HEAD
	       "\n(PARTITION `p` VALUES IN (1),\n PARTITION `q` VALUES IN (2),\n PARTITION `r` VALUES IN (3))",
	       HEAD
	       "\n(PARTITION `p` VALUES IN (1),\n PARTITION `q` VALUES IN (2),\n PARTITION `r` VALUES IN (3))",
	       0, 0);
}

static struct column reversed[3];
static struct table_schema in_another_order(void)
{
	struct table_schema t = schema(base);

	for (int i = 0; i < 3; i++)
		reversed[i] = columns[2 - i];
	t.columns = reversed;
	return t;
}

static void columns_in_another_order_are_a_difference_and_compare_by_name(void **unused)
{
	struct compare_opts o = { 0 };
	struct compare cmp = { .o = &o,
			       .findings = json_array(),
			       .notes = json_array(),
			       .findings_max = 100,
			       .findings_per_table = 20 };
	struct compare_table t = { .name = (char *)"d.t", .structure_equal = true };
	struct table_schema a = schema(base), b;
	static int of_reversed[] = { 2 };
	struct index_key k = {
		.primary = true, .not_null = true, .columns = of_reversed, .n_columns = 1
	};

	(void)unused;
	pthread_mutex_init(&cmp.lock, NULL);
	for (int same_flavor = 0; same_flavor < 2; same_flavor++) {
		b = in_another_order();
		b.uniques = &k;
		of_reversed[0] = 2;
		t = (struct compare_table){ .name = (char *)"d.t", .structure_equal = true };
		assert_int_equal(compare_structure(&cmp, &t, &a, &b, same_flavor),
				 STRUCTURE_ORDERED);
		assert_false(t.structure_equal);
		assert_string_equal(b.columns[0].name, "a");
		assert_string_equal(b.columns[2].name, "v");
		assert_int_equal(of_reversed[0], 0);
	}
	b = in_another_order();
	b.n_columns = 2;
	b.n_uniques = 0;
	t = (struct compare_table){ .name = (char *)"d.t", .structure_equal = true };
	assert_int_equal(compare_structure(&cmp, &t, &a, &b, true), STRUCTURE_UNLIKE);
	assert_false(t.structure_equal); /* whatever the definitions say */
	json_decref(cmp.findings);
	json_decref(cmp.notes);
	pthread_mutex_destroy(&cmp.lock);
}

static void one_table_does_not_hide_the_others(void **unused)
{
	struct compare_opts o = { 0 };
	struct compare cmp = {
		.o = &o, .findings = json_array(), .findings_max = 30, .findings_per_table = 20
	};
	struct compare_table many[50] = { { 0 } };

	(void)unused;
	pthread_mutex_init(&cmp.lock, NULL);
	for (int t = 0; t < 50; t++)
		for (int i = 0; i < 100; i++)
			compare_finding(&cmp, &many[t], json_object());
	assert_int_equal(many[0].named, 20);
	assert_int_equal(many[1].named, 10);
	for (int t = 2; t < 50; t++)
		assert_int_equal(many[t].named, 1);
	assert_int_equal(json_array_size(cmp.findings), 20 + 10 + 48);
	assert_false(compare_wants_names(&cmp, &many[7]));
	json_decref(cmp.findings);
	pthread_mutex_destroy(&cmp.lock);
}

static void charsets_have_two_names(void **unused)
{
	(void)unused;
	assert_true(compare_same_charset("utf8", "utf8mb3"));
	assert_true(compare_same_charset("utf8_bin", "utf8mb3_bin"));
	assert_false(compare_same_charset("utf8_bin", "utf8mb3_general_ci"));
	assert_false(compare_same_charset("utf8", "utf8mb4"));
	assert_false(compare_same_charset("utf8mb3", "utf8mb4"));
	assert_true(compare_same_charset(NULL, ""));
	assert_true(compare_pattern_is_table("d.t*"));
	assert_false(compare_pattern_is_table("d.*.c"));
	assert_false(compare_pattern_is_table("d"));
}

/* What was found equal was equal to that table, in that database. */
static void a_range_is_known_again_with_the_same_table_alone(void **unused)
{
	char path[] = "/var/tmp/drtest-unit-resume.XXXXXX";
	struct compare_opts o = { .resume_path = path };
	struct table_schema a = schema("x"), b = schema("x");
	struct row_range r = { .a = &a, .b = &b };
	struct compare_resume *resume;
	struct err e = ERR_INIT;
	uint64_t rows = 0;
	int fd = mkstemp(path);

	(void)unused;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	b.db = (char *)"one";
	resume = compare_resume_open(&o, &e);
	assert_non_null(resume);
	assert_int_equal(compare_resume_add(resume, &r, 7, &e), 0);
	compare_resume_close(resume, false);
	resume = compare_resume_open(&o, &e);
	assert_non_null(resume);
	assert_true(compare_resume_has(resume, &r, &rows));
	assert_int_equal(rows, 7);
	b.db = (char *)"two";
	assert_false(compare_resume_has(resume, &r, &rows));
	b.db = (char *)"one";
	b.table = (char *)"u";
	assert_false(compare_resume_has(resume, &r, &rows));
	compare_resume_close(resume, true);
}

static void json_is_compared_by_value(void **unused)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{ "{\"bb\": 1000.0, \"a\": 1}", "{\"a\":1,\"bb\":1000}", true },
		{ "[1e20, -0.0, 1.50]", "[100000000000000000000,-0,1.5]", true },
		{ "[1e19, 1e-7]", "[10000000000000000000,0.0000001]", true },
		{ "-0.0", "0", true },
		{ "18446744073709551615", "18446744073709551615.0", false }, /* that is 2^64 */
		{ "18446744073709551615", "18446744073709551614", false },
		{ "9007199254740993", "9007199254740992", false },
		{ "9007199254740993", "9007199254740992.0", false },
		{ "-9223372036854775808", "-9223372036854775807", false },
		{ "0.1", "0.10000000000000001", true },
		{ "0.1", "0.10000000000000002", false },
		{ "1", "-1", false },
		{ "\"1\"", "1", false },
		{ "\"n1\"", "1", false },
		{ "\"s\"", "\"\"", false },
		{ "\"1.0\"", "\"1\"", false },
		{ "{\"1.0\":1}", "{\"1\":1}", false },
		{ "\"\\u00e9\\n\\\\\"", "\"é\\u000a\\\\\"", true },
		{ "\"a\\\"1\"", "\"a\\\"1.0\"", false },
		{ "\"a\\u0000b\"", "\"a\\u0000c\"", false },
		{ "{\"a\":1,\"a\":2}", "{\"a\":2}", true }, /* TiDB and MySQL keep the last */
		{ "[1,2]", "[2,1]", false },
		{ "null", "\"null\"", false },
		{ "{}", "[]", false },
		{ "not JSON", "not JSON", true },
		{ "not JSON 1.0", "not JSON 1", false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		for (int turn = 0; turn < 2; turn++) {
			const char *a = turn ? pairs[i].b : pairs[i].a,
				   *b = turn ? pairs[i].a : pairs[i].b;

			if (json_same(a, strlen(a), b, strlen(b)) != pairs[i].same)
				fail_msg("%s and %s", a, b);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_compared_by_value),
		cmocka_unit_test(a_range_is_known_again_with_the_same_table_alone),
		cmocka_unit_test(ranges_hold_every_key_once),
		cmocka_unit_test(sums_mark_null_and_length),
		cmocka_unit_test(values_are_cut_and_always_text),
		cmocka_unit_test(sums_of_rows_without_one_are_counted),
		cmocka_unit_test(structure_differs_by_definition_not_by_counter),
		cmocka_unit_test(columns_in_another_order_are_a_difference_and_compare_by_name),
		cmocka_unit_test(one_table_does_not_hide_the_others),
		cmocka_unit_test(charsets_have_two_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
