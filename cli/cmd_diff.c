#include "cli/cmd_diff.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/verify/compare.h"

static const char help[] =
	"usage: drtest diff --a URI --b URI [--tables PATTERN] [--threads N] [--chunk-rows N] [--fix-sql FILE] [--a-snapshot TSO] [--b-snapshot TSO] [--json]\n"
	"Compares all tables of two clusters, structure and rows. Exit code 0: equal, 1: different.\n"
	"  --a URI, --b URI     mysql://user:password@host:port\n"
	"  --tables PATTERN     only tables whose db.table matches, as \"sbtest.*\"\n"
	"  --threads N          connections to each side (4)\n"
	"  --chunk-rows N       rows summed by one query (50000)\n"
	"  --fix-sql FILE       writes SQL that makes b equal to a\n"
	"  --a-snapshot TSO     TiDB: compare at this TSO; --b-snapshot likewise\n"
	"  --json               the result as JSON\n";

static int number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *out > 0 && *out <= max ? 0 : -1;
}

static void print(const struct compare_result *r, bool json)
{
	json_t *f;
	size_t i;

	if (json) {
		json_t *o = json_pack("{s:s,s:I,s:I,s:I,s:f,s:O,s:s}", "verdict", r->verdict == VERDICT_PASS ? "pass" : "fail", "tables",
			(json_int_t)r->tables, "rows", (json_int_t)r->rows, "rows_different", (json_int_t)r->rows_different, "seconds",
			(double)r->elapsed_us / 1e6, "findings", r->findings, "evidence", r->evidence);

		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
		return;
	}
	json_array_foreach(r->findings, i, f) {
		char *line = json_dumps(f, 0);

		printf("  %s\n", line ? line : "?");
		free(line);
	}
	printf("%s (%.2f s)\n", r->evidence, (double)r->elapsed_us / 1e6);
}

int cmd_diff(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "a", required_argument, NULL, 'a' }, { "b", required_argument, NULL, 'b' }, { "tables", required_argument, NULL, 'T' },
		{ "threads", required_argument, NULL, 't' }, { "chunk-rows", required_argument, NULL, 'c' }, { "fix-sql", required_argument, NULL, 'f' },
		{ "a-snapshot", required_argument, NULL, 'A' }, { "b-snapshot", required_argument, NULL, 'B' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	struct compare_opts o = { .a_name = "a", .b_name = "b" };
	struct compare_result r = { 0 };
	const char *a = NULL, *b = NULL;
	struct err e = ERR_INIT;
	bool json = false;
	uint64_t n = 0;
	int c, rc;

	optind = 0; /* drtest parsed before us: glibc starts over */
	while ((c = getopt_long(argc, argv, "+h", longs, NULL)) != -1)
		switch (c) {
		case 'a': a = optarg; break;
		case 'b': b = optarg; break;
		case 'T': o.tables = optarg; break;
		case 'f': o.fix_sql_path = optarg; break;
		case 'A': o.a_snapshot = optarg; break;
		case 'B': o.b_snapshot = optarg; break;
		case 'j': json = true; break;
		case 'h': fputs(help, stdout); return 0;
		case 't': case 'c':
			if (number(optarg, c == 't' ? 64 : 10000000, &n) < 0) {
				fprintf(stderr, "drtest diff: \"%.60s\" is out of range\n", optarg);
				return 2;
			}
			if (c == 't')
				o.threads = (unsigned)n;
			else
				o.chunk_rows = n;
			break;
		default: fputs(help, stderr); return 2;
		}
	if (!a || !b || optind < argc) {
		fprintf(stderr, "drtest diff: %s\n%s", optind < argc ? "too many arguments" : "--a and --b are needed", help);
		return 2;
	}
	if (sql_endpoint_from_uri(&o.a, a, &e) < 0 || sql_endpoint_from_uri(&o.b, b, &e) < 0 || compare_run(&o, &r, &e) < 0) {
		fprintf(stderr, "drtest diff: %s\n", e.text);
		return err_exit_code(&e);
	}
	print(&r, json);
	rc = r.verdict == VERDICT_PASS ? 0 : 1;
	compare_result_release(&r);
	return rc;
}
