/* base: the journal and the redaction of secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/journal.h"
#include "harness/base/secret.h"

static char path[] = "/tmp/drtest-journal.XXXXXX";

static int count(void *arg, json_t *ev)
{
	assert_true(json_is_real(json_object_get(ev, "t")));
	assert_true(json_is_string(json_object_get(ev, "ev")));
	++*(int *)arg;
	return 0;
}

static void *writer(void *arg)
{
	for (int i = 0; i < 200; i++)
		journal_event(arg, "sample", json_pack("{s:i}", "i", i));
	return NULL;
}

static struct journal *fresh(void)
{
	struct err e = ERR_INIT;
	struct journal *j;

	unlink(path);
	j = journal_create(path, &e);
	if (!j)
		fail_msg("%s", e.text);
	return j;
}

static void many_threads_write_whole_lines(void **unused)
{
	struct journal *j = fresh();
	struct err e = ERR_INIT;
	pthread_t t[4];
	int n = 0, cut;

	(void)unused;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, writer, j);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(journal_close(j, &e), 0);
	assert_int_equal(journal_read(path, count, &n, &cut, &e), 0);
	assert_int_equal(n, 800);
	assert_int_equal(cut, 0);
}

static void a_journal_is_readable_while_its_writer_lives_and_when_cut(void **unused)
{
	struct journal *j = fresh();
	struct err e = ERR_INIT;
	int n = 0, cut, before = 0;
	FILE *f;
	long size;

	(void)unused;
	journal_event(j, "run", NULL);
	journal_event(j, "step", json_pack("{s:s}", "name", "one"));
	/* not closed: as after kill -9 */
	assert_int_equal(journal_read(path, count, &n, &cut, &e), 0);
	assert_int_equal(n, 2);
	assert_int_equal(cut, 1);
	journal_event(j, "step", json_pack("{s:s}", "name", "two"));
	journal_close(j, NULL);
	f = fopen(path, "r");
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	fclose(f);
	while (--size > 0) { /* every cut is read up to its last whole event */
		assert_int_equal(truncate(path, size), 0);
		n = 0;
		assert_int_equal(journal_read(path, count, &n, &cut, &e), 0);
		assert_int_equal(cut, 1);
		assert_true(n <= 3 && (!before || n <= before));
		before = n;
	}
}

static void a_journal_is_never_written_through_a_link(void **unused)
{
	struct err e = ERR_INIT;

	(void)unused;
	unlink(path);
	assert_int_equal(symlink("/dev/full", path), 0);
	assert_null(journal_create(path, &e)); /* never writes through a link that is there */
	unlink(path);
}

/* What a server or a store calls itself may not speak to the terminal, nor begin a line. */
static void no_control_character_is_printed(void **unused)
{
	struct strbuf s = STRBUF_INIT, line = STRBUF_INIT;

	(void)unused;
	secret_redact(&s, "a\x1b]0;x\a\r\x7f\xc2\x9b"
			  "31m\nb\tc");
	assert_string_equal(s.buf, "a ]0;x    31m\nb\tc");
	secret_line(&line, s.buf);
	assert_string_equal(line.buf, "a ]0;x    31m b c");
	strbuf_release(&s);
	strbuf_release(&line);
}

static void redacted(const char *in, const char *want)
{
	struct strbuf s = STRBUF_INIT;

	secret_redact(&s, in);
	assert_string_equal(s.buf, want);
	strbuf_release(&s);
}

static void secrets_are_stars_however_they_are_written(void **unused)
{
	static const char *const leaks[] = {
		"CREATE USER u IDENTIFIED VIA mysql_native_password USING PASSWORD('hunter2x')",
		"SET PASSWORD FOR u = PASSWORD('hunter2x')",
		"SET PASSWORD FOR u = 'hunter2x'",
		"ALTER USER u IDENTIFIED BY PASSWORD \"hunter2x\"",
		"IDENTIFIED BY\t'it''s hunter2x'",
		"near 'PASSWORD( 'hunter2x')' at line 1",
		"CHANGE MASTER TO MASTER_PASSWORD='hunter2x'",
		"{\"password\":\"hunter2x\"}",
		"{\"password\" : \"a\\\"hunter2x\"}",
		"\"{\\\"password\\\":\\\"hunter2x\\\"}\"",
		"password: hunter2x",
		"Password = hunter2x",
		"--password hunter2x",
		"--mysql-password hunter2x",
		"--mysql_password=hunter2x",
		"mysql -h db -phunter2x -e",
		"mariadb -uroot -phunter2x",
		"mysql://root:a/hunter2x@h/",
		"mysql://root:a?hunter2x@h/",
		"tidb://u:hunter2x@[::1]:4000",
		"password=a)hunter2x",
		"password=a;hunter2x",
		"--set 'password=a hunter2x'",
		"password='a hunter2x'",
		"secret_access_key=hunter2x",
		"MYSQL_PWD=hunter2x drtest",
		"x=1&token=hunter2x&y",
		"{'secret': 'hunter2x'}",
		"passphrase=\"hunter2x",
		"AWS_SECRET_ACCESS_KEY=hunter2x",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(leaks) / sizeof(leaks[0]); i++) {
		struct strbuf s = STRBUF_INIT;

		secret_redact(&s, leaks[i]);
		if (strstr(s.buf, "hunter2x") || !strstr(s.buf, "***"))
			fail_msg("%s: %s", leaks[i], s.buf);
		strbuf_release(&s);
	}
	redacted("{\"password\": \"x\", \"port\": 4000}",
		 "{\"password\": \"***\", \"port\": 4000}");
	redacted("--set 'password=a b' --seed 3", "--set 'password=***' --seed 3");
	redacted("Access denied for user 'u'@'h' (using password: NO)",
		 "Access denied for user 'u'@'h' (using password: NO)");
	redacted("http://h:6060/a@b passwords, tokens: 3, the password is wrong",
		 "http://h:6060/a@b passwords, tokens: 3, the password is wrong");
	redacted("tail -pid -port, drtest -p3", "tail -pid -port, drtest -p3");
	redacted("correct horse", "correct horse");
	secret_know("correct horse");
	secret_know("ab"); /* too short to be looked for */
	redacted("it was correct horse, and ab", "it was ***, and ab");
	assert_true(secret_name("sink_password"));
	assert_true(secret_name("Secret-Access-Key"));
	assert_false(secret_name("tables"));
}

static void secrets_are_stars(void **unused)
{
	(void)unused;
	redacted("s3://redo?access-key=minio&secret-access-key=mini/o+st&endpoint=http://h:6060",
		 "s3://redo?access-key=***&secret-access-key=***&endpoint=http://h:6060");
	redacted("mysql://root:p:a@ss@127.0.0.1:4000/?x=1", "mysql://root:***@127.0.0.1:4000/?x=1");
	redacted("mysql://root@127.0.0.1:4000/", "mysql://root@127.0.0.1:4000/");
	redacted("CREATE USER a IDENTIFIED BY 'it\\'s' x", "CREATE USER a IDENTIFIED BY '***' x");
	redacted("http://127.0.0.1:6060/path at 12:00", "http://127.0.0.1:6060/path at 12:00");
	redacted("no secrets = here", "no secrets = here");
	redacted("", "");
	redacted("größer \xf0\x9f\x98\x80", "größer \xf0\x9f\x98\x80");
	/* a journal takes UTF-8 only */
	redacted("a\xff"
		 "b\xc0\x80\xed\xa0\x80\xe2\x82",
		 "a?b???????");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_threads_write_whole_lines),
		cmocka_unit_test(a_journal_is_readable_while_its_writer_lives_and_when_cut),
		cmocka_unit_test(a_journal_is_never_written_through_a_link),
		cmocka_unit_test(no_control_character_is_printed),
		cmocka_unit_test(secrets_are_stars),
		cmocka_unit_test(secrets_are_stars_however_they_are_written),
	};
	int rc;

	close(mkstemp(path));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return rc;
}
