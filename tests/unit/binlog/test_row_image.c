#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/binlog_event.h"
#include "harness/binlog/row_image.h"

static const uint8_t all_present[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* A table map event's body: types, metadata, no optional metadata. */
static struct strbuf map_body(const uint8_t *types, uint8_t n, const uint8_t *meta, uint8_t n_meta)
{
	struct strbuf s = STRBUF_INIT;

	strbuf_add(&s,
		   "\x12\0\0\0\0\0\1\0"
		   "\1d\0"
		   "\1t\0",
		   14);
	strbuf_addch(&s, (char)n);
	strbuf_add(&s, types, n);
	strbuf_addch(&s, (char)n_meta);
	strbuf_add(&s, meta, n_meta);
	for (int i = 0; i < (n + 7) / 8; i++)
		strbuf_addch(&s, (char)0xff);
	return s;
}

static struct charsets *sets; /* without a server */
static char text_db[] = "d", text_table[] = "t", text_key[] = "PRIMARY";
static int first_column[1];
static struct index_key primary = {
	.name = text_key, .primary = true, .not_null = true, .columns = first_column, .n_columns = 1
};

static struct table_schema schema_of(struct column *columns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		static char names[16][3] = { "c0", "c1", "c2", "c3", "c4",
					     "c5", "c6", "c7", "c8", "c9" };
		static char binary[] = "binary", type[] = "its type";

		columns[i].name = names[i];
		columns[i].sql_type = columns[i].sql_type ? columns[i].sql_type : type;
		columns[i].charset = columns[i].charset ? columns[i].charset : binary;
		columns[i].collation = binary;
	}
	return (struct table_schema){ .db = text_db,
				      .table = text_table,
				      .columns = columns,
				      .n_columns = n,
				      .uniques = &primary,
				      .n_uniques = 1 };
}

static struct row_plan *plan_of(const uint8_t *types, uint8_t n, const uint8_t *meta,
				uint8_t n_meta, struct column *columns, struct err *e)
{
	struct strbuf body = map_body(types, n, meta, n_meta);
	struct table_schema s = schema_of(columns, n);
	struct row_plan *p = NULL;
	struct table_map m;

	if (table_map_parse(&m, (const uint8_t *)body.buf, body.len, e) == 0)
		p = row_plan_new(&m, &s, sets, false, e);
	strbuf_release(&body);
	return p;
}

static void a_row_becomes_values_without_its_virtual_columns(void **unused)
{
	static char latin1[] = "latin1";
	const uint8_t types[] = { BT_LONG,       BT_LONG,  BT_STRING, BT_VARCHAR,
				  BT_NEWDECIMAL, BT_TIME2, BT_LONG };
	const uint8_t meta[] = { 0xfe, 8, 20, 0, 10, 2, 1 };
	struct column columns[] = {
		{ .type = COL_LONG, .flags = COLF_HANDLE_KEY | COLF_PRIMARY_KEY },
		{ .type = COL_LONG, .is_virtual = true },
		{ .type = COL_STRING, .length = 8 },
		{ .type = COL_VARCHAR, .length = 20, .charset = latin1 },
		{ .type = COL_DECIMAL },
		{ .type = COL_TIME, .decimals = 1 },
		{ .type = COL_LONG },
	};
	/* NULL bits: the last column; -2; 7; BINARY 01 02; latin1 e-acute, euro; -1234.5;
	 * -00:00:00.1 */
	const uint8_t row[] = { 0x40, 0xfe, 0xff, 0xff, 0xff, 7,    0,    0,
				0,    2,    1,    2,    2,    0xe9, 0x80, 0x7f,
				0xff, 0xfb, 0x2d, 0xcd, 0x7f, 0xff, 0xff, 0xf6 };
	struct strbuf image = STRBUF_INIT, key = STRBUF_INIT;
	struct redo_column out[6];
	struct arena mem = { 0 };
	struct err e = ERR_INIT;
	const uint8_t *at = row;
	struct row_plan *p = plan_of(types, 7, meta, sizeof(meta), columns, &e);

	(void)unused;
	assert_non_null(p);
	assert_int_equal(row_plan_columns(p), 6);
	assert_int_equal(row_plan_take(p, &at, row + sizeof(row), all_present, &image, &key, &e),
			 0);
	assert_ptr_equal(at, row + sizeof(row));
	assert_int_equal(key.len, 4);
	assert_int_equal(row_plan_decode(p, image.buf, image.len, &mem, out, &e), 0);
	assert_int_equal(out[0].value.i, -2);
	assert_int_equal(out[1].value.s.n, 8);
	assert_memory_equal(out[1].value.s.p, "\1\2\0\0\0\0\0\0", 8);
	assert_int_equal(out[2].value.s.n, 5);
	assert_memory_equal(out[2].value.s.p, "\xc3\xa9\xe2\x82\xac", 5);
	assert_memory_equal(out[3].value.s.p, "-1234.50", 8);
	assert_memory_equal(out[4].value.s.p, "-00:00:00.1", 11);
	assert_int_equal(out[5].value.kind, REDO_NULL);
	/* cut off anywhere it is refused, and never read beyond */
	for (size_t n = 0; n < sizeof(row); n++) {
		uint8_t *cut = xmemdup(row, n ? n : 1);

		at = cut;
		assert_int_equal(row_plan_take(p, &at, cut + n, all_present, &image, &key, &e), -1);
		assert_int_equal(e.kind, ERR_BAD_DATA);
		assert_ptr_equal(at, cut);
		free(cut);
	}
	arena_release(&mem);
	row_plan_free(p);
	strbuf_release(&image);
	strbuf_release(&key);
}

static const char *as_text(struct row_plan *p, const uint8_t *row, size_t n, struct arena *mem)
{
	struct strbuf image = STRBUF_INIT, key = STRBUF_INIT;
	static char text[64];
	struct redo_column out[2];
	struct err e = ERR_INIT;
	const uint8_t *at = row;

	if (row_plan_take(p, &at, row + n, all_present, &image, &key, &e) < 0 ||
	    row_plan_decode(p, image.buf, image.len, mem, out, &e) < 0) {
		strcpy(text, "refused");
	} else {
		memcpy(text, out[1].value.s.p, out[1].value.s.n);
		text[out[1].value.s.n] = 0;
	}
	strbuf_release(&image);
	strbuf_release(&key);
	return text;
}

static void temporal_values_of_the_old_format_are_read(void **unused)
{
	static const struct {
		uint8_t type;
		enum column_type column;
		uint8_t row[16];
		size_t n;
		const char *text;
	} old[] = {
		{ BT_TIME, COL_TIME, { 0, 1, 0x40, 0xe2, 0x01 }, 5, "12:34:56" },  /* 123456 */
		{ BT_TIME, COL_TIME, { 0, 1, 0xc0, 0x1d, 0xfe }, 5, "-12:34:56" }, /* -123456 */
		{ BT_TIMESTAMP,
		  COL_TIMESTAMP,
		  { 0, 1, 0x80, 0x51, 0x01, 0 },
		  6,
		  "1970-01-02 00:00:00" },
		{ BT_TIMESTAMP, COL_TIMESTAMP, { 0, 1, 0, 0, 0, 0 }, 6, "0000-00-00 00:00:00" },
		{ BT_DATETIME,
		  COL_DATETIME,
		  { 0, 1, 0x73, 0xee, 0x58, 0x73, 0x66, 0x12, 0x00, 0x00 },
		  10,
		  "2023-12-31 17:22:11" }, /* 20231231172211 */
		{ BT_DATETIME,
		  COL_DATETIME,
		  { 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		  10,
		  "refused" },
		{ BT_DATE, COL_DATE, { 0, 1, 0x5d, 0xd0, 0x0f }, 5, "2024-02-29" },
		{ BT_DATE, COL_DATE, { 0, 1, 0xff, 0xff, 0xff }, 5, "refused" },
	};
	struct arena mem = { 0 };

	(void)unused;
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		const uint8_t types[] = { BT_TINY, old[i].type };
		struct column columns[] = { { .type = COL_TINY }, { .type = old[i].column } };
		struct err e = ERR_INIT;
		struct row_plan *p = plan_of(types, 2, NULL, 0, columns, &e);

		assert_non_null(p);
		assert_string_equal(as_text(p, old[i].row, old[i].n, &mem), old[i].text);
		row_plan_free(p);
		if (old[i].type != BT_DATE) {
			columns[1].decimals = 3;
			assert_null(plan_of(types, 2, NULL, 0, columns, &e));
			assert_non_null(strstr(e.text, "d.t.c1"));
		}
	}
	arena_release(&mem);
}

static void a_schema_of_another_position_is_named(void **unused)
{
	static char geometry[] = "geometry", swe7[] = "swe7";
	const uint8_t types[] = { BT_LONG, BT_VARCHAR }, meta[] = { 20, 0 };
	struct err e = ERR_INIT;

	(void)unused;
	{
		struct column c[] = { { .type = COL_LONG }, { .type = COL_LONG } };

		assert_null(plan_of(types, 2, meta, 2, c, &e));
		assert_non_null(strstr(e.text, "d.t.c1: type 15 in the binary log"));
	}
	{
		struct column c[] = { { .type = COL_LONG },
				      { .type = COL_UNKNOWN, .sql_type = geometry } };

		assert_null(plan_of(types, 2, meta, 2, c, &e));
		assert_non_null(strstr(e.text, "d.t.c1: type geometry"));
		assert_int_equal(e.kind, ERR_UNSUPPORTED);
	}
	{
		struct column c[] = { { .type = COL_LONG },
				      { .type = COL_VARCHAR, .charset = swe7 } };

		assert_null(plan_of(types, 2, meta, 2, c, &e));
		assert_non_null(strstr(e.text, "d.t.c1: mapping of character set swe7"));
	}
	{
		struct column c[] = { { .type = COL_LONG }, { .type = COL_VARCHAR } };
		struct table_schema s = schema_of(c, 1); /* a column less */
		struct strbuf body = map_body(types, 2, meta, 2);
		struct table_map m;

		assert_int_equal(table_map_parse(&m, (const uint8_t *)body.buf, body.len, &e), 0);
		assert_null(row_plan_new(&m, &s, sets, false, &e));
		assert_non_null(strstr(e.text, "2 columns in the binary log, 1 in the schema"));
		s = schema_of(c, 2);
		s.handle = -1;
		assert_int_equal(table_map_parse(&m, (const uint8_t *)body.buf, body.len, &e), 0);
		assert_null(row_plan_new(&m, &s, sets, false, &e));
		assert_non_null(strstr(e.text, "d.t has neither a primary key"));
		strbuf_release(&body);
	}
}

static void a_map_that_is_cut_off_is_refused(void **unused)
{
	const uint8_t types[] = { BT_LONG, BT_VARCHAR, BT_STRING }, meta[] = { 20, 0, 0xfe, 8 };
	struct strbuf body = map_body(types, 3, meta, 4);
	struct table_map m;
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t n = 0; n < body.len; n++) {
		uint8_t *cut = xmemdup(body.buf, n ? n : 1);

		assert_int_equal(table_map_parse(&m, cut, n, &e), -1);
		free(cut);
	}
	assert_int_equal(table_map_parse(&m, (const uint8_t *)body.buf, body.len, &e), 0);
	table_map_release(&m);
	strbuf_release(&body);
}

/* XID event of 31 bytes, as a server sent it. */
static const uint8_t xid_event[] = {
	0xe2, 0x1a, 0x01, 0x6b, 0x10, 0x01, 0x00, 0x00, 0x00, 0x1f, 0x00,
	0x00, 0x00, 0x9b, 0x03, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x51, 0x62, 0xcd, 0x89,
};

static void a_flipped_bit_breaks_the_checksum(void **unused)
{
	enum binlog_checksum alg = CHECKSUM_CRC32;
	struct binlog_event ev;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(binlog_event_parse(&ev, xid_event, sizeof(xid_event), &alg, &e), 0);
	assert_int_equal(ev.type, EV_XID);
	assert_int_equal(ev.n, 8);
	for (size_t bit = 0; bit < sizeof(xid_event) * 8; bit++) {
		uint8_t bad[sizeof(xid_event)];

		memcpy(bad, xid_event, sizeof(bad));
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(binlog_event_parse(&ev, bad, sizeof(bad), &alg, &e), -1);
	}
}

/* A byte of its set that is no text, in a row whose key is 7. */
static void text_that_is_none_is_named_with_its_row(void **unused)
{
	static char ascii[] = "ascii";
	const uint8_t types[] = { BT_LONG, BT_VARCHAR }, meta[] = { 20, 0 },
		      row[] = { 0, 7, 0, 0, 0, 3, 'a', 0x80, 'b' };
	struct column columns[] = { { .type = COL_LONG,
				      .flags = COLF_HANDLE_KEY | COLF_PRIMARY_KEY },
				    { .type = COL_VARCHAR, .length = 20, .charset = ascii } };
	struct strbuf image = STRBUF_INIT, key = STRBUF_INIT;
	struct redo_column out[2];
	struct arena mem = { 0 };
	struct err e = ERR_INIT;
	const uint8_t *at = row;
	struct row_plan *p = plan_of(types, 2, meta, sizeof(meta), columns, &e);

	(void)unused;
	assert_non_null(p);
	assert_int_equal(row_plan_take(p, &at, row + sizeof(row), all_present, &image, &key, &e),
			 0);
	assert_int_equal(row_plan_decode(p, image.buf, image.len, &mem, out, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "key c0=7"));
	assert_non_null(strstr(e.text, "d.t.c1: the bytes x'8062', at 1,"));
	assert_non_null(strstr(e.text, "ascii"));
	row_plan_free(p);
	strbuf_release(&image);
	strbuf_release(&key);
	arena_release(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_becomes_values_without_its_virtual_columns),
		cmocka_unit_test(temporal_values_of_the_old_format_are_read),
		cmocka_unit_test(a_schema_of_another_position_is_named),
		cmocka_unit_test(a_map_that_is_cut_off_is_refused),
		cmocka_unit_test(a_flipped_bit_breaks_the_checksum),
		cmocka_unit_test(text_that_is_none_is_named_with_its_row),
	};

	sets = charsets_new(NULL);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	charsets_free(sets);
	return failed;
}
