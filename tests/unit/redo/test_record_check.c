/* Rows of a log without checksums: what no server can have written is told, whatever it can have is
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
			m.c[0].flag |= COLF_NULLABLE;
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

struct told {
	unsigned altered, changed;
	char text[600];
};

static int tell(void *arg, bool altered, struct err *e)
{
	struct told *t = arg;

	*(altered ? &t->altered : &t->changed) += 1;
	snprintf(t->text, sizeof(t->text), "%s", e->text);
	*e = (struct err)ERR_INIT;
	return 0;
}

static struct told tell_all(struct record_check *c)
{
	struct told t = { .altered = 0 };
	struct err e = ERR_INIT;

	assert_int_equal(record_check_end(c, tell, &t, &e), 0);
	return t;
}

static void at(struct record_check *c, uint32_t epoch, struct row *m, tso_t ts)
{
	m->r.commit_ts = ts;
	assert_false(is_told(c, epoch, m, NULL));
}

/* Other rows of the table, before and after it, are described otherwise: told once, and only where
 * no DDL lies between. */
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
		int32_t columns[2] = { 0, 1 };
		struct redo_index keys[] = { { columns, 1 }, { columns + 1, 1 } },
				  others[] = { { columns, 1 }, { columns, 2 } };
		struct told t;

		make(&b, COL_VARCHAR, COLF_NULLABLE, str(REDO_BIN, "b"));
		a.r.indexes = keys;
		b.r.indexes = i == 6 ? others : keys;
		a.r.n_indexes = b.r.n_indexes = 2;
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
			b.r.n_columns = 1, b.r.n_indexes = 1;
		at(c, 0, &a, 10);
		at(c, 1, &b, 20); /* behind a DDL */
		t = tell_all(c);
		assert_int_equal(t.altered + t.changed, 0);
		at(c, 0, &b, 15);
		at(c, 0, &a, 20);
		t = tell_all(c);
		if (t.altered != 1 || t.changed || !strstr(t.text, says[i]))
			fail_msg("%u altered, %u changed: %s", t.altered, t.changed, t.text);
		record_check_free(c);
	}
}

/* A changefeed's filter may leave DDLs out: then one description comes after the other, whatever
 * the order that the rows are read in. That is no damage. */
static void a_table_that_changes_without_a_ddl_is_only_noted(void **unused)
{
	static const tso_t order[] = { 30, 10, 20, 31, 11, 21 };
	struct record_check *c = record_check_new();
	struct row m;
	struct told t;

	(void)unused;
	make(&m, COL_VARCHAR, COLF_NULLABLE, str(REDO_BIN, "a"));
	for (int i = 0; i < 6; i++) {
		m.c[1].type = order[i] < 20 ? COL_VARCHAR : order[i] < 30 ? COL_STRING : COL_BLOB;
		at(c, 0, &m, order[i]);
	}
	t = tell_all(c);
	assert_int_equal(t.altered, 0);
	assert_int_equal(t.changed, 2);
	assert_non_null(strstr(t.text, "filter"));
	record_check_free(c);
}

/* Several tables of the primary may be routed to one. */
static void tables_that_share_a_name_are_no_damage(void **unused)
{
	struct record_check *c = record_check_new();
	struct row m;

	(void)unused;
	make(&m, COL_VARCHAR, COLF_NULLABLE, str(REDO_BIN, "a"));
	for (int i = 0; i < 6; i++) {
		m.r.table.id = 7 + i % 2;
		at(c, 0, &m, (tso_t)(10 + i));
	}
	assert_int_equal(tell_all(c).altered, 0);
	record_check_free(c);
}

/* As TiCDC's new architecture flags the columns of UNIQUE (a, b), both NOT NULL: no flag says that
 * they are in a key but that they identify the row. */
static void a_unique_key_of_two_columns_identifies_the_row(void **unused)
{
	struct record_check *c = record_check_new();
	int32_t two[2] = { 0, 1 };
	struct redo_index both = { two, 2 };
	struct row m;

	(void)unused;
	make(&m, COL_LONG, COLF_BINARY | COLF_HANDLE_KEY,
	     (struct redo_value){ .kind = REDO_INT, .i = 1 });
	m.c[0].flag = COLF_BINARY | COLF_HANDLE_KEY | COLF_MULTIPLE_KEY;
	m.r.indexes = &both;
	assert_false(is_told(c, 0, &m, NULL));
	m.r.indexes = &m.index; /* the key of one of them */
	m.r.table.id = 8;
	assert_true(is_told(c, 0, &m, "without being in a key"));
	record_check_free(c);
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
	m.r.commit_ts = 5;
	assert_false(is_told(c, 0, &m, NULL));
	assert_non_null(strstr(tell_all(c).text, "another table's name"));
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
		cmocka_unit_test(a_table_that_changes_without_a_ddl_is_only_noted),
		cmocka_unit_test(tables_that_share_a_name_are_no_damage),
		cmocka_unit_test(a_unique_key_of_two_columns_identifies_the_row),
		cmocka_unit_test(partitions_have_one_name_and_ids_of_their_own),
		cmocka_unit_test(absent_columns_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
