#include "workloads/pace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"

#define RATE_MAX 1e7

static int read_number(const char **at, double *out)
{
	char *end;

	if (**at < '0' || **at > '9')
		return -1;
	*out = strtod(*at, &end);
	*at = end;
	return *out <= RATE_MAX ? 0 : -1;
}

int pace_parse(struct pace *p, const char *text, struct err *e)
{
	const char *at = text;

	p->n = 0;
	for (;;) {
		struct pace_step *s = &p->step[p->n];

		if (p->n == PACE_STEPS_MAX || read_number(&at, &s->from) < 0)
			goto bad;
		s->to = s->from;
		s->len_ns = PACE_NEVER;
		if (*at == '-' && (at++, read_number(&at, &s->to) < 0))
			goto bad;
		if (*at == '/') {
			size_t n = strcspn(++at, ",");
			char duration[32];
			int64_t ms;

			snprintf(duration, sizeof(duration), "%.*s", (int)n, at);
			ms = n < sizeof(duration) ? duration_parse_ms(duration) : -1;
			if (ms <= 0)
				goto bad;
			s->len_ns = ms * 1000000;
			at += n;
		}
		p->n++;
		if (!*at)
			break;
		if (*at++ != ',' || s->len_ns == PACE_NEVER)
			goto bad; /* only the last may have no end */
	}
	if (p->step[p->n - 1].len_ns == PACE_NEVER &&
	    p->step[p->n - 1].from != p->step[p->n - 1].to)
		goto bad;                             /* a ramp without an end has no slope */
	if (p->step[p->n - 1].len_ns != PACE_NEVER) { /* it stays where the last one ended */
		double last = p->step[p->n - 1].to;

		p->step[p->n++] = (struct pace_step){ last, last, PACE_NEVER };
	}
	p->closed = p->n == 1 && p->step[0].from == 0;
	return 0;
bad:
	return err_set(
		e, ERR_USAGE, 0,
		"rate \"%.80s\" must be a number up to 10,000,000, or steps and ramps such as "
		"\"100/30s,100-1000/60s,1000\"",
		text);
}

void pace_set(struct pace *p, double rate)
{
	p->n = 1;
	p->step[0] = (struct pace_step){ rate, rate, PACE_NEVER };
	p->closed = rate == 0;
}

/* The rate's integral over a step from x to y, in seconds since the step's begin. */
static double step_area(const struct pace_step *s, double x, double y)
{
	double len = (double)s->len_ns / 1e9,
	       slope = s->from == s->to ? 0 : (s->to - s->from) / len;

	return (y - x) * (s->from + slope * (x + y) / 2);
}

/* From `from_ns` on, `amount` of the integral further. */
static void move_forward(struct pace *p, int64_t from_ns, double amount)
{
	for (;;) {
		const struct pace_step *s = &p->step[p->at];
		double x = (double)(from_ns - p->step_start_ns) / 1e9,
		       rest = s->len_ns == PACE_NEVER ? INFINITY
						      : step_area(s, x, (double)s->len_ns / 1e9);
		double slope = s->from == s->to ? 0 : (s->to - s->from) / ((double)s->len_ns / 1e9),
		       rate = s->from + slope * x;

		if (s->len_ns == PACE_NEVER && s->from == 0) {
			p->next_ns = PACE_NEVER;
			return;
		}
		if (amount <= rest && amount > 0) {
			/* rate d + slope d^2 / 2 = amount, in the form that does not cancel */
			double under = rate * rate + 2 * slope * amount,
			       d = 2 * amount / (rate + sqrt(under > 0 ? under : 0));

			if (d < 1e9) {
				p->next_ns = from_ns + (int64_t)(d * 1e9 + 0.5);
				return;
			}
		}
		if (s->len_ns == PACE_NEVER) { /* slower than once in thirty years */
			p->next_ns = PACE_NEVER;
			return;
		}
		amount -= rest;
		if (amount < 0)
			amount = 0;
		p->step_start_ns += s->len_ns;
		from_ns = p->step_start_ns;
		p->at++;
		if (amount == 0)
			amount = 1e-12; /* exactly on the border: due at once in the next step */
	}
}

static double draw(struct pace *p)
{
	return p->even ? 1 : rng_exp(&p->rng, 1);
}

void pace_begin(struct pace *p, int64_t now_ns)
{
	p->at = 0;
	p->step_start_ns = now_ns;
	if (!p->closed)
		move_forward(p, now_ns, p->even && p->first > 0 ? p->first : draw(p));
}

void pace_share(struct pace *p, unsigned shard, unsigned shards)
{
	for (unsigned i = 0; i < p->n; i++) {
		p->step[i].from /= shards;
		p->step[i].to /= shards;
	}
	p->first = (double)shard / shards; /* evenly between the others' */
}

void pace_resume(struct pace *p, int64_t now_ns)
{
	if (p->closed)
		return;
	while (p->step[p->at].len_ns != PACE_NEVER &&
	       now_ns - p->step_start_ns >= p->step[p->at].len_ns)
		p->step_start_ns += p->step[p->at++].len_ns;
	move_forward(p, now_ns, draw(p));
}

void pace_advance(struct pace *p)
{
	move_forward(p, p->next_ns, draw(p));
}

double pace_rate(const struct pace *p, int64_t now_ns)
{
	int64_t start = p->step_start_ns;

	for (unsigned i = p->at;; i++) {
		const struct pace_step *s = &p->step[i];

		if (s->len_ns == PACE_NEVER || now_ns - start < s->len_ns) {
			double x = now_ns > start ? (double)(now_ns - start) / 1e9 : 0;

			return s->from == s->to
				       ? s->from
				       : s->from + (s->to - s->from) * x * 1e9 / (double)s->len_ns;
		}
		start += s->len_ns;
	}
}

double pace_due(const struct pace *p, int64_t now_ns)
{
	int64_t start = p->step_start_ns, from = p->next_ns;
	double sum = 1;

	if (p->closed || p->next_ns > now_ns)
		return 0;
	for (unsigned i = p->at; from < now_ns; i++) {
		const struct pace_step *s = &p->step[i];
		int64_t to = s->len_ns == PACE_NEVER || now_ns - start < s->len_ns
				     ? now_ns
				     : start + s->len_ns;

		if (to > from)
			sum += step_area(s, (double)(from - start) / 1e9,
					 (double)(to - start) / 1e9);
		if (to == now_ns)
			break;
		start += s->len_ns;
		from = to > from ? to : from;
	}
	return sum;
}

void pace_change(struct pace *p, int64_t now_ns, double rate)
{
	struct pace_step before = p->step[p->at];
	bool was_closed = p->closed;

	if (rate == 0 || was_closed || p->next_ns > now_ns) {
		/* nothing is due: the schedule begins anew */
		pace_set(p, rate);
		pace_begin(p, now_ns);
		return;
	}
	/* What is due until now was promised at the old rate: its average, since steps between are
	 * few and past. */
	double due = pace_due(p, now_ns), span = (double)(now_ns - p->next_ns) / 1e9;

	p->closed = false;
	p->n = 2;
	p->at = 0;
	p->step_start_ns = p->next_ns;
	if (span <= 0 || due <= 1)
		p->step[0] = (struct pace_step){ before.from, before.from, 1 };
	else
		p->step[0] = (struct pace_step){ (due - 1) / span, (due - 1) / span,
						 now_ns - p->next_ns };
	p->step[1] = (struct pace_step){ rate, rate, PACE_NEVER };
}
