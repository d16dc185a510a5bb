/* TiDB's own words in a DDL, put into comments for servers that do not know them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/sql/ddl/tidb_ddl.h"

static const struct {
	const char *typed, *plain; /* NULL: as it was typed */
	bool nothing;
} cases[] = {
	{ "CREATE TABLE a (id BIGINT AUTO_RANDOM, v INT, PRIMARY KEY(id) CLUSTERED)",
	  "CREATE TABLE a (id BIGINT /*T! AUTO_RANDOM */, v INT, PRIMARY KEY(id) /*T! CLUSTERED */)",
	  false },
	{ "create table a (id bigint(20) auto_random(5, 54) primary key nonclustered)",
	  "create table a (id bigint(20) /*T! auto_random(5, 54) */ primary key /*T! nonclustered */)",
	  false },
	{ "CREATE TABLE a (id INT PRIMARY KEY NONCLUSTERED) SHARD_ROW_ID_BITS=4 PRE_SPLIT_REGIONS = 2 AUTO_ID_CACHE 1 ENGINE=InnoDB",
	  "CREATE TABLE a (id INT PRIMARY KEY /*T! NONCLUSTERED */) /*T! SHARD_ROW_ID_BITS=4 */ /*T! PRE_SPLIT_REGIONS = 2 */ /*T! AUTO_ID_CACHE 1 */"
	  " ENGINE=InnoDB",
	  false },
	{ "CREATE TABLE a (id INT) ENGINE=InnoDB, SHARD_ROW_ID_BITS=4, COMMENT='x'",
	  "CREATE TABLE a (id INT) ENGINE=InnoDB/*T! , SHARD_ROW_ID_BITS=4 */, COMMENT='x'",
	  false },
	{ "CREATE TABLE a (t DATETIME) TTL = `t` + INTERVAL 3 MONTH TTL_ENABLE = 'ON' TTL_JOB_INTERVAL='1h'",
	  "CREATE TABLE a (t DATETIME) /*T! TTL = `t` + INTERVAL 3 MONTH */ /*T! TTL_ENABLE = 'ON' */ /*T! TTL_JOB_INTERVAL='1h' */",
	  false },
	{ "CREATE TABLE a (id INT) PLACEMENT POLICY=`p1`",
	  "CREATE TABLE a (id INT) /*T! PLACEMENT POLICY=`p1` */", false },
	{ "CREATE TABLE a (a INT, b INT, UNIQUE KEY u (b) GLOBAL) PARTITION BY HASH (a)",
	  "CREATE TABLE a (a INT, b INT, UNIQUE KEY u (b) /*T! GLOBAL */) PARTITION BY HASH (a)",
	  false },
	{ "ALTER TABLE a PLACEMENT POLICY=p, ADD COLUMN c INT",
	  "ALTER TABLE a /*T! PLACEMENT POLICY=p, */ ADD COLUMN c INT", false },
	{ "ALTER TABLE a ADD COLUMN c INT, AUTO_ID_CACHE = 3, ADD INDEX (c)",
	  "ALTER TABLE a ADD COLUMN c INT/*T! , AUTO_ID_CACHE = 3 */, ADD INDEX (c)", false },
	{ "ALTER TABLE d.a SHARD_ROW_ID_BITS = 5", "ALTER TABLE d.a /*T! SHARD_ROW_ID_BITS = 5 */",
	  true },
	{ "ALTER TABLE a REMOVE TTL", "ALTER TABLE a /*T! REMOVE TTL */", true },
	{ "ALTER DATABASE d PLACEMENT POLICY = DEFAULT",
	  "ALTER DATABASE d /*T! PLACEMENT POLICY = DEFAULT */", true },
	{ "ALTER TABLE a FORCE AUTO_INCREMENT = 5",
	  "ALTER TABLE a /*T! FORCE */ AUTO_INCREMENT = 5", false },
	{ "CREATE PLACEMENT POLICY p FOLLOWERS=2", NULL, true },
	{ "ALTER TABLE d.a CACHE", NULL, true },
	{ "ALTER TABLE a SET TIFLASH REPLICA 1", NULL, true },
	/* names, texts and comments are not words */
	{ "CREATE TABLE a (auto_random INT, clustered INT, `GLOBAL` INT, global INT, ttl INT, KEY clustered (clustered), KEY (global))",
	  NULL, false },
	{ "CREATE TABLE a (v VARCHAR(20) DEFAULT 'AUTO_RANDOM' COMMENT 'PRIMARY KEY CLUSTERED') COMMENT 'SHARD_ROW_ID_BITS=4'",
	  NULL, false },
	{ "CREATE TABLE a (id BIGINT /*T![auto_rand] AUTO_RANDOM(5) */, PRIMARY KEY (id) /*T![clustered_index] CLUSTERED */)",
	  NULL, false },
	{ "CREATE TABLE a (shard_row_id_bits INT, ttl INT, auto_id_cache INT)", NULL, false },
	{ "ALTER TABLE a RENAME COLUMN ttl TO global", NULL, false },
	{ "CREATE TABLE a (id BIGINT AUTO_RANDOM /* x */ (5))", "CREATE TABLE a (id BIGINT  )",
	  false },
	{ "", NULL, false },
	{ "CREATE TABLE a (id BIGINT AUTO_RANDOM(",
	  "CREATE TABLE a (id BIGINT /*T! AUTO_RANDOM( */", false },
};

static void words_go_into_comments_and_names_stay(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct strbuf out = STRBUF_INIT;
		bool nothing = tidb_ddl_plain(&out, cases[i].typed, strlen(cases[i].typed));

		assert_string_equal(out.buf, cases[i].plain ? cases[i].plain : cases[i].typed);
		if (nothing != cases[i].nothing)
			fail_msg("%s: nothing left: %d", cases[i].typed, nothing);
		strbuf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		words_go_into_comments_and_names_stay) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
