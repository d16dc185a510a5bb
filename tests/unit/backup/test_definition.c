#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "harness/backup/definition.h"

static void what_servers_show_is_taken(void **unused)
{
	static const struct {
		enum definition what;
		const char *db, *name, *text;
	} sound[] = {
		{ DEFINITION_DATABASE, "d", "",
		  "CREATE DATABASE `d` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */ COMMENT 'a;b'" },
		{ DEFINITION_DATABASE, "o`d", "",
		  "CREATE DATABASE `o``d` /*!40100 DEFAULT CHARACTER SET latin1 */ /*!80016 DEFAULT ENCRYPTION='N' */" },
		{ DEFINITION_TABLE, "d", "t",
		  "CREATE TABLE `t` (\n  `select` int(11) NOT NULL COMMENT 'it''s ; -- # (',\n  CONSTRAINT `c` "
		  "CHECK (`select` like 'a%')\n"
		  ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='as select'" },
		{ DEFINITION_TABLE, "d", "t",
		  "CREATE TABLE `t` (\n  `id` int(11),\n  `a` timestamp(6) GENERATED ALWAYS AS ROW START,\n  "
		  "PERIOD FOR SYSTEM_TIME (`a`, `b`)\n"
		  ") ENGINE=InnoDB WITH SYSTEM VERSIONING\n PARTITION BY RANGE (`id`)\n(PARTITION `p0` VALUES LESS THAN (10) ENGINE = InnoDB)" },
		{ DEFINITION_TABLE, "d", "t",
		  "CREATE TABLE `t` (\n  `id` bigint(20) NOT NULL /*T![auto_rand] AUTO_RANDOM(5) */,\n  "
		  "PRIMARY KEY (`id`) /*T![clustered_index] CLUSTERED */\n"
		  ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 /*T![auto_rand_base] AUTO_RANDOM_BASE=30001 */" },
		{ DEFINITION_TABLE, "d", "t",
		  "CREATE TABLE `t` (\n  `a` int DEFAULT NULL /*!80023 INVISIBLE */, `b` text /*M!100301 "
		  "COMPRESSED*/\n) ENGINE=InnoDB\n"
		  "/*!50100 PARTITION BY HASH (`a`)\nPARTITIONS 4 */" },
		{ DEFINITION_TABLE, "d", "t",
		  "CREATE TABLE `t` (\n  `a` datetime /* mariadb-5.3 */ DEFAULT NULL,\n  `b` int(11) DEFAULT "
		  "@@server_id /* `nosuch`='it''s (' */\n) ENGINE=InnoDB /* `x`=5 */" },
		{ DEFINITION_VIEW, "d", "v",
		  "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`%` SQL SECURITY DEFINER VIEW `d`.`v` AS select 1 "
		  "- -1 AS `x`,'@;' AS `y`" },
		{ DEFINITION_VIEW, "v", "v",
		  "CREATE ALGORITHM=MERGE DEFINER=`a b`@`localhost` SQL SECURITY INVOKER VIEW `v` (`a`, `b`) AS SELECT 1,2" },
		{ DEFINITION_VIEW, "v", "v",
		  "CREATE ALGORITHM=TEMPTABLE DEFINER=`r` SQL SECURITY INVOKER VIEW `v`.`v` AS with c as "
		  "(select 1) select * from c" },
		{ DEFINITION_SEQUENCE, "d", "s",
		  "CREATE SEQUENCE `s` start with 5 minvalue -3 maxvalue 9 increment by 1 cache 1000 nocycle ENGINE=InnoDB" },
	};
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++)
		if (definition_check(sound[i].what, sound[i].db, sound[i].name, sound[i].text, &e) <
		    0)
			fail_msg("%s: %s", sound[i].text, e.text);
}

static void anything_else_is_refused(void **unused)
{
	static const struct {
		enum definition what;
		const char *text;
	} forged[] = {
		{ DEFINITION_DATABASE, "" },
		{ DEFINITION_DATABASE, "CREATE" },
		{ DEFINITION_DATABASE, "DROP DATABASE `d`" },
		{ DEFINITION_DATABASE, "CREATE DATABASE `e`" },
		{ DEFINITION_DATABASE, "CREATE DATABASE d" },
		{ DEFINITION_DATABASE, "CREATE USER 'owned'@'%'" },
		{ DEFINITION_DATABASE, "CREATE DATABASE `d`; DROP DATABASE `mysql`" },
		{ DEFINITION_DATABASE, "CREATE DATABASE `d` /*!40100 DEFAULT */ -- x" },
		{ DEFINITION_DATABASE, "CREATE DATABASE `d` /* x */; DROP DATABASE `mysql`" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int /* ( */) SELECT 1" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int /*!50000 /* x */) SELECT 1 */)" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int) @x" },
		{ DEFINITION_TABLE, "CREATE TABLE `u` (`a` int)" },
		{ DEFINITION_TABLE, "CREATE TABLE `mysql`.`t` (`a` int)" },
		{ DEFINITION_TABLE, "CREATE OR REPLACE TABLE `t` (`a` int)" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` LIKE `mysql`.`user`" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int) SELECT 1" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int) (SELECT 1)" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int) AS WITH x AS (TABLE y) TABLE x" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` "
				    "(`a` int) VALUES (1)" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int) WITH x AS (VALUES (1)) TABLE x" },
		{ DEFINITION_TABLE,
		  "CREATE TABLE `t` (`a` int /*!99999 ' */) /*!50000 AS SELECT 1 -- ' */" },
		{ DEFINITION_TABLE,
		  "CREATE TABLE `t` (`a` int /*!99999 ( */ ) LIKE x /*!99999 ) */" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int) COMMENT='x' /*!50000 SELECT 1 */" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int) COMMENT='x" },
		{ DEFINITION_TABLE, "CREATE TABLE `t` (`a` int))" },
		{ DEFINITION_VIEW, "CREATE TABLE `v` (`a` int)" },
		{ DEFINITION_VIEW, "CREATE ALGORITHM=UNDEFINED VIEW `e`.`v` AS SELECT 1" },
		{ DEFINITION_VIEW, "CREATE ALGORITHM=UNDEFINED VIEW `d`.`w` AS SELECT 1" },
		{ DEFINITION_VIEW, "CREATE VIEW `d`.`v` SELECT 1" },
		{ DEFINITION_VIEW, "CREATE OR REPLACE VIEW `d`.`v` AS SELECT 1" },
		{ DEFINITION_VIEW, "CREATE VIEW `d`.`v` AS SELECT 1; DROP TABLE x" },
		{ DEFINITION_VIEW, "CREATE DEFINER=`a`@`b` FUNCTION `v`() RETURNS int RETURN 1" },
		{ DEFINITION_SEQUENCE, "CREATE SEQUENCE `d`.`v`" },
		{ DEFINITION_SEQUENCE, "CREATE SEQUENCE `s` # x" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		static const char *const name[] = { "", "t", "v", "v" };
		struct err e = ERR_INIT;

		if (definition_check(forged[i].what, "d", name[forged[i].what], forged[i].text,
				     &e) == 0 ||
		    e.kind != ERR_BAD_DATA)
			fail_msg("taken: %s", forged[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_servers_show_is_taken),
		cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
