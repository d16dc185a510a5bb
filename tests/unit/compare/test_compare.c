#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "harness/compare/compare_structure.h"
#include "harness/sql/literal.h"

static int columns_of_key[] = { 0 }, columns_of_pair[] = { 0, 1 };
static struct column columns[] = {
	{ .name = (char *)"a", .type = COL_LONG, .charset = (char *)"binary" },
	{ .name = (char *)"b", .type = COL_VARCHAR, .charset = (char *)"utf8mb4", .collation = (char *)"utf8mb4_bin" },
	{ .name = (char *)"v", .type = COL_FLOAT, .flags = COLF_NULLABLE, .charset = (char *)"binary" },
};
static struct index_key key = { .primary = true, .not_null = true, .columns = columns_of_key, .n_columns = 1 };

static struct table_schema schema(const char *create)
{
	return (struct table_schema){ .db = (char *)"d", .table = (char *)"t", .columns = columns, .n_columns = 3,
		.uniques = &key, .n_uniques = 1, .create_sql = (char *)create };
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
	assert_string_equal(q.buf, "CRC32(CONCAT_WS(',',ISNULL(`v`),`a`,LENGTH(`b`),`b`,CAST(`v` AS DOUBLE))) AS x,"
			    "CRC32C(CONCAT_WS(',',ISNULL(`v`),`a`,LENGTH(`b`),`b`,CAST(`v` AS DOUBLE))) AS y");
	strbuf_reset(&q);
	t.crc32c = false;
	checksum_row_list(&q, &t);
	assert_string_equal(q.buf, "CRC32(CONCAT_WS(',',ISNULL(`v`),`a`,LENGTH(`b`),`b`,CAST(`v` AS DOUBLE))),"
			    "CRC32(REVERSE(CONCAT_WS(',',ISNULL(`v`),`a`,LENGTH(`b`),`b`,CAST(`v` AS DOUBLE))))");
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

static void structure_differs_by_definition_not_by_counter(void **unused)
{
	static const char base[] = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  `b` varchar(9),\n"
		"  PRIMARY KEY (`a`),\n  KEY `k` (`b`)\n) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4";
	static const char later[] = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  `b` varchar(9),\n"
		"  PRIMARY KEY (`a`),\n  KEY `k` (`b`)\n) ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=utf8mb4";
	static const char other[] = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  `b` varchar(10),\n"
		"  PRIMARY KEY (`a`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
	struct table_schema a = schema(base), b = schema(later), c = schema(other);
	struct compare_opts o = { .a_name = "primary", .b_name = "secondary" };
	struct compare cmp = { .o = &o, .findings = json_array(), .findings_max = 100 };

	(void)unused;
	pthread_mutex_init(&cmp.lock, NULL);
	assert_int_equal(compare_structure(&cmp, &a, &b, true), STRUCTURE_ORDERED);
	assert_int_equal(json_array_size(cmp.findings), 0);
	assert_int_equal(compare_structure(&cmp, &a, &c, true), STRUCTURE_ORDERED);
	assert_int_equal(json_array_size(cmp.findings), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(cmp.findings, 0), "secondary")), "`b` varchar(10)");
	assert_true(json_is_null(json_object_get(json_array_get(cmp.findings, 1), "secondary")));
	b.n_columns = 2;
	assert_int_equal(compare_structure(&cmp, &a, &b, false), STRUCTURE_UNLIKE);
	assert_int_equal(json_array_size(cmp.findings), 3);
	json_decref(cmp.findings);
	pthread_mutex_destroy(&cmp.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_hold_every_key_once),
		cmocka_unit_test(sums_mark_null_and_length),
		cmocka_unit_test(values_are_cut_and_always_text),
		cmocka_unit_test(structure_differs_by_definition_not_by_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
