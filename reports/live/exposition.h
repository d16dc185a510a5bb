/* Figures as Prometheus reads them: its text format (0.0.4), or OpenMetrics 1.0. Every name begins
 * with "drtest_"; help texts and names are the program's own, label values may be anything. */
#ifndef REPORTS_LIVE_EXPOSITION_H
#define REPORTS_LIVE_EXPOSITION_H

#include <stdbool.h>

#include "harness/base/strbuf.h"

enum exposition_type {
	EXPOSITION_GAUGE,
	EXPOSITION_COUNTER, /* its samples are called NAME_total */
	EXPOSITION_INFO     /* its sample is called NAME_info */
};
struct exposition {
	struct strbuf *out;
	bool open_metrics;
	struct strbuf common; /* labels of every sample */
	const char *name;     /* the family under way */
	enum exposition_type type;
};

#define EXPOSITION_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define EXPOSITION_OPEN_METRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

void exposition_begin(struct exposition *x, struct strbuf *out, bool open_metrics);
/* On every sample from now on. */
void exposition_common(struct exposition *x, const char *label, const char *value);
/* Samples of it follow. A name that ends in "_seconds" or "_bytes" tells its unit so. */
void exposition_family(struct exposition *x, const char *name, enum exposition_type type,
		       const char *help);
/* label, value: one more label; NULL: none. A figure that is not finite is left out. */
void exposition_sample(struct exposition *x, const char *label, const char *value, double v);
/* labels: pairs of name and value, NULL-terminated */
void exposition_labelled(struct exposition *x, const char *const *labels, double v);
/* A gauge with one sample; nothing for a negative v, which was not measured. */
void exposition_one(struct exposition *x, const char *name, const char *help, double v);
void exposition_end(struct exposition *x); /* frees what it holds; out stays */

#endif
