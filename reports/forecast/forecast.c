#include "reports/forecast/forecast.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "reports/stats.h"

#define DRAWS 4000
#define SEED 19
#define ALIKE 1.5 /* the largest of the runs' rows over the smallest: below, they tell no cost */

struct terms { /* of one run */
	double detect, replay, promote, rto, rpo, rows, behind_s;
};
struct sample {
	struct terms *t;
	size_t n;
	double row_ms, begin; /* replay = begin + rows x row_ms */
	bool row_unknown;
};

static bool terms_of(const struct run_row *r, struct terms *t)
{
	double tps = run_row_value(r, "load_tps"), txns = run_row_value(r, "replayed_transactions");

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
	t->behind_s = tps > 0 && txns > 0 ? txns / tps : NAN;
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

/* Each run is forecast from the others, with nothing of its own. */
static void hold(const struct sample *all, struct forecast *out)
{
	struct sample s = { .t = xcalloc(all->n, sizeof(*s.t)), .n = all->n - 1 };
	double *error = xcalloc(all->n, sizeof(*error));
	static const struct forecast_own none;

	for (size_t i = 0; i < all->n; i++) {
		struct forecast f = { 0 };
		double was = all->t[i].rto;

		for (size_t k = 0, to = 0; k < all->n; k++)
			if (k != i)
				s.t[to++] = all->t[k];
		fit(&s, &none);
		draw(&s, &none, &f);
		error[i] = was > 0 ? fabs(f.rto_ms.median - was) / was : 0;
		out->rto_inside += was >= f.rto_ms.low && was <= f.rto_ms.high;
	}
	out->rto_error = stats_median(error, all->n);
	free(error);
	free(s.t);
}

int forecast_make(const struct run_row *runs, size_t n, const struct forecast_own *own,
		  struct forecast *out, struct err *e)
{
	struct sample s = { .t = xcalloc(n + 1, sizeof(*s.t)) };

	*out = (struct forecast){ 0 };
	for (size_t i = 0; i < n; i++)
		s.n += terms_of(&runs[i], &s.t[s.n]);
	if (s.n < FORECAST_RUNS_MIN) {
		free(s.t);
		return err_set(
			e, ERR_USAGE, 0,
			"%zu of %zu runs have an RTO with a replay in it: a forecast needs %d", s.n,
			n, FORECAST_RUNS_MIN);
	}
	if (own->store_bytes_per_s > 0 && !(own->row_bytes > 0 && own->rows_per_s > 0)) {
		free(s.t);
		return err_set(
			e, ERR_USAGE, 0,
			"the store's bandwidth says nothing without --rows-per-s and --row-bytes");
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
	static const char *const name[] = { "detection", "what every replay takes",
					    "the rows to replay", "promotion" };
	const double term[] = { f->detect_ms, f->begin_ms, f->rows_ms, f->promote_ms };
	size_t most = 0;

	for (size_t i = 1; i < sizeof(term) / sizeof(term[0]); i++)
		most = term[i] > term[most] ? i : most;
	return name[most];
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
			"note: the runs replayed nearly the same number of rows, so what a row costs is not known and"
			" not counted: --target-rows-per-s gives it\n");
	if (f->store_too_slow)
		strbuf_addstr(
			out,
			"note: more is written than the store takes: the redo log falls behind, and the RPO grows all the while\n");
	if (f->target_too_slow)
		strbuf_addstr(
			out,
			"note: more is written than the secondary takes: it falls behind, and the RTO grows all the while\n");
	strbuf_addf(
		out,
		"held against its own %zu runs, each left out in turn: RTO off by %.0f %% (median), %zu of %zu"
		" within their spread\n",
		f->runs, f->rto_error * 100, f->rto_inside, f->runs);
}

static json_t *range_json(const struct forecast_range *r)
{
	return json_pack("{s:f,s:f,s:f}", "low", r->low, "median", r->median, "high", r->high);
}

json_t *forecast_json(const struct forecast *f)
{
	return json_pack(
		"{s:I,s:o,s:o,s:{s:f,s:f,s:f,s:f},s:{s:f,s:f},s:f,s:f,s:b,s:s,s:b,s:b,s:{s:f,s:I}}",
		"runs", (json_int_t)f->runs, "rpo_ms", range_json(&f->rpo_ms), "rto_ms",
		range_json(&f->rto_ms), "rto_terms_ms", "detect", f->detect_ms, "begin",
		f->begin_ms, "rows", f->rows_ms, "promote", f->promote_ms, "rpo_terms_ms", "flush",
		f->flush_ms, "upload", f->upload_ms, "rows", f->rows, "row_us", f->row_us,
		"row_unknown", f->row_unknown, "dominating", dominating_term(f), "store_too_slow",
		f->store_too_slow, "target_too_slow", f->target_too_slow, "held", "rto_error",
		f->rto_error, "rto_inside", (json_int_t)f->rto_inside);
}
