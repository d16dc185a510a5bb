/* The charts of a report, on one time axis: places, legends and values here; reports/report.js
 * draws them with uPlot. */
#ifndef REPORTS_HTML_CHART_H
#define REPORTS_HTML_CHART_H

#include "harness/base/strbuf.h"
#include "reports/run_model.h"

/* Steps, faults and parts of the RTO on the time axis, then a chart for each kind of series that
 * has values. */
void html_charts(const struct run_model *m, struct strbuf *out);
/* The RTO's parts on one bar, and below it the way to redundancy at its own scale. Writes nothing
 * when none is known. */
void html_rto_bar(const struct run_model *m, struct strbuf *out);

#endif
