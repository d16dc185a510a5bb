/* What `drtest load` prints: sysbench's lines, and under each what sysbench does not tell. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/load/load_impl.h"

static double quantile_ms(const struct hist *h, double q)
{
	return (double)hist_quantile_us(h, q) / 1e3;
}

static uint64_t count_others(const struct load_stats *s)
{
	return s->statements - s->reads - s->writes < s->statements
		       ? s->statements - s->reads - s->writes
		       : 0;
}

void load_print_interval(const struct load_run *r, const struct load_total *t, double at,
			 uint64_t under_way)
{
	const struct load_stats *s = &t->st;
	const struct hist *h = &t->h[0];
	FILE *out = r->json ? stderr : stdout; /* the JSON stands alone */
	double span = t->seconds > 0 ? t->seconds : 1;

	fprintf(out,
		"[ %.0fs ] thds: %u tps: %4.2f qps: %4.2f (r/w/o: %4.2f/%4.2f/%4.2f) lat (ms,%u%%): "
		"%4.2f err/s: %4.2f reconn/s: %4.2f\n",
		at, t->workers, (double)s->acked / span, (double)s->statements / span,
		(double)s->reads / span, (double)s->writes / span, (double)count_others(s) / span,
		r->percentile, r->percentile ? quantile_ms(h, r->percentile / 100.0) : 0,
		(double)s->failed / span, (double)s->reconnects / span);
	if (r->o.rate_plan && strcmp(r->o.rate_plan, "0") != 0)
		fprintf(out, "[ %.0fs ] queue length: %" PRIu64 ", concurrency: %" PRIu64 "\n", at,
			s->backlog, under_way);
	fprintf(out,
		"[ %.0fs ] lat (ms) p50: %.2f p95: %.2f p99: %.2f p99.9: %.2f max: %.2f  of it queued p99: %.2f served p99: %.2f  failed: %" PRIu64
		" (retried: %" PRIu64 ") unknown: %" PRIu64 "\n",
		at, quantile_ms(h, 0.5), quantile_ms(h, 0.95), quantile_ms(h, 0.99),
		quantile_ms(h, 0.999), (double)h->max_us / 1e3, quantile_ms(&t->h[1], 0.99),
		quantile_ms(&t->h[2], 0.99), s->failed, s->retried, s->unknown);
	fflush(out);
}

/* The slots, several to a line where there are many, as sysbench draws it. */
static void print_histogram(const struct hist *h)
{
	uint64_t most = 0, sum[HIST_SLOTS / 8] = { 0 };

	printf("Latency histogram (values are in milliseconds)\n       value  ------------- distribution ------------- count\n");
	for (unsigned i = 0; i < HIST_SLOTS; i++) {
		sum[i / 8] += h->slot[i];
		most = sum[i / 8] > most ? sum[i / 8] : most;
	}
	for (unsigned i = 0; i < HIST_SLOTS / 8; i++)
		if (sum[i])
			printf("%12.3f |%-40.*s %" PRIu64 "\n",
			       (double)hist_slot_top(i * 8 + 7) / 1e3,
			       (int)ceil(40.0 * (double)sum[i] / (double)most),
			       "****************************************", sum[i]);
	putchar('\n');
}

static void print_part(const char *name, const struct hist *h)
{
	printf("    %-10s %10.2f %10.2f %10.2f %10.2f %10.2f %10.2f\n", name, quantile_ms(h, 0.5),
	       quantile_ms(h, 0.95), quantile_ms(h, 0.99), quantile_ms(h, 0.999),
	       (double)h->max_us / 1e3, h->count ? (double)h->sum_us / 1e3 / (double)h->count : 0);
}

void load_print_final(const struct load_run *r, const struct load_total *t)
{
	const struct load_stats *s = &t->st;
	const struct hist *h = &t->h[0];
	double seconds = t->seconds > 0 ? t->seconds : 1;

	if (r->histogram)
		print_histogram(h);
	printf("SQL statistics:\n    queries performed:\n        read:                            %" PRIu64
	       "\n",
	       s->reads);
	printf("        write:                           %" PRIu64 "\n", s->writes);
	printf("        other:                           %" PRIu64 "\n", count_others(s));
	printf("        total:                           %" PRIu64 "\n", s->statements);
	printf("    transactions:                        %-6" PRIu64 " (%.2f per sec.)\n", s->acked,
	       (double)s->acked / seconds);
	printf("    queries:                             %-6" PRIu64 " (%.2f per sec.)\n",
	       s->statements, (double)s->statements / seconds);
	printf("    ignored errors:                      %-6" PRIu64 " (%.2f per sec.)\n",
	       s->failed, (double)s->failed / seconds);
	printf("    reconnects:                          %-6" PRIu64 " (%.2f per sec.)\n\n",
	       s->reconnects, (double)s->reconnects / seconds);
	printf("General statistics:\n    total time:                          %.4fs\n", t->seconds);
	printf("    total number of events:              %" PRIu64 "\n\n", s->acked);
	printf("Latency (ms):\n         min:                            %12.2f\n         avg:                            %12.2f\n"
	       "         max:                            %12.2f\n",
	       (double)h->min_us / 1e3, h->count ? (double)h->sum_us / 1e3 / (double)h->count : 0,
	       (double)h->max_us / 1e3);
	if (r->percentile)
		printf("        %3uth percentile:                %12.2f\n", r->percentile,
		       quantile_ms(h, r->percentile / 100.0));
	printf("         sum:                            %12.2f\n\n", (double)h->sum_us / 1e3);
	printf("Outcomes:\n"
	       "    acknowledged %" PRIu64 ", failed %" PRIu64 " (%" PRIu64 " of them retried), "
	       "unknown %" PRIu64 "; started %" PRIu64 "\n"
	       "\n",
	       s->acked, s->failed, s->retried, s->unknown, s->started);
	if (t->quiet.times)
		printf("Stalls:\n"
		       "    %u time%s no transaction succeeded for 5 s or more: %.0f s in total, "
		       "%.0f s at most\n"
		       "\n",
		       t->quiet.times, t->quiet.times == 1 ? "" : "s",
		       (double)t->quiet.total_ms / 1e3, (double)t->quiet.longest_ms / 1e3);
	printf("Latency from the due time (ms):\n    %-10s %10s %10s %10s %10s %10s %10s\n", "",
	       "p50", "p95", "p99", "p99.9", "max", "avg");
	print_part("all of it", h);
	print_part("queued", &t->h[1]);
	print_part("served", &t->h[2]);
}
