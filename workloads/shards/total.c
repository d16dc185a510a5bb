#include "workloads/shards/total.h"

#include <string.h>

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
	t->st.backlog += other->st.backlog;
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

json_t *load_total_json(const char *name, uint64_t seed, const struct load_total *t, bool whole)
{
	json_t *j = json_pack("{s:i,s:s,s:I,s:i,s:i,s:f}", "schema", 1, "load", name ? name : "",
			      "seed", (json_int_t)seed, "workers", (int)t->workers, "shards",
			      (int)t->shards, "seconds", t->seconds);

#define PUT(name) json_object_set_new(j, #name, json_integer((json_int_t)t->st.name));
	COUNTS(PUT)
	json_object_set_new(j, "backlog", json_integer((json_int_t)t->st.backlog));
	json_object_set_new(j, "stalls",
			    json_pack("{s:i,s:I,s:I}", "times", (int)t->quiet.times, "total_ms",
				      (json_int_t)t->quiet.total_ms, "longest_ms",
				      (json_int_t)t->quiet.longest_ms));
	json_object_set_new(j, "tps",
			    json_real(t->seconds > 0 ? (double)t->st.acked / t->seconds : 0));
	for (int i = 0; i < 3; i++)
		json_object_set_new(j, parts[i], hist_json(&t->h[i], whole));
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
	t->st.backlog = (uint64_t)json_integer_value(json_object_get(j, "backlog"));
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
