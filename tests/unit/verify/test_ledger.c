#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/verify/ledger.h"

static char dir[64];

static struct ledger_record sample(uint32_t worker, uint64_t seq)
{
	return (struct ledger_record){ .worker = worker,
				       .outcome = (uint8_t)(1 + seq % 3),
				       .flags = seq % 3 == 1 ? TXN_RETRIED : 0,
				       .cluster = (uint16_t)(seq % 3),
				       .seq = seq,
				       .due_us = (int64_t)seq * 1000,
				       .begin_us = (int64_t)seq * 1000 + 7,
				       .end_us = 3600000000ll + (int64_t)seq,
				       .position = seq << 40 };
}

static void write_records(uint32_t worker, uint64_t from, uint64_t to)
{
	struct err e = ERR_INIT;
	struct ledger_writer *w = ledger_writer_open(dir, worker, &e);

	assert_non_null(w);
	for (uint64_t s = from; s <= to; s++) {
		struct ledger_record r = sample(worker, s);

		ledger_writer_add(w, &r);
	}
	assert_int_equal(ledger_writer_close(w, &e), 0);
}

struct seen {
	uint32_t worker;
	uint64_t n, last, sum;
};
static int see(void *arg, const struct ledger_record *r)
{
	struct seen *s = arg;
	struct ledger_record want = sample(r->worker, r->seq);

	assert_true(r->worker > s->worker || (r->worker == s->worker && r->seq == s->last + 1));
	assert_memory_equal(r, &want, sizeof(want));
	s->worker = r->worker;
	s->last = r->seq;
	s->n++;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/drtest-ledger-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[128];
	const uint32_t workers[] = { 1, 2, 10, 12345 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/worker-%04u.ledger", dir, workers[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static void what_is_written_is_read_in_order(void **state)
{
	struct seen s = { 0 };
	struct err e = ERR_INIT;
	unsigned damaged = 9;

	(void)state;
	write_records(12345, 1, 10);
	write_records(10, 1, 5000);
	write_records(2, 1, 3);
	write_records(2, 4, 8);
	assert_int_equal(ledger_read(dir, see, &s, &damaged, &e), 0);
	assert_int_equal(s.n, 5018);
	assert_int_equal(s.worker, 12345);
	assert_int_equal(damaged, 0);
}

static void what_comes_behind_a_mark_is_not_read(void **state)
{
	struct ledger_mark *m;
	struct seen s = { 0 };
	struct err e = ERR_INIT;
	unsigned damaged = 9;
	char path[128];

	(void)state;
	write_records(1, 1, 2000);
	write_records(2, 1, 5);
	m = ledger_mark_take(dir, &e);
	assert_non_null(m);
	write_records(1, 2001, 2100);
	write_records(10, 1, 3); /* a worker that came later */
	snprintf(path, sizeof(path), "%s/worker-0001.ledger", dir);
	assert_int_equal(truncate(path, 2050 * 48 - 5), 0); /* a record that is being written */
	assert_int_equal(ledger_read_to(dir, m, see, &s, &damaged, &e), 0);
	assert_int_equal(s.n, 2005);
	assert_int_equal(damaged, 0);
	memset(&s, 0, sizeof(s));
	assert_int_equal(truncate(path, 100 * 48), 0); /* what was there is gone */
	assert_int_equal(ledger_read_to(dir, m, see, &s, &damaged, &e), 0);
	assert_int_equal(damaged, 1);
	ledger_mark_free(m);
	assert_null(ledger_mark_take("/nonexistent/ledger", &e));
}

static void a_torn_tail_ends_a_file_and_is_counted(void **state)
{
	struct seen s = { 0 };
	struct err e = ERR_INIT;
	unsigned damaged;
	char path[128];

	(void)state;
	write_records(1, 1, 20);
	write_records(2, 1, 5);
	snprintf(path, sizeof(path), "%s/worker-0001.ledger", dir);
	assert_int_equal(truncate(path, 20 * 48 - 5), 0);
	assert_int_equal(ledger_read(dir, see, &s, &damaged, &e), 0);
	assert_int_equal(s.n, 24);
	assert_int_equal(damaged, 1);
	/* the next writer goes on after the last whole record */
	write_records(1, 20, 25);
	memset(&s, 0, sizeof(s));
	assert_int_equal(ledger_read(dir, see, &s, &damaged, &e), 0);
	assert_int_equal(s.n, 30);
	assert_int_equal(damaged, 0);
}

static void a_changed_bit_ends_a_file(void **state)
{
	struct err e = ERR_INIT;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/worker-0001.ledger", dir);
	for (int byte = 0; byte < 48; byte++) {
		struct seen s = { 0 };
		unsigned damaged;
		unsigned char c;
		int fd;

		unlink(path);
		write_records(1, 1, 3);
		fd = open(path, O_RDWR);
		assert_int_equal(pread(fd, &c, 1, 48 + byte), 1);
		c ^= (unsigned char)(1 << byte % 8);
		assert_int_equal(pwrite(fd, &c, 1, 48 + byte), 1);
		close(fd);
		assert_int_equal(ledger_read(dir, see, &s, &damaged, &e), 0);
		assert_int_equal(s.n, 1);
		assert_int_equal(damaged, 1);
	}
}

static void a_missing_folder_is_an_error(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(ledger_read("/nonexistent/ledger", see, NULL, NULL, &e), -1);
	assert_non_null(strstr(e.text, "/nonexistent/ledger"));
	assert_null(ledger_writer_open("/nonexistent/ledger", 1, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_behind_a_mark_is_not_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_torn_tail_ends_a_file_and_is_counted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_changed_bit_ends_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_missing_folder_is_an_error, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
