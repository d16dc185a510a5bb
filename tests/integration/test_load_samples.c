/* needs: sysbench. What a load draws is distributed as what sysbench draws: 100,000 samples of
 * each, two-sample tests at 0.1 % in all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workloads/load.h"

#define N 100000
#define TABLES 10
#define SIZE 10000
#define BUCKETS 200

struct samples {
	int table[TABLES], id[BUCKETS], k[BUCKETS], id_of_table[TABLES][10];
	/* digits by place; the first two of each group of c */
	int c[110][10], pad[55][10], pair[10][100];
};

static void add_digits(int place[][10], const char *text, int n)
{
	for (int i = 0; i < n; i++) {
		char d = text[i / 11 * 12 + i % 11];

		assert_in_range(d, '0', '9');
		place[i][d - '0']++;
	}
	for (int i = 11; i < n / 11 * 12 - 1; i += 12)
		assert_int_equal(text[i], '-');
}

static void add(struct samples *s, int table, int id, int k, const char *c, const char *pad)
{
	assert_in_range(table, 1, TABLES);
	assert_in_range(id, 1, SIZE);
	assert_in_range(k, 1, SIZE);
	assert_int_equal(strlen(c), 119);
	assert_int_equal(strlen(pad), 59);
	s->table[table - 1]++;
	s->id[(id - 1) * BUCKETS / SIZE]++;
	s->k[(k - 1) * BUCKETS / SIZE]++;
	s->id_of_table[table - 1][(id - 1) * 10 / SIZE]++;
	add_digits(s->c, c, 110);
	add_digits(s->pad, pad, 55);
	for (int g = 0; g < 10; g++)
		s->pair[g][(c[g * 12] - '0') * 10 + c[g * 12 + 1] - '0']++;
}

static void draw_ours(struct samples *s, const char *rand_type)
{
	struct load_opts o = { .name = "oltp_write_only",
			       .seed = 20240229,
			       .workers = 100,
			       .tables = TABLES,
			       .table_size = SIZE,
			       .rand_type = rand_type };
	struct audit_op op[AUDIT_OPS_MAX];
	struct err e = ERR_INIT;
	struct load *l = load_new(&o, &e);

	if (!l)
		fail_msg("%s", e.text);
	for (int i = 0; i < N; i++) {
		assert_int_equal(load_model(l)->transaction(load_model(l), (uint32_t)(1 + i % 100),
							    (uint64_t)(1 + i / 100), op),
				 4);
		add(s, (int)op[0].table, (int)op[0].row.id, (int)op[3].row.k, op[1].row.c,
		    op[3].row.pad);
	}
	load_free(l);
}

/* sysbench's own generator, with the templates of its oltp loads; no server takes part. */
static void draw_theirs(struct samples *s, const char *rand_type)
{
	char path[] = "/tmp/drtest-samples-XXXXXX.lua", command[256], line[512];
	int fd = mkstemps(path, 4), n = 0;
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	fprintf(f,
		"local g = '###########'\n"
		"local c, pad = g .. ('-' .. g):rep(9), g .. ('-' .. g):rep(4)\n"
		"function event()\n"
		"  print('s', sysbench.rand.uniform(1, %d), sysbench.rand.default(1, %d), sysbench.rand.default(1, %d),\n"
		"    sysbench.rand.string(c), sysbench.rand.string(pad))\nend\n",
		TABLES, SIZE, SIZE);
	fclose(f);
	snprintf(command, sizeof(command),
		 "sysbench --events=%d --time=0 --threads=1 --rand-seed=5 --rand-type=%s %s run", N,
		 rand_type, path);
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		int table, id, k;
		char c[130], pad[70];

		if (sscanf(line, "s\t%d\t%d\t%d\t%129s\t%69s", &table, &id, &k, c, pad) != 5)
			continue;
		add(s, table, id, k, c, pad);
		n++;
	}
	pclose(f);
	unlink(path);
	assert_int_equal(n, N);
}

/* Both samples have n in all: sum of (a - b)^2 / (a + b) is chi-squared with one freedom less than
 * the cells that hold any. The bound is Wilson and Hilferty's for z sigma. */
static void same(const char *what, const int *a, const int *b, int n, double z)
{
	double chi = 0, df = -1, bound;

	for (int i = 0; i < n; i++)
		if (a[i] + b[i] > 0) {
			chi += (double)(a[i] - b[i]) * (a[i] - b[i]) / (a[i] + b[i]);
			df++;
		}
	if (df < 1)
		return;
	bound = df * pow(1 - 2 / (9 * df) + z * sqrt(2 / (9 * df)), 3);
	if (chi > bound)
		fail_msg("%s: chi-squared %.1f with %.0f degrees of freedom is over %.1f", what,
			 chi, df, bound);
}

static void compare(const char *rand_type)
{
	struct samples *ours = calloc(1, sizeof(*ours)), *theirs = calloc(1, sizeof(*theirs));
	char what[64];

	draw_ours(ours, rand_type);
	draw_theirs(theirs, rand_type);
	same("table", ours->table, theirs->table, TABLES, 4);
	same("id", ours->id, theirs->id, BUCKETS, 4);
	same("k", ours->k, theirs->k, BUCKETS, 4);
	same("table and id", ours->id_of_table[0], theirs->id_of_table[0], TABLES * 10, 4);
	for (int i = 0; i < 110; i++) {
		snprintf(what, sizeof(what), "digit %d of c", i);
		same(what, ours->c[i], theirs->c[i], 10, 4.5);
	}
	for (int i = 0; i < 55; i++) {
		snprintf(what, sizeof(what), "digit %d of pad", i);
		same(what, ours->pad[i], theirs->pad[i], 10, 4.5);
	}
	for (int g = 0; g < 10; g++) {
		snprintf(what, sizeof(what), "the first two digits of group %d of c", g);
		same(what, ours->pair[g], theirs->pair[g], 100, 4.5);
	}
	free(ours);
	free(theirs);
}

static void samples_are_sysbenchs(void **state)
{
	static const char *const types[] = { "special", "uniform", "gaussian", "pareto" };

	(void)state;
	if (system("command -v sysbench >/dev/null 2>&1") != 0) {
		print_message("skipped: sysbench is not installed\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		compare(types[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(samples_are_sysbenchs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
