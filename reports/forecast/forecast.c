#include "reports/forecast/forecast.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "reports/stats.h"

#define DRAWS 4000
#define SEED 19
#define ALIKE 1.5 /* the largest of the runs' rows over the smallest: below, they tell no cost */

struct terms { /* of one run */
	double detect, replay, promote, rto, rpo, rows, behind_s;
	double tps, txn_rows; /* when the disaster came; rows of a transaction: NAN not known */
	const char *run;
};
struct sample {
	struct terms *t;
	size_t n;
	double row_ms, begin; /* replay = begin + rows x row_ms */
	bool row_unknown;
};

static bool terms_of(const struct run_row *r, struct terms *t)
{
	double tps = run_row_value(r, "disaster_tps"),
	       txns = run_row_value(r, "replayed_transactions");

	if (isnan(tps)) /* a history of an earlier version */
		tps = run_row_value(r, "load_tps");

	*t = (struct terms){ .detect = run_row_value(r, "rto_detect_ms"),
			     .replay = run_row_value(r, "rto_replay_ms"),
			     .promote = run_row_value(r, "rto_promote_ms"),
			     .rto = run_row_value(r, "rto_ms"),
			     .rpo = run_row_value(r, "rpo_resolved_behind_ms"),
			     .rows = run_row_value(r, "replayed_rows") };
	if (isnan(t->detect) || isnan(t->replay) || isnan(t->promote) || isnan(t->rto) ||
	    isnan(t->rpo) || isnan(t->rows))
		return false;
	/* what our own checks took is nobody's recovery */
	t->rto = t->detect + t->replay + t->promote;
	t->tps = tps;
	t->behind_s = tps > 0 && txns >= 0 ? txns / tps : NAN;
	t->txn_rows = txns > 0 ? t->rows / txns : NAN;
	t->run = r->name;
	return true;
}

static double median_of(const struct sample *s, size_t at)
{
	double *v = xcalloc(s->n, sizeof(*v)), m;

	for (size_t i = 0; i < s->n; i++)
		v[i] = *(const double *)(const void *)((const char *)&s->t[i] + at);
	m = stats_median(v, s->n);
	free(v);
	return m;
}
#define MEDIAN(s, member) median_of(s, offsetof(struct terms, member))

/* The median of the slopes between all pairs of runs: an odd one does not turn it. */
static double row_cost(const struct sample *s, bool *unknown)
{
	double *v = xcalloc(s->n * s->n, sizeof(*v)), low = INFINITY, high = 0, cost = 0;
	size_t k = 0;

	for (size_t i = 0; i < s->n; i++) {
		low = fmin(low, fmax(s->t[i].rows, 1));
		high = fmax(high, s->t[i].rows);
		for (size_t j = 0; j < i; j++)
			if (s->t[i].rows != s->t[j].rows)
				v[k++] = (s->t[i].replay - s->t[j].replay) /
					 (s->t[i].rows - s->t[j].rows);
	}
	*unknown = !k || high < low * ALIKE;
	if (!*unknown)
		cost = fmax(0, stats_median(v, k));
	free(v);
	return cost;
}

static void fit(struct sample *s, const struct forecast_own *own)
{
	double *v = xcalloc(s->n, sizeof(*v)), seen = row_cost(s, &s->row_unknown);

	for (size_t i = 0; i < s->n; i++)
		v[i] = s->t[i].replay - seen * s->t[i].rows;
	s->begin = fmax(0, stats_median(v, s->n));
	s->row_ms = own->target_rows_per_s > 0 ? 1000 / own->target_rows_per_s : seen;
	s->row_unknown = s->row_unknown && !(own->target_rows_per_s > 0);
	free(v);
}

static double upload_ms(const struct forecast_own *own, double flush_ms)
{
	double bytes = own->rows_per_s * own->row_bytes * flush_ms / 1000;

	return own->store_latency_ms +
	       (own->store_bytes_per_s > 0 ? bytes / own->store_bytes_per_s * 1000 : 0);
}

static double rows_of(const struct terms *t, const struct forecast_own *own)
{
	return own->rows_per_s > 0 && !isnan(t->behind_s) ? own->rows_per_s * t->behind_s : t->rows;
}

static struct forecast_range range_of(double *v, size_t n)
{
	return (struct forecast_range){ stats_quantile(v, n, 0.05), stats_quantile(v, n, 0.5),
					stats_quantile(v, n, 0.95) };
}

/* The runs' terms, each drawn by itself; what the line does not explain of a replay is drawn too.
 */
static void draw(const struct sample *s, const struct forecast_own *own, struct forecast *out)
{
	double *rto = xcalloc(DRAWS, sizeof(*rto)), *rpo = xcalloc(DRAWS, sizeof(*rpo));
	double *rows = xcalloc(DRAWS, sizeof(*rows));
	double flush = own->flush_ms > 0 ? own->flush_ms : FORECAST_FLUSH_MS, upload;
	bool unknown;
	double seen = row_cost(s, &unknown);
	struct rng g;

	rng_seed(&g, SEED);
	upload = upload_ms(own, flush);
	for (size_t i = 0; i < DRAWS; i++) {
		const struct terms *a = &s->t[rng_below(&g, s->n)], *b = &s->t[rng_below(&g, s->n)],
				   *c = &s->t[rng_below(&g, s->n)], *d = &s->t[rng_below(&g, s->n)],
				   *f = &s->t[rng_below(&g, s->n)];
		double rest = b->replay - s->begin - seen * b->rows;

		rows[i] = rows_of(c, own);
		rto[i] = a->detect + d->promote + fmax(0, s->begin + rest + s->row_ms * rows[i]);
		rpo[i] = f->rpo * flush / FORECAST_FLUSH_MS + upload;
	}
	out->rto_ms = range_of(rto, DRAWS);
	out->rpo_ms = range_of(rpo, DRAWS);
	out->rows = stats_median(rows, DRAWS);
	out->upload_ms = upload;
	out->flush_ms = fmax(0, out->rpo_ms.median - upload);
	free(rto);
	free(rpo);
	free(rows);
}

/* What was known of a run before it: the rows that its load writes a second. */
static double rows_per_s(const struct sample *others, const struct terms *t)
{
	double *v = xcalloc(others->n + 1, sizeof(*v)), per = t->txn_rows;
	size_t n = 0;

	for (size_t i = 0; i < others->n; i++)
		if (!isnan(others->t[i].txn_rows))
			v[n++] = others->t[i].txn_rows;
	if (isnan(per) && n)
		per = stats_median(v, n);
	free(v);
	return t->tps > 0 && per > 0 ? t->tps * per : 0;
}

static void count(struct forecast_error *h, double *off, double told, double was,
		  const struct forecast_range *range)
{
	*off = was > 0 ? fabs(told - was) / was : told > 0 ? 1 : 0;
	h->within += *off <= FORECAST_WITHIN;
	h->inside += was >= range->low && was <= range->high;
	h->mean_off += told - was; /* of all, until their mean is known */
}

/* Each run is forecast from the others. */
static void hold(const struct sample *all, struct forecast *out)
{
	struct sample s = { .t = xcalloc(all->n, sizeof(*s.t)), .n = all->n - 1 };
	double *rto_off = xcalloc(all->n, sizeof(*rto_off)),
	       *rpo_off = xcalloc(all->n, sizeof(*rpo_off)), rto = 0, rpo = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct terms *was = &all->t[i];
		struct forecast *f = xcalloc(1, sizeof(*f));
		struct forecast_held *h = &out->held[i];
		struct forecast_own own = { 0 };

		for (size_t k = 0, to = 0; k < all->n; k++)
			if (k != i)
				s.t[to++] = all->t[k];
		own.rows_per_s = rows_per_s(&s, was);
		fit(&s, &own);
		draw(&s, &own, f);
		snprintf(h->run, sizeof(h->run), "%s", was->run ? was->run : "");
		h->rows_per_s = own.rows_per_s;
		h->rto_ms = f->rto_ms.median;
		h->rto_was_ms = was->rto;
		h->rpo_ms = f->rpo_ms.median;
		h->rpo_was_ms = was->rpo;
		count(&out->rto_held, &rto_off[i], h->rto_ms, was->rto, &f->rto_ms);
		count(&out->rpo_held, &rpo_off[i], h->rpo_ms, was->rpo, &f->rpo_ms);
		out->detect_off += MEDIAN(&s, detect) - was->detect;
		out->promote_off += MEDIAN(&s, promote) - was->promote;
		out->replay_off += s.begin + s.row_ms * f->rows - was->replay;
		rto += was->rto;
		rpo += was->rpo;
		free(f);
	}
	out->rto_held.median = stats_median(rto_off, all->n);
	out->rpo_held.median = stats_median(rpo_off, all->n);
	out->rto_held.mean_off /= rto > 0 ? rto : 1;
	out->rpo_held.mean_off /= rpo > 0 ? rpo : 1;
	out->detect_off /= rto > 0 ? rto : 1;
	out->replay_off /= rto > 0 ? rto : 1;
	out->promote_off /= rto > 0 ? rto : 1;
	free(rto_off);
	free(rpo_off);
	free(s.t);
}

int forecast_make(const struct run_row *runs, size_t n, const struct forecast_own *own,
		  struct forecast *out, struct err *e)
{
	struct sample s = { .t = xcalloc(n + 1, sizeof(*s.t)) };

	memset(out, 0, sizeof(*out));
	n = n < FORECAST_RUNS_MAX ? n : FORECAST_RUNS_MAX;
	for (size_t i = 0; i < n; i++)
		s.n += terms_of(&runs[i], &s.t[s.n]);
	if (s.n < FORECAST_RUNS_MIN) {
		free(s.t);
		return err_set(e, ERR_USAGE, 0,
			       "%zu of %zu runs have an RTO with a replay, but a forecast needs %d",
			       s.n, n, FORECAST_RUNS_MIN);
	}
	if (own->store_bytes_per_s > 0 && !(own->row_bytes > 0 && own->rows_per_s > 0)) {
		free(s.t);
		return err_set(e, ERR_USAGE, 0,
			       "--store-mb-per-s needs --rows-per-s and --row-bytes");
	}
	fit(&s, own);
	out->runs = s.n;
	out->row_us = s.row_ms * 1000;
	out->row_unknown = s.row_unknown;
	draw(&s, own, out);
	out->detect_ms = MEDIAN(&s, detect);
	out->promote_ms = MEDIAN(&s, promote);
	out->begin_ms = s.begin;
	out->rows_ms = s.row_ms * out->rows;
	out->store_too_slow = own->store_bytes_per_s > 0 &&
			      own->rows_per_s * own->row_bytes >= own->store_bytes_per_s;
	out->target_too_slow =
		own->target_rows_per_s > 0 && own->rows_per_s >= own->target_rows_per_s;
	hold(&s, out);
	free(s.t);
	return 0;
}

/* ---- told ---- */

static const char *dominating_term(const struct forecast *f)
{
	static const char *const name[] = { "detection", "the fixed cost of a replay",
					    "the rows to replay", "promotion" };
	const double term[] = { f->detect_ms, f->begin_ms, f->rows_ms, f->promote_ms };
	size_t most = 0;

	for (size_t i = 1; i < sizeof(term) / sizeof(term[0]); i++)
		most = term[i] > term[most] ? i : most;
	return name[most];
}

static void add_held(const char *what, const struct forecast_error *h, size_t runs,
		     struct strbuf *out)
{
	strbuf_addf(
		out,
		"  %s  mean off by %+.0f %%; a run by %.0f %% (median); %zu of %zu within 20 %%, %zu of %zu within "
		"their spread\n",
		what, h->mean_off * 100, h->median * 100, h->within, runs, h->inside, runs);
}

void forecast_text(const struct forecast *f, struct strbuf *out)
{
	strbuf_addf(out, "RPO  %.2f s, %.2f to %.2f s (flush cycle %.2f, upload %.2f)\n",
		    f->rpo_ms.median / 1000, f->rpo_ms.low / 1000, f->rpo_ms.high / 1000,
		    f->flush_ms / 1000, f->upload_ms / 1000);
	strbuf_addf(
		out,
		"RTO  %.2f s, %.2f to %.2f s (detect %.2f, replay %.2f + %.0f rows %.2f, promote %.2f);"
		" most of it: %s\n",
		f->rto_ms.median / 1000, f->rto_ms.low / 1000, f->rto_ms.high / 1000,
		f->detect_ms / 1000, f->begin_ms / 1000, f->rows, f->rows_ms / 1000,
		f->promote_ms / 1000, dominating_term(f));
	if (f->row_unknown)
		strbuf_addstr(
			out,
			"note: the runs replayed nearly the same number of rows, so the cost of "
			"a row is unknown and not included: set it with --target-rows-per-s\n");
	if (f->store_too_slow)
		strbuf_addstr(
			out,
			"note: the load writes more than the store accepts: the redo log falls "
			"further and further behind, and the RPO grows\n");
	if (f->target_too_slow)
		strbuf_addstr(
			out,
			"note: the load writes more than the secondary accepts: it falls further "
			"and further behind, and the RTO grows\n");
	strbuf_addf(out, "held against its own %zu runs, each left out in turn:\n", f->runs);
	add_held("RTO", &f->rto_held, f->runs, out);
	add_held("RPO", &f->rpo_held, f->runs, out);
}

static json_t *range_json(const struct forecast_range *r)
{
	return json_pack("{s:f,s:f,s:f}", "low", r->low, "median", r->median, "high", r->high);
}

static json_t *held_json(const struct forecast *f)
{
	json_t *runs = json_array(), *held;

	for (size_t i = 0; i < f->runs; i++) {
		const struct forecast_held *h = &f->held[i];

		json_array_append_new(runs,
				      json_pack("{s:s,s:f,s:f,s:f,s:f,s:f}", "run", h->run,
						"rows_per_s", h->rows_per_s, "rto_ms", h->rto_ms,
						"rto_was_ms", h->rto_was_ms, "rpo_ms", h->rpo_ms,
						"rpo_was_ms", h->rpo_was_ms));
	}
	held = json_pack("{s:o,s:{s:f,s:f,s:f}}", "runs", runs, "terms_off", "detect",
			 f->detect_off, "replay", f->replay_off, "promote", f->promote_off);
	for (int i = 0; i < 2; i++) {
		const struct forecast_error *h = i ? &f->rpo_held : &f->rto_held;
		const char *what = i ? "rpo" : "rto";
		char name[32];

		snprintf(name, sizeof(name), "%s_error", what);
		json_object_set_new(held, name, json_real(h->median));
		snprintf(name, sizeof(name), "%s_mean_off", what);
		json_object_set_new(held, name, json_real(h->mean_off));
		snprintf(name, sizeof(name), "%s_within_20", what);
		json_object_set_new(held, name, json_integer((json_int_t)h->within));
		snprintf(name, sizeof(name), "%s_inside", what);
		json_object_set_new(held, name, json_integer((json_int_t)h->inside));
	}
	return held;
}

json_t *forecast_json(const struct forecast *f)
{
	return json_pack(
		"{s:I,s:o,s:o,s:{s:f,s:f,s:f,s:f},s:{s:f,s:f},s:f,s:f,s:b,s:s,s:b,s:b,s:o}", "runs",
		(json_int_t)f->runs, "rpo_ms", range_json(&f->rpo_ms), "rto_ms",
		range_json(&f->rto_ms), "rto_terms_ms", "detect", f->detect_ms, "begin",
		f->begin_ms, "rows", f->rows_ms, "promote", f->promote_ms, "rpo_terms_ms", "flush",
		f->flush_ms, "upload", f->upload_ms, "rows", f->rows, "row_us", f->row_us,
		"row_unknown", f->row_unknown, "dominating", dominating_term(f), "store_too_slow",
		f->store_too_slow, "target_too_slow", f->target_too_slow, "held", held_json(f));
}
