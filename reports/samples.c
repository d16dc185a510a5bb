#include "reports/samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define VALUE_MAX 1e15 /* what is beyond is no measurement */

static bool is_rate(enum series_kind kind)
{
	return kind == SERIES_RATE || kind == SERIES_CPU;
}

static struct series *find_slot(struct samples *s, enum series_kind kind, const char *name)
{
	struct series *one;

	for (size_t i = 0; i < s->series_n; i++)
		if (s->series[i]->kind == kind && !strcmp(s->series[i]->name, name))
			return s->series[i];
	if (s->series_n == SAMPLES_SERIES_MAX) {
		s->left_out++;
		return NULL;
	}
	one = s->series[s->series_n++] = xcalloc(1, sizeof(*one));
	one->kind = kind;
	one->name = xstrdup(name);
	one->dashed = kind == SERIES_LAG_S && strstr(name, ": redo log");
	one->last_t = -1;
	for (size_t i = 0; i < s->n; i++)
		one->v[i] = NAN;
	return one;
}

/* Two rows' values as one; either may be none. */
static double join_values(enum series_kind kind, double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) ? b : a;
	return is_rate(kind) ? (a + b) / 2 : a > b ? a : b;
}

static void halve(struct samples *s)
{
	for (size_t i = 0; i < SAMPLES_ROWS_MAX / 2; i++)
		s->t[i] = s->t[2 * i];
	for (size_t k = 0; k < s->series_n; k++)
		for (size_t i = 0; i < SAMPLES_ROWS_MAX / 2; i++)
			s->series[k]->v[i] = join_values(s->series[k]->kind, s->series[k]->v[2 * i],
							 s->series[k]->v[2 * i + 1]);
	s->n = SAMPLES_ROWS_MAX / 2;
	s->stride *= 2;
}

void samples_end(struct samples *s)
{
	if (!s->pending_n)
		return;
	s->t[s->n] = s->pending_t;
	for (size_t i = 0; i < s->series_n; i++) {
		struct series *one = s->series[i];

		one->v[s->n] = !one->pending_n      ? NAN
			       : is_rate(one->kind) ? one->pending_v / one->pending_n
						    : one->pending_v;
		one->pending_n = 0;
	}
	s->n++;
	s->pending_n = 0;
	if (s->n == SAMPLES_ROWS_MAX)
		halve(s);
}

bool samples_begin(struct samples *s, double t)
{
	if (!s->stride)
		s->stride = 1;
	if (s->pending_n >= s->stride)
		samples_end(s);
	if (s->pending_n ? t < s->pending_t : s->n && t < s->t[s->n - 1])
		return false;
	if (!s->pending_n++)
		s->pending_t = t;
	return true;
}

void samples_add(struct samples *s, enum series_kind kind, const char *name, double v)
{
	struct series *one = v >= 0 && v <= VALUE_MAX ? find_slot(s, kind, name) : NULL;

	if (!one)
		return;
	if (!one->pending_n++)
		one->pending_v = v;
	else if (is_rate(kind))
		one->pending_v += v;
	else if (v > one->pending_v)
		one->pending_v = v;
}

void samples_total(struct samples *s, enum series_kind kind, const char *name, double t,
		   double total, double scale)
{
	struct series *one = total >= 0 && total <= VALUE_MAX ? find_slot(s, kind, name) : NULL;

	if (!one)
		return;
	if (one->last_t >= 0 && t > one->last_t && total >= one->last_total)
		samples_add(s, kind, name, (total - one->last_total) / (t - one->last_t) * scale);
	one->last_t = t;
	one->last_total = total;
}

void samples_release(struct samples *s)
{
	for (size_t i = 0; s && i < s->series_n; i++) {
		free(s->series[i]->name);
		free(s->series[i]);
	}
	if (s)
		s->series_n = 0;
}
