#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/backup/backup.h"
#include "harness/backup/load_data.h"
#include "harness/backup/manifest.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/sql/checksum.h"

static struct column columns[] = {
	{ .name = (char *)"id", .sql_type = (char *)"int", .type = COL_LONG },
	{ .name = (char *)"f", .sql_type = (char *)"float", .type = COL_FLOAT },
	{ .name = (char *)"e", .sql_type = (char *)"enum('x')", .type = COL_ENUM },
	{ .name = (char *)"t`x",
	  .sql_type = (char *)"text",
	  .type = COL_BLOB,
	  .charset = (char *)"utf8mb4" },
	{ .name = (char *)"g",
	  .sql_type = (char *)"int",
	  .type = COL_LONG,
	  .flags = COLF_GENERATED },
};
static struct table_schema table = {
	.db = (char *)"d", .table = (char *)"t", .columns = columns, .n_columns = 5, .handle = -1
};

static void a_row_is_one_line_whatever_is_in_it(void **unused)
{
	char *cell[] = { (char *)"1", (char *)"0.5", (char *)"0", (char *)"a\tb\nc\\d\0e" };
	unsigned long len[] = { 1, 3, 1, 9 };
	struct row_writer w;
	struct strbuf out = STRBUF_INIT;
	uint64_t warnings = 0;

	(void)unused;
	row_writer_init(&w, &table);
	assert_int_equal(w.n, 4);
	row_writer_add(&w, &out, cell, len, &warnings);
	assert_string_equal(out.buf, "1\t0.5\t0\ta\\tb\\nc\\\\d\\0e\n");
	assert_int_equal(warnings, 1); /* ENUM's error value */
	strbuf_reset(&out);
	cell[1] = cell[3] = NULL;
	cell[2] = (char *)"1";
	len[1] = len[3] = 0;
	row_writer_add(&w, &out, cell, len, &warnings);
	assert_string_equal(out.buf, "1\t\\N\t1\t\\N\n");
	assert_int_equal(warnings, 1);
	row_writer_release(&w);
	strbuf_release(&out);
}

static void statements_leave_generated_columns_out(void **unused)
{
	struct carried_column *c;
	struct strbuf out = STRBUF_INIT;
	size_t n = format_columns(&table, &c);

	(void)unused;
	assert_int_equal(n, 4);
	format_select(&out, &table);
	assert_string_equal(
		out.buf,
		"SELECT `id`,CAST(`f` AS DOUBLE),CAST(`e`+0 AS UNSIGNED),`t``x` FROM `d`.`t`");
	strbuf_reset(&out);
	format_load(&out, "d", "t", c, n);
	assert_non_null(strstr(out.buf, "(`id`,`f`,@v2,`t``x`) SET `e`=CAST(@v2 AS UNSIGNED)"));
	strbuf_release(&out);
	format_columns_free(c, n);
}

/* TiDB's functions read as many characters of a VECTOR as it has dimensions: CRC32(v) of [1,2,3]
 * and of [1,2,4] are one, and so are their lengths. Each place asks for the whole text of it. */
static void a_vector_counts_by_its_whole_text(void **unused)
{
	static const char whole[] = "CAST(`v` AS CHAR)";
	struct column of[] = {
		columns[0],
		{ .name = (char *)"v",
		  .sql_type = (char *)"VECTOR(3)",
		  .flags = COLF_NULLABLE,
		  .charset = (char *)"binary" },
	};
	struct table_schema t = {
		.db = (char *)"d", .table = (char *)"t", .columns = of, .n_columns = 2, .handle = -1
	};
	struct strbuf out = STRBUF_INIT, bare = STRBUF_INIT;
	struct carried_column *c;
	size_t n, seen = 0;

	(void)unused;
	format_select(&out, &t);
	assert_string_equal(out.buf, "SELECT `id`,CAST(`v` AS CHAR) FROM `d`.`t`");
	n = format_columns(&t, &c);
	assert_int_equal(n, 2);
	assert_int_equal(c[1].as, CARRY_UTF8);
	format_columns_free(c, n);

	strbuf_reset(&out);
	checksum_select_list(&out, &t);
	checksum_find_unread(&out, &t);
	checksum_row_list(&out, &t);
	for (const char *p = out.buf; *p;) {
		bool is_whole = !strncmp(p, whole, sizeof(whole) - 1);

		seen += is_whole;
		if (is_whole)
			p += sizeof(whole) - 1;
		else
			strbuf_addch(&bare, *p++);
	}
	assert_in_range(seen, 8, 100); /* length and text, of both sums, in each place */
	/* what else there is of it asks for NULL */
	for (const char *p = bare.buf; (p = strstr(p, "`v`")); p++)
		assert_memory_equal(p - 7, "ISNULL(`v`)", 11);
	strbuf_release(&out);
	strbuf_release(&bare);
}

static void a_line_becomes_insert_values_or_is_refused(void **unused)
{
	struct carried_column *c;
	struct strbuf out = STRBUF_INIT;
	size_t n = format_columns(&table, &c);
	static const char *const bad[] = { "",
					   "1",
					   "1\t2\t3",
					   "1\t2\tx\t4",
					   "1\t2\t3\t4\t5",
					   "1\t2\t3\tx\\",
					   "1\t2\t\t4",
					   "1\t2\t1;DROP\t4" };
	const char good[] = "1\t\\N\t3\tit's\\\\ \\t";

	(void)unused;
	assert_int_equal(format_insert_row(&out, c, n, good, strlen(good)), 0);
	assert_string_equal(out.buf, "(_binary'1',NULL,3,_binary'it\\'s\\\\ \\t')");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(format_insert_row(&out, c, n, bad[i], strlen(bad[i])), -1);
	strbuf_release(&out);
	format_columns_free(c, n);
}

static void plain_keys_are_built_after_the_load(void **unused)
{
	struct strbuf create = STRBUF_INIT, keys = STRBUF_INIT;

	(void)unused;
	load_split_keys(
		"CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `k` int,\n  PRIMARY KEY (`id`),\n"
		"  UNIQUE KEY `u` (`k`),\n  KEY `k_1` (`k`),\n  KEY `k_2` (`k`,`id`)\n"
		") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
		&create, &keys);
	assert_string_equal(
		create.buf,
		"CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `k` int,\n  PRIMARY KEY (`id`),\n"
		"  UNIQUE KEY `u` (`k`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4");
	assert_string_equal(keys.buf, "ADD KEY `k_1` (`k`),ADD KEY `k_2` (`k`,`id`)");
	strbuf_reset(&create);
	strbuf_reset(&keys);
	load_split_keys(
		"CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  KEY `id` (`id`)\n) ENGINE=InnoDB",
		&create, &keys);
	assert_string_equal(keys.buf, "");
	assert_non_null(strstr(create.buf, "KEY `id`"));
	strbuf_reset(&create);
	load_split_keys("CREATE TABLE `t` (\n  `id` int,\n  KEY `id` (`id`)\n) ENGINE=MyISAM",
			&create, &keys);
	assert_string_equal(keys.buf, "");
	strbuf_release(&create);
	strbuf_release(&keys);
}

static struct store *temp_store(char dir[64])
{
	char uri[80];
	struct err e = ERR_INIT;
	struct store *s;

	strcpy(dir, "/tmp/drtest-unit-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(uri, sizeof(uri), "file://%s", dir);
	s = store_open(uri, NULL, &e);
	assert_non_null(s);
	return s;
}

static void a_manifest_comes_back_and_no_damaged_byte_passes(void **unused)
{
	struct carried_column c[] = { { (char *)"a\"b", CARRY_TEXT },
				      { (char *)"é", CARRY_NUMBER } };
	struct manifest_chunk chunk = {
		(char *)"data/t000000/00000000-000000.zst", 10, 20, 3, 1, 0xfedcba9876543210u
	};
	struct manifest_table t = { .db = (char *)"d",
				    .name = (char *)"t",
				    .create_sql = (char *)"CREATE",
				    .columns = c,
				    .n_columns = 2,
				    .chunks = &chunk,
				    .n_chunks = 1,
				    .rows = 3,
				    .raw_bytes = 20,
				    .sum = UINT64_MAX };
	struct manifest_object db = { (char *)"d", (char *)"", (char *)"CREATE DATABASE d", NULL,
				      NULL };
	struct manifest m = { .source_version = (char *)"10.11",
			      .backup_ts = 462000000000000001u,
			      .backup_seq = 42,
			      .dbs = &db,
			      .n_dbs = 1,
			      .tables = &t,
			      .n_tables = 1 },
			back;
	struct strbuf bytes = STRBUF_INIT;
	struct err e = ERR_INIT;
	char dir[64];
	struct store *s = temp_store(dir);

	(void)unused;
	assert_int_equal(manifest_read(s, &back, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(manifest_write(s, &m, &e), 0);
	assert_int_equal(manifest_read(s, &back, &e), 0);
	assert_int_equal(back.backup_ts, m.backup_ts);
	assert_int_equal(back.tables[0].sum, UINT64_MAX);
	assert_int_equal(back.tables[0].chunks[0].xxh3, chunk.xxh3);
	assert_string_equal(back.tables[0].columns[0].name, "a\"b");
	assert_int_equal(back.tables[0].columns[1].as, CARRY_NUMBER);
	manifest_release(&back);
	assert_int_equal(store_get(s, BACKUP_MANIFEST, 1 << 20, &bytes, &e), 0);
	for (size_t i = 0; i < bytes.len; i += 3) {
		bytes.buf[i] ^= 0x10;
		assert_int_equal(store_put(s, BACKUP_MANIFEST, bytes.buf, bytes.len, &e), 0);
		assert_int_equal(manifest_read(s, &back, &e), -1);
		assert_int_equal(store_put(s, BACKUP_MANIFEST, bytes.buf, i, &e), 0);
		assert_int_equal(manifest_read(s, &back, &e), -1);
		bytes.buf[i] ^= 0x10;
	}
	chunk.key = (char *)"../../etc/passwd";
	assert_int_equal(manifest_write(s, &m, &e), 0);
	assert_int_equal(manifest_read(s, &back, &e), -1);
	chunk.key = (char *)"data/x";
	t.db = (char *)"mysql";
	assert_int_equal(manifest_write(s, &m, &e), 0);
	assert_int_equal(manifest_read(s, &back, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	strbuf_release(&bytes);
	store_free(s);
	fs_remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_one_line_whatever_is_in_it),
		cmocka_unit_test(statements_leave_generated_columns_out),
		cmocka_unit_test(a_vector_counts_by_its_whole_text),
		cmocka_unit_test(a_line_becomes_insert_values_or_is_refused),
		cmocka_unit_test(plain_keys_are_built_after_the_load),
		cmocka_unit_test(a_manifest_comes_back_and_no_damaged_byte_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
