/* Regression rules over the history: "rpo_ms p95 <= 1.2x", "rto_ms <= 2s", "load_tps min >= 90". */
#ifndef REPORTS_GATE_H
#define REPORTS_GATE_H

#include "harness/base/strbuf.h"
#include "reports/run_history.h"

/* FIGURE [median|mean|min|max|pNN] <=|<|>=|> LIMIT. LIMIT: 1.2x or +20% (of the same statistic of
 * the baseline), or a number with ms, s, min or nothing behind it. Without a statistic: the median.
 */
struct gate_rule {
	char name[64], statistic[16];
	double q;          /* of pNN; < 0: none */
	bool above, equal; /* the value has to be above the limit; may be equal to it */
	bool relative;     /* limit is a factor */
	double limit;
};
int gate_parse(const char *text, struct gate_rule *r, struct err *e); /* ERR_USAGE */

enum gate_result { GATE_HOLDS, GATE_BROKEN, GATE_UNKNOWN };
struct gate_sides {
	const struct run_row *runs, *baseline;
	size_t runs_n, baseline_n;
	size_t baseline_min; /* runs that a relative rule needs */
	bool strict;         /* the limit alone decides, whatever the noise */
};
/* A relative rule is broken when the limit is passed and the runs lie outside of the baseline's
 * noise: more than three spreads from its median or, with four runs and more, improbable (p < 0.05)
 * by ranks. *why gets one line either way. */
enum gate_result gate_judge(const struct gate_rule *r, const struct gate_sides *s,
			    struct strbuf *why);

#endif
