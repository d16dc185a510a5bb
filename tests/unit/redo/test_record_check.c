/* Rows of a log without checksums: what no server can have written is told, whatever it can have is
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/redo/record_check.h"
#include "harness/sql/schema.h"

#define TEXT(s) ((struct redo_bytes){ s, sizeof(s) - 1 })
#define PLAIN (COLF_BINARY | COLF_NULLABLE)

/* t(id INT PRIMARY KEY, v ...) */
struct row {
	struct redo_column c[2];
	int32_t at[1];
	struct redo_index index;
	struct redo_row r;
};

static void make(struct row *m, uint8_t type, uint32_t flag, struct redo_value v)
{
	bool binary = flag & COLF_BINARY;

	*m = (struct row){ .at = { 0 } };
	m->c[0] = (struct redo_column){
		.name = TEXT("id"),
		.charset = TEXT("binary"),
		.collation = TEXT("binary"),
		.type = COL_LONG,
		.flag = COLF_BINARY | COLF_HANDLE_KEY | COLF_PRIMARY_KEY,
		.value = { .kind = REDO_INT, .i = 1 },
	};
	m->c[1] = (struct redo_column){
		.name = TEXT("v"),
		.charset = binary ? TEXT("binary") : TEXT("utf8mb4"),
		.collation = binary ? TEXT("binary") : TEXT("utf8mb4_bin"),
		.type = type,
		.flag = flag,
		.value = v,
	};
	m->index = (struct redo_index){ m->at, 1 };
	m->r = (struct redo_row){ .start_ts = 4,
				  .commit_ts = 5,
				  .table = { TEXT("d"), TEXT("t"), 7, false },
				  .columns = m->c,
				  .n_columns = 2,
				  .indexes = &m->index,
				  .n_indexes = 1 };
}

static bool is_told(struct record_check *c, uint32_t epoch, const struct row *m, const char *says)
{
	struct err e = ERR_INIT;
	int rc = record_check_row(c, epoch, &m->r, &e);

	if (rc < 0 && says && !strstr(e.text, says))
		fail_msg("it says: %s", e.text);
	return rc < 0;
}

static struct redo_value str(enum redo_value_kind kind, const char *s)
{
	return (struct redo_value){ .kind = kind, .s = { s, (uint32_t)strlen(s) } };
}

static void values_are_those_of_their_type(void **unused)
{
	static const struct {
		uint8_t type;
		uint32_t flag;
		struct redo_value good[4], bad[4]; /* up to the first of kind 99 */
	} cases[] = {
#define INT(n) { .kind = REDO_INT, .i = n }
#define UINT(n)                           \
	{                                 \
		.kind = REDO_UINT, .u = n \
	}
#define STR(t)                                              \
	{                                                   \
		.kind = REDO_STR, .s = { t, sizeof(t) - 1 } \
	}
#define BIN(t)                                              \
	{                                                   \
		.kind = REDO_BIN, .s = { t, sizeof(t) - 1 } \
	}
#define END                \
	{                  \
		.kind = 99 \
	}
		{ COL_TINY,
		  PLAIN,
		  { INT(-128), INT(127), END },
		  { INT(-129), INT(128), UINT(1), END } },
		{ COL_TINY,
		  PLAIN | COLF_UNSIGNED,
		  { UINT(255), END },
		  { UINT(256), INT(-1), END } },
		{ COL_INT24, PLAIN, { INT(-8388608), END }, { INT(8388608), STR("1"), END } },
		{ COL_LONGLONG,
		  PLAIN,
		  { INT(INT64_MIN), INT(INT64_MAX), END },
		  { UINT(UINT64_MAX), END } },
		{ COL_YEAR,
		  PLAIN,
		  { INT(0), INT(1901), INT(2155), END },
		  { INT(1900), INT(2156), END } },
		{ COL_ENUM,
		  COLF_NULLABLE,
		  { UINT(0), UINT(65535), END },
		  { UINT(65536), INT(-1), END } },
		{ COL_DOUBLE,
		  PLAIN,
		  { { .kind = REDO_F64, .f64 = -0.0 }, END },
		  { INT(1), { .kind = REDO_F64, .f64 = 1e308 * 10 }, END } },
		{ COL_DECIMAL,
		  PLAIN,
		  { STR("-0.50"), STR("12345678901234567890123456789012345"), END },
		  { STR("1.2.3"), STR("1e5"), STR(""), BIN("1") } },
		{ COL_DATE,
		  PLAIN,
		  { STR("0000-00-00"), STR("9999-12-31"), END },
		  { STR("2024-13-01"), STR("2024-01-01 00:00:00"), END } },
		{ COL_DATETIME,
		  PLAIN,
		  { STR("0000-00-00 00:00:00"), STR("2024-02-30 23:59:59.999999"), END },
		  { STR("2024-01-01 24:00:00"), STR("2024-01-01"), STR("2024-01-01 00:00:00."),
		    STR("2024-01-01 00:00:00.1234567") } },
		{ COL_TIME,
		  PLAIN,
		  { STR("-838:59:59"), STR("00:00:00.5"), END },
		  { STR("839:00:00"), STR("1:00:00"), STR("00:60:00"), END } },
		{ COL_JSON,
		  PLAIN,
		  { STR("{\"a\": [1, -2.5e+3, null, \"\\u0000\\\"\"]}"), STR("true"), END },
		  { STR("{\"a\": nUll}"), STR("\"a"), STR(""), BIN("1") } },
		{ COL_VARCHAR,
		  COLF_NULLABLE,
		  { BIN(""), BIN("\xf0\x9f\x98\x80 padded to eight"), END },
		  { BIN("eight ascii \xff"), INT(1), END } },
		{ COL_VARCHAR, PLAIN, { BIN("\xff"), END }, { END } },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t k = 0; k < 8; k++) {
			const struct redo_value *v =
				k < 4 ? &cases[i].good[k] : &cases[i].bad[k - 4];
			struct record_check *c = record_check_new();
			struct row m;

			if ((int)v->kind == 99) {
				k = k < 4 ? 3 : 7;
			} else if (v->kind != REDO_NULL) {
				make(&m, cases[i].type, cases[i].flag, *v);
				if (is_told(c, 0, &m, "cannot have its value") != (k >= 4))
					fail_msg("type %u, value %zu", cases[i].type, k);
			}
			record_check_free(c);
		}
}

static void null_needs_a_column_that_takes_it(void **unused)
{
	struct record_check *c = record_check_new();
	struct redo_value null = { .kind = REDO_NULL };
	struct row m;

	(void)unused;
	make(&m, COL_LONG, COLF_BINARY, null);
	assert_true(is_told(c, 0, &m, "NULL"));
	make(&m, COL_LONG, PLAIN, null);
	assert_false(is_told(c, 1, &m, NULL));
	record_check_free(c);
}

static void one_structure_contradicts_itself(void **unused)
{
	struct row m;

	(void)unused;
	for (int i = 0; i < 9; i++) {
		struct record_check *c = record_check_new();

		make(&m, COL_VARCHAR, COLF_NULLABLE, str(REDO_BIN, "a"));
		if (i == 0)
			m.c[1].name = TEXT("id");
		else if (i == 1)
			m.c[1].name = TEXT("\xe8");
		else if (i == 2)
			m.c[1].charset = TEXT("utf8mb5"), m.c[1].collation = TEXT("utf8mb4_bin");
		else if (i == 3)
			m.c[1].collation = TEXT("utf8mb4Wbin");
		else if (i == 4)
			m.c[1].flag |= COLF_BINARY;
		else if (i == 5)
			m.c[0].flag &= ~(uint32_t)COLF_PRIMARY_KEY;
		else if (i == 6)
			m.at[0] = 1; /* its only index has no column of the primary key */
		else if (i == 7)
			m.r.table.id = 0;
		else
			m.c[0].flag |= 256;
		assert_true(is_told(c, 0, &m, "is damaged"));
		record_check_free(c);
	}
}

/* Another row of the table has another structure: told once, and only where no DDL lies between. */
static void two_structures_of_one_table(void **unused)
{
	static const char *const says[] = { "another name of column 2", "another type of column 2",
					    "another table's name",     "another table id",
					    "other flags of column 2",  "another number of columns",
					    "other unique keys" };
	struct row a, b;

	(void)unused;
	make(&a, COL_VARCHAR, COLF_NULLABLE, str(REDO_BIN, "a"));
	for (int i = 0; i < 7; i++) {
		struct record_check *c = record_check_new();
		int32_t two[2] = { 0, 1 };
		struct redo_index both = { two, 2 };

		assert_false(is_told(c, 0, &a, NULL));
		make(&b, COL_VARCHAR, COLF_NULLABLE, str(REDO_BIN, "b"));
		if (i == 0)
			b.c[1].name = TEXT("w");
		else if (i == 1)
			b.c[1].type = COL_STRING;
		else if (i == 2)
			b.r.table.table = TEXT("u");
		else if (i == 3)
			b.r.table.id = 8;
		else if (i == 4)
			b.c[1].flag |= COLF_UNSIGNED;
		else if (i == 5)
			b.r.n_columns = 1;
		else
			b.r.indexes = &both;
		assert_false(is_told(c, 1, &a, NULL)); /* behind a DDL */
		assert_true(is_told(c, 0, &b, says[i]));
		assert_false(is_told(c, 0, &a, NULL));
		record_check_free(c);
	}
}

static void partitions_have_one_name_and_ids_of_their_own(void **unused)
{
	struct record_check *c = record_check_new();
	struct row m;

	(void)unused;
	for (int64_t id = 1; id < 1000; id++) {
		make(&m, COL_VARCHAR, COLF_NULLABLE, str(REDO_BIN, "a"));
		m.r.table.id = id % 500 + 1;
		m.r.table.is_partition = true;
		/* an index more */
		m.c[1].flag |= (COLF_MULTIPLE_KEY | COLF_UNIQUE_KEY) * (id & 1);
		assert_false(is_told(c, 0, &m, NULL));
	}
	m.r.table.is_partition = false;
	assert_true(is_told(c, 0, &m, "another table's name"));
	record_check_free(c);
}

/* A delete of which the log has only its key. */
static void absent_columns_say_nothing(void **unused)
{
	struct record_check *c = record_check_new();
	struct row m;

	(void)unused;
	make(&m, COL_VARCHAR, COLF_NULLABLE, str(REDO_BIN, "a"));
	m.r.pre_columns = m.c;
	m.r.n_pre_columns = 2;
	m.r.n_columns = 0;
	m.c[1] = (struct redo_column){
		.name = { "", 0 }, .charset = { "", 0 }, .collation = { "", 0 }, .absent = true
	};
	assert_false(is_told(c, 0, &m, NULL));
	make(&m, COL_VARCHAR, COLF_NULLABLE, str(REDO_BIN, "a"));
	assert_false(is_told(c, 0, &m, NULL));
	record_check_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_those_of_their_type),
		cmocka_unit_test(null_needs_a_column_that_takes_it),
		cmocka_unit_test(one_structure_contradicts_itself),
		cmocka_unit_test(two_structures_of_one_table),
		cmocka_unit_test(partitions_have_one_name_and_ids_of_their_own),
		cmocka_unit_test(absent_columns_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
