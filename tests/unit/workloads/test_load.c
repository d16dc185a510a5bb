/* The load and its model without a server. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workloads/load.h"

static struct load_opts opts(void)
{
	return (struct load_opts){ .name = "oltp_write_only",
				   .seed = 42,
				   .workers = 4,
				   .tables = 10,
				   .load_tables = 3,
				   .table_size = 1000,
				   .rand_type = "uniform",
				   .ledger_rows = true };
}

static struct load *make(const struct load_opts *o)
{
	struct err e = ERR_INIT;
	struct load *l = load_new(o, &e);

	if (!l)
		fail_msg("%s", e.text);
	return l;
}

static void refuse(const struct load_opts *o, const char *word)
{
	struct err e = ERR_INIT;

	assert_null(load_new(o, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	if (!strstr(e.text, word))
		fail_msg("\"%s\" does not say \"%s\"", e.text, word);
}

static void a_transaction_is_sysbenchs_and_depends_on_seed_worker_and_sequence_alone(void **state)
{
	struct load_opts o = opts();
	struct load *a = make(&o), *b = make(&o), *c;
	const struct audit_model *m = load_model(a);
	struct audit_op x[AUDIT_OPS_MAX], y[AUDIT_OPS_MAX];
	unsigned differ = 0, tables = 0, several = 0;

	(void)state;
	o.seed = 43;
	c = make(&o);
	assert_non_null(m);
	assert_string_equal(m->ledger_table, "drtest_ledger");
	for (uint64_t seq = 1; seq <= 500; seq++) {
		uint32_t worker, statement;
		uint64_t s;

		assert_int_equal(m->transaction(m, 3, seq, x), 4);
		assert_int_equal(load_model(b)->transaction(load_model(b), 3, 501 - seq, y), 4);
		assert_int_equal(load_model(b)->transaction(load_model(b), 3, seq, y), 4);
		assert_memory_equal(x, y, sizeof(*x) * 4);
		load_model(c)->transaction(load_model(c), 3, seq, y);
		differ += memcmp(x, y, sizeof(*x) * 4) != 0;
		assert_int_equal(x[0].kind, AUDIT_ADD_K);
		assert_int_equal(x[0].row.k, 1);
		assert_int_equal(x[1].kind, AUDIT_SET_C);
		assert_int_equal(x[2].kind, AUDIT_DELETE);
		assert_int_equal(x[3].kind, AUDIT_INSERT);
		assert_int_equal(x[2].table, x[3].table);
		assert_int_equal(x[2].row.id, x[3].row.id);
		several += x[0].table != x[1].table;
		for (uint32_t i = 0; i < 4; i++) {
			assert_int_equal(x[i].statement, i + 1);
			assert_in_range(x[i].table, 1, 3);
			assert_in_range(x[i].row.id, 1, 1000);
			tables |= 1u << x[i].table;
		}
		assert_int_equal(strlen(x[3].row.c), 119);
		assert_int_equal(strlen(x[3].row.pad), 59);
		assert_int_equal(m->writer_of(m, x[1].row.c, &worker, &s, &statement), 1);
		assert_true(worker == 3 && s == seq && statement == 2);
		assert_int_equal(m->writer_of(m, x[3].row.pad, &worker, &s, &statement), 1);
		assert_true(worker == 3 && s == seq && statement == 4);
		assert_int_equal(load_model(c)->writer_of(load_model(c), x[3].row.pad, &worker, &s,
							  &statement),
				 0);
	}
	assert_int_equal(differ, 500);
	assert_int_equal(tables, 14);
	assert_in_range(several, 280, 390); /* two thirds of 500, sigma 10.5 */
	load_free(a);
	load_free(b);
	load_free(c);
}

static void prepared_rows_are_writer_0s(void **state)
{
	struct load_opts o = opts();
	struct load *l = make(&o);
	const struct audit_model *m = load_model(l);
	struct audit_row r, again;
	uint32_t worker, statement;
	uint64_t seq;

	(void)state;
	for (int64_t id = 1; id <= 1000; id += 111) {
		m->initial(m, 7, id, &r);
		m->initial(m, 7, id, &again);
		assert_memory_equal(&r, &again, sizeof(r));
		assert_in_range(r.k, 1, 1000);
		assert_int_equal(m->writer_of(m, r.c, &worker, &seq, &statement), 1);
		assert_int_equal(worker, 0);
		m->initial(m, 8, id, &again);
		assert_string_not_equal(r.c, again.c);
	}
	load_free(l);
}

static void bad_options_get_one_clear_line(void **state)
{
	struct load_opts o = opts();

	(void)state;
	o.name = "nosuch";
	refuse(&o, "nosuch");
	o.name = "/nonexistent/load.lua";
	refuse(&o, "/nonexistent/load.lua");
	o = opts();
	o.workers = 0;
	refuse(&o, "workers");
	o = opts();
	o.load_tables = 11;
	refuse(&o, "load_tables is 11");
	o = opts();
	o.table_size = 0;
	refuse(&o, "table_size");
	o = opts();
	o.rand_type = "normal";
	refuse(&o, "normal");
	o = opts();
	o.rate = -1;
	refuse(&o, "rate");
	o = opts();
	o.set = (const char *const[]){ "index_updates=two", NULL };
	refuse(&o, "index_updates=two");
	o.set = (const char *const[]){ "indx_updates=2", NULL };
	refuse(&o, "indx_updates");
}

static void own_options_change_what_a_transaction_does(void **state)
{
	struct load_opts o = opts();
	struct audit_op x[AUDIT_OPS_MAX];
	struct load *l;

	(void)state;
	o.set = (const char *const[]){ "index_updates=3", "delete_inserts=0", NULL };
	l = make(&o);
	assert_int_equal(load_model(l)->transaction(load_model(l), 1, 1, x), 4);
	assert_int_equal(x[2].kind, AUDIT_ADD_K);
	assert_int_equal(x[3].kind, AUDIT_SET_C);
	load_free(l);
}

/* A user's own load; `text` becomes its file. */
static struct load *own(const char *text, struct err *e)
{
	struct load_opts o = opts();
	char path[] = "/tmp/drtest-load-XXXXXX.lua";
	int fd = mkstemps(path, 4);
	struct load *l;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	o.name = path;
	l = load_new(&o, e);
	unlink(path);
	return l;
}

static void a_users_load_is_checked_when_it_is_read(void **state)
{
	static const struct {
		const char *text, *word;
	} bad[] = {
		{ "return 5", "must return a table" },
		{ "return { name = 'x', statements = {} }", "event" },
		{ "x = 1\nreturn {}", "globals" },
		{ "return {\n  name = 'x' statements", ":2:" },
		{ "return { name = 'x', statements = { a = {} }, event = print }", "statement a" },
		{ "return { name = 'x', statements = { a = { 'UPDATE t%d SET k=k+1 WHERE id=?', effect = 'add_k', args = { 'k' } } }, event = print }",
		  "statement a" },
		{ "return { name = 'x', statements = { a = { 'DO ?', effect = 'eat', args = { 'id' } } }, event = print }",
		  "effect" },
		{ "return { name = 'x', statements = {}, event = function(con) con:begin() con:commit() end,\n"
		  "  row = function() end, audit = { table_prefix = 't' } }",
		  "no statement with an effect" },
	};
	struct err e = ERR_INIT;
	struct load *l;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		l = own(bad[i].text, &e);
		assert_null(l);
		if (!strstr(e.text, bad[i].word))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].word);
	}
	l = own("return { name = 'mine', statements = { a = { 'DO ?' } },\n"
		"  event = function(con, r) con:begin() con:execute('a', r:uniform(1, 5)) con:commit() end }",
		&e);
	if (!l)
		fail_msg("%s", e.text);
	assert_null(load_model(l)); /* it declares no audit */
	load_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_transaction_is_sysbenchs_and_depends_on_seed_worker_and_sequence_alone),
		cmocka_unit_test(prepared_rows_are_writer_0s),
		cmocka_unit_test(bad_options_get_one_clear_line),
		cmocka_unit_test(own_options_change_what_a_transaction_does),
		cmocka_unit_test(a_users_load_is_checked_when_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
