#include "reports/gate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "reports/stats.h"
#include "reports/text.h"

#define RANKED_MIN 4 /* fewer runs than that can't be improbable enough */
#define IMPROBABLE 0.05
#define SPREADS 3

static int refuse_rule(const char *text, const char *why, struct err *e)
{
	return err_set(e, ERR_USAGE, 0,
		       "rule '%.80s': %s; a rule looks like 'rpo_ms p95 <= 1.2x' or 'rto_ms <= "
		       "2s'",
		       text, why);
}

static bool take_limit(const char *text, const char *name, struct gate_rule *r)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "m", 60000 }, { "h", 3600000 }
	};
	const char *unit = run_row_unit(name);
	char *end;

	r->limit = strtod(text, &end);
	if (end == text || !isfinite(r->limit))
		return false;
	if (!strcmp(end, "x")) {
		r->relative = true;
		return r->limit >= 0;
	}
	if (!strcmp(end, "%") && (*text == '+' || *text == '-')) {
		r->relative = true;
		r->limit = 1 + r->limit / 100;
		return r->limit >= 0;
	}
	if (!*end)
		return true;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].unit) && (!strcmp(unit, "ms") || !strcmp(unit, "s"))) {
			r->limit *= !strcmp(unit, "s") ? units[i].ms / 1000 : units[i].ms;
			return true;
		}
	return false;
}

/* "rto_ms<=30s" has its three words too: blanks around the comparison. */
static void set_apart(const char *text, char *out, size_t size)
{
	size_t before = strcspn(text, "<>="), length = strspn(text + before, "<>=");

	snprintf(out, size, "%.*s %.*s %s", (int)before, text, (int)length, text + before,
		 text + before + length);
}

int gate_parse(const char *text, struct gate_rule *r, struct err *e)
{
	char word[4][64], extra[8], apart[320];
	int n, op;
	char *end;

	set_apart(text, apart, sizeof(apart));
	n = sscanf(apart, "%63s %63s %63s %63s %7s", word[0], word[1], word[2], word[3], extra);
	op = n == 4 ? 2 : 1;

	*r = (struct gate_rule){ .q = -1 };
	if (n != 3 && n != 4)
		return refuse_rule(text, "it has too few or too many words", e);
	snprintf(r->name, sizeof(r->name), "%s", word[0]);
	snprintf(r->statistic, sizeof(r->statistic), "%.15s", n == 4 ? word[1] : "median");
	if (r->statistic[0] == 'p') {
		r->q = strtod(r->statistic + 1, &end) / 100;
		if (end == r->statistic + 1 || *end || !(r->q >= 0 && r->q <= 1))
			return refuse_rule(text, "a percentile must be p0 to p100", e);
	} else if (strcmp(r->statistic, "median") != 0 && strcmp(r->statistic, "mean") != 0 &&
		   strcmp(r->statistic, "min") != 0 && strcmp(r->statistic, "max") != 0) {
		return refuse_rule(text,
				   "its statistic must be one of median, mean, min, max, "
				   "p95",
				   e);
	}
	r->above = word[op][0] == '>';
	r->equal = word[op][1] == '=';
	if ((word[op][0] != '<' && word[op][0] != '>') ||
	    (word[op][1] && strcmp(word[op] + 1, "=") != 0))
		return refuse_rule(text, "its comparison must be one of <=, <, >=, >", e);
	if (!take_limit(word[op + 1], r->name, r) && !*run_row_unit(r->name) &&
	    strspn(word[op + 1], "0123456789.") > 0 && strpbrk(word[op + 1], "smh"))
		return refuse_rule(
			text,
			"its limit is a time, but the figure is not (its name would end in _ms "
			"or _seconds, such as rto_ms)",
			e);
	if (!take_limit(word[op + 1], r->name, r))
		return refuse_rule(
			text,
			"its limit must look like 1.2x or +20%, or be a number with a unit that "
			"fits the figure",
			e);
	return 0;
}

static double take_statistic(const struct gate_rule *r, double *v, size_t n)
{
	double sum = 0;

	if (!strcmp(r->statistic, "mean")) {
		for (size_t i = 0; i < n; i++)
			sum += v[i];
		return sum / (double)n;
	}
	return stats_quantile(v, n,
			      r->q >= 0                      ? r->q
			      : !strcmp(r->statistic, "min") ? 0
			      : !strcmp(r->statistic, "max") ? 1
							     : 0.5);
}

static double *take_values(const struct run_row *runs, size_t n, const char *name, bool passed_only,
			   size_t *out_n)
{
	double *v = xcalloc(n + 1, sizeof(*v)), one;

	*out_n = 0;
	for (size_t i = 0; i < n; i++) {
		one = run_row_value(&runs[i], name);
		if (!isnan(one) && (!passed_only || !strcmp(runs[i].verdict, "pass")))
			v[(*out_n)++] = one;
	}
	return v;
}

static void add_figure(struct strbuf *out, double v, const char *name)
{
	const char *unit = run_row_unit(name);
	char n[TEXT_NUMBER];

	strbuf_addf(out, "%s%s%s", text_figure(n, v), *unit ? " " : "", unit);
}

/* Is the candidates' distance from the baseline more than its noise? Only in the direction that the
 * rule forbids. */
static bool beyond_noise(const struct gate_rule *r, double *v, size_t n, double *b, size_t b_n)
{
	double spread = stats_spread(b, b_n),
	       away = (stats_median(v, n) - stats_median(b, b_n)) * (r->above ? -1 : 1);

	if (n >= RANKED_MIN && b_n >= RANKED_MIN)
		return away > 0 && stats_rank_test(v, n, b, b_n) < IMPROBABLE;
	return away > SPREADS * spread;
}

enum gate_result gate_judge(const struct gate_rule *r, const struct gate_sides *s,
			    struct strbuf *why)
{
	enum gate_result result = GATE_UNKNOWN;
	double *v, *b, is, limit = r->limit;
	size_t n, b_n;
	bool held;

	v = take_values(s->runs, s->runs_n, r->name, false, &n);
	b = take_values(s->baseline, s->baseline_n, r->name, true, &b_n);
	strbuf_addf(why, "%s %s", r->name, r->statistic);
	if (!n) {
		strbuf_addf(why, ": the run%s to judge did not measure it",
			    s->runs_n > 1 ? "s" : "");
		goto out;
	}
	is = take_statistic(r, v, n);
	strbuf_addch(why, ' ');
	add_figure(why, is, r->name);
	if (r->relative && b_n < s->baseline_min) {
		strbuf_addf(why,
			    ": too little history: %zu earlier passing run%s measured it, but %zu "
			    "are required",
			    b_n, b_n == 1 ? "" : "s", s->baseline_min);
		goto out;
	}
	if (r->relative)
		limit *= take_statistic(r, b, b_n);
	held = r->above ? is > limit || (r->equal && is == limit)
			: is < limit || (r->equal && is == limit);
	result = held ? GATE_HOLDS : GATE_BROKEN;
	strbuf_addf(why, ", limit %s%s ", r->above ? ">" : "<", r->equal ? "=" : "");
	add_figure(why, limit, r->name);
	if (!r->relative)
		goto out;
	strbuf_addf(why, " (%gx of ", r->limit);
	add_figure(why, take_statistic(r, b, b_n), r->name);
	strbuf_addf(why, "; baseline of %zu: median ", b_n);
	add_figure(why, stats_median(b, b_n), r->name);
	strbuf_addstr(why, ", spread ");
	add_figure(why, stats_spread(b, b_n), r->name);
	strbuf_addch(why, ')');
	if (!held && !s->strict && !beyond_noise(r, v, n, b, b_n)) {
		result = GATE_HOLDS;
		strbuf_addstr(why, ": beyond the limit, but within the noise");
	}
out:
	free(v);
	free(b);
	return result;
}
