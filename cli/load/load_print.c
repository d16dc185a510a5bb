/* What `drtest load` prints: sysbench's lines, and under each what sysbench does not tell. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/load/load_impl.h"

static void bind(struct load_total *t)
{
	t->st.latency = &t->h[0];
	t->st.queue = &t->h[1];
	t->st.service = &t->h[2];
}

void load_total_take(struct load_total *t, struct load *l)
{
	bind(t);
	load_get_stats(l, &t->st);
}

#define COUNTS(f)                                                                                \
	f(started) f(acked) f(failed) f(unknown) f(retried) f(reconnects) f(statements) f(reads) \
		f(writes)

void load_total_subtract(struct load_total *t, const struct load_total *before)
{
#define LESS(name) t->st.name -= before->st.name;
	COUNTS(LESS)
	for (int i = 0; i < 3; i++)
		hist_subtract(&t->h[i], &before->h[i]);
	t->seconds -= before->seconds;
	bind(t);
}

void load_total_add(struct load_total *t, const struct load_total *other)
{
#define MORE(name) t->st.name += other->st.name;
	COUNTS(MORE)
	for (int i = 0; i < 3; i++)
		hist_merge(&t->h[i], &other->h[i]);
	t->seconds = t->seconds > other->seconds ? t->seconds : other->seconds;
	t->quiet.times += other->quiet.times;
	t->quiet.total_ms = t->quiet.total_ms > other->quiet.total_ms ? t->quiet.total_ms
								      : other->quiet.total_ms;
	t->quiet.longest_ms = t->quiet.longest_ms > other->quiet.longest_ms
				      ? t->quiet.longest_ms
				      : other->quiet.longest_ms;
	t->workers += other->workers;
	t->shards += other->shards;
	bind(t);
}

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
	printf("Outcomes:\n    acknowledged %" PRIu64 ", failed %" PRIu64 " (of them %" PRIu64
	       " drawn anew), unknown %" PRIu64 "; begun %" PRIu64 "\n\n",
	       s->acked, s->failed, s->retried, s->unknown, s->started);
	if (t->quiet.times)
		printf("Stalls:\n    %u time%s nothing got through for 5 s or more: %.0f s in all, at the longest %.0f s\n\n",
		       t->quiet.times, t->quiet.times == 1 ? "" : "s",
		       (double)t->quiet.total_ms / 1e3, (double)t->quiet.longest_ms / 1e3);
	printf("Latency from the due time (ms):\n    %-10s %10s %10s %10s %10s %10s %10s\n", "",
	       "p50", "p95", "p99", "p99.9", "max", "avg");
	print_part("all of it", h);
	print_part("queued", &t->h[1]);
	print_part("served", &t->h[2]);
}

/* Slots as pairs [slot, count]: they add up exactly. */
static json_t *hist_json(const struct hist *h, bool whole)
{
	json_t *j = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "count", (json_int_t)h->count,
			      "sum_us", (json_int_t)h->sum_us, "min_us", (json_int_t)h->min_us,
			      "max_us", (json_int_t)h->max_us, "p50_us",
			      (json_int_t)hist_quantile_us(h, 0.5), "p95_us",
			      (json_int_t)hist_quantile_us(h, 0.95), "p99_us",
			      (json_int_t)hist_quantile_us(h, 0.99), "p999_us",
			      (json_int_t)hist_quantile_us(h, 0.999));

	if (whole) {
		json_t *slots = json_array();

		for (unsigned i = 0; i < HIST_SLOTS; i++)
			if (h->slot[i])
				json_array_append_new(
					slots, json_pack("[iI]", (int)i, (json_int_t)h->slot[i]));
		json_object_set_new(j, "slots", slots);
	}
	return j;
}

static const char *const parts[] = { "latency", "queued", "served" };

json_t *load_total_json(const struct load_run *r, const struct load_total *t, bool whole_histograms)
{
	json_t *j = json_pack("{s:i,s:s,s:I,s:i,s:i,s:f}", "schema", 1, "load",
			      r->name ? r->name : "", "seed", (json_int_t)r->o.seed, "workers",
			      (int)t->workers, "shards", (int)t->shards, "seconds", t->seconds);

#define PUT(name) json_object_set_new(j, #name, json_integer((json_int_t)t->st.name));
	COUNTS(PUT)
	json_object_set_new(j, "stalls",
			    json_pack("{s:i,s:I,s:I}", "times", (int)t->quiet.times, "total_ms",
				      (json_int_t)t->quiet.total_ms, "longest_ms",
				      (json_int_t)t->quiet.longest_ms));
	json_object_set_new(j, "tps",
			    json_real(t->seconds > 0 ? (double)t->st.acked / t->seconds : 0));
	for (int i = 0; i < 3; i++)
		json_object_set_new(j, parts[i],
				    hist_json(&t->h[i], whole_histograms || r->histogram));
	return j;
}

static int hist_from_json(struct hist *h, json_t *j)
{
	json_t *slot, *slots = json_object_get(j, "slots");
	uint64_t count = 0;
	size_t i;

	memset(h, 0, sizeof(*h));
	if (!json_is_array(slots))
		return -1;
	json_array_foreach(slots, i, slot)
	{
		json_int_t at = json_integer_value(json_array_get(slot, 0)),
			   n = json_integer_value(json_array_get(slot, 1));

		if (at < 0 || at >= HIST_SLOTS || n <= 0)
			return -1;
		h->slot[at] += (uint64_t)n;
		count += (uint64_t)n;
	}
	h->count = (uint64_t)json_integer_value(json_object_get(j, "count"));
	h->sum_us = (uint64_t)json_integer_value(json_object_get(j, "sum_us"));
	h->min_us = (uint64_t)json_integer_value(json_object_get(j, "min_us"));
	h->max_us = (uint64_t)json_integer_value(json_object_get(j, "max_us"));
	return h->count == count ? 0 : -1;
}

int load_total_from_json(struct load_total *t, json_t *j, struct err *e)
{
	bool ok = json_integer_value(json_object_get(j, "schema")) == 1;

	memset(t, 0, sizeof(*t));
#define GET(name)                                              \
	ok = ok && json_is_integer(json_object_get(j, #name)); \
	t->st.name = (uint64_t)json_integer_value(json_object_get(j, #name));
	COUNTS(GET)
	t->seconds = json_number_value(json_object_get(j, "seconds"));
	/* absent: left by a version that did not tell */
	json_t *stalls = json_object_get(j, "stalls");

	t->quiet.times = (unsigned)json_integer_value(json_object_get(stalls, "times"));
	t->quiet.total_ms = json_integer_value(json_object_get(stalls, "total_ms"));
	t->quiet.longest_ms = json_integer_value(json_object_get(stalls, "longest_ms"));
	t->workers = (unsigned)json_integer_value(json_object_get(j, "workers"));
	t->shards = (unsigned)json_integer_value(json_object_get(j, "shards"));
	for (int i = 0; i < 3; i++)
		ok = ok && hist_from_json(&t->h[i], json_object_get(j, parts[i])) == 0;
	bind(t);
	return ok ? 0 : err_set(e, ERR_BAD_DATA, 0, "it is no result of a load");
}
