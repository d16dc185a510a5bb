/* The curve of a search for capacity: what each rate that was held brought, drawn and as a table.
 * It is read from the figure `curve` of the run: [{"rate":…,"p50_ms":…,"broke":""},…]. */
#ifndef REPORTS_CURVE_CURVE_H
#define REPORTS_CURVE_CURVE_H

#include "harness/base/strbuf.h"
#include "reports/run_model.h"

bool curve_there(const struct run_model *m);
/* a section; nothing where there is no curve */
void curve_html(const struct run_model *m, struct strbuf *out);

#endif
