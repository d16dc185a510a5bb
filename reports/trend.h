/* Figures over time: one page (HTML, opens without network) with a chart for each figure,
 * apart for each scenario and its options, of the runs that are given. */
#ifndef REPORTS_TREND_H
#define REPORTS_TREND_H

#include "harness/base/strbuf.h"
#include "reports/run_history.h"

/* runs: oldest first. Links go to NAME/report.html beside the page. */
void trend_html(const struct run_row *runs, size_t n, const char *title, struct strbuf *out);

#endif
