/* The charts of a report: inline SVG on one time axis, readable without a script; their values as JSON for the script that shows
 * them under the pointer. */
#ifndef REPORTS_HTML_CHART_H
#define REPORTS_HTML_CHART_H

#include "harness/base/strbuf.h"
#include "reports/run_model.h"

/* Steps, parts and faults on the time axis, then a chart for each kind of series that has values. */
void html_charts(const struct run_model *m, struct strbuf *out);
/* The RTO's parts on one bar, and below it the way to redundancy at its own scale. Writes nothing when none is known. */
void html_rto_bar(const struct run_model *m, struct strbuf *out);

#endif
