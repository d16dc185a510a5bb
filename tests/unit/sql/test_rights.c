#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/sql/rights.h"

/* As MariaDB 10.11 and TiDB v8.5.3 print them. */
static const char *const mariadb[] = {
	"GRANT `rr` TO `ro`@`%`",
	"GRANT RELOAD, SHOW VIEW ON *.* TO `ro`@`%` IDENTIFIED BY PASSWORD '*D821'",
	"GRANT ALL PRIVILEGES ON `sho\\_p%`.* TO `ro`@`%`",
	"GRANT SELECT (`id`, `v`), INSERT ON `one`.`t` TO `ro`@`%`",
	"GRANT SELECT, CONNECTION ADMIN ON *.* TO `rr`",
	"GRANT EXECUTE ON PROCEDURE `p`.`q` TO `ro`@`%`",
	"GRANT INSERT ON `o``dd ON x`.* TO `ro`@`%`",
	"SET DEFAULT ROLE `rr` FOR `ro`@`%`",
};
static const char *const tidb[] = {
	"GRANT SELECT,INSERT,PROCESS,SHOW VIEW ON *.* TO 'd1'@'%'",
	"GRANT DROP ON `test`.* TO 'd1'@'%'",
	"GRANT 'r2'@'%' TO 'd1'@'%'",
	"GRANT BACKUP_ADMIN,RESTORE_ADMIN,SYSTEM_VARIABLES_ADMIN ON *.* TO 'd1'@'%'",
};
#define OF(lines) rights_of(lines, sizeof(lines) / sizeof((lines)[0]))

static void what_a_server_grants_is_understood(void **unused)
{
	struct rights *r = OF(mariadb);

	(void)unused;
	assert_string_equal(rights_account(r), "`ro`@`%`");
	assert_true(rights_have(r, "SELECT", NULL));
	assert_true(rights_have(r, "show view", "any"));
	assert_true(rights_have(r, "CONNECTION_ADMIN", NULL));
	assert_false(rights_have(r, "PROCESS", NULL));
	assert_false(rights_have(r, "INSERT", NULL));
	assert_true(rights_have(r, "INSERT", "sho_pping"));
	assert_true(rights_have(r, "INSERT", "one")); /* of a table in it */
	assert_true(rights_have(r, "INSERT", "o`dd ON x"));
	assert_false(rights_have(r, "INSERT", "shopping")); /* \_ is no joker */
	assert_false(rights_have(r, "UPDATE", "one"));
	assert_false(rights_have(r, "PROCESS", "sho_pping")); /* of a server, not of a database */
	assert_false(rights_have(r, "RELOA", NULL));
	rights_free(r);
	r = OF(tidb);
	assert_string_equal(rights_account(r), "'d1'@'%'");
	assert_true(rights_have(r, "BACKUP_ADMIN", NULL));
	assert_false(rights_have(r, "DROP", NULL));
	assert_true(rights_have(r, "DROP", "TEST"));
	assert_false(rights_have(r, "CONNECTION_ADMIN", NULL));
	rights_free(r);
}

static void what_lacks_is_one_error_with_the_grant(void **unused)
{
	static const char *const root[] = {
		"GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION"
	};
	static const char *const dbs[] = { "test", "other" };
	struct rights *r = OF(tidb);
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(rights_want(r, "SELECT, PROCESS", NULL, 0, "diff", &e), 0);
	assert_int_equal(rights_want(r, "DROP", dbs, 1, "diff", &e), 0);
	assert_int_equal(rights_want(r, "SELECT, DROP, ALTER", dbs, 2, "diff", &e), -1);
	assert_non_null(strstr(e.text, "diff: the account 'd1'@'%' lacks DROP, ALTER on "));
	assert_non_null(strstr(e.text, "GRANT DROP, ALTER ON *.* TO 'd1'@'%'"));
	rights_free(r);
	r = OF(root);
	assert_int_equal(rights_want(r, "SELECT, PROCESS, SYSTEM_VARIABLES_ADMIN, SET USER", dbs, 2,
				     "diff", &e),
			 0);
	rights_free(r);
}

static void broken_lines_give_no_right(void **unused)
{
	static const char *const lines[] = {
		"",
		"GRANT",
		"GRANT ",
		"GRANT  ON  TO ",
		"GRANT a ON `",
		"GRANT ON *.* TO",
		"GRANT SELECT ON `d`",
		"GRANT ((( ON *.* TO x",
		"GRANT , , ON *.* TO x@y",
		"GRANT SELECT TO x@y",
	};
	char many[400] = "GRANT INSERT ON `", name[200];
	struct rights *r = OF(lines);
	const char *line = many;

	(void)unused;
	assert_false(rights_have(r, "SELECT", "d"));
	assert_false(rights_have(r, "INSERT", NULL));
	rights_free(r);
	/* a pattern that would be counted for ever */
	for (int i = 0; i < 60; i++)
		strcat(many, "%a");
	strcat(many, "b`.* TO x@y");
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	r = rights_of(&line, 1);
	assert_false(rights_have(r, "INSERT", name));
	rights_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_server_grants_is_understood),
		cmocka_unit_test(what_lacks_is_one_error_with_the_grant),
		cmocka_unit_test(broken_lines_give_no_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
