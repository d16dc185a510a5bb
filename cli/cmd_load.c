#include "cli/cmd_load.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/xalloc.h"
#include "workloads/load.h"

#define PREPARE_MS (24 * 3600 * 1000ll)
#define STOP_MS 10000
#define SETS_MAX 32

static const char help[] =
	"usage: drtest load NAME prepare|run|cleanup [options]\n"
	"Runs a load by hand: NAME is oltp_write_only or the path of a load's Lua file. Options are named as in sysbench.\n"
	"  --mysql-host=127.0.0.1 --mysql-port=3306 --mysql-user=root --mysql-db=sbtest\n"
	"  --mysql-password=...     better: the environment's MYSQL_PWD, which no process list shows\n"
	"  --mysql-ssl-ca=FILE --mysql-ssl-cert=FILE --mysql-ssl-key=FILE\n"
	"  --tables=1               tables to prepare; --load-tables=0: write to the first so many only (0: all)\n"
	"  --table-size=10000       rows of each\n"
	"  --threads=1              connections (prepare: at most so many at once)\n"
	"  --rate=0                 transactions per second over all connections; 0: as fast as they go\n"
	"  --pace=poisson           or even: the gaps between due times\n"
	"  --time=10                seconds; 0: until Ctrl-C\n"
	"  --report-interval=0      seconds between interval lines; 0: none\n"
	"  --percentile=95          of the latencies in the report\n"
	"  --rand-type=special      special, uniform, gaussian, pareto, zipfian\n"
	"  --rand-seed=0            0: from the clock, and printed\n"
	"  --ledger-dir=DIR         a record of each transaction; --ledger-rows: each also inserts itself into drtest_ledger\n"
	"  --set NAME=VALUE         an option of the load itself (index_updates, non_index_updates, delete_inserts, ..)\n"
	"Exit code: 0 it ran, 2 usage, 3 the server or the load failed, 130 interrupted.\n";

struct run {
	struct load_opts o;
	struct sql_endpoint ep;
	const char *verb;
	unsigned percentile;
	double time_s, interval_s;
	char *set[SETS_MAX + 1];
	size_t n_set;
};

static int usage(const char *option, const char *text, const char *want)
{
	fprintf(stderr, "drtest load: --%s: \"%.60s\" is not %s\n", option, text, want);
	return -1;
}

static int whole(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && *out >= min && *out <= max)
		return 0;
	char want[96];

	snprintf(want, sizeof(want), "a number from %" PRIu64 " to %" PRIu64, min, max);
	return usage(option, text, want);
}

static int real(const char *option, const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end != text && !*end && isfinite(*out) && *out >= 0)
		return 0;
	return usage(option, text, "a number of at least 0");
}

static int field(const char *option, const char *text, char *to, size_t room)
{
	if (strlen(text) < room) {
		strcpy(to, text);
		return 0;
	}
	return usage(option, "(too long)", "short enough");
}

static int take(struct run *r, const char *name, const char *arg)
{
	uint64_t n = 0;
	int rc = 0;

	if (!strcmp(name, "mysql-host")) return field(name, arg, r->ep.host, sizeof(r->ep.host));
	if (!strcmp(name, "mysql-user")) return field(name, arg, r->ep.user, sizeof(r->ep.user));
	if (!strcmp(name, "mysql-password")) return field(name, arg, r->ep.password, sizeof(r->ep.password));
	if (!strcmp(name, "mysql-ssl-ca")) return field(name, arg, r->ep.ssl_ca, sizeof(r->ep.ssl_ca));
	if (!strcmp(name, "mysql-ssl-cert")) return field(name, arg, r->ep.ssl_cert, sizeof(r->ep.ssl_cert));
	if (!strcmp(name, "mysql-ssl-key")) return field(name, arg, r->ep.ssl_key, sizeof(r->ep.ssl_key));
	if (!strcmp(name, "mysql-db")) r->o.db = arg;
	else if (!strcmp(name, "rand-type")) r->o.rand_type = arg;
	else if (!strcmp(name, "ledger-dir")) r->o.ledger_dir = arg;
	else if (!strcmp(name, "ledger-rows")) r->o.ledger_rows = true;
	else if (!strcmp(name, "rate")) return real(name, arg, &r->o.rate);
	else if (!strcmp(name, "time")) return real(name, arg, &r->time_s);
	else if (!strcmp(name, "report-interval")) return real(name, arg, &r->interval_s);
	else if (!strcmp(name, "pace")) {
		if (strcmp(arg, "poisson") != 0 && strcmp(arg, "even") != 0)
			return usage(name, arg, "poisson or even");
		r->o.pace = *arg == 'e' ? LOAD_EVEN : LOAD_POISSON;
	} else if (!strcmp(name, "set")) {
		if (r->n_set == SETS_MAX)
			return usage(name, arg, "one of at most 32");
		r->set[r->n_set++] = xstrdup(arg);
	} else {
		bool zero = !strcmp(name, "load-tables") || !strcmp(name, "rand-seed");
		uint64_t max = !strcmp(name, "mysql-port") ? 65535 : !strcmp(name, "percentile") ? 100 : !strcmp(name, "table-size") ? INT32_MAX :
			       !strcmp(name, "rand-seed") ? UINT64_MAX : 100000;

		rc = whole(name, arg, zero ? 0 : 1, max, &n);
		if (!strcmp(name, "mysql-port")) r->ep.port = (unsigned)n;
		else if (!strcmp(name, "tables")) r->o.tables = (unsigned)n;
		else if (!strcmp(name, "load-tables")) r->o.load_tables = (unsigned)n;
		else if (!strcmp(name, "table-size")) r->o.table_size = (int64_t)n;
		else if (!strcmp(name, "threads")) r->o.workers = (unsigned)n;
		else if (!strcmp(name, "percentile")) r->percentile = (unsigned)n;
		else r->o.seed = n; /* rand-seed */
	}
	return rc;
}

static int parse(struct run *r, int argc, char **argv)
{
	enum { NEEDS = required_argument };
	static const struct option longs[] = {
		{ "mysql-host", NEEDS, NULL, 0 }, { "mysql-port", NEEDS, NULL, 0 }, { "mysql-user", NEEDS, NULL, 0 }, { "mysql-password", NEEDS, NULL, 0 },
		{ "mysql-db", NEEDS, NULL, 0 }, { "mysql-ssl-ca", NEEDS, NULL, 0 }, { "mysql-ssl-cert", NEEDS, NULL, 0 }, { "mysql-ssl-key", NEEDS, NULL, 0 },
		{ "tables", NEEDS, NULL, 0 }, { "load-tables", NEEDS, NULL, 0 }, { "table-size", NEEDS, NULL, 0 }, { "threads", NEEDS, NULL, 0 },
		{ "rate", NEEDS, NULL, 0 }, { "pace", NEEDS, NULL, 0 }, { "time", NEEDS, NULL, 0 }, { "report-interval", NEEDS, NULL, 0 },
		{ "percentile", NEEDS, NULL, 0 }, { "rand-type", NEEDS, NULL, 0 }, { "rand-seed", NEEDS, NULL, 0 }, { "ledger-dir", NEEDS, NULL, 0 },
		{ "ledger-rows", no_argument, NULL, 0 }, { "set", NEEDS, NULL, 0 }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	const char *password = getenv("MYSQL_PWD");
	int c, at = 0;

	if (password && field("mysql-password", password, r->ep.password, sizeof(r->ep.password)) < 0)
		return 2;
	optind = 0; /* drtest parsed before us: glibc starts over */
	while ((c = getopt_long(argc, argv, "h", longs, &at)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c != 0)
			return fputs(help, stderr), 2;
		if (take(r, longs[at].name, optarg) < 0)
			return 2;
		if (!strcmp(longs[at].name, "mysql-password"))
			memset(optarg, '*', strlen(optarg)); /* out of the process list, as far as that goes */
	}
	if (argc - optind != 2 || (strcmp(argv[optind + 1], "prepare") && strcmp(argv[optind + 1], "run") && strcmp(argv[optind + 1], "cleanup") &&
				   strcmp(argv[optind + 1], "check"))) {
		fputs(help, stderr);
		return 2;
	}
	r->o.name = argv[optind];
	r->verb = argv[optind + 1];
	r->o.set = (const char *const *)r->set;
	return 0;
}

/* sysbench's classes: our loads' statements are four writes and BEGIN, COMMIT: what is no BEGIN or COMMIT is a write. */
static uint64_t others(const struct load_stats *s)
{
	uint64_t two = 2 * s->acked;

	return two < s->statements ? two : s->statements;
}

static void interval_line(const struct run *r, double at, double span, const struct load_stats *now, const struct load_stats *before)
{
	static struct hist diff;
	double q = r->percentile / 100.0;
	uint64_t statements = now->statements - before->statements, other = others(now) - others(before);

	diff = *now->latency;
	for (int i = 0; i < HIST_SLOTS; i++)
		diff.slot[i] -= before->latency->slot[i];
	diff.count -= before->latency->count;
	printf("[ %.0fs ] thds: %u tps: %4.2f qps: %4.2f (r/w/o: %4.2f/%4.2f/%4.2f) lat (ms,%u%%): %4.2f err/s: %4.2f reconn/s: %4.2f\n", at, r->o.workers,
	       (double)(now->acked - before->acked) / span, (double)statements / span, 0.0, (double)(statements - other) / span, (double)other / span,
	       r->percentile, (double)hist_quantile_us(&diff, q) / 1e3, (double)(now->failed - before->failed) / span,
	       (double)(now->unknown - before->unknown) / span);
	if (r->o.rate > 0)
		printf("[ %.0fs ] queue length: %" PRIu64 ", concurrency: %" PRIu64 "\n", at, now->backlog,
		       now->started - now->acked - now->failed - now->unknown);
	fflush(stdout);
}

static void final_report(const struct run *r, double seconds, const struct load_stats *s)
{
	const struct hist *h = s->latency;
	uint64_t other = others(s);

	printf("SQL statistics:\n    queries performed:\n        read:                            0\n");
	printf("        write:                           %" PRIu64 "\n", s->statements - other);
	printf("        other:                           %" PRIu64 "\n", other);
	printf("        total:                           %" PRIu64 "\n", s->statements);
	printf("    transactions:                        %-6" PRIu64 " (%.2f per sec.)\n", s->acked, (double)s->acked / seconds);
	printf("    queries:                             %-6" PRIu64 " (%.2f per sec.)\n", s->statements, (double)s->statements / seconds);
	printf("    ignored errors:                      %-6" PRIu64 " (%.2f per sec.)\n", s->failed, (double)s->failed / seconds);
	printf("    unknown outcomes:                    %-6" PRIu64 " (%.2f per sec.)\n\n", s->unknown, (double)s->unknown / seconds);
	printf("General statistics:\n    total time:                          %.4fs\n", seconds);
	printf("    total number of events:              %" PRIu64 "\n\n", s->acked);
	printf("Latency (ms):\n         min:                            %12.2f\n         avg:                            %12.2f\n"
	       "         max:                            %12.2f\n        %3uth percentile:                %12.2f\n"
	       "         sum:                            %12.2f\n",
	       (double)h->min_us / 1e3, h->count ? (double)h->sum_us / 1e3 / (double)h->count : 0, (double)h->max_us / 1e3, r->percentile,
	       (double)hist_quantile_us(h, r->percentile / 100.0) / 1e3, (double)h->sum_us / 1e3);
}

static int run_load(const struct run *r, struct load *l, struct err *e)
{
	struct hist *hist = xcalloc(2, sizeof(*hist));
	struct load_stats now = { 0 }, before = { .latency = &hist[1] };
	int64_t start, end, next, last, interval = (int64_t)(r->interval_s * 1e9);
	int rc = -1;

	if (load_start(l, &r->ep, 0, e) < 0)
		goto out;
	last = start = clock_mono_ns();
	end = r->time_s > 0 ? start + (int64_t)(r->time_s * 1e9) : INT64_MAX;
	next = interval ? start + interval : INT64_MAX;
	while (clock_mono_ns() < end && load_running(l) && !clock_cancelled()) {
		int64_t at = clock_mono_ns();

		if (at >= next) {
			now.latency = &hist[0];
			load_get_stats(l, &now);
			interval_line(r, (double)(at - start) / 1e9, (double)(at - last) / 1e9, &now, &before);
			hist[1] = hist[0];
			before = now;
			before.latency = &hist[1];
			last = at;
			next += interval;
		}
		pause_ms(5, deadline_in_ms(1000));
	}
	end = clock_mono_ns();
	rc = load_stop(l, deadline_in_ms(STOP_MS), e);
	now.latency = &hist[0];
	load_get_stats(l, &now);
	final_report(r, (double)(end - start) / 1e9, &now);
	if (load_error(l, e) < 0)
		rc = -1;
	else if (clock_cancelled())
		rc = err_set(e, ERR_CANCELLED, 0, "interrupted");
out:
	free(hist);
	return rc;
}

static void print_condition(void *arg, const char *condition, const char *rows)
{
	unsigned *broken = arg;

	*broken += *rows != '\0';
	printf("%s  %s%s%s\n", *rows ? "FAIL" : "ok  ", condition, *rows ? ": found " : "", rows);
}

static int check_load(const struct run *r, struct load *l, struct err *e)
{
	unsigned broken = 0;

	if (load_check(l, &r->ep, print_condition, &broken, e) < 0)
		return -1;
	return broken ? 4 : 0;
}

int cmd_load(int argc, char **argv)
{
	struct run r = {
		.o = { .workers = 1, .tables = 1, .table_size = 10000, .pace = LOAD_POISSON },
		.ep = { .host = "127.0.0.1", .port = 3306, .user = "root" }, .percentile = 95, .time_s = 10,
	};
	struct err e = ERR_INIT;
	struct load *l = NULL;
	int rc = parse(&r, argc, argv);

	if (rc)
		goto out;
	if (!r.o.seed) {
		r.o.seed = (uint64_t)clock_wall_us();
		printf("rand-seed: %" PRIu64 "\n", r.o.seed);
	}
	r.o.journal_start_ns = clock_mono_ns();
	l = load_new(&r.o, &e);
	if (!l)
		rc = -1;
	else if (strcmp(r.verb, "prepare") == 0)
		rc = load_prepare(l, &r.ep, r.o.workers, deadline_in_ms(PREPARE_MS), &e);
	else if (strcmp(r.verb, "check") == 0)
		rc = check_load(&r, l, &e);
	else if (strcmp(r.verb, "cleanup") == 0)
		rc = load_cleanup(l, &r.ep, &e);
	else
		rc = run_load(&r, l, &e);
	if (rc < 0) {
		fprintf(stderr, "drtest load: %s\n", e.text);
		rc = err_exit_code(&e);
	} else if (strcmp(r.verb, "prepare") == 0) {
		printf("%u tables of %" PRId64 " rows in %s\n", r.o.tables, r.o.table_size, r.o.db ? r.o.db : "sbtest");
	}
out:
	load_free(l);
	for (size_t i = 0; i < r.n_set; i++)
		free(r.set[i]);
	memset(r.ep.password, 0, sizeof(r.ep.password));
	return rc == 1 ? 0 : rc; /* 1: help was asked for */
}
